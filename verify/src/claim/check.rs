//! What was compared, and the verdict that follows.
//!
//! [`Check`] accumulates comparisons `lhs <= rhs` and keeps their number, the tightest one and every failure; [`Verdict`] is derived
//! from it. A comparison that fails by no more than the rounding of `f64` is replayed in higher precision, if the claim says how
//! ([`crate::claim::replay`]): what the replay finds false has failed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::claim::replay::{Finding, NearFailures, Replay, Sides};

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
    /// What higher precision says, where `lhs` is above `rhs` by no more than `rounding`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
}

/// Whether a hypothesis of the statement is met by the instance it was checked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Verified, or true by construction.
    Met,
    /// Cannot be verified here (a sampled constant stands in for the true one).
    Assumed,
    /// Violated: nothing can be concluded.
    NotMet,
}

/// A hypothesis, with what was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hypothesis {
    /// In words.
    pub name: String,
    /// Met, assumed or not met.
    pub standing: Standing,
    /// The figures.
    pub detail: String,
}

/// The tally of one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Comparisons made.
    pub count: u64,
    /// Comparisons that failed.
    pub failures: u64,
    /// Those that failed by no more than the rounding of `f64`, and what their replays found.
    pub near: NearFailures,
    /// The comparison with the smallest margin.
    pub worst: Comparison,
}

impl Comparison {
    /// Whether lhs <= rhs + rounding is false, or cannot be said, or lhs <= rhs was found false in higher precision.
    fn fails(&self) -> bool {
        !(self.lhs <= self.rhs + self.rounding) || self.replay.is_some_and(|r| r.finding == Finding::Violated)
    }

    /// Whether it holds only thanks to the room for rounding.
    fn is_near_failure(&self) -> bool {
        self.lhs > self.rhs && self.lhs <= self.rhs + self.rounding
    }

    /// One sentence on a failure.
    fn failure(&self) -> String {
        let Self { at, lhs, rhs, .. } = self;
        match self.replay {
            Some(Replay { excess, rounding, .. }) => format!(
                "{at}: {lhs:.6e} exceeds {rhs:.6e}; f64 cannot tell, but in double-double it does so by {excess:.3e}, where rounding is at most {rounding:.3e}"
            ),
            None => format!("{at}: {lhs:.6e} exceeds {rhs:.6e}"),
        }
    }
}

impl Tally {
    /// The tally of one comparison.
    fn of(worst: Comparison) -> Self {
        let mut near = NearFailures::default();
        if worst.is_near_failure() {
            near.count(worst.replay);
        }
        Self { count: 1, failures: u64::from(worst.fails()), near, worst }
    }

    /// Adds what another one found.
    fn add(&mut self, other: Self) {
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

/// How sound the right-hand side of a comparison is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Soundness {
    /// The right-hand side is exact, or proved to be at least the true one.
    Proved,
    /// It contains a constant found by search, which is at most the true one: a pass is sound, a failure decides nothing.
    Sampled,
}

/// lhs <= rhs + rounding, with the margin relative to `scale`. Where both sides are zero it holds with nothing to spare.
fn comparison(at: String, [lhs, rhs, rounding, scale]: [f64; 4]) -> Comparison {
    let margin = if scale > 0.0 { (rhs - lhs) / scale } else { 0.0 };
    Comparison { at, lhs, rhs, rounding, margin, replay: None }
}

/// Accumulates comparisons; the verdict is derived from it.
///
/// ```
/// use ratecheck_verify::claim::evidence::{Check, Verdict};
/// let mut check = Check::new();
/// assert!(matches!(check.verdict(), Verdict::Inconclusive { .. })); // nothing was compared
/// check.identity("example", 1e-16, 1e-15);
/// assert_eq!(check.verdict(), Verdict::Holds);
/// check.identity("example", f64::NAN, 1e-15);
/// assert!(matches!(check.verdict(), Verdict::Error { .. }));        // NaN never passes
/// ```
#[derive(Clone, Debug, Default)]
pub struct Check {
    instances: BTreeMap<String, Tally>,
    order: Vec<String>,
    hypotheses: Vec<Hypothesis>,
    undecided: Option<String>,
    non_finite: Option<String>,
    risk: f64,
}

impl Check {
    /// Nothing compared yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// An identity: `error <= tolerance`; the margin is the unused fraction of the tolerance.
    pub fn identity(&mut self, at: impl Into<String>, error: f64, tolerance: f64) {
        self.compare(at, error, tolerance, 0.0, tolerance, Soundness::Proved);
    }

