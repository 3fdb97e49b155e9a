//! Examples to section 3 and appendix A.

use ratecheck::bounds;
use ratecheck::curvature::{HessianProduct, hessian_vector_product};
use ratecheck::descent::{Plan, Schedule, StepRule, Stepper, run};
use ratecheck::loss::closed::{BnRegression, Linear, Rayleigh, TanhCircle};
use ratecheck::loss::{Over, Workspace};
use ratecheck::random::Seed;
use ratecheck::scalar::Scalar;

use super::{Example, Reading};
use crate::claim::closed_forms::on_circle;
use crate::claim::evidence::Unevaluated;
use crate::claim::instances::U;

const C_G: f64 = 0.5;

/// E1: c = 1/2, Lg = 1.
pub(super) fn learning_rate_of_g() -> Result<Example, Unevaluated> {
    let limit = bounds::eta_g_limit(1.0, C_G);
    // What the proof of Lemma 3.2 has left of g's terms, over ||grad_g L||^2.
    let left = -limit + 0.5 * (1.0 + 0.5 * C_G) * limit * limit;
    Ok(Example {
        setting: "c_g = 1/2, L^gg = 1".into(),
        printed: Reading::equal(
            "section 3.1 and Theorem 3.1: (1-c)/L^gg = 2(1-c)/L^gg",
            0.5 * bounds::eta_g_printed(1.0, C_G),
            bounds::eta_g_printed(1.0, C_G),
            8.0 * U,
        ),
        corrected: Reading::equal(
            "the proof's limit: -η_g + ½(1+c/2)η_g²L^gg = -(c/2)η_g at η_g = 2(2-c)/((2+c)L^gg)",
            left,
            -0.5 * C_G * limit,
            8.0 * U,
        ),
    })
}

/// E2: one step on the regression.
pub(super) fn taylor_equality() -> Result<Example, Unevaluated> {
    let (loss, theta_0) = (BnRegression::new(vec![0.6, 0.0, 0.8]), [1.0, 0.5, -0.25, 0.5]);
    let (eta_w, eta_g) = (1.0, bounds::eta_g_printed(1.0, C_G));
    let (rate_w, rate_g) = (Schedule::constant(eta_w)?, Schedule::constant(eta_g)?);
    let generator = Seed::new(0).generator("unused");
    let mut stepper = Stepper::new(&loss, &theta_0, StepRule::Gradient, rate_w, rate_g, generator);
    let n = stepper.w_norm_sq().to_vec();
    let step = stepper.step_with(&[0])?;
    let change = loss.sample_loss(&[0], stepper.theta()) - step.loss;
    let constants = loss.constants(1.0);
    let c_w = bounds::c_w(&[constants.l_vv[(0, 0)].0], constants.l_vg[0].0, constants.l_gg.0, C_G);
    let rhs = bounds::lemma_3_2(eta_w, eta_g, C_G, &n, stepper.gradient_norm_sq(), &[c_w], step.grad_g_sq);
    Ok(Example {
        setting: "L = ½|c - g v|², c = (0.6, 0, 0.8), from w = (1, 0.5, -0.25), g = 0.5: one step with η_w = η_g = 1"
            .into(),
        printed: Reading::equal("L(θ₁) - L(θ₀) = the right-hand side of (12)", change, rhs, 1e-14),
        corrected: Reading::at_most("L(θ₁) - L(θ₀) ≤ the right-hand side of (12)", change, rhs, 1e-14),
    })
}

/// E6: m = 2 blocks.
pub(super) fn sum_over_blocks() -> Result<Example, Unevaluated> {
    let (m, l_gg, step_sq) = (2.0, 1.0, 1.0);
    // Each block's share of the coupling term is (c/4) ||dg||^2 Lg/m.
    let coupling = m * 0.25 * C_G * step_sq * l_gg / m;
    let expected = 0.5 * (1.0 + 0.5 * C_G) * step_sq * l_gg;
    let formula = |sum: &str| format!("{sum} + ¼c‖Δg‖²L^gg = ½(1 + c/2)‖Δg‖²L^gg");
    Ok(Example {
        setting: "the last line of the proof of Lemma 3.2 with m = 2 blocks, ‖Δg‖ = L^gg = 1, c_g = 1/2".into(),
        printed: Reading::equal(formula("½Σ_i‖Δg‖²L^gg"), 0.5 * m * step_sq * l_gg + coupling, expected, 8.0 * U),
        corrected: Reading::equal(formula("½‖Δg‖²L^gg"), 0.5 * step_sq * l_gg + coupling, expected, 8.0 * U),
    })
}

/// E8: the Rayleigh quotient of diag(0, 1) beside its minimiser, where C = 1.
pub(super) fn half_decrease() -> Result<Example, Unevaluated> {
    let loss = Rayleigh::equally_spaced(2);
    let reading = |e: f64| -> Result<Reading, Unevaluated> {
        let eta = Schedule::constant(e)?;
        let mut stepper =
            Stepper::new(&loss, &[1.0, 0.1], StepRule::Gradient, eta, eta, Seed::new(0).generator("unused"));
        let n = stepper.w_norm_sq()[0];
        // eta_w = e n, so that the effective rate is e.
        let eta = Schedule::constant(e * n)?;
        stepper.set_rates(eta, eta);
        let step = stepper.step_with(&[0])?;
        let decrease = step.loss - loss.sample_loss(&[0], stepper.theta());
        let half = 0.5 * e * n * stepper.gradient_norm_sq()[0];
        Ok(Reading::at_most(format!("½η_w‖∇_w L‖² ≤ L(θ₀) - L(θ₁) at η_w/‖w‖² = {e}"), half, decrease, 1e-14))
    };
    Ok(Example {
        setting: "the Rayleigh quotient of diag(0, 1) at w = (1, 0.1), where C = 1: 0.75 is below 1/C, 0.5 is 1/(2C)"
            .into(),
        printed: reading(0.75)?,
        corrected: reading(0.5)?,
    })
}

