//! What is kept of a verification, to be compared with later ones.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::claim::evidence::Profile;
use crate::claim::results::{ClaimResult, Results, Status};
use crate::lab::budget;
use crate::lab::problem::ProblemError;
use crate::report::read_results;
use crate::text::read_within;

/// The version of the format of a baseline.
pub const FORMAT: u32 = 1;

/// A verification in a few kilobytes: `reports/baseline.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// [`FORMAT`].
    pub baseline: u32,
    /// The version of ratecheck.
    pub version: String,
    /// The profile.
    pub profile: Profile,
    /// The root seed.
    pub seed: u64,
    /// What was verified, if it was a problem and not the paper's own instances: its name and settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The claims, in paper order.
    pub claims: Vec<Entry>,
}

/// What is kept of a claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// `lemma-2.2`.
    pub id: String,
    /// What it amounts to, its controls included.
    pub status: Status,
    /// The margin of the tightest comparison.
    #[serde(with = "crate::text::real")]
    pub margin: Option<f64>,
    /// The names of its controls.
    pub controls: Vec<String>,
    /// Its observations with an interval.
    pub slopes: Vec<Slope>,
}

/// An observation with its interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slope {
    /// Its name; unique within the claim.
    pub name: String,
    /// Its value.
    #[serde(with = "crate::text::real")]
    pub value: f64,
    /// Its interval.
    #[serde(with = "crate::text::real")]
    pub interval: [f64; 2],
}

impl Baseline {
    /// What is kept of a run.
    pub fn of(results: &Results) -> Self {
        let provenance = &results.provenance;
        Self {
            baseline: FORMAT,
            version: provenance.version.clone(),
            profile: provenance.profile,
            seed: provenance.seed,
            problem: provenance.problem.as_ref().map(|p| format!("{} ({})", p.name, p.settings.join("; "))),
            claims: results.claims.iter().map(Entry::of).collect(),
        }
    }
}

impl Entry {
    fn of(claim: &ClaimResult) -> Self {
        Self {
            id: claim.id.clone(),
            status: claim.status(),
            margin: claim.worst.as_ref().map(|worst| worst.margin),
            controls: claim.controls.iter().map(|control| control.name.clone()).collect(),
            slopes: Slope::of(claim),
        }
    }
}

impl Slope {
    /// Those of a claim: its observations with an interval.
    pub fn of(claim: &ClaimResult) -> Vec<Self> {
        let mut slopes: Vec<Self> = Vec::new();
        for observation in &claim.observations {
            let Some(interval) = observation.interval else { continue };
            // A name that occurs again is numbered, or the second would hide behind the first.
            let again = slopes.iter().filter(|slope| slope.name.starts_with(&observation.name)).count();
            let taken = slopes.iter().any(|slope| slope.name == observation.name);
            let name = if taken { format!("{} ({})", observation.name, again + 1) } else { observation.name.clone() };
            slopes.push(Self { name, value: observation.value, interval });
        }
        slopes
    }
}

/// Reads a baseline, or a `results.json`, of which it keeps the same.
///
/// # Errors
/// When the file cannot be read or is neither; with file, line and remedy.
pub fn read(path: &Path) -> Result<Baseline, String> {
    const REMEDY: &str = "give a baseline, or a results.json that `ratecheck verify` has written";
    let text = read_within(path, budget::of_file())
        .map_err(|error| ProblemError::of_file(path, format!("cannot be read: {error}"), REMEDY).to_string())?;
    #[derive(Deserialize)]
    struct Versioned {
        baseline: Option<u32>,
    }
    let malformed = |error: serde_json::Error, remedy: &str| {
        let (line, remedy) = (Some(error.line()), remedy.to_owned());
        let what = format!("not a baseline of format {FORMAT}: {error}");
        ProblemError { file: path.to_owned(), line, key: None, what, remedy }.to_string()
    };
    match serde_json::from_slice::<Versioned>(&text) {
        Err(error) => Err(malformed(error, REMEDY)),
        Ok(Versioned { baseline: None }) => {
            read_results(path).map(|results| Baseline::of(&results)).map_err(|error| error.to_string())
        }
        Ok(Versioned { baseline: Some(FORMAT) }) => serde_json::from_slice(&text).map_err(|error| {
            malformed(error, "it is damaged or was edited: restore it, or write it again with --update")
        }),
        Ok(Versioned { baseline: Some(other) }) => {
            let what = format!("a baseline of format {other}, and this version reads format {FORMAT}");
            Err(ProblemError::of_file(path, what, "write it again with --update").to_string())
        }
    }
}
