//! Hessians over boxes of parameters: enclosures, and proved bounds of the norms of their blocks.

use std::fmt;

use ndarray::{Array2, ArrayView2};

use super::hessian::{HessianProduct, Target, block, hessian_vector_product};
use crate::linalg;
use crate::loss::{Arithmetic, Further, Loss, Over};
use crate::parameters::Parameters;
use crate::scalar::{Dual, Interval, Scalar};
use crate::smoothness::{Smoothness, Upper};

/// Why nothing can be proved of a loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotEnclosed {
    /// The loss is a formula that chooses between functions by a value.
    Branches,
    /// The loss is no formula.
    Foreign,
    /// L is a mean over random subsets and only known by sampling.
    MeanBySampling,
}

impl fmt::Display for NotEnclosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Branches => "the loss chooses between different functions, which intervals cannot enclose",
            Self::Foreign => "the loss is evaluated by foreign code in f64, which intervals cannot follow",
            Self::MeanBySampling => "L is a mean over random subsets; choose a partition or the full batch",
        })
    }
}

impl std::error::Error for NotEnclosed {}

/// The loss over intervals, if `target` can be enclosed.
pub(crate) fn enclosing<'a>(loss: &'a dyn Loss, target: Target<'_>) -> Result<&'a dyn Over<Interval>, NotEnclosed> {
    let Some(over) = loss.over() else {
        return Err(match loss.further() {
            Further::Formula(_) => NotEnclosed::Branches,
            Further::Products(_) => NotEnclosed::Foreign,
        });
    };
    if target == Target::Mean && loss.minibatches().finite().is_none() {
        return Err(NotEnclosed::MeanBySampling);
    }
    Ok(over)
}

/// The Hessian at every point of a box of parameters: entry (i, j) contains the true entry at each of them.
///
/// n Hessian-vector products over intervals; of the two enclosures of a pair of equal entries the intersection is kept.
/// An entry of which nothing is known is the whole line.
///
/// # Errors
/// If the loss cannot be enclosed.
///
/// # Panics
/// As [`hessian_vector_product`].
///
/// ```
/// use ratecheck::curvature::{HessianProduct, hessian_enclosure};
/// use ratecheck::loss::closed::Rayleigh;
/// use ratecheck::scalar::{Interval, Scalar};
/// let (loss, box_) = (Rayleigh::new(vec![0.0, 1.0]), [Interval::ONE, Interval::new(-1e-3, 1e-3)]);
/// let hessian = hessian_enclosure(&loss, &[0], &box_, &mut HessianProduct::new(2))?;
/// assert!(hessian[(1, 1)].contains(2.0) && hessian[(1, 1)].width() < 1e-4); // 2 (A - F) at the eigenvector of 0
/// # Ok::<(), ratecheck::curvature::NotEnclosed>(())
/// ```
pub fn hessian_enclosure<'a>(
    loss: &dyn Loss,
    target: impl Into<Target<'a>>,
    theta: &[Interval],
    work: &mut HessianProduct<Interval>,
) -> Result<Array2<Interval>, NotEnclosed> {
    let target = target.into();
    enclosing(loss, target)?;
    let mut matrix = columns(loss, target, theta, work);
    let n = theta.len();
    for i in 0..n {
        for j in 0..i {
            // Both contain the same number, so that they meet.
            let both = matrix[(i, j)].intersection(matrix[(j, i)]).unwrap_or(Interval::ENTIRE);
            (matrix[(i, j)], matrix[(j, i)]) = (both, both);
        }
    }
    Ok(matrix)
}

/// Row j is the Hessian times e_j.
pub(super) fn columns<S: Scalar>(
    loss: &dyn Loss,
    target: Target<'_>,
    theta: &[S],
    work: &mut HessianProduct<S>,
) -> Array2<S>
where
    Dual<S>: Arithmetic,
{
    let n = theta.len();
    let mut direction = vec![S::ZERO; n];
    let mut matrix = Array2::from_elem((n, n), S::ZERO);
    for j in 0..n {
        direction[j] = S::ONE;
        let mut row = matrix.row_mut(j);
        let row = row.as_slice_mut().expect("rows of a new array are contiguous");
        hessian_vector_product(loss, target, theta, &direction, row, work);
        direction[j] = S::ZERO;
    }
    matrix
}

