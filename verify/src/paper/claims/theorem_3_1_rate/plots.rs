//! The pictures.

use ratecheck::descent::{StepRule, Trace};

use super::{Curve, EXPONENT, planar, run};
use crate::claim::evidence::{Context, Unevaluated};
use crate::claim::instances::U;
use crate::claim::plot::{Axis, Plot, Reference, Series, Style};

fn points(x: &[f64], y: &[f64]) -> Vec<[f64; 2]> {
    x.iter().zip(y).map(|(&x, &y)| [x, y]).collect()
}

/// The fitted line over the window, with its band.
fn fitted(curve: &Curve, name: String) -> Series {
    let inside: Vec<f64> = curve.horizons.iter().copied().filter(|&t| curve.fit.window.contains(t)).collect();
    let line = inside.iter().map(|&t| [t, curve.fit.predict(t)]).collect();
    let bands = inside.iter().map(|&t| curve.fit.band(t, 0.95));
    let mut series = Series::new(name, Style::Dashed, line);
    series.band = bands.map(|band| [band.low, band.high]).collect();
    series
}

pub(super) fn theorem(through: [f64; 2]) -> Reference {
    Reference { name: "Theorem 3.1: T^(-1/2)".to_owned(), slope: EXPONENT, through }
}

pub(super) fn family(curve: &Curve) -> Plot {
    let window = curve.fit.window;
    Plot {
        id: "t-indexed-helix".to_owned(),
        title: "On the T-indexed helix the rate of Theorem 3.1 is attained".to_owned(),
        caption: format!(
            "min‖∇L‖ over T steps, every T a loss and a run of its own, with the fitted line (slope {:.4}) on the \
             theorem's slope.",
            curve.fit.slope
        ),
        x: Axis::log("steps T"),
        y: Axis::log("min_{t<T} ‖∇L‖"),
        series: vec![
            Series::new("measured", Style::Points, points(&curve.horizons, &curve.min_grad)),
            fitted(curve, format!("fit, slope {:.4}", curve.fit.slope)),
        ],
        references: vec![theorem([curve.horizons[0], 1.5 * curve.min_grad[0]])],
        window: Some([window.from, window.to]),
        noise_floor: None,
    }
}

/// Measured curves with their fits, and the theorem's slope through the slowest.
pub(super) fn decay(id: &str, what: &str, curves: &[Curve]) -> Plot {
    let mut series = Vec::new();
    for curve in curves {
        let short = curve.name.rsplit_once(' ').map_or(curve.name.as_str(), |(_, value)| value);
        let letter = if id == "circle" { "p" } else { "a" };
        series.push(Series::new(format!("{letter} = {short}"), Style::Line, points(&curve.horizons, &curve.min_grad)));
        series.push(fitted(curve, format!("slope {:.4}", curve.fit.slope)));
    }
    let window = curves.first().map(|curve| [curve.fit.window.from, curve.fit.window.to]);
    let through = curves.last().map_or([1.0, 1.0], |curve| [curve.horizons[0], 2.0 * curve.min_grad[0]]);
    Plot {
        id: id.to_owned(),
        title: format!("Every {what} is faster than T^(-1/2), at its own predicted power"),
        caption: "min‖∇L‖ over the first T steps of one run, with the line fitted on the marked window. The theorem's \
                  slope is the slowest that is allowed."
            .to_owned(),
        x: Axis::log("steps T"),
        y: Axis::log("min_{t<T} ‖∇L‖"),
        series,
        references: vec![theorem(through)],
        window,
        noise_floor: None,
    }
}

/// The 2-cycle of projected descent beside descent, until the gradient has reached the square root of the unit
/// roundoff.
pub(super) fn projected(cycle: &Trace, context: &Context) -> Result<Plot, Unevaluated> {
    let descent = run(&planar(), 1.5, StepRule::Gradient, 1_000, (1..1_000).collect(), context)?;
    let floor = U.sqrt();
    let shown = |trace: &Trace, from: f64| -> Vec<[f64; 2]> {
        let all = trace.records.iter().map(|r| [r.t as f64, r.grad_sq().sqrt()]);
        all.filter(|[t, y]| *t >= 1.0 && *t <= 1e3 && *y >= from).collect()
    };
    Ok(Plot {
        id: "projected".to_owned(),
        title: "Beyond the stability limit, only the growing norm lets descent converge".to_owned(),
        caption: "Rayleigh quotient in R^2 with η_w = 1.5 and ‖w_0‖ = 1. With the norm held fixed the iterates end on \
                  two points with ‖∇L‖ = √(1 - 1/1.5²) = 0.745; without the projection the norm grows after the first \
                  steps and the gradient falls geometrically, past any power of T (shown down to √u, where the loss \
                  can no longer tell the difference)."
            .to_owned(),
        x: Axis::log("steps t"),
        y: Axis::log("‖∇L(V_t)‖"),
        series: vec![
            Series::new("gradient descent", Style::Line, shown(&descent, 0.1 * floor)),
            Series::new("norm held fixed", Style::Line, shown(cycle, 0.0)),
        ],
        references: vec![theorem([1.0, 1.0])],
        window: None,
        noise_floor: Some(floor),
    })
}
