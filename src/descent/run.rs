//! Many steps, and many runs.

use rayon::prelude::*;

use super::divergence::Divergence;
use super::lockstep::{Lockstep, run_in_lockstep};
use super::record::{Observer, Record, Seen};
use super::rule::{StepRule, WeightDecay};
use super::schedule::Schedule;
use super::stepper::Stepper;
use crate::loss::Loss;
use crate::random::{Generator, Seed, companion};

/// When L and its gradient are looked at. Where z takes a single value (gradient descent), F_z = L and looking is free:
/// it is done in every step whatever is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recording {
    /// On the horizons. Records then have no running minimum and sums.
    Horizons,
    /// In every step, at the cost of a gradient of L (one of F_z per minibatch z) each time.
    EveryStep,
}

/// What a run does.
///
/// ```
/// use ratecheck::descent::{Plan, Recording, Schedule, StepRule};
/// let (eta_w, eta_g) = (Schedule::constant(1.0)?, Schedule::new(0.5, 0.5)?);
/// let plan = Plan::new(StepRule::Gradient, eta_w, eta_g, 100, [30, 10, 30, 300]);
/// assert_eq!(plan.horizons(), [10, 30, 100]);
/// assert_eq!(plan.recording, Recording::Horizons);
/// # Ok::<(), ratecheck::descent::ScheduleError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// How a block moves.
    pub rule: StepRule,
    /// How the blocks decay beside it; not at all, unless set.
    pub decay: WeightDecay,
    /// eta_{w,t}.
    pub eta_w: Schedule,
    /// eta_{g,t}.
    pub eta_g: Schedule,
    /// When L is looked at; horizons only, unless set.
    pub recording: Recording,
    n_steps: u64,
    horizons: Vec<u64>,
    fresh_minibatches: usize,
}

impl Plan {
    /// T = `n_steps` steps with records at the horizons t: sorted, without repeats and without those beyond T. T itself
    /// is always among them.
    pub fn new(
        rule: StepRule,
        eta_w: Schedule,
        eta_g: Schedule,
        n_steps: u64,
        horizons: impl IntoIterator<Item = u64>,
    ) -> Self {
        let mut horizons: Vec<u64> = horizons.into_iter().filter(|&t| t < n_steps).chain([n_steps]).collect();
        horizons.sort_unstable();
        horizons.dedup();
        let (decay, recording) = (WeightDecay::None, Recording::Horizons);
        Self { rule, decay, eta_w, eta_g, recording, n_steps, horizons, fresh_minibatches: 16 }
    }

    /// Lets the blocks decay as well.
    #[must_use]
    pub fn decaying(mut self, decay: WeightDecay) -> Self {
        self.decay = decay;
        self
    }

    /// Looks at L in every step.
    #[must_use]
    pub fn every_step(mut self) -> Self {
        self.recording = Recording::EveryStep;
        self
    }

    /// Estimates L by this many fresh minibatches at a time (16 unless set), where it can only be estimated: see
    /// [`Drawing::Subsets`](crate::loss::Drawing::Subsets).
    ///
    /// # Panics
    /// If it is 0.
    #[must_use]
    pub fn estimating_by(mut self, fresh_minibatches: usize) -> Self {
        assert!(fresh_minibatches > 0, "an estimate needs a minibatch");
        self.fresh_minibatches = fresh_minibatches;
        self
    }

    /// What makes the steps, at theta_0; `generator` draws z.
    ///
    /// # Panics
    /// If `theta_0` has not the length of the loss's layout, or a decay is asked of [`StepRule::Decay`].
    pub fn stepper<'a>(&self, loss: &'a dyn Loss, theta_0: &[f64], generator: Generator) -> Stepper<'a> {
        Stepper::new(loss, theta_0, self.rule, self.eta_w, self.eta_g, generator).decaying(self.decay)
    }

    /// Whether both do the same but for their learning rates.
    pub(super) fn goes_along_with(&self, other: &Self) -> bool {
        (self.rule, self.decay, self.recording) == (other.rule, other.decay, other.recording)
            && (self.n_steps, self.fresh_minibatches) == (other.n_steps, other.fresh_minibatches)
            && self.horizons == other.horizons
    }

    /// T.
    pub fn n_steps(&self) -> u64 {
        self.n_steps
    }

    /// The steps t at which a record is kept; the last is T.
    pub fn horizons(&self) -> &[u64] {
        &self.horizons
    }

    /// How many fresh minibatches an estimate of L takes.
    pub fn fresh_minibatches(&self) -> usize {
        self.fresh_minibatches
    }
}

/// What is kept of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// A record per horizon that was reached.
    pub records: Vec<Record>,
    /// Where and how the run diverged, if it did.
    pub divergence: Option<Divergence>,
    /// The last theta; see [`Stepper::theta`] for its form. Not finite after a divergence of the parameters.
    pub theta: Vec<f64>,
    /// The largest ||g_t|| of every t <= T, whether there is a record of it or not: [`Stepper::largest_g`].
    pub largest_g: f64,
}

impl Trace {
    /// What is kept of a run that has ended.
    pub(super) fn of(stepper: &Stepper<'_>, records: Vec<Record>) -> Self {
        let (divergence, theta, largest_g) = (stepper.divergence(), stepper.theta().to_vec(), stepper.largest_g());
        Self { records, divergence, theta, largest_g }
    }
}

