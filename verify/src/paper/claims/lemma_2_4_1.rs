//! Lemma 2.4 (1): a scale-invariant block and its gradient are perpendicular, for every minibatch.

use ratecheck::loss::{Over, Workspace};
use ratecheck::network::{Activation, Normalisation};
use ratecheck::parameters::{dot, norm_sq};
use ratecheck::scalar::{DoubleDouble, Scalar};

use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Statement, SubjectControl, Unevaluated,
};
use crate::claim::instances::{Subject, U, filters, scale_invariant, small};
use crate::claim::precise::{Evaluator, length};
use crate::claim::subject::{CONSTANT_EPSILON, Premise, Subject as AnySubject};

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
    measured: "|⟨w, ∇_w F_z⟩| for every block, on networks under eight normalisations, on two with layers of filters \
               and pooling, and on the digits network, on the full batch and on minibatches of 8",
    tolerance: "64u times the norm of the whole gradient at theta~ (which bounds ||w||·||∇_w F||): the roundings of \
                three layers' sums, which do not shrink where one block's gradient happens to be small",
    does_not_show: "that the gradient is right: a wrong gradient can be perpendicular too",
};

impl Claim for Lemma241 {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut check = Check::new();
        for subject in scale_invariant(context.pick([128, 512, 1792, 1792]), context) {
            on_minibatches(&mut check, &subject, 0.0);
        }
        Ok(Evidence::new(check))
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
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

impl Measure for Lemma241 {
    fn needs(&self) -> &'static [Premise] {
        &[]
    }

    fn measure(&self, subject: &AnySubject, context: &Context) -> Result<Evidence, Unevaluated> {
        let (check, least, at) = perpendicular(subject, BATCHES, context);
        let mut evidence = Evidence::new(check);
        evidence.observe("largest |cosine| of a block and its gradient", least, at);
        Ok(evidence)
    }

    fn controls(&self) -> Vec<SubjectControl> {
        vec![
            SubjectControl {
                name: "weight decay in the loss",
                breaks: "F + ‖W‖²/20 instead of F",
                run: |subject, context| Some(Ok(perpendicular(&subject.decayed(0.1), 1, context).0)),
            },
            SubjectControl {
                name: "constant epsilon",
                breaks: CONSTANT_EPSILON,
                run: |subject, context| Some(Ok(perpendicular(&subject.with_constant_epsilon()?, 1, context).0)),
            },
        ]
    }
}

/// Minibatches of a user's loss.
const BATCHES: usize = 8;

/// |<w, grad_w F_z>| of a user's loss for all examples and up to `n` minibatches, relative to the size of its terms,
/// with as many digits as the loss has; and the largest cosine, with its place.
fn perpendicular(subject: &AnySubject, n: usize, context: &Context) -> (Check, f64, String) {
    let (mut check, mut evaluator, layout) = (Check::new(), Evaluator::new(&*subject.loss), subject.layout());
    let (mut largest, mut place) = (0.0_f64, "no block".to_owned());
    let all = subject.all();
    let mut batches = subject.batches(n, &context.seed);
    batches.retain(|z| *z != all);
    for (k, z) in std::iter::once(all).chain(batches).enumerate() {
        let seen = evaluator.at(&z, &subject.theta);
        let which = if k == 0 { "all examples".to_owned() } else { format!("minibatch {k} of {}", z.len()) };
        for block in layout.blocks() {
            let w: Vec<DoubleDouble> = subject.theta[block.range.clone()].iter().map(|&x| x.into()).collect();
            let grad = &seen.grad[block.range.clone()];
            let product = dot(&w, grad).value().abs();
            check.identity(
                format!("{} · {}, {which}, relative", subject.name, block.name),
                product / seen.size(),
                evaluator.unit,
            );
            let cosine = product / (length(&w) * length(grad));
            if cosine > largest {
                (largest, place) = (cosine, format!("{}, {which}", block.name));
            }
        }
    }
    (check, largest, place)
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
