//! Synthetic runs with a known exponent, and what the estimators of the claims make of them.
//!
//! y_r(T) = C T^p (ln T)^q exp(s(T) z_r(T) - s(T)^2/2): log-normal noise with mean 1 at every T, independent between
//! runs. Along a run, z is stationary with variance 1 and correlation rho from one horizon to the next (an AR(1) in ln
//! T, since horizons are evenly spaced there), and s(T) = s_0 (T/T_0)^(-decay): averages over longer bins scatter less.
//!
//! Slopes are equivariant: a factor f(T) common to all runs moves every estimate by the slope of f and leaves its
//! standard error. So one set of runs serves every exponent and every logarithm,
//! and the decisions are taken by the rules that the claims use.

use ratecheck::random::{Generator, Seed, normals};
use ratecheck::rates::{
    Decision, Estimate, FitError, Interval, Summary, Window, at_most, equivalent, fit_power_law, mean_over_runs,
    slope_over_runs,
};
use rayon::prelude::*;

use super::{Design, Proportion, Quantity, Side};

/// The T at which the noise is stated.
const T_0: f64 = 1e4;

/// C: a scale that no slope may depend on.
const SCALE: f64 = 3.0;

/// The noise of single runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// The standard deviation of ln y over the runs at T = 1e4.
    pub deviation: f64,
    /// It falls as T to minus this.
    pub decay: f64,
    /// The correlation of ln y between neighbouring horizons.
    pub correlation: f64,
}

impl Noise {
    /// The standard deviation of ln y at time `t`.
    pub fn at(self, t: f64) -> f64 {
        self.deviation * libm::pow(t / T_0, -self.decay)
    }
}

impl Quantity {
    /// The noise of real runs, fixed before any decision was simulated;
    /// tests beside the claims compare it with their runs.
    pub fn noise(self) -> Noise {
        let noise = |deviation, decay, correlation| Noise { deviation, decay, correlation };
        match self {
            // Problem J at alpha = 1/2, of the five the one that scatters most.
            Self::SlopeOfRootMean => noise(0.37, 0.16, 0.25),
            // At eta_w = 10; the quotient scatters less.
            Self::SlopeOfRootMeanLate => noise(0.2, 0.25, 0.1),
            Self::SlopeOfRootMeanG => noise(0.5, 0.2, 0.1),
            // The same; what the first steps did to the norm is felt at every T.
            Self::SlopeOfNorm => noise(0.13, 0.09, 0.99998),
            Self::SlopeOverPredicted => noise(0.016, 0.0, 0.0),
            // The digits at eta_w = 10, alpha = 0, between 0.10 and 0.18 over the window.
            Self::SlopeOfEachRun => noise(0.14, 0.0, 0.0),
            // Problem J at eta_w = 100, whose first step is felt for long; T is the last.
            Self::Number => noise(0.0035, 0.0, 0.0),
            // Squared gradients and norms under weight decay, eta lambda = 1e-4 and 1e-3; without it a little less.
            Self::Average => noise(0.009, 0.0, 0.0),
        }
    }

    /// What the recorded number is a power of: a square, or the quantity itself.
    fn power(self) -> f64 {
        let squared = matches!(self, Self::SlopeOfRootMean | Self::SlopeOfRootMeanLate | Self::SlopeOfRootMeanG);
        if squared { 2.0 } else { 1.0 }
    }
}

impl Design {
    /// All horizons take part.
    pub fn window(&self) -> Window {
        Window::new(self.t[0], self.t[self.t.len() - 1])
    }

    /// Whether the same synthetic runs serve both.
    pub(super) fn draws_like(&self, other: &Self) -> bool {
        (self.quantity, self.n_runs, &self.t) == (other.quantity, other.n_runs, &other.t)
    }

    /// C T^p (ln T)^q at the horizons; a number has no slope, and is p itself.
    fn curve(&self, exponent: f64, log_exponent: f64) -> Vec<f64> {
        let power_law = |&t: &f64| SCALE * libm::pow(t, exponent) * libm::pow(libm::log(t), log_exponent);
        match self.quantity {
            quantity if quantity.is_number() => vec![exponent],
            _ => self.t.iter().map(power_law).collect(),
        }
    }

