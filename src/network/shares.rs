//! How much of a denominator is epsilon.

use std::ops::Range;

use super::buffers::{contents, inverse};
use super::units::norm_sq;
use super::{Network, Normalisation, rows};
use crate::loss::Workspace;

/// The share of epsilon in s^2 of some units.
#[derive(Clone, Debug, PartialEq)]
pub struct EpsilonShare {
    /// The layer, from 0 and with layers of filters.
    pub layer: usize,
    /// The units that share s: one under batch normalisation,
    /// those of the layer or group under layer and group normalisation.
    pub units: Range<usize>,
    /// epsilon term / (variance + epsilon term), between 0 and 1; the largest over the examples,
    /// where every example has its own s.
    pub share: f64,
}

impl Network {
    /// For all units that are normalised with an epsilon, smoothed or constant, its share in the square of what they
    /// are divided by. Close to 0, epsilon does nothing, and a constant one nearly leaves the weights scale invariant;
    /// close to 1, it is epsilon that the units are divided by.
    ///
    /// ```
    /// use ratecheck::data::Dataset;
    /// use ratecheck::loss::{Minibatches, Workspace};
    /// use ratecheck::network::{Activation, Architecture, Network, Normalisation, Objective};
    /// let data = Dataset::new(vec![1.0, 2.0, 6.0], 3, 1, vec![1.0, -1.0, 1.0])?;
    /// let architecture = Architecture {
    ///     widths: vec![1, 1],
    ///     normalisation: Normalisation::ConstantEpsilonBatchNorm { epsilon: 14.0 },
    ///     activation: Activation::Tanh,
    ///     objective: Objective::Logistic,
    ///     weight_decay: 0.0,
    /// };
    /// let network = Network::new(architecture, data, Minibatches::full(3))?;
    /// // z = x has the variance 14/3, z = 3x nine times as much.
    /// let share = |w: f64| network.epsilon_shares(&[0, 1, 2], &[w, 1.0, 0.0], &mut Workspace::default())[0].share;
    /// assert!((share(1.0) - 0.75).abs() < 1e-15 && (share(3.0) - 0.25).abs() < 1e-15);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// If theta is not of this network.
    pub fn epsilon_shares(&self, z: &[usize], theta: &[f64], work: &mut Workspace<f64>) -> Vec<EpsilonShare> {
        self.forward(z, theta, work);
        let mut shares = Vec::new();
        for (l, layer) in self.layers.iter().enumerate() {
            let inverses = &*contents(&mut work.buffers[inverse(l)]);
            let size = layer.group_size().unwrap_or(1);
            let per_block = if layer.group_size().is_some() { z.len() } else { 1 };
            for (k, inverses) in (0..layer.n_out).step_by(size).zip(inverses.chunks_exact(per_block)) {
                let w_norm_sq = norm_sq::<f64>(theta, layer.weights + k * layer.n_in, size * layer.n_in);
                let Some(added) = layer.normalisation.added(w_norm_sq, size) else { break };
                let largest = (0..per_block).map(|b| rows::single::<f64>(inverses, b)).fold(0.0, f64::max);
                shares.push(EpsilonShare { layer: l, units: k..k + size, share: added * largest * largest });
            }
        }
        shares
    }
    /// The largest s that the units of each layer are divided by, over units and examples; layers without a
    /// normalisation are left out. What is small beside the least of their squares is a small epsilon everywhere.
    ///
    /// # Panics
    /// If theta is not of this network.
    pub fn largest_denominators(&self, z: &[usize], theta: &[f64], work: &mut Workspace<f64>) -> Vec<f64> {
        self.forward(z, theta, work);
        let mut largest = Vec::new();
        for (l, layer) in self.layers.iter().enumerate().filter(|(_, layer)| layer.normalisation != Normalisation::None)
        {
            let inverses = &*contents(&mut work.buffers[inverse(l)]);
            let size = layer.group_size().unwrap_or(1);
            let per_block = if layer.group_size().is_some() { z.len() } else { 1 };
            let smallest = inverses
                .chunks_exact(per_block)
                .take(layer.n_out / size)
                .flat_map(|inverses| (0..per_block).map(|b| rows::single::<f64>(inverses, b)));
            largest.push(1.0 / smallest.fold(f64::INFINITY, f64::min));
        }
        largest
    }
}
