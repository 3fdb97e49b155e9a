//! Formulas as MathML, which browsers show without a script.

use pulldown_latex::config::{DisplayMode, RenderConfig};
use pulldown_latex::mathml::push_mathml;
use pulldown_latex::{Parser, Storage};

use super::ReportError;

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
    Ok(mathml)
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn what_is_no_formula_is_an_error() {
        assert!(display(r"\frac{1").is_err());
        assert!(display(r"\nosuchcommand").is_err());
    }
}
