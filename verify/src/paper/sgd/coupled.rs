//! The mean square gradient near a minimiser that is known, with little noise.
//!
//! Near a minimiser with tangent Hessian H and noise covariance Sigma, both diagonal in the coordinates of the block,
//! displacements follow x' = x - e_t (H x + xi_z) to first order, with xi_z the gradient of F_z at the minimiser. That
//! process has the mean square gradient sum_k h_k^2 p_k exactly, with p_k' = (1 - e h_k)^2 p_k + e^2 sigma_k. Here it
//! is run beside SGD with the *same* z: what is averaged over runs is ||grad_v L||^2 less ||H x||^2, and the exact mean
//! is added. This changes no mean, whatever is true of SGD, but most of the scatter is common to both and goes: on
//! problem J seven eighths of it at T = 1e5.

use ratecheck::descent::{Plan, Schedule, StepRule, Stepper, Trace, run_many};
use ratecheck::loss::closed::{NoisyRayleigh, ProblemJ};
use ratecheck::loss::{Loss, Workspace};
use ratecheck::parameters::dot;
use ratecheck::random::Seed;

use crate::claim::evidence::Unevaluated;
use crate::claim::parallel::InParallel;

/// L is looked at in every so many steps; it forgets in some hundred.
const EVERY: u64 = 8;

/// A loss with one block and single examples for minibatches, two minimisers that are mirror images, and what is known
/// there.
pub(crate) struct Known {
    /// Shown as the instance.
    pub(crate) name: &'static str,
    loss: Box<dyn Loss>,
    theta_0: Vec<f64>,
    /// (V; g).
    minimisers: [Vec<f64>; 2],
    /// The diagonals of H and of Sigma.
    hessian: Vec<f64>,
    sigma: Vec<f64>,
    loss_min: f64,
    /// L^vv of every F_z: exact, or at least the true one.
    l_vv: f64,
    of_g: Option<OfG>,
}

/// What is known of a g.
#[derive(Clone, Copy)]
struct OfG {
    /// G_g^2.
    noise_sq: f64,
    l_gg: f64,
    radius: f64,
}

impl Known {
    /// Problem J: L = g^2/2 - g c'v has H = 1 across c, and the noise of grad_v is s P xi with s = 1/2 (see
    /// [`ProblemJ`]).
    pub(crate) fn problem_j() -> Self {
        let loss = ProblemJ::default();
        let (theta_0, loss_min, radius) = (loss.theta_0(), loss.loss_min(), loss.radius(1.0));
        let constants = loss.sample_constants(radius).values();
        let of_g = OfG { noise_sq: loss.noise_g_sq().0, l_gg: constants.l_gg, radius };
        let minimisers = [1.0, -1.0].map(|sign| vec![sign, 0.0, 0.0, 0.0, sign]);
        let sigma = loss.noise_v().0 / 3.0;
        let across = |x: f64| vec![0.0, x, x, x];
        Self {
            name: "problem J",
            loss: Box::new(loss),
            theta_0,
            minimisers,
            hessian: across(1.0),
            sigma: across(sigma),
            loss_min,
            l_vv: constants.l_vv[(0, 0)],
            of_g: Some(of_g),
        }
    }

    /// The Rayleigh quotient of diag(0, 1, 3) with the noise s = 1/2: H = diag(2, 6) across e_1.
    pub(crate) fn rayleigh() -> Self {
        let s = 0.5;
        let loss = NoisyRayleigh::new([0.0, 1.0, 3.0], s);
        let theta_0 = vec![1.0 / 3.0_f64.sqrt(); 3];
        let minimisers = [1.0, -1.0].map(|sign| vec![sign, 0.0, 0.0]);
        let (hessian, sigma) = (vec![0.0, 2.0, 6.0], vec![0.0, s * s, s * s]);
        let (name, loss) = ("noisy Rayleigh", Box::new(loss));
        // 2 (lmax - lmin) of the quotient, and (2/sqrt 3) |s xi| = 2 s of the linear part.
        let l_vv = 2.0 * 3.0 + 2.0 * s;
        Self { name, loss, theta_0, minimisers, hessian, sigma, loss_min: 0.0, l_vv, of_g: None }
    }

    /// The same from the minimiser, which the first step leaves. From an ordinary start a large first step would be
    /// waited for: at eta = 10 it puts eta^4 ||grad F_0||^4 = 4.5e5 into ||w||^4, to which a later one adds 2 eta^2 q =
    /// 100.
    pub(crate) fn rayleigh_from_minimiser() -> Self {
        let known = Self::rayleigh();
        Self { theta_0: known.minimisers[0].clone(), ..known }
    }

    /// L_min.
    pub(crate) fn loss_min(&self) -> f64 {
        self.loss_min
    }

