//! Where a problem comes from: a file, or the instances that are built in.

use std::path::PathBuf;

use super::{Exit, Stopped};
use crate::lab::problem::{Problem, builtin};

/// One of the two.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(super) struct Source {
    /// A problem file (TOML): network, data, parameters; docs/problem-file.md describes it.
    #[arg(long, value_name = "FILE")]
    problem: Option<PathBuf>,
    /// A built-in instance: rayleigh, bn-regression, one-neuron, 3-4-1, digits, ... (an unknown name lists them all).
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
}

impl Source {
    /// Reads it.
    pub(super) fn load(&self) -> Result<Problem, Stopped> {
        match (&self.problem, &self.instance) {
            (Some(path), _) => Problem::read(path).map_err(|error| (Exit::Input, error.to_string())),
            (None, Some(name)) => builtin(name).map_err(|message| (Exit::NothingSelected, message)),
            // clap asks for one of them.
            (None, None) => Err((Exit::Usage, "give --problem FILE or --instance NAME".to_owned())),
        }
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
