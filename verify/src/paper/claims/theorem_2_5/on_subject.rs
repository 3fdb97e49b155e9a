//! Theorem 2.5 on a user's loss: one step apart at points along runs, and whole trajectories,
//! both in double-double where the loss has it.
//!
//! **Room for rounding.** A gradient at W is off by the unit times s/||w_i||, where s is the size of identities at
//! theta~ (Lemma 2.2), and so is the other side's; the step of a block adds roundings of its length. The two next
//! points may then differ, in units, by r_i = 4 ||w'_i|| + 2 eta_w s/||w_i|| in each block, and in g by 4 (||g|| +
//! ||g'||) + 2 eta_g s. That is the tolerance of one step.
//!
//! **Whole trajectories.** The bound is that of [`super::trajectory`], with the unit in the place of k and r in the
//! place of the scales. Its trace is estimated, so that networks need no dense Hessian: x_{t+1} = J_t x_t + R_t xi_t
//! with independent standard normal xi_t has the covariance P_{t+1}, and tr S^-1 P S^-1 is the mean of ||S^-1 x||^2, of
//! which [`PROBES`] = 16 are carried along. Their mean is least certain where P has rank 1: then it is below a
//! sixteenth of the trace with the probability P(chi^2_16 < 1) < 1e-7, which is what a trajectory risks at its end when
//! the mean is multiplied by 16. A trajectory is followed until the first order no longer suffices.

use ratecheck::curvature::{HessianProduct, Part, hessian_vector_product};
use ratecheck::loss::{Arithmetic, Loss};
use ratecheck::parameters::norm_sq;
use ratecheck::random::{Generator, normals};
use ratecheck::scalar::{DoubleDouble, Scalar};

use super::trajectory::{Adaptive, LINEAR, reach};
use super::{Form, Theorem25};
use crate::claim::evidence::{Check, Context, Evidence, Measure, SubjectControl, Unevaluated};
use crate::claim::parallel::InParallel;
use crate::claim::precise::Evaluator;
use crate::claim::replay::Recursion;
use crate::claim::subject::{Premise, Subject};
use crate::paper::visits::{
    Visit, Visited, observe, of_norm_two, part_name, parts, precise_steps, rate_of_g, size_at_unit, visited,
    with_rate_of_g,
};

/// See the module's doc comment.
const PROBES: usize = 16;
/// The probability that a trajectory's bound is too small.
const RISK: f64 = 1e-7;

impl Measure for Theorem25 {
    fn needs(&self) -> &'static [Premise] {
        &[]
    }

    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated> {
        let runs = visited(subject, subject.steps(0.1, context.profile), context)?;
        let mut evidence = Evidence::new(at_all(subject, &runs, Form::Printed)?);
        observe(&mut evidence, subject, &runs);
        let steps = precise_steps(subject, context);
        if let Some(reason) = no_trajectory(subject) {
            evidence.observe("steps of whole trajectories", 0.0, format!("left out: {reason}"));
            return Ok(evidence);
        }
        let whole = |&eta_w: &f64| whole(subject, eta_w, steps, Form::Printed, context);
        let found: Vec<(Check, Followed)> =
            subject.settings.eta_w.in_parallel(whole).into_iter().collect::<Result<_, Unevaluated>>()?;
        for ((check, followed), eta_w) in found.into_iter().zip(&subject.settings.eta_w) {
            evidence.check.merge(check);
            let Followed { steps: made, apart, bound } = followed;
            let note = format!("relative, the largest in {made} of {steps} steps; rounding can make it {bound:.1e}");
            evidence.observe(format!("(9) and (4) apart over a whole trajectory, η = {eta_w}"), apart, note);
        }
        Ok(evidence)
    }

    fn controls(&self) -> Vec<SubjectControl> {
        vec![
            SubjectControl {
                name: "rate η/‖w‖",
                breaks: "the effective rate is η/‖w‖ instead of η/‖w‖²",
                run: |subject, context| Some(broken(&of_norm_two(subject), Form::Root, context)),
            },
            SubjectControl {
                name: "no projection",
                breaks: "v is not brought back to the sphere",
                run: |subject, context| Some(broken(&of_norm_two(subject), Form::Unprojected, context)),
            },
            SubjectControl {
                name: "constant G",
                breaks: "G does not grow: projected SGD",
                run: |subject, context| Some(broken(&of_norm_two(subject), Form::ConstantG, context)),
            },
            SubjectControl {
                name: "weight decay in the loss",
                breaks: "F + ‖W‖²/20 instead of F",
                run: |subject, context| Some(broken(&with_rate_of_g(subject).decayed(0.1), Form::Printed, context)),
            },
            SubjectControl {
                name: "rate η/‖w‖, whole trajectory",
                breaks: "the same over a trajectory that is not restarted",
                run: |subject, context| {
                    if no_trajectory(subject).is_some() {
                        return None;
                    }
                    let start = of_norm_two(subject);
                    let eta_w = start.settings.eta_w.first().copied()?;
                    Some(whole(&start, eta_w, 5, Form::Root, context).map(|(check, _)| check))
                },
            },
        ]
    }
}

