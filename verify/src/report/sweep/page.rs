//! The page of a sweep: one file, which opens from disk and needs nothing beside it.

use minijinja::value::Serde;
use serde::Serialize;

use super::figures::kinds;
use super::settings::{Setting, apart, common, varying};
use super::{GROUPS, ReportError, counted, number, tally, three, why, word};
use crate::lab::sweep::{Answer, Group, Spread};
use crate::report::page::environment;
use crate::report::plots;
use crate::text::plain::plain;

const TEMPLATE: &str = include_str!("page.html");

#[derive(Serialize)]
struct Context {
    title: String,
    lead: String,
    facts: Vec<(&'static str, String)>,
    expected: bool,
    /// How many columns come before that of the verdict.
    n_axes: usize,
    header: Vec<Head>,
    rows: Vec<Row>,
    /// (group, what is said of it)
    remarks: Vec<(String, Vec<String>)>,
    kinds: Vec<Drawn>,
    plan: String,
    groups: &'static str,
}

#[derive(Serialize)]
struct Head {
    text: &'static str,
    number: bool,
}

#[derive(Serialize)]
struct Row {
    axes: Vec<Field>,
    verdict: Option<&'static str>,
    results: Vec<Field>,
}

#[derive(Serialize)]
struct Field {
    text: String,
    /// The least and the largest, or an interval.
    range: String,
    number: bool,
}

#[derive(Serialize)]
struct Drawn {
    id: String,
    title: &'static str,
    caption: String,
    pictures: Vec<Picture>,
    left_out: usize,
}

#[derive(Serialize)]
struct Picture {
    title: String,
    svg: String,
}

/// The page as text.
pub(super) fn render(answer: &Answer) -> Result<String, ReportError> {
    let axes = varying(answer);
    let mut drawn = Vec::new();
    for kind in kinds(answer) {
        let mut pictures = Vec::new();
        for plot in &kind.plots {
            let svg = plots::inline(plot, &format!("plot-{}", plot.id))?;
            pictures.push(Picture { title: plot.title.clone(), svg });
        }
        let id = kind.title.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        drawn.push(Drawn { id, title: kind.title, caption: kind.caption, pictures, left_out: kind.left_out });
    }
    let head = |text, number| Head { text, number };
    let axes_of = |of: &Setting| head(of.symbol(), !of.is_text());
    let mut numbers = vec!["slope", "loss at T", "last ‖∇L‖²", "‖w‖² at T", "eff. rate at T"];
    // What is the same of all groups is said above.
    let uneven = answer.missing > 0 || answer.groups.windows(2).any(|pair| pair[0].runs != pair[1].runs);
    numbers.extend(uneven.then_some("runs"));
    numbers.extend((answer.diverged > 0).then_some("diverged"));
    let header = axes.iter().map(axes_of).chain(numbers.into_iter().map(|text| head(text, true))).collect();
    let row = |group: &Group| {
        let mut cells: Vec<Field> = axes.iter().map(|of| plain_field(of.shown(group), !of.is_text())).collect();
        let runs = match group.missing {
            0 => group.runs.to_string(),
            missing => format!("{} of {}", group.runs - missing, group.runs),
        };
        let n_axes = cells.len();
        cells.push(slope_field(group));
        cells.extend([group.loss, group.grad_sq, group.w_norm_sq, group.effective_lr].map(spread_field));
        cells.extend(uneven.then(|| plain_field(runs, true)));
        cells.extend((answer.diverged > 0).then(|| plain_field(group.diverged.to_string(), true)));
        let results = cells.split_off(n_axes);
        let verdict = group.verdict.map(word);
        Row { axes: cells, verdict, results }
    };
    let remarks = answer.groups.iter().filter_map(|group| {
        let unfitted = group.unfitted.as_ref().map(|why| format!("no slope, since {why}"));
        let said = if group.reason.is_empty() { unfitted } else { Some(why(group, answer).to_owned()) };
        let notes = group.fit.iter().flat_map(|fit| fit.notes.iter().cloned());
        let all: Vec<String> = said.into_iter().chain(notes).collect();
        (!all.is_empty()).then(|| (apart(group, &axes, Setting::symbol), all))
    });
    let context = Context {
        title: title(answer),
        lead: lead(answer),
        facts: facts(answer),
        expected: answer.verdicts.is_some(),
        n_axes: axes.len(),
        header,
        rows: answer.groups.iter().map(row).collect(),
        remarks: remarks.collect(),
        kinds: drawn,
        plan: answer.plan.lines().map(|line| format!("{}\n", plain(line))).collect(),
        groups: GROUPS,
    };
    let failed = |source: minijinja::Error| ReportError::render(super::PAGE, source);
    let mut environment = environment()?;
    environment.add_template("page.html", TEMPLATE).map_err(failed)?;
    environment.get_template("page.html").and_then(|template| template.render(Serde(context))).map_err(failed)
}

fn title(answer: &Answer) -> String {
    let mut instances: Vec<&str> = answer.groups.iter().map(|group| group.setting.instance.as_str()).collect();
    instances.dedup();
    match instances[..] {
        [one] => format!("A sweep on {}", plain(one)),
        _ => format!("A sweep on {} instances", instances.len()),
    }
}

fn lead(answer: &Answer) -> String {
    let size = format!("{} in {}", counted(answer.runs, "run"), counted(answer.groups.len(), "group"));
    let diverged = match answer.diverged {
        0 => "none diverged".to_owned(),
        n => format!("{n} diverged"),
    };
    match (answer.expect.claim(), answer.verdicts) {
        (Some(claim), Some(of)) => format!("Expected: {claim}. It {}. {size}; {diverged}.", tally(of)),
        _ => format!("{size}; {diverged}. Nothing was expected of them: slopes are shown without a verdict."),
    }
}

fn facts(answer: &Answer) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let common = common(answer, Setting::symbol);
    if !common.is_empty() {
        facts.push(("all runs", common.join(", ")));
    }
    let steps = answer.t.last().map_or_else(String::new, |&t| number::count(t));
    facts.push(("steps", format!("{steps}, recorded at {} of them", answer.t.len())));
    if let Some(fit) = answer.groups.iter().find_map(|group| group.fit.as_ref()) {
        let rule = if fit.window_by_rule { " (the rule: T/100 to T)" } else { "" };
        let [from, to] = fit.window.map(number::pretty);
        facts.push(("window of the fit", format!("{from} to {to}{rule}")));
        facts.push(("form", fit.form.to_owned()));
        let level = number::short(100.0 * answer.expect.level);
        facts.push((
            "intervals",
            format!("{level} %, over runs; without chance the slopes of the window and its halves"),
        ));
        facts.extend(fit.coverage.iter().map(|known| ("coverage", known.sentence())));
    }
    facts
}

fn plain_field(text: String, number: bool) -> Field {
    Field { text, range: String::new(), number }
}

fn spread_field(spread: Option<Spread>) -> Field {
    let Some(Spread { middle, least, largest }) = spread else { return plain_field(number::NONE.to_owned(), true) };
    let [from, to] = [least, largest].map(number::pretty);
    let range = if from == to { String::new() } else { format!("{from} to {to}") };
    Field { text: number::pretty(middle), range, number: true }
}

fn slope_field(group: &Group) -> Field {
    let Some(fitted) = group.fit.as_ref().and_then(|fit| fit.chosen()) else {
        return plain_field(number::NONE.to_owned(), true);
    };
    let range = fitted.interval.map(|[low, high]| number::minus(&format!("{} to {}", three(low), three(high))));
    Field { text: number::minus(&three(fitted.slope)), range: range.unwrap_or_default(), number: true }
}
