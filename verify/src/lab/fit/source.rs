//! The rows of a log, whatever the form they are written in.

use std::borrow::Cow;
use std::collections::HashMap;

use super::document;
use super::file::Text;
use super::json::{Kind, Malformed, Node, Values};
use super::number::is_number;
use super::separated::{MESSAGES, Named, Separated, messages};
use crate::lab::problem::ProblemError;

/// What a row says in one column. A row in JSON need not say anything; it has no field then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field<'a> {
    /// Nothing.
    Empty,
    Text(Cow<'a, str>),
}

/// What is done with a row: its place in bytes, and its fields with their columns.
pub(super) type Visit<'v> = dyn FnMut(usize, &[(usize, Field<'_>)]) -> Result<(), ProblemError> + 'v;

/// A log with the names of its columns.
#[derive(Debug)]
pub(super) struct LogFile<'a> {
    pub(super) file: &'a Text,
    pub(super) names: Vec<String>,
    rows: Rows<'a>,
}

#[derive(Debug)]
enum Rows<'a> {
    Separated(Separated<'a>),
    /// JSON: one object after another, read anew whenever they are asked for; or those of a whole document.
    Json {
        places: HashMap<String, usize>,
        document: Option<Vec<Node<'a>>>,
    },
}

impl<'a> LogFile<'a> {
    /// Tells the form by the first character, and finds the names.
    pub(super) fn new(file: &'a Text) -> Result<Self, ProblemError> {
        let begins = file.text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{1e}').chars().next();
        let mut source = match begins {
            None => {
                return Err(ProblemError::of_file(
                    &file.path,
                    "the file is empty",
                    "give a log with at least three steps",
                ));
            }
            Some('{' | '[') => {
                let mut values = Values::new(&file.text);
                let first = values.next().transpose().map_err(|error| malformed(file, error))?;
                let document = match (first, values.next()) {
                    (Some(first), None) => Some(document::rows(file, first)?),
                    _ => None,
                };
                Self { file, names: Vec::new(), rows: Rows::Json { places: HashMap::new(), document } }
            }
            Some(_) => {
                let mut separated = Separated::new(file)?;
                let names = std::mem::take(&mut separated.names);
                separated.names.clone_from(&names);
                Self { file, names, rows: Rows::Separated(separated) }
            }
        };
        if let Rows::Json { document, .. } = &source.rows {
            let (mut places, mut names) = (HashMap::new(), Vec::new());
            each_object(file, document.as_deref(), &mut |object| {
                flatten(object, &mut String::new(), &mut |name, _| {
                    if !places.contains_key(name) {
                        places.insert(name.to_owned(), names.len());
                        names.push(name.to_owned());
                    }
                });
                Ok(())
            })?;
            source.names = names;
            if let Rows::Json { places: found, .. } = &mut source.rows {
                *found = places;
            }
        }
        Ok(source)
    }

    /// Where the names of the columns are from.
    pub(super) fn named(&self) -> Named {
        match &self.rows {
            Rows::Separated(separated) => separated.named,
            Rows::Json { .. } => Named::Line,
        }
    }

    /// Whether a comma may be a decimal mark here.
    pub(super) fn decimal_commas(&self) -> bool {
        matches!(&self.rows, Rows::Separated(separated) if separated.decimal_commas())
    }

