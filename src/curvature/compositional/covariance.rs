//! Rigorous bounds on the eigenvalues of the covariance of a minibatch's inputs.

use ndarray::{Array2, ArrayView2};

use super::Up;
use crate::data::Dataset;
use crate::linalg::symmetric_eigen;
use crate::scalar::{Matrix, MatrixMut, Scalar, Store};

/// Where the eigenvalues of S = (1/B) sum_b (x_b - u)(x_b - u)' lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CovarianceBounds {
    /// At least the largest eigenvalue.
    pub largest: Up,
    /// At most the smallest one, >= 0.
    pub smallest: f64,
}

/// Bounds on the eigenvalues of the covariance of the examples `z`, proved in spite of all rounding.
///
/// With U = 2^-53, n features and g = 2(B + n + 16)U (at least twice each gamma_k = kU/(1 - kU) used below, if g <
/// 1/4):
/// * *The centre.* Means are computed as c, with |c_j - u_j| <= gamma_B mean_b |x_bj|. About c instead of u the scatter
///   S_c = S + (u - c)(u - c)' is larger by at most ||u - c||^2.
/// * *The entries* of the computed S^ are sums of B products with B + 3 roundings, so that |S^ - S_c|_ij <= (g/2)
///   sqrt(S_ii S_jj) and ||S^ - S_c||_2 <= (g/2) tr S_c <= g tr S^.
/// * *The eigenvalues* of S^ are only believed after a test: if the Cholesky factorisation of a symmetric A runs to
///   its end in floating point, its factor has R'R = A + E with |E| <= gamma_(n+1) |R|'|R| (Higham, Accuracy and
///   Stability of Numerical Algorithms, theorem 10.3), so that ||E|| <= gamma_(n+1) ||R||_F^2 <= g tr A, and every
///   eigenvalue of A is at least -g tr A (the criterion of Rump, Verification of positive definiteness, BIT 46, 2006).
///   With A = mu I - S^, whose diagonal is rounded once more, no eigenvalue of S^ is above mu + g(n + 1) mu; with A =
///   S^ - nu I none is below nu - 2g tr S^.
///
/// Underflow adds at most n B 2^-1022. Cost O(n^2 B + n^3).
///
/// ```
/// use ratecheck::curvature::covariance_bounds;
/// use ratecheck::data::Dataset;
/// // Features (-1, 1, -1, 1) and (-2, -2, 2, 2): S = diag(1, 4).
/// let data = Dataset::new(vec![-1.0, 1.0, -1.0, 1.0, -2.0, -2.0, 2.0, 2.0], 4, 2, vec![1.0; 4])?;
/// let found = covariance_bounds(&data, &[0, 1, 2, 3]);
/// assert!(found.largest.value() >= 4.0 && found.largest.value() < 4.0 + 1e-12);
/// assert!(found.smallest <= 1.0 && found.smallest > 1.0 - 1e-12);
/// # Ok::<(), ratecheck::data::DataError>(())
/// ```
///
/// # Panics
/// If z is empty or names an example that does not exist.
pub fn covariance_bounds(data: &Dataset, z: &[usize]) -> CovarianceBounds {
    let scatter = Scatter::new(data, z);
    CovarianceBounds { largest: scatter.largest(), smallest: scatter.smallest() }
}

/// Bounds that hold for every subset of `batch_size` of the first `n_examples` examples.
///
/// For any c the scatter of z about c is at least that about its own mean: B S_z <= sum_{b in z} (x_b - c)(x_b - c)'
/// in the order of forms, which is at most the same sum over all examples. Hence the largest eigenvalue of S_z is at
/// most (N/B) times that of the whole set, and at most 1/B times the sum of the B largest ||x - c||^2. From below
/// nothing is claimed but 0 (some subset may lie in a hyperplane), unless the subset is the whole set.
pub(super) fn covariance_of_any_subset(data: &Dataset, n_examples: usize, batch_size: usize) -> CovarianceBounds {
    let all: Vec<usize> = (0..n_examples).collect();
    let scatter = Scatter::new(data, &all);
    if batch_size == n_examples {
        return CovarianceBounds { largest: scatter.largest(), smallest: scatter.smallest() };
    }
    let batch = batch_size as f64;
    let by_all = scatter.largest() * Up::new(n_examples as f64).over(batch);
    let mut distances: Vec<f64> = (0..n_examples).map(|b| scatter.distance_sq(b).value()).collect();
    distances.sort_by(|x, y| y.total_cmp(x));
    let by_trace = distances[..batch_size].iter().map(|&x| Up::new(x)).sum::<Up>().over(batch);
    CovarianceBounds { largest: by_all.min(by_trace), smallest: 0.0 }
}

