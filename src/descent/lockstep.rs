//! Eight runs of a loss, each gradient of which is one evaluation over [`Eight`].

use super::divergence::Divergence;
use super::record::{Observer, Seen, place};
use super::rule::{StepRule, WeightDecay, move_against, move_block};
use super::run::{Start, Trace};
use super::stepper::{Step, Stepper};
use crate::loss::{Loss, Over, Workspace};
use crate::parameters::{Parameters, norm_sq};
use crate::random::companion;
use crate::scalar::{Eight, Planes, Scalar, vectorised};

/// Several runs of one [`StepRule`] on one loss side by side, up to eight: starts, rates and minibatches are each run's
/// own, and evaluations are those of `f64`. A step has the bits that the run's [`Stepper`] would make alone. If there
/// are eight, it takes 0.59 of the time: the rows of a small network are too short for the vector registers, but eight
/// runs always fill them.
///
/// ```
/// use ratecheck::data::teacher;
/// use ratecheck::descent::{Lockstep, Schedule, StepRule, Stepper};
/// # use ratecheck::loss::{Minibatches, Setting};
/// # use ratecheck::network::{Activation, Architecture, Network, Normalisation, Objective};
/// # use ratecheck::random::Seed;
/// # let architecture = Architecture {
/// #     widths: vec![2, 3, 1],
/// #     normalisation: Normalisation::SmoothedBatchNorm { epsilon: 0.1 },
/// #     activation: Activation::Tanh,
/// #     objective: Objective::Logistic,
/// #     weight_decay: 0.01,
/// # };
/// # let x = (0..16).map(|i| f64::from(i * i % 11)).collect();
/// # let data = ratecheck::data::Dataset::new(x, 8, 2, vec![1.0, -1.0].repeat(4))?;
/// let network = Network::new(architecture, data, Minibatches::subsets(8, 4)?)?;
/// let eta = Schedule::constant(0.1)?;
/// let stepper = |k: u64| {
///     let seed = Seed::new(k);
///     let theta_0 = network.initialise(&mut seed.generator("start"));
///     Stepper::new(&network, &theta_0, StepRule::Gradient, eta, eta, seed.generator("z"))
/// };
/// let mut together = Lockstep::new(&network, (0..3).map(stepper).collect());
/// let mut alone = stepper(2);
/// for _ in 0..10 {
///     together.step();
///     alone.step()?;
/// }
/// assert_eq!(together.settled()[2].theta(), alone.theta());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Lockstep<'a> {
    layout: &'a Parameters,
    eight: &'a dyn Over<Eight>,
    rule: StepRule,
    decay: WeightDecay,
    /// Whether all schedules are the same, so that one rate is all rates.
    same_rates: bool,
    t: u64,
    /// The runs, as they were when they last were looked at; their generators run on.
    steppers: Vec<Stepper<'a>>,
    theta: Vec<Eight>,
    gradient: Vec<Eight>,
    w_norm_sq: Vec<Eight>,
    gradient_norm_sq: Vec<Eight>,
    /// F_z and ||grad_g F_z||^2, seen last.
    loss: Eight,
    grad_g_sq: Eight,
    /// The minibatches, interleaved.
    z: Vec<usize>,
    work: Workspace<Eight>,
    /// What each run saw last.
    steps: Vec<Result<Step, Divergence>>,
}

impl<'a> Lockstep<'a> {
    /// How many runs fit.
    pub const RUNS: usize = Eight::RUNS;

