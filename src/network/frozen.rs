//! Networks at work: the statistics of their units are fixed numbers, the same for every example.
//!
//! In training a unit's mean and spread are those of the minibatch. Afterwards an example is judged alone, by
//! statistics that were averaged over minibatches. A unit with fixed statistics is linear, gamma (z - mean)/s + beta,
//! and so is one without normalisation: the frozen network is of that kind,
//! with gamma/s for gamma and beta - gamma mean/s for beta.

use std::ops::Range;
use std::sync::Arc;

use super::buffers::{contents, inverse, mean, output};
use super::{Architecture, LayerSpec, Layered, Network, NetworkError, Normalisation, rows};
use crate::data::Dataset;
use crate::loss::{Minibatches, Workspace};
use crate::scalar::Scalar;

/// The mean and s^2 of every unit, layer after layer: xhat = (z - mean)/s.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitStatistics {
    /// The means.
    pub mean: Vec<f64>,
    /// The squares of s; of batch normalisation the variances, with what it adds to them.
    pub spread_sq: Vec<f64>,
}

impl UnitStatistics {
    /// Replaces them by keep * old + (1 - keep) * new, the running average that frameworks call momentum.
    ///
    /// # Panics
    /// If the numbers of units differ.
    pub fn average(&mut self, keep: f64, new: &Self) {
        let pairs = [(&mut self.mean, &new.mean), (&mut self.spread_sq, &new.spread_sq)];
        for (old, new) in pairs {
            assert_eq!(old.len(), new.len(), "statistics of the same network");
            old.iter_mut().zip(new).for_each(|(old, new)| *old = keep * *old + (1.0 - keep) * new);
        }
    }
}

impl Network {
    /// What the last evaluation with these buffers has found; nothing under layer and group normalisation, which look
    /// at every example alone.
    ///
    /// # Panics
    /// If this network has evaluated nothing with these buffers.
    pub fn unit_statistics<S: Scalar>(&self, work: &mut Workspace<S>) -> Option<UnitStatistics> {
        let mut found = UnitStatistics { mean: Vec::new(), spread_sq: Vec::new() };
        for (l, layer) in self.layers.iter().enumerate() {
            if layer.group_size().is_some() {
                return None;
            }
            let means = contents(&mut work.buffers[mean(l)]);
            found.mean.extend((0..layer.n_out).map(|k| rows::single::<S>(means, k).value()));
            let inverses = contents(&mut work.buffers[inverse(l)]);
            found.spread_sq.extend((0..layer.n_out).map(|k| rows::single::<S>(inverses, k).value().powi(-2)));
        }
        Some(found)
    }

