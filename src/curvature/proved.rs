//! The tightest proved bound of a network's constants, by whichever means apply.

use std::fmt;

use super::compositional::{Unbounded, compositional_bound};
use super::constants::{Smoothness, Upper};
use super::hessian::Part;
use super::neuron::neuron_constants;
use crate::loss::Loss;
use crate::network::Network;

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

/// Constants proved from above.
#[derive(Clone, Debug, PartialEq)]
pub struct Proved {
    /// The bounds.
    pub upper: Smoothness<Upper>,
    /// Where they come from; the weaker of two is never used.
    pub method: Method,
}

/// What branch and bound is asked for: 2 %, with a budget of boxes that some seconds allow.
const TOLERANCE: f64 = 0.02;
const MAX_BOXES: usize = 200_000;

/// The tightest bound that is proved here, on ||w_i|| = 1 and ||g|| <= `radius`, for every F_z of the network's minibatches: by
/// composition, or by branch and bound for one neuron in the plane with finitely many minibatches, where that is better.
///
/// # Errors
/// [`Unbounded`], with the reason.
///
/// # Panics
/// As [`compositional_bound`].
pub fn proved_constants(network: &Network, radius: f64) -> Result<Proved, Unbounded> {
    let composed = compositional_bound(network, radius)?;
    let neuron = network.architecture().widths == [2, 1] && radius > 0.0;
    let (true, Some(batches)) = (neuron, network.minibatches().finite()) else {
        return Ok(Proved { upper: composed, method: Method::Composition });
    };
    let mut largest = Smoothness::single(Upper(0.0), Upper(0.0), Upper(0.0));
    for z in batches {
        let Ok(found) = neuron_constants(network, z, radius, TOLERANCE, MAX_BOXES) else {
            return Ok(Proved { upper: composed, method: Method::Composition });
        };
        let found = Smoothness::single(found.l_vv.upper, found.l_vg.upper, found.l_gg.upper);
        largest = Smoothness::from_blocks(1, |a, b| pick(largest.of(a, b), found.of(a, b), f64::max));
    }
    // A bound of a single constant stays a bound whichever way it was found.
    let upper = Smoothness::from_blocks(1, |a: Part, b: Part| pick(largest.of(a, b), composed.of(a, b), f64::min));
    let method = if upper == composed { Method::Composition } else { Method::BranchAndBound };
    Ok(Proved { upper, method })
}

/// One of two bounds; where nothing is known a bound is infinite, never NaN.
fn pick(a: Upper, b: Upper, f: fn(f64, f64) -> f64) -> Upper {
    Upper(f(a.0, b.0))
}
