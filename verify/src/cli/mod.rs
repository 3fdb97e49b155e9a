//! The command line: one file per subcommand. Exit codes stand in [`Exit`] alone,
//! the flags that every command has in `console`.

mod answer;
mod bench;
mod calibrate;
mod check;
mod compare;
mod conformance;
mod console;
mod constants;
mod details;
mod errata;
mod exit;
mod experiment;
mod explain;
mod filter;
mod fit;
mod inspect;
mod judged;
mod list;
mod merge;
mod parts;
mod place;
mod preset;
mod profiles;
mod replay;
mod report;
mod resume;
mod schema;
mod sensitivity;
mod shell;
mod slurm;
mod source;
mod subject;
mod sweep;
#[cfg(test)]
mod tests;
mod text;
mod verify;

use std::ffi::OsString;
use std::num::{IntErrorKind, ParseFloatError, ParseIntError};
use std::process::ExitCode;

use clap::error::ContextKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub use exit::{Exit, FAILED, markdown as exit_codes};
pub use verify::exit_of;

use crate::claim::evidence::Claim;
use crate::lab::problem::nearest;
use crate::lab::{budget, threads};
use crate::paper::claims::CLAIMS;
use crate::paper::manifest::MANIFEST;
use crate::text::outlive_file_limits;
use console::{Console, Flags, complain};

/// Shown below the help, before the exit codes.
const EXAMPLES: &str = "\
Examples:
  ratecheck                                  all claims, in a minute: reports/latest/index.html
  ratecheck verify lemma-3.2 'theorem-3*'    some statements
  ratecheck verify --section 4 --open        those of section 4, and the page in the browser
  ratecheck verify --profile full --jobs 2   everything, with the long runs
  ratecheck list                             the paper, and the claims that check it
  ratecheck explain lemma-3.2                what is tested, how, and what a pass does not show
  ratecheck report reports/latest            the page again, from results.json; nothing is run
  ratecheck replay reports/latest --claim lemma-3.2    one claim again: is it the same?
  ratecheck calibrate                        how often statistical decisions would be wrong
  ratecheck sensitivity lemma-3.2            what its check needs of every constant
  ratecheck fit runs.csv --against -0.25     the rate of a log of your own, from any framework
  ratecheck compare OLD NEW                  whether two verifications say the same
  ratecheck inspect --problem net.toml       loss, gradient and Hessian of a network of your own
  ratecheck constants --problem net.toml     its smoothness constants, from below and from above
  ratecheck sweep plan.toml --dry-run        a grid of runs: which, and how long they will take
  ratecheck sweep plan.toml                  all of them; stop it and start it again as you like
  ratecheck merge part-1 part-2 --out whole  parts of a sweep into one
  ratecheck sweep plan.toml --slurm          the same as jobs of a cluster, and joined
  ratecheck experiment d1                    the paper's first figure, on real images
  ratecheck bench                            how fast the engine is here, in half a minute";

/// Shown below the exit codes.
const MEMORY: &str = "\
A command takes at most half of the memory that is left when it starts, by its own estimate; the
environment variable RATECHECK_MEMORY, as 8G, sets another limit.";

/// Checks numerically what Arora, Li & Lyu, "Theoretical Analysis of Auto Rate-Tuning by Batch Normalization" (ICLR
/// 2019) claim, and that each check would have failed had the claim been false.
#[derive(Debug, Parser)]
#[command(name = "ratecheck", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check claims and write reports (the default).
    Verify(verify::Arguments),
    /// Show the map of the paper: every statement, with the claims that check it.
    List(list::Arguments),
    /// Say what a claim states, how it is tested, and what a pass does not show.
    Explain(explain::Arguments),
    /// Write the page, the tables and the plots of a verification again; nothing is run.
    Report(report::Arguments),
    /// Run claims of an earlier verification again, with its seed and profile, and show what differs.
    Replay(replay::Arguments),
    /// Compare a verification with an earlier one: verdicts, margins, slopes.
    Compare(compare::Arguments),
    /// Try every claim and its controls with many seeds, at the smallest budget.
    Conformance(conformance::Arguments),
    /// Measure size, power and bias of the statistical decisions on synthetic runs with known exponents.
    Calibrate(calibrate::Arguments),
    /// Find what the checks need of every constant of the bounds, and which could as well be left out.
    Sensitivity(sensitivity::Arguments),
    /// Fit the rate of a log of your own, and test a claimed exponent.
    Fit(fit::Arguments),
    /// Print the errata of the paper with their numbers, as Markdown.
    Errata(errata::Arguments),
    /// Evaluate a network of your own: loss, gradient, Hessian, and the spectral norms of its blocks.
    Inspect(inspect::Arguments),
    /// Bracket the smoothness constants of a network of your own: searched from below, proved from above.
    Constants(constants::Arguments),
    /// Run a grid of learning rates, schedules, step rules, losses and seeds; what is done is never run again.
    Sweep(sweep::Arguments),
    /// Run the experiments of the paper's appendix D: SGD, projected SGD, and no BN,
    /// over four decades of learning rates.
    Experiment(experiment::Arguments),
    /// Join the parts of a sweep that were run with --shard.
    Merge(merge::Arguments),
    /// Measure how fast the engine is on this machine: steps, gradients and a sweep, beside a product of matrices.
    Bench(bench::Arguments),
    /// Print the JSON Schema of results.json.
    Schema(schema::Arguments),
    /// Print the completions for a shell, the names of the claims included.
    Completions(shell::Completions),
    /// Print the manual page, or write one for every command.
    Man(shell::Man),
}

