//! From results to what people read: a table for the terminal, one page, Markdown, JUnit, plots and CSV.
//! Rendering never re-runs a claim: everything is drawn from [`Results`].
//!
//! ```no_run
//! use ratecheck_verify::report;
//! # fn main() -> Result<(), report::ReportError> {
//! let results = report::read_results("reports/latest/results.json".as_ref())?;
//! let written = report::write_all(&results, "reports/again".as_ref())?;
//! println!("{}", written.page.display());
//! # Ok(())
//! # }
//! ```

mod axis;
pub mod compare;
mod constants;
mod experiment;
mod fit;
mod gallery;
mod junit;
mod labels;
mod latex;
pub(crate) mod markdown;
mod math;
mod monitor;
mod numbers;
mod page;
mod paper;
mod plots;
mod scaling;
mod sheet;
mod story;
pub(crate) mod sweep;
mod table;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub use constants::write_constants;
pub(crate) use experiment::{HEADER, row};
pub use experiment::{Shown, write_experiment};
pub use fit::write_fit;
pub use gallery::Gallery;
pub use math::check_formulas;
pub use monitor::write_monitor;
pub use numbers::{RESULTS, json, read_results, without_checksum, write_results};
pub use scaling::{rule, write_scaling};
pub use table::{ended_line, terminal_table};

use crate::claim::plot::Plot;
use crate::claim::results::{ClaimResult, ControlOutcome, Results, Status};
use crate::paper::sensitivity::{Need, Study};
pub use crate::text::ReportError;
use crate::text::{number, pretty, write};

/// What the check of a claim needs of every constant, a line each, as it was studied last: only of the paper's own run,
/// since the instances were its.
fn needs(results: &Results, claim: &ClaimResult) -> Vec<String> {
    let kept = Study::kept().of(&claim.id).map(Need::sentence);
    if results.provenance.problem.is_none() { kept.collect() } else { Vec::new() }
}

/// What [`write_all`] left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Everything, as data: `results.json`.
    pub json: PathBuf,
    /// The page: `index.html`.
    pub page: PathBuf,
    /// The same for a pull request: `report.md`.
    pub markdown: PathBuf,
    /// Tables for the appendix of a paper: `report.tex`.
    pub latex: PathBuf,
    /// For continuous integration: `junit.xml`.
    pub junit: PathBuf,
    /// One a plot: `data/<claim>-<plot>.csv`.
    pub data: Vec<PathBuf>,
    /// One a plot: `plots/<claim>-<plot>.svg`.
    pub plots: Vec<PathBuf>,
}

/// Writes every report into `dir`, which is made if it is not there. Each file appears whole or not at all; files of
/// other runs in `dir` that this one does not write are left alone.
///
/// # Errors
/// When a file cannot be written or rendered; the error names it. Files written before stay.
pub fn write_all(results: &Results, dir: &Path) -> Result<Written, ReportError> {
    // The data first: if a picture fails, the numbers are safe, and the rest can be rendered again from them.
    write_results(results, dir)?;
    render_all(results, dir)
}

/// Writes every report but `results.json`, from which the results may have come: the same bytes as [`write_all`] has
/// written.
///
/// # Errors
/// When a file cannot be written or rendered; the error names it. Files written before stay.
pub fn render_all(results: &Results, dir: &Path) -> Result<Written, ReportError> {
    let stems = stems(results);
    let mut written = Written {
        json: dir.join(RESULTS),
        page: dir.join("index.html"),
        markdown: dir.join("report.md"),
        latex: dir.join("report.tex"),
        junit: dir.join("junit.xml"),
        data: Vec::new(),
        plots: Vec::new(),
    };
    for (claim, stems) in results.claims.iter().zip(&stems) {
        for (plot, stem) in claim.plots.iter().zip(stems) {
            written.data.push(write(dir.join("data").join(format!("{stem}.csv")), csv(plot)?.as_slice())?);
            let svg = plots::standalone(plot)?;
            written.plots.push(write(dir.join("plots").join(format!("{stem}.svg")), svg.as_bytes())?);
        }
    }
    write(written.markdown.clone(), markdown::render(results, &stems).as_bytes())?;
    write(written.latex.clone(), latex::render(results).as_bytes())?;
    write(written.junit.clone(), junit::render(results)?.as_bytes())?;
    // The page last: when it is there, everything it links to is there.
    write(written.page.clone(), page::render(results, &stems)?.as_bytes())?;
    Ok(written)
}

