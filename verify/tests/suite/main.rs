//! Everything of the package but the claims, which have a program of their own, and the command line as a whole: one
//! program, since each costs a link of all that it uses.
#![allow(missing_docs, clippy::unwrap_used)]

mod constants;
mod errata;
mod inspect;
mod manifest;
mod own;
mod problem;
mod rates;
mod report;
mod sweep;
