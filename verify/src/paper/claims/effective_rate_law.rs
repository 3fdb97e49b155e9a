//! The effective-rate law: under SGD with a constant learning rate eta_w, eta_w/||w_T||^2 -> 1/sqrt(2 q T), whatever
//! eta_w is, with q = E||grad_v F||^2 at the minimiser. Derived here.
//!
//! Square Lemma 2.4's n_{t+1} = n_t + (eta_w^2/n_t) ||grad_v F_t||^2:
//!
//!   n_T^2 = n_0^2 + 2 eta_w^2 sum_t ||grad_v F_t||^2 + eta_w^4 sum_t ||grad_v F_t||^4/n_t^2,
//!
//! exactly, on every path (claim `lemma-b.3`). Let z_t be drawn afresh in every step, ||grad_v F_z|| <= LA (on |g| <=
//! K, which no iterate leaves), and let theta~_t tend to a minimiser in probability: its distance to the set of
//! minimisers does, and at all of them q(theta) = E_z ||grad_v F_z(theta)||^2 is the same q > 0. Write g_t = ||grad_v
//! F_t||^2.
//! * **Martingale.** Given the past, g_t has the mean q(theta~_t): z_t is independent of theta_t. So the M_T =
//!   sum_{t<T} (g_t - q(theta~_t)) are a martingale, whose increments have mean 0, are at most LA^2 and uncorrelated,
//!   however much the iterates, and with them the g_t, are correlated: E M_T^2 <= LA^4 T, and M_T/T -> 0 in mean
//!   square. (No decay of correlations is supposed.)
//! * **Mean.** q(theta) is continuous and bounded by LA^2, so q(theta~_t) -> q in probability and hence in the mean,
//!   and so do the averages: E|(1/T) sum_{t<T} q(theta~_t) - q| <= (1/T) sum_{t<T} E|q(theta~_t) - q| -> 0. Together
//!   (1/T) sum g_t -> q in the mean.
//! * **Fourth order.** All terms are at least 0, so n_t^2 >= n_0^2 + 2 eta_w^2 sum_{s<t} g_s, and with S_t = sum_{s<t}
//!   g_s the last sum is at most eta_w^4 LA^2 sum_t g_t/(n_0^2 + 2 eta_w^2 S_t) <= (eta_w^2 LA^2/2) (ln(1 + 2 eta_w^2
//!   LA^2 T/n_0^2) + 2 eta_w^2 LA^2/n_0^2) on every path (Lemma B.1, sharp): O(ln T).
//!
//! Divide by eta_w^2 T: (n_T/eta_w)^2/T -> 2 q in the mean, so e_T sqrt(2 q T) -> 1 in probability, and eta_w is gone.
//! What is left out is, relative to n_T^2, of the size (n_0^2 + eta_w^4 ||grad_v F_0||^4/n_0^2)/(2 eta_w^2 q T) + O(ln
//! T/T), where the first steps have most of the last sum, LA^2/(q sqrt(T)) for the martingale, and what E q(theta~_t)
//! differs from q on average, O(e_T); in e_T half of that. For problem J, E||grad_v F_0||^4 is 3, so that eta_w = 100
//! needs T = 4e6 to come within half a per cent from this term alone, while eta_w = 0.01 needs n_0^2/(2 eta_w^2 q T) =
//! 7e3/T to be small.
//!
//! On problem J the premise holds with q = g^2 s^2 (d - 1) = 3/4 ([`ProblemJ::noise_v`]).
//!
//! [`ProblemJ::noise_v`]: ratecheck::loss::closed::ProblemJ::noise_v

mod on_subject;

use ratecheck::descent::{Plan, Schedule, StepRule};
use ratecheck::loss::closed::ProblemJ;
use ratecheck::random::Seed;
use ratecheck::rates::log_spaced;

use crate::claim::closed_forms::ETA_W;
use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Profile, Statement, Unevaluated,
};
use crate::claim::plot::{Plot, Reference};
use crate::claim::sampled_test::{Design, Quantity, SampledTest, Side};
use crate::paper::auto_tuning::decades::{Decades, compared};
use crate::paper::sgd::coupled::Known;
use crate::paper::sgd::laws::effective_rate;
use crate::paper::sgd::problem_j::{Q, prediction};
use crate::paper::sgd::settled::Settled;
use crate::paper::sgd::{LEVEL, Table, curve, dashed};

/// See the module's first line.
pub(super) struct EffectiveRateLaw;

