//! The loss F_z(W; g): the seam where a user's own function comes in.
//!
//! What a user *writes* is a [`Formula`], once over every arithmetic. What everybody else *takes* is `&dyn` [`Loss`]:
//! the layout of theta, the distribution of z, values and gradients in `f64`, and whatever further arithmetics there
//! are. Every formula is a loss. A function that foreign code evaluates is one too,
//! with [`Products`] in place of arithmetics.

mod arithmetic;
mod around;
pub mod closed;
mod differences;
mod formula;
mod minibatches;
mod workspace;

pub(crate) use arithmetic::compiled;
pub use arithmetic::{Arithmetic, Arithmetics};
pub use around::{Decayed, MeanLoss};
pub use differences::{DIFFERENCES_ERROR, product_by_differences};
pub use formula::Formula;
pub use minibatches::{BatchError, Drawing, Minibatches};
pub(crate) use workspace::Wanted;
pub use workspace::Workspace;

use std::fmt;

use crate::parameters::Parameters;
use crate::scalar::{Eight, Scalar};

/// What theta and z are.
pub trait Setting: Send + Sync {
    /// The layout of theta.
    fn parameters(&self) -> &Parameters;

    /// The distribution of z.
    fn minibatches(&self) -> &Minibatches;
}

/// Values and gradients in one arithmetic.
pub trait Over<S: Scalar>: Setting {
    /// F_z(theta); `z` lists the examples of the minibatch. It may allocate: where speed matters, take the gradient.
    fn sample_loss(&self, z: &[usize], theta: &[S]) -> S;

    /// Writes grad F_z(theta) and returns F_z(theta).
    fn sample_gradient(&self, z: &[usize], theta: &[S], grad: &mut [S], work: &mut Workspace<S>) -> S;

    /// Adds up F_z and its gradient over all minibatches: grad L(theta) into `grad`, and returns L(theta). `None` if z
    /// is not finite, since L is then only known by sampling.
    fn mean_gradient(&self, theta: &[S], grad: &mut [S], scratch: &mut [S], work: &mut Workspace<S>) -> Option<S> {
        mean_of_samples(self, theta, grad, scratch, work)
    }
}

/// [`Over::mean_gradient`] of whatever has no shorter way.
fn mean_of_samples<S: Scalar, L: Over<S> + ?Sized>(
    loss: &L,
    theta: &[S],
    grad: &mut [S],
    scratch: &mut [S],
    work: &mut Workspace<S>,
) -> Option<S> {
    let batches = loss.minibatches().finite()?;
    let n = batches.len();
    let single = batches.len() == 1;
    let mut mean = S::ZERO;
    let mut repeated = std::mem::take(&mut work.repeated);
    for (k, z) in batches.enumerate() {
        // All runs side by side look at the same minibatch.
        let z = if S::RUNS > 1 {
            repeated.clear();
            repeated.extend(z.iter().flat_map(|&example| std::iter::repeat_n(example, S::RUNS)));
            &repeated
        } else {
            z
        };
        if single {
            mean = loss.sample_gradient(z, theta, grad, work);
            break;
        }
        let value = loss.sample_gradient(z, theta, scratch, work);
        mean += value.over(n);
        for (total, &partial) in grad.iter_mut().zip(scratch.iter()) {
            let partial = partial.over(n);
            *total = if k == 0 { partial } else { *total + partial };
        }
    }
    work.repeated = repeated;
    Some(mean)
}

