//! Reference slopes: where they run inside the axes.

use super::Frame;
use crate::claim::plot::{Plot, Reference, Scale};

/// The ordinate of a reference in decades, at an abscissa in decades.
pub(super) fn power_law(reference: &Reference, decades: f64) -> f64 {
    let [x0, y0] = reference.through;
    y0.log10() + reference.slope * (decades - x0.log10())
}

/// A reference from the left to the right edge, as far as it is inside.
pub(super) fn reference_line(plot: &Plot, reference: &Reference, frame: &Frame) -> Vec<[f64; 2]> {
    let straight = plot.x.scale == Scale::Log && plot.y.scale == Scale::Log;
    let shares: Vec<Option<[f64; 2]>> = if straight {
        let (low, high) = frame.x.decades();
        let share = |x: f64, end: f64| {
            let (y_low, _) = frame.y.decades();
            Some([x, (power_law(reference, end) - y_low) / frame.y.span()]).filter(|p| p[1].is_finite())
        };
        vec![share(0.0, low), share(1.0, high)]
    } else {
        // On other axes it is a curve through the abscissas of the data.
        let [x0, y0] = reference.through;
        let mut xs: Vec<f64> =
            plot.series.iter().flat_map(|s| &s.points).map(|p| p[0]).filter(|x| x.is_finite()).collect();
        xs.sort_by(f64::total_cmp);
        xs.dedup();
        xs.into_iter().map(|x| Some([frame.x.at(x)?, frame.y.at(y0 * (x / x0).powf(reference.slope))?])).collect()
    };
    let mut inside: Vec<[f64; 2]> = Vec::new();
    for pair in shares.windows(2) {
        if let [Some(a), Some(b)] = pair
            && let Some((from, to)) = clip(*a, *b)
        {
            if inside.last() != Some(&from) {
                inside.push(from);
            }
            inside.push(to);
        }
    }
    inside.into_iter().map(|p| frame.sheet(p)).collect()
}

/// The part of a segment whose ordinates are within 0 and 1.
fn clip(a: [f64; 2], b: [f64; 2]) -> Option<([f64; 2], [f64; 2])> {
    let rise = b[1] - a[1];
    if rise == 0.0 {
        return (0.0..=1.0).contains(&a[1]).then_some((a, b));
    }
    let (t0, t1) = ((0.0 - a[1]) / rise, (1.0 - a[1]) / rise);
    let (from, to) = (t0.min(t1).max(0.0), t0.max(t1).min(1.0));
    let at = |t: f64| [a[0] + t * (b[0] - a[0]), (a[1] + t * rise).clamp(0.0, 1.0)];
    (from < to).then(|| (at(from), at(to)))
}
