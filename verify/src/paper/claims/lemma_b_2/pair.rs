//! The pairs of samples that Lemma B.2 is enumerated on.

use ratecheck::bounds::Factors;
use ratecheck::loss::closed::ProblemJ;

/// A run on two samples, and what its bounds are made of.
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) name: &'static str,
    pub(super) loss: ProblemJ,
    /// G_g.
    pub(super) noise_g: f64,
    pub(super) theta_0: Vec<f64>,
    pub(super) eta_w: f64,
    pub(super) alpha: f64,
    pub(super) eta_g: f64,
    pub(super) c_g: f64,
    pub(super) depth: usize,
    /// What the constants of the bounds are multiplied by.
    pub(super) factors: Factors,
}

/// Everything that is enumerated with two samples, for T up to `depth` or 1.
pub(super) fn pairs(depth: usize) -> Vec<Pair> {
    let mut subjects = Vec::new();
    for (name, theta_0) in
        [("two samples", vec![0.6, 0.8, 1.0]), ("two samples, from the minimiser", vec![1.0, 0.0, 1.0])]
    {
        for alpha in [0.0, 0.25, 0.5] {
            for eta_w in [0.01, 1.0, 100.0] {
                subjects.push(pair(name, 0.5, 0.5, &theta_0, alpha, eta_w, depth));
            }
        }
    }
    subjects.push(quadratic(0.5, 0.5));
    subjects.push(quadratic(0.5, 0.01));
    subjects.extend([across(), along()]);
    subjects
}

pub(super) fn pair(
    name: &'static str,
    s: f64,
    sig: f64,
    theta_0: &[f64],
    alpha: f64,
    eta_w: f64,
    depth: usize,
) -> Pair {
    let (loss, noise_g) = (ProblemJ::new(2, s, sig), s * 2.0_f64.sqrt() + sig);
    Pair {
        name,
        loss,
        noise_g,
        theta_0: theta_0.to_vec(),
        eta_w,
        alpha,
        eta_g: 0.5,
        c_g: 0.5,
        depth,
        factors: Factors::ONE,
    }
}

/// F = g^2/2 +- s g as far as one step from g_0 = 0 goes, with eta_g = 1.
pub(super) fn quadratic(s: f64, c_g: f64) -> Pair {
    Pair { eta_g: 1.0, c_g, ..pair("½g² ± sg", 0.0, s, &[0.0, 1.0, 0.0], 0.0, 1.0, 1) }
}

/// Two samples that are alike, from v perpendicular to c: Q_t is its mixed term and that of g, but for ½L^vv e² beside
/// 1/2 + e at e = 0.005.
pub(super) fn across() -> Pair {
    let start = [0.0, 1.0, 1e-3];
    Pair { eta_g: 1.0, ..pair("two samples alike, across", 0.0, 0.0, &start, 0.0, 5e-3, 1) }
}

/// The same near the minimiser, where the step of w meets the largest curvature along the sphere.
pub(super) fn along() -> Pair {
    let start = [1.0, 1e-3, 1.0];
    Pair { eta_g: 1e-3, ..pair("two samples alike, along", 0.0, 0.0, &start, 0.0, 1.0, 1) }
}
