//! `ERRATA.md`, rendered from the table.

use std::fmt::Write as _;

use super::{Entry, Reading};
use crate::text::markdown::escape;

/// The committed file, from the root of the repository.
pub const FILE: &str = "ERRATA.md";

/// What renews it.
pub const COMMAND: &str = "cargo run --release -- errata > ERRATA.md";

/// The whole file.
pub fn markdown(entries: &[Entry]) -> String {
    let mut text = format!(
        "<!-- Rendered from verify/src/paper/errata/table.rs by `{COMMAND}`. Do not edit. -->\n\n# Errata\n\n\
         What is printed in Arora, Li & Lyu, \"Theoretical Analysis of Auto Rate-Tuning by Batch Normalization\" (ICLR \
         2019), and what it must be. None of it touches the truth of the theorems, and not all of it \
         is false: the last column says what can be held against the print. Each is shown by numbers for which \
         the printed reading fails and the corrected one holds; they are computed when this file is rendered, and a \
         test compares.\n\n\
         | | place | kind |\n|:--|:--|:--|\n"
    );
    for entry in entries {
        let anchor = entry.id.to_lowercase();
        let _ = writeln!(text, "| [{}](#{anchor}) | {} | {} |", entry.id, escape(&entry.place), entry.standing.label());
    }
    for entry in entries {
        let _ = section(&mut text, entry);
    }
    text
}

fn section(out: &mut String, entry: &Entry) -> std::fmt::Result {
    writeln!(out, "\n## {}\n\n{}; {}.\n", entry.id, escape(&entry.place), entry.standing.label())?;
    writeln!(out, "- Printed: {}", escape(&entry.printed))?;
    writeln!(out, "- Corrected: {}", escape(&entry.corrected))?;
    if !entry.claims.is_empty() {
        let claims: Vec<String> = entry.claims.iter().map(|id| format!("`{id}`")).collect();
        writeln!(out, "- Claims: {}", claims.join(", "))?;
    }
    if let Some(example) = &entry.example {
        writeln!(out, "\n{}:\n", escape(&example.setting))?;
        writeln!(out, "| reading | formula | left | | right | |\n|:--|:--|--:|:-:|:--|:--|")?;
        writeln!(out, "{}", row("printed", &example.printed))?;
        writeln!(out, "{}", row("corrected", &example.corrected))?;
    }
    Ok(())
}

fn row(name: &str, reading: &Reading) -> String {
    let [left, relation, right, outcome] = reading.cells();
    format!("| {name} | {} | {left} | {relation} | {right} | {outcome} |", escape(&reading.formula))
}
