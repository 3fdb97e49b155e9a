//! Networks layer by layer: what each is made of, and its place in theta.

use super::activation::Activation;
use super::architecture::{Architecture, Convolution, Convolutions, NetworkError, NetworkPart};
use super::image::{Image, TAPS};
use super::normalisation::Normalisation;
use super::objective::Objective;
use super::statistics::Weights;
use crate::data::Dataset;

/// The linear map of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerKind {
    /// So many units that read everything.
    Dense {
        /// The rows of W.
        units: usize,
    },
    /// 3x3 filters on images.
    Filters(Convolution),
}

/// One layer: z = W x, plus a bias; normalised; times gamma, plus beta; through the activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerSpec {
    /// The linear map.
    pub kind: LayerKind,
    /// Whether z = W x + b. Without normalisation, b is the beta of this layer. Batch normalisation subtracts it again.
    pub bias: bool,
    /// What makes W scale invariant, if anything does.
    pub normalisation: Normalisation,
    /// Whether gamma and beta follow, as parameters; otherwise they are 1 and 0, and no parameters.
    pub affine: bool,
    /// The activation, if there is one.
    pub activation: Option<Activation>,
}

/// A network whose layers need not be alike, for [`Network::layered`](super::Network::layered).
///
/// In theta come first the scale-invariant blocks: the weights of the normalised layers in their order, each W_l row by
/// row (and after it b_l, under layer normalisation, since only both together are invariant), and the pairs (gamma_l,
/// beta_l) that are blocks. Then comes g: the weights of the layers without normalisation, which are not invariant, and
/// what is left of b_l, gamma_l and beta_l, layer by layer.
/// [`Network::places`](super::Network::places) says where everything is.
#[derive(Clone, Debug, PartialEq)]
pub struct Layered {
    /// The shape of the inputs, if the first layers are filters.
    pub image: Option<Image>,
    /// First to last: filters, if any, then at least one dense layer.
    pub layers: Vec<LayerSpec>,
    /// The objective f_y.
    pub objective: Objective,
    /// lambda in (lambda/2) ||g||^2, added to every F_z.
    pub weight_decay: f64,
}

/// How the outputs of the layer before become the rows that W multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    /// As they are.
    Rows,
    /// As 3x3 patches of images of this shape.
    Patches(Image),
    /// Position by position, from images of this shape.
    Flat(Image),
}

/// One layer's place in theta and its shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layer {
    pub(super) reads: Reads,
    /// The entries of a row of W.
    pub(super) n_in: usize,
    /// The rows of W.
    pub(super) n_out: usize,
    /// Values of each unit in an example: the positions of its image, or 1.
    pub(super) positions: usize,
    /// The shape before pooling, if there is pooling.
    pub(super) pooled: Option<Image>,
    pub(super) normalisation: Normalisation,
    /// None: the outputs are what is normalised, scaled and shifted.
    pub(super) activation: Option<Activation>,
    /// Where W (n_out x n_in, row-major) starts.
    pub(super) weights: usize,
    /// Where what is added before the normalisation (n_out) starts, if anything is.
    pub(super) bias: Option<usize>,
    /// Where gamma (n_out) starts, if it is not 1.
    pub(super) scale: Option<usize>,
    /// Where beta (n_out) starts, if it is not 0.
    pub(super) shift: Option<usize>,
}

impl Layer {
    /// The unit that a parameter belongs to, if it is one of this layer.
    pub(super) fn unit_of(&self, parameter: usize) -> Option<usize> {
        let in_weights = parameter.checked_sub(self.weights).filter(|at| *at < self.n_in * self.n_out);
        let vectors = [self.scale, self.shift, self.bias];
        let of_vector = |start: usize| parameter.checked_sub(start).filter(|at| *at < self.n_out);
        in_weights.map(|at| at / self.n_in).or_else(|| vectors.into_iter().flatten().find_map(of_vector))
    }

    /// The weights in front of some units, from unit k on.
    #[inline(always)]
    pub(super) fn weights_of<'a, T>(&self, k: usize, units: usize, theta: &'a [T]) -> Weights<'a, T> {
        Weights { theta, start: self.weights + k * self.n_in, len: units * self.n_in, n_in: self.n_in }
    }

    /// Units that share their statistics: `None` if every unit has its own.
    pub(super) fn group_size(&self) -> Option<usize> {
        self.normalisation.group_size(self.n_out)
    }

    /// Whether s'(y) is kept from the forward pass.
    pub(super) fn keeps_slope(&self) -> bool {
        self.activation.is_some_and(Activation::keeps_slope)
    }
}

