//! Double-double numbers: the unevaluated sum of two `f64`, with about 30 digits,
//! to see what the rounding of `f64` hides.
//!
//! Algorithms and bounds of the arithmetic: Joldes, Muller & Popescu, "Tight and rigorous error bounds for basic
//! building blocks of double-word arithmetic" (ACM TOMS 44, 2017); of the root: Lefevre, Louvet, Muller, Picot &
//! Rideau, "Accurate calculation of Euclidean norms using double-word arithmetic" (ACM TOMS 49, 2023). With u = 2^-53
//! and barring under- and overflow, the relative error of x + y and x - y is below 4u^2 whatever cancels, of x y at
//! most 5u^2, of x/y below 16u^2, of the root below 4u^2.
//! The elementary functions are in `double_double_elementary`, with their bounds.
//!
//! **One unit for all.** Each operation and each function is within [`DoubleDouble::UNIT`] = 2^-98 = 256u^2 of its true
//! value, relative to it, as each operation of `f64` is within u. So a bound on the rounding of an `f64` computation
//! that counts units u, at least one for every operation and every function, holds for the same computation in
//! double-double with UNIT in the place of u.
//!
//! A product below 2^-969 loses accuracy, since its low part is subnormal. What overflows is not finite, never wrong.

use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

use super::{
    Matrix, MatrixMut, Planes, Scalar, Store, double_double_elementary as elementary, double_double_kernel as kernel,
    normal,
};

/// hi + lo, with |lo| at most half a unit in the last place of hi.
///
/// ```
/// use ratecheck::scalar::{DoubleDouble, Dual, Scalar};
/// let third = DoubleDouble::ONE / DoubleDouble::from(3.0);
/// assert_eq!(third.hi(), 1.0 / 3.0);
/// assert!(((third * DoubleDouble::from(3.0)) - DoubleDouble::ONE).abs().value() <= DoubleDouble::UNIT);
/// // 1 + 2^-80 is not 1, and its root is 1 + 2^-81.
/// let x = DoubleDouble::new(1.0, 2.0_f64.powi(-80));
/// assert_eq!((x.sqrt() - DoubleDouble::ONE).value(), 2.0_f64.powi(-81));
/// // Inside duals: d/dx x^3 = 3 x^2.
/// let y = Dual::new(x, DoubleDouble::ONE);
/// assert!(((y * y * y).du - x.square().scale(3.0)).abs().value() <= 6.0 * DoubleDouble::UNIT);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct DoubleDouble {
    hi: f64,
    lo: f64,
}

/// a + b and its rounding error, exactly.
#[inline(always)]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let s = a + b;
    let b_part = s - a;
    (s, (a - (s - b_part)) + (b - b_part))
}

/// The same for |a| >= |b|, or a = 0.
#[inline(always)]
fn fast_two_sum(a: f64, b: f64) -> DoubleDouble {
    let hi = a + b;
    DoubleDouble { hi, lo: b - (hi - a) }
}

/// a b and its rounding error, exactly.
#[inline(always)]
fn two_product(a: f64, b: f64) -> (f64, f64) {
    let p = a * b;
    (p, a.mul_add(b, -p))
}

impl DoubleDouble {
    /// 2^-98: what an operation or a function may be off by, relative to its true value; u for `f64` is 2^-53.
    pub const UNIT: f64 = 1.0 / (1_u128 << 98) as f64;

    /// hi + lo, in whatever order of size.
    #[inline(always)]
    pub fn new(hi: f64, lo: f64) -> Self {
        let (hi, lo) = two_sum(hi, lo);
        Self { hi, lo }
    }

    /// Two numbers that are normalised already, as in a table.
    pub(super) const fn from_parts([hi, lo]: [f64; 2]) -> Self {
        Self { hi, lo }
    }

    /// The nearest `f64`.
    #[inline(always)]
    pub fn hi(self) -> f64 {
        self.hi
    }

    /// What is left.
    #[inline(always)]
    pub fn lo(self) -> f64 {
        self.lo
    }

    /// x + y for an `f64` y, within 2u^2.
    #[inline(always)]
    pub(super) fn plus(self, y: f64) -> Self {
        let (s, e) = two_sum(self.hi, y);
        fast_two_sum(s, self.lo + e)
    }

    /// x 2^n, exactly, for a power of two that is given.
    #[inline(always)]
    pub(super) fn times_power_of_two(self, power: f64) -> Self {
        Self { hi: self.hi * power, lo: self.lo * power }
    }

    /// x / y for an `f64` y, within 3u^2.
    #[inline(always)]
    fn divided(self, y: f64) -> Self {
        let t = self.hi / y;
        let (p, e) = two_product(t, y);
        fast_two_sum(t, ((self.hi - p) - e + self.lo) / y)
    }
}

impl From<f64> for DoubleDouble {
    fn from(x: f64) -> Self {
        Self { hi: x, lo: 0.0 }
    }
}

impl Add for DoubleDouble {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        let (s, s_error) = two_sum(self.hi, other.hi);
        let (t, t_error) = two_sum(self.lo, other.lo);
        let v = fast_two_sum(s, s_error + t);
        fast_two_sum(v.hi, t_error + v.lo)
    }
}

