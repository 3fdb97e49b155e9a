//! What guessing reaches, and from where on a network has learned.

use ratecheck::data::Dataset;

use super::plan::Limits;
use super::question::Seen;

/// What the best guess that looks at no image reaches: the frequencies of the classes for every image, and the most
/// frequent class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guess {
    /// The mean cross-entropy of the frequencies p_k of the training labels: -sum_k p_k ln p_k.
    pub loss: f64,
    /// The largest share of a class among the test images.
    pub accuracy: f64,
}

impl Guess {
    /// Among classes that are equally frequent: ln K, and 1/K.
    ///
    /// ```
    /// use ratecheck_verify::lab::experiment::{Guess, Seen};
    /// let ten = Guess::among(10);
    /// assert!((ten.learned(Seen::Loss) - 0.5 * 10_f64.ln()).abs() < 1e-15 && ten.learned(Seen::Accuracy) == 0.2);
    /// // Twice the accuracy of guessing between two is 1; half of its error is 1/4.
    /// assert_eq!(Guess::among(2).learned(Seen::Accuracy), 0.75);
    /// ```
    pub fn among(n_classes: usize) -> Self {
        Self { loss: libm::log(n_classes as f64), accuracy: 1.0 / n_classes as f64 }
    }

    /// On a task: by the labels 0, 1, .. there are.
    pub fn on(train: &Dataset, test: &Dataset) -> Self {
        let shares = |data: &Dataset| -> Vec<f64> {
            let mut counts: Vec<usize> = Vec::new();
            for &label in data.labels() {
                let class = label as usize;
                counts.resize(counts.len().max(class + 1), 0);
                counts[class] += 1;
            }
            counts.into_iter().filter(|&n| n > 0).map(|n| n as f64 / data.n_examples() as f64).collect()
        };
        Self {
            loss: shares(train).iter().map(|p| -p * libm::log(*p)).sum(),
            accuracy: shares(test).into_iter().fold(0.0, f64::max),
        }
    }

    /// What counts as learned: at most half of the loss of guessing; or an accuracy of at least twice that of guessing,
    /// or an error of at most half of that, whichever is less.
    pub fn learned(self, seen: Seen) -> f64 {
        match seen {
            Seen::Loss => 0.5 * self.loss,
            Seen::Accuracy => (2.0 * self.accuracy).min(0.5 * (1.0 + self.accuracy)),
        }
    }

    /// What guessing reaches itself.
    pub fn of(self, seen: Seen) -> f64 {
        if seen == Seen::Loss { self.loss } else { self.accuracy }
    }

    /// What counts as learned under these limits: their number, if guessing does not reach it.
    pub(super) fn threshold(self, seen: Seen, limits: &Limits) -> f64 {
        limits.of(seen).filter(|&limit| !self.reaches(seen, limit)).unwrap_or_else(|| self.learned(seen))
    }

    fn reaches(self, seen: Seen, limit: f64) -> bool {
        if seen == Seen::Loss { self.loss <= limit } else { self.accuracy >= limit }
    }

    /// Says so if a limit is one that guessing reaches.
    pub fn objection(self, seen: Seen, limits: &Limits, n_classes: usize) -> Option<String> {
        let limit = limits.of(seen).filter(|&limit| self.reaches(seen, limit))?;
        let (name, key) = (seen.name(), seen.key());
        Some(format!(
            "expected.{key} = {limit:.3} is no better than guessing among {n_classes} classes, which has a {name} of \
             {:.3}: {:.3} counts as learned instead",
            self.of(seen),
            self.learned(seen)
        ))
    }
}