    /// The slope that least squares give T^p (ln T)^q on the window, less p. None for a number.
    ///
    /// # Errors
    /// When the horizons allow no fit.
    pub fn tilt(&self, exponent: f64, log_exponent: f64) -> Result<Option<f64>, FitError> {
        if self.quantity.is_number() {
            return Ok(None);
        }
        let fit = fit_power_law(&self.t, &self.curve(exponent, log_exponent), self.window())?;
        Ok(Some(fit.slope - exponent))
    }

    /// What the claim's estimator finds on one set of runs of T^p (ln T)^q.
    ///
    /// # Errors
    /// When it finds nothing.
    pub fn estimate(&self, exponent: f64, log_exponent: f64, generator: &mut Generator) -> Result<Estimate, FitError> {
        let (n, noise) = (self.t.len(), self.quantity.noise());
        let curve: Vec<f64> =
            self.curve(exponent, log_exponent).iter().map(|y| libm::pow(*y, self.quantity.power())).collect();
        let deviations: Vec<f64> = self.t.iter().map(|&t| noise.at(t)).collect();
        let (rho, fresh) = (noise.correlation, (1.0 - noise.correlation * noise.correlation).sqrt());
        let mut values = normals(self.n_runs * n, 1.0, generator);
        for run in values.chunks_exact_mut(n) {
            let mut z = 0.0;
            for (k, value) in run.iter_mut().enumerate() {
                z = if k == 0 { *value } else { rho * z + fresh * *value };
                *value = curve[k] * libm::exp(deviations[k] * z - 0.5 * deviations[k] * deviations[k]);
            }
        }
        match self.quantity {
            Quantity::SlopeOfRootMean | Quantity::SlopeOfRootMeanLate | Quantity::SlopeOfRootMeanG => {
                slope_over_runs(&self.t, &values, self.window(), Summary::RootMean)
            }
            Quantity::SlopeOfNorm => slope_over_runs(&self.t, &values, self.window(), Summary::Mean),
            Quantity::SlopeOfEachRun => {
                let slope = |run| fit_power_law(&self.t, run, self.window()).map(|fit| fit.slope);
                mean_over_runs(&values.chunks_exact(n).map(slope).collect::<Result<Vec<f64>, _>>()?)
            }
            Quantity::Number | Quantity::Average | Quantity::SlopeOverPredicted => mean_over_runs(&values),
        }
    }

    /// Student's quantile: so many standard errors the interval reaches to either side.
    pub fn reach(&self, level: f64) -> f64 {
        Estimate { value: 0.0, se: 1.0, n_runs: self.n_runs }.interval(level).high
    }

    /// The truth at `k` margins from the target.
    pub fn truth(&self, k: f64) -> f64 {
        self.target + k * self.margin
    }

    fn decide(&self, interval: Interval) -> Decision {
        match self.side {
            Side::AtMost => at_most(interval, self.target, self.margin),
            Side::Equivalent => equivalent(interval, self.target, self.margin),
        }
    }
}

/// The estimates of one design on many sets of runs whose true exponent is the target.
#[derive(Clone, Debug)]
pub struct Sample {
    estimates: Vec<Estimate>,
}

/// How often each decision fell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decisions {
    /// Shown.
    pub shown: Proportion,
    /// Refuted.
    pub refuted: Proportion,
}

impl Sample {
    /// Simulates; replication r has a generator of its own below `seed`.
    ///
    /// # Errors
    /// When the estimator finds nothing.
    pub fn draw(design: &Design, replications: usize, seed: &Seed) -> Result<Self, FitError> {
        let one = |r: usize| design.estimate(design.target, 0.0, &mut seed.generator(&r.to_string()));
        let estimates = (0..replications).into_par_iter().map(one).collect::<Result<_, _>>()?;
        let mut sample = Self { estimates };
        sample.centre(design);
        Ok(sample)
    }

