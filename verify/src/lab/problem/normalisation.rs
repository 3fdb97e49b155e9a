//! The words for normalisations, and their numbers.

use ratecheck::network::{Epsilon, Lp, Normalisation};

use super::document::{Entry, Section};
use super::error::ProblemError;
use super::network::MOST_PARAMETERS;

/// A normalisation without its numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Batch(Term),
    Lp(Lp),
    Layer(Term),
    Group(Term),
    Weight,
    None,
}

/// What stands beside the variance.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Term {
    Nothing,
    Smoothed,
    Constant,
}

const NORMALISATIONS: [(&str, Kind); 14] = [
    ("smoothed-batch-norm", Kind::Batch(Term::Smoothed)),
    ("batch-norm", Kind::Batch(Term::Nothing)),
    ("constant-epsilon-batch-norm", Kind::Batch(Term::Constant)),
    ("l1-batch-norm", Kind::Lp(Lp::One)),
    ("l4-batch-norm", Kind::Lp(Lp::Four)),
    ("linf-batch-norm", Kind::Lp(Lp::Infinity)),
    ("smoothed-layer-norm", Kind::Layer(Term::Smoothed)),
    ("layer-norm", Kind::Layer(Term::Nothing)),
    ("constant-epsilon-layer-norm", Kind::Layer(Term::Constant)),
    ("smoothed-group-norm", Kind::Group(Term::Smoothed)),
    ("group-norm", Kind::Group(Term::Nothing)),
    ("constant-epsilon-group-norm", Kind::Group(Term::Constant)),
    ("weight-norm", Kind::Weight),
    ("none", Kind::None),
];

impl Kind {
    /// Whether there is an epsilon, and of which kind.
    fn term(self) -> Term {
        match self {
            Self::Batch(term) | Self::Layer(term) | Self::Group(term) => term,
            Self::Lp(_) | Self::Weight | Self::None => Term::Nothing,
        }
    }

    /// With its numbers; those that it has not are not looked at.
    fn with(self, epsilon: f64, groups: usize) -> Normalisation {
        let of = |term: Term| match term {
            Term::Nothing => Epsilon::None,
            Term::Smoothed => Epsilon::Smoothed(epsilon),
            Term::Constant => Epsilon::Constant(epsilon),
        };
        match self {
            Self::Batch(Term::Nothing) => Normalisation::BatchNorm,
            Self::Batch(Term::Smoothed) => Normalisation::SmoothedBatchNorm { epsilon },
            Self::Batch(Term::Constant) => Normalisation::ConstantEpsilonBatchNorm { epsilon },
            Self::Lp(p) => Normalisation::LpBatchNorm { p },
            Self::Layer(term) => Normalisation::LayerNorm { epsilon: of(term) },
            Self::Group(term) => Normalisation::GroupNorm { groups, epsilon: of(term) },
            Self::Weight => Normalisation::WeightNorm,
            Self::None => Normalisation::None,
        }
    }
}

/// The keys of a table that is nothing but a normalisation.
pub(crate) const NORMALISATION_KEYS: [&str; 3] = ["kind", "epsilon", "groups"];

/// The normalisation in a section, whose word stands under `key`.
pub(crate) fn normalisation(section: &Section<'_>, key: &str) -> Result<Normalisation, ProblemError> {
    let names: Vec<&str> = NORMALISATIONS.iter().map(|(name, _)| *name).collect();
    let entry = section.required(key, &format!("give one of {}", names.join(", ")))?;
    let (kind, name) = (entry.choice(&NORMALISATIONS)?, entry.text()?);
    let groups = if let Kind::Group(_) = kind {
        let remedy = "give the number of groups, which divides every number of units";
        section.required("groups", remedy)?.count(1, MOST_PARAMETERS)?
    } else {
        section.refuse("groups", "only group-norm has groups")?;
        1
    };
    let epsilon = match (kind.term(), section.optional("epsilon")) {
        (Term::Nothing, None) => 0.0,
        (Term::Nothing, Some(epsilon)) => {
            let remedy = match kind {
                Kind::Batch(_) | Kind::Layer(_) | Kind::Group(_) => format!(
                    "write constant-epsilon-{name} for PyTorch's, which adds epsilon to the variance, or \
                     smoothed-{name} for epsilon times the squared norm of the weights, which leaves them scale \
                     invariant"
                ),
                _ => "remove it".to_owned(),
            };
            return Err(epsilon.fault(format!("{name} has no epsilon"), remedy));
        }
        (Term::Smoothed, _) => section.required("epsilon", "give the smoothing, a number > 0")?.positive()?,
        (Term::Constant, _) => {
            section.required("epsilon", "give the constant, as 1e-5, PyTorch's default")?.positive()?
        }
    };
    Ok(kind.with(epsilon, groups))
}

/// A normalisation that is nothing but a word.
pub(crate) fn normalisation_in_a_word(entry: &Entry<'_>) -> Result<Normalisation, ProblemError> {
    let (kind, name) = (entry.choice(&NORMALISATIONS)?, entry.text()?);
    let groups = if matches!(kind, Kind::Group(_)) { ", groups = 2" } else { "" };
    let (missing, numbers) = match kind.term() {
        Term::Nothing if groups.is_empty() => return Ok(kind.with(0.0, 1)),
        Term::Nothing => ("groups", groups.to_owned()),
        _ if groups.is_empty() => ("epsilon", ", epsilon = 0.1".to_owned()),
        _ => ("groups and epsilon", format!("{groups}, epsilon = 0.1")),
    };
    Err(entry.fault(format!("needs {missing}"), format!("write {{ kind = \"{name}\"{numbers} }}")))
}

/// The word for a normalisation, its epsilon and its groups.
pub(super) fn described(normalisation: Normalisation) -> (&'static str, Option<f64>, Option<usize>) {
    let of = |epsilon: Epsilon| match epsilon {
        Epsilon::None => (Term::Nothing, None),
        Epsilon::Smoothed(epsilon) => (Term::Smoothed, Some(epsilon)),
        Epsilon::Constant(epsilon) => (Term::Constant, Some(epsilon)),
    };
    let (kind, epsilon, groups) = match normalisation {
        Normalisation::SmoothedBatchNorm { epsilon } => (Kind::Batch(Term::Smoothed), Some(epsilon), None),
        Normalisation::BatchNorm => (Kind::Batch(Term::Nothing), None, None),
        Normalisation::ConstantEpsilonBatchNorm { epsilon } => (Kind::Batch(Term::Constant), Some(epsilon), None),
        Normalisation::LpBatchNorm { p } => (Kind::Lp(p), None, None),
        Normalisation::LayerNorm { epsilon } => (Kind::Layer(of(epsilon).0), of(epsilon).1, None),
        Normalisation::GroupNorm { groups, epsilon } => (Kind::Group(of(epsilon).0), of(epsilon).1, Some(groups)),
        Normalisation::WeightNorm => (Kind::Weight, None, None),
        Normalisation::None => (Kind::None, None, None),
    };
    (super::described::name_of(&NORMALISATIONS, &kind), epsilon, groups)
}
