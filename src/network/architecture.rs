//! What a network is made of, and what is refused.

use std::fmt;

use super::activation::Activation;
use super::image::Image;
use super::normalisation::Normalisation;
use super::objective::Objective;
use crate::data::Dataset;

/// An L-layer network z -> BN(W_L s(BN(W_{L-1} ... s(BN(W_1 x))))), equation (2).
#[derive(Clone, Debug, PartialEq)]
pub struct Architecture {
    /// Inputs, hidden units, outputs: L + 1 numbers.
    pub widths: Vec<usize>,
    /// What stands after every linear map.
    pub normalisation: Normalisation,
    /// The activation s between layers; none after the last.
    pub activation: Activation,
    /// The objective f_y.
    pub objective: Objective,
    /// lambda in (lambda/2) ||g||^2, added to every F_z.
    pub weight_decay: f64,
}

/// A layer of 3x3 filters in front of the dense ones: stride 1, zeros around the image, and the maximum of every 2x2
/// square if it is `pooled`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// How many filters, hence channels of the result.
    pub filters: usize,
    /// Whether pooling follows the activation.
    pub pooled: bool,
}

/// Layers of filters on images of a shape. The network's first width is the number of numbers in an image, channel by
/// channel and row by row; its other widths are those of the dense layers behind the last filters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Convolutions {
    /// The shape of the inputs.
    pub image: Image,
    /// The layers, first to last.
    pub layers: Vec<Convolution>,
}

/// The part of a network that an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkPart {
    /// The widths, alone or against the features of the data.
    Widths,
    /// The layers of filters.
    Convolutions,
    /// The normalisation with its parameters.
    Normalisation,
    /// The bias of a layer.
    Bias,
    /// The objective against the outputs or the labels.
    Objective,
    /// lambda.
    WeightDecay,
    /// The minibatches against the data.
    Minibatches,
}

/// An architecture that makes no sense, or does not fit the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkError {
    part: NetworkPart,
    layer: Option<usize>,
    message: String,
}

impl NetworkError {
    pub(crate) fn new(part: NetworkPart, message: impl Into<String>) -> Self {
        Self { part, layer: None, message: message.into() }
    }

    pub(super) fn in_layer(self, layer: usize) -> Self {
        Self { layer: Some(layer), ..self }
    }

    /// What it is about.
    pub fn part(&self) -> NetworkPart {
        self.part
    }

    /// The layer that it is about, from 0 and with layers of filters, if it is about one.
    pub fn layer(&self) -> Option<usize> {
        self.layer
    }
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for NetworkError {}

impl Architecture {
    /// L, layers of filters apart: see [`Network::n_layers`](super::Network::n_layers).
    pub fn n_layers(&self) -> usize {
        self.widths.len().saturating_sub(1)
    }

    /// What is refused of the widths; the rest is looked at layer by layer.
    pub(super) fn validate(&self, data: &Dataset) -> Result<(), NetworkError> {
        let fail = |part: NetworkPart, message: String| Err(NetworkError::new(part, message));
        if self.widths.len() < 2 || self.widths.contains(&0) {
            let message = format!("widths {:?}: give the inputs and at least one layer, none of width 0", self.widths);
            return fail(NetworkPart::Widths, message);
        }
        let (inputs, features) = (self.widths[0], data.n_features());
        if inputs != features {
            return fail(NetworkPart::Widths, format!("the network has {inputs} inputs, the data {features} features"));
        }
        Ok(())
    }
}
