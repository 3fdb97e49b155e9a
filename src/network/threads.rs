//! How the work of a layer is cut, between threads and into pieces that stay in the caches.
//!
//! Whatever the cut, every number is computed by the same operations in the same order: sums run over examples,
//! positions or inputs, and none of them is shared.

use std::ops::Range;

/// The fewest multiply-adds of a product that are shared between threads: a fifth of a millisecond, against the some
/// ten microseconds that it takes to wake one. Networks of a hundred units in a layer stay with the thread that asks.
const SHARED: usize = 10_000_000;

/// Tasks per thread: a thread that is held up leaves some of its own to the others.
const TASKS: usize = 2;

/// The bytes that one piece of the work of a layer's units should touch: a quarter of a usual second cache.
const CACHED: usize = 1 << 18;

/// How many tasks work of so many multiply-adds is cut into: one, if it is not worth sharing.
pub(super) fn tasks(multiply_adds: usize) -> usize {
    let threads = if multiply_adds < SHARED { 1 } else { rayon::current_num_threads() };
    if threads == 1 { 1 } else { TASKS * threads }
}

/// What is done for a part of the items, with its part of every array.
type Work<'a, T, const N: usize> = dyn Fn(Range<usize>, [&mut [T]; N]) + Sync + 'a;

/// How a range of items is cut.
#[derive(Clone, Copy)]
pub(super) struct Cut {
    /// The most items that stay together.
    most: usize,
    /// Whether the parts are for several threads.
    shared: bool,
}

impl Cut {
    /// Into so many tasks.
    pub(super) fn tasks(n_items: usize, tasks: usize) -> Self {
        Self { most: n_items.div_ceil(tasks).max(1), shared: tasks > 1 }
    }

    /// Into parts that stay in the caches, too, for items of so many bytes.
    pub(super) fn cached(n_items: usize, tasks: usize, bytes: usize) -> Self {
        let Self { most, shared } = Self::tasks(n_items, tasks);
        Self { most: most.min(CACHED / bytes.max(1)).max(1), shared }
    }

    /// Does the work for all parts of the items; each array has equally many numbers for every item, or none. The work
    /// is called through a pointer, once a part: the division between threads is then compiled once, and not for every
    /// layer in every arithmetic.
    pub(super) fn each<T: Send, const N: usize>(
        self,
        items: Range<usize>,
        arrays: [&mut [T]; N],
        work: &Work<'_, T, N>,
    ) {
        if items.len() <= self.most {
            return work(items, arrays);
        }
        let half = items.len() / 2;
        let (mut left, mut right) = (arrays, [(); N].map(|()| &mut [][..]));
        for (left, right) in left.iter_mut().zip(&mut right) {
            let middle = left.len() / items.len() * half;
            (*left, *right) = std::mem::take(left).split_at_mut(middle);
        }
        let middle = items.start + half;
        let first = || self.each(items.start..middle, left, work);
        let second = || self.each(middle..items.end, right, work);
        if self.shared {
            rayon::join(first, second);
        } else {
            first();
            second();
        }
    }
}