    /// These runs, all of this loss and of one rule and decay, at the same t. Their schedules may be any.
    ///
    /// # Panics
    /// If there is none, or more than [`Lockstep::RUNS`]; if one has another rule, decay or t, or has diverged; or if
    /// the rule or the loss does not go in lockstep: see [`StepRule::goes_in_lockstep`] and [`Loss::lockstep`].
    pub fn new(loss: &'a dyn Loss, steppers: Vec<Stepper<'a>>) -> Self {
        assert!((1..=Self::RUNS).contains(&steppers.len()), "one to eight runs");
        let eight = loss.lockstep().expect("a loss that goes in lockstep");
        let (t, (rule, decay), schedules) = (steppers[0].t(), steppers[0].rule(), steppers[0].schedules());
        let fits = |s: &Stepper<'_>| s.rule() == (rule, decay) && s.t() == t && s.divergence().is_none();
        assert!(rule.goes_in_lockstep() && steppers.iter().all(fits), "one rule that goes in lockstep, from one t on");
        // Places beyond the last run start where it does, and stay there.
        let of_run = |r: usize| &steppers[r.min(steppers.len() - 1)];
        let side_by_side = |n: usize, number: &dyn Fn(usize, usize) -> f64| -> Vec<Eight> {
            (0..n).map(|k| Eight(std::array::from_fn(|r| number(r, k)))).collect()
        };
        let (n, n_blocks) = (loss.parameters().len(), loss.parameters().n_blocks());
        Self {
            layout: loss.parameters(),
            eight,
            rule,
            decay,
            same_rates: steppers.iter().all(|s| s.schedules() == schedules),
            t,
            loss: Eight::ZERO,
            grad_g_sq: Eight::ZERO,
            theta: side_by_side(n, &|r, k| of_run(r).theta()[k]),
            gradient: vec![Eight::ZERO; n],
            w_norm_sq: side_by_side(n_blocks, &|r, i| of_run(r).w_norm_sq()[i]),
            gradient_norm_sq: vec![Eight::ZERO; n_blocks],
            z: vec![0; Self::RUNS * loss.minibatches().batch_size()],
            work: Workspace::default(),
            steps: Vec::with_capacity(steppers.len()),
            steppers,
        }
    }

    /// The runs as they are now. Numbers are copied for each of them: not something to do in every step.
    pub fn settled(&mut self) -> &[Stepper<'a>] {
        (0..self.steppers.len()).for_each(|r| self.settle(r));
        &self.steppers
    }

    /// Makes one step of every run. Returns for each what its [`Stepper::step`] would.
    pub fn step(&mut self) -> &[Result<Step, Divergence>] {
        self.evaluate();
        self.advance();
        &self.steps
    }

    /// Looks at F_z of every run without moving.
    fn evaluate(&mut self) {
        for (r, stepper) in self.steppers.iter_mut().enumerate() {
            if stepper.divergence().is_none() {
                place::<Eight>(&mut self.z, r, stepper.draw());
            }
        }
        self.loss = self.eight.sample_gradient(&self.z, &self.theta, &mut self.gradient, &mut self.work);
        let (layout, rule) = (self.layout, self.rule);
        let (gradient, gradient_norm_sq, w_norm_sq) = (&self.gradient, &mut self.gradient_norm_sq, &self.w_norm_sq);
        let [grad_v_sq, grad_g_sq] = vectorised(
            #[inline(always)]
            || {
                let mut grad_v_sq = Eight::ZERO;
                for (i, block) in layout.blocks().iter().enumerate() {
                    let sq = norm_sq(&gradient[block.range.clone()]);
                    gradient_norm_sq[i] = sq;
                    grad_v_sq += rule.stored_norm_sq(w_norm_sq[i]) * sq;
                }
                [grad_v_sq, norm_sq(&gradient[layout.g()])]
            },
        );
        self.grad_g_sq = grad_g_sq;
        self.steps.clear();
        let mut rates = [f64::NAN; 2];
        for r in 0..self.steppers.len() {
            let stepper = &mut self.steppers[r];
            let before = stepper.divergence();
            if r == 0 || !self.same_rates {
                rates = stepper.schedules().map(|schedule| schedule.at(self.t));
            }
            let seen = stepper.judge(self.loss.0[r], grad_v_sq.0[r], grad_g_sq.0[r], rates);
            if before.is_none() && seen.is_err() {
                self.write_back(r);
            }
            self.steps.push(seen);
        }
    }

    /// Looks at L of every run.
    fn look(&mut self, observer: &mut Observer<'_, Eight>) {
        observer.look(&Seen {
            theta: &self.theta,
            w_norm_sq: &self.w_norm_sq,
            loss: self.loss,
            gradient_norm_sq: &self.gradient_norm_sq,
            grad_g_sq: self.grad_g_sq,
        });
        for r in 0..self.steppers.len() {
            if self.steps[r].is_ok()
                && let Some(what) = observer.not_finite(r)
            {
                self.write_back(r);
                self.steps[r] = Err(self.steppers[r].diverge(what));
            }
        }
    }

