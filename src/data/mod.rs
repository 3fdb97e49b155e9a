//! Data sets: what the sample losses `F_z` of a network are evaluated on.
//!
//! A [`Dataset`] is a table of inputs and one label per example. [`digits`] gives the bundled handwritten digits,
//! [`teacher`] draws a synthetic set of any size. Both are the same, bit for bit, on every machine.
//!
//! Published sets of images are read from files: [`idx`] and [`idx_directory`] read those in the format of MNIST,
//! [`cifar10`] and [`cifar10_directory`] the binary version of CIFAR-10, and [`images_directory`] whichever of them is
//! there, within a budget of memory. The result is [`Images`], bytes of which [`Images::dataset`] makes a data set,
//! with the [`ChannelScales`] of the training set.

mod cifar;
mod digits;
mod directory;
mod idx;
mod images;
mod scales;
mod stored;
mod teacher;

use std::fmt;
use std::path::PathBuf;

pub use cifar::{cifar10, cifar10_directory};
pub use digits::digits;
pub use directory::images_directory;
pub use idx::{idx, idx_directory, idx_within};
pub use images::{Images, Part};
pub use scales::ChannelScales;
pub use teacher::{Target, teacher};

/// What is wrong with a data set, and where.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum DataError {
    /// The sizes do not fit together.
    Shape {
        /// Which size, what it is and what it should be.
        reason: String,
    },
    /// A value is NaN or infinite.
    NotFinite {
        /// Which input or label.
        place: String,
        /// The value found there.
        value: f64,
    },
    /// A stored data set cannot be decoded.
    Format {
        /// Which file, and the line, byte or record in it.
        place: String,
        /// What was found, what was expected, and what to do.
        reason: String,
    },
    /// A file holds more than may be taken into memory.
    TooLarge {
        /// Which file.
        place: String,
        /// How many bytes it says it holds; nothing if only its end would tell.
        bytes: Option<u64>,
    },
    /// A file or a directory is missing, or cannot be opened.
    Unreadable {
        /// Where it was looked for.
        path: PathBuf,
        /// What is wrong there, and what to do.
        reason: String,
    },
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shape { reason } => write!(f, "{reason}"),
            Self::NotFinite { place, value } => write!(f, "{place} is {value}, not a finite number"),
            Self::Format { place, reason } => write!(f, "{place}: {reason}"),
            Self::TooLarge { place, bytes: Some(bytes) } => {
                write!(f, "{place}: it holds {bytes} bytes, more than may be taken into memory")
            }
            Self::TooLarge { place, bytes: None } => {
                write!(f, "{place}: it holds more bytes than may be taken into memory")
            }
            Self::Unreadable { path, reason } => write!(f, "{}: {reason}", path.display()),
        }
    }
}

impl std::error::Error for DataError {}

/// Inputs x_1..x_n in R^d and their labels y_1..y_n.
///
/// The inputs are stored feature-major: the values of feature j over all examples lie side by side, `x_i[j]` at
/// `inputs()[j * n_examples() + i]`. A batch normalisation sums over examples, so its inner loop runs over
/// neighbouring numbers.
///
/// A label is a class index 0..K-1 (as `f64`), or -1 / +1, or a real target: the objective of the network decides.
/// There is at least one example and one feature, and every number is finite.
///
/// ```
/// use ratecheck::data::Dataset;
/// // Three examples of two features.
/// let data = Dataset::new(vec![1.0, 2.0, 3.0, 10.0, 10.0, 40.0], 3, 2, vec![1.0, -1.0, 1.0])?;
/// assert_eq!(data.feature(1), [10.0, 10.0, 40.0]);
/// assert_eq!(data.select(&[2, 0]).feature(0), [3.0, 1.0]);
/// # Ok::<(), ratecheck::data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    inputs: Vec<f64>,
    n_examples: usize,
    n_features: usize,
    labels: Vec<f64>,
}

impl Dataset {
    /// A data set from `inputs` of shape `n_features` x `n_examples` (feature-major) and one label per example.
    ///
    /// # Errors
    /// When a size is zero or does not fit the others, or a number is not finite; the message names the place.
    pub fn new(inputs: Vec<f64>, n_examples: usize, n_features: usize, labels: Vec<f64>) -> Result<Self, DataError> {
        let shape = |reason: String| Err(DataError::Shape { reason });
        if n_examples == 0 || n_features == 0 {
            return shape(format!("{n_examples} examples of {n_features} features: at least one of each is needed"));
        }
        if n_examples.checked_mul(n_features) != Some(inputs.len()) {
            let n_inputs = inputs.len();
            return shape(format!("{n_examples} examples of {n_features} features cannot hold {n_inputs} inputs"));
        }
        if labels.len() != n_examples {
            return shape(format!("{} labels for {n_examples} examples", labels.len()));
        }
        if let Some(at) = inputs.iter().position(|value| !value.is_finite()) {
            let place = format!("feature {} of example {}", at / n_examples, at % n_examples);
            return Err(DataError::NotFinite { place, value: inputs[at] });
        }
        if let Some(at) = labels.iter().position(|label| !label.is_finite()) {
            return Err(DataError::NotFinite { place: format!("the label of example {at}"), value: labels[at] });
        }
        Ok(Self { inputs, n_examples, n_features, labels })
    }

