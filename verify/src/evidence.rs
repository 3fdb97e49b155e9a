//! What a claim is, and how a verdict follows from evidence.
//!
//! A claim states what the paper says and measures it; it never writes a verdict. [`Check`] accumulates comparisons
//! `lhs <= rhs` and keeps their number, the tightest one and every failure; [`Verdict`] is derived from it.

use std::collections::BTreeMap;

use ratecheck::random::{Generator, Seed};
use serde::{Deserialize, Serialize};

use crate::calibration::SampledTest;
use crate::plot::Plot;

/// What sort of statement a claim is; it decides what evidence is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Holds exactly; the tolerance is a count of roundings.
    Identity,
    /// Holds for every run, with explicit constants.
    Inequality,
    /// Holds in expectation; enumerated exactly, or bounded at a stated confidence.
    Expectation,
    /// An exponent in T.
    Rate,
}

impl Kind {
    /// One word for tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Inequality => "inequality",
            Self::Expectation => "expectation",
            Self::Rate => "rate",
        }
    }
}

/// Whose statement a claim is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The paper states it.
    #[default]
    Paper,
    /// This project states it, and the claim's file derives it.
    Derived,
}

impl Origin {
    /// A few words for a reader.
    pub fn label(self) -> &'static str {
        match self {
            Self::Paper => "from the paper",
            Self::Derived => "derived here",
        }
    }
}

/// What the paper says, and how it is tested here.
#[derive(Debug)]
pub struct Statement {
    /// Short, unique, typed by users: `lemma-2.2`.
    pub id: &'static str,
    /// As the paper names it: `Lemma 2.2`.
    pub title: &'static str,
    /// One plain sentence.
    pub plain: &'static str,
    /// The formula that is checked, in Unicode.
    pub formula: &'static str,
    /// Section and equation number; for a statement derived here, what of the paper it belongs to.
    pub printed_at: &'static str,
    /// Identity, inequality, expectation or rate.
    pub kind: Kind,
    /// The paper's statement, or derived here.
    pub origin: Origin,
    /// The hypotheses that the instances meet.
    pub hypotheses: &'static [&'static str],
    /// What is measured, over which cases.
    pub measured: &'static str,
    /// The tolerance and where it comes from.
    pub tolerance: &'static str,
    /// What a pass does not show.
    pub does_not_show: &'static str,
}

/// How much work to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// The budget of `cargo test`.
    Test,
    /// About a minute on two cores.
    Quick,
    /// At most ten minutes on two cores.
    Standard,
    /// At most an hour on two cores.
    Full,
}

/// What a claim is given: the seed tree at its own node, and how much work to do.
#[derive(Clone, Debug)]
pub struct Context {
    /// This claim's node of the seed tree.
    pub seed: Seed,
    /// How much work to do.
    pub profile: Profile,
}

impl Context {
    /// The generator called `name` below this claim.
    pub fn generator(&self, name: &str) -> Generator {
        self.seed.generator(name)
    }

    /// The entry of `[test, quick, standard, full]` for this profile.
    pub fn pick<T: Copy>(&self, by_profile: [T; 4]) -> T {
        by_profile[self.profile as usize]
    }
}

/// A claim could not be evaluated. A claim that is false is not an error: it is data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unevaluated(pub String);

impl<E: std::error::Error> From<E> for Unevaluated {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// A variant of the check whose subject is broken on purpose. It must be rejected, or the check has no power.
pub struct Control {
    /// Short name for tables.
    pub name: &'static str,
    /// What is broken, in one sentence.
    pub breaks: &'static str,
    /// The same private function as the check calls, on the broken subject.
    pub run: fn(&Context) -> Result<Check, Unevaluated>,
}

/// One statement of the paper, executable.
pub trait Claim: Sync {
    /// What the paper says.
    fn statement(&self) -> &'static Statement;

    /// Measures it.
    ///
    /// # Errors
    /// When it could not be evaluated at all; never because it is false.
    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated>;

    /// The broken variants, at least one.
    fn controls(&self) -> Vec<Control>;

    /// The decisions that the check takes from samples, with the constants it takes them by; none for most claims.
    ///
    /// # Errors
    /// When the constants depend on something that cannot be evaluated.
    fn sampled_tests(&self, context: &Context) -> Result<Vec<SampledTest>, Unevaluated> {
        let _ = context;
        Ok(Vec::new())
    }
}

/// One comparison `lhs <= rhs + rounding`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Where it was made: instance, step, block.
    pub at: String,
    /// The measured side.
    #[serde(with = "crate::real")]
    pub lhs: f64,
    /// The bound, or the tolerance of an identity.
    #[serde(with = "crate::real")]
    pub rhs: f64,
    /// Room for rounding, on top of `rhs`.
    #[serde(with = "crate::real")]
    pub rounding: f64,
    /// (rhs - lhs) / scale: 0 is the edge, negative has failed by more than nothing.
    #[serde(with = "crate::real")]
    pub margin: f64,
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
    /// The comparison with the smallest margin.
    pub worst: Comparison,
}

