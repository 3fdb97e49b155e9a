//! What a problem file may not say, and what is answered: one sentence with file, line, key,
//! what is wrong and what to do.

mod data;
mod exits;
mod files;
mod labels;
mod layers;
mod numbers;

use std::path::Path;

use ratecheck::loss::{Drawing, Setting};
use ratecheck::network::{Activation, Epsilon, Lp, Normalisation, Objective};
use ratecheck_verify::lab::problem::Problem;

/// A sound file; the line numbers of the tests below count from its first line, which is 1.
const SOUND: &str = r#"[network]
widths = [2, 3, 1]
normalisation = "smoothed-batch-norm"
epsilon = 0.1
activation = "tanh"
objective = "logistic"
weight-decay = 0.01

[data]
kind = "inline"
inputs = [[0.5, -1], [0x10, 2.5e-1], [-0.25, 0.125], [1_000.5, 3]]
labels = [1, -1, 1, -1]
standardise = true

[minibatches]
kind = "partition"
batch-size = 2

[parameters]
weights = [[[1, 2], [3, 4], [5.5, -6]],
           [[0.1, 0.2, 0.30000000000000004]]]
gammas = [[1, 2, 3], [4]]
betas = [[0.5, 0.25, 0.125], [-1]]

[domain]
radius = 10
"#;

fn parse(text: &str) -> Result<Problem, String> {
    Problem::parse(text, Path::new("net.toml")).map_err(|error| error.to_string())
}

/// The message for the sound file with one piece replaced.
fn refused(from: &str, to: &str) -> String {
    assert_eq!(SOUND.matches(from).count(), 1, "{from}");
    parse(&SOUND.replace(from, to)).expect_err(to)
}

#[test]
fn the_sound_file_is_read_as_it_is() {
    let problem = parse(SOUND).unwrap();
    let theta = problem.theta.unwrap();
    let weights = [1.0, 2.0, 3.0, 4.0, 5.5, -6.0, 0.1, 0.2, 0.1 + 0.2];
    assert_eq!(theta[..9], weights);
    assert_eq!(theta[9..], [1.0, 2.0, 3.0, 0.5, 0.25, 0.125, 4.0, -1.0]);
    assert_eq!((problem.name.as_str(), problem.radius), ("net", Some(10.0)));
    let Some(network) = &problem.network else { panic!("a network") };
    let architecture = network.architecture();
    assert_eq!(architecture.widths, [2, 3, 1]);
    assert_eq!(architecture.normalisation, Normalisation::SmoothedBatchNorm { epsilon: 0.1 });
    assert_eq!((architecture.activation, architecture.objective), (Activation::Tanh, Objective::Logistic));
    assert_eq!((network.minibatches().drawing(), network.minibatches().batch_size()), (Drawing::Partition, 2));
    let mean: f64 = network.data().feature(0).iter().sum();
    assert!(mean.abs() < 1e-14);

    let plain = parse(&SOUND.replace("standardise = true", "standardise = false")).unwrap();
    let Some(network) = &plain.network else { panic!("a network") };
    assert_eq!(network.data().inputs(), [0.5, 16.0, -0.25, 1000.5, -1.0, 0.25, 0.125, 3.0]);
}

