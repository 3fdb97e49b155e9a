//! Labels: which ones an objective takes, and how those of a table are numbered.

use ratecheck::network::Objective;
use serde::Serialize;

use super::document::Section;
use super::error::ProblemError;

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

    /// The labels of all examples by what they are called: as `classes` orders them, if they are given; otherwise
    /// numbers as they are, and text in its sorted order.
    pub(super) fn numbered(self, names: &[String], classes: Option<&[&str]>) -> Result<Numbered, Misfit> {
        if let Some(classes) = classes {
            let stranger = names.iter().position(|name| !classes.contains(&name.as_str()));
            return stranger.map_or_else(
                || Ok(self.by_class(names, classes)),
                |at| {
                    Misfit::new(
                        at,
                        format!("`{}` is not among data.classes", names[at]),
                        "name every label of the data there",
                    )
                },
            );
        }
        if let Some(at) = names.iter().position(|name| is_missing(name)) {
            let name = &names[at];
            let what = if name.is_empty() { "is empty".to_owned() } else { format!("`{name}` is no label") };
            return Misfit::new(at, what, "give every example a label");
        }
        let sorted = sorted(names);
        let Some(text) = names.iter().position(|name| number(name).is_none()) else {
            let values = names.iter().filter_map(|name| number(name)).collect::<Vec<f64>>();
            for (at, &value) in values.iter().enumerate() {
                let Err(why) = self.check(value) else { continue };
                // As many numbers as there are classes are probably their names.
                return if self.classes() == Some(sorted.len()) {
                    let as_classes = as_classes(&sorted);
                    Misfit::new(at, why, format!("write {as_classes} in [data] to have them numbered in this order"))
                } else {
                    Misfit::new(at, why, FIT_LABELS)
                };
            }
            return Ok(Numbered { labels: values, classes: Vec::new() });
        };
        match self.classes() {
            None => {
                let what = format!("`{}` is not a finite number", names[text]);
                Misfit::new(text, what, "one output takes numbers as labels")
            }
            Some(n) if n != sorted.len() => {
                let shown = sorted.iter().take(5).copied().collect::<Vec<_>>().join(", ");
                let more = if sorted.len() > 5 { ", ..." } else { "" };
                let what = format!(
                    "{} different labels ({shown}{more}), but the network tells {n} classes apart",
                    sorted.len()
                );
                Misfit::new(text, what, "change the outputs of the network, or list all classes under data.classes")
            }
            Some(_) => Ok(self.by_class(names, &sorted)),
        }
    }

    /// The label of every name by its place among the classes, which all of them are in.
    fn by_class(self, names: &[String], classes: &[&str]) -> Numbered {
        let class = |name: &String| classes.iter().position(|known| known == name).unwrap_or(0);
        let named = |(k, name): (usize, &&str)| Class { name: (*name).to_owned(), label: self.of_class(k) };
        Numbered {
            labels: names.iter().map(|name| self.of_class(class(name))).collect(),
            classes: classes.iter().enumerate().map(named).collect(),
        }
    }
}

/// A label that does not fit: of which example, what is wrong, and what to do.
#[derive(Debug)]
pub(super) struct Misfit {
    pub(super) at: usize,
    pub(super) what: String,
    pub(super) remedy: String,
}

impl Misfit {
    fn new<T>(at: usize, what: impl Into<String>, remedy: impl Into<String>) -> Result<T, Self> {
        Err(Self { at, what: what.into(), remedy: remedy.into() })
    }
}

/// `data.classes`, where it is given: as many names as the objective tells classes apart, each once.
pub(super) fn named_classes<'a>(section: &Section<'a>, labels: Labels) -> Result<Option<Vec<&'a str>>, ProblemError> {
    let Some(entry) = section.optional("classes") else { return Ok(None) };
    let items = entry.items("name the classes, as [\"setosa\", \"virginica\"]")?;
    let classes = items.iter().map(|item| item.text().map(str::trim)).collect::<Result<Vec<_>, _>>()?;
    if labels.classes() != Some(classes.len()) {
        let wanted = labels.classes().map_or("numbers, not classes".to_owned(), |n| format!("{n} classes"));
        let what = format!("names {} classes, but the objective takes {wanted}", classes.len());
        return Err(entry.fault(what, "name as many classes as the network has outputs; two, if it has one"));
    }
    if let Some((k, item)) = items.iter().enumerate().find(|(k, _)| classes[..*k].contains(&classes[*k])) {
        return Err(item.fault(format!("\"{}\" is named twice", classes[k]), "name every class once"));
    }
    Ok(Some(classes))
}

/// Whether a field names something.
fn is_missing(field: &str) -> bool {
    field.is_empty() || MISSING.contains(&field.to_lowercase().as_str())
}

/// A finite number, if that is what a field holds.
fn number(field: &str) -> Option<f64> {
    field.parse().ok().filter(|x: &f64| x.is_finite())
}

/// The different fields, in the order of their numbers, or of their bytes if not all are numbers.
fn sorted(fields: &[String]) -> Vec<&str> {
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
fn as_classes(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    format!("classes = [{}]", quoted.join(", "))
}
