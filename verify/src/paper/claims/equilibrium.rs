//! Equilibrium under weight decay: norms settle where growth and decay balance, and the effective learning rate at
//! sqrt(eta lambda (2 - eta lambda)/q), of the intrinsic rate eta lambda alone. Li, Lyu & Arora 2020; Wan et al. 2021;
//! derived again here.
//!
//! With w' = rho w - eta grad F_z(w), rho = 1 - eta lambda, the two terms are perpendicular (Lemma 2.4), so that
//! exactly
//!
//!   n_{t+1} = rho^2 n_t + eta^2 ||grad_v F_t||^2/n_t.
//!
//! Square it: n_{t+1}^2 = rho^4 n_t^2 + 2 rho^2 eta^2 g_t + eta^4 g_t^2/n_t^2 with g_t = ||grad_v F_t||^2. Let E g_t ->
//! q. The last term is eta lambda of the one before it, and n^2 relaxes as rho^(4t), in 1/(4 eta lambda) steps, towards
//! the fixed point of n = rho^2 n + eta^2 q/n:
//!
//!   n^2 -> eta q/(lambda (2 - eta lambda)),   e = eta/n -> sqrt(eta lambda (2 - eta lambda)/q).
//!
//! (eta, lambda, w_0) and (c^2 eta, lambda/c^2, c w_0) make the same path on the sphere, in every bit if c is a power
//! of two.
//!
//! **Consequence.** e no longer falls, so that E||grad_v L||^2 -> e tr(H Sigma)/2 > 0 (the derivation of claim
//! `sgd-constant` with a constant e): Theorem 4.2 fails under weight decay, where descent stalls at a gradient that eta
//! lambda sets. It is a control there.
//!
//! **Finite eta lambda.** E g is not quite its value q at the minimiser: E||grad_v L||^2 is added, e tr(H Sigma)/(2 q)
//! = e/2 of it on problem J, while the noise, g^2 s^2 (d-1) there, loses E g^2 = 1 - 3e/8. With e = sqrt(2 eta
//! lambda/q) that is an eighth of e: 0.2 % of n^2 at eta lambda = 1e-4, 0.7 % at 1e-3. What is left of the start is
//! e^(-eta lambda T) in n^2 at the beginning of the window [T/4, T), 2 % for the smallest eta lambda, and a tenth of
//! that on its average.

mod on_subject;

use ratecheck::descent::{Plan, Schedule, StepRule, Stepper};
use ratecheck::loss::closed::ProblemJ;
use ratecheck::network::Activation;
use ratecheck::rates::{Estimate, log_spaced, mean_over_runs};

use self::on_subject::one_step;
use crate::claim::decide::near;
use crate::claim::evidence::{Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Statement, Unevaluated};
use crate::claim::instances::{INVARIANT, small};
use crate::claim::plot::{Plot, Series};
use crate::claim::sampled_test::{Design as Sampled, Quantity, SampledTest, Side};
use crate::paper::sgd::coupled::{Design, Known, Seen};
use crate::paper::sgd::problem_j::{Q, runs};
use crate::paper::sgd::teacher_neuron::{self, teacher_neuron};
use crate::paper::sgd::{LEVEL, Table, curve, dashed};

/// See the module's first line.
pub(super) struct Equilibrium;

