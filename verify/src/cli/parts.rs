//! What `--part K/N` of a sweep and of an experiment say at their end.

use serde::Serialize;

use super::console::Console;
use super::text::counted;
use super::{Exit, Stopped};
use crate::lab::sweep::{Progress, Shard};

/// A part that is complete, as data.
#[derive(Serialize)]
struct Part {
    shard: String,
    runs: usize,
}

/// A part is complete: it joins them all if it was the last, or says what is missing. `one` is the word for a cell.
pub(super) fn part_ended(
    part: Shard,
    parts: &[Progress],
    one: &str,
    json: bool,
    console: Console,
    joined: impl FnOnce() -> Result<Exit, Stopped>,
) -> Result<Exit, Stopped> {
    let missing: usize = parts.iter().map(|of| of.missing()).sum();
    if missing == 0 {
        return match joined() {
            // Of parts that end together each may try, and one does.
            Err((Exit::Busy, _)) => {
                console.answer(&format!(
                    "The part {part} is complete, and no {one} is missing: another process joins them.\n"
                ))?;
                Ok(Exit::Holds)
            }
            other => other,
        };
    }
    if json {
        return shard_ended(part, parts[part.numbers().0 - 1].all, console);
    }
    let open = parts.iter().filter(|of| !of.is_complete()).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    console.answer(&format!("The part {part} is complete. The whole lacks {}: {open}.\n", counted(missing, one)))?;
    Ok(Exit::Holds)
}

/// A part is complete, as JSON.
pub(super) fn shard_ended(part: Shard, runs: usize, console: Console) -> Result<Exit, Stopped> {
    console.json(&Part { shard: part.to_string(), runs })?;
    Ok(Exit::Holds)
}
