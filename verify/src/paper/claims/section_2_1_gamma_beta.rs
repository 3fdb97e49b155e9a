//! Section 2.1: behind ReLU or leaky ReLU, the scales and shifts (gamma,
//! beta) of a whole inner BN layer are scale invariant.

use rand::RngExt;
use ratecheck::loss::Setting;
use ratecheck::network::{Activation, Architecture, Network, Normalisation};
use ratecheck::parameters::Block;
use ratecheck::scalar::{DoubleDouble, Scalar};

use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Statement, SubjectControl, Unevaluated,
};
use crate::claim::instances::{NetworkAt, SMOOTHED_BN, filters, small};
use crate::claim::plot::{Plot, Series, Style};
use crate::claim::precise::{Evaluator, U};
use crate::claim::rows::{LAST_BIT, envelope};
use crate::claim::subject::{Premise, Subject};

/// See the module's first line.
pub(super) struct GammaBeta;

static STATEMENT: Statement = Statement {
    id: "section-2.1-gamma-beta",
    title: "Section 2.1, (γ, β)",
    plain: "With ReLU or leaky ReLU, the scales and shifts of every BN layer but the last are scale invariant \
            together.",
    formula: "F_z(c·(γ⁽ˡ⁾, β⁽ˡ⁾), θ′) = F_z((γ⁽ˡ⁾, β⁽ˡ⁾), θ′)  for l < L, c > 0, ε = 0",
    latex: &[
        r"F_z\bigl(c\,(\gamma^{(l)},\beta^{(l)}),\theta'\bigr)=F_z\bigl((\gamma^{(l)},\beta^{(l)}),\theta'\bigr)\quad\text{for } l<L,\;c>0,\;\varepsilon=0",
    ],
    printed_at: "section 2.1, last paragraph",
    kind: Kind::Identity,
    origin: Origin::Paper,
    hypotheses: &["the activation is positively homogeneous", "the next layer's BN has no epsilon"],
    measured: "|F_z(c(γ,β)) - F_z(γ,β)| for both inner layers of a 5-6-4-4 network, ReLU and leaky ReLU, and for two \
               layers of filters with pooling, ReLU, under BN and l1-BN, for c = 2^k and for c = 3, 0.7, in \
               double-double",
    tolerance: "u times max(1, |F|) + ||theta|| ||∇F||, where the roundings of double-double, in which both sides are \
                evaluated, are a billion times smaller",
    does_not_show: "anything about descent: the theorems need a smooth loss and exclude these networks",
};

impl Claim for GammaBeta {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let (mut check, mut errors) = (Check::new(), Vec::new());
        for (name, normalisation) in [
            ("ReLU, BN", Normalisation::BatchNorm),
            ("ReLU, l1-BN", Normalisation::LpBatchNorm { p: ratecheck::network::Lp::One }),
        ] {
            let leaky = Activation::LeakyRelu { slope: 0.1 };
            for built in [
                small(name, normalisation, Activation::Relu, context),
                small(&format!("leaky {name}"), normalisation, leaky, context),
                filters(&format!("filters, {name}"), normalisation, Activation::Relu, context),
            ] {
                let (part, found) = scaled(&built.subject(), "the start", &FACTORS, whole);
                check.merge(part);
                errors.extend(found);
            }
        }
        let mut evidence = Evidence::new(check);
        evidence.plots.push(plot(errors, context)?);
        Ok(evidence)
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "one neuron's pair",
                breaks: "only one unit's (γ, β) is scaled",
                run: |c| dense(c, Normalisation::BatchNorm, Activation::Relu, &[70, 76]),
            },
            Control {
                name: "one channel's pair",
                breaks: "only one filter's (γ, β) is scaled, before pooling",
                run: one_channel,
            },
            Control {
                name: "γ alone",
                breaks: "β is left as it was",
                run: |c| dense(c, Normalisation::BatchNorm, Activation::Relu, &[70, 71, 72, 73, 74, 75]),
            },
            Control {
                name: "last BN",
                breaks: "the last layer's (γ, β) is scaled",
                run: |c| dense(c, Normalisation::BatchNorm, Activation::Relu, &layer_pair(2)),
            },
            Control {
                name: "tanh",
                breaks: "the activation is not homogeneous",
                run: |c| dense(c, Normalisation::BatchNorm, Activation::Tanh, &layer_pair(0)),
            },
            Control {
                name: "softplus",
                breaks: "the activation is not homogeneous",
                run: |c| dense(c, Normalisation::BatchNorm, Activation::Softplus, &layer_pair(0)),
            },
            Control {
                name: "smoothed BN",
                breaks: "the next layer's BN is smoothed (E18)",
                run: |c| dense(c, SMOOTHED_BN.1, Activation::Relu, &layer_pair(0)),
            },
        ]
    }
}

