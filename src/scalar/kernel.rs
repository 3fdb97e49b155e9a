//! The matrix products of `f64` and of `f32` that everything fast rests on.
//!
//! Every sum has a fixed order that depends on the shapes alone, and every product is an explicit fused multiply-add,
//! so the bits are the same with and without vector units. The vector units of the processor are chosen at run time.

mod panel;

use std::ops::Range;

use panel::{Panel, Panels, line_start};
use pulp::Simd;

use super::element::Element;
use super::{Matrix, MatrixMut, Store};

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
        // A tile has as many sums as leave registers for its factors: 16 of 32, or 12 of 16.
        if S::REGISTER_COUNT >= 32 {
            self.multiply::<S, 8>(simd, &mut panel);
        } else {
            self.multiply::<S, 6>(simd, &mut panel);
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
        let panels = match self.in_place(wide, j, block) {
            Some(in_place) => in_place,
            None => {
                let len = self.pack(panel, wide, j..self.c.columns.min(j + wide), block);
                let rows = &panel[line_start(panel)..][..len];
                let of_first = self.pairs.first().map_or(0, |[a, _]| wide * part_of(block, a.columns).len());
                [rows, &rows[of_first..]].map(|rows| Panel { rows, step: wide })
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
        // Eight rows left are two tiles of four: six and two single rows would take longer.
        while i + M <= self.c.rows && !(M == 6 && i + 8 == self.c.rows) {
            self.tile::<S, M, N>(simd, pairs, panels, [plane, i, j], block);
            i += M;
        }
        while i + 4 <= self.c.rows {
            self.tile::<S, 4, N>(simd, pairs, panels, [plane, i, j], block);
            i += 4;
        }
        while i < self.c.rows {
            self.tile::<S, 1, N>(simd, pairs, panels, [plane, i, j], block);
            i += 1;
        }
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
        let mut sums = [[T::splat(simd, T::default()); N]; M];
        let (lanes, wide) = (T::lanes::<S>(), N * T::lanes::<S>());
        let [mut panel, second] = panels;
        for (p, [a, _]) in pairs.iter().enumerate() {
            if p == 1 {
                panel = second;
            }
            let inner = part_of(block, a.columns);
            let b = Panel { rows: T::vectors::<S>(panel.rows), step: panel.step / lanes };
            panel.rows = &panel.rows[(inner.len() * panel.step).min(panel.rows.len())..];
            let a = Matrix { data: &a.data[(inner.start * a.column_step + i * a.row_step).min(a.data.len())..], ..*a };
            let n = inner.len();
            sums = if a.column_step == 1 {
                // Slices of known length are read unchecked.
                let mut rows = [&a.data[..0]; M];
                for r in 0..M {
                    rows[r] = &a.data[r * a.row_step..][..n];
                }
                add_steps::<T, S, M, N>(
                    simd,
                    sums,
                    #[inline(always)]
                    |k| {
                        let mut column = [T::default(); M];
                        unrolled!(r in 0..M, column[r] = rows[r][k]);
                        column
                    },
                    b,
                    n,
                )
            } else {
                // A transposed matrix: its columns are contiguous.
                let mut columns = a.data;
                add_steps::<T, S, M, N>(
                    simd,
                    sums,
                    #[inline(always)]
                    |k| {
                        columns = if k > 0 { &columns[a.column_step..] } else { columns };
                        *columns.first_chunk::<M>().expect("a column of A")
                    },
                    b,
                    n,
                )
            };
        }
        let columns = wide.min(self.c.columns - j);
        let mut rows = self.c.data[plane + i * self.c.row_step + j..].chunks_mut(self.c.row_step.max(columns));
        unrolled!(r in 0..M, {
            let row = &mut rows.next().expect("a row of C")[..columns];
            if columns == wide {
                let row = T::vectors_mut::<S>(row).first_chunk_mut::<N>().expect("whole vectors");
                for s in 0..N {
                    row[s] = if self.add { T::add(simd, row[s], sums[r][s]) } else { sums[r][s] };
                }
            } else {
                for s in 0..N {
                    let part = &mut row[(s * lanes).min(columns)..columns.min((s + 1) * lanes)];
                    let sum = if self.add { T::add(simd, T::load_part(simd, part), sums[r][s]) } else { sums[r][s] };
                    T::store_part(simd, part, sum);
                }
            }
        });
    }
}

/// The sums of a tile, by value so that they stay in registers: M rows of A times N vectors of B, in n steps.
type Sums<T, S, const M: usize, const N: usize> = [[<T as Element>::Vector<S>; N]; M];

/// sums + x b.
#[inline(always)]
fn multiply_add<T: Element, S: Simd, const N: usize>(
    simd: S,
    mut sums: [T::Vector<S>; N],
    x: T,
    b: &[T::Vector<S>; N],
) -> [T::Vector<S>; N] {
    const { assert!(N == 1 || N == 2, "one or two vectors, written out: by constant indices sums stay in registers") };
    let x = T::splat(simd, x);
    sums[0] = T::mul_add(simd, x, b[0], sums[0]);
    if N > 1 {
        sums[1] = T::mul_add(simd, x, b[1], sums[1]);
    }
    sums
}

/// sums += A B in n steps, where `next_column` gives the entries of A that a step needs.
#[inline(always)]
fn add_steps<T: Element, S: Simd, const M: usize, const N: usize>(
    simd: S,
    mut sums: Sums<T, S, M, N>,
    mut next_column: impl FnMut(usize) -> [T; M],
    mut b: Panel<'_, T::Vector<S>>,
    n: usize,
) -> Sums<T, S, M, N> {
    for k in 1..n {
        let (column, row) = (next_column(k - 1), b.next_row::<N>());
        unrolled!(r in 0..M, sums[r] = multiply_add::<T, S, N>(simd, sums[r], column[r], row));
    }
    if n > 0 {
        let (column, row) = (next_column(n - 1), b.last_row::<N>());
        unrolled!(r in 0..M, sums[r] = multiply_add::<T, S, N>(simd, sums[r], column[r], row));
    }
    sums
}

/// The inner indices of a block that a factor has.
#[inline(always)]
pub(super) fn part_of(block: &Range<usize>, inner: usize) -> Range<usize> {
    block.start.min(inner)..block.end.min(inner)
}

#[cfg(test)]
mod tests;
