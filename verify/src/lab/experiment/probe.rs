//! The first step of every training, before anything is run: one that is undefined from the start is no training that
//! diverges.

use std::collections::BTreeSet;

use ratecheck::descent::{NotFinite, Schedule, StepRule, Stepper};
use ratecheck::random::Seed;

use super::cell::Cell;
use super::fault::Fault;
use super::task::{Setting, Task};
use crate::claim::evidence::Unevaluated;
use crate::lab::undefined::cause;

/// Evaluates the loss and the gradient that each of these trainings begins with. They are the same for every rate, and
/// with and without projection.
///
/// # Errors
/// The first that is not finite, with the reason.
pub fn probe(task: &Task, cells: &[&Cell]) -> Result<(), Fault> {
    let starts: BTreeSet<(bool, u64)> =
        cells.iter().map(|cell| (cell.setting == Setting::Removed, cell.seed)).collect();
    for (removed, seed) in starts {
        let setting = if removed { Setting::Removed } else { Setting::Sgd };
        let undefined = task
            .undefined(setting, &Seed::new(seed))
            .map_err(|error| Fault::new(["experiment", "figure"], error.0, "change the plan"))?;
        if let Some((why, remedy)) = undefined {
            let what = format!("{}, seed {seed}: undefined before its first step, since {why}", setting.name());
            return Err(Fault::new(["data", "source"], what, remedy));
        }
    }
    Ok(())
}

impl Task {
    /// Why the first step of [`Task::train`] is not defined, if it is not; and what to do.
    fn undefined(&self, setting: Setting, seed: &Seed) -> Result<Option<(String, &'static str)>, Unevaluated> {
        let network = self.network(setting)?;
        let start = network.initialise(&mut seed.generator("start"));
        let order = self.order(&mut seed.generator("order"));
        let z = &order[..self.batch];
        let one = Schedule::constant(1.0)?;
        let stepper = Stepper::new(&network, &start, StepRule::Gradient, one, one, seed.generator("unused"));
        let first = stepper.evaluating_in(self.precision).step_with(z);
        let undefined = first.is_err_and(|error| error.what != NotFinite::Parameters);
        Ok(undefined.then(|| cause(&network, Some(&network), z, &start)))
    }
}
