//! A network in the words of a problem file, for reports.

use std::ops::Range;

use ratecheck::network::{Convolution, LayerKind, LayerPlaces, LayerSpec, Network};
use serde::Serialize;

use super::network::OBJECTIVES;
use super::{activation, normalisation};

/// A network in the words of a problem file.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Described {
    /// Inputs, hidden units, outputs; of dense layers alone.
    pub widths: Vec<usize>,
    /// As in the file; `per-layer`, if the layers differ.
    pub normalisation: &'static str,
    /// Of the normalisations that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epsilon: Option<f64>,
    /// Of group normalisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<usize>,
    /// As in the file; nothing without hidden layers, or if the layers differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<&'static str>,
    /// Of the leaky ReLU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slope: Option<f64>,
    /// As in the file.
    pub objective: &'static str,
    /// lambda.
    pub weight_decay: f64,
    /// Channels, height and width of the inputs, if there are filters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<[usize; 3]>,
    /// Every layer, if they differ or if there are filters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<DescribedLayer>,
}

/// One layer in the words of a problem file, and its place in theta.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct DescribedLayer {
    /// `dense` or `filters`.
    pub kind: &'static str,
    /// How many units or filters.
    pub units: usize,
    /// Whether pooling follows.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pooled: bool,
    /// As in the file.
    pub normalisation: &'static str,
    /// Of the normalisations that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epsilon: Option<f64>,
    /// Of group normalisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<usize>,
    /// As in the file, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<&'static str>,
    /// Of the leaky ReLU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slope: Option<f64>,
    /// W_l is `theta[weights[0]..weights[1]]`, row by row.
    pub weights: [usize; 2],
    /// The same of the bias, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bias: Option<[usize; 2]>,
    /// The same of gamma, if it is a parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gamma: Option<[usize; 2]>,
    /// The same of beta, if it is a parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beta: Option<[usize; 2]>,
}

impl Described {
    /// The normalisation with its numbers, as `smoothed-batch-norm(epsilon=0.1)`.
    pub fn normalisation_in_words(&self) -> String {
        let groups = self.groups.map(|groups| format!("groups={groups}"));
        let epsilon = self.epsilon.map(|epsilon| format!("epsilon={epsilon}"));
        let numbers: Vec<String> = groups.into_iter().chain(epsilon).collect();
        if numbers.is_empty() {
            self.normalisation.to_owned()
        } else {
            format!("{}({})", self.normalisation, numbers.join(" "))
        }
    }
}

impl DescribedLayer {
    /// As `dense 16, constant-epsilon-layer-norm, epsilon 0.00001, gelu`.
    pub fn in_words(&self) -> String {
        let mut parts = vec![format!("{} {}", self.kind, self.units)];
        if self.normalisation != "none" {
            parts.push(self.normalisation.to_owned());
        }
        parts.extend(self.groups.map(|groups| format!("{groups} groups")));
        parts.extend(self.epsilon.map(|epsilon| format!("epsilon {epsilon}")));
        parts.extend(self.bias.map(|_| "bias".to_owned()));
        if self.normalisation != "none" && self.gamma.is_none() {
            parts.push("not affine".to_owned());
        }
        parts.extend(self.activation.map(str::to_owned));
        parts.extend(self.slope.map(|slope| format!("slope {slope}")));
        parts.extend(self.pooled.then(|| "pooled".to_owned()));
        parts.join(", ")
    }

    fn new(spec: &LayerSpec, places: LayerPlaces) -> Self {
        let (kind, units, pooled) = match spec.kind {
            LayerKind::Dense { units } => ("dense", units, false),
            LayerKind::Filters(Convolution { filters, pooled }) => ("filters", filters, pooled),
        };
        let (normalisation, epsilon, groups) = normalisation::described(spec.normalisation);
        let (activation, slope) = spec.activation.map(activation::described).unzip();
        let ends = |range: Range<usize>| [range.start, range.end];
        let (bias, beta) = bias_and_beta(&places);
        Self {
            kind,
            units,
            pooled,
            normalisation,
            epsilon,
            groups,
            activation,
            slope: slope.flatten(),
            weights: ends(places.weights.clone()),
            bias: bias.map(ends),
            gamma: places.gamma.clone().map(ends),
            beta: beta.map(ends),
        }
    }
}

/// In the words of a problem file the beta of a layer without gamma is its bias.
pub(super) fn bias_and_beta(places: &LayerPlaces) -> (Option<Range<usize>>, Option<Range<usize>>) {
    let LayerPlaces { bias, gamma, beta, .. } = places.clone();
    if gamma.is_some() { (bias, beta) } else { (bias.or(beta), None) }
}

impl From<&Network> for Described {
    fn from(network: &Network) -> Self {
        let (architecture, layered) = (network.architecture(), network.layers());
        let (normalisation, epsilon, groups) = match network.layers_differ() {
            true => ("per-layer", None, None),
            false => normalisation::described(architecture.normalisation),
        };
        // Without a hidden layer an architecture names an activation that is not there.
        let alike = !network.layers_differ() && layered.layers.len() > 1;
        let (activation, slope) = activation::described(architecture.activation);
        let each = layered.layers.iter().zip(network.places());
        let detailed = network.layers_differ() || layered.image.is_some();
        Self {
            widths: architecture.widths.clone(),
            normalisation,
            epsilon,
            groups,
            activation: alike.then_some(activation),
            slope: slope.filter(|_| alike),
            objective: name_of(&OBJECTIVES, &architecture.objective),
            weight_decay: architecture.weight_decay,
            image: layered.image.map(|image| [image.channels, image.height, image.width]),
            layers: each.filter(|_| detailed).map(|(spec, places)| DescribedLayer::new(spec, places)).collect(),
        }
    }
}

/// The word for a value.
pub(super) fn name_of<T: PartialEq>(options: &[(&'static str, T)], value: &T) -> &'static str {
    options.iter().find(|(_, known)| known == value).map_or("", |(name, _)| name)
}
