//! Files, written whole or not at all.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::ReportError;

/// Writes a file so that whoever reads it sees the old content or the new, never a part.
pub(crate) fn write(path: PathBuf, content: &[u8]) -> Result<PathBuf, ReportError> {
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let attempt = || -> std::io::Result<()> {
        super::limits::may_write(content.len())?;
        std::fs::create_dir_all(dir)?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(".ratecheck-").suffix(".tmp");
        // Temporary files are private by default; a report is for others too, as far as the umask lets it.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(dir)?;
        file.write_all(content)?;
        file.persist(&path).map_err(|e| e.error)?;
        Ok(())
    };
    match attempt() {
        Ok(()) => Ok(path),
        Err(source) => Err(ReportError::write(&path, source)),
    }
}
