//! Sweeps: many runs over a grid of learning rates, schedules, step rules, losses and seeds,
//! each kept as soon as it is done.
//!
//! A plan file ([`Plan`], `docs/sweep-plan.md`) makes a list of cells. A [`Cell`] is one run, and its name is a hash of
//! everything that determines it, so that a directory of cells is a cache: what is there is not run again, whatever
//! stopped the run before. The results are made from the files of the cells alone, so a sweep that was killed, resumed,
//! or run in parts and put together ([`merge`]) has the same bits as one that was not.
//!
//! ```
//! use ratecheck_verify::lab::sweep::Plan;
//! let text = r#"
//!     [sweep]
//!     steps = 1000
//!     horizons = 10
//!     seeds = 4
//!
//!     [grid]
//!     instance = ["problem-j", "rayleigh"]
//!     eta-w = [0.1, 1.0]
//!     eta-g = 0.5
//! "#;
//! let plan = Plan::parse(text, "plan.toml".as_ref())?;
//! assert_eq!(plan.cells.len(), 2 * 4 + 2); // gradient descent from one point knows no seeds
//! let error = Plan::parse(&text.replace("seeds", "seds"), "plan.toml".as_ref()).unwrap_err();
//! assert_eq!(error.to_string(), "plan.toml:5: sweep.seds: unknown key; did you mean `seeds`?");
//! # Ok::<(), ratecheck_verify::lab::problem::ProblemError>(())
//! ```

mod answer;
mod cell;
mod error;
mod estimate;
mod execute;
mod expect;
mod grid;
mod instance;
mod merge;
pub(crate) mod npz;
pub(crate) mod outcome;
mod parts;
mod plan;
mod quantity;
pub(crate) mod results;
mod rule;
pub(crate) mod store;
#[cfg(test)]
mod tests;

pub use answer::{Answer, Course, Group, Spread, Tally};
pub use cell::{Cell, ENGINE, LookAt, Rate, Runs};
pub use error::SweepError;
pub use estimate::Estimate;
pub use execute::{Pending, Shard, execute, finish, pending, progress, together};
pub use expect::Expect;
pub use instance::{Instance, Start};
pub use merge::merge;
pub use outcome::{Damage, Outcome};
pub use parts::{Places, Progress, place_of};
pub use plan::Plan;
pub use quantity::Quantity;
pub use results::Written;
pub use rule::Rule;
pub use store::{FORMAT, Listed, Manifest, Setting, Store, read_cell};
