//! Runs of a user's loss for the statements about every path: Lemmas B.3 and B.4 and Remark 4.1.
//!
//! They ask for an LA with ||grad_{v_i} F_z|| <= LA_i. Their proofs use it for the minibatches and the points of the
//! path alone, so the largest norm that the path itself shows is an LA for it: the smallest there is, and the bounds
//! rise with LA. So a run is followed twice, first for its LA. Lemma A.1's, pi L^vv,
//! is compared with it where L^vv is known.

use ratecheck::descent::{Divergence, StepRule, Stepper};
use ratecheck::loss::Workspace;
use ratecheck::parameters::norm_sq;

use super::{Bound, Case};
use crate::claim::evidence::{Check, Context, Evidence, Standing, Unevaluated};
use crate::claim::parallel::InParallel;
use crate::claim::subject::{Premise, Subject};

/// A replay in double-double takes some fifty times as long as the run.
const REPLAYS: u64 = 200;

/// Evidence, and of every run (eta_w, alpha) and what was found.
type Followed<T> = (Evidence, Vec<([f64; 2], T)>);

/// What a control runs: a few steps.
#[derive(Clone, Copy)]
pub(crate) struct Short {
    /// eta_w.
    pub(crate) eta_w: f64,
    pub(crate) alpha: f64,
    pub(crate) rule: StepRule,
    pub(crate) steps: u64,
}

impl Short {
    /// A run of a subject with its own LA, compared by `compare`, which may look at it first.
    ///
    /// # Errors
    /// If not even its first step is finite, or what `compare` finds.
    pub(crate) fn compared(
        self,
        subject: &Subject,
        context: &Context,
        compare: impl FnOnce(&mut Check, &Case<'_>) -> Result<(), Unevaluated>,
    ) -> Result<Check, Unevaluated> {
        let (runs, mut check) = (Runs::new(subject, 0.0, context)?, Check::new());
        let run = |steps, l_a| Case { rule: self.rule, ..runs.case([self.eta_w, self.alpha], steps, l_a) };
        let (l_a, steps) = runs.largest(&mut check, run(self.steps, &[]), context)?;
        compare(&mut check, &run(steps, &l_a))?;
        Ok(check)
    }
}

/// What all runs of a subject share.
pub(crate) struct Runs<'a> {
    subject: &'a Subject,
    eta_g: f64,
    from: &'static str,
    /// T.
    pub(crate) steps: u64,
}

impl<'a> Runs<'a> {
    /// Runs whose steps take about `seconds` each.
    pub(crate) fn new(subject: &'a Subject, seconds: f64, context: &Context) -> Result<Self, Unevaluated> {
        let (eta_g, from) = subject.eta_g()?;
        Ok(Self { subject, eta_g, from, steps: subject.steps(seconds, context.profile) })
    }

    /// A run of plain steps.
    pub(crate) fn case<'b>(&'b self, [eta_w, alpha]: [f64; 2], steps: u64, l_a: &'b [f64]) -> Case<'b> {
        Case {
            name: &self.subject.name,
            loss: &*self.subject.loss,
            theta_0: &self.subject.theta,
            l_a,
            rule: StepRule::Gradient,
            eta_w,
            alpha,
            eta_g: self.eta_g,
            steps,
            bound: Bound::Met,
            replays: REPLAYS,
        }
    }