/// Every command has the same.
const DEFAULT_SEED: u64 = crate::lab::fit::SEED;

/// The root of a seed tree.
fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("give a whole number from 0 to {}", u64::MAX))
}

/// Threads (0: one per core), or fewer, which is said.
fn pool(jobs: usize, console: Console) -> Result<rayon::ThreadPool, Stopped> {
    let unstarted = |error| (Exit::Internal, format!("threads cannot be started: {error}; try --jobs 1"));
    let (pool, note) = threads::pool(jobs).map_err(unstarted)?;
    note.iter().for_each(|note| console.note(note));
    Ok(pool)
}

/// The claims that a command works on.
type Claims<'a> = &'a [&'static dyn Claim];

/// A command that could not be carried out: how it ends, and one sentence that says what to do.
type Stopped = (Exit, String);

/// The command on the claims of the paper.
pub fn main() -> ExitCode {
    main_with(std::env::args_os(), CLAIMS)
}

/// The command on any list of claims; `arguments` start with the program's name.
pub fn main_with(arguments: impl IntoIterator<Item = OsString>, claims: &[&'static dyn Claim]) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    console::obey_colour(&arguments);
    outlive_file_limits();
    let arguments = match profiles::expanded(arguments) {
        Ok(arguments) => arguments,
        Err((exit, message)) => {
            complain(&message);
            return exit.into();
        }
    };
    let parsed = command().try_get_matches_from(arguments).and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // clap prints help and version through the same path; only real errors are bad usage.
            let code = if error.use_stderr() { Exit::Usage } else { Exit::Holds };
            return console::written(in_words(error).print()).map_or_else(|(exit, _)| exit, |()| code).into();
        }
    };
    let usable = budget::asked().map_err(|message| (Exit::Usage, message));
    let ended = usable.and_then(|_| cli.flags.console()).and_then(|console| run(cli.command, console, claims));
    ended
        .unwrap_or_else(|(exit, message)| {
            complain(&message);
            exit
        })
        .into()
}

/// The same, where it says of a number what Rust's parser does (`invalid digit found in string`), with what to give.
fn in_words(error: clap::Error) -> clap::Error {
    let Some(source) = std::error::Error::source(&error) else { return error };
    let remedy = if let Some(number) = source.downcast_ref::<ParseIntError>() {
        match number.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "it is too large",
            _ => "give a whole number",
        }
    } else if source.is::<ParseFloatError>() {
        "give a number, as 0.5 or 1e-3"
    } else {
        return error;
    };
    let (argument, value) = (error.get(ContextKind::InvalidArg), error.get(ContextKind::InvalidValue));
    let (Some(argument), Some(value)) = (argument, value) else { return error };
    let text = format!("invalid value '{value}' for '{argument}': {remedy}\n\nFor more information, try '--help'.\n");
    clap::Error::raw(error.kind(), text)
}

/// The whole command line, each help with its exit codes.
fn command() -> clap::Command {
    let whole = Cli::command().after_help(format!("{EXAMPLES}\n\n{}\n\n{MEMORY}", exit::help()));
    whole.mut_subcommands(|one| {
        let examples = one.get_after_help().map(ToString::to_string).unwrap_or_default();
        let codes = exit::help_of(one.get_name());
        // A flag on the command line wins over that of a profile in `ratecheck.toml`.
        let one = if one.get_name() == "verify" { one.args_override_self(true) } else { one };
        one.after_help(format!("{examples}\n\n{codes}"))
    })
}

