//! A TOML document whose keys and values know their lines, read one by one: every error names its place.
//!
//! The values are taken from the text as it stands (`toml`'s parsed, undecoded tables), so that numbers are converted
//! once, by the correctly rounded conversion of the standard library, and an error can show what was written.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ProblemError, nearest};
use crate::lab::budget;
use crate::text::read_within;

/// The text of a file that a user has named; `remedy` says what it should have been.
pub(crate) fn text_of(path: &Path, remedy: &str) -> Result<String, ProblemError> {
    let unread =
        |error: &dyn std::fmt::Display| ProblemError::of_file(path, format!("cannot be read: {error}"), remedy);
    let bytes = read_within(path, budget::MOST_TEXT).map_err(|error| unread(&error))?;
    String::from_utf8(bytes).map_err(|error| unread(&error.utf8_error()))
}

/// The text of a problem file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Document<'a> {
    pub(crate) path: &'a Path,
    pub(crate) text: &'a str,
}

impl<'a> Document<'a> {
    pub(crate) fn parse(self) -> Result<Spanned<DeTable<'a>>, ProblemError> {
        DeTable::parse(self.text).map_err(|error| {
            let at = error.span().unwrap_or(0..0);
            let what = format!("not TOML: {}", error.message().replace('\n', ", "));
            self.fault(at, None, what, "see https://toml.io for the syntax")
        })
    }

    pub(crate) fn fault(
        self,
        at: Range<usize>,
        key: Option<&str>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> ProblemError {
        let before = &self.text.as_bytes()[..at.start.min(self.text.len())];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        ProblemError {
            file: self.path.to_owned(),
            line: Some(line),
            key: key.map(str::to_owned),
            what: what.into(),
            remedy: remedy.into(),
        }
    }

    /// A piece of the text as it was written, on one line and not too long.
    fn written(self, at: Range<usize>) -> String {
        let text = self.text.get(at).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
        if text.chars().count() <= 40 { text } else { text.chars().take(39).chain(['…']).collect() }
    }
}

/// A table of the document, all of whose keys are known.
#[derive(Clone, Debug)]
pub(crate) struct Section<'a> {
    document: Document<'a>,
    /// Its name, empty for the document as a whole.
    name: String,
    at: Range<usize>,
    table: &'a DeTable<'a>,
}

impl<'a> Section<'a> {
    /// The document as a table.
    ///
    /// # Errors
    /// The first key that is not known, with the one that was probably meant.
    pub(crate) fn root(
        document: Document<'a>,
        table: &'a Spanned<DeTable<'a>>,
        known: &[&str],
    ) -> Result<Self, ProblemError> {
        Self { document, name: String::new(), at: 0..0, table: table.get_ref() }.knowing(known)
    }

    fn knowing(self, known: &[&str]) -> Result<Self, ProblemError> {
        let unknown = self.table.keys().filter(|key| !known.contains(&key.get_ref().as_ref()));
        let Some(first) = unknown.min_by_key(|key| key.span().start) else { return Ok(self) };
        let remedy = match nearest(first.get_ref(), known.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if self.name.is_empty() => format!("the sections are {}", known.join(", ")),
            None => format!("[{}] has {}", self.name, known.join(", ")),
        };
        Err(self.document.fault(first.span(), Some(&self.key(first.get_ref())), "unknown key", remedy))
    }

    fn key(&self, name: &str) -> String {
        if self.name.is_empty() { name.to_owned() } else { format!("{}.{name}", self.name) }
    }

    /// The table under `name`, whose keys are among `known`.
    pub(crate) fn section(&self, name: &str, known: &[&str]) -> Result<Option<Self>, ProblemError> {
        self.optional(name).map(|entry| entry.table(known)).transpose()
    }

