//! What of layers that are not alike is scale invariant, and where it is in theta.

use super::layers::{self, N, dense, network, plain, start, z};
use ratecheck::loss::{Minibatches, Over, Setting};
use ratecheck::network::{Activation, Architecture, Epsilon, LayerSpec, Network, Normalisation, Objective};
use ratecheck::random::Seed;

#[test]
fn blocks_follow_from_the_layers() {
    let names = |layers: &[LayerSpec]| -> Vec<String> {
        network(layers).parameters().blocks().iter().map(|block| block.name.clone()).collect()
    };
    let (batch, relu) = (Normalisation::BatchNorm, Activation::Relu);
    let smoothed = Normalisation::SmoothedBatchNorm { epsilon: 0.1 };
    // (gamma, beta) is a block where the next layer forgets scales: not before the last layer, not before epsilon,
    // not behind tanh.
    assert_eq!(
        names(&[dense(1, batch, relu), dense(1, batch, relu), plain(3, None)]),
        ["W1 row 1", "W2 row 1", "(gamma, beta) of layer 1"]
    );
    assert_eq!(names(&[dense(1, batch, relu), dense(1, smoothed, relu), plain(3, None)]), ["W1 row 1", "W2 row 1"]);
    assert_eq!(
        names(&[dense(1, smoothed, relu), dense(1, batch, Activation::Tanh), dense(1, batch, relu), plain(3, None)]),
        ["W1 row 1", "W2 row 1", "W3 row 1", "(gamma, beta) of layer 1"]
    );
    // A layer without normalisation has no blocks, and what is behind it none of (gamma, beta).
    assert_eq!(names(&[plain(2, Some(relu)), dense(1, batch, relu), plain(3, None)]), ["W2 row 1"]);
    let bare = LayerSpec { affine: false, ..dense(1, batch, relu) };
    assert_eq!(names(&[bare, dense(1, batch, Activation::Tanh), plain(3, None)]), ["W1 row 1", "W2 row 1"]);
    let layer = Normalisation::LayerNorm { epsilon: Epsilon::Constant(0.1) };
    let biased = LayerSpec { bias: true, ..dense(2, layer, relu) };
    let group = Normalisation::GroupNorm { groups: 2, epsilon: Epsilon::None };
    assert_eq!(
        names(&[biased, dense(2, layer, relu), dense(4, group, relu), plain(3, None)]),
        ["W1 and b1", "W2", "W3 group 1", "W3 group 2"]
    );

    // The places: blocks, then the last matrix, then scales and shifts in the order of the layers.
    let network = network(&[dense(2, batch, relu), LayerSpec { bias: true, ..dense(2, batch, relu) }, plain(3, None)]);
    let places = network.places();
    assert_eq!((places[0].weights.clone(), places[1].weights.clone()), (0..6, 6..10));
    assert_eq!((places[0].gamma.clone(), places[0].beta.clone()), (Some(10..12), Some(12..14)));
    assert_eq!((places[2].weights.clone(), network.parameters().g()), (14..20, 14..29));
    assert_eq!((places[1].bias.clone(), places[1].gamma.clone()), (Some(20..22), Some(22..24)));
    assert_eq!((places[2].bias.clone(), places[2].gamma.clone(), places[2].beta.clone()), (None, None, Some(26..29)));
    assert_eq!(network.n_weights(), 16);
}

/// Section 2.1: every block of normalisations without epsilon is invariant, (gamma, beta) among them,
/// and nothing of g is.
#[test]
fn blocks_are_invariant_and_the_rest_is_not() {
    let (batch, relu) = (Normalisation::BatchNorm, Activation::Relu);
    let layer = Normalisation::LayerNorm { epsilon: Epsilon::Smoothed(0.2) };
    let biased = LayerSpec { bias: true, ..dense(4, layer, Activation::Gelu) };
    let network = network(&[biased, dense(4, batch, relu), dense(4, batch, relu), plain(3, None)]);
    let theta = start(&network, &mut Seed::new(11).generator("invariance"));
    let before: f64 = network.sample_loss(&z(), &theta);
    let after = |range: std::ops::Range<usize>| -> f64 {
        let mut scaled = theta.clone();
        scaled[range].iter_mut().for_each(|x| *x *= 2.0);
        network.sample_loss(&z(), &scaled)
    };
    for block in network.parameters().blocks() {
        assert_eq!(after(block.range.clone()), before, "{}", block.name);
    }
    assert!(network.parameters().blocks().iter().any(|block| block.name == "(gamma, beta) of layer 2"));
    let last = network.places()[3].clone();
    for range in [last.weights, last.beta.unwrap()] {
        assert!((after(range) - before).abs() > 1e-3);
    }
}

#[test]
fn layers_that_are_alike_are_an_architecture() {
    let smoothed = Normalisation::SmoothedBatchNorm { epsilon: 0.1 };
    let last = LayerSpec { activation: None, ..dense(3, smoothed, Activation::Tanh) };
    let network = network(&[dense(4, smoothed, Activation::Tanh), last]);
    let expected = Architecture {
        widths: vec![3, 4, 3],
        normalisation: smoothed,
        activation: Activation::Tanh,
        objective: Objective::CrossEntropy,
        weight_decay: 0.03,
    };
    assert_eq!((network.layers_differ(), network.architecture()), (false, &expected));
    let short = Network::new(expected, network.data().clone(), Minibatches::full(N)).unwrap();
    assert_eq!(short.parameters(), network.parameters());
    let other = network.with_normalisation(Normalisation::WeightNorm).unwrap();
    assert_eq!(other.architecture().normalisation, Normalisation::WeightNorm);
    // Of layers that differ nothing is claimed that holds for one normalisation, and they cannot be exchanged.
    let mixed = layers::network(&[dense(4, smoothed, Activation::Tanh), plain(3, None)]);
    assert_eq!(mixed.architecture().normalisation, Normalisation::None);
    assert!(mixed.with_normalisation(smoothed).unwrap_err().to_string().contains("of their own"));
}
