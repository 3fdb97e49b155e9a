//! `ratecheck calibrate`: the statistical decisions of the claims on synthetic runs with known exponents.

use std::path::PathBuf;

use super::console::Console;
use super::text::{columns, heading};
use super::verify::Level;
use super::{Claims, DEFAULT_SEED, Exit, Stopped, pool};
use crate::claim::evidence::{Profile, Unevaluated};
use crate::paper::calibration::{FAMILY, Options, PROFILES, calibrate, markdown, spending, tables};
use crate::text::write;

/// Sets of runs by default: some seconds.
const SETS: usize = 4_000;
/// And with `--full`: about two minutes on two cores.
const FULL: usize = 100_000;

const EXAMPLES: &str = "\
Examples:
  ratecheck calibrate                                        some seconds
  ratecheck calibrate --full --out reports/calibration.md    the committed study: two minutes
  ratecheck calibrate --profile standard --json              the decisions of longer runs, as data";

/// What is simulated, and where it is written.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The profile whose decisions are simulated.
    #[arg(long, value_enum, default_value_t = Level::Quick)]
    profile: Level,
    /// 100,000 sets of runs for each estimator instead of 4,000: about two minutes on two cores.
    #[arg(long)]
    full: bool,
    /// The root of the seed tree; the same seed gives the same numbers.
    #[arg(long, default_value_t = DEFAULT_SEED, value_parser = super::seed)]
    seed: u64,
    /// Threads (0: one per core); the numbers do not depend on it.
    #[arg(long, default_value_t = 0)]
    jobs: usize,
    /// Write the tables as Markdown into this file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print the tables as JSON.
    #[arg(long)]
    json: bool,
}

/// Simulates, prints and writes. Fails if all decisions together cost too much,
/// or if one was wrong more often than its level allows.
pub(super) fn run(arguments: &Arguments, console: Console, claims: Claims<'_>) -> Result<Exit, Stopped> {
    let failed = |error: Unevaluated| (Exit::Failed, format!("the decisions cannot be calibrated: {}", error.0));
    let replications = if arguments.full { FULL } else { SETS };
    let options = Options { profile: arguments.profile.into(), replications, seed: arguments.seed };
    let workers = pool(arguments.jobs, console)?;
    let found = workers.install(|| calibrate(claims, &options)).map_err(failed)?;
    let shown = workers.install(|| tables(claims, &found, &options)).map_err(failed)?;
    if arguments.json {
        console.json(&shown)?;
    }
    for table in shown.iter().filter(|_| !arguments.json) {
        console.say(&format!("{}\n{}\n\n{}\n", heading(table.title), table.text, columns(&table.rows, table.left)))?;
    }
    if let Some(file) = &arguments.out {
        let command = command(arguments, file);
        write(file.clone(), markdown(&shown, &options, &command).as_bytes())
            .map_err(|error| (Exit::Output, error.to_string()))?;
    }
    for profile in PROFILES {
        let risk: f64 = spending(claims, profile).map_err(failed)?.iter().map(|one| one.risk).sum();
        if !(risk < FAMILY) {
            let what = format!("all decisions together may be wrong with probability {risk:e}, more than {FAMILY:e}");
            return Err((Exit::Failed, format!("profile {}: {what}; raise the level of some", profile.name())));
        }
    }
    match found.iter().find(|one| one.errs_too_often()) {
        None => {
            if !arguments.json {
                console.answer(&format!(
                    "No decision was wrong more often than its level allows, in {replications} sets of runs\n"
                ))?;
            }
            Ok(Exit::Holds)
        }
        Some(one) => Err((Exit::Failed, format!("{}: wrong more often than its level allows", one.test.what))),
    }
}

/// What repeats it.
fn command(arguments: &Arguments, file: &std::path::Path) -> String {
    let Arguments { profile, full, seed, .. } = arguments;
    let (profile, full) = (Profile::from(*profile).name(), if *full { " --full" } else { "" });
    format!("cargo run --release -- calibrate --profile {profile}{full} --seed {seed} --out {}", file.display())
}
