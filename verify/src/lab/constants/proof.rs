//! Upper bounds of the smoothness constants of one problem, and how each was obtained.

use ratecheck::curvature::{Method, Proved, proved_constants_within};
use serde::Serialize;

use crate::lab::problem::Problem;

/// How an upper bound was obtained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Proof {
    /// A closed form: the constant itself.
    Exact,
    /// Layer by layer, for networks with smoothed batch normalisation.
    Compositional,
    /// By branch and bound in interval arithmetic, for one neuron in the plane.
    Enclosure,
}

impl Proof {
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Compositional => "compositional",
            Self::Enclosure => "enclosure",
        }
    }
}

impl From<Method> for Proof {
    fn from(method: Method) -> Self {
        match method {
            Method::ClosedForm => Self::Exact,
            Method::Composition => Self::Compositional,
            Method::BranchAndBound => Self::Enclosure,
        }
    }
}

/// Boxes of branch and bound for each evaluation of an ascent.
const BOXES: usize = 100;

/// The tightest upper bounds there are, for the work that so many evaluations of an ascent are.
pub(super) fn prove(problem: &Problem, radius: f64, evaluations: usize) -> Result<Proved, String> {
    if let Some(exact) = &problem.exact {
        return Ok(Proved::exact(exact.clone()));
    }
    let Some(network) = &problem.network else {
        return Err("no closed form of the constants is known".to_owned());
    };
    proved_constants_within(network, radius, BOXES.saturating_mul(evaluations)).map_err(|reason| reason.to_string())
}
