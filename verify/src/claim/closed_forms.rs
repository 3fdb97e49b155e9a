//! The closed-form losses as instances: their constants, minimum and start are known,
//! so that a bound is formed without search.

use std::ops::Deref;
use std::sync::Arc;

use ndarray::array;
use ratecheck::bounds::{Factors, eta_g_printed};
use ratecheck::curvature::{Exact, Smoothness};
use ratecheck::linalg::LinalgError;
use ratecheck::loss::closed::{
    Bilinear, BnRegression, Circle, HelixValley, Linear, ProblemJ, Rayleigh, TIndexedHelix, TanhCircle,
};
use ratecheck::loss::{BatchError, Formula, Loss, Minibatches};
use ratecheck::parameters::{Parameters, dot};
use ratecheck::scalar::Scalar;

use crate::claim::subject::Subject;

/// c_g of section 3, in every claim on gradient descent.
pub const C_G: f64 = 0.5;

/// eta_w over eight decades.
pub const ETA_W: [f64; 9] = [1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3, 1e4];

/// F(w) = ||w||^2 in R^2, with Hessian 2: NOT scale invariant. The subject of controls.
#[derive(Clone, Debug)]
pub struct Quadratic {
    layout: Parameters,
    z: Minibatches,
}

impl Default for Quadratic {
    fn default() -> Self {
        Self { layout: Parameters::new([("w", 2)], 0), z: Minibatches::full(1) }
    }
}

impl Formula for Quadratic {
    fn layout(&self) -> &Parameters {
        &self.layout
    }
    fn distribution(&self) -> &Minibatches {
        &self.z
    }
    fn value<S: Scalar>(&self, _z: &[usize], w: &[S]) -> S {
        w[0] * w[0] + w[1] * w[1]
    }
}

/// L = g^2/2 - g sum_i c_i'v_i over m blocks of R^2 with one g, |c_i| = 1: every block is coupled to the same g. On |g|
/// <= K Lii = 2K/sqrt(3), Lij = 0, Li = 1, Lg = 1 (each block is the linear loss -g c_i'v_i), and Lmin = -m^2/2.
#[derive(Clone, Debug)]
pub struct SharedRegression {
    layout: Parameters,
    z: Minibatches,
}

impl SharedRegression {
    /// With two blocks.
    pub fn pair() -> Self {
        Self { layout: Parameters::new([("w1", 2), ("w2", 2)], 1), z: Minibatches::full(1) }
    }

    /// An instance from v_i at the given angle to c_i and a g_0 in [-K, K], with constants on |g| <= K.
    pub fn at(name: &str, angle: f64, g_start: f64, radius: f64) -> Instance {
        let l = 2.0 * radius / 3.0_f64.sqrt();
        let constants = Smoothness { l_vv: array![[l, 0.0], [0.0, l]], l_vg: vec![1.0; 2], l_gg: 1.0 }
            .map(|&constant| Exact(constant));
        let theta_0 = [on_circle(angle), on_circle(angle), vec![g_start]].concat();
        Instance::new(name, Self::pair(), theta_0, constants, -2.0).on_ball(radius)
    }
}

impl Formula for SharedRegression {
    fn layout(&self) -> &Parameters {
        &self.layout
    }
    fn distribution(&self) -> &Minibatches {
        &self.z
    }
    fn value<S: Scalar>(&self, _z: &[usize], theta: &[S]) -> S {
        let g = theta[self.layout.g().start];
        let blocks = self.layout.blocks().iter().map(|block| {
            let w = &theta[block.range.clone()];
            w[0] / dot(w, w).sqrt()
        });
        g.square().scale(0.5) - g * blocks.fold(S::ZERO, |sum, x| sum + x)
    }
}

/// F(w) = the angle of w in R^2, whose gradient has norm 1/||w|| everywhere: ||grad_v F|| is L_A = 1 at every step, the
/// worst that sums of increments can meet. The value jumps across one ray, where the gradient does not.
#[derive(Clone, Debug)]
pub struct Spiral {
    layout: Parameters,
    z: Minibatches,
}

impl Default for Spiral {
    fn default() -> Self {
        Self { layout: Parameters::new([("w", 2)], 0), z: Minibatches::full(1) }
    }
}

