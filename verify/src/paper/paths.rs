//! All paths that finitely many minibatches make: expectations as exact sums.

pub(crate) mod expectations;

use ratecheck::descent::{Divergence, Schedule, StepRule, Stepper};
use ratecheck::loss::Loss;
use ratecheck::random::Seed;

/// A theta_t of the tree, reached with probability `share` along one path.
pub(crate) struct Node<'a> {
    pub(crate) t: usize,
    pub(crate) share: f64,
    pub(crate) theta: &'a [f64],
}

/// The tree of stochastic gradient descent from theta_0: at every step one of `samples`, each as likely as any other.
pub(crate) struct Tree<'a> {
    stepper: Stepper<'a>,
    samples: &'a [Vec<usize>],
    /// The last t.
    depth: usize,
}

impl<'a> Tree<'a> {
    pub(crate) fn new(
        loss: &'a dyn Loss,
        eta_w: Schedule,
        eta_g: Schedule,
        samples: &'a [Vec<usize>],
        depth: usize,
    ) -> Self {
        let start = vec![1.0; loss.parameters().len()];
        // The generator is never used: every minibatch is given.
        let generator = Seed::new(0).generator("unused");
        Self { stepper: Stepper::new(loss, &start, StepRule::Gradient, eta_w, eta_g, generator), samples, depth }
    }

    /// Visits every node from theta_0 down, depth first, and returns their number.
    pub(crate) fn visit(
        &mut self,
        theta_0: &[f64],
        visit: &mut impl FnMut(&Node<'_>) -> Result<(), Divergence>,
    ) -> Result<u64, Divergence> {
        self.descend(&Node { t: 0, share: 1.0, theta: theta_0 }, visit)
    }

    /// theta_{t+1} from theta_t by one sample.
    pub(crate) fn next(&mut self, theta: &[f64], t: usize, z: &[usize]) -> Result<&[f64], Divergence> {
        self.stepper.restart(theta, t as u64);
        self.stepper.step_with(z)?;
        Ok(self.stepper.theta())
    }

    fn descend(
        &mut self,
        node: &Node<'_>,
        visit: &mut impl FnMut(&Node<'_>) -> Result<(), Divergence>,
    ) -> Result<u64, Divergence> {
        visit(node)?;
        let mut nodes = 1;
        if node.t < self.depth {
            let samples = self.samples;
            for z in samples {
                let theta = self.next(node.theta, node.t, z)?.to_vec();
                let share = node.share / samples.len() as f64;
                nodes += self.descend(&Node { t: node.t + 1, share, theta: &theta }, visit)?;
            }
        }
        Ok(nodes)
    }
}
