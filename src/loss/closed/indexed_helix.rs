//! The helix indexed by the number of steps: the family on which the rate T^{-1/2} is sharp.

use super::TWO_OVER_SQRT_3;
use super::helix::{helix_loss, valley};
use crate::loss::{Formula, Minibatches, Workspace};
use crate::parameters::Parameters;
use crate::scalar::{Scalar, vectorised_for};
use crate::smoothness::{Exact, Smoothness};

/// L = h(g) + k (1 - v'(cos g, sin g)) with h' = -s sech^2(g/l), w in R^2, one g in all of R (catalogue C(i)).
///
/// h = s l (1 - tanh(g/l)). With s = T^{-1/2} and l = 4 T^{1/2} the slope is s for as long as T steps last, so that no
/// step of gradient descent has a gradient much below s/sqrt(2): the rate -1/2 of Theorem 3.1 is sharp on this family.
///
/// Constants: 2 k/sqrt(3) and k as for [`super::HelixValley`]; gg is h'' + k v'u with h'' = 2 (s/l) sech^2 tanh, at
/// most (4/(3 sqrt(3))) s/l at tanh(g/l) = 1/sqrt(3), so k + 0.7698 s/l.
///
/// ```
/// use ratecheck::loss::{Over, closed::TIndexedHelix};
/// let loss = TIndexedHelix::for_steps(100); // s = 0.1, l = 40
/// assert_eq!(loss.sample_loss(&[0], &[1.0, 0.0, 0.0]), 4.0);
/// ```
#[derive(Clone, Debug)]
pub struct TIndexedHelix {
    s: f64,
    l: f64,
    k: f64,
    layout: Parameters,
    z: Minibatches,
}

impl TIndexedHelix {
    /// Slope s, length l of the ramp and depth k of the valley.
    ///
    /// # Panics
    /// If one of them is not positive and finite.
    pub fn new(s: f64, l: f64, k: f64) -> Self {
        assert!([s, l, k].iter().all(|x| *x > 0.0 && x.is_finite()), "s, l and k must be positive");
        Self { s, l, k, layout: Parameters::new([("w", 2)], 1), z: Minibatches::full(1) }
    }

    /// The catalogue's family: s = T^{-1/2}, l = 4 T^{1/2}, k = 1.
    ///
    /// # Panics
    /// If T = 0.
    pub fn for_steps(n_steps: u64) -> Self {
        let root = (n_steps as f64).sqrt();
        Self::new(1.0 / root, 4.0 * root, 1.0)
    }

    /// w_0 = (1, 0), g_0 = 0: on the floor of the valley, where the ramp begins; the catalogue names no start.
    pub fn theta_0(&self) -> Vec<f64> {
        vec![1.0, 0.0, 0.0]
    }

    /// 2 k/sqrt(3), k and k + (4/(3 sqrt(3))) s/l.
    pub fn constants(&self) -> Smoothness<Exact> {
        let l_gg = self.k + TWO_OVER_SQRT_3 * (2.0 / 3.0) * self.s / self.l;
        Smoothness::single(Exact(TWO_OVER_SQRT_3 * self.k), Exact(self.k), Exact(l_gg))
    }

    /// The infimum, 0.
    pub fn loss_min(&self) -> f64 {
        0.0
    }
}

impl TIndexedHelix {
    /// The drift's value and its slope in g.
    #[inline(always)]
    fn drift<S: Scalar>(&self, g: S) -> (S, S) {
        // Compiled for the vector units there are: fused multiply-adds are instructions then.
        vectorised_for::<S, _>(
            #[inline(always)]
            || {
                // 1 - tanh x = 2 sigmoid(-2x) and sech^2 x = 4 sigmoid(2x) sigmoid(-2x): no cancellation for large x.
                let twice = g.scale(2.0 / self.l);
                let ahead = (-twice).sigmoid();
                (ahead.scale(2.0 * self.s * self.l), (ahead * twice.sigmoid()).scale(-4.0 * self.s))
            },
        )
    }
}

helix_loss!(TIndexedHelix);
