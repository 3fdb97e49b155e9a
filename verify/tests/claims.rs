//! Every claim, by its name, at the smallest budget: it holds, has a plot, what `f64` cannot tell was replayed, and every
//! control is rejected, with one seed after another; it finds the same for any number of threads; and it keeps to its
//! budget.
#![allow(missing_docs)]

use libtest_mimic::{Arguments, Failed, Trial};
use ratecheck_verify::claim::conformance::{FIRST_SEED, SEEDS, affordable, holds, repeats};
use ratecheck_verify::claim::evidence::{Claim, Evidence, Profile, Verdict};
use ratecheck_verify::claim::plot::Scale;
use ratecheck_verify::claim::results::ControlOutcome;
use ratecheck_verify::claim::runner::{context, run_control};
use ratecheck_verify::paper::claims::CLAIMS;

/// Claims that take from one second to half a minute a seed, and how many seeds are tried here. `ratecheck conformance`
/// tries all of them with as many as the others.
const EXPENSIVE: [(&str, u64); 10] = [
    ("theorem-3.1-rate", 2),
    ("auto-tuning-gd", 1),
    ("lemma-3.2", 1),
    ("lemma-3.2-proved", 4),
    ("theorem-4.2", 2),
    ("theorem-4.2-rate", 1),
    ("auto-tuning-sgd", 1),
    ("sgd-constant", 2),
    ("momentum-law", 4),
    ("equilibrium", 4),
];

fn verdict(claim: &dyn Claim) -> Result<(), Failed> {
    let context = context(claim, FIRST_SEED, Profile::Test);
    let evidence = claim.check(&context).map_err(|error| error.0)?;
    let announced = claim.sampled_tests(&context).map_err(|error| error.0)?;
    let announced: f64 = announced.iter().map(|test| test.times as f64 * test.risk).sum();
    // A level 1 - p has lost 1e-16/p of p; the smallest p is 6e-11.
    if !((evidence.check.risk() - announced).abs() <= 1e-5 * announced) {
        return Err(format!(
            "risks {:e} by decisions from samples, and announces {announced:e}",
            evidence.check.risk()
        )
        .into());
    }
    pictured(&evidence)?;
    let near = evidence.check.near_failures();
    if near.not_replayed > 0 {
        return Err(format!("f64 cannot tell, and was not asked again: {}", near.sentence().unwrap_or_default()).into());
    }
    match evidence.check.verdict() {
        Verdict::Holds => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

/// At least one plot, and in every series of every plot a point that its axes can show.
fn pictured(evidence: &Evidence) -> Result<(), Failed> {
    if evidence.plots.is_empty() {
        return Err("no plot".into());
    }
    let shown = |scale: Scale, value: f64| value.is_finite() && (scale == Scale::Linear || value > 0.0);
    for (k, plot) in evidence.plots.iter().enumerate() {
        let id = &plot.id;
        if evidence.plots[..k].iter().any(|before| before.id == *id) {
            return Err(format!("two plots are called {id}").into());
        }
        if plot.series.is_empty() {
            return Err(format!("the plot {id} has no series").into());
        }
        for series in &plot.series {
            if !series.points.iter().any(|&[x, y]| shown(plot.x.scale, x) && shown(plot.y.scale, y)) {
                return Err(format!("the plot {id} shows nothing of {}", series.name).into());
            }
        }
    }
    Ok(())
}

fn rejected(claim: &dyn Claim, control: usize) -> Result<(), Failed> {
    let result = run_control(&claim.controls()[control], &context(claim, FIRST_SEED, Profile::Test));
    match result.outcome {
        ControlOutcome::Rejected => Ok(()),
        other => Err(format!("{other:?}: {}", result.detail).into()),
    }
}

/// The seeds after the first, with all controls.
fn other_seeds(claim: &dyn Claim, seeds: u64) -> Result<(), Failed> {
    for seed in FIRST_SEED + 1..FIRST_SEED + seeds {
        holds(claim, seed)?;
    }
    Ok(())
}

/// On one thread and on two, and within the budget.
fn the_same_again(claim: &dyn Claim) -> Result<(), Failed> {
    let first = holds(claim, FIRST_SEED)?;
    affordable(&first)?;
    for threads in [1, 2] {
        repeats(claim, FIRST_SEED, &first, threads)?;
    }
    Ok(())
}

fn main() {
    let mut trials = Vec::new();
    for &claim in CLAIMS {
        let id = claim.statement().id;
        let seeds = EXPENSIVE.iter().find(|(name, _)| *name == id).map(|&(_, seeds)| seeds);
        trials.push(Trial::test(format!("{id}: holds"), move || verdict(claim)));
        for (i, control) in claim.controls().iter().enumerate() {
            trials.push(Trial::test(format!("{id}: control rejected: {}", control.name), move || rejected(claim, i)));
        }
        if seeds != Some(1) {
            let seeds = seeds.unwrap_or(SEEDS);
            trials.push(Trial::test(format!("{id}: {seeds} seeds"), move || other_seeds(claim, seeds)));
        }
        if seeds.is_none() {
            trials.push(Trial::test(format!("{id}: the same again"), move || the_same_again(claim)));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
