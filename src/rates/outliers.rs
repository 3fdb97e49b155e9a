//! Runs that do not belong to the others.

use super::fit::two_sided_quantile;
use super::{FitError, Runs, mean_over_runs};

/// With this probability a run is called an outlier though all belong together.
pub const FALSE_ALARM: f64 = 0.01;

/// As many are sought at most: no more than a reader looks into.
const AT_MOST: usize = 100;

/// Runs whose slope or whose height the other runs' would not lead to expect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outliers {
    /// By their slopes.
    pub by_slope: Vec<usize>,
    /// By their heights.
    pub by_level: Vec<usize>,
}

impl Runs {
    /// The outliers by [`slopes`](Self::slopes) and by [`levels`](Self::levels), with half of [`FALSE_ALARM`] as the
    /// risk of each: [`outliers`], which takes slopes and logarithms of heights for normally distributed. One run in
    /// ten is sought, at least one.
    ///
    /// # Errors
    /// A run that is 0 at a horizon.
    pub fn outliers(&self) -> Result<Outliers, FitError> {
        let at_most = self.n_runs().div_ceil(10).min(AT_MOST);
        let among = |values: Vec<f64>| outliers(&values, at_most, 0.5 * FALSE_ALARM);
        Ok(Outliers { by_slope: among(self.slopes())?, by_level: among(self.levels())? })
    }
}

/// Which of `values` are outliers among normally distributed ones, up to `at_most` of them: Rosner's generalised test
/// of extreme Studentised deviates. Indices, the most extreme first.
///
/// Of n values, the one furthest from the mean is taken out, `at_most` times. With R_i the i-th one's distance in
/// standard deviations of the n - i + 1 that were left, and
/// lambda_i = (n - i) x / sqrt((n - i - 1 + x^2)(n - i + 1)), where x is the two-sided Student quantile at level
/// 1 - `risk`/(n - i + 1) with n - i - 1 degrees of freedom, there are as many outliers as the largest i with R_i >
/// lambda_i. So outliers that are alike do not hide each other, which they do where one at a time is tested.
///
/// Where there are none, any is found with a probability of `risk`: at most that for `at_most` = 1 (Grubbs' test), and
/// about that otherwise, from some 15 values on. A test that allows for one outlier finds at least nothing below three
/// values. Cost: `at_most` times n.
///
/// Reference: Rosner, Percentage Points for a Generalized ESD Many-Outlier Procedure, Technometrics 25 (1983), 165-172.
///
/// # Errors
/// A value that is not finite; a risk outside (0, 1).
///
/// ```
/// use ratecheck::rates::outliers;
/// let slopes = [-0.25, -0.26, -0.24, -0.25, -0.251, -0.249, -0.26, -0.24, -0.255, 0.01];
/// assert_eq!(outliers(&slopes, 1, 0.01)?, [9]);
/// assert!(outliers(&slopes[..9], 1, 0.01)?.is_empty());
/// # Ok::<(), ratecheck::rates::FitError>(())
/// ```
pub fn outliers(values: &[f64], at_most: usize, risk: f64) -> Result<Vec<usize>, FitError> {
    if !(risk > 0.0 && risk < 1.0) {
        return Err(FitError::BadLevel { value: risk });
    }
    if let Some((index, &value)) = values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        return Err(FitError::NotFinite { index, value });
    }
    let mut left: Vec<(usize, f64)> = values.iter().copied().enumerate().collect();
    let (mut taken, mut found) = (Vec::new(), 0);
    // Two values are as far from their mean as each other.
    while taken.len() < at_most && left.len() > 2 {
        let n = left.len();
        let estimate = mean_over_runs(&left.iter().map(|&(_, value)| value).collect::<Vec<f64>>())?;
        let deviation = estimate.se * (n as f64).sqrt();
        let distance = |k: usize| (left[k].1 - estimate.value).abs();
        let furthest = (1..n).fold(0, |best, k| if distance(k) > distance(best) { k } else { best });
        let r = distance(furthest) / deviation;
        let x = two_sided_quantile(1.0 - risk / n as f64, n - 2);
        let lambda = (n - 1) as f64 * x / (((n - 2) as f64 + x * x) * n as f64).sqrt();
        taken.push(left.swap_remove(furthest).0);
        // Equal values have no deviation, and 0/0 is no outlier.
        if r > lambda {
            found = taken.len();
        }
    }
    taken.truncate(found);
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Seed, normals};

    /// Rosner's data, with ten outliers sought at level 0.05: three are found (his example; also NIST's e-Handbook,
    /// section 1.3.5.17.3).
    const ROSNER: [f64; 54] = [
        -0.25, 0.68, 0.94, 1.15, 1.20, 1.26, 1.26, 1.34, 1.38, 1.43, 1.49, 1.49, 1.55, 1.56, 1.58, 1.65, 1.69, 1.70,
        1.76, 1.77, 1.81, 1.91, 1.94, 1.96, 1.99, 2.06, 2.09, 2.10, 2.14, 2.15, 2.23, 2.24, 2.26, 2.35, 2.37, 2.40,
        2.47, 2.54, 2.62, 2.64, 2.90, 2.92, 2.92, 2.93, 3.21, 3.26, 3.30, 3.59, 3.68, 4.30, 4.64, 5.34, 5.42, 6.01,
    ];

    #[test]
    fn the_example_of_the_reference() {
        assert_eq!(outliers(&ROSNER, 10, 0.05), Ok(vec![53, 52, 51]));
        // Sought one at a time there is none: 6.01 has R = 3.118, and lambda is 3.158.
        assert_eq!(outliers(&ROSNER, 1, 0.05), Ok(vec![]));
    }

    #[test]
    fn equal_outliers_do_not_hide_each_other() {
        let mut generator = Seed::new(4).generator("hide");
        let mut values = normals(30, 1.0, &mut generator);
        values[..3].fill(12.0);
        let mut found = outliers(&values, 3, 0.01).expect("finite");
        found.sort_unstable();
        assert_eq!(found, [0, 1, 2]);
    }

    #[test]
    fn few_or_equal_values_have_none() {
        assert_eq!(outliers(&[1.0, 5.0], 1, 0.01), Ok(vec![]));
        assert_eq!(outliers(&[2.0; 8], 2, 0.01), Ok(vec![]));
        assert_eq!(outliers(&[], 1, 0.01), Ok(vec![]));
        assert!(outliers(&[1.0, f64::NAN, 2.0], 1, 0.01).is_err());
        for risk in [0.0, 1.0, f64::NAN] {
            assert!(outliers(&[1.0, 2.0, 3.0], 1, risk).is_err());
        }
    }

    #[test]
    fn of_normal_values_one_set_in_a_hundred_has_one() {
        let mut generator = Seed::new(9).generator("none");
        for (n, at_most) in [(3, 1), (10, 1), (30, 3)] {
            let trials = 4000;
            let alarms =
                (0..trials).filter(|_| outliers(&normals(n, 1.0, &mut generator), at_most, 0.01) != Ok(vec![])).count();
            // 40 expected, of deviation 6.3 (Grubbs' test: Bonferroni's bound is exact here to a few percent); six
            // deviations to either side.
            assert!((3..=78).contains(&alarms), "{n} values: {alarms}");
        }
    }
}
