//! `ratecheck list`.

use serde::Serialize;

use super::console::Console;
use super::{Claims, Exit, Stopped};
use crate::claim::evidence::{Origin, Statement};
use crate::paper::manifest::{BEYOND, Chapter, MANIFEST, chapters, homeless};

const EXAMPLES: &str = "\
Examples:
  ratecheck list                                         the paper, statement by statement
  ratecheck list --claims                                one line a claim
  ratecheck list --claims --json | jq -r '.[] | select(.kind == \"rate\") | .id'";

/// What to list.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// One line a claim, with its statement in a sentence, instead of the map of the paper.
    #[arg(long = "claims")]
    plain: bool,
    /// Print the same as JSON.
    #[arg(long)]
    json: bool,
}

/// The map as data.
#[derive(Serialize)]
struct Map {
    chapters: Vec<Chapter>,
    /// Claims that no statement of the paper is the home of.
    beyond: Vec<&'static str>,
}

/// The statements of the paper with their claims, or the claims alone.
pub(super) fn run(arguments: &Arguments, console: Console, claims: Claims<'_>) -> Result<Exit, Stopped> {
    match (arguments.plain, arguments.json) {
        (true, true) => console.json(&claims.iter().map(|claim| claim.statement()).collect::<Vec<_>>())?,
        (true, false) => console.answer(&plain(claims))?,
        (false, true) => console.json(&Map { chapters: chapters(), beyond: homeless(claims).collect() })?,
        (false, false) => console.answer(&map(claims))?,
    }
    Ok(Exit::Holds)
}

/// One line a claim: id, kind, whose statement it is, the statement in a sentence.
fn plain(claims: Claims<'_>) -> String {
    let longest = claims.iter().map(|claim| claim.statement().id.len()).max().unwrap_or(0);
    let line = |statement: &Statement| {
        let origin = match statement.origin {
            Origin::Paper => "paper",
            Origin::Derived => "derived",
            Origin::Later => "later",
        };
        format!("{:longest$}  {:11}  {origin:7}  {}\n", statement.id, statement.kind.name(), statement.plain)
    };
    claims.iter().map(|claim| line(claim.statement())).collect()
}

/// Every statement of the paper, in the order of print: its claims, in brackets those at home elsewhere.
fn map(claims: Claims<'_>) -> String {
    let names = || MANIFEST.iter().flat_map(|section| section.statements).map(|printed| printed.name());
    let longest = names().map(|name| name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for section in MANIFEST {
        text += &format!("{}\n", section.title);
        for printed in section.statements {
            let also = (!printed.also.is_empty()).then(|| format!("({})", printed.also.join(", ")));
            let own: Vec<String> = printed.claims.iter().map(|id| marked(id, claims)).collect();
            let own = (!own.is_empty()).then(|| own.join(", "));
            let covered = own.into_iter().chain(also).collect::<Vec<_>>().join(" ");
            text += &format!("  {:longest$}  {covered}\n", printed.name());
        }
    }
    let rest: Vec<&str> = homeless(claims).collect();
    if !rest.is_empty() {
        text += &format!("{BEYOND}\n");
        let statements = || claims.iter().map(|claim| claim.statement()).filter(|s| rest.contains(&s.id));
        let longest = statements().map(|s| s.title.chars().count()).fold(longest, usize::max);
        for statement in statements() {
            text += &format!("  {:longest$}  {}\n", statement.title, marked(statement.id, claims));
        }
    }
    text + "\n† derived here, ‡ from a later paper. In brackets: claims listed at another statement that check this \
            one, too.\n"
}

/// The id, with a mark if the paper does not state it.
fn marked(id: &str, claims: Claims<'_>) -> String {
    let origin = claims.iter().map(|claim| claim.statement()).find(|s| s.id == id).map(|s| s.origin);
    let mark = match origin {
        Some(Origin::Derived) => " †",
        Some(Origin::Later) => " ‡",
        Some(Origin::Paper) | None => "",
    };
    format!("{id}{mark}")
}
