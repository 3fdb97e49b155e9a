//! All trainings of a figure.

use ratecheck::random::Seed;
use serde::{Deserialize, Serialize};

use super::task::{Setting, Task, Training};
use crate::claim::evidence::Unevaluated;
use crate::claim::parallel::InParallel;

/// How the rates of W and of g go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rates {
    /// D.1: eta_g is fixed.
    Separate,
    /// D.2: one rate.
    Unified,
}

impl Rates {
    /// As tables name it, with the symbol of the rate.
    pub fn name(self) -> &'static str {
        if self == Self::Separate { "separate rates, η_w" } else { "one rate, η" }
    }

    /// The symbol of the rate.
    pub fn symbol(self) -> &'static str {
        if self == Self::Separate { "η_w" } else { "η" }
    }

    /// [eta_w, eta_g].
    pub fn of(self, eta: f64, eta_g: f64) -> [f64; 2] {
        [eta, if self == Self::Separate { eta_g } else { eta }]
    }
}

/// All trainings of a setting at one learning rate.
#[derive(Clone, Debug, PartialEq)]
pub struct AtRate {
    /// What was trained.
    pub setting: Setting,
    /// Which rates go together.
    pub rates: Rates,
    /// eta_w, and eta_g if it is one rate.
    pub eta: f64,
    /// From every start. Settings and rates share starts and the order of the examples.
    pub starts: Vec<Training>,
}

/// Trains a task again and again.
pub struct Study<'a> {
    /// What is learned.
    pub task: &'a Task,
    /// Where starts and orders come from.
    pub seeds: Vec<Seed>,
    /// eta_g of separate rates.
    pub eta_g: f64,
}

impl Study<'_> {
    /// Every rate from every start, on the threads of the current pool.
    ///
    /// # Errors
    /// As [`Task::train`].
    pub fn train(&self, setting: Setting, rates: Rates, etas: &[f64]) -> Result<Vec<AtRate>, Unevaluated> {
        let jobs: Vec<(f64, &Seed)> = etas.iter().flat_map(|&eta| self.seeds.iter().map(move |k| (eta, k))).collect();
        let one = |&(eta, seed): &(f64, &Seed)| self.task.train(setting, rates.of(eta, self.eta_g), seed, || {});
        let mut found = jobs.in_parallel(one).into_iter();
        let mut at_rate = |&eta: &f64| {
            let starts = found.by_ref().take(self.seeds.len()).collect::<Result<_, _>>()?;
            Ok(AtRate { setting, rates, eta, starts })
        };
        etas.iter().map(&mut at_rate).collect()
    }
}
