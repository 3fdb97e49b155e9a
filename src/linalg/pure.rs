//! The backend in Rust alone, on nalgebra's decompositions.

use nalgebra::DMatrix;
use ndarray::{Array1, Array2, ArrayView2};

use super::jacobi;
use super::norm::largest_singular_value;
use super::{
    LinalgError, Svd, SymmetricEigen, check_finite, check_least_squares, check_square, power_of_two_near, solve_by_svd,
};

/// Sweeps after which an iteration is given up: QR steps settle an eigenvalue in two or three, so a matrix with n of
/// them needs a few n, and the matrices here are small.
fn max_iterations(a: &DMatrix<f64>) -> usize {
    1000 + 100 * a.nrows().max(a.ncols())
}

/// A / `scale`, entry by entry.
fn lift(a: ArrayView2<'_, f64>, scale: f64) -> DMatrix<f64> {
    DMatrix::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)] / scale)
}

fn lower(a: &DMatrix<f64>) -> Array2<f64> {
    Array2::from_shape_fn((a.nrows(), a.ncols()), |(i, j)| a[(i, j)])
}

/// A power of two near the largest |entry|: dividing by it is exact and keeps squares from overflowing or vanishing.
fn scale_of(a: ArrayView2<'_, f64>) -> f64 {
    power_of_two_near(a.iter().fold(0.0_f64, |m, x| m.max(x.abs())))
}

/// The singular value decomposition A = U diag(s) V^T, largest first. Cost O(rows columns min(rows, columns)).
///
/// # Errors
/// [`LinalgError::NotFinite`]; [`LinalgError::NoConvergence`] if the iteration does not settle.
///
/// ```
/// use ndarray::array;
/// use ratecheck::linalg::pure::svd;
/// let found = svd(array![[0.0, 3.0], [4.0, 0.0]].view())?;
/// assert!((found.s[0] - 4.0).abs() < 1e-14 && (found.s[1] - 3.0).abs() < 1e-14);
/// # Ok::<(), ratecheck::linalg::LinalgError>(())
/// ```
pub fn svd(a: ArrayView2<'_, f64>) -> Result<Svd, LinalgError> {
    check_finite(a)?;
    let k = a.nrows().min(a.ncols());
    if k == 0 {
        return Ok(Svd { u: Array2::zeros((a.nrows(), 0)), s: Array1::zeros(0), vt: Array2::zeros((0, a.ncols())) });
    }
    let scale = scale_of(a);
    // The columns become the shorter side, which is what the rotations work on.
    let tall = a.nrows() >= a.ncols();
    let lifted = lift(if tall { a } else { a.reversed_axes() }, scale);
    let limit = max_iterations(&lifted);
    let found = lifted.clone().try_svd(true, true, f64::EPSILON, limit);
    let start = found.and_then(|f| Some((f.u?, f.v_t?.transpose())));
    let Some((u, s, v)) = start.and_then(|(u, v)| jacobi::finish(&lifted, u, v)) else {
        return Err(LinalgError::NoConvergence(format!("singular values, {limit} steps")));
    };
    let (u, v) = if tall { (u, v) } else { (v, u) };
    let mut order: Vec<usize> = (0..k).collect();
    order.sort_by(|&i, &j| s[j].total_cmp(&s[i]));
    Ok(Svd {
        u: Array2::from_shape_fn((a.nrows(), k), |(i, j)| u[(i, order[j])]),
        s: order.iter().map(|&i| s[i] * scale).collect(),
        vt: Array2::from_shape_fn((k, a.ncols()), |(i, j)| v[(j, order[i])]),
    })
}

/// The singular values of A, largest first.
///
/// # Errors
/// As [`svd`].
pub fn singular_values(a: ArrayView2<'_, f64>) -> Result<Array1<f64>, LinalgError> {
    Ok(svd(a)?.s)
}

/// ||A||, the largest singular value: the square root of the largest eigenvalue of the smaller of A^T A and A A^T.
///
/// Forming the product costs nothing in accuracy here: rounding moves its eigenvalues by a few u ||A||^2, which is
/// relative to the largest one. Several times faster than all singular values, and always ends. 0 for an empty matrix.
///
/// # Errors
/// [`LinalgError::NotFinite`].
///
/// ```
/// use ndarray::array;
/// use ratecheck::linalg::pure::spectral_norm;
/// assert!((spectral_norm(array![[3.0, 0.0], [4.0, 0.0]].view())? - 5.0).abs() < 1e-14);
/// # Ok::<(), ratecheck::linalg::LinalgError>(())
/// ```
pub fn spectral_norm(a: ArrayView2<'_, f64>) -> Result<f64, LinalgError> {
    if a.is_empty() {
        return Ok(0.0);
    }
    largest_singular_value(a).ok_or(LinalgError::NotFinite)
}

/// The eigenvalues (smallest first) and eigenvectors of a symmetric matrix; only its lower triangle is read.
///
/// # Errors
/// [`LinalgError::NotFinite`]; [`LinalgError::Shape`] if A is not square; [`LinalgError::NoConvergence`].
///
/// ```
/// use ndarray::array;
/// use ratecheck::linalg::pure::symmetric_eigen;
/// let found = symmetric_eigen(array![[2.0, 1.0], [1.0, 2.0]].view())?;
/// assert!((found.values[0] - 1.0).abs() < 1e-14 && (found.values[1] - 3.0).abs() < 1e-14);
/// # Ok::<(), ratecheck::linalg::LinalgError>(())
/// ```
pub fn symmetric_eigen(a: ArrayView2<'_, f64>) -> Result<SymmetricEigen, LinalgError> {
    check_square(a)?;
    check_finite(a)?;
    let n = a.nrows();
    if n == 0 {
        return Ok(SymmetricEigen { values: Array1::zeros(0), vectors: Array2::zeros((0, 0)) });
    }
    let scale = scale_of(a);
    let lifted = DMatrix::from_fn(n, n, |i, j| a[(i.max(j), i.min(j))] / scale);
    let limit = max_iterations(&lifted);
    let Some(found) = nalgebra::SymmetricEigen::try_new(lifted, f64::EPSILON, limit) else {
        return Err(LinalgError::NoConvergence(format!("symmetric eigenvalues, {limit} steps")));
    };
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| found.eigenvalues[i].total_cmp(&found.eigenvalues[j]));
    let vectors = lower(&found.eigenvectors);
    Ok(SymmetricEigen {
        values: order.iter().map(|&i| found.eigenvalues[i] * scale).collect(),
        vectors: vectors.select(ndarray::Axis(1), &order),
    })
}

/// The x that minimises ||A x - b||, for A with independent columns and no fewer rows than columns.
///
/// # Errors
/// [`LinalgError::NotFinite`]; [`LinalgError::Shape`]; [`LinalgError::Dependent`]; [`LinalgError::NoConvergence`].
///
/// ```
/// use ndarray::array;
/// use ratecheck::linalg::pure::least_squares;
/// // The line through (0, 1), (1, 3), (2, 5).
/// let x = least_squares(array![[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]].view(), &[1.0, 3.0, 5.0])?;
/// assert!((x[0] - 1.0).abs() < 1e-13 && (x[1] - 2.0).abs() < 1e-13);
/// # Ok::<(), ratecheck::linalg::LinalgError>(())
/// ```
pub fn least_squares(a: ArrayView2<'_, f64>, b: &[f64]) -> Result<Array1<f64>, LinalgError> {
    check_least_squares(a, b)?;
    solve_by_svd(&svd(a)?, b)
}
