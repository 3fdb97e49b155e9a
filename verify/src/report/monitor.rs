//! The log of a Monitor as a page: squared norms, Lemma 2.4's recursion, and the equilibrium under weight decay.

use std::path::{Path, PathBuf};

use super::sheet::{Sheet, Table, write_sheet};
use super::{ReportError, number, pretty};
use crate::claim::plot::{Axis, Figure, Plot, Series, Style};
use crate::lab::monitor::{Block, Monitored, Row};
use crate::text::plain::plain;

/// Pictures on one page; the table has every block.
const PICTURES: usize = 12;

/// Writes `monitor.json`, the page `index.html`, the pictures and their data into `dir`, and returns the page.
///
/// # Errors
/// When a file cannot be written or rendered; the error names it.
pub fn write_monitor(found: &Monitored, command: &str, dir: &Path) -> Result<PathBuf, ReportError> {
    let json = pretty(found).map_err(|error| ReportError::render("monitor.json", error))?;
    let file = plain(&found.file.to_string_lossy()).into_owned();
    let n_rows: usize = found.blocks.iter().map(|block| block.rows.len()).sum();
    let mut facts =
        vec![("log", file), ("blocks", found.blocks.len().to_string()), ("rows", number::count(n_rows as u64))];
    if found.blocks.len() > PICTURES {
        facts.push(("pictures", format!("of the first {PICTURES} blocks; the table has all")));
    }
    let figures = found.blocks.iter().take(PICTURES).enumerate().map(|(k, block)| Figure::Plot(plot(k, block)));
    let sheet = Sheet {
        title: "Squared norms while a model trained".to_owned(),
        lead: "Under plain SGD the squared norm of a scale-invariant block grows by \
               \u{3b7}\u{b2}\u{2016}\u{2207}\u{2016}\u{b2} in every step (Lemma 2.4). Momentum, weight decay and \
               adaptive rates show as a distance from that recursion; weight decay alone has an equilibrium."
            .to_owned(),
        facts,
        tables: vec![table(found)],
        figures: figures.collect(),
        command: command.to_owned(),
        files: vec![("monitor.json".to_owned(), json)],
        reproducible: true,
    };
    write_sheet(&sheet, dir)
}

fn table(found: &Monitored) -> Table {
    let row = |block: &Block| {
        let (Some(first), Some(last)) = (block.rows.first(), block.rows.last()) else { return Vec::new() };
        let [low, middle, high] = block.decay.map(number::pretty);
        vec![
            block.name.clone(),
            block.rows.len().to_string(),
            number::pretty(first.w_norm_sq),
            number::pretty(last.w_norm_sq),
            number::pretty(last.recursion),
            number::pretty(last.w_norm_sq / last.recursion),
            format!("{middle} ({low} to {high})"),
            block.equilibrium.map_or_else(|| number::NONE.to_owned(), number::pretty),
        ]
    };
    Table {
        caption: "The blocks".to_owned(),
        header: vec![
            "Block",
            "Rows",
            "\u{2016}w\u{2016}\u{b2} at first",
            "\u{2016}w\u{2016}\u{b2} at last",
            "By Lemma 2.4",
            "Their ratio",
            "Taken away besides, a step",
            "Equilibrium",
        ],
        rows: found.blocks.iter().map(row).collect(),
        note: "By Lemma 2.4: from the first row on; between recorded steps the growth of a step goes linearly. Taken \
               away besides: the share of w that a step loses beside the lemma, \u{3b7}\u{3bb} if that is weight decay \
               (the median over the rows, and both quartiles); 0 under plain SGD, and negative where w grows faster. \
               Equilibrium: of \u{2016}w\u{2016}\u{b2} with that decay and the gradients of the second half of the \
               log, where the quartiles are positive and differ by less than a factor of 2."
            .to_owned(),
    }
}

fn plot(k: usize, block: &Block) -> Plot {
    let series = |of: fn(&Row) -> f64| block.rows.iter().map(|row| [row.step, of(row)]).collect::<Vec<_>>();
    let mut plot = Plot {
        id: format!("norm-{}", k + 1),
        title: format!("Squared norm of {}", block.name),
        caption: format!(
            "The squared norm of {} as recorded, and as Lemma 2.4 has it from the recorded gradients under plain SGD.",
            block.name
        ),
        x: Axis::linear("step"),
        y: Axis::log("\u{2016}w\u{2016}\u{b2}"),
        series: vec![
            Series::new("recorded", Style::Line, series(|row| row.w_norm_sq)),
            Series::new("Lemma 2.4", Style::Dashed, series(|row| row.recursion)),
        ],
        references: Vec::new(),
        window: None,
        noise_floor: None,
    };
    if let (Some(equilibrium), Some(first), Some(last)) = (block.equilibrium, block.rows.first(), block.rows.last()) {
        let level = vec![[first.step, equilibrium], [last.step, equilibrium]];
        plot.series.push(Series::new("equilibrium", Style::Dashed, level));
    }
    plot
}
