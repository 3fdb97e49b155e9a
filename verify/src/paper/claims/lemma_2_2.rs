//! Lemma 2.2: gradients at W and at V = W/||W|| differ by the norms alone.

use ratecheck::network::{Activation, Normalisation};
use ratecheck::parameters::dot;
use ratecheck::scalar::{DoubleDouble, Scalar};

use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Statement, SubjectControl, Unevaluated,
};
use crate::claim::instances::{LAYER_NORM, NetworkAt, SMOOTHED_BN, U, WEIGHT_NORM, filters, scale_invariant, small};
use crate::claim::plot::{Plot, Reference, Series, Style};
use crate::claim::precise::{Evaluator, length};
use crate::claim::rows::{self, LAST_BIT};
use crate::claim::subject::{CONSTANT_EPSILON, Premise, Subject};

/// See the module's first line.
pub(super) struct Lemma22;

static STATEMENT: Statement = Statement {
    id: "lemma-2.2",
    title: "Lemma 2.2",
    plain: "The gradient for a block is the gradient at the normalised block divided by the block's norm; for g it is \
            the same.",
    formula: "∇_{w⁽ⁱ⁾}F_z(W;g) = ∇_{v⁽ⁱ⁾}F_z(V;g) / ‖w⁽ⁱ⁾‖,   ∇_g F_z(W;g) = ∇_g F_z(V;g)",
    latex: &[
        r"\nabla_{w^{(i)}}F_z(W;g)=\frac{\nabla_{v^{(i)}}F_z(V;g)}{\|w^{(i)}\|},\qquad \nabla_gF_z(W;g)=\nabla_gF_z(V;g)",
    ],
    printed_at: "section 2.3, equation (5)",
    kind: Kind::Identity,
    origin: Origin::Paper,
    hypotheses: &["F_z is scale invariant in every block"],
    measured: "the distance of both sides, block by block and for g, for networks under eight normalisations, for two \
               with layers of filters and pooling, and for the digits network, two gradients by backpropagation at two \
               different points, in double-double",
    tolerance: "u times max(1, |F|) + ||theta|| ||∇F|| at V, where the roundings of double-double, in which both sides \
                are evaluated, are a billion times smaller",
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
        for subject in scale_invariant(context.pick([128, 512, 1797, 1797]), context) {
            check.merge(at_both(&subject.subject(), 1));
        }
        let plots = vec![
            lengths(context),
            rows::errors(
                "errors",
                "Both sides agree far below a rounding of f64, and no broken variant does",
                "The distance of both sides, the largest over the blocks and g, over what the claim allows: one \
                 rounding of f64 of their terms. Both are evaluated in double-double.",
                (&check, &Claim::controls(self)),
                LAST_BIT / U,
                context,
            ),
        ];
        Ok(Evidence { plots, ..Evidence::new(check) })
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "1/||w||²",
                breaks: "the gradient is divided by the squared norm",
                run: |c| broken(small("wrong power", SMOOTHED_BN.1, Activation::Softplus, c), 2),
            },
            Control {
                name: "factor 1",
                breaks: "the gradient is not divided at all",
                run: |c| broken(small("wrong power", SMOOTHED_BN.1, Activation::Softplus, c), 0),
            },
            Control {
                name: "no normalisation",
                breaks: "the normalisation is removed",
                run: |c| broken(small("no normalisation", Normalisation::None, Activation::Softplus, c), 1),
            },
            Control {
                name: "filters, constant epsilon",
                breaks: "epsilon is added as in (7), behind filters",
                run: |c| {
                    let constant = Normalisation::ConstantEpsilonBatchNorm { epsilon: 0.1 };
                    broken(filters("filters", constant, Activation::Tanh, c), 1)
                },
            },
        ]
    }
}

impl Measure for Lemma22 {
    fn needs(&self) -> &'static [Premise] {
        &[]
    }

    fn measure(&self, subject: &Subject, _: &Context) -> Result<Evidence, Unevaluated> {
        Ok(Evidence::new(at_both(subject, 1)))
    }

    fn controls(&self) -> Vec<SubjectControl> {
        vec![
            SubjectControl {
                name: "1/‖w‖²",
                breaks: "the gradient is divided by the squared norm",
                run: |subject, _| Some(Ok(at_both(&off_the_sphere(subject), 2))),
            },
            SubjectControl {
                name: "weight decay in the loss",
                breaks: "F + ‖W‖²/20 instead of F",
                run: |subject, _| Some(Ok(at_both(&off_the_sphere(subject).decayed(0.1), 1))),
            },
            SubjectControl {
                name: "constant epsilon",
                breaks: CONSTANT_EPSILON,
                run: |subject, _| Some(Ok(at_both(&off_the_sphere(subject).with_constant_epsilon()?, 1))),
            },
        ]
    }
}

