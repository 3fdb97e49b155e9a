//! Lemma 2.2: gradients at W and at V = W/||W|| differ by the norms alone.

use ratecheck::loss::{Over, Workspace};
use ratecheck::network::{Activation, Normalisation};
use ratecheck::parameters::norm_sq;

use crate::claim::evidence::{Check, Claim, Context, Control, Evidence, Kind, Origin, Statement, Unevaluated};
use crate::claim::instances::{FILTERS, INVARIANT, Subject, U, digits_subject, filters, small};

/// See the module's first line.
pub(super) struct Lemma22;

static STATEMENT: Statement = Statement {
    id: "lemma-2.2",
    title: "Lemma 2.2",
    plain: "The gradient for a block is the gradient at the normalised block divided by the block's norm; for g it is the same.",
    formula: "∇_{w⁽ⁱ⁾}F_z(W;g) = ∇_{v⁽ⁱ⁾}F_z(V;g) / ‖w⁽ⁱ⁾‖,   ∇_g F_z(W;g) = ∇_g F_z(V;g)",
    latex: &[
        r"\nabla_{w^{(i)}}F_z(W;g)=\frac{\nabla_{v^{(i)}}F_z(V;g)}{\|w^{(i)}\|},\qquad \nabla_gF_z(W;g)=\nabla_gF_z(V;g)",
    ],
    printed_at: "section 2.3, equation (5)",
    kind: Kind::Identity,
    origin: Origin::Paper,
    hypotheses: &["F_z is scale invariant in every block"],
    measured: "the distance of both sides, block by block and for g, for networks under eight normalisations, for two with \
               layers of filters and pooling, and for the digits network, two gradients by backpropagation at two different points",
    tolerance: "256u times the largest gradient entry over 1/||w||: the roundings of three layers' sums, \
                amplified by the inverse spreads (at most about 10 on these instances)",
    does_not_show: "that the computed gradient is the derivative of F: the engine's tests show that",
};

/// The power of ||w|| that a gradient is divided by; the lemma says 1.
type Power = i32;

impl Claim for Lemma22 {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut check = Check::new();
        for (name, normalisation) in INVARIANT {
            compare(&mut check, &small(name, normalisation, Activation::Softplus, context), 1);
        }
        for (name, normalisation, activation) in FILTERS {
            compare(&mut check, &filters(name, normalisation, activation, context), 1);
        }
        compare(&mut check, &digits_subject(context.pick([128, 512, 1797, 1797]), context), 1);
        Ok(Evidence::new(check))
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "1/||w||²",
                breaks: "the gradient is divided by the squared norm",
                run: |c| Ok(wrong(c, 2)),
            },
            Control { name: "factor 1", breaks: "the gradient is not divided at all", run: |c| Ok(wrong(c, 0)) },
            Control { name: "no normalisation", breaks: "the normalisation is removed", run: removed },
            Control {
                name: "filters, constant epsilon",
                breaks: "epsilon is added as in (7), behind filters",
                run: constant_behind_filters,
            },
        ]
    }
}

fn gradient(subject: &Subject, theta: &[f64]) -> Vec<f64> {
    let mut grad = vec![0.0; theta.len()];
    subject.network.sample_gradient(&subject.z, theta, &mut grad, &mut Workspace::default());
    grad
}

fn compare(check: &mut Check, subject: &Subject, power: Power) {
    let layout = subject.layout();
    let at_w = gradient(subject, &subject.theta);
    let at_v = gradient(subject, &layout.theta_unit(&subject.theta));
    let size = at_v.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    for (i, block) in layout.blocks().iter().enumerate() {
        let norm = layout.w_norm_sq(&subject.theta, i).sqrt();
        let error = distance(&at_w[block.range.clone()], &at_v[block.range.clone()], norm.powi(power));
        check.identity(format!("{} · {}", subject.name, block.name), error, 256.0 * U * size / norm);
    }
    let g = layout.g();
    check.identity(format!("{} · g", subject.name), distance(&at_w[g.clone()], &at_v[g], 1.0), 256.0 * U * size);
}

/// ||x - y / divisor||.
fn distance(x: &[f64], y: &[f64], divisor: f64) -> f64 {
    let difference: Vec<f64> = x.iter().zip(y).map(|(x, y)| x - y / divisor).collect();
    norm_sq(&difference).sqrt()
}

fn wrong(context: &Context, power: Power) -> Check {
    let mut check = Check::new();
    let kind = Normalisation::SmoothedBatchNorm { epsilon: 0.1 };
    compare(&mut check, &small("wrong power", kind, Activation::Softplus, context), power);
    check
}

fn removed(context: &Context) -> Result<Check, Unevaluated> {
    let mut check = Check::new();
    compare(&mut check, &small("no normalisation", Normalisation::None, Activation::Softplus, context), 1);
    Ok(check)
}

fn constant_behind_filters(context: &Context) -> Result<Check, Unevaluated> {
    let mut check = Check::new();
    let constant = Normalisation::ConstantEpsilonBatchNorm { epsilon: 0.1 };
    compare(&mut check, &filters("filters", constant, Activation::Tanh, context), 1);
    Ok(check)
}
