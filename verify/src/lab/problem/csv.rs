//! `kind = "csv"`: a table with a line of column names.

use std::path::Path;

use csv::{ReaderBuilder, StringRecord, Trim};
use ratecheck::data::Dataset;

use super::data::{FIT_LABELS, LabelCheck};
use super::document::{Entry, Section};
use super::error::{ProblemError, nearest};

/// Reads the file that the section names.
pub(super) fn read(
    section: &Section<'_>,
    directory: &Path,
    check_label: LabelCheck<'_>,
) -> Result<Dataset, ProblemError> {
    let file = section.required("file", "give the path of the table, relative to this file")?;
    let path = directory.join(file.text()?);
    let bytes = std::fs::read(&path).map_err(|error| {
        let what = format!("cannot read {}: {error}", path.display());
        file.fault(what, "give the path of a table in CSV, relative to this file")
    })?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    // Rows of another length are found here, where the message can say more.
    let mut reader = ReaderBuilder::new().flexible(true).trim(Trim::All).from_reader(bytes);
    let header = reader.headers().map_err(|e| malformed(&path, &e))?.clone();
    let table = Table { path: &path, bytes, header };
    let label = section.required("label", "name the column of the labels")?;
    let label_column = table.find(&label)?;
    let features = features(section, &table, label_column)?;

    let mut columns = vec![Vec::new(); features.len()];
    let mut labels = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| malformed(&path, &error))?;
        if record.len() != table.header.len() {
            let (found, names) = (record.len(), table.header.len());
            let what = format!("a row with {found} fields, but {names} columns are named in the first line");
            return Err(table.fault(table.line(&record), None, what, "give every row one field per column"));
        }
        for (values, &column) in columns.iter_mut().zip(&features) {
            values.push(table.number(&record, column)?);
        }
        let value = table.number(&record, label_column)?;
        check_label(value).map_err(|why| table.fault(table.line(&record), Some(label_column), why, FIT_LABELS))?;
        labels.push(value);
    }
    if labels.is_empty() {
        return Err(table.fault(1, None, "holds no examples", "give at least one row below the column names"));
    }
    let n_examples = labels.len();
    Dataset::new(columns.concat(), n_examples, features.len(), labels)
        .map_err(|error| file.fault(error.to_string(), "give a table of finite numbers"))
}

/// The columns named in `features`, or all but the label.
fn features(section: &Section<'_>, table: &Table<'_>, label: usize) -> Result<Vec<usize>, ProblemError> {
    let Some(entry) = section.optional("features") else {
        let columns: Vec<usize> = (0..table.header.len()).filter(|&column| column != label).collect();
        return if columns.is_empty() {
            Err(table.fault(1, None, "has no column but that of the labels", "give at least one feature"))
        } else {
            Ok(columns)
        };
    };
    let mut columns = Vec::new();
    for name in entry.items("name the columns, as [\"x1\", \"x2\"]")? {
        let column = table.find(&name)?;
        if column == label || columns.contains(&column) {
            let what = format!("the column \"{}\" is used twice", name.text()?);
            return Err(name.fault(what, "name every column once, and not that of the labels"));
        }
        columns.push(column);
    }
    if columns.is_empty() {
        return Err(entry.fault("names no columns", "name at least one, or leave the key out to use all others"));
    }
    Ok(columns)
}

/// A file with its first line.
struct Table<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    header: StringRecord,
}

impl Table<'_> {
    /// The place of the column that an entry names.
    fn find(&self, entry: &Entry<'_>) -> Result<usize, ProblemError> {
        let name = entry.text()?.trim();
        let mut places = (0..self.header.len()).filter(|&column| &self.header[column] == name);
        match (places.next(), places.next()) {
            (Some(column), None) => Ok(column),
            (Some(_), Some(_)) => {
                let what = format!("{} has several columns \"{name}\"", self.path.display());
                Err(entry.fault(what, "give every column a name of its own"))
            }
            (None, _) => {
                let known: Vec<&str> = self.header.iter().collect();
                let what = format!("{} has no column \"{name}\"", self.path.display());
                let remedy = match nearest(name, known.iter().copied()) {
                    Some(meant) => format!("did you mean \"{meant}\"?"),
                    None if known.is_empty() => "the file is empty: its first line must name the columns".to_owned(),
                    None => format!("its columns are {}", known.join(", ")),
                };
                Err(entry.fault(what, remedy))
            }
        }
    }

    fn number(&self, record: &StringRecord, column: usize) -> Result<f64, ProblemError> {
        let field = &record[column];
        field.parse::<f64>().ok().filter(|x| x.is_finite()).ok_or_else(|| {
            let what =
                if field.is_empty() { "is empty".to_owned() } else { format!("`{field}` is not a finite number") };
            self.fault(self.line(record), Some(column), what, "give a number in every field that is used")
        })
    }

    /// The line of a record. The reader gives the place where it began to look, before the empty lines that it skipped.
    fn line(&self, record: &StringRecord) -> usize {
        let from = record.position().map_or(0, |position| usize::try_from(position.byte()).unwrap_or(usize::MAX));
        line_at(self.bytes, from)
    }

    fn fault(&self, line: usize, column: Option<usize>, what: impl Into<String>, remedy: &str) -> ProblemError {
        let key = column.map(|column| format!("column {} (\"{}\")", column + 1, &self.header[column]));
        let (what, remedy) = (what.into(), remedy.to_owned());
        ProblemError { file: self.path.to_owned(), line: Some(line), key, what, remedy }
    }
}

/// The line, counted from 1, of the first text at or after a byte.
pub(crate) fn line_at(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.iter().skip(from);
    let start = from.saturating_add(rest.take_while(|byte| matches!(byte, b'\n' | b'\r')).count());
    1 + bytes.iter().take(start).filter(|&&byte| byte == b'\n').count()
}

/// What the CSV reader itself refuses: text that is not UTF-8.
fn malformed(path: &Path, error: &csv::Error) -> ProblemError {
    let line = error.position().and_then(|position| usize::try_from(position.line()).ok());
    let what = format!("not a table in CSV: {error}");
    ProblemError { file: path.to_owned(), line, key: None, what, remedy: "save it as UTF-8 text".to_owned() }
}