static STATEMENT: Statement = Statement {
    id: "effective-rate-law",
    title: "The effective-rate law",
    plain: "Under SGD with a constant learning rate the effective learning rate tends to 1/√(2qT), which knows the \
            noise q of the gradient at the minimum and nothing of the learning rate.",
    formula: "η_w/‖w_T‖² · √(2qT) → 1,   q = E‖∇_v F_z‖² at the minimiser",
    latex: &[r"\frac{\eta_w}{\|w_T\|^2}\,\sqrt{2qT}\to1,\qquad q=\mathbb{E}\|\nabla_vF_z\|^2\;\text{at the minimiser}"],
    printed_at: "not in the paper: Lemma B.3 bounds the effective rate from below, by Ω(T^(-1/2))",
    kind: Kind::Rate,
    origin: Origin::Derived,
    hypotheses: &[
        "F_z is scale invariant in w and C^{1,1} (nothing here needs C²), with ‖∇_v F_z‖ ≤ L_A on |g| ≤ K, which no \
         iterate leaves; constant η_w; z is drawn \
         afresh in every step",
        "θ̃_t tends to the minimisers in probability (measured: how L - L_min falls; problem J, η_{g,t} = \
         (t+1)^(-1/2)/2)",
        "q(θ) = E_z‖∇_v F_z‖² is the same q > 0 at all of them: the samples do not agree there (q = 3/4, exact for \
         problem J)",
    ],
    measured: "e_T·√(2qT) over 16 runs of problem J, for η_w = 1 and 10 (T = 2e5) or for η_w = 0.01, 1 (T = 1e6) and \
               100 (T = 4e6)",
    tolerance: "2%, by Student's interval at level 1 - 1e-8: for the start and the first step, (n₀² + 3η_w⁴)/(4η_w²qT) \
                of e_T, at most 0.33% (η_w = 0.01), and for corrections of relative order 1/√T",
    does_not_show: "that the law holds where iterates do not settle at one minimiser, or where q = 0 (then the norm \
                    converges)",
};

const LAW: f64 = 0.02;
const RUNS: usize = 16;
/// (eta_w, T).
const SHORT: [(f64, u64); 2] = [(1.0, 200_000), (10.0, 200_000)];
const LONG: [(f64, u64); 3] = [(0.01, 1_000_000), (1.0, 1_000_000), (100.0, 4_000_000)];
/// Where the law is broken: T, and the constant rate of projected SGD.
const CONTROL: (u64, f64) = (20_000, 0.3);

impl Claim for EffectiveRateLaw {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut evidence = Evidence::default();
        let mut tables = Vec::new();
        for &(eta_w, n_steps) in cases(context) {
            let (table, settled) = effective_rates(StepRule::Gradient, eta_w, n_steps, &context.seed)?;
            settled.hypotheses(&mut evidence.check, &format!("η_w = {eta_w}"), &Known::problem_j());
            let ratio = effective_rate(&mut evidence.check, &format!("η_w = {eta_w} · T = {n_steps}"), &table, Q, LAW)?;
            let (i, name) = (ratio.interval(0.95), format!("e_T·√(2qT), η_w = {eta_w}"));
            evidence.observe_interval(
                name,
                ratio.value,
                [i.low, i.high],
                format!("95% over {RUNS} runs of T = {n_steps}"),
            );
            tables.push((eta_w, table));
        }
        evidence.plots.push(plot(&tables)?);
        if context.profile > Profile::Test {
            evidence.plots.extend(eight_decades(context)?);
        }
        Ok(evidence)
    }

    fn sampled_tests(&self, context: &Context) -> Result<Vec<SampledTest>, Unevaluated> {
        // The noise of the largest eta_w, which scatters most.
        let t = cases(context).iter().map(|&(_, n_steps)| n_steps as f64).next_back().into_iter().collect();
        let (quantity, side) = (Quantity::Number, Side::Equivalent);
        let design = Design { quantity, side, target: 1.0, margin: LAW, n_runs: RUNS, t };
        Ok(vec![SampledTest::of_rate("e_T·√(2qT)", cases(context).len(), LEVEL, design)])
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "projected SGD",
                breaks: "with fixed norms the effective rate stays η_w/‖w_0‖²: it forgets nothing",
                run: |context| broken(StepRule::Projected, CONTROL.1, Q, context),
            },
            Control {
                name: "q doubled",
                breaks: "the law with twice the noise that problem J has",
                run: |context| broken(StepRule::Gradient, 1.0, 2.0 * Q, context),
            },
            Control {
                name: "10 % more noise",
                breaks: "the law with q = 1.1·3/4, which moves it by 4.9 %",
                run: |context| {
                    let (table, _) = effective_rates(StepRule::Gradient, 1.0, 200_000, &context.seed)?;
                    let mut check = Check::new();
                    effective_rate(&mut check, "q = 0.825", &table, 1.1 * Q, LAW)?;
                    Ok(check)
                },
            },
        ]
    }
}

fn cases(context: &Context) -> &'static [(f64, u64)] {
    context.pick([&SHORT[..], &LONG, &LONG, &LONG])
}

