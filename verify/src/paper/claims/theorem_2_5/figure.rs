//! How (9) and (4) come apart along a trajectory.

use super::trajectory::{Apart, Followed};
use crate::claim::plot::{Axis, Plot, Series, Style};
use crate::claim::rows::LAST_BIT;

/// One trajectory in both arithmetics, and the same with a rate that is a little wrong in double-double.
pub(super) fn apart(followed: &Followed, nudged: &Followed) -> Plot {
    let curve = |name: &str, style: Style, of: &Followed, value: &dyn Fn(&Apart) -> f64| {
        let points = of.path.iter().map(|step| [step.t as f64, value(step)]);
        Series::new(name, style, points.filter(|p| p[1].is_finite()).collect())
    };
    let seen = |k: usize| move |step: &Apart| step.seen[k].max(LAST_BIT);
    let bound = |k: usize| move |step: &Apart| step.bound[k];
    let mut plot = Plot::log_log(
        "apart",
        "Both forms of gradient descent walk the same way: rounding alone sets them apart",
        "The relative distance between plain gradient descent (4) and the adaptive form (9) on the small network under \
         smoothed BN with minibatches, at η = 3, never brought together again; dashed is what rounding may make of it. \
         The same in double-double is a billion times as close, and there even an effective rate that is wrong by a \
         part in 1e15 leaves the bound at once.",
        "",
        "‖(9) - (4)‖, relative",
    );
    plot.x = Axis::linear("steps t");
    plot.series = vec![
        curve("f64", Style::Line, followed, &seen(0)),
        curve("rounding, f64", Style::Dashed, followed, &bound(0)),
        curve("double-double", Style::Line, followed, &seen(1)),
        curve("rounding, double-double", Style::Dashed, followed, &bound(1)),
        curve("double-double, rate 1e-15 too large", Style::Line, nudged, &seen(1)),
    ];
    plot
}
