//! Elementary functions on `f64`, without branches, so that a loop over an array of them is vectorised.
//!
//! They use additions, fused multiply-adds, divisions and bit operations only, in a fixed order: the same bits on every
//! machine with IEEE arithmetic. Where the processor has no fused multiply-add, or the code around was compiled for one
//! that has none, each is a call: keep loops inside the crate's vectorised kernels. Error bounds, in units in the last
//! place (ulp) of the result, are tested against 40-digit values, at random and on dense sweeps: [`exp`] 1, [`tanh`] 3,
//! [`sigmoid`] 3, [`softplus`] 3, wherever the result is a normal number.

/// 1.5 * 2^52: adding and subtracting it rounds to the nearest integer and leaves that integer in the low bits.
const ROUND: f64 = 6_755_399_441_055_744.0;
/// ln 2 split so that n * `LN2_HIGH` is exact for |n| < 2^11 (fdlibm's constants).
const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// 1/k! for k = 3..13: e^r - 1 - r - r^2/2 for |r| <= ln(2)/2 is left with a relative error below 2^-57.
const EXP_TAYLOR: [f64; 11] = [
    1.0 / 6.0,
    1.0 / 24.0,
    1.0 / 120.0,
    1.0 / 720.0,
    1.0 / 5_040.0,
    1.0 / 40_320.0,
    1.0 / 362_880.0,
    1.0 / 3_628_800.0,
    1.0 / 39_916_800.0,
    1.0 / 479_001_600.0,
    1.0 / 6_227_020_800.0,
];

/// 1/(2k+1) for k = 0..16: artanh(s)/s for s <= 1/3 is left with a relative error below 2^-58.
const ARTANH_TAYLOR: [f64; 17] = {
    let mut table = [1.0; 17];
    let mut k = 0;
    while k < 17 {
        table[k] = 1.0 / (2 * k + 1) as f64;
        k += 1;
    }
    table
};

/// c_0 + c_1 x + c_2 x^2 + c_3 x^3 by Estrin's scheme: short chains of dependent operations.
#[inline(always)]
fn cubic(c: [f64; 4], x: f64, x_sq: f64) -> f64 {
    c[3].mul_add(x, c[2]).mul_add(x_sq, c[1].mul_add(x, c[0]))
}

/// Splits x = n ln 2 + r and returns (n as f64, n in the low bits, e^r - 1).
#[inline(always)]
fn reduce(x: f64) -> (f64, u64, f64) {
    let shifted = x.mul_add(std::f64::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN2_LOW, n.mul_add(-LN2_HIGH, x));
    let c = EXP_TAYLOR;
    let r2 = r * r;
    let r4 = r2 * r2;
    let low = cubic([c[0], c[1], c[2], c[3]], r, r2);
    let middle = cubic([c[4], c[5], c[6], c[7]], r, r2);
    let high = c[10].mul_add(r2, c[9].mul_add(r, c[8]));
    let p = high.mul_add(r4, middle).mul_add(r4, low);
    (n, shifted.to_bits(), p.mul_add(r, 0.5).mul_add(r2, r))
}

/// 2^n, where the low twelve bits of `bits` hold n and -1022 <= n <= 1023.
#[inline(always)]
fn power_of_two(bits: u64) -> f64 {
    f64::from_bits(bits.wrapping_add(1023) << 52)
}

/// e^x.
///
/// ```
/// use ratecheck::scalar::elementary::exp;
/// assert_eq!(exp(0.0), 1.0);
/// assert!((exp(1.0) - std::f64::consts::E).abs() <= f64::EPSILON * 2.0); // 1 ulp
/// ```
#[inline(always)]
pub fn exp(x: f64) -> f64 {
    // Beyond these the result is infinity or zero anyway; the comparisons let NaN through.
    let x = if x > 710.0 { 710.0 } else { x };
    let x = if x < -746.0 { -746.0 } else { x };
    let (n, _, p) = reduce(x);
    // Two factors, since 2^n alone may overflow or be subnormal.
    let half = n * 0.5 + ROUND;
    let rest = (n - (half - ROUND)) + ROUND;
    ((1.0 + p) * power_of_two(half.to_bits())) * power_of_two(rest.to_bits())
}

/// The hyperbolic tangent.
///
/// ```
/// use ratecheck::scalar::elementary::tanh;
/// assert!((tanh(0.5) - 0.462_117_157_260_009_76).abs() < 2e-16);
/// assert_eq!(tanh(1e-300), 1e-300);
/// ```
#[inline(always)]
pub fn tanh(x: f64) -> f64 {
    let a = x.abs();
    // tanh(20) rounds to 1.
    let a = if a > 20.0 { 20.0 } else { a };
    let (_, bits, p) = reduce(2.0 * a);
    let scale = power_of_two(bits);
    // e^(2a) - 1 without cancellation: for n = 0 it is p itself.
    let e = scale.mul_add(p, scale - 1.0);
    (e / (e + 2.0)).copysign(x)
}

