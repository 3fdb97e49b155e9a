//! Theorem 4.2 as observed: SGD on a batch-normalised network tunes the effective learning rates of its weights by
//! itself.
//!
//! Printed at section 1.1 (contribution 2) and section 4.1. A rate: the theorem bounds min_t E||grad L(V_t; g_t)||^2 by
//! O(log T / sqrt T), or (log T)^(3/2) at alpha = 1/2. z is uniform over a fixed partition of the digits into
//! minibatches, so L and its gradient are exact means. The slope of ||grad L|| in the last decade tells a decay at the
//! theorem's rate from the plateau that a constant effective rate ends in;
//! the effective rates for learning rates decades apart are compared.

mod figures;
mod on_subject;

use ratecheck::descent::{Plan, Record, Schedule, StepRule, Trace};
use ratecheck::loss::Minibatches;
use ratecheck::network::{Activation, Network};
use ratecheck::rates::{Estimate, Window, fit_power_law, log_spaced, mean_over_runs};

use crate::claim::decide::below;
use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Profile, Statement, Unevaluated,
};
use crate::claim::instances::{U, digits_network};
use crate::claim::plot::{Series, Style};
use crate::claim::sampled_test::{Design, Quantity, SampledTest, Side};
use crate::paper::auto_tuning::{
    Way, curvature_in_g, eta_g_is_admissible, from_starts, largest, mean, no_divergence, run_all, starts,
};

/// See the module's first line.
pub(super) struct AutoTuningSgd;

static STATEMENT: Statement = Statement {
    id: "auto-tuning-sgd",
    title: "Auto-tuning of stochastic gradient descent",
    plain: "With learning rates η_w(t+1)^(-α) for any α from 0 to 1/2, SGD lets the gradient fall like well-tuned SGD, \
            and its effective rates forget η_w; with fixed norms, or without normalisation, it does not.",
    formula: "min_{t<T} E‖∇L(V_t; g_t)‖² = O(log T/√T) for 0 ≤ α < 1/2, O((log T)^(3/2)/√T) for α = 1/2, every η_w > \
              0;   \
              ‖w_t‖² grows, and η_{w,t}/‖w_t‖² becomes independent of η_w (α < 1/2)",
    latex: &[
        r"\min_{t<T}\mathbb{E}\|\nabla L(V_t;g_t)\|^2=\begin{cases}O\bigl(\log T/\sqrt T\bigr)&0\le\alpha<\frac12\\O\bigl((\log T)^{3/2}/\sqrt T\bigr)&\alpha=\frac12\end{cases}\quad\text{for every }\eta_w>0",
        r"\|w_t\|^2\;\text{grows, and}\;\frac{\eta_{w,t}}{\|w_t\|^2}\;\text{becomes independent of}\;\eta_w\;(\alpha<\tfrac12)",
    ],
    printed_at: "section 1.1, contribution 2; section 4.1, Theorem 4.2 and Remark 4.1",
    kind: Kind::Rate,
    origin: Origin::Paper,
    hypotheses: &[
        "η_{g,t} = η_g(t+1)^(-1/2), η_g ≤ 2(1-c)/L^gg (sampled)",
        "0 ≤ α ≤ 1/2",
        "F is smooth: smoothed BN, tanh",
    ],
    measured: "64-16-16-10 on 256 digits in 16 fixed minibatches, 48 runs (start and minibatches) each for α = 0, 1/8, \
               1/4, 3/8, 1/2 at η_w = 10 and α = 0 at η_w = 1, 100. Per run, for η_w ≥ 10, the log-log slope of \
               ‖∇L(V_t; g_t)‖ over the last decade; the norms at the horizons; the mean effective rates at T for η_w = \
               1, 10, 100",
    tolerance: "Student's limit for the mean slope of the runs, at level 1e-8 a comparison, is at most -1/8: halfway \
                between the theorem's -1/4 and the 0 of a plateau, which leaves room for the theorem's logarithms \
                (they tilt the slope by +0.06, or +0.1 at α = 1/2). Norms never shrink, up to 64u a step. The \
                effective rates at T differ by at most a factor 10, where the learning rates differ by 100: halfway, \
                on a log scale, to not at all",
    does_not_show: "the exponent -1/4 or the logarithms; that the minimum over t of the expectation is what falls (the \
                    slope is that of single runs); anything for η_w so small that ‖w‖² has not begun to grow by T: \
                    there the effective rate is constant still",
};

