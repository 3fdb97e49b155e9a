//! Hessian-vector products by central differences of gradients, for foreign code that has nothing better.

use super::{Over, Setting, Workspace};
use crate::parameters::norm_sq;

/// The step, relative to the shortest part of theta that moves. A power of two near u^(1/3), u = 2^-53, where the
/// truncation, which falls with its square, and the rounding, which grows with its inverse, meet.
const STEP: f64 = 1.0 / 262_144.0; // 2^-18

/// What [`product_by_differences`] may be off by, relative to the product and to ||grad F|| max_i ||d_i|| / ||w_i||.
///
/// Rounding: two gradients, each right to 1024u = 2^-43 of its norm (as identities assume of foreign code), over twice
/// the step: 2^-43 2^18 = 2^-25. Truncation: h^2/6 times a third derivative of the gradient, 2^-36/6 in units where
/// theta has length 1; it stays below the same 2^-25 while that derivative is no more than 12288 times the gradient.
/// Both together are 2^-24, or 6e-8.
pub const DIFFERENCES_ERROR: f64 = 1.0 / 16_777_216.0;

/// product = (grad F_z(theta + h d) - grad F_z(theta - h d)) / 2h, about Hess F_z(theta) d. Costs two gradients.
///
/// h is 2^-18 of ||w_i|| / ||d_i|| in the block where that is least; g, which has no scale of its own, counts as no
/// shorter than 1.
///
/// # Panics
/// If the lengths differ.
///
/// ```
/// use ratecheck::loss::{DIFFERENCES_ERROR, closed::Rayleigh, product_by_differences};
/// let (loss, mut product) = (Rayleigh::new(vec![0.0, 1.0]), [0.0; 2]);
/// product_by_differences(&loss, &[0], &[1.0, 0.0], &[0.0, 1.0], &mut product);
/// assert!((product[1] - 2.0).abs() <= 2.0 * DIFFERENCES_ERROR && product[0].abs() <= 2.0 * DIFFERENCES_ERROR);
/// ```
pub fn product_by_differences(
    loss: &(impl Over<f64> + ?Sized),
    z: &[usize],
    theta: &[f64],
    direction: &[f64],
    product: &mut [f64],
) {
    let h = STEP / longest(loss, theta, direction);
    if h == f64::INFINITY {
        return product.fill(0.0); // nothing moves
    }
    let mut work = Workspace::default();
    let mut moved: Vec<f64> = theta.iter().zip(direction).map(|(x, d)| x - h * d).collect();
    let mut before = vec![0.0; theta.len()];
    loss.sample_gradient(z, &moved, &mut before, &mut work);
    for ((at, x), d) in moved.iter_mut().zip(theta).zip(direction) {
        *at = x + h * d;
    }
    loss.sample_gradient(z, &moved, product, &mut work);
    product.iter_mut().zip(&before).for_each(|(after, before)| *after = (*after - before) / (2.0 * h));
}

/// max_i ||d_i|| / ||w_i||, and ||d_g|| / max(1, ||g||).
fn longest(loss: &(impl Setting + ?Sized), theta: &[f64], direction: &[f64]) -> f64 {
    let layout = loss.parameters();
    let length = |x: &[f64]| norm_sq(x).sqrt();
    let of_block = |i: usize| length(&direction[layout.block(i)]) / length(&theta[layout.block(i)]);
    let of_g = length(&direction[layout.g()]) / length(&theta[layout.g()]).max(1.0);
    // A block of length 0 that does not move is 0/0, and `max` leaves that out; nothing else here is no number.
    (0..layout.n_blocks()).map(of_block).fold(of_g, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curvature::{HessianProduct, hessian_vector_product};
    use crate::loss::closed::ProblemJ;
    use crate::random::{Seed, normals};

    /// Against the exact product, at blocks of very different lengths: the error is what the constant says, in every
    /// direction.
    #[test]
    fn differences_are_as_good_as_they_say() {
        let loss = ProblemJ::default();
        let n = loss.parameters().len();
        let mut generator = Seed::new(5).generator("differences");
        for scale in [1e-6, 1.0, 1e6] {
            for block_alone in [false, true] {
                let mut theta = normals(n, 1.0, &mut generator);
                let mut d = normals(n, 1.0, &mut generator);
                let g = loss.parameters().g();
                theta[..g.start].iter_mut().for_each(|x| *x *= scale);
                if block_alone {
                    d[g].fill(0.0);
                } else {
                    d[..g.start].iter_mut().for_each(|x| *x *= scale);
                }
                let (mut exact, mut found, mut grad) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
                hessian_vector_product(&loss, &[0], &theta, &d, &mut exact, &mut HessianProduct::new(n));
                product_by_differences(&loss, &[0], &theta, &d, &mut found);
                loss.sample_gradient(&[0], &theta, &mut grad, &mut Workspace::default());
                let gap: Vec<f64> = exact.iter().zip(&found).map(|(x, y)| x - y).collect();
                let size = norm_sq(&exact).sqrt() + norm_sq(&grad).sqrt() * longest(&loss, &theta, &d);
                assert!(norm_sq(&gap).sqrt() <= DIFFERENCES_ERROR * size, "{scale:e}: {gap:?} of {size:e}");
            }
        }
    }

    #[test]
    fn nothing_moves_along_nothing() {
        let (loss, mut product) = (ProblemJ::default(), [f64::NAN; 5]);
        product_by_differences(&loss, &[0], &[1.0; 5], &[0.0; 5], &mut product);
        assert_eq!(product, [0.0; 5]);
    }
}
