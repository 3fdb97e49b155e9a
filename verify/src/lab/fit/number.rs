//! Numbers as programs write them.

use crate::text::plain::quote;

/// Words for a value that is not there.
const MISSING: [&str; 11] = ["", "NA", "N/A", "n/a", "null", "NULL", "None", "none", "<NA>", "#N/A", "-"];

/// The minus of typographers, which spreadsheets in some languages write.
const MINUS: char = '\u{2212}';

/// Whether a cell says that it holds nothing.
pub(super) fn is_missing(text: &str) -> bool {
    MISSING.contains(&text)
}

/// Reads numbers of one file, and remembers what it has assumed of them.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// Whether a comma may be the decimal mark: the file is not separated by commas.
    commas: bool,
    /// The first number with a decimal point, and the first with a decimal comma.
    pointed: Option<String>,
    comma: Option<String>,
    /// The first number whose exponent has no letter.
    unlettered: Option<String>,
}

/// A cell that is no number: what it is, and what to do.
pub(super) type NoNumber = (String, &'static str);

impl Numbers {
    pub(super) fn new(commas: bool) -> Self {
        Self { commas, ..Self::default() }
    }

    /// The number, which may be infinite or NaN: as C, Fortran, Python, JavaScript and MSVC write one.
    pub(super) fn read(&mut self, text: &str) -> Result<f64, NoNumber> {
        if text.contains(MINUS) {
            return self.read(&text.replace(MINUS, "-"));
        }
        if self.commas
            && let Some(number) = decimal_comma(text)
        {
            if let Some(pointed) = &self.pointed {
                return Err(both(text, pointed));
            }
            self.comma.get_or_insert_with(|| text.to_owned());
            return Ok(number);
        }
        let Some(number) = text.parse().ok().or_else(|| fortran(text)).or_else(|| not_finite(text)) else {
            if let Some(number) = unlettered(text) {
                self.unlettered.get_or_insert_with(|| text.to_owned());
                return Ok(number);
            }
            return Err(named(text));
        };
        if self.commas && text.contains('.') && f64::is_finite(number) {
            if let Some(comma) = &self.comma {
                return Err(both(text, comma));
            }
            self.pointed.get_or_insert_with(|| text.to_owned());
        }
        Ok(number)
    }

    /// What was assumed.
    pub(super) fn notes(&self) -> impl Iterator<Item = String> {
        let comma = self.comma.as_deref().map(|text| {
            format!("the comma is the decimal mark: {} is read as {}", quote(text), quote(&text.replace(',', ".")))
        });
        let unlettered = self.unlettered.as_deref().map(|text| {
            format!("exponents without a letter, as Fortran writes those of three digits: {}", quote(text))
        });
        comma.into_iter().chain(unlettered)
    }
}

/// Whether a cell is a number, whatever its decimal mark.
pub(super) fn is_number(text: &str) -> bool {
    Numbers::new(true).read(text).is_ok()
}

fn both(text: &str, other: &str) -> NoNumber {
    let what = format!(
        "`{}` here, but `{}` above: points and commas, and no telling which is the decimal mark",
        quote(text),
        quote(other)
    );
    (what, "write numbers with a decimal point, and without separators of thousands")
}

/// `0,25` and `2,5e-1`.
fn decimal_comma(text: &str) -> Option<f64> {
    if text.matches(',').count() != 1 || text.contains('.') {
        return None;
    }
    text.replace(',', ".").parse().ok()
}

/// `2.5D-01`.
fn fortran(text: &str) -> Option<f64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.dD".contains(&byte));
    if !digits {
        return None;
    }
    text.replace(['d', 'D'], "e").parse().ok()
}

/// `0.25-105`, where the exponent's three digits have left no room for its letter.
fn unlettered(text: &str) -> Option<f64> {
    let at = text.len().checked_sub(4).filter(|&at| at > 0 && text.is_char_boundary(at))?;
    let (mantissa, exponent) = text.split_at(at);
    let plain = mantissa.contains('.') && mantissa.bytes().all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte));
    let signed = exponent.starts_with(['+', '-']) && exponent[1..].bytes().all(|byte| byte.is_ascii_digit());
    if !(plain && signed) {
        return None;
    }
    format!("{mantissa}e{exponent}").parse().ok()
}

