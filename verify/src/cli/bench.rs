//! `ratecheck bench`: how fast the engine is on this machine.

use std::path::PathBuf;
use std::time::Instant;

use ratecheck::descent::Lockstep;
use serde::Serialize;

use super::console::Console;
use super::text::{columns, counted, heading};
use super::{Exit, Stopped, pool};
use crate::lab::bench::{
    Bound, Limits, Measured, Numbers, SECOND, ScalingError, Subjects, SweepPlan, lockstep_step, measure,
    reference_sweep, scaling,
};
use crate::report::{rule, write_scaling};
use crate::text::plain;

const EXAMPLES: &str = "\
Examples:
  ratecheck bench                                   half a minute
  ratecheck bench --repeats 30 --seeds 4            a quick look
  ratecheck bench --seeds 64 --json > bench.json    with the reference sweep of 320 runs
  ratecheck bench --scaling --out scaling           time and memory against size, as a page";

/// What is measured, and how long.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// How often everything is repeated, a few milliseconds each time.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
    repeats: u32,
    /// Runs of the sweep for each of its five schedules; the reference sweep has 64.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    seeds: u32,
    /// Steps of every run of the sweep; the reference sweep has 10,000.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(2..))]
    steps: u32,
    /// Threads of what is measured on several as well as on one (0: one per core).
    #[arg(long, default_value_t = 0)]
    jobs: usize,
    /// Measure instead how time and memory grow with parameters, batch, steps, threads and cells, and write a page:
    /// some minutes.
    #[arg(long, conflicts_with_all = ["repeats", "seeds", "steps"])]
    scaling: bool,
    /// The directory of that page [default: reports/latest/scaling].
    #[arg(long, value_name = "DIR", requires = "scaling")]
    out: Option<PathBuf>,
    /// A size that would take longer than so many seconds is extrapolated.
    #[arg(long, value_name = "SECONDS", requires = "scaling", default_value_t = 60.0)]
    most: f64,
    /// What else is true of the machine and should stand on the page, as that it was shared.
    #[arg(long, value_name = "TEXT", requires = "scaling")]
    note: Option<String>,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// Everything that was measured.
#[derive(Serialize)]
struct Benchmarks {
    repeats: u32,
    limits: Vec<Limits>,
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
    /// The limit that binds.
    bound: Bound,
    /// Microseconds per step and run that this limit allows these threads; recording is not counted.
    limit: f64,
    /// That by `step`.
    share: f64,
}

/// Measures and prints.
pub(super) fn run(arguments: &Arguments, console: Console) -> Result<Exit, Stopped> {
    if arguments.scaling {
        return scale(arguments, console);
    }
    let internal = |error: String| (Exit::Internal, format!("the work cannot be set up: {error}"));
    let subjects = Subjects::new().map_err(|error| internal(error.to_string()))?;
    let all = pool(arguments.jobs, console)?;
    let work = subjects.work(&all).map_err(|error| internal(error.to_string()))?;
    let measured = measure(work, &all, arguments.repeats as usize);
    let plan = SweepPlan { seeds: arguments.seeds as usize, n_steps: u64::from(arguments.steps) };
    let alone = pool(1, console)?;
    let mut sweeps = Vec::new();
    for (limits, pool) in measured.limits.iter().zip([&alone, &all]) {
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
        let (least, bound) = limits.least(lockstep_step(), Numbers::Double);
        let limit = 1e6 * least / Lockstep::RUNS as f64;
        let (threads, best) = (limits.threads, 1e6 * fastest / n_steps);
        sweeps.push(Swept { threads, seconds, step, best, bound, limit, share: limit / step });
    }
    let repeats = arguments.repeats;
    let found = Benchmarks { repeats, limits: measured.limits, work: measured.work, sweep: plan, sweeps };
    if arguments.json {
        console.json(&found)?;
    } else {
        console.say_or(&table(&found), &last_line(&found))?;
    }
    Ok(Exit::Holds)
}

/// Measures how things grow, and writes the page.
fn scale(arguments: &Arguments, console: Console) -> Result<Exit, Stopped> {
    let all = pool(arguments.jobs, console)?;
    let stopped = |error: ScalingError| match error {
        ScalingError::Work(_) => (Exit::Internal, error.to_string()),
        ScalingError::Command(_) => (Exit::Output, format!("{error}; is there room for 100,000 cells?")),
    };
    let program = std::env::current_exe().map_err(|error| stopped(error.into()))?;
    let found = scaling(&all, &program, arguments.most).map_err(stopped)?;
    let out = arguments.out.clone().unwrap_or_else(|| "reports/latest/scaling".into());
    let mut command = format!("ratecheck bench --scaling --out {}", plain::path(&out));
    if let Some(note) = &arguments.note {
        command += &format!(" --note '{}'", note.replace('\'', r"'\''"));
    }
    let page = write_scaling(&found, arguments.note.as_deref(), &command, &out)
        .map_err(|error| (Exit::Output, error.to_string()))?;
    if arguments.json {
        console.json(&found)?;
    } else {
        let rule = rule(&found);
        console
            .say_or(&format!("{rule}\n\nThe page, with the plots: {}\n", plain::path(&page)), &format!("{rule}\n"))?;
    }
    Ok(Exit::Holds)
}

