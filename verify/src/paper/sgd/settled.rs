//! Whether runs met what the laws near a minimiser suppose: iterates that tend to one, on a ball of g where the
//! constants hold.
//!
//! With H P + P H = e Sigma for the covariance P of v (claim `sgd-constant`), noise keeps E L - L_min at tr(H P)/2 = e
//! q/4, and eta_g G_g^2/4 more for g. Both tend to 0 with the rates. So E L - L_min over that is near 1 where iterates
//! tend to a minimiser, and grows without bound where they do not. H is positive across both minimisers, which are the
//! only ones: L - L_min is small near them alone.

use ratecheck::bounds::eta_g_printed;
use ratecheck::descent::{Schedule, Trace};

use super::coupled::Known;
use crate::claim::closed_forms::C_G;
use crate::claim::evidence::{Check, Standing};

/// Corrections are of relative order e_t ||H||, at most a quarter where it is looked at; and some tenths for few runs.
const MOST: f64 = 2.0;

/// What some runs of one loss showed.
#[derive(Clone, Copy)]
pub(crate) struct Settled {
    rate_g: Schedule,
    /// The times of both looks, and E L - L_min there over what noise keeps it at.
    looks: [(u64, f64); 2],
    /// The largest |g_t| of every t of every run.
    largest_g: f64,
}

impl Settled {
    /// Looks at the first record from step `from` on, and at the last.
    pub(crate) fn of(known: &Known, traces: &[Trace], rate_g: Schedule, from: u64) -> Self {
        let times: Vec<u64> = traces.first().map_or(Vec::new(), |trace| trace.records.iter().map(|r| r.t).collect());
        let early = times.partition_point(|&t| t < from).min(times.len().saturating_sub(1));
        let at = |k: usize| {
            let (mut gap, mut kept) = (0.0, 0.0);
            for record in traces.iter().filter_map(|trace| trace.records.get(k)) {
                gap += record.loss - known.loss_min();
                kept += 0.25 * (record.effective_lr[0] * known.q() + rate_g.at(record.t) * known.noise_g_sq());
            }
            (times.get(k).copied().unwrap_or(0), gap / kept)
        };
        let largest_g = traces.iter().fold(0.0, |max: f64, trace| max.max(trace.largest_g));
        Self { rate_g, looks: [at(early), at(times.len().saturating_sub(1))], largest_g }
    }

    /// Records the hypotheses of the runs called `name`, and those of their loss.
    pub(crate) fn hypotheses(&self, check: &mut Check, name: &str, known: &Known) {
        let family = known.name;
        let standing = |met: bool| if met { Standing::Met } else { Standing::NotMet };
        check.hypothesis(format!("{family}: section 2.4, for every F_z"), Standing::Met, known.smoothness());
        if let Some(radius) = known.radius() {
            let (eta_g, limit) = (self.rate_g.at(0), eta_g_printed(known.l_gg(), C_G));
            let detail = format!("η_g = {eta_g}, limit {limit}");
            let of = format!("{family}: η_g ≤ 2(1-c)/L^gg with c = 1/2, L^gg of every F_z");
            check.hypothesis(of, standing(eta_g <= limit), detail);
            let detail = format!("K = {radius:.4}; the largest of all iterates is {:.4}", self.largest_g);
            let of = format!("{name}: |g_t| ≤ K for every t");
            check.hypothesis(of, standing(self.largest_g <= radius), detail);
        }
        let [(early, before), (late, after)] = self.looks;
        let detail = format!(
            "E L - L_min is {before:.3} (t = {early}) and {after:.3} (t = {late}) of (e_t·q + η_{{g,t}}·G_g²)/4, \
             which tends to 0"
        );
        let of = format!("{name}: θ̃_t tends to a minimiser in the mean");
        check.hypothesis(of, standing(before <= MOST && after <= MOST), detail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::evidence::Verdict;
    use ratecheck::descent::{Plan, StepRule};
    use ratecheck::random::Seed;

    /// A rate that stays, and one that is far too small to arrive.
    #[test]
    fn what_does_not_settle_is_not_met() {
        let known = Known::problem_j();
        let rate_g = Schedule::new(0.5, 0.5).expect("a rate");
        let settled = |rule, eta_w: f64| {
            let plan = Plan::new(rule, Schedule::constant(eta_w).expect("a rate"), rate_g, 2_000, [20]);
            let traces = known.traces(&plan, 32, &Seed::new(3)).expect("runs");
            let mut check = Check::new();
            Settled::of(&known, &traces, rate_g, 20).hypotheses(&mut check, "runs", &known);
            check.identity("something holds", 0.0, 1.0);
            check.verdict()
        };
        assert_eq!(settled(StepRule::Gradient, 1.0), Verdict::Holds);
        let verdict = settled(StepRule::Gradient, 1e-4);
        assert!(
            matches!(&verdict, Verdict::Inconclusive { reason } if reason.contains("tends to a minimiser")),
            "{verdict:?}"
        );
    }
}
