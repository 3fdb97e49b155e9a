//! Means and spreads: what a row is normalised by.
//!
//! **Means.** The mean of a row is rounded before it is subtracted, so that what is left has a mean too: u times the
//! ratio of mean and spread, in units of the spread. The backward pass would multiply it by inputs of that very ratio.
//! It is found together with the spread, and taken out together with the division: as accurate as inputs that were
//! centred first, and no loop longer.
//!
//! **Scales.** Where squares leave the numbers with room for derivatives ([`SAFE`](crate::scalar::Planes::SAFE)), row
//! and weights are divided by a power of two first. That is exact: the bits are those of any other scale.
//!
//! **No spread.** A spread that may be nothing but rounding is 0. With n inputs, each value of a row is off by (n + 2)
//! u of its size at most: products and sums, the input and the result themselves. Two values of a row that ought to be
//! one differ by twice as much.

use super::normalisation::{Lp, Normalisation};
use super::rows::{self, Lanes, Sum, splat, sweep};
use super::units::norm_sq;
use crate::scalar::{Scalar, vectorised_for};

/// The weights in front of the rows at hand, in theta.
#[derive(Clone, Copy)]
pub(super) struct Weights<'a, T> {
    pub(super) theta: &'a [T],
    pub(super) start: usize,
    pub(super) len: usize,
    /// The entries of a row of W.
    pub(super) n_in: usize,
}

/// What a row is normalised by: its values are rest + s xhat.
pub(super) struct Statistics<S> {
    /// The mean of z.
    pub(super) mean: S,
    /// What of it is still in the row.
    pub(super) rest: S,
    /// s^2 of the row as it is now.
    pub(super) spread_sq: S,
    /// A power of two that the row was divided by, if it was.
    pub(super) unit: Option<S>,
    /// What is still to be subtracted from the row: the mean, or nothing.
    pub(super) left: S,
}

/// How small a spread may be beside the mean, in theory alone: see the first lines.
pub(super) fn rounding_of_spread<S: Scalar>(n_in: usize) -> f64 {
    2.0 * (n_in + 2) as f64 * S::ROUNDING
}

/// What is left of a mean, and the variance around it, from the sums over a row that is centred but for rounding.
#[inline(always)]
fn moments<S: Scalar>([sum, sum_sq]: [S; 2], count: usize) -> [S; 2] {
    if S::ROUNDING == 0.0 {
        return [S::ZERO, sum_sq.over(count)];
    }
    let rest = sum.over(count);
    [rest, sum_sq.over(count) - rest.square()]
}

impl Normalisation {
    /// The mean of the row z of one unit, if the normalisation subtracts it.
    #[inline(always)]
    pub(super) fn unit_mean<S: Scalar>(self, z: &[S::Base]) -> S {
        if matches!(self, Self::None | Self::WeightNorm) {
            return S::ZERO;
        }
        let batch = rows::batch::<S>(z);
        let mut sum = Sum::<S>::new();
        sweep!(S: batch, K, C, b => { sum.add::<C, K>(Lanes::load(z, b)); });
        sum.total().over(batch)
    }

    /// Subtracts its mean from the row z of one unit, but for [`Statistics::rest`]. Where that is [`Statistics::left`]
    /// to the next loop over the row, the row is not written.
    #[inline(always)]
    pub(super) fn unit_statistics<S: Scalar>(
        self,
        z: &mut [S::Base],
        mean: S,
        weights: Weights<'_, S::Base>,
    ) -> Statistics<S> {
        let mut found = Statistics { mean, rest: S::ZERO, spread_sq: S::ZERO, unit: None, left: S::ZERO };
        if matches!(self, Self::None) {
            return Statistics { spread_sq: S::ONE, ..found };
        }
        if !matches!(self, Self::WeightNorm) {
            let batch = rows::batch::<S>(z);
            let leaves = S::WIDE && !matches!(self, Self::LpBatchNorm { .. });
            if leaves {
                found.left = mean;
            }
            let (mut sum, mut sum_sq) = (Sum::<S>::new(), Sum::<S>::new());
            sweep!(S: batch, K, C, b => {
                let centred = Lanes::<S, K>::load(z, b) - splat(mean);
                if !leaves {
                    centred.store(z, b);
                }
                if S::ROUNDING > 0.0 {
                    sum.add::<C, K>(centred);
                }
                sum_sq.add_square::<C, K>(centred);
            });
            self.spread(z, [sum.total(), sum_sq.total()], &mut found, weights.n_in);
        }
        if self.weight_share() != 0.0 {
            found.spread_sq += norm_sq::<S>(weights.theta, weights.start, weights.len).scale(self.weight_share());
        }
        if found.spread_sq.is_safe() { found } else { self.lift_unit(z, weights, found) }
    }

