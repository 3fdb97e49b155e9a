//! Text and files, for whoever writes any: numbers as people read them, JSON, escaping, files that are whole or absent.
//! Needs nothing else of this package.

mod error;
mod files;
mod json;
mod limits;
pub(crate) mod markdown;
pub mod number;
pub(crate) mod plain;
pub(crate) mod real;

pub use error::ReportError;
pub(crate) use files::write;
pub(crate) use json::pretty;
pub(crate) use limits::read_within;
