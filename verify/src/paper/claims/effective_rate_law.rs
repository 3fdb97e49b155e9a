//! The effective-rate law: under SGD with a constant learning rate eta_w, eta_w/||w_T||^2 -> 1/sqrt(2 q T), whatever
//! eta_w is, with q = E||grad_v F||^2 at the minimiser. Derived here.
//!
//! Square Lemma 2.4's n_{t+1} = n_t + (eta_w^2/n_t) ||grad_v F_t||^2:
//!
//!   n_T^2 = n_0^2 + 2 eta_w^2 sum_t ||grad_v F_t||^2 + eta_w^4 sum_t ||grad_v F_t||^4/n_t^2,
//!
//! exactly, on every path (claim `lemma-b.3`). Suppose that theta~_t tends to a minimiser in the mean, so that
//! E||grad_v F_t||^2 -> q > 0, with bounded gradients whose correlations decay.
//! * The first sum is q T (1 + o(1)), in mean square: the fluctuations of a sum of nearly uncorrelated terms are of
//!   order sqrt(T).
//! * So n_t^2 >= 2 eta_w^2 q t (1 + o(1)), and the last sum is at most eta_w^4 LA^4 sum_t 1/(2 eta_w^2 q t) = O(eta_w^2
//!   ln T), plus what the first few steps, with n_t near n_0, put in: about eta_w^4 ||grad_v F_0||^4/n_0^2.
//!
//! Divide by eta_w^2 T: (n_T/eta_w)^2/T -> 2 q, and eta_w is gone. What is left out is, relative to n_T^2, of the size
//! (n_0^2 + eta_w^4 ||grad_v F_0||^4/n_0^2)/(2 eta_w^2 q T) + O(ln T/T) and 2/sqrt(T) for the noise of the sum; in e_T
//! half of that. For problem J, E||grad_v F_0||^4 is 3, so that eta_w = 100 needs T = 4e6 to come within half a per
//! cent from this term alone, while eta_w = 0.01 needs n_0^2/(2 eta_w^2 q T) = 7e3/T to be small.
//!
//! On problem J the premise holds with q = g^2 s^2 (d - 1) = 3/4 ([`ProblemJ::noise_v`]).
//!
//! [`ProblemJ::noise_v`]: ratecheck::loss::closed::ProblemJ::noise_v

mod on_subject;

use ratecheck::descent::{Plan, Schedule, StepRule};
use ratecheck::loss::closed::ProblemJ;
use ratecheck::random::Seed;
use ratecheck::rates::{Estimate, log_spaced, mean_over_runs};

use crate::claim::closed_forms::ETA_W;
use crate::claim::decide::near;
use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Profile, Statement, Unevaluated,
};
use crate::claim::plot::{Plot, Reference};
use crate::claim::sampled_test::{Design, Quantity, SampledTest, Side};
use crate::paper::auto_tuning::decades::{Decades, compared};
use crate::paper::sgd::problem_j::{Q, prediction, runs};
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
        "constant η_w; θ̃_t tends to a minimiser in the mean (problem J, η_{g,t} = (t+1)^(-1/2)/2)",
        "q > 0: the samples do not agree at the minimiser (q = 3/4, exact for problem J)",
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
            let table = effective_rates(StepRule::Gradient, eta_w, n_steps, &context.seed)?;
            let ratio = law(&mut evidence.check, &format!("η_w = {eta_w} · T = {n_steps}"), &table, Q)?;
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
                    let table = effective_rates(StepRule::Gradient, 1.0, 200_000, &context.seed)?;
                    let mut check = Check::new();
                    law(&mut check, "q = 0.825", &table, 1.1 * Q)?;
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
    let table = effective_rates(rule, eta_w, CONTROL.0, &context.seed)?;
    let mut check = Check::new();
    law(&mut check, &format!("{rule} · η_w = {eta_w}, q = {q}"), &table, q)?;
    Ok(check)
}

/// e_T sqrt(2 q T) = 1 within [`LAW`], where e_T is the last effective rate of each run.
fn law(check: &mut Check, at: &str, effective_lr: &Table, q: f64) -> Result<Estimate, Unevaluated> {
    let n = effective_lr.t.len();
    let scale = (2.0 * q * effective_lr.t[n - 1]).sqrt();
    let last: Vec<f64> = effective_lr.values.iter().skip(n - 1).step_by(n).map(|e| e * scale).collect();
    let ratio = mean_over_runs(&last)?;
    near(check, at, ratio.interval(LEVEL), 1.0, LAW);
    Ok(ratio)
}

/// The effective rate of [`RUNS`] runs without looking at L.
fn effective_rates(rule: StepRule, eta_w: f64, n_steps: u64, seed: &Seed) -> Result<Table, Unevaluated> {
    let plan =
        Plan::new(rule, Schedule::constant(eta_w)?, Schedule::new(0.5, 0.5)?, n_steps, log_spaced(1, n_steps, 60));
    let traces = runs(&plan, RUNS, &seed.child(&format!("law/{eta_w}")))?;
    let values = traces.iter().flat_map(|trace| trace.records.iter().map(|record| record.effective_lr[0])).collect();
    Ok(Table { t: plan.horizons().iter().map(|&t| t as f64).collect(), values })
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
    let of = |name: &str, rule| Decades::of(name, &loss, &starts, rule, 0.5, n_steps, &seed);
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
        let table = effective_rates(StepRule::Gradient, eta_w, n_steps, &context.seed).expect("runs");
        let ratio = law(&mut Check::new(), "noise", &table, Q).expect("a mean");
        let n = table.t.len();
        let last: Vec<f64> = table.values.iter().skip(n - 1).step_by(n).copied().collect();
        let design = EffectiveRateLaw.sampled_tests(&context).expect("constants").remove(0).design.expect("Student's");
        resembles(&design, &last, ratio, &context.seed).expect("the same noise");
    }
}
