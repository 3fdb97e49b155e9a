//! The activation s: R -> R between layers.

use super::rows::{Lanes, batch, sweep};
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
    /// Replaces y by a = s(y) and writes s'(y), for rows in planes of which each has the length of `row`.
    pub(super) fn forward<S: Scalar>(self, y: &mut [S::Base], slope: &mut [S::Base], row: usize) {
        // Scalars of one component have no rows to respect: one long loop keeps the pipelines full.
        let row = if S::PLANES == 1 { y.len() } else { row };
        for (y, slope) in y.chunks_exact_mut(row).zip(slope.chunks_exact_mut(row)) {
            self.row::<S>(y, slope);
        }
    }

    fn row<S: Scalar>(self, y: &mut [S::Base], slope: &mut [S::Base]) {
        match self {
            Self::Tanh => map(
                y,
                slope,
                #[inline(always)]
                |y: S| {
                    let t = y.tanh();
                    (t, S::ONE - t.square())
                },
            ),
            Self::Sigmoid => map(
                y,
                slope,
                #[inline(always)]
                |y: S| {
                    let s = y.sigmoid();
                    (s, s * (S::ONE - s))
                },
            ),
            Self::Softplus => map(
                y,
                slope,
                #[inline(always)]
                |y: S| (y.softplus(), y.sigmoid()),
            ),
            Self::Relu => map(
                y,
                slope,
                #[inline(always)]
                |y: S| (y.relu(), y.step()),
            ),
            Self::LeakyRelu { slope: leak } => map(
                y,
                slope,
                #[inline(always)]
                |y: S| {
                    let slope = S::from_f64(leak) + y.step().scale(1.0 - leak);
                    (y.scale(leak) + y.relu().scale(1.0 - leak), slope)
                },
            ),
        }
    }
}

#[inline(always)]
fn map<S: Scalar>(y: &mut [S::Base], slope: &mut [S::Base], f: impl Fn(S) -> (S, S)) {
    vectorised(
        #[inline(always)]
        || {
            let slope = &mut slope[..y.len()];
            sweep!(batch::<S>(y), K, b => {
                let mut values = Lanes::<S, K>::load(y, b);
                let mut derivatives = values;
                for i in 0..K {
                    (values.0[i], derivatives.0[i]) = f(values.0[i]);
                }
                values.store(y, b);
                derivatives.store(slope, b);
            });
        },
    );
}
