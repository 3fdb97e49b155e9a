//! The forms in which a theorem speaks of a rate, made from what was recorded along the runs.

use std::ops::Range;

use super::horizons::{bins, centre};
use super::{FitError, Window};

/// The ratio of the ends of a logarithmic bin: ten bins a decade, 21 in the window [T/100, T].
pub const BIN_RATIO: f64 = 1.25;

/// What is made of a statistic y_t of every run before it is fitted as a function of T.
///
/// Theorems state the first two, and practice sees the last; none of them can stand for the others.
///
/// | form | what it is | what it cannot show |
/// |---|---|---|
/// | `Min` | min over t <= T of the mean over runs | that the gradient *stays* small: it never rises, whatever the run does later; under noise it is the luckiest of many means, and too small |
/// | `Average` | mean over t <= T | a rate faster than 1/T, however fast y falls; one that is slower only once the transient has been averaged away |
/// | `LastWindow` | mean over the last bin | anything about the theorem's own quantity if y oscillates: it can stall where the minimum falls. It is no smaller than the minimum, so that a fast last window also shows the min-form |
/// | `Recorded` | y_T itself | as `LastWindow`, and under noise less precisely |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// y_T at every recorded T.
    Recorded,
    /// min over the recorded t <= T of the mean over the runs: min_t E y_t, of Theorems 3.1 and 4.2.
    Min,
    /// (1/T) times the integral of y_t from 0 to T by the trapezoidal rule through the recorded times, the first value
    /// standing for what was before it; for y recorded at every step the mean over the steps, up to O(1/T).
    Average,
    /// The mean over the recorded times in a bin [s, 1.25 s) ([`BIN_RATIO`]), at their geometric mean.
    LastWindow,
}

/// A matrix runs x columns, row by row, with the time of every column, and which columns are horizons of the fit.
pub(super) struct Columns {
    pub(super) t: Vec<f64>,
    pub(super) values: Vec<f64>,
    pub(super) horizons: Vec<usize>,
    /// The recorded time that a column stands for (of a bin its last): for errors.
    pub(super) source: Vec<usize>,
}

impl Form {
    /// The columns that the form makes of `values`, a matrix runs x `t`.
    /// Only those that the window needs are looked at.
    pub(super) fn columns(self, t: &[f64], values: &[f64], window: Window) -> Result<Columns, FitError> {
        if values.is_empty() || !values.len().is_multiple_of(t.len()) {
            return Err(FitError::NotAMatrix { n_values: values.len(), n_horizons: t.len() });
        }
        if let Some((index, &value)) = t.iter().enumerate().find(|(_, t)| t.is_nan()) {
            return Err(FitError::BadTime { index, value });
        }
        if self == Self::Recorded {
            let inside: Vec<usize> = (0..t.len()).filter(|&k| window.contains(t[k])).collect();
            if let Some(&index) = inside.iter().find(|&&k| !(t[k] > 0.0 && t[k].is_finite())) {
                return Err(FitError::BadTime { index, value: t[index] });
            }
            check(t, values, &inside)?;
            return Ok(Columns {
                t: inside.iter().map(|&k| t[k]).collect(),
                values: rows(values, t.len(), |row| inside.iter().map(|&k| row[k]).collect()),
                horizons: (0..inside.len()).collect(),
                source: inside,
            });
        }
        increasing(t)?;
        // What comes after the window has no part in it, and what comes before has none in the last window.
        let begin = if self == Self::LastWindow { t.partition_point(|&t| t < window.from) } else { 0 };
        let end = t.partition_point(|&t| t <= window.to);
        let used: Vec<usize> = (begin..end.max(begin)).collect();
        check(t, values, &used)?;
        let ranges = window_bins(t, window);
        let last: Vec<usize> = ranges.iter().map(|bin| bin.end - 1).collect();
        Ok(match self {
            Self::LastWindow => Columns {
                t: ranges.iter().map(|bin| centre(&t[bin.clone()])).collect(),
                values: rows(values, t.len(), |row| ranges.iter().map(|bin| mean(&row[bin.clone()])).collect()),
                horizons: (0..ranges.len()).collect(),
                source: last,
            },
            Self::Average => Columns {
                t: last.iter().map(|&k| t[k]).collect(),
                values: rows(values, t.len(), |row| averages(t, row, &ranges)),
                horizons: (0..ranges.len()).collect(),
                source: last,
            },
            Self::Min | Self::Recorded => Columns {
                t: t[..end].to_vec(),
                values: rows(values, t.len(), |row| row[..end].to_vec()),
                horizons: last,
                source: (0..end).collect(),
            },
        })
    }
}

