//! Theorem 4.2, the rate: the gradient of SGD falls as T^(-1/4) for every alpha below 1/2, because the effective
//! learning rate tunes itself to T^(-1/2) whatever eta_w and alpha are.
//!
//! On two losses the minimiser has a tangent Hessian H and a noise covariance Sigma of grad_v F_z that are known, and
//! so q = tr Sigma: problem J (d = 4, s = sig = 1/2, H = 1, q = 3/4), and a Rayleigh quotient of diag(0, 1, 3) with
//! noise and without a g (H = diag(2, 6), q = 1/2). There theory predicts more than an exponent: ||w_t||^4 grows by 2
//! eta_t^2 q a step ([`SgdPrediction`]), e_t = eta_{w,t}/||w_t||^2 tends to 1/sqrt(2 q t) for alpha = 0, and E||grad_v
//! L||^2 = e_t tr(H Sigma)/2 to first order (claim `sgd-constant`). The gradient for g is decided apart: curvature 1,
//! noise G_g^2 = s^2 + sig^2 and its own schedule eta_{g,t} = (t+1)^(-1/2)/2 make E|grad_g L|^2 = eta_{g,t} G_g^2/2,
//! whatever w does; to the next order by their recursion.
//!
//! **Decisions.** Slopes are fitted to means over independent runs and over bins of ratio 1.25 in t, on the window
//! [T/100, T]. A bin's mean over every step is a difference of running sums. Decisions use Student's interval over runs
//! with the standard error of the delta method at level 1 - 1e-8, so that some fifty decisions are wrong with a
//! probability below 1e-6; a percentile bootstrap of practical size ends long before such a level, and is shown at 95%.
//! The influence of a run is a sum over thousands of nearly independent stretches, which is what makes Student's
//! quantile credible so far out; it is an approximation nevertheless.
//!
//! **Exponents** have a margin for what separates the window from the limit. E||grad L||^2 has corrections of relative
//! size kappa t^(-1/2); over [T/100, T] they tilt the slope of the root by about 0.1 kappa (T/100)^(-1/2): 0.007 kappa
//! at T = 2e4, and kappa is of order 1. Student's interval, six standard errors to either side, needs the rest, and the
//! number of runs is chosen for that: together 0.03, 0.025, 0.015 and 0.012, an eighth to a twentieth of 1/4. Learning
//! rates a decade to either side of 1 reach the limit later, where n_0^2/(2 eta^2 q t) (eta = 0.1), or the first step's
//! eta^2 ||grad F_0||^4/(2 q t) (eta = 10: 3 in the mean on problem J), is small; either is up to a fifth at t = 1e3,
//! and tilts the slope of the root by up to 0.010 on [1e3, 1e5]. On the quotient, where ||H|| = 6, kappa t^(-1/2) is
//! some e_t ||H||/2, 0.1 at t = 1e3: 0.008.
//!
//! **∇_v against √e_t** goes to second order, since at alpha = 1/2 the variance lags behind e_t by 8 % at t = 200,
//! which alone tilts the slope by 0.010 at T = 2e4. Beyond it is what the sphere's curvature and the noise of g add, of
//! relative order e_t ||H|| and eta_{g,t}.
//!
//! **Predictions** that depend on T are compared as shares of themselves, or a wrong slope of 0.03 would pass for one
//! of 0.04. A run's norm over the window is predicted from its own norm at the window's first step, since the first
//! steps, in which the noise falls from 2q to q, and their fourth-order terms put some 6 into ||w||^4 that no formula
//! here has: at alpha = 1/2, from ||w_0|| the slope of ||w||^2 would be predicted as 0.0395 where 0.0316 is right (T =
//! 2e4). What is left out is relative: E||grad_v F||^2 is q (1 + O(e_t ||H||) + O(eta_{g,t})) near the minimiser, 4 %
//! at t = 200 on problem J, 6 % at t = 1e3 on the quotient. For alpha = 0 an own start takes most of that along: with x
//! = t/t_0 and a correction delta x^(-1/2), the norm^2 relative to its start is off by 1 + 2 delta (sqrt(x) - 1)/x,
//! which is 1 at both ends, and tilts the slope by less than 1 %. For alpha = 1/2 the slope is off by the mean of the
//! correction over ln t, 1 %. Allowed are 2 %, of which Student's interval takes up to half.

