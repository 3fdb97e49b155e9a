//! Files of data sets: opened, unpacked when they are gzipped, and read up to their very end.

use std::fs::File;
use std::io::{self, Chain, Cursor, ErrorKind, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::DataError;

/// The first two bytes of a gzip stream. No IDX file begins with them (it begins with 0), and no file of CIFAR-10 (its
/// first byte is a label 0..=9), so they tell gzipped and plain files apart whatever the files are called.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A file that is read from front to back; bytes are counted after unpacking.
pub(super) struct Stored<R: Read> {
    name: String,
    source: Stream<Chain<Cursor<Vec<u8>>, R>>,
    at: u64,
    most: u64,
}

enum Stream<R: Read> {
    Plain(R),
    /// Several gzip streams one after another are one file, as gzip has it.
    /// `began` says that the first header is whole.
    Gzip {
        decoder: Box<MultiGzDecoder<R>>,
        began: bool,
    },
}

impl Stored<File> {
    /// Opens the file `path`, of which `most` bytes may be taken into memory.
    pub(super) fn open(path: &Path, most: u64) -> Result<Self, DataError> {
        let unreadable = |reason: String| DataError::Unreadable { path: path.to_owned(), reason };
        if path.is_dir() {
            return Err(unreadable("this is a directory where a file is expected; name the file in it".to_owned()));
        }
        let file = File::open(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                unreadable("there is no such file; correct the path, or put the file there".to_owned())
            }
            _ => unreadable(format!("the file cannot be opened ({error}); check its permissions")),
        })?;
        if file.metadata().is_ok_and(|about| is_device(&about)) {
            return Err(unreadable(
                "this is a device, which has no end, where a file is expected; name a file".to_owned(),
            ));
        }
        Ok(Self { most, ..Self::new(path.display().to_string(), file)? })
    }
}

/// Whether it is a device, as `/dev/zero` is. A pipe is none.
#[cfg(unix)]
fn is_device(about: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    about.file_type().is_char_device() || about.file_type().is_block_device()
}

#[cfg(not(unix))]
fn is_device(_: &std::fs::Metadata) -> bool {
    false
}

impl<R: Read> Stored<R> {
    /// A file called `name` in messages, whose bytes come from `source`, all of which may be taken into memory.
    pub(super) fn new(name: String, mut source: R) -> Result<Self, DataError> {
        let mut first = Vec::new();
        if let Err(error) = source.by_ref().take(GZIP.len() as u64).read_to_end(&mut first) {
            let place = format!("{name}, byte {}", first.len());
            return Err(DataError::Format { place, reason: unread(&error) });
        }
        let packed = first == GZIP;
        let whole = Cursor::new(first).chain(source);
        let source = if packed {
            let decoder = Box::new(MultiGzDecoder::new(whole));
            let began = decoder.header().is_some();
            Stream::Gzip { decoder, began }
        } else {
            Stream::Plain(whole)
        };
        Ok(Self { name, source, at: 0, most: u64::MAX })
    }

    /// What the file is called in messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The number of bytes read so far.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// The next `n` bytes, or all that are left when these are fewer.
    ///
    /// Memory grows with the bytes that are really there, so `n` may come from a header that is not to be trusted. If
    /// it is more than may be taken, nothing is.
    pub(super) fn take(&mut self, n: u64) -> Result<Vec<u8>, DataError> {
        if n > self.most - self.at {
            return Err(DataError::TooLarge { place: self.name.clone(), bytes: Some(self.at.saturating_add(n)) });
        }
        self.next(n)
    }

    /// All that is left.
    pub(super) fn rest(&mut self) -> Result<Vec<u8>, DataError> {
        // One byte more than may be taken shows that there are more.
        let room = self.most - self.at;
        let bytes = self.next(room.saturating_add(1))?;
        if bytes.len() as u64 > room {
            return Err(DataError::TooLarge { place: self.name.clone(), bytes: None });
        }
        Ok(bytes)
    }

    fn next(&mut self, n: u64) -> Result<Vec<u8>, DataError> {
        let mut bytes = Vec::new();
        let result = self.source.by_ref().take(n).read_to_end(&mut bytes);
        let begins = self.at == 0;
        self.at += bytes.len() as u64;
        result.map_err(|error| self.fault(self.at, self.source.explain(&error)))?;
        if begins && bytes.starts_with(&GZIP) {
            let reason =
                "the file is gzipped twice: what it unpacks to is a gzip stream again; unpack it once, with gunzip";
            return Err(self.fault(0, reason.to_owned()));
        }
        bytes.shrink_to_fit();
        Ok(bytes)
    }

