//! `ratecheck experiment d1|d2|d3`: the paper's experiments.

use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::console::Console;
use super::parts::{part_ended, shard_ended};
use super::place::Place;
use super::slurm::{OnSlurm, Parted, place};
use super::sweep::stopped;
use super::text::{columns, counted, heading};
use super::{Exit, Stopped, pool};
use crate::claim::evidence::Profile;
use crate::lab::experiment::{
    Answer, Cell, DataSource, Fault, Figure, Pending, Plan, Table, Task, WIDTHS, collect, execute, forgotten, pending,
    probe, progress, take_over,
};
use crate::lab::sweep::{Places, Shard, Store, place_of};
use crate::report::{self, Shown, write_experiment};
use crate::text::{Kept, ReportError, number, plain, write};

mod preview;

use preview::preview;

const EXAMPLES: &str = "\
Examples:
  ratecheck experiment d1                             separate learning rates, in two minutes
  ratecheck experiment d2 --profile standard          one learning rate, within an hour
  ratecheck experiment d3 --data cifar-10-batches-bin --width 0.125
  ratecheck experiment d1 --data digits --dry-run     the trainings, and how long they will take
  ratecheck experiment d1 --print-plan > my.toml      a plan to change; give it in place of d1
  ratecheck experiment d3 --shard 1/4 --out part-1    a quarter of it, on one of four machines
  ratecheck experiment d3 --parts part-1 part-2 part-3 part-4 --out whole
  ratecheck experiment d3 --out out --part 3/8        a part; the last of them joins all
  ratecheck experiment d3 --out out --slurm           all parts, as jobs of a Slurm cluster

Images come from a directory of IDX files (MNIST, Fashion-MNIST) or of the binary version of CIFAR-10,
or from four IDX files of any name (--files); without either from Debian's dataset-fashion-mnist, or from the bundled \
digits where that is not there.
d3 needs the trainings of d1 and d2: what is there already is not run again. Stop it whenever you like.";

/// Which experiment, how large, and where to keep it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// d1, d2 or d3, or the file of a plan (TOML); docs/experiment.md describes it.
    #[arg(value_name = "WHAT")]
    what: PathBuf,
    /// How large: quick (two minutes), standard (within an hour), full (the paper's: large machines).
    #[arg(long, value_enum, default_value_t = Size::Quick)]
    profile: Size,
    /// The images: a directory, or `digits`.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The images, file by file in the IDX format: training images and labels, test images and labels.
    #[arg(
        long,
        value_names = ["IMAGES", "LABELS", "TEST_IMAGES", "TEST_LABELS"],
        num_args = 4,
        conflicts_with = "data"
    )]
    files: Vec<PathBuf>,
    /// The width of the network; 1 is the paper's.
    #[arg(long, value_name = "FACTOR", value_parser = width)]
    width: Option<f64>,
    /// How often every example is seen.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,
    /// How many starts: the seeds 0 to N - 1.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..1000))]
    seeds: Option<u32>,
    /// Print the plan as TOML, and run nothing.
    #[arg(long)]
    print_plan: bool,
    /// Print the trainings and an estimate of the time, and run nothing.
    #[arg(long)]
    dry_run: bool,
    /// Run a part: every n-th training, starting with the k-th.
    #[arg(long, value_name = "K/N", default_value_t = Shard::WHOLE)]
    shard: Shard,
    /// Run a part into a directory of its own below --out, without what any part has run; whichever part comes last
    /// joins them.
    #[arg(long, value_name = "K/N", conflicts_with = "shard")]
    part: Option<Shard>,
    #[command(flatten)]
    slurm: OnSlurm,
    /// Take over what is missing from these directories of parts.
    #[arg(long, value_name = "DIR", num_args = 1..)]
    parts: Vec<PathBuf>,
    /// Threads (0: one per core); the numbers do not depend on it.
    #[arg(long, default_value_t = 0)]
    jobs: usize,
    /// The directory of the trainings, with one for each experiment's page.
    #[arg(long, value_name = "DIR", default_value = "experiments")]
    out: PathBuf,
    #[command(flatten)]
    place: Place,
    /// Treat an undecided expectation as a failure (exit code 4).
    #[arg(long)]
    strict: bool,
    /// Print the trainings and the estimate, or the expectations with their answers, as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Size {
    Quick,
    Standard,
    Full,
}

impl From<Size> for Profile {
    fn from(size: Size) -> Self {
        match size {
            Size::Quick => Self::Quick,
            Size::Standard => Self::Standard,
            Size::Full => Self::Full,
        }
    }
}

fn width(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(width) if WIDTHS.contains(&width) => Ok(width),
        _ => Err("give a factor from 0.001 to 16, as 0.125".to_owned()),
    }
}

