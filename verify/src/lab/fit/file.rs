//! The text of a log: read within a budget, unpacked and decoded; or what the file is instead of one.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::lab::problem::ProblemError;
use crate::text::plain::quote;

/// Bytes of text that all logs of one fit may have together, unpacked: some twenty million rows. What is made of them takes a few times
/// as much memory.
pub(super) const BUDGET: u64 = 512 << 20;

/// As much of a file as tells its kind.
const HEAD: usize = 4096;

const GZIP: &[u8] = &[0x1f, 0x8b];

/// How often a file may be packed. Beyond twice it is a mistake, or a file that unpacks to itself.
const PACKED: usize = 2;

/// A log as text.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) path: PathBuf,
    pub(super) text: String,
    /// What was assumed of its encoding.
    pub(super) note: Option<String>,
}

impl Text {
    /// The line, counted from 1, of a byte; a line ends at a line feed, a carriage return, or both.
    pub(super) fn line(&self, at: usize) -> usize {
        let bytes = self.text.as_bytes();
        let ends = |k: &usize| bytes[*k] == b'\n' || bytes[*k] == b'\r' && bytes.get(k + 1) != Some(&b'\n');
        1 + (0..at.min(bytes.len())).filter(ends).count()
    }

    /// An error about what begins at a byte.
    pub(super) fn fault(&self, at: usize, column: Option<&str>, what: &str, remedy: &str) -> ProblemError {
        ProblemError {
            file: self.path.clone(),
            line: Some(self.line(at)),
            key: column.map(|name| format!("column \"{}\"", quote(name))),
            what: what.to_owned(),
            remedy: remedy.to_owned(),
        }
    }
}

/// Reads a file, at most what is `left` of the budget.
///
/// # Errors
/// When it cannot be read, is too large, or is not text.
pub(super) fn read(path: &Path, left: u64) -> Result<Vec<u8>, ProblemError> {
    let file = std::fs::File::open(path).map_err(|error| unreadable(path, &error))?;
    within(path, file, left)
}

/// Unpacks and decodes what was read.
///
/// # Errors
/// When it unpacks to more than is `left`, is damaged, or is not text.
pub(super) fn decode(path: &Path, mut bytes: Vec<u8>, left: u64) -> Result<Text, ProblemError> {
    for _ in 0..PACKED {
        if bytes.starts_with(GZIP) {
            bytes = within(path, MultiGzDecoder::new(bytes.as_slice()), left)?;
        }
    }
    if bytes.starts_with(GZIP) {
        let what = format!("packed with gzip more than {PACKED} times");
        return Err(ProblemError::of_file(path, what, "unpack it, and give the log itself"));
    }
    refuse(path, &bytes[..bytes.len().min(HEAD)])?;
    let (text, note) = match wide(&bytes) {
        Some((skip, unit)) => {
            let units = bytes[skip..].chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
            (char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect(), None)
        }
        None => match String::from_utf8(bytes) {
            Ok(text) => (text, None),
            Err(error) => (
                error.into_bytes().into_iter().map(char::from).collect(),
                Some("the text is not UTF-8, and was read as Latin-1: names may look odd".to_owned()),
            ),
        },
    };
    let text = match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    };
    Ok(Text { path: path.to_owned(), text, note })
}

fn unreadable(path: &Path, error: &std::io::Error) -> ProblemError {
    let remedy = "give the path of a log in CSV or JSON";
    ProblemError::of_file(path, format!("cannot be read: {error}"), remedy)
}

/// All bytes of a reader, unless there are more than are allowed; nothing beyond is held.
fn within(path: &Path, reader: impl Read, left: u64) -> Result<Vec<u8>, ProblemError> {
    let mut reader = BufReader::with_capacity(HEAD, reader);
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData => {
            let what = format!("cannot be unpacked: {error}");
            ProblemError::of_file(path, what, "the file is cut off or damaged: copy it again")
        }
        _ => unreadable(path, &error),
    };
    // A device or an archive is told by its first bytes, before the rest is read.
    refuse(path, reader.fill_buf().map_err(failed)?)?;
    let mut bytes = Vec::new();
    reader.take(left + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > left {
        let what = format!("more than {} MiB of text in all logs together, unpacked", BUDGET >> 20);
        let remedy = "thin the log (steps evenly spaced in ln t lose nothing of a rate), or take out the columns that are not fitted";
        return Err(ProblemError::of_file(path, what, remedy));
    }
    Ok(bytes)
}

/// Kinds of files that are known by their first bytes, what they are, and what to do.
const KINDS: [(&[u8], &str, &str); 12] = [
    (b"PK\x03\x04", "a zip archive (NumPy's .npz, PyTorch's .pt and Excel's .xlsx are such)", SAVE),
    (b"\x93NUMPY", "an array of NumPy", "write steps and values with `numpy.savetxt`"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", UNPACK),
    (b"\xfd7zXZ", "packed with xz", UNPACK),
    (b"BZh", "packed with bzip2", UNPACK),
    (b"PAR1", "a table in Parquet", SAVE),
    (b"\x89HDF", "a file in HDF5", SAVE),
    (b"SQLite format 3", "a database of SQLite", SAVE),
    (
        b":W&B",
        "the transaction log of a W&B run",
        "export the chart as CSV, or write `run.scan_history()` as JSON lines",
    ),
    (b"\x80\x02", "a pickle of Python", SAVE),
    (b"\x80\x04", "a pickle of Python", SAVE),
    (b"\x89PNG", "a picture", SAVE),
];
const SAVE: &str = "write steps and values as CSV, or as JSON lines";
const UNPACK: &str = "unpack it first, or pack it with gzip";

/// An error that says what a file is, if it is no log.
fn refuse(path: &Path, head: &[u8]) -> Result<(), ProblemError> {
    let error = |what: &str, remedy: &str| Err(ProblemError::of_file(path, what, remedy));
    if let Some((_, what, remedy)) = KINDS.iter().find(|(magic, ..)| head.starts_with(magic)) {
        return error(what, remedy);
    }
    // A record of TensorBoard's event files: length, checksum, then the version as text.
    if head.windows(11).any(|window| window == b"brain.Event") {
        return error(
            "an event file of TensorBoard",
            "download the curve as CSV in TensorBoard, or write it with `EventAccumulator`",
        );
    }
    if head.trim_ascii_start().starts_with(b"<") {
        return error("a page in HTML or XML, and no log", "it may be the page of a log-in: download the log itself");
    }
    if !head.starts_with(GZIP) && wide(head).is_none() && head.contains(&0) {
        return error("holds bytes that are no text", SAVE);
    }
    Ok(())
}

/// How a unit of UTF-16 is made of two bytes.
type Unit = fn([u8; 2]) -> u16;

/// Whether a text is in UTF-16: by its mark, or, since names and numbers are ASCII, by every other byte being zero. Returns the length
/// of the mark as well.
fn wide(bytes: &[u8]) -> Option<(usize, Unit)> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] => return None,
        [0xff, 0xfe, ..] => return Some((2, u16::from_le_bytes)),
        [0xfe, 0xff, ..] => return Some((2, u16::from_be_bytes)),
        _ => {}
    }
    let pairs = bytes[..bytes.len().min(256)].chunks_exact(2);
    let n = pairs.len();
    let zeros = |place: usize| pairs.clone().filter(|pair| pair[place] == 0).count();
    // Most, since a name may hold other letters.
    match (zeros(0), zeros(1)) {
        (0, high) if 2 * high > n => Some((0, u16::from_le_bytes)),
        (high, 0) if 2 * high > n => Some((0, u16::from_be_bytes)),
        _ => None,
    }
}
