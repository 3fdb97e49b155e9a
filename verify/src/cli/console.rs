//! What a command says, and how loudly: the flags that every command has.

use std::ffi::OsString;
use std::io::{self, Write};

use anstream::{AutoStream, ColorChoice};
use clap::ValueEnum;
use indicatif::ProgressDrawTarget;
use serde::Serialize;

use super::{Exit, Stopped};
use crate::text::plain::line;
use crate::text::pretty;

/// The flags that every command has.
#[derive(Debug, clap::Args)]
pub(super) struct Flags {
    /// When to colour: auto is on a terminal, unless NO_COLOR is set.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Colour::Auto, global = true, display_order = 1000)]
    color: Colour,
    /// Say more, where there is more to say.
    #[arg(short, long, global = true, display_order = 1001)]
    verbose: bool,
    /// Say nothing but errors, what was asked for outright (as --json), and the last line.
    #[arg(short, long, global = true, display_order = 1002)]
    quiet: bool,
}

impl Flags {
    /// How loud they want it. Asking for both is a mistake, wherever on the line the two stand.
    pub(super) fn console(&self) -> Result<Console, Stopped> {
        let volume = match (self.quiet, self.verbose) {
            (true, true) => return Err((Exit::Usage, "--quiet and --verbose contradict: leave one out".to_owned())),
            (true, false) => Volume::Quiet,
            (false, true) => Volume::Verbose,
            (false, false) => Volume::Normal,
        };
        Ok(Console { volume })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Colour {
    Auto,
    Always,
    Never,
}

/// Obeys `--color` before the line is parsed, so that errors of the line obey it too.
/// What is no colour is left to the parser.
pub(super) fn obey_colour(arguments: &[OsString]) {
    let words = || arguments.iter().skip(1).map_while(|word| word.to_str().filter(|word| *word != "--"));
    let mut asked = None;
    for (word, next) in words().zip(words().skip(1).map(Some).chain([None])) {
        let value = match word.strip_prefix("--color") {
            Some("") => next,
            Some(value) => value.strip_prefix('='),
            None => None,
        };
        asked = value.and_then(|value| Colour::from_str(value, false).ok()).or(asked);
    }
    match asked {
        Some(Colour::Always) => ColorChoice::Always.write_global(),
        Some(Colour::Never) => ColorChoice::Never.write_global(),
        // anstream asks the terminal, NO_COLOR and CLICOLOR.
        Some(Colour::Auto) | None => ColorChoice::Auto.write_global(),
    }
}

/// Whether standard output is to be coloured.
pub(super) fn colour() -> bool {
    AutoStream::choice(&io::stdout()) != ColorChoice::Never
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Volume {
    Quiet,
    Normal,
    Verbose,
}

/// Standard output, as loud as is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Console {
    volume: Volume,
}

impl Console {
    /// What was asked for outright, and the last line: printed in any case.
    pub(super) fn answer(self, text: &str) -> Result<(), Stopped> {
        let mut out = anstream::stdout().lock();
        written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
    }

    /// What a reader is told unless it is to be quiet.
    pub(super) fn say(self, text: &str) -> Result<(), Stopped> {
        if self.volume >= Volume::Normal { self.answer(text) } else { Ok(()) }
    }

    /// `text`, or `last` alone if it is to be quiet.
    pub(super) fn say_or(self, text: &str, last: &str) -> Result<(), Stopped> {
        self.answer(if self.volume >= Volume::Normal { text } else { last })
    }

    /// What is worth knowing and stops nothing: one line on standard error, unless it is to be quiet.
    pub(super) fn note(self, message: &str) {
        if self.volume >= Volume::Normal {
            complain(&format!("note: {message}"));
        }
    }

    /// The same console, where standard output is for one answer alone.
    pub(super) fn hushed(self) -> Self {
        Self { volume: Volume::Quiet }
    }

    /// Whether there is to be more.
    pub(super) fn is_verbose(self) -> bool {
        self.volume >= Volume::Verbose
    }

    /// Any value as JSON, every number at full precision.
    pub(super) fn json(self, value: &(impl Serialize + ?Sized)) -> Result<(), Stopped> {
        let json = pretty(value).map_err(|error| (Exit::Internal, format!("the JSON cannot be written: {error}")))?;
        self.answer(&String::from_utf8_lossy(&json))
    }

    /// Where progress is drawn: on standard error if that is a terminal, and nowhere if it is to be quiet.
    pub(super) fn progress(self) -> ProgressDrawTarget {
        if self.volume >= Volume::Normal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
    }
}

/// How an attempt to write to a standard stream ended.
/// A reader that has gone away (`ratecheck list | head -1`) is no error.
pub(super) fn written(attempt: io::Result<()>) -> Result<(), Stopped> {
    match attempt {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let message = format!("standard output cannot be written: {error}; check where it is directed to");
            Err((Exit::Output, message))
        }
        _ => Ok(()),
    }
}

/// One line on standard error, in which nothing is obeyed by a terminal: paths and names may hold anything.
pub(super) fn complain(message: &str) {
    let message = line(message);
    let mut err = anstream::stderr().lock();
    // Nothing is left to be done if standard error is closed.
    let _ = writeln!(err, "\x1b[1;31mratecheck:\x1b[0m {message}");
}
