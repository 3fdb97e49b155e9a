//! The recursion and the equilibrium on a user's loss.
//!
//! The recursion is measured one step at a time from points along a run, with as many digits as the loss has. For the
//! equilibrium every run has T steps with eta lambda = 20/T, so that of the start e^(-80) is left, and q is the mean of
//! ||grad_v F||^2 over the last quarter. Averaged there, the squared recursion says, with k = E g^2/(E g)^2 and up to a
//! boundary term that is a twentieth of the drift of n^2, n^2 lambda (2 - eta lambda)/(eta q) = (2 rho^2 + (1 - rho^2)
//! k)/(1 + rho^2) = 1 + eta lambda (k - 1) to first order. Where that correction and the drift of g and of n^2 between
//! the last two quarters are together at most a tenth, the law is judged, within twice that. Where nothing is judged
//! the premise is not met.

use ratecheck::descent::{Divergence, Schedule, StepRule, Stepper};
use ratecheck::loss::Loss;
use ratecheck::parameters::dot;
use ratecheck::random::Seed;
use ratecheck::scalar::{DoubleDouble, Scalar};

use super::Equilibrium;
use crate::claim::evidence::{Check, Context, Evidence, Measure, SubjectControl, Unevaluated};
use crate::claim::parallel::InParallel;
use crate::claim::precise::Evaluator;
use crate::claim::subject::{Premise, Subject};
use crate::paper::sgd::laws::BlockLaw;
use crate::paper::stochastic::on_subject::natural_rate;
use crate::paper::visits::{of_norm_two, precise_steps, rate_of_g, size_at_unit, visited};

/// What all runs may take, and those of a control.
const SECONDS: [f64; 2] = [0.3, 0.08];
/// eta lambda T.
const RELAXATIONS: f64 = 20.0;
/// Of n^2.
pub(super) const LAW: f64 = 0.2;
const PREMISE: f64 = 0.1;

impl Measure for Equilibrium {
    fn needs(&self) -> &'static [Premise] {
        &[Premise::ScaleInvariant]
    }

    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut evidence = Evidence::default();
        for run in visited(subject, precise_steps(subject, context), context)? {
            for visit in &run.list {
                let at = (&*subject.loss, &visit.theta[..]);
                one_step(&mut evidence.check, &subject.name, at, &visit.z, [run.eta_w, 0.1], true);
            }
        }
        let rates: Vec<f64> = subject.settings.eta_w.iter().copied().chain(natural_rate(subject, context)).collect();
        let n_steps = steps(subject, SECONDS[0] / rates.len() as f64, context);
        let (mut judged, mut nearest) = (0, f64::NAN);
        let law = BlockLaw { subject, n_steps, within: LAW };
        for &eta in &rates {
            let runs = runs(subject, eta, n_steps, &context.seed)?;
            if let Some(found) = runs.iter().find_map(|run| run.divergence) {
                evidence.observe(format!("η = {eta:.3}: steps made"), found.step as f64, format!("{found}"));
                continue;
            }
            for i in 0..subject.layout().n_blocks() {
                if is_judged(law, &runs, i)? {
                    judged += 1;
                    let ratios = ratios(&runs, i, [eta, 1.0], n_steps);
                    nearest = law.decide(&mut evidence.check, i, &named(eta), &ratios)?;
                }
            }
        }
        let of = rates.len() * subject.layout().n_blocks();
        evidence.observe("n²·λ(2-ηλ)/(ηq), last block judged", nearest, format!("T = {n_steps}, ηλ = {RELAXATIONS}/T"));
        let detail = format!(
            "judged are {judged} of {of} (block, η), where drift and correction are at most {PREMISE} and the runs \
             agree"
        );
        law.premise(&mut evidence.check, "‖∇_v F‖² and norms have settled", judged, detail);
        Ok(evidence)
    }

    fn controls(&self) -> Vec<SubjectControl> {
        vec![
            SubjectControl {
                name: "no decay in the recursion",
                breaks: "ρ² is left out",
                run: |subject, context| Some(recursion(&of_norm_two(subject), false, context)),
            },
            SubjectControl {
                name: "weight decay in the loss",
                breaks: "F + ‖W‖²/20 instead of F, which is not scale invariant",
                run: |subject, context| Some(recursion(&of_norm_two(subject).decayed(0.1), true, context)),
            },
            SubjectControl {
                name: "half of the decay",
                breaks: "the norm is compared with that of λ/2, in the blocks in which the law is judged",
                run: |subject, context| half(subject, context).transpose(),
            },
        ]
    }
}