#[test]
fn every_normalisation_and_activation() {
    let (start, _) = SOUND.split_once("[minibatches]").unwrap();
    let cases: [(&str, Normalisation); 14] = [
        ("\"batch-norm\"", Normalisation::BatchNorm),
        ("\"smoothed-batch-norm\"\nepsilon = 2", Normalisation::SmoothedBatchNorm { epsilon: 2.0 }),
        ("\"constant-epsilon-batch-norm\"\nepsilon = 2", Normalisation::ConstantEpsilonBatchNorm { epsilon: 2.0 }),
        ("\"l1-batch-norm\"", Normalisation::LpBatchNorm { p: Lp::One }),
        ("\"l4-batch-norm\"", Normalisation::LpBatchNorm { p: Lp::Four }),
        ("\"linf-batch-norm\"", Normalisation::LpBatchNorm { p: Lp::Infinity }),
        ("\"layer-norm\"", Normalisation::LayerNorm { epsilon: Epsilon::None }),
        ("\"smoothed-layer-norm\"\nepsilon = 2", Normalisation::LayerNorm { epsilon: Epsilon::Smoothed(2.0) }),
        ("\"constant-epsilon-layer-norm\"\nepsilon = 2", Normalisation::LayerNorm { epsilon: Epsilon::Constant(2.0) }),
        ("\"group-norm\"\ngroups = 1", Normalisation::GroupNorm { groups: 1, epsilon: Epsilon::None }),
        (
            "\"smoothed-group-norm\"\ngroups = 1\nepsilon = 2",
            Normalisation::GroupNorm { groups: 1, epsilon: Epsilon::Smoothed(2.0) },
        ),
        (
            "\"constant-epsilon-group-norm\"\ngroups = 1\nepsilon = 2",
            Normalisation::GroupNorm { groups: 1, epsilon: Epsilon::Constant(2.0) },
        ),
        ("\"weight-norm\"", Normalisation::WeightNorm),
        ("\"none\"", Normalisation::None),
    ];
    for (written, expected) in cases {
        // Two units in every layer: one alone has no variance.
        let text = start.replace("\"smoothed-batch-norm\"\nepsilon = 0.1", written);
        let text = text.replace("[2, 3, 1]", "[2, 3, 2]").replace("\"logistic\"", "\"cross-entropy\"");
        let text = text.replace("labels = [1, -1, 1, -1]", "labels = [1, 0, 1, 0]");
        let problem = parse(&text).unwrap_or_else(|error| panic!("{error}"));
        assert!(problem.theta.is_none());
        let Some(network) = problem.network else { panic!("a network") };
        assert_eq!(network.architecture().normalisation, expected);
    }
    for (written, expected) in [
        ("sigmoid\"", Activation::Sigmoid),
        ("softplus\"", Activation::Softplus),
        ("relu\"", Activation::Relu),
        ("leaky-relu\"\nslope = 0.25", Activation::LeakyRelu { slope: 0.25 }),
        ("gelu\"", Activation::Gelu),
        ("gelu-tanh\"", Activation::GeluTanh),
        ("silu\"", Activation::Silu),
    ] {
        let Some(network) = parse(&start.replace("tanh\"", written)).unwrap().network else { panic!("a network") };
        assert_eq!(network.architecture().activation, expected);
    }
}

