//! The rate of Theorem 3.1 along gradient descent on a user's loss, one-sided.
//!
//! Two slopes against ln T over the last decade of T, for every η_w: that of min_{t<T}‖∇L‖, and that of √(mean ‖∇L‖²)
//! over the last half of T, which a bounded sum bounds by T^(-1/2) as well, and which no accident makes small. Both
//! must be at most -1/2 up to the claim's allowance; whether a run that is above has failed, or is too short, its own
//! figures say: see `paper/auto_tuning/settling.rs`. A run whose gradient reaches the rounding of its evaluation has
//! converged: then the chord from T = 1 to there is compared. That rounding is 1024u of the gradient at the start, and
//! of the curvature times the size of theta, whose own rounding no step can undo.

use ratecheck::descent::{StepRule, Trace};
use ratecheck::parameters::norm_sq;
use ratecheck::rates::{Window, fit_power_law};

use super::plots::theorem;
use super::{EXPONENT, MARGIN, Theorem31Rate};
use crate::claim::evidence::{Check, Context, Evidence, Measure, SubjectControl, Unevaluated};
use crate::claim::instances::U;
use crate::claim::plot::{Series, Style};
use crate::claim::subject::{Premise, Subject};
use crate::paper::auto_tuning::long_runs::{self, LongRuns, Rule, descend, long};
use crate::paper::auto_tuning::settling::{LastDecade, running};
use crate::paper::auto_tuning::{log_log, no_divergence};
use crate::paper::gradient_descent::{Terms, premise_on_eta_g};

impl Measure for Theorem31Rate {
    fn needs(&self) -> &'static [Premise] {
        &[Premise::ScaleInvariant, Premise::Smooth, Premise::FiniteMinibatches, Premise::BoundedBelow]
    }

    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated> {
        let (terms, n_steps) = (Terms::of(subject)?, long(subject, context));
        let rates = &subject.settings.eta_w;
        let mut evidence = Evidence::default();
        let curves = judged(&mut evidence, &terms, subject, rates, |_| StepRule::Gradient, n_steps)?;
        let mut farthest = 0.0_f64;
        for &eta_w in rates {
            farthest = farthest.max(terms.largest_g(eta_w, n_steps).unwrap_or(f64::INFINITY));
        }
        premise_on_eta_g(&mut evidence.check, subject, farthest)?;
        let through = curves.first().and_then(|curve| curve.points.first()).copied().unwrap_or([1.0, 1.0]);
        let caption = "min‖∇L‖ over the first T steps of one run for every η_w. The theorem's slope is the slowest \
                       that is allowed.";
        let mut plot =
            log_log("min-gradient", "The smallest gradient so far", caption, "steps T", "min_{t<T} ‖∇L‖", curves);
        plot.references.push(theorem(through));
        plot.window = Some([n_steps as f64 / 10.0, n_steps as f64]);
        evidence.plots.push(plot);
        Ok(evidence)
    }

    fn controls(&self) -> Vec<SubjectControl> {
        long_runs::controls::<Self>()
    }
}

impl LongRuns for Theorem31Rate {
    fn judged(subject: &Subject, terms: &Terms, rates: &[f64], rule: Rule, n_steps: u64) -> Result<Check, Unevaluated> {
        let mut evidence = Evidence::default();
        judged(&mut evidence, terms, subject, rates, rule, n_steps)?;
        Ok(evidence.check)
    }
}

/// So many horizons halve T.
const PER_HALF: usize = 6;

/// T, and T over powers of the sixth root of 2: every horizon's half is one, up to rounding.
fn horizons(n_steps: u64) -> Vec<u64> {
    let mut all: Vec<u64> = Vec::new();
    let mut k = 0;
    loop {
        let t = (n_steps as f64 * libm::exp2(-f64::from(k) / PER_HALF as f64)).round() as u64;
        if t < 1 {
            break;
        }
        all.push(t);
        k += 1;
    }
    all.reverse();
    all.dedup();
    all
}

/// A run's curves against T.
struct Curves {
    t: Vec<f64>,
    /// min_{t<T}‖∇L‖.
    min: Vec<f64>,
    /// √(mean ‖∇L‖²) from T/2 to T; only where T/2 is a horizon.
    half: Vec<[f64; 2]>,
}

