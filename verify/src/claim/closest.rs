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
    scale: f64,
}

impl Closest {
    /// Nothing compared yet; recording it is an error, since its sides are not numbers.
    pub(crate) const NONE: Self = Self { room: f64::INFINITY, t: 0, lhs: f64::NAN, rhs: f64::NAN, scale: f64::NAN };

    /// Takes a comparison into account; its room is relative to the larger side.
    pub(crate) fn keep(&mut self, t: u64, lhs: f64, rhs: f64) {
        self.keep_scaled(t, lhs, rhs, lhs.abs().max(rhs.abs()));
    }

    /// The same with the scale given to which room and rounding are relative. A NaN replaces whatever was there,
    /// and stays.
    pub(crate) fn keep_scaled(&mut self, t: u64, lhs: f64, rhs: f64, scale: f64) {
        let room = match (lhs.is_finite() && rhs.is_finite(), lhs == rhs) {
            (false, _) => f64::NAN,
            (true, true) => 0.0,
            (true, false) => (rhs - lhs) / scale,
        };
        if !(room >= self.room) && !self.room.is_nan() {
            *self = Self { room, t, lhs, rhs, scale };
        }
    }

    /// Records it at `at`, with room for a rounding relative to the scale.
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
        let rounding = rounding * self.scale;
        let replay = || replay(self.t).map(|[lhs, rhs]| Sides::counted(lhs, rhs, rounding));
        check.replayed(at, Inequality { lhs: self.lhs, rhs: self.rhs, rounding, scale: self.scale }, replay);
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
