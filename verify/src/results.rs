//! What a run leaves behind: everything the reports need, as plain data. `results.json` is this, versioned.

use serde::{Deserialize, Serialize};

use crate::evidence::{Comparison, Hypothesis, Observation, Profile, Verdict};
use crate::plot::Plot;

/// The version of the format of `results.json`; it grows whenever a field changes its meaning.
pub const FORMAT: u32 = 1;

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
    /// How long the whole run took, in seconds.
    pub seconds: f64,
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

/// One instance of a check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceResult {
    /// Its name.
    pub name: String,
    /// Comparisons made.
    pub count: u64,
    /// Comparisons that failed.
    pub failures: u64,
    /// The tightest.
    pub worst: Comparison,
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
    /// One plain sentence.
    pub plain: String,
    /// The formula, in Unicode.
    pub formula: String,
    /// Where it stands in the paper.
    pub printed_at: String,
    /// What is measured.
    pub measured: String,
    /// The tolerance and its reason.
    pub tolerance: String,
    /// What a pass does not show.
    pub does_not_show: String,
    /// The correction, if one was needed.
    pub erratum: Option<String>,
    /// What the check amounts to.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The tightest comparison.
    pub worst: Option<Comparison>,
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
    /// Seconds spent, controls included.
    pub seconds: f64,
}

impl ClaimResult {
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
}
