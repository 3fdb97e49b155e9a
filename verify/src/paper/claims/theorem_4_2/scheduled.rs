//! Problem J with schedules for Theorem 4.2, and what its bounds are there.

use ratecheck::bounds::{Factors, eta_g_printed};
use ratecheck::loss::{Over, Setting, Workspace, closed::ProblemJ};

use super::terms::{Bound, Terms, left};
use super::{ALPHAS, C, ETAS};
use crate::claim::evidence::{Check, Standing, Unevaluated};

/// A problem with its schedules, and what is broken about them.
#[derive(Clone)]
pub(super) struct Scheduled {
    pub(super) name: &'static str,
    pub(super) loss: ProblemJ,
    pub(super) theta_0: Vec<f64>,
    pub(super) alpha: f64,
    pub(super) eta_w: f64,
    pub(super) eta_g: f64,
    /// The exponent of the schedule of g; the theorem's is 1/2.
    pub(super) alpha_g: f64,
    /// Br without its noise terms is Delta.
    pub(super) noise_terms: bool,
    /// What the constants of the bounds are multiplied by.
    pub(super) factors: Factors,
}

impl Scheduled {
    pub(super) fn radius(&self) -> f64 {
        self.loss.radius(self.theta_0[self.theta_0.len() - 1])
    }

    pub(super) fn bound(&self, n_steps: u64) -> Result<Bound, Unevaluated> {
        let (mean, sample) = (self.loss.constants(self.radius()), self.loss.sample_constants(self.radius()));
        let (mut grad, mut scratch) = (self.theta_0.clone(), self.theta_0.clone());
        let start = self.loss.mean_gradient(&self.theta_0, &mut grad, &mut scratch, &mut Workspace::default());
        let terms = Terms {
            gap: start.unwrap_or(f64::NAN) - self.loss.loss_min(),
            c_w: vec![self.factors.c_w(&[mean.l_vv[(0, 0)].0], mean.l_vg[0].0, mean.l_gg.0, C)],
            l_a: vec![sample.l_vv[(0, 0)].0],
            n_start: vec![self.loss.parameters().w_norm_sq(&self.theta_0, 0)],
            u: self.factors.u_noise(mean.l_gg.0, C, self.loss.noise_g_sq().0.sqrt()),
            eta_w: self.eta_w,
            alpha: self.alpha,
            eta_g: self.eta_g,
            noise_terms: self.noise_terms,
            factors: self.factors,
        };
        terms.bound(n_steps)
    }

    pub(super) fn left(&self, n_steps: u64, psi: &[f64], sums: [f64; 2]) -> f64 {
        left(&self.factors, n_steps, psi, &[sums[0]], self.eta_g, sums[1])
    }

    /// The hypotheses that the instance itself decides.
    pub(super) fn hypotheses(&self, check: &mut Check, g_max: f64) {
        let radius = self.radius();
        // Of every F_z.
        let limit = eta_g_printed(self.loss.sample_constants(radius).l_gg.0, C).min(1.0);
        let standing = |met: bool| if met { Standing::Met } else { Standing::NotMet };
        check.hypothesis(
            format!("{}: |g| ≤ K", self.name),
            standing(g_max <= radius),
            format!("K = {radius:.4}; the largest of all iterates is {g_max:.4}"),
        );
        check.hypothesis(
            format!("{}: η_g ≤ 2(1-c)/L^gg and ≤ 1", self.name),
            standing(self.eta_g <= limit),
            format!("η_g = {}, limit {limit}", self.eta_g),
        );
    }
}

/// What is followed by independent runs.
pub(super) fn sampled() -> Vec<Scheduled> {
    let mut subjects = grid("runs, d = 4", &ProblemJ::default(), &ProblemJ::default().theta_0(), 0.5);
    subjects.push(noisy(0.5));
    subjects
}

pub(super) fn grid(name: &'static str, loss: &ProblemJ, theta_0: &[f64], alpha_g: f64) -> Vec<Scheduled> {
    let one = |alpha, eta_w| Scheduled { alpha, eta_w, ..least_loose(name, loss, theta_0, alpha_g) };
    ALPHAS.iter().flat_map(|&alpha| ETAS.map(|eta_w| one(alpha, eta_w))).collect()
}

/// alpha = 0, eta_w = 0.01, where the bound is least loose.
fn least_loose(name: &'static str, loss: &ProblemJ, theta_0: &[f64], alpha_g: f64) -> Scheduled {
    let (loss, theta_0) = (loss.clone(), theta_0.to_vec());
    Scheduled {
        name,
        loss,
        theta_0,
        alpha: 0.0,
        eta_w: 0.01,
        eta_g: 0.5,
        alpha_g,
        noise_terms: true,
        factors: Factors::ONE,
    }
}

/// What the controls by enumeration start from.
pub(super) fn paths(loss: &ProblemJ, theta_0: &[f64]) -> Scheduled {
    least_loose("every path", loss, theta_0, 0.5)
}

/// Problem J with ten times the output noise, which U must pay for, and the largest eta_g.
pub(super) fn noisy(alpha_g: f64) -> Scheduled {
    let loss = ProblemJ::new(4, 0.5, 5.0);
    let theta_0 = loss.theta_0();
    Scheduled { eta_g: 1.0, ..least_loose("runs, output noise 5", &loss, &theta_0, alpha_g) }
}

/// From the minimiser with no noise on w, where its gradient stays 0, and a noise of 1000 on g: all that Br has beside
/// U grows with that noise as its first power, U with its square.
pub(super) fn constant_noise() -> Scheduled {
    let loss = ProblemJ::new(2, 0.0, 1000.0);
    Scheduled { eta_w: 1e-4, eta_g: 1.0, ..least_loose("every path, noise on g alone", &loss, &[1.0, 0.0, 1.0], 0.5) }
}

pub(super) fn all_samples(subject: &Scheduled) -> Vec<Vec<usize>> {
    subject.loss.minibatches().finite().into_iter().flatten().map(<[usize]>::to_vec).collect()
}
