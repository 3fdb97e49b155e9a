//! Lemma 2.4 (1): a scale-invariant block and its gradient are perpendicular, for every minibatch.

use ratecheck::loss::{Over, Workspace};
use ratecheck::network::{Activation, Normalisation};
use ratecheck::parameters::{dot, norm_sq};

use crate::claim::evidence::{Check, Claim, Context, Control, Evidence, Kind, Origin, Statement, Unevaluated};
use crate::claim::instances::{FILTERS, INVARIANT, Subject, U, digits_subject, filters, small};

/// See the module's first line.
pub(super) struct Lemma241;

static STATEMENT: Statement = Statement {
    id: "lemma-2.4.1",
    title: "Lemma 2.4, part 1",
    plain: "The weights in front of a normalisation are perpendicular to their gradient, on every minibatch.",
    formula: "⟨w⁽ⁱ⁾, ∇_{w⁽ⁱ⁾}F_z(θ)⟩ = 0",
    latex: &[r"\bigl\langle w^{(i)},\nabla_{w^{(i)}}F_z(\theta)\bigr\rangle=0"],
    printed_at: "section 2.5, Lemma 2.4",
    kind: Kind::Identity,
    origin: Origin::Paper,
    hypotheses: &["F_z is scale invariant in w⁽ⁱ⁾"],
    measured: "|⟨w, ∇_w F_z⟩| for every block, on networks under eight normalisations, on two with layers of filters and pooling, and on the \
               digits network, on the full batch and on minibatches of 8",
    tolerance: "64u times the norm of the whole gradient at theta~ (which bounds ||w||·||∇_w F||): the roundings of three layers' sums, \
                which do not shrink where one block's gradient happens to be small",
    does_not_show: "that the gradient is right: a wrong gradient can be perpendicular too",
};

impl Claim for Lemma241 {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut check = Check::new();
        for (name, normalisation) in INVARIANT {
            on_minibatches(&mut check, &small(name, normalisation, Activation::Softplus, context), 0.0);
        }
        for (name, normalisation, activation) in FILTERS {
            on_minibatches(&mut check, &filters(name, normalisation, activation, context), 0.0);
        }
        on_minibatches(&mut check, &digits_subject(context.pick([128, 512, 1792, 1792]), context), 0.0);
        Ok(Evidence::new(check))
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "weight decay on w",
                breaks: "1e-3·w is added to the gradient of every block",
                run: decayed,
            },
            Control { name: "constant epsilon", breaks: "epsilon is added as in (7)", run: constant },
            Control { name: "no normalisation", breaks: "the normalisation is removed", run: removed },
            Control {
                name: "filters, no normalisation",
                breaks: "the normalisation behind filters is removed",
                run: removed_behind_filters,
            },
        ]
    }
}

/// The full batch and up to eight minibatches of 8; `decay`·w is added to every block's gradient.
fn on_minibatches(check: &mut Check, subject: &Subject, decay: f64) {
    let mut work = Workspace::default();
    let mut grad = vec![0.0; subject.theta.len()];
    let layout = subject.layout();
    for z in std::iter::once(&subject.z[..]).chain(subject.z.chunks_exact(8).take(8)) {
        subject.network.sample_gradient(z, &subject.theta, &mut grad, &mut work);
        let whole = (layout.grad_v_norm_sq(&subject.theta, &grad) + norm_sq(&grad[layout.g()])).sqrt();
        for (i, block) in layout.blocks().iter().enumerate() {
            let w = &subject.theta[block.range.clone()];
            let norm = layout.w_norm_sq(&subject.theta, i).sqrt();
            let product = dot(w, &grad[block.range.clone()]) + decay * norm * norm;
            let at = format!("{} · {}, batch of {}", subject.name, block.name, z.len());
            check.identity(at, product.abs(), 64.0 * U * whole);
        }
    }
}

fn broken(context: &Context, normalisation: Normalisation, decay: f64) -> Check {
    let mut check = Check::new();
    on_minibatches(&mut check, &small("broken", normalisation, Activation::Softplus, context), decay);
    check
}

fn decayed(context: &Context) -> Result<Check, Unevaluated> {
    Ok(broken(context, Normalisation::SmoothedBatchNorm { epsilon: 0.1 }, 1e-3))
}

fn constant(context: &Context) -> Result<Check, Unevaluated> {
    Ok(broken(context, Normalisation::ConstantEpsilonBatchNorm { epsilon: 0.1 }, 0.0))
}

fn removed(context: &Context) -> Result<Check, Unevaluated> {
    Ok(broken(context, Normalisation::None, 0.0))
}

fn removed_behind_filters(context: &Context) -> Result<Check, Unevaluated> {
    let mut check = Check::new();
    on_minibatches(&mut check, &filters("filters", Normalisation::None, Activation::Tanh, context), 0.0);
    Ok(check)
}
