//! `ratecheck.fit`: the rate of a log that is already in memory.

use std::path::PathBuf;

use pyo3::prelude::*;
use ratecheck::rates::Form;
use ratecheck_verify::lab::fit::{Columns, Log, Request, fit as fitted};

use crate::errors::{input, internal};

/// What is asked of the log.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Asked {
    against: Option<f64>,
    one_sided: bool,
    margin: f64,
    log_power: f64,
    form: String,
    squared: bool,
    deterministic: bool,
    level: f64,
    seed: u64,
    window: (Option<f64>, Option<f64>),
}

/// What was found in a log in CSV with the columns t, value and, where there are runs, run; as JSON.
#[pyfunction]
pub(crate) fn fit(py: Python<'_>, csv: Vec<u8>, runs: bool, asked: Asked) -> PyResult<String> {
    let form = match asked.form.as_str() {
        "min" => Form::Min,
        "average" => Form::Average,
        "last" => Form::LastWindow,
        other => return Err(input(format!("form: {other:?}: give \"min\", \"average\" or \"last\""))),
    };
    let request = Request {
        against: asked.against,
        one_sided: asked.one_sided,
        margin: asked.margin,
        log_power: asked.log_power,
        form,
        squared: asked.squared,
        deterministic: asked.deterministic,
        level: asked.level,
        seed: asked.seed,
    };
    let columns = Columns {
        step: Some("t".to_owned()),
        values: vec!["value".to_owned()],
        run: runs.then(|| "run".to_owned()),
        ..Columns::default()
    };
    let found = py.detach(|| {
        let log = Log::parse(vec![(PathBuf::from("arrays"), csv)], &columns, asked.window);
        let log = log.map_err(|error| error.to_string())?;
        fitted(&log, &request).map_err(|error| error.to_string())
    });
    let found = found.map_err(input)?;
    py.check_signals()?;
    serde_json::to_string(&found).map_err(|error| internal(error.to_string()))
}
