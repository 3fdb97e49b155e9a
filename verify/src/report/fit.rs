//! The rate of a log as a page: the three forms, with the line fitted to the one that decides.

use std::path::{Path, PathBuf};

use ratecheck::rates::{BIN_RATIO, Form, Model, Runs, Summary, Window, mean_over_runs};

use super::sheet::{Sheet, Table, write_sheet};
use super::{ReportError, number, pretty};
use crate::claim::plot::{Axis, Figure, Plot, Reference, Series, Style};
use crate::lab::fit::{FORMS, Fits, Fitted, IntervalSource, Log, Request, Verdict, caveat, claimed, name, why};
use crate::text::plain::plain;

/// Writes `fit.json`, the page `index.html`, the picture and its data into `dir`, and returns the page. `command` fits
/// it again.
///
/// # Errors
/// When a file cannot be written or rendered; the error names it.
pub fn write_fit(
    log: &Log,
    request: &Request,
    found: &Fits,
    command: &str,
    dir: &Path,
) -> Result<PathBuf, ReportError> {
    let json = pretty(found).map_err(|error| ReportError::render("fit.json", error))?;
    let sheet = Sheet {
        title: format!("The rate of {}", log.value),
        lead: match found.reason.as_str() {
            "" => {
                "How fast a recorded quantity falls, in the three forms in which theorems and practice speak of a rate."
                    .to_owned()
            }
            reason => format!("{}{}.", reason[..1].to_uppercase(), &reason[1..]),
        },
        facts: facts(log, request, found),
        tables: vec![table(request, found)],
        figures: vec![Figure::Plot(plot(log, request, found))],
        command: command.to_owned(),
        files: vec![("fit.json".to_owned(), json)],
        reproducible: true,
    };
    write_sheet(&sheet, dir)
}

fn facts(log: &Log, request: &Request, found: &Fits) -> Vec<(&'static str, String)> {
    let rule = if found.window_by_rule { " (the rule: T/100 to T)" } else { "" };
    let [from, to] = found.window.map(number::pretty);
    let interval = match found.interval_from {
        Some(IntervalSource::Runs) => {
            let level = number::short(100.0 * request.level);
            match found.n_resamples {
                0 => format!("{level} %, over runs: Student\u{2019}s t"),
                n => format!(
                    "{level} %, over runs: {} bootstrap resamples and Student\u{2019}s t, the wider at each end",
                    number::count(n as u64)
                ),
            }
        }
        Some(IntervalSource::Halves) => {
            "the slopes of the window and of both its halves; the method has no randomness".to_owned()
        }
        None => "none: one run".to_owned(),
    };
    let verdict = found.verdict.map(|verdict| match verdict {
        Verdict::Holds => "holds",
        Verdict::Fails => "fails",
        Verdict::Inconclusive => "inconclusive",
    });
    let claim = request
        .against
        .zip(verdict)
        .map(|(exponent, verdict)| ("verdict", format!("{verdict}: {}", claimed(request, exponent))));
    let files: Vec<String> = log.files.iter().map(|file| plain(&file.to_string_lossy()).into_owned()).collect();
    let files = if files.len() > 4 { format!("{} and {} more", files[0], files.len() - 1) } else { files.join(", ") };
    let mut facts = vec![
        ("log", files),
        ("runs", found.n_runs.to_string()),
        ("steps recorded", number::count(log.t.len() as u64)),
        ("window", format!("{from} to {to}{rule}")),
        ("intervals", interval),
    ];
    facts.extend(claim);
    facts.extend(found.coverage.iter().map(|known| ("coverage", known.sentence())));
    facts.extend(found.notes.iter().map(|note| ("note", note.clone())));
    facts
}

fn table(request: &Request, found: &Fits) -> Table {
    let pair = |pair: Option<[f64; 2]>| {
        pair.map_or_else(|| number::NONE.to_owned(), |[a, b]| number::minus(&format!("{a:.4} to {b:.4}")))
    };
    let rows = FORMS.into_iter().zip(&found.forms).map(|(form, fitted)| {
        let mut row = vec![name(form).to_owned()];
        match fitted {
            Ok(fitted) => row.extend([
                number::minus(&format!("{:.4}", fitted.slope)),
                pair(fitted.interval),
                fitted.run_by_run.as_ref().map_or_else(
                    || number::NONE.to_owned(),
                    |own| number::minus(&format!("{:.4}: {:.4} to {:.4}", own.slope, own.interval[0], own.interval[1])),
                ),
                pair(fitted.halves),
                fitted.end.map_or_else(|| number::NONE.to_owned(), |end| number::minus(&format!("{end:.4}"))),
                fitted.n_points.to_string(),
                caveat(form).to_owned(),
            ]),
            Err(error) => {
                row.extend([[number::NONE; 6].as_slice(), &[error.as_str()]].concat().into_iter().map(str::to_owned))
            }
        }
        row
    });
    Table {
        caption: "The three forms".to_owned(),
        header: vec![
            "Form",
            "Slope",
            "Interval",
            "Run by run",
            "Halves of the window",
            "At the end",
            "Horizons",
            "What it is, and cannot show",
        ],
        rows: rows.collect(),
        note: format!(
            "The form \u{201c}{}\u{201d} decides: {}. A slope is a statement about the window, not about what lies \
             beyond. Run by run: the mean of the single runs\u{2019} slopes, with Student\u{2019}s interval; no run \
             counts for more because it lies higher. At the end: as the last half and the last quarter of the window \
             go.",
            found.form,
            why(request.form)
        ),
    }
}

