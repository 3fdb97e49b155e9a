//! Scaling laws, measured: time and memory against parameters, batch, steps, threads and cells, and from where on one
//! machine is not enough (`ratecheck bench --scaling`).

mod cells;
mod runs;

use std::fmt;
use std::path::Path;
use std::time::Instant;

use ratecheck::descent::ScheduleError;
use ratecheck::network::NetworkError;
use ratecheck::rates::{Window, fit_power_law};
use rayon::ThreadPool;
use serde::Serialize;

/// The seconds of a night, which is as long as somebody waits for one machine: ten hours.
pub const NIGHT: f64 = 36_000.0;
/// The steps of a run of the paper's rates: what a cell of a sweep has, if nothing else is said.
pub const STEPS: f64 = 10_000.0;
/// The exponent is fitted to sizes of which the largest is at most so many times the smallest: a decade and a half,
/// where what does not grow (a call, a start) no longer counts. Fixed before anything was measured.
const WINDOW: f64 = 32.0;
/// A size is measured again and again for so many seconds at the most, and at least twice.
const PATIENCE: f64 = 0.3;

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Along {
    /// Parameters of a network.
    Parameters,
    /// Examples of a minibatch.
    Batch,
    /// Steps of a run.
    Steps,
    /// Threads of a sweep.
    Threads,
    /// Cells of a sweep.
    Cells,
}

/// What it costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cost {
    /// The best time.
    Seconds,
    /// The most memory that the process had at any moment.
    Bytes,
}

/// The cost of one size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// The size.
    pub at: f64,
    /// Seconds or bytes.
    pub cost: f64,
    /// Whether it was measured; if not, it is extrapolated by the fitted exponent.
    pub measured: bool,
}

/// A fitted exponent p of cost = C size^p.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Exponent {
    /// p.
    pub slope: f64,
    /// Its standard error, for independent errors of equal relative size.
    pub standard_error: f64,
    /// ln C.
    pub intercept: f64,
    /// The sizes that took part.
    pub window: [f64; 2],
    /// How many.
    pub n_points: usize,
}

/// The cost of something against its size.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curve {
    /// What grows.
    pub along: Along,
    /// In what the cost is.
    pub cost: Cost,
    /// What is done.
    pub name: String,
    /// The smallest size first.
    pub points: Vec<Point>,
    /// Nothing with fewer than three sizes in the window.
    pub exponent: Option<Exponent>,
}

impl Curve {
    /// From what was measured, in the order of the sizes; those that were not are extrapolated, if an exponent is known.
    pub fn new(along: Along, cost: Cost, name: impl Into<String>, measured: &[[f64; 2]], wanted: &[f64]) -> Self {
        let (at, costs): (Vec<f64>, Vec<f64>) = measured.iter().map(|&[at, cost]| (at, cost)).unzip();
        let largest = at.last().copied().unwrap_or(f64::NAN);
        // A size that equals the bound takes part, however the division rounds.
        let window = Window::new(largest / WINDOW * (1.0 - 1e-9), largest);
        let exponent = fit_power_law(&at, &costs, window).ok().map(|fit| Exponent {
            slope: fit.slope,
            standard_error: fit.slope_se,
            intercept: fit.intercept,
            window: [at.iter().copied().find(|&t| t >= window.from).unwrap_or(largest), largest],
            n_points: fit.n_points,
        });
        let points = measured.iter().map(|&[at, cost]| Point { at, cost, measured: true });
        let beyond = wanted.iter().filter(|&&at| !(at <= largest)).filter_map(|&at| {
            let exponent = exponent?;
            Some(Point { at, cost: (exponent.intercept + exponent.slope * at.ln()).exp(), measured: false })
        });
        Self { along, cost, name: name.into(), points: points.chain(beyond).collect(), exponent }
    }
}

