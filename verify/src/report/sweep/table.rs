//! The table at the end of a sweep, for the terminal.

use super::settings::{Setting, apart, common, varying};
use super::{counted, number, tally, three, why, word};
use crate::lab::fit::Verdict;
use crate::lab::sweep::{Answer, Group, Spread};
use crate::report::table::{Paint, truncate, wrap};

/// The narrowest table that is laid out.
const NARROWEST: usize = 40;
/// Between columns.
const GAP: usize = 2;
/// What a word of the plan is cut to where there is no room, as long as others can give.
const SHORTEST: usize = 8;

/// How much of a row is shown: what is less important goes first.
#[derive(Clone, Copy, PartialEq)]
struct Shown {
    range: bool,
    rate: bool,
    norm: bool,
    interval: bool,
    gradient: bool,
}

const LAYOUTS: [Shown; 6] = {
    let all = Shown { range: true, rate: true, norm: true, interval: true, gradient: true };
    let plain = Shown { range: false, ..all };
    let no_rate = Shown { rate: false, ..plain };
    let no_norm = Shown { norm: false, ..no_rate };
    let no_interval = Shown { interval: false, ..no_norm };
    [all, plain, no_rate, no_norm, no_interval, Shown { gradient: false, ..no_interval }]
};

/// A line a group, none wider than `width` (or 40) except for rows that nothing can be taken from, which are cut; then
/// what the columns are, and why something does not hold. Colours are plain ANSI, if `color`.
pub(crate) fn table(answer: &Answer, color: bool, width: usize) -> String {
    let width = width.max(NARROWEST);
    let paint = Paint(color);
    let axes = varying(answer);
    let mut text = String::new();
    let mut say = |line: &str, indent: &str, style: &dyn Fn(&str) -> String| {
        for line in wrap(line, width, indent) {
            text += &format!("{}\n", style(&line));
        }
    };
    say(&title(answer), "    ", &|line| paint.bold(line));
    say("", "", &|line| line.to_owned());
    let (rows, right, ranges) = laid_out(answer, &axes, width);
    let n = rows[0].len();
    let widths: Vec<usize> = (0..n).map(|c| rows.iter().map(|row| length(&row[c])).max().unwrap_or(0)).collect();
    let mut lines = Vec::new();
    for (k, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).enumerate().map(|(c, (cell, &wide))| {
            let pad = " ".repeat(wide - length(cell));
            if right[c] { pad + cell } else { cell.clone() + &pad }
        });
        let line = truncate(cells.collect::<Vec<_>>().join(&" ".repeat(GAP)).trim_end(), width);
        let verdict = k.checked_sub(1).and_then(|k| answer.groups[k].verdict);
        lines.push(match verdict {
            _ if k == 0 => paint.dim(&line),
            Some(verdict) => match line.strip_suffix(word(verdict)) {
                Some(before) => format!("{before}{}", paint.with(code(verdict), word(verdict))),
                None => line,
            },
            None => line,
        });
    }
    text += &(lines.join("\n") + "\n\n");
    let mut say = |line: &str, indent: &str, style: &dyn Fn(&str) -> String| {
        for line in wrap(line, width, indent) {
            text += &format!("{}\n", style(&line));
        }
    };
    let cut = key(&rows, answer, &axes);
    if !cut.is_empty() {
        say(&cut.join("; "), "    ", &|line| paint.dim(line));
    }
    for line in legend(answer, ranges) {
        say(&line, "    ", &|line| paint.dim(line));
    }
    for (line, verdict) in remarks(answer, &axes) {
        say(&line, "    ", &|line| match verdict {
            Some(verdict) => paint.with(code(verdict), line),
            None => line.to_owned(),
        });
    }
    text
}

/// What is expected, and in how many groups it holds; nothing if nothing is.
pub(crate) fn verdict_line(answer: &Answer) -> Option<String> {
    let claim = answer.expect.claim()?;
    Some(match answer.verdicts {
        Some(of) if of.holds + of.fails + of.inconclusive > 0 => format!("Expected: {claim}: {}.", tally(of)),
        _ => format!("Expected: {claim}: no group is complete."),
    })
}

