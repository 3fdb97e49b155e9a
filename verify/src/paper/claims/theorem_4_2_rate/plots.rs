//! The pictures.

use ratecheck::rates::fit_power_law;

use super::cases::{Budget, Measured};
use super::decisions::Found;
use super::{EXPONENT, PROJECTED, is_sharp};
use crate::claim::evidence::Unevaluated;
use crate::claim::plot::{Plot, Reference};
use crate::paper::sgd::{curve, dashed};

/// grad_v for every alpha, with fits.
pub(super) fn gradient(found: &[Found<'_>], projected: &Measured, budget: Budget) -> Result<Plot, Unevaluated> {
    let mut series = Vec::new();
    for one in found {
        let table = &one.measured.v;
        series.push(curve(one.name.clone(), table, true)?);
        let means: Vec<f64> = table.means()?.iter().map(|mean| mean.value.sqrt()).collect();
        let fit = fit_power_law(&table.t, &means, budget.window())?;
        let inside: Vec<f64> = table.t.iter().copied().filter(|&t| budget.window().contains(t)).collect();
        series.push(dashed(&format!("fit T^({:.3})", fit.slope), &inside, |t| fit.predict(t)));
    }
    series.push(curve(format!("projected, rate {PROJECTED}"), &projected.v, true)?);
    let through = series[0].points.last().map_or([1.0, 1.0], |&[t, y]| [t, 0.7 * y]);
    let references = vec![Reference { name: "Theorem 4.2: T^(-1/4)".to_owned(), slope: EXPONENT, through }];
    let caption = "Root mean square of ∇_v over runs and bins, with 95% bands and fits on the window. For every α the \
                   gradient falls as T^(-1/4), for α near 1/2 a little faster at these T; projected SGD, whose \
                   effective rate is constant, stalls.";
    let plot = Plot::log_log("gradient", "SGD's gradient falls as T^(-1/4)", caption, "t", "√E‖∇_v L(θ̃_t)‖²");
    Ok(Plot { series, references, window: Some(budget.ends()), ..plot })
}

/// grad_v over two decades of eta_w on both losses.
pub(super) fn decades(found: &[Found<'_>], budget: Budget) -> Result<Plot, Unevaluated> {
    let series: Vec<_> =
        found.iter().map(|one| curve(one.name.clone(), &one.measured.v, true)).collect::<Result<_, _>>()?;
    let through = series[0].points.last().map_or([1.0, 1.0], |&[t, y]| [t, 0.7 * y]);
    let references = vec![Reference { name: "Theorem 4.2: T^(-1/4)".to_owned(), slope: EXPONENT, through }];
    let caption = "Root mean square of ∇_v over runs and bins, with 95% bands. Learning rates a hundred times as large \
                   end on one line, on each of the two losses; small ones need longer to forget the start, large ones \
                   to forget the first step.";
    let title = "Over two decades of η_w the gradient ends on one line";
    let plot = Plot::log_log("decades", title, caption, "t", "√E‖∇_v L(θ̃_t)‖²");
    Ok(Plot { series, references, window: Some(budget.ends()), ..plot })
}

/// ||w||^2 for every alpha, with predictions that go out from the window's first step.
pub(super) fn norm(found: &[Found<'_>], budget: Budget) -> Result<Plot, Unevaluated> {
    let (mut series, mut references) = (Vec::new(), Vec::new());
    for one in found {
        let (table, sgd) = (&one.measured.w_norm_sq, one.case.prediction());
        let curve = curve(one.name.clone(), table, false)?;
        if let (true, Some(&[t, n])) = (is_sharp(one.case.alpha), curve.points.last()) {
            let slope = 0.5 - one.case.alpha;
            references.push(Reference { name: format!("T^({slope})"), slope, through: [t, 1.3 * n] });
        }
        let (late, first) = (budget.horizons(), budget.horizons()[0]);
        let start = curve.points.iter().find(|point| point[0] >= first as f64).map_or(f64::NAN, |point| point[1]);
        series.push(curve);
        let t: Vec<f64> = late.iter().map(|&t| t as f64).collect();
        series.push(dashed("predicted", &t, |t| sgd.norm_sq_after(first, start, t as u64)));
    }
    let caption = "The squared norm grows as T^(1/2-α), just as fast as brings the effective rate down to T^(-1/2). \
                   Dashed: what is predicted of the window from where it begins.";
    let plot = Plot::log_log("norm", "The norms make up for the schedule", caption, "t", "‖w_t‖²");
    Ok(Plot { series, references, window: Some(budget.ends()), ..plot })
}
