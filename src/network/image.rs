//! Images in rows: what a convolution reads, what pooling keeps, and where the derivatives of that go.
//!
//! A row holds one channel of all images of a minibatch: position by position, row-major, with the examples contiguous
//! at each. Moving by one position is then moving by the size of the minibatch, and a patch is copied in long pieces.

use std::ops::Range;

use super::rows::{Lanes, sweep};
use crate::scalar::Scalar;

/// The places that a 3x3 filter reads around each position.
pub(super) const TAPS: usize = 9;

/// The shape of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image {
    /// Numbers at each position.
    pub channels: usize,
    /// Rows of positions.
    pub height: usize,
    /// Positions in a row.
    pub width: usize,
}

impl Image {
    /// The number of positions.
    pub(super) fn positions(self) -> usize {
        self.height * self.width
    }

    /// The number of numbers.
    pub(super) fn len(self) -> usize {
        self.channels * self.positions()
    }

    /// A quarter of the positions, the maxima of squares of 2x2.
    pub(super) fn pooled(self) -> Self {
        Self { height: self.height / 2, width: self.width / 2, ..self }
    }
}

/// Where the images of a layer lie: rows `row_step` base numbers apart, each of `planes` components.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub(super) image: Image,
    pub(super) batch: usize,
    pub(super) planes: usize,
    pub(super) row_step: usize,
}

impl Rows {
    /// The base numbers of one component of a row.
    pub(super) fn plane(self) -> usize {
        self.image.positions() * self.batch
    }

    /// Copies the 3x3 patches of some channels around some positions, of some examples: `columns` are those of a row.
    /// Row 9 c + tap of the result is the c-th of the channels as the tap reads it, with zeros outside the image.
    pub(super) fn unfold<T: Copy + Default>(
        self,
        source: &[T],
        channels: Range<usize>,
        columns: &Range<usize>,
        patches: &mut [T],
    ) {
        let (plane, batch) = (self.plane(), self.batch);
        let line = self.image.width * batch;
        let Range { start, end } = *columns;
        let mut rows = patches.chunks_exact_mut(columns.len());
        for source in channels.map(|channel| &source[channel * self.row_step..][..self.planes * plane]) {
            for tap in 0..TAPS {
                // One row and one column of zeros around the image: tap (1, 1) reads the position itself.
                let (down, right) = (tap / 3, tap % 3);
                let (ahead, behind) = (down * line + right * batch, line + batch);
                // Above the image and below it a tap reads outside of the row.
                let first = behind.saturating_sub(ahead).clamp(start, end);
                // Of an image of one line nothing is left below it.
                let last = (plane + behind).saturating_sub(ahead).clamp(first, end);
                for (source, row) in source.chunks_exact(plane).zip(&mut rows) {
                    row[..first - start].fill(T::default());
                    if first < last {
                        row[first - start..last - start]
                            .copy_from_slice(&source[first + ahead - behind..last + ahead - behind]);
                    }
                    row[last - start..].fill(T::default());
                    // Beside the image it reads the end of the line before, or the start of the next.
                    if right != 1 {
                        let edge = if right == 0 { 0 } else { line - batch };
                        for at in (start / line * line + edge..end).step_by(line) {
                            let (from, to) = (at.max(start), (at + batch).min(end));
                            if from < to {
                                row[from - start..to - start].fill(T::default());
                            }
                        }
                    }
                }
            }
        }
    }

    /// Every position of every channel as a row of its own, as dense layers read it.
    pub(super) fn flatten<T: Copy>(self, source: &[T], flat: &mut [T]) {
        self.pieces(|image, row| flat[row.clone()].copy_from_slice(&source[image][..row.len()]));
    }

    /// The transpose of [`Rows::flatten`].
    pub(super) fn unflatten<T: Copy>(self, flat: &[T], image: &mut [T]) {
        self.pieces(|at, row| image[at][..row.len()].copy_from_slice(&flat[row.clone()]));
    }

    /// For every channel, position and component: from where on it lies in the images, and where in the rows.
    fn pieces(self, mut copy: impl FnMut(std::ops::RangeFrom<usize>, Range<usize>)) {
        let (positions, batch) = (self.image.positions(), self.batch);
        for channel in 0..self.image.channels {
            for position in 0..positions {
                for p in 0..self.planes {
                    let image = channel * self.row_step + p * self.plane() + position * batch;
                    let row = ((channel * positions + position) * self.planes + p) * batch;
                    copy(image.., row..row + batch);
                }
            }
        }
    }

