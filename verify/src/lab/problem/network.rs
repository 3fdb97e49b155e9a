//! `[network]`: widths with one normalisation and one activation, or layer by layer.

use ratecheck::data::Dataset;
use ratecheck::loss::{Drawing, Minibatches};
use ratecheck::network::{
    Activation, Architecture, Convolution, Image, LayerKind, LayerSpec, Layered, Network, NetworkError, NetworkPart,
    Normalisation, Objective,
};

use super::activation::activation;
use super::document::Section;
use super::error::ProblemError;
use super::normalisation::normalisation;
use crate::lab::budget::{self, Size};

pub(super) const KEYS: [&str; 10] = [
    "widths",
    "normalisation",
    "epsilon",
    "groups",
    "activation",
    "slope",
    "objective",
    "weight-decay",
    "layers",
    "image",
];

/// The keys of one of the layers.
const LAYER_KEYS: [&str; 11] = [
    "kind",
    "units",
    "filters",
    "pooled",
    "bias",
    "normalisation",
    "epsilon",
    "groups",
    "affine",
    "activation",
    "slope",
];

/// More parameters than this are a typing error, or need another tool.
pub(super) const MOST_PARAMETERS: usize = 10_000_000;

pub(super) const OBJECTIVES: [(&str, Objective); 3] =
    [("logistic", Objective::Logistic), ("cross-entropy", Objective::CrossEntropy), ("squared", Objective::Squared)];

const OUTPUTS: &str = "the last width is the number of outputs: change one or the other";
const LAST_UNITS: &str = "the units of the last layer are the outputs: change one or the other";
const ACTIVATION: &str =
    "give the activation between layers: tanh, sigmoid, softplus, relu, leaky-relu, gelu, gelu-tanh or silu";

/// What the section says, before the data are known.
pub(super) enum Written {
    /// Widths, and what all layers have in common.
    Alike(Architecture),
    /// `layers`.
    Layers(Layered),
}

/// Reads the section.
pub(super) fn read(section: &Section<'_>) -> Result<Written, ProblemError> {
    let listed = section.optional("layers").is_some();
    let layers = if listed { layers(section)? } else { Vec::new() };
    let widths = if listed { Vec::new() } else { widths(section)? };
    let entry = section.required("objective", "give \"logistic\", \"cross-entropy\" or \"squared\"")?;
    let objective = entry.choice(&OBJECTIVES)?;
    // Before the labels are looked at, which would be refused for the same reason less clearly.
    let (outputs, remedy) = match layers.last() {
        Some(last) => (units(last), LAST_UNITS),
        None => (widths[widths.len() - 1], OUTPUTS),
    };
    objective.check_outputs(outputs).map_err(|why| entry.fault(why, remedy))?;
    let weight_decay = section.optional("weight-decay").map_or(Ok(0.0), |entry| entry.at_least_zero())?;
    if listed {
        return Ok(Written::Layers(Layered { image: image(section)?, layers, objective, weight_decay }));
    }
    section.refuse("image", "only filters, which are listed under layers, read images")?;
    Ok(Written::Alike(Architecture {
        normalisation: normalisation(section, "normalisation")?,
        activation: common_activation(section, widths.len() > 2)?,
        objective,
        weight_decay,
        widths,
    }))
}

impl Written {
    /// The objective, and how many outputs it has.
    pub(super) fn objective(&self) -> (Objective, usize) {
        match self {
            Self::Alike(architecture) => (architecture.objective, architecture.widths[architecture.n_layers()]),
            Self::Layers(layered) => (layered.objective, layered.layers.last().map_or(0, units)),
        }
    }

    /// The network on its data.
    pub(super) fn on(self, section: &Section<'_>, data: Dataset, z: Minibatches) -> Result<Network, ProblemError> {
        match self {
            Self::Alike(architecture) => {
                let layers = architecture.widths[1..].iter().map(|&units| LayerKind::Dense { units });
                check_memory(section, ("widths", Size::of(None, layers, architecture.widths[0])), &data, &z)?;
                Network::new(architecture, data, z).map_err(|error| locate(section, &error))
            }
            Self::Layers(layered) => {
                check_size(section, &layered, data.n_features())?;
                let layers = layered.layers.iter().map(|layer| layer.kind);
                check_memory(section, ("layers", Size::of(layered.image, layers, data.n_features())), &data, &z)?;
                Network::layered(layered, data, z).map_err(|error| locate_in_layers(section, &error))
            }
        }
    }
}

