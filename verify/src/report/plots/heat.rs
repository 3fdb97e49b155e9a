//! A matrix as coloured cells.

use super::canvas::{Canvas, Colour, Pen};
use super::{EDGE, LINE, Map, ReportError, TEXT, TICK, WIDTH, em, lines};
use crate::claim::plot::HeatMap;

/// The larger side of the cells' area.
const SIDE: f64 = 440.0;
/// More cells than this to a side are pooled, each pool showing its largest.
const CELLS: usize = 96;
/// The bar beside the cells: its width, its distance, and its steps.
const BAR: f64 = 18.0;
const APART: f64 = 28.0;
const STEPS: u8 = 64;
/// By how much neighbours overlap.
const SEAM: f64 = 0.7;

/// For a file of its own: with its headline, on white.
pub(in crate::report) fn standalone(heat: &HeatMap) -> Result<String, ReportError> {
    draw(heat, None)
}

/// For the page; see [`super::inline`].
pub(in crate::report) fn inline(heat: &HeatMap, id: &str) -> Result<String, ReportError> {
    draw(heat, Some(id))
}

fn draw(heat: &HeatMap, id: Option<&str>) -> Result<String, ReportError> {
    let drawn = cells(heat, id.is_none()).map_err(|e| ReportError::render(&format!("the plot `{}`", heat.id), e))?;
    Ok(drawn.finish(&heat.title, &heat.caption, id))
}

fn cells(heat: &HeatMap, headline: bool) -> std::io::Result<Canvas> {
    let values = || heat.values.iter().flatten().copied();
    let Some(map) = Map::new(heat.scale, values(), 0.0).filter(|_| !heat.values.is_empty()) else {
        let mut canvas = Canvas::new(WIDTH, 80.0);
        canvas.text("nothing to draw", WIDTH / 2.0, 40.0, TEXT, Colour::Muted, 0)?;
        return Ok(canvas);
    };
    let pool = heat.rows.len().max(heat.columns.len()).div_ceil(CELLS);
    let (n_rows, n_columns) = (heat.rows.len().div_ceil(pool), heat.columns.len().div_ceil(pool));
    let size = SIDE / n_rows.max(n_columns) as f64;

    let row_groups = groups(&heat.rows);
    let widest = row_groups.iter().map(|group| em(group.name) * TICK).fold(0.0, f64::max).min(180.0);
    let title = lines(&heat.title, (WIDTH - 2.0 * EDGE) / 17.0, 2);
    let header = if headline { title.len() as f64 * 21.0 + 8.0 } else { 0.0 };
    let quantity = lines(&heat.quantity, (WIDTH - 2.0 * EDGE) / TEXT, 2);
    let (left, top) = (EDGE + widest + 10.0, EDGE + header + quantity.len() as f64 * LINE + 10.0);
    let (right, bottom) = (left + size * n_columns as f64, top + size * n_rows as f64);
    let mut canvas = Canvas::new(WIDTH, bottom + 2.0 * LINE + EDGE);
    if headline {
        canvas.background()?;
        for (i, line) in title.iter().enumerate() {
            canvas.headline(line, EDGE, EDGE + 10.0 + i as f64 * 21.0, 17.0)?;
        }
    }
    for (i, line) in quantity.iter().enumerate() {
        canvas.text(line, EDGE, EDGE + header + LINE * (i as f64 + 0.5), TEXT, Colour::Ink, -1)?;
    }
    for row in 0..n_rows {
        for column in 0..n_columns {
            let Some(share) = pooled(heat, row, column, pool, &map) else { continue };
            let corner = [left + size * column as f64, top + size * row as f64];
            // Under the next cells, so that no seam shows; not beyond the edge.
            let end = [(corner[0] + size + SEAM).min(right), (corner[1] + size + SEAM).min(bottom)];
            canvas.rectangle(corner, end, Colour::Heat(level(share)), 1.0)?;
        }
    }
    // Around the cells, and between the groups where there are any.
    let at = |index: usize| size * (index as f64 / pool as f64);
    let column_groups = groups(&heat.columns);
    let cuts = |groups: &[Group<'_>], len: usize| -> Vec<f64> {
        let inner =
            groups.iter().skip(1).filter(|_| groups.len() < len).map(|group| at(group.start)).collect::<Vec<_>>();
        [vec![0.0], inner, vec![at(len.next_multiple_of(pool))]].concat()
    };
    for y in cuts(&row_groups, heat.rows.len()) {
        canvas.line(&[[left, top + y], [right, top + y]], Pen::Hair, Colour::Grid, 1.0)?;
    }
    for x in cuts(&column_groups, heat.columns.len()) {
        canvas.line(&[[left + x, top], [left + x, bottom]], Pen::Hair, Colour::Grid, 1.0)?;
    }
    let mut free = top - LINE;
    for group in &row_groups {
        let y = top + at(group.start) + at(group.len) / 2.0;
        if y - free >= LINE {
            let name = lines(group.name, widest / TICK + 0.1, 1).concat();
            canvas.text(&name, left - 8.0, y, TICK, Colour::Muted, 1)?;
            free = y;
        }
    }
    let mut free = 0.0;
    for group in &column_groups {
        let (x, half) = (left + at(group.start) + at(group.len) / 2.0, em(group.name) * TICK / 2.0);
        if x - half >= free && x + half <= WIDTH - EDGE {
            canvas.text(group.name, x, bottom + 14.0, TICK, Colour::Muted, 0)?;
            free = x + half + 6.0;
        }
    }
    bar(&mut canvas, &map, [right + APART, top], bottom - top)?;
    Ok(canvas)
}

