//! The fully normalised feed-forward networks of section 2.1.
//!
//! Layout of arrays: features major, the minibatch contiguous; of images, position by position. A layer computes z = W
//! x, normalises every unit (or every example, for layer and group normalisation), scales by gamma, shifts by beta and
//! applies the activation; there is none after the last layer. Forward and backward are written once over [`Scalar`]
//! and allocate nothing after the first call.

mod activation;
mod architecture;
mod buffers;
mod frozen;
mod image;
mod layers;
mod normalisation;
mod objective;
mod pass;
mod places;
mod products;
mod rounding;
mod rows;
mod shares;
mod statistics;
mod threads;
mod units;
mod vgg;

pub use activation::Activation;
pub use architecture::{Architecture, Convolution, Convolutions, NetworkError, NetworkPart};
pub use frozen::UnitStatistics;
pub use image::Image;
pub use layers::{LayerKind, LayerSpec, Layered};
pub use normalisation::{Epsilon, Lp, Normalisation};
pub use objective::Objective;
pub use places::LayerPlaces;
pub use rounding::{Rounding, Undefined};
pub use shares::EpsilonShare;

use std::ops::Range;
use std::sync::Arc;

use rand::RngExt;

use crate::data::Dataset;
use crate::loss::{Arithmetics, Further, Loss, Minibatches, Over, Setting, Workspace, compiled};
use crate::parameters::Parameters;
use crate::random::Generator;
use crate::scalar::{DoubleDouble, Dual, Eight, Interval, Scalar, Tangents};
use image::TAPS;
use layers::{Layer, Reads};

/// A network on a data set: F_z(theta) = mean over the minibatch z of f_y(network(x)) + (lambda/2) ||g||^2.
///
/// The flat order of theta is W_1 row-major, ..., W_L, then gamma_1, beta_1, ..., gamma_L, beta_L; that of layers that
/// are not alike is described at [`Layered`].
///
/// ```
/// use ratecheck::data::Dataset;
/// use ratecheck::loss::{Minibatches, Over};
/// use ratecheck::network::{Activation, Architecture, Network, Normalisation, Objective};
///
/// let data = Dataset::new(vec![0.3, -1.0, 0.8, 2.0], 4, 1, vec![1.0, -1.0, 1.0, -1.0])?;
/// let architecture = Architecture {
///     widths: vec![1, 1],
///     normalisation: Normalisation::SmoothedBatchNorm { epsilon: 0.1 },
///     activation: Activation::Tanh,
///     objective: Objective::Logistic,
///     weight_decay: 0.0,
/// };
/// let network = Network::new(architecture, data, Minibatches::full(4))?;
/// let z = [0, 1, 2, 3];
/// // theta = (w, gamma, beta); only the direction of w matters.
/// let loss = network.sample_loss(&z, &[0.5, 1.0, 0.1]);
/// assert_eq!(loss, network.sample_loss(&z, &[4.0, 1.0, 0.1]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Network {
    architecture: Architecture,
    convolutions: Option<Convolutions>,
    /// The same layer by layer.
    layered: Layered,
    /// Whether the layers are not alike.
    differ: bool,
    layers: Vec<Layer>,
    /// Where the parameters of a layer and of those behind it are.
    from_layer_on: Vec<Vec<Range<usize>>>,
    parameters: Parameters,
    data: Arc<Dataset>,
    minibatches: Minibatches,
}

impl Network {
    /// A network of this architecture on these data.
    ///
    /// # Errors
    /// If the architecture makes no sense, or does not fit the data or the minibatches.
    pub fn new(
        architecture: Architecture,
        data: impl Into<Arc<Dataset>>,
        minibatches: Minibatches,
    ) -> Result<Self, NetworkError> {
        Self::alike(architecture, None, data.into(), minibatches)
    }

    /// The same behind layers of filters.
    ///
    /// ```
    /// use ratecheck::data::digits;
    /// use ratecheck::loss::{Minibatches, Setting};
    /// use ratecheck::network::{
    ///     Activation, Architecture, Convolution, Convolutions, Image, Network, Normalisation, Objective,
    /// };
    ///
    /// let architecture = Architecture {
    ///     widths: vec![64, 10],
    ///     normalisation: Normalisation::BatchNorm,
    ///     activation: Activation::Relu,
    ///     objective: Objective::CrossEntropy,
    ///     weight_decay: 0.0,
    /// };
    /// let filters = Convolutions {
    ///     image: Image { channels: 1, height: 8, width: 8 },
    ///     layers: vec![Convolution { filters: 4, pooled: true }, Convolution { filters: 6, pooled: true }],
    /// };
    /// let network = Network::convolutional(architecture, filters, digits().standardised(), Minibatches::full(100))?;
    /// // Filters, rows of the dense layer, and (gamma, beta) of both layers of filters.
    /// assert_eq!(network.parameters().n_blocks(), 4 + 6 + 10 + 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Network::new`], and if the filters do not fit the images.
    pub fn convolutional(
        architecture: Architecture,
        convolutions: Convolutions,
        data: impl Into<Arc<Dataset>>,
        minibatches: Minibatches,
    ) -> Result<Self, NetworkError> {
        Self::alike(architecture, Some(convolutions), data.into(), minibatches)
    }

