//! `ratecheck merge DIR... --out DIR`: parts of a sweep into one.

use std::path::PathBuf;

use super::answer::complete;
use super::console::Console;
use super::place::Place;
use super::sweep::stopped;
use super::{Exit, Stopped};
use crate::lab::sweep::merge;

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
    /// Treat an inconclusive verdict on what the plan expects as a failure (exit code 4).
    #[arg(long)]
    strict: bool,
    /// Print what was joined as JSON.
    #[arg(long)]
    json: bool,
}

/// Joins them and writes the results.
pub(super) fn run(arguments: &Arguments, console: Console) -> Result<Exit, Stopped> {
    let (written, store) = merge(&arguments.parts, &arguments.out, arguments.place.locking()).map_err(stopped)?;
    if !arguments.json {
        console.say(&format!("{} runs from {} parts.\n", written.answer.runs, arguments.parts.len()))?;
    }
    complete(&written, &store, arguments.strict, arguments.json, console)
}
