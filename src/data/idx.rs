//! Images and labels in IDX files, the format of MNIST.

use std::io::Read;
use std::path::Path;

use super::directory::find;
use super::stored::{Stored, mistaken};
use super::{DataError, Images, Part};

/// Of a magic number 0x000008DD: values are unsigned bytes, and there are DD dimensions.
const UNSIGNED_BYTES: u32 = 0x0800;

/// Grey images and their labels from a pair of IDX files, plain or gzipped (told apart by their first bytes).
///
/// This is the format of MNIST, Fashion-MNIST, KMNIST, EMNIST and others. Integers are big-endian:
///
/// | file | magic number | sizes | then |
/// |---|---|---|---|
/// | images | 0x00000803 | number n, height H, width W (4 bytes each) | n H W bytes, image by image, row by row |
/// | labels | 0x00000801 | number n (4 bytes) | n bytes |
///
/// A label may be any byte. Cost: one pass over the files; memory grows with the bytes really there, whatever the sizes
/// in a header are.
///
/// ```no_run
/// use ratecheck::data::{ChannelScales, idx};
/// let images = idx("train-images-idx3-ubyte.gz".as_ref(), "train-labels-idx1-ubyte.gz".as_ref())?;
/// let data = images.dataset(&ChannelScales::of(&images), None)?;
/// # Ok::<(), ratecheck::data::DataError>(())
/// ```
///
/// # Errors
/// [`DataError::Unreadable`] when a file cannot be opened. [`DataError::Format`] with file, byte and remedy when a
/// magic number is another, a size is zero, the sizes do not fit the length of the file (it is cut off, or goes on),
/// the gzip stream is damaged, or the numbers of images and labels differ.
pub fn idx(images: &Path, labels: &Path) -> Result<Images, DataError> {
    idx_within(images, labels, u64::MAX)
}

/// [`idx`], with at most `most_bytes` bytes taken into memory.
///
/// # Errors
/// As [`idx`], and [`DataError::TooLarge`], before they are read, when a header speaks of more bytes.
pub fn idx_within(images: &Path, labels: &Path, most_bytes: u64) -> Result<Images, DataError> {
    // Both are opened first: a wrong name is seen before anything is read.
    let (images, labels) = (Stored::open(images, most_bytes)?, Stored::open(labels, most_bytes)?);
    decode(images, labels)
}

/// The training or the test set of the IDX files in `dir` that have the names MNIST gave them.
///
/// These are `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`, or `t10k-images-idx3-ubyte` and
/// `t10k-labels-idx1-ubyte`, each plain or with `.gz` appended; the plain one is read when both are there.
///
/// ```no_run
/// use ratecheck::data::{ChannelScales, Part, idx_directory};
/// // Where Debian's package `dataset-fashion-mnist` puts Fashion-MNIST.
/// let dir = "/usr/share/datasets/fashion-mnist".as_ref();
/// let (train, test) = (idx_directory(dir, Part::Train)?, idx_directory(dir, Part::Test)?);
/// assert_eq!((train.len(), test.len()), (60_000, 10_000));
/// // The test set is shifted and scaled as the training set is. 28x28 becomes 32x32.
/// let scales = ChannelScales::of(&train);
/// let data = test.select(&[0, 1, 2, 3]).dataset(&scales, Some(32))?;
/// assert_eq!((data.n_examples(), data.n_features()), (4, 1024));
/// # Ok::<(), ratecheck::data::DataError>(())
/// ```
///
/// # Errors
/// As [`idx`], and [`DataError::Unreadable`] with the names looked for when the directory or a file is not there.
pub fn idx_directory(dir: &Path, part: Part) -> Result<Images, DataError> {
    directory_within(dir, part, u64::MAX)
}

pub(super) fn directory_within(dir: &Path, part: Part, most: u64) -> Result<Images, DataError> {
    let origin = "put the files there under the names they are published with, or name them one by one";
    let files = find(dir, names(part), origin)?;
    idx_within(&files[0], &files[1], most)
}

/// The names under which the files of a half are published.
pub(super) fn names(part: Part) -> &'static [&'static str] {
    match part {
        Part::Train => &["train-images-idx3-ubyte", "train-labels-idx1-ubyte"],
        Part::Test => &["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"],
    }
}

