//! Plots as SVG: what goes where. The strokes themselves are in [`canvas`].
//!
//! A picture is laid out on a sheet 720 wide; its text is as large as the page's when shown at that width. Each curve
//! is named beside its end, so that no legend has to be matched by colour; only if there are too many does a legend
//! go below.

mod canvas;
pub(super) mod heat;
mod marks;
mod names;
mod reference;

use canvas::{Canvas, Colour, Pen};

use super::axis::{Map, Tick, showable};
use super::labels::{em, lines};
use super::{ReportError, number};
use crate::claim::plot::{Plot, Scale, Series, Style};
use marks::{diverged, hints, notes};
use names::Name;
use reference::{power_law, reference_line};

pub(super) use canvas::PALETTE;

/// Width of the sheet.
const WIDTH: f64 = 720.0;
/// Height of the area inside the axes, unless more rows have names than fit.
const HEIGHT: f64 = 310.0;
/// Text of labels; ticks are a little smaller.
const TEXT: f64 = 13.0;
const TICK: f64 = 12.0;
/// From line to line of text.
const LINE: f64 = 16.0;
/// Around the sheet.
const EDGE: f64 = 8.0;
/// Between the axes and the names: where the leaders run.
const LEADERS: f64 = 24.0;
/// A short piece of the curve before its name.
const SAMPLE: f64 = 20.0;
/// The widest name before it is broken in two lines, then cut.
const NAME: f64 = 165.0;

/// For a file of its own: with its headline, on white.
pub(super) fn standalone(plot: &Plot) -> Result<String, ReportError> {
    draw(plot, None)
}

/// For the page: no headline (the page has it), no background; colours are the page's. `id` is unique on the page.
pub(super) fn inline(plot: &Plot, id: &str) -> Result<String, ReportError> {
    draw(plot, Some(id))
}

fn draw(plot: &Plot, id: Option<&str>) -> Result<String, ReportError> {
    let failed = |e: std::io::Error| ReportError::render(&format!("the plot `{}`", plot.id), e);
    let body = match Frame::fit(plot) {
        Some((x, y)) => figure(plot, x, y, id.is_none()),
        None => {
            let mut canvas = Canvas::new(WIDTH, 80.0);
            canvas.text("nothing to draw", WIDTH / 2.0, 40.0, TEXT, Colour::Muted, 0).map(|()| canvas)
        }
    };
    Ok(body.map_err(failed)?.finish(&plot.title, &plot.caption, id))
}

