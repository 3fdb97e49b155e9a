//! Stochastic gradient descent: Lemmas B.1 to B.4, Theorem 4.2, Remark 4.1. The notation is that of the module above.

use super::{Constant, Factors, larger};
use crate::scalar::Scalar;

/// D_i = 2 eta_w^2 LA_i^2 + eta_w^4 LA_i^4/n_0^2, Lemma B.3.
///
/// ```
/// assert_eq!(ratecheck::bounds::d_w(2.0, 3.0, 4.0), 153.0); // 2 * 36 + 36^2/16
/// ```
pub fn d_w<S: Scalar>(eta_w: f64, l_a: S, n_start: S) -> S {
    Factors::ONE.d_w(eta_w, l_a, n_start)
}

/// Lemma B.3, a bound of n_T = ||w_T||^2: sqrt(n_0^2 + H_T(2 alpha) D_i).
///
/// ```
/// assert_eq!(ratecheck::bounds::lemma_b3_norm_sq(4.0, 3.0, 3.0), 5.0); // sqrt(16 + 9)
/// ```
pub fn lemma_b3_norm_sq<S: Scalar>(n_start: S, d_w: S, h_2alpha: S) -> S {
    (n_start * n_start + h_2alpha * d_w).sqrt()
}

/// psi_i(T) = eta_{w,T}/sqrt(n_0^2 + H_T(2 alpha) D_i), Lemma B.3: at most the effective learning rate eta_{w,T}/n_T.
/// `eta_w_end` is eta_{w,T} = eta_w (T+1)^(-alpha).
///
/// ```
/// assert_eq!(ratecheck::bounds::psi(10.0, 4.0, 3.0, 3.0), 2.0);
/// ```
pub fn psi<S: Scalar>(eta_w_end: f64, n_start: S, d_w: S, h_2alpha: S) -> S {
    Factors::ONE.psi(eta_w_end, n_start, d_w, h_2alpha)
}

/// Remark 4.1, the two sides of eta_{w,T}/n_T for alpha > 1/2 and every T:
/// eta_{w,T}/sqrt(n_0^2 + zeta(2 alpha) D_i) and eta_{w,T}/n_0. `zeta_2alpha` is zeta(2 alpha) = H_T as T -> infinity.
///
/// ```
/// assert_eq!(ratecheck::bounds::remark_4_1(10.0, 4.0, 3.0, 3.0), (2.0, 2.5));
/// ```
pub fn remark_4_1<S: Scalar>(eta_w_end: f64, n_start: S, d_w: S, zeta_2alpha: S) -> (S, S) {
    (psi(eta_w_end, n_start, d_w, zeta_2alpha), S::from_f64(eta_w_end) / n_start)
}

/// Lemma B.1, a bound of sum_{t=1..T} a_t/A_{t-1} with A_s = a_0 + .. + a_s, for a_0 > 0 and 0 <= a_t <= B (t >= 1; a_0
/// may be larger): log2(A_{T-1}/a_0) + 1 + 2B/a_0. `sum_before_last` is A_{T-1}.
///
/// ```
/// assert_eq!(ratecheck::bounds::lemma_b1(2.0, 3.0, 16.0), 7.0); // 3 + 1 + 3
/// ```
pub fn lemma_b1(a_start: f64, b: f64, sum_before_last: f64) -> f64 {
    Factors::ONE.lemma_b1(a_start, b, sum_before_last)
}

/// A sharper form of Lemma B.1, derived in the claim `lemma-b.1-sharp`: ln(A_{T-1}/a_0) + B/a_0.
///
/// ```
/// assert_eq!(ratecheck::bounds::lemma_b1_sharp(2.0, 3.0, 2.0), 1.5); // an equality for T = 1, a_1 = B
/// ```
pub fn lemma_b1_sharp<S: Scalar>(a_start: S, b: S, sum_before_last: S) -> S {
    Factors::ONE.lemma_b1_sharp(a_start, b, sum_before_last)
}

