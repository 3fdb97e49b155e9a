//! Runs at common steps, from the rows of one or several files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ratecheck::rates::{BIN_RATIO, Window};

use super::columns::Columns;
use super::common;
use super::file::{self, Text};
use super::repeats::{OnRepeat, Settled, settle};
use super::runs::{Run, once, rows_of};
use super::table;
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
pub(super) const DECADES: f64 = 100.0;

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
        let (runs, copies) = once(runs);
        notes.of_all.extend(copies);
        let common = common::steps(&rows_of(&runs), last).map_err(|short| early(&runs, short))?;
        if common.interpolated {
            let (from, to) = (common.t[0], common.t[common.t.len() - 1]);
            notes.of_all.push(format!(
                "the runs recorded different steps: each is read at {} steps from {from} to {to}, linearly in ln t \
                 between its own",
                common.t.len()
            ));
        }
        notes.of_all.extend(runs.iter().find_map(|run| run.hole(window)));
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
    if let Some((row, what)) = run.unfit(window) {
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
    notes.of_all.extend(run.begin());
    Ok(())
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
