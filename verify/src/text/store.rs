//! A directory that one process at a time works in, and the sealed files that it keeps there.
//!
//! ```text
//! OUT/lock             held by the process that works here; the system lets go of it when that process ends
//! OUT/cells/KEY.cell   one finished run each, of a sweep or an experiment
//! OUT/claims/KEY.cell  one claim each, of a verification
//! ```
//!
//! Every file appears whole, under a temporary name first: whatever stops the process loses what is in flight and
//! nothing else. A directory that is moved, deleted or replaced while the process works is not made anew: nobody would
//! hold its lock.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::files::{Flush, clear, put};
use super::seal::Damage;
use super::{ReportError, number};

/// What a directory keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Runs of a sweep, trainings of an experiment: many, some of them short. They are not forced to the disk one by
    /// one; if the machine itself stops, a checksum tells what arrived.
    Cells,
    /// Claims of a verification: a few, some of them long. Each is on the disk before the next begins.
    Claims,
}

impl Kept {
    fn folder(self) -> &'static str {
        match self {
            Self::Cells => "cells",
            Self::Claims => "claims",
        }
    }

    fn flush(self) -> Flush {
        match self {
            Self::Cells => Flush::Later,
            Self::Claims => Flush::Now,
        }
    }

    /// The file called `key`, if there is one below `dir`.
    pub(crate) fn file(self, dir: &Path, key: &str) -> Result<Option<Vec<u8>>, Damage> {
        let path = self.path(dir, key);
        match std::fs::metadata(&path) {
            // A pipe of that name would be waited for.
            Ok(about) if about.is_file() => std::fs::read(&path).map(Some).map_err(|_| Damage::Broken),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            _ => Err(Damage::Broken),
        }
    }

    fn path(self, dir: &Path, key: &str) -> PathBuf {
        dir.join(self.folder()).join(format!("{key}.cell"))
    }

    /// The names of all files below `dir`, whole or not.
    pub(crate) fn names(self, dir: &Path) -> BTreeSet<String> {
        let entries = std::fs::read_dir(dir.join(self.folder())).into_iter().flatten().flatten();
        let name = |entry: std::fs::DirEntry| entry.file_name().to_str()?.strip_suffix(".cell").map(str::to_owned);
        entries.filter_map(name).collect()
    }
}

/// Whether a directory is locked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Locking {
    /// It is.
    #[default]
    Locked,
    /// It is not: on a file system without locks the user sees to it that nobody else works there.
    Unlocked,
}

/// Why a directory cannot be worked in.
#[derive(Debug)]
pub enum StoreError {
    /// Another process does: a sentence that says which.
    Busy(String),
    /// It cannot be locked, or is no longer where it was: a sentence that says what to do.
    Place(String),
    /// A file could not be written.
    Write(ReportError),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy(what) | Self::Place(what) => f.write_str(what),
            Self::Write(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<ReportError> for StoreError {
    fn from(error: ReportError) -> Self {
        Self::Write(error)
    }
}

/// A directory that this process alone works in, for as long as the value lives.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    kept: Kept,
    /// Closing it lets go of the lock.
    lock: File,
}

impl Store {
    /// Makes a directory of cells if it is not there, locks it, and clears away what a killed process was writing.
    ///
    /// # Errors
    /// If another process works in it, or it cannot be written or locked.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_for(dir, Kept::Cells, Locking::Locked)
    }

    /// The same for what is named.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_for(dir: &Path, kept: Kept, locking: Locking) -> Result<Self, StoreError> {
        let folder = dir.join(kept.folder());
        std::fs::create_dir_all(&folder).map_err(|error| ReportError::write(&folder, error))?;
        let lock = lock_directory(dir, locking)?;
        for place in [dir, &folder, &dir.join("data"), &dir.join("plots")] {
            clear(place);
        }
        Ok(Self { dir: dir.to_owned(), kept, lock })
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether the directory is still the one that was opened.
    ///
    /// # Errors
    /// If it was moved, deleted or replaced.
    pub(crate) fn is_there(&self) -> Result<(), StoreError> {
        if is_same(&self.lock, &self.dir.join("lock")) {
            return Ok(());
        }
        let dir = self.dir.display();
        Err(StoreError::Place(format!(
            "{dir} was moved, deleted or replaced while this run worked in it, and is not made anew; what had ended is \
             wherever the directory is now: move it back, or name it with --out DIR, and run the same command again \
             for the rest"
        )))
    }

    /// The file called `key`, if there is one.
    pub(crate) fn file(&self, key: &str) -> Result<Option<Vec<u8>>, Damage> {
        self.kept.file(&self.dir, key)
    }

    /// Writes a sealed file.
    pub(crate) fn keep_bytes(&self, key: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.put(self.kept.path(&self.dir, key), bytes, self.kept.flush())
    }

    /// Writes a file into the directory. If it cannot be written since the directory went away that moment, that is the
    /// reason, too.
    fn put(&self, path: PathBuf, content: &[u8], flush: Flush) -> Result<(), StoreError> {
        self.is_there()?;
        match put(path, content, flush) {
            Ok(_) => Ok(()),
            Err(error) => self.is_there().and(Err(error.into())),
        }
    }

    /// Forgets everything that is kept.
    pub(crate) fn forget(&self) -> Result<(), StoreError> {
        for key in self.kept.names(&self.dir) {
            let path = self.kept.path(&self.dir, &key);
            std::fs::remove_file(&path).map_err(|error| ReportError::write(&path, error))?;
        }
        Ok(())
    }

