//! Remark 4.1: for alpha > 1/2 the norms stay bounded, so the effective learning rate falls as T^(-alpha),
//! like eta_{w,T}.
//!
//! The lower bound holds because ||w_T||^4 <= n_0^2 + H_T(2 alpha) D (Lemma B.3), where H_T stays below zeta(2 alpha)
//! for alpha > 1/2. It needs LA with ||grad_v F_z|| <= LA for every F_z at every point of the run: L^vv of every F_z
//! will do (the Euler identities), pi L^vv is printed.
//! The two losses with such an LA are in [`crate::paper::stochastic`].

use std::f64::consts::PI;

use ratecheck::bounds::{Constant, remark_4_1};
use ratecheck::descent::StepRule;
use ratecheck::rates::{Window, fit_power_law, log_spaced, zeta};
use ratecheck::scalar::{DoubleDouble, Scalar};

use crate::claim::closed_forms::Spiral;
use crate::claim::closest::Closest;
use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Statement, SubjectControl, Unevaluated,
};
use crate::claim::instances::U;
use crate::claim::parallel::InParallel;
use crate::claim::plot::{Plot, Series, Style};
use crate::claim::subject::{Premise, Subject};
use crate::paper::stochastic::on_subject::{Runs, Short, natural_rate};
use crate::paper::stochastic::{Case, Losses, Mean, ReadingOfD, bounded, case};

/// See the module's first line.
pub(super) struct Remark41;

static STATEMENT: Statement = Statement {
    id: "remark-4.1",
    title: "Remark 4.1",
    plain: "If the learning rate decays faster than T^(-1/2), batch normalisation cannot make up for it: the effective \
            learning rate decays at the same speed.",
    formula: "α > 1/2:  η_{w,T}/√(n₀² + ζ(2α)D) ≤ η_{w,T}/‖w_T‖² ≤ η_{w,T}/n₀,  η_{w,T} = η_w(T+1)^(-α), \
              D = 2η_w²L_A² + η_w⁴L_A⁴/n₀²",
    latex: &[
        r"\alpha>\tfrac12:\qquad\frac{\eta_{w,T}}{\sqrt{n_0^2+\zeta(2\alpha)\,D}}\le\frac{\eta_{w,T}}{\|w_T\|^2}\le\frac{\eta_{w,T}}{n_0}",
        r"\eta_{w,T}=\eta_w(T+1)^{-\alpha},\qquad D=2\eta_w^2L_A^2+\frac{\eta_w^4L_A^4}{n_0^2}",
    ],
    printed_at: "section 4.2, Remark 4.1",
    kind: Kind::Inequality,
    origin: Origin::Paper,
    hypotheses: &[
        "α > 1/2",
        "‖∇_v F_z‖ ≤ L_A for every minibatch z, at every point of the run",
        "η_g ≤ 1 (problem J), η_gλ ≤ 1",
    ],
    measured: "both bounds at every T ≥ 1 of stochastic runs with α = 0.6, 3/4 and 1 and η_w = 0.01, 1 and 100, on \
               problem J (exact constants) and on a network 3-4-1 on a teacher (proved constants), with L_A = L and \
               with L_A = πL; each comparison is the one with the least room over all T of a run",
    tolerance: "rounding alone: a step changes ‖w‖² by up to 2u (rounded weights) and 34u (step not quite orthogonal \
                to w), a comparison has a few roundings more: (36T + 16)u, relative",
    does_not_show: "that a rate which falls as T^(-α) with α > 1/2 slows convergence down",
};

/// What the two sides are formed from.
#[derive(Clone, Copy)]
struct Reading {
    /// The effective rate is eta_{w,T}/n_T; the text prints 1/n_T.
    with_eta: bool,
    /// zeta(2 alpha), whatever alpha is.
    zeta: f64,
    d: ReadingOfD,
}

impl Reading {
    fn corrected(alpha: f64) -> Self {
        Self { with_eta: true, zeta: zeta(2.0 * alpha), d: ReadingOfD::WHOLE }
    }
}

