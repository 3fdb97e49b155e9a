//! The normalisations: what makes the weights in front of them scale invariant.

use super::rows::{self, Lanes, REST, Sum, splat, sweep};
use crate::scalar::{Scalar, vectorised_for};

/// The norm in l_p batch normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lp {
    /// The mean absolute deviation.
    One,
    /// The fourth root of the mean fourth power.
    Four,
    /// The largest absolute deviation.
    Infinity,
}

/// What is added to the variance over the units of an example, in layer and group normalisation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Epsilon {
    /// Nothing: s^2 = var.
    None,
    /// s^2 = var + epsilon ||W||_F^2 / units, with the weights of the units that var is over: scale invariant,
    /// as (8) is.
    Smoothed(f64),
    /// s^2 = var + epsilon, as PyTorch, Keras and JAX have it: not scale invariant.
    Constant(f64),
}

/// What stands after a linear map z = W x. In an [`Architecture`](super::Architecture) every one is followed by a scale
/// gamma and a shift beta per unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Normalisation {
    /// (8): (z - mean) / sqrt(var + epsilon ||w||^2), statistics over the minibatch (biased variance).
    SmoothedBatchNorm {
        /// The smoothing, > 0.
        epsilon: f64,
    },
    /// (3): (z - mean) / sqrt(var).
    BatchNorm,
    /// (7): (z - mean) / sqrt(var + epsilon), which breaks scale invariance: a control.
    ConstantEpsilonBatchNorm {
        /// The constant, > 0.
        epsilon: f64,
    },
    /// (z - mean) / (mean |z - mean|^p)^(1/p).
    LpBatchNorm {
        /// Which p.
        p: Lp,
    },
    /// Over the units of a layer, for each example: (z - mean) / sqrt(var + what [`Epsilon`] says),
    /// with the biased variance.
    LayerNorm {
        /// What is added to the variance.
        epsilon: Epsilon,
    },
    /// As layer normalisation, over each of `groups` equal groups of neighbouring units.
    GroupNorm {
        /// The number of groups; it divides the number of units.
        groups: usize,
        /// What is added to the variance.
        epsilon: Epsilon,
    },
    /// z / ||w||: the direction of weight normalisation.
    WeightNorm,
    /// z as it is: not scale invariant, a control.
    None,
}

impl Normalisation {
    /// What is refused for a layer of so many units, dense or not.
    pub(super) fn validate(self, units: usize, dense: bool) -> Result<(), String> {
        let positive = |epsilon: f64| match epsilon > 0.0 && epsilon.is_finite() {
            true => Ok(()),
            false => Err(format!("epsilon {epsilon}: give a finite number > 0")),
        };
        if let Self::GroupNorm { groups, .. } = self
            && (groups == 0 || !units.is_multiple_of(groups))
        {
            return Err(format!("{groups} groups do not divide a layer of {units} units"));
        }
        match self {
            Self::SmoothedBatchNorm { epsilon } | Self::ConstantEpsilonBatchNorm { epsilon } => positive(epsilon),
            Self::LayerNorm { epsilon } | Self::GroupNorm { epsilon, .. } => match epsilon {
                Epsilon::None if dense && self.group_size(units) == Some(1) => {
                    Err("a single unit has no variance: give more units, or an epsilon".to_owned())
                }
                Epsilon::None => Ok(()),
                Epsilon::Smoothed(epsilon) | Epsilon::Constant(epsilon) => positive(epsilon),
            },
            Self::BatchNorm | Self::LpBatchNorm { .. } | Self::WeightNorm | Self::None => Ok(()),
        }
    }

    /// Units whose statistics are shared: `None` if every unit has its own, over the minibatch.
    pub(super) fn group_size(self, n_out: usize) -> Option<usize> {
        match self {
            Self::LayerNorm { .. } => Some(n_out),
            Self::GroupNorm { groups, .. } => Some(n_out / groups),
            _ => None,
        }
    }

    /// tau in s^2 = spread^2 + tau ||w||^2.
    fn weight_share(self) -> f64 {
        match self {
            Self::SmoothedBatchNorm { epsilon }
            | Self::LayerNorm { epsilon: Epsilon::Smoothed(epsilon) }
            | Self::GroupNorm { epsilon: Epsilon::Smoothed(epsilon), .. } => epsilon,
            Self::WeightNorm => 1.0,
            _ => 0.0,
        }
    }

