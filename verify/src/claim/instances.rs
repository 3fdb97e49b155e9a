//! The networks that claims are checked on, all from the seed tree.

use std::sync::{Arc, OnceLock};

use rand::RngExt;
use ratecheck::data::{Dataset, Target, digits, teacher};
use ratecheck::loss::{Minibatches, Setting};
use ratecheck::network::{
    Activation, Architecture, Convolution, Convolutions, Epsilon, Image, Lp, Network, NetworkError, Normalisation,
    Objective,
};
use ratecheck::parameters::{Parameters, norm_sq};
use ratecheck::random::{Generator, Seed};

use crate::claim::evidence::Context;
use crate::claim::subject::Subject;

/// 2^-53, the unit roundoff of f64.
pub const U: f64 = f64::EPSILON / 2.0;

/// A network of the engine at a point, with a name for the tables.
pub struct NetworkAt {
    /// Shown as the instance.
    pub name: String,
    /// The network and its data.
    pub network: Network,
    /// Parameters.
    pub theta: Vec<f64>,
    /// The minibatch: all examples.
    pub z: Vec<usize>,
}

impl NetworkAt {
    /// This network at this point.
    pub fn new(name: impl Into<String>, network: Network, theta: Vec<f64>) -> Self {
        let z = (0..network.minibatches().n_examples()).collect();
        Self { name: name.into(), network, theta, z }
    }

    /// The layout of theta.
    pub fn layout(&self) -> &Parameters {
        self.network.parameters()
    }

    /// The same in minibatches of so many examples, in their order; their number is a multiple of that.
    #[must_use]
    pub fn in_minibatches(self, of: usize) -> Self {
        let z = Minibatches::partition(self.z.clone(), of);
        let z = z.unwrap_or_else(|error| panic!("an instance of ratecheck itself is unsound: {error}"));
        Self { network: self.network.with_minibatches(z), ..self }
    }

    /// What a statement is measured on, as a user's own network would be.
    pub fn subject(self) -> Subject {
        Subject::of_network(self.name, Arc::new(self.network), self.theta)
    }
}

/// A normalisation that makes its blocks scale invariant, with the name of what is invariant under it.
pub type Invariant = (&'static str, Normalisation);

/// Smoothed batch normalisation: two derivatives everywhere.
pub const SMOOTHED_BN: Invariant = ("smoothed BN row", Normalisation::SmoothedBatchNorm { epsilon: 0.1 });
/// Layer normalisation, whose blocks are whole matrices.
pub const LAYER_NORM: Invariant = ("LayerNorm matrix", Normalisation::LayerNorm { epsilon: Epsilon::Smoothed(0.1) });
/// Weight normalisation, which needs no data.
pub const WEIGHT_NORM: Invariant = ("weight norm row", Normalisation::WeightNorm);

/// All of them.
pub const INVARIANT: [Invariant; 8] = [
    SMOOTHED_BN,
    ("BN row", Normalisation::BatchNorm),
    ("l1-BN row", Normalisation::LpBatchNorm { p: Lp::One }),
    ("l4-BN row", Normalisation::LpBatchNorm { p: Lp::Four }),
    ("linf-BN row", Normalisation::LpBatchNorm { p: Lp::Infinity }),
    LAYER_NORM,
    ("GroupNorm group", Normalisation::GroupNorm { groups: 2, epsilon: Epsilon::Smoothed(0.1) }),
    WEIGHT_NORM,
];

/// A small network 5-6-4-4 on 24 examples of a synthetic teacher with four classes, at random parameters: blocks of
/// norms between 1/2 and 2, scales and shifts around their start.
pub fn small(name: &str, normalisation: Normalisation, activation: Activation, context: &Context) -> NetworkAt {
    let seed = context.seed.child(name);
    let data = teacher(24, 5, Target::Classes(4), 0.1, &mut seed.generator("data"));
    let architecture = Architecture {
        widths: vec![5, 6, 4, 4],
        normalisation,
        activation,
        objective: Objective::CrossEntropy,
        weight_decay: 0.01,
    };
    let network = sound(Network::new(architecture, data, Minibatches::full(24)));
    at_random(name, network, &mut seed.generator("theta"))
}

/// What layers of filters are tried with: smooth, and as in appendix D.
pub const FILTERS: [(&str, Normalisation, Activation); 2] = [
    ("filters, smoothed BN", Normalisation::SmoothedBatchNorm { epsilon: 0.1 }, Activation::Tanh),
    ("filters, BN, ReLU", Normalisation::BatchNorm, Activation::Relu),
];

/// Layers of 3 and of 4 filters, each with pooling, and a dense one, on 32 digits of 8x8 pixels, at random parameters.
pub fn filters(name: &str, normalisation: Normalisation, activation: Activation, context: &Context) -> NetworkAt {
    let seed = context.seed.child(name);
    let data = shuffled_digits(&Seed::new(seed.root()), true).first(32);
    let architecture = Architecture {
        widths: vec![64, 10],
        normalisation,
        activation,
        objective: Objective::CrossEntropy,
        weight_decay: 0.01,
    };
    let layers = [3, 4].map(|filters| Convolution { filters, pooled: true }).to_vec();
    let filters = Convolutions { image: Image { channels: 1, height: 8, width: 8 }, layers };
    let network = sound(Network::convolutional(architecture, filters, data, Minibatches::full(32)));
    at_random(name, network, &mut seed.generator("theta"))
}

/// The smallest network 3-4-1 with the logistic objective, on 16 examples of a teacher.
pub fn tiny(name: &str, normalisation: Normalisation, activation: Activation, context: &Context) -> NetworkAt {
    let seed = context.seed.child(name);
    let data = teacher(16, 3, Target::Binary, 0.1, &mut seed.generator("data"));
    let architecture = Architecture {
        widths: vec![3, 4, 1],
        normalisation,
        activation,
        objective: Objective::Logistic,
        weight_decay: 0.01,
    };
    let network = sound(Network::new(architecture, data, Minibatches::full(16)));
    at_random(name, network, &mut seed.generator("theta"))
}

/// The bundled digits in the order of the file, standardised or as they are; unpacked once.
pub(crate) fn ordered_digits(standardise: bool) -> &'static Dataset {
    static DIGITS: [OnceLock<Dataset>; 2] = [OnceLock::new(), OnceLock::new()];
    DIGITS[usize::from(standardise)].get_or_init(|| if standardise { digits().standardised() } else { digits() })
}

