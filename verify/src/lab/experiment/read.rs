//! The file of a plan.

use std::path::{Path, PathBuf};

use ratecheck::descent::Precision;

use super::data::DataSource;
use super::plan::{Figure, Limits, PRECISIONS, Plan};
use crate::lab::problem::{Document, Entry, ProblemError, Section, text_of};

/// More than this is a typing error.
const MOST: usize = 100_000_000;
/// Labels are bytes.
const MOST_CLASSES: usize = 256;
/// The widths that are supported; 1 is the paper's.
pub const WIDTHS: std::ops::RangeInclusive<f64> = 1e-3..=16.0;

pub(super) const SECTIONS: [&str; 4] = ["experiment", "data", "rates", "expected"];

/// The keys of a section.
pub(super) fn keys(section: &str) -> &'static [&'static str] {
    match section {
        "experiment" => &["figure", "seeds", "epochs", "batch-size", "width", "precision"],
        "data" => &["source", "files", "train", "test", "side", "classes", "seed"],
        "rates" => &["eta-w", "eta-g", "eta"],
        _ => &["loss", "accuracy", "unified-up-to", "projected-from", "removed-from"],
    }
}

impl Plan {
    /// Reads a plan, every value of which makes sense. A directory of images is looked for beside it.
    ///
    /// # Errors
    /// If the file cannot be read, or something in it is not as `docs/experiment.md` says.
    pub fn read(path: &Path) -> Result<Self, ProblemError> {
        let text = text_of(path, "give d1, d2, d3, or a plan in TOML, as docs/experiment.md describes it")?;
        Self::parse(&text, path)
    }

    /// The plan in a text; `path` is shown in errors.
    ///
    /// # Errors
    /// As [`Plan::read`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ProblemError> {
        let document = Document { path, text };
        let table = document.parse()?;
        let root = Section::root(document, &table, &SECTIONS)?;
        let needed = |name: &'static str| {
            let section = root.section(name, keys(name))?;
            section.ok_or_else(|| root.missing(name, "`ratecheck experiment d1 --print-plan` prints a whole plan"))
        };
        let [run, data, rates, expected] =
            [needed("experiment")?, needed("data")?, needed("rates")?, needed("expected")?];
        let count = |section: &Section<'_>, key: &str, what: &str| section.required(key, what)?.count(1, MOST);
        let positive = |section: &Section<'_>, key: &str, what: &str| section.required(key, what)?.positive();
        let plan = Self {
            figure: run.required("figure", "give \"d1\", \"d2\" or \"d3\"")?.choice(&Figure::ALL)?,
            seeds: distinct(&run, "seeds", "give the seeds, as [0, 1, 2]", |entry| entry.seed())?,
            n_epochs: count(&run, "epochs", "give how often every example is seen")?,
            batch: run.required("batch-size", "give the size of a minibatch, as 100")?.count(2, MOST)?,
            width: width(&run)?,
            precision: run.optional("precision").map_or(Ok(Precision::Single), |entry| entry.choice(&PRECISIONS))?,
            source: source(&data, path)?,
            n_train: count(&data, "train", "give how many images to train with")?,
            n_test: count(&data, "test", "give how many images to test with")?,
            side: data.optional("side").map(|entry| entry.count(1, 4096)).transpose()?,
            n_classes: data.optional("classes").map(|entry| entry.count(2, MOST_CLASSES)).transpose()?,
            subset_seed: data.optional("seed").map_or(Ok(2019), |entry| entry.seed())?,
            eta_w: distinct(&rates, "eta-w", "give eta_w of D.1, as [0.01, 1.0, 100.0]", |entry| entry.positive())?,
            eta_g: positive(&rates, "eta-g", "give eta_g of D.1; the paper's is 0.1")?,
            eta: distinct(&rates, "eta", "give the rates of D.2, as [0.01, 1.0]", |entry| entry.positive())?,
            limits: Limits {
                loss: expected.optional("loss").map(|entry| entry.positive()).transpose()?,
                accuracy: expected.optional("accuracy").map(|entry| entry.positive()).transpose()?,
                unified_up_to: positive(&expected, "unified-up-to", "give the largest rate at which SGD must learn")?,
                projected_from: positive(
                    &expected,
                    "projected-from",
                    "give the rate from which projected SGD must not",
                )?,
                removed_from: positive(&expected, "removed-from", "give the rate from which SGD without BN must not")?,
            },
        };
        if plan.batch > plan.n_train {
            let remedy = "a minibatch has at most as many images as there are to train with";
            return Err(run.fault("batch-size", format!("is above train = {}", plan.n_train), remedy));
        }
        Ok(plan)
    }
}

fn width(run: &Section<'_>) -> Result<f64, ProblemError> {
    let entry = run.required("width", "give the width of the network; 1.0 is the paper's")?;
    let width = entry.positive()?;
    if WIDTHS.contains(&width) {
        return Ok(width);
    }
    Err(entry.fault(format!("{width} times the paper's width is not supported"), "give a factor from 0.001 to 16"))
}

fn source(data: &Section<'_>, plan: &Path) -> Result<DataSource, ProblemError> {
    let beside = plan.parent().unwrap_or_else(|| Path::new(""));
    if let Some(files) = data.optional("files") {
        data.refuse("source", "the files are named one by one")?;
        let remedy = "give four paths: training images, training labels, test images, test labels";
        let paths =
            files.items(remedy)?.iter().map(|path| Ok(beside.join(path.text()?))).collect::<Result<Vec<_>, _>>()?;
        let n = paths.len();
        let four = <[PathBuf; 4]>::try_from(paths);
        return four.map(DataSource::Files).map_err(|_| files.fault(format!("has {n} paths"), remedy));
    }
    let entry = data.required("source", "give \"digits\", or a directory of IDX or CIFAR-10 files")?;
    Ok(match DataSource::parse(entry.text()?) {
        DataSource::Directory(dir) => DataSource::Directory(beside.join(dir)),
        other => other,
    })
}

/// An array of different values.
fn distinct<T: PartialEq>(
    section: &Section<'_>,
    key: &str,
    remedy: &str,
    read: impl Fn(&Entry<'_>) -> Result<T, ProblemError>,
) -> Result<Vec<T>, ProblemError> {
    let entry = section.required(key, remedy)?;
    let mut values = Vec::new();
    for item in entry.items(remedy)? {
        let value = read(&item)?;
        if values.contains(&value) {
            return Err(item.fault("is there already", "remove the repetition"));
        }
        values.push(value);
    }
    if values.is_empty() { Err(entry.fault("is empty", remedy)) } else { Ok(values) }
}
