//! The best constant of Lemma A.1: ||grad_{w_i} F|| <= tanh(pi/2) L^vv_ii/||w_i|| in every dimension d >= 2, and no
//! smaller multiple will do. Derived here.
//!
//! **Class.** F is C^{1,1} away from w_i = 0: its gradient is locally Lipschitz, so that Hess_ii exists almost
//! everywhere, and L^vv_ii bounds it almost everywhere on the unit sphere. C², as section 2.4 has it, is a special
//! case. The constant is attained in C^{1,1}, and in C² approached as nearly as one likes, in every d >= 2, but not
//! attained.
//!
//! **Reduction to the plane.** Let v be a unit block, the other blocks and g fixed, and grad = grad_v F(v) != 0. By
//! Lemma 2.4 it is perpendicular to v. The restriction of F to the plane of v and grad is scale invariant on R^2
//! without 0; its gradient at v is grad itself, and its Hessian is the compression of Hess_ii to the plane, of norm at
//! most L = L^vv_ii. So d = 2 suffices. (Where F is C^{1,1} alone, the Hessian may exist nowhere on that plane. But by
//! Fubini it exists almost everywhere on almost every plane through 0, so that the bound holds for the gradient's part
//! in each of those; they come as near to this one as one likes, and the gradient is continuous.)
//!
//! **In the plane**, F = f(theta) with theta the angle. In the basis (v, tangent) the Hessian at a unit vector is
//! [[0, -f'], [-f', f'']], of norm |f''|/2 + sqrt(f''^2/4 + f'^2). That this is at most L says f'^2 <= L^2 - L|f''|,
//! which with p = f'/L is
//!
//!   |p'| <= 1 - p^2.
//!
//! |p| < 1 everywhere: by Gronwall |p| = 1 at one angle would make it so at all, but p has mean 0 over the circle. So
//! y = artanh p exists, and |y'| <= 1. Let Y = max |y|, at theta*; say y(theta*) = Y > 0. Then y >= Y - |theta -
//! theta*|, so p > 0 on an arc of length 2Y, over which it integrates to at least 2 ln cosh Y. The set where p < 0 lies
//! outside, on arcs whose lengths add up to at most 2 pi - 2Y. On such an arc, of length l and with p = 0 at its ends,
//! |y| is at most the distance to the nearer end, so that |p| integrates to at most 2 ln cosh(l/2). This is convex in l
//! and 0 at 0, so all arcs together have at most 2 ln cosh(pi - Y). The positive and the negative part cancel (f is
//! periodic): ln cosh Y <= ln cosh(pi - Y), hence Y <= pi/2 and |f'| <= L tanh(pi/2). Only |p'| <= 1 - p^2 almost
//! everywhere was used: f' may be merely Lipschitz.
//!
//! **It is attained**, by equality throughout: f' = L tanh theta on [-pi/2, pi/2] and f'(pi - theta) = f'(theta), the
//! tanh circle. There the Hessian's norm is L everywhere, with a jump of f'' on the second axis: C^{1,1}, not C². It
//! has to: equality needs |y'| = 1 almost everywhere, with y' = 1 before and -1 after its maximum.
//!
//! **In C² it is approached.** In the plane by Fejer means: that of order N is an average of rotated copies of f with
//! positive weights, so that its constant is at most L; it is a trigonometric polynomial, and f'_N tends to f'
//! uniformly. And by rounding: the inequality |p'| <= 1 - p^2 is all that L asks for, so that y' may pass from 1 to -1
//! as smoothly as one likes. [`TanhCircle::rounded`] does so within an angle delta of the axis: C², with the constant
//! L, and a gradient short of L tanh(pi/2) by less than L delta (1 - tanh^2(pi/2 - delta)).
//!
//! **In every dimension.** Let theta be the angle between w in R^d and the first axis, 0 <= theta <= pi, and F =
//! f(theta). The Hessian at a unit vector is the one above in the plane of v and the axis, and f' cot theta in the d -
//! 2 other directions. Here 0 <= f' cot theta = L tanh theta/tan theta <= L for theta <= pi/2, and the mirrored value
//! beyond. So the constant is L, and on the equator ||grad|| = L tanh(pi/2). The rounded f has an f' between 0 and L
//! theta there, too, so 0 <= f' cot theta <= L theta/tan theta <= L: C² in every dimension (near both poles F is an
//! even analytic function of the angle), with the constant L. Of the Fejer means the other directions need no more than
//! is measured: f'_N cot theta on a grid, in R^3.

use std::f64::consts::{FRAC_PI_2, PI};

use rand::RngExt;
use ratecheck::curvature::{HessianProduct, Part, Target, dense_hessian, hessian_vector_product};
use ratecheck::linalg::spectral_norm;
use ratecheck::loss::{Formula, Loss, Minibatches, Over, Workspace};
use ratecheck::network::{Activation, Lp, Normalisation};
use ratecheck::parameters::{Parameters, dot, norm_sq};
use ratecheck::scalar::{DoubleDouble, Scalar};

