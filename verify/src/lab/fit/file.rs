//! The text of a log: read within a budget, unpacked and decoded; or what the file is instead of one.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::lab::budget;
use crate::lab::problem::ProblemError;
use crate::text::plain::quote;

/// Bytes of text that all logs of one fit may have together, unpacked: some twenty million rows.
const MOST: u64 = 512 << 20;

/// Bytes of memory that a byte of text may take. Measured: 6 in tables, up to 10 where rows are short and runs many, 14
/// in documents of JSON.
const OF_TEXT: u64 = 16;

/// As much text as is read, and as the budget of memory holds.
pub(super) fn most() -> u64 {
    MOST.min(budget::allowed() / OF_TEXT)
}

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
        let most = most();
        let what = format!("more than {} of text in all logs together, unpacked", budget::shown(most.into()));
        let mut remedy = "thin the log (steps evenly spaced in ln t lose nothing of a rate), or take out the columns \
                          that are not fitted"
            .to_owned();
        if most < MOST {
            remedy +=
                &format!(", or allow more memory: {}={}", budget::VARIABLE, budget::enough((OF_TEXT * MOST).into()));
        }
        return Err(ProblemError::of_file(path, what, remedy));
    }
    Ok(bytes)
}

/// Kinds of files that are known by their first bytes, what they are, and what to do.
const KINDS: [(&[u8], &str, &str); 20] = [
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
    (b"\x80\x03", "a pickle of Python", SAVE),
    (b"\x80\x04", "a pickle of Python", SAVE),
    (b"\x80\x05", "a pickle of Python", SAVE),
    (b"MATLAB 5.0", "a file of Matlab", SAVE),
    (b"ARROW1", "a table in Arrow's format", SAVE),
    (b"\xd0\xcf\x11\xe0", "a workbook of Excel before 2007", SAVE),
    (b"\xff\xfe\0\0", "text in UTF-32", "write it in UTF-8"),
    (b"\0\0\xfe\xff", "text in UTF-32", "write it in UTF-8"),
    (b"version https://git-lfs", "a pointer of Git LFS instead of the file", "fetch the file: git lfs pull"),
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

/// Whether a text is in UTF-16: by its mark, or, since names and numbers are ASCII, by every other byte being zero.
/// Returns the length of the mark as well.
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn text(bytes: Vec<u8>, left: u64) -> Result<String, String> {
        decode(Path::new("log"), bytes, left).map(|text| text.text).map_err(|error| error.to_string())
    }

    #[test]
    fn archives_are_unpacked_within_the_budget() {
        let plain = b"step,y\n1,1\n".repeat(1000);
        let left = plain.len() as u64;
        let expected = Ok(String::from_utf8(plain.clone()).expect("ASCII"));
        let (head, tail) = plain.split_at(5000);
        for bytes in [packed(&plain), [packed(head), packed(tail)].concat(), packed(&packed(&plain))] {
            assert_eq!(text(bytes.clone(), left), expected);
            let error = text(bytes, left - 1).expect_err("too large");
            assert!(error.contains("of text in all logs together") && error.contains("thin"), "{error}");
        }
        let error = text(packed(&packed(&packed(&plain))), left).expect_err("thrice");
        assert!(error.contains("more than 2 times"), "{error}");
        let mut cut_off = packed(&plain);
        cut_off.truncate(cut_off.len() / 2);
        let error = text(cut_off, left).expect_err("cut off");
        assert!(error.contains("unpacked") && error.contains("copy it again"), "{error}");
    }

    #[test]
    fn encodings_are_told_apart() {
        let log = "step,Größe\n1,2\n";
        let units = |unit: fn(u16) -> [u8; 2]| log.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
        for bytes in [
            log.as_bytes().to_vec(),
            [b"\xef\xbb\xbf", log.as_bytes()].concat(),
            units(u16::to_le_bytes),
            units(u16::to_be_bytes),
            [b"\xff\xfe".to_vec(), units(u16::to_le_bytes)].concat(),
            [b"\xfe\xff".to_vec(), units(u16::to_be_bytes)].concat(),
            packed(&units(u16::to_le_bytes)),
        ] {
            assert_eq!(text(bytes.clone(), 1000).as_deref(), Ok(log), "{bytes:?}");
        }
        let latin: Vec<u8> = log.chars().map(|c| c as u8).collect();
        let read = decode(Path::new("log"), latin, 1000).expect("text");
        assert!(read.text == log && read.note.is_some_and(|note| note.contains("Latin-1")));
    }

    #[test]
    fn other_kinds_of_files_are_named() {
        let event = b"\x18\0\0\0\0\0\0\0\xa3\x7f\x4b\x22\x09\0\0\xc0\xeb\x2e\x63\xd9\x41\x1a\x0dbrain.Event:2";
        for (bytes, part) in [
            (&event[..], "event file of TensorBoard"),
            (b"PK\x03\x04rest", "zip"),
            (b"\x93NUMPY\x01\0", "NumPy"),
            (b"SQLite format 3\0", "SQLite"),
            (b"<!DOCTYPE html>", "HTML"),
            (&[0; 5000], "no text"),
            (b"\xff\xfe\0\0s\0\0\0", "UTF-32"),
            (b"\x80\x05\x95\x10\0", "pickle"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "git lfs pull"),
            (b":W&B\xe1\xbe", "W&B"),
        ] {
            for bytes in [bytes.to_vec(), packed(bytes)] {
                let error = text(bytes, 1 << 20).expect_err(part);
                assert!(error.contains(part), "{error}");
            }
        }
        let error = read(Path::new("."), 10).expect_err("a directory").to_string();
        assert!(error.contains("cannot be read"), "{error}");
    }

    #[test]
    fn lines_end_as_they_do_anywhere() {
        for log in ["a\nb\nc", "a\r\nb\r\nc", "a\rb\rc"] {
            let text = Text { path: "log".into(), text: log.to_owned(), note: None };
            assert_eq!(["a", "b", "c"].map(|c| text.line(log.find(c).unwrap_or(0))), [1, 2, 3], "{log:?}");
        }
    }
}
