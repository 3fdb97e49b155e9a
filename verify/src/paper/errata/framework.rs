//! Examples to section 2 and to the identities of appendix A.

use ratecheck::curvature::{HessianProduct, hessian_vector_product};
use ratecheck::descent::{Schedule, StepRule, Stepper};
use ratecheck::loss::closed::{BnRegression, Rayleigh};
use ratecheck::parameters::norm_sq;
use ratecheck::random::Seed;

use super::{Example, Reading};
use crate::claim::evidence::Unevaluated;
use crate::claim::instances::U;

/// Outputs of a unit over a batch, normalised with the biased variance plus `smoothing`.
fn normalised(z: &[f64], smoothing: f64) -> Vec<f64> {
    let n = z.len() as f64;
    let mean = z.iter().sum::<f64>() / n;
    let variance = z.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
    z.iter().map(|x| (x - mean) / (variance + smoothing).sqrt()).collect()
}

/// E3: the mixed block of one neuron at ||w|| = 2.
pub(super) fn mixed_block() -> Result<Example, Unevaluated> {
    let loss = BnRegression::new(vec![1.0, 0.0]);
    let column = |w_norm: f64| {
        let mut product = [0.0; 3];
        let mut work = HessianProduct::new(3);
        hessian_vector_product(&loss, &[0], &[0.0, w_norm, 0.5], &[0.0, 0.0, 1.0], &mut product, &mut work);
        (product[0] * product[0] + product[1] * product[1]).sqrt()
    };
    let (at_w, at_v) = (column(2.0), column(1.0));
    Ok(Example {
        setting: "L = ½g² - g c·v + ½, c = (1, 0), at w = (0, 2), v = (0, 1): ‖∂²L/∂v∂g‖ = 1".into(),
        printed: Reading::equal("‖∂²L/∂w∂g‖ = ‖∂²L/∂v∂g‖/‖w‖²", at_w, at_v / 4.0, 8.0 * U),
        corrected: Reading::equal("‖∂²L/∂w∂g‖ = ‖∂²L/∂v∂g‖/‖w‖", at_w, at_v / 2.0, 8.0 * U),
    })
}

/// E4: one weight on the inputs -1 and 1.
pub(super) fn smoothing() -> Result<Example, Unevaluated> {
    let output = |w: f64, smoothing: f64| normalised(&[-w, w], smoothing)[1];
    Ok(Example {
        setting: "one weight w on the inputs -1 and 1, ε = 1: the output for x = 1, at w = 2 and at w = 1".into(),
        printed: Reading::equal("z̃(2) = z̃(1), smoothed by ε‖w‖", output(2.0, 2.0), output(1.0, 1.0), 8.0 * U),
        corrected: Reading::equal("z̃(2) = z̃(1), smoothed by ε‖w‖²", output(2.0, 4.0), output(1.0, 1.0), 8.0 * U),
    })
}

/// E7: one step on w_1^2/||w||^2 from (1, 1), where the gradient is (1/2, -1/2).
pub(super) fn sign_of_the_step() -> Result<Example, Unevaluated> {
    let (loss, eta) = (Rayleigh::new(vec![1.0, 0.0]), Schedule::constant(1.0)?);
    let mut stepper = Stepper::new(&loss, &[1.0, 1.0], StepRule::Gradient, eta, eta, Seed::new(0).generator("unused"));
    stepper.step_with(&[0])?;
    let (moved, along) = (stepper.theta()[0] - 1.0, stepper.gradient()[0]);
    Ok(Example {
        setting: "L = w₁²/‖w‖² at w = (1, 1), η = 1: first components".into(),
        printed: Reading::equal("w_{t+1} - w_t = η∇_w L", moved, along, 8.0 * U),
        corrected: Reading::equal("w_{t+1} - w_t = -η∇_w L", moved, -along, 8.0 * U),
    })
}

/// E23: one step on w_1^2/||w||^2 from (1, 1)/sqrt(2), where the gradient has the norm 1 and b_0 = 1.
pub(super) fn order_of_wngrad() -> Result<Example, Unevaluated> {
    let (loss, one) = (Rayleigh::new(vec![1.0, 0.0]), Schedule::constant(1.0)?);
    let start = [std::f64::consts::FRAC_1_SQRT_2; 2];
    let first = |rule| -> Result<f64, Unevaluated> {
        let mut stepper = Stepper::new(&loss, &start, rule, one, one, Seed::new(0).generator("unused"));
        stepper.step_with(&[0])?;
        Ok(stepper.theta()[0] / norm_sq(stepper.theta()).sqrt())
    };
    let by_9 = first(StepRule::Adaptive)?;
    let (after, before) = (first(StepRule::WnGrad { b_0: 1.0 })?, first(StepRule::Gradient)?);
    Ok(Example {
        setting:
            "L = w₁²/‖w‖² from w = v = (1, 1)/√2, η = 1, b₀ = 1, ‖∇_v L‖ = 1: the first component of v after a step"
                .into(),
        printed: Reading::equal("WNGrad, b takes up the gradient and divides = (9)", after, by_9, 8.0 * U),
        corrected: Reading::equal("WNGrad, b divides and takes up the gradient = (9)", before, by_9, 8.0 * U),
    })
}

/// E18: two ReLU units' worth of one: outputs (0, gamma) into a normalised unit.
pub(super) fn relu_under_smoothing() -> Result<Example, Unevaluated> {
    // gamma x~ + beta with x~ = -1, 1 and beta = 0, through ReLU, through a weight 1.
    let output = |gamma: f64, epsilon: f64| {
        let inner = normalised(&[-1.0, 1.0], 0.0);
        let active: Vec<f64> = inner.iter().map(|x| (gamma * x).max(0.0)).collect();
        normalised(&active, epsilon)[1]
    };
    Ok(Example {
        setting:
            "one unit with γ, β = 0, ReLU, one unit of weight 1, on the inputs -1 and 1: the output for x = 1, at \
                  γ = 2 and at γ = 1"
                .into(),
        printed: Reading::equal("the next BN smoothed with ε = 1", output(2.0, 1.0), output(1.0, 1.0), 8.0 * U),
        corrected: Reading::equal("the next BN with ε = 0", output(2.0, 0.0), output(1.0, 0.0), 8.0 * U),
    })
}

/// E19: three units under layer normalisation.
pub(super) fn layer_norm() -> Result<Example, Unevaluated> {
    let first = |z: [f64; 3]| normalised(&z, 0.0)[0];
    let before = first([1.0, 2.0, 4.0]);
    Ok(Example {
        setting: "three units of one weight each, w = (1, 2, 4), on the input 1, under LayerNorm: the first output, \
                  after and before scaling by 2"
            .into(),
        printed: Reading::equal("the first row alone is scaled", first([2.0, 2.0, 4.0]), before, 16.0 * U),
        corrected: Reading::equal("the whole matrix is scaled", first([2.0, 4.0, 8.0]), before, 16.0 * U),
    })
}
