//! The distribution of z in L = E_z F_z.

use rand::RngExt;

use crate::random::Generator;

/// How minibatches are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawing {
    /// z is always the whole data set: L = F_z.
    Full,
    /// z is one of finitely many fixed minibatches, each equally likely: L is an exact mean.
    Partition,
    /// z is a uniformly random subset of the given size: L can only be estimated.
    Subsets,
}

/// The distribution of z over minibatches of the examples 0..n.
///
/// The paper's F_z is the loss of the minibatch z under z's own mean and variance, and L is the mean of F_z over z,
/// *not* the loss with the statistics of all examples. The distribution of z is therefore part of what L is.
///
/// ```
/// use ratecheck::loss::Minibatches;
/// let z = Minibatches::partition((0..6).collect(), 2)?;
/// let batches: Vec<&[usize]> = z.finite().expect("a partition is finite").collect();
/// assert_eq!(batches, [[0, 1], [2, 3], [4, 5]]);
/// assert!(Minibatches::partition((0..5).collect(), 2).is_err());
/// # Ok::<(), ratecheck::loss::BatchError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Minibatches {
    drawing: Drawing,
    order: Vec<usize>,
    batch_size: usize,
}

/// A batch size that does not fit the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchError(String);

impl std::fmt::Display for BatchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BatchError {}

impl Minibatches {
    /// The whole data set, always.
    pub fn full(n_examples: usize) -> Self {
        Self { drawing: Drawing::Full, order: (0..n_examples).collect(), batch_size: n_examples }
    }

    /// The examples in the given order, cut into minibatches of equal size.
    ///
    /// # Errors
    /// If the batch size does not divide the number of examples: the last minibatch would weigh more than its share.
    pub fn partition(order: Vec<usize>, batch_size: usize) -> Result<Self, BatchError> {
        if batch_size == 0 || !order.len().is_multiple_of(batch_size) {
            return Err(BatchError(format!(
                "{} examples cannot be cut into minibatches of {batch_size}: choose a size that divides them",
                order.len()
            )));
        }
        Ok(Self { drawing: Drawing::Partition, order, batch_size })
    }

    /// Uniformly random subsets, without replacement.
    ///
    /// # Errors
    /// If the batch size is 0 or larger than the number of examples.
    pub fn subsets(n_examples: usize, batch_size: usize) -> Result<Self, BatchError> {
        if batch_size == 0 || batch_size > n_examples {
            return Err(BatchError(format!("a minibatch of {batch_size} cannot be drawn from {n_examples} examples")));
        }
        Ok(Self { drawing: Drawing::Subsets, order: (0..n_examples).collect(), batch_size })
    }

    /// How minibatches are made.
    pub fn drawing(&self) -> Drawing {
        self.drawing
    }

    /// B.
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// The number of examples.
    pub fn n_examples(&self) -> usize {
        self.order.len()
    }

    /// All minibatches z, equally likely, if there are finitely many of them in practice.
    pub fn finite(&self) -> Option<impl ExactSizeIterator<Item = &[usize]>> {
        (self.drawing != Drawing::Subsets).then(|| self.order.chunks_exact(self.batch_size))
    }

    /// Draws z. `scratch` keeps a permutation of the examples between draws,
    /// so that nothing is allocated after the first.
    pub fn draw<'a>(&'a self, generator: &mut Generator, scratch: &'a mut Vec<usize>) -> &'a [usize] {
        match self.drawing {
            Drawing::Full => &self.order,
            Drawing::Partition => {
                let k = below(generator, self.order.len() / self.batch_size);
                &self.order[k * self.batch_size..][..self.batch_size]
            }
            Drawing::Subsets => {
                if scratch.len() != self.order.len() {
                    scratch.clone_from(&self.order);
                }
                // The first B steps of Fisher and Yates; starting from any permutation, the subset is uniform.
                for i in 0..self.batch_size {
                    let j = i + below(generator, scratch.len() - i);
                    scratch.swap(i, j);
                }
                &scratch[..self.batch_size]
            }
        }
    }
}

/// A uniform integer below n, the same on 32- and 64-bit machines.
#[inline]
fn below(generator: &mut Generator, n: usize) -> usize {
    if n == 1 { 0 } else { generator.random_range(0..n as u64) as usize }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Seed;

    #[test]
    fn subsets_have_no_repeats_and_every_example_is_as_likely() {
        let z = Minibatches::subsets(10, 3).expect("3 of 10");
        let (mut generator, mut scratch) = (Seed::new(1).generator("subsets"), Vec::new());
        let n = 40_000;
        let mut counts = [0_u32; 10];
        for _ in 0..n {
            let batch = z.draw(&mut generator, &mut scratch);
            assert!(batch[0] != batch[1] && batch[1] != batch[2] && batch[0] != batch[2]);
            batch.iter().for_each(|&i| counts[i] += 1);
        }
        // Binomial(n, 0.3); ten two-sided tests at 6.5 standard deviations: level below 1e-9.
        let (mean, sd) = (0.3 * f64::from(n), (0.21 * f64::from(n)).sqrt());
        assert!(counts.iter().all(|&c| (f64::from(c) - mean).abs() < 6.5 * sd), "{counts:?}");
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        assert!(Minibatches::subsets(3, 4).is_err());
        assert!(Minibatches::subsets(3, 0).is_err());
        assert!(Minibatches::partition(vec![], 0).is_err());
    }
}