fn title(answer: &Answer) -> String {
    let end = answer.t.last().copied().unwrap_or(0);
    let sizes: Vec<usize> = answer.groups.iter().map(|group| group.runs).collect();
    let each = match (sizes.first(), sizes.windows(2).all(|pair| pair[0] == pair[1])) {
        (Some(&n), true) => format!(" of {}", counted(n, "run")),
        _ => String::new(),
    };
    let common = common(answer, Setting::name);
    let common = if common.is_empty() { String::new() } else { format!(": {}", common.join(", ")) };
    format!("{}{each} to step {end}{common}", counted(answer.groups.len(), "group"))
}

/// Cuts the words of a column. Those that would look the same are numbered, as `adam(b-…~2`.
fn cut(rows: &mut [Vec<String>], column: usize, width: usize) {
    let whole: Vec<String> = rows.iter().map(|row| row[column].clone()).collect();
    let mut known: Vec<(&String, String)> = Vec::new();
    for (text, row) in whole.iter().zip(rows) {
        let short = match known.iter().find(|(other, _)| *other == text) {
            Some((_, short)) => short.clone(),
            None => {
                let plain = truncate(text, width);
                let taken = |short: &String| known.iter().any(|(_, other)| other == short);
                let numbered = |n: usize| {
                    let mark = format!("~{n}");
                    truncate(text, width.saturating_sub(mark.len())) + &mark
                };
                if taken(&plain) { (2..).map(numbered).find(|short| !taken(short)).unwrap_or(plain) } else { plain }
            }
        };
        if !known.iter().any(|(other, _)| *other == text) {
            known.push((text, short.clone()));
        }
        row[column] = short;
    }
}

/// What words that were cut stand for, where it cannot be guessed.
fn key(rows: &[Vec<String>], answer: &Answer, axes: &[Setting]) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for (row, group) in rows.iter().skip(1).zip(&answer.groups) {
        for (short, of) in row.iter().zip(axes).filter(|(_, of)| of.is_text()) {
            let whole = of.shown(group);
            if *short != whole {
                all.push(format!("{short} is {whole}"));
            }
        }
    }
    all.sort();
    all.dedup();
    all
}

/// The rows that fit, header first, which of their columns are numbers, and whether the loss has its range.
fn laid_out(answer: &Answer, axes: &[Setting], width: usize) -> (Vec<Vec<String>>, Vec<bool>, bool) {
    let wide = |rows: &[Vec<String>]| {
        let of = |c: usize| rows.iter().map(|row| length(&row[c])).max().unwrap_or(0);
        (0..rows[0].len()).map(of).sum::<usize>() + GAP * rows[0].len().saturating_sub(1)
    };
    let mut best = (Vec::new(), Vec::new(), false);
    for shown in LAYOUTS {
        let (mut rows, right) = rows(answer, axes, shown);
        // Words of the plan may be long: they give before a column goes.
        while wide(&rows) > width {
            let of = |c: usize| rows.iter().map(|row| length(&row[c])).max().unwrap_or(0);
            let longest = (0..axes.len()).filter(|&c| axes[c].is_text()).max_by_key(|&c| of(c));
            let Some(c) = longest.filter(|&c| of(c) > SHORTEST) else { break };
            let to = of(c).saturating_sub(wide(&rows) - width).max(SHORTEST);
            cut(&mut rows, c, to);
        }
        let fits = wide(&rows) <= width;
        best = (rows, right, shown.range);
        if fits {
            break;
        }
    }
    best
}