    /// Writes a file, unless it is there with the same content. Returns whether it was written.
    pub(crate) fn write_if_new(&self, name: &str, content: &[u8]) -> Result<bool, StoreError> {
        let path = self.dir.join(name);
        if std::fs::read(&path).is_ok_and(|old| old == content) {
            return self.is_there().map(|()| false);
        }
        self.put(path, content, Flush::Later).map(|()| true)
    }
}

/// The file `lock` in a directory that is there, locked if that is wanted, with a note in it for whoever comes second.
/// Closing it lets go of the lock.
///
/// # Errors
/// As [`Store::open`].
pub(crate) fn lock_directory(dir: &Path, locking: Locking) -> Result<File, StoreError> {
    let path = dir.join("lock");
    let failed = |error: std::io::Error| StoreError::Write(ReportError::write(&path, error));
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    let mut lock = opened.map_err(failed)?;
    if locking == Locking::Locked {
        locked(lock.try_lock(), dir, &mut lock)?;
    }
    // Its length is that of the file: no remains of an earlier, longer one.
    let note = holder();
    let noted = lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| lock.write_all(note.as_bytes()));
    noted.map_err(failed)?;
    Ok(lock)
}

/// What an attempt to lock a directory amounts to.
fn locked(attempt: Result<(), TryLockError>, dir: &Path, lock: &mut impl Read) -> Result<(), StoreError> {
    match attempt {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            let mut note = String::new();
            // Some systems do not let a locked file be read; then it remains unknown who holds it.
            let who = match lock.read_to_string(&mut note) {
                Ok(_) if !note.trim().is_empty() => note.trim(),
                _ => "another process",
            };
            let remedy = "wait until it ends, end it, or choose another directory with --out DIR";
            Err(StoreError::Busy(format!("{} is in use by {who}; {remedy}", dir.display())))
        }
        Err(TryLockError::Error(error)) => Err(StoreError::Place(format!(
            "{} cannot be locked: {error}; its file system may have no locks: choose a directory on another one with \
             --out DIR, or give --no-lock if no other process works there",
            dir.display()
        ))),
    }
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

/// Whether an open file is still the one of this name.
#[cfg(unix)]
fn is_same(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |about: &std::fs::Metadata| (about.dev(), about.ino());
    matches!((file.metadata(), std::fs::metadata(path)), (Ok(a), Ok(b)) if id(&a) == id(&b))
}

/// Elsewhere a directory cannot be moved while a file in it is open.
#[cfg(not(unix))]
fn is_same(_file: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_at_a_time_unless_asked_otherwise() {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path().join("out");
        let first = Store::open(&dir).unwrap();
        let who = format!("out is in use by process {} on ", std::process::id());
        for kept in [Kept::Cells, Kept::Claims] {
            let second = Store::open_for(&dir, kept, Locking::Locked).unwrap_err();
            assert!(matches!(second, StoreError::Busy(ref what) if what.contains(&who)), "{second}");
        }
        assert!(Store::open_for(&dir, Kept::Cells, Locking::Unlocked).is_ok());
        drop(first);
        // A program that another test starts shares the lock until it is running.
        let opened = |_| {
            std::thread::yield_now();
            Store::open(&dir).is_ok()
        };
        assert!((0..1_000_000).any(opened));
    }

    /// As NFS without its lock daemon, and some parallel file systems, answer.
    #[test]
    fn a_file_system_without_locks_is_said() {
        for kind in [ErrorKind::Unsupported, ErrorKind::Other] {
            let attempt = Err(TryLockError::Error(std::io::Error::new(kind, "no locks available")));
            let said = locked(attempt, Path::new("out"), &mut std::io::empty()).unwrap_err();
            assert!(matches!(said, StoreError::Place(_)));
            let said = said.to_string();
            assert!(said.starts_with("out cannot be locked: no locks available; "), "{said}");
            assert!(said.contains("--out DIR") && said.contains("--no-lock"), "{said}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_directory_that_is_gone_is_not_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        let [dir, away] = ["out", "away"].map(|name| directory.path().join(name));
        let store = Store::open(&dir).unwrap();
        store.keep_bytes("a", b"1").unwrap();
        std::fs::rename(&dir, &away).unwrap();
        let gone = |attempt: Result<(), StoreError>| {
            let said = attempt.unwrap_err().to_string();
            assert!(said.contains("out was moved, deleted or replaced") && said.contains("--out DIR"), "{said}");
        };
        gone(store.keep_bytes("b", b"2"));
        gone(store.write_if_new("list", b"x").map(drop));
        assert!(!dir.exists());
        // Another in its place is not ours.
        let _other = Store::open(&dir).unwrap();
        gone(store.keep_bytes("b", b"2"));
        assert_eq!(Kept::Cells.names(&away).into_iter().collect::<Vec<_>>(), ["a"]);
        assert!(Kept::Cells.names(&dir).is_empty());
    }

    /// A directory or a pipe under the name of a cell is a damaged one; a pipe would be waited for.
    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_damaged() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let made = std::process::Command::new("mkfifo").arg(Kept::Cells.path(directory.path(), "pipe")).status();
        assert!(made.unwrap().success());
        std::fs::create_dir(Kept::Cells.path(directory.path(), "dir")).unwrap();
        assert_eq!((store.file("pipe"), store.file("dir")), (Err(Damage::Broken), Err(Damage::Broken)));
        assert_eq!(store.file("none"), Ok(None));
        store.keep_bytes("pipe", b"now a file").unwrap();
        assert_eq!(store.file("pipe"), Ok(Some(b"now a file".to_vec())));
    }
}
