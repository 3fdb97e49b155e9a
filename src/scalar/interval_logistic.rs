//! Bounds of the logistic function and of its integral, for intervals.

use super::neighbours::{down, up};

/// 1 / (1 + e^-x), a bound from below.
pub(super) fn sigmoid_down(x: f64) -> f64 {
    down(1.0 / up(1.0 + up(core_math::exp(-x)))).max(0.0)
}

/// 1 / (1 + e^-x), a bound from above.
pub(super) fn sigmoid_up(x: f64) -> f64 {
    up(1.0 / down(1.0 + down(core_math::exp(-x)).max(0.0))).min(1.0)
}

/// ln(1 + e^x), a bound from below.
pub(super) fn softplus_down(x: f64) -> f64 {
    let rest = down(core_math::log1p(down(core_math::exp(-x.abs())).max(0.0)));
    if x > 0.0 { down(x + rest.max(0.0)) } else { rest.max(0.0) }
}

/// ln(1 + e^x), a bound from above.
pub(super) fn softplus_up(x: f64) -> f64 {
    let rest = up(core_math::log1p(up(core_math::exp(-x.abs()))));
    if x > 0.0 { up(x + rest) } else { rest }
}
