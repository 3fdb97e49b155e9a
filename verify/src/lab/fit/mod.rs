//! The rate of anyone's log: a slope, how well it is known, and what it says about a claimed exponent.
//!
//! The log is that of any framework, in CSV or JSON ([`Log`]). All three forms of a rate are fitted side by side, and
//! one of them is decided upon. What is defensible depends on the runs:
//!
//! * **Two runs or more.** Runs are independent, their time points are not. The interval is the hull of the percentile
//!   bootstrap over runs and Student's interval by the delta method: from three runs on it covers as often as it says.
//! * **One run of a random method.** How much of its slope is its own luck cannot be known: there is no interval, and
//!   the verdict is inconclusive, whatever the slope.
//! * **One run of a method without randomness** (`deterministic`: full-batch gradient descent). The run is all there
//!   is, and its slope has no sampling error. What remains is whether the slope has settled: the slopes of both halves
//!   of the window (in ln t) and of the whole span an interval, which has no confidence level, and the claim must hold
//!   on all of it.

mod columns;
mod common;
mod document;
mod file;
mod json;
mod log;
mod number;
mod repeats;
mod separated;
mod source;
mod table;
#[cfg(test)]
mod tests;
mod verdict;

use ratecheck::random::Seed;
use ratecheck::rates::{
    Decision, FitError, Form, Interval, Model, Runs, Summary, Window, at_most, equivalent, fit_power_law_with_log,
};
use serde::{Serialize, Serializer};

pub use columns::Columns;
pub use log::{Ends, Log};
pub use repeats::OnRepeat;
pub use verdict::claimed;

/// What is asked of a log.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Request {
    /// The exponent claimed, if one is.
    pub against: Option<f64>,
    /// A faster rate is no failure.
    pub one_sided: bool,
    /// The difference of slopes that does not count.
    pub margin: f64,
    /// The exponent q of ln T in what is fitted, from theory.
    pub log_power: f64,
    /// The form that is decided upon.
    #[serde(serialize_with = "by_name")]
    pub form: Form,
    /// The values are squares, and the slope of their root is meant.
    pub squared: bool,
    /// The single run has no randomness.
    pub deterministic: bool,
    /// The confidence level.
    pub level: f64,
    /// The root of the seed tree, for the bootstrap.
    pub seed: u64,
}

/// The forms in the order in which they are shown.
pub const FORMS: [Form; 3] = [Form::Min, Form::Average, Form::LastWindow];

/// The name of a form.
pub fn name(form: Form) -> &'static str {
    match form {
        Form::Min => "min",
        Form::Average => "average",
        Form::LastWindow => "last window",
        Form::Recorded => "recorded",
    }
}

/// What a form is, and what it cannot show.
pub fn caveat(form: Form) -> &'static str {
    match form {
        Form::Min => {
            "the least mean so far: never rises, so it cannot show that the quantity stays small; under noise too small"
        }
        Form::Average => "the mean so far: cannot fall faster than 1/T, and a large beginning lingers in it",
        Form::LastWindow => {
            "the mean of the last bin of ratio 1.25: where things are now; it may stall where the minimum falls"
        }
        Form::Recorded => "the values as recorded",
    }
}

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
}

/// What a claimed exponent amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The interval lies where the claim holds.
    Holds,
    /// It lies where the claim fails.
    Fails,
    /// It reaches into both, or there is none.
    Inconclusive,
}

/// All that was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fits {
    /// The name of the column of the steps.
    pub step: String,
    /// That of the values.
    pub value: String,
    /// The runs.
    pub n_runs: usize,
    /// Runs that are named but have no value: what is found holds for the others.
    pub n_vanished: usize,
    /// The window.
    pub window: [f64; 2],
    /// Whether the rule chose it.
    pub window_by_rule: bool,
    /// Resamples of the bootstrap; none where there are many runs.
    pub n_resamples: usize,
    /// What was asked.
    pub request: Request,
    /// Where the intervals come from.
    pub interval_from: Option<IntervalSource>,
    /// Every form, or why it cannot be fitted.
    #[serde(serialize_with = "each")]
    pub forms: Vec<Result<Fitted, String>>,
    /// The form decided upon.
    pub form: &'static str,
    /// Of the claimed exponent, if there is one.
    pub verdict: Option<Verdict>,
    /// In one sentence.
    pub reason: String,
    /// What a reader should know besides.
    pub notes: Vec<String>,
}

fn by_name<S: Serializer>(form: &Form, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name(*form))
}

/// A form that cannot be fitted is an object that says why.
fn each<S: Serializer>(forms: &[Result<Fitted, String>], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    #[serde(untagged)]
    enum Either<'a> {
        Fitted(&'a Fitted),
        Unfitted { form: &'static str, unfitted: &'a str },
    }
    serializer.collect_seq(FORMS.into_iter().zip(forms).map(|(form, fitted)| match fitted {
        Ok(fitted) => Either::Fitted(fitted),
        Err(why) => Either::Unfitted { form: name(form), unfitted: why },
    }))
}

