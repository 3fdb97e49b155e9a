//! Examples to appendix C.

use ratecheck::scalar::{Dual, Scalar};

use super::{Example, Reading};
use crate::claim::evidence::Unevaluated;
use crate::claim::instances::U;

/// gamma w'(x_b - u)/||w||_{S + eps I} for a batch of x in R^d.
fn unit<S: Scalar>(x: &[Vec<S>], w: &[f64], gamma: f64, epsilon: f64) -> Vec<S> {
    let share = 1.0 / x.len() as f64;
    let products: Vec<S> = x.iter().map(|x| x.iter().zip(w).fold(S::ZERO, |sum, (x, w)| sum + x.scale(*w))).collect();
    let mean = products.iter().fold(S::ZERO, |sum, &p| sum + p.scale(share));
    let variance = products.iter().fold(S::ZERO, |sum, &p| sum + (p - mean).square().scale(share));
    let norm_sq: f64 = w.iter().map(|w| w * w).sum();
    let length = (variance + S::from_f64(epsilon * norm_sq)).sqrt();
    products.iter().map(|&p| (p - mean).scale(gamma) / length).collect()
}

/// dz_b'/dx_{b,k}, exact: the unit evaluated over duals.
fn derivative(x: &[Vec<f64>], w: &[f64], gamma: f64, epsilon: f64, [b, k]: [usize; 2]) -> Vec<f64> {
    let lift = |(i, x): (usize, &Vec<f64>)| {
        x.iter().enumerate().map(|(j, &x)| Dual::new(x, f64::from(u8::from([i, j] == [b, k])))).collect()
    };
    let lifted: Vec<Vec<Dual<f64>>> = x.iter().enumerate().map(lift).collect();
    unit(&lifted, w, gamma, epsilon).iter().map(|z| z.du).collect()
}

/// E15: two examples, w across their difference, epsilon = 100.
pub(super) fn back_propagation() -> Result<Example, Unevaluated> {
    let (epsilon, r) = (100.0, 0.5_f64.sqrt());
    let x = vec![vec![1e-6, 0.0], vec![-1e-6, 0.0]];
    let component = |k: usize| {
        let dz = derivative(&x, &[0.0, 1.0], 1.0, epsilon, [0, k]);
        r * (dz[0] - dz[1])
    };
    let measured = (component(0).powi(2) + component(1).powi(2)).sqrt();
    let b = 2.0_f64;
    Ok(Example {
        setting: "B = 2, x = ±(10⁻⁶, 0), w = (0, 1), γ = 1, ε = 100, ∇f = (1, -1)/√2, so that G = 1".into(),
        printed: Reading::at_most("‖∇_x y‖ ≤ (3γ/ε)G√B", measured, 3.0 / epsilon * b.sqrt(), 16.0 * U),
        corrected: Reading::at_most(
            "‖∇_x y‖ ≤ (|γ|/√ε)G√(1 - 1/B)",
            measured,
            (1.0 - 1.0 / b).sqrt() / epsilon.sqrt(),
            16.0 * U,
        ),
    })
}

/// E16: the derivative of z_3 by x_1, for one weight.
pub(super) fn jacobian() -> Result<Example, Unevaluated> {
    let values = [-1.0, 0.0, 2.0];
    let (w, n) = (1.5, 3.0);
    let x: Vec<Vec<f64>> = values.iter().map(|&x| vec![x]).collect();
    let exact = derivative(&x, &[w], 1.0, 1.0, [0, 0])[2];
    let u = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|x| (x - u) * (x - u)).sum::<f64>() / n;
    let length = (w * w * (variance + 1.0)).sqrt();
    // (1{b=b'} - 1/B) w/||w|| - w'(x - u) d||w||/||w||^2, where d||w|| is 2/B or 1/B times w w'(x_b - u)/||w||.
    let formula = |first: f64, factor: f64| {
        (-1.0 / n * length * w - w * (first - u) / length * factor / n * w * w * (values[0] - u)) / (length * length)
    };
    let rounding = 32.0 * U;
    Ok(Example {
        setting: "B = 3, x = -1, 0, 2, one weight w = 1.5, γ = 1, ε = 1: ∂z₃/∂x₁ by automatic differentiation".into(),
        printed: Reading::equal("the formula with w·(x_b - u) and 2/B", formula(values[0], 2.0), exact, rounding),
        corrected: Reading::equal("the formula with w·(x_b′ - u) and 1/B", formula(values[2], 1.0), exact, rounding),
    })
}

/// E17: weight decay lambda on g, and a gradient of size Q whose sign the minibatch chooses.
pub(super) fn weight_decay() -> Result<Example, Unevaluated> {
    let largest = |eta_lambda: f64| {
        // lambda = Q = 1. The minibatch with the sign of g is drawn at every step.
        let mut g = 1.0_f64;
        (0..30).fold(g, |largest, _| {
            g -= eta_lambda * (g.signum() + g);
            largest.max(g.abs())
        })
    };
    Ok(Example {
        setting: "F_z = ½g² ± g (λ = Q = 1), g₀ = 1, 30 steps, at each the sign of g; c_g = 0.1, so that η_g = 2(1 - \
                  c_g)/L^gg = 1.8, against η_g = 1"
            .into(),
        printed: Reading::at_most("|g_t| ≤ max(|g₀|, Q/λ), η_gλ = 1.8", largest(1.8), 1.0, 32.0 * U),
        corrected: Reading::at_most("|g_t| ≤ max(|g₀|, Q/λ), η_gλ = 1", largest(1.0), 1.0, 32.0 * U),
    })
}

/// E24: ln Γ of the first layer, over depth, by the recursion of Lemma C.2.
pub(super) fn depth() -> Result<Example, Unevaluated> {
    let (width, epsilon, lambda) = (16.0_f64, 1.0_f64, 0.5_f64);
    // From the last layer, where Q sqrt(B) = 1 and there is one unit, down to the first of `layers`.
    let log_first = |layers: i32| {
        let mut q = 1.0;
        for l in (2..=layers).rev() {
            let units = if l == layers { 1.0 } else { width };
            q *= q / lambda * (units / epsilon).sqrt();
        }
        f64::ln(q / lambda)
    };
    let step = |layers: i32| log_first(layers + 1) - log_first(layers);
    let last = step(4);
    Ok(Example {
        setting: "Γ₁ of Lemma C.2 on networks 1-M-…-M-1, M = 16, ε = 1, λ = ½, α_f = α_σ = 1: ln Γ₁ from 4 layers to \
                  5, where M^O(L) adds as much with every layer"
            .into(),
        printed: Reading::equal("as much as from 3 to 4", last, step(3), 64.0 * U),
        corrected: Reading::equal("twice as much as from 3 to 4", last, 2.0 * step(3), 64.0 * U),
    })
}
