//! Runs claims and their controls, and turns what they found into results.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ratecheck::bounds::Factors;
use ratecheck::random::Seed;

use super::parallel::InParallel;
use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Profile, Statement, SubjectControl, Unevaluated, Verdict,
};
use crate::claim::results::{ClaimResult, ControlOutcome, ControlResult, InstanceResult, Provenance, Verified};
use crate::claim::subject::Subject;

/// The context of a claim: its own node of the seed tree.
pub fn context(claim: &dyn Claim, seed: u64, profile: Profile) -> Context {
    Context { seed: Seed::new(seed).child(claim.statement().id), profile, factors: Factors::ONE }
}

/// Where the numbers of a run that starts now come from.
pub fn provenance(seed: u64, profile: Profile, threads: usize, problem: Option<Verified>) -> Provenance {
    Provenance {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: env!("RATECHECK_COMMIT").to_owned(),
        seed,
        profile,
        threads,
        target_cpu: target_cpu(),
        compiler: env!("RATECHECK_COMPILER").to_owned(),
        problem,
        started_unix: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        seconds: 0.0,
    }
}

/// The target, and the vector units that the kernels found.
fn target_cpu() -> String {
    let mut text = env!("RATECHECK_TARGET").to_owned();
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        text += " with AVX2 and FMA";
    }
    text
}

/// Checks one claim and all its controls, side by side on the threads of the current pool. A panic inside is reported
/// as an error of that claim alone.
pub fn run_claim(claim: &dyn Claim, seed: u64, profile: Profile) -> ClaimResult {
    let begin = Instant::now();
    let context = context(claim, seed, profile);
    let controls = claim.controls();
    let (checked, controls) = rayon::join(
        || contained(|| claim.check(&context)),
        || controls.in_parallel(|control| run_control(control, &context)),
    );
    result(claim.statement(), verdict_of(checked), controls, begin)
}

/// The same of a statement on a user's loss; `None` if it speaks of no loss.
pub fn run_on_subject(claim: &dyn Claim, subject: &Subject, seed: u64, profile: Profile) -> Option<ClaimResult> {
    let measure = claim.on_subject()?;
    let begin = Instant::now();
    let context = context(claim, seed, profile);
    let missing = contained(|| Ok(measure.needs().iter().find_map(|&premise| subject.lacks(premise))));
    let missing = match missing {
        Ok(None) => None,
        Ok(Some(reason)) => Some(Verdict::NotApplicable { reason }),
        Err(Unevaluated(reason)) => Some(Verdict::Error { reason }),
    };
    if let Some(verdict) = missing {
        return Some(result(claim.statement(), (Evidence::default(), verdict), Vec::new(), begin));
    }
    let controls = measure.controls();
    let (checked, controls) = rayon::join(
        || contained(|| measure.measure(subject, &context)),
        || {
            let run = |control: &SubjectControl| -> Option<ControlResult> {
                // A subject that cannot be broken in this way has no such control.
                let checked = contained(|| (control.run)(subject, &context).transpose()).transpose()?;
                Some(judged(control.name, control.breaks, checked))
            };
            controls.in_parallel(run)
        },
    );
    Some(result(claim.statement(), verdict_of(checked), controls.into_iter().flatten().collect(), begin))
}

fn verdict_of(checked: Result<Evidence, Unevaluated>) -> (Evidence, Verdict) {
    match checked {
        Ok(evidence) => {
            let verdict = evidence.check.verdict();
            (evidence, verdict)
        }
        Err(Unevaluated(reason)) => (Evidence::default(), Verdict::Error { reason }),
    }
}

fn result(
    statement: &Statement,
    (evidence, verdict): (Evidence, Verdict),
    controls: Vec<ControlResult>,
    begin: Instant,
) -> ClaimResult {
    let Evidence { check, observations, plots, reduced } = evidence;
    ClaimResult {
        id: statement.id.to_owned(),
        title: statement.title.to_owned(),
        kind: statement.kind.name().to_owned(),
        origin: statement.origin,
        plain: statement.plain.to_owned(),
        formula: statement.formula.to_owned(),
        latex: statement.latex.iter().map(|&line| line.to_owned()).collect(),
        printed_at: statement.printed_at.to_owned(),
        measured: statement.measured.to_owned(),
        tolerance: statement.tolerance.to_owned(),
        does_not_show: statement.does_not_show.to_owned(),
        verdict,
        reduced,
        worst: check.worst().cloned(),
        near_failures: check.near_failures(),
        instances: check
            .instances()
            .map(|(name, tally)| InstanceResult {
                name: name.to_owned(),
                part: tally.part,
                count: tally.count,
                failures: tally.failures,
                worst: tally.worst.clone(),
            })
            .collect(),
        hypotheses: check.hypotheses().to_vec(),
        controls,
        observations,
        plots,
        seconds: begin.elapsed().as_secs_f64(),
    }
}

/// Runs one control.
pub fn run_control(control: &Control, context: &Context) -> ControlResult {
    judged(control.name, control.breaks, contained(|| (control.run)(context)))
}

/// Only a comparison that fails rejects a control; whatever could not be compared shows nothing.
fn judged(name: &str, breaks: &str, checked: Result<Check, Unevaluated>) -> ControlResult {
    let (outcome, detail) = match checked.map(|check: Check| check.verdict()) {
        Ok(Verdict::Fails { reason }) => (ControlOutcome::Rejected, reason),
        Ok(Verdict::Holds) => (ControlOutcome::NotRejected, "every comparison held".to_owned()),
        Ok(Verdict::Inconclusive { reason } | Verdict::NotApplicable { reason } | Verdict::Error { reason })
        | Err(Unevaluated(reason)) => (ControlOutcome::Broken, reason),
    };
    ControlResult { name: name.to_owned(), breaks: breaks.to_owned(), outcome, detail }
}

/// Runs `f` and turns a panic into an error.
fn contained<T>(f: impl FnOnce() -> Result<T, Unevaluated>) -> Result<T, Unevaluated> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
            .unwrap_or_else(|| "no message".to_owned());
        Err(Unevaluated(format!("it panicked: {message}")))
    })
}
