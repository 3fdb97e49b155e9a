//! The forward and the backward pass, written once over [`Scalar`].
//!
//! Buffers live in [`Workspace::buffers`], one allocation each on first use: theta and its gradient, the inputs, two buffers
//! for dL/d(activations) that change places from layer to layer, and four for every layer.

use super::Network;
use super::architecture::Layer;
use super::rows::{self, Lanes, Sum, sweep};
use crate::loss::{Wanted, Workspace};
use crate::scalar::{Matrix, MatrixMut, Scalar, Store, vectorised};

const THETA: usize = 0;
const GRAD: usize = 1;
const INPUT: usize = 2;
/// dL/d(output of the layer at hand), and the same for the layer before.
const D: [usize; 2] = [3, 4];
const SCRATCH: usize = 5;

/// The buffers of layer l.
fn xhat(l: usize) -> usize {
    6 + 4 * l
}
fn slope(l: usize) -> usize {
    7 + 4 * l
}
fn output(l: usize) -> usize {
    8 + 4 * l
}
/// 1/s: one scalar per unit, or one row per group of units.
fn inverse(l: usize) -> usize {
    9 + 4 * l
}

/// Disjoint buffers, borrowed together.
fn pick<T, const N: usize>(buffers: &mut [Vec<T>], which: [usize; N]) -> [&mut Vec<T>; N] {
    // The indices are distinct by construction.
    buffers.get_disjoint_mut(which).expect("distinct buffers of a prepared workspace")
}

impl Network {
    /// Makes every buffer long enough; allocates only when something grew.
    fn prepare<S: Scalar>(&self, batch: usize, work: &mut Workspace<S>) {
        let row = S::PLANES * batch;
        let n_buffers = 6 + 4 * self.layers.len();
        if work.buffers.len() < n_buffers {
            work.buffers.resize_with(n_buffers, Vec::new);
        }
        let mut fit = |which: usize, len: usize| {
            if work.buffers[which].len() != len {
                work.buffers[which].clear();
                work.buffers[which].resize(len, S::Base::default());
            }
        };
        let widest = self.architecture.widths.iter().copied().max().unwrap_or(0);
        fit(THETA, S::PLANES * self.parameters.len());
        fit(GRAD, S::PLANES * self.parameters.len());
        fit(INPUT, self.architecture.widths[0] * batch);
        fit(D[0], widest * row);
        fit(D[1], widest * row);
        fit(SCRATCH, 2 * row);
        for (l, layer) in self.layers.iter().enumerate() {
            fit(xhat(l), layer.n_out * row);
            fit(slope(l), layer.n_out * row);
            fit(output(l), layer.n_out * row);
            match self.architecture.normalisation.group_size(layer.n_out) {
                Some(size) => fit(inverse(l), layer.n_out / size * row),
                None => fit(inverse(l), layer.n_out * S::PLANES),
            }
        }
    }

    /// Evaluates the network on the minibatch and leaves dL/d(outputs) in the first D buffer. Returns F_z without decay.
    pub(super) fn forward<S: Scalar>(&self, z: &[usize], theta: &[S], work: &mut Workspace<S>) -> S {
        assert_eq!(theta.len(), self.parameters.len(), "theta has the length of the layout");
        let batch = z.len();
        self.prepare(batch, work);
        for (i, &x) in theta.iter().enumerate() {
            x.store(&mut work.buffers[THETA], i);
        }
        for (j, column) in work.buffers[INPUT].chunks_exact_mut(batch).enumerate() {
            let feature = self.data.feature(j);
            for (x, &example) in column.iter_mut().zip(z) {
                *x = S::base(feature[example]);
            }
        }
        work.labels.clear();
        work.labels.extend(z.iter().map(|&example| self.data.labels()[example]));
        for l in 0..self.layers.len() {
            self.layer_forward(l, batch, work);
        }
        let [d, scratch, out] = pick(&mut work.buffers, [D[0], SCRATCH, output(self.layers.len() - 1)]);
        let n_out = self.layers[self.layers.len() - 1].n_out;
        self.architecture.objective.forward(out, &mut d[..n_out * S::PLANES * batch], scratch, &work.labels)
    }

