//! Theorem 2.5 over a whole trajectory: (4) and (9) side by side, never brought together again.
//!
//! Rounding grows along such a pair, exponentially where the dynamics are chaotic, so that what sets them apart has to
//! be told from what rounding alone would. Let Phi_t be the step t of (4), in (W; g), and carry (9) to the same space
//! by w_i = sqrt(G_i) v_i. The theorem says that both are the same map. What is computed is Phi_t up to the roundings
//! of a step, so the deviation d_t obeys, to first order,
//!
//! > d_{t+1} = J_t d_t + r_t, d_0 = 0, J_t = I - eta Hess F_{z_t}(theta_t), |r_t|_i <= k s_{t,i} in each block i,
//! > and in g,
//!
//! where the scale s_{t,i} is ||w_i|| after the step (norms do not fall, so it also bounds ||w_i|| before and the step
//! itself), and for g the sum of both norms. The number k is four times the tolerance 1e-13 = 900u of the restarted
//! comparison, which bounds by how much the two steps differ from the same point (v and half of G: 1.5 of it); the rest
//! is for the rounding of the step (4) from the two points. Hence d_T = sum_t J_{T-1} .. J_{t+1} r_t. With B parts
//! (blocks and g) and S_t = diag(s_t), ||S_T^-1 J .. J r_t|| <= k sqrt(B) ||S_T^-1 J .. J S_t||_F,
//! and by Cauchy and Schwarz over t
//!
//! > ||S_T^-1 d_T|| <= k sqrt(B T) sqrt(tr S_T^-1 P_T S_T^-1), P_{t+1} = J_t P_t J_t' + S_t^2, P_0 = 0.
//!
//! P is carried along the trajectory in `f64`, with the dense Hessian: a bound needs a few digits. Twice the bound
//! covers those and the second order, which is d_t^2 where d_t is at most 2^-20, the most that a bound may reach to be
//! used. The same bound holds in `f64` with u, and in double-double with its unit, 2^-45 times as large. A form of (9)
//! that is wrong by any fixed part of a step is off by that in both, and is rejected in double-double as long as the
//! bound is below it: the trajectory is followed until the bound reaches 2^-53, what `f64` could not tell.

use ndarray::Array2;
use ratecheck::curvature::{Part, dense_hessian};
use ratecheck::loss::{Arithmetic, Loss, Over, Workspace};
use ratecheck::parameters::dot;
use ratecheck::scalar::{DoubleDouble, Scalar};

use super::{Form, TOLERANCE};
use crate::claim::evidence::{Check, Context, Unevaluated};
use crate::claim::replay::{Recursion, UNITS};
use crate::paper::visits::{on_spheres, parts, to_sphere};

/// k in `f64`.
const PER_STEP: f64 = 4.0 * TOLERANCE;
/// Where the first order no longer suffices.
pub(super) const LINEAR: f64 = 1.0 / (1 << 20) as f64;

/// How a trajectory went.
pub(super) struct Followed {
    /// Steps until rounding would have reached 2^-53 even in double-double, or all of them.
    pub(super) steps: usize,
    /// The largest relative deviation, in `f64` and in double-double.
    pub(super) apart: [f64; 2],
    /// The largest bound in double-double.
    pub(super) bound: f64,
    /// What was seen at every step.
    pub(super) path: Vec<Apart>,
}

/// How far (9) and (4) were apart after a step, each in `f64` and in double-double.
#[derive(Clone, Copy)]
pub(super) struct Apart {
    /// The number of steps made.
    pub(super) t: usize,
    /// The relative deviation.
    pub(super) seen: [f64; 2],
    /// What rounding may make of it; NaN in `f64` where the first order no longer suffices.
    pub(super) bound: [f64; 2],
}

impl Followed {
    /// The worse of both, figure by figure.
    pub(super) fn and(self, other: &Self) -> Self {
        Self {
            steps: self.steps.min(other.steps),
            apart: [0, 1].map(|k| self.apart[k].max(other.apart[k])),
            bound: self.bound.max(other.bound),
            path: self.path,
        }
    }
}

/// (9) with v_i on the unit sphere and G_i, or what is broken of it.
pub(super) struct Adaptive<'a, S: Arithmetic> {
    loss: &'a dyn Over<S>,
    form: Form,
    theta: Vec<S>,
    g: Vec<S>,
    grad: Vec<S>,
    work: Workspace<S>,
}

impl<'a, S: Arithmetic> Adaptive<'a, S> {
    /// At theta~_0, with G_0; nothing if the loss has no such arithmetic.
    pub(super) fn new(loss: &'a dyn Loss, theta_0: &[f64], form: Form) -> Option<Self> {
        let loss = loss.over::<S>()?;
        let (theta, g) = on_spheres(loss.parameters(), theta_0);
        let grad = vec![S::ZERO; theta.len()];
        Some(Self { loss, form, theta, g, grad, work: Workspace::default() })
    }

    /// One step of (9).
    pub(super) fn step(&mut self, z: &[usize], eta_w: f64, eta_g: f64) {
        self.loss.sample_gradient(z, &self.theta, &mut self.grad, &mut self.work);
        let layout = self.loss.parameters();
        for (block, g) in layout.blocks().iter().zip(&mut self.g) {
            let (v, grad) = (&mut self.theta[block.range.clone()], &self.grad[block.range.clone()]);
            let mut rate = S::from_f64(eta_w) / if self.form == Form::Root { g.sqrt() } else { *g };
            if self.form == Form::Nudged {
                rate += rate.scale(2.0_f64.powi(-50));
            }
            for (x, &d) in v.iter_mut().zip(grad) {
                *x -= rate * d;
            }
            if self.form != Form::ConstantG {
                *g += (S::from_f64(eta_w).square() / *g) * dot(grad, grad);
            }
            if self.form != Form::Unprojected {
                to_sphere(v);
            }
        }
        for (x, d) in self.theta[layout.g()].iter_mut().zip(&self.grad[layout.g()]) {
            *x -= d.scale(eta_g);
        }
    }

