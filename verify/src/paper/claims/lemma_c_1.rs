//! Lemma C.1: how large the derivatives of a smoothed BN unit are, in its scale, its shift and its inputs.
//!
//! Printed: ||grad_{x_b} y|| <= 3 gamma/epsilon G sqrt(B), which is false (E15); what the proof gives is 3
//! |gamma|/sqrt(epsilon) G sqrt(B). The sharp form is a claim of its own, `lemma-c.1-sharp`,
//! where the Jacobian is derived.

pub(super) mod figure;

use std::cell::Cell;
use std::fmt;
use std::ops::Range;

use rand::RngExt;
use ratecheck::bounds::{Constant, Factors, lemma_c1_input, lemma_c1_scale};
use ratecheck::parameters::{dot, norm_sq};
use ratecheck::random::Generator;
use ratecheck::scalar::{DoubleDouble, Dual, Scalar};

use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Inequality, Kind, Origin, Standing, Statement, Unevaluated,
};
use crate::claim::instances::U;
use crate::claim::replay::Sides;

/// See the module's first line.
pub(super) struct LemmaC1;

static STATEMENT: Statement = Statement {
    id: "lemma-c.1",
    title: "Lemma C.1",
    plain: "The derivatives of a smoothed BN unit in its scale, its shift and its inputs are bounded by those of what \
            follows it.",
    formula: "|∂y/∂γ| ≤ G√B,  |∂y/∂β| ≤ G√B,  ‖∇_{x_b} y‖ ≤ 3|γ|/√ε · G√B;  \
              ∂z_{b'}/∂x_b = (γw/‖w‖_{S+εI})[1{b=b'} - 1/B - x̃_b x̃_{b'}/B]",
    latex: &[
        r"\Bigl|\frac{\partial y}{\partial\gamma}\Bigr|\le G\sqrt B,\qquad\Bigl|\frac{\partial y}{\partial\beta}\Bigr|\le G\sqrt B,\qquad\|\nabla_{x_b}y\|\le\frac{3|\gamma|}{\sqrt\varepsilon}\,G\sqrt B",
        r"\frac{\partial z_{b'}}{\partial x_b}=\frac{\gamma\,w}{\|w\|_{S+\varepsilon I}}\Bigl(\mathbf 1_{b=b'}-\frac1B-\frac{\tilde x_b\tilde x_{b'}}{B}\Bigr)",
    ],
    printed_at: "appendix C, Lemma C.1",
    origin: Origin::Paper,
    kind: Kind::Inequality,
    hypotheses: &["‖∇f(z)‖ ≤ G, here an equality: f is linear", "ε > 0"],
    measured: "derivatives by dual numbers of random units (B from 2 to 16, up to 5 inputs, ε from 1e-3 to 100, γ of \
               both signs, inputs from tiny to large), under a random ∇f and under the worst one for each example; and \
               two extreme configurations: inputs that differ across w only, and a unit whose variance is far above \
               ε‖w‖², where the bounds of γ and β are attained",
    tolerance: "4(n + B + 16)u·(1 + ‖x‖‖w‖/‖w‖_{S+εI})² relative to |γ|‖w‖/‖w‖_{S+εI}·G (or to G√B): the sums over n \
                inputs and B examples are rounded to that many units of their terms, and each enters x̃ once and P \
                twice",
    does_not_show: "anything for ε = 0, where the derivative in the inputs has no bound; that the bound of the inputs \
                    is near: it is not, see lemma-c.1-sharp",
};

/// A unit on a minibatch: z_b = gamma w'(x_b - u)/||w||_{S + epsilon I} + beta, and y = a'z.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    name: String,
    /// The inputs, example after example.
    x: Vec<f64>,
    w: Vec<f64>,
    bn_scale: f64,
    shift: f64,
    epsilon: f64,
    /// a = grad f.
    slope: Vec<f64>,
}

/// What is compared with what; the true statement, or a broken one.
#[derive(Clone, Copy)]
pub(super) struct Compared {
    /// The bound of ||grad_{x_b} y||, and what it is multiplied by.
    pub(super) input: (Input, f64),
    /// What the bound of the gradient in all x_b together is multiplied by, if there is one.
    pub(super) inputs: Option<f64>,
    /// P_bb' from 1{b=b'}, B, xt_b and xt_b'.
    pub(super) entry: fn(f64, f64, f64, f64) -> f64,
    /// What the constants of the bounds are multiplied by.
    pub(super) factors: Factors,
}

