//! Arrays of NumPy: the format `.npy` (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>), and
//! archives of them, `.npz`, compressed or not.
//!
//! An array is a magic string, two bytes of version, the length of a header, the header, which is a literal of Python,
//! and the numbers as they lie in memory.

use std::io::{Cursor, Read};

use zip::ZipArchive;

const MAGIC: &[u8] = b"\x93NUMPY";

/// How the bytes of one number, least significant first, are read.
type Number = fn(&[u8]) -> Option<f64>;

/// The types that are read: (code, bytes, how).
const TYPES: [(&str, usize, Number); 11] = [
    ("f8", 8, |b| Some(f64::from_le_bytes(b.try_into().ok()?))),
    ("f4", 4, |b| Some(f32::from_le_bytes(b.try_into().ok()?).into())),
    ("b1", 1, |b| Some(f64::from(u8::from(b[0] != 0)))),
    ("u1", 1, |b| Some(b[0].into())),
    ("i1", 1, |b| Some(i8::from_le_bytes(b.try_into().ok()?).into())),
    ("u2", 2, |b| Some(u16::from_le_bytes(b.try_into().ok()?).into())),
    ("i2", 2, |b| Some(i16::from_le_bytes(b.try_into().ok()?).into())),
    ("u4", 4, |b| Some(u32::from_le_bytes(b.try_into().ok()?).into())),
    ("i4", 4, |b| Some(i32::from_le_bytes(b.try_into().ok()?).into())),
    ("u8", 8, |b| exact(u64::from_le_bytes(b.try_into().ok()?).into())),
    ("i8", 8, |b| exact(i64::from_le_bytes(b.try_into().ok()?).into())),
];

/// A whole number, if double precision holds it.
fn exact(n: i128) -> Option<f64> {
    (n as f64 as i128 == n).then_some(n as f64)
}

/// What is wrong with a file, and what to do.
#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) what: String,
    pub(super) remedy: &'static str,
}

fn fault<T>(what: impl Into<String>, remedy: &'static str) -> Result<T, Fault> {
    Err(Fault { what: what.into(), remedy })
}

const AGAIN: &str = "write it again with `numpy.save`";
const NUMBERS: &str = "save an array of numbers, as `numpy.save(file, array.astype(float))`";

/// The entries of an array in the order of its file.
#[derive(Clone, Debug, PartialEq)]
enum Entries {
    Reals(Vec<f64>),
    Texts(Vec<String>),
}

/// An array.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NumPy {
    pub(super) shape: Vec<usize>,
    /// How far apart entries are whose place differs by one along an axis.
    strides: Vec<usize>,
    entries: Entries,
}