    /// Moves every run along the gradient seen last.
    fn advance(&mut self) {
        let mut rates = [Eight::ZERO; 2];
        for (r, step) in self.steps.iter().enumerate() {
            let of_run = step.as_ref().map_or([0.0; 2], |step| [step.eta_w, step.eta_g]);
            (0..2).for_each(|k| rates[k].0[r] = of_run[k]);
        }
        let (layout, rule, decay, [eta_w, eta_g]) = (self.layout, self.rule, self.decay, rates);
        let (theta, gradient) = (&mut self.theta, &self.gradient);
        let (w_norm_sq, gradient_norm_sq) = (&mut self.w_norm_sq, &self.gradient_norm_sq);
        let [total_sq, g_sq] = vectorised(
            #[inline(always)]
            || {
                let kept = decay.kept(eta_w);
                let mut total_sq = Eight::ZERO;
                for (i, block) in layout.blocks().iter().enumerate() {
                    let (w, n) = (&mut theta[block.range.clone()], &mut w_norm_sq[i]);
                    move_block(w, &gradient[block.range.clone()], rule.rate(eta_w, *n), decay, kept);
                    total_sq += rule.settle(w, gradient_norm_sq[i], eta_w, kept, n);
                }
                let g = &mut theta[layout.g()];
                move_against(g, &gradient[layout.g()], eta_g);
                let g_sq = norm_sq(g);
                [total_sq + g_sq, g_sq]
            },
        );
        self.t += 1;
        for r in 0..self.steppers.len() {
            if self.steps[r].is_ok()
                && let Err(divergence) = self.steppers[r].arrive(total_sq.0[r], g_sq.0[r])
            {
                self.steps[r] = Err(divergence);
                self.write_back(r);
            }
        }
    }

    /// Brings the stepper of a run up to date. After a divergence it is, and what is here of the run means nothing.
    fn settle(&mut self, r: usize) {
        if self.steppers[r].divergence().is_none() {
            self.write_back(r);
        }
    }

    fn write_back(&mut self, r: usize) {
        let numbers = [&self.theta, &self.gradient, &self.w_norm_sq, &self.gradient_norm_sq];
        self.steppers[r].take(numbers.map(|all| all.iter().map(move |x| x.0[r])));
    }
}

/// What [`run`](super::run) makes of each of these starts, plans and generators, with the same bits, eight at a time.
/// All plans are the same but for their learning rates.
///
/// # Panics
/// If a starting point has not the length of the loss's layout, if the plans are not as said, or if their rule or the
/// loss does not go in lockstep.
pub fn run_in_lockstep(loss: &dyn Loss, runs: &[Start]) -> Vec<Trace> {
    runs.chunks(Lockstep::RUNS).flat_map(|runs| eight(loss, runs)).collect()
}

fn eight(loss: &dyn Loss, runs: &[Start]) -> Vec<Trace> {
    let plan = &runs[0].1;
    assert!(
        runs.iter().all(|(_, other, _)| other.goes_along_with(plan)),
        "runs in lockstep differ in their rates alone"
    );
    let stepper = |(theta_0, plan, generator): &Start| plan.stepper(loss, theta_0, generator.clone());
    let mut together = Lockstep::new(loss, runs.iter().map(stepper).collect());
    let companions = runs.iter().map(|(.., generator)| companion(generator));
    let mut observer = Observer::new(together.eight, plan, companions);
    let mut records = vec![Vec::new(); runs.len()];
    let mut horizons = plan.horizons().iter().peekable();
    for t in 0..=plan.n_steps() {
        together.evaluate();
        if together.steps.iter().all(Result::is_err) {
            break;
        }
        let horizon = horizons.next_if_eq(&&t).is_some();
        if horizon || observer.every_step() {
            together.look(&mut observer);
            for (r, records) in records.iter_mut().enumerate().filter(|_| horizon) {
                if let Ok(step) = together.steps[r] {
                    together.write_back(r);
                    records.push(observer.record(r, &together.steppers[r], step));
                }
            }
            observer.accumulate();
        }
        if t < plan.n_steps() {
            together.advance();
        }
    }
    together.settled().iter().zip(records).map(|(stepper, records)| Trace::of(stepper, records)).collect()
}
