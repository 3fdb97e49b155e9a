//! The directory of a sweep: its lock, its cells, and the list of them.
//!
//! ```text
//! OUT/lock            held by the process that works here; the system lets go of it whenever that ends
//! OUT/sweep.json      the plan and all its cells, whichever part of them is here
//! OUT/cells/KEY.cell  one finished run each, with its checksum
//! OUT/runs.*          the results, once all cells are there
//! ```
//!
//! Every file appears whole, under a temporary name first: whatever stops the process loses the cells in flight and
//! nothing else. The files are not forced to the disk one by one. If the machine itself stops,
//! a checksum tells what arrived.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::cell::Runs;
use super::error::SweepError;
use super::outcome::{Damage, Outcome, decode, encode, hex_of};
use super::plan::Plan;
use super::quantity::Quantity;
use crate::text::{ReportError, number, pretty, write};

/// The version of `sweep.json` and of the results; it grows whenever a field changes its meaning.
pub const FORMAT: u32 = 1;

/// The list of cells.
const LIST: &str = "sweep.json";

/// What `sweep.json` holds: enough to make the results from the cells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The text of the plan.
    pub plan: String,
    /// What all runs have in common.
    pub runs: Runs,
    /// The columns of the results.
    pub record: Vec<Quantity>,
    /// Every run of the plan, in the order of the results.
    pub cells: Vec<Listed>,
}

/// What a cell is run with, apart from its seed: in the list, the tables and the preview alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// As the plan calls it.
    pub instance: String,
    /// In the words of a plan.
    pub normalisation: String,
    /// In the words of a plan.
    pub rule: String,
    /// eta_w.
    pub eta_w: f64,
    /// The exponent of w's schedule.
    pub alpha: f64,
    /// eta_g, where there is a g.
    pub eta_g: Option<f64>,
    /// The exponent of g's schedule.
    pub alpha_g: Option<f64>,
}

impl Setting {
    /// That of a cell of the plan.
    pub fn of(plan: &Plan, cell: &super::Cell) -> Self {
        let instance = &plan.instances[cell.instance];
        Self {
            instance: instance.name.clone(),
            normalisation: instance.normalisation.clone(),
            rule: cell.rule_in_words.clone(),
            eta_w: cell.eta_w.eta,
            alpha: cell.eta_w.alpha,
            eta_g: cell.eta_g.map(|rate| rate.eta),
            alpha_g: cell.eta_g.map(|rate| rate.alpha),
        }
    }

    /// The fields of a table, in the order of the names above; `none` where there is no g.
    pub fn fields(&self, none: &str) -> [String; 7] {
        let optional = |x: Option<f64>| x.map_or_else(|| none.to_owned(), number::exact);
        [
            self.instance.clone(),
            self.normalisation.clone(),
            self.rule.clone(),
            number::exact(self.eta_w),
            number::exact(self.alpha),
            optional(self.eta_g),
            optional(self.alpha_g),
        ]
    }
}

/// A cell in the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// The name of its file.
    pub key: String,
    /// What it is run with.
    #[serde(flatten)]
    pub setting: Setting,
    /// c_g, where it has set eta_g.
    pub c_g: Option<f64>,
    /// The run's seed, if chance plays a part.
    pub seed: Option<u64>,
}

impl Listed {
    /// For people: `problem-j, gradient, eta_w = 0.1, alpha = 0, eta_g = 0.5, seed 3`.
    pub fn described(&self) -> String {
        let of = &self.setting;
        let mut parts = vec![of.instance.clone()];
        if of.normalisation != "closed-form" {
            parts.push(of.normalisation.clone());
        }
        parts.extend([of.rule.clone(), format!("eta_w = {}", of.eta_w), format!("alpha = {}", of.alpha)]);
        parts.extend(of.eta_g.map(|eta_g| format!("eta_g = {eta_g}")));
        parts.extend(of.alpha_g.filter(|&alpha| alpha != 0.0).map(|alpha| format!("alpha_g = {alpha}")));
        parts.extend(self.seed.map(|seed| format!("seed {seed}")));
        parts.join(", ")
    }
}

impl From<&Plan> for Manifest {
    fn from(plan: &Plan) -> Self {
        let listed = |cell: &super::Cell| Listed {
            key: cell.key.clone(),
            setting: Setting::of(plan, cell),
            c_g: cell.c_g,
            seed: cell.seed,
        };
        Self {
            format: FORMAT,
            plan: plan.text.clone(),
            runs: plan.runs.clone(),
            record: plan.record.clone(),
            cells: plan.cells.iter().map(listed).collect(),
        }
    }
}

impl Manifest {
    /// The list in a directory.
    ///
    /// # Errors
    /// If it is not there, or not a list of this version.
    pub fn read(dir: &Path) -> Result<Self, SweepError> {
        let path = dir.join(LIST);
        let part = |what: String| {
            let remedy = "give a directory that `ratecheck sweep --out DIR` of this version has filled";
            SweepError::Part(format!("{} {what}; {remedy}", path.display()))
        };
        let bytes = std::fs::read(&path).map_err(|error| part(format!("cannot be read: {error}")))?;
        let found: Self =
            serde_json::from_slice(&bytes).map_err(|error| part(format!("is not a list of cells: {error}")))?;
        if found.format != FORMAT {
            return Err(part(format!("has format {}, and this version reads format {FORMAT}", found.format)));
        }
        Ok(found)
    }
}

