//! The claims of Arora, Li & Lyu, "Theoretical Analysis of Auto Rate-Tuning by Batch Normalization" (ICLR 2019),
//! as programs that measure them, and the reports that show what was found.
//!
//! Six wings, whose arrows of use run one way, upward in this list:
//!
//! * [`text`]: numbers, escaping, files. Needs nothing.
//! * [`claim`]: what a claim is, how a verdict follows, results as data.
//! * [`lab`]: what users bring: problem files, constants, logs, sweeps, experiments.
//! * [`paper`]: the claims, the map of the paper, the errata.
//! * [`report`]: results to page, table, Markdown, LaTeX, JUnit; one verification against another.
//! * [`cli`]: the command line, one file per command.

pub mod claim;
pub mod cli;
pub mod lab;
pub mod paper;
pub mod report;
pub mod text;
