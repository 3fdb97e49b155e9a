//! Smoothness constants from below: the largest block norms met at random points.

use rand::RngExt;
use rayon::prelude::*;

use super::hessian::{DenseWork, Target};
use super::norms::{DENSE_UP_TO, norms_at};
use super::spectral::start;
use crate::loss::Loss;
use crate::parameters::Parameters;
use crate::random::{Generator, Seed};
use crate::smoothness::{Sampled, Smoothness};

/// Where g lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Domain {
    /// ||g|| <= K.
    Ball(f64),
    /// Every |g_k| <= K.
    Box(f64),
}

impl Domain {
    /// Panics if K is negative or not finite.
    pub(super) fn check(self) {
        let (Self::Ball(radius) | Self::Box(radius)) = self;
        assert!(radius >= 0.0 && radius.is_finite(), "the radius of g must be finite and is {radius}");
    }
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
        Self { n_points, domain: Domain::Ball(radius), functions: Functions::Samples, dense_up_to: DENSE_UP_TO }
    }
}

/// The largest spectral norm of every block over random points of the intrinsic domain.
///
/// The values are at most the true constants, and for many parameters far below them (on the Rayleigh quotient, 100
/// points give 0.83 of the truth in R^10 and 0.71 in R^30). A block that was not finite, or whose norm was not found,
/// at any point makes its constant NaN. Point k depends on the seed and on k alone and maxima do not depend on the
/// order, so the bits are the same for any number of threads. Cost per point:
/// n Hessian-vector products and the small norms.
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
pub fn sampled_constants(loss: &dyn Loss, sampling: &Sampling, seed: &Seed) -> Smoothness<Sampled> {
    sampling.domain.check();
    let layout = loss.parameters();
    let blank = || Smoothness::from_blocks(layout.n_blocks(), |_, _| Sampled(0.0));
    (0..sampling.n_points)
        .into_par_iter()
        .fold(
            || (blank(), DenseWork::new(layout.len())),
            |(largest, mut work), k| {
                let point = RandomPoint::new(loss, k, sampling.domain, sampling.functions, seed);
                let (found, _) =
                    norms_at(loss, point.target(), &point.theta, sampling.dense_up_to, &point.seed, &mut work);
                (largest.max(&found), work)
            },
        )
        .map(|(largest, _)| largest)
        .reduce(blank, |a, b| a.max(&b))
}

/// A random point, and the function that is looked at there.
pub(super) struct RandomPoint {
    pub(super) theta: Vec<f64>,
    /// The minibatch; `None` for the mean loss.
    pub(super) z: Option<Vec<usize>>,
    /// For what is random at this point.
    pub(super) seed: Seed,
}

impl RandomPoint {
    /// Point k, which depends on the seed and on k alone.
    pub(super) fn new(loss: &dyn Loss, k: usize, domain: Domain, functions: Functions, seed: &Seed) -> Self {
        let node = seed.child(&format!("point-{k}"));
        let mut generator = node.generator("theta");
        let theta = random_point(loss.parameters(), domain, &mut generator);
        let z = match functions {
            Functions::Mean => None,
            Functions::Samples => Some(loss.minibatches().draw(&mut generator, &mut Vec::new()).to_vec()),
        };
        Self { theta, z, seed: node }
    }

    pub(super) fn target(&self) -> Target<'_> {
        self.z.as_ref().map_or(Target::Mean, Target::from)
    }
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
