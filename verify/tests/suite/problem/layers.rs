//! Networks that are written layer by layer.

use std::path::Path;

use ratecheck::loss::{Setting, Workspace};
use ratecheck::network::{Activation, Convolution, Epsilon, Image, LayerKind, Network, Normalisation};
use ratecheck_verify::lab::inspect::inspect;
use ratecheck_verify::lab::problem::{Described, Problem};

use super::parse;

/// Lines count from the first, which is 1.
const LAYERS: &str = r#"[network]
objective = "cross-entropy"
[[network.layers]]
kind = "dense"
units = 4
normalisation = "constant-epsilon-layer-norm"
epsilon = 1e-5
activation = "gelu"
[[network.layers]]
kind = "dense"
units = 4
bias = true
normalisation = "constant-epsilon-group-norm"
groups = 1
epsilon = 0.5
affine = false
activation = "leaky-relu"
slope = 0.25
[[network.layers]]
kind = "dense"
units = 2
normalisation = "none"
[data]
kind = "inline"
inputs = [[0.5, -1], [0.25, 2], [-0.25, 0.125], [1.5, 3], [0.75, -0.5]]
labels = [1, 0, 1, 0, 1]
[parameters]
weights = [[[1, 2], [3, 4], [5, 6], [7, 8.5]],
           [[1, 2, 3, 4], [4, 3, 2, 1], [0, 1, 0, 1], [1, 0, 0, 0]],
           [[1, 2, 3, 4], [-1, 0, 0, 0.5]]]
gammas = [[1, 2, 3, 4], [], []]
betas = [[10, 20, 30, 40], [], []]
biases = [[], [0.5, 0.25, 0.125, 0], [-1, 1]]
"#;

fn network(problem: &Problem) -> &Network {
    let Some(network) = &problem.network else { panic!("a network") };
    network
}

fn refused(from: &str, to: &str) -> String {
    assert_eq!(LAYERS.matches(from).count(), 1, "{from}");
    parse(&LAYERS.replace(from, to)).expect_err(to)
}

#[test]
fn layers_are_read_as_they_are() {
    let problem = parse(LAYERS).unwrap();
    let layers = &network(&problem).layers().layers;
    let kinds: Vec<LayerKind> = layers.iter().map(|layer| layer.kind).collect();
    assert_eq!(kinds, [4, 4, 2].map(|units| LayerKind::Dense { units }));
    assert_eq!(
        layers.iter().map(|layer| (layer.bias, layer.affine)).collect::<Vec<_>>(),
        [(false, true), (true, false), (true, false)]
    );
    assert_eq!(layers[0].normalisation, Normalisation::LayerNorm { epsilon: Epsilon::Constant(1e-5) });
    assert_eq!(layers[1].normalisation, Normalisation::GroupNorm { groups: 1, epsilon: Epsilon::Constant(0.5) });
    assert_eq!(layers[2].normalisation, Normalisation::None);
    let activations: Vec<Option<Activation>> = layers.iter().map(|layer| layer.activation).collect();
    assert_eq!(activations, [Some(Activation::Gelu), Some(Activation::LeakyRelu { slope: 0.25 }), None]);

    // Blocks first (a bias behind its matrix), then g: the last matrix, gamma and beta of layer 1, the last bias.
    let expected = [
        &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.5][..],
        &[1.0, 2.0, 3.0, 4.0, 4.0, 3.0, 2.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.5, 0.25, 0.125, 0.0],
        &[1.0, 2.0, 3.0, 4.0, -1.0, 0.0, 0.0, 0.5],
        &[1.0, 2.0, 3.0, 4.0, 10.0, 20.0, 30.0, 40.0, -1.0, 1.0],
    ];
    assert_eq!(problem.theta.as_ref().unwrap(), &expected.concat());
    let layout = network(&problem).parameters();
    assert_eq!(layout.g(), 28..46);
    let names: Vec<&str> = layout.blocks().iter().map(|block| block.name.as_str()).collect();
    assert_eq!(names, ["W1", "W2 and b2"]);

    let described = serde_json::to_value(Described::from(network(&problem))).unwrap();
    assert_eq!(described["normalisation"], "per-layer");
    let second = serde_json::json!({
        "kind": "dense", "units": 4, "normalisation": "constant-epsilon-group-norm", "epsilon": 0.5, "groups": 1,
        "activation": "leaky-relu", "slope": 0.25, "weights": [8, 24], "bias": [24, 28],
    });
    assert_eq!(described["layers"][1], second);
    assert_eq!(described["layers"][2]["bias"], serde_json::json!([44, 46]));
    // One number for all, and what is missing.
    let (start, _) = LAYERS.split_once("gammas = ").unwrap();
    let theta = parse(&format!("{start}gamma = 2\nbias = 3\n")).unwrap().theta.unwrap();
    assert_eq!(
        (&theta[24..28], &theta[36..46]),
        (&[3.0; 4][..], &[2.0, 2.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0, 3.0, 3.0][..])
    );
}

