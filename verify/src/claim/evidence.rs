//! What a claim is, and how a verdict follows from evidence.
//!
//! A claim states what the paper says and measures it; it never writes a verdict. [`Check`] accumulates comparisons,
//! and [`Verdict`] is derived from it.

use ratecheck::bounds::{Constant, Factors};
use ratecheck::random::{Generator, Seed};
use serde::{Deserialize, Serialize};

use super::sampled_test::SampledTest;
pub use crate::claim::check::{Check, Hypothesis, Soundness, Standing, Verdict};
pub use crate::claim::comparison::{Comparison, Inequality, Part, Tally};
use crate::claim::plot::Plot;
use crate::claim::subject::{Premise, Subject};

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
    /// A later paper states it; the claim's file says which, and derives it again.
    Later,
}

impl Origin {
    /// A few words for a reader.
    pub fn label(self) -> &'static str {
        match self {
            Self::Paper => "from the paper",
            Self::Derived => "derived here",
            Self::Later => "from a later paper",
        }
    }
}

/// What the paper says, and how it is tested here.
#[derive(Debug, Serialize)]
pub struct Statement {
    /// Short, unique, typed by users: `lemma-2.2`.
    pub id: &'static str,
    /// As the paper names it: `Lemma 2.2`.
    pub title: &'static str,
    /// One plain sentence.
    pub plain: &'static str,
    /// The formula that is checked, in Unicode.
    pub formula: &'static str,
    /// The same in LaTeX, one entry a line, for the page.
    pub latex: &'static [&'static str],
    /// Section and equation number; for a statement derived here, what of the paper it belongs to; for one of a later
    /// paper, that paper.
    pub printed_at: &'static str,
    /// Identity, inequality, expectation or rate.
    pub kind: Kind,
    /// The paper's statement, derived here, or of a later paper.
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

impl Profile {
    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Quick => "quick",
            Self::Standard => "standard",
            Self::Full => "full",
        }
    }
}

/// What a claim is given: the seed tree at its own node, and how much work to do.
#[derive(Clone, Debug)]
pub struct Context {
    /// This claim's node of the seed tree.
    pub seed: Seed,
    /// How much work to do.
    pub profile: Profile,
    /// What the constants of the bounds are multiplied by: by 1, unless the power of a check is measured.
    pub factors: Factors,
}

impl Context {
    /// The same with a statement that is stronger in one constant: see [`Factors::claiming`].
    #[must_use]
    pub fn claiming(&self, constant: Constant, multiple: f64) -> Self {
        Self { factors: self.factors.claiming(constant, multiple), ..self.clone() }
    }

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

    /// The same statement on a loss that a user brings; `None` for a statement that speaks of no loss,
    /// or of a special one.
    fn on_subject(&self) -> Option<&dyn Measure> {
        None
    }

    /// The decisions that the check takes from samples, with the constants it takes them by; none for most claims.
    ///
    /// # Errors
    /// When the constants depend on something that cannot be evaluated.
    fn sampled_tests(&self, context: &Context) -> Result<Vec<SampledTest>, Unevaluated> {
        let _ = context;
        Ok(Vec::new())
    }
}

/// A statement that speaks of any loss, measured on one that a user brings.
/// Nothing here is compiled for a kind of loss.
pub trait Measure: Sync {
    /// The hypotheses that the statement needs; where one fails, it says nothing of the subject,
    /// and the verdict is *not applicable*.
    fn needs(&self) -> &'static [Premise];

    /// Measures it on the subject. What the subject cannot do (a replay without double-double, a proof without
    /// intervals) is left out and recorded as an [`Observation`] or as an assumed hypothesis.
    ///
    /// # Errors
    /// When it could not be evaluated at all; never because it is false.
    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated>;

    /// The same measurement on the subject broken on purpose, at least one way that every subject allows.
    fn controls(&self) -> Vec<SubjectControl>;
}

/// A variant of a measurement whose subject is broken on purpose.
pub struct SubjectControl {
    /// Short name for tables.
    pub name: &'static str,
    /// What is broken, in one sentence.
    pub breaks: &'static str,
    /// The same private function as the measurement calls;
    /// `None` if this subject cannot be broken so (no layer for an epsilon).
    pub run: fn(&Subject, &Context) -> Option<Result<Check, Unevaluated>>,
}

/// A named figure worth showing beside the verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// What it is.
    pub name: String,
    /// Its value.
    #[serde(with = "crate::text::real")]
    pub value: f64,
    /// Its confidence interval, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::text::real")]
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
    /// Where the statement was measured in a smaller setting than its own: which. The verdict is about that one.
    pub reduced: Option<String>,
}

impl Evidence {
    /// Evidence that is a check alone.
    pub fn new(check: Check) -> Self {
        Self { check, ..Self::default() }
    }

    /// Says that the statement was measured in a smaller setting than its own.
    #[must_use]
    pub fn reduced_to(self, setting: impl Into<String>) -> Self {
        Self { reduced: Some(setting.into()), ..self }
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
