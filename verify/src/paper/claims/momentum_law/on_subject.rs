//! The law on a user's loss, for every block by itself.
//!
//! As for claim `effective-rate-law`, the premises are measured. q_i is the mean of ||grad_{v_i} F_t||^2 over the last
//! quarter of a run, and it has not drifted if that is the mean over all steps; that gradients are uncorrelated shows
//! in n ||m||^2 (1-b^2)/q, which is 1 then. Exactly, n_T^2 = n_0^2 + 2 sum n_t D_t + sum D_t^2 with D_t = n_{t+1} -
//! n_t, and the law says what the sum in the middle is. Where drift, correlation, start and the last sum together are
//! at most a tenth of n_T^2, which is 5 % of e_T, the law is judged, within twice that. Where nothing is judged the
//! premise is not met.

use ratecheck::descent::{Divergence, Schedule, StepRule, Stepper};
use ratecheck::parameters::norm_sq;
use ratecheck::random::Seed;

use super::MomentumLaw;
use crate::claim::evidence::{Check, Context, Evidence, Measure, SubjectControl, Unevaluated};
use crate::claim::parallel::InParallel;
use crate::claim::subject::{Premise, Subject};
use crate::paper::sgd::laws::BlockLaw;
use crate::paper::stochastic::on_subject::natural_rate;

const B: f64 = 0.9;
/// What all runs may take, and those of a control.
const SECONDS: [f64; 2] = [0.3, 0.08];
/// Of e_T.
pub(super) const LAW: f64 = 0.1;
/// What the premises may be off by together, of n_T^2.
const PREMISE: f64 = 0.1;

/// One run; vectors have an entry per block.
struct Run {
    divergence: Option<Divergence>,
    n_end: Vec<f64>,
    /// The mean of ||grad_{v_i} F_t||^2 over all steps, and over the last quarter.
    squares: [Vec<f64>; 2],
    /// The mean of n ||m||^2 over the last quarter.
    momenta: Vec<f64>,
    /// The sum of D_t^2.
    jumps: Vec<f64>,
}

impl Measure for MomentumLaw {
    fn needs(&self) -> &'static [Premise] {
        &[Premise::ScaleInvariant, Premise::Stochastic]
    }

    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated> {
        // The rates that are asked for, and the one that moves by the length of w with its momentum.
        let natural = natural_rate(subject, context).map(|eta| (1.0 - B) * eta);
        let rates: Vec<f64> = subject.settings.eta_w.iter().copied().chain(natural).collect();
        let cells = rates.len() * subject.settings.runs;
        let n_steps = subject.steps(SECONDS[0] / cells as f64, context.profile).max(8);
        let mut evidence = Evidence::default();
        let (mut judged, mut nearest) = (0, f64::NAN);
        let law = BlockLaw { subject, n_steps, within: LAW };
        for &eta in &rates {
            let runs = runs(subject, StepRule::HeavyBall { b: B }, eta, n_steps, &context.seed)?;
            if let Some(found) = runs.iter().find_map(|run| run.divergence) {
                evidence.observe(format!("η = {eta:.3}: steps made"), found.step as f64, format!("{found}"));
                continue;
            }
            for i in 0..subject.layout().n_blocks() {
                if is_judged(law, &runs, i, eta)? {
                    judged += 1;
                    let ratios = ratios(&runs, i, [eta, 1.0], n_steps);
                    nearest = law.decide(&mut evidence.check, i, &named(eta), &ratios)?;
                }
            }
        }
        evidence.observe("(η/(1-b))·√(2qT)/n_T, last block judged", nearest, format!("b = {B}, T = {n_steps}"));
        let detail = format!(
            "judged are {judged} of {} (block, η), where drift of ‖∇_vF‖², correlations, start and jumps are at most \
             {PREMISE} of n_T² and the runs agree",
            rates.len() * subject.layout().n_blocks()
        );
        law.premise(&mut evidence.check, "θ̃_t tends to a minimiser with uncorrelated noise q > 0", judged, detail);
        Ok(evidence)
    }

    fn controls(&self) -> Vec<SubjectControl> {
        vec![
            SubjectControl {
                name: "projected SGD",
                breaks: "with fixed norms the effective rate stays where it was, ten steps of the length of w a time",
                run: |subject, context| {
                    let eta = 10.0 * natural_rate(subject, context)?;
                    controlled(subject, context, eta, StepRule::Projected).transpose()
                },
            },
            SubjectControl {
                name: "η for η/(1-b)",
                breaks: "the learning rate is counted as without momentum, in the blocks in which the law is judged",
                run: |subject, context| {
                    let eta = (1.0 - B) * natural_rate(subject, context)?;
                    controlled(subject, context, eta, StepRule::HeavyBall { b: B }).transpose()
                },
            },
        ]
    }
}

fn named(eta: f64) -> String {
    format!("η = {eta:.3}")
}

