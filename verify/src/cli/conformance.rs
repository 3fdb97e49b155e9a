//! `ratecheck conformance`: every claim over many seeds.

use super::{Claims, Exit, Stopped, say, select};
use crate::conformance::{FIRST_SEED, SEEDS, affordable, holds, repeats};
use crate::evidence::Claim;

/// Which claims, and how many seeds.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The claims to try, by id (all if none is given).
    claims: Vec<String>,
    /// How many seeds, from 2019 on.
    #[arg(long, default_value_t = SEEDS)]
    seeds: u64,
}

/// One line a claim, as soon as it is done, and one for every seed with which something is wrong.
pub(super) fn run(arguments: &Arguments, claims: Claims<'_>) -> Result<Exit, Stopped> {
    let claims = select(&arguments.claims, claims)?;
    let longest = claims.iter().map(|claim| claim.statement().id.len()).max().unwrap_or(0);
    let mut all = true;
    for claim in claims {
        let (wrong, seconds) = tried(claim, arguments.seeds);
        all &= wrong.is_empty();
        let good = arguments.seeds - (wrong.len() as u64).min(arguments.seeds);
        let id = claim.statement().id;
        let mut text = format!("{id:longest$}  {good} of {} seeds  {seconds:6.2} s a seed\n", arguments.seeds);
        wrong.iter().for_each(|wrong| text += &format!("  {wrong}\n"));
        say(&text)?;
    }
    Ok(if all { Exit::Holds } else { Exit::Failed })
}

/// What is wrong, at most one line a seed, and the mean time in seconds.
fn tried(claim: &'static dyn Claim, seeds: u64) -> (Vec<String>, f64) {
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
    (wrong, seconds / seeds.max(1) as f64)
}