impl Measure for GammaBeta {
    fn needs(&self) -> &'static [Premise] {
        &[Premise::ScaledLayers]
    }

    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut check = scaled(subject, "the start", &FACTORS, whole).0;
        check.merge(scaled(&shifted(subject, context), "other shifts", &FACTORS, whole).0);
        Ok(Evidence::new(check))
    }

    fn controls(&self) -> Vec<SubjectControl> {
        vec![
            SubjectControl {
                name: "γ alone",
                breaks: "β is left as it was",
                run: |subject, context| {
                    let gamma = |n: usize| vec![(0..n / 2).collect()];
                    Some(Ok(scaled(&shifted(subject, context), "γ alone", &[2.0], gamma).0))
                },
            },
            SubjectControl {
                name: "one unit's pair",
                breaks: "only one unit's (γ, β) is scaled, one unit after the other",
                run: |subject, context| {
                    subject.scaled_layers().iter().find(|block| block.range.len() > 2)?;
                    let pairs = |n: usize| (0..n / 2).map(|k| vec![k, n / 2 + k]).collect();
                    Some(Ok(scaled(&shifted(subject, context), "one pair", &[2.0], pairs).0))
                },
            },
            SubjectControl {
                name: "weight decay in the loss",
                breaks: "F + ‖W‖²/20 instead of F, where W includes (γ, β)",
                run: |subject, _| Some(Ok(of_blocks(subject, &subject.decayed(0.1), "decayed", &[2.0], whole).0)),
            },
        ]
    }
}

/// All of a block.
fn whole(n: usize) -> Vec<Vec<usize>> {
    vec![(0..n).collect()]
}

/// The same start with every β of these layers moved by up to 0.3: where β = 0, as networks start,
/// γ alone is invariant, too.
fn shifted(subject: &Subject, context: &Context) -> Subject {
    let (mut subject, mut generator) = (subject.clone(), context.generator("shifts"));
    for block in subject.scaled_layers() {
        let middle = block.range.start + block.range.len() / 2;
        for shift in &mut subject.theta[middle..block.range.end] {
            *shift += generator.random_range(-0.3..0.3);
        }
    }
    subject
}

/// The comparisons, and every error as (c, error relative to the terms of F).
type Found = (Check, Vec<[f64; 2]>);

/// |F(c (γ, β)) - F(γ, β)| of a network, relative to the size of its terms and with as many digits as it has.
/// `parts` lists what is scaled together of a layer of n numbers, all γ first.
fn scaled(subject: &Subject, at: &str, factors: &[f64], parts: fn(usize) -> Vec<Vec<usize>>) -> Found {
    of_blocks(subject, subject, at, factors, parts)
}

/// The same with the loss of `broken`, and the layers of `subject`.
fn of_blocks(
    subject: &Subject,
    broken: &Subject,
    at: &str,
    factors: &[f64],
    parts: fn(usize) -> Vec<Vec<usize>>,
) -> Found {
    let of_layer = |block: Block| {
        let start = block.range.start;
        let whole = move |part: Vec<usize>| part.into_iter().map(|i| start + i).collect();
        let name = format!("{}, {at}", block.name);
        parts(block.range.len()).into_iter().map(move |part| (name.clone(), whole(part)))
    };
    together(broken, subject.scaled_layers().into_iter().flat_map(of_layer), factors)
}

