//! Auto-tuning of SGD on a user's loss.
//!
//! Constant learning rates: those of the settings, and a tenth, once and ten times the one whose first step is as long
//! as w. Norms must never shrink. At any two rates a decade or more apart, the blocks that have had the time to tune
//! themselves at both must have mean effective rates at T that are nearer to each other than halfway, on a log scale,
//! to what they would be with fixed norms. What each rate ends with, with projected steps beside it, is shown.

use ratecheck::descent::StepRule;

use super::AutoTuningSgd;
use crate::claim::evidence::{Check, Context, Evidence, Measure, SubjectControl, Unevaluated, Verdict};
use crate::claim::instances::U;
use crate::claim::parallel::InParallel;
use crate::claim::plot::{Plot, Series, Style};
use crate::claim::subject::{Premise, Subject};
use crate::paper::auto_tuning::largest;
use crate::paper::sgd::on_subject::{Design, Run, Way, all_steps, eta_g_is_admissible, is_tuned};
use crate::paper::stochastic::on_subject::natural_rate;

/// What all runs may take, and those of a control.
const SECONDS: [f64; 2] = [0.6, 0.1];
/// Means are compared that lie far apart: so many runs will do.
const MOST_RUNS: usize = 4;
/// Rates that are nearer to each other are not compared; a decade, up to rounding.
const APART: f64 = 9.99;

impl Measure for AutoTuningSgd {
    fn needs(&self) -> &'static [Premise] {
        &[Premise::ScaleInvariant, Premise::Stochastic]
    }

    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut rates = subject.settings.eta_w.clone();
        rates.extend(decades(natural_rate(subject, context)));
        rates.sort_by(f64::total_cmp);
        rates.dedup();
        let design = Design::new(subject, SECONDS[0], [2 * rates.len(), n_runs(subject)], true, context)?;
        let of = |rule| descend(subject, &design, rule, &rates, context);
        let (plain, projected) = rayon::join(|| of(StepRule::Gradient), || of(StepRule::Projected));
        let (plain, projected) = (plain?, projected?);
        let mut evidence = Evidence::default();
        eta_g_is_admissible(&mut evidence.check, subject, design.eta_g)?;
        judge(&mut evidence.check, subject, &design, &plain);
        let note = format!("T = {}, {} runs", design.n_steps, design.n_runs);
        for (eta_w, runs) in plain.iter().filter(|(_, runs)| !runs.is_empty()) {
            let growth = mean(runs, |run| run.n_end.iter().sum::<f64>()) / subject.n_start().iter().sum::<f64>();
            let all: Vec<usize> = (0..subject.layout().n_blocks()).collect();
            let tuned = all.iter().filter(|&&i| is_tuned(subject, runs, i)).count();
            let note = format!("{note}; Σ‖w_i‖² has grown {growth:.2}-fold; {tuned} of {} blocks are tuned", all.len());
            evidence.observe(
                format!("η_w = {eta_w:.3e}: mean effective rate at T"),
                effective(*eta_w, runs, &all),
                note,
            );
        }
        if subject.n_minibatches().is_some() {
            let ends = |name: &str, found: &[(f64, Vec<Run>)]| {
                let points =
                    found.iter().map(|(eta_w, runs)| [*eta_w, last(runs)]).filter(|point| point[1].is_finite());
                Series::new(name, Style::Line, points.collect())
            };
            let caption = "Root mean square of ‖∇L(V_t; g_t)‖ over the last eighth of a decade and over the runs. \
                           Missing: divergent.";
            let plot =
                Plot::log_log("gradient-ends", "Where the gradient ends, against η_w", caption, "η_w", "RMS ‖∇L‖");
            let series = vec![ends("SGD", &plain), ends("fixed norms", &projected)];
            evidence.plots.push(Plot { series, ..plot });
        }
        Ok(evidence)
    }

    fn controls(&self) -> Vec<SubjectControl> {
        vec![
            SubjectControl {
                name: "projected SGD",
                breaks: "every block is brought back to its norm: effective rates forget nothing, in the blocks that \
                         would have had the time",
                // Norms that are fixed do not shrink: where no block had the time there is nothing to reject.
                run: |subject, context| Some(broken(subject, context, StepRule::Projected)).filter(decided),
            },
            SubjectControl {
                name: "weight decay on w",
                breaks: "w moves against ∇F + λw with η_wλ = 1/10 at the largest rate: norms shrink",
                run: |subject, context| {
                    let eta_w = 10.0 * natural_rate(subject, context)?;
                    Some(broken(subject, context, StepRule::Decay { lambda: 0.1 / eta_w }))
                },
            },
            SubjectControl {
                name: "normalisation removed",
                breaks: "the same network without its normalisation: steps are not orthogonal to w",
                run: |subject, context| Some(broken(&subject.un_normalised()?, context, StepRule::Gradient)),
            },
        ]
    }
}

