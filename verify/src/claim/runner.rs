//! Runs claims and their controls, and turns what they found into results.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use ratecheck::random::Seed;
use rayon::prelude::*;

use crate::claim::evidence::{Check, Claim, Context, Control, Evidence, Profile, Unevaluated, Verdict};
use crate::claim::results::{ClaimResult, ControlOutcome, ControlResult, InstanceResult};

/// The context of a claim: its own node of the seed tree.
pub fn context(claim: &dyn Claim, seed: u64, profile: Profile) -> Context {
    Context { seed: Seed::new(seed).child(claim.statement().id), profile }
}

/// Checks one claim and all its controls, side by side on the threads of the current pool. A panic inside is reported as an
/// error of that claim alone.
pub fn run_claim(claim: &dyn Claim, seed: u64, profile: Profile) -> ClaimResult {
    let begin = Instant::now();
    let context = context(claim, seed, profile);
    let controls = claim.controls();
    let (checked, controls) = rayon::join(
        || contained(|| claim.check(&context)),
        || controls.par_iter().with_max_len(1).map(|control| run_control(control, &context)).collect(),
    );
    let (evidence, verdict) = match checked {
        Ok(evidence) => {
            let verdict = evidence.check.verdict();
            (evidence, verdict)
        }
        Err(Unevaluated(reason)) => (Evidence::default(), Verdict::Error { reason }),
    };
    let statement = claim.statement();
    let Evidence { check, observations, plots } = evidence;
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
        worst: check.worst().cloned(),
        near_failures: check.near_failures(),
        instances: check
            .instances()
            .map(|(name, tally)| InstanceResult {
                name: name.to_owned(),
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

/// Runs one control. Only a comparison that fails rejects it; whatever could not be compared shows nothing.
pub fn run_control(control: &Control, context: &Context) -> ControlResult {
    let (outcome, detail) = match contained(|| (control.run)(context)).map(|check: Check| check.verdict()) {
        Ok(Verdict::Fails { reason }) => (ControlOutcome::Rejected, reason),
        Ok(Verdict::Holds) => (ControlOutcome::NotRejected, "every comparison held".to_owned()),
        Ok(Verdict::Inconclusive { reason } | Verdict::Error { reason }) | Err(Unevaluated(reason)) => {
            (ControlOutcome::Broken, reason)
        }
    };
    ControlResult { name: control.name.to_owned(), breaks: control.breaks.to_owned(), outcome, detail }
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
