//! The assumptions of section 2.4 on a user's loss.
//!
//! **The bracket.** Where constants are exact or proved: no block's norm at random points exceeds them, nor, at the
//! blocks that come nearest, the largest norm that an ascent finds. Where there are none, what was found is recorded,
//! and that nothing is known from above.
//!
//! **On unit spheres is enough**, because Lemma 2.2 carries the Hessian's blocks everywhere: ‖w_i‖‖w_j‖∇²_{ij}F(W) =
//! ∇²_{ij}F(V) and ‖w_i‖∇²_{ig}F(W) = ∇²_{ig}F(V). Compared are products with random directions, in double-double where
//! the loss has it. The tolerance is that of the identities on a user's loss: the evaluator's unit times the size of
//! the product, of the gradient and of the value.

use ratecheck::curvature::{
    AscentOptions, HessianProduct, Part, Sampling, Smoothness, Upper, ascend_block, hessian_vector_product,
    sampled_constants,
};
use ratecheck::loss::Loss;
use ratecheck::parameters::dot;
use ratecheck::random::Generator;
use ratecheck::scalar::{DoubleDouble, Dual, Scalar};

use super::{Bracketed, NORMS, Smooth};
use crate::claim::evidence::{Check, Context, Evidence, Measure, Standing, SubjectControl, Unevaluated};
use crate::claim::instances::direction;
use crate::claim::precise::{Evaluator, length};
use crate::claim::subject::{Premise, Subject};

impl Measure for Smooth {
    fn needs(&self) -> &'static [Premise] {
        &[Premise::ScaleInvariant, Premise::Smooth]
    }

    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut evidence = Evidence::new(carried(&off_the_sphere(subject), 1, context));
        // Each ascent takes some hundred gradients of gradients; larger losses are not ascended on.
        let ascents = if subject.layout().len() <= 600 { context.pick([1, 3, 10, 30]) } else { 0 };
        bracket(&mut evidence, subject, 1.0, ascents, context)?;
        Ok(evidence)
    }

    fn controls(&self) -> Vec<SubjectControl> {
        vec![
            SubjectControl {
                name: "1/‖w‖²",
                breaks: "blocks are multiplied by one norm more",
                run: |subject, context| Some(Ok(carried(&off_the_sphere(subject), 2, context))),
            },
            SubjectControl {
                name: "weight decay in the loss",
                breaks: "F + ‖W‖²/20 instead of F, whose Hessian is the same everywhere",
                run: |subject, context| Some(Ok(carried(&off_the_sphere(subject).decayed(0.1), 1, context))),
            },
            SubjectControl {
                name: "just below what is found",
                breaks: "the constants are in proportion, and the nearest 0.1 % smaller than the norm found at its \
                         block",
                run: |subject, context| just_below(subject, context).transpose(),
            },
        ]
    }
}

/// The same start with blocks twice, four and eight times as long: where norms are 1,
/// a wrong power of them would not show.
fn off_the_sphere(subject: &Subject) -> Subject {
    let mut subject = subject.clone();
    let layout = subject.loss.clone();
    for (i, block) in layout.parameters().blocks().iter().enumerate() {
        let factor = [2.0, 4.0, 8.0][i % 3];
        subject.theta[block.range.clone()].iter_mut().for_each(|x| *x *= factor);
    }
    subject
}

/// (Hess(W) N d)_i ||w_i||^power = (Hess(V) d)_i with N d = (||w_1|| d_1, .., d_g), for random d.
fn carried(subject: &Subject, power: i32, context: &Context) -> Check {
    let (mut check, mut evaluator, z) =
        (Check::new(), Evaluator::new(&*subject.loss), subject.batches(1, &context.seed));
    let (layout, z) = (subject.layout(), &z[0]);
    let precise = subject.loss.over::<Dual<DoubleDouble>>().is_some();
    let mut generator = context.generator("directions");
    let wide: Vec<DoubleDouble> = subject.theta.iter().map(|&x| DoubleDouble::from(x)).collect();
    let norms: Vec<DoubleDouble> =
        layout.blocks().iter().map(|b| dot(&wide[b.range.clone()], &wide[b.range.clone()]).sqrt()).collect();
    // Every number of theta over the norm of its block, or over 1; the same of a direction the other way round.
    let scaled = |x: &[DoubleDouble], f: &dyn Fn(DoubleDouble, DoubleDouble) -> DoubleDouble| -> Vec<DoubleDouble> {
        let mut x = x.to_vec();
        for (block, &norm) in layout.blocks().iter().zip(&norms) {
            x[block.range.clone()].iter_mut().for_each(|x| *x = f(*x, norm));
        }
        x
    };
    let unit = scaled(&wide, &|x, norm| x / norm);
    let seen = evaluator.gradient(z, &unit);
    let n_directions = if layout.len() <= 2_000 { context.pick([1, 3, 8, 16]) } else { 1 };
    for k in 0..n_directions {
        let d = random_direction(layout.len(), &mut generator);
        let at_w = product(&*subject.loss, z, &wide, &scaled(&d, &|x, norm| x * norm), precise);
        let at_v = product(&*subject.loss, z, &unit, &d, precise);
        let size = length(&at_v) + seen.grad_norm() + seen.value.value().abs().max(1.0);
        let parts = layout.blocks().iter().map(|block| (block.name.as_str(), block.range.clone())).zip(norms.clone());
        for ((name, range), norm) in parts.chain([(("g", layout.g()), DoubleDouble::ONE)]) {
            let factor = if power == 2 { norm * norm } else { norm };
            let difference: Vec<DoubleDouble> = range.map(|j| at_w[j] * factor - at_v[j]).collect();
            let place = format!("{} · rows of {name}, direction {k}", subject.name);
            check.identity(place, length(&difference), evaluator.product_unit * size);
        }
    }
    check
}

