//! The Euler identities of second order: what scale invariance says of the Hessian. Derived here;
//! the paper does not print them.
//!
//! Differentiate grad_{w_i} F(.., c w_j, ..) = c^-[i = j] grad_{w_i} F in c at c = 1: for i = j the left side gives
//! Hess_ii w_i and the right side -grad_{w_i} F; for i != j the right side does not depend on c. The same for grad_g.

use std::sync::Arc;

use ratecheck::curvature::{HessianProduct, Part, hessian_vector_product};
use ratecheck::loss::closed::{Bilinear, BnRegression, HelixValley, Rayleigh};
use ratecheck::loss::{Arithmetic, Loss, Workspace};
use ratecheck::network::{Activation, Normalisation};
use ratecheck::parameters::norm_sq;
use ratecheck::random::Generator;
use ratecheck::scalar::{DoubleDouble, Dual};
use rayon::prelude::*;

use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Statement, SubjectControl, Unevaluated,
};
use crate::claim::instances::{INVARIANT, SMOOTHED_BN, digits_at, direction, small};
use crate::claim::precise::{Evaluator, U};
use crate::claim::rows::{self, LAST_BIT};
use crate::claim::subject::{CONSTANT_EPSILON, Premise, Subject};
use crate::paper::visits::{hessian_columns, part_name, parts, some_of};

/// See the module's first line.
pub(super) struct EulerIdentities;

static STATEMENT: Statement = Statement {
    id: "euler-identities",
    title: "Euler identities",
    plain: "Along its own weights, a scale-invariant loss has the curvature that its gradient dictates, and none \
            across.",
    formula: "∇²_{ii}F·w⁽ⁱ⁾ = -∇_{w⁽ⁱ⁾}F,   ∇²_{ij}F·w⁽ʲ⁾ = 0 (i ≠ j),   ∇²_{g,i}F·w⁽ⁱ⁾ = 0",
    latex: &[
        r"\nabla^2_{ii}F\,w^{(i)}=-\nabla_{w^{(i)}}F,\qquad\nabla^2_{ij}F\,w^{(j)}=0\;(i\ne j),\qquad\nabla^2_{g,i}F\,w^{(i)}=0",
    ],
    printed_at: "not in the paper; they follow from Definition 2.1 and sharpen Lemma A.1 to ‖∇_v F‖ ≤ L^vv_ii",
    kind: Kind::Identity,
    origin: Origin::Derived,
    hypotheses: &[
        "F_z is scale invariant in every block",
        "F_z is twice differentiable at the point (softplus, tanh): C^{1,1} is not enough",
    ],
    measured: "Hessian-vector products with every block of weights, part by part, on four closed forms and on networks \
               under eight normalisations, and with up to 64 blocks of the digits network, in double-double",
    tolerance: "u times max(1, |F|) + ||theta|| ||∇F|| and the parts of a Hessian-vector product with a random \
                direction, each times the norm of its block; the roundings of double-double are a billion times \
                smaller",
    does_not_show: "that the rest of the Hessian is right: the engine's tests compare it with reference values",
};

impl Claim for EulerIdentities {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut check = Check::new();
        for subject in closed()? {
            check.merge(of_subject(&subject, usize::MAX, -1.0, context));
        }
        for (name, normalisation) in INVARIANT {
            let subject = small(name, normalisation, Activation::Softplus, context).subject();
            check.merge(of_subject(&subject, usize::MAX, -1.0, context));
        }
        let digits = digits_at(context.pick([64, 256, 1797, 1797]), context).subject();
        check.merge(of_subject(&digits, context.pick([8, 16, 64, 64]), -1.0, context));
        let plot = rows::errors(
            "errors",
            "Along its own weights a loss has the curvature of its gradient, where it is scale invariant",
            "The distance of both sides, the largest over all blocks of the columns looked at, over what the claim \
             allows: one rounding of f64 of the terms. Both sides are evaluated in double-double.",
            (&check, &Claim::controls(self)),
            LAST_BIT / U,
            context,
        );
        Ok(Evidence { plots: vec![plot], ..Evidence::new(check) })
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "wrong sign",
                breaks: "Hess_ii w is compared with +∇F",
                run: |c| broken(c, SMOOTHED_BN.1, 1.0),
            },
            Control {
                name: "no normalisation",
                breaks: "the normalisation is removed",
                run: |c| broken(c, Normalisation::None, -1.0),
            },
            Control {
                name: "constant epsilon",
                breaks: "epsilon is added as in (7)",
                run: |c| broken(c, Normalisation::ConstantEpsilonBatchNorm { epsilon: 0.1 }, -1.0),
            },
        ]
    }
}

impl Measure for EulerIdentities {
    fn needs(&self) -> &'static [Premise] {
        &[Premise::Smooth]
    }

    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut evidence = Evidence::new(of_subject(subject, hessian_columns(subject), -1.0, context));
        let columns = some_of(subject.layout().n_blocks(), hessian_columns(subject));
        let note = format!("of {} blocks, evenly spread", subject.layout().n_blocks());
        evidence.observe("columns of the Hessian that were looked at", columns.len() as f64, note);
        Ok(evidence)
    }

    fn controls(&self) -> Vec<SubjectControl> {
        vec![
            SubjectControl {
                name: "wrong sign",
                breaks: "Hess_ii w is compared with +∇F",
                run: |subject, context| Some(Ok(of_subject(&subject.turned(), 4, 1.0, context))),
            },
            SubjectControl {
                name: "weight decay in the loss",
                breaks: "F + ‖W‖²/20 instead of F",
                run: |subject, context| Some(Ok(of_subject(&subject.decayed(0.1), 4, -1.0, context))),
            },
            SubjectControl {
                name: "constant epsilon",
                breaks: CONSTANT_EPSILON,
                run: |subject, context| Some(Ok(of_subject(&subject.with_constant_epsilon()?, 4, -1.0, context))),
            },
        ]
    }
}

