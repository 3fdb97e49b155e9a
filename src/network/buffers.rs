//! The arrays that an evaluation needs, in [`Workspace::buffers`], one allocation each on first use: theta and its
//! gradient, the inputs, two buffers for dL/d(activations) that change places from layer to layer, a few for layers of
//! filters and for layers that several threads share, and six for every layer. None depends on how long a run is.

use super::Network;
use super::layers::{Layer, Reads};
use super::products;
use super::threads::tasks;
use crate::loss::Workspace;
use crate::scalar::Scalar;

pub(super) const THETA: usize = 0;
pub(super) const GRAD: usize = 1;
pub(super) const INPUT: usize = 2;
/// dL/d(output of the layer at hand), and the same for the layer before.
pub(super) const D: [usize; 2] = [3, 4];
pub(super) const SCRATCH: usize = 5;
/// What a layer reads that does not read rows as they are: a few of the patches at a time, if those.
pub(super) const READ: usize = 6;
/// dL/d of what is read, or the results of tasks.
pub(super) const RESULTS: usize = 7;
/// dL/dW that is not found where it belongs, and filters backwards.
pub(super) const FILTERS: usize = 8;

/// The buffers of layer l.
pub(super) fn xhat(l: usize) -> usize {
    9 + 6 * l
}
pub(super) fn slope(l: usize) -> usize {
    10 + 6 * l
}
pub(super) fn output(l: usize) -> usize {
    11 + 6 * l
}
/// 1/s: the scalars of single units one by one, or one row per group of units.
pub(super) fn inverse(l: usize) -> usize {
    12 + 6 * l
}
/// The outputs after pooling.
pub(super) fn pooled(l: usize) -> usize {
    13 + 6 * l
}
/// The means of single units, one by one.
pub(super) fn mean(l: usize) -> usize {
    14 + 6 * l
}

/// A cache line in bytes.
const LINE: usize = 64;

/// The base numbers that a buffer has room for beside its contents, which then can start on a cache line.
const fn room<T>() -> usize {
    LINE.div_ceil(size_of::<T>())
}

/// What a buffer holds. It starts on a cache line: half of the long vectors would lie in two lines otherwise,
/// or all of them.
pub(super) fn contents<T>(buffer: &mut [T]) -> &mut [T] {
    let start = buffer.as_ptr().align_offset(LINE).min(room::<T>());
    let len = buffer.len() - room::<T>();
    &mut buffer[start..start + len]
}

/// Borrows disjoint buffers together, each under the name that stands beside its index:
/// two names cannot change places unseen.
macro_rules! borrow {
    ($buffers:expr => $($name:ident: $which:expr),+ $(,)?) => {
        let [$($name),+] = $crate::network::buffers::pick($buffers, [$($which),+]);
    };
}
pub(super) use borrow;

/// Disjoint buffers, borrowed together.
pub(super) fn pick<T, const N: usize>(buffers: &mut [Vec<T>], which: [usize; N]) -> [&mut [T]; N] {
    // The indices are distinct by construction.
    let picked = buffers.get_disjoint_mut(which).expect("distinct buffers of a prepared workspace");
    picked.map(|buffer| contents(buffer))
}

impl Layer {
    /// How many tasks its products are cut into.
    pub(super) fn tasks<S: Scalar>(&self, batch: usize) -> usize {
        tasks(S::PLANES * self.n_in * self.n_out * self.positions * batch)
    }

    /// The base numbers of [`READ`], [`RESULTS`] and [`FILTERS`] that it needs.
    fn room<S: Scalar>(&self, batch: usize) -> [usize; 3] {
        let (columns, tasks, weights) = (self.positions * batch, self.tasks::<S>(batch), self.n_in * self.n_out);
        match self.reads {
            Reads::Patches(image) => {
                let [forward, patches] = products::room::<S>(self.n_out, image.channels, columns, tasks);
                let [back, more_patches] = products::room::<S>(image.channels, self.n_out, columns, tasks);
                [patches.max(more_patches), forward.max(back), S::PLANES * weights]
            }
            _ => {
                let read = if self.reads == Reads::Rows { 0 } else { S::PLANES * self.n_in * batch };
                [read, read, if tasks > 1 { S::PLANES * weights } else { 0 }]
            }
        }
    }
}

impl Network {
    /// Makes every buffer long enough; allocates only when something grew.
    pub(super) fn prepare<S: Scalar>(&self, batch: usize, work: &mut Workspace<S>) {
        let n_buffers = 9 + 6 * self.layers.len();
        if work.buffers.len() < n_buffers {
            work.buffers.resize_with(n_buffers, Vec::new);
        }
        let mut fit = |which: usize, len: usize| {
            let len = len + room::<S::Base>();
            if work.buffers[which].len() != len {
                work.buffers[which].clear();
                work.buffers[which].resize(len, S::Base::default());
            }
        };
        let most = |size: &dyn Fn(&Layer) -> usize| self.layers.iter().map(size).max().unwrap_or(0);
        let values = S::PLANES * batch * most(&|layer| layer.positions * layer.n_out);
        let room = |layer: &Layer| layer.room::<S>(batch);
        fit(THETA, S::PLANES * self.parameters.len());
        fit(GRAD, S::PLANES * self.parameters.len());
        fit(INPUT, self.architecture.widths[0] * batch);
        fit(D[0], values);
        fit(D[1], values);
        fit(SCRATCH, S::PLANES * most(&|layer| 3 * layer.n_out).max(2 * batch));
        fit(READ, most(&|layer| room(layer)[0]));
        fit(RESULTS, most(&|layer| room(layer)[1]));
        fit(FILTERS, most(&|layer| room(layer)[2]));
        for (l, layer) in self.layers.iter().enumerate() {
            let row = S::PLANES * layer.positions * batch;
            fit(xhat(l), layer.n_out * row);
            fit(slope(l), if layer.keeps_slope() { layer.n_out * row } else { 0 });
            fit(output(l), layer.n_out * row);
            match layer.group_size() {
                Some(size) => fit(inverse(l), layer.n_out / size * S::PLANES * batch),
                None => fit(inverse(l), layer.n_out * S::PLANES),
            }
            fit(mean(l), layer.n_out * S::PLANES);
            fit(pooled(l), layer.pooled.map_or(0, |image| S::PLANES * image.pooled().len() * batch));
        }
    }
}
