//! The rate on a user's loss.
//!
//! For every alpha of the settings, at that of its eta_w at which a first step is nearest to the length of w (where
//! effective rates tune themselves soonest), runs from one start. On the last decade [T/10, T], C t^p (ln t)^q is
//! fitted to the root mean square of grad_v L over runs and bins, with the q of the theorem's right-hand side, 1/2, or
//! 3/4 for alpha = 1/2; the theorem says p <= -1/4. What falls faster is no failure, if the effective rates of half of
//! the blocks have had the time to tune themselves: what falls before is a start. That of grad_g is fitted and recorded
//! beside it, but does not decide: it falls by the schedule of its own rate, whatever w does.
//!
//! No finite T refutes a rate: g, whose learning rates fall as t^(-1/2) by schedule and which grad_v grows with, may
//! take far longer to settle than effective rates take to tune themselves, and until then the gradient of a network may
//! even rise. So a slope that is not shown to be at most -1/4 is undecided, with the T it was measured at. What is
//! refuted is another exponent, and what is broken on purpose:
//! that is compared with -1/4 where the same runs of the subject itself have shown it.

use ratecheck::descent::StepRule;
use ratecheck::rates::Interval;

use super::{EXPONENT, Theorem42Rate};
use crate::claim::decide::below;
use crate::claim::evidence::{Check, Context, Evidence, Measure, Standing, SubjectControl, Unevaluated, Verdict};
use crate::claim::parallel::InParallel;
use crate::claim::plot::{Plot, Reference};
use crate::claim::subject::{Premise, Subject};
use crate::paper::sgd::curve;
use crate::paper::sgd::on_subject::{Design, LEVEL, Run, Way, all_steps, eta_g_is_admissible, is_tuned};
use crate::paper::stochastic::on_subject::natural_rate;

/// What all runs may take, and those of a control.
const SECONDS: [f64; 2] = [0.6, 0.1];
/// A slope needs more runs than a mean: this many times those of the settings.
const RUNS: usize = 4;

impl Measure for Theorem42Rate {
    fn needs(&self) -> &'static [Premise] {
        &[Premise::ScaleInvariant, Premise::Smooth, Premise::FiniteMinibatches, Premise::Stochastic]
    }

    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated> {
        let alphas = &subject.settings.alphas;
        let eta_w = nearest(subject, context);
        let design = Design::new(subject, SECONDS[0], [alphas.len(), RUNS * subject.settings.runs], true, context)?;
        let way = |alpha| Way { rule: StepRule::Gradient, eta_w, alpha };
        let found = alphas.in_parallel(|&alpha| design.runs(subject, way(alpha), &context.seed));
        let found: Vec<Vec<Run>> = found.into_iter().collect::<Result<_, _>>()?;
        let mut evidence = Evidence::default();
        eta_g_is_admissible(&mut evidence.check, subject, design.eta_g)?;
        let mut series = Vec::new();
        for (&alpha, runs) in alphas.iter().zip(&found) {
            judge(&mut evidence, subject, &design, way(alpha), runs, Claimed::Theorem);
            if let Ok(curve) = curve(format!("α = {alpha}"), &design.table(runs), true) {
                series.push(curve);
            }
        }
        if let Some(&[t, y]) = series.first().and_then(|series| series.points.last()) {
            let references = vec![Reference { name: "T^(-1/4)".to_owned(), slope: EXPONENT, through: [t, 0.7 * y] }];
            let caption = "Root mean square over runs and bins, with 95% bands.";
            let plot = Plot::log_log("gradient", "The gradient over the last decade", caption, "t", "√E‖∇L(θ̃_t)‖²");
            evidence.plots.push(Plot { series, references, ..plot });
        }
        Ok(evidence)
    }

    fn controls(&self) -> Vec<SubjectControl> {
        vec![
            SubjectControl {
                name: "T^(-1) for the root",
                breaks: "an exponent four times the theorem's is claimed for the gradient",
                run: |subject, context| {
                    let way = Way { rule: StepRule::Gradient, eta_w: nearest(subject, context), alpha: 0.0 };
                    Some(controlled(subject, context, way, Claimed::Exponent(4.0 * EXPONENT)))
                },
            },
            SubjectControl {
                name: "projected SGD",
                breaks: "every block is brought back to its norm, so that the effective rate cannot tune itself; where \
                         SGD itself is shown to hold",
                run: |subject, context| beside(subject, context, |_| StepRule::Projected).transpose(),
            },
            SubjectControl {
                name: "weight decay on w",
                breaks: "w moves against ∇F + λw with η_wλ = 1/10: norms settle, and effective rates with them; where \
                         SGD itself is shown to hold",
                run: |subject, context| {
                    beside(subject, context, |eta_w| StepRule::Decay { lambda: 0.1 / eta_w }).transpose()
                },
            },
        ]
    }
}

