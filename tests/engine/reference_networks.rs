//! The networks against 60-digit reference values that this code did not make (see `tests/reference/README.md`).

use ratecheck::curvature::{HessianProduct, hessian_vector_product};
use ratecheck::data::Dataset;
use ratecheck::loss::{Minibatches, Over, Setting, Workspace};
use ratecheck::network::{Activation, Architecture, Network, Normalisation, Objective};
use ratecheck::scalar::{Dual, Interval, Scalar};
use serde_json::Value;

fn cases() -> Vec<Value> {
    let text = include_str!("../reference/networks.json");
    let json: Value = serde_json::from_str(text).unwrap();
    json["cases"].as_array().unwrap().clone()
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}

fn network(case: &Value) -> Network {
    let rows: Vec<Vec<f64>> = case["inputs"].as_array().unwrap().iter().map(numbers).collect();
    let (n, features) = (rows.len(), rows[0].len());
    let inputs = (0..features * n).map(|i| rows[i % n][i / n]).collect();
    let widths: Vec<usize> = numbers(&case["net"]).iter().map(|&w| w as usize).collect();
    let architecture = Architecture {
        objective: if *widths.last().unwrap() == 1 { Objective::Logistic } else { Objective::CrossEntropy },
        widths,
        normalisation: Normalisation::SmoothedBatchNorm { epsilon: case["eps"].as_f64().unwrap() },
        activation: match case["activation"].as_str().unwrap() {
            "tanh" => Activation::Tanh,
            "softplus" => Activation::Softplus,
            other => panic!("{other}"),
        },
        weight_decay: case["lambda"].as_f64().unwrap(),
    };
    let data = Dataset::new(inputs, n, features, numbers(&case["labels"])).unwrap();
    Network::new(architecture, data, Minibatches::full(n)).unwrap()
}

fn z(network: &Network) -> Vec<usize> {
    (0..network.data().n_examples()).collect()
}

/// Relative to the largest entry: 1e-13 as the reference promises.
fn assert_close(got: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1.0_f64, |m, x| m.max(x.abs()));
    for (i, (a, b)) in got.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * scale, "{what}[{i}]: {a} instead of {b}");
    }
}

#[test]
fn loss_gradient_and_hessian() {
    for case in cases() {
        let network = network(&case);
        let z = z(&network);
        for at in ["at_W", "at_V"] {
            let expected = &case["expected"][at];
            let theta = numbers(&expected["theta"]);
            let n = theta.len();
            let mut grad = vec![0.0; n];
            let value = network.sample_gradient(&z, &theta, &mut grad, &mut Workspace::default());
            assert_close(&[value], &numbers(&expected["loss"]), 1e-13, "loss");
            assert_eq!(value, network.sample_loss(&z, &theta));
            assert_close(&grad, &numbers(&expected["gradient"]), 1e-13, "gradient");

            let mut work = Workspace::default();
            let mut hessian = vec![0.0; n * n];
            let mut column = vec![Dual::new(0.0, 0.0); n];
            for j in 0..n {
                let lifted: Vec<Dual<f64>> =
                    theta.iter().enumerate().map(|(i, &x)| Dual::new(x, f64::from(u8::from(i == j)))).collect();
                network.sample_gradient(&z, &lifted, &mut column, &mut work);
                assert_eq!(column.iter().map(|x| x.re).collect::<Vec<_>>(), grad, "the value part is the gradient");
                for i in 0..n {
                    hessian[i * n + j] = column[i].du;
                }
            }
            assert_close(&hessian, &numbers(&expected["hessian"]), 1e-13, "hessian");
        }
    }
}

#[test]
fn blocks_are_the_rows() {
    for case in cases() {
        let network = network(&case);
        let rows: Vec<Vec<f64>> = case["rows"].as_array().unwrap().iter().map(numbers).collect();
        let layout = network.parameters();
        let ours: Vec<Vec<f64>> =
            layout.blocks().iter().map(|b| vec![b.range.start as f64, b.range.end as f64]).collect();
        assert_eq!(ours, rows);
        assert_eq!(layout.g().start as f64, case["g_start"].as_f64().unwrap());
    }
}

#[test]
fn five_steps_of_gradient_descent() {
    for case in cases() {
        let network = network(&case);
        let z = z(&network);
        let (eta_w, eta_g) = (case["gd_eta_w"].as_f64().unwrap(), case["gd_eta_g"].as_f64().unwrap());
        let mut theta = numbers(&case["expected"]["at_W"]["theta"]);
        let mut grad = vec![0.0; theta.len()];
        let mut work = Workspace::default();
        let g = network.parameters().g();
        for state in case["gd_trajectory"].as_array().unwrap() {
            assert_close(&theta, &numbers(&state["theta"]), 1e-12, "theta");
            let value = network.sample_gradient(&z, &theta, &mut grad, &mut work);
            assert_close(&[value], &numbers(&state["loss"]), 1e-12, "loss");
            for i in 0..theta.len() {
                theta[i] -= if g.contains(&i) { eta_g } else { eta_w } * grad[i];
            }
        }
    }
}

/// A reference value is a true one rounded to the nearest number: the true value is within one unit of it.
fn meets(set: Interval, reference: f64) -> bool {
    set.lo() <= reference.next_up() && reference.next_down() <= set.hi()
}

#[test]
fn intervals_enclose_the_gradient_and_the_hessian() {
    for case in cases() {
        let network = network(&case);
        let z = z(&network);
        for at in ["at_W", "at_V"] {
            let expected = &case["expected"][at];
            let theta: Vec<Interval> = numbers(&expected["theta"]).into_iter().map(Interval::from).collect();
            let n = theta.len();
            let (gradient, hessian) = (numbers(&expected["gradient"]), numbers(&expected["hessian"]));
            let scale = hessian.iter().chain(&gradient).fold(1.0_f64, |m, x| m.max(x.abs()));
            // An enclosure that is to decide anything keeps most digits: nine are asked for, some twelve are kept.
            let narrow = |set: Interval| set.width() <= 1e-9 * scale;

            let mut grad = vec![Interval::ZERO; n];
            let value = network.sample_gradient(&z, &theta, &mut grad, &mut Workspace::default());
            assert!(meets(value, expected["loss"].as_f64().unwrap()) && narrow(value), "loss in {value:?}");
            for (i, (&set, &x)) in grad.iter().zip(&gradient).enumerate() {
                assert!(meets(set, x) && narrow(set), "gradient[{i}] = {x} in {set:?}");
            }
            let (mut column, mut work) = (vec![Interval::ZERO; n], HessianProduct::new(n));
            for j in 0..n {
                let mut direction = vec![Interval::ZERO; n];
                direction[j] = Interval::ONE;
                hessian_vector_product(&network, &z, &theta, &direction, &mut column, &mut work);
                for (i, &set) in column.iter().enumerate() {
                    let x = hessian[i * n + j];
                    assert!(meets(set, x) && narrow(set), "hessian[{i}, {j}] = {x} in {set:?}");
                }
            }
        }
    }
}
