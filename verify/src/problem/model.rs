//! Any loss that a problem can have, as one type.

use ratecheck::loss::{Loss, Minibatches, Workspace};
use ratecheck::network::Network;
use ratecheck::parameters::Parameters;
use ratecheck::scalar::Scalar;

use crate::closed_forms::ClosedForm;

/// A network, or a closed form.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // there is one at a time
pub enum Model {
    /// A network on its data.
    Network(Network),
    /// A loss with known constants.
    Closed(ClosedForm),
}

impl Loss for Model {
    fn parameters(&self) -> &Parameters {
        match self {
            Self::Network(loss) => loss.parameters(),
            Self::Closed(loss) => loss.parameters(),
        }
    }
    fn minibatches(&self) -> &Minibatches {
        match self {
            Self::Network(loss) => loss.minibatches(),
            Self::Closed(loss) => loss.minibatches(),
        }
    }
    fn encloses(&self) -> bool {
        match self {
            Self::Network(loss) => loss.encloses(),
            Self::Closed(loss) => loss.encloses(),
        }
    }
    fn stage(&self, parameter: usize) -> usize {
        match self {
            Self::Network(loss) => loss.stage(parameter),
            Self::Closed(loss) => loss.stage(parameter),
        }
    }
    fn sample_loss<S: Scalar>(&self, z: &[usize], theta: &[S]) -> S {
        match self {
            Self::Network(loss) => loss.sample_loss(z, theta),
            Self::Closed(loss) => loss.sample_loss(z, theta),
        }
    }
    fn sample_gradient<S: Scalar>(&self, z: &[usize], theta: &[S], grad: &mut [S], work: &mut Workspace<S>) -> S {
        match self {
            Self::Network(loss) => loss.sample_gradient(z, theta, grad, work),
            Self::Closed(loss) => loss.sample_gradient(z, theta, grad, work),
        }
    }
    fn mean_gradient<S: Scalar>(
        &self,
        theta: &[S],
        grad: &mut [S],
        scratch: &mut [S],
        work: &mut Workspace<S>,
    ) -> Option<S> {
        match self {
            Self::Network(loss) => loss.mean_gradient(theta, grad, scratch, work),
            Self::Closed(loss) => loss.mean_gradient(theta, grad, scratch, work),
        }
    }
}
