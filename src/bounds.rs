//! The paper's explicit constants and right-hand sides: pure functions of numbers, one per formula, without simulation.
//!
//! Notation: c = c_g in (0, 1); Lij, Li, Lg = `l_vv`, `l_vg`, `l_gg`, the smoothness constants of section 2.4; C_i = `c_w`,
//! K_i = `k_w`, D_i = `d_w`; n_i = ||w_i||^2, with n_0 = `n_start` at time 0 and n_T = `n_end` at time T; Delta = `gap` =
//! L(theta_0) - Lmin; e = eta_w. LA = `l_a` is the constant of Lemma A.1, ||grad_{w_i} L|| <= LA_i/||w_i||: pi Lii as printed,
//! while Lii suffices (by the Euler identities). H_T(s) = sum over t = 1..T of t^(-s) is an argument.
//!
//! The formulas are those of the proofs with their misprints corrected. Every function is the formula in its doc comment,
//! evaluated as written: a relative error of a few units of rounding, and NaN in, NaN out. Slices have an entry per block.
//! Those of Lemma 3.2 are written over [`Scalar`], so that a proof can evaluate them over intervals.

use ndarray::ArrayView2;

use crate::scalar::Scalar;

/// C_i = (1/2) sum_j Lij + m Li^2/(c Lg), Lemma 3.2; `l_vv_row` is (Li1, .., Lim).
///
/// Without coupling to g (Li = 0) the second term is 0 even where Lg = 0, as for a loss without g.
///
/// ```
/// use ratecheck::bounds::c_w;
/// assert_eq!(c_w(&[2.0, 4.0], 3.0, 6.0, 0.5), 9.0); // (2 + 4)/2 + 2 * 9/(0.5 * 6)
/// assert_eq!(c_w(&[2.0], 0.0, 0.0, 0.5), 1.0);
/// ```
pub fn c_w<S: Scalar + PartialEq>(l_vv_row: &[S], l_vg: S, l_gg: S, c_g: f64) -> S {
    let coupling = if l_vg == S::ZERO { S::ZERO } else { l_vg.square().scale(l_vv_row.len() as f64) / l_gg.scale(c_g) };
    sum(l_vv_row.iter().copied()).scale(0.5) + coupling
}

fn sum<S: Scalar>(terms: impl Iterator<Item = S>) -> S {
    terms.fold(S::ZERO, |sum, term| sum + term)
}

/// 2(2-c)/((2+c)Lg): Lemma 3.2 holds for 0 < eta_g up to here.
///
/// ```
/// assert_eq!(ratecheck::bounds::eta_g_limit(3.0, 0.5), 0.4); // 2 * 1.5/(2.5 * 3)
/// ```
pub fn eta_g_limit<S: Scalar>(l_gg: S, c_g: f64) -> S {
    // 2 - c and 2 + c are divided as they are: neither need be a floating-point number.
    let c = S::from_f64(c_g);
    let two = S::from_f64(2.0);
    (two - c).scale(2.0) / ((two + c) * l_gg)
}

/// 2(1-c)/Lg, the eta_g that Theorems 3.1 and 4.2 print; below [`eta_g_limit`].
///
/// ```
/// assert_eq!(ratecheck::bounds::eta_g_printed(4.0, 0.5), 0.25);
/// ```
pub fn eta_g_printed(l_gg: f64, c_g: f64) -> f64 {
    2.0 * (1.0 - c_g) / l_gg
}