/// A bound of the spectral norm of every matrix in an interval matrix: that of the middle, proved, and the Frobenius
/// norm of the radius. Infinite if an entry is not bounded.
///
/// ```
/// use ndarray::array;
/// use ratecheck::curvature::spectral_norm_upper;
/// use ratecheck::scalar::Interval;
/// let bound = spectral_norm_upper(array![[3.0, 0.0], [4.0, 0.0]].mapv(Interval::from).view()).0;
/// assert!(bound >= 5.0 && bound < 5.0 + 1e-7);
/// ```
pub fn spectral_norm_upper(block: ArrayView2<'_, Interval>) -> Upper {
    if block.iter().any(|x| !Scalar::is_finite(*x)) {
        return Upper(f64::INFINITY);
    }
    let middle = block.mapv(Scalar::value);
    let mut radius_sq = Interval::ZERO;
    for (&set, &m) in block.iter().zip(&middle) {
        radius_sq += (set - Interval::from(m)).abs().square();
    }
    let radius = Interval::from(radius_sq.hi()).sqrt();
    Upper((Interval::from(middle_norm_upper(&middle)) + radius).hi())
}

/// A bound of the spectral norm of a matrix: r such that r^2 I - A A^T is positive definite, which its factors L D L^T
/// in interval arithmetic prove by positive pivots. r exceeds the computed norm by a part of 1e-9 or, where rounding
/// spoils the pivots, more; the last resort is the Frobenius norm.
fn middle_norm_upper(a: &Array2<f64>) -> f64 {
    let a = if a.nrows() <= a.ncols() { a.view() } else { a.t() };
    let set = a.mapv(Interval::from);
    let gram = |i: usize, j: usize| {
        let mut sum = Interval::ZERO;
        for (&x, &y) in set.row(i).iter().zip(set.row(j)) {
            sum += x * y;
        }
        sum
    };
    let k = a.nrows();
    let mut product = Array2::from_elem((k, k), Interval::ZERO);
    for i in 0..k {
        for j in 0..=i {
            product[(i, j)] = gram(i, j);
        }
    }
    let frobenius = (0..k).fold(Interval::ZERO, |sum, i| sum + product[(i, i)]).abs().sqrt().hi();
    if frobenius == 0.0 {
        return 0.0;
    }
    let Ok(norm) = linalg::spectral_norm(a) else { return frobenius };
    for excess in [1e-9, 1e-6, 1e-3] {
        let r = norm * (1.0 + excess);
        if r < frobenius && dominates(r, product.clone()) {
            return r;
        }
    }
    frobenius
}

/// Whether r^2 I - M is proved to be positive definite, M given by its lower triangle.
fn dominates(r: f64, mut m: Array2<Interval>) -> bool {
    let k = m.nrows();
    let r_sq = Interval::from(r).square();
    m.mapv_inplace(|x| -x);
    for i in 0..k {
        m[(i, i)] += r_sq;
    }
    for p in 0..k {
        let pivot = m[(p, p)];
        if !(pivot.lo() > 0.0) {
            return false;
        }
        for i in p + 1..k {
            let factor = m[(i, p)] / pivot;
            for j in p + 1..=i {
                let update = factor * m[(j, p)];
                m[(i, j)] -= update;
            }
        }
    }
    true
}

/// Bounds of the norms of all blocks of an enclosed Hessian.
///
/// # Panics
/// If the matrix does not fit the layout.
pub fn block_norms_upper(hessian: &Array2<Interval>, layout: &Parameters) -> Smoothness<Upper> {
    Smoothness::from_blocks(layout.n_blocks(), |rows, columns| {
        spectral_norm_upper(block(hessian, layout, rows, columns))
    })
}