#[test]
fn every_mistake_in_a_layer_is_named() {
    let cases = [
        (
            "[network]\n",
            "[network]\nwidths = [2, 2]\n",
            "net.toml:2: network.widths: has no meaning here: the layers say it, each for itself; remove it",
        ),
        (
            "kind = \"dense\"\nunits = 4\nbias",
            "kind = \"dens\"\nunits = 4\nbias",
            "net.toml:10: network.layers[1].kind: \"dens\" is not known; did you mean \"dense\"? The choices are \
             dense, filters",
        ),
        (
            "units = 2\n",
            "filters = 2\n",
            "net.toml:21: network.layers[2].filters: has no meaning here: a dense layer has units; remove it",
        ),
        ("units = 2\n", "", "net.toml:19: network.layers[2].units: is missing; give how many there are"),
        (
            "units = 2\n",
            "units = 2\npooled = true\n",
            "net.toml:22: network.layers[2].pooled: has no meaning here: only filters are pooled; remove it",
        ),
        (
            "kind = \"dense\"\nunits = 2",
            "kind = \"filters\"\nfilters = 2",
            "net.toml:20: network.layers[2].kind: the last layer is one of filters; end with a dense layer, whose \
             units are the outputs",
        ),
        (
            "units = 2\n",
            "units = 2\nactivation = \"tanh\"\n",
            "net.toml:22: network.layers[2].activation: stands on the last layer, whose outputs the objective takes as \
             they are; remove it",
        ),
        (
            "activation = \"gelu\"\n",
            "",
            "net.toml:3: network.layers[0].activation: is missing; give the activation of this layer, or \"none\"",
        ),
        (
            "units = 2\n",
            "units = 2\naffine = true\n",
            "net.toml:22: network.layers[2].affine: has no meaning here: without normalisation there is no gamma; bias \
             = true or false says whether there is a bias; remove it",
        ),
        (
            "epsilon = 0.5\n",
            "",
            "net.toml:9: network.layers[1].epsilon: is missing; give the constant, as 1e-5, PyTorch's default",
        ),
        (
            "groups = 1",
            "groups = 2",
            "net.toml:12: network.layers[1].bias: a bias in front of group normalisation is invariant only together \
             with the rows of its group, which it does not stand beside; remove it",
        ),
        (
            "bias = true\nnormalisation = \"constant-epsilon-group-norm\"\ngroups = 1",
            "normalisation = \"constant-epsilon-group-norm\"\ngroups = 3",
            "net.toml:12: network.layers[1].normalisation: 3 groups do not divide a layer of 4 units; change the \
             normalisation, its groups or the units",
        ),
        (
            "objective = \"cross-entropy\"",
            "objective = \"logistic\"",
            "net.toml:2: network.objective: the logistic objective needs 1 output, not 2; the units of the last layer \
             are the outputs: change one or the other",
        ),
        (
            "units = 2\n",
            "units = 2\nunit = 3\n",
            "net.toml:22: network.layers[2].unit: unknown key; did you mean `units`?",
        ),
        (
            "units = 4\nbias",
            "units = 9999999\nbias",
            "net.toml:3: network.layers: make 90000017 parameters; at most 10000000 are supported",
        ),
        (
            "[[network.layers]]\nkind = \"dense\"\nunits = 2\nnormalisation = \"none\"",
            "[[network.layers]]\nkind = \"filters\"\nfilters = 2\nnormalisation = \"none\"\nactivation = \"none\"\n\
             [[network.layers]]\nkind = \"dense\"\nunits = 2\nnormalisation = \"none\"",
            "net.toml:20: network.layers[2].kind: filters stand behind a dense layer, which leaves no image; put \
             filters first, say in network.image what they read, and pool even heights and widths alone",
        ),
        (
            "[network]\n",
            "[network]\nimage = [1, 2]\n",
            "net.toml:2: network.image: has 2 numbers; give [channels, height, width], for example [1, 8, 8]",
        ),
        (
            "[network]\n",
            "[network]\nimage = [1, 1, 2]\n",
            "net.toml:2: network.image: give at least one layer of filters, none without a filter; let channels times \
             height times width be the number of features, and filters read the image",
        ),
        (
            "gammas = [[1, 2, 3, 4], [], []]",
            "gammas = [[1, 2, 3, 4], [1, 1, 1, 1], []]",
            "net.toml:31: parameters.gammas[1]: has 4 numbers; give 0: layer 2 has no gamma",
        ),
        (
            "biases = [[], ",
            "biases = [[1, 2, 3, 4], ",
            "net.toml:33: parameters.biases[0]: has 4 numbers; give 0: layer 1 has no bias",
        ),
        (
            "[-1, 1]]",
            "[-1]]",
            "net.toml:33: parameters.biases[2]: has 1 number; give 2: bias of layer 3, one number per unit",
        ),
    ];
    for (from, to, message) in cases {
        assert_eq!(refused(from, to), message);
    }
    let (_, data) = LAYERS.split_once("[data]").unwrap();
    let none = format!("[network]\nobjective = \"cross-entropy\"\nlayers = []\n[data]{data}");
    assert_eq!(
        parse(&none).err().unwrap(),
        "net.toml:3: network.layers: has no layers; write a table [[network.layers]] for every layer"
    );
}

