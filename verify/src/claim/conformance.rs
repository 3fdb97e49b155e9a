//! What every claim must be, whatever it states: true and caught when broken for any seed, the same for any number of
//! threads, and affordable.

use rayon::ThreadPoolBuildError;

use crate::claim::evidence::{Claim, Profile};
use crate::claim::results::{ClaimResult, Status};
use crate::claim::runner::run_claim;

/// The first of the seeds that a claim is tried with; the others follow it.
pub const FIRST_SEED: u64 = 2019;

/// The seeds that the full conformance run tries.
pub const SEEDS: u64 = 20;

/// The most comparisons that a claim may make in the profile of `cargo test`: a hundred thousand of them, with their
/// places, are a few hundredths of a second, which leaves the time to what is compared.
pub const COMPARISONS: u64 = 100_000;

/// Runs a claim with its controls, in the smallest profile;
/// says what is wrong unless it holds and every control is rejected.
///
/// # Errors
/// With the seed and the reason.
pub fn holds(claim: &dyn Claim, seed: u64) -> Result<ClaimResult, String> {
    let result = run_claim(claim, seed, Profile::Test);
    match result.status() {
        Status::Holds => Ok(result),
        status => Err(format!("seed {seed}: {}: {}", status.label(), result.reason().unwrap_or_default())),
    }
}

/// Whether the claim finds the same, bit for bit, a second time, on `threads` threads.
///
/// # Errors
/// When it does not, or the threads cannot be started.
pub fn repeats(claim: &dyn Claim, seed: u64, first: &ClaimResult, threads: usize) -> Result<(), String> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error: ThreadPoolBuildError| error.to_string())?;
    let again = pool.install(|| run_claim(claim, seed, Profile::Test));
    let (first, again) = (text(first)?, text(&again)?);
    let differs = first.lines().zip(again.lines()).find(|(a, b)| a != b);
    match differs {
        None if first == again => Ok(()),
        _ => Err(format!("seed {seed}, {threads} threads: not the same twice: {differs:?}")),
    }
}

/// Everything that was found, exactly, without the time it took.
fn text(result: &ClaimResult) -> Result<String, String> {
    let timeless = ClaimResult { seconds: 0.0, ..result.clone() };
    serde_json::to_string_pretty(&timeless).map_err(|error| error.to_string())
}

/// Whether the claim keeps to its budget, counted in comparisons.
///
/// # Errors
/// When it does not.
pub fn affordable(result: &ClaimResult) -> Result<(), String> {
    let made = result.instances.iter().map(|instance| instance.count).sum::<u64>();
    if made > COMPARISONS { Err(format!("{made} comparisons, more than {COMPARISONS}")) } else { Ok(()) }
}
