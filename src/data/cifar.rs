//! The binary version of CIFAR-10.

use std::io::Read;
use std::path::Path;

use super::directory::find;
use super::stored::{Stored, mistaken};
use super::{DataError, Images, Part};

const CHANNELS: usize = 3;
const SIDE: usize = 32;
const N_CLASSES: u8 = 10;
/// A label, and three planes of pixels.
const RECORD: usize = 1 + CHANNELS * SIDE * SIDE;
/// CIFAR-100 has two labels in a record.
const RECORD_OF_100: usize = RECORD + 1;

/// Colour images of 3 x 32 x 32 bytes and their labels 0..=9 from files of the binary version of CIFAR-10, in this
/// order, each plain or gzipped (told apart by their first bytes).
///
/// A file is a sequence of records of 3,073 bytes and nothing else: the label, then the planes of red, green and blue,
/// each row by row from the top left. The published files have 10,000 records, but any number from 1 is read, so a file
/// that was cut off exactly between two records is not noticed: look at [`Images::len`].
///
/// Cost: one pass over the files, and for a moment the memory for the largest of them twice.
///
/// ```no_run
/// let images = ratecheck::data::cifar10(&["data_batch_1.bin", "data_batch_2.bin"])?;
/// assert_eq!((images.len(), images.channels(), images.height(), images.width()), (20_000, 3, 32, 32));
/// # Ok::<(), ratecheck::data::DataError>(())
/// ```
///
/// # Errors
/// [`DataError::Shape`] when `files` is empty, [`DataError::Unreadable`] when a file cannot be opened, and
/// [`DataError::Format`] with file, record (counted from 0), byte and remedy when a file is empty or ends within a
/// record, a label is above 9, or the gzip stream is damaged.
pub fn cifar10<P: AsRef<Path>>(files: &[P]) -> Result<Images, DataError> {
    within(files, u64::MAX)
}

fn within<P: AsRef<Path>>(files: &[P], most: u64) -> Result<Images, DataError> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for path in files {
        // What the files before have taken, and this one for a moment twice.
        let room = most.saturating_sub(pixels.len() as u64) / 2;
        decode(Stored::open(path.as_ref(), room)?, &mut pixels, &mut labels)?;
    }
    Images::new(CHANNELS, SIDE, SIDE, pixels, labels)
}

/// The training set, `data_batch_1.bin` to `data_batch_5.bin` in `dir` one after another,
/// or the test set, `test_batch.bin`.
///
/// Each may have `.gz` appended; the plain one is read when both are there.
///
/// ```no_run
/// use ratecheck::data::{ChannelScales, Part, cifar10_directory};
/// let dir = "cifar-10-batches-bin".as_ref();
/// let (train, test) = (cifar10_directory(dir, Part::Train)?, cifar10_directory(dir, Part::Test)?);
/// assert_eq!((train.len(), test.len()), (50_000, 10_000));
/// let data = test.dataset(&ChannelScales::of(&train), None)?;
/// assert_eq!(data.n_features(), 3 * 32 * 32);
/// # Ok::<(), ratecheck::data::DataError>(())
/// ```
///
/// # Errors
/// As [`cifar10`], and [`DataError::Unreadable`] with the names looked for when the directory or a file is not there.
pub fn cifar10_directory(dir: &Path, part: Part) -> Result<Images, DataError> {
    directory_within(dir, part, u64::MAX)
}

pub(super) fn directory_within(dir: &Path, part: Part, most: u64) -> Result<Images, DataError> {
    let origin = "unpack the binary version of CIFAR-10 and give its directory cifar-10-batches-bin";
    within(&find(dir, names(part), origin)?, most)
}

/// The names under which the files of a half are published.
pub(super) fn names(part: Part) -> &'static [&'static str] {
    match part {
        Part::Train => {
            &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"]
        }
        Part::Test => &["test_batch.bin"],
    }
}

