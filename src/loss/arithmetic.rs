//! Which arithmetics a loss can be asked for.

use super::{Further, Loss, Over};
use crate::scalar::{DoubleDouble, Dual, Eight, Interval, Scalar, Tangents};

/// An arithmetic that a [`Loss`] can be asked for: the engine's own.
pub trait Arithmetic: Scalar {
    /// See `over` of [`Loss`].
    fn of(loss: &dyn Loss) -> Option<&dyn Over<Self>>;
}

/// A loss in every arithmetic that formulas have.
pub trait Arithmetics:
    Over<f32>
    + Over<Dual<f64>>
    + Over<Dual<Dual<f64>>>
    + Over<Tangents<8>>
    + Over<Interval>
    + Over<Dual<Interval>>
    + Over<Dual<Dual<Interval>>>
    + Over<DoubleDouble>
    + Over<Dual<DoubleDouble>>
{
    /// See [`Formula::encloses`](super::Formula::encloses).
    fn encloses(&self) -> bool;
}

impl Arithmetic for f64 {
    fn of(loss: &dyn Loss) -> Option<&dyn Over<Self>> {
        Some(loss)
    }
}

impl Arithmetic for Eight {
    fn of(loss: &dyn Loss) -> Option<&dyn Over<Self>> {
        loss.lockstep()
    }
}

macro_rules! of_formulas {
    ($($scalar:ty $(, $only:ident)?;)*) => {
        $(impl Arithmetic for $scalar {
            fn of(loss: &dyn Loss) -> Option<&dyn Over<Self>> {
                match loss.further() {
                    Further::Formula(formula) $(if formula.$only())? => Some(formula),
                    _ => None,
                }
            }
        })*
    };
}
of_formulas!(
    f32;
    Dual<f64>;
    Dual<Dual<f64>>;
    Tangents<8>;
    Interval, encloses;
    Dual<Interval>, encloses;
    Dual<Dual<Interval>>, encloses;
    DoubleDouble;
    Dual<DoubleDouble>;
);

/// Makes a loss of a type whose inherent methods `value` and `gradient` are written over any scalar, compiled once,
/// here, for every arithmetic: a generic `impl` would be compiled again by every package that uses it.
macro_rules! compiled {
    ($loss:ty: $($scalar:ty),*) => {
        $(impl $crate::loss::Over<$scalar> for $loss {
            #[inline(never)]
            fn sample_loss(&self, z: &[usize], theta: &[$scalar]) -> $scalar {
                self.value(z, theta)
            }
            #[inline(never)]
            fn sample_gradient(
                &self,
                z: &[usize],
                theta: &[$scalar],
                grad: &mut [$scalar],
                work: &mut $crate::loss::Workspace<$scalar>,
            ) -> $scalar {
                self.gradient(z, theta, grad, work)
            }
        })*
    };
}
pub(crate) use compiled;
