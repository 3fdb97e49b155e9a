//! What a statement is measured on when a user brings it: a loss with a start, rates,
//! and what is known of its constants.

use std::sync::{Arc, OnceLock};

use ratecheck::curvature::{Exact, Smoothness};
use ratecheck::loss::{Decayed, Drawing, Further, Loss, MeanLoss, Setting, Workspace};
use ratecheck::network::{Epsilon, Network, Normalisation};
use ratecheck::parameters::{Block, Parameters, norm_sq};
use ratecheck::random::Seed;

use super::evidence::{Profile, Unevaluated};
use super::scaled_layers;

mod known;
mod premise;

pub use known::Known;
pub use premise::{Departure, Premise};

pub use super::settings::Settings;

/// What [`Subject::with_constant_epsilon`] breaks.
pub const CONSTANT_EPSILON: &str = "a hundredth of the units' variance is added to all variances, whatever the weights";

/// A loss to measure statements on.
#[derive(Clone)]
pub struct Subject {
    /// Shown as the instance.
    pub name: String,
    /// The loss.
    pub loss: Arc<dyn Loss>,
    /// The same, if it is a network of the engine.
    pub network: Option<Arc<Network>>,
    /// theta_0.
    pub theta: Vec<f64>,
    /// K of ||g|| <= K, if it was said.
    pub radius: Option<f64>,
    /// The constants, if a closed form has them.
    pub exact: Option<Smoothness<Exact>>,
    /// A lower bound of the loss, if one is known.
    pub loss_min: Option<f64>,
    /// Why a loss of foreign code has no second derivatives everywhere, if that is known; of a network it follows from
    /// the layers.
    pub kinks: Option<String>,
    /// Rates and budgets.
    pub settings: Settings,
    known: Arc<OnceLock<Result<Known, String>>>,
    departure: Arc<OnceLock<Option<Departure>>>,
}

impl Subject {
    /// A loss at theta_0. Of a network the loss is at least 0: every objective is, and so is the decay.
    pub fn new(name: impl Into<String>, loss: Arc<dyn Loss>, theta: Vec<f64>) -> Self {
        assert_eq!(theta.len(), loss.parameters().len(), "theta has one number per parameter");
        Self {
            name: name.into(),
            loss,
            network: None,
            theta,
            radius: None,
            exact: None,
            loss_min: None,
            kinks: None,
            settings: Settings::default(),
            known: Arc::default(),
            departure: Arc::default(),
        }
    }

    /// A network at theta_0.
    pub fn of_network(name: impl Into<String>, network: Arc<Network>, theta: Vec<f64>) -> Self {
        Self { network: Some(network.clone()), loss_min: Some(0.0), ..Self::new(name, network, theta) }
    }

    /// The same start and settings on another loss, of which nothing is known: the subject of a control.
    #[must_use]
    pub fn with_loss(&self, loss: Arc<dyn Loss>) -> Self {
        Self { loss, network: None, exact: None, known: Arc::default(), departure: Arc::default(), ..self.clone() }
    }

    /// The control "weight decay on w": F + (lambda/2)||W||^2.
    #[must_use]
    pub fn decayed(&self, lambda: f64) -> Self {
        self.with_loss(Arc::new(Decayed::new(self.loss.clone(), lambda)))
    }

    /// The control "constant epsilon": the same network with one epsilon added to variances as frameworks do, in every
    /// layer of batch, layer or group normalisation. It is a hundredth of the largest variance of the layer that has
    /// the smallest, so that it is felt at any scale of the data and hides none of them. `None` if there is no such
    /// layer, the blocks become others, or a hundredth of that variance is no number.
    pub fn with_constant_epsilon(&self) -> Option<Self> {
        let network = self.network.as_ref()?;
        let largest = network.largest_denominators(&self.all(), &self.theta, &mut Workspace::default());
        let epsilon = 1e-2 * largest.iter().map(|s| s * s).fold(f64::INFINITY, f64::min);
        if !(epsilon > 0.0 && epsilon < f64::INFINITY) {
            return None;
        }
        let constant = |normalisation| match normalisation {
            Normalisation::BatchNorm
            | Normalisation::SmoothedBatchNorm { .. }
            | Normalisation::ConstantEpsilonBatchNorm { .. } => Normalisation::ConstantEpsilonBatchNorm { epsilon },
            Normalisation::LayerNorm { .. } => Normalisation::LayerNorm { epsilon: Epsilon::Constant(epsilon) },
            Normalisation::GroupNorm { groups, .. } => {
                Normalisation::GroupNorm { groups, epsilon: Epsilon::Constant(epsilon) }
            }
            other => other,
        };
        let changes = network.layers().layers.iter().any(|layer| constant(layer.normalisation) != layer.normalisation);
        changes.then(|| self.renormalised(constant)).flatten()
    }

    /// The control "normalisation removed". `None` where the blocks become others.
    pub fn un_normalised(&self) -> Option<Self> {
        self.renormalised(|_| Normalisation::None)
    }