/// A bound of ||grad_{x_b} y||.
#[derive(Clone, Copy)]
pub(super) enum Input {
    /// As the proof of Lemma C.1 gives it.
    Proof,
    /// 3 gamma/epsilon G sqrt(B), as the lemma is printed.
    Printed,
    /// Derived in `lemma-c.1-sharp`.
    Sharp,
}

impl Input {
    fn bound<S: Scalar>(self, factors: &Factors, lip_f: S, bn_scale: S, epsilon: S, batch_size: usize) -> S {
        match self {
            Self::Proof => factors.lemma_c1_input_printed(lip_f, bn_scale, epsilon, batch_size),
            Self::Printed => bn_scale.scale(3.0) / epsilon * lemma_c1_scale(lip_f, batch_size),
            Self::Sharp => factors.lemma_c1_input(lip_f, bn_scale, epsilon, batch_size),
        }
    }
}

/// The largest measured/bound of the derivatives.
#[derive(Clone, Copy, Default)]
pub(super) struct Ratios {
    /// In gamma.
    scale: f64,
    /// In beta.
    shift: f64,
    /// In one x_b.
    pub(super) input: f64,
    /// In all x_b together.
    pub(super) inputs: f64,
}

/// Which derivative of y is bounded.
#[derive(Clone, Copy)]
enum Derivative {
    Scale,
    Shift,
    Input(usize),
    Inputs,
}

impl fmt::Display for Derivative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scale => write!(f, "dy/dγ"),
            Self::Shift => write!(f, "dy/dβ"),
            Self::Input(b) => write!(f, "dy/dx_{b}"),
            Self::Inputs => write!(f, "all dy/dx"),
        }
    }
}

/// P = I - 11'/B - xt xt'/B.
pub(super) fn exact_entry(same: f64, b: f64, x: f64, x_other: f64) -> f64 {
    same - 1.0 / b - x * x_other / b
}

/// The lemma as its proof gives it.
const TRUE: Compared = Compared { input: (Input::Proof, 1.0), inputs: None, entry: exact_entry, factors: Factors::ONE };

impl Claim for LemmaC1 {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut check = Check::new();
        let [of_random, nearest] = everywhere(&mut check, Compared { factors: context.factors, ..TRUE }, context);
        check.hypothesis("ε > 0", Standing::Met, "by construction");
        check.hypothesis("‖∇f(z)‖ ≤ G", Standing::Met, "f is linear and G is the norm of its gradient");
        let mut evidence = Evidence::new(check);
        for (what, nearest, of_random) in [
            ("|∂y/∂γ|", nearest.scale, of_random.scale),
            ("|∂y/∂β|", nearest.shift, of_random.shift),
            ("‖∇_{x_b} y‖", nearest.input, of_random.input),
        ] {
            let note = format!("1 would be sharp; {of_random:.4} over the random units alone");
            evidence.observe(format!("smallest multiple of the bound of {what} that passes"), nearest, note);
        }
        evidence.observe(
            "the printed bound over the derivative at ε = 100, B = 2, γ = 1",
            Input::Printed.bound(&Factors::ONE, 1.0, 1.0, 100.0, 2) / lemma_c1_input(1.0, 1.0, 100.0, 2),
            "below 1: the printed bound fails (E15); the derivative there is exactly the sharp bound",
        );
        evidence.plots.push(figure::over_epsilon());
        Ok(evidence)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "the printed 3γ/ε at ε = 100",
                breaks: "the bound of the inputs' derivative is 3γ/ε·G√B, with γ = 1",
                run: |_| Ok(broken(&across(2, 100.0, 1.0), Compared { input: (Input::Printed, 1.0), ..TRUE })),
            },
            Control {
                name: "the printed 3γ/ε with γ < 0",
                breaks: "the bound of the inputs' derivative is 3γ/ε·G√B, with γ = -2 and ε = 1",
                run: |_| Ok(broken(&across(2, 1.0, -2.0), Compared { input: (Input::Printed, 1.0), ..TRUE })),
            },
            Control {
                name: "0.99 G√B",
                breaks: "the bound of γ and β is 1 % smaller, on a unit whose variance is far above ε‖w‖²",
                run: |context| Ok(broken(&spread(1.0), less(Constant::ScaleC1, 0.99, context))),
            },
            Control {
                name: "0.16 of 3|γ|/√ε·G√B",
                breaks: "the bound of the inputs is just below the sixth that is attained, √(1 - 1/B)/(3√B) at B = 2",
                run: |context| Ok(broken(&across(2, 1.0, 1.0), less(Constant::InputC1, 0.16, context))),
            },
            Control {
                name: "2/B in the derivative of ‖w‖_{S+εI}",
                breaks: "P has -2x̃_b x̃_{b'}/B, as the proof prints it",
                run: |context| {
                    let unit = random(0, &mut context.generator("unit-0"));
                    Ok(broken(&unit, Compared { entry: |same, b, x, y| same - 1.0 / b - 2.0 * x * y / b, ..TRUE }))
                },
            },
            Control {
                name: "x_b for x_{b'}",
                breaks: "P has -x̃_b²/B, with the proof's factor of the wrong example",
                run: |context| {
                    let unit = random(0, &mut context.generator("unit-0"));
                    Ok(broken(&unit, Compared { entry: |same, b, x, _| same - 1.0 / b - x * x / b, ..TRUE }))
                },
            },
        ]
    }
}

