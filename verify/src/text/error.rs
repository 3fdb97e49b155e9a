//! The one error of the reports.

use std::fmt;
use std::path::Path;

/// A report could not be written or read. The message names the file, what failed, and what to do about it.
#[derive(Debug)]
pub struct ReportError {
    what: String,
    remedy: &'static str,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl ReportError {
    pub(crate) fn write(path: &Path, source: std::io::Error) -> Self {
        Self {
            what: format!("cannot write {}", path.display()),
            remedy: "check that the directory can be written and has room, or choose another with --out DIR",
            source: Some(source.into()),
        }
    }

    pub(crate) fn read(path: &Path, source: std::io::Error) -> Self {
        Self {
            what: format!("cannot read {}", path.display()),
            remedy: "give the path of a results.json that `ratecheck verify` has written",
            source: Some(source.into()),
        }
    }

    pub(crate) fn malformed(path: &Path, format: u32, source: serde_json::Error) -> Self {
        // The column is of no use in a file that no one writes by hand, and serde's message ends with both.
        Self {
            what: format!("{}, line {}: not a results.json of format {format}", path.display(), source.line()),
            remedy: "the file is damaged or was edited: run `ratecheck verify` again",
            source: Some(source.into()),
        }
    }

    pub(crate) fn changed(path: &Path) -> Self {
        Self {
            what: format!("{} was changed after it had been written: its checksum does not fit", path.display()),
            remedy: "restore it, or run `ratecheck verify` again; if the change is meant, remove the line `sha256`",
            source: None,
        }
    }

    pub(crate) fn version(path: &Path, found: u32, reads: u32) -> Self {
        let remedy = if found > reads {
            "it comes from a newer ratecheck: use that version, or run `ratecheck verify` again"
        } else {
            "it comes from an older ratecheck: run `ratecheck verify` again"
        };
        Self {
            what: format!("{} has format {found}, and this version reads format {reads}", path.display()),
            remedy,
            source: None,
        }
    }

    pub(crate) fn no_gallery(what: String, remedy: &'static str) -> Self {
        Self { what, remedy, source: None }
    }

    /// A formula comes from a claim of this program, or from a file that was edited.
    pub(crate) fn formula(latex: &str, why: &str) -> Self {
        Self {
            what: format!(
                "a claim has a formula that cannot be rendered, `{}`: {}",
                latex.escape_debug(),
                why.escape_debug()
            ),
            remedy: "correct it in results.json, or run `ratecheck verify` again",
            source: None,
        }
    }

    pub(crate) fn render(name: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            what: format!("cannot render {name}"),
            remedy: "this is a defect of ratecheck: please report it with the results.json",
            source: Some(source.into()),
        }
    }
}

impl fmt::Display for ReportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        // All on one line: callers print only this, and the cause is what tells the user apart full disk and typo.
        let mut cause = self.source.as_deref().map(|s| s as &dyn std::error::Error);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        write!(f, "; {}", self.remedy)
    }
}

// The causes are part of the message already, so that `source` would print them twice.
impl std::error::Error for ReportError {}