/// A loss F_z(theta) on the blocks of [`Parameters`], for a minibatch z: what descent, constants,
/// claims and everything else take.
///
/// Write a [`Formula`], which is a loss by itself. A function that foreign code evaluates implements [`Setting`],
/// [`Over`]`<f64>`, [`Products`] and this trait. It runs, is fitted and judged like any other; what needs another
/// arithmetic (a proof, a replay with more digits) is then not to be had, and whoever asks for it learns so from
/// [`over`](trait.Loss.html#method.over).
///
/// ```
/// use ratecheck::curvature::{HessianProduct, hessian_vector_product};
/// use ratecheck::loss::{DIFFERENCES_ERROR, product_by_differences};
/// use ratecheck::loss::{Further, Loss, Minibatches, Over, Products, Setting, Workspace};
/// use ratecheck::parameters::Parameters;
/// use ratecheck::scalar::DoubleDouble;
///
/// /// F(w) = w'Aw / w'w with A = diag(0, 1), as if it came from elsewhere.
/// struct Foreign {
///     layout: Parameters,
///     z: Minibatches,
/// }
///
/// impl Setting for Foreign {
///     fn parameters(&self) -> &Parameters {
///         &self.layout
///     }
///     fn minibatches(&self) -> &Minibatches {
///         &self.z
///     }
/// }
/// impl Over<f64> for Foreign {
///     fn sample_loss(&self, _z: &[usize], w: &[f64]) -> f64 {
///         w[1] * w[1] / (w[0] * w[0] + w[1] * w[1])
///     }
///     fn sample_gradient(&self, z: &[usize], w: &[f64], grad: &mut [f64], _: &mut Workspace) -> f64 {
///         let (f, n) = (self.sample_loss(z, w), w[0] * w[0] + w[1] * w[1]);
///         (grad[0], grad[1]) = (-2.0 * f * w[0] / n, 2.0 * (1.0 - f) * w[1] / n);
///         f
///     }
/// }
/// impl Products for Foreign {
///     fn sample_product(&self, z: &[usize], w: &[f64], direction: &[f64], product: &mut [f64]) {
///         // A real one differentiates; a central difference has some eight digits, and says so.
///         product_by_differences(self, z, w, direction, product);
///     }
///     fn relative_error(&self) -> f64 {
///         DIFFERENCES_ERROR
///     }
/// }
/// impl Loss for Foreign {
///     fn further(&self) -> Further<'_> {
///         Further::Products(self)
///     }
/// }
///
/// let loss = Foreign { layout: Parameters::new([("w", 2)], 0), z: Minibatches::full(1) };
/// let mut out = [0.0; 2];
/// hessian_vector_product(&loss, &[0], &[1.0, 0.0], &[0.0, 1.0], &mut out, &mut HessianProduct::new(2));
/// assert!((out[1] - 2.0).abs() < 1e-9);
/// assert!((&loss as &dyn Loss).over::<DoubleDouble>().is_none());
/// ```
pub trait Loss: Over<f64> {
    /// Where second derivatives, more digits and proofs come from.
    fn further(&self) -> Further<'_>;

    /// The stage of the evaluation in which a parameter comes in, such as its layer: nothing that is computed before
    /// depends on it. Half of a Hessian follows from the other half by symmetry, and stages say which half is cheaper.
    fn stage(&self, _parameter: usize) -> usize {
        0
    }

    /// Eight runs side by side, each with parameters and a minibatch of its own,
    /// if they give the bits of each run alone.
    fn lockstep(&self) -> Option<&dyn Over<Eight>> {
        None
    }

    /// Whether eight runs in [lockstep](Loss::lockstep) are likely to save time: the arrays of eight runs stay in the
    /// second cache, where those of long minibatches or wide layers, which fill vector registers anyway, do not.
    fn gains_in_lockstep(&self) -> bool {
        false
    }
}

/// Where second derivatives, more digits and proofs come from.
#[derive(Clone, Copy)]
pub enum Further<'a> {
    /// A formula, evaluated in any arithmetic.
    Formula(&'a dyn Arithmetics),
    /// Foreign code that multiplies by Hessians in `f64`.
    Products(&'a dyn Products),
}

/// Hessian-vector products in `f64`, of a loss that is no formula.
pub trait Products: Sync {
    /// product = Hess F_z(theta) direction.
    fn sample_product(&self, z: &[usize], theta: &[f64], direction: &[f64], product: &mut [f64]);

    /// What a product may be off by, beyond the rounding of whoever differentiates, relative to the size of the product
    /// and to
    /// ||grad F|| max_i ||d_i|| / ||w_i||: 0, unless it is made of differences ([`DIFFERENCES_ERROR`]). Tolerances of
    /// identities about Hessians grow by it.
    fn relative_error(&self) -> f64 {
        0.0
    }

    /// What a gradient of one minibatch costs, in multiply-adds at some 2e9 a second: what budgets of steps are made
    /// from. It follows from sizes and never from a clock, or the same seed would not give the same numbers. The
    /// default is a call of an interpreter.
    fn operations(&self) -> f64 {
        1e5
    }
}

impl fmt::Debug for dyn Loss + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a loss of {} parameters", self.parameters().len())
    }
}

impl dyn Loss + '_ {
    /// The loss in another arithmetic, if it has it: every formula has all of them, except that intervals are refused
    /// where they would enclose nothing, and [`Eight`] is to be had of those that go in [lockstep](Loss::lockstep).
    pub fn over<S: Arithmetic>(&self) -> Option<&dyn Over<S>> {
        S::of(self)
    }
}