fn example(name: &str) -> Problem {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/problems").join(name);
    Problem::read(&path).unwrap_or_else(|error| panic!("{error}"))
}

/// The example says of itself what PyTorch's epsilon does to it, and what it would be without.
#[test]
fn a_layer_norm_of_pytorch_is_not_taken_for_a_smoothed_one() {
    let problem = example("pytorch-layer-norm.toml");
    let constant = network(&problem);
    assert_eq!(constant.data().labels(), [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0]);
    let found = inspect(&problem, 2000).unwrap();
    assert!(found.checks.invariance > 1e-3 && found.checks.invariance < 1e-1, "{}", found.checks.invariance);
    // The first layer's epsilon is a tenth of what some examples are divided by;
    // the second layer's is nothing to speak of.
    let theta = problem.theta.as_ref().unwrap();
    let z: Vec<usize> = (0..12).collect();
    let shares = constant.epsilon_shares(&z, theta, &mut Workspace::default());
    assert_eq!(shares.iter().map(|share| share.layer).collect::<Vec<_>>(), [0, 1]);
    assert!(shares[0].share > 0.1 && shares[1].share < 0.01, "{shares:?}");

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/problems/pytorch-layer-norm.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    for (from, to) in
        [("\"constant-epsilon-layer-norm\"\nepsilon = 1e-5", "\"layer-norm\""), ("\"constant-epsilon-", "\"smoothed-")]
    {
        let problem = Problem::parse(&text.replace(from, to), &path).unwrap();
        let found = inspect(&problem, 2000).unwrap();
        assert!(found.checks.invariance < 1e-12, "{to}: {}", found.checks.invariance);
    }
}

#[test]
fn filters_are_read_from_a_problem_file() {
    let problem = example("filters.toml");
    let network = network(&problem);
    let filters = network.convolutions().unwrap();
    assert_eq!(filters.image, Image { channels: 1, height: 8, width: 8 });
    assert_eq!(filters.layers, [3, 4].map(|filters| Convolution { filters, pooled: true }));
    // Alike, so that it is the short form: a row of nine numbers, one of 27, and rows of 4 times 2 x 2.
    assert!(!network.layers_differ());
    assert_eq!(network.architecture().widths, [64, 10]);
    assert_eq!(network.n_weights(), 3 * 9 + 4 * 27 + 10 * 16);
    assert_eq!(network.parameters().n_blocks(), 3 + 4 + 10 + 2);
    let found = inspect(&problem, 0).unwrap();
    assert!(found.checks.invariance < 1e-12 && found.at_w.loss.is_finite());
    let described = Described::from(network);
    assert_eq!((described.image, described.layers.len()), (Some([1, 8, 8]), 3));
    assert_eq!(described.layers[1].in_words(), "filters 4, batch-norm, relu, pooled");
}
