//! Gradient descent in any arithmetic: the recursion (4) and nothing else, written again beside the engine's stepper.

use ratecheck::loss::{Arithmetic, Loss, Over, Workspace};
use ratecheck::parameters::dot;
use ratecheck::scalar::DoubleDouble;

/// theta_t, and the gradient last taken.
pub(crate) struct Recursion<'a, S: Arithmetic = DoubleDouble> {
    pub(crate) loss: &'a dyn Over<S>,
    pub(crate) theta: Vec<S>,
    pub(crate) grad: Vec<S>,
    scratch: Vec<S>,
    work: Workspace<S>,
}

impl<'a, S: Arithmetic> Recursion<'a, S> {
    /// At theta, exactly; nothing if the loss has no such arithmetic.
    pub(crate) fn new(loss: &'a dyn Loss, theta: &[f64]) -> Option<Self> {
        let loss = loss.over::<S>()?;
        let theta: Vec<S> = theta.iter().map(|&x| S::from_f64(x)).collect();
        let zero = vec![S::ZERO; theta.len()];
        Some(Self { loss, theta, grad: zero.clone(), scratch: zero, work: Workspace::default() })
    }

    /// Takes F_z and its gradient at theta_t.
    pub(crate) fn look(&mut self, z: &[usize]) -> S {
        self.loss.sample_gradient(z, &self.theta, &mut self.grad, &mut self.work)
    }

    /// Takes L and its gradient at theta_t; nothing if z is not finite.
    pub(crate) fn look_at_mean(&mut self) -> Option<S> {
        self.loss.mean_gradient(&self.theta, &mut self.grad, &mut self.scratch, &mut self.work)
    }

    /// theta_{t+1} = theta_t - eta grad, with the gradient taken last.
    pub(crate) fn step(&mut self, eta_w: f64, eta_g: f64) {
        let g = self.loss.parameters().g().start;
        for (k, (x, &d)) in self.theta.iter_mut().zip(&self.grad).enumerate() {
            *x -= d.scale(if k < g { eta_w } else { eta_g });
        }
    }

    /// n_i = ||w_i||^2.
    pub(crate) fn w_norm_sq(&self, i: usize) -> S {
        let w = &self.theta[self.loss.parameters().block(i)];
        dot(w, w)
    }

    /// n_i of every block.
    pub(crate) fn norms(&self) -> Vec<S> {
        (0..self.loss.parameters().n_blocks()).map(|i| self.w_norm_sq(i)).collect()
    }

    /// ||grad_{w_i}||^2 of the gradient taken last.
    pub(crate) fn grad_w_sq(&self, i: usize) -> S {
        let grad = &self.grad[self.loss.parameters().block(i)];
        dot(grad, grad)
    }

    /// ||grad_g||^2 of the gradient taken last.
    pub(crate) fn grad_g_sq(&self) -> S {
        let grad = &self.grad[self.loss.parameters().g()];
        dot(grad, grad)
    }
}