    /// The largest of every 2x2 square of one channel: the first of them where several are.
    #[inline(always)]
    pub(super) fn pool<S: Scalar>(self, source: &[S::Base], pooled: &mut [S::Base]) {
        self.squares(|from, at| {
            sweep!(S: self.batch, K, b => {
                let loaded = from.map(#[inline(always)] |from| Lanes::load(source, from + b));
                largest::<S, K>(loaded).0.store(pooled, at + b);
            });
        });
    }

    /// dL/d(image) from dL/d(pooled), of one channel: what was not the largest has none.
    #[inline(always)]
    pub(super) fn unpool<S: Scalar>(self, source: &[S::Base], d_pooled: &[S::Base], d: &mut [S::Base]) {
        self.squares(|from, at| {
            sweep!(S: self.batch, K, b => {
                let (_, place) = largest::<S, K>(from.map(#[inline(always)] |from| Lanes::load(source, from + b)));
                let d_largest = Lanes::<S, K>::load(d_pooled, at + b);
                for k in 0..4 {
                    let mut part = d_largest;
                    for i in 0..K {
                        part.0[i] = if place[i] == k as u32 { part.0[i] } else { S::ZERO };
                    }
                    part.store(d, from[k] + b);
                }
            });
        });
    }

    /// For every square, where its four positions start in a row and where the square starts in a pooled row.
    #[inline(always)]
    fn squares(self, mut visit: impl FnMut([usize; 4], usize)) {
        let (width, pooled, batch) = (self.image.width, self.image.pooled(), self.batch);
        for y in 0..pooled.height {
            for x in 0..pooled.width {
                let corner = (2 * y * width + 2 * x) * batch;
                let below = corner + width * batch;
                visit([corner, corner + batch, below, below + batch], (y * pooled.width + x) * batch);
            }
        }
    }
}

/// The largest of four, and which it is: the first, where several are.
#[inline(always)]
fn largest<S: Scalar, const K: usize>(square: [Lanes<S, K>; 4]) -> (Lanes<S, K>, [u32; K]) {
    let (mut best, mut place) = (square[0], [0; K]);
    for k in 1..4 {
        for i in 0..K {
            let (x, y) = (square[k].0[i].value(), best.0[i].value());
            // What is not a number is the largest: it must not be lost.
            let larger = x > y || x.is_nan();
            best.0[i] = if larger { square[k].0[i] } else { best.0[i] };
            place[i] = if larger { k as u32 } else { place[i] };
        }
    }
    (best, place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::Dual;

    const IMAGE: Image = Image { channels: 2, height: 4, width: 6 };
    const BATCH: usize = 3;

    fn rows<S: Scalar>() -> Rows {
        let row_step = S::PLANES * IMAGE.positions() * BATCH;
        Rows { image: IMAGE, batch: BATCH, planes: S::PLANES, row_step }
    }

    /// Different numbers.
    fn numbers(n: usize, salt: usize) -> Vec<f64> {
        (0..n).map(|i| ((i * 37 + salt) % 101) as f64 / 8.0 - 6.0).collect()
    }

    /// Whichever channels, positions and examples are wanted.
    #[test]
    fn patches_hold_what_filters_read() {
        let source = numbers(2 * 2 * 24 * BATCH, 3);
        for channels in [0..2, 1..2] {
            for columns in [0..72, 0..1, 5..23, 17..55, 20..21, 54..72, 71..72] {
                let n = columns.len();
                let mut patches = vec![f64::NAN; channels.len() * TAPS * 2 * n];
                rows::<Dual<f64>>().unfold(&source, channels.clone(), &columns, &mut patches);
                for (i, &patch) in patches.iter().enumerate() {
                    let (row, column) = (i / n, columns.start + i % n);
                    let (p, tap, channel) = (row % 2, row / 2 % 9, channels.start + row / 18);
                    let (b, x, y) = (column % BATCH, column / BATCH % 6, column / BATCH / 6);
                    let (from_y, from_x) = ((y + tap / 3).wrapping_sub(1), (x + tap % 3).wrapping_sub(1));
                    let inside = from_y < 4 && from_x < 6;
                    let expected =
                        if inside { source[((channel * 2 + p) * 24 + from_y * 6 + from_x) * BATCH + b] } else { 0.0 };
                    assert_eq!(patch, expected, "channel {channel}, tap {tap}, component {p}, ({y}, {x}), example {b}");
                }
            }
        }
    }

    /// Images of one line or one column, and of one position: the filter reads zeros above and below, and beside them.
    #[test]
    fn patches_of_thin_images() {
        for (height, width) in [(1, 4), (4, 1), (1, 1)] {
            let image = Image { channels: 1, height, width };
            let rows = Rows { image, batch: BATCH, planes: 1, row_step: image.positions() * BATCH };
            let source = numbers(image.positions() * BATCH, 5);
            for columns in [0..source.len(), 1..source.len() - 1] {
                let n = columns.len();
                let mut patches = vec![f64::NAN; TAPS * n];
                rows.unfold(&source, 0..1, &columns, &mut patches);
                for (i, &patch) in patches.iter().enumerate() {
                    let (tap, column) = (i / n, columns.start + i % n);
                    let (b, x, y) = (column % BATCH, column / BATCH % width, column / BATCH / width);
                    let (from_y, from_x) = ((y + tap / 3).wrapping_sub(1), (x + tap % 3).wrapping_sub(1));
                    let inside = from_y < height && from_x < width;
                    let expected = if inside { source[(from_y * width + from_x) * BATCH + b] } else { 0.0 };
                    assert_eq!(patch, expected, "{height} x {width}, tap {tap}, ({y}, {x}), example {b}");
                }
            }
        }
    }

    #[test]
    fn flattening_is_undone() {
        let source = numbers(2 * 2 * 24 * BATCH, 1);
        let (mut flat, mut again) = (vec![0.0; source.len()], vec![0.0; source.len()]);
        rows::<Dual<f64>>().flatten(&source, &mut flat);
        // Channel 1, position 2, derivative, example 0.
        assert_eq!(flat[((24 + 2) * 2 + 1) * BATCH], source[((2 + 1) * 24 + 2) * BATCH]);
        rows::<Dual<f64>>().unflatten(&flat, &mut again);
        assert_eq!(again, source);
    }

    #[test]
    fn pooling_keeps_the_largest_and_its_derivative() {
        let mut source = numbers(2 * 24 * BATCH, 9);
        // A tie, and what is not a number.
        source[BATCH..2 * BATCH].copy_from_slice(&[50.0; BATCH]);
        source[..BATCH].copy_from_slice(&[50.0; BATCH]);
        source[24 * BATCH] = f64::NAN;
        let d_pooled = numbers(2 * 6 * BATCH, 2);
        let (mut pooled, mut d) = (vec![0.0; d_pooled.len()], vec![f64::NAN; source.len()]);
        for (channel, source) in source.chunks(24 * BATCH).enumerate() {
            let small = channel * 6 * BATCH..(channel + 1) * 6 * BATCH;
            rows::<f64>().pool::<f64>(source, &mut pooled[small.clone()]);
            rows::<f64>().unpool::<f64>(source, &d_pooled[small], &mut d[channel * 24 * BATCH..][..24 * BATCH]);
        }
        for channel in 0..2 {
            for square in 0..6 {
                for b in 0..BATCH {
                    let at = |k: usize| {
                        (channel * 24 + (2 * (square / 3) + k / 2) * 6 + 2 * (square % 3) + k % 2) * BATCH + b
                    };
                    let kept = pooled[(channel * 6 + square) * BATCH + b];
                    let largest =
                        (0..4).map(|k| source[at(k)]).reduce(|a, b| if a.is_nan() || b > a { a.max(b) } else { a });
                    if (channel, square, b) == (1, 0, 0) {
                        assert!(kept.is_nan());
                        continue;
                    }
                    assert_eq!(Some(kept), largest);
                    let first = (0..4).find(|&k| source[at(k)] == kept);
                    for k in 0..4 {
                        let expected =
                            if Some(k) == first { d_pooled[(channel * 6 + square) * BATCH + b] } else { 0.0 };
                        assert_eq!(d[at(k)], expected, "channel {channel}, square {square}, example {b}, place {k}");
                    }
                }
            }
        }
    }
}
