//! The closed forms with their constants, visited one after another, random points of their domains, and a check of
//! every backward pass.

use rand::RngExt;
use ratecheck::curvature::{Exact, Smoothness};
use ratecheck::loss::closed::{
    Bilinear, BnRegression, Circle, HelixValley, Linear, ProblemJ, Rayleigh, TIndexedHelix, TanhCircle,
};
use ratecheck::loss::{Formula, Loss, Over, Workspace};
use ratecheck::random::Generator;
use ratecheck::scalar::{Dual, Interval};

/// The radius of g on which constants are taken where they depend on it.
pub(crate) const RADIUS: f64 = 1.5;

/// Something done to every closed form. `constants` hold for every F_z on |g| <= [`RADIUS`].
pub(crate) trait Visitor {
    fn visit<L: Formula>(&mut self, name: &str, loss: &L, constants: &Smoothness<Exact>);
}

pub(crate) fn bilinear() -> Bilinear {
    Bilinear::new(ndarray::array![[1.0, -2.0, 0.5], [0.3, 0.7, 1.1]]).expect("finite")
}

pub(crate) fn visit_all(visitor: &mut impl Visitor) {
    for d in [2, 10] {
        let loss = Rayleigh::equally_spaced(d);
        visitor.visit(&format!("rayleigh {d}"), &loss, &loss.constants());
    }
    let loss = Linear::new(vec![0.3, -1.2, 0.4]);
    visitor.visit("linear", &loss, &loss.constants());
    visitor.visit("bilinear", &bilinear(), &bilinear().constants());
    for p in [4, 6, 8, 12] {
        let loss = Circle::new(p);
        visitor.visit(&format!("circle {p}"), &loss, &loss.constants());
    }
    let loss = TanhCircle::new(1.3);
    visitor.visit("tanh circle", &loss, &loss.constants());
    let loss = BnRegression::new(vec![0.5, -0.2, 0.9]);
    visitor.visit("bn regression", &loss, &loss.constants(RADIUS));
    for a in [1.0, 0.25, 0.05] {
        let loss = HelixValley::catalogue(a);
        visitor.visit(&format!("helix valley {a}"), &loss, &loss.constants());
    }
    let loss = TIndexedHelix::for_steps(4);
    visitor.visit("T-indexed helix", &loss, &loss.constants());
    let loss = ProblemJ::default();
    visitor.visit("problem J", &loss, &loss.sample_constants(RADIUS));
}

/// A point with entries in [-RADIUS, RADIUS], every block of norm at least 1/2.
pub(crate) fn point(loss: &dyn Loss, generator: &mut Generator) -> Vec<f64> {
    let layout = loss.parameters();
    loop {
        let theta: Vec<f64> = (0..layout.len()).map(|_| generator.random_range(-RADIUS..RADIUS)).collect();
        if (0..layout.n_blocks()).all(|i| layout.w_norm_sq(&theta, i) > 0.25) {
            return theta;
        }
    }
}

/// Whether the loss can be evaluated over intervals.
pub(crate) fn encloses(loss: &dyn Loss) -> bool {
    loss.over::<Interval>().is_some()
}

/// A minibatch, chosen by `k`.
pub(crate) fn minibatch(loss: &dyn Loss, k: usize) -> Vec<usize> {
    let z = loss.minibatches();
    let batches: Vec<&[usize]> = z.finite().expect("closed forms have finitely many minibatches").collect();
    batches[k % batches.len()].to_vec()
}

/// A gradient of which only the derivatives are asked for has those of the whole one, bit for bit.
pub(crate) fn derivatives_alone_are_the_same(loss: &impl Over<Dual<f64>>, z: &[usize], theta: &[Dual<f64>]) {
    let (mut all, mut some) = (theta.to_vec(), theta.to_vec());
    loss.sample_gradient(z, theta, &mut all, &mut Workspace::default());
    loss.sample_gradient(z, theta, &mut some, &mut Workspace::derivatives_alone());
    assert!(all.iter().zip(&some).all(|(a, b)| a.du == b.du));
}