/// The bins of ratio [`BIN_RATIO`] that the recorded times of a window fall into, as places in `t`, which increases
/// from 0 on: what [`Form::LastWindow`] averages over. The first begins at the first positive time of the window, and
/// the last may be cut short by its end.
///
/// ```
/// use ratecheck::rates::{Window, window_bins};
/// let t = [0.0, 1.0, 4.0, 5.0, 6.0, 7.0, 8.0];
/// assert_eq!(window_bins(&t, Window::new(4.0, 7.5)), [2..3, 3..5, 5..6]); // [4, 5), [5, 6.25), [7, 7.5]
/// ```
pub fn window_bins(t: &[f64], window: Window) -> Vec<Range<usize>> {
    let end = t.partition_point(|&t| t <= window.to);
    let first = t[..end].partition_point(|&t| t < window.from.max(f64::MIN_POSITIVE));
    bins(&t[first..end], BIN_RATIO).into_iter().map(|bin| first + bin.start..first + bin.end).collect()
}

fn rows(values: &[f64], n: usize, each: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    values.chunks_exact(n).flat_map(each).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().map(|value| value / values.len() as f64).sum()
}

/// The averages from 0 to the last time of every bin.
fn averages(t: &[f64], row: &[f64], ranges: &[Range<usize>]) -> Vec<f64> {
    let mut averages = Vec::with_capacity(ranges.len());
    let (mut average, mut next) = (row[0], 1);
    for bin in ranges {
        while next < bin.end {
            // A mean of what was and what is new, with weights t_(k-1)/t_k and 1 - t_(k-1)/t_k:
            // no sum that could overflow.
            let share = t[next - 1] / t[next];
            average = share * average + (1.0 - share) * (0.5 * row[next - 1] + 0.5 * row[next]);
            next += 1;
        }
        averages.push(average);
    }
    averages
}

/// Times must increase from 0 on: an order is part of a minimum and of an average.
fn increasing(t: &[f64]) -> Result<(), FitError> {
    let bad = (0..t.len()).find(|&k| !(t[k] >= 0.0 && t[k].is_finite() && (k == 0 || t[k] > t[k - 1])));
    bad.map_or(Ok(()), |index| Err(FitError::NotIncreasing { index, value: t[index] }))
}

fn check(t: &[f64], values: &[f64], used: &[usize]) -> Result<(), FitError> {
    for &horizon in used {
        for (run, row) in values.chunks_exact(t.len()).enumerate() {
            let value = row[horizon];
            if !(value >= 0.0 && value.is_finite()) {
                return Err(FitError::BadRunValue { run, horizon, value });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: [f64; 6] = [0.0, 1.0, 2.0, 4.0, 8.0, 16.0];

    #[test]
    fn columns_are_what_their_names_say() {
        // Two runs; every time is a bin of its own. Binary fractions: exact.
        let values = [8.0, 4.0, 2.0, 3.0, 1.0, 0.5, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0];
        let window = Window::new(2.0, 8.0);
        let of = |form: Form| form.columns(&T, &values, window).expect("valid");
        let (recorded, last) = (of(Form::Recorded), of(Form::LastWindow));
        assert_eq!((&recorded.t, &recorded.values), (&vec![2.0, 4.0, 8.0], &vec![2.0, 3.0, 1.0, 4.0, 4.0, 4.0]));
        assert_eq!((recorded.t, recorded.values), (last.t, last.values));
        let average = of(Form::Average);
        // Areas from 0: 6, then 3 and 5 and 8.
        assert_eq!(average.values, [4.5, 3.5, 2.75, 4.0, 4.0, 4.0]);
        let min = of(Form::Min);
        assert_eq!((min.t.as_slice(), min.horizons.as_slice()), (&T[..5], &[2, 3, 4][..]));
    }

    #[test]
    fn bins_hold_several_times() {
        let t: Vec<f64> = (0..=20).map(f64::from).collect();
        let row: Vec<f64> = t.iter().map(|t| 100.0 - t).collect();
        let last = Form::LastWindow.columns(&t, &row, Window::new(8.0, 20.0)).expect("valid");
        // [8, 10), [10, 12.5), [13, 16.25), [17, 20].
        assert_eq!(last.values, [91.5, 89.0, 85.5, 81.5]);
        assert!((last.t[0] - 72.0_f64.sqrt()).abs() < 1e-14);
        let average = Form::Average.columns(&t, &row, Window::new(8.0, 20.0)).expect("valid");
        assert_eq!(average.t, [9.0, 12.0, 16.0, 20.0]);
        // The average of a line is its middle.
        for (t, value) in average.t.iter().zip(&average.values) {
            assert!((value - (100.0 - 0.5 * t)).abs() < 1e-12);
        }
    }

    #[test]
    fn order_and_what_is_used_are_checked() {
        let mut values = [1.0; 6];
        for form in [Form::Min, Form::Average, Form::LastWindow] {
            let swapped = [0.0, 2.0, 1.0, 4.0, 8.0, 16.0];
            let error = form.columns(&swapped, &values, Window::new(1.0, 16.0)).err();
            assert_eq!(error, Some(FitError::NotIncreasing { index: 2, value: 1.0 }));
        }
        values[1] = f64::NAN;
        let window = Window::new(2.0, 16.0);
        assert!(Form::LastWindow.columns(&T, &values, window).is_ok(), "it lies before the window");
        for form in [Form::Min, Form::Average] {
            assert!(matches!(form.columns(&T, &values, window), Err(FitError::BadRunValue { horizon: 1, .. })));
        }
    }
}
