//! Running what is missing.

use std::collections::BTreeSet;
use std::fmt;

use rayon::prelude::*;

use super::cell::Cell;
use super::error::SweepError;
use super::outcome::{Damage, Outcome};
use super::plan::Plan;
use super::results::{self, Written};
use super::store::{Manifest, Store, read_cell};

/// A part of a plan: every cell whose number, from 0, leaves `k - 1` when divided by `n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    k: usize,
    n: usize,
}

impl Shard {
    /// All of it.
    pub const WHOLE: Self = Self { k: 1, n: 1 };

    fn holds(self, place: usize) -> bool {
        place % self.n == self.k - 1
    }
}

impl std::str::FromStr for Shard {
    type Err = String;

    /// `k/n` with 1 <= k <= n.
    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
        match parts {
            Some((k, n)) if 1 <= k && k <= n => Ok(Self { k, n }),
            _ => Err("give k/n with 1 <= k <= n, as 3/8".to_owned()),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.k, self.n)
    }
}

/// What is there already, and what has to be run.
#[derive(Clone, Debug, Default)]
pub struct Pending<'p> {
    /// Cells to run, each once.
    pub cells: Vec<&'p Cell>,
    /// How many cells are there.
    pub done: usize,
    /// Of those to run, how many have a file that is cut short or changed.
    pub broken: usize,
    /// And how many have a sound file of another cell under their name.
    pub foreign: usize,
}

/// Looks which cells of the part are in a directory. A file that is not the cell it should be is run again.
pub fn pending<'p>(plan: &'p Plan, shard: Shard, dir: &std::path::Path) -> Pending<'p> {
    let mut found = Pending::default();
    let mut known = BTreeSet::new();
    for (_, cell) in plan.cells.iter().enumerate().filter(|(place, _)| shard.holds(*place)) {
        if !known.insert(&cell.key) {
            found.done += 1; // the same run as an earlier one, under another name
            continue;
        }
        match read_cell(dir, &cell.key) {
            Ok(Some(_)) => found.done += 1,
            Ok(None) => found.cells.push(cell),
            Err(damage) => {
                found.cells.push(cell);
                match damage {
                    Damage::Broken => found.broken += 1,
                    Damage::Foreign => found.foreign += 1,
                }
            }
        }
    }
    found
}

/// Runs these cells on the threads of the current pool and keeps each as soon as it is done; `done` hears of every one. What the
/// threads do in which order changes no bit: a run depends on its cell alone.
///
/// # Errors
/// If a cell cannot be written. Those that were stay.
pub fn execute(
    plan: &Plan,
    cells: &[&Cell],
    store: &Store,
    done: impl Fn(&Cell, &Outcome) + Sync,
) -> Result<(), SweepError> {
    store.list(&Manifest::from(plan))?;
    cells.par_iter().with_max_len(1).try_for_each(|cell| {
        let instance = &plan.instances[cell.instance];
        let outcome = cell.run(instance, &plan.runs);
        store.keep(&cell.key, &cell.identity(instance, &plan.runs), &outcome)?;
        done(cell, &outcome);
        Ok(())
    })
}

/// Makes the results of a plan all of whose cells are there.
///
/// # Errors
/// If a cell is missing or damaged, or a file cannot be written.
pub fn finish(plan: &Plan, store: &Store) -> Result<Written, SweepError> {
    results::write(&Manifest::from(plan), store)
}
