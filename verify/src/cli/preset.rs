//! `ratecheck verify --print-config`: what a command line stands for, without running it.

use serde::Serialize;

use super::subject::Brought;
use super::verify::Arguments;
use super::{Exit, Stopped};
use crate::claim::evidence::{Claim, Profile};
use crate::claim::runner::context;
use crate::paper::calibration::{Design, SampledTest, Side};

/// Everything that determines the numbers, and what does not.
#[derive(Debug, Serialize)]
pub(super) struct Preset {
    version: &'static str,
    profile: &'static str,
    seed: u64,
    /// 0: one per core. The numbers do not depend on it.
    jobs: usize,
    strict: bool,
    out: String,
    /// What all decisions from samples together may be wrong with.
    risk: f64,
    claims: Vec<OfClaim>,
}

#[derive(Debug, Serialize)]
struct OfClaim {
    id: &'static str,
    kind: &'static str,
    /// How many subjects broken on purpose.
    controls: usize,
    /// What is measured, over which cases.
    measured: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    decisions: Vec<Decision>,
}

/// A decision from samples, with the budget that the profile gives it.
#[derive(Debug, Serialize)]
struct Decision {
    what: String,
    times: usize,
    /// The probability that one of them is wrong.
    risk: f64,
    #[serde(flatten)]
    design: Option<Sizes>,
}

#[derive(Debug, Serialize)]
struct Sizes {
    claimed: &'static str,
    target: f64,
    margin: f64,
    runs: usize,
    /// The steps that are fitted: how many, the first and the last.
    horizons: usize,
    first: f64,
    last: f64,
}

impl Preset {
    pub(super) fn of(
        arguments: &Arguments,
        claims: &[&'static dyn Claim],
        brought: Option<&Brought>,
    ) -> Result<Self, Stopped> {
        let profile: Profile = arguments.profile.into();
        let claims: Vec<OfClaim> = claims
            .iter()
            .map(|claim| {
                let statement = claim.statement();
                let measure = claim.on_subject().filter(|_| brought.is_some());
                if let Some(measure) = measure {
                    let controls = measure.controls().len();
                    let (id, kind) = (statement.id, statement.kind.name());
                    return Ok(OfClaim { id, kind, controls, measured: statement.plain, decisions: Vec::new() });
                }
                let tests = claim.sampled_tests(&context(*claim, arguments.seed, profile)).map_err(|error| {
                    (Exit::Internal, format!("the decisions of {} cannot be listed: {}", statement.id, error.0))
                })?;
                Ok(OfClaim {
                    id: statement.id,
                    kind: statement.kind.name(),
                    controls: claim.controls().len(),
                    measured: statement.measured,
                    decisions: tests.iter().map(Decision::of).collect(),
                })
            })
            .collect::<Result<_, Stopped>>()?;
        let decisions = claims.iter().flat_map(|claim| &claim.decisions);
        Ok(Self {
            version: env!("CARGO_PKG_VERSION"),
            profile: profile.name(),
            seed: arguments.seed,
            jobs: arguments.jobs,
            strict: arguments.strict,
            out: arguments.out(brought).display().to_string(),
            risk: decisions.map(|one| one.times as f64 * one.risk).sum(),
            claims,
        })
    }

    /// As TOML.
    pub(super) fn toml(&self) -> Result<String, Stopped> {
        toml::to_string(self)
            .map_err(|error| (Exit::Internal, format!("the preset cannot be written as TOML: {error}")))
    }
}

impl Decision {
    fn of(test: &SampledTest) -> Self {
        let SampledTest { what, times, risk, design } = test;
        Self { what: what.clone(), times: *times, risk: *risk, design: design.as_ref().map(Sizes::of) }
    }
}

impl Sizes {
    fn of(design: &Design) -> Self {
        Self {
            claimed: match design.side {
                Side::AtMost => "at most target + margin",
                Side::Equivalent => "target ± margin",
            },
            target: design.target,
            margin: design.margin,
            runs: design.n_runs,
            horizons: design.t.len(),
            first: design.t.first().copied().unwrap_or(f64::NAN),
            last: design.t.last().copied().unwrap_or(f64::NAN),
        }
    }
}
