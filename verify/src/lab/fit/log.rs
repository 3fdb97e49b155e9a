//! Runs at common steps, from the rows of one or several files.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use ratecheck::rates::{BIN_RATIO, Window};

use super::columns::Columns;
use super::common;
use super::file::{self, Text};
use super::repeats::{OnRepeat, Settled, settle};
use super::table::{self, Row};
use crate::lab::problem::ProblemError;
use crate::text::plain::{listed, plain, quote};

/// The times of the fit, where the user gave them: (from, to), each or neither.
pub type Ends = (Option<f64>, Option<f64>);

/// A statistic recorded along runs, at steps that all of them share.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// The files, in the order given.
    pub files: Vec<PathBuf>,
    /// The name of the column of the steps, fit to be shown.
    pub step: String,
    /// That of the values.
    pub value: String,
    /// The names of the runs, in the order of their first row.
    pub runs: Vec<String>,
    /// Runs that are named but have no value.
    pub vanished: Vec<String>,
    /// The steps up to the end of the window, increasing.
    pub t: Vec<f64>,
    /// Runs x steps, row by row.
    pub values: Vec<f64>,
    /// The window of the fit.
    pub window: Window,
    /// Whether the rule chose the window, and not the user.
    pub by_rule: bool,
    /// What was assumed while it was read.
    pub notes: Vec<String>,
}

/// The window is [T/100, T] unless the user says otherwise, where T is the last step of all runs.
const DECADES: f64 = 100.0;

/// A run, and the file that it is from.
struct Run {
    file: usize,
    name: String,
    rows: Vec<Row>,
}

impl Run {
    fn last(&self) -> f64 {
        self.rows.iter().map(|row| row.step).fold(0.0, f64::max)
    }
}

impl Log {
    /// Reads files; each is a run of its own unless columns tell runs apart.
    ///
    /// # Errors With file, line, column and remedy: a file that cannot be read, or is no log; no such column; a field
    /// that is no number; a step twice in one run, unless a rule says which counts; a run that ends before the others;
    /// in the window a value that is not positive and finite.
    pub fn read(files: &[PathBuf], columns: &Columns, ends: Ends) -> Result<Self, ProblemError> {
        let mut texts = Vec::new();
        let mut left = file::most();
        for path in files {
            let bytes = file::read(path, left)?;
            left -= bytes.len() as u64;
            texts.push((path.clone(), bytes));
        }
        Self::parse(texts, columns, ends)
    }

