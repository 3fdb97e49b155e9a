//! Theorem 4.2, the rate: the gradient of SGD falls as T^(-1/4) for every alpha below 1/2, because the effective
//! learning rate tunes itself to T^(-1/2) whatever eta_w and alpha are.
//!
//! Problem J (d = 4, s = sig = 1/2, |w_0| = 1, eta_{g,t} = (t+1)^(-1/2)/2) has a minimiser with known curvature 1 and
//! known noise q = E||grad_v F||^2 = 3/4, so theory predicts more than an exponent
//! ([`SgdPrediction`](ratecheck::rates::SgdPrediction)): ||w_t||^4 grows by 2 eta_t^2 q a step, e_t =
//! eta_{w,t}/||w_t||^2 tends to 1/sqrt(2 q t) for alpha = 0, and E||grad L||^2 = (e_t q + eta_{g,t} (s^2 + sig^2))/2,
//! since with curvature 1, noise q and rate e the variance settles at e q/2 (1 + O(e)).
//!
//! Slopes are fitted to means over independent runs and over bins of ratio 1.25 in t, on the window [T/100, T]. A bin's
//! mean over every step is a difference of running sums. Decisions use Student's interval over runs with the standard
//! error of the delta method at level 1 - 1e-8, so that forty decisions are wrong with a probability below 1e-6; a
//! percentile bootstrap of practical size ends long before such a level, and is shown at 95%. The influence of a run is
//! a sum over thousands of nearly independent stretches, which is what makes Student's quantile credible so far out; it
//! is an approximation nevertheless.
//!
//! The margin is for what separates the window from the limit. E||grad L||^2 has corrections of relative size kappa
//! t^(-1/2); over [T/100, T] they tilt the slope of the root by about 0.1 kappa (T/100)^(-1/2): 0.007 kappa at T = 2e4,
//! and kappa is of order 1. The first ten steps, in which the noise falls from 2q to q, and the fourth-order term of
//! the first, E||grad F||^4 = 3, put about q H_10(2 alpha) + 3 into ||w||^4 that the prediction leaves out: 6 for
//! alpha = 3/8 and 5 for 1/2, the most sensitive, whose slopes move by up to 0.020 at T = 2e4, 0.016 at 5e4, 0.010 at
//! 3e5 and 0.008 at 1e6. Student's interval, six standard errors to either side, needs the rest, and the number of runs
//! is chosen for that: together 0.03, 0.025, 0.015 and 0.012.

mod on_subject;

use ratecheck::descent::{Plan, Record, Schedule, StepRule};
use ratecheck::loss::closed::ProblemJ;
use ratecheck::random::Seed;
use ratecheck::rates::{Bootstrap, Interval, Summary, Window, bootstrap_slope, fit_power_law, log_spaced};

use crate::claim::decide::{below, near};
use crate::claim::evidence::{Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Statement, Unevaluated};
use crate::claim::plot::{Plot, Reference};
use crate::claim::sampled_test::{Design, Quantity, SampledTest, Side};
use crate::paper::sgd::problem_j::{prediction, runs};
use crate::paper::sgd::{LEVEL, Table, centres, curve, dashed};

/// See the module's first line.
pub(super) struct Theorem42Rate;

