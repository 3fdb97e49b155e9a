//! One run, and everything that determines it.

use ratecheck::descent::{
    Divergence, Lockstep, NotFinite, Plan as Descent, Schedule, StepRule, Stepper, WeightDecay, run, run_in_lockstep,
};
use ratecheck::loss::{Loss, Workspace};
use ratecheck::parameters::norm_sq;
use ratecheck::random::{Generator, Seed};
use serde::{Deserialize, Serialize};

use super::instance::{Identity, Instance};
use super::outcome::{Outcome, Row, hex_of};

/// The version of a cell's file and of the line that names it; it grows with every change of either.
const FORMAT: u32 = 1;

/// The version of the numbers: it grows whenever the same cell gives other bits than before, so that nothing computed
/// by an older engine is taken for new. A test watches over it.
pub const ENGINE: u32 = 3;

/// The function whose gradient is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LookAt {
    /// L = E_z F_z, exactly where z is one of finitely many minibatches, else estimated.
    Mean,
    /// F_z for z all examples at once, which is not L where a normalisation looks at z.
    FullBatch,
}

/// What all runs of a sweep have in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Runs {
    /// T.
    pub n_steps: u64,
    /// The steps t at which something is recorded; the last is T.
    pub horizons: Vec<u64>,
    /// The function that is looked at.
    pub look_at: LookAt,
    /// Whether it is looked at in every step, for the running minimum and sums.
    pub every_step: bool,
    /// How many fresh minibatches estimate L, where it has to be estimated.
    pub fresh_minibatches: usize,
}

/// eta (t+1)^(-alpha) growth^t.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rate {
    /// eta.
    pub eta: f64,
    /// alpha.
    pub alpha: f64,
    /// What the rate is multiplied by from step to step; no part of a cell's name where it is 1, so that names are what
    /// they were before there was one.
    #[serde(skip_serializing_if = "is_one")]
    pub growth: f64,
}

/// As serde wants it, by reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_one(x: &f64) -> bool {
    *x == 1.0
}

impl Rate {
    /// A rate of 1.
    pub(super) const ONE: Self = Self { eta: 1.0, alpha: 0.0, growth: 1.0 };

    /// The plan has checked all numbers.
    pub(super) fn schedule(self) -> Schedule {
        let schedule = Schedule::new(self.eta, self.alpha).and_then(|schedule| schedule.growing(self.growth));
        schedule.unwrap_or_else(|error| panic!("a plan let a rate through: {error}"))
    }
}

/// One run of a sweep.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Its loss: the place in the plan's list.
    pub instance: usize,
    /// How a block moves.
    pub rule: StepRule,
    /// How it decays beside that.
    pub decay: WeightDecay,
    /// Both in the words of a plan.
    pub rule_in_words: String,
    /// eta_{w,t}.
    pub eta_w: Rate,
    /// eta_{g,t}; none on a loss without a g.
    pub eta_g: Option<Rate>,
    /// c_g, where it has set eta_g.
    pub c_g: Option<f64>,
    /// The root of the run's seed tree; none for a run without chance.
    pub seed: Option<u64>,
    /// The SHA-256 of [`Cell::identity`]: the cell's name.
    pub key: String,
}

impl Cell {
    /// Fills in the key.
    pub(super) fn named(mut self, instance: &Instance, runs: &Runs) -> Self {
        self.key = hex_of(self.identity(instance, runs).as_bytes());
        self
    }

    /// The line that determines every bit of the run.
    pub fn identity(&self, instance: &Instance, runs: &Runs) -> String {
        #[derive(Serialize)]
        struct Line<'a> {
            format: u32,
            engine: u32,
            loss: &'a Identity,
            rule: &'a str,
            eta_w: Rate,
            eta_g: Option<Rate>,
            runs: &'a Runs,
            seed: Option<u64>,
        }
        let line = Line {
            format: FORMAT,
            engine: ENGINE,
            loss: instance.identity(),
            rule: &self.rule_in_words,
            eta_w: self.eta_w,
            eta_g: self.eta_g,
            runs,
            seed: self.seed,
        };
        // Numbers are the shortest that read back as the same bits; no key is a map's,
        // so that nothing can fail or be reordered.
        serde_json::to_string(&line).unwrap_or_else(|error| panic!("a cell has no name: {error}"))
    }

    /// The steps, with its generators: where it starts, and what draws z.
    pub(super) fn prepared(&self, instance: &Instance, runs: &Runs) -> (Descent, Vec<f64>, Generator) {
        // Without a g any rate moves nothing.
        let (eta_w, eta_g) = (self.eta_w.schedule(), self.eta_g.unwrap_or(Rate::ONE).schedule());
        let horizons = runs.horizons.iter().copied();
        let plan = Descent::new(self.rule, eta_w, eta_g, runs.n_steps, horizons).decaying(self.decay);
        let plan = plan.estimating_by(runs.fresh_minibatches);
        let seed = Seed::new(self.seed.unwrap_or(0));
        let plan = if runs.every_step { plan.every_step() } else { plan };
        (plan, instance.theta_0(&seed), seed.generator("sweep/z"))
    }

    /// Whether it may run in lockstep with others of its instance and rule, and is likely to gain by it.
    pub(super) fn lockstep(&self, instance: &Instance) -> bool {
        self.rule.goes_in_lockstep() && instance.loss().gains_in_lockstep()
    }

    /// Runs it. The bits depend on the cell alone.
    pub(super) fn run(&self, instance: &Instance, runs: &Runs) -> Outcome {
        let (plan, theta_0, generator) = self.prepared(instance, runs);
        let loss = instance.loss();
        match runs.look_at {
            // Gradient descent sees the full batch anyway.
            LookAt::FullBatch if !instance.is_full_batch() => full_batch(loss, &theta_0, &plan, generator),
            _ => Outcome::from((&run(loss, &theta_0, &plan, generator), loss.parameters().n_blocks())),
        }
    }
}

