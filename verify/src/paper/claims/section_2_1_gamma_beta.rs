//! Section 2.1: behind ReLU or leaky ReLU, the scales and shifts (gamma,
//! beta) of a whole inner BN layer are scale invariant.

use rand::RngExt;
use ratecheck::network::{Activation, Normalisation};
use ratecheck::scalar::{DoubleDouble, Scalar};

use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Statement, SubjectControl, Unevaluated,
};
use crate::claim::instances::{Subject, U, filters, small};
use crate::claim::precise::Evaluator;
use crate::claim::subject::{Premise, Subject as AnySubject};

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
               layers of filters with pooling, ReLU, under BN and l1-BN; c = 2^k bit for bit and c = 3, 0.7",
    tolerance: "powers of two: 0; other c: 8u·max(1,|F|) per layer",
    does_not_show: "anything about descent: the theorems need a smooth loss and exclude these networks",
};

impl Claim for GammaBeta {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut check = Check::new();
        for (name, normalisation) in [
            ("ReLU, BN", Normalisation::BatchNorm),
            ("ReLU, l1-BN", Normalisation::LpBatchNorm { p: ratecheck::network::Lp::One }),
        ] {
            let relu = small(name, normalisation, Activation::Relu, context);
            let leaky = small(&format!("leaky {name}"), normalisation, Activation::LeakyRelu { slope: 0.1 }, context);
            for subject in [relu, leaky] {
                for layer in 0..2 {
                    compare(&mut check, &subject, &layer_pair(layer), &FACTORS);
                }
            }
            let subject = filters(&format!("filters, {name}"), normalisation, Activation::Relu, context);
            for pair in filter_pairs(&subject) {
                compare(&mut check, &subject, &pair, &FACTORS);
            }
        }
        Ok(Evidence::new(check))
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control { name: "one neuron's pair", breaks: "only one unit's (γ, β) is scaled", run: one_pair },
            Control {
                name: "one channel's pair",
                breaks: "only one filter's (γ, β) is scaled, before pooling",
                run: one_channel,
            },
            Control { name: "γ alone", breaks: "β is left as it was", run: gamma_alone },
            Control { name: "last BN", breaks: "the last layer's (γ, β) is scaled", run: last },
            Control { name: "tanh", breaks: "the activation is not homogeneous", run: tanh },
            Control { name: "softplus", breaks: "the activation is not homogeneous", run: softplus },
            Control { name: "smoothed BN", breaks: "the next layer's BN is smoothed (E18)", run: smoothed },
        ]
    }
}

