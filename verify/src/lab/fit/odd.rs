//! Runs that do not belong to the others.

use ratecheck::rates::FALSE_ALARM;
use serde::Serialize;

use super::{Fitted, Log, Request};

/// Differences of logarithms that are rounding: 2^-53 of a logarithm of up to 710, in a sum with weights of some tens.
const ROUNDING: f64 = 1e-11;

/// A run whose slope or height is none that the other runs' would lead to expect.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outlier {
    /// The run.
    pub run: String,
    /// Its own slope.
    pub slope: f64,
    /// The mean slope of the runs that are no outliers.
    pub others: f64,
    /// How many times as high as these it lies.
    pub height: f64,
    /// Whether the slope is what does not belong.
    pub by_slope: bool,
    /// Whether the height is.
    pub by_height: bool,
}

/// The outliers among the runs in the form that decides. Slopes that differ by no more than the margin do not count.
pub(super) fn odd(log: &Log, request: &Request, chosen: &Fitted) -> Vec<Outlier> {
    let (Some(own), Some(found)) = (&chosen.run_by_run, &chosen.odd) else { return Vec::new() };
    let among = |values: &[f64], found: &[usize], counts: f64| {
        let others = mean_without(values, found);
        let far = |run: &usize| (values[*run] - others).abs() > counts;
        (found.iter().copied().filter(far).collect::<Vec<usize>>(), others)
    };
    let (by_slope, slope) = among(&own.slopes, &found.by_slope, request.margin.max(ROUNDING));
    let (by_height, height) = among(&chosen.levels, &found.by_level, ROUNDING);
    let named = |run: usize| Outlier {
        run: log.runs[run].clone(),
        slope: own.slopes[run],
        others: slope,
        height: libm::exp(chosen.levels[run] - height),
        by_slope: by_slope.contains(&run),
        by_height: by_height.contains(&run),
    };
    let mut all: Vec<usize> = by_slope.iter().chain(&by_height).copied().collect();
    all.sort_unstable();
    all.dedup();
    all.into_iter().map(named).collect()
}

fn mean_without(values: &[f64], out: &[usize]) -> f64 {
    let kept: Vec<f64> = (0..values.len()).filter(|k| !out.contains(k)).map(|k| values[k]).collect();
    kept.iter().sum::<f64>() / kept.len() as f64
}

/// What a reader is told, one sentence a run for the first few.
pub(super) fn notes(found: &[Outlier], n_runs: usize) -> Vec<String> {
    const SHOWN: usize = 4;
    let mut notes: Vec<String> = found.iter().take(SHOWN).map(|one| sentence(one, n_runs)).collect();
    if found.len() > SHOWN {
        notes.push(format!("{} more runs are outliers; fit.json names them", found.len() - SHOWN));
    }
    notes
}

fn sentence(one: &Outlier, n_runs: usize) -> String {
    let slope = format!("has the slope {:.4}, the others {:.4} in the mean", one.slope, one.others);
    let height = format!("lies {} times as high as the others", crate::text::number::short(one.height));
    let what = match (one.by_slope, one.by_height) {
        (true, true) => format!("{slope}, and {height}"),
        (true, false) => slope,
        _ => height,
    };
    format!(
        "{} is an outlier: it {what}. Runs that all belong together give such a warning once in {:.0} logs; with one \
         run of {n_runs} of another kind the interval covers less often than it says",
        one.run,
        1.0 / FALSE_ALARM
    )
}
