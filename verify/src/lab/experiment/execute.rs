//! Running what is missing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::cell::{Cell, decode, encode};
use super::plan::Plan;
use super::study::AtRate;
use super::task::{Task, Training};
use crate::lab::budget;
use crate::lab::sweep::outcome::{Damage, seal, unseal};
use crate::lab::sweep::store::file_of;
use crate::lab::sweep::{Places, Progress, Shard, Store, SweepError};
use crate::lab::threads;
use crate::text::ReportError;

/// What is there already, and what has to be run.
#[derive(Clone, Debug, Default)]
pub struct Pending<'p> {
    /// Trainings to run, each once.
    pub cells: Vec<&'p Cell>,
    /// How many are there.
    pub done: usize,
    /// Of those to run, how many have a file that cannot be used.
    pub damaged: usize,
}

fn kept(dir: &Path, key: &str) -> Result<Option<Training>, Damage> {
    let Some(bytes) = file_of(dir, key)? else { return Ok(None) };
    decode(unseal(&bytes, key)?).map(Some).ok_or(Damage::Foreign)
}

/// Looks which trainings of the part, each counted once, are in one of the places. One that is nowhere whole is run
/// again.
pub fn pending<'p>(cells: &'p [Cell], shard: Shard, places: &Places) -> Pending<'p> {
    let mut found = Pending::default();
    let mut known = BTreeSet::new();
    for (_, cell) in cells.iter().enumerate().filter(|(place, _)| shard.holds(*place)) {
        if !known.insert(&cell.key) {
            continue; // the same training as an earlier one, under another name
        }
        let mut damaged = false;
        let is_whole = |dir| {
            let kept = kept(dir, &cell.key);
            damaged |= kept.is_err();
            matches!(kept, Ok(Some(_)))
        };
        if places.with(&cell.key).any(is_whole) {
            found.done += 1;
        } else {
            found.damaged += usize::from(damaged);
            found.cells.push(cell);
        }
    }
    found
}

/// How far every one of `n` parts is: trainings that are whole somewhere.
pub(crate) fn progress(cells: &[Cell], n: usize, places: &Places) -> Vec<Progress> {
    let of_part = |part: Shard| {
        let found = pending(cells, part, places);
        Progress { part, done: found.done, all: found.done + found.cells.len() }
    };
    Shard::all(n).map(of_part).collect()
}

/// Takes over what is missing and has been run elsewhere: the directories of parts.
///
/// # Errors
/// If a directory is none of an experiment, two of them have different numbers for one training, or a file cannot be
/// written.
pub(crate) fn take_over(cells: &[Cell], parts: &[PathBuf], store: &Store) -> Result<(), SweepError> {
    for part in parts {
        if !part.join("cells").is_dir() {
            let remedy = "give a directory that `ratecheck experiment --out DIR` has filled";
            return Err(SweepError::Part(format!("{} has no cells; {remedy}", part.display())));
        }
    }
    let whole = |dir: &Path, key: &str| match (kept(dir, key), file_of(dir, key)) {
        (Ok(Some(_)), Ok(Some(bytes))) => Some(bytes),
        _ => None,
    };
    let mut known = BTreeSet::new();
    for cell in cells.iter().filter(|cell| known.insert(&cell.key)) {
        let (own, mut from) = (whole(store.dir(), &cell.key), store.dir());
        let mut found = own.clone();
        for part in parts {
            match (whole(part, &cell.key), &found) {
                (Some(bytes), Some(before)) if *before != bytes => {
                    let (a, b) = (from.display(), part.display());
                    let what = format!("{a} and {b} have different numbers for {} ({})", cell.key, cell.described());
                    return Err(SweepError::Part(format!("{what}; one of them comes from another build: remove it")));
                }
                (Some(bytes), None) => (found, from) = (Some(bytes), part),
                _ => {}
            }
        }
        if let (None, Some(bytes)) = (own, found) {
            store.keep_bytes(&cell.key, &bytes)?;
        }
    }
    Ok(())
}

