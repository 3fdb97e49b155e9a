//! What a network is made of, and what is refused.

use std::fmt;

use super::activation::Activation;
use super::image::{Image, TAPS};
use super::normalisation::Normalisation;
use super::objective::Objective;
use crate::data::Dataset;
use crate::parameters::Parameters;

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

/// A layer of 3x3 filters in front of the dense ones: stride 1, zeros around the image, and the maximum of every 2x2 square if it
/// is `pooled`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// How many filters, hence channels of the result.
    pub filters: usize,
    /// Whether pooling follows the activation.
    pub pooled: bool,
}

/// Layers of filters on images of a shape. The network's first width is the number of numbers in an image, channel by channel
/// and row by row; its other widths are those of the dense layers behind the last filters.
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
    message: String,
}

impl NetworkError {
    pub(crate) fn new(part: NetworkPart, message: impl Into<String>) -> Self {
        Self { part, message: message.into() }
    }

    /// What it is about.
    pub fn part(&self) -> NetworkPart {
        self.part
    }
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for NetworkError {}

/// How the outputs of the layer before become the rows that W multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    /// As they are.
    Rows,
    /// As 3x3 patches of images of this shape.
    Patches(Image),
    /// Position by position, from images of this shape.
    Flat(Image),
}

/// One layer's place in theta and its shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layer {
    pub(super) reads: Reads,
    /// The entries of a row of W.
    pub(super) n_in: usize,
    /// The rows of W.
    pub(super) n_out: usize,
    /// Values of each unit in an example: the positions of its image, or 1.
    pub(super) positions: usize,
    /// The shape before pooling, if there is pooling.
    pub(super) pooled: Option<Image>,
    /// Where W (n_out x n_in, row-major) starts.
    pub(super) weights: usize,
    /// Where gamma (n_out) starts; beta (n_out) follows.
    pub(super) bn_scale: usize,
    /// The last layer has no activation.
    pub(super) last: bool,
}

impl Architecture {
    /// L, layers of filters apart: see [`Network::n_layers`](super::Network::n_layers).
    pub fn n_layers(&self) -> usize {
        self.widths.len().saturating_sub(1)
    }

    /// W_1..W_L row-major, then gamma_1, beta_1, ..., gamma_L, beta_L. A row of W_l is a filter of all its taps, channel by
    /// channel, if the layer is one of filters.
    pub(super) fn layers(&self, convolutions: Option<&Convolutions>) -> Vec<Layer> {
        let mut layers = Vec::new();
        let mut push = |reads, n_in, n_out, positions, pooled| {
            layers.push(Layer { reads, n_in, n_out, positions, pooled, weights: 0, bn_scale: 0, last: false });
        };
        let mut reads = Reads::Rows;
        let mut n_in = self.widths[0];
        if let Some(Convolutions { image, layers }) = convolutions {
            let mut image = *image;
            for &Convolution { filters, pooled } in layers {
                let made = Image { channels: filters, ..image };
                push(Reads::Patches(image), TAPS * image.channels, filters, image.positions(), pooled.then_some(made));
                image = if pooled { made.pooled() } else { made };
            }
            (reads, n_in) = (Reads::Flat(image), image.len());
        }
        for &n_out in &self.widths[1..] {
            push(reads, n_in, n_out, 1, None);
            (reads, n_in) = (Reads::Rows, n_out);
        }
        let mut next_weights = 0;
        let mut next_scale = layers.iter().map(|layer| layer.n_in * layer.n_out).sum();
        for layer in &mut layers {
            (layer.weights, layer.bn_scale) = (next_weights, next_scale);
            next_weights += layer.n_in * layer.n_out;
            next_scale += 2 * layer.n_out;
        }
        if let Some(last) = layers.last_mut() {
            last.last = true;
        }
        layers
    }

