//! Networks whose layers are not alike, against PyTorch's own numbers: see `tests/reference/README.md`.

use ratecheck::curvature::{HessianProduct, hessian_vector_product};
use ratecheck::data::Dataset;
use ratecheck::loss::{Minibatches, Over, Setting, Workspace};
use ratecheck::network::{
    Activation, Convolution, Epsilon, Image, LayerKind, LayerSpec, Layered, Network, Normalisation, Objective,
};
use serde_json::Value;

/// A number, or an array of arrays of them.
fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        Value::Null => Vec::new(),
        number => vec![number.as_f64().unwrap()],
    }
}

fn spec_of(layer: &Value) -> LayerSpec {
    let count = |key: &str| layer[key].as_u64().map(|n| n as usize);
    let epsilon = || Epsilon::Constant(layer["epsilon"].as_f64().unwrap());
    LayerSpec {
        kind: match count("filters") {
            Some(filters) => LayerKind::Filters(Convolution { filters, pooled: layer["pooled"].as_bool().unwrap() }),
            None => LayerKind::Dense { units: count("units").unwrap() },
        },
        bias: layer["bias"].as_bool().unwrap(),
        normalisation: match layer["normalisation"].as_str() {
            Some("layer") => Normalisation::LayerNorm { epsilon: epsilon() },
            Some("group") => Normalisation::GroupNorm { groups: count("groups").unwrap(), epsilon: epsilon() },
            Some(_) => Normalisation::ConstantEpsilonBatchNorm { epsilon: layer["epsilon"].as_f64().unwrap() },
            None => Normalisation::None,
        },
        affine: layer["affine"].as_bool().unwrap_or(false),
        activation: layer["activation"].as_str().map(|name| match name {
            "gelu" => Activation::Gelu,
            "gelu-tanh" => Activation::GeluTanh,
            "silu" => Activation::Silu,
            "tanh" => Activation::Tanh,
            "softplus" => Activation::Softplus,
            other => panic!("{other}"),
        }),
    }
}

/// Numbers of every layer, as PyTorch keeps them, in the flat order of theta.
fn flat(network: &Network, of_layers: &Value) -> Vec<f64> {
    let mut theta = vec![f64::NAN; network.parameters().len()];
    for (place, layer) in network.places().iter().zip(of_layers.as_array().unwrap()) {
        let [weights, bias, gamma, beta] = [0, 1, 2, 3].map(|k| numbers(&layer[k]));
        theta[place.weights.clone()].copy_from_slice(&weights);
        // Without normalisation the bias is beta.
        let (bias, beta) = if place.bias.is_none() && beta.is_empty() { (beta, bias) } else { (bias, beta) };
        for (range, numbers) in [(&place.bias, bias), (&place.gamma, gamma), (&place.beta, beta)] {
            theta[range.clone().unwrap_or(0..0)].copy_from_slice(&numbers);
        }
    }
    theta
}

/// `tests/reference/layers.json`: the loss, the gradient and a Hessian-vector product that PyTorch found in `f64`.
#[test]
fn networks_are_those_of_pytorch() {
    let json: Value = serde_json::from_str(include_str!("../reference/layers.json")).unwrap();
    for case in json["cases"].as_array().unwrap() {
        let examples: Vec<Vec<f64>> = case["inputs"].as_array().unwrap().iter().map(numbers).collect();
        let (n, features) = (examples.len(), examples[0].len());
        let inputs = (0..features * n).map(|i| examples[i % n][i / n]).collect();
        let data = Dataset::new(inputs, n, features, numbers(&case["labels"])).unwrap();
        let image = numbers(&case["image"]);
        let count = |k: usize| image[k] as usize;
        let layered = Layered {
            image: (!image.is_empty()).then(|| Image { channels: count(0), height: count(1), width: count(2) }),
            layers: case["layers"].as_array().unwrap().iter().map(spec_of).collect(),
            objective: Objective::CrossEntropy,
            weight_decay: 0.0,
        };
        let network = Network::layered(layered, data, Minibatches::full(n)).unwrap();
        let z: Vec<usize> = (0..n).collect();
        let [theta, gradient, direction, product] =
            ["parameters", "gradient", "direction", "hessian_times_direction"].map(|key| flat(&network, &case[key]));
        let name = case["name"].as_str().unwrap();
        // Both sides round: some thousand roundings of u = 1e-16 each, amplified by 1/s and twice by differentiation.
        let close = |found: &[f64], expected: &[f64], what: &str| {
            let scale = expected.iter().fold(1.0_f64, |m, x| m.max(x.abs()));
            for (i, (x, y)) in found.iter().zip(expected).enumerate() {
                assert!((x - y).abs() <= 1e-12 * scale, "{name}: {what}[{i}] is {x}, not {y}");
            }
        };
        let mut found = vec![0.0; theta.len()];
        let value = network.sample_gradient(&z, &theta, &mut found, &mut Workspace::default());
        close(&[value], &numbers(&case["loss"]), "loss");
        close(&found, &gradient, "gradient");
        hessian_vector_product(&network, &z, &theta, &direction, &mut found, &mut HessianProduct::new(theta.len()));
        close(&found, &product, "H d");
    }
}
