//! `ratecheck constants`: the smoothness constants of one problem, from below and from above.

use std::path::PathBuf;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::console::Console;
use super::source::ProblemArgs;
use super::text::{columns, heading};
use super::{DEFAULT_SEED, Exit, Stopped, pool};
use crate::lab::constants::{Constants, Kind, Options, RadiusFrom, bracket};
use crate::text::{number, plain};

/// Constants shown one by one; with more of them the largest of every pair of layers is, unless --verbose is given.
const ROWS: usize = 24;

const EXAMPLES: &str = "\
Examples:
  ratecheck constants --instance bn-regression
  ratecheck constants --problem net.toml --out reports/net    also a page, with plots
  ratecheck constants --instance 8-16-16-1 --points 20        629 constants, in a minute or two";

/// Which problem, how hard to search, and where to write.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    source: ProblemArgs,
    /// Print everything as JSON, every number at full precision.
    #[arg(long)]
    json: bool,
    /// The root of the seed tree; the same seed gives the same numbers.
    #[arg(long, default_value_t = DEFAULT_SEED, value_parser = super::seed)]
    seed: u64,
    /// Random points of the domain; the ascents start at the best of them [default: 100].
    #[arg(long, value_name = "N", value_parser = count::<MOST_POINTS>)]
    points: Option<usize>,
    /// Ascents per constant [default: 8; 1 if there are more than 100 constants].
    #[arg(long, value_name = "N", value_parser = count::<MOST_POINTS>)]
    restarts: Option<usize>,
    /// Hessian-vector products, and gradients of them, that one ascent may take [default: 2000; 200 if there are more
    /// than 100 constants]; where a bound is proved by branch and bound, each also stands for a hundred boxes.
    #[arg(long, value_name = "N", value_parser = count::<MOST_EVALUATIONS>)]
    evaluations: Option<usize>,
    /// Threads (0: one per core); the numbers do not depend on it.
    #[arg(long, default_value_t = 0)]
    jobs: usize,
    /// Write the page with its plots, the JSON and a table in CSV into this directory.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// More points, or ascents, are days of work on the smallest problem.
const MOST_POINTS: usize = 1_000_000;
/// And so are more evaluations.
const MOST_EVALUATIONS: usize = 1_000_000_000;

fn count<const MOST: usize>(text: &str) -> Result<usize, String> {
    let fits = |n: &usize| (1..=MOST).contains(n);
    text.parse().ok().filter(fits).ok_or_else(|| format!("give a whole number from 1 to {MOST}"))
}

/// Searches, proves, prints and writes.
pub(super) fn run(arguments: &Arguments, console: Console) -> Result<Exit, Stopped> {
    let problem = arguments.source.load()?;
    let default = Options::for_problem(&problem, arguments.seed);
    let search = Options {
        points: arguments.points.unwrap_or(default.points),
        restarts: arguments.restarts.unwrap_or(default.restarts),
        evaluations: arguments.evaluations.unwrap_or(default.evaluations),
        ..default
    };
    let fits = search.check_memory(problem.loss.parameters());
    fits.map_err(|error| (Exit::Input, format!("{}: {error}", arguments.source.shown())))?;
    // Shown on a terminal only, and gone before anything is printed.
    let spinner = ProgressBar::with_draw_target(None, console.progress());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}  {elapsed}") {
        spinner.set_style(style);
    }
    spinner.set_message(format!("searching the constants of {}", problem.name));
    if !spinner.is_hidden() {
        spinner.enable_steady_tick(Duration::from_millis(200));
    }
    let found = pool(arguments.jobs, console)?.install(|| bracket(&problem, &search));
    spinner.finish_and_clear();
    let found = found.map_err(|error| (Exit::Input, format!("{}: {error}", arguments.source.shown())))?;
    if arguments.json {
        console.json(&found)?;
    } else {
        let rows = if console.is_verbose() { usize::MAX } else { ROWS };
        console.say_or(&shown(&found, rows), &last_line(&found))?;
    }
    if let Some(directory) = &arguments.out {
        let command = format!("{} {}", arguments.source.arguments(), as_arguments(&search));
        let written = crate::report::write_constants(&found, &command, directory);
        let page = written.map_err(|error| (Exit::Output, error.to_string()))?;
        if !arguments.json {
            console.say(&format!("\nThe page: {}\n", plain::path(&page)))?;
        }
    }
    match found.contradictions().next() {
        None => Ok(Exit::Holds),
        Some(bad) => {
            let name = label(bad.kind, [&bad.parts[0], &bad.parts[1]]);
            let what = if bad.sampled.is_finite() && bad.ascended.is_finite() {
                let proved = bad.proved.map_or_else(|| "nothing".to_owned(), |bound| format!("{bound:e}"));
                format!("{name}: found {:e}, proved {proved}", bad.sampled.max(bad.ascended))
            } else {
                format!(
                    "{name}: the Hessian overflows, or a unit without epsilon loses its spread, at a point or on a \
                     minibatch that was tried; give the normalisation an epsilon, or a smaller domain"
                )
            };
            Err((Exit::Failed, format!("a constant is contradictory or not finite: {what}")))
        }
    }
}

