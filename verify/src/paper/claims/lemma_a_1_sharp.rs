//! Lemma A.1 without its factor pi: the gradient of a block is at most L^vv_ii/||w_i||. Derived here.
//!
//! Scale invariance means grad_{w_i} F(.., c w_i, ..) = grad_{w_i} F/c for c > 0 (Lemma 2.2). The derivative of both
//! sides in c at c = 1 is Hess_ii w_i = -grad_{w_i} F, an Euler identity (claim `euler-identities`). Take norms:
//!
//!   ||grad_{w_i} F|| = ||Hess_ii w_i|| <= ||Hess_ii|| ||w_i||   at every point, for every minibatch.
//!
//! At unit blocks ||Hess_ii|| <= L^vv_ii by assumption, and (Lemma 2.2 again) the left side at w_i is the one at v_i
//! over ||w_i||. So pi is not needed, nor is the geodesic from a minimiser that the paper integrates along. In one
//! dimension the tangent space is {0}: F is constant on either half line, and gradient and Hess_ii are 0,
//! which is what Hess_ii = 0 gives.
//!
//! The bound at one point is attained: where Hess_ii has v_i among its leading singular vectors, as for the Rayleigh
//! quotient in R^2 at 45 degrees. The bound by the largest L^vv_ii over all points is not; see `tanh-pi-half`.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4};

use rand::RngExt;
use ratecheck::curvature::{BlockOperator, Part, SpectralOptions, Target, spectral_norm};
use ratecheck::loss::closed::{Linear, Rayleigh, TanhCircle};
use ratecheck::loss::{Formula, Loss, Minibatches, Over, Workspace};
use ratecheck::network::Activation;
use ratecheck::parameters::{Parameters, dot, norm_sq};
use ratecheck::scalar::{DoubleDouble, Scalar};

use crate::claim::closed_forms::{on_circle, ordinary};
use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Inequality, Kind, Measure, Origin, Soundness, Standing, Statement,
    Unevaluated,
};
use crate::claim::instances::{INVARIANT, NetworkAt, U, digits_at, direction, small};
use crate::claim::parallel::InParallel;
use crate::claim::plot::{Axis, Plot};
use crate::claim::precise::{Evaluator, block_norm};
use crate::claim::replay::{Sides, UNITS};
use crate::claim::rows::Rows;

mod on_subject;
pub(super) use on_subject::{controls_on_subject, measure_on_subject};

/// See the module's first line.
pub(super) struct LemmaA1Sharp;

static STATEMENT: Statement = Statement {
    id: "lemma-a.1-sharp",
    title: "Lemma A.1 without π",
    plain: "The gradient with respect to a scale-invariant block is no larger than the block's curvature, over the \
            block's norm.",
    formula: "‖∇_{w⁽ⁱ⁾}F‖ ≤ ‖∇²_{ii}F‖·‖w⁽ⁱ⁾‖ at every point, hence ‖∇_{w⁽ⁱ⁾}F‖ ≤ L^vv_ii/‖w⁽ⁱ⁾‖",
    latex: &[
        r"\|\nabla_{w^{(i)}}F\|\le\|\nabla^2_{ii}F\|\,\|w^{(i)}\|\;\text{at every point, hence}\;\|\nabla_{w^{(i)}}F\|\le\frac{L^{vv}_{ii}}{\|w^{(i)}\|}",
    ],
    printed_at: "not in the paper: it sharpens Lemma A.1 by the factor π",
    kind: Kind::Inequality,
    origin: Origin::Derived,
    hypotheses: &[
        "F_z is scale invariant in w⁽ⁱ⁾; twice differentiable at the point for the first form, and C^{1,1} is enough \
         for the second: gradients are limits of \
         those where ∇² exists",
        "L^vv_ii bounds ∇²_{ii}F at almost all unit blocks (needed for the second form alone)",
    ],
    measured: "with L^vv exact, on ten closed forms at random points of norms from 1e-3 to 1e3 and where their \
               gradient is largest; with the Hessian's block at the same point, on the Rayleigh quotient, on networks \
               under eight normalisations and on the digits network, on the full batch and on minibatches; in one \
               dimension, where the gradient must vanish",
    tolerance: "closed forms: 64u of both sides, for some ten roundings of a gradient and of a norm; networks: 512u, \
                for the roundings of a Hessian-vector product (as in euler-identities), and the residual of the \
                Hessian's norm; one dimension: 8u|g - v|/‖w‖, four roundings of a quotient",
    does_not_show: "that L^vv_ii cannot be replaced by something smaller: it can, by tanh(π/2) L^vv_ii (claim \
                    tanh-pi-half)",
};

