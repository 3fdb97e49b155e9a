//! The spectral norm of an operator of which only products are known.

use ndarray::Array2;
use rand_distr::{Distribution, StandardNormal};

use super::operator::Operator;
use crate::linalg;
use crate::parameters::{dot, norm_sq};
use crate::random::{Generator, Seed};

/// What a search for a spectral norm may cost, and when it is content.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpectralOptions {
    /// Converged means: residual <= tolerance * value.
    pub tolerance: f64,
    /// Products with the operator or its transpose, at most; at least 4 are needed.
    pub max_evaluations: usize,
    /// Operators with no more rows or no more columns than this are formed densely, if the budget allows it.
    pub dense_below: usize,
}

impl Default for SpectralOptions {
    /// Residual 1e-10, 400 products, dense up to 24.
    fn default() -> Self {
        Self { tolerance: 1e-10, max_evaluations: 400, dense_below: 24 }
    }
}

/// A spectral norm, as far as it was found.
///
/// `value` is ||B v|| for a unit vector v, so up to rounding it never exceeds the norm. `residual` is ||B^T u - value
/// v|| with u = B v / value, computed from products and not from a recurrence: some singular value of B lies within
/// residual/sqrt(2) of `value`. That it is the largest one is not proved when B is not formed densely; a random start
/// misses it only by accident.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SpectralNorm {
    /// The estimate; not a number if a product was not finite.
    pub value: f64,
    /// The a-posteriori residual.
    pub residual: f64,
    /// Whether the residual is within the tolerance.
    pub converged: bool,
    /// Products with the operator or its transpose.
    pub evaluations: usize,
}

/// A spectral norm with the pair of singular vectors it was judged by: unit vectors u = B v / value and v, except that
/// u is 0 where B v is, and that neither means anything if the value is not a number.
pub(super) struct LeadingPair {
    pub(super) norm: SpectralNorm,
    pub(super) u: Vec<f64>,
    pub(super) v: Vec<f64>,
}

impl LeadingPair {
    fn failed(evaluations: usize) -> Self {
        let norm = SpectralNorm { value: f64::NAN, residual: f64::NAN, converged: false, evaluations };
        Self { norm, u: Vec::new(), v: Vec::new() }
    }
}

/// ||B||, the largest singular value.
///
/// Small operators are formed densely, by min(rows, columns) products. Larger ones go through the bidiagonalisation of
/// Golub, Kahan and Lanczos with full reorthogonalisation from a random start drawn from `seed` (Golub and Van Loan,
/// Matrix Computations, section 10.4): two products and O(k (rows + columns)) operations in step k, so many steps that
/// the recurrence's own residual is below the tolerance or the budget is spent. The value and the residual are then
/// computed afresh by two products.
///
/// ```
/// use ndarray::array;
/// use ratecheck::curvature::{SpectralOptions, spectral_norm};
/// use ratecheck::random::Seed;
/// let found = spectral_norm(&mut array![[3.0, 0.0], [4.0, 0.0]].view(), &SpectralOptions::default(), &Seed::new(1));
/// assert!((found.value - 5.0).abs() < 1e-14 && found.converged);
/// ```
pub fn spectral_norm(operator: &mut impl Operator, options: &SpectralOptions, seed: &Seed) -> SpectralNorm {
    leading_pair(operator, options, seed).norm
}

/// [`spectral_norm`] with its singular vectors.
pub(super) fn leading_pair(operator: &mut impl Operator, options: &SpectralOptions, seed: &Seed) -> LeadingPair {
    let (rows, columns) = operator.shape();
    let smaller = rows.min(columns);
    if smaller == 0 {
        let norm = SpectralNorm { value: 0.0, residual: 0.0, converged: true, evaluations: 0 };
        return LeadingPair { norm, u: vec![0.0; rows], v: vec![0.0; columns] };
    }
    if smaller <= options.dense_below && smaller + 2 <= options.max_evaluations {
        return dense(operator, options);
    }
    lanczos(operator, options, seed)
}

/// Forms the operator row by row or column by column, and checks the leading pair of its decomposition on the operator.
fn dense(operator: &mut impl Operator, options: &SpectralOptions) -> LeadingPair {
    let (rows, columns) = operator.shape();
    let by_columns = columns <= rows;
    let k = rows.min(columns);
    let mut unit = vec![0.0; k];
    // Row j is B e_j, or B^T e_j: B^T or B itself, with the same norm.
    let mut matrix = Array2::zeros((k, rows.max(columns)));
    for j in 0..k {
        unit[j] = 1.0;
        let mut row = matrix.row_mut(j);
        let row = row.as_slice_mut().expect("rows of a new array are contiguous");
        if by_columns {
            operator.apply(&unit, row)
        } else {
            operator.apply_transpose(&unit, row)
        }
        unit[j] = 0.0;
    }
    let Ok(found) = linalg::svd(matrix.view()) else { return LeadingPair::failed(k) };
    let v = if by_columns { found.u.column(0).to_vec() } else { found.vt.row(0).to_vec() };
    judge(operator, &v, k, options)
}

