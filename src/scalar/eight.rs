//! Eight numbers side by side, one for each of eight runs in lockstep.

use std::array;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

use super::{Matrix, MatrixMut, Planes, Scalar, Store, eight_kernel};

/// Eight independent `f64`, as many as the longest vector registers hold: every operation is that of `f64` on each,
/// with the same bits.
///
/// A loss evaluated over them is eight evaluations, each with parameters and a minibatch of its own; see
/// [`Lockstep`](crate::descent::Lockstep), and [`Loss::lockstep`](crate::loss::Loss::lockstep) for which losses can.
///
/// ```
/// use ratecheck::scalar::{Eight, Scalar};
/// let x = Eight(std::array::from_fn(|run| run as f64));
/// assert_eq!((x * x + Eight::ONE).0[3], 10.0);
/// assert_eq!(x.tanh().0[2], Scalar::tanh(2.0_f64));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C, align(64))]
pub struct Eight(pub [f64; 8]);

impl Eight {
    #[inline(always)]
    fn each(self, f: impl Fn(f64) -> f64) -> Self {
        // A plain loop: the array methods of the standard library are not always compiled into the vectorised kernel.
        let mut numbers = self.0;
        counted!(r in 0..8, numbers[r] = f(numbers[r]));
        Self(numbers)
    }

    #[inline(always)]
    fn both(self, other: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        let mut numbers = self.0;
        counted!(r in 0..8, numbers[r] = f(numbers[r], other.0[r]));
        Self(numbers)
    }
}

impl Add for Eight {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.both(other, |x, y| x + y)
    }
}

impl Sub for Eight {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.both(other, |x, y| x - y)
    }
}

impl Mul for Eight {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.both(other, |x, y| x * y)
    }
}

impl Div for Eight {
    type Output = Self;
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.both(other, |x, y| x / y)
    }
}

impl Neg for Eight {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        self.each(|x| -x)
    }
}

impl AddAssign for Eight {
    #[inline(always)]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Eight {
    #[inline(always)]
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl MulAssign for Eight {
    #[inline(always)]
    fn mul_assign(&mut self, other: Self) {
        *self = *self * other;
    }
}

impl Scalar for Eight {
    const ZERO: Self = Self([0.0; 8]);
    const ONE: Self = Self([1.0; 8]);

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        Self([x; 8])
    }
    /// That of the first run.
    #[inline(always)]
    fn value(self) -> f64 {
        self.0[0]
    }
    #[inline(always)]
    fn scale(self, factor: f64) -> Self {
        self.each(|x| x * factor)
    }
    #[inline(always)]
    fn over(self, n: usize) -> Self {
        self.each(|x| x.over(n))
    }
    #[inline(always)]
    fn is_finite(self) -> bool {
        self.0.iter().all(|x| x.is_finite())
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        self.each(f64::sqrt)
    }
    #[inline(always)]
    fn exp(self) -> Self {
        self.each(Scalar::exp)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        self.each(Scalar::ln)
    }
    #[inline(always)]
    fn sin(self) -> Self {
        self.each(Scalar::sin)
    }
    #[inline(always)]
    fn cos(self) -> Self {
        self.each(Scalar::cos)
    }
    #[inline(always)]
    fn atan2(self, x: Self) -> Self {
        self.both(x, Scalar::atan2)
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        self.each(Scalar::tanh)
    }
    #[inline(always)]
    fn sigmoid(self) -> Self {
        self.each(Scalar::sigmoid)
    }
    #[inline(always)]
    fn softplus(self) -> Self {
        self.each(Scalar::softplus)
    }
    #[inline(always)]
    fn normal_cdf(self) -> Self {
        self.each(Scalar::normal_cdf)
    }
    #[inline(always)]
    fn normal_density(self) -> Self {
        self.each(Scalar::normal_density)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        self.each(f64::abs)
    }
    #[inline(always)]
    fn sign(self) -> Self {
        self.each(Scalar::sign)
    }
    #[inline(always)]
    fn relu(self) -> Self {
        self.each(Scalar::relu)
    }
    #[inline(always)]
    fn step(self) -> Self {
        self.each(Scalar::step)
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        let mut numbers = self.0;
        counted!(r in 0..8, numbers[r] = numbers[r].mul_add(factor.0[r], term.0[r]));
        Self(numbers)
    }
    #[inline(always)]
    fn square_add(self, term: Self) -> Self {
        self.mul_add(self, term)
    }
    #[inline(always)]
    fn powf(self, p: f64) -> Self {
        self.each(|x| x.powf(p))
    }
}

impl Planes for Eight {
    type Base = Self;
    const PLANES: usize = 1;
    const RUNS: usize = 8;
    const ROUNDING: f64 = f64::ROUNDING;

    #[inline(always)]
    fn is_safe(self) -> bool {
        // Without a branch, so that all are compared at once.
        let mut safe = true;
        for x in self.0 {
            safe &= (1.0 / Self::SAFE..=Self::SAFE).contains(&x);
        }
        safe
    }
    #[inline(always)]
    fn power_of_two(self) -> Self {
        self.each(Planes::power_of_two)
    }
    #[inline(always)]
    fn above(self, floor: Self) -> Self {
        self.both(floor, Planes::above)
    }

    #[inline(always)]
    fn of_runs(f: impl Fn(usize) -> f64) -> Self {
        Self(array::from_fn(f))
    }
    #[inline(always)]
    fn of_run(self, r: usize) -> f64 {
        self.0[r]
    }
    #[inline(always)]
    fn scale_each(self, factors: &[f64]) -> Self {
        let mut numbers = self.0;
        for (x, factor) in numbers.iter_mut().zip(&factors[..8]) {
            *x *= factor;
        }
        Self(numbers)
    }
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        self.both(other, Planes::larger)
    }
    #[inline(always)]
    fn gather(values: &[f64], at: &[usize]) -> Self {
        Self(array::from_fn(|r| values[at[r]]))
    }
    #[inline(always)]
    fn pick(rows: &[Self], row: usize, which: &[f64], b: usize) -> Self {
        Self(array::from_fn(|r| rows[which[r] as usize * row + b].0[r]))
    }

    #[inline(always)]
    fn as_planes(scalars: &[Self]) -> Option<&[Self]> {
        Some(scalars)
    }
    #[inline(always)]
    fn as_planes_mut(scalars: &mut [Self]) -> Option<&mut [Self]> {
        Some(scalars)
    }
    #[inline(always)]
    fn from_base(x: Self) -> Self {
        x
    }
    #[inline(always)]
    fn base(x: f64) -> Self {
        Self::from_f64(x)
    }
    #[inline(always)]
    fn load(row: &[Self], b: usize) -> Self {
        row[b]
    }
    #[inline(always)]
    fn store(self, row: &mut [Self], b: usize) {
        row[b] = self;
    }

    fn matmul(pairs: &[[Matrix<'_, Self>; 2]], c: MatrixMut<'_, Self>, store: Store) {
        eight_kernel::matmul(pairs, c, store);
    }
    fn matmul_transposed(pairs: &[[Matrix<'_, Self>; 2]], c: MatrixMut<'_, Self>, store: Store) {
        eight_kernel::matmul_transposed(pairs, c, store);
    }
}