    /// All inputs, feature-major: `x_i[j]` at `j * n_examples() + i`.
    pub fn inputs(&self) -> &[f64] {
        &self.inputs
    }

    /// The number n of examples.
    pub fn n_examples(&self) -> usize {
        self.n_examples
    }

    /// The number d of features of an example.
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// The labels y_1..y_n.
    pub fn labels(&self) -> &[f64] {
        &self.labels
    }

    /// Feature `j` of every example.
    ///
    /// # Panics
    /// When there is no feature `j`.
    pub fn feature(&self, j: usize) -> &[f64] {
        assert!(j < self.n_features, "feature {j} of {}", self.n_features);
        &self.inputs[j * self.n_examples..(j + 1) * self.n_examples]
    }

    /// Every feature shifted and scaled to mean 0 and biased variance (1/n) sum_i x_i\[j\]^2 = 1; the labels stay.
    ///
    /// A feature with the same value in every example carries no information and has no scale: it becomes 0.
    /// The result has no rounding error left from the size of the mean, and does not change when a feature is
    /// multiplied by a power of two (as long as nothing overflows or underflows in doing so).
    ///
    /// Cost: four passes over the inputs.
    ///
    /// ```
    /// use ratecheck::data::Dataset;
    /// let data = Dataset::new(vec![1.0, 3.0, 5.0, 5.0], 2, 2, vec![0.0, 1.0])?.standardised();
    /// assert_eq!(data.inputs(), [-1.0, 1.0, 0.0, 0.0]);
    /// # Ok::<(), ratecheck::data::DataError>(())
    /// ```
    pub fn standardised(&self) -> Self {
        let inputs = self.inputs.chunks_exact(self.n_examples).flat_map(standardised_feature).collect();
        Self { inputs, n_examples: self.n_examples, n_features: self.n_features, labels: self.labels.clone() }
    }

    /// Every channel shifted and scaled as [`standardised`](Self::standardised) does with a feature: the features are
    /// `n_channels` runs of equal length, as those of [`Images::dataset`], and the mean and the variance of each are
    /// over all its features and all examples.
    ///
    /// # Panics
    /// When `n_channels` does not divide the number of features.
    ///
    /// ```
    /// use ratecheck::data::Dataset;
    /// // Two channels of two pixels, of one example each; the second is constant.
    /// let data = Dataset::new(vec![1.0, 3.0, 5.0, 5.0], 1, 4, vec![0.0])?.standardised_channels(2);
    /// assert_eq!(data.inputs(), [-1.0, 1.0, 0.0, 0.0]);
    /// # Ok::<(), ratecheck::data::DataError>(())
    /// ```
    pub fn standardised_channels(&self, n_channels: usize) -> Self {
        assert!(
            n_channels > 0 && self.n_features.is_multiple_of(n_channels),
            "{} features are no {n_channels} channels",
            self.n_features
        );
        let inputs = self.inputs.chunks_exact(self.inputs.len() / n_channels).flat_map(standardised_feature).collect();
        Self { inputs, n_examples: self.n_examples, n_features: self.n_features, labels: self.labels.clone() }
    }

    /// The first `n` examples.
    ///
    /// # Panics
    /// When `n` is zero or larger than the number of examples.
    pub fn first(&self, n: usize) -> Self {
        assert!((1..=self.n_examples).contains(&n), "the first {n} of {} examples", self.n_examples);
        let inputs = self.inputs.chunks_exact(self.n_examples).flat_map(|feature| &feature[..n]).copied().collect();
        Self { inputs, n_examples: n, n_features: self.n_features, labels: self.labels[..n].to_vec() }
    }

    /// The examples `indices`, in that order; an index may occur more than once.
    ///
    /// # Panics
    /// When `indices` is empty or an index is not below the number of examples.
    pub fn select(&self, indices: &[usize]) -> Self {
        assert!(!indices.is_empty(), "a selection of no examples");
        let features = self.inputs.chunks_exact(self.n_examples);
        let inputs = features.flat_map(|feature| indices.iter().map(|&i| feature[i])).collect();
        let labels = indices.iter().map(|&i| self.labels[i]).collect();
        Self { inputs, n_examples: indices.len(), n_features: self.n_features, labels }
    }
}

