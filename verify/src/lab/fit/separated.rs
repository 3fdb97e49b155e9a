//! Rows of fields between separators: CSV in its dialects, and columns apart by blanks.

use std::borrow::Cow;

use csv::{ReaderBuilder, StringRecord, Trim};

use super::file::Text;
use super::number::{is_missing, is_number};
use super::source::{Field, Visit};
use super::table::OTHER_NAMES;
use crate::lab::problem::ProblemError;
use crate::text::plain::quote;

/// What stands between the fields of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Separator {
    /// One character; fields may be quoted.
    One(u8),
    /// Any number of blanks.
    Blanks,
}

/// In the order of preference: where several fit, a comma is the decimal mark.
const SEPARATORS: [Separator; 5] =
    [Separator::One(b';'), Separator::One(b'\t'), Separator::One(b','), Separator::One(b'|'), Separator::Blanks];

/// Rows that decide on the separator.
const SAMPLE: usize = 32;

/// Where the names of the columns are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// A line of names.
    Line,
    /// No line of names: the columns go by their numbers.
    Numbers,
    /// No line of names, and two columns, the first of which never falls: a step and a value.
    Pair,
    /// No line of names, but the three columns of MLflow's file store.
    Mlflow,
}

/// A table as text.
#[derive(Debug)]
pub(super) struct Separated<'a> {
    file: &'a Text,
    separator: Separator,
    pub(super) names: Vec<String>,
    pub(super) named: Named,
    /// Where the rows begin, in bytes.
    rows: usize,
}

impl<'a> Separated<'a> {
    /// Finds separator and names.
    pub(super) fn new(file: &'a Text) -> Result<Self, ProblemError> {
        let text = file.text.as_str();
        let (declared, begin) = declared(text);
        // Lines that begin with # say something about the table, and the last one before the rows may name its columns.
        let body = past_comments(text, begin);
        let separator = declared.unwrap_or_else(|| separator(text, body));
        let mut first = Vec::new();
        walk(text, body, separator, &mut |_, record| {
            first.push(record.iter().map(str::to_owned).collect::<Vec<_>>());
            first.len() < SAMPLE
        });
        let Some(head) = first.first().cloned() else {
            return Err(ProblemError::of_file(&file.path, "holds no rows", "give a log with at least three steps"));
        };
        let mut found = Self { file, separator, names: head, named: Named::Line, rows: body };
        if !found.names.iter().all(|name| is_number(name)) {
            // `step 10 loss 0.5`, line by line: a name and numbers in the first, and the same name in the next.
            let stands_again = |(k, name): (usize, &String)| {
                !is_number(name) && first.get(1).is_some_and(|row| row.get(k) == Some(name))
            };
            let head = &found.names;
            if let Some((what, remedy)) = levels(&first) {
                return Err(file.fault(body, None, what, remedy));
            }
            let pairs = |(name, value): (&str, &str)| !name.is_empty() && is_number(value.trim());
            if head.iter().all(|field| field.split_once(['=', ':']).is_some_and(pairs)) {
                return Err(file.fault(body, None, &messages(&head.join(" ")), MESSAGES));
            }
            if head.iter().any(|name| is_number(name))
                && head.iter().enumerate().any(stands_again)
                && first.get(1) != Some(head)
            {
                return Err(file.fault(body, None, &messages(&head.join(" ")), MESSAGES));
            }
            found.rows = next_line(text, separator, body);
            return Ok(found);
        }
        if let Some(names) = commented_names(&text[begin..body], separator, found.names.len()) {
            found.names = names;
            return Ok(found);
        }
        let parsed =
            |column: usize| first.iter().map(move |row| row.get(column)?.replace(',', ".").parse::<f64>().ok());
        let rises = |column: usize| parsed(column).is_sorted_by(|a, b| a <= b && a.is_some());
        // Milliseconds since 1970, from 2001 on.
        let stamps = |column: usize| parsed(column).all(|x| x.is_some_and(|x| x >= 1e12 && x.fract() == 0.0));
        (found.named, found.names) = match found.names.len() {
            2 if rises(0) => (Named::Pair, numbered(2)),
            3 if separator == Separator::Blanks && stamps(0) && rises(2) => {
                (Named::Mlflow, ["timestamp", "value", "step"].map(str::to_owned).to_vec())
            }
            n => (Named::Numbers, numbered(n)),
        };
        Ok(found)
    }