/// Runs what is missing, and shows the figure if it was not a part.
pub(super) fn run(arguments: &Arguments, console: Console) -> Result<Exit, Stopped> {
    let plan = plan(arguments)?;
    if arguments.print_plan {
        console.answer(&plan.toml())?;
        return Ok(Exit::Holds);
    }
    let unfit = |fault: Fault| (Exit::Input, located(fault, arguments));
    let task = plan.task().map_err(unfit)?;
    let cells = plan.cells(&task);
    let whole = Whole { plan: &plan, task: &task, cells: &cells, arguments };
    let pool = pool(arguments.jobs, console)?;
    let (threads, out) = (pool.current_num_threads(), &arguments.out);
    if let Some(objection) = task.guess().objection(plan.seen(), &plan.limits, task.n_classes) {
        console.note(&objection);
    }
    let shard = arguments.part.unwrap_or(arguments.shard);
    let lacking = pending(&cells, shard, &Places::of(out));
    pool.install(|| probe(&task, &lacking.cells)).map_err(unfit)?;
    // Trainings have threads of their own.
    drop(pool);
    if arguments.dry_run {
        return preview(&plan, &task, &lacking, threads, arguments.json, console);
    }
    if arguments.slurm.is_wanted() {
        whole.on_slurm(console)?;
        return whole.joined(console);
    }
    let here = arguments.part.map_or_else(|| out.clone(), |part| place_of(out, part));
    let store = Store::open_for(&here, Kept::Cells, arguments.place.locking()).map_err(stopped)?;
    take_over(&cells, &arguments.parts, &store).map_err(stopped)?;
    let found = pending(&cells, shard, &Places::of(out));
    if let Some(forgotten) = forgotten(&found).filter(|_| !arguments.parts.is_empty()) {
        return Err(stopped(forgotten));
    }
    if !arguments.json {
        console.say(&opening(&plan, &task, &found, &here))?;
    }
    let bar = bar(&plan, &found, console);
    let ran = execute(&task, &found.cells, threads, &store, || bar.inc(1));
    bar.finish_and_clear();
    ran.map_err(stopped)?;
    if let Some(part) = arguments.part {
        drop(store);
        let parts = progress(&cells, part.numbers().1, &Places::of(out));
        // A part has done its work, whatever the whole answers: a job that ends otherwise is one that failed.
        let joined = || whole.joined(console).map(|_| Exit::Holds);
        return part_ended(part, &parts, "training", arguments.json, console, joined);
    }
    if arguments.shard != Shard::WHOLE {
        let last =
            format!("The part {} is complete: give its directory to --parts, with the others.\n", arguments.shard);
        if arguments.json {
            return shard_ended(arguments.shard, found.done + found.cells.len(), console);
        }
        console.answer(&last)?;
        return Ok(Exit::Holds);
    }
    whole.shown(&store, console)
}

/// An experiment with all its trainings.
struct Whole<'a> {
    plan: &'a Plan,
    task: &'a Task,
    cells: &'a [Cell],
    arguments: &'a Arguments,
}

impl Whole<'_> {
    /// Has the jobs of a cluster run what is missing. They read the plan from a file, with all that the command line
    /// has set.
    fn on_slurm(&self, console: Console) -> Result<(), Stopped> {
        let Self { plan, cells, arguments, .. } = *self;
        let out = &arguments.out;
        let unwritten = |error: ReportError| (Exit::Output, error.to_string());
        let file = place(out).join("plan.toml");
        let whole = plan.clone().absolute().map_err(|error| (Exit::Input, error.to_string()))?;
        write(file.clone(), whole.toml().as_bytes()).map_err(unwritten)?;
        let parted = Parted { command: "experiment", plan: &file, name: plan.figure.name(), one: "training", out };
        let array = arguments.slurm.array(parted, arguments.jobs, arguments.place.locking())?;
        let keys = cells.iter().map(|cell| cell.key.as_str());
        let named = |n| Places::of(out).named(keys.clone(), n);
        let told = if arguments.json { console.hushed() } else { console };
        array.run(&|n| progress(cells, n, &Places::of(out)), &named, told)
    }

    /// Joins all parts, which are complete.
    fn joined(&self, console: Console) -> Result<Exit, Stopped> {
        let locking = self.arguments.place.locking();
        let store = Store::open_for(&self.arguments.out, Kept::Cells, locking).map_err(stopped)?;
        self.shown(&store, console)
    }

    /// Takes over what parts have run, and answers what the plan expects.
    fn shown(&self, store: &Store, console: Console) -> Result<Exit, Stopped> {
        let Self { plan, task, cells, arguments } = *self;
        let out = &arguments.out;
        take_over(cells, &Places::of(out).parts(), store).map_err(stopped)?;
        let found = collect(plan, cells, out).map_err(stopped)?;
        let asked = Table::of(plan, &found, task.guess());
        let command = format!("ratecheck experiment plan.toml --out {}", out.display());
        let shown = Shown { plan, task, cells, found: &found, asked: &asked, command: &command };
        let page = write_experiment(&shown, &out.join(plan.figure.name()));
        let page = page.map_err(|error| (Exit::Output, error.to_string()))?;
        if arguments.json {
            console.json(&asked)?;
        } else {
            let rows = asked.iter().map(report::row);
            let head = report::HEADER.map(str::to_owned).to_vec();
            let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
            console.say(&format!("\n{}\n{}\n", heading("Expectations"), columns(&rows, 2)))?;
            console.answer(&closing(&asked, &page))?;
        }
        Ok(exit(&asked, arguments.strict))
    }
}

