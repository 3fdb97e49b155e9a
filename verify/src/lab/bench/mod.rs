//! How fast this machine runs the engine: `ratecheck bench`.
//!
//! Everything is measured in short repeats that take turns with a product of two 256 x 256 matrices, so that a busy
//! machine or a changing clock concerns all of them alike. What counts is the share of that product's speed: only
//! floating-point operations in products of matrices are counted, two a multiply-add.

mod sweep;
mod work;

use std::time::Instant;

use serde::Serialize;

pub use sweep::{SweepPlan, SweepPoint, SweepRun, reference_sweep};
pub use work::{Subjects, Work, step_operations};

/// The shortest repeat, in seconds: far above the resolution of the clock, far below the time slice of a thread.
const REPEAT: f64 = 1e-3;

/// How long one piece of work takes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// What was measured.
    pub name: &'static str,
    /// The best time, in microseconds.
    pub best: f64,
    /// The median over all repeats, in microseconds.
    pub median: f64,
    /// 10^9 operations in products a second, at best; `None` for work without products.
    pub gflops: Option<f64>,
    /// That speed by the best speed of the 256 x 256 product.
    pub share: Option<f64>,
}

/// Measures every piece of work `repeats` times, in turns; the first is the yardstick of the others.
///
/// # Panics
/// If there is no work, or `repeats` is 0.
pub fn measure(work: &mut [Work<'_>], repeats: usize) -> Vec<Measured> {
    assert!(!work.is_empty() && repeats > 0, "something to measure, at least once");
    let mut timers: Vec<Timer> = work.iter_mut().map(Timer::new).collect();
    for _ in 0..repeats {
        for (work, timer) in work.iter_mut().zip(&mut timers) {
            timer.repeat(work);
        }
    }
    let speed = |work: &Work<'_>, timer: &Timer| work.operations.map(|n| n as f64 / timer.best());
    let peak = speed(&work[0], &timers[0]);
    let of = |(work, timer): (&Work<'_>, &Timer)| {
        let speed = speed(work, timer);
        Measured {
            name: work.name,
            best: 1e6 * timer.best(),
            median: 1e6 * timer.median(),
            gflops: speed.map(|speed| speed / 1e9),
            share: speed.zip(peak).map(|(speed, peak)| speed / peak),
        }
    };
    work.iter().zip(&timers).map(of).collect()
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
        let start = Instant::now();
        for _ in 0..self.times {
            (work.run)();
        }
        self.seconds.push(start.elapsed().as_secs_f64() / f64::from(self.times));
    }

    fn best(&self) -> f64 {
        self.seconds.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn median(&self) -> f64 {
        let mut sorted = self.seconds.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    }
}