    /// Reads to the end and drops the bytes, whose number is the result; 0 where the file should end.
    ///
    /// Without this step the check sum of a gzipped file, and what follows it, would not be looked at.
    pub(super) fn n_left(&mut self) -> Result<u64, DataError> {
        let begin = self.at;
        let mut buffer = [0; 4096];
        loop {
            match self.source.read(&mut buffer) {
                Ok(0) => return Ok(self.at - begin),
                Ok(n) => self.at += n as u64,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.fault(self.at, self.source.explain(&error))),
            }
        }
    }

    /// The error that `reason` is wrong at byte `at`.
    pub(super) fn fault(&self, at: u64, reason: String) -> DataError {
        DataError::Format { place: format!("{}, {}", self.name, self.byte(at)), reason }
    }

    /// `byte 16`, or `unpacked byte 16` in a gzipped file, whose own bytes are counted differently.
    pub(super) fn byte(&self, at: u64) -> String {
        match self.source {
            Stream::Plain(_) => format!("byte {at}"),
            Stream::Gzip { .. } => format!("unpacked byte {at}"),
        }
    }
}

impl<R: Read> Stream<R> {
    /// What went wrong in reading, and what to do about it.
    fn explain(&self, error: &io::Error) -> String {
        let Self::Gzip { decoder, began } = self else {
            return unread(error);
        };
        // The decoder has no header exactly while it is looking for one.
        if *began && decoder.header().is_none() {
            return "the gzip stream is complete, but the file goes on with bytes that are no gzip stream; \
                    fetch the file again"
                .to_owned();
        }
        match error.kind() {
            ErrorKind::UnexpectedEof => {
                "the gzip stream is cut off here: the file is not whole; fetch it again".to_owned()
            }
            ErrorKind::InvalidInput | ErrorKind::InvalidData => {
                format!("the gzip stream is damaged ({error}); fetch the file again")
            }
            _ => unread(error),
        }
    }
}

impl<R: Read> Read for Stream<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(reader) => reader.read(buffer),
            Self::Gzip { decoder, .. } => decoder.read(buffer),
        }
    }
}

/// An error of the system rather than of the file's contents.
fn unread(error: &io::Error) -> String {
    format!("the file cannot be read further ({error}); check the disk, or fetch the file again")
}

/// What bytes are, if they are of a kind that is often taken for a data set; and what to do.
pub(super) fn mistaken(bytes: &[u8]) -> Option<&'static str> {
    let starts = |with: &[u8]| bytes.starts_with(with);
    if starts(&[0x80, 2]) || starts(&[0x80, 3]) || starts(&[0x80, 4]) || starts(&[0x80, 5]) {
        Some("this is a Python pickle; the binary version is read, not that for Python")
    } else if starts(b"MATLAB") {
        Some("this is a file of Matlab; the binary version is read, not that for Matlab")
    } else if bytes.get(257..262) == Some(&b"ustar"[..]) {
        Some("this is a tar archive; unpack it, and give the directory of its files")
    } else if starts(b"PK\x03\x04") {
        Some("this is a zip archive, perhaps of NumPy or PyTorch; unpack it, and give the directory of its files")
    } else {
        None
    }
}

/// What the tests of the readers share.
#[cfg(test)]
pub(super) mod testing {
    use std::io::Write;
    use std::path::PathBuf;

    use flate2::{Compression, write::GzEncoder};