mod cases;
mod decisions;
mod on_subject;
mod plots;

use ratecheck::descent::StepRule;
use ratecheck::rates::{Bootstrap, Estimate, SgdPrediction, Summary, bootstrap_slope};

use self::cases::{Budget, Case, From};
use self::decisions::{Found, of_g, predicted_of_g};
use crate::claim::evidence::{Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Statement, Unevaluated};
use crate::claim::sampled_test::{Design, Quantity, SampledTest, Side};
use crate::paper::sgd::coupled::Known;
use crate::paper::sgd::{LEVEL, centres};

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
        "L is scale invariant in w; every F_z is C² with the constants of section 2.4, on |g| ≤ K, which no iterate \
         leaves",
        "η_{w,t} = η_w(t+1)^(-α) with α in [0, 1/2], η_{g,t} = η_g(t+1)^(-1/2) with η_g ≤ 2(1-c)/L^gg, c = 1/2",
        "for the predictions: θ̃_t tends to a minimiser in the mean, whose H and Σ are exact (it is measured how L \
         does)",
    ],
    measured: "slopes of the root mean square ∇_v and ∇_g, each by itself, of the effective learning rate and of \
               ‖w‖². Problem J, η_w = 1, \
               α = 0, 1/8, 1/4, 3/8, 1/2: ∇_v no slower than -1/4, equal to -1/4 for α ≤ 1/4, and as √e_t with the \
               e_t of the runs; \
               ∇_g of all of them as its own schedule; ‖w‖² and e_t as predicted from the window's first step, ‖w‖² \
               as 1/2-α for α ≤ 1/4. η_w = 0.1 and 10 on \
               problem J, and η_w = 0.1, 1, 10 and α = 1/4 on a noisy Rayleigh quotient without g, to T = 1e5 or \
               more: the same of ∇_v and e_t",
    tolerance: "Student's interval over runs at level 1 - 1e-8. From a limit: 0.03 (T = 2e4), 0.025 (5e4), 0.015 \
                (3e5) or 0.012 (1e6), for corrections of \
                relative order t^(-1/2); 0.03 to 0.02 for η_w ≠ 1 and the quotient. ∇_v against √e_t and ∇_g against \
                its schedule: the same share of 1/4. \
                ‖w‖² and e_t: 2 % of the predicted slope",
    does_not_show: "the constant of the effective rate (effective-rate-law) or of the gradient (sgd-constant), that \
                    the slopes stay what they are beyond \
                    the window, or that other losses are as slow: a lower bound is not claimed",
};

const ALPHAS: [f64; 5] = [0.0, 0.125, 0.25, 0.375, 0.5];
/// (eta_w, alpha) of the later window, on problem J and on the quotient.
const LATE: [&[[f64; 2]]; 2] = [&[[0.1, 0.0], [10.0, 0.0]], &[[0.1, 0.0], [1.0, 0.0], [10.0, 0.0], [1.0, 0.25]]];
/// Of the root mean square gradient.
const EXPONENT: f64 = -0.25;
/// What the slopes of norms and effective rates may differ from what is predicted by, as a share of it.
const RATIO: f64 = 0.02;
/// eta_{g,0}.
const ETA_G: f64 = 0.5;
/// The constant rate of projected SGD.
const PROJECTED: f64 = 0.3;

/// Whether the window is late enough for the limit itself to be compared with.
fn is_sharp(alpha: f64) -> bool {
    alpha <= 0.25
}