static STATEMENT: Statement = Statement {
    id: "theorem-4.2-rate",
    title: "Theorem 4.2, the rate",
    plain: "The gradient of SGD falls as T^(-1/4) although w's learning rate is constant or decays at the wrong speed: \
            the growing norms turn it into an effective rate of order T^(-1/2) that has forgotten η_w.",
    formula: "√E‖∇L(θ̃_T)‖² ~ T^(-1/4) for α < 1/2;  η_{w,T}/‖w_T‖² ~ T^(-1/2);  ‖w_T‖² ~ T^(1/2-α)",
    latex: &[
        r"\sqrt{\mathbb{E}\|\nabla L(\tilde\theta_T)\|^2}\sim T^{-1/4}\;\text{for }\alpha<\tfrac12,\qquad\frac{\eta_{w,T}}{\|w_T\|^2}\sim T^{-1/2},\qquad\|w_T\|^2\sim T^{1/2-\alpha}",
    ],
    printed_at: "section 4.2, Theorem 4.2 and the list of contributions",
    kind: Kind::Rate,
    origin: Origin::Paper,
    hypotheses: &[
        "those of theorem-4.2",
        "near the minimiser: curvature 1 and noise q = 3/4, both exact for problem J",
    ],
    measured: "on problem J: the slope of the root mean square gradient (no slower than -1/4 for α = 0, 1/8, 1/4, 3/8, \
               1/2; equal to -1/4 for α ≤ 1/4; equal to the finite-T prediction for all five), of the effective \
               learning rate and of ‖w‖² (against their finite-T predictions; ‖w‖² against 1/2-α for α ≤ 1/4)",
    tolerance: "slopes: Student's interval over runs at level 1 - 1e-8 within a margin of 0.03 (T = 2e4), 0.025 (5e4), \
                0.015 (3e5) or 0.012 (1e6), for corrections of relative order t^(-1/2) and the first steps' share of \
                ‖w‖",
    does_not_show: "the constant of the effective rate (effective-rate-law), that the slopes stay what they are beyond \
                    the window, or that other losses are as slow: a lower bound is not claimed",
};

const ALPHAS: [f64; 5] = [0.0, 0.125, 0.25, 0.375, 0.5];
/// Of the root mean square gradient.
const EXPONENT: f64 = -0.25;
/// The constant rate of projected SGD.
const PROJECTED: f64 = 0.3;

#[derive(Clone, Copy)]
struct Budget {
    n_steps: u64,
    n_runs: usize,
    margin: f64,
}

impl Budget {
    const TEST: Self = Self { n_steps: 20_000, n_runs: 256, margin: 0.03 };
    /// Of the controls, which are far off.
    const CONTROL: Self = Self { n_runs: 64, ..Self::TEST };

    fn of(context: &Context) -> Self {
        context.pick([
            Self::TEST,
            Self { n_steps: 50_000, n_runs: 320, margin: 0.025 },
            Self { n_steps: 300_000, n_runs: 384, margin: 0.015 },
            Self { n_steps: 1_000_000, n_runs: 256, margin: 0.012 },
        ])
    }

    fn window(self) -> Window {
        Window::new(self.ends()[0], self.ends()[1])
    }

    /// The horizons in the window: 21 bins of ratio 100^(1/21) = 1.245.
    fn late(self) -> Vec<u64> {
        log_spaced(self.n_steps / 100, self.n_steps, 22)
    }

    fn ends(self) -> [f64; 2] {
        [self.n_steps as f64 / 100.0, self.n_steps as f64]
    }
}

/// What was measured of some runs.
struct Measured {
    horizons: Vec<u64>,
    /// ||grad L||^2, averaged over the steps of each bin.
    squares: Table,
    effective_lr: Table,
    w_norm_sq: Table,
}

fn measure(rule: StepRule, eta_w: f64, alpha: f64, budget: Budget, seed: &Seed) -> Result<Measured, Unevaluated> {
    // As many bins before the window as in it, for the plots.
    let horizons = log_spaced(1, budget.n_steps / 100, 22).into_iter().chain(budget.late());
    let plan =
        Plan::new(rule, Schedule::new(eta_w, alpha)?, Schedule::new(0.5, 0.5)?, budget.n_steps, horizons).every_step();
    let traces = runs(&plan, budget.n_runs, seed)?;
    let horizons = plan.horizons().to_vec();
    let sum = |record: &Record| record.running.as_ref().map_or(f64::NAN, |r| r.sum_grad_v_sq + r.sum_grad_g_sq);
    let bin = |pair: &[Record]| (sum(&pair[1]) - sum(&pair[0])) / (pair[1].t - pair[0].t) as f64;
    let t: Vec<f64> = horizons.iter().map(|&t| t as f64).collect();
    let each = |f: fn(&Record) -> f64| traces.iter().flat_map(|trace| trace.records.iter().map(f)).collect();
    Ok(Measured {
        squares: Table {
            t: centres(&t),
            values: traces.iter().flat_map(|trace| trace.records.windows(2).map(bin)).collect(),
        },
        effective_lr: Table { t: t.clone(), values: each(|record| record.effective_lr[0]) },
        w_norm_sq: Table { t, values: each(|record| record.w_norm_sq[0]) },
        horizons,
    })
}

