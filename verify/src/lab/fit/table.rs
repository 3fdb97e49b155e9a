//! The columns of a log, in CSV or JSON lines, as rows with the place where each stands.

use std::path::Path;

use csv::{ReaderBuilder, Trim};
use serde_json::{Map, Value};

use crate::lab::problem::{ProblemError, line_at, nearest};

/// Names of columns, where the user gave them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// The time.
    pub step: Option<String>,
    /// The statistic.
    pub value: Option<String>,
    /// What tells the runs of one file apart.
    pub run: Option<String>,
    /// Take only rows where the column of the first name says the second, as a number or as text.
    pub only: Vec<(String, String)>,
    /// Leave out rows without a value.
    pub skip_empty: bool,
}

/// Names that a step has by custom, compared without regard to capitals.
const STEPS: [&str; 7] = ["step", "t", "global_step", "trainer/global_step", "iteration", "iter", "steps"];
/// Names that a value has, where there is no other: TensorBoard's.
const VALUES: [&str; 1] = ["value"];

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    /// Where it begins, in bytes.
    pub(super) at: usize,
    pub(super) step: f64,
    pub(super) value: f64,
    /// What the column of the runs says; empty without one.
    pub(super) run: String,
}

/// What was read of a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Table {
    /// The name of the column of the steps.
    pub(super) step: String,
    /// That of the values.
    pub(super) value: String,
    pub(super) rows: Vec<Row>,
    /// Rows left out because they hold no value.
    pub(super) skipped: usize,
    /// Some of what rows that were not asked for say in the column that kept them out:
    /// for the error if no others are there.
    others: Vec<String>,
}

/// How many of them an error lists.
const OTHERS: usize = 8;

/// A file while it is read: for errors.
struct LogFile<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    names: Vec<String>,
}

/// The places of the columns among the names.
struct Places {
    step: usize,
    value: usize,
    run: Option<usize>,
    only: Vec<(usize, String)>,
}

/// A field as text, or nothing.
type Field<'a> = Option<std::borrow::Cow<'a, str>>;

/// Reads CSV, or JSON lines if the first character is a brace.
pub(super) fn parse(path: &Path, bytes: &[u8], columns: &Columns) -> Result<Table, ProblemError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => Err(ProblemError::of_file(path, "the file is empty", "give a log with at least three steps")),
        Some(b'{') => json_lines(path, bytes, columns),
        Some(b'[') => Err(ProblemError::of_file(
            path,
            "a JSON array, and not JSON lines",
            "write one object a line (in pandas, `to_json(orient=\"records\", lines=True)`), or CSV",
        )),
        Some(_) => comma_separated(path, bytes, columns),
    }
}

