//! The tightest of many comparisons: a run is compared at every step, and one comparison of it is recorded.

use ratecheck::scalar::DoubleDouble;

use crate::claim::evidence::{Check, Inequality};
use crate::claim::replay::Sides;

/// The comparison `lhs <= rhs` that had the least room, and the step it was made at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closest {
    room: f64,
    /// The step.
    pub(crate) t: u64,
    /// The measured side.
    pub(crate) lhs: f64,
    /// The bound.
    pub(crate) rhs: f64,
    /// What room is relative to, and what rounding is.
    scale: f64,
    size: f64,
}

impl Closest {
    /// Nothing compared yet; recording it is an error, since its sides are not numbers.
    pub(crate) const NONE: Self =
        Self { room: f64::INFINITY, t: 0, lhs: f64::NAN, rhs: f64::NAN, scale: f64::NAN, size: f64::NAN };

    /// Takes a comparison into account; its room is relative to the larger side.
    pub(crate) fn keep(&mut self, t: u64, lhs: f64, rhs: f64) {
        self.keep_scaled(t, lhs, rhs, lhs.abs().max(rhs.abs()));
    }

    /// The same with the scale given to which room and rounding are relative. Says whether it is the closest so far.
    pub(crate) fn keep_scaled(&mut self, t: u64, lhs: f64, rhs: f64, scale: f64) -> bool {
        self.keep_sized(t, [lhs, rhs], scale, scale)
    }

    /// The same where the bound allows a change by `allowed` of something larger: the room is relative to what may
    /// change, so that a quantity that has hardly changed is far from its bound; rounding is relative to the larger
    /// side.
    pub(crate) fn keep_change(&mut self, t: u64, lhs: f64, rhs: f64, allowed: f64) {
        let size = lhs.abs().max(rhs.abs());
        // What is allowed may be below the rounding of the sides.
        self.keep_sized(t, [lhs, rhs], if allowed > 0.0 { allowed } else { size }, size);
    }

    /// A NaN replaces whatever was there, and stays.
    fn keep_sized(&mut self, t: u64, [lhs, rhs]: [f64; 2], scale: f64, size: f64) -> bool {
        let room = match (lhs.is_finite() && rhs.is_finite(), lhs == rhs) {
            (false, _) => f64::NAN,
            (true, true) => 0.0,
            (true, false) => (rhs - lhs) / scale,
        };
        let closer = !(room >= self.room) && !self.room.is_nan();
        if closer {
            *self = Self { room, t, lhs, rhs, scale, size };
        }
        closer
    }

    /// Records it at `at`, with room for a rounding relative to the size.
    pub(crate) fn record(&self, check: &mut Check, at: &str, rounding: f64) {
        self.replayed(check, at, rounding, |_| None);
    }

    /// The same with a replay of both sides at the step that is given.
    pub(crate) fn replayed(
        &self,
        check: &mut Check,
        at: &str,
        rounding: f64,
        replay: impl FnOnce(u64) -> Option<[DoubleDouble; 2]>,
    ) {
        let at = format!("{at}, T = {}", self.t);
        let rounding = rounding * self.size;
        let replay = || replay(self.t).map(|[lhs, rhs]| Sides::counted(lhs, rhs, rounding));
        let Self { lhs, rhs, scale, .. } = *self;
        check.replayed(at, Inequality { lhs, rhs, rounding, scale: scale.max(rounding) }, replay);
    }

    /// lhs/rhs.
    pub(crate) fn ratio(&self) -> f64 {
        self.lhs / self.rhs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::evidence::Verdict;

    #[test]
    fn a_change_is_compared_with_what_is_allowed() {
        let mut closest = Closest::NONE;
        closest.keep_change(1, 1.0 + 2e-9, 1.0 + 8e-9, 8e-9);
        let mut check = Check::new();
        closest.record(&mut check, "x", 1e-15);
        // 2 of 8 are used; the subtraction of numbers near 1 leaves 1e-16/8e-9.
        assert!(check.worst().is_some_and(|worst| (worst.margin - 0.75).abs() < 1e-7));
    }

    #[test]
    fn the_least_room_is_kept_and_nan_stays() {
        let mut closest = Closest::NONE;
        for (t, lhs) in [(1, 0.5), (2, 0.9), (3, 0.1)] {
            closest.keep(t, lhs, 1.0);
        }
        assert_eq!((closest.t, closest.lhs, closest.rhs), (2, 0.9, 1.0));
        closest.keep(4, f64::NAN, 1.0);
        closest.keep(5, 2.0, 1.0);
        assert!(closest.lhs.is_nan());
        for bad in [closest, Closest::NONE] {
            let mut check = Check::new();
            bad.record(&mut check, "x", 0.0);
            assert!(matches!(check.verdict(), Verdict::Error { .. }));
        }
    }
}
