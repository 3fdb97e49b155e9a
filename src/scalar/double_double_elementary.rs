//! Elementary functions of double-double numbers.
//!
//! They use the operations of double-double and of `f64` in a fixed order: the same bits on every machine. Error bounds
//! in units of u^2, u = 2^-53, relative to the result unless said otherwise; a sum is off by 3, a sum with an `f64` by
//! 2, a product by 5, a quotient by 16 at most. All are below [`DoubleDouble::UNIT`] = 256.
//!
//! * **e^r - 1**, |r| <= ln(2)/2: for s = r/64 the Taylor polynomial of degree 11 leaves s^11/12! < 2^-111 of the
//!   result and is off by 9; each of six doublings p <- p (2 + p) adds 7 and enlarges what there is by 1 + |p|/(2 + p),
//!   all together by at most 1.3: below 68.
//! * **e^x** = 2^n (1 + p), x = n ln 2 + r with ln 2 in three parts of which n times the first two is exact: r is off
//!   by 3 (absolutely), p by 68 |p|, where |p|/(1 + p) <= 0.42: below 34.
//! * **e^x - 1** = 2^n p + (2^n - 1): the worst is n = 1, p = 2^(-1/2) - 1,
//!   where 2 (68 |p| + 3) is divided by 2^(1/2) - 1: below 112.
//! * **ln x**: one step of Halley's method from libm's logarithm y of `f64`, y + 2 (x - e^y)/(x + e^y), whose own error
//!   is (2u)^3/12. Between 1/2 and 2 with x - 1 and e^y - 1 in place of x and e^y; there ln(1 + d) is off by 112
//!   |d|/(1 + d) and a little: below 168. Elsewhere by 34 and a little, absolutely, where |ln x| >= ln 2.
//! * **tanh |x|** = e/(e + 2) with e = e^(2|x|) - 1: 112 + 3 + 16. **sigmoid**: with z = e^-|x| off by 34, below 60.
//!   **softplus**: max(x, 0) + ln(1 + z), below 210.
//! * **sin, cos**: x less the nearest multiple of pi/2, which is in four parts; for r in [-pi/4, pi/4] Taylor
//!   polynomials up to r^31, below 20.
//! * **atan2**: from libm's angle t of `f64`, t + (y cos t - x sin t)/(x cos t + y sin t),
//!   which leaves a third of that quotient's cube: below 60.

use super::{DoubleDouble, Scalar};

/// ln 2: 42 bits, 42 bits, and the rest.
const LN_2: [f64; 3] = [0.693_147_180_559_890_3, 5.497_923_018_707_21e-14, 1.161_222_722_936_253_2e-26];
/// pi/2: three times 33 bits, and the rest.
const HALF_PI: [f64; 4] =
    [1.570_796_326_734_125_6, 6.077_100_506_303_966e-11, 2.022_266_248_711_166_5e-21, 8.478_427_660_368_9e-32];
/// Up to this many quarter turns a multiple of the parts of pi/2 is exact.
const MOST_TURNS: f64 = 1_048_576.0;

/// 1/k!, rounded to double-double.
const INVERSE_FACTORIAL: [[f64; 2]; 32] = [
    [1.0, 0.0],
    [1.0, 0.0],
    [0.5, 0.0],
    [0.166_666_666_666_666_66, 9.251_858_538_542_97e-18],
    [0.041_666_666_666_666_664, 2.312_964_634_635_742_7e-18],
    [0.008_333_333_333_333_333, 1.156_482_317_317_871_4e-19],
    [0.001_388_888_888_888_889, -5.300_543_954_373_577e-20],
    [0.000_198_412_698_412_698_4, 1.720_955_829_342_070_5e-22],
    [2.480_158_730_158_73e-05, 2.151_194_786_677_588_2e-23],
    [2.755_731_922_398_589_3e-06, -1.858_393_274_046_472e-22],
    [2.755_731_922_398_589e-07, 2.376_771_462_225_029_7e-23],
    [2.505_210_838_544_172e-08, -1.448_814_070_935_912e-24],
    [2.087_675_698_786_81e-09, -1.207_345_059_113_26e-25],
    [1.605_904_383_682_161_3e-10, 1.258_529_458_875_209_8e-26],
    [1.147_074_559_772_972_5e-11, 2.065_551_275_283_074_5e-28],
    [7.647_163_731_819_816e-13, 7.038_728_777_334_53e-30],
    [4.779_477_332_387_385e-14, 4.399_205_485_834_081e-31],
    [2.811_457_254_345_520_6e-15, 1.650_884_273_086_143_3e-31],
    [1.561_920_696_858_622_5e-16, 1.191_067_966_027_375_4e-32],
    [8.220_635_246_624_33e-18, 2.214_189_411_960_426_5e-34],
    [4.110_317_623_312_165e-19, 1.441_297_337_865_952_7e-36],
    [1.957_294_106_339_126_3e-20, -1.364_350_383_008_790_8e-36],
    [8.896_791_392_450_574e-22, -7.911_402_614_872_376e-38],
    [3.868_170_170_630_684e-23, -8.843_177_655_482_344e-40],
    [1.611_737_571_096_118_4e-24, -3.684_657_356_450_976_6e-41],
    [6.446_950_284_384_474e-26, -1.933_040_423_370_346_5e-42],
    [2.479_596_263_224_797_6e-27, -1.295_373_096_476_522_9e-43],
    [9.183_689_863_795_546e-29, 1.430_315_039_678_732_2e-45],
    [3.279_889_237_069_838e-30, 1.511_754_274_402_987_9e-46],
    [1.130_996_288_644_771_6e-31, 1.049_801_541_295_950_6e-47],
    [3.769_987_628_815_905_4e-33, 2.587_034_783_275_032_4e-49],
    [1.216_125_041_553_518e-34, 5.586_290_567_888_806e-51],
];

