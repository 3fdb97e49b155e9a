//! The arithmetic of an evaluation.

use crate::loss::{Loss, Workspace};
use crate::scalar::Scalar;

/// In which arithmetic F_z and its gradient are evaluated. theta, the norms and the step itself are f64 either way.
///
/// Single precision takes half of the memory and half of the time, with some seven digits: right for training, where a
/// minibatch is much further from the mean than that, and wrong for a claim about a single step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// f64.
    #[default]
    Double,
    /// f32.
    Single,
}

/// The buffers of the last evaluation, for what a loss leaves there.
#[derive(Debug)]
pub enum Buffers<'a> {
    /// Of [`Precision::Double`].
    Double(&'a mut Workspace<f64>),
    /// Of [`Precision::Single`].
    Single(&'a mut Workspace<f32>),
}

/// What evaluates.
#[derive(Debug)]
pub(super) enum Evaluator {
    Double(Workspace<f64>),
    Single(Box<Single>),
}

/// theta and its gradient, rounded.
#[derive(Debug, Default)]
pub(super) struct Single {
    theta: Vec<f32>,
    gradient: Vec<f32>,
    work: Workspace<f32>,
}

impl Evaluator {
    pub(super) fn new(precision: Precision) -> Self {
        match precision {
            Precision::Double => Self::Double(Workspace::default()),
            Precision::Single => Self::Single(Box::default()),
        }
    }

    /// Writes grad F_z(theta) and returns F_z(theta).
    #[inline]
    pub(super) fn gradient(&mut self, loss: &dyn Loss, z: &[usize], theta: &[f64], gradient: &mut [f64]) -> f64 {
        match self {
            Self::Double(work) => loss.sample_gradient(z, theta, gradient, work),
            Self::Single(single) => single.gradient(loss, z, theta, gradient),
        }
    }

    pub(super) fn buffers(&mut self) -> Buffers<'_> {
        match self {
            Self::Double(work) => Buffers::Double(work),
            Self::Single(single) => Buffers::Single(&mut single.work),
        }
    }
}

impl Single {
    fn gradient(&mut self, loss: &dyn Loss, z: &[usize], theta: &[f64], gradient: &mut [f64]) -> f64 {
        let over = loss.over::<f32>().expect("a loss that single precision can evaluate");
        self.theta.clear();
        self.theta.extend(theta.iter().map(|&x| f32::from_f64(x)));
        self.gradient.resize(theta.len(), 0.0);
        let value = over.sample_gradient(z, &self.theta, &mut self.gradient, &mut self.work);
        gradient.iter_mut().zip(&self.gradient).for_each(|(to, &from)| *to = from.value());
        value.value()
    }
}
