//! What a user writes: one formula over any arithmetic.

use super::{Arithmetics, Further, Loss, Minibatches, Over, Setting, Workspace};
use crate::parameters::Parameters;
use crate::scalar::{Dual, Eight, Scalar};

/// F_z(theta), written once over [`Scalar`]. Whatever is a formula is a [`Loss`]: gradients, Hessian-vector products,
/// proofs in interval arithmetic and replays in double-double follow from [`Formula::value`] alone, by forward
/// differentiation, at the cost of one evaluation per parameter.
/// One with a cheaper gradient says so in [`Formula::gradient`].
///
/// ```
/// use ratecheck::loss::{Formula, Minibatches, Over, Workspace};
/// use ratecheck::parameters::Parameters;
/// use ratecheck::scalar::Scalar;
///
/// /// F(w) = w_1^2 / ||w||^2, which does not change when w is scaled.
/// struct FirstShare {
///     layout: Parameters,
///     z: Minibatches,
/// }
///
/// impl Formula for FirstShare {
///     fn layout(&self) -> &Parameters {
///         &self.layout
///     }
///     fn distribution(&self) -> &Minibatches {
///         &self.z
///     }
///     fn value<S: Scalar>(&self, _z: &[usize], w: &[S]) -> S {
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
pub trait Formula: Send + Sync {
    /// The layout of theta.
    fn layout(&self) -> &Parameters;

    /// The distribution of z.
    fn distribution(&self) -> &Minibatches;

    /// F_z(theta); `z` lists the examples of the minibatch.
    fn value<S: Scalar>(&self, z: &[usize], theta: &[S]) -> S;

    /// Writes grad F_z(theta) and returns F_z(theta). The default is forward differentiation, one evaluation over duals
    /// per parameter, with buffers of `work`; write it where there is a cheaper way.
    fn gradient<S: Scalar>(&self, z: &[usize], theta: &[S], grad: &mut [S], work: &mut Workspace<S>) -> S {
        work.lifted.clear();
        work.lifted.extend(theta.iter().map(|&x| Dual::new(x, S::ZERO)));
        let mut value = S::ZERO;
        for (i, partial) in grad.iter_mut().enumerate() {
            work.lifted[i].du = S::ONE;
            let f = self.value(z, &work.lifted);
            work.lifted[i].du = S::ZERO;
            *partial = f.du;
            value = f.re;
        }
        value
    }

    /// Writes grad L(theta) and returns L(theta), or nothing if z is not finite. The default is the mean over all
    /// minibatches; write it where that is known without a sum.
    fn mean<S: Scalar>(&self, theta: &[S], grad: &mut [S], scratch: &mut [S], work: &mut Workspace<S>) -> Option<S>
    where
        Self: Sized,
    {
        super::mean_of_samples(self, theta, grad, scratch, work)
    }

    /// Whether evaluations over [`crate::scalar::Interval`] enclose the true values. `false` for a formula that chooses
    /// between different functions by [`Scalar::value`]; proofs then refuse it.
    fn encloses(&self) -> bool {
        true
    }

    /// The formula for eight runs side by side, each with a minibatch of its own, if it can read minibatches that
    /// interleave: the engine's own can. Many runs then take less time, with the same bits. It needs a
    /// [`Formula::gradient`] of its own: the default reads one minibatch.
    #[doc(hidden)]
    fn in_lockstep(&self) -> Option<&dyn Over<Eight>> {
        None
    }

    /// The formula in every arithmetic. The default is right for every formula; one that several packages use is
    /// compiled once, in its own, if it repeats this line in its `impl`.
    #[doc(hidden)]
    fn arithmetics(&self) -> &dyn Arithmetics
    where
        Self: Sized,
    {
        self
    }
}

impl<F: Formula> Setting for F {
    fn parameters(&self) -> &Parameters {
        self.layout()
    }
    fn minibatches(&self) -> &Minibatches {
        self.distribution()
    }
}

impl<F: Formula, S: Scalar> Over<S> for F {
    fn sample_loss(&self, z: &[usize], theta: &[S]) -> S {
        self.value(z, theta)
    }
    fn sample_gradient(&self, z: &[usize], theta: &[S], grad: &mut [S], work: &mut Workspace<S>) -> S {
        self.gradient(z, theta, grad, work)
    }
    fn mean_gradient(&self, theta: &[S], grad: &mut [S], scratch: &mut [S], work: &mut Workspace<S>) -> Option<S> {
        self.mean(theta, grad, scratch, work)
    }
}

impl<F: Formula> Arithmetics for F {
    fn encloses(&self) -> bool {
        Formula::encloses(self)
    }
}

impl<F: Formula> Loss for F {
    fn further(&self) -> Further<'_> {
        Further::Formula(self.arithmetics())
    }
    fn lockstep(&self) -> Option<&dyn Over<Eight>> {
        self.in_lockstep()
    }
    /// All that can: a formula has no rows of examples that would fill a register by themselves.
    fn gains_in_lockstep(&self) -> bool {
        self.in_lockstep().is_some()
    }
}
