//! `ratecheck sweep PLAN.toml`: many runs, none of which is lost.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::answer::{complete, shown, so_far};
use super::console::Console;
use super::parts::{part_ended, shard_ended};
use super::place::Place;
use super::slurm::{OnSlurm, Parted};
use super::text::{columns, heading};
use super::{Exit, Stopped, pool};
use crate::lab::sweep::{
    Answer, Cell, Estimate, Pending, Places, Plan, Setting, Shard, Store, SweepError, execute, finish, pending,
    place_of, progress, together,
};
use crate::text::{Kept, number, plain};

const EXAMPLES: &str = "\
Examples:
  ratecheck sweep examples/sweeps/problem-j.toml --dry-run   the cells, and how long they will take
  ratecheck sweep examples/sweeps/problem-j.toml --out j     the table; j/index.html, j/runs.csv
  ratecheck sweep examples/sweeps/problem-j.toml --out j     again: nothing is left to do
  ratecheck sweep examples/sweeps/problem-j.toml --out j --show   what is there so far
  ratecheck sweep plan.toml --shard 1/2 --out part-1         half of it; the other half elsewhere
  ratecheck merge part-1 part-2 --out whole                  the same bits as one run
  ratecheck sweep plan.toml --out out --part 3/8             a part; the last of them joins all
  ratecheck sweep plan.toml --out out --slurm --tasks 8      all parts, as jobs of a Slurm cluster

Stop it with Ctrl-C, or in any other way, whenever you like: the same command goes on where it was,
and the results have the same bits as if nothing had happened.";

/// Which plan, which part of it, and where to keep it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The plan (TOML); docs/sweep-plan.md describes it.
    #[arg(value_name = "PLAN.toml")]
    plan: PathBuf,
    /// Print the cells and an estimate of the time, and run nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print the table of what is there, and run nothing.
    #[arg(long, conflicts_with = "dry_run")]
    show: bool,
    /// Run a part: every n-th cell, starting with the k-th. `ratecheck merge` joins the parts.
    #[arg(long, value_name = "K/N", default_value_t = Shard::WHOLE)]
    shard: Shard,
    /// Run a part into a directory of its own below --out, without what any part has run; whichever part comes last
    /// joins them.
    #[arg(long, value_name = "K/N", conflicts_with = "shard")]
    part: Option<Shard>,
    #[command(flatten)]
    slurm: OnSlurm,
    /// Threads (0: one per core); the numbers do not depend on it.
    #[arg(long, default_value_t = 0)]
    jobs: usize,
    /// The directory of the cells and the results [default: sweeps/ and the name of the plan].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// Treat an inconclusive verdict on what the plan expects as a failure (exit code 4).
    #[arg(long)]
    strict: bool,
    /// Print the cells and the estimate, or where the results are, as JSON.
    #[arg(long)]
    json: bool,
}

/// Which way a sweep or a merge ended early.
pub(super) fn stopped(error: impl Into<SweepError>) -> Stopped {
    let error = error.into();
    let exit = match &error {
        SweepError::Plan(_) | SweepError::Part(_) => Exit::Input,
        SweepError::Busy(_) => Exit::Busy,
        SweepError::Place(_) | SweepError::Write(_) => Exit::Output,
    };
    (exit, error.to_string())
}

