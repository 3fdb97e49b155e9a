//! What is kept of a run, and how L is looked at beside it.

use super::divergence::{Divergence, NotFinite};
use super::rule::StepRule;
use super::run::{Plan, Recording};
use super::stepper::{Step, Stepper};
use crate::loss::{Loss, Workspace};
use crate::parameters::norm_sq;
use crate::random::Generator;

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

/// Looks at L beside a run. Its buffers are its own, so that looking changes nothing in the run.
pub(super) struct Observer<'a> {
    loss: &'a dyn Loss,
    rule: StepRule,
    /// z takes one value only, so F_z = L and the step's own gradient will do.
    single: bool,
    source: LossSource,
    generator: Generator,
    gradient: Vec<f64>,
    scratch: Vec<f64>,
    permutation: Vec<usize>,
    work: Workspace<f64>,
    value: f64,
    grad_v_sq: f64,
    by_block: Vec<f64>,
    grad_g_sq: f64,
    running: Option<Running>,
}

impl<'a> Observer<'a> {
    pub(super) fn new(loss: &'a dyn Loss, plan: &Plan, generator: Generator) -> Self {
        let n_minibatches = loss.minibatches().finite().map(|batches| batches.len());
        let single = n_minibatches == Some(1);
        let (n_blocks, len) = (loss.parameters().n_blocks(), loss.parameters().len());
        let running = (single || plan.recording == Recording::EveryStep).then(|| Running {
            min_grad_sq: f64::INFINITY,
            sum_grad_v_sq: 0.0,
            sum_grad_v_sq_by_block: vec![0.0; n_blocks],
            sum_grad_g_sq: 0.0,
        });
        Self {
            loss,
            rule: plan.rule,
            single,
            source: n_minibatches
                .map_or(LossSource::Estimated { minibatches: plan.fresh_minibatches() }, |_| LossSource::Exact),
            generator,
            gradient: vec![0.0; len],
            scratch: vec![0.0; len],
            permutation: Vec::new(),
            work: Workspace::default(),
            value: 0.0,
            grad_v_sq: 0.0,
            by_block: vec![0.0; n_blocks],
            grad_g_sq: 0.0,
            running,
        }
    }

    /// Whether L is looked at in every step.
    pub(super) fn every_step(&self) -> bool {
        self.running.is_some()
    }

    /// Takes L and its gradient at the stepper's theta, where the stepper has just evaluated `step`.
    pub(super) fn look(&mut self, stepper: &mut Stepper<'_>, step: Step) -> Result<(), Divergence> {
        if self.single {
            self.value = step.loss;
            self.by_block.copy_from_slice(stepper.gradient_norm_sq());
            self.grad_g_sq = step.grad_g_sq;
        } else {
            self.value = self.mean(stepper.theta());
            let layout = self.loss.parameters();
            for (sq, block) in self.by_block.iter_mut().zip(layout.blocks()) {
                *sq = norm_sq(&self.gradient[block.range.clone()]);
            }
            self.grad_g_sq = norm_sq(&self.gradient[layout.g()]);
        }
        self.grad_v_sq = 0.0;
        for (sq, &n) in self.by_block.iter_mut().zip(stepper.w_norm_sq()) {
            *sq *= self.rule.stored_norm_sq(n);
            self.grad_v_sq += *sq;
        }
        if !self.value.is_finite() {
            return Err(stepper.diverge(NotFinite::Loss));
        }
        if !(self.grad_v_sq + self.grad_g_sq).is_finite() {
            return Err(stepper.diverge(NotFinite::Gradient));
        }
        Ok(())
    }

    /// Writes grad L(theta) and returns L(theta), or estimates of both.
    fn mean(&mut self, theta: &[f64]) -> f64 {
        let LossSource::Estimated { minibatches } = self.source else {
            let mean = self.loss.mean_gradient(theta, &mut self.gradient, &mut self.scratch, &mut self.work);
            return mean.unwrap_or(f64::NAN); // A loss that overrides the mean and does not know it: not a number.
        };
        self.gradient.fill(0.0);
        let (mut value, share) = (0.0, 1.0 / minibatches as f64);
        for _ in 0..minibatches {
            let z = self.loss.minibatches().draw(&mut self.generator, &mut self.permutation);
            value += share * self.loss.sample_gradient(z, theta, &mut self.scratch, &mut self.work);
            for (total, partial) in self.gradient.iter_mut().zip(&self.scratch) {
                *total += share * partial;
            }
        }
        value
    }

    /// What was seen last, as a record.
    pub(super) fn record(&self, stepper: &Stepper<'_>, step: Step) -> Record {
        let w_norm_sq = stepper.w_norm_sq().to_vec();
        Record {
            t: step.t,
            loss: self.value,
            grad_v_sq: self.grad_v_sq,
            grad_v_sq_by_block: self.by_block.clone(),
            grad_g_sq: self.grad_g_sq,
            source: self.source,
            running: self.running.clone(),
            effective_lr: (0..w_norm_sq.len()).map(|i| stepper.effective_lr(i, step.eta_w)).collect(),
            angular_update: (0..w_norm_sq.len()).map(|i| stepper.angular_update(i, step.eta_w)).collect(),
            w_norm_sq,
        }
    }

    /// Adds what was seen last to the running minimum and sums.
    pub(super) fn accumulate(&mut self) {
        if let Some(running) = &mut self.running {
            let grad_sq = self.grad_v_sq + self.grad_g_sq;
            // `look` has let no NaN through.
            running.min_grad_sq = running.min_grad_sq.min(grad_sq);
            running.sum_grad_v_sq += self.grad_v_sq;
            running.sum_grad_g_sq += self.grad_g_sq;
            for (sum, sq) in running.sum_grad_v_sq_by_block.iter_mut().zip(&self.by_block) {
                *sum += sq;
            }
        }
    }
}