    /// The part of s^2 that is neither variance nor made of weights.
    pub(super) fn constant(self) -> Option<f64> {
        match self {
            Self::ConstantEpsilonBatchNorm { epsilon }
            | Self::LayerNorm { epsilon: Epsilon::Constant(epsilon) }
            | Self::GroupNorm { epsilon: Epsilon::Constant(epsilon), .. } => Some(epsilon),
            _ => None,
        }
    }

    /// What epsilon adds to the variance of `units` units whose weights have the squared norm `w_norm_sq`; nothing,
    /// if there is none.
    pub(super) fn added(self, w_norm_sq: f64, units: usize) -> Option<f64> {
        let smoothing = || Some(self.weight_share() * w_norm_sq / units as f64);
        self.constant()
            .or_else(|| if self == Self::WeightNorm || self.weight_share() == 0.0 { None } else { smoothing() })
    }

    /// Subtracts its mean from the row z of one unit, if the normalisation does, and returns the mean and s^2:
    /// xhat = (z - mean)/s.
    #[inline(always)]
    pub(super) fn unit_statistics<S: Scalar>(self, z: &mut [S::Base], w_norm_sq: S) -> [S; 2] {
        let batch = rows::batch::<S>(z);
        if matches!(self, Self::None) {
            return [S::ZERO, S::ONE];
        }
        let (mut mean, mut spread_sq) = (S::ZERO, S::ZERO);
        if !matches!(self, Self::WeightNorm) {
            let mut sum = Sum::<S>::new();
            sweep!(S: batch, K, C, b => { sum.add::<C, K>(Lanes::load(z, b)); });
            mean = sum.total().over(batch);
            let mut sum_sq = Sum::<S>::new();
            sweep!(S: batch, K, C, b => {
                let centred = Lanes::<S, K>::load(z, b) - splat(mean);
                centred.store(z, b);
                sum_sq.add_square::<C, K>(centred);
            });
            let variance = sum_sq.total().over(batch);
            spread_sq = match self {
                Self::LpBatchNorm { p } => spread::<S>(z, p).square(),
                Self::ConstantEpsilonBatchNorm { epsilon } => variance + S::from_f64(epsilon),
                _ => variance,
            };
        }
        [mean, spread_sq + w_norm_sq.scale(self.weight_share())]
    }

    /// Replaces the row dL/dy of one unit by dL/dz. `sums` holds sum_b dL/dy_b and sum_b dL/dy_b xhat_b. Returns the
    /// factor c in dL/dw += c w, the part of the gradient that comes through ||w||^2.
    #[inline(always)]
    pub(super) fn unit_backward<S: Scalar>(
        self,
        d: &mut [S::Base],
        xhat: &[S::Base],
        bn_scale: S,
        inverse: S,
        [sum, sum_xhat]: [S; 2],
    ) -> S {
        let batch = rows::batch::<S>(xhat);
        let d = &mut d[..xhat.len()];
        let factor = bn_scale * inverse;
        let (mean, mean_xhat) = (sum.over(batch), sum_xhat.over(batch));
        match self {
            Self::None | Self::WeightNorm => {
                sweep!(S: batch, K, b => { (splat(factor) * Lanes::<S, K>::load(d, b)).store(d, b); });
            }
            Self::LpBatchNorm { p } => lp_backward(d, xhat, factor, mean, mean_xhat, p),
            _ => {
                sweep!(S: batch, K, b => {
                    let centred = Lanes::<S, K>::load(d, b) - splat(mean);
                    let across = Lanes::load(xhat, b).mul_add(splat(-mean_xhat), centred);
                    (splat(factor) * across).store(d, b);
                });
            }
        }
        let tau = self.weight_share();
        if tau == 0.0 { S::ZERO } else { -(factor * inverse * sum_xhat).scale(tau) }
    }

    /// Layer and group normalisation: replaces the rows z of one group by xhat; `inverse` receives 1/s for every
    /// example. Values of an example stand `batch` numbers apart: one per unit, or as many as an image has positions.
    pub(super) fn group_forward<S: Scalar>(
        self,
        z: &mut [S::Base],
        inverse: &mut [S::Base],
        w_norm_sq: S,
        positions: usize,
    ) {
        vectorised_for::<S, _>(
            #[inline(always)]
            || {
                let (batch, row) = (rows::batch::<S>(inverse), positions * inverse.len());
                let units = z.len() / row;
                let count = units * positions;
                let added = match self.constant() {
                    Some(epsilon) => S::from_f64(epsilon),
                    None => w_norm_sq.scale(self.weight_share()).over(units),
                };
                for b in 0..batch {
                    let places = || (0..positions).map(|p| p * batch + b);
                    let mut sum = S::ZERO;
                    for z in z.chunks_exact(row) {
                        for at in places() {
                            sum += S::load(z, at);
                        }
                    }
                    let mean = sum.over(count);
                    let mut sum_sq = S::ZERO;
                    for z in z.chunks_exact_mut(row) {
                        for at in places() {
                            let centred = S::load(z, at) - mean;
                            centred.store(z, at);
                            sum_sq += centred.square();
                        }
                    }
                    let inverse_b = (sum_sq.over(count) + added).sqrt().recip();
                    inverse_b.store(inverse, b);
                    for z in z.chunks_exact_mut(row) {
                        for at in places() {
                            (S::load(z, at) * inverse_b).store(z, at);
                        }
                    }
                }
            },
        );
    }