impl NumPy {
    /// The array in the bytes of a file.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let Some(rest) = bytes.strip_prefix(MAGIC) else {
            return fault(said(bytes), "give an array that `numpy.save` has written");
        };
        let (header, data) = match rest {
            [1, _, a, b, rest @ ..] => split(rest, u16::from_le_bytes([*a, *b]).into()),
            [2 | 3, _, a, b, c, d, rest @ ..] => {
                split(rest, usize::try_from(u32::from_le_bytes([*a, *b, *c, *d])).unwrap_or(usize::MAX))
            }
            _ => None,
        }
        .ok_or_else(|| Fault { what: "ends within its header".to_owned(), remedy: AGAIN })?;
        let Header { kind, fortran, shape } = Header::parse(&String::from_utf8_lossy(header))?;
        let n = shape.iter().try_fold(1_usize, |n, &axis| n.checked_mul(axis));
        let n = n.ok_or_else(|| Fault { what: format!("has the shape {shape:?}"), remedy: AGAIN })?;
        let of = kind.bytes();
        if n.checked_mul(of) != Some(data.len()) {
            let what =
                format!("holds {} bytes of numbers, and the shape {shape:?} of {kind} needs {of} each", data.len());
            return fault(what, AGAIN);
        }
        let entries = kind.read(data)?;
        let mut strides = vec![1; shape.len()];
        let steps: Vec<usize> = (1..shape.len()).collect();
        match fortran {
            true => steps.iter().for_each(|&k| strides[k] = strides[k - 1] * shape[k - 1]),
            false => steps.iter().rev().for_each(|&k| strides[k - 1] = strides[k] * shape[k]),
        }
        Ok(Self { shape, strides, entries })
    }

    /// An array of an archive.
    pub(super) fn in_archive(bytes: &[u8], name: &str, most: u64) -> Result<Self, Fault> {
        let damaged = |error: &dyn std::fmt::Display| Fault {
            what: format!("is no archive of arrays: {error}"),
            remedy: "write it again with `numpy.savez`",
        };
        let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| damaged(&error))?;
        let wanted = format!("{}.npy", name.strip_suffix(".npy").unwrap_or(name));
        let names = archive.file_names().collect::<Result<Vec<_>, _>>().map_err(|error| damaged(&error))?;
        let known: Vec<String> = names.iter().map(|name| name.trim_end_matches(".npy").to_owned()).collect();
        let Some(place) = archive.index_for_name(&wanted) else {
            return fault(
                format!("holds no array \"{name}\", but {}", known.join(", ")),
                "name one of its arrays, as `numpy.load(file).files` lists them",
            );
        };
        let file = archive.by_index(place).map_err(|error| damaged(&error))?;
        // What it says of itself may be less than what comes out.
        let mut bytes = Vec::new();
        let size = file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| damaged(&error))?;
        if size as u64 > most {
            let what = format!("holds more than {most} bytes in the array \"{name}\", which is all that may be taken");
            return fault(what, "take fewer examples");
        }
        Self::parse(&bytes)
    }

    /// The entry at a place, if all are numbers.
    pub(super) fn real(&self, place: &[usize]) -> Option<f64> {
        match &self.entries {
            Entries::Reals(all) => all.get(self.offset(place)).copied(),
            Entries::Texts(_) => None,
        }
    }

    /// The same as text; a number so that it reads back to the same bits.
    pub(super) fn text(&self, place: &[usize]) -> Option<String> {
        match &self.entries {
            Entries::Reals(all) => all.get(self.offset(place)).map(|&x| crate::text::number::exact(x)),
            Entries::Texts(all) => all.get(self.offset(place)).cloned(),
        }
    }

    /// Whether it holds numbers.
    pub(super) fn is_real(&self) -> bool {
        matches!(self.entries, Entries::Reals(_))
    }

    fn offset(&self, place: &[usize]) -> usize {
        place.iter().zip(&self.strides).map(|(at, stride)| at * stride).sum()
    }
}

/// What a file is that is no array.
fn said(bytes: &[u8]) -> String {
    match bytes {
        [b'P', b'K', ..] => "is an archive of arrays, and none of them".to_owned(),
        [] => "is empty".to_owned(),
        _ => "does not begin as an array of NumPy does".to_owned(),
    }
}

fn split(bytes: &[u8], at: usize) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(at)
}

/// How entries are stored.
#[derive(Clone, Copy)]
struct Kind {
    big_endian: bool,
    of: Of,
}

#[derive(Clone, Copy)]
enum Of {
    /// A place in [`TYPES`].
    Number(usize),
    /// Text in UTF-32 of so many characters.
    Text(usize),
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.of {
            Of::Number(place) => f.write_str(TYPES[place].0),
            Of::Text(n) => write!(f, "U{n}"),
        }
    }
}

impl Kind {
    fn parse(code: &str) -> Result<Self, Fault> {
        let big_endian = code.starts_with('>');
        let bare = code.trim_start_matches(['<', '>', '=', '|']);
        let number = TYPES.iter().position(|(known, ..)| *known == bare).map(Of::Number);
        let text = || bare.strip_prefix('U')?.parse().ok().filter(|&n: &usize| n > 0).map(Of::Text);
        match number.or_else(text) {
            Some(of) => Ok(Self { big_endian, of }),
            None if bare.starts_with('O') => fault("holds objects of Python, which only Python can read", NUMBERS),
            None => {
                let known: Vec<&str> = TYPES.iter().map(|(known, ..)| *known).collect();
                fault(format!("has entries of type \"{code}\"; those that are read are {}", known.join(", ")), NUMBERS)
            }
        }
    }