impl Measure for GammaBeta {
    fn needs(&self) -> &'static [Premise] {
        &[Premise::ScaledLayers]
    }

    fn measure(&self, subject: &AnySubject, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut check = scaled(subject, "the start", &FACTORS, whole);
        check.merge(scaled(&shifted(subject, context), "other shifts", &FACTORS, whole));
        Ok(Evidence::new(check))
    }

    fn controls(&self) -> Vec<SubjectControl> {
        vec![
            SubjectControl {
                name: "γ alone",
                breaks: "β is left as it was",
                run: |subject, context| {
                    let gamma = |n: usize| vec![(0..n / 2).collect()];
                    Some(Ok(scaled(&shifted(subject, context), "γ alone", &[2.0], gamma)))
                },
            },
            SubjectControl {
                name: "one unit's pair",
                breaks: "only one unit's (γ, β) is scaled, one unit after the other",
                run: |subject, context| {
                    subject.scaled_layers().iter().find(|block| block.range.len() > 2)?;
                    let pairs = |n: usize| (0..n / 2).map(|k| vec![k, n / 2 + k]).collect();
                    Some(Ok(scaled(&shifted(subject, context), "one pair", &[2.0], pairs)))
                },
            },
            SubjectControl {
                name: "weight decay in the loss",
                breaks: "F + ‖W‖²/20 instead of F, where W includes (γ, β)",
                run: |subject, _| Some(Ok(of_blocks(subject, &subject.decayed(0.1), "decayed", &[2.0], whole))),
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
fn shifted(subject: &AnySubject, context: &Context) -> AnySubject {
    let (mut subject, mut generator) = (subject.clone(), context.generator("shifts"));
    for block in subject.scaled_layers() {
        let middle = block.range.start + block.range.len() / 2;
        for shift in &mut subject.theta[middle..block.range.end] {
            *shift += generator.random_range(-0.3..0.3);
        }
    }
    subject
}

/// |F(c (γ, β)) - F(γ, β)| of a user's network, relative to the size of its terms and with as many digits as it has.
/// `parts` lists what is scaled together of a layer of n numbers, all γ first.
fn scaled(subject: &AnySubject, at: &str, factors: &[f64], parts: fn(usize) -> Vec<Vec<usize>>) -> Check {
    of_blocks(subject, subject, at, factors, parts)
}

/// The same with the loss of `broken`, and the layers of `subject`.
fn of_blocks(
    subject: &AnySubject,
    broken: &AnySubject,
    at: &str,
    factors: &[f64],
    parts: fn(usize) -> Vec<Vec<usize>>,
) -> Check {
    let (mut check, mut evaluator, z) = (Check::new(), Evaluator::new(&*broken.loss), broken.all());
    let before = evaluator.at(&z, &broken.theta);
    let start: Vec<DoubleDouble> = broken.theta.iter().map(|&x| x.into()).collect();
    for block in subject.scaled_layers() {
        for part in parts(block.range.len()) {
            for &c in factors {
                let mut theta = start.clone();
                part.iter().for_each(|&i| theta[block.range.start + i] *= c.into());
                let error = (evaluator.value(&z, &theta) - before.value).value().abs();
                let at = format!("{} · {}, {at}, c = {c}, relative", broken.name, block.name);
                check.identity(at, error / before.size(), evaluator.unit);
            }
        }
    }
    check
}

const FACTORS: [f64; 5] = [0.25, 2.0, 64.0, 3.0, 0.7];

/// γ and β of every layer of filters: the last two blocks.
fn filter_pairs(subject: &Subject) -> [Vec<usize>; 2] {
    let layout = subject.layout();
    [2, 1].map(|last| layout.block(layout.n_blocks() - last).collect())
}

/// W of 5-6-4-4 has 5·6 + 6·4 + 4·4 = 70 entries; then come γ and β of 6, 4 and 4 units.
fn layer_pair(layer: usize) -> Vec<usize> {
    [(70..82), (82..90), (90..98)][layer].clone().collect()
}

fn compare(check: &mut Check, subject: &Subject, which: &[usize], factors: &[f64]) {
    let before = subject.loss_at(&subject.theta);
    for &c in factors {
        let mut theta = subject.theta.clone();
        which.iter().for_each(|&i| theta[i] *= c);
        // The weight decay on g is not part of the statement: where a control scales g, its change is taken out.
        let error = (data_loss(subject, &theta) - data_loss(subject, &subject.theta)).abs();
        let at = format!("{} · c = {c}, parameters {}..", subject.name, which[0]);
        if c.log2().fract() == 0.0 {
            check.exactly(at, error, 0.0);
        } else {
            check.identity(at, error, 8.0 * U * before.abs().max(1.0) * 3.0);
        }
    }
}

/// F_z without the decay of g.
fn data_loss(subject: &Subject, theta: &[f64]) -> f64 {
    let g_sq: f64 = theta[subject.layout().g()].iter().map(|g| g * g).sum();
    subject.loss_at(theta) - 0.5 * subject.network.architecture().weight_decay * g_sq
}

fn broken(context: &Context, normalisation: Normalisation, activation: Activation, which: &[usize]) -> Check {
    let mut check = Check::new();
    compare(&mut check, &small("broken", normalisation, activation, context), which, &[2.0]);
    check
}

fn one_pair(context: &Context) -> Result<Check, Unevaluated> {
    Ok(broken(context, Normalisation::BatchNorm, Activation::Relu, &[70, 76]))
}

fn one_channel(context: &Context) -> Result<Check, Unevaluated> {
    let subject = filters("filters", Normalisation::BatchNorm, Activation::Relu, context);
    let [first, _] = filter_pairs(&subject);
    let mut check = Check::new();
    compare(&mut check, &subject, &[first[0], first[3]], &[2.0]);
    Ok(check)
}

fn gamma_alone(context: &Context) -> Result<Check, Unevaluated> {
    Ok(broken(context, Normalisation::BatchNorm, Activation::Relu, &[70, 71, 72, 73, 74, 75]))
}

fn last(context: &Context) -> Result<Check, Unevaluated> {
    Ok(broken(context, Normalisation::BatchNorm, Activation::Relu, &layer_pair(2)))
}

fn tanh(context: &Context) -> Result<Check, Unevaluated> {
    Ok(broken(context, Normalisation::BatchNorm, Activation::Tanh, &layer_pair(0)))
}

fn softplus(context: &Context) -> Result<Check, Unevaluated> {
    Ok(broken(context, Normalisation::BatchNorm, Activation::Softplus, &layer_pair(0)))
}

fn smoothed(context: &Context) -> Result<Check, Unevaluated> {
    Ok(broken(context, Normalisation::SmoothedBatchNorm { epsilon: 0.1 }, Activation::Relu, &layer_pair(0)))
}