/// The lemma with less of one constant.
fn less(constant: Constant, multiple: f64, context: &Context) -> Compared {
    Compared { factors: context.claiming(constant, multiple).factors, ..TRUE }
}

/// Random units and the extreme ones. The largest measured/bound over the random ones, and over all.
pub(super) fn everywhere(check: &mut Check, subject: Compared, context: &Context) -> [Ratios; 2] {
    let nearest = Cell::new(Ratios::default());
    for k in 0..context.pick([200, 2_000, 20_000, 200_000]) {
        random(k, &mut context.generator(&format!("unit-{k}"))).compare(check, subject, &nearest);
    }
    let of_random = nearest.get();
    for epsilon in [1e-3, 1.0, 36.5, 100.0] {
        for bn_scale in [1.0, -2.0] {
            across(2, epsilon, bn_scale).compare(check, subject, &nearest);
            across(5, epsilon, bn_scale).compare(check, subject, &nearest);
        }
        spread(epsilon).compare(check, subject, &nearest);
    }
    [of_random, nearest.get()]
}

pub(super) fn broken(unit: &Unit, subject: Compared) -> Check {
    let mut check = Check::new();
    unit.compare(&mut check, subject, &Cell::default());
    check
}

/// Random sizes, inputs, weights and grad f.
fn random(k: usize, generator: &mut Generator) -> Unit {
    let batch = [2, 3, 5, 16][generator.random_range(0..4_u64) as usize];
    let n = generator.random_range(1..6_u64) as usize;
    let mut power = |low: f64, high: f64| libm::exp(generator.random_range(libm::log(low)..libm::log(high)));
    let (epsilon, size, bn_scale) = (power(1e-3, 100.0), power(1e-2, 10.0), power(0.1, 10.0));
    let mut draw =
        |n: usize, size: f64| -> Vec<f64> { (0..n).map(|_| size * generator.random_range(-1.0..1.0)).collect() };
    let (x, w, slope) = (draw(n * batch, size), draw(n, 1.0), draw(batch, 1.0));
    let sign = if k.is_multiple_of(2) { 1.0 } else { -1.0 };
    Unit { name: "random units".to_owned(), x, w, bn_scale: sign * bn_scale, shift: draw(1, 1.0)[0], epsilon, slope }
}

/// Attains the bounds of the inputs: x_b = +-(1e-6, 0), .., w = (0, 1), so that all w'x_b are 0,
/// and grad f = e_1 - 1/B, normalised.
pub(super) fn across(batch: usize, epsilon: f64, bn_scale: f64) -> Unit {
    let x = (0..batch).flat_map(|b| [if b.is_multiple_of(2) { 1e-6 } else { -1e-6 }, 0.0]).collect();
    let share = 1.0 / batch as f64;
    let slope: Vec<f64> = (0..batch).map(|b| if b == 0 { 1.0 - share } else { -share }).collect();
    let length = norm_sq(&slope).sqrt();
    let slope = slope.iter().map(|a| a / length).collect();
    Unit { name: "inputs across w".to_owned(), x, w: vec![0.0, 1.0], bn_scale, shift: 0.5, epsilon, slope }
}

