//! What is wrong with a plan once its images are known.

use std::fmt;
use std::path::Path;

use ratecheck::data::DataError;

use crate::lab::budget::{self, TooLarge};
use crate::lab::problem::{Document, ProblemError, Section, text_of};

/// A plan that cannot be carried out: which of its keys is to blame, what is wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    section: &'static str,
    key: &'static str,
    what: String,
    remedy: String,
}

impl Fault {
    pub(super) fn new([section, key]: [&'static str; 2], what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { section, key, what: what.into(), remedy: remedy.into() }
    }

    /// The same with the file of the plan, the line and the key.
    pub fn in_plan(self, path: &Path) -> ProblemError {
        let Self { section, key, what, remedy } = self;
        let without_line = |what, remedy| ProblemError::of_file(path, what, remedy);
        let Ok(text) = text_of(path, "") else { return without_line(what, remedy) };
        let document = Document { path, text: &text };
        let Ok(table) = document.parse() else { return without_line(what, remedy) };
        let root = Section::root(document, &table, &super::read::SECTIONS);
        match root.and_then(|root| root.section(section, super::read::keys(section))) {
            Ok(Some(section)) => section.fault(key, what, remedy),
            _ => without_line(what, remedy),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.remedy)
    }
}

impl std::error::Error for Fault {}

impl From<TooLarge> for Fault {
    fn from(TooLarge { what, remedy }: TooLarge) -> Self {
        Self::new(["data", "source"], what, remedy)
    }
}

impl From<DataError> for Fault {
    fn from(error: DataError) -> Self {
        if let DataError::TooLarge { place, bytes } = &error {
            return budget::file_too_large(place, *bytes).into();
        }
        // The engine's sentences end with what to do; how that is done here it does not know.
        let text = error.to_string().replace(" one by one", " one by one (--files, or data.files in a plan)");
        let (what, remedy) = text.rsplit_once("; ").unwrap_or((&text, "correct it, or choose another source"));
        Self::new(["data", "source"], what, remedy)
    }
}
