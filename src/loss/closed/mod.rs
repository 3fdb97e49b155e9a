//! Losses whose smoothness constants, minimum and gradient bounds are known in closed form: the oracles of the project.
//! Of [`NoisyRayleigh`] it is the curvature and the noise at a minimiser.
//!
//! Each normalises its blocks itself, v = w/||w||, and so is scale invariant on all of R^d without 0. Only [`ProblemJ`]
//! and [`NoisyRayleigh`] depend on z; the others have a single minibatch. The derivations are in the files, next to the
//! formulas.

/// What these formulas have in common: a layout, minibatches, and one place where every arithmetic is compiled.
macro_rules! common_parts {
    () => {
        fn layout(&self) -> &Parameters {
            &self.layout
        }
        fn distribution(&self) -> &Minibatches {
            &self.z
        }
        #[inline(never)]
        fn arithmetics(&self) -> &dyn $crate::loss::Arithmetics {
            self
        }
    };
    (in_lockstep) => {
        common_parts!();
        #[inline(never)]
        fn in_lockstep(&self) -> Option<&dyn $crate::loss::Over<$crate::scalar::Eight>> {
            Some(self)
        }
    };
}

mod bilinear;
mod bn_regression;
mod circle;
mod helix;
mod helix_valley;
mod indexed_helix;
mod linear;
mod noisy_rayleigh;
mod problem_j;
mod rayleigh;
mod tanh_circle;

pub use bilinear::Bilinear;
pub use bn_regression::BnRegression;
pub use circle::Circle;
pub use helix_valley::HelixValley;
pub use indexed_helix::TIndexedHelix;
pub use linear::Linear;
pub use noisy_rayleigh::NoisyRayleigh;
pub use problem_j::ProblemJ;
pub use rayleigh::Rayleigh;
pub use tanh_circle::TanhCircle;

use crate::scalar::{Eight, Planes, Scalar, counted};

/// 2/sqrt(3): the spectral norm of the Hessian of a'v at a unit vector, over |a|, at its largest (see [`Linear`]).
pub(crate) const TWO_OVER_SQRT_3: f64 = 1.154_700_538_379_251_5;

/// A constant of each run side by side; the first alone where there is one.
type Each = [f64; Eight::RUNS];

/// What `look_up` finds for the examples of each run, whose minibatches interleave: the mean of a run's.
#[inline(always)]
fn mean_of_each<S: Scalar>(z: &[usize], look_up: impl Fn(usize) -> f64) -> Each {
    let (mut means, batch) = ([f64::NAN; Eight::RUNS], z.len() / S::RUNS);
    if batch == 0 {
        return means;
    }
    counted!(r in 0..S::RUNS, {
        means[r] = look_up(z[r]);
    });
    if batch > 1 {
        for (at, &example) in z.iter().enumerate().skip(S::RUNS) {
            means[at % S::RUNS] += look_up(example);
        }
        counted!(r in 0..S::RUNS, means[r] /= batch as f64);
    }
    means
}

/// The constant of each run, as one scalar.
#[inline(always)]
fn each<S: Scalar>(constants: Each) -> S {
    S::of_runs(|r| constants[r])
}

/// ||w||.
#[inline(always)]
fn norm<S: Scalar>(w: &[S]) -> S {
    let mut sum = S::ZERO;
    for &x in w {
        sum += x.square();
    }
    sum.sqrt()
}

/// a'w for a constant a.
#[inline(always)]
fn dot_constant<S: Scalar>(a: &[f64], w: &[S]) -> S {
    let mut sum = S::ZERO;
    for (&a, &x) in a.iter().zip(w) {
        sum += x.scale(a);
    }
    sum
}

/// x^n by repeated multiplication: exact powers of two stay exact, and there is no logarithm.
#[inline(always)]
fn power<S: Scalar>(x: S, n: u32) -> S {
    let mut product = S::ONE;
    for _ in 0..n {
        product *= x;
    }
    product
}

/// The Euclidean norm of a constant vector.
fn length(a: &[f64]) -> f64 {
    crate::parameters::norm_sq(a).sqrt()
}

/// A constructor's check: at least two numbers (in one dimension a scale-invariant function is constant), all finite.
fn check_vector(a: &[f64]) {
    assert!(a.len() >= 2, "a block needs at least two entries");
    assert!(a.iter().all(|x| x.is_finite()), "the coefficients must be finite");
}
