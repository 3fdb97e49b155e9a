//! The names of the curves: beside their ends, or in a legend below.

use super::canvas::{Canvas, Colour, Pen};
use super::{EDGE, Frame, LEADERS, LINE, Look, SAMPLE, TEXT, WIDTH};
use crate::report::labels::{em, lines, spread};

/// The widest entry of a legend.
const ENTRY: f64 = 300.0;

/// A name beside the end of its curve.
pub(super) struct Name {
    pub(super) lines: Vec<String>,
    pub(super) look: Look,
    pub(super) end: [f64; 2],
    /// Whether a leader joins it to that end.
    pub(super) joined: bool,
    /// Whether it stands right below the name before it: a fit below what it fits.
    pub(super) follows: bool,
}

/// The names at the right, each joined to the end of its curve.
pub(super) fn beside(canvas: &mut Canvas, frame: &Frame, names: &[Name]) -> std::io::Result<()> {
    let height = |name: &Name| name.lines.len() as f64 * LINE;
    // A name and those that follow it move as one.
    let groups: Vec<&[Name]> = names.chunk_by(|_, next| next.follows).collect();
    let heights: Vec<f64> = groups.iter().map(|group| group.iter().map(height).sum()).collect();
    let middle = |group: &&[Name]| group.iter().map(|n| n.end[1]).sum::<f64>() / group.len() as f64;
    let wished: Vec<f64> = groups.iter().map(middle).collect();
    let (top, bottom) = (frame.top - LINE / 2.0, frame.bottom + LINE / 2.0);
    let Some(middles) = spread(&wished, &heights, top, bottom) else { return Ok(()) };
    let mut centres = Vec::new();
    for ((group, middle), total) in groups.iter().zip(middles).zip(heights) {
        let mut top = middle - total / 2.0;
        for name in *group {
            centres.push(top + height(name) / 2.0);
            top += height(name);
        }
    }
    for (name, centre) in names.iter().zip(centres) {
        let x = frame.right + LEADERS;
        let [end_x, end_y] = name.end;
        let mut leader = Vec::new();
        if frame.right - end_x > 1.0 {
            leader.push([end_x + 4.0, end_y]);
        }
        leader.extend([[frame.right + 2.0, end_y], [x - 3.0, centre]]);
        if name.joined {
            canvas.line(&leader, Pen::Hair, name.look.colour, 0.55)?;
        }
        sample(canvas, name, x, centre)?;
        for (i, line) in name.lines.iter().enumerate() {
            let y = centre + LINE * (i as f64 - (name.lines.len() - 1) as f64 / 2.0);
            canvas.text(line, x + SAMPLE + 6.0, y, TEXT, Colour::Ink, -1)?;
        }
    }
    Ok(())
}

/// A short piece of the curve, to be found again.
fn sample(canvas: &mut Canvas, name: &Name, x: f64, y: f64) -> std::io::Result<()> {
    let middle = [x + SAMPLE / 2.0, y];
    match name.look {
        Look { pen: None, colour, round } => canvas.dot(middle, 3.2, colour, round == 0),
        Look { pen: Some(pen), colour, round } => {
            canvas.line(&[[x, y], [x + SAMPLE, y]], pen, colour, 1.0)?;
            if round > 0 { canvas.dot(middle, 3.4, colour, round > 1) } else { Ok(()) }
        }
    }
}

/// Where the entries of a legend below the axes begin.
pub(super) fn legend_places(names: &[Name], frame: &Frame, x_label_lines: usize) -> Vec<[f64; 2]> {
    let widest = names.iter().map(|n| em(&n.lines.join(" ")) * TEXT).fold(0.0, f64::max).min(ENTRY);
    let column = widest + SAMPLE + 6.0 + 18.0;
    let columns = (((WIDTH - 2.0 * EDGE) / column) as usize).max(1);
    let top = frame.bottom + 28.0 + x_label_lines as f64 * LINE + 14.0;
    (0..names.len())
        .map(|i| [EDGE + column * (i % columns) as f64, top + (LINE + 2.0) * (i / columns) as f64])
        .collect()
}

/// The legend itself.
pub(super) fn legend(canvas: &mut Canvas, names: &[Name], places: &[[f64; 2]]) -> std::io::Result<()> {
    for (name, &[x, y]) in names.iter().zip(places) {
        sample(canvas, name, x, y)?;
        let line = lines(&name.lines.join(" "), ENTRY / TEXT, 1).concat();
        canvas.text(&line, x + SAMPLE + 6.0, y, TEXT, Colour::Ink, -1)?;
    }
    Ok(())
}
