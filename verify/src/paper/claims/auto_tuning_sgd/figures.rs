//! The figures of `auto-tuning-sgd`, with projected SGD beside.

use ratecheck::descent::Record;
use ratecheck::rates::{Bootstrap, Summary, bootstrap_slope, fit_power_law_with_log};

use super::{ALPHAS, Case, ETA_G, ETA_W, descend, effective_rate, horizon, window};
use crate::claim::evidence::{Context, Evidence, Unevaluated};
use crate::claim::plot::{Plot, Reference, Series, Style};
use crate::paper::auto_tuning::{Way, decades, log_log, mean};

/// Figures and plots, with projected SGD and the unnormalised network beside.
pub(super) fn show(evidence: &mut Evidence, cases: &[Case], context: &Context) -> Result<(), Unevaluated> {
    let window = window(context);
    let t = cases[0].times();
    let mut gradients = Vec::new();
    for case in cases {
        // The root of the theorem's right-hand side.
        let log_exponent = if case.alpha < 0.5 { 0.5 } else { 0.75 };
        let values: Vec<f64> = case.traces.iter().flat_map(|trace| trace.records.iter().map(Record::grad_sq)).collect();
        let bootstrap = Bootstrap { window, summary: Summary::RootMean, level: 0.95, n_resamples: 1000 };
        let mut generator = context.generator(&format!("bootstrap/{}", case.at()));
        let slope = bootstrap_slope(&t, &values, &bootstrap, &mut generator)?;
        let rms: Vec<f64> = case.mean(Record::grad_sq).into_iter().map(f64::sqrt).collect();
        let with_log = fit_power_law_with_log(&t, &rms, window, log_exponent)?;
        let note = format!("theorem: -1/4 with (ln T)^{log_exponent}; fitted with that factor: {:.3}", with_log.slope);
        let name = format!("{}: slope of RMS ‖∇L‖", case.at());
        evidence.observe_interval(name, slope.slope, [slope.low, slope.high], note);
        if case.eta_w == ETA_W {
            let points = t.iter().zip(&rms).map(|(t, y)| [t + 1.0, *y]).collect();
            gradients.push(Series::new(format!("α = {}", case.alpha), Style::Line, points));
            let fitted = t.iter().filter(|t| window.contains(**t)).map(|t| [*t, with_log.predict(*t)]).collect();
            gradients.push(Series::new(format!("fit, α = {}", case.alpha), Style::Dashed, fitted));
        }
    }
    let (_, projected) = descend(context, Way::Projected, &[(10.0, 0.0)], 8)?;
    let plateau = projected[0].mean(Record::grad_sq).into_iter().map(f64::sqrt);
    let points = t.iter().zip(plateau).map(|(t, y)| [t + 1.0, y]).collect();
    gradients.push(Series::new("projected, η_w = 10", Style::Line, points));
    let mut plot = log_log(
        "gradient",
        "SGD: the gradient falls for every schedule, and not with fixed norms",
        "Root mean square over the runs of ‖∇L(V_t; g_t)‖, with fits C·T^p·(ln T)^q for the theorem's q (dashed).",
        "step t + 1",
        "RMS ‖∇L(V_t; g_t)‖",
        gradients,
    );
    let through = plot.series[0].points.last().copied().unwrap_or([1.0, 1.0]);
    plot.references.push(Reference { name: "Theorem 4.2: T^(-1/4)".to_owned(), slope: -0.25, through });
    plot.window = Some([window.from, window.to]);
    evidence.plots.push(plot);

    for case in cases.iter().filter(|case| case.alpha == 0.0) {
        let rates = case.mean(effective_rate);
        let note = format!("at the start: {:.3}; the learning rates are 1, 10 and 100", rates[0]);
        evidence.observe(format!("{}: mean effective rate at T", case.at()), rates[rates.len() - 1], note);
        let norms = case.mean(|record| mean(record.w_norm_sq.iter().copied()));
        evidence.observe(
            format!("{}: growth of the mean ‖w‖²", case.at()),
            norms[norms.len() - 1] / norms[0],
            "1 without growth",
        );
    }
    let constant = || cases.iter().filter(|case| case.alpha == 0.0);
    let rates = constant().map(|case| case.curve(format!("η_w = {}", case.eta_w), Style::Line, effective_rate));
    let decaying = cases[1..ALPHAS.len()]
        .iter()
        .map(|case| case.curve(format!("α = {}", case.alpha), Style::Dashed, effective_rate));
    evidence.plots.push(log_log(
        "effective-rate",
        "SGD: effective rates forget the learning rate",
        "The mean over blocks and runs of η_{w,t}/‖w_i‖². Constant rates two decades apart (solid) approach each other \
         from the first steps on; rates that decay by schedule from η_w = 10 (dashed) follow it until the norms take \
         over.",
        "step t + 1",
        "η_{w,t}/‖w_i‖², mean",
        rates.chain(decaying).collect(),
    ));
    evidence.plots.push(norms(cases));
    let n_runs = context.pick([1, 2, 4, 8]);
    evidence.plots.extend(decades::on_networks(n_runs, horizon(context), ETA_G, &context.seed)?);
    Ok(())
}

/// The norms along the runs.
pub(super) fn norms(cases: &[Case]) -> Plot {
    let norm = |record: &Record| mean(record.w_norm_sq.iter().copied());
    let norms =
        cases.iter().map(|case| case.curve(format!("α = {}, η_w = {}", case.alpha, case.eta_w), Style::Line, norm));
    log_log(
        "norm",
        "SGD: ‖w‖² grows",
        "The mean over blocks and runs of ‖w_i‖²: every step lengthens every block (Lemma 2.4).",
        "step t + 1",
        "‖w_i‖², mean",
        norms.collect(),
    )
}
