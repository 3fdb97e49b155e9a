//! How far the statistical decisions of the claims can be trusted: their size and power on synthetic runs with a known
//! exponent, the bias of the fits, and the risk of all decisions together.
//!
//! A claim names its decisions in [`Claim::sampled_tests`], with the constants that it takes them by. Here the same
//! estimator and the same rule see runs y = C T^p (ln T)^q times noise ([`synthetic`]),
//! so that it is known when a decision is wrong.
//!
//! The levels in use, 1 - 1e-8, are beyond any simulation. What can be measured is whether the intervals cover as they
//! should at 0.9, 0.99 and 0.999, whether an error is ever met at the level in use,
//! and how far from the edge a decision falls.
//!
//! What users fit has other noises, and few runs: how often the intervals of `ratecheck fit` cover there is a study of
//! its own (`over_runs.rs`).

mod forms;
mod over_runs;
mod proportion;
pub mod synthetic;
mod tables;

use ratecheck::random::Seed;
use ratecheck::rates::FitError;

use crate::claim::evidence::{Claim, Context, Profile, Unevaluated};
use crate::claim::runner::context;
pub use crate::claim::sampled_test::{Design, Quantity, SampledTest, Side};

pub use proportion::{Proportion, clopper_pearson};
pub use synthetic::Sample;
use tables::CERTAINTY;
pub use tables::{Table, markdown, tables};

/// What all decisions of a verification together may cost.
pub const FAMILY: f64 = 1e-6;

/// Every profile, in the order of their size.
pub const PROFILES: [Profile; 4] = [Profile::Test, Profile::Quick, Profile::Standard, Profile::Full];

/// The decisions of one claim in one profile, and what they cost together.
#[derive(Clone, Debug, PartialEq)]
pub struct Spending {
    /// The claim's id.
    pub claim: &'static str,
    /// How many decisions.
    pub decisions: usize,
    /// The sum of their risks.
    pub risk: f64,
}

/// The risk of every claim that decides from samples. The constants of a decision do not depend on the seed.
///
/// # Errors
/// When a claim's constants cannot be evaluated.
pub fn spending(claims: &[&'static dyn Claim], profile: Profile) -> Result<Vec<Spending>, Unevaluated> {
    let mut all = Vec::new();
    for claim in claims {
        let tests = claim.sampled_tests(&context(*claim, 0, profile))?;
        let decisions = tests.iter().map(|test| test.times).sum();
        let risk = tests.iter().map(|test| test.times as f64 * test.risk).sum();
        if decisions > 0 {
            all.push(Spending { claim: claim.statement().id, decisions, risk });
        }
    }
    Ok(all)
}

/// What is simulated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// The profile whose decisions are calibrated.
    pub profile: Profile,
    /// Sets of runs of each design.
    pub replications: usize,
    /// The root of the seed tree.
    pub seed: u64,
}

/// A decision with what its estimator gave on synthetic runs.
#[derive(Clone, Debug)]
pub struct Calibrated {
    /// The claim's id.
    pub claim: &'static str,
    /// The decision.
    pub test: SampledTest,
    /// Its design.
    pub design: Design,
    /// The estimates.
    pub sample: Sample,
}

impl Calibrated {
    /// Whether errors at the edge, at the level in use, are too many for that level.
    pub fn errs_too_often(&self) -> bool {
        let (level, design) = (self.test.level(), &self.design);
        let shown = self.sample.decisions(design, design.truth(1.0 + 1e-9), level).shown;
        let refuted = self.sample.decisions(design, design.truth(1.0 - 1e-9), level).refuted;
        [shown, refuted].iter().any(|errors| !(errors.interval(CERTAINTY).low <= self.test.risk))
    }
}

/// Every decision by Student's intervals, simulated.
///
/// Decisions on the same quantity of the same runs share their synthetic runs, as they share the real ones.
///
/// # Errors
/// When a claim's constants cannot be evaluated, or a fit is impossible.
pub fn calibrate(claims: &[&'static dyn Claim], options: &Options) -> Result<Vec<Calibrated>, Unevaluated> {
    let mut all: Vec<Calibrated> = Vec::new();
    for claim in claims {
        let context: Context = context(*claim, options.seed, options.profile);
        for test in claim.sampled_tests(&context)? {
            let Some(design) = test.design.clone() else { continue };
            let same = |other: &&Calibrated| other.design.draws_like(&design);
            let sample = match all.iter().find(same) {
                Some(other) => other.sample.clone(),
                None => simulated(&design, options)?,
            };
            all.push(Calibrated { claim: claim.statement().id, test, design, sample });
        }
    }
    Ok(all)
}

fn simulated(design: &Design, options: &Options) -> Result<Sample, FitError> {
    let seed = Seed::new(options.seed).child(&format!("calibration/{:?}", design.quantity));
    Sample::draw(design, options.replications, &seed)
}

#[cfg(test)]
mod tests;
