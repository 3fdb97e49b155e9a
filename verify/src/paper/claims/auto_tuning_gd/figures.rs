//! The figures of `auto-tuning-gd`: losses, effective rates, norms and averages, with the other ways of descending
//! beside.

use ratecheck::descent::{Record, Trace};

use super::{DECADES, Setting, descend, digits, late_slope, small};
use crate::claim::evidence::{Context, Evidence, Unevaluated};
use crate::claim::plot::{Plot, Reference, Series, Style};
use crate::paper::auto_tuning::{Way, largest, log_log, mean, running_average};

/// The figures and the plots: the same runs beside projected ones and ones without normalisation, from the first start.
pub(super) fn show(
    evidence: &mut Evidence,
    setting: &Setting,
    runs: &[Vec<Trace>],
    context: &Context,
) -> Result<(), Unevaluated> {
    let name = setting.name;
    observe_slopes(evidence, setting, runs)?;
    let mut losses = vec![final_losses(setting, runs)];
    for way in [Way::Projected, Way::Unnormalised] {
        let other = if name == "digits" { digits(context, way, 1, 1.0)? } else { small(context, way, 1, 1.0)? };
        // What settles nowhere would be run a hundred times as long for a picture.
        let other = Setting { patience: 0, ..other };
        let found = descend(&other, &DECADES)?;
        losses.push(final_losses(&other, &found));
    }
    for (middle, (at, loss)) in losses[0].points.iter().map(|p| (p[0], p[1])).enumerate() {
        if (3..=7).contains(&middle) {
            let projected = losses[1].points.iter().find(|p| p[0] == at).map_or(f64::NAN, |p| p[1]);
            evidence.observe(format!("{name}, η_w = {at:e}: final loss"), loss, format!("projected: {projected:.4}"));
        }
    }
    let settled =
        largest(runs[3..].iter().flatten().flat_map(|trace| trace.records.last()).flat_map(|r| r.effective_lr.clone()));
    evidence.observe(
        format!("{name}: largest η_w/‖w_i‖² at T, over η_w ≥ 0.1"),
        settled,
        "at the start it was up to 1e4/‖w_0‖²; large rates have tuned themselves down",
    );
    evidence.plots.push(plot(
        name,
        "loss",
        "Final loss against the learning rate",
        "Batch-normalised, the final loss hardly depends on η_w once T is long enough for it; with fixed norms it is \
         stuck high above η_w of order 1, and without normalisation the runs diverge (crosses at the upper edge). The \
         network without normalisation is another function, nothing bounds its outputs: its losses are not to be \
         compared with the others.",
        ["learning rate η_w", "loss after T steps"],
        losses,
    ));
    evidence.plots.extend(progress(setting, runs));
    Ok(())
}

/// A plot on logarithmic axes of one of the two networks.
fn plot(name: &str, id: &str, title: &str, caption: &str, [x, y]: [&str; 2], series: Vec<Series>) -> Plot {
    let (tag, about) = if name == "digits" { ("digits", "digits, 64-16-16-10") } else { ("small", "5-4-1") };
    log_log(&format!("{tag}-{id}"), &format!("{title} ({about})"), caption, x, y, series)
}

/// Effective rates, norms and averages along the runs from the first start.
pub(super) fn progress(setting: &Setting, runs: &[Vec<Trace>]) -> [Plot; 3] {
    let name = setting.name;
    let curves = |value: &dyn Fn(&Record) -> f64| -> Vec<Series> {
        DECADES
            .iter()
            .zip(runs)
            .map(|(eta_w, traces)| {
                let points = traces[0].records.iter().map(|r| [r.t as f64 + 1.0, value(r)]).collect();
                Series::new(format!("η_w = {eta_w:e}"), Style::Line, points)
            })
            .collect()
    };
    let effective_rates = plot(
        name,
        "effective-rate",
        "Effective learning rates that are too large shrink, the others stay",
        "The mean over blocks of η_w/‖w‖². Rates that start decades apart above the stability limit fall below it \
         within a few steps; rates below it stay as they are.",
        ["step t + 1", "η_w/‖w_i‖², mean over i"],
        curves(&|r| mean(r.effective_lr.iter().copied())),
    );
    let norms = plot(
        name,
        "norm",
        "‖w‖² grows until the rate suits the loss",
        "The mean over blocks of ‖w‖²: it never shrinks (Lemma 2.4), and stops growing when the gradients' squares can \
         be summed.",
        ["step t + 1", "‖w_i‖², mean over i"],
        curves(&|r| mean(r.w_norm_sq.iter().copied())),
    );
    let averages: Vec<Series> = DECADES
        .iter()
        .zip(runs)
        .map(|(eta_w, traces)| {
            let (t, y) = running_average(&traces[0]);
            Series::new(format!("η_w = {eta_w:e}"), Style::Line, t.into_iter().zip(y).map(|(t, y)| [t, y]).collect())
        })
        .collect();
    let through = averages[4].points.last().copied().unwrap_or([1.0, 1.0]);
    let mut rate = plot(
        name,
        "average",
        "The running average of the gradient falls as T^(-1/2), once T is long enough for η_w",
        "√(S_T/T), from the first start. It falls with slope -1/2 once the sum of squared gradients stops growing; the \
         smallest learning rates have not begun to settle.",
        ["number of steps T", "√(Σ‖∇L‖²/T)"],
        averages,
    );
    rate.references.push(Reference { name: "Theorem 3.1: T^(-1/2)".to_owned(), slope: -0.5, through });
    rate.window = Some([setting.n_steps as f64 / 10.0, setting.n_steps as f64]);
    [effective_rates, norms, rate]
}

/// The last loss against eta_w, from the first start; a divergent run has none.
fn final_losses(setting: &Setting, runs: &[Vec<Trace>]) -> Series {
    let last = |trace: &Trace| match trace.records.last() {
        Some(record) if trace.divergence.is_none() => record.loss,
        _ => f64::INFINITY,
    };
    let points = DECADES.iter().zip(runs).map(|(&eta_w, traces)| [eta_w, last(&traces[0])]);
    Series::new(setting.way.name(), Style::Line, points.collect())
}

/// The slopes that decide, from the flattest start to the steepest.
fn observe_slopes(evidence: &mut Evidence, setting: &Setting, runs: &[Vec<Trace>]) -> Result<(), Unevaluated> {
    for (eta_w, traces) in DECADES.iter().zip(runs) {
        let (n_steps, enough) = setting.horizon(*eta_w);
        if traces.iter().any(|trace| trace.divergence.is_some()) {
            continue;
        }
        let slopes: Vec<f64> = traces.iter().map(late_slope).collect::<Result<_, _>>()?;
        let steepest = -largest(slopes.iter().map(|slope| -slope));
        let judged = if enough {
            "Theorem 3.1: -1/2 or steeper; a plateau: 0"
        } else {
            "not judged: T is too short for this η_w"
        };
        let longer = traces.iter().filter(|trace| trace.records.last().is_some_and(|last| last.t > n_steps)).count();
        let longer = if longer > 0 { format!("; given longer: {longer}") } else { String::new() };
        evidence.observe(
            format!(
                "{}, η_w = {eta_w:e}: slope of the RMS gradient in the last decade up to T = {n_steps}",
                setting.name
            ),
            largest(slopes),
            format!("{judged}; the flattest of {} starts, the steepest is {steepest:.3}{longer}", traces.len()),
        );
    }
    Ok(())
}