/// (x_i - mean) / sqrt((1/n) sum_i (x_i - mean)^2), or zeros when all x_i are equal.
fn standardised_feature(values: &[f64]) -> Vec<f64> {
    let n = values.len() as f64;
    if values.iter().all(|value| *value == values[0]) {
        return vec![0.0; values.len()];
    }
    // A common power of two brings the largest magnitude into [1/2, 1): squares neither overflow nor vanish.
    let largest = values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let (_, exponent) = libm::frexp(largest);
    let mut scaled: Vec<f64> = values.iter().map(|value| libm::ldexp(*value, -exponent)).collect();
    // Twice: the second pass removes the rounding error of the first mean, which a large mean makes visible.
    for _ in 0..2 {
        let mean = scaled.iter().sum::<f64>() / n;
        scaled.iter_mut().for_each(|value| *value -= mean);
    }
    let deviation = (scaled.iter().map(|value| value * value).sum::<f64>() / n).sqrt();
    scaled.iter_mut().for_each(|value| *value /= deviation);
    scaled
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(result: Result<Dataset, DataError>) -> String {
        result.expect_err("must be refused").to_string()
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_place() {
        let new = Dataset::new;
        assert!(message(new(vec![], 0, 2, vec![])).starts_with("0 examples of 2 features"));
        assert!(message(new(vec![], 2, 0, vec![0.0; 2])).starts_with("2 examples of 0 features"));
        assert_eq!(message(new(vec![0.0; 5], 2, 3, vec![0.0; 2])), "2 examples of 3 features cannot hold 5 inputs");
        assert!(message(new(vec![0.0; 2], usize::MAX, 2, vec![0.0; 2])).ends_with("cannot hold 2 inputs"));
        assert_eq!(message(new(vec![0.0; 6], 2, 3, vec![0.0; 3])), "3 labels for 2 examples");
        let mut inputs = vec![0.0; 6];
        inputs[2 * 2 + 1] = f64::NAN;
        let place = "feature 2 of example 1 is NaN, not a finite number";
        assert_eq!(message(new(inputs, 2, 3, vec![0.0; 2])), place);
        let place = "the label of example 1 is -inf, not a finite number";
        assert_eq!(message(new(vec![0.0; 6], 2, 3, vec![0.0, f64::NEG_INFINITY])), place);
    }

    #[test]
    fn examples_are_taken_whole() {
        let data = Dataset::new((0..12).map(f64::from).collect(), 4, 3, vec![5.0, 6.0, 7.0, 8.0]).expect("valid");
        let first = data.first(2);
        assert_eq!((first.n_examples(), first.n_features()), (2, 3));
        assert_eq!(first.inputs(), [0.0, 1.0, 4.0, 5.0, 8.0, 9.0]);
        assert_eq!(first.labels(), [5.0, 6.0]);
        assert_eq!(data.select(&[0, 1]), first);
        let picked = data.select(&[3, 1, 3]);
        assert_eq!(picked.feature(2), [11.0, 9.0, 11.0]);
        assert_eq!(picked.labels(), [8.0, 6.0, 8.0]);
        assert_eq!(data.first(4), data);
    }

    #[test]
    fn a_constant_feature_becomes_zero_and_extremes_stay_finite() {
        // 0.1 is not a binary fraction: its mean over seven examples may round away from it.
        let constant = Dataset::new(vec![0.1; 7], 7, 1, vec![0.0; 7]).expect("valid");
        assert_eq!(constant.standardised().inputs(), [0.0; 7]);
        for size in [f64::MAX, 1.0, f64::MIN_POSITIVE] {
            let data = Dataset::new(vec![size, -size], 2, 1, vec![0.0; 2]).expect("valid");
            assert_eq!(data.standardised().inputs(), [1.0, -1.0]);
        }
    }

    proptest! {
        #[test]
        fn standardised_features_have_mean_zero_and_variance_one(
            values in prop::collection::vec(-1.0..1.0_f64, 2..200),
            mean in -1e6..1e6_f64,
        ) {
            let n = values.len();
            let shifted: Vec<f64> = values.iter().map(|value| value + mean).collect();
            prop_assume!(shifted.iter().any(|value| *value != shifted[0]));
            let data = Dataset::new(shifted.clone(), n, 1, vec![0.0; n]).expect("valid").standardised();
            // The rounding of a sum of n numbers of size at most sqrt(n), the bound of a standardised value.
            let tolerance = 4.0 * (n as f64) * f64::EPSILON * (n as f64).sqrt();
            let average = data.inputs().iter().sum::<f64>() / n as f64;
            let variance = data.inputs().iter().map(|value| value * value).sum::<f64>() / n as f64;
            prop_assert!(average.abs() <= tolerance, "mean {average:e}");
            prop_assert!((variance - 1.0).abs() <= tolerance, "variance {variance}");

            let doubled = shifted.iter().map(|value| value * 1024.0).collect();
            let scaled = Dataset::new(doubled, n, 1, vec![0.0; n]).expect("valid").standardised();
            prop_assert_eq!(scaled.inputs(), data.inputs());
        }
    }
}
