//! The plan file: what a sweep runs. The format is described in `docs/sweep-plan.md`.

use std::collections::BTreeSet;
use std::path::Path;

use ratecheck::descent::{NotFinite, StepRule, Stepper};
use ratecheck::rates::log_spaced;

use super::cell::{Cell, LookAt, Rate, Runs};
use super::expect::{self, Expect};
use super::grid;
use super::instance::Instance;
use super::outcome::row_len;
use super::quantity::{DEFAULT, QUANTITIES, Quantity};
use crate::lab::budget;
use crate::lab::problem::{Document, Entry, ProblemError, Section, text_of};
use crate::lab::undefined::cause;

const KEYS: [&str; 8] =
    ["steps", "horizons", "first-horizon", "seeds", "look-at", "every-step", "fresh-minibatches", "record"];

/// More than this is a typing error.
const MOST_STEPS: usize = 1_000_000_000_000;
const MOST_HORIZONS: usize = 10_000;
const MOST_SEEDS: usize = 100_000;
const MOST_MINIBATCHES: usize = 1_000_000;

/// Seeds whose first step is tried: what is undefined by its making shows with the first.
const PROBED: usize = 16;

/// A plan whose every value makes sense, with all its cells.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The text of the file.
    pub text: String,
    /// The losses, under every normalisation that is asked for.
    pub instances: Vec<Instance>,
    /// What all runs have in common.
    pub runs: Runs,
    /// The columns of the results.
    pub record: Vec<Quantity>,
    /// The runs, in the order of the results.
    pub cells: Vec<Cell>,
    /// The rate that is expected of them, if one is.
    pub expect: Option<Expect>,
}

impl Plan {
    /// Reads a plan file. Other files that it names are looked for beside it.
    ///
    /// # Errors
    /// If a file cannot be read, or something in it is not as `docs/sweep-plan.md` says.
    pub fn read(path: &Path) -> Result<Self, ProblemError> {
        let text = text_of(path, "give a plan in TOML, as docs/sweep-plan.md describes it")?;
        Self::parse(&text, path)
    }

    /// The plan in a text; `path` is shown in errors, and the files it names are beside it.
    ///
    /// # Errors
    /// As [`Plan::read`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ProblemError> {
        let document = Document { path, text };
        let table = document.parse()?;
        let root = Section::root(document, &table, &["sweep", "grid", "instance", "expect"])?;
        let directory = path.parent().unwrap_or_else(|| Path::new(""));
        let sweep = root.section("sweep", &KEYS)?;
        let sweep = sweep.ok_or_else(|| root.missing("sweep", "give steps, horizons and seeds in [sweep]"))?;
        let grid_of = root.section("grid", &grid::KEYS)?;
        let grid_of = grid_of.ok_or_else(|| root.missing("grid", "give the axes in [grid]"))?;
        let defined = root.named("instance")?;
        let defined = defined.iter().map(|(name, entry)| Instance::read(name, entry, directory));
        let defined = defined.collect::<Result<Vec<_>, _>>()?;
        let runs = runs(&sweep)?;
        let (instances, cells) = grid::read(&grid_of, defined, seeds(&sweep)?, &runs)?;
        let record = record(&sweep, &runs, &instances)?;
        let expected = root.section("expect", &expect::KEYS)?;
        let expect = expected.map(|section| Expect::read(&section, &runs, &instances)).transpose()?;
        let plan = Self { text: text.to_owned(), instances, runs, record, cells, expect };
        plan.check_memory(&sweep)?;
        plan.probe(&grid_of)?;
        Ok(plan)
    }
}

impl Plan {
    /// Whether the results, made of all runs at once, fit into memory: as they were kept, as arrays and as text.
    fn check_memory(&self, sweep: &Section<'_>) -> Result<(), ProblemError> {
        // A number in the table has some twenty characters, and arrays are packed once.
        const WRITTEN: u128 = 40;
        let blocks = self.instances.iter().map(|of| of.loss().parameters().n_blocks()).max().unwrap_or(0);
        let columns = self.record.iter().map(|quantity| if quantity.per_block() { blocks } else { 1 }).sum::<usize>();
        let (cells, horizons) = (self.cells.len(), self.runs.horizons.len());
        let of_row = size_of::<f64>() as u128 * row_len(blocks) as u128 + WRITTEN * columns as u128;
        let what = format!("the results of {cells} runs at {horizons} horizons of up to {blocks} blocks");
        let fits = budget::check(what, of_row * cells as u128 * horizons as u128);
        fits.map_err(|error| sweep.fault("horizons", error.what, error.remedy))
    }

    /// Takes the first step of every instance, from the starts of a few seeds: a loss that is undefined there is no run
    /// that diverges.
    fn probe(&self, grid: &Section<'_>) -> Result<(), ProblemError> {
        for (place, instance) in self.instances.iter().enumerate() {
            let mut seeds = BTreeSet::new();
            for cell in self.cells.iter().filter(|cell| cell.instance == place) {
                if seeds.len() == PROBED || !seeds.insert(cell.seed) {
                    continue;
                }
                if let Some((why, remedy)) = cell.undefined(instance, &self.runs) {
                    let seed = cell.seed.map_or_else(String::new, |seed| format!(", seed {seed}"));
                    let of = &instance.normalisation;
                    let what = format!("{} ({of}){seed}: undefined before its first step, since {why}", instance.name);
                    return Err(grid.fault("instance", what, remedy));
                }
            }
        }
        Ok(())
    }
}

