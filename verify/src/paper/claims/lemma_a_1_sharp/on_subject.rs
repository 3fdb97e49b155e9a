//! Lemma A.1 on a user's loss, with π and without.
//!
//! The Hessian's block at the same point decides: it is at most L^vv_ii, and needs no search. At the start and at
//! random points whose blocks have norms over six decades, for some minibatches, of all blocks as many as the budget
//! allows. The tolerance is that of the networks of the claim, and 512u of the gradient of all blocks together, which a
//! block with none (of a single parameter, or saturated) has in it. Where constants of the whole domain are known to be
//! large enough, exact or proved, they are compared with as well.

use std::f64::consts::PI;

use rand::RngExt;
use ratecheck::loss::Workspace;
use ratecheck::parameters::norm_sq;
use ratecheck::random::{Generator, Seed};
use ratecheck::scalar::Scalar;

use super::{LemmaA1Sharp, of_blocks};
use crate::claim::evidence::{Check, Context, Evidence, Measure, Standing, SubjectControl, Unevaluated};
use crate::claim::instances::{U, direction};
use crate::claim::subject::{Premise, Subject};
use crate::paper::gradient_descent::gradients;

impl Measure for LemmaA1Sharp {
    fn needs(&self) -> &'static [Premise] {
        &[Premise::ScaleInvariant, Premise::Smooth]
    }

    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated> {
        measure_on_subject(subject, 1.0, context)
    }

    fn controls(&self) -> Vec<SubjectControl> {
        controls_on_subject()
    }
}

/// Every comparison, with `factor` times the sharp bound.
pub(in super::super) fn measure_on_subject(
    subject: &Subject,
    factor: f64,
    context: &Context,
) -> Result<Evidence, Unevaluated> {
    let mut evidence = Evidence::default();
    let value = at_points(&mut evidence.check, subject, factor, context)?;
    let note = "the smallest multiple of the Hessian's block at the same point that passes";
    evidence.observe("largest ‖∇_w‖/(‖∇²‖‖w‖)", value, note);
    match &subject.constants()?.most {
        Some(most) => {
            let l: Vec<f64> = most.l_vv.diag().to_vec();
            let value = with_constants(&mut evidence.check, subject, &l, factor, context)?;
            let note = "the smallest multiple of the constant that passes";
            evidence.observe("largest ‖w‖‖∇_w‖/L^vv_ii", value, note);
            evidence.check.hypothesis("L^vv bounds the Hessian's blocks", Standing::Met, &*subject.constants()?.how);
        }
        None => {
            let name = "L^vv: the Hessian's block at each point stands for it, which is no larger";
            evidence.check.hypothesis(name, Standing::Met, &*subject.constants()?.how);
        }
    }
    Ok(evidence)
}

/// The controls that every loss allows; whichever constant the lemma is read with, they take it on themselves.
pub(in super::super) fn controls_on_subject() -> Vec<SubjectControl> {
    vec![
        SubjectControl {
            name: "just below the smallest multiple",
            breaks: "the bound is 0.1 % smaller than the largest gradient that this loss shows beside its Hessian",
            run: |subject, context| {
                let run = || {
                    let smallest = at_points(&mut Check::new(), subject, 1.0, context)?;
                    let mut check = Check::new();
                    at_points(&mut check, subject, 0.999 * smallest, context)?;
                    Ok(check)
                };
                Some(run())
            },
        },
        SubjectControl {
            name: "weight decay in the loss",
            breaks: "F + ‖W‖²/2 instead of F, far out, where its gradient is above π(L^vv_ii + 1)/‖w‖",
            run: |subject, _| Some(far_out(subject)),
        },
    ]
}

/// ||grad_{w_i} F_z|| <= factor ||Hess_ii F_z|| ||w_i|| at some points; returns the largest quotient.
fn at_points(check: &mut Check, subject: &Subject, factor: f64, context: &Context) -> Result<f64, Unevaluated> {
    let (layout, mut generator) = (subject.layout(), context.generator("points"));
    let (n_points, n_batches) = (context.pick([2, 3, 8, 32]), context.pick([1, 2, 4, 8]));
    let batches = subject.batches(n_batches, &context.seed);
    // A block of d parameters takes d Hessian-vector products, each two gradients.
    let cost = 2 * layout.g().start * n_points * batches.len();
    let stride = (cost as u64).div_ceil(gradients(subject, 1.0, context)).max(1) as usize;
    let blocks: Vec<usize> = (0..layout.n_blocks()).step_by(stride).collect();
    let mut largest = 0.0_f64;
    for k in 0..n_points {
        let theta = if k == 0 { subject.theta.clone() } else { random_point(subject, &mut generator)? };
        for (j, z) in batches.iter().enumerate() {
            let at = format!("{} · point {k}, minibatch {j}", subject.name);
            largest = largest.max(of_blocks(check, &at, &*subject.loss, z, &theta, &blocks, factor.into(), 1.0)?);
        }
    }
    Ok(largest)
}

