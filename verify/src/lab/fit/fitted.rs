//! One form of a log, fitted: the slope, its parts, its runs, and how well each is known.

use ratecheck::random::Seed;
use ratecheck::rates::{
    Decision, FitError, Form, Interval, Model, Outliers, Runs, Summary, Window, fit_power_law_with_log, mean_over_runs,
};
use serde::Serialize;

use super::{Log, Request, name, verdict};

/// Where an interval comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IntervalSource {
    /// The hull of the percentile bootstrap over runs and Student's interval.
    Runs,
    /// The slopes of both halves of the window and of the whole, of a method without randomness.
    Halves,
}

/// One form, fitted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fitted {
    /// `min`, `average` or `last window`.
    pub form: &'static str,
    /// The exponent of T.
    pub slope: f64,
    /// ln of the constant in front.
    pub intercept: f64,
    /// (low, high), where one is defensible.
    pub interval: Option<[f64; 2]>,
    /// The slopes of the first and of the second half of the window.
    pub halves: Option<[f64; 2]>,
    /// Their intervals over the runs, Student's.
    pub halves_intervals: Option<[[f64; 2]; 2]>,
    /// The slope at the end of the window: 2 b - a, with a the slope of its last half and b that of its last quarter.
    pub end: Option<f64>,
    /// Its interval over the runs, Student's.
    pub end_interval: Option<[f64; 2]>,
    /// The slopes of the single runs.
    pub run_by_run: Option<RunByRun>,
    /// What a factor ln T adds to a slope on these horizons.
    pub log_tilt: Option<f64>,
    /// The standard error of the regression alone: the scatter about the line, of whatever origin.
    pub regression_se: f64,
    /// Horizons in the window.
    pub n_points: usize,
    /// What the interval says about the claim.
    #[serde(skip)]
    pub decision: Decision,
    /// Horizons and the curve: the mean over the runs, or its root.
    #[serde(skip)]
    pub curve: Vec<[f64; 2]>,
    /// The runs that do not belong to the others, where every run has a slope.
    #[serde(skip)]
    pub odd: Option<Outliers>,
    /// For each run, ln of its height over that of the mean.
    #[serde(skip)]
    pub levels: Vec<f64>,
}

/// The slopes of the single runs. Their mean is no slope of the mean over the runs: no run counts for more than another
/// because it lies higher, and there is no bias by their scatter.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunByRun {
    /// Their mean.
    pub slope: f64,
    /// Student's interval for it.
    pub interval: [f64; 2],
    /// Each, in the order of the runs.
    pub slopes: Vec<f64>,
}

/// Fits one form.
pub(super) fn fitted(
    log: &Log,
    request: &Request,
    form: Form,
    source: Option<IntervalSource>,
    n_resamples: usize,
) -> Result<Fitted, FitError> {
    let summary = if request.squared { Summary::RootMean } else { Summary::Mean };
    let model = Model::new(log.window, summary).form(form).log_exponent(request.log_power);
    let runs = Runs::new(&log.t, &log.values, &model)?;
    let (t, y) = runs.curve();
    let line = fit_power_law_with_log(t, y, log.window, request.log_power)?;
    let parts = Parts::of(t);
    let slope_on = |part: Window| fit_power_law_with_log(t, y, part, request.log_power).ok().map(|fit| fit.slope);
    let pair = |a: Option<f64>, b: Option<f64>| Some([a?, b?]);
    let halves = parts.and_then(|parts| pair(slope_on(parts.first), slope_on(parts.second)));
    let end = parts.and_then(|parts| Some(2.0 * slope_on(parts.quarter)? - slope_on(parts.second)?));
    let over_runs = source == Some(IntervalSource::Runs);
    let known = |combination: &[(f64, Window)]| {
        let estimate = runs.combination(combination).ok().filter(|_| over_runs)?;
        Some(ends(estimate.interval(request.level)))
    };
    let interval = match (source, halves) {
        (Some(IntervalSource::Runs), _) => {
            let mut generator = Seed::new(request.seed).generator(&format!("fit/{}", name(form)));
            Some(runs.interval(request.level, n_resamples, &mut generator)?)
        }
        (Some(IntervalSource::Halves), Some([a, b])) => {
            let (low, high) = (runs.slope().min(a).min(b), runs.slope().max(a).max(b));
            Some(Interval { low, high, level: request.level })
        }
        _ => None,
    };
    Ok(Fitted {
        form: name(form),
        slope: runs.slope(),
        intercept: line.intercept,
        interval: interval.map(ends),
        halves,
        halves_intervals: parts.and_then(|parts| Some([known(&[(1.0, parts.first)])?, known(&[(1.0, parts.second)])?])),
        end,
        end_interval: parts.and_then(|parts| known(&[(2.0, parts.quarter), (-1.0, parts.second)])),
        run_by_run: run_by_run(&runs, request.level).filter(|_| over_runs),
        log_tilt: fit_power_law_with_log(t, y, log.window, request.log_power + 1.0)
            .ok()
            .map(|fit| line.slope - fit.slope),
        regression_se: line.slope_se,
        n_points: t.len(),
        decision: match (interval, request.against) {
            (Some(interval), Some(exponent)) => verdict::decide(request, exponent, ends(interval)),
            _ => Decision::Undecided,
        },
        curve: t.iter().zip(y).map(|(&t, &y)| [t, y]).collect(),
        odd: runs.outliers().ok().filter(|_| over_runs),
        levels: runs.levels(),
    })
}

fn ends(interval: Interval) -> [f64; 2] {
    [interval.low, interval.high]
}

/// Not where a run is 0 somewhere, which has no slope by itself.
fn run_by_run(runs: &Runs, level: f64) -> Option<RunByRun> {
    let slopes = runs.slopes();
    let mean = mean_over_runs(&slopes).ok()?;
    Some(RunByRun { slope: mean.value, interval: ends(mean.interval(level)), slopes })
}

/// Parts of the window, in ln t of the horizons.
#[derive(Clone, Copy)]
struct Parts {
    first: Window,
    second: Window,
    /// The last quarter.
    quarter: Window,
}

impl Parts {
    fn of(t: &[f64]) -> Option<Self> {
        let (&first, &last) = (t.first()?, t.last()?);
        let middle = (first * last).sqrt();
        Some(Self {
            first: Window::new(first, middle),
            second: Window::new(middle, last),
            quarter: Window::new((middle * last).sqrt(), last),
        })
    }
}