/// Attains the bounds of gamma and beta up to a relative 1e-9 (times epsilon): w'x_b = +-3e4,
/// so that ||xt||^2 is almost B.
pub(super) fn spread(epsilon: f64) -> Unit {
    let x = vec![3e4, -3e4, -3e4, 3e4];
    let slope = vec![0.5, -0.5, -0.5, 0.5];
    Unit { name: "a wide unit".to_owned(), x, w: vec![1.0], bn_scale: 1.0, shift: 0.0, epsilon, slope }
}

impl Unit {
    fn batch(&self) -> usize {
        self.slope.len()
    }

    /// z for (x, gamma, beta) in one vector.
    fn outputs<S: Scalar>(&self, at: &[S]) -> Vec<S> {
        let (n, batch) = (self.w.len(), self.batch());
        let (x, scale) = at.split_at(n * batch);
        let w: Vec<S> = self.w.iter().map(|&w| S::from_f64(w)).collect();
        let along: Vec<S> = x.chunks_exact(n).map(|x| dot(&w, x)).collect();
        let mean = along.iter().fold(S::ZERO, |sum, &z| sum + z).over(batch);
        let squares = along.iter().fold(S::ZERO, |sum, &z| sum + (z - mean).square());
        let s = (squares.over(batch) + dot(&w, &w).scale(self.epsilon)).sqrt();
        along.iter().map(|&z| scale[0] * (z - mean) / s + scale[1]).collect()
    }

    /// dz_b'/d(variable) for some variables: the inputs, then gamma, beta.
    fn jacobian<S: Scalar>(&self, variables: Range<usize>) -> Vec<Vec<S>> {
        let constant = |x: f64| Dual::new(S::from_f64(x), S::ZERO);
        let mut at: Vec<Dual<S>> = self.x.iter().map(|&x| constant(x)).collect();
        at.extend([self.bn_scale, self.shift].map(constant));
        variables
            .map(|i| {
                at[i].du = S::ONE;
                let derivative = self.outputs(&at).iter().map(|z| z.du).collect();
                at[i].du = S::ZERO;
                derivative
            })
            .collect()
    }

    /// The length of a derivative under grad f = `slope`, and its bound, in double-double.
    fn replay(&self, subject: Compared, which: Derivative, slope: &[f64]) -> Option<[DoubleDouble; 2]> {
        let (n, batch) = (self.w.len(), self.batch());
        let inputs = n * batch;
        let variables = match which {
            Derivative::Scale => inputs..inputs + 1,
            Derivative::Shift => inputs + 1..inputs + 2,
            Derivative::Input(b) => b * n..(b + 1) * n,
            Derivative::Inputs => 0..inputs,
        };
        let slope: Vec<DoubleDouble> = slope.iter().map(|&a| DoubleDouble::from(a)).collect();
        let grad: Vec<DoubleDouble> = self.jacobian(variables).iter().map(|column| dot(column, &slope)).collect();
        let [lip_f, length] = [dot(&slope, &slope), dot(&grad, &grad)].map(Scalar::sqrt);
        let [bn_scale, epsilon] = [self.bn_scale, self.epsilon].map(DoubleDouble::from);
        let bound = match which {
            Derivative::Scale | Derivative::Shift => subject.factors.lemma_c1_scale(lip_f, batch),
            Derivative::Input(_) => {
                subject.input.0.bound(&subject.factors, lip_f, bn_scale, epsilon, batch).scale(subject.input.1)
            }
            Derivative::Inputs => subject.factors.lemma_c1_inputs(lip_f, bn_scale, epsilon).scale(subject.inputs?),
        };
        Some([length, bound])
    }

