//! Values and gradients with more digits than `f64` has, where a loss can give them: identities are then decided by
//! what they say, and not by how a loss rounds.

use std::ops::Range;

use ratecheck::loss::{Further, Loss, Over, Workspace};
use ratecheck::parameters::norm;
use ratecheck::scalar::{DoubleDouble, Scalar};

/// 2^-53, the unit roundoff of f64.
pub const U: f64 = f64::EPSILON / 2.0;

/// Evaluates a loss in double-double, or in `f64` if it has nothing better.
pub struct Evaluator<'a> {
    plain: &'a dyn Loss,
    precise: Option<(&'a dyn Over<DoubleDouble>, Workspace<DoubleDouble>)>,
    /// What an identity may be off by, relative to the size of its terms. In double-double one rounding of `f64`: those
    /// of a hundred thousand operations in 2^-98, amplified a hundred million times, stay below it.
    /// In `f64` a thousand roundings.
    pub unit: f64,
    /// The same of an identity about Hessian-vector products: more, by what foreign products are off
    /// (`Products::relative_error`).
    pub product_unit: f64,
}

/// What was seen at a point.
pub struct Seen {
    /// F_z.
    pub value: DoubleDouble,
    /// Its gradient.
    pub grad: Vec<DoubleDouble>,
    theta_norm: f64,
}

impl Seen {
    /// The size of the terms of identities about values: a relative change of theta by u changes F by u ||theta||
    /// ||grad F||.
    pub fn size(&self) -> f64 {
        self.value.value().abs().max(1.0) + self.theta_norm * self.grad_norm()
    }

    /// ||grad F||.
    pub fn grad_norm(&self) -> f64 {
        length(&self.grad)
    }
}

impl<'a> Evaluator<'a> {
    /// In the best arithmetic that the loss has.
    pub fn new(loss: &'a dyn Loss) -> Self {
        let precise = loss.over::<DoubleDouble>().map(|over| (over, Workspace::default()));
        let unit = if precise.is_some() { U } else { 1024.0 * U };
        let off = match loss.further() {
            Further::Formula(_) => 0.0,
            Further::Products(products) => products.relative_error(),
        };
        Self { plain: loss, precise, unit, product_unit: unit + off }
    }

    /// Whether more digits than those of `f64` are had.
    pub fn is_precise(&self) -> bool {
        self.precise.is_some()
    }

    /// Value and gradient at a point that `f64` holds.
    pub fn at(&mut self, z: &[usize], theta: &[f64]) -> Seen {
        let theta: Vec<DoubleDouble> = theta.iter().map(|&x| DoubleDouble::from(x)).collect();
        self.gradient(z, &theta)
    }

    /// Value and gradient.
    pub fn gradient(&mut self, z: &[usize], theta: &[DoubleDouble]) -> Seen {
        let theta_norm = length(theta);
        if let Some((over, work)) = &mut self.precise {
            let mut grad = vec![DoubleDouble::ZERO; theta.len()];
            let value = over.sample_gradient(z, theta, &mut grad, work);
            return Seen { value, grad, theta_norm };
        }
        let theta: Vec<f64> = theta.iter().map(|x| x.value()).collect();
        let mut grad = vec![0.0; theta.len()];
        let value = self.plain.sample_gradient(z, &theta, &mut grad, &mut Workspace::default());
        Seen { value: value.into(), grad: grad.into_iter().map(DoubleDouble::from).collect(), theta_norm }
    }

    /// The value alone.
    pub fn value(&mut self, z: &[usize], theta: &[DoubleDouble]) -> DoubleDouble {
        match &self.precise {
            Some((over, _)) => over.sample_loss(z, theta),
            None => {
                let theta: Vec<f64> = theta.iter().map(|x| x.value()).collect();
                self.plain.sample_loss(z, &theta).into()
            }
        }
    }

    /// theta with some of its numbers multiplied by c.
    pub fn scaled(&self, theta: &[f64], range: Range<usize>, c: f64) -> Vec<DoubleDouble> {
        let mut theta: Vec<DoubleDouble> = theta.iter().map(|&x| DoubleDouble::from(x)).collect();
        theta[range].iter_mut().for_each(|x| *x *= DoubleDouble::from(c));
        theta
    }
}

/// The Euclidean norm, rounded.
pub fn length(x: &[DoubleDouble]) -> f64 {
    norm(&x.iter().map(|x| x.value()).collect::<Vec<f64>>())
}
