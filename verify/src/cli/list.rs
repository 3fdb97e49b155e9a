//! `ratecheck list`.

use super::{Claims, Exit, Stopped, say};

/// One line a claim: id, kind, where it is printed, the statement in a sentence.
pub(super) fn run(claims: Claims<'_>) -> Result<Exit, Stopped> {
    let longest = claims.iter().map(|claim| claim.statement().id.len()).max().unwrap_or(0);
    let mut text = String::new();
    for claim in claims {
        let statement = claim.statement();
        text += &format!("{:longest$}  {:11}  {}\n", statement.id, statement.kind.name(), statement.plain);
    }
    say(&text)?;
    Ok(Exit::Holds)
}
