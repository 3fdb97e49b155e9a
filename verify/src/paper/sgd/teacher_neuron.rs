//! A network on which the premises of the laws of long runs are met: one neuron, trained in minibatches.

use std::sync::Arc;

use ratecheck::data::{Target, teacher};
use ratecheck::loss::Minibatches;
use ratecheck::network::{Activation, Architecture, Network, Normalisation, Objective};
use ratecheck::random::Seed;

use crate::claim::evidence::Unevaluated;
use crate::claim::subject::Subject;

/// The root of the data and the start, which are one instance like a closed form; runs draw their minibatches from
/// seeds of their own.
const DATA: u64 = 1;
/// eta_{g,t} = this (t+1)^(-1/2).
const ETA_G: f64 = 0.1;

/// Runs of every decision: with fewer, Student's interval at the level of the decisions is too wide.
pub(crate) const RUNS: usize = 16;

/// 8-1 with smoothed BN and the logistic objective on 256 examples of a teacher, in eight minibatches of 32. Labels are
/// noisy and g decays, so that the loss has a minimiser at which minibatches disagree: q = 0.04. Deeper networks, and
/// the digits, drift for longer than a claim can wait: after 510 steps of the digits network (64-16-16-10) what the
/// laws leave out is more than half of n_T^2 in the best of its blocks, and it does not fall faster than T^(-1/2).
pub(crate) fn teacher_neuron() -> Result<Subject, Unevaluated> {
    let seed = Seed::new(DATA).child("teacher neuron");
    let data = teacher(256, 8, Target::Binary, 0.1, &mut seed.generator("data"));
    let architecture = Architecture {
        widths: vec![8, 1],
        normalisation: Normalisation::SmoothedBatchNorm { epsilon: 0.1 },
        activation: Activation::Tanh,
        objective: Objective::Logistic,
        weight_decay: 0.01,
    };
    let network = Network::new(architecture, data, Minibatches::partition((0..256).collect(), 32)?)?;
    let theta = network.initialise(&mut seed.generator("start"));
    let mut subject = Subject::of_network("teacher neuron 8-1", Arc::new(network), theta);
    (subject.settings.runs, subject.settings.eta_g) = (RUNS, Some(ETA_G));
    Ok(subject)
}
