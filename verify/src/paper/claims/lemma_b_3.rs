//! Lemma B.3: the norms grow no faster than sqrt(H_T(2 alpha)), so that the effective learning rate stays large enough.
//!
//! Squaring Lemma 2.4 gives n_{t+1}^2 = n_t^2 + 2 eta_t^2 ||grad_v F_t||^2 + eta_t^4 ||grad_v F_t||^4/n_t^2, exactly;
//! the lemma puts LA for the gradients and n_0 for n_t in the last denominator, and sums.

use std::f64::consts::{FRAC_PI_2, PI};

use ratecheck::bounds::{Constant, lemma_b3_norm_sq};
use ratecheck::descent::{Schedule, StepRule};
use ratecheck::loss::closed::TanhCircle;
use ratecheck::rates::log_spaced;
use ratecheck::scalar::{DoubleDouble, Scalar};

use crate::claim::closed_forms::{ROUNDED, Spiral, on_circle};
use crate::claim::closest::Closest;
use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Statement, SubjectControl, Unevaluated,
};
use crate::claim::instances::U;
use crate::claim::parallel::InParallel;
use crate::claim::plot::{Plot, SidesAt};
use crate::claim::subject::{Premise, Subject};
use crate::paper::slack;
use crate::paper::stochastic::on_subject::{Runs, Short, natural_rate};
use crate::paper::stochastic::{Case, Losses, Mean, ReadingOfD, Replayed, bounded, case};

/// See the module's first line.
pub(super) struct LemmaB3;

static STATEMENT: Statement = Statement {
    id: "lemma-b.3",
    title: "Lemma B.3",
    plain: "Under stochastic gradient descent the effective learning rate of a scale-invariant block falls no faster \
            than T^(-1/2), up to a logarithm for α = 1/2.",
    formula: "‖w_T‖⁴ = ‖w_0‖⁴ + 2Σ_t η_t²‖∇_v F_t‖² + Σ_t η_t⁴‖∇_v F_t‖⁴/‖w_t‖⁴ ≤ ‖w_0‖⁴ + H_T(2α)D_i,  \
              η_{w,T}/‖w_T‖² ≥ ψ_i(T) = η_w(T+1)^(-α)/√(‖w_0‖⁴ + H_T(2α)D_i),  D_i = 2η_w²L_A² + η_w⁴L_A⁴/‖w_0‖⁴",
    latex: &[
        r"\|w_T\|^4=\|w_0\|^4+2\sum_t\eta_t^2\|\nabla_vF_t\|^2+\sum_t\frac{\eta_t^4\|\nabla_vF_t\|^4}{\|w_t\|^4}\le\|w_0\|^4+H_T(2\alpha)D_i",
        r"\frac{\eta_{w,T}}{\|w_T\|^2}\ge\psi_i(T)=\frac{\eta_w(T+1)^{-\alpha}}{\sqrt{\|w_0\|^4+H_T(2\alpha)D_i}},\qquad D_i=2\eta_w^2L_A^2+\frac{\eta_w^4L_A^4}{\|w_0\|^4}",
    ],
    printed_at: "appendix B, Lemma B.3",
    kind: Kind::Inequality,
    origin: Origin::Paper,
    hypotheses: &[
        "η_{w,t} = η_w(t+1)^(-α), 0 ≤ α ≤ 1/2",
        "‖∇_v F_z‖ ≤ L_A for every minibatch z, at every point of the run",
    ],
    measured: "the identity and both bounds at every T of stochastic runs with α = 0, 1/8, 1/4, 3/8, 1/2 and η_w = \
               0.01, 1, 100 on problem J and on a network 3-4-1, and of runs on the rounded tanh circle from its \
               steepest point, whose first step uses 84 % of D, and on the spiral, whose gradient is L_A at every \
               step; with L_A = L and L_A = πL; of each run the comparison with the least room; every inequality of \
               the proof by itself, with its part of the gap",
    tolerance: "a step changes ‖w‖² by up to 2u (rounded weights) and 34u (step not quite orthogonal to w), ‖w‖⁴ by \
                twice that, and every sum by u a term: (80T + 32)u of ‖w_T‖⁴",
    does_not_show: "the exponent: see theorem-4.2-rate and effective-rate-law",
};

const ALPHAS: [f64; 5] = [0.0, 0.125, 0.25, 0.375, 0.5];
const ETAS: [f64; 3] = [0.01, 1.0, 100.0];

/// What D is made of.
#[derive(Clone, Copy)]
struct Reading {
    /// LA over its proved value.
    l_a: f64,
    d: ReadingOfD,
}

const SHARP: Reading = Reading { l_a: 1.0, d: ReadingOfD::WHOLE };

