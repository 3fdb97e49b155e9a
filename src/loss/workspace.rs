//! The buffers of evaluations.

use crate::scalar::{Dual, Scalar};

/// What of a gradient is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Every component.
    All,
    /// Only the derivative components of a [`Dual`] gradient (a Hessian-vector product);
    /// the others may be left undefined.
    Derivative,
    /// Only the derivative components, along directions that change parameters of this
    /// [`Loss::stage`](super::Loss::stage) alone, and only of the partial derivatives by parameters of this stage and
    /// later ones. Beyond stage 0, the last evaluation with the same workspace was of the same minibatch at the same
    /// values, for this stage or an earlier one: what it left of the stages before may be kept,
    /// and of this stage too as far as `moved` allows.
    Behind(usize),
}

/// Buffers that a loss reuses between evaluations, so that only the first allocates.
/// Make one per thread and arithmetic.
#[derive(Debug)]
pub struct Workspace<S: Scalar = f64> {
    /// Arrays in planes, for the engine's networks.
    pub(crate) buffers: Vec<Vec<S::Base>>,
    /// The labels of the minibatch at hand.
    pub(crate) labels: Vec<f64>,
    /// Lifted parameters, for gradients by forward differentiation.
    pub(super) lifted: Vec<Dual<S>>,
    /// A minibatch, repeated for each of several runs side by side.
    pub(super) repeated: Vec<usize>,
    /// A gradient of one minibatch, for a mean that is a loss by itself.
    pub(super) scratch: Vec<S>,
    /// What of the next gradients is read; a loss may skip the rest.
    pub(crate) wanted: Wanted,
    /// For [`Wanted::Behind`], if the last evaluation was of the same minibatch at the same values for the same stage:
    /// the parameters whose derivatives are not 0 or were not 0 then. Otherwise empty.
    pub(crate) moved: Vec<usize>,
}

impl<S: Scalar> Default for Workspace<S> {
    fn default() -> Self {
        Self {
            buffers: Vec::new(),
            labels: Vec::new(),
            lifted: Vec::new(),
            repeated: Vec::new(),
            scratch: Vec::new(),
            wanted: Wanted::All,
            moved: Vec::new(),
        }
    }
}

impl<S: Scalar> Workspace<S> {
    /// Buffers for gradients over [`Dual`] of which only derivatives are read, as in a Hessian-vector product: the
    /// values may be left undefined.
    pub fn derivatives_alone() -> Self {
        Self { wanted: Wanted::Derivative, ..Self::default() }
    }

    /// How many bytes the engine's networks hold here.
    pub fn bytes(&self) -> usize {
        size_of::<S::Base>() * self.buffers.iter().map(Vec::len).sum::<usize>()
    }
}
