//! The hypotheses of statements, and what a subject lacks of them.

use ratecheck::loss::Drawing;
use ratecheck::network::{Activation, Convolution, LayerKind, LayerSpec, Lp, Network, Normalisation};
use ratecheck::scalar::Scalar;

use super::{SAMPLED, Subject};
use crate::claim::precise::Evaluator;
use crate::claim::scaled_layers;

/// A hypothesis that a statement has, and a loss may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Premise {
    /// Definition 2.1 on every block.
    ScaleInvariant,
    /// Two derivatives everywhere: section 2.4.
    Smooth,
    /// There is a g.
    HasG,
    /// z takes finitely many values, so that L and its gradient are known exactly.
    FiniteMinibatches,
    /// z takes several values: something is random.
    Stochastic,
    /// A lower bound of the loss is known.
    BoundedBelow,
    /// The scales and shifts of a layer are a block of their own: section 2.1.
    ScaledLayers,
    /// Lemma C.2 bounds g.
    BoundedG,
}

/// A block's departure from Definition 2.1: |F(2w) - F(w)| and |F(w/3) - F(w)|, the larger,
/// and what rounding may make of it.
#[derive(Clone, Debug)]
pub struct Departure {
    /// The block.
    pub block: String,
    /// The departure.
    pub error: f64,
    /// What is allowed.
    pub tolerance: f64,
}

impl Subject {
    /// The block that departs most from Definition 2.1, if one does by more than rounding.
    pub fn departure(&self) -> Option<&Departure> {
        self.departure.get_or_init(|| self.find_departure()).as_ref()
    }

    fn find_departure(&self) -> Option<Departure> {
        let (mut evaluator, z, layout) = (Evaluator::new(&*self.loss), self.all(), self.layout());
        let before = evaluator.at(&z, &self.theta);
        let mut worst: Option<Departure> = None;
        for block in layout.blocks() {
            for c in [2.0, 1.0 / 3.0] {
                let scaled = evaluator.scaled(&self.theta, block.range.clone(), c);
                let after = evaluator.value(&z, &scaled);
                let (error, tolerance) = ((after - before.value).value().abs(), evaluator.unit * before.size());
                let share = |d: &Departure| d.error / d.tolerance;
                let found = Departure { block: block.name.clone(), error, tolerance };
                // Written so that NaN departs.
                if !(error <= tolerance) && worst.as_ref().is_none_or(|w| !(share(&found) <= share(w))) {
                    worst = Some(found);
                }
            }
        }
        worst
    }

    /// What is missing of a premise, in a few words; `None` if it is met or cannot be known to fail.
    pub fn lacks(&self, premise: Premise) -> Option<String> {
        match premise {
            Premise::ScaleInvariant => self.departure().map(|departure| {
                let why = match self.network.as_ref().and_then(|network| network.constant_epsilon()) {
                    Some(epsilon) => format!("epsilon = {epsilon:e} is constant: "),
                    None => String::new(),
                };
                let Departure { block, error, .. } = departure;
                format!("{why}Definition 2.1 fails, F changes by {error:.1e} when {block} is scaled")
            }),
            Premise::Smooth => {
                self.kinks.clone().or_else(|| self.network.as_ref().and_then(|network| no_hessian(network)))
            }
            Premise::HasG => (!self.has_g()).then(|| "there is no g".to_owned()),
            Premise::FiniteMinibatches => {
                (self.loss.minibatches().drawing() == Drawing::Subsets).then(|| SAMPLED.to_owned())
            }
            Premise::Stochastic => (self.n_minibatches() == Some(1))
                .then(|| "z is always the whole data set: nothing is random".to_owned()),
            Premise::BoundedG => scaled_layers::unbounded(self.network.as_deref(), &self.theta),
            Premise::ScaledLayers => scaled_layers::lacking(self.network.as_deref()),
            Premise::BoundedBelow => self.loss_min.is_none().then(|| "no lower bound of the loss is known".to_owned()),
        }
    }
}

/// Why a network has no second derivatives everywhere.
fn no_hessian(network: &Network) -> Option<String> {
    let kink = |layer: &LayerSpec| match (layer.activation, layer.normalisation, &layer.kind) {
        (Some(Activation::Relu), ..) => Some("ReLU"),
        (Some(Activation::LeakyRelu { .. }), ..) => Some("leaky ReLU"),
        (_, Normalisation::LpBatchNorm { p: Lp::One }, _) => Some("the l1 norm of a unit"),
        (_, Normalisation::LpBatchNorm { p: Lp::Infinity }, _) => Some("the largest deviation of a unit"),
        (.., LayerKind::Filters(Convolution { pooled: true, .. })) => Some("pooling"),
        _ => None,
    };
    network.layers().layers.iter().find_map(kink).map(|what| format!("{what}: no Hessian"))
}