/// The largest ||w|| ||grad||/(what bounds it) of an instance.
pub(super) struct Ratio {
    name: String,
    value: f64,
}

impl Claim for LemmaA1Sharp {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let (mut evidence, ratios) = measure(DoubleDouble::ONE, context)?;
        one_dimension(&mut evidence.check, context);
        let title =
            "The bound without π is attained at a point; with the largest L^vv, no gradient passes tanh(π/2) of it";
        let lines = [("the bound", 1.0), ("tanh(π/2), the best constant", Scalar::tanh(FRAC_PI_2))];
        evidence.plots.push(plot(&ratios, title, lines));
        Ok(evidence)
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "0.9 L^vv",
                breaks: "the constant is 10 % smaller, on the tanh circle, whose gradient reaches 0.917 L^vv",
                run: |context| {
                    let mut check = Check::new();
                    tanh_circle(&mut check, 0.9.into(), context);
                    Ok(check)
                },
            },
            Control {
                name: "0.999 of the Hessian at the point",
                breaks: "the Hessian's block is 0.1 % smaller, on the Rayleigh quotient in R^2 at 45°, where the bound \
                         is attained",
                run: |_| {
                    let mut check = Check::new();
                    let loss = Rayleigh::new(vec![0.0, 1.0]);
                    pointwise(&mut check, "Rayleigh in R^2", &loss, &[0], &on_circle(FRAC_PI_4), 0.999.into())?;
                    Ok(check)
                },
            },
            Control {
                name: "no scale invariance",
                breaks: "F = ‖w‖², whose Hessian is 2 and whose gradient grows with ‖w‖",
                run: |context| Ok(quadratic(DoubleDouble::ONE, context)),
            },
        ]
    }
}

/// Every comparison, with `factor` times the sharp bound; and the largest ratios.
pub(super) fn measure(factor: DoubleDouble, context: &Context) -> Result<(Evidence, Vec<Ratio>), Unevaluated> {
    let mut check = Check::new();
    let mut ratios = closed_forms(&mut check, factor, context)?;
    let name = "at the point, Rayleigh in R^2";
    let rayleigh = Rayleigh::new(vec![0.0, 1.0]);
    let value = pointwise(&mut check, name, &rayleigh, &[0], &on_circle(FRAC_PI_4), factor)?;
    ratios.push(Ratio { name: name.to_owned(), value });
    let mut networks: Vec<NetworkAt> =
        INVARIANT.iter().map(|(name, n)| small(name, *n, Activation::Softplus, context)).collect();
    networks.push(digits_at(context.pick([32, 64, 256, 1024]), context));
    let found: Vec<_> = networks.in_parallel(|subject| on_network(subject, factor, context));
    for (subject, found) in networks.iter().zip(found) {
        let (part, value) = found?;
        check.merge(part);
        ratios.push(Ratio { name: format!("at the point, {}", subject.name), value });
    }
    let mut evidence = Evidence::new(check);
    observe(&mut evidence, &ratios);
    Ok((evidence, ratios))
}

/// The ratios as a plot, with lines to compare with.
pub(super) fn plot(ratios: &[Ratio], title: &str, lines: [(&str, f64); 2]) -> Plot {
    const AT: &str = "at the point, ";
    let of = |pointwise: bool| {
        let these = ratios.iter().filter(move |ratio| ratio.name.starts_with(AT) == pointwise);
        these.map(|ratio| (ratio.name.trim_start_matches(AT).to_owned(), ratio.value)).collect::<Vec<_>>()
    };
    let rows =
        Rows::default().with("L^vv, the largest curvature", of(false)).with("the Hessian at the same point", of(true));
    let caption = "The largest ‖w‖‖∇_w F‖ over its bound: with exact constants L^vv on closed forms, and with the norm \
                   of the Hessian's block at the very same point.";
    let rows = lines.into_iter().fold(rows, |rows, (name, at)| rows.line(name, at));
    rows.plot("ratio", title, caption, Axis::log("largest ‖w‖ ‖∇_w F‖ / bound"), "instance")
}