    /// Every row with its place in bytes, and what it says in the columns that are wanted. Returns how many rows repeat
    /// the names, and where the first of them is.
    pub(super) fn each(&self, wanted: &[bool], row: &mut Visit<'_>) -> Result<(usize, usize), ProblemError> {
        match &self.rows {
            Rows::Separated(separated) => separated.each(wanted, row),
            Rows::Json { places, document } => {
                // The object that last had a key: one that has it again is no object.
                let (mut last, mut n_objects) = (vec![0_usize; self.names.len()], 0);
                each_object(self.file, document.as_deref(), &mut |object| {
                    n_objects += 1;
                    let (mut fields, mut again) = (Vec::new(), None);
                    flatten(object, &mut String::new(), &mut |name, node| {
                        if let Some(&column) = places.get(name).filter(|&&column| wanted[column]) {
                            if std::mem::replace(&mut last[column], n_objects) == n_objects {
                                again = Some(column);
                            }
                            fields.push((column, field(node)));
                        }
                    });
                    if let Some(column) = again {
                        let what = "stands twice in one object";
                        return Err(self.file.fault(object.at, Some(&self.names[column]), what, "give every key once"));
                    }
                    row(object.at, &fields)
                })?;
                Ok((0, 0))
            }
        }
    }

    /// Those of the columns that hold a number anywhere.
    pub(super) fn numeric(&self, columns: &[usize]) -> Result<Vec<usize>, ProblemError> {
        let mut wanted = vec![false; self.names.len()];
        columns.iter().for_each(|&column| wanted[column] = true);
        let mut holds: HashMap<usize, bool> = HashMap::new();
        self.each(&wanted, &mut |_, fields| {
            for (column, field) in fields {
                if let Field::Text(text) = field
                    && !holds.get(column).copied().unwrap_or(false)
                {
                    holds.insert(*column, is_number(text));
                }
            }
            Ok(())
        })?;
        Ok(columns.iter().copied().filter(|column| holds.get(column).copied().unwrap_or(false)).collect())
    }
}

fn field<'n>(node: &'n Node<'_>) -> Field<'n> {
    match &node.kind {
        Kind::Null => Field::Empty,
        Kind::Scalar(text) => Field::Text(text.trim().into()),
        Kind::List(items) => Field::Text(format!("[{} values]", items.len()).into()),
        // `flatten` goes into objects; what it names is none, but for an empty one.
        Kind::Object(_) => Field::Text("{}".into()),
    }
}

fn each_object(
    file: &Text,
    document: Option<&[Node<'_>]>,
    each: &mut dyn FnMut(&Node<'_>) -> Result<(), ProblemError>,
) -> Result<(), ProblemError> {
    if let Some(rows) = document {
        return rows.iter().try_for_each(each);
    }
    for value in Values::new(&file.text) {
        let value = value.map_err(|error| malformed(file, error))?;
        if value.entries().is_none() {
            let what = "a value that is no object among several";
            return Err(file.fault(value.at, None, what, ONE_A_LINE));
        }
        each(&value)?;
    }
    Ok(())
}

/// The values of an object by their names: `train.grad_norm` is `grad_norm` in `train`.
fn flatten<'n, 'a>(object: &'n Node<'a>, name: &mut String, each: &mut dyn FnMut(&str, &'n Node<'a>)) {
    let Some(entries) = object.entries().filter(|entries| name.is_empty() || !entries.is_empty()) else {
        return each(name, object);
    };
    let length = name.len();
    for (key, node) in entries {
        if length > 0 {
            name.push('.');
        }
        name.push_str(key);
        flatten(node, name, each);
        name.truncate(length);
    }
}

const ONE_A_LINE: &str = "write one object a line, as {\"step\": 100, \"grad_norm\": 0.25}, and nothing else";

fn malformed(file: &Text, Malformed { at, what }: Malformed) -> ProblemError {
    let line = file.text.trim_start().lines().next().unwrap_or_default();
    // `[2024-01-01 12:00:00] step 10: ...`
    let behind = line.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    if behind.is_some_and(|(_, text)| text.trim_start().starts_with(char::is_alphabetic)) {
        return file.fault(at, None, &messages(line), MESSAGES);
    }
    if line.starts_with("{'") {
        let what = "a dictionary as Python prints it, and not JSON";
        return file.fault(at, None, what, "write json.dumps(...) of it, one object a line");
    }
    file.fault(at, None, &format!("not JSON: {what}"), ONE_A_LINE)
}
