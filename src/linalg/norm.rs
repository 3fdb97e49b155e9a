//! The spectral norm of a small matrix, fast: no singular vectors, no other singular values.

use ndarray::ArrayView2;

use super::power_of_two_near;
use crate::scalar::{Matrix, MatrixMut, Planes, Store, vectorised};

/// Numbers handled together; vectors are padded with zeros to a multiple.
const LANES: usize = 4;
type Lane = [f64; LANES];

/// The square of a size that is nothing beside 1: its own square is far from underflow,
/// and 1e-100 far below the rounding of 1.
const NEGLIGIBLE_SQ: f64 = 1e-200;

/// The largest singular value: sqrt of the largest eigenvalue of the smaller of A A^T and A^T A. `None` if an entry is
/// not finite.
pub(super) fn largest_singular_value(a: ArrayView2<'_, f64>) -> Option<f64> {
    let (rows, columns) = a.dim();
    let mut entries = Vec::with_capacity(rows * columns);
    for row in a.rows() {
        match row.as_slice() {
            Some(row) => entries.extend_from_slice(row),
            None => entries.extend(row.iter()),
        }
    }
    let scale = power_of_two_near(largest(&entries)?);
    let factor = 1.0 / scale;
    entries.iter_mut().for_each(|x| *x *= factor);
    let view = Matrix { data: &entries, rows, columns, row_step: columns, column_step: 1, plane_step: None };
    let k = rows.min(columns);
    let padded = k.next_multiple_of(LANES);
    let mut gram = vec![[0.0; LANES]; k * padded / LANES];
    let target =
        MatrixMut { data: gram.as_flattened_mut(), rows: k, columns: k, row_step: padded, plane_step: k * padded };
    if rows < columns {
        f64::matmul_transposed(&[[view, view]], target, Store::Replace);
    } else {
        f64::matmul(&[[view.transposed(), view]], target, Store::Replace);
    }
    Some(scale * sqrt_of_largest_eigenvalue(&mut gram, k))
}

/// The largest |x|; `None` if one is not finite.
fn largest(entries: &[f64]) -> Option<f64> {
    vectorised(
        #[inline(always)]
        || {
            let (mut largest, mut zeros) = ([0.0; LANES], [0.0; LANES]);
            let (lanes, rest) = entries.as_chunks::<LANES>();
            let mut visit = |l: usize, x: f64| {
                let size = x.abs();
                largest[l] = if size > largest[l] { size } else { largest[l] };
                // Not 0 but NaN as soon as an entry is not finite.
                zeros[l] += 0.0 * x;
            };
            for lane in lanes {
                for l in 0..LANES {
                    visit(l, lane[l]);
                }
            }
            rest.iter().enumerate().for_each(|(l, &x)| visit(l, x));
            zeros.iter().all(|&zero| zero == 0.0).then(|| largest.into_iter().fold(0.0, f64::max))
        },
    )
}

/// sqrt(largest eigenvalue) of a positive semidefinite matrix, rows padded.
fn sqrt_of_largest_eigenvalue(gram: &mut [Lane], k: usize) -> f64 {
    let padded = k.next_multiple_of(LANES);
    vectorised(
        #[inline(always)]
        || {
            // With the length of a row known, the compiler keeps rows in registers.
            let beside_sq = match padded / LANES {
                1 => tridiagonalise(gram, k, 1),
                2 => tridiagonalise(gram, k, 2),
                3 => tridiagonalise(gram, k, 3),
                4 => tridiagonalise(gram, k, 4),
                step => tridiagonalise(gram, k, step),
            };
            let gram = gram.as_flattened();
            let diagonal: Vec<f64> = (0..k).map(|i| gram[i * padded + i]).collect();
            largest_eigenvalue(&diagonal, &beside_sq).sqrt()
        },
    )
}

/// Householder's reduction of a symmetric k x k matrix with rows of `step` lanes (Golub and Van Loan, algorithm 8.3.1):
/// leaves the diagonal in place and returns the squares of the entries beside it. 4/3 k^3 operations.
#[inline(always)]
fn tridiagonalise(a: &mut [Lane], k: usize, step: usize) -> Vec<f64> {
    let mut beside_sq = vec![0.0; k.saturating_sub(1)];
    let mut storage = vec![[0.0; LANES]; 2 * step];
    let (v, w) = storage.split_at_mut(step);
    for j in 0..k.saturating_sub(1) {
        let first = j + 1;
        // v is 0 before `first`, and so are all changes: long rows are visited from the lanes on that hold it.
        let skip = if step <= 4 { 0 } else { first / LANES };
        let (v, w) = (&mut v[skip..], &mut w[skip..]);
        let at = |i: usize| (i / LANES - skip, i % LANES);
        // Row j is column j by symmetry.
        v.copy_from_slice(&a[j * step + skip..(j + 1) * step]);
        for i in skip * LANES..first {
            v[at(i).0][at(i).1] = 0.0;
        }
        let (lane, place) = at(first);
        let head = v[lane][place];
        v[lane][place] = 0.0;
        let rest = inner(v, v);
        beside_sq[j] = head * head + rest;
        if beside_sq[j] < NEGLIGIBLE_SQ {
            // Entries have the size of 1, so that the row is 0 but for rounding; beta might overflow.
            beside_sq[j] = 0.0;
            continue;
        }
        if rest == 0.0 {
            continue;
        }
        let pivot = head + beside_sq[j].sqrt().copysign(head);
        v[lane][place] = pivot;
        // H = I - beta v v^T; H A H = A - v w^T - w v^T with p = beta A v, w = p - (beta/2)(v'p) v.
        let beta = 2.0 / (pivot * pivot + rest);
        w.fill([0.0; LANES]);
        for i in first..k {
            // A is symmetric: rows may be added up in place of columns, which runs over contiguous numbers.
            let v_i = v[at(i).0][at(i).1];
            let row = &a[i * step + skip..(i + 1) * step];
            for c in 0..step - skip {
                w[c] = fma(v_i, row[c], w[c]);
            }
        }
        let along = beta * inner(v, w);
        for (w, v) in w.iter_mut().zip(&*v) {
            for l in 0..LANES {
                w[l] = beta * (w[l] - 0.5 * along * v[l]);
            }
        }
        for i in first..k {
            let (v_i, w_i) = (-v[at(i).0][at(i).1], -w[at(i).0][at(i).1]);
            let row = &mut a[i * step + skip..(i + 1) * step];
            for c in 0..step - skip {
                row[c] = fma(w_i, v[c], fma(v_i, w[c], row[c]));
            }
        }
    }
    beside_sq
}

