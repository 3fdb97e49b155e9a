//! The bundled handwritten digits.

use std::io::Read;

use flate2::read::GzDecoder;

use super::{DataError, Dataset};

/// See `data/README.md` for source, licence and format.
const BUNDLED: &[u8] = include_bytes!("../../data/digits.csv.gz");

const N_PIXELS: usize = 64;
const N_CLASSES: usize = 10;
const MAX_PIXEL: u8 = 16;

/// 1,797 handwritten digits as 8x8 images: the test set of "Optical Recognition of Handwritten Digits" of the UCI
/// Machine Learning Repository (E. Alpaydin and C. Kaynak, 1998; CC BY 4.0).
///
/// Feature j is the pixel in row j / 8 and column j % 8, an integer 0..=16 (16 is black), not standardised; the label
/// is the digit 0..=9. Three pixels are 0 in every image. The order is that of the file.
///
/// Cost: a few milliseconds, for unpacking; keep the result.
///
/// ```
/// let digits = ratecheck::data::digits();
/// assert_eq!((digits.n_examples(), digits.n_features()), (1797, 64));
/// assert_eq!(digits.labels()[..4], [0.0, 1.0, 2.0, 3.0]);
/// let batch = digits.standardised().first(256);
/// assert_eq!(batch.feature(0), [0.0; 256]); // the corner pixel is never written on
/// ```
///
/// # Panics
/// Only if the file built into the library is corrupt, which its tests exclude.
pub fn digits() -> Dataset {
    decode(BUNDLED).unwrap_or_else(|error| panic!("the bundled digits: {error}"))
}

/// Unpacks and parses; gzip's own check sum is verified on the way.
fn decode(packed: &[u8]) -> Result<Dataset, DataError> {
    let mut text = String::new();
    GzDecoder::new(packed)
        .read_to_string(&mut text)
        .map_err(|error| DataError::Format { place: "digits.csv.gz".to_owned(), reason: error.to_string() })?;
    parse(&text)
}

/// Lines of 64 pixels and the digit, separated by commas.
fn parse(text: &str) -> Result<Dataset, DataError> {
    let rows = text.lines().enumerate().map(|(index, line)| row(index + 1, line)).collect::<Result<Vec<_>, _>>()?;
    let inputs = (0..N_PIXELS).flat_map(|j| rows.iter().map(move |row| f64::from(row[j]))).collect();
    let labels = rows.iter().map(|row| f64::from(row[N_PIXELS])).collect();
    Dataset::new(inputs, rows.len(), N_PIXELS, labels)
}

fn row(number: usize, line: &str) -> Result<[u8; N_PIXELS + 1], DataError> {
    let fault = |reason: String| DataError::Format { place: format!("line {number}"), reason };
    let mut row = [0; N_PIXELS + 1];
    let n_fields = line.split(',').count();
    if n_fields != row.len() {
        return Err(fault(format!("{n_fields} fields, not {}", row.len())));
    }
    for (j, (value, field)) in row.iter_mut().zip(line.split(',')).enumerate() {
        let largest = if j < N_PIXELS { MAX_PIXEL } else { N_CLASSES as u8 - 1 };
        *value = field
            .parse()
            .ok()
            .filter(|value| *value <= largest)
            .ok_or_else(|| fault(format!("field {} is `{field}`, not an integer 0..={largest}", j + 1)))?;
    }
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_file_is_the_published_one() {
        // CRC-32 of the text, as zlib gives it.
        let mut text = Vec::new();
        GzDecoder::new(BUNDLED).read_to_end(&mut text).expect("readable");
        let mut crc = flate2::Crc::new();
        crc.update(&text);
        assert_eq!((crc.sum(), text.len()), (0x2ebe_3bb7, 264_712));
    }

    #[test]
    fn digits_have_the_known_shape_counts_and_sums() {
        let digits = digits();
        assert_eq!((digits.n_examples(), digits.n_features()), (1797, 64));
        let count = |class: usize| digits.labels().iter().filter(|label| **label == class as f64).count();
        let counts: Vec<usize> = (0..N_CLASSES).map(count).collect();
        assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
        assert_eq!(digits.inputs().iter().sum::<f64>(), 561_718.0);
        // Exact in f64, and sensitive to the order of rows and of columns (computed from the text by another program).
        let n = digits.n_examples();
        let weighted: f64 =
            digits.inputs().iter().enumerate().map(|(at, x)| ((at % n + 1) * (at / n + 1)) as f64 * x).sum();
        assert_eq!(weighted, 16_337_198_609.0);
        // The first image, fourth row.
        let pixels: Vec<f64> = (24..32).map(|j| digits.feature(j)[0]).collect();
        assert_eq!(pixels, [0.0, 4.0, 12.0, 0.0, 0.0, 8.0, 8.0, 0.0]);
    }

    #[test]
    fn standardised_digits_have_mean_zero_and_variance_one() {
        let digits = digits().standardised();
        let n = digits.n_examples() as f64;
        let mut n_constant = 0;
        for j in 0..digits.n_features() {
            let feature = digits.feature(j);
            let mean = feature.iter().sum::<f64>() / n;
            let variance = feature.iter().map(|x| x * x).sum::<f64>() / n;
            if feature.iter().all(|x| *x == 0.0) {
                n_constant += 1;
                continue;
            }
            // n roundings of a sum of numbers with mean square 1.
            assert!(mean.abs() <= n * f64::EPSILON, "feature {j}: mean {mean:e}");
            assert!((variance - 1.0).abs() <= n * f64::EPSILON, "feature {j}: variance {variance}");
        }
        assert_eq!(n_constant, 3);
    }

    #[test]
    fn a_damaged_file_is_an_error_that_says_where() {
        for at in [0, BUNDLED.len() / 2, BUNDLED.len() - 6] {
            let mut damaged = BUNDLED.to_vec();
            damaged[at] ^= 1;
            let error = decode(&damaged).expect_err("damaged").to_string();
            assert!(!error.is_empty());
        }
        assert!(decode(&BUNDLED[..BUNDLED.len() / 2]).is_err());
        assert!(decode(&[]).is_err());

        let good = format!("{}7", "16,".repeat(64));
        assert_eq!(parse(&good).expect("valid").labels(), [7.0]);
        let error = |text: String| parse(&text).expect_err("refused").to_string();
        assert_eq!(error(format!("{good}\n1,2,3")), "line 2: 3 fields, not 65");
        assert_eq!(error(good.replacen("16", "17", 1)), "line 1: field 1 is `17`, not an integer 0..=16");
        assert_eq!(error(good.replacen("16", "-1", 1)), "line 1: field 1 is `-1`, not an integer 0..=16");
        assert_eq!(error(format!("{}10", "0,".repeat(64))), "line 1: field 65 is `10`, not an integer 0..=9");
        assert!(error(String::new()).starts_with("0 examples"));
    }
}
