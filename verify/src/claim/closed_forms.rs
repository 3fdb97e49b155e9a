//! The closed-form losses as instances: their constants, minimum and start are known,
//! so that a bound is formed without search.

use std::sync::Arc;

use ndarray::array;
use ratecheck::bounds::{self, c_w, eta_g_printed};
use ratecheck::curvature::{Exact, Smoothness};
use ratecheck::linalg::LinalgError;
use ratecheck::loss::closed::{Bilinear, BnRegression, Circle, HelixValley, Rayleigh, TIndexedHelix, TanhCircle};
use ratecheck::loss::{Formula, Loss, Minibatches};
use ratecheck::parameters::Parameters;
use ratecheck::scalar::Scalar;

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

/// A loss with its start and all that the bounds of section 3 need.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Shown in the tables.
    pub name: String,
    /// The loss.
    pub loss: Arc<dyn Loss>,
    /// theta_0.
    pub theta_0: Vec<f64>,
    /// Exact on the whole domain; with `g_radius`, on |g| <= K.
    pub constants: Smoothness<f64>,
    /// Lmin.
    pub loss_min: f64,
    /// K, where the constants need a bound of g.
    pub g_radius: Option<f64>,
}

impl Instance {
    /// An instance whose constants hold for every g.
    pub fn new(
        name: impl Into<String>,
        loss: impl Loss + 'static,
        theta_0: Vec<f64>,
        constants: Smoothness<Exact>,
        loss_min: f64,
    ) -> Self {
        let (name, loss, constants) = (name.into(), Arc::new(loss), constants.values());
        Self { name, loss, theta_0, constants, loss_min, g_radius: None }
    }

    /// Whether the loss has a g at all.
    pub fn has_g(&self) -> bool {
        !self.loss.parameters().g().is_empty()
    }

    /// C_i for every block.
    pub fn c_w(&self) -> Vec<f64> {
        let constants = &self.constants;
        let rows = constants.l_vv.rows().into_iter().zip(&constants.l_vg);
        rows.map(|(row, &l_vg)| c_w(&row.to_vec(), l_vg, constants.l_gg, C_G)).collect()
    }

    /// 2(1-c)/Lg as Theorem 3.1 prints it. Without a g nothing depends on it, and it is 1.
    pub fn eta_g(&self) -> f64 {
        if self.has_g() { eta_g_printed(self.constants.l_gg, C_G) } else { 1.0 }
    }

    /// n_i at the start.
    pub fn n_start(&self) -> Vec<f64> {
        let layout = self.loss.parameters();
        (0..layout.n_blocks()).map(|i| layout.w_norm_sq(&self.theta_0, i)).collect()
    }

    /// Delta = L(theta_0) - Lmin.
    pub fn gap(&self) -> f64 {
        self.loss.sample_loss(&[0], &self.theta_0) - self.loss_min
    }

    /// A = Delta + sum_i K_i, with LA_i = `factor` Lii.
    pub fn a(&self, eta_w: f64, factor: f64) -> f64 {
        let (c_w, n_start) = (self.c_w(), self.n_start());
        let k = |i: usize| bounds::k_w(c_w[i], factor * self.constants.l_vv[(i, i)], eta_w, n_start[i]);
        bounds::lemma_a2(self.gap(), &(0..c_w.len()).map(k).collect::<Vec<_>>())
    }
}

/// The unit vector of R^2 at the given angle.
pub fn on_circle(angle: f64) -> Vec<f64> {
    vec![Scalar::cos(angle), Scalar::sin(angle)]
}

/// One of each kind, from ordinary starts; `n_steps` indexes the helix of that many steps. On the regression |g| <= K =
/// 1 since |c| = 1, |g_0| < 1 and eta_g = 2(1-c)/Lg = 1: g_{t+1} = c'v_t is an inner product of unit vectors.
///
/// # Errors
/// Never with these numbers; the bilinear form checks its matrix.
pub fn ordinary(n_steps: u64) -> Result<Vec<Instance>, LinalgError> {
    let rayleigh = Rayleigh::equally_spaced(10);
    let regression = BnRegression::new(vec![0.6, 0.0, 0.8]);
    let tanh = TanhCircle::new(1.0);
    let circle = Circle::new(4);
    let valley = HelixValley::catalogue(0.5);
    let indexed = TIndexedHelix::for_steps(n_steps);
    let bilinear = Bilinear::new(array![[1.0, 0.5, 0.0, -0.25], [0.0, 2.0, 1.0, 0.5], [-1.0, 0.25, 0.5, 1.5]])?;
    let mut list = vec![
        Instance::new("Rayleigh in R^10", rayleigh.clone(), vec![1.0; 10], rayleigh.constants(), rayleigh.loss_min()),
        Instance::new("BN regression", regression.clone(), vec![1.0, 0.5, -0.25, 0.5], regression.constants(1.0), 0.0),
        Instance::new("tanh circle", tanh.clone(), on_circle(1.2), tanh.constants(), tanh.loss_min()),
        Instance::new("circle p = 4", circle.clone(), on_circle(2.0), circle.constants(), circle.loss_min()),
        Instance::new("helix valley a = 1/2", valley.clone(), valley.theta_0(), valley.constants(), valley.loss_min()),
        Instance::new("T-indexed helix", indexed.clone(), indexed.theta_0(), indexed.constants(), indexed.loss_min()),
        Instance::new(
            "bilinear, two blocks",
            bilinear.clone(),
            vec![0.5, 0.25, -0.5, 1.0, -0.5, 0.75, 0.5],
            bilinear.constants(),
            bilinear.loss_min(),
        ),
    ];
    list[1].g_radius = Some(1.0);
    Ok(list)
}
