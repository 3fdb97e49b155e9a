//! `ratecheck compare`: whether a verification says what it said before.

use std::path::{Path, PathBuf};

use super::console::Console;
use super::report::note_without_checksum;
use super::text::{columns, counted};
use super::{Claims, Exit, Stopped};
use crate::report::compare::{Baseline, Compared, Weight, compare, read};
use crate::text::{plain, pretty, write};

const EXAMPLES: &str = "\
Examples:
  ratecheck compare reports/baseline.json reports/latest/results.json
  ratecheck compare reports/baseline.json reports/latest/results.json --update    renew it
  ratecheck compare old/results.json new/results.json --json | jq '.differences'
  ratecheck compare quick/results.json full/results.json --across-profiles    verdicts and slopes

With --update the exit code is 0 when the baseline is written, whatever differs.";

/// What is compared with what.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// What is compared with: a baseline, or a results.json.
    baseline: PathBuf,
    /// What is compared: a results.json, or a baseline.
    current: PathBuf,
    /// Show what differs, and write CURRENT into BASELINE. Refused unless CURRENT holds every claim, at the profile and
    /// seed of the baseline.
    #[arg(long)]
    update: bool,
    /// Compare runs of two profiles, of which only verdicts, claims and slopes can be compared; slopes over other
    /// horizons may differ without anything being wrong.
    #[arg(long)]
    across_profiles: bool,
    /// Print the differences as JSON.
    #[arg(long)]
    json: bool,
}

/// Compares, prints, and rewrites the baseline if that is asked for.
pub(super) fn run(arguments: &Arguments, console: Console, claims: Claims<'_>) -> Result<Exit, Stopped> {
    let input = |message: String| (Exit::Input, message);
    let new = read(&arguments.current).map_err(input)?;
    // The first baseline has nothing to be compared with.
    let first = arguments.update && !arguments.baseline.exists();
    let old = if first {
        Baseline { claims: Vec::new(), ..new.clone() }
    } else {
        read(&arguments.baseline).map_err(input)?
    };
    if old.profile != new.profile && !arguments.across_profiles && !arguments.update {
        let [old_file, new_file] = [&arguments.baseline, &arguments.current].map(|path| path.display());
        let (was, is) = (old.profile.name(), new.profile.name());
        let remedy = "compare two runs of one profile, or add --across-profiles";
        let what =
            format!("{old_file} is of profile {was}, and {new_file} of profile {is}, which measures something else");
        return Err((Exit::Input, format!("{what}; {remedy}")));
    }
    for file in [&arguments.baseline, &arguments.current] {
        note_without_checksum(file, console);
    }
    let compared = compare(&old, &new);
    if arguments.json {
        console.json(&compared)?;
    } else {
        shown(&compared, console)?;
    }
    if arguments.update {
        let refusal = if first { not_whole(&new, claims) } else { refusal(&arguments.baseline, &old, &new, claims) };
        if let Some(why) = refusal {
            return Err((Exit::Input, format!("{} is left as it is: {why}", arguments.baseline.display())));
        }
        let json = pretty(&new).map_err(|error| (Exit::Internal, format!("the JSON cannot be written: {error}")))?;
        write(arguments.baseline.clone(), &json).map_err(|error| (Exit::Output, error.to_string()))?;
        if !arguments.json {
            console.say(&format!("{} is written\n", plain::path(&arguments.baseline)))?;
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
        return Some(format!(
            "it is of profile {} and seed {}, the new run of profile {} and seed {}; verify with the former, or delete \
             the file first",
            old.profile.name(),
            old.seed,
            new.profile.name(),
            new.seed
        ));
    }
    not_whole(new, claims)
}

/// The differences, and a last line that counts them.
pub(super) fn shown(compared: &Compared, console: Console) -> Result<(), Stopped> {
    let mut text = String::new();
    for setting in &compared.settings {
        text += &format!("{setting}\n");
    }
    let same: &[String] = if console.is_verbose() { &compared.same } else { &[] };
    let agree = same.iter().map(|id| vec!["same".to_owned(), id.clone()]);
    let differ = compared.differences.iter().map(|difference| {
        let weight = match difference.weight {
            Weight::Regression => "REGRESSION",
            Weight::Better => "better",
            Weight::Note => "note",
        };
        vec![weight.to_owned(), difference.claim.clone(), difference.what.clone()]
    });
    text += &columns(&differ.chain(agree).collect::<Vec<_>>(), 3);
    let last = format!(
        "{} in both: {}, {} better, {}\n",
        counted(compared.n_common, "claim"),
        counted(compared.count(Weight::Regression), "regression"),
        compared.count(Weight::Better),
        counted(compared.count(Weight::Note), "note")
    );
    console.say(&text)?;
    console.answer(&last)
}