impl Claim for Theorem42Rate {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let (budget, late) = (Budget::of(context), Budget::late(context));
        let (problem_j, quotient) = (Known::problem_j(), Known::rayleigh_from_minimiser());
        let mut evidence = Evidence::default();
        let mut of_alphas = Vec::new();
        for alpha in ALPHAS {
            let found = found(Case::new(&problem_j, 1.0, alpha, budget), format!("α = {alpha}"), context)?;
            of_alphas.push(found);
            judge(&mut evidence, &of_alphas[of_alphas.len() - 1], true, context)?;
        }
        let mut decades = Vec::new();
        let later = [(&problem_j, late), (&quotient, Budget::of_quotient(context))];
        for ((known, late), cases) in later.into_iter().zip(LATE) {
            for &[eta_w, alpha] in cases {
                let of_alpha = if alpha > 0.0 { format!(", α = {alpha}") } else { String::new() };
                let name = format!("{}, η_w = {eta_w}{of_alpha}", known.name);
                decades.push(found(Case::new(known, eta_w, alpha, late), name, context)?);
                judge(&mut evidence, &decades[decades.len() - 1], false, context)?;
            }
        }
        of_g(&mut evidence.check, "every α", &of_alphas)?;
        let fewer = Budget { n_runs: budget.n_runs / 4, ..budget };
        let projected = Case { rule: StepRule::Projected, ..Case::new(&problem_j, PROJECTED, 0.0, fewer) };
        let projected = projected.measure(context, "projected")?;
        evidence.plots = vec![
            plots::gradient(&of_alphas, &projected, budget)?,
            plots::decades(&decades, late)?,
            plots::norm(&of_alphas, budget)?,
        ];
        Ok(evidence)
    }

    /// Simulated for alpha = 0.
    fn sampled_tests(&self, context: &Context) -> Result<Vec<SampledTest>, Unevaluated> {
        let known = Known::problem_j();
        let all = ALPHAS.len();
        let sharp = ALPHAS.into_iter().filter(|&alpha| is_sharp(alpha)).count();
        let mut tests = Vec::new();
        let mut test = |what: &str, times, quantity, side, target, margin, budget: Budget| {
            let horizons: Vec<f64> = budget.horizons().into_iter().map(|t| t as f64).collect();
            let t = match quantity {
                Quantity::SlopeOfRootMean | Quantity::SlopeOfRootMeanLate | Quantity::SlopeOfRootMeanG => {
                    centres(&horizons)
                }
                Quantity::SlopeOverPredicted | Quantity::Number => horizons[horizons.len() - 1..].to_vec(),
                _ => horizons,
            };
            let design = Design { quantity, side, target, margin, n_runs: budget.n_runs, t };
            tests.push(SampledTest::of_rate(what, times, LEVEL, design));
        };
        use {Quantity as Q, Side::AtMost, Side::Equivalent};
        let budget = Budget::of(context);
        let of_g = predicted_of_g(&Case::new(&known, 1.0, 0.0, budget))?;
        let pooled = Budget { n_runs: all * budget.n_runs, ..budget };
        let root = budget.share() * EXPONENT.abs();
        test("RMS ∇_v, no slower than -1/4", all, Q::SlopeOfRootMean, AtMost, EXPONENT, budget.margin, budget);
        test("RMS ∇_v, -1/4", sharp, Q::SlopeOfRootMean, Equivalent, EXPONENT, budget.margin, budget);
        test("RMS ∇_v over √e_t", all, Q::SlopeOfRootMean, Equivalent, 0.0, root, budget);
        test("RMS ∇_g, predicted slope", 1, Q::SlopeOfRootMeanG, Equivalent, of_g, root * of_g / EXPONENT, pooled);
        test("‖w‖², limit", sharp, Q::SlopeOfNorm, Equivalent, 0.5, budget.margin, budget);
        test("‖w‖² and e_t, slope over predicted", 2 * all, Q::SlopeOverPredicted, Equivalent, 1.0, RATIO, budget);
        // The effective rate at a constant eta_w scatters as little as e_T sqrt(2qT) does.
        for (late, cases) in [Budget::late(context), Budget::of_quotient(context)].into_iter().zip(LATE) {
            let (n, root) = (cases.len(), late.share() * EXPONENT.abs());
            test("later: RMS ∇_v, no slower than -1/4", n, Q::SlopeOfRootMeanLate, AtMost, EXPONENT, late.margin, late);
            test("later: RMS ∇_v over √e_t", n, Q::SlopeOfRootMeanLate, Equivalent, 0.0, root, late);
            test("later: e_t, slope over predicted", n, Q::Number, Equivalent, 1.0, RATIO, late);
        }
        Ok(tests)
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "projected SGD",
                breaks: "blocks are brought back to their norm, so that the constant rate 0.3 cannot tune itself: the \
                         gradient of w stalls",
                run: |context| broken(projected(), context, |found, check| found.no_slower(check)),
            },
            Control {
                name: "projected SGD, its effective rate",
                breaks: "the same, decided by the effective rate: its slope is 0",
                run: |context| broken(projected(), context, |found, check| found.rate_over_predicted(check).map(drop)),
            },
            Control {
                name: "weight decay",
                breaks: "w decays by 1e-3·w a step: the effective rate settles (claim equilibrium), and the gradient \
                         stalls",
                run: |context| {
                    broken(decayed(Known::problem_j(), Budget::CONTROL), context, |found, check| found.no_slower(check))
                },
            },
            Control {
                name: "weight decay on the quotient",
                breaks: "the same without a g",
                run: |context| {
                    let quotient = Known::rayleigh_from_minimiser();
                    broken(decayed(quotient, Budget::CONTROL_LATE), context, |found, check| found.no_slower(check))
                },
            },
            Control {
                name: "T^(-1/2) for the root",
                breaks: "the exponent of the square is claimed for the root",
                run: |context| broken(plain(0.0), context, |found, check| found.limit(check, -0.5)),
            },
            Control {
                name: "e_t^0.65 for √e_t",
                breaks: "the gradient is said to fall by 30 % faster than the root of the effective rate",
                run: |context| broken(plain(0.0), context, |found, check| found.follows_the_rate(check, 0.65)),
            },
            Control {
                name: "constant rate of g",
                breaks: "η_{g,t} = η_g does not decay: the gradient of g stalls, whatever that of w does",
                run: |context| {
                    let way = Way { alpha_g: 0.0, ..plain(0.0) };
                    broken(way, context, |found, check| of_g(check, "control", std::slice::from_ref(found)))
                },
            },
            Control {
                name: "‖w‖² from ‖w_0‖",
                breaks: "α = 1/2, and the norm is predicted from ‖w_0‖ = 1, as if the first steps did not count: a \
                         slope of 0.0395",
                run: |context| {
                    let way = Way { budget: Budget::CONTROL_MANY, ..plain(0.5) };
                    broken(way, context, |found, check| {
                        found.norm_over_predicted(check, found.case.prediction(), From::Start).map(drop)
                    })
                },
            },
            Control {
                name: "10 % more noise",
                breaks: "α = 1/2, and the norm is predicted with q = 1.1·3/4",
                run: |context| {
                    broken(plain(0.5), context, |found, check| {
                        let sgd = found.case.prediction();
                        let louder = SgdPrediction { noise: 1.1 * sgd.noise, ..sgd };
                        found.norm_over_predicted(check, louder, From::Window).map(drop)
                    })
                },
            },
            Control {
                name: "‖w‖² ~ T^(1/2) for α = 1/4",
                breaks: "the norm is said to grow as if the learning rate did not decay",
                run: |context| broken(plain(0.25), context, |found, check| found.norm_limit(check, 0.5)),
            },
        ]
    }
}