/// The ratios as figures.
pub(super) fn observe(evidence: &mut Evidence, ratios: &[Ratio]) {
    for Ratio { name, value } in ratios {
        let note = "the smallest multiple of the constant that passes";
        evidence.observe(format!("largest ‖w‖‖∇‖/bound: {name}"), *value, note);
    }
}

/// The closed forms against `factor` times their exact constants.
pub(super) fn closed_forms(
    check: &mut Check,
    factor: DoubleDouble,
    context: &Context,
) -> Result<Vec<Ratio>, Unevaluated> {
    let mut ratios = Vec::new();
    for instance in &ordinary(1_000)? {
        let (name, loss) = (&instance.name, &*instance.loss);
        let l: Vec<f64> = instance.constants.l_vv.diag().to_vec();
        let steepest = (name == "rounded tanh circle").then_some(&[0.0, 1.0][..]);
        ratios.push(constant(check, name, loss, &l, instance.radius.unwrap_or(3.0), steepest, factor, context));
    }
    ratios.push(tanh_circle(check, factor, context));
    let linear = Linear::new(vec![3.0, 4.0]);
    let l = linear.constants().values().l_vv[(0, 0)];
    let steepest = [-0.8, 0.6];
    ratios.push(constant(check, "linear in R^2", &linear, &[l], 0.0, Some(&steepest), factor, context));
    let rayleigh = Rayleigh::new(vec![0.0, 1.0]);
    let halfway = on_circle(FRAC_PI_4);
    ratios.push(constant(check, "Rayleigh in R^2", &rayleigh, &[2.0], 0.0, Some(&halfway), factor, context));
    let detail = "exact: the true largest norm of the Hessian's block; of the tanh circle, which is C^{1,1}, off the \
                  second axis";
    check.hypothesis("L^vv of the closed forms", Standing::Met, detail);
    Ok(ratios)
}

/// The circle's steepest point is on the second axis; the side with w_1 = 0 counts as the right half plane.
pub(super) fn tanh_circle(check: &mut Check, factor: DoubleDouble, context: &Context) -> Ratio {
    let loss = TanhCircle::new(1.0);
    constant(check, "tanh circle", &loss, &[1.0], 0.0, Some(&[0.0, 1.0]), factor, context)
}

/// F = ||w||^2 with its Hessian 2, as if that were L^vv of a scale-invariant loss.
pub(super) fn quadratic(factor: DoubleDouble, context: &Context) -> Check {
    let mut check = Check::new();
    let loss = crate::claim::closed_forms::Quadratic::default();
    constant(&mut check, "quadratic", &loss, &[2.0], 0.0, None, factor, context);
    check
}

