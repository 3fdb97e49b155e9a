//! Both sides of Theorem 4.2 on one subject: with the expectation itself, over all paths, and with a confidence bound
//! of it, over independent runs.

use ratecheck::descent::{Plan, Schedule, StepRule, run_many};
use ratecheck::loss::{Over, Workspace};
use ratecheck::parameters::norm_sq;
use ratecheck::random::Seed;
use ratecheck::rates::Interval;

use super::DELTA;
use super::scheduled::Scheduled;
use crate::claim::decide::below;
use crate::claim::evidence::{Check, Unevaluated};
use crate::claim::instances::U;
use crate::paper::paths::Tree;

/// What one subject gave: the comparisons, the largest measured/bound, and the largest ||g|| seen.
#[derive(Default)]
pub(super) struct Expected {
    pub(super) check: Check,
    pub(super) ratio: f64,
    pub(super) g_max: f64,
}

/// Merges what was found of subjects that share a name, with their hypotheses.
pub(super) fn merged(subjects: &[Scheduled], found: Vec<Expected>) -> Check {
    let mut check = Check::new();
    for group in subjects.chunk_by(|a, b| a.name == b.name) {
        let g_max = subjects.iter().zip(&found).filter(|(s, _)| s.name == group[0].name).map(|(_, f)| f.g_max);
        group[0].hypotheses(&mut check, g_max.fold(0.0, f64::max));
    }
    found.into_iter().for_each(|one| check.merge(one.check));
    check
}

/// Compares at every T up to `depth` with the exact expectation; the ratio is the largest.
pub(super) fn enumerate(subject: &Scheduled, depth: usize, samples: &[Vec<usize>]) -> Result<Expected, Unevaluated> {
    let loss = &subject.loss;
    let (eta_w, eta_g) = (Schedule::new(subject.eta_w, subject.alpha)?, Schedule::new(subject.eta_g, subject.alpha_g)?);
    let mut tree = Tree::new(loss, eta_w, eta_g, samples, depth - 1);
    let (mut means, mut g_max) = (vec![[0.0; 2]; depth], 0.0_f64);
    let d = subject.theta_0.len() - 1;
    let (mut grad, mut scratch, mut work) = (vec![0.0; d + 1], vec![0.0; d + 1], Workspace::default());
    let nodes = tree.visit(&subject.theta_0, &mut |node| {
        loss.mean_gradient(node.theta, &mut grad, &mut scratch, &mut work);
        means[node.t][0] += node.share * norm_sq(&node.theta[..d]) * norm_sq(&grad[..d]); // Lemma 2.2
        means[node.t][1] += node.share * norm_sq(&grad[d..]);
        g_max = g_max.max(node.theta[d].abs());
        Ok(())
    })?;
    let mut check = Check::new();
    // Sums of positive terms: a rounding per node, and some hundred in each gradient and path.
    let rounding = (nodes as f64 + 200.0 * depth as f64) * U;
    let (mut sums, mut least, mut tightest) = ([0.0; 2], f64::INFINITY, f64::NEG_INFINITY);
    for (t, mean) in means.iter().enumerate() {
        sums = [sums[0] + mean[0], sums[1] + mean[1]];
        least = least.min(mean[0] + mean[1]);
        let n_steps = t as u64 + 1;
        let bound = subject.bound(n_steps)?;
        let at = format!("{} · α = {}, η_w = {}, T = {n_steps}", subject.name, subject.alpha, subject.eta_w);
        let left = subject.left(n_steps, &bound.psi, sums);
        check.at_most(format!("{at}, sums"), left, bound.br, rounding * bound.br);
        check.at_most(format!("{at}, minimum"), least, bound.min, rounding * bound.min);
        tightest = tightest.max(left / bound.br);
    }
    Ok(Expected { check, ratio: tightest, g_max })
}

/// Shares [`DELTA`] among the comparisons of one check.
#[derive(Clone, Copy)]
pub(super) struct Level {
    pub(super) n_comparisons: usize,
}

impl Level {
    /// The empirical Bernstein bounds of the mean of numbers in [0, b], from below and above.
    fn interval(self, x: &[f64], b: f64) -> Interval {
        let n = x.len() as f64;
        let mean = x.iter().sum::<f64>() / n;
        let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0);
        // Half of each share for either side.
        let log = libm::log(4.0 * self.n_comparisons as f64 / DELTA);
        let reach = (2.0 * variance * log / n).sqrt() + 7.0 * b * log / (3.0 * (n - 1.0));
        Interval { low: mean - reach, high: mean + reach, level: 1.0 - DELTA / self.n_comparisons as f64 }
    }
}

/// Compares at three horizons with confidence bounds; the ratio is (mean of the left-hand side)/Br at the last.
pub(super) fn sample(
    subject: &Scheduled,
    n_runs: usize,
    n_steps: u64,
    level: Level,
    seed: &Seed,
) -> Result<Expected, Unevaluated> {
    let (eta_w, eta_g) = (Schedule::new(subject.eta_w, subject.alpha)?, Schedule::new(subject.eta_g, subject.alpha_g)?);
    let plan = Plan::new(StepRule::Gradient, eta_w, eta_g, n_steps, [n_steps / 10, n_steps / 3]).every_step();
    let starts = vec![subject.theta_0.clone(); n_runs];
    let seed = seed.child(&format!("{}/{}/{}", subject.name, subject.alpha, subject.eta_w));
    let traces = run_many(&subject.loss, &starts, &plan, &seed);
    if let Some(divergence) = traces.iter().find_map(|trace| trace.divergence) {
        return Err(divergence.into());
    }
    let mut check = Check::new();
    let g_max = traces.iter().fold(0.0_f64, |max, trace| max.max(trace.largest_g));
    let k = subject.radius();
    let mut ratio = f64::NAN;
    for (h, &t) in plan.horizons().iter().enumerate() {
        let bound = subject.bound(t)?;
        let sums: Vec<[f64; 2]> = traces
            .iter()
            .filter_map(|trace| trace.records[h].running.as_ref().map(|r| [r.sum_grad_v_sq, r.sum_grad_g_sq]))
            .collect();
        if sums.len() != n_runs {
            return Err(Unevaluated("the sums over every step were not kept".to_owned()));
        }
        let steps = t as f64;
        let most = [steps * k * k, steps * (k + 1.0) * (k + 1.0)];
        let at = format!("{} · α = {}, η_w = {}, T = {t}", subject.name, subject.alpha, subject.eta_w);
        let left: Vec<f64> = sums.iter().map(|&s| subject.left(t, &bound.psi, s)).collect();
        let interval = level.interval(&left, subject.left(t, &bound.psi, most));
        below(&mut check, format!("{at}, sums"), interval, bound.br, bound.br);
        let average: Vec<f64> = sums.iter().map(|s| (s[0] + s[1]) / steps).collect();
        let interval = level.interval(&average, (most[0] + most[1]) / steps);
        below(&mut check, format!("{at}, average"), interval, bound.min, bound.min);
        ratio = left.iter().sum::<f64>() / n_runs as f64 / bound.br;
    }
    Ok(Expected { check, ratio, g_max })
}