impl Architecture {
    /// The same, layer by layer.
    pub(super) fn layered(&self, convolutions: Option<&Convolutions>) -> Layered {
        let kinds = convolutions.iter().flat_map(|filters| filters.layers.iter().copied().map(LayerKind::Filters));
        let kinds = kinds.chain(self.widths.iter().skip(1).map(|&units| LayerKind::Dense { units }));
        let layer = |kind| LayerSpec {
            kind,
            bias: false,
            normalisation: self.normalisation,
            affine: true,
            activation: Some(self.activation),
        };
        let mut layers: Vec<LayerSpec> = kinds.map(layer).collect();
        if let Some(last) = layers.last_mut() {
            last.activation = None;
        }
        Layered {
            image: convolutions.map(|filters| filters.image),
            layers,
            objective: self.objective,
            weight_decay: self.weight_decay,
        }
    }
}

impl Layered {
    /// Inputs and the units of the dense layers.
    fn widths(&self, inputs: usize) -> Vec<usize> {
        let dense = self.layers.iter().filter_map(|layer| match layer.kind {
            LayerKind::Dense { units } => Some(units),
            LayerKind::Filters(_) => None,
        });
        [inputs].into_iter().chain(dense).collect()
    }

    /// The layers of filters.
    pub(super) fn convolutions(&self) -> Option<Convolutions> {
        let filters = self.layers.iter().filter_map(|layer| match layer.kind {
            LayerKind::Filters(filters) => Some(filters),
            LayerKind::Dense { .. } => None,
        });
        self.image.map(|image| Convolutions { image, layers: filters.collect() })
    }

    /// What the layers have in common, and whether that is all there is to say: whether they are those of an
    /// [`Architecture`] with a normalisation.
    pub(super) fn common(&self, inputs: usize) -> (Architecture, bool) {
        let first = self.layers[0];
        let (hidden, activation) = (self.layers.len() > 1, first.activation.unwrap_or(Activation::Tanh));
        let architecture = Architecture {
            widths: self.widths(inputs),
            normalisation: first.normalisation,
            activation,
            objective: self.objective,
            weight_decay: self.weight_decay,
        };
        let alike = first.normalisation != Normalisation::None
            && (!hidden || first.activation.is_some())
            && architecture.layered(self.convolutions().as_ref()) == *self;
        let normalisation = if alike { first.normalisation } else { Normalisation::None };
        (Architecture { normalisation, ..architecture }, alike)
    }

    /// The layers, not yet in their places: a row of W_l is a filter of all its taps, channel by channel, if the layer
    /// is one of filters.
    pub(super) fn shapes(&self, inputs: usize) -> Vec<Layer> {
        let mut layers = Vec::new();
        let (mut reads, mut n_in) = (Reads::Rows, inputs);
        let mut image = self.image;
        for spec in &self.layers {
            let (n_out, positions, pooled);
            match (spec.kind, image) {
                (LayerKind::Filters(Convolution { filters, pooled: pools }), Some(shape)) => {
                    let made = Image { channels: filters, ..shape };
                    (reads, n_in) = (Reads::Patches(shape), TAPS * shape.channels);
                    (n_out, positions, pooled) = (filters, shape.positions(), pools.then_some(made));
                    image = Some(if pools { made.pooled() } else { made });
                }
                (LayerKind::Filters(Convolution { filters: units, .. }) | LayerKind::Dense { units }, _) => {
                    if let Some(image) = image.take() {
                        (reads, n_in) = (Reads::Flat(image), image.len());
                    }
                    (n_out, positions, pooled) = (units, 1, None);
                }
            }
            let plain = spec.normalisation == Normalisation::None;
            let present = |is: bool| is.then_some(0);
            layers.push(Layer {
                reads,
                n_in,
                n_out,
                positions,
                pooled,
                normalisation: spec.normalisation,
                activation: spec.activation,
                weights: 0,
                bias: present(spec.bias && !plain),
                scale: present(spec.affine),
                shift: present(spec.affine || spec.bias && plain),
            });
            (reads, n_in) = (Reads::Rows, n_out);
        }
        layers
    }

