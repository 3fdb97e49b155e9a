//! Intervals with outward rounding: results that contain the true value, and so are proofs.
//!
//! Every operation of IEEE arithmetic is widened by one unit in the last place, so that the real result of any two
//! numbers of the operands lies inside. Transcendental functions come from CORE-MATH, whose results are correctly
//! rounded: widened by one unit they are enclosures too.
//! What has no bound (a division by an interval around 0) becomes the whole line, never NaN.

use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

use super::interval_logistic::{sigmoid_down, sigmoid_up, softplus_down, softplus_up};
use super::neighbours::{down, up};
use super::{Dual, Matrix, MatrixMut, Planes, Scalar, Store, interval_kernel};

/// The closed interval [lo, hi]; the whole line is [-infinity, infinity].
///
/// ```
/// use ratecheck::scalar::{Dual, Interval, Scalar};
/// let x = Interval::new(1.0, 2.0);
/// assert!((x * x - x).contains(0.0) && (x * x - x).contains(2.0));
/// assert_eq!(x.square().lo(), 1.0_f64.next_down());
/// assert!(!(x - x).is_point()); // the two operands are not known to be the same number
/// // d/dx x^3 = 3 x^2 lies in [3, 12].
/// let y = Dual::new(x, Interval::ONE);
/// let slope = (y * y * y).du;
/// assert!(slope.contains(3.0) && slope.contains(12.0) && slope.width() < 9.1);
/// assert_eq!(Interval::ONE / Interval::new(-1.0, 1.0), Interval::ENTIRE);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    lo: f64,
    hi: f64,
}

impl Interval {
    /// The whole line: nothing is known.
    pub const ENTIRE: Self = Self { lo: f64::NEG_INFINITY, hi: f64::INFINITY };

    /// [lo, hi]; the whole line if that is no interval.
    #[inline(always)]
    pub fn new(lo: f64, hi: f64) -> Self {
        // NaN fails the comparison. Infinities of one sign on both ends would be the empty set.
        if lo <= hi && lo < f64::INFINITY && hi > f64::NEG_INFINITY { Self { lo, hi } } else { Self::ENTIRE }
    }

    /// The smallest interval that contains both numbers.
    #[inline(always)]
    pub fn between(a: f64, b: f64) -> Self {
        if a <= b { Self::new(a, b) } else { Self::new(b, a) }
    }

    /// The lower end.
    #[inline(always)]
    pub fn lo(self) -> f64 {
        self.lo
    }

    /// The upper end.
    #[inline(always)]
    pub fn hi(self) -> f64 {
        self.hi
    }

    /// hi - lo, rounded up.
    pub fn width(self) -> f64 {
        if self.is_point() { 0.0 } else { up(self.hi - self.lo) }
    }

    /// The largest absolute value.
    #[inline(always)]
    pub fn magnitude(self) -> f64 {
        self.lo.abs().max(self.hi.abs())
    }

    /// Whether it is a single number.
    pub fn is_point(self) -> bool {
        self.lo == self.hi
    }

    /// Whether x lies inside; NaN lies nowhere.
    pub fn contains(self, x: f64) -> bool {
        self.lo <= x && x <= self.hi
    }

    /// The smallest interval that contains both.
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        Self { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }

    /// What lies in both, if anything does.
    #[must_use]
    pub fn intersection(self, other: Self) -> Option<Self> {
        let (lo, hi) = (self.lo.max(other.lo), self.hi.min(other.hi));
        (lo <= hi).then_some(Self { lo, hi })
    }

    /// The middle and the radius: every number inside is within `radius` of `middle`.
    /// NaN in the middle of the whole line.
    #[inline(always)]
    pub(super) fn middle_radius(self) -> (f64, f64) {
        let middle = 0.5 * self.lo + 0.5 * self.hi;
        let (below, above) = (middle - self.lo, self.hi - middle);
        let distance = if above > below { above } else { below };
        // A difference of two numbers is 0 only if they are equal.
        (middle, if distance == 0.0 { 0.0 } else { up(distance) })
    }

    /// An increasing function, given correctly rounded (to within one unit in the last place).
    #[inline(always)]
    fn increasing(self, f: impl Fn(f64) -> f64) -> Self {
        Self::new(down(f(self.lo)), up(f(self.hi)))
    }

