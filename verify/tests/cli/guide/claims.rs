//! `docs/guide/claims.md`: rendered from the list of claims,
//! so that it can neither lack one nor say what is no longer so.

use std::path::Path;

use ratecheck_verify::claim::evidence::{Claim, Kind, Origin};
use ratecheck_verify::paper::claims::CLAIMS;
use ratecheck_verify::paper::manifest::{BEYOND, MANIFEST, homeless};

use super::page::root;

const INTRODUCTION: &str = "\
<!-- Rendered from the claims by the test `the_guide_explains_every_claim`, which says how to renew it. Do not edit. -->

# What each statement says, and how it is tested

In the order of the paper. `ratecheck explain CLAIM` adds to each its hypotheses, where its tolerance comes from, and \
the errata of the print;
`ratecheck list` shows the paper statement by statement, also what is checked under another name or not at all.

What counts as evidence depends on what kind of statement it is:

";

const BEYOND_INTRODUCTION: &str = "\
Theorems that come next: derived here, or stated by later papers, which each entry names. The paper does not state them.
";

/// What is asked of each kind of statement.
fn evidence(kind: Kind) -> &'static str {
    match kind {
        Kind::Identity => "both sides agree up to a counted number of roundings",
        Kind::Inequality => {
            "the left side is at most the right one on every run and step that is compared, with the explicit constants"
        }
        Kind::Expectation => "the mean over all paths, enumerated exactly or bounded with a stated confidence",
        Kind::Rate => {
            "the slope in T of independent runs, with an interval; one-sided where faster is no failure, two-sided \
             where the exponent is sharp"
        }
    }
}

/// Lines of at most 120 letters, as everywhere in the documents; what stands behind a list's mark keeps its indent.
fn wrapped(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let indent = if line.starts_with("- ") { "  " } else { "" };
        let mut length = 0;
        for (k, word) in line.split(' ').enumerate() {
            let letters = word.chars().count();
            // At the beginning of a line these would be a list or a heading.
            let mark = ["-", "+", "=", "#", ">"].contains(&word);
            if k > 0 && !mark && length + 1 + letters > 120 {
                out += &format!("\n{indent}");
                length = indent.len();
            } else if k > 0 {
                out.push(' ');
                length += 1;
            }
            out += word;
            length += letters;
        }
        out.push('\n');
    }
    out
}

pub(crate) fn every_claim_is_explained() {
    let path = root().join("docs/guide/claims.md");
    let rendered = wrapped(&render());
    if std::fs::read_to_string(&path).unwrap_or_default() != rendered {
        let new = Path::new(env!("CARGO_TARGET_TMPDIR")).join("claims.md");
        std::fs::write(&new, &rendered).unwrap();
        panic!("{} is not what the claims say; renew it: cp {} {}", path.display(), new.display(), path.display());
    }
    for claim in CLAIMS {
        assert!(rendered.contains(&format!("`{}`", claim.statement().id)));
    }
}

fn render() -> String {
    let mut text = INTRODUCTION.to_owned();
    for kind in [Kind::Identity, Kind::Inequality, Kind::Expectation, Kind::Rate] {
        text += &format!("- **{}**: {}.\n", kind.name(), evidence(kind));
    }
    let mut n_rendered = 0;
    for section in MANIFEST {
        let at_home = |claim: &&&dyn Claim| {
            section.statements.iter().any(|printed| printed.claims.contains(&claim.statement().id))
        };
        let claims: Vec<_> = CLAIMS.iter().filter(at_home).collect();
        if !claims.is_empty() {
            text += &format!("\n## {}\n", section.title);
        }
        n_rendered += claims.len();
        claims.into_iter().for_each(|claim| text += &entry(*claim));
    }
    let beyond: Vec<_> = homeless(CLAIMS).collect();
    assert_eq!(n_rendered + beyond.len(), CLAIMS.len(), "every claim has at most one home in the map of the paper");
    text += &format!("\n## {BEYOND}\n\n{BEYOND_INTRODUCTION}");
    for claim in CLAIMS.iter().filter(|claim| beyond.contains(&claim.statement().id)) {
        text += &entry(*claim);
    }
    text
}

fn entry(claim: &dyn Claim) -> String {
    let statement = claim.statement();
    let mut text = format!("\n### {}\n\n", statement.title);
    text += &format!(
        "`{}`, {}, {}. {}\n\n",
        statement.id,
        statement.kind.name(),
        statement.origin.label(),
        plain(statement.plain)
    );
    text += &format!("```text\n{}\n```\n\n", statement.formula);
    let place = if statement.origin == Origin::Later { "Source" } else { "Printed at" };
    text += &format!("- {place}: {}\n", plain(statement.printed_at));
    text += &format!("- Measured: {}\n", plain(statement.measured));
    text += "- Must be rejected: ";
    let controls = claim.controls();
    let controls = controls.iter().map(|control| format!("*{}* ({})", plain(control.name), plain(control.breaks)));
    text += &controls.collect::<Vec<_>>().join("; ");
    text + &format!("\n- A pass does not show {}\n", plain(statement.does_not_show))
}

/// Text in which Markdown finds nothing to mark.
fn plain(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, c| {
        if "\\`*_[]<>|".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
        escaped
    })
}

/// What the paper does not state is derived in the guide, too, with the way to the proof.
pub(crate) fn what_is_derived_here_is_explained() {
    let page = std::fs::read_to_string(root().join("docs/guide/mathematics.md")).unwrap();
    let derived: Vec<_> =
        CLAIMS.iter().map(|claim| claim.statement()).filter(|statement| statement.origin != Origin::Paper).collect();
    for statement in &derived {
        let file = statement.id.replace(['-', '.'], "_");
        for part in [format!("| `{}` |", statement.id), format!("](../../verify/src/paper/claims/{file}.rs)")] {
            assert!(page.contains(&part), "docs/guide/mathematics.md lacks {part}");
        }
    }
    assert_eq!(page.lines().filter(|line| line.starts_with("| `")).count(), derived.len());
}
