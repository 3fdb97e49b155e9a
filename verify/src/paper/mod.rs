//! The paper: a file per statement, the map of all of them, what is misprinted, how far the statistical decisions can
//! be trusted, and what several claims share.

mod appendix_c;
mod auto_tuning;
pub mod calibration;
pub mod claims;
pub mod errata;
mod gradient_descent;
pub mod manifest;
mod paths;
pub mod sensitivity;
mod sgd;
mod slack;
mod stochastic;
mod visits;
