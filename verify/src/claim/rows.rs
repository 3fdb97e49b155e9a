//! Plots with a row for every instance: how much of what is allowed each of them used.

use crate::claim::evidence::{Check, Context, Control, Part};
use crate::claim::plot::{Axis, Plot, Series, Style};

/// A value of an instance.
pub(crate) type Row = (String, f64);

/// Series of values, and the instances they belong to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    names: Vec<String>,
    series: Vec<(String, Vec<(usize, f64)>)>,
    lines: Vec<(String, f64)>,
}

impl Rows {
    /// Adds a series of points. An instance that is new gets a row below those that are there.
    #[must_use]
    pub(crate) fn with(mut self, series: impl Into<String>, found: impl IntoIterator<Item = Row>) -> Self {
        let mut points = Vec::new();
        for (name, value) in found {
            let row = self.names.iter().position(|known| *known == name).unwrap_or_else(|| {
                self.names.push(name);
                self.names.len() - 1
            });
            points.push((row, value));
        }
        if !points.is_empty() {
            self.series.push((series.into(), points));
        }
        self
    }

    /// A vertical line to compare with.
    #[must_use]
    pub(crate) fn line(mut self, name: impl Into<String>, at: f64) -> Self {
        self.lines.push((name.into(), at));
        self
    }

    /// The rows as a plot, the first at the top; its axes are given names.
    pub(crate) fn plot(self, id: &str, title: &str, caption: impl Into<String>, x: Axis, y: &str) -> Plot {
        let n = self.names.len();
        let height = |row: usize| (n - row) as f64;
        let mut series: Vec<Series> = self
            .series
            .into_iter()
            .map(|(name, points)| {
                let points = points.into_iter().map(|(row, value)| [value, height(row)]).collect();
                Series::new(name, Style::Points, points)
            })
            .collect();
        // The names of the lines stand at their ends: at the top and at the bottom by turns.
        for (k, (name, at)) in self.lines.into_iter().enumerate() {
            let (mut from, mut to) = (0.5, n as f64 + 0.5);
            if k % 2 == 1 {
                std::mem::swap(&mut from, &mut to);
            }
            series.push(Series::new(name, Style::Dashed, vec![[at, from], [at, to]]));
        }
        let names = self.names.into_iter().rev().collect();
        Plot { x, y: Axis::names(y, names), series, ..Plot::log_log(id, title, caption, "", "") }
    }
}

/// How much of what is allowed the claim's own comparisons of every instance used, in the one with the least to spare:
/// of an identity its error over what rounding may make of it, of a bound the measured side over it.
pub(crate) fn shares(check: &Check) -> Vec<Row> {
    let own = check.instances().filter(|(_, tally)| tally.part == Part::Own);
    own.map(|(name, tally)| (name.to_owned(), tally.worst.lhs / tally.worst.rhs)).collect()
}

/// The same of broken variants, each by its own name: they are run once more, which costs little where a claim is an
/// identity. Those that leave no number are left out.
pub(crate) fn of_controls(controls: &[Control], context: &Context) -> Vec<Row> {
    let share = |control: &Control| {
        let check = (control.run)(context).ok()?;
        let worst = check.worst()?;
        let share = worst.lhs / worst.rhs;
        share.is_finite().then(|| (control.name.to_owned(), share))
    };
    controls.iter().filter_map(share).collect()
}

/// The errors of an identity on every instance beside those of its controls, in units of what rounding may make of
/// them. An error of exactly 0 is drawn at `least`, which the caption names.
pub(crate) fn errors(
    id: &str,
    title: &str,
    caption: impl Into<String>,
    (check, controls): (&Check, &[Control]),
    least: f64,
    context: &Context,
) -> Plot {
    let shown = |(name, error): Row| (name, if error == 0.0 { least } else { error });
    let caption = format!("{} An error of exactly 0 is drawn at {least:.0e}.", caption.into());
    Rows::default()
        .with("the statement", shares(check).into_iter().map(shown))
        .with("broken on purpose", of_controls(controls, context))
        .line("what rounding may do", 1.0)
        .plot(id, title, caption, Axis::log("largest error / what rounding may make of it"), "instance")
}

/// The last bit of double-double beside 1: where a plot on a logarithmic axis draws a relative error of exactly 0.
pub(crate) const LAST_BIT: f64 = 1.0 / (1_u128 << 106) as f64;

/// The largest value at every x, in the order of x.
pub(crate) fn envelope(points: impl IntoIterator<Item = [f64; 2]>) -> Vec<[f64; 2]> {
    let mut largest: Vec<[f64; 2]> = Vec::new();
    for [x, y] in points {
        match largest.iter_mut().find(|p| p[0] == x) {
            Some(p) => p[1] = if y > p[1] || y.is_nan() { y } else { p[1] },
            None => largest.push([x, y]),
        }
    }
    largest.sort_by(|a, b| a[0].total_cmp(&b[0]));
    largest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_is_the_largest_and_sorted() {
        let points = [[2.0, 1.0], [1.0, 5.0], [2.0, 3.0], [1.0, 4.0], [3.0, f64::NAN], [3.0, 1.0]];
        let found = envelope(points);
        assert_eq!(found[..2], [[1.0, 5.0], [2.0, 3.0]]);
        assert!(found[2][1].is_nan());
    }

    #[test]
    fn instances_keep_their_rows() {
        let row = |name: &str, value: f64| (name.to_owned(), value);
        let rows = Rows::default()
            .with("first", [row("a", 0.1), row("b", 0.2)])
            .with("second", [row("b", 0.3), row("c", 0.4)])
            .with("nothing", [])
            .line("limit", 1.0);
        let plot = rows.plot("p", "t", "c", Axis::log("x"), "instance");
        assert_eq!(plot.y.names, ["c", "b", "a"]);
        assert_eq!(plot.series.len(), 3);
        assert_eq!(plot.series[0].points, [[0.1, 3.0], [0.2, 2.0]]);
        assert_eq!(plot.series[1].points, [[0.3, 2.0], [0.4, 1.0]]);
        assert_eq!(plot.series[2].points, [[1.0, 0.5], [1.0, 3.5]]);
    }

    #[test]
    fn shares_are_those_with_the_least_to_spare() {
        let mut check = Check::new();
        check.identity("a · 1", 1.0, 8.0);
        check.identity("a · 2", 2.0, 8.0);
        check.at_most("b", 3.0, 4.0, 0.0);
        let mut links = Check::new();
        links.at_most("a link", 1.0, 1.0, 0.0);
        check.merge_links(links);
        assert_eq!(shares(&check), [("a".to_owned(), 0.25), ("b".to_owned(), 0.75)]);
    }
}