/// The runs of a control.
struct Way {
    known: Known,
    rule: StepRule,
    eta_w: f64,
    alpha: f64,
    alpha_g: f64,
    budget: Budget,
}

fn plain(alpha: f64) -> Way {
    let (known, rule, budget) = (Known::problem_j(), StepRule::Gradient, Budget::CONTROL);
    Way { known, rule, eta_w: 1.0, alpha, alpha_g: 0.5, budget }
}

fn projected() -> Way {
    Way { rule: StepRule::Projected, eta_w: PROJECTED, ..plain(0.0) }
}

fn decayed(known: Known, budget: Budget) -> Way {
    Way { known, rule: StepRule::Decay { lambda: 1e-3 }, budget, ..plain(0.0) }
}

/// One decision on runs that are broken, or about which something false is said.
fn broken(
    way: Way,
    context: &Context,
    decide: impl Fn(&Found<'_>, &mut Check) -> Result<(), Unevaluated>,
) -> Result<Check, Unevaluated> {
    let Way { ref known, rule, eta_w, alpha, alpha_g, budget } = way;
    let case = Case { known, rule, eta_w, alpha, alpha_g, budget };
    let found = Found { case, name: "control".to_owned(), measured: case.measure(context, "control")? };
    let mut check = Check::new();
    decide(&found, &mut check)?;
    Ok(check)
}

fn found<'a>(case: Case<'a>, name: String, context: &Context) -> Result<Found<'a>, Unevaluated> {
    let measured = case.measure(context, &name)?;
    Ok(Found { case, name, measured })
}

