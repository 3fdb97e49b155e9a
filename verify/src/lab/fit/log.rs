//! Runs at common steps, from the rows of one or several files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ratecheck::rates::Window;

use super::table::{Columns, Row, fault, parse};
use crate::lab::problem::{ProblemError, line_at};

/// The times of the fit, where the user gave them: (from, to), each or neither.
pub type Ends = (Option<f64>, Option<f64>);

/// A statistic recorded along runs, at steps that all of them share.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// The files, in the order given.
    pub files: Vec<PathBuf>,
    /// The name of the column of the steps.
    pub step: String,
    /// That of the values.
    pub value: String,
    /// The names of the runs, in the order of their first row.
    pub runs: Vec<String>,
    /// The steps up to the end of the window, increasing.
    pub t: Vec<f64>,
    /// Runs x steps, row by row.
    pub values: Vec<f64>,
    /// The window of the fit.
    pub window: Window,
    /// Whether the rule chose the window, and not the user.
    pub by_rule: bool,
    /// Rows left out because they hold no value.
    pub skipped: usize,
}

/// The window is [T/100, T] unless the user says otherwise, where T is the last step.
const DECADES: f64 = 100.0;

/// A file with its text: for errors.
struct Text {
    path: PathBuf,
    bytes: Vec<u8>,
}

/// A row, and the file that it is from.
type Placed = (usize, Row);

impl Log {
    /// Reads files; each is a run of its own unless a column tells the runs apart.
    ///
    /// # Errors
    /// With file, line, column and remedy: a file that cannot be read; no such column; a field that is no number; a
    /// step twice in one run; a step that one run lacks; up to the end of the window a value that is negative or not
    /// finite, in it one that is zero.
    pub fn read(files: &[PathBuf], columns: &Columns, ends: Ends) -> Result<Self, ProblemError> {
        let mut texts = Vec::new();
        for path in files {
            let bytes = std::fs::read(path).map_err(|error| {
                ProblemError::of_file(
                    path,
                    format!("cannot be read: {error}"),
                    "give the path of a log in CSV or JSON lines",
                )
            })?;
            texts.push((path.clone(), bytes));
        }
        Self::parse(texts, columns, ends)
    }

