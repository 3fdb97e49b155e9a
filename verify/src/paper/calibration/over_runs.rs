//! How often the intervals of `ratecheck fit` cover, for a few runs and for noises that are not small: of the slope of
//! the mean over the runs, and of the mean of the single runs' slopes.

use rand::RngExt;
use ratecheck::random::{Generator, Seed, normals};
use ratecheck::rates::{FitError, Model, Runs, Summary, Window, fit_power_law, log_spaced, mean_over_runs};
use rayon::prelude::*;

use super::tables::{Table, known};
use super::{Options, Proportion};

/// The exponent of the runs.
const EXPONENT: f64 = -0.25;
/// The level, that of `ratecheck fit`.
const LEVEL: f64 = 0.95;
/// Numbers of runs.
const RUNS: [usize; 5] = [2, 3, 5, 10, 30];
/// Two decades with ten horizons each, as bins of ratio 1.25 have them.
const HORIZONS: (u64, u64, usize) = (10_000, 1_000_000, 21);
/// Of the bootstrap, a tenth of what a fit takes: an end of the interval is then uncertain by 0.085 of a standard
/// error.
const RESAMPLES: usize = 1_000;
/// Of so many sets of runs of the other tables, one has a bootstrap here.
const SHARE: usize = 10;

/// What runs have besides T^(-1/4): y_r(T) = T^(-1/4) exp(level z_r + deviation x_r(T)) with independent normal z_r,
/// and x_r normal with the given correlation from one horizon to the next; with the given probability a run stays where
/// it is at the first horizon, but for the noise.
struct Kind {
    name: &'static str,
    level: f64,
    deviation: f64,
    correlation: f64,
    plateaus: f64,
}

const KINDS: [Kind; 4] = [
    Kind { name: "independent noise of 0.3", level: 0.0, deviation: 0.3, correlation: 0.0, plateaus: 0.0 },
    Kind { name: "the same, runs at levels of 1", level: 1.0, deviation: 0.3, correlation: 0.0, plateaus: 0.0 },
    Kind { name: "AR(1) noise of 1.5, 0.9 to the next", level: 0.0, deviation: 1.5, correlation: 0.9, plateaus: 0.0 },
    Kind {
        name: "noise of 0.1, one run in ten a plateau",
        level: 0.0,
        deviation: 0.1,
        correlation: 0.0,
        plateaus: 0.1,
    },
];

/// How often it happened, of as many sets of runs.
#[derive(Clone, Copy, Default)]
struct Counts {
    pooled: usize,
    run_by_run: usize,
    warned: usize,
}

impl Counts {
    fn and(self, other: Self) -> Self {
        Self {
            pooled: self.pooled + other.pooled,
            run_by_run: self.run_by_run + other.run_by_run,
            warned: self.warned + other.warned,
        }
    }
}

impl Kind {
    fn curve(&self, t: f64, plateau: bool) -> f64 {
        libm::pow(if plateau { HORIZONS.0 as f64 } else { t }, EXPONENT)
    }

    /// The slope of the mean over all runs that there are, and the mean of their slopes.
    fn truths(&self, t: &[f64], window: Window) -> Result<[f64; 2], FitError> {
        let mean = |&t: &f64| (1.0 - self.plateaus) * self.curve(t, false) + self.plateaus * self.curve(t, true);
        let pooled = fit_power_law(t, &t.iter().map(mean).collect::<Vec<f64>>(), window)?.slope;
        Ok([pooled, (1.0 - self.plateaus) * EXPONENT])
    }

    fn runs(&self, t: &[f64], n_runs: usize, generator: &mut Generator) -> Vec<f64> {
        let fresh = (1.0 - self.correlation * self.correlation).sqrt();
        let levels = normals(n_runs, self.level, generator);
        let stays: Vec<bool> = (0..n_runs).map(|_| generator.random_bool(self.plateaus)).collect();
        let mut values = normals(n_runs * t.len(), 1.0, generator);
        for ((run, level), stays) in values.chunks_exact_mut(t.len()).zip(levels).zip(stays) {
            let mut x = 0.0;
            for (k, (value, &t)) in run.iter_mut().zip(t).enumerate() {
                x = if k == 0 { *value } else { self.correlation * x + fresh * *value };
                *value = self.curve(t, stays) * libm::exp(level + self.deviation * x);
            }
        }
        values
    }

    /// One set of runs.
    fn trial(&self, t: &[f64], n_runs: usize, truths: [f64; 2], generator: &mut Generator) -> Result<Counts, FitError> {
        let values = self.runs(t, n_runs, generator);
        let runs = Runs::new(t, &values, &Model::new(Window::new(t[0], t[t.len() - 1]), Summary::Mean))?;
        let own = mean_over_runs(&runs.slopes())?.interval(LEVEL);
        let found = runs.outliers()?;
        let [pooled, run_by_run] = truths;
        Ok(Counts {
            pooled: usize::from(runs.interval(LEVEL, RESAMPLES, generator)?.contains(pooled)),
            run_by_run: usize::from(own.contains(run_by_run)),
            warned: usize::from(!(found.by_slope.is_empty() && found.by_level.is_empty())),
        })
    }

    fn study(&self, n_runs: usize, n: usize, seed: &Seed) -> Result<Counts, FitError> {
        let (from, to, horizons) = HORIZONS;
        let t: Vec<f64> = log_spaced(from, to, horizons).into_iter().map(|t| t as f64).collect();
        let truths = self.truths(&t, Window::new(t[0], t[t.len() - 1]))?;
        let seed = seed.child(&format!("{}/{n_runs}", self.name));
        let one = |trial: usize| self.trial(&t, n_runs, truths, &mut seed.generator(&trial.to_string()));
        (0..n).into_par_iter().map(one).try_reduce(Counts::default, |a, b| Ok(a.and(b)))
    }
}

