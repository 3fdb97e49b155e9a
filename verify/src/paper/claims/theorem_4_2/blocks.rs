//! Theorem 4.2 with two blocks of different norms and no g, over all paths: the sum over i in Br and on the left, and
//! the minimum over i in Psi.

use ratecheck::bounds::Factors;
use ratecheck::descent::Schedule;

use super::terms::{Terms, left};
use super::{ALPHAS, ETAS};
use crate::claim::closed_forms::NoisyPair;
use crate::claim::evidence::{Check, Unevaluated};
use crate::claim::instances::U;
use crate::paper::paths::expectations::Expectations;

/// The size of the noise.
const S: f64 = 0.5;

/// Both forms at every T up to `depth`, for every schedule; returns the largest measured/bound.
pub(super) fn compare(check: &mut Check, depth: usize, factors: &Factors) -> Result<f64, Unevaluated> {
    let (loss, theta_0, mut ratio) = (NoisyPair::new(S)?, NoisyPair::minimiser(), 0.0_f64);
    for (alpha, eta_w) in ALPHAS.into_iter().flat_map(|alpha| ETAS.map(|eta_w| (alpha, eta_w))) {
        let rates = [Schedule::new(eta_w, alpha)?, Schedule::constant(1.0)?];
        let seen = Expectations::over_all_paths(&loss, &theta_0, rates, depth - 1)?;
        let row = |i: usize| [[2.0, 0.0], [0.0, 2.0]][i];
        let terms = Terms {
            gap: seen.levels[0].loss,
            c_w: (0..2).map(|i| factors.c_w(&row(i), 0.0, 0.0, 0.5)).collect(),
            l_a: vec![1.0 + S; 2],
            n_start: vec![1.0, 4.0],
            u: 0.0,
            eta_w,
            alpha,
            eta_g: 0.0,
            noise_terms: true,
            factors: *factors,
        };
        let (mut sums, mut smallest) = (vec![0.0; 2], f64::INFINITY);
        // Sums of positive terms: a rounding per node, and some hundred in each gradient and path.
        let rounding = (seen.nodes as f64 + 200.0 * depth as f64) * U;
        for (t, level) in seen.levels.iter().enumerate() {
            sums.iter_mut().zip(&level.v).for_each(|(sum, v)| *sum += v);
            smallest = smallest.min(level.v.iter().sum());
            let n_steps = t as u64 + 1;
            let bound = terms.bound(n_steps)?;
            let lhs = left(factors, n_steps, &bound.psi, &sums, 0.0, 0.0);
            let at = format!("every path, two blocks, no g · α = {alpha}, η_w = {eta_w}, T = {n_steps}");
            check.at_most(format!("{at}, sums"), lhs, bound.br, rounding * bound.br);
            check.at_most(format!("{at}, minimum"), smallest, bound.min, rounding * bound.min);
            ratio = ratio.max(lhs / bound.br);
        }
    }
    Ok(ratio)
}