impl Formula for Spiral {
    fn layout(&self) -> &Parameters {
        &self.layout
    }
    fn distribution(&self) -> &Minibatches {
        &self.z
    }
    fn value<S: Scalar>(&self, _z: &[usize], w: &[S]) -> S {
        w[1].atan2(w[0])
    }
}

/// F_z = sum_i (v_i2^2 + s xi_i v_i2) over two blocks of R^2, without a g, for the four signs xi: Rayleigh quotients of
/// diag(0, 1) with independent noise. For the mean Lii = 2, Lij = 0, so that C_i = 1, and Lmin = 0; every F_z has
/// ||grad_{v_i}|| <= 1 + s.
#[derive(Clone, Debug)]
pub struct NoisyPair {
    layout: Parameters,
    z: Minibatches,
    s: f64,
}

impl NoisyPair {
    /// With noise of size s.
    ///
    /// # Errors
    /// Never: four samples can be drawn one by one.
    pub fn new(s: f64) -> Result<Self, BatchError> {
        let layout = Parameters::new([("w1", 2), ("w2", 2)], 0);
        Ok(Self { layout, z: Minibatches::partition((0..4).collect(), 1)?, s })
    }

    /// The minimiser v_i = e_1 with ||w_1||^2 = 1, ||w_2||^2 = 4.
    pub fn minimiser() -> Vec<f64> {
        vec![1.0, 0.0, 2.0, 0.0]
    }
}

impl Formula for NoisyPair {
    fn layout(&self) -> &Parameters {
        &self.layout
    }
    fn distribution(&self) -> &Minibatches {
        &self.z
    }
    fn value<S: Scalar>(&self, z: &[usize], w: &[S]) -> S {
        let blocks = self.layout.blocks().iter().enumerate().map(|(i, block)| {
            let w = &w[block.range.clone()];
            let v = w[1] / dot(w, w).sqrt();
            // The bits of z are the signs.
            let sign = if z[0] >> i & 1 == 0 { 1.0 } else { -1.0 };
            v.square() + v.scale(self.s * sign)
        });
        blocks.fold(S::ZERO, |sum, x| sum + x)
    }
}

/// A subject of which everything is known that the bounds of section 3 need.
#[derive(Clone)]
pub struct Instance {
    /// What any statement can be measured on.
    pub subject: Subject,
    /// Exact on the whole domain; with a radius of the subject, on |g| <= K.
    pub constants: Smoothness<f64>,
    /// Lmin.
    pub loss_min: f64,
}

impl Deref for Instance {
    type Target = Subject;

    fn deref(&self) -> &Subject {
        &self.subject
    }
}

impl Instance {
    /// An instance whose constants are exact, and hold for every g.
    pub fn new(
        name: impl Into<String>,
        loss: impl Loss + 'static,
        theta_0: Vec<f64>,
        constants: Smoothness<Exact>,
        loss_min: f64,
    ) -> Self {
        let mut subject = Subject::new(name, Arc::new(loss), theta_0);
        let values = constants.values();
        (subject.exact, subject.loss_min) = (Some(constants), Some(loss_min));
        Self { subject, constants: values, loss_min }
    }

    /// The same, whose constants hold on |g| <= K alone.
    #[must_use]
    pub fn on_ball(mut self, radius: f64) -> Self {
        self.subject.radius = Some(radius);
        self
    }

    /// C_i for every block.
    pub fn c_w(&self) -> Vec<f64> {
        self.c_w_with(&Factors::ONE)
    }

    /// The same with every constant times its factor.
    pub fn c_w_with(&self, factors: &Factors) -> Vec<f64> {
        let constants = &self.constants;
        let rows = constants.l_vv.rows().into_iter().zip(&constants.l_vg);
        rows.map(|(row, &l_vg)| factors.c_w(&row.to_vec(), l_vg, constants.l_gg, C_G)).collect()
    }

    /// 2(1-c)/Lg as Theorem 3.1 prints it. Without a g nothing depends on it, and it is 1.
    pub fn eta_g_printed(&self) -> f64 {
        if self.has_g() { eta_g_printed(self.constants.l_gg, C_G) } else { 1.0 }
    }

    /// Delta = L(theta_0) - Lmin.
    pub fn gap(&self) -> f64 {
        self.loss.sample_loss(&[0], &self.theta) - self.loss_min
    }
}

