//! What rounding makes of an evaluation in `f64`: units without a spread, errors of normalised values, and the sizes of
//! what the gradient is a sum of.

use std::fmt;
use std::ops::Range;

use super::Network;
use super::activation::Activation;
use super::buffers::{INPUT, contents, inverse, output, pooled, slope, xhat};
use super::layers::{Layer, Reads};
use super::normalisation::{Lp, Normalisation};
use super::objective::Objective;
use super::statistics::rounding_of_spread;
use crate::loss::{Setting, Workspace};

/// u of `f64`.
const U: f64 = f64::EPSILON / 2.0;

/// How far rounding reaches at one point.
#[derive(Clone, Debug, PartialEq)]
pub struct Rounding {
    /// What a normalised value, which has the size of 1, may be off by; to first order, and at most.
    ///
    /// With n inputs, z = sum_j w_j x_j is off by (n + 2) u sum_j |w_j x_j| and, for inputs off by e, by e sum_j |w_j|
    /// more; what is divided by s is off by twice as much, since the mean is; and the next layer's inputs by that times
    /// |gamma s'(y)|. The largest over all layers, and B u for the sums over the minibatch. For plain data it is the
    /// ratio of mean and spread that counts.
    pub error: f64,
    /// For every parameter the sum of the sizes of the terms that its derivative is a sum of: sums of d x over the
    /// minibatch, where d is a difference itself, and neither cancels here. What rounding is relative to where the
    /// gradient vanishes. Nothing for networks with filters.
    pub summands: Option<Vec<f64>>,
}

/// Why a network has no value at a point.
#[derive(Clone, Debug, PartialEq)]
pub enum Undefined {
    /// What a normalisation without epsilon divides by is nothing but rounding.
    NoSpread {
        /// The layer, from 0.
        layer: usize,
        /// The units that share it.
        units: Range<usize>,
        /// The place in the minibatch, if every example has its own.
        example: Option<usize>,
        /// The spread that was found.
        spread: f64,
        /// What rounding alone may make of a spread of 0.
        rounding: f64,
        /// B.
        batch: usize,
    },
    /// A value is beyond the largest number.
    Overflow {
        /// The layer, from 0.
        layer: usize,
        /// A unit.
        unit: usize,
    },
}

impl fmt::Display for Undefined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSpread { layer, units, example: None, batch: 1, .. } => write!(
                f,
                "layer {}, unit {} has no spread over a minibatch of one example, and no epsilon",
                layer + 1,
                units.start + 1
            ),
            Self::NoSpread { layer, units, example, spread, rounding, .. } => {
                write!(f, "layer {}, ", layer + 1)?;
                match example {
                    None => write!(f, "unit {} has no spread over the minibatch", units.start + 1)?,
                    Some(example) => write!(
                        f,
                        "units {} to {} have no spread over the units, in example {}",
                        units.start + 1,
                        units.end,
                        example + 1
                    )?,
                }
                let spread = if *spread > 0.0 { format!("{spread:.1e}") } else { "0".to_owned() };
                write!(f, ", and no epsilon: {spread} is not above the rounding of its terms, {rounding:.1e}")
            }
            Self::Overflow { layer, unit } => {
                write!(f, "layer {}, unit {}: a value overflows, or its square does", layer + 1, unit + 1)
            }
        }
    }
}

impl std::error::Error for Undefined {}

/// What the last evaluation has left of one layer.
struct Kept<'a> {
    layer: &'a Layer,
    batch: usize,
    /// The values that the layer reads, as they lie in the buffer.
    source: &'a [f64],
    xhat: &'a [f64],
    out: &'a [f64],
    slope: &'a [f64],
    inverse: &'a [f64],
    theta: &'a [f64],
}