/// The value and the residual of an approximate right singular vector, by two products.
fn judge(operator: &mut impl Operator, v: &[f64], evaluations: usize, options: &SpectralOptions) -> LeadingPair {
    let (rows, columns) = operator.shape();
    let evaluations = evaluations + 2;
    let mut v = v.to_vec();
    normalise(&mut v);
    let (mut u, mut back) = (vec![0.0; rows], vec![0.0; columns]);
    operator.apply(&v, &mut u);
    let value = normalise(&mut u);
    if value == 0.0 {
        // B v = 0 for the best v that was found: B = 0 as far as can be seen.
        let norm = SpectralNorm { value, residual: 0.0, converged: true, evaluations };
        return LeadingPair { norm, u, v };
    }
    operator.apply_transpose(&u, &mut back);
    back.iter_mut().zip(&v).for_each(|(b, v)| *b -= value * v);
    let residual = norm_sq(&back).sqrt();
    if !(value.is_finite() && residual.is_finite()) {
        return LeadingPair::failed(evaluations);
    }
    let norm = SpectralNorm { value, residual, converged: residual <= options.tolerance * value, evaluations };
    LeadingPair { norm, u, v }
}

/// Golub, Kahan and Lanczos: B V = U T with T upper bidiagonal, V and U orthonormal.
fn lanczos(operator: &mut impl Operator, options: &SpectralOptions, seed: &Seed) -> LeadingPair {
    let (rows, columns) = operator.shape();
    let mut generator = seed.generator("spectral norm");
    let (mut left, mut right): (Vec<Vec<f64>>, Vec<Vec<f64>>) = (Vec::new(), vec![start(columns, &mut generator)]);
    let (mut alphas, mut betas): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    let mut evaluations = 0;
    let mut best = right[0].clone();
    // Two products are kept for the final judgement.
    while evaluations + 4 <= options.max_evaluations {
        let k = alphas.len();
        let mut u = vec![0.0; rows];
        operator.apply(&right[k], &mut u);
        orthogonalise(&mut u, &left);
        if k >= rows {
            // The left vectors span everything: what is left of B v is rounding.
            u.fill(0.0);
        }
        let alpha = normalise(&mut u);
        let mut v = vec![0.0; columns];
        if alpha > 0.0 {
            operator.apply_transpose(&u, &mut v);
        }
        evaluations += 2;
        orthogonalise(&mut v, &right);
        let beta = normalise(&mut v);
        if !(alpha.is_finite() && beta.is_finite()) {
            return LeadingPair::failed(evaluations);
        }
        alphas.push(alpha);
        left.push(u);

        let size = k + 1;
        let last = beta == 0.0 || size == columns;
        // The small decomposition costs size^3: it is done every few steps once that is more than a product.
        if last || size < 8 || size % 4 == 0 || evaluations + 4 > options.max_evaluations {
            let mut t = Array2::zeros((size, size));
            for i in 0..size {
                t[(i, i)] = alphas[i];
                if i + 1 < size {
                    t[(i, i + 1)] = betas[i];
                }
            }
            let Ok(found) = linalg::svd(t.view()) else { return LeadingPair::failed(evaluations) };
            best.fill(0.0);
            for (basis, &weight) in right.iter().zip(found.vt.row(0)) {
                best.iter_mut().zip(basis).for_each(|(b, x)| *b += weight * x);
            }
            // ||B^T u - s v|| of the approximate pair is beta times the last entry of its left vector.
            let residual = beta * found.u[(size - 1, 0)].abs();
            // Half the tolerance leaves room for the rounding of the recurrence.
            if last || residual <= 0.5 * options.tolerance * found.s[0] {
                break;
            }
        }
        betas.push(beta);
        right.push(v);
    }
    judge(operator, &best, evaluations, options)
}

/// A random unit vector.
pub(super) fn start(n: usize, generator: &mut Generator) -> Vec<f64> {
    loop {
        let mut x: Vec<f64> = (0..n).map(|_| StandardNormal.sample(generator)).collect();
        if n == 0 || normalise(&mut x) > 0.0 {
            return x;
        }
    }
}

/// Subtracts the projections on orthonormal vectors, twice: once is not enough in floating point, twice is. What is
/// left of a vector in their span is rounding, and is set to 0.
pub(super) fn orthogonalise(x: &mut [f64], basis: &[Vec<f64>]) {
    let before = norm_sq(x).sqrt();
    for _ in 0..2 {
        for b in basis {
            let along = dot(b, x);
            x.iter_mut().zip(b).for_each(|(x, b)| *x -= along * b);
        }
    }
    if norm_sq(x).sqrt() <= before * f64::EPSILON * x.len() as f64 {
        x.fill(0.0);
    }
}

/// Divides by the norm unless that is 0, and returns it.
pub(super) fn normalise(x: &mut [f64]) -> f64 {
    let norm = norm_sq(x).sqrt();
    if norm > 0.0 {
        x.iter_mut().for_each(|x| *x /= norm);
    }
    norm
}
