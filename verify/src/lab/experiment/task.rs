//! One training.

use std::sync::Arc;

use ratecheck::data::Dataset;
use ratecheck::descent::{Buffers, Divergence, Precision, Schedule, StepRule, Stepper};
use ratecheck::loss::{Minibatches, Workspace};
use ratecheck::network::{
    Activation, Architecture, Convolutions, Image, LayerKind, Network, NetworkError, Normalisation, Objective,
    UnitStatistics,
};
use ratecheck::random::{Generator, Seed};

use serde::{Deserialize, Serialize};

use super::guess::Guess;
use crate::claim::evidence::Unevaluated;
use crate::claim::instances::shuffle;
use crate::lab::budget::Size;

/// How the network is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// Setting 1: standard SGD.
    Sgd,
    /// Setting 2: after every step each scale-invariant block is brought back to the norm it had.
    Projected,
    /// Setting 3: SGD without batch normalisation; a unit keeps its shift and has no scale.
    Removed,
}

impl Setting {
    /// As plots name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sgd => "SGD",
            Self::Projected => "projected SGD",
            Self::Removed => "BN removed",
        }
    }
}

/// What is learned, and how long.
#[derive(Clone, Debug)]
pub struct Task {
    /// The shape of the images.
    pub image: Image,
    /// The classes 0..K-1 of the labels.
    pub n_classes: usize,
    /// What the network is trained on.
    pub train: Arc<Dataset>,
    /// What its accuracy is measured on.
    pub test: Arc<Dataset>,
    /// See [`Convolutions::vgg`].
    pub width: f64,
    /// The size of a minibatch. What is left of an epoch is not used.
    pub batch: usize,
    /// How often every example is seen.
    pub n_epochs: usize,
    /// The arithmetic of the network.
    pub precision: Precision,
}

/// What one epoch shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Epoch {
    /// The mean of F_z over the minibatches of the epoch.
    pub loss: f64,
    /// The share of the test examples that are classified right, with running averages of the statistics.
    pub accuracy: f64,
    /// ||w_i||^2 of every block at its end: filters and rows, then (gamma, beta) of every layer but the last.
    pub w_norm_sq: Vec<f64>,
}

/// One training.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// The epochs that were finished.
    pub epochs: Vec<Epoch>,
    /// Where it diverged, if it did.
    pub divergence: Option<Divergence>,
}

/// What a step keeps of the running averages; ten steps' memory. With the 0.99 of the paper's framework, runs of a few
/// hundred steps would remember their start.
const KEEP: f64 = 0.9;
/// Epochs at the end that are averaged, as in the paper's figures.
const LAST: usize = 5;

impl Training {
    /// The mean over the last five epochs; not a number if the run diverged.
    pub fn last(&self, value: impl Fn(&Epoch) -> f64) -> f64 {
        if self.divergence.is_some() {
            return f64::NAN;
        }
        let last = &self.epochs[self.epochs.len().saturating_sub(LAST)..];
        last.iter().map(value).sum::<f64>() / last.len() as f64
    }
}

impl Task {
    /// What guessing reaches on it.
    pub fn guess(&self) -> Guess {
        Guess::on(&self.train, &self.test)
    }

