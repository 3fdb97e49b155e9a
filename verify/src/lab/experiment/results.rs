//! The results of an experiment as data: a table, arrays, and what was asked and answered.

use serde::Serialize;

use super::cell::Cell;
use super::guess::Guess;
use super::plan::Plan;
use super::question::{Answer, Question};
use super::study::AtRate;
use super::task::{Epoch, Setting, Task};
use crate::lab::sweep::npz::{Array, Data, npz};
use crate::lab::sweep::results::what;
use crate::text::{ReportError, number, pretty};

/// The files, and what they hold.
pub const FILES: [&str; 3] = ["runs.csv", "runs.npz", "experiment.json"];

/// A question with its answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// What was asked.
    #[serde(flatten)]
    pub question: Question,
    /// In words.
    pub described: String,
    /// What was seen from every start; none (null) for an infinite loss.
    #[serde(with = "crate::text::real")]
    pub values: Vec<f64>,
    /// The answer.
    pub answer: Answer,
    /// The probability that starts agree by chance: see [`Answer`].
    pub level: f64,
}

impl Table {
    /// Every question of the plan, with its answer.
    pub fn of(plan: &Plan, found: &[AtRate], guess: Guess) -> Vec<Self> {
        let answered = |question: Question| {
            let starts = question.among(found).map_or(&[][..], |at| &at.starts);
            let values: Vec<f64> = starts.iter().map(|training| question.seen.of(training, guess)).collect();
            let (answer, level) = (question.answer(&values), Answer::level(values.len()));
            Self { described: question.described(), question, values, answer, level }
        };
        plan.questions(guess).into_iter().map(answered).collect()
    }
}

#[derive(Serialize)]
struct Described<'a> {
    format: u32,
    about: &'static str,
    version: &'static str,
    commit: &'static str,
    compiler: &'static str,
    plan: String,
    image: [usize; 3],
    classes: usize,
    /// What guessing among them reaches: the loss, and the accuracy.
    guess: [f64; 2],
    parameters: usize,
    blocks: usize,
    steps: u64,
    questions: &'a [Table],
}

const ABOUT: &str = "runs.csv has a row per training and epoch, runs.npz the same as arrays over trainings and epochs, \
                     with ||w_i||^2 of every block; the effective rates are eta_w/||w_i||^2; a training that left the \
                     finite numbers has nothing (NaN) after that";

/// The three files: (name, content).
///
/// # Errors
/// When one of them cannot be rendered.
pub fn write_results(
    plan: &Plan,
    task: &Task,
    cells: &[Cell],
    found: &[AtRate],
    questions: &[Table],
) -> Result<Vec<(String, Vec<u8>)>, ReportError> {
    let csv = table(cells, found).map_err(|error| ReportError::render(FILES[0], error))?;
    let npz = npz(&arrays(plan, cells, found)).map_err(|error| ReportError::render(FILES[1], error))?;
    let network = task.network(Setting::Sgd).map_err(|error| ReportError::render(FILES[2], error))?;
    let layout = ratecheck::loss::Setting::parameters(&network);
    let described = Described {
        format: 1,
        about: ABOUT,
        version: env!("CARGO_PKG_VERSION"),
        commit: env!("RATECHECK_COMMIT"),
        compiler: env!("RATECHECK_COMPILER"),
        plan: plan.toml(),
        image: [task.image.channels, task.image.height, task.image.width],
        classes: task.n_classes,
        guess: [task.guess().loss, task.guess().accuracy],
        parameters: layout.len(),
        blocks: layout.n_blocks(),
        steps: plan.n_steps(),
        questions,
    };
    let json = pretty(&described).map_err(|error| ReportError::render(FILES[2], error))?;
    Ok(FILES.into_iter().map(str::to_owned).zip([csv, npz, json]).collect())
}

const COLUMNS: [&str; 17] = [
    "run",
    "setting",
    "eta_w",
    "eta_g",
    "seed",
    "diverged_at",
    "diverged_what",
    "epoch",
    "loss",
    "accuracy",
    "w_norm_sq_least",
    "w_norm_sq_median",
    "w_norm_sq_largest",
    "effective_lr_least",
    "effective_lr_median",
    "effective_lr_largest",
    "blocks",
];

