//! `f32` as a [`Scalar`]: single precision.

use super::element::{plain_number, plain_planes};
use super::planes::power;
use super::{Matrix, MatrixMut, Planes, Scalar, Store, elementary, normal};

/// Twice as many numbers in a register and in a cache as of `f64`, for training where seven digits are enough.
///
/// With u = 2^-24: sums, products, quotients, roots and fused multiply-adds are those of `f32`, within u. Constants are
/// rounded to `f32` first, which is a rounding more: [`Scalar::scale`] is within 2u + u^2 of the product with its `f64`
/// factor, and [`Scalar::over`] multiplies by the reciprocal rounded to `f32`, within 2u + 2u^2 of the quotient.
/// Functions are evaluated in `f64` and rounded once, within u + 2^-50. All of this is relative, and true while nothing
/// over- or underflows: numbers lie below 3.5e38, and those under 1.2e-38 lose digits.
/// Every result has the same bits on every machine.
///
/// ```
/// use ratecheck::scalar::{Dual, Scalar};
/// let x = Dual::new(0.5_f32, 1.0);
/// assert_eq!((x * x).du, 1.0);
/// assert_eq!(Scalar::tanh(0.5_f32), ratecheck::scalar::elementary::tanh(0.5) as f32);
/// ```
impl Scalar for f32 {
    plain_number!(f32);

    /// The nearest `f32`: infinite beyond its range.
    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        x as f32
    }
    /// Exact.
    #[inline(always)]
    fn value(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn scale(self, factor: f64) -> Self {
        // The factor is rounded first: that of a loop is rounded once, and the loop stays in f32.
        self * factor as f32
    }
    #[inline(always)]
    fn over(self, n: usize) -> Self {
        // As for f64, a multiplication.
        self * (1.0 / n as f64) as f32
    }
    #[inline(always)]
    fn exp(self) -> Self {
        elementary::exp(self.value()) as f32
    }
    #[inline(always)]
    fn ln(self) -> Self {
        libm::log(self.value()) as f32
    }
    #[inline(always)]
    fn sin(self) -> Self {
        libm::sin(self.value()) as f32
    }
    #[inline(always)]
    fn cos(self) -> Self {
        libm::cos(self.value()) as f32
    }
    #[inline(always)]
    fn atan2(self, x: Self) -> Self {
        libm::atan2(self.value(), x.value()) as f32
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        elementary::tanh(self.value()) as f32
    }
    #[inline(always)]
    fn sigmoid(self) -> Self {
        elementary::sigmoid(self.value()) as f32
    }
    #[inline(always)]
    fn softplus(self) -> Self {
        elementary::softplus(self.value()) as f32
    }
    #[inline(always)]
    fn normal_cdf(self) -> Self {
        normal::cdf(self.value()) as f32
    }
    #[inline(always)]
    fn normal_density(self) -> Self {
        normal::density(self.value()) as f32
    }
    #[inline(always)]
    fn powf(self, p: f64) -> Self {
        libm::pow(self.value(), p) as f32
    }
}

impl Planes for f32 {
    plain_planes!(f32);
    const SHORT: bool = true;
    // Of derivatives there are first ones alone.
    const SAFE: f64 = power(60);
    const LARGEST_POWER: f64 = power(120);

    #[inline(always)]
    fn base(x: f64) -> f32 {
        x as f32
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::DoubleDouble;
    use super::*;

    /// 2^-24, the rounding of one operation.
    const U: f64 = f32::EPSILON as f64 / 2.0;

    #[test]
    fn relu_keeps_nan() {
        assert!(f32::NAN.relu().is_nan());
        assert_eq!((-1.0_f32).relu(), 0.0);
    }

    #[test]
    fn extremes() {
        assert_eq!(f32::from_f64(1e39), f32::INFINITY);
        assert_eq!((f32::from_f64(1e-46), f32::base(-1e300)), (0.0, f32::NEG_INFINITY));
        assert!(!Scalar::is_finite(Scalar::exp(89.0_f32)) && Scalar::is_finite(Scalar::exp(88.0_f32)));
        assert_eq!((Scalar::exp(-200.0_f32), Scalar::tanh(-50.0_f32)), (0.0, -1.0));
        let functions: [fn(f32) -> f32; 10] = [
            Scalar::exp,
            Scalar::tanh,
            Scalar::sigmoid,
            Scalar::softplus,
            Scalar::ln,
            Scalar::sin,
            Scalar::relu,
            Scalar::sqrt,
            Scalar::normal_cdf,
            Scalar::normal_density,
        ];
        assert!(functions.iter().all(|f| f(f32::NAN).is_nan()));
    }

    proptest! {
        #[test]
        fn its_value_is_exact(bits: u32) {
            let x = f32::from_bits(bits);
            // Every f32 is an f64: there and back is where it was.
            prop_assert!(f32::from_f64(x.value()).to_bits() == bits || x.is_nan() && x.value().is_nan());
            prop_assert!(x.is_nan() || x.value() == f64::from(x));
        }

        #[test]
        fn functions_are_rounded_once(
            x in -20.0_f32..20.0, y in 0.01_f32..20.0, n in 1_usize..100_000_000, p in -3.0..3.0_f64,
        ) {
            type Pair = (fn(f32) -> f32, fn(DoubleDouble) -> DoubleDouble);
            let of = |x: f32| DoubleDouble::from(x.value());
            let within = |got: f32, expected: DoubleDouble, bound: f64| {
                (DoubleDouble::from(got.value()) - expected).abs().value() <= bound * expected.abs().value()
            };
            let functions: [Pair; 6] = [
                (Scalar::exp, Scalar::exp),
                (Scalar::sin, Scalar::sin),
                (Scalar::cos, Scalar::cos),
                (Scalar::tanh, Scalar::tanh),
                (Scalar::sigmoid, Scalar::sigmoid),
                (Scalar::softplus, Scalar::softplus),
            ];
            // The f64 functions err by 3 of their units at most, 3 * 2^-52 < 2^-50.
            let once = U + libm::exp2(-50.0);
            for (k, (f, g)) in functions.into_iter().enumerate() {
                prop_assert!(within(f(x), g(of(x)), once), "function {k} at {x}");
            }
            prop_assert!(within(Scalar::ln(y), of(y).ln(), once) && within(Scalar::sqrt(y), of(y).sqrt(), once));
            prop_assert!(within(Scalar::powf(y, p), of(y).powf(p), once));
            prop_assert!(within(Scalar::atan2(x, y), of(x).atan2(of(y)), once));
            // The constant is rounded, and then the product: (1 + u)^2 - 1,
            // and u^2 more than covers the rounding of 1/n in f64.
            prop_assert!(within(x.over(n), of(x).over(n), 2.0 * U + 2.0 * U * U), "{x} / {n}");
            prop_assert!(within(y.scale(p), of(y).scale(p), 2.0 * U + 2.0 * U * U), "{y} * {p}");
        }
    }
}