    /// The noise of grad_g at every theta; 0 without a g.
    pub(crate) fn noise_g_sq(&self) -> f64 {
        self.of_g.map_or(0.0, |of_g| of_g.noise_sq)
    }

    /// K with |g_t| <= K for ever under eta_g <= 1, on which the constants hold; none without a g.
    pub(crate) fn radius(&self) -> Option<f64> {
        self.of_g.map(|of_g| of_g.radius)
    }

    /// L^gg of every F_z; 0 without a g.
    pub(crate) fn l_gg(&self) -> f64 {
        self.of_g.map_or(0.0, |of_g| of_g.l_gg)
    }

    /// The constants of section 2.4, in words.
    pub(crate) fn smoothness(&self) -> String {
        let of_g = self.of_g.map_or_else(String::new, |g| format!(", L^gg = {}, all on |g| ≤ {:.4}", g.l_gg, g.radius));
        format!("smooth for w ≠ 0; L^vv ≤ {:.4}{of_g}", self.l_vv)
    }

    /// Runs that stay finite, each from its own generator below `seed`.
    pub(crate) fn traces(&self, plan: &Plan, n_runs: usize, seed: &Seed) -> Result<Vec<Trace>, Unevaluated> {
        let traces = run_many(&*self.loss, &vec![self.theta_0.clone(); n_runs], plan, seed);
        traces.iter().find_map(|trace| trace.divergence).map_or(Ok(traces), |divergence| Err(divergence.into()))
    }

    /// q = tr Sigma.
    pub(crate) fn q(&self) -> f64 {
        self.sigma.iter().sum()
    }

    /// tr(H Sigma).
    pub(crate) fn tr_h_sigma(&self) -> f64 {
        dot(&self.hessian, &self.sigma)
    }

    /// tr(H^2 Sigma).
    pub(crate) fn tr_h_sq_sigma(&self) -> f64 {
        self.hessian.iter().zip(&self.sigma).map(|(h, sigma)| h * h * sigma).sum()
    }

    /// xi_z of every z, at both minimisers.
    fn noise(&self) -> [Vec<Vec<f64>>; 2] {
        let n = self.loss.minibatches().n_examples();
        let mut work = Workspace::default();
        [0, 1].map(|k| {
            let theta = &self.minimisers[k];
            let mut of = |z: usize| {
                let mut grad = vec![0.0; theta.len()];
                self.loss.sample_gradient(&[z], theta, &mut grad, &mut work);
                grad
            };
            (0..n).map(&mut of).collect()
        })
    }
}

/// How runs are made, and what they are compared with.
pub(crate) struct Design<'a> {
    pub(crate) known: &'a Known,
    pub(crate) rule: StepRule,
    pub(crate) eta_w: f64,
    /// T.
    pub(crate) n_steps: u64,
    pub(crate) n_runs: usize,
    /// The effective rate that theory has for step t >= 1.
    pub(crate) rate: &'a (dyn Fn(u64) -> f64 + Sync),
}

/// What a run showed over [T/4, T), relative to theory.
pub(crate) struct Seen {
    /// The mean of ||grad_v L||^2 over that of e_t tr(H Sigma)/2, corrected by the process beside it.
    pub(crate) square: f64,
    /// The same as it was.
    pub(crate) plain: f64,
    /// The mean of ||w||^2 over that of eta/e_t.
    pub(crate) norm_sq: f64,
}

/// What the linear process has for [`Seen::square`], exactly, and the sums it is relative to.
pub(crate) struct Expected {
    pub(crate) square: f64,
    limit: f64,
    norm_sq: f64,
}

