//! The pictures on the first screen of the page: what the paper is about, before any single claim.

use serde::Serialize;

use super::{ReportError, plots};
use crate::claim::plot::{Axis, Plot, Series, Style};
use crate::claim::results::Results;

/// A picture with what it says, and the claims it is taken from.
#[derive(Serialize)]
pub(super) struct Picture<'a> {
    title: String,
    caption: String,
    svg: String,
    /// Title and anchor.
    claims: Vec<(&'a str, &'a str)>,
}

/// The effective learning rates, the slopes and the brackets of the constants,
/// as far as the claims that show them were run.
pub(super) fn pictures<'a>(results: &'a Results, anchors: &'a [String]) -> Result<Vec<Picture<'a>>, ReportError> {
    let claims = || std::iter::zip(&results.claims, anchors);
    let of_claim = |id: &str, plot: &str| {
        let (claim, anchor) = claims().find(|(claim, _)| claim.id == id)?;
        let plot = claim.plots.iter().find(|p| p.id == plot)?.clone();
        Some((plot, vec![(claim.title.as_str(), anchor.as_str())]))
    };
    let slopes = slopes(results).map(|plot| {
        let rates = claims().filter(|(claim, _)| THEOREMS.iter().any(|(id, ..)| claim.id == *id));
        (plot, rates.map(|(claim, anchor)| (claim.title.as_str(), anchor.as_str())).collect())
    });
    let all = [of_claim("effective-rate-law", "effective-rate"), slopes, of_claim("section-2.4", "brackets")];
    all.into_iter()
        .flatten()
        .map(|(plot, claims)| {
            let svg = plots::inline(&plot, &format!("story-{}", plot.id))?;
            Ok(Picture { title: plot.title, caption: plot.caption, svg, claims })
        })
        .collect()
}

/// The claims that measure slopes: whose they are, and the exponent of the theorem.
const THEOREMS: [(&str, &str, f64); 2] =
    [("theorem-3.1-rate", "Theorem 3.1: T^(-1/2)", -0.5), ("theorem-4.2-rate", "Theorem 4.2: T^(-1/4)", -0.25)];

/// Every slope of a gradient norm that has an interval, beside the exponents of the theorems, the first at the top.
fn slopes(results: &Results) -> Option<Plot> {
    let mut groups = Vec::new();
    for (id, theorem, exponent) in THEOREMS {
        let Some(claim) = results.claims.iter().find(|claim| claim.id == id) else { continue };
        let of_gradient = claim.observations.iter().filter_map(|o| {
            let what =
                ["slope, ", "slope of the RMS gradient, "].iter().find_map(|start| o.name.strip_prefix(start))?;
            Some((what.to_owned(), o.value, o.interval?))
        });
        groups.push((theorem, exponent, of_gradient.collect::<Vec<_>>()));
    }
    let n: usize = groups.iter().map(|(.., measured)| measured.len()).sum();
    let mut names = Vec::new();
    let mut series = Vec::new();
    for (theorem, exponent, measured) in groups.into_iter().filter(|(.., measured)| !measured.is_empty()) {
        let mut points = Series::new("", Style::Points, Vec::new());
        let top = (n - names.len()) as f64 + 0.5;
        for (what, slope, interval) in measured {
            points.points.push([slope, (n - names.len()) as f64]);
            points.band.push(interval);
            names.push(what);
        }
        let line = vec![[exponent, (n - names.len()) as f64 + 0.5], [exponent, top]];
        series.extend([points, Series::new(theorem, Style::Dashed, line)]);
    }
    names.reverse();
    (n > 0).then(|| Plot {
        id: "slopes".to_owned(),
        title: "Measured rates keep to the theorems' exponents".to_owned(),
        caption:
            "Slopes of the gradient norm against T with their confidence intervals. A theorem is a bound: a slope \
                  on its line attains it, one to the left is faster."
                .to_owned(),
        x: Axis::linear("slope of ln ‖∇L‖ in ln T"),
        y: Axis::names("instance", names),
        series,
        references: Vec::new(),
        window: None,
        noise_floor: None,
    })
}