impl Curves {
    fn of(trace: &Trace) -> Result<Self, Unevaluated> {
        let mut curves = Self { t: Vec::new(), min: Vec::new(), half: Vec::new() };
        let mut sums = Vec::new();
        for record in &trace.records {
            let seen = running(record)?;
            let t = record.t as f64;
            let sum = seen.sum_grad_v_sq + seen.sum_grad_g_sq;
            curves.t.push(t);
            curves.min.push(seen.min_grad_sq.sqrt());
            // The horizon next to T/2. What is lost in the last digit of the sum counts as that digit,
            // whose slope is -1/2.
            if let Some(&(before, earlier)) =
                sums.iter().rev().find(|(before, _): &&(f64, f64)| 2.0 * before <= t + 1.0)
            {
                curves.half.push([t, ((sum - earlier).max(U * sum) / (t - before)).sqrt()]);
            }
            sums.push((t, sum));
        }
        Ok(curves)
    }
}

/// Runs and judges every rate; returns the curves of the smallest gradient.
fn judged(
    evidence: &mut Evidence,
    terms: &Terms,
    subject: &Subject,
    rates: &[f64],
    rule: Rule,
    n_steps: u64,
) -> Result<Vec<Series>, Unevaluated> {
    let runs = descend(terms, rates, rule, n_steps, &horizons(n_steps))?;
    let mut shown = Vec::new();
    for (&eta_w, trace) in rates.iter().zip(&runs) {
        let at = format!("{} · η_w = {eta_w:e}", terms.name);
        if !no_divergence(&mut evidence.check, &at, trace, n_steps) {
            continue;
        }
        let curves = Curves::of(trace)?;
        judge(evidence, &at, terms, subject, eta_w, trace, &curves)?;
        let points = curves.t.iter().zip(&curves.min).map(|(&t, &y)| [t, y]).collect();
        shown.push(Series::new(format!("η_w = {eta_w:e}"), Style::Line, points));
    }
    Ok(shown)
}

fn judge(
    evidence: &mut Evidence,
    at: &str,
    terms: &Terms,
    subject: &Subject,
    eta_w: f64,
    trace: &Trace,
    curves: &Curves,
) -> Result<(), Unevaluated> {
    let (&[first, ..], Some(&n_steps)) = (&curves.min[..], curves.t.last()) else {
        return Err(Unevaluated(format!("{at}: no record")));
    };
    let limit = [EXPONENT, MARGIN, 1.0];
    let late = LastDecade::of(trace, terms, eta_w)?;
    let floor = rounding(terms, subject, first)?;
    if let Some(k) = curves.min.iter().position(|min| *min <= floor) {
        if k == 0 {
            evidence.check.undecided(format!("{at}: the start is stationary up to rounding, ‖∇L‖ = {first:.1e}"));
            return Ok(());
        }
        // A square that underflows is no smaller than the smallest number.
        let fallen = libm::log(curves.min[k].max(f64::MIN_POSITIVE) / first);
        let chord = fallen / libm::log(curves.t[k] / curves.t[0]);
        let reached = curves.t[k];
        late.judge(&mut evidence.check, &format!("{at}, slope of the chord to T = {reached}"), chord, limit);
        let note = format!("it has converged to the rounding of its evaluation, {floor:.1e}, by T = {reached}");
        evidence.observe(format!("slope of min‖∇L‖ at η_w = {eta_w:e}"), chord, note);
        return Ok(());
    }
    let window = Window::new(n_steps / 10.0, n_steps);
    let fit = fit_power_law(&curves.t, &curves.min, window)?;
    late.judge(&mut evidence.check, &format!("{at}, slope of the minimum at T = {n_steps}"), fit.slope, limit);
    let interval = fit.interval(0.95);
    let note = format!("fitted on T = {:.0} .. {n_steps}, η_g = {:.3e}; at most -1/2", n_steps / 10.0, terms.eta_g);
    let name = format!("slope of min‖∇L‖ at η_w = {eta_w:e}");
    evidence.observe_interval(name, fit.slope, [interval.low, interval.high], note);
    let (t, half): (Vec<f64>, Vec<f64>) = curves.half.iter().map(|[t, y]| (*t, *y)).unzip();
    let fit = fit_power_law(&t, &half, window)?;
    late.judge(&mut evidence.check, &format!("{at}, slope of the last half at T = {n_steps}"), fit.slope, limit);
    let interval = fit.interval(0.95);
    let note = "√(mean ‖∇L‖²) from T/2 to T, which no accident makes small";
    let name = format!("slope of the last half at η_w = {eta_w:e}");
    evidence.observe_interval(name, fit.slope, [interval.low, interval.high], note);
    Ok(())
}

/// What rounding may leave of a gradient: see the first lines of this file.
fn rounding(terms: &Terms, subject: &Subject, first: f64) -> Result<f64, Unevaluated> {
    let least = &subject.constants()?.least;
    let g = norm_sq(&terms.theta_0[subject.layout().g()]).sqrt();
    let curvature: f64 = least.l_vv.diag().iter().sum::<f64>() + least.l_gg * g;
    Ok(1024.0 * U * (first + curvature))
}
