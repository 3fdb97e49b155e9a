//! The tanh circle's f as a function of the angle with an axis, in every dimension: with its jump of f'', and rounded.

use std::f64::consts::FRAC_PI_2;

use rand::RngExt;
use ratecheck::curvature::{Part, Target, dense_hessian};
use ratecheck::linalg::spectral_norm;
use ratecheck::loss::{Formula, Minibatches, Over, Workspace};
use ratecheck::parameters::{Parameters, dot, norm_sq};
use ratecheck::scalar::{DoubleDouble, Scalar};

use super::{best, ln_cosh};
use crate::claim::evidence::{Check, Context, Inequality, Unevaluated};
use crate::claim::instances::{U, direction};
use crate::claim::precise::block_norm;
use crate::claim::replay::{Sides, UNITS};
use crate::paper::claims::lemma_a_1_sharp;

/// f(angle between w and the first axis) in R^d: f' = tanh theta up to theta = `turn`, and falls like its mirror image
/// beyond. With `turn` = pi/2 it is the tanh circle's f; rounded within `delta` of the turn, that of
/// [`TanhCircle::rounded`](ratecheck::loss::closed::TanhCircle::rounded).
pub(super) struct Zone {
    turn: f64,
    delta: f64,
    layout: Parameters,
    z: Minibatches,
}

impl Zone {
    pub(super) fn new(d: usize, turn: f64) -> Self {
        Self { turn, delta: 0.0, layout: Parameters::new([("w", d)], 0), z: Minibatches::full(1) }
    }

    pub(super) fn rounded(d: usize, turn: f64, delta: f64) -> Self {
        Self { delta, ..Self::new(d, turn) }
    }

    /// f up to the turn.
    fn rise<S: Scalar>(&self, angle: S) -> S {
        let from = self.turn - self.delta;
        if angle.value() <= from {
            return ln_cosh(angle);
        }
        let (start, u) = (S::from_f64(from), angle - S::from_f64(from));
        let p = start.tanh();
        // Without rounding u is 0, up to rounding.
        let bend = if self.delta > 0.0 { u.scale(1.0 / (6.0 * self.delta)) } else { S::ZERO };
        ln_cosh(start) + p * u + (S::ONE - p * p) * u * u * (S::from_f64(0.5) - bend)
    }
}

impl Formula for Zone {
    fn layout(&self) -> &Parameters {
        &self.layout
    }
    fn distribution(&self) -> &Minibatches {
        &self.z
    }
    fn value<S: Scalar>(&self, _z: &[usize], w: &[S]) -> S {
        let angle = dot(&w[1..], &w[1..]).sqrt().atan2(w[0]);
        if angle.value() <= self.turn {
            self.rise(angle)
        } else {
            self.rise(S::from_f64(self.turn)).scale(2.0) - self.rise(S::from_f64(2.0 * self.turn) - angle)
        }
    }
}

/// The sharp zone in R^10: its constant at random points, and its gradient on the equator.
pub(super) fn sharp(check: &mut Check, context: &Context) -> Result<(), Unevaluated> {
    let (d, mut generator) = (10, context.generator("zone"));
    let loss = Zone::new(d, FRAC_PI_2);
    let mut links = Check::new();
    for k in 0..context.pick([20, 100, 1_000, 5_000]) {
        let v = direction(d, 0..d, 1.0, &mut generator);
        let norm = spectral_norm(dense_hessian(&loss, &[0], &v).matrix.view())?;
        links.identity(format!("tanh zone in R^10, its constant · point {k}"), (norm - 1.0).abs(), 512.0 * U);
        let equator = direction(d, 1..d, 1.0, &mut generator);
        steepness(check, "tanh zone in R^10", &loss, &equator, best());
    }
    check.merge_links(links);
    Ok(())
}

/// A rounded zone: that its constant is at most 1, that its gradient on the equator is at most `most`, and that it is
/// within delta (1 - tanh^2(pi/2 - delta)) of tanh(pi/2). Returns that gradient.
pub(super) fn rounded(
    check: &mut Check,
    d: usize,
    delta: f64,
    most: DoubleDouble,
    context: &Context,
) -> Result<f64, Unevaluated> {
    let loss = Zone::rounded(d, FRAC_PI_2, delta);
    let mut links = Check::new();
    constant(&mut links, &loss, context)?;
    check.merge_links(links);
    let equator = direction(d, 1..d, 1.0, &mut context.generator("equator"));
    let at = format!("rounded zones in R^{d} · δ = {delta}");
    let steep = steepness(check, &format!("{at}, gradient"), &loss, &equator, most);
    let p = Scalar::tanh(FRAC_PI_2 - delta);
    check.at_most(format!("{at}, what is missing"), best::<f64>() - steep, delta * (1.0 - p * p), 64.0 * U);
    Ok(steep)
}

/// The Hessian's norm is at most 1, at random points of which half are where the zone is rounded.
pub(super) fn constant(check: &mut Check, loss: &Zone, context: &Context) -> Result<(), Unevaluated> {
    let d = loss.layout.len();
    let mut generator = context.generator(&format!("rounded/{d}/{}", loss.delta));
    // f'' there is made of a difference of angles over delta.
    let rounding = 512.0 * U + 64.0 * U / loss.delta;
    for k in 0..context.pick([40, 200, 1_000, 5_000]) {
        let angle = match k % 4 {
            0 | 2 => generator.random_range(0.0..std::f64::consts::PI),
            1 => loss.turn + loss.delta * generator.random_range(-1.0..1.0),
            // Close to the far pole.
            _ => std::f64::consts::PI - generator.random_range(1e-3..0.1),
        };
        let mut v = direction(d, 1..d, Scalar::sin(angle), &mut generator);
        v[0] = Scalar::cos(angle);
        let norm = spectral_norm(dense_hessian(loss, &[0], &v).matrix.view())?;
        let at = format!("rounded zones in R^{d}, the constant · δ = {}, θ = {angle:.4}", loss.delta);
        check.replayed(at, Inequality { lhs: norm, rhs: 1.0, rounding, scale: norm.max(1.0) }, || {
            let w: Vec<DoubleDouble> = v.iter().map(|&x| x.into()).collect();
            let (norm, residual) = block_norm(loss, Target::Sample(&[0]), &w, [Part::Block(0); 2])?;
            // v is a unit vector up to its rounding; the Hessian falls as 1/||v||^2.
            Some(Sides { lhs: dot(&w, &w) * norm, rhs: DoubleDouble::ONE, rounding: UNITS * rounding + residual })
        });
    }
    Ok(())
}

/// ||grad|| at a unit vector against `most`, for a loss with L = 1; returns it.
pub(super) fn steepness(check: &mut Check, at: &str, loss: &Zone, v: &[f64], most: DoubleDouble) -> f64 {
    let mut grad = vec![0.0; v.len()];
    loss.sample_gradient(&[0], v, &mut grad, &mut Workspace::default());
    let steep = norm_sq(&grad).sqrt();
    let (rhs, scale) = (most.value(), steep.max(most.value()));
    check.replayed(at, Inequality { lhs: steep, rhs, rounding: 64.0 * U, scale }, || {
        let lhs = lemma_a_1_sharp::steepness(loss, &[0], v, 0)?;
        Some(Sides::counted(lhs, most, 64.0 * U))
    });
    steep
}
