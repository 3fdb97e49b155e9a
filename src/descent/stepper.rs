//! One step at a time.

use super::divergence::{Divergence, NotFinite};
use super::memory::Memory;
use super::precision::{Buffers, Evaluator, Precision};
use super::rule::{StepRule, WeightDecay, move_against};
use super::schedule::Schedule;
use crate::loss::{Loss, Minibatches};
use crate::parameters::{Parameters, norm_sq};
use crate::random::Generator;

/// What a step saw at theta_t before it moved on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// t, the number of steps made before this one.
    pub t: u64,
    /// F_z(theta_t).
    pub loss: f64,
    /// eta_{w,t}.
    pub eta_w: f64,
    /// eta_{g,t}.
    pub eta_g: f64,
    /// ||grad_V F_z(theta~_t)||^2, the sum over the blocks.
    pub grad_v_sq: f64,
    /// ||grad_g F_z(theta_t)||^2.
    pub grad_g_sq: f64,
}

/// Makes steps of one rule from one starting point. Nothing is allocated in a step after the first.
///
/// It stops at the first divergence: every later step returns the same [`Divergence`] and changes nothing.
///
/// ```
/// use ratecheck::descent::{Schedule, StepRule, Stepper};
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
/// // F(w) = w_1^2 / ||w||^2, with gradient (1/2, -1/2) at (1, 1).
/// let loss = FirstShare { layout: Parameters::new([("w", 2)], 0), z: Minibatches::full(1) };
/// let eta = Schedule::constant(1.0)?;
/// let mut stepper = Stepper::new(&loss, &[1.0, 1.0], StepRule::Gradient, eta, eta, Seed::new(0).generator("z"));
/// let step = stepper.step()?;
/// assert_eq!((step.t, step.loss, step.grad_v_sq), (0, 0.5, 1.0)); // ||grad_v||^2 = ||w||^2 ||grad_w||^2
/// assert_eq!((stepper.t(), stepper.theta(), stepper.gradient()), (1, &[0.5, 1.5][..], &[0.5, -0.5][..]));
/// assert_eq!(stepper.w_norm_sq(), [2.5]); // Lemma 2.4: 2 + eta^2 ||grad_w||^2
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Stepper<'a> {
    loss: &'a dyn Loss,
    layout: &'a Parameters,
    z: &'a Minibatches,
    rule: StepRule,
    eta_w: Schedule,
    eta_g: Schedule,
    generator: Generator,
    t: u64,
    theta: Vec<f64>,
    before: Option<Vec<f64>>,
    memory: Memory,
    gradient: Vec<f64>,
    w_norm_sq: Vec<f64>,
    gradient_norm_sq: Vec<f64>,
    largest_g_sq: f64,
    evaluator: Evaluator,
    permutation: Vec<usize>,
    divergence: Option<Divergence>,
}

impl<'a> Stepper<'a> {
    /// At theta_0 = (W_0; g_0), before step 0; `generator` draws z.
    ///
    /// # Panics
    /// If `theta_0` has not the length of the loss's layout.
    pub fn new(
        loss: &'a dyn Loss,
        theta_0: &[f64],
        rule: StepRule,
        eta_w: Schedule,
        eta_g: Schedule,
        generator: Generator,
    ) -> Self {
        let layout = loss.parameters();
        let n_blocks = layout.n_blocks();
        let mut stepper = Self {
            loss,
            layout,
            z: loss.minibatches(),
            rule,
            eta_w,
            eta_g,
            generator,
            t: 0,
            theta: vec![0.0; layout.len()],
            before: None,
            memory: Memory::new(rule, WeightDecay::None, layout.len(), n_blocks),
            gradient: vec![0.0; layout.len()],
            w_norm_sq: vec![0.0; n_blocks],
            gradient_norm_sq: vec![0.0; n_blocks],
            largest_g_sq: 0.0,
            evaluator: Evaluator::new(Precision::Double),
            permutation: Vec::new(),
            divergence: None,
        };
        stepper.restart(theta_0, 0);
        stepper
    }

    /// Keeps the theta a step started from, at the cost of a copy per step: see [`Stepper::theta_before`].
    #[must_use]
    pub fn keeping_theta_before(mut self) -> Self {
        self.before = Some(self.theta.clone());
        self
    }

