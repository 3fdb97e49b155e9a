//! The matrix products of `f64` and of `f32` that everything fast rests on.
//!
//! Every sum has a fixed order that depends on the shapes alone, and every product is an explicit fused multiply-add,
//! so the bits are the same with and without vector units. The vector units of the processor are chosen at run time.

use std::ops::Range;

use pulp::Simd;

use super::element::Element;
use super::{Matrix, MatrixMut, Planes, Store};

/// Runs `f` compiled for the vector units this processor has.
#[inline(always)]
pub(crate) fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(Operation(f))
}

/// [`vectorised`], for loops over an arithmetic that may not profit: one variant of a kernel is compiled for intervals,
/// two for double-doubles (fused multiply-adds are all that they need) and for scalars of many components (visited four
/// at a time, they fill the shorter vectors), all of them for the rest.
#[inline(always)]
pub(crate) fn vectorised_for<S: Planes, R>(f: impl FnOnce() -> R) -> R {
    if S::WIDE && S::PLANES <= 2 {
        vectorised(f)
    } else if S::WIDE || S::FUSED {
        fused(f)
    } else {
        f()
    }
}

/// Runs `f` compiled with fused multiply-adds, where the processor has them.
#[inline(always)]
fn fused<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return simd.vectorize(Operation(f));
    }
    f()
}

/// A closure to be compiled for vector units.
struct Operation<F>(F);

impl<R, F: FnOnce() -> R> pulp::NullaryFnOnce for Operation<F> {
    type Output = R;
    #[inline(always)]
    fn call(self) -> R {
        self.0()
    }
}

/// The rows of a tile, up to eight, by indices that are constants: only then its sums are in registers, and not in an
/// array in memory, whatever is compiled first.
macro_rules! each_row {
    ($m:expr, $r:ident => $body:expr) => {
        each_row!(@ $m, $r, $body, 0 1 2 3 4 5 6 7)
    };
    (@ $m:expr, $r:ident, $body:expr, $($index:literal)*) => {
        $(if $m > $index {
            let $r: usize = $index;
            $body;
        })*
    };
}

/// Some columns of the first B, and of those that follow: vectors row by row, and how far the rows are apart.
type Panels<'a, T> = [(&'a [T], usize); 2];

/// A pair [A, B] of factors.
type Pair<'a, T> = [Matrix<'a, T>; 2];

/// See [`super::Scalar::matmul`].
pub(super) fn matmul<T: Element>(pairs: &[Pair<'_, T>], c: MatrixMut<'_, T>, store: Store) {
    for [a, b] in pairs {
        assert!(a.columns == b.rows && a.rows == c.rows && b.columns == c.columns && b.column_step == 1);
        assert!(a.column_step == 1 || a.row_step == 1);
    }
    if store.values() {
        pulp::Arch::new().dispatch(Product { pairs, values: None, c, add: store.adds(), transposed: false });
    }
}

/// See [`super::Scalar::matmul_dual`]. Both products read B: it is packed once.
pub(super) fn matmul_dual<T: Element>([a, b]: Pair<'_, T>, c: MatrixMut<'_, T>, store: Store) {
    let (add, with_a) = (store.adds(), [a.skip_planes(1), b]);
    assert!(a.columns == b.rows && a.rows == c.rows && b.columns == c.columns && b.column_step == 1);
    assert!((a.column_step == 1 || a.row_step == 1) && store.values());
    let pairs = [[a, b.skip_planes(1)], with_a];
    let pairs = if b.plane_step.is_some() { &pairs[..] } else { &pairs[1..] };
    pulp::Arch::new().dispatch(Product { pairs, values: Some(a), c, add, transposed: false });
}

/// See [`super::Scalar::matmul_transposed`].
pub(super) fn matmul_transposed<T: Element>(pairs: &[Pair<'_, T>], c: MatrixMut<'_, T>, store: Store) {
    for [a, b] in pairs {
        assert!(a.columns == b.columns && a.rows == c.rows && b.rows == c.columns);
        assert!(a.column_step == 1 && b.column_step == 1);
    }
    if store.values() {
        pulp::Arch::new().dispatch(Product { pairs, values: None, c, add: store.adds(), transposed: true });
    }
}

/// K contiguous numbers, by value.
#[inline(always)]
pub(super) fn lanes<T: Element, const K: usize>(row: &[T], b: usize) -> [T; K] {
    let mut lanes = [T::default(); K];
    lanes.copy_from_slice(&row[b..b + K]);
    lanes
}

/// The most inner indices in one chain. Longer sums are sums of such chains, in order.
pub(super) const BLOCK: usize = 256;

/// C (+)= the sum of A B over all pairs, or of A B^T. Each entry is one chain of fused multiply-adds over the inner
/// indices of a block, whatever the tiles: they are as large as the registers allow.
struct Product<'a, T> {
    pairs: &'a [Pair<'a, T>],
    /// If there is such an A, then A times the last B goes to the values of C,
    /// and the sum over the pairs to its derivatives.
    values: Option<Matrix<'a, T>>,
    c: MatrixMut<'a, T>,
    add: bool,
    transposed: bool,
}

