//! A synthetic data set: Gaussian inputs, labelled by a random network.

use rand::RngExt;

use super::Dataset;
use crate::random::{Generator, normals};

/// Hidden units of the teacher.
const HIDDEN: usize = 16;

/// What the labels of a synthetic data set are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Two classes, -1 and +1.
    Binary,
    /// K classes, 0..K-1; K is at least 2.
    Classes(usize),
}

/// Draws `n_examples` inputs x ~ N(0, I) in R^`n_features` and labels them by a random two-layer tanh network.
///
/// The teacher has one score per class (two for [`Target::Binary`]),
/// s_k(x) = sum_h a_kh tanh(b_h . x) for 16 hidden units, with b_h ~ N(0, I / n_features), a_k ~ N(0, I / 16). Scores
/// are centred over the data set, and the label is the class with the largest one. Then every label is replaced with
/// probability `noise` by another class, each being equally likely: for two classes, it is flipped.
///
/// Every class occurs: the example with the largest lead of class k over the others, among those not yet taken by
/// classes before k, has label k, and noise leaves it alone. (Without noise this changes a label only when a class
/// would be empty.)
///
/// The same generator gives the same data, bit for bit, on every machine; `noise` changes labels only, and a larger
/// one replaces the labels that a smaller one replaces, and more. Cost: about
/// 16 (`n_features` + K) + K^2 multiplications per example.
///
/// ```
/// use ratecheck::{data::{Target, teacher}, random::Seed};
/// let draw = |noise| teacher(100, 8, Target::Binary, noise, &mut Seed::new(1).generator("teacher"));
/// let data = draw(0.1);
/// assert_eq!((data.n_examples(), data.n_features()), (100, 8));
/// assert!(data.labels().contains(&-1.0) && data.labels().contains(&1.0));
/// assert_eq!(data.inputs(), draw(0.0).inputs());
/// assert_ne!(data.labels(), draw(0.0).labels());
/// ```
///
/// # Panics
/// When `n_features` is zero, there are fewer than two classes, fewer examples than classes, or `noise` is not a
/// probability.
pub fn teacher(n_examples: usize, n_features: usize, target: Target, noise: f64, generator: &mut Generator) -> Dataset {
    let n_classes = match target {
        Target::Binary => 2,
        Target::Classes(n_classes) => n_classes,
    };
    assert!(n_features > 0, "a teacher needs at least one feature");
    assert!(n_classes >= 2, "a teacher of {n_classes} classes");
    assert!(n_examples >= n_classes, "{n_examples} examples cannot show {n_classes} classes");
    assert!((0.0..=1.0).contains(&noise), "label noise {noise} is not a probability");

    let hidden = normals(HIDDEN * n_features, (n_features as f64).sqrt().recip(), generator);
    let output = normals(n_classes * HIDDEN, (HIDDEN as f64).sqrt().recip(), generator);
    let inputs = normals(n_features * n_examples, 1.0, generator);

    let mut units = product(&hidden, &inputs, n_features, n_examples);
    units.iter_mut().for_each(|unit| *unit = libm::tanh(*unit));
    let mut scores = product(&output, &units, HIDDEN, n_examples);
    for score in scores.chunks_exact_mut(n_examples) {
        let mean = score.iter().sum::<f64>() / n_examples as f64;
        score.iter_mut().for_each(|value| *value -= mean);
    }

    let classes = with_noise(&classes(&scores, n_classes, n_examples), n_classes, noise, generator);
    let label = |class: usize| match target {
        Target::Binary => 2.0 * class as f64 - 1.0,
        Target::Classes(_) => class as f64,
    };
    let labels = classes.into_iter().map(label).collect();
    Dataset::new(inputs, n_examples, n_features, labels)
        .unwrap_or_else(|error| panic!("inputs and labels are finite and fit by construction: {error}"))
}

/// A label, and whether noise must leave it alone.
#[derive(Clone, Copy)]
struct Label {
    class: usize,
    kept: bool,
}

/// The class with the largest score for every example, after each class was given the example it leads by most.
fn classes(scores: &[f64], n_classes: usize, n_examples: usize) -> Vec<Label> {
    let score = |k: usize, i: usize| scores[k * n_examples + i];
    let lead = |k: usize, i: usize| {
        let others = (0..n_classes).filter(|other| *other != k).map(|other| score(other, i));
        score(k, i) - others.fold(f64::NEG_INFINITY, f64::max)
    };
    let best = |i: usize| (1..n_classes).fold(0, |best, k| if score(k, i) > score(best, i) { k } else { best });
    let mut labels: Vec<Label> = (0..n_examples).map(|i| Label { class: best(i), kept: false }).collect();
    for k in 0..n_classes {
        let free = (0..n_examples).filter(|i| !labels[*i].kept);
        if let Some(i) = free.max_by(|a, b| lead(k, *a).total_cmp(&lead(k, *b))) {
            labels[i] = Label { class: k, kept: true };
        }
    }
    labels
}

/// Replaces each label that need not be kept, with probability `noise`, by one of the other classes.
fn with_noise(labels: &[Label], n_classes: usize, noise: f64, generator: &mut Generator) -> Vec<usize> {
    let replace = |label: &Label| {
        // Always two draws, so that the stream does not depend on `noise`; u64, because usize differs by machine.
        let replaced = generator.random::<f64>() < noise;
        let step = generator.random_range(1..n_classes as u64) as usize;
        if replaced && !label.kept { (label.class + step) % n_classes } else { label.class }
    };
    labels.iter().map(replace).collect()
}