    /// Evaluates F_z and its gradient in this arithmetic, [`Precision::Double`] unless it is said.
    #[must_use]
    pub fn evaluating_in(mut self, precision: Precision) -> Self {
        self.evaluator = Evaluator::new(precision);
        self
    }

    /// Lets the blocks decay as well. It forgets what [`Stepper::with_momentum`] has said before.
    ///
    /// # Panics
    /// If the rule is [`StepRule::Decay`], which decays by itself.
    #[must_use]
    pub fn decaying(mut self, decay: WeightDecay) -> Self {
        self.memory = Memory::new(self.rule, decay, self.layout.len(), self.layout.n_blocks());
        self
    }

    /// Starts with this m instead of m = 0, under a rule with momentum. It has theta's layout;
    /// its part of g is not used.
    ///
    /// # Panics
    /// If the rule keeps no m, or `m` has not the length of the loss's layout.
    #[must_use]
    pub fn with_momentum(mut self, m: &[f64]) -> Self {
        assert_eq!(m.len(), self.memory.mean().len(), "m has one number per parameter, under a rule that keeps one");
        self.memory.mean_mut().copy_from_slice(m);
        self
    }

    /// Goes on with these learning rates: a constant one before every step makes any sequence of rates.
    pub fn set_rates(&mut self, eta_w: Schedule, eta_g: Schedule) {
        (self.eta_w, self.eta_g) = (eta_w, eta_g);
    }

    /// Starts again at theta_t = (W_t; g_t), before step `t`; forgets a divergence, all momentum and every b. The
    /// generator runs on. With [`Stepper::step_with`], paths of minibatches are enumerated exactly.
    ///
    /// # Panics
    /// If `theta` has not the length of the loss's layout.
    pub fn restart(&mut self, theta: &[f64], t: u64) {
        assert_eq!(theta.len(), self.theta.len(), "theta has one number per parameter");
        self.theta.copy_from_slice(theta);
        self.rule.start(self.layout, &mut self.theta, &mut self.w_norm_sq);
        self.memory.clear();
        self.t = t;
        self.largest_g_sq = norm_sq(&self.theta[self.layout.g()]);
        self.divergence = None;
    }

    /// Draws z and makes one step.
    ///
    /// # Errors
    /// When something is not finite, now or in an earlier step.
    #[inline]
    pub fn step(&mut self) -> Result<Step, Divergence> {
        let step = self.evaluate()?;
        self.advance(step)?;
        Ok(step)
    }

    /// Makes one step with the given minibatch z; the generator is not used.
    ///
    /// # Errors
    /// When something is not finite, now or in an earlier step.
    pub fn step_with(&mut self, z: &[usize]) -> Result<Step, Divergence> {
        self.divergence.map_or(Ok(()), Err)?;
        let loss = self.evaluator.gradient(self.loss, z, &self.theta, &mut self.gradient);
        let step = self.look(loss)?;
        self.advance(step)?;
        Ok(step)
    }

    /// t, the number of steps made.
    pub fn t(&self) -> u64 {
        self.t
    }

    /// theta_t = (W_t; g_t), or theta~_t = (V_t; g_t) under [`StepRule::Adaptive`]. After a divergence of
    /// [`NotFinite::Parameters`], the values that are not finite.
    pub fn theta(&self) -> &[f64] {
        &self.theta
    }

    /// The theta that the last step started from, if it is kept.
    pub fn theta_before(&self) -> Option<&[f64]> {
        self.before.as_deref()
    }

    /// grad F_z at the theta that the last step started from, [`Stepper::theta_before`].
    pub fn gradient(&self) -> &[f64] {
        &self.gradient
    }

    /// The squared norm of each block of [`Stepper::gradient`].
    pub fn gradient_norm_sq(&self) -> &[f64] {
        &self.gradient_norm_sq
    }

    /// m of the rules with momentum, after the last step, in theta's layout (the part of g is 0);
    /// empty under the others.
    pub fn momentum(&self) -> &[f64] {
        self.memory.mean()
    }

    /// b of block i under [`StepRule::WnGrad`] and [`StepRule::AdaGradNorm`], with all gradients up to the last step's;
    /// nothing under the others.
    pub fn divisor(&self, i: usize) -> Option<f64> {
        self.memory.divisor(i)
    }

