//! `ratecheck list`.

use super::{Exit, say};
use crate::claims::CLAIMS;

/// One line a claim: id, kind, where it is printed, the statement in a sentence.
pub(super) fn run() -> Result<Exit, (Exit, String)> {
    let longest = CLAIMS.iter().map(|claim| claim.statement().id.len()).max().unwrap_or(0);
    let mut text = String::new();
    for claim in CLAIMS {
        let statement = claim.statement();
        text += &format!("{:longest$}  {:11}  {}\n", statement.id, statement.kind.name(), statement.plain);
    }
    say(&text)?;
    Ok(Exit::Holds)
}
