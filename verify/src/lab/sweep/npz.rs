//! Arrays for NumPy: the `.npy` format 1.0 (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>),
//! several of them in an uncompressed zip archive. The same arrays give the same bytes: entries carry no time.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// The entries of an array, in C order.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    /// `<f8`.
    Reals(Vec<f64>),
    /// `<i8`.
    Integers(Vec<i64>),
    /// `<u8`.
    Naturals(Vec<u64>),
    /// `<U` and the length of the longest.
    Texts(Vec<String>),
}

/// An array with its name.
#[derive(Clone, Debug)]
pub(crate) struct Array {
    pub(crate) name: &'static str,
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Data,
}

impl Data {
    /// The type as NumPy writes it.
    pub(crate) fn dtype(&self) -> String {
        match self {
            Self::Reals(_) => "<f8".to_owned(),
            Self::Integers(_) => "<i8".to_owned(),
            Self::Naturals(_) => "<u8".to_owned(),
            Self::Texts(texts) => format!("<U{}", longest(texts)),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Reals(all) => all.iter().flat_map(|x| x.to_bits().to_le_bytes()).collect(),
            Self::Integers(all) => all.iter().flat_map(|n| n.to_le_bytes()).collect(),
            Self::Naturals(all) => all.iter().flat_map(|n| n.to_le_bytes()).collect(),
            Self::Texts(all) => {
                let n = longest(all);
                let padded =
                    |text: &String| text.chars().map(u32::from).chain(std::iter::repeat(0)).take(n).collect::<Vec<_>>();
                all.iter().flat_map(padded).flat_map(u32::to_le_bytes).collect()
            }
        }
    }
}

/// NumPy has no strings of length 0.
fn longest(texts: &[String]) -> usize {
    texts.iter().map(|text| text.chars().count()).max().unwrap_or(0).max(1)
}

/// One `.npy` file.
fn npy(array: &Array) -> Vec<u8> {
    let shape: Vec<String> = array.shape.iter().map(usize::to_string).collect();
    // A tuple of one needs its comma.
    let shape = if let [one] = &shape[..] { format!("({one},)") } else { format!("({})", shape.join(", ")) };
    let mut header = format!("{{'descr': '{}', 'fortran_order': False, 'shape': {shape}, }}", array.data.dtype());
    // Magic, version and length take ten bytes; with them and the line's end it is a multiple of 64.
    let padding = (64 - (10 + header.len() + 1) % 64) % 64;
    header.extend(std::iter::repeat_n(' ', padding));
    header.push('\n');
    let length = u16::try_from(header.len()).unwrap_or(u16::MAX); // a hundred bytes: shapes have three entries at most
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(length.to_le_bytes());
    bytes.extend(header.into_bytes());
    bytes.extend(array.data.bytes());
    bytes
}

/// The archive.
pub(crate) fn npz(arrays: &[Array]) -> zip::result::ZipResult<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for array in arrays {
        let content = npy(array);
        let large = u32::try_from(content.len()).is_err();
        // The default time is 1980-01-01, the first that the format knows.
        let options = SimpleFileOptions::DEFAULT.compression_method(CompressionMethod::Stored).large_file(large);
        archive.start_file(format!("{}.npy", array.name), options)?;
        archive.write_all(&content)?;
    }
    Ok(archive.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_as_numpy_writes_it() {
        // python3 -c "import numpy, io; f = io.BytesIO(); numpy.save(f, numpy.array([1, -2])); print(f.getvalue())"
        let expected = b"\x93NUMPY\x01\x00v\x00{'descr': '<i8', 'fortran_order': False, 'shape': (2,), \
                        }                                                            \n\
                        \x01\x00\x00\x00\x00\x00\x00\x00\xfe\xff\xff\xff\xff\xff\xff\xff";
        let array = Array { name: "x", shape: vec![2], data: Data::Integers(vec![1, -2]) };
        assert_eq!(npy(&array), expected);
    }

    #[test]
    fn texts_are_padded_and_headers_aligned() {
        let data = Data::Texts(vec!["é".to_owned(), String::new(), "abc".to_owned()]);
        let bytes = npy(&Array { name: "x", shape: vec![3], data });
        let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        assert!(start.is_multiple_of(64) && bytes[start - 1] == b'\n');
        let words: Vec<u32> =
            bytes[start..].chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect();
        assert_eq!(words, [0xe9, 0, 0, 0, 0, 0, 97, 98, 99]);
    }

    #[test]
    fn the_archive_holds_them_and_repeats_itself() {
        let array = |name, n: usize| Array { name, shape: vec![n], data: Data::Reals(vec![0.5; n]) };
        let arrays = [array("a", 3), array("b", 0)];
        let bytes = npz(&arrays).unwrap();
        assert_eq!(bytes, npz(&arrays).unwrap());
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        assert_eq!(archive.len(), 2);
        assert!(archive.by_name("b.npy").is_ok());
        let mut content = Vec::new();
        std::io::copy(&mut archive.by_name("a.npy").unwrap(), &mut content).unwrap();
        assert_eq!(content, npy(&arrays[0]));
    }
}