    /// The same of the bytes of files with the names they go by.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(files: Vec<(PathBuf, Vec<u8>)>, columns: &Columns, ends: Ends) -> Result<Self, ProblemError> {
        let mut texts = Vec::new();
        let mut left = file::most();
        for (path, bytes) in files {
            let text = file::decode(&path, bytes, left)?;
            left -= text.text.len() as u64;
            texts.push(text);
        }
        let mut runs = Vec::new();
        let mut notes = Notes::default();
        let mut names: Option<(String, String)> = None;
        for (place, text) in texts.iter().enumerate() {
            let table = table::read(text, columns)?;
            notes.of_files.extend(table.notes.into_iter().map(|note| (place, note)));
            if let Some((_, value)) = names.as_ref().filter(|(_, value)| *value != table.value) {
                let what = format!(
                    "the values would be those of \"{}\", but those of \"{}\" in {}",
                    quote(&table.value),
                    quote(value),
                    plain(&texts[0].path.to_string_lossy())
                );
                return Err(ProblemError::of_file(
                    &text.path,
                    what,
                    "name the column with --value COLUMN, the same in all files",
                ));
            }
            names.get_or_insert((table.step, table.value));
            let named = |run: table::Run| Run { file: place, name: run_name(&texts, place, &run.name), rows: run.rows };
            runs.extend(table.runs.into_iter().map(named));
        }
        let (mut runs, vanished): (Vec<Run>, Vec<Run>) = runs.into_iter().partition(|run| !run.rows.is_empty());
        let (Some((step, value)), false) = (names, runs.is_empty()) else {
            let path = texts.first().map_or(Path::new(""), |text| &text.path);
            return Err(ProblemError::of_file(
                path,
                "holds no rows with values",
                "give a log with at least three steps",
            ));
        };
        let vanished: Vec<String> = vanished.into_iter().map(|run| run.name).collect();
        if !vanished.is_empty() {
            let (n, of) = (vanished.len(), vanished.len() + runs.len());
            notes.of_all.push(format!(
                "{n} of {of} runs have no value at all: {}",
                listed(vanished.iter().map(String::as_str))
            ));
        }
        if columns.run.as_deref() == Some("block") {
            notes.of_all.push(
                "the runs are blocks: those of one model share its data and its seed, and are taken for independent \
                 here; choose one with --where block=NAME, and give a file for every seed"
                    .to_owned(),
            );
        }
        // What lies beyond the end has no part in it, whatever it is.
        runs.iter_mut().for_each(|run| run.rows.retain(|row| ends.1.is_none_or(|end| row.step <= end)));
        settle_all(&texts, &step, &mut runs, columns, &mut notes)?;
        if runs.iter().any(|run| run.rows.len() > 1) {
            not_counted(&texts, &step, &runs)?;
        }
        let early = |runs: &[Run], short| ends_early(&texts, &step, runs, short);
        let last = common::end(&rows_of(&runs)).map_err(|short| early(&runs, short))?;
        if let Some(run) = runs.iter().find(|run| run.last() > last) {
            let note = format!(
                "the fit ends at step {last}, the last that all runs reach; {} goes on to step {}",
                run.name,
                run.last()
            );
            notes.of_all.push(note);
        }
        let window = Window::new(ends.0.unwrap_or(last / DECADES), ends.1.unwrap_or(last));
        for run in &mut runs {
            usable(&texts, &value, run, window, &mut notes)?;
        }
        let runs = once(runs, &mut notes);
        let common = common::steps(&rows_of(&runs), last).map_err(|short| early(&runs, short))?;
        if common.interpolated {
            let (from, to) = (common.t[0], common.t[common.t.len() - 1]);
            notes.of_all.push(format!(
                "the runs recorded different steps: each is read at {} steps from {from} to {to}, linearly in ln t \
                 between its own",
                common.t.len()
            ));
        }
        let hole = runs.iter().find_map(|run| {
            let t: Vec<f64> = run.rows.iter().map(|row| row.step).collect();
            hole(&t, window)
                .map(|(from, to)| format!("there is a hole in {}: nothing between steps {from} and {to}", run.name))
        });
        notes.of_all.extend(hole);
        Ok(Self {
            step: if step.is_empty() { "index".to_owned() } else { quote(&step) },
            value: quote(&value),
            runs: runs.into_iter().map(|run| run.name).collect(),
            vanished,
            t: common.t,
            values: common.values,
            window,
            by_rule: ends == (None, None),
            notes: notes.folded(&texts),
            files: texts.into_iter().map(|text| text.path).collect(),
        })
    }
}

fn rows_of(runs: &[Run]) -> Vec<&[Row]> {
    runs.iter().map(|run| run.rows.as_slice()).collect()
}

/// Notes about files, and about all of them.
#[derive(Default)]
struct Notes {
    of_files: Vec<(usize, String)>,
    of_all: Vec<String>,
}

impl Notes {
    /// Each note once, with the file it is about if not about all.
    fn folded(self, texts: &[Text]) -> Vec<String> {
        let mut folded: Vec<(String, Vec<usize>)> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for (file, note) in self.of_files {
            let place = *places.entry(note).or_insert_with_key(|note| {
                folded.push((note.clone(), Vec::new()));
                folded.len() - 1
            });
            folded[place].1.push(file);
        }
        let named = |(note, files): (String, Vec<usize>)| match files.as_slice() {
            all if all.len() == texts.len() => note,
            [one] => format!("{}: {note}", plain(&texts[*one].path.to_string_lossy())),
            several => format!("{} files: {note}", several.len()),
        };
        folded.into_iter().map(named).chain(self.of_all).collect()
    }
}

/// `run 3`, or the file; both if there are several files.
fn run_name(texts: &[Text], file: usize, run: &str) -> String {
    let path = texts[file].path.to_string_lossy();
    match (run.is_empty(), texts.len() > 1) {
        (true, _) => format!("run {}", plain(&path)),
        (false, true) => format!("run {} of {}", quote(run), plain(&path)),
        (false, false) => format!("run {}", quote(run)),
    }
}