#[test]
fn every_mistake_is_named() {
    let cases = [
        // (from, to, the whole message)
        ("epsilon", "epsilom", "net.toml:4: network.epsilom: unknown key; did you mean `epsilon`?"),
        ("weight-decay", "weight_decay", "net.toml:7: network.weight_decay: unknown key; did you mean `weight-decay`?"),
        (
            "weight-decay",
            "q",
            "net.toml:7: network.q: unknown key; [network] has widths, normalisation, epsilon, groups, activation, \
             slope, objective, weight-decay, layers, image",
        ),
        ("[domain]", "[domains]", "net.toml:25: domains: unknown key; did you mean `domain`?"),
        ("epsilon = 0.1\n", "", "net.toml:1: network.epsilon: is missing; give the smoothing, a number > 0"),
        ("epsilon = 0.1", "epsilon = -0.1", "net.toml:4: network.epsilon: `-0.1` is not above 0; give a number > 0"),
        ("epsilon = 0.1", "epsilon = 0", "net.toml:4: network.epsilon: `0` is not above 0; give a number > 0"),
        (
            "epsilon = 0.1",
            "epsilon = nan",
            "net.toml:4: network.epsilon: `nan` is not a finite number; every number must be finite",
        ),
        (
            "epsilon = 0.1",
            "epsilon = \"0.1\"",
            "net.toml:4: network.epsilon: `\"0.1\"` is not a number; give a finite number",
        ),
        (
            "\"smoothed-batch-norm\"",
            "\"smoothed-batchnorm\"",
            "net.toml:3: network.normalisation: \"smoothed-batchnorm\" is not known; did you mean \
             \"smoothed-batch-norm\"? The choices are smoothed-batch-norm, batch-norm, constant-epsilon-batch-norm, \
             l1-batch-norm, l4-batch-norm, linf-batch-norm, smoothed-layer-norm, layer-norm, \
             constant-epsilon-layer-norm, smoothed-group-norm, group-norm, constant-epsilon-group-norm, weight-norm, \
             none",
        ),
        (
            "\"smoothed-batch-norm\"",
            "\"batch-norm\"",
            "net.toml:4: network.epsilon: batch-norm has no epsilon; write constant-epsilon-batch-norm for PyTorch's, \
             which adds epsilon to the variance, or smoothed-batch-norm for epsilon times the squared norm of the \
             weights, which leaves them scale invariant",
        ),
        (
            "\"smoothed-batch-norm\"",
            "\"layer-norm\"",
            "net.toml:4: network.epsilon: layer-norm has no epsilon; write constant-epsilon-layer-norm for PyTorch's, \
             which adds epsilon to the variance, or smoothed-layer-norm for epsilon times the squared norm of the \
             weights, which leaves them scale invariant",
        ),
        (
            "\"smoothed-batch-norm\"",
            "\"group-norm\"\ngroups = 1",
            "net.toml:5: network.epsilon: group-norm has no epsilon; write constant-epsilon-group-norm for PyTorch's, \
             which adds epsilon to the variance, or smoothed-group-norm for epsilon times the squared norm of the \
             weights, which leaves them scale invariant",
        ),
        (
            "\"smoothed-batch-norm\"",
            "\"weight-norm\"",
            "net.toml:4: network.epsilon: weight-norm has no epsilon; remove it",
        ),
        (
            "\"smoothed-batch-norm\"\nepsilon = 0.1",
            "\"constant-epsilon-layer-norm\"",
            "net.toml:1: network.epsilon: is missing; give the constant, as 1e-5, PyTorch's default",
        ),
        (
            "\"smoothed-batch-norm\"\nepsilon = 0.1",
            "\"layer-norm\"",
            "net.toml:3: network.normalisation: a single unit has no variance: give more units, or an epsilon; change \
             the normalisation, its epsilon or the widths",
        ),
        (
            "\"smoothed-batch-norm\"",
            "\"smoothed-batch-norm\"\ngroups = 2",
            "net.toml:4: network.groups: has no meaning here: only group-norm has groups; remove it",
        ),
        (
            "\"tanh\"",
            "\"none\"",
            "net.toml:5: network.activation: leaves nothing between the layers; give the activation between layers: \
             tanh, sigmoid, softplus, relu, leaky-relu, gelu, gelu-tanh or silu",
        ),
        (
            "weight-decay",
            "image = [1, 1, 2]\nweight-decay",
            "net.toml:7: network.image: has no meaning here: only filters, which are listed under layers, read images; \
             remove it",
        ),
        (
            "gammas",
            "bias = 1\ngammas",
            "net.toml:22: parameters.bias: has no meaning here: no layer has a bias; remove it",
        ),
        (
            "\"smoothed-batch-norm\"",
            "\"smoothed-group-norm\"\ngroups = 2",
            "net.toml:4: network.groups: 2 groups do not divide a layer of 3 units; choose a number that divides every \
             width but the first; groups of one unit need an epsilon",
        ),
        (
            "epsilon = 0.1",
            "epsilon = 0.1\nslope = 1",
            "net.toml:5: network.slope: has no meaning here: only leaky-relu has a slope; remove it",
        ),
        (
            "\"tanh\"",
            "\"leaky-relu\"",
            "net.toml:1: network.slope: is missing; give the slope for negative inputs, for example 0.01",
        ),
        (
            "\"logistic\"",
            "\"cross-entropy\"",
            "net.toml:6: network.objective: cross-entropy needs at least 2 outputs; the last width is the number of \
             outputs: change one or the other",
        ),
        (
            "widths = [2, 3, 1]",
            "widths = [2]",
            "net.toml:2: network.widths: has 1 numbers; give [inputs, hidden units, ..., outputs], for example [2, 3, \
             1]",
        ),
        (
            "widths = [2, 3, 1]",
            "widths = [2, 0, 1]",
            "net.toml:2: network.widths[1]: `0` is not a whole number from 1 to 10000000; give such a number",
        ),
        (
            "widths = [2, 3, 1]",
            "widths = [3, 3, 1]",
            "net.toml:2: network.widths: the network has 3 inputs, the data 2 features; the first width is the number \
             of features of the data",
        ),
        (
            "widths = [2, 3, 1]",
            "widths = [100000, 100000]",
            "net.toml:2: network.widths: makes 10000200000 parameters; at most 10000000 are supported",
        ),
        (
            "weight-decay = 0.01",
            "weight-decay = -1",
            "net.toml:7: network.weight-decay: `-1` is not at least 0; give a number >= 0",
        ),
        (
            "labels = [1, -1, 1, -1]",
            "labels = [1, -1, 0, -1]",
            "net.toml:12: data.labels[2]: label 0: the logistic objective needs -1 or +1; change the labels, or the \
             objective and the last width of the network",
        ),
        (
            "labels = [1, -1, 1, -1]",
            "labels = [1, -1, 1]",
            "net.toml:12: data.labels: has 3 numbers; give 4: one label per example",
        ),
        (
            "[1_000.5, 3]",
            "[1_000.5]",
            "net.toml:11: data.inputs[3]: has 1 number; give 2: the features of example 3, as many as the first has",
        ),
        (
            "[1_000.5, 3]",
            "[1e999, 3]",
            "net.toml:11: data.inputs[3][0]: `1e999` is not a finite number; every number must be finite",
        ),
        (
            "[1_000.5, 3]",
            "[9007199254740993, 3]",
            "net.toml:11: data.inputs[3][0]: `9007199254740993` is not exact in double precision; write it with a \
             decimal point to have it rounded",
        ),
        (
            "standardise = true",
            "standardise = \"yes\"",
            "net.toml:13: data.standardise: \"yes\" is not known; give true or false, without quotes, or \"channels\" for images",
        ),
        (
            "standardise = true",
            "seed = 1",
            "net.toml:13: data.seed: has no meaning here: data of this kind have inputs, labels, standardise; remove \
             it",
        ),
        (
            "batch-size = 2",
            "batch-size = 3",
            "net.toml:17: minibatches.batch-size: 4 examples cannot be cut into minibatches of 3: choose a size that \
             divides them; change the batch size or the number of examples",
        ),
        (
            "batch-size = 2",
            "batch-size = 5",
            "net.toml:17: minibatches.batch-size: `5` is not a whole number from 1 to 4; give such a number",
        ),
        (
            "[[1, 2], [3, 4], [5.5, -6]]",
            "[[1, 2], [3, 4]]",
            "net.toml:20: parameters.weights[0]: has 2 rows; W1 is 3 x 2: 3 rows (units) of 2 numbers (inputs)",
        ),
        (
            "[[0.1, 0.2, 0.30000000000000004]]",
            "[[0.1, 0.2]]",
            "net.toml:21: parameters.weights[1][0]: has 2 numbers; give 3: W2 is 1 x 3: 1 rows (units) of 3 numbers \
             (inputs)",
        ),
        (
            "0.30000000000000004",
            "inf",
            "net.toml:21: parameters.weights[1][0][2]: `inf` is not a finite number; every number must be finite",
        ),
        (
            "[[1, 2, 3], [4]]",
            "[[1, 2, 3]]",
            "net.toml:22: parameters.gammas: has 1 entries; give 2 arrays, one per layer",
        ),
        (
            "[[0.5, 0.25, 0.125], [-1]]",
            "[[0.5, 0.25], [-1]]",
            "net.toml:23: parameters.betas[0]: has 2 numbers; give 3: beta of layer 1, one number per unit",
        ),
        (
            "[3, 4]",
            "[0, 0]",
            "net.toml:20: parameters.weights: the norm of W1 row 2 is 0; give it one between 1e-72 and 1e72, or \
             derivatives overflow or vanish: the block is scale invariant, only its direction counts",
        ),
        (
            "betas = ",
            "beta = 1\nbetas = ",
            "net.toml:23: parameters.beta: has no meaning here: betas are given; remove it",
        ),
        ("radius = 10", "radius = 0", "net.toml:26: domain.radius: `0` is not above 0; give a number > 0"),
        (
            "[domain]\nradius = 10",
            "domain = 10",
            "net.toml:25: parameters.domain: unknown key; [parameters] has weights, gammas, betas, initialiser, seed, \
             gamma, beta, biases, bias",
        ),
    ];
    for (from, to, message) in cases {
        assert_eq!(refused(from, to), message);
    }
    assert_eq!(parse("").unwrap_err(), "net.toml:1: network: is missing; describe the network in [network]");
    let twice = refused("epsilon = 0.1", "epsilon = 0.1\nepsilon = 0.2");
    assert!(twice.starts_with("net.toml:5: not TOML: duplicate key"), "{twice}");
    let broken = refused("widths = [2, 3, 1]", "widths = [2, 3, 1");
    assert!(broken.starts_with("net.toml:") && broken.contains("not TOML"), "{broken}");
}

#[test]
fn the_description_is_true() {
    let text = include_str!("../../../../docs/problem-file.md");
    let (_, rest) = text.split_once("```toml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let problem = parse(example).unwrap();
    assert_eq!(problem.theta.unwrap().len(), 12 + 10);
    // The messages list every key of a section, and every choice.
    for (from, to) in [
        ("epsilon", "q"),
        ("standardise", "q"),
        ("betas", "q"),
        ("\"tanh\"", "\"q\""),
        ("\"smoothed-batch-norm\"", "\"q\""),
        ("\"logistic\"", "\"q\""),
        ("\"inline\"", "\"q\""),
        ("\"partition\"", "\"q\""),
    ] {
        let message = refused(from, to);
        let known = message.split_once(" has ").or(message.split_once("one of ")).unwrap().1;
        for word in known.split(", ") {
            assert!(text.contains(&format!("`{word}`")) || text.contains(&format!("`\"{word}\"`")), "{word}");
        }
    }
}