/// sum_i S_i + R of Lemma B.2, whose expectation bounds E L_T - L_0. Per block, `descent[i]` is the sum over t of e_t
/// ||grad_{v_i} L_t||^2 and `noise[i]` that of e_t^2 ||grad_{v_i} F_t||^2, e_t = eta_{w,t}/n_t; `descent_g` is the sum
/// of eta_{g,t} ||grad_g L_t||^2 and `eta_g_sq` that of eta_{g,t}^2. With U = [`u_noise`], which holds G_g^2 already:
/// sum_i (-descent_i + C_i noise_i) - (c/2) descent_g + U eta_g_sq.
///
/// ```
/// use ratecheck::bounds::lemma_b2;
/// assert_eq!(lemma_b2(&[2.0], &[3.0], &[4.0], 0.5, 8.0, 10.0, 0.5), 13.0); // -2 + 12 - 2 + 5
/// ```
///
/// # Panics
/// If the slices differ in length.
pub fn lemma_b2(
    descent: &[f64],
    c_w: &[f64],
    noise: &[f64],
    c_g: f64,
    descent_g: f64,
    u_noise: f64,
    eta_g_sq: f64,
) -> f64 {
    Factors::ONE.lemma_b2(descent, c_w, noise, c_g, descent_g, u_noise, eta_g_sq)
}

/// (23), Lemma B.4, a bound of sum_{t<T} (eta_{w,t}^2/n_t) ||grad_{w_i} F||^2 on every path, in what that path's norm
/// has grown to: log2(n_T/n_0) + 1 + 2 eta_w^2 LA_i^2/n_0^2.
///
/// ```
/// assert_eq!(ratecheck::bounds::lemma_b4(1.0, 2.0, 2.0, 8.0), 5.0); // 2 + 1 + 2 * 4/4
/// ```
pub fn lemma_b4(eta_w: f64, l_a: f64, n_start: f64, n_end: f64) -> f64 {
    Factors::ONE.lemma_b4(eta_w, l_a, n_start, n_end)
}

/// 2 eta_w^2 LA_i^2/n_0^2, Lemma B.1's 2B/a_0 as Lemma B.4 has it: n starts at a_0 = n_0 and grows by eta_{w,t}^2
/// ||grad_{w_i} F||^2 in a step, at most B = eta_w^2 LA_i^2/n_0.
fn first_step(eta_w: f64, l_a: f64, n_start: f64) -> f64 {
    let step = eta_w * l_a;
    2.0 * (step * step / n_start) / n_start
}

/// Lam_i = (1/2) log2(1 + H_T(2 alpha) D_i/n_0^2), a bound of log2(n_T/n_0) by Lemma B.3.
///
/// ```
/// assert_eq!(ratecheck::bounds::lam(2.0, 6.0, 10.0), 2.0); // log2(16)/2
/// ```
pub fn lam(n_start: f64, d_w: f64, h_2alpha: f64) -> f64 {
    Factors::ONE.lam(n_start, d_w, h_2alpha)
}

/// U = (1/2)(1 + c/2) Lg G_g^2, Lemma B.2; `noise_g` is G_g, which bounds the noise of grad_g.
///
/// ```
/// assert_eq!(ratecheck::bounds::u_noise(4.0, 0.5, 2.0), 10.0);
/// ```
pub fn u_noise(l_gg: f64, c_g: f64, noise_g: f64) -> f64 {
    Factors::ONE.u_noise(l_gg, c_g, noise_g)
}

/// C_i (Lam_i + 1 + 2 eta_w^2 LA_i^2/n_0^2): what block i adds to Br in Theorem 4.2.
///
/// ```
/// assert_eq!(ratecheck::bounds::theorem_4_2_block(3.0, 2.0, 2.0, 1.0, 2.0), 15.0); // 3 (2 + 1 + 2)
/// ```
pub fn theorem_4_2_block(c_w: f64, lam: f64, eta_w: f64, l_a: f64, n_start: f64) -> f64 {
    Factors::ONE.theorem_4_2_block(c_w, lam, eta_w, l_a, n_start)
}