/// `1.#INF`, `-nan(ind)` and `1.#QNAN`: what is neither finite nor spelled as Rust spells it.
fn not_finite(text: &str) -> Option<f64> {
    let (sign, word) = match text.strip_prefix('-') {
        Some(word) => (-1.0, word),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let word = word.to_ascii_lowercase();
    let word = word.strip_prefix("1.#").unwrap_or(&word);
    match word {
        "inf" | "\u{221e}" => Some(sign * f64::INFINITY),
        "ind" | "qnan" | "snan" => Some(f64::NAN),
        _ if word.starts_with("nan(") && word.ends_with(')') => Some(f64::NAN),
        _ => None,
    }
}

/// What a cell is that is no number.
fn named(text: &str) -> NoNumber {
    let is = |kind: &str| format!("`{}` is {kind}, and not a number", quote(text));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if text.starts_with('[') || text.starts_with('(') {
        return (is("a list"), "log one number a step: a norm, or each entry under a name of its own");
    }
    if text.starts_with("tensor(") || text.starts_with("array(") || text.starts_with("Array(") {
        return (is("a tensor as Python prints it"), "log its number, as `float(x)`");
    }
    if !text.is_empty() && text.bytes().all(|byte| byte == b'*') {
        return (is("what Fortran writes for a number too long for its field"), "widen the field in the FORMAT");
    }
    let date = text.get(..10).is_some_and(|head| head.split('-').all(digits) && head.matches('-').count() == 2);
    if date || (text.contains(':') && text.split(':').take(2).all(digits)) {
        return (
            is("a time of a clock"),
            "give the column that counts steps with --step COLUMN; if there is none, number the rows",
        );
    }
    if text.contains(['\n', '\r']) {
        return (is("a text of several lines"), "close the quotation mark that is open here");
    }
    let grouped = text.strip_prefix(['-', '+']).unwrap_or(text);
    if grouped.contains(',') && grouped.split([',', '.']).all(digits) {
        let what = is("a number with a comma");
        return (what, "write numbers with a decimal point, and without separators of thousands");
    }
    let apart = [' ', '\u{a0}', '\u{2009}', '\u{202f}', '\'', '\u{2019}', '_'];
    if grouped.contains(apart) && grouped.split(apart).flat_map(|part| part.split([',', '.'])).all(digits) {
        let what = is("a number with separators of thousands");
        return (what, "write numbers with a decimal point, and without separators of thousands");
    }
    (format!("`{}` is not a number", quote(text)), "give a number; an empty field says that there is none")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_numbers() {
        for (text, expected) in [
            ("10", 10.0),
            ("+.5", 0.5),
            ("5.", 5.0),
            ("2.5D-01", 0.25),
            ("1d3", 1000.0),
            ("-4.0d+2", -400.0),
            ("0.5-105", 0.5e-105),
            ("-0.25+100", -0.25e100),
            ("inf", f64::INFINITY),
            ("+Inf", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("2.5e\u{2212}1", 0.25),
            ("\u{2212}4", -4.0),
            ("1.#INF", f64::INFINITY),
            ("-1.#INF", f64::NEG_INFINITY),
        ] {
            assert_eq!(Numbers::new(false).read(text), Ok(expected), "{text}");
        }
        for text in ["nan", "NaN", "-nan", "-nan(ind)", "nan(snan)", "1.#QNAN", "-1.#IND"] {
            assert!(Numbers::new(false).read(text).expect(text).is_nan(), "{text}");
        }
    }

    #[test]
    fn decimal_commas_where_commas_do_not_separate() {
        let mut numbers = Numbers::new(true);
        assert_eq!((numbers.read("0,25"), numbers.read("3"), numbers.read("2,5e-1")), (Ok(0.25), Ok(3.0), Ok(0.25)));
        assert!(numbers.notes().any(|note| note.contains("0,25 is read as 0.25")));
        // 1.000 may be one or a thousand.
        assert!(numbers.read("1.000").is_err_and(|(what, _)| what.contains("`0,25` above")));
        let mut numbers = Numbers::new(true);
        assert_eq!(numbers.read("1.000"), Ok(1.0));
        assert!(numbers.read("0,25").is_err());
        assert!(Numbers::new(true).read("1,000,000").is_err());
    }

    #[test]
    fn what_is_no_number_is_named() {
        for (text, part) in [
            ("1,000", "comma"),
            ("abc", "`abc` is not a number"),
            ("true", "not a number"),
            ("[0.5]", "a list"),
            ("tensor(0.5)", "tensor"),
            ("********", "Fortran"),
            ("2024-03-01T12:00:00Z", "time of a clock"),
            ("12:30:01", "time of a clock"),
            ("0x1p3", "not a number"),
            ("1e", "not a number"),
            ("5-10", "not a number"),
            ("1\u{a0}000", "separators of thousands"),
            ("-1'000.5", "separators of thousands"),
            ("1_000", "separators of thousands"),
            ("a_1", "`a_1` is not a number"),
            ("3,4\n5", "several lines"),
            ("-.-105", "not a number"),
            ("é.5-100", "not a number"),
        ] {
            let (what, remedy) = Numbers::new(false).read(text).expect_err(text);
            assert!(what.contains(part) && !remedy.is_empty(), "{text}: {what}");
        }
    }
}
