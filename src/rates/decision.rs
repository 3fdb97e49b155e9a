//! From a confidence interval for a slope to a decision about a claimed exponent.
//!
//! Both decisions read an equal-tailed interval of level 1 - 2a, each of whose ends is a one-sided confidence limit of
//! level 1 - a. So with a 90% interval every wrong "shown" has probability at most 5%.
//!
//! The margin is a slope difference that one agrees, before looking, not to care about. It stands for what separates
//! the slope in the window from the limit: lower-order terms, the transient, a logarithm. With a margin of zero,
//! nothing could ever be shown equivalent.

/// An equal-tailed confidence interval: each end is missed with probability (1 - level)/2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// The probability that the interval covers the truth.
    pub level: f64,
}

impl Interval {
    /// Whether `x` lies in the interval, ends included. NaN lies in none.
    pub fn contains(&self, x: f64) -> bool {
        self.low <= x && x <= self.high
    }

    /// The smallest interval that holds both, at the smaller of their levels; not a number wherever one of them is not.
    /// It covers at least as often as either: for few runs, a percentile bootstrap's interval is too narrow and
    /// Student's is not; for many skewed ones, only the bootstrap knows which side is longer.
    ///
    /// ```
    /// use ratecheck::rates::Interval;
    /// let (a, b) = (Interval { low: 0.0, high: 2.0, level: 0.9 }, Interval { low: -1.0, high: 1.0, level: 0.95 });
    /// let both = Interval { low: -1.0, high: 2.0, level: 0.9 };
    /// assert_eq!([a.hull(b), b.hull(a)], [both, both]);
    /// ```
    pub fn hull(self, other: Self) -> Self {
        // f64::min and max would drop a NaN.
        let least = |a: f64, b: f64| if a.is_nan() || a < b { a } else { b };
        Self {
            low: least(self.low, other.low),
            high: -least(-self.high, -other.high),
            level: least(self.level, other.level),
        }
    }

    /// Whether the ends are finite and in order: anything else decides nothing.
    fn is_proper(&self) -> bool {
        self.low.is_finite() && self.high.is_finite() && self.low <= self.high
    }
}

/// What an interval says about a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The interval lies where the claim holds.
    Shown,
    /// The interval lies where the claim fails.
    Refuted,
    /// The interval reaches into both, or is not an interval of finite numbers.
    Undecided,
}

/// The one-sided claim "no slower than T^exponent": slope <= exponent + margin.
///
/// Shown if the UPPER limit is <= exponent + margin: if the true slope is above, this happens with probability at most
/// (1 - level)/2. Refuted if the LOWER limit is > exponent + margin, with the same bound on the error. Undecided
/// otherwise. A slope far below the exponent is shown: faster is no failure.
///
/// # Panics
/// If `exponent` or `margin` is not finite, or `margin` is negative: the claim itself makes no sense.
///
/// ```
/// use ratecheck::rates::{Decision, Interval, at_most};
/// let slope = |low, high| Interval { low, high, level: 0.9 };
/// assert_eq!(at_most(slope(-0.52, -0.49), -0.5, 0.02), Decision::Shown);
/// assert_eq!(at_most(slope(-0.9, -0.8), -0.5, 0.02), Decision::Shown);
/// assert_eq!(at_most(slope(-0.40, -0.30), -0.5, 0.02), Decision::Refuted);
/// assert_eq!(at_most(slope(-0.90, -0.30), -0.5, 0.02), Decision::Undecided);
/// ```
pub fn at_most(slope: Interval, exponent: f64, margin: f64) -> Decision {
    check_claim(exponent, margin);
    let limit = exponent + margin;
    if !slope.is_proper() {
        Decision::Undecided
    } else if slope.high <= limit {
        Decision::Shown
    } else if slope.low > limit {
        Decision::Refuted
    } else {
        Decision::Undecided
    }
}