static STATEMENT: Statement = Statement {
    id: "equilibrium",
    title: "Equilibrium under weight decay",
    plain: "Under weight decay the norms settle, the effective learning rate at a value that depends on the product ηλ \
            alone, and the gradient does not go to 0.",
    formula: "‖w_{t+1}‖² = ρ²‖w_t‖² + η²‖∇_v F_t‖²/‖w_t‖²,  ρ = 1-ηλ;   ‖w_T‖⁴ → ηq/(λ(2-ηλ)),   \
              e_T = η/‖w_T‖² → √(ηλ(2-ηλ)/q),   E‖∇_v L‖² → e·tr(HΣ)/2",
    latex: &[
        r"\|w_{t+1}\|^2=\rho^2\|w_t\|^2+\frac{\eta^2}{\|w_t\|^2}\|\nabla_vF_t\|^2,\qquad\rho=1-\eta\lambda",
        r"\|w_T\|^4\to\frac{\eta q}{\lambda(2-\eta\lambda)},\qquad\frac{\eta}{\|w_T\|^2}\to\sqrt{\frac{\eta\lambda(2-\eta\lambda)}{q}},\qquad\mathbb{E}\|\nabla_vL\|^2\to\tfrac12\,e\operatorname{tr}(H\Sigma)",
    ],
    printed_at: "Li, Lyu & Arora 2020, Reconciling Modern Deep Learning with Traditional Optimization Analyses; Wan et \
                 al. 2021, Spherical Motion Dynamics",
    kind: Kind::Rate,
    origin: Origin::Later,
    hypotheses: &[
        "F_z is scale invariant in w for every z; constant η and λ, 0 < ηλ < 1",
        "E‖∇_v F‖² → q > 0 (problem J: q = 3/4 at its minimisers)",
        "T is far above 1/(4ηλ), and ηλ is small",
    ],
    measured: "the recursion, one step at a time in double-double, at points along runs of small networks under eight \
               normalisations; on problem J, 24 runs of T = 4e4 each, for (η, λ) = (1, 1e-4) and three pairs with ηλ = \
               1e-3: the means of ‖w‖² and of ‖∇_v L‖² over [T/4, T), over theory's; two runs with the same ηλ, bit \
               for bit; and a neuron on a teacher's data in minibatches, η = 1, ηλ = 20/T, 16 runs of T = 4e4: the \
               mean of ‖w‖⁴ over the last quarter, with the q of the same quarter",
    tolerance: "one rounding of f64 for the recursion; 2.5% for ‖w‖² and 5% for the gradient, by Student's intervals \
                at level 1 - 1e-8: bias is of order √(ηλ), 0.4% and 1.5% at ηλ = 1e-3; 20% for the neuron, twice what \
                its premises may be off by together",
    does_not_show: "how long a network takes to get there, or that its noise q stays what it is: both are premises, \
                    which the digits network does not meet within the steps that a claim can run",
};

const NORM: f64 = 0.025;
const SQUARE: f64 = 0.05;
const RUNS: usize = 24;
const T: u64 = 40_000;
/// Of the teacher neuron.
const TEACHER_ETA: f64 = 1.0;
const TEACHER_T: u64 = 40_000;
/// (eta, lambda).
const CASES: [[f64; 2]; 4] = [[1.0, 1e-4], [10.0, 1e-4], [0.1, 0.01], [100.0, 1e-5]];

/// sqrt(eta lambda (2 - eta lambda)/q).
fn rate_of([eta, lambda]: [f64; 2], q: f64) -> f64 {
    let intrinsic = eta * lambda;
    (intrinsic * (2.0 - intrinsic) / q).sqrt()
}