fn comma_separated(path: &Path, bytes: &[u8], columns: &Columns) -> Result<Table, ProblemError> {
    let first = bytes.split(|&byte| byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    let occurs = |delimiter: u8| first.iter().filter(|&&byte| byte == delimiter).count();
    // The first of equals is the comma.
    let delimiter = [b';', b'\t', b','].into_iter().max_by_key(|&delimiter| occurs(delimiter)).unwrap_or(b',');
    let mut reader = ReaderBuilder::new().delimiter(delimiter).flexible(true).trim(Trim::All).from_reader(bytes);
    let malformed = |error: &csv::Error| {
        let line = error.position().map(|position| line_at(bytes, usize::try_from(position.byte()).unwrap_or(0)));
        let what = format!("not a table in CSV: {error}");
        ProblemError { file: path.to_owned(), line, key: None, what, remedy: "save it as UTF-8 text".to_owned() }
    };
    let names = reader.headers().map_err(|error| malformed(&error))?.iter().map(str::to_owned).collect();
    let source = LogFile { path, bytes, names };
    if source.names.iter().all(|name| name.parse::<f64>().is_ok()) {
        let what = "the first line holds numbers only, and no names of columns";
        return Err(source.fault(0, None, what, "name the columns in the first line, as `step,value`"));
    }
    let places = source.places(columns)?;
    let mut table = source.table(&places);
    for record in reader.records() {
        let record = record.map_err(|error| malformed(&error))?;
        let at = record.position().map_or(0, |position| usize::try_from(position.byte()).unwrap_or(0));
        if record.len() != source.names.len() {
            let what = format!("a row with {} fields, but {} columns are named", record.len(), source.names.len());
            return Err(source.fault(at, None, &what, "give every row one field per column"));
        }
        let field =
            |column: usize| Some(record[column].into()).filter(|text: &std::borrow::Cow<'_, str>| !text.is_empty());
        source.push(&mut table, &places, columns, at, field)?;
    }
    source.filtered(table, columns)
}

fn json_lines(path: &Path, bytes: &[u8], columns: &Columns) -> Result<Table, ProblemError> {
    let mut source = LogFile { path, bytes, names: Vec::new() };
    let mut objects: Vec<(usize, Map<String, Value>)> = Vec::new();
    let mut at = 0;
    for line in bytes.split(|&byte| byte == b'\n') {
        if !line.trim_ascii().is_empty() {
            let object: Map<String, Value> = serde_json::from_slice(line).map_err(|error| {
                let what = format!("not an object in JSON: {error}");
                // As Python's json writes them.
                let remedy =
                    match [&b"NaN"[..], b"Infinity"].iter().any(|word| line.windows(word.len()).any(|w| w == *word)) {
                        true => "NaN and Infinity are no JSON: the run diverged here; leave its rows out",
                        false => "write one object a line, as {\"step\": 100, \"grad_norm\": 0.25}",
                    };
                source.fault(at, None, &what, remedy)
            })?;
            for name in object.keys() {
                if !source.names.contains(name) {
                    source.names.push(name.clone());
                }
            }
            objects.push((at, object));
        }
        at += line.len() + 1;
    }
    let places = source.places(columns)?;
    let mut table = source.table(&places);
    for (at, object) in objects {
        let field = |column: usize| match object.get(&source.names[column]) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.trim().into()),
            Some(other) => Some(other.to_string().into()),
        };
        source.push(&mut table, &places, columns, at, field)?;
    }
    source.filtered(table, columns)
}