fn slug(setting: Setting) -> &'static str {
    match setting {
        Setting::Sgd => "sgd",
        Setting::Projected => "projected",
        Setting::Removed => "removed",
    }
}

/// As CSV: a row per training and epoch that was finished;
/// one without numbers for a training that left them in its first.
fn table(cells: &[Cell], found: &[AtRate]) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    let trainings = found.iter().flat_map(|at| &at.starts);
    for (run, (cell, training)) in cells.iter().zip(trainings).enumerate() {
        let divergence = training.divergence;
        let start = [
            run.to_string(),
            slug(cell.setting).to_owned(),
            number::exact(cell.etas[0]),
            number::exact(cell.etas[1]),
            cell.seed.to_string(),
            divergence.map_or_else(String::new, |divergence| divergence.step.to_string()),
            what(divergence).to_owned(),
        ];
        for (k, epoch) in training.epochs.iter().enumerate() {
            let mut norms = epoch.w_norm_sq.clone();
            norms.sort_by(f64::total_cmp);
            let quantiles = [0, norms.len() / 2, norms.len() - 1].map(|i| norms[i]);
            let mut rates = quantiles.map(|n| cell.etas[0] / n);
            rates.reverse();
            let mut row = start.to_vec();
            row.push((k + 1).to_string());
            let numbers = [epoch.loss, epoch.accuracy].into_iter().chain(quantiles).chain(rates);
            row.extend(numbers.map(number::exact));
            row.push(norms.len().to_string());
            writer.write_record(&row)?;
        }
        if training.epochs.is_empty() {
            let mut row = start.to_vec();
            row.resize(COLUMNS.len(), String::new());
            writer.write_record(&row)?;
        }
    }
    Ok(writer.into_inner()?)
}

/// As arrays: one entry per training, or per training and epoch.
fn arrays(plan: &Plan, cells: &[Cell], found: &[AtRate]) -> Vec<Array> {
    let trainings: Vec<_> = found.iter().flat_map(|at| &at.starts).collect();
    let (n, n_epochs) = (cells.len(), plan.n_epochs);
    let blocks = |epoch: &Epoch| epoch.w_norm_sq.len();
    let n_blocks = trainings.iter().flat_map(|training| &training.epochs).map(blocks).max().unwrap_or(0);
    let step = |at: u64| i64::try_from(at).unwrap_or(i64::MAX);
    let by_epoch = |width: usize, value: &dyn Fn(&Epoch, usize) -> Option<f64>| {
        let of = |training: &&super::Training| {
            let rows = (0..n_epochs).flat_map(|k| (0..width).map(move |i| (k, i)));
            rows.map(|(k, i)| training.epochs.get(k).and_then(|epoch| value(epoch, i)).unwrap_or(f64::NAN)).collect()
        };
        Data::Reals(trainings.iter().flat_map(|training| -> Vec<f64> { of(training) }).collect())
    };
    let each = |name, data| Array { name, shape: vec![n], data };
    vec![
        each("setting", Data::Texts(cells.iter().map(|cell| slug(cell.setting).to_owned()).collect())),
        each("eta_w", Data::Reals(cells.iter().map(|cell| cell.etas[0]).collect())),
        each("eta_g", Data::Reals(cells.iter().map(|cell| cell.etas[1]).collect())),
        each("seed", Data::Naturals(cells.iter().map(|cell| cell.seed).collect())),
        each(
            "diverged_at",
            Data::Integers(trainings.iter().map(|t| t.divergence.map_or(-1, |d| step(d.step))).collect()),
        ),
        Array { name: "loss", shape: vec![n, n_epochs], data: by_epoch(1, &|epoch, _| Some(epoch.loss)) },
        Array { name: "accuracy", shape: vec![n, n_epochs], data: by_epoch(1, &|epoch, _| Some(epoch.accuracy)) },
        Array {
            name: "w_norm_sq",
            shape: vec![n, n_epochs, n_blocks],
            data: by_epoch(n_blocks, &|epoch, i| epoch.w_norm_sq.get(i).copied()),
        },
    ]
}
