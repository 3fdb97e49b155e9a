//! Dual numbers re + du ε with ε² = 0: exact first derivatives along one direction, or along several at once; nested,
//! higher ones.

use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

use super::tangent::Tangent;
use super::{Matrix, MatrixMut, Planes, Scalar, Store};

/// The value `re` and the derivative `du` along a direction; along K directions if `du` is an array, [`Tangents`].
///
/// ```
/// use ratecheck::scalar::{Dual, Scalar};
/// let x = Dual::new(2.0, 1.0);
/// let y = x * x * x; // d/dx x^3 = 3 x^2
/// assert_eq!((y.re, y.du), (8.0, 12.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dual<S, D = S> {
    /// The value.
    pub re: S,
    /// The derivative.
    pub du: D,
}

/// A value and its derivatives along K directions: what does not depend on the direction is computed once for all of
/// them.
///
/// ```
/// use ratecheck::scalar::{Scalar, Tangents};
/// let (x, y) = (Tangents::<2> { re: 2.0, du: [1.0, 0.0] }, Tangents::<2> { re: 3.0, du: [0.0, 1.0] });
/// assert_eq!((x * y.square()).du, [9.0, 12.0]); // the gradient of x y^2
/// ```
pub type Tangents<const K: usize> = Dual<f64, [f64; K]>;

impl<S: Scalar, D: Tangent<S>> Dual<S, D> {
    /// re + du ε.
    #[inline(always)]
    pub fn new(re: S, du: D) -> Self {
        Self { re, du }
    }

    /// The chain rule: value f(re), derivative f'(re) du.
    #[inline(always)]
    fn chain(self, value: S, slope: S) -> Self {
        Self { re: value, du: self.du.times(slope) }
    }
}

impl<S: Scalar, D: Tangent<S>> Add for Dual<S, D> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self { re: self.re + other.re, du: self.du.plus(other.du) }
    }
}

impl<S: Scalar, D: Tangent<S>> Sub for Dual<S, D> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self { re: self.re - other.re, du: self.du.minus(other.du) }
    }
}

impl<S: Scalar, D: Tangent<S>> Mul for Dual<S, D> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self { re: self.re * other.re, du: other.du.times(self.re).plus(self.du.times(other.re)) }
    }
}

impl<S: Scalar, D: Tangent<S>> Div for Dual<S, D> {
    type Output = Self;
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        let re = self.re / other.re;
        Self { re, du: self.du.minus(other.du.times(re)).divided(other.re) }
    }
}

impl<S: Scalar, D: Tangent<S>> Neg for Dual<S, D> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self { re: -self.re, du: self.du.negated() }
    }
}

