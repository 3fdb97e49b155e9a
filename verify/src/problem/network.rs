//! `[network]`: the architecture.

use ratecheck::network::{Activation, Architecture, Epsilon, Lp, NetworkError, NetworkPart, Normalisation, Objective};

use serde::Serialize;

use super::document::{Entry, Section};
use super::error::ProblemError;

pub(super) const KEYS: [&str; 8] =
    ["widths", "normalisation", "epsilon", "groups", "activation", "slope", "objective", "weight-decay"];

/// More parameters than this are a typing error, or need another tool.
const MOST_PARAMETERS: usize = 10_000_000;

/// A normalisation without its numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Smoothed,
    Batch,
    Constant,
    Lp(Lp),
    Layer,
    Group,
    Weight,
    None,
}

const NORMALISATIONS: [(&str, Kind); 10] = [
    ("smoothed-batch-norm", Kind::Smoothed),
    ("batch-norm", Kind::Batch),
    ("constant-epsilon-batch-norm", Kind::Constant),
    ("l1-batch-norm", Kind::Lp(Lp::One)),
    ("l4-batch-norm", Kind::Lp(Lp::Four)),
    ("linf-batch-norm", Kind::Lp(Lp::Infinity)),
    ("layer-norm", Kind::Layer),
    ("group-norm", Kind::Group),
    ("weight-norm", Kind::Weight),
    ("none", Kind::None),
];

const OBJECTIVES: [(&str, Objective); 3] =
    [("logistic", Objective::Logistic), ("cross-entropy", Objective::CrossEntropy), ("squared", Objective::Squared)];

const OUTPUTS: &str = "the last width is the number of outputs: change one or the other";

/// Reads the section.
pub(super) fn read(section: &Section<'_>) -> Result<Architecture, ProblemError> {
    let widths = widths(section)?;
    let entry = section.required("objective", "give \"logistic\", \"cross-entropy\" or \"squared\"")?;
    let objective = entry.choice(&OBJECTIVES)?;
    // Before the labels are looked at, which would be refused for the same reason less clearly.
    objective.check_outputs(widths[widths.len() - 1]).map_err(|why| entry.fault(why, OUTPUTS))?;
    let weight_decay = section.optional("weight-decay").map_or(Ok(0.0), |entry| entry.at_least_zero())?;
    Ok(Architecture {
        normalisation: normalisation(section, "normalisation")?,
        activation: activation(section, widths.len() > 2)?,
        objective,
        weight_decay,
        widths,
    })
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

/// The keys of a table that is nothing but a normalisation.
pub(crate) const NORMALISATION_KEYS: [&str; 3] = ["kind", "epsilon", "groups"];

/// The normalisation in a section, whose word stands under `key`.
pub(crate) fn normalisation(section: &Section<'_>, key: &str) -> Result<Normalisation, ProblemError> {
    let names: Vec<&str> = NORMALISATIONS.iter().map(|(name, _)| *name).collect();
    let kind = section.required(key, &format!("give one of {}", names.join(", ")))?.choice(&NORMALISATIONS)?;
    if kind != Kind::Group {
        section.refuse("groups", "only group-norm has groups")?;
    }
    let needed = || section.required("epsilon", "give the smoothing, a number > 0")?.positive();
    let may_be_zero = || section.optional("epsilon").map_or(Ok(0.0), |entry| entry.at_least_zero());
    let found = match kind {
        Kind::Smoothed => return Ok(Normalisation::SmoothedBatchNorm { epsilon: needed()? }),
        Kind::Constant => return Ok(Normalisation::ConstantEpsilonBatchNorm { epsilon: needed()? }),
        Kind::Layer => return Ok(Normalisation::LayerNorm { epsilon: Epsilon::Smoothed(may_be_zero()?) }),
        Kind::Group => {
            let groups =
                section.required("groups", "give the number of groups, which divides every width but the first")?;
            let groups = groups.count(1, MOST_PARAMETERS)?;
            return Ok(Normalisation::GroupNorm { groups, epsilon: Epsilon::Smoothed(may_be_zero()?) });
        }
        Kind::Batch => Normalisation::BatchNorm,
        Kind::Lp(p) => Normalisation::LpBatchNorm { p },
        Kind::Weight => Normalisation::WeightNorm,
        Kind::None => Normalisation::None,
    };
    section.refuse("epsilon", "this normalisation has none; smoothed-batch-norm is batch-norm with one")?;
    Ok(found)
}

/// A normalisation that is nothing but a word.
pub(crate) fn normalisation_in_a_word(entry: &Entry<'_>) -> Result<Normalisation, ProblemError> {
    match entry.choice(&NORMALISATIONS)? {
        Kind::Batch => Ok(Normalisation::BatchNorm),
        Kind::Lp(p) => Ok(Normalisation::LpBatchNorm { p }),
        Kind::Layer => Ok(Normalisation::LayerNorm { epsilon: Epsilon::Smoothed(0.0) }),
        Kind::Weight => Ok(Normalisation::WeightNorm),
        Kind::None => Ok(Normalisation::None),
        Kind::Smoothed | Kind::Constant => {
            let remedy = format!("write {{ kind = \"{}\", epsilon = 0.1 }}", entry.text()?);
            Err(entry.fault("needs epsilon", remedy))
        }
        Kind::Group => Err(entry.fault("needs groups", "write { kind = \"group-norm\", groups = 2 }")),
    }
}

/// An activation without its numbers.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Plain(Activation),
    Leaky,
}

