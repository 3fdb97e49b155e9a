//! The one error of problem files, and of other input that users write.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::text::plain::plain;

/// An input that cannot be used: which file, where in it, what is wrong, and what to do.
///
/// Shown as `FILE:LINE: KEY: WHAT; REMEDY`, with the parts that are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProblemError {
    pub(crate) file: PathBuf,
    pub(crate) line: Option<usize>,
    pub(crate) key: Option<String>,
    pub(crate) what: String,
    pub(crate) remedy: String,
}

impl ProblemError {
    /// About a file as a whole.
    pub(crate) fn of_file(file: &Path, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: None, key: None, what: what.into(), remedy: remedy.into() }
    }

    /// `KEY: WHAT; REMEDY`, for what was not in a file.
    pub fn plainly(&self) -> String {
        let key = self.key.as_ref().map_or_else(String::new, |key| format!("{}: ", plain(key)));
        format!("{key}{}; {}", plain(&self.what), plain(&self.remedy))
    }

    /// The file it is about: the problem file, or a data file that it names.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The line, counted from 1.
    pub fn line(&self) -> Option<usize> {
        self.line
    }

    /// The key, as `network.widths` or `parameters.weights[0][2]`, or the column of a CSV file.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }
}

impl fmt::Display for ProblemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One line, and nothing that a terminal would obey, whatever names and cells a file holds.
        write!(f, "{}:", plain(&self.file.to_string_lossy()))?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        if let Some(key) = &self.key {
            write!(f, " {}:", plain(key))?;
        }
        write!(f, " {}; {}", plain(&self.what), plain(&self.remedy))
    }
}

impl std::error::Error for ProblemError {}

/// The known word that is most like the given one, if any is like it at all.
///
/// ```
/// use ratecheck_verify::lab::problem::nearest;
/// assert_eq!(nearest("weight_decay", ["widths", "weight-decay"]), Some("weight-decay"));
/// assert_eq!(nearest("zzz", ["widths", "weight-decay"]), None);
/// ```
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase().replace('_', "-");
    let likeness = |other: &str| if word.contains(other) { 1.0 } else { strsim::jaro_winkler(&word, other) };
    let best = known.into_iter().map(|other| (likeness(other), other)).max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(likeness, _)| *likeness > 0.75).map(|(_, other)| other)
}
