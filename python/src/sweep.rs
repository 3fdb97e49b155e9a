//! One run of a sweep on a loss of Python: the engine's descent, looked at at horizons.

use numpy::PyReadonlyArray1;
use pyo3::prelude::*;
use ratecheck::descent::{Plan, Schedule, run as descend};
use ratecheck::random::Seed;
use ratecheck::rates::log_spaced;
use ratecheck_verify::lab::sweep::Rule;

use crate::call::released;
use crate::errors::input;
use crate::loss::Loss;

/// What the runs of a sweep have in common, and this one's own.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Asked {
    eta_w: f64,
    alpha: f64,
    growth: f64,
    eta_g: f64,
    alpha_g: f64,
    /// What a plan has behind `rule =`.
    rule: String,
    steps: u64,
    horizons: usize,
    fresh_minibatches: usize,
    seed: u64,
}

/// What is known at a horizon: t, loss, ||grad_v||^2, ||grad_g||^2, and of every block ||w||^2, the effective rate and
/// the angular update.
type Row = (u64, f64, f64, f64, Vec<f64>, Vec<f64>, Vec<f64>);

fn rule_of(value: &str) -> PyResult<Rule> {
    Rule::parse(value).map_err(|error| input(error.plainly()))
}

/// The words of a step rule as those of a plan, its numbers included.
#[pyfunction]
pub(crate) fn rule_words(value: &str) -> PyResult<String> {
    Ok(rule_of(value)?.words)
}

/// The rows at the horizons, and where the run diverged, if it did.
#[pyfunction]
pub(crate) fn run<'py>(
    py: Python<'py>,
    loss: &Loss,
    theta: PyReadonlyArray1<'py, f64>,
    asked: Asked,
) -> PyResult<(Vec<Row>, Option<String>)> {
    let schedule =
        |eta, alpha, name: &str| Schedule::new(eta, alpha).map_err(|error| input(format!("{name}: {error}")));
    let growing =
        |schedule: Schedule| schedule.growing(asked.growth).map_err(|error| input(format!("growth: {error}")));
    let (eta_w, eta_g) =
        (growing(schedule(asked.eta_w, asked.alpha, "eta_w")?)?, schedule(asked.eta_g, asked.alpha_g, "eta_g")?);
    let horizons = match asked.steps {
        0 => return Err(input("steps: give a whole number from 1 on")),
        1 => vec![1],
        steps => std::iter::once(0).chain(log_spaced(1, steps, asked.horizons.max(2))).collect(),
    };
    let rule = rule_of(&asked.rule)?;
    let plan = Plan::new(rule.rule, eta_w, eta_g, asked.steps, horizons).decaying(rule.decay);
    let plan = plan.estimating_by(asked.fresh_minibatches.max(1));
    let theta = loss.inner.engine_order(theta.as_slice()?);
    let trace = released(py, Some(&loss.inner), || {
        descend(&*loss.inner, &theta, &plan, Seed::new(asked.seed).generator("sweep/z"))
    })?;
    let row = |r: ratecheck::descent::Record| {
        (r.t, r.loss, r.grad_v_sq, r.grad_g_sq, r.w_norm_sq, r.effective_lr, r.angular_update)
    };
    Ok((trace.records.into_iter().map(row).collect(), trace.divergence.map(|divergence| divergence.to_string())))
}
