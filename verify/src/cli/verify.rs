//! `ratecheck verify`: runs claims, writes the reports, prints the table.

use std::path::{Path, PathBuf};

use super::check::{Lanes, check_all};
use super::console::{Console, colour};
use super::details::details;
use super::filter::filtered;
use super::place::Place;
use super::preset::Preset;
use super::resume::earlier;
use super::subject::{Brought, OnSubject};
use super::sweep::stopped;
use super::text::terminal_width;
use super::{Claims, DEFAULT_SEED, Exit, Stopped, of_section, pool, select};
use crate::claim::evidence::{Claim, Profile, Unevaluated};
use crate::claim::results::{ClaimResult, FORMAT, Results, Status};
use crate::claim::runner::{provenance, run_claim, run_on_subject};
use crate::paper::errata;
use crate::paper::manifest;
use crate::report::{self, ReportError};
use crate::text::{Kept, Store, plain};

const EXAMPLES: &str = "\
Examples:
  ratecheck verify                                       every claim, in about a minute
  ratecheck verify lemma-3.2 theorem-3.1 --verbose       two of them, and all they found
  ratecheck verify 'lemma-b*' --fail-fast                up to the first of these that does not hold
  ratecheck verify --section 4 --open                    those of section 4, and the page
  ratecheck verify -E 'kind(rate) - theorem-3.1-rate'    an expression of sets: see the guide
  ratecheck verify --profile standard --strict --quiet   for a script: one line, and the exit code
  ratecheck verify --json | jq '.claims[] | {id, verdict}'
  ratecheck verify --profile full --resume --out long    an hour; later only what is missing
  ratecheck verify --profile full --print-config         what would be run
  ratecheck verify --problem mine.toml                   every statement about a loss, on your own
  ratecheck verify --instance problem-j theorem-4.2 --eta-w 0.1,10    one, on a built-in problem";

/// What to check, how thoroughly, and where to write.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The claims to check, by id or pattern, as 'lemma-b*' (all if none is given; see `ratecheck list`).
    claims: Vec<String>,
    /// Only those of a section of the paper: 2, 2.4, 4, A.
    #[arg(long, value_name = "SECTION")]
    section: Option<String>,
    /// Only those of an expression: 'section(4) and kind(rate)', 'lemma-b* - lemma-b.1', 'not origin(paper)'.
    #[arg(short = 'E', long, value_name = "EXPRESSION")]
    filter: Option<String>,
    #[command(flatten)]
    pub(super) subject: OnSubject,
    /// How much work to do: quick about a minute, standard at most ten, full at most an hour (on two cores); or a
    /// profile of ./ratecheck.toml: --profile NAME stands for the flags in [profile.NAME].
    #[arg(long, value_enum, default_value_t = Level::Quick)]
    pub(super) profile: Level,
    /// The root of the seed tree; the same seed gives the same numbers.
    #[arg(long, default_value_t = DEFAULT_SEED, value_parser = super::seed)]
    pub(super) seed: u64,
    /// Threads (0: one per core); the numbers do not depend on it.
    #[arg(long, default_value_t = 0)]
    pub(super) jobs: usize,
    /// Where the reports are written: reports/latest, or reports/latest/NAME for a problem of that name.
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    out: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// Keep the claims that a run with the same version, seed and profile has left in --out, and run the missing ones.
    #[arg(long)]
    pub(super) resume: bool,
    /// Treat an inconclusive verdict as a failure (exit code 4).
    #[arg(long)]
    pub(super) strict: bool,
    /// Stop at the first claim that decides the exit code; --resume runs the rest.
    #[arg(long)]
    fail_fast: bool,
    /// Open the page in the browser.
    #[arg(long, conflicts_with = "json")]
    open: bool,
    /// Print results.json instead of the table; it is written all the same.
    #[arg(long)]
    json: bool,
    /// Print what would be run, as TOML (or with --json as JSON), and run nothing.
    #[arg(long)]
    print_config: bool,
}

const DEFAULT_OUT: &str = "reports/latest";

impl Default for Arguments {
    fn default() -> Self {
        Self {
            claims: Vec::new(),
            section: None,
            filter: None,
            subject: OnSubject::default(),
            profile: Level::Quick,
            seed: DEFAULT_SEED,
            jobs: 0,
            out: None,
            place: Place::default(),
            resume: false,
            strict: false,
            fail_fast: false,
            open: false,
            json: false,
            print_config: false,
        }
    }
}

impl Arguments {
    /// Where the reports go. A user's problem does not overwrite the paper's own run.
    pub(super) fn out(&self, brought: Option<&Brought>) -> PathBuf {
        let beside = || match brought {
            Some(brought) => Path::new(DEFAULT_OUT).join(&brought.verified.name),
            None => DEFAULT_OUT.into(),
        };
        self.out.clone().unwrap_or_else(beside)
    }
}

/// The profiles a user can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Level {
    Quick,
    Standard,
    Full,
}