impl Fits {
    /// The form decided upon.
    pub fn chosen(&self) -> Option<&Fitted> {
        self.forms.iter().flatten().find(|fitted| fitted.form == self.form)
    }
}

/// Resamples of the bootstrap: the ends of a 95% interval then have a Monte Carlo error of 0.027 standard errors.
const RESAMPLES: usize = 10_000;
/// Additions that the bootstrap of one form may take: seconds. Beyond it there are fewer resamples, ...
const ADDITIONS: usize = 4_000_000_000;
/// ... but never fewer than these: one beyond each end at level 0.999.
const FEWEST: usize = 2_000;

/// From so many runs on there is no bootstrap: what it adds to Student's interval, the skewness of a mean over runs, is
/// then some percent of a standard error, and every resample draws all of them.
const MANY: usize = 5_000;

/// Fits the three forms to a log and decides.
///
/// # Errors
/// When the form asked for cannot be fitted.
pub fn fit(log: &Log, request: &Request) -> Result<Fits, FitError> {
    let n_runs = log.runs.len();
    let n_resamples = match n_runs {
        MANY.. => 0,
        _ => (ADDITIONS / log.values.len().max(1)).clamp(FEWEST, RESAMPLES),
    };
    let source = match (n_runs, request.deterministic) {
        (2.., _) => Some(IntervalSource::Runs),
        (_, true) => Some(IntervalSource::Halves),
        _ => None,
    };
    let mut forms = Vec::new();
    for form in FORMS {
        match fitted(log, request, form, source, n_resamples) {
            Err(error) if form == request.form => return Err(error),
            found => forms.push(found.map_err(|error| error.to_string())),
        }
    }
    let mut found = Fits {
        step: log.step.clone(),
        value: log.value.clone(),
        n_runs,
        n_vanished: log.vanished.len(),
        window: [log.window.from, log.window.to],
        window_by_rule: log.by_rule,
        n_resamples,
        request: *request,
        interval_from: source,
        forms,
        form: name(request.form),
        verdict: None,
        reason: String::new(),
        notes: Vec::new(),
    };
    let Some(chosen) = found.chosen().cloned() else { return Ok(found) };
    found.notes = notes(log, request, &chosen);
    if let Some(exponent) = request.against {
        let (verdict, reason) = verdict::verdict(request, exponent, &found, &chosen);
        found.verdict = Some(verdict);
        found.reason = reason;
    }
    Ok(found)
}

fn fitted(
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
    let halves = halves(t, y, request.log_power);
    let interval = match (source, halves) {
        (Some(IntervalSource::Runs), _) => {
            let student = runs.estimate()?.interval(request.level);
            let mut generator = Seed::new(request.seed).generator(&format!("fit/{}", name(form)));
            Some(match n_resamples {
                0 => student,
                n => runs.bootstrap(request.level, n, &mut generator)?.interval().hull(student),
            })
        }
        (Some(IntervalSource::Halves), Some([a, b])) => {
            let (low, high) = (runs.slope().min(a).min(b), runs.slope().max(a).max(b));
            Some(Interval { low, high, level: request.level })
        }
        _ => None,
    };
    let decision = match (interval, request.against) {
        (Some(interval), Some(exponent)) if request.one_sided => at_most(interval, exponent, request.margin),
        (Some(interval), Some(exponent)) => equivalent(interval, exponent, request.margin),
        _ => Decision::Undecided,
    };
    Ok(Fitted {
        form: name(form),
        slope: runs.slope(),
        intercept: line.intercept,
        interval: interval.map(|interval| [interval.low, interval.high]),
        halves,
        regression_se: line.slope_se,
        n_points: t.len(),
        decision,
        curve: t.iter().zip(y).map(|(&t, &y)| [t, y]).collect(),
    })
}

/// The slopes on both sides of the middle of the horizons in ln t; none if a side has too few.
fn halves(t: &[f64], y: &[f64], log_power: f64) -> Option<[f64; 2]> {
    let (&first, &last) = (t.first()?, t.last()?);
    let middle = (first * last).sqrt();
    let slope = |window| fit_power_law_with_log(t, y, window, log_power).map(|fit| fit.slope);
    let a = slope(Window::new(first, middle)).ok()?;
    let b = slope(Window::new(middle, last)).ok()?;
    Some([a, b])
}

fn notes(log: &Log, request: &Request, chosen: &Fitted) -> Vec<String> {
    let mut notes = log.notes.clone();
    let span = |curve: &[[f64; 2]]| Some(curve.last()?[0] / curve.first()?[0]);
    if span(&chosen.curve).is_some_and(|ratio| ratio < 10.0) {
        notes.push(
            "the window holds less than a decade: no slope on it can be told from a logarithm or a transient"
                .to_owned(),
        );
    }
    if let Some([a, b]) = chosen.halves
        && (a - b).abs() > request.margin
        && chosen.interval.is_none_or(|[low, high]| (a - b).abs() > high - low)
    {
        notes.push(format!(
            "the curve bends: its slope is {a:.3} on the first half of the window and {b:.3} on the second; the limit \
             may be another"
        ));
    }
    notes
}
