//! A small roofline: what the processor can do, and which of its limits binds a piece of work.

use std::sync::Barrier;
use std::time::Instant;

use ratecheck::machine::{Unit, on_cache_line};
use rayon::ThreadPool;
use serde::Serialize;

use super::counted::Counted;
use super::{Times, Work, times_over};

/// Bytes of the arrays that are loaded: the first fits into every first cache, that of [`SECOND`] into every second.
const LOADED: [u64; 8] = [1 << 14, 1 << 15, 1 << 16, 1 << 17, 1 << 18, 1 << 19, 1 << 20, 1 << 22];
/// An array in the second cache, and in no first one.
pub const SECOND: u64 = 1 << 18;

/// Multiply-adds of a chain in registers: some microseconds.
const ROUNDS: usize = 2000;
/// How often an array is loaded in one go, so that the end of the sum does not count: it takes a third as long as to
/// load the shortest array.
const PASSES: usize = 16;

/// Numbers are `f64` or `f32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Numbers {
    /// `f64`.
    Double,
    /// `f32`.
    Single,
}

/// The most multiply-adds that a vector unit does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Peak {
    /// Of a register.
    pub bits: usize,
    /// Their kind.
    pub numbers: Numbers,
    /// 10^9 operations a second, two a multiply-add, at best.
    pub gflops: f64,
}

/// How fast an array of some length is loaded.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Load {
    /// Its length, in bytes; every thread has its own.
    pub held: u64,
    /// 10^9 bytes a second, at best.
    pub gigabytes: f64,
}

/// The limits of some threads together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Limits {
    /// Threads that do the same at the same time.
    pub threads: usize,
    /// For every vector unit and kind of numbers.
    pub multiply_adds: Vec<Peak>,
    /// For arrays of every length, the shortest first, by the widest unit.
    pub loads: Vec<Load>,
}

/// Which limit binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// Multiply-adds in registers.
    MultiplyAdds,
    /// Loads from where the data are held.
    Loads,
}

impl Limits {
    /// The most multiply-adds of any unit, in 10^9 operations a second.
    pub fn gflops(&self, numbers: Numbers) -> f64 {
        self.multiply_adds.iter().filter(|peak| peak.numbers == numbers).map(|peak| peak.gflops).fold(0.0, f64::max)
    }

    /// No less than the speed at which `held` bytes are loaded: that of the longest array measured that is no longer,
    /// or of one beyond that was faster.
    pub fn gigabytes(&self, held: u64) -> f64 {
        let from = self.loads.iter().rposition(|load| load.held <= held).unwrap_or(0);
        self.loads[from..].iter().map(|load| load.gigabytes).fold(0.0, f64::max)
    }

    /// The least time in seconds that the work can take within these limits, and the one that binds: work cannot be
    /// faster than its multiply-adds, nor than its loads.
    pub fn least(&self, counted: Counted, numbers: Numbers) -> (f64, Bound) {
        let operations = 1e-9 * counted.operations as f64 / self.gflops(numbers);
        let bytes = 1e-9 * counted.bytes as f64 / self.gigabytes(counted.held);
        if bytes > operations { (bytes, Bound::Loads) } else { (operations, Bound::MultiplyAdds) }
    }

