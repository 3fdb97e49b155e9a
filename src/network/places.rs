//! Where in theta everything is: the blocks first, then g.

use std::ops::Range;

use super::Network;
use super::activation::Activation;
use super::layers::Layer;
use super::normalisation::Normalisation;
use crate::parameters::Parameters;

/// Where the parameters of one layer are in theta.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerPlaces {
    /// The rows of W_l: units, or filters.
    pub units: usize,
    /// The entries of a row.
    pub inputs: usize,
    /// W_l, row by row.
    pub weights: Range<usize>,
    /// b_l, if there is one before a normalisation.
    pub bias: Option<Range<usize>>,
    /// gamma_l, if there is one.
    pub gamma: Option<Range<usize>>,
    /// beta_l, if there is one: the bias of a layer without normalisation.
    pub beta: Option<Range<usize>>,
}

impl Network {
    /// Where the parameters of every layer are in theta.
    ///
    /// ```
    /// use ratecheck::data::Dataset;
    /// use ratecheck::loss::Minibatches;
    /// use ratecheck::network::{Activation, Architecture, Network, Normalisation, Objective};
    /// let data = Dataset::new(vec![0.3, -1.0], 2, 1, vec![1.0, -1.0])?;
    /// let architecture = Architecture {
    ///     widths: vec![1, 2, 1],
    ///     normalisation: Normalisation::SmoothedBatchNorm { epsilon: 0.1 },
    ///     activation: Activation::Tanh,
    ///     objective: Objective::Logistic,
    ///     weight_decay: 0.0,
    /// };
    /// let places = Network::new(architecture, data, Minibatches::full(2))?.places();
    /// assert_eq!((places[1].weights.clone(), places[1].beta.clone()), (2..4, Some(9..10)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn places(&self) -> Vec<LayerPlaces> {
        self.layers.iter().map(Layer::places).collect()
    }
}

impl Layer {
    fn places(&self) -> LayerPlaces {
        let vector = |start: Option<usize>| start.map(|start| start..start + self.n_out);
        LayerPlaces {
            units: self.n_out,
            inputs: self.n_in,
            weights: self.weights..self.weights + self.n_in * self.n_out,
            bias: vector(self.bias),
            gamma: vector(self.scale),
            beta: vector(self.shift),
        }
    }

    /// The rows that are one scale-invariant block together; none, if no rows are.
    fn rows_of_a_block(&self, every_row: bool) -> Option<usize> {
        if self.normalisation == Normalisation::None {
            every_row.then_some(1)
        } else {
            Some(self.group_size().unwrap_or(1))
        }
    }

    /// Whether its bias belongs to the block of its weights: under layer normalisation, which subtracts a mean over
    /// units, a bias counts as a weight of a constant input does.
    fn bias_is_weight(&self) -> bool {
        self.bias.is_some() && self.group_size().is_some()
    }
}

/// Whether (gamma, beta) of a layer are scale invariant together: section 2.1, behind a homogeneous activation and
/// before a batch normalisation without epsilon.
fn scales_are_invariant(layer: &Layer, next: Option<&Layer>) -> bool {
    let homogeneous = matches!(layer.activation, None | Some(Activation::Relu | Activation::LeakyRelu { .. }));
    let forgets =
        |next: &Layer| matches!(next.normalisation, Normalisation::BatchNorm | Normalisation::LpBatchNorm { .. });
    homogeneous && layer.scale.is_some() && layer.shift.is_some() && next.is_some_and(forgets)
}

/// Gives every layer its place in theta, and returns what is a block there. With `every_row` the rows of layers without
/// normalisation are listed all the same, so that a control can show that they are not invariant;
/// otherwise they belong to g.
pub(super) fn place(layers: &mut [Layer], every_row: bool) -> Parameters {
    let mut blocks = Vec::new();
    let mut end = 0;
    let mut take = |n: usize| {
        end += n;
        end - n
    };
    for (l, layer) in layers.iter_mut().enumerate() {
        let Some(rows) = layer.rows_of_a_block(every_row) else { continue };
        layer.weights = take(layer.n_in * layer.n_out);
        let mut len = rows * layer.n_in;
        if layer.bias_is_weight() {
            layer.bias = Some(take(layer.n_out));
            len += layer.n_out;
        }
        for k in 0..layer.n_out / rows {
            let name = match rows {
                1 if layer.positions > 1 => format!("W{} filter {}", l + 1, k + 1),
                1 => format!("W{} row {}", l + 1, k + 1),
                r if r == layer.n_out && layer.bias.is_some() => format!("W{0} and b{0}", l + 1),
                r if r == layer.n_out => format!("W{}", l + 1),
                _ => format!("W{} group {}", l + 1, k + 1),
            };
            blocks.push((name, len));
        }
    }
    let in_blocks: Vec<bool> = (0..layers.len()).map(|l| scales_are_invariant(&layers[l], layers.get(l + 1))).collect();
    let vectors = |layer: &mut Layer, take: &mut dyn FnMut(usize) -> usize| {
        for place in [&mut layer.scale, &mut layer.shift].into_iter().flatten() {
            *place = take(layer.n_out);
        }
    };
    for (l, layer) in layers.iter_mut().enumerate().filter(|(l, _)| in_blocks[*l]) {
        vectors(layer, &mut take);
        blocks.push((format!("(gamma, beta) of layer {}", l + 1), 2 * layer.n_out));
    }
    for layer in layers.iter_mut().filter(|layer| layer.rows_of_a_block(every_row).is_none()) {
        layer.weights = take(layer.n_in * layer.n_out);
    }
    for (l, layer) in layers.iter_mut().enumerate() {
        if !layer.bias_is_weight()
            && let Some(place) = &mut layer.bias
        {
            *place = take(layer.n_out);
        }
        if !in_blocks[l] {
            vectors(layer, &mut take);
        }
    }
    let len = end;
    let in_all: usize = blocks.iter().map(|(_, len)| len).sum();
    Parameters::new(blocks, len - in_all)
}

/// For every layer, where its parameters and those of later layers are: as few ranges as possible, in order.
pub(super) fn from_layer_on(layers: &[Layer]) -> Vec<Vec<Range<usize>>> {
    let of = |first: usize| {
        let of_layer = |layer: &Layer| {
            let LayerPlaces { weights, bias, gamma, beta, .. } = layer.places();
            [Some(weights), bias, gamma, beta].into_iter().flatten()
        };
        let mut all: Vec<Range<usize>> = layers[first..].iter().flat_map(of_layer).collect();
        all.sort_by_key(|range| range.start);
        let mut merged: Vec<Range<usize>> = Vec::new();
        for range in all {
            match merged.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => merged.push(range),
            }
        }
        merged
    };
    (0..layers.len()).map(of).collect()
}
