//! Points along runs of a user's loss, at which an identity is measured one step at a time.
//!
//! A run is followed in `f64`. The points at which it is looked at are exact as they are: whatever is said of one step
//! is then evaluated there with as many digits as the loss has,
//! and what rounding did to the run before does not matter.

use ratecheck::curvature::Part;
use ratecheck::descent::{Divergence, Schedule, StepRule, Stepper};
use ratecheck::loss::{Loss, Workspace};
use ratecheck::parameters::{Parameters, dot, norm_sq};
use ratecheck::scalar::Scalar;

use crate::claim::evidence::{Context, Evidence, Unevaluated};
use crate::claim::parallel::InParallel;
use crate::claim::subject::Subject;

/// theta_t and z_t.
pub(crate) struct Visit {
    pub(crate) t: u64,
    pub(crate) theta: Vec<f64>,
    pub(crate) z: Vec<usize>,
}

/// A run of (stochastic) gradient descent (4), and where it was looked at.
pub(crate) struct Visited {
    pub(crate) eta_w: f64,
    pub(crate) eta_g: f64,
    /// Steps made.
    pub(crate) steps: u64,
    /// At t = 0, 1, 2, 4, 8, .. and at the last step.
    pub(crate) list: Vec<Visit>,
    /// Where the run ended early.
    pub(crate) diverged: Option<Divergence>,
}

/// eta_g of a subject, in words too; 0.05 where no constant is to be had, since identities ask for none.
pub(crate) fn rate_of_g(subject: &Subject) -> (f64, &'static str) {
    subject.eta_g().unwrap_or((0.05, "no constant is known"))
}

/// The subject with its eta_g written down, so that what is made of it keeps the rate.
pub(crate) fn with_rate_of_g(subject: &Subject) -> Subject {
    let eta_g = rate_of_g(subject).0;
    let mut subject = subject.clone();
    subject.settings.eta_g = Some(eta_g);
    subject
}

/// The same with every block of norm 2, where what a wrong power of a norm changes shows, and with the one eta_w, a
/// power of 2, for which the first step is about as long as W: what is wrong by the square of a short step would be
/// lost in rounding. The subject of controls.
pub(crate) fn of_norm_two(subject: &Subject) -> Subject {
    let mut subject = with_rate_of_g(subject);
    let layout = subject.layout();
    let mut theta = layout.theta_unit(&subject.theta);
    theta[..layout.g().start].iter_mut().for_each(|x| *x *= 2.0);
    let mut grad = vec![0.0; theta.len()];
    subject.loss.sample_gradient(&subject.all(), &theta, &mut grad, &mut Workspace::default());
    let [w, d] = [&theta, &grad].map(|x| norm_sq(&x[..layout.g().start]).sqrt());
    let eta_w = libm::exp2(libm::log2(w / d).round());
    subject.theta = theta;
    subject.settings.eta_w = vec![if eta_w > 0.0 && eta_w.is_finite() { eta_w } else { 1.0 }];
    subject
}

/// A run of `steps` steps for every eta_w of the settings; in parallel, in their order.
pub(crate) fn visited(subject: &Subject, steps: u64, context: &Context) -> Result<Vec<Visited>, Unevaluated> {
    let eta_g = rate_of_g(subject).0;
    subject.settings.eta_w.in_parallel(|&eta_w| run(subject, (eta_w, eta_g), steps, context)).into_iter().collect()
}

fn run(subject: &Subject, rates: (f64, f64), steps: u64, context: &Context) -> Result<Visited, Unevaluated> {
    let ((eta_w, eta_g), loss) = (rates, &*subject.loss);
    let (by_w, by_g) = (Schedule::constant(eta_w)?, Schedule::constant(eta_g)?);
    let seed = context.seed.child(&format!("run/{eta_w}"));
    let (mut draws, mut permutation) = (seed.generator("z"), Vec::new());
    let mut stepper = Stepper::new(loss, &subject.theta, StepRule::Gradient, by_w, by_g, seed.generator("unused"));
    let mut visited = Visited { eta_w, eta_g, steps, list: Vec::new(), diverged: None };
    for t in 0..steps {
        let z = loss.minibatches().draw(&mut draws, &mut permutation);
        if t == 0 || t.is_power_of_two() || t + 1 == steps {
            visited.list.push(Visit { t, theta: stepper.theta().to_vec(), z: z.to_vec() });
        }
        if let Err(divergence) = stepper.step_with(z) {
            (visited.steps, visited.diverged) = (t, Some(divergence));
            break;
        }
    }
    Ok(visited)
}

