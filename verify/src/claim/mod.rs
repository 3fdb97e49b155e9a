//! What a claim is: evidence and how a verdict follows from it, replays in higher precision, the runner, and results as
//! plain data; and the subjects that are built in. Knows no statement of the paper.

mod check;
pub mod closed_forms;
pub(crate) mod closest;
mod comparison;
pub mod conformance;
pub(crate) mod decide;
pub mod evidence;
pub mod instances;
pub mod parallel;
pub mod plot;
pub mod precise;
pub mod printed;
pub mod replay;
pub mod results;
pub(crate) mod rows;
pub mod runner;
pub mod sampled_test;
mod scaled_layers;
mod settings;
pub mod subject;