/// Br = Delta + sum_i C_i (Lam_i + 1 + 2 eta_w^2 LA_i^2/n_0^2) + U eta_g^2 H_T(1), Theorem 4.2; `blocks` are the terms
/// [`theorem_4_2_block`].
///
/// ```
/// assert_eq!(ratecheck::bounds::theorem_4_2(1.0, &[15.0, 2.0], 10.0, 0.5, 1.5), 21.75); // 1 + 17 + 3.75
/// ```
pub fn theorem_4_2(gap: f64, blocks: &[f64], u_noise: f64, eta_g: f64, h_1: f64) -> f64 {
    Factors::ONE.theorem_4_2(gap, blocks, u_noise, eta_g, h_1)
}

/// The left-hand side of Theorem 4.2's sharper form, at most Br = [`theorem_4_2`]:
/// sum_i psi_i sum_{t<T} E||grad_{v_i} L||^2 + (c/2) eta_g T^(-1/2) sum_{t<T} E||grad_g L||^2.
///
/// ```
/// use ratecheck::bounds::theorem_4_2_left;
/// assert_eq!(theorem_4_2_left(4, &[2.0, 1.0], &[3.0, 5.0], 0.5, 4.0, 6.0), 14.0); // 6 + 5 + 0.5 * 6
/// ```
///
/// # Panics
/// If the slices differ in length.
pub fn theorem_4_2_left(
    n_steps: u64,
    psi: &[f64],
    sum_grad_v_sq: &[f64],
    c_g: f64,
    eta_g: f64,
    sum_grad_g_sq: f64,
) -> f64 {
    Factors::ONE.theorem_4_2_left(n_steps, psi, sum_grad_v_sq, c_g, eta_g, sum_grad_g_sq)
}

/// Psi = min(min_i psi_i, (c/2) eta_g T^(-1/2)), Theorem 4.2.
///
/// ```
/// use ratecheck::bounds::theorem_4_2_psi;
/// assert_eq!(theorem_4_2_psi(4, &[2.0, 1.0], 0.5, 4.0), 0.5);
/// assert_eq!(theorem_4_2_psi(4, &[2.0, 0.25], 0.5, 4.0), 0.25);
/// ```
pub fn theorem_4_2_psi(n_steps: u64, psi: &[f64], c_g: f64, eta_g: f64) -> f64 {
    Factors::ONE.theorem_4_2_psi(n_steps, psi, c_g, eta_g)
}

/// Theorem 4.2 (13), a bound of min_{t<T} E||grad L(V_t; g_t)||^2: Br/(T Psi).
///
/// ```
/// assert_eq!(ratecheck::bounds::theorem_4_2_min(4, 6.0, 0.5), 3.0);
/// ```
pub fn theorem_4_2_min(n_steps: u64, br: f64, psi: f64) -> f64 {
    Factors::ONE.theorem_4_2_min(n_steps, br, psi)
}

/// The same bounds with every constant times its factor.
impl Factors {
    /// (c/2) eta_g T^(-1/2): what psi_i is for g.
    fn psi_g(&self, n_steps: u64, c_g: f64, eta_g: f64) -> f64 {
        self.times(Constant::PsiG, 0.5 * c_g * eta_g / (n_steps as f64).sqrt())
    }

    /// [`d_w`].
    pub fn d_w<S: Scalar>(&self, eta_w: f64, l_a: S, n_start: S) -> S {
        let eta_w = S::from_f64(eta_w);
        let move_sq = eta_w * eta_w * l_a * l_a;
        let fourth = move_sq * move_sq / (n_start * n_start);
        let square = self.times(Constant::DSquare, move_sq.scale(2.0));
        self.times(Constant::D, square + self.times(Constant::DFourth, fourth))
    }

    /// [`lemma_b1`].
    pub fn lemma_b1(&self, a_start: f64, b: f64, sum_before_last: f64) -> f64 {
        self.times(Constant::LogB1, libm::log2(sum_before_last / a_start))
            + self.times(Constant::OneB1, 1.0)
            + self.times(Constant::StepB1, 2.0 * b / a_start)
    }

    /// [`lemma_b1_sharp`].
    pub fn lemma_b1_sharp<S: Scalar>(&self, a_start: S, b: S, sum_before_last: S) -> S {
        self.times(Constant::LnB1, (sum_before_last / a_start).ln()) + self.times(Constant::StepB1Sharp, b / a_start)
    }