impl Claim for Equilibrium {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut evidence = Evidence::default();
        for (name, normalisation) in INVARIANT {
            let subject = small(name, normalisation, Activation::Tanh, context);
            for eta in [0.01, 1.0, 100.0] {
                for intrinsic in [0.5, 0.01] {
                    one_step(
                        &mut evidence.check,
                        name,
                        (&subject.network, &subject.theta),
                        &subject.z,
                        [eta, intrinsic],
                        true,
                    );
                }
            }
        }
        same_bits(&mut evidence.check, 4.0, context)?;
        for case in CASES {
            let [norm, square, plain] = means(StepRule::Decay { lambda: case[1] }, case, case, 1.0, context)?;
            let at = format!("η = {}, λ = {} · T = {T}", case[0], case[1]);
            near(&mut evidence.check, format!("{at}: ‖w‖²"), norm.interval(LEVEL), 1.0, NORM);
            near(&mut evidence.check, format!("{at}: ‖∇_v L‖²"), square.interval(LEVEL), 1.0, SQUARE);
            for (what, ratio) in [("‖w‖²", norm), ("E‖∇_v L‖²", square)] {
                let i = ratio.interval(0.95);
                let note = match what {
                    "‖w‖²" => format!("95% over {RUNS} runs of T = {T}"),
                    _ => format!("95% over {RUNS} runs; as it was {:.4} ± {:.4}", plain.value, plain.se),
                };
                let name = format!("{what} over its limit, η = {}, λ = {}", case[0], case[1]);
                evidence.observe_interval(name, ratio.value, [i.low, i.high], note);
            }
        }
        let (check, ratio) = on_subject::in_its_block(&teacher_neuron()?, [TEACHER_ETA, 1.0], TEACHER_T, context)?;
        evidence.check.merge(check);
        let note = format!("n²·λ(2-ηλ)/(ηq), T = {TEACHER_T}, with its own q");
        evidence.observe("‖w‖⁴ over its limit, teacher neuron 8-1", ratio, note);
        evidence.plots.push(plot(context)?);
        Ok(evidence)
    }

    fn sampled_tests(&self, _: &Context) -> Result<Vec<SampledTest>, Unevaluated> {
        let test = |what, margin| {
            let (quantity, side) = (Quantity::Average, Side::Equivalent);
            let design = Sampled { quantity, side, target: 1.0, margin, n_runs: RUNS, t: vec![T as f64] };
            SampledTest::of_rate(what, CASES.len(), LEVEL, design)
        };
        let (quantity, side, margin) = (Quantity::Number, Side::Equivalent, on_subject::LAW);
        let teacher =
            Sampled { quantity, side, target: 1.0, margin, n_runs: teacher_neuron::RUNS, t: vec![TEACHER_T as f64] };
        Ok(vec![
            test("‖w‖² at equilibrium", NORM),
            test("E‖∇_v L‖² at equilibrium", SQUARE),
            SampledTest::of_rate("‖w‖⁴ at equilibrium, teacher neuron", 1, LEVEL, teacher),
        ])
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "no decay",
                breaks: "λ = 0: the norm goes on growing",
                run: |context| norms(StepRule::Gradient, CASES[0], CASES[0], 1.0, context),
            },
            Control {
                name: "half of the decay",
                breaks: "the norm is compared with that of λ/2",
                run: |context| {
                    let [eta, lambda] = CASES[0];
                    norms(StepRule::Decay { lambda }, CASES[0], [eta, lambda / 2.0], 1.0, context)
                },
            },
            Control {
                name: "10 % more noise",
                breaks: "the norm is compared with that of q = 1.1·3/4, 4.9 % more",
                run: |context| norms(StepRule::Decay { lambda: CASES[0][1] }, CASES[0], CASES[0], 1.1, context),
            },
            Control {
                name: "projected SGD",
                breaks: "norms stay what they were, 1, where equilibrium has 61",
                run: |context| norms(StepRule::Projected, CASES[0], CASES[0], 1.0, context),
            },
            Control {
                name: "10 % more curvature",
                breaks: "the gradient is compared with e·tr(HΣ)/2 for 1.1 times as large an H",
                run: |context| {
                    let [_, square, _] =
                        means(StepRule::Decay { lambda: CASES[0][1] }, CASES[0], CASES[0], 1.0, context)?;
                    let mut check = Check::new();
                    let square = Estimate { value: square.value / 1.1, se: square.se / 1.1, ..square };
                    near(&mut check, "‖∇_v L‖², 1.1 H", square.interval(LEVEL), 1.0, SQUARE);
                    Ok(check)
                },
            },
            Control {
                name: "no decay in the recursion",
                breaks: "ρ² is left out",
                run: |context| {
                    let (name, normalisation) = INVARIANT[0];
                    let subject = small(name, normalisation, Activation::Tanh, context);
                    let mut check = Check::new();
                    one_step(&mut check, name, (&subject.network, &subject.theta), &subject.z, [1.0, 0.01], false);
                    Ok(check)
                },
            },
            Control {
                name: "η alone",
                breaks: "the learning rate is four times as large and w_0 twice as long, and the decay is what it was",
                run: |context| {
                    let mut check = Check::new();
                    same_bits(&mut check, 1.0, context)?;
                    Ok(check)
                },
            },
            Control {
                name: "half of the decay, teacher neuron",
                breaks: "the norm of the neuron is compared with that of λ/2",
                run: |context| {
                    Ok(on_subject::in_its_block(&teacher_neuron()?, [TEACHER_ETA, 0.5], TEACHER_T, context)?.0)
                },
            },
        ]
    }
}

