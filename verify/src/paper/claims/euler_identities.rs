//! The Euler identities of second order: what scale invariance says of the Hessian. Derived here; the paper does not print them.
//!
//! Differentiate grad_{w_i} F(.., c w_j, ..) = c^-[i = j] grad_{w_i} F in c at c = 1: for i = j the left side gives Hess_ii w_i
//! and the right side -grad_{w_i} F; for i != j the right side does not depend on c. The same for grad_g.

use ratecheck::curvature::{HessianProduct, Part, hessian_vector_product};
use ratecheck::loss::Loss;
use ratecheck::loss::Workspace;
use ratecheck::loss::closed::{Bilinear, BnRegression, HelixValley, Rayleigh};
use ratecheck::network::{Activation, Normalisation};
use ratecheck::parameters::norm_sq;

use crate::claim::evidence::{Check, Claim, Context, Control, Evidence, Kind, Origin, Statement, Unevaluated};
use crate::claim::instances::{INVARIANT, U, digits_subject, direction, small};

/// See the module's first line.
pub(super) struct EulerIdentities;

static STATEMENT: Statement = Statement {
    id: "euler-identities",
    title: "Euler identities",
    plain: "Along its own weights, a scale-invariant loss has the curvature that its gradient dictates, and none across.",
    formula: "∇²_{ii}F·w⁽ⁱ⁾ = -∇_{w⁽ⁱ⁾}F,   ∇²_{ij}F·w⁽ʲ⁾ = 0 (i ≠ j),   ∇²_{g,i}F·w⁽ⁱ⁾ = 0",
    latex: &[
        r"\nabla^2_{ii}F\,w^{(i)}=-\nabla_{w^{(i)}}F,\qquad\nabla^2_{ij}F\,w^{(j)}=0\;(i\ne j),\qquad\nabla^2_{g,i}F\,w^{(i)}=0",
    ],
    printed_at: "not in the paper; they follow from Definition 2.1 and sharpen Lemma A.1 to ‖∇_v F‖ ≤ L^vv_ii",
    kind: Kind::Identity,
    origin: Origin::Derived,
    hypotheses: &["F_z is scale invariant in every block", "F_z is twice differentiable (softplus, tanh)"],
    measured: "Hessian-vector products with every block of weights, part by part, on four closed forms, on networks under eight \
               normalisations and on the digits network",
    tolerance: "512u times the size of a Hessian-vector product with a random direction of the same length: the roundings of a \
                few hundred operations on terms of that size",
    does_not_show: "that the rest of the Hessian is right: the engine's tests compare it with reference values",
};

impl Claim for EulerIdentities {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut check = Check::new();
        let rayleigh = Rayleigh::equally_spaced(10);
        let theta: Vec<f64> = (0..10).map(|i| 1.0 + 0.3 * f64::from(i)).collect();
        compare(&mut check, "Rayleigh", &rayleigh, &theta, -1.0, context);
        let regression = BnRegression::new(vec![1.0, -2.0, 0.5]);
        compare(&mut check, "one-neuron regression", &regression, &[0.3, 1.0, -2.0, 0.7], -1.0, context);
        let helix = HelixValley::catalogue(0.5);
        compare(&mut check, "helix valley", &helix, &[0.8, -0.9, 1.3], -1.0, context);
        let bilinear = Bilinear::new(ndarray::array![[1.0, 2.0, 0.5], [-0.3, 0.4, 1.5]])?;
        compare(&mut check, "bilinear", &bilinear, &[0.4, -1.1, 0.9, 0.3, 2.0], -1.0, context);
        for (name, normalisation) in INVARIANT {
            let subject = small(name, normalisation, Activation::Softplus, context);
            compare(&mut check, name, &subject.network, &subject.theta, -1.0, context);
        }
        let subject = digits_subject(context.pick([64, 256, 1797, 1797]), context);
        compare(&mut check, &subject.name, &subject.network, &subject.theta, -1.0, context);
        Ok(Evidence::new(check))
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "wrong sign",
                breaks: "Hess_ii w is compared with +∇F",
                run: |c| Ok(broken(c, INVARIANT[0].1, 1.0)),
            },
            Control { name: "no normalisation", breaks: "the normalisation is removed", run: removed },
            Control { name: "constant epsilon", breaks: "epsilon is added as in (7)", run: constant },
        ]
    }
}

/// Hess w_j against `factor`·grad in block j and against 0 elsewhere, on the whole data set.
fn compare(check: &mut Check, name: &str, loss: &dyn Loss, theta: &[f64], factor: f64, context: &Context) {
    let layout = loss.parameters();
    let z: Vec<usize> = (0..loss.minibatches().n_examples()).collect();
    let n = theta.len();
    let mut grad = vec![0.0; n];
    loss.sample_gradient(&z, theta, &mut grad, &mut Workspace::default());
    let mut work = HessianProduct::new(n);
    let mut product = vec![0.0; n];
    let mut generator = context.generator(&format!("{name}/directions"));
    for j in 0..layout.n_blocks() {
        let block = layout.block(j);
        let length = layout.w_norm_sq(theta, j).sqrt();
        let random = direction(n, block.clone(), length, &mut generator);
        hessian_vector_product(loss, &z, theta, &random, &mut product, &mut work);
        let size = norm_sq(&product).sqrt() + norm_sq(&grad).sqrt();
        let mut along = vec![0.0; n];
        along[block.clone()].copy_from_slice(&theta[block]);
        hessian_vector_product(loss, &z, theta, &along, &mut product, &mut work);
        for part in (0..layout.n_blocks()).map(Part::Block).chain([Part::G]) {
            let range = part.range(layout);
            let expected = if part == Part::Block(j) { factor } else { 0.0 };
            let gap: Vec<f64> = range.clone().map(|k| product[k] - expected * grad[k]).collect();
            let at = format!("{name} · column {}, rows {range:?}", layout.blocks()[j].name);
            check.identity(at, norm_sq(&gap).sqrt(), 512.0 * U * size);
        }
    }
}

fn broken(context: &Context, normalisation: Normalisation, factor: f64) -> Check {
    let mut check = Check::new();
    let subject = small("broken", normalisation, Activation::Softplus, context);
    compare(&mut check, "broken", &subject.network, &subject.theta, factor, context);
    check
}

fn removed(context: &Context) -> Result<Check, Unevaluated> {
    Ok(broken(context, Normalisation::None, -1.0))
}

fn constant(context: &Context) -> Result<Check, Unevaluated> {
    Ok(broken(context, Normalisation::ConstantEpsilonBatchNorm { epsilon: 0.1 }, -1.0))
}
