//! Text and files, for whoever writes any: numbers as people read them, JSON, escaping, files that are whole or absent,
//! directories that one process works in. Needs nothing else of this package.

mod error;
mod files;
mod json;
mod limits;
pub(crate) mod markdown;
pub mod number;
pub(crate) mod plain;
pub(crate) mod real;
pub(crate) mod seal;
mod store;

pub use error::ReportError;
pub(crate) use files::{Flush, put, write};
pub(crate) use json::pretty;
pub(crate) use limits::{outlive_file_limits, read_within};
pub use seal::Damage;
pub(crate) use store::lock_directory;
pub use store::{Kept, Locking, Store, StoreError};
