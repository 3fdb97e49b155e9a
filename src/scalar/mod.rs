//! The arithmetics a loss is evaluated in.
//!
//! A loss is written once over [`Scalar`]. At `f64` it gives values and gradients; at [`Dual`]`<f64>` the same code gives
//! exact directional derivatives, hence Hessian-vector products; `Dual<Dual<f64>>` gives third derivatives. At [`Interval`]
//! it gives sets that contain the true value, and at `Dual<Interval>` the derivatives' too: proofs instead of estimates. At [`DoubleDouble`] it
//! gives about 30 digits, which tell what in a difference of `f64` is rounding. At `f32` it gives seven, from products of matrices that
//! are twice as fast: for training.
//!
//! Several directions share one evaluation as [`Tangents`]: the values are computed once. Several runs share one as [`Eight`]:
//! the vector registers are full, whatever the shapes of a network.
//!
//! **Planes.** Networks keep arrays of scalars in *planes*: a row of B scalars with [`Scalar::PLANES`] components is
//! stored as PLANES runs of B contiguous base numbers (first all values, then all derivatives). Every component is then a
//! plain contiguous array, loops over it are vectorised, and a matrix product of duals is three products of `f64`.

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
mod normal;
mod real;
mod single;
mod tangent;

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

pub use double_double::DoubleDouble;
pub use dual::{Dual, Tangents};
pub use eight::Eight;
pub use interval::Interval;
pub(crate) use kernel::vectorised;
pub use matrix::{Matrix, MatrixMut, Store};
pub use tangent::Tangent;

/// A number that a loss can be evaluated in. Transcendental functions give the same bits on every machine.
pub trait Scalar:
    Copy
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
    /// What planes are made of.
    type Base: Copy + Default + Debug + Send + Sync + 'static;
    /// The number of base numbers in one scalar.
    const PLANES: usize;
    /// Whether loops visit several scalars at once, for the vector units. Where one scalar is much work already, as an interval
    /// is, that would only make the program larger and longer to compile.
    const WIDE: bool = true;
    /// How many evaluations go on side by side in one scalar, each with parameters and a minibatch of its own: eight for [`Eight`],
    /// otherwise one. With several, their minibatches and labels interleave: number `b * RUNS + r` is number b of run r. A loss
    /// that looks at z must know that, as networks do.
    const RUNS: usize = 1;
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;

    /// The constant `x`.
    fn from_f64(x: f64) -> Self;
    /// The value, without derivatives: for comparisons and reports. Of an interval it is a number inside, so code that
    /// chooses between different functions by it encloses nothing there: see [`crate::loss::Loss::encloses`].
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
    /// self * factor + term, rounded once in the components that are `f64` or `f32`. A call into the system's mathematical
    /// library outside the crate's vectorised loops, on processors of which not all have the instruction.
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

    /// f of a value that each run has for itself; `values` has one for each of the [`Scalar::RUNS`].
    #[inline(always)]
    fn from_each(values: &[f64], f: impl Fn(f64) -> f64) -> Self {
        Self::from_f64(f(values[0]))
    }
    /// `self * factor`, where each run has a constant factor of its own.
    #[inline(always)]
    fn scale_each(self, factors: &[f64]) -> Self {
        self.scale(factors[0])
    }
    /// The larger of two values, a constant.
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        let (x, y) = (self.value(), other.value());
        Self::from_f64(if y > x { y } else { x })
    }
    /// The constant `values[at]`, where each run has a place of its own.
    #[inline(always)]
    fn gather(values: &[f64], at: &[usize]) -> Self::Base {
        Self::base(values[at[0]])
    }
    /// Scalar `b` of row number `which` of several rows of length `row`, where each run has a row of its own.
    #[inline(always)]
    fn pick(rows: &[Self::Base], row: usize, which: &[f64], b: usize) -> Self {
        Self::load(&rows[which[0] as usize * row..][..row], b)
    }

    /// The constant held by one base number.
    fn from_base(x: Self::Base) -> Self;
    /// The base number nearest to `x`.
    fn base(x: f64) -> Self::Base;
    /// Scalar `b` of a row in planes (`row.len()` is PLANES * B).
    fn load(row: &[Self::Base], b: usize) -> Self;
    /// Writes scalar `b` of a row in planes.
    fn store(self, row: &mut [Self::Base], b: usize);

    /// Scalars b..b+K of a row in planes; where it is hot, with one bounds check per plane.
    #[inline(always)]
    fn load_lanes<const K: usize>(row: &[Self::Base], b: usize) -> [Self; K] {
        let mut lanes = [Self::ZERO; K];
        for i in 0..K {
            lanes[i] = Self::load(row, b + i);
        }
        lanes
    }
    /// Writes scalars b..b+K of a row in planes.
    #[inline(always)]
    fn store_lanes<const K: usize>(lanes: [Self; K], row: &mut [Self::Base], b: usize) {
        // By index: an array's own iterator would take it to the stack.
        for i in 0..K {
            lanes[i].store(row, b + i);
        }
    }

    /// C = A B, or C += A B, summed over the given pairs [A, B] of equal shapes and steps; see [`Store`]. The columns of B and
    /// of C are contiguous.
    fn matmul(pairs: &[[Matrix<'_, Self::Base>; 2]], c: MatrixMut<'_, Self::Base>, store: Store);
    /// C = A B, or C += A B, and with it the derivative C' (+)= A B' + A' B, whose planes follow those of the values; B may be a
    /// constant. The same numbers as of two products, but what both read is laid out once.
    fn matmul_dual([a, b]: [Matrix<'_, Self::Base>; 2], mut c: MatrixMut<'_, Self::Base>, store: Store) {
        Self::matmul(&[[a, b]], c.skip_planes(0), store);
        tangent::leibniz(&[[a, b]], c, store, Self::PLANES, Self::matmul);
    }
    /// C = A B^T, or C += A B^T, summed over the given pairs. The columns of A and of B are contiguous; sums run over them.
    fn matmul_transposed(pairs: &[[Matrix<'_, Self::Base>; 2]], c: MatrixMut<'_, Self::Base>, store: Store);
}