/// The table.
///
/// # Errors
/// When a fit is impossible.
pub(super) fn table(options: &Options) -> Result<Table, FitError> {
    let n = options.replications.div_ceil(SHARE);
    let text = format!(
        "How often the intervals of `ratecheck fit` cover at nominal {LEVEL}, with the Clopper-Pearson interval at \
         level {}, in {n} sets of runs of T^(-1/4) with log-normal noise of the given deviations, at {} horizons on \
         two decades. Pooled: the slope of the mean over the runs, by {RESAMPLES} resamples and Student's interval, \
         the wider at each end. Run by run: the mean of the single runs' slopes, by Student's interval. Each is \
         compared with its own truth, which is -1/4 for all but the last noise: there a run stays where it is at the \
         first horizon with probability 0.1, the pooled slope of all runs is -0.208 and the mean of their slopes \
         -0.225. Warned: a run was called an outlier, nominally in one set in a hundred where there is none.",
        super::tables::CERTAINTY,
        HORIZONS.2,
    );
    let mut table = Table::new("Coverage over few runs", text, 1, &["noise", "runs", "pooled", "run by run", "warned"]);
    let seed = Seed::new(options.seed).child("calibration/over runs");
    for kind in &KINDS {
        for n_runs in RUNS {
            let counts = kind.study(n_runs, n, &seed)?;
            let shown = |hits: usize| known(Proportion { hits, n });
            table.rows.push(vec![
                kind.name.to_owned(),
                n_runs.to_string(),
                shown(counts.pooled),
                shown(counts.run_by_run),
                shown(counts.warned),
            ]);
        }
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paper::calibration::clopper_pearson;

    #[test]
    fn the_text_tells_the_truths() {
        let t: Vec<f64> = log_spaced(HORIZONS.0, HORIZONS.1, HORIZONS.2).into_iter().map(|t| t as f64).collect();
        let window = Window::new(t[0], t[t.len() - 1]);
        for kind in &KINDS[..3] {
            let [pooled, run_by_run] = kind.truths(&t, window).expect("a fit");
            assert!((pooled - EXPONENT).abs() < 1e-13 && run_by_run == EXPONENT, "{}", kind.name);
        }
        let [pooled, run_by_run] = KINDS[3].truths(&t, window).expect("a fit");
        assert!((pooled + 0.208).abs() < 5e-4 && (run_by_run + 0.225).abs() < 1e-15, "{pooled}");
    }

    #[test]
    fn runs_are_what_their_kind_says() {
        let t = [1e4, 1e5, 1e6];
        let n = 4000;
        let mut generator = Seed::new(6).generator("kinds");
        for kind in &KINDS {
            let values = kind.runs(&t, n, &mut generator);
            let logs = |k: usize| values.iter().skip(k).step_by(3).map(|y| libm::log(*y)).collect::<Vec<f64>>();
            let (first, next) = (logs(0), logs(1));
            let mean = |x: &[f64]| x.iter().sum::<f64>() / n as f64;
            let product = |x: &[f64], y: &[f64]| {
                let (a, b) = (mean(x), mean(y));
                x.iter().zip(y).map(|(x, y)| (x - a) * (y - b)).sum::<f64>() / n as f64
            };
            let variance = kind.level * kind.level + kind.deviation * kind.deviation;
            // 1/sqrt(2n) of a variance is 1.1 %; six of them.
            assert!((product(&first, &first) / variance - 1.0).abs() < 0.07, "{}", kind.name);
            let shared = kind.level * kind.level + kind.correlation * kind.deviation * kind.deviation;
            let plateaus = kind.plateaus * (1.0 - kind.plateaus) * libm::pow(0.25 * libm::log(10.0), 2.0);
            let of_next = variance + plateaus;
            // The share of plateaus has a deviation of 0.8/sqrt(360) of its own variance.
            let tolerance = 0.08 + 0.25 * plateaus / of_next;
            assert!((product(&next, &next) / of_next - 1.0).abs() < tolerance, "{}", kind.name);
            // A covariance has a deviation of at most sqrt(2/n) of the larger variance: 0.022, six times.
            assert!((product(&first, &next) - shared).abs() < 0.14 * of_next, "{}", kind.name);
        }
    }

    #[test]
    fn without_levels_and_plateaus_intervals_cover_and_with_them_they_do_not() {
        let seed = Seed::new(2019);
        let coverage = |kind: usize, n_runs| {
            let n = 400;
            let counts = KINDS[kind].study(n_runs, n, &seed).expect("fits");
            (clopper_pearson(counts.pooled, n, 0.9999), clopper_pearson(counts.run_by_run, n, 0.9999))
        };
        for n_runs in [3, 10] {
            // Small noise: both cover as they say. Run by run that is so of every noise that the runs share.
            assert!(coverage(0, n_runs).0.high > LEVEL && coverage(0, n_runs).1.contains(LEVEL));
            assert!(coverage(1, n_runs).1.contains(LEVEL) && coverage(2, n_runs).1.contains(LEVEL));
            // The control: no run of ten is a plateau with probability 0.35, and then no interval knows of it.
            let (pooled, run_by_run) = coverage(3, n_runs);
            assert!(pooled.high < 0.85 && run_by_run.high < 0.85, "{n_runs}: {pooled:?} {run_by_run:?}");
        }
    }
}
