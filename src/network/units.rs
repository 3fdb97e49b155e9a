//! What a layer does with the rows of single units: statistics, normalisation, activation, pooling, and the way back.

use std::ops::Range;

use super::image::Rows;
use super::layers::Layer;
use super::rows::{self, Lanes, Sum, splat, sweep};
use super::{Activation, Network};
use crate::scalar::{Scalar, has_long_registers, vectorised_for};

/// The rows of some units in the forward pass.
pub(super) struct Forward<'a, T> {
    /// z, which becomes xhat.
    pub(super) xhat: &'a mut [T],
    /// The values.
    pub(super) out: &'a mut [T],
    /// s'(y), if it is kept.
    pub(super) slope: &'a mut [T],
    /// The pooled values, if there are any.
    pub(super) pooled: &'a mut [T],
    /// The means, and 1/s: a scalar for each unit. None, if units share their statistics.
    pub(super) statistics: [&'a mut [T]; 2],
}

/// The rows of some units in the backward pass.
pub(super) struct Backward<'a, T> {
    /// dL/d(values), which becomes dL/dz.
    pub(super) d: &'a mut [T],
    /// Of each unit sum_b dL/dy_b and sum_b dL/dy_b xhat_b, and the factor c in dL/dw += c w.
    pub(super) sums: [&'a mut [T]; 3],
}

/// What the forward pass has left of all units, and the derivative by what was pooled.
pub(super) struct Kept<'a, T> {
    pub(super) theta: &'a [T],
    pub(super) xhat: &'a [T],
    pub(super) out: &'a [T],
    pub(super) slope: &'a [T],
    pub(super) inverse: &'a [T],
    pub(super) d_pooled: &'a [T],
}

/// Units that go through all loops together: while one waits for its statistics, the others go on. Of several runs a
/// row is long enough to wait for by itself, and those of fewer units stay in the nearest cache.
const fn together<S: Scalar>() -> usize {
    if S::RUNS > 1 { rows::LANES / 2 } else { rows::LANES }
}

/// Whether the commonest activations are applied in the loop that normalises. It hides loads and stores of scalars that
/// are little work. A loop over duals is then too much for the compiler, unless a register holds eight numbers.
fn in_one_loop<S: Scalar>() -> bool {
    S::WIDE && (S::PLANES == 1 || S::PLANES == 2 && has_long_registers())
}

/// From z of one unit to xhat = (z - left) factor + rest and to y = bn_scale xhat + shift.
struct Affine<S> {
    left: S,
    factor: S,
    rest: S,
    bn_scale: S,
    shift: S,
}

impl<S: Scalar> Affine<S> {
    /// Replaces z by xhat and writes s(y): one loop, in which the function hides the loads and stores. Where nothing is
    /// left, 0 is subtracted, which changes nothing.
    #[inline(always)]
    fn normalise(&self, xhat: &mut [S::Base], out: &mut [S::Base], s: impl Fn(S) -> S) {
        let Self { left, factor, rest, bn_scale, shift } = *self;
        sweep!(S: rows::batch::<S>(xhat), K, b => {
            let mut x = Lanes::<S, K>::load(xhat, b);
            if S::WIDE {
                x = x - splat(left);
            }
            x = match S::ROUNDING > 0.0 {
                true => x.mul_add(splat(factor), splat(rest)),
                false => x * splat(factor),
            };
            x.store(xhat, b);
            x.mul_add(splat(bn_scale), splat(shift)).map(&s).store(out, b);
        });
    }

    /// Writes y, where xhat is there already.
    #[inline(always)]
    fn scale_alone(&self, xhat: &[S::Base], out: &mut [S::Base]) {
        sweep!(S: rows::batch::<S>(xhat), K, b => {
            Lanes::<S, K>::load(xhat, b).mul_add(splat(self.bn_scale), splat(self.shift)).store(out, b);
        });
    }
}

