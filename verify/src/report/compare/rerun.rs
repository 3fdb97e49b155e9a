//! Claims of an earlier run, run again.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Compared, Difference, Weight};
use crate::claim::evidence::Claim;
use crate::claim::results::{ClaimResult, FORMAT, Provenance, Results};

/// Runs claims by `run`, with the seed and the profile of `old` and on what it was about. Everything that determines
/// the numbers is the same, but for the version.
pub fn rerun(old: &Results, claims: &[&'static dyn Claim], run: &dyn Fn(&dyn Claim) -> Option<ClaimResult>) -> Results {
    Results {
        format: FORMAT,
        provenance: Provenance { version: env!("CARGO_PKG_VERSION").to_owned(), ..old.provenance.clone() },
        claims: claims.iter().filter_map(|claim| run(*claim)).collect(),
        pending: Vec::new(),
        map: Vec::new(),
        errata: Vec::new(),
    }
}

impl Compared {
    /// Notes which parts of a claim are not the same bit for bit, the time it took apart: more than
    /// [`compare`](super::compare) looks at.
    ///
    /// # Errors
    /// When a result cannot be written as JSON.
    pub fn note_parts(&mut self, old: &Results, new: &Results) -> serde_json::Result<()> {
        for was in &old.claims {
            let Some(is) = new.claims.iter().find(|claim| claim.id == was.id) else { continue };
            let parts = parts_that_differ(was, is)?;
            if !parts.is_empty() {
                let what = format!("not the same bits: {}", parts.into_iter().collect::<Vec<_>>().join(", "));
                self.differences.push(Difference { weight: Weight::Note, claim: was.id.clone(), what });
                self.same.retain(|id| *id != was.id);
            }
        }
        Ok(())
    }
}

/// The names of the fields of `results.json` that differ.
fn parts_that_differ(was: &ClaimResult, is: &ClaimResult) -> serde_json::Result<BTreeSet<String>> {
    // As text, where NaN is the same as NaN.
    let fields = |claim: &ClaimResult| -> serde_json::Result<Map<String, Value>> {
        match serde_json::to_value(ClaimResult { seconds: 0.0, ..claim.clone() })? {
            Value::Object(fields) => Ok(fields),
            _ => Ok(Map::new()),
        }
    };
    let (was, is) = (fields(was)?, fields(is)?);
    Ok(was.keys().chain(is.keys()).filter(|key| was.get(*key) != is.get(*key)).cloned().collect())
}