/// Runs what is missing, and writes the results if it was not a part.
pub(super) fn run(arguments: &Arguments, console: Console) -> Result<Exit, Stopped> {
    let plan = Plan::read(&arguments.plan).map_err(stopped)?;
    // Plans called `..toml` and `...toml` have the stems `.` and `..`, which are places of their own.
    let stem = arguments.plan.file_stem().filter(|stem| *stem != "." && *stem != "..").unwrap_or("plan".as_ref());
    let out = arguments.out.clone().unwrap_or_else(|| Path::new("sweeps").join(stem));
    let shard = arguments.part.unwrap_or(arguments.shard);
    if arguments.dry_run {
        let (pool, found) = (pool(arguments.jobs, console)?, pending(&plan, shard, &Places::of(&out)));
        return preview(&plan, &found, pool.current_num_threads(), arguments.json, console);
    }
    if arguments.show {
        let pool = pool(arguments.jobs, console)?;
        let answer = pool.install(|| Answer::found(&plan, &Places::of(&out)));
        return so_far(&answer, arguments.strict, arguments.json, console);
    }
    if arguments.slurm.is_wanted() {
        let name = arguments.plan.file_stem().unwrap_or_default().to_string_lossy();
        let parted = Parted { command: "sweep", plan: &arguments.plan, name: &name, one: "run", out: &out };
        let array = arguments.slurm.array(parted, arguments.jobs, arguments.place.locking())?;
        let keys = plan.cells.iter().map(|cell| cell.key.as_str());
        let named = |n| Places::of(&out).named(keys.clone(), n);
        let told = if arguments.json { console.hushed() } else { console };
        array.run(&|n| progress(&plan, n, &Places::of(&out)), &named, told)?;
        return joined(arguments, &plan, &out, console);
    }
    let here = arguments.part.map_or_else(|| out.clone(), |part| place_of(&out, part));
    let store = Store::open_for(&here, Kept::Cells, arguments.place.locking()).map_err(stopped)?;
    let found = pending(&plan, shard, &Places::of(&out));
    let pool = pool(arguments.jobs, console)?;
    if !arguments.json {
        console.say(&opening(&found, &here))?;
    }
    let bar = bar(&plan, &found, pool.current_num_threads(), console);
    let ran = pool.install(|| execute(&plan, &found.cells, &store, |cell, _| bar.advance(cell)));
    bar.bar.finish_and_clear();
    ran.map_err(stopped)?;
    if let Some(part) = arguments.part {
        drop(store);
        let parts = progress(&plan, part.numbers().1, &Places::of(&out));
        if !arguments.json && parts.iter().any(|of| !of.is_complete()) {
            there(&plan, &out, &pool, console)?;
        }
        return part_ended(part, &parts, "run", arguments.json, console, || joined(arguments, &plan, &out, console));
    }
    if arguments.shard != Shard::WHOLE {
        if arguments.json {
            return shard_ended(arguments.shard, found.done + found.cells.len(), console);
        }
        there(&plan, &out, &pool, console)?;
        console
            .answer(&format!("The part {} is complete: join all parts with `ratecheck merge`.\n", arguments.shard))?;
        return Ok(Exit::Holds);
    }
    finished(arguments, &plan, &store, &pool, console)
}

/// Makes the results of what is all there, and says what they show.
fn finished(
    arguments: &Arguments,
    plan: &Plan,
    store: &Store,
    pool: &rayon::ThreadPool,
    console: Console,
) -> Result<Exit, Stopped> {
    let written = pool.install(|| finish(plan, &Places::of(store.dir()), store)).map_err(stopped)?;
    complete(&written, store, arguments.strict, arguments.json, console)
}

/// The table of what is there, where that is not all.
fn there(plan: &Plan, out: &Path, pool: &rayon::ThreadPool, console: Console) -> Result<(), Stopped> {
    let answer = pool.install(|| Answer::found(plan, &Places::of(out)));
    console.say(&format!("\n{}\n", shown(&answer)))
}

/// Joins all parts, which are complete.
fn joined(arguments: &Arguments, plan: &Plan, out: &Path, console: Console) -> Result<Exit, Stopped> {
    let store = Store::open_for(out, Kept::Cells, arguments.place.locking()).map_err(stopped)?;
    finished(arguments, plan, &store, &pool(arguments.jobs, console.hushed())?, console)
}

/// What would be run, and how long it would take.
fn preview(plan: &Plan, found: &Pending<'_>, threads: usize, json: bool, console: Console) -> Result<Exit, Stopped> {
    let estimate = Estimate::measure(plan, together(found.cells.len(), threads));
    let preview = Preview::of(plan, found, &estimate, threads);
    if json {
        console.json(&preview)?;
    } else {
        console.say(&preview.table())?;
        console.answer(&preview.last_line())?;
    }
    Ok(Exit::Holds)
}

/// What is there already.
fn opening(found: &Pending<'_>, out: &Path) -> String {
    let mut text = String::new();
    for (n, how) in [(found.broken, "cut short or changed"), (found.foreign, "of another cell")] {
        if n > 0 {
            text += &format!("{n} of the files in {} are {how}: run again.\n", plain::path(out));
        }
    }
    text + &match (found.done, found.cells.len()) {
        (done, 0) => format!("All {done} runs are there already: nothing to do.\n"),
        (0, missing) => format!("{missing} runs.\n"),
        (done, missing) => format!("{done} runs are there already; {missing} to go.\n"),
    }
}

/// The bar counts thousandths of seconds on one thread, as they were estimated:
/// cells of several kinds take several times.
struct Progress {
    bar: ProgressBar,
    estimate: Option<Estimate>,
}