    /// An identity that holds bit for bit: `got == expected`, with no tolerance at all. The margin is 1, or -1 if it fails.
    pub fn exactly(&mut self, at: impl Into<String>, got: f64, expected: f64) {
        let margin = if got == expected { 1.0 } else { -1.0 };
        let lhs = (got - expected).abs();
        self.record(
            Comparison { at: at.into(), lhs, rhs: 0.0, rounding: 0.0, margin, replay: None },
            Soundness::Proved,
        );
    }

    /// A bound: `lhs <= rhs + rounding`; the margin is relative to the larger side.
    pub fn at_most(&mut self, at: impl Into<String>, lhs: f64, rhs: f64, rounding: f64) {
        self.compare(at, lhs, rhs, rounding, lhs.abs().max(rhs.abs()), Soundness::Proved);
    }

    /// A bound whose right-hand side may contain sampled constants, with the scale of the margin given.
    pub fn compare(
        &mut self,
        at: impl Into<String>,
        lhs: f64,
        rhs: f64,
        rounding: f64,
        scale: f64,
        soundness: Soundness,
    ) {
        self.record(comparison(at.into(), [lhs, rhs, rounding, scale]), soundness);
    }

    /// A bound that is replayed where it fails by no more than its rounding: `replay` recomputes both sides from the same inputs in
    /// higher precision, or says that it cannot. What it finds false fails.
    pub fn replayed(
        &mut self,
        at: impl Into<String>,
        [lhs, rhs, rounding, scale]: [f64; 4],
        replay: impl FnOnce() -> Option<Sides>,
    ) {
        let mut comparison = comparison(at.into(), [lhs, rhs, rounding, scale]);
        if comparison.is_near_failure() {
            comparison.replay = replay().map(|sides| sides.judge(scale));
        }
        self.record(comparison, Soundness::Proved);
    }

    /// A bound made of constants of which only a bracket is known: `rhs` is the bound with the constants that make it smallest, and
    /// with those that make it largest. What holds for the first holds for the true ones; what fails for the second is false;
    /// between them nothing is decided. `replay` is of the smallest bound.
    pub fn bracketed(
        &mut self,
        at: impl Into<String>,
        lhs: f64,
        rhs: [f64; 2],
        [rounding, scale]: [f64; 2],
        replay: impl FnOnce() -> Option<Sides>,
    ) {
        let (at, [least, most]) = (at.into(), rhs);
        let between = || format!("{at}: {lhs:.3e} lies between {least:.3e} and {most:.3e}, what the constants allow");
        if lhs > least + rounding && lhs <= most + rounding {
            let reason = between();
            self.undecided.get_or_insert(reason);
            return;
        }
        if lhs > least + rounding {
            return self.compare(at, lhs, most, rounding, scale, Soundness::Proved);
        }
        let mut comparison = comparison(at.clone(), [lhs, least, rounding, scale]);
        if comparison.is_near_failure() {
            comparison.replay = replay().map(|sides| sides.judge(scale));
            if comparison.replay.is_some_and(|r| r.finding == Finding::Violated) {
                let reason = between();
                self.undecided.get_or_insert(reason);
                return;
            }
        }
        self.record(comparison, Soundness::Proved);
    }

    fn record(&mut self, comparison: Comparison, soundness: Soundness) {
        let Comparison { at, lhs, rhs, rounding, .. } = &comparison;
        if !(lhs.is_finite() && rhs.is_finite() && rounding.is_finite()) {
            self.non_finite.get_or_insert_with(|| format!("{at}: compared {lhs} with {rhs}"));
            return;
        }
        if comparison.replay.is_some_and(|replay| !replay.excess.is_finite()) {
            self.non_finite.get_or_insert_with(|| format!("{at}: not finite in double-double"));
            return;
        }
        let fails = comparison.fails();
        if fails && soundness == Soundness::Sampled {
            self.undecided.get_or_insert_with(|| {
                format!("{at}: {lhs:.3e} exceeds {rhs:.3e}, a bound with sampled constants, which may be too small")
            });
            return;
        }
        let instance = at.split(" · ").next().unwrap_or(at).to_owned();
        self.tally(instance, Tally::of(comparison));
    }