impl Cell {
    /// Why the first step is not defined, if it is not; and what to do.
    fn undefined(&self, instance: &Instance, runs: &Runs) -> Option<(String, &'static str)> {
        let (_, theta_0, generator) = self.prepared(instance, runs);
        let (loss, mut draws) = (instance.loss(), generator.clone());
        let one = Rate::ONE.schedule();
        let mut stepper = Stepper::new(loss, &theta_0, StepRule::Gradient, one, one, generator);
        stepper.step().err().filter(|error| error.what != NotFinite::Parameters)?;
        let mut permutation = Vec::new();
        let z = loss.minibatches().draw(&mut draws, &mut permutation);
        Some(cause(loss, instance.network(), z, &theta_0))
    }
}

fn runs(sweep: &Section<'_>) -> Result<Runs, ProblemError> {
    let n_steps = sweep.required("steps", "give T, the number of steps of every run")?.count(1, MOST_STEPS)?;
    let words = [("mean", LookAt::Mean), ("full-batch", LookAt::FullBatch)];
    let look_at = sweep.optional("look-at").map_or(Ok(LookAt::Mean), |entry| entry.choice(&words))?;
    let every_step = sweep.optional("every-step").map_or(Ok(false), |entry| entry.boolean())?;
    if every_step && look_at == LookAt::FullBatch {
        let remedy = "remove it, or look at the mean";
        return Err(sweep.fault("every-step", "look-at = \"full-batch\" looks at the horizons only", remedy));
    }
    let fresh = sweep.optional("fresh-minibatches").map_or(Ok(16), |entry| entry.count(1, MOST_MINIBATCHES))?;
    Ok(Runs {
        n_steps: n_steps as u64,
        horizons: horizons(sweep, n_steps)?,
        look_at,
        every_step,
        fresh_minibatches: fresh,
    })
}

/// A number of horizons, evenly spaced in ln t from `first-horizon` to T; or the horizons themselves.
fn horizons(sweep: &Section<'_>, n_steps: usize) -> Result<Vec<u64>, ProblemError> {
    let remedy = "give their number, as 40, or the steps themselves, as [0, 10, 100, 1000]";
    let entry = sweep.required("horizons", remedy)?;
    if !entry.is_array() {
        let n = entry.count(2, MOST_HORIZONS)?;
        let first = sweep.optional("first-horizon").map_or(Ok(1), |first| first.count(1, n_steps))?;
        return Ok(match first < n_steps {
            true => log_spaced(first as u64, n_steps as u64, n),
            false => vec![n_steps as u64],
        });
    }
    sweep.refuse("first-horizon", "the horizons are given")?;
    let mut horizons: Vec<u64> = Vec::new();
    for item in entry.items(remedy)? {
        let t = item.count(0, n_steps)? as u64;
        if horizons.last().is_some_and(|&last| t <= last) {
            return Err(item.fault(format!("{t} is not above the one before"), "give the horizons in ascending order"));
        }
        horizons.push(t);
    }
    if horizons.last() != Some(&(n_steps as u64)) {
        horizons.push(n_steps as u64);
    }
    Ok(horizons)
}

/// A number of seeds, 0, 1, ..; or the seeds themselves.
fn seeds(sweep: &Section<'_>) -> Result<Vec<u64>, ProblemError> {
    let remedy = "give their number, as 64 for the seeds 0 to 63, or the seeds themselves, as [7, 11]";
    let entry = sweep.required("seeds", remedy)?;
    if !entry.is_array() {
        return Ok((0..entry.count(1, MOST_SEEDS)? as u64).collect());
    }
    let items = entry.items(remedy)?;
    let mut known = std::collections::BTreeSet::new();
    let mut seeds = Vec::with_capacity(items.len());
    for item in &items {
        let seed = item.seed()?;
        if !known.insert(seed) {
            return Err(item.fault(format!("the seed {seed} is there already"), "a seed gives the same run every time"));
        }
        seeds.push(seed);
    }
    if seeds.is_empty() { Err(entry.fault("is empty", remedy)) } else { Ok(seeds) }
}

fn record(sweep: &Section<'_>, runs: &Runs, instances: &[Instance]) -> Result<Vec<Quantity>, ProblemError> {
    let Some(entry) = sweep.optional("record") else { return Ok(DEFAULT.to_vec()) };
    let mut wanted: Vec<Quantity> = Vec::new();
    for item in entry.items("give quantities, as [\"loss\", \"grad-sq\"]")? {
        let quantity = item.choice(&QUANTITIES)?;
        check(&item, quantity, runs, instances)?;
        if wanted.contains(&quantity) {
            return Err(item.fault("is recorded already", "remove the repetition"));
        }
        wanted.push(quantity);
    }
    if wanted.is_empty() {
        return Err(entry.fault("is empty", "record at least one quantity"));
    }
    Ok(wanted)
}

/// Whether any run knows the quantity.
pub(super) fn check(
    item: &Entry<'_>,
    quantity: Quantity,
    runs: &Runs,
    instances: &[Instance],
) -> Result<(), ProblemError> {
    let descent = |instance: &Instance| instance.is_full_batch();
    if quantity.is_running() && !runs.every_step && !instances.iter().any(descent) {
        return Err(item.fault("is a minimum or sum over every step", "set every-step = true"));
    }
    if quantity == Quantity::AngularUpdate && runs.look_at == LookAt::FullBatch && !instances.iter().any(descent) {
        return Err(item.fault("is not known under look-at = \"full-batch\"", "remove it, or look at the mean"));
    }
    Ok(())
}
