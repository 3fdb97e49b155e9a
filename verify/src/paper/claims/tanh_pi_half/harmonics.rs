//! Trigonometric polynomials of the angle with an axis, the Fejer means of the tanh circle among them.

use std::f64::consts::{FRAC_PI_2, PI};

use ratecheck::loss::{Formula, Minibatches};
use ratecheck::parameters::{Parameters, dot};
use ratecheck::scalar::Scalar;

/// f(theta) = -sum_k b_k cos(k theta)/k on R^d, theta the angle with the first axis, so that f' = sum_k b_k sin(k
/// theta).
pub(super) struct Harmonics {
    pub(super) b: Vec<f64>,
    layout: Parameters,
    z: Minibatches,
}

impl Harmonics {
    /// b_1, b_2, ..
    pub(super) fn new(b: Vec<f64>) -> Self {
        Self { b, layout: Parameters::new([("w", 2)], 0), z: Minibatches::full(1) }
    }

    /// The Fejer mean of order N of the tanh circle with L = 1: its sine coefficients, times 1 - k/(N+1).
    ///
    /// b_k = (4/pi) int_0^(pi/2) tanh(t) sin(k t) dt for odd k and 0 for even k, by Simpson's rule on 2048 intervals:
    /// its error, (pi/2) h^4/180 max|..''''| with h = pi/4096 and a fourth derivative below 2 k^4, is below 1e-6 for
    /// k = 101, far below what is compared. Whatever b_k is, the comparison is about the loss that has it.
    pub(super) fn fejer(n: usize) -> Self {
        let intervals = 2048_usize;
        let h = FRAC_PI_2 / intervals as f64;
        let coefficient = |k: usize| {
            let term = |j: usize| {
                let weight = if j == 0 || j == intervals { 1.0 } else { 2.0 + 2.0 * (j % 2) as f64 };
                let t = j as f64 * h;
                weight * Scalar::tanh(t) * Scalar::sin(k as f64 * t)
            };
            let integral = h / 3.0 * (0..=intervals).map(term).sum::<f64>();
            (1.0 - k as f64 / (n as f64 + 1.0)) * 4.0 / PI * integral
        };
        Self::new((1..=n).map(|k| if k % 2 == 1 { coefficient(k) } else { 0.0 }).collect())
    }

    /// The same function of the angle in R^3.
    pub(super) fn in_space(self) -> Self {
        Self { layout: Parameters::new([("w", 3)], 0), ..self }
    }

    /// sum k |b_k|, at least |f''|.
    pub(super) fn second_derivative_bound(&self) -> f64 {
        self.b.iter().zip(1..).map(|(b, k)| f64::from(k) * b.abs()).sum()
    }
}

impl Formula for Harmonics {
    fn layout(&self) -> &Parameters {
        &self.layout
    }
    fn distribution(&self) -> &Minibatches {
        &self.z
    }
    fn value<S: Scalar>(&self, _z: &[usize], w: &[S]) -> S {
        // cos(k theta) of the angle with the first axis by Chebyshev's recursion: the same in every dimension.
        let c = w[0] / dot(w, w).sqrt();
        let (mut before, mut cosine, mut sum) = (S::ONE, c, S::ZERO);
        for (k, b) in (1..).zip(&self.b) {
            sum += cosine.scale(-b / f64::from(k));
            (before, cosine) = (cosine, (c * cosine).scale(2.0) - before);
        }
        sum
    }
}