    /// s^2 but for the weights, from the sums over a row that is centred but for rounding.
    #[inline(always)]
    fn spread<S: Scalar>(self, z: &mut [S::Base], sums: [S; 2], found: &mut Statistics<S>, n_in: usize) {
        let batch = rows::batch::<S>(z);
        let [rest, variance] = moments(sums, batch);
        (found.rest, found.spread_sq) = (rest, variance);
        if let Self::LpBatchNorm { p } = self {
            // A row that is lifted now has lost the rest of its mean already.
            if S::ROUNDING > 0.0 && found.unit.is_none() {
                sweep!(S: batch, K, b => { (Lanes::<S, K>::load(z, b) - splat(rest)).store(z, b); });
            }
            found.rest = S::ZERO;
            found.spread_sq = spread::<S>(z, p).square();
        }
        found.spread_sq = self.with_constant(found.spread_sq, found.mean, found.unit, n_in);
    }

    /// A square of a spread, and what is neither a spread nor made of weights; of a spread alone, 0 if it may be
    /// rounding. The square is in units of `unit`, the mean is not.
    #[inline(always)]
    fn with_constant<S: Scalar>(self, spread_sq: S, mean: S, unit: Option<S>, n_in: usize) -> S {
        if let Some(epsilon) = self.constant() {
            let epsilon = S::from_f64(epsilon);
            return spread_sq + unit.map_or(epsilon, |unit| epsilon / unit / unit);
        }
        if S::ROUNDING == 0.0 || !self.divides_by_spread_alone() {
            return spread_sq;
        }
        let mean = unit.map_or(mean, |unit| mean / unit);
        spread_sq.above(mean.scale(rounding_of_spread::<S>(n_in)).square())
    }

    /// A power of two near the largest of some sizes: of weights that the spread depends on, of epsilon, and of
    /// `largest`.
    fn common_unit<S: Scalar>(self, mut largest: S, weights: Weights<'_, S::Base>) -> S {
        if self.weight_share() != 0.0 {
            for i in weights.start..weights.start + weights.len {
                largest = largest.larger(S::load(weights.theta, i).abs());
            }
        }
        largest.larger(S::from_f64(self.constant().unwrap_or(0.0).sqrt())).power_of_two()
    }

    /// ||w||^2 in units of `unit`, times its share.
    fn lifted_weights<S: Scalar>(self, weights: Weights<'_, S::Base>, unit: S) -> S {
        let mut sum_sq = Sum::<S>::new();
        if self.weight_share() != 0.0 {
            let lift = unit.recip();
            sweep!(S: weights.len, K, C, i => {
                let w = Lanes::<S, K>::load(weights.theta, weights.start + i) * splat(lift);
                sum_sq.add_square::<C, K>(w);
            });
        }
        sum_sq.total().scale(self.weight_share())
    }

    /// The statistics of a row again, divided by a power of two first.
    #[cold]
    #[inline(never)]
    fn lift_unit<S: Scalar>(
        self,
        z: &mut [S::Base],
        weights: Weights<'_, S::Base>,
        mut found: Statistics<S>,
    ) -> Statistics<S> {
        let batch = rows::batch::<S>(z);
        let centred = !matches!(self, Self::WeightNorm);
        if S::WIDE {
            let left = std::mem::replace(&mut found.left, S::ZERO);
            (0..batch).for_each(|b| (S::load(z, b) - left).store(z, b));
        }
        let sizes = (0..batch).filter(|_| centred).map(|b| S::load(z, b).abs());
        let unit = self.common_unit(sizes.fold(S::ZERO, S::larger), weights);
        let lift = unit.recip();
        found.unit = Some(unit);
        // Fused and summed as before: runs side by side that need no lift have the same bits as ever.
        vectorised_for::<S, _>(
            #[inline(always)]
            || {
                let (mut sum, mut sum_sq) = (Sum::<S>::new(), Sum::<S>::new());
                sweep!(S: batch, K, C, b => {
                    let lifted = Lanes::<S, K>::load(z, b) * splat(lift);
                    lifted.store(z, b);
                    sum.add::<C, K>(lifted);
                    sum_sq.add_square::<C, K>(lifted);
                });
                found.spread_sq = S::ZERO;
                if centred {
                    self.spread(z, [sum.total(), sum_sq.total()], &mut found, weights.n_in);
                }
                found.spread_sq += self.lifted_weights(weights, unit);
            },
        );
        found
    }

