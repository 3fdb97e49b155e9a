//! JSON as logs hold it: NaN and Infinity as Python and JavaScript write them, and every value with its place.

use std::borrow::Cow;

use super::number::is_number;
use crate::text::plain::quote;

/// A value and where it begins, in bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node<'a> {
    pub(super) at: usize,
    pub(super) kind: Kind<'a>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind<'a> {
    Null,
    /// A number, true, false, NaN or Infinity as they stand; the content of a text.
    Scalar(Cow<'a, str>),
    List(Vec<Node<'a>>),
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

/// What is wrong, and where.
#[derive(Debug)]
pub(super) struct Malformed {
    pub(super) at: usize,
    pub(super) what: String,
}

/// Values within values; beyond it is no log.
const DEPTH: usize = 64;

/// Reads values one after another, apart by blanks or by nothing.
pub(super) struct Values<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Values<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        // A record separator begins each value in a JSON text sequence.
        while self.byte().is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x1e)) {
            self.at += 1;
        }
    }

    fn wrong<T>(&self, expected: &str) -> Result<T, Malformed> {
        let what = match self.text[self.at..].chars().next() {
            None => format!("the text ends where {expected} should be"),
            Some(c) => format!("`{c}` where {expected} should be"),
        };
        Err(Malformed { at: self.at, what })
    }

    fn value(&mut self, depth: usize) -> Result<Node<'a>, Malformed> {
        self.skip_blanks();
        let at = self.at;
        if depth == DEPTH {
            return Err(Malformed { at, what: format!("more than {DEPTH} values within each other") });
        }
        let kind = match self.byte() {
            Some(b'{') => {
                let mut entries = Vec::new();
                self.entries(b'}', "`,` or `}`", |values| {
                    let name = match values.byte() {
                        Some(b'"') => values.string()?,
                        _ => return values.wrong("a name in double quotes"),
                    };
                    values.skip_blanks();
                    if values.byte() != Some(b':') {
                        return values.wrong("`:`");
                    }
                    values.at += 1;
                    entries.push((name, values.value(depth + 1)?));
                    Ok(())
                })?;
                Kind::Object(entries)
            }
            Some(b'[') => {
                let mut list = Vec::new();
                self.entries(b']', "`,` or `]`", |values| {
                    list.push(values.value(depth + 1)?);
                    Ok(())
                })?;
                Kind::List(list)
            }
            Some(b'"') => Kind::Scalar(self.string()?),
            _ if depth == 0 && !self.begins_a_value() => {
                let line = self.text[at..].lines().next().unwrap_or_default();
                return Err(Malformed { at, what: format!("the line `{}`", quote(line.trim())) });
            }
            _ => self.word()?,
        };
        Ok(Node { at, kind })
    }

    /// What stands between brackets.
    fn entries(
        &mut self,
        close: u8,
        expected: &str,
        mut entry: impl FnMut(&mut Self) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        self.at += 1;
        self.skip_blanks();
        if self.byte() == Some(close) {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.skip_blanks();
            entry(self)?;
            self.skip_blanks();
            match self.byte() {
                Some(b',') => self.at += 1,
                Some(byte) if byte == close => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return self.wrong(expected),
            }
        }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Malformed> {
        let begin = self.at;
        let bytes = self.text.as_bytes();
        let mut end = begin + 1;
        loop {
            match bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => end += 2,
                None | Some(b'\n' | b'\r') => {
                    return Err(Malformed { at: begin, what: "a text without its closing quote".to_owned() });
                }
                Some(_) => end += 1,
            }
        }
        self.at = end + 1;
        let inner = &self.text[begin + 1..end];
        if !inner.contains('\\') {
            return Ok(Cow::Borrowed(inner));
        }
        match serde_json::from_str(&self.text[begin..=end]) {
            Ok(text) => Ok(Cow::Owned(text)),
            Err(_) => Err(Malformed { at: begin, what: "a text with a broken escape".to_owned() }),
        }
    }

    /// Whether a word stands here that is a value; text between values is a message of the program.
    fn begins_a_value(&self) -> bool {
        Self { ..*self }.word().is_ok()
    }

    /// A number, or one of a few words.
    fn word(&mut self) -> Result<Kind<'a>, Malformed> {
        let part = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        let rest = &self.text[self.at..];
        let word = &rest[..rest.find(|c| !part(c)).unwrap_or(rest.len())];
        let kind = match word {
            "null" => Kind::Null,
            "true" | "false" => Kind::Scalar(Cow::Borrowed(word)),
            _ if !word.is_empty() && is_number(word) => Kind::Scalar(Cow::Borrowed(word)),
            _ => return self.wrong("a value"),
        };
        self.at += word.len();
        Ok(kind)
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Result<Node<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.skip_blanks();
        let begin = self.at;
        self.byte()?;
        let value = self.value(0);
        Some(value.map_err(|error| {
            let cut_off = error.at >= self.text.len();
            self.at = self.text.len();
            // Where the text ends says nothing: what is cut off is the value that begins here.
            if cut_off { Malformed { at: begin, ..error } } else { error }
        }))
    }
}