    /// The tables under `name`, which the writer names, in their order.
    pub(crate) fn named(&self, name: &str) -> Result<Vec<(&'a str, Entry<'a>)>, ProblemError> {
        let Some(entry) = self.optional(name) else { return Ok(Vec::new()) };
        let section = entry.any_table()?;
        let mut keys: Vec<_> = section.table.keys().collect();
        keys.sort_by_key(|key| key.span().start);
        let named = |key: &'a Spanned<_>| {
            let key: &'a std::borrow::Cow<'a, str> = key.get_ref();
            section.optional(key).map(|entry| (key.as_ref(), entry))
        };
        Ok(keys.into_iter().filter_map(named).collect())
    }

    /// The value of a key that may be missing.
    pub(crate) fn optional(&self, name: &str) -> Option<Entry<'a>> {
        let value = self.table.get(name)?;
        Some(Entry { document: self.document, key: self.key(name), value })
    }

    /// The value of a key that must be there.
    pub(crate) fn required(&self, name: &str, remedy: &str) -> Result<Entry<'a>, ProblemError> {
        self.optional(name).ok_or_else(|| self.missing(name, remedy))
    }

    /// Says that a key or a section is missing.
    pub(crate) fn missing(&self, name: &str, remedy: &str) -> ProblemError {
        self.document.fault(self.at.clone(), Some(&self.key(name)), "is missing", remedy)
    }

    /// Refuses a key that means nothing beside the others.
    pub(crate) fn refuse(&self, name: &str, why: &str) -> Result<(), ProblemError> {
        let refused = |entry: Entry<'a>| Err(entry.fault(format!("has no meaning here: {why}"), "remove it"));
        self.optional(name).map_or(Ok(()), refused)
    }

    /// An error about the value of `name`, or about the section if it is not there.
    pub(crate) fn fault(&self, name: &str, what: impl Into<String>, remedy: impl Into<String>) -> ProblemError {
        let at = self.table.get(name).map_or(self.at.clone(), Spanned::span);
        self.document.fault(at, Some(&self.key(name)), what, remedy)
    }
}

