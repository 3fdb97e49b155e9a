//! The results of a sweep: a table, arrays, and a description of both.

use std::path::PathBuf;

use ratecheck::descent::{Divergence, NotFinite};
use serde::Serialize;

use super::answer::Answer;
use super::cell::{ENGINE, Runs};
use super::error::SweepError;
use super::npz::{Array, Data, npz};
use super::outcome::{Outcome, hex_of};
use super::quantity::Quantity;
use super::store::{FORMAT, Manifest, Setting, Store, read_cell};
use crate::text::{ReportError, number, pretty};

/// The results in their directory.
#[derive(Clone, Debug)]
pub struct Written {
    /// `runs.csv`: one row per run and horizon.
    pub csv: PathBuf,
    /// `runs.npz`: the same as arrays.
    pub npz: PathBuf,
    /// `runs.json`: what the columns are, and where they come from.
    pub json: PathBuf,
    /// Whether any of them is new.
    pub changed: bool,
    /// How many runs diverged.
    pub diverged: usize,
    /// What they show.
    pub answer: Answer,
}

const CSV: &str = "runs.csv";
const NPZ: &str = "runs.npz";
const JSON: &str = "runs.json";

/// Reads every cell of the list and writes the results. Only what differs from what is there is written.
pub(super) fn write(manifest: &Manifest, store: &Store) -> Result<Written, SweepError> {
    let mut outcomes = Vec::with_capacity(manifest.cells.len());
    for cell in &manifest.cells {
        match read_cell(store.dir(), &cell.key) {
            Ok(Some(outcome)) => outcomes.push(outcome),
            _ => {
                let what = format!("the cell {} ({}) is gone or damaged", cell.key, cell.described());
                return Err(SweepError::Part(format!("{what}; run the sweep again, which makes it anew")));
            }
        }
    }
    let csv = table(manifest, &outcomes).map_err(|error| ReportError::render(CSV, error))?;
    let arrays = arrays(manifest, &outcomes);
    let npz = npz(&arrays).map_err(|error| ReportError::render(NPZ, error))?;
    let json = pretty(&description(manifest, &arrays, &csv, &npz)).map_err(|error| ReportError::render(JSON, error))?;
    let mut changed = false;
    // The description last: it holds the sums of the others.
    for (name, content) in [(CSV, &csv), (NPZ, &npz), (JSON, &json)] {
        changed |= store.write_if_new(name, content)?;
    }
    let path = |name: &str| store.dir().join(name);
    let diverged = outcomes.iter().filter(|outcome| outcome.divergence().is_some()).count();
    let answer = Answer::of(manifest, &outcomes.into_iter().map(Some).collect::<Vec<_>>());
    Ok(Written { csv: path(CSV), npz: path(NPZ), json: path(JSON), changed, diverged, answer })
}

/// The columns that say which run a row is of.
const RUN_COLUMNS: [(&str, &str); 14] = [
    ("run", "number of the run, from 0"),
    ("instance", "as the plan calls it"),
    ("normalisation", "of the network, or closed-form"),
    ("rule", "step rule"),
    ("eta_w", "learning rate of w: eta_w (t+1)^(-alpha) growth^t"),
    ("alpha", "its exponent"),
    ("growth", "what it is multiplied by from step to step; 1 if nothing grows"),
    ("eta_g", "learning rate of g: eta_g (t+1)^(-alpha_g); empty (NaN) without a g"),
    ("alpha_g", "its exponent"),
    ("c_g", "where it has set eta_g = 2 (1 - c_g)/L^gg; else empty (NaN)"),
    ("seed", "root of the run's seed tree; empty (0) if chance plays no part"),
    ("diverged_at", "the step in which something was not finite; empty (-1) if none was"),
    ("diverged_what", "loss, gradient or parameters; empty if all was finite"),
    ("t", "number of steps made"),
];

/// What was not finite, in a word.
pub(crate) fn what(divergence: Option<Divergence>) -> &'static str {
    match divergence.map(|divergence| divergence.what) {
        None => "",
        Some(NotFinite::Loss) => "loss",
        Some(NotFinite::Gradient) => "gradient",
        Some(NotFinite::Parameters) => "parameters",
    }
}

/// The most blocks that a run has.
fn most_blocks(outcomes: &[Outcome]) -> usize {
    outcomes.iter().map(Outcome::n_blocks).max().unwrap_or(0)
}

/// As CSV: one row per run and horizon, every number so that it reads back to the same bits,
/// nothing where nothing is known.
fn table(manifest: &Manifest, outcomes: &[Outcome]) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
    let blocks = most_blocks(outcomes);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut header: Vec<String> = RUN_COLUMNS.iter().map(|(name, _)| (*name).to_owned()).collect();
    for quantity in &manifest.record {
        match quantity.per_block() {
            true => header.extend((1..=blocks).map(|i| format!("{}_{i}", quantity.column()))),
            false => header.push(quantity.column().to_owned()),
        }
    }
    writer.write_record(&header)?;
    let optional = |x: Option<f64>| x.map_or_else(String::new, number::exact);
    for (run, (cell, outcome)) in manifest.cells.iter().zip(outcomes).enumerate() {
        let divergence = outcome.divergence();
        let mut start = vec![run.to_string()];
        start.extend(cell.setting.fields(""));
        start.extend([
            optional(cell.c_g),
            cell.seed.map_or_else(String::new, |seed| seed.to_string()),
            divergence.map_or_else(String::new, |divergence| divergence.step.to_string()),
            what(outcome.divergence()).to_owned(),
        ]);
        for (row, t) in manifest.runs.horizons.iter().enumerate() {
            let mut fields = start.clone();
            fields.push(t.to_string());
            for quantity in &manifest.record {
                let wanted = if quantity.per_block() { blocks } else { 1 };
                let known = outcome.at(row, *quantity);
                fields.extend((0..wanted).map(|i| optional(known.get(i).copied().filter(|x| !x.is_nan()))));
            }
            writer.write_record(&fields)?;
        }
    }
    Ok(writer.into_inner()?)
}

