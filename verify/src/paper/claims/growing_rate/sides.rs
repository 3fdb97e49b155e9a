//! Both sides of the identity: runs in any arithmetic, whole or one step at a time.

use ratecheck::descent::{Schedule, StepRule, Stepper, WeightDecay};
use ratecheck::loss::{Arithmetic, Loss};
use ratecheck::parameters::dot;
use ratecheck::scalar::Scalar;

use super::{Case, Decay, Image};
use crate::claim::evidence::{Check, Context, Unevaluated};
use crate::claim::replay::Recursion;
use crate::paper::visits::size_at_unit;

/// theta_t and w_{t-1}.
pub(super) struct Run<'a, S: Arithmetic> {
    pub(super) at: Recursion<'a, S>,
    before: Vec<S>,
}

impl<'a, S: Arithmetic> Run<'a, S> {
    /// With w_{-1} = `factor` w_0.
    pub(super) fn new(loss: &'a dyn Loss, theta_0: &[f64], factor: S) -> Option<Self> {
        let at = Recursion::new(loss, theta_0)?;
        let before = at.theta.iter().map(|&x: &S| x * factor).collect();
        Some(Self { at, before })
    }

    /// w <- now w - then w_{-1} - eta grad; g <- g - eta_g grad. The gradient is the one taken last.
    pub(super) fn step(&mut self, [now, then, eta]: [S; 3], eta_g: f64) {
        let g = self.at.loss.parameters().g().start;
        for (k, x) in self.at.theta.iter_mut().enumerate() {
            let (old, d) = (*x, self.at.grad[k]);
            *x = if k < g { old * now - self.before[k] * then - d * eta } else { old - d.scale(eta_g) };
            self.before[k] = old;
        }
    }
}

/// a^k for k of either sign.
fn power<S: Scalar>(a: S, k: i64) -> S {
    let product = (0..k.unsigned_abs()).fold(S::ONE, |product, _| product * a);
    if k < 0 { product.recip() } else { product }
}

/// The two sides of a step with momentum b: in front of w_t, of w_{t-1}, and of the gradient.
pub(super) fn coefficients<S: Scalar>(decay: Decay, image: Image, eta: S, t: u64) -> [[S; 3]; 2] {
    let (b, a) = (S::from_f64(decay.b), decay.root::<S>());
    let ahead = b / (a * a);
    let exponent = match image {
        Image::EvenExponent => -2 * t as i64,
        Image::ConstantRate => 0,
        Image::Stated | Image::FromRest => -2 * t as i64 - 1,
    };
    let with_decay = [S::ONE + b - S::from_f64(decay.eta_lambda), b, eta];
    [with_decay, [S::ONE + ahead, ahead, eta * power(a, exponent)]]
}

/// u_{-1} as a multiple of u_0.
fn start<S: Scalar>(decay: Decay, image: Image) -> S {
    if image == Image::FromRest { S::ONE } else { decay.root() }
}

pub(super) const NO_ARITHMETIC: &str = "the loss has no such arithmetic";

/// Whole runs of both sides in f64 with a = 1/2, and at every step the numbers that are not the same bits; and for how
/// many steps all were.
pub(super) fn in_bits(
    case: &Case<'_>,
    decay: Decay,
    image: Image,
    steps: u64,
    context: &Context,
) -> Result<(Check, u64), Unevaluated> {
    let &Case { name, loss, theta_0, eta_w, eta_g, .. } = case;
    let (mut check, mut same) = (Check::new(), 0);
    let run = |factor| Run::<f64>::new(loss, theta_0, factor).ok_or_else(|| Unevaluated(NO_ARITHMETIC.to_owned()));
    let (mut decayed, mut grown) = (run(1.0)?, run(start(decay, image))?);
    let (mut draws, mut permutation) = (context.seed.child(name).generator("z"), Vec::new());
    let g = loss.parameters().g().start;
    for t in 0..steps {
        let z = loss.minibatches().draw(&mut draws, &mut permutation);
        decayed.at.look(z);
        grown.at.look(z);
        let [with_decay, without] = coefficients(decay, image, eta_w, t);
        decayed.step(with_decay, eta_g);
        grown.step(without, eta_g);
        let factor = power(0.5, -(t as i64) - 1);
        let differ = |k: &usize| {
            let expected = if *k < g { factor * decayed.at.theta[*k] } else { decayed.at.theta[*k] };
            // A NaN differs.
            !(grown.at.theta[*k] == expected)
        };
        let different = (0..theta_0.len()).filter(differ).count();
        check.exactly(format!("{name} · {decay}, t = {t}: numbers with other bits"), different as f64, 0.0);
        same = if different == 0 && same == t { t + 1 } else { same };
    }
    Ok((check, same))
}

