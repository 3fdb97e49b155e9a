//! The matrix products of `f64` that everything fast rests on.
//!
//! Every sum has a fixed order that depends on the shapes alone, and every product is an explicit fused multiply-add, so
//! the bits are the same with and without vector units. The vector units of the processor are chosen at run time.

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
    }
    if store != Store::Derivative {
        vectorised(
            #[inline(always)]
            || multiply(pairs, c, store == Store::Add),
        );
    }
}

/// See [`super::Scalar::matmul_transposed`].
pub(super) fn matmul_transposed(pairs: &[Pair<'_>], c: MatrixMut<'_, f64>, store: Store) {
    for [a, b] in pairs {
        assert!(a.columns == b.columns && a.rows == c.rows && b.rows == c.columns);
        assert!(a.column_step == 1 && b.column_step == 1);
    }
    if store != Store::Derivative {
        vectorised(
            #[inline(always)]
            || multiply_transposed(pairs, c, store == Store::Add),
        );
    }
}

/// M rows from row i on. (A plain loop: the array functions of the standard library are not always compiled into the kernel.)
#[inline(always)]
fn rows<'a, const M: usize>(a: Matrix<'a, f64>, i: usize) -> [&'a [f64]; M] {
    let mut rows = [&a.data[..0]; M];
    for r in 0..M {
        rows[r] = &a.data[(i + r) * a.row_step..][..a.columns];
    }
    rows
}

/// K contiguous numbers, by value.
#[inline(always)]
pub(super) fn lanes<const K: usize>(row: &[f64], b: usize) -> [f64; K] {
    let mut lanes = [0.0; K];
    lanes.copy_from_slice(&row[b..b + K]);
    lanes
}

/// C (+)= sum of A B. Each entry is one chain of fused multiply-adds over the inner indices, whatever the tiles.
#[inline(always)]
fn multiply(pairs: &[Pair<'_>], mut c: MatrixMut<'_, f64>, add: bool) {
    let mut j = 0;
    while j + 8 <= c.columns {
        columns_of_tiles::<8>(pairs, &mut c, add, j);
        j += 8;
    }
    if j + 4 <= c.columns {
        columns_of_tiles::<4>(pairs, &mut c, add, j);
        j += 4;
    }
    while j < c.columns {
        columns_of_tiles::<1>(pairs, &mut c, add, j);
        j += 1;
    }
}

/// From this many rows of A on, eight columns of B are first copied side by side: read again for every tile, they stay in the
/// nearest cache, where rows of a long B would push each other out.
const PACK_FROM: usize = 32;
/// The most rows of B that are copied at once; longer ones are used where they are.
const PACK_ROWS: usize = 256;

/// Columns of B: row k starts at k * step.
#[derive(Clone, Copy)]
struct Panel<'a> {
    data: &'a [f64],
    step: usize,
}

#[inline(always)]
fn columns_of_tiles<const N: usize>(pairs: &[Pair<'_>], c: &mut MatrixMut<'_, f64>, add: bool, j: usize) {
    let inner: usize = pairs.iter().map(|[_, b]| b.rows).sum();
    if N == 8 && c.rows >= PACK_FROM && pairs.len() <= 2 && inner <= PACK_ROWS {
        let mut storage = [0.0; 8 * PACK_ROWS];
        let mut rest = &mut storage[..];
        let mut packed = [Panel { data: &[], step: 8 }; 2];
        for (panel, [_, b]) in packed.iter_mut().zip(pairs) {
            let (data, after) = rest.split_at_mut(8 * b.rows);
            for (k, row) in data.chunks_exact_mut(8).enumerate() {
                row.copy_from_slice(&b.data[k * b.row_step + j..][..8]);
            }
            panel.data = data;
            rest = after;
        }
        rows_of_tiles::<N>(
            pairs,
            #[inline(always)]
            |p: usize| packed[p],
            c,
            add,
            j,
        );
    } else {
        rows_of_tiles::<N>(
            pairs,
            #[inline(always)]
            |p: usize| Panel { data: &pairs[p][1].data[j..], step: pairs[p][1].row_step },
            c,
            add,
            j,
        );
    }
}

#[inline(always)]
fn rows_of_tiles<'b, const N: usize>(
    pairs: &[Pair<'_>],
    panel: impl Fn(usize) -> Panel<'b>,
    c: &mut MatrixMut<'_, f64>,
    add: bool,
    j: usize,
) {
    let mut i = 0;
    while i + 4 <= c.rows {
        let mut sums = [[0.0_f64; N]; 4];
        for (p, [a, _]) in pairs.iter().enumerate() {
            if a.column_step == 1 {
                let rows: [&[f64]; 4] = rows(*a, i);
                tile(
                    &mut sums,
                    a.columns,
                    #[inline(always)]
                    |k: usize| [rows[0][k], rows[1][k], rows[2][k], rows[3][k]],
                    panel(p),
                );
            } else {
                // A transposed matrix: its columns are contiguous.
                assert_eq!(a.row_step, 1);
                tile(
                    &mut sums,
                    a.columns,
                    #[inline(always)]
                    |k: usize| lanes(a.data, k * a.column_step + i),
                    panel(p),
                );
            }
        }
        write(&sums, c, add, i, j);
        i += 4;
    }
    while i < c.rows {
        let mut sums = [[0.0_f64; N]; 1];
        for (p, [a, _]) in pairs.iter().enumerate() {
            tile(
                &mut sums,
                a.columns,
                #[inline(always)]
                |k: usize| [a.data[i * a.row_step + k * a.column_step]],
                panel(p),
            );
        }
        write(&sums, c, add, i, j);
        i += 1;
    }
}

/// Adds A B to an M x N tile held in registers; `column` gives M entries of a column of A.
#[inline(always)]
fn tile<const M: usize, const N: usize>(
    sums: &mut [[f64; N]; M],
    inner: usize,
    column: impl Fn(usize) -> [f64; M],
    b: Panel<'_>,
) {
    let mut local = *sums;
    for k in 0..inner {
        let b_row: [f64; N] = lanes(b.data, k * b.step);
        let x = column(k);
        for r in 0..M {
            for s in 0..N {
                local[r][s] = x[r].mul_add(b_row[s], local[r][s]);
            }
        }
    }
    *sums = local;
}

/// Stores a tile.
#[inline(always)]
fn write<const M: usize, const N: usize>(
    sums: &[[f64; N]; M],
    c: &mut MatrixMut<'_, f64>,
    add: bool,
    i: usize,
    j: usize,
) {
    for r in 0..M {
        let c_row = &mut c.data[(i + r) * c.row_step + j..][..N];
        for s in 0..N {
            c_row[s] = if add { c_row[s] + sums[r][s] } else { sums[r][s] };
        }
    }
}

/// Partial sums per entry of A B^T: four chains of fused multiply-adds, added in pairs at the end.
const LANES: usize = 4;

/// M rows from row i on, each cut into lanes and what is left.
#[inline(always)]
#[allow(clippy::type_complexity)] // one use
fn chunks<'a, const M: usize>(a: Matrix<'a, f64>, i: usize) -> ([&'a [[f64; LANES]]; M], [&'a [f64]; M]) {
    let (mut chunks, mut tails): ([&[[f64; LANES]]; M], [&[f64]; M]) = ([&[]; M], [&[]; M]);
    for r in 0..M {
        let (whole, tail) = a.data[(i + r) * a.row_step..][..a.columns].as_chunks();
        // The lengths written out, so that the loops over them need no checks.
        chunks[r] = &whole[..a.columns / LANES];
        tails[r] = &tail[..a.columns % LANES];
    }
    (chunks, tails)
}