/// The figure that is named, if it is no plan.
fn figure(what: &Path) -> Option<Figure> {
    what.to_str().and_then(|what| Figure::ALL.iter().find(|(name, _)| *name == what)).map(|&(_, figure)| figure)
}

/// What is wrong, with its place in the plan, if there is one.
fn located(fault: Fault, arguments: &Arguments) -> String {
    match figure(&arguments.what) {
        Some(_) => fault.to_string(),
        None => fault.in_plan(&arguments.what).to_string(),
    }
}

/// What the command line says.
fn plan(arguments: &Arguments) -> Result<Plan, Stopped> {
    let directory =
        |path: &PathBuf| path.to_str().map_or_else(|| DataSource::Directory(path.clone()), DataSource::parse);
    let files = <[PathBuf; 4]>::try_from(arguments.files.clone()).ok().map(DataSource::Files);
    let source = files.or_else(|| arguments.data.as_ref().map(directory));
    let mut plan = match figure(&arguments.what) {
        Some(figure) => Plan::preset(figure, arguments.profile.into(), source.unwrap_or_else(DataSource::found)),
        None => {
            let mut plan = Plan::read(&arguments.what).map_err(|error| (Exit::Input, error.to_string()))?;
            plan.source = source.unwrap_or(plan.source);
            plan
        }
    };
    plan.width = arguments.width.unwrap_or(plan.width);
    plan.n_epochs = arguments.epochs.map_or(plan.n_epochs, |n| n as usize);
    plan.seeds = arguments.seeds.map_or(plan.seeds, |n| (0..u64::from(n)).collect());
    Ok(plan)
}

fn exit(asked: &[Table], strict: bool) -> Exit {
    let any = |answer| asked.iter().any(|asked| asked.answer == answer);
    if any(Answer::No) {
        Exit::Failed
    } else if strict && any(Answer::Undecided) {
        Exit::Inconclusive
    } else {
        Exit::Holds
    }
}

fn opening(plan: &Plan, task: &Task, found: &Pending<'_>, out: &Path) -> String {
    let (source, steps, classes) = (plan.source.text(), number::count(plan.n_steps()), task.n_classes);
    let guess = task.guess();
    let mut text = format!(
        "{}, {steps} steps a training; {classes} classes, among which guessing has a loss of {:.3} and an accuracy of \
         {:.3}\n",
        plain::plain(&source),
        guess.loss,
        guess.accuracy
    );
    if found.damaged > 0 {
        text += &format!("{} in {} cannot be used: run again.\n", counted(found.damaged, "file"), plain::path(out));
    }
    text + &match (found.done, found.cells.len()) {
        (done, 0) => format!("All {done} trainings are there already: nothing to run.\n"),
        (0, missing) => format!("{missing} trainings.\n"),
        (done, missing) => format!("{done} trainings are there already; {missing} to go.\n"),
    }
}

fn closing(asked: &[Table], page: &Path) -> String {
    let of = |answer| asked.iter().filter(|asked| asked.answer == answer).count();
    let (yes, no, open) = (of(Answer::Yes), of(Answer::No), of(Answer::Undecided));
    let undecided = if open > 0 { format!(", {open} undecided") } else { String::new() };
    let missed = if no > 0 { format!(", {no} missed") } else { String::new() };
    format!("{yes} of {} met{missed}{undecided}: {}\n", counted(asked.len(), "expectation"), plain::path(page))
}

fn bar(plan: &Plan, found: &Pending<'_>, console: Console) -> ProgressBar {
    let length = (found.cells.len() * plan.n_epochs) as u64;
    let bar = ProgressBar::with_draw_target(Some(length), console.progress());
    if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} epochs  {elapsed}, {eta} left") {
        bar.set_style(style);
    }
    if !bar.is_hidden() {
        bar.enable_steady_tick(Duration::from_millis(200));
    }
    bar
}
