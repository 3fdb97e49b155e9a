//! What is kept of a run, and how L is looked at beside it.

use super::divergence::NotFinite;
use super::rule::StepRule;
use super::run::{Plan, Recording};
use super::stepper::{Step, Stepper};
use crate::loss::{Over, Workspace};
use crate::parameters::norm_sq;
use crate::random::Generator;
use crate::scalar::Scalar;

/// Where the values of L and of its gradient come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossSource {
    /// The exact mean over all minibatches z.
    Exact,
    /// The mean over this many fresh minibatches. The loss is unbiased; the squared gradient norms are too large by the
    /// variance of the gradient over that number, on average.
    Estimated {
        /// How many.
        minibatches: usize,
    },
}

/// Minimum and sums over *every* step tau with 0 <= tau < t: what the left-hand sides of the theorems are made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    /// min ||grad L(V_tau; g_tau)||^2, both parts together; infinity for t = 0.
    pub min_grad_sq: f64,
    /// sum ||grad_V L(theta~_tau)||^2.
    pub sum_grad_v_sq: f64,
    /// The same per block.
    pub sum_grad_v_sq_by_block: Vec<f64>,
    /// sum ||grad_g L(theta_tau)||^2.
    pub sum_grad_g_sq: f64,
}

/// What is seen at theta_t, before step t.
///
/// L = E_z F_z is the one that the loss's [`Minibatches`](crate::loss::Minibatches) define, and its gradient is that at
/// theta~_t = (V_t; g_t), obtained from the one at theta_t by Lemma 2.2 (exact up to rounding), as
/// [`Parameters::grad_v_norm_sq`](crate::parameters::Parameters::grad_v_norm_sq) does. Vectors have an entry per block.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// t, the number of steps made.
    pub t: u64,
    /// L(theta_t).
    pub loss: f64,
    /// ||grad_V L(theta~_t)||^2, the sum over the blocks.
    pub grad_v_sq: f64,
    /// ||grad_{v_i} L(theta~_t)||^2.
    pub grad_v_sq_by_block: Vec<f64>,
    /// ||grad_g L(theta_t)||^2.
    pub grad_g_sq: f64,
    /// Whether the values of L and its gradient are exact.
    pub source: LossSource,
    /// Minimum and sums over every step before t; `None` where L was looked at on the horizons only.
    pub running: Option<Running>,
    /// n_i = ||w_i||^2, or G_i under [`StepRule::Adaptive`].
    pub w_norm_sq: Vec<f64>,
    /// eta_{w,t} / n_i, under a rule with b divided by it: see [`Stepper::effective_lr`].
    pub effective_lr: Vec<f64>,
    /// The angle between v_t and v_{t+1} under step t and its z, by the arc tangent of the step's parts across and
    /// along w (accurate for small angles). At the last t the step is prepared, not made.
    pub angular_update: Vec<f64>,
}

impl Record {
    /// ||grad L(V_t; g_t)||^2, both parts together.
    pub fn grad_sq(&self) -> f64 {
        self.grad_v_sq + self.grad_g_sq
    }
}

/// What has been evaluated at theta_t of one run, or of the runs that one [`Scalar`] holds side by side.
pub(super) struct Seen<'a, S> {
    /// theta_t, in the form that the rule stores.
    pub(super) theta: &'a [S],
    /// n_i, or G_i.
    pub(super) w_norm_sq: &'a [S],
    /// F_z.
    pub(super) loss: S,
    /// The squared norm of each block of grad F_z.
    pub(super) gradient_norm_sq: &'a [S],
    /// ||grad_g F_z||^2.
    pub(super) grad_g_sq: S,
}

impl<'a> Seen<'a, f64> {
    /// What a stepper has evaluated in this step.
    pub(super) fn of(stepper: &'a Stepper<'_>, step: Step) -> Self {
        Self {
            theta: stepper.theta(),
            w_norm_sq: stepper.w_norm_sq(),
            loss: step.loss,
            gradient_norm_sq: stepper.gradient_norm_sq(),
            grad_g_sq: step.grad_g_sq,
        }
    }
}

/// Looks at L beside a run, or beside several that go side by side. Its buffers are its own, so that looking changes
/// nothing in a run.
pub(super) struct Observer<'a, S: Scalar = f64> {
    loss: &'a dyn Over<S>,
    rule: StepRule,
    /// z takes one value only, so F_z = L and the step's own gradient will do.
    single: bool,
    source: LossSource,
    /// What draws fresh minibatches for each run, and the permutation it keeps.
    draws: Vec<(Generator, Vec<usize>)>,
    z: Vec<usize>,
    gradient: Vec<S>,
    scratch: Vec<S>,
    work: Workspace<S>,
    value: S,
    grad_v_sq: S,
    by_block: Vec<S>,
    grad_g_sq: S,
    running: Option<Sums<S>>,
}

/// What [`Running`] has, of every run.
struct Sums<S> {
    min_grad_sq: S,
    grad_v_sq: S,
    grad_v_sq_by_block: Vec<S>,
    grad_g_sq: S,
}

