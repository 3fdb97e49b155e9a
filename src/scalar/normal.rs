//! The normal distribution, for the Gaussian error linear unit: Phi(x) = (1 + erf(x / sqrt(2))) / 2 and its density, in
//! every arithmetic. All use Phi(x) = erfc(-x / sqrt(2)) / 2, which keeps the digits of small values.

use super::{DoubleDouble, Interval, Scalar, double_double_elementary, elementary, interval};

/// 1 / sqrt(2 pi), rounded to double-double.
const FACTOR: [f64; 2] = [0.398_942_280_401_432_7, -2.492_327_202_277_73e-17];
/// Where double-double goes from the series to the continued fraction.
const MIDDLE: f64 = 1.0;

/// Phi in `f64`, with u = 2^-53 and relative to the result: libm's erfc is within 2 u, and x / sqrt(2), off by 2 u,
/// changes it by u for x >= 0 and by 2 (1 + x^2) u for x < 0: 4 u and (4 + 2 x^2) u together.
#[inline(always)]
pub(super) fn cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

/// Its density in `f64`, likewise: 2 u of the exponential, x^2/2 u from its argument, and the factor and the product:
/// (4 + x^2/2) u, while the result is a normal number.
#[inline(always)]
pub(super) fn density(x: f64) -> f64 {
    elementary::exp(-0.5 * x * x) * FACTOR[0]
}

impl Interval {
    /// Phi: increasing, by CORE-MATH's correctly rounded function.
    pub(super) fn normal_cdf_bounds(self) -> Self {
        let t = -(self / Self::from(2.0).sqrt());
        // Halving is exact but for subnormal numbers, where it is off by less than a unit in all.
        let half = |t: f64| 0.5 * core_math::erfc(t);
        Self::new(half(t.hi()).next_down().max(0.0), half(t.lo()).next_up().min(1.0))
    }

    /// Its density.
    pub(super) fn normal_density_bounds(self) -> Self {
        let found = (-self.square().scale(0.5)).exp() / interval::PI.scale(2.0).sqrt();
        Self::new(found.lo().max(0.0), found.hi())
    }
}

/// The density in double-double, in units of u^2 relative to the result: x^2/2 is off by 5 x^2/2 (absolutely), the
/// exponential by 34, the constant by 1 and the product by 5.
pub(super) fn density_of(x: DoubleDouble) -> DoubleDouble {
    let exponent = -x.square().times_power_of_two(0.5);
    double_double_elementary::exp(exponent) * DoubleDouble::from_parts(FACTOR)
}

/// Phi in double-double. For |x| <= 1 it is 1/2 plus or minus phi(x) (x + x^3/3 + x^5/(3 5) + ...), whose terms have
/// one sign; beyond phi(x)/(x + 1/(x + 2/(x + 3/(x + ...)))) or 1 minus that. Neither is off by more than 150 u^2 + 5
/// x^2/2 u^2 relative to the smaller of Phi and 1 - Phi: the density by 40 + 5 x^2/2, the series or the fraction, whose
/// errors shrink on the way out, by less than 60, and at -1, where 0.34 is taken from 0.5,
/// the sum is 2.2 times as large as what it leaves.
pub(super) fn cdf_of(x: DoubleDouble) -> DoubleDouble {
    let a = x.abs();
    if !(a.hi() <= f64::MAX) {
        // Infinity, which has a limit, and NaN, which stays.
        return DoubleDouble::from(cdf(x.hi()));
    }
    let half = DoubleDouble::from(0.5);
    if a.hi() <= MIDDLE {
        let square = x.square();
        let mut sum = DoubleDouble::ONE;
        // The term x^(2k)/(3 5 ... (2k + 1)) is below 2^-110 from k = 24 on.
        for k in (1..=24).rev() {
            sum = (sum * square).over(2 * k + 1).plus(1.0);
        }
        return half + density_of(x) * x * sum;
    }
    // What n steps leave is a product of n factors k/d_k^2 with d_k = (a + sqrt(a^2 + 4k))/2: about e^(-2 sqrt(n) a)
    // where n is large against a^2. After as many steps as here it is below 2^-110 for every a >= 1.
    let mut rest = a;
    for k in (1..=(1500.0 / (a.hi() * a.hi())) as usize + 40).rev() {
        rest = a + DoubleDouble::from(k as f64) / rest;
    }
    let tail = density_of(x) / rest;
    if x.hi() < 0.0 { tail } else { DoubleDouble::ONE - tail }
}
