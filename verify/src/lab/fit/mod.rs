//! The rate of anyone's log: a slope, how well it is known, and what it says about a claimed exponent.
//!
//! The log is that of any framework, in CSV or JSON ([`Log`]). All three forms of a rate are fitted side by side, and
//! one of them is decided upon. What is defensible depends on the runs:
//!
//! * **Two runs or more.** Runs are independent, their time points are not. The interval is the hull of the percentile
//!   bootstrap over runs and Student's interval by the delta method. How often it covers depends on the noise and on
//!   the number of runs; what is known of it ([`Coverage`]) is said with every fit. Beside it stands Student's interval
//!   of the mean of the single runs' slopes ([`RunByRun`]), and runs that do not belong to the others are named
//!   ([`Outlier`]).
//! * **One run of a random method.** How much of its slope is its own luck cannot be known: there is no interval, and
//!   the verdict is inconclusive, whatever the slope.
//! * **One run of a method without randomness** (`deterministic`: full-batch gradient descent). The run is all there
//!   is, and its slope has no sampling error. What remains is whether the slope has settled: the slopes of both halves
//!   of the window (in ln t) and of the whole span an interval, which has no confidence level, and the claim must hold
//!   on all of it.

mod columns;
mod common;
mod coverage;
mod document;
mod file;
mod fitted;
mod json;
mod log;
mod number;
mod odd;
mod repeats;
mod runs;
mod separated;
mod source;
mod table;
#[cfg(test)]
mod tests;
mod verdict;

use ratecheck::rates::{Decision, FitError, Form};
use serde::{Serialize, Serializer};

pub use columns::Columns;
pub use coverage::Coverage;
use fitted::fitted;
pub use fitted::{Fitted, IntervalSource, RunByRun};
pub use log::{Ends, Log};
pub use odd::Outlier;
pub use repeats::OnRepeat;
pub use verdict::claimed;

/// The root of the seed tree of the bootstrap, unless another is given. The year of the paper: an arbitrary number,
/// fixed before anything was run.
pub const SEED: u64 = 2019;

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

/// Why a form decides, to be said before any number is seen.
pub fn why(form: Form) -> &'static str {
    match form {
        Form::Min => {
            "theorems 3.1 and 4.2 bound the least expectation up to T, and nothing else; where the quantity rises \
             again, it does not show"
        }
        Form::Average => {
            "what theorems bound the minimum by, the mean up to T; a plateau or a rise shows late in it, and a large \
             beginning for long"
        }
        Form::LastWindow => {
            "of the three it alone shows a plateau or a rise where it happens, and the minimum, which the theorems \
             bound, is never above it (--form min decides by that)"
        }
        Form::Recorded => "the values as they are",
    }
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
    /// Runs that do not belong to the others, in that form.
    pub outliers: Vec<Outlier>,
    /// What is known of how often intervals over so many runs cover.
    pub coverage: Option<Coverage>,
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
        outliers: Vec::new(),
        coverage: coverage::known(n_runs),
        verdict: None,
        reason: String::new(),
        notes: Vec::new(),
    };
    let Some(chosen) = found.chosen().cloned() else { return Ok(found) };
    found.outliers = odd::odd(log, request, &chosen);
    found.notes = notes(log, request, &chosen);
    found.notes.extend(odd::notes(&found.outliers, n_runs));
    if let Some(exponent) = request.against {
        let (verdict, reason) = verdict::verdict(request, exponent, &found, &chosen);
        found.verdict = Some(verdict);
        found.reason = reason;
    }
    Ok(found)
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
    if chosen.end.is_none() && chosen.halves.is_some() {
        notes.push(
            "the last quarter of the window has fewer than three horizons: whether the curve flattens at its end was \
             not looked at"
                .to_owned(),
        );
    }
    if let (Some(exponent), Some(own)) = (request.against, &chosen.run_by_run)
        && chosen.decision == Decision::Shown
        && verdict::decide(request, exponent, own.interval) != Decision::Shown
    {
        let [low, high] = own.interval;
        notes.push(format!(
            "run by run the slopes have the mean {:.4} [{low:.4}, {high:.4}], which does not show the claim as the \
             mean over the runs does: few runs carry that mean",
            own.slope
        ));
    }
    notes
}
