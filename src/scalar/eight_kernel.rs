//! Products of matrices of [`Eight`]: eight products at once, with the bits of [`super::kernel`].
//!
//! An entry fills one vector register, or a few shorter ones. Nothing has to be packed: in whichever order entries
//! stand, the numbers of an entry are contiguous.

use std::ops::Range;

use pulp::Simd;

use super::kernel::{BLOCK, part_of};
use super::{Eight, Matrix, MatrixMut, Store};

/// See [`super::Scalar::matmul`].
pub(super) fn matmul(pairs: &[[Matrix<'_, Eight>; 2]], c: MatrixMut<'_, Eight>, store: Store) {
    let [a, b] = the_only(pairs);
    assert!(a.columns == b.rows && a.rows == c.rows && b.columns == c.columns && b.column_step == 1);
    assert!(a.column_step == 1 || a.row_step == 1);
    multiply(a, b, c, store, false);
}

/// See [`super::Scalar::matmul_transposed`].
pub(super) fn matmul_transposed(pairs: &[[Matrix<'_, Eight>; 2]], c: MatrixMut<'_, Eight>, store: Store) {
    let [a, b] = the_only(pairs);
    assert!(a.columns == b.columns && a.rows == c.rows && b.rows == c.columns);
    assert!(a.column_step == 1 && b.column_step == 1);
    multiply(a, b, c, store, true);
}

/// Sums of several products are what derivatives need; eights have none.
fn the_only<'a>(pairs: &[[Matrix<'a, Eight>; 2]]) -> [Matrix<'a, Eight>; 2] {
    assert!(pairs.len() == 1, "one product at a time");
    pairs[0]
}

fn multiply<'a>(a: Matrix<'a, Eight>, b: Matrix<'a, Eight>, c: MatrixMut<'a, Eight>, store: Store, transposed: bool) {
    if store.values() {
        pulp::Arch::new().dispatch(Product { a, b, c, add: store.adds(), transposed });
    }
}

/// C (+)= A B, or A B^T, in the order of sums of the kernel for `f64`.
struct Product<'a> {
    a: Matrix<'a, Eight>,
    b: Matrix<'a, Eight>,
    c: MatrixMut<'a, Eight>,
    add: bool,
    transposed: bool,
}

impl pulp::WithSimd for Product<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Of each factor either the steps of a sum or the rows of a tile are contiguous. Loops that know it beforehand
        // need not ask for it, and check lengths, in every step.
        match (self.a.column_step == 1, self.transposed) {
            (true, false) => self.multiply_by::<S, true, false>(simd),
            (_, true) => self.multiply_by::<S, true, true>(simd),
            (false, false) => self.multiply_by::<S, false, false>(simd),
        }
    }
}

impl Product<'_> {
    #[inline(always)]
    fn multiply_by<S: Simd, const ALONG_A: bool, const ALONG_B: bool>(self, simd: S) {
        if S::REGISTER_COUNT >= 32 {
            self.multiply::<S, 4, ALONG_A, ALONG_B>(simd);
        } else {
            self.multiply::<S, 2, ALONG_A, ALONG_B>(simd);
        }
    }

    #[inline(always)]
    fn multiply<S: Simd, const M: usize, const ALONG_A: bool, const ALONG_B: bool>(mut self, simd: S) {
        let inner = self.a.columns;
        let mut start = 0;
        // At least once: a sum of nothing is 0.
        while start == 0 || start < inner {
            let block = part_of(&(start..start + BLOCK), inner);
            let mut i = 0;
            while i + M <= self.c.rows {
                self.row_of_tiles::<S, M, ALONG_A, ALONG_B>(simd, i, &block);
                i += M;
            }
            while i < self.c.rows {
                self.row_of_tiles::<S, 1, ALONG_A, ALONG_B>(simd, i, &block);
                i += 1;
            }
            self.add = true;
            start += BLOCK;
        }
    }

    #[inline(always)]
    fn row_of_tiles<S: Simd, const M: usize, const ALONG_A: bool, const ALONG_B: bool>(
        &mut self,
        simd: S,
        i: usize,
        block: &Range<usize>,
    ) {
        let mut j = 0;
        while j + 4 <= self.c.columns {
            self.tile::<S, M, 4, ALONG_A, ALONG_B>(simd, [i, j], block);
            j += 4;
        }
        while j < self.c.columns {
            self.tile::<S, M, 1, ALONG_A, ALONG_B>(simd, [i, j], block);
            j += 1;
        }
    }

    /// Computes an M x N tile of C held in registers, for the runs that fit at a time. `ALONG_A`: sums run along
    /// contiguous rows of A, otherwise its columns are contiguous. `ALONG_B`: B is given transposed, and its rows are.
    #[inline(always)]
    fn tile<S: Simd, const M: usize, const N: usize, const ALONG_A: bool, const ALONG_B: bool>(
        &mut self,
        simd: S,
        [i, j]: [usize; 2],
        block: &Range<usize>,
    ) {
        let (a, b, n) = (&self.a, &self.b, block.len());
        // Slices of known length are read unchecked.
        let mut a_rows = [&a.data[..0]; M];
        let mut b_columns = [&b.data[..0]; N];
        if ALONG_A {
            for r in 0..M {
                a_rows[r] = &a.data[(i + r) * a.row_step + block.start..][..n];
            }
        }
        if ALONG_B {
            for s in 0..N {
                b_columns[s] = &b.data[(j + s) * b.row_step + block.start..][..n];
            }
        }
        let a_from =
            if ALONG_A { &a.data[..0] } else { &a.data[(block.start * a.column_step + i).min(a.data.len())..] };
        let b_from = if ALONG_B { &b.data[..0] } else { &b.data[(block.start * b.row_step + j).min(b.data.len())..] };
        for part in 0..8 / S::F64_LANES {
            let (mut a_columns, mut b_rows) = (a_from.chunks(a.column_step.max(M)), b_from.chunks(b.row_step.max(N)));
            let mut sums = [[simd.splat_f64s(0.0); N]; M];
            for k in 0..n {
                let mut row = [simd.splat_f64s(0.0); N];
                if ALONG_B {
                    for s in 0..N {
                        row[s] = numbers::<S>(&b_columns[s][k], part);
                    }
                } else {
                    let entries = b_rows.next().and_then(|row| row.first_chunk::<N>()).expect("a row of B");
                    for s in 0..N {
                        row[s] = numbers::<S>(&entries[s], part);
                    }
                }
                let mut column = [simd.splat_f64s(0.0); M];
                if ALONG_A {
                    for r in 0..M {
                        column[r] = numbers::<S>(&a_rows[r][k], part);
                    }
                } else {
                    let entries = a_columns.next().and_then(|column| column.first_chunk::<M>()).expect("a column of A");
                    for r in 0..M {
                        column[r] = numbers::<S>(&entries[r], part);
                    }
                }
                for r in 0..M {
                    for s in 0..N {
                        sums[r][s] = simd.mul_add_f64s(column[r], row[s], sums[r][s]);
                    }
                }
            }
            for r in 0..M {
                let row = &mut self.c.data[(i + r) * self.c.row_step + j..][..N];
                for s in 0..N {
                    let to = &mut S::as_mut_simd_f64s(&mut row[s].0).0[part];
                    *to = if self.add { simd.add_f64s(*to, sums[r][s]) } else { sums[r][s] };
                }
            }
        }
    }
}

/// The numbers of an entry that one register holds.
#[inline(always)]
fn numbers<S: Simd>(entry: &Eight, part: usize) -> S::f64s {
    S::as_simd_f64s(&entry.0).0[part]
}