impl Claim for Remark41 {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let steps = context.pick([2_000, 50_000, 500_000, 5_000_000]);
        let losses = Losses::new(context)?;
        let grid: Vec<(f64, f64)> = [0.6, 0.75, 1.0].iter().flat_map(|&a| [0.01, 1.0, 100.0].map(|e| (a, e))).collect();
        let found: Vec<_> = grid
            .in_parallel(|&(alpha, eta_w)| {
                let mut check = Check::new();
                let reading = Reading::corrected(alpha);
                let found = follow(&mut check, &losses.problem_j(eta_w, alpha, steps), reading, context)?;
                let network = follow(&mut check, &losses.network(eta_w, alpha, steps / 50), reading, context)?;
                spiral(&mut check, eta_w, alpha, steps, context)?;
                Ok((check, found, network.gradient))
            })
            .into_iter()
            .collect::<Result<_, Unevaluated>>()?;
        let mut evidence = Evidence::default();
        let window = Window::new(steps as f64 / 100.0, steps as f64);
        let (mut nearest, mut curves) = ([0.0_f64; 2], Vec::new());
        let gradient =
            found.iter().fold([0.0_f64; 2], |[j, n], (_, found, network)| [j.max(found.gradient), n.max(*network)]);
        bounded(&mut evidence.check, "problem J", gradient[0]);
        bounded(&mut evidence.check, "network 3-4-1", gradient[1]);
        for (&(alpha, eta_w), (check, found, _)) in grid.iter().zip(found) {
            evidence.check.merge(check);
            nearest = [nearest[0].max(found.nearest[0]), nearest[1].max(found.nearest[1])];
            if eta_w == 1.0 {
                curves.push((alpha, found.rates.clone()));
            }
            let (t, e): (Vec<f64>, Vec<f64>) = found.rates.into_iter().map(|(t, e, _)| (t, e)).unzip();
            let slope = fit_power_law(&t, &e, window)?.slope;
            evidence.observe(
                format!("problem J, α = {alpha}, η_w = {eta_w}: slope of the effective rate"),
                slope,
                format!("tends to -α = -{alpha}; fitted on [T/100, T], T = {steps}"),
            );
        }
        let note = "largest over every T, α and η_w; 1 would be sharp";
        evidence.observe("problem J: lower bound/measured with L_A = L", nearest[0], note);
        evidence.observe("problem J: lower bound/measured with L_A = πL", nearest[1], note);
        evidence.plots.push(plot(curves));
        Ok(evidence)
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "1/G_t as printed",
                breaks: "the effective rate is read as 1/‖w_T‖², without η_{w,T} (E21)",
                run: |context| {
                    let reading = Reading { with_eta: false, ..Reading::corrected(1.0) };
                    broken(context, 1.0, 1.0, reading, 1_000)
                },
            },
            Control {
                name: "α = 1/4",
                breaks: "a schedule out of range, α = 1/4, with ζ(3/2) as if the sum of η_{w,t}² converged",
                run: |context| broken(context, 0.01, 0.25, Reading::corrected(0.75), 10_000),
            },
            Control {
                name: "constant rate",
                breaks: "a schedule out of range, α = 0, with ζ(3/2) as if the sum of η_{w,t}² converged",
                run: |context| broken(context, 0.01, 0.0, Reading::corrected(0.75), 10_000),
            },
            Control {
                name: "0.999 of 2η_w²L_A² in D",
                breaks: "the first term of D is 0.1 % smaller, on 2000 steps of the spiral at η_w = 0.01, α = 1",
                run: |context| just_below(0.01, Constant::DSquare, 0.999, context),
            },
            Control {
                name: "0.999 D",
                breaks: "D is 0.1 % smaller, on the same steps",
                run: |context| just_below(0.01, Constant::D, 0.999, context),
            },
            Control {
                name: "0.6 of η_w⁴L_A⁴/‖w_0‖⁴ in D",
                breaks: "the second term of D is just below 1/ζ(2) = 0.608 of what it is, on the spiral at η_w = 100, \
                         α = 1",
                run: |context| just_below(100.0, Constant::DFourth, 0.6, context),
            },
            Control {
                name: "D without η⁴",
                breaks: "D is 2η_w²L_A² alone, while the first step at η_w = 100 is 100 times as long as w",
                run: |context| {
                    let d = ReadingOfD { fourth_order: false, ..ReadingOfD::WHOLE };
                    broken(context, 100.0, 0.75, Reading { d, ..Reading::corrected(0.75) }, 100)
                },
            },
        ]
    }
}

/// The exponents on a user's loss; those of its settings end at 1/2.
const ALPHAS: [f64; 2] = [0.75, 1.0];

