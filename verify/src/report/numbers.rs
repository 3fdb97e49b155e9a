//! `results.json`: written with its checksum, and read back.

use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::claim::results::{FORMAT, Results};
use crate::lab::budget;
use crate::text::seal::{Sum, summed};
use crate::text::{Flush, ReportError, pretty, put, read_within};

/// The name of the file that holds everything, as data.
pub const RESULTS: &str = "results.json";

/// What the file holds: the results, with the SHA-256 of all its bytes but the digits of this very sum.
///
/// # Errors
/// If the results cannot be put into JSON.
pub fn json(results: &Results) -> Result<Vec<u8>, ReportError> {
    #[derive(Serialize)]
    struct File<'a> {
        /// [`crate::text::seal::SUM_FIELD`]
        sha256: &'static str,
        #[serde(flatten)]
        results: &'a Results,
    }
    let text = pretty(&File { sha256: "", results }).map_err(|error| ReportError::render(RESULTS, error))?;
    Ok(summed(text))
}

/// Writes `results.json` alone: what is found so far. It is on the disk when this returns.
///
/// # Errors
/// When it cannot be written; the error names it.
pub fn write_results(results: &Results, dir: &Path) -> Result<PathBuf, ReportError> {
    let text = json(results)?;
    std::fs::create_dir_all(dir).map_err(|source| ReportError::write(dir, source))?;
    put(dir.join(RESULTS), &text, Flush::Now)
}

/// Reads `results.json` back.
///
/// # Errors
/// When it cannot be read, is not JSON, lacks a field, is of another format version, or was changed; with file and,
/// where it has one, line. A file without a checksum is read all the same: see [`without_checksum`].
pub fn read_results(path: &Path) -> Result<Results, ReportError> {
    let text = read_within(path, budget::of_file()).map_err(|source| ReportError::read(path, source))?;
    // The version first: a file of another version would otherwise be reported as lacking some field.
    #[derive(Deserialize)]
    struct Versioned {
        format: u32,
    }
    match serde_json::from_slice::<Versioned>(&text) {
        Ok(Versioned { format: FORMAT }) => {}
        Ok(Versioned { format }) => return Err(ReportError::version(path, format, FORMAT)),
        Err(source) => return Err(ReportError::malformed(path, FORMAT, source)),
    }
    let results = serde_json::from_slice(&text).map_err(|source| ReportError::malformed(path, FORMAT, source))?;
    match Sum::of(&text) {
        Sum::Changed => Err(ReportError::changed(path)),
        Sum::Fits | Sum::Absent => Ok(results),
    }
}

/// Whether a file is results without a checksum, as versions before it have written them: nobody would notice a change.
pub fn without_checksum(path: &Path) -> bool {
    #[derive(Deserialize)]
    struct Head {
        #[serde(rename = "claims")]
        _claims: IgnoredAny,
        #[serde(rename = "provenance")]
        _provenance: IgnoredAny,
    }
    let Ok(text) = std::fs::read(path) else { return false };
    serde_json::from_slice::<Head>(&text).is_ok() && Sum::of(&text) == Sum::Absent
}