    /// The errors in the place of the estimates; relative ones of a number.
    fn centre(&mut self, design: &Design) {
        for estimate in &mut self.estimates {
            *estimate = match design.quantity {
                quantity if quantity.is_number() => Estimate {
                    value: estimate.value / design.target - 1.0,
                    se: estimate.se / design.target,
                    ..*estimate
                },
                _ => Estimate { value: estimate.value - design.target, ..*estimate },
            };
        }
    }

    /// The mean of the errors, with its standard error.
    ///
    /// # Errors
    /// Fewer than two replications.
    pub fn bias(&self) -> Result<Estimate, FitError> {
        mean_over_runs(&self.estimates.iter().map(|estimate| estimate.value).collect::<Vec<f64>>())
    }

    /// The median of the standard errors.
    pub fn typical_se(&self) -> f64 {
        let mut all: Vec<f64> = self.estimates.iter().map(|estimate| estimate.se).collect();
        all.sort_unstable_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// The estimates for a true exponent (a true number), and their intervals.
    fn intervals(&self, design: &Design, truth: f64, level: f64) -> impl Iterator<Item = Interval> {
        // Once, and not for every estimate.
        let reach = design.reach(level);
        let number = design.quantity.is_number();
        self.estimates.iter().map(move |error| {
            let (value, se) =
                if number { (truth * (1.0 + error.value), truth * error.se) } else { (truth + error.value, error.se) };
            Interval { low: value - reach * se, high: value + reach * se, level }
        })
    }

    /// How often the interval misses the truth.
    pub fn misses(&self, design: &Design, level: f64) -> Proportion {
        let hits = self.intervals(design, design.target, level).filter(|i| !i.contains(design.target)).count();
        Proportion { hits, n: self.estimates.len() }
    }

    /// What is decided when `truth` is the exponent.
    pub fn decisions(&self, design: &Design, truth: f64, level: f64) -> Decisions {
        let (mut shown, mut refuted) = (0, 0);
        for interval in self.intervals(design, truth, level) {
            match design.decide(interval) {
                Decision::Shown => shown += 1,
                Decision::Refuted => refuted += 1,
                Decision::Undecided => {}
            }
        }
        let of = |hits| Proportion { hits, n: self.estimates.len() };
        Decisions { shown: of(shown), refuted: of(refuted) }
    }
}

/// Whether the noise of real runs is that of the design: `values` at its horizons, runs x horizons.
///
/// # Errors
/// With both figures.
#[cfg(test)]
pub(crate) fn resembles(design: &Design, values: &[f64], real: Estimate, seed: &Seed) -> Result<(), String> {
    let n = design.t.len();
    let noise = design.quantity.noise();
    let logs: Vec<Vec<f64>> =
        (0..n).map(|k| values.iter().skip(k).step_by(n).map(|y| libm::log(*y)).collect()).collect();
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let product = |x: &[f64], y: &[f64]| {
        let (a, b) = (mean(x), mean(y));
        x.iter().zip(y).map(|(x, y)| (x - a) * (y - b)).sum::<f64>() / (x.len() - 1) as f64
    };
    let deviation = |k: usize| product(&logs[k], &logs[k]).sqrt();
    let pairs: Vec<f64> = (1..n).map(|k| product(&logs[k - 1], &logs[k]) / (deviation(k - 1) * deviation(k))).collect();
    let correlation = if pairs.is_empty() { noise.correlation } else { mean(&pairs) };
    let found = [deviation(0), deviation(n - 1), real.se];
    let synthetic = design.estimate(design.target, 0.0, &mut seed.generator("synthetic")).map_err(|e| e.to_string())?;
    let stated = [noise.at(design.t[0]), noise.at(design.t[n - 1]), synthetic.se];
    let text = format!(
        "deviations and standard error {found:?}, correlation {correlation}; stated {stated:?}, {}",
        noise.correlation
    );
    // Within a factor 3/2: a model of two numbers for a scatter that is no power law, and 1/sqrt(2n) from n runs.
    let near = found.iter().zip(&stated).all(|(a, b)| a / b < 1.5 && b / a < 1.5);
    if near && (correlation - noise.correlation).abs() < 0.15 { Ok(()) } else { Err(text) }
}