fn recursion(subject: &Subject, with_decay: bool, context: &Context) -> Result<Check, Unevaluated> {
    let mut check = Check::new();
    for run in visited(subject, 2, context)? {
        for visit in &run.list {
            let at = (&*subject.loss, &visit.theta[..]);
            one_step(&mut check, &subject.name, at, &visit.z, [run.eta_w, 0.1], with_decay);
        }
    }
    Ok(check)
}

/// The law in the block of a subject that has one, with `factor` times the decay; that its premises are met is a
/// hypothesis.
pub(super) fn in_its_block(
    subject: &Subject,
    [eta, factor]: [f64; 2],
    n_steps: u64,
    context: &Context,
) -> Result<(Check, f64), Unevaluated> {
    let runs = runs(subject, eta, n_steps, &context.seed.child(&subject.name))?;
    if let Some(divergence) = runs.iter().find_map(|run| run.divergence) {
        return Err(divergence.into());
    }
    let (mut check, law) = (Check::new(), BlockLaw { subject, n_steps, within: LAW });
    let met = usize::from(is_judged(law, &runs, 0)?);
    let detail = format!(
        "drift and correction are at most {PREMISE} of n² at T = {n_steps}, ηλ = {RELAXATIONS}/T, and the runs agree"
    );
    law.premise(&mut check, "‖∇_v F‖² and norms have settled", met, detail);
    let ratios = ratios(&runs, 0, [eta, factor], n_steps);
    let value = law.decide_alone(&mut check, &format!("η = {eta}"), &ratios)?;
    Ok((check, value))
}

/// Nothing where no block is judged.
fn half(subject: &Subject, context: &Context) -> Result<Option<Check>, Unevaluated> {
    let Some(eta) = natural_rate(subject, context) else { return Ok(None) };
    let n_steps = steps(subject, SECONDS[1], context);
    let runs = runs(subject, eta, n_steps, &context.seed.child("control"))?;
    let law = BlockLaw { subject, n_steps, within: LAW };
    law.broken(&named(eta), |i| {
        let judged = runs.iter().all(|run| run.divergence.is_none()) && is_judged(law, &runs, i)?;
        Ok(judged.then(|| ratios(&runs, i, [eta, 0.5], n_steps)))
    })
}

fn named(eta: f64) -> String {
    format!("η = {eta:.3}")
}

/// n' = rho^2 n + eta^2 ||grad_v F||^2/n for every block, of one step with `intrinsic` = eta lambda from theta; without
/// rho^2 if it is a control. Rounding moves <w, grad> and ||grad_v||^2 by the unit times the size of identities at
/// theta~.
pub(super) fn one_step(
    check: &mut Check,
    name: &str,
    (loss, theta): (&dyn Loss, &[f64]),
    z: &[usize],
    [eta, intrinsic]: [f64; 2],
    with_decay: bool,
) {
    let mut evaluator = Evaluator::new(loss);
    let seen = evaluator.at(z, theta);
    let (size, rho) = (size_at_unit(loss, z, theta), DoubleDouble::ONE - DoubleDouble::from(intrinsic));
    for block in loss.parameters().blocks() {
        let w: Vec<DoubleDouble> = theta[block.range.clone()].iter().map(|&x| x.into()).collect();
        let grad = &seen.grad[block.range.clone()];
        let next: Vec<DoubleDouble> = w.iter().zip(grad).map(|(&w, &d)| w * rho - d.scale(eta)).collect();
        let (n, square) = (dot(&w, &w), dot(grad, grad).scale(eta).scale(eta));
        let kept = if with_decay { rho * rho * n } else { n };
        let got = dot(&next, &next);
        let expected = kept + square;
        // 2 rho eta <w, grad>, and eta^2 ||grad||^2 whose grad = grad_v/||w|| is off by unit * size/||w||.
        let step = eta * size / n.value().sqrt();
        let tolerance = 4.0 * evaluator.unit * (n.value() + eta * size + step * step);
        let at = format!("{name} · η = {eta}, ηλ = {intrinsic}, {}", block.name);
        check.identity(at, (got - expected).value().abs(), tolerance);
    }
}