impl<'a, S: Scalar> Observer<'a, S> {
    /// For runs of this plan, of which each has one of the generators.
    pub(super) fn new(loss: &'a dyn Over<S>, plan: &Plan, generators: impl Iterator<Item = Generator>) -> Self {
        let n_minibatches = loss.minibatches().finite().map(|batches| batches.len());
        let single = n_minibatches == Some(1);
        let (n_blocks, len) = (loss.parameters().n_blocks(), loss.parameters().len());
        let running = (single || plan.recording == Recording::EveryStep).then(|| Sums {
            min_grad_sq: S::from_f64(f64::INFINITY),
            grad_v_sq: S::ZERO,
            grad_v_sq_by_block: vec![S::ZERO; n_blocks],
            grad_g_sq: S::ZERO,
        });
        Self {
            loss,
            rule: plan.rule,
            single,
            source: n_minibatches
                .map_or(LossSource::Estimated { minibatches: plan.fresh_minibatches() }, |_| LossSource::Exact),
            draws: generators.map(|generator| (generator, Vec::new())).collect(),
            z: vec![0; S::RUNS * loss.minibatches().batch_size()],
            gradient: vec![S::ZERO; len],
            scratch: vec![S::ZERO; len],
            work: Workspace::default(),
            value: S::ZERO,
            grad_v_sq: S::ZERO,
            by_block: vec![S::ZERO; n_blocks],
            grad_g_sq: S::ZERO,
            running,
        }
    }

    /// Whether L is looked at in every step.
    pub(super) fn every_step(&self) -> bool {
        self.running.is_some()
    }

    /// Takes L and its gradient at theta_t.
    pub(super) fn look(&mut self, seen: &Seen<'_, S>) {
        if self.single {
            self.value = seen.loss;
            self.by_block.copy_from_slice(seen.gradient_norm_sq);
            self.grad_g_sq = seen.grad_g_sq;
        } else {
            self.value = self.mean(seen.theta);
            let layout = self.loss.parameters();
            for (sq, block) in self.by_block.iter_mut().zip(layout.blocks()) {
                *sq = norm_sq(&self.gradient[block.range.clone()]);
            }
            self.grad_g_sq = norm_sq(&self.gradient[layout.g()]);
        }
        self.grad_v_sq = S::ZERO;
        for (sq, &n) in self.by_block.iter_mut().zip(seen.w_norm_sq) {
            *sq *= self.rule.stored_norm_sq(n);
            self.grad_v_sq += *sq;
        }
    }

    /// What of run r was not finite when it was last looked at.
    pub(super) fn not_finite(&self, r: usize) -> Option<NotFinite> {
        if !self.value.of_run(r).is_finite() {
            Some(NotFinite::Loss)
        } else if !(self.grad_v_sq + self.grad_g_sq).of_run(r).is_finite() {
            Some(NotFinite::Gradient)
        } else {
            None
        }
    }

    /// Writes grad L(theta) and returns L(theta), or estimates of both.
    fn mean(&mut self, theta: &[S]) -> S {
        let LossSource::Estimated { minibatches } = self.source else {
            let mean = self.loss.mean_gradient(theta, &mut self.gradient, &mut self.scratch, &mut self.work);
            return mean.unwrap_or(S::from_f64(f64::NAN)); // A loss that overrides the mean and does not know it.
        };
        self.gradient.fill(S::ZERO);
        let (mut value, share) = (S::ZERO, 1.0 / minibatches as f64);
        for _ in 0..minibatches {
            for (r, (generator, permutation)) in self.draws.iter_mut().enumerate() {
                place::<S>(&mut self.z, r, self.loss.minibatches().draw(generator, permutation));
            }
            value += self.loss.sample_gradient(&self.z, theta, &mut self.scratch, &mut self.work).scale(share);
            for (total, partial) in self.gradient.iter_mut().zip(&self.scratch) {
                *total += partial.scale(share);
            }
        }
        value
    }

    /// What was seen of run r last, as a record; the stepper is that run's.
    pub(super) fn record(&self, r: usize, stepper: &Stepper<'_>, step: Step) -> Record {
        let w_norm_sq = stepper.w_norm_sq().to_vec();
        let of_run = |all: &[S]| all.iter().map(|x| x.of_run(r)).collect();
        Record {
            t: step.t,
            loss: self.value.of_run(r),
            grad_v_sq: self.grad_v_sq.of_run(r),
            grad_v_sq_by_block: of_run(&self.by_block),
            grad_g_sq: self.grad_g_sq.of_run(r),
            source: self.source,
            running: self.running.as_ref().map(|sums| Running {
                min_grad_sq: sums.min_grad_sq.of_run(r),
                sum_grad_v_sq: sums.grad_v_sq.of_run(r),
                sum_grad_v_sq_by_block: of_run(&sums.grad_v_sq_by_block),
                sum_grad_g_sq: sums.grad_g_sq.of_run(r),
            }),
            effective_lr: (0..w_norm_sq.len()).map(|i| stepper.effective_lr(i, step.eta_w)).collect(),
            angular_update: (0..w_norm_sq.len()).map(|i| stepper.angular_update(i, step.eta_w)).collect(),
            w_norm_sq,
        }
    }

    /// Adds what was seen last to the running minimum and sums.
    pub(super) fn accumulate(&mut self) {
        if let Some(sums) = &mut self.running {
            let grad_sq = self.grad_v_sq + self.grad_g_sq;
            // The smaller one. A run that goes on has no NaN here.
            sums.min_grad_sq = -(-sums.min_grad_sq).larger(-grad_sq);
            sums.grad_v_sq += self.grad_v_sq;
            sums.grad_g_sq += self.grad_g_sq;
            for (sum, &sq) in sums.grad_v_sq_by_block.iter_mut().zip(&self.by_block) {
                *sum += sq;
            }
        }
    }
}

/// Writes the minibatch of run r where evaluations look for it: they interleave.
pub(super) fn place<S: Scalar>(z: &mut [usize], r: usize, examples: &[usize]) {
    z.iter_mut().skip(r).step_by(S::RUNS).zip(examples).for_each(|(place, &example)| *place = example);
}
