//! The instances that come with the command: closed forms, and networks that are problem files themselves.

use std::sync::Arc;

use ndarray::array;
use ratecheck::curvature::{Exact, Smoothness};
use ratecheck::loss::Loss;
use ratecheck::loss::closed::{
    Bilinear, BnRegression, Circle, HelixValley, Linear, ProblemJ, Rayleigh, TIndexedHelix, TanhCircle,
};

use super::{Problem, ProblemError, nearest};
use crate::claim::closed_forms::on_circle;
use crate::claim::subject::Settings;

/// A problem that has a name.
#[derive(Debug)]
pub struct Builtin {
    /// What is typed.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    source: Recipe,
}

#[derive(Clone, Copy, Debug)]
enum Recipe {
    /// A problem file of `examples/problems/`.
    File(&'static str),
    /// A closed form, at an ordinary point.
    Closed(fn() -> Closed),
}

/// A closed form with its point, the radius of g and its constants there.
struct Closed {
    loss: Arc<dyn Loss>,
    theta: Vec<f64>,
    radius: Option<f64>,
    constants: Smoothness<Exact>,
    loss_min: f64,
}

impl Closed {
    fn new(loss: impl Loss + 'static, theta: Vec<f64>, constants: Smoothness<Exact>, loss_min: f64) -> Self {
        Self { loss: Arc::new(loss), theta, radius: None, constants, loss_min }
    }

