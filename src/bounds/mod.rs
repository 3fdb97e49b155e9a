//! The paper's explicit constants and right-hand sides: pure functions of numbers, one per formula, without simulation.
//!
//! Notation: c = c_g in (0, 1); Lij, Li, Lg = `l_vv`, `l_vg`, `l_gg`, the smoothness constants of section 2.4; C_i =
//! `c_w`, K_i = `k_w`, D_i = `d_w`; n_i = ||w_i||^2, with n_0 = `n_start` at time 0 and n_T = `n_end` at time T; Delta
//! = `gap` = L(theta_0) - Lmin; e = eta_w. LA = `l_a` is the constant of Lemma A.1, ||grad_{w_i} L|| <= LA_i/||w_i||:
//! pi Lii as printed, while Lii suffices (by the Euler identities). H_T(s) = sum over t = 1..T of t^(-s) is an
//! argument.
//!
//! The formulas are those of the proofs with their misprints corrected. Every function is the formula in its doc
//! comment, evaluated as written: a relative error of a few units of rounding, and NaN in, NaN out. Slices have an
//! entry per block. Some are written over [`crate::scalar::Scalar`], so that a proof can evaluate them over intervals,
//! and a replay with more digits.

mod appendix_c;
mod cost;
mod factors;
mod gradient_descent;
mod stochastic;

pub use appendix_c::{
    lemma_c1_input, lemma_c1_input_printed, lemma_c1_inputs, lemma_c1_scale, lemma_c2_gamma, lemma_c2_q,
    lemma_c2_q_last, lemma_c2_radius,
};
pub use cost::{BlockCost, cost_one_block, cost_rise, cost_sum_g, cost_sum_v};
pub use factors::{Constant, Factors};
pub use gradient_descent::{
    c_w, equation_11, eta_g_limit, eta_g_printed, k_w, lemma_3_2, lemma_a2, lemma_a2_left, lemma_a2_norm_sq,
    sketch_sum_g, taylor_remainder, theorem_3_1_min, theorem_3_1_sum_g, theorem_3_1_sum_v, theorem_3_1_sum_v_tight,
};
pub use stochastic::{
    d_w, lam, lemma_b1, lemma_b1_sharp, lemma_b2, lemma_b3_norm_sq, lemma_b4, psi, remark_4_1, theorem_4_2,
    theorem_4_2_block, theorem_4_2_left, theorem_4_2_min, theorem_4_2_psi, u_noise,
};

/// The larger of two numbers; NaN if one of them is NaN, which `f64::max` would drop.
fn larger<S: PartialOrd>(x: S, y: S) -> S {
    // What is not equal to itself is no number.
    #[allow(clippy::eq_op)]
    if x > y || x != x { x } else { y }
}