impl Network {
    /// How far rounding reaches at theta, on the examples z.
    ///
    /// ```
    /// use ratecheck::data::Dataset;
    /// use ratecheck::loss::Minibatches;
    /// use ratecheck::network::{Activation, Architecture, Network, Normalisation, Objective, Undefined};
    /// let of = |inputs: [f64; 4]| {
    ///     let data = Dataset::new(inputs.to_vec(), 4, 1, vec![1.0, -1.0, 1.0, -1.0])?;
    ///     let architecture = Architecture {
    ///         widths: vec![1, 1],
    ///         normalisation: Normalisation::BatchNorm,
    ///         activation: Activation::Tanh,
    ///         objective: Objective::Logistic,
    ///         weight_decay: 0.0,
    ///     };
    ///     let network = Network::new(architecture, data, Minibatches::full(4))?;
    ///     Ok::<_, Box<dyn std::error::Error>>(network.rounding(&[0, 1, 2, 3], &[0.3, 1.0, 0.0]))
    /// };
    /// assert!(of([1.0, 2.0, 6.0, 3.0])?.is_ok_and(|found| found.error < 1e-14));
    /// assert!(of([1e6 + 1.0, 1e6 + 2.0, 1e6 + 6.0, 1e6 + 3.0])?.is_ok_and(|found| found.error > 1e-10));
    /// assert!(matches!(of([98765432.1; 4])?, Err(Undefined::NoSpread { layer: 0, .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The first unit that has no value.
    ///
    /// # Panics
    /// If theta is not of this network.
    pub fn rounding(&self, z: &[usize], theta: &[f64]) -> Result<Rounding, Undefined> {
        let mut work = Workspace::<f64>::default();
        self.forward(z, theta, &mut work);
        let buffers = work.buffers.iter_mut().map(|buffer| &*contents(buffer)).collect::<Vec<_>>();
        let kept = |l: usize| Kept {
            layer: &self.layers[l],
            batch: z.len(),
            source: match l.checked_sub(1) {
                None => buffers[INPUT],
                Some(before) if self.layers[before].pooled.is_some() => buffers[pooled(before)],
                Some(before) => buffers[output(before)],
            },
            xhat: buffers[xhat(l)],
            out: buffers[output(l)],
            slope: buffers[slope(l)],
            inverse: buffers[inverse(l)],
            theta,
        };
        let layers: Vec<Kept<'_>> = (0..self.layers.len()).map(kept).collect();
        let (mut of_inputs, mut error) = (0.0, 0.0_f64);
        for (l, layer) in layers.iter().enumerate() {
            let of_xhat = layer.errors(l, of_inputs)?;
            error = of_xhat.iter().fold(error, |most, &x| most.max(x));
            of_inputs = layer.errors_of_outputs(&of_xhat);
        }
        let plain = self.layers.iter().all(|layer| layer.reads == Reads::Rows && layer.pooled.is_none());
        let summands = plain.then(|| self.summands(&layers, &work.labels, theta));
        Ok(Rounding { error: U * (error + z.len() as f64), summands })
    }

