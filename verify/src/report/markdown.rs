//! The same results as Markdown, for a pull request.

use std::fmt::Write as _;

use super::{command, controls_cell, number, paper, profile, summary};
use crate::claim::evidence::{Origin, Standing};
use crate::claim::results::{ClaimResult, ControlOutcome, Results, Status};
use crate::text::markdown::escape;

/// The whole file.
pub(super) fn render(results: &Results, stems: &[Vec<String>]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, results, stems);
    text
}

fn write(out: &mut String, results: &Results, stems: &[Vec<String>]) -> std::fmt::Result {
    let p = &results.provenance;
    writeln!(out, "# Auto rate-tuning by batch normalization, checked\n")?;
    writeln!(out, "**{}**\n", escape(&summary(results)))?;
    writeln!(
        out,
        "ratecheck {} ({}) · profile {} · seed {} · {} · {}\n",
        escape(&p.version),
        escape(&p.commit),
        profile(results),
        p.seed,
        escape(&p.target_cpu),
        escape(&p.compiler),
    )?;
    writeln!(out, "| claim | verdict | margin | tightest instance | controls | time |")?;
    writeln!(out, "|:--|:--|--:|:--|:--|--:|")?;
    for claim in &results.claims {
        let worst = claim.worst.as_ref();
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            escape(&claim.id),
            marked(claim),
            worst.map_or_else(|| number::NONE.to_owned(), |w| number::pretty(w.margin)),
            worst.map_or_else(|| number::NONE.to_owned(), |w| escape(&w.at)),
            escape(&controls_cell(claim)),
            number::duration(claim.seconds),
        )?;
    }
    writeln!(out)?;
    writeln!(
        out,
        "Margin: the share of the tolerance or of the bound left unused; 0 is the edge, negative has failed (unless by \
         no more than the rounding allowed).{}\n",
        results.near_failures().sentence().map_or_else(String::new, |found| format!(" {found}")),
    )?;
    for claim in &results.claims {
        if let Some(reason) = claim.reason() {
            writeln!(out, "- **{}** {}: {}", escape(&claim.id), claim.status().label(), escape(&reason))?;
        }
    }
    for (claim, stems) in results.claims.iter().zip(stems) {
        section(out, results, claim, stems)?;
    }
    Ok(())
}

fn section(out: &mut String, results: &Results, claim: &ClaimResult, stems: &[String]) -> std::fmt::Result {
    writeln!(out, "\n## {} — {}\n", escape(&claim.title), claim.label())?;
    writeln!(out, "{}\n", escape(&claim.plain))?;
    writeln!(out, "{}\n", fenced("text", &claim.formula))?;
    let (place, kind) = (escape(&claim.printed_at), escape(&claim.kind));
    match claim.origin {
        Origin::Paper => writeln!(out, "Printed at {place}; {kind}.\n")?,
        Origin::Derived | Origin::Later => writeln!(out, "{}, {kind}: {place}.\n", claim.origin.label())?,
    }
    if let Some(setting) = &claim.reduced {
        writeln!(out, "In a reduced setting: {}.\n", escape(setting))?;
    }
    if let Some(reason) = claim.reason() {
        writeln!(out, "**{}:** {}\n", claim.label(), escape(&reason))?;
    }
    if let Some(found) = claim.near_failures.sentence() {
        writeln!(out, "{found}\n")?;
    }
    for need in super::needs(results, claim) {
        writeln!(out, "- {}", escape(&need))?;
    }
    for hypothesis in &claim.hypotheses {
        let standing = match hypothesis.standing {
            Standing::Met => "met",
            Standing::Assumed => "assumed",
            Standing::NotMet => "**not met**",
        };
        writeln!(out, "- {} — {standing}: {}", escape(&hypothesis.name), escape(&hypothesis.detail))?;
    }
    if !claim.instances.is_empty() {
        writeln!(out, "\n| instance | comparisons | failures | measured | bound | margin | tightest at |")?;
        writeln!(out, "|:--|--:|--:|--:|--:|--:|:--|")?;
        for i in &claim.instances {
            let w = &i.worst;
            let [lhs, rhs, margin] = [w.lhs, w.rhs, w.margin].map(number::pretty);
            let (name, at) = (escape(&i.title()), escape(&w.at));
            writeln!(out, "| {name} | {} | {} | {lhs} | {rhs} | {margin} | {at} |", i.count, i.failures)?;
        }
    }
    if !claim.controls.is_empty() {
        writeln!(out, "\n| control | what is broken | outcome | detail |\n|:--|:--|:--|:--|")?;
        for c in &claim.controls {
            let outcome = match c.outcome {
                ControlOutcome::Rejected => "rejected",
                ControlOutcome::NotRejected => "**not rejected**",
                ControlOutcome::Broken => "**broken**",
            };
            writeln!(out, "| {} | {} | {outcome} | {} |", escape(&c.name), escape(&c.breaks), escape(&c.detail))?;
        }
    }
    if !claim.observations.is_empty() {
        writeln!(out, "\n| observed | value | interval | note |\n|:--|--:|:--|:--|")?;
        for o in &claim.observations {
            let interval = o
                .interval
                .map_or_else(String::new, |[low, high]| format!("{} … {}", number::pretty(low), number::pretty(high)));
            let (name, value, note) = (escape(&o.name), number::pretty(o.value), escape(&o.note));
            writeln!(out, "| {name} | {value} | {interval} | {note} |")?;
        }
    }
    for (plot, stem) in claim.plots.iter().zip(stems) {
        let (title, caption) = (escape(&plot.title), escape(&plot.caption));
        writeln!(out, "\n![{title}](plots/{stem}.svg)\n\n*{caption}* ([CSV](data/{stem}.csv))")?;
    }
    writeln!(out, "\n- Measured: {}", escape(&claim.measured))?;
    writeln!(out, "- Tolerance: {}", escape(&claim.tolerance))?;
    writeln!(out, "- A pass does not show: {}", escape(&claim.does_not_show))?;
    for erratum in paper::of_claim(results, claim) {
        let (place, printed, corrected) = (&erratum.place, &erratum.printed, &erratum.corrected);
        let text = format!("{place}: printed {printed}; must be {corrected}");
        writeln!(out, "- Erratum {}, {}", escape(&erratum.id), escape(&text))?;
    }
    writeln!(out, "\n{}", fenced("sh", &command(results, Some(claim))))
}

/// What holds is quiet, everything else stands out.
fn marked(claim: &ClaimResult) -> String {
    if claim.status() == Status::Holds { claim.label().to_owned() } else { format!("**{}**", claim.label()) }
}

/// A code block whose fence is longer than any run of backticks inside.
fn fenced(language: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{text}\n{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_escapes() {
        assert_eq!(escape("|w| < a_b*\n"), "\\|w\\| \\< a\\_b\\* ");
        assert_eq!(fenced("text", "a ``` b"), "````text\na ``` b\n````");
    }
}
