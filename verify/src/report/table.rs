//! The table a run prints at its end, as text.

use std::fmt::Write as _;

use super::{controls_cell, number, summary};
use crate::claim::evidence::Origin;
use crate::claim::results::{ClaimResult, Results, Status};

/// The narrowest table that is laid out; below this lines are cut.
const NARROWEST: usize = 40;
/// The width of the column of times, that of "59 min 59 s": what the other columns show does not depend on how long it
/// took.
const TIME: usize = 11;
/// Between columns.
const GAP: &str = "  ";
/// Behind the id of a statement that the paper does not make.
fn mark(origin: Origin) -> &'static str {
    match origin {
        Origin::Paper => "",
        Origin::Derived => " †",
        Origin::Later => " ‡",
    }
}

/// One line a claim, a line of totals, and a line for every claim that is not fine. No line is wider than `width`
/// (or 40, whichever is more) except that reasons are wrapped, never cut. Colours are plain ANSI, if `color`.
pub fn terminal_table(results: &Results, color: bool, width: usize) -> String {
    let width = width.max(NARROWEST);
    let paint = Paint(color);
    let header = ["claim", "verdict", "margin", "tightest instance", "controls", "time"].map(str::to_owned);
    let rows: Vec<[String; 6]> = results.claims.iter().map(row).collect();
    let mut widths = [0, 0, 0, 0, 0, TIME];
    for row in rows.iter().chain([&header]) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(length(cell));
        }
    }
    shrink(&mut widths, width);

    let mut text = String::new();
    let mut line = |cells: &[String; 6], style: &dyn Fn(usize, String) -> String| {
        let mut line = String::new();
        for (i, (cell, &width)) in cells.iter().zip(&widths).enumerate() {
            // A column that found no room at all is left out with its gap.
            if width == 0 {
                continue;
            }
            let cell = fit(cell, width, matches!(i, 2 | 5));
            let cell = if i == 5 { cell.trim_end().to_owned() } else { cell };
            let _ = write!(line, "{}{}", if line.is_empty() { "" } else { GAP }, style(i, cell));
        }
        let _ = writeln!(text, "{}", line.trim_end());
    };
    line(&header, &|_, cell| paint.dim(&cell));
    for (row, claim) in rows.iter().zip(&results.claims) {
        let status = claim.status();
        line(row, &|i, cell| match i {
            1 => paint.status(status, &cell),
            4 if !claim.controls_rejected() => paint.bold(&cell),
            _ => cell,
        });
    }

    let _ = writeln!(text);
    for line in wrap(&summary(results), width, "") {
        let _ = writeln!(text, "{}", paint.bold(&line));
    }
    for line in results.near_failures().sentence().iter().flat_map(|found| wrap(found, width, "")) {
        let _ = writeln!(text, "{}", paint.dim(&line));
    }
    for origin in [Origin::Derived, Origin::Later] {
        if results.claims.iter().any(|claim| claim.origin == origin) {
            let _ = writeln!(text, "{}", paint.dim(&format!("{} {}", mark(origin).trim(), origin.label())));
        }
    }
    for claim in &results.claims {
        let Some(setting) = &claim.reduced else { continue };
        let line = format!("reduced: {} was measured in a smaller setting than its own: {setting}", claim.id);
        for line in wrap(&line, width, "    ") {
            let _ = writeln!(text, "{}", paint.dim(&line));
        }
    }
    for claim in &results.claims {
        let Some(reason) = claim.reason() else { continue };
        let lead = format!("{} ({}): ", claim.id, claim.status().label());
        for (i, line) in wrap(&format!("{lead}{reason}"), width, "    ").into_iter().enumerate() {
            match line.strip_prefix(&lead) {
                Some(rest) if i == 0 => {
                    let _ = writeln!(text, "{}{rest}", paint.status(claim.status(), &lead));
                }
                _ => {
                    let _ = writeln!(text, "{line}");
                }
            }
        }
    }
    text
}

/// What is said of a claim as soon as it has ended.
pub fn ended_line(claim: &ClaimResult, color: bool) -> String {
    let status = claim.status();
    let verdict = Paint(color).status(status, &fit(word(claim), 14, false));
    format!("{verdict}  {}  {}", clean(&claim.id), number::duration(claim.seconds))
}

