//! `[parameters]`: the point at which the network is looked at.

use std::ops::RangeInclusive;

use ratecheck::loss::Setting;
use ratecheck::network::{LayerPlaces, Network};
use ratecheck::parameters::norm;
use ratecheck::random::Seed;

use super::described::bias_and_beta;
use super::document::{Entry, Section};
use super::error::ProblemError;
use crate::text::number;

pub(super) const KEYS: [&str; 9] =
    ["weights", "gammas", "betas", "initialiser", "seed", "gamma", "beta", "biases", "bias"];

/// Which of a layer's vectors.
#[derive(Clone, Copy)]
enum Vector {
    Gamma,
    Beta,
    Bias,
}

/// Reads the section into the flat vector theta, the numbers as they are.
pub(super) fn read(section: &Section<'_>, network: &Network) -> Result<Vec<f64>, ProblemError> {
    let layers = network.places();
    let mut theta = vec![0.0; network.parameters().len()];
    match (section.optional("weights"), section.optional("initialiser")) {
        (Some(_), Some(initialiser)) => {
            return Err(initialiser.fault("stands beside weights", "give one or the other"));
        }
        (Some(weights), None) => {
            section.refuse("seed", "the weights are given")?;
            read_weights(&weights, &layers, &mut theta)?;
        }
        (None, Some(initialiser)) => {
            initialiser.choice(&[("glorot-uniform", ())])?;
            let seed = section.required("seed", "give the seed that the weights are drawn from")?.seed()?;
            theta = network.initialise(&mut Seed::new(seed).generator("theta"));
        }
        (None, None) => {
            return Err(section.missing("weights", "give weights, or initialiser = \"glorot-uniform\" and a seed"));
        }
    }
    read_vectors(section, "gammas", "gamma", 1.0, Vector::Gamma, &layers, &mut theta)?;
    read_vectors(section, "betas", "beta", 0.0, Vector::Beta, &layers, &mut theta)?;
    read_vectors(section, "biases", "bias", 0.0, Vector::Bias, &layers, &mut theta)?;
    directions(section, network, &theta)?;
    Ok(theta)
}

/// An array with one entry per layer.
fn per_layer<'a>(entry: &Entry<'a>, layers: &[LayerPlaces], what: &str) -> Result<Vec<Entry<'a>>, ProblemError> {
    let remedy = format!("give {} {what}, one per layer", layers.len());
    let items = entry.items(&remedy)?;
    if items.len() != layers.len() {
        return Err(entry.fault(format!("has {} entries", items.len()), remedy));
    }
    Ok(items)
}

fn read_weights(entry: &Entry<'_>, layers: &[LayerPlaces], theta: &mut [f64]) -> Result<(), ProblemError> {
    for ((l, matrix), layer) in per_layer(entry, layers, "matrices")?.iter().enumerate().zip(layers) {
        let (units, inputs) = (layer.units, layer.inputs);
        let shape = format!("W{} is {units} x {inputs}: {units} rows (units) of {inputs} numbers (inputs)", l + 1);
        let rows = matrix.items(&shape)?;
        if rows.len() != units {
            let s = if rows.len() == 1 { "" } else { "s" };
            return Err(matrix.fault(format!("has {} row{s}", rows.len()), shape));
        }
        for (row, place) in rows.iter().zip(theta[layer.weights.clone()].chunks_exact_mut(inputs)) {
            place.copy_from_slice(&row.numbers(Some(inputs), &shape)?);
        }
    }
    Ok(())
}

/// Fills gamma or beta of every layer, from an array per layer or from one number.
fn read_vectors(
    section: &Section<'_>,
    many: &str,
    one: &str,
    default: f64,
    which: Vector,
    layers: &[LayerPlaces],
    theta: &mut [f64],
) -> Result<(), ProblemError> {
    let place = |layer: &LayerPlaces| match which {
        Vector::Gamma => layer.gamma.clone(),
        Vector::Beta => bias_and_beta(layer).1,
        Vector::Bias => bias_and_beta(layer).0,
    };
    if layers.iter().all(|layer| place(layer).is_none()) {
        let why = format!("no layer has a {one}");
        return section.refuse(many, &why).and_then(|()| section.refuse(one, &why));
    }
    let Some(entry) = section.optional(many) else {
        let value = section.optional(one).map_or(Ok(default), |entry| entry.number())?;
        layers.iter().filter_map(place).for_each(|range| theta[range].fill(value));
        return Ok(());
    };
    section.refuse(one, &format!("{many} are given"))?;
    for ((l, vector), layer) in per_layer(&entry, layers, "arrays")?.iter().enumerate().zip(layers) {
        let what = match place(layer) {
            Some(_) => format!("{one} of layer {}, one number per unit", l + 1),
            None => format!("layer {} has no {one}", l + 1),
        };
        let range = place(layer).unwrap_or(0..0);
        theta[range.clone()].copy_from_slice(&vector.numbers(Some(range.len()), &what)?);
    }
    Ok(())
}

/// Norms of blocks: the Hessian grows as 1/||w||^2, and norms of it are roots of sums of squares.
const NORMS: RangeInclusive<f64> = 1e-72..=1e72;

/// Every block must have a direction, and a norm whose fourth power and its reciprocal are numbers.
fn directions(section: &Section<'_>, network: &Network, theta: &[f64]) -> Result<(), ProblemError> {
    let layout = network.parameters();
    for block in layout.blocks() {
        let norm = norm(&theta[block.range.clone()]);
        if !NORMS.contains(&norm) {
            let what = format!("the norm of {} is {}", block.name, number::exact(norm));
            let remedy = format!(
                "give it one between {:e} and {:e}, or derivatives overflow or vanish: the block is scale invariant, \
                 only its direction counts",
                NORMS.start(),
                NORMS.end()
            );
            return Err(section.fault("weights", what, remedy));
        }
    }
    Ok(())
}
