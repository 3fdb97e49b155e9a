//! One comparison, and the tally of those of one instance.

use serde::{Deserialize, Serialize};

use crate::claim::replay::{Finding, NearFailures, Replay, Sides};

/// `lhs <= rhs + rounding`, before it is compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inequality {
    /// The measured side.
    pub lhs: f64,
    /// The bound.
    pub rhs: f64,
    /// Room for rounding, on top of `rhs`.
    pub rounding: f64,
    /// What the margin is relative to: mostly the larger side.
    pub scale: f64,
}

impl Inequality {
    /// The comparison at a place. Where both sides are zero it holds with nothing to spare.
    pub(super) fn at(self, at: String) -> Comparison {
        let Self { lhs, rhs, rounding, scale } = self;
        let margin = if scale > 0.0 { (rhs - lhs) / scale } else { 0.0 };
        Comparison { at, lhs, rhs, rounding, margin, replay: None }
    }
}

/// One comparison `lhs <= rhs + rounding`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Where it was made: instance, step, block.
    pub at: String,
    /// The measured side.
    #[serde(with = "crate::text::real")]
    pub lhs: f64,
    /// The bound, or the tolerance of an identity.
    #[serde(with = "crate::text::real")]
    pub rhs: f64,
    /// Room for rounding, on top of `rhs`.
    #[serde(with = "crate::text::real")]
    pub rounding: f64,
    /// (rhs - lhs) / scale: 0 is the edge, negative has failed by more than nothing.
    #[serde(with = "crate::text::real")]
    pub margin: f64,
    /// What higher precision says, where `lhs` and `rhs` differ by no more than `rounding`; `margin` is then what it
    /// found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
}

/// What a comparison is to its claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The claim's own statement: its margin is the claim's.
    #[default]
    Own,
    /// An inequality of the proof, or a part of the statement that is nearly an equality by construction. It has to
    /// hold like any other, but how near its sides are says nothing of the claim.
    Link,
}

impl Part {
    /// Whether it is the claim's own.
    pub fn is_own(&self) -> bool {
        *self == Self::Own
    }
}

/// The tally of one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// What its comparisons are to the claim.
    pub part: Part,
    /// Comparisons made.
    pub count: u64,
    /// Comparisons that failed.
    pub failures: u64,
    /// Those whose sides differ by no more than the rounding of `f64`, and what their replays found.
    pub near: NearFailures,
    /// The comparison with the smallest margin.
    pub worst: Comparison,
}

impl Comparison {
    /// Whether lhs <= rhs + rounding is false, or cannot be said, or lhs <= rhs was found false in higher precision.
    pub(super) fn fails(&self) -> bool {
        !(self.lhs <= self.rhs + self.rounding) || self.replay.is_some_and(|r| r.finding == Finding::Violated)
    }

    /// Whether `f64` cannot tell which side is larger.
    fn is_near(&self) -> bool {
        let Self { lhs, rhs, rounding, .. } = self;
        *rounding > 0.0 && *lhs <= rhs + rounding && *rhs <= lhs + rounding
    }

    /// Replays it if it is near.
    pub(super) fn replayed(mut self, scale: f64, replay: impl FnOnce() -> Option<Sides>) -> Self {
        if self.is_near() {
            self.replay = replay().map(|sides| sides.judge(scale));
            self.margin = self.replay.map_or(self.margin, |found| found.margin(scale));
        }
        self
    }

    /// One sentence on a failure.
    pub(super) fn failure(&self) -> String {
        let Self { at, lhs, rhs, .. } = self;
        match self.replay {
            Some(Replay { excess, rounding, .. }) => format!(
                "{at}: {lhs:.6e} exceeds {rhs:.6e}; f64 cannot tell, but in double-double it does so by {excess:.3e}, \
                 where rounding is at most {rounding:.3e}"
            ),
            None => format!("{at}: {lhs:.6e} exceeds {rhs:.6e}"),
        }
    }
}

impl Tally {
    /// The tally of one comparison.
    pub(super) fn of(worst: Comparison) -> Self {
        let mut near = NearFailures::default();
        if worst.is_near() {
            near.count(worst.replay);
        }
        Self { part: Part::Own, count: 1, failures: u64::from(worst.fails()), near, worst }
    }

    /// Adds what another one found.
    pub(super) fn add(&mut self, other: Self) {
        self.count += other.count;
        self.failures += other.failures;
        self.near.add(other.near);
        self.keep_worse(other.worst);
    }

    /// A failure is worse than any comparison that holds; otherwise the smaller margin is.
    fn keep_worse(&mut self, other: Comparison) {
        if (other.fails(), -other.margin) > (self.worst.fails(), -self.worst.margin) {
            self.worst = other;
        }
    }
}
