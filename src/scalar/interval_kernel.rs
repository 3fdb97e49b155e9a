//! Matrix products of intervals, through the kernels of `f64`.
//!
//! In middle-radius form (Rump, "Fast and parallel interval arithmetic", BIT 39, 1999) a product of interval matrices
//! costs three products of ordinary ones: with |A - A_m| <= A_r and |B - B_m| <= B_r entry by entry,
//! |A B - fl(A_m B_m)| <= A_r (|B_m| + B_r) + |A_m| (B_r + gamma |B_m|),
//! where gamma bounds the rounding of the first product.

use super::{Interval, Matrix, MatrixMut, Store};

/// 2^-53.
const U: f64 = f64::EPSILON / 2.0;
/// More than all underflows of a sum of fewer than 1e20 products can amount to, each at most 2^-1074.
const UNDERFLOW: f64 = 1e-300;
/// Far above the subnormal numbers, where a product would lose its relative accuracy.
const SMALL: f64 = 1e-290;

/// An interval matrix in middle-radius form, rows contiguous.
struct Split {
    middle: Vec<f64>,
    radius: Vec<f64>,
    /// Whether every radius is 0.
    point: bool,
}

/// The entries of A in the order of its rows.
fn split(a: Matrix<'_, f64>) -> Split {
    let (mut middle, mut radius) = (Vec::with_capacity(a.rows * a.columns), Vec::new());
    if a.plane_step.is_some() {
        radius.reserve_exact(a.rows * a.columns);
    }
    for i in 0..a.rows {
        for j in 0..a.columns {
            let at = i * a.row_step + j * a.column_step;
            match a.plane_step {
                None => middle.push(a.data[at]),
                Some(step) => {
                    let (m, r) = Interval::new(a.data[at], a.data[at + step]).middle_radius();
                    middle.push(m);
                    radius.push(r);
                }
            }
        }
    }
    let point = radius.iter().all(|&r| r == 0.0);
    if point {
        radius.clear();
    }
    Split { middle, radius, point }
}

/// A matrix of the same shape as `a` on other numbers, rows contiguous.
fn view<'a>(a: &Matrix<'_, f64>, data: &'a [f64]) -> Matrix<'a, f64> {
    Matrix { data, rows: a.rows, columns: a.columns, row_step: a.columns, column_step: 1, plane_step: Some(data.len()) }
}

/// A product of ordinary matrices.
type Multiply = fn(&[[Matrix<'_, f64>; 2]], MatrixMut<'_, f64>, Store);

/// C = A B, or C += A B, summed over pairs; `multiply` is the product of ordinary matrices, A B or A B^T.
pub(super) fn product(pairs: &[[Matrix<'_, f64>; 2]], c: MatrixMut<'_, f64>, store: Store, multiply: Multiply) {
    if !store.values() {
        return;
    }
    // An entry is a sum of `terms` products. In any order, with or without fused operations, its error is at most
    // terms u / (1 - terms u) times the sum of absolute values (Higham, Accuracy and Stability, section 3.1); a few
    // more stand for the sums over chains and pairs, and twice that covers the denominator.
    let terms: usize = pairs.iter().map(|[a, _]| a.columns).sum();
    let gamma = 2.0 * (terms + 8) as f64 * U;
    // Sums of nonnegative numbers, rounded: enlarged by their own error, and the errors of what went into them.
    let enlarge = 1.0 + 4.0 * gamma;

    let parts: Vec<[Split; 2]> = pairs.iter().map(|&[a, b]| [split(a), split(b)]).collect();
    let mut middle = vec![0.0; c.rows * c.columns];
    let mut radius = vec![0.0; c.rows * c.columns];
    let middles: Vec<_> =
        pairs.iter().zip(&parts).map(|([a, b], [x, y])| [view(a, &x.middle), view(b, &y.middle)]).collect();
    multiply(&middles, target(&mut middle, &c), Store::Replace);

    // For each pair |A_m| (B_r + gamma |B_m|), and A_r (|B_m| + B_r) where A has a radius.
    let sizes: Vec<[Vec<f64>; 4]> = parts
        .iter()
        .map(|[x, y]| {
            let size = |v: &[f64]| v.iter().map(|x| x.abs()).collect::<Vec<f64>>();
            let radius = |k: usize| if y.point { 0.0 } else { y.radius[k] };
            let rounding = |m: f64| if m == 0.0 { 0.0 } else { (gamma * m.abs()).max(SMALL) };
            let first = y.middle.iter().enumerate().map(|(k, &m)| radius(k) + rounding(m)).collect();
            let second = if x.point {
                Vec::new()
            } else {
                y.middle.iter().enumerate().map(|(k, m)| m.abs() + radius(k)).collect()
            };
            [size(&x.middle), first, x.radius.clone(), second]
        })
        .collect();
    let mut of_radius = Vec::with_capacity(2 * pairs.len());
    for (([a, b], [x, _]), [size, first, a_radius, second]) in pairs.iter().zip(&parts).zip(&sizes) {
        of_radius.push([view(a, size), view(b, first)]);
        if !x.point {
            of_radius.push([view(a, a_radius), view(b, second)]);
        }
    }
    multiply(&of_radius, target(&mut radius, &c), Store::Replace);

    for i in 0..c.rows {
        for j in 0..c.columns {
            let (m, r) = (middle[i * c.columns + j], radius[i * c.columns + j] * enlarge + UNDERFLOW);
            // NaN, from an infinite end somewhere in the sum, makes it the whole line.
            let entry = Interval::new((m - r).next_down(), (m + r).next_up());
            let at = i * c.row_step + j;
            let sum = if store.adds() { Interval::new(c.data[at], c.data[at + c.plane_step]) + entry } else { entry };
            c.data[at] = sum.lo();
            c.data[at + c.plane_step] = sum.hi();
        }
    }
}

fn target<'a>(data: &'a mut [f64], c: &MatrixMut<'_, f64>) -> MatrixMut<'a, f64> {
    let plane_step = data.len();
    MatrixMut { data, rows: c.rows, columns: c.columns, row_step: c.columns, plane_step }
}
