//! What a run leaves behind: everything the reports need, as plain data. `results.json` is this, versioned.

use serde::{Deserialize, Serialize};

use crate::claim::evidence::{Comparison, Hypothesis, Observation, Origin, Part, Profile, Verdict};
use crate::claim::plot::Plot;
use crate::claim::printed::{Chapter, Entry};
use crate::claim::replay::NearFailures;

/// The version of the format of `results.json`; it grows whenever a field changes its meaning.
pub const FORMAT: u32 = 1;

/// The JSON Schema of `results.json`: what every field is. A copy of `docs/results.schema.json`.
pub const SCHEMA: &str = include_str!("../../../docs/results.schema.json");

/// Where the numbers come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The version of ratecheck.
    pub version: String,
    /// The commit it was built from, or `unknown` outside a checkout.
    pub commit: String,
    /// The root seed.
    pub seed: u64,
    /// The profile.
    pub profile: Profile,
    /// Threads used; the numbers do not depend on it.
    pub threads: usize,
    /// The target triple, and the vector extensions used.
    pub target_cpu: String,
    /// The compiler.
    pub compiler: String,
    /// When the run started, seconds since 1970-01-01 UTC.
    pub started_unix: u64,
    /// What was verified, if it was a user's loss and not the paper's instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Verified>,
    /// How long the whole run took, in seconds.
    #[serde(with = "crate::text::real")]
    pub seconds: f64,
}

/// The loss that a user brought.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verified {
    /// Its name.
    pub name: String,
    /// The options that bring it again: `--problem`, `mine.toml`, ...; none if a program brought it.
    pub arguments: Vec<String>,
    /// What it is, in a line.
    pub about: String,
    /// SHA-256 of what it is: architecture, data, minibatches, start and settings of the file.
    pub fingerprint: String,
    /// The number of its parameters.
    pub parameters: usize,
    /// The number of its scale-invariant blocks.
    pub blocks: usize,
    /// The settings of the verification, in words.
    pub settings: Vec<String>,
}

/// What one control did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ControlOutcome {
    /// The broken subject was caught, as it must be.
    Rejected,
    /// It passed: the check has no power.
    NotRejected,
    /// It could not be evaluated: it shows nothing.
    Broken,
}

/// One control.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ControlResult {
    /// Short name.
    pub name: String,
    /// What was broken.
    pub breaks: String,
    /// What happened.
    pub outcome: ControlOutcome,
    /// The worst comparison, or why it is broken.
    pub detail: String,
}

impl ControlResult {
    /// Whether it was caught, as it must be.
    pub fn is_rejected(&self) -> bool {
        self.outcome == ControlOutcome::Rejected
    }
}

/// One instance of a check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceResult {
    /// Its name.
    pub name: String,
    /// What it is to the claim: its own statement, or a link of the proof.
    #[serde(default, skip_serializing_if = "Part::is_own")]
    pub part: Part,
    /// Comparisons made.
    pub count: u64,
    /// Comparisons that failed.
    pub failures: u64,
    /// The tightest.
    pub worst: Comparison,
}

impl InstanceResult {
    /// Its name, and that it is a link if it is one.
    pub fn title(&self) -> String {
        let Self { name, part, .. } = self;
        if part.is_own() { name.clone() } else { format!("{name} (link)") }
    }
}

/// What a claim amounts to, its controls included. Derived by [`ClaimResult::status`], never stored. The order is that
/// of how bad it is, the worst last; there is no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The check holds and every control was rejected; there was at least one.
    Holds,
    /// The statement says nothing of the loss that was brought: a hypothesis of its own fails there.
    NotApplicable,
    /// A premise is not met, nothing was compared, or sampled constants cannot decide.
    Inconclusive,
    /// A control could not be evaluated, or there was none: nothing shows that the check can fail.
    ControlBroken,
    /// A control passed: the check would not have noticed, so its verdict is worth nothing.
    ControlNotRejected,
    /// A comparison failed.
    Fails,
    /// The claim could not be evaluated.
    Error,
}

impl Status {
    /// All of them, in their order.
    pub const ALL: [Self; 7] = [
        Self::Holds,
        Self::NotApplicable,
        Self::Inconclusive,
        Self::ControlBroken,
        Self::ControlNotRejected,
        Self::Fails,
        Self::Error,
    ];

    /// A few words for a reader.
    pub fn label(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Fails => "fails",
            Self::ControlNotRejected => "control not rejected",
            Self::ControlBroken => "control broken",
            Self::Inconclusive => "inconclusive",
            Self::NotApplicable => "not applicable",
            Self::Error => "error",
        }
    }
}

