//! Parts that are run side by side, each in a directory of its own below that of the whole.
//!
//! ```text
//! OUT/parts/3-of-8/   what `--part 3/8` has run: cells, as in any directory of a sweep
//! ```
//!
//! A cell's name is all that counts: whichever part has run it, of however many, under whichever earlier plan, it is
//! not run again, and what belongs to another plan is left alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::execute::Shard;
use crate::text::Kept;

/// The directory below that of the whole.
const PARTS: &str = "parts";

/// The directory of a part.
pub fn place_of(out: &Path, part: Shard) -> PathBuf {
    out.join(PARTS).join(part.to_string().replace('/', "-of-"))
}

/// Directories of cells, and which of them has which.
#[derive(Clone, Debug, Default)]
pub struct Places {
    dirs: Vec<PathBuf>,
    /// By the key of a cell: places in `dirs`.
    holders: BTreeMap<String, Vec<usize>>,
}

impl Places {
    /// These directories, as they are now.
    pub fn new(dirs: Vec<PathBuf>) -> Self {
        let mut holders: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (place, dir) in dirs.iter().enumerate() {
            for key in Kept::Cells.names(dir) {
                holders.entry(key).or_default().push(place);
            }
        }
        Self { dirs, holders }
    }

    /// The directory of a whole, and of all its parts.
    pub fn of(out: &Path) -> Self {
        let entries = std::fs::read_dir(out.join(PARTS)).into_iter().flatten().flatten();
        let mut parts: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        parts.sort();
        Self::new(std::iter::once(out.to_owned()).chain(parts).collect())
    }

    /// Those of parts that have cells: all but the first.
    pub(crate) fn parts(&self) -> Vec<PathBuf> {
        let has_cells = |dir: &&PathBuf| !Kept::Cells.names(dir).is_empty();
        self.dirs.iter().skip(1).filter(has_cells).cloned().collect()
    }

    /// The directories that have a file of this cell, whole or not.
    pub(crate) fn with(&self, key: &str) -> impl Iterator<Item = &Path> {
        self.holders.get(key).into_iter().flatten().map(|&place| self.dirs[place].as_path())
    }

    /// How far every one of `n` parts is, by the names of files alone; `keys` are all cells in the order of the plan.
    pub(crate) fn named<'k>(&self, keys: impl Iterator<Item = &'k str>, n: usize) -> Vec<Progress> {
        let mut parts: Vec<Progress> = Shard::all(n).map(|part| Progress { part, done: 0, all: 0 }).collect();
        for (place, key) in keys.enumerate() {
            let part = &mut parts[place % n];
            part.all += 1;
            part.done += usize::from(self.holders.contains_key(key));
        }
        parts
    }
}

/// How far a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Which.
    pub part: Shard,
    /// Cells that are there.
    pub done: usize,
    /// All its cells.
    pub all: usize,
}

impl Progress {
    /// Cells that are not.
    pub fn missing(self) -> usize {
        self.all - self.done
    }

    /// Whether nothing is missing.
    pub fn is_complete(self) -> bool {
        self.done == self.all
    }
}

impl std::fmt::Display for Progress {
    /// `part 3 of 8: 4 of 15`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (k, n) = self.part.numbers();
        write!(f, "part {k} of {n}: {} of {}", self.done, self.all)
    }
}
