//! The matrix products of `f64` that everything fast rests on.
//!
//! Every sum has a fixed order that depends on the shapes alone, and every product is an explicit fused multiply-add, so
//! the bits are the same with and without vector units. The vector units of the processor are chosen at run time.

use std::cell::Cell;
use std::ops::Range;

use pulp::Simd;

use super::{Matrix, MatrixMut, Store};

/// Runs `f` compiled for the vector units this processor has.
#[inline(always)]
pub(crate) fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    struct Operation<F>(F);
    impl<R, F: FnOnce() -> R> pulp::NullaryFnOnce for Operation<F> {
        type Output = R;
        #[inline(always)]
        fn call(self) -> R {
            self.0()
        }
    }
    pulp::Arch::new().dispatch(Operation(f))
}

/// A pair [A, B] of factors.
type Pair<'a> = [Matrix<'a, f64>; 2];

/// See [`super::Scalar::matmul`].
pub(super) fn matmul(pairs: &[Pair<'_>], c: MatrixMut<'_, f64>, store: Store) {
    for [a, b] in pairs {
        assert!(a.columns == b.rows && a.rows == c.rows && b.columns == c.columns && b.column_step == 1);
        assert!(a.column_step == 1 || a.row_step == 1);
    }
    if store != Store::Derivative {
        pulp::Arch::new().dispatch(Product { pairs, values: None, c, add: store == Store::Add, transposed: false });
    }
}

/// See [`super::Scalar::matmul_dual`]. Both products read B: it is packed once.
pub(super) fn matmul_dual([a, b]: Pair<'_>, c: MatrixMut<'_, f64>, store: Store) {
    let (add, with_a) = (store == Store::Add, [a.skip_planes(1), b]);
    assert!(a.columns == b.rows && a.rows == c.rows && b.columns == c.columns && b.column_step == 1);
    assert!((a.column_step == 1 || a.row_step == 1) && store != Store::Derivative);
    let pairs = [[a, b.skip_planes(1)], with_a];
    let pairs = if b.plane_step.is_some() { &pairs[..] } else { &pairs[1..] };
    pulp::Arch::new().dispatch(Product { pairs, values: Some(a), c, add, transposed: false });
}

/// See [`super::Scalar::matmul_transposed`].
pub(super) fn matmul_transposed(pairs: &[Pair<'_>], c: MatrixMut<'_, f64>, store: Store) {
    for [a, b] in pairs {
        assert!(a.columns == b.columns && a.rows == c.rows && b.rows == c.columns);
        assert!(a.column_step == 1 && b.column_step == 1);
    }
    if store != Store::Derivative {
        pulp::Arch::new().dispatch(Product { pairs, values: None, c, add: store == Store::Add, transposed: true });
    }
}

/// K contiguous numbers, by value.
#[inline(always)]
pub(super) fn lanes<const K: usize>(row: &[f64], b: usize) -> [f64; K] {
    let mut lanes = [0.0; K];
    lanes.copy_from_slice(&row[b..b + K]);
    lanes
}

/// The most inner indices in one chain. Longer sums are sums of such chains, in order.
pub(super) const BLOCK: usize = 256;

/// C (+)= the sum of A B over all pairs, or of A B^T. Each entry is one chain of fused multiply-adds over the inner indices of
/// a block, whatever the tiles: they are as large as the registers allow.
struct Product<'a> {
    pairs: &'a [Pair<'a>],
    /// If there is such an A, then A times the last B goes to the values of C, and the sum over the pairs to its derivatives.
    values: Option<Matrix<'a, f64>>,
    c: MatrixMut<'a, f64>,
    add: bool,
    transposed: bool,
}

thread_local! {
    /// Some columns of B side by side: read again for every tile, they stay in the nearest cache, where rows of a long B would
    /// push each other out. Kept, since filling a new array with zeros takes as long as a small product.
    static PANEL: Cell<Vec<f64>> = const { Cell::new(Vec::new()) };
}

impl pulp::WithSimd for Product<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let mut panel = PANEL.take();
        // With a store of 32 registers a tile has 8 rows, otherwise 4.
        if S::REGISTER_COUNT >= 32 {
            self.multiply::<S, 8>(simd, &mut panel);
        } else {
            self.multiply::<S, 4>(simd, &mut panel);
        }
        PANEL.set(panel);
    }
}