impl Network {
    /// The values of some units from z.
    pub(super) fn units_forward<S: Scalar>(
        &self,
        layer: &Layer,
        units: Range<usize>,
        batch: usize,
        theta: &[S::Base],
        rows: Forward<'_, S::Base>,
    ) {
        let Forward { xhat: all_xhat, out: all_out, slope, pooled, statistics: [mean, inverse] } = rows;
        let row = S::PLANES * layer.positions * batch;
        let normalisation = layer.normalisation;
        let single = layer.group_size().is_none();
        let in_one_loop = in_one_loop::<S>();
        vectorised_for::<S, _>(
            #[inline(always)]
            || {
                // Local copies: the compiler need not look up again where they point to.
                let (theta, inverse, mean) = (theta, &mut *inverse, &mut *mean);
                // A few units at a time: they stay in the nearest cache, and while one waits for its statistics,
                // the others go on.
                let together = together::<S>();
                let rows = (all_xhat.chunks_mut(together * row)).zip(all_out.chunks_mut(together * row));
                for ((xhat, out), first) in rows.zip((0..units.len()).step_by(together)) {
                    let of_theta = units.start + first;
                    let (mut rests, mut left) = ([S::ZERO; rows::LANES], [S::ZERO; rows::LANES]);
                    let (mut powers, mut lifted) = ([None; rows::LANES], false);
                    if single {
                        // Loops of their own: a sum at the end of one does not wait for that of the next.
                        for (z, at) in xhat.chunks_exact(row).zip(first..) {
                            rows::store_single(normalisation.unit_mean::<S>(z), mean, at);
                        }
                        for ((z, k), at) in xhat.chunks_exact_mut(row).zip(of_theta..).zip(first..) {
                            let (weights, mean) = (layer.weights_of(k, 1, theta), rows::single(mean, at));
                            let found = normalisation.unit_statistics::<S>(z, mean, weights);
                            rows::store_single(found.spread_sq, inverse, at);
                            (rests[at - first], left[at - first]) = (found.rest, found.left);
                            if found.unit.is_some() {
                                (powers[at - first], lifted) = (found.unit, true);
                            }
                        }
                        let some = first * S::PLANES..(first + xhat.len() / row) * S::PLANES;
                        rows::map_singles(
                            &mut inverse[some],
                            #[inline(always)]
                            |s_sq: S| s_sq.sqrt().recip(),
                        );
                    }
                    let rows = xhat.chunks_exact_mut(row).zip(out.chunks_exact_mut(row));
                    for (((xhat, out), k), at) in rows.zip(of_theta..).zip(first..) {
                        let factor = if single { rows::single(inverse, at) } else { S::ONE };
                        let bn_scale = layer.scale.map_or(S::ONE, |scale| S::load(theta, scale + k));
                        let shift = layer.shift.map_or(S::ZERO, |shift| S::load(theta, shift + k));
                        let rest = -(rests[at - first] * factor);
                        let of = Affine { left: left[at - first], factor, rest, bn_scale, shift };
                        match layer.activation {
                            _ if !single => of.scale_alone(xhat, out),
                            Some(Activation::Tanh) if in_one_loop => of.normalise(xhat, out, S::tanh),
                            Some(Activation::Relu) if in_one_loop => of.normalise(xhat, out, S::relu),
                            _ => of.normalise(
                                xhat,
                                out,
                                #[inline(always)]
                                |y: S| y,
                            ),
                        }
                    }
                    for (power, at) in powers.into_iter().zip(first..).filter(|_| lifted) {
                        if let Some(power) = power {
                            rows::store_single(rows::single::<S>(inverse, at) / power, inverse, at);
                        }
                    }
                }
            },
        );
        let done = in_one_loop && single && matches!(layer.activation, Some(Activation::Tanh | Activation::Relu));
        if let Some(activation) = layer.activation.filter(|_| !done) {
            activation.forward::<S>(all_out, slope, row);
        }
        if let Some(image) = layer.pooled {
            let rows = Rows { image, batch, planes: S::PLANES, row_step: row };
            let small = pooled.len() / units.len();
            vectorised_for::<S, _>(
                #[inline(always)]
                || {
                    for (out, pooled) in all_out.chunks_exact(row).zip(pooled.chunks_exact_mut(small)) {
                        rows.pool::<S>(out, pooled);
                    }
                },
            );
        }
    }

