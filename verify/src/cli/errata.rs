//! `ratecheck errata`.

use super::{Exit, Stopped, say};
use crate::errata;

/// The errata of the paper with their examples, as Markdown.
pub(super) fn run() -> Result<Exit, Stopped> {
    let entries = errata::entries().map_err(|error| (Exit::Internal, error.0))?;
    say(&errata::markdown(&entries))?;
    Ok(Exit::Holds)
}
