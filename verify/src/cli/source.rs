//! Where a problem comes from: a file, or the instances that are built in.

use std::path::{Path, PathBuf};

use super::{Exit, Stopped};
use crate::lab::problem::{Problem, builtin};

/// One of the two.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct ProblemArgs {
    /// A problem file (TOML): network, data, parameters; docs/problem-file.md describes it.
    #[arg(long, value_name = "FILE")]
    problem: Option<PathBuf>,
    /// A built-in instance: rayleigh, bn-regression, one-neuron, 3-4-1, digits, ... (an unknown name lists them all).
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
}

/// The problem that one of two options names.
pub(super) fn load(problem: Option<&Path>, instance: Option<&str>) -> Result<Option<Problem>, Stopped> {
    match (problem, instance) {
        (Some(path), _) => Problem::read(path).map(Some).map_err(|error| (Exit::Input, error.to_string())),
        (None, Some(name)) => builtin(name).map(Some).map_err(|message| (Exit::NothingSelected, message)),
        (None, None) => Ok(None),
    }
}

impl ProblemArgs {
    /// Reads it.
    pub(super) fn load(&self) -> Result<Problem, Stopped> {
        // clap asks for one of them.
        let neither = || (Exit::Usage, "give --problem FILE or --instance NAME".to_owned());
        load(self.problem.as_deref(), self.instance.as_deref())?.ok_or_else(neither)
    }

    /// In front of a message about the problem: its file or its name.
    pub(super) fn shown(&self) -> String {
        match (&self.problem, &self.instance) {
            (Some(path), _) => path.display().to_string(),
            (None, name) => name.clone().unwrap_or_default(),
        }
    }

    /// The arguments that give the same problem again.
    pub(super) fn arguments(&self) -> String {
        let option = if self.problem.is_some() { "--problem" } else { "--instance" };
        format!("{option} {}", self.shown())
    }
}
