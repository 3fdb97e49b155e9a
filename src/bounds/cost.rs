//! What the learning rate of W costs in Theorem 3.1: bounds that replace 4A(A + ..), derived at the claim
//! `cost-of-eta`. The notation is that of the module above.

use super::{Constant, Factors, larger};
use crate::scalar::Scalar;

/// tanh(pi/2) and 2 ln cosh(pi/2), as multiples of L: the largest gradient M of a scale-invariant block, and osc, what
/// the loss can rise by on its sphere.
fn multiples() -> [f64; 2] {
    let half_pi = std::f64::consts::FRAC_PI_2;
    let cosh = 0.5 * (Scalar::exp(half_pi) + Scalar::exp(-half_pi));
    [Scalar::tanh(half_pi), 2.0 * Scalar::ln(cosh)]
}

/// The constants of one block: C_i, Lii and n_0.
#[derive(Clone, Copy, Debug)]
pub struct BlockCost {
    /// C_i of Lemma 3.2.
    pub c_w: f64,
    /// Lii.
    pub l_vv: f64,
    /// ||w_i||^2 at the start.
    pub n_start: f64,
}

/// D = Delta + sum_i max(C_i, osc_i)(1 + log2(2 C_i e/n_0)) over blocks with n_0 <= 2 C_i e; osc_i = 2 ln cosh(pi/2) Lii.
///
/// ```
/// use ratecheck::bounds::{BlockCost, cost_rise};
/// let block = BlockCost { c_w: 4.0, l_vv: 1.0, n_start: 1.0 };
/// assert_eq!(cost_rise(0.5, &[block], 1.0), 16.5); // 1/2 + 4 (1 + log2 8)
/// assert_eq!(cost_rise(0.5, &[block], 0.1), 0.5); // no first phase
/// ```
pub fn cost_rise(gap: f64, blocks: &[BlockCost], eta_w: f64) -> f64 {
    Factors::ONE.cost_rise(gap, blocks, eta_w)
}

/// sum_{t<T} ||grad_V L||^2 <= sum_i (2 C_i^2 + M_i^2) + 2D(max_i N_i/e + D), the first sum over blocks with n_0 <= 2
/// C_i e, with N_i = max(n_0 + e^2 M_i^2/n_0, 2 C_i e + e M_i^2/(2 C_i)) there and n_0 elsewhere; M_i = tanh(pi/2) Lii.
///
/// ```
/// use ratecheck::bounds::{BlockCost, cost_sum_v};
/// let block = BlockCost { c_w: 4.0, l_vv: 1.0, n_start: 1.0 };
/// assert_eq!(cost_sum_v(0.5, &[block], 0.1), 10.5); // without a first phase: 2/2 (1/0.1 + 1/2)
/// ```
pub fn cost_sum_v(gap: f64, blocks: &[BlockCost], eta_w: f64) -> f64 {
    Factors::ONE.cost_sum_v(gap, blocks, eta_w)
}

/// sum_{t<T} ||grad_g L||^2 <= 2D/(c eta_g).
///
/// ```
/// assert_eq!(ratecheck::bounds::cost_sum_g(3.0, 0.5, 0.25), 48.0);
/// ```
pub fn cost_sum_g(rise: f64, c_g: f64, eta_g: f64) -> f64 {
    Factors::ONE.cost_sum_g(rise, c_g, eta_g)
}

/// One block without g, where C = L/2: [L^2/2 + M^2] + 2 osc (N/e + osc), the bracket and N as in [`cost_sum_v`].
pub fn cost_one_block(l_vv: f64, n_start: f64, eta_w: f64) -> f64 {
    Factors::ONE.cost_one_block(l_vv, n_start, eta_w)
}

impl Factors {
    /// N_i, and what phase 1 adds.
    fn first_phase(&self, block: BlockCost, eta_w: f64) -> [f64; 2] {
        let BlockCost { c_w, l_vv, n_start } = block;
        let edge = 2.0 * c_w * eta_w;
        if n_start > edge {
            return [n_start, 0.0];
        }
        let m = multiples()[0] * l_vv;
        let jump = |n: f64| n + self.times(Constant::CostJump, eta_w * eta_w * m * m / n);
        [larger(jump(n_start), jump(edge)), self.times(Constant::CostPhase, 2.0 * c_w * c_w + m * m)]
    }

    /// [`cost_rise`].
    pub fn cost_rise(&self, gap: f64, blocks: &[BlockCost], eta_w: f64) -> f64 {
        let block = |block: &BlockCost| {
            let doublings = Scalar::ln(2.0 * block.c_w * eta_w / block.n_start) / std::f64::consts::LN_2;
            if doublings < 0.0 {
                return 0.0;
            }
            let osc = multiples()[1] * block.l_vv;
            larger(block.c_w, osc) * (self.times(Constant::CostOne, 1.0) + self.times(Constant::CostLog, doublings))
        };
        self.times(Constant::CostGap, gap) + blocks.iter().map(block).sum::<f64>()
    }

    /// [`cost_sum_v`].
    pub fn cost_sum_v(&self, gap: f64, blocks: &[BlockCost], eta_w: f64) -> f64 {
        let d = self.cost_rise(gap, blocks, eta_w);
        let (mut first, mut largest) = (0.0, 0.0);
        for &block in blocks {
            let [n, phase] = self.first_phase(block, eta_w);
            first += phase;
            largest = larger(largest, n);
        }
        first + self.times(Constant::CostSum, 2.0 * d * (largest / eta_w + d))
    }

    /// [`cost_sum_g`].
    pub fn cost_sum_g(&self, rise: f64, c_g: f64, eta_g: f64) -> f64 {
        self.times(Constant::CostSumG, 2.0 * rise / (c_g * eta_g))
    }

    /// [`cost_one_block`].
    pub fn cost_one_block(&self, l_vv: f64, n_start: f64, eta_w: f64) -> f64 {
        let osc = self.times(Constant::CostOsc, multiples()[1] * l_vv);
        let [n, phase] = self.first_phase(BlockCost { c_w: 0.5 * l_vv, l_vv, n_start }, eta_w);
        phase + 2.0 * osc * (n / eta_w + osc)
    }
}