/// What one machine does in a night, on all of its threads, of cells with so many parameters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Night {
    /// Of the network.
    pub parameters: f64,
    /// The seconds of one step of one run on one thread.
    pub step: f64,
    /// The most cells times steps.
    pub cell_steps: f64,
    /// The most cells of 10,000 steps.
    pub cells: f64,
    /// Whether the step was measured; if not, it is extrapolated.
    pub measured: bool,
}

/// Everything that was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scaling {
    /// What the system says of the processor.
    pub processor: String,
    /// All of them that were used.
    pub threads: usize,
    /// The speed of all threads by that of one.
    pub speed_up: f64,
    /// A curve for everything that grows.
    pub curves: Vec<Curve>,
    /// The rule, for every size of a network.
    pub nights: Vec<Night>,
}

/// Why nothing can be said.
#[derive(Debug)]
pub enum ScalingError {
    /// The work cannot be set up; never, as far as the engine keeps its promises.
    Work(String),
    /// A command of our own did not end well.
    Command(String),
}

impl fmt::Display for ScalingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Work(why) => write!(f, "the work cannot be set up: {why}"),
            Self::Command(why) => write!(f, "a sweep did not run: {why}"),
        }
    }
}

impl std::error::Error for ScalingError {}

impl From<NetworkError> for ScalingError {
    fn from(error: NetworkError) -> Self {
        Self::Work(error.to_string())
    }
}

impl From<ScheduleError> for ScalingError {
    fn from(error: ScheduleError) -> Self {
        Self::Work(error.to_string())
    }
}

impl From<std::io::Error> for ScalingError {
    fn from(error: std::io::Error) -> Self {
        Self::Command(error.to_string())
    }
}

/// Measures everything: no size that would probably take more than `most` seconds. Sweeps of many cells are run by
/// `program`, a `ratecheck`, in processes of their own, whose memory can be told; all of the rest in this one.
///
/// # Errors
/// If the system starts no process, or has no room for the cells.
pub fn scaling(pool: &ThreadPool, program: &Path, most: f64) -> Result<Scaling, ScalingError> {
    let threads = pool.current_num_threads();
    // Large layers are shared between the threads of the pool that asks.
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let alone = alone.map_err(|error| ScalingError::Work(error.to_string()))?;
    let mut curves = alone.install(|| runs::parameters(most))?;
    curves.extend(alone.install(|| runs::batch(most))?);
    curves.push(alone.install(|| runs::steps(most))?);
    let along_threads = runs::threads(threads, most)?;
    let speed_up = speed_up(&along_threads);
    curves.push(along_threads);
    curves.extend(cells::curves(program, threads, most)?);
    let nights = nights(&curves, speed_up);
    Ok(Scaling { processor: processor(), threads, speed_up, curves, nights })
}

/// The time of one thread by that of the most.
fn speed_up(along_threads: &Curve) -> f64 {
    match &along_threads.points[..] {
        [first, .., last] => first.cost / last.cost,
        _ => 1.0,
    }
}

/// For every size of the first curve, which has the seconds of a step against parameters.
fn nights(curves: &[Curve], speed_up: f64) -> Vec<Night> {
    let steps = curves.iter().find(|curve| curve.along == Along::Parameters && curve.cost == Cost::Seconds);
    let night = |point: &Point| {
        let cell_steps = NIGHT * speed_up / point.cost;
        Night {
            parameters: point.at,
            step: point.cost,
            cell_steps,
            cells: cell_steps / STEPS,
            measured: point.measured,
        }
    };
    steps.map_or_else(Vec::new, |curve| curve.points.iter().map(night).collect())
}

/// How long a size is measured again where none may take longer than `most`.
fn patience(most: f64) -> f64 {
    PATIENCE.min(most)
}

/// The seconds that `once` takes at best, of as many repetitions as patience lasts.
fn best(most: f64, mut once: impl FnMut()) -> f64 {
    let (start, mut best) = (Instant::now(), f64::INFINITY);
    for repetition in 0.. {
        let before = Instant::now();
        once();
        best = best.min(before.elapsed().as_secs_f64());
        if repetition > 0 && start.elapsed().as_secs_f64() > patience(most) {
            break;
        }
    }
    best
}

