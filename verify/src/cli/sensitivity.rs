//! `ratecheck sensitivity`: what the checks need of every constant of the bounds.

use std::path::PathBuf;

use super::console::Console;
use super::text::columns;
use super::{Claims, DEFAULT_SEED, Exit, Stopped, pool, select};
use crate::claim::evidence::{Profile, Unevaluated};
use crate::paper::sensitivity::{Study, constants_of, study};
use crate::text::{number, write};

const EXAMPLES: &str = "\
Examples:
  ratecheck sensitivity lemma-3.2          one claim: some seconds
  ratecheck sensitivity --out reports      all: reports/sensitivity.md and .json, some minutes
  ratecheck sensitivity lemma-b.4 --json   the same as data";

/// How much work a check does: the profiles of a verification, and that of the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Budget {
    Test,
    Quick,
    Standard,
    Full,
}

impl From<Budget> for Profile {
    fn from(budget: Budget) -> Self {
        match budget {
            Budget::Test => Self::Test,
            Budget::Quick => Self::Quick,
            Budget::Standard => Self::Standard,
            Budget::Full => Self::Full,
        }
    }
}

/// Which claims, and where the study is written.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The claims to study, by id (all that have explicit constants, if none is given).
    claims: Vec<String>,
    /// How much work a check does.
    #[arg(long, value_enum, default_value_t = Budget::Quick)]
    profile: Budget,
    /// The root of the seed tree; the same seed gives the same numbers.
    #[arg(long, default_value_t = DEFAULT_SEED, value_parser = super::seed)]
    seed: u64,
    /// Threads (0: one per core); the numbers do not depend on it.
    #[arg(long, default_value_t = 0)]
    jobs: usize,
    /// Write sensitivity.md and sensitivity.json into this folder.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Print the study as JSON.
    #[arg(long)]
    json: bool,
}

/// A table a claim, as soon as it is done; then the files.
pub(super) fn run(arguments: &Arguments, console: Console, claims: Claims<'_>) -> Result<Exit, Stopped> {
    let Arguments { profile, seed, .. } = *arguments;
    let profile = Profile::from(profile);
    let selected = select(&arguments.claims, claims)?;
    let (with, without): (Vec<_>, Vec<_>) =
        selected.into_iter().partition(|claim| !constants_of(claim.statement().id).is_empty());
    if let (true, Some(claim)) = (!arguments.claims.is_empty(), without.first()) {
        let what =
            format!("{} has no explicit constants; `ratecheck sensitivity` studies all that do", claim.statement().id);
        return Err((Exit::NothingSelected, what));
    }
    let pool = pool(arguments.jobs, console)?;
    let mut found = Study { profile: profile.name().to_owned(), seed, needs: Vec::new() };
    for claim in with {
        let failed = |Unevaluated(reason): Unevaluated| (Exit::Failed, reason);
        let needs = pool.install(|| study(claim, seed, profile)).map_err(failed)?;
        if !arguments.json {
            let row = |need: &crate::paper::sensitivity::Need| {
                let multiple = need.multiple.map_or_else(|| "0".to_owned(), number::short);
                vec![format!("  {}", need.symbol), need.place.clone(), multiple]
            };
            let rows: Vec<Vec<String>> = needs.iter().map(row).collect();
            console.say(&format!("{}\n{}\n", claim.statement().id, columns(&rows, 2)))?;
        }
        found.needs.extend(needs);
    }
    if arguments.json {
        console.json(&found)?;
    }
    if let Some(folder) = &arguments.out {
        let failed = |error: crate::text::ReportError| (Exit::Output, error.to_string());
        let json = serde_json::to_string_pretty(&found).map_err(|error| (Exit::Internal, error.to_string()))?;
        write(folder.join("sensitivity.json"), (json + "\n").as_bytes()).map_err(failed)?;
        let text = found.markdown(&command(arguments, profile, folder));
        write(folder.join("sensitivity.md"), text.as_bytes()).map_err(failed)?;
    }
    if !arguments.json {
        console.answer(&format!("{}\n", found.summary().unwrap_or_else(|| "Nothing was studied".to_owned())))?;
    }
    Ok(Exit::Holds)
}

/// What repeats it.
fn command(arguments: &Arguments, profile: Profile, folder: &std::path::Path) -> String {
    let claims: String = arguments.claims.iter().map(|id| format!(" {id}")).collect();
    let (profile, seed) = (profile.name(), arguments.seed);
    format!("ratecheck sensitivity{claims} --profile {profile} --seed {seed} --out {}", folder.display())
}
