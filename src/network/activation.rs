//! The activation s: R -> R between layers.

use super::rows::{Lanes, batch, splat, sweep};
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
            sweep!(batch::<S>(xhat), K, b => {
                let y = splat(bn_scale) * Lanes::<S, K>::load(xhat, b) + splat(shift);
                let mut value = [S::ZERO; K];
                let mut derivative = [S::ZERO; K];
                for i in 0..K {
                    (value[i], derivative[i]) = f(y.0[i]);
                }
                Lanes(value).store(a, b);
                Lanes(derivative).store(slope, b);
            });
        },
    );
}