/// C (+)= sum of A B^T, sums over contiguous columns.
#[inline(always)]
fn multiply_transposed(pairs: &[Pair<'_>], mut c: MatrixMut<'_, f64>, add: bool) {
    let mut i = 0;
    while i + 4 <= c.rows {
        rows_of_dots::<4>(pairs, &mut c, add, i);
        i += 4;
    }
    while i < c.rows {
        rows_of_dots::<1>(pairs, &mut c, add, i);
        i += 1;
    }
}

#[inline(always)]
fn rows_of_dots<const M: usize>(pairs: &[Pair<'_>], c: &mut MatrixMut<'_, f64>, add: bool, i: usize) {
    let mut j = 0;
    while j + 3 <= c.columns {
        dots::<M, 3>(pairs, c, add, i, j);
        j += 3;
    }
    if j + 2 <= c.columns {
        dots::<M, 2>(pairs, c, add, i, j);
        j += 2;
    }
    if j < c.columns {
        dots::<M, 1>(pairs, c, add, i, j);
    }
}

#[inline(always)]
fn dots<const M: usize, const N: usize>(pairs: &[Pair<'_>], c: &mut MatrixMut<'_, f64>, add: bool, i: usize, j: usize) {
    let mut sums = [[[0.0_f64; LANES]; N]; M];
    let mut rest = [[0.0_f64; N]; M];
    for &[a, b] in pairs {
        let (a_chunks, a_tails) = chunks::<M>(a, i);
        let (b_chunks, b_tails) = chunks::<N>(b, j);
        for k in 0..a.columns / LANES {
            for r in 0..M {
                let x = a_chunks[r][k];
                for s in 0..N {
                    let y = b_chunks[s][k];
                    for lane in 0..LANES {
                        sums[r][s][lane] = x[lane].mul_add(y[lane], sums[r][s][lane]);
                    }
                }
            }
        }
        for k in 0..a.columns % LANES {
            for r in 0..M {
                for s in 0..N {
                    rest[r][s] = a_tails[r][k].mul_add(b_tails[s][k], rest[r][s]);
                }
            }
        }
    }
    // Seen together, the loop above and the sums below are vectorised across entries instead of lanes, with a shuffle for
    // every load; the compiler must not see through here. (Without, a gradient of 8-16-16-1 takes 1.2 times as long.)
    let sums = std::hint::black_box(sums);
    for r in 0..M {
        for s in 0..N {
            let [p, q, u, v] = sums[r][s];
            let sum = ((p + q) + (u + v)) + rest[r][s];
            let entry = &mut c.data[(i + r) * c.row_step + j + s];
            *entry = if add { *entry + sum } else { sum };
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
        for (m, k, n) in [(1, 1, 1), (3, 5, 7), (4, 8, 8), (5, 3, 13), (9, 16, 33), (16, 8, 32), (2, 31, 4)] {
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