/// The one line that is left of it under --quiet.
fn last_line(found: &Benchmarks) -> String {
    let steps = found.sweeps.iter().map(|one| format!("{} on {}", time(one.step), counted(one.threads, "thread")));
    format!("per step and run of the sweep: {}\n", steps.collect::<Vec<_>>().join(", "))
}

/// The tables for a reader, in at most 80 columns.
fn table(found: &Benchmarks) -> String {
    let plan = found.sweep;
    let title = format!("The sweep: {} runs of {} SGD steps, recorded at 40 horizons", plan.n_runs(), plan.n_steps);
    format!(
        "{}\n\n{}\n{}\n\n{}\n{}\n\n{}\n{NOTES}",
        heading("What this machine can do at best"),
        columns(&limits(&found.limits), 1),
        heading(&format!("What the engine does of it, {} repeats in turns with the limits", found.repeats)),
        columns(&work(&found.work), 1),
        heading(&title),
        columns(&sweeps(&found.sweeps), 0),
    )
}

/// What stands below the tables.
const NOTES: &str = "\
share: the least time within the limits, by the best time; for the sweep by the
time per step and run. bound: the limit that is slower, multiply-adds or loads.
Counted are the operations of products of matrices, two a multiply-add, and the
bytes of their factors and results. Normalisation, tanh, divisions and drawing
are not: they come on top, so small networks stay far below 100 %. On a busy
machine the best times say most: other programs are not in them.
";

/// A limit a row, a column for each number of threads.
fn limits(found: &[Limits]) -> Vec<Vec<String>> {
    let mut rows = vec![vec!["limit".to_owned()]];
    rows[0].extend(found.iter().map(|limits| counted(limits.threads, "thread")));
    for (k, peak) in found[0].multiply_adds.iter().enumerate() {
        let numbers = match peak.numbers {
            Numbers::Double => "double",
            Numbers::Single => "single",
        };
        let mut row = vec![format!("multiply-adds, {}-bit registers, {numbers}", peak.bits)];
        row.extend(found.iter().map(|limits| format!("{:.1} GFLOP/s", limits.multiply_adds[k].gflops)));
        rows.push(row);
    }
    for (name, held) in [("first", 1 << 14), ("second", SECOND)] {
        let mut row = vec![format!("loads, {name} cache ({} KB)", held >> 10)];
        row.extend(found.iter().map(|limits| format!("{:.1} GB/s", limits.gigabytes(held))));
        rows.push(row);
    }
    rows
}

/// Every piece of work below the name of what it is done on.
fn work(found: &[Measured]) -> Vec<Vec<String>> {
    let mut rows = vec![["work", "best", "median", "GFLOP/s", "share", "bound"].map(str::to_owned).to_vec()];
    let mut group = "";
    for one in found {
        if one.group != group {
            group = one.group;
            rows.push(vec![group.to_owned()]);
        }
        rows.push(vec![
            format!("  {}", one.name),
            time(one.best),
            time(one.median),
            format!("{:.1}", one.gflops),
            percent(one.share),
            bound(one.bound).to_owned(),
        ]);
    }
    rows
}

fn sweeps(found: &[Swept]) -> Vec<Vec<String>> {
    let mut rows = vec![
        ["threads", "seconds", "per step and run", "fastest run", "share", "bound", "speed-up"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for one in found {
        rows.push(vec![
            one.threads.to_string(),
            format!("{:.2}", one.seconds),
            time(one.step),
            time(one.best),
            percent(one.share),
            bound(one.bound).to_owned(),
            format!("{:.2}", found[0].seconds / one.seconds),
        ]);
    }
    rows
}

fn bound(bound: Bound) -> &'static str {
    match bound {
        Bound::MultiplyAdds => "multiply-adds",
        Bound::Loads => "loads",
    }
}

/// Whole per cent, tenths of small ones.
fn percent(share: f64) -> String {
    if share < 0.1 { format!("{:.1} %", 100.0 * share) } else { format!("{:.0} %", 100.0 * share) }
}

/// Microseconds as three digits in the unit that suits them.
fn time(microseconds: f64) -> String {
    let (number, unit) = match microseconds {
        few if few < 1.0 => (1e3 * few, "ns"),
        some if some < 1e3 => (some, "µs"),
        many => (1e-3 * many, "ms"),
    };
    let places = if number < 10.0 { 2 } else { usize::from(number < 100.0) };
    format!("{number:.places$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_shares_are_short() {
        assert_eq!(
            [0.03456, 3.456, 34.56, 345.6, 3456.0].map(time),
            ["34.6 ns", "3.46 µs", "34.6 µs", "346 µs", "3.46 ms"]
        );
        assert_eq!([0.0123, 0.0949, 0.1, 1.0].map(percent), ["1.2 %", "9.5 %", "10 %", "100 %"]);
    }
}
