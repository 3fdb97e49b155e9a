//! Examples to section 4 and appendix B.

use ratecheck::bounds;
use ratecheck::curvature::Exact;
use ratecheck::descent::{Schedule, StepRule, Stepper};
use ratecheck::loss::Over;
use ratecheck::loss::closed::{Linear, ProblemJ, Rayleigh};
use ratecheck::random::Seed;

use super::{Example, Reading};
use crate::claim::evidence::Unevaluated;
use crate::claim::instances::U;

const C_G: f64 = 0.5;

/// E5: F_z = g^2/2 +- s g, one step from g = 0, both minibatches.
pub(super) fn noise_twice() -> Result<Example, Unevaluated> {
    let (s, eta) = (0.5, 1.0);
    // L = g^2/2, and g_1 = -eta (+-s).
    let mean: f64 = [s, -s].iter().map(|noise| 0.5 * (0.5 * (eta * noise) * (eta * noise))).sum();
    let u = bounds::u_noise(1.0, C_G, s);
    Ok(Example {
        setting: "F_z = ½g² ± g/2, so that L^gg = 1, G_g = 1/2, from g₀ = 0, one step with η_g = 1, c_g = 1/2; both z"
            .into(),
        printed: Reading::at_most("E L₁ - L₀ ≤ Uη_g²G_g", mean, u * eta * eta * s, 8.0 * U),
        corrected: Reading::at_most("E L₁ - L₀ ≤ Uη_g²", mean, u * eta * eta, 8.0 * U),
    })
}

/// E11: F_z = g^2/2 +- g at g = 1, conditioned on the minibatch whose gradient is 0.
pub(super) fn noise_of_the_step() -> Result<Example, Unevaluated> {
    let (g, s, eta) = (1.0, 1.0, 1.0);
    let gradients = [g + s, g - s];
    let mean_sq = gradients.iter().map(|d| 0.5 * eta * eta * d * d).sum::<f64>();
    let bound = |gradient: f64| eta * eta * (gradient * gradient + s * s);
    Ok(Example {
        setting: "F_z = ½g² ± g at g = 1, η_g = 1, so that ∇_g L = 1 and G_g = 1; the minibatch drawn has ∇_g F = 0"
            .into(),
        printed: Reading::at_most("E‖Δg‖² ≤ η_g²(‖∇_g F_t‖² + G_g²)", mean_sq, bound(gradients[1]), 8.0 * U),
        corrected: Reading::at_most("E‖Δg‖² ≤ η_g²(‖∇_g L_t‖² + G_g²)", mean_sq, bound(g), 8.0 * U),
    })
}

/// E12: F_z = 0 or 2 a'v, conditioned on the first.
pub(super) fn outside_the_expectation() -> Result<Example, Unevaluated> {
    let loss = Linear::new(vec![2.0, 0.0]);
    let Exact(l_vv) = loss.constants().l_vv[(0, 0)];
    let (c_w, n, eta) = (0.5 * l_vv, 1.0, 1.0);
    let mut grad = [0.0; 2];
    loss.sample_gradient(&[0], &[0.0, 1.0], &mut grad, &mut ratecheck::loss::Workspace::default());
    let grad_sq = grad[0] * grad[0] + grad[1] * grad[1];
    // Q = (1/2) L ||dw||^2/n, half of the time.
    let q = 0.5 * (0.5 * l_vv * eta * eta * grad_sq / n);
    let bound = |grad_sq: f64| c_w * eta * eta / n * grad_sq;
    Ok(Example {
        setting: "F_z = 0 or 2a·v, a = (1, 0), at w = (0, 1), η_w = 1; the minibatch drawn is the first".into(),
        printed: Reading::at_most("E Q ≤ C(η²/‖w‖²)‖∇_w F_t‖²", q, bound(0.0), 8.0 * U),
        corrected: Reading::at_most("E Q ≤ C(η²/‖w‖²)E‖∇_w F_t‖²", q, bound(0.5 * grad_sq), 8.0 * U),
    })
}

/// A run of problem J from theta_0, ||w_0|| = 1, under eta_w (t+1)^-alpha.
struct Run {
    /// sum eta^2 ||grad_v F||^2, as if divided by ||v||^2 = 1.
    by_v: f64,
    /// sum (eta^2/||w||^4) ||grad_v F||^2.
    by_w: f64,
    /// n_T.
    n_end: f64,
    /// eta_{w,T}.
    eta_end: f64,
}

impl Run {
    fn of(loss: &ProblemJ, alpha: f64, steps: u64) -> Result<Self, Unevaluated> {
        let (eta_w, eta_g) = (Schedule::new(1.0, alpha)?, Schedule::new(0.5, 0.5)?);
        let generator = Seed::new(0).generator("errata/problem-j");
        let mut stepper = Stepper::new(loss, &loss.theta_0(), StepRule::Gradient, eta_w, eta_g, generator);
        let (mut by_v, mut by_w) = (0.0, 0.0);
        for _ in 0..steps {
            let n = stepper.w_norm_sq()[0];
            let step = stepper.step()?;
            let term = step.eta_w * step.eta_w * step.grad_v_sq;
            by_v += term;
            by_w += term / (n * n);
        }
        Ok(Self { by_v, by_w, n_end: stepper.w_norm_sq()[0], eta_end: eta_w.at(steps) })
    }
}

