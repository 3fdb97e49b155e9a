//! What the engine's kernels ask of an arithmetic, beyond what a writer of a formula needs: arrays in planes, several
//! runs side by side, and products of matrices. Sealed: only the engine's arithmetics have it.

use std::fmt::Debug;

use super::{Matrix, MatrixMut, Scalar, Store, tangent};
use crate::linalg::power_of_two_near;

/// 2^e.
pub(super) const fn power(e: i64) -> f64 {
    f64::from_bits(((1023 + e) as u64) << 52)
}

/// Arrays of scalars in planes, and products of matrices of them.
pub trait Planes: Copy {
    /// What planes are made of.
    type Base: Copy + Default + Debug + Send + Sync + 'static;
    /// The number of base numbers in one scalar.
    const PLANES: usize;
    /// Whether loops visit several scalars at once, for the vector units. Where one scalar is much work already, as an
    /// interval is, that would only make the program larger and longer to compile.
    const WIDE: bool = true;
    /// Whether numbers are half as long as those of `f64`, so that a register holds twice as many.
    const SHORT: bool = false;
    /// Whether a loop that visits one scalar at a time still needs fused multiply-adds, as double-doubles do.
    const FUSED: bool = false;
    /// How many evaluations go on side by side in one scalar, each with parameters and a minibatch of its own: eight
    /// for [`Eight`], otherwise one. With several, their minibatches and labels interleave: number `b * RUNS + r` is
    /// number b of run r. A loss that looks at z must know that, as those that go in lockstep do.
    const RUNS: usize = 1;
    /// What an operation rounds off at most, relative to its value. 0 of intervals, which enclose it: what is 0 but for
    /// rounding has a width there, and taking it out would only widen what is left.
    const ROUNDING: f64;
    /// A square between 1/SAFE and SAFE can be raised to its fourth power, as derivatives do, and neither overflows nor
    /// vanishes.
    const SAFE: f64 = power(240);
    /// The largest power of two that has a reciprocal, with some room.
    const LARGEST_POWER: f64 = power(1000);

    /// Whether this square is between 1/[`Planes::SAFE`] and [`Planes::SAFE`], in every run; always of an interval.
    #[inline(always)]
    fn is_safe(self) -> bool
    where
        Self: Scalar,
    {
        let square = self.value();
        Self::ROUNDING == 0.0 || (square >= 1.0 / Self::SAFE && square <= Self::SAFE)
    }
    /// A power of two near |x|, a constant; 1 for 0. Multiplying and dividing by it is exact.
    #[inline(always)]
    fn power_of_two(self) -> Self
    where
        Self: Scalar,
    {
        Self::from_f64(power_of_two_near(self.value().abs()).clamp(1.0 / Self::LARGEST_POWER, Self::LARGEST_POWER))
    }
    /// x where it is above the floor, and 0 elsewhere; every interval as it is.
    #[inline(always)]
    fn above(self, floor: Self) -> Self
    where
        Self: Scalar,
    {
        // NaN stays what it is.
        if Self::ROUNDING > 0.0 && self.value() <= floor.value() { Self::ZERO } else { self }
    }

    /// The constant f(r), where r is each of the [`Planes::RUNS`].
    #[inline(always)]
    fn of_runs(f: impl Fn(usize) -> f64) -> Self
    where
        Self: Scalar,
    {
        Self::from_f64(f(0))
    }
    /// The value in run r.
    #[inline(always)]
    fn of_run(self, _r: usize) -> f64
    where
        Self: Scalar,
    {
        self.value()
    }
    /// `self * factor`, where each run has a constant factor of its own.
    #[inline(always)]
    fn scale_each(self, factors: &[f64]) -> Self
    where
        Self: Scalar,
    {
        self.scale(factors[0])
    }
    /// The larger of two values, a constant.
    #[inline(always)]
    fn larger(self, other: Self) -> Self
    where
        Self: Scalar,
    {
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

    /// Scalars as a row in planes, where that is what they are already.
    #[inline(always)]
    fn as_planes(_scalars: &[Self]) -> Option<&[Self::Base]> {
        None
    }
    /// The same, to write to.
    #[inline(always)]
    fn as_planes_mut(_scalars: &mut [Self]) -> Option<&mut [Self::Base]> {
        None
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
    fn load_lanes<const K: usize>(row: &[Self::Base], b: usize) -> [Self; K]
    where
        Self: Scalar,
    {
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

    /// C = A B, or C += A B, summed over the given pairs [A, B] of equal shapes and steps; see [`Store`]. The columns
    /// of B and of C are contiguous.
    fn matmul(pairs: &[[Matrix<'_, Self::Base>; 2]], c: MatrixMut<'_, Self::Base>, store: Store);
    /// C = A B, or C += A B, and with it the derivative C' (+)= A B' + A' B, whose planes follow those of the values; B
    /// may be a constant. The same numbers as of two products, but what both read is laid out once.
    fn matmul_dual([a, b]: [Matrix<'_, Self::Base>; 2], mut c: MatrixMut<'_, Self::Base>, store: Store) {
        Self::matmul(&[[a, b]], c.skip_planes(0), store);
        tangent::leibniz(&[[a, b]], c, store, Self::PLANES, Self::matmul);
    }
    /// C = A B^T, or C += A B^T, summed over the given pairs. The columns of A and of B are contiguous; sums run over
    /// them.
    fn matmul_transposed(pairs: &[[Matrix<'_, Self::Base>; 2]], c: MatrixMut<'_, Self::Base>, store: Store);
}

/// C = A B, or C += A B, in planes and summed over the given pairs of equal shapes and steps; the columns of B and of C
/// are contiguous. What the engine's networks multiply with, to be measured and tested by itself.
///
/// # Panics
/// If shapes or steps are not as said, or if there are several pairs of [`Eight`](super::Eight), which has one at a
/// time.
pub fn matmul<S: Scalar>(pairs: &[[Matrix<'_, S::Base>; 2]], c: MatrixMut<'_, S::Base>, store: Store) {
    S::matmul(pairs, c, store);
}

/// C = A B^T, or C += A B^T; the columns of A and of B are contiguous, and sums run over them.
///
/// # Panics
/// As [`matmul`].
pub fn matmul_transposed<S: Scalar>(pairs: &[[Matrix<'_, S::Base>; 2]], c: MatrixMut<'_, S::Base>, store: Store) {
    S::matmul_transposed(pairs, c, store);
}
