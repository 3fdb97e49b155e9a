//! The spectral norm of a small matrix, fast: no singular vectors, no other singular values.

use ndarray::ArrayView2;

use crate::scalar::{Matrix, MatrixMut, Scalar, Store, vectorised};

/// The largest singular value of the finite matrix a/scale: sqrt of the largest eigenvalue of the smaller of A A^T and A^T A.
pub(super) fn largest_singular_value(a: ArrayView2<'_, f64>, scale: f64) -> f64 {
    // The smaller dimension becomes the rows.
    let a = if a.nrows() <= a.ncols() { a } else { a.reversed_axes() };
    let (k, columns) = a.dim();
    let entries: Vec<f64> = a.iter().map(|x| x / scale).collect();
    let view = Matrix { data: &entries, rows: k, columns, row_step: columns, column_step: 1, plane_step: None };
    let mut gram = vec![0.0; k * k];
    let target = MatrixMut { data: &mut gram, rows: k, columns: k, row_step: k, plane_step: k * k };
    f64::matmul_transposed(view, view, target, Store::Replace);
    vectorised(
        #[inline(always)]
        || {
            let off_diagonal = tridiagonalise(&mut gram, k);
            let diagonal: Vec<f64> = (0..k).map(|i| gram[i * k + i]).collect();
            largest_eigenvalue(&diagonal, &off_diagonal).sqrt()
        },
    )
}

/// Householder's reduction of a symmetric k x k matrix (Golub and Van Loan, algorithm 8.3.1): leaves the diagonal in place and
/// returns the entries beside it. 4/3 k^3 operations.
#[inline(always)]
fn tridiagonalise(a: &mut [f64], k: usize) -> Vec<f64> {
    let mut beside = vec![0.0; k.saturating_sub(1)];
    let (mut v, mut w) = (vec![0.0; k], vec![0.0; k]);
    for j in 0..k.saturating_sub(1) {
        let first = j + 1;
        let n = k - first;
        for i in 0..n {
            v[i] = a[(first + i) * k + j];
        }
        let rest: f64 = v[1..n].iter().map(|x| x * x).sum();
        if rest == 0.0 {
            beside[j] = v[0];
            continue;
        }
        let norm = (v[0] * v[0] + rest).sqrt();
        beside[j] = -norm.copysign(v[0]);
        v[0] -= beside[j];
        // H = I - beta v v^T; H A H = A - v w^T - w v^T with p = beta A v, w = p - (beta/2)(v'p) v.
        let beta = 2.0 / (v[0] * v[0] + rest);
        w[..n].fill(0.0);
        for i in 0..n {
            let row = &a[(first + i) * k + first..][..n];
            // A is symmetric: rows may be added up in place of columns, which runs over contiguous numbers.
            for (w, x) in w[..n].iter_mut().zip(row) {
                *w += v[i] * x;
            }
        }
        let mut along = 0.0;
        for i in 0..n {
            w[i] *= beta;
            along += v[i] * w[i];
        }
        let half = 0.5 * beta * along;
        for i in 0..n {
            w[i] -= half * v[i];
        }
        for i in 0..n {
            let row = &mut a[(first + i) * k + first..][..n];
            let (v_i, w_i) = (v[i], w[i]);
            for ((x, v), w) in row.iter_mut().zip(&v[..n]).zip(&w[..n]) {
                *x -= v_i * w + w_i * v;
            }
        }
    }
    beside
}

/// The largest eigenvalue of a tridiagonal positive semidefinite matrix T by bisection, to a relative 2^-52: x lies above it
/// exactly if every pivot of x I - T is positive (Sturm).
#[inline(always)]
fn largest_eigenvalue(diagonal: &[f64], beside: &[f64]) -> f64 {
    let k = diagonal.len();
    let at = |i: usize| if i < beside.len() { beside[i].abs() } else { 0.0 };
    // Gershgorin's discs, and a hair more so that rounding cannot put the eigenvalue outside.
    let upper = (0..k).map(|i| diagonal[i] + at(i) + if i > 0 { at(i - 1) } else { 0.0 }).fold(0.0, f64::max);
    let (mut low, mut high) = (diagonal.iter().copied().fold(0.0, f64::max), upper * (1.0 + 1e-12));
    let above = |x: f64| {
        let mut pivot = x - diagonal[0];
        for i in 1..k {
            if !(pivot > 0.0) {
                return false;
            }
            pivot = (x - diagonal[i]) - beside[i - 1] * beside[i - 1] / pivot;
        }
        pivot > 0.0
    };
    // Each step halves the interval; the count is a safeguard.
    for _ in 0..1100 {
        let middle = low + 0.5 * (high - low);
        if high - low <= f64::EPSILON * high || middle <= low || middle >= high {
            break;
        }
        if above(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}