/// e^-|x|, at most 1.
#[inline(always)]
fn exp_minus_abs(x: f64) -> f64 {
    exp(-x.abs())
}

/// The logistic function 1 / (1 + e^-x).
#[inline(always)]
pub fn sigmoid(x: f64) -> f64 {
    let z = exp_minus_abs(x);
    let numerator = if x < 0.0 { z } else { 1.0 };
    numerator / (1.0 + z)
}

/// ln(1 + e^x).
///
/// ```
/// use ratecheck::scalar::elementary::softplus;
/// assert!((softplus(0.0) - std::f64::consts::LN_2).abs() <= 3.0 * f64::EPSILON / 2.0); // 3 ulp
/// ```
#[inline(always)]
pub fn softplus(x: f64) -> f64 {
    let u = exp_minus_abs(x);
    // ln(1 + u) = 2 artanh(s), s = u / (2 + u) <= 1/3.
    let s = u / (2.0 + u);
    let q = s * s;
    let (q2, c) = (q * q, ARTANH_TAYLOR);
    let q4 = q2 * q2;
    let first = cubic([c[4], c[5], c[6], c[7]], q, q2).mul_add(q4, cubic([c[0], c[1], c[2], c[3]], q, q2));
    let second = cubic([c[12], c[13], c[14], c[15]], q, q2).mul_add(q4, cubic([c[8], c[9], c[10], c[11]], q, q2));
    let q8 = q4 * q4;
    let p = c[16].mul_add(q8, second).mul_add(q8, first);
    let positive_part = if x < 0.0 { 0.0 } else { x };
    (2.0 * s).mul_add(p, positive_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Distance in units in the last place of `expected`.
    fn ulps(got: f64, expected: f64) -> f64 {
        let ulp = expected.abs().next_up() - expected.abs();
        (got - expected).abs() / ulp
    }

    #[test]
    fn dense_sweeps_stay_within_the_stated_bounds() {
        // libm's functions are within 1 ulp themselves, hence the extra ulp allowed here.
        let mut worst = [0.0_f64; 4];
        for i in -40_000..=40_000 {
            let x = f64::from(i) * 1.7e-3 + 1e-5;
            worst[0] = worst[0].max(ulps(exp(x), libm::exp(x)));
            worst[1] = worst[1].max(ulps(tanh(x), libm::tanh(x)));
            let z = libm::exp(-x.abs());
            worst[2] = worst[2].max(ulps(sigmoid(x), if x < 0.0 { z / (1.0 + z) } else { 1.0 / (1.0 + z) }));
            worst[3] = worst[3].max(ulps(softplus(x), x.max(0.0) + libm::log1p(z)));
        }
        for (worst, bound) in worst.into_iter().zip([1.0, 3.0, 3.0, 3.0]) {
            assert!(worst <= bound + 1.0, "{worst} ulp");
        }
    }

    #[test]
    fn small_arguments_keep_relative_accuracy() {
        for exponent in 1..300 {
            let x = libm::pow(10.0, -f64::from(exponent));
            assert!(ulps(tanh(x), libm::tanh(x)) <= 4.0, "tanh({x:e})");
            assert!(ulps(tanh(-x), libm::tanh(-x)) <= 4.0, "tanh(-{x:e})");
        }
    }

    #[test]
    fn thirty_digit_values() {
        // mpmath, 30 digits, rounded once.
        assert!(ulps(exp(-0.3), 0.740_818_220_681_717_9) <= 1.0);
        assert!(ulps(exp(700.0), 1.014_232_054_735_004_5e304) <= 1.0);
        assert!(ulps(tanh(1.0), 0.761_594_155_955_764_9) <= 3.0);
        assert!(ulps(sigmoid(-2.0), 0.119_202_922_022_117_56) <= 3.0);
        assert!(ulps(softplus(-1.0), 0.313_261_687_518_222_8) <= 3.0);
    }

    #[test]
    fn extremes() {
        assert_eq!(exp(f64::INFINITY), f64::INFINITY);
        assert_eq!(exp(800.0), f64::INFINITY);
        assert_eq!(exp(f64::NEG_INFINITY), 0.0);
        assert_eq!(exp(-800.0), 0.0);
        assert!(exp(-740.0) > 0.0);
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(tanh(f64::INFINITY), 1.0);
        assert_eq!(tanh(-50.0), -1.0);
        assert!(tanh(-0.0).is_sign_negative());
        assert_eq!(softplus(1e4), 1e4);
        assert_eq!(softplus(f64::NEG_INFINITY), 0.0);
        assert_eq!(sigmoid(f64::NEG_INFINITY), 0.0);
        for f in [exp, tanh, sigmoid, softplus] {
            assert!(f(f64::NAN).is_nan());
        }
    }
}