/// Every run with increasing steps, each once.
fn settle_all(
    texts: &[Text],
    step: &str,
    runs: &mut [Run],
    columns: &Columns,
    notes: &mut Notes,
) -> Result<(), ProblemError> {
    let mut again = Vec::new();
    let mut n_again = 0;
    for run in runs {
        let text = &texts[run.file];
        match settle(std::mem::take(&mut run.rows), columns.on_repeat) {
            Settled::Rows(rows, surplus) => {
                run.rows = rows;
                if surplus > 0 {
                    n_again += surplus;
                    again.push(run.name.as_str());
                }
            }
            Settled::Twice { first, again, anew } => {
                let line = text.line(first.at);
                let anew = if anew && columns.run.is_none() {
                    ": the log begins anew, as if it held several runs"
                } else {
                    ""
                };
                if let Some((column, metrics)) = table::metrics(text, columns)? {
                    let what = format!(
                        "step {} occurs twice in {}, first in line {line}: \"{}\" names several metrics: {}",
                        again.step,
                        run.name,
                        quote(&column),
                        listed(metrics.iter().map(String::as_str))
                    );
                    let remedy = format!("choose one, as --where {}", quote(&format!("{column}={}", metrics[0])));
                    return Err(text.fault(again.at, Some(step), &what, &remedy));
                }
                let what = format!("step {} occurs twice in {}, first in line {line}{anew}", again.step, run.name);
                let remedy = match (columns.on_repeat, columns.run.is_some()) {
                    (Some(_), _) => "give every step once, or say which value counts with --on-repeat last",
                    (None, true) => "give every step of a run once, or say which value counts with --on-repeat last",
                    (None, false) => {
                        "name the column that tells the runs apart with --run COLUMN; if it is one run that was \
                         resumed, say --on-repeat last"
                    }
                };
                return Err(text.fault(again.at, Some(step), &what, remedy));
            }
        }
    }
    if n_again > 0 {
        let counts = match columns.on_repeat {
            None => "as after a resume: the last value counts (--on-repeat last)",
            Some(OnRepeat::Last) => "the last value counts",
            Some(OnRepeat::First) => "the first value counts",
            Some(OnRepeat::Mean) => "the mean counts",
            Some(OnRepeat::Error) => "with the same value",
        };
        let rows =
            if n_again == 1 { "1 row repeats a step".to_owned() } else { format!("{n_again} rows repeat a step") };
        notes.of_all.push(format!("{rows} of {}, {counts}", listed(again)));
    }
    Ok(())
}

/// An error if the steps do not count from a beginning: then ln t is all but constant, and there is no rate in it.
fn not_counted(texts: &[Text], step: &str, runs: &[Run]) -> Result<(), ProblemError> {
    let first = runs.iter().filter_map(|run| run.rows.first()).map(|row| row.step).fold(f64::INFINITY, f64::min);
    let last = runs.iter().map(Run::last).fold(0.0, f64::max);
    if !(first > 0.0 && last > first && last < BIN_RATIO * first) {
        return Ok(());
    }
    // Seconds since 1970, from 2001 on.
    let clock = if first >= 1e9 { "as times of a clock do" } else { "and do not count from a beginning" };
    let what =
        format!("the steps run from {first} to {last}, {clock}: on a ratio of {:.4} no rate can be seen", last / first);
    let remedy = format!(
        "name another column with --step COLUMN, or subtract from all steps the one where the run began, about {first}"
    );
    let at = runs.first().and_then(|run| run.rows.first()).map_or(0, |row| row.at);
    Err(texts[runs[0].file].fault(at, Some(step), &what, &remedy))
}

