//! The products of matrices in a layer, in tasks for several threads and in pieces that stay in the caches.

use std::ops::Range;

use super::image::{Rows, TAPS};
use super::threads::Cut;
use crate::scalar::{Matrix, MatrixMut, Scalar, Store};

/// The columns whose patches are laid out at once: the patches of more columns than that would not stay in the second
/// cache. They are as many as the kernel adds up in one chain,
/// so that sums over the columns do not depend on the pieces.
const PIECE: usize = 256;

/// The columns of a product in pieces, the same number of them in every task but the last.
#[derive(Clone, Copy)]
struct Pieces {
    columns: usize,
    per_task: usize,
    tasks: usize,
}

impl Pieces {
    fn new(columns: usize, tasks: usize) -> Self {
        let n = columns.div_ceil(PIECE);
        let per_task = n.div_ceil(tasks);
        Self { columns, per_task, tasks: n.div_ceil(per_task) }
    }

    /// The most columns in a piece.
    fn most(self) -> usize {
        PIECE.min(self.columns)
    }

    /// The pieces of a task.
    fn of_task(self, task: usize) -> impl Iterator<Item = Range<usize>> {
        let end = self.columns.min((task + 1) * self.per_task * PIECE);
        pieces(task * self.per_task * PIECE..end)
    }
}

/// A range in pieces.
fn pieces(range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let end = range.end;
    range.step_by(PIECE).map(move |start| start..end.min(start + PIECE))
}

/// What [`convolve`] needs for its tasks, in base numbers for `filters` rows of `channels` channels: for the results of
/// all, and for patches. Without tasks, results go where they belong.
pub(super) fn room<S: Scalar>(filters: usize, channels: usize, columns: usize, tasks: usize) -> [usize; 2] {
    let pieces = Pieces::new(columns, tasks);
    let results = if pieces.tasks > 1 { pieces.tasks * pieces.per_task * filters * pieces.most() } else { 0 };
    [S::PLANES * results, S::PLANES * pieces.tasks * channels * TAPS * pieces.most()]
}

/// The patches of some channels of images around some positions, of some examples, as a matrix.
fn patches<'a, T: Copy + Default>(
    (images, source): (Rows, &[T]),
    channels: Range<usize>,
    columns: &Range<usize>,
    room: &'a mut [T],
) -> Matrix<'a, T> {
    let n = columns.len();
    let rows = TAPS * channels.len();
    let data = &mut room[..rows * images.planes * n];
    images.unfold(source, channels, columns, data);
    let plane_step = (images.planes > 1).then_some(n);
    Matrix { data, rows, columns: n, row_step: images.planes * n, column_step: 1, plane_step }
}

/// C = A P, where the rows of A are filters and P the patches of images.
pub(super) fn convolve<S: Scalar>(
    filters: Matrix<'_, S::Base>,
    images: (Rows, &[S::Base]),
    c: &mut [S::Base],
    [results, room]: [&mut [S::Base]; 2],
    tasks: usize,
) {
    let columns = images.0.plane();
    let all = 0..images.0.image.channels;
    let pieces = Pieces::new(columns, tasks);
    let product = |piece: &Range<usize>, room: &mut [S::Base], data: &mut [S::Base], plane_step: usize| {
        let (rows, row_step) = (filters.rows, S::PLANES * plane_step);
        let c = MatrixMut { data, rows, columns: piece.len(), row_step, plane_step };
        S::matmul(&[[filters, patches(images, all.clone(), piece, room)]], c, Store::Replace);
    };
    if pieces.tasks == 1 {
        return pieces.of_task(0).for_each(|piece| product(&piece, room, &mut c[piece.start..], columns));
    }
    // The columns of C that a task computes are no slice of it: each piece has a place of its own first.
    let most = pieces.most();
    let block = filters.rows * S::PLANES * most;
    let [len, len_of_room] = self::room::<S>(filters.rows, all.len(), columns, tasks);
    let (results, room) = (&mut results[..len], &mut room[..len_of_room]);
    Cut::tasks(pieces.tasks, pieces.tasks).each(0..pieces.tasks, [&mut *results, room], &|task, [results, room]| {
        for (piece, result) in pieces.of_task(task.start).zip(results.chunks_exact_mut(block)) {
            product(&piece, room, result, most);
        }
    });
    let results = &*results;
    Cut::tasks(filters.rows, tasks).each(0..filters.rows, [c], &|rows, [c]| {
        for (k, c) in (rows.start * S::PLANES..).zip(c.chunks_exact_mut(columns)) {
            for (part, result) in c.chunks_mut(most).zip(results.chunks_exact(block)) {
                part.copy_from_slice(&result[k * most..][..part.len()]);
            }
        }
    });
}

