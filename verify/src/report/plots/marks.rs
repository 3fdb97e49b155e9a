//! What stands over the curves: crosses for what diverged, values under the pointer, words inside the axes.

use super::canvas::{Canvas, Colour, Pen};
use super::{Frame, LINE, Look, TICK};
use crate::claim::plot::{Plot, Series, Style};
use crate::report::axis::showable;
use crate::report::labels::em;
use crate::report::number;

/// A cross at the upper edge for every point that has no finite value: it is marked, not missing.
pub(super) fn diverged(canvas: &mut Canvas, frame: &Frame, series: &Series, look: &Look) -> std::io::Result<()> {
    const ARM: f64 = 4.0;
    for &[x, y] in series.points.iter().filter(|p| p[1] == f64::INFINITY || p[1].is_nan()) {
        let Some(at) = frame.x.at(x).filter(|at| (0.0..=1.0).contains(at)) else { continue };
        let [x_at, y_at] = frame.sheet([at, 1.0]);
        let y_at = y_at + ARM + 2.0;
        for slant in [ARM, -ARM] {
            let ends = [[x_at - ARM, y_at - slant], [x_at + ARM, y_at + slant]];
            canvas.line(&ends, Pen::Thin, look.colour, 1.0)?;
        }
        let what = if y.is_nan() { "undefined" } else { "diverged" };
        canvas.hint([x_at, y_at], &format!("{}: {what} at {}", series.name, number::pretty(x)));
    }
    Ok(())
}

/// The values of a curve, at some thirty of its points.
pub(super) fn hints(canvas: &mut Canvas, frame: &Frame, plot: &Plot, series: &Series) {
    const MOST: f64 = 30.0;
    if series.style == Style::Dashed {
        return; // a fit or a prediction is said in its name
    }
    let apart = if series.style == Style::Points { 0.0 } else { (frame.right - frame.left) / MOST };
    let mut before: Option<[f64; 2]> = None;
    for &[x, y] in &series.points {
        let Some(at) = frame.point([x, y]) else { continue };
        if before.is_some_and(|before| (at[0] - before[0]).hypot(at[1] - before[1]) < apart.max(1.0)) {
            continue;
        }
        before = Some(at);
        let value = match plot.y.names.get((y - 1.0) as usize) {
            Some(name) => format!("{name}: {}", number::pretty(x)),
            None => format!("{}: {} at {}", series.name, number::pretty(y), number::pretty(x)),
        };
        canvas.hint(at, &value);
    }
}

/// The words inside the axes: the fit window and the noise floor.
pub(super) fn notes(canvas: &mut Canvas, plot: &Plot, frame: &Frame, window: Option<[f64; 2]>) -> std::io::Result<()> {
    if let Some([from, to]) = window {
        let (text, wide) = ("fit window", em("fit window") * TICK);
        // Against its right end: what decays is at the left when it is high.
        let x = if to - from > wide + 12.0 { to - 6.0 } else { to.max(frame.left + wide + 6.0) };
        canvas.text(text, x, frame.top + 10.0, TICK, Colour::Note, 1)?;
    }
    let Some(floor) = plot.noise_floor.filter(|&f| showable(plot.y.scale, f)) else { return Ok(()) };
    let Some(at) = frame.y.at(floor) else { return Ok(()) };
    if (0.0..=1.0).contains(&at) {
        let [x, y] = frame.sheet([0.0, at]);
        canvas.line(&[[x, y], [frame.right, y]], Pen::Dotted, Colour::Note, 1.0)?;
        let above = if y - frame.top > LINE { y - 9.0 } else { y + 10.0 };
        canvas.text("round-off", x + 8.0, above, TICK, Colour::Note, -1)?;
    } else if at < 0.0 {
        let text = format!("round-off is at {}, below this plot", number::pretty(floor));
        canvas.text(&text, frame.left + 8.0, frame.bottom - 10.0, TICK, Colour::Note, -1)?;
    }
    Ok(())
}
