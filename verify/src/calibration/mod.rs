//! How far the statistical decisions of the claims can be trusted: their size and power on synthetic runs with a known exponent,
//! the bias of the fits, and the risk of all decisions together.
//!
//! A claim names its decisions in [`Claim::sampled_tests`], with the constants that it takes them by. Here the same estimator and the same
//! rule see runs y = C T^p (ln T)^q times noise ([`synthetic`]), so that it is known when a decision is wrong.
//!
//! The levels in use, 1 - 1e-8, are beyond any simulation. What can be measured is whether the intervals cover as they should at 0.9,
//! 0.99 and 0.999, whether an error is ever met at the level in use, and how far from the edge a decision falls.

mod forms;
mod proportion;
pub mod synthetic;
mod tables;

use ratecheck::random::Seed;
use ratecheck::rates::FitError;

use crate::evidence::{Claim, Context, Profile, Unevaluated};
use crate::runner::context;

pub use proportion::{Proportion, clopper_pearson};
pub use synthetic::Sample;
use tables::CERTAINTY;
pub use tables::{Table, markdown, tables};

/// What is estimated from the runs; each has noise of its own ([`Quantity::noise`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// The log-log slope of the root of the mean square, where a square is averaged over the steps of a bin.
    SlopeOfRootMean,
    /// The slope of the mean effective rate.
    SlopeOfRate,
    /// The slope of the mean squared norm.
    SlopeOfNorm,
    /// The mean of the slopes of the single runs.
    SlopeOfEachRun,
    /// The mean of one number a run, at one T.
    Number,
}

/// What is claimed of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// At most target + margin: [`at_most`](ratecheck::rates::at_most).
    AtMost,
    /// Within the margin of the target: [`equivalent`](ratecheck::rates::equivalent).
    Equivalent,
}

/// A decision about an exponent, or about one number.
#[derive(Clone, Debug, PartialEq)]
pub struct Design {
    /// What is estimated.
    pub quantity: Quantity,
    /// On which sides it is bounded.
    pub side: Side,
    /// The exponent claimed.
    pub target: f64,
    /// What is allowed beyond it.
    pub margin: f64,
    /// Independent runs.
    pub n_runs: usize,
    /// The horizons of the fit.
    pub t: Vec<f64>,
}

/// One sort of decisions that a claim takes from samples.
#[derive(Clone, Debug, PartialEq)]
pub struct SampledTest {
    /// In a few words.
    pub what: String,
    /// How often the claim takes it.
    pub times: usize,
    /// The nominal probability that one decision is wrong: 1 - level of its interval.
    pub risk: f64,
    /// For decisions by Student's intervals. Bounds that are valid for every number of runs need no calibration.
    pub design: Option<Design>,
}

impl SampledTest {
    /// A decision by an interval of the given level.
    pub(crate) fn of_rate(what: &str, times: usize, level: f64, design: Design) -> Self {
        Self { what: what.to_owned(), times, risk: 1.0 - level, design: Some(design) }
    }

    /// The level of its interval.
    pub fn level(&self) -> f64 {
        1.0 - self.risk
    }
}

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