    /// Whether a comma may be a decimal mark here.
    pub(super) fn decimal_commas(&self) -> bool {
        self.separator != Separator::One(b',')
    }

    /// Every row with its place and the fields of the columns that are wanted. Returns how many rows repeat the names,
    /// and where the first of them is.
    pub(super) fn each(&self, wanted: &[bool], row: &mut Visit<'_>) -> Result<(usize, usize), ProblemError> {
        let mut repeats = (0, 0);
        let mut failed = None;
        let n = self.names.len();
        walk(&self.file.text, self.rows, self.separator, &mut |at, record| {
            // A separator at the end of a line, and not of the first, names no column.
            let surplus = record.len() == n + 1 && record.get(n) == Some("");
            if record.len() != n && !surplus {
                let words = record.iter().all(|field| !is_number(field));
                if self.named == Named::Line
                    && words
                    && record.iter().any(|field| self.names.iter().any(|name| name == field))
                {
                    failed = Some(self.file.fault(at, None, OTHER_NAMES.0, OTHER_NAMES.1));
                    return false;
                }
                let what = format!("a row with {} fields, but {n} columns are named", record.len());
                let remedy = match record.len() == n + 1 {
                    _ if record.iter().any(|field| field.contains('\n')) => {
                        "close the quotation mark that is open in this row: it makes several lines one"
                    }
                    true => "give every row one field per column (in R, `write.table` with `row.names = FALSE`)",
                    false => "give every row one field per column; a last row that is cut off can be deleted",
                };
                failed = Some(self.file.fault(at, None, &what, remedy));
                return false;
            }
            if self.named == Named::Line && record.iter().take(n).eq(self.names.iter().map(String::as_str)) {
                repeats = if repeats.0 == 0 { (1, at) } else { (repeats.0 + 1, repeats.1) };
                return true;
            }
            let field = |column: usize| match record.get(column) {
                None | Some("") => Field::Empty,
                Some(text) => Field::Text(Cow::Borrowed(text)),
            };
            let fields: Vec<_> =
                (0..n).filter(|&column| wanted[column]).map(|column| (column, field(column))).collect();
            failed = row(at, &fields).err();
            failed.is_none()
        });
        failed.map_or(Ok(repeats), Err)
    }
}

/// What a first line is that a program has written for people.
pub(super) fn messages(line: &str) -> String {
    format!("the first line has no names of columns, but values: `{}`", quote(line))
}

/// What to do with such lines.
pub(super) const MESSAGES: &str = "it reads like the messages of a program: take steps and values out of them, and \
                                   write a line of names above, as `step,value`";

/// Columns with several levels of names, as pandas writes a MultiIndex: other names below the first, and besides names
/// that stand twice, no name in front, or then a line with the name of the index alone.
fn levels(rows: &[Vec<String>]) -> Option<(&'static str, &'static str)> {
    let word = |field: &String| !is_number(field) && !is_missing(field);
    let head = rows.first().filter(|head| head.len() > 1)?;
    let is_level = |row: &&Vec<String>| row.len() == head.len() && row[1..].iter().all(word);
    let n_levels = rows[1..].iter().take_while(is_level).count();
    let below = rows[1..].first().filter(|_| n_levels > 0)?;
    let twice = (2..head.len()).any(|column| head[1..column].contains(&head[column]));
    let of_index = |row: &Vec<String>| word(&row[0]) && row[1..].iter().all(String::is_empty);
    let found = twice || below[0].is_empty() || rows.get(1 + n_levels).is_some_and(of_index);
    found.then_some((
        "several lines of names, as pandas writes columns of a MultiIndex",
        "join the levels before it is written: df.columns = ['.'.join(map(str, names)) for names in df.columns]",
    ))
}

fn numbered(n: usize) -> Vec<String> {
    (1..=n).map(|number| number.to_string()).collect()
}

/// The separator that Excel's first line names, `sep=;`, and where the rest begins.
fn declared(text: &str) -> (Option<Separator>, usize) {
    let line = text.lines().next().unwrap_or_default();
    let end = next_line(text, Separator::Blanks, 0);
    match line.trim().trim_matches('"').strip_prefix("sep=").map(str::as_bytes) {
        Some(&[one]) => (Some(Separator::One(one)), end),
        _ => (None, 0),
    }
}