    /// The network at theta with fixed statistics, on other data, and its parameters.
    ///
    /// ```
    /// use ratecheck::data::digits;
    /// use ratecheck::loss::{Loss, Minibatches, Workspace};
    /// use ratecheck::network::{Activation, Architecture, Network, Normalisation, Objective};
    /// use ratecheck::random::Seed;
    ///
    /// let data = digits().standardised();
    /// let architecture = Architecture {
    ///     widths: vec![64, 8, 10],
    ///     normalisation: Normalisation::BatchNorm,
    ///     activation: Activation::Relu,
    ///     objective: Objective::CrossEntropy,
    ///     weight_decay: 0.0,
    /// };
    /// let network = Network::new(architecture, data.first(500), Minibatches::full(500))?;
    /// let theta = network.initialise(&mut Seed::new(1).generator("start"));
    /// let (mut work, z): (_, Vec<usize>) = (Workspace::default(), (0..500).collect());
    /// let right = network.count_right(&z, &theta, &mut work);
    /// let statistics = network.unit_statistics(&mut work).expect("statistics of units");
    /// // On the examples that the statistics are of, the frozen network says the same.
    /// let (frozen, theta) = network.frozen(&theta, &statistics, data.first(500))?;
    /// assert_eq!(frozen.count_right(&z, &theta, &mut Workspace::default()), right);
    /// // It judges an example the same alone and among others.
    /// let alone: usize = z.iter().map(|&i| frozen.count_right(&[i], &theta, &mut work)).sum();
    /// assert_eq!(alone, right);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the data do not fit.
    ///
    /// # Panics
    /// If theta or the statistics are not of this network.
    pub fn frozen(
        &self,
        theta: &[f64],
        statistics: &UnitStatistics,
        data: impl Into<Arc<Dataset>>,
    ) -> Result<(Self, Vec<f64>), NetworkError> {
        assert_eq!(theta.len(), self.parameters.len(), "theta has the length of the layout");
        let mut units = statistics.mean.iter().zip(&statistics.spread_sq);
        let mut scales = Vec::new();
        let mut folded = Vec::new();
        for layer in self.places() {
            folded.extend_from_slice(&theta[layer.weights]);
            let vector = |place: Option<Range<usize>>, absent: f64| {
                place.map_or_else(|| vec![absent; layer.units], |place| theta[place].to_vec())
            };
            let (mut gammas, mut betas) = (vector(layer.gamma, 1.0), vector(layer.beta, 0.0));
            let biases = layer.bias.map(|place| &theta[place]);
            for (k, (gamma, beta)) in gammas.iter_mut().zip(&mut betas).enumerate() {
                let (mean, spread_sq) = units.next().expect("statistics of every unit");
                *gamma /= spread_sq.sqrt();
                *beta -= *gamma * biases.map_or(*mean, |bias| mean - bias[k]);
            }
            scales.extend([gammas, betas].concat());
        }
        folded.extend(scales);
        let data = data.into();
        let architecture =
            Architecture { normalisation: Normalisation::None, weight_decay: 0.0, ..self.architecture.clone() };
        architecture.validate(&data)?;
        let plain = |spec| LayerSpec { bias: false, normalisation: Normalisation::None, affine: true, ..spec };
        let layers = self.layered.layers.iter().copied().map(plain).collect();
        let layered = Layered { layers, weight_decay: 0.0, ..self.layered.clone() };
        layered.validate(&data)?;
        let minibatches = Minibatches::full(data.n_examples());
        Ok((Self::build(architecture, layered, self.differ, data, minibatches)?, folded))
    }

    /// theta with gamma = 1 in every layer.
    pub fn with_unit_scales(&self, theta: &[f64]) -> Vec<f64> {
        let mut theta = theta.to_vec();
        self.places().into_iter().filter_map(|layer| layer.gamma).for_each(|gamma| theta[gamma].fill(1.0));
        theta
    }

    /// How many of the examples z have their largest output at their label; an output that is not a number is never the
    /// largest. Of one output, how many have the sign of their label.
    pub fn count_right(&self, z: &[usize], theta: &[f64], work: &mut Workspace) -> usize {
        self.right(z, theta, work)
    }

    /// [`Network::count_right`] in single precision.
    pub fn count_right_in_single(&self, z: &[usize], theta: &[f32], work: &mut Workspace<f32>) -> usize {
        self.right(z, theta, work)
    }

    fn right<S: Scalar>(&self, z: &[usize], theta: &[S], work: &mut Workspace<S>) -> usize {
        self.forward(z, theta, work);
        let batch = z.len();
        let layer = self.layers.len() - 1;
        let outputs = contents(&mut work.buffers[output(layer)]);
        let value = |k: usize, b: usize| S::load(&outputs[k * S::PLANES * batch..][..S::PLANES * batch], b).value();
        let is_right = |&(b, &example): &(usize, &usize)| {
            let label = self.data.labels()[example];
            let rest = 1..self.layers[layer].n_out;
            if rest.is_empty() {
                return value(0, b) * label > 0.0;
            }
            let largest = rest.fold(0, |best, k| if value(k, b) > value(best, b) { k } else { best });
            label == largest as f64 && value(largest, b).is_finite()
        };
        z.iter().enumerate().filter(is_right).count()
    }
}
