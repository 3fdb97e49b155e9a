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
    for [a, b] in pairs {
        assert!(a.columns == b.rows && a.rows == c.rows && b.columns == c.columns && b.column_step == 1);
        assert!(a.column_step == 1 || a.row_step == 1);
    }
    multiply(pairs, c, store, false);
}

/// See [`super::Scalar::matmul_transposed`].
pub(super) fn matmul_transposed(pairs: &[[Matrix<'_, Eight>; 2]], c: MatrixMut<'_, Eight>, store: Store) {
    for [a, b] in pairs {
        assert!(a.columns == b.columns && a.rows == c.rows && b.rows == c.columns);
        assert!(a.column_step == 1 && b.column_step == 1);
    }
    multiply(pairs, c, store, true);
}

fn multiply(pairs: &[[Matrix<'_, Eight>; 2]], c: MatrixMut<'_, Eight>, store: Store, transposed: bool) {
    if store.values() {
        pulp::Arch::new().dispatch(Product { pairs, c, add: store.adds(), transposed });
    }
}

/// C (+)= the sum of A B over all pairs, or of A B^T, in the order of sums of the kernel for `f64`.
struct Product<'a> {
    pairs: &'a [[Matrix<'a, Eight>; 2]],
    c: MatrixMut<'a, Eight>,
    add: bool,
    transposed: bool,
}

impl pulp::WithSimd for Product<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if S::REGISTER_COUNT >= 32 {
            self.multiply::<S, 4>(simd);
        } else {
            self.multiply::<S, 2>(simd);
        }
    }
}

impl Product<'_> {
    #[inline(always)]
    fn multiply<S: Simd, const M: usize>(mut self, simd: S) {
        let inner = self.pairs.iter().map(|[a, _]| a.columns).max().unwrap_or(0);
        let mut start = 0;
        // At least once: a sum of nothing is 0.
        while start == 0 || start < inner {
            let block = start..start + BLOCK;
            let mut i = 0;
            while i + M <= self.c.rows {
                self.row_of_tiles::<S, M>(simd, i, &block);
                i += M;
            }
            while i < self.c.rows {
                self.row_of_tiles::<S, 1>(simd, i, &block);
                i += 1;
            }
            self.add = true;
            start += BLOCK;
        }
    }

    #[inline(always)]
    fn row_of_tiles<S: Simd, const M: usize>(&mut self, simd: S, i: usize, block: &Range<usize>) {
        let mut j = 0;
        while j + 4 <= self.c.columns {
            (0..8 / S::F64_LANES).for_each(|part| self.tile::<S, M, 4>(simd, [i, j], part, block));
            j += 4;
        }
        while j < self.c.columns {
            (0..8 / S::F64_LANES).for_each(|part| self.tile::<S, M, 1>(simd, [i, j], part, block));
            j += 1;
        }
    }

    /// Computes an M x N tile of C held in registers, for the runs in one part of an entry.
    #[inline(always)]
    fn tile<S: Simd, const M: usize, const N: usize>(
        &mut self,
        simd: S,
        [i, j]: [usize; 2],
        part: usize,
        block: &Range<usize>,
    ) {
        let mut sums = [[simd.splat_f64s(0.0); N]; M];
        for [a, b] in self.pairs {
            let b = if self.transposed { b.transposed() } else { *b };
            let inner = part_of(block, a.columns);
            // Of each factor either the steps or the rows of the tile are contiguous;
            // slices of known length are read unchecked.
            let mut a_rows = [&a.data[..0]; M];
            let mut b_columns = [&b.data[..0]; N];
            if a.column_step == 1 {
                for r in 0..M {
                    a_rows[r] = &a.data[(i + r) * a.row_step + inner.start..][..inner.len()];
                }
            }
            if b.row_step == 1 {
                for s in 0..N {
                    b_columns[s] = &b.data[(j + s) * b.column_step + inner.start..][..inner.len()];
                }
            }
            for k in 0..inner.len() {
                let b_row: [S::f64s; N] = if b.row_step == 1 {
                    let mut row = [simd.splat_f64s(0.0); N];
                    for s in 0..N {
                        row[s] = numbers::<S>(&b_columns[s][k], part);
                    }
                    row
                } else {
                    let at = &b.data[(inner.start + k) * b.row_step + j..][..N];
                    let mut row = [simd.splat_f64s(0.0); N];
                    for s in 0..N {
                        row[s] = numbers::<S>(&at[s], part);
                    }
                    row
                };
                if a.column_step == 1 {
                    for r in 0..M {
                        let x = numbers::<S>(&a_rows[r][k], part);
                        for s in 0..N {
                            sums[r][s] = simd.mul_add_f64s(x, b_row[s], sums[r][s]);
                        }
                    }
                } else {
                    let at = &a.data[(inner.start + k) * a.column_step + i..][..M];
                    for r in 0..M {
                        let x = numbers::<S>(&at[r], part);
                        for s in 0..N {
                            sums[r][s] = simd.mul_add_f64s(x, b_row[s], sums[r][s]);
                        }
                    }
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

/// The numbers of an entry that one register holds.
#[inline(always)]
fn numbers<S: Simd>(entry: &Eight, part: usize) -> S::f64s {
    S::as_simd_f64s(&entry.0).0[part]
}
