//! Which columns hold steps, values and runs: as asked for, or by custom where there is no doubt.

use std::collections::HashSet;

use super::repeats::OnRepeat;
use super::separated::Named;
use super::source::LogFile;
use crate::lab::problem::{ProblemError, nearest};
use crate::text::plain::{listed, quote};

/// Names of columns, where the user gave them, and what is to be done with rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// The time.
    pub step: Option<String>,
    /// The statistic; several columns are several runs.
    pub values: Vec<String>,
    /// What tells the runs of one file apart.
    pub run: Option<String>,
    /// Take only rows where the column of the first name says the second, as a number or as text.
    pub only: Vec<(String, String)>,
    /// Leave out rows without a value.
    pub skip_empty: bool,
    /// What counts where a step was recorded again; if not said, the last after a resume, and anything else is an
    /// error.
    pub on_repeat: Option<OnRepeat>,
}

/// Names that a step has by custom, the surest first; compared without regard to capitals.
const STEPS: [&str; 13] = [
    "step",
    "t",
    "global_step",
    "trainer/global_step",
    "iteration",
    "iter",
    "steps",
    "_step",
    "global step",
    "iterations",
    "training_iteration",
    "epoch",
    "epochs",
];
/// What a step may be nested in; in anything else, as `loss/epoch`, it says how a value was averaged.
const OF_STEPS: [&str; 8] = ["train", "trainer", "training", "eval", "val", "test", "progress", "global"];

/// Whether a name is that of a step: `step`, and `train/global_step` or `train.step`.
fn is_step(name: &str) -> bool {
    let nested = name.rsplit_once(['/', '.']);
    is_among(name, &STEPS) || nested.is_some_and(|(of, step)| is_among(of, &OF_STEPS) && is_among(step, &STEPS))
}

/// Names of times: neither steps nor values.
const TIMES: [&str; 14] = [
    "wall time",
    "wall_time",
    "walltime",
    "time",
    "timestamp",
    "_timestamp",
    "_runtime",
    "runtime",
    "date",
    "datetime",
    "elapsed",
    "relative time",
    "relative time (process)",
    "relative time (wall)",
];
/// The name that a value has in exports of TensorBoard and MLflow.
const VALUE: &str = "value";
/// What W&B puts between the name of a run and that of what it recorded, and at the end of the range within a pixel.
const DASH: &str = " - ";
const RANGE: [&str; 2] = ["__MIN", "__MAX"];

/// A column of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Series {
    pub(super) column: usize,
    /// The run that it is of, where several columns are several runs.
    pub(super) run: String,
}

/// The places of the columns among the names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) step: usize,
    pub(super) series: Vec<Series>,
    pub(super) run: Option<usize>,
    pub(super) only: Vec<(usize, String)>,
    /// What is fitted: the name of the column, or what the columns of several runs have in common.
    pub(super) value: String,
    /// What was assumed.
    pub(super) notes: Vec<String>,
}

impl Places {
    /// Finds the columns.
    ///
    /// # Errors
    /// When there is none of a name, or no telling which is meant.
    pub(super) fn find(source: &LogFile<'_>, columns: &Columns) -> Result<Self, ProblemError> {
        let names = Names { source, ranges: ranges(&source.names) };
        let run = columns.run.as_deref().map(|name| names.one(name)).transpose()?;
        let only = columns.only.iter().map(|(name, text)| Ok((names.one(name)?, text.clone())));
        let only: Vec<(usize, String)> = only.collect::<Result<_, _>>()?;
        let mut notes = Vec::new();
        let step = names.step(columns, &mut notes)?;
        let (value, series) = match columns.values.as_slice() {
            [] => names.unasked(step, run, &only, &mut notes)?,
            asked => names.asked(asked)?,
        };
        let mut used = HashSet::from([step]);
        let twice =
            run.into_iter().chain(series.iter().map(|series| series.column)).find(|&column| !used.insert(column));
        if let Some(column) = twice {
            let what = format!("the column \"{}\" is used twice", quote(&source.names[column]));
            return Err(names.fault(&what, "give --step, --value and --run a column each"));
        }
        if run.is_some() && series.len() > 1 {
            let what = format!("{} columns of values, each of which is a run", series.len());
            return Err(names.fault(&what, "name one of them with --value, or leave out --run"));
        }
        match source.named() {
            Named::Pair if columns.step.is_none() => {
                notes.push(
                    "there is no line of names: the first column is taken for the steps, the second for the values"
                        .to_owned(),
                );
            }
            Named::Mlflow => {
                notes.push("there is no line of names: time, value and step, as in a file of MLflow".to_owned())
            }
            _ => {}
        }
        Ok(Self { step, series, run, only, value, notes })
    }
}

/// The names, and those among them that are the range of another.
struct Names<'a> {
    source: &'a LogFile<'a>,
    ranges: HashSet<usize>,
}

/// The columns `x__MIN` and `x__MAX` where there is an `x`.
fn ranges(names: &[String]) -> HashSet<usize> {
    let known: HashSet<&str> = names.iter().map(String::as_str).collect();
    let is = |name: &str| RANGE.iter().any(|end| name.strip_suffix(end).is_some_and(|base| known.contains(base)));
    names.iter().enumerate().filter(|(_, name)| is(name)).map(|(column, _)| column).collect()
}