/// As arrays: one entry per run, `t` one per horizon, the quantities one per run and horizon, and block.
fn arrays(manifest: &Manifest, outcomes: &[Outcome]) -> Vec<Array> {
    let (cells, horizons) = (&manifest.cells, &manifest.runs.horizons);
    let texts =
        |f: &dyn Fn(&Setting) -> &String| Data::Texts(cells.iter().map(|cell| f(&cell.setting).clone()).collect());
    let all =
        |numbers: &mut dyn Iterator<Item = Option<f64>>| Data::Reals(numbers.map(|x| x.unwrap_or(f64::NAN)).collect());
    let reals = |f: &dyn Fn(&Setting) -> Option<f64>| all(&mut cells.iter().map(|cell| f(&cell.setting)));
    let whole = |n: u64| i64::try_from(n).unwrap_or(i64::MAX); // steps stay far below
    let at = |outcome: &Outcome| outcome.divergence().map_or(-1, |divergence| whole(divergence.step));
    let data = [
        Data::Integers((0..cells.len() as u64).map(whole).collect()),
        texts(&|of| &of.instance),
        texts(&|of| &of.normalisation),
        texts(&|of| &of.rule),
        reals(&|of| Some(of.eta_w)),
        reals(&|of| Some(of.alpha)),
        reals(&|of| Some(of.growth)),
        reals(&|of| of.eta_g),
        reals(&|of| of.alpha_g),
        all(&mut cells.iter().map(|cell| cell.c_g)),
        Data::Naturals(cells.iter().map(|cell| cell.seed.unwrap_or(0)).collect()),
        Data::Integers(outcomes.iter().map(at).collect()),
        Data::Texts(outcomes.iter().map(|outcome| what(outcome.divergence()).to_owned()).collect()),
        Data::Integers(horizons.iter().map(|&t| whole(t)).collect()),
    ];
    let shape = |name: &str| vec![if name == "t" { horizons.len() } else { cells.len() }];
    let named = RUN_COLUMNS.iter().zip(data).map(|(&(name, _), data)| Array { name, shape: shape(name), data });
    let blocks = most_blocks(outcomes);
    let of = |quantity: &Quantity| {
        let width = if quantity.per_block() { blocks } else { 1 };
        let mut values = Vec::with_capacity(cells.len() * horizons.len() * width);
        for outcome in outcomes {
            for row in 0..horizons.len() {
                let known = outcome.at(row, *quantity);
                values.extend((0..width).map(|i| known.get(i).copied().unwrap_or(f64::NAN)));
            }
        }
        let mut shape = vec![cells.len(), horizons.len()];
        shape.extend(quantity.per_block().then_some(blocks));
        Array { name: quantity.column(), shape, data: Data::Reals(values) }
    };
    named.chain(manifest.record.iter().map(of)).collect()
}

/// `runs.json`.
#[derive(Serialize)]
struct Description<'a> {
    format: u32,
    about: &'static str,
    n_runs: usize,
    n_horizons: usize,
    columns: Vec<Column>,
    runs: &'a Runs,
    plan: &'a str,
    /// The SHA-256 of the names of all cells, a line each: what determines every number of the results.
    cells_sha256: String,
    files: Files,
    versions: Versions,
}

#[derive(Serialize)]
struct Column {
    name: &'static str,
    meaning: &'static str,
    /// In the archive; the table has `name_1`, `name_2`, .. for what has an entry per block.
    dtype: String,
    shape: Vec<usize>,
}

#[derive(Serialize)]
struct Files {
    csv: &'static str,
    csv_sha256: String,
    npz: &'static str,
    npz_sha256: String,
}

#[derive(Serialize)]
struct Versions {
    ratecheck: &'static str,
    commit: &'static str,
    compiler: &'static str,
    engine: u32,
}

fn description<'a>(manifest: &'a Manifest, arrays: &[Array], csv: &[u8], npz: &[u8]) -> Description<'a> {
    let meaning = |name: &str| {
        let of_run = RUN_COLUMNS.iter().find(|(known, _)| *known == name).map(|(_, meaning)| *meaning);
        let of_quantity = || manifest.record.iter().find(|quantity| quantity.column() == name).map(|q| q.meaning());
        of_run.or_else(of_quantity).unwrap_or("")
    };
    let column = |array: &Array| Column {
        name: array.name,
        meaning: meaning(array.name),
        dtype: array.data.dtype(),
        shape: array.shape.clone(),
    };
    let keys: String = manifest.cells.iter().map(|cell| format!("{}\n", cell.key)).collect();
    Description {
        format: FORMAT,
        about: "one row of runs.csv per run and horizon; runs.npz has the same as arrays over runs, horizons and \
                blocks; a run that diverged has nothing (NaN) at the horizons it did not reach",
        n_runs: manifest.cells.len(),
        n_horizons: manifest.runs.horizons.len(),
        columns: arrays.iter().map(column).collect(),
        runs: &manifest.runs,
        plan: &manifest.plan,
        cells_sha256: hex_of(keys.as_bytes()),
        files: Files { csv: CSV, csv_sha256: hex_of(csv), npz: NPZ, npz_sha256: hex_of(npz) },
        versions: Versions {
            ratecheck: env!("CARGO_PKG_VERSION"),
            commit: env!("RATECHECK_COMMIT"),
            compiler: env!("RATECHECK_COMPILER"),
            engine: ENGINE,
        },
    }
}
