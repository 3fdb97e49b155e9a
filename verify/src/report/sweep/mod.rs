//! What a sweep shows: a table for the terminal, and a page with the curves of every group.

mod figures;
mod page;
mod settings;
mod table;

use crate::lab::fit::Verdict;
use crate::lab::sweep::{Answer, Group, Tally};
pub(crate) use table::{table, verdict_line};

use super::{ReportError, number, pretty};

/// The page.
pub(crate) const PAGE: &str = "index.html";
/// The same as data.
pub(crate) const GROUPS: &str = "groups.json";

/// The files of an answer, by their names; the page is the last.
///
/// # Errors
/// When one cannot be rendered.
pub(crate) fn files(answer: &Answer) -> Result<Vec<(&'static str, Vec<u8>)>, ReportError> {
    let json = pretty(answer).map_err(|error| ReportError::render(GROUPS, error))?;
    Ok(vec![(GROUPS, json), (PAGE, page::render(answer)?.into_bytes())])
}

/// A verdict as `fit` calls it.
fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "holds",
        Verdict::Fails => "fails",
        Verdict::Inconclusive => "inconclusive",
    }
}

/// `holds in 3 of 4 groups, fails in 1`.
fn tally(of: Tally) -> String {
    let Tally { holds, fails, inconclusive } = of;
    let all = holds + fails + inconclusive;
    let mut text = format!("holds in {holds} of {}", counted(all, "group"));
    for (n, word) in [(fails, "fails"), (inconclusive, "is inconclusive")] {
        if n > 0 {
            text += &format!(", {word} in {n}");
        }
    }
    text
}

/// Why a group has its verdict; the claim, which is the same of all, is said once.
fn why<'a>(group: &'a Group, answer: &Answer) -> &'a str {
    let claim = answer.expect.claimed().unwrap_or_default();
    group.reason.strip_prefix(&format!("{claim}: ")).unwrap_or(&group.reason)
}

/// An exponent; what rounds to 0 has no sign.
fn three(x: f64) -> String {
    let text = format!("{x:.3}");
    if text == "-0.000" { "0.000".to_owned() } else { text }
}

fn counted(n: usize, one: &str) -> String {
    format!("{n} {one}{}", if n == 1 { "" } else { "s" })
}
