//! Dual numbers re + du ε with ε² = 0: exact first derivatives along one direction; nested, higher ones.

use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

use super::{Matrix, MatrixMut, Scalar, Store};

/// The value `re` and the derivative `du` along a direction.
///
/// ```
/// use ratecheck::scalar::{Dual, Scalar};
/// let x = Dual::new(2.0, 1.0);
/// let y = x * x * x; // d/dx x^3 = 3 x^2
/// assert_eq!((y.re, y.du), (8.0, 12.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dual<S> {
    /// The value.
    pub re: S,
    /// The derivative.
    pub du: S,
}

impl<S: Scalar> Dual<S> {
    /// re + du ε.
    #[inline(always)]
    pub fn new(re: S, du: S) -> Self {
        Self { re, du }
    }

    /// The chain rule: value f(re), derivative f'(re) du.
    #[inline(always)]
    fn chain(self, value: S, slope: S) -> Self {
        Self { re: value, du: self.du * slope }
    }
}

impl<S: Scalar> Add for Dual<S> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self { re: self.re + other.re, du: self.du + other.du }
    }
}

impl<S: Scalar> Sub for Dual<S> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self { re: self.re - other.re, du: self.du - other.du }
    }
}

impl<S: Scalar> Mul for Dual<S> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self { re: self.re * other.re, du: self.re * other.du + self.du * other.re }
    }
}

impl<S: Scalar> Div for Dual<S> {
    type Output = Self;
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        let re = self.re / other.re;
        Self { re, du: (self.du - re * other.du) / other.re }
    }
}

impl<S: Scalar> Neg for Dual<S> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self { re: -self.re, du: -self.du }
    }
}

impl<S: Scalar> AddAssign for Dual<S> {
    #[inline(always)]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl<S: Scalar> SubAssign for Dual<S> {
    #[inline(always)]
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl<S: Scalar> MulAssign for Dual<S> {
    #[inline(always)]
    fn mul_assign(&mut self, other: Self) {
        *self = *self * other;
    }
}

impl<S: Scalar> Scalar for Dual<S> {
    type Base = S::Base;
    const PLANES: usize = 2 * S::PLANES;
    const ZERO: Self = Self { re: S::ZERO, du: S::ZERO };
    const ONE: Self = Self { re: S::ONE, du: S::ZERO };

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        Self { re: S::from_f64(x), du: S::ZERO }
    }
    #[inline(always)]
    fn value(self) -> f64 {
        self.re.value()
    }
    #[inline(always)]
    fn scale(self, factor: f64) -> Self {
        Self { re: self.re.scale(factor), du: self.du.scale(factor) }
    }
    #[inline(always)]
    fn over(self, n: usize) -> Self {
        Self { re: self.re.over(n), du: self.du.over(n) }
    }
    #[inline(always)]
    fn is_finite(self) -> bool {
        self.re.is_finite() && self.du.is_finite()
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        let root = self.re.sqrt();
        Self { re: root, du: self.du.scale(0.5) / root }
    }
    #[inline(always)]
    fn exp(self) -> Self {
        let e = self.re.exp();
        self.chain(e, e)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        Self { re: self.re.ln(), du: self.du / self.re }
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
        let turn = x.re * self.du - self.re * x.du;
        Self { re: self.re.atan2(x.re), du: turn / (x.re.square() + self.re.square()) }
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
    fn abs(self) -> Self {
        self.chain(self.re.abs(), self.re.sign())
    }
    #[inline(always)]
    fn sign(self) -> Self {
        Self { re: self.re.sign(), du: S::ZERO }
    }
    #[inline(always)]
    fn relu(self) -> Self {
        self.chain(self.re.relu(), self.re.step())
    }
    #[inline(always)]
    fn step(self) -> Self {
        Self { re: self.re.step(), du: S::ZERO }
    }
    #[inline(always)]
    fn square(self) -> Self {
        Self { re: self.re.square(), du: (self.re * self.du).scale(2.0) }
    }
    #[inline(always)]
    fn powf(self, p: f64) -> Self {
        self.chain(self.re.powf(p), self.re.powf(p - 1.0).scale(p))
    }

    #[inline(always)]
    fn from_base(x: Self::Base) -> Self {
        Self { re: S::from_base(x), du: S::ZERO }
    }
    #[inline(always)]
    fn base(x: f64) -> Self::Base {
        S::base(x)
    }
    #[inline(always)]
    fn load(row: &[Self::Base], b: usize) -> Self {
        let (re, du) = row.split_at(row.len() / 2);
        Self { re: S::load(re, b), du: S::load(du, b) }
    }
    #[inline(always)]
    fn store(self, row: &mut [Self::Base], b: usize) {
        let (re, du) = row.split_at_mut(row.len() / 2);
        self.re.store(re, b);
        self.du.store(du, b);
    }
    #[inline(always)]
    fn load_lanes<const K: usize>(row: &[Self::Base], b: usize) -> [Self; K] {
        let (re, du) = row.split_at(row.len() / 2);
        let (re, du) = (S::load_lanes::<K>(re, b), S::load_lanes::<K>(du, b));
        let mut lanes = [Self::ZERO; K];
        for i in 0..K {
            lanes[i] = Self { re: re[i], du: du[i] };
        }
        lanes
    }
    #[inline(always)]
    fn store_lanes<const K: usize>(lanes: [Self; K], row: &mut [Self::Base], b: usize) {
        let (re, du) = row.split_at_mut(row.len() / 2);
        let mut parts = [[S::ZERO; K]; 2];
        for i in 0..K {
            parts[0][i] = lanes[i].re;
            parts[1][i] = lanes[i].du;
        }
        S::store_lanes(parts[0], re, b);
        S::store_lanes(parts[1], du, b);
    }

    fn matmul(pairs: &[[Matrix<'_, Self::Base>; 2]], c: MatrixMut<'_, Self::Base>, store: Store) {
        leibniz(pairs, c, store, S::PLANES, S::matmul);
    }
    fn matmul_transposed(pairs: &[[Matrix<'_, Self::Base>; 2]], c: MatrixMut<'_, Self::Base>, store: Store) {
        leibniz(pairs, c, store, S::PLANES, S::matmul_transposed);
    }
}

/// C = A B in the value, and in the derivative C' = A B' + A' B, where a constant factor has no derivative. Both terms go to
/// the kernel together, which then writes C' once.
fn leibniz<T: Copy>(
    pairs: &[[Matrix<'_, T>; 2]],
    mut c: MatrixMut<'_, T>,
    store: Store,
    planes: usize,
    product: impl Fn(&[[Matrix<'_, T>; 2]], MatrixMut<'_, T>, Store),
) {
    if store != Store::Derivative {
        product(pairs, c.skip_planes(0), store);
    }
    let mut store = if store == Store::Derivative { Store::Replace } else { store };
    for &[a, b] in pairs {
        let with_b = [a, b.skip_planes(planes)];
        let with_a = [a.skip_planes(planes), b];
        match (a.plane_step.is_some(), b.plane_step.is_some()) {
            (true, true) => product(&[with_b, with_a], c.skip_planes(planes), store),
            (false, true) => product(&[with_b], c.skip_planes(planes), store),
            (true, false) => product(&[with_a], c.skip_planes(planes), store),
            // Two constants have no derivative; no caller multiplies them, and adding nothing is right for `Add` alone.
            (false, false) => assert_eq!(store, Store::Add, "a product of two constants"),
        }
        store = Store::Add;
    }
}
