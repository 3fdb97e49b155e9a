//! What an experiment would run, and how long that would take.

use std::time::Instant;

use serde::Serialize;

use crate::cli::console::Console;
use crate::cli::text::{columns, counted, heading};
use crate::cli::{Exit, Stopped};
use crate::lab::experiment::{Cell, Pending, Plan, Task};
use crate::text::number;

/// What is to be done, as data.
#[derive(Serialize)]
struct Preview {
    sets: Vec<Set>,
    trainings: usize,
    missing: usize,
    steps: u64,
    threads: usize,
    /// Seconds that the missing ones will take on these threads, about.
    seconds: f64,
}

/// Trainings that differ in their seeds only.
#[derive(Serialize)]
struct Set {
    setting: &'static str,
    eta_w: f64,
    eta_g: f64,
    missing: usize,
}

pub(super) fn preview(
    plan: &Plan,
    task: &Task,
    found: &Pending<'_>,
    threads: usize,
    json: bool,
    console: Console,
) -> Result<Exit, Stopped> {
    let set = |of_rate: &[&Cell]| {
        let Cell { setting, etas: [eta_w, eta_g], .. } = *of_rate[0];
        Set { setting: setting.name(), eta_w, eta_g, missing: of_rate.len() }
    };
    let same = |a: &&Cell, b: &&Cell| (a.setting, a.etas) == (b.setting, b.etas);
    let each = found.cells.first().map_or(0.0, |cell| seconds_of(plan, task, cell));
    // Trainings are not cut: with fewer of them than threads each has several, which helps less.
    let seconds = each * found.cells.len().div_ceil(threads) as f64;
    let preview = Preview {
        sets: found.cells.chunk_by(same).map(set).collect(),
        trainings: found.done + found.cells.len(),
        missing: found.cells.len(),
        steps: plan.n_steps(),
        threads,
        seconds,
    };
    if json {
        console.json(&preview)?;
        return Ok(Exit::Holds);
    }
    let head = ["setting", "eta_w", "eta_g", "missing"].map(str::to_owned).to_vec();
    let row = |set: &Set| {
        vec![set.setting.to_owned(), number::exact(set.eta_w), number::exact(set.eta_g), set.missing.to_string()]
    };
    let rows: Vec<_> = std::iter::once(head).chain(preview.sets.iter().map(row)).collect();
    console.say(&format!("{}\n{}\n", heading("Trainings"), columns(&rows, 1)))?;
    console.answer(&format!(
        "{} trainings of {} steps on {}; {} missing: about {} on {}, by a short training\n",
        preview.trainings,
        number::count(preview.steps),
        plan.source.text(),
        preview.missing,
        number::duration(seconds),
        counted(threads, "thread"),
    ))?;
    Ok(Exit::Holds)
}

/// Of one training on one thread, by a few steps and a test of it.
fn seconds_of(plan: &Plan, task: &Task, cell: &Cell) -> f64 {
    const STEPS: usize = 5;
    let n = (STEPS * task.batch).min(task.train.n_examples());
    let short = Task { train: std::sync::Arc::new(task.train.first(n)), n_epochs: 2, ..task.clone() };
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let start = Instant::now();
    // A training that cannot be run takes no time; running it says why.
    let _ = match one_thread {
        Ok(pool) => pool.install(|| cell.train(&short, || {})),
        Err(_) => cell.train(&short, || {}),
    };
    let tested = 2.0 * task.test.n_examples() as f64 / 3.0; // a test is the forward pass, about a third of a step
    let seen = (2 * (n / task.batch) * task.batch) as f64 + tested;
    let wanted = plan.n_steps() as f64 * plan.batch as f64 + plan.n_epochs as f64 * task.test.n_examples() as f64 / 3.0;
    start.elapsed().as_secs_f64() * wanted / seen
}
