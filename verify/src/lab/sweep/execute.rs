//! Running what is missing.

use std::collections::BTreeSet;
use std::fmt;

use ratecheck::descent::Lockstep;
use rayon::prelude::*;

use super::cell::{Cell, run_together};
use super::error::SweepError;
use super::merge::gather;
use super::outcome::{Damage, Outcome};
use super::parts::{Places, Progress};
use super::plan::Plan;
use super::results::Written;
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

    /// All `n` parts.
    pub(crate) fn all(n: usize) -> impl Iterator<Item = Self> {
        (1..=n).map(move |k| Self { k, n })
    }

    /// k and n.
    pub(crate) fn numbers(self) -> (usize, usize) {
        (self.k, self.n)
    }

    /// Whether the cell with this number is one of the part's.
    pub(crate) fn holds(self, place: usize) -> bool {
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

/// Looks which cells of the part are in one of the places. A cell that is nowhere whole is run again.
pub fn pending<'p>(plan: &'p Plan, shard: Shard, places: &Places) -> Pending<'p> {
    let mut found = Pending::default();
    let mut known = BTreeSet::new();
    for (_, cell) in plan.cells.iter().enumerate().filter(|(place, _)| shard.holds(*place)) {
        if !known.insert(&cell.key) {
            found.done += 1; // the same run as an earlier one, under another name
            continue;
        }
        let mut damage = None;
        let is_whole = |dir| match read_cell(dir, &cell.key) {
            Ok(found) => found.is_some(),
            Err(what) => {
                damage.get_or_insert(what);
                false
            }
        };
        if places.with(&cell.key).any(is_whole) {
            found.done += 1;
            continue;
        }
        found.cells.push(cell);
        match damage {
            Some(Damage::Broken) => found.broken += 1,
            Some(Damage::Foreign) => found.foreign += 1,
            None => {}
        }
    }
    found
}

/// How far every one of `n` parts is: cells that are whole somewhere.
pub fn progress(plan: &Plan, n: usize, places: &Places) -> Vec<Progress> {
    let of_part = |part: Shard| {
        let found = pending(plan, part, places);
        Progress { part, done: found.done, all: found.done + found.cells.len() }
    };
    Shard::all(n).map(of_part).collect()
}

/// Runs these cells on the threads of the current pool, eight at a time where that is faster, and keeps each as soon as
/// it is done; `done` is told of every one. What the threads do in which order changes no bit: a run depends on its
/// cell alone.
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
    crews(plan, cells, rayon::current_num_threads()).par_iter().with_max_len(1).try_for_each(|crew| {
        let instance = &plan.instances[crew[0].instance];
        let outcomes = if crew.len() > 1 {
            run_together(crew, instance, &plan.runs)
        } else {
            crew.iter().map(|cell| cell.run(instance, &plan.runs)).collect()
        };
        crew.iter().zip(&outcomes).try_for_each(|(cell, outcome)| {
            store.keep(&cell.key, &cell.identity(instance, &plan.runs), outcome)?;
            done(cell, outcome);
            Ok(())
        })
    })
}

/// Whether so many cells go in lockstep, where they can: if every thread has eight. Fewer take less time alone.
pub fn together(n_cells: usize, threads: usize) -> bool {
    n_cells >= Lockstep::RUNS * threads
}

/// The fewest runs that take less time in lockstep than one after another:
/// eight places take as long as five or six runs alone.
const FEWEST: usize = 6;

/// The cells that run together: eight of one instance and rule in lockstep where that gains time, single ones
/// otherwise.
fn crews<'c>(plan: &Plan, cells: &[&'c Cell], threads: usize) -> Vec<Vec<&'c Cell>> {
    let (several, alone): (Vec<&Cell>, Vec<&Cell>) =
        cells.iter().partition(|cell| together(cells.len(), threads) && cell.lockstep(&plan.instances[cell.instance]));
    let alike = |a: &&Cell, b: &&Cell| (a.instance, a.rule, a.decay) == (b.instance, b.rule, b.decay);
    let eights = several.chunk_by(alike).flat_map(|same| same.chunks(Lockstep::RUNS));
    let crews = eights.flat_map(|crew| crew.chunks(if crew.len() < FEWEST { 1 } else { crew.len() }));
    crews.map(<[_]>::to_vec).chain(alone.into_iter().map(|cell| vec![cell])).collect()
}

/// Makes the results of a plan all of whose cells are in some place, from where the store takes them.
///
/// # Errors
/// If a cell is missing or damaged, if two places have different numbers for one cell, or if a file cannot be written.
pub fn finish(plan: &Plan, places: &Places, store: &Store) -> Result<Written, SweepError> {
    gather(&Manifest::from(plan), places, store)
}
