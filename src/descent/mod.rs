//! Descent on theta = (W; g): learning rates, step rules, single steps and recorded runs.
//!
//! [`Stepper`] makes one step of [`StepRule`] at a time and shows all that a claim about one step needs. [`run`]
//! follows a [`Plan`] over many steps and keeps [`Record`]s at chosen horizons; [`run_many`] does so for many starting
//! points in parallel, with the same bits for any number of threads.
//! [`Lockstep`] takes eight runs of a loss through one evaluation.
//!
//! Divergence is an observation, with its step and with what was not finite: see [`Divergence`].

mod divergence;
mod lockstep;
mod memory;
mod precision;
mod record;
mod rule;
mod run;
mod schedule;
mod stepper;

pub use divergence::{Divergence, NotFinite};
pub use lockstep::{Lockstep, run_in_lockstep};
pub use precision::{Buffers, Precision};
pub use record::{LossSource, Record, Running};
pub use rule::{RuleError, StepRule, WeightDecay};
pub use run::{Plan, Recording, Start, Trace, run, run_all, run_many};
pub use schedule::{Schedule, ScheduleError};
pub use stepper::{Step, Stepper};