    /// dL/d(xhat) row by row, and with it dL/d(gamma) and dL/d(beta). For normalisations of single units this goes on
    /// to dL/dz at once, and keeps the part of dL/dw that comes through ||w||^2.
    pub(super) fn units_backward<S: Scalar>(
        &self,
        layer: &Layer,
        units: Range<usize>,
        batch: usize,
        kept: &Kept<'_, S::Base>,
        rows: Backward<'_, S::Base>,
    ) {
        let Backward { d, sums: [sum, sum_xhat, coefficients] } = rows;
        let Kept { theta, xhat, out, slope, inverse, d_pooled } = *kept;
        let row = S::PLANES * layer.positions * batch;
        let normalisation = layer.normalisation;
        let single = layer.group_size().is_none();
        vectorised_for::<S, _>(
            #[inline(always)]
            || {
                // Local copies: the compiler need not look up again where they point to.
                let (d, sum, sum_xhat, coefficients) = (&mut *d, &mut *sum, &mut *sum_xhat, &mut *coefficients);
                // A few units at a time, as before.
                let together = together::<S>();
                for first in (0..units.len()).step_by(together) {
                    let some = first..units.len().min(first + together);
                    for at in some.clone() {
                        let k = units.start + at;
                        let of_unit = k * row..(k + 1) * row;
                        let (d, xhat) = (&mut d[at * row..][..row], &xhat[of_unit.clone()]);
                        if let Some(image) = layer.pooled {
                            let rows = Rows { image, batch, planes: S::PLANES, row_step: row };
                            let small = row / 4;
                            rows.unpool::<S>(&out[of_unit.clone()], &d_pooled[k * small..][..small], d);
                        }
                        let sums = match layer.activation {
                            None => rows::sums::<S>(d, xhat),
                            Some(activation) => {
                                let slopes = slope.get(of_unit.clone()).unwrap_or(&[]);
                                activation.backward::<S>(d, xhat, &out[of_unit], slopes)
                            }
                        };
                        rows::store_single(sums[0], sum, at);
                        rows::store_single(sums[1], sum_xhat, at);
                    }
                    if !single {
                        continue;
                    }
                    for at in some {
                        let k = units.start + at;
                        let (d, xhat) = (&mut d[at * row..][..row], &xhat[k * row..][..row]);
                        let sums = [rows::single(sum, at), rows::single(sum_xhat, at)];
                        let bn_scale = layer.scale.map_or(S::ONE, |scale| S::load(theta, scale + k));
                        let coefficient =
                            normalisation.unit_backward::<S>(d, xhat, bn_scale, rows::single(inverse, k), sums);
                        rows::store_single(coefficient, coefficients, at);
                    }
                }
            },
        );
    }
}

/// Adds a number to each of some rows: `bias` is where in theta that of the first one is.
pub(super) fn add_bias<S: Scalar>(z: &mut [S::Base], row: usize, theta: &[S::Base], bias: usize) {
    for (k, z) in z.chunks_exact_mut(row).enumerate() {
        let of_unit = S::load(theta, bias + k);
        vectorised_for::<S, _>(
            #[inline(always)]
            || {
                sweep!(S: rows::batch::<S>(z), K, b => { (Lanes::<S, K>::load(z, b) + splat(of_unit)).store(z, b); });
            },
        );
    }
}

/// Its derivatives, from the rows dL/dz.
pub(super) fn bias_backward<S: Scalar>(d: &[S::Base], row: usize, grad: &mut [S::Base], bias: usize) {
    for (k, d) in d.chunks_exact(row).enumerate() {
        let mut sum = Sum::<S>::new();
        vectorised_for::<S, _>(
            #[inline(always)]
            || {
                sweep!(S: rows::batch::<S>(d), K, C, b => { sum.add::<C, K>(Lanes::load(d, b)); });
            },
        );
        sum.total().store(grad, bias + k);
    }
}

/// ||w||^2 of `len` parameters from `start` on.
#[inline(always)]
pub(super) fn norm_sq<S: Scalar>(theta: &[S::Base], start: usize, len: usize) -> S {
    let mut sum = Sum::new();
    sweep!(S: len, K, C, i => {
        let w = Lanes::<S, K>::load(theta, start + i);
        sum.add_square::<C, K>(w);
    });
    sum.total()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::Dual;

    /// Whether tanh is in the loop that normalises depends on the processor, and the bits do not.
    #[test]
    fn tanh_of_duals_has_the_same_bits_in_a_loop_of_its_own() {
        for n in [1, 7, 8, 32, 37] {
            let z: Vec<f64> = (0..2 * n).map(|i| 1.0 / (1 + i * 37 % 101) as f64 - 0.3).collect();
            let dual = |re| Dual::new(re, 0.7 - re);
            let of =
                Affine { left: dual(0.1), factor: dual(1.7), rest: dual(1e-17), bn_scale: dual(0.9), shift: dual(0.2) };
            let [mut xhat, mut alone] = [z.clone(), z];
            let [mut out, mut y] = [vec![0.0; 2 * n], vec![0.0; 2 * n]];
            vectorised_for::<Dual<f64>, _>(
                #[inline(always)]
                || of.normalise(&mut xhat, &mut out, Dual::tanh),
            );
            vectorised_for::<Dual<f64>, _>(
                #[inline(always)]
                || of.normalise(&mut alone, &mut y, |y: Dual<f64>| y),
            );
            Activation::Tanh.forward::<Dual<f64>>(&mut y, &mut [], 2 * n);
            assert_eq!((xhat, out), (alone, y), "{n}");
        }
    }
}