/// 1/k!.
fn inverse_factorial(k: usize) -> DoubleDouble {
    DoubleDouble::from_parts(INVERSE_FACTORIAL[k])
}

/// n = round(x / ln 2) and e^r - 1 for x = n ln 2 + r; x is within the range of the exponential.
fn reduced(x: DoubleDouble) -> (f64, DoubleDouble) {
    let n = (x.hi() * std::f64::consts::LOG2_E).round_ties_even();
    let r = LN_2.iter().fold(x, |r, part| r.plus(-n * part));
    let s = r.times_power_of_two(1.0 / 64.0);
    let mut sum = inverse_factorial(11);
    for k in (2..11).rev() {
        sum = sum * s + inverse_factorial(k);
    }
    let mut p = s + s.square() * sum;
    for _ in 0..6 {
        p *= p.plus(2.0);
    }
    (n, p)
}

/// 2^n for -1022 <= n <= 1023.
fn power_of_two(n: f64) -> f64 {
    f64::from_bits(((n as i64 + 1023) as u64) << 52)
}

/// x 2^n, in two factors, since 2^n alone may overflow.
fn scaled(x: DoubleDouble, n: f64) -> DoubleDouble {
    let half = (0.5 * n).round_ties_even();
    x.times_power_of_two(power_of_two(half)).times_power_of_two(power_of_two(n - half))
}

/// e^x; infinite beyond 709.8, and 0 below -745.2.
pub(super) fn exp(x: DoubleDouble) -> DoubleDouble {
    // The comparisons let NaN through.
    if x.hi() > 709.8 {
        return DoubleDouble::from(f64::INFINITY);
    }
    if x.hi() < -745.2 {
        return DoubleDouble::ZERO;
    }
    let (n, p) = reduced(x);
    scaled(p.plus(1.0), n)
}

/// e^x - 1.
fn exp_m1(x: DoubleDouble) -> DoubleDouble {
    // Beyond these, -1 and e^x differ from the result by less than its rounding.
    if x.hi() < -80.0 {
        return -DoubleDouble::ONE;
    }
    if x.hi() > 80.0 {
        return exp(x);
    }
    let (n, p) = reduced(x);
    let power = power_of_two(n);
    // For n = 0 the sum is p itself.
    p.times_power_of_two(power) + DoubleDouble::new(power, -1.0)
}

/// ln(1 + d), d > -1.
fn ln_1p(d: DoubleDouble) -> DoubleDouble {
    let y = DoubleDouble::from(libm::log1p(d.hi()));
    let e = exp_m1(y);
    y + (d - e).scale(2.0) / (d + e).plus(2.0)
}

/// The natural logarithm; that of 0 is -infinity, and of what is negative NaN.
pub(super) fn ln(x: DoubleDouble) -> DoubleDouble {
    if x.hi() > 0.5 && x.hi() < 2.0 {
        return ln_1p(x.plus(-1.0));
    }
    let y = DoubleDouble::from(libm::log(x.hi()));
    if !(x.hi() > 0.0 && x.hi() < f64::INFINITY) {
        return y;
    }
    // Of x = m 2^n, 1 <= m < 2, and e^y likewise, so that nothing overflows.
    let n = f64::from(libm::ilogb(x.hi()));
    let m = scaled(x, -n);
    let e = exp(LN_2.iter().fold(y, |r, part| r.plus(-n * part)));
    y + (m - e).scale(2.0) / (m + e)
}

/// The hyperbolic tangent.
pub(super) fn tanh(x: DoubleDouble) -> DoubleDouble {
    let a = x.abs();
    // tanh(40) is 1 up to 2e-35.
    let t = if a.hi() > 40.0 {
        DoubleDouble::ONE
    } else {
        let e = exp_m1(a.times_power_of_two(2.0));
        e / e.plus(2.0)
    };
    if x.hi() < 0.0 { -t } else { t }
}

/// 1 / (1 + e^-x).
pub(super) fn sigmoid(x: DoubleDouble) -> DoubleDouble {
    let z = exp(-x.abs());
    let numerator = if x.hi() < 0.0 { z } else { DoubleDouble::ONE };
    numerator / z.plus(1.0)
}

/// ln(1 + e^x).
pub(super) fn softplus(x: DoubleDouble) -> DoubleDouble {
    x.relu() + ln_1p(exp(-x.abs()))
}

/// (sin x, cos x).
pub(super) fn sin_cos(x: DoubleDouble) -> (DoubleDouble, DoubleDouble) {
    let turns = (x.hi() * std::f64::consts::FRAC_2_PI).round_ties_even();
    if !(turns.abs() <= MOST_TURNS) {
        return (DoubleDouble::from(f64::NAN), DoubleDouble::from(f64::NAN));
    }
    let r = HALF_PI.iter().fold(x, |r, part| r.plus(-turns * part));
    let square = -r.square();
    let series = |from: usize| {
        let mut sum = inverse_factorial(from);
        for k in (0..from - 1).rev().step_by(2) {
            sum = sum * square + inverse_factorial(k);
        }
        sum
    };
    let (sin, cos) = (series(31) * r, series(30));
    match turns.rem_euclid(4.0) as u8 {
        0 => (sin, cos),
        1 => (cos, -sin),
        2 => (-sin, -cos),
        _ => (-cos, sin),
    }
}

/// The angle of the point (x, y).
pub(super) fn atan2(y: DoubleDouble, x: DoubleDouble) -> DoubleDouble {
    let t = DoubleDouble::from(libm::atan2(y.hi(), x.hi()));
    let (sin, cos) = sin_cos(t);
    t + (y * cos - x * sin) / (x * cos + y * sin)
}
