//! The claims of Arora, Li & Lyu, "Theoretical Analysis of Auto Rate-Tuning by Batch Normalization" (ICLR 2019),
//! as programs that measure them, and the reports that show what was found.

mod appendix_c;
mod auto_tuning;
pub mod bench;
pub mod calibration;
mod check;
pub mod claims;
pub mod cli;
pub mod closed_forms;
mod closest;
pub mod compare;
pub mod conformance;
pub mod constants;
mod decide;
pub mod errata;
pub mod evidence;
pub mod experiment;
pub mod fit;
pub mod inspect;
pub mod instances;
pub mod manifest;
mod paths;
pub mod plot;
pub mod problem;
mod real;
pub mod replay;
pub mod report;
pub mod results;
pub mod runner;
mod slack;
mod stochastic;
pub mod sweep;