    /// The matrix of the values that enter layer l.
    fn inputs<'a, S: Scalar>(&self, l: usize, batch: usize, data: &'a [S::Base]) -> Matrix<'a, S::Base> {
        let (row_step, plane_step) = if l == 0 { (batch, None) } else { (S::PLANES * batch, Some(batch)) };
        Matrix { data, rows: self.layers[l].n_in, columns: batch, row_step, column_step: 1, plane_step }
    }

    /// W_l as a matrix; its planes are as far apart as theta is long.
    fn weights<'a, S: Scalar>(&self, layer: Layer, theta: &'a [S::Base]) -> Matrix<'a, S::Base> {
        Matrix {
            data: &theta[layer.weights..],
            rows: layer.n_out,
            columns: layer.n_in,
            row_step: layer.n_in,
            column_step: 1,
            plane_step: Some(self.parameters.len()),
        }
    }

    fn layer_forward<S: Scalar>(&self, l: usize, batch: usize, work: &mut Workspace<S>) {
        let layer = self.layers[l];
        let row = S::PLANES * batch;
        let source = if l == 0 { INPUT } else { output(l - 1) };
        let [theta, input, xhat, slope, output, inverse] =
            pick(&mut work.buffers, [THETA, source, xhat(l), slope(l), output(l), inverse(l)]);
        let z = MatrixMut { data: xhat, rows: layer.n_out, columns: batch, row_step: row, plane_step: batch };
        S::matmul(&[[self.weights::<S>(layer, theta), self.inputs::<S>(l, batch, input)]], z, Store::Replace);
        let normalisation = self.architecture.normalisation;
        match normalisation.group_size(layer.n_out) {
            None => vectorised(
                #[inline(always)]
                || {
                    for (k, z) in xhat.chunks_exact_mut(row).enumerate() {
                        let w_norm_sq = norm_sq::<S>(theta, layer.weights + k * layer.n_in, layer.n_in);
                        normalisation.unit_forward::<S>(z, w_norm_sq).store(inverse, k);
                    }
                },
            ),
            Some(size) => {
                let groups = xhat.chunks_exact_mut(size * row).zip(inverse.chunks_exact_mut(row));
                for (group, (z, inverse)) in groups.enumerate() {
                    let len = size * layer.n_in;
                    let w_norm_sq = norm_sq::<S>(theta, layer.weights + group * len, len);
                    normalisation.group_forward::<S>(z, inverse, w_norm_sq);
                }
            }
        }
        vectorised(
            #[inline(always)]
            || {
                for k in 0..layer.n_out {
                    let bn_scale = S::load(theta, layer.bn_scale + k);
                    let shift = S::load(theta, layer.bn_scale + layer.n_out + k);
                    let (xhat, out) = (&xhat[k * row..][..row], &mut output[k * row..][..row]);
                    for b in 0..batch {
                        (bn_scale * S::load(xhat, b) + shift).store(out, b);
                    }
                }
            },
        );
        if !layer.last {
            self.architecture.activation.forward::<S>(output, slope, row);
        }
    }

    /// Turns dL/d(outputs), left by the forward pass, into the gradient.
    pub(super) fn backward<S: Scalar>(&self, batch: usize, grad: &mut [S], work: &mut Workspace<S>) {
        let mut d = D;
        for l in (0..self.layers.len()).rev() {
            self.layer_backward(l, batch, d, work);
            d.swap(0, 1);
        }
        for (i, partial) in grad.iter_mut().enumerate() {
            *partial = S::load(&work.buffers[GRAD], i);
        }
    }

    fn layer_backward<S: Scalar>(&self, l: usize, batch: usize, d: [usize; 2], work: &mut Workspace<S>) {
        let layer = self.layers[l];
        let row = S::PLANES * batch;
        let store = if work.wanted == Wanted::Derivative { Store::Derivative } else { Store::Replace };
        let source = if l == 0 { INPUT } else { output(l - 1) };
        let [theta, grad, input, xhat, slope, inverse, d, d_before] =
            pick(&mut work.buffers, [THETA, GRAD, source, xhat(l), slope(l), inverse(l), d[0], d[1]]);
        let d = &mut d[..layer.n_out * row];
        let normalisation = self.architecture.normalisation;
        let group_size = normalisation.group_size(layer.n_out);
        // dL/d(xhat) row by row, and with it dL/d(gamma) and dL/d(beta). For normalisations of single units this goes on to
        // dL/dz at once; the part of dL/dw that comes through ||w||^2 waits in `inverse`, which is not needed any more.
        vectorised(
            #[inline(always)]
            || {
                for k in 0..layer.n_out {
                    let (d, xhat) = (&mut d[k * row..][..row], &xhat[k * row..][..row]);
                    let slope = if layer.last { None } else { Some(&slope[k * row..][..row]) };
                    let sums = through_activation::<S>(d, xhat, slope);
                    sums[1].store(grad, layer.bn_scale + k);
                    sums[0].store(grad, layer.bn_scale + layer.n_out + k);
                    if group_size.is_none() {
                        let bn_scale = S::load(theta, layer.bn_scale + k);
                        let coefficient =
                            normalisation.unit_backward::<S>(d, xhat, bn_scale, S::load(inverse, k), sums);
                        coefficient.store(inverse, k);
                    }
                }
            },
        );
        if let Some(size) = group_size {
            let groups = d.chunks_exact_mut(size * row).zip(xhat.chunks_exact(size * row));
            for (group, (d, xhat)) in groups.enumerate() {
                let of_group = &mut inverse[group * row..][..row];
                let bn_scale = |k: usize| S::load(theta, layer.bn_scale + group * size + k);
                let coefficient = normalisation.group_backward::<S>(d, xhat, of_group, bn_scale);
                coefficient.store(of_group, 0);
            }
        }
        let d_matrix = Matrix {
            data: d,
            rows: layer.n_out,
            columns: batch,
            row_step: row,
            column_step: 1,
            plane_step: Some(batch),
        };
        let grad_w = MatrixMut {
            data: &mut grad[layer.weights..],
            rows: layer.n_out,
            columns: layer.n_in,
            row_step: layer.n_in,
            plane_step: self.parameters.len(),
        };
        S::matmul_transposed(&[[d_matrix, self.inputs::<S>(l, batch, input)]], grad_w, store);
        let rows_per_block = group_size.unwrap_or(1);
        for block in 0..layer.n_out / rows_per_block {
            let coefficient = match group_size {
                None => S::load(inverse, block),
                Some(_) => S::load(&inverse[block * row..][..row], 0),
            };
            let len = rows_per_block * layer.n_in;
            let start = layer.weights + block * len;
            vectorised(
                #[inline(always)]
                || {
                    for i in start..start + len {
                        (S::load(grad, i) + coefficient * S::load(theta, i)).store(grad, i);
                    }
                },
            );
        }
        if l > 0 {
            let before = MatrixMut {
                data: &mut d_before[..layer.n_in * row],
                rows: layer.n_in,
                columns: batch,
                row_step: row,
                plane_step: batch,
            };
            S::matmul(&[[self.weights::<S>(layer, theta).transposed(), d_matrix]], before, Store::Replace);
        }
    }
}

/// dL/dy = dL/da s'(y), in place; returns sum_b dL/dy_b and sum_b dL/dy_b xhat_b.
#[inline(always)]
fn through_activation<S: Scalar>(d: &mut [S::Base], xhat: &[S::Base], slope: Option<&[S::Base]>) -> [S; 2] {
    let (mut sum, mut sum_xhat) = (Sum::new(), Sum::new());
    sweep!(rows::batch::<S>(xhat), K, b => {
        let mut dy = Lanes::<S, K>::load(d, b);
        if let Some(slope) = slope {
            dy = dy * Lanes::load(slope, b);
            dy.store(d, b);
        }
        sum.add(dy);
        sum_xhat.add(dy * Lanes::load(xhat, b));
    });
    [sum.total(), sum_xhat.total()]
}

/// ||w||^2 of `len` parameters from `start` on.
#[inline(always)]
fn norm_sq<S: Scalar>(theta: &[S::Base], start: usize, len: usize) -> S {
    let mut sum = Sum::new();
    sweep!(len, K, i => {
        let w = Lanes::<S, K>::load(theta, start + i);
        sum.add(w.map(S::square));
    });
    sum.total()
}
