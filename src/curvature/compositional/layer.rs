//! One layer of smoothed batch normalisation: bounds on its first and second derivatives.

use super::Up;

/// Bounds on the derivatives of Y = (gamma_k xhat_k + beta_k)_k, the output of one layer of smoothed BN on a minibatch
/// of B, with m units and unit rows w_k.
///
/// **Setting.** X is n x B, the layer's input. Unit k has q_k = (C X'w_k/sqrt(B), sqrt(epsilon) w_k) in R^(B+n), where
/// C takes the mean off, so that ||q_k||^2 = w'Sw + epsilon ||w||^2; with N(q) = q/||q||, xhat_k is sqrt(B) times the
/// first B components of N(q_k). Three facts about N, with n = N(q) and P = I - nn': DN(q) u = Pu/||q||, hence ||DN||
/// = 1/||q||; D^2N(q)\[u, u\] = -(2 (n'u) Pu + ||Pu||^2 n)/||q||^2. For a unit u at the angle phi to n its squared
/// norm is (4 cos^2 sin^2 + sin^4)/||q||^4, at most 4/3 (at sin^2 = 2/3), and the norm of a symmetric bilinear map is
/// attained on the diagonal: ||D^2N|| = (2/sqrt 3)/||q||^2.
///
/// **Arguments.** K bounds ||gamma||_2; `largest` and `smallest` bound the eigenvalues of the inputs' covariance S, so
/// that qm^2 = smallest + epsilon <= ||q_k||^2 and M^2 = largest + epsilon. A unit direction of an earlier parameter p
/// moves X by at most x1_p, a pair of directions of p and r bends it by at most x2_pr, both in the Frobenius norm.
/// Then q_k moves by at most ||(DX)'w_k||/sqrt(B) <= x1_p/sqrt(B), and bends by at most x2_pr/sqrt(B). Along a unit
/// change of its row w_k, q_k moves by (C X'dw/sqrt(B), sqrt(epsilon) dw), of norm at most M, and bends by 0 (it is
/// linear in w), or by at most x1_p/sqrt(B) along p and w_k together. The chain rule gives every bound below; over the
/// units the squares of |gamma_k| add up to at most K^2.
///
/// Parameters p, r come before the layer; w is one row of the layer (or all of them: other units do not depend on it,
/// so the bounds hold for the whole matrix as well), g its (gamma, beta). Norms of Y are Frobenius norms.
///
/// ```
/// use ratecheck::curvature::{BnLayer, Up};
/// let layer = BnLayer::new(3.0, 16, Up::new(3.0), 0.0, 1.0); // K = 3, B = 16, M = 2, qm = 1
/// let near = |bound: Up, exact: f64| bound.value() >= exact && bound.value() < exact * (1.0 + 1e-14);
/// assert!(near(layer.row(), 24.0)); // K sqrt(B) M/qm
/// ```
#[derive(Clone, Copy, Debug)]
pub struct BnLayer {
    scale: Up,
    root_batch: Up,
    root_batch_inverse: Up,
    spread: Up,
    inverse: Up,
}

/// 2/sqrt(3): the norm of D^2N at ||q|| = 1.
fn bend() -> Up {
    Up::new(4.0).over(3.0).sqrt()
}

impl BnLayer {
    /// The layer with ||gamma|| <= `scale`, minibatches of `batch_size`, the eigenvalues of the inputs' covariance in
    /// \[`smallest`, `largest`\], and smoothing `epsilon`.
    ///
    /// # Panics
    /// If a number is negative or not a number, or `smallest` + `epsilon` or the batch size is 0.
    pub fn new(scale: f64, batch_size: usize, largest: Up, smallest: f64, epsilon: f64) -> Self {
        assert!(smallest >= 0.0, "an eigenvalue of a covariance is not {smallest}");
        let batch = batch_size as f64;
        Self {
            scale: Up::new(scale),
            root_batch: Up::new(batch).sqrt(),
            root_batch_inverse: Up::new(1.0).over(batch).sqrt(),
            spread: (largest + Up::new(epsilon)).sqrt(),
            // A sum of non-negative numbers, one of which is not 0, is at least the larger one.
            inverse: Up::new(1.0).over((smallest + epsilon).next_down().max(epsilon)).sqrt(),
        }
    }

    /// A\[p\] = K x1_p/qm bounds ||D_p Y||.
    pub fn through(&self, x1: Up) -> Up {
        self.scale * x1 * self.inverse
    }

    /// A\[w\] = K sqrt(B) M/qm bounds ||D_w Y||.
    pub fn row(&self) -> Up {
        self.scale * self.root_batch * self.spread * self.inverse
    }

    /// A\[g\] = sqrt(B) bounds ||D_g Y||: dgamma_k xhat_k and dbeta_k are orthogonal, and ||xhat_k||^2 <= B.
    pub fn scales(&self) -> Up {
        self.root_batch
    }

    /// A2\[p,r\] = K (x2_pr/qm + (2/sqrt 3) x1_p x1_r/(sqrt(B) qm^2)) bounds ||D_p D_r Y||.
    pub fn through_pair(&self, x1_p: Up, x1_r: Up, x2: Up) -> Up {
        let bent = bend() * x1_p * x1_r * self.root_batch_inverse * self.inverse.square();
        self.scale * (x2 * self.inverse + bent)
    }

    /// A2\[p,w\] = K (x1_p/qm + (2/sqrt 3) x1_p M/qm^2) bounds ||D_p D_w Y||.
    pub fn through_row(&self, x1: Up) -> Up {
        let bent = bend() * x1 * self.spread * self.inverse.square();
        self.scale * (x1 * self.inverse + bent)
    }

    /// A2\[w,w\] = K sqrt(B) (2/sqrt 3) M^2/qm^2 bounds ||D_w D_w Y|| for one row. For two different rows it is 0.
    pub fn row_row(&self) -> Up {
        self.scale * self.root_batch * bend() * (self.spread * self.inverse).square()
    }

    /// A2\[p,g\] = x1_p/qm bounds ||D_p D_g Y||: dgamma_k D_p xhat_k, with the squares of dgamma_k adding up to at
    /// most 1.
    pub fn through_scales(&self, x1: Up) -> Up {
        x1 * self.inverse
    }

    /// A2\[w,g\] = sqrt(B) M/qm bounds ||D_w D_g Y||. (A2\[g,g\] = 0: Y is linear in g.)
    pub fn row_scales(&self) -> Up {
        self.root_batch * self.spread * self.inverse
    }
}
