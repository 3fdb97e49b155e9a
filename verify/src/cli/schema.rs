//! `ratecheck schema`.

use super::console::Console;
use super::{Exit, Stopped};
use crate::claim::results::SCHEMA;

const EXAMPLES: &str = "\
Examples:
  ratecheck schema > results.schema.json
  ratecheck schema | jq '.properties | keys'";

/// Nothing to choose.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {}

/// The schema, as it is committed.
pub(super) fn run(_arguments: &Arguments, console: Console) -> Result<Exit, Stopped> {
    console.answer(SCHEMA)?;
    Ok(Exit::Holds)
}