const ALPHAS: [f64; 5] = [0.0, 0.125, 0.25, 0.375, 0.5];
/// Halfway between the theorem's -1/4 and the 0 of a plateau.
const LIMIT: f64 = 0.5 * EXPONENT;
/// The probability that a mean slope on the wrong side is decided the wrong way, for each comparison.
const LEVEL: f64 = 1e-8;
/// The level of the interval: either end is a limit.
const INTERVAL: f64 = 1.0 - 2.0 * LEVEL;
/// What Theorem 4.2 says of the slope of the gradient, logarithms aside.
const EXPONENT: f64 = -0.25;
/// Runs of each case. The slopes of single runs scatter by about 0.05, and their mean lies 0.08 or more below the
/// limit: at the stated level Student's interval reaches 0.05 to either side with 48 runs, and 0.09 with 24,
/// which left one seed in twenty undecided.
const RUNS: usize = 48;
/// From here on ‖w‖² has grown tenfold well before the last decade, in every profile, so that the slope is that of a
/// tuned rate. At η_w = 1 the effective rate starts at about 1 and the growth takes place inside the window:
/// the slope is shown, not judged.
const ETA_W: f64 = 10.0;
const ETA_G: f64 = 0.2;
const NAME: &str = "digits";

/// A schedule of the weights' learning rate, and what came of it.
struct Case {
    eta_w: f64,
    alpha: f64,
    traces: Vec<Trace>,
}

impl Claim for AutoTuningSgd {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut evidence = Evidence::default();
        let (network, cases) = descend(context, Way::Plain, &schedules(context), RUNS)?;
        judge(&mut evidence.check, &cases, context)?;
        let points = starts(&network, RUNS, &context.seed);
        let met = points.iter().chain(cases.iter().flat_map(|case| &case.traces).map(|trace| &trace.theta));
        let ends = met.map(|theta| curvature_in_g(&network, theta, &context.seed));
        eta_g_is_admissible(&mut evidence.check, NAME, ETA_G, largest(ends));
        if context.profile > Profile::Test {
            figures::show(&mut evidence, &cases, context)?;
        } else {
            evidence.plots.push(figures::norms(&cases));
        }
        Ok(evidence)
    }

    fn sampled_tests(&self, context: &Context) -> Result<Vec<SampledTest>, Unevaluated> {
        let design = Design {
            quantity: Quantity::SlopeOfEachRun,
            side: Side::AtMost,
            target: EXPONENT,
            margin: LIMIT - EXPONENT,
            n_runs: RUNS,
            t: late(horizon(context)).into_iter().map(|t| t as f64).collect(),
        };
        let times = schedules(context).into_iter().filter(|&(eta_w, _)| is_judged(eta_w)).count();
        Ok(vec![SampledTest::of_rate("‖∇L‖, mean slope of the runs", times, INTERVAL, design)])
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "projected SGD: slope",
                breaks: "every block is brought back to its norm after each step (η_w = 10, constant): the gradient \
                         stays on a plateau. The slope decides alone",
                run: |context| broken(context, StepRule::Projected, &[10.0], judge_slopes),
            },
            Control {
                name: "projected SGD: effective rates",
                breaks: "every block is brought back to its norm after each step (η_w = 10 and 100, constant): \
                         effective rates stay a decade apart. Their comparison decides alone",
                run: |context| broken(context, StepRule::Projected, &[10.0, 100.0], judge_effective_rates),
            },
            Control {
                name: "weight decay on w: norms",
                breaks: "w also shrinks by a hundredth in every step (η_w = 10): norms that have grown shrink again. \
                         The norms decide alone",
                run: |context| broken(context, StepRule::Decay { lambda: 1e-3 }, &[10.0], judge_norms),
            },
            Control {
                name: "normalisation removed",
                breaks: "the same network without batch normalisation, at η_w = 100: runs do not reach T",
                run: |context| {
                    let mut check = Check::new();
                    judge(&mut check, &descend(context, Way::Unnormalised, &[(100.0, 0.0)], RUNS)?.1, context)?;
                    Ok(check)
                },
            },
        ]
    }
}

/// (eta_w, alpha) of every case.
fn schedules(context: &Context) -> Vec<(f64, f64)> {
    let (alphas, others): (&[f64], &[f64]) = match context.profile {
        Profile::Test => (&[0.0, 0.5], &[100.0]),
        _ => (&ALPHAS, &[1.0, 100.0]),
    };
    alphas.iter().map(|&alpha| (ETA_W, alpha)).chain(others.iter().map(|&eta_w| (eta_w, 0.0))).collect()
}