fn decode(images: Stored<impl Read>, labels: Stored<impl Read>) -> Result<Images, DataError> {
    let (images_file, labels_file) = (images.name().to_owned(), labels.name().to_owned());
    let ([n_images, height, width], pixels) = bytes(images)?;
    let ([n_labels], labels) = bytes(labels)?;
    if n_images != n_labels {
        let reason = format!(
            "{n_labels} labels, but {n_images} images in {images_file}; \
             take both files from the same set and the same part of it (train or t10k)"
        );
        return Err(DataError::Format { place: format!("{labels_file}, byte 4"), reason });
    }
    Images::new(1, height, width, pixels, labels)
}

/// The sizes and the bytes of an IDX file of D dimensions.
fn bytes<const D: usize>(mut file: Stored<impl Read>) -> Result<([usize; D], Vec<u8>), DataError> {
    let n_header = 4 + 4 * D as u64;
    let header = file.take(n_header)?;
    let mut words =
        header.chunks_exact(4).map(|word| word.iter().fold(0, |word: u32, byte| word << 8 | u32::from(*byte)));
    let expected = UNSIGNED_BYTES + D as u32;
    if let Some(reason) = mistaken(&header) {
        return Err(file.fault(0, reason.to_owned()));
    }
    if let Some(magic) = words.next().filter(|magic| *magic != expected) {
        let what = wrong_magic(magic, expected);
        return Err(file.fault(0, format!("the magic number is 0x{magic:08x}, not 0x{expected:08x}: {what}")));
    }
    if file.at() < n_header {
        let n = file.at();
        return Err(
            file.fault(n, format!("the file ends after {n} of the {n_header} bytes of its header; fetch it again"))
        );
    }
    let mut sizes = [0; D];
    sizes.iter_mut().zip(words).for_each(|(size, word)| *size = u64::from(word));
    let what = match sizes[..] {
        [n, height, width] => format!("{n} images of {height}x{width} pixels"),
        _ => format!("{} labels", sizes[0]),
    };
    if sizes.contains(&0) {
        return Err(
            file.fault(4, format!("{what}, where at least one of each is needed; the file is empty or damaged"))
        );
    }
    let whole = sizes.iter().try_fold(1, |product: u64, size| product.checked_mul(*size));
    let Some(n_file) = whole.and_then(|whole| whole.checked_add(n_header)) else {
        return Err(
            file.fault(4, format!("{what} are more than any file holds: the header is damaged; fetch the file again"))
        );
    };
    let bytes = file.take(n_file - n_header)?;
    if file.at() < n_file {
        let n = file.at();
        return Err(file.fault(
            n,
            format!(
                "the file ends after {n} of {n_file} bytes, which {what} and the header take; fetch the file again"
            ),
        ));
    }
    let n_left = file.n_left()?;
    if n_left > 0 {
        let reason = format!(
            "{n_left} bytes follow the {n_file} bytes that {what} and the header take: \
             another file is appended, or the sizes in the header are wrong; fetch the file again"
        );
        return Err(file.fault(n_file, reason));
    }
    // Their product is the length of `bytes`.
    Ok((sizes.map(|size| size as usize), bytes))
}

