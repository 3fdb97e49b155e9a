//! The forward and the backward pass, written once over [`Scalar`].
//!
//! **Speed.** Rows are visited eight scalars at a time, in loops compiled for every set of vector units and chosen at
//! run time (AVX-512, AVX2 with FMA, NEON); sums have eight chains and products are fused, on every machine alike: the
//! same bits. Large layers are shared between threads ([`super::threads`]), and patches are read in pieces
//! ([`super::products`]), which change no sum. `ratecheck bench` measures what comes of it; CONTRIBUTING.md says what
//! it found, and where the time goes.

use std::ops::Range;

use super::Network;
use super::buffers::{
    D, FILTERS, GRAD, INPUT, READ, RESULTS, SCRATCH, THETA, borrow, contents, inverse, mean, output, pooled, slope,
    xhat,
};
use super::image::{Image, Rows};
use super::layers::{Layer, Reads};
use super::normalisation::power_of;
use super::rows::{self, Lanes, splat, sweep};
use super::threads::Cut;
use super::{products, units};
use crate::loss::{Wanted, Workspace};
use crate::scalar::{Matrix, MatrixMut, Scalar, Store, vectorised_for};

/// The first layer that has to be evaluated.
fn first_layer(wanted: Wanted) -> usize {
    match wanted {
        Wanted::Behind(stage) => stage,
        Wanted::All | Wanted::Derivative => 0,
    }
}

/// Adds to dL/dW what comes through ||w||^2.
fn through_weights<S: Scalar>(
    layer: &Layer,
    batch: usize,
    [theta, inverse, coefficients]: [&[S::Base]; 3],
    grad: &mut [S::Base],
) {
    let group_size = layer.group_size();
    let rows_per_block = group_size.unwrap_or(1);
    let len = rows_per_block * layer.n_in;
    vectorised_for::<S, _>(
        #[inline(always)]
        || {
            for block in 0..layer.n_out / rows_per_block {
                let coefficient = rows::single(coefficients, block);
                let start = layer.weights + block * len;
                let first = match group_size {
                    Some(_) => S::load(&inverse[block * S::PLANES * batch..][..S::PLANES * batch], 0),
                    None => rows::single::<S>(inverse, block),
                };
                if !first.square().is_safe() {
                    let power = power_of(first);
                    for i in start..start + len {
                        (S::load(theta, i) * power).mul_add(coefficient, S::load(grad, i)).store(grad, i);
                    }
                    continue;
                }
                sweep!(S: len, K, i => {
                    Lanes::<S, K>::load(theta, start + i)
                        .mul_add(splat(coefficient), Lanes::load(grad, start + i))
                        .store(grad, start + i);
                });
            }
        },
    );
}

