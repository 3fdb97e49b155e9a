//! The law on a user's loss, for every block by itself.
//!
//! q_i is the mean of g_t = ||grad_{v_i} F_t||^2 over the last quarter of each run. That iterates tend to a minimiser
//! whose noise is q_i is measured: of n_T^2 = n_0^2 + 2 eta^2 sum g_t + eta^4 sum g_t^2/n_t^2 the law keeps 2 eta^2 q
//! T. Where all that it leaves out is at most a tenth, which is 5 % of e_T, the law is judged, within twice that: the
//! other half is for the noise of the runs and of q, and where that is more, the law is not judged either. Where
//! nothing is judged the premise is not met.

use ratecheck::descent::StepRule;
use ratecheck::rates::mean_over_runs;

use super::EffectiveRateLaw;
use crate::claim::evidence::{Check, Context, Evidence, Measure, SubjectControl, Unevaluated};
use crate::claim::parallel::InParallel;
use crate::claim::subject::{Premise, Subject};
use crate::paper::sgd::laws::BlockLaw;
use crate::paper::sgd::on_subject::{Design, Run, Way, all_steps, made_of};
use crate::paper::stochastic::on_subject::natural_rate;

/// What all runs may take, and those of a control.
const SECONDS: [f64; 2] = [0.3, 0.08];
/// Of e_T.
const LAW: f64 = 0.1;
/// Of n_T^2.
const LEFT_OUT: f64 = 0.1;

impl Measure for EffectiveRateLaw {
    fn needs(&self) -> &'static [Premise] {
        &[Premise::ScaleInvariant, Premise::Stochastic]
    }

    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated> {
        let natural = natural_rate(subject, context);
        let rates: Vec<f64> = subject.settings.eta_w.iter().copied().chain(natural).collect();
        let design = Design::new(subject, SECONDS[0], [rates.len(), subject.settings.runs], false, context)?;
        let way = |eta_w| Way { rule: StepRule::Gradient, eta_w, alpha: 0.0 };
        let found = rates.in_parallel(|&eta_w| design.runs(subject, way(eta_w), &context.seed));
        let found: Vec<Vec<Run>> = found.into_iter().collect::<Result<_, _>>()?;
        let mut evidence = Evidence::default();
        let (mut least, mut judged) = (f64::INFINITY, 0);
        let n_steps = design.n_steps;
        let law = BlockLaw { subject, n_steps, within: LAW };
        for (&eta_w, runs) in rates.iter().zip(&found) {
            if !all_steps(&mut evidence.check, &format!("{} · η_w = {eta_w:.3}", subject.name), runs, n_steps) {
                continue;
            }
            let (mut nearest, mut smallest, mut noise) = (f64::NAN, f64::INFINITY, f64::NAN);
            for i in 0..subject.layout().n_blocks() {
                let out = left_out(subject, runs, i, eta_w, n_steps);
                if is_judged(law, runs, i, eta_w)? {
                    judged += 1;
                    law.decide(&mut evidence.check, i, &named(eta_w), &ratios(runs, i, eta_w, n_steps, 1.0))?;
                }
                if out < smallest {
                    (smallest, noise) = (out, q(runs, i));
                    nearest = mean_over_runs(&ratios(runs, i, eta_w, n_steps, 1.0))?.value;
                }
            }
            least = least.min(smallest);
            let note =
                format!("in the block in which the law leaves out least, {smallest:.2} of n_T²; q = {noise:.3e}");
            evidence.observe(format!("η_w = {eta_w:.3}: e_T·√(2qT)"), nearest, note);
        }
        let of = rates.len() * subject.layout().n_blocks();
        let detail = format!(
            "judged are {judged} of {of} (block, η_w), where start, first steps and drift of ‖∇_vF‖² are at most \
             {LEFT_OUT} of n_T² (the least is {least:.2}) and the runs agree (T = {n_steps}, {} runs)",
            design.n_runs
        );
        law.premise(&mut evidence.check, "θ̃_t tends to a minimiser with noise q > 0", judged, detail);
        Ok(evidence)
    }

    fn controls(&self) -> Vec<SubjectControl> {
        vec![
            SubjectControl {
                name: "projected SGD",
                breaks: "with fixed norms the effective rate stays where it was, ten steps of the length of w a time",
                run: |subject, context| {
                    let eta_w = 10.0 * natural_rate(subject, context)?;
                    controlled(subject, context, eta_w, StepRule::Projected).transpose()
                },
            },
            SubjectControl {
                name: "q doubled",
                breaks: "the law with twice the noise that was measured, in the blocks in which it is judged",
                run: |subject, context| {
                    let eta_w = natural_rate(subject, context)?;
                    controlled(subject, context, eta_w, StepRule::Gradient).transpose()
                },
            },
        ]
    }
}

fn named(eta_w: f64) -> String {
    format!("η_w = {eta_w:.3}")
}

/// The law by a broken rule in every block, or with q doubled where it is judged.
fn controlled(subject: &Subject, context: &Context, eta_w: f64, rule: StepRule) -> Result<Option<Check>, Unevaluated> {
    let design = Design::new(subject, SECONDS[1], [1, subject.settings.runs], false, context)?;
    let runs = design.runs(subject, Way { rule, eta_w, alpha: 0.0 }, &context.seed.child("control"))?;
    let law = BlockLaw { subject, n_steps: design.n_steps, within: LAW };
    law.broken(&named(eta_w), |i| {
        let plain = rule == StepRule::Gradient;
        let factor = if plain { 2.0 } else { 1.0 };
        let taken = !plain || is_judged(law, &runs, i, eta_w)?;
        Ok(taken.then(|| ratios(&runs, i, eta_w, law.n_steps, factor)))
    })
}

/// The mean over the runs of the q of each.
fn q(runs: &[Run], i: usize) -> f64 {
    runs.iter().map(|run| run.late[1][i]).sum::<f64>() / runs.len() as f64
}

/// What the law leaves out of n_T^2 in block i, relative to what it keeps: the start, the sum of fourth order, and the
/// departure of the sum of squares from q T. NaN or infinite without noise.
fn left_out(subject: &Subject, runs: &[Run], i: usize, eta_w: f64, n_steps: u64) -> f64 {
    let kept = 2.0 * eta_w * eta_w * q(runs, i) * n_steps as f64;
    let [start, middle, first] = made_of(subject, runs, i);
    (start + first + (middle - kept).abs()) / kept
}

/// Whether the law keeps almost all of n_T^2, and the runs say how much that is.
fn is_judged(law: BlockLaw<'_>, runs: &[Run], i: usize, eta_w: f64) -> Result<bool, Unevaluated> {
    let keeps = left_out(law.subject, runs, i, eta_w, law.n_steps) <= LEFT_OUT;
    Ok(keeps && law.runs_agree(&ratios(runs, i, eta_w, law.n_steps, 1.0), 1.0)?)
}

/// e_T sqrt(2 q T) of every run, with its own q times a factor.
fn ratios(runs: &[Run], i: usize, eta_w: f64, n_steps: u64, factor: f64) -> Vec<f64> {
    let of = |run: &Run| eta_w / run.n_end[i] * (2.0 * factor * run.late[1][i] * n_steps as f64).sqrt();
    runs.iter().map(of).collect()
}