    /// Layer and group normalisation: replaces the rows z of one group by xhat; `inverse` receives 1/s for every
    /// example. Values of an example stand `batch` numbers apart: one per unit, or as many as an image has positions.
    pub(super) fn group_forward<S: Scalar>(
        self,
        z: &mut [S::Base],
        inverse: &mut [S::Base],
        weights: Weights<'_, S::Base>,
        positions: usize,
    ) {
        vectorised_for::<S, _>(
            #[inline(always)]
            || {
                let (batch, row) = (rows::batch::<S>(inverse), positions * inverse.len());
                let units = z.len() / row;
                let count = units * positions;
                let mut of_weights = S::ZERO;
                if self.weight_share() != 0.0 {
                    of_weights = norm_sq::<S>(weights.theta, weights.start, weights.len).scale(self.weight_share());
                }
                for b in 0..batch {
                    let places = || (0..positions).map(|p| p * batch + b);
                    let mut sum = S::ZERO;
                    for z in z.chunks_exact(row) {
                        for at in places() {
                            sum += S::load(z, at);
                        }
                    }
                    let mean = sum.over(count);
                    let mut sums = [S::ZERO; 2];
                    for z in z.chunks_exact_mut(row) {
                        for at in places() {
                            let centred = S::load(z, at) - mean;
                            centred.store(z, at);
                            if S::ROUNDING > 0.0 {
                                sums[0] += centred;
                            }
                            sums[1] += centred.square();
                        }
                    }
                    let [mut rest, variance] = moments(sums, count);
                    let variance = self.with_constant(variance, mean, None, weights.n_in);
                    let mut spread_sq = variance + of_weights.over(units);
                    let mut unit = None;
                    if !spread_sq.is_safe() {
                        let [left, lifted_sq, power] = self.lift_group(z, row, (positions, batch, b), mean, weights);
                        (rest, spread_sq, unit) = (left, lifted_sq, Some(power));
                    }
                    let factor = spread_sq.sqrt().recip();
                    unit.map_or(factor, |unit| factor / unit).store(inverse, b);
                    for z in z.chunks_exact_mut(row) {
                        for at in places() {
                            let centred = S::load(z, at);
                            let centred = if S::ROUNDING == 0.0 { centred } else { centred - rest };
                            (centred * factor).store(z, at);
                        }
                    }
                }
            },
        );
    }

    /// What is left of the mean of one example's group, and s^2, again and divided by a power of two first; and that
    /// power.
    #[cold]
    #[inline(never)]
    fn lift_group<S: Scalar>(
        self,
        z: &mut [S::Base],
        row: usize,
        (positions, batch, b): (usize, usize, usize),
        mean: S,
        weights: Weights<'_, S::Base>,
    ) -> [S; 3] {
        let places = || (0..positions).map(|p| p * batch + b);
        let mut largest = S::ZERO;
        for z in z.chunks_exact(row) {
            largest = places().fold(largest, |largest, at| largest.larger(S::load(z, at).abs()));
        }
        let unit = self.common_unit(largest, weights);
        let (units, lift) = (z.len() / row, unit.recip());
        let mut sums = [S::ZERO; 2];
        for z in z.chunks_exact_mut(row) {
            for at in places() {
                let lifted = S::load(z, at) * lift;
                lifted.store(z, at);
                sums[0] += lifted;
                sums[1] += lifted.square();
            }
        }
        let [rest, variance] = moments(sums, units * positions);
        let variance = self.with_constant(variance, mean, Some(unit), weights.n_in);
        [rest, variance + self.lifted_weights(weights, unit).over(units), unit]
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
pub(super) fn largest<S: Scalar>(z: &[S::Base]) -> usize {
    let size = |b: usize| S::load(z, b).value().abs();
    (1..rows::batch::<S>(z)).fold(0, |best, b| if size(b) > size(best) { b } else { best })
}
