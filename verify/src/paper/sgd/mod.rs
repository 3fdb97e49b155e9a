//! Independent runs of stochastic gradient descent, and what is made of them: shared by the claims on its rates.

pub(crate) mod coupled;
pub(crate) mod laws;
pub(crate) mod on_subject;
pub(crate) mod problem_j;
pub(crate) mod settled;
pub(crate) mod teacher_neuron;

use ratecheck::rates::{Estimate, Summary, Window, mean_over_runs, slope_over_runs};

use crate::claim::evidence::Unevaluated;
use crate::claim::plot::{Series, Style};

/// Of every decision on the instances of the paper.
pub(crate) const LEVEL: f64 = 1.0 - 1e-8;

/// A statistic of every run at the same times: runs x times, row by row.
pub(crate) struct Table {
    pub(crate) t: Vec<f64>,
    pub(crate) values: Vec<f64>,
}

impl Table {
    pub(crate) fn slope(&self, window: Window, summary: Summary) -> Result<Estimate, Unevaluated> {
        Ok(slope_over_runs(&self.t, &self.values, window, summary)?)
    }

    /// Mean and standard error over the runs at each time.
    pub(crate) fn means(&self) -> Result<Vec<Estimate>, Unevaluated> {
        let column = |k: usize| self.values.iter().skip(k).step_by(self.t.len()).copied().collect::<Vec<f64>>();
        (0..self.t.len()).map(|k| Ok(mean_over_runs(&column(k))?)).collect()
    }
}

/// The geometric means of neighbouring horizons.
pub(crate) fn centres(t: &[f64]) -> Vec<f64> {
    t.windows(2).map(|pair| (pair[0] * pair[1]).sqrt()).collect()
}

/// A measured mean over runs, with its 95% band; `root` takes the square root of both.
pub(crate) fn curve(name: String, table: &Table, root: bool) -> Result<Series, Unevaluated> {
    let shown = |x: f64| if root { x.max(0.0).sqrt() } else { x };
    let means = table.means()?;
    let points = table.t.iter().zip(&means).map(|(&t, mean)| [t, shown(mean.value)]).collect();
    let band = means.iter().map(|mean| mean.interval(0.95)).map(|i| [shown(i.low), shown(i.high)]).collect();
    Ok(Series { name, style: Style::Line, points, band })
}

/// A prediction at the times of a measurement.
pub(crate) fn dashed(name: &str, t: &[f64], y: impl Fn(f64) -> f64) -> Series {
    Series::new(name, Style::Dashed, t.iter().map(|&t| [t, y(t)]).collect())
}