/// The product of `left` (rows x `n_inner`, row by row) and `right` (`n_inner` x `n_columns`, row by row).
fn product(left: &[f64], right: &[f64], n_inner: usize, n_columns: usize) -> Vec<f64> {
    let mut result = vec![0.0; left.len() / n_inner * n_columns];
    for (row, out) in left.chunks_exact(n_inner).zip(result.chunks_exact_mut(n_columns)) {
        for (factor, column) in row.iter().zip(right.chunks_exact(n_columns)) {
            for (sum, value) in out.iter_mut().zip(column) {
                *sum += factor * value;
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Seed;
    use proptest::prelude::*;

    fn draw(n_examples: usize, target: Target, noise: f64, root: u64) -> Dataset {
        teacher(n_examples, 6, target, noise, &mut Seed::new(root).generator("teacher"))
    }

    fn differing(a: &Dataset, b: &Dataset) -> usize {
        a.labels().iter().zip(b.labels()).filter(|(a, b)| a != b).count()
    }

    #[test]
    fn the_generator_decides_every_bit() {
        let data = draw(200, Target::Classes(4), 0.2, 3);
        assert_eq!(draw(200, Target::Classes(4), 0.2, 3), data);
        assert_ne!(draw(200, Target::Classes(4), 0.2, 4).inputs(), data.inputs());
    }

    #[test]
    fn inputs_are_standard_normal() {
        let n = 200_000;
        let sample = normals(n, 1.0, &mut Seed::new(5).generator("normals"));
        let moment = |power: i32| sample.iter().map(|x| x.powi(power)).sum::<f64>() / n as f64;
        // E x^p = 0, 1, 0, 3; Var x^p = 1, 2, 15, 96: five standard errors, on a fixed seed.
        for (power, mean, variance) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0_f64)] {
            let error = (moment(power) - mean).abs();
            assert!(error <= 5.0 * (variance / n as f64).sqrt(), "moment {power}: {error}");
        }
        // P(|x| > 3) = 0.0026998.
        let beyond = sample.iter().filter(|x| x.abs() > 3.0).count() as f64;
        let expected = 0.002_699_8 * n as f64;
        assert!((beyond - expected).abs() <= 5.0 * expected.sqrt(), "{beyond} beyond 3");
    }

    #[test]
    fn noise_replaces_the_stated_share_of_labels_and_nothing_else() {
        let n = 4000;
        for (target, n_classes) in [(Target::Binary, 2.0), (Target::Classes(5), 5.0)] {
            let clean = draw(n, target, 0.0, 9);
            let (little, more) = (draw(n, target, 0.1, 9), draw(n, target, 0.3, 9));
            assert_eq!(clean.inputs(), more.inputs());
            for (noisy, noise) in [(&little, 0.1), (&more, 0.3)] {
                let expected = noise * (n as f64 - n_classes);
                let error = (differing(&clean, noisy) as f64 - expected).abs();
                assert!(error <= 5.0 * (expected * (1.0 - noise)).sqrt(), "{target:?}, noise {noise}: off by {error}");
            }
            // What little noise replaces, more noise replaces by the same.
            assert_eq!(differing(&clean, &little) + differing(&little, &more), differing(&clean, &more));
        }
        assert_eq!(differing(&draw(n, Target::Binary, 0.0, 9), &draw(n, Target::Binary, 1.0, 9)), n - 2);
    }

    #[test]
    fn clean_labels_are_a_function_of_the_input_that_a_linear_rule_partly_sees() {
        // Not noise: the direction sum_i y_i x_i sorts far more than half of the examples correctly.
        let data = draw(2000, Target::Binary, 0.0, 11);
        let direction: Vec<f64> = (0..data.n_features())
            .map(|j| data.feature(j).iter().zip(data.labels()).map(|(x, y)| x * y).sum())
            .collect();
        let agrees = |i: &usize| {
            let sum: f64 = (0..data.n_features()).map(|j| direction[j] * data.feature(j)[*i]).sum();
            sum * data.labels()[*i] > 0.0
        };
        let correct = (0..data.n_examples()).filter(agrees).count();
        assert!(correct > 1500, "{correct} of 2000");
        let positive = data.labels().iter().filter(|label| **label > 0.0).count();
        assert!((600..1400).contains(&positive), "{positive} positive labels of 2000");
    }

    proptest! {
        #[test]
        fn every_class_occurs(
            n_classes in 2..8_usize,
            more in 0..20_usize,
            noise in 0.0..=1.0_f64,
            root in any::<u64>(),
        ) {
            let data = draw(n_classes + more, Target::Classes(n_classes), noise, root);
            for class in 0..n_classes {
                prop_assert!(data.labels().contains(&(class as f64)), "class {class} is missing");
            }
            let binary = draw(2 + more, Target::Binary, noise, root);
            prop_assert!(binary.labels().contains(&-1.0) && binary.labels().contains(&1.0));
            prop_assert!(binary.labels().iter().all(|label| label.abs() == 1.0));
        }
    }
}