/// One claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClaimResult {
    /// `lemma-2.2`.
    pub id: String,
    /// `Lemma 2.2`.
    pub title: String,
    /// Identity, inequality, expectation or rate.
    pub kind: String,
    /// The paper's statement, derived here, or of a later paper.
    #[serde(default)]
    pub origin: Origin,
    /// One plain sentence.
    pub plain: String,
    /// The formula, in Unicode.
    pub formula: String,
    /// The same in LaTeX, line by line; empty in results of older versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub latex: Vec<String>,
    /// Where it stands in the paper.
    pub printed_at: String,
    /// What is measured.
    pub measured: String,
    /// The tolerance and its reason.
    pub tolerance: String,
    /// What a pass does not show.
    pub does_not_show: String,
    /// What the check amounts to.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Where the statement was measured in a smaller setting than its own: which. The verdict is about that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reduced: Option<String>,
    /// The tightest comparison of the claim's own statement, or the worst failure.
    pub worst: Option<Comparison>,
    /// Comparisons whose sides differ by no more than the rounding of `f64`, and what their replays found.
    #[serde(default)]
    pub near_failures: NearFailures,
    /// All instances.
    pub instances: Vec<InstanceResult>,
    /// The hypotheses and their standing.
    pub hypotheses: Vec<Hypothesis>,
    /// All controls.
    pub controls: Vec<ControlResult>,
    /// Figures.
    pub observations: Vec<Observation>,
    /// Plots.
    pub plots: Vec<Plot>,
    /// Seconds from its begin to its end, controls included; up to three other claims may have been at work beside it.
    #[serde(with = "crate::text::real")]
    pub seconds: f64,
}

impl ClaimResult {
    /// What the claim amounts to. A defect that makes the verdict worthless (a control that passed or crashed) comes
    /// before an inconclusive verdict, so that it cannot hide behind one; an error or a failure comes before all.
    pub fn status(&self) -> Status {
        let any = |outcome| self.controls.iter().any(|c| c.outcome == outcome);
        match self.verdict {
            Verdict::Error { .. } => Status::Error,
            Verdict::Fails { .. } => Status::Fails,
            Verdict::NotApplicable { .. } => Status::NotApplicable,
            _ if any(ControlOutcome::NotRejected) => Status::ControlNotRejected,
            _ if any(ControlOutcome::Broken) => Status::ControlBroken,
            Verdict::Inconclusive { .. } => Status::Inconclusive,
            Verdict::Holds if self.controls.is_empty() => Status::ControlBroken,
            Verdict::Holds => Status::Holds,
        }
    }

    /// The status in a few words, with what has to be said beside it: *holds in a reduced setting* is
    /// [`Status::Holds`].
    pub fn label(&self) -> &'static str {
        match (self.status(), self.reduced.is_some()) {
            (Status::Holds, true) => "holds in a reduced setting",
            (Status::Fails, true) => "fails in a reduced setting",
            (status, _) => status.label(),
        }
    }

    /// One line that says why the claim does not hold; nothing if it does.
    pub fn reason(&self) -> Option<String> {
        let control = |outcome| self.controls.iter().find(|c| c.outcome == outcome);
        match (self.status(), &self.verdict) {
            (Status::Holds, _) => None,
            (Status::ControlNotRejected, _) => control(ControlOutcome::NotRejected).map(|c| {
                format!("the control \u{201c}{}\u{201d} passed, so the check has no power: {}", c.name, c.detail)
            }),
            (Status::ControlBroken, _) => Some(control(ControlOutcome::Broken).map_or_else(
                || "no control was run: nothing shows that the check can fail".to_owned(),
                |c| format!("the control \u{201c}{}\u{201d} could not be evaluated: {}", c.name, c.detail),
            )),
            (
                _,
                Verdict::Fails { reason }
                | Verdict::Inconclusive { reason }
                | Verdict::NotApplicable { reason }
                | Verdict::Error { reason },
            ) => Some(reason.clone()),
            (_, Verdict::Holds) => None,
        }
    }

    /// Whether every control was rejected.
    pub fn controls_rejected(&self) -> bool {
        !self.controls.is_empty() && self.controls.iter().all(|c| c.outcome == ControlOutcome::Rejected)
    }
}

/// A whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// [`FORMAT`].
    pub format: u32,
    /// Where the numbers come from.
    pub provenance: Provenance,
    /// The claims, in paper order.
    pub claims: Vec<ClaimResult>,
    /// Claims that were asked for and are not finished, by id: the run goes on, or was stopped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<String>,
    /// The statements of the paper, with the claims that check them.
    #[serde(default)]
    pub map: Vec<Chapter>,
    /// The errata, with their examples worked out.
    #[serde(default)]
    pub errata: Vec<Entry>,
}

impl Results {
    /// How many claims have this status.
    pub fn count(&self, status: Status) -> usize {
        self.claims.iter().filter(|c| c.status() == status).count()
    }

    /// Comparisons whose sides differ by no more than the rounding of `f64`, over all claims.
    pub fn near_failures(&self) -> NearFailures {
        let mut near = NearFailures::default();
        self.claims.iter().for_each(|claim| near.add(claim.near_failures));
        near
    }

    /// How many controls were rejected, and how many there are.
    pub fn controls_rejected(&self) -> (usize, usize) {
        let all = || self.claims.iter().flat_map(|c| &c.controls);
        (all().filter(|c| c.outcome == ControlOutcome::Rejected).count(), all().count())
    }
}