    /// The backward pass on sizes alone.
    fn summands(&self, layers: &[Kept<'_>], labels: &[f64], theta: &[f64]) -> Vec<f64> {
        let mut sums: Vec<f64> = vec![0.0; theta.len()];
        let mut d = layers.last().map_or_else(Vec::new, |last| self.architecture.objective.sizes(last.out, labels));
        for kept in layers.iter().rev() {
            let (layer, batch) = (kept.layer, kept.batch);
            for (at, d) in d.iter_mut().enumerate() {
                *d *= kept.slope_at(at).abs();
            }
            for k in 0..layer.n_out {
                let dy = &d[k * batch..][..batch];
                let along = dy.iter().zip(&kept.xhat[k * batch..]).map(|(d, x)| d * x.abs()).sum::<f64>();
                layer.scale.into_iter().for_each(|scale| sums[scale + k] += along);
                layer.shift.into_iter().for_each(|shift| sums[shift + k] += dy.iter().sum::<f64>());
            }
            let through_weights = kept.sizes_before(&mut d);
            let mut before = vec![0.0; layer.n_in * batch];
            for k in 0..layer.n_out {
                let dz = &d[k * batch..][..batch];
                layer.bias.into_iter().for_each(|bias| sums[bias + k] += dz.iter().sum::<f64>());
                for j in 0..layer.n_in {
                    let at = layer.weights + k * layer.n_in + j;
                    let (w, x) = (theta[at].abs(), &kept.source[j * batch..][..batch]);
                    sums[at] += dz.iter().zip(x).map(|(d, x)| d * x.abs()).sum::<f64>() + through_weights[k] * w;
                    before[j * batch..][..batch].iter_mut().zip(dz).for_each(|(before, d)| *before += w * d);
                }
            }
            d = before;
        }
        let lambda = self.architecture.weight_decay;
        self.parameters().g().for_each(|i| sums[i] += lambda * theta[i].abs());
        sums
    }
}

impl Kept<'_> {
    /// In units of u, what xhat of every unit is off by at most; or why there is none.
    fn errors(&self, l: usize, of_inputs: f64) -> Result<Vec<f64>, Undefined> {
        let Self { layer, batch, source, .. } = *self;
        let largest_input = source.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
        let (positions, size) = (layer.positions, layer.group_size());
        let mut errors = vec![0.0_f64; layer.n_out];
        for units in (0..layer.n_out).step_by(size.unwrap_or(1)).map(|k| k..k + size.unwrap_or(1)) {
            // One s for all examples, or one for each.
            for b in 0..if size.is_some() { batch } else { 1 } {
                let examples = if size.is_some() { b..b + 1 } else { 0..batch };
                let (mut terms, mut weights) = (0.0_f64, 0.0_f64);
                for k in units.clone() {
                    let w = &self.theta[layer.weights + k * layer.n_in..][..layer.n_in];
                    let sum_of_weights = w.iter().map(|w| w.abs()).sum::<f64>();
                    let bias = layer.bias.map_or(0.0, |bias| self.theta[bias + k].abs());
                    let of = |b: usize| match layer.reads {
                        Reads::Rows => w.iter().enumerate().map(|(j, w)| (w * source[j * batch + b]).abs()).sum(),
                        _ => sum_of_weights * largest_input,
                    };
                    terms = examples.clone().map(of).fold(terms, |most: f64, x: f64| most.max(x + bias));
                    weights = weights.max(sum_of_weights);
                }
                let inverse = match size {
                    Some(size) => self.inverse[units.start / size * batch + b],
                    None => self.inverse[units.start],
                };
                let (spread, rounding) = (1.0 / inverse, rounding_of_spread::<f64>(layer.n_in) * terms);
                let alone = layer.normalisation.divides_by_spread_alone();
                if !(terms * batch as f64).is_finite() {
                    return Err(Undefined::Overflow { layer: l, unit: units.start });
                }
                if alone && !(spread > rounding) {
                    let example = size.map(|_| b);
                    let spread = if spread.is_finite() { spread } else { 0.0 };
                    return Err(Undefined::NoSpread { layer: l, units, example, spread, rounding, batch });
                }
                let values = |k: usize| self.xhat[k * positions * batch..][..positions * batch].iter();
                if let Some(unit) = units.clone().find(|&k| !values(k).all(|x| x.is_finite())) {
                    return Err(Undefined::Overflow { layer: l, unit });
                }
                let of_z = (layer.n_in + 2) as f64 * terms + weights * of_inputs;
                units.clone().for_each(|k| errors[k] = errors[k].max(2.0 * of_z * inverse));
            }
        }
        Ok(errors)
    }

    /// In units of u, what the outputs are off by at most.
    fn errors_of_outputs(&self, of_xhat: &[f64]) -> f64 {
        let row = self.layer.positions * self.batch;
        let mut most = 0.0_f64;
        for (k, of_xhat) in of_xhat.iter().enumerate() {
            let bn_scale = self.bn_scale(k);
            for at in k * row..(k + 1) * row {
                let of_y = bn_scale * (of_xhat + self.xhat[at].abs());
                most = most.max(self.slope_at(at).abs() * of_y + self.out[at].abs());
            }
        }
        most
    }

    /// |gamma| of unit k.
    fn bn_scale(&self, k: usize) -> f64 {
        self.layer.scale.map_or(1.0, |scale| self.theta[scale + k].abs())
    }

