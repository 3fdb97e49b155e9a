//! How fast this machine runs the engine: `ratecheck bench`.
//!
//! Everything is measured in short repeats that take turns with the limits of the processor, so that a busy machine or
//! a changing clock concerns all of them alike. What counts is the share of the limit that binds ([`Limits`]): what is
//! counted of a piece of work is in [`Counted`].

mod counted;
mod limits;
mod scaling;
mod sweep;
mod work;

use std::time::Instant;

use rayon::ThreadPool;
use serde::Serialize;

pub use counted::Counted;
pub use limits::{Bound, Limits, Load, Numbers, Peak, SECOND};
pub use scaling::{Along, Cost, Curve, Exponent, NIGHT, Night, Point, STEPS, Scaling, ScalingError, scaling};
pub use sweep::{SweepPlan, SweepPoint, SweepRun, reference_sweep};
pub use work::{Subjects, Work, lockstep_step};

/// The shortest repeat, in seconds: far above the resolution of the clock, far below the time slice of a thread.
const REPEAT: f64 = 1e-3;

/// How long one piece of work takes, and how that compares with what the machine can do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// What it is done on.
    pub group: &'static str,
    /// What was measured.
    pub name: String,
    /// How many threads did it.
    pub threads: usize,
    /// In which numbers.
    pub numbers: Numbers,
    /// The best time, in microseconds.
    pub best: f64,
    /// The median over all repeats, in microseconds.
    pub median: f64,
    /// What it needs at the least.
    #[serde(flatten)]
    pub counted: Counted,
    /// 10^9 of the counted operations a second, at best.
    pub gflops: f64,
    /// 10^9 of the counted bytes a second, at best.
    pub gigabytes: f64,
    /// The limit that binds.
    pub bound: Bound,
    /// The time that this limit allows, in microseconds.
    pub limit: f64,
    /// That by the best time.
    pub share: f64,
    /// The counted operations a second, by those of the first piece of work: ndarray's product of 256 x 256 matrices.
    pub of_product: f64,
}

/// The machine's limits on one thread and on all, and every piece of work beside them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measurements {
    /// On one thread; then on all of the pool, if it has more.
    pub limits: Vec<Limits>,
    /// In the order of [`Subjects::work`].
    pub work: Vec<Measured>,
}

/// Measures the limits and every piece of work `repeats` times, in turns.
///
/// # Panics
/// If there is no work, `repeats` is 0, or work is for other numbers of threads than one and those of the pool.
pub fn measure(work: Vec<Work<'_>>, pool: &ThreadPool, repeats: usize) -> Measurements {
    assert!(!work.is_empty() && repeats > 0, "something to measure, at least once");
    let mut all = Limits::work(None);
    let mut ends = vec![(1, all.len())];
    if pool.current_num_threads() > 1 {
        all.extend(Limits::work(Some(pool)));
        ends.push((pool.current_num_threads(), all.len()));
    }
    let n_limits = all.len();
    all.extend(work);
    let times = in_turns(&mut all, repeats);
    let mut limits: Vec<Limits> = Vec::new();
    let mut start = 0;
    for (threads, end) in ends {
        limits.push(Limits::found(threads, &all[start..end], &times[start..end]));
        start = end;
    }
    let speed = |work: &Work<'_>, times: &Times| work.counted.operations as f64 / (1e9 * times.best);
    let yardstick = speed(&all[n_limits], &times[n_limits]);
    let of = |(work, times): (&Work<'_>, &Times)| {
        let limits = limits.iter().find(|limits| limits.threads == work.threads).expect("one or all threads");
        let (least, bound) = limits.least(work.counted, work.numbers);
        Measured {
            group: work.group,
            name: work.name.clone(),
            threads: work.threads,
            numbers: work.numbers,
            best: 1e6 * times.best,
            median: 1e6 * times.median,
            counted: work.counted,
            gflops: speed(work, times),
            gigabytes: work.counted.bytes as f64 / (1e9 * times.best),
            bound,
            limit: 1e6 * least,
            share: least / times.best,
            of_product: speed(work, times) / yardstick,
        }
    };
    let work = all.iter().zip(&times).skip(n_limits).map(of).collect();
    Measurements { limits, work }
}

/// Seconds for one time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) best: f64,
    pub(crate) median: f64,
}

/// Measures every piece of work `repeats` times, in turns.
pub(crate) fn in_turns(work: &mut [Work<'_>], repeats: usize) -> Vec<Times> {
    let mut timers: Vec<Timer> = work.iter_mut().map(Timer::new).collect();
    for _ in 0..repeats {
        for (work, timer) in work.iter_mut().zip(&mut timers) {
            timer.repeat(work);
        }
    }
    timers.into_iter().map(Timer::times).collect()
}

/// A closure that does something so many times, and says how many seconds that took.
pub(crate) fn times_over<'a>(mut once: impl FnMut() + 'a) -> Box<dyn FnMut(u32) -> f64 + 'a> {
    Box::new(move |times| {
        let start = Instant::now();
        for _ in 0..times {
            once();
        }
        start.elapsed().as_secs_f64()
    })
}

/// The times of one piece of work.
struct Timer {
    /// How often a repeat does it.
    times: u32,
    seconds: Vec<f64>,
}

impl Timer {
    /// Finds how many times fill a repeat. This warms caches, buffers and branch predictors up, too.
    fn new(work: &mut Work<'_>) -> Self {
        let mut timer = Self { times: 1, seconds: Vec::new() };
        loop {
            timer.repeat(work);
            let seconds = timer.seconds.pop().unwrap_or(0.0) * f64::from(timer.times);
            if seconds >= REPEAT || timer.times >= 1 << 24 {
                return timer;
            }
            timer.times *= 2;
        }
    }

    fn repeat(&mut self, work: &mut Work<'_>) {
        self.seconds.push((work.run)(self.times) / f64::from(self.times));
    }

    fn times(mut self) -> Times {
        self.seconds.sort_by(f64::total_cmp);
        Times { best: self.seconds[0], median: self.seconds[self.seconds.len() / 2] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No time is judged here: only that there are some, and what follows from them by arithmetic.
    #[test]
    fn every_share_is_finite_and_positive() {
        let subjects = Subjects::new().expect("sound networks");
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("threads");
        let work = subjects.work(&pool).expect("valid rates");
        let n_work = work.len();
        let found = measure(work, &pool, 1);
        assert_eq!(found.limits.iter().map(|limits| limits.threads).collect::<Vec<_>>(), [1, 2]);
        for limits in &found.limits {
            let speeds = limits.multiply_adds.iter().map(|peak| peak.gflops);
            let speeds: Vec<f64> = speeds.chain(limits.loads.iter().map(|load| load.gigabytes)).collect();
            assert!(speeds.iter().all(|&speed| speed > 0.0 && speed < f64::INFINITY), "{speeds:?}");
        }
        assert_eq!(found.work.len(), n_work);
        assert_eq!(found.work[0].of_product, 1.0);
        for one in &found.work {
            for number in [one.best, one.gflops, one.gigabytes, one.limit, one.share, one.of_product] {
                assert!(number > 0.0 && number < f64::INFINITY, "{one:?}");
            }
            assert!(one.best <= one.median && one.counted.held <= one.counted.bytes, "{one:?}");
        }
    }

    #[test]
    fn a_repeat_is_timed_once_for_each_time() {
        let mut done = 0;
        let mut run = times_over(|| done += 1);
        assert!(run(7) >= 0.0 && run(3) >= 0.0);
        drop(run);
        assert_eq!(done, 10);
    }
}
