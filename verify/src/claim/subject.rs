//! What a statement is measured on when a user brings it: a loss with a start, rates, and what is known of its constants.

use std::sync::{Arc, OnceLock};

use ratecheck::curvature::{
    Exact, Sampled, Sampling, Smoothness, block_norms, g_bounds, proved_constants, sampled_constants,
};
use ratecheck::loss::{Decayed, Drawing, Further, Loss, MeanLoss, Setting};
use ratecheck::network::{
    Activation, Convolution, Epsilon, LayerKind, LayerPlaces, LayerSpec, Lp, Network, Normalisation,
};
use ratecheck::parameters::{Block, Parameters, norm_sq};
use ratecheck::random::Seed;
use ratecheck::scalar::Scalar;

use super::evidence::{Profile, Unevaluated};
use super::precise::Evaluator;
use super::scaled_layers;
pub use super::settings::Settings;

/// A hypothesis that a statement has, and a loss may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Premise {
    /// Definition 2.1 on every block.
    ScaleInvariant,
    /// Two derivatives everywhere: section 2.4.
    Smooth,
    /// There is a g.
    HasG,
    /// z takes finitely many values, so that L and its gradient are known exactly.
    FiniteMinibatches,
    /// z takes several values: something is random.
    Stochastic,
    /// A lower bound of the loss is known.
    BoundedBelow,
    /// The scales and shifts of a layer are a block of their own: section 2.1.
    ScaledLayers,
    /// Lemma C.2 bounds g.
    BoundedG,
}

/// The constants of section 2.4 on ||w_i|| = 1, ||g|| <= radius, for L and every F_z.
#[derive(Clone, Debug)]
pub struct Known {
    /// At most the true ones: found at random points and at the start, or exact.
    pub least: Smoothness<f64>,
    /// At least the true ones: exact or proved. `None` with the reason in `how`.
    pub most: Option<Smoothness<f64>>,
    /// K.
    pub radius: f64,
    /// Where both come from, in words.
    pub how: String,
}

impl Known {
    /// Those that are at least the true ones if there are any, else those found.
    pub fn best(&self) -> &Smoothness<f64> {
        self.most.as_ref().unwrap_or(&self.least)
    }
}