use super::lemma_a_1_sharp::{closed_forms, observe, tanh_circle};
use crate::claim::closed_forms::on_circle;
use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Origin, Soundness, Statement, Unevaluated,
};
use crate::claim::instances::{INVARIANT, NetworkAt, U, small};
use crate::claim::parallel::InParallel;

mod figure;
mod harmonics;
mod zones;

use self::harmonics::Harmonics;
use self::zones::Zone;

/// See the module's first line.
pub(super) struct TanhPiHalf;

static STATEMENT: Statement = Statement {
    id: "tanh-pi-half",
    title: "The best constant of Lemma A.1",
    plain: "The gradient of a scale-invariant block is at most tanh(π/2) = 0.917 times its curvature over its norm, in \
            every dimension; no smaller number will do, not even for C² losses.",
    formula: "‖∇_{w⁽ⁱ⁾}F‖ ≤ tanh(π/2)·L^vv_ii/‖w⁽ⁱ⁾‖ for F in C^{1,1} with ‖∇²_{ii}F‖ ≤ L^vv_ii a.e.; equality on the \
              tanh circle; sup ‖∇F‖/L = tanh(π/2) over C², \
              in every d ≥ 2",
    latex: &[
        r"\|\nabla_{w^{(i)}}F\|\le\tanh\Bigl(\frac\pi2\Bigr)\frac{L^{vv}_{ii}}{\|w^{(i)}\|}\quad\text{for }F\in C^{1,1},\ \|\nabla^2_{ii}F\|\le L^{vv}_{ii}\text{ a.e.}",
        r"\text{with equality on the tanh circle; }\sup_{F\in C^2(\mathbb{R}^d\setminus0)}\frac{\|\nabla F\|}{L}=\tanh\Bigl(\frac\pi2\Bigr),\quad d\ge2",
    ],
    printed_at: "not in the paper: Lemma A.1 has π for tanh(π/2) = 0.9171523356672744",
    kind: Kind::Inequality,
    origin: Origin::Derived,
    hypotheses: &[
        "F_z is scale invariant in w⁽ⁱ⁾ and C^{1,1}: its gradient is locally Lipschitz (C² by section 2.4 is more \
         than is needed)",
        "L^vv_ii bounds ∇²_{ii}F at almost all unit vectors of the block",
    ],
    measured: "on nine closed forms with exact constants (the tanh circle attains the bound); on Fejér means of the \
               tanh circle with N = 7, 25, 101, in the plane and in R^3; on the tanh zone in R^10, whose constant is \
               measured too; on \
               C² zones in R^3 and R^10, rounded within 0.1, 0.01 and 0.001 of the equator, whose constants are at \
               most 1 and whose \
               gradients are within δ·(1 - tanh²(π/2 - δ)) of tanh(π/2); on \
               trigonometric polynomials found by a search for the largest ratio; on networks under six differentiable \
               normalisations along the great circle through v and its gradient",
    tolerance: "exact constants: 64u of both sides, and what that leaves open replayed in double-double; polynomials: the gradient's maximum over the grid plus half a grid \
                step times Σ k|b_k| ≥ |f''|, over the Hessian's maximum over the grid, which is at most the constant; \
                the zones' constants: 512u, for a Hessian-vector product, and 64u/δ more where f'' of the rounding \
                turns (a difference of angles over δ); networks: the Hessian's maximum over the \
                circle is at most the constant, so that a pass is sound",
    does_not_show: "that a network comes near: those here use 0.84 of the curvature on their great circle, at most",
};

/// tanh(pi/2), in double-double for replays.
fn best<S: Scalar>() -> S {
    S::ONE.atan2(S::ZERO).tanh()
}