/// Whether the slope of a case is judged, if it does not diverge.
fn is_judged(eta_w: f64) -> bool {
    eta_w >= ETA_W
}

/// The horizons in the window.
fn late(n_steps: u64) -> Vec<u64> {
    log_spaced(n_steps / 10, n_steps, 24)
}

/// As many runs as the check has, by another rule at constant rates, judged by one of its decisions.
fn broken(context: &Context, rule: StepRule, rates: &[f64], decision: Decision) -> Result<Check, Unevaluated> {
    let schedules: Vec<(f64, f64)> = rates.iter().map(|&eta_w| (eta_w, 0.0)).collect();
    let mut check = Check::new();
    decision(&mut check, &follow(context, &network(context, Way::Plain)?, rule, &schedules, RUNS)?, context)?;
    Ok(check)
}

/// T. A trial at T = 2000 could not decide α = 0 at the stated level.
fn horizon(context: &Context) -> u64 {
    context.pick([4000, 6000, 20_000, 100_000])
}

/// The last decade.
fn window(context: &Context) -> Window {
    Window::new((horizon(context) / 10) as f64, horizon(context) as f64)
}

/// The runs of every schedule; case k has generators of its own.
fn descend(
    context: &Context,
    way: Way,
    schedules: &[(f64, f64)],
    n_runs: usize,
) -> Result<(Network, Vec<Case>), Unevaluated> {
    let network = network(context, way)?;
    let cases = follow(context, &network, way.rule(), schedules, n_runs)?;
    Ok((network, cases))
}

fn network(context: &Context, way: Way) -> Result<Network, Unevaluated> {
    let z = Minibatches::partition((0..256).collect(), 16)?;
    Ok(digits_network(way.normalisation(0.1), Activation::Tanh, 256, z, &context.seed))
}

fn follow(
    context: &Context,
    network: &Network,
    rule: StepRule,
    schedules: &[(f64, f64)],
    n_runs: usize,
) -> Result<Vec<Case>, Unevaluated> {
    let points = starts(network, n_runs, &context.seed);
    let n_steps = horizon(context);
    let horizons: Vec<u64> =
        [0, 1, 2, 4, 6].into_iter().chain(log_spaced(10, n_steps / 10, 10)).chain(late(n_steps)).collect();
    let mut cases = Vec::new();
    for &(eta_w, alpha) in schedules {
        let (rate_w, rate_g) = (Schedule::new(eta_w, alpha)?, Schedule::new(ETA_G, 0.5)?);
        let plan = Plan::new(rule, rate_w, rate_g, n_steps, horizons.iter().copied());
        let seed = context.seed.child(&format!("eta {eta_w}, alpha {alpha}"));
        let runs: Vec<_> = from_starts(&points, &plan, &seed).collect();
        cases.push(Case { eta_w, alpha, traces: run_all(network, network.gains_in_lockstep(), rule, &runs) });
    }
    Ok(cases)
}

impl Case {
    fn at(&self) -> String {
        format!("{NAME}, α = {}, η_w = {}", self.alpha, self.eta_w)
    }

    /// The horizons.
    fn times(&self) -> Vec<f64> {
        self.traces[0].records.iter().map(|record| record.t as f64).collect()
    }

    /// The mean over the runs at every horizon.
    fn mean(&self, value: impl Fn(&Record) -> f64) -> Vec<f64> {
        (0..self.traces[0].records.len())
            .map(|k| mean(self.traces.iter().map(|trace| value(&trace.records[k]))))
            .collect()
    }

    fn curve(&self, name: String, style: Style, value: impl Fn(&Record) -> f64) -> Series {
        Series::new(name, style, self.times().into_iter().zip(self.mean(value)).map(|(t, y)| [t + 1.0, y]).collect())
    }

    fn diverges(&self) -> bool {
        self.traces.iter().any(|trace| trace.divergence.is_some())
    }
}

/// The mean over the blocks of eta_{w,t} / ||w_i||^2.
fn effective_rate(record: &Record) -> f64 {
    mean(record.effective_lr.iter().copied())
}

/// One of the theorem's consequences, on what was measured.
type Decision = fn(&mut Check, &[Case], &Context) -> Result<(), Unevaluated>;