/// A block's departure from Definition 2.1: |F(2w) - F(w)| and |F(w/3) - F(w)|, the larger, and what rounding may make of it.
#[derive(Clone, Debug)]
pub struct Departure {
    /// The block.
    pub block: String,
    /// The departure.
    pub error: f64,
    /// What is allowed.
    pub tolerance: f64,
}

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
    /// Why a loss of foreign code has no second derivatives everywhere, if that is known; of a network it follows from the layers.
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

    /// The control "constant epsilon": the same network with this epsilon added to variances as frameworks do, in every layer of
    /// batch, layer or group normalisation. `None` if there is none, or the blocks become others.
    pub fn with_constant_epsilon(&self, epsilon: f64) -> Option<Self> {
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
        let network = self.network.as_ref()?;
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

    /// The same loss elsewhere: every block is turned towards the axis that it is farthest from, by some half a radian. A start may be stationary, and
    /// then has no gradient by which a control could be told from the statement.
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

    /// eta_g: as it was set, or half of 1/L^gg for the largest L^gg known that is of use: one that is proved, unless it is more than
    /// ten times what was found, where a run would stand still; then twice what was found. The second value says which.
    ///
    /// # Errors
    /// If no constants can be had.
    pub fn eta_g(&self) -> Result<(f64, &'static str), Unevaluated> {
        if let Some(eta_g) = self.settings.eta_g {
            return Ok((eta_g, "as it was set"));
        }
        if !self.has_g() {
            return Ok((1.0, "there is no g"));
        }
        let known = self.constants()?;
        match &known.most {
            Some(most) if most.l_gg <= 10.0 * known.least.l_gg => Ok((0.5 / most.l_gg, "1/(2 L^gg), proved")),
            _ => Ok((0.25 / known.least.l_gg, "1/(4 L^gg), L^gg as it was found at random points")),
        }
    }

    /// Steps that take about so many seconds of one core at a few billion multiply-adds a second, between 100 and a million, to two
    /// digits; `steps` of the settings instead, if it is there. Depends on sizes alone, never on a clock.
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

    /// The constants of section 2.4: exact if they are known, else found, and proved where that can be done.
    ///
    /// # Errors
    /// If one that was found is not finite.
    pub fn constants(&self) -> Result<&Known, Unevaluated> {
        // Outside of the lock: a thread that waits for others inside may take up work that asks for the same constants.
        let find = || {
            let found = self.find_constants();
            self.known.get_or_init(|| found)
        };
        self.known.get().unwrap_or_else(find).as_ref().map_err(|reason| Unevaluated(reason.clone()))
    }

    fn find_constants(&self) -> Result<Known, String> {
        let layout = self.layout();
        let g_norm = norm_sq(&self.theta[layout.g()]).sqrt();
        let bounded =
            self.network.as_ref().and_then(|network| g_bounds(network, largest_scale(network, &self.theta)).ok());
        let (radius, from) = match (self.radius, bounded) {
            _ if layout.g().is_empty() => (0.0, "there is no g"),
            (Some(radius), _) => (radius, "the problem says so"),
            (None, Some(bounds)) => (bounds.radius, "Lemma C.2"),
            (None, None) => (2.0 * g_norm.max(1.0), "assumed: twice the start"),
        };
        if let Some(exact) = &self.exact {
            let exact = exact.values();
            return Ok(Known { least: exact.clone(), most: Some(exact), radius, how: "exact".to_owned() });
        }
        // Points near the start's ball: in that of Lemma C.2, which is often much larger, random points say little about runs.
        let near = radius.min(2.0 * g_norm.max(1.0));
        let points = if layout.len() <= 200 { 40 } else { 4 };
        let sampling = Sampling::new(points, near);
        let found: Smoothness<Sampled> = sampled_constants(&*self.loss, &sampling, &Seed::new(0).child("constants"));
        let at_start = self
            .batches(2, &Seed::new(0))
            .iter()
            .map(|z| block_norms(&*self.loss, z, &layout.theta_unit(&self.theta)))
            .fold(found, |all, one| all.max(&one));
        let least = at_start.values();
        if !(least.l_vv.iter().chain(&least.l_vg).all(|x| x.is_finite()) && least.l_gg.is_finite()) {
            return Err("a block of the Hessian is not finite".to_owned());
        }
        let proved = match &self.network {
            Some(network) => proved_constants(network, radius).map_err(|reason| reason.to_string()),
            None => Err("the loss is no network of the engine".to_owned()),
        };
        let bracket = match &proved {
            Ok(_) => "proved layer by layer".to_owned(),
            Err(reason) => format!("nothing is proved: {reason}"),
        };
        let how = format!("found at {points} random points and the start, {bracket}; ‖g‖ ≤ {radius:.3} ({from})");
        Ok(Known { least, most: proved.ok().map(|proved| proved.upper.values()), radius, how })
    }

    /// The block that departs most from Definition 2.1, if one does by more than rounding.
    pub fn departure(&self) -> Option<&Departure> {
        self.departure.get_or_init(|| self.find_departure()).as_ref()
    }

    fn find_departure(&self) -> Option<Departure> {
        let (mut evaluator, z, layout) = (Evaluator::new(&*self.loss), self.all(), self.layout());
        let before = evaluator.at(&z, &self.theta);
        let mut worst: Option<Departure> = None;
        for block in layout.blocks() {
            for c in [2.0, 1.0 / 3.0] {
                let scaled = evaluator.scaled(&self.theta, block.range.clone(), c);
                let after = evaluator.value(&z, &scaled);
                let (error, tolerance) = ((after - before.value).value().abs(), evaluator.unit * before.size());
                let share = |d: &Departure| d.error / d.tolerance;
                let found = Departure { block: block.name.clone(), error, tolerance };
                // Written so that NaN departs.
                if !(error <= tolerance) && worst.as_ref().is_none_or(|w| !(share(&found) <= share(w))) {
                    worst = Some(found);
                }
            }
        }
        worst
    }

    /// The blocks that are (gamma, beta) of a layer.
    pub fn scaled_layers(&self) -> Vec<Block> {
        self.network.as_ref().map_or_else(Vec::new, |network| scaled_layers::of(network))
    }

    /// What is missing of a premise, in a few words; `None` if it is met or cannot be known to fail.
    pub fn lacks(&self, premise: Premise) -> Option<String> {
        match premise {
            Premise::ScaleInvariant => self.departure().map(|departure| {
                let why = match self.network.as_ref().and_then(|network| network.constant_epsilon()) {
                    Some(epsilon) => format!("epsilon = {epsilon:e} is constant: "),
                    None => String::new(),
                };
                let Departure { block, error, .. } = departure;
                format!("{why}Definition 2.1 fails, F changes by {error:.1e} when {block} is scaled")
            }),
            Premise::Smooth => {
                self.kinks.clone().or_else(|| self.network.as_ref().and_then(|network| no_hessian(network)))
            }
            Premise::HasG => (!self.has_g()).then(|| "there is no g".to_owned()),
            Premise::FiniteMinibatches => {
                (self.loss.minibatches().drawing() == Drawing::Subsets).then(|| SAMPLED.to_owned())
            }
            Premise::Stochastic => (self.n_minibatches() == Some(1))
                .then(|| "z is always the whole data set: nothing is random".to_owned()),
            Premise::BoundedG => scaled_layers::unbounded(self.network.as_deref(), &self.theta),
            Premise::ScaledLayers => scaled_layers::lacking(self.network.as_deref()),
            Premise::BoundedBelow => self.loss_min.is_none().then(|| "no lower bound of the loss is known".to_owned()),
        }
    }
}

const SAMPLED: &str = "z is a random subset: L is only known by sampling";

/// Why a network has no second derivatives everywhere.
fn no_hessian(network: &Network) -> Option<String> {
    let kink = |layer: &LayerSpec| match (layer.activation, layer.normalisation, &layer.kind) {
        (Some(Activation::Relu), ..) => Some("ReLU"),
        (Some(Activation::LeakyRelu { .. }), ..) => Some("leaky ReLU"),
        (_, Normalisation::LpBatchNorm { p: Lp::One }, _) => Some("the l1 norm of a unit"),
        (_, Normalisation::LpBatchNorm { p: Lp::Infinity }, _) => Some("the largest deviation of a unit"),
        (.., LayerKind::Filters(Convolution { pooled: true, .. })) => Some("pooling"),
        _ => None,
    };
    network.layers().layers.iter().find_map(kink).map(|what| format!("{what}: no Hessian"))
}

/// The largest scale or shift at the start, whether it is in g or in a block of its own.
fn largest_scale(network: &Network, theta: &[f64]) -> f64 {
    let of_layer = |place: LayerPlaces| place.gamma.into_iter().chain(place.beta).flatten();
    network.places().into_iter().flat_map(of_layer).fold(0.0, |m: f64, k| m.max(theta[k].abs()))
}