/// Lemma 3.2 (12), an upper bound of L(theta_{t+1}) - L(theta_t) for eta_g up to [`eta_g_limit`]:
/// -sum_i eta_w ||grad_{w_i} L||^2 (1 - C_i eta_w/n_i) - (c/2) eta_g ||grad_g L||^2, at theta_t.
///
/// ```
/// use ratecheck::bounds::lemma_3_2;
/// assert_eq!(lemma_3_2(2.0, 0.5, 0.5, &[4.0, 2.0], &[3.0, 1.0], &[1.0, 3.0], 8.0), 0.0); // -3 + 4 - 1
/// ```
///
/// # Panics
/// If the slices differ in length.
pub fn lemma_3_2<S: Scalar>(eta_w: f64, eta_g: f64, c_g: f64, n: &[S], grad_w_sq: &[S], c_w: &[S], grad_g_sq: S) -> S {
    assert!(n.len() == grad_w_sq.len() && n.len() == c_w.len(), "one entry per block");
    let blocks =
        n.iter().zip(grad_w_sq).zip(c_w).map(|((&n, &sq), &c)| sq.scale(eta_w) * (S::ONE - c.scale(eta_w) / n));
    -sum(blocks) - grad_g_sq.scale(eta_g).scale(0.5 * c_g)
}

/// (11), a bound of sum_{t<T} ||grad_{v_i} L||^2 under a constant eta_w: n_T (n_T - n_0)/eta_w^2.
///
/// ```
/// assert_eq!(ratecheck::bounds::equation_11(0.5, 2.0, 3.0), 12.0); // 3 * 1/0.25
/// ```
pub fn equation_11(eta_w: f64, n_start: f64, n_end: f64) -> f64 {
    n_end * (n_end - n_start) / (eta_w * eta_w)
}

/// 2C_i + LA_i^2 eta_w/n_0: what (19) and K_i share.
fn first_phase(c_w: f64, l_a: f64, eta_w: f64, n_start: f64) -> f64 {
    2.0 * c_w + l_a * l_a * eta_w / n_start
}

/// K_i = (C_i eta_w/n_0 + 1/2)(2C_i + LA_i^2 eta_w/n_0), Lemma A.2.
///
/// ```
/// assert_eq!(ratecheck::bounds::k_w(3.0, 2.0, 4.0, 2.0), 91.0); // (6 + 1/2)(6 + 8)
/// ```
pub fn k_w(c_w: f64, l_a: f64, eta_w: f64, n_start: f64) -> f64 {
    (c_w * eta_w / n_start + 0.5) * first_phase(c_w, l_a, eta_w, n_start)
}

/// (19), Lemma A.2: with t_i the last tau < T at which n_i <= 2 C_i eta_w, a bound of n_i one step later,
/// n_0 + eta_w (2C_i + LA_i^2 eta_w/n_0).
///
/// ```
/// assert_eq!(ratecheck::bounds::lemma_a2_norm_sq(3.0, 2.0, 4.0, 2.0), 58.0); // 2 + 4 (6 + 8)
/// ```
pub fn lemma_a2_norm_sq(c_w: f64, l_a: f64, eta_w: f64, n_start: f64) -> f64 {
    n_start + eta_w * first_phase(c_w, l_a, eta_w, n_start)
}

/// The left-hand side of (20), at most [`lemma_a2`]: sum_i (n_T - n_0)/(2 eta_w) + (c/2) eta_g sum_{t<T} ||grad_g L||^2.
///
/// ```
/// use ratecheck::bounds::lemma_a2_left;
/// assert_eq!(lemma_a2_left(0.5, &[1.0, 2.0], &[2.0, 4.0], 0.5, 2.0, 3.0), 4.5); // (1 + 2)/1 + 0.25 * 2 * 3
/// ```
///
/// # Panics
/// If the slices differ in length.
pub fn lemma_a2_left(eta_w: f64, n_start: &[f64], n_end: &[f64], c_g: f64, eta_g: f64, sum_grad_g_sq: f64) -> f64 {
    assert_eq!(n_start.len(), n_end.len(), "one entry per block");
    let growth: f64 = n_start.iter().zip(n_end).map(|(start, end)| (end - start) / (2.0 * eta_w)).sum();
    growth + 0.5 * c_g * eta_g * sum_grad_g_sq
}

/// A = Delta + sum_i K_i: the right-hand side of (20), and the A of Theorem 3.1.
///
/// ```
/// assert_eq!(ratecheck::bounds::lemma_a2(1.0, &[2.0, 3.0]), 6.0);
/// ```
pub fn lemma_a2(gap: f64, k_w: &[f64]) -> f64 {
    gap + k_w.iter().sum::<f64>()
}