/// The separator by which most rows have as many fields as the first, which has two at least; quotes count.
fn separator(text: &str, body: usize) -> Separator {
    let score = |separator: Separator| {
        let (mut n_rows, mut n_fields, mut n_alike) = (0, 0, 0);
        walk(text, body, separator, &mut |_, record| {
            if n_rows == 0 {
                n_fields = record.len();
            }
            n_alike += usize::from(record.len() == n_fields);
            n_rows += 1;
            n_rows < SAMPLE
        });
        (n_fields > 1).then_some((n_alike, n_fields))
    };
    let single = SEPARATORS[..4].iter().map(|&separator| (score(separator), separator));
    // The first of equals; and blanks only where nothing else separates.
    let best = single.filter(|(score, _)| score.is_some()).rev().max_by_key(|(score, _)| *score);
    match (best, score(Separator::Blanks)) {
        (Some((Some((alike, _)), found)), blanks) if alike > 1 || blanks.is_none() => found,
        (_, Some(_)) => Separator::Blanks,
        (best, None) => best.map_or(Separator::One(b','), |(_, found)| found),
    }
}

/// The names that the last comment before the rows gives, if there are as many as columns.
fn commented_names(preamble: &str, separator: Separator, n_columns: usize) -> Option<Vec<String>> {
    let line = preamble.lines().rfind(|line| !line.trim().is_empty())?;
    let mut names = None;
    walk(line.trim_start().trim_start_matches('#'), 0, separator, &mut |_, record| {
        names = Some(record.iter().map(str::to_owned).collect::<Vec<_>>());
        false
    });
    names.filter(|names| names.len() == n_columns && !names.iter().all(|name| is_number(name)))
}

fn is_end(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

/// The first byte at or after `at` that is neither of an empty line nor of a comment.
fn past_comments(text: &str, mut at: usize) -> usize {
    let bytes = text.as_bytes();
    loop {
        at += bytes[at..].iter().take_while(|&&byte| is_end(byte)).count();
        let blanks = bytes[at..].iter().take_while(|&&byte| byte == b' ' || byte == b'\t').count();
        match bytes.get(at + blanks) {
            Some(b'#') => at += bytes[at..].iter().take_while(|&&byte| !is_end(byte)).count(),
            Some(&byte) if blanks > 0 && is_end(byte) => at += blanks,
            _ => return at,
        }
    }
}

/// Where the row behind the one at `at` begins.
fn next_line(text: &str, separator: Separator, at: usize) -> usize {
    let mut begins = [at, text.len()];
    let mut n_rows = 0;
    walk(text, at, separator, &mut |at, _| {
        begins[n_rows] = at;
        n_rows += 1;
        n_rows < 2
    });
    if n_rows < 2 { text.len() } else { begins[1] }
}

/// Visits rows from a byte on, each with its place, until told to stop.
fn walk(text: &str, from: usize, separator: Separator, visit: &mut dyn FnMut(usize, &StringRecord) -> bool) {
    let mut record = StringRecord::new();
    match separator {
        Separator::One(delimiter) => {
            let mut reader = ReaderBuilder::new()
                .delimiter(delimiter)
                .has_headers(false)
                .flexible(true)
                .trim(Trim::All)
                .comment(Some(b'#'))
                .from_reader(&text.as_bytes()[from..]);
            // Text is UTF-8, and the reader takes rows of any length: there is no error.
            while reader.read_record(&mut record).unwrap_or(false) {
                let place = record.position().map_or(0, |position| usize::try_from(position.byte()).unwrap_or(0));
                // A row of blanks alone is an empty line.
                let empty = record.len() == 1 && record.get(0) == Some("");
                if !empty && !visit(past_comments(text, from + place), &record) {
                    return;
                }
            }
        }
        Separator::Blanks => {
            let mut at = from;
            for line in text[from..].split_inclusive(['\n', '\r']) {
                let words = line.trim();
                if !words.is_empty() && !words.starts_with('#') {
                    record.clear();
                    words.split_whitespace().for_each(|word| record.push_field(word.trim_matches('"')));
                    if !visit(at, &record) {
                        return;
                    }
                }
                at += line.len();
            }
        }
    }
}