    fn bytes(self) -> usize {
        match self.of {
            Of::Number(place) => TYPES[place].1,
            Of::Text(n) => n.saturating_mul(4),
        }
    }

    fn read(self, data: &[u8]) -> Result<Entries, Fault> {
        let ordered = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            if self.big_endian {
                bytes.reverse();
            }
            bytes
        };
        let each = data.chunks_exact(self.bytes().max(1));
        match self.of {
            Of::Number(place) => {
                let (_, _, read) = TYPES[place];
                let inexact = || Fault {
                    what: "holds a whole number that double precision cannot".to_owned(),
                    remedy: "save smaller numbers, or round them with `astype(float)`",
                };
                let all: Option<Vec<f64>> = each.map(|bytes| read(&ordered(bytes))).collect();
                all.map(Entries::Reals).ok_or_else(inexact)
            }
            Of::Text(_) => {
                let unit = |bytes: &[u8]| {
                    let word = ordered(bytes);
                    u32::from_le_bytes([word[0], word[1], word[2], word[3]])
                };
                let text = |bytes: &[u8]| -> Option<String> {
                    bytes.chunks_exact(4).map(unit).take_while(|&c| c != 0).map(char::from_u32).collect()
                };
                let all: Option<Vec<String>> = each.map(text).collect();
                all.map(Entries::Texts)
                    .ok_or_else(|| Fault { what: "holds text that is no text".to_owned(), remedy: AGAIN })
            }
        }
    }
}

/// `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }`
struct Header {
    kind: Kind,
    fortran: bool,
    shape: Vec<usize>,
}

