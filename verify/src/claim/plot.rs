//! What a plot shows, as data: claims fill these in, [`crate::report`] draws them and writes them as CSV.

use serde::{Deserialize, Serialize};

/// How an axis is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Equal steps are equal differences.
    Linear,
    /// Equal steps are equal ratios; only positive values are shown.
    Log,
}

/// One axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// The quantity, with its symbol.
    pub label: String,
    /// Linear or logarithmic.
    pub scale: Scale,
    /// On a vertical axis: what stands at 1, 2, .., in place of numbers; empty for an axis of numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

impl Axis {
    /// A logarithmic axis.
    pub fn log(label: &str) -> Self {
        Self { label: label.to_owned(), scale: Scale::Log, names: Vec::new() }
    }

    /// A linear axis.
    pub fn linear(label: &str) -> Self {
        Self { label: label.to_owned(), scale: Scale::Linear, names: Vec::new() }
    }

    /// A vertical axis of things without an order of their own: `names[k]` stands at k + 1.
    pub fn names(label: &str, names: Vec<String>) -> Self {
        Self { names, ..Self::linear(label) }
    }
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// A solid line: something measured.
    Line,
    /// A dashed line: a fit or a prediction.
    Dashed,
    /// Separate points.
    Points,
    /// The filled area of its band, whose upper edge the points are: a layer of a stack.
    Area,
}

/// One curve: `points` are (x, y); `band` holds (low, high) at the same x, or is empty. On a vertical axis of names it
/// holds them at the same y.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Shown beside the end of the curve.
    pub name: String,
    /// Solid, dashed or points.
    pub style: Style,
    /// The data, in the order of x.
    #[serde(with = "crate::text::real")]
    pub points: Vec<[f64; 2]>,
    /// A confidence band, one (low, high) a point, or empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "crate::text::real")]
    pub band: Vec<[f64; 2]>,
}

impl Series {
    /// A series without a band.
    pub fn new(name: impl Into<String>, style: Style, points: Vec<[f64; 2]>) -> Self {
        Self { name: name.into(), style, points, band: Vec::new() }
    }

    /// A line through every step of a run on a logarithmic axis, of which at most a hundred points a decade are kept,
    /// and the last: no more can be seen, and a long run has a million.
    pub fn along(name: impl Into<String>, points: &[[f64; 2]]) -> Self {
        /// 10^(1/100).
        const APART: f64 = 1.023_292_992_280_754;
        let (mut kept, mut next) = (Vec::new(), f64::NEG_INFINITY);
        for (k, &point) in points.iter().enumerate() {
            if point[0] >= next || k + 1 == points.len() {
                kept.push(point);
                next = APART * point[0];
            }
        }
        Self::new(name, Style::Line, kept)
    }
}

/// A reference slope on log-log axes: y = y0 (x / x0)^slope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// The theorem the slope belongs to, e.g. `Theorem 3.1: T^(-1/2)`.
    pub name: String,
    /// The exponent.
    #[serde(with = "crate::text::real")]
    pub slope: f64,
    /// A point on the line.
    #[serde(with = "crate::text::real")]
    pub through: [f64; 2],
}

/// One plot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plot {
    /// Unique within the claim; names the CSV and the SVG file.
    pub id: String,
    /// The headline.
    pub title: String,
    /// What a reader should see in it; also the text alternative.
    pub caption: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The curves.
    pub series: Vec<Series>,
    /// Slopes to compare with.
    pub references: Vec<Reference>,
    /// The window of x that was fitted.
    #[serde(default, with = "crate::text::real")]
    pub window: Option<[f64; 2]>,
    /// Values of y below this are round-off.
    #[serde(default, with = "crate::text::real")]
    pub noise_floor: Option<f64>,
}

/// T, and both sides of an inequality there.
pub(crate) type SidesAt = (f64, [f64; 2]);

impl Plot {
    /// With a line for what was measured along each run, and a dashed one for its bound.
    pub(crate) fn beside_bounds(mut self, runs: Vec<(String, Vec<SidesAt>)>) -> Self {
        for (name, seen) in runs {
            let side = |k: usize| seen.iter().map(|(t, sides)| [*t, sides[k]]).collect();
            self.series.push(Series::new(name, Style::Line, side(0)));
            self.series.push(Series::new("its bound", Style::Dashed, side(1)));
        }
        self
    }

    /// A plot on logarithmic axes with no curves yet.
    pub fn log_log(id: &str, title: &str, caption: impl Into<String>, x: &str, y: &str) -> Self {
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            caption: caption.into(),
            x: Axis::log(x),
            y: Axis::log(y),
            series: Vec::new(),
            references: Vec::new(),
            window: None,
            noise_floor: None,
        }
    }
}

/// A matrix as coloured cells: row 0 at the top, column 0 at the left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeatMap {
    /// Unique on its page; names the CSV and the SVG file.
    pub id: String,
    /// The headline.
    pub title: String,
    /// What a reader should see in it; also the text alternative.
    pub caption: String,
    /// What the colours show, with its symbol.
    pub quantity: String,
    /// How values become colours.
    pub scale: Scale,
    /// The name of every row. Neighbours of the same name are one group.
    pub rows: Vec<String>,
    /// The name of every column.
    pub columns: Vec<String>,
    /// One row after the other; what the scale cannot show is left blank.
    #[serde(with = "crate::text::real")]
    pub values: Vec<Vec<f64>>,
}

/// A picture of either kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Figure {
    /// Curves or points.
    Plot(Plot),
    /// A matrix.
    HeatMap(HeatMap),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_is_thinned_to_a_hundred_points_a_decade() {
        let points: Vec<[f64; 2]> = (1..=1_000_000).map(|t| [f64::from(t), -f64::from(t)]).collect();
        let kept = Series::along("run", &points).points;
        assert!(kept.len() < 600 && kept[..20] == points[..20], "{}", kept.len());
        assert_eq!(kept.last(), points.last());
        assert!(Series::along("none", &[]).points.is_empty());
    }
}
