//! Claims that have ended, kept beside the reports, and `ratecheck verify --resume`, which takes them up.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::console::Console;
use super::report::note_without_checksum;
use super::text::counted;
use super::{Claims, Exit, Stopped};
use crate::claim::results::{ClaimResult, FORMAT, Provenance, Results};
use crate::report::{RESULTS, read_results};
use crate::text::seal::{hex_of, seal, unseal};
use crate::text::{Store, StoreError};

/// The line that determines every number of a claim, apart from the time it took.
fn identity(id: &str, run: &Provenance) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        format: u32,
        version: &'a str,
        commit: &'a str,
        seed: u64,
        profile: &'a str,
        problem: Option<(&'a str, &'a [String])>,
        claim: &'a str,
    }
    let line = Line {
        format: FORMAT,
        version: &run.version,
        commit: &run.commit,
        seed: run.seed,
        profile: run.profile.name(),
        problem: run.problem.as_ref().map(|of| (of.fingerprint.as_str(), of.settings.as_slice())),
        claim: id,
    };
    // Text and whole numbers alone: nothing can fail.
    serde_json::to_string(&line).unwrap_or_else(|error| panic!("a claim has no name: {error}"))
}

/// Keeps a claim that has ended.
pub(super) fn keep(store: &Store, claim: &ClaimResult, run: &Provenance) -> Result<(), StoreError> {
    let identity = identity(&claim.id, run);
    // What is in results.json can be put into JSON.
    let Ok(payload) = serde_json::to_vec(claim) else { return Ok(()) };
    store.keep_bytes(&hex_of(identity.as_bytes()), &seal(&identity, &payload))
}

/// The claim as it was kept; nothing if it was not, or if its file is damaged.
fn kept(store: &Store, id: &str, run: &Provenance) -> Option<ClaimResult> {
    let key = hex_of(identity(id, run).as_bytes());
    let bytes = store.file(&key).ok()??;
    serde_json::from_slice(unseal(&bytes, &key).ok()?).ok()
}

/// What was found already.
#[derive(Debug, Default)]
pub(super) struct Earlier {
    pub(super) claims: Vec<ClaimResult>,
    /// How long it took.
    pub(super) seconds: f64,
}

/// What earlier runs under the same conditions have left in a directory: version, build, seed, profile and problem
/// determine every number. Nothing yet is not an error, so that one command both starts a run and takes it up again.
///
/// The claims come from their own files; `results.json` says under which conditions the directory was filled, and adds
/// claims that have no file. If it was cut short, as a power cut may leave it, the files of the claims are enough.
pub(super) fn earlier(store: &Store, now: &Provenance, all: Claims<'_>, console: Console) -> Result<Earlier, Stopped> {
    let file = store.dir().join(RESULTS);
    let mut claims: Vec<_> = all.iter().filter_map(|claim| kept(store, claim.statement().id, now)).collect();
    let of_claims = |claims: &[ClaimResult]| claims.iter().map(|claim| claim.seconds).sum();
    if !file.exists() {
        return Ok(Earlier { seconds: of_claims(&claims), claims });
    }
    let found = match read_results(&file) {
        Ok(found) => found,
        Err(_) if is_cut(&file) && !claims.is_empty() => {
            let n = counted(claims.len(), "claim");
            console.note(&format!(
                "{} was cut short or damaged, and is made anew from the {n} kept beside it",
                file.display()
            ));
            return Ok(Earlier { seconds: of_claims(&claims), claims });
        }
        Err(error) => return Err((Exit::Input, error.to_string())),
    };
    note_without_checksum(&file, console);
    if let Some(difference) = difference(&found.provenance, now) {
        let remedy = "write elsewhere with --out, or leave --resume out to start anew";
        return Err((Exit::Input, format!("{} cannot be resumed: {difference}; {remedy}", file.display())));
    }
    let Results { provenance, claims: recorded, .. } = found;
    let unkept: Vec<_> = recorded.into_iter().filter(|one| claims.iter().all(|kept| kept.id != one.id)).collect();
    claims.extend(unkept);
    Ok(Earlier { claims, seconds: provenance.seconds })
}

/// Whether a file is no JSON at all: empty, cut short, or with letters that mean nothing. What is JSON and was changed
/// is another matter.
fn is_cut(file: &Path) -> bool {
    std::fs::read(file).is_ok_and(|text| serde_json::from_slice::<Value>(&text).is_err())
}

/// Which problem, as it was, with which settings.
fn of(provenance: &Provenance) -> String {
    provenance.problem.as_ref().map_or_else(
        || "the paper's own instances".to_owned(),
        |problem| {
            format!(
                "{} ({}; {})",
                problem.name,
                &problem.fingerprint[..12.min(problem.fingerprint.len())],
                problem.settings.join("; ")
            )
        },
    )
}

/// The first condition that is not the same.
fn difference(then: &Provenance, now: &Provenance) -> Option<String> {
    let pairs = [
        ("version", then.version.clone(), now.version.clone()),
        ("commit", then.commit.clone(), now.commit.clone()),
        ("seed", then.seed.to_string(), now.seed.to_string()),
        ("profile", then.profile.name().to_owned(), now.profile.name().to_owned()),
        ("problem", of(then), of(now)),
    ];
    let (what, then, now) = pairs.into_iter().find(|(_, then, now)| then != now)?;
    Some(format!("its {what} is {then}, and this run's is {now}"))
}
