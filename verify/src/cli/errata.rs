//! `ratecheck errata`.

use super::console::Console;
use super::{Exit, Stopped};
use crate::paper::errata;

const EXAMPLES: &str = "\
Examples:
  ratecheck errata > ERRATA.md
  ratecheck errata --json | jq '.[] | select(.claims[] == \"lemma-3.2\")'";

/// How to show them.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Print them as JSON, every number at full precision.
    #[arg(long)]
    json: bool,
}

/// The errata of the paper with their examples, as Markdown.
pub(super) fn run(arguments: &Arguments, console: Console) -> Result<Exit, Stopped> {
    let entries = errata::entries().map_err(|error| (Exit::Internal, format!("an erratum's example: {}", error.0)))?;
    if arguments.json {
        console.json(&entries)?
    } else {
        console.answer(&errata::markdown(&entries))?
    }
    Ok(Exit::Holds)
}