const ACTIVATIONS: [(&str, Shape); 5] = [
    ("tanh", Shape::Plain(Activation::Tanh)),
    ("sigmoid", Shape::Plain(Activation::Sigmoid)),
    ("softplus", Shape::Plain(Activation::Softplus)),
    ("relu", Shape::Plain(Activation::Relu)),
    ("leaky-relu", Shape::Leaky),
];

/// The activation; a network of a single layer has none, and need not name one.
fn activation(section: &Section<'_>, hidden: bool) -> Result<Activation, ProblemError> {
    let kind = match section.optional("activation") {
        Some(entry) => entry.choice(&ACTIVATIONS)?,
        None if hidden => {
            let remedy = "give the activation between layers: tanh, sigmoid, softplus, relu or leaky-relu";
            return Err(section.missing("activation", remedy));
        }
        None => Shape::Plain(Activation::Tanh),
    };
    match kind {
        Shape::Leaky => {
            let slope = section.required("slope", "give the slope for negative inputs, for example 0.01")?;
            Ok(Activation::LeakyRelu { slope: slope.number()? })
        }
        Shape::Plain(activation) => {
            section.refuse("slope", "only leaky-relu has a slope")?;
            Ok(activation)
        }
    }
}

/// Where in the section something stands that the engine refused.
pub(super) fn locate(section: &Section<'_>, error: &NetworkError) -> ProblemError {
    let (key, remedy) = match error.part() {
        NetworkPart::Widths => ("widths", "the first width is the number of features of the data"),
        NetworkPart::Normalisation if section.optional("groups").is_some() => {
            ("groups", "choose a number that divides every width but the first, with epsilon > 0 for groups of one")
        }
        NetworkPart::Normalisation => ("normalisation", "change the normalisation or its epsilon"),
        NetworkPart::Objective => ("objective", OUTPUTS),
        NetworkPart::WeightDecay => ("weight-decay", "give a number >= 0"),
        NetworkPart::Bias => ("layers", "remove the bias"),
        NetworkPart::Convolutions => ("widths", "let the first width be the number of numbers in an image"),
        NetworkPart::Minibatches => ("widths", "let the minibatches fit the data"),
    };
    section.fault(key, error.to_string(), remedy)
}

/// An architecture in the words of a problem file, for reports.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Described {
    /// Inputs, hidden units, outputs.
    pub widths: Vec<usize>,
    /// As in the file.
    pub normalisation: &'static str,
    /// Of the normalisations that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epsilon: Option<f64>,
    /// Of group normalisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<usize>,
    /// As in the file; nothing without hidden layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<&'static str>,
    /// Of the leaky ReLU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slope: Option<f64>,
    /// As in the file.
    pub objective: &'static str,
    /// lambda.
    pub weight_decay: f64,
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

impl From<&Architecture> for Described {
    fn from(architecture: &Architecture) -> Self {
        let (kind, epsilon, groups) = match architecture.normalisation {
            Normalisation::SmoothedBatchNorm { epsilon } => (Kind::Smoothed, Some(epsilon), None),
            Normalisation::BatchNorm => (Kind::Batch, None, None),
            Normalisation::ConstantEpsilonBatchNorm { epsilon } => (Kind::Constant, Some(epsilon), None),
            Normalisation::LpBatchNorm { p } => (Kind::Lp(p), None, None),
            Normalisation::LayerNorm { epsilon: Epsilon::Smoothed(epsilon) } => (Kind::Layer, Some(epsilon), None),
            Normalisation::GroupNorm { groups, epsilon: Epsilon::Smoothed(epsilon) } => {
                (Kind::Group, Some(epsilon), Some(groups))
            }
            Normalisation::LayerNorm { .. } | Normalisation::GroupNorm { .. } => (Kind::Layer, None, None),
            Normalisation::WeightNorm => (Kind::Weight, None, None),
            Normalisation::None => (Kind::None, None, None),
        };
        let (shape, slope) = match architecture.activation {
            Activation::LeakyRelu { slope } => (Shape::Leaky, Some(slope)),
            plain => (Shape::Plain(plain), None),
        };
        let hidden = architecture.n_layers() > 1;
        Self {
            widths: architecture.widths.clone(),
            normalisation: name_of(&NORMALISATIONS, &kind),
            epsilon,
            groups,
            activation: hidden.then(|| name_of(&ACTIVATIONS, &shape)),
            slope: slope.filter(|_| hidden),
            objective: name_of(&OBJECTIVES, &architecture.objective),
            weight_decay: architecture.weight_decay,
        }
    }
}

/// The word for a value.
fn name_of<T: PartialEq>(options: &[(&'static str, T)], value: &T) -> &'static str {
    options.iter().find(|(_, known)| known == value).map_or("", |(name, _)| name)
}
