//! The forward and the backward pass, written once over [`Scalar`].
//!
//! **Speed.** Rows are visited eight scalars at a time, in loops compiled for every set of vector units and chosen at run time
//! (AVX-512, AVX2 with FMA, NEON); sums have eight chains and products are fused, on every machine alike: the same bits.
//! `ratecheck bench` measures what comes of it; CONTRIBUTING.md says what it found, and where the time goes.

use std::ops::Range;

use super::Network;
use super::architecture::{Layer, Reads};
use super::buffers::{
    D, D_READ, GRAD, INPUT, READ, SCRATCH, THETA, contents, inverse, mean, output, pick, pooled, slope, xhat,
};
use super::image::{Image, Rows};
use super::rows::{self, Lanes, Sum, splat, sweep};
use crate::loss::{Wanted, Workspace};
use crate::scalar::{Matrix, MatrixMut, Scalar, Store, vectorised};

/// The first layer that has to be evaluated.
fn first_layer(wanted: Wanted) -> usize {
    match wanted {
        Wanted::Behind(stage) => stage,
        Wanted::All | Wanted::Derivative => 0,
    }
}

impl Network {
    /// Evaluates the network on the minibatch and leaves dL/d(outputs) in the first D buffer. Returns F_z without decay.
    pub(super) fn forward<S: Scalar>(&self, z: &[usize], theta: &[S], work: &mut Workspace<S>) -> S {
        assert_eq!(theta.len(), self.parameters.len(), "theta has the length of the layout");
        let batch = z.len() / S::RUNS;
        self.prepare(batch, work);
        if work.moved.is_empty() {
            let [planes, inputs] = pick(&mut work.buffers, [THETA, INPUT]);
            vectorised(
                #[inline(always)]
                || rows::to_planes(theta, planes),
            );
            for (j, column) in inputs.chunks_exact_mut(batch).enumerate() {
                let feature = self.data.feature(j);
                for (x, examples) in column.iter_mut().zip(z.chunks_exact(S::RUNS)) {
                    *x = S::gather(feature, examples);
                }
            }
            work.labels.clear();
            work.labels.extend(z.iter().map(|&example| self.data.labels()[example]));
        }
        let planes = contents(&mut work.buffers[THETA]);
        for &i in &work.moved {
            theta[i].store(planes, i);
        }
        let first = first_layer(work.wanted);
        self.layer_forward(first, self.moved_units(first, &work.moved), batch, work);
        for l in first + 1..self.layers.len() {
            self.layer_forward(l, 0..self.layers[l].n_out, batch, work);
        }
        let [d, scratch, out] = pick(&mut work.buffers, [D[0], SCRATCH, output(self.layers.len() - 1)]);
        let n_out = self.layers[self.layers.len() - 1].n_out;
        self.architecture.objective.forward(out, &mut d[..n_out * S::PLANES * batch], scratch, &work.labels)
    }

    /// The units of the first layer to be evaluated that differ from those of the last evaluation; see [`Workspace::moved`].
    /// Parameters of later layers do not matter, since those are evaluated whole: a loss around a network need not know its
    /// stages.
    fn moved_units(&self, l: usize, moved: &[usize]) -> Range<usize> {
        let layer = self.layers[l];
        let unit = |&p: &usize| match (p.checked_sub(layer.weights), p.checked_sub(layer.bn_scale)) {
            (Some(weight), _) if weight < layer.n_in * layer.n_out => Some(weight / layer.n_in),
            (_, Some(scale_or_shift)) if scale_or_shift < 2 * layer.n_out => Some(scale_or_shift % layer.n_out),
            _ => None,
        };
        match (moved.iter().filter_map(unit).min(), moved.iter().filter_map(unit).max()) {
            (Some(least), Some(most)) if self.architecture.normalisation.group_size(layer.n_out).is_none() => {
                least..most + 1
            }
            _ => 0..layer.n_out,
        }
    }

    /// The buffer that layer l reads.
    fn source(&self, l: usize) -> usize {
        match l.checked_sub(1) {
            None => INPUT,
            Some(before) if self.layers[before].pooled.is_some() => pooled(before),
            Some(before) => output(before),
        }
    }