/// The engine's own rules at eta = 1/2 and lambda = 1, so that rho = 1/2: a decoupled decay under a constant rate, and
/// the plain rule under the rate `factor`^t, where `factor` is rho^-2 = 4. Numbers with other bits, at every step.
pub(super) fn in_engine(case: &Case<'_>, factor: f64, steps: u64, context: &Context) -> Result<Check, Unevaluated> {
    let &Case { name, loss, theta_0, eta_g, .. } = case;
    let (mut check, rate_g) = (Check::new(), Schedule::constant(eta_g)?);
    let begin = |eta_w| Stepper::new(loss, theta_0, StepRule::Gradient, eta_w, rate_g, context.generator("unused"));
    let mut decayed = begin(Schedule::constant(0.5)?).decaying(WeightDecay::Decoupled { lambda: 1.0 });
    let mut grown = begin(Schedule::constant(1.0)?.growing(factor)?);
    let (mut draws, mut permutation) = (context.seed.child(name).generator("z/engine"), Vec::new());
    let g = loss.parameters().g().start;
    for t in 0..steps {
        let z = loss.minibatches().draw(&mut draws, &mut permutation);
        decayed.step_with(z)?;
        grown.step_with(z)?;
        let scale = power(0.5, -(t as i64) - 1);
        // A NaN differs.
        let differ = |k: &usize| {
            let of_decayed = decayed.theta()[*k];
            !(grown.theta()[*k] == if *k < g { scale * of_decayed } else { of_decayed })
        };
        let different = (0..theta_0.len()).filter(differ).count();
        check.exactly(format!("{name} · step rules, t = {t}: numbers with other bits"), different as f64, 0.0);
    }
    Ok(check)
}

/// What is compared with what.
#[derive(Clone, Copy)]
pub(super) struct Sides {
    pub(super) decay: Decay,
    /// What the side without decay is made for: the same, unless it is a control.
    pub(super) other: Decay,
    pub(super) image: Image,
}

/// One step of both sides from every point of a run with decay. The unit is what is allowed of the terms of a step:
/// w_{t+1} of a block, and the gradient at the size of identities at theta~ (Lemma 2.2).
pub(super) fn step_by_step<S: Arithmetic>(
    case: &Case<'_>,
    Sides { decay, other, image }: Sides,
    steps: u64,
    unit: f64,
    context: &Context,
) -> Result<Check, Unevaluated> {
    let &Case { name, loss, theta_0, eta_w, eta_g, .. } = case;
    let mut check = Check::new();
    let run = |factor| Run::<S>::new(loss, theta_0, factor).ok_or_else(|| Unevaluated(NO_ARITHMETIC.to_owned()));
    let (mut decayed, mut grown) = (run(S::ONE)?, run(S::ONE)?);
    let (mut draws, mut permutation) = (context.seed.child(name).generator("z"), Vec::new());
    let (layout, a) = (loss.parameters(), other.root::<S>());
    let g = layout.g();
    for t in 0..steps {
        let z = loss.minibatches().draw(&mut draws, &mut permutation);
        let image_of = |x: &[S], factor: S| -> Vec<S> {
            x.iter().enumerate().map(|(k, &x)| if k < g.start { x * factor } else { x }).collect()
        };
        grown.at.theta = image_of(&decayed.at.theta, power(a, -(t as i64)));
        grown.before = if t == 0 {
            image_of(&grown.at.theta, start(other, image))
        } else {
            image_of(&decayed.before, power(a, 1 - t as i64))
        };
        decayed.at.look(z);
        grown.at.look(z);
        let [with_decay, _] = coefficients(decay, image, S::from_f64(eta_w), t);
        let [_, without] = coefficients(other, image, S::from_f64(eta_w), t);
        let w: Vec<f64> = grown.at.theta.iter().map(|x| x.value()).collect();
        let size = size_at_unit(loss, z, &w);
        decayed.step(with_decay, eta_g);
        grown.step(without, eta_g);
        let expected = image_of(&decayed.at.theta, power(a, -(t as i64) - 1));
        let length = |x: &[S]| dot(x, x).value().sqrt();
        let off = |range: std::ops::Range<usize>| {
            let gap: Vec<S> = range.map(|k| grown.at.theta[k] - expected[k]).collect();
            length(&gap)
        };
        for (i, block) in layout.blocks().iter().enumerate() {
            let terms =
                length(&expected[block.range.clone()]) + without[2].value() * size / layout.w_norm_sq(&w, i).sqrt();
            check.identity(
                format!("{name} · {decay}, t = {t}, {}", block.name),
                off(block.range.clone()),
                unit * terms,
            );
        }
        if !g.is_empty() {
            let terms = length(&expected[g.clone()]) + eta_g * size;
            check.identity(format!("{name} · {decay}, t = {t}, g"), off(g.clone()), unit * terms);
        }
    }
    Ok(check)
}
