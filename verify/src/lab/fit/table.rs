//! The rows of one file as steps and values of runs, each with the place where it stands.

use std::borrow::Cow;
use std::collections::HashMap;

use super::columns::{Columns, Places};
use super::file::Text;
use super::number::{Numbers, is_missing};
use super::separated::Named;
use super::source::{Field, LogFile};
use crate::lab::problem::ProblemError;
use crate::text::plain::{listed, quote};

/// One value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Row {
    /// Where its row begins, in bytes.
    pub(super) at: usize,
    pub(super) step: f64,
    pub(super) value: f64,
}

/// A run as a file has it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    /// What its column or its name says; empty if the file is one run.
    pub(super) name: String,
    /// In the order of the file.
    pub(super) rows: Vec<Row>,
}

/// What was read of a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Table {
    /// The name of the column of the steps.
    pub(super) step: String,
    /// What is fitted.
    pub(super) value: String,
    /// In the order in which they are first named, those without a value among them.
    pub(super) runs: Vec<Run>,
    /// What was assumed.
    pub(super) notes: Vec<String>,
}

/// How many values of a column an error lists, of rows that were not asked for.
const OTHERS: usize = 8;

/// What a run that was resumed with other columns leaves behind, and what to do.
pub(super) const OTHER_NAMES: (&str, &str) = (
    "a line of names that differs from the first",
    "the columns change here: bring what is above and what is below to the same columns",
);

/// Columns that say what a row is about, where a table holds a row for every metric.
const METRICS: [&str; 7] = ["key", "metric", "tag", "metric_name", "metric key", "variable", "name"];

/// The column that names several metrics, and some of them, if there is one and it was not asked for.
pub(super) fn metrics(file: &Text, columns: &Columns) -> Result<Option<(String, Vec<String>)>, ProblemError> {
    let source = LogFile::new(file)?;
    let asked = |name: &String| columns.run.as_ref() == Some(name) || columns.only.iter().any(|(only, _)| only == name);
    let is = |name: &String| METRICS.iter().any(|known| name.eq_ignore_ascii_case(known)) && !asked(name);
    let Some(column) = source.names.iter().position(is) else { return Ok(None) };
    let mut wanted = vec![false; source.names.len()];
    wanted[column] = true;
    let mut found: Vec<String> = Vec::new();
    source.each(&wanted, &mut |_, fields| {
        let name = text(fields, column).filter(|name| !found.iter().any(|known| known == name.as_ref()));
        found.extend(name.filter(|_| found.len() < OTHERS).map(|name| name.to_string()));
        Ok(())
    })?;
    Ok(Some((source.names[column].clone(), found)).filter(|(_, found)| found.len() > 1))
}

/// Reads the rows of a log.
///
/// # Errors
/// With file, line, column and remedy.
pub(super) fn read(file: &Text, columns: &Columns) -> Result<Table, ProblemError> {
    let source = LogFile::new(file)?;
    let places = Places::find(&source, columns)?;
    let mut wanted = vec![false; source.names.len()];
    let all = places.series.iter().map(|series| series.column).chain(places.only.iter().map(|(column, _)| *column));
    all.chain([places.step]).chain(places.run).for_each(|column| wanted[column] = true);
    let mut reading = Reading {
        source: &source,
        columns,
        places: &places,
        series: places.series.iter().enumerate().map(|(place, series)| (series.column, place)).collect(),
        numbers: Numbers::new(source.decimal_commas()),
        runs: Vec::new(),
        by_name: HashMap::new(),
        n_empty: 0,
        n_elsewhere: 0,
        others: Vec::new(),
    };
    if places.run.is_none() {
        reading.runs.extend(places.series.iter().map(|series| Run { name: series.run.clone(), rows: Vec::new() }));
    }
    let (n_headers, header_at) = source.each(&wanted, &mut |at, fields| reading.push(at, fields))?;
    reading.filtered()?;
    let mut notes: Vec<String> =
        file.note.iter().chain(&places.notes).cloned().chain(reading.numbers.notes()).collect();
    if n_headers > 0 {
        notes.push(format!("the line of names stands again in line {}, and was passed over", file.line(header_at)));
    }
    match reading.n_empty {
        0 => {}
        1 => notes.push("1 row without a value was left out".to_owned()),
        n => notes.push(format!("{n} rows without a value were left out")),
    }
    match (reading.n_elsewhere, quote(&places.value)) {
        (0, _) => {}
        (1, value) => notes.push(format!("1 row says nothing of {value}, and was left out")),
        (n, value) => notes.push(format!("{n} rows say nothing of {value}, and were left out")),
    }
    let runs = reading.runs;
    Ok(Table { step: source.names[places.step].clone(), value: places.value.clone(), runs, notes })
}

/// A file while its rows are read.
struct Reading<'a> {
    source: &'a LogFile<'a>,
    columns: &'a Columns,
    places: &'a Places,
    /// The place among the series of every column that is one.
    series: HashMap<usize, usize>,
    numbers: Numbers,
    runs: Vec<Run>,
    /// The place of a run by what the column of the runs says.
    by_name: HashMap<String, usize>,
    /// Rows that hold no value, and rows in JSON that do not speak of it.
    n_empty: usize,
    n_elsewhere: usize,
    /// Some of what rows that were not asked for say in the column that kept them out.
    others: Vec<String>,
}