/// ||w_i|| ||grad_{w_i} F|| <= factor L_ii at random points with |g| <= `radius`, and at the directions `steepest`.
#[allow(clippy::too_many_arguments)] // an instance has that many ingredients
fn constant(
    check: &mut Check,
    name: &str,
    loss: &dyn Loss,
    l: &[f64],
    radius: f64,
    steepest: Option<&[f64]>,
    factor: DoubleDouble,
    context: &Context,
) -> Ratio {
    let layout = loss.parameters();
    let mut generator = context.generator(&format!("{name}/points"));
    let (mut grad, mut work) = (vec![0.0; layout.len()], Workspace::default());
    let mut largest = 0.0_f64;
    for k in 0..context.pick([200, 2_000, 20_000, 200_000]) {
        let mut theta = vec![0.0; layout.len()];
        for x in &mut theta[layout.g()] {
            *x = generator.random_range(-radius..=radius);
        }
        for block in layout.blocks() {
            // Norms over six decades.
            let norm = Scalar::exp(generator.random_range(-6.9..6.9));
            let d = block.range.len();
            theta[block.range.clone()].copy_from_slice(&direction(d, 0..d, norm, &mut generator));
            if let (0, Some(steepest)) = (k, steepest) {
                theta[block.range.clone()].copy_from_slice(steepest);
            }
        }
        loss.sample_gradient(&[0], &theta, &mut grad, &mut work);
        for (i, block) in layout.blocks().iter().enumerate() {
            let lhs = (layout.w_norm_sq(&theta, i) * norm_sq(&grad[block.range.clone()])).sqrt();
            let rhs = factor.value() * l[i];
            let (rounding, scale) = (64.0 * U * (lhs + rhs), lhs.max(rhs));
            check.replayed(
                format!("{name} · point {k}, {}", block.name),
                Inequality { lhs, rhs, rounding, scale },
                || {
                    let lhs = steepness(loss, &[0], &theta, i)?;
                    // A constant that is no whole number is off by its rounding.
                    let off = if l[i].fract() == 0.0 { 0.0 } else { 4.0 * U * rhs };
                    Some(Sides { lhs, rhs: factor.scale(l[i]), rounding: UNITS * rounding + off })
                },
            );
            largest = largest.max(lhs / rhs);
        }
    }
    Ratio { name: name.to_owned(), value: largest }
}

/// ||w_i|| ||grad_{w_i} F_z|| in double-double.
pub(super) fn steepness(loss: &dyn Loss, z: &[usize], theta: &[f64], i: usize) -> Option<DoubleDouble> {
    let range = loss.parameters().block(i);
    let mut precise = Evaluator::new(loss);
    let grad = precise.is_precise().then(|| precise.at(z, theta).grad)?;
    let w: Vec<DoubleDouble> = theta[range.clone()].iter().map(|&x| DoubleDouble::from(x)).collect();
    Some((dot(&w, &w) * dot(&grad[range.clone()], &grad[range])).sqrt())
}

/// ||grad_{w_i} F|| <= factor ||Hess_ii|| ||w_i|| for every block at one point; returns the largest ratio.
fn pointwise(
    check: &mut Check,
    name: &str,
    loss: &dyn Loss,
    z: &[usize],
    theta: &[f64],
    factor: DoubleDouble,
) -> Result<f64, Unevaluated> {
    let blocks: Vec<usize> = (0..loss.parameters().n_blocks()).collect();
    of_blocks(check, name, loss, z, theta, &blocks, factor, 0.0)
}