fn run(command: Option<Command>, console: Console, claims: Claims<'_>) -> Result<Exit, Stopped> {
    match command.unwrap_or_else(|| Command::Verify(verify::Arguments::default())) {
        Command::Verify(arguments) => verify::run(&arguments, console, claims),
        Command::List(arguments) => list::run(&arguments, console, claims),
        Command::Explain(arguments) => explain::run(&arguments, console, claims),
        Command::Report(arguments) => report::run(&arguments, console),
        Command::Replay(arguments) => replay::run(&arguments, console, claims),
        Command::Compare(arguments) => compare::run(&arguments, console, claims),
        Command::Conformance(arguments) => conformance::run(&arguments, console, claims),
        Command::Calibrate(arguments) => calibrate::run(&arguments, console, claims),
        Command::Sensitivity(arguments) => sensitivity::run(&arguments, console, claims),
        Command::Fit(arguments) => fit::run(&arguments, console),
        Command::Errata(arguments) => errata::run(&arguments, console),
        Command::Inspect(arguments) => inspect::run(&arguments, console, claims),
        Command::Constants(arguments) => constants::run(&arguments, console),
        Command::Sweep(arguments) => sweep::run(&arguments, console),
        Command::Experiment(arguments) => experiment::run(&arguments, console),
        Command::Merge(arguments) => merge::run(&arguments, console),
        Command::Bench(arguments) => bench::run(&arguments, console),
        Command::Schema(arguments) => schema::run(&arguments, console),
        Command::Completions(arguments) => shell::completions(&arguments, console, claims),
        Command::Man(arguments) => shell::man(&arguments, console),
    }
}

/// The claims of the given names or patterns, as `lemma-b*`, in the order of the list; all of them if none is named.
fn select(ids: &[String], claims: Claims<'_>) -> Result<Vec<&'static dyn Claim>, Stopped> {
    let known = || claims.iter().map(|claim| claim.statement().id);
    let mut wanted = Vec::new();
    for id in ids {
        let pattern = glob::Pattern::new(id).map_err(|error| {
            let remedy = "write * for any letters, ? for one, [ab] for one of several";
            (Exit::NothingSelected, format!("`{id}` is no pattern: {}; {remedy}", error.msg))
        })?;
        if !known().any(|known| pattern.matches(known)) {
            return Err(no_claim(id, known(), "`ratecheck list` shows them all"));
        }
        wanted.push(pattern);
    }
    let chosen =
        |claim: &&dyn Claim| ids.is_empty() || wanted.iter().any(|pattern| pattern.matches(claim.statement().id));
    Ok(claims.iter().copied().filter(chosen).collect())
}

/// Those of some claims that have their home in a section of the paper, or in a part of it: `4`, `2.4`, `B`.
fn of_section(section: &str, claims: Vec<&'static dyn Claim>) -> Result<Vec<&'static dyn Claim>, Stopped> {
    let number = section.trim_start_matches("appendix").trim_start_matches("section").trim().to_uppercase();
    let whole = number.split('.').next().unwrap_or_default();
    let numbered = |title: &str| title.split(' ').next() == Some(whole);
    let unknown = |what: &str| {
        let all: Vec<_> = MANIFEST.iter().filter_map(|section| section.title.split(' ').next()).collect();
        (Exit::NothingSelected, format!("{what}; the sections are {}", all.join(", ")))
    };
    let Some(found) = MANIFEST.iter().find(|found| numbered(found.title)) else {
        return Err(unknown(&format!("the paper has no section `{section}`")));
    };
    let home = |id: &str| found.statements.iter().any(|printed| printed.claims.contains(&id));
    // A part is named by where a statement is printed.
    let part = number != whole;
    let within = |claim: &&dyn Claim| {
        let at = claim.statement().printed_at.to_uppercase();
        home(claim.statement().id) && (!part || at.contains(&format!("SECTION {number}")))
    };
    let claims: Vec<_> = claims.into_iter().filter(within).collect();
    if claims.is_empty() {
        return Err(unknown(&format!("no claim that was chosen has its home in section {section}")));
    }
    Ok(claims)
}

/// No claim has this id: the one that may have been meant, and where all are shown.
fn no_claim<'a>(id: &str, known: impl Iterator<Item = &'a str> + Clone, remedy: &str) -> Stopped {
    let part = |known: &&str| !id.is_empty() && known.contains(&id.to_lowercase());
    let meant = known.clone().find(part).or_else(|| nearest(id, known));
    let hint = meant.map_or_else(String::new, |known| format!("; did you mean `{known}`?"));
    let joint = if hint.is_empty() { "; " } else { " " };
    (Exit::NothingSelected, format!("no claim is called `{id}`{hint}{joint}{remedy}"))
}