/// The activation of all layers but the last; a network of a single layer has none, and need not name one.
fn common_activation(section: &Section<'_>, hidden: bool) -> Result<Activation, ProblemError> {
    match activation(section, hidden.then_some(ACTIVATION))? {
        Some(activation) => Ok(activation),
        None if hidden => Err(section.fault("activation", "leaves nothing between the layers", ACTIVATION)),
        None => Ok(Activation::Tanh),
    }
}

fn widths(section: &Section<'_>) -> Result<Vec<usize>, ProblemError> {
    let shape = "give [inputs, hidden units, ..., outputs], for example [2, 3, 1]";
    let entry = section.required("widths", shape)?;
    let widths: Vec<usize> =
        entry.items(shape)?.iter().map(|width| width.count(1, MOST_PARAMETERS)).collect::<Result<_, _>>()?;
    if widths.len() < 2 {
        return Err(entry.fault(format!("has {} numbers", widths.len()), shape));
    }
    let parameters: u128 = widths.windows(2).map(|w| w[1] as u128 * (w[0] as u128 + 2)).sum();
    if parameters > MOST_PARAMETERS as u128 {
        let remedy = format!("at most {MOST_PARAMETERS} are supported");
        return Err(entry.fault(format!("makes {parameters} parameters"), remedy));
    }
    Ok(widths)
}

