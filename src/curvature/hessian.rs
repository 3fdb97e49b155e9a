//! Hessian-vector products, and dense Hessians that are built from them.

use std::any::TypeId;

use ndarray::{Array2, ArrayView2, Axis, Slice};

use crate::loss::{Arithmetic, Further, Loss, Over, Wanted, Workspace};
use crate::parameters::Parameters;
use crate::scalar::{Dual, Scalar, Tangents};
use crate::smoothness::Part;

/// Which function is differentiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// F_z of one minibatch.
    Sample(&'a [usize]),
    /// L, the exact mean of F_z over finitely many minibatches.
    Mean,
}

impl Target<'_> {
    /// The gradient of the target, in any arithmetic.
    pub(super) fn gradient<S: Scalar>(
        self,
        loss: &dyn Over<S>,
        theta: &[S],
        grad: &mut [S],
        scratch: &mut [S],
        work: &mut Workspace<S>,
    ) {
        match self {
            Self::Sample(z) => {
                loss.sample_gradient(z, theta, grad, work);
            }
            Self::Mean => {
                let mean = loss.mean_gradient(theta, grad, scratch, work);
                assert!(mean.is_some(), "the mean loss is only known by sampling: its minibatches are random subsets");
            }
        }
    }
}

impl<'a> From<&'a [usize]> for Target<'a> {
    fn from(z: &'a [usize]) -> Self {
        Self::Sample(z)
    }
}

impl<'a, const N: usize> From<&'a [usize; N]> for Target<'a> {
    fn from(z: &'a [usize; N]) -> Self {
        Self::Sample(z)
    }
}

impl<'a> From<&'a Vec<usize>> for Target<'a> {
    fn from(z: &'a Vec<usize>) -> Self {
        Self::Sample(z)
    }
}

/// The buffers of a Hessian-vector product: make one per thread; after the first product nothing is allocated.
#[derive(Debug)]
pub struct HessianProduct<S: Scalar = f64> {
    theta: Vec<Dual<S>>,
    grad: Vec<Dual<S>>,
    scratch: Vec<Dual<S>>,
    work: Workspace<Dual<S>>,
    /// theta, the direction and the product of one minibatch as foreign code takes them.
    plain: [Vec<f64>; 3],
}

impl<S: Scalar> HessianProduct<S> {
    /// Buffers for a loss with `n` parameters.
    pub fn new(n: usize) -> Self {
        let zeros = || vec![Dual::<S>::ZERO; n];
        let work = Workspace::derivatives_alone();
        Self { theta: zeros(), grad: zeros(), scratch: zeros(), work, plain: [const { Vec::new() }; 3] }
    }
}

/// out = Hess(theta) direction, exactly: the gradient's derivative along `direction`, by one gradient over duals.
///
/// The Hessian is the ambient one, at theta as it is given: at theta~ = (V; g) its blocks are those of section 2.4.
/// Costs one [`Over::sample_gradient`] over `Dual<S>` per minibatch of the target (some two gradients over `S`); at
/// `f64`, a loss that is no formula multiplies by itself: see [`Products`](crate::loss::Products).
///
/// # Panics
/// If the lengths differ, the target is the mean of a loss whose minibatches are not finite,
/// or the loss has no such arithmetic.
///
/// ```
/// use ratecheck::curvature::{HessianProduct, hessian_vector_product};
/// use ratecheck::loss::closed::Rayleigh;
/// let loss = Rayleigh::new(vec![0.0, 1.0]);
/// let (mut out, mut work) = ([0.0; 2], HessianProduct::new(2));
/// hessian_vector_product(&loss, &[0], &[1.0, 0.0], &[0.0, 1.0], &mut out, &mut work);
/// assert_eq!(out, [0.0, 2.0]); // 2 (A - F) at the eigenvector of 0
/// ```
pub fn hessian_vector_product<'a, S: Scalar>(
    loss: &dyn Loss,
    target: impl Into<Target<'a>>,
    theta: &[S],
    direction: &[S],
    out: &mut [S],
    work: &mut HessianProduct<S>,
) where
    Dual<S>: Arithmetic,
{
    assert!(theta.len() == work.theta.len() && theta.len() == direction.len() && theta.len() == out.len());
    let target = target.into();
    let Some(dual) = loss.over::<Dual<S>>() else {
        return work.foreign(loss, target, theta, direction, out);
    };
    for ((dual, &x), &d) in work.theta.iter_mut().zip(theta).zip(direction) {
        *dual = Dual::new(x, d);
    }
    target.gradient(dual, &work.theta, &mut work.grad, &mut work.scratch, &mut work.work);
    for (product, partial) in out.iter_mut().zip(&work.grad) {
        *product = partial.du;
    }
}