    /// The effective learning rate of block i at theta_t, where eta_{w,t} is `eta_w`: eta_{w,t}/n_i, under a rule with
    /// b divided by [`Stepper::divisor`], which does not know of the gradient of step t yet.
    pub fn effective_lr(&self, i: usize, eta_w: f64) -> f64 {
        let rate = eta_w / self.w_norm_sq[i];
        self.memory.divisor(i).map_or(rate, |b| rate / b)
    }

    /// n_i = ||w_i||^2 of theta_t; under [`StepRule::Adaptive`], G_i. Under [`StepRule::Projected`] the norms the
    /// blocks are brought back to.
    pub fn w_norm_sq(&self) -> &[f64] {
        &self.w_norm_sq
    }

    /// The largest ||g_tau|| of every tau <= t, counted from the start or from the last restart: what a hypothesis on
    /// |g| <= K is about.
    ///
    /// ```
    /// use ratecheck::descent::{Schedule, StepRule, Stepper};
    /// use ratecheck::{loss::closed::ProblemJ, random::Seed};
    /// let loss = ProblemJ::default();
    /// let eta = Schedule::constant(0.5)?;
    /// let theta_0 = [1.0, 0.0, 0.0, 0.0, 9.0];
    /// let mut stepper = Stepper::new(&loss, &theta_0, StepRule::Gradient, eta, eta, Seed::new(0).generator("z"));
    /// stepper.step()?;
    /// stepper.step()?;
    /// assert!(stepper.theta()[4] < 6.0);
    /// assert_eq!(stepper.largest_g(), 9.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn largest_g(&self) -> f64 {
        self.largest_g_sq.sqrt()
    }

    /// The buffers of the last evaluation, for what a loss leaves there: see
    /// [`Network::unit_statistics`](crate::network::Network::unit_statistics).
    pub fn buffers(&mut self) -> Buffers<'_> {
        self.evaluator.buffers()
    }

    /// Draws z and looks at F_z without moving.
    #[inline]
    pub(super) fn evaluate(&mut self) -> Result<Step, Divergence> {
        self.divergence.map_or(Ok(()), Err)?;
        let z = self.z.draw(&mut self.generator, &mut self.permutation);
        let loss = self.evaluator.gradient(self.loss, z, &self.theta, &mut self.gradient);
        self.look(loss)
    }

    /// Draws z for an evaluation that somebody else makes: see [`super::Lockstep`].
    pub(super) fn draw(&mut self) -> &[usize] {
        self.z.draw(&mut self.generator, &mut self.permutation)
    }

    /// Takes what that somebody has found, before t moves on: theta, its gradient,
    /// and the squared norms of their blocks.
    pub(super) fn take(&mut self, [theta, gradient, w_norm_sq, gradient_norm_sq]: [impl Iterator<Item = f64>; 4]) {
        let fill =
            |to: &mut [f64], from: &mut dyn Iterator<Item = f64>| to.iter_mut().zip(from).for_each(|(x, y)| *x = y);
        fill(&mut self.theta, &mut { theta });
        fill(&mut self.gradient, &mut { gradient });
        fill(&mut self.w_norm_sq, &mut { w_norm_sq });
        fill(&mut self.gradient_norm_sq, &mut { gradient_norm_sq });
    }

    /// How blocks move, and how they decay.
    pub(super) fn rule(&self) -> (StepRule, WeightDecay) {
        (self.rule, self.memory.decay())
    }

    /// eta_{w,t} and eta_{g,t}.
    pub(super) fn schedules(&self) -> [Schedule; 2] {
        [self.eta_w, self.eta_g]
    }

    /// Where and how the run diverged, if it has.
    pub fn divergence(&self) -> Option<Divergence> {
        self.divergence
    }

    /// Takes the norms of the gradient at theta_t.
    #[inline]
    fn look(&mut self, loss: f64) -> Result<Step, Divergence> {
        let layout = self.layout;
        let mut grad_v_sq = 0.0;
        for (i, block) in layout.blocks().iter().enumerate() {
            let sq = norm_sq(&self.gradient[block.range.clone()]);
            self.gradient_norm_sq[i] = sq;
            // Lemma 2.2: what the gradient at theta~ has as its norm.
            grad_v_sq += self.rule.stored_norm_sq(self.w_norm_sq[i]) * sq;
        }
        let grad_g_sq = norm_sq(&self.gradient[layout.g()]);
        self.judge(loss, grad_v_sq, grad_g_sq, [self.eta_w.at(self.t), self.eta_g.at(self.t)])
    }

    /// What was seen at theta_t, if it is finite.
    #[inline]
    pub(super) fn judge(
        &mut self,
        loss: f64,
        grad_v_sq: f64,
        grad_g_sq: f64,
        [eta_w, eta_g]: [f64; 2],
    ) -> Result<Step, Divergence> {
        self.divergence.map_or(Ok(()), Err)?;
        if !loss.is_finite() {
            return Err(self.diverge(NotFinite::Loss));
        }
        if !(grad_v_sq + grad_g_sq).is_finite() {
            return Err(self.diverge(NotFinite::Gradient));
        }
        Ok(Step { t: self.t, loss, eta_w, eta_g, grad_v_sq, grad_g_sq })
    }

    /// Moves from theta_t to theta_{t+1} along the gradient seen last.
    #[inline]
    pub(super) fn advance(&mut self, step: Step) -> Result<(), Divergence> {
        if let Some(before) = &mut self.before {
            before.copy_from_slice(&self.theta);
        }
        let layout = self.layout;
        self.memory.begin_step();
        let kept = self.memory.decay().kept(step.eta_w);
        let mut total_sq = 0.0;
        for (i, block) in layout.blocks().iter().enumerate() {
            let (w, grad) = (&mut self.theta[block.range.clone()], &self.gradient[block.range.clone()]);
            let (n, grad_sq) = (&mut self.w_norm_sq[i], self.gradient_norm_sq[i]);
            let rate = self.memory.take_up(i, w, grad, grad_sq, self.rule.rate(step.eta_w, *n));
            self.memory.move_block(block.range.start, w, grad, rate, kept);
            total_sq += self.rule.settle(w, grad_sq, step.eta_w, kept, n);
        }
        let g = &mut self.theta[layout.g()];
        move_against(g, &self.gradient[layout.g()], step.eta_g);
        let g_sq = norm_sq(g);
        self.arrive(total_sq + g_sq, g_sq)
    }

    /// Ends a step, if the squared norm of the new theta is finite; `g_sq` is that of its g.
    #[inline]
    pub(super) fn arrive(&mut self, total_sq: f64, g_sq: f64) -> Result<(), Divergence> {
        if !total_sq.is_finite() {
            return Err(self.diverge(NotFinite::Parameters));
        }
        // Finite, since the whole is.
        self.largest_g_sq = self.largest_g_sq.max(g_sq);
        self.t += 1;
        Ok(())
    }

    /// Notes a divergence in step t.
    #[cold]
    pub(super) fn diverge(&mut self, what: NotFinite) -> Divergence {
        *self.divergence.insert(Divergence { step: self.t, what })
    }

    /// The angle between v_i before and after the step that [`Stepper::evaluate`] has prepared.
    ///
    /// With d what the block moves against (its gradient under the plain rules), k what a decoupled decay leaves of w
    /// (all of it without one), and p = <w, d>/||w||^2 it is atan2(rate ||d - p w||, ||w|| (k - rate p)), where p = 0
    /// up to rounding for the gradient of a scale-invariant block. Unlike the arc cosine of <v_t, v_{t+1}> it keeps its
    /// relative accuracy for small angles, and unlike the chord it needs no theta_{t+1}.
    pub(super) fn angular_update(&self, i: usize, eta_w: f64) -> f64 {
        let block = self.layout.block(i);
        let (w, start) = (&self.theta[block.clone()], block.start);
        let direction = |k: usize| self.memory.next(start + k, w[k], self.gradient[start + k]);
        let (rate, grad) = (self.rule.rate(eta_w, self.w_norm_sq[i]), &self.gradient[block.clone()]);
        let rate = self.memory.next_rate(i, w, grad, self.gradient_norm_sq[i], rate);
        let kept = self.memory.decay().kept(eta_w);
        let n = norm_sq(w);
        let p = (0..w.len()).map(|k| w[k] * direction(k)).sum::<f64>() / n;
        let across_sq: f64 = (0..w.len()).map(|k| (direction(k) - p * w[k]).powi(2)).sum();
        libm::atan2(rate * across_sq.sqrt(), n.sqrt() * (kept - rate * p))
    }
}