    /// The same of texts with the names they go by.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(texts: Vec<(PathBuf, Vec<u8>)>, columns: &Columns, ends: Ends) -> Result<Self, ProblemError> {
        let texts: Vec<Text> = texts.into_iter().map(|(path, bytes)| Text { path, bytes }).collect();
        let mut runs: Vec<(String, Vec<Placed>)> = Vec::new();
        let mut places = BTreeMap::new();
        let (mut names, mut skipped) = (None, 0);
        for (file, text) in texts.iter().enumerate() {
            let table = parse(&text.path, &text.bytes, columns)?;
            skipped += table.skipped;
            names.get_or_insert((table.step, table.value));
            for row in table.rows {
                let name = run_name(&texts, file, &row.run);
                let place = *places.entry((file, row.run.clone())).or_insert_with(|| {
                    runs.push((name, Vec::new()));
                    runs.len() - 1
                });
                runs[place].1.push((file, row));
            }
        }
        let (Some((step, value)), false) = (names, runs.is_empty()) else {
            let path = texts.first().map_or(Path::new(""), |text| &text.path);
            return Err(ProblemError::of_file(
                path,
                "holds no rows with values",
                "give a log with at least three steps",
            ));
        };
        let last = runs.iter().flat_map(|(_, rows)| rows).map(|(_, row)| row.step).filter(|step| step.is_finite());
        let last = last.fold(0.0, f64::max);
        let window = Window::new(ends.0.unwrap_or(last / DECADES), ends.1.unwrap_or(last));
        let files = texts.iter().map(|text| text.path.clone()).collect();
        let mut log = Self {
            files,
            step,
            value,
            runs: Vec::new(),
            t: Vec::new(),
            values: Vec::new(),
            window,
            by_rule: ends == (None, None),
            skipped,
        };
        for (name, rows) in runs {
            log.add(&texts, name, rows, columns.run.is_some())?;
        }
        Ok(log)
    }

    /// Adds one run, up to the end of the window.
    fn add(&mut self, texts: &[Text], name: String, mut rows: Vec<Placed>, named: bool) -> Result<(), ProblemError> {
        let fault = |(file, row): &Placed, column: &str, what: &str, remedy: &str| {
            fault(&texts[*file].path, &texts[*file].bytes, row.at, Some(column), what, remedy)
        };
        let (step, value) = (self.step.clone(), self.value.clone());
        if let Some(bad) = rows.iter().find(|(_, row)| !row.step.is_finite()) {
            let what = format!("step {} is not finite", bad.1.step);
            return Err(fault(bad, &step, &what, "give every row its step as a number"));
        }
        let end = self.window.to;
        rows.retain(|(_, row)| row.step <= end);
        rows.sort_by(|a, b| a.1.step.total_cmp(&b.1.step));
        for pair in rows.windows(2) {
            if pair[0].1.step == pair[1].1.step {
                let earlier = line_at(&texts[pair[0].0].bytes, pair[0].1.at);
                let what = format!("step {} occurs twice in {name}, first in line {earlier}", pair[1].1.step);
                let remedy = match named {
                    true => "give every step of a run once",
                    false => "name the column that tells the runs apart with --run COLUMN, or give every step once",
                };
                return Err(fault(&pair[1], &step, &what, remedy));
            }
        }
        for row in &rows {
            let x = row.1.value;
            let inside = self.window.contains(row.1.step);
            if !(x.is_finite() && x >= 0.0 && (x > 0.0 || !inside)) {
                let what =
                    format!("{x} at step {} of {name} is not positive and finite, and has no logarithm", row.1.step);
                let remedy = match x.is_finite() {
                    true => {
                        "a rate is fitted to a positive quantity (a norm, or a loss above its minimum): end before \
                         with --window, or log that"
                    }
                    false => "the run diverged here: leave it out, or end before with --window ..STEP",
                };
                return Err(fault(row, &value, &what, remedy));
            }
        }
        let steps: Vec<f64> = rows.iter().map(|(_, row)| row.step).collect();
        if self.runs.is_empty() {
            self.t = steps;
        } else if let Some((missing, in_this)) = differing(&self.t, &steps) {
            let (lacks, has) = if in_this { (&name, &self.runs[0]) } else { (&self.runs[0], &name) };
            let what = format!("{lacks} has no step {missing}, and {has} has it");
            let remedy =
                "record all runs at the same steps; if one ended early, end all with --window ..STEP, or leave it out";
            let place = rows.iter().find(|(_, row)| row.step >= missing).or(rows.last());
            return Err(match place {
                Some(place) => fault(place, &step, &what, remedy),
                None => ProblemError::of_file(&self.files[0], what, remedy),
            });
        }
        self.values.extend(rows.iter().map(|(_, row)| row.value));
        self.runs.push(name);
        Ok(())
    }

    /// The longest stretch of the window without a value, as (from, to), if it is a hole: more than a bin's ratio wide,
    /// and three times as wide in ln t as the typical one beside it.
    pub fn hole(&self) -> Option<(f64, f64)> {
        let inside: Vec<f64> = self.t.iter().copied().filter(|&t| t > 0.0 && self.window.contains(t)).collect();
        let ratio = |k: usize| inside[k] / inside[k - 1];
        let wide = |k: &usize| {
            // Steps of equal differences and of equal ratios: neither has holes.
            let near: Vec<usize> =
                [k.wrapping_sub(1), k + 1].into_iter().filter(|&n| n >= 1 && n < inside.len()).collect();
            !near.is_empty()
                && near.iter().all(|&n| ratio(*k) > libm::pow(ratio(n), 3.0) && ratio(*k) > ratecheck::rates::BIN_RATIO)
        };
        (1..inside.len()).find(wide).map(|k| (inside[k - 1], inside[k]))
    }
}

/// `run 3`, or the file; both if there are several files.
fn run_name(texts: &[Text], file: usize, run: &str) -> String {
    let path = texts[file].path.display();
    match (run.is_empty(), texts.len() > 1) {
        (true, _) => format!("run {path}"),
        (false, true) => format!("run {run} of {path}"),
        (false, false) => format!("run {run}"),
    }
}

/// The first step that only one of both has, and whether the second lacks it.
fn differing(a: &[f64], b: &[f64]) -> Option<(f64, bool)> {
    let k = (0..a.len().max(b.len())).find(|&k| a.get(k) != b.get(k))?;
    match (a.get(k), b.get(k)) {
        (Some(&x), Some(&y)) if y < x => Some((y, false)),
        (Some(&x), _) => Some((x, true)),
        (None, Some(&y)) => Some((y, false)),
        (None, None) => None,
    }
}
