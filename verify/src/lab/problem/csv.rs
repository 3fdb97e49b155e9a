//! `kind = "csv"`: a table with a line of column names.

use std::borrow::Cow;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord, Trim};
use ratecheck::data::Dataset;

use super::data::Labelled;
use super::document::{Entry, Section};
use super::error::{ProblemError, nearest};
use super::labels::{Labels, named_classes};
use crate::lab::budget;
use crate::text::read_within;

/// Reads the file that the section names.
pub(super) fn read(section: &Section<'_>, directory: &Path, labels: Labels) -> Result<Labelled, ProblemError> {
    let file = section.required("file", "give the path of the table, relative to this file")?;
    let path = directory.join(file.text()?);
    let bytes = read_within(&path, budget::of_file()).map_err(|error| {
        let what = format!("cannot read {}: {error}", path.display());
        file.fault(what, "give the path of a table in CSV, relative to this file")
    })?;
    let bytes = &*in_utf8(&bytes);
    // Rows of another length are found here, where the message can say more.
    let mut reader = ReaderBuilder::new().delimiter(separator(bytes)).flexible(true).trim(Trim::All).from_reader(bytes);
    let mut header = reader.headers().map_err(|e| malformed(&path, &e))?.clone();
    // A comma at the end of the first line names no column.
    if header.len() > 1 && header.iter().next_back() == Some("") {
        header.truncate(header.len() - 1);
    }
    let table = Table { path: &path, bytes, header };
    let label = section.required("label", "name the column of the labels")?;
    let label_column = table.find(&label)?;
    let features = features(section, &table, label_column)?;

    let mut columns = vec![Vec::new(); features.len()];
    let (mut names, mut lines) = (Vec::new(), Vec::new());
    let mut counter = LineCounter { bytes, at: 0, line: 1 };
    for record in reader.records() {
        let record = record.map_err(|error| malformed(&path, &error))?;
        let mut record = record;
        // Nor is there one behind a comma at the end of every line.
        if record.len() == table.header.len() + 1 && record.iter().next_back() == Some("") {
            record.truncate(table.header.len());
        }
        if record.len() != table.header.len() {
            let (found, names) = (record.len(), table.header.len());
            let what = format!("a row with {found} fields, but {names} columns are named in the first line");
            return Err(table.fault(table.line(&record), None, what, "give every row one field per column"));
        }
        for (values, &column) in columns.iter_mut().zip(&features) {
            values.push(table.number(&record, column)?);
        }
        lines.push(counter.line(table.start(&record)));
        names.push(record[label_column].to_owned());
    }
    if names.is_empty() {
        return Err(table.fault(1, None, "holds no examples", "give at least one row below the column names"));
    }
    let n_examples = names.len();
    let classes = named_classes(section, labels)?;
    let numbered = labels
        .numbered(&names, classes.as_deref())
        .map_err(|misfit| table.fault(lines[misfit.at], Some(label_column), misfit.what, &misfit.remedy))?;
    let data = Dataset::new(columns.concat(), n_examples, features.len(), numbered.labels)
        .map_err(|error| file.fault(error.to_string(), "give a table of finite numbers"))?;
    Ok(Labelled { data, classes: numbered.classes, channels: None })
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
        line_at(self.bytes, self.start(record))
    }

    /// Where the reader began to look for a record.
    fn start(&self, record: &StringRecord) -> usize {
        record.position().map_or(0, |position| usize::try_from(position.byte()).unwrap_or(usize::MAX))
    }

    fn fault(&self, line: usize, column: Option<usize>, what: impl Into<String>, remedy: &str) -> ProblemError {
        let key = column.map(|column| format!("column {} (\"{}\")", column + 1, &self.header[column]));
        let (what, remedy) = (what.into(), remedy.to_owned());
        ProblemError { file: self.path.to_owned(), line: Some(line), key, what, remedy }
    }
}

/// The separator under which the first line has most fields, what is quoted apart; the comma, if none separates
/// anything.
fn separator(bytes: &[u8]) -> u8 {
    let fields = |separator: &u8| {
        let mut reader = ReaderBuilder::new().delimiter(*separator).from_reader(bytes);
        reader.headers().map_or(0, StringRecord::len)
    };
    // The last of equals.
    [b'\t', b';', b','].into_iter().max_by_key(fields).unwrap_or(b',')
}

/// Without a byte order mark, and out of UTF-16 where the mark says so, as spreadsheets save "Unicode text".
fn in_utf8(bytes: &[u8]) -> Cow<'_, [u8]> {
    let (rest, unit): (_, fn([u8; 2]) -> u16) = match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => return Cow::Borrowed(rest),
        [0xff, 0xfe, rest @ ..] => (rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => (rest, u16::from_be_bytes),
        _ => return Cow::Borrowed(bytes),
    };
    let (units, _) = rest.as_chunks::<2>();
    let text = char::decode_utf16(units.iter().map(|&pair| unit(pair)));
    Cow::Owned(text.map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect::<String>().into_bytes())
}

/// The line, counted from 1, of the first text at or after a byte.
pub(crate) fn line_at(bytes: &[u8], from: usize) -> usize {
    LineCounter { bytes, at: 0, line: 1 }.line(from)
}

/// The lines of places that come one after another: every byte is looked at once.
struct LineCounter<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The line of the byte at `at`.
    line: usize,
}

impl LineCounter<'_> {
    /// That of the first text at or after a byte, which is not before the last one.
    fn line(&mut self, from: usize) -> usize {
        let rest = self.bytes.iter().skip(from);
        let start = from.saturating_add(rest.take_while(|byte| matches!(byte, b'\n' | b'\r')).count());
        let passed = &self.bytes[self.at..start.clamp(self.at, self.bytes.len())];
        self.line += passed.iter().filter(|&&byte| byte == b'\n').count();
        self.at += passed.len();
        self.line
    }
}

/// What the CSV reader itself refuses: text that is not UTF-8.
fn malformed(path: &Path, error: &csv::Error) -> ProblemError {
    let line = error.position().and_then(|position| usize::try_from(position.line()).ok());
    let what = format!("not a table in CSV: {error}");
    ProblemError { file: path.to_owned(), line, key: None, what, remedy: "save it as UTF-8 text".to_owned() }
}