    /// ||S^-1 (theta - (W; g))||, the deviation from (4) relative to `scales`.
    pub(super) fn apart(&self, plain: &[S], scales: &[f64]) -> f64 {
        let sum = parts(self.loss.parameters())
            .zip(scales)
            .fold(0.0, |sum, (part, &scale)| self.squares(sum, part, plain, scale));
        sum.sqrt()
    }

    /// How far a part of (W; g) is from (4).
    pub(super) fn part_apart(&self, part: Part, plain: &[S]) -> f64 {
        self.squares(0.0, part, plain, 1.0).sqrt()
    }

    fn squares(&self, mut sum: f64, part: Part, plain: &[S], scale: f64) -> f64 {
        let root = match part {
            Part::Block(i) => Some(self.g[i].sqrt()),
            Part::G => None,
        };
        for k in part.range(self.loss.parameters()) {
            let theta = root.map_or(self.theta[k], |root| root * self.theta[k]);
            sum += ((theta - plain[k]).value() / scale).powi(2);
        }
        sum
    }
}

/// Twice k sqrt(B T trace), of `parts` parts in step t = T - 1.
pub(super) fn reach(per_step: f64, parts: usize, t: usize, trace: f64) -> f64 {
    2.0 * per_step * ((parts * (t + 1)) as f64 * trace).sqrt()
}

/// Follows both in `f64` and in double-double, and compares in every step.
pub(super) fn follow(
    check: &mut Check,
    (name, loss, theta_0): (&str, &dyn Loss, &[f64]),
    (eta_w, eta_g): (f64, f64),
    steps: usize,
    form: Form,
    context: &Context,
) -> Result<Followed, Unevaluated> {
    let layout = loss.parameters();
    let (n, m) = (layout.len(), layout.n_blocks());
    let without = || Unevaluated(format!("{name} has no double-double arithmetic"));
    let (double, precise) = (Recursion::<f64>::new(loss, theta_0), Recursion::<DoubleDouble>::new(loss, theta_0));
    let mut plain = double.zip(precise).ok_or_else(without)?;
    let (double, precise) = (Adaptive::<f64>::new(loss, theta_0, form), Adaptive::new(loss, theta_0, form));
    let mut adaptive: (_, Adaptive<'_, DoubleDouble>) = double.zip(precise).ok_or_else(without)?;
    let mut draws = context.generator(&format!("trajectory/{name}/{eta_w}"));
    let (mut permutation, mut spread) = (Vec::new(), Array2::<f64>::zeros((n, n)));
    let (mut followed, mut linear) = (Followed { steps: 0, apart: [0.0; 2], bound: 0.0, path: Vec::new() }, true);
    let g_norm = |run: &Recursion<'_>| run.theta[layout.g()].iter().map(|x| x.value().powi(2)).sum::<f64>().sqrt();
    // The part of theta that each parameter belongs to.
    let part = |k: usize| layout.blocks().iter().position(|b| b.range.contains(&k)).unwrap_or(m);
    let parts: Vec<usize> = (0..n).map(part).collect();
    for t in 0..steps {
        let z = loss.minibatches().draw(&mut draws, &mut permutation).to_vec();
        let at: Vec<f64> = plain.1.theta.iter().map(|x| x.value()).collect();
        let mut jacobian = dense_hessian(loss, &z, &at).matrix;
        for ((i, j), entry) in jacobian.indexed_iter_mut() {
            let eta = if parts[i] < m { eta_w } else { eta_g };
            *entry = if i == j { 1.0 } else { 0.0 } - eta * *entry;
        }
        let g_before = g_norm(&plain.1);
        plain.0.look(&z);
        plain.0.step(eta_w, eta_g);
        plain.1.look(&z);
        plain.1.step(eta_w, eta_g);
        adaptive.0.step(&z, eta_w, eta_g);
        adaptive.1.step(&z, eta_w, eta_g);

        let mut scales: Vec<f64> = plain.1.norms().iter().map(|n| n.value().sqrt()).collect();
        scales.push(g_before + g_norm(&plain.1));
        spread = jacobian.dot(&spread).dot(&jacobian.t());
        for (k, &part) in parts.iter().enumerate() {
            spread[(k, k)] += scales[part].powi(2);
        }
        let trace: f64 = parts.iter().enumerate().map(|(k, &part)| spread[(k, k)] / scales[part].powi(2)).sum();
        let count = m + usize::from(!layout.g().is_empty());
        let bound = reach(PER_STEP, count, t, trace);
        let precise = UNITS * bound;
        if !(precise <= f64::EPSILON / 2.0) {
            break;
        }
        followed.steps = t + 1;
        followed.bound = followed.bound.max(precise);
        let at = format!("{name}, whole · η = {eta_w}, t = {t}");
        let apart = [adaptive.0.apart(&plain.0.theta, &scales), adaptive.1.apart(&plain.1.theta, &scales)];
        check.identity(format!("{at}: double-double"), apart[1], precise);
        followed.apart = [0, 1].map(|k| followed.apart[k].max(apart[k]));
        linear &= bound <= LINEAR;
        if linear {
            check.identity(format!("{at}: f64"), apart[0], bound);
        }
        let bound = [if linear { bound } else { f64::NAN }, precise];
        followed.path.push(Apart { t: t + 1, seen: apart, bound });
    }
    Ok(followed)
}