impl LogFile<'_> {
    fn table(&self, places: &Places) -> Table {
        let name = |column: usize| self.names[column].clone();
        Table { step: name(places.step), value: name(places.value), rows: Vec::new(), skipped: 0, others: Vec::new() }
    }

    fn places(&self, columns: &Columns) -> Result<Places, ProblemError> {
        let run = columns.run.as_deref().map(|name| self.find(name)).transpose()?;
        let by_custom = |customary: &[&str]| {
            customary.iter().find_map(|known| self.names.iter().position(|name| name.eq_ignore_ascii_case(known)))
        };
        let step = match &columns.step {
            Some(name) => self.find(name)?,
            None => by_custom(&STEPS).ok_or_else(|| self.unnamed("steps", "step"))?,
        };
        let value = match &columns.value {
            Some(name) => self.find(name)?,
            None => {
                let mut others = (0..self.names.len()).filter(|&column| column != step && Some(column) != run);
                match (by_custom(&VALUES), others.next(), others.next()) {
                    (Some(column), ..) | (None, Some(column), None) => column,
                    _ => return Err(self.unnamed("values", "value")),
                }
            }
        };
        if step == value || run == Some(step) || run == Some(value) {
            let what = format!(
                "the column \"{}\" is used twice",
                self.names[if step == value { step } else { run.unwrap_or(0) }]
            );
            return Err(self.fault(0, None, &what, "give --step, --value and --run a column each"));
        }
        let only = columns.only.iter().map(|(name, text)| Ok((self.find(name)?, text.clone())));
        Ok(Places { step, value, run, only: only.collect::<Result<_, _>>()? })
    }

    fn unnamed(&self, what: &str, option: &str) -> ProblemError {
        let what = format!("no telling which column holds the {what}: the columns are {}", self.names.join(", "));
        self.fault(0, None, &what, &format!("name it with --{option} COLUMN"))
    }

    fn find(&self, name: &str) -> Result<usize, ProblemError> {
        let mut places = (0..self.names.len()).filter(|&column| self.names[column] == name);
        match (places.next(), places.next()) {
            (Some(column), None) => Ok(column),
            (Some(_), Some(_)) => {
                let what = format!("several columns are called \"{name}\"");
                Err(self.fault(0, None, &what, "give every column a name of its own"))
            }
            (None, _) => {
                let remedy = match nearest(name, self.names.iter().map(String::as_str)) {
                    Some(meant) => format!("did you mean \"{meant}\"?"),
                    None => format!("its columns are {}", self.names.join(", ")),
                };
                Err(self.fault(0, None, &format!("no column is called \"{name}\""), &remedy))
            }
        }
    }

    fn push<'a>(
        &self,
        table: &mut Table,
        places: &Places,
        columns: &Columns,
        at: usize,
        field: impl Fn(usize) -> Field<'a>,
    ) -> Result<(), ProblemError> {
        for (column, wanted) in &places.only {
            let found = field(*column).unwrap_or_default();
            if !says(&found, wanted) {
                if table.others.len() < OTHERS && !table.others.iter().any(|other| *other == found) {
                    table.others.push(found.into_owned());
                }
                return Ok(());
            }
        }
        let Some(value) = field(places.value) else {
            if columns.skip_empty {
                table.skipped += 1;
                return Ok(());
            }
            let remedy = "give every row a value, or leave out the rows that have none with --skip-empty";
            return Err(self.fault(at, Some(places.value), "there is no value", remedy));
        };
        let diverged =
            "the run diverged here, or the log is damaged: leave the run out, or end the fit before with --window";
        let value = self.number(at, places.value, &value, diverged)?;
        let Some(step) = field(places.step) else {
            return Err(self.fault(at, Some(places.step), "there is no step", "give every row its step"));
        };
        let step = self.number(at, places.step, &step, "give every row its step as a number")?;
        if step < 0.0 {
            let what = format!("step {step} is negative");
            return Err(self.fault(at, Some(places.step), &what, "count steps from 0 or 1 on"));
        }
        let run = match places.run {
            None => String::new(),
            Some(column) => match field(column) {
                Some(run) => run.into_owned(),
                None => {
                    return Err(self.fault(
                        at,
                        Some(column),
                        "no run is named",
                        "say of every row to which run it belongs",
                    ));
                }
            },
        };
        table.rows.push(Row { at, step, value, run });
        Ok(())
    }

    /// The table, unless no row is as asked for.
    fn filtered(&self, table: Table, columns: &Columns) -> Result<Table, ProblemError> {
        if !table.rows.is_empty() || table.others.is_empty() {
            return Ok(table);
        }
        let wanted: Vec<String> = columns.only.iter().map(|(name, text)| format!("{name}={text}")).collect();
        let what = format!("no row with {}; others say {}", wanted.join(" and "), table.others.join(", "));
        Err(self.fault(0, None, &what, "give --where COLUMN=VALUE as it stands in the log"))
    }

    /// A number; one that is not finite is kept, since it may lie outside of what is fitted.
    fn number(&self, at: usize, column: usize, text: &str, remedy: &str) -> Result<f64, ProblemError> {
        let number = text.parse::<f64>();
        number.map_err(|_| self.fault(at, Some(column), &format!("`{text}` is not a number"), remedy))
    }

    fn fault(&self, at: usize, column: Option<usize>, what: &str, remedy: &str) -> ProblemError {
        fault(self.path, self.bytes, at, column.map(|column| self.names[column].as_str()), what, remedy)
    }
}

/// Whether a field says what is wanted: 0.50 is 0.5.
fn says(found: &str, wanted: &str) -> bool {
    found == wanted || matches!((found.parse::<f64>(), wanted.parse::<f64>()), (Ok(a), Ok(b)) if a == b)
}

/// An error about the row that begins at a byte.
pub(super) fn fault(
    path: &Path,
    bytes: &[u8],
    at: usize,
    column: Option<&str>,
    what: &str,
    remedy: &str,
) -> ProblemError {
    ProblemError {
        file: path.to_owned(),
        line: Some(line_at(bytes, at)),
        key: column.map(|name| format!("column \"{name}\"")),
        what: what.to_owned(),
        remedy: remedy.to_owned(),
    }
}
