//! The command line: one file per subcommand. Exit codes stand in [`Exit`] alone.

mod bench;
mod calibrate;
mod compare;
mod conformance;
mod constants;
mod errata;
mod explain;
mod fit;
mod inspect;
mod list;
mod merge;
mod source;
mod sweep;
mod text;
mod verify;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::claims::CLAIMS;
use crate::evidence::Claim;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything that was asked for holds, and every control was rejected.
    Holds = 0,
    /// A claim failed, or could not be evaluated; what was found of a constant contradicts what was proved; a claimed rate fails; a regression was found.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// Every claim holds, but a control was not rejected, or could not be evaluated: the check has no power.
    Control = 3,
    /// Something is inconclusive, and `--strict` was given.
    Inconclusive = 4,
    /// No claim, or no built-in instance, has the given name.
    NothingSelected = 5,
    /// The results could not be written.
    Output = 6,
    /// A problem file, a log, a plan, a part of a sweep, or another file that was named cannot be used.
    Input = 7,
    /// Another process works in the directory of the sweep.
    Busy = 8,
    /// A bug in ratecheck.
    Internal = 70,
}

/// Shown below the help.
const EXIT_CODES: &str = "\
Exit codes:
  0   every claim holds, and every control was rejected
  1   a claim failed, or could not be evaluated; a constant contradicts its bound, or is not finite; a claimed rate fails; a regression
  2   bad usage
  3   a control was not rejected, or is broken
  4   something is inconclusive, and --strict was given
  5   no claim, or no built-in instance, has the given name
  6   the results could not be written
  7   a problem file, a log, a plan, a part of a sweep, or another file that was named cannot be used
  8   another process works in the directory of the sweep
  70  internal error

Examples:
  ratecheck                                  all claims, in about a minute; the page is reports/latest/index.html
  ratecheck verify lemma-3.2 theorem-3.1     two statements
  ratecheck verify --profile full --jobs 2   everything, with the long runs
  ratecheck list                             every statement of the paper, and the claims that check it
  ratecheck explain lemma-3.2                what is tested, how, and what a pass does not show
  ratecheck calibrate                        how often the statistical decisions would be wrong, and how sharp they are
  ratecheck fit runs.csv --against -0.25     the rate of a log of your own, from any framework
  ratecheck compare OLD NEW                  whether two verifications say the same
  ratecheck inspect --problem net.toml       loss, gradient and Hessian of a network of your own
  ratecheck constants --problem net.toml     its smoothness constants, from below and from above
  ratecheck sweep plan.toml --dry-run        a grid of runs: which they are, and how long they will take
  ratecheck sweep plan.toml                  all of them; stop it and start it again as you like
  ratecheck merge part-1 part-2 --out whole  parts of a sweep into one
  ratecheck bench                            how fast the engine is here, in half a minute";

/// Checks numerically what Arora, Li & Lyu, "Theoretical Analysis of Auto Rate-Tuning by Batch Normalization" (ICLR 2019)
/// claim, and that each check would have failed had the claim been false.
#[derive(Debug, Parser)]
#[command(name = "ratecheck", version, after_help = EXIT_CODES, max_term_width = 100)]
struct Cli {
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
    /// Try every claim and its controls with many seeds, at the smallest budget.
    Conformance(conformance::Arguments),
    /// Measure size, power and bias of the statistical decisions on synthetic runs with known exponents.
    Calibrate(calibrate::Arguments),
    /// Compare a verification with an earlier one: verdicts, margins, slopes.
    Compare(compare::Arguments),
    /// Fit the rate of a log of your own, and test a claimed exponent.
    Fit(fit::Arguments),
    /// Print the errata of the paper with their numbers, as Markdown.
    Errata,
    /// Evaluate a network of your own: loss, gradient, Hessian, and the spectral norms of its blocks.
    Inspect(inspect::Arguments),
    /// Bracket the smoothness constants of a network of your own: searched from below, proved from above.
    Constants(constants::Arguments),
    /// Run a grid of learning rates, schedules, step rules, losses and seeds; what is done is never run again.
    Sweep(sweep::Arguments),
    /// Join the parts of a sweep that were run with --shard.
    Merge(merge::Arguments),
    /// Measure how fast the engine is on this machine: steps, gradients and a sweep, beside a product of matrices.
    Bench(bench::Arguments),
}

/// The year of the paper: an arbitrary number, fixed before anything was run.
const DEFAULT_SEED: u64 = 2019;

/// Threads (0: one per core).
fn pool(jobs: usize) -> Result<rayon::ThreadPool, Stopped> {
    let started = rayon::ThreadPoolBuilder::new().num_threads(jobs).build();
    started.map_err(|error| (Exit::Internal, format!("threads cannot be started: {error}; try --jobs 1")))
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
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // clap prints help and version through the same path; only real errors are bad usage.
            let code = if error.use_stderr() { Exit::Usage } else { Exit::Holds };
            return if error.print().is_ok() { exit_code(code) } else { exit_code(Exit::Internal) };
        }
    };
    let ended = match cli.command.unwrap_or_else(|| Command::Verify(verify::Arguments::default())) {
        Command::Verify(arguments) => verify::run(&arguments, claims),
        Command::List(arguments) => list::run(&arguments, claims),
        Command::Explain(arguments) => explain::run(&arguments, claims),
        Command::Conformance(arguments) => conformance::run(&arguments, claims),
        Command::Calibrate(arguments) => calibrate::run(&arguments, claims),
        Command::Compare(arguments) => compare::run(&arguments, claims),
        Command::Fit(arguments) => fit::run(&arguments),
        Command::Errata => errata::run(),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Constants(arguments) => constants::run(&arguments),
        Command::Sweep(arguments) => sweep::run(&arguments),
        Command::Merge(arguments) => merge::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
    };
    exit_code(ended.unwrap_or_else(|(exit, message)| {
        // Nothing is left to be done if standard error is closed.
        let _ = writeln!(io::stderr(), "ratecheck: {message}");
        exit
    }))
}

fn exit_code(exit: Exit) -> ExitCode {
    ExitCode::from(exit as u8)
}

/// Writes to standard output. A reader that has gone away (`ratecheck list | head -1`) is no error.
fn say(text: &str) -> Result<(), Stopped> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err((Exit::Output, format!("standard output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// The claims of the given names, in the order of the list; all of them if none is named.
fn select(ids: &[String], claims: Claims<'_>) -> Result<Vec<&'static dyn Claim>, Stopped> {
    let known = |id: &str| claims.iter().any(|claim| claim.statement().id == id);
    if let Some(unknown) = ids.iter().find(|id| !known(id)) {
        let close = claims.iter().map(|claim| claim.statement().id).find(|known| known.contains(unknown.as_str()));
        let hint = close.map_or_else(String::new, |known| format!(" Did you mean `{known}`?"));
        let message = format!("no claim is called `{unknown}`.{hint} `ratecheck list` shows them all.");
        return Err((Exit::NothingSelected, message));
    }
    let wanted = |claim: &&dyn Claim| ids.is_empty() || ids.iter().any(|id| claim.statement().id == id);
    Ok(claims.iter().copied().filter(wanted).collect())
}
