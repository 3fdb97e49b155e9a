//! Smoothness constants from below: the largest block norms met at random points.

use ndarray::Array2;
use rand::RngExt;
use rayon::prelude::*;

use super::constants::{Sampled, Smoothness};
use super::hessian::{BlockOperator, HessianProduct, Part, Target, dense_hessian_with};
use super::spectral::{SpectralOptions, spectral_norm, start};
use crate::linalg;
use crate::loss::Loss;
use crate::parameters::Parameters;
use crate::random::{Generator, Seed};

/// Where g lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Domain {
    /// ||g|| <= K.
    Ball(f64),
    /// Every |g_k| <= K.
    Box(f64),
}

/// Which functions the constants are to bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Functions {
    /// Every F_z, as in section 2.4: each point has a minibatch of its own, drawn from the loss's distribution.
    Samples,
    /// The mean loss L alone, which is sharper and enough for Taylor's formula; its minibatches must be finite.
    Mean,
}

/// How many points, and of what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// The number of random points.
    pub n_points: usize,
    /// Where g lies; every v_i is uniform on its unit sphere, and g is uniform in its domain.
    pub domain: Domain,
    /// Which functions.
    pub functions: Functions,
    /// Up to this many parameters the dense Hessian is formed; beyond, each block norm is found by products.
    pub dense_up_to: usize,
}

impl Sampling {
    /// `n_points` points for every F_z on the ball ||g|| <= `radius`; dense up to 2000 parameters.
    pub fn new(n_points: usize, radius: f64) -> Self {
        Self { n_points, domain: Domain::Ball(radius), functions: Functions::Samples, dense_up_to: 2000 }
    }
}

/// The largest spectral norm of every block over random points of the intrinsic domain.
///
/// The values are at most the true constants, and for many parameters far below them (on the Rayleigh quotient, 100 points
/// give 0.83 of the truth in R^10 and 0.71 in R^30). A block that was not finite, or whose norm was not found, at any point
/// makes its constant NaN. Point k depends on the seed and on k alone and maxima do not depend on the order, so the bits are
/// the same for any number of threads. Cost per point: n Hessian-vector products and the small norms.
///
/// # Panics
/// If the mean of a loss is asked for whose minibatches are not finite, or K is negative or not finite.
///
/// ```
/// use ratecheck::curvature::{Sampling, sampled_constants};
/// use ratecheck::loss::closed::TanhCircle;
/// use ratecheck::random::Seed;
/// // The Hessian of this loss has the norm L at every point of the circle.
/// let found = sampled_constants(&TanhCircle::new(2.0), &Sampling::new(8, 0.0), &Seed::new(1));
/// assert!((found.l_vv[(0, 0)].0 - 2.0).abs() < 1e-14);
/// ```
pub fn sampled_constants<L: Loss>(loss: &L, sampling: &Sampling, seed: &Seed) -> Smoothness<Sampled> {
    let (Domain::Ball(radius) | Domain::Box(radius)) = sampling.domain;
    assert!(radius >= 0.0 && radius.is_finite(), "the radius of g must be finite and is {radius}");
    let layout = loss.parameters();
    let blank = || Norms { values: vec![0.0; Norms::len(layout)] };
    let largest = (0..sampling.n_points)
        .into_par_iter()
        .fold(
            || (blank(), HessianProduct::new(layout.len()), Vec::new()),
            |(mut norms, mut work, mut scratch), k| {
                let node = seed.child(&format!("point-{k}"));
                let mut generator = node.generator("theta");
                let theta = random_point(layout, sampling.domain, &mut generator);
                let target = match sampling.functions {
                    Functions::Mean => Target::Mean,
                    Functions::Samples => Target::Sample(loss.minibatches().draw(&mut generator, &mut scratch)),
                };
                norms.raise(loss, target, &theta, sampling.dense_up_to, &node, &mut work);
                (norms, work, scratch)
            },
        )
        .map(|(norms, ..)| norms)
        .reduce(blank, Norms::max);
    largest.into_smoothness(layout.n_blocks())
}

/// A uniform point of the product of the unit spheres and the domain of g.
fn random_point(layout: &Parameters, domain: Domain, generator: &mut Generator) -> Vec<f64> {
    let mut theta = Vec::with_capacity(layout.len());
    for block in layout.blocks() {
        theta.extend(start(block.range.len(), generator));
    }
    let n = layout.g().len();
    match domain {
        Domain::Box(k) => theta.extend((0..n).map(|_| k * (2.0 * generator.random::<f64>() - 1.0))),
        Domain::Ball(k) => {
            let direction = start(n, generator);
            // The volume within radius r grows as r^n.
            let r = if n == 0 { 0.0 } else { k * libm::pow(generator.random::<f64>(), 1.0 / n as f64) };
            theta.extend(direction.iter().map(|x| r * x));
        }
    }
    theta
}

/// The norms of the blocks (i, j) with j <= i, then of every (i, g), then of (g, g).
struct Norms {
    values: Vec<f64>,
}

impl Norms {
    fn len(layout: &Parameters) -> usize {
        let m = layout.n_blocks();
        m * (m + 1) / 2 + m + 1
    }

    fn parts(m: usize) -> impl Iterator<Item = (Part, Part)> {
        let vv = (0..m).flat_map(|i| (0..=i).map(move |j| (Part::Block(i), Part::Block(j))));
        vv.chain((0..m).map(|i| (Part::Block(i), Part::G))).chain(std::iter::once((Part::G, Part::G)))
    }

    /// Takes the norms at a further point into account.
    fn raise<L: Loss>(
        &mut self,
        loss: &L,
        target: Target<'_>,
        theta: &[f64],
        dense_up_to: usize,
        seed: &Seed,
        work: &mut HessianProduct,
    ) {
        let layout = loss.parameters();
        let dense = (theta.len() <= dense_up_to).then(|| dense_hessian_with(loss, target, theta, work));
        for (value, (rows, columns)) in self.values.iter_mut().zip(Self::parts(layout.n_blocks())) {
            let norm = match &dense {
                Some(hessian) => linalg::spectral_norm(hessian.block(layout, rows, columns)).unwrap_or(f64::NAN),
                None => {
                    let mut block = BlockOperator::new(loss, target, theta, rows, columns);
                    // Converged or not, the value is at most the block's norm, which is all that is promised.
                    spectral_norm(&mut block, &SpectralOptions::default(), seed).value
                }
            };
            *value = larger(*value, norm);
        }
    }

    fn max(mut self, other: Self) -> Self {
        self.values.iter_mut().zip(other.values).for_each(|(a, b)| *a = larger(*a, b));
        self
    }

    fn into_smoothness(self, m: usize) -> Smoothness<Sampled> {
        let vv = |i: usize, j: usize| self.values[i * (i + 1) / 2 + j];
        let (vg, gg) = self.values[m * (m + 1) / 2..].split_at(m);
        Smoothness {
            l_vv: Array2::from_shape_fn((m, m), |(i, j)| Sampled(vv(i.max(j), i.min(j)))),
            l_vg: vg.iter().map(|&x| Sampled(x)).collect(),
            l_gg: Sampled(gg[0]),
        }
    }
}

/// The larger of two numbers; NaN if one of them is NaN (unlike `f64::max`, which would hide it).
fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || a >= b { a } else { b }
}