/// E13: 1000 steps of problem J.
pub(super) fn norm_of_v() -> Result<Example, Unevaluated> {
    let loss = ProblemJ::default();
    let run = Run::of(&loss, 0.0, 1000)?;
    let Exact(l_a) = loss.sample_constants(loss.radius(1.0)).l_vv[(0, 0)];
    let bound = bounds::lemma_b4(1.0, l_a, 1.0, run.n_end);
    let formula = |norm: &str| format!("Σ_t(η_w²/{norm})‖∇_v F‖² ≤ log₂(n_T/n₀) + 1 + 2η_w²L²/n₀²");
    Ok(Example {
        setting: "1000 steps of SGD with η_w = 1 on problem J, F = ½g² - g(c + ½ξ)·v + ½ζg, ‖w₀‖ = 1".into(),
        printed: Reading::at_most(formula("‖v‖²"), run.by_v, bound, 0.0),
        corrected: Reading::at_most(formula("‖w‖⁴"), run.by_w, bound, 0.0),
    })
}

/// E14: one step of gradient descent on the Rayleigh quotient at ||w||^2 = 4.
pub(super) fn rate_in_the_sum() -> Result<Example, Unevaluated> {
    let (loss, eta) = (Rayleigh::equally_spaced(2), 0.01);
    let rate = Schedule::constant(eta)?;
    let root = 2.0_f64.sqrt();
    let mut stepper =
        Stepper::new(&loss, &[root, root], StepRule::Gradient, rate, rate, Seed::new(0).generator("unused"));
    let n = stepper.w_norm_sq()[0];
    let step = stepper.step_with(&[0])?;
    let decrease = step.loss - loss.sample_loss(&[0], stepper.theta());
    let Exact(l_vv) = loss.constants().l_vv[(0, 0)];
    let bound = decrease + eta * eta * l_vv / n * stepper.gradient_norm_sq()[0];
    let formula = |rate: &str| format!("Σ_t {rate}‖∇_v L‖² ≤ L₀ - L_T + Σ_t(η²L^vv/‖w_t‖²)‖∇_w L‖²");
    Ok(Example {
        setting:
            "one step of gradient descent with η_w = 0.01 on the Rayleigh quotient of diag(0, 1) at w = (√2, √2), \
                  ‖v‖ = 1"
                .into(),
        printed: Reading::at_most(formula("(η/‖v_t‖²)"), eta * step.grad_v_sq, bound, 1e-14),
        corrected: Reading::at_most(formula("(η/‖w_t‖²)"), eta / n * step.grad_v_sq, bound, 1e-14),
    })
}

/// E20: Lemma B.1 with a_0 = 1 and all other terms 1e-4.
pub(super) fn first_term() -> Result<Example, Unevaluated> {
    let (a_0, b, steps) = (1.0, 1e-4, 100_000);
    let (mut sum, mut left) = (a_0, 0.0);
    let mut before_last = sum;
    for _ in 1..=steps {
        left += b / sum;
        before_last = sum;
        sum += b;
    }
    Ok(Example {
        setting:
            "as (23) uses Lemma B.1 for ‖w₀‖ = 1, η_w = 0.01, L = 1: a₀ = ‖w₀‖² = 1, B = η_w²L²/‖w₀‖² = 10⁻⁴; a_t \
                  = B, T = 10⁵"
                .into(),
        printed: Reading::at_most("the hypothesis a₀ ≤ B", a_0, b, 0.0),
        corrected: Reading::at_most(
            "the conclusion Σ a_t/A_{t-1} ≤ log₂(A_{T-1}/a₀) + 1 + 2B/a₀ without it",
            left,
            libm::log2(before_last / a_0) + 1.0 + 2.0 * b / a_0,
            0.0,
        ),
    })
}

/// E21: the effective rate of problem J under alpha = 1.
pub(super) fn effective_rate() -> Result<Example, Unevaluated> {
    let run = Run::of(&ProblemJ::default(), 1.0, 1000)?;
    // D is not needed for the upper side.
    let (_, upper) = bounds::remark_4_1(run.eta_end, 1.0, 1.0, 1.0);
    let formula = |rate: &str| format!("{rate} ≤ η_w(T+1)^(-α)/‖w₀‖²");
    Ok(Example {
        setting: "1000 steps of SGD with η_{w,t} = 1/(t+1) on problem J, ‖w₀‖ = 1: the rate of Remark 4.1 at T = 1000"
            .into(),
        printed: Reading::at_most(formula("1/G_T"), 1.0 / run.n_end, upper, 8.0 * U * upper),
        corrected: Reading::at_most(formula("η_{w,T}/G_T"), run.eta_end / run.n_end, upper, 8.0 * U * upper),
    })
}