    /// A network whose layers need not be alike. Where they are, and normalised, it is that of [`Network::new`] or
    /// [`Network::convolutional`].
    ///
    /// ```
    /// use ratecheck::data::Dataset;
    /// use ratecheck::loss::{Minibatches, Setting};
    /// use ratecheck::network::{Activation, Epsilon, LayerKind, LayerSpec, Layered, Network, Normalisation, Objective};
    ///
    /// let data = Dataset::new(vec![0.3, -1.0, 0.8, 2.0], 4, 1, vec![0.0, 1.0, 0.0, 1.0])?;
    /// let hidden = LayerSpec {
    ///     kind: LayerKind::Dense { units: 3 },
    ///     bias: false,
    ///     normalisation: Normalisation::LayerNorm { epsilon: Epsilon::Constant(1e-5) },
    ///     affine: true,
    ///     activation: Some(Activation::Gelu),
    /// };
    /// let last = LayerSpec {
    ///     kind: LayerKind::Dense { units: 2 },
    ///     bias: true,
    ///     normalisation: Normalisation::None,
    ///     affine: false,
    ///     activation: None,
    /// };
    /// let objective = Objective::CrossEntropy;
    /// let layered = Layered { image: None, layers: vec![hidden, last], objective, weight_decay: 0.0 };
    /// let network = Network::layered(layered, data, Minibatches::full(4))?;
    /// // The matrix of the first layer is a block; the other one belongs to g, with gamma_1, beta_1 and the last bias.
    /// assert_eq!((network.parameters().n_blocks(), network.parameters().g()), (1, 3..3 + 6 + 3 + 3 + 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Network::convolutional`], and if a layer has a bias that means nothing there.
    pub fn layered(
        layered: Layered,
        data: impl Into<Arc<Dataset>>,
        minibatches: Minibatches,
    ) -> Result<Self, NetworkError> {
        let data = data.into();
        layered.validate(&data)?;
        let (architecture, alike) = layered.common(data.n_features());
        Self::build(architecture, layered, !alike, data, minibatches)
    }

    fn alike(
        architecture: Architecture,
        convolutions: Option<Convolutions>,
        data: Arc<Dataset>,
        minibatches: Minibatches,
    ) -> Result<Self, NetworkError> {
        architecture.validate(&data)?;
        let layered = architecture.layered(convolutions.as_ref());
        layered.validate(&data)?;
        Self::build(architecture, layered, false, data, minibatches)
    }

    fn build(
        architecture: Architecture,
        layered: Layered,
        differ: bool,
        data: Arc<Dataset>,
        minibatches: Minibatches,
    ) -> Result<Self, NetworkError> {
        if minibatches.n_examples() > data.n_examples() {
            let message = format!(
                "minibatches over {} examples, but the data have {}",
                minibatches.n_examples(),
                data.n_examples()
            );
            return Err(NetworkError::new(NetworkPart::Minibatches, message));
        }
        let mut layers = layered.shapes(data.n_features());
        let parameters = places::place(&mut layers, !differ);
        Ok(Self {
            from_layer_on: places::from_layer_on(&layers),
            convolutions: layered.convolutions(),
            layered,
            differ,
            architecture,
            layers,
            parameters,
            data,
            minibatches,
        })
    }

    /// What the network is made of. Where [`Network::layers_differ`] it has the widths of the dense layers, the
    /// objective and the decay, and [`Normalisation::None`] for the normalisation:
    /// nothing that holds for one of all layers is promised.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// What each layer is made of.
    pub fn layers(&self) -> &Layered {
        &self.layered
    }

    /// Whether [`Network::layers`] says more than [`Network::architecture`] and [`Network::convolutions`].
    pub fn layers_differ(&self) -> bool {
        self.differ
    }

    /// The same network under another normalisation of all its layers.
    ///
    /// # Errors
    /// If the normalisation does not fit the widths, or the layers are not alike.
    pub fn with_normalisation(&self, normalisation: Normalisation) -> Result<Self, NetworkError> {
        if self.differ {
            let message = "the layers have normalisations of their own, which cannot be exchanged for another one";
            return Err(NetworkError::new(NetworkPart::Normalisation, message));
        }
        let architecture = Architecture { normalisation, ..self.architecture.clone() };
        Self::alike(architecture, self.convolutions.clone(), self.data.clone(), self.minibatches.clone())
    }

