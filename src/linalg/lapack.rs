//! The backend on LAPACK, through ndarray-linalg. The functions are those of [`super::pure`],
//! with the same meaning and errors.

use ndarray::{Array1, Array2, ArrayView2};
use ndarray_linalg::{Eigh, JobSvd, SVDDC, UPLO};

use super::{LinalgError, Svd, SymmetricEigen, check_finite, check_least_squares, check_square, solve_by_svd};

fn failed(error: ndarray_linalg::error::LinalgError) -> LinalgError {
    LinalgError::NoConvergence(error.to_string())
}

/// A copy in row-major order: the layout of a strided view, even of one entry, is one that ndarray-linalg refuses.
fn copied(a: ArrayView2<'_, f64>) -> Array2<f64> {
    Array2::from_shape_fn(a.dim(), |place| a[place])
}

/// The singular value decomposition (`dgesdd`).
///
/// # Errors
/// As [`super::pure::svd`].
pub fn svd(a: ArrayView2<'_, f64>) -> Result<Svd, LinalgError> {
    check_finite(a)?;
    if a.is_empty() {
        return Ok(Svd { u: Array2::zeros((a.nrows(), 0)), s: Array1::zeros(0), vt: Array2::zeros((0, a.ncols())) });
    }
    match copied(a).svddc(JobSvd::Some).map_err(failed)? {
        (Some(u), s, Some(vt)) => Ok(Svd { u, s, vt }),
        _ => Err(LinalgError::NoConvergence("no singular vectors".to_owned())),
    }
}

/// The singular values, largest first (`dgesdd` without vectors).
///
/// # Errors
/// As [`svd`].
pub fn singular_values(a: ArrayView2<'_, f64>) -> Result<Array1<f64>, LinalgError> {
    check_finite(a)?;
    if a.is_empty() {
        return Ok(Array1::zeros(0));
    }
    Ok(copied(a).svddc(JobSvd::None).map_err(failed)?.1)
}

/// ||A||, the largest singular value; 0 for an empty matrix.
///
/// # Errors
/// As [`svd`].
pub fn spectral_norm(a: ArrayView2<'_, f64>) -> Result<f64, LinalgError> {
    Ok(singular_values(a)?.first().copied().unwrap_or(0.0))
}

/// The eigenvalues (smallest first) and eigenvectors of a symmetric matrix (`dsyev`); only its lower triangle is read.
///
/// # Errors
/// As [`super::pure::symmetric_eigen`].
pub fn symmetric_eigen(a: ArrayView2<'_, f64>) -> Result<SymmetricEigen, LinalgError> {
    check_square(a)?;
    check_finite(a)?;
    if a.is_empty() {
        return Ok(SymmetricEigen { values: Array1::zeros(0), vectors: Array2::zeros((0, 0)) });
    }
    // A copy of the triangle that is read: backends differ in which one an argument in row-major order means.
    let symmetric = Array2::from_shape_fn(a.dim(), |(i, j)| a[(i.max(j), i.min(j))]);
    let (values, vectors) = symmetric.eigh(UPLO::Lower).map_err(failed)?;
    Ok(SymmetricEigen { values, vectors })
}

/// The x that minimises ||A x - b||.
///
/// # Errors
/// As [`super::pure::least_squares`].
pub fn least_squares(a: ArrayView2<'_, f64>, b: &[f64]) -> Result<Array1<f64>, LinalgError> {
    check_least_squares(a, b)?;
    solve_by_svd(&svd(a)?, b)
}