/// Says which trainings are in no part.
pub(crate) fn forgotten(found: &Pending<'_>) -> Option<SweepError> {
    let first = found.cells.first()?;
    let (missing, all) = (found.cells.len(), found.cells.len() + found.done);
    let remedy = "give the directories of all parts, or leave --parts out to have them trained here";
    Some(SweepError::Part(format!(
        "{missing} of {all} trainings are in no part, the first of them {} ({}); {remedy}",
        first.key,
        first.described()
    )))
}

/// Runs these trainings and keeps each as soon as it is done; `seen` is told of every epoch. Where there are as many as
/// threads, each has a thread of its own; otherwise one after another has them all. Neither changes a bit.
///
/// # Errors
/// If a file cannot be written, or no thread can be started. What was kept stays.
pub fn execute(
    task: &Task,
    cells: &[&Cell],
    threads: usize,
    store: &Store,
    seen: impl Fn() + Sync,
) -> Result<(), SweepError> {
    let [workers, threads] = if cells.len() < threads { [1, threads] } else { [threads, 1] };
    // As many at a time as memory is for.
    let each = Task::bytes(task.image, task.n_classes, task.width, task.batch).max(1);
    let workers = workers.min(usize::try_from(u128::from(budget::allowed()) / each).unwrap_or(usize::MAX)).max(1);
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    let work = || -> Result<(), SweepError> {
        // A pool of its own, so that what waits inside a step does not begin another training.
        let pool = match threads::pool(threads) {
            Ok((pool, _)) => Some(pool),
            // Where no thread can be started, the present one is the pool already.
            Err(_) if rayon::current_thread_index().is_some() => None,
            Err(error) => return Err(SweepError::Write(ReportError::render("threads", error))),
        };
        while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
            let train = || cell.train(task, &seen);
            let training = pool.as_ref().map_or_else(train, |pool| pool.install(train));
            // The plan has checked the network and the rates.
            let training = training.unwrap_or_else(|error| panic!("a plan let a training through: {}", error.0));
            store.keep_bytes(&cell.key, &seal(&cell.identity, &encode(&training)))?;
        }
        Ok(())
    };
    let worker = || {
        if let Err(error) = work() {
            // The others stop at their next training.
            next.store(usize::MAX / 2, Ordering::Relaxed);
            failed.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get_or_insert(error);
        }
    };
    std::thread::scope(|scope| {
        // Where the system starts no more threads, those that are there do the work: this one always.
        let start = || std::thread::Builder::new().spawn_scoped(scope, worker).is_ok();
        (1..workers).take_while(|_| start()).for_each(drop);
        worker();
    });
    let failed = failed.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    failed.map_or(Ok(()), Err)
}

/// All trainings of the plan, from their files.
///
/// # Errors
/// If one of them is missing or damaged.
pub fn collect(plan: &Plan, cells: &[Cell], dir: &Path) -> Result<Vec<AtRate>, SweepError> {
    let same = |a: &Cell, b: &Cell| (a.setting, a.rates, a.eta) == (b.setting, b.rates, b.eta);
    let read = |cell: &Cell| match kept(dir, &cell.key) {
        Ok(Some(training)) => Ok(training),
        _ => {
            let what = format!("the training {} is gone or damaged", cell.key);
            Err(SweepError::Part(format!("{what}; run the experiment again, which makes it anew")))
        }
    };
    debug_assert_eq!(cells.len() % plan.seeds.len(), 0);
    let at_rate = |of_rate: &[Cell]| {
        let Cell { setting, rates, eta, .. } = of_rate[0];
        Ok(AtRate { setting, rates, eta, starts: of_rate.iter().map(read).collect::<Result<_, _>>()? })
    };
    cells.chunk_by(same).map(at_rate).collect()
}