/// Theorem 3.1, a bound of sum_{t<T} ||grad_V L||^2 for every T: 4A(A + sum_i n_0/eta_w), with A from [`lemma_a2`].
///
/// ```
/// assert_eq!(ratecheck::bounds::theorem_3_1_sum_v(3.0, 0.5, &[1.0, 2.0]), 108.0); // 12 (3 + 6)
/// ```
pub fn theorem_3_1_sum_v(a: f64, eta_w: f64, n_start: &[f64]) -> f64 {
    4.0 * a * (a + n_start.iter().sum::<f64>() / eta_w)
}

/// The tighter form that the same proof gives: 2A(2A + max_i n_0/eta_w).
///
/// ```
/// assert_eq!(ratecheck::bounds::theorem_3_1_sum_v_tight(3.0, 0.5, &[1.0, 2.0]), 60.0); // 6 (6 + 4)
/// ```
pub fn theorem_3_1_sum_v_tight(a: f64, eta_w: f64, n_start: &[f64]) -> f64 {
    2.0 * a * (2.0 * a + n_start.iter().fold(0.0, |x, &y| larger(x, y)) / eta_w)
}

/// Theorem 3.1, a bound of sum_{t<T} ||grad_g L||^2 for every T: 2A/(c eta_g).
///
/// ```
/// assert_eq!(ratecheck::bounds::theorem_3_1_sum_g(3.0, 0.5, 4.0), 3.0);
/// ```
pub fn theorem_3_1_sum_g(a: f64, c_g: f64, eta_g: f64) -> f64 {
    2.0 * a / (c_g * eta_g)
}

/// Theorem 3.1 (10), a bound of min_{t<T} ||grad L(V_t; g_t)||^2: (1/T)(4A(A + sum_i n_0/eta_w) + 2A/(c eta_g)).
///
/// ```
/// assert_eq!(ratecheck::bounds::theorem_3_1_min(3, 3.0, 0.5, &[1.0, 2.0], 0.5, 4.0), 37.0); // (108 + 3)/3
/// ```
pub fn theorem_3_1_min(n_steps: u64, a: f64, eta_w: f64, n_start: &[f64], c_g: f64, eta_g: f64) -> f64 {
    (theorem_3_1_sum_v(a, eta_w, n_start) + theorem_3_1_sum_g(a, c_g, eta_g)) / n_steps as f64
}

/// The sketch of Theorem 3.1, a bound of sum_{t<T} ||grad_g L||^2: (2/(c eta_g))(L_0 - L_T + sum_i C_i n_T/n_0), where
/// `decrease` is L_0 - L_T.
///
/// ```
/// use ratecheck::bounds::sketch_sum_g;
/// assert_eq!(sketch_sum_g(1.0, 0.5, 4.0, &[2.0, 1.0], &[1.0, 4.0], &[3.0, 8.0]), 9.0); // 1 + 6 + 2
/// ```
///
/// # Panics
/// If the slices differ in length.
pub fn sketch_sum_g(decrease: f64, c_g: f64, eta_g: f64, c_w: &[f64], n_start: &[f64], n_end: &[f64]) -> f64 {
    assert!(c_w.len() == n_start.len() && c_w.len() == n_end.len(), "one entry per block");
    let growth: f64 = c_w.iter().zip(n_start).zip(n_end).map(|((c, start), end)| c * end / start).sum();
    2.0 / (c_g * eta_g) * (decrease + growth)
}

/// D_i = 2 eta_w^2 LA_i^2 + eta_w^4 LA_i^4/n_0^2, Lemma B.3.
///
/// ```
/// assert_eq!(ratecheck::bounds::d_w(2.0, 3.0, 4.0), 153.0); // 2 * 36 + 36^2/16
/// ```
pub fn d_w(eta_w: f64, l_a: f64, n_start: f64) -> f64 {
    let move_sq = eta_w * eta_w * l_a * l_a;
    2.0 * move_sq + move_sq * move_sq / (n_start * n_start)
}