    /// Follows a run of every alpha and eta_w with its own LA; in parallel, merged in this order.
    pub(crate) fn each<T: Send>(
        &self,
        alphas: &[f64],
        context: &Context,
        judge: impl Fn(&mut Check, &Case<'_>) -> Result<T, Unevaluated> + Sync,
    ) -> Result<Followed<T>, Unevaluated> {
        let grid: Vec<[f64; 2]> = alphas
            .iter()
            .flat_map(|&alpha| self.subject.settings.eta_w.iter().map(move |&eta_w| [eta_w, alpha]))
            .collect();
        let found: Vec<_> = grid.in_parallel(|&rates| -> Result<_, Unevaluated> {
            let mut check = Check::new();
            let (l_a, steps) = self.largest(&mut check, self.case(rates, self.steps, &[]), context)?;
            let found = judge(&mut check, &self.case(rates, steps, &l_a))?;
            Ok((check, l_a, found))
        });
        let (mut evidence, mut all) = (Evidence::default(), Vec::new());
        let mut seen = vec![0.0_f64; self.subject.layout().n_blocks()];
        for (rates, found) in grid.into_iter().zip(found) {
            let (check, l_a, found) = found?;
            evidence.check.merge(check);
            seen.iter_mut().zip(l_a).for_each(|(most, l)| *most = most.max(l));
            all.push((rates, found));
        }
        self.describe(&mut evidence, &seen);
        Ok((evidence, all))
    }

    /// LA of a run, and how many of its steps were finite.
    pub(crate) fn largest(
        &self,
        check: &mut Check,
        case: Case<'_>,
        context: &Context,
    ) -> Result<(Vec<f64>, u64), Unevaluated> {
        let (l_a, divergence) = case.largest(context)?;
        let Some(Divergence { step, .. }) = divergence else { return Ok((l_a, case.steps)) };
        let divergence = divergence.map_or_else(String::new, |divergence| divergence.to_string());
        if step == 0 {
            return Err(Unevaluated(divergence));
        }
        check.hypothesis(
            format!("{}: ∇F_z is bounded on the run", case.name),
            Standing::NotMet,
            format!("α = {}, η_w = {}: {divergence}", case.alpha, case.eta_w),
        );
        Ok((l_a, step))
    }

    /// What was run, and what its LA is.
    fn describe(&self, evidence: &mut Evidence, seen: &[f64]) {
        let name = &self.subject.name;
        let most = seen.iter().fold(0.0_f64, |most, &l| most.max(l));
        evidence.check.hypothesis(
            format!("{name}: ‖∇_v F_t‖ ≤ L_A at every step of the run"),
            Standing::Met,
            format!("L_A is the largest norm of each block on each run, at most {most:.3e}"),
        );
        evidence.observe("T", self.steps as f64, "of every run");
        evidence.observe("η_g", self.eta_g, self.from);
        if self.subject.lacks(Premise::Smooth).is_some() {
            return;
        }
        let Ok(known) = self.subject.constants() else { return };
        let share = |i: usize| seen[i] / known.best().l_vv[(i, i)];
        let largest = (0..seen.len()).map(share).fold(0.0_f64, f64::max);
        let note = format!("Lemma A.1 has π, and 1 suffices; L^vv {}", known.how);
        evidence.observe("largest ‖∇_v F_t‖/L^vv", largest, note);
    }
}

impl Case<'_> {
    /// The largest ||grad_{v_i} F_t|| of every block, as far as the run is finite.
    fn largest(&self, context: &Context) -> Result<(Vec<f64>, Option<Divergence>), Unevaluated> {
        let mut stepper = self.stepper(self.generator(context))?;
        let mut before = vec![0.0; stepper.w_norm_sq().len()];
        let mut largest = vec![0.0_f64; before.len()];
        for _ in 0..self.steps {
            before.copy_from_slice(stepper.w_norm_sq());
            if let Err(divergence) = stepper.step() {
                return Ok((largest, Some(divergence)));
            }
            for ((l, n), sq) in largest.iter_mut().zip(&before).zip(stepper.gradient_norm_sq()) {
                *l = l.max((n * sq).sqrt());
            }
        }
        Ok((largest, None))
    }

    fn stepper(&self, generator: ratecheck::random::Generator) -> Result<Stepper<'_>, Unevaluated> {
        let (rate_w, rate_g) = self.rates()?;
        Ok(Stepper::new(self.loss, self.theta_0, self.rule, rate_w, rate_g, generator))
    }
}

/// ||w||^2/||grad_v F|| at the start, from means over the blocks and some minibatches: the learning rate whose first
/// step is as long as w. A start at which that gradient is 0 has L^vv in its place, which it may come to.
pub(crate) fn natural_rate(subject: &Subject, context: &Context) -> Option<f64> {
    let (layout, n) = (subject.layout(), subject.n_start());
    let batches = subject.batches(8, &context.seed);
    let (mut grad, mut work, mut square) = (vec![0.0; layout.len()], Workspace::default(), 0.0);
    for z in &batches {
        subject.loss.sample_gradient(z, &subject.theta, &mut grad, &mut work);
        square += layout.blocks().iter().zip(&n).map(|(block, n)| n * norm_sq(&grad[block.range.clone()])).sum::<f64>();
    }
    let mut length = (square / (batches.len() * n.len()) as f64).sqrt();
    if length == 0.0 {
        length = subject.constants().ok()?.least.l_vv.diag().mean()?;
    }
    let rate = n.iter().sum::<f64>() / n.len() as f64 / length;
    (rate.is_finite() && rate > 0.0).then_some(rate)
}