/// C = P D^T, where P are the patches of images: the derivative by filters, one column for each.
/// Tasks have channels of their own.
pub(super) fn correlate<S: Scalar>(
    images: (Rows, &[S::Base]),
    d: Matrix<'_, S::Base>,
    c: &mut [S::Base],
    room: &mut [S::Base],
    store: Store,
    tasks: usize,
) {
    let n = images.0.image.channels;
    let room = &mut room[..n * TAPS * images.0.planes * PIECE.min(d.columns)];
    Cut::tasks(n, tasks).each(0..n, [c, room], &|channels, [c, room]| {
        let mut store = store;
        for piece in pieces(0..d.columns) {
            let patches = patches(images, channels.clone(), &piece, room);
            let (rows, row_step) = (patches.rows, S::PLANES * d.rows);
            let c = MatrixMut { data: &mut *c, rows, columns: d.rows, row_step, plane_step: d.rows };
            S::matmul_transposed(&[[patches, d.some_columns(&piece)]], c, store);
            store = store.adding();
        }
    });
}

/// The filters that turn dL/dC of C = A P into the derivative by the images: a row for every channel, and in it the
/// taps of every filter backwards, since what a position reads ahead of it is read from behind.
pub(super) fn backwards<'a, T: Copy>(filters: Matrix<'_, T>, planes: usize, room: &'a mut [T]) -> Matrix<'a, T> {
    let (channels, columns) = (filters.columns / TAPS, TAPS * filters.rows);
    let data = &mut room[..planes * channels * columns];
    for (p, plane) in data.chunks_exact_mut(channels * columns).enumerate() {
        let start = p * filters.plane_step.unwrap_or(0);
        for (channel, row) in plane.chunks_exact_mut(columns).enumerate() {
            for (k, taps) in row.chunks_exact_mut(TAPS).enumerate() {
                taps.copy_from_slice(&filters.data[start + k * filters.row_step + channel * TAPS..][..TAPS]);
                taps.reverse();
            }
        }
    }
    let plane_step = Some(channels * columns);
    Matrix { data, rows: channels, columns, row_step: columns, column_step: 1, plane_step }
}

/// C = A B, the rows in tasks.
pub(super) fn multiply<S: Scalar>(a: Matrix<'_, S::Base>, b: Matrix<'_, S::Base>, c: &mut [S::Base], tasks: usize) {
    let columns = b.columns;
    Cut::tasks(a.rows, tasks).each(0..a.rows, [c], &|rows, [data]| {
        let c = MatrixMut { data, rows: rows.len(), columns, row_step: S::PLANES * columns, plane_step: columns };
        S::matmul(&[[a.some_rows(&rows), b]], c, Store::Replace);
    });
}

/// C = A B^T, the same.
pub(super) fn multiply_transposed<S: Scalar>(
    a: Matrix<'_, S::Base>,
    b: Matrix<'_, S::Base>,
    c: &mut [S::Base],
    store: Store,
    tasks: usize,
) {
    let columns = b.rows;
    Cut::tasks(a.rows, tasks).each(0..a.rows, [c], &|rows, [data]| {
        let c = MatrixMut { data, rows: rows.len(), columns, row_step: S::PLANES * columns, plane_step: columns };
        S::matmul_transposed(&[[a.some_rows(&rows), b]], c, store);
    });
}