/// Runs cells of one instance and rule in lockstep. The bits are those of [`Cell::run`].
///
/// # Panics
/// If they cannot: see [`Cell::lockstep`].
pub(super) fn run_together(cells: &[&Cell], instance: &Instance, runs: &Runs) -> Vec<Outcome> {
    let loss = instance.loss();
    let prepared: Vec<_> = cells.iter().map(|cell| cell.prepared(instance, runs)).collect();
    if runs.look_at == LookAt::FullBatch && !instance.is_full_batch() {
        return prepared.chunks(Lockstep::RUNS).flat_map(|runs| full_batch_together(loss, runs)).collect();
    }
    let n_blocks = loss.parameters().n_blocks();
    let starts: Vec<_> = prepared.into_iter().map(|(plan, theta_0, z)| (theta_0, plan, z)).collect();
    run_in_lockstep(loss, &starts).iter().map(|trace| Outcome::from((trace, n_blocks))).collect()
}

/// The run of [`run`] with F_z for z all examples recorded in the place of L, on the horizons.
fn full_batch(loss: &dyn Loss, theta_0: &[f64], plan: &Descent, generator: Generator) -> Outcome {
    let mut outcome = Outcome::new(loss.parameters().n_blocks());
    let mut stepper = plan.stepper(loss, theta_0, generator);
    let mut eye = FullBatch::new(loss);
    let mut follow = || -> Result<(), Divergence> {
        for &horizon in plan.horizons() {
            while stepper.t() < horizon {
                stepper.step()?;
            }
            eye.look(plan, &stepper, &mut outcome)?;
        }
        Ok(())
    };
    if let Err(divergence) = follow() {
        outcome.diverged(divergence);
    }
    outcome
}

/// The same of several runs in lockstep.
fn full_batch_together(loss: &dyn Loss, runs: &[(Descent, Vec<f64>, Generator)]) -> Vec<Outcome> {
    let mut outcomes = vec![Outcome::new(loss.parameters().n_blocks()); runs.len()];
    let steppers = runs.iter().map(|(plan, theta_0, generator)| plan.stepper(loss, theta_0, generator.clone()));
    let mut together = Lockstep::new(loss, steppers.collect());
    let mut eye = FullBatch::new(loss);
    let mut t = 0;
    for &horizon in runs[0].0.horizons() {
        while t < horizon {
            together.step();
            t += 1;
        }
        for ((stepper, (plan, ..)), outcome) in together.settled().iter().zip(runs).zip(&mut outcomes) {
            if outcome.divergence().is_none() {
                let seen = stepper.divergence().map_or_else(|| eye.look(plan, stepper, outcome), Err);
                seen.unwrap_or_else(|divergence| outcome.diverged(divergence));
            }
        }
    }
    outcomes
}

/// What looks at F_z for z all examples.
struct FullBatch<'a> {
    loss: &'a dyn Loss,
    all: Vec<usize>,
    gradient: Vec<f64>,
    work: Workspace<f64>,
}

impl<'a> FullBatch<'a> {
    fn new(loss: &'a dyn Loss) -> Self {
        let all = (0..loss.minibatches().n_examples()).collect();
        Self { loss, all, gradient: vec![0.0; loss.parameters().len()], work: Workspace::default() }
    }

    fn look(&mut self, plan: &Descent, stepper: &Stepper<'_>, outcome: &mut Outcome) -> Result<(), Divergence> {
        let (layout, t) = (self.loss.parameters(), stepper.t());
        let value = self.loss.sample_gradient(&self.all, stepper.theta(), &mut self.gradient, &mut self.work);
        let norms = stepper.w_norm_sq();
        // Lemma 2.2. The adaptive rule stores blocks of norm 1, whose gradient is that at theta~ already.
        let stored = |n: f64| if plan.rule == StepRule::Adaptive { 1.0 } else { n };
        let blocks = layout.blocks().iter().zip(norms);
        let by_block: Vec<f64> = blocks.map(|(b, &n)| stored(n) * norm_sq(&self.gradient[b.range.clone()])).collect();
        let grad_v_sq: f64 = by_block.iter().sum();
        let grad_g_sq = norm_sq(&self.gradient[layout.g()]);
        let diverged = |what| Divergence { step: t, what };
        if !value.is_finite() {
            return Err(diverged(NotFinite::Loss));
        }
        if !(grad_v_sq + grad_g_sq).is_finite() {
            return Err(diverged(NotFinite::Gradient));
        }
        let eta_w = plan.eta_w.at(t);
        let effective_lr: Vec<f64> = (0..norms.len()).map(|i| stepper.effective_lr(i, eta_w)).collect();
        let unknown = vec![f64::NAN; norms.len()];
        outcome.push(&Row {
            loss: value,
            grad_v_sq,
            grad_g_sq,
            running: [f64::NAN; 3],
            blocks: [&by_block, norms, &effective_lr, &unknown],
        });
        Ok(())
    }
}