impl Network {
    /// Evaluates the network on the minibatch and leaves dL/d(outputs) in the first D buffer.
    /// Returns F_z without decay.
    pub(super) fn forward<S: Scalar>(&self, z: &[usize], theta: &[S], work: &mut Workspace<S>) -> S {
        assert_eq!(theta.len(), self.parameters.len(), "theta has the length of the layout");
        let batch = z.len() / S::RUNS;
        self.prepare(batch, work);
        if work.moved.is_empty() {
            borrow!(&mut work.buffers => planes: THETA, inputs: INPUT);
            if S::as_planes(theta).is_none() {
                vectorised_for::<S, _>(
                    #[inline(always)]
                    || rows::to_planes(theta, planes),
                );
            }
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
        self.layer_forward(first, self.moved_units(first, &work.moved), batch, theta, work);
        for l in first + 1..self.layers.len() {
            self.layer_forward(l, 0..self.layers[l].n_out, batch, theta, work);
        }
        borrow!(&mut work.buffers => d: D[0], scratch: SCRATCH, out: output(self.layers.len() - 1));
        let n_out = self.layers[self.layers.len() - 1].n_out;
        self.architecture.objective.forward(out, &mut d[..n_out * S::PLANES * batch], scratch, &work.labels)
    }

    /// The units of the first layer to be evaluated that differ from those of the last evaluation; see
    /// [`Workspace::moved`]. Parameters of later layers do not matter, since those are evaluated whole: a loss around a
    /// network need not know its stages.
    fn moved_units(&self, l: usize, moved: &[usize]) -> Range<usize> {
        let layer = self.layers[l];
        let unit = |&p: &usize| layer.unit_of(p);
        match (moved.iter().filter_map(unit).min(), moved.iter().filter_map(unit).max()) {
            (Some(least), Some(most)) if layer.group_size().is_none() => least..most + 1,
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

    /// The values that enter layer l, as they lie in the buffer that it reads: constants,
    /// if nothing changes before that layer.
    fn source_rows<S: Scalar>(&self, l: usize, image: Image, batch: usize, wanted: Wanted) -> Rows {
        let planes = if l > first_layer(wanted) { S::PLANES } else { 1 };
        let planes_of_source = if l == 0 { 1 } else { S::PLANES };
        Rows { image, batch, planes, row_step: planes_of_source * image.positions() * batch }
    }

    /// The same as a matrix, for a layer that does not read patches; rearranged in `read`,
    /// if it does not read rows as they are.
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
        let (data, planes) = match layer.reads {
            Reads::Flat(image) => {
                let rows = self.source_rows::<S>(l, image, batch, wanted);
                rows.flatten(source, read);
                (&*read, rows.planes)
            }
            _ => (source, if l == 0 { 1 } else { S::PLANES }),
        };
        let plane_step = variable.then_some(batch);
        Matrix { data, rows: layer.n_in, columns: batch, row_step: planes * batch, column_step: 1, plane_step }
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
    fn layer_forward<S: Scalar>(
        &self,
        l: usize,
        units: Range<usize>,
        batch: usize,
        theta: &[S],
        work: &mut Workspace<S>,
    ) {
        let layer = self.layers[l];
        let (row, tasks) = (S::PLANES * layer.positions * batch, layer.tasks::<S>(batch));
        let wanted = work.wanted;
        borrow!(&mut work.buffers =>
            planes: THETA, source: self.source(l), read: READ, results: RESULTS,
            xhat: xhat(l), slope: slope(l), output: output(l), inverse: inverse(l), mean: mean(l), pooled: pooled(l),
        );
        let theta = S::as_planes(theta).unwrap_or(planes);
        let of_units = |len: usize| units.start * len..units.end * len;
        let xhat = &mut xhat[of_units(row)];
        let weights = self.weights::<S>(layer, units.clone(), theta);
        match layer.reads {
            Reads::Patches(image) => {
                let images = self.source_rows::<S>(l, image, batch, wanted);
                products::convolve::<S>(weights, (images, source), xhat, [results, read], tasks);
            }
            _ => {
                let inputs = self.inputs::<S>(l, batch, source, read, wanted);
                products::multiply::<S>(weights, inputs, xhat, tasks);
            }
        }
        if let Some(bias) = layer.bias {
            units::add_bias::<S>(xhat, row, theta, bias + units.start);
        }
        let statistics = match layer.group_size() {
            Some(size) => {
                let groups = xhat.chunks_exact_mut(size * row).zip(inverse.chunks_exact_mut(S::PLANES * batch));
                for (group, (z, inverse)) in groups.enumerate() {
                    let weights = layer.weights_of(group * size, size, theta);
                    layer.normalisation.group_forward::<S>(z, inverse, weights, layer.positions);
                }
                [&mut [][..], &mut []]
            }
            None => [&mut mean[of_units(S::PLANES)], &mut inverse[of_units(S::PLANES)]],
        };
        let slope = if layer.keeps_slope() { &mut slope[of_units(row)] } else { &mut [] };
        let pooled = if layer.pooled.is_some() { &mut pooled[of_units(row / 4)] } else { &mut [] };
        let [mean, inverse] = statistics;
        let arrays = [xhat, &mut output[of_units(row)], slope, pooled, mean, inverse];
        let cut = Cut::cached(units.len(), tasks, 3 * row * size_of::<S::Base>());
        cut.each(units, arrays, &|units, [xhat, out, slope, pooled, mean, inverse]| {
            let rows = units::Forward { xhat, out, slope, pooled, statistics: [mean, inverse] };
            self.units_forward::<S>(&layer, units, batch, theta, rows);
        });
    }

    /// Turns dL/d(outputs), left by the forward pass, into the gradient.
    pub(super) fn backward<S: Scalar>(&self, batch: usize, theta: &[S], grad: &mut [S], work: &mut Workspace<S>) {
        let mut d = D;
        for l in (first_layer(work.wanted)..self.layers.len()).rev() {
            d = self.layer_backward(l, batch, d, (theta, grad), work);
        }
        if S::as_planes(theta).is_some() {
            return;
        }
        let places = &self.from_layer_on[first_layer(work.wanted)];
        let planes = &*contents(&mut work.buffers[GRAD]);
        vectorised_for::<S, _>(
            #[inline(always)]
            || {
                for part in places {
                    rows::from_planes(planes, part.start, &mut grad[part.clone()]);
                }
            },
        );
    }

    /// `d` says in which buffers dL/d(outputs) of this layer is, and that of the layer before is to be; returns the
    /// same for the layer before.
    fn layer_backward<S: Scalar>(
        &self,
        l: usize,
        batch: usize,
        mut d: [usize; 2],
        (theta, grad): (&[S], &mut [S]),
        work: &mut Workspace<S>,
    ) -> [usize; 2] {
        let layer = self.layers[l];
        let columns = layer.positions * batch;
        let (row, tasks) = (S::PLANES * columns, layer.tasks::<S>(batch));
        let wanted = work.wanted;
        let store = if wanted == Wanted::All { Store::Replace } else { Store::Derivative };
        if layer.pooled.is_some() {
            // What was pooled goes to the larger image first.
            d.swap(0, 1);
        }
        borrow!(&mut work.buffers =>
            xhat: xhat(l), slope: slope(l), output: output(l), inverse: inverse(l),
            planes: THETA, grad_planes: GRAD, source: self.source(l),
            read: READ, results: RESULTS, filters: FILTERS, sums: SCRATCH,
            d_here: d[0], d_before: d[1],
        );
        let theta = S::as_planes(theta).unwrap_or(planes);
        let grad = S::as_planes_mut(grad).unwrap_or(grad_planes);
        let d_here = &mut d_here[..layer.n_out * row];
        let group_size = layer.group_size();
        let [sum, sum_xhat, coefficients] = {
            let (sum, rest) = sums.split_at_mut(S::PLANES * layer.n_out);
            let (sum_xhat, rest) = rest.split_at_mut(S::PLANES * layer.n_out);
            [sum, sum_xhat, &mut rest[..S::PLANES * layer.n_out]]
        };
        let kept = units::Kept { theta, xhat, out: output, slope, inverse, d_pooled: d_before };
        let arrays = [&mut *d_here, &mut *sum, &mut *sum_xhat, &mut *coefficients];
        let cut = Cut::cached(layer.n_out, tasks, 3 * row * size_of::<S::Base>());
        cut.each(0..layer.n_out, arrays, &|units, [d, sum, sum_xhat, coefficients]| {
            let rows = units::Backward { d, sums: [sum, sum_xhat, coefficients] };
            self.units_backward::<S>(&layer, units, batch, &kept, rows);
        });
        for (sums, place) in [(sum_xhat, layer.scale), (sum, layer.shift)] {
            if let Some(place) = place {
                rows::place_singles::<S>(sums, grad, place);
            }
        }
        if let Some(size) = group_size {
            let groups = d_here.chunks_exact_mut(size * row).zip(xhat.chunks_exact(size * row));
            for (group, (d, xhat)) in groups.enumerate() {
                let bn_scale = |k: usize| layer.scale.map_or(S::ONE, |scale| S::load(theta, scale + group * size + k));
                let inverse = &inverse[group * S::PLANES * batch..][..S::PLANES * batch];
                let coefficient = layer.normalisation.group_backward::<S>(d, xhat, inverse, layer.positions, bn_scale);
                rows::store_single(coefficient, coefficients, group);
            }
        }
        if let Some(bias) = layer.bias {
            units::bias_backward::<S>(d_here, row, grad, bias);
        }
        let d_matrix = Matrix {
            data: d_here,
            rows: layer.n_out,
            columns,
            row_step: row,
            column_step: 1,
            plane_step: Some(columns),
        };
        self.weights_backward::<S>(l, d_matrix, [source, read, filters, grad], store, (batch, wanted));
        if layer.normalisation.weight_share() != 0.0 {
            through_weights::<S>(&layer, batch, [theta, inverse, coefficients], grad);
        }
        if l > first_layer(wanted) {
            let weights = self.weights::<S>(layer, 0..layer.n_out, theta);
            let images = |channels: usize, image: Image| Rows {
                image: Image { channels, ..image },
                batch,
                planes: S::PLANES,
                row_step: S::PLANES * image.positions() * batch,
            };
            match layer.reads {
                Reads::Patches(image) => {
                    let filters = products::backwards(weights, S::PLANES, filters);
                    let d_before = &mut d_before[..image.channels * row];
                    let d_images = (images(layer.n_out, image), d_matrix.data);
                    products::convolve::<S>(filters, d_images, d_before, [results, read], tasks);
                }
                Reads::Flat(image) => {
                    let d_read = &mut results[..layer.n_in * row];
                    products::multiply::<S>(weights.transposed(), d_matrix, d_read, tasks);
                    images(image.channels, image).unflatten(d_read, d_before);
                }
                Reads::Rows => {
                    let d_before = &mut d_before[..layer.n_in * row];
                    products::multiply::<S>(weights.transposed(), d_matrix, d_before, tasks);
                }
            }
        }
        [d[1], d[0]]
    }

    /// dL/dW of layer l, apart from what comes through ||w||^2.
    fn weights_backward<S: Scalar>(
        &self,
        l: usize,
        d: Matrix<'_, S::Base>,
        [source, read, found, grad]: [&mut [S::Base]; 4],
        store: Store,
        (batch, wanted): (usize, Wanted),
    ) {
        let layer = self.layers[l];
        let tasks = layer.tasks::<S>(batch);
        // From one row of dL/dW to the next, from one entry to the next, and from one component to the next.
        let steps = match layer.reads {
            Reads::Patches(image) => {
                let images = self.source_rows::<S>(l, image, batch, wanted);
                let found = &mut found[..S::PLANES * layer.n_in * layer.n_out];
                products::correlate::<S>((images, source), d, found, read, store, tasks);
                [1, S::PLANES * layer.n_out, layer.n_out]
            }
            _ => {
                let inputs = self.inputs::<S>(l, batch, source, read, wanted);
                if tasks == 1 {
                    let c = MatrixMut {
                        data: &mut grad[layer.weights..],
                        rows: layer.n_out,
                        columns: layer.n_in,
                        row_step: layer.n_in,
                        plane_step: self.parameters.len(),
                    };
                    return S::matmul_transposed(&[[d, inputs]], c, store);
                }
                let found = &mut found[..S::PLANES * layer.n_in * layer.n_out];
                products::multiply_transposed::<S>(d, inputs, found, store, tasks);
                [S::PLANES * layer.n_in, 1, layer.n_in]
            }
        };
        for p in 0..S::PLANES {
            let plane = &mut grad[p * self.parameters.len() + layer.weights..][..layer.n_in * layer.n_out];
            for (k, row) in plane.chunks_exact_mut(layer.n_in).enumerate() {
                let found = &found[p * steps[2] + k * steps[0]..];
                for (entry, &found) in row.iter_mut().zip(found.iter().step_by(steps[1])) {
                    *entry = found;
                }
            }
        }
    }
}