    /// The order of the examples in the first epoch.
    pub(super) fn order(&self, draws: &mut Generator) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.train.n_examples()).collect();
        shuffle(&mut order, draws);
        order
    }

    /// About how many bytes a training takes beside the images, estimated before anything is made: what the network
    /// keeps of a minibatch, and theta with its gradient, their copies and those in single precision.
    pub(super) fn bytes(image: Image, n_classes: usize, width: f64, batch: usize) -> u128 {
        const COPIES: u128 = 8;
        let (filters, dense) = Convolutions::vgg(image, width);
        let layers = filters.layers.iter().copied().map(LayerKind::Filters);
        let units = [dense, n_classes].map(|units| LayerKind::Dense { units });
        let inputs = image.channels.saturating_mul(image.height).saturating_mul(image.width);
        let size = Size::of(Some(image), layers.chain(units), inputs);
        size_of::<f64>() as u128 * (size.of_example * batch as u128 + COPIES * size.parameters)
    }

    /// The network, with batch normalisation without epsilon and ReLU, or without any normalisation.
    pub(super) fn network(&self, setting: Setting) -> Result<Network, NetworkError> {
        let (filters, dense) = Convolutions::vgg(self.image, self.width);
        let architecture = Architecture {
            widths: vec![self.train.n_features(), dense, self.n_classes],
            normalisation: if setting == Setting::Removed { Normalisation::None } else { Normalisation::BatchNorm },
            activation: Activation::Relu,
            objective: Objective::CrossEntropy,
            weight_decay: 0.0,
        };
        let z = Minibatches::full(self.train.n_examples());
        Network::convolutional(architecture, filters, Arc::clone(&self.train), z)
    }

    /// Trains from a start and with an order of the examples that the seed determines: the same for every setting and
    /// rate. `seen` is told of every epoch.
    ///
    /// # Errors
    /// When the network does not fit the data, or a rate is not positive.
    pub fn train(
        &self,
        setting: Setting,
        [eta_w, eta_g]: [f64; 2],
        seed: &Seed,
        seen: impl Fn(),
    ) -> Result<Training, Unevaluated> {
        let network = self.network(setting)?;
        let start = network.initialise(&mut seed.generator("start"));
        let rule = if setting == Setting::Projected { StepRule::Projected } else { StepRule::Gradient };
        let [rate_w, rate_g] = [Schedule::constant(eta_w)?, Schedule::constant(eta_g)?];
        let stepper = Stepper::new(&network, &start, rule, rate_w, rate_g, seed.generator("unused"));
        let mut stepper = stepper.evaluating_in(self.precision);
        let mut draws = seed.generator("order");
        let mut order: Vec<usize> = (0..self.train.n_examples()).collect();
        let mut training = Training { epochs: Vec::new(), divergence: None };
        let mut averages: Option<UnitStatistics> = None;
        for _ in 0..self.n_epochs {
            shuffle(&mut order, &mut draws);
            let mut total = 0.0;
            for z in order.chunks_exact(self.batch) {
                match stepper.step_with(z) {
                    Ok(step) => total += step.loss,
                    Err(divergence) => {
                        training.divergence = Some(divergence);
                        return Ok(training);
                    }
                }
                let found = match stepper.buffers() {
                    Buffers::Double(work) => network.unit_statistics(work),
                    Buffers::Single(work) => network.unit_statistics(work),
                };
                let Some(found) = found else { continue };
                averages.get_or_insert_with(|| found.clone()).average(KEEP, &found);
                if setting == Setting::Removed {
                    let theta = network.with_unit_scales(stepper.theta());
                    let t = stepper.t();
                    stepper.restart(&theta, t);
                }
            }
            let n_steps = (order.len() / self.batch) as f64;
            training.epochs.push(Epoch {
                loss: total / n_steps,
                accuracy: self.accuracy(&network, stepper.theta(), averages.as_ref())?,
                w_norm_sq: stepper.w_norm_sq().to_vec(),
            });
            seen();
        }
        Ok(training)
    }

    /// The share of the test examples that are classified right.
    fn accuracy(&self, network: &Network, theta: &[f64], found: Option<&UnitStatistics>) -> Result<f64, Unevaluated> {
        let Some(found) = found else { return Err(Unevaluated("an epoch without a minibatch".to_owned())) };
        let (frozen, theta) = network.frozen(theta, found, Arc::clone(&self.test))?;
        // In pieces, so that the memory does not grow with the test set.
        let all: Vec<usize> = (0..frozen.data().n_examples()).collect();
        let pieces = all.chunks(self.batch);
        let right: usize = match self.precision {
            Precision::Double => {
                let mut work = Workspace::default();
                pieces.map(|z| frozen.count_right(z, &theta, &mut work)).sum()
            }
            Precision::Single => {
                let theta: Vec<f32> = theta.iter().map(|&x| x as f32).collect();
                let mut work = Workspace::default();
                pieces.map(|z| frozen.count_right_in_single(z, &theta, &mut work)).sum()
            }
        };
        Ok(right as f64 / self.test.n_examples() as f64)
    }
}
