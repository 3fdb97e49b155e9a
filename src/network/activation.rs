//! The activation s: R -> R between layers.

use std::fmt;

use super::rows::{Lanes, Sum, batch, sweep};
use crate::scalar::{Scalar, vectorised_for};

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
    /// y Phi(y), the Gaussian error linear unit, with the normal distribution function Phi.
    Gelu,
    /// y (1 + tanh(sqrt(2/pi) (y + 0.044715 y^3))) / 2, which is close to it.
    GeluTanh,
    /// y / (1 + e^-y), also known as swish.
    Silu,
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tanh => f.write_str("tanh"),
            Self::Sigmoid => f.write_str("the sigmoid"),
            Self::Softplus => f.write_str("softplus"),
            Self::Relu => f.write_str("ReLU"),
            Self::LeakyRelu { slope } => write!(f, "leaky ReLU of slope {slope}"),
            Self::Gelu => f.write_str("GELU"),
            Self::GeluTanh => f.write_str("the tanh approximation of GELU"),
            Self::Silu => f.write_str("SiLU"),
        }
    }
}

/// sqrt(2/pi) as every program has it who uses the approximation.
const GELU_FACTOR: f64 = 0.797_884_560_802_865_4;
const GELU_CUBE: f64 = 0.044_715;

impl Activation {
    /// Whether s'(y) is kept by the forward pass; of the others it is found from s(y),
    /// and long rows less travel through the caches.
    pub(super) fn keeps_slope(self) -> bool {
        !matches!(self, Self::Tanh | Self::Sigmoid | Self::Relu)
    }

    /// Replaces y by a = s(y) and writes s'(y) if it is to be kept,
    /// for rows in planes of which each has the length of `row`.
    pub(super) fn forward<S: Scalar>(self, y: &mut [S::Base], slope: &mut [S::Base], row: usize) {
        // Scalars of one component have no rows to respect: one long loop keeps the pipelines full.
        let row = if S::PLANES == 1 { y.len() } else { row };
        if !self.keeps_slope() {
            return y.chunks_exact_mut(row).for_each(|y| self.row::<S>(y));
        }
        for (y, slope) in y.chunks_exact_mut(row).zip(slope.chunks_exact_mut(row)) {
            if matches!(self, Self::Gelu | Self::GeluTanh | Self::Silu) {
                self.gated::<S>(y, slope);
                continue;
            }
            slope.copy_from_slice(y);
            match self {
                Self::LeakyRelu { slope: leak } => map(
                    slope,
                    #[inline(always)]
                    |y: S| S::from_f64(leak) + y.step().scale(1.0 - leak),
                ),
                _ => map(slope, S::sigmoid),
            }
            self.row::<S>(y);
        }
    }

    /// The products y p(y) with a gate p that rises from 0 to 1: the slope p + y p' shares its work with the value.
    fn gated<S: Scalar>(self, y: &mut [S::Base], slope: &mut [S::Base]) {
        match self {
            Self::Gelu => gate(
                y,
                slope,
                #[inline(always)]
                |y: S| (y.normal_cdf(), y.normal_density()),
            ),
            Self::GeluTanh => gate(
                y,
                slope,
                #[inline(always)]
                |y: S| {
                    let square = y.square();
                    let t = (y * (S::ONE + square.scale(GELU_CUBE))).scale(GELU_FACTOR).tanh();
                    let inner = (S::ONE + square.scale(GELU_CUBE).scale(3.0)).scale(GELU_FACTOR);
                    ((S::ONE + t).scale(0.5), ((S::ONE - t.square()) * inner).scale(0.5))
                },
            ),
            _ => gate(
                y,
                slope,
                #[inline(always)]
                |y: S| {
                    let p = y.sigmoid();
                    (p, p * (S::ONE - p))
                },
            ),
        }
    }

    fn row<S: Scalar>(self, y: &mut [S::Base]) {
        match self {
            Self::Tanh => map(y, S::tanh),
            Self::Sigmoid => map(y, S::sigmoid),
            Self::Softplus => map(y, S::softplus),
            Self::Relu => map(y, S::relu),
            Self::LeakyRelu { slope: leak } => map(
                y,
                #[inline(always)]
                |y: S| y.scale(leak) + y.relu().scale(1.0 - leak),
            ),
            // Values and slopes together.
            Self::Gelu | Self::GeluTanh | Self::Silu => {}
        }
    }

    /// dL/dy = dL/da s'(y), in place, from the outputs a, or from the slopes if they are kept. Returns sum_b dL/dy_b
    /// and sum_b dL/dy_b xhat_b, as [`sums`](super::rows::sums) would.
    #[inline(always)]
    pub(super) fn backward<S: Scalar>(
        self,
        d: &mut [S::Base],
        xhat: &[S::Base],
        outputs: &[S::Base],
        slopes: &[S::Base],
    ) -> [S; 2] {
        match self {
            Self::Tanh => through(
                d,
                xhat,
                outputs,
                #[inline(always)]
                |t: S| -t.square_add(-S::ONE),
            ),
            Self::Sigmoid => through(
                d,
                xhat,
                outputs,
                #[inline(always)]
                |s: S| s * (S::ONE - s),
            ),
            Self::Relu => through(d, xhat, outputs, S::step),
            Self::Softplus | Self::LeakyRelu { .. } | Self::Gelu | Self::GeluTanh | Self::Silu => through(
                d,
                xhat,
                slopes,
                #[inline(always)]
                |slope: S| slope,
            ),
        }
    }
}

#[inline(always)]
fn map<S: Scalar>(y: &mut [S::Base], f: impl Fn(S) -> S) {
    vectorised_for::<S, _>(
        #[inline(always)]
        || {
            sweep!(S: batch::<S>(y), K, b => { Lanes::<S, K>::load(y, b).map(&f).store(y, b); });
        },
    );
}

/// Replaces y by y p and writes p + y p', where `f` gives (p, p').
#[inline(always)]
fn gate<S: Scalar>(y: &mut [S::Base], slope: &mut [S::Base], f: impl Fn(S) -> (S, S)) {
    vectorised_for::<S, _>(
        #[inline(always)]
        || {
            for b in 0..batch::<S>(y) {
                let at = S::load(y, b);
                let (p, dp) = f(at);
                (at * p).store(y, b);
                at.mul_add(dp, p).store(slope, b);
            }
        },
    );
}

#[inline(always)]
fn through<S: Scalar>(d: &mut [S::Base], xhat: &[S::Base], source: &[S::Base], slope: impl Fn(S) -> S) -> [S; 2] {
    let n = batch::<S>(source);
    let (mut sum, mut sum_xhat) = (Sum::new(), Sum::new());
    sweep!(S: n, K, C, b => {
        let dy = Lanes::<S, K>::load(d, b) * Lanes::load(source, b).map(&slope);
        dy.store(d, b);
        sum.add::<C, K>(dy);
        sum_xhat.add_product::<C, K>(dy, Lanes::load(xhat, b));
    });
    [sum.total(), sum_xhat.total()]
}