fn is_among(name: &str, known: &[&str]) -> bool {
    known.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// What is recorded in a column `run - metric`.
fn metric(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once(DASH)
}

/// A name without its number, if that is the number of a run: `seed 3 loss` is `seed loss`. A number of anything else,
/// as of a layer, tells quantities apart and not runs.
fn without_number(name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(String::new());
    }
    ["seed", "run", "rep", "replicate", "trial"].iter().find_map(|word| {
        let end = lower.rfind(word)? + word.len();
        let rest = name[end..].trim_start_matches([' ', '_', '-', '=', ':', '#', '/']);
        let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        (after.len() < rest.len()).then(|| format!("{}{after}", &name[..end]))
    })
}

impl Names<'_> {
    fn name(&self, column: usize) -> &str {
        &self.source.names[column]
    }

    fn all(&self) -> impl Iterator<Item = (usize, &str)> {
        self.source.names.iter().map(String::as_str).enumerate()
    }

    /// The column of a name.
    fn one(&self, name: &str) -> Result<usize, ProblemError> {
        let mut places = self.all().filter(|(_, known)| *known == name);
        match (places.next(), places.next()) {
            (Some((column, _)), None) => Ok(column),
            (Some(_), Some(_)) => {
                let what = format!("several columns are called \"{}\"", quote(name));
                Err(self.fault(&what, "give every column a name of its own"))
            }
            (None, _) => Err(self.none(name)),
        }
    }

    fn none(&self, name: &str) -> ProblemError {
        let what = format!("no column is called \"{}\"", quote(name));
        let inside = format!("{name}.");
        let parts: Vec<&str> = self.all().filter_map(|(_, known)| known.strip_prefix(&inside)).collect();
        if !parts.is_empty() {
            let what = format!("\"{}\" is an object (of {}), and not a number", quote(name), listed(parts));
            return self
                .fault(&what, &format!("log one number a step, or name one of them, as {}NAME", quote(&inside)));
        }
        if self.source.named() != Named::Line {
            return self.fault(&format!("{what}: there is no line of names"), &self.by_number());
        }
        let remedy = match nearest(name, self.source.names.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean \"{}\"?", quote(meant)),
            None => format!("its columns are {}", self.listed()),
        };
        self.fault(&what, &remedy)
    }

    fn listed(&self) -> String {
        listed(self.source.names.iter().map(String::as_str))
    }

    fn by_number(&self) -> String {
        let n = self.source.names.len();
        format!(
            "name the columns in the first line, as `step,value`, or give their numbers, 1 to {n}, as --step 1 --value \
             2"
        )
    }

    fn step(&self, columns: &Columns, notes: &mut Vec<String>) -> Result<usize, ProblemError> {
        if let Some(name) = &columns.step {
            return self.one(name);
        }
        if self.source.named() == Named::Pair {
            return Ok(0);
        }
        let by_custom = STEPS.iter().find_map(|known| self.all().find(|(_, name)| name.eq_ignore_ascii_case(known)));
        let by_custom = by_custom.or_else(|| {
            let mut last = self.all().filter(|(_, name)| metric(name).is_none() && is_step(name));
            // Of several that would do, none is the one.
            last.next().filter(|_| last.next().is_none())
        });
        if let Some((column, name)) = by_custom {
            if name.to_ascii_lowercase().starts_with("epoch") {
                notes.push(format!("the steps are those of the column \"{name}\""));
            }
            return Ok(column);
        }
        let time = self.all().find(|(_, name)| is_among(name, &TIMES));
        Err(match (self.source.named(), time) {
            (Named::Line, Some((_, time))) => {
                let what = format!(
                    "no column counts steps, and \"{}\" is a time: the columns are {}",
                    quote(time),
                    self.listed()
                );
                // Times since the start stand for steps that take equally long; those of a clock do not.
                let since =
                    ["relative", "runtime", "elapsed"].iter().any(|word| time.to_ascii_lowercase().contains(word));
                let remedy = match since {
                    true => format!(
                        "; if all steps take equally long, times since the start will do: --step \"{}\"",
                        quote(time)
                    ),
                    false => String::new(),
                };
                let remedy = format!("export the steps as well, or name their column with --step COLUMN{remedy}");
                self.fault(&what, &remedy)
            }
            (Named::Line, None) if self.name(0).is_empty() => {
                let what = format!(
                    "no telling which column holds the steps: the first has no name, and the others are {}",
                    listed(self.source.names.iter().skip(1).map(String::as_str))
                );
                self.fault(
                    &what,
                    "name it with --step COLUMN; if the one without a name counts steps (an index of \
                     pandas), with --step \"\"",
                )
            }
            (Named::Line, None) => self.unclear("steps", "step", self.listed()),
            _ => {
                let what = format!("no line of names, and {} columns of numbers", self.source.names.len());
                self.fault(&what, &self.by_number())
            }
        })
    }

    fn unclear(&self, what: &str, option: &str, names: String) -> ProblemError {
        let what = format!("no telling which column holds the {what}: the columns are {names}");
        self.fault(&what, &format!("name it with --{option} COLUMN"))
    }

    /// The columns that `--value` names: each by itself, or all runs' columns of a metric.
    fn asked(&self, asked: &[String]) -> Result<(String, Vec<Series>), ProblemError> {
        let mut series = Vec::new();
        for name in asked {
            if self.all().any(|(_, known)| known == name) {
                series.push(Series { column: self.one(name)?, run: name.clone() });
                continue;
            }
            let of_runs = self.all().filter(|(column, known)| {
                metric(known).is_some_and(|(_, metric)| metric == name) && !self.ranges.contains(column)
            });
            let before = series.len();
            series.extend(
                of_runs.filter_map(|(column, known)| Some(Series { column, run: metric(known)?.0.to_owned() })),
            );
            if series.len() == before {
                return Err(self.none(name));
            }
        }
        if let [only] = series.as_mut_slice() {
            only.run.clear();
        }
        Ok((asked.join(", "), series))
    }

    /// The columns of values where none is named.
    fn unasked(
        &self,
        step: usize,
        run: Option<usize>,
        only: &[(usize, String)],
        notes: &mut Vec<String>,
    ) -> Result<(String, Vec<Series>), ProblemError> {
        let free =
            |column: usize| column != step && Some(column) != run && only.iter().all(|(other, _)| *other != column);
        let alone = |column: usize| (self.name(column).to_owned(), vec![Series { column, run: String::new() }]);
        if let Some((column, _)) = self.all().find(|(column, name)| name.eq_ignore_ascii_case(VALUE) && free(*column)) {
            return Ok(alone(column));
        }
        // Whatever is a number, but for what is known not to be a value.
        let base = |name: &str| metric(name).map_or(name.to_owned(), |(_, metric)| metric.to_owned());
        // An index without a name, as pandas writes it and as it reads it back.
        let index = |name: &str| name.is_empty() || name.starts_with("Unnamed: ");
        let known = |name: &str| index(name) || is_step(name) || is_among(name, &TIMES);
        let others: Vec<usize> = (0..self.source.names.len()).filter(|&column| free(column)).collect();
        let open = |column: &usize| !self.ranges.contains(column) && !known(&base(self.name(*column)));
        let mut candidates: Vec<usize> = others.iter().copied().filter(open).collect();
        // Columns `run - metric` hold numbers, or nothing: a run that vanished.
        if candidates.len() > 1 && !candidates.iter().all(|&column| metric(self.name(column)).is_some()) {
            candidates = self.source.numeric(&candidates)?;
        }
        let names = || candidates.iter().map(|&column| self.name(column));
        let found = match candidates.as_slice() {
            [] => return Err(self.unclear("values", "value", self.listed())),
            &[column] => alone(column),
            several => {
                let metrics: Option<Vec<&str>> = names().map(|name| Some(metric(name)?.1)).collect();
                let numbered: Option<Vec<String>> = names().map(without_number).collect();
                let alike = |names: &[String]| names.iter().all(|name| *name == names[0]);
                if let Some(metrics) = metrics {
                    let mut different: Vec<&str> = metrics.clone();
                    different.sort_unstable();
                    different.dedup();
                    if different.len() > 1 {
                        let what = format!(
                            "no telling which column holds the values: runs recorded {}",
                            listed(different.iter().copied())
                        );
                        return Err(
                            self.fault(&what, &format!("name one with --value, as --value {}", quote(different[0])))
                        );
                    }
                    let run = |&column: &usize| Series {
                        column,
                        run: metric(self.name(column)).map_or(String::new(), |(run, _)| run.to_owned()),
                    };
                    (metrics[0].to_owned(), several.iter().map(run).collect())
                } else if numbered.is_some_and(|names| alike(&names)) {
                    let series = |&column: &usize| Series { column, run: self.name(column).to_owned() };
                    (
                        format!("{} to {}", self.name(several[0]), self.name(several[several.len() - 1])),
                        several.iter().map(series).collect(),
                    )
                } else {
                    let what = format!("no telling which column holds the values: the columns are {}", listed(names()));
                    return Err(self.fault(
                        &what,
                        "name it with --value COLUMN; several columns are several runs if each is named",
                    ));
                }
            }
        };
        if found.1.len() > 1 {
            notes.push(format!("{} columns are that many runs: {}", found.1.len(), listed(names())));
        }
        let taken: HashSet<usize> = found.1.iter().map(|series| series.column).collect();
        let shown =
            |column: usize| if self.name(column).is_empty() { "the one without a name" } else { self.name(column) };
        let left_out: Vec<&str> =
            others.iter().filter(|column| !taken.contains(column)).map(|&column| shown(column)).collect();
        if !left_out.is_empty() {
            notes.push(format!("columns left out: {}", listed(left_out)));
        }
        Ok(found)
    }

    fn fault(&self, what: &str, remedy: &str) -> ProblemError {
        self.source.file.fault(0, None, what, remedy)
    }
}