/// What a slope is compared with.
#[derive(Clone, Copy)]
enum Claimed {
    /// -1/4, where a slope above it leaves the matter undecided.
    Theorem,
    /// This exponent, for grad_v alone; a slope above it is a failure.
    Exponent(f64),
}

/// The learning rate of the settings at which a first step is nearest to the length of w.
fn nearest(subject: &Subject, context: &Context) -> f64 {
    let natural = natural_rate(subject, context).unwrap_or(1.0);
    let apart = |eta_w: &f64| libm::log(eta_w / natural).abs();
    let rates = subject.settings.eta_w.iter().copied();
    rates.min_by(|a, b| apart(a).total_cmp(&apart(b))).unwrap_or(natural)
}

fn controlled(subject: &Subject, context: &Context, way: Way, claimed: Claimed) -> Result<Check, Unevaluated> {
    let design = Design::new(subject, SECONDS[1], [1, RUNS * subject.settings.runs], true, context)?;
    let runs = design.runs(subject, way, &context.seed.child("control"))?;
    let mut evidence = Evidence::default();
    judge(&mut evidence, subject, &design, way, &runs, claimed);
    Ok(evidence.check)
}

/// Another rule against -1/4; nothing where the same runs of SGD do not show it.
fn beside(subject: &Subject, context: &Context, rule: impl Fn(f64) -> StepRule) -> Result<Option<Check>, Unevaluated> {
    let Some(eta_w) = natural_rate(subject, context) else { return Ok(None) };
    let run = |rule, claimed| controlled(subject, context, Way { rule, eta_w, alpha: 0.0 }, claimed);
    if run(StepRule::Gradient, Claimed::Theorem)?.verdict() != Verdict::Holds {
        return Ok(None);
    }
    run(rule(eta_w), Claimed::Exponent(EXPONENT)).map(Some)
}

/// What is claimed of one alpha.
fn judge(evidence: &mut Evidence, subject: &Subject, design: &Design, way: Way, runs: &[Run], claimed: Claimed) {
    let Way { eta_w, alpha, .. } = way;
    let (name, n_steps) = (&subject.name, design.n_steps);
    let at = format!("{name} · α = {alpha}, η_w = {eta_w:.3}");
    if !all_steps(&mut evidence.check, &at, runs, n_steps) {
        return;
    }
    let q = if alpha < 0.5 { 0.5 } else { 0.75 };
    let with_g = subject.has_g() && matches!(claimed, Claimed::Theorem);
    for (k, part) in ["∇_v", "∇_g"].into_iter().enumerate().take(1 + usize::from(with_g)) {
        let at = format!("{at}, {part}L");
        let Some(slope) = design.slope(runs, k, q) else {
            let why = "needs two runs, and a look at L in every bin of the last decade that finds a gradient";
            evidence.check.undecided(format!("{at}: no slope: it {why} (T = {n_steps})"));
            continue;
        };
        let interval = slope.interval(LEVEL);
        let Interval { low, high, .. } = interval;
        let note = format!(
            "p of C t^p (ln t)^{q} on [T/10, T], T = {n_steps}, {} runs, {:.0}% by Student; theorem: at most -1/4",
            design.n_runs,
            100.0 * LEVEL
        );
        let what = format!("α = {alpha}, η_w = {eta_w:.3}: slope of RMS {part}L");
        evidence.observe_interval(what.clone(), slope.value, [low, high], note);
        match claimed {
            Claimed::Exponent(exponent) => below(&mut evidence.check, at, interval, exponent, -EXPONENT),
            Claimed::Theorem if k == 1 => {
                let standing = if high <= EXPONENT { Standing::Met } else { Standing::Assumed };
                let detail = format!("in [{low:.3}, {high:.3}] for T = {n_steps}; its own schedule brings it to -1/4");
                evidence.check.hypothesis(format!("{name}: {what} ≤ -1/4"), standing, detail);
            }
            Claimed::Theorem => theorem(&mut evidence.check, &at, interval, (tuned(subject, runs), n_steps)),
        }
    }
}

/// How many blocks have had the time to tune themselves, of how many.
fn tuned(subject: &Subject, runs: &[Run]) -> [usize; 2] {
    let m = subject.layout().n_blocks();
    [(0..m).filter(|&i| is_tuned(subject, runs, i)).count(), m]
}

/// At most -1/4, or undecided.
fn theorem(check: &mut Check, at: &str, interval: Interval, ([tuned, of], n_steps): ([usize; 2], u64)) {
    let Interval { low, high, .. } = interval;
    let slope = format!("{at}: slope in [{low:.3}, {high:.3}] for T = {n_steps}");
    if 2 * tuned < of {
        check.undecided(format!("{slope}: T is too short: {tuned} of {of} effective rates have tuned themselves"));
    } else if high <= EXPONENT {
        below(check, at, interval, EXPONENT, -EXPONENT);
    } else {
        let why = if low > EXPONENT { "T is too short" } else { "too few runs, or T is too short" };
        check.undecided(format!("{slope}, not shown to be at most -1/4: {why}"));
    }
}
