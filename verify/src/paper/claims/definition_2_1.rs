//! Definition 2.1: F(c w, .) = F(w, .) for every c > 0, on every block that a normalisation makes scale invariant.

use std::ops::Range;

use ratecheck::loss::{Minibatches, Over};
use ratecheck::network::{Activation, Architecture, Network, Normalisation, Objective};
use ratecheck::scalar::Scalar;

use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Statement, SubjectControl, Unevaluated,
};
use crate::claim::instances::{FILTERS, INVARIANT, LAYER_NORM, NetworkAt, digits_at, filters, small};
use crate::claim::plot::{Plot, Series, Style};
use crate::claim::precise::{Evaluator, U};
use crate::claim::rows::{LAST_BIT, envelope};
use crate::claim::subject::{CONSTANT_EPSILON, Premise, Subject};

/// See the module's first line.
pub(super) struct Definition21;

static STATEMENT: Statement = Statement {
    id: "definition-2.1",
    title: "Definition 2.1",
    plain: "Scaling the weights in front of a normalisation by any positive number leaves the loss as it was.",
    formula: "F_z(c·w⁽ⁱ⁾, θ′) = F_z(w⁽ⁱ⁾, θ′)  for all c > 0",
    latex: &[r"F_z\bigl(c\,w^{(i)},\theta'\bigr)=F_z\bigl(w^{(i)},\theta'\bigr)\quad\text{for all } c>0"],
    printed_at: "section 2.1; the list of normalisations in sections 1 and 2.1",
    kind: Kind::Identity,
    origin: Origin::Paper,
    hypotheses: &["no block is 0", "no unit has zero spread over the minibatch"],
    measured: "|F_z(c w) - F_z(w)| for every block of networks under eight normalisations, of two with layers of \
               filters and pooling, and of the digits network, for c = 2^k and for c = 3, 0.7, 1e3, 1e-3, in \
               double-double",
    tolerance: "u times max(1, |F|) + ||theta|| ||∇F||, where the roundings of double-double, in which both sides are \
                evaluated, are a billion times smaller",
    does_not_show: "invariance at parameters where a unit has zero spread: F is not defined there without smoothing",
};

impl Claim for Definition21 {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let (mut check, mut errors) = (Check::new(), Vec::new());
        for (name, normalisation) in INVARIANT {
            let subject = small(name, normalisation, Activation::Tanh, context).subject();
            let (part, found) = within(&subject, &FACTORS, |block| block);
            check.merge(part);
            errors.extend(found);
        }
        for (name, normalisation, activation) in FILTERS {
            check.merge(scaled(&filters(name, normalisation, activation, context).subject(), &FEW));
        }
        let digits = digits_at(context.pick([32, 128, 512, 1797]), context).subject();
        check.merge(scaled(&digits, &FEW));
        let mut evidence = Evidence::new(check);
        evidence.plots.push(plot(errors, context));
        Ok(evidence)
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "c < 0",
                breaks: "the factor is -1 instead of positive",
                run: |c| broken(small("BN row", Normalisation::BatchNorm, Activation::Tanh, c), -1.0),
            },
            Control {
                name: "constant epsilon",
                breaks: "epsilon is added as in (7), without ||w||²",
                run: |c| broken(small("constant epsilon", CONSTANT, Activation::Tanh, c), 2.0),
            },
            Control {
                name: "epsilon·||w||",
                breaks: "the smoothing is proportional to ||w|| (E4)",
                run: norm_not_squared,
            },
            Control {
                name: "row of LayerNorm",
                breaks: "one row instead of the whole matrix is scaled (E19)",
                run: row,
            },
            Control {
                name: "no normalisation",
                breaks: "the normalisation is removed",
                run: |c| broken(small("no normalisation", Normalisation::None, Activation::Tanh, c), 2.0),
            },
            Control {
                name: "filters, constant epsilon",
                breaks: "epsilon is added as in (7), behind filters",
                run: |c| broken(filters("filters", CONSTANT, Activation::Tanh, c), 2.0),
            },
            Control {
                name: "filters, no normalisation",
                breaks: "the normalisation behind filters is removed",
                run: |c| broken(filters("filters", Normalisation::None, Activation::Tanh, c), 2.0),
            },
        ]
    }
}

impl Measure for Definition21 {
    fn needs(&self) -> &'static [Premise] {
        &[]
    }

    fn measure(&self, subject: &Subject, _: &Context) -> Result<Evidence, Unevaluated> {
        Ok(Evidence::new(scaled(subject, &FACTORS)))
    }

    fn controls(&self) -> Vec<SubjectControl> {
        vec![
            SubjectControl {
                name: "weight decay in the loss",
                breaks: "F + ‖W‖²/20 instead of F",
                run: |subject, _| Some(Ok(scaled(&subject.decayed(0.1), &[2.0]))),
            },
            SubjectControl {
                name: "constant epsilon",
                breaks: CONSTANT_EPSILON,
                run: |subject, _| Some(Ok(scaled(&subject.with_constant_epsilon()?, &[2.0]))),
            },
        ]
    }
}