impl From<Level> for Profile {
    fn from(level: Level) -> Self {
        match level {
            Level::Quick => Self::Quick,
            Level::Standard => Self::Standard,
            Level::Full => Self::Full,
        }
    }
}

/// Runs the claims and reports.
pub(super) fn run(arguments: &Arguments, console: Console, all: Claims<'_>) -> Result<Exit, Stopped> {
    let mut claims = select(&arguments.claims, all)?;
    if let Some(section) = &arguments.section {
        claims = of_section(section, claims)?;
    }
    if let Some(expression) = &arguments.filter {
        claims = filtered(expression, &claims)?;
    }
    let subject = arguments.subject.load()?;
    if subject.is_some() {
        let speaks = |claim: &&dyn Claim| claim.on_subject().is_some();
        if let Some(id) =
            arguments.claims.iter().find(|id| claims.iter().any(|c| c.statement().id == *id && !speaks(c)))
        {
            let remedy = "leave it out, or leave --problem out to check it on its own instances";
            return Err((
                Exit::NothingSelected,
                format!("{id} does not speak of a loss that could be brought: {remedy}"),
            ));
        }
        claims.retain(speaks);
    }
    if arguments.print_config {
        let preset = Preset::of(arguments, &claims, subject.as_ref())?;
        if arguments.json {
            console.json(&preset)?
        } else {
            console.answer(&preset.toml()?)?
        }
        return Ok(Exit::Holds);
    }
    let pool = pool(arguments.jobs, console)?;
    let mut results = opening(arguments, subject.as_ref(), pool.current_num_threads())?;
    let out = arguments.out(subject.as_ref());
    let store = Store::open_for(&out, Kept::Claims, arguments.place.locking()).map_err(stopped)?;
    if arguments.resume {
        let found = earlier(&store, &results.provenance, all, console)?;
        results.claims = found.claims;
        results.provenance.seconds = found.seconds;
    } else {
        store.forget().map_err(stopped)?;
    }
    let profile = arguments.profile.into();
    let run = |claim: &dyn Claim| match &subject {
        None => Some(run_claim(claim, arguments.seed, profile)),
        Some(brought) => run_on_subject(claim, &brought.subject, arguments.seed, profile),
    };
    let stop = |ended: &ClaimResult| {
        arguments.fail_fast && exit_of(std::iter::once(ended.status()), arguments.strict) != Exit::Holds
    };
    // The first that does not hold is the first in order.
    let lanes = if arguments.fail_fast { Lanes::one(&pool) } else { Lanes::of(&pool) };
    let results = check_all(&claims, results, &store, (console, lanes), &run, &stop)?;

    if arguments.json {
        let json = report::json(&results).map_err(|error| (Exit::Internal, error.to_string()))?;
        console.answer(&String::from_utf8_lossy(&json))?;
    } else {
        if console.is_verbose() {
            console.say(&details(&results))?;
        }
        if let Some(brought) = &subject {
            console.say(&brought.heading())?;
        }
        let table = report::terminal_table(&results, colour(), terminal_width());
        console.say_or(&table, &format!("{}\n", report::summary(&results)))?;
    }
    store.is_there().map_err(stopped)?;
    let written = report::write_all(&results, &out).map_err(unwritten)?;
    if !arguments.json {
        console.say(&format!("\nThe page: {}\n", plain::path(&written.page)))?;
    }
    if arguments.open
        && let Err(error) = open::that_detached(&written.page)
    {
        console.note(&format!("no browser was found for {}: {error}", written.page.display()));
    }
    Ok(verdict(&results, arguments.strict))
}

/// What is known before the first claim is run.
fn opening(arguments: &Arguments, brought: Option<&Brought>, threads: usize) -> Result<Results, Stopped> {
    // The map and the errata are the paper's; of a user's loss they say nothing.
    let (map, errata) = match brought {
        Some(_) => (Vec::new(), Vec::new()),
        None => {
            let failed = |error: Unevaluated| (Exit::Internal, format!("an erratum's example: {}", error.0));
            (manifest::chapters(), errata::entries().map_err(failed)?)
        }
    };
    Ok(Results {
        format: FORMAT,
        provenance: provenance(
            arguments.seed,
            arguments.profile.into(),
            threads,
            brought.map(|brought| brought.verified.clone()),
        ),
        claims: Vec::new(),
        pending: Vec::new(),
        map,
        errata,
    })
}

pub(super) fn unwritten(error: ReportError) -> Stopped {
    (Exit::Output, error.to_string())
}

fn verdict(results: &Results, strict: bool) -> Exit {
    exit_of(results.claims.iter().map(ClaimResult::status), strict)
}

/// How a verification ends: the worst of all verdicts decides.
pub fn exit_of(all: impl Iterator<Item = Status>, strict: bool) -> Exit {
    match all.max() {
        Some(Status::Fails | Status::Error) => Exit::Failed,
        Some(Status::ControlNotRejected | Status::ControlBroken) => Exit::Control,
        Some(Status::Inconclusive) if strict => Exit::Inconclusive,
        _ => Exit::Holds,
    }
}