/// Lemma B.3, a bound of n_T = ||w_T||^2: sqrt(n_0^2 + H_T(2 alpha) D_i).
///
/// ```
/// assert_eq!(ratecheck::bounds::lemma_b3_norm_sq(4.0, 3.0, 3.0), 5.0); // sqrt(16 + 9)
/// ```
pub fn lemma_b3_norm_sq(n_start: f64, d_w: f64, h_2alpha: f64) -> f64 {
    (n_start * n_start + h_2alpha * d_w).sqrt()
}

/// psi_i(T) = eta_{w,T}/sqrt(n_0^2 + H_T(2 alpha) D_i), Lemma B.3: at most the effective learning rate eta_{w,T}/n_T.
/// `eta_w_end` is eta_{w,T} = eta_w (T+1)^(-alpha).
///
/// ```
/// assert_eq!(ratecheck::bounds::psi(10.0, 4.0, 3.0, 3.0), 2.0);
/// ```
pub fn psi(eta_w_end: f64, n_start: f64, d_w: f64, h_2alpha: f64) -> f64 {
    eta_w_end / lemma_b3_norm_sq(n_start, d_w, h_2alpha)
}

/// Remark 4.1, the two sides of eta_{w,T}/n_T for alpha > 1/2 and every T:
/// eta_{w,T}/sqrt(n_0^2 + zeta(2 alpha) D_i) and eta_{w,T}/n_0. `zeta_2alpha` is zeta(2 alpha) = H_T as T -> infinity.
///
/// ```
/// assert_eq!(ratecheck::bounds::remark_4_1(10.0, 4.0, 3.0, 3.0), (2.0, 2.5));
/// ```
pub fn remark_4_1(eta_w_end: f64, n_start: f64, d_w: f64, zeta_2alpha: f64) -> (f64, f64) {
    (psi(eta_w_end, n_start, d_w, zeta_2alpha), eta_w_end / n_start)
}

/// Lemma B.1, a bound of sum_{t=1..T} a_t/A_{t-1} with A_s = a_0 + .. + a_s, for a_0 > 0 and 0 <= a_t <= B (t >= 1; a_0 may be
/// larger): log2(A_{T-1}/a_0) + 1 + 2B/a_0. `sum_before_last` is A_{T-1}.
///
/// ```
/// assert_eq!(ratecheck::bounds::lemma_b1(2.0, 3.0, 16.0), 7.0); // 3 + 1 + 3
/// ```
pub fn lemma_b1(a_start: f64, b: f64, sum_before_last: f64) -> f64 {
    libm::log2(sum_before_last / a_start) + 1.0 + 2.0 * b / a_start
}

/// A sharper form of Lemma B.1, derived in the claim `lemma-b.1-sharp`: ln(A_{T-1}/a_0) + B/a_0.
///
/// ```
/// assert_eq!(ratecheck::bounds::lemma_b1_sharp(2.0, 3.0, 2.0), 1.5); // an equality for T = 1, a_1 = B
/// ```
pub fn lemma_b1_sharp(a_start: f64, b: f64, sum_before_last: f64) -> f64 {
    libm::log(sum_before_last / a_start) + b / a_start
}