/// A tenth, once and ten times the rate.
fn decades(natural: Option<f64>) -> Vec<f64> {
    natural.into_iter().flat_map(|rate| [0.1 * rate, rate, 10.0 * rate]).collect()
}

fn descend(
    subject: &Subject,
    design: &Design,
    rule: StepRule,
    rates: &[f64],
    context: &Context,
) -> Result<Vec<(f64, Vec<Run>)>, Unevaluated> {
    let of = |&eta_w: &f64| Ok((eta_w, design.runs(subject, Way { rule, eta_w, alpha: 0.0 }, &context.seed)?));
    rates.in_parallel(of).into_iter().collect()
}

fn broken(subject: &Subject, context: &Context, rule: StepRule) -> Result<Check, Unevaluated> {
    let rates = decades(natural_rate(subject, context));
    let design = Design::new(subject, SECONDS[1], [rates.len(), n_runs(subject)], false, context)?;
    let mut check = Check::new();
    judge(&mut check, subject, &design, &descend(subject, &design, rule, &rates, context)?);
    Ok(check)
}

/// Whether something was decided, if only that something went wrong.
fn decided(found: &Result<Check, Unevaluated>) -> bool {
    !matches!(found, Ok(check) if matches!(check.verdict(), Verdict::Inconclusive { .. }))
}

/// The mean over the runs.
fn mean(runs: &[Run], value: impl Fn(&Run) -> f64) -> f64 {
    runs.iter().map(value).sum::<f64>() / runs.len() as f64
}

/// The mean over some blocks and all runs of eta_w/n_T.
fn effective(eta_w: f64, runs: &[Run], blocks: &[usize]) -> f64 {
    mean(runs, |run| blocks.iter().map(|&i| eta_w / run.n_end[i]).sum::<f64>() / blocks.len() as f64)
}

fn n_runs(subject: &Subject) -> usize {
    subject.settings.runs.min(MOST_RUNS)
}

/// The root mean square of both parts of the gradient of L in the last bin.
fn last(runs: &[Run]) -> f64 {
    let of = |run: &Run| run.squares.iter().map(|part| part.last().copied().unwrap_or(f64::NAN)).sum::<f64>();
    mean(runs, of).sqrt()
}

fn judge(check: &mut Check, subject: &Subject, design: &Design, found: &[(f64, Vec<Run>)]) {
    let (name, n_steps) = (&subject.name, design.n_steps);
    let mut whole = Vec::new();
    for (eta_w, runs) in found {
        if all_steps(check, &format!("{name} · η_w = {eta_w:.3e}"), runs, n_steps) {
            // A step changes n by up to 36u (rounded weights, and a step not quite orthogonal to w).
            let shrinking = largest(runs.iter().map(|run| run.shrank));
            check.at_most(format!("{name}, norms · η_w = {eta_w:.3e}, ‖w‖² before/after"), shrinking, 1.0, 36.0 * U);
            whole.push((*eta_w, runs));
        }
    }
    let mut compared = 0;
    for (k, &(a, runs_a)) in whole.iter().enumerate() {
        for &(b, runs_b) in whole[..k].iter().filter(|(b, _)| a / b >= APART) {
            let both = |&i: &usize| is_tuned(subject, runs_a, i) && is_tuned(subject, runs_b, i);
            let blocks: Vec<usize> = (0..subject.layout().n_blocks()).filter(both).collect();
            if blocks.is_empty() {
                continue;
            }
            compared += 1;
            let (at_a, at_b) = (effective(a, runs_a, &blocks), effective(b, runs_b, &blocks));
            let at =
                format!("{name}, effective rates · η_w = {b:.3e} and {a:.3e}, {} blocks, T = {n_steps}", blocks.len());
            check.at_most(at, (at_a / at_b).max(at_b / at_a), (a / b).sqrt(), 0.0);
        }
    }
    if compared == 0 {
        check.undecided(format!(
            "{name}: T = {n_steps} is too short: no block is tuned at two learning rates a decade apart"
        ));
    }
}