impl Product<'_> {
    #[inline(always)]
    fn multiply<S: Simd, const M: usize>(mut self, simd: S, panel: &mut Vec<f64>) {
        let inner = self.pairs.iter().map(|[a, _]| a.columns).max().unwrap_or(0);
        let mut start = 0;
        // At least once: a sum of nothing is 0.
        while start == 0 || start < inner {
            let block = start..start + BLOCK;
            let mut j = 0;
            while j < self.c.columns {
                if self.c.columns - j > S::F64_LANES {
                    self.strip::<S, M, 2>(simd, panel, j, &block);
                    j += 2 * S::F64_LANES;
                } else {
                    self.strip::<S, M, 1>(simd, panel, j, &block);
                    j += S::F64_LANES;
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
        panel: &mut Vec<f64>,
        j: usize,
        block: &Range<usize>,
    ) {
        let wide = N * S::F64_LANES;
        let len = self.pack(panel, wide, j..self.c.columns.min(j + wide), block);
        let panel = &panel[line_start(panel)..][..len];
        match (self.values, self.pairs.last()) {
            (Some(a), Some([_, b])) => {
                self.tiles::<S, M, N>(simd, self.pairs, panel, [self.c.plane_step, j], block);
                let panel = &panel[len - wide * part_of(block, a.columns).len()..];
                self.tiles::<S, M, N>(simd, &[[a, *b]], panel, [0, j], block);
            }
            _ => self.tiles::<S, M, N>(simd, self.pairs, panel, [0, j], block),
        }
    }

    /// All rows of the columns that one panel holds.
    #[inline(always)]
    fn tiles<S: Simd, const M: usize, const N: usize>(
        &mut self,
        simd: S,
        pairs: &[Pair<'_>],
        panel: &[f64],
        [plane, j]: [usize; 2],
        block: &Range<usize>,
    ) {
        let mut i = 0;
        while i + M <= self.c.rows {
            self.tile::<S, M, N>(simd, pairs, panel, [plane, i, j], block);
            i += M;
        }
        while M > 4 && i + 4 <= self.c.rows {
            self.tile::<S, 4, N>(simd, pairs, panel, [plane, i, j], block);
            i += 4;
        }
        while i < self.c.rows {
            self.tile::<S, 1, N>(simd, pairs, panel, [plane, i, j], block);
            i += 1;
        }
    }

    /// Copies some columns of every B, or rows if B is to be transposed, as rows of `wide` numbers, the last of them 0. Returns how
    /// many numbers that makes.
    #[inline(always)]
    fn pack(&self, panel: &mut Vec<f64>, wide: usize, columns: Range<usize>, block: &Range<usize>) -> usize {
        let n = columns.len();
        let rows: usize = self.pairs.iter().map(|[a, _]| part_of(block, a.columns).len()).sum();
        if panel.len() < wide * rows + 8 {
            panel.resize(wide * rows + 8, 0.0);
        }
        let start = line_start(panel);
        let mut rest = &mut panel[start..];
        for [a, b] in self.pairs {
            let inner = part_of(block, a.columns);
            let (part, after) = rest.split_at_mut(wide * inner.len());
            if n < wide {
                part.fill(0.0);
            }
            if self.transposed {
                let mut s = 0;
                while s + 8 <= n {
                    transpose::<8>(b, columns.start + s, &inner, &mut part[s..], wide);
                    s += 8;
                }
                while s < n {
                    transpose::<1>(b, columns.start + s, &inner, &mut part[s..], wide);
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
        pairs: &[Pair<'_>],
        panel: &[f64],
        [plane, i, j]: [usize; 3],
        block: &Range<usize>,
    ) {
        let mut sums = [[simd.splat_f64s(0.0); N]; M];
        let (mut panel, _) = S::as_simd_f64s(panel).0.as_chunks::<N>();
        for [a, _] in pairs {
            let inner = part_of(block, a.columns);
            let (b, after) = panel.split_at(inner.len());
            panel = after;
            if a.column_step == 1 {
                // A plain loop: the array functions of the standard library are not always compiled into the kernel.
                let mut rows = [&a.data[..0]; M];
                for r in 0..M {
                    rows[r] = &a.data[(i + r) * a.row_step + inner.start..][..b.len()];
                }
                for (k, b) in b.iter().enumerate() {
                    for r in 0..M {
                        multiply_add(simd, &mut sums[r], rows[r][k], b);
                    }
                }
            } else {
                // A transposed matrix: its columns are contiguous.
                for (k, b) in b.iter().enumerate() {
                    let column = &a.data[(inner.start + k) * a.column_step + i..][..M];
                    for r in 0..M {
                        multiply_add(simd, &mut sums[r], column[r], b);
                    }
                }
            }
        }
        for r in 0..M {
            let row = &mut self.c.data[plane + (i + r) * self.c.row_step..][..self.c.columns][j..];
            for s in 0..N {
                let (start, end) = (s * S::F64_LANES, (s + 1) * S::F64_LANES);
                let mut sum = sums[r][s];
                if let Some(part) = row.get_mut(start..end) {
                    let part = &mut S::as_mut_simd_f64s(part).0[0];
                    *part = if self.add { simd.add_f64s(*part, sum) } else { sum };
                } else {
                    let part = &mut row[start..];
                    if self.add {
                        sum = simd.add_f64s(simd.partial_load_f64s(part), sum);
                    }
                    simd.partial_store_f64s(part, sum);
                }
            }
        }
    }
}

/// Where the first cache line starts: vectors that lie in two are slow.
#[inline(always)]
fn line_start(panel: &[f64]) -> usize {
    panel.as_ptr().align_offset(64).min(panel.len())
}

/// The inner indices of a block that a factor has.
#[inline(always)]
pub(super) fn part_of(block: &Range<usize>, inner: usize) -> Range<usize> {
    block.start.min(inner)..block.end.min(inner)
}

/// sums += x b.
#[inline(always)]
fn multiply_add<S: Simd, const N: usize>(simd: S, sums: &mut [S::f64s; N], x: f64, b: &[S::f64s; N]) {
    let x = simd.splat_f64s(x);
    for s in 0..N {
        sums[s] = simd.mul_add_f64s(x, b[s], sums[s]);
    }
}

/// Writes R rows of B as columns, `wide` numbers apart.
#[inline(always)]
fn transpose<const R: usize>(b: &Matrix<'_, f64>, row: usize, inner: &Range<usize>, columns: &mut [f64], wide: usize) {
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
mod tests {
    use super::super::{Dual, Scalar};
    use super::*;

    /// A number that is a multiple of 2^-6 below 4: sums of products of a few dozen of them are exact in any order.
    fn entry(i: usize) -> f64 {
        ((i * 37 + 11) % 257) as f64 / 64.0 - 2.0
    }

    fn view(data: &[f64], rows: usize, columns: usize) -> Matrix<'_, f64> {
        Matrix { data, rows, columns, row_step: columns, column_step: 1, plane_step: Some(rows * columns) }
    }

    fn target(data: &mut [f64], rows: usize, columns: usize) -> MatrixMut<'_, f64> {
        MatrixMut { data, rows, columns, row_step: columns, plane_step: rows * columns }
    }

    #[test]
    fn products_of_every_shape_match_the_triple_loop() {
        for (m, k, n) in
            [(1, 1, 1), (3, 5, 7), (4, 8, 8), (5, 3, 13), (9, 16, 33), (16, 8, 32), (2, 31, 4), (3, 600, 5)]
        {
            let a: Vec<f64> = (0..m * k).map(entry).collect();
            let b: Vec<f64> = (0..k * n).map(|i| entry(i + 5)).collect();
            let b_transposed: Vec<f64> = (0..n * k).map(|i| b[(i % k) * n + i / k]).collect();
            let naive: Vec<f64> =
                (0..m * n).map(|e| (0..k).map(|p| a[e / n * k + p] * b[p * n + e % n]).sum()).collect();
            let mut c = vec![1.0; m * n];
            matmul(&[[view(&a, m, k), view(&b, k, n)]], target(&mut c, m, n), Store::Replace);
            assert_eq!(c, naive, "{m} {k} {n}");
            matmul_transposed(&[[view(&a, m, k), view(&b_transposed, n, k)]], target(&mut c, m, n), Store::Add);
            assert_eq!(c, naive.iter().map(|x| 2.0 * x).collect::<Vec<_>>(), "{m} {k} {n} transposed");
            matmul(&[[view(&a, m, k), view(&b, k, n)]], target(&mut c, m, n), Store::Derivative);
            assert_eq!(c[0], 2.0 * naive[0], "at f64 there is no derivative to store");
        }
    }

    #[test]
    fn every_vector_unit_gives_the_same_bits() {
        // Numbers whose products do round. 300 inner indices are more than one block.
        let number = |i: usize| 1.0 / (1 + i * 37 % 101) as f64 - 0.3;
        for (m, k, n) in [(1, 1, 1), (5, 7, 3), (9, 16, 33), (16, 32, 16), (13, 300, 11)] {
            let (a, b): (Vec<f64>, Vec<f64>) = ((0..m * k).map(number).collect(), (0..k * n).map(number).collect());
            for transposed in [false, true] {
                let b = if transposed { view(&b, n, k) } else { view(&b, k, n) };
                let pairs = [[view(&a, m, k), b], [view(&a, m, k), b]];
                let by = |run: &dyn Fn(Product<'_>)| {
                    let mut c = vec![0.7; m * n];
                    run(Product { pairs: &pairs, values: None, c: target(&mut c, m, n), add: true, transposed });
                    c
                };
                let scalar = by(&|product| pulp::WithSimd::with_simd(product, pulp::Scalar));
                assert_eq!(scalar, by(&|product| pulp::Arch::new().dispatch(product)), "{m} {k} {n} {transposed}");
                #[cfg(target_arch = "x86_64")]
                if let Some(simd) = pulp::x86::V3::try_new() {
                    assert_eq!(scalar, by(&|product| Simd::vectorize(simd, product)), "{m} {k} {n} {transposed}");
                }
            }
        }
    }

    #[test]
    fn a_product_of_duals_has_the_bits_of_products_of_its_planes() {
        let number = |i: usize| 1.0 / (1 + i * 37 % 101) as f64 - 0.3;
        for (m, k, n) in [(1, 1, 1), (5, 7, 3), (9, 16, 33), (13, 300, 11)] {
            let a: Vec<f64> = (0..2 * m * k).map(number).collect();
            let b: Vec<f64> = (0..2 * k * n).map(|i| number(i + 5)).collect();
            let (a_0, a_1) = (view(&a, m, k), view(&a[m * k..], m, k));
            let (b_0, b_1) = (view(&b, k, n), view(&b[k * n..], k, n));
            let constant = Matrix { plane_step: None, ..b_0 };
            for (factor, derivative) in [(b_0, &[[a_0, b_1], [a_1, b_0]][..]), (constant, &[[a_1, b_0]][..])] {
                for store in [Store::Replace, Store::Add] {
                    let mut c = vec![0.7; 2 * m * n];
                    Dual::<f64>::matmul(&[[a_0, factor]], target(&mut c, m, n), store);
                    let mut planes = vec![0.7; 2 * m * n];
                    matmul(&[[a_0, b_0]], target(&mut planes, m, n), store);
                    matmul(derivative, target(&mut planes[m * n..], m, n), store);
                    assert_eq!(c, planes, "{m} {k} {n}");
                }
            }
        }
    }

    #[test]
    fn a_product_of_duals_obeys_the_product_rule() {
        let (m, k, n) = (3, 4, 5);
        // Planes follow one another: [all values | all derivatives].
        let a: Vec<f64> = (0..2 * m * k).map(entry).collect();
        let b: Vec<f64> = (0..2 * k * n).map(|i| entry(i + 3)).collect();
        let mut c = vec![7.0; 2 * m * n];
        Dual::<f64>::matmul(&[[view(&a, m, k), view(&b, k, n)]], target(&mut c, m, n), Store::Replace);
        for i in 0..m {
            for j in 0..n {
                let mut sum = Dual::<f64>::ZERO;
                for p in 0..k {
                    let x = Dual::new(a[i * k + p], a[m * k + i * k + p]);
                    sum += x * Dual::new(b[p * n + j], b[k * n + p * n + j]);
                }
                assert_eq!(Dual::new(c[i * n + j], c[m * n + i * n + j]), sum);
            }
        }
    }
}
