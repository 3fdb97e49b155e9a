//! The normalisations: what makes the weights in front of them scale invariant.

use std::fmt;

use super::rows::{self, Lanes, REST, Sum, splat, sweep};
use super::statistics::largest;
use crate::scalar::Scalar;

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

impl fmt::Display for Normalisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with = |f: &mut fmt::Formatter<'_>, of: &str, epsilon: &Epsilon| match epsilon {
            Epsilon::None => write!(f, "{of} normalisation without epsilon"),
            Epsilon::Smoothed(epsilon) => write!(f, "{of} normalisation smoothed by {epsilon} ||W||^2"),
            Epsilon::Constant(epsilon) => write!(f, "{of} normalisation with epsilon {epsilon}"),
        };
        match self {
            Self::SmoothedBatchNorm { epsilon } => write!(f, "batch normalisation smoothed by {epsilon} ||w||^2"),
            Self::BatchNorm => f.write_str("batch normalisation without epsilon"),
            Self::ConstantEpsilonBatchNorm { epsilon } => write!(f, "batch normalisation with epsilon {epsilon}"),
            Self::LpBatchNorm { p: Lp::One } => f.write_str("l1 batch normalisation"),
            Self::LpBatchNorm { p: Lp::Four } => f.write_str("l4 batch normalisation"),
            Self::LpBatchNorm { p: Lp::Infinity } => f.write_str("l_inf batch normalisation"),
            Self::LayerNorm { epsilon } => with(f, "layer", epsilon),
            Self::GroupNorm { epsilon, .. } => with(f, "group", epsilon),
            Self::WeightNorm => f.write_str("weight normalisation"),
            Self::None => f.write_str("no normalisation"),
        }
    }
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
    pub(super) fn weight_share(self) -> f64 {
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

    /// Whether nothing but a spread is divided by.
    pub(super) fn divides_by_spread_alone(self) -> bool {
        self != Self::None && self.constant().is_none() && self.weight_share() == 0.0
    }

    /// What epsilon adds to the variance of `units` units whose weights have the squared norm `w_norm_sq`; nothing, if
    /// there is none.
    pub(super) fn added(self, w_norm_sq: f64, units: usize) -> Option<f64> {
        let smoothing = || Some(self.weight_share() * w_norm_sq / units as f64);
        self.constant()
            .or_else(|| if self == Self::WeightNorm || self.weight_share() == 0.0 { None } else { smoothing() })
    }

    /// Replaces the row dL/dy of one unit by dL/dz. `sums` holds sum_b dL/dy_b and sum_b dL/dy_b xhat_b. Returns the
    /// factor c in dL/dw += c (w p), the part of the gradient that comes through ||w||^2, where p is the [`power_of`]
    /// 1/s.
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
        if tau == 0.0 {
            return S::ZERO;
        }
        let inverse = if inverse.square().is_safe() { inverse } else { inverse / power_of(inverse) };
        -(factor * inverse * sum_xhat).scale(tau)
    }

    /// Layer and group normalisation: replaces the rows dL/dy of one group by dL/dz. `bn_scale` gives the group's
    /// gammas. Returns c in dL/dW_group += c (W_group p), where p is the [`power_of`] the first 1/s.
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
        let safe = S::load(inverse, 0).square().is_safe();
        let power = power_of(S::load(inverse, 0));
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
            let inverse_sq = if safe { inverse_b.square() } else { inverse_b * (inverse_b / power) };
            coefficient -= sum_xhat.over(units) * inverse_sq;
        }
        coefficient.scale(self.weight_share())
    }
}

/// A power of two p near 1/s where the square of 1/s is not safe, and 1 where it is: 1/s^2 times a weight, which is
/// near s at most, is then the product of 1/(p s^2) and p times the weight.
pub(super) fn power_of<S: Scalar>(inverse: S) -> S {
    if inverse.square().is_safe() { S::ONE } else { inverse.power_of_two() }
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