/// |F - F| where these parameters are multiplied together by each of the factors.
fn together(subject: &Subject, parts: impl IntoIterator<Item = (String, Vec<usize>)>, factors: &[f64]) -> Found {
    let (mut check, mut evaluator, z) = (Check::new(), Evaluator::new(&*subject.loss), subject.all());
    let mut errors = Vec::new();
    let before = evaluator.at(&z, &subject.theta);
    let start: Vec<DoubleDouble> = subject.theta.iter().map(|&x| x.into()).collect();
    for (name, part) in parts {
        for &c in factors {
            let mut theta = start.clone();
            part.iter().for_each(|&i| theta[i] *= c.into());
            let error = (evaluator.value(&z, &theta) - before.value).value().abs();
            let at = format!("{} · {name}, c = {c}, relative", subject.name);
            check.identity(at, error / before.size(), evaluator.unit);
            errors.push([c, error / before.size()]);
        }
    }
    (check, errors)
}

/// The errors against c, with those of three networks of which the statement does not speak.
fn plot(errors: Vec<[f64; 2]>, context: &Context) -> Result<Plot, Unevaluated> {
    let gamma: Vec<usize> = (70..76).collect();
    let broken = |normalisation, activation, which: &[usize]| -> Result<_, Unevaluated> {
        let subject = without_decay(small("broken", normalisation, activation, context))?;
        Ok(together(&subject, [(String::new(), which.to_vec())], &FACTORS).1)
    };
    let curve = |name: &str, errors: Vec<[f64; 2]>| {
        let shown = envelope(errors).into_iter().map(|[c, error]| [c, error.max(LAST_BIT)]);
        Series::new(name, Style::Line, shown.collect())
    };
    let mut plot = Plot::log_log(
        "scaled",
        "Behind ReLU the loss does not see the length of (γ, β); without one of the hypotheses it does",
        "The relative change of the loss when the scales and shifts of an inner layer are multiplied by c, the largest \
         over the networks of the claim, and of a small network behind tanh, under smoothed BN, and with γ multiplied \
         alone. Both sides are evaluated in double-double; what is below its last bit, 1e-32, is drawn there (powers \
         of two commute with rounding). The claim allows a rounding of f64.",
        "factor c",
        "|F(c γ, c β) - F(γ, β)| / size of F's terms",
    );
    plot.series = vec![
        curve("γ alone", broken(Normalisation::BatchNorm, Activation::Relu, &gamma)?),
        curve("tanh", broken(Normalisation::BatchNorm, Activation::Tanh, &layer_pair(0))?),
        curve("smoothed BN", broken(SMOOTHED_BN.1, Activation::Relu, &layer_pair(0))?),
        curve("ReLU and leaky ReLU", errors),
    ];
    plot.noise_floor = Some(U);
    Ok(plot)
}

const FACTORS: [f64; 5] = [0.25, 2.0, 64.0, 3.0, 0.7];

/// W of 5-6-4-4 has 5·6 + 6·4 + 4·4 = 70 entries; then come γ and β of 6, 4 and 4 units.
fn layer_pair(layer: usize) -> Vec<usize> {
    [(70..82), (82..90), (90..98)][layer].clone().collect()
}

/// A broken network whose parameters `which` are multiplied by 2.
fn broken(built: NetworkAt, which: &[usize]) -> Result<Check, Unevaluated> {
    Ok(together(&without_decay(built)?, [("some scales and shifts".to_owned(), which.to_vec())], &[2.0]).0)
}

/// A broken network without the decay of g: where scales and shifts belong to g, the decay sees them, which is not what
/// is to be shown.
fn without_decay(built: NetworkAt) -> Result<Subject, Unevaluated> {
    let network = &built.network;
    let architecture = Architecture { weight_decay: 0.0, ..network.architecture().clone() };
    let (data, z) = (network.data().clone(), network.minibatches().clone());
    let plain = match network.convolutions() {
        Some(filters) => Network::convolutional(architecture, filters.clone(), data, z)?,
        None => Network::new(architecture, data, z)?,
    };
    Ok(NetworkAt::new(built.name, plain, built.theta).subject())
}

/// The same of 5-6-4-4.
fn dense(
    c: &Context,
    normalisation: Normalisation,
    activation: Activation,
    which: &[usize],
) -> Result<Check, Unevaluated> {
    broken(small("broken", normalisation, activation, c), which)
}

fn one_channel(context: &Context) -> Result<Check, Unevaluated> {
    let built = filters("filters", Normalisation::BatchNorm, Activation::Relu, context);
    let layout = built.layout();
    let first = layout.block(layout.n_blocks() - 2);
    let n_filters = first.len() / 2;
    broken(built, &[first.start, first.start + n_filters])
}
