//! `f64` as a [`Scalar`].

use super::element::{plain_number, plain_planes};
use super::{Matrix, MatrixMut, Planes, Scalar, Store, elementary, normal};

impl Scalar for f64 {
    plain_number!(f64);

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
    fn normal_cdf(self) -> Self {
        normal::cdf(self)
    }
    #[inline(always)]
    fn normal_density(self) -> Self {
        normal::density(self)
    }
    #[inline(always)]
    fn powf(self, p: f64) -> Self {
        libm::pow(self, p)
    }
}

impl Planes for f64 {
    plain_planes!(f64);

    #[inline(always)]
    fn base(x: f64) -> f64 {
        x
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
