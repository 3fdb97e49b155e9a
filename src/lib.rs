//! The engine of `ratecheck`: losses with scale-invariant weights, their exact derivatives, and descent on them.
//!
//! The setting is that of Arora, Li & Lyu, "Theoretical Analysis of Auto Rate-Tuning by Batch Normalization" (ICLR
//! 2019): a loss L(W; g) = E_z F_z(W; g), where F_z does not change when a block w_i of W is scaled. The claims of the
//! paper, and the command that checks them, live in the package `ratecheck-verify`;
//! this one knows the mathematics alone.
//!
//! # Notation
//!
//! The paper uses L, G, alpha, gamma, R, K, S and sigma for several things each. Here every name means one thing:
//!
//! | paper | code | meaning |
//! |---|---|---|
//! | w^(i), v^(i) = w/\|\|w\|\|, g | `w[i]`, `v[i]`, `g` | scale-invariant blocks, their directions, the scale-variant rest |
//! | theta, theta~ | `theta`, `theta_unit` | all parameters in one flat vector; the same with every block normalised |
//! | \|\|w^(i)\|\|^2 (G^(i) in Theorem 2.5) | `w_norm_sq[i]` | squared norm of a block |
//! | F_z, L, L_min | `sample_loss`, `loss`, `loss_min` | loss of a minibatch, its mean over z, a lower bound |
//! | L^vv_ij, L^vg_i, L^gg | `l_vv[(i, j)]`, `l_vg[i]`, `l_gg` | bounds on the Hessian's blocks at unit blocks |
//! | eta_{w,t}, eta_{g,t} | `eta_w.at(t)`, `eta_g.at(t)` | learning rates; `alpha` is the exponent of the schedule |
//! | eta_{w,t}/\|\|w\|\|^2 | `effective_lr` | the effective learning rate |
//! | c_g, C_i, K_i | `c_g`, `c_w[i]`, `k_w[i]` | constants of Lemma 3.2 and Lemma A.2 |
//! | G_g | `noise_g` | bound on the noise of grad_g F_z |
//! | T, m, B, L | `n_steps`, `n_blocks`, `batch_size`, `n_layers` | counts |
//! | gamma, beta of BN | `bn_scale`, `shift` | scale and shift of a unit |
//!
//! # Map
//!
//! Arrows of use run one way: [`scalar`], [`parameters`] -> [`loss`], [`network`] -> [`curvature`], [`descent`] ->
//! [`bounds`], [`rates`], [`proof`]. Dense routines are in [`linalg`], data sets in [`data`],
//! and randomness comes from [`random`] alone. What the processor could do at best is measured with [`machine`].
//!
//! # Checking one's own loss
//!
//! See [`loss::Formula`]: one method, written over [`scalar::Scalar`]; and [`loss::Loss`],
//! if foreign code evaluates it.

pub mod bounds;
pub mod curvature;
pub mod data;
pub mod descent;
pub mod linalg;
pub mod loss;
pub mod machine;
pub mod network;
pub mod parameters;
pub mod proof;
pub mod random;
pub mod rates;
pub mod scalar;
mod smoothness;

/// The examples of README.md, compiled and run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Those of the guide.
#[cfg(doctest)]
mod guide {
    #[doc = include_str!("../docs/guide/normalisation.md")]
    struct Normalisation;

    #[doc = include_str!("../docs/guide/loss.md")]
    struct OwnLoss;
}