    /// Layer and group normalisation: replaces the rows dL/dy of one group by dL/dz. `bn_scale` gives the group's
    /// gammas. Returns c in dL/dW_group += c W_group.
    pub(super) fn group_backward<S: Scalar>(
        self,
        d: &mut [S::Base],
        xhat: &[S::Base],
        inverse: &[S::Base],
        positions: usize,
        bn_scale: impl Fn(usize) -> S,
    ) -> S {
        let (batch, row) = (rows::batch::<S>(inverse), positions * inverse.len());
        let units = xhat.len() / row;
        let count = units * positions;
        let mut coefficient = S::ZERO;
        for b in 0..batch {
            let places = || (0..positions).map(|p| p * batch + b);
            let (mut sum, mut sum_xhat) = (S::ZERO, S::ZERO);
            for (k, (d, xhat)) in d.chunks_exact_mut(row).zip(xhat.chunks_exact(row)).enumerate() {
                for at in places() {
                    let scaled = bn_scale(k) * S::load(d, at);
                    scaled.store(d, at);
                    sum += scaled;
                    sum_xhat += scaled * S::load(xhat, at);
                }
            }
            let (mean, mean_xhat) = (sum.over(count), sum_xhat.over(count));
            let inverse_b = S::load(inverse, b);
            for (d, xhat) in d.chunks_exact_mut(row).zip(xhat.chunks_exact(row)) {
                for at in places() {
                    (inverse_b * (S::load(d, at) - mean - S::load(xhat, at) * mean_xhat)).store(d, at);
                }
            }
            // Of one position this is the mean over units: smoothing is shared by the units, not by positions.
            coefficient -= sum_xhat.over(units) * inverse_b.square();
        }
        coefficient.scale(self.weight_share())
    }
}

/// (mean |z|^p)^(1/p) of a centred row.
#[inline(always)]
fn spread<S: Scalar>(z: &[S::Base], p: Lp) -> S {
    let batch = rows::batch::<S>(z);
    let mean_of = |f: fn(S) -> S| {
        let mut sum = Sum::new();
        sweep!(S: batch, K, C, b => { sum.add::<C, K>(Lanes::load(z, b).map(f)); });
        sum.total().over(batch)
    };
    match p {
        Lp::One => mean_of(S::abs),
        Lp::Four => mean_of(|x| x.square().square()).sqrt().sqrt(),
        Lp::Infinity => S::load(z, largest::<S>(z)).abs(),
    }
}

/// Where |z| is largest (the first, on a tie).
#[inline(always)]
fn largest<S: Scalar>(z: &[S::Base]) -> usize {
    let size = |b: usize| S::load(z, b).value().abs();
    (1..rows::batch::<S>(z)).fold(0, |best, b| if size(b) > size(best) { b } else { best })
}

/// ds/dz_b = phi(xhat_b)/B with phi(x) = sign(x) |x|^(p-1), for a centred row; then centring.
#[inline(always)]
fn lp_backward<S: Scalar>(d: &mut [S::Base], xhat: &[S::Base], factor: S, mean: S, mean_xhat: S, p: Lp) {
    let batch = rows::batch::<S>(xhat);
    let top = largest::<S>(xhat);
    let phi = |b: usize| -> S {
        let x = S::load(xhat, b);
        match p {
            Lp::One => x.sign(),
            Lp::Four => x * x * x,
            Lp::Infinity if b == top => x.sign().scale(batch as f64),
            Lp::Infinity => S::ZERO,
        }
    };
    let mut sum = Sum::new();
    for b in 0..batch {
        sum.add::<REST, 1>(Lanes([phi(b)]));
    }
    let mean_phi = sum.total().over(batch);
    for b in 0..batch {
        let centred = S::load(d, b) - mean - (phi(b) - mean_phi) * mean_xhat;
        (factor * centred).store(d, b);
    }
}