/// The cells of one claim.
fn row(claim: &ClaimResult) -> [String; 6] {
    let worst = claim.worst.as_ref();
    [
        clean(&claim.id) + mark(claim.origin),
        word(claim).to_owned(),
        worst.map_or_else(|| number::NONE.to_owned(), |w| number::short(w.margin)),
        worst.map_or_else(|| number::NONE.to_owned(), |w| clean(&w.at)),
        clean(&controls_cell(claim)),
        number::duration(claim.seconds),
    ]
}

/// The status in one column's width; what is below the table says the rest.
fn word(claim: &ClaimResult) -> &'static str {
    match claim.status() {
        Status::Holds if claim.reduced.is_some() => "holds, reduced",
        Status::Holds => "holds",
        Status::Fails => "FAILS",
        Status::ControlNotRejected | Status::ControlBroken => "no control",
        Status::Inconclusive => "inconclusive",
        Status::NotApplicable => "not applicable",
        Status::Error => "ERROR",
    }
}

/// Takes width from the columns that can spare it, the least important first, until the row fits.
fn shrink(widths: &mut [usize; 6], total: usize) {
    // (column, what it keeps as long as others can give)
    for (column, least) in [(4, 24), (3, 28), (4, 14), (3, 12), (4, 8), (3, 0), (0, 10), (5, 0), (4, 0), (0, 6)] {
        let visible = widths.iter().filter(|&&w| w > 0).count();
        let used: usize = widths.iter().sum::<usize>() + GAP.len() * visible.saturating_sub(1);
        let excess = used.saturating_sub(total);
        if excess == 0 {
            return;
        }
        let spare = widths[column].saturating_sub(least);
        widths[column] -= if least == 0 { spare } else { spare.min(excess) };
    }
}

/// Cut with an ellipsis, or padded, to exactly `width` characters.
fn fit(text: &str, width: usize, right: bool) -> String {
    let text = truncate(text, width);
    let pad = " ".repeat(width - length(&text));
    if right { pad + &text } else { text + &pad }
}

/// At most `width` characters, the last an ellipsis if something was cut.
pub(super) fn truncate(text: &str, width: usize) -> String {
    if length(text) <= width {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(width.saturating_sub(1)).collect();
    cut.truncate(cut.trim_end().len());
    if width > 0 {
        cut.push('…');
    }
    cut
}

/// Lines of at most `width` characters, broken at spaces where there are any; later lines start with `indent`.
pub(super) fn wrap(text: &str, width: usize, indent: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for mut word in clean(text).split_whitespace().map(str::to_owned) {
        loop {
            let last = lines.len() - 1;
            let fresh = lines[last].trim().is_empty();
            let room = width.saturating_sub(length(&lines[last]) + usize::from(!fresh));
            if length(&word) <= room {
                if !fresh {
                    lines[last].push(' ');
                }
                lines[last].push_str(&word);
                break;
            }
            if fresh {
                // Longer than a line: cut it where the line ends.
                let head: String = word.chars().take(room.max(1)).collect();
                word = word.chars().skip(room.max(1)).collect();
                lines[last].push_str(&head);
            }
            lines.push(indent.to_owned());
        }
    }
    lines
}

/// On one line, without characters that move the cursor.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Width in characters; combining marks and wide scripts do not occur in names of claims.
fn length(text: &str) -> usize {
    text.chars().count()
}

/// ANSI, or nothing.
pub(super) struct Paint(pub(super) bool);

impl Paint {
    pub(super) fn with(&self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(super) fn dim(&self, text: &str) -> String {
        self.with("2", text)
    }

    pub(super) fn bold(&self, text: &str) -> String {
        self.with("1", text)
    }

    fn status(&self, status: Status, text: &str) -> String {
        self.with(
            match status {
                Status::Holds => "32",
                Status::Inconclusive => "33",
                Status::NotApplicable => "2",
                Status::ControlNotRejected | Status::ControlBroken => "35",
                Status::Fails | Status::Error => "1;31",
            },
            text,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_on_characters() {
        assert_eq!(truncate("‖∇L‖² at η = 10⁻²", 8), "‖∇L‖² a…");
        assert_eq!(truncate("abc", 3), "abc");
        assert_eq!(truncate("abc", 0), "");
    }

    #[test]
    fn wraps_words_and_what_is_longer_than_a_line() {
        assert_eq!(wrap("one two three", 8, "  "), ["one two", "  three"]);
        assert_eq!(wrap("abcdefghij k", 4, " "), ["abcd", " efg", " hij", " k"]);
    }
}
