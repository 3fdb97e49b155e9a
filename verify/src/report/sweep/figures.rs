//! The curves of a sweep: where groups ended against what the plan varies, and their norms, rates and gradients over
//! time.

use super::number;
use super::settings::{ALL, Setting, varying};
use crate::claim::plot::{Axis, Plot, Series, Style};
use crate::lab::sweep::{Answer, Course, Expect, Group, Spread};
use crate::report::fit::{band, line, reference, whole};

/// As many curves as one picture tells apart: the ordered colours.
const CURVES: usize = 9;
/// As many pictures of a kind as a page shows.
const PANELS: usize = 12;

/// Pictures of one kind.
pub(super) struct Kind {
    pub(super) title: &'static str,
    pub(super) caption: String,
    pub(super) plots: Vec<Plot>,
    /// How many there would be besides.
    pub(super) left_out: usize,
}

/// All of them. What nothing can be drawn of is left out.
pub(super) fn kinds(answer: &Answer) -> Vec<Kind> {
    let axes = varying(answer);
    let mut kinds: Vec<Kind> = along(&axes).map(|axis| ended(answer, &axes, axis)).into_iter().flatten().collect();
    let (inside, outside) = panels(answer, &axes);
    let over_time = |id: &'static str, draw: &dyn Fn(&str, &str, &[&Group]) -> Plot| {
        let mut groups: Vec<(String, Vec<&Group>)> = Vec::new();
        for group in &answer.groups {
            let key = said(group, &outside);
            match groups.iter_mut().find(|(known, _)| *known == key) {
                Some((_, same)) => same.push(group),
                None => groups.push((key, vec![group])),
            }
        }
        let plots =
            groups.iter().take(PANELS).enumerate().map(|(k, (key, same))| draw(&format!("{id}-{k}"), key, same));
        let mut plots: Vec<Plot> = plots.collect();
        plots.retain(|plot| plot.series.iter().any(|series| !series.points.is_empty()));
        (plots, groups.len().saturating_sub(PANELS))
    };
    let name = |group: &Group| name(group, &inside);
    let (plots, left_out) = over_time("gradient", &|id, key, same| falling(answer, (id, key), same, &name));
    kinds.push(Kind { title: "What is fitted, over time", caption: falling_caption(answer), plots, left_out });
    let course = "Medians over the runs and their blocks, with the least and the largest.";
    for (k, id, title, symbol) in [
        (0, "norm", "Norms over time", "‖w‖²"),
        (1, "rate", "Effective learning rates over time", "effective rate η_w/‖w‖²"),
    ] {
        let draw = |id: &str, key: &str, same: &[&Group]| {
            let mut plot = Plot::log_log(id, &titled(symbol, key), course, "t", symbol);
            plot.series.extend(same.iter().map(|group| course_of(&name(group), &answer.t, &group.courses[k])));
            plot
        };
        let (plots, left_out) = over_time(id, &draw);
        kinds.push(Kind { title, caption: course.to_owned(), plots, left_out });
    }
    kinds.retain(|kind| !kind.plots.is_empty());
    kinds
}

/// What the final values are drawn against: eta_w, or what else varies and is a number.
fn along(axes: &[Setting]) -> Option<Setting> {
    let first = [Setting::EtaW].into_iter().chain(axes.iter().copied().filter(|of| !of.is_text()));
    first.into_iter().find(|of| axes.contains(of))
}

/// The loss and the gradient at the end against an axis: a curve for every choice of the others.
fn ended(answer: &Answer, axes: &[Setting], axis: Setting) -> Vec<Kind> {
    let others: Vec<Setting> = axes.iter().copied().filter(|&of| of != axis).collect();
    let mut curves: Vec<(String, Vec<&Group>)> = Vec::new();
    for group in answer.groups.iter().filter(|group| axis.number(group).is_some()) {
        let key = name(group, &others);
        match curves.iter_mut().find(|(known, _)| *known == key) {
            Some((_, same)) => same.push(group),
            None => curves.push((key, vec![group])),
        }
    }
    let of = |title: &'static str, id: &str, symbol: &str, caption: &str, value: fn(&Group) -> Option<Spread>| {
        let values = answer.groups.iter().filter_map(value).map(|spread| spread.least);
        let positive = values.clone().all(|x| x > 0.0) && values.count() > 0;
        let log = if positive { Axis::log(symbol) } else { Axis::linear(symbol) };
        let x = if axis.is_ratio() { Axis::log(axis.symbol()) } else { Axis::linear(axis.symbol()) };
        let plots = curves.chunks(CURVES).take(PANELS).enumerate().map(|(k, some)| Plot {
            id: format!("{id}-{k}"),
            title: format!("{symbol} against {}", axis.symbol()),
            caption: caption.to_owned(),
            x: x.clone(),
            y: log.clone(),
            series: some.iter().map(|(name, groups)| against(name, groups, axis, value)).collect(),
            references: Vec::new(),
            window: None,
            noise_floor: None,
        });
        let mut plots: Vec<Plot> = plots.collect();
        plots.retain(|plot| plot.series.iter().any(|series| series.points.iter().any(|p| p[1].is_finite())));
        Kind {
            title,
            caption: caption.to_owned(),
            plots,
            left_out: curves.len().div_ceil(CURVES).saturating_sub(PANELS),
        }
    };
    vec![
        of(
            "The loss at the end",
            "loss",
            "loss L at T",
            "Medians over the runs that reached the last step, with the least and the largest. A cross marks a group \
             none of whose runs did.",
            |group| group.loss,
        ),
        of(
            "The gradient at the end",
            "last",
            "‖∇L‖² in the last window",
            "At the normalised weights: the mean over the last recorded steps and over the runs that reached the end, \
             with the least and the largest run.",
            |group| group.grad_sq,
        ),
    ]
}

