//! Smoothness constants from below, by local ascent: sampling finds a region, ascent its summit.
//!
//! For the block with rows I and columns J the norm to maximise is ||H_IJ(theta)|| = max u'H_IJ(theta) v over unit
//! vectors u and v. Ascent is therefore on (theta, u, v) together, where phi = u'H_IJ(theta) v is smooth even where a
//! singular value is multiple and the norm has a kink. With U and V the vectors u and v put into their parts of theta,
//! phi = d^2/ds dt F(theta + s U + t V) at 0, so one gradient of F over `Dual<Dual<f64>>` holds it all: its components
//! along s, t and both are H U, H V and grad_theta phi.

use rayon::prelude::*;

use super::climb::{Surface, climb};
use super::hessian::{DenseWork, Target};
use super::norms::{DENSE_UP_TO, norms_at};
use super::operator::BlockOperator;
use super::sampled::{Domain, Functions, RandomPoint};
use super::spectral::{LeadingPair, SpectralOptions, leading_pair};
use crate::loss::{Loss, Over, Workspace};
use crate::parameters::dot;
use crate::random::Seed;
use crate::scalar::{Dual, Scalar};
use crate::smoothness::{Part, Sampled, Smoothness, larger};

/// A pair of singular vectors or a minibatch is worth a change from a gain of this share on: far above rounding, and
/// what an ascent to the default tolerance leaves is far below.
const WORTH: f64 = 1e-9;

/// Where to start, and when to stop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AscentOptions {
    /// Random points among which the starts are chosen; those of [`super::sampled_constants`] with the same seed.
    pub n_points: usize,
    /// Ascents per block, from the best of these points.
    pub restarts: usize,
    /// Where g lies; every v_i is on its unit sphere.
    pub domain: Domain,
    /// Which functions.
    pub functions: Functions,
    /// Converged means: residual <= tolerance. The value's relative error is of the order of its square.
    pub tolerance: f64,
    /// An ascent goes no further once it has taken this many Hessian-vector products and gradients over nested duals.
    pub max_evaluations: usize,
}

impl AscentOptions {
    /// 100 points and 8 ascents for every F_z on the ball ||g|| <= `radius`, residual 1e-6, 2000 evaluations.
    pub fn new(radius: f64) -> Self {
        let (domain, functions) = (Domain::Ball(radius), Functions::Samples);
        Self { n_points: 100, restarts: 8, domain, functions, tolerance: 1e-6, max_evaluations: 2000 }
    }
}

/// The largest norm of one block that ascents have met, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Ascent {
    /// The norm of the block at `theta`, from products with it: up to rounding at most the constant. NaN if a number
    /// that was not finite was met, and then `theta` is where.
    pub value: Sampled,
    /// Where it is attained.
    pub theta: Vec<f64>,
    /// The minibatch whose F_z it is; `None` for the mean loss.
    pub z: Option<Vec<usize>>,
    /// The gradient of phi in (theta, u, v), projected to the tangent space of spheres and domain, over the value; 0 at
    /// a local maximum, and for a block that is 0.
    pub residual: f64,
    /// Whether the residual is within the tolerance.
    pub converged: bool,
    /// Hessian-vector products and gradients over nested duals, those at the random points included (which
    /// [`ascend_constants`] shares among all blocks).
    pub evaluations: usize,
    /// Those of them at the random points.
    pub screening: usize,
    /// (evaluations so far, best value so far) wherever the best value rose.
    pub history: Vec<(usize, f64)>,
}

