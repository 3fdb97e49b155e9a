//! What a network is made of, and what is refused.

use std::fmt;

use super::activation::Activation;
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

/// The part of a network that an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkPart {
    /// The widths, alone or against the features of the data.
    Widths,
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

/// One layer's place in theta and its shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layer {
    pub(super) n_in: usize,
    pub(super) n_out: usize,
    /// Where W (n_out x n_in, row-major) starts.
    pub(super) weights: usize,
    /// Where gamma (n_out) starts; beta (n_out) follows.
    pub(super) bn_scale: usize,
    /// The last layer has no activation.
    pub(super) last: bool,
}

impl Architecture {
    /// L.
    pub fn n_layers(&self) -> usize {
        self.widths.len().saturating_sub(1)
    }

    /// W_1..W_L row-major, then gamma_1, beta_1, ..., gamma_L, beta_L.
    pub(super) fn layers(&self) -> Vec<Layer> {
        let weights: usize = self.widths.windows(2).map(|w| w[0] * w[1]).sum();
        let (mut next_weights, mut next_scale) = (0, weights);
        let n_layers = self.n_layers();
        (0..n_layers)
            .map(|l| {
                let (n_in, n_out) = (self.widths[l], self.widths[l + 1]);
                let layer = Layer { n_in, n_out, weights: next_weights, bn_scale: next_scale, last: l + 1 == n_layers };
                next_weights += n_in * n_out;
                next_scale += 2 * n_out;
                layer
            })
            .collect()
    }

    /// Which parameters form the scale-invariant blocks. Without normalisation the rows are listed all the same, so that a
    /// control can show that they are not invariant.
    pub(super) fn parameters(&self) -> Parameters {
        let mut blocks = Vec::new();
        for (l, layer) in self.layers().iter().enumerate() {
            let rows = match self.normalisation {
                Normalisation::LayerNorm { .. } => layer.n_out,
                Normalisation::GroupNorm { groups, .. } => layer.n_out / groups,
                _ => 1,
            };
            for k in 0..layer.n_out / rows {
                let name = match rows {
                    1 => format!("W{} row {}", l + 1, k + 1),
                    r if r == layer.n_out => format!("W{}", l + 1),
                    _ => format!("W{} group {}", l + 1, k + 1),
                };
                blocks.push((name, rows * layer.n_in));
            }
        }
        let mut g_len = 0;
        for (l, layer) in self.layers().iter().enumerate() {
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

    pub(super) fn validate(&self, data: &Dataset) -> Result<(), NetworkError> {
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
