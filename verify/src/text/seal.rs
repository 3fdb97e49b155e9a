//! Sealed files: what something is, what was found of it, and a checksum of both. And the checksum that a JSON file
//! carries in itself.

use serde::Deserialize;
use sha2::{Digest, Sha256};

/// The first line of a sealed file.
const MAGIC: &[u8] = b"ratecheck cell\n";
/// The bytes of a checksum.
const SUM: usize = 32;

/// Why a file is not the one that was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Cut short, or changed: the checksum does not fit.
    Broken,
    /// A sound file of something else.
    Foreign,
}

/// A sealed file's name: the SHA-256 of what determines its content, in hexadecimal digits.
pub(crate) fn hex_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A sealed file: a line that says so, the line that determines the content, the content, and the SHA-256 of all that.
pub(crate) fn seal(identity: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = [MAGIC, identity.as_bytes(), b"\n", payload].concat();
    let sum = Sha256::digest(&bytes);
    bytes.extend(sum);
    bytes
}

/// What the sealed file called `key` holds, if it is that.
pub(crate) fn unseal<'a>(bytes: &'a [u8], key: &str) -> Result<&'a [u8], Damage> {
    let at = bytes.len().checked_sub(SUM).ok_or(Damage::Broken)?;
    let (content, sum) = bytes.split_at(at);
    if Sha256::digest(content).as_slice() != sum {
        return Err(Damage::Broken);
    }
    // The checksum fits: someone meant the file to be as it is.
    let rest = content.strip_prefix(MAGIC).ok_or(Damage::Foreign)?;
    let end = rest.iter().position(|&byte| byte == b'\n').ok_or(Damage::Foreign)?;
    if hex_of(&rest[..end]) == key { Ok(&rest[end + 1..]) } else { Err(Damage::Foreign) }
}

/// The name of the field of a JSON file that holds the checksum of the file.
pub(crate) const SUM_FIELD: &str = "sha256";

/// Puts the checksum into the JSON of an object that begins with an empty [`SUM_FIELD`]: the SHA-256 of all bytes of
/// the file but these digits.
pub(crate) fn summed(mut json: Vec<u8>) -> Vec<u8> {
    let empty = format!("\"{SUM_FIELD}\": \"\"");
    if let Some(at) = json.windows(empty.len()).position(|found| found == empty.as_bytes()) {
        let digits = hex_of(&json);
        let inside = at + empty.len() - 1;
        json.splice(inside..inside, digits.into_bytes());
    }
    json
}

/// What the checksum inside a JSON file says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sum {
    /// It fits.
    Fits,
    /// The file was changed after it had been written.
    Changed,
    /// There is none: an older version has written the file.
    Absent,
}

impl Sum {
    /// Of a file that is JSON.
    pub(crate) fn of(json: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Summed {
            sha256: Option<String>,
        }
        let Ok(Summed { sha256 }) = serde_json::from_slice(json) else { return Self::Changed };
        let Some(digits) = sha256 else { return Self::Absent };
        let place = json.windows(digits.len().max(1)).position(|found| found == digits.as_bytes());
        let rest = place.map(|at| [&json[..at], &json[at + digits.len()..]].concat());
        if rest.is_some_and(|rest| hex_of(&rest) == digits) { Self::Fits } else { Self::Changed }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_cut_and_every_changed_byte_is_seen() {
        let (bytes, key) = (seal("who", b"what"), hex_of(b"who"));
        assert_eq!(unseal(&bytes, &key), Ok(&b"what"[..]));
        for n in 0..bytes.len() {
            assert_eq!(unseal(&bytes[..n], &key), Err(Damage::Broken));
            let mut changed = bytes.clone();
            changed[n] ^= 1;
            assert_eq!(unseal(&changed, &key), Err(Damage::Broken), "byte {n}");
        }
        assert_eq!(unseal(&bytes, &hex_of(b"someone else")), Err(Damage::Foreign));
        // The known answer of FIPS 180-2 for "abc": names are plain SHA-256.
        assert_eq!(hex_of(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn a_file_of_json_says_whether_it_was_changed() {
        let plain = b"{\n  \"sha256\": \"\",\n  \"count\": 12\n}\n".to_vec();
        let file = summed(plain.clone());
        assert_eq!(Sum::of(&file), Sum::Fits);
        // Whoever takes the digits out has what they are the sum of.
        let text = String::from_utf8(file.clone()).unwrap();
        assert_eq!(text.replace(&hex_of(&plain), ""), String::from_utf8(plain).unwrap());
        for n in 0..file.len() {
            for bit in 0..8 {
                let mut changed = file.clone();
                changed[n] ^= 1 << bit;
                // A name that is no longer the sum's leaves a file without one.
                let expected = if (5..11).contains(&n) { Sum::Absent } else { Sum::Changed };
                assert!([Sum::Changed, expected].contains(&Sum::of(&changed)), "byte {n}, bit {bit}");
            }
        }
        assert_eq!(Sum::of(b"{\"count\": 12}"), Sum::Absent);
        assert_eq!(Sum::of(b"{\"sha256\": \"\", \"count\": 12}"), Sum::Changed);
    }
}