/// The same for some of the blocks, times `factor`. Rounding may make `of_all` times as much of a block's gradient as
/// 512u of all of grad_V make: nothing where the blocks are known to be alike.
/// Only what is far above that counts for the ratio.
#[allow(clippy::too_many_arguments)] // a place and what is claimed there
fn of_blocks(
    check: &mut Check,
    at: &str,
    loss: &dyn Loss,
    z: &[usize],
    theta: &[f64],
    blocks: &[usize],
    factor: DoubleDouble,
    of_all: f64,
) -> Result<f64, Unevaluated> {
    let layout = loss.parameters();
    let mut grad = vec![0.0; layout.len()];
    loss.sample_gradient(z, theta, &mut grad, &mut Workspace::default());
    let floor = of_all * 512.0 * U * layout.grad_v_norm_sq(theta, &grad).sqrt();
    // Blocks of up to 64 columns are formed densely, so that their norm is exact up to rounding.
    let options = SpectralOptions { dense_below: 64, ..SpectralOptions::default() };
    let mut largest = 0.0_f64;
    for &i in blocks {
        let part = Part::Block(i);
        let mut block = BlockOperator::new(loss, Target::Sample(z), theta, part, part);
        let hessian = spectral_norm(&mut block, &options, &ratecheck::random::Seed::new(0));
        // The value is at most the norm, so that a pass is sound.
        let soundness = match hessian.residual <= 1e-6 * hessian.value {
            true => Soundness::Proved,
            false => Soundness::Sampled,
        };
        let lhs = norm_sq(&grad[layout.block(i)]).sqrt();
        let rhs = factor.value() * hessian.value * layout.w_norm_sq(theta, i).sqrt();
        let place = if at.contains(" · ") { format!("{at}, ") } else { format!("{at} · ") };
        let place = format!("{place}{}", layout.blocks()[i].name);
        // It misses the norm by no more than the residual.
        let missed = factor.value() * hessian.residual * layout.w_norm_sq(theta, i).sqrt();
        let floor = floor / layout.w_norm_sq(theta, i).sqrt();
        let rounding = 512.0 * U * (lhs + rhs) + missed + floor;
        let scale = lhs.max(rhs);
        if soundness == Soundness::Sampled {
            check.compare(place, lhs, rhs, rounding, scale, soundness);
        } else {
            check.replayed(place, Inequality { lhs, rhs, rounding, scale }, || {
                let theta_dd: Vec<DoubleDouble> = theta.iter().map(|&x| x.into()).collect();
                let (lhs, w) = (steepness(loss, z, theta, i)?, &theta_dd[layout.block(i)]);
                let (norm, residual) = block_norm(loss, Target::Sample(z), &theta_dd, [part, part])?;
                // Both sides times ||w||.
                let (n, length) = (dot(w, w), layout.w_norm_sq(theta, i).sqrt());
                let off = UNITS * (512.0 * U * (lhs.value() + rhs * length) + floor * length) + residual * n.value();
                Some(Sides { lhs, rhs: factor * norm * n, rounding: off })
            });
        }
        if lhs >= 1e4 * floor {
            largest = largest.max(lhs / rhs);
        }
    }
    Ok(largest)
}

/// The full batch, and minibatches of a quarter of it; of every layer's blocks as many as the budget allows.
fn on_network(subject: &NetworkAt, factor: DoubleDouble, context: &Context) -> Result<(Check, f64), Unevaluated> {
    let mut check = Check::new();
    let m = subject.layout().n_blocks();
    // A block of 64 inputs costs 64 Hessian-vector products.
    let stride = if subject.theta.len() > 500 { context.pick([6, 3, 1, 1]) } else { 1 };
    let blocks: Vec<usize> = (0..m).step_by(stride).collect();
    let at = format!("at the point, {}", subject.name);
    let mut largest = of_blocks(&mut check, &at, &subject.network, &subject.z, &subject.theta, &blocks, factor, 0.0)?;
    let quarter = subject.z.len() / 4;
    for (k, z) in subject.z.chunks_exact(quarter).enumerate().take(context.pick([1, 2, 4, 4])) {
        let at = format!("{at} · minibatch {k}");
        largest = largest.max(of_blocks(&mut check, &at, &subject.network, z, &subject.theta, &blocks, factor, 0.0)?);
    }
    Ok((check, largest))
}

/// F(w; g) = (g - w/|w|)^2/2 for a single weight.
struct OneWeight {
    layout: Parameters,
    z: Minibatches,
}

impl Formula for OneWeight {
    fn layout(&self) -> &Parameters {
        &self.layout
    }
    fn distribution(&self) -> &Minibatches {
        &self.z
    }
    fn value<S: Scalar>(&self, _z: &[usize], theta: &[S]) -> S {
        (theta[1] - theta[0] / theta[0].square().sqrt()).square().scale(0.5)
    }
}

/// d = 1: L^vv = 0, and the gradient of w is 0.
fn one_dimension(check: &mut Check, context: &Context) {
    let loss = OneWeight { layout: Parameters::new([("w", 1)], 1), z: Minibatches::full(1) };
    let (mut grad, mut generator) = ([0.0; 2], context.generator("one dimension"));
    for k in 0..context.pick([50, 500, 5_000, 50_000]) {
        let theta = [generator.random_range(-2.0..2.0), generator.random_range(-3.0..3.0)];
        loss.sample_gradient(&[0], &theta, &mut grad, &mut Workspace::default());
        let tolerance = 8.0 * U * (grad[1].abs() / theta[0].abs());
        check.identity(format!("one weight · point {k}"), grad[0].abs(), tolerance);
    }
}