    /// The smallest interval around four products or quotients, widened. NaN stands for 0 * infinity, whose limit 0 is
    /// among the other three unless both factors are the worst there is, and then nothing is left: the whole line.
    #[inline(always)]
    fn around(p: [f64; 4]) -> Self {
        // Not NaN if none of them is: then a comparison is all that a minimum needs.
        if !(p[0] + p[1] + p[2] + p[3]).is_nan() {
            let less = |x: f64, y: f64| if x < y { x } else { y };
            let more = |x: f64, y: f64| if x > y { x } else { y };
            let (lo, hi) = (less(less(p[0], p[1]), less(p[2], p[3])), more(more(p[0], p[1]), more(p[2], p[3])));
            return Self::new(down(lo), up(hi));
        }
        Self::around_any(p)
    }

    #[cold]
    fn around_any(p: [f64; 4]) -> Self {
        let lo = p[0].min(p[1]).min(p[2].min(p[3]));
        let hi = p[0].max(p[1]).max(p[2].max(p[3]));
        Self::new(down(lo), up(hi))
    }
}

impl From<f64> for Interval {
    fn from(x: f64) -> Self {
        Self::new(x, x)
    }
}

impl From<Interval> for Dual<Interval> {
    /// A constant.
    fn from(x: Interval) -> Self {
        Self::new(x, Interval::ZERO)
    }
}

impl Add for Interval {
    type Output = Self;
    #[inline(never)]
    fn add(self, other: Self) -> Self {
        Self::new(down(self.lo + other.lo), up(self.hi + other.hi))
    }
}

impl Sub for Interval {
    type Output = Self;
    #[inline(never)]
    fn sub(self, other: Self) -> Self {
        Self::new(down(self.lo - other.hi), up(self.hi - other.lo))
    }
}

impl Mul for Interval {
    type Output = Self;
    #[inline(never)]
    fn mul(self, other: Self) -> Self {
        let (a, b) = (self, other);
        Self::around([a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi])
    }
}

impl Div for Interval {
    type Output = Self;
    #[inline(never)]
    fn div(self, other: Self) -> Self {
        let (a, b) = (self, other);
        if b.lo <= 0.0 && b.hi >= 0.0 {
            return Self::ENTIRE;
        }
        Self::around([a.lo / b.lo, a.lo / b.hi, a.hi / b.lo, a.hi / b.hi])
    }
}

impl Neg for Interval {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self { lo: -self.hi, hi: -self.lo }
    }
}

