//! The sum of (23) beside its bound.

use crate::claim::plot::{Plot, Series, Style};

/// T, and both sides there.
type Sides = (f64, [f64; 2]);

/// The sums of (23) and their bounds along runs at three rates.
pub(super) fn noise(curves: Vec<(f64, Vec<Sides>)>) -> Plot {
    let mut plot = Plot::log_log(
        "noise",
        "What noise can cost grows with the logarithm of the norm at most, once the first step is paid for",
        "The sum of (23) along SGD on problem J with a constant η_w (lines), and its bound with L_A = L (dashed), which \
         is mostly 2η_w²L_A²/‖w_0‖⁴ for a large rate: the first step may be that long.",
        "steps T",
        "Σ_{t<T} (η_{w,t}²/‖w_t‖²)‖∇_w F_t‖²",
    );
    for (eta_w, seen) in curves {
        for (name, style, k) in [(format!("η_w = {eta_w}"), Style::Line, 0), ("its bound".to_owned(), Style::Dashed, 1)]
        {
            let points = seen.iter().map(|(t, sides)| [*t, sides[k]]);
            plot.series.push(Series::new(name, style, points.collect()));
        }
    }
    plot
}
