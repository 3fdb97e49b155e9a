//! Gradients that several threads compute together: the bits of one thread,
//! for networks that are large enough to be shared.

use crate::common::derivatives_alone_are_the_same;
use ratecheck::data::Dataset;
use ratecheck::loss::{Minibatches, Over, Workspace};
use ratecheck::network::{
    Activation, Architecture, Convolution, Convolutions, Image, Network, Normalisation, Objective,
};
use ratecheck::random::{Seed, normals};
use ratecheck::scalar::{Dual, Scalar};

const CLASSES: usize = 5;

fn built(widths: &[usize], filters: Option<Convolutions>, activation: Activation, batch: usize) -> (Network, Vec<f64>) {
    let mut generator = Seed::new(12).generator("threads");
    let inputs = normals(widths[0] * batch, 1.0, &mut generator);
    let labels = (0..batch).map(|i| (i % CLASSES) as f64).collect();
    let data = Dataset::new(inputs, batch, widths[0], labels).unwrap();
    let architecture = Architecture {
        widths: widths.to_vec(),
        normalisation: Normalisation::SmoothedBatchNorm { epsilon: 0.1 },
        activation,
        objective: Objective::CrossEntropy,
        weight_decay: 0.0,
    };
    let z = Minibatches::full(batch);
    let network = match filters {
        Some(filters) => Network::convolutional(architecture, filters, data, z),
        None => Network::new(architecture, data, z),
    };
    let network = network.unwrap();
    let theta = network.initialise(&mut generator);
    (network, theta)
}

/// The second layer has 144 * 17 * 252 * 21 = 1.3e7 multiply-adds, in 21 pieces of 256 columns,
/// the last of them shorter.
fn filters(activation: Activation) -> (Network, Vec<f64>) {
    let image = Image { channels: 3, height: 14, width: 18 };
    let layers = [(16, false), (17, true), (4, false)];
    let layers = layers.map(|(filters, pooled)| Convolution { filters, pooled }).to_vec();
    built(&[3 * 14 * 18, CLASSES], Some(Convolutions { image, layers }), activation, 21)
}

/// The first layer has 300 * 257 * 131 = 1.0e7 multiply-adds, the second 1.0e7 as well.
fn wide(activation: Activation) -> (Network, Vec<f64>) {
    built(&[300, 257, 301, CLASSES], None, activation, 131)
}

/// Value and gradient, and the bytes of all buffers.
fn evaluated<S: Scalar>(network: &Network, theta: &[S], threads: usize) -> (S, Vec<S>, usize)
where
    Network: Over<S>,
{
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let z: Vec<usize> = (0..network.data().n_examples()).collect();
        let (mut grad, mut work) = (vec![S::ZERO; theta.len()], Workspace::default());
        let value = network.sample_gradient(&z, theta, &mut grad, &mut work);
        (value, grad, work.bytes())
    })
}

fn threads_agree<S: Scalar + PartialEq>(network: &Network, theta: &[S], what: &str)
where
    Network: Over<S>,
{
    let (value, grad, len) = evaluated(network, theta, 1);
    assert!(value.is_finite() && grad.iter().all(|x| x.is_finite()), "{what}");
    for threads in [2, 3, 7] {
        let (shared_value, shared_grad, shared_len) = evaluated(network, theta, threads);
        // What tasks find has a place of its own: the work was shared.
        assert!(shared_len > len, "{what}, {threads} threads: {shared_len} {len}");
        assert_eq!(shared_value, value, "{what}, {threads} threads");
        let differ = shared_grad.iter().zip(&grad).filter(|(x, y)| x != y).count();
        assert_eq!(differ, 0, "{what}, {threads} threads: entries of {}", grad.len());
    }
}

fn lifted<T: Scalar>(theta: &[f64], direction: &[f64]) -> Vec<Dual<T>> {
    theta.iter().zip(direction).map(|(&x, &v)| Dual::new(T::from_f64(x), T::from_f64(v))).collect()
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    // One activation that is found from its outputs, and one that keeps its slopes.
    for activation in [Activation::Relu, Activation::Softplus] {
        for (name, (network, theta)) in [("filters", filters(activation)), ("wide", wide(activation))] {
            let what = format!("{name}, {activation:?}");
            let direction = normals(theta.len(), 1.0, &mut Seed::new(13).generator("direction"));
            let single: Vec<f32> = theta.iter().map(|&x| f32::from_f64(x)).collect();
            threads_agree(&network, &theta, &format!("{what}, f64"));
            threads_agree(&network, &single, &format!("{what}, f32"));
            threads_agree(&network, &lifted::<f64>(&theta, &direction), &format!("{what}, duals"));
        }
    }
}

/// Of images in several pieces, where those of other tests fit in one; of gradients that threads share, and of others.
#[test]
fn large_gradients_agree_with_forward_mode() {
    for (network, theta) in [filters(Activation::Tanh), wide(Activation::Tanh)] {
        let direction = normals(theta.len(), 1.0, &mut Seed::new(14).generator("direction"));
        let z: Vec<usize> = (0..network.data().n_examples()).collect();
        let dual = lifted::<f64>(&theta, &direction);
        let expected = network.sample_loss(&z, &dual).du;
        for threads in [1, 2] {
            let (_, grad, _) = evaluated(&network, &theta, threads);
            let found: f64 = grad.iter().zip(&direction).map(|(g, v)| g * v).sum();
            let size: f64 = grad.iter().zip(&direction).map(|(g, v)| (g * v).abs()).sum();
            // Sums of up to 5292 terms in three or four layers, hence some ten thousand roundings, amplified by 1/s.
            assert!((found - expected).abs() <= 1e-11 * size, "{threads} threads: {found} {expected}");
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| derivatives_alone_are_the_same(&network, &z, &dual));
        }
    }
}
