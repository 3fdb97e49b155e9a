//! Auto-tuning of gradient descent on a user's loss.
//!
//! A run for every decade of η_w between the smallest and the largest of the settings. As for the built-in networks,
//! the slope of the root mean square gradient in the windows of the last decade of T must be that of a bounded sum, at
//! most -1/2 + 0.05, where a plateau has 0. Whether a run that is above has failed, or is too short, its own figures
//! say: see `paper/auto_tuning/settling.rs`. Means decide, for the smallest gradient of a run with fixed norms may be
//! small by accident.

use ratecheck::descent::{StepRule, Trace};
use ratecheck::rates::log_spaced;

use super::{AutoTuningGd, LIMIT, PER_DECADE, late_slope};
use crate::claim::evidence::{Check, Context, Evidence, Measure, SubjectControl, Unevaluated};
use crate::claim::parallel::InParallel;
use crate::claim::plot::{Series, Style};
use crate::claim::subject::{Premise, Subject};
use crate::paper::auto_tuning::long_runs::{self, LongRuns, Rule, descend, if_it_fails, long, n_steps};
use crate::paper::auto_tuning::settling::LastDecade;
use crate::paper::auto_tuning::{log_log, mean, no_divergence, running_average};
use crate::paper::gradient_descent::{Terms, premise_on_eta_g};

impl Measure for AutoTuningGd {
    fn needs(&self) -> &'static [Premise] {
        &[Premise::ScaleInvariant, Premise::Smooth, Premise::FiniteMinibatches, Premise::BoundedBelow]
    }

    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated> {
        let (terms, n_steps) = (Terms::of(subject)?, long(subject, context));
        let rates = decades(&subject.settings.eta_w);
        let mut evidence = Evidence::default();
        let runs = judged(&mut evidence, &terms, &rates, |_| StepRule::Gradient, n_steps)?;
        let farthest: Vec<f64> = rates.in_parallel(|&eta_w| terms.largest_g(eta_w, n_steps).unwrap_or(f64::INFINITY));
        premise_on_eta_g(&mut evidence.check, subject, farthest.into_iter().fold(0.0, f64::max))?;
        evidence.plots = vec![
            plot(
                &rates,
                &runs,
                "effective-rate",
                "Effective learning rates from different η_w",
                "η_w/‖w_i‖², mean over i",
                |trace| {
                    trace.records.iter().map(|r| [r.t as f64 + 1.0, mean(r.effective_lr.iter().copied())]).collect()
                },
            ),
            plot(&rates, &runs, "average", "The running average of the gradient", "√(Σ‖∇L‖²/T)", |trace| {
                let (t, y) = running_average(trace);
                t.into_iter().zip(y).map(|(t, y)| [t, y]).collect()
            }),
        ];
        Ok(evidence)
    }

    fn controls(&self) -> Vec<SubjectControl> {
        let mut controls = long_runs::controls::<Self>();
        controls.push(SubjectControl {
            name: "normalisation removed",
            breaks: "the same network without its normalisation, at the same η_w; left out like the others",
            run: |subject, context| un_normalised(subject, context).transpose(),
        });
        controls
    }
}

impl LongRuns for AutoTuningGd {
    fn judged(_: &Subject, terms: &Terms, rates: &[f64], rule: Rule, n_steps: u64) -> Result<Check, Unevaluated> {
        let mut evidence = Evidence::default();
        judged(&mut evidence, terms, rates, rule, n_steps)?;
        Ok(evidence.check)
    }
}

/// Every power of ten times the smallest rate up to the largest one.
fn decades(eta_w: &[f64]) -> Vec<f64> {
    let smallest = eta_w.iter().copied().fold(f64::INFINITY, f64::min);
    let largest = eta_w.iter().copied().fold(0.0, f64::max);
    // A power of ten up to a rounding.
    let mut rates: Vec<f64> =
        (0..).map(|k| smallest * 10.0_f64.powi(k)).take_while(|eta| *eta < largest * 0.999).collect();
    rates.push(largest);
    rates
}

/// Runs and judges every rate.
fn judged(
    evidence: &mut Evidence,
    terms: &Terms,
    rates: &[f64],
    rule: Rule,
    n_steps: u64,
) -> Result<Vec<Trace>, Unevaluated> {
    let early = log_spaced(1, n_steps / 10, 40);
    let horizons: Vec<u64> =
        [0].into_iter().chain(early).chain(log_spaced(n_steps / 10, n_steps, PER_DECADE)).collect();
    let runs = descend(terms, rates, rule, n_steps, &horizons)?;
    for (eta_w, trace) in rates.iter().zip(&runs) {
        let at = format!("{} · η_w = {eta_w:e}", terms.name);
        if !no_divergence(&mut evidence.check, &at, trace, n_steps) {
            continue;
        }
        let (slope, late) = (late_slope(trace)?, LastDecade::of(trace, terms, *eta_w)?);
        late.judge(
            &mut evidence.check,
            &format!("{at}, slope of the RMS gradient at T = {n_steps}"),
            slope,
            [LIMIT, 0.0, 0.5],
        );
        let note = "in windows of the last decade of T. Theorem 3.1: -1/2 or steeper; a plateau: 0";
        evidence.observe(format!("η_w = {eta_w:e}: slope of the RMS gradient"), slope, note);
        let note = format!("root mean square over the last decade up to T = {n_steps}; η_g = {:.3e}", terms.eta_g);
        evidence.observe(format!("η_w = {eta_w:e}: ‖∇L(V; g)‖ at the end"), late.rms, note);
        let start = terms.n_start.iter().map(|n| eta_w / n).fold(0.0, f64::max);
        let note = format!("the largest over the blocks; at the start {start:.2e}");
        evidence.observe(format!("η_w = {eta_w:e}: η_w/‖w_i‖² at T"), late.effective_rate, note);
    }
    Ok(runs)
}

/// Nothing without a network, too.
fn un_normalised(subject: &Subject, context: &Context) -> Result<Option<Check>, Unevaluated> {
    let Some(other) = subject.un_normalised() else { return Ok(None) };
    let terms = Terms { loss: other.mean()?, most: None, ..Terms::of(subject)? };
    let (mut evidence, rates) = (Evidence::default(), decades(&subject.settings.eta_w));
    judged(&mut evidence, &terms, &rates, |_| StepRule::Gradient, n_steps(subject, 0.06, context))?;
    Ok(if_it_fails(evidence.check))
}

fn plot(
    rates: &[f64],
    runs: &[Trace],
    id: &str,
    title: &str,
    y: &str,
    points: fn(&Trace) -> Vec<[f64; 2]>,
) -> crate::claim::plot::Plot {
    let one = |(eta_w, trace)| Series::new(format!("η_w = {eta_w:e}"), Style::Line, points(trace));
    let caption = "Gradient descent on all minibatches, a run for every decade of the learning rate of w.";
    log_log(id, title, caption, "step t", y, rates.iter().zip(runs).map(one).collect())
}