impl<T: Element> pulp::WithSimd for Product<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let mut panel = T::panel().take();
        // With a store of 32 registers a tile has 8 rows, otherwise 4.
        if S::REGISTER_COUNT >= 32 {
            self.multiply::<S, 8>(simd, &mut panel);
        } else {
            self.multiply::<S, 4>(simd, &mut panel);
        }
        T::panel().set(panel);
    }
}

impl<'a, T: Element> Product<'a, T> {
    #[inline(always)]
    fn multiply<S: Simd, const M: usize>(mut self, simd: S, panel: &mut Vec<T>) {
        let inner = self.pairs.iter().map(|[a, _]| a.columns).max().unwrap_or(0);
        let mut start = 0;
        // At least once: a sum of nothing is 0.
        while start == 0 || start < inner {
            let block = start..start + BLOCK;
            let mut j = 0;
            while j < self.c.columns {
                if self.c.columns - j > T::lanes::<S>() {
                    self.strip::<S, M, 2>(simd, panel, j, &block);
                    j += 2 * T::lanes::<S>();
                } else {
                    self.strip::<S, M, 1>(simd, panel, j, &block);
                    j += T::lanes::<S>();
                }
            }
            self.add = true;
            start += BLOCK;
        }
    }

    /// The columns from j on that N vectors hold.
    #[inline(always)]
    fn strip<S: Simd, const M: usize, const N: usize>(
        &mut self,
        simd: S,
        panel: &mut Vec<T>,
        j: usize,
        block: &Range<usize>,
    ) {
        let wide = N * T::lanes::<S>();
        let panels = match self.in_place(wide, 2 * M, j, block) {
            Some(in_place) => in_place,
            None => {
                let len = self.pack(panel, wide, j..self.c.columns.min(j + wide), block);
                let panel = &panel[line_start(panel)..][..len];
                let of_first = self.pairs.first().map_or(0, |[a, _]| wide * part_of(block, a.columns).len());
                [(panel, wide), (&panel[of_first..], wide)]
            }
        };
        // The derivatives, and then the values, if they are asked for as well: in a loop, so that the tiles are
        // compiled once.
        let of_values = self.values.zip(self.pairs.last()).map(|(a, [_, b])| [[a, *b]]);
        let plane = if of_values.is_some() { self.c.plane_step } else { 0 };
        let values = of_values.as_ref().map(|pair| (&pair[..], [panels[self.pairs.len() - 1]; 2], 0));
        for (pairs, panels, plane) in std::iter::once((self.pairs, panels, plane)).chain(values) {
            self.tiles::<S, M, N>(simd, pairs, panels, [plane, j], block);
        }
    }

