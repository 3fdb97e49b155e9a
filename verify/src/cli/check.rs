//! Claims side by side, on the threads of one pool, and what is found kept as they end.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use rayon::ThreadPool;

use super::Stopped;
use super::console::{Console, colour};
use super::resume::keep;
use super::sweep::stopped;
use super::verify::unwritten;
use crate::claim::evidence::Claim;
use crate::claim::results::{ClaimResult, Results};
use crate::report;
use crate::text::{Store, StoreError};

/// Claims at work at a time. Long claims leave cores idle: of the full run, an hour, only a tenth was on two.
pub(super) struct Lanes<'a> {
    pool: &'a ThreadPool,
    n: usize,
}

impl<'a> Lanes<'a> {
    /// One claim after the other.
    pub(super) fn one(pool: &'a ThreadPool) -> Self {
        Self { pool, n: 1 }
    }

    /// As many as there are threads, and at most four: with more, each would only end later.
    pub(super) fn of(pool: &'a ThreadPool) -> Self {
        Self { pool, n: pool.current_num_threads().min(4) }
    }
}

/// What has been found so far.
struct State<'a> {
    todo: &'a [&'a dyn Claim],
    /// How many of them have begun.
    begun: usize,
    /// Those at work.
    at_work: Vec<&'static str>,
    results: Results,
    /// No further claim begins: why, if that is an error.
    over: Option<Result<(), Stopped>>,
}

/// Work inside a claim is spread over the threads, too. What is found is kept after every claim: a run that is stopped
/// has lost the claims it was at, and nothing else. No number depends on what goes on beside it; only times do.
pub(super) fn check_all(
    claims: &[&'static dyn Claim],
    results: Results,
    store: &Store,
    (console, lanes): (Console, Lanes<'_>),
    run: &(dyn Fn(&dyn Claim) -> Option<ClaimResult> + Sync),
    stop: &(dyn Fn(&ClaimResult) -> bool + Sync),
) -> Result<Results, Stopped> {
    let (begin, before) = (Instant::now(), results.provenance.seconds);
    let order = |id: &str| claims.iter().position(|claim| claim.statement().id == id).unwrap_or(claims.len());
    let missing = |claim: &&&dyn Claim| results.claims.iter().all(|done| done.id != claim.statement().id);
    let todo: Vec<&dyn Claim> =
        claims.iter().map(|claim| *claim as &dyn Claim).filter(|claim| missing(&claim)).collect();
    let bar = ProgressBar::with_draw_target(Some(todo.len() as u64), console.progress());
    if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len}  {msg}  {elapsed}, about {eta} left") {
        bar.set_style(style);
    }
    let mut state = State { todo: &todo, begun: 0, at_work: Vec::new(), results, over: None };
    state.results.pending = state.pending();
    // A directory that cannot be written is reported now, not in an hour.
    report::write_results(&state.results, store.dir()).map_err(unwritten)?;
    let state = Mutex::new(state);
    let lane = || {
        loop {
            // Let go of the lock before the claim runs.
            let next = lock(&state).next(&bar);
            let Some(claim) = next else { return };
            let ended = lanes.pool.install(|| run(claim));
            let mut state = lock(&state);
            state.at_work.retain(|id| *id != claim.statement().id);
            // Whoever took the directory away took what had been found along: what comes would be lost. If the disk is
            // full by now, the rest is worth running all the same: the table is printed, and the last attempt to write
            // complains.
            if let Some(ended) = &ended
                && let Err(error @ StoreError::Place(_)) = keep(store, ended, &state.results.provenance)
            {
                state.over = Some(Err(stopped(error)));
                return;
            }
            if let Some(ended) = &ended {
                // On a terminal alone, above the bar.
                bar.println(report::ended_line(ended, colour()));
                if stop(ended) {
                    state.over.get_or_insert(Ok(()));
                }
            }
            state.results.claims.extend(ended);
            state.results.claims.sort_by_key(|done| order(&done.id));
            state.results.pending = state.pending();
            state.results.provenance.seconds = before + begin.elapsed().as_secs_f64();
            let _ = report::write_results(&state.results, store.dir());
            bar.inc(1);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..lanes.n {
            // Where no thread can be had, there is a lane less.
            let _ = std::thread::Builder::new().spawn_scoped(scope, lane);
        }
        lane();
    });
    bar.finish_and_clear();
    let state = state.into_inner().unwrap_or_else(PoisonError::into_inner);
    state.over.unwrap_or(Ok(())).map(|()| state.results)
}

fn lock<'a, 'b>(state: &'b Mutex<State<'a>>) -> MutexGuard<'b, State<'a>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> State<'a> {
    /// The claim that begins now.
    fn next(&mut self, bar: &ProgressBar) -> Option<&'a dyn Claim> {
        let claim = self.todo.get(self.begun).filter(|_| self.over.is_none())?;
        self.begun += 1;
        self.at_work.push(claim.statement().id);
        bar.set_message(self.at_work.join(", "));
        bar.tick();
        Some(*claim)
    }

    /// Those that have not ended.
    fn pending(&self) -> Vec<String> {
        let waiting = self.todo[self.begun..].iter().map(|claim| claim.statement().id);
        self.at_work.iter().copied().chain(waiting).map(str::to_owned).collect()
    }
}