impl AddAssign for Interval {
    #[inline(always)]
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Interval {
    #[inline(always)]
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl MulAssign for Interval {
    #[inline(always)]
    fn mul_assign(&mut self, other: Self) {
        *self = *self * other;
    }
}

/// pi lies between these neighbours.
pub(super) const PI: Interval = Interval { lo: std::f64::consts::PI, hi: 3.141_592_653_589_793_6 };

impl Interval {
    /// The range of a function that rises and falls between -1 at (2k + 1 + phase) pi and 1 at (2k + phase) pi and is
    /// given correctly rounded: the cosine for phase 0, the sine for phase 1/2.
    fn wave(self, f: impl Fn(f64) -> f64, phase: f64) -> Self {
        if !Scalar::is_finite(self) {
            return Self { lo: -1.0, hi: 1.0 };
        }
        let ends = Self::between(f(self.lo), f(self.hi));
        // Extremes lie where x/pi - phase is whole.
        let turns = self / PI - Self::from(phase);
        let (first, last) = (turns.lo.ceil(), turns.hi.floor());
        let has = |parity: f64| (first..=last).contains(&(first + (first - parity).rem_euclid(2.0)));
        Self {
            lo: if has(1.0) { -1.0 } else { down(ends.lo).max(-1.0) },
            hi: if has(0.0) { 1.0 } else { up(ends.hi).min(1.0) },
        }
    }

    /// The arc tangent.
    fn atan(self) -> Self {
        self.increasing(core_math::atan)
    }
}

impl Scalar for Interval {
    const ZERO: Self = Self { lo: 0.0, hi: 0.0 };
    const ONE: Self = Self { lo: 1.0, hi: 1.0 };

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        Self::from(x)
    }
    /// The middle.
    #[inline(always)]
    fn value(self) -> f64 {
        0.5 * self.lo + 0.5 * self.hi
    }
    #[inline(never)]
    fn scale(self, factor: f64) -> Self {
        let (a, b) = (self.lo * factor, self.hi * factor);
        // NaN, from 0 * infinity, ends as the whole line.
        let (lo, hi) = if factor < 0.0 { (b, a) } else { (a, b) };
        Self::new(down(lo), up(hi))
    }
    #[inline(never)]
    fn over(self, n: usize) -> Self {
        // Counts are far below 2^53 and hence exact.
        Self::new(down(self.lo / n as f64), up(self.hi / n as f64))
    }
    #[inline(always)]
    fn is_finite(self) -> bool {
        self.lo.is_finite() && self.hi.is_finite()
    }

    #[inline(never)]
    fn square(self) -> Self {
        let (a, b) = (self.lo.abs(), self.hi.abs());
        let (small, large) = if a < b { (a, b) } else { (b, a) };
        let lo = if self.contains(0.0) { 0.0 } else { down(small * small).max(0.0) };
        Self::new(lo, up(large * large))
    }
    /// The whole line if some of it is negative.
    #[inline(never)]
    fn sqrt(self) -> Self {
        if self.lo < 0.0 {
            return Self::ENTIRE;
        }
        Self::new(down(self.lo.sqrt()).max(0.0), up(self.hi.sqrt()))
    }
    fn exp(self) -> Self {
        Self::new(down(core_math::exp(self.lo)).max(0.0), up(core_math::exp(self.hi)))
    }
    /// The whole line if some of it is negative.
    fn ln(self) -> Self {
        if self.lo < 0.0 { Self::ENTIRE } else { self.increasing(core_math::log) }
    }
    fn sin(self) -> Self {
        self.wave(core_math::sin, 0.5)
    }
    fn cos(self) -> Self {
        self.wave(core_math::cos, 0.0)
    }
    /// On a box that meets the branch cut (x <= 0, y = 0) all angles.
    fn atan2(self, x: Self) -> Self {
        let quarter = PI.scale(0.5);
        if x.lo > 0.0 {
            (self / x).atan()
        } else if self.lo > 0.0 {
            quarter - (x / self).atan()
        } else if self.hi < 0.0 {
            -quarter - (x / self).atan()
        } else {
            Self { lo: -PI.hi, hi: PI.hi }
        }
    }
    fn tanh(self) -> Self {
        Self::new(down(core_math::tanh(self.lo)).max(-1.0), up(core_math::tanh(self.hi)).min(1.0))
    }
    fn sigmoid(self) -> Self {
        Self::new(sigmoid_down(self.lo), sigmoid_up(self.hi))
    }
    fn softplus(self) -> Self {
        Self::new(softplus_down(self.lo), softplus_up(self.hi))
    }
    fn normal_cdf(self) -> Self {
        self.normal_cdf_bounds()
    }
    fn normal_density(self) -> Self {
        self.normal_density_bounds()
    }
    #[inline(always)]
    fn abs(self) -> Self {
        if self.lo >= 0.0 {
            self
        } else if self.hi <= 0.0 {
            -self
        } else {
            Self { lo: 0.0, hi: self.magnitude() }
        }
    }
    #[inline(always)]
    fn sign(self) -> Self {
        let sign = |x: f64| if x < 0.0 { -1.0 } else { 1.0 };
        Self { lo: sign(self.lo), hi: sign(self.hi) }
    }
    #[inline(always)]
    fn relu(self) -> Self {
        Self { lo: self.lo.max(0.0), hi: self.hi.max(0.0) }
    }
    #[inline(always)]
    fn step(self) -> Self {
        let step = |x: f64| if x > 0.0 { 1.0 } else { 0.0 };
        Self { lo: step(self.lo), hi: step(self.hi) }
    }
    /// The whole line unless all of it is positive.
    fn powf(self, p: f64) -> Self {
        if !(self.lo > 0.0) || p.is_nan() {
            return Self::ENTIRE;
        }
        let power = |x: f64| core_math::pow(x, p);
        let (a, b) = (power(self.lo), power(self.hi));
        let (lo, hi) = if p >= 0.0 { (a, b) } else { (b, a) };
        Self::new(down(lo).max(0.0), up(hi))
    }
}

impl Planes for Interval {
    type Base = f64;
    const PLANES: usize = 2;
    const WIDE: bool = false;
    const ROUNDING: f64 = 0.0;

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
        Self { lo: row[b], hi: row[row.len() / 2 + b] }
    }
    #[inline(always)]
    fn store(self, row: &mut [f64], b: usize) {
        let half = row.len() / 2;
        row[b] = self.lo;
        row[half + b] = self.hi;
    }

    fn matmul(pairs: &[[Matrix<'_, f64>; 2]], c: MatrixMut<'_, f64>, store: Store) {
        interval_kernel::product(pairs, c, store, f64::matmul);
    }
    fn matmul_transposed(pairs: &[[Matrix<'_, f64>; 2]], c: MatrixMut<'_, f64>, store: Store) {
        interval_kernel::product(pairs, c, store, f64::matmul_transposed);
    }
}