/// A random point with norms over six decades, and g where constants are known.
fn random_point(subject: &Subject, generator: &mut Generator) -> Result<Vec<f64>, Unevaluated> {
    let layout = subject.layout();
    let mut theta = vec![0.0; layout.len()];
    for block in layout.blocks() {
        let (d, norm) = (block.range.len(), Scalar::exp(generator.random_range(-6.9..6.9)));
        theta[block.range.clone()].copy_from_slice(&direction(d, 0..d, norm, generator));
    }
    // Not beyond twice the start: in the ball of Lemma C.2, which is often much larger, everything is saturated.
    let g = layout.g();
    let near = 2.0 * norm_sq(&subject.theta[g.clone()]).sqrt().max(1.0);
    let radius = subject.constants()?.radius.min(near);
    if !g.is_empty() && radius > 0.0 {
        let length = radius * generator.random_range(0.0..1.0);
        theta[g.clone()].copy_from_slice(&direction(g.len(), 0..g.len(), length, generator));
    }
    Ok(theta)
}

/// ||w_i|| ||grad_{w_i} F_z|| <= factor L_ii at random points; returns the largest quotient.
fn with_constants(
    check: &mut Check,
    subject: &Subject,
    l: &[f64],
    factor: f64,
    context: &Context,
) -> Result<f64, Unevaluated> {
    let mut generator = context.generator("points for constants");
    let n_points = gradients(subject, 0.6, context).clamp(10, context.pick([50, 500, 5_000, 50_000]));
    let batches = subject.batches(context.pick([1, 4, 16, 64]), &context.seed);
    let mut largest = 0.0_f64;
    for k in 0..n_points {
        let theta = if k == 0 { subject.theta.clone() } else { random_point(subject, &mut generator)? };
        let z = &batches[k as usize % batches.len()];
        largest = largest.max(bounded(check, subject, z, &theta, l, factor, &format!("point {k}")));
    }
    Ok(largest)
}

fn bounded(
    check: &mut Check,
    subject: &Subject,
    z: &[usize],
    theta: &[f64],
    l: &[f64],
    factor: f64,
    what: &str,
) -> f64 {
    let (layout, mut largest) = (subject.layout(), 0.0_f64);
    let mut grad = vec![0.0; theta.len()];
    subject.loss.sample_gradient(z, theta, &mut grad, &mut Workspace::default());
    for (i, block) in layout.blocks().iter().enumerate() {
        let lhs = (layout.w_norm_sq(theta, i) * norm_sq(&grad[block.range.clone()])).sqrt();
        let rhs = factor * l[i];
        let at = format!("{} · {what}, {}, L^vv", subject.name, block.name);
        check.at_most(at, lhs, rhs, 512.0 * U * (lhs + rhs));
        largest = largest.max(lhs / rhs);
    }
    largest
}

/// With F + ||W||^2/2 the Hessian's blocks at unit norm are at most L^vv_ii + 1, and the gradient at w grows as w.
fn far_out(subject: &Subject) -> Result<Check, Unevaluated> {
    let l: Vec<f64> = subject.constants()?.best().l_vv.diag().iter().map(|l| l + 1.0).collect();
    let mut broken = subject.decayed(1.0);
    for (i, block) in subject.layout().blocks().iter().enumerate() {
        // ||w|| ||grad|| is at least ||w||^2: grad F is perpendicular to w.
        let stretch = (4.0 * PI * l[i] / subject.layout().w_norm_sq(&subject.theta, i)).sqrt();
        broken.theta[block.range.clone()].iter_mut().for_each(|x| *x *= stretch);
    }
    let mut check = Check::new();
    let z = subject.batches(1, &Seed::new(0)).swap_remove(0);
    bounded(&mut check, &broken, &z, &broken.theta, &l, PI, "decayed, far out");
    Ok(check)
}