    /// [`lemma_b2`].
    #[allow(clippy::too_many_arguments)] // the formula has that many ingredients
    pub fn lemma_b2(
        &self,
        descent: &[f64],
        c_w: &[f64],
        noise: &[f64],
        c_g: f64,
        descent_g: f64,
        u_noise: f64,
        eta_g_sq: f64,
    ) -> f64 {
        assert!(descent.len() == c_w.len() && c_w.len() == noise.len(), "one entry per block");
        let blocks: f64 = descent
            .iter()
            .zip(c_w)
            .zip(noise)
            .map(|((descent, c), noise)| c * noise - self.times(Constant::DescentW, *descent))
            .sum();
        blocks - self.times(Constant::DescentG, 0.5 * c_g * descent_g) + u_noise * eta_g_sq
    }

    /// [`lemma_b4`].
    pub fn lemma_b4(&self, eta_w: f64, l_a: f64, n_start: f64, n_end: f64) -> f64 {
        let step = first_step(eta_w, l_a, n_start);
        self.times(Constant::LogB4, libm::log2(n_end / n_start))
            + self.times(Constant::OneB4, 1.0)
            + self.times(Constant::StepB4, step)
    }

    /// [`lam`].
    pub fn lam(&self, n_start: f64, d_w: f64, h_2alpha: f64) -> f64 {
        self.times(Constant::Lam, 0.5 * libm::log2(1.0 + h_2alpha * d_w / (n_start * n_start)))
    }

    /// [`u_noise`].
    pub fn u_noise(&self, l_gg: f64, c_g: f64, noise_g: f64) -> f64 {
        let shares = self.times(Constant::UHalf, 1.0) + self.times(Constant::UQuarter, 0.5 * c_g);
        self.times(Constant::U, 0.5 * shares * l_gg * noise_g * noise_g)
    }

    /// [`theorem_4_2_block`].
    pub fn theorem_4_2_block(&self, c_w: f64, lam: f64, eta_w: f64, l_a: f64, n_start: f64) -> f64 {
        let step = first_step(eta_w, l_a, n_start);
        c_w * (lam + self.times(Constant::One42, 1.0) + self.times(Constant::Step42, step))
    }

    /// [`theorem_4_2`].
    pub fn theorem_4_2(&self, gap: f64, blocks: &[f64], u_noise: f64, eta_g: f64, h_1: f64) -> f64 {
        let noise = blocks.iter().sum::<f64>() + u_noise * eta_g * eta_g * h_1;
        self.times(Constant::Br, self.times(Constant::Gap42, gap) + noise)
    }

    /// [`theorem_4_2_left`].
    pub fn theorem_4_2_left(
        &self,
        n_steps: u64,
        psi: &[f64],
        sum_grad_v_sq: &[f64],
        c_g: f64,
        eta_g: f64,
        sum_grad_g_sq: f64,
    ) -> f64 {
        assert_eq!(psi.len(), sum_grad_v_sq.len(), "one entry per block");
        let blocks: f64 = psi.iter().zip(sum_grad_v_sq).map(|(psi, sum)| psi * sum).sum();
        blocks + self.psi_g(n_steps, c_g, eta_g) * sum_grad_g_sq
    }

    /// [`theorem_4_2_psi`].
    pub fn theorem_4_2_psi(&self, n_steps: u64, psi: &[f64], c_g: f64, eta_g: f64) -> f64 {
        psi.iter().fold(self.psi_g(n_steps, c_g, eta_g), |x, &y| -larger(-x, -y))
    }

    /// [`theorem_4_2_min`].
    pub fn theorem_4_2_min(&self, n_steps: u64, br: f64, psi: f64) -> f64 {
        self.times(Constant::Min42, br / (n_steps as f64 * psi))
    }

    /// [`psi`].
    pub fn psi<S: Scalar>(&self, eta_w_end: f64, n_start: S, d_w: S, h_2alpha: S) -> S {
        self.times(Constant::Psi, S::from_f64(eta_w_end) / lemma_b3_norm_sq(n_start, d_w, h_2alpha))
    }
}
