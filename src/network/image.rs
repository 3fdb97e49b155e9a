//! Images in rows: what a convolution reads, what pooling keeps, and where their derivatives go.
//!
//! A row holds one channel of all images of a minibatch: position by position, row-major, with the examples contiguous at each.
//! Moving by one position is then moving by the size of the minibatch, and a patch is copied in long pieces.

use std::ops::Range;

use super::rows::{Lanes, sweep};
use crate::scalar::{Scalar, vectorised};

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

    /// For every tap and every row of positions that it reads inside the image: the tap, the positions written, and the first
    /// position read. Outside the image there are zeros.
    fn reads(self) -> impl Iterator<Item = (usize, Range<usize>, usize)> {
        let Self { height, width, .. } = self;
        (0..TAPS).flat_map(move |tap| {
            let (down, right) = (tap / 3, tap % 3);
            // One row and one column of zeros around the image: tap (1, 1) reads the position itself.
            let rows = 1_usize.saturating_sub(down)..height.min(height + 1 - down);
            let columns = 1_usize.saturating_sub(right)..width.min(width + 1 - right);
            rows.map(move |y| {
                let written = y * width + columns.start..y * width + columns.end;
                (tap, written, (y + down - 1) * width + columns.start + right - 1)
            })
        })
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
    fn plane(self) -> usize {
        self.image.positions() * self.batch
    }

    /// Copies the 3x3 patch around every position: row 9 c + tap of the result is channel c as the tap reads it.
    pub(super) fn unfold<T: Copy + Default>(self, source: &[T], patches: &mut [T]) {
        let (plane, batch) = (self.plane(), self.batch);
        let patches = &mut patches[..self.image.channels * TAPS * self.planes * plane];
        patches.fill(T::default());
        for (channel, patches) in patches.chunks_exact_mut(TAPS * self.planes * plane).enumerate() {
            for p in 0..self.planes {
                let source = &source[channel * self.row_step + p * plane..][..plane];
                for (tap, written, read) in self.image.reads() {
                    let len = written.len() * batch;
                    patches[(tap * self.planes + p) * plane + written.start * batch..][..len]
                        .copy_from_slice(&source[read * batch..][..len]);
                }
            }
        }
    }

    /// The transpose of [`Rows::unfold`]: replaces dL/d(image) by the sum over the patches that read it.
    pub(super) fn fold<S: Scalar>(self, d_patches: &[S::Base], d: &mut [S::Base]) {
        let (row, batch) = (S::PLANES * self.plane(), self.batch);
        let d = &mut d[..self.image.channels * row];
        d.fill(S::Base::default());
        vectorised(
            #[inline(always)]
            || {
                for (d, patches) in d.chunks_exact_mut(row).zip(d_patches.chunks_exact(TAPS * row)) {
                    for (tap, written, read) in self.image.reads() {
                        let patch = &patches[tap * row..][..row];
                        let (from, to) = (written.start * batch, read * batch);
                        sweep!(S: written.len() * batch, K, i => {
                            (Lanes::<S, K>::load(d, to + i) + Lanes::load(patch, from + i)).store(d, to + i);
                        });
                    }
                }
            },
        );
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

    /// The largest of every 2x2 square: the first of them where several are.
    pub(super) fn pool<S: Scalar>(self, source: &[S::Base], pooled: &mut [S::Base]) {
        self.squares::<S>(source, |source, largest, at, channel| {
            let row = S::PLANES * self.image.pooled().positions() * self.batch;
            S::load(source, largest).store(&mut pooled[channel * row..][..row], at);
        });
    }

    /// dL/d(image) from dL/d(pooled): what was not the largest has none.
    pub(super) fn unpool<S: Scalar>(self, source: &[S::Base], d_pooled: &[S::Base], d: &mut [S::Base]) {
        let (row, small) = (S::PLANES * self.plane(), S::PLANES * self.image.pooled().positions() * self.batch);
        d[..self.image.channels * row].fill(S::Base::default());
        self.squares::<S>(source, |_, largest, at, channel| {
            S::load(&d_pooled[channel * small..][..small], at).store(&mut d[channel * row..][..row], largest);
        });
    }

    /// For every channel, square and example: the row of the channel, where in it the largest lies, the place of the square in a
    /// pooled row, and the channel.
    fn squares<S: Scalar>(self, source: &[S::Base], mut visit: impl FnMut(&[S::Base], usize, usize, usize)) {
        let (Image { channels, width, .. }, pooled, batch) = (self.image, self.image.pooled(), self.batch);
        let row = S::PLANES * self.plane();
        for channel in 0..channels {
            let source = &source[channel * row..][..row];
            for square in 0..pooled.positions() {
                let corner = 2 * (square / pooled.width) * width + 2 * (square % pooled.width);
                for b in 0..batch {
                    let mut largest = corner * batch + b;
                    for position in [corner + 1, corner + width, corner + width + 1] {
                        let (x, best) = (S::load(source, position * batch + b), S::load(source, largest));
                        // What is not a number is the largest: it must not be lost.
                        if x.value() > best.value() || x.value().is_nan() {
                            largest = position * batch + b;
                        }
                    }
                    visit(source, largest, square * batch + b, channel);
                }
            }
        }
    }
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

    #[test]
    fn patches_hold_what_filters_read() {
        let source = numbers(2 * 2 * 24 * BATCH, 3);
        let mut patches = vec![f64::NAN; 2 * 2 * TAPS * 24 * BATCH];
        rows::<Dual<f64>>().unfold(&source, &mut patches);
        for (i, &patch) in patches.iter().enumerate() {
            let (row, b) = (i / BATCH, i % BATCH);
            let (x, y, p, tap, channel) = (row % 6, row / 6 % 4, row / 24 % 2, row / 48 % 9, row / 432);
            let (from_y, from_x) = ((y + tap / 3).wrapping_sub(1), (x + tap % 3).wrapping_sub(1));
            let inside = from_y < 4 && from_x < 6;
            let expected =
                if inside { source[((channel * 2 + p) * 24 + from_y * 6 + from_x) * BATCH + b] } else { 0.0 };
            assert_eq!(patch, expected, "channel {channel}, tap {tap}, component {p}, ({y}, {x}), example {b}");
        }
    }

    /// <A x, y> = <x, A^T y> for numbers whose sums of products are exact.
    #[test]
    fn folding_is_the_transpose() {
        let (x, y) = (numbers(2 * 24 * BATCH, 5), numbers(2 * TAPS * 24 * BATCH, 7));
        let (mut patches, mut folded) = (vec![0.0; y.len()], vec![f64::NAN; x.len()]);
        rows::<f64>().unfold(&x, &mut patches);
        rows::<f64>().fold::<f64>(&y, &mut folded);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        assert_eq!(dot(&patches, &y), dot(&x, &folded));
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
        rows::<f64>().pool::<f64>(&source, &mut pooled);
        rows::<f64>().unpool::<f64>(&source, &d_pooled, &mut d);
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