/// Q_t in the proof of Lemma B.2 (and of Lemma 3.2), a bound of L(theta_{t+1}) - L(theta_t) - <grad L, Delta>:
/// (1/2) sum_ij Lij |Dw_i||Dw_j|/(|w_i||w_j|) + sum_i Li |Dw_i||Dg|/|w_i| + (1/2) Lg |Dg|^2, where `turn[i]` is |Dw_i|/|w_i| and
/// `move_g` is |Dg|.
///
/// ```
/// use ratecheck::bounds::taylor_remainder;
/// let l_vv = ndarray::array![[2.0, 1.0], [1.0, 4.0]];
/// assert_eq!(taylor_remainder(l_vv.view(), &[1.0, 0.0], 6.0, &[1.0, 2.0], 0.5), 12.25); // 1 + 2 + 8 + 0.5 + 0.75
/// ```
///
/// # Panics
/// If the lengths differ.
pub fn taylor_remainder(l_vv: ArrayView2<'_, f64>, l_vg: &[f64], l_gg: f64, turn: &[f64], move_g: f64) -> f64 {
    assert!(l_vv.dim() == (turn.len(), turn.len()) && l_vg.len() == turn.len(), "one entry per block");
    let pairs = l_vv.indexed_iter().map(|((i, j), l)| 0.5 * l * turn[i] * turn[j]).sum::<f64>();
    let mixed = l_vg.iter().zip(turn).map(|(l, turn)| l * turn * move_g).sum::<f64>();
    pairs + mixed + 0.5 * l_gg * move_g * move_g
}

/// sum_i S_i + R of Lemma B.2, whose expectation bounds E L_T - L_0. Per block, `descent[i]` is the sum over t of
/// e_t ||grad_{v_i} L_t||^2 and `noise[i]` that of e_t^2 ||grad_{v_i} F_t||^2, e_t = eta_{w,t}/n_t; `descent_g` is the sum of
/// eta_{g,t} ||grad_g L_t||^2 and `eta_g_sq` that of eta_{g,t}^2. With U = [`u_noise`], which holds G_g^2 already:
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
    assert!(descent.len() == c_w.len() && c_w.len() == noise.len(), "one entry per block");
    let blocks: f64 = descent.iter().zip(c_w).zip(noise).map(|((descent, c), noise)| c * noise - descent).sum();
    blocks - 0.5 * c_g * descent_g + u_noise * eta_g_sq
}

/// (23), Lemma B.4, a bound of sum_{t<T} (eta_{w,t}^2/n_t) ||grad_{w_i} F||^2 on every path, in what that path's norm has
/// grown to: log2(n_T/n_0) + 1 + 2 eta_w^2 LA_i^2/n_0^2.
///
/// ```
/// assert_eq!(ratecheck::bounds::lemma_b4(2.0, 1.0, 2.0, 8.0), 5.0); // 2 + 1 + 2 * 4/4
/// ```
pub fn lemma_b4(eta_w: f64, l_a: f64, n_start: f64, n_end: f64) -> f64 {
    lemma_b1(n_start, largest_increment(eta_w, l_a, n_start), n_end)
}

/// eta_w^2 LA_i^2/n_0, a bound of eta_{w,t}^2 ||grad_{w_i} F||^2, by which n grows in a step: the B that Lemma B.4 puts into
/// Lemma B.1.
fn largest_increment(eta_w: f64, l_a: f64, n_start: f64) -> f64 {
    let step = eta_w * l_a;
    step * step / n_start
}

/// Lam_i = (1/2) log2(1 + H_T(2 alpha) D_i/n_0^2), a bound of log2(n_T/n_0) by Lemma B.3.
///
/// ```
/// assert_eq!(ratecheck::bounds::lam(2.0, 6.0, 10.0), 2.0); // log2(16)/2
/// ```
pub fn lam(n_start: f64, d_w: f64, h_2alpha: f64) -> f64 {
    0.5 * libm::log2(1.0 + h_2alpha * d_w / (n_start * n_start))
}

/// U = (1/2)(1 + c/2) Lg G_g^2, Lemma B.2; `noise_g` is G_g, which bounds the noise of grad_g.
///
/// ```
/// assert_eq!(ratecheck::bounds::u_noise(4.0, 0.5, 2.0), 10.0);
/// ```
pub fn u_noise(l_gg: f64, c_g: f64, noise_g: f64) -> f64 {
    0.5 * (1.0 + 0.5 * c_g) * l_gg * noise_g * noise_g
}

