//! How a sweep can end early.

use std::fmt;

use crate::lab::problem::ProblemError;
use crate::text::{ReportError, StoreError};

/// What stopped a sweep or a merge. Everything computed until then is kept.
#[derive(Debug)]
pub enum SweepError {
    /// The plan, or a file that it names.
    Plan(ProblemError),
    /// The parts of a sweep do not make one: a sentence that says what is missing and what to do.
    Part(String),
    /// Another process works in the same directory: a sentence that says which.
    Busy(String),
    /// The directory cannot be locked, or is no longer where it was: a sentence that says what to do.
    Place(String),
    /// A file could not be written.
    Write(ReportError),
}

impl fmt::Display for SweepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan(error) => error.fmt(f),
            Self::Part(what) | Self::Busy(what) | Self::Place(what) => f.write_str(what),
            Self::Write(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SweepError {}

impl From<ProblemError> for SweepError {
    fn from(error: ProblemError) -> Self {
        Self::Plan(error)
    }
}

impl From<ReportError> for SweepError {
    fn from(error: ReportError) -> Self {
        Self::Write(error)
    }
}

impl From<StoreError> for SweepError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy(what) => Self::Busy(what),
            StoreError::Place(what) => Self::Place(what),
            StoreError::Write(error) => Self::Write(error),
        }
    }
}