/// E9: the regression at its minimiser, where g is not 0.
pub(super) fn norm_of_g() -> Result<Example, Unevaluated> {
    let (loss, theta) = (BnRegression::new(vec![0.6, 0.0, 0.8]), [0.6, 0.0, 0.8, 1.0]);
    let mut grad = [0.0; 4];
    loss.sample_gradient(&[0], &theta, &mut grad, &mut Workspace::default());
    let constants = loss.constants(1.0);
    let (l_vv, eta) = (constants.l_vv[(0, 0)].0, 1.0);
    let c_w = bounds::c_w(&[l_vv], constants.l_vg[0].0, constants.l_gg.0, C_G);
    let a = bounds::lemma_a2(0.0, &[bounds::k_w(c_w, l_vv, eta, 1.0)]);
    let bound = bounds::theorem_3_1_min(1_000_000, a, eta, &[1.0], C_G, eta);
    let of_w = grad[0] * grad[0] + grad[1] * grad[1] + grad[2] * grad[2];
    Ok(Example {
        setting:
            "L = ½|c - g v|² from its minimiser v = c, g = 1, where gradient descent stays, η_w = η_g = 1, T = 10⁶"
                .into(),
        printed: Reading::at_most("min_t(‖∇_v L‖² + ‖g_t‖²) ≤ the bound of Theorem 3.1", of_w + 1.0, bound, 0.0),
        corrected: Reading::at_most(
            "min_t(‖∇_v L‖² + ‖∇_g L‖²) ≤ the bound of Theorem 3.1",
            of_w + grad[3] * grad[3],
            bound,
            0.0,
        ),
    })
}

/// E10: L = -cos of the angle, along the geodesic from the minimiser to the angle pi/2.
pub(super) fn mean_value() -> Result<Example, Unevaluated> {
    let loss = Linear::new(vec![-1.0, 0.0]);
    let end = std::f64::consts::FRAC_PI_2;
    let gradient = |angle: f64| {
        let mut grad = [0.0; 2];
        loss.sample_gradient(&[0], &on_circle(angle), &mut grad, &mut Workspace::default());
        grad
    };
    let (first, last) = (gradient(0.0), gradient(end));
    let difference = [last[0] - first[0], last[1] - first[1]];
    let mut work = HessianProduct::new(2);
    let (mut nearest, mut steepest) = (f64::INFINITY, 0.0_f64);
    for k in 0..=1000 {
        // H'(xi): the Hessian times the velocity of the geodesic.
        let angle = end * f64::from(k) / 1000.0;
        let velocity = [-end * Scalar::sin(angle), end * Scalar::cos(angle)];
        let mut slope = [0.0; 2];
        hessian_vector_product(&loss, &[0], &on_circle(angle), &velocity, &mut slope, &mut work);
        let gap = [difference[0] - slope[0], difference[1] - slope[1]];
        nearest = nearest.min((gap[0] * gap[0] + gap[1] * gap[1]).sqrt());
        steepest = steepest.max((slope[0] * slope[0] + slope[1] * slope[1]).sqrt());
    }
    let length = (difference[0] * difference[0] + difference[1] * difference[1]).sqrt();
    Ok(Example {
        setting: "L = -cos of the angle of w, along the geodesic from its minimiser to the angle π/2, 1001 points ξ"
            .into(),
        printed: Reading::equal("min over ξ of ‖H(1) - H(0) - H′(ξ)‖ = 0", nearest, 0.0, 1e-3),
        corrected: Reading::at_most("‖H(1) - H(0)‖ ≤ max over ξ of ‖H′(ξ)‖", length, steepest, 8.0 * U),
    })
}

/// E22: the sum of squared gradients on the tanh circle for two large learning rates, long enough to converge.
pub(super) fn growth_in_eta() -> Result<Example, Unevaluated> {
    let loss = TanhCircle::new(1.0);
    let sum = |eta_w: f64| -> Result<f64, Unevaluated> {
        let steps = (100.0 * eta_w) as u64;
        let eta = Schedule::constant(eta_w)?;
        let plan = Plan::new(StepRule::Gradient, eta, eta, steps, []);
        let trace = run(&loss, &on_circle(1.2), &plan, Seed::new(0).generator("unused"));
        let last = trace.records.last().and_then(|record| record.running.as_ref());
        Ok(last.ok_or_else(|| Unevaluated("no sums".to_owned()))?.sum_grad_v_sq)
    };
    let exponent = 0.5 * libm::log10(sum(1e3)? / sum(1e2)?);
    let formula = |power: &str| format!("√(Σ_t‖∇_v L‖²) grows like η_w^{power}");
    Ok(Example {
        setting: "the tanh circle from the angle 1.2, η_w = 10² and 10³, T = 100η_w: the exponent between the two"
            .into(),
        // Between two rates the next term, of relative size 1/eta, still shows.
        printed: Reading::equal(formula("2"), exponent, 2.0, 0.05),
        corrected: Reading::equal(formula("½"), exponent, 0.5, 0.05),
    })
}
