//! The arithmetics a loss is evaluated in.
//!
//! A loss is written once over [`Scalar`]. At `f64` it gives values and gradients; at [`Dual`]`<f64>` the same code
//! gives exact directional derivatives, hence Hessian-vector products; `Dual<Dual<f64>>` gives third derivatives. At
//! [`Interval`] it gives sets that contain the true value, and at `Dual<Interval>` the derivatives' too: proofs instead
//! of estimates. At [`DoubleDouble`] it gives about 30 digits, which tell what in a difference of `f64` is rounding. At
//! `f32` it gives seven, from products of matrices that are twice as fast: for training.
//!
//! Several directions share one evaluation as [`Tangents`]: the values are computed once. Several runs share one as
//! [`Eight`]: the vector registers are full, whatever the shapes of a network.
//!
//! **Planes.** The engine's networks keep arrays of scalars in *planes*: a row of B scalars with PLANES components is
//! stored as PLANES runs of B contiguous base numbers (first all values, then all derivatives). Every component is then
//! a plain contiguous array, loops over it are vectorised, and a matrix product of duals is three products of `f64`. A
//! formula of your own needs none of this: [`Scalar`] is all it sees.

/// `for $k in 0..$n`, without the iterator of a range: in a package that is optimised little, such as the claims, that is
/// a call in every turn.
macro_rules! counted {
    ($k:ident in 0..$n:expr, $body:expr) => {
        let mut $k = 0;
        while $k < $n {
            $body;
            $k += 1;
        }
    };
}
pub(crate) use counted;

/// `for $k in 0..$n`, the first eight indices by constants: only then what they index is in registers, and not in an
/// array in memory, whatever is compiled first.
macro_rules! unrolled {
    ($k:ident in 0..$n:expr, $body:expr) => {
        unrolled!(@ $k, $n, $body, 0 1 2 3 4 5 6 7);
        let mut $k = 8;
        while $k < $n {
            $body;
            $k += 1;
        }
    };
    (@ $k:ident, $n:expr, $body:expr, $($index:literal)*) => {
        $(if $n > $index {
            let $k: usize = $index;
            $body;
        })*
    };
}

mod double_double;
mod double_double_elementary;
mod double_double_kernel;
mod dual;
mod eight;
mod eight_kernel;
mod element;
pub mod elementary;
mod interval;
mod interval_kernel;
mod interval_logistic;
mod kernel;
mod matrix;
mod neighbours;
mod normal;
mod planes;
mod real;
mod single;
mod tangent;
mod vectorised;

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

pub use double_double::DoubleDouble;
pub use dual::{Dual, Tangents};
pub use eight::Eight;
pub use interval::Interval;
pub use matrix::{Matrix, MatrixMut, Store};
pub(crate) use planes::Planes;
pub use planes::{matmul, matmul_transposed};
pub use tangent::Tangent;
pub(crate) use vectorised::{has_long_registers, vectorised, vectorised_for};

/// A number that a loss can be evaluated in. Transcendental functions give the same bits on every machine.
pub trait Scalar:
    planes::Planes
    + Copy
    + Debug
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;

    /// The constant `x`.
    fn from_f64(x: f64) -> Self;
    /// The value, without derivatives: for comparisons and reports. Of an interval it is a number inside, so code that
    /// chooses between different functions by it encloses nothing there: see [`crate::loss::Formula::encloses`].
    fn value(self) -> f64;
    /// `self * factor` for a constant factor.
    fn scale(self, factor: f64) -> Self;
    /// `self / n` for a count n, as in a mean: 1/n itself need not be a floating-point number.
    fn over(self, n: usize) -> Self;
    /// Whether every component is finite.
    fn is_finite(self) -> bool;

    /// The square root.
    fn sqrt(self) -> Self;
    /// e^x.
    fn exp(self) -> Self;
    /// The natural logarithm.
    fn ln(self) -> Self;
    /// The sine.
    fn sin(self) -> Self;
    /// The cosine.
    fn cos(self) -> Self;
    /// The angle in (-pi, pi] of the point (`x`, `self`) of the plane, which is not the origin.
    fn atan2(self, x: Self) -> Self;
    /// The hyperbolic tangent.
    fn tanh(self) -> Self;
    /// 1 / (1 + e^-x).
    fn sigmoid(self) -> Self;
    /// ln(1 + e^x).
    fn softplus(self) -> Self;
    /// Phi(x) = (1 + erf(x / sqrt(2))) / 2, the distribution function of the normal distribution.
    fn normal_cdf(self) -> Self;
    /// Phi'(x) = e^(-x^2 / 2) / sqrt(2 pi), its density.
    fn normal_density(self) -> Self;
    /// |x|, with derivative [`Scalar::sign`].
    fn abs(self) -> Self;
    /// 1 for x >= 0, otherwise -1; of an interval around 0, both and all between. A constant to derivatives.
    fn sign(self) -> Self;
    /// max(x, 0), with derivative [`Scalar::step`].
    fn relu(self) -> Self;
    /// 1 for x > 0, otherwise 0; of an interval around 0, both and all between. A constant to derivatives.
    fn step(self) -> Self;
    /// x^p for a constant p, x > 0.
    fn powf(self, p: f64) -> Self;

    /// x^2.
    #[inline(always)]
    fn square(self) -> Self {
        self * self
    }
    /// self * factor + term, rounded once in the components that are `f64` or `f32`. A call into the system's
    /// mathematical library outside the crate's vectorised loops, on processors of which not all have the instruction.
    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        self * factor + term
    }
    /// x^2 + term, rounded as [`Scalar::mul_add`] is; of an interval with a square that is not negative.
    #[inline(always)]
    fn square_add(self, term: Self) -> Self {
        self.square() + term
    }
    /// 1/x.
    #[inline(always)]
    fn recip(self) -> Self {
        Self::ONE / self
    }
}