/// The same loss at blocks that are turned, and then twice as long: where norms are 1, or the start is stationary, a
/// wrong power of the norms would not show.
fn off_the_sphere(subject: &Subject) -> Subject {
    let mut subject = subject.turned();
    let weights = subject.layout().g().start;
    subject.theta[..weights].iter_mut().for_each(|x| *x *= 2.0);
    subject
}

/// grad_w at W and grad_v at V of a loss, with as many digits as it has:
/// relative to the largest of all blocks' gradients at V.
fn at_both(subject: &Subject, power: Power) -> Check {
    let (mut check, mut evaluator, z) = (Check::new(), Evaluator::new(&*subject.loss), subject.all());
    let layout = subject.layout();
    let mut unit: Vec<DoubleDouble> = subject.theta.iter().map(|&x| DoubleDouble::from(x)).collect();
    let mut norms = Vec::new();
    for block in layout.blocks() {
        let w = &mut unit[block.range.clone()];
        let norm = dot(w, w).sqrt();
        w.iter_mut().for_each(|x| *x = *x / norm);
        norms.push(norm);
    }
    let (at_w, at_v) = (evaluator.at(&z, &subject.theta), evaluator.gradient(&z, &unit));
    let tolerance = evaluator.unit * at_v.size();
    let parts = layout.blocks().iter().map(|block| (block.name.as_str(), block.range.clone())).zip(norms);
    for ((name, range), norm) in parts.chain([(("g", layout.g()), DoubleDouble::ONE)]) {
        let divisor = (0..power).fold(DoubleDouble::ONE, |divisor, _| divisor * norm);
        // Multiplied by the norm, so that both sides have the size of the gradient at V.
        let difference: Vec<DoubleDouble> = range.map(|k| (at_w.grad[k] - at_v.grad[k] / divisor) * norm).collect();
        check.identity(format!("{} · {name}", subject.name), length(&difference), tolerance);
    }
    check
}

/// The gradient of the first block as that block grows through six decades, on three networks and one that is not scale
/// invariant.
fn lengths(context: &Context) -> Plot {
    let curve = |name: &str, normalisation: Normalisation| {
        let subject = small(name, normalisation, Activation::Softplus, context).subject();
        let (mut evaluator, z) = (Evaluator::new(&*subject.loss), subject.all());
        let block = subject.layout().block(0);
        let norm = subject.layout().w_norm_sq(&subject.theta, 0).sqrt();
        let at = |k: i32| {
            let wanted = 10.0_f64.powi(k);
            let theta = evaluator.scaled(&subject.theta, block.clone(), wanted / norm);
            [wanted, length(&evaluator.gradient(&z, &theta).grad[block.clone()])]
        };
        (-3..=3).map(at).collect::<Vec<_>>()
    };
    let mut plot = Plot::log_log(
        "lengths",
        "The gradient of a normalised block falls as one over the block's length",
        "The norm of the gradient of the first block as that block is made shorter and longer, on small networks. \
         Under a normalisation all points lie on the slope -1; without one the gradient does not fall like that.",
        "‖w‖",
        "‖∇_w F_z‖",
    );
    let named = [SMOOTHED_BN, LAYER_NORM, WEIGHT_NORM].map(|(name, normalisation)| (name, curve(name, normalisation)));
    let through = named[0].1[0];
    plot.series = named.into_iter().map(|(name, points)| Series::new(name, Style::Line, points)).collect();
    let plain = curve("no normalisation", Normalisation::None);
    plot.series.push(Series::new("no normalisation", Style::Line, plain));
    plot.references = vec![Reference { name: "Lemma 2.2: slope -1".to_owned(), slope: -1.0, through }];
    plot
}

fn broken(subject: NetworkAt, power: Power) -> Result<Check, Unevaluated> {
    Ok(at_both(&subject.subject(), power))
}
