//! `ratecheck replay results.json --claim ID`: whether a claim finds today what it found then.

use std::path::PathBuf;

use super::compare::shown;
use super::console::Console;
use super::report::{note_without_checksum, results_in};
use super::subject::Brought;
use super::{Claims, Exit, Stopped, no_claim, pool, select};
use crate::claim::evidence::Claim;
use crate::claim::runner::{run_claim, run_on_subject};
use crate::report::compare::{Baseline, Weight, compare, rerun};
use crate::report::read_results;

const EXAMPLES: &str = "\
Examples:
  ratecheck replay reports/latest --claim lemma-3.2
  ratecheck replay results.json --claim lemma-3.2 --claim theorem-4.2-rate --json
  ratecheck replay reports/latest                       all of them: as long as the run itself took

The same version finds the same bits on every machine and for any number of threads. What differs comes from another \
version, and
is shown as `ratecheck compare` shows it.";

/// Which run, and what of it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The results.json of a verification, or its directory.
    #[arg(value_name = "RESULTS.json", value_hint = clap::ValueHint::AnyPath)]
    results: PathBuf,
    /// A claim to run again, by id; may be given several times (all that were run if none is given).
    #[arg(long, value_name = "ID")]
    claim: Vec<String>,
    /// Threads (0: one per core); the numbers do not depend on it.
    #[arg(long, default_value_t = 0)]
    jobs: usize,
    /// Print the differences as JSON.
    #[arg(long)]
    json: bool,
}

/// Reads, runs, compares, prints.
pub(super) fn run(arguments: &Arguments, console: Console, claims: Claims<'_>) -> Result<Exit, Stopped> {
    let file = results_in(&arguments.results);
    let mut old = read_results(&file).map_err(|error| (Exit::Input, error.to_string()))?;
    note_without_checksum(&file, console);
    let recorded = |id: &str| old.claims.iter().any(|claim| claim.id == id);
    if let Some(unknown) = arguments.claim.iter().find(|id| !recorded(id)) {
        let ids = old.claims.iter().map(|claim| claim.id.as_str());
        return Err(no_claim(unknown, ids, &format!("{} has {} claims", file.display(), old.claims.len())));
    }
    if !arguments.claim.is_empty() {
        old.claims.retain(|claim| arguments.claim.contains(&claim.id));
    }
    if old.claims.is_empty() {
        return Err((
            Exit::Input,
            format!("{} holds no claims: nothing can be run again; name another file", file.display()),
        ));
    }
    let ids: Vec<String> = old.claims.iter().map(|claim| claim.id.clone()).collect();
    let claims = select(&ids, claims)?;
    let pool = pool(arguments.jobs, console)?;
    let brought = old.provenance.problem.as_ref().map(Brought::again).transpose()?;
    let (seed, profile) = (old.provenance.seed, old.provenance.profile);
    let run = |claim: &dyn Claim| match &brought {
        None => Some(run_claim(claim, seed, profile)),
        Some(brought) => run_on_subject(claim, &brought.subject, seed, profile),
    };
    let new = pool.install(|| rerun(&old, &claims, &run));
    let mut compared = compare(&Baseline::of(&old), &Baseline::of(&new));
    compared
        .note_parts(&old, &new)
        .map_err(|error| (Exit::Internal, format!("the results cannot be compared: {error}")))?;
    if arguments.json {
        console.json(&compared)?;
    } else {
        let p = &old.provenance;
        let seconds: f64 = new.claims.iter().map(|claim| claim.seconds).sum();
        let then: f64 = old.claims.iter().map(|claim| claim.seconds).sum();
        let run = format!("seed {}, profile {}: {seconds:.2} s, then {then:.2} s\n", p.seed, p.profile.name());
        console.say(&run)?;
        shown(&compared, console)?;
    }
    Ok(if compared.count(Weight::Regression) > 0 { Exit::Failed } else { Exit::Holds })
}
