//! The spectral norms of all blocks of a Hessian at one point.

use super::hessian::{DenseWork, Target, dense_hessian_with};
use super::operator::BlockOperator;
use super::spectral::{SpectralOptions, spectral_norm};
use crate::linalg;
use crate::loss::Loss;
use crate::random::Seed;
use crate::smoothness::{Sampled, Smoothness};

/// Up to this many parameters the dense Hessian is formed; beyond, each block norm is found by products.
pub(super) const DENSE_UP_TO: usize = 2000;

/// The spectral norm of every block of the ambient Hessian at theta, as it is given: at theta~ = (V; g) these are the
/// numbers of which the constants of section 2.4 are the suprema.
///
/// Costs n Hessian-vector products and the small norms; beyond 2000 parameters, the products that each norm takes (and
/// a norm that did not converge is still at most the true one). A block that is not finite,
/// or whose norm is not found, is NaN.
///
/// # Panics
/// As [`super::hessian_vector_product`].
///
/// ```
/// use ratecheck::curvature::block_norms;
/// use ratecheck::loss::closed::BnRegression;
/// // L = g^2/2 - g c'v + |c|^2/2 at v = (1, 0), g = 2: the blocks are g [[2 c_1, c_2], [c_2, c_1]], (0, -c_2) and 1.
/// let found = block_norms(&BnRegression::new(vec![0.0, 5.0]), &[0], &[1.0, 0.0, 2.0]);
/// assert!((found.l_vv[(0, 0)].0 - 10.0).abs() < 1e-13);
/// assert!((found.l_vg[0].0 - 5.0).abs() < 1e-13 && (found.l_gg.0 - 1.0).abs() < 1e-13);
/// ```
pub fn block_norms<'a>(loss: &dyn Loss, target: impl Into<Target<'a>>, theta: &[f64]) -> Smoothness<Sampled> {
    let mut work = DenseWork::new(theta.len());
    // The seed only starts the iterations for large losses, which end at the same norm from almost every start.
    norms_at(loss, target.into(), theta, DENSE_UP_TO, &Seed::new(0), &mut work).0
}

/// [`block_norms`] with buffers that are kept, and the number of Hessian-vector products.
pub(super) fn norms_at(
    loss: &dyn Loss,
    target: Target<'_>,
    theta: &[f64],
    dense_up_to: usize,
    seed: &Seed,
    work: &mut DenseWork,
) -> (Smoothness<Sampled>, usize) {
    let layout = loss.parameters();
    if theta.len() <= dense_up_to {
        let hessian = dense_hessian_with(loss, target, theta, work);
        let norms = Smoothness::from_blocks(layout.n_blocks(), |rows, columns| {
            Sampled(linalg::spectral_norm(hessian.block(layout, rows, columns)).unwrap_or(f64::NAN))
        });
        return (norms, theta.len());
    }
    let mut products = 0;
    let norms = Smoothness::from_blocks(layout.n_blocks(), |rows, columns| {
        let mut block = BlockOperator::new(loss, target, theta, rows, columns);
        // Converged or not, the value is at most the block's norm, which is all that is promised.
        let found = spectral_norm(&mut block, &SpectralOptions::default(), seed);
        products += found.evaluations;
        Sampled(found.value)
    });
    (norms, products)
}
