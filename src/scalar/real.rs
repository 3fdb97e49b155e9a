//! `f64` as a [`Scalar`].

use super::kernel::{self, lanes};
use super::{Matrix, MatrixMut, Scalar, Store, elementary};

impl Scalar for f64 {
    type Base = f64;
    const PLANES: usize = 1;
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        x
    }
    #[inline(always)]
    fn value(self) -> f64 {
        self
    }
    #[inline(always)]
    fn scale(self, factor: f64) -> Self {
        self * factor
    }
    #[inline(always)]
    fn over(self, n: usize) -> Self {
        // A multiplication: the reciprocal of a loop's constant is computed once.
        self * (1.0 / n as f64)
    }
    #[inline(always)]
    fn is_finite(self) -> bool {
        f64::is_finite(self)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
    #[inline(always)]
    fn exp(self) -> Self {
        elementary::exp(self)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        libm::log(self)
    }
    #[inline(always)]
    fn sin(self) -> Self {
        libm::sin(self)
    }
    #[inline(always)]
    fn cos(self) -> Self {
        libm::cos(self)
    }
    #[inline(always)]
    fn atan2(self, x: Self) -> Self {
        libm::atan2(self, x)
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        elementary::tanh(self)
    }
    #[inline(always)]
    fn sigmoid(self) -> Self {
        elementary::sigmoid(self)
    }
    #[inline(always)]
    fn softplus(self) -> Self {
        elementary::softplus(self)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        f64::abs(self)
    }
    #[inline(always)]
    fn sign(self) -> Self {
        if self < 0.0 { -1.0 } else { 1.0 }
    }
    #[inline(always)]
    fn relu(self) -> Self {
        // Written so that NaN stays NaN.
        if self <= 0.0 { 0.0 } else { self }
    }
    #[inline(always)]
    fn step(self) -> Self {
        if self > 0.0 { 1.0 } else { 0.0 }
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        f64::mul_add(self, factor, term)
    }
    #[inline(always)]
    fn square_add(self, term: Self) -> Self {
        f64::mul_add(self, self, term)
    }
    #[inline(always)]
    fn powf(self, p: f64) -> Self {
        libm::pow(self, p)
    }
    #[inline(always)]
    fn from_base(x: f64) -> Self {
        x
    }
    #[inline(always)]
    fn base(x: f64) -> f64 {
        x
    }
    #[inline(always)]
    fn load(row: &[f64], b: usize) -> Self {
        row[b]
    }
    #[inline(always)]
    fn store(self, row: &mut [f64], b: usize) {
        row[b] = self;
    }
    #[inline(always)]
    fn load_lanes<const K: usize>(row: &[f64], b: usize) -> [f64; K] {
        lanes(row, b)
    }
    #[inline(always)]
    fn store_lanes<const K: usize>(lanes: [f64; K], row: &mut [f64], b: usize) {
        row[b..b + K].copy_from_slice(&lanes);
    }

    fn matmul(pairs: &[[Matrix<'_, f64>; 2]], c: MatrixMut<'_, f64>, store: Store) {
        kernel::matmul(pairs, c, store);
    }
    fn matmul_dual(pair: [Matrix<'_, f64>; 2], c: MatrixMut<'_, f64>, store: Store) {
        kernel::matmul_dual(pair, c, store);
    }
    fn matmul_transposed(pairs: &[[Matrix<'_, f64>; 2]], c: MatrixMut<'_, f64>, store: Store) {
        kernel::matmul_transposed(pairs, c, store);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relu_keeps_nan() {
        assert!(f64::NAN.relu().is_nan());
        assert_eq!((-1.0_f64).relu(), 0.0);
    }
}