fn against(name: &str, groups: &[&Group], axis: Setting, value: fn(&Group) -> Option<Spread>) -> Series {
    let mut points: Vec<([f64; 2], [f64; 2])> = groups
        .iter()
        .filter_map(|group| {
            let x = axis.number(group)?;
            Some(match value(group) {
                Some(of) => ([x, of.middle], [of.least, of.largest]),
                // Diverged, all of them: marked, not missing.
                None if group.diverged > 0 => ([x, f64::INFINITY], [f64::NAN; 2]),
                None => return None,
            })
        })
        .collect();
    points.sort_by(|a, b| a.0[0].total_cmp(&b.0[0]));
    let (points, band) = points.into_iter().unzip();
    Series { band, ..Series::new(name, Style::Line, points) }
}

/// Which settings tell the curves of one picture apart, and which the pictures: as many curves as there are colours,
/// and eta_w among them where it can be.
fn panels(answer: &Answer, axes: &[Setting]) -> (Vec<Setting>, Vec<Setting>) {
    let split = |mask: u32| -> (Vec<Setting>, Vec<Setting>) {
        let inside = |(k, _): &(usize, Setting)| mask >> k & 1 == 1;
        let (a, b): (Vec<_>, Vec<_>) = axes.iter().copied().enumerate().partition(inside);
        let only = |pairs: Vec<(usize, Setting)>| pairs.into_iter().map(|(_, of)| of).collect();
        (only(a), only(b))
    };
    // The most curves that one picture would have.
    let most = |mask: u32| {
        let (_, outside) = split(mask);
        let mut keys: Vec<String> = answer.groups.iter().map(|group| said(group, &outside)).collect();
        keys.sort_unstable();
        keys.chunk_by(|a, b| a == b).map(<[_]>::len).max().unwrap_or(0)
    };
    let is_along = |mask: u32| along(axes).is_some_and(|axis| split(mask).0.contains(&axis));
    let masks = (0..1_u32 << axes.len().min(ALL.len())).filter(|&mask| most(mask) <= CURVES);
    let best = masks.max_by_key(|&mask| (most(mask), is_along(mask), std::cmp::Reverse(mask.count_ones())));
    split(best.unwrap_or(0))
}

fn said(group: &Group, settings: &[Setting]) -> String {
    settings.iter().map(|of| middle_cut(&of.said(group, Setting::symbol))).collect::<Vec<_>>().join(", ")
}

/// A long word without its middle: the numbers of a rule often differ at its end, where the name of a curve is cut.
fn middle_cut(text: &str) -> String {
    const LONGEST: usize = 38;
    const TAIL: usize = 20;
    let n = text.chars().count();
    if n <= LONGEST {
        return text.to_owned();
    }
    let (head, tail): (String, String) =
        (text.chars().take(LONGEST - TAIL - 1).collect(), text.chars().skip(n - TAIL).collect());
    format!("{head}…{tail}")
}

/// The name of a curve; of the only one that of what it shows.
fn name(group: &Group, settings: &[Setting]) -> String {
    let said = said(group, settings);
    if said.is_empty() { "all runs".to_owned() } else { said }
}

fn titled(symbol: &str, key: &str) -> String {
    if key.is_empty() { symbol.to_owned() } else { format!("{symbol}: {key}") }
}

fn course_of(name: &str, t: &[u64], course: &Course) -> Series {
    let there = t.iter().zip(course).filter_map(|(&t, of)| Some((t as f64, (*of)?)));
    let (points, band) = there.map(|(t, of)| ([t, of.middle], [of.least, of.largest])).unzip();
    Series { band, ..Series::new(name, Style::Line, points) }
}

fn falling_caption(answer: &Answer) -> String {
    let expected = answer.expect.claim().map_or_else(String::new, |claim| format!(" Expected: {claim}."));
    format!(
        "The form that is fitted, with the power law fitted to it (dashed) in the window.{expected} The fit is that of \
         `ratecheck fit`."
    )
}

/// What is fitted, with its line.
fn falling(answer: &Answer, (id, key): (&str, &str), same: &[&Group], name: &dyn Fn(&Group) -> String) -> Plot {
    let expect: &Expect = &answer.expect;
    let request = expect.request(false);
    let symbol = expect.symbol();
    let mut plot = Plot::log_log(id, &titled(&symbol, key), falling_caption(answer), "T", &symbol);
    for group in same {
        let Some(log) = &group.log else { continue };
        let inside = || group.fit.as_ref()?.chosen().map(|chosen| chosen.curve.clone());
        let Some(curve) = whole(&log.t, &log.values, request.squared, expect.form).or_else(inside) else { continue };
        let mut series = Series::new(name(group), Style::Line, curve);
        if same.len() == 1 {
            series.band = band(log, &request, expect.form, &series.points, expect.level);
        }
        plot.series.push(series);
        plot.window = plot.window.or(Some([log.window.from, log.window.to]));
        let Some(chosen) = group.fit.as_ref().and_then(|fit| fit.chosen()) else { continue };
        let fitted = line(chosen, &request);
        // Beside many curves there is room for the number alone.
        let short = number::minus(&format!("slope {:.3}", chosen.slope));
        plot.series.push(Series { name: if same.len() > 1 { short } else { fitted.name.clone() }, ..fitted });
    }
    let first = same.iter().find_map(|group| group.fit.as_ref()?.chosen());
    let expected = first.zip(expect.slope).and_then(|(chosen, slope)| reference(chosen, &request, slope));
    plot.references.extend(expected.map(|mut reference| {
        reference.name = reference.name.replacen("claimed", "expected", 1);
        reference
    }));
    plot
}
