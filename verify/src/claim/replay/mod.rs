//! Floating point or theorem? What is decided by less than the rounding of `f64` is recomputed with 30 digits before
//! the verdict falls.
//!
//! A comparison `lhs <= rhs + rounding` whose sides differ by no more than `rounding` says nothing: they agree as far
//! as `f64` can tell, and it is chance on which side of each other they fell. Its replay recomputes both sides in
//! [`DoubleDouble`] from the same `f64` inputs, which are exact, or runs the same path from the same start. Such a path
//! is another orbit, close to that of `f64`; a statement about every orbit may be checked on either.
//!
//! **Rounding.** Claims derive theirs by counting operations, each off by u = 2^-53 relative to its result. In
//! double-double each is off by [`DoubleDouble::UNIT`], so the same count holds with that unit: the rounding is
//! [`UNITS`] = 2^-45 times as large.

mod recursion;

use ratecheck::scalar::{DoubleDouble, Scalar};
use serde::{Deserialize, Serialize};

pub(crate) use recursion::Recursion;

use crate::claim::instances::U;

/// The rounding of double-double over that of `f64`.
pub const UNITS: f64 = DoubleDouble::UNIT / U;

/// Both sides in double-double.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sides {
    /// The measured side.
    pub lhs: DoubleDouble,
    /// The bound.
    pub rhs: DoubleDouble,
    /// What both can be off by, together.
    pub rounding: f64,
}

/// What a replay shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The measured side is below the bound by more than rounding.
    Holds,
    /// Both sides agree, as far as the replay can tell.
    Equal,
    /// The measured side is above the bound by more than rounding: the statement is false here.
    Violated,
}

/// What a replay found.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    /// Holds, equal or violated.
    pub finding: Finding,
    /// lhs - rhs.
    #[serde(with = "crate::text::real")]
    pub excess: f64,
    /// What `excess` can be off by.
    #[serde(with = "crate::text::real")]
    pub rounding: f64,
    /// To how many digits both sides are certain to agree, counted from the scale to which the margin is relative.
    pub digits: u32,
}

impl Sides {
    /// Two sides that were computed by the operations to which `f64` would owe `rounding`.
    pub fn counted(lhs: DoubleDouble, rhs: DoubleDouble, rounding: f64) -> Self {
        Self { lhs, rhs, rounding: UNITS * rounding }
    }

    /// Compares them; `scale` is that of the margin. What is not a number is found violated, and its excess not finite.
    pub fn judge(self, scale: f64) -> Replay {
        let Self { lhs, rhs, rounding } = self;
        let excess = (lhs - rhs).value();
        let finding = if excess < -rounding {
            Finding::Holds
        } else if excess <= rounding {
            Finding::Equal
        } else {
            Finding::Violated
        };
        let apart = (excess.abs() + rounding) / scale;
        // A cast takes what is negative or no number to 0; 31 digits are all there are.
        let digits = (-libm::log10(apart)).floor().min(31.0) as u32;
        Replay { finding, excess, rounding, digits }
    }
}

impl Replay {
    /// The margin that the replay found: 0 where both sides agree.
    pub fn margin(self, scale: f64) -> f64 {
        match self.finding {
            Finding::Equal => 0.0,
            _ if scale > 0.0 => -self.excess / scale,
            _ => 0.0,
        }
    }
}

/// Comparisons whose sides differ by no more than the rounding of `f64`, by what their replays found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NearFailures {
    /// Hold by more than the rounding of the replay.
    pub holds: u64,
    /// Equalities, as far as the replay can tell.
    pub equal: u64,
    /// The fewest digits to which those agree.
    pub digits: Option<u32>,
    /// False.
    pub violated: u64,
    /// Not replayed: within rounding, and no more is known.
    pub not_replayed: u64,
}

impl NearFailures {
    /// All of them.
    pub fn total(self) -> u64 {
        self.holds + self.equal + self.violated + self.not_replayed
    }

    /// Counts one.
    pub(crate) fn count(&mut self, replay: Option<Replay>) {
        match replay {
            None => self.not_replayed += 1,
            Some(Replay { finding: Finding::Holds, .. }) => self.holds += 1,
            Some(Replay { finding: Finding::Violated, .. }) => self.violated += 1,
            Some(Replay { finding: Finding::Equal, digits, .. }) => {
                self.equal += 1;
                // Where what grows has not grown at all, there is no scale to count digits from.
                if digits == 0 {
                    return;
                }
                self.digits = Some(self.digits.map_or(digits, |fewest| fewest.min(digits)));
            }
        }
    }

    /// Adds others.
    pub(crate) fn add(&mut self, other: Self) {
        self.holds += other.holds;
        self.equal += other.equal;
        self.digits = [self.digits, other.digits].into_iter().flatten().min();
        self.violated += other.violated;
        self.not_replayed += other.not_replayed;
    }