/// All of them.
fn judge(check: &mut Check, cases: &[Case], context: &Context) -> Result<(), Unevaluated> {
    judge_norms(check, cases, context)?;
    judge_slopes(check, cases, context)?;
    judge_effective_rates(check, cases, context)
}

/// Runs reach T, and norms never shrink: they are links, since a norm that has hardly grown is all but equal to what it
/// was.
fn judge_norms(check: &mut Check, cases: &[Case], context: &Context) -> Result<(), Unevaluated> {
    let n_steps = horizon(context);
    let mut links = Check::new();
    for case in cases {
        let (at, which) = (case.at(), format!("α = {}, η_w = {}", case.alpha, case.eta_w));
        for (k, trace) in case.traces.iter().enumerate() {
            if no_divergence(check, &format!("{at} · run {k}"), trace, n_steps) {
                let shrinking = trace.records.windows(2).flat_map(|pair| {
                    pair[0].w_norm_sq.iter().zip(&pair[1].w_norm_sq).map(|(before, after)| before / after)
                });
                let rounding = 64.0 * U * n_steps as f64;
                links.at_most(
                    format!("{NAME}, norms · {which}, run {k}, ‖w‖² before/after"),
                    largest(shrinking),
                    1.0,
                    rounding,
                );
            }
        }
    }
    check.merge_links(links);
    Ok(())
}

/// Effective rates at T are nearer to each other than halfway to what they would be with fixed norms.
fn judge_effective_rates(check: &mut Check, cases: &[Case], context: &Context) -> Result<(), Unevaluated> {
    let n_steps = horizon(context);
    let constant: Vec<&Case> = cases.iter().filter(|case| case.alpha == 0.0 && !case.diverges()).collect();
    if constant.len() > 1 {
        let rates: Vec<f64> = constant.iter().filter_map(|case| case.mean(effective_rate).last().copied()).collect();
        let decades =
            largest(constant.iter().map(|case| case.eta_w)) / -largest(constant.iter().map(|case| -case.eta_w));
        let ratio = largest(rates.iter().copied()) / -largest(rates.iter().map(|rate| -rate));
        check.at_most(
            format!("{NAME}, effective rates · largest/smallest at T = {n_steps}"),
            ratio,
            decades.sqrt(),
            0.0,
        );
    }
    Ok(())
}

/// Whether the mean over the runs of the slope of ||grad L|| lies below the limit, at the stated level.
fn judge_slopes(check: &mut Check, cases: &[Case], context: &Context) -> Result<(), Unevaluated> {
    for case in cases.iter().filter(|case| is_judged(case.eta_w) && !case.diverges()) {
        let slope = mean_slope(case, context)?;
        let at = format!("{} · limit of the slope, {} runs", case.at(), slope.n_runs);
        below(check, at, slope.interval(INTERVAL), LIMIT, -2.0 * LIMIT);
    }
    Ok(())
}

/// The mean over the runs of the slope of ||grad L||.
fn mean_slope(case: &Case, context: &Context) -> Result<Estimate, Unevaluated> {
    let slope = |trace: &Trace| {
        let gradient: Vec<f64> = trace.records.iter().map(|record| record.grad_sq().sqrt()).collect();
        fit_power_law(&case.times(), &gradient, window(context)).map(|fit| fit.slope)
    };
    Ok(mean_over_runs(&case.traces.iter().map(slope).collect::<Result<Vec<f64>, _>>()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::runner::context;
    use crate::paper::calibration::synthetic::resembles;

    #[test]
    fn the_noise_of_the_calibration_is_that_of_the_runs() {
        let context = context(&AutoTuningSgd, 2019, Profile::Test);
        let cases = descend(&context, Way::Plain, &[(ETA_W, 0.0)], RUNS).expect("runs").1;
        let test = AutoTuningSgd.sampled_tests(&context).expect("constants").remove(0);
        let (design, late) = (test.design.expect("Student's interval"), window(&context));
        let inside = |trace: &Trace| -> Vec<f64> {
            trace.records.iter().filter(|r| late.contains(r.t as f64)).map(|r| r.grad_sq().sqrt()).collect()
        };
        let values: Vec<f64> = cases[0].traces.iter().flat_map(inside).collect();
        assert_eq!(values.len(), RUNS * design.t.len());
        let slope = mean_slope(&cases[0], &context).expect("a slope");
        resembles(&design, &values, slope, &context.seed).expect("the same noise");
    }
}