    /// What has to be timed for [`Limits::found`], in its order, on all threads of a pool, or on the present one.
    pub(super) fn work<'a>(pool: Option<&'a ThreadPool>) -> Vec<Work<'a>> {
        let mut all = Vec::new();
        let units = Unit::all();
        for &unit in &units {
            // Signs alternate and digits change: a chain of equal numbers would take less power, and the clock rises.
            let doubles = move || unit.multiply_adds(ROUNDS, -0.999_999_7, 1.000_003).sum;
            let singles = move || f64::from(unit.multiply_adds(ROUNDS, -0.999_97_f32, 1.000_3).sum);
            all.push(everywhere(pool, chained(unit.multiply_adds(ROUNDS, 1.0_f64, 1.0).multiply_adds), doubles));
            all.push(everywhere(pool, chained(unit.multiply_adds(ROUNDS, 1.0_f32, 1.0).multiply_adds), singles));
        }
        let widest = units[units.len() - 1];
        for held in LOADED {
            let length = held as usize / size_of::<f64>();
            let arrays: Vec<Vec<f64>> = (0..pool.map_or(1, ThreadPool::current_num_threads))
                .map(|k| vec![1.0 + k as f64; length + 64 / size_of::<f64>()])
                .collect();
            let sum = move || {
                let mine = rayon::current_thread_index().filter(|_| arrays.len() > 1).unwrap_or(0);
                widest.load(on_cache_line(&arrays[mine], length), PASSES)
            };
            all.push(everywhere(pool, Counted { operations: 0, bytes: PASSES as u64 * held, held }, sum));
        }
        all
    }

    /// The limits of so many threads, from the times of [`Limits::work`].
    pub(super) fn found(threads: usize, work: &[Work<'_>], times: &[Times]) -> Self {
        let units = Unit::all();
        let speed = |of: fn(&Work<'_>) -> u64, k: usize| (threads as u64 * of(&work[k])) as f64 / (1e9 * times[k].best);
        let peak = |k: usize| Peak {
            bits: units[k / 2].bits(),
            numbers: [Numbers::Double, Numbers::Single][k % 2],
            gflops: speed(|work| work.counted.operations, k),
        };
        let n_peaks = 2 * units.len();
        let load = |k: usize| Load { held: LOADED[k], gigabytes: speed(|work| work.counted.bytes, n_peaks + k) };
        Self { threads, multiply_adds: (0..n_peaks).map(peak).collect(), loads: (0..LOADED.len()).map(load).collect() }
    }
}

fn chained(multiply_adds: u64) -> Counted {
    Counted { operations: 2 * multiply_adds, bytes: 0, held: 0 }
}

/// The same on every thread at once: the time is that of the slowest, from when all of them are ready.
pub(super) fn everywhere<'a>(
    pool: Option<&'a ThreadPool>,
    counted: Counted,
    run: impl Fn() -> f64 + Send + Sync + 'a,
) -> Work<'a> {
    let once = move || {
        std::hint::black_box(run());
    };
    let timed: Box<dyn FnMut(u32) -> f64 + 'a> = match pool {
        None => times_over(once),
        Some(pool) => Box::new(move |times| {
            let ready = Barrier::new(pool.current_num_threads());
            let seconds = pool.broadcast(|_| {
                ready.wait();
                let start = Instant::now();
                (0..times).for_each(|_| once());
                start.elapsed().as_secs_f64()
            });
            seconds.into_iter().fold(0.0, f64::max)
        }),
    };
    let threads = pool.map_or(1, ThreadPool::current_num_threads);
    Work { group: "limits", name: String::new(), threads, numbers: Numbers::Double, counted, run: timed }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        let peak = |bits, numbers, gflops| Peak { bits, numbers, gflops };
        let load = |held, gigabytes| Load { held, gigabytes };
        Limits {
            threads: 1,
            multiply_adds: vec![
                peak(256, Numbers::Double, 50.0),
                peak(256, Numbers::Single, 100.0),
                peak(512, Numbers::Double, 40.0),
            ],
            loads: vec![load(100, 200.0), load(1000, 80.0), load(10_000, 90.0)],
        }
    }

    #[test]
    fn the_slower_of_two_limits_binds() {
        let (limits, counted) = (limits(), |operations, bytes, held| Counted { operations, bytes, held });
        // 100 operations at 50 a nanosecond, 200 bytes at 200.
        assert_eq!(limits.least(counted(100, 200, 100), Numbers::Double), (2e-9, Bound::MultiplyAdds));
        assert_eq!(limits.least(counted(100, 200, 100), Numbers::Single), (1e-9, Bound::MultiplyAdds));
        // 900 bytes at 90: an array of 5000 may be loaded as fast as one of 1000, and that as fast as one of 10,000.
        assert_eq!(limits.least(counted(100, 900, 5000), Numbers::Double), (1e-8, Bound::Loads));
    }

    #[test]
    fn a_limit_is_never_understated() {
        let limits = limits();
        assert_eq!([1, 100, 999, 1000, 1 << 40].map(|held| limits.gigabytes(held)), [200.0, 200.0, 200.0, 90.0, 90.0]);
    }
}