/// The law in the block of a subject that has one, with eta times `factor`. That its premises are met is a hypothesis
/// where `judged`: a control far off needs no T at which they are.
pub(super) fn in_its_block(
    subject: &Subject,
    [eta, factor]: [f64; 2],
    (n_steps, judged): (u64, bool),
    context: &Context,
) -> Result<(Check, f64), Unevaluated> {
    let runs = runs(subject, StepRule::HeavyBall { b: B }, eta, n_steps, &context.seed.child(&subject.name))?;
    if let Some(divergence) = runs.iter().find_map(|run| run.divergence) {
        return Err(divergence.into());
    }
    let (mut check, law) = (Check::new(), BlockLaw { subject, n_steps, within: LAW });
    if judged {
        let met = usize::from(is_judged(law, &runs, 0, eta)?);
        let detail = format!(
            "drift, correlations, start and jumps are at most {PREMISE} of n_T² at T = {n_steps}, and the runs agree"
        );
        law.premise(&mut check, "θ̃_t tends to a minimiser with uncorrelated noise q > 0", met, detail);
    }
    let ratios = ratios(&runs, 0, [eta, factor], n_steps);
    let value = law.decide_alone(&mut check, &format!("η = {eta}"), &ratios)?;
    Ok((check, value))
}

/// The law by a rule with fixed norms in every block, or with eta counted as without momentum where it is judged.
fn controlled(subject: &Subject, context: &Context, eta: f64, rule: StepRule) -> Result<Option<Check>, Unevaluated> {
    let n_steps = subject.steps(SECONDS[1] / subject.settings.runs as f64, context.profile).max(8);
    let runs = runs(subject, rule, eta, n_steps, &context.seed.child("control"))?;
    let law = BlockLaw { subject, n_steps, within: LAW };
    law.broken(&named(eta), |i| {
        let fixed = rule == StepRule::Projected;
        let counted = if fixed { 1.0 } else { 1.0 - B };
        let all = runs.iter().all(|run| run.divergence.is_none());
        let taken = fixed || all && is_judged(law, &runs, i, eta)?;
        Ok(taken.then(|| ratios(&runs, i, [eta, counted], n_steps)))
    })
}

fn runs(subject: &Subject, rule: StepRule, eta: f64, n_steps: u64, seed: &Seed) -> Result<Vec<Run>, Unevaluated> {
    let eta_g = subject.eta_g()?.0;
    let one = |k: usize| -> Result<Run, Unevaluated> {
        let (rate_w, rate_g) = (Schedule::constant(eta)?, Schedule::new(eta_g, 0.5)?);
        let generator = seed.generator(&format!("{eta}/run-{k}"));
        let mut stepper = Stepper::new(&*subject.loss, &subject.theta, rule, rate_w, rate_g, generator);
        let layout = subject.layout();
        let m = layout.n_blocks();
        let (mut squares, mut momenta, mut jumps) = ([vec![0.0; m], vec![0.0; m]], vec![0.0; m], vec![0.0; m]);
        let (mut before, mut divergence, quarter) = (vec![0.0; m], None, (n_steps / 4).max(1));
        for t in 0..n_steps {
            before.copy_from_slice(stepper.w_norm_sq());
            if let Err(found) = stepper.step() {
                divergence = Some(found);
                break;
            }
            let late = n_steps - 1 - t < quarter;
            for i in 0..m {
                let square = before[i] * stepper.gradient_norm_sq()[i];
                squares[0][i] += square / n_steps as f64;
                jumps[i] += (stepper.w_norm_sq()[i] - before[i]).powi(2);
                if late {
                    squares[1][i] += square / quarter as f64;
                }
                if late && !stepper.momentum().is_empty() {
                    momenta[i] += before[i] * norm_sq(&stepper.momentum()[layout.block(i)]) / quarter as f64;
                }
            }
        }
        Ok(Run { divergence, n_end: stepper.w_norm_sq().to_vec(), squares, momenta, jumps })
    };
    (0..subject.settings.runs).in_parallel(one).into_iter().collect()
}

/// Whether the premises of the law are met in block i, and the runs say how much the ratio is.
fn is_judged(law: BlockLaw<'_>, runs: &[Run], i: usize, eta: f64) -> Result<bool, Unevaluated> {
    let mean = |f: &dyn Fn(&Run) -> f64| runs.iter().map(f).sum::<f64>() / runs.len() as f64;
    let [all, last] = [0, 1].map(|k| mean(&|run| run.squares[k][i]));
    let momentum = mean(&|run| run.momenta[i]) * (1.0 - B * B);
    let n = law.subject.layout().w_norm_sq(&law.subject.theta, i);
    let kept = 2.0 * (eta / (1.0 - B)).powi(2) * last * law.n_steps as f64;
    let start = (n * n + mean(&|run| run.jumps[i])) / kept;
    let met = (all / last - 1.0).abs() + (momentum / last - 1.0).abs() + start <= PREMISE;
    Ok(met && law.runs_agree(&ratios(runs, i, [eta, 1.0], law.n_steps), 1.0)?)
}

/// (eta/(1-b)) sqrt(2 q T)/n_T of every run, with its own q and eta times a factor.
fn ratios(runs: &[Run], i: usize, [eta, factor]: [f64; 2], n_steps: u64) -> Vec<f64> {
    let of = |run: &Run| factor * eta / (1.0 - B) / run.n_end[i] * (2.0 * run.squares[1][i] * n_steps as f64).sqrt();
    runs.iter().map(of).collect()
}