    /// `bytes` as a gzip stream.
    pub(in crate::data) fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("memory takes it");
        encoder.finish().expect("memory takes it")
    }

    /// A directory of its own for one test, removed at its end.
    pub(in crate::data) struct Scratch(pub(in crate::data) PathBuf);

    impl Scratch {
        pub(in crate::data) fn new(test: &str) -> Self {
            let path = std::env::temp_dir().join(format!("ratecheck-{test}-{}", std::process::id()));
            std::fs::create_dir_all(&path).expect("writable");
            Self(path)
        }

        pub(in crate::data) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
            let path = self.0.join(name);
            std::fs::write(&path, bytes).expect("writable");
            path
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            // A directory that stays behind is no reason to fail a test.
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{Scratch, gzip};
    use super::*;

    /// All bytes of a file, read as the readers do: those wanted, and then the end.
    fn read(bytes: &[u8], n: u64) -> Result<(Vec<u8>, u64), String> {
        let all = |mut file: Stored<_>| Ok((if n == u64::MAX { file.rest()? } else { file.take(n)? }, file.n_left()?));
        Stored::new("file".to_owned(), bytes).and_then(all).map_err(|error: DataError| error.to_string())
    }

    #[test]
    fn plain_and_gzipped_bytes_are_the_same() {
        let bytes: Vec<u8> = (0..100_000_u64).map(|i| (i * i / 128) as u8).collect();
        assert_eq!(read(&bytes, 1000), Ok((bytes[..1000].to_vec(), 99_000)));
        assert_eq!(read(&gzip(&bytes), 1000), Ok((bytes[..1000].to_vec(), 99_000)));
        let parts = [gzip(&bytes[..777]), gzip(&bytes[777..])].concat();
        assert_eq!(read(&parts, u64::MAX), Ok((bytes, 0)));
        for short in [&[][..], &[7], &[0x1f]] {
            assert_eq!(read(short, u64::MAX), Ok((short.to_vec(), 0)));
        }
    }

    #[test]
    fn every_cut_and_every_addition_is_noticed() {
        let bytes: Vec<u8> = (0..300_u64).map(|i| (i * i / 8) as u8).collect();
        let packed = gzip(&bytes);
        for cut in 2..packed.len() {
            let error = read(&packed[..cut], 300).expect_err("cut off");
            assert!(error.starts_with("file, unpacked byte ") && error.contains("is cut off here"), "{cut}: {error}");
        }
        for extra in [&[0][..], &[0; 512], b"rubbish", &[0x1f, 0x8b]] {
            let error = read(&[&packed, extra].concat(), 300).expect_err("more than a stream");
            assert!(error.starts_with("file, unpacked byte 300: the gzip stream is complete, but "), "{error}");
        }
    }

    #[test]
    fn every_bit_that_matters_is_protected() {
        let bytes: Vec<u8> = (0..300_u64).map(|i| (i * i / 8) as u8).collect();
        let packed = gzip(&bytes);
        let mut n_unnoticed = 0;
        // The header's ten bytes hold a time and a system besides, which nothing protects.
        for (at, bit) in (2..3).chain(10..packed.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut damaged = packed.clone();
            damaged[at] ^= 1 << bit;
            match read(&damaged, 300) {
                Ok(read) => {
                    assert_eq!(read, (bytes.clone(), 0), "byte {at}, bit {bit}");
                    n_unnoticed += 1;
                }
                Err(error) => assert!(error.starts_with("file, unpacked byte "), "byte {at}, bit {bit}: {error}"),
            }
        }
        // One block of data is filled up once to a whole byte, with bits that mean nothing.
        assert!(n_unnoticed < 8, "{n_unnoticed} bits");
        let mut damaged = packed.clone();
        damaged[packed.len() - 6] ^= 1;
        let error = read(&damaged, 300).expect_err("damaged");
        assert!(error.starts_with("file, unpacked byte 300: the gzip stream is damaged (corrupt gzip"), "{error}");
    }

    #[test]
    fn a_source_that_fails_says_where() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("bad sector"))
            }
        }
        let error = Stored::new("file".to_owned(), Failing).err().map(|error| error.to_string());
        let expected =
            "file, byte 0: the file cannot be read further (bad sector); check the disk, or fetch the file again";
        assert_eq!(error.as_deref(), Some(expected));
        let error = Stored::new("file".to_owned(), (&[1, 2, 3][..]).chain(Failing)).and_then(|mut file| file.take(9));
        assert!(error.expect_err("fails").to_string().starts_with("file, byte 3: the file cannot be read further"));
    }

    #[test]
    fn no_more_is_taken_than_is_allowed() {
        let bytes = vec![0; 1 << 20];
        let scratch = Scratch::new("stored");
        for (name, content) in [("plain", bytes.clone()), ("packed.gz", gzip(&bytes))] {
            let path = scratch.write(name, &content);
            let open = |most| Stored::open(&path, most).expect("there");
            assert_eq!(open(1 << 20).take(1 << 20).map(|read| read.len()), Ok(1 << 20));
            assert_eq!(open(1 << 20).rest().map(|read| read.len()), Ok(1 << 20));
            let place = path.display().to_string();
            let known = DataError::TooLarge { place: place.clone(), bytes: Some(1 << 40) };
            assert_eq!(open(1 << 20).take(1 << 40), Err(known));
            assert_eq!(open((1 << 20) - 1).rest(), Err(DataError::TooLarge { place, bytes: None }));
        }
        #[cfg(target_os = "linux")]
        {
            let error = Stored::open("/dev/zero".as_ref(), u64::MAX).err().map(|error| error.to_string());
            assert!(error.is_some_and(|error| error.starts_with("/dev/zero: this is a device")));
        }
    }

    #[test]
    fn what_is_gzipped_twice_is_named() {
        let error = read(&gzip(&gzip(b"bytes")), u64::MAX).expect_err("refused");
        assert!(error.starts_with("file, unpacked byte 0: the file is gzipped twice"), "{error}");
    }

    #[test]
    fn what_is_no_file_is_said() {
        let scratch = Scratch::new("opened");
        let error = |path: &Path| Stored::open(path, u64::MAX).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error(&scratch.0).ends_with(": this is a directory where a file is expected; name the file in it"));
        assert!(error(&scratch.0.join("none")).contains("/none: there is no such file; correct the path"));
    }
}
