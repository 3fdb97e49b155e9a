//! The time of a training step: the network of appendix D at an eighth of its width, 32x32 images of 3 channels, 100 of
//! them in a minibatch, evaluated in single precision. Prints `gradient_ms` and `step_ms` of every repetition, a line
//! each; a step is the gradient and SGD's move with its norms, in double precision.
//!
//! ```sh
//! RAYON_NUM_THREADS=2 cargo run --release --example vgg_step -- 20
//! python benches/pytorch.py    # the same in PyTorch, side by side
//! ```

use std::io::Write as _;
use std::time::Instant;

use rand::RngExt as _;
use ratecheck::data::Dataset;
use ratecheck::descent::{Precision, Schedule, StepRule, Stepper};
use ratecheck::loss::{Minibatches, Over, Workspace};
use ratecheck::network::{Activation, Architecture, Convolutions, Image, Network, Normalisation, Objective};
use ratecheck::random::{Seed, normals};

const BATCH: usize = 100;
const CLASSES: usize = 10;
/// Repetitions that are not printed: buffers are made, and threads started.
const WARM_UP: usize = 3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let repetitions: usize = std::env::args().nth(1).map_or(Ok(20), |n| n.parse())?;
    let mut generator = Seed::new(1).generator("vgg step");
    let image = Image { channels: 3, height: 32, width: 32 };
    let inputs = image.channels * image.height * image.width;
    let images = normals(inputs * BATCH, 1.0, &mut generator);
    let labels = (0..BATCH).map(|_| generator.random_range(0..CLASSES as u64) as f64).collect();
    let (filters, dense) = Convolutions::vgg(image, 1.0 / 8.0);
    let architecture = Architecture {
        widths: vec![inputs, dense, CLASSES],
        normalisation: Normalisation::BatchNorm,
        activation: Activation::Relu,
        objective: Objective::CrossEntropy,
        weight_decay: 0.0,
    };
    let data = Dataset::new(images, BATCH, inputs, labels)?;
    let network = Network::convolutional(architecture, filters, data, Minibatches::full(BATCH))?;
    let theta = network.initialise(&mut generator);
    let z: Vec<usize> = (0..BATCH).collect();

    let single: Vec<f32> = theta.iter().map(|&x| x as f32).collect();
    let (mut gradient, mut work) = (vec![0.0_f32; theta.len()], Workspace::default());
    let eta = Schedule::constant(0.01)?;
    let mut stepper = Stepper::new(&network, &theta, StepRule::Gradient, eta, eta, Seed::new(2).generator("z"))
        .evaluating_in(Precision::Single);
    let mut out = std::io::stdout().lock();
    for repetition in 0..WARM_UP + repetitions {
        let begin = Instant::now();
        let value = network.sample_gradient(&z, &single, &mut gradient, &mut work);
        let of_gradient = begin.elapsed().as_secs_f64() * 1e3;
        assert!(value.is_finite());
        let begin = Instant::now();
        stepper.step_with(&z)?;
        let of_step = begin.elapsed().as_secs_f64() * 1e3;
        if repetition >= WARM_UP {
            writeln!(out, "gradient_ms {of_gradient:.3} step_ms {of_step:.3}")?;
        }
    }
    Ok(())
}
