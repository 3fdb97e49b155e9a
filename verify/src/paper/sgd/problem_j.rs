//! Runs of problem J, whose minimiser has a known curvature and a known noise.

use ratecheck::descent::{Plan, Trace, run_many};
use ratecheck::loss::closed::ProblemJ;
use ratecheck::random::Seed;
use ratecheck::rates::SgdPrediction;

use crate::claim::evidence::Unevaluated;

/// q of problem J, [`ProblemJ::noise_v`].
pub(crate) const Q: f64 = 0.75;

/// Runs of problem J that stay finite, each from its own generator below `seed`.
pub(crate) fn runs(plan: &Plan, n_runs: usize, seed: &Seed) -> Result<Vec<Trace>, Unevaluated> {
    let loss = ProblemJ::default();
    let traces = run_many(&loss, &vec![loss.theta_0(); n_runs], plan, seed);
    traces.iter().find_map(|trace| trace.divergence).map_or(Ok(traces), |divergence| Err(divergence.into()))
}

/// What theory says of its effective rates and norms.
pub(crate) fn prediction(eta_w: f64, alpha: f64) -> SgdPrediction {
    SgdPrediction { eta_w, alpha, norm_sq_0: 1.0, noise: Q }
}
