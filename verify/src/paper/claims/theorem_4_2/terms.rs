//! The right-hand sides of Theorem 4.2, and the left one of its sharper form.

use ratecheck::bounds::Factors;
use ratecheck::descent::Schedule;
use ratecheck::rates::partial_zeta;

use super::C;
use crate::claim::evidence::Unevaluated;

/// What the right-hand side is made of; vectors have an entry per block.
pub(super) struct Terms {
    /// Delta.
    pub(super) gap: f64,
    /// C_i.
    pub(super) c_w: Vec<f64>,
    /// LA_i.
    pub(super) l_a: Vec<f64>,
    /// n_i at the start.
    pub(super) n_start: Vec<f64>,
    /// U.
    pub(super) u: f64,
    pub(super) eta_w: f64,
    pub(super) alpha: f64,
    pub(super) eta_g: f64,
    /// Br without its noise terms is Delta.
    pub(super) noise_terms: bool,
    /// What the constants are multiplied by.
    pub(super) factors: Factors,
}

/// The right-hand sides at one T.
pub(super) struct Bound {
    /// psi_i.
    pub(super) psi: Vec<f64>,
    /// Br, for the sharper form.
    pub(super) br: f64,
    /// Br/(T Psi).
    pub(super) min: f64,
}

impl Terms {
    /// At T.
    pub(super) fn bound(&self, n_steps: u64) -> Result<Bound, Unevaluated> {
        let h_2alpha = partial_zeta(n_steps, 2.0 * self.alpha);
        let end = Schedule::new(self.eta_w, self.alpha)?.at(n_steps);
        let (mut psi, mut blocks) = (Vec::new(), Vec::new());
        for ((&c_w, &l_a), &n_start) in self.c_w.iter().zip(&self.l_a).zip(&self.n_start) {
            let d_w = self.factors.d_w(self.eta_w, l_a, n_start);
            psi.push(self.factors.psi(end, n_start, d_w, h_2alpha));
            let lam = self.factors.lam(n_start, d_w, h_2alpha);
            blocks.push(self.factors.theorem_4_2_block(c_w, lam, self.eta_w, l_a, n_start));
        }
        let br = if self.noise_terms {
            self.factors.theorem_4_2(self.gap, &blocks, self.u, self.eta_g, partial_zeta(n_steps, 1.0))
        } else {
            self.gap
        };
        // Without a g there is nothing else to take the minimum with.
        let eta_g = if self.eta_g > 0.0 { self.eta_g } else { f64::INFINITY };
        let all = self.factors.theorem_4_2_psi(n_steps, &psi, C, eta_g);
        Ok(Bound { min: self.factors.theorem_4_2_min(n_steps, br, all), psi, br })
    }
}

/// The left-hand side of the sharper form.
pub(super) fn left(factors: &Factors, n_steps: u64, psi: &[f64], sum_v: &[f64], eta_g: f64, sum_g: f64) -> f64 {
    factors.theorem_4_2_left(n_steps, psi, sum_v, C, eta_g, sum_g)
}