/// T for all runs of one eta.
fn steps(subject: &Subject, seconds: f64, context: &Context) -> u64 {
    subject.steps(seconds / subject.settings.runs as f64, context.profile).max(4 * RELAXATIONS as u64)
}

/// One run; vectors have an entry per block. Means over the third and over the last quarter, where they are two.
struct Run {
    divergence: Option<Divergence>,
    squares: [Vec<f64>; 2],
    /// Of n^2.
    norms: [Vec<f64>; 2],
    /// The mean of g^2 over the last quarter.
    fourths: Vec<f64>,
}

fn runs(subject: &Subject, eta: f64, n_steps: u64, seed: &Seed) -> Result<Vec<Run>, Unevaluated> {
    let (eta_g, lambda) = (rate_of_g(subject).0, RELAXATIONS / n_steps as f64 / eta);
    let one = |k: usize| -> Result<Run, Unevaluated> {
        let (rate_w, rate_g) = (Schedule::constant(eta)?, Schedule::new(eta_g, 0.5)?);
        let (rule, generator) = (StepRule::Decay { lambda }, seed.generator(&format!("{eta}/run-{k}")));
        let mut stepper = Stepper::new(&*subject.loss, &subject.theta, rule, rate_w, rate_g, generator);
        let m = subject.layout().n_blocks();
        let zero = || [vec![0.0; m], vec![0.0; m]];
        let (mut squares, mut norms, [mut fourths, mut before]) = (zero(), zero(), zero());
        let (mut divergence, quarter) = (None, n_steps / 4);
        for t in 0..n_steps {
            before.copy_from_slice(stepper.w_norm_sq());
            if let Err(found) = stepper.step() {
                divergence = Some(found);
                break;
            }
            let age = (n_steps - 1 - t) / quarter;
            if age > 1 {
                continue;
            }
            let which = 1 - age as usize;
            for i in 0..m {
                let (n, square) = (before[i], before[i] * stepper.gradient_norm_sq()[i]);
                squares[which][i] += square / quarter as f64;
                norms[which][i] += n * n / quarter as f64;
                if which == 1 {
                    fourths[i] += square * square / quarter as f64;
                }
            }
        }
        Ok(Run { divergence, squares, norms, fourths })
    };
    (0..subject.settings.runs).in_parallel(one).into_iter().collect()
}

/// Whether the premises are met in block i, and the runs say how much the ratio is.
fn is_judged(law: BlockLaw<'_>, runs: &[Run], i: usize) -> Result<bool, Unevaluated> {
    let n_steps = law.n_steps;
    let mean = |f: &dyn Fn(&Run) -> f64| runs.iter().map(f).sum::<f64>() / runs.len() as f64;
    let [third, last] = [0, 1].map(|k| mean(&|run| run.squares[k][i]));
    let [n_third, n_last] = [0, 1].map(|k| mean(&|run| run.norms[k][i]));
    let kurtosis = mean(&|run| run.fourths[i]) / (last * last);
    let correction = RELAXATIONS / n_steps as f64 * (kurtosis - 1.0);
    let met = (third / last - 1.0).abs() + (n_third / n_last - 1.0).abs() + correction.abs() <= PREMISE;
    let unit = mean(&|run| ratios(std::slice::from_ref(run), i, [1.0, 1.0], n_steps)[0]);
    Ok(met && law.runs_agree(&ratios(runs, i, [1.0, 1.0], n_steps), unit)?)
}

/// n^2 lambda (2 - eta lambda)/(eta q) of every run, with its own q and `factor` times the decay in lambda.
fn ratios(runs: &[Run], i: usize, [eta, factor]: [f64; 2], n_steps: u64) -> Vec<f64> {
    let intrinsic = RELAXATIONS / n_steps as f64;
    let scale = factor * intrinsic * (2.0 - intrinsic) / (eta * eta);
    runs.iter().map(|run| run.norms[1][i] * scale / run.squares[1][i]).collect()
}