/// Whether the window is late enough for the limit itself to be compared with.
fn is_sharp(alpha: f64) -> bool {
    alpha <= 0.25
}

/// The slope that the predicted root mean square has on the bins.
fn predicted_rms_slope(alpha: f64, bins: &[f64], window: Window) -> Result<f64, Unevaluated> {
    let (sgd, g_noise) = (prediction(1.0, alpha), ProblemJ::default().noise_g_sq().0);
    let square = |&t: &f64| 0.5 * (sgd.effective_rate(t.round() as u64) * sgd.noise + 0.5 / (t + 1.0).sqrt() * g_noise);
    Ok(0.5 * fit_power_law(bins, &bins.iter().map(square).collect::<Vec<f64>>(), window)?.slope)
}

impl Claim for Theorem42Rate {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let budget = Budget::of(context);
        let mut evidence = Evidence::default();
        let mut found = Vec::new();
        for alpha in ALPHAS {
            let seed = context.seed.child(&format!("alpha-{alpha}"));
            let measured = measure(StepRule::Gradient, 1.0, alpha, budget, &seed)?;
            slopes(&mut evidence, alpha, &measured, budget, context)?;
            found.push(measured);
        }
        let projected = Budget { n_runs: budget.n_runs / 4, ..budget };
        let projected = measure(StepRule::Projected, PROJECTED, 0.0, projected, &context.seed.child("projected"))?;
        let gradient = gradient_plot(&found, &projected, budget)?;
        evidence.plots = vec![gradient, norm_plot(&found, budget)?];
        Ok(evidence)
    }

    /// Simulated for alpha = 0.
    fn sampled_tests(&self, context: &Context) -> Result<Vec<SampledTest>, Unevaluated> {
        let budget = Budget::of(context);
        let horizons: Vec<f64> = budget.late().into_iter().map(|t| t as f64).collect();
        let (window, bins, sgd) = (budget.window(), centres(&horizons), prediction(1.0, 0.0));
        let (all, sharp) = (ALPHAS.len(), ALPHAS.into_iter().filter(|&alpha| is_sharp(alpha)).count());
        let predicted = predicted_rms_slope(0.0, &bins, window)?;
        let rate = sgd.fit_effective_rate(&budget.late(), window)?.slope;
        let test = |what, times, quantity, side, target, t: &[f64]| {
            let Budget { n_runs, margin, .. } = budget;
            SampledTest::of_rate(what, times, LEVEL, Design { quantity, side, target, margin, n_runs, t: t.to_vec() })
        };
        use {Quantity as Q, Side::AtMost, Side::Equivalent};
        Ok(vec![
            test("RMS ‖∇L‖, no slower than -1/4", all, Q::SlopeOfRootMean, AtMost, EXPONENT, &bins),
            test("RMS ‖∇L‖, predicted slope", all, Q::SlopeOfRootMean, Equivalent, predicted, &bins),
            test("RMS ‖∇L‖, -1/4", sharp, Q::SlopeOfRootMean, Equivalent, EXPONENT, &bins),
            test("effective rate, predicted slope", all, Q::SlopeOfRate, Equivalent, rate, &horizons),
            test("‖w‖², slope", all, Q::SlopeOfNorm, Equivalent, 0.5, &horizons),
        ])
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "projected SGD",
                breaks: "blocks are brought back to their norm, so that the constant rate 0.3 cannot tune itself: the \
                         gradient stalls",
                run: |context| {
                    let rms = constant(StepRule::Projected, PROJECTED, context)?;
                    let mut check = Check::new();
                    let margin = Budget::CONTROL.margin;
                    below(&mut check, "projected · no slower than -1/4", rms, EXPONENT + margin, margin);
                    Ok(check)
                },
            },
            Control {
                name: "weight decay",
                breaks: "w decays by 1e-3·w a step: the effective rate settles (claim equilibrium), and the gradient stalls",
                run: |context| {
                    let rms = constant(StepRule::Decay { lambda: 1e-3 }, 1.0, context)?;
                    let mut check = Check::new();
                    let margin = Budget::CONTROL.margin;
                    below(&mut check, "weight decay · no slower than -1/4", rms, EXPONENT + margin, margin);
                    Ok(check)
                },
            },
            Control {
                name: "T^(-1/2) for the root",
                breaks: "the exponent of the square is claimed for the root",
                run: |context| {
                    let rms = constant(StepRule::Gradient, 1.0, context)?;
                    let mut check = Check::new();
                    near(&mut check, "α = 0 · equal to -1/2", rms, -0.5, Budget::CONTROL.margin);
                    Ok(check)
                },
            },
        ]
    }
}