/// The page alone, as text; the data and pictures beside it are those of [`render_all`].
///
/// # Errors
/// When it cannot be rendered.
pub fn html(results: &Results) -> Result<String, ReportError> {
    page::render(results, &stems(results))
}

/// `junit.xml` alone, as text.
///
/// # Errors
/// When it cannot be rendered.
pub fn junit(results: &Results) -> Result<String, ReportError> {
    junit::render(results)
}

/// Every plotted number of one plot, in long format, exact.
fn csv(plot: &Plot) -> Result<Vec<u8>, ReportError> {
    let failed = |source: csv::Error| ReportError::render(&format!("the CSV of the plot `{}`", plot.id), source);
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["series", "x", "y", "low", "high"]).map_err(failed)?;
    for series in &plot.series {
        for (i, [x, y]) in series.points.iter().enumerate() {
            let [low, high] = series.band.get(i).map_or_else(Default::default, |band| band.map(number::exact));
            writer.write_record([&series.name, &number::exact(*x), &number::exact(*y), &low, &high]).map_err(failed)?;
        }
    }
    writer.into_inner().map_err(|e| ReportError::render(&format!("the CSV of the plot `{}`", plot.id), e.into_error()))
}

/// The file names of all plots, without extension: `<claim>-<plot>`, safe for any file system and unique.
fn stems(results: &Results) -> Vec<Vec<String>> {
    let mut taken = BTreeSet::new();
    let mut unique = |wanted: String| {
        let mut name = wanted.clone();
        let mut n = 2;
        // Some file systems do not tell capitals from small letters.
        while !taken.insert(name.to_lowercase()) {
            name = format!("{wanted}-{n}");
            n += 1;
        }
        name
    };
    let mut stem = |claim: &ClaimResult, plot: &Plot| unique(slug(&format!("{}-{}", claim.id, plot.id)));
    results.claims.iter().map(|claim| claim.plots.iter().map(|plot| stem(claim, plot)).collect()).collect()
}

/// Letters, digits, dots and hyphens; never hidden, never a path.
fn slug(text: &str) -> String {
    let text: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') { c } else { '-' }).collect();
    text.trim_start_matches('.').to_owned()
}

/// The controls in one cell: `3/3 rejected`, or the one that was not.
fn controls_cell(claim: &ClaimResult) -> String {
    let first = |outcome| claim.controls.iter().find(|c| c.outcome == outcome);
    if let Some(control) = first(ControlOutcome::NotRejected) {
        format!("not rejected: {}", control.name)
    } else if let Some(control) = first(ControlOutcome::Broken) {
        format!("broken: {}", control.name)
    } else if claim.controls.is_empty() {
        "none".to_owned()
    } else {
        format!("{0}/{0} rejected", claim.controls.len())
    }
}

/// One line of totals.
pub fn summary(results: &Results) -> String {
    let total = results.claims.len();
    let mut parts = vec![format!("{} of {total} hold", results.count(Status::Holds))];
    for status in &Status::ALL[1..] {
        match results.count(*status) {
            0 => {}
            n => parts.push(format!("{n} {}", status.label())),
        }
    }
    if !results.pending.is_empty() {
        parts.push(format!("{} not finished", results.pending.len()));
    }
    let (rejected, controls) = results.controls_rejected();
    parts.push(format!("{rejected} of {controls} controls rejected"));
    format!("{} · {}", parts.join(" · "), number::duration(results.provenance.seconds))
}

/// What repeats one claim of this run, or the whole: a command, or a call if a program brought the loss.
fn command(results: &Results, claim: Option<&ClaimResult>) -> String {
    let provenance = &results.provenance;
    let (profile, seed) = (profile(results), provenance.seed);
    let brought = provenance.problem.as_ref().map(|problem| problem.arguments.as_slice());
    if brought.is_some_and(<[String]>::is_empty) {
        let claims = claim.map_or_else(String::new, |claim| format!("claims=[\"{}\"], ", claim.id));
        return format!("ratecheck.verify(loss, {claims}profile=\"{profile}\", seed={seed})");
    }
    // Quoted where a shell would take a name apart.
    let quoted = |word: &String| if word.contains(' ') { format!(" '{word}'") } else { format!(" {word}") };
    let brought: String = brought.unwrap_or_default().iter().map(quoted).collect();
    let claim = claim.map_or_else(String::new, |claim| format!(" {}", claim.id));
    format!("ratecheck verify{claim}{brought} --profile {profile} --seed {seed}")
}

/// The profile as it is typed.
fn profile(results: &Results) -> &'static str {
    results.provenance.profile.name()
}