/// Every positive time of the log.
const EVERYWHERE: Window = Window { from: f64::MIN_POSITIVE, to: f64::MAX };

fn plot(log: &Log, request: &Request, found: &Fits) -> Plot {
    let quantity = match (request.squared, found.n_runs) {
        (true, 1) => format!("root of {}", log.value),
        (true, _) => format!("root of the mean of {}", log.value),
        (false, 1) => log.value.clone(),
        (false, _) => format!("mean of {}", log.value),
    };
    let runs = if found.n_runs == 1 { "1 run".to_owned() } else { format!("{} runs", found.n_runs) };
    let mut plot = Plot {
        id: "fit".to_owned(),
        title: match found.chosen() {
            Some(chosen) => {
                let slope = number::minus(&format!("{:.4}", chosen.slope));
                format!("{} against {}: slope {slope} ({}, {runs})", log.value, log.step, found.form)
            }
            None => format!("{} against {}", log.value, log.step),
        },
        caption: format!(
            "The three forms of the rate of {}, and the power law fitted to one of them in the window.",
            log.value
        ),
        x: Axis::log(&log.step),
        y: Axis::log(&quantity),
        series: Vec::new(),
        references: Vec::new(),
        window: Some(found.window),
        noise_floor: None,
    };
    // The one that decides first, so that its line has the first colour; its name says what it is.
    let mut forms = FORMS;
    forms.sort_by_key(|&form| name(form) != found.form);
    for form in forms {
        let decides = name(form) == found.form;
        // Zeros before the window have no logarithm; the window has none.
        let inside = || found.chosen().filter(|_| decides).map(|chosen| chosen.curve.clone());
        let Some(curve) = whole(&log.t, &log.values, request.squared, form).or_else(inside) else { continue };
        let mut series = Series::new(name(form), if decides { Style::Points } else { Style::Line }, curve);
        if decides {
            series.band = band(log, request, form, &series.points, request.level);
        }
        plot.series.push(series);
        if let Some(chosen) = found.chosen().filter(|_| decides) {
            plot.series.push(line(chosen, request));
            plot.references.extend(request.against.and_then(|exponent| reference(chosen, request, exponent)));
        }
    }
    plot
}

/// The form over the whole log, as far as it can be shown.
pub(super) fn whole(t: &[f64], values: &[f64], squared: bool, form: Form) -> Option<Vec<[f64; 2]>> {
    let summary = if squared { Summary::RootMean } else { Summary::Mean };
    let runs = Runs::new(t, values, &Model::new(EVERYWHERE, summary).form(form)).ok()?;
    let (t, y) = runs.curve();
    Some(t.iter().zip(y).map(|(&t, &y)| [t, y]).collect())
}

/// Student's interval of the mean over the runs at every horizon of the last window; of no other form, whose means at
/// one time hang together with those before it.
pub(super) fn band(log: &Log, request: &Request, form: Form, points: &[[f64; 2]], level: f64) -> Vec<[f64; 2]> {
    if form != Form::LastWindow || log.runs.len() < 2 {
        return Vec::new();
    }
    let each: Option<Vec<_>> =
        log.values.chunks_exact(log.t.len()).map(|run| whole(&log.t, run, false, form)).collect();
    let Some(each) = each else { return Vec::new() };
    let root = |y: f64| if request.squared { y.max(0.0).sqrt() } else { y };
    let at = |k: usize| {
        let values: Vec<f64> = each.iter().map(|curve| curve[k][1]).collect();
        let interval = mean_over_runs(&values).map(|mean| mean.interval(level));
        interval.map_or([f64::NAN; 2], |interval| [root(interval.low), root(interval.high)])
    };
    (0..points.len()).map(at).collect()
}

/// The fitted power law over its horizons.
pub(super) fn line(chosen: &Fitted, request: &Request) -> Series {
    let y = |t: f64| (chosen.intercept + chosen.slope * t.ln() + log_factor(t, request.log_power)).exp();
    let points = chosen.curve.iter().map(|&[t, _]| [t, y(t)]).collect();
    Series::new(number::minus(&format!("slope {:.4}", chosen.slope)), Style::Dashed, points)
}

fn log_factor(t: f64, q: f64) -> f64 {
    if q == 0.0 { 0.0 } else { q * t.ln().ln() }
}

/// The exponent claimed, a bin above the curve, so that it can be told from it.
pub(super) fn reference(chosen: &Fitted, request: &Request, exponent: f64) -> Option<Reference> {
    let &[t, y] = chosen.curve.first()?;
    let name = match request.log_power {
        0.0 => format!("claimed: T^{exponent}"),
        _ => format!("T^{exponent}, the claim without its logarithm"),
    };
    Some(Reference { name, slope: exponent, through: [t, y * BIN_RATIO] })
}