/// The slope of the root mean square of runs at a constant rate, for the controls.
fn constant(rule: StepRule, eta_w: f64, context: &Context) -> Result<Interval, Unevaluated> {
    let measured = measure(rule, eta_w, 0.0, Budget::CONTROL, &context.seed.child("control"))?;
    let slope = measured.squares.slope(Budget::CONTROL.window(), Summary::RootMean)?;
    Ok(slope.interval(LEVEL))
}

/// All that is claimed of one alpha.
fn slopes(
    evidence: &mut Evidence,
    alpha: f64,
    measured: &Measured,
    budget: Budget,
    context: &Context,
) -> Result<(), Unevaluated> {
    let Budget { margin, n_runs, n_steps } = budget;
    let window = budget.window();
    let sharp = is_sharp(alpha);
    let sgd = prediction(1.0, alpha);
    let rms = measured.squares.slope(window, Summary::RootMean)?;
    let predicted = predicted_rms_slope(alpha, &measured.squares.t, window)?;
    below(
        &mut evidence.check,
        format!("α = {alpha} · RMS gradient no slower than -1/4"),
        rms.interval(LEVEL),
        EXPONENT + margin,
        margin,
    );
    near(
        &mut evidence.check,
        format!("α = {alpha} · RMS gradient, finite-T prediction"),
        rms.interval(LEVEL),
        predicted,
        margin,
    );
    if sharp {
        near(&mut evidence.check, format!("α = {alpha} · RMS gradient, -1/4"), rms.interval(LEVEL), EXPONENT, margin);
    }
    let request = Bootstrap { window, summary: Summary::RootMean, level: 0.95, n_resamples: 2000 };
    let mut generator = context.generator(&format!("bootstrap/{alpha}"));
    let interval = bootstrap_slope(&measured.squares.t, &measured.squares.values, &request, &mut generator)?;
    evidence.observe_interval(
        format!("slope of the RMS gradient, α = {alpha}"),
        rms.value,
        [interval.low, interval.high],
        format!("predicted {predicted:.4}; 95% bootstrap over {n_runs} runs, T = {n_steps}"),
    );
    let of_norm = if sharp { 0.5 - alpha } else { sgd.fit_norm_sq(&measured.horizons, window)?.slope };
    for (what, table, target) in [
        ("effective rate", &measured.effective_lr, sgd.fit_effective_rate(&measured.horizons, window)?.slope),
        ("‖w‖²", &measured.w_norm_sq, of_norm),
    ] {
        let slope = table.slope(window, Summary::Mean)?;
        near(
            &mut evidence.check,
            format!("α = {alpha} · {what}, slope {target:.4}"),
            slope.interval(LEVEL),
            target,
            margin,
        );
        let interval = slope.interval(0.95);
        let note = format!("to compare with {target:.4}; 95% over {n_runs} runs");
        evidence.observe_interval(
            format!("slope of {what}, α = {alpha}"),
            slope.value,
            [interval.low, interval.high],
            note,
        );
    }
    Ok(())
}