    /// The same network under other normalisations, if its blocks are the same.
    fn renormalised(&self, of: impl Fn(Normalisation) -> Normalisation) -> Option<Self> {
        let network = self.network.as_ref()?.with_normalisations(of).ok()?;
        (network.parameters() == self.layout()).then(|| {
            let network = Arc::new(network);
            Self { network: Some(network.clone()), ..self.with_loss(network) }
        })
    }

    /// The same loss elsewhere: every block is turned towards the axis that it is farthest from, by some half a radian.
    /// A start may be stationary, and then has no gradient by which a control could be told from the statement.
    #[must_use]
    pub fn turned(&self) -> Self {
        let mut turned = self.clone();
        for block in self.loss.parameters().blocks() {
            let w = &mut turned.theta[block.range.clone()];
            let norm = norm_sq(w).sqrt();
            let farthest = (0..w.len()).min_by(|&i, &j| w[i].abs().total_cmp(&w[j].abs())).unwrap_or(0);
            w[farthest] += if w[farthest] < 0.0 { -0.5 * norm } else { 0.5 * norm };
            let longer = norm_sq(w).sqrt();
            w.iter_mut().for_each(|x| *x *= norm / longer);
        }
        turned
    }

    /// theta's layout.
    pub fn layout(&self) -> &Parameters {
        self.loss.parameters()
    }

    /// All examples: z where one minibatch is enough.
    pub fn all(&self) -> Vec<usize> {
        (0..self.loss.minibatches().n_examples()).collect()
    }

    /// Up to `n` minibatches: the first ones of a finite distribution, or as many drawn.
    pub fn batches(&self, n: usize, seed: &Seed) -> Vec<Vec<usize>> {
        let z = self.loss.minibatches();
        match z.finite() {
            Some(batches) => batches.take(n).map(<[usize]>::to_vec).collect(),
            None => {
                let (mut generator, mut scratch) = (seed.generator("batches"), Vec::new());
                (0..n).map(|_| z.draw(&mut generator, &mut scratch).to_vec()).collect()
            }
        }
    }

    /// L as a loss with a single minibatch: what gradient descent descends on.
    ///
    /// # Errors
    /// If z is not finite: ask for [`Premise::FiniteMinibatches`] first.
    pub fn mean(&self) -> Result<Arc<dyn Loss>, Unevaluated> {
        if self.n_minibatches() == Some(1) {
            return Ok(self.loss.clone());
        }
        let mean = MeanLoss::new(self.loss.clone());
        mean.map(|mean| Arc::new(mean) as Arc<dyn Loss>).ok_or_else(|| Unevaluated(SAMPLED.to_owned()))
    }

    /// How many values z takes, if they are finitely many.
    pub fn n_minibatches(&self) -> Option<usize> {
        self.loss.minibatches().finite().map(|batches| batches.len())
    }

    /// How minibatches are made, in words.
    pub fn drawn(&self) -> String {
        let z = self.loss.minibatches();
        match z.drawing() {
            Drawing::Full => format!("full batch of {}", z.n_examples()),
            Drawing::Partition => format!("{} minibatches of {}", z.n_examples() / z.batch_size(), z.batch_size()),
            Drawing::Subsets => format!("random subsets of {} of {}", z.batch_size(), z.n_examples()),
        }
    }

    /// n_i at the start.
    pub fn n_start(&self) -> Vec<f64> {
        (0..self.layout().n_blocks()).map(|i| self.layout().w_norm_sq(&self.theta, i)).collect()
    }

    /// Whether there is a g.
    pub fn has_g(&self) -> bool {
        !self.layout().g().is_empty()
    }

    /// The blocks that are (gamma, beta) of a layer.
    pub fn scaled_layers(&self) -> Vec<Block> {
        self.network.as_ref().map_or_else(Vec::new, |network| scaled_layers::of(network))
    }

    /// Steps that take about so many seconds of one core at a few billion multiply-adds a second, between 100 and a
    /// million, to two digits; `steps` of the settings instead, if it is there. Depends on sizes alone,
    /// never on a clock.
    pub fn steps(&self, seconds: f64, profile: Profile) -> u64 {
        if let Some(steps) = self.settings.steps {
            return steps;
        }
        let z = self.loss.minibatches();
        let n = self.layout().len() as f64;
        let gradient = match (&self.network, self.loss.further()) {
            (Some(_), _) => 3.0 * n * z.batch_size() as f64,
            (None, Further::Formula(_)) => 20.0 * n * n * z.batch_size() as f64, // forward differentiation
            (None, Further::Products(products)) => products.operations(),
        };
        let factor = [0.05, 1.0, 8.0, 40.0][profile as usize];
        let steps = (factor * seconds * 2e9 / (gradient + 1_000.0)).clamp(100.0, 1e6);
        let unit = 10.0_f64.powf(steps.log10().floor() - 1.0);
        ((steps / unit).floor() * unit) as u64
    }
}

/// What a loss lacks whose mean is asked for.
const SAMPLED: &str = "z is a random subset: L is only known by sampling";