/// The bundled digits in an order fixed by the seed.
pub(crate) fn shuffled_digits(seed: &Seed, standardise: bool) -> Dataset {
    let data = ordered_digits(standardise);
    let mut order: Vec<usize> = (0..data.n_examples()).collect();
    shuffle(&mut order, &mut seed.generator("digits/order"));
    data.select(&order)
}

/// A uniformly random order (Fisher and Yates), the same on 32- and 64-bit machines.
pub(crate) fn shuffle(order: &mut [usize], generator: &mut Generator) {
    for i in 0..order.len() {
        let j = generator.random_range(i as u64..order.len() as u64) as usize;
        order.swap(i, j);
    }
}

/// The two-hidden-layer network of the digits: 64-16-16-10, cross-entropy, weight decay 1e-2 on g, on the first
/// `n_examples` of the shuffled digits.
pub fn digits_network(
    normalisation: Normalisation,
    activation: Activation,
    n_examples: usize,
    minibatches: Minibatches,
    seed: &Seed,
) -> Network {
    let data: Arc<Dataset> = Arc::new(shuffled_digits(&Seed::new(seed.root()), true).first(n_examples));
    let architecture = Architecture {
        widths: vec![64, 16, 16, 10],
        normalisation,
        activation,
        objective: Objective::CrossEntropy,
        weight_decay: 1e-2,
    };
    sound(Network::new(architecture, data, minibatches))
}

/// The digits network with smoothed BN (epsilon = 0.1) and tanh, full batch, at random parameters.
pub fn digits_at(n_examples: usize, context: &Context) -> NetworkAt {
    let normalisation = Normalisation::SmoothedBatchNorm { epsilon: 0.1 };
    let z = Minibatches::full(n_examples);
    let network = digits_network(normalisation, Activation::Tanh, n_examples, z, &context.seed);
    at_random("digits 64-16-16-10", network, &mut context.generator("digits/theta"))
}

/// The networks that an identity of scale invariance is checked on: one under every normalisation, two with layers of
/// filters and pooling, and that of the digits.
pub(crate) fn scale_invariant(n_digits: usize, context: &Context) -> impl Iterator<Item = NetworkAt> + '_ {
    let rows = INVARIANT.into_iter().map(|(name, kind)| small(name, kind, Activation::Softplus, context));
    let behind_filters = FILTERS.into_iter().map(|(name, kind, activation)| filters(name, kind, activation, context));
    let digits = std::iter::once_with(move || digits_at(n_digits, context));
    rows.chain(behind_filters).chain(digits)
}

/// Random parameters: the initialiser with every scale and shift moved by up to 0.3 (a shift of 0 would hide that gamma
/// alone is not invariant), and every block rescaled to a norm between 1/2 and 2.
pub fn at_random(name: &str, network: Network, generator: &mut Generator) -> NetworkAt {
    let mut theta = network.initialise(generator);
    for x in &mut theta[network.n_weights()..] {
        *x += generator.random_range(-0.3..0.3);
    }
    let layout = network.parameters();
    layout.normalise(&mut theta);
    for i in 0..layout.n_blocks() {
        let size = generator.random_range(0.5..2.0);
        theta[layout.block(i)].iter_mut().for_each(|x| *x *= size);
    }
    NetworkAt::new(name, network, theta)
}

/// A random direction of the given length inside `range`, zero elsewhere.
pub fn direction(n: usize, range: std::ops::Range<usize>, length: f64, generator: &mut Generator) -> Vec<f64> {
    let mut direction: Vec<f64> = vec![0.0; n];
    for x in &mut direction[range] {
        *x = generator.random_range(-1.0..1.0);
    }
    let scale = length / norm_sq(&direction).sqrt();
    direction.iter_mut().for_each(|x| *x *= scale);
    direction
}

/// The instances are built from constants of this package; one that is refused is a bug here, and says which.
pub(crate) fn sound(network: Result<Network, NetworkError>) -> Network {
    network.unwrap_or_else(|error| panic!("an instance of ratecheck itself is unsound: {error}"))
}