/// The shares of the bounds that a run used, at most.
struct NormShares {
    /// (n_T^2 - n_0^2)/(H_T D).
    growth: f64,
    /// n_T over its bound.
    norm: f64,
    gradient: f64,
}

impl Claim for LemmaB3 {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let steps = context.pick([1_000, 20_000, 200_000, 2_000_000]);
        let losses = Losses::new(context)?;
        let grid: Vec<(f64, f64)> = ALPHAS.iter().flat_map(|&a| ETAS.map(|e| (a, e))).collect();
        let found: Vec<_> = grid.in_parallel(|&(alpha, eta_w)| -> Result<_, Unevaluated> {
            let mut check = Check::new();
            let (j, net) = (losses.problem_j(eta_w, alpha, steps), losses.network(eta_w, alpha, steps / 50));
            let (horizons, mut seen) = (log_spaced(1, steps, 60), Vec::new());
            let mut look = |t: u64, sides: [f64; 2]| {
                if horizons.binary_search(&t).is_ok() {
                    seen.push((t as f64, sides));
                }
            };
            let found = [
                along(&mut check, &j, SHARP, context, &mut look)?,
                follow(&mut check, &net, SHARP, context)?,
                steepest(&mut check, eta_w, alpha, SHARP, 20, context)?,
            ];
            follow(&mut check, &j, Reading { l_a: PI, ..SHARP }, context)?;
            spiral(&mut check, eta_w, alpha, steps, context)?;
            follow(&mut check, &net, Reading { l_a: PI, ..SHARP }, context)?;
            Ok((check, found, seen))
        });
        let mut evidence = Evidence::default();
        let mut most = [[0.0_f64; 3]; 3];
        let (mut near, mut curves) = (0.0_f64, Vec::new());
        for (&(alpha, eta_w), found) in grid.iter().zip(found) {
            let (check, found, seen) = found?;
            evidence.check.merge(check);
            if eta_w == 1.0 && [0.0, 0.25, 0.5].contains(&alpha) {
                curves.push((alpha, seen));
            }
            for (most, found) in most.iter_mut().zip(&found) {
                *most = [most[0].max(found.growth), most[1].max(found.norm), most[2].max(found.gradient)];
            }
            if eta_w == 0.01 {
                near = near.max(found[0].norm);
            }
        }
        for (name, [growth, norm, gradient]) in
            ["problem J", "network 3-4-1", "rounded tanh circle"].into_iter().zip(most)
        {
            bounded(&mut evidence.check, name, gradient);
            let note = "the smallest multiple of D that passes, over every T, α and η_w";
            evidence.observe(format!("{name}: (‖w_T‖⁴ - ‖w_0‖⁴)/(H_T D)"), growth, note);
            evidence.observe(format!("{name}: ‖w_T‖²/bound"), norm, "largest over every T, α and η_w");
        }
        evidence.observe("problem J, η_w = 0.01: ‖w_T‖²/bound", near, "near 1 because the norm has hardly grown");
        evidence.plots.push(plot(curves));
        slack::stochastic::lemma_b_3(&mut evidence, context)?;
        Ok(evidence)
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "0.9 L for L_A",
                breaks: "the gradient's bound is 10 % too small, on the tanh circle from its steepest point",
                run: |context| {
                    let mut check = Check::new();
                    steepest(&mut check, 0.01, 0.0, Reading { l_a: 0.9, ..SHARP }, 1, context)?;
                    Ok(check)
                },
            },
            Control {
                name: "D without η⁴",
                breaks: "D is 2η_w²L_A² alone, on the tanh circle with η_w = 100, whose first step is 92 times as long \
                         as w",
                run: |context| {
                    let mut check = Check::new();
                    steepest(
                        &mut check,
                        100.0,
                        0.0,
                        Reading { d: ReadingOfD { fourth_order: false, share: 1.0 }, ..SHARP },
                        1,
                        context,
                    )?;
                    Ok(check)
                },
            },
            Control {
                name: "0.999 of 2η_w²L_A² in D",
                breaks: "the first term of D is 0.1 % smaller, on the spiral at η_w = 0.01",
                run: |context| just_below(0.01, Constant::DSquare, context),
            },
            Control {
                name: "0.999 D",
                breaks: "D is 0.1 % smaller, on the spiral at η_w = 1, where both terms count",
                run: |context| just_below(1.0, Constant::D, context),
            },
            Control {
                name: "0.999 of η_w⁴L_A⁴/‖w_0‖⁴ in D",
                breaks: "the second term of D is 0.1 % smaller, on the spiral at η_w = 100",
                run: |context| just_below(100.0, Constant::DFourth, context),
            },
            Control {
                name: "1.001 ψ",
                breaks: "the rate is promised to stay 0.1 % larger, on the spiral at η_w = 1",
                run: |context| just_below(1.0, Constant::Psi, context),
            },
            Control {
                name: "projected SGD",
                breaks: "every block is brought back to its norm: the identity for ‖w_T‖⁴ fails",
                run: |context| {
                    let (mut check, losses) = (Check::new(), Losses::new(context)?);
                    let case = Case { rule: StepRule::Projected, ..losses.problem_j(1.0, 0.0, 100) };
                    follow(&mut check, &case, SHARP, context)?;
                    Ok(check)
                },
            },
        ]
    }
}