/// What a file with this magic number is instead, and what to do.
fn wrong_magic(magic: u32, expected: u32) -> String {
    const LABELS: u32 = UNSIGNED_BYTES + 1;
    const IMAGES: u32 = UNSIGNED_BYTES + 3;
    let [first, second, kind, n_dimensions] = magic.to_be_bytes();
    match magic {
        LABELS => {
            "this is a file of labels where images are expected; give the images first and then the labels".to_owned()
        }
        IMAGES => {
            "this is a file of images where labels are expected; give the images first and then the labels".to_owned()
        }
        _ if magic.swap_bytes() == expected => {
            "the bytes of every integer are in the wrong order; write them with the highest first".to_owned()
        }
        _ if first == 0 && second == 0 && matches!(kind, 0x08..=0x0e) => format!(
            "this is an IDX file with values of type 0x{kind:02x} and {n_dimensions} dimensions; \
             only unsigned bytes (0x08) in 1 dimension (labels) or 3 (grey images) are read"
        ),
        _ if magic.to_be_bytes().iter().all(|byte| matches!(byte, b' '..=b'~')) => format!(
            "this file begins with the text `{}`, perhaps a page or an archive that was saved in its place; fetch it \
             again",
            magic.to_be_bytes().map(char::from).iter().collect::<String>()
        ),
        _ => "this is no IDX file, or a damaged one; fetch it again".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ChannelScales;
    use super::super::stored::testing::{Scratch, gzip};
    use super::*;
    use proptest::prelude::*;

    /// An IDX file of unsigned bytes.
    fn file(sizes: &[u32], bytes: &[u8]) -> Vec<u8> {
        let magic = 0x0800 + sizes.len() as u32;
        let header = std::iter::once(&magic).chain(sizes).flat_map(|word| word.to_be_bytes());
        header.chain(bytes.iter().copied()).collect()
    }

    /// Two images of 2 x 3 pixels, and their labels.
    fn pair() -> [Vec<u8>; 2] {
        [file(&[2, 2, 3], &[0, 1, 2, 3, 4, 5, 250, 251, 252, 253, 254, 255]), file(&[2], &[7, 200])]
    }

    fn read(images: &[u8], labels: &[u8]) -> Result<Images, DataError> {
        decode(Stored::new("images".to_owned(), images)?, Stored::new("labels".to_owned(), labels)?)
    }

    fn error(images: &[u8], labels: &[u8]) -> String {
        read(images, labels).expect_err("must be refused").to_string()
    }

    #[test]
    fn what_was_written_is_read_plain_and_gzipped() {
        let [images, labels] = pair();
        let read_plain = read(&images, &labels).expect("valid");
        assert_eq!((read_plain.channels(), read_plain.height(), read_plain.width()), (1, 2, 3));
        assert_eq!((read_plain.pixels(), read_plain.labels()), (&images[16..], &[7, 200][..]));
        assert_eq!(read(&gzip(&images), &labels), Ok(read_plain.clone()));
        assert_eq!(read(&images, &gzip(&labels)), Ok(read_plain.clone()));
        // Row 1, column 0 is the fourth feature.
        let data = read_plain.dataset(&ChannelScales::of(&read_plain), None).expect("fits");
        let scales = ChannelScales::of(&read_plain);
        assert_eq!(data.feature(3), [scales.standardised(0, 3), scales.standardised(0, 253)]);
    }

    #[test]
    fn a_wrong_magic_number_says_what_the_file_is() {
        let [images, labels] = pair();
        let begin = "the magic number is";
        assert_eq!(
            error(&labels, &images),
            format!(
                "images, byte 0: {begin} 0x00000801, not 0x00000803: this is a file of labels where images are \
                 expected; give the images first and then the labels"
            )
        );
        let of_images = "this is a file of images where labels are expected";
        assert!(
            error(&images, &gzip(&images))
                .starts_with(&format!("labels, unpacked byte 0: {begin} 0x00000803, not 0x00000801: {of_images}"))
        );
        let of = |first: [u8; 4]| error(&[&first, &images[4..]].concat(), &labels);
        assert!(
            of([3, 8, 0, 0]).contains("0x03080000, not 0x00000803: the bytes of every integer are in the wrong order")
        );
        assert!(
            of([0, 0, 13, 3]).contains("an IDX file with values of type 0x0d and 3 dimensions; only unsigned bytes")
        );
        assert!(of([0, 0, 8, 4]).contains("type 0x08 and 4 dimensions"));
        assert!(of(*b"<!DO").contains("begins with the text `<!DO`, perhaps a page"));
        assert!(of([9, 8, 7, 6]).contains("0x09080706, not 0x00000803: this is no IDX file"));
    }

    #[test]
    fn every_cut_and_every_addition_is_an_error_with_its_place() {
        let [images, labels] = pair();
        for cut in 0..images.len() {
            let begin = format!("images, byte {cut}: the file ends after {cut} of ");
            let end = match cut {
                0..16 => "the 16 bytes of its header; fetch it again",
                _ => "28 bytes, which 2 images of 2x3 pixels and the header take; fetch the file again",
            };
            assert_eq!(error(&images[..cut], &labels), begin.clone() + end);
            assert_eq!(error(&gzip(&images[..cut]), &labels), begin.replace(", byte", ", unpacked byte") + end);
        }
        assert!(
            error(&images, &labels[..9])
                .starts_with("labels, byte 9: the file ends after 9 of 10 bytes, which 2 labels")
        );
        let longer = [&images[..], &[0; 5000]].concat();
        let expected = ": 5000 bytes follow the 28 bytes that 2 images of 2x3 pixels and the header take: another file";
        assert!(error(&longer, &labels).starts_with(&format!("images, byte 28{expected}")));
        assert!(error(&gzip(&longer), &labels).starts_with(&format!("images, unpacked byte 28{expected}")));
        let packed = gzip(&images);
        assert!(error(&packed[..packed.len() - 1], &labels).contains("byte 28: the gzip stream is cut off here"));
        assert!(error(&[&packed[..], &[0]].concat(), &labels).contains("byte 28: the gzip stream is complete, but"));
    }

    #[test]
    fn sizes_that_cannot_be_are_refused_without_the_memory_for_them() {
        let [images, labels] = pair();
        let empty = "images, byte 4: 0 images of 2x3 pixels, where at least one of each is needed";
        assert!(error(&file(&[0, 2, 3], &[]), &labels).starts_with(empty));
        assert!(error(&file(&[2, 2, 0], &[]), &labels).contains("2 images of 2x0 pixels, where at least one"));
        assert!(error(&images, &file(&[0], &[])).starts_with("labels, byte 4: 0 labels, where"));
        let most = u32::MAX;
        let overflow = format!("images, byte 4: {most} images of {most}x{most} pixels are more than any file holds");
        assert!(error(&file(&[most; 3], &[1, 2]), &labels).starts_with(&overflow));
        // 2^63 bytes: no overflow, and no memory either.
        let large = error(&file(&[1 << 31, 1 << 31, 2], &[1, 2]), &labels);
        assert!(
            large.starts_with("images, byte 18: the file ends after 18 of 9223372036854775824 bytes, which "),
            "{large}"
        );
        let expected = "labels, byte 4: 1 labels, but 2 images in images; \
                        take both files from the same set and the same part of it (train or t10k)";
        assert_eq!(error(&images, &file(&[1], &[5])), expected);
    }

    #[test]
    fn a_directory_holds_files_of_the_published_names() {
        let [images, labels] = pair();
        let scratch = Scratch::new("idx");
        scratch.write("train-images-idx3-ubyte.gz", &gzip(&images));
        let missing = idx_directory(&scratch.0, Part::Train).expect_err("no labels").to_string();
        assert!(
            missing.contains(": the directory has no train-labels-idx1-ubyte (looked for plain, and gzipped"),
            "{missing}"
        );
        let missing = idx_directory(&scratch.0, Part::Test).expect_err("no test set").to_string();
        assert!(missing.contains("has no t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte (looked for"), "{missing}");

        let path = scratch.write("train-labels-idx1-ubyte", &labels);
        assert_eq!(idx_directory(&scratch.0, Part::Train), read(&images, &labels));
        scratch.write("train-labels-idx1-ubyte", &labels[..9]);
        let cut = idx_directory(&scratch.0, Part::Train).expect_err("cut off").to_string();
        assert!(cut.starts_with(&format!("{}, byte 9: the file ends after 9 of 10 bytes", path.display())), "{cut}");
    }

    #[test]
    fn fashion_mnist_is_read_where_it_is_installed() {
        // From Debian's package `dataset-fashion-mnist`, which the tests do not depend on.
        let dir = Path::new("/usr/share/datasets/fashion-mnist");
        if !dir.exists() {
            return;
        }
        for (part, n) in [(Part::Train, 60_000), (Part::Test, 10_000)] {
            let images = idx_directory(dir, part).expect("the published files");
            assert_eq!((images.len(), images.channels(), images.height(), images.width()), (n, 1, 28, 28));
            let count = |class: u8| images.labels().iter().filter(|label| **label == class).count();
            assert_eq!((0..10).map(count).collect::<Vec<_>>(), [n / 10; 10]);
            if part == Part::Train {
                // The figures that are commonly used to standardise it, to their four digits.
                let scales = ChannelScales::of(&images);
                assert_eq!(format!("{:.4}", scales.mean(0) / 255.0), "0.2860");
                assert_eq!(format!("{:.4}", scales.deviation(0) / 255.0), "0.3530");
            }
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..64),
            sizes in prop::array::uniform3(prop_oneof![0..4_u32, any::<u32>()]),
        ) {
            let [images, labels] = pair();
            let gzipped = gzip(&images);
            for bytes in [&bytes[..], &file(&sizes, &bytes), &[&[0x1f, 0x8b], &bytes[..]].concat(), &gzip(&bytes)] {
                let _ = read(bytes, &labels);
                let _ = read(&images, bytes);
                // Arbitrary bytes over the end of a good stream.
                let kept = gzipped.len().saturating_sub(bytes.len());
                let _ = read(&[&gzipped[..kept], bytes].concat(), &labels);
            }
        }
    }
}
