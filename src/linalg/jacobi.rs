//! One-sided Jacobi rotations, which finish a singular value decomposition.
//!
//! The decomposition of nalgebra stops too early where singular values lie close together: A = U diag(s) V^T is then
//! off by up to 1e-9 of ||A||. Its V is a good start all the same: the columns of A V are nearly perpendicular, and a
//! sweep or two of rotations make them so to rounding (Golub and Van Loan, Matrix Computations, section 8.6.3).

use nalgebra::{DMatrix, DVector};

/// Sweeps at most; convergence is quadratic, so that even a bad start takes fewer than ten.
const MAX_SWEEPS: usize = 40;

/// U, s and V of A with no fewer rows than columns, from orthogonal `v` and orthonormal columns `u` that are nearly
/// those of A. `None` if the rotations do not settle.
pub(super) fn finish(
    a: &DMatrix<f64>,
    mut u: DMatrix<f64>,
    mut v: DMatrix<f64>,
) -> Option<(DMatrix<f64>, DVector<f64>, DMatrix<f64>)> {
    let k = a.ncols();
    let mut b = a * &v;
    // Columns below this are rounding: no rotation makes them perpendicular, and they have no direction.
    let floor = a.norm() * f64::EPSILON * a.nrows() as f64;
    let settled = (0..MAX_SWEEPS).any(|_| !sweep(&mut b, &mut v, floor));
    if !settled {
        return None;
    }
    let s = DVector::from_fn(k, |j, _| b.column(j).norm());
    // Where A V has no direction U keeps its own, made perpendicular to the rest.
    let (long, short): (Vec<usize>, Vec<usize>) = (0..k).partition(|&j| s[j] > floor);
    for &j in &long {
        u.set_column(j, &(b.column(j) / s[j]));
    }
    let mut done = long;
    for j in short {
        let candidates = std::iter::once(u.column(j).into_owned())
            .chain((0..a.nrows()).map(|i| DVector::from_fn(a.nrows(), |row, _| f64::from(u8::from(row == i)))));
        let column = candidates.map(|x| perpendicular(x, &u, &done)).find(|x| x.norm() > 0.5)?;
        u.set_column(j, &column.normalize());
        done.push(j);
    }
    Some((u, s, v))
}

/// x less its projections on columns of u, twice: once is not enough in floating point.
fn perpendicular(mut x: DVector<f64>, u: &DMatrix<f64>, columns: &[usize]) -> DVector<f64> {
    for _ in 0..2 {
        for &j in columns {
            let along = u.column(j).dot(&x);
            x -= u.column(j) * along;
        }
    }
    x
}

/// Rotates every pair of columns of b that is not perpendicular to rounding, and v with it; whether there was one.
fn sweep(b: &mut DMatrix<f64>, v: &mut DMatrix<f64>, floor: f64) -> bool {
    let mut rotated = false;
    for p in 0..b.ncols() {
        for q in p + 1..b.ncols() {
            let (alpha, beta) = (b.column(p).norm_squared(), b.column(q).norm_squared());
            let gamma = b.column(p).dot(&b.column(q));
            // An inner product of n terms is known to n units of rounding of the lengths; NaN counts as perpendicular,
            // and shows in the result.
            let known = b.nrows() as f64 * f64::EPSILON * (alpha * beta).sqrt();
            if alpha.min(beta).sqrt() > floor && gamma.abs() > known {
                let zeta = (beta - alpha) / (2.0 * gamma);
                let t = zeta.signum() / (zeta.abs() + (1.0 + zeta * zeta).sqrt());
                let c = 1.0 / (1.0 + t * t).sqrt();
                rotate(b, p, q, c, c * t);
                rotate(v, p, q, c, c * t);
                rotated = true;
            }
        }
    }
    rotated
}

fn rotate(m: &mut DMatrix<f64>, p: usize, q: usize, c: f64, s: f64) {
    for i in 0..m.nrows() {
        let (x, y) = (m[(i, p)], m[(i, q)]);
        m[(i, p)] = c * x - s * y;
        m[(i, q)] = s * x + c * y;
    }
}
