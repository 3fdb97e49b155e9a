//! Lemma C.2 for a network: the ball that g cannot leave.

use super::slopes::lipschitz_sq;
use super::{ActivationBounds, Unbounded, smoothing};
use crate::bounds::Factors;
use crate::loss::Setting;
use crate::network::Network;

/// The bounds of Lemma C.2.
#[derive(Clone, Debug, PartialEq)]
pub struct GBounds {
    /// Gamma_l for l = 1..L: every entry of gamma_l and beta_l stays within it.
    pub entries: Vec<f64>,
    /// K: ||g|| stays within it.
    pub radius: f64,
}

/// Lemma C.2: bounds on g along every run of (stochastic) gradient descent from |g_0|_inf <= `g_0_max`, provided that
/// eta_g lambda <= 1 in every step.
///
/// From the last layer down: Q_L = alpha_f/sqrt(B) bounds ||dF/dY_L||; Gamma_l = max(|g_0|_inf, Q_l sqrt(B)/lambda),
/// since g' = (1 - eta lambda) g - eta dF/dg is then a convex combination of g and -(1/lambda) dF/dg, with |dF/dg| <=
/// Q_l sqrt(B) (Lemma C.1); and Q_{l-1} = alpha_s Gamma_l sqrt(m_l/epsilon) Q_l, since unit k passes back at most
/// |gamma_k|/sqrt(epsilon) times what it receives, and the m_l units together at most sqrt(sum_k gamma_k^2) <= Gamma_l
/// sqrt(m_l) times. K^2 = sum_l 2 m_l Gamma_l^2.
///
/// The values are rounded up: a relative error of e units in Q_l is one of at most 2e + 8 in Q_{l-1}, which is below
/// 2^(L+4) in all.
///
/// # Errors
/// If the normalisation is not smoothed BN, the activation not smooth, the objective not Lipschitz, or lambda = 0.
///
/// ```
/// use ratecheck::curvature::g_bounds;
/// use ratecheck::data::Dataset;
/// use ratecheck::loss::Minibatches;
/// use ratecheck::network::{Activation, Architecture, Network, Normalisation, Objective};
/// let data = Dataset::new(vec![0.3, -1.0, 0.8, 2.0], 4, 1, vec![1.0, -1.0, 1.0, -1.0])?;
/// let architecture = Architecture {
///     widths: vec![1, 1],
///     normalisation: Normalisation::SmoothedBatchNorm { epsilon: 0.1 },
///     activation: Activation::Tanh,
///     objective: Objective::Logistic,
///     weight_decay: 0.1,
/// };
/// let found = g_bounds(&Network::new(architecture, data, Minibatches::full(4))?, 1.0)?;
/// assert!((found.entries[0] - 10.0).abs() < 1e-12); // 1/lambda
/// assert!((found.radius - 200.0_f64.sqrt()).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Panics
/// If `g_0_max` is negative or not finite.
pub fn g_bounds(network: &Network, g_0_max: f64) -> Result<GBounds, Unbounded> {
    g_bounds_with(&Factors::ONE, network, g_0_max)
}

/// [`g_bounds`] with every constant times its factor.
///
/// # Errors
/// As there.
///
/// # Panics
/// As there.
pub fn g_bounds_with(factors: &Factors, network: &Network, g_0_max: f64) -> Result<GBounds, Unbounded> {
    assert!(g_0_max >= 0.0 && g_0_max.is_finite(), "|g_0| cannot be {g_0_max}");
    let architecture = network.architecture();
    let epsilon = smoothing(network)?;
    let lip_f = lipschitz_sq(architecture.objective).ok_or(Unbounded::NotLipschitz)?.sqrt();
    if architecture.weight_decay == 0.0 {
        return Err(Unbounded::NoWeightDecay);
    }
    let widths = &architecture.widths[1..];
    let lip_act = match widths.len() {
        1 => 0.0,
        _ => ActivationBounds::of(architecture.activation)?.first.value(),
    };
    let batch_size = network.minibatches().batch_size();
    let mut q = factors.lemma_c2_q_last(lip_f, batch_size);
    let mut entries = vec![0.0; widths.len()];
    let up = 1.0 + libm::ldexp(f64::EPSILON, widths.len() as i32 + 4);
    for l in (0..widths.len()).rev() {
        let gamma = factors.lemma_c2_gamma(g_0_max, q, batch_size, architecture.weight_decay);
        q = factors.lemma_c2_q(lip_act, gamma, widths[l], epsilon, q);
        entries[l] = gamma * up;
    }
    let radius = factors.lemma_c2_radius(widths, &entries) * up;
    if radius.is_finite() { Ok(GBounds { entries, radius }) } else { Err(Unbounded::Overflow) }
}
