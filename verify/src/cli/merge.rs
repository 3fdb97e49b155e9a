//! `ratecheck merge DIR... --out DIR`: parts of a sweep into one.

use std::path::PathBuf;

use super::console::Console;
use super::place::Place;
use super::sweep::{Finished, closing, stopped};
use super::{Exit, Stopped};
use crate::lab::sweep::{Manifest, merge};

const EXAMPLES: &str = "\
Examples:
  ratecheck sweep plan.toml --shard 1/2 --out part-1    on one machine
  ratecheck sweep plan.toml --shard 2/2 --out part-2    on another
  ratecheck merge part-1 part-2 --out whole             the same bits as one run over the whole plan

`ratecheck sweep --part` runs a part for others to join, and `ratecheck sweep --slurm` runs and joins them all.";

/// Which parts, and where to.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The directories of the parts, as `ratecheck sweep --shard K/N --out DIR` has filled them.
    #[arg(required = true, value_name = "DIR")]
    parts: Vec<PathBuf>,
    /// The directory of the whole; it may be one of the parts.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    place: Place,
    /// Print what was joined as JSON.
    #[arg(long)]
    json: bool,
}

/// Joins them and writes the results.
pub(super) fn run(arguments: &Arguments, console: Console) -> Result<Exit, Stopped> {
    let written = merge(&arguments.parts, &arguments.out, arguments.place.locking()).map_err(stopped)?;
    let n_runs = Manifest::read(&arguments.out).map_err(stopped)?.cells.len();
    if arguments.json {
        console.json(&Finished::of(&written, n_runs))?;
    } else {
        console.say(&format!("{n_runs} runs from {} parts.\n", arguments.parts.len()))?;
        console.answer(&closing(&written, n_runs))?;
    }
    Ok(Exit::Holds)
}
