//! Appendix D: networks of the paper's kind are trained by SGD, by projected SGD, and with batch normalisation removed.
//!
//! A [`Task`] is what is learned, and trains once. [`AtRate`] holds all trainings at one learning rate, [`Question`]
//! what is to be seen in them, and [`Study`] both for the paper's figures: the claim `appendix-d` and the command
//! `ratecheck experiment` share them. A [`Plan`] says how large and how long;
//! its trainings are cells kept by their hashes, as those of a sweep.

mod cell;
mod data;
mod execute;
mod fault;
mod figures;
mod guess;
mod plan;
mod probe;
mod question;
mod read;
mod results;
mod study;
mod task;
#[cfg(test)]
mod tests;

pub use cell::Cell;
pub use data::{DataSource, FASHION_MNIST};
pub use execute::{Pending, collect, execute, pending};
pub(crate) use execute::{forgotten, progress, take_over};
pub use fault::Fault;
pub use figures::figures;
pub use guess::Guess;
pub use plan::{Figure, Limits, Plan};
pub use probe::probe;
pub use question::{Answer, Question, Seen, Side};
pub use read::WIDTHS;
pub use results::{FILES, Table, write_results};
pub use study::{AtRate, Rates, Study};
pub use task::{Epoch, Setting, Task, Training};