    /// The Jacobian against the formula, and the gradients under the unit's own grad f and the worst ones against the
    /// bounds. `nearest` keeps the largest measured/bound.
    fn compare(&self, check: &mut Check, subject: Compared, nearest: &Cell<Ratios>) {
        let (n, batch) = (self.w.len(), self.batch());
        let jacobian: Vec<Vec<f64>> = self.jacobian(0..n * batch + 2);
        let centred: Vec<f64> = self.outputs(&[self.x.clone(), vec![1.0, 0.0]].concat());
        let w_norm = norm_sq(&self.w).sqrt();
        let along: Vec<f64> = self.x.chunks_exact(n).map(|x| dot(x, &self.w)).collect();
        let mean = along.iter().sum::<f64>() / batch as f64;
        let variance = along.iter().map(|z| (z - mean) * (z - mean)).sum::<f64>() / batch as f64;
        let s = (variance + self.epsilon * norm_sq(&self.w)).sqrt();
        let longest = self.x.chunks_exact(n).map(|x| norm_sq(x).sqrt()).fold(0.0, f64::max);
        let unit = 4.0 * (n + batch + 16) as f64 * U * (1.0 + longest * w_norm / s).powi(2);
        let size = self.bn_scale.abs() * w_norm / s;
        let at = |what: &str| {
            format!("{} · B = {batch}, ε = {:.3e}, γ = {:.3}: {what}", self.name, self.epsilon, self.bn_scale)
        };
        for b in 0..batch {
            for other in 0..batch {
                let same = if b == other { 1.0 } else { 0.0 };
                let entry = (subject.entry)(same, batch as f64, centred[b], centred[other]);
                let error = (0..n).map(|j| jacobian[b * n + j][other] - self.bn_scale * self.w[j] / s * entry);
                let error = error.map(|e| e * e).sum::<f64>().sqrt();
                check.identity(at(&format!("dz_{other}/dx_{b}")), error, unit * size);
            }
        }
        let mut ratios = nearest.get();
        let mut bounded = |which: Derivative, a: &[f64], lhs: f64, rhs: f64, rounding: f64| {
            let replay = || self.replay(subject, which, a).map(|[lhs, rhs]| Sides::counted(lhs, rhs, rounding));
            let bound = Inequality { lhs, rhs, rounding, scale: lhs.abs().max(rhs.abs()) };
            check.replayed(at(&which.to_string()), bound, replay);
            let ratio = match which {
                Derivative::Scale => &mut ratios.scale,
                Derivative::Shift => &mut ratios.shift,
                Derivative::Input(_) => &mut ratios.input,
                Derivative::Inputs => &mut ratios.inputs,
            };
            *ratio = ratio.max(lhs / rhs);
        };
        // Besides the unit's own grad f, the worst one for each example and for gamma and beta.
        let mut slopes = vec![self.slope.clone(), centred.clone(), vec![1.0; batch]];
        slopes.extend((0..batch).map(|b| {
            let share = |other: usize| 1.0 / batch as f64 + centred[b] * centred[other] / batch as f64;
            (0..batch).map(|other| if other == b { 1.0 - share(other) } else { -share(other) }).collect()
        }));
        for a in &slopes {
            let lip_f = norm_sq(a).sqrt();
            let grad: Vec<f64> = jacobian.iter().map(|column| dot(column, a)).collect();
            let (inputs, scale) = grad.split_at(n * batch);
            let bound = subject.factors.lemma_c1_scale(lip_f, batch);
            bounded(Derivative::Scale, a, scale[0].abs(), bound, unit * bound);
            bounded(Derivative::Shift, a, scale[1].abs(), bound, unit * bound);
            for (b, grad) in inputs.chunks_exact(n).enumerate() {
                let (input, factor) = subject.input;
                let bound = factor * input.bound(&subject.factors, lip_f, self.bn_scale, self.epsilon, batch);
                bounded(Derivative::Input(b), a, norm_sq(grad).sqrt(), bound, unit * size * lip_f);
            }
            if let Some(factor) = subject.inputs {
                let bound = factor * subject.factors.lemma_c1_inputs(lip_f, self.bn_scale, self.epsilon);
                bounded(Derivative::Inputs, a, norm_sq(inputs).sqrt(), bound, unit * size * lip_f);
            }
        }
        nearest.set(ratios);
    }
}