/// The decision on the norm alone, for a control.
fn norms(
    rule: StepRule,
    case: [f64; 2],
    theory: [f64; 2],
    noise: f64,
    context: &Context,
) -> Result<Check, Unevaluated> {
    let [norm, ..] = means(rule, case, theory, noise, context)?;
    let mut check = Check::new();
    let at = format!("η = {} · ‖w‖² against λ = {}, {noise} q", case[0], theory[1]);
    near(&mut check, at, norm.interval(LEVEL), 1.0, NORM);
    Ok(check)
}

/// The means of ||w||^2 and of ||grad_v L||^2 (without what the linear process shares, and as it was) of runs with
/// `case`, over what theory has for `theory` and `noise` times q.
fn means(
    rule: StepRule,
    case: [f64; 2],
    theory: [f64; 2],
    noise: f64,
    context: &Context,
) -> Result<[Estimate; 3], Unevaluated> {
    let known = Known::problem_j();
    let e = rate_of(theory, noise * known.q());
    let rate = move |_: u64| e;
    let design = Design { known: &known, rule, eta_w: case[0], n_steps: T, n_runs: RUNS, rate: &rate };
    // The same noise for every pair.
    let seen = design.runs(&design.expected(), &context.seed.child("runs"))?;
    let mean = |of: fn(&Seen) -> f64| mean_over_runs(&seen.iter().map(of).collect::<Vec<f64>>());
    Ok([mean(|seen| seen.norm_sq)?, mean(|seen| seen.square)?, mean(|seen| seen.plain)?])
}

/// Two runs, the second with 4 eta, lambda/`divisor` and 2 w_0: the same effective rate in every bit if the divisor is
/// 4.
fn same_bits(check: &mut Check, divisor: f64, context: &Context) -> Result<(), Unevaluated> {
    let loss = ProblemJ::default();
    let (eta, lambda) = (1.0, 1e-3);
    let stepper = |theta: &[f64], eta: f64, lambda: f64| -> Result<Stepper<'_>, Unevaluated> {
        let rates = [Schedule::constant(eta)?, Schedule::new(0.5, 0.5)?];
        let generator = context.generator("the same noise");
        Ok(Stepper::new(&loss, theta, StepRule::Decay { lambda }, rates[0], rates[1], generator))
    };
    let small = loss.theta_0();
    let mut large = small.clone();
    large[..4].iter_mut().for_each(|x| *x *= 2.0);
    let (mut one, mut other) = (stepper(&small, eta, lambda)?, stepper(&large, 4.0 * eta, lambda / divisor)?);
    for t in 0..1_000 {
        let rates = [eta / one.w_norm_sq()[0], 4.0 * eta / other.w_norm_sq()[0]];
        check.exactly(format!("ηλ alone · t = {t}, effective rate"), rates[1], rates[0]);
        one.step()?;
        other.step()?;
    }
    Ok(())
}

/// The effective rates of all pairs over time.
fn plot(context: &Context) -> Result<Plot, Unevaluated> {
    let mut series: Vec<Series> = Vec::new();
    for [eta, lambda] in CASES {
        let (rule, horizons) = (StepRule::Decay { lambda }, log_spaced(1, T, 60));
        let plan = Plan::new(rule, Schedule::constant(eta)?, Schedule::new(0.5, 0.5)?, T, horizons);
        let traces = runs(&plan, 4, &context.seed.child("plot"))?;
        let values =
            traces.iter().flat_map(|trace| trace.records.iter().map(|record| record.effective_lr[0])).collect();
        let table = Table { t: plan.horizons().iter().map(|&t| t as f64).collect(), values };
        series.push(curve(format!("η = {eta}, λ = {lambda}"), &table, false)?);
    }
    let t: Vec<f64> = log_spaced(1, T, 60).into_iter().map(|t| t as f64).collect();
    series.push(dashed("ηλ = 1e-4", &t, |_| rate_of(CASES[0], Q)));
    series.push(dashed("ηλ = 1e-3", &t, |_| rate_of(CASES[1], Q)));
    let caption = "Problem J under weight decay, four runs each: the effective learning rate settles at √(ηλ(2-ηλ)/q), \
                   dashed, and knows nothing of η and λ but their product. Without decay it would fall as t^(-1/2) for \
                   ever.";
    let plot = Plot::log_log("equilibrium", "With decay the effective learning rate settles", caption, "t", "η/‖w_t‖²");
    Ok(Plot { series, ..plot })
}