/// The two-sided claim "T^exponent, up to the margin": |slope - exponent| <= margin.
///
/// Shown if the whole interval lies in [exponent - margin, exponent + margin]. This is the two one-sided tests (TOST)
/// procedure: with an interval of level 1 - 2a, a slope outside the band is shown with probability at most a.
/// Refuted if the interval and the band have no point in common: for a slope inside the band, with probability at most
/// 2a = 1 - level. Undecided otherwise: in particular a wide interval around the exponent shows nothing, where the
/// usual test of slope = exponent would "accept".
///
/// Reference: Schuirmann, J. Pharmacokin. Biopharm. 15 (1987) 657.
///
/// # Panics
/// If `exponent` or `margin` is not finite, or `margin` is negative: the claim itself makes no sense.
///
/// ```
/// use ratecheck::rates::{Decision, Interval, equivalent};
/// let slope = |low, high| Interval { low, high, level: 0.9 };
/// assert_eq!(equivalent(slope(-0.51, -0.49), -0.5, 0.02), Decision::Shown);
/// assert_eq!(equivalent(slope(-0.90, -0.80), -0.5, 0.02), Decision::Refuted);
/// assert_eq!(equivalent(slope(-0.90, -0.10), -0.5, 0.02), Decision::Undecided);
/// ```
pub fn equivalent(slope: Interval, exponent: f64, margin: f64) -> Decision {
    check_claim(exponent, margin);
    let (bottom, top) = (exponent - margin, exponent + margin);
    if !slope.is_proper() {
        Decision::Undecided
    } else if bottom <= slope.low && slope.high <= top {
        Decision::Shown
    } else if slope.high < bottom || top < slope.low {
        Decision::Refuted
    } else {
        Decision::Undecided
    }
}

fn check_claim(exponent: f64, margin: f64) {
    assert!(exponent.is_finite(), "claimed exponent {exponent} is not finite");
    assert!(margin.is_finite() && margin >= 0.0, "margin {margin} is not a finite number >= 0");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slope(low: f64, high: f64) -> Interval {
        Interval { low, high, level: 0.9 }
    }

    // Binary fractions, so that exponent +- margin is exact and the ends of the band can be hit exactly.
    const EXPONENT: f64 = -0.5;
    const MARGIN: f64 = 0.125;
    const TINY: f64 = f64::EPSILON;

    #[test]
    fn at_most_changes_exactly_at_its_limit() {
        let decide = |low, high| at_most(slope(low, high), EXPONENT, MARGIN);
        assert_eq!(decide(-0.5, -0.375), Decision::Shown);
        assert_eq!(decide(-0.5, -0.375 + TINY), Decision::Undecided);
        assert_eq!(decide(-0.375, -0.25), Decision::Undecided);
        assert_eq!(decide(-0.375 + TINY, -0.25), Decision::Refuted);
        assert_eq!(decide(-9.0, -8.0), Decision::Shown);
    }

    #[test]
    fn equivalent_changes_exactly_at_both_ends() {
        let decide = |low, high| equivalent(slope(low, high), EXPONENT, MARGIN);
        assert_eq!(decide(-0.625, -0.375), Decision::Shown);
        assert_eq!(decide(-0.625, -0.375 + TINY), Decision::Undecided);
        assert_eq!(decide(-0.625 - TINY, -0.375), Decision::Undecided);
        assert_eq!(decide(-0.375, -0.25), Decision::Undecided);
        assert_eq!(decide(-0.375 + TINY, -0.25), Decision::Refuted);
        assert_eq!(decide(-0.75, -0.625), Decision::Undecided);
        assert_eq!(decide(-0.75, -0.625 - TINY), Decision::Refuted);
        assert_eq!(decide(-9.0, 9.0), Decision::Undecided);
    }

    #[test]
    fn what_is_not_an_interval_decides_nothing() {
        let bad = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        for decide in [at_most, equivalent] {
            for x in bad {
                for interval in [slope(x, -0.5), slope(-0.5, x), slope(x, x), slope(x, 9.0), slope(-9.0, x)] {
                    assert_eq!(decide(interval, EXPONENT, MARGIN), Decision::Undecided, "{interval:?}");
                }
            }
            assert_eq!(decide(slope(-0.4, -0.6), EXPONENT, MARGIN), Decision::Undecided);
        }
    }

    #[test]
    fn a_claim_without_meaning_is_refused() {
        for decide in [at_most, equivalent] {
            for (exponent, margin) in [(f64::NAN, 0.1), (f64::INFINITY, 0.1), (-0.5, f64::NAN), (-0.5, -0.1)] {
                let outcome = std::panic::catch_unwind(|| decide(slope(-0.5, -0.5), exponent, margin));
                assert!(outcome.is_err(), "{exponent} {margin}");
            }
        }
    }
}
