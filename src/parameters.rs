//! theta = (W; g) in one flat vector: scale-invariant blocks w_1..w_m first, the scale-variant g last.
//!
//! A block is a contiguous range. What a block is depends on the normalisation: a row of a weight matrix (batch and
//! weight normalisation), a whole matrix (layer normalisation), the rows of a group (group normalisation), or the
//! scales and shifts of a layer together (the ReLU networks of section 2.1).

use std::ops::Range;

use crate::linalg::power_of_two_near;
use crate::scalar::{Scalar, counted};

/// One block w_i.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What a reader calls it, e.g. `W1 row 3`.
    pub name: String,
    /// Its place in the flat vector.
    pub range: Range<usize>,
}

/// The layout of theta: m blocks, then g.
///
/// ```
/// use ratecheck::parameters::Parameters;
/// let layout = Parameters::new([("w1", 2), ("w2", 3)], 1);
/// assert_eq!((layout.n_blocks(), layout.len(), layout.g()), (2, 6, 5..6));
/// let theta = [3.0, 4.0, 0.0, 2.0, 0.0, 9.0];
/// assert_eq!(layout.w_norm_sq(&theta, 0), 25.0);
/// assert_eq!(layout.theta_unit(&theta), [0.6, 0.8, 0.0, 1.0, 0.0, 9.0]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    blocks: Vec<Block>,
    g_start: usize,
    len: usize,
}

impl Parameters {
    /// Blocks of the given names and dimensions, in this order, then g of dimension `g_len`.
    ///
    /// # Panics
    /// If a block is empty.
    pub fn new<N: Into<String>>(blocks: impl IntoIterator<Item = (N, usize)>, g_len: usize) -> Self {
        let mut start = 0;
        let blocks: Vec<Block> = blocks
            .into_iter()
            .map(|(name, dimension)| {
                assert!(dimension > 0, "a block has at least one entry");
                start += dimension;
                Block { name: name.into(), range: start - dimension..start }
            })
            .collect();
        Self { blocks, g_start: start, len: start + g_len }
    }

    /// m, the number of scale-invariant blocks.
    pub fn n_blocks(&self) -> usize {
        self.blocks.len()
    }

    /// The blocks w_1..w_m.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// The place of block i.
    pub fn block(&self, i: usize) -> Range<usize> {
        self.blocks[i].range.clone()
    }

    /// The place of g.
    pub fn g(&self) -> Range<usize> {
        self.g_start..self.len
    }

    /// The number of parameters.
    #[allow(clippy::len_without_is_empty)] // a layout is never empty in use
    pub fn len(&self) -> usize {
        self.len
    }

    /// n_i = ||w_i||^2.
    pub fn w_norm_sq(&self, theta: &[f64], i: usize) -> f64 {
        norm_sq(&theta[self.block(i)])
    }

    /// theta~ = (V; g): every block divided by its norm.
    pub fn theta_unit(&self, theta: &[f64]) -> Vec<f64> {
        let mut unit = theta.to_vec();
        self.normalise(&mut unit);
        unit
    }

    /// Divides every block by its norm, in place.
    pub fn normalise(&self, theta: &mut [f64]) {
        for block in &self.blocks {
            let w = &mut theta[block.range.clone()];
            let norm = norm(w);
            w.iter_mut().for_each(|x| *x /= norm);
        }
    }

    /// The squared norm of the W part of a gradient taken at theta, as if taken at theta~ (Lemma 2.2):
    /// sum_i n_i ||grad_{w_i}||^2 = sum_i ||grad_{v_i}||^2.
    pub fn grad_v_norm_sq(&self, theta: &[f64], grad: &[f64]) -> f64 {
        self.blocks.iter().map(|b| norm_sq(&theta[b.range.clone()]) * norm_sq(&grad[b.range.clone()])).sum()
    }
}

/// The squared Euclidean norm: eight sums side by side, added by halves, and the rest in order.
#[inline(always)]
pub fn norm_sq<S: Scalar>(x: &[S]) -> S {
    let (eights, rest) = x.as_chunks::<8>();
    let mut sums = [S::ZERO; 8];
    // Scalars that fill a register are taken one by one: the compiler would take one run of eight visits together, with
    // a gather. A step that it does not see through keeps it from that.
    let zero = if S::RUNS > 1 { std::hint::black_box(0) } else { 0 };
    let mut k = 0;
    while k < eights.len() {
        let eight = &eights[k];
        for i in 0..8 {
            sums[i] += eight[i] * eight[i];
        }
        k = (k + 1) | zero;
    }
    let [a, b, c, d] = [sums[0] + sums[4], sums[1] + sums[5], sums[2] + sums[6], sums[3] + sums[7]];
    let mut last = S::ZERO;
    for &x in rest {
        last += x * x;
    }
    ((a + c) + (b + d)) + last
}

/// The Euclidean norm, whether or not its square is a number.
///
/// ```
/// use ratecheck::parameters::norm;
/// for scale in [1.0, 2.0_f64.powi(600), 2.0_f64.powi(-600)] {
///     assert_eq!(norm(&[3.0 * scale, 4.0 * scale]), 5.0 * scale);
/// }
/// assert!(norm(&[f64::NAN, 1.0]).is_nan() && norm(&[f64::INFINITY]) == f64::INFINITY);
/// ```
pub fn norm(x: &[f64]) -> f64 {
    let square = norm_sq(x);
    // Far from both ends of the numbers no term is lost.
    if (1e-200..1e200).contains(&square) {
        return square.sqrt();
    }
    let unit = power_of_two_near(x.iter().fold(0.0_f64, |most, x| most.max(x.abs())));
    let lifted: Vec<f64> = x.iter().map(|x| x / unit).collect();
    norm_sq(&lifted).sqrt() * unit
}

/// The inner product.
///
/// # Panics
/// If the lengths differ.
#[inline]
pub fn dot<S: Scalar>(x: &[S], y: &[S]) -> S {
    assert_eq!(x.len(), y.len());
    let mut sum = S::ZERO;
    counted!(k in 0..x.len(), sum += x[k] * y[k]);
    sum
}
