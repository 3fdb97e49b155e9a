//! The seed tree: the only place where random generators are made.
//!
//! A generator is a pure function of a root seed and a path such as `"theorem-4.2/problem-j/run-17"`. Work can
//! therefore be done in any order, on any number of threads, and every run sees the same numbers.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// The generator used everywhere: portable, the same stream on every machine.
pub type Generator = ChaCha8Rng;

/// A node of the seed tree.
///
/// ```
/// use ratecheck::random::Seed;
/// use rand::RngExt;
/// let seed = Seed::new(7);
/// let a: u64 = seed.generator("lemma-2.2/batch-norm").random();
/// let b: u64 = seed.child("lemma-2.2").generator("batch-norm").random();
/// assert_eq!(a, b);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    root: u64,
    path: String,
}

impl Seed {
    /// The root of a tree.
    pub fn new(root: u64) -> Self {
        Self { root, path: String::new() }
    }

    /// The number the tree was grown from: with the path, it reproduces every generator.
    pub fn root(&self) -> u64 {
        self.root
    }

    /// The node below this one called `name`; `name` may itself be a path with slashes.
    pub fn child(&self, name: &str) -> Self {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}/{name}", self.path) };
        Self { root: self.root, path }
    }

    /// The generator at the node `name` below this one.
    pub fn generator(&self, name: &str) -> Generator {
        let path = self.child(name).path;
        let mut key = [0_u8; 32];
        key[..8].copy_from_slice(&self.root.to_le_bytes());
        // Two independent 64-bit hashes: 128 bits make an accidental collision of two paths impossible in practice.
        key[8..16].copy_from_slice(&fnv1a(path.bytes(), 0xcbf2_9ce4_8422_2325).to_le_bytes());
        key[16..24].copy_from_slice(&fnv1a(path.bytes().rev(), 0x9ae1_6a3b_2f90_404f).to_le_bytes());
        key[24..].copy_from_slice(&(path.len() as u64).to_le_bytes());
        ChaCha8Rng::from_seed(key)
    }
}

/// A generator independent of the given one, and determined by it: the same key, the next stream of ChaCha.
///
/// For draws beside a run, such as estimates of L, that must not shift the draws of the run itself.
///
/// ```
/// use rand::RngExt;
/// use ratecheck::random::{Seed, companion};
/// let mut generator = Seed::new(7).generator("run-0");
/// let mut beside = companion(&generator);
/// let (a, b): (u64, u64) = (generator.random(), beside.random());
/// assert_ne!(a, b);
/// assert_eq!(a, Seed::new(7).generator("run-0").random());
/// ```
pub fn companion(generator: &Generator) -> Generator {
    let mut beside = generator.clone();
    beside.set_stream(generator.get_stream().wrapping_add(1));
    beside.set_word_pos(0);
    beside
}

/// `count` independent normal numbers with mean 0 and the given deviation, by Marsaglia's polar method.
///
/// Not `rand_distr::StandardNormal`, whose tail goes through the logarithm of the system's C library: its last bits
/// differ between systems. Here the only transcendental function is libm's.
///
/// ```
/// use ratecheck::random::{Seed, normals};
/// let x = normals(10_000, 2.0, &mut Seed::new(7).generator("normals"));
/// // The mean has deviation 0.02, and the mean square 4 sqrt(2/10000).
/// assert!(x.iter().sum::<f64>().abs() / 1e4 < 0.1);
/// assert!((x.iter().map(|x| x * x).sum::<f64>() / 1e4 - 4.0).abs() < 0.3);
/// ```
pub fn normals(count: usize, deviation: f64, generator: &mut Generator) -> Vec<f64> {
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        let (u, v) = (2.0 * generator.random::<f64>() - 1.0, 2.0 * generator.random::<f64>() - 1.0);
        let square = u * u + v * v;
        if square > 0.0 && square < 1.0 {
            let radius = deviation * (-2.0 * libm::log(square) / square).sqrt();
            values.extend([radius * u, radius * v]);
        }
    }
    values.truncate(count);
    values
}

/// The FNV-1a hash (Fowler, Noll, Vo): stable across machines and versions, unlike the standard library's hasher.
fn fnv1a(bytes: impl Iterator<Item = u8>, offset: u64) -> u64 {
    bytes.fold(offset, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_roots_separate_streams() {
        let draw = |root: u64, path: &str| -> u64 { Seed::new(root).generator(path).random() };
        assert_ne!(draw(1, "a"), draw(2, "a"));
        assert_ne!(draw(1, "a"), draw(1, "b"));
        assert_ne!(draw(1, "ab"), draw(1, "ba"));
        assert_eq!(draw(1, "a/b"), Seed::new(1).child("a").generator("b").random::<u64>());
    }
}
