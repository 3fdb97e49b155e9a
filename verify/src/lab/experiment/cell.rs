//! One training, and everything that determines it.

use ratecheck::data::Dataset;
use ratecheck::random::Seed;
use serde::Serialize;

use super::plan::{Plan, word};
use super::study::Rates;
use super::task::{Epoch, Setting, Task, Training};
use crate::claim::evidence::Unevaluated;
use crate::lab::sweep::ENGINE;
use crate::lab::sweep::outcome::{bytes_of, divergence_of, divergence_words, hex_of, words_of};

/// The version of a cell's file and of the line that names it; it grows with every change of either.
const FORMAT: u32 = 1;
/// Numbers of an epoch beside those of the blocks.
const SCALARS: usize = 2;

/// One training of an experiment.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// What is trained.
    pub setting: Setting,
    /// Which rates go together.
    pub rates: Rates,
    /// The rate.
    pub eta: f64,
    /// [eta_w, eta_g].
    pub etas: [f64; 2],
    /// The root of its start and of the order of its examples.
    pub seed: u64,
    /// The line that determines every bit of it.
    pub identity: String,
    /// The SHA-256 of that line: the name of its file. Separate rates that happen to be equal have the name of the one
    /// rate.
    pub key: String,
}

#[derive(Serialize)]
struct Line<'a> {
    format: u32,
    engine: u32,
    setting: Setting,
    eta_w: f64,
    eta_g: f64,
    seed: u64,
    epochs: usize,
    batch_size: usize,
    width: f64,
    precision: &'static str,
    image: [usize; 3],
    classes: usize,
    train: &'a str,
    test: &'a str,
}

fn digest(data: &Dataset) -> String {
    hex_of(&bytes_of(data.inputs().iter().chain(data.labels()).map(|x| x.to_bits())))
}

impl Plan {
    /// Every training of the plan on its task, in the order of the results: setting by setting, rate by rate,
    /// seed by seed.
    pub fn cells(&self, task: &Task) -> Vec<Cell> {
        let [train, test] = [&task.train, &task.test].map(|data| digest(data));
        let image = [task.image.channels, task.image.height, task.image.width];
        let mut cells = Vec::new();
        for (rates, settings) in self.figure.families() {
            for &setting in settings {
                for &eta in self.etas(rates) {
                    for &seed in &self.seeds {
                        let etas = rates.of(eta, self.eta_g);
                        let line = Line {
                            format: FORMAT,
                            engine: ENGINE,
                            setting,
                            eta_w: etas[0],
                            eta_g: etas[1],
                            seed,
                            epochs: task.n_epochs,
                            batch_size: task.batch,
                            width: task.width,
                            precision: word(task.precision),
                            image,
                            classes: task.n_classes,
                            train: &train,
                            test: &test,
                        };
                        // Numbers are the shortest that read back as the same bits,
                        // and nothing can fail or be reordered.
                        let identity = serde_json::to_string(&line)
                            .unwrap_or_else(|error| panic!("a training has no name: {error}"));
                        let key = hex_of(identity.as_bytes());
                        cells.push(Cell { setting, rates, eta, etas, seed, identity, key });
                    }
                }
            }
        }
        cells
    }
}

impl Cell {
    /// For people: `projected SGD, η_w = 100, seed 2`.
    pub fn described(&self) -> String {
        format!("{}, {} = {}, seed {}", self.setting.name(), self.rates.symbol(), self.eta, self.seed)
    }

    /// Trains; `seen` is told of every epoch.
    ///
    /// # Errors
    /// As [`Task::train`].
    pub fn train(&self, task: &Task, seen: impl Fn()) -> Result<Training, Unevaluated> {
        task.train(self.setting, self.etas, &Seed::new(self.seed), seen)
    }
}

/// What the file of a training holds: the number of blocks, where and how it diverged, the number of
/// epochs, and of each the loss, the accuracy and ||w_i||^2 of every block.
pub(super) fn encode(training: &Training) -> Vec<u8> {
    let n_blocks = training.epochs.first().map_or(0, |epoch| epoch.w_norm_sq.len());
    let [what, step] = divergence_words(training.divergence);
    let head = [n_blocks as u64, what, step, training.epochs.len() as u64];
    let values = training
        .epochs
        .iter()
        .flat_map(|epoch| [epoch.loss, epoch.accuracy].into_iter().chain(epoch.w_norm_sq.iter().copied()));
    bytes_of(head.into_iter().chain(values.map(f64::to_bits)))
}

/// The training that such a file holds; nothing if it is no such file.
pub(super) fn decode(bytes: &[u8]) -> Option<Training> {
    let words = words_of(bytes)?;
    let (&[n_blocks, what, step, n_epochs], values) = words.split_first_chunk()?;
    let row = usize::try_from(n_blocks).ok()?.checked_add(SCALARS)?;
    if row.checked_mul(usize::try_from(n_epochs).ok()?)? != values.len() {
        return None;
    }
    let epoch = |row: &[u64]| {
        let mut values = row.iter().map(|&word| f64::from_bits(word));
        Some(Epoch { loss: values.next()?, accuracy: values.next()?, w_norm_sq: values.collect() })
    };
    let epochs = values.chunks_exact(row).map(epoch).collect::<Option<_>>()?;
    Some(Training { epochs, divergence: divergence_of([what, step])? })
}