impl Progress {
    fn advance(&self, cell: &Cell) {
        if let Some(estimate) = &self.estimate {
            self.bar.inc(weight(estimate, cell));
        }
    }
}

fn weight(estimate: &Estimate, cell: &Cell) -> u64 {
    (estimate.of(cell) * 1e3).ceil() as u64
}

/// On a terminal only; nothing is measured for a bar that no one sees.
fn bar(plan: &Plan, found: &Pending<'_>, threads: usize, console: Console) -> Progress {
    let hidden = || Progress { bar: ProgressBar::hidden(), estimate: None };
    let bar = ProgressBar::with_draw_target(None, console.progress());
    if bar.is_hidden() || found.cells.is_empty() {
        return hidden();
    }
    let estimate = Estimate::measure(plan, together(found.cells.len(), threads));
    bar.set_length(found.cells.iter().map(|cell| weight(&estimate, cell)).sum());
    if let Ok(style) = ProgressStyle::with_template("{bar:24} {percent:>3} %  {elapsed}, {eta} left  {msg}") {
        bar.set_style(style);
    }
    bar.set_message(format!("{} runs on {threads} threads", found.cells.len()));
    bar.enable_steady_tick(Duration::from_millis(200));
    Progress { bar, estimate: Some(estimate) }
}

/// What is to be done, as data.
#[derive(Serialize)]
struct Preview {
    sets: Vec<Set>,
    runs: usize,
    steps: u64,
    horizons: usize,
    missing: usize,
    threads: usize,
    /// Seconds that the missing runs will take on these threads, about.
    seconds: f64,
}

/// Runs that differ in their seeds only.
#[derive(Serialize)]
struct Set {
    #[serde(flatten)]
    setting: Setting,
    runs: usize,
    missing: usize,
    /// Seconds that one run will take, about.
    each: f64,
}

impl Preview {
    fn of(plan: &Plan, found: &Pending<'_>, estimate: &Estimate, threads: usize) -> Self {
        let missing: BTreeSet<&str> = found.cells.iter().map(|cell| cell.key.as_str()).collect();
        let same = |a: &Cell, b: &Cell| {
            (a.instance, &a.rule_in_words, a.eta_w, a.eta_g) == (b.instance, &b.rule_in_words, b.eta_w, b.eta_g)
        };
        let set = |group: &[Cell]| Set {
            setting: Setting::of(plan, &group[0]),
            runs: group.len(),
            missing: group.iter().filter(|cell| missing.contains(cell.key.as_str())).count(),
            each: estimate.of(&group[0]),
        };
        let seconds: f64 = found.cells.iter().map(|cell| estimate.of(cell)).sum();
        // Runs are not cut: with fewer of them than threads some threads stay idle.
        let busy = threads.min(found.cells.len()).max(1);
        Self {
            sets: plan.cells.chunk_by(|a, b| same(a, b)).map(set).collect(),
            runs: found.done + found.cells.len(),
            steps: plan.runs.n_steps,
            horizons: plan.runs.horizons.len(),
            missing: found.cells.len(),
            threads,
            seconds: seconds / busy as f64,
        }
    }

    /// A line per set.
    fn table(&self) -> String {
        let of_setting = ["instance", "normalisation", "rule", "eta_w", "alpha", "growth", "eta_g", "alpha_g"];
        // A column for rates that grow, where any does.
        let grows = self.sets.iter().any(|set| set.setting.growth != 1.0);
        let shown = |(k, _): &(usize, String)| grows || of_setting[*k] != "growth";
        let only = |fields: [String; 8]| fields.into_iter().enumerate().filter(shown).map(|(_, field)| field);
        let head = only(of_setting.map(str::to_owned)).chain(["runs", "missing", "each"].map(str::to_owned));
        let row = |set: &Set| {
            let mut row: Vec<String> = only(set.setting.fields(number::NONE)).collect();
            row.extend([set.runs.to_string(), set.missing.to_string(), number::duration(set.each)]);
            row
        };
        let rows: Vec<_> = std::iter::once(head.collect()).chain(self.sets.iter().map(row)).collect();
        format!("{}\n{}\n", heading("Cells"), columns(&rows, 3))
    }

    fn last_line(&self) -> String {
        let Self { runs, steps, horizons, missing, threads, seconds, .. } = self;
        format!(
            "{runs} runs of {steps} steps, {horizons} horizons; {missing} are missing: about {} on {threads} threads, \
             by a few steps of each instance\n",
            number::duration(*seconds),
        )
    }
}
