//! Weight decay is an exponentially growing learning rate: Li & Arora 2019, derived again here.
//!
//! Scale invariance makes grad F_z(c w) = grad F_z(w)/c for every c > 0, and grad_g F_z(c w) = grad_g F_z(w) (Lemma
//! 2.2). Let m_0 = 0 and, on every block, with eta > 0, lambda >= 0 and 0 <= b < 1,
//!
//!   m_{t+1} = b m_t + grad F_z(w_t) + lambda w_t,   w_{t+1} = w_t - eta m_{t+1}:
//!
//! heavy ball with coupled decay. From eta m_t = w_{t-1} - w_t, with w_{-1} = w_0,
//!
//!   w_{t+1} = (1 + b - eta lambda) w_t - b w_{t-1} - eta grad F_z(w_t).
//!
//! Let a be the larger root of a^2 - (1 + b - eta lambda) a + b = 0, real if 1 + b - eta lambda >= 2 sqrt(b), and u_t =
//! a^(-t) w_t. Multiply by a^(-t-1). In front of u_t stands (1 + b - eta lambda)/a = 1 + b/a^2, since a is a root; in
//! front of u_{t-1}, b/a^2; and grad F_z(w_t) = grad F_z(a^t u_t) = a^(-t) grad F_z(u_t). So
//!
//!   u_{t+1} = u_t + (b/a^2)(u_t - u_{t-1}) - eta a^(-2t-1) grad F_z(u_t),   u_{-1} = a u_0:
//!
//! momentum b/a^2 without decay, under a learning rate that grows exponentially, with the same z and the same g. The
//! start is u_{-1} = a w_{-1} = a u_0, not u_0: one step of the momentum has been made. Without momentum a = rho = 1 -
//! eta lambda.
//!
//! **In bits.** For a = 1/2 every factor is a power of two, which f64 multiplies by exactly, and a loss whose every
//! operation scales by a power of two has a gradient that does. Then u_t = 2^t w_t in every bit, however chaotic the
//! run: with b = 0 and eta lambda = 1/2, and with b = 1/8 and eta lambda = 3/8, where b/a^2 = 1/2. After some 500 steps
//! the rate 2^(2t+1) leaves the numbers of f64; sooner where a loss takes fourth powers. For other a one step is
//! compared from every point of a run, in double-double: an induction over t is all that is left.

mod on_subject;
mod sides;

use ratecheck::loss::closed::ProblemJ;
use ratecheck::loss::{Loss, Minibatches};
use ratecheck::network::{Activation, Lp, Normalisation};
use ratecheck::scalar::{DoubleDouble, Scalar};

use self::sides::{NO_ARITHMETIC, Run, Sides, coefficients, in_bits, in_engine, step_by_step};
use crate::claim::closed_forms::ordinary;
use crate::claim::evidence::{Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Statement, Unevaluated};
use crate::claim::instances::{INVARIANT, U, digits_at, small};
use crate::claim::parallel::InParallel;
use crate::claim::plot::{Plot, Series, Style};

/// See the module's first line.
pub(super) struct GrowingRate;

static STATEMENT: Statement = Statement {
    id: "growing-rate",
    title: "Weight decay is a growing rate",
    plain: "Weight decay on scale-invariant weights does what an exponentially growing learning rate does without \
            decay, step for step.",
    formula: "u_t = a^(-t)·w_t:  u_{t+1} = u_t + (b/a²)(u_t - u_{t-1}) - η·a^(-2t-1)·∇F_z(u_t),  u_{-1} = a·u_0,  \
              a the larger root of a² - (1+b-ηλ)a + b = 0;  a = 1-ηλ for b = 0",
    latex: &[
        r"u_t=a^{-t}w_t:\quad u_{t+1}=u_t+\frac{b}{a^2}(u_t-u_{t-1})-\eta\,a^{-2t-1}\,\nabla F_z(u_t),\quad u_{-1}=a\,u_0",
        r"a^2-(1+b-\eta\lambda)\,a+b=0\qquad(a=1-\eta\lambda\text{ for }b=0)",
    ],
    printed_at: "Li & Arora 2019, An Exponential Learning Rate Schedule for Deep Learning",
    kind: Kind::Identity,
    origin: Origin::Later,
    hypotheses: &[
        "F_z is scale invariant in w for every z",
        "decay and learning rate are constant; 0 ≤ b < 1; 1 + b - ηλ ≥ 2√b and > 0, so that a is real and positive",
        "the same z and the same learning rate of g on both sides",
    ],
    measured: "u_t = 2^t·w_t and g, in every bit over whole runs (a = 1/2: b = 0, ηλ = 1/2 and b = 1/8, ηλ = 3/8) on \
               eight closed forms (problem J is stochastic), small networks under eight normalisations and the digits \
               network with minibatches; the same of the step rules that sweeps have, a decoupled decay and a growing \
               rate (ηλ = 1/2, b = 0); one step from every point of runs in double-double for (b, ηλ) = (0, 0.1), \
               (0.5, 0.05) and (0.9, 0.001)",
    tolerance: "none for a = 1/2; in double-double one rounding of f64, relative to the terms of the step, which \
                leaves 2^45 of its own",
    does_not_show: "that a schedule in use, with warm-up and steps, has such a counterpart (it has, with another \
                    factor at each change), or anything about where runs end (claim equilibrium)",
};

