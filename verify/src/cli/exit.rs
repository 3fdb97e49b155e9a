//! How a command ends: the one home of the exit codes. The help and `docs/exit-codes.md` are rendered from it.

use std::process::ExitCode;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything that was asked for holds, and every control was rejected.
    Holds = 0,
    /// A claim failed, or could not be evaluated; what was found of a constant contradicts what was proved; a claimed
    /// rate fails; an expectation is missed; a regression was found.
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
    /// Another process works in the directory.
    Busy = 8,
    /// A bug in ratecheck.
    Internal = 70,
}

impl Exit {
    /// All of them, by number.
    pub const ALL: [Self; 10] = [
        Self::Holds,
        Self::Failed,
        Self::Usage,
        Self::Control,
        Self::Inconclusive,
        Self::NothingSelected,
        Self::Output,
        Self::Input,
        Self::Busy,
        Self::Internal,
    ];

    /// What it means, on one line.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Holds => "what was asked for was done; if that was a check, it holds, and every control was rejected",
            Self::Failed => "a check failed: a claim, a bound, a claimed rate, or a comparison with an earlier run",
            Self::Usage => "the command line makes no sense",
            Self::Control => "every claim holds, but a control was not rejected, or is broken",
            Self::Inconclusive => "something is inconclusive, and --strict was given",
            Self::NothingSelected => "no claim, or no built-in instance, has the given name",
            Self::Output => "a file, or standard output, could not be written",
            Self::Input => "a file that was named cannot be used: it is absent, damaged, or of another kind",
            Self::Busy => "another process works in the directory of the verification, sweep or experiment",
            Self::Internal => "a bug in ratecheck: please report it",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What exit code 1 says of each command that can end with it.
pub const FAILED: [(&str, &str); 13] = [
    ("verify", "a claim fails, or could not be evaluated"),
    ("replay", "the verdict is worse, or a control or slope differs, as with `compare`"),
    ("compare", "a verdict is worse; a claim, control or slope is gone; or the intervals of a slope no longer overlap"),
    ("conformance", "with some seed a claim does not hold, or does not find the same twice"),
    ("calibrate", "a decision was wrong more often than its level allows"),
    ("sensitivity", "the check of a claim does not hold with the constants as they are"),
    ("fit", "the claimed rate fails"),
    ("inspect", "a statement fails at the point, or could not be evaluated"),
    ("constants", "a proved bound lies below what was found, or a constant is not finite"),
    ("sweep", "the rate that the plan expects fails in some group"),
    ("merge", "the same of the parts together"),
    ("experiment", "an expectation is missed from every start"),
    ("bench", "a run of the sweep diverged"),
];

/// Shown below the help of the whole command.
pub(super) fn help() -> String {
    let lines = Exit::ALL.map(|exit| format!("  {:<3} {}", exit as u8, exit.meaning()));
    format!("Exit codes:\n{}", lines.join("\n"))
}

/// Shown below the help of one command.
pub(super) fn help_of(command: &str) -> String {
    match FAILED.iter().find(|(name, _)| *name == command) {
        Some((_, when)) => format!("Exit code 1: {when}. `ratecheck --help` has all exit codes."),
        None => "`ratecheck --help` has all exit codes.".to_owned(),
    }
}

/// `docs/exit-codes.md`.
pub fn markdown() -> String {
    let codes = Exit::ALL.map(|exit| format!("| {} | {} |\n", exit as u8, exit.meaning()));
    let failed = FAILED.map(|(command, when)| format!("| `{command}` | {when} |\n"));
    format!(
        "# Exit codes\n\n| code | meaning |\n|--:|:--|\n{}\n\
         An error is one line on standard error that names the file or the argument, says what is wrong there, and \
         what to do. Where several apply, the gravest decides: `verify` ends with 1 before 3 before 4, and what it \
         found is printed and written all the same.\n\n\
         ## Exit code 1\n\n| command | when |\n|:--|:--|\n{}",
        codes.concat(),
        failed.concat()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_says_what_the_program_does() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/exit-codes.md");
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == markdown(), "docs/exit-codes.md must be\n{}", markdown());
    }

    #[test]
    fn codes_are_in_order_and_distinct() {
        assert!(Exit::ALL.windows(2).all(|pair| (pair[0] as u8) < pair[1] as u8));
    }
}
