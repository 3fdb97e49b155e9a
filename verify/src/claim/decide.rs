//! From a confidence interval to a comparison: shown, refuted, or undecided.
//!
//! What is compared with the bound is the end of the interval that decides: the farther one where the claim is shown,
//! the nearer one where it is refuted. An interval that reaches into both leaves the check undecided, never passed.

use ratecheck::rates::{Decision, Interval, at_most, equivalent};

use crate::claim::evidence::{Check, Soundness};

/// The number in the interval is at most `bound`; the margin is relative to `scale`.
pub(crate) fn below(check: &mut Check, at: impl Into<String>, interval: Interval, bound: f64, scale: f64) {
    check.take_risk(1.0 - interval.level);
    let at = at.into();
    match at_most(interval, bound, 0.0) {
        Decision::Shown => check.compare(at, interval.high, bound, 0.0, scale, Soundness::Proved),
        Decision::Refuted => check.compare(at, interval.low, bound, 0.0, scale, Soundness::Proved),
        Decision::Undecided => check.undecided(format!("{at}: {} against {bound:.4e}", shown(interval))),
    }
}

/// The number in the interval is within `margin` of `target`.
pub(crate) fn near(check: &mut Check, at: impl Into<String>, interval: Interval, target: f64, margin: f64) {
    check.take_risk(1.0 - interval.level);
    let at = at.into();
    let ends = [(interval.low - target).abs(), (interval.high - target).abs()];
    match equivalent(interval, target, margin) {
        Decision::Shown => check.identity(at, ends[0].max(ends[1]), margin),
        Decision::Refuted => check.identity(at, ends[0].min(ends[1]), margin),
        Decision::Undecided => check.undecided(format!("{at}: {} against {target:.4} ± {margin}", shown(interval))),
    }
}

fn shown(interval: Interval) -> String {
    format!("the interval [{:.4e}, {:.4e}]", interval.low, interval.high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::evidence::Verdict;

    fn interval(low: f64, high: f64) -> Interval {
        Interval { low, high, level: 0.9 }
    }

    fn verdict(decide: impl Fn(&mut Check)) -> Verdict {
        let mut check = Check::new();
        decide(&mut check);
        check.verdict()
    }

    #[test]
    fn the_whole_interval_decides() {
        assert_eq!(verdict(|c| below(c, "x", interval(1.0, 2.0), 2.0, 1.0)), Verdict::Holds);
        assert!(matches!(verdict(|c| below(c, "x", interval(3.0, 4.0), 2.0, 1.0)), Verdict::Fails { .. }));
        assert!(matches!(verdict(|c| below(c, "x", interval(1.0, 4.0), 2.0, 1.0)), Verdict::Inconclusive { .. }));
        assert_eq!(verdict(|c| near(c, "x", interval(1.5, 2.0), 1.0, 1.0)), Verdict::Holds);
        assert!(matches!(verdict(|c| near(c, "x", interval(3.0, 4.0), 1.0, 1.0)), Verdict::Fails { .. }));
        assert!(matches!(verdict(|c| near(c, "x", interval(1.0, 3.0), 1.0, 1.0)), Verdict::Inconclusive { .. }));
    }

    #[test]
    fn every_decision_is_paid_for() {
        let mut check = Check::new();
        below(&mut check, "x", interval(1.0, 2.0), 2.0, 1.0);
        near(&mut check, "x", interval(1.0, 3.0), 1.0, 1.0);
        // Level 0.9, twice, with some roundings.
        assert!((check.risk() - 0.2).abs() < 1e-15);
        check.merge(check.clone());
        assert!((check.risk() - 0.4).abs() < 1e-15);
    }

    #[test]
    fn no_number_shows_nothing() {
        for bad in [interval(f64::NAN, 1.0), interval(0.0, f64::NAN)] {
            assert!(!matches!(verdict(|c| below(c, "x", bad, 2.0, 1.0)), Verdict::Holds));
            assert!(!matches!(verdict(|c| near(c, "x", bad, 1.0, 9.0)), Verdict::Holds));
        }
    }
}