/// The largest spectral norm of every block of the ambient Hessian that local ascent finds on the intrinsic domain.
///
/// Every ascent starts at one of the best random points, goes up in theta with its minibatch held fixed, then tries the
/// other minibatches at the summit if there are finitely many, and goes on from a better one. The values are local
/// maxima, hence at most the true constants, and at least those of [`super::sampled_constants`] for as many points and
/// the same seed. Every ascent depends on the seed, the block and its start alone:
/// the bits are the same for any number of threads.
///
/// On the closed forms an ascent converges in some tens of steps. On networks with several layers the surfaces are
/// narrow ridges: an ascent gains orders of magnitude over sampling, and may still not have converged when its budget
/// is spent, which is then said ([`Ascent::converged`]).
///
/// # Panics
/// If there are no points or restarts, K is negative or not finite, or the mean of a loss is asked for whose
/// minibatches are not finite.
///
/// ```
/// use ratecheck::curvature::{AscentOptions, ascend_constants};
/// use ratecheck::loss::closed::Rayleigh;
/// use ratecheck::random::Seed;
/// // 100 random points alone find 1.66; the true constant is 2, at an eigenvector.
/// let found = ascend_constants(&Rayleigh::equally_spaced(10), &AscentOptions::new(0.0), &Seed::new(1));
/// let l_vv = &found.l_vv[(0, 0)];
/// assert!(l_vv.converged && (l_vv.value.0 - 2.0).abs() < 1e-10);
/// ```
pub fn ascend_constants(loss: &dyn Loss, options: &AscentOptions, seed: &Seed) -> Smoothness<Ascent> {
    options.check();
    let m = loss.parameters().n_blocks();
    let n = loss.parameters().len();
    let screened: Vec<(Smoothness<Sampled>, usize)> = (0..options.n_points)
        .into_par_iter()
        .map_init(
            || DenseWork::new(n),
            |work, k| {
                let point = options.point(loss, k, seed);
                norms_at(loss, point.target(), &point.theta, DENSE_UP_TO, &point.seed, work)
            },
        )
        .collect();
    let mut searches = Vec::new();
    let place = Smoothness::from_blocks(m, |rows, columns| {
        let screened = screened.iter().map(|(norms, products)| (norms.of(rows, columns).0, *products)).collect();
        searches.push(Search { loss, parts: (rows, columns), options, seed, screened });
        searches.len() - 1
    });
    // All ascents of all blocks are one pool of work.
    let work: Vec<(usize, usize)> =
        searches.iter().enumerate().flat_map(|(block, s)| s.starts().into_iter().map(move |k| (block, k))).collect();
    let mut attempts: Vec<Vec<Attempt>> = searches.iter().map(|_| Vec::new()).collect();
    let done: Vec<Attempt> = work.par_iter().map(|&(block, k)| searches[block].ascend_from(k)).collect();
    for ((block, _), attempt) in work.into_iter().zip(done) {
        attempts[block].push(attempt);
    }
    let found: Vec<Ascent> = searches.iter().zip(attempts).map(|(search, attempts)| search.gather(attempts)).collect();
    place.map(|&block| found[block].clone())
}

/// [`ascend_constants`] for the block with the given rows and columns alone.
///
/// # Panics
/// As [`ascend_constants`], and if there is no such block.
///
/// ```
/// use ratecheck::curvature::{AscentOptions, Part, ascend_block};
/// use ratecheck::loss::closed::BnRegression;
/// use ratecheck::random::Seed;
/// let loss = BnRegression::new(vec![3.0, 4.0]);
/// let found = ascend_block(&loss, Part::Block(0), Part::G, &AscentOptions::new(1.0), &Seed::new(1));
/// assert!((found.value.0 - 5.0).abs() < 1e-10); // |c|, at any v perpendicular to c
/// ```
pub fn ascend_block(loss: &dyn Loss, rows: Part, columns: Part, options: &AscentOptions, seed: &Seed) -> Ascent {
    options.check();
    let parts = (rows, columns);
    let screened = (0..options.n_points)
        .into_par_iter()
        .map(|k| {
            let point = options.point(loss, k, seed);
            let norm = norm_at(loss, point.target(), &point.theta, parts, &point.seed).norm;
            (norm.value, norm.evaluations)
        })
        .collect();
    let search = Search { loss, parts, options, seed, screened };
    let attempts = search.starts().par_iter().map(|&k| search.ascend_from(k)).collect();
    search.gather(attempts)
}

impl AscentOptions {
    fn check(&self) {
        self.domain.check();
        assert!(self.n_points > 0 && self.restarts > 0, "an ascent needs a point to start from");
    }

    fn point(&self, loss: &dyn Loss, k: usize, seed: &Seed) -> RandomPoint {
        RandomPoint::new(loss, k, self.domain, self.functions, seed)
    }
}

/// The norm of one block at a point, with its singular vectors.
fn norm_at(
    loss: &dyn Loss,
    target: Target<'_>,
    theta: &[f64],
    (rows, columns): (Part, Part),
    seed: &Seed,
) -> LeadingPair {
    let mut block = BlockOperator::new(loss, target, theta, rows, columns);
    leading_pair(&mut block, &SpectralOptions::default(), seed)
}