impl Measure for Remark41 {
    fn needs(&self) -> &'static [Premise] {
        &[Premise::ScaleInvariant]
    }

    /// Both bounds at every T of a run for alpha = 3/4 and 1 and every eta_w of the settings, with the run's own LA.
    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated> {
        let seconds = SECONDS / (ALPHAS.len() * subject.settings.eta_w.len()) as f64;
        let runs = Runs::new(subject, seconds, context)?;
        let judge = |check: &mut Check, case: &Case<'_>| follow(check, case, Reading::corrected(case.alpha), context);
        let (mut evidence, found) = runs.each(&ALPHAS, context, judge)?;
        for ([eta_w, alpha], found) in found {
            let note = "(‖w_T‖⁴ - ‖w_0‖⁴)/(ζ(2α)D): the smallest multiple of D that passes, over every block and T";
            evidence.observe(format!("α = {alpha}, η_w = {eta_w}: share of D"), found.growth, note);
        }
        Ok(evidence)
    }

    fn controls(&self) -> Vec<SubjectControl> {
        vec![
            SubjectControl {
                name: "1/G_t as printed",
                breaks: "the effective rate is read as 1/‖w_T‖², without η_{w,T} < 1/100 (E21)",
                run: |subject, context| {
                    // So short a step that the norm has hardly grown.
                    let eta_w = (0.01 * natural_rate(subject, context)?).min(0.01);
                    Some(short(subject, eta_w, context, |_| {
                        Ok(Reading { with_eta: false, ..Reading::corrected(SHORT) })
                    }))
                },
            },
            SubjectControl {
                name: "D just too small",
                breaks: "D is 99 % of the smallest multiple that passes on this very run",
                run: |subject, context| {
                    let eta_w = natural_rate(subject, context)?;
                    Some(short(subject, eta_w, context, |case| {
                        let growth = follow(&mut Check::new(), case, Reading::corrected(SHORT), context)?.growth;
                        let d = ReadingOfD { share: 0.99 * growth, ..ReadingOfD::WHOLE };
                        Ok(Reading { d, ..Reading::corrected(SHORT) })
                    }))
                },
            },
        ]
    }
}

/// What both passes over all runs of a subject may take.
const SECONDS: f64 = 0.15;
/// The exponent of the controls.
const SHORT: f64 = 1.0;