impl Measure for LemmaB3 {
    fn needs(&self) -> &'static [Premise] {
        &[Premise::ScaleInvariant]
    }

    /// The identity and both bounds at every T of a run for every alpha and eta_w of the settings,
    /// with the run's own LA.
    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated> {
        let settings = &subject.settings;
        let runs = Runs::new(subject, SECONDS / (settings.alphas.len() * settings.eta_w.len()) as f64, context)?;
        let (mut evidence, found) =
            runs.each(&settings.alphas, context, |check, case| follow(check, case, SHARP, context))?;
        for ([eta_w, alpha], found) in found {
            let note = "(‖w_T‖⁴ - ‖w_0‖⁴)/(H_T D): the smallest multiple of D that passes, over every block and T";
            evidence.observe(format!("α = {alpha}, η_w = {eta_w}: share of D"), found.growth, note);
        }
        Ok(evidence)
    }

    fn controls(&self) -> Vec<SubjectControl> {
        vec![
            SubjectControl {
                name: "D just too small",
                breaks: "D is 99 % of the smallest multiple that passes on this very run",
                run: |subject, context| Some(starved(subject, context)),
            },
            SubjectControl {
                name: "projected SGD",
                breaks: "every block is brought back to its norm: the identity for ‖w_T‖⁴ fails",
                run: |subject, context| {
                    Some(broken(subject, context, StepRule::Projected, natural_rate(subject, context)?))
                },
            },
            SubjectControl {
                name: "weight decay on w",
                breaks: "w moves against ∇F + λw with η_wλ = 1/10: steps are not orthogonal to w",
                run: |subject, context| {
                    let eta_w = natural_rate(subject, context)?;
                    Some(broken(subject, context, StepRule::Decay { lambda: 0.1 / eta_w }, eta_w))
                },
            },
        ]
    }
}

/// A few steps of the spiral with one constant less by a thousandth.
fn just_below(eta_w: f64, constant: Constant, context: &Context) -> Result<Check, Unevaluated> {
    let mut check = Check::new();
    spiral(&mut check, eta_w, 0.0, 2, &context.claiming(constant, 0.999))?;
    Ok(check)
}

/// What both passes over all runs of a subject may take.
const SECONDS: f64 = 0.25;
/// Steps of a control.
const BROKEN: u64 = 100;

/// A run at the largest learning rate with too small a D.
fn starved(subject: &Subject, context: &Context) -> Result<Check, Unevaluated> {
    let eta_w = subject.settings.eta_w.iter().fold(0.0_f64, |most, &eta_w| most.max(eta_w));
    let steps = BROKEN.min(subject.steps(SECONDS / 9.0, context.profile));
    let run = Short { eta_w, alpha: 0.0, rule: StepRule::Gradient, steps };
    run.compared(subject, context, |check, case| {
        let share = follow(&mut Check::new(), case, SHARP, context)?.growth;
        let d = ReadingOfD { share: 0.99 * share, ..ReadingOfD::WHOLE };
        follow(check, case, Reading { d, ..SHARP }, context).map(drop)
    })
}

/// A few steps by another rule.
fn broken(subject: &Subject, context: &Context, rule: StepRule, eta_w: f64) -> Result<Check, Unevaluated> {
    let run = Short { eta_w, alpha: 0.0, rule, steps: BROKEN };
    run.compared(subject, context, |check, case| follow(check, case, SHARP, context).map(drop))
}

/// The rounded tanh circle from the point where its gradient is largest, for a few steps.
fn steepest(
    check: &mut Check,
    eta_w: f64,
    alpha: f64,
    reading: Reading,
    steps: u64,
    context: &Context,
) -> Result<NormShares, Unevaluated> {
    let (loss, theta_0) = (TanhCircle::rounded(1.0, ROUNDED), on_circle(FRAC_PI_2));
    follow(check, &case("rounded tanh circle", &loss, [&theta_0, &[1.0]], [eta_w, alpha], steps), reading, context)
}

/// The spiral, whose gradient is L_A at every step: D is used up in the first step, and its first term in all others.
fn spiral(check: &mut Check, eta_w: f64, alpha: f64, steps: u64, context: &Context) -> Result<NormShares, Unevaluated> {
    follow(check, &case("spiral", &Spiral::default(), [&[1.0, 0.0], &[1.0]], [eta_w, alpha], steps), SHARP, context)
}