    /// The matrix of the values that enter layer l: constants, if nothing changes before that layer. They are rearranged in `read`,
    /// if the layer does not read rows as they are.
    fn inputs<'a, S: Scalar>(
        &self,
        l: usize,
        batch: usize,
        source: &'a [S::Base],
        read: &'a mut [S::Base],
        wanted: Wanted,
    ) -> Matrix<'a, S::Base> {
        let layer = self.layers[l];
        let variable = l > first_layer(wanted);
        let planes_of_source = if l == 0 { 1 } else { S::PLANES };
        let planes = if variable { S::PLANES } else { 1 };
        let rows = |image: Image| Rows { image, batch, planes, row_step: planes_of_source * image.positions() * batch };
        let (data, columns, row_step) = match layer.reads {
            Reads::Rows => (source, batch, planes_of_source * batch),
            Reads::Patches(image) => {
                rows(image).unfold(source, read);
                (&*read, layer.positions * batch, planes * layer.positions * batch)
            }
            Reads::Flat(image) => {
                rows(image).flatten(source, read);
                (&*read, batch, planes * batch)
            }
        };
        let plane_step = variable.then_some(columns);
        Matrix { data, rows: layer.n_in, columns, row_step, column_step: 1, plane_step }
    }

    /// The rows of W_l of some units as a matrix; its planes are as far apart as theta is long.
    fn weights<'a, S: Scalar>(&self, layer: Layer, units: Range<usize>, theta: &'a [S::Base]) -> Matrix<'a, S::Base> {
        Matrix {
            data: &theta[layer.weights + units.start * layer.n_in..],
            rows: units.len(),
            columns: layer.n_in,
            row_step: layer.n_in,
            column_step: 1,
            plane_step: Some(self.parameters.len()),
        }
    }

    /// The values of some units of layer l: all of them, if their statistics are shared.
    fn layer_forward<S: Scalar>(&self, l: usize, units: Range<usize>, batch: usize, work: &mut Workspace<S>) {
        let layer = self.layers[l];
        let columns = layer.positions * batch;
        let row = S::PLANES * columns;
        let wanted = work.wanted;
        let which = [THETA, self.source(l), READ, xhat(l), slope(l), output(l), inverse(l), mean(l), pooled(l)];
        let [theta, source, read, xhat, slope, output, inverse, mean, pooled] = pick(&mut work.buffers, which);
        let of_units = units.start * row..units.end * row;
        let activation = self.architecture.activation;
        let slope = if activation.keeps_slope() { &mut slope[of_units.clone()] } else { &mut [] };
        let (xhat, values) = (&mut xhat[of_units.clone()], &mut output[of_units]);
        let weights = self.weights::<S>(layer, units.clone(), theta);
        let z = MatrixMut { data: xhat, rows: units.len(), columns, row_step: row, plane_step: columns };
        S::matmul(&[[weights, self.inputs::<S>(l, batch, source, read, wanted)]], z, Store::Replace);
        let normalisation = self.architecture.normalisation;
        let group_size = normalisation.group_size(layer.n_out);
        if let Some(size) = group_size {
            let groups = xhat.chunks_exact_mut(size * row).zip(inverse.chunks_exact_mut(row));
            for (group, (z, inverse)) in groups.enumerate() {
                let len = size * layer.n_in;
                let w_norm_sq = norm_sq::<S>(theta, layer.weights + group * len, len);
                normalisation.group_forward::<S>(z, inverse, w_norm_sq);
            }
        }
        vectorised(
            #[inline(always)]
            || {
                // Local copies: the compiler need not look up again where they point to.
                let (theta, inverse, mean) = (&*theta, &mut *inverse, &mut *mean);
                // A few units at a time: they stay in the nearest cache, and while one waits for its statistics, the others go on.
                let rows = (xhat.chunks_mut(rows::LANES * row)).zip(values.chunks_mut(rows::LANES * row));
                for ((xhat, out), first) in rows.zip(units.step_by(rows::LANES)) {
                    if group_size.is_none() {
                        for (z, k) in xhat.chunks_exact_mut(row).zip(first..) {
                            let w_norm_sq = norm_sq::<S>(theta, layer.weights + k * layer.n_in, layer.n_in);
                            let [of_unit, spread_sq] = normalisation.unit_statistics::<S>(z, w_norm_sq);
                            of_unit.store(mean, k);
                            spread_sq.store(inverse, k);
                        }
                        sweep!(S: xhat.len() / row, K, i => {
                            Lanes::<S, K>::load(inverse, first + i)
                                .map(
                                    #[inline(always)]
                                    |s_sq: S| s_sq.sqrt().recip(),
                                )
                                .store(inverse, first + i);
                        });
                    }
                    for ((xhat, out), k) in xhat.chunks_exact_mut(row).zip(out.chunks_exact_mut(row)).zip(first..) {
                        let factor = if group_size.is_none() { S::load(inverse, k) } else { S::ONE };
                        let bn_scale = S::load(theta, layer.bn_scale + k);
                        let shift = S::load(theta, layer.bn_scale + layer.n_out + k);
                        sweep!(S: columns, K, b => {
                            let mut x = Lanes::<S, K>::load(xhat, b);
                            if group_size.is_none() {
                                x = x * splat(factor);
                                x.store(xhat, b);
                            }
                            x.mul_add(splat(bn_scale), splat(shift)).store(out, b);
                        });
                    }
                }
            },
        );
        if !layer.last {
            activation.forward::<S>(values, slope, row);
        }
        if let Some(image) = layer.pooled {
            Rows { image, batch, planes: S::PLANES, row_step: row }.pool::<S>(output, pooled);
        }
    }

    /// Turns dL/d(outputs), left by the forward pass, into the gradient.
    pub(super) fn backward<S: Scalar>(&self, batch: usize, grad: &mut [S], work: &mut Workspace<S>) {
        let mut d = D;
        for l in (first_layer(work.wanted)..self.layers.len()).rev() {
            d = self.layer_backward(l, batch, d, work);
        }
        // The weights of all these layers stand side by side, and so do their scales and shifts.
        let first = self.layers[first_layer(work.wanted)];
        let planes = &*contents(&mut work.buffers[GRAD]);
        vectorised(
            #[inline(always)]
            || {
                for part in [first.weights..self.layers[0].bn_scale, first.bn_scale..self.parameters.len()] {
                    rows::from_planes(planes, part.start, &mut grad[part]);
                }
            },
        );
    }

    /// `d` says in which buffers dL/d(outputs) of this layer is, and that of the layer before is to be; returns the same for the
    /// layer before.
    fn layer_backward<S: Scalar>(
        &self,
        l: usize,
        batch: usize,
        mut d: [usize; 2],
        work: &mut Workspace<S>,
    ) -> [usize; 2] {
        let layer = self.layers[l];
        let columns = layer.positions * batch;
        let row = S::PLANES * columns;
        let wanted = work.wanted;
        let store = if wanted == Wanted::All { Store::Replace } else { Store::Derivative };
        if let Some(image) = layer.pooled {
            let [output, d_pooled, larger] = pick(&mut work.buffers, [output(l), d[0], d[1]]);
            Rows { image, batch, planes: S::PLANES, row_step: row }.unpool::<S>(output, d_pooled, larger);
            d.swap(0, 1);
        }
        let before = [d[1], d[0]];
        let which =
            [xhat(l), slope(l), output(l), inverse(l), THETA, GRAD, self.source(l), READ, D_READ, d[0], d[1], SCRATCH];
        let [xhat, slope, output, inverse, theta, grad, source, read, d_read, d, d_before, coefficients] =
            pick(&mut work.buffers, which);
        let d = &mut d[..layer.n_out * row];
        let (normalisation, activation) = (self.architecture.normalisation, self.architecture.activation);
        let group_size = normalisation.group_size(layer.n_out);
        // dL/d(xhat) row by row, and with it dL/d(gamma) and dL/d(beta). For normalisations of single units this goes on to
        // dL/dz at once; `coefficients` keeps the part of dL/dw that comes through ||w||^2, for every block.
        vectorised(
            #[inline(always)]
            || {
                // Local copies: the compiler need not look up again where they point to.
                let (d, grad, coefficients) = (&mut *d, &mut *grad, &mut *coefficients);
                let (xhat, slope, output, theta, inverse) = (&*xhat, &*slope, &*output, &*theta, &*inverse);
                // A few units at a time, as before.
                for first in (0..layer.n_out).step_by(rows::LANES) {
                    let some = first..layer.n_out.min(first + rows::LANES);
                    for k in some.clone() {
                        let of_unit = k * row..(k + 1) * row;
                        let (d, xhat) = (&mut d[of_unit.clone()], &xhat[of_unit.clone()]);
                        let sums = if layer.last {
                            rows::sums::<S>(d, xhat)
                        } else {
                            let slopes = slope.get(of_unit.clone()).unwrap_or(&[]);
                            activation.backward::<S>(d, xhat, &output[of_unit], slopes)
                        };
                        sums[1].store(grad, layer.bn_scale + k);
                        sums[0].store(grad, layer.bn_scale + layer.n_out + k);
                    }
                    if group_size.is_some() {
                        continue;
                    }
                    for k in some {
                        let of_unit = k * row..(k + 1) * row;
                        let (d, xhat) = (&mut d[of_unit.clone()], &xhat[of_unit]);
                        let sums = [layer.bn_scale + layer.n_out + k, layer.bn_scale + k].map(
                            #[inline(always)]
                            |at| S::load(grad, at),
                        );
                        let bn_scale = S::load(theta, layer.bn_scale + k);
                        let coefficient =
                            normalisation.unit_backward::<S>(d, xhat, bn_scale, S::load(inverse, k), sums);
                        coefficient.store(coefficients, k);
                    }
                }
            },
        );
        if let Some(size) = group_size {
            let groups = d.chunks_exact_mut(size * row).zip(xhat.chunks_exact(size * row));
            for (group, (d, xhat)) in groups.enumerate() {
                let bn_scale = |k: usize| S::load(theta, layer.bn_scale + group * size + k);
                let inverse = &inverse[group * row..][..row];
                normalisation.group_backward::<S>(d, xhat, inverse, bn_scale).store(coefficients, group);
            }
        }
        let d_matrix =
            Matrix { data: d, rows: layer.n_out, columns, row_step: row, column_step: 1, plane_step: Some(columns) };
        let grad_w = MatrixMut {
            data: &mut grad[layer.weights..],
            rows: layer.n_out,
            columns: layer.n_in,
            row_step: layer.n_in,
            plane_step: self.parameters.len(),
        };
        S::matmul_transposed(&[[d_matrix, self.inputs::<S>(l, batch, source, read, wanted)]], grad_w, store);
        let rows_per_block = group_size.unwrap_or(1);
        for block in 0..layer.n_out / rows_per_block {
            let coefficient = S::load(coefficients, block);
            let len = rows_per_block * layer.n_in;
            let start = layer.weights + block * len;
            vectorised(
                #[inline(always)]
                || {
                    sweep!(S: len, K, i => {
                        Lanes::<S, K>::load(theta, start + i)
                            .mul_add(splat(coefficient), Lanes::load(grad, start + i))
                            .store(grad, start + i);
                    });
                },
            );
        }
        if l > first_layer(wanted) {
            let data = if layer.reads == Reads::Rows { &mut *d_before } else { &mut *d_read };
            let data = &mut data[..layer.n_in * row];
            let product = MatrixMut { data, rows: layer.n_in, columns, row_step: row, plane_step: columns };
            let weights = self.weights::<S>(layer, 0..layer.n_out, theta);
            S::matmul(&[[weights.transposed(), d_matrix]], product, Store::Replace);
            let rows = |image: Image| Rows {
                image,
                batch,
                planes: S::PLANES,
                row_step: S::PLANES * image.positions() * batch,
            };
            match layer.reads {
                Reads::Rows => {}
                Reads::Patches(image) => rows(image).fold::<S>(d_read, d_before),
                Reads::Flat(image) => rows(image).unflatten(d_read, d_before),
            }
        }
        before
    }
}

/// ||w||^2 of `len` parameters from `start` on.
#[inline(always)]
fn norm_sq<S: Scalar>(theta: &[S::Base], start: usize, len: usize) -> S {
    let mut sum = Sum::new();
    sweep!(S: len, K, C, i => {
        let w = Lanes::<S, K>::load(theta, start + i);
        sum.add_square::<C, K>(w);
    });
    sum.total()
}
