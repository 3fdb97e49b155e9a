//! Runs as they are fitted: which of their values can be, which of them are one, and those that are no file's but are
//! there as numbers.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use ratecheck::rates::{BIN_RATIO, Window};

use super::common;
use super::log::{DECADES, Ends, Log};
use super::table::Row;

/// A run, and the file that it is from.
pub(super) struct Run {
    pub(super) file: usize,
    pub(super) name: String,
    pub(super) rows: Vec<Row>,
}

impl Run {
    pub(super) fn last(&self) -> f64 {
        self.rows.iter().map(|row| row.step).fold(0.0, f64::max)
    }

    /// The first value of the window that has no logarithm, and what is said of it.
    pub(super) fn unfit(&self, window: Window) -> Option<(Row, String)> {
        let row = self.rows.iter().find(|row| row.step >= window.from && !(is_norm(row) && row.value > 0.0))?;
        let what = format!(
            "{} at step {} of {} is not positive and finite, and has no logarithm",
            row.value, row.step, self.name
        );
        Some((*row, what))
    }

    /// Leaves out what comes up to a value that is no norm, and says so.
    pub(super) fn begin(&mut self) -> Option<String> {
        let bad = self.rows.iter().rposition(|row| !is_norm(row))?;
        let row = self.rows[bad];
        let what = if row.value.is_finite() { "negative" } else { "not finite" };
        let note = format!(
            "{} is read from step {} on: {} at step {} is {what}",
            self.name,
            self.rows.get(bad + 1).map_or(row.step, |next| next.step),
            row.value,
            row.step
        );
        self.rows.drain(..=bad);
        Some(note)
    }

    /// A hole in the window, as a note.
    pub(super) fn hole(&self, window: Window) -> Option<String> {
        let t: Vec<f64> = self.rows.iter().map(|row| row.step).collect();
        let (from, to) = hole(&t, window)?;
        Some(format!("there is a hole in {}: nothing between steps {from} and {to}", self.name))
    }
}

fn is_norm(row: &Row) -> bool {
    row.value.is_finite() && row.value >= 0.0
}

impl Log {
    /// Runs that recorded `value` at the same steps `t`, increasing from 0 on, each with its name: the log that their
    /// file would be read as. `vanished` are the names of runs that did not reach the last step.
    ///
    /// # Errors
    /// In the window a value that is not positive and finite: what is said of the first.
    pub fn recorded(
        value: &str,
        t: &[f64],
        runs: Vec<(String, Vec<f64>)>,
        vanished: Vec<String>,
        ends: Ends,
    ) -> Result<Self, String> {
        let within = |step: f64| ends.1.is_none_or(|end| step <= end);
        let rows = |values: Vec<f64>| {
            let pairs = t.iter().zip(values).enumerate().filter(|(_, (step, _))| within(**step));
            pairs.map(|(at, (&step, value))| Row { at, step, value }).collect()
        };
        let mut runs: Vec<Run> =
            runs.into_iter().map(|(name, values)| Run { file: 0, name, rows: rows(values) }).collect();
        let last = runs.iter().map(Run::last).fold(0.0, f64::max);
        let window = Window::new(ends.0.unwrap_or(last / DECADES), ends.1.unwrap_or(last));
        let mut notes = Vec::new();
        for run in &mut runs {
            if let Some((_, what)) = run.unfit(window) {
                return Err(what);
            }
            notes.extend(run.begin());
        }
        let (runs, copies) = once(runs);
        notes.extend(copies);
        notes.extend(runs.iter().find_map(|run| run.hole(window)));
        let common =
            common::steps(&rows_of(&runs), last).map_err(|short| format!("{} has no values", runs[short].name))?;
        Ok(Self {
            files: Vec::new(),
            step: "t".to_owned(),
            value: value.to_owned(),
            runs: runs.into_iter().map(|run| run.name).collect(),
            vanished,
            t: common.t,
            values: common.values,
            window,
            by_rule: ends == (None, None),
            notes,
        })
    }
}

pub(super) fn rows_of(runs: &[Run]) -> Vec<&[Row]> {
    runs.iter().map(|run| run.rows.as_slice()).collect()
}

/// Runs with the same bits are one run: a file given twice, a copy, a seed that was not set.
/// Returns them with a note on the others.
pub(super) fn once(runs: Vec<Run>) -> (Vec<Run>, Option<String>) {
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
    let note = copies.first().map(|(copy, of)| {
        let more = if copies.len() > 1 { format!("; so do {} more", copies.len() - 1) } else { String::new() };
        match copy == of {
            true => format!("{of} is given more than once, and counts once{more}"),
            false => format!("{of} and {copy} have the same numbers to the last bit, and count as one run{more}"),
        }
    });
    (kept, note)
}

/// The longest stretch of the window without a value, as (from, to), if it is a hole: more than a bin's ratio wide, and
/// three times as wide in ln t as the typical one beside it.
fn hole(t: &[f64], window: Window) -> Option<(f64, f64)> {
    let inside: Vec<f64> = t.iter().copied().filter(|&t| t > 0.0 && window.contains(t)).collect();
    let ratio = |k: usize| inside[k] / inside[k - 1];
    let wide = |k: &usize| {
        // Steps of equal differences and of equal ratios: neither has holes.
        let near: Vec<usize> = [k.wrapping_sub(1), k + 1].into_iter().filter(|&n| n >= 1 && n < inside.len()).collect();
        !near.is_empty() && near.iter().all(|&n| ratio(*k) > libm::pow(ratio(n), 3.0) && ratio(*k) > BIN_RATIO)
    };
    (1..inside.len()).find(wide).map(|k| (inside[k - 1], inside[k]))
}
