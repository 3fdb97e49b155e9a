//! A page about one subject: facts, a table, pictures. Like the page of the claims, one file that opens from disk.

use std::path::{Path, PathBuf};

use minijinja::value::Serde;
use serde::Serialize;

use super::page::environment;
use super::{ReportError, csv, number, plots, slug, write};
use crate::claim::plot::{Figure, HeatMap};

const TEMPLATE: &str = include_str!("sheet.html");

/// What stands on the page.
pub(super) struct Sheet {
    pub(super) title: String,
    /// What the reader sees here, in a few sentences.
    pub(super) lead: String,
    /// (name, value)
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) tables: Vec<Table>,
    pub(super) figures: Vec<Figure>,
    /// What makes this page again.
    pub(super) command: String,
    /// Files beside the page: (name, content).
    pub(super) files: Vec<(String, Vec<u8>)>,
    /// Whether that gives the same numbers: not of times.
    pub(super) reproducible: bool,
}

/// A table: the first column names its rows.
#[derive(Serialize)]
pub(super) struct Table {
    pub(super) caption: String,
    pub(super) header: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
    pub(super) note: String,
}

#[derive(Serialize)]
struct Context<'a> {
    title: &'a str,
    lead: &'a str,
    facts: &'a [(&'static str, String)],
    tables: &'a [Table],
    figures: Vec<Picture<'a>>,
    command: &'a str,
    files: Vec<&'a str>,
    reproducible: bool,
}

#[derive(Serialize)]
struct Picture<'a> {
    title: &'a str,
    caption: &'a str,
    stem: String,
    svg: String,
}

/// Writes the files, the pictures and their data, and the page last; each appears whole or not at all.
/// Returns the page.
pub(super) fn write_sheet(sheet: &Sheet, dir: &Path) -> Result<PathBuf, ReportError> {
    for (name, content) in &sheet.files {
        write(dir.join(name), content)?;
    }
    let mut figures = Vec::new();
    for figure in &sheet.figures {
        let (id, title, caption, data, alone, inline) = match figure {
            Figure::Plot(plot) => {
                let id = format!("plot-{}", slug(&plot.id));
                let inline = plots::inline(plot, &id)?;
                (&plot.id, &plot.title, &plot.caption, csv(plot)?, plots::standalone(plot)?, inline)
            }
            Figure::HeatMap(heat) => {
                let inline = plots::heat::inline(heat, &format!("plot-{}", slug(&heat.id)))?;
                (&heat.id, &heat.title, &heat.caption, cells(heat)?, plots::heat::standalone(heat)?, inline)
            }
        };
        let stem = slug(id);
        write(dir.join("data").join(format!("{stem}.csv")), &data)?;
        write(dir.join("plots").join(format!("{stem}.svg")), alone.as_bytes())?;
        figures.push(Picture { title, caption, stem, svg: inline });
    }
    let context = Context {
        title: &sheet.title,
        lead: &sheet.lead,
        facts: &sheet.facts,
        tables: &sheet.tables,
        figures,
        command: &sheet.command,
        files: sheet.files.iter().map(|(name, _)| name.as_str()).collect(),
        reproducible: sheet.reproducible,
    };
    let failed = |source: minijinja::Error| ReportError::render("index.html", source);
    let mut environment = environment()?;
    environment.add_template("sheet.html", TEMPLATE).map_err(failed)?;
    let page = environment.get_template("sheet.html").and_then(|t| t.render(Serde(context))).map_err(failed)?;
    write(dir.join("index.html"), page.as_bytes())
}

/// Every cell of a heat map, exact.
fn cells(heat: &HeatMap) -> Result<Vec<u8>, ReportError> {
    let mut rows = vec![["row", "column", "value"].map(str::to_owned).to_vec()];
    for (name, values) in heat.rows.iter().zip(&heat.values) {
        for (column, &value) in heat.columns.iter().zip(values) {
            rows.push(vec![name.clone(), column.clone(), number::exact(value)]);
        }
    }
    records(&heat.id, &rows)
}

/// Rows of fields as CSV; `name` is what an error names.
pub(super) fn records(name: &str, rows: &[Vec<String>]) -> Result<Vec<u8>, ReportError> {
    let failed = |source: csv::Error| ReportError::render(&format!("the CSV of `{name}`"), source);
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).map_err(failed)?;
    }
    writer.into_inner().map_err(|e| ReportError::render(&format!("the CSV of `{name}`"), e.into_error()))
}
