//! What statements ask of the scales and shifts of layers: that they are a scale-invariant block (section 2.1, last
//! paragraph), or that they are bounded (Lemma C.2).

use ratecheck::curvature::g_bounds;
use ratecheck::loss::Setting;
use ratecheck::network::{Activation, Network};
use ratecheck::parameters::Block;

/// The blocks that are (gamma, beta) of a layer.
pub(super) fn of(network: &Network) -> Vec<Block> {
    let scales: Vec<usize> =
        network.places().into_iter().filter_map(|place| place.gamma).map(|gamma| gamma.start).collect();
    network.parameters().blocks().iter().filter(|block| scales.contains(&block.range.start)).cloned().collect()
}

/// Why Lemma C.2 does not bound the scales and shifts; `None` if it does.
pub(super) fn unbounded(network: Option<&Network>, theta: &[f64]) -> Option<String> {
    let Some(network) = network else {
        return Some("the loss is no network of the engine, so that no layers are known".to_owned());
    };
    let largest = theta[network.parameters().g()].iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    if !largest.is_finite() {
        return Some("g is not finite at the start".to_owned());
    }
    g_bounds(network, largest).err().map(|reason| reason.to_string())
}

/// Why there are none; `None` if there are some.
pub(super) fn lacking(network: Option<&Network>) -> Option<String> {
    let Some(network) = network else {
        return Some("the loss is no network of the engine, so that no layers are known".to_owned());
    };
    if !of(network).is_empty() {
        return None;
    }
    let [first, _, ..] = &network.layers().layers[..] else {
        return Some(
            "the scales and shifts of the last layer are not scale invariant, and there is no other".to_owned(),
        );
    };
    Some(match first.activation {
        _ if !first.affine => "only layers with scales and shifts can have them in a block".to_owned(),
        None | Some(Activation::Relu | Activation::LeakyRelu { .. }) => {
            "behind the scales and shifts is no batch normalisation without epsilon".to_owned()
        }
        Some(other) => format!("{other} is not positively homogeneous: scales and shifts are not scale invariant"),
    })
}
