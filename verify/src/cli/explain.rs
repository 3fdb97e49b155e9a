//! `ratecheck explain CLAIM`.

use serde::Serialize;

use super::console::Console;
use super::{Claims, Exit, Stopped, select};
use crate::claim::evidence::{Origin, Statement};
use crate::paper::errata;

const EXAMPLES: &str = "\
Examples:
  ratecheck explain lemma-3.2
  ratecheck explain theorem-4.2-rate --json | jq .controls";

/// Which claim.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The claim's id, as `ratecheck list` shows it.
    claim: String,
    /// Print the same as JSON.
    #[arg(long)]
    json: bool,
}

/// The whole of it as data.
#[derive(Serialize)]
struct Explained {
    #[serde(flatten)]
    statement: &'static Statement,
    controls: Vec<Broken>,
    /// The ids of the errata that touch it.
    errata: Vec<&'static str>,
}

#[derive(Serialize)]
struct Broken {
    name: &'static str,
    breaks: &'static str,
}

/// Prints the whole statement.
pub(super) fn run(arguments: &Arguments, console: Console, claims: Claims<'_>) -> Result<Exit, Stopped> {
    let mut text = String::new();
    for claim in select(std::slice::from_ref(&arguments.claim), claims)? {
        let s = claim.statement();
        if arguments.json {
            let controls = claim.controls();
            console.json(&Explained {
                statement: s,
                controls: controls.iter().map(|c| Broken { name: c.name, breaks: c.breaks }).collect(),
                errata: errata::of_claim(s.id).map(|erratum| erratum.id).collect(),
            })?;
            return Ok(Exit::Holds);
        }
        let origin = s.origin.label();
        text += &format!("{} ({}, {origin})\n  {}\n\n  {}\n\n", s.title, s.kind.name(), s.plain, s.formula);
        let place = match s.origin {
            Origin::Paper => "Printed at",
            Origin::Derived => "Where it belongs",
            Origin::Later => "Source",
        };
        section(&mut text, place, [s.printed_at]);
        section(&mut text, "Hypotheses", s.hypotheses.iter().copied());
        section(&mut text, "What is measured", [s.measured]);
        section(&mut text, "Tolerance", [s.tolerance]);
        let controls: Vec<String> = claim.controls().iter().map(|c| format!("{}: {}", c.name, c.breaks)).collect();
        section(&mut text, "Controls, which must be rejected", controls.iter().map(String::as_str));
        section(&mut text, "What a pass does not show", [s.does_not_show]);
        let errata: Vec<String> = errata::of_claim(s.id)
            .map(|e| format!("{}, {}: printed {}; must be {}", e.id, e.place, e.printed, e.corrected))
            .collect();
        if !errata.is_empty() {
            section(&mut text, "Errata", errata.iter().map(String::as_str));
        }
    }
    console.answer(&text)?;
    Ok(Exit::Holds)
}

/// A heading and paragraphs, wrapped at 88 columns.
fn section<'a>(text: &mut String, heading: &str, paragraphs: impl IntoIterator<Item = &'a str>) {
    *text += heading;
    text.push('\n');
    for paragraph in paragraphs {
        let mut column = 0;
        for word in paragraph.split_whitespace() {
            let length = word.chars().count();
            if column == 0 || column + 1 + length > 86 {
                *text += if column == 0 { "  " } else { "\n    " };
                column = 2 + length;
            } else {
                text.push(' ');
                column += 1 + length;
            }
            *text += word;
        }
        text.push('\n');
    }
    text.push('\n');
}
