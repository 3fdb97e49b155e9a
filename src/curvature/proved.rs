//! The tightest proved bound of a network's constants, by whichever means apply.

use std::fmt;

use super::compositional::{Unbounded, compositional_bound};
use super::neuron::neuron_constants;
use crate::loss::Setting;
use crate::network::Network;
use crate::smoothness::{Exact, Smoothness, Upper};

/// How a bound from above was obtained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// A closed form: the true constant.
    ClosedForm,
    /// Layer by layer: [`compositional_bound`].
    Composition,
    /// Interval branch and bound over the whole domain, for one neuron in the plane: [`neuron_constants`].
    BranchAndBound,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClosedForm => "closed form",
            Self::Composition => "composition",
            Self::BranchAndBound => "branch and bound",
        })
    }
}

/// Constants proved from above, each by the means that give the tightest bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Proved {
    /// The bounds.
    pub upper: Smoothness<Upper>,
    /// How each was obtained.
    pub method: Smoothness<Method>,
}

impl Proved {
    /// Constants that are known in closed form.
    pub fn exact(constants: Smoothness<Exact>) -> Self {
        Self { method: constants.map(|_| Method::ClosedForm), upper: constants.into() }
    }
}

/// What branch and bound is asked for: 2 %, which takes tens of thousands of boxes where inputs are of size 1.
const TOLERANCE: f64 = 0.02;
const MAX_BOXES: usize = 200_000;

/// The tightest bounds that are proved here, on ||w_i|| = 1 and ||g|| <= `radius`, for every F_z of the network's
/// minibatches: by composition, or by branch and bound for one neuron in the plane with finitely many minibatches,
/// where that is better, with at most 200,000 boxes.
///
/// # Errors
/// [`Unbounded`], with the reason.
///
/// # Panics
/// As [`compositional_bound`].
pub fn proved_constants(network: &Network, radius: f64) -> Result<Proved, Unbounded> {
    proved_constants_within(network, radius, MAX_BOXES)
}

/// The same with at most `max_boxes` boxes of branch and bound for each constant and minibatch: what is proved until
/// then.
///
/// # Errors
/// [`Unbounded`], with the reason.
///
/// # Panics
/// As [`compositional_bound`].
pub fn proved_constants_within(network: &Network, radius: f64, max_boxes: usize) -> Result<Proved, Unbounded> {
    let composed = compositional_bound(network, radius)?;
    let Some(enclosed) = enclosed(network, radius, max_boxes) else {
        return Ok(Proved { method: composed.map(|_| Method::Composition), upper: composed });
    };
    let tighter = |a, b| enclosed.of(a, b).0 < composed.of(a, b).0;
    let m = composed.n_blocks();
    Ok(Proved {
        upper: Smoothness::from_blocks(m, |a, b| if tighter(a, b) { enclosed.of(a, b) } else { composed.of(a, b) }),
        method: Smoothness::from_blocks(
            m,
            |a, b| {
                if tighter(a, b) { Method::BranchAndBound } else { Method::Composition }
            },
        ),
    })
}

/// The largest enclosed constants of one neuron over its minibatches; nothing for other networks.
fn enclosed(network: &Network, radius: f64, max_boxes: usize) -> Option<Smoothness<Upper>> {
    // On a single point of g there is nothing to search in two of three directions.
    let batches = network.minibatches().finite().filter(|_| radius > 0.0)?;
    let mut largest = Smoothness::single(Upper(0.0), Upper(0.0), Upper(0.0));
    for z in batches {
        let found = neuron_constants(network, z, radius, TOLERANCE, max_boxes).ok()?;
        let found = Smoothness::single(found.l_vv.upper, found.l_vg.upper, found.l_gg.upper);
        // Where nothing is known a bound is infinite, never NaN.
        largest = Smoothness::from_blocks(1, |a, b| Upper(largest.of(a, b).0.max(found.of(a, b).0)));
    }
    Some(largest)
}
