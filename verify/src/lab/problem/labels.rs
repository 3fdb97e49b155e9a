//! Labels: which ones an objective takes, and how those of a table are numbered.

use ratecheck::network::Objective;
use serde::Serialize;

/// A class that the data name, and the number that stands for it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Class {
    /// As the data write it.
    pub name: String,
    /// 0, 1, ...; of the logistic objective -1 and +1.
    pub label: f64,
}

/// The labels of all examples, and the classes that were numbered for them: none if labels are numbers already.
pub(super) struct Numbered {
    pub(super) labels: Vec<f64>,
    pub(super) classes: Vec<Class>,
}

/// What a label can be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Labels {
    pub(super) objective: Objective,
    pub(super) outputs: usize,
}

pub(super) const FIT_LABELS: &str = "change the labels, or the objective and the last width of the network";

/// What stands for a value that is not there.
const MISSING: [&str; 6] = ["na", "n/a", "nan", "null", "?", "-"];

impl Labels {
    /// Why a label does not fit.
    pub(super) fn check(self, label: f64) -> Result<(), String> {
        self.objective.check_label(self.outputs, label)
    }

    /// How many classes there are; none, if labels are numbers of any size.
    pub(super) fn classes(self) -> Option<usize> {
        match self.objective {
            Objective::Logistic => Some(2),
            Objective::CrossEntropy => Some(self.outputs),
            Objective::Squared => Some(self.outputs).filter(|&outputs| outputs > 1),
        }
    }

    /// The label of a class: 0, 1, ...; of the logistic objective -1 and +1.
    pub(super) fn of_class(self, class: usize) -> f64 {
        if self.objective == Objective::Logistic { 2.0 * class as f64 - 1.0 } else { class as f64 }
    }
}

/// Whether a field names something.
pub(super) fn is_missing(field: &str) -> bool {
    field.is_empty() || MISSING.contains(&field.to_lowercase().as_str())
}

/// A finite number, if that is what a field holds.
pub(super) fn number(field: &str) -> Option<f64> {
    field.parse().ok().filter(|x: &f64| x.is_finite())
}

/// The different fields, in the order of their numbers, or of their bytes if not all are numbers.
pub(super) fn sorted(fields: &[String]) -> Vec<&str> {
    let mut names: Vec<&str> = fields.iter().map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    if names.iter().all(|name| number(name).is_some()) {
        let value = |name: &str| number(name).unwrap_or(0.0);
        names.sort_by(|a, b| value(a).total_cmp(&value(b)));
    }
    names
}

/// How `classes` would be written that numbers these names.
pub(super) fn as_classes(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    format!("classes = [{}]", quoted.join(", "))
}
