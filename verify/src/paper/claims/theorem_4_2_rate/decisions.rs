//! What is decided of some runs, and what their hypotheses are. A control takes one decision, the check all of them.

use ratecheck::descent::Schedule;
use ratecheck::rates::{Estimate, SgdPrediction, Summary, fit_power_law};

use super::cases::{Case, From, Measured};
use super::{ETA_G, EXPONENT, RATIO};
use crate::claim::decide::{below, near};
use crate::claim::evidence::{Check, Unevaluated};
use crate::paper::sgd::{LEVEL, Table, centres};

/// A case with what was measured of it, and its name in the tables.
pub(super) struct Found<'a> {
    pub(super) case: Case<'a>,
    pub(super) name: String,
    pub(super) measured: Measured,
}

impl Found<'_> {
    pub(super) fn slope(&self, table: &Table) -> Result<Estimate, Unevaluated> {
        table.slope(self.case.budget.window(), Summary::RootMean)
    }

    /// grad_v: no slower than T^(-1/4).
    pub(super) fn no_slower(&self, check: &mut Check) -> Result<(), Unevaluated> {
        let (slope, margin) = (self.slope(&self.measured.v)?, self.case.budget.margin);
        let at = format!("{} · RMS ∇_v, no slower than -1/4", self.name);
        below(check, at, slope.interval(LEVEL), EXPONENT + margin, margin);
        Ok(())
    }

    /// grad_v: T to the power `exponent`.
    pub(super) fn limit(&self, check: &mut Check, exponent: f64) -> Result<(), Unevaluated> {
        let slope = self.slope(&self.measured.v)?;
        let at = format!("{} · RMS ∇_v, {exponent}", self.name);
        near(check, at, slope.interval(LEVEL), exponent, self.case.budget.margin);
        Ok(())
    }

    /// grad_v: the effective rate to the power `exponent`, which theory has as 1/2 (and the next order with it).
    pub(super) fn follows_the_rate(&self, check: &mut Check, exponent: f64) -> Result<(), Unevaluated> {
        let slope = self.slope(&self.measured.relative)?;
        let budget = self.case.budget;
        let of_rate = self.measured.effective_lr.slope(budget.window(), Summary::Mean)?.value;
        let predicted = of_rate * exponent;
        let at = format!("{} · RMS ∇_v, e_t^{exponent}", self.name);
        // Beside the root of e_t: 0 for that root itself.
        near(check, at, slope.interval(LEVEL), predicted - 0.5 * of_rate, budget.share() * EXPONENT.abs());
        Ok(())
    }

    /// ||w||^2: the slope of every run over what is predicted of it.
    pub(super) fn norm_over_predicted(
        &self,
        check: &mut Check,
        sgd: SgdPrediction,
        from: From,
    ) -> Result<Estimate, Unevaluated> {
        let [ratio, _] = self.case.slopes_over_predicted(&self.measured, sgd, from)?;
        near(check, format!("{} · ‖w‖², slope over predicted", self.name), ratio.interval(LEVEL), 1.0, RATIO);
        Ok(ratio)
    }

    /// e_t: the same.
    pub(super) fn rate_over_predicted(&self, check: &mut Check) -> Result<Estimate, Unevaluated> {
        let [_, ratio] = self.case.slopes_over_predicted(&self.measured, self.case.prediction(), From::Window)?;
        near(check, format!("{} · effective rate, slope over predicted", self.name), ratio.interval(LEVEL), 1.0, RATIO);
        Ok(ratio)
    }

    /// ||w||^2: T to the power `exponent`.
    pub(super) fn norm_limit(&self, check: &mut Check, exponent: f64) -> Result<(), Unevaluated> {
        let budget = self.case.budget;
        let slope = self.measured.w_norm_sq.slope(budget.window(), Summary::Mean)?;
        let at = format!("{} · ‖w‖², slope {exponent}", self.name);
        near(check, at, slope.interval(LEVEL), exponent, budget.margin);
        Ok(())
    }
}

/// grad_g: what its schedule makes of it, T^(-1/4), whatever w does. So the runs of every alpha are runs of one
/// process, and are taken together.
pub(super) fn of_g(check: &mut Check, name: &str, all: &[Found<'_>]) -> Result<(), Unevaluated> {
    let Some(Found { case, measured, .. }) = all.first() else { return Ok(()) };
    let values = all.iter().flat_map(|one| one.measured.g.values.iter().copied()).collect();
    let slope = Table { t: measured.g.t.clone(), values }.slope(case.budget.window(), Summary::RootMean)?;
    let predicted = predicted_of_g(case)?;
    let margin = case.budget.share() * predicted.abs();
    near(check, format!("{name} · RMS ∇_g, slope {predicted:.4}"), slope.interval(LEVEL), predicted, margin);
    Ok(())
}

/// The slope of the root mean square of grad_g on the bins of the window. With curvature 1, noise G_g^2 and the
/// theorem's rates of g its mean square follows P' = (1 - eta_{g,t})^2 P + eta_{g,t}^2 G_g^2, but for a c'v that is not
/// yet 1; the start is forgotten like exp(-2 sqrt(t)).
pub(super) fn predicted_of_g(case: &Case<'_>) -> Result<f64, Unevaluated> {
    let (budget, rates) = (case.budget, Schedule::new(ETA_G, 0.5)?);
    let edges = budget.horizons();
    let (mut p, mut means) = (case.known.noise_g_sq(), vec![0.0; edges.len() - 1]);
    for t in 0..budget.n_steps {
        if t >= edges[0] {
            let bin = edges.partition_point(|&edge| edge <= t) - 1;
            means[bin] += p / (edges[bin + 1] - edges[bin]) as f64;
        }
        let eta = rates.at(t);
        p = (1.0 - eta) * (1.0 - eta) * p + eta * eta * case.known.noise_g_sq();
    }
    let bins = centres(&edges.iter().map(|&t| t as f64).collect::<Vec<f64>>());
    Ok(0.5 * fit_power_law(&bins, &means, budget.window())?.slope)
}
