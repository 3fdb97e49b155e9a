//! One test per claim, by its name: it holds, and every control is rejected, at the smallest budget.
#![allow(missing_docs)]

use libtest_mimic::{Arguments, Failed, Trial};
use ratecheck_verify::claims::CLAIMS;
use ratecheck_verify::evidence::{Claim, Profile, Verdict};
use ratecheck_verify::results::ControlOutcome;
use ratecheck_verify::runner::{context, run_control};

/// Fixed beforehand.
const SEED: u64 = 2019;

fn holds(claim: &dyn Claim) -> Result<(), Failed> {
    let evidence = claim.check(&context(claim, SEED, Profile::Test)).map_err(|error| error.0)?;
    match evidence.check.verdict() {
        Verdict::Holds => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

fn rejected(claim: &dyn Claim, control: usize) -> Result<(), Failed> {
    let result = run_control(&claim.controls()[control], &context(claim, SEED, Profile::Test));
    match result.outcome {
        ControlOutcome::Rejected => Ok(()),
        other => Err(format!("{other:?}: {}", result.detail).into()),
    }
}

fn main() {
    let mut trials = Vec::new();
    for &claim in CLAIMS {
        let id = claim.statement().id;
        trials.push(Trial::test(format!("{id}: holds"), move || holds(claim)));
        for (i, control) in claim.controls().iter().enumerate() {
            trials.push(Trial::test(format!("{id}: control rejected: {}", control.name), move || rejected(claim, i)));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
