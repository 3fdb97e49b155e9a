//! Long runs of gradient descent on a user's loss, for the statements on how they end, and what is broken about them.

use ratecheck::descent::{Plan, Schedule, StepRule, Trace, run};
use ratecheck::random::Seed;

use crate::claim::evidence::{Check, Context, SubjectControl, Unevaluated, Verdict};
use crate::claim::parallel::InParallel;
use crate::claim::subject::Subject;
use crate::paper::gradient_descent::{Terms, steps};

/// The rule of a step for an eta_w.
pub(crate) type Rule = fn(f64) -> StepRule;

/// A statement on runs of gradient descent that are long enough to show how they end.
pub(crate) trait LongRuns {
    /// Runs and judges every rate.
    ///
    /// # Errors
    /// If a run cannot be judged at all.
    fn judged(subject: &Subject, terms: &Terms, rates: &[f64], rule: Rule, n_steps: u64) -> Result<Check, Unevaluated>;
}

/// The controls of every such statement.
pub(crate) fn controls<S: LongRuns>() -> Vec<SubjectControl> {
    vec![
        SubjectControl {
            name: "weight decay in the loss",
            breaks: "F + (λ/2)‖W‖² with η_w λ = 3, which diverges, and is stopped while finite",
            run: |subject, _| {
                let run = |(terms, eta_w): (Terms, f64)| {
                    S::judged(subject, &terms, &[eta_w], |_| StepRule::Gradient, SHORTEST)
                };
                Some(Terms::decayed(subject).and_then(run))
            },
        },
        SubjectControl {
            name: "projected descent",
            breaks: "every block is brought back to its norm after each step, at 10 to 1000 times 1/L^vv; left out \
                     where it settles nevertheless, or T is too short to say",
            run: |subject, context| broken::<S>(subject, |_| StepRule::Projected, context).transpose(),
        },
        SubjectControl {
            name: "weight decay on w",
            breaks: "w also shrinks by half in every step, so that norms settle and effective rates do not fall; \
                     left out like the last one",
            run: |subject, context| {
                broken::<S>(subject, |eta_w| StepRule::Decay { lambda: 0.5 / eta_w }, context).transpose()
            },
        },
    ]
}

fn broken<S: LongRuns>(subject: &Subject, rule: Rule, context: &Context) -> Result<Option<Check>, Unevaluated> {
    let terms = Terms::of(subject)?;
    let check = S::judged(subject, &terms, &unstable(&terms), rule, n_steps(subject, 0.06, context))?;
    Ok(if_it_fails(check))
}

/// What is broken may settle all the same on this or that loss; the control that diverges remains.
pub(crate) fn if_it_fails(check: Check) -> Option<Check> {
    matches!(check.verdict(), Verdict::Fails { .. }).then_some(check)
}

/// T of the runs that are judged: what some time allows, and twice that where it is not enough for a slow network.
pub(crate) fn long(subject: &Subject, context: &Context) -> u64 {
    let enough = context.pick([20_000, 40_000, 400_000, 1_000_000]);
    let [usual, generous] = [0.3, 0.6].map(|seconds| n_steps(subject, seconds, context));
    generous.min(enough).max(usual)
}

/// T of every run; the last decade has to have some steps in it.
pub(crate) fn n_steps(subject: &Subject, seconds: f64, context: &Context) -> u64 {
    steps(subject, seconds, context.profile).max(SHORTEST)
}

/// The fewest steps whose last decade can be fitted.
const SHORTEST: u64 = 100;

/// Learning rates that are far too large for the norms of the start.
fn unstable(terms: &Terms) -> [f64; 3] {
    let largest = |of: &[f64]| of.iter().fold(0.0_f64, |max, x| max.max(*x));
    let scale = largest(&terms.n_start) / largest(&terms.least.l_vv);
    [1e1, 1e2, 1e3].map(|times| times * scale)
}

/// One run for every rate.
pub(crate) fn descend(
    terms: &Terms,
    rates: &[f64],
    rule: Rule,
    n_steps: u64,
    horizons: &[u64],
) -> Result<Vec<Trace>, Unevaluated> {
    let one = |&eta_w: &f64| -> Result<Trace, Unevaluated> {
        let (eta_w, eta_g) = (Schedule::constant(eta_w)?, Schedule::constant(terms.eta_g)?);
        let plan = Plan::new(rule(eta_w.eta()), eta_w, eta_g, n_steps, horizons.iter().copied());
        Ok(run(&*terms.loss, &terms.theta_0, &plan, Seed::new(0).generator("full batch")))
    };
    rates.in_parallel(one).into_iter().collect()
}