    /// What is refused.
    pub(super) fn validate(&self, data: &Dataset) -> Result<(), NetworkError> {
        let of = |part: NetworkPart| move |message: String| NetworkError::new(part, message);
        let widths = self.widths(data.n_features());
        if widths.len() < 2 || widths.contains(&0) {
            let message = format!("widths {widths:?}: give the inputs and at least one layer, none of width 0");
            return Err(NetworkError::new(NetworkPart::Widths, message));
        }
        self.validate_filters(data.n_features())?;
        if !(self.weight_decay >= 0.0 && self.weight_decay.is_finite()) {
            let message = format!("weight decay {} is not a finite number >= 0", self.weight_decay);
            return Err(NetworkError::new(NetworkPart::WeightDecay, message));
        }
        for (l, layer) in self.layers.iter().enumerate() {
            let (units, dense) = match layer.kind {
                LayerKind::Dense { units } => (units, true),
                LayerKind::Filters(Convolution { filters, .. }) => (filters, false),
            };
            let fail = |part, message| Err(NetworkError::new(part, message).in_layer(l));
            layer.normalisation.validate(units, dense).or_else(|why| fail(NetworkPart::Normalisation, why))?;
            layer.validate_bias().or_else(|why| fail(NetworkPart::Bias, why))?;
        }
        let outputs = widths[widths.len() - 1];
        self.objective.check_outputs(outputs).map_err(of(NetworkPart::Objective))?;
        for (i, &label) in data.labels().iter().enumerate() {
            let at = |reason: String| NetworkError::new(NetworkPart::Objective, format!("example {i}: {reason}"));
            self.objective.check_label(outputs, label).map_err(at)?;
        }
        Ok(())
    }

    /// What is refused of filters.
    fn validate_filters(&self, inputs: usize) -> Result<(), NetworkError> {
        let fail = |message: String| NetworkError::new(NetworkPart::Convolutions, message);
        let is_dense = |layer: &LayerSpec| matches!(layer.kind, LayerKind::Dense { .. });
        let n_filters = self.layers.iter().take_while(|layer| !is_dense(layer)).count();
        if let Some(l) = self.layers.iter().skip(n_filters).position(|layer| !is_dense(layer)) {
            return Err(
                fail("filters stand behind a dense layer, which leaves no image".to_owned()).in_layer(n_filters + l)
            );
        }
        let Some(mut image) = self.image else {
            let message = "filters read images: say of which shape";
            return if n_filters == 0 { Ok(()) } else { Err(fail(message.to_owned()).in_layer(0)) };
        };
        if image.len() != inputs {
            let Image { channels, height, width } = image;
            return Err(fail(format!("images of {channels} x {height} x {width} are not {inputs} inputs")));
        }
        let layers = self.convolutions().map_or_else(Vec::new, |filters| filters.layers);
        if layers.is_empty() || layers.iter().any(|layer| layer.filters == 0) {
            return Err(fail("give at least one layer of filters, none without a filter".to_owned()));
        }
        for (l, layer) in layers.iter().enumerate() {
            if !layer.pooled {
                continue;
            }
            let Image { height, width, .. } = image;
            if !(height.is_multiple_of(2) && width.is_multiple_of(2)) {
                let message =
                    format!("layer {} cannot be pooled: {height} x {width} is not made of 2 x 2 squares", l + 1);
                return Err(fail(message).in_layer(l));
            }
            image = image.pooled();
        }
        Ok(())
    }
}

impl LayerSpec {
    /// Where a bias means something, and something of its own.
    fn validate_bias(&self) -> Result<(), String> {
        let why = match self.normalisation {
            _ if !self.bias => return Ok(()),
            Normalisation::None if self.affine => "beta is the bias of a layer without normalisation",
            Normalisation::WeightNorm => "beta is the bias of a layer under weight normalisation",
            Normalisation::GroupNorm { groups, .. } if groups > 1 => {
                "a bias in front of group normalisation is invariant only together with the rows of its group, which \
                 it does not stand beside"
            }
            _ => return Ok(()),
        };
        Err(why.to_owned())
    }
}
