//! Section 5 on a user's loss: runs from its start, in double-double where the loss has it.
//!
//! The comparisons and their rounding are those of [`super::path`], with the unit of identities on a user's loss
//! ([`Evaluator::unit`]) in the place of u: it leaves room for whatever spreads of units the loss divides by.

use std::fmt;

use ratecheck::descent::StepRule;
use ratecheck::loss::{Arithmetic, Loss};
use ratecheck::scalar::DoubleDouble;

use super::path::{Mover, Rates};
use super::precise::Precise;
use super::{Compared, Followed, Least, Momentum, evidence_of, forms};
use crate::claim::evidence::{Check, Context, Evidence, Inequality, Measure, SubjectControl, Unevaluated};
use crate::claim::parallel::InParallel;
use crate::claim::precise::Evaluator;
use crate::claim::replay::Sides;
use crate::claim::subject::{Premise, Subject};
use crate::paper::visits::{of_norm_two, precise_steps, rate_of_g};

impl Measure for Momentum {
    fn needs(&self) -> &'static [Premise] {
        &[Premise::ScaleInvariant]
    }

    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated> {
        let steps = precise_steps(subject, context);
        let (runs, largest) = (&subject.settings.eta_w, subject.settings.eta_w.iter().fold(0.0_f64, |a, &b| a.max(b)));
        let constant = runs.iter().map(|&eta| Rates::Constant(eta));
        let rates: Vec<Rates> = constant.chain([Rates::Decaying(largest), Rates::Drawn]).collect();
        let start = Start::new(subject, steps);
        let work: Vec<(Mover, Rates)> =
            forms(0.9).into_iter().flat_map(|mover| rates.iter().map(move |&rates| (mover, rates))).collect();
        let found =
            work.in_parallel(|&(mover, rates)| start.follow(subject, mover, rates, None, Compared::Both, context));
        let found: Vec<(Followed, u64)> = found.into_iter().collect::<Result<_, _>>()?;
        let shortest = found.iter().map(|(_, made)| *made).min().unwrap_or(0);
        let mut evidence = evidence_of(found.into_iter().map(|(found, _)| found).collect());
        let note = if shortest < steps {
            format!("the shortest run is looked at for {shortest} of {steps}: then a number is not finite")
        } else {
            format!("η_g = {:.3e}; four forms of momentum, b = 0.9, {} kinds of rates", start.eta_g, rates.len())
        };
        evidence.observe(format!("steps of {} runs", work.len()), steps as f64, note);
        Ok(evidence)
    }

    fn controls(&self) -> Vec<SubjectControl> {
        vec![
            SubjectControl {
                name: "m_0 = w_0/2",
                breaks: "heavy ball starts with a momentum along w",
                run: |subject, context| {
                    let (ball, rates) = (StepRule::HeavyBall { b: 0.9 }, Rates::Constant(1e-3));
                    Some(broken(&of_norm_two(subject), ball, rates, Some(0.5), Compared::Norms, context))
                },
            },
            SubjectControl {
                name: "b = -1/2",
                breaks: "the momentum points backwards, while the rates fall",
                run: |subject, context| {
                    let (ball, rates) = (StepRule::HeavyBall { b: -0.5 }, Rates::Given(&[0.1, 0.005]));
                    Some(broken(&of_norm_two(subject), ball, rates, None, Compared::Norms, context))
                },
            },
            SubjectControl {
                name: "weight decay in the loss",
                breaks: "F + ‖W‖²/20 instead of F",
                run: |subject, context| {
                    let decayed = of_norm_two(subject).decayed(0.1);
                    let (ball, rates) = (StepRule::HeavyBall { b: 0.9 }, Rates::Constant(1e-3));
                    Some(broken(&decayed, ball, rates, None, Compared::Norms, context))
                },
            },
            SubjectControl {
                name: "no memory in the increment",
                breaks: "the increment is said to be ‖w_{t+1} - w_t‖² alone, as without momentum",
                run: |subject, context| {
                    let start = of_norm_two(subject);
                    let (ball, rates) = (StepRule::HeavyBall { b: 0.9 }, Rates::Constant(start.settings.eta_w[0]));
                    Some(broken(&start, ball, rates, None, Compared::IncrementOfTheStepAlone, context))
                },
            },
        ]
    }
}

