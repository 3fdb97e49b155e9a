//! `ratecheck verify --resume`: what a run that was stopped has found already.

use std::path::Path;

use super::{Exit, Stopped};
use crate::claim::results::{Provenance, Results};
use crate::report::read_results;

/// The results in `file`, if it is there and was found under the same conditions: version, commit, seed and profile
/// determine every number. Nothing yet is not an error, so that one command both starts a run and takes it up again.
pub(super) fn earlier(file: &Path, now: &Provenance) -> Result<Option<Results>, Stopped> {
    if !file.exists() {
        return Ok(None);
    }
    let found = read_results(file).map_err(|error| (Exit::Input, error.to_string()))?;
    match difference(&found.provenance, now) {
        None => Ok(Some(found)),
        Some(difference) => Err((
            Exit::Input,
            format!(
                "{} cannot be resumed: {difference}; write elsewhere with --out, or leave --resume out to start anew",
                file.display()
            ),
        )),
    }
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