/// Norms and their bounds along runs with three exponents.
fn plot(curves: Vec<(f64, Vec<SidesAt>)>) -> Plot {
    let plot = Plot::log_log(
        "norm",
        "Norms grow no faster than √(H_T(2α)): as √T for a constant rate, and slower for one that falls",
        "‖w_T‖² along SGD on problem J at η_w = 1 (lines), and its bound √(‖w_0‖⁴ + H_T(2α)D) with L_A = L (dashed), for \
         three exponents α of the learning rate.",
        "steps T",
        "‖w_T‖²",
    );
    plot.beside_bounds(curves.into_iter().map(|(alpha, seen)| (format!("α = {alpha}"), seen)).collect())
}

/// Compares at every T of one run.
fn follow(check: &mut Check, case: &Case<'_>, reading: Reading, context: &Context) -> Result<NormShares, Unevaluated> {
    along(check, case, reading, context, &mut |_, _| ())
}

/// The same, with a look at T and at ||w_T||^2 and its bound of the first block.
fn along(
    check: &mut Check,
    case: &Case<'_>,
    reading: Reading,
    context: &Context,
    look: &mut dyn FnMut(u64, [f64; 2]),
) -> Result<NormShares, Unevaluated> {
    let &Case { name, eta_w, alpha, steps, .. } = case;
    let n_start = case.n_start();
    let m = n_start.len();
    let l_a = |i: usize| reading.l_a * case.l_a[i];
    let d: Vec<f64> = (0..m).map(|i| reading.d.of(&context.factors, eta_w, l_a(i), n_start[i])).collect();
    // (t+1)^(-2 alpha), whose sum is H_T(2 alpha).
    let (weight, mut h) = (Schedule::new(1.0, 2.0 * alpha)?, 0.0);
    let mut identity = vec![0.0_f64; m];
    let mut square: Vec<f64> = n_start.iter().map(|n| n * n).collect();
    let (mut norms, mut rates) = (vec![Closest::NONE; m], vec![Closest::NONE; m]);
    let (mut growth, mut norm) = (0.0_f64, 0.0_f64);
    let gradient = case.follow(Mean::Unused, case.generator(context), |moment| {
        h += weight.at(moment.t);
        let t = moment.t + 1;
        for i in 0..m {
            let (n, next) = (moment.n[0][i], moment.n[1][i]);
            // eta^2 ||grad_v F||^2 = eta^2 n ||grad_w F||^2.
            let step = moment.eta_w[0] * moment.eta_w[0] * n * moment.grad_w_sq[i];
            square[i] += 2.0 * step + step * step / (n * n);
            let error = (square[i] - next * next).abs() / (next * next);
            // A NaN stays: it compares false with everything.
            if !(error <= identity[i]) && !identity[i].is_nan() {
                identity[i] = error;
            }
            let bound = lemma_b3_norm_sq(n_start[i], d[i], h);
            norms[i].keep_change(t, next, bound, bound - n_start[i]);
            if i == 0 {
                look(t, [next, bound]);
            }
            let least = context.factors.psi(moment.eta_w[1], n_start[i], d[i], h);
            rates[i].keep_change(t, least, moment.eta_w[1] / next, moment.eta_w[1] / n_start[i] - least);
            norm = norm.max(next / bound);
            growth = growth.max((next * next - n_start[i] * n_start[i]) / (h * d[i]));
        }
    })?;
    let rounding = (80.0 * steps as f64 + 32.0) * U;
    for (i, block) in case.loss.parameters().blocks().iter().enumerate() {
        let run = format!("α = {alpha}, η_w = {eta_w}, {}", block.name);
        check.identity(format!("{name}, the identity · {run}"), identity[i], rounding);
        let run = format!("{name} · {run}, L_A = {:.2} {}", reading.l_a, case.bound);
        // The run again with its n_0 and D.
        let replay = |t: u64| -> Option<(Replayed, [DoubleDouble; 2])> {
            let run = case.replay(Mean::Unused, case.generator(context), t)?;
            let start = run.norms[0][i];
            let d = reading.d.of(&context.factors, eta_w, run.l_a[i].scale(reading.l_a), start);
            Some((run, [start, d]))
        };
        norms[i].replayed(check, &format!("{run}, ‖w_T‖²"), rounding, |t| {
            replay(t).map(|(run, [n, d])| [run.norms[1][i], lemma_b3_norm_sq(n, d, run.h_2alpha)])
        });
        rates[i].replayed(check, &format!("{run}, effective rate"), rounding, |t| {
            let (run, [n, d]) = replay(t)?;
            Some([context.factors.psi(run.eta_w, n, d, run.h_2alpha), run.rates(i)[0]])
        });
    }
    Ok(NormShares { growth, norm, gradient })
}
