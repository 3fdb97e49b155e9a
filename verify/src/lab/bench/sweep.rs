//! The reference sweep: many runs of SGD on one small network, recorded on the way.

use std::time::Instant;

use ratecheck::descent::{Divergence, Lockstep, Schedule, ScheduleError, StepRule, Stepper};
use ratecheck::loss::{Over, Setting, Workspace};
use ratecheck::network::Network;
use ratecheck::parameters::norm_sq;
use ratecheck::random::Seed;
use ratecheck::rates::log_spaced;
use rayon::prelude::*;
use serde::Serialize;

/// The exponents alpha of the learning rate.
const ALPHAS: [f64; 5] = [0.0, 0.125, 0.25, 0.375, 0.5];

/// How large the sweep is: the reference has 64 seeds and 10,000 steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SweepPlan {
    /// Runs for each of five exponents alpha.
    pub seeds: usize,
    /// T.
    pub n_steps: u64,
}

impl SweepPlan {
    /// All runs.
    pub fn n_runs(&self) -> usize {
        self.seeds * ALPHAS.len()
    }
}

/// One run of the sweep.
#[derive(Clone, Debug)]
pub struct SweepRun {
    /// How long it took, in seconds: an eighth of the time of eight runs in lockstep.
    pub seconds: f64,
    /// What it recorded.
    pub points: Vec<SweepPoint>,
}

/// What is recorded at a horizon t.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepPoint {
    /// t.
    pub t: u64,
    /// The loss under the statistics of all examples.
    pub loss: f64,
    /// The squared norm of its gradient at theta~_t = (V_t; g_t).
    pub grad_sq: f64,
    /// ||w_i||^2 for every block.
    pub w_norm_sq: Vec<f64>,
}

/// Runs SGD with the minibatches of `sgd` and the learning rates 0.5 (t+1)^-alpha for every alpha and seed, on the
/// threads of the current pool, eight runs in lockstep, and records at 40 log-spaced horizons what `full` says of the
/// whole data set. The same bits for any number of threads.
///
/// The loss recorded is that of all examples together, under their common statistics: what other frameworks would show.
/// It is not the L that the distribution of z defines, which the claims record.
///
/// # Errors
/// Never: the learning rates are constants.
pub fn reference_sweep(
    sgd: &Network,
    full: &Network,
    plan: SweepPlan,
) -> Result<Vec<Result<SweepRun, Divergence>>, ScheduleError> {
    let horizons = log_spaced(1, plan.n_steps.max(2), 40);
    let schedules: Vec<Schedule> = ALPHAS.iter().map(|&alpha| Schedule::new(0.5, alpha)).collect::<Result<_, _>>()?;
    let eta_g = Schedule::new(0.1, 0.5)?;
    let stepper = |k: usize| {
        let seed = Seed::new(1).child(&format!("sweep/run-{k}"));
        let start = sgd.initialise(&mut seed.generator("start"));
        Stepper::new(sgd, &start, StepRule::Gradient, schedules[k / plan.seeds], eta_g, seed.generator("z"))
    };
    let runs: Vec<usize> = (0..plan.n_runs()).collect();
    let crew = |runs: &[usize]| {
        let clock = Instant::now();
        let mut together = Lockstep::new(sgd, runs.iter().map(|&k| stepper(k)).collect());
        let points = follow(&mut together, full, &horizons);
        let seconds = clock.elapsed().as_secs_f64() / runs.len() as f64;
        let with_time = move |points: Result<_, Divergence>| points.map(|points| SweepRun { seconds, points });
        points.into_iter().map(with_time).collect::<Vec<_>>()
    };
    Ok(runs.par_chunks(Lockstep::RUNS).flat_map_iter(crew).collect())
}

/// Steps to every horizon and looks at the whole data set there.
fn follow(together: &mut Lockstep<'_>, full: &Network, horizons: &[u64]) -> Vec<Result<Vec<SweepPoint>, Divergence>> {
    let layout = full.parameters();
    let all: Vec<usize> = (0..full.minibatches().n_examples()).collect();
    let (mut grad, mut work) = (vec![0.0; layout.len()], Workspace::default());
    let mut points: Vec<Vec<SweepPoint>> = together.settled().iter().map(|_| Vec::new()).collect();
    let mut t = 0;
    for &horizon in horizons {
        while t < horizon {
            together.step();
            t += 1;
        }
        for (stepper, points) in together.settled().iter().zip(&mut points).filter(|(s, _)| s.divergence().is_none()) {
            let theta = stepper.theta();
            let loss = full.sample_gradient(&all, theta, &mut grad, &mut work);
            let grad_sq = layout.grad_v_norm_sq(theta, &grad) + norm_sq(&grad[layout.g()]);
            points.push(SweepPoint { t, loss, grad_sq, w_norm_sq: stepper.w_norm_sq().to_vec() });
        }
    }
    together
        .settled()
        .iter()
        .zip(points)
        .map(|(stepper, points)| stepper.divergence().map_or(Ok(points), Err))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::Subjects;
    use super::*;

    #[test]
    fn the_sweep_learns_and_has_the_same_bits_on_any_number_of_threads() {
        let subjects = Subjects::new().expect("sound networks");
        let plan = SweepPlan { seeds: 1, n_steps: 300 };
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            let runs = pool.install(|| reference_sweep(&subjects.small_sgd, &subjects.small, plan));
            let points = |run: Result<SweepRun, _>| run.expect("no run diverges").points;
            runs.expect("valid rates").into_iter().map(points).collect::<Vec<_>>()
        };
        let runs = on(1);
        assert_eq!(runs, on(3));
        for points in runs {
            let (first, last) = (&points[0], &points[points.len() - 1]);
            assert_eq!((first.t, last.t), (1, 300));
            assert!(last.loss < first.loss, "{} {}", first.loss, last.loss);
            // Lemma 2.4: without decay on w, the norms only grow.
            assert!(last.w_norm_sq.iter().zip(&first.w_norm_sq).all(|(last, first)| last > first));
        }
    }
}