impl Claim for TanhPiHalf {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut evidence = Evidence::default();
        let ratios = closed_forms(&mut evidence.check, best(), context)?;
        observe(&mut evidence, &ratios);
        for n in [7, 25, 101] {
            let found = polynomial(
                &mut evidence.check,
                "Fejér means",
                &Harmonics::fejer(n),
                context.pick([512, 1024, 4096, 8192]),
            )?;
            evidence.observe(
                format!("‖∇‖/L of the Fejér mean, N = {n}"),
                found,
                format!("tends to {:.4}", best::<f64>()),
            );
            let found = polynomial(
                &mut evidence.check,
                "Fejér means in R^3",
                &Harmonics::fejer(n).in_space(),
                context.pick([512, 1024, 4096, 8192]),
            )?;
            let note = format!("C², tends to {:.4}", best::<f64>());
            evidence.observe(format!("‖∇‖/L of the Fejér mean in R^3, N = {n}"), found, note);
        }
        zones::sharp(&mut evidence.check, context)?;
        for d in [3, 10] {
            for delta in [0.1, 0.01, 0.001] {
                let found = zones::rounded(&mut evidence.check, d, delta, best(), context)?;
                let note = format!("C², tends to {:.6} as δ → 0", best::<f64>());
                evidence.observe(format!("‖∇‖/L of the rounded zone in R^{d}, δ = {delta}"), found, note);
            }
        }
        let found = search(&mut evidence.check, context)?;
        evidence.observe(
            "largest ‖∇‖/L found by search",
            found,
            "trigonometric polynomials of degree 7; at most 0.9172",
        );
        let networks: Vec<NetworkAt> = INVARIANT
            .iter()
            .filter(|(_, n)| differentiable(*n))
            .map(|(name, n)| small(name, *n, Activation::Softplus, context))
            .collect();
        let found: Vec<_> = networks.in_parallel(|subject| great_circles(subject, context));
        let mut largest = 0.0_f64;
        for (part, ratio) in found {
            evidence.check.merge(part);
            largest = largest.max(ratio);
        }
        evidence.observe(
            "largest ‖∇‖/L along a great circle, networks",
            largest,
            "L is the largest curvature met on that circle",
        );
        evidence.plots.push(figure::around());
        Ok(evidence)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "0.999 tanh(π/2)",
                breaks: "the constant is 0.1 % smaller, on the tanh circle",
                run: |context| {
                    let mut check = Check::new();
                    tanh_circle(&mut check, best::<DoubleDouble>().scale(0.999), context);
                    Ok(check)
                },
            },
            Control {
                name: "a kink",
                breaks: "f = ln cosh θ all around: L = 1 but at θ = π, where it is not differentiable, and ‖∇‖ reaches \
                         tanh(π)",
                run: |_| {
                    let loss = Kinked { layout: Parameters::new([("w", 2)], 0), z: Minibatches::full(1) };
                    let mut check = Check::new();
                    // |f''| <= 1.
                    on_grid(&mut check, "kink", &loss, (0.1, PI - 0.1), 256, 1.0)?;
                    Ok(check)
                },
            },
            Control {
                name: "0.917 in C²",
                breaks: "the constant is said to be 0.917 for C² losses, on the zone in R^3 that is rounded within \
                         0.001",
                run: |context| {
                    let mut check = Check::new();
                    zones::rounded(&mut check, 3, 0.001, 0.917.into(), context)?;
                    Ok(check)
                },
            },
            Control {
                name: "rounded beyond the equator",
                breaks: "f' = tanh θ up to θ = π/2 and rounded after it, in R^3: C² but at the pole θ = π, where f' \
                         has not fallen to 0, and \
                         the curvature across exceeds 1",
                run: |context| {
                    let mut check = Check::new();
                    zones::constant(&mut check, &Zone::rounded(3, FRAC_PI_2 + 0.1, 0.1), context)?;
                    Ok(check)
                },
            },
            Control {
                name: "the zone without its mirror",
                breaks: "f' = tanh θ up to θ = 2 in R^4: L = 1 but at the pole θ = π, where f' has not fallen to 0 and \
                         F has a cusp",
                run: |_| {
                    let mut check = Check::new();
                    let loss = Zone::new(4, 2.0);
                    let equator = vec![Scalar::cos(2.0), Scalar::sin(2.0), 0.0, 0.0];
                    zones::steepness(&mut check, "zone turning at θ = 2", &loss, &equator, best());
                    Ok(check)
                },
            },
        ]
    }
}

/// ln cosh(angle) on (-pi, pi]: not differentiable at pi.
struct Kinked {
    layout: Parameters,
    z: Minibatches,
}

impl Formula for Kinked {
    fn layout(&self) -> &Parameters {
        &self.layout
    }
    fn distribution(&self) -> &Minibatches {
        &self.z
    }
    fn value<S: Scalar>(&self, _z: &[usize], w: &[S]) -> S {
        ln_cosh(w[1].atan2(w[0]))
    }
}

/// ln cosh x = softplus(2x) - x - ln 2.
fn ln_cosh<S: Scalar>(x: S) -> S {
    x.scale(2.0).softplus() - x - S::from_f64(std::f64::consts::LN_2)
}

/// f' and the Hessian's norm over a grid of angles in the plane; compares the largest gradient with the largest
/// curvature and returns their ratio. `bend` bounds |f''|.
fn on_grid(
    check: &mut Check,
    at: &str,
    loss: &dyn Loss,
    (from, to): (f64, f64),
    n: usize,
    bend: f64,
) -> Result<f64, Unevaluated> {
    let (mut steepest, mut curvature) = (0.0_f64, 0.0_f64);
    let mut grad = vec![0.0; loss.parameters().len()];
    for k in 0..=n {
        let mut w = on_circle(from + (to - from) * k as f64 / n as f64);
        w.resize(grad.len(), 0.0);
        loss.sample_gradient(&[0], &w, &mut grad, &mut Workspace::default());
        steepest = steepest.max(norm_sq(&grad).sqrt());
        curvature = curvature.max(spectral_norm(dense_hessian(loss, &[0], &w).matrix.view())?);
    }
    let reach = steepest + 0.5 * (to - from) / n as f64 * bend;
    check.at_most(at, reach, best::<f64>() * curvature, 0.0);
    Ok(steepest / curvature)
}