/// All that is claimed of some runs: of those at eta_w = 1 on problem J everything (`full`), of the others what depends
/// on eta_w or on the loss.
fn judge(evidence: &mut Evidence, found: &Found<'_>, full: bool, context: &Context) -> Result<(), Unevaluated> {
    let Found { case, name, measured } = found;
    let Budget { n_runs, n_steps, .. } = case.budget;
    let check = &mut evidence.check;
    measured.settled.hypotheses(check, name, case.known);
    found.no_slower(check)?;
    found.follows_the_rate(check, 0.5)?;
    let of_rate = found.rate_over_predicted(check)?;
    if full {
        let ratio = found.norm_over_predicted(check, case.prediction(), From::Window)?;
        observe_ratio(evidence, "‖w‖²", ratio, found);
    }
    let check = &mut evidence.check;
    if full && is_sharp(case.alpha) {
        found.limit(check, EXPONENT)?;
        found.norm_limit(check, 0.5 - case.alpha)?;
    }
    let window = case.budget.window();
    let rms = found.slope(&measured.v)?;
    let request = Bootstrap { window, summary: Summary::RootMean, level: 0.95, n_resamples: 2000 };
    let mut generator = context.generator(&format!("bootstrap/{name}"));
    let interval = bootstrap_slope(&measured.v.t, &measured.v.values, &request, &mut generator)?;
    let predicted = 0.5 * measured.effective_lr.slope(window, Summary::Mean)?.value;
    evidence.observe_interval(
        format!("slope of the RMS gradient, {name}"),
        rms.value,
        [interval.low, interval.high],
        format!("of ∇_v; half the slope of e_t: {predicted:.4}; 95% bootstrap over {n_runs} runs, T = {n_steps}"),
    );
    let with_g = (full, "the RMS ∇_g", &measured.g, Summary::RootMean, EXPONENT);
    let of_norm = case.prediction().fit_norm_sq(&case.budget.horizons(), window)?.slope;
    let of_w = (full, "‖w‖²", &measured.w_norm_sq, Summary::Mean, of_norm);
    for (_, what, table, summary, target) in [with_g, of_w].into_iter().filter(|one| one.0) {
        let slope = table.slope(window, summary)?;
        let interval = slope.interval(0.95);
        let note = format!("{target:.4} from ‖w_0‖ and the schedules alone; 95% over {n_runs} runs");
        evidence.observe_interval(format!("slope of {what}, {name}"), slope.value, [interval.low, interval.high], note);
    }
    observe_ratio(evidence, "the effective rate", of_rate, found);
    Ok(())
}

fn observe_ratio(evidence: &mut Evidence, what: &str, ratio: Estimate, found: &Found<'_>) {
    let interval = ratio.interval(0.95);
    let note = format!("1 ± {RATIO}; the mean of {} runs, each from its own norm at T/100, 95%", ratio.n_runs);
    let name = format!("slope of {what} over predicted, {}", found.name);
    evidence.observe_interval(name, ratio.value, [interval.low, interval.high], note);
}

#[cfg(test)]
mod tests;