impl Header {
    fn parse(text: &str) -> Result<Self, Fault> {
        let wrong = || Fault { what: format!("has the header `{}`", text.trim()), remedy: AGAIN };
        let after = |key: &str| {
            let quoted = ["'", "\""].map(|quote| format!("{quote}{key}{quote}"));
            let at = quoted.iter().find_map(|key| text.find(key.as_str()).map(|at| at + key.len()))?;
            text[at..].trim_start().strip_prefix(':').map(str::trim_start)
        };
        let descr = after("descr").ok_or_else(wrong)?;
        let Some(quote) = descr.chars().next().filter(|c| ['\'', '"'].contains(c)) else {
            return fault("holds records of several fields", NUMBERS);
        };
        let code = descr[1..].split(quote).next().unwrap_or_default();
        let fortran = match after("fortran_order").ok_or_else(wrong)? {
            yes if yes.starts_with("True") => true,
            no if no.starts_with("False") => false,
            _ => return Err(wrong()),
        };
        let shape = after("shape").and_then(|rest| rest.strip_prefix('(')).and_then(|rest| rest.split(')').next());
        let axes = shape.ok_or_else(wrong)?.split(',').map(str::trim).filter(|axis| !axis.is_empty());
        // Python 2 wrote its long integers with an L.
        let shape: Result<Vec<usize>, _> = axes.map(|axis| axis.trim_end_matches('L').parse()).collect();
        Ok(Self { kind: Kind::parse(code)?, fortran, shape: shape.map_err(|_| wrong())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As NumPy writes it: the header is padded with spaces and ends in a line break.
    fn file(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
        let order = if fortran { "True" } else { "False" };
        let mut header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
        while (header.len() + 11) % 64 != 0 {
            header.push(' ');
        }
        header.push('\n');
        let length = u16::try_from(header.len()).expect("short").to_le_bytes();
        [MAGIC, &[1, 0], &length, header.as_bytes(), data].concat()
    }

    fn reals(bytes: &[u8]) -> Vec<f64> {
        match NumPy::parse(bytes).expect("an array").entries {
            Entries::Reals(all) => all,
            Entries::Texts(_) => Vec::new(),
        }
    }

    #[test]
    fn every_type_reads_as_what_it_is() {
        let cases: [(&str, &[u8], f64); 13] = [
            ("<f8", &(-0.1_f64).to_le_bytes(), -0.1),
            (">f8", &(-0.1_f64).to_be_bytes(), -0.1),
            ("<f4", &0.1_f32.to_le_bytes(), 0.100_000_001_490_116_12),
            ("|b1", &[1], 1.0),
            ("|u1", &[255], 255.0),
            ("|i1", &[255], -1.0),
            ("<u2", &[1, 2], 513.0),
            (">u2", &[1, 2], 258.0),
            ("<i2", &[254, 255], -2.0),
            (">u4", &[0, 0, 1, 0], 256.0),
            ("<i4", &(-5_i32).to_le_bytes(), -5.0),
            ("<u8", &(1_u64 << 60).to_le_bytes(), 1_152_921_504_606_846_976.0),
            ("<i8", &(-3_i64).to_le_bytes(), -3.0),
        ];
        for (code, bytes, value) in cases {
            assert_eq!(reals(&file(code, false, "(1,)", bytes)), [value], "{code}");
        }
        let mut text = [0_u8; 16];
        (text[0], text[4], text[8]) = (b'a', 0xfc, b'o');
        let texts = NumPy::parse(&file("<U2", false, "(2,)", &text)).expect("text");
        assert_eq!([0, 1].map(|k| texts.text(&[k])), ["aü", "o"].map(|text| Some(text.to_owned())));
    }

    #[test]
    fn both_orders_are_the_same_array() {
        let bytes = |all: [u8; 6]| all;
        let c = NumPy::parse(&file("|u1", false, "(2, 3)", &bytes([0, 1, 2, 10, 11, 12]))).expect("C");
        let fortran = NumPy::parse(&file("|u1", true, "(2, 3)", &bytes([0, 10, 1, 11, 2, 12]))).expect("Fortran");
        for (i, j) in (0..2).flat_map(|i| (0..3).map(move |j| (i, j))) {
            assert_eq!(c.real(&[i, j]), Some((10 * i + j) as f64));
            assert_eq!(c.real(&[i, j]), fortran.real(&[i, j]));
        }
    }

    #[test]
    fn what_is_no_array_of_numbers_is_named() {
        let whole = file("<f8", false, "(2,)", &[0; 16]);
        for (bytes, part) in [
            (whole[..whole.len() - 1].to_vec(), "holds 15 bytes of numbers, and the shape [2] of f8 needs 8 each"),
            (whole[..20].to_vec(), "ends within its header"),
            (whole[..7].to_vec(), "ends within its header"),
            (b"PK\x03\x04".to_vec(), "is an archive of arrays"),
            (b"1,2\n".to_vec(), "does not begin as an array"),
            (Vec::new(), "is empty"),
            (file("|O", false, "(2,)", &[0; 16]), "objects of Python"),
            (file("<c16", false, "(1,)", &[0; 16]), "entries of type \"<c16\"; those that are read are f8, f4"),
            (file("<f8", false, "(2, x)", &[0; 16]), "has the header"),
            (file("<u8", false, "(1,)", &u64::MAX.to_le_bytes()), "double precision"),
            (file("<f8", false, "(18446744073709551615, 2)", &[]), "has the shape"),
            (file("<f8", false, "(18446744073709551616, 2)", &[]), "has the header"),
            (file("<U2", false, "(1,)", &[255; 8]), "no text"),
        ] {
            let found = NumPy::parse(&bytes).expect_err(part);
            assert!(found.what.contains(part) && !found.remedy.is_empty(), "{found:?}");
        }
        let records =
            String::from_utf8_lossy(&file("<f8", false, "(1,)", &[0; 8])).replacen("'<f8'", "[('a', '<f8')]", 1);
        let header = &records[records.find('{').expect("a header")..];
        assert!(Header::parse(header).is_err_and(|found| found.what.contains("several fields")));
    }
}