/// The computed S^ of some examples, and how far it may be from S.
struct Scatter {
    /// x_bj - c_j, features x examples.
    centred: Vec<f64>,
    matrix: Array2<f64>,
    trace: Up,
    /// A bound on ||u - c||^2.
    off_centre_sq: Up,
    /// g.
    unit: f64,
    /// Eigenvalues, smallest first, as a proposal.
    proposal: Option<[f64; 2]>,
}

impl Scatter {
    fn new(data: &Dataset, z: &[usize]) -> Self {
        let (n, batch) = (data.n_features(), z.len());
        assert!(batch > 0, "a minibatch has at least one example");
        let unit = (batch + n + 16) as f64 * f64::EPSILON;
        let mut centred = vec![0.0; n * batch];
        let mut off_centre_sq = Up::ZERO;
        for j in 0..n {
            let feature = data.feature(j);
            let mean = z.iter().map(|&i| feature[i]).sum::<f64>() / batch as f64;
            for (b, &i) in z.iter().enumerate() {
                centred[j * batch + b] = feature[i] - mean;
            }
            let size = z.iter().map(|&i| Up::new(feature[i].abs())).sum::<Up>().over(batch as f64);
            off_centre_sq = off_centre_sq + (Up::new(unit) * size).square();
        }
        let rows =
            Matrix { data: &centred, rows: n, columns: batch, row_step: batch, column_step: 1, plane_step: None };
        let mut matrix = Array2::zeros((n, n));
        let target = matrix.as_slice_mut().expect("a new array is contiguous");
        let target = MatrixMut { data: target, rows: n, columns: n, row_step: n, plane_step: n * n };
        f64::matmul_transposed(&[[rows, rows]], target, Store::Replace);
        matrix /= batch as f64;
        let floor = (n * batch) as f64 * f64::MIN_POSITIVE;
        let trace = matrix.diag().iter().map(|&x| Up::new(x)).sum::<Up>() + Up::new(floor);
        let proposal = symmetric_eigen(matrix.view()).ok().map(|found| [found.values[0], found.values[n - 1]]);
        Self { centred, matrix, trace, off_centre_sq, unit, proposal }
    }

    /// g tr S^.
    fn rounding(&self) -> Up {
        Up::new(self.unit) * self.trace
    }

    /// At least the largest eigenvalue of S_c, hence of S.
    fn largest(&self) -> Up {
        let trace = self.trace.value();
        let start = self.proposal.map_or(trace, |[_, largest]| largest.max(0.0));
        let n = self.matrix.nrows() as f64;
        // The trace is a bound in any case; when rounding spoils the test at the proposal, it is tried with more room.
        let mut mu = trace;
        for k in 0..40 {
            let candidate = start + f64::from(1_u32 << k.min(30)) * self.rounding().value();
            if candidate >= trace || positive_definite(self.matrix.view(), |x| candidate - x, -1.0) {
                mu = candidate.min(trace);
                break;
            }
        }
        Up::new(mu) * (Up::new(1.0) + Up::new(self.unit * (n + 1.0))) + self.rounding()
    }

    /// At most the smallest eigenvalue of S.
    fn smallest(&self) -> f64 {
        let start = self.proposal.map_or(0.0, |[smallest, _]| smallest);
        let rounding = self.rounding().value();
        for k in 0..40 {
            let nu = start - f64::from(1_u32 << k.min(30)) * rounding;
            if !(nu > 0.0) {
                return 0.0;
            }
            if positive_definite(self.matrix.view(), |x| x - nu, 1.0) {
                // 2g tr S^ by the test and g tr S^ by the entries; one more covers the rounding of this line.
                return (nu - 4.0 * rounding - 2.0 * self.off_centre_sq.value()).max(0.0);
            }
        }
        0.0
    }

