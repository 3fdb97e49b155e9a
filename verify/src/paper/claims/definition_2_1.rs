//! Definition 2.1: F(c w, .) = F(w, .) for every c > 0, on every block that a normalisation makes scale invariant.

use ratecheck::loss::{Minibatches, Over};
use ratecheck::network::{Activation, Architecture, Epsilon, Network, Normalisation, Objective};
use ratecheck::scalar::Scalar;

use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Statement, SubjectControl, Unevaluated,
};
use crate::claim::instances::{FILTERS, INVARIANT, Subject, U, digits_subject, filters, small};
use crate::claim::precise::Evaluator;
use crate::claim::subject::{CONSTANT_EPSILON, Premise, Subject as AnySubject};

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
               filters and pooling, and of the digits network, for c = 2^k (bit for bit, except where a root or power \
               of the scaled number is rounded) and for c = 3, 0.7, 1e3, 1e-3",
    tolerance: "powers of two commute with every rounding: 0 allowed; other c: 8u·max(1,|F|) per layer, the roundings \
                of one layer's sums carried to the loss",
    does_not_show: "invariance at parameters where a unit has zero spread: F is not defined there without smoothing",
};

impl Claim for Definition21 {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut check = Check::new();
        for (name, normalisation) in INVARIANT {
            let subject = small(name, normalisation, Activation::Tanh, context);
            for block in subject.layout().blocks() {
                compare(&mut check, &subject, block.range.clone(), &FACTORS);
            }
        }
        let of_filters =
            FILTERS.map(|(name, normalisation, activation)| filters(name, normalisation, activation, context));
        let digits = digits_subject(context.pick([128, 512, 1797, 1797]), context);
        for subject in of_filters.into_iter().chain([digits]) {
            for block in subject.layout().blocks() {
                compare(&mut check, &subject, block.range.clone(), &FACTORS);
            }
        }
        Ok(Evidence::new(check))
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control { name: "c < 0", breaks: "the factor is -1 instead of positive", run: negative },
            Control { name: "constant epsilon", breaks: "epsilon is added as in (7), without ||w||²", run: constant },
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
            Control { name: "no normalisation", breaks: "the normalisation is removed", run: removed },
            Control {
                name: "filters, constant epsilon",
                breaks: "epsilon is added as in (7), behind filters",
                run: |c| Ok(broken_filters(c, Normalisation::ConstantEpsilonBatchNorm { epsilon: 1e-2 })),
            },
            Control {
                name: "filters, no normalisation",
                breaks: "the normalisation behind filters is removed",
                run: |c| Ok(broken_filters(c, Normalisation::None)),
            },
        ]
    }
}

impl Measure for Definition21 {
    fn needs(&self) -> &'static [Premise] {
        &[]
    }

    fn measure(&self, subject: &AnySubject, _: &Context) -> Result<Evidence, Unevaluated> {
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

/// |F(c w) - F(w)| of a user's loss, block by block and with as many digits as it has.
fn scaled(subject: &AnySubject, factors: &[f64]) -> Check {
    let (mut check, mut evaluator, z) = (Check::new(), Evaluator::new(&*subject.loss), subject.all());
    let before = evaluator.at(&z, &subject.theta);
    let tolerance = evaluator.unit * before.size();
    for block in subject.layout().blocks() {
        for &c in factors {
            let theta = evaluator.scaled(&subject.theta, block.range.clone(), c);
            let error = (evaluator.value(&z, &theta) - before.value).value().abs();
            check.identity(format!("{} · {}, c = {c}", subject.name, block.name), error, tolerance);
        }
    }
    check
}

/// Powers of two first: for them the identity holds bit for bit.
const FACTORS: [f64; 8] = [0.125, 0.5, 2.0, 1024.0, 3.0, 0.7, 1e3, 1e-3];

/// |F(c w) - F(w)| for the parameters in `range`.
fn compare(check: &mut Check, subject: &Subject, range: std::ops::Range<usize>, factors: &[f64]) {
    let before = subject.loss_at(&subject.theta);
    let layers = subject.network.n_layers() as f64;
    for &c in factors {
        let mut theta = subject.theta.clone();
        theta[range.clone()].iter_mut().for_each(|x| *x *= c);
        let error = (subject.loss_at(&theta) - before).abs();
        let power_of_two = c > 0.0 && c.log2().fract() == 0.0;
        let at = format!("{} · c = {c}, parameters {range:?}", subject.name);
        if power_of_two {
            check.exactly(at, error, 0.0);
        } else {
            check.identity(at, error, 8.0 * U * before.abs().max(1.0) * layers);
        }
    }
}

fn all_blocks(subject: &Subject, factors: &[f64]) -> Check {
    let mut check = Check::new();
    for block in subject.layout().blocks() {
        compare(&mut check, subject, block.range.clone(), factors);
    }
    check
}

fn negative(context: &Context) -> Result<Check, Unevaluated> {
    Ok(all_blocks(&small("BN row", Normalisation::BatchNorm, Activation::Tanh, context), &[-1.0]))
}

fn constant(context: &Context) -> Result<Check, Unevaluated> {
    let kind = Normalisation::ConstantEpsilonBatchNorm { epsilon: 1e-2 };
    Ok(all_blocks(&small("constant epsilon", kind, Activation::Tanh, context), &[2.0]))
}

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

fn row(context: &Context) -> Result<Check, Unevaluated> {
    let subject =
        small("LayerNorm", Normalisation::LayerNorm { epsilon: Epsilon::Smoothed(0.1) }, Activation::Tanh, context);
    let mut check = Check::new();
    compare(&mut check, &subject, 0..5, &[2.0]);
    Ok(check)
}

fn broken_filters(context: &Context, normalisation: Normalisation) -> Check {
    all_blocks(&filters("filters", normalisation, Activation::Tanh, context), &[2.0])
}

fn removed(context: &Context) -> Result<Check, Unevaluated> {
    Ok(all_blocks(&small("no normalisation", Normalisation::None, Activation::Tanh, context), &[2.0]))
}