/// What repeats a search.
fn as_arguments(search: &Options) -> String {
    let Options { seed, points, restarts, evaluations } = search;
    format!("--seed {seed} --points {points} --restarts {restarts} --evaluations {evaluations}")
}

/// A constant as the paper names it, with its blocks or layers.
fn label(kind: Kind, [rows, columns]: [&str; 2]) -> String {
    match kind {
        Kind::Vv => format!("L^vv  {rows} / {columns}"),
        Kind::Vg => format!("L^vg  {rows}"),
        Kind::Gg => "L^gg".to_owned(),
    }
}

/// The one line that is left of it under --quiet.
fn last_line(found: &Constants) -> String {
    let bad = found.contradictions().count();
    let proved = found.blocks.iter().filter(|bracket| bracket.proved.is_some()).count();
    format!("{}: {} constants, {proved} proved from above, {bad} contradictory\n", found.name, found.blocks.len())
}

fn shown(found: &Constants, rows: usize) -> String {
    let mut text = format!("{}\n", heading(&found.name));
    text += &match found.radius_from {
        RadiusFrom::NoG => "every v_i on its unit sphere; there is no g\n".to_owned(),
        RadiusFrom::Problem => format!("every v_i on its unit sphere, ||g|| <= {}\n", found.radius),
        RadiusFrom::LemmaC2 => {
            format!("every v_i on its unit sphere, ||g|| <= {} by Lemma C.2\n", number::short(found.radius))
        }
    };
    let Options { points, restarts, seed, .. } = found.search;
    let plural = if restarts == 1 { "" } else { "s" };
    text += &format!("{points} random points, {restarts} ascent{plural} per constant, seed {seed}\n\n");
    if found.blocks.len() <= rows {
        text += &columns(&one_by_one(found), 1);
    } else {
        text += &columns(&by_layers(found), 1);
        text +=
            "The largest of each kind, and the range of the ratios; --verbose, --json and --out have every block.\n";
    }
    if let Some(reason) = &found.unproved {
        text += &format!("\nNothing is proved from above: {reason}\n");
    }
    text
}

fn cells<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

fn optional(x: Option<f64>) -> String {
    x.map_or_else(|| number::NONE.to_owned(), number::short)
}

fn one_by_one(found: &Constants) -> Vec<Vec<String>> {
    let mut rows = vec![cells([
        "constant",
        "sampled",
        "ascended",
        "proved",
        "by",
        "ratio",
        "converged",
        "evaluations",
        "attained at",
    ])];
    for bracket in &found.blocks {
        let g = found.g_norm(bracket).map(|norm| format!("||g|| = {}", number::short(norm)));
        let z = bracket.attained.minibatch.filter(|_| found.n_minibatches != Some(1)).map(|k| format!("minibatch {k}"));
        let place: Vec<String> = g.into_iter().chain(z).collect();
        rows.push(vec![
            label(bracket.kind, [&bracket.parts[0], &bracket.parts[1]]),
            number::short(bracket.sampled),
            number::short(bracket.ascended),
            optional(bracket.proved),
            bracket.proof.map_or(number::NONE, |proof| proof.name()).to_owned(),
            optional(bracket.ratio),
            if bracket.converged { "yes" } else { "no" }.to_owned(),
            bracket.evaluations.to_string(),
            place.join(", "),
        ]);
    }
    rows
}

/// The largest of every kind and pair of layers.
fn by_layers(found: &Constants) -> Vec<Vec<String>> {
    let mut rows = vec![cells(["constants", "sampled", "ascended", "proved", "ratio", "converged", "evaluations"])];
    for group in found.groups() {
        let ratios = group.blocks.iter().filter_map(|bracket| bracket.ratio);
        let (least, most) = ratios.fold((f64::INFINITY, 0.0_f64), |(a, b), x| (a.min(x), b.max(x)));
        let ratios = match least <= most {
            true => format!("{}..{}", number::short(least), number::short(most)),
            false => number::NONE.to_owned(),
        };
        rows.push(vec![
            label(group.kind, group.layers),
            optional(group.largest(|b| Some(b.sampled))),
            optional(group.largest(|b| Some(b.ascended))),
            optional(group.largest(|b| b.proved)),
            ratios,
            format!("{}/{}", group.converged(), group.blocks.len()),
            group.evaluations().to_string(),
        ]);
    }
    rows
}
