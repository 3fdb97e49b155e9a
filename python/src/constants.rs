//! `ratecheck.constants`: the smoothness constants of section 2.4 for a loss of Python, from below.

use numpy::PyReadonlyArray1;
use pyo3::prelude::*;
use ratecheck_verify::claim::subject::Settings;
use ratecheck_verify::lab::constants::{Options, bracket};
use ratecheck_verify::lab::problem::Problem;

use crate::call::released;
use crate::errors::{input, internal};
use crate::loss::Loss;

/// The brackets as JSON.
#[pyfunction]
#[allow(clippy::too_many_arguments)] // what `ratecheck.constants` hands over
pub(crate) fn constants<'py>(
    py: Python<'py>,
    loss: &Loss,
    theta: PyReadonlyArray1<'py, f64>,
    name: String,
    radius: Option<f64>,
    points: Option<usize>,
    restarts: Option<usize>,
    evaluations: Option<usize>,
    seed: u64,
) -> PyResult<String> {
    let problem = Problem {
        name,
        loss: loss.inner.clone(),
        network: None,
        classes: Vec::new(),
        theta: Some(loss.inner.engine_order(theta.as_slice()?)),
        radius,
        exact: None,
        loss_min: None,
        settings: Settings::default(),
    };
    let default = Options::for_problem(&problem, seed);
    let search = Options {
        points: points.unwrap_or(default.points),
        restarts: restarts.unwrap_or(default.restarts),
        evaluations: evaluations.unwrap_or(default.evaluations),
        ..default
    };
    if search.points == 0 || search.restarts == 0 || search.evaluations == 0 {
        return Err(input("points, restarts and evaluations: give whole numbers from 1 on"));
    }
    let found = released(py, Some(&loss.inner), || bracket(&problem, &search))?;
    let found = found
        .map_err(|_| input("radius: the loss has a g, and the constants depend on K of ||g|| <= K: give radius=K"))?;
    serde_json::to_string(&found).map_err(|error| internal(error.to_string()))
}