impl Sub for DoubleDouble {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for DoubleDouble {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        let (p, e) = two_product(self.hi, other.hi);
        let cross = self.lo.mul_add(other.hi, self.hi.mul_add(other.lo, self.lo * other.lo));
        fast_two_sum(p, e + cross)
    }
}

impl Div for DoubleDouble {
    type Output = Self;
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        let t = self.hi / other.hi;
        let r = other.scale(t);
        fast_two_sum(t, ((self.hi - r.hi) + (self.lo - r.lo)) / other.hi)
    }
}

impl Neg for DoubleDouble {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self { hi: -self.hi, lo: -self.lo }
    }
}

impl AddAssign for DoubleDouble {
    #[inline(always)]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for DoubleDouble {
    #[inline(always)]
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl MulAssign for DoubleDouble {
    #[inline(always)]
    fn mul_assign(&mut self, other: Self) {
        *self = *self * other;
    }
}

impl Scalar for DoubleDouble {
    const ZERO: Self = Self { hi: 0.0, lo: 0.0 };
    const ONE: Self = Self { hi: 1.0, lo: 0.0 };

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        Self::from(x)
    }
    /// The nearest `f64`.
    #[inline(always)]
    fn value(self) -> f64 {
        self.hi
    }
    #[inline(always)]
    fn scale(self, factor: f64) -> Self {
        let (p, e) = two_product(self.hi, factor);
        fast_two_sum(p, self.lo.mul_add(factor, e))
    }
    #[inline(always)]
    fn over(self, n: usize) -> Self {
        // Counts are far below 2^53 and hence exact.
        self.divided(n as f64)
    }
    #[inline(always)]
    fn is_finite(self) -> bool {
        self.hi.is_finite() && self.lo.is_finite()
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        if self.hi == 0.0 {
            return Self::ZERO;
        }
        let root = self.hi.sqrt();
        let rest = (-root).mul_add(root, self.hi) + self.lo;
        fast_two_sum(root, rest / (2.0 * root))
    }
    fn exp(self) -> Self {
        elementary::exp(self)
    }
    fn ln(self) -> Self {
        elementary::ln(self)
    }
    /// Within UNIT of 1; relative to itself for |x| up to pi/4. NaN from |x| = 1.6e6 on.
    fn sin(self) -> Self {
        elementary::sin_cos(self).0
    }
    /// As the sine.
    fn cos(self) -> Self {
        elementary::sin_cos(self).1
    }
    fn atan2(self, x: Self) -> Self {
        elementary::atan2(self, x)
    }
    fn tanh(self) -> Self {
        elementary::tanh(self)
    }
    fn sigmoid(self) -> Self {
        elementary::sigmoid(self)
    }
    fn softplus(self) -> Self {
        elementary::softplus(self)
    }
    /// For x < -6 within (1 + x^2) UNIT.
    fn normal_cdf(self) -> Self {
        normal::cdf_of(self)
    }
    /// For |x| > 6 within (1 + x^2) UNIT.
    fn normal_density(self) -> Self {
        normal::density_of(self)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        if self.hi < 0.0 { -self } else { self }
    }
    #[inline(always)]
    fn sign(self) -> Self {
        if self.hi < 0.0 { -Self::ONE } else { Self::ONE }
    }
    #[inline(always)]
    fn relu(self) -> Self {
        // Written so that NaN stays NaN.
        if self.hi <= 0.0 { Self::ZERO } else { self }
    }
    #[inline(always)]
    fn step(self) -> Self {
        if self.hi > 0.0 { Self::ONE } else { Self::ZERO }
    }
    /// e^(p ln x): within (1 + |p ln x|) UNIT.
    fn powf(self, p: f64) -> Self {
        self.ln().scale(p).exp()
    }
}

impl Planes for DoubleDouble {
    type Base = f64;
    const PLANES: usize = 2;
    const WIDE: bool = false;
    const FUSED: bool = true;
    const ROUNDING: f64 = Self::UNIT;

    #[inline(always)]
    fn from_base(x: f64) -> Self {
        Self::from(x)
    }
    #[inline(always)]
    fn base(x: f64) -> f64 {
        x
    }
    #[inline(always)]
    fn load(row: &[f64], b: usize) -> Self {
        Self { hi: row[b], lo: row[row.len() / 2 + b] }
    }
    #[inline(always)]
    fn store(self, row: &mut [f64], b: usize) {
        let half = row.len() / 2;
        row[b] = self.hi;
        row[half + b] = self.lo;
    }
    /// Both parts of it: without the lower one, a number less the largest is not 0 where they are the same.
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        if other.hi > self.hi || (other.hi == self.hi && other.lo > self.lo) { other } else { self }
    }

    fn matmul(pairs: &[[Matrix<'_, f64>; 2]], c: MatrixMut<'_, f64>, store: Store) {
        kernel::matmul(pairs, c, store);
    }
    fn matmul_transposed(pairs: &[[Matrix<'_, f64>; 2]], c: MatrixMut<'_, f64>, store: Store) {
        kernel::matmul_transposed(pairs, c, store);
    }
}