    /// Which parameters form the scale-invariant blocks. Without normalisation the rows are listed all the same, so that a
    /// control can show that they are not invariant.
    pub(super) fn parameters(&self, layers: &[Layer]) -> Parameters {
        let mut blocks = Vec::new();
        for (l, layer) in layers.iter().enumerate() {
            let rows = match self.normalisation {
                Normalisation::LayerNorm { .. } => layer.n_out,
                Normalisation::GroupNorm { groups, .. } => layer.n_out / groups,
                _ => 1,
            };
            for k in 0..layer.n_out / rows {
                let name = match rows {
                    1 if layer.positions > 1 => format!("W{} filter {}", l + 1, k + 1),
                    1 => format!("W{} row {}", l + 1, k + 1),
                    r if r == layer.n_out => format!("W{}", l + 1),
                    _ => format!("W{} group {}", l + 1, k + 1),
                };
                blocks.push((name, rows * layer.n_in));
            }
        }
        let mut g_len = 0;
        for (l, layer) in layers.iter().enumerate() {
            // Section 2.1: behind a homogeneous activation and before a BN without epsilon, (gamma, beta) of a layer are
            // scale invariant together.
            if !layer.last && self.scales_are_invariant() {
                blocks.push((format!("(gamma, beta) of layer {}", l + 1), 2 * layer.n_out));
            } else {
                g_len += 2 * layer.n_out;
            }
        }
        Parameters::new(blocks, g_len)
    }

    fn scales_are_invariant(&self) -> bool {
        let homogeneous = matches!(self.activation, Activation::Relu | Activation::LeakyRelu { .. });
        homogeneous && matches!(self.normalisation, Normalisation::BatchNorm | Normalisation::LpBatchNorm { .. })
    }

    /// What is refused of filters, the shapes of the images apart.
    fn validate_filters(&self, convolutions: &Convolutions) -> Result<(), String> {
        let Convolutions { mut image, ref layers } = *convolutions;
        if image.len() != self.widths[0] {
            let (Image { channels, height, width }, inputs) = (image, self.widths[0]);
            return Err(format!("images of {channels} x {height} x {width} are not {inputs} inputs"));
        }
        if layers.is_empty() || layers.iter().any(|layer| layer.filters == 0) {
            return Err("give at least one layer of filters, none without a filter".to_owned());
        }
        for (l, layer) in layers.iter().enumerate() {
            if !layer.pooled {
                continue;
            }
            let Image { height, width, .. } = image;
            if !(height.is_multiple_of(2) && width.is_multiple_of(2)) {
                return Err(format!(
                    "layer {} cannot be pooled: {height} x {width} is not made of 2 x 2 squares",
                    l + 1
                ));
            }
            image = image.pooled();
        }
        match self.normalisation {
            Normalisation::LayerNorm { .. } | Normalisation::GroupNorm { .. } => {
                Err("filters go with normalisations of single units only".to_owned())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn validate(&self, convolutions: Option<&Convolutions>, data: &Dataset) -> Result<(), NetworkError> {
        let of = |part: NetworkPart| move |message: String| NetworkError::new(part, message);
        let fail = |part: NetworkPart, message: String| Err(NetworkError::new(part, message));
        if self.widths.len() < 2 || self.widths.contains(&0) {
            let message = format!("widths {:?}: give the inputs and at least one layer, none of width 0", self.widths);
            return fail(NetworkPart::Widths, message);
        }
        if self.widths[0] != data.n_features() {
            let message = format!("the network has {} inputs, the data {} features", self.widths[0], data.n_features());
            return fail(NetworkPart::Widths, message);
        }
        if let Some(convolutions) = convolutions {
            self.validate_filters(convolutions).map_err(of(NetworkPart::Convolutions))?;
        }
        if !(self.weight_decay >= 0.0 && self.weight_decay.is_finite()) {
            let message = format!("weight decay {} is not a finite number >= 0", self.weight_decay);
            return fail(NetworkPart::WeightDecay, message);
        }
        self.normalisation.validate(&self.widths[1..]).map_err(of(NetworkPart::Normalisation))?;
        let outputs = self.widths[self.widths.len() - 1];
        self.objective.check_outputs(outputs).map_err(of(NetworkPart::Objective))?;
        for (i, &label) in data.labels().iter().enumerate() {
            let at = |reason: String| NetworkError::new(NetworkPart::Objective, format!("example {i}: {reason}"));
            self.objective.check_label(outputs, label).map_err(at)?;
        }
        Ok(())
    }
}