/// A run whose values in the window have logarithms; before it, what comes up to a value that is no norm is left out.
fn usable(texts: &[Text], value: &str, run: &mut Run, window: Window, notes: &mut Notes) -> Result<(), ProblemError> {
    let is_norm = |row: &Row| row.value.is_finite() && row.value >= 0.0;
    if let Some(row) = run.rows.iter().find(|row| row.step >= window.from && !(is_norm(row) && row.value > 0.0)) {
        let what = format!(
            "{} at step {} of {} is not positive and finite, and has no logarithm",
            row.value, row.step, run.name
        );
        let remedy = match row.value.is_finite() {
            true => {
                "a rate is fitted to a positive quantity (a norm, or a loss above its minimum): end before with \
                 --window, or log that"
            }
            false => {
                "the run diverged here, or it had not begun: leave it out, end before with --window ..STEP, or begin \
                 after with --window STEP.."
            }
        };
        return Err(texts[run.file].fault(row.at, Some(value), &what, remedy));
    }
    if let Some(bad) = run.rows.iter().rposition(|row| !is_norm(row)) {
        let row = run.rows[bad];
        let what = if row.value.is_finite() { "negative" } else { "not finite" };
        notes.of_all.push(format!(
            "{} is read from step {} on: {} at step {} is {what}",
            run.name,
            run.rows.get(bad + 1).map_or(row.step, |next| next.step),
            row.value,
            row.step
        ));
        run.rows.drain(..=bad);
    }
    Ok(())
}

/// Runs with the same bits are one run: a file given twice, a copy, a seed that was not set.
fn once(runs: Vec<Run>, notes: &mut Notes) -> Vec<Run> {
    let bits = |run: &Run| run.rows.iter().map(|row| (row.step.to_bits(), row.value.to_bits())).collect::<Vec<_>>();
    let mut seen: HashMap<u64, Vec<usize>> = HashMap::new();
    let mut kept: Vec<Run> = Vec::new();
    let mut copies = Vec::new();
    for run in runs {
        let own = bits(&run);
        let mut hasher = DefaultHasher::new();
        own.hash(&mut hasher);
        let alike = seen.entry(hasher.finish()).or_default();
        match alike.iter().find(|&&place| bits(&kept[place]) == own) {
            Some(&place) => copies.push((run.name, kept[place].name.clone())),
            None => {
                alike.push(kept.len());
                kept.push(run);
            }
        }
    }
    if let Some((copy, of)) = copies.first() {
        let more = if copies.len() > 1 { format!("; so do {} more", copies.len() - 1) } else { String::new() };
        notes.of_all.push(match copy == of {
            true => format!("{of} is given more than once, and counts once{more}"),
            false => format!("{of} and {copy} have the same numbers to the last bit, and count as one run{more}"),
        });
    }
    kept
}

fn ends_early(texts: &[Text], step: &str, runs: &[Run], short: usize) -> ProblemError {
    let run = &runs[short];
    let furthest = runs.iter().map(Run::last).fold(0.0, f64::max);
    let long = runs.iter().find(|run| run.last() == furthest).map_or("another", |run| run.name.as_str());
    match run.rows.last() {
        Some(row) => {
            let what = format!("{} ends at step {}, and {long} goes on to step {furthest}", run.name, row.step);
            let remedy = "if it ended early, end all with --window ..STEP, or leave it out: those that are left may be \
                          the lucky ones";
            texts[run.file].fault(row.at, Some(step), &what, remedy)
        }
        None => {
            let what = format!("{} has no value up to the end of the window", run.name);
            ProblemError::of_file(
                &texts[run.file].path,
                what,
                "end it later with --window ..STEP, or leave the run out",
            )
        }
    }
}

/// The longest stretch of the window without a value, as (from, to), if it is a hole: more than a bin's ratio wide, and
/// three times as wide in ln t as the typical one beside it.
pub(super) fn hole(t: &[f64], window: Window) -> Option<(f64, f64)> {
    let inside: Vec<f64> = t.iter().copied().filter(|&t| t > 0.0 && window.contains(t)).collect();
    let ratio = |k: usize| inside[k] / inside[k - 1];
    let wide = |k: &usize| {
        // Steps of equal differences and of equal ratios: neither has holes.
        let near: Vec<usize> = [k.wrapping_sub(1), k + 1].into_iter().filter(|&n| n >= 1 && n < inside.len()).collect();
        !near.is_empty() && near.iter().all(|&n| ratio(*k) > libm::pow(ratio(n), 3.0) && ratio(*k) > BIN_RATIO)
    };
    (1..inside.len()).find(wide).map(|k| (inside[k - 1], inside[k]))
}