impl<S: Scalar> HessianProduct<S> {
    /// The product of a loss that foreign code evaluates, which has `f64` alone.
    fn foreign(&mut self, loss: &dyn Loss, target: Target<'_>, theta: &[S], direction: &[S], out: &mut [S]) {
        let Further::Products(products) = loss.further() else { panic!("the loss has no such arithmetic") };
        assert!(TypeId::of::<S>() == TypeId::of::<f64>(), "a loss that is no formula has f64 alone");
        out.fill(S::ZERO);
        let [at, along, product] = &mut self.plain;
        let take = |to: &mut Vec<f64>, from: &[S]| {
            to.clear();
            to.extend(from.iter().map(|x| x.value()));
        };
        take(at, theta);
        take(along, direction);
        product.resize(out.len(), 0.0);
        let mut add = |z: &[usize], n: usize| {
            products.sample_product(z, at, along, product);
            out.iter_mut().zip(&*product).for_each(|(sum, &x)| *sum += S::from_f64(x).over(n));
        };
        match target {
            Target::Sample(z) => add(z, 1),
            Target::Mean => {
                let batches = finite(loss);
                let n = batches.len();
                batches.for_each(|z| add(z, n));
            }
        }
    }
}

/// All minibatches of a loss whose mean is asked for.
fn finite(loss: &dyn Loss) -> impl ExactSizeIterator<Item = &[usize]> {
    loss.minibatches().finite().expect("the mean loss is only known by sampling: its minibatches are random subsets")
}

/// A dense Hessian.
#[derive(Clone, Debug)]
pub struct DenseHessian {
    /// (H + H^T)/2, n x n.
    pub matrix: Array2<f64>,
    /// max |H - H^T| before that, over parameters of the same [`Loss::stage`] (between two stages only one half is
    /// computed), not a number if an entry is not finite: rounding, or a wrong gradient.
    pub asymmetry: f64,
}

impl DenseHessian {
    /// The block with the given rows and columns.
    pub fn block(&self, layout: &Parameters, rows: Part, columns: Part) -> ArrayView2<'_, f64> {
        block(&self.matrix, layout, rows, columns)
    }
}

/// The block of a matrix with the given rows and columns.
pub(super) fn block<'a, T>(matrix: &'a Array2<T>, layout: &Parameters, rows: Part, columns: Part) -> ArrayView2<'a, T> {
    let rows = matrix.slice_axis(Axis(0), Slice::from(rows.range(layout)));
    rows.slice_axis_move(Axis(1), Slice::from(columns.range(layout)))
}

/// The Hessian by n Hessian-vector products, several of which share a pass over their values, made symmetric.
///
/// # Panics
/// As [`hessian_vector_product`].
///
/// ```
/// use ndarray::array;
/// use ratecheck::curvature::dense_hessian;
/// use ratecheck::loss::closed::Rayleigh;
/// let hessian = dense_hessian(&Rayleigh::new(vec![0.0, 1.0]), &[0], &[1.0, 0.0]);
/// assert_eq!((hessian.matrix, hessian.asymmetry), (array![[0.0, 0.0], [0.0, 2.0]], 0.0));
/// ```
pub fn dense_hessian<'a>(loss: &dyn Loss, target: impl Into<Target<'a>>, theta: &[f64]) -> DenseHessian {
    dense_hessian_with(loss, target.into(), theta, &mut DenseWork::new(theta.len()))
}

/// Directions that share one pass: the values are computed once for all of them.
const TOGETHER: usize = 8;

/// The buffers of a dense Hessian.
pub(super) struct DenseWork {
    theta: Vec<Tangents<TOGETHER>>,
    grad: Vec<Tangents<TOGETHER>>,
    work: Workspace<Tangents<TOGETHER>>,
}

impl DenseWork {
    pub(super) fn new(n: usize) -> Self {
        let zeros = || vec![Tangents::ZERO; n];
        Self { theta: zeros(), grad: zeros(), work: Workspace::default() }
    }

