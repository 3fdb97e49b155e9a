//! `ratecheck bench`: how fast the engine is on this machine.

use std::time::Instant;

use serde::Serialize;

use super::console::Console;
use super::text::{columns, heading};
use super::{Exit, Stopped, pool};
use crate::lab::bench::{Measured, Subjects, SweepPlan, measure, reference_sweep, step_operations};

const EXAMPLES: &str = "\
Examples:
  ratecheck bench                                    half a minute
  ratecheck bench --repeats 50 --seeds 4             a quick look
  ratecheck bench --seeds 64 --json > bench.json     with the reference sweep of 320 runs";

/// What is measured, and how long.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// How often everything is repeated, a few milliseconds each time.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    repeats: u32,
    /// Runs of the sweep for each of its five schedules; the reference sweep has 64.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    seeds: u32,
    /// Steps of every run of the sweep; the reference sweep has 10,000.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(2..))]
    steps: u32,
    /// Threads of the second sweep (0: one per core).
    #[arg(long, default_value_t = 0)]
    jobs: usize,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// Everything that was measured.
#[derive(Serialize)]
struct Benchmarks {
    repeats: u32,
    work: Vec<Measured>,
    sweep: SweepPlan,
    sweeps: Vec<Swept>,
}

/// The sweep on some threads.
#[derive(Serialize)]
struct Swept {
    threads: usize,
    seconds: f64,
    /// Microseconds per step and run, recording included: the whole time by all steps of all runs.
    step: f64,
    /// Microseconds per step and run of the fastest eight in lockstep, which shared their core with nobody.
    best: f64,
    /// The operations of the steps' products alone in the fastest run, by the best speed of the 256 x 256 product.
    share: f64,
}

/// Measures and prints.
pub(super) fn run(arguments: &Arguments, console: Console) -> Result<Exit, Stopped> {
    let internal = |error: String| (Exit::Internal, format!("the work cannot be set up: {error}"));
    let subjects = Subjects::new().map_err(|error| internal(error.to_string()))?;
    let mut work = subjects.work().map_err(|error| internal(error.to_string()))?;
    let work = measure(&mut work, arguments.repeats as usize);
    let peak = work[0].gflops.unwrap_or(f64::NAN);
    let plan = SweepPlan { seeds: arguments.seeds as usize, n_steps: u64::from(arguments.steps) };
    let mut sweeps = Vec::new();
    for jobs in [1, arguments.jobs] {
        let pool = pool(jobs, console)?;
        let threads = pool.current_num_threads();
        if sweeps.iter().any(|one: &Swept| one.threads == threads) {
            continue;
        }
        let start = Instant::now();
        let runs = pool.install(|| reference_sweep(&subjects.small_sgd, &subjects.small, plan));
        let seconds = start.elapsed().as_secs_f64();
        let mut fastest = f64::INFINITY;
        for run in runs.map_err(|error| internal(error.to_string()))? {
            let run = run.map_err(|error| (Exit::Failed, format!("a run of the sweep {error}")))?;
            fastest = fastest.min(run.seconds);
        }
        let n_steps = plan.n_steps as f64;
        let step = 1e6 * seconds / (plan.n_runs() as f64 * n_steps);
        let best = 1e6 * fastest / n_steps;
        let share = step_operations() as f64 / (1e3 * best * peak);
        sweeps.push(Swept { threads, seconds, step, best, share });
    }
    let found = Benchmarks { repeats: arguments.repeats, work, sweep: plan, sweeps };
    if arguments.json {
        console.json(&found)?;
    } else {
        console.say_or(&table(&found), &last_line(&found))?;
    }
    Ok(Exit::Holds)
}

/// The one line that is left of it under --quiet.
fn last_line(found: &Benchmarks) -> String {
    let steps = found.sweeps.iter().map(|one| format!("{} on {} threads", time(one.step), one.threads));
    format!("per step and run of the sweep: {}\n", steps.collect::<Vec<_>>().join(", "))
}

/// The table for a reader.
fn table(found: &Benchmarks) -> String {
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let share = |share: f64| format!("{:.0} %", 100.0 * share);
    let mut rows = vec![["work", "best", "median", "GFLOP/s", "share"].map(str::to_owned).to_vec()];
    for one in &found.work {
        rows.push(vec![
            one.name.to_owned(),
            time(one.best),
            time(one.median),
            or_dash(one.gflops.map(|gflops| format!("{gflops:.1}"))),
            or_dash(one.share.map(share)),
        ]);
    }
    let plan = found.sweep;
    let title = format!("The sweep: {} runs of {} SGD steps, recorded at 40 horizons", plan.n_runs(), plan.n_steps);
    let mut swept = vec![
        ["threads", "seconds", "per step and run", "fastest run", "share", "speed-up"].map(str::to_owned).to_vec(),
    ];
    for one in &found.sweeps {
        let speed_up = found.sweeps[0].seconds / one.seconds;
        swept.push(vec![
            one.threads.to_string(),
            format!("{:.2}", one.seconds),
            time(one.step),
            time(one.best),
            share(one.share),
            format!("{speed_up:.2}"),
        ]);
    }
    format!(
        "{}\n\n{}\n{}\n\n{}\nOperations are those of products of matrices alone; a share is relative to the best 256 x \
         256 product.\n\
         On a busy machine the best times say most: other programs are not in them.\n",
        heading(&format!("One core, {} repeats", found.repeats)),
        columns(&rows, 1),
        heading(&title),
        columns(&swept, 0),
    )
}

/// Microseconds, as nanoseconds when there are few.
fn time(microseconds: f64) -> String {
    if microseconds < 1.0 { format!("{:.1} ns", 1e3 * microseconds) } else { format!("{microseconds:.2} µs") }
}
