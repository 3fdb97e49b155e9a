//! What was compared, and the verdict that follows.
//!
//! [`Check`] accumulates comparisons `lhs <= rhs` and keeps their number, the tightest one and every failure;
//! [`Verdict`] is derived from it. Where the sides differ by no more than the rounding of `f64`, on whichever side of
//! each other they fell, they are replayed in higher precision, if the claim says how ([`crate::claim::replay`]): what
//! the replay finds false has failed, and the margin that it finds is the margin.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::claim::comparison::{Comparison, Inequality, Part, Tally};
use crate::claim::replay::{Finding, NearFailures, Sides};

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

/// How sound the right-hand side of a comparison is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Soundness {
    /// The right-hand side is exact, or proved to be at least the true one.
    Proved,
    /// It contains a constant found by search, which is at most the true one: a pass is sound,
    /// a failure decides nothing.
    Sampled,
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

    /// An identity that holds bit for bit: `got == expected`, with no tolerance at all. The margin is 1,
    /// or -1 if it fails.
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
        self.record(Inequality { lhs, rhs, rounding, scale }.at(at.into()), soundness);
    }

    /// A bound that is replayed where its sides differ by no more than its rounding: `replay` recomputes them from the
    /// same inputs in higher precision, or says that it cannot. What it finds false fails.
    pub fn replayed(&mut self, at: impl Into<String>, inequality: Inequality, replay: impl FnOnce() -> Option<Sides>) {
        let comparison = inequality.at(at.into()).replayed(inequality.scale, replay);
        self.record(comparison, Soundness::Proved);
    }

    /// A bound made of constants of which only a bracket is known: `least` has the bound with the constants that make
    /// it smallest, and `most` is that with those that make it largest. What holds for the first holds for the true
    /// ones; what fails for the second is false; between them nothing is decided. `replay` is of the smallest bound.
    pub fn bracketed(
        &mut self,
        at: impl Into<String>,
        least: Inequality,
        most: f64,
        replay: impl FnOnce() -> Option<Sides>,
    ) {
        let at = at.into();
        let Inequality { lhs, rhs, rounding, scale } = least;
        let between = || format!("{at}: {lhs:.3e} lies between {rhs:.3e} and {most:.3e}, what the constants allow");
        if lhs > rhs + rounding && lhs <= most + rounding {
            let reason = between();
            self.undecided.get_or_insert(reason);
            return;
        }
        if lhs > rhs + rounding {
            return self.record(Inequality { rhs: most, ..least }.at(at), Soundness::Proved);
        }
        let comparison = least.at(at.clone()).replayed(scale, replay);
        if comparison.replay.is_some_and(|r| r.finding == Finding::Violated) {
            let reason = between();
            self.undecided.get_or_insert(reason);
            return;
        }
        self.record(comparison, Soundness::Proved);
    }

    fn record(&mut self, comparison: Comparison, soundness: Soundness) {
        let Comparison { at, lhs, rhs, rounding, .. } = &comparison;
        if !(lhs.is_finite() && rhs.is_finite() && rounding.is_finite()) {
            self.non_finite.get_or_insert_with(|| {
                format!("{at}: cannot be evaluated: a number is beyond double precision, or 0 is divided by 0")
            });
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

    /// The sum of the nominal risks of all decisions taken from samples:
    /// with at most this probability any of them is wrong.
    pub fn risk(&self) -> f64 {
        self.risk
    }

    /// Adds everything another check found, as links: see [`Part::Link`]. Their instances have names of their own.
    pub fn merge_links(&mut self, mut other: Check) {
        other.instances.values_mut().for_each(|tally| tally.part = Part::Link);
        self.merge(other);
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

    /// Comparisons whose sides differ by no more than the rounding of `f64`, and what their replays found.
    pub fn near_failures(&self) -> NearFailures {
        let mut near = NearFailures::default();
        self.instances.values().for_each(|tally| near.add(tally.near));
        near
    }

    /// The comparison that decides: a failure, if there is one; else the claim's own with the smallest margin, or a
    /// link's if there are only links.
    pub fn worst(&self) -> Option<&Comparison> {
        let rank = |tally: &Tally| (!tally.worst.fails(), tally.part == Part::Link);
        self.instances()
            .map(|(_, tally)| tally)
            .min_by(|a, b| rank(a).cmp(&rank(b)).then(a.worst.margin.total_cmp(&b.worst.margin)))
            .map(|tally| &tally.worst)
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
