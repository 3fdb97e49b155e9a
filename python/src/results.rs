//! What a verification found, with the reports of the command.

use std::path::PathBuf;

use pyo3::prelude::*;
use ratecheck_verify::claim::results::{ClaimResult, Results as Found};
use ratecheck_verify::cli::exit_of;
use ratecheck_verify::report;

use crate::errors::{internal, output};

/// The results.
#[pyclass(frozen, module = "ratecheck._core", name = "Results")]
pub(crate) struct Results {
    pub(crate) found: Found,
}

/// Reads results.json.
#[pyfunction]
pub(crate) fn read(path: PathBuf) -> PyResult<Results> {
    report::read_results(&path).map(|found| Results { found }).map_err(|error| output(error.to_string()))
}

#[pymethods]
impl Results {
    /// results.json, as text.
    fn json(&self) -> PyResult<String> {
        serde_json::to_string_pretty(&self.found).map(|text| text + "\n").map_err(|error| internal(error.to_string()))
    }

    /// The page.
    fn html(&self) -> PyResult<String> {
        report::html(&self.found).map_err(|error| internal(error.to_string()))
    }

    /// JUnit XML.
    fn junit(&self) -> PyResult<String> {
        report::junit(&self.found).map_err(|error| internal(error.to_string()))
    }

    /// The table of the terminal.
    fn table(&self, width: usize) -> String {
        report::terminal_table(&self.found, false, width)
    }

    /// One line of totals.
    fn summary(&self) -> String {
        report::summary(&self.found)
    }

    /// The exit code of the command.
    fn exit_code(&self, strict: bool) -> u8 {
        exit_of(self.found.claims.iter().map(ClaimResult::status), strict) as u8
    }

    /// Every report into a directory; returns the path of the page.
    fn write(&self, directory: PathBuf) -> PyResult<PathBuf> {
        let written = report::write_all(&self.found, &directory);
        written.map(|written| written.page).map_err(|error| output(error.to_string()))
    }

    /// Of every claim: id, title, status, reason, margin, tightest comparison, controls rejected and in all, seconds,
    /// plain, formula.
    #[allow(clippy::type_complexity)] // a row of a table
    fn rows(
        &self,
    ) -> Vec<(
        String,
        String,
        &'static str,
        Option<String>,
        Option<f64>,
        Option<String>,
        usize,
        usize,
        f64,
        String,
        String,
    )> {
        let row = |claim: &ClaimResult| {
            let worst = claim.worst.as_ref();
            (
                claim.id.clone(),
                claim.title.clone(),
                claim.status().label(),
                claim.reason(),
                worst.map(|worst| worst.margin),
                worst.map(|worst| worst.at.clone()),
                claim.controls.iter().filter(|control| control.is_rejected()).count(),
                claim.controls.len(),
                claim.seconds,
                claim.plain.clone(),
                claim.formula.clone(),
            )
        };
        self.found.claims.iter().map(row).collect()
    }
}
