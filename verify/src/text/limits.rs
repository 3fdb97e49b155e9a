//! What a system lets a process read and write, found out before it is tried.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::OnceLock;

/// The bytes of a file, if there are at most `most` of them; devices, which have no end, are not read.
pub(crate) fn read_within(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if file.metadata().is_ok_and(|about| is_device(&about)) {
        return Err(io::Error::other("it is a device, which has no end, and no file"));
    }
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("it is longer than {most} bytes, which is all that may be read of it")));
    }
    Ok(bytes)
}

#[cfg(unix)]
fn is_device(about: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    about.file_type().is_char_device() || about.file_type().is_block_device()
}

#[cfg(not(unix))]
fn is_device(_: &std::fs::Metadata) -> bool {
    false
}

/// Has writes beyond `ulimit -f` end with an error, and not the process with a signal: standard output may be a file,
/// too.
pub(crate) fn outlive_file_limits() {
    #[cfg(unix)]
    {
        use std::sync::Arc;
        use std::sync::atomic::AtomicBool;
        // Where no handler can be had, such a write ends the process as before.
        let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::new(AtomicBool::new(false)));
    }
}

/// Whether a file may have so many bytes. A process that writes beyond `ulimit -f` is ended without a word.
pub(crate) fn may_write(bytes: usize) -> io::Result<()> {
    static MOST: OnceLock<Option<u64>> = OnceLock::new();
    match *MOST.get_or_init(most_written) {
        Some(most) if bytes as u64 > most => {
            Err(io::Error::other(format!("it would have {bytes} bytes, and `ulimit -f` allows {most}")))
        }
        _ => Ok(()),
    }
}

fn most_written() -> Option<u64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    limits.lines().find_map(|line| line.strip_prefix("Max file size")?.split_whitespace().next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_more_is_read_than_is_allowed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, [7; 100]).unwrap();
        assert_eq!(read_within(&path, 100).unwrap(), [7; 100]);
        assert!(read_within(&path, 99).unwrap_err().to_string().contains("longer than 99 bytes"));
        #[cfg(target_os = "linux")]
        assert!(read_within("/dev/zero".as_ref(), u64::MAX).unwrap_err().to_string().contains("a device"));
    }
}