    fn tally(&mut self, instance: String, found: Tally) {
        match self.instances.get_mut(&instance) {
            Some(tally) => tally.add(found),
            None => {
                self.order.push(instance.clone());
                self.instances.insert(instance, found);
            }
        }
    }

    /// Records a hypothesis; one that is not met makes the verdict inconclusive.
    pub fn hypothesis(&mut self, name: impl Into<String>, standing: Standing, detail: impl Into<String>) {
        let hypothesis = Hypothesis { name: name.into(), standing, detail: detail.into() };
        if !self.hypotheses.contains(&hypothesis) {
            self.hypotheses.push(hypothesis);
        }
    }

    /// Records that something could not be decided.
    pub fn undecided(&mut self, reason: impl Into<String>) {
        self.undecided.get_or_insert(reason.into());
    }

    /// Records that a decision was taken from a sample, which is wrong with a probability of at most `risk`.
    pub fn take_risk(&mut self, risk: f64) {
        self.risk += risk;
    }

    /// The sum of the nominal risks of all decisions taken from samples: with at most this probability any of them is wrong.
    pub fn risk(&self) -> f64 {
        self.risk
    }

    /// Adds everything another check found.
    pub fn merge(&mut self, other: Check) {
        let Check { mut instances, order, hypotheses, undecided, non_finite, risk } = other;
        for name in order {
            if let Some(theirs) = instances.remove(&name) {
                self.tally(name, theirs);
            }
        }
        for hypothesis in hypotheses {
            self.hypothesis(hypothesis.name, hypothesis.standing, hypothesis.detail);
        }
        self.undecided = self.undecided.take().or(undecided);
        self.non_finite = self.non_finite.take().or(non_finite);
        self.risk += risk;
    }

    /// The instances in the order they were first seen, with their tallies.
    pub fn instances(&self) -> impl Iterator<Item = (&str, &Tally)> {
        self.order.iter().filter_map(|name| self.instances.get(name).map(|tally| (name.as_str(), tally)))
    }

    /// The hypotheses recorded.
    pub fn hypotheses(&self) -> &[Hypothesis] {
        &self.hypotheses
    }

    /// Comparisons made.
    pub fn count(&self) -> u64 {
        self.instances.values().map(|tally| tally.count).sum()
    }

    /// Comparisons that failed by no more than the rounding of `f64`, and what their replays found.
    pub fn near_failures(&self) -> NearFailures {
        let mut near = NearFailures::default();
        self.instances.values().for_each(|tally| near.add(tally.near));
        near
    }

    /// The comparison with the smallest margin.
    pub fn worst(&self) -> Option<&Comparison> {
        self.instances()
            .map(|(_, tally)| &tally.worst)
            .min_by(|a, b| b.fails().cmp(&a.fails()).then(a.margin.total_cmp(&b.margin)))
    }

    /// What the comparisons amount to.
    pub fn verdict(&self) -> Verdict {
        if let Some(reason) = &self.non_finite {
            return Verdict::Error { reason: reason.clone() };
        }
        if let Some(unmet) = self.hypotheses.iter().find(|h| h.standing == Standing::NotMet) {
            return Verdict::Inconclusive { reason: format!("premise not met: {} ({})", unmet.name, unmet.detail) };
        }
        if let Some(worst) = self.worst().filter(|worst| worst.fails()) {
            return Verdict::Fails { reason: worst.failure() };
        }
        if let Some(reason) = &self.undecided {
            return Verdict::Inconclusive { reason: reason.clone() };
        }
        if self.instances.is_empty() {
            return Verdict::Inconclusive { reason: "nothing was compared".to_owned() };
        }
        Verdict::Holds
    }
}

/// What a check amounts to. Derived, never written by a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Every comparison holds.
    Holds,
    /// At least one fails.
    Fails {
        /// The worst failure.
        reason: String,
    },
    /// A premise is not met, nothing was compared, or sampled constants cannot decide.
    Inconclusive {
        /// Why.
        reason: String,
    },
    /// The statement says nothing of what it was to be measured on.
    NotApplicable {
        /// The hypothesis that is missing.
        reason: String,
    },
    /// A value was not finite, or the claim could not be evaluated.
    Error {
        /// What happened.
        reason: String,
    },
}
