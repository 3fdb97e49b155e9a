//! The instances that come with the command: closed forms, and networks that are problem files themselves.

use super::{Problem, ProblemError, nearest};
use crate::claim::closed_forms::{
    Instance, bilinear, bn_regression, circle, helix_valley, indexed_helix, linear, problem_j, rayleigh, tanh_circle,
};
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
    /// A closed form of the paper's own verification, with the ball of g in which constants are searched for, where
    /// that is not the instance's.
    Closed(fn() -> Instance, Option<f64>),
}

macro_rules! file {
    ($name:literal) => {
        Recipe::File(include_str!(concat!("../../../../examples/problems/", $name, ".toml")))
    };
}

/// All of them. The constants of the helices hold for every g, but a search for them needs a ball that contains where
/// they are attained: for the one of T = 1000, l = 4 sqrt(1000), L^gg is attained at tanh(g/l) = 1/sqrt(3), g = 83.3.
pub const INSTANCES: [Builtin; 13] = [
    Builtin { name: "rayleigh", about: "w'Aw / w'w, A = diag(0..1) in R^10", source: Recipe::Closed(rayleigh, None) },
    Builtin { name: "linear", about: "a'v in R^3", source: Recipe::Closed(linear, None) },
    Builtin { name: "bilinear", about: "v1'M v2 in R^3 x R^4", source: Recipe::Closed(sound_bilinear, None) },
    Builtin {
        name: "bn-regression",
        about: "|c - g v|^2 / 2 in R^3, |g| <= 1",
        source: Recipe::Closed(bn_regression, None),
    },
    Builtin { name: "circle", about: "(1 - cos)^2 on the circle", source: Recipe::Closed(circle, None) },
    Builtin {
        name: "tanh-circle",
        about: "slope tanh on the circle, norm 1",
        source: Recipe::Closed(tanh_circle, None),
    },
    Builtin { name: "helix", about: "the helix valley, a = 1/2", source: Recipe::Closed(helix_valley, Some(4.0)) },
    Builtin {
        name: "indexed-helix",
        about: "the helix of T = 1000 steps",
        source: Recipe::Closed(helix_of_1000, Some(100.0)),
    },
    Builtin { name: "problem-j", about: "the stochastic problem J in R^4", source: Recipe::Closed(problem_j, None) },
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
        Recipe::Closed(make, ball) => {
            let Instance { subject, .. } = make();
            Ok(Problem {
                name: name.to_owned(),
                exact: subject.exact,
                radius: ball.or(subject.radius),
                loss_min: subject.loss_min,
                loss: subject.loss,
                network: None,
                classes: Vec::new(),
                theta: Some(subject.theta),
                settings: Settings::default(),
            })
        }
        Recipe::File(text) => {
            Problem::parse(text, format!("{name}.toml").as_ref()).map_err(|e: ProblemError| e.to_string())
        }
    }
}

/// [`bilinear`], whose matrix is finite.
fn sound_bilinear() -> Instance {
    bilinear().unwrap_or_else(|error| panic!("an instance of ratecheck itself is unsound: {error}"))
}

/// The T-indexed helix of 1000 steps.
fn helix_of_1000() -> Instance {
    indexed_helix(1000)
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
