//! The activation s: R -> R between layers.

use super::rows;
use crate::scalar::{Scalar, vectorised};

/// The activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// tanh(y).
    Tanh,
    /// 1 / (1 + e^-y).
    Sigmoid,
    /// ln(1 + e^y), the smooth ReLU.
    Softplus,
    /// max(y, 0). Not smooth: the theorems do not apply.
    Relu,
    /// y for y > 0, slope * y otherwise. Not smooth.
    LeakyRelu {
        /// The slope for y <= 0.
        slope: f64,
    },
}

impl Activation {
    /// For every y = gamma xhat + beta: writes a = s(y) and s'(y). Rows are in planes.
    pub(super) fn forward<S: Scalar>(
        self,
        xhat: &[S::Base],
        bn_scale: S,
        shift: S,
        a: &mut [S::Base],
        slope: &mut [S::Base],
    ) {
        match self {
            Self::Tanh => map(
                xhat,
                bn_scale,
                shift,
                a,
                slope,
                #[inline(always)]
                |y: S| {
                    let t = y.tanh();
                    (t, S::ONE - t * t)
                },
            ),
            Self::Sigmoid => map(
                xhat,
                bn_scale,
                shift,
                a,
                slope,
                #[inline(always)]
                |y: S| {
                    let s = y.sigmoid();
                    (s, s * (S::ONE - s))
                },
            ),
            Self::Softplus => {
                map(
                    xhat,
                    bn_scale,
                    shift,
                    a,
                    slope,
                    #[inline(always)]
                    |y: S| (y.softplus(), y.sigmoid()),
                );
            }
            Self::Relu => map(
                xhat,
                bn_scale,
                shift,
                a,
                slope,
                #[inline(always)]
                |y: S| (y.relu(), if y.value() > 0.0 { S::ONE } else { S::ZERO }),
            ),
            Self::LeakyRelu { slope: leak } => map(
                xhat,
                bn_scale,
                shift,
                a,
                slope,
                #[inline(always)]
                |y: S| {
                    if y.value() > 0.0 { (y, S::ONE) } else { (y.scale(leak), S::from_f64(leak)) }
                },
            ),
        }
    }
}

#[inline(always)]
fn map<S: Scalar>(
    xhat: &[S::Base],
    bn_scale: S,
    shift: S,
    a: &mut [S::Base],
    slope: &mut [S::Base],
    f: impl Fn(S) -> (S, S),
) {
    vectorised(
        #[inline(always)]
        || {
            let batch = rows::batch::<S>(xhat);
            let (a, slope) = (&mut a[..xhat.len()], &mut slope[..xhat.len()]);
            for b in 0..batch {
                let (value, derivative) = f(bn_scale * S::load(xhat, b) + shift);
                value.store(a, b);
                derivative.store(slope, b);
            }
        },
    );
}