/// The search for one block's constant.
struct Search<'a> {
    loss: &'a dyn Loss,
    parts: (Part, Part),
    options: &'a AscentOptions,
    seed: &'a Seed,
    /// The norm at every random point, and the products it took.
    screened: Vec<(f64, usize)>,
}

/// One ascent. Of the history, evaluations are counted from the ascent's own beginning.
struct Attempt {
    theta: Vec<f64>,
    z: Option<Vec<usize>>,
    value: f64,
    residual: f64,
    evaluations: usize,
    history: Vec<(usize, f64)>,
}

impl Search<'_> {
    /// The best points, NaN before all others; the earlier one on a tie.
    fn starts(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.screened.len()).collect();
        let rank = |k: usize| if self.screened[k].0.is_nan() { f64::INFINITY } else { self.screened[k].0 };
        order.sort_by(|&a, &b| rank(b).total_cmp(&rank(a)));
        order.truncate(self.options.restarts);
        order
    }

    fn ascend_from(&self, k: usize) -> Attempt {
        let layout = self.loss.parameters();
        let (rows, columns) = (self.parts.0.range(layout), self.parts.1.range(layout));
        let n = layout.len();
        let (u, v) = (n..n + rows.len(), n + rows.len()..n + rows.len() + columns.len());
        let mut spheres: Vec<_> = layout.blocks().iter().map(|b| b.range.clone()).collect();
        spheres.extend([u.clone(), v.clone()]);
        let surface = Surface { spheres, g: layout.g(), domain: self.options.domain };
        // Without third derivatives, which foreign code has not, the random point is what is found.
        let second = self.loss.over::<Dual<Dual<f64>>>();
        let mut nested = Nested::new(n);

        let RandomPoint { theta, z, seed } = self.options.point(self.loss, k, self.seed);
        let mut found = Attempt { theta, z, value: 0.0, residual: f64::NAN, evaluations: 0, history: Vec::new() };
        let mut pair = found.judge(self.loss, self.parts, &seed);
        if found.value == 0.0 {
            found.residual = 0.0; // nothing to ascend on
        }
        while let Some(second) = second
            && found.value > 0.0
            && found.evaluations < self.options.max_evaluations
        {
            let x = [&found.theta[..], &pair.u, &pair.v].concat();
            let left = self.options.max_evaluations - found.evaluations;
            let target = found.z.as_ref().map_or(Target::Mean, Target::from);
            let (evaluations, history) = (&mut found.evaluations, &mut found.history);
            let place = climb(&surface, x, self.options.tolerance, left, |x, grad| {
                let (theta, value) = (&x[..n], nested.second(second, target, x, [&rows, &columns]));
                for i in 0..theta.len() {
                    grad[i] = nested.grad[i].du.du;
                }
                for (grad, partial) in grad[u.clone()].iter_mut().zip(&nested.grad[rows.clone()]) {
                    *grad = partial.du.re;
                }
                for (grad, partial) in grad[v.clone()].iter_mut().zip(&nested.grad[columns.clone()]) {
                    *grad = partial.re.du;
                }
                *evaluations += 1;
                record(history, *evaluations, value);
                value
            });
            found.theta.copy_from_slice(&place.x[..n]);
            found.residual = place.residual() / place.value.abs();
            if !place.is_finite() {
                (found.value, found.residual) = (f64::NAN, f64::NAN);
                break;
            }
            // The norm may be that of another pair by now; then the ascent goes on from there.
            pair = found.judge(self.loss, self.parts, &seed);
            if found.value > place.value * (1.0 + WORTH) {
                continue;
            }
            match self.better_minibatch(&mut found, &seed) {
                Some(better) => pair = better,
                None => break,
            }
        }
        found
    }

    /// Moves to the minibatch with the largest norm at this point, if that is larger than the present one.
    fn better_minibatch(&self, found: &mut Attempt, seed: &Seed) -> Option<LeadingPair> {
        let current = found.z.as_ref()?;
        let mut best: Option<(LeadingPair, &[usize])> = None;
        for z in self.loss.minibatches().finite()?.filter(|z| *z != current) {
            let pair = norm_at(self.loss, z.into(), &found.theta, self.parts, seed);
            found.evaluations += pair.norm.evaluations;
            let least = best.as_ref().map_or(found.value * (1.0 + WORTH), |(best, _)| best.norm.value);
            // NaN is kept: it is not less than anything, and nothing replaces it.
            if !(pair.norm.value <= least || least.is_nan()) {
                best = Some((pair, z));
            }
        }
        let (pair, z) = best?;
        found.z = Some(z.to_vec());
        (found.value, found.residual) = (pair.norm.value, f64::NAN);
        record(&mut found.history, found.evaluations, found.value);
        Some(pair)
    }

    /// The best of all ascents and all random points.
    fn gather(&self, attempts: Vec<Attempt>) -> Ascent {
        let mut history = Vec::new();
        let mut evaluations = 0;
        let mut sampled = 0.0;
        for &(value, products) in &self.screened {
            evaluations += products;
            sampled = larger(sampled, value);
            record(&mut history, evaluations, sampled);
        }
        let screening = evaluations;
        let mut best: Option<Attempt> = None;
        for attempt in attempts {
            for &(after, value) in &attempt.history {
                record(&mut history, evaluations + after, value);
            }
            evaluations += attempt.evaluations;
            let ahead = best.as_ref().is_some_and(|b| b.value.is_nan() || attempt.value <= b.value);
            if !ahead {
                best = Some(attempt);
            }
        }
        let best = best.expect("at least one start");
        let Attempt { value, theta, z, residual, .. } = best;
        let value = if sampled.is_nan() { sampled } else { value };
        let converged = residual <= self.options.tolerance && !value.is_nan();
        Ascent { value: Sampled(value), theta, z, residual, converged, evaluations, screening, history }
    }
}