/// A value with its key.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'a> {
    document: Document<'a>,
    key: String,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Entry<'a> {
    /// What is wrong with this value, and what to do.
    pub(crate) fn fault(&self, what: impl Into<String>, remedy: impl Into<String>) -> ProblemError {
        self.document.fault(self.value.span(), Some(&self.key), what, remedy)
    }

    fn is_not(&self, wanted: &str, remedy: &str) -> ProblemError {
        self.fault(format!("`{}` is not {wanted}", self.document.written(self.value.span())), remedy)
    }

    /// A finite number; whole numbers may be written without a point.
    pub(crate) fn number(&self) -> Result<f64, ProblemError> {
        match self.value.get_ref() {
            DeValue::Float(text) => match text.as_str().parse::<f64>() {
                Ok(x) if x.is_finite() => Ok(x),
                _ => Err(self.is_not("a finite number", "every number must be finite")),
            },
            DeValue::Integer(text) => {
                let exact = i128::from_str_radix(text.as_str(), text.radix()).ok().filter(|&n| n as f64 as i128 == n);
                exact.map(|n| n as f64).ok_or_else(|| {
                    self.is_not("exact in double precision", "write it with a decimal point to have it rounded")
                })
            }
            _ => Err(self.is_not("a number", "give a finite number")),
        }
    }

    /// A number > 0.
    pub(crate) fn positive(&self) -> Result<f64, ProblemError> {
        Some(self.number()?).filter(|&x| x > 0.0).ok_or_else(|| self.is_not("above 0", "give a number > 0"))
    }

    /// A number >= 0.
    pub(crate) fn at_least_zero(&self) -> Result<f64, ProblemError> {
        Some(self.number()?).filter(|&x| x >= 0.0).ok_or_else(|| self.is_not("at least 0", "give a number >= 0"))
    }

    fn whole(&self) -> Option<u64> {
        let DeValue::Integer(text) = self.value.get_ref() else { return None };
        u64::from_str_radix(text.as_str(), text.radix()).ok()
    }

    /// A whole number from `least` to `most`.
    pub(crate) fn count(&self, least: usize, most: usize) -> Result<usize, ProblemError> {
        let fits = |n: &usize| (least..=most).contains(n);
        let n = self.whole().and_then(|n| usize::try_from(n).ok()).filter(fits);
        let wanted = format!("a whole number from {least} to {most}");
        n.ok_or_else(|| self.is_not(&wanted, "give such a number"))
    }

    /// The root of a seed tree: a whole number below 2^64.
    pub(crate) fn seed(&self) -> Result<u64, ProblemError> {
        self.whole().ok_or_else(|| self.is_not("a seed", "give a whole number from 0 to 18446744073709551615"))
    }

    pub(crate) fn boolean(&self) -> Result<bool, ProblemError> {
        match self.value.get_ref() {
            DeValue::Boolean(x) => Ok(*x),
            _ => Err(self.is_not("true or false", "give true or false, without quotes")),
        }
    }

    pub(crate) fn text(&self) -> Result<&'a str, ProblemError> {
        match self.value.get_ref() {
            DeValue::String(text) => Ok(text),
            _ => Err(self.is_not("text", "put it in quotes")),
        }
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(&self, options: &[(&str, T)]) -> Result<T, ProblemError> {
        let word = self.text()?;
        if let Some((_, chosen)) = options.iter().find(|(name, _)| *name == word) {
            return Ok(*chosen);
        }
        let names: Vec<&str> = options.iter().map(|(name, _)| *name).collect();
        let remedy = match nearest(word, names.iter().copied()) {
            Some(meant) => format!("did you mean \"{meant}\"? The choices are {}", names.join(", ")),
            None => format!("choose one of {}", names.join(", ")),
        };
        Err(self.fault(format!("\"{word}\" is not known"), remedy))
    }

    /// A table, whose keys are among `known`.
    pub(crate) fn table(&self, known: &[&str]) -> Result<Section<'a>, ProblemError> {
        self.any_table()?.knowing(known)
    }

    fn any_table(&self) -> Result<Section<'a>, ProblemError> {
        let DeValue::Table(table) = self.value.get_ref() else {
            return Err(self.fault("not a table", format!("write it as [{}], with its keys below", self.key)));
        };
        Ok(Section { document: self.document, name: self.key.clone(), at: self.value.span(), table })
    }

    /// Whether it is a table, rather than a word or a number.
    pub(crate) fn is_table(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Table(_))
    }

    pub(crate) fn is_array(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Array(_))
    }

    /// The values of an array, or the value itself if it is none.
    pub(crate) fn one_or_many(&self) -> Result<Vec<Self>, ProblemError> {
        match self.value.get_ref() {
            DeValue::Array(_) => self.items(""),
            _ => Ok(vec![self.clone()]),
        }
    }

    /// The values of an array.
    pub(crate) fn items(&self, remedy: &str) -> Result<Vec<Self>, ProblemError> {
        let DeValue::Array(array) = self.value.get_ref() else { return Err(self.is_not("an array", remedy)) };
        let item = |(i, value)| Self { document: self.document, key: format!("{}[{i}]", self.key), value };
        Ok(array.iter().enumerate().map(item).collect())
    }

    /// Finite numbers, `expected` of them if that is known; `what` says what they are.
    pub(crate) fn numbers(&self, expected: Option<usize>, what: &str) -> Result<Vec<f64>, ProblemError> {
        let items = self.items(&format!("give {what} as [number, number, ...]"))?;
        if let Some(expected) = expected.filter(|&n| n != items.len()) {
            let (found, s) = (items.len(), if items.len() == 1 { "" } else { "s" });
            return Err(self.fault(format!("has {found} number{s}"), format!("give {expected}: {what}")));
        }
        items.iter().map(Self::number).collect()
    }
}
