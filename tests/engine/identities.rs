//! The identities of sections 2.3 to 2.5 and of second order, over random networks, widths, minibatches and scales.

use proptest::prelude::*;
use rand::RngExt;
use ratecheck::curvature::{HessianProduct, Part, hessian_vector_product};
use ratecheck::data::{Dataset, Target, teacher};
use ratecheck::descent::{Schedule, StepRule, Stepper};
use ratecheck::loss::{Minibatches, Over, Setting, Workspace};
use ratecheck::network::{Activation, Architecture, Epsilon, Lp, Network, Normalisation, Objective};
use ratecheck::parameters::{dot, norm_sq};
use ratecheck::random::Seed;

/// A network, parameters and a minibatch, as proptest draws them.
#[derive(Clone, Debug)]
struct Case {
    widths: Vec<usize>,
    normalisation: Normalisation,
    activation: Activation,
    batch: usize,
    seed: u64,
}

fn normalisation() -> impl Strategy<Value = Normalisation> {
    prop_oneof![
        (0.01_f64..2.0).prop_map(|epsilon| Normalisation::SmoothedBatchNorm { epsilon }),
        Just(Normalisation::LpBatchNorm { p: Lp::Four }),
        (0.01_f64..2.0).prop_map(|epsilon| Normalisation::LayerNorm { epsilon: Epsilon::Smoothed(epsilon) }),
        (0.01_f64..2.0).prop_map(|epsilon| Normalisation::GroupNorm { groups: 2, epsilon: Epsilon::Smoothed(epsilon) }),
        Just(Normalisation::WeightNorm),
    ]
}

prop_compose! {
    fn case()(
        inputs in 1_usize..7,
        hidden in prop::collection::vec((1_usize..5).prop_map(|half| 2 * half), 0..3),
        classes in 1_usize..4,
        normalisation in normalisation(),
        activation in prop_oneof![Just(Activation::Tanh), Just(Activation::Softplus), Just(Activation::Sigmoid)],
        batch in 8_usize..24,
        seed in any::<u64>(),
    ) -> Case {
        let widths = std::iter::once(inputs).chain(hidden).chain([2 * classes]).collect();
        Case { widths, normalisation, activation, batch, seed }
    }
}

impl Case {
    fn build(&self) -> (Network, Vec<f64>, Vec<usize>) {
        let mut generator = Seed::new(self.seed).generator("case");
        let classes = *self.widths.last().unwrap();
        let data: Dataset = teacher(self.batch, self.widths[0], Target::Classes(classes), 0.2, &mut generator);
        let architecture = Architecture {
            widths: self.widths.clone(),
            normalisation: self.normalisation,
            activation: self.activation,
            objective: Objective::CrossEntropy,
            weight_decay: 0.01,
        };
        let network = Network::new(architecture, data, Minibatches::full(self.batch)).unwrap();
        let mut theta = network.initialise(&mut generator);
        let blocks = network.parameters().blocks().to_vec();
        for block in blocks {
            let size = generator.random_range(0.3..3.0);
            theta[block.range].iter_mut().for_each(|x| *x *= size);
        }
        (network, theta, (0..self.batch).collect())
    }
}

/// Rounding of one gradient, relative to its terms: some 10^3 operations, amplified by inverse spreads that random
/// inputs keep below about 100 (a unit with smaller spread is rarer than one case in 10^4,
/// and the smoothing bounds most of them).
const ROUNDING: f64 = 1e3 * 100.0 * f64::EPSILON;

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    /// Lemma 2.2 and both parts of Lemma 2.4.
    #[test]
    fn gradients_are_perpendicular_and_scale(case in case(), eta in 0.001_f64..50.0) {
        let (network, theta, z) = case.build();
        let layout = network.parameters();
        let (mut at_w, mut at_v) = (vec![0.0; theta.len()], vec![0.0; theta.len()]);
        let mut work = Workspace::default();
        network.sample_gradient(&z, &theta, &mut at_w, &mut work);
        network.sample_gradient(&z, &layout.theta_unit(&theta), &mut at_v, &mut work);
        let size = norm_sq(&at_v).sqrt();
        let eta = Schedule::constant(eta).unwrap();
        let unused = Seed::new(0).generator("unused");
        let mut stepper = Stepper::new(&network, &theta, StepRule::Gradient, eta, eta, unused);
        stepper.step_with(&z).unwrap();
        for (i, block) in layout.blocks().iter().enumerate() {
            let (w, d) = (&theta[block.range.clone()], &at_w[block.range.clone()]);
            let norm = norm_sq(w).sqrt();
            prop_assert!(dot(w, d).abs() <= ROUNDING * size, "{} not perpendicular", block.name);
            for (d, v) in d.iter().zip(&at_v[block.range.clone()]) {
                prop_assert!((d - v / norm).abs() <= ROUNDING * size / norm, "Lemma 2.2 for {}", block.name);
            }
            let step = eta.eta() * norm_sq(d).sqrt();
            let growth = stepper.w_norm_sq()[i] - norm * norm - step * step;
            prop_assert!(growth.abs() <= ROUNDING * (norm + step).powi(2) + 2.0 * ROUNDING * eta.eta() * size);
        }
    }

    /// Hess_ii w_i = -grad_i, and nothing across.
    #[test]
    fn euler_identities(case in case()) {
        let (network, theta, z) = case.build();
        let layout = network.parameters();
        let n = theta.len();
        let mut grad = vec![0.0; n];
        network.sample_gradient(&z, &theta, &mut grad, &mut Workspace::default());
        let (mut work, mut product) = (HessianProduct::new(n), vec![0.0; n]);
        for j in 0..layout.n_blocks() {
            let block = layout.block(j);
            let mut along = vec![0.0; n];
            // A direction of the same length across w tells the size of the terms.
            let length = layout.w_norm_sq(&theta, j).sqrt();
            along[block.clone()].fill(length / (block.len() as f64).sqrt());
            hessian_vector_product(&network, &z, &theta, &along, &mut product, &mut work);
            let size = norm_sq(&product).sqrt() + norm_sq(&grad).sqrt();
            along[block.clone()].copy_from_slice(&theta[block.clone()]);
            hessian_vector_product(&network, &z, &theta, &along, &mut product, &mut work);
            for part in (0..layout.n_blocks()).map(Part::Block).chain([Part::G]) {
                for k in part.range(layout) {
                    let expected = if part == Part::Block(j) { -grad[k] } else { 0.0 };
                    prop_assert!((product[k] - expected).abs() <= 10.0 * ROUNDING * size, "column {j}, entry {k}");
                }
            }
        }
    }
}
