//! (9), WNGrad and AdaGrad-norm on the unit spheres, in any arithmetic.

use ratecheck::loss::{Arithmetic, Loss, Over, Workspace};
use ratecheck::parameters::dot;

use crate::paper::visits::{on_spheres, to_sphere};

/// A rule on the unit spheres, with b of every block.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Form {
    /// (9): b divides the step, and takes up the gradient then.
    DividesFirst,
    /// WNGrad as it is implemented: b takes up the gradient, and divides the step then.
    TakesUpFirst,
    /// b^2 <- b^2 + ||grad||^2, and divides first.
    Squares,
    /// (9) without the projection.
    Unprojected,
}

/// A rule on the unit spheres.
pub(super) struct Spheres<'a, S: Arithmetic = f64> {
    loss: &'a dyn Over<S>,
    form: Form,
    /// What is divided by b: 1 in WNGrad.
    pub(super) rate: S,
    pub(super) theta: Vec<S>,
    pub(super) b: Vec<S>,
    grad: Vec<S>,
    work: Workspace<S>,
}

impl<'a, S: Arithmetic> Spheres<'a, S> {
    /// At theta~_0, with b = ||w_0||^2/eta; nothing if the loss has no such arithmetic.
    pub(super) fn new(loss: &'a dyn Loss, theta_0: &[f64], form: Form, eta: f64) -> Option<Self> {
        let over = loss.over::<S>()?;
        let (theta, norms) = on_spheres::<S>(loss.parameters(), theta_0);
        let b = norms.into_iter().map(|n| n / S::from_f64(eta)).collect();
        let grad = vec![S::ZERO; theta.len()];
        Some(Self { loss: over, form, rate: S::ONE, theta, b, grad, work: Workspace::default() })
    }

    /// Takes the gradient of F_z here.
    pub(super) fn look(&mut self, z: &[usize]) {
        self.loss.sample_gradient(z, &self.theta, &mut self.grad, &mut self.work);
    }

    /// ||grad_{v_i} F_z||^2 of the gradient taken last.
    pub(super) fn grad_sq(&self, i: usize) -> S {
        let grad = &self.grad[self.loss.parameters().block(i)];
        dot(grad, grad)
    }

    /// A step along the gradient taken last.
    pub(super) fn advance(&mut self, eta_g: f64) {
        let layout = self.loss.parameters();
        for (block, b) in layout.blocks().iter().zip(&mut self.b) {
            let (v, grad) = (&mut self.theta[block.range.clone()], &self.grad[block.range.clone()]);
            let sq = dot(grad, grad);
            let next = if self.form == Form::Squares { (*b * *b + sq).sqrt() } else { *b + sq / *b };
            let rate = self.rate / if self.form == Form::TakesUpFirst { next } else { *b };
            for (v, &d) in v.iter_mut().zip(grad) {
                *v -= rate * d;
            }
            if self.form != Form::Unprojected {
                to_sphere(v);
            }
            *b = next;
        }
        for (g, d) in self.theta[layout.g()].iter_mut().zip(&self.grad[layout.g()]) {
            *g -= d.scale(eta_g);
        }
    }

    pub(super) fn step(&mut self, z: &[usize], eta_g: f64) {
        self.look(z);
        self.advance(eta_g);
    }
}

impl Spheres<'_> {
    /// Goes on from theta~, with b = `factor` ||w||^2.
    pub(super) fn place(&mut self, theta: &[f64], factor: f64) {
        let (at, norms) = on_spheres::<f64>(self.loss.parameters(), theta);
        self.theta = at;
        self.b = norms.into_iter().map(|n| n * factor).collect();
    }
}