/// A trigonometric polynomial of sines, over half the circle: the other half is its mirror image.
fn polynomial(check: &mut Check, name: &str, loss: &Harmonics, n: usize) -> Result<f64, Unevaluated> {
    on_grid(check, &format!("{name} · degree {}", loss.b.len()), loss, (0.0, PI), n, loss.second_derivative_bound())
}

/// Climbs from random polynomials of degree 7 to ever larger ratios, and compares at every one it meets.
fn search(check: &mut Check, context: &Context) -> Result<f64, Unevaluated> {
    let mut generator = context.generator("search");
    let mut best_ratio = 0.0_f64;
    for _ in 0..context.pick([2, 4, 16, 64]) {
        let mut b: Vec<f64> = (1..=7).map(|k| generator.random_range(-1.0..1.0) / f64::from(k)).collect();
        let (mut ratio, mut size) = (0.0_f64, 0.5);
        for _ in 0..context.pick([60, 300, 1_000, 2_000]) {
            let trial: Vec<f64> =
                b.iter().zip(1..).map(|(b, k)| b + size * generator.random_range(-1.0..1.0) / f64::from(k)).collect();
            // A coarse grid would leave more room to the derivative's bound than the search has.
            let found = polynomial(check, "polynomials met by a search", &Harmonics::new(trial.clone()), 1024)?;
            if found > ratio {
                (ratio, b) = (found, trial);
            } else {
                size = (0.97 * size).max(0.01);
            }
        }
        best_ratio = best_ratio.max(ratio);
    }
    Ok(best_ratio)
}

/// Whether the normalisation meets the hypothesis. The mean absolute deviation has kinks where an example is at the
/// mean, the largest one where another example becomes it: there the gradient jumps,
/// and no curvature next to it bounds it.
fn differentiable(normalisation: Normalisation) -> bool {
    !matches!(normalisation, Normalisation::LpBatchNorm { p: Lp::One | Lp::Infinity })
}

/// Along the great circle through v_i and its gradient, for every block:
/// the largest |f'| against the largest curvature.
fn great_circles(subject: &NetworkAt, context: &Context) -> (Check, f64) {
    let (layout, n) = (subject.layout(), subject.theta.len());
    let angles = context.pick([16, 64, 256, 1024]);
    let (mut check, mut largest) = (Check::new(), 0.0_f64);
    let (mut grad, mut work) = (vec![0.0; n], Workspace::default());
    let (mut product, mut hvp) = (vec![0.0; n], HessianProduct::new(n));
    for (i, block) in layout.blocks().iter().enumerate() {
        let range = Part::Block(i).range(layout);
        let mut theta = layout.theta_unit(&subject.theta);
        let v = theta[range.clone()].to_vec();
        subject.network.sample_gradient(&subject.z, &theta, &mut grad, &mut work);
        let length = norm_sq(&grad[range.clone()]).sqrt();
        let u: Vec<f64> = grad[range.clone()].iter().map(|x| x / length).collect();
        let (mut steepest, mut curvature) = (0.0_f64, 0.0_f64);
        let target = Target::Sample(&subject.z);
        for k in 0..angles {
            let phi = 2.0 * PI * k as f64 / angles as f64;
            let (c, s) = (Scalar::cos(phi), Scalar::sin(phi));
            let mut tangent = vec![0.0; n];
            for (j, at) in range.clone().enumerate() {
                theta[at] = c * v[j] + s * u[j];
                tangent[at] = c * u[j] - s * v[j];
            }
            subject.network.sample_gradient(&subject.z, &theta, &mut grad, &mut work);
            hessian_vector_product(&subject.network, target, &theta, &tangent, &mut product, &mut hvp);
            let (slope, bend) = (dot(&grad, &tangent), dot(&product, &tangent));
            steepest = steepest.max(slope.abs());
            curvature = curvature.max(0.5 * bend.abs() + (0.25 * bend * bend + slope * slope).sqrt());
        }
        let at = format!("great circles, {} · {}", subject.name, block.name);
        let rhs = best::<f64>() * curvature;
        let scale = steepest.max(rhs);
        check.compare(at, steepest, rhs, 512.0 * U * scale, scale, Soundness::Sampled);
        largest = largest.max(steepest / curvature);
    }
    (check, largest)
}
