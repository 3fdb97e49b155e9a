//! `kind = "csv"`: a table with a line of column names.

use std::borrow::Cow;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord, Trim};
use ratecheck::data::Dataset;

use super::data::Labelled;
use super::document::{Entry, Section};
use super::error::{ProblemError, nearest};
use super::labels::{self, Class, FIT_LABELS, Labels, Numbered};
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
    let numbered = match section.optional("classes") {
        Some(entry) => table.in_classes(&entry, label_column, &names, &lines, labels)?,
        None => table.numbered(label_column, &names, &lines, labels)?,
    };
    let data = Dataset::new(columns.concat(), n_examples, features.len(), numbered.labels)
        .map_err(|error| file.fault(error.to_string(), "give a table of finite numbers"))?;
    Ok(Labelled { data, classes: numbered.classes })
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

    /// Labels that are numbers, as they are; labels that are text, in their sorted order.
    fn numbered(
        &self,
        column: usize,
        names: &[String],
        lines: &[usize],
        labels: Labels,
    ) -> Result<Numbered, ProblemError> {
        let fault = |line: usize, what: String, remedy: &str| self.fault(line, Some(column), what, remedy);
        if let Some((name, &line)) = names.iter().zip(lines).find(|(name, _)| labels::is_missing(name)) {
            let what = if name.is_empty() { "is empty".to_owned() } else { format!("`{name}` is no label") };
            return Err(fault(line, what, "give every example a label"));
        }
        let sorted = labels::sorted(names);
        let text = names.iter().zip(lines).find(|(name, _)| labels::number(name).is_none());
        let Some((first, &line)) = text else {
            let values = names.iter().filter_map(|name| labels::number(name)).collect::<Vec<f64>>();
            for (&value, &line) in values.iter().zip(lines) {
                labels.check(value).map_err(|why| {
                    // As many numbers as there are classes are probably their names.
                    if labels.classes() == Some(sorted.len()) {
                        let as_classes = labels::as_classes(&sorted);
                        fault(line, why, &format!("write {as_classes} in [data] to have them numbered in this order"))
                    } else {
                        fault(line, why, FIT_LABELS)
                    }
                })?;
            }
            return Ok(Numbered { labels: values, classes: Vec::new() });
        };
        match labels.classes() {
            None => Err(fault(line, format!("`{first}` is not a finite number"), "one output takes numbers as labels")),
            Some(n) if n != sorted.len() => {
                let shown = sorted.iter().take(5).copied().collect::<Vec<_>>().join(", ");
                let more = if sorted.len() > 5 { ", ..." } else { "" };
                let what = format!(
                    "{} different labels ({shown}{more}), but the network tells {n} classes apart",
                    sorted.len()
                );
                let remedy = "change the outputs of the network, or list all classes under data.classes";
                Err(fault(line, what, remedy))
            }
            Some(_) => Ok(numbers_of(names, &sorted, labels)),
        }
    }

    /// Labels in the order that `classes` gives.
    fn in_classes(
        &self,
        entry: &Entry<'_>,
        column: usize,
        names: &[String],
        lines: &[usize],
        labels: Labels,
    ) -> Result<Numbered, ProblemError> {
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
        for (name, &line) in names.iter().zip(lines) {
            if !classes.contains(&name.as_str()) {
                let remedy = "name every label of the table there";
                return Err(self.fault(line, Some(column), format!("`{name}` is not among data.classes"), remedy));
            }
        }
        Ok(numbers_of(names, &classes, labels))
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

/// The label of every name by its place among the classes, which all of them are in.
fn numbers_of(names: &[String], classes: &[&str], labels: Labels) -> Numbered {
    let class = |name: &String| classes.iter().position(|known| known == name).unwrap_or(0);
    let named = |(k, name): (usize, &&str)| Class { name: (*name).to_owned(), label: labels.of_class(k) };
    Numbered {
        labels: names.iter().map(|name| labels.of_class(class(name))).collect(),
        classes: classes.iter().enumerate().map(named).collect(),
    }
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
