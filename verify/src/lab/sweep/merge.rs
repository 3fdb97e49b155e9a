//! Parts of a sweep, run with `--shard`, into one directory.

use std::path::{Path, PathBuf};

use super::error::SweepError;
use super::parts::Places;
use super::results::{self, Written};
use super::store::{Listed, Manifest, Store, read_bytes};
use crate::text::plain::path;
use crate::text::{Kept, Locking};

/// Joins the parts in `parts` into `out`: the same bits as one run over the whole plan. `out` may be one of the parts.
/// Returns what was written, and the directory, still locked.
///
/// # Errors
/// If the parts are of different sweeps, if a cell is in none of them (the error names the first), if two of them have
/// different numbers for one cell, or if `out` cannot be written.
pub fn merge(parts: &[PathBuf], out: &Path, locking: Locking) -> Result<(Written, Store), SweepError> {
    let Some((first, others)) = parts.split_first() else {
        return Err(SweepError::Part("there are no parts; name their directories".to_owned()));
    };
    let manifest = Manifest::read(first)?;
    for other in others {
        if Manifest::read(other)? != manifest {
            let (first, other) = (first.display(), other.display());
            let remedy = "merge parts of one plan, run by one version";
            return Err(SweepError::Part(format!("{first} and {other} are parts of different sweeps; {remedy}")));
        }
    }
    let store = Store::open_for(out, Kept::Cells, locking)?;
    let written = gather(&manifest, &Places::new(parts.to_vec()), &store)?;
    Ok((written, store))
}

/// The cells of the list from wherever they are, and the results.
///
/// # Errors
/// As [`merge`].
pub(super) fn gather(manifest: &Manifest, places: &Places, store: &Store) -> Result<Written, SweepError> {
    store.list(manifest)?;
    let mut missing: Vec<(&Listed, Option<&Path>)> = Vec::new();
    for cell in &manifest.cells {
        match joined(cell, places)? {
            Joined::Whole(bytes, from) if from != store.dir() => store.keep_bytes(&cell.key, &bytes)?,
            Joined::Whole(..) => {}
            Joined::Missing => missing.push((cell, None)),
            Joined::Damaged(place) => missing.push((cell, Some(place))),
        }
    }
    if missing.is_empty() {
        return results::write(manifest, store);
    }
    Err(SweepError::Part(lacking(&missing, manifest.cells.len())))
}

enum Joined<'a> {
    /// The bytes of its file, and the first directory that has it.
    Whole(Vec<u8>, &'a Path),
    Missing,
    /// Nowhere whole, and damaged here.
    Damaged(&'a Path),
}

/// The cell from whichever places have it.
fn joined<'a>(cell: &Listed, places: &'a Places) -> Result<Joined<'a>, SweepError> {
    let mut found = Joined::Missing;
    for place in places.with(&cell.key) {
        match (read_bytes(place, &cell.key), &found) {
            (Ok(Some((_, bytes))), Joined::Whole(before, from)) if *before != bytes => {
                let (a, b) = (from.display(), place.display());
                let what = format!("{a} and {b} have different numbers for {} ({})", cell.key, cell.described());
                return Err(SweepError::Part(format!("{what}; one of them comes from another build: remove it")));
            }
            (Ok(Some(_)), Joined::Whole(..)) => {}
            (Ok(Some((_, bytes))), _) => found = Joined::Whole(bytes, place),
            (Err(_), Joined::Missing) => found = Joined::Damaged(place),
            _ => {}
        }
    }
    Ok(found)
}

fn lacking(missing: &[(&Listed, Option<&Path>)], n_cells: usize) -> String {
    let n = missing.len();
    let damaged: Vec<&Path> = missing.iter().filter_map(|(_, damaged)| *damaged).collect();
    let of_these = damaged.first().map_or_else(String::new, |part| match damaged.len() {
        1 => format!(" (one is damaged, in {})", path(part)),
        n => format!(" ({n} are damaged, the first in {})", path(part)),
    });
    let first = missing.first().map_or_else(String::new, |(cell, _)| match n {
        1 => format!(": {} ({})", cell.key, cell.described()),
        _ => format!(", the first of them {} ({})", cell.key, cell.described()),
    });
    let remedy = "run the parts that are missing, or again those that did not end, and join all of their directories";
    format!("{n} of {n_cells} cells are in no part{of_these}{first}; {remedy}")
}