/// Follows `plan` from theta_0; `generator` draws z. Estimates of L, where it is not a finite mean, have a generator of
/// their own, so that recording never changes the path.
///
/// At t = T a minibatch is drawn and looked at without a step, so that the last record is like the others.
///
/// # Panics
/// If `theta_0` has not the length of the loss's layout.
///
/// ```
/// use ratecheck::descent::{Plan, Schedule, StepRule, run};
/// # use ratecheck::loss::{Formula, Minibatches};
/// # use ratecheck::{parameters::Parameters, random::Seed, scalar::Scalar};
/// # struct FirstShare { layout: Parameters, z: Minibatches }
/// # impl Formula for FirstShare {
/// #     fn layout(&self) -> &Parameters { &self.layout }
/// #     fn distribution(&self) -> &Minibatches { &self.z }
/// #     fn value<S: Scalar>(&self, _z: &[usize], w: &[S]) -> S {
/// #         w[0] * w[0] / (w[0] * w[0] + w[1] * w[1])
/// #     }
/// # }
/// // F(w) = w_1^2 / ||w||^2.
/// let loss = FirstShare { layout: Parameters::new([("w", 2)], 0), z: Minibatches::full(1) };
/// let eta = Schedule::constant(1.0)?;
/// let plan = Plan::new(StepRule::Gradient, eta, eta, 1, [0, 1]);
/// let trace = run(&loss, &[1.0, 1.0], &plan, Seed::new(0).generator("z"));
/// assert_eq!(trace.theta, [0.5, 1.5]);
/// assert_eq!((trace.records[0].loss, trace.records[1].loss), (0.5, 0.1));
/// assert!((trace.records[0].angular_update[0] - 0.5_f64.atan()).abs() < 1e-15); // eta ||grad|| / ||w|| = 1/2
/// assert_eq!(trace.records[1].running.as_ref().map(|sums| sums.sum_grad_v_sq), Some(1.0));
/// assert_eq!(trace.divergence, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn run(loss: &dyn Loss, theta_0: &[f64], plan: &Plan, generator: Generator) -> Trace {
    let mut observer = Observer::new(loss, plan, std::iter::once(companion(&generator)));
    let mut stepper = plan.stepper(loss, theta_0, generator);
    let mut records = Vec::with_capacity(plan.horizons.len());
    // What ends a run early is in the stepper.
    let _ = follow(plan, &mut stepper, &mut observer, &mut records);
    Trace::of(&stepper, records)
}

/// Steps and records until T or a divergence.
fn follow(
    plan: &Plan,
    stepper: &mut Stepper<'_>,
    observer: &mut Observer<'_>,
    records: &mut Vec<Record>,
) -> Result<(), Divergence> {
    for t in 0..=plan.n_steps {
        let step = stepper.evaluate()?;
        let horizon = plan.horizons[records.len()] == t;
        if observer.every_step() || horizon {
            observer.look(&Seen::of(stepper, step));
            if let Some(what) = observer.not_finite(0) {
                return Err(stepper.diverge(what));
            }
            if horizon {
                records.push(observer.record(0, stepper, step));
            }
            // At t = T there is no later record to hold the sum.
            observer.accumulate();
        }
        if t < plan.n_steps {
            stepper.advance(step)?;
        }
    }
    Ok(())
}

/// A starting point, what to do, and what draws z.
pub type Start = (Vec<f64>, Plan, Generator);

/// One run per starting point, in parallel: run k draws from the generator `run-k` below `seed`. For many runs from one
/// point, repeat the point. See [`run_all`].
///
/// # Panics
/// If a starting point has not the length of the loss's layout.
pub fn run_many(loss: &dyn Loss, starts: &[Vec<f64>], plan: &Plan, seed: &Seed) -> Vec<Trace> {
    let start = |(k, theta_0): (usize, &Vec<f64>)| (theta_0.clone(), plan.clone(), seed.generator(&format!("run-{k}")));
    run_all(loss, &starts.iter().enumerate().map(start).collect::<Vec<_>>())
}

/// What [`run`] makes of each of them, in parallel. The same bits for any number of threads, and whether they go in
/// lockstep, which they do where that takes less time and their plans differ in learning rates alone.
///
/// # Panics
/// If a starting point has not the length of the loss's layout.
pub fn run_all(loss: &dyn Loss, runs: &[Start]) -> Vec<Trace> {
    if go_together(loss, runs) {
        return runs.par_chunks(Lockstep::RUNS).flat_map_iter(|runs| run_in_lockstep(loss, runs)).collect();
    }
    runs.par_iter().map(|(theta_0, plan, generator)| run(loss, theta_0, plan, generator.clone())).collect()
}

/// A step in lockstep over a step alone, as `ratecheck bench` measures it on small networks: 0.59. Of losses in closed
/// form it can be 0.9, of so little that it does not matter.
const TOGETHER: f64 = 0.6;

/// Whether these runs take less time in lockstep, eight places of which cost as much whether they are taken or not.
fn go_together(loss: &dyn Loss, runs: &[Start]) -> bool {
    let fits = |(_, plan, _): &Start| plan.rule.goes_in_lockstep() && plan.goes_along_with(&runs[0].1);
    let threads = rayon::current_num_threads();
    let together = (Lockstep::RUNS * runs.len().div_ceil(Lockstep::RUNS).div_ceil(threads)) as f64;
    let less = TOGETHER * together < runs.len().div_ceil(threads) as f64;
    less && loss.gains_in_lockstep() && runs.iter().all(fits)
}