impl Comparison {
    /// Whether lhs <= rhs + rounding is false, or cannot be said.
    fn fails(&self) -> bool {
        !(self.lhs <= self.rhs + self.rounding)
    }
}

impl Tally {
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

/// Accumulates comparisons; the verdict is derived from it.
///
/// ```
/// use ratecheck_verify::evidence::{Check, Verdict};
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
        self.record(Comparison { at: at.into(), lhs, rhs: 0.0, rounding: 0.0, margin }, Soundness::Proved);
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
        // Both sides zero: the comparison holds with nothing to spare.
        let margin = if scale > 0.0 { (rhs - lhs) / scale } else { 0.0 };
        self.record(Comparison { at: at.into(), lhs, rhs, rounding, margin }, soundness);
    }

    /// A bound made of constants of which only a bracket is known: `rhs` is the bound with the constants that make it smallest, and
    /// with those that make it largest. What holds for the first holds for the true ones; what fails for the second is false;
    /// between them nothing is decided.
    pub fn bracketed(&mut self, at: impl Into<String>, lhs: f64, rhs: [f64; 2], rounding: f64, scale: f64) {
        let (at, [least, most]) = (at.into(), rhs);
        if lhs > least + rounding && lhs <= most + rounding {
            let reason = format!("{at}: {lhs:.3e} lies between {least:.3e} and {most:.3e}, what the constants allow");
            self.undecided.get_or_insert(reason);
            return;
        }
        let rhs = if lhs <= least + rounding { least } else { most };
        self.compare(at, lhs, rhs, rounding, scale, Soundness::Proved);
    }

    fn record(&mut self, comparison: Comparison, soundness: Soundness) {
        let Comparison { at, lhs, rhs, rounding, .. } = &comparison;
        if !(lhs.is_finite() && rhs.is_finite() && rounding.is_finite()) {
            self.non_finite.get_or_insert_with(|| format!("{at}: compared {lhs} with {rhs}"));
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
        match self.instances.get_mut(&instance) {
            Some(tally) => {
                tally.count += 1;
                tally.failures += u64::from(fails);
                tally.keep_worse(comparison);
            }
            None => {
                self.order.push(instance.clone());
                self.instances.insert(instance, Tally { count: 1, failures: u64::from(fails), worst: comparison });
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
            let Some(theirs) = instances.remove(&name) else { continue };
            match self.instances.get_mut(&name) {
                Some(ours) => {
                    ours.count += theirs.count;
                    ours.failures += theirs.failures;
                    ours.keep_worse(theirs.worst);
                }
                None => {
                    self.order.push(name.clone());
                    self.instances.insert(name, theirs);
                }
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
        if let Some(tally) = self.instances.values().find(|tally| tally.failures > 0) {
            let Comparison { at, lhs, rhs, .. } = &tally.worst;
            return Verdict::Fails { reason: format!("{at}: {lhs:.6e} exceeds {rhs:.6e}") };
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
    /// A value was not finite, or the claim could not be evaluated.
    Error {
        /// What happened.
        reason: String,
    },
}

/// A named figure worth showing beside the verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// What it is.
    pub name: String,
    /// Its value.
    #[serde(with = "crate::real")]
    pub value: f64,
    /// Its confidence interval, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::real")]
    pub interval: Option<[f64; 2]>,
    /// What to compare it with.
    pub note: String,
}

/// All that a claim found.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The comparisons.
    pub check: Check,
    /// Figures worth showing.
    pub observations: Vec<Observation>,
    /// Pictures worth showing.
    pub plots: Vec<Plot>,
}

impl Evidence {
    /// Evidence that is a check alone.
    pub fn new(check: Check) -> Self {
        Self { check, ..Self::default() }
    }

    /// Adds a figure.
    pub fn observe(&mut self, name: impl Into<String>, value: f64, note: impl Into<String>) {
        self.observations.push(Observation { name: name.into(), value, interval: None, note: note.into() });
    }

    /// Adds a figure with its confidence interval.
    pub fn observe_interval(
        &mut self,
        name: impl Into<String>,
        value: f64,
        interval: [f64; 2],
        note: impl Into<String>,
    ) {
        self.observations.push(Observation { name: name.into(), value, interval: Some(interval), note: note.into() });
    }
}