fn rows(answer: &Answer, axes: &[Setting], shown: Shown) -> (Vec<Vec<String>>, Vec<bool>) {
    type Cell<'a> = Box<dyn Fn(&Group) -> String + 'a>;
    let mut columns: Vec<(String, bool, Cell<'_>)> = Vec::new();
    for &of in axes {
        columns.push((of.name().to_owned(), !of.is_text(), Box::new(move |group| of.shown(group))));
    }
    let n_of = |group: &Group| format!("{} of {}", group.runs - group.missing, group.runs);
    let uneven = answer.groups.windows(2).any(|pair| pair[0].runs != pair[1].runs);
    if answer.missing > 0 {
        columns.push(("runs".to_owned(), true, Box::new(n_of)));
    } else if uneven {
        columns.push(("runs".to_owned(), true, Box::new(|group| group.runs.to_string())));
    }
    if answer.diverged > 0 {
        columns.push(("diverged".to_owned(), true, Box::new(|group| group.diverged.to_string())));
    }
    columns.push(("loss".to_owned(), true, Box::new(move |group| spread(group.loss, shown.range))));
    if shown.gradient {
        columns.push(("‖∇L‖²".to_owned(), true, Box::new(|group| spread(group.grad_sq, false))));
    }
    if shown.norm {
        columns.push(("‖w‖²".to_owned(), true, Box::new(|group| spread(group.w_norm_sq, false))));
    }
    if shown.rate {
        columns.push(("eff. rate".to_owned(), true, Box::new(|group| spread(group.effective_lr, false))));
    }
    columns.push(("slope".to_owned(), true, Box::new(move |group| slope(group, shown.interval))));
    if answer.expect.slope.is_some() {
        columns.push(("verdict".to_owned(), false, Box::new(|group| group.verdict.map_or("", word).to_owned())));
    }
    let header = columns.iter().map(|(name, ..)| name.clone()).collect();
    let row = |group: &Group| columns.iter().map(|(_, _, cell)| cell(group)).collect();
    let rows = std::iter::once(header).chain(answer.groups.iter().map(row)).collect();
    (rows, columns.iter().map(|(_, right, _)| *right).collect())
}

fn spread(spread: Option<Spread>, range: bool) -> String {
    let Some(Spread { middle, least, largest }) = spread else { return number::NONE.to_owned() };
    let [middle, least, largest] = [middle, least, largest].map(number::short);
    if range && least != largest { format!("{middle} [{least}, {largest}]") } else { middle }
}

fn slope(group: &Group, with_interval: bool) -> String {
    let Some(fitted) = group.fit.as_ref().and_then(|fit| fit.chosen()) else { return number::NONE.to_owned() };
    match fitted.interval.filter(|_| with_interval) {
        Some([low, high]) => format!("{} [{}, {}]", three(fitted.slope), three(low), three(high)),
        None => three(fitted.slope),
    }
}

/// What the columns are.
fn legend(answer: &Answer, ranges: bool) -> Vec<String> {
    let brackets = if ranges { ", in brackets the least and the largest" } else { "" };
    let fit = answer.groups.iter().find_map(|group| group.fit.as_ref());
    let slope = match fit {
        Some(fit) => {
            let [from, to] = fit.window.map(number::short);
            let level = number::short(100.0 * answer.expect.level);
            let form = if fit.form == "last window" { String::new() } else { format!(", form {}", fit.form) };
            let q = answer.expect.log_power;
            let log = if q == 0.0 { String::new() } else { format!(" times (ln T)^{q}") };
            format!(
                "slope: the p of {} ~ T^p{log} on [{from}, {to}]{form}, with its {level}% interval over the runs, by \
                 `ratecheck fit`",
                answer.expect.symbol()
            )
        }
        None => "slope: none could be fitted".to_owned(),
    };
    vec![
        format!(
            "loss, ‖w‖² and effective rate: medians at the last step over the runs, and their blocks{brackets}; ‖∇L‖²: \
             the mean over the last recorded steps, at V, and over the runs"
        ),
        slope,
    ]
}

/// Why something does not hold, or has no slope: groups with one reason are named together.
fn remarks(answer: &Answer, axes: &[Setting]) -> Vec<(String, Option<Verdict>)> {
    let mut all: Vec<(String, Option<Verdict>)> = Vec::new();
    for group in &answer.groups {
        match (group.verdict, &group.unfitted) {
            (Some(Verdict::Holds), _) => {}
            (Some(verdict), _) => {
                all.push((format!("{}: {}", apart(group, axes, Setting::name), why(group, answer)), Some(verdict)));
            }
            // What is not there is said once, below.
            (None, Some(why)) if group.missing == 0 => {
                all.push((format!("{}: no slope, since {why}", apart(group, axes, Setting::name)), None));
            }
            _ => {}
        }
    }
    if answer.missing > 0 {
        let incomplete = answer.groups.iter().filter(|group| group.missing > 0).count();
        all.push((
            format!(
                "{} of {} missing, in {}: this is the table of what is there{}",
                answer.missing,
                counted(answer.runs, "run"),
                counted(incomplete, "group"),
                if answer.expect.slope.is_some() { ", and such a group has no verdict" } else { "" }
            ),
            None,
        ));
    }
    all
}

fn code(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "32",
        Verdict::Fails => "1;31",
        Verdict::Inconclusive => "33",
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}
