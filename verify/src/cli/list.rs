//! `ratecheck list`.

use super::{Claims, Exit, Stopped, say};
use crate::evidence::Origin;

/// One line a claim: id, kind, whose statement it is, the statement in a sentence.
pub(super) fn run(claims: Claims<'_>) -> Result<Exit, Stopped> {
    let longest = claims.iter().map(|claim| claim.statement().id.len()).max().unwrap_or(0);
    let mut text = String::new();
    for claim in claims {
        let statement = claim.statement();
        let origin = match statement.origin {
            Origin::Paper => "paper",
            Origin::Derived => "derived",
        };
        text += &format!("{:longest$}  {:11}  {origin:7}  {}\n", statement.id, statement.kind.name(), statement.plain);
    }
    say(&text)?;
    Ok(Exit::Holds)
}