/// |F(c w) - F(w)|, block by block and with as many digits as the loss has.
fn scaled(subject: &Subject, factors: &[f64]) -> Check {
    within(subject, factors, |block| block).0
}

/// The same where `part` of every block is multiplied; and every error, as (c, error relative to the terms of F).
fn within(subject: &Subject, factors: &[f64], part: impl Fn(Range<usize>) -> Range<usize>) -> (Check, Vec<[f64; 2]>) {
    let (mut check, mut evaluator, z) = (Check::new(), Evaluator::new(&*subject.loss), subject.all());
    let mut errors = Vec::new();
    let before = evaluator.at(&z, &subject.theta);
    let tolerance = evaluator.unit * before.size();
    for block in subject.layout().blocks() {
        for &c in factors {
            let theta = evaluator.scaled(&subject.theta, part(block.range.clone()), c);
            let error = (evaluator.value(&z, &theta) - before.value).value().abs();
            check.identity(format!("{} · {}, c = {c}", subject.name, block.name), error, tolerance);
            errors.push([c, error / before.size()]);
        }
    }
    (check, errors)
}

/// The errors against c, with those of two small networks that are not scale invariant.
fn plot(errors: Vec<[f64; 2]>, context: &Context) -> Plot {
    let broken = |name: &str, normalisation: Normalisation| {
        within(&small(name, normalisation, Activation::Tanh, context).subject(), &FACTORS, |block| block).1
    };
    let curve = |name: &str, errors: Vec<[f64; 2]>| {
        let shown = envelope(errors).into_iter().map(|[c, error]| [c, error.max(LAST_BIT)]);
        Series::new(name, Style::Line, shown.collect())
    };
    let mut plot = Plot::log_log(
        "scaled",
        "The loss does not see the length of normalised weights, to all digits there are",
        "The relative change of the loss when one block is multiplied by c, the largest over all blocks of small \
         networks: under the eight normalisations, and under two that leave the length visible. Both sides are \
         evaluated in double-double; what is below its last bit, 1e-32, is drawn there (powers of two commute with \
         rounding). The claim allows a rounding of f64.",
        "factor c",
        "|F(c w) - F(w)| / size of F's terms",
    );
    plot.series = vec![
        curve("no normalisation", broken("no normalisation", Normalisation::None)),
        curve("constant ε in BN", broken("constant epsilon", CONSTANT)),
        curve("eight normalisations", errors),
    ];
    plot.noise_floor = Some(U);
    plot
}

/// Where every block costs a pass over many examples.
const FEW: [f64; 3] = [2.0, 3.0, 1e-3];
const FACTORS: [f64; 8] = [0.125, 0.5, 2.0, 1024.0, 3.0, 0.7, 1e3, 1e-3];

/// That of controls.
const CONSTANT: Normalisation = Normalisation::ConstantEpsilonBatchNorm { epsilon: 1e-2 };

/// One unit, so that "epsilon ||w||" is a constant epsilon of the right size before and after scaling.
fn norm_not_squared(context: &Context) -> Result<Check, Unevaluated> {
    let data = ratecheck::data::teacher(16, 3, ratecheck::data::Target::Binary, 0.1, &mut context.generator("unit"));
    let w = [0.6, -0.2, 0.9];
    let loss = |c: f64| -> Result<f64, Unevaluated> {
        let w = w.map(|x| c * x);
        let norm = w.iter().map(|x| x * x).sum::<f64>().sqrt();
        let architecture = Architecture {
            widths: vec![3, 1],
            normalisation: Normalisation::ConstantEpsilonBatchNorm { epsilon: 0.1 * norm },
            activation: Activation::Tanh,
            objective: Objective::Logistic,
            weight_decay: 0.0,
        };
        let network = Network::new(architecture, data.clone(), Minibatches::full(16))?;
        let z: Vec<usize> = (0..16).collect();
        Ok(network.sample_loss(&z, &[w[0], w[1], w[2], 1.0, 0.2]))
    };
    let mut check = Check::new();
    check.exactly("one unit · c = 2", loss(2.0)?, loss(1.0)?);
    Ok(check)
}

/// The first of the six rows that share their length.
fn row(context: &Context) -> Result<Check, Unevaluated> {
    let subject = small("LayerNorm", LAYER_NORM.1, Activation::Tanh, context).subject();
    let n_in = subject.layout().block(0).len() / 6;
    Ok(within(&subject, &[2.0], |block| block.start..block.start + n_in).0)
}

fn broken(subject: NetworkAt, factor: f64) -> Result<Check, Unevaluated> {
    Ok(scaled(&subject.subject(), &[factor]))
}