/// The unit vector of R^2 at the given angle.
pub fn on_circle(angle: f64) -> Vec<f64> {
    vec![Scalar::cos(angle), Scalar::sin(angle)]
}

/// Rayleigh's quotient w'Aw / w'w of A = diag(0..1) in R^10.
pub fn rayleigh() -> Instance {
    let loss = Rayleigh::equally_spaced(10);
    Instance::new("Rayleigh in R^10", loss.clone(), vec![1.0; 10], loss.constants(), loss.loss_min())
}

/// a'v in R^3.
pub fn linear() -> Instance {
    let loss = Linear::new(vec![0.3, -1.2, 0.4]);
    Instance::new("linear in R^3", loss.clone(), vec![1.0, 0.5, -0.25], loss.constants(), loss.loss_min())
}

/// |c - g v|^2/2 in R^3. |g| <= K = 1 since |c| = 1, |g_0| < 1 and eta_g = 2(1-c)/Lg = 1: g_{t+1} = c'v_t is an inner
/// product of unit vectors.
pub fn bn_regression() -> Instance {
    let loss = BnRegression::new(vec![0.6, 0.0, 0.8]);
    let constants = loss.constants(1.0);
    Instance::new("BN regression", loss, vec![1.0, 0.5, -0.25, 0.5], constants, 0.0).on_ball(1.0)
}

/// The angle within which the tanh circle is rounded.
pub const ROUNDED: f64 = 0.01;

/// The circle with the largest gradient for its curvature, rounded: section 2.4 asks for C². Its gradient reaches
/// 0.9164 of the curvature, where tanh(pi/2) = 0.9172.
pub fn tanh_circle() -> Instance {
    let loss = TanhCircle::rounded(1.0, ROUNDED);
    Instance::new("rounded tanh circle", loss.clone(), on_circle(1.2), loss.constants(), loss.loss_min())
}

/// (1 - cos)^2 on the circle.
pub fn circle() -> Instance {
    let loss = Circle::new(4);
    Instance::new("circle p = 4", loss.clone(), on_circle(2.0), loss.constants(), loss.loss_min())
}

/// The helix valley. Its constants hold for every g.
pub fn helix_valley() -> Instance {
    let loss = HelixValley::catalogue(0.5);
    Instance::new("helix valley a = 1/2", loss.clone(), loss.theta_0(), loss.constants(), loss.loss_min())
}

/// The helix that is indexed by the number of steps. Its constants hold for every g.
pub fn indexed_helix(n_steps: u64) -> Instance {
    let loss = TIndexedHelix::for_steps(n_steps);
    Instance::new("T-indexed helix", loss.clone(), loss.theta_0(), loss.constants(), loss.loss_min())
}

/// v1'M v2 in R^3 x R^4.
///
/// # Errors
/// Never with this matrix; the bilinear form checks it.
pub fn bilinear() -> Result<Instance, LinalgError> {
    let loss = Bilinear::new(array![[1.0, 0.5, 0.0, -0.25], [0.0, 2.0, 1.0, 0.5], [-1.0, 0.25, 0.5, 1.5]])?;
    let theta_0 = vec![0.5, 0.25, -0.5, 1.0, -0.5, 0.75, 0.5];
    Ok(Instance::new("bilinear, two blocks", loss.clone(), theta_0, loss.constants(), loss.loss_min()))
}

/// Problem J in R^4 from a point of no symmetry, with the constants of every F_z on |g| <= K, where K is what g needs
/// under eta_g <= 1.
pub fn problem_j() -> Instance {
    let (loss, theta_0) = (ProblemJ::default(), vec![0.5, 1.0, -0.5, 0.25, 0.75]);
    let radius = loss.radius(0.75);
    let constants = loss.sample_constants(radius);
    Instance::new("problem J", loss.clone(), theta_0, constants, loss.loss_min()).on_ball(radius)
}

/// What gradient descent is checked on: one of each kind, from ordinary starts; `n_steps` indexes the helix of that
/// many steps.
///
/// # Errors
/// As [`bilinear`].
pub fn ordinary(n_steps: u64) -> Result<Vec<Instance>, LinalgError> {
    Ok(vec![rayleigh(), bn_regression(), tanh_circle(), circle(), helix_valley(), indexed_helix(n_steps), bilinear()?])
}