/// Reads a cell: `None` if there is no file of that name.
///
/// # Errors
/// What is wrong with the file, if there is one that is not this cell.
pub fn read_cell(dir: &Path, key: &str) -> Result<Option<Outcome>, Damage> {
    Ok(read_bytes(dir, key)?.map(|(outcome, _)| outcome))
}

/// The same, with the bytes of the file.
pub(super) fn read_bytes(dir: &Path, key: &str) -> Result<Option<(Outcome, Vec<u8>)>, Damage> {
    file_of(dir, key)?.map(|bytes| decode(&bytes, key).map(|outcome| (outcome, bytes))).transpose()
}

/// The file of a cell, if there is one of that name.
pub(crate) fn file_of(dir: &Path, key: &str) -> Result<Option<Vec<u8>>, Damage> {
    let path = path_of(dir, key);
    // A pipe in its place would wait for somebody to write.
    if path.metadata().is_ok_and(|about| !about.is_file()) {
        return Err(Damage::Broken);
    }
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(_) => Err(Damage::Broken),
    }
}

fn path_of(dir: &Path, key: &str) -> PathBuf {
    dir.join("cells").join(format!("{key}.cell"))
}

/// A directory that this process alone works in, for as long as the value lives.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    /// Closing it lets go of the lock.
    _lock: File,
}

impl Store {
    /// Makes the directory if it is not there, locks it, and clears away what a killed process was writing.
    ///
    /// # Errors
    /// If another process works in it, or it cannot be written.
    pub fn open(dir: &Path) -> Result<Self, SweepError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error: std::io::Error| SweepError::Write(ReportError::write(&path, error))
        };
        let cells = dir.join("cells");
        std::fs::create_dir_all(&cells).map_err(failed(&cells))?;
        let lock_path = dir.join("lock");
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&lock_path);
        let mut lock = opened.map_err(failed(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(busy(dir, &mut lock)),
            Err(TryLockError::Error(error)) => return Err(failed(&lock_path)(error)),
        }
        // For whoever comes second. Its length is that of the file: no remains of an earlier, longer one.
        let note = holder();
        let noted = lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| lock.write_all(note.as_bytes()));
        noted.map_err(failed(&lock_path))?;
        for place in [dir, &cells] {
            clear(place).map_err(failed(place))?;
        }
        Ok(Self { dir: dir.to_owned(), _lock: lock })
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes the list of cells, if it is another one than before.
    pub(super) fn list(&self, manifest: &Manifest) -> Result<(), SweepError> {
        let text = pretty(manifest).map_err(|error| ReportError::render(LIST, error))?;
        self.write_if_new(LIST, &text).map(drop)
    }

    /// Writes a finished cell.
    pub(super) fn keep(&self, key: &str, identity: &str, outcome: &Outcome) -> Result<(), SweepError> {
        debug_assert_eq!(hex_of(identity.as_bytes()), key);
        self.keep_bytes(key, &encode(identity, outcome))
    }

    /// Writes a finished cell that comes from another directory.
    pub(crate) fn keep_bytes(&self, key: &str, bytes: &[u8]) -> Result<(), SweepError> {
        write(path_of(&self.dir, key), bytes)?;
        Ok(())
    }

    /// Writes a file, unless it is there with the same content. Returns whether it was written.
    pub(crate) fn write_if_new(&self, name: &str, content: &[u8]) -> Result<bool, SweepError> {
        let path = self.dir.join(name);
        if std::fs::read(&path).is_ok_and(|old| old == content) {
            return Ok(false);
        }
        write(path, content)?;
        Ok(true)
    }
}

/// Removes temporary files. Only the holder of the lock writes here, so that none of them is in use.
fn clear(dir: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(".ratecheck-") && name.ends_with(".tmp")) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Who this is: `process 12 on host since 2026-01-01 00:00:00 UTC`.
fn holder() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .or_else(|| std::env::var("COMPUTERNAME").ok())
        .map_or_else(|| "an unknown host".to_owned(), |host| host.trim().to_owned());
    format!("process {} on {host} since {}\n", std::process::id(), number::utc(since))
}

fn busy(dir: &Path, lock: &mut File) -> SweepError {
    let mut note = String::new();
    // Some systems do not let a locked file be read; then it remains unknown who holds it.
    let who = match lock.read_to_string(&mut note) {
        Ok(_) if !note.trim().is_empty() => note.trim().to_owned(),
        _ => "another process".to_owned(),
    };
    SweepError::Busy(format!(
        "{} is in use by {who}; wait until it ends, end it, or choose another directory with --out DIR",
        dir.display()
    ))
}