    /// s'(y).
    fn slope_at(&self, at: usize) -> f64 {
        match self.layer.activation {
            None => 1.0,
            Some(Activation::Tanh) => 1.0 - self.out[at] * self.out[at],
            Some(Activation::Sigmoid) => self.out[at] * (1.0 - self.out[at]),
            Some(Activation::Relu) => f64::from(u8::from(self.out[at] > 0.0)),
            Some(_) => self.slope[at],
        }
    }

    /// Replaces the sizes of dL/dy by those of dL/dz, and returns that of c in dL/dw += c w for every unit.
    fn sizes_before(&self, d: &mut [f64]) -> Vec<f64> {
        let Self { layer, batch, .. } = *self;
        let normalisation = layer.normalisation;
        let tau = normalisation.weight_share();
        let mut through_weights = vec![0.0; layer.n_out];
        for k in 0..layer.n_out {
            d[k * batch..][..batch].iter_mut().for_each(|d| *d *= self.bn_scale(k));
        }
        if let Some(size) = layer.group_size() {
            for (group, first) in (0..layer.n_out).step_by(size).enumerate() {
                for b in 0..batch {
                    let places = || (first..first + size).map(|k| k * batch + b);
                    let inverse = self.inverse[group * batch + b];
                    let mean = places().map(|at| d[at]).sum::<f64>() / size as f64;
                    let along = places().map(|at| d[at] * self.xhat[at].abs()).sum::<f64>() / size as f64;
                    places().for_each(|at| d[at] = inverse * (d[at] + mean + self.xhat[at].abs() * along));
                    (first..first + size).for_each(|k| through_weights[k] += tau * along * inverse * inverse);
                }
            }
            return through_weights;
        }
        for k in 0..layer.n_out {
            let (d, xhat, inverse) = (&mut d[k * batch..][..batch], &self.xhat[k * batch..][..batch], self.inverse[k]);
            let mean = d.iter().sum::<f64>() / batch as f64;
            let along = d.iter().zip(xhat).map(|(d, x)| d * x.abs()).sum::<f64>() / batch as f64;
            through_weights[k] = tau * along * batch as f64 * inverse * inverse;
            // What mean and spread depend on, by row: the sizes of phi and of its mean, under an l_p norm.
            let largest = xhat.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
            let phi = |x: f64| match normalisation {
                Normalisation::LpBatchNorm { p: Lp::One } => 2.0,
                Normalisation::LpBatchNorm { p: Lp::Four } => x.abs().powi(3) + largest.powi(3),
                Normalisation::LpBatchNorm { p: Lp::Infinity } => {
                    1.0 + if x.abs() == largest { batch as f64 } else { 0.0 }
                }
                _ => x.abs(),
            };
            let centres = !matches!(normalisation, Normalisation::None | Normalisation::WeightNorm);
            let more = |x: f64| if centres { mean + phi(x) * along } else { 0.0 };
            d.iter_mut().zip(xhat).for_each(|(d, &x)| *d = inverse * (*d + more(x)));
        }
        through_weights
    }
}

impl Objective {
    /// The sizes of what d(mean f_y)/d(out) is a difference of, row by row.
    fn sizes(self, out: &[f64], labels: &[f64]) -> Vec<f64> {
        let batch = labels.len();
        let rows = out.len() / batch;
        let size = |at: usize| {
            let (k, b) = (at / batch, at % batch);
            let (x, label) = (out[at], labels[b]);
            let target = if rows == 1 { label } else { f64::from(u8::from(label == k as f64)) };
            let size = match self {
                Self::Logistic => 1.0 / (1.0 + libm::exp(label * x)),
                Self::Squared => x.abs() + target.abs(),
                Self::CrossEntropy => {
                    let total = (0..rows).map(|j| libm::exp(out[j * batch + b] - x)).sum::<f64>();
                    1.0 / total + target
                }
            };
            size / batch as f64
        };
        (0..out.len()).map(size).collect()
    }
}