    fn within(self, radius: f64) -> Self {
        Self { radius: Some(radius), ..self }
    }
}

macro_rules! file {
    ($name:literal) => {
        Recipe::File(include_str!(concat!("../../../../examples/problems/", $name, ".toml")))
    };
}

/// All of them.
pub const INSTANCES: [Builtin; 13] = [
    Builtin { name: "rayleigh", about: "w'Aw / w'w, A = diag(0..1) in R^10", source: Recipe::Closed(rayleigh) },
    Builtin { name: "linear", about: "a'v in R^3", source: Recipe::Closed(linear) },
    Builtin { name: "bilinear", about: "v1'M v2 in R^3 x R^4", source: Recipe::Closed(bilinear) },
    Builtin { name: "bn-regression", about: "|c - g v|^2 / 2 in R^3, |g| <= 1", source: Recipe::Closed(bn_regression) },
    Builtin { name: "circle", about: "(1 - cos)^2 on the circle", source: Recipe::Closed(circle) },
    Builtin { name: "tanh-circle", about: "slope tanh on the circle, norm 1", source: Recipe::Closed(tanh_circle) },
    Builtin { name: "helix", about: "the helix valley, a = 1/2", source: Recipe::Closed(helix) },
    Builtin { name: "indexed-helix", about: "the helix of T = 1000 steps", source: Recipe::Closed(indexed_helix) },
    Builtin { name: "problem-j", about: "the stochastic problem J in R^4", source: Recipe::Closed(problem_j) },
    Builtin { name: "one-neuron", about: "2-1 on five points", source: file!("one-neuron") },
    Builtin { name: "3-4-1", about: "3-4-1, tanh, 16 examples of a teacher", source: file!("3-4-1") },
    Builtin { name: "8-16-16-1", about: "8-16-16-1, tanh, 32 examples of a teacher", source: file!("8-16-16-1") },
    Builtin { name: "digits", about: "64-16-16-10 on 256 handwritten digits", source: file!("digits") },
];

/// The instance of the given name.
///
/// # Errors
/// If there is none: one sentence with the name that was probably meant, and all names.
///
/// ```
/// use ratecheck_verify::lab::problem::builtin;
/// assert_eq!(builtin("rayleigh")?.theta, Some(vec![1.0; 10]));
/// assert!(builtin("raleigh").unwrap_err().contains("did you mean `rayleigh`?"));
/// # Ok::<(), String>(())
/// ```
pub fn builtin(name: &str) -> Result<Problem, String> {
    let Some(found) = INSTANCES.iter().find(|instance| instance.name == name) else {
        let names = || INSTANCES.iter().map(|instance| instance.name);
        let hint = nearest(name, names()).map_or_else(String::new, |meant| format!(" did you mean `{meant}`?"));
        let known: Vec<&str> = names().collect();
        return Err(format!("no instance is called `{name}`:{hint} The instances are {}", known.join(", ")));
    };
    match found.source {
        Recipe::Closed(make) => {
            let Closed { loss, theta, radius, constants, loss_min } = make();
            let name = name.to_owned();
            Ok(Problem {
                name,
                loss,
                network: None,
                theta: Some(theta),
                radius,
                exact: Some(constants),
                loss_min: Some(loss_min),
                settings: Settings::default(),
            })
        }
        Recipe::File(text) => {
            Problem::parse(text, format!("{name}.toml").as_ref()).map_err(|e: ProblemError| e.to_string())
        }
    }
}

fn rayleigh() -> Closed {
    let loss = Rayleigh::equally_spaced(10);
    let loss_min = loss.loss_min();
    let constants = loss.constants();
    Closed::new(loss, vec![1.0; 10], constants, loss_min)
}

fn linear() -> Closed {
    let loss = Linear::new(vec![0.3, -1.2, 0.4]);
    let loss_min = loss.loss_min();
    let constants = loss.constants();
    Closed::new(loss, vec![1.0, 0.5, -0.25], constants, loss_min)
}

fn bilinear() -> Closed {
    let matrix = array![[1.0, 0.5, 0.0, -0.25], [0.0, 2.0, 1.0, 0.5], [-1.0, 0.25, 0.5, 1.5]];
    let loss = Bilinear::new(matrix).unwrap_or_else(|error| panic!("a finite matrix: {error}"));
    let loss_min = loss.loss_min();
    let constants = loss.constants();
    Closed::new(loss, vec![0.5, 0.25, -0.5, 1.0, -0.5, 0.75, 0.5], constants, loss_min)
}

fn bn_regression() -> Closed {
    let loss = BnRegression::new(vec![0.6, 0.0, 0.8]);
    let loss_min = loss.loss_min();
    let constants = loss.constants(1.0);
    Closed::new(loss, vec![1.0, 0.5, -0.25, 0.5], constants, loss_min).within(1.0)
}

fn circle() -> Closed {
    let loss = Circle::new(4);
    let loss_min = loss.loss_min();
    let constants = loss.constants();
    Closed::new(loss, on_circle(2.0), constants, loss_min)
}

fn tanh_circle() -> Closed {
    let loss = TanhCircle::new(1.0);
    let loss_min = loss.loss_min();
    let constants = loss.constants();
    Closed::new(loss, on_circle(1.2), constants, loss_min)
}

// The constants of the helices hold for every g; the search needs a ball, which contains where they are attained.
fn helix() -> Closed {
    let loss = HelixValley::catalogue(0.5);
    let (theta, constants, loss_min) = (loss.theta_0(), loss.constants(), loss.loss_min());
    Closed::new(loss, theta, constants, loss_min).within(4.0)
}

fn indexed_helix() -> Closed {
    let loss = TIndexedHelix::for_steps(1000);
    let (theta, constants, loss_min) = (loss.theta_0(), loss.constants(), loss.loss_min());
    // l = 4 sqrt(1000), and L^gg is attained at tanh(g/l) = 1/sqrt(3), g = 83.3.
    Closed::new(loss, theta, constants, loss_min).within(100.0)
}

fn problem_j() -> Closed {
    let loss = ProblemJ::default();
    let loss_min = loss.loss_min();
    let constants = loss.sample_constants(1.0);
    Closed::new(loss, vec![0.5, 1.0, -0.5, 0.25, 0.75], constants, loss_min).within(1.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_instance_can_be_made() {
        for instance in &INSTANCES {
            let problem = builtin(instance.name).unwrap();
            assert_eq!(problem.name, instance.name);
            let layout = problem.loss.parameters();
            assert_eq!(problem.theta.unwrap().len(), layout.len());
            assert!(problem.radius.is_some() || layout.g().is_empty(), "{}", instance.name);
        }
    }
}
