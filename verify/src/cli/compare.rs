//! `ratecheck compare`: whether a verification says what it said before.

use std::path::{Path, PathBuf};

use super::text::columns;
use super::{Claims, Exit, Stopped, say};
use crate::compare::{Baseline, Compared, Weight, compare, read};
use crate::report::{pretty, write};

const EXAMPLES: &str = "\
Examples:
  ratecheck compare reports/baseline.json reports/latest/results.json
  ratecheck compare reports/baseline.json reports/latest/results.json --update    renew the baseline on purpose

Exit codes: 0 the same or better; 1 a regression: a verdict that is worse, a claim, control or slope that is gone, a slope whose
interval no longer overlaps; 2, 6, 7 and 70 as for every command. With --update: 0 when the baseline is written.";

/// What is compared with what.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// What is compared with: a baseline, or a results.json.
    baseline: PathBuf,
    /// What is compared: a results.json, or a baseline.
    current: PathBuf,
    /// Show what differs, and write CURRENT into BASELINE. Refused unless CURRENT holds every claim, at the profile and seed of the
    /// baseline.
    #[arg(long)]
    update: bool,
    /// Print the differences as JSON.
    #[arg(long)]
    json: bool,
}

/// Compares, prints, and rewrites the baseline if that is asked for.
pub(super) fn run(arguments: &Arguments, claims: Claims<'_>) -> Result<Exit, Stopped> {
    let input = |message: String| (Exit::Input, message);
    let new = read(&arguments.current).map_err(input)?;
    // The first baseline has nothing to be compared with.
    let first = arguments.update && !arguments.baseline.exists();
    let old = if first {
        Baseline { claims: Vec::new(), ..new.clone() }
    } else {
        read(&arguments.baseline).map_err(input)?
    };
    let compared = compare(&old, &new);
    if arguments.json {
        let json =
            pretty(&compared).map_err(|error| (Exit::Internal, format!("the JSON cannot be written: {error}")))?;
        say(&String::from_utf8_lossy(&json))?;
    } else {
        say(&shown(&compared))?;
    }
    if arguments.update {
        let refusal = if first { not_whole(&new, claims) } else { refusal(&arguments.baseline, &old, &new, claims) };
        if let Some(why) = refusal {
            return Err((Exit::Input, format!("{} is left as it is: {why}", arguments.baseline.display())));
        }
        let json = pretty(&new).map_err(|error| (Exit::Internal, format!("the JSON cannot be written: {error}")))?;
        write(arguments.baseline.clone(), &json).map_err(|error| (Exit::Output, error.to_string()))?;
        if !arguments.json {
            say(&format!("{} is written\n", arguments.baseline.display()))?;
        }
        return Ok(Exit::Holds);
    }
    Ok(if compared.count(Weight::Regression) > 0 { Exit::Failed } else { Exit::Holds })
}

fn not_whole(new: &Baseline, claims: Claims<'_>) -> Option<String> {
    let known: Vec<&str> = claims.iter().map(|claim| claim.statement().id).collect();
    let missing = known.iter().find(|id| new.claims.iter().all(|entry| entry.id != **id));
    if let Some(id) = missing {
        return Some(format!("the new run does not hold `{id}`; run `ratecheck verify` without naming claims"));
    }
    let foreign = new.claims.iter().find(|entry| !known.contains(&entry.id.as_str()));
    foreign.map(|entry| format!("`{}` is no claim of this version; verify with the version at hand", entry.id))
}

/// Why the baseline must not be rewritten, if it must not.
fn refusal(path: &Path, old: &Baseline, new: &Baseline, claims: Claims<'_>) -> Option<String> {
    // A results.json holds more than would be left of it.
    let is_baseline = std::fs::read(path).is_ok_and(|text| {
        serde_json::from_slice::<serde_json::Value>(&text).is_ok_and(|value| value.get("baseline").is_some())
    });
    if !is_baseline {
        return Some("it is no baseline, and would lose everything else; name the file of a baseline".to_owned());
    }
    if (old.profile, old.seed) != (new.profile, new.seed) {
        let profile = |run: &Baseline| format!("{:?}", run.profile).to_lowercase();
        return Some(format!(
            "it is of profile {} and seed {}, the new run of profile {} and seed {}; verify with the former, or delete the file first",
            profile(old),
            old.seed,
            profile(new),
            new.seed
        ));
    }
    not_whole(new, claims)
}

fn shown(compared: &Compared) -> String {
    let mut text = String::new();
    for setting in &compared.settings {
        text += &format!("{setting}\n");
    }
    let rows: Vec<Vec<String>> = compared
        .differences
        .iter()
        .map(|difference| {
            let weight = match difference.weight {
                Weight::Regression => "REGRESSION",
                Weight::Better => "better",
                Weight::Note => "note",
            };
            vec![weight.to_owned(), difference.claim.clone(), difference.what.clone()]
        })
        .collect();
    text += &columns(&rows, 3);
    let of = |weight, one: &str, many: &str| match compared.count(weight) {
        1 => format!("1 {one}"),
        n => format!("{n} {many}"),
    };
    text += &format!(
        "{} claims in both: {}, {} better, {}\n",
        compared.n_common,
        of(Weight::Regression, "regression", "regressions"),
        compared.count(Weight::Better),
        of(Weight::Note, "note", "notes")
    );
    text
}