fn broken(rule: StepRule, eta_w: f64, q: f64, context: &Context) -> Result<Check, Unevaluated> {
    let (table, _) = effective_rates(rule, eta_w, CONTROL.0, &context.seed)?;
    let mut check = Check::new();
    effective_rate(&mut check, &format!("{rule} · η_w = {eta_w}, q = {q}"), &table, q, LAW)?;
    Ok(check)
}

/// The effective rate of [`RUNS`] runs that look at L on the horizons alone, and whether they settled in the last nine
/// tenths.
fn effective_rates(rule: StepRule, eta_w: f64, n_steps: u64, seed: &Seed) -> Result<(Table, Settled), Unevaluated> {
    let rate_g = Schedule::new(0.5, 0.5)?;
    let plan = Plan::new(rule, Schedule::constant(eta_w)?, rate_g, n_steps, log_spaced(1, n_steps, 60));
    let known = Known::problem_j();
    let traces = known.traces(&plan, RUNS, &seed.child(&format!("law/{eta_w}")))?;
    let settled = Settled::of(&known, &traces, rate_g, n_steps / 10);
    let values = traces.iter().flat_map(|trace| trace.records.iter().map(|record| record.effective_lr[0])).collect();
    Ok((Table { t: plan.horizons().iter().map(|&t| t as f64).collect(), values }, settled))
}

fn plot(tables: &[(f64, Table)]) -> Result<Plot, Unevaluated> {
    let mut series = Vec::new();
    for (eta_w, table) in tables {
        series.push(curve(format!("η_w = {eta_w}"), table, false)?);
        series.push(dashed("predicted", &table.t, |t| prediction(*eta_w, 0.0).effective_rate(t as u64)));
    }
    let references = vec![Reference { name: "1/√(2qt)".to_owned(), slope: -0.5, through: [1.0, (0.5 / Q).sqrt()] }];
    let caption = "Over decades of η_w the effective learning rate ends on one curve, 1/√(2qt), which does not contain \
                   η_w. For large η_w the first step, which the prediction leaves out, overshoots and is waited for.";
    let plot = Plot::log_log("effective-rate", "The effective learning rate forgets η_w", caption, "t", "η_w/‖w_t‖²");
    Ok(Plot { series, references, ..plot })
}

/// Problem J over eight decades of eta_w, with norms that grow and with fixed ones: where it ends, and how the norm
/// grew beside its prediction (n_0^2 + 2 eta_w^2 q t)^(1/2).
fn eight_decades(context: &Context) -> Result<Vec<Plot>, Unevaluated> {
    let (loss, seed) = (ProblemJ::default(), context.seed.child("decades"));
    let (n_runs, n_steps) = (context.pick([4, 8, 16, 16]), context.pick([10_000, 100_000, 300_000, 1_000_000]));
    let starts = vec![loss.theta_0(); n_runs];
    let of = |name: &str, rule| Decades::of(name, (&loss, false), &starts, rule, 0.5, n_steps, &seed);
    let ways = [of("SGD", StepRule::Gradient)?, of("fixed norms", StepRule::Projected)?];
    let mut plots = Vec::from(compared("problem-j", "problem J", &ways, loss.loss_min()));
    let caption = "‖w_t‖² over eight decades of η_w, the mean over the runs, and (‖w_0‖⁴ + 2η_w²qt)^(1/2), which the \
                   law comes from: dashed. For large η_w the first step, in which the noise is twice q, is seen to the \
                   end.";
    let mut norms = Plot::log_log(
        "problem-j-decades-norm",
        "‖w‖² joins its prediction once the first step is made up for",
        caption,
        "t",
        "‖w_t‖²",
    );
    for (eta_w, measured) in ETA_W.into_iter().zip(ways[0].over_time(|record| &record.w_norm_sq)) {
        let t: Vec<f64> = measured.points.iter().map(|point| point[0]).collect();
        norms.series.push(measured);
        norms.series.push(dashed("", &t, |t| prediction(eta_w, 0.0).norm_sq(t as u64)));
    }
    plots.push(norms);
    Ok(plots)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::runner::context;
    use crate::paper::calibration::synthetic::resembles;

    #[test]
    fn the_noise_of_the_calibration_is_that_of_the_runs() {
        let context = context(&EffectiveRateLaw, 2019, Profile::Test);
        let (eta_w, n_steps) = LONG[LONG.len() - 1];
        let (table, _) = effective_rates(StepRule::Gradient, eta_w, n_steps, &context.seed).expect("runs");
        let ratio = effective_rate(&mut Check::new(), "noise", &table, Q, LAW).expect("a mean");
        let n = table.t.len();
        let last: Vec<f64> = table.values.iter().skip(n - 1).step_by(n).copied().collect();
        let design = EffectiveRateLaw.sampled_tests(&context).expect("constants").remove(0).design.expect("Student's");
        resembles(&design, &last, ratio, &context.seed).expect("the same noise");
    }
}