/// (size, cost) of one size after the other, until the next would probably take more than `most` seconds: as many times
/// longer than the last as it is larger.
fn climb<E>(sizes: &[f64], most: f64, mut measure: impl FnMut(f64) -> Result<f64, E>) -> Result<Vec<[f64; 2]>, E> {
    let (mut found, mut before) = (Vec::new(), None);
    for &size in sizes {
        if before.is_some_and(|(last, seconds): (f64, f64)| seconds * size / last > most) {
            break;
        }
        let start = Instant::now();
        found.push([size, measure(size)?]);
        // Of small sizes most is repetition.
        before = Some((size, (start.elapsed().as_secs_f64() - patience(most)).max(0.0)));
    }
    Ok(found)
}

/// The processor's name and family as Linux tells them; elsewhere the architecture alone.
fn processor() -> String {
    let told = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        told.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == name).then(|| value.trim().to_owned())
        })
    };
    match (field("model name"), field("cpu family")) {
        (Some(name), Some(family)) => format!("{name}, family {family}"),
        (Some(name), None) => name,
        _ => std::env::consts::ARCH.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exponent_is_that_of_the_largest_sizes_and_what_is_not_measured_says_so() {
        // A constant and then a square: 1e-3 below, 1e-6 n^2 above.
        let measured: Vec<[f64; 2]> = [1.0, 10.0, 100.0, 200.0, 400.0, 800.0].map(|n| [n, 1e-6 * n * n]).to_vec();
        let mut bent = measured.clone();
        bent[0][1] = 1e-3;
        bent[1][1] = 1e-3;
        let curve = Curve::new(Along::Steps, Cost::Seconds, "steps", &bent, &[1.0, 800.0, 8000.0]);
        let exponent = curve.exponent.expect("four sizes from 25 on");
        assert!((exponent.slope - 2.0).abs() < 1e-12 && exponent.standard_error < 1e-10, "{exponent:?}");
        assert_eq!((exponent.n_points, exponent.window), (4, [100.0, 800.0]));
        let beyond: Vec<&Point> = curve.points.iter().filter(|point| !point.measured).collect();
        assert_eq!((beyond.len(), beyond[0].at), (1, 8000.0));
        assert!((beyond[0].cost / 64.0 - 1.0).abs() < 1e-9, "{beyond:?}");
        // Two sizes have no exponent, and nothing is extrapolated.
        let two = Curve::new(Along::Threads, Cost::Seconds, "threads", &measured[4..], &[1e6]);
        assert!(two.exponent.is_none() && two.points.len() == 2);
    }

    #[test]
    fn a_size_that_would_take_too_long_is_not_measured() {
        let mut asked = Vec::new();
        let found = climb(&[1.0, 2.0, 1e9], 1.0, |size| {
            asked.push(size);
            // Longer than what is repetition anyway.
            std::thread::sleep(std::time::Duration::from_secs_f64(PATIENCE + 0.01));
            Ok::<_, ()>(size)
        });
        assert_eq!(found, Ok(vec![[1.0, 1.0], [2.0, 2.0]]));
        assert_eq!(asked, [1.0, 2.0]);
    }

    #[test]
    fn a_night_is_shared_by_all_threads() {
        let steps = Curve::new(Along::Parameters, Cost::Seconds, "step", &[[100.0, 1e-5]], &[]);
        let threads = Curve::new(Along::Threads, Cost::Seconds, "sweep", &[[1.0, 3.0], [2.0, 2.0]], &[]);
        assert_eq!(speed_up(&threads), 1.5);
        let nights = nights(&[threads, steps], 1.5);
        // 36,000 s of one and a half threads, ten microseconds a step.
        assert_eq!(nights.len(), 1);
        assert!((nights[0].cell_steps / 5.4e9 - 1.0).abs() < 1e-12 && (nights[0].cells / 5.4e5 - 1.0).abs() < 1e-12);
    }
}