/// C_i (Lam_i + 1 + 2 eta_w^2 LA_i^2/n_0^2): what block i adds to Br in Theorem 4.2.
///
/// ```
/// assert_eq!(ratecheck::bounds::theorem_4_2_block(3.0, 2.0, 2.0, 1.0, 2.0), 15.0); // 3 (2 + 1 + 2)
/// ```
pub fn theorem_4_2_block(c_w: f64, lam: f64, eta_w: f64, l_a: f64, n_start: f64) -> f64 {
    c_w * (lam + 1.0 + 2.0 * largest_increment(eta_w, l_a, n_start) / n_start)
}

/// Br = Delta + sum_i C_i (Lam_i + 1 + 2 eta_w^2 LA_i^2/n_0^2) + U eta_g^2 H_T(1), Theorem 4.2; `blocks` are the terms
/// [`theorem_4_2_block`].
///
/// ```
/// assert_eq!(ratecheck::bounds::theorem_4_2(1.0, &[15.0, 2.0], 10.0, 0.5, 1.5), 21.75); // 1 + 17 + 3.75
/// ```
pub fn theorem_4_2(gap: f64, blocks: &[f64], u_noise: f64, eta_g: f64, h_1: f64) -> f64 {
    gap + blocks.iter().sum::<f64>() + u_noise * eta_g * eta_g * h_1
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
    assert_eq!(psi.len(), sum_grad_v_sq.len(), "one entry per block");
    let blocks: f64 = psi.iter().zip(sum_grad_v_sq).map(|(psi, sum)| psi * sum).sum();
    blocks + psi_g(n_steps, c_g, eta_g) * sum_grad_g_sq
}

/// (c/2) eta_g T^(-1/2): what psi_i is for g.
fn psi_g(n_steps: u64, c_g: f64, eta_g: f64) -> f64 {
    0.5 * c_g * eta_g / (n_steps as f64).sqrt()
}

/// Psi = min(min_i psi_i, (c/2) eta_g T^(-1/2)), Theorem 4.2.
///
/// ```
/// use ratecheck::bounds::theorem_4_2_psi;
/// assert_eq!(theorem_4_2_psi(4, &[2.0, 1.0], 0.5, 4.0), 0.5);
/// assert_eq!(theorem_4_2_psi(4, &[2.0, 0.25], 0.5, 4.0), 0.25);
/// ```
pub fn theorem_4_2_psi(n_steps: u64, psi: &[f64], c_g: f64, eta_g: f64) -> f64 {
    psi.iter().fold(psi_g(n_steps, c_g, eta_g), |x, &y| -larger(-x, -y))
}

/// Theorem 4.2 (13), a bound of min_{t<T} E||grad L(V_t; g_t)||^2: Br/(T Psi).
///
/// ```
/// assert_eq!(ratecheck::bounds::theorem_4_2_min(4, 6.0, 0.5), 3.0);
/// ```
pub fn theorem_4_2_min(n_steps: u64, br: f64, psi: f64) -> f64 {
    br / (n_steps as f64 * psi)
}

/// Lemma C.1, a bound of |dy/dgamma| and |dy/dbeta|, where ||grad f|| <= G = `lip_f`: G sqrt(B). Both are attained.
///
/// ```
/// assert_eq!(ratecheck::bounds::lemma_c1_scale(0.5, 16), 2.0);
/// ```
pub fn lemma_c1_scale(lip_f: f64, batch_size: usize) -> f64 {
    lip_f * (batch_size as f64).sqrt()
}

/// Lemma C.1 as its proof gives it (E15), a bound of ||grad_{x_b} y|| for one b: 3 |gamma|/sqrt(epsilon) G sqrt(B).
///
/// ```
/// assert_eq!(ratecheck::bounds::lemma_c1_input_printed(0.5, -2.0, 4.0, 16), 6.0); // 3 * 2/2 * 0.5 * 4
/// ```
pub fn lemma_c1_input_printed(lip_f: f64, bn_scale: f64, epsilon: f64, batch_size: usize) -> f64 {
    3.0 * bn_scale.abs() / epsilon.sqrt() * lemma_c1_scale(lip_f, batch_size)
}