/// b and eta lambda.
#[derive(Clone, Copy, Debug)]
struct Decay {
    b: f64,
    eta_lambda: f64,
}

/// a = 1/2.
const BITWISE: [Decay; 2] = [Decay { b: 0.0, eta_lambda: 0.5 }, Decay { b: 0.125, eta_lambda: 0.375 }];
const STEPWISE: [Decay; 3] =
    [Decay { b: 0.0, eta_lambda: 0.1 }, Decay { b: 0.5, eta_lambda: 0.05 }, Decay { b: 0.9, eta_lambda: 1e-3 }];

/// rho^-2 at rho = 1/2.
const GROWTH: f64 = 4.0;

/// What the other side is said to be.
#[derive(Clone, Copy, PartialEq)]
enum Image {
    Stated,
    /// a^(-2t) for a^(-2t-1).
    EvenExponent,
    /// No growth at all.
    ConstantRate,
    /// u_{-1} = u_0.
    FromRest,
}

impl Decay {
    /// a. The discriminant is not negative, or a is no number.
    fn root<S: Scalar>(self) -> S {
        let sum = S::from_f64(1.0) + S::from_f64(self.b) - S::from_f64(self.eta_lambda);
        let discriminant = sum * sum - S::from_f64(4.0 * self.b);
        (sum + discriminant.sqrt()).scale(0.5)
    }
}

/// Where it is measured.
#[derive(Clone, Copy)]
struct Case<'a> {
    name: &'a str,
    loss: &'a dyn Loss,
    theta_0: &'a [f64],
    eta_w: f64,
    eta_g: f64,
    /// The steps for which whole runs stay within the numbers of f64.
    most: u64,
}

/// Of squares of 2^t w, whose rates reach 2^(2t+1).
const SQUARES: u64 = 400;
/// Of fourth powers (l4-BN), and where the gradient is the seventh power of a small angle (the circle).
const HIGHER_POWERS: u64 = 240;

impl Claim for GrowingRate {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut evidence = Evidence::default();
        let steps = context.pick([100, 400, 400, 400]);
        let precise = context.pick([4, 12, 60, 400]);
        let problem_j = ProblemJ::default();
        let j_start = problem_j.theta_0();
        let instances = ordinary(steps)?;
        let mut cases: Vec<Case<'_>> = instances
            .iter()
            .map(|i| {
                let most = if i.name == "circle p = 4" { HIGHER_POWERS } else { SQUARES };
                Case { name: &i.name, loss: &*i.loss, theta_0: &i.theta, eta_w: 0.7, eta_g: i.eta_g_printed(), most }
            })
            .collect();
        let j = case_of("problem J", &problem_j, &j_start);
        cases.push(Case { eta_g: 0.5, ..j });
        let networks = INVARIANT.map(|(name, normalisation)| {
            let most =
                if normalisation == (Normalisation::LpBatchNorm { p: Lp::Four }) { HIGHER_POWERS } else { SQUARES };
            (small(name, normalisation, Activation::Tanh, context), most)
        });
        cases.extend(networks.iter().map(|(s, most)| Case { most: *most, ..case_of(&s.name, &s.network, &s.theta) }));
        let digits = digits_at(512, context);
        let minibatches = digits.network.with_minibatches(Minibatches::partition((0..512).collect(), 32)?);
        cases.push(case_of(&digits.name, &minibatches, &digits.theta));
        let found = cases.in_parallel(|case| both(case, steps, precise, context));
        for found in found {
            evidence.check.merge(found?);
        }
        evidence.plots.push(plot(&Case { eta_g: 0.05, ..j }, context)?);
        Ok(evidence)
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "exponent -2t",
                breaks: "the rate is η·a^(-2t), one factor less",
                run: |context| broken(BITWISE[0], Image::EvenExponent, Normalisation::BatchNorm, context),
            },
            Control {
                name: "constant rate",
                breaks: "the decay is left out, and the learning rate stays η",
                run: |context| broken(BITWISE[0], Image::ConstantRate, Normalisation::BatchNorm, context),
            },
            Control {
                name: "from rest",
                breaks: "the momentum starts with u_{-1} = u_0 instead of a·u_0",
                run: |context| broken(BITWISE[1], Image::FromRest, Normalisation::BatchNorm, context),
            },
            Control {
                name: "half of the growth",
                breaks: "the schedule beside the decoupled decay grows by ρ^(-1) = 2 a step",
                run: |context| {
                    let subject = small("broken", Normalisation::BatchNorm, Activation::Tanh, context);
                    in_engine(&case_of(&subject.name, &subject.network, &subject.theta), GROWTH / 2.0, 4, context)
                },
            },
            Control {
                name: "no normalisation",
                breaks: "the weights are not scale invariant",
                run: |context| broken(BITWISE[0], Image::Stated, Normalisation::None, context),
            },
            Control {
                name: "a decay 1e-9 larger, in double-double",
                breaks: "a is that of ηλ + 1e-9, step by step",
                run: |context| {
                    let subject = small("BN row", Normalisation::BatchNorm, Activation::Tanh, context);
                    let case = case_of(&subject.name, &subject.network, &subject.theta);
                    let other = Decay { eta_lambda: STEPWISE[0].eta_lambda + 1e-9, ..STEPWISE[0] };
                    let sides = Sides { decay: STEPWISE[0], other, image: Image::Stated };
                    step_by_step::<DoubleDouble>(&case, sides, 2, U, context)
                },
            },
        ]
    }
}