impl<'a> Node<'a> {
    pub(super) fn entries(&self) -> Option<&[(Cow<'a, str>, Node<'a>)]> {
        match &self.kind {
            Kind::Object(entries) => Some(entries),
            _ => None,
        }
    }

    pub(super) fn items(&self) -> Option<&[Node<'a>]> {
        match &self.kind {
            Kind::List(items) => Some(items),
            _ => None,
        }
    }

    /// Neither list nor object.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.kind, Kind::Null | Kind::Scalar(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Node<'_>>, Malformed> {
        Values::new(text).collect()
    }

    /// Back to text, in the manner of serde_json; words that JSON has not in quotes.
    fn shown(node: &Node<'_>) -> serde_json::Value {
        match &node.kind {
            Kind::Null => serde_json::Value::Null,
            Kind::Scalar(text) => text.as_ref().into(),
            Kind::List(items) => items.iter().map(shown).collect(),
            Kind::Object(entries) => {
                serde_json::Value::Object(entries.iter().map(|(name, node)| (name.to_string(), shown(node))).collect())
            }
        }
    }

    #[test]
    fn values_are_read_with_their_places() {
        let text = "{\"a.b\": [1, -2.5e-3, NaN, -Infinity],\r\n \"c\": {\"d\": null, \"\\u00e9\\\"\": \
                    \"x\\\\\"}}\u{1e}\n\n[] 3";
        let values = read(text).expect("JSON");
        assert_eq!(values.iter().map(|value| value.at).collect::<Vec<_>>(), [0, 79, 82]);
        let expected = serde_json::json!({"a.b": ["1", "-2.5e-3", "NaN", "-Infinity"], "c": {"d": null, "é\"": "x\\"}});
        assert_eq!(shown(&values[0]), expected);
        assert_eq!((shown(&values[1]), shown(&values[2])), (serde_json::json!([]), "3".into()));
    }

    #[test]
    fn what_is_malformed_is_found() {
        for (text, at, part) in [
            ("{\"a\": 1,}", 8, "`}` where a name"),
            ("{'a': 1}", 1, "double quotes"),
            ("[1 2]", 3, "`2` where `,` or `]`"),
            ("1 {\"a\": \"b\n\"}", 8, "closing quote"),
            ("1 {\"a\": [", 2, "ends"),
            ("{\"a\": nul}", 6, "a value"),
            ("[\"\\x\"]", 1, "escape"),
            (&"[".repeat(100), 64, "64 values"),
            ("é", 0, "the line `é`"),
            ("{}\nTraining done.\n", 3, "the line `Training done.`"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.at == at && error.what.contains(part), "{text}: {error:?}");
        }
    }
}
