//! Losses made of another one: its mean over z as a loss of its own, and a decay of its blocks.

use std::sync::Arc;

use super::{Arithmetic, Arithmetics, Further, Loss, Minibatches, Over, Products, Setting, Workspace};
use crate::parameters::Parameters;

/// L as a loss whose one minibatch is the whole: what gradient descent descends on.
///
/// ```
/// use std::sync::Arc;
/// use ratecheck::loss::{MeanLoss, Over, Setting, closed::ProblemJ};
/// let mean = MeanLoss::new(Arc::new(ProblemJ::default())).expect("finitely many minibatches");
/// assert_eq!(mean.minibatches().finite().map(|z| z.len()), Some(1));
/// // L = g^2/2 - g c'v at v = c, g = 1, without the noise of a minibatch.
/// let loss: f64 = mean.sample_loss(&[0], &[2.0, 0.0, 0.0, 0.0, 1.0]);
/// assert!((loss + 0.5).abs() < 1e-15);
/// ```
pub struct MeanLoss {
    inner: Arc<dyn Loss>,
    z: Minibatches,
}

impl MeanLoss {
    /// The mean of a loss whose minibatches are finitely many; nothing otherwise.
    pub fn new(inner: Arc<dyn Loss>) -> Option<Self> {
        let n_examples = inner.minibatches().n_examples();
        inner.minibatches().finite().map(|_| ())?;
        Some(Self { inner, z: Minibatches::full(n_examples) })
    }
}

impl Setting for MeanLoss {
    fn parameters(&self) -> &Parameters {
        self.inner.parameters()
    }
    fn minibatches(&self) -> &Minibatches {
        &self.z
    }
}

impl<S: Arithmetic> Over<S> for MeanLoss {
    fn sample_loss(&self, _z: &[usize], theta: &[S]) -> S {
        let batches = self.inner.minibatches().finite().expect("finitely many, by construction");
        let (n, inner) = (batches.len(), in_arithmetic::<S>(&*self.inner));
        let mut mean = S::ZERO;
        batches.for_each(|z| mean += inner.sample_loss(z, theta).over(n));
        mean
    }
    fn sample_gradient(&self, _z: &[usize], theta: &[S], grad: &mut [S], work: &mut Workspace<S>) -> S {
        let mut scratch = std::mem::take(&mut work.scratch);
        scratch.resize(theta.len(), S::ZERO);
        let mean = in_arithmetic::<S>(&*self.inner).mean_gradient(theta, grad, &mut scratch, work);
        work.scratch = scratch;
        mean.expect("finitely many minibatches, by construction")
    }
}

impl Products for MeanLoss {
    fn sample_product(&self, _z: &[usize], theta: &[f64], direction: &[f64], product: &mut [f64]) {
        let batches = self.inner.minibatches().finite().expect("finitely many, by construction");
        let (share, mut one) = (1.0 / batches.len() as f64, vec![0.0; product.len()]);
        product.fill(0.0);
        for z in batches {
            products(&*self.inner).sample_product(z, theta, direction, &mut one);
            product.iter_mut().zip(&one).for_each(|(sum, x)| *sum += share * x);
        }
    }
    fn relative_error(&self) -> f64 {
        products(&*self.inner).relative_error()
    }
    fn operations(&self) -> f64 {
        let n = self.inner.minibatches().finite().map_or(1, |batches| batches.len());
        n as f64 * products(&*self.inner).operations()
    }
}

/// F_z + (lambda/2) ||W||^2, over the scale-invariant blocks: no longer scale invariant. What controls break a loss by.
///
/// ```
/// use std::sync::Arc;
/// use ratecheck::loss::{Decayed, Over, closed::Rayleigh};
/// let loss = Decayed::new(Arc::new(Rayleigh::new(vec![0.0, 1.0])), 0.1);
/// assert_eq!(loss.sample_loss(&[0], &[3.0, 4.0]), 0.64 + 0.05 * 25.0);
/// ```
pub struct Decayed {
    inner: Arc<dyn Loss>,
    lambda: f64,
}

impl Decayed {
    /// This loss with this lambda.
    pub fn new(inner: Arc<dyn Loss>, lambda: f64) -> Self {
        Self { inner, lambda }
    }
}

impl Setting for Decayed {
    fn parameters(&self) -> &Parameters {
        self.inner.parameters()
    }
    fn minibatches(&self) -> &Minibatches {
        self.inner.minibatches()
    }
}

impl<S: Arithmetic> Over<S> for Decayed {
    fn sample_loss(&self, z: &[usize], theta: &[S]) -> S {
        let mut sq = S::ZERO;
        theta[..self.inner.parameters().g().start].iter().for_each(|x| sq += x.square());
        in_arithmetic::<S>(&*self.inner).sample_loss(z, theta) + sq.scale(0.5 * self.lambda)
    }
    fn sample_gradient(&self, z: &[usize], theta: &[S], grad: &mut [S], work: &mut Workspace<S>) -> S {
        let value = in_arithmetic::<S>(&*self.inner).sample_gradient(z, theta, grad, work);
        let mut sq = S::ZERO;
        let weights = self.inner.parameters().g().start;
        for (partial, x) in grad[..weights].iter_mut().zip(&theta[..weights]) {
            *partial += x.scale(self.lambda);
            sq += x.square();
        }
        value + sq.scale(0.5 * self.lambda)
    }
}

impl Products for Decayed {
    fn sample_product(&self, z: &[usize], theta: &[f64], direction: &[f64], product: &mut [f64]) {
        products(&*self.inner).sample_product(z, theta, direction, product);
        let weights = self.inner.parameters().g().start;
        product[..weights].iter_mut().zip(direction).for_each(|(x, d)| *x += self.lambda * d);
    }
    fn relative_error(&self) -> f64 {
        products(&*self.inner).relative_error()
    }
    fn operations(&self) -> f64 {
        products(&*self.inner).operations()
    }
}

/// The loss in an arithmetic that whoever asks has got from its own `further`.
fn in_arithmetic<S: Arithmetic>(inner: &dyn Loss) -> &dyn Over<S> {
    inner.over::<S>().expect("an arithmetic of the loss inside")
}

fn products(inner: &dyn Loss) -> &dyn Products {
    match inner.further() {
        Further::Products(products) => products,
        Further::Formula(_) => unreachable!("the products of a formula are taken in its arithmetics"),
    }
}

macro_rules! around {
    ($loss:ty) => {
        impl Arithmetics for $loss {
            fn encloses(&self) -> bool {
                matches!(self.inner.further(), Further::Formula(formula) if formula.encloses())
            }
        }
        impl Loss for $loss {
            fn further(&self) -> Further<'_> {
                match self.inner.further() {
                    Further::Formula(_) => Further::Formula(self),
                    Further::Products(_) => Further::Products(self),
                }
            }
            fn stage(&self, parameter: usize) -> usize {
                self.inner.stage(parameter)
            }
        }
    };
}
around!(MeanLoss);
around!(Decayed);