/// Lemma C.1, sharp: a bound of ||grad_{x_b} y|| for one b, |gamma|/sqrt(epsilon) G sqrt(1 - 1/B).
///
/// ```
/// assert_eq!(ratecheck::bounds::lemma_c1_input(3.0, -2.0, 4.0, 1), 0.0);
/// assert!((ratecheck::bounds::lemma_c1_input(3.0, -2.0, 4.0, 2) - 4.5_f64.sqrt()).abs() < 1e-15);
/// ```
pub fn lemma_c1_input(lip_f: f64, bn_scale: f64, epsilon: f64, batch_size: usize) -> f64 {
    lemma_c1_inputs(lip_f, bn_scale, epsilon) * (1.0 - 1.0 / batch_size as f64).sqrt()
}

/// Lemma C.1, sharp: a bound of the gradient of y in all x_b together, |gamma|/sqrt(epsilon) G.
///
/// ```
/// assert_eq!(ratecheck::bounds::lemma_c1_inputs(3.0, -2.0, 4.0), 3.0);
/// ```
pub fn lemma_c1_inputs(lip_f: f64, bn_scale: f64, epsilon: f64) -> f64 {
    bn_scale.abs() / epsilon.sqrt() * lip_f
}

/// Q_L = alpha_f/sqrt(B), Lemma C.2: a bound of the gradient of F_z in the outputs of the last layer, where the objective of one
/// example has the Lipschitz constant alpha_f = `lip_f`.
///
/// ```
/// assert_eq!(ratecheck::bounds::lemma_c2_q_last(3.0, 4), 1.5);
/// ```
pub fn lemma_c2_q_last(lip_f: f64, batch_size: usize) -> f64 {
    lip_f / (batch_size as f64).sqrt()
}

/// Gamma_l = max(|g_0|_inf, Q_l sqrt(B)/lambda), Lemma C.2: a bound of every entry of gamma_l and beta_l at all times, if
/// eta_g lambda <= 1.
///
/// ```
/// assert_eq!(ratecheck::bounds::lemma_c2_gamma(1.0, 1.5, 4, 0.5), 6.0);
/// assert_eq!(ratecheck::bounds::lemma_c2_gamma(7.0, 1.5, 4, 0.5), 7.0);
/// ```
pub fn lemma_c2_gamma(g_0_max: f64, q: f64, batch_size: usize, weight_decay: f64) -> f64 {
    larger(g_0_max, lemma_c1_scale(q, batch_size) / weight_decay)
}

/// Q_{l-1} = alpha_s Gamma_l sqrt(m_l/epsilon) Q_l, Lemma C.2; `width` is m_l, the number of units of layer l, and alpha_s =
/// `lip_act` the Lipschitz constant of the activation.
///
/// ```
/// assert_eq!(ratecheck::bounds::lemma_c2_q(0.5, 6.0, 2, 0.5, 1.5), 9.0); // 0.5 * 6 * 2 * 1.5
/// ```
pub fn lemma_c2_q(lip_act: f64, gamma: f64, width: usize, epsilon: f64, q: f64) -> f64 {
    lip_act * gamma * (width as f64 / epsilon).sqrt() * q
}

/// K = sqrt(sum_l 2 m_l Gamma_l^2), Lemma C.2: a bound of ||g_t|| at all times.
///
/// ```
/// assert_eq!(ratecheck::bounds::lemma_c2_radius(&[2, 1], &[1.5, 2.0]), 17.0_f64.sqrt()); // 4 * 2.25 + 2 * 4
/// ```
///
/// # Panics
/// If the slices differ in length.
pub fn lemma_c2_radius(widths: &[usize], gamma: &[f64]) -> f64 {
    assert_eq!(widths.len(), gamma.len(), "one entry per layer");
    widths.iter().zip(gamma).map(|(&m, gamma)| 2.0 * m as f64 * gamma * gamma).sum::<f64>().sqrt()
}

/// The larger of two numbers; NaN if one of them is NaN, which `f64::max` would drop.
fn larger(x: f64, y: f64) -> f64 {
    if x > y || x.is_nan() { x } else { y }
}
