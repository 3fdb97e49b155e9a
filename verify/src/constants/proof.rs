//! Upper bounds of the smoothness constants of one problem, and how each was obtained.

use ratecheck::curvature::{Enclosed, NeuronConstants, Smoothness, Upper, compositional_bound, neuron_constants};
use ratecheck::loss::Loss;
use ratecheck::network::Network;
use serde::Serialize;

use crate::problem::{Model, Problem};

/// The relative width that an enclosure is to have, and the boxes it may take per constant: tens of thousands are enough.
const ENCLOSED_TO: f64 = 0.02;
const MOST_BOXES: usize = 1_000_000;

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

/// Upper bounds with how they were obtained.
pub(super) type Proved = (Smoothness<Upper>, Proof);

/// All upper bounds there are.
pub(super) fn prove(problem: &Problem, radius: f64) -> Result<Vec<Proved>, String> {
    if let Some(exact) = &problem.exact {
        return Ok(vec![(exact.clone().into(), Proof::Exact)]);
    }
    let Model::Network(network) = &problem.model else {
        return Err("no closed form of the constants is known".to_owned());
    };
    let composed = compositional_bound(network, radius).map_err(|reason| reason.to_string())?;
    let enclosed = enclosure(network, radius).map(|bound| (bound, Proof::Enclosure));
    Ok(std::iter::once((composed, Proof::Compositional)).chain(enclosed).collect())
}

/// The enclosed constants of one neuron: the largest over the minibatches, if there are finitely many. Nothing for other
/// networks.
fn enclosure(network: &Network, radius: f64) -> Option<Smoothness<Upper>> {
    let each = network
        .minibatches()
        .finite()?
        .map(|z| neuron_constants(network, z, radius, ENCLOSED_TO, MOST_BOXES).ok())
        .collect::<Option<Vec<_>>>()?;
    let largest = |of: fn(&NeuronConstants) -> Enclosed| {
        // Bounds of branch and bound are finite or infinite, never NaN, which f64::max would hide.
        Upper(each.iter().map(|constants| of(constants).upper.0).fold(0.0, f64::max))
    };
    Some(Smoothness::single(largest(|c| c.l_vv), largest(|c| c.l_vg), largest(|c| c.l_gg)))
}