    /// Adds `share` times the rows of the Hessian of F_z to a matrix: in row p,
    /// the entries of the same stage and later ones.
    fn add_rows(
        &mut self,
        loss: &dyn Over<Tangents<TOGETHER>>,
        z: &[usize],
        stages: &[(usize, usize)],
        share: f64,
        matrix: &mut [f64],
    ) {
        let n = stages.len();
        let mut before: &[(usize, usize)] = &[];
        for together in stages.chunk_by(|p, q| p.0 == q.0).flat_map(|stage| stage.chunks(TOGETHER)) {
            self.work.wanted = Wanted::Behind(together[0].0);
            self.work.moved.clear();
            if before.first().is_some_and(|&(stage, _)| stage == together[0].0) {
                self.work.moved.extend(before.iter().chain(together).map(|&(_, p)| p));
            }
            before = together;
            for (k, &(_, p)) in together.iter().enumerate() {
                self.theta[p].du[k] = 1.0;
            }
            loss.sample_gradient(z, &self.theta, &mut self.grad, &mut self.work);
            let known = stages.partition_point(|&(stage, _)| stage < together[0].0);
            for &(_, q) in &stages[known..] {
                for (partial, &(_, p)) in self.grad[q].du.iter().zip(together) {
                    matrix[p * n + q] += share * partial;
                }
            }
            for &(_, p) in together {
                self.theta[p] = Tangents::from_f64(self.theta[p].re);
            }
        }
    }
}

/// [`dense_hessian`] with buffers that are kept.
pub(super) fn dense_hessian_with(
    loss: &dyn Loss,
    target: Target<'_>,
    theta: &[f64],
    work: &mut DenseWork,
) -> DenseHessian {
    let n = theta.len();
    assert!(n == work.theta.len() && n == loss.parameters().len(), "theta has one entry per parameter");
    for (lifted, &x) in work.theta.iter_mut().zip(theta) {
        *lifted = Tangents::from_f64(x);
    }
    // Parameters in the order of their stages.
    let mut stages: Vec<(usize, usize)> = (0..n).map(|p| (loss.stage(p), p)).collect();
    stages.sort_unstable();
    let mut entries = vec![0.0; n * n];
    let whole = loss;
    match (loss.over(), target) {
        (Some(loss), Target::Sample(z)) => work.add_rows(loss, z, &stages, 1.0, &mut entries),
        (Some(loss), Target::Mean) => {
            let batches = finite(whole);
            let share = 1.0 / batches.len() as f64;
            batches.for_each(|z| work.add_rows(loss, z, &stages, share, &mut entries));
        }
        (None, _) => {
            // One product at a time; every entry is known, whatever its stage.
            stages.iter_mut().for_each(|(stage, _)| *stage = 0);
            let (mut direction, mut product) = (vec![0.0; n], HessianProduct::new(n));
            for (p, row) in entries.chunks_exact_mut(n).enumerate() {
                direction[p] = 1.0;
                hessian_vector_product(loss, target, theta, &direction, row, &mut product);
                direction[p] = 0.0;
            }
        }
    }
    stages.sort_unstable_by_key(|&(_, p)| p);
    let asymmetry = symmetrise(&mut entries, &stages);
    DenseHessian { matrix: Array2::from_shape_vec((n, n), entries).expect("n x n entries"), asymmetry }
}

/// Rows and columns visited together, so that entries and their mirror images stay in the nearest cache.
const TILE: usize = 16;

/// Replaces H by (H + H^T)/2 and returns max |H - H^T|, NaN if that is not finite anywhere; where the stages differ,
/// only the row of the earlier one is known, and is copied.
fn symmetrise(h: &mut [f64], stages: &[(usize, usize)]) -> f64 {
    let n = stages.len();
    let (mut asymmetry, mut zero) = (0.0_f64, 0.0);
    let mut mirror = [[0.0; TILE]; TILE];
    for i_0 in (0..n).step_by(TILE) {
        let rows = TILE.min(n - i_0);
        for j_0 in (0..=i_0).step_by(TILE) {
            let columns = TILE.min(n - j_0);
            for (j, mirror) in mirror[..columns].iter_mut().enumerate() {
                mirror[..rows].copy_from_slice(&h[(j_0 + j) * n + i_0..][..rows]);
            }
            for (i, row) in h[i_0 * n..].chunks_mut(n).take(rows).enumerate() {
                let stage = stages[i_0 + i].0;
                for ((x, mirror), other) in row[j_0..][..columns].iter_mut().zip(&mut mirror).zip(&stages[j_0..]) {
                    let y = &mut mirror[i];
                    if stage < other.0 {
                        *y = *x;
                    }
                    if stage > other.0 {
                        *x = *y;
                    }
                    let difference = (*x - *y).abs();
                    asymmetry = if difference > asymmetry { difference } else { asymmetry };
                    zero += 0.0 * difference;
                    let mean = 0.5 * (*x + *y);
                    (*x, *y) = (mean, mean);
                }
            }
            if j_0 < i_0 {
                for (j, mirror) in mirror[..columns].iter().enumerate() {
                    h[(j_0 + j) * n + i_0..][..rows].copy_from_slice(&mirror[..rows]);
                }
            }
        }
    }
    if zero == 0.0 { asymmetry } else { f64::NAN }
}