fn gradient_plot(found: &[Measured], projected: &Measured, budget: Budget) -> Result<Plot, Unevaluated> {
    let mut series = Vec::new();
    for (alpha, measured) in ALPHAS.iter().zip(found) {
        let table = &measured.squares;
        series.push(curve(format!("α = {alpha}"), table, true)?);
        let means: Vec<f64> = table.means()?.iter().map(|mean| mean.value.sqrt()).collect();
        let fit = fit_power_law(&table.t, &means, budget.window())?;
        let inside: Vec<f64> = table.t.iter().copied().filter(|&t| budget.window().contains(t)).collect();
        series.push(dashed(&format!("fit T^({:.3})", fit.slope), &inside, |t| fit.predict(t)));
    }
    series.push(curve(format!("projected, rate {PROJECTED}"), &projected.squares, true)?);
    let through = series[0].points.last().map_or([1.0, 1.0], |&[t, y]| [t, 0.7 * y]);
    let references = vec![Reference { name: "Theorem 4.2: T^(-1/4)".to_owned(), slope: -0.25, through }];
    let caption = "Root mean square over runs and bins, with 95% bands and fits on the window. For every α the \
                   gradient falls as T^(-1/4), for α near 1/2 a little faster at these T; projected SGD, whose \
                   effective rate is constant, stalls.";
    let plot = Plot::log_log("gradient", "SGD's gradient falls as T^(-1/4)", caption, "t", "√E‖∇L(θ̃_t)‖²");
    Ok(Plot { series, references, window: Some(budget.ends()), ..plot })
}

fn norm_plot(found: &[Measured], budget: Budget) -> Result<Plot, Unevaluated> {
    let (mut series, mut references) = (Vec::new(), Vec::new());
    for (&alpha, measured) in ALPHAS.iter().zip(found) {
        let curve = curve(format!("α = {alpha}"), &measured.w_norm_sq, false)?;
        if let (true, Some(&[t, n])) = (alpha <= 0.25, curve.points.last()) {
            let slope = 0.5 - alpha;
            references.push(Reference { name: format!("T^({slope})"), slope, through: [t, 1.3 * n] });
        }
        series.push(curve);
        series.push(dashed("predicted", &measured.w_norm_sq.t, |t| prediction(1.0, alpha).norm_sq(t as u64)));
    }
    let caption = "The squared norm grows as T^(1/2-α), just as fast as brings the effective rate down to T^(-1/2).";
    let plot = Plot::log_log("norm", "The norms make up for the schedule", caption, "t", "‖w_t‖²");
    Ok(Plot { series, references, window: Some(budget.ends()), ..plot })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::evidence::Profile;
    use crate::claim::runner::context;
    use crate::paper::calibration::synthetic::resembles;
    use crate::paper::claims::CLAIMS;

    #[test]
    fn the_noise_of_the_calibration_is_that_of_the_runs() {
        let claim = CLAIMS.iter().find(|claim| claim.statement().id == STATEMENT.id).expect("listed");
        let context = context(*claim, 2019, Profile::Test);
        let budget = Budget::of(&context);
        let found = measure(StepRule::Gradient, 1.0, 0.5, budget, &context.seed.child("noise")).expect("runs");
        for test in claim.sampled_tests(&context).expect("constants") {
            let design = test.design.expect("Student's interval");
            let (table, summary) = match design.quantity {
                Quantity::SlopeOfRootMean => (&found.squares, Summary::RootMean),
                Quantity::SlopeOfRate => (&found.effective_lr, Summary::Mean),
                _ => (&found.w_norm_sq, Summary::Mean),
            };
            let from = table.t.len() - design.t.len();
            assert_eq!(table.t[from..], design.t, "{}", test.what);
            let late: Vec<f64> =
                table.values.chunks_exact(table.t.len()).flat_map(|run| run[from..].to_vec()).collect();
            let slope = table.slope(budget.window(), summary).expect("a slope");
            resembles(&design, &late, slope, &context.seed).expect("the same noise");
        }
    }
}
