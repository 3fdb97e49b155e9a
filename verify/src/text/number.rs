//! Numbers as text: short for readers, exact for machines.

/// What stands for a number that is not there or not finite.
pub const NONE: &str = "—";

/// Three significant digits: `0.125`, `12.3`, `1.2e-7`; `—` if not finite.
///
/// ```
/// use ratecheck_verify::text::number::short;
/// assert_eq!(short(1.2e-7), "1.2e-7");
/// assert_eq!(short(0.99961), "1");
/// assert_eq!(short(f64::NAN), "—");
/// ```
pub fn short(x: f64) -> String {
    if !x.is_finite() {
        return NONE.to_owned();
    }
    if x == 0.0 {
        return "0".to_owned();
    }
    if x.fract() == 0.0 && x.abs() < 1e5 {
        return format!("{x:.0}");
    }
    let scientific = format!("{x:.2e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    // The exponent after rounding: 9.999e3 is 1e4.
    match exponent.parse::<i32>() {
        Ok(e @ -3..=3) => trim(&format!("{x:.*}", usize::try_from(2 - e).unwrap_or(0))).to_owned(),
        _ => format!("{}e{exponent}", trim(mantissa)),
    }
}

/// Like [`short`], for a page: `1.2×10⁻⁷`, with a true minus sign.
pub fn pretty(x: f64) -> String {
    let text = short(x);
    match text.split_once('e') {
        Some((mantissa, exponent)) => format!("{}×10{}", minus(mantissa), superscript(exponent)),
        None => minus(&text),
    }
}

/// A text with its numbers as pictures show them: `η_w = 1e-4` becomes `η_w = 10⁻⁴`, and `3e-1` becomes `0.3`.
pub(crate) fn typeset(text: &str) -> String {
    let word = |word: &str| {
        let bare = word.trim_start_matches('(').trim_end_matches([',', ';', ':', ')']);
        let Some((mantissa, exponent)) = bare.split_once('e') else { return word.to_owned() };
        let is_number = !mantissa.is_empty() && mantissa.chars().all(|c| matches!(c, '0'..='9' | '.' | '-'));
        let (Ok(x), Ok(power), true) = (bare.parse::<f64>(), exponent.parse::<i32>(), is_number) else {
            return word.to_owned();
        };
        let shown = match (mantissa, power) {
            (_, -2..=3) => minus(&short(x)),
            ("1", _) => format!("10{}", superscript(exponent)),
            _ => pretty(x),
        };
        word.replacen(bare, &shown, 1)
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// The shortest text that reads back as the same number; `NaN`, `inf` and `-inf` as Rust writes them.
pub fn exact(x: f64) -> String {
    // `{}` never uses an exponent, and 1e-300 would be three hundred zeros.
    if x != 0.0 && x.is_finite() && !(1e-5..1e16).contains(&x.abs()) { format!("{x:e}") } else { format!("{x}") }
}

/// Seconds for a reader: `0.42 s`, `12.3 s`, `2 min 05 s`.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if !(s.is_finite() && s >= 0.0) => NONE.to_owned(),
        s if s < 0.0005 => "0 ms".to_owned(),
        s if s < 0.0995 => format!("{:.0} ms", s * 1e3),
        s if s < 9.95 => format!("{s:.2} s"),
        s if s < 99.5 => format!("{s:.1} s"),
        s if s < 3600.0 => format!("{:.0} min {:02.0} s", (s / 60.0).floor(), (s % 60.0).floor()),
        s => format!("{:.0} h {:02.0} min", (s / 3600.0).floor(), (s % 3600.0 / 60.0).floor()),
    }
}

/// A count with its thousands apart: `12 345` with narrow no-break spaces.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) && digits.len() > 4 {
            text.push('\u{202f}');
        }
        text.push(c);
    }
    text
}

/// An exponent in superscript digits: `-12` becomes `⁻¹²`.
pub fn superscript(exponent: &str) -> String {
    exponent
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            '0' | '4'..='9' => char::from_u32(0x2070 + (c as u32 - '0' as u32)).unwrap_or(c),
            other => other,
        })
        .collect()
}

/// With the true minus sign instead of the hyphen.
pub(crate) fn minus(text: &str) -> String {
    text.replace('-', "\u{2212}")
}

/// A moment in UTC, to the minute: `2019-05-06 14:30 UTC`.
pub fn utc(unix: u64) -> String {
    let (days, seconds) = (unix / 86_400, unix % 86_400);
    // Howard Hinnant's civil_from_days, for days after 1970-01-01.
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", seconds / 3600, seconds % 3600 / 60)
}

/// Without trailing zeros after a decimal point.
fn trim(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn three_digits() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (0.5, "0.5"),
            (-0.25, "-0.25"),
            (12.345, "12.3"),
            (1234.5, "1234"),
            (0.001234, "0.00123"),
            (0.0001234, "1.23e-4"),
            (1.2e-7, "1.2e-7"),
            (1e300, "1e300"),
            (5e-324, "4.94e-324"),
            (65536.0, "65536"),
            (9999.6, "1e4"),
            (0.00099999, "0.001"),
            (f64::INFINITY, "—"),
        ];
        for (x, text) in cases {
            assert_eq!(short(x), text, "{x:e}");
        }
        assert_eq!(pretty(-1.2e-7), "\u{2212}1.2×10⁻⁷");
    }

    #[test]
    fn numbers_in_texts_are_typeset() {
        for (text, shown) in [
            ("η_w = 1e-4, constant", "η_w = 10⁻⁴, constant"),
            ("5-4-1 · (1e4) 1e0 3e-1: 2.5e-7; 1e3", "5-4-1 · (10⁴) 1 0.3: 2.5×10⁻⁷; 1000"),
            ("the e of 1-e-2 and 1e, e5, 0.25", "the e of 1-e-2 and 1e, e5, 0.25"),
        ] {
            assert_eq!(typeset(text), shown);
        }
    }

    #[test]
    fn exact_reads_back() {
        for x in [0.1, -0.0, 1e-300, 5e-324, f64::MAX, 1.0 / 3.0, 123456789.0, 1e16, f64::INFINITY] {
            let back: f64 = exact(x).parse().unwrap();
            assert_eq!(back.to_bits(), x.to_bits(), "{x:e}");
            assert!(exact(x).len() < 26);
        }
        assert!(exact(f64::NAN).parse::<f64>().unwrap().is_nan());
    }

    #[test]
    fn moments_and_spans() {
        assert_eq!(utc(0), "1970-01-01 00:00 UTC");
        assert_eq!(utc(951_782_400), "2000-02-29 00:00 UTC");
        assert_eq!(utc(1_557_153_000), "2019-05-06 14:30 UTC");
        assert_eq!(duration(0.042), "42 ms");
        assert_eq!(duration(125.0), "2 min 05 s");
        assert_eq!(duration(f64::NAN), "—");
        assert_eq!(count(1234567), "1\u{202f}234\u{202f}567");
        assert_eq!(count(1234), "1234");
    }
}
