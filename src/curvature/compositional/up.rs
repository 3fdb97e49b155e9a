//! Numbers that are rounded up.

use std::iter::Sum;
use std::ops::{Add, Mul};

/// A number >= 0 that is at least the exact result of the operations it comes from.
///
/// An IEEE operation returns one of the two doubles next to the exact result, so that the double above what it returns
/// is never below it. A bound written with these operations, all of which grow with their operands, is therefore a
/// bound in floating point too. Exact zeros stay zero; a result beyond the largest double is infinite.
///
/// This is the upper end of an [`Interval`](crate::scalar::Interval) for numbers of one sign, except that a bound of 0
/// (of two parameters that do not meet) stays exact.
///
/// ```
/// use ratecheck::curvature::Up;
/// let third = Up::new(1.0).over(3.0);
/// assert!(third.value() > 1.0 / 3.0 && third.value() < 1.0 / 3.0 + 1e-16);
/// assert_eq!(Up::new(0.0) * third + Up::new(2.0), Up::new(2.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Up(f64);

impl Up {
    /// 0.
    pub const ZERO: Self = Self(0.0);

    /// The number itself.
    ///
    /// # Panics
    /// If it is negative or not a number.
    pub fn new(x: f64) -> Self {
        assert!(x >= 0.0, "{x} is not a number >= 0");
        Self(x)
    }

    /// The double.
    pub fn value(self) -> f64 {
        self.0
    }

    /// self / divisor, where the divisor is exact or rounded down.
    ///
    /// # Panics
    /// If the divisor is not positive.
    #[must_use]
    pub fn over(self, divisor: f64) -> Self {
        assert!(divisor > 0.0, "division of a bound by {divisor}");
        if self.0 == 0.0 { Self::ZERO } else { Self((self.0 / divisor).next_up()) }
    }

    /// The square root.
    #[must_use]
    pub fn sqrt(self) -> Self {
        if self.0 == 0.0 { Self::ZERO } else { Self(self.0.sqrt().next_up()) }
    }

    /// The square.
    #[must_use]
    pub fn square(self) -> Self {
        self * self
    }

    /// The smaller of two bounds of the same number.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        if other.0 < self.0 { other } else { self }
    }

    /// The larger of two bounds.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        if other.0 > self.0 { other } else { self }
    }
}

impl Add for Up {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        if self.0 == 0.0 {
            other
        } else if other.0 == 0.0 {
            self
        } else {
            Self((self.0 + other.0).next_up())
        }
    }
}

impl Mul for Up {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        if self.0 == 0.0 || other.0 == 0.0 { Self::ZERO } else { Self((self.0 * other.0).next_up()) }
    }
}

impl Sum for Up {
    fn sum<I: Iterator<Item = Self>>(terms: I) -> Self {
        terms.fold(Self::ZERO, Add::add)
    }
}