    /// The same network with every normalisation exchanged for what `of` makes of it, layers that differ included.
    ///
    /// # Errors
    /// If one does not fit.
    pub fn with_normalisations(&self, of: impl Fn(Normalisation) -> Normalisation) -> Result<Self, NetworkError> {
        if !self.differ {
            return self.with_normalisation(of(self.architecture.normalisation));
        }
        let mut layered = self.layered.clone();
        layered.layers.iter_mut().for_each(|layer| layer.normalisation = of(layer.normalisation));
        Self::layered(layered, self.data.clone(), self.minibatches.clone())
    }

    /// The layers of filters, if there are any.
    pub fn convolutions(&self) -> Option<&Convolutions> {
        self.convolutions.as_ref()
    }

    /// The data set.
    pub fn data(&self) -> &Dataset {
        &self.data
    }

    /// L, layers of filters included.
    pub fn n_layers(&self) -> usize {
        self.layers.len()
    }

    /// The number of entries of W_1..W_L together. They come first in theta, if the layers are alike; otherwise see
    /// [`Network::places`].
    pub fn n_weights(&self) -> usize {
        self.layers.iter().map(|layer| layer.n_in * layer.n_out).sum()
    }

    /// The same network and data under another distribution of z.
    #[must_use]
    pub fn with_minibatches(&self, minibatches: Minibatches) -> Self {
        Self { minibatches, ..self.clone() }
    }

    /// The epsilon that is added to variances as it is, whatever the weights, in the first layer that has one.
    pub fn constant_epsilon(&self) -> Option<f64> {
        self.layers.iter().find_map(|layer| layer.normalisation.constant())
    }

    /// A start: W Glorot uniform (variance 2 / (inputs + outputs), both counted once for every tap of a filter),
    /// gamma = 1, beta and every bias 0.
    pub fn initialise(&self, generator: &mut Generator) -> Vec<f64> {
        let mut theta = vec![0.0; self.parameters.len()];
        for layer in &self.layers {
            let taps = if matches!(layer.reads, Reads::Patches(_)) { TAPS } else { 1 };
            let limit = (6.0 / (layer.n_in + taps * layer.n_out) as f64).sqrt();
            for w in &mut theta[layer.weights..layer.weights + layer.n_in * layer.n_out] {
                *w = generator.random_range(-limit..limit);
            }
            if let Some(scale) = layer.scale {
                theta[scale..scale + layer.n_out].fill(1.0);
            }
        }
        theta
    }

    /// (lambda/2) ||g||^2.
    fn decay<S: Scalar>(&self, theta: &[S]) -> S {
        let lambda = self.architecture.weight_decay;
        if lambda > 0.0 { rows::sum_of_squares(&theta[self.parameters.g()]).scale(0.5 * lambda) } else { S::ZERO }
    }
}

/// The two that [`compiled`] makes a loss of.
impl Network {
    fn value<S: Scalar>(&self, z: &[usize], theta: &[S]) -> S {
        self.forward(z, theta, &mut Workspace::default()) + self.decay(theta)
    }

    fn gradient<S: Scalar>(&self, z: &[usize], theta: &[S], grad: &mut [S], work: &mut Workspace<S>) -> S {
        let value = self.forward(z, theta, work);
        self.backward(z.len() / S::RUNS, theta, grad, work);
        let lambda = self.architecture.weight_decay;
        if lambda > 0.0 {
            rows::add_scaled(&mut grad[self.parameters.g()], &theta[self.parameters.g()], lambda);
        }
        value + self.decay(theta)
    }
}

compiled!(
    Network: f64, f32, Eight, Dual<f64>, Dual<Dual<f64>>, Tangents<8>, Interval, Dual<Interval>, Dual<Dual<Interval>>,
    DoubleDouble, Dual<DoubleDouble>
);

impl Setting for Network {
    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn minibatches(&self) -> &Minibatches {
        &self.minibatches
    }
}

impl Arithmetics for Network {
    /// All but l_inf batch normalisation, which divides by the entry that is largest in the middle of the box, and
    /// pooling, which keeps the one that is.
    fn encloses(&self) -> bool {
        let largest = Normalisation::LpBatchNorm { p: Lp::Infinity };
        self.layers.iter().all(|layer| layer.normalisation != largest && layer.pooled.is_none())
    }
}

impl Loss for Network {
    fn further(&self) -> Further<'_> {
        Further::Formula(self)
    }

    /// The layer, from 0.
    fn stage(&self, parameter: usize) -> usize {
        self.layers.iter().position(|layer| layer.unit_of(parameter).is_some()).unwrap_or(0)
    }

    /// All but l_inf batch normalisation and pooling, where a value chooses what is computed.
    fn lockstep(&self) -> Option<&dyn Over<Eight>> {
        self.encloses().then_some(self)
    }

    fn gains_in_lockstep(&self) -> bool {
        // About six arrays of eight numbers for every unit and example: one megabyte and a half.
        let units: usize = self.layers.iter().map(|layer| layer.positions * layer.n_out).sum();
        let entries = self.minibatches.batch_size() * (self.architecture.widths[0] + units);
        self.encloses() && entries <= 4096
    }
}
