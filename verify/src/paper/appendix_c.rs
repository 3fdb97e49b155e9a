//! Networks that meet the hypotheses of appendix C: smoothed BN, a smooth activation, weight decay on g.

use ratecheck::data::{Dataset, Target, teacher};
use ratecheck::loss::Minibatches;
use ratecheck::network::{Activation, Architecture, Network, Normalisation, Objective};

use crate::claim::evidence::{Context, Unevaluated};
use crate::claim::instances::{NetworkAt, at_random};

/// A network with smoothed BN on a teacher's data, at random parameters.
pub(crate) struct Plan {
    /// Shown as the instance, and names its random numbers.
    pub(crate) name: &'static str,
    /// Inputs, hidden units, outputs.
    pub(crate) widths: &'static [usize],
    /// The activation.
    pub(crate) activation: Activation,
    /// The smoothing.
    pub(crate) epsilon: f64,
    /// lambda.
    pub(crate) weight_decay: f64,
    /// The number of examples, and of those in a minibatch.
    pub(crate) examples: (usize, usize),
}

/// What most plans share, by gradient descent on 16 examples; each has a name and widths of its own.
pub(crate) const GD: Plan =
    Plan { name: "", widths: &[], activation: Activation::Tanh, epsilon: 0.1, weight_decay: 0.5, examples: (16, 16) };
/// The same by stochastic gradient descent on 24 examples.
pub(crate) const SGD: Plan = Plan { examples: (24, 8), ..GD };

impl Plan {
    /// The network: logistic for one output, cross-entropy for more.
    /// Equal sizes of the set and the minibatch mean the full batch.
    ///
    /// # Errors
    /// If the sizes do not fit.
    pub(crate) fn build(&self, context: &Context) -> Result<NetworkAt, Unevaluated> {
        let seed = context.seed.child(self.name);
        let outputs = self.widths[self.widths.len() - 1];
        let (target, objective) = match outputs {
            1 => (Target::Binary, Objective::Logistic),
            k => (Target::Classes(k), Objective::CrossEntropy),
        };
        let (n_examples, batch_size) = self.examples;
        let data = teacher(n_examples, self.widths[0], target, 0.1, &mut seed.generator("data"));
        let z = Minibatches::partition((0..n_examples).collect(), batch_size)?;
        let network = self.network(data, objective, z)?;
        Ok(at_random(self.name, network, &mut seed.generator("theta")))
    }

    /// The same network of one output on examples that all have the label +1, from g = 0: beta is driven to one side
    /// for ever.
    ///
    /// # Errors
    /// If the sizes do not fit.
    pub(crate) fn build_with_one_label(&self, context: &Context) -> Result<NetworkAt, Unevaluated> {
        let (seed, (n_examples, batch_size)) = (context.seed.child(self.name), self.examples);
        let data = teacher(n_examples, self.widths[0], Target::Binary, 0.1, &mut seed.generator("data"));
        let x = (0..data.n_features()).flat_map(|j| data.feature(j).to_vec()).collect();
        let data = Dataset::new(x, n_examples, self.widths[0], vec![1.0; n_examples])?;
        let z = Minibatches::partition((0..n_examples).collect(), batch_size)?;
        let network = self.network(data, Objective::Logistic, z)?;
        let mut subject = at_random(self.name, network, &mut seed.generator("theta"));
        let g = subject.layout().g();
        subject.theta[g].fill(0.0);
        Ok(subject)
    }

    fn network(&self, data: Dataset, objective: Objective, z: Minibatches) -> Result<Network, Unevaluated> {
        let architecture = Architecture {
            widths: self.widths.to_vec(),
            normalisation: Normalisation::SmoothedBatchNorm { epsilon: self.epsilon },
            activation: self.activation,
            objective,
            weight_decay: self.weight_decay,
        };
        Ok(Network::new(architecture, data, z)?)
    }
}

/// Two layers of one logistic unit each, tanh between them, on x = (1, -1, 1, -1) = y with ε = 0.01.
///
/// # Errors
/// Never with these numbers; the data check their labels.
pub(crate) fn two_layers(name: &str, weight_decay: f64, theta: Vec<f64>) -> Result<NetworkAt, Unevaluated> {
    let plan = Plan {
        name: "two layers",
        widths: &[1, 1, 1],
        activation: Activation::Tanh,
        epsilon: 0.01,
        weight_decay,
        examples: (4, 4),
    };
    let data = Dataset::new(vec![1.0, -1.0, 1.0, -1.0], 4, 1, vec![1.0, -1.0, 1.0, -1.0])?;
    let network = plan.network(data, Objective::Logistic, Minibatches::partition((0..4).collect(), 4)?)?;
    Ok(NetworkAt::new(name, network, theta))
}

/// One logistic neuron on x = (1, -1, 1, -1) with epsilon = 1 and the given labels and minibatches of two; theta = (w,
/// gamma, beta) starts at (1, 0, `shift`).
///
/// # Errors
/// If the labels are not -1 and +1.
pub(crate) fn neuron(
    name: &str,
    labels: [f64; 4],
    batch_size: usize,
    weight_decay: f64,
    shift: f64,
) -> Result<NetworkAt, Unevaluated> {
    let plan = Plan { name: "neuron", widths: &[1, 1], epsilon: 1.0, weight_decay, examples: (4, batch_size), ..GD };
    let data = Dataset::new(vec![1.0, -1.0, 1.0, -1.0], 4, 1, labels.to_vec())?;
    let z = Minibatches::partition((0..4).collect(), batch_size)?;
    let network = plan.network(data, Objective::Logistic, z)?;
    Ok(NetworkAt::new(name, network, vec![1.0, 0.0, shift]))
}