fn broken(
    subject: &Subject,
    rule: StepRule,
    rates: Rates,
    push: Option<f64>,
    compared: Compared,
    context: &Context,
) -> Result<Check, Unevaluated> {
    let start = Start { curvature: vec![0.0; subject.layout().n_blocks()], ..Start::of(subject, 4) };
    Ok(start.follow(subject, Mover::Rule(rule), rates, push, compared, context)?.0.0)
}

/// What runs have in common.
struct Start {
    /// L of the module [`super::path`], per block: at what scale a gradient rounds where it is small.
    curvature: Vec<f64>,
    eta_g: f64,
    steps: u64,
}

impl Start {
    fn of(subject: &Subject, steps: u64) -> Self {
        Self { curvature: Vec::new(), eta_g: rate_of_g(subject).0, steps }
    }

    /// With what is known of the curvature, and 1 where nothing is.
    fn new(subject: &Subject, steps: u64) -> Self {
        let n = subject.layout().n_blocks();
        let curvature = subject.constants().map_or_else(|_| vec![1.0; n], |known| known.least.l_vv.diag().to_vec());
        Self { curvature, ..Self::of(subject, steps) }
    }

    /// One run, every block at every step; and the number of steps that were finite.
    fn follow(
        &self,
        subject: &Subject,
        mover: Mover,
        rates: Rates,
        push: Option<f64>,
        compared: Compared,
        context: &Context,
    ) -> Result<(Followed, u64), Unevaluated> {
        let evaluator = Evaluator::new(&*subject.loss);
        let how = How { mover, rates, push, compared, unit: evaluator.unit };
        if evaluator.is_precise() {
            let replay = |n, n_next, rounding| Some(Sides { lhs: n, rhs: n_next, rounding });
            self.run::<DoubleDouble>(subject, how, replay, context)
        } else {
            self.run::<f64>(subject, how, |_, _, _| None, context)
        }
    }

    fn run<S: Arithmetic>(
        &self,
        subject: &Subject,
        how: How,
        replay: fn(S, S, f64) -> Option<Sides>,
        context: &Context,
    ) -> Result<(Followed, u64), Unevaluated> {
        let How { mover, rates, push, compared, unit } = how;
        let (name, loss): (_, &dyn Loss) = (&subject.name, &*subject.loss);
        let seed = context.seed.child(&how.to_string());
        let run =
            Precise::<S>::new((loss, &subject.theta), mover, (rates, self.eta_g), &self.curvature, (push, unit), &seed);
        let mut run = run.ok_or_else(|| Unevaluated("the loss has no such arithmetic".to_owned()))?;
        let (mut check, mut least, mut made) = (Check::new(), Least::NONE, 0);
        for t in 0..self.steps {
            run.step().ok_or_else(|| Unevaluated(format!("{mover} has no momentum")))?;
            // The statement is about norms, and does not keep g from overflowing.
            if !run.seen().iter().all(|seen| seen.n_next.is_finite() && seen.rounding.is_finite()) {
                break;
            }
            made = t + 1;
            for (block, seen) in loss.parameters().blocks().iter().zip(run.seen()) {
                let at = format!("{name} · {mover}, {rates}, t = {t}, {}", block.name);
                let (n, n_next) = (seen.n.value(), seen.n_next.value());
                if compared != Compared::IncrementOfTheStepAlone {
                    let grows = Inequality { lhs: n, rhs: n_next, rounding: seen.rounding, scale: n.max(n_next) };
                    check.replayed(&at, grows, || replay(seen.n, seen.n_next, seen.rounding));
                }
                if compared != Compared::Norms {
                    let expected = if compared == Compared::Both { seen.increment } else { seen.step_sq };
                    let off = (seen.n_next - seen.n - expected).value().abs();
                    check.identity(format!("{at} (increment)"), off, seen.rounding);
                }
                least.look(mover, seen);
            }
        }
        Ok(((check, least), made))
    }
}

/// What a run is made with.
#[derive(Clone, Copy)]
struct How {
    mover: Mover,
    rates: Rates,
    push: Option<f64>,
    compared: Compared,
    unit: f64,
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.mover, self.rates)
    }
}
