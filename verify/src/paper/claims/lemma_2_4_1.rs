//! Lemma 2.4 (1): a scale-invariant block and its gradient are perpendicular, for every minibatch.

use ratecheck::network::{Activation, Normalisation};
use ratecheck::parameters::dot;
use ratecheck::scalar::{DoubleDouble, Scalar};

use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Statement, SubjectControl, Unevaluated,
};
use crate::claim::instances::{NetworkAt, SMOOTHED_BN, U, filters, scale_invariant, small};
use crate::claim::plot::{Axis, Plot};
use crate::claim::precise::{Evaluator, length};
use crate::claim::rows::{LAST_BIT, Rows};
use crate::claim::subject::{CONSTANT_EPSILON, Premise, Subject};

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
               and pooling, and on the digits network, on the full batch and on minibatches of 8, in double-double",
    tolerance: "u times max(1, |F|) + ||theta|| ||∇F||, where the roundings of double-double, in which both sides are \
                evaluated, are a billion times smaller",
    does_not_show: "that the gradient is right: a wrong gradient can be perpendicular too",
};

impl Claim for Lemma241 {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let (mut check, mut cosines) = (Check::new(), Vec::new());
        for subject in scale_invariant(context.pick([128, 512, 1792, 1792]), context) {
            let subject = subject.in_minibatches(8).subject();
            let (part, cosine, _) = perpendicular(&subject, BATCHES, context);
            check.merge(part);
            cosines.push((subject.name, cosine));
        }
        Ok(Evidence { plots: vec![plot(cosines, context)], ..Evidence::new(check) })
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "weight decay on w",
                breaks: "1e-3·w is added to the gradient of every block",
                run: |c| {
                    let subject = small("broken", SMOOTHED_BN.1, Activation::Softplus, c).subject();
                    Ok(perpendicular(&subject.decayed(1e-3), BATCHES, c).0)
                },
            },
            Control {
                name: "constant epsilon",
                breaks: "epsilon is added as in (7)",
                run: |c| {
                    let constant = Normalisation::ConstantEpsilonBatchNorm { epsilon: 0.1 };
                    broken(small("broken", constant, Activation::Softplus, c), c)
                },
            },
            Control {
                name: "no normalisation",
                breaks: "the normalisation is removed",
                run: |c| broken(small("broken", Normalisation::None, Activation::Softplus, c), c),
            },
            Control {
                name: "filters, no normalisation",
                breaks: "the normalisation behind filters is removed",
                run: |c| broken(filters("filters", Normalisation::None, Activation::Tanh, c), c),
            },
        ]
    }
}

impl Measure for Lemma241 {
    fn needs(&self) -> &'static [Premise] {
        &[]
    }

    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated> {
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

/// Minibatches of a loss.
const BATCHES: usize = 8;

/// |<w, grad_w F_z>| for all examples and up to `n` minibatches, relative to the size of its terms,
/// with as many digits as the loss has; and the largest cosine, with its place.
fn perpendicular(subject: &Subject, n: usize, context: &Context) -> (Check, f64, String) {
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

/// The largest cosines, with those of three losses that are not scale invariant.
fn plot(cosines: Vec<(String, f64)>, context: &Context) -> Plot {
    let constant = Normalisation::ConstantEpsilonBatchNorm { epsilon: 0.1 };
    let broken = [
        small("weight decay on w", SMOOTHED_BN.1, Activation::Softplus, context).subject().decayed(1e-3),
        small("constant epsilon", constant, Activation::Softplus, context).subject(),
        small("no normalisation", Normalisation::None, Activation::Softplus, context).subject(),
    ];
    let names = ["weight decay on w", "constant epsilon", "no normalisation"];
    let broken =
        names.into_iter().zip(&broken).map(|(name, of)| (name.to_owned(), perpendicular(of, BATCHES, context).1));
    Rows::default()
        .with("scale invariant", cosines.into_iter().map(|(name, cosine)| (name, cosine.max(LAST_BIT))))
        .with("not scale invariant", broken)
        .line("a rounding of f64", U)
        .plot(
            "cosine",
            "Weights and their gradient are perpendicular on every minibatch, where the loss is scale invariant",
            "The cosine of the angle between a block and its gradient, the largest over all blocks and minibatches, \
             evaluated in double-double; what is below its last bit, 1e-32, is drawn there.",
            Axis::log("largest |⟨w, ∇_w F_z⟩| / (‖w‖ ‖∇_w F_z‖)"),
            "instance",
        )
}

fn broken(subject: NetworkAt, context: &Context) -> Result<Check, Unevaluated> {
    Ok(perpendicular(&subject.subject(), BATCHES, context).0)
}
