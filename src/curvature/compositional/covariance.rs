//! Rigorous bounds on the eigenvalues of the covariance of a minibatch's inputs.

use ndarray::Array2;

use super::Up;
use crate::curvature::spectral_norm_upper;
use crate::data::Dataset;
use crate::scalar::{Interval, Scalar};

/// Where the eigenvalues of S = (1/B) sum_b (x_b - u)(x_b - u)' lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CovarianceBounds {
    /// At least the largest eigenvalue.
    pub largest: Up,
    /// At most the smallest one, >= 0.
    pub smallest: f64,
}

/// Bounds on the eigenvalues of the covariance of the examples `z`, proved by interval arithmetic.
///
/// Let c be the mean as computed: some vector near the mean u. The scatter about it, S_c = (1/B) sum_b (x_b - c)(x_b -
/// c)', is S + (u - c)(u - c)'. So the largest eigenvalue of S is at most ||S_c||, and with any t >= ||S_c||, where no
/// eigenvalue of t I - S_c is negative, the smallest one is at least t - ||t I - S_c|| - ||u - c||^2. Entries are
/// enclosed, norms bounded by [`spectral_norm_upper`]; what is lost is some 1e-9 of the largest eigenvalue.
/// Cost O(n^2 B + n^3) for n features.
///
/// ```
/// use ratecheck::curvature::covariance_bounds;
/// use ratecheck::data::Dataset;
/// // Features (-1, 1, -1, 1) and (-2, -2, 2, 2): S = diag(1, 4).
/// let data = Dataset::new(vec![-1.0, 1.0, -1.0, 1.0, -2.0, -2.0, 2.0, 2.0], 4, 2, vec![1.0; 4])?;
/// let found = covariance_bounds(&data, &[0, 1, 2, 3]);
/// assert!(found.largest.value() >= 4.0 && found.largest.value() < 4.0 + 1e-7);
/// assert!(found.smallest <= 1.0 && found.smallest > 1.0 - 1e-7);
/// # Ok::<(), ratecheck::data::DataError>(())
/// ```
///
/// # Panics
/// If z is empty or names an example that does not exist.
pub fn covariance_bounds(data: &Dataset, z: &[usize]) -> CovarianceBounds {
    Scatter::new(data, z).bounds()
}

/// Bounds that hold for every subset of `batch_size` of the first `n_examples` examples.
///
/// The scatter of z about any c is at least that about its own mean: B S_z <= sum_{b in z} (x_b - c)(x_b - c)' in the
/// order of forms, which is at most the same sum over all N examples. Hence the largest eigenvalue of S_z is at most
/// (N/B) times that of the whole set about c, and at most 1/B times the sum of the B largest ||x - c||^2. From below
/// nothing is claimed but 0 (some subset may lie in a hyperplane), unless the subset is the whole set.
pub(super) fn covariance_of_any_subset(data: &Dataset, n_examples: usize, batch_size: usize) -> CovarianceBounds {
    let all: Vec<usize> = (0..n_examples).collect();
    let scatter = Scatter::new(data, &all);
    if batch_size == n_examples {
        return scatter.bounds();
    }
    let batch = batch_size as f64;
    let by_all = scatter.largest() * Up::new(n_examples as f64).over(batch);
    let mut distances: Vec<f64> = (0..n_examples).map(|b| scatter.distance_sq(b)).collect();
    distances.sort_by(|x, y| y.total_cmp(x));
    let by_trace = distances[..batch_size].iter().map(|&x| Up::new(x)).sum::<Up>().over(batch);
    CovarianceBounds { largest: by_all.min(by_trace), smallest: 0.0 }
}

/// The deviations of some examples from a point c near their mean, and S_c.
struct Scatter {
    /// x_bj - c_j: a row for every feature.
    deviations: Array2<Interval>,
    matrix: Array2<Interval>,
}

impl Scatter {
    fn new(data: &Dataset, z: &[usize]) -> Self {
        assert!(!z.is_empty(), "a minibatch has at least one example");
        let (n, batch) = (data.n_features(), z.len());
        let mut deviations = Array2::from_elem((n, batch), Interval::ZERO);
        for j in 0..n {
            let feature = data.feature(j);
            let c = z.iter().map(|&i| feature[i]).sum::<f64>() / batch as f64;
            for (b, &i) in z.iter().enumerate() {
                deviations[(j, b)] = Interval::from(feature[i]) - Interval::from(c);
            }
        }
        let mut matrix = Array2::from_elem((n, n), Interval::ZERO);
        for i in 0..n {
            for j in 0..=i {
                let mut sum = Interval::ZERO;
                for (&x, &y) in deviations.row(i).iter().zip(deviations.row(j)) {
                    sum += if i == j { x.square() } else { x * y };
                }
                let entry = sum / Interval::from(batch as f64);
                (matrix[(i, j)], matrix[(j, i)]) = (entry, entry);
            }
        }
        Self { deviations, matrix }
    }

    fn bounds(&self) -> CovarianceBounds {
        let largest = self.largest();
        CovarianceBounds { largest, smallest: self.smallest(largest.value()) }
    }

    /// At least the largest eigenvalue of S_c, hence of S.
    fn largest(&self) -> Up {
        Up::new(spectral_norm_upper(self.matrix.view()).0)
    }

    /// At most the smallest eigenvalue of S, where no eigenvalue of S_c is above t.
    fn smallest(&self, t: f64) -> f64 {
        let t = Interval::from(t);
        let mut below = self.matrix.mapv(|x| -x);
        below.diag_mut().iter_mut().for_each(|x| *x += t);
        let batch = Interval::from(self.deviations.ncols() as f64);
        let mut off_centre_sq = Interval::ZERO;
        for row in self.deviations.rows() {
            let sum = row.iter().fold(Interval::ZERO, |sum, &x| sum + x);
            off_centre_sq += (sum / batch).square();
        }
        (t - Interval::from(spectral_norm_upper(below.view()).0) - off_centre_sq).lo().max(0.0)
    }

    /// ||x_b - c||^2, rounded up.
    fn distance_sq(&self, b: usize) -> f64 {
        self.deviations.column(b).iter().fold(Interval::ZERO, |sum, x| sum + x.square()).hi()
    }
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
            assert!(found.largest.value() >= 64.0 && found.largest.value() < 64.0 * (1.0 + 2e-9), "{found:?}");
            // Two norms are bounded, each with an excess of 1e-9 of 64.
            assert!(found.smallest <= 0.25 && found.smallest > 0.25 - 3.0 * 64e-9, "{found:?}");
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
                // The subset's own bound is within a part of 1e-9 of the truth.
                assert!(found.largest.value() <= bound.largest.value() * (1.0 + 2e-9), "{size}");
                assert!(bound.smallest == 0.0 || size == 8, "{size}");
                nearest = nearest.min(bound.largest.value() / found.largest.value());
            }
            // Not vacuous: two examples far apart reach half the trace bound or more, and the whole set reaches it.
            assert!(size == 1 || nearest < 4.0, "{size}: {nearest}");
        }
    }
}