impl Design<'_> {
    /// Where the process beside SGD starts, at x = 0: long before the window.
    fn from(&self) -> u64 {
        self.n_steps / 16
    }

    fn is_looked_at(&self, t: u64) -> bool {
        t >= self.n_steps / 4 && t.is_multiple_of(EVERY)
    }

    /// See [`Expected`].
    pub(crate) fn expected(&self) -> Expected {
        let (known, mut p) = (self.known, vec![0.0; self.known.hessian.len()]);
        let (mut square, mut limit, mut norm_sq) = (0.0, 0.0, 0.0);
        for t in self.from()..self.n_steps {
            let e = (self.rate)(t);
            if self.is_looked_at(t) {
                square += known.hessian.iter().zip(&p).map(|(h, p)| h * h * p).sum::<f64>();
                limit += 0.5 * e * known.tr_h_sigma();
                norm_sq += self.eta_w / e;
            }
            for ((p, h), sigma) in p.iter_mut().zip(&known.hessian).zip(&known.sigma) {
                *p = (1.0 - e * h) * (1.0 - e * h) * *p + e * e * sigma;
            }
        }
        Expected { square: square / limit, limit, norm_sq }
    }

    /// All runs, each from a generator of its own.
    pub(crate) fn runs(&self, expected: &Expected, seed: &Seed) -> Result<Vec<Seen>, Unevaluated> {
        let noise = self.known.noise();
        (0..self.n_runs)
            .in_parallel(|k| self.run(expected, &noise, &seed.child(&format!("run-{k}"))))
            .into_iter()
            .collect()
    }

    fn run(&self, expected: &Expected, noise: &[Vec<Vec<f64>>; 2], seed: &Seed) -> Result<Seen, Unevaluated> {
        let (known, loss) = (self.known, &*self.known.loss);
        let rates = [Schedule::constant(self.eta_w)?, Schedule::new(0.5, 0.5)?];
        let mut stepper = Stepper::new(loss, &known.theta_0, self.rule, rates[0], rates[1], seed.generator("unused"));
        let (mut draws, mut permutation) = (seed.generator("z"), Vec::new());
        let d = known.hessian.len();
        let (mut x, mut side) = (vec![0.0; d], 0);
        let (mut grad, mut scratch) = (vec![0.0; known.theta_0.len()], vec![0.0; known.theta_0.len()]);
        let mut work = Workspace::default();
        let (mut square, mut linear, mut norm_sq) = (0.0, 0.0, 0.0);
        for t in 0..self.n_steps {
            if t == self.from() {
                side = usize::from(dot(&stepper.theta()[..d], &known.minimisers[0][..d]) < 0.0);
            }
            if self.is_looked_at(t) {
                loss.mean_gradient(stepper.theta(), &mut grad, &mut scratch, &mut work);
                let n = stepper.w_norm_sq()[0];
                square += n * dot(&grad[..d], &grad[..d]);
                linear += x.iter().zip(&known.hessian).map(|(x, h)| (h * x) * (h * x)).sum::<f64>();
                norm_sq += n;
            }
            let z = loss.minibatches().draw(&mut draws, &mut permutation);
            if t >= self.from() {
                let (e, xi) = ((self.rate)(t), &noise[side][z[0]]);
                for ((x, h), xi) in x.iter_mut().zip(&known.hessian).zip(xi) {
                    *x -= e * (h * *x + xi);
                }
            }
            stepper.step_with(z)?;
        }
        let Expected { square: exact, limit, norm_sq: norms } = expected;
        Ok(Seen { square: (square - linear) / limit + exact, plain: square / limit, norm_sq: norm_sq / norms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The noise at the minimisers has the covariance that is said, and no mean; the Hessian is that of L.
    #[test]
    fn what_is_known_is_so() {
        for known in [Known::problem_j(), Known::rayleigh()] {
            let d = known.hessian.len();
            for (k, noise) in known.noise().iter().enumerate() {
                let mean = |f: &dyn Fn(&[f64]) -> f64| noise.iter().map(|xi| f(xi)).sum::<f64>() / noise.len() as f64;
                for i in 0..d {
                    assert!(mean(&|xi| xi[i]).abs() < 1e-15, "{}", known.name);
                    for j in 0..d {
                        let expected = if i == j { known.sigma[i] } else { 0.0 };
                        assert!((mean(&|xi| xi[i] * xi[j]) - expected).abs() < 1e-15, "{} {i} {j}", known.name);
                    }
                }
                // Central differences of the gradient of L: h^2 of error.
                let gradient = |i: usize, h: f64| {
                    let mut theta = known.minimisers[k].clone();
                    theta[i] += h;
                    let (mut grad, mut scratch) = (vec![0.0; theta.len()], vec![0.0; theta.len()]);
                    known.loss.mean_gradient(&theta, &mut grad, &mut scratch, &mut Workspace::default());
                    grad
                };
                for i in 1..d {
                    let (up, down) = (gradient(i, 1e-4), gradient(i, -1e-4));
                    for j in 1..d {
                        let expected = if i == j { known.hessian[i] } else { 0.0 };
                        assert!(((up[j] - down[j]) / 2e-4 - expected).abs() < 1e-6, "{} {i} {j}", known.name);
                    }
                }
            }
        }
    }

    /// Without drift the linear process settles at e tr(H Sigma)/2, up to its own e h/2.
    #[test]
    fn the_linear_process_has_the_mean_it_should() {
        let known = Known::problem_j();
        let rate = |_| 1e-3;
        let design =
            Design { known: &known, rule: StepRule::Gradient, eta_w: 1.0, n_steps: 200_000, n_runs: 1, rate: &rate };
        // h = 1: 1/(1 - e/2).
        assert!((design.expected().square - 1.0 / (1.0 - 5e-4)).abs() < 1e-9);
    }
}