impl<S: Scalar, D: Tangent<S>> AddAssign for Dual<S, D> {
    #[inline(always)]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl<S: Scalar, D: Tangent<S>> SubAssign for Dual<S, D> {
    #[inline(always)]
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl<S: Scalar, D: Tangent<S>> MulAssign for Dual<S, D> {
    #[inline(always)]
    fn mul_assign(&mut self, other: Self) {
        *self = *self * other;
    }
}

impl<S: Scalar, D: Tangent<S>> Scalar for Dual<S, D> {
    const ZERO: Self = Self { re: S::ZERO, du: D::NONE };
    const ONE: Self = Self { re: S::ONE, du: D::NONE };

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        Self { re: S::from_f64(x), du: D::NONE }
    }
    #[inline(always)]
    fn value(self) -> f64 {
        self.re.value()
    }
    #[inline(always)]
    fn scale(self, factor: f64) -> Self {
        Self { re: self.re.scale(factor), du: self.du.scaled(factor) }
    }
    #[inline(always)]
    fn over(self, n: usize) -> Self {
        Self { re: self.re.over(n), du: self.du.shared(n) }
    }
    #[inline(always)]
    fn is_finite(self) -> bool {
        self.re.is_finite() && self.du.all_finite()
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        let root = self.re.sqrt();
        Self { re: root, du: self.du.scaled(0.5).divided(root) }
    }
    #[inline(always)]
    fn exp(self) -> Self {
        let e = self.re.exp();
        self.chain(e, e)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        Self { re: self.re.ln(), du: self.du.divided(self.re) }
    }
    #[inline(always)]
    fn sin(self) -> Self {
        self.chain(self.re.sin(), self.re.cos())
    }
    #[inline(always)]
    fn cos(self) -> Self {
        self.chain(self.re.cos(), -self.re.sin())
    }
    #[inline(always)]
    fn atan2(self, x: Self) -> Self {
        let turn = self.du.times(x.re).minus(x.du.times(self.re));
        Self { re: self.re.atan2(x.re), du: turn.divided(x.re.square() + self.re.square()) }
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        let t = self.re.tanh();
        self.chain(t, S::ONE - t.square())
    }
    #[inline(always)]
    fn sigmoid(self) -> Self {
        let s = self.re.sigmoid();
        self.chain(s, s * (S::ONE - s))
    }
    #[inline(always)]
    fn softplus(self) -> Self {
        self.chain(self.re.softplus(), self.re.sigmoid())
    }
    #[inline(always)]
    fn normal_cdf(self) -> Self {
        self.chain(self.re.normal_cdf(), self.re.normal_density())
    }
    #[inline(always)]
    fn normal_density(self) -> Self {
        let density = self.re.normal_density();
        self.chain(density, -self.re * density)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        self.chain(self.re.abs(), self.re.sign())
    }
    #[inline(always)]
    fn sign(self) -> Self {
        Self { re: self.re.sign(), du: D::NONE }
    }
    #[inline(always)]
    fn relu(self) -> Self {
        self.chain(self.re.relu(), self.re.step())
    }
    #[inline(always)]
    fn step(self) -> Self {
        Self { re: self.re.step(), du: D::NONE }
    }
    #[inline(always)]
    fn square(self) -> Self {
        Self { re: self.re.square(), du: self.du.times(self.re).scaled(2.0) }
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        let du = self.du.times_plus(factor.re, factor.du.times_plus(self.re, term.du));
        Self { re: self.re.mul_add(factor.re, term.re), du }
    }
    #[inline(always)]
    fn square_add(self, term: Self) -> Self {
        Self { re: self.re.square_add(term.re), du: self.du.times_plus(self.re.scale(2.0), term.du) }
    }
    #[inline(always)]
    fn powf(self, p: f64) -> Self {
        self.chain(self.re.powf(p), self.re.powf(p - 1.0).scale(p))
    }
}

impl<S: Scalar, D: Tangent<S>> Planes for Dual<S, D> {
    type Base = S::Base;
    const PLANES: usize = (1 + D::COUNT) * S::PLANES;
    const WIDE: bool = S::WIDE;
    const FUSED: bool = S::FUSED;
    const ROUNDING: f64 = S::ROUNDING;
    const SAFE: f64 = S::SAFE;
    const LARGEST_POWER: f64 = S::LARGEST_POWER;

    #[inline(always)]
    fn from_base(x: Self::Base) -> Self {
        Self { re: S::from_base(x), du: D::NONE }
    }
    #[inline(always)]
    fn base(x: f64) -> Self::Base {
        S::base(x)
    }
    #[inline(always)]
    fn load(row: &[Self::Base], b: usize) -> Self {
        let (re, du) = row.split_at(row.len() / (1 + D::COUNT));
        Self { re: S::load(re, b), du: D::load(du, b) }
    }
    #[inline(always)]
    fn store(self, row: &mut [Self::Base], b: usize) {
        let (re, du) = row.split_at_mut(row.len() / (1 + D::COUNT));
        self.re.store(re, b);
        self.du.store(du, b);
    }
    #[inline(always)]
    fn load_lanes<const K: usize>(row: &[Self::Base], b: usize) -> [Self; K] {
        let (re, du) = row.split_at(row.len() / (1 + D::COUNT));
        let (re, du) = (S::load_lanes::<K>(re, b), D::load_lanes::<K>(du, b));
        let mut lanes = [Self::ZERO; K];
        for i in 0..K {
            lanes[i] = Self { re: re[i], du: du[i] };
        }
        lanes
    }
    #[inline(always)]
    fn store_lanes<const K: usize>(lanes: [Self; K], row: &mut [Self::Base], b: usize) {
        let (re, du) = row.split_at_mut(row.len() / (1 + D::COUNT));
        let mut values = [S::ZERO; K];
        let mut tangents = [D::NONE; K];
        for i in 0..K {
            values[i] = lanes[i].re;
            tangents[i] = lanes[i].du;
        }
        S::store_lanes(values, re, b);
        D::store_lanes(tangents, du, b);
    }

    fn matmul(pairs: &[[Matrix<'_, Self::Base>; 2]], c: MatrixMut<'_, Self::Base>, store: Store) {
        D::product(pairs, c, store);
    }
    fn matmul_transposed(pairs: &[[Matrix<'_, Self::Base>; 2]], c: MatrixMut<'_, Self::Base>, store: Store) {
        D::product_transposed(pairs, c, store);
    }
}