    /// The columns of one or two B where they are: if they fill vectors that lie on cache lines, and so few rows of A
    /// read them that laying them out would take a good part of the time.
    #[inline(always)]
    fn in_place(&self, wide: usize, most: usize, j: usize, block: &Range<usize>) -> Option<Panels<'a, T>> {
        let (first, last) = match self.pairs {
            [pair] => (pair, pair),
            [first, last] => (first, last),
            _ => return None,
        };
        if self.transposed || self.c.rows > most || self.c.columns - j < wide {
            return None;
        }
        let columns = |[a, b]: &Pair<'a, T>| {
            let data = b.data.get(part_of(block, a.columns).start * b.row_step + j..)?;
            let on_lines = data.as_ptr().align_offset(LINE) == 0 && b.row_step.is_multiple_of(LINE / size_of::<T>());
            on_lines.then_some((data, b.row_step))
        };
        Some([columns(first)?, columns(last)?])
    }

    /// All rows of the columns that one panel holds.
    #[inline(always)]
    fn tiles<S: Simd, const M: usize, const N: usize>(
        &mut self,
        simd: S,
        pairs: &[Pair<'_, T>],
        panels: Panels<'_, T>,
        [plane, j]: [usize; 2],
        block: &Range<usize>,
    ) {
        let mut i = 0;
        while i + M <= self.c.rows {
            self.tile::<S, M, N>(simd, pairs, panels, [plane, i, j], block);
            i += M;
        }
        while M > 4 && i + 4 <= self.c.rows {
            self.tile::<S, 4, N>(simd, pairs, panels, [plane, i, j], block);
            i += 4;
        }
        while i < self.c.rows {
            self.tile::<S, 1, N>(simd, pairs, panels, [plane, i, j], block);
            i += 1;
        }
    }

    /// Copies some columns of every B, or rows if B is to be transposed, as rows of `wide` numbers, the last of them 0.
    /// Returns how many numbers that makes.
    #[inline(always)]
    fn pack(&self, panel: &mut Vec<T>, wide: usize, columns: Range<usize>, block: &Range<usize>) -> usize {
        let n = columns.len();
        let rows: usize = self.pairs.iter().map(|[a, _]| part_of(block, a.columns).len()).sum();
        let room = wide * rows + LINE / size_of::<T>();
        if panel.len() < room {
            panel.resize(room, T::default());
        }
        let start = line_start(panel);
        let mut rest = &mut panel[start..];
        for [a, b] in self.pairs {
            let inner = part_of(block, a.columns);
            let (part, after) = rest.split_at_mut(wide * inner.len());
            if n < wide {
                part.fill(T::default());
            }
            if self.transposed {
                let mut s = 0;
                while s + 8 <= n {
                    transpose::<T, 8>(b, columns.start + s, &inner, &mut part[s..], wide);
                    s += 8;
                }
                while s < n {
                    transpose::<T, 1>(b, columns.start + s, &inner, &mut part[s..], wide);
                    s += 1;
                }
            } else if n == wide {
                // The same, with a length that the compiler knows.
                for (k, row) in part.chunks_exact_mut(wide).enumerate() {
                    row.copy_from_slice(&b.data[(inner.start + k) * b.row_step + columns.start..][..wide]);
                }
            } else {
                for (k, row) in part.chunks_exact_mut(wide).enumerate() {
                    row[..n].copy_from_slice(&b.data[(inner.start + k) * b.row_step + columns.start..][..n]);
                }
            }
            rest = after;
        }
        wide * rows
    }

    /// Computes an M x N tile of C held in registers, in the plane that starts at the given place.
    #[inline(always)]
    fn tile<S: Simd, const M: usize, const N: usize>(
        &mut self,
        simd: S,
        pairs: &[Pair<'_, T>],
        panels: Panels<'_, T>,
        [plane, i, j]: [usize; 3],
        block: &Range<usize>,
    ) {
        const { assert!(M <= 8 && (N == 1 || N == 2), "each_row and multiply_add write these out") };
        let mut sums = [[T::splat(simd, T::default()); N]; M];
        let wide = N * T::lanes::<S>();
        let [(mut rest, mut step), second] = panels;
        for (p, [a, _]) in pairs.iter().enumerate() {
            if p == 1 {
                (rest, step) = second;
            }
            let inner = part_of(block, a.columns);
            let b = rest;
            rest = rest.get(inner.len() * step..).unwrap_or(&[]);
            if a.column_step == 1 {
                // A plain loop: the array functions of the standard library are not always compiled into the kernel.
                let mut rows = [&a.data[..0]; M];
                for r in 0..M {
                    rows[r] = &a.data[(i + r) * a.row_step + inner.start..][..inner.len()];
                }
                for k in 0..inner.len() {
                    let b = &T::vectors::<S>(&b[k * step..][..wide]).as_chunks::<N>().0[0];
                    each_row!(M, r => multiply_add::<T, S, N>(simd, &mut sums[r], rows[r][k], b));
                }
            } else {
                // A transposed matrix: its columns are contiguous.
                for k in 0..inner.len() {
                    let b = &T::vectors::<S>(&b[k * step..][..wide]).as_chunks::<N>().0[0];
                    let column = &a.data[(inner.start + k) * a.column_step + i..][..M];
                    each_row!(M, r => multiply_add::<T, S, N>(simd, &mut sums[r], column[r], b));
                }
            }
        }
        each_row!(M, r => {
            let row = &mut self.c.data[plane + (i + r) * self.c.row_step..][..self.c.columns][j..];
            for s in 0..N {
                let (start, end) = (s * T::lanes::<S>(), (s + 1) * T::lanes::<S>());
                let mut sum = sums[r][s];
                if let Some(part) = row.get_mut(start..end) {
                    let part = &mut T::vectors_mut::<S>(part)[0];
                    *part = if self.add { T::add(simd, *part, sum) } else { sum };
                } else {
                    let part = &mut row[start..];
                    if self.add {
                        sum = T::add(simd, T::load_part(simd, part), sum);
                    }
                    T::store_part(simd, part, sum);
                }
            }
        });
    }
}

/// A cache line in bytes.
const LINE: usize = 64;

/// Where the first cache line starts: vectors that lie in two are slow.
#[inline(always)]
fn line_start<T>(panel: &[T]) -> usize {
    panel.as_ptr().align_offset(LINE).min(panel.len())
}

/// The inner indices of a block that a factor has.
#[inline(always)]
pub(super) fn part_of(block: &Range<usize>, inner: usize) -> Range<usize> {
    block.start.min(inner)..block.end.min(inner)
}

/// sums += x b.
#[inline(always)]
fn multiply_add<T: Element, S: Simd, const N: usize>(
    simd: S,
    sums: &mut [T::Vector<S>; N],
    x: T,
    b: &[T::Vector<S>; N],
) {
    let x = T::splat(simd, x);
    sums[0] = T::mul_add(simd, x, b[0], sums[0]);
    if N > 1 {
        sums[1] = T::mul_add(simd, x, b[1], sums[1]);
    }
}

/// Writes R rows of B as columns, `wide` numbers apart.
#[inline(always)]
fn transpose<T: Element, const R: usize>(
    b: &Matrix<'_, T>,
    row: usize,
    inner: &Range<usize>,
    columns: &mut [T],
    wide: usize,
) {
    let mut rows = [&b.data[..0]; R];
    for r in 0..R {
        rows[r] = &b.data[(row + r) * b.row_step..][inner.clone()];
    }
    for k in 0..inner.len() {
        let column = &mut columns[k * wide..][..R];
        for r in 0..R {
            column[r] = rows[r][k];
        }
    }
}

#[cfg(test)]
mod tests;