/// Where the axes are on the sheet, and what they show.
struct Frame {
    x: Map,
    y: Map,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Frame {
    /// Axes that show all points, the bands and references as far as they stay near, and a near noise floor.
    fn fit(plot: &Plot) -> Option<(Map, Map)> {
        let points = || {
            plot.series
                .iter()
                .flat_map(|s| &s.points)
                .filter(|p| showable(plot.x.scale, p[0]) && showable(plot.y.scale, p[1]))
        };
        let named = !plot.y.names.is_empty();
        // What diverged is marked at the upper edge, and has its place along x.
        let diverged = || plot.series.iter().flat_map(|s| &s.points).filter(|p| p[1] == f64::INFINITY).map(|p| p[0]);
        let along = || points().map(|p| p[0]).chain(diverged());
        let x = Map::new(plot.x.scale, along(), 0.0)?;
        let core = Map::new(plot.y.scale, points().map(|p| p[1]), 0.0)?;
        let mut shown: Vec<f64> = points().map(|p| p[1]).collect();
        // A band that reaches down to nothing, or a reference that leaves, must not squash the curves.
        let near = |v: f64, by: f64| core.at(v).is_some_and(|at| (-by..=1.0 + by).contains(&at));
        let bands = plot.series.iter().flat_map(|s| s.band.as_flattened().iter().map(move |&v| (s.style, v)));
        shown.extend(
            bands.clone().filter(|&(style, v)| !named && (style == Style::Area || near(v, 0.7))).map(|(_, v)| v),
        );
        // Along x where y has names: all of a band is shown, if it is finite.
        let spans = bands.map(|(_, v)| v).filter(|&v| named && showable(plot.x.scale, v));
        let ends = x.decades();
        if plot.x.scale == Scale::Log && plot.y.scale == Scale::Log {
            let at_ends =
                plot.references.iter().flat_map(|r| [ends.0, ends.1].map(|end| 10.0_f64.powf(power_law(r, end))));
            shown.extend(at_ends.filter(|&v| near(v, 0.3)));
            let floor = plot.noise_floor.filter(|f| showable(Scale::Log, *f));
            shown.extend(floor.filter(|&f| core.at(f).is_some_and(|at| at * core.span() > -2.5)));
        }
        let margin = if plot.x.scale == Scale::Log { 0.015 } else { 0.03 };
        let x = Map::new(plot.x.scale, along().chain(spans), margin)?;
        Some((x, Map::new(plot.y.scale, shown.into_iter(), 0.045)?))
    }

    /// From shares of the axes to the sheet.
    fn sheet(&self, at: [f64; 2]) -> [f64; 2] {
        [self.left + at[0] * (self.right - self.left), self.bottom - at[1] * (self.bottom - self.top)]
    }

    /// A point, if both its values can be shown.
    fn point(&self, p: [f64; 2]) -> Option<[f64; 2]> {
        Some(self.sheet([self.x.at(p[0])?, self.y.at(p[1])?]))
    }

    /// A point whose ordinate is pulled to the edge if it cannot be shown: for bands.
    fn clamped(&self, x: f64, y: f64) -> Option<[f64; 2]> {
        let share = match self.y.at(y) {
            Some(at) => at.clamp(0.0, 1.0),
            None if y == f64::INFINITY => 1.0,
            None if y.is_nan() => return None,
            None => 0.0,
        };
        Some(self.sheet([self.x.at(x)?, share]))
    }
}

fn figure(plot: &Plot, x: Map, y: Map, headline: bool) -> std::io::Result<Canvas> {
    let named = |(k, name): (usize, &String)| Some(Tick { at: y.at((k + 1) as f64)?, label: number::typeset(name) });
    let y_ticks = match &plot.y.names[..] {
        [] => y.ticks(8),
        names => names.iter().enumerate().filter_map(named).collect(),
    };
    let widest = |ticks: &[Tick]| ticks.iter().map(|t| em(&t.label)).fold(0.0, f64::max);
    let left = (EDGE + widest(&y_ticks) * TICK + 8.0).max(44.0);
    let looks = looks(plot);
    let named: Vec<Vec<String>> = plot.series.iter().map(|s| lines(&s.name, NAME / TEXT, 2)).collect();
    let references: Vec<Vec<String>> = plot.references.iter().map(|r| lines(&r.name, NAME / TEXT, 2)).collect();
    let column = named.iter().chain(&references).flatten().map(|l| em(l) * TEXT).fold(0.0, f64::max);
    let count: usize = named.iter().chain(&references).map(Vec::len).sum();
    let inside = HEIGHT.max(plot.y.names.len() as f64 * (LINE + 2.0));
    let beside = count as f64 * LINE <= inside + LINE && count > 0;
    let margin = if beside { LEADERS + SAMPLE + 6.0 + column + EDGE } else { 34.0 };

    // Bold letters are wider than `em` says of plain ones, by up to a tenth.
    let title = lines(&plot.title, (WIDTH - 2.0 * EDGE) / 18.7, 2);
    let header = if headline { title.len() as f64 * 21.0 + 8.0 } else { 0.0 };
    let y_label = lines(&plot.y.label, (WIDTH - 2.0 * EDGE) / TEXT, 2);
    let x_label = lines(&plot.x.label, (WIDTH - margin - left) / TEXT, 2);
    let top = EDGE + header + y_label.len() as f64 * LINE + 8.0;
    let bottom = top + inside;
    let frame = Frame { x, y, left, right: WIDTH - margin, top, bottom };
    let mut names = Vec::new();
    for ((series, &look), lines) in plot.series.iter().zip(&looks).zip(named) {
        let Some(mut end) = series.points.iter().rev().find_map(|&p| frame.point(p)) else { continue };
        if let (Style::Area, Some(&[x, _]), Some(&[low, high])) =
            (series.style, series.points.last(), series.band.last())
        {
            // The name of a layer belongs to its middle.
            end = frame.point([x, 0.5 * (low + high)]).unwrap_or(end);
        }
        // A leader along a row would pass for a bar.
        let joined = series.style != Style::Points || plot.y.names.is_empty();
        let near = names.last().is_some_and(|before: &Name| {
            before.look.colour == look.colour && (before.end[1] - end[1]).abs() < 3.0 * LINE
        });
        names.push(Name { lines, look, end, joined, follows: near && series.style == Style::Dashed });
    }
    let drawn: Vec<Vec<[f64; 2]>> = plot.references.iter().map(|r| reference_line(plot, r, &frame)).collect();
    let look = Look { colour: Colour::Muted, pen: Some(Pen::Thin), round: 0 };
    for (line, lines) in drawn.iter().zip(references) {
        names.extend(line.last().map(|&end| Name { lines, look, end, joined: true, follows: false }));
    }
    names.retain(|name| !name.lines.is_empty());
    let legend = if beside { Vec::new() } else { names::legend_places(&names, &frame, x_label.len()) };
    let after_axis = bottom + 28.0 + x_label.len() as f64 * LINE;
    let height = legend.iter().map(|p| p[1] + LINE).fold(after_axis, f64::max) + EDGE - 4.0;

    let mut canvas = Canvas::new(WIDTH, height);
    if headline {
        canvas.background()?;
        for (i, line) in title.iter().enumerate() {
            canvas.headline(line, EDGE, EDGE + 10.0 + i as f64 * 21.0, 17.0)?;
        }
    }
    let window = window(plot, &frame);
    if let Some([from, to]) = window {
        canvas.rectangle([from, top], [to, bottom], Colour::Shade, 1.0)?;
    }
    axes(&mut canvas, &frame, &y_ticks)?;
    for (i, line) in y_label.iter().enumerate() {
        canvas.text(line, EDGE, EDGE + header + LINE * (i as f64 + 0.5), TEXT, Colour::Ink, -1)?;
    }
    for (i, line) in x_label.iter().enumerate() {
        let middle = (frame.left + frame.right) / 2.0;
        canvas.text(line, middle, bottom + 36.0 + LINE * i as f64, TEXT, Colour::Ink, 0)?;
    }
    for line in &drawn {
        canvas.line(line, Pen::Thin, Colour::Muted, 0.8)?;
    }
    for (series, look) in plot.series.iter().zip(&looks) {
        if plot.y.names.is_empty() {
            band(&mut canvas, &frame, series, look)?;
        } else {
            spans(&mut canvas, &frame, series, look)?;
        }
    }
    for (series, look) in plot.series.iter().zip(&looks) {
        curve(&mut canvas, &frame, series, look)?;
    }
    notes(&mut canvas, plot, &frame, window)?;
    for (series, look) in plot.series.iter().zip(&looks) {
        diverged(&mut canvas, &frame, series, look)?;
        hints(&mut canvas, &frame, plot, series);
    }
    if beside {
        names::beside(&mut canvas, &frame, &names)?;
    } else {
        names::legend(&mut canvas, &names, &legend)?;
    }
    Ok(canvas)
}

/// How one series looks.
#[derive(Clone, Copy)]
struct Look {
    colour: Colour,
    /// `None`: separate points.
    pen: Option<Pen>,
    /// How many times the colours have been used up: later rounds carry marks.
    round: usize,
}

/// Whether curves have an order: four to nine names like `η_w = 0.1`, that differ in a number which rises or falls.
fn are_ordered(series: &[Series]) -> Option<usize> {
    let measured: Vec<_> = series.iter().filter(|s| s.style != Style::Dashed).collect();
    let mut parsed = Vec::new();
    for s in &measured {
        let (quantity, value) = s.name.rsplit_once(" = ")?;
        parsed.push((quantity, value.parse::<f64>().ok()?));
    }
    let alike = parsed.windows(2).all(|pair| pair[0].0 == pair[1].0);
    let rises = parsed.windows(2).all(|pair| pair[0].1 < pair[1].1);
    let falls = parsed.windows(2).all(|pair| pair[0].1 > pair[1].1);
    (alike && (rises || falls) && (4..=Colour::ORDERED).contains(&parsed.len())).then_some(parsed.len())
}

/// Colours in order; a fit or prediction has the colour of the measured series before it. One that has none before it,
/// or that runs across named rows, belongs to none of them.
fn looks(plot: &Plot) -> Vec<Look> {
    let series = &plot.series;
    let ordered = are_ordered(series);
    let mut measured: usize = 0;
    let mut first = true;
    series
        .iter()
        .map(|s| {
            if s.style != Style::Dashed && !first {
                measured += 1;
            }
            first &= s.style == Style::Dashed;
            let pen = match s.style {
                Style::Line | Style::Area => Some(Pen::Solid),
                Style::Dashed => Some(Pen::Dashed),
                Style::Points => None,
            };
            if s.style == Style::Dashed && (first || !plot.y.names.is_empty()) {
                return Look { colour: Colour::Muted, pen, round: 0 };
            }
            match ordered {
                Some(n) => {
                    let place = measured * (Colour::ORDERED - 1) / (n - 1);
                    Look { colour: Colour::Ordered(place), pen, round: 0 }
                }
                None => {
                    Look { colour: Colour::Series(measured % Colour::SERIES), pen, round: measured / Colour::SERIES }
                }
            }
        })
        .collect()
}

/// Grid, axes, ticks and their labels.
fn axes(canvas: &mut Canvas, frame: &Frame, y_ticks: &[Tick]) -> std::io::Result<()> {
    // As many labels as have room side by side.
    let x_ticks = (2..=9).rev().map(|n| frame.x.ticks(n)).find(|ticks| {
        let labels: Vec<&Tick> = ticks.iter().filter(|t| !t.label.is_empty()).collect();
        labels.windows(2).all(|pair| {
            let distance = (pair[1].at - pair[0].at) * (frame.right - frame.left);
            distance > (em(&pair[0].label) + em(&pair[1].label)) / 2.0 * TICK + 8.0
        })
    });
    for tick in x_ticks.unwrap_or_else(|| frame.x.ticks(2)) {
        let [x, _] = frame.sheet([tick.at, 0.0]);
        if tick.label.is_empty() {
            canvas.line(&[[x, frame.bottom], [x, frame.bottom + 3.0]], Pen::Hair, Colour::Axis, 1.0)?;
            continue;
        }
        canvas.line(&[[x, frame.top], [x, frame.bottom]], Pen::Hair, Colour::Grid, 1.0)?;
        canvas.line(&[[x, frame.bottom], [x, frame.bottom + 6.0]], Pen::Hair, Colour::Axis, 1.0)?;
        canvas.text(&tick.label, x, frame.bottom + 16.0, TICK, Colour::Muted, 0)?;
    }
    for tick in y_ticks {
        let [_, y] = frame.sheet([0.0, tick.at]);
        if tick.label.is_empty() {
            canvas.line(&[[frame.left - 3.0, y], [frame.left, y]], Pen::Hair, Colour::Axis, 1.0)?;
            continue;
        }
        canvas.line(&[[frame.left, y], [frame.right, y]], Pen::Hair, Colour::Grid, 1.0)?;
        canvas.line(&[[frame.left - 6.0, y], [frame.left, y]], Pen::Hair, Colour::Axis, 1.0)?;
        canvas.text(&tick.label, frame.left - 8.0, y, TICK, Colour::Muted, 1)?;
    }
    let corner = [frame.left, frame.bottom];
    canvas.line(&[[frame.left, frame.top], corner, [frame.right, frame.bottom]], Pen::Hair, Colour::Axis, 1.0)
}

/// The pieces of a series between points that cannot be shown.
fn pieces<T>(shown: impl Iterator<Item = Option<T>>) -> Vec<Vec<T>> {
    let mut pieces: Vec<Vec<T>> = Vec::new();
    for point in shown {
        match point {
            Some(p) => match pieces.last_mut() {
                Some(piece) => piece.push(p),
                None => pieces.push(vec![p]),
            },
            None => pieces.push(Vec::new()),
        }
    }
    pieces.retain(|p| !p.is_empty());
    pieces
}

fn band(canvas: &mut Canvas, frame: &Frame, series: &Series, look: &Look) -> std::io::Result<()> {
    let edges = series.points.iter().zip(&series.band).map(|(p, b)| {
        frame.y.at(p[1])?;
        Some([frame.clamped(p[0], b[0])?, frame.clamped(p[0], b[1])?])
    });
    for piece in pieces(edges) {
        if look.pen.is_none() {
            for [low, high] in piece {
                canvas.line(&[low, high], Pen::Thin, look.colour, 0.7)?;
            }
            continue;
        }
        let outline: Vec<[f64; 2]> = piece.iter().map(|e| e[0]).chain(piece.iter().rev().map(|e| e[1])).collect();
        canvas.area(&outline, look.colour, if series.style == Style::Area { 0.6 } else { 0.18 })?;
    }
    Ok(())
}

/// Bands of things without an order of their own: they lie along x.
fn spans(canvas: &mut Canvas, frame: &Frame, series: &Series, look: &Look) -> std::io::Result<()> {
    for (&[_, y], band) in series.points.iter().zip(&series.band) {
        let ends = band.map(|x| Some(frame.sheet([frame.x.at(x)?.clamp(0.0, 1.0), frame.y.at(y)?])));
        if let [Some(low), Some(high)] = ends {
            canvas.line(&[low, high], Pen::Thin, look.colour, 0.7)?;
        }
    }
    Ok(())
}

fn curve(canvas: &mut Canvas, frame: &Frame, series: &Series, look: &Look) -> std::io::Result<()> {
    for piece in pieces(series.points.iter().map(|&p| frame.point(p))) {
        match look.pen {
            None => piece.iter().try_for_each(|&p| canvas.dot(p, 3.2, look.colour, look.round == 0))?,
            // A point between two gaps would have no length as a line.
            Some(_) if piece.len() == 1 => canvas.dot(piece[0], 2.0, look.colour, true)?,
            Some(pen) => {
                canvas.line(&piece, pen, look.colour, 1.0)?;
                if look.round > 0 {
                    let step = (piece.len() / 8).max(1);
                    piece.iter().step_by(step).try_for_each(|&p| canvas.dot(p, 3.4, look.colour, look.round > 1))?;
                }
            }
        }
    }
    Ok(())
}

/// The fit window on the sheet, as far as it is inside.
fn window(plot: &Plot, frame: &Frame) -> Option<[f64; 2]> {
    let [from, to] = plot.window?;
    // A window that starts at 0 starts at the left edge of a logarithmic axis.
    let share = |v: f64, otherwise: f64| frame.x.at(v).map_or(otherwise, |at| at.clamp(0.0, 1.0));
    let [from, to] = [share(from, 0.0), share(to, 1.0)].map(|at| frame.sheet([at, 0.0])[0]);
    (to - from > 1.0).then_some([from, to])
}

#[cfg(test)]
mod tests;
