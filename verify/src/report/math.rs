//! Formulas as MathML, which browsers show without a script.

use pulldown_latex::config::{DisplayMode, RenderConfig};
use pulldown_latex::mathml::push_mathml;
use pulldown_latex::{Parser, Storage};

use super::ReportError;
use crate::claim::results::Results;

/// One displayed formula.
pub(super) fn display(latex: &str) -> Result<String, ReportError> {
    let failed = |e: String| ReportError::formula(latex, e.lines().next().unwrap_or_default());
    let storage = Storage::new();
    // The renderer would put an error into the page; it is wanted here.
    let events = Parser::new(latex, &storage).collect::<Result<Vec<_>, _>>().map_err(|e| failed(e.to_string()))?;
    let config = RenderConfig { display_mode: DisplayMode::Block, ..RenderConfig::default() };
    let mut mathml = String::new();
    push_mathml(&mut mathml, events.into_iter().map(Ok::<_, std::fmt::Error>), config)
        .map_err(|e| failed(e.to_string()))?;
    Ok(strict(&mathml))
}

/// Whether all formulas of results that were read can be rendered.
///
/// # Errors
/// The first that cannot.
pub fn check_formulas(results: &Results) -> Result<(), ReportError> {
    results.claims.iter().flat_map(|claim| &claim.latex).try_for_each(|latex| display(latex).map(drop))
}

/// What the renderer leaves to the leniency of browsers, as a strict reader wants it: a space between two attributes,
/// and the operators `<`, `>` and `&` escaped.
fn strict(mathml: &str) -> String {
    let mut clean = String::with_capacity(mathml.len());
    // Inside a tag, and there inside a quoted value.
    let (mut tag, mut quoted) = (false, false);
    let mut rest = mathml.chars().peekable();
    while let Some(c) = rest.next() {
        let next = rest.peek().copied().unwrap_or(' ');
        match c {
            '"' if tag => {
                clean.push(c);
                quoted = !quoted;
                if !quoted && next.is_alphanumeric() {
                    clean.push(' ');
                }
            }
            '<' if !(tag || next.is_ascii_alphabetic() || next == '/') => clean.push_str("&lt;"),
            '>' if !tag => clean.push_str("&gt;"),
            '&' if !(tag || next.is_ascii_alphabetic() || next == '#') => clean.push_str("&amp;"),
            _ => {
                tag = (tag && (quoted || c != '>')) || (!tag && c == '<');
                clean.push(c);
            }
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use quick_xml::events::Event;

    use super::*;
    use crate::paper::claims::CLAIMS;

    #[test]
    fn every_claim_has_formulas_that_render() {
        for claim in CLAIMS {
            let statement = claim.statement();
            assert!(!statement.latex.is_empty(), "{}", statement.id);
            for latex in statement.latex {
                let mathml = display(latex).expect(statement.id);
                // No command is left over, in letters or as text.
                let clean = mathml.starts_with("<math display=\"block\">") && mathml.ends_with("</math>");
                assert!(clean && !mathml.contains('\\') && !mathml.contains("merror"), "{}: {mathml}", statement.id);
            }
        }
    }

    /// Every tag is closed, and every attribute stands by itself: what XML demands, and HTML's parser calls an error
    /// otherwise.
    #[test]
    fn formulas_are_well_formed() {
        for latex in CLAIMS.iter().flat_map(|claim| claim.statement().latex).chain(&[r"a < b > c, \Bigl(x\Bigr) \& 1"])
        {
            let mathml = display(latex).expect(latex);
            let mut reader = quick_xml::Reader::from_str(&mathml);
            loop {
                match reader.read_event().unwrap_or_else(|e| panic!("{e}: {mathml}")) {
                    Event::Start(tag) | Event::Empty(tag) => {
                        assert!(tag.attributes().all(|attribute| attribute.is_ok()), "{mathml}");
                        let text = String::from_utf8_lossy(&tag).into_owned();
                        let ends = text.match_indices('"').skip(1).step_by(2).map(|(at, _)| &text[at + 1..]);
                        assert!(ends.clone().all(|after| after.is_empty() || after.starts_with([' ', '/'])), "{text}");
                    }
                    Event::Text(text) => assert!(!text.contains(&b'>'), "{mathml}"),
                    Event::Eof => break,
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn what_is_no_formula_is_an_error() {
        assert!(display(r"\frac{1").is_err());
        assert!(display(r"\nosuchcommand").is_err());
    }
}
