//! Files, written whole or not at all, and the removal of what a killed process was writing.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use tempfile::NamedTempFile;

use super::ReportError;

/// Temporary files have this before and behind some letters and digits.
const BEFORE: &str = ".ratecheck-";
const BEHIND: &str = ".tmp";

/// Where nobody can lock a file, what is older than this is given up.
const GIVEN_UP: Duration = Duration::from_secs(24 * 60 * 60);

/// When a file is to be on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flush {
    /// When the system sees fit: after a power cut the file may be the old one, the new one, or empty.
    Later,
    /// Before the writer goes on: after a power cut the file is the old one or the new one.
    Now,
}

/// Writes a file so that whoever reads it sees the old content or the new, never a part. Its directory is made if it is
/// not there.
pub(crate) fn write(path: PathBuf, content: &[u8]) -> Result<PathBuf, ReportError> {
    match std::fs::create_dir_all(directory_of(&path)) {
        Ok(()) => put(path, content, Flush::Later),
        Err(source) => Err(ReportError::write(&path, source)),
    }
}

/// The same in a directory that must be there.
pub(crate) fn put(path: PathBuf, content: &[u8], flush: Flush) -> Result<PathBuf, ReportError> {
    let dir = directory_of(&path);
    let attempt = || -> std::io::Result<()> {
        super::limits::may_write(content.len())?;
        clear_once(dir);
        let mut file = temporary(dir)?;
        file.write_all(content)?;
        if flush == Flush::Now {
            file.as_file().sync_all()?;
        }
        file.persist(&path).map_err(|e| e.error)?;
        // That the name leads to the new file is a matter of the directory. Not every system can be asked for that.
        if flush == Flush::Now
            && let Ok(dir) = File::open(dir)
        {
            let _ = dir.sync_all();
        }
        Ok(())
    };
    match attempt() {
        Ok(()) => Ok(path),
        Err(source) => Err(ReportError::write(&path, source)),
    }
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A file that is locked as long as it is being written, so that others see that somebody is at it.
fn temporary(dir: &Path) -> std::io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(BEFORE).suffix(BEHIND);
    // Temporary files are private by default; a report is for others too, as far as the umask lets it.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    loop {
        let file = builder.tempfile_in(dir)?;
        // Between the two lines somebody may have taken it for a remnant. Where there are no locks, nobody does.
        let taken = matches!(file.as_file().try_lock(), Err(TryLockError::WouldBlock));
        if !taken && file.path().exists() {
            return Ok(file);
        }
    }
}

/// Removes the temporary files that killed processes have left in a directory: those of our name that nobody is
/// writing. It is no error if one cannot be removed.
pub(crate) fn clear(dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !is_file || !is_ours(&entry.file_name()) {
            continue;
        }
        let Ok(file) = File::open(entry.path()) else { continue };
        let abandoned = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(_)) => {
                let modified = file.metadata().and_then(|about| about.modified());
                modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > GIVEN_UP))
            }
        };
        if abandoned {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn is_ours(name: &OsStr) -> bool {
    let letters = name.to_str().and_then(|name| name.strip_prefix(BEFORE)?.strip_suffix(BEHIND));
    letters.is_some_and(|letters| letters.chars().all(|c| c.is_ascii_alphanumeric()))
}

/// [`clear`], when this process first writes into a directory.
fn clear_once(dir: &Path) {
    static CLEARED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let mut cleared = CLEARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if cleared.insert(dir.to_owned()) {
        clear(dir);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// What is left of a killed process goes with the next file; what somebody is writing, or is not ours, stays.
    #[test]
    fn remnants_go_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let others = ["notes.tmp", ".ratecheck-a b.tmp", ".ratecheck-abc.txt", ".other-abc.tmp", "ratecheck-abc.tmp"];
        for name in others.iter().chain(&[".ratecheck-abc123.tmp"]) {
            std::fs::write(at(name), "left").unwrap();
        }
        std::fs::create_dir(at(".ratecheck-dir.tmp")).unwrap();
        let busy = temporary(directory.path()).unwrap();
        write(at("file"), b"content").unwrap();
        assert!(!at(".ratecheck-abc123.tmp").exists());
        assert!(others.iter().all(|name| at(name).exists()));
        assert!(at(".ratecheck-dir.tmp").exists() && busy.path().exists());
        assert_eq!(std::fs::read(at("file")).unwrap(), b"content");
        // Only the first file looks around; a run that is started clears by itself.
        std::fs::write(at(".ratecheck-later.tmp"), "left").unwrap();
        put(at("file"), b"other", Flush::Now).unwrap();
        assert!(at(".ratecheck-later.tmp").exists());
        clear(directory.path());
        assert!(!at(".ratecheck-later.tmp").exists() && busy.path().exists());
        assert_eq!(std::fs::read(at("file")).unwrap(), b"other");
    }

    #[test]
    fn a_directory_that_is_not_there_is_made_by_one_and_not_by_the_other() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("a/b/file");
        assert!(put(deep.clone(), b"x", Flush::Later).is_err() && !directory.path().join("a").exists());
        assert!(write(deep.clone(), b"x").is_ok() && deep.exists());
    }
}