/// A few steps, read in a way that may look at the run first.
fn short(
    subject: &Subject,
    eta_w: f64,
    context: &Context,
    reading: impl Fn(&Case<'_>) -> Result<Reading, Unevaluated>,
) -> Result<Check, Unevaluated> {
    let run = Short { eta_w, alpha: SHORT, rule: StepRule::Gradient, steps: 100 };
    run.compared(subject, context, |check, case| follow(check, case, reading(case)?, context).map(drop))
}

/// The spiral, whose gradient is L_A at every step.
fn spiral(
    check: &mut Check,
    eta_w: f64,
    alpha: f64,
    steps: u64,
    context: &Context,
) -> Result<EffectiveRates, Unevaluated> {
    let loss = Spiral::default();
    let case = case("spiral", &loss, [&[1.0, 0.0], &[1.0]], [eta_w, alpha], steps);
    follow(check, &case, Reading::corrected(alpha), context)
}

/// ζ(2) D is used up as far as T^(-1) allows; the first step, whose D is that of η⁴, by 1/ζ(2).
fn just_below(eta_w: f64, constant: Constant, multiple: f64, context: &Context) -> Result<Check, Unevaluated> {
    let mut check = Check::new();
    spiral(&mut check, eta_w, 1.0, 2_000, &context.claiming(constant, multiple))?;
    Ok(check)
}

fn broken(context: &Context, eta_w: f64, alpha: f64, reading: Reading, steps: u64) -> Result<Check, Unevaluated> {
    let losses = Losses::new(context)?;
    let (mut check, case) = (Check::new(), losses.problem_j(eta_w, alpha, steps));
    let found = follow(&mut check, &case, reading, context)?;
    bounded(&mut check, case.name, found.gradient);
    Ok(check)
}

/// T, the effective rate, and its bounds.
type Horizon = (f64, f64, [f64; 2]);

/// The effective rate of the first block at some horizons with its bounds, and how near the lower bounds with L and pi
/// L came to it.
struct EffectiveRates {
    rates: Vec<Horizon>,
    nearest: [f64; 2],
    /// (n_T^2 - n_0^2)/(zeta(2 alpha) D) of the first LA, at most, over every block:
    /// the smallest multiple of D that passes.
    growth: f64,
    /// The largest ||grad_v F_z||/LA.
    gradient: f64,
}

/// Follows one run and compares at every T.
fn follow(
    check: &mut Check,
    case: &Case<'_>,
    reading: Reading,
    context: &Context,
) -> Result<EffectiveRates, Unevaluated> {
    let &Case { name, loss, l_a, eta_w, alpha, steps, .. } = case;
    let n_start = case.n_start();
    let l_a = |i: usize| [l_a[i], PI * l_a[i]];
    let d = |i: usize| l_a(i).map(|l_a| reading.d.of(&context.factors, eta_w, l_a, n_start[i]));
    let d: Vec<[f64; 2]> = (0..n_start.len()).map(d).collect();
    let mut upper = vec![Closest::NONE; n_start.len()];
    let mut lower = vec![[Closest::NONE; 2]; n_start.len()];
    let horizons = log_spaced(1, steps, 60);
    let mut rates = Vec::with_capacity(horizons.len());
    let mut growth = 0.0_f64;
    // At T = 0 the upper bound is the rate itself.
    let gradient = case.follow(Mean::Unused, case.generator(context), |moment| {
        let (t, eta) = (moment.t + 1, moment.eta_w[1]);
        for (i, &n) in moment.n[1].iter().enumerate() {
            let effective = if reading.with_eta { eta } else { 1.0 } / n;
            let mut bounds = [0.0; 2];
            growth = growth.max((n * n - n_start[i] * n_start[i]) / (reading.zeta * d[i][0]));
            for k in 0..2 {
                let (low, high) = remark_4_1(eta, n_start[i], d[i][k], reading.zeta);
                lower[i][k].keep_change(t, low, effective, high - low);
                upper[i].keep(t, effective, high);
                if k == 0 {
                    bounds = [low, high];
                }
            }
            if i == 0 && horizons.binary_search(&t).is_ok() {
                rates.push((t as f64, effective, bounds));
            }
        }
    })?;
    let rounding = (36.0 * steps as f64 + 16.0) * U;
    for (i, block) in loss.parameters().blocks().iter().enumerate() {
        let run = format!("{name}, α = {alpha} · η_w = {eta_w}, {}", block.name);
        // The run again: the effective rate, and both bounds with one L_A.
        let replay = |t: u64, k: usize| -> Option<(DoubleDouble, (DoubleDouble, DoubleDouble))> {
            let run = case.replay(Mean::Unused, case.generator(context), t)?;
            let (start, eta) = (run.norms[0][i], if reading.with_eta { run.eta_w } else { 1.0 });
            let d = reading.d.of(&context.factors, eta_w, run.l_a[i].scale([1.0, PI][k]), start);
            let bounds = remark_4_1(run.eta_w, start, d, DoubleDouble::from(reading.zeta));
            Some((DoubleDouble::from(eta) / run.norms[1][i], bounds))
        };
        // The norm has not shrunk, by Lemma 2.4: an equality as long as it has not grown.
        let mut link = Check::new();
        let at = format!("{name}, α = {alpha}, upper bound · η_w = {eta_w}, {}", block.name);
        upper[i].replayed(&mut link, &at, rounding, |t| replay(t, 0).map(|(rate, (_, high))| [rate, high]));
        check.merge_links(link);
        for (k, times) in ["", "π"].into_iter().enumerate() {
            let at = format!("{run}, lower bound, L_A = {times}{}", case.bound);
            lower[i][k].replayed(check, &at, rounding, |t| replay(t, k).map(|(rate, (low, _))| [low, rate]));
        }
    }
    Ok(EffectiveRates { rates, nearest: lower[0].map(|closest| closest.ratio()), growth, gradient })
}

/// The effective rates of one exponent between their bounds.
fn plot(curves: Vec<(f64, Vec<Horizon>)>) -> Plot {
    let mut plot = Plot::log_log(
        "effective-rate",
        "For α > 1/2 the effective rate falls as T^(-α), between its bounds",
        "The effective learning rate of SGD on problem J at η_w = 1 (lines), between the bounds of Remark 4.1 with L_A \
         = L (bands); the dashed lines are η_{w,T}/‖w_0‖², the upper bounds, which fall exactly as T^(-α).",
        "steps T",
        "η_{w,T}/‖w_T‖²",
    );
    for (alpha, rates) in curves {
        let measured = rates.iter().map(|&(t, effective, _)| [t, effective]).collect();
        let mut line = Series::new(format!("α = {alpha}"), Style::Line, measured);
        line.band = rates.iter().map(|&(.., bounds)| bounds).collect();
        plot.series.push(line);
        let upper = rates.iter().map(|&(t, _, [_, high])| [t, high]).collect();
        plot.series.push(Series::new("upper bound", Style::Dashed, upper));
    }
    plot
}
