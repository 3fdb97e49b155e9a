//! Units of a hidden layer are interchangeable: a network computes the same after two of them have changed places, and
//! so have the weights that read them. Constants are suprema over all of that, so those of two such rows are one
//! number, and what was found for one is a lower bound of the other.

use std::collections::BTreeMap;

use ratecheck::network::{LayerKind, LayerPlaces, Network};
use ratecheck::parameters::Parameters;

use super::{Attained, Bracket};

/// Where a block stands: its layer and its number there, if its units can change places with others'.
type Home = Option<(usize, usize)>;

/// Gives every bracket the largest value that was found for one of those that are interchangeable with it, and where it
/// is attained.
pub(super) fn share(network: &Network, layout: &Parameters, blocks: &mut [Bracket]) {
    let dense = network.layers().layers.iter().all(|layer| matches!(layer.kind, LayerKind::Dense { .. }));
    if !dense {
        return;
    }
    let places = network.places();
    let homes: Vec<Home> = layout.blocks().iter().map(|block| home(&places, layout, block.range.start)).collect();
    let mut kinds: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (at, bracket) in blocks.iter().enumerate() {
        // A block that stays where it is, by its number; one that may move, by its layer; and whether both are one.
        let of = |block: Option<usize>| block.map(|i| homes[i].map_or((1, i), |(layer, _)| (0, layer)));
        kinds.entry((of(bracket.i), of(bracket.j), bracket.i == bracket.j)).or_default().push(at);
    }
    for alike in kinds.into_values().filter(|alike| alike.len() > 1) {
        // Something that is not a number is shared by none: it is what is wrong with its own block.
        if !alike.iter().all(|&at| blocks[at].ascended.is_finite() && blocks[at].sampled.is_finite()) {
            continue;
        }
        let best =
            alike.iter().copied().max_by(|&a, &b| blocks[a].ascended.total_cmp(&blocks[b].ascended).then(b.cmp(&a)));
        let Some(best) = best.map(|at| blocks[at].clone()) else { continue };
        let sampled = alike.iter().map(|&at| blocks[at].sampled).fold(0.0, f64::max);
        for at in alike {
            let bracket = &mut blocks[at];
            bracket.sampled = sampled;
            if bracket.ascended < best.ascended {
                let moves = [(best.i, bracket.i), (best.j, bracket.j)];
                take(bracket, &best, &exchanged(&places, &homes, &best.attained.theta, moves));
            }
        }
    }
}

/// Replaces what was found, but not how much was searched.
fn take(bracket: &mut Bracket, best: &Bracket, theta: &[f64]) {
    bracket.ascended = best.ascended;
    bracket.residual = best.residual;
    bracket.converged = best.converged;
    bracket.history = best.history.clone();
    bracket.attained = Attained { theta: theta.to_vec(), ..best.attained.clone() };
}

/// The layer of a block of weights that starts here, and the number of the block there; none of the last layer, whose
/// units are told apart by the labels, nor of a block that is alone in its layer.
fn home(places: &[LayerPlaces], layout: &Parameters, start: usize) -> Home {
    let (last, hidden) = places.split_last()?;
    let layer = hidden.iter().position(|layer| layer.weights.contains(&start))?;
    let first = hidden[layer].weights.start;
    let block = layout.blocks().iter().find(|block| block.range.start == first)?;
    let alone = block.range.len() >= hidden[layer].weights.len();
    (!alone && last.units > 0).then(|| (layer, (start - first) / block.range.len()))
}

/// theta after the units of blocks have changed places with those of others in their layers: the first of each pair
/// with the second.
fn exchanged(
    places: &[LayerPlaces],
    homes: &[Home],
    theta: &[f64],
    moves: [(Option<usize>, Option<usize>); 2],
) -> Vec<f64> {
    let mut theta = theta.to_vec();
    // Where the second block to be moved stands by now.
    let mut standing: Vec<Home> = moves.iter().map(|(from, _)| from.and_then(|i| homes[i])).collect();
    for (which, (_, to)) in moves.into_iter().enumerate() {
        let (Some((layer, from)), Some((_, to))) = (standing[which], to.and_then(|i| homes[i])) else { continue };
        if from == to {
            continue;
        }
        exchange(places, layer, from, to, homes, &mut theta);
        for home in &mut standing {
            *home = match *home {
                Some((l, k)) if l == layer && k == from => Some((l, to)),
                Some((l, k)) if l == layer && k == to => Some((l, from)),
                other => other,
            };
        }
    }
    theta
}

/// Exchanges blocks a and b of a layer: their rows, what stands behind them, and the columns that read them.
fn exchange(places: &[LayerPlaces], layer: usize, a: usize, b: usize, homes: &[Home], theta: &mut [f64]) {
    let here = &places[layer];
    let of_layer = homes.iter().flatten().filter(|home| home.0 == layer).count();
    let units = here.units / of_layer;
    for k in 0..units {
        let (a, b) = (a * units + k, b * units + k);
        for entry in 0..here.inputs {
            theta.swap(here.weights.start + a * here.inputs + entry, here.weights.start + b * here.inputs + entry);
        }
        for vector in [&here.bias, &here.gamma, &here.beta].into_iter().flatten() {
            theta.swap(vector.start + a, vector.start + b);
        }
        if let Some(next) = places.get(layer + 1) {
            for row in 0..next.units {
                let start = next.weights.start + row * next.inputs;
                theta.swap(start + a, start + b);
            }
        }
    }
}