/// What the colours mean.
fn bar(canvas: &mut Canvas, map: &Map, [x, top]: [f64; 2], height: f64) -> std::io::Result<()> {
    let step = height / f64::from(STEPS);
    for i in 0..STEPS {
        let share = (f64::from(i) + 0.5) / f64::from(STEPS);
        let low = top + height - step * f64::from(i);
        canvas.rectangle([x, (low - step - SEAM).max(top)], [x + BAR, low], Colour::Heat(level(share)), 1.0)?;
    }
    for tick in map.ticks(6) {
        let y = top + height * (1.0 - tick.at);
        let long = if tick.label.is_empty() { 3.0 } else { 6.0 };
        canvas.line(&[[x + BAR, y], [x + BAR + long, y]], Pen::Hair, Colour::Axis, 1.0)?;
        canvas.text(&tick.label, x + BAR + 9.0, y, TICK, Colour::Muted, -1)?;
    }
    Ok(())
}

/// The share of the scale of the largest value of a pool, if any can be shown.
fn pooled(heat: &HeatMap, row: usize, column: usize, pool: usize, map: &Map) -> Option<f64> {
    let rows = heat.values.iter().skip(row * pool).take(pool);
    let values = rows.flat_map(|row| row.iter().skip(column * pool).take(pool));
    values.filter_map(|&value| map.at(value)).reduce(f64::max)
}

fn level(share: f64) -> u8 {
    // The cast saturates.
    (share.clamp(0.0, 1.0) * 255.0).round() as u8
}

/// Neighbours of one name.
struct Group<'a> {
    name: &'a str,
    start: usize,
    len: usize,
}

fn groups(names: &[String]) -> Vec<Group<'_>> {
    let mut start = 0;
    names
        .chunk_by(|a, b| a == b)
        .map(|chunk| {
            start += chunk.len();
            Group { name: &chunk[0], start: start - chunk.len(), len: chunk.len() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::claim::plot::Scale;
    use crate::report::plots::tests::check_svg;

    fn heat(n: usize, value: impl Fn(usize, usize) -> f64) -> HeatMap {
        let names: Vec<String> = (0..n).map(|i| format!("W{} <&>", 1 + 2 * i / n)).collect();
        HeatMap {
            id: "h".into(),
            title: "Curvature & its blocks".into(),
            caption: "What to see".into(),
            quantity: "L^vv".into(),
            scale: Scale::Log,
            rows: names.clone(),
            columns: names,
            values: (0..n).map(|i| (0..n).map(|j| value(i, j)).collect()).collect(),
        }
    }

    fn check(heat: &HeatMap) -> String {
        check_svg(&inline(heat, "one").unwrap());
        let svg = standalone(heat).unwrap();
        check_svg(&svg);
        svg
    }

    #[test]
    fn every_cell_has_the_colour_of_its_value() {
        let svg = check(&heat(4, |i, j| 10.0_f64.powi((i + j) as i32)));
        // The paper, 16 cells and the bar; both ends of the scale occur once among the cells and are not lost in the
        // bar.
        assert_eq!(svg.matches("<rect").count(), 1 + 16 + usize::from(STEPS));
        let colour = |share: f64| Colour::Heat(level(share)).hex();
        assert_eq!(svg.matches(&colour(0.0)).count(), 1);
        assert_eq!(svg.matches(&colour(1.0)).count(), 1);
        assert!(svg.contains("W1 &lt;&amp;&gt;") && svg.contains("W2 &lt;&amp;&gt;"));
    }

    #[test]
    fn what_cannot_be_shown_is_left_blank() {
        let svg = check(&heat(2, |i, j| [[1.0, 0.0], [f64::NAN, 10.0]][i][j]));
        assert_eq!(svg.matches("<rect").count(), 1 + 2 + usize::from(STEPS));
        assert!(check(&heat(2, |_, _| 0.0)).contains("nothing to draw"));
        assert!(check(&heat(0, |_, _| 0.0)).contains("nothing to draw"));
        check(&heat(1, |_, _| 3.0));
    }

    #[test]
    fn many_cells_are_pooled_by_their_largest() {
        let svg = check(&heat(1000, |i, j| if (i, j) == (501, 17) { 1e6 } else { 1.0 }));
        assert!(svg.len() < 2_000_000, "{}", svg.len());
        assert_eq!(svg.matches(&Colour::Heat(255).hex()).count(), 1);
    }

    #[test]
    fn heat_is_no_role_of_the_page() {
        for level in 0..=255 {
            let colour = Colour::Heat(level).hex();
            assert!(super::super::PALETTE.iter().all(|(light, _)| *light != colour), "{colour}");
        }
    }
}