fn case_of<'a>(name: &'a str, loss: &'a dyn Loss, theta_0: &'a [f64]) -> Case<'a> {
    Case { name, loss, theta_0, eta_w: 0.7, eta_g: 0.05, most: SQUARES }
}

fn both(case: &Case<'_>, steps: u64, precise: u64, context: &Context) -> Result<Check, Unevaluated> {
    let mut check = Check::new();
    for decay in BITWISE {
        check.merge(in_bits(case, decay, Image::Stated, steps.min(case.most), context)?.0);
    }
    check.merge(in_engine(case, GROWTH, steps.min(case.most), context)?);
    for decay in STEPWISE {
        let sides = Sides { decay, other: decay, image: Image::Stated };
        check.merge(step_by_step::<DoubleDouble>(case, sides, precise, U, context)?);
    }
    Ok(check)
}

fn broken(decay: Decay, image: Image, normalisation: Normalisation, context: &Context) -> Result<Check, Unevaluated> {
    let subject = small("broken", normalisation, Activation::Tanh, context);
    Ok(in_bits(&case_of(&subject.name, &subject.network, &subject.theta), decay, image, 4, context)?.0)
}

impl std::fmt::Display for Decay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "b = {}, ηλ = {}", self.b, self.eta_lambda)
    }
}

/// Both learning rates and both squared norms of a run of one block.
fn plot(case: &Case<'_>, context: &Context) -> Result<Plot, Unevaluated> {
    let &Case { name, loss, theta_0, eta_w, eta_g, .. } = case;
    let decay = Decay { b: 0.0, eta_lambda: 0.01 };
    let run = || Run::<f64>::new(loss, theta_0, 1.0).ok_or_else(|| Unevaluated(NO_ARITHMETIC.to_owned()));
    let (mut decayed, mut grown) = (run()?, run()?);
    let (mut draws, mut permutation) = (context.seed.child("plot").generator("z"), Vec::new());
    let mut curves: [Vec<[f64; 2]>; 4] = Default::default();
    for t in 0..1_000 {
        let z = loss.minibatches().draw(&mut draws, &mut permutation);
        decayed.at.look(z);
        grown.at.look(z);
        let [with_decay, without] = coefficients(decay, Image::Stated, eta_w, t);
        let norms = [decayed.at.w_norm_sq(0), grown.at.w_norm_sq(0)];
        let values = [with_decay[2], without[2], eta_w / norms[0], without[2] / norms[1]];
        curves.iter_mut().zip(values).for_each(|(curve, value)| curve.push([(t + 1) as f64, value]));
        decayed.step(with_decay, eta_g);
        grown.step(without, eta_g);
    }
    let names = ["η, with decay", "η·ρ^(-2t-1), without", "η/‖w‖², with decay", "the same, without"];
    let styles = [Style::Line, Style::Line, Style::Line, Style::Dashed];
    let caption = format!(
        "{name}, ηλ = 0.01: one run under a constant rate with decay, one under a rate that grows by 2 % a step \
         without. Their effective rates differ by the factor ρ = 0.99 alone, at every step."
    );
    let mut plot = Plot::log_log("rates", "A decay is a learning rate that grows", caption, "t + 1", "learning rates");
    plot.series = names.into_iter().zip(styles).zip(curves).map(|((n, s), c)| Series::new(n, s, c)).collect();
    Ok(plot)
}
