//! The sum of (23) beside its bound.

use crate::claim::plot::{Plot, SidesAt};

/// The sums of (23) and their bounds along runs at three rates.
pub(super) fn noise(curves: Vec<(f64, Vec<SidesAt>)>) -> Plot {
    let plot = Plot::log_log(
        "noise",
        "What noise can cost grows with the logarithm of the norm at most, once the first step is paid for",
        "The sum of (23) along SGD on problem J with a constant η_w (lines), and its bound with L_A = L (dashed), which \
         is mostly 2η_w²L_A²/‖w_0‖⁴ for a large rate: the first step may be that long.",
        "steps T",
        "Σ_{t<T} (η_{w,t}²/‖w_t‖²)‖∇_w F_t‖²",
    );
    plot.beside_bounds(curves.into_iter().map(|(eta_w, seen)| (format!("η_w = {eta_w}"), seen)).collect())
}
