//! Whether a network has a value where it is looked at: a normalisation without an epsilon needs a spread.

use ratecheck::loss::{Drawing, Setting};
use ratecheck::network::{Network, Undefined};
use ratecheck::random::Seed;

use super::document::Section;
use super::error::ProblemError;

/// Looks at every minibatch of finitely many, and otherwise at all examples and at a minibatch of equal ones, if there
/// is one. Without parameters only what they cannot mend is refused: a first layer that has no spread.
pub(super) fn check(
    [network_of, minibatches_of, parameters_of]: [Option<&Section<'_>>; 3],
    network: &Network,
    theta: Option<&[f64]>,
) -> Result<(), ProblemError> {
    let z = network.minibatches();
    let all: Vec<usize> = (0..z.n_examples()).collect();
    let equal = equal_examples(network);
    let batches: Vec<&[usize]> = match z.drawing() {
        Drawing::Partition => z.finite().map_or_else(Vec::new, |batches| batches.collect()),
        Drawing::Full => vec![&all],
        Drawing::Subsets => equal.as_deref().into_iter().chain([&*all]).collect(),
    };
    let drawn = theta.is_none().then(|| network.initialise(&mut Seed::new(0).generator("theta")));
    let at = theta.or(drawn.as_deref()).unwrap_or_default();
    for (k, z) in batches.iter().enumerate() {
        let Err(undefined) = network.rounding(z, at) else { continue };
        let of_data = matches!(undefined, Undefined::NoSpread { layer: 0, example: None, .. });
        if theta.is_none() && !of_data {
            continue;
        }
        let is_equal = equal.as_deref() == Some(z);
        let whose = match network.minibatches().drawing() {
            Drawing::Partition => format!("minibatch {} of {}: ", k + 1, batches.len()),
            Drawing::Subsets if is_equal => format!("examples {} are equal and may be a minibatch: ", listed(z)),
            _ => String::new(),
        };
        let what = format!("{whose}{undefined}");
        let one = matches!(undefined, Undefined::NoSpread { example: None, batch: 1, .. });
        let (section, key) = match (minibatches_of, parameters_of) {
            (Some(section), _) if one || is_equal => (Some(section), "batch-size"),
            (_, Some(section)) if section.optional("weights").is_some() => (Some(section), "weights"),
            (_, Some(section)) => (Some(section), "initialiser"),
            _ => (network_of, "normalisation"),
        };
        let fault = |section: &Section<'_>| Err(section.fault(key, what.clone(), remedy(&undefined)));
        return section.map_or(Ok(()), fault);
    }
    Ok(())
}

/// What helps where a unit has no value.
pub(crate) fn remedy(undefined: &Undefined) -> &'static str {
    match undefined {
        Undefined::NoSpread { example: None, batch: 1, .. } => {
            "give minibatches of two examples or more, or a normalisation with an epsilon"
        }
        Undefined::NoSpread { example: None, .. } => {
            "leave out features that are constant, give other examples or weights, or a normalisation with an epsilon"
        }
        Undefined::NoSpread { .. } => "give weights that tell the units apart, or a normalisation with an epsilon",
        Undefined::Overflow { .. } => "scale the inputs or the weights",
    }
}

/// As many equal examples as a minibatch holds, where any may meet.
fn equal_examples(network: &Network) -> Option<Vec<usize>> {
    let (data, size) = (network.data(), network.minibatches().batch_size());
    if network.minibatches().drawing() != Drawing::Subsets {
        return None;
    }
    let bits = |i: usize| (0..data.n_features()).map(move |j| (data.feature(j)[i] + 0.0).to_bits());
    let mut order: Vec<usize> = (0..data.n_examples()).collect();
    order.sort_by(|&a, &b| bits(a).cmp(bits(b)).then(a.cmp(&b)));
    order.chunk_by(|&a, &b| bits(a).eq(bits(b))).find(|equal| equal.len() >= size).map(|equal| equal[..size].to_vec())
}

/// `1, 2, 3`, and how it goes on if there are many.
fn listed(examples: &[usize]) -> String {
    let numbers: Vec<String> = examples.iter().take(4).map(|i| (i + 1).to_string()).collect();
    numbers.join(", ") + if examples.len() > 4 { ", ..." } else { "" }
}