impl Attempt {
    /// Takes the block's norm at this point for its value.
    fn judge(&mut self, loss: &dyn Loss, parts: (Part, Part), seed: &Seed) -> LeadingPair {
        let target = self.z.as_ref().map_or(Target::Mean, Target::from);
        let pair = norm_at(loss, target, &self.theta, parts, seed);
        self.evaluations += pair.norm.evaluations;
        self.value = pair.norm.value;
        record(&mut self.history, self.evaluations, self.value);
        pair
    }
}

/// Notes a value if it is the best so far.
fn record(history: &mut Vec<(usize, f64)>, evaluations: usize, value: f64) {
    if history.last().is_none_or(|&(_, best)| value > best) {
        history.push((evaluations, value));
    }
}

/// The buffers for gradients over nested duals: `re.du` is the derivative along U, `du.re` along V, `du.du` along both.
struct Nested {
    theta: Vec<Dual<Dual<f64>>>,
    grad: Vec<Dual<Dual<f64>>>,
    scratch: Vec<Dual<Dual<f64>>>,
    work: Workspace<Dual<Dual<f64>>>,
}

impl Nested {
    fn new(n: usize) -> Self {
        let zeros = || vec![Dual::<Dual<f64>>::ZERO; n];
        Self { theta: zeros(), grad: zeros(), scratch: zeros(), work: Workspace::default() }
    }

    /// Leaves the gradient in `grad` and returns phi = u'H v at x = (theta, u, v).
    fn second(
        &mut self,
        loss: &dyn Over<Dual<Dual<f64>>>,
        target: Target<'_>,
        x: &[f64],
        [rows, columns]: [&std::ops::Range<usize>; 2],
    ) -> f64 {
        let (theta, pair) = x.split_at(self.theta.len());
        let (u, v) = pair.split_at(rows.len());
        for (lifted, &x) in self.theta.iter_mut().zip(theta) {
            *lifted = Dual::from_f64(x);
        }
        for (lifted, &u) in self.theta[rows.clone()].iter_mut().zip(u) {
            lifted.re.du = u;
        }
        for (lifted, &v) in self.theta[columns.clone()].iter_mut().zip(v) {
            lifted.du.re = v;
        }
        target.gradient(loss, &self.theta, &mut self.grad, &mut self.scratch, &mut self.work);
        let product: Vec<f64> = self.grad[rows.clone()].iter().map(|partial| partial.du.re).collect();
        dot(u, &product)
    }
}