/// Appends the images of one file.
fn decode(mut file: Stored<impl Read>, pixels: &mut Vec<u8>, labels: &mut Vec<u8>) -> Result<(), DataError> {
    let bytes = file.rest()?;
    let n = bytes.len();
    if let Some(reason) = mistaken(&bytes) {
        return Err(file.fault(0, reason.to_owned()));
    }
    let (records, rest) = bytes.as_chunks::<RECORD>();
    if n == 0 || !rest.is_empty() {
        let reason = if n == 0 {
            format!("the file is empty, where records of {RECORD} bytes are expected; fetch it again")
        } else if n.is_multiple_of(RECORD_OF_100) {
            format!(
                "the file has {n} bytes, which are whole records of {RECORD_OF_100} bytes, as CIFAR-100 has them, and \
                 none of {RECORD}; only CIFAR-10 is read"
            )
        } else {
            format!(
                "the file ends after {} of the {RECORD} bytes of record {}: it is cut off, something is appended to \
                 it, or it is not of the binary version of CIFAR-10, whose files have 10000 records, {} bytes; fetch \
                 it again",
                rest.len(),
                records.len(),
                10_000 * RECORD
            )
        };
        return Err(file.fault(n as u64, reason));
    }
    labels.reserve(records.len());
    pixels.reserve(records.len() * (RECORD - 1));
    for (i, [label, planes @ ..]) in records.iter().enumerate() {
        if *label >= N_CLASSES {
            let place = format!("{}, record {i}, {}", file.name(), file.byte((i * RECORD) as u64));
            let reason = format!(
                "the label is {label}, not 0..={}: the file is damaged, or not of the binary version of CIFAR-10 (that \
                 for Python or Matlab is another format); fetch it again",
                N_CLASSES - 1
            );
            return Err(DataError::Format { place, reason });
        }
        labels.push(*label);
        pixels.extend_from_slice(planes);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::ChannelScales;
    use super::super::stored::testing::{Scratch, gzip};
    use super::*;
    use proptest::prelude::*;

    /// Records with these labels; a pixel tells its label, channel, row and column.
    fn file(labels: &[u8]) -> Vec<u8> {
        let record = |label: u8| std::iter::once(label).chain((0..RECORD - 1).map(move |at| pixel(label, at)));
        labels.iter().flat_map(|label| record(*label)).collect()
    }

    fn pixel(label: u8, at: usize) -> u8 {
        let (c, y, x) = (at / (SIDE * SIDE), at / SIDE % SIDE, at % SIDE);
        (usize::from(label) * 71 + c * 29 + y * 5 + x) as u8
    }

    fn read(bytes: &[u8]) -> Result<Images, DataError> {
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        decode(Stored::new("file".to_owned(), bytes)?, &mut pixels, &mut labels)?;
        Images::new(CHANNELS, SIDE, SIDE, pixels, labels)
    }

    fn error(bytes: &[u8]) -> String {
        read(bytes).expect_err("must be refused").to_string()
    }

    #[test]
    fn what_was_written_is_read_plain_and_gzipped() {
        let bytes = file(&[3, 9, 0]);
        let images = read(&bytes).expect("valid");
        assert_eq!((images.len(), images.labels()), (3, &[3, 9, 0][..]));
        assert_eq!((images.channels(), images.height(), images.width()), (3, 32, 32));
        assert_eq!(images.image(1), &bytes[3073 + 1..2 * 3073]);
        assert_eq!(read(&gzip(&bytes)), Ok(images.clone()));
        // Green, row 7, column 30.
        let scales = ChannelScales::of(&images);
        let data = images.dataset(&scales, None).expect("fits");
        let at = 1024 + 7 * 32 + 30;
        let expected = [3, 9, 0].map(|label| scales.standardised(1, (label * 71 + 29 + 7 * 5 + 30) as u8));
        assert_eq!(data.feature(at), expected);
    }

    #[test]
    fn a_file_that_ends_within_a_record_is_refused() {
        let bytes = file(&[1, 2]);
        assert!(error(&[]).starts_with("file, byte 0: the file is empty, where records of 3073 bytes are expected"));
        for cut in [1, 3072, 3075, 6145] {
            let (whole, rest) = (cut / 3073, cut % 3073);
            let expected = format!(": the file ends after {rest} of the 3073 bytes of record {whole}: it is cut off, ");
            assert!(
                error(&bytes[..cut]).starts_with(&format!("file, byte {cut}{expected}")),
                "{}",
                error(&bytes[..cut])
            );
            assert!(error(&gzip(&bytes[..cut])).starts_with(&format!("file, unpacked byte {cut}{expected}")));
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(error(&longer).starts_with("file, byte 6147: the file ends after 1 of the 3073 bytes of record 2: "));
        assert!(error(&longer).ends_with("whose files have 10000 records, 30730000 bytes; fetch it again"));
        let of_100 = [&bytes[..], &[0; 2]].concat();
        assert!(
            error(&of_100)
                .starts_with("file, byte 6148: the file has 6148 bytes, which are whole records of 3074 bytes")
        );
        let packed = gzip(&bytes);
        assert!(
            error(&packed[..packed.len() - 1]).starts_with("file, unpacked byte 6146: the gzip stream is cut off here")
        );
        assert!(error(&[&packed[..], &[0]].concat()).contains("byte 6146: the gzip stream is complete, but"));
    }

    #[test]
    fn a_label_above_nine_is_refused() {
        let bytes = file(&[9, 10]);
        assert!(
            error(&bytes).starts_with("file, record 1, byte 3073: the label is 10, not 0..=9: the file is damaged, or")
        );
        assert!(error(&gzip(&bytes)).starts_with("file, record 1, unpacked byte 3073: the label is 10"));
    }

    #[test]
    fn a_directory_holds_files_of_the_published_names() {
        let scratch = Scratch::new("cifar");
        for i in [1, 2, 4] {
            scratch.write(&format!("data_batch_{i}.bin"), &file(&[i, 0]));
        }
        let missing = cifar10_directory(&scratch.0, Part::Train).expect_err("two are missing").to_string();
        assert!(
            missing.contains(": the directory has no data_batch_3.bin, data_batch_5.bin (looked for plain, and"),
            "{missing}"
        );
        assert!(missing.ends_with("give its directory cifar-10-batches-bin"), "{missing}");
        scratch.write("data_batch_3.bin.gz", &gzip(&file(&[3])));
        scratch.write("data_batch_5.bin", &file(&[5, 6]));
        scratch.write("test_batch.bin.gz", &gzip(&file(&[8])));
        let train = cifar10_directory(&scratch.0, Part::Train).expect("complete");
        assert_eq!(train.labels(), [1, 0, 2, 0, 3, 4, 0, 5, 6]);
        let test = cifar10_directory(&scratch.0, Part::Test).expect("complete");
        assert_eq!((test.labels(), test.image(0)), (&[8][..], &file(&[8])[1..]));

        let path = scratch.write("test_batch.bin", &file(&[77]));
        let label = cifar10_directory(&scratch.0, Part::Test).expect_err("label").to_string();
        assert!(label.starts_with(&format!("{}, record 0, byte 0: the label is 77", path.display())), "{label}");
        assert!(cifar10::<&Path>(&[]).expect_err("no files").to_string().starts_with("0 images of 3 channels"));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), n in 0..3_usize) {
            let records = file(&[1, 2, 3]);
            let whole = &records[..n * RECORD];
            let padded = [&bytes[..], whole, &vec![0; (RECORD - bytes.len() % RECORD) % RECORD]].concat();
            for bytes in [&bytes[..], &[whole, &bytes[..]].concat(), &padded, &[&[0x1f, 0x8b], &bytes[..]].concat()] {
                let _ = read(bytes);
                let _ = read(&gzip(bytes));
            }
        }
    }
}
