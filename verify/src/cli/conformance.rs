//! `ratecheck conformance`: every claim over many seeds.

use serde::Serialize;

use super::console::Console;
use super::text::counted;
use super::{Claims, Exit, Stopped, select};
use crate::claim::conformance::{FIRST_SEED, SEEDS, affordable, holds, repeats};
use crate::claim::evidence::Claim;

const EXAMPLES: &str = "\
Examples:
  ratecheck conformance                         every claim with twenty seeds: some minutes
  ratecheck conformance lemma-3.2 --seeds 100   one claim, as often as you like
  ratecheck conformance --quiet                 only what is wrong";

/// More seeds than this are days of work.
const MOST_SEEDS: u64 = 1_000_000;

/// Which claims, and how many seeds.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The claims to try, by id (all if none is given).
    claims: Vec<String>,
    /// How many seeds, from 2019 on.
    #[arg(long, default_value_t = SEEDS, value_parser = clap::value_parser!(u64).range(1..=MOST_SEEDS))]
    seeds: u64,
    /// Print the same as JSON, when all is done.
    #[arg(long)]
    json: bool,
}

/// What became of one claim.
#[derive(Serialize)]
struct Tried {
    claim: &'static str,
    seeds: u64,
    /// What is wrong, at most one line a seed.
    wrong: Vec<String>,
    /// The mean time in seconds.
    seconds_per_seed: f64,
}

/// One line a claim, as soon as it is done, and one for every seed with which something is wrong.
pub(super) fn run(arguments: &Arguments, console: Console, claims: Claims<'_>) -> Result<Exit, Stopped> {
    let claims = select(&arguments.claims, claims)?;
    let longest = claims.iter().map(|claim| claim.statement().id.len()).max().unwrap_or(0);
    let mut all = Vec::new();
    for claim in claims {
        let tried = tried(claim, arguments.seeds);
        let good = tried.seeds - (tried.wrong.len() as u64).min(tried.seeds);
        let Tried { claim: id, seeds, seconds_per_seed: seconds, .. } = tried;
        let mut text = format!("{id:longest$}  {good} of {seeds} seeds  {seconds:6.2} s a seed\n");
        tried.wrong.iter().for_each(|wrong| text += &format!("  {wrong}\n"));
        if !arguments.json {
            // What is wrong is heard even by those who asked for quiet.
            if tried.wrong.is_empty() { console.say(&text)? } else { console.answer(&text)? }
        }
        all.push(tried);
    }
    let good = all.iter().filter(|tried| tried.wrong.is_empty()).count();
    if arguments.json {
        console.json(&all)?;
    } else {
        let (claims, seeds) = (counted(all.len(), "claim"), counted(arguments.seeds as usize, "seed"));
        console.answer(&format!("{good} of {claims} with {seeds}\n"))?;
    }
    Ok(if good == all.len() { Exit::Holds } else { Exit::Failed })
}

fn tried(claim: &'static dyn Claim, seeds: u64) -> Tried {
    let (mut wrong, mut seconds) = (Vec::new(), 0.0);
    for seed in FIRST_SEED..FIRST_SEED + seeds {
        match holds(claim, seed) {
            Ok(result) => {
                seconds += result.seconds;
                let more = if seed == FIRST_SEED { repeats(claim, seed, &result, 1) } else { Ok(()) };
                wrong.extend(more.and_then(|()| affordable(&result)).err());
            }
            Err(reason) => wrong.push(reason),
        }
    }
    Tried { claim: claim.statement().id, seeds, wrong, seconds_per_seed: seconds / seeds as f64 }
}