/// `layers`, one after another.
fn layers(section: &Section<'_>) -> Result<Vec<LayerSpec>, ProblemError> {
    for key in ["widths", "normalisation", "epsilon", "groups", "activation", "slope"] {
        section.refuse(key, "the layers say it, each for itself")?;
    }
    let shape = "write a table [[network.layers]] for every layer";
    let entry = section.required("layers", shape)?;
    let items = entry.items(shape)?;
    if items.is_empty() {
        return Err(entry.fault("has no layers", shape));
    }
    let last = items.len() - 1;
    let read = |(l, item): (usize, &super::document::Entry<'_>)| layer(&item.table(&LAYER_KEYS)?, l == last);
    items.iter().enumerate().map(read).collect()
}

fn layer(section: &Section<'_>, last: bool) -> Result<LayerSpec, ProblemError> {
    let kind = section.required("kind", "give \"dense\" or \"filters\"")?;
    let count = |key: &str| section.required(key, "give how many there are")?.count(1, MOST_PARAMETERS);
    let flag = |key: &str, default: bool| section.optional(key).map_or(Ok(default), |entry| entry.boolean());
    let kind = if kind.choice(&[("dense", false), ("filters", true)])? {
        section.refuse("units", "a layer of filters has filters")?;
        if last {
            return Err(
                kind.fault("the last layer is one of filters", "end with a dense layer, whose units are the outputs")
            );
        }
        LayerKind::Filters(Convolution { filters: count("filters")?, pooled: flag("pooled", false)? })
    } else {
        section.refuse("filters", "a dense layer has units")?;
        section.refuse("pooled", "only filters are pooled")?;
        LayerKind::Dense { units: count("units")? }
    };
    let normalisation = normalisation(section, "normalisation")?;
    let plain = normalisation == Normalisation::None;
    if plain {
        section.refuse(
            "affine",
            "without normalisation there is no gamma; bias = true or false says whether there is a bias",
        )?;
    }
    let activation = match section.optional("activation") {
        Some(entry) if last && entry.text()? != "none" => {
            return Err(
                entry.fault("stands on the last layer, whose outputs the objective takes as they are", "remove it")
            );
        }
        _ => activation(section, (!last).then_some("give the activation of this layer, or \"none\""))?,
    };
    Ok(LayerSpec {
        kind,
        bias: flag("bias", plain)?,
        normalisation,
        affine: !plain && flag("affine", true)?,
        activation,
    })
}

fn image(section: &Section<'_>) -> Result<Option<Image>, ProblemError> {
    let Some(entry) = section.optional("image") else { return Ok(None) };
    let shape = "give [channels, height, width], for example [1, 8, 8]";
    let numbers: Vec<usize> =
        entry.items(shape)?.iter().map(|n| n.count(1, MOST_PARAMETERS)).collect::<Result<_, _>>()?;
    let [channels, height, width] = numbers[..] else {
        return Err(entry.fault(format!("has {} numbers", numbers.len()), shape));
    };
    Ok(Some(Image { channels, height, width }))
}

fn units(layer: &LayerSpec) -> usize {
    match layer.kind {
        LayerKind::Dense { units } | LayerKind::Filters(Convolution { filters: units, .. }) => units,
    }
}

/// Before anything of that size is made.
fn check_size(section: &Section<'_>, layered: &Layered, features: usize) -> Result<(), ProblemError> {
    let kinds = layered.layers.iter().map(|layer| layer.kind);
    let Size { parameters, .. } = Size::of(layered.image, kinds, features);
    if parameters <= MOST_PARAMETERS as u128 {
        return Ok(());
    }
    let remedy = format!("at most {MOST_PARAMETERS} are supported");
    Err(section.fault("layers", format!("make {parameters} parameters"), remedy))
}

/// An evaluation on the largest minibatch that is looked at, in f64 and, for products with the Hessian, in duals.
fn check_memory(
    section: &Section<'_>,
    (key, size): (&str, Size),
    data: &Dataset,
    z: &Minibatches,
) -> Result<(), ProblemError> {
    const PLANES: u128 = 3;
    let batch = if z.drawing() == Drawing::Partition { z.batch_size() } else { data.n_examples() };
    let bytes = PLANES * size_of::<f64>() as u128 * (size.of_example * batch as u128 + size.parameters);
    let fits = budget::check(format!("an evaluation of this network on {batch} examples at once"), bytes);
    fits.map_err(|error| section.fault(key, error.what, error.remedy))
}

/// Where in the section something stands that the engine refused.
fn locate(section: &Section<'_>, error: &NetworkError) -> ProblemError {
    let (key, remedy) = match error.part() {
        NetworkPart::Widths => ("widths", "the first width is the number of features of the data"),
        NetworkPart::Normalisation if section.optional("groups").is_some() => {
            ("groups", "choose a number that divides every width but the first; groups of one unit need an epsilon")
        }
        NetworkPart::Normalisation => ("normalisation", "change the normalisation, its epsilon or the widths"),
        NetworkPart::Objective => ("objective", OUTPUTS),
        NetworkPart::WeightDecay => ("weight-decay", "give a number >= 0"),
        NetworkPart::Convolutions | NetworkPart::Bias => ("layers", "describe the layers one by one"),
        NetworkPart::Minibatches => ("widths", "let the minibatches fit the data"),
    };
    section.fault(key, error.to_string(), remedy)
}

/// The same for `layers`.
fn locate_in_layers(section: &Section<'_>, error: &NetworkError) -> ProblemError {
    let (key, remedy) = match error.part() {
        NetworkPart::Normalisation => ("normalisation", "change the normalisation, its groups or the units"),
        NetworkPart::Bias => ("bias", "remove it"),
        NetworkPart::Convolutions if error.layer().is_some() => {
            ("kind", "put filters first, say in network.image what they read, and pool even heights and widths alone")
        }
        NetworkPart::Convolutions => {
            let remedy = "let channels times height times width be the number of features, and filters read the image";
            return section.fault("image", error.to_string(), remedy);
        }
        NetworkPart::Objective => return section.fault("objective", error.to_string(), LAST_UNITS),
        NetworkPart::WeightDecay => return section.fault("weight-decay", error.to_string(), "give a number >= 0"),
        NetworkPart::Widths | NetworkPart::Minibatches => {
            return section.fault("layers", error.to_string(), "let the layers and minibatches fit the data");
        }
    };
    let layer = || section.optional("layers")?.items("").ok()?.get(error.layer()?)?.table(&LAYER_KEYS).ok();
    layer().map_or_else(
        || section.fault("layers", error.to_string(), remedy),
        |layer| layer.fault(key, error.to_string(), remedy),
    )
}