fn broken(subject: &Subject, form: Form, context: &Context) -> Result<Check, Unevaluated> {
    at_all(subject, &visited(subject, 3, context)?, form)
}

/// Why whole trajectories are not to be had.
fn no_trajectory(subject: &Subject) -> Option<String> {
    if !Evaluator::new(&*subject.loss).is_precise() {
        return Some("the loss has no double-double arithmetic".to_owned());
    }
    subject.lacks(Premise::Smooth)
}

/// One step apart, at all points of all runs.
fn at_all(subject: &Subject, runs: &[Visited], form: Form) -> Result<Check, Unevaluated> {
    let evaluator = Evaluator::new(&*subject.loss);
    let (is_precise, unit) = (evaluator.is_precise(), evaluator.unit);
    let along = |run: &Visited| {
        if is_precise {
            along::<DoubleDouble>(subject, run, form, unit)
        } else {
            along::<f64>(subject, run, form, unit)
        }
    };
    let mut all = Check::new();
    let checks: Vec<Result<Check, Unevaluated>> = runs.in_parallel(along);
    checks.into_iter().try_for_each(|check| check.map(|check| all.merge(check)))?;
    Ok(all)
}

fn along<S: Arithmetic>(subject: &Subject, run: &Visited, form: Form, unit: f64) -> Result<Check, Unevaluated> {
    let (mut check, loss) = (Check::new(), &*subject.loss);
    for Visit { t, theta, z } in &run.list {
        let (mut plain, mut adaptive) = both::<S>(loss, theta, form)?;
        let size = size_at_unit(loss, z, theta);
        let before = lengths(loss, &plain.theta);
        plain.look(z);
        plain.step(run.eta_w, run.eta_g);
        adaptive.step(z, run.eta_w, run.eta_g);
        let room = room(before, lengths(loss, &plain.theta), size, (run.eta_w, run.eta_g));
        for (part, room) in parts(loss.parameters()).zip(room).filter(|(part, _)| !is_empty(loss, *part)) {
            let at = format!("{} · η = {}, t = {t}", subject.name, run.eta_w);
            let error = adaptive.part_apart(part, &plain.theta) / room;
            check.identity(format!("{at}, {}, relative", part_name(loss.parameters(), part)), error, unit);
        }
    }
    Ok(check)
}

fn both<'a, S: Arithmetic>(
    loss: &'a dyn Loss,
    theta: &[f64],
    form: Form,
) -> Result<(Recursion<'a, S>, Adaptive<'a, S>), Unevaluated> {
    let both = Recursion::<S>::new(loss, theta).zip(Adaptive::<S>::new(loss, theta, form));
    both.ok_or_else(|| Unevaluated("the loss has no such arithmetic".to_owned()))
}

fn is_empty(loss: &dyn Loss, part: Part) -> bool {
    part.range(loss.parameters()).is_empty()
}

/// The norm of every part.
fn lengths<S: Arithmetic>(loss: &dyn Loss, theta: &[S]) -> Vec<f64> {
    parts(loss.parameters()).map(|part| norm_sq(&theta[part.range(loss.parameters())]).value().sqrt()).collect()
}