/// c x + y.
#[inline(always)]
fn fma(c: f64, x: Lane, y: Lane) -> Lane {
    let mut sum = [0.0; LANES];
    for l in 0..LANES {
        sum[l] = c.mul_add(x[l], y[l]);
    }
    sum
}

#[inline(always)]
fn inner(x: &[Lane], y: &[Lane]) -> f64 {
    let mut sums = [0.0; LANES];
    for (x, y) in x.iter().zip(y) {
        for l in 0..LANES {
            sums[l] = x[l].mul_add(y[l], sums[l]);
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

/// The largest eigenvalue of a tridiagonal positive semidefinite matrix T,
/// to a few units in the last place of its size.
///
/// Laguerre's method: from above it descends to the largest root of a polynomial with real roots and never passes it,
/// and converges cubically if the root is simple. Where rounding or a cluster stops it, bisection finishes: x lies
/// above the eigenvalue exactly if every pivot of x I - T is positive (Sturm).
#[inline(always)]
fn largest_eigenvalue(diagonal: &[f64], beside_sq: &[f64]) -> f64 {
    // The diagonal entries are Rayleigh quotients, and no eigenvalue exceeds the Frobenius norm; a hair more, so that
    // rounding cannot put the eigenvalue outside.
    let mut low = diagonal.iter().copied().fold(0.0, f64::max);
    let squares: f64 = diagonal.iter().map(|d| d * d).sum::<f64>() + 2.0 * beside_sq.iter().sum::<f64>();
    let mut high = squares.sqrt() * (1.0 + 1e-12);
    let n = diagonal.len() as f64;
    let mut next = high;
    for _ in 0..12 {
        let Some([s_1, s_2]) = power_sums(diagonal, beside_sq, next) else {
            low = low.max(next);
            break;
        };
        high = next;
        let root = ((n - 1.0) * (n * s_2 - s_1 * s_1)).max(0.0).sqrt();
        next = high - n / (s_1 + root);
        // The eigenvalue is found if just below there is a point that does not lie above it.
        if !(high - next > 4.0 * f64::EPSILON * high) {
            let below = high * (1.0 - 8.0 * f64::EPSILON);
            if !above(diagonal, beside_sq, below) {
                return high;
            }
            next = below;
        }
    }
    // Each step halves the interval; the count is a safeguard.
    for _ in 0..1100 {
        let middle = low + 0.5 * (high - low);
        if high - low <= 2.0 * f64::EPSILON * high || middle <= low || middle >= high {
            break;
        }
        if above(diagonal, beside_sq, middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

/// Whether x exceeds every eigenvalue.
#[inline(always)]
fn above(diagonal: &[f64], beside_sq: &[f64], x: f64) -> bool {
    let mut pivot = x - diagonal[0];
    for (d, b_sq) in diagonal[1..].iter().zip(beside_sq) {
        if !(pivot > 0.0) {
            return false;
        }
        pivot = (x - d) - b_sq / pivot;
    }
    pivot > 0.0
}

/// sum 1/(x - lambda) and sum 1/(x - lambda)^2 over the eigenvalues, from the pivots q of x I - T and their
/// derivatives; `None` if x does not lie above them all.
#[inline(always)]
fn power_sums(diagonal: &[f64], beside_sq: &[f64], x: f64) -> Option<[f64; 2]> {
    // f = q'/q and h = q''/q of the pivot before, and t = b^2/q.
    let (mut f, mut h, mut t) = (0.0, 0.0, 0.0);
    let (mut s_1, mut s_2) = (0.0, 0.0);
    for (i, d) in diagonal.iter().enumerate() {
        let pivot = (x - d) - t;
        if !(pivot > 0.0) {
            return None;
        }
        let inverse = 1.0 / pivot;
        let second: f64 = t * (h - 2.0 * f * f);
        f = (1.0 + t * f) * inverse;
        h = second * inverse;
        s_1 += f;
        s_2 += f * f - h;
        t = beside_sq.get(i).copied().unwrap_or(0.0) * inverse;
    }
    Some([s_1, s_2])
}
