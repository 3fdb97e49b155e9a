//! What others wrote, fit to be shown: names, cells and paths may hold anything.

use std::borrow::Cow;
use std::path::Path;

/// As many characters of one name or cell as a message quotes.
const QUOTED: usize = 60;

/// Whether a terminal or a page would obey or hide it instead of showing it: control characters, line separators, and
/// the marks that turn the direction of writing.
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Text on one line, with what is hidden written out, as `\u{1b}`.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if hidden(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

/// A path on one line, to be shown.
pub(crate) fn path(path: &Path) -> String {
    plain(&path.to_string_lossy()).into_owned()
}

/// As many characters as an error has at most: with the name of the program before it, below 500.
const LONGEST: usize = 480;

/// One line, and not a long one: what is too much is left out in the middle, since the beginning names the file and the
/// end the remedy.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    let text = plain(text);
    let n = text.chars().count();
    if n <= LONGEST {
        return text;
    }
    // Of what is too long, nearly all is one word: a path.
    let (begin, end) = (LONGEST / 2, n - (LONGEST - LONGEST / 2 - 1));
    let kept = |from: usize, to: usize| text.chars().skip(from).take(to - from).collect::<String>();
    Cow::Owned(format!("{}\u{2026}{}", kept(0, begin), kept(end, n)))
}

/// The same, cut short with an ellipsis: a cell may be a whole histogram.
pub(crate) fn quote(text: &str) -> String {
    let mut chars = text.char_indices();
    match chars.nth(QUOTED) {
        Some((end, _)) => format!("{}\u{2026}", plain(&text[..end])),
        None => plain(text).into_owned(),
    }
}

/// Some of many names, as `a, b, c and 97 more`.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    /// As many as a line holds.
    const SHOWN: usize = 8;
    let mut names = names.into_iter();
    let shown: Vec<String> = names.by_ref().take(SHOWN).map(quote).collect();
    match names.count() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_obeyed_and_nothing_is_long() {
        assert_eq!(plain("Größe – a b"), "Größe – a b");
        assert_eq!(plain("\u{1b}[2Ja\nb\u{202e}"), "\\u{1b}[2Ja\\nb\\u{202e}");
        assert_eq!(quote(&"x".repeat(60)), "x".repeat(60));
        assert_eq!(quote(&"ü".repeat(61)), "ü".repeat(60) + "…");
        let message = format!("cannot write {}: too long; choose another", "x".repeat(5000));
        let shown = line(&message);
        assert_eq!(shown.chars().count(), LONGEST);
        assert!(shown.starts_with("cannot write xxx") && shown.ends_with("xxx: too long; choose another"), "{shown}");
        assert_eq!((line("a\nb"), line(&"ü".repeat(480))), ("a\\nb".into(), "ü".repeat(480).into()));
        assert_eq!(path("a\u{1b}\nb".as_ref()), "a\\u{1b}\\nb");
        assert_eq!(listed(["a", "b"]), "a, b");
        assert_eq!(listed(["a"; 100]), "a, a, a, a, a, a, a, a and 92 more");
    }
}