/// Closed forms, at points of no special kind.
fn closed() -> Result<[Subject; 4], Unevaluated> {
    let line = (0..10).map(|i| 1.0 + 0.3 * f64::from(i)).collect();
    let regression = BnRegression::new(vec![1.0, -2.0, 0.5]);
    let bilinear = Bilinear::new(ndarray::array![[1.0, 2.0, 0.5], [-0.3, 0.4, 1.5]])?;
    Ok([
        Subject::new("Rayleigh", Arc::new(Rayleigh::equally_spaced(10)), line),
        Subject::new("one-neuron regression", Arc::new(regression), vec![0.3, 1.0, -2.0, 0.7]),
        Subject::new("helix valley", Arc::new(HelixValley::catalogue(0.5)), vec![0.8, -0.9, 1.3]),
        Subject::new("bilinear", Arc::new(bilinear), vec![0.4, -1.1, 0.9, 0.3, 2.0]),
    ])
}

/// The columns of up to `n` blocks of a loss, with as many digits as it has. Rows of block i are multiplied by ||w_i||,
/// those of g by ||g|| or 1: what rounding makes of them is then measured by the size of F's terms at any scale of
/// theta, also where the gradient vanishes.
fn of_subject(subject: &Subject, n: usize, factor: f64, context: &Context) -> Check {
    let mut evaluator = Evaluator::new(&*subject.loss);
    let floor = evaluator.at(&subject.all(), &subject.theta).size();
    let (name, loss, theta, unit) = (&subject.name, &*subject.loss, &subject.theta, evaluator.product_unit);
    let columns = some_of(loss.parameters().n_blocks(), n);
    let mut generator = context.generator("directions");
    let directions: Vec<_> = columns.into_iter().map(|j| (j, along_random(loss, theta, j, &mut generator))).collect();
    let found = if evaluator.is_precise() {
        columns_of::<DoubleDouble>(loss, theta, &directions, factor)
    } else {
        columns_of::<f64>(loss, theta, &directions, factor)
    };
    let mut check = Check::new();
    for (j, off, size) in &found {
        let column = &loss.parameters().blocks()[*j].name;
        for (part, error) in parts(loss.parameters()).zip(off) {
            let rows = part_name(loss.parameters(), part);
            check.identity(format!("{name} · column {column}, rows {rows}, relative"), error / (size + floor), unit);
        }
    }
    check
}

/// A random direction inside block j, as long as the block.
fn along_random(loss: &dyn Loss, theta: &[f64], j: usize, generator: &mut Generator) -> Vec<f64> {
    let layout = loss.parameters();
    direction(theta.len(), layout.block(j), layout.w_norm_sq(theta, j).sqrt(), generator)
}

/// Of one column: j, how far every part is off, and the size of the column's terms.
type Column = (usize, Vec<f64>, f64);

/// The columns with these random directions, in parallel.
fn columns_of<S>(loss: &dyn Loss, theta: &[f64], directions: &[(usize, Vec<f64>)], factor: f64) -> Vec<Column>
where
    S: Arithmetic,
    Dual<S>: Arithmetic,
{
    let layout = loss.parameters();
    let z: Vec<usize> = (0..loss.minibatches().n_examples()).collect();
    let n = theta.len();
    let lift = |x: &[f64]| x.iter().map(|&x| S::from_f64(x)).collect::<Vec<S>>();
    let at = lift(theta);
    let mut grad = vec![S::ZERO; n];
    let over = loss.over::<S>().unwrap_or_else(|| panic!("asked for an arithmetic that the loss lacks"));
    over.sample_gradient(&z, &at, &mut grad, &mut Workspace::default());
    let column = |work: &mut (HessianProduct<S>, Vec<S>), (j, random): &(usize, Vec<f64>)| {
        let (work, product) = work;
        let block = layout.block(*j);
        hessian_vector_product(loss, &z, &at, &lift(random), product, work);
        let scaled = |of: &[S], part: Part| {
            let range = part.range(layout);
            let length = norm_sq(&at[range.clone()]).sqrt().value();
            let length = if part == Part::G { length.max(1.0) } else { length };
            norm_sq(&of[range]).sqrt().value() * length
        };
        let size: f64 = parts(layout).map(|part| scaled(product, part)).sum();
        let mut along = vec![S::ZERO; n];
        along[block.clone()].copy_from_slice(&at[block]);
        hessian_vector_product(loss, &z, &at, &along, product, work);
        let off = |part: Part| {
            let expected = S::from_f64(if part == Part::Block(*j) { factor } else { 0.0 });
            let mut gap = vec![S::ZERO; n];
            part.range(layout).for_each(|k| gap[k] = product[k] - expected * grad[k]);
            scaled(&gap, part)
        };
        (*j, parts(layout).map(off).collect(), size)
    };
    let work = || (HessianProduct::new(n), vec![S::ZERO; n]);
    directions.par_iter().map_init(work, column).collect()
}

fn broken(context: &Context, normalisation: Normalisation, factor: f64) -> Result<Check, Unevaluated> {
    let subject = small("broken", normalisation, Activation::Softplus, context).subject();
    Ok(of_subject(&subject, usize::MAX, factor, context))
}