/// A field's text, or nothing.
fn text<'f>(fields: &'f [(usize, Field<'_>)], column: usize) -> Option<&'f Cow<'f, str>> {
    match &fields.iter().rfind(|(place, _)| *place == column)?.1 {
        Field::Text(text) if !text.is_empty() => Some(text),
        _ => None,
    }
}

impl Reading<'_> {
    fn push(&mut self, at: usize, fields: &[(usize, Field<'_>)]) -> Result<(), ProblemError> {
        for (column, wanted) in &self.places.only {
            let found = text(fields, *column).map_or("", AsRef::as_ref);
            if !says(found, wanted) {
                if self.others.len() < OTHERS && !self.others.iter().any(|other| other == found) {
                    self.others.push(found.to_owned());
                }
                return Ok(());
            }
        }
        // Objects of one log may speak of different things: training, evaluation, the machine.
        if !fields.iter().any(|(column, _)| self.series.contains_key(column)) {
            self.n_elsewhere += 1;
            return Ok(());
        }
        let names_step = |text: &Cow<'_, str>| **text == *self.source.names[self.places.step];
        if self.source.named() == Named::Line && text(fields, self.places.step).is_some_and(names_step) {
            return Err(self.fault(at, self.places.step, OTHER_NAMES.0, OTHER_NAMES.1));
        }
        let run = self.run(at, fields)?;
        let mut step = None;
        let mut empty = true;
        for (column, field) in fields {
            let Some(&place) = self.series.get(column) else { continue };
            let found = match field {
                Field::Text(text) if !is_missing(text) => text,
                // Runs side by side need not have recorded the same steps.
                _ if self.places.series.len() > 1 || self.columns.skip_empty => continue,
                Field::Empty => return Err(self.no_value(at, *column, "there is no value")),
                Field::Text(text) => {
                    return Err(self.no_value(at, *column, &format!("there is no value, but `{}`", quote(text))));
                }
            };
            empty = false;
            let value = self.number(at, *column, found)?;
            let step = match step {
                Some(step) => step,
                None => *step.insert(self.step(at, fields)?),
            };
            self.runs[run.unwrap_or(place)].rows.push(Row { at, step, value });
        }
        self.n_empty += usize::from(empty);
        Ok(())
    }

    /// The place of the run that a row is of, where a column says so.
    fn run(&mut self, at: usize, fields: &[(usize, Field<'_>)]) -> Result<Option<usize>, ProblemError> {
        let Some(column) = self.places.run else { return Ok(None) };
        let Some(name) = text(fields, column) else {
            return Err(self.fault(at, column, "no run is named", "say of every row to which run it belongs"));
        };
        if let Some(&place) = self.by_name.get(name.as_ref()) {
            return Ok(Some(place));
        }
        self.by_name.insert(name.to_string(), self.runs.len());
        self.runs.push(Run { name: name.to_string(), rows: Vec::new() });
        Ok(Some(self.runs.len() - 1))
    }

    fn step(&mut self, at: usize, fields: &[(usize, Field<'_>)]) -> Result<f64, ProblemError> {
        let column = self.places.step;
        let Some(found) = text(fields, column) else {
            return Err(self.fault(at, column, "there is no step", "give every row its step"));
        };
        let step = self.number(at, column, found)?;
        if !step.is_finite() {
            let what = format!("step {step} is not finite");
            return Err(self.fault(at, column, &what, "give every row its step as a number"));
        }
        if step < 0.0 {
            let what = format!("step {step} is negative");
            return Err(self.fault(at, column, &what, "count steps from 0 or 1 on"));
        }
        Ok(step)
    }

    /// A number; one that is not finite is kept, since it may lie outside of what is fitted.
    fn number(&mut self, at: usize, column: usize, text: &str) -> Result<f64, ProblemError> {
        self.numbers.read(text).map_err(|(what, remedy)| self.fault(at, column, &what, remedy))
    }

    fn no_value(&self, at: usize, column: usize, what: &str) -> ProblemError {
        let remedy = "give every row a value, or leave out the rows that have none with --skip-empty";
        self.fault(at, column, what, remedy)
    }

    /// An error if no row is as asked for.
    fn filtered(&self) -> Result<(), ProblemError> {
        if self.others.is_empty()
            || self.n_empty + self.n_elsewhere > 0
            || self.runs.iter().any(|run| !run.rows.is_empty())
        {
            return Ok(());
        }
        let wanted: Vec<String> = self.columns.only.iter().map(|(name, text)| format!("{name}={text}")).collect();
        let others = listed(self.others.iter().map(String::as_str));
        let what = format!("no row with {}; others say {others}", listed(wanted.iter().map(String::as_str)));
        Err(self.source.file.fault(0, None, &what, "give --where COLUMN=VALUE as it stands in the log"))
    }

    fn fault(&self, at: usize, column: usize, what: &str, remedy: &str) -> ProblemError {
        self.source.file.fault(at, Some(&self.source.names[column]), what, remedy)
    }
}

/// Whether a field says what is wanted: 0.50 is 0.5.
fn says(found: &str, wanted: &str) -> bool {
    found == wanted || matches!((found.parse::<f64>(), wanted.parse::<f64>()), (Ok(a), Ok(b)) if a == b)
}