/// Records what was run.
pub(crate) fn observe(evidence: &mut Evidence, subject: &Subject, visited: &[Visited]) {
    let how = if subject.has_g() { format!(", {}", rate_of_g(subject).1) } else { String::new() };
    for run in visited {
        let end = run.diverged.map_or_else(String::new, |divergence| format!("; {divergence}"));
        let rate = if subject.has_g() { format!("η_g = {:.3e}{how}; ", run.eta_g) } else { String::new() };
        let note = format!("{rate}looked at {} of them, t = 0, 1, 2, 4, 8, .. and the last{end}", run.list.len());
        evidence.observe(format!("steps at η = {}", run.eta_w), run.steps as f64, note);
    }
}

/// The size of the terms of identities about gradients at theta~ = (V; g), of which a few digits are needed: max(1,
/// |F|) + ||theta~|| ||grad F||, as in [`crate::claim::precise::Seen::size`].
pub(crate) fn size_at_unit(loss: &dyn Loss, z: &[usize], theta: &[f64]) -> f64 {
    let (unit, mut grad) = (loss.parameters().theta_unit(theta), vec![0.0; theta.len()]);
    let value = loss.sample_gradient(z, &unit, &mut grad, &mut Workspace::default());
    value.abs().max(1.0) + (norm_sq(&unit) * norm_sq(&grad)).sqrt()
}

/// Divides by the norm, and returns its square.
pub(crate) fn to_sphere<S: Scalar>(w: &mut [S]) -> S {
    let n = dot(w, w);
    let norm = n.sqrt();
    w.iter_mut().for_each(|x| *x = *x / norm);
    n
}

/// theta~ = (V; g), and ||w_i||^2 of every block.
pub(crate) fn on_spheres<S: Scalar>(layout: &Parameters, theta: &[f64]) -> (Vec<S>, Vec<S>) {
    let mut theta: Vec<S> = theta.iter().map(|&x| S::from_f64(x)).collect();
    let n = (0..layout.n_blocks()).map(|i| to_sphere(&mut theta[layout.block(i)])).collect();
    (theta, n)
}

/// Every block, and g.
pub(crate) fn parts(layout: &Parameters) -> impl Iterator<Item = Part> {
    (0..layout.n_blocks()).map(Part::Block).chain([Part::G])
}

/// What a reader calls a part.
pub(crate) fn part_name(layout: &Parameters, part: Part) -> &str {
    match part {
        Part::Block(i) => layout.blocks()[i].name.as_str(),
        Part::G => "g",
    }
}

/// Up to `most` of 0..n, evenly spread, the first and the last among them.
pub(crate) fn some_of(n: usize, most: usize) -> Vec<usize> {
    let count = n.min(most);
    (0..count).map(|k| if count == 1 { 0 } else { k * (n - 1) / (count - 1) }).collect()
}

/// Columns of a Hessian in double-double, each of two products that cost a hundred times as much as in `f64`, within a
/// second. Depends on sizes alone.
pub(crate) fn hessian_columns(subject: &Subject) -> usize {
    let work = subject.layout().len() * subject.loss.minibatches().n_examples();
    (5_000_000 / work.max(1)).clamp(8, 64)
}

/// Steps of each of some twenty runs in double-double, which cost some fifty times as much as in `f64`, within a second
/// or two; at most what the settings ask for. Depends on sizes alone.
pub(crate) fn precise_steps(subject: &Subject, context: &Context) -> u64 {
    let mut by_size = subject.clone();
    by_size.settings.steps = None;
    let by_size = by_size.steps(1e-3, context.profile) as f64;
    let work = (subject.layout().len() * subject.loss.minibatches().batch_size()) as f64;
    let most = (by_size * (2e4 / work).min(1.0)).max(10.0) as u64;
    subject.settings.steps.map_or(most, |steps| steps.min(most))
}