    /// One sentence; nothing if there are none. Digits are counted from the scale of the margin.
    pub fn sentence(self) -> Option<String> {
        if self.total() == 0 {
            return None;
        }
        let mut parts = Vec::new();
        let mut part = |n: u64, what: String| {
            if n > 0 {
                parts.push(format!("{n} {what}"));
            }
        };
        let be = |n: u64, one: &str, many: &str| if n == 1 { one.to_owned() } else { many.to_owned() };
        let to = self.digits.map_or_else(String::new, |digits| format!(" to at least {digits} digits"));
        part(self.violated, be(self.violated, "is violated, and fails", "are violated, and fail"));
        part(self.holds, be(self.holds, "holds by more than rounding", "hold by more than rounding"));
        part(self.equal, be(self.equal, "is an equality", "are equalities") + &to);
        part(self.not_replayed, be(self.not_replayed, "was not replayed", "were not replayed"));
        let total = self.total();
        Some(format!(
            "{total} {} by no more than the rounding of f64; replayed in double-double, {}.",
            be(total, "comparison differs", "comparisons differ"),
            parts.join(", ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::evidence::{Check, Inequality, Verdict};

    /// x (x - 1) <= bound for x = 1 + 2^-40: in f64 the left side has lost what tells it from the right one.
    fn near(bound: impl Fn(DoubleDouble) -> DoubleDouble) -> Check {
        let x = DoubleDouble::from(1.0 + 2.0_f64.powi(-40));
        let lhs = x * (x - DoubleDouble::ONE);
        let rhs = bound(lhs);
        let rounding = 4.0 * U * lhs.value();
        let mut check = Check::new();
        // As f64 might have rounded them: the wrong way round.
        let replay = || Some(Sides::counted(lhs, rhs, rounding));
        let lhs = lhs.value();
        check.replayed("x", Inequality { lhs, rhs: lhs - rounding / 2.0, rounding, scale: lhs }, replay);
        check
    }

    #[test]
    fn an_inequality_false_by_a_thousandth_of_the_rounding_is_caught() {
        let off = |part: f64| near(move |lhs| lhs - DoubleDouble::from(part * 4.0 * U * lhs.value()));
        let false_by_little = off(1e-3);
        assert!(matches!(false_by_little.verdict(), Verdict::Fails { .. }));
        assert_eq!(false_by_little.near_failures().violated, 1);
        assert_eq!(false_by_little.worst().and_then(|w| w.replay).map(|r| r.finding), Some(Finding::Violated));
        // True by as little.
        let true_by_little = off(-1e-3);
        assert_eq!((true_by_little.verdict(), true_by_little.near_failures().holds), (Verdict::Holds, 1));
        let equal = near(|lhs| lhs);
        assert_eq!((equal.verdict(), equal.near_failures().equal), (Verdict::Holds, 1));
        assert_eq!(equal.near_failures().digits, Some(28));
    }

    /// `lhs` against 1.
    fn below_one(lhs: f64, rounding: f64) -> Inequality {
        Inequality { lhs, rhs: 1.0, rounding, scale: 1.0 }
    }

    #[test]
    fn replays_run_only_where_f64_cannot_tell() {
        let mut check = Check::new();
        check.replayed("holds", below_one(0.9, 1e-15), || unreachable!());
        check.replayed("above within rounding", below_one(1.0 + 1e-15, 1e-14), || None);
        check.replayed("below within rounding", below_one(1.0 - 1e-15, 1e-14), || None);
        assert_eq!((check.verdict(), check.near_failures().not_replayed), (Verdict::Holds, 2));
        check.replayed("fails", below_one(1.1, 1e-15), || unreachable!());
        assert!(matches!(check.verdict(), Verdict::Fails { .. }));
    }

    #[test]
    fn a_false_inequality_that_f64_rounds_to_the_right_side_is_caught() {
        let one = DoubleDouble::ONE;
        let sides = |excess: f64| Some(Sides::counted(one + DoubleDouble::from(excess), one, 1e-14));
        let found = |excess: f64| {
            let mut check = Check::new();
            check.replayed("x", below_one(1.0 - 1e-15, 1e-14), || sides(excess));
            check
        };
        assert!(matches!(found(1e-20).verdict(), Verdict::Fails { .. }));
        // The margin is that of the replay, not the 1e-15 of f64.
        let margin = |excess: f64| found(excess).worst().map(|worst| worst.margin);
        assert_eq!(margin(-1e-20), Some(1e-20));
        assert_eq!(margin(0.0), Some(0.0));
    }

    #[test]
    fn what_is_not_finite_is_an_error() {
        let mut check = Check::new();
        let nan = DoubleDouble::from(f64::NAN);
        check.replayed("x", below_one(1.0 + 1e-15, 1e-14), || Some(Sides::counted(nan, nan, 1e-14)));
        assert!(matches!(check.verdict(), Verdict::Error { .. }));
    }

    #[test]
    fn a_bracket_whose_lower_end_is_violated_decides_nothing() {
        let one = DoubleDouble::ONE;
        let mut check = Check::new();
        let replay = || Some(Sides::counted(one + DoubleDouble::from(1e-20), one, 1e-14));
        check.bracketed("x", below_one(1.0 + 1e-15, 1e-14), 2.0, replay);
        assert!(matches!(check.verdict(), Verdict::Inconclusive { .. }));
    }

    #[test]
    fn sentences() {
        assert_eq!(NearFailures::default().sentence(), None);
        let mut near = NearFailures { holds: 2, equal: 1, digits: Some(29), violated: 0, not_replayed: 1 };
        assert_eq!(
            near.sentence().unwrap_or_default(),
            "4 comparisons differ by no more than the rounding of f64; replayed in double-double, 2 hold by more than \
             rounding, 1 is an equality to at least 29 digits, 1 was not replayed."
        );
        near.add(NearFailures { violated: 3, ..NearFailures::default() });
        assert!(near.sentence().is_some_and(|s| s.contains("3 are violated, and fail")));
    }
}