fn random_direction(n: usize, generator: &mut Generator) -> Vec<DoubleDouble> {
    direction(n, 0..n, 1.0, generator).into_iter().map(DoubleDouble::from).collect()
}

/// Hess F_z(theta) d.
fn product(
    loss: &dyn Loss,
    z: &[usize],
    theta: &[DoubleDouble],
    d: &[DoubleDouble],
    precise: bool,
) -> Vec<DoubleDouble> {
    let n = theta.len();
    if precise {
        let mut out = vec![DoubleDouble::ZERO; n];
        hessian_vector_product(loss, z, theta, d, &mut out, &mut HessianProduct::new(n));
        return out;
    }
    let plain = |x: &[DoubleDouble]| -> Vec<f64> { x.iter().map(|x| x.value()).collect() };
    let mut out = vec![0.0; n];
    hessian_vector_product(loss, z, &plain(theta), &plain(d), &mut out, &mut HessianProduct::new(n));
    out.into_iter().map(DoubleDouble::from).collect()
}

/// The parts of theta.
fn parts(subject: &Subject) -> Vec<Part> {
    let g = subject.has_g().then_some(Part::G);
    (0..subject.layout().n_blocks()).map(Part::Block).chain(g).collect()
}

/// Norms at random points, and ascents at the blocks that come nearest, against `factor` times the constants. Returns
/// the largest share of a constant that random points find, if any is known.
fn bracket(
    evidence: &mut Evidence,
    subject: &Subject,
    factor: f64,
    ascents: usize,
    context: &Context,
) -> Result<Option<f64>, Unevaluated> {
    let known = subject.constants()?;
    let name = format!("constants of {}", subject.name);
    let Some(most) = &known.most else {
        let figures = "they exist wherever second derivatives are continuous, and no larger number is known";
        let l = &known.least;
        let l_vv = l.l_vv.iter().fold(0.0_f64, |max, x| max.max(*x));
        evidence.observe("largest L^vv found", l_vv, figures);
        evidence.observe("L^gg found", l.l_gg, figures);
        evidence.check.hypothesis(name, Standing::Assumed, &*known.how);
        return Ok(None);
    };
    evidence.check.hypothesis(name, Standing::Met, &*known.how);
    // What was found is what was known, if that was exact.
    let found = match &subject.exact {
        Some(_) => {
            let sampling = Sampling::new(context.pick([20, 100, 400, 1_000]), known.radius);
            sampled_constants(&*subject.loss, &sampling, &context.seed.child("random points")).values()
        }
        None => known.least.clone(),
    };
    let upper: Smoothness<Upper> = most.map(|&l| Upper(factor * l));
    let method = subject.exact.is_none().then(|| known.how.clone());
    let bracketed = Bracketed { name: &subject.name, loss: &*subject.loss, radius: known.radius, upper, method };
    let all = parts(subject);
    let pairs = all.iter().enumerate().flat_map(|(k, &rows)| all[..=k].iter().map(move |&columns| [rows, columns]));
    let mut nearest: Vec<(f64, [Part; 2])> = Vec::new();
    for [rows, columns] in pairs {
        let (low, high) = (found.of(rows, columns), bracketed.upper.of(rows, columns).0);
        let place = format!("{} · {}, found", subject.name, bracketed.describe(rows, columns));
        evidence.check.at_most(place, low, high, NORMS * high.max(1.0));
        if low > 0.0 {
            nearest.push((low / high, [rows, columns]));
        }
    }
    nearest.sort_by(|a, b| b.0.total_cmp(&a.0));
    for &(share, [rows, columns]) in nearest.iter().take(ascents) {
        let (upper, what) = (bracketed.upper.of(rows, columns).0, bracketed.describe(rows, columns));
        let options =
            AscentOptions { n_points: 8, restarts: 1, max_evaluations: 300, ..AscentOptions::new(known.radius) };
        let ascent = ascend_block(&*subject.loss, rows, columns, &options, &context.seed.child("ascent"));
        bracketed.compare(&mut evidence.check, [rows, columns], 0.0, &ascent, upper);
        let reached = ascent.value.0 / upper;
        let note =
            format!("found at random points, over what is known from above; an ascent reaches {reached:.4} of it");
        evidence.observe(format!("share at {what}"), share, note);
    }
    Ok(nearest.first().map(|(share, _)| *share))
}

/// Nothing where no constant is known from above.
fn just_below(subject: &Subject, context: &Context) -> Result<Option<Check>, Unevaluated> {
    let Some(share) = bracket(&mut Evidence::default(), subject, 1.0, 0, context)? else { return Ok(None) };
    let mut evidence = Evidence::default();
    bracket(&mut evidence, subject, 0.999 * share, 0, context)?;
    Ok(Some(evidence.check))
}
