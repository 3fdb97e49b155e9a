//! What a sweep and a merge say at their end: the table of the groups, where the page is, and how what is expected of
//! them came out.

use std::path::Path;

use serde::Serialize;

use super::console::{Console, colour};
use super::sweep::stopped;
use super::text::terminal_width;
use super::{Exit, Stopped};
use crate::lab::fit::Verdict;
use crate::lab::sweep::{Answer, Store, Tally, Written};
use crate::report::sweep::{GROUPS, PAGE, files, table, verdict_line};
use crate::text::plain;

/// Writes the page beside the results, and says what they show.
pub(super) fn complete(
    written: &Written,
    store: &Store,
    strict: bool,
    json: bool,
    console: Console,
) -> Result<Exit, Stopped> {
    let answer = &written.answer;
    let mut changed = written.changed;
    for (name, content) in files(answer).map_err(stopped)? {
        changed |= store.write_if_new(name, &content).map_err(stopped)?;
    }
    if json {
        console.json(&Finished::of(written, changed, store.dir()))?;
    } else {
        console.say(&format!("\n{}\n", shown(answer)))?;
        console.answer(&closing(written, changed, store.dir()))?;
    }
    Ok(ending(answer, strict))
}

/// What is there, and how it ends: nothing fails that is not complete.
pub(super) fn so_far(answer: &Answer, strict: bool, json: bool, console: Console) -> Result<Exit, Stopped> {
    if json {
        console.json(answer)?;
    } else {
        let last = verdict_line(answer).map_or_else(String::new, |line| format!("\n{line}\n"));
        console.answer(&format!("{}{last}", shown(answer)))?;
    }
    Ok(if answer.missing > 0 { Exit::Holds } else { ending(answer, strict) })
}

/// The table, as wide as the terminal.
pub(super) fn shown(answer: &Answer) -> String {
    table(answer, colour(), terminal_width())
}

/// As `fit` ends: a rate that fails is a failure, and one that is not known is one if that is asked for.
fn ending(answer: &Answer, strict: bool) -> Exit {
    let any = |verdict| answer.groups.iter().any(|group| group.verdict == Some(verdict));
    match () {
        () if any(Verdict::Fails) => Exit::Failed,
        () if strict && any(Verdict::Inconclusive) => Exit::Inconclusive,
        () => Exit::Holds,
    }
}

/// Where the results are.
fn closing(written: &Written, changed: bool, dir: &Path) -> String {
    let n_runs = written.answer.runs;
    let mut text = match written.diverged {
        0 => String::new(),
        n => format!("{n} of {n_runs} runs diverged: see the column diverged_at.\n"),
    };
    let verb = if changed { "The results" } else { "The results, unchanged" };
    text += &format!("{verb}: {}, .npz, and .json, which describes them\n", plain::path(&written.csv));
    text += &format!("The page, with the curves: {}\n", plain::path(&dir.join(PAGE)));
    if let Some(line) = verdict_line(&written.answer) {
        text += &format!("{line}\n");
    }
    text
}

/// What a sweep or a merge has written, as data.
#[derive(Serialize)]
struct Finished<'a> {
    runs: usize,
    diverged: usize,
    /// Whether any of the files is new.
    changed: bool,
    csv: &'a Path,
    npz: &'a Path,
    json: &'a Path,
    page: std::path::PathBuf,
    /// Every group, with its fit.
    groups: std::path::PathBuf,
    /// How many groups there are of each verdict, if something is expected.
    verdicts: Option<Tally>,
}

impl<'a> Finished<'a> {
    fn of(written: &'a Written, changed: bool, dir: &Path) -> Self {
        let Written { csv, npz, json, diverged, answer, .. } = written;
        let [page, groups] = [PAGE, GROUPS].map(|name| dir.join(name));
        let (runs, verdicts) = (answer.runs, answer.verdicts);
        Self { runs, diverged: *diverged, changed, csv, npz, json, page, groups, verdicts }
    }
}