    /// ||x_b - c||^2, rounded up: each difference is rounded once.
    fn distance_sq(&self, b: usize) -> Up {
        let batch = self.centred.len() / self.matrix.nrows();
        self.centred[b..].iter().step_by(batch).map(|x| Up::new(x.abs().next_up()).square()).sum()
    }
}

/// Whether the Cholesky factorisation of the matrix with the given diagonal and `sign` times the entries of `a` beside
/// it runs to its end.
fn positive_definite(a: ArrayView2<'_, f64>, diagonal: impl Fn(f64) -> f64, sign: f64) -> bool {
    let n = a.nrows();
    let mut r = Array2::<f64>::zeros((n, n));
    for j in 0..n {
        for i in 0..=j {
            let mut sum = if i == j { diagonal(a[(j, j)]) } else { sign * a[(i, j)] };
            for k in 0..i {
                sum -= r[(i, k)] * r[(j, k)];
            }
            if i < j {
                r[(j, i)] = sum / r[(i, i)];
            } else if sum > 0.0 && sum.is_finite() {
                r[(j, j)] = sum.sqrt();
            } else {
                return false;
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Target, teacher};
    use crate::random::Seed;

    #[test]
    fn known_spectra_are_enclosed_tightly_and_far_from_the_origin() {
        // Columns of a Hadamard matrix are orthogonal with mean 0: S = diag(s_j^2), exactly, at any dyadic centre.
        let signs = [[1.0, -1.0, 1.0, -1.0], [1.0, 1.0, -1.0, -1.0], [1.0, -1.0, -1.0, 1.0]];
        for centre in [0.0, 1024.0, 1e9] {
            let scales = [0.5, 1.0, 8.0];
            let inputs = signs.iter().zip(scales).flat_map(|(row, s)| row.map(|x| centre + s * x)).collect();
            let data = Dataset::new(inputs, 4, 3, vec![0.0; 4]).expect("finite");
            let found = covariance_bounds(&data, &[0, 1, 2, 3]);
            assert!(found.largest.value() >= 64.0 && found.largest.value() < 64.0 * (1.0 + 1e-12), "{found:?}");
            // g = 46U: 2 ||u - c||^2 may be 2 * 3 (46U * 1e9)^2 = 1.6e-10, and the other terms are below 1e-11.
            assert!(found.smallest <= 0.25 && found.smallest > 0.25 - 2e-10, "{found:?}");
        }
        let data = teacher(5, 8, Target::Binary, 0.0, &mut Seed::new(1).generator("data"));
        // Five examples span at most four dimensions of the eight.
        assert_eq!(covariance_bounds(&data, &[0, 1, 2, 3, 4]).smallest, 0.0);
    }

    #[test]
    fn no_subset_exceeds_the_bound_of_all_subsets() {
        let data = teacher(8, 3, Target::Binary, 0.0, &mut Seed::new(2).generator("data"));
        for size in [1, 2, 3, 5, 7, 8] {
            let bound = covariance_of_any_subset(&data, 8, size);
            let mut nearest = f64::INFINITY;
            for mask in (0_u32..256).filter(|mask| mask.count_ones() as usize == size) {
                let z: Vec<usize> = (0..8).filter(|i| mask >> i & 1 == 1).collect();
                let found = covariance_bounds(&data, &z);
                // The subset's own bound is within 1e-12 of the truth.
                assert!(found.largest.value() <= bound.largest.value() + 1e-12, "{size}");
                assert!(found.smallest >= bound.smallest - 1e-12);
                nearest = nearest.min(bound.largest.value() / found.largest.value());
            }
            // Not vacuous: two examples far apart reach half the trace bound or more, and the whole set reaches it.
            assert!(size == 1 || nearest < 4.0, "{size}: {nearest}");
        }
    }

    #[test]
    fn the_test_of_definiteness_refuses_what_is_not() {
        let a = ndarray::array![[2.0, 1.0], [1.0, 2.0]];
        assert!(positive_definite(a.view(), |x| 3.0 + 1e-9 - x, -1.0)); // eigenvalues 1 and 3
        assert!(!positive_definite(a.view(), |x| 3.0 - 1e-9 - x, -1.0));
        assert!(positive_definite(a.view(), |x| x - 1.0 + 1e-9, 1.0));
        assert!(!positive_definite(a.view(), |x| x - 1.0 - 1e-9, 1.0));
    }
}
