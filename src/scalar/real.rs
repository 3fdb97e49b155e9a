//! `f64` as a [`Scalar`], and the matrix kernels that everything fast rests on.
//!
//! Every sum has a fixed order that depends on the shapes alone, and every product is an explicit fused multiply-add, so
//! the bits are the same with and without vector units. The vector units of the processor are chosen at run time.

use super::{Matrix, MatrixMut, Scalar, Store, elementary};

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

impl Scalar for f64 {
    type Base = f64;
    const PLANES: usize = 1;
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        x
    }
    #[inline(always)]
    fn value(self) -> f64 {
        self
    }
    #[inline(always)]
    fn scale(self, factor: f64) -> Self {
        self * factor
    }
    #[inline(always)]
    fn is_finite(self) -> bool {
        f64::is_finite(self)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
    #[inline(always)]
    fn exp(self) -> Self {
        elementary::exp(self)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        libm::log(self)
    }
    #[inline(always)]
    fn sin(self) -> Self {
        libm::sin(self)
    }
    #[inline(always)]
    fn cos(self) -> Self {
        libm::cos(self)
    }
    #[inline(always)]
    fn atan2(self, x: Self) -> Self {
        libm::atan2(self, x)
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        elementary::tanh(self)
    }
    #[inline(always)]
    fn sigmoid(self) -> Self {
        elementary::sigmoid(self)
    }
    #[inline(always)]
    fn softplus(self) -> Self {
        elementary::softplus(self)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        f64::abs(self)
    }
    #[inline(always)]
    fn relu(self) -> Self {
        // Written so that NaN stays NaN.
        if self <= 0.0 { 0.0 } else { self }
    }
    #[inline(always)]
    fn powf(self, p: f64) -> Self {
        libm::pow(self, p)
    }
    #[inline(always)]
    fn from_base(x: f64) -> Self {
        x
    }
    #[inline(always)]
    fn base(x: f64) -> f64 {
        x
    }
    #[inline(always)]
    fn load(row: &[f64], b: usize) -> Self {
        row[b]
    }
    #[inline(always)]
    fn store(self, row: &mut [f64], b: usize) {
        row[b] = self;
    }
    #[inline(always)]
    fn load_lanes<const K: usize>(row: &[f64], b: usize) -> [f64; K] {
        lanes(row, b)
    }
    #[inline(always)]
    fn store_lanes<const K: usize>(lanes: [f64; K], row: &mut [f64], b: usize) {
        row[b..b + K].copy_from_slice(&lanes);
    }

    fn matmul(a: Matrix<'_, f64>, b: Matrix<'_, f64>, c: MatrixMut<'_, f64>, store: Store) {
        assert!(a.columns == b.rows && a.rows == c.rows && b.columns == c.columns && b.column_step == 1);
        if store != Store::Derivative {
            vectorised(
                #[inline(always)]
                || multiply(a, b, c, store == Store::Add),
            );
        }
    }
    fn matmul_transposed(a: Matrix<'_, f64>, b: Matrix<'_, f64>, c: MatrixMut<'_, f64>, store: Store) {
        assert!(a.columns == b.columns && a.rows == c.rows && b.rows == c.columns);
        assert!(a.column_step == 1 && b.column_step == 1);
        if store != Store::Derivative {
            vectorised(
                #[inline(always)]
                || multiply_transposed(a, b, c, store == Store::Add),
            );
        }
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
fn lanes<const K: usize>(row: &[f64], b: usize) -> [f64; K] {
    let mut lanes = [0.0; K];
    lanes.copy_from_slice(&row[b..b + K]);
    lanes
}

/// C (+)= A B. Each entry is one chain of fused multiply-adds over the inner index, whatever the tiles.
#[inline(always)]
fn multiply(a: Matrix<'_, f64>, b: Matrix<'_, f64>, mut c: MatrixMut<'_, f64>, add: bool) {
    let mut j = 0;
    while j + 8 <= b.columns {
        columns_of_tiles::<8>(a, b, &mut c, add, j);
        j += 8;
    }
    if j + 4 <= b.columns {
        columns_of_tiles::<4>(a, b, &mut c, add, j);
        j += 4;
    }
    while j < b.columns {
        columns_of_tiles::<1>(a, b, &mut c, add, j);
        j += 1;
    }
}

/// From this many rows of A on, eight columns of B are first copied side by side: read again for every tile, they stay in the
/// nearest cache, where rows of a long B would push each other out.
const PACK_FROM: usize = 32;
/// The most rows of B that are copied at once; longer ones are used where they are.
const PACK_ROWS: usize = 256;

#[inline(always)]
fn columns_of_tiles<const N: usize>(
    a: Matrix<'_, f64>,
    b: Matrix<'_, f64>,
    c: &mut MatrixMut<'_, f64>,
    add: bool,
    j: usize,
) {
    if N == 8 && a.rows >= PACK_FROM && b.rows <= PACK_ROWS {
        let mut panel = [0.0; 8 * PACK_ROWS];
        for (k, packed) in panel.chunks_exact_mut(8).take(b.rows).enumerate() {
            packed.copy_from_slice(&b.data[k * b.row_step + j..][..8]);
        }
        rows_of_tiles::<N>(a, &panel, 8, c, add, j);
    } else {
        rows_of_tiles::<N>(a, &b.data[j..], b.row_step, c, add, j);
    }
}

#[inline(always)]
fn rows_of_tiles<const N: usize>(
    a: Matrix<'_, f64>,
    b: &[f64],
    b_step: usize,
    c: &mut MatrixMut<'_, f64>,
    add: bool,
    j: usize,
) {
    let mut i = 0;
    if a.column_step == 1 {
        while i + 4 <= a.rows {
            let rows: [&[f64]; 4] = rows(a, i);
            tile::<4, N>(
                a.columns,
                #[inline(always)]
                |k: usize| [rows[0][k], rows[1][k], rows[2][k], rows[3][k]],
                b,
                b_step,
                c,
                add,
                i,
                j,
            );
            i += 4;
        }
    } else if a.row_step == 1 {
        while i + 4 <= a.rows {
            tile::<4, N>(
                a.columns,
                #[inline(always)]
                |k: usize| lanes(a.data, k * a.column_step + i),
                b,
                b_step,
                c,
                add,
                i,
                j,
            );
            i += 4;
        }
    }
    while i < a.rows {
        tile::<1, N>(
            a.columns,
            #[inline(always)]
            |k: usize| [a.data[i * a.row_step + k * a.column_step]],
            b,
            b_step,
            c,
            add,
            i,
            j,
        );
        i += 1;
    }
}

/// An M x N tile of C, held in registers; `column` gives M entries of a column of A.
#[inline(always)]
#[allow(clippy::too_many_arguments)] // views, cut to what the loop needs
fn tile<const M: usize, const N: usize>(
    inner: usize,
    column: impl Fn(usize) -> [f64; M],
    b: &[f64],
    b_step: usize,
    c: &mut MatrixMut<'_, f64>,
    add: bool,
    i: usize,
    j: usize,
) {
    let mut sums = [[0.0_f64; N]; M];
    for k in 0..inner {
        let b_row: [f64; N] = lanes(b, k * b_step);
        let x = column(k);
        for r in 0..M {
            for s in 0..N {
                sums[r][s] = x[r].mul_add(b_row[s], sums[r][s]);
            }
        }
    }
    for r in 0..M {
        let c_row = &mut c.data[(i + r) * c.row_step + j..][..N];
        for s in 0..N {
            c_row[s] = if add { c_row[s] + sums[r][s] } else { sums[r][s] };
        }
    }
}

/// Partial sums per entry of A B^T: four chains of fused multiply-adds, added in pairs at the end.
const LANES: usize = 4;

/// C (+)= A B^T, sums over contiguous columns.
#[inline(always)]
fn multiply_transposed(a: Matrix<'_, f64>, b: Matrix<'_, f64>, mut c: MatrixMut<'_, f64>, add: bool) {
    let mut i = 0;
    while i + 4 <= a.rows {
        rows_of_dots::<4>(a, b, &mut c, add, i);
        i += 4;
    }
    while i < a.rows {
        rows_of_dots::<1>(a, b, &mut c, add, i);
        i += 1;
    }
}

#[inline(always)]
fn rows_of_dots<const M: usize>(
    a: Matrix<'_, f64>,
    b: Matrix<'_, f64>,
    c: &mut MatrixMut<'_, f64>,
    add: bool,
    i: usize,
) {
    let mut j = 0;
    while j + 2 <= b.rows {
        dots::<M, 2>(a, b, c, add, i, j);
        j += 2;
    }
    if j < b.rows {
        dots::<M, 1>(a, b, c, add, i, j);
    }
}

#[inline(always)]
fn dots<const M: usize, const N: usize>(
    a: Matrix<'_, f64>,
    b: Matrix<'_, f64>,
    c: &mut MatrixMut<'_, f64>,
    add: bool,
    i: usize,
    j: usize,
) {
    let n = a.columns;
    let a_rows: [&[f64]; M] = rows(a, i);
    let b_rows: [&[f64]; N] = rows(b, j);
    let mut sums = [[[0.0_f64; LANES]; N]; M];
    let whole = n / LANES * LANES;
    let mut k = 0;
    while k < whole {
        for r in 0..M {
            let x: [f64; LANES] = lanes(a_rows[r], k);
            for s in 0..N {
                let y: [f64; LANES] = lanes(b_rows[s], k);
                for lane in 0..LANES {
                    sums[r][s][lane] = x[lane].mul_add(y[lane], sums[r][s][lane]);
                }
            }
        }
        k += LANES;
    }
    for r in 0..M {
        for s in 0..N {
            let [p, q, u, v] = sums[r][s];
            let mut sum = (p + q) + (u + v);
            for k in whole..n {
                sum = a_rows[r][k].mul_add(b_rows[s][k], sum);
            }
            let entry = &mut c.data[(i + r) * c.row_step + j + s];
            *entry = if add { *entry + sum } else { sum };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Dual;
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
            f64::matmul(view(&a, m, k), view(&b, k, n), target(&mut c, m, n), Store::Replace);
            assert_eq!(c, naive, "{m} {k} {n}");
            f64::matmul_transposed(view(&a, m, k), view(&b_transposed, n, k), target(&mut c, m, n), Store::Add);
            assert_eq!(c, naive.iter().map(|x| 2.0 * x).collect::<Vec<_>>(), "{m} {k} {n} transposed");
            f64::matmul(view(&a, m, k), view(&b, k, n), target(&mut c, m, n), Store::Derivative);
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
        Dual::<f64>::matmul(view(&a, m, k), view(&b, k, n), target(&mut c, m, n), Store::Replace);
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

    #[test]
    fn relu_keeps_nan() {
        assert!(f64::NAN.relu().is_nan());
        assert_eq!((-1.0_f64).relu(), 0.0);
    }
}
