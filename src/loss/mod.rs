//! The loss F_z(W; g): the seam where a user's own function comes in.

pub mod closed;
mod minibatches;

pub use minibatches::{BatchError, Drawing, Minibatches};

use crate::parameters::Parameters;
use crate::scalar::{Dual, Scalar};

/// What of a gradient is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Every component.
    All,
    /// Only the derivative components of a [`Dual`] gradient (a Hessian-vector product); the others may be left undefined.
    Derivative,
    /// Only the derivative components, along directions that change parameters of this [`Loss::stage`] alone, and only of the
    /// partial derivatives by parameters of this stage and later ones. Beyond stage 0, the last evaluation with the same workspace was of the
    /// same minibatch at the same values, for this stage or an earlier one: what it left of the stages before may be kept, and
    /// of this stage too as far as [`Workspace::moved`] allows.
    Behind(usize),
}

/// Buffers that a loss reuses between evaluations. Make one per thread and scalar; it grows on first use.
#[derive(Debug)]
pub struct Workspace<S: Scalar> {
    /// Arrays in planes, for the loss to use as it likes.
    pub buffers: Vec<Vec<S::Base>>,
    /// The labels of the minibatch at hand.
    pub labels: Vec<f64>,
    /// Lifted parameters, for forward-mode gradients.
    lifted: Vec<Dual<S>>,
    /// What of the next gradients is read; a loss may skip the rest.
    pub wanted: Wanted,
    /// For [`Wanted::Behind`], if the last evaluation was of the same minibatch at the same values for the same stage: the
    /// parameters whose derivatives are not 0 or were not 0 then. Otherwise empty.
    pub moved: Vec<usize>,
}

impl<S: Scalar> Default for Workspace<S> {
    fn default() -> Self {
        Self { buffers: Vec::new(), labels: Vec::new(), lifted: Vec::new(), wanted: Wanted::All, moved: Vec::new() }
    }
}

/// A loss F_z(theta) on the blocks of [`Parameters`], for a minibatch z.
///
/// Only [`Loss::sample_loss`] has to be written; gradients and Hessian-vector products follow from it by forward-mode
/// differentiation, at the cost of one evaluation per parameter. A loss with a cheaper gradient overrides
/// [`Loss::sample_gradient`].
///
/// ```
/// use ratecheck::loss::{Loss, Minibatches, Workspace};
/// use ratecheck::parameters::Parameters;
/// use ratecheck::scalar::Scalar;
///
/// /// F(w) = w_1^2 / ||w||^2, which does not change when w is scaled.
/// struct FirstShare {
///     layout: Parameters,
///     z: Minibatches,
/// }
///
/// impl Loss for FirstShare {
///     fn parameters(&self) -> &Parameters {
///         &self.layout
///     }
///     fn minibatches(&self) -> &Minibatches {
///         &self.z
///     }
///     fn sample_loss<S: Scalar>(&self, _z: &[usize], w: &[S]) -> S {
///         w[0] * w[0] / (w[0] * w[0] + w[1] * w[1])
///     }
/// }
///
/// let loss = FirstShare { layout: Parameters::new([("w", 2)], 0), z: Minibatches::full(1) };
/// let mut grad = [0.0; 2];
/// let value = loss.sample_gradient(&[0], &[1.0, 1.0], &mut grad, &mut Workspace::default());
/// assert_eq!(value, 0.5);
/// assert_eq!(grad, [0.5, -0.5]); // perpendicular to w, as Lemma 2.4 says
/// ```
pub trait Loss: Sync {
    /// The layout of theta.
    fn parameters(&self) -> &Parameters;

    /// The distribution of z.
    fn minibatches(&self) -> &Minibatches;

    /// Whether evaluations over [`crate::scalar::Interval`] enclose the true values. `false` for a loss whose code chooses
    /// between different functions by [`Scalar::value`]; proofs then refuse it.
    fn encloses(&self) -> bool {
        true
    }

    /// The stage of the evaluation in which a parameter comes in, such as its layer: nothing that is computed before depends on
    /// it. Half of a Hessian follows from the other half by symmetry, and stages say which half is cheaper.
    fn stage(&self, _parameter: usize) -> usize {
        0
    }

    /// F_z(theta); `z` lists the examples of the minibatch.
    fn sample_loss<S: Scalar>(&self, z: &[usize], theta: &[S]) -> S;

    /// Writes grad F_z(theta) and returns F_z(theta). The default costs one evaluation of [`Loss::sample_loss`] over duals
    /// per parameter.
    fn sample_gradient<S: Scalar>(&self, z: &[usize], theta: &[S], grad: &mut [S], work: &mut Workspace<S>) -> S {
        work.lifted.clear();
        work.lifted.extend(theta.iter().map(|&x| Dual::new(x, S::ZERO)));
        let mut value = S::ZERO;
        for (i, partial) in grad.iter_mut().enumerate() {
            work.lifted[i].du = S::ONE;
            let f = self.sample_loss(z, &work.lifted);
            work.lifted[i].du = S::ZERO;
            *partial = f.du;
            value = f.re;
        }
        value
    }

    /// Adds up F_z and its gradient over all minibatches: grad L(theta) into `grad`, and returns L(theta). `None` if z is not
    /// finite, since L is then only known by sampling.
    fn mean_gradient<S: Scalar>(
        &self,
        theta: &[S],
        grad: &mut [S],
        scratch: &mut [S],
        work: &mut Workspace<S>,
    ) -> Option<S> {
        let batches = self.minibatches().finite()?;
        let n = batches.len();
        let single = batches.len() == 1;
        let mut mean = S::ZERO;
        for (k, z) in batches.enumerate() {
            if single {
                return Some(self.sample_gradient(z, theta, grad, work));
            }
            let value = self.sample_gradient(z, theta, scratch, work);
            mean += value.over(n);
            for (total, &partial) in grad.iter_mut().zip(scratch.iter()) {
                let partial = partial.over(n);
                *total = if k == 0 { partial } else { *total + partial };
            }
        }
        Some(mean)
    }
}
