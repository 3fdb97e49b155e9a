//! The handful of dense routines the engine needs, for matrices of a few hundred rows at most.
//!
//! Two independent backends have the same functions: `pure` (Rust only, always there) and `lapack` (behind the feature
//! of that name). The functions used by the rest of the engine are those re-exported here: `lapack`'s if the feature is
//! on, else `pure`'s. The tests compare the two.
//!
//! No routine hangs or returns a number for a matrix with an infinite or undefined entry:
//! that is [`LinalgError::NotFinite`].

mod jacobi;
#[cfg(feature = "lapack")]
pub mod lapack;
mod norm;
pub mod pure;

use std::fmt;

use ndarray::{Array1, Array2, ArrayView2};

#[cfg(feature = "lapack")]
pub use lapack::{least_squares, singular_values, spectral_norm, svd, symmetric_eigen};
#[cfg(not(feature = "lapack"))]
pub use pure::{least_squares, singular_values, spectral_norm, svd, symmetric_eigen};

/// Why a dense routine has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinalgError {
    /// An entry is infinite or not a number.
    NotFinite,
    /// A square matrix was needed, or the right-hand side has another number of rows.
    Shape(String),
    /// The columns of a least-squares problem are linearly dependent to rounding.
    Dependent,
    /// The iteration did not settle.
    NoConvergence(String),
}

impl fmt::Display for LinalgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFinite => f.write_str("the matrix has an entry that is infinite or not a number"),
            Self::Shape(what) => f.write_str(what),
            Self::Dependent => {
                f.write_str("the columns are linearly dependent, so the least-squares solution is not unique")
            }
            Self::NoConvergence(what) => write!(f, "the iteration did not settle: {what}"),
        }
    }
}

impl std::error::Error for LinalgError {}

/// A = U diag(s) V^T with k = min(rows, columns) singular values.
#[derive(Clone, Debug)]
pub struct Svd {
    /// Left singular vectors, rows x k.
    pub u: Array2<f64>,
    /// Singular values, largest first.
    pub s: Array1<f64>,
    /// Right singular vectors as rows, k x columns.
    pub vt: Array2<f64>,
}

/// A = Q diag(values) Q^T of a symmetric matrix.
#[derive(Clone, Debug)]
pub struct SymmetricEigen {
    /// Eigenvalues, smallest first.
    pub values: Array1<f64>,
    /// Eigenvectors as columns.
    pub vectors: Array2<f64>,
}

/// A power of two near x >= 0 of which the reciprocal is one too; 1 for 0.
pub(crate) fn power_of_two_near(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    // The exponent alone, clamped so that neither 2^e nor its reciprocal leaves the normal numbers.
    let exponent = ((x.to_bits() >> 52) as i64 - 1023).clamp(-1000, 1000);
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

/// The checks both backends begin with.
fn check_finite(a: ArrayView2<'_, f64>) -> Result<(), LinalgError> {
    if a.iter().all(|x| x.is_finite()) { Ok(()) } else { Err(LinalgError::NotFinite) }
}

fn check_square(a: ArrayView2<'_, f64>) -> Result<(), LinalgError> {
    if a.is_square() {
        Ok(())
    } else {
        Err(LinalgError::Shape(format!("a {} x {} matrix is not square", a.nrows(), a.ncols())))
    }
}

fn check_least_squares(a: ArrayView2<'_, f64>, b: &[f64]) -> Result<(), LinalgError> {
    check_finite(a)?;
    if !b.iter().all(|x| x.is_finite()) {
        return Err(LinalgError::NotFinite);
    }
    if a.nrows() == b.len() && a.nrows() >= a.ncols() {
        return Ok(());
    }
    let (rows, columns, len) = (a.nrows(), a.ncols(), b.len());
    Err(LinalgError::Shape(format!("{rows} equations in {columns} unknowns with {len} right-hand sides")))
}

/// Least squares from a singular value decomposition: x = V diag(1/s) U^T b, refused if the condition number reaches
/// 1 / (rows u), where no digit of x could be trusted.
fn solve_by_svd(svd: &Svd, b: &[f64]) -> Result<Array1<f64>, LinalgError> {
    let Some(&largest) = svd.s.first() else { return Ok(Array1::zeros(svd.vt.ncols())) };
    let floor = largest * f64::EPSILON * b.len() as f64;
    if !svd.s.iter().all(|&s| s > floor) {
        return Err(LinalgError::Dependent);
    }
    let mut coefficients = svd.u.t().dot(&ndarray::aview1(b));
    coefficients.iter_mut().zip(&svd.s).for_each(|(c, s)| *c /= s);
    Ok(svd.vt.t().dot(&coefficients))
}