/// r of the module's doc comment, part by part.
fn room(before: Vec<f64>, after: Vec<f64>, size: f64, (eta_w, eta_g): (f64, f64)) -> Vec<f64> {
    let g = before.len() - 1;
    let of_part = |(k, (before, after)): (usize, (f64, f64))| {
        if k == g { 4.0 * (before + after) + 2.0 * eta_g * size } else { 4.0 * after + 2.0 * eta_w * size / before }
    };
    before.into_iter().zip(after).enumerate().map(of_part).collect()
}

/// How a trajectory went.
struct Followed {
    steps: u64,
    apart: f64,
    bound: f64,
}

/// (4) and (9) from the start, never brought together again.
fn whole(
    subject: &Subject,
    eta_w: f64,
    steps: u64,
    form: Form,
    context: &Context,
) -> Result<(Check, Followed), Unevaluated> {
    let (loss, eta_g) = (&*subject.loss, rate_of_g(subject).0);
    let (layout, unit) = (loss.parameters(), Evaluator::new(loss).unit);
    let (mut plain, mut adaptive) = both::<DoubleDouble>(loss, &subject.theta, form)?;
    let seed = context.seed.child(&format!("trajectory/{eta_w}"));
    let (mut draws, mut permutation) = (seed.generator("z"), Vec::new());
    let mut probes = Probes::new(loss, seed.generator("probes"));
    let mut check = Check::new();
    check.take_risk(RISK);
    let mut followed = Followed { steps: 0, apart: 0.0, bound: 0.0 };
    let count = layout.n_blocks() + usize::from(subject.has_g());
    for t in 0..steps {
        let z = loss.minibatches().draw(&mut draws, &mut permutation);
        let at: Vec<f64> = plain.theta.iter().map(|x| x.value()).collect();
        let size = size_at_unit(loss, z, &at);
        let before = lengths(loss, &plain.theta);
        plain.look(z);
        plain.step(eta_w, eta_g);
        adaptive.step(z, eta_w, eta_g);
        let after = lengths(loss, &plain.theta);
        let mut scales = after.clone();
        scales[layout.n_blocks()] += 1.0 + before[layout.n_blocks()];
        probes.step(loss, z, &at, &room(before, after, size, (eta_w, eta_g)), (eta_w, eta_g));
        let bound = reach(unit, count, t as usize, PROBES as f64 * probes.trace(loss, &scales));
        if !(bound <= LINEAR) {
            break;
        }
        let apart = adaptive.apart(&plain.theta, &scales);
        check.identity(format!("{}, whole · η = {eta_w}, t = {t}", subject.name), apart, bound);
        followed = Followed { steps: t + 1, apart: followed.apart.max(apart), bound: followed.bound.max(bound) };
    }
    Ok((check, followed))
}

/// Vectors whose covariance is P.
struct Probes {
    x: Vec<Vec<f64>>,
    product: Vec<f64>,
    work: HessianProduct,
    generator: Generator,
}

impl Probes {
    fn new(loss: &dyn Loss, generator: Generator) -> Self {
        let n = loss.parameters().len();
        Self { x: vec![vec![0.0; n]; PROBES], product: vec![0.0; n], work: HessianProduct::new(n), generator }
    }

    /// x <- (I - eta Hess) x + R xi.
    fn step(&mut self, loss: &dyn Loss, z: &[usize], at: &[f64], room: &[f64], (eta_w, eta_g): (f64, f64)) {
        for x in &mut self.x {
            hessian_vector_product(loss, z, at, x, &mut self.product, &mut self.work);
            let noise = normals(x.len(), 1.0, &mut self.generator);
            for (part, room) in parts(loss.parameters()).zip(room) {
                let eta = if part == Part::G { eta_g } else { eta_w };
                for k in part.range(loss.parameters()) {
                    x[k] += room * noise[k] - eta * self.product[k];
                }
            }
        }
    }

    /// The mean of ||S^-1 x||^2.
    fn trace(&self, loss: &dyn Loss, scales: &[f64]) -> f64 {
        let layout = loss.parameters();
        let of_part = |x: &[f64], part: Part, scale: f64| norm_sq(&x[part.range(layout)]) / (scale * scale);
        let sums = self.x.iter().flat_map(|x| parts(layout).zip(scales).map(|(part, &scale)| of_part(x, part, scale)));
        sums.sum::<f64>() / PROBES as f64
    }
}
