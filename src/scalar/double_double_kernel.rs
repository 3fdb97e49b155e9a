//! Matrix products of double-double numbers: plain loops, vectorised over the columns of C.
//!
//! Each entry is one sum over the inner indices in their order, whatever the lanes:
//! the same bits with and without vector units.

use super::{DoubleDouble, Matrix, MatrixMut, Scalar, Store, vectorised};

/// Columns of C at once.
const LANES: usize = 4;

/// See [`matmul`](super::matmul).
pub(super) fn matmul(pairs: &[[Matrix<'_, f64>; 2]], c: MatrixMut<'_, f64>, store: Store) {
    for [a, b] in pairs {
        assert!(a.columns == b.rows && a.rows == c.rows && b.columns == c.columns);
    }
    if store.values() {
        vectorised(
            #[inline(always)]
            || multiply(pairs, c, store.adds()),
        );
    }
}

/// See [`matmul_transposed`](super::matmul_transposed).
pub(super) fn matmul_transposed(pairs: &[[Matrix<'_, f64>; 2]], c: MatrixMut<'_, f64>, store: Store) {
    let pairs: Vec<_> = pairs.iter().map(|&[a, b]| [a, b.transposed()]).collect();
    matmul(&pairs, c, store);
}

/// Entry (i, j); a matrix of constants has no low parts.
#[inline(always)]
fn entry(a: &Matrix<'_, f64>, i: usize, j: usize) -> DoubleDouble {
    let at = i * a.row_step + j * a.column_step;
    DoubleDouble::from_parts([a.data[at], a.plane_step.map_or(0.0, |step| a.data[at + step])])
}

#[inline(always)]
fn multiply(pairs: &[[Matrix<'_, f64>; 2]], mut c: MatrixMut<'_, f64>, add: bool) {
    for i in 0..c.rows {
        let mut j = 0;
        while j + LANES <= c.columns {
            columns::<LANES>(pairs, &mut c, add, i, j);
            j += LANES;
        }
        while j < c.columns {
            columns::<1>(pairs, &mut c, add, i, j);
            j += 1;
        }
    }
}

/// Entries j..j+K of row i of C.
#[inline(always)]
fn columns<const K: usize>(pairs: &[[Matrix<'_, f64>; 2]], c: &mut MatrixMut<'_, f64>, add: bool, i: usize, j: usize) {
    let mut sums = [DoubleDouble::ZERO; K];
    for [a, b] in pairs {
        for k in 0..a.columns {
            let x = entry(a, i, k);
            for lane in 0..K {
                sums[lane] += x * entry(b, k, j + lane);
            }
        }
    }
    for lane in 0..K {
        let at = i * c.row_step + j + lane;
        let sum = if add {
            DoubleDouble::from_parts([c.data[at], c.data[at + c.plane_step]]) + sums[lane]
        } else {
            sums[lane]
        };
        c.data[at] = sum.hi();
        c.data[at + c.plane_step] = sum.lo();
    }
}
