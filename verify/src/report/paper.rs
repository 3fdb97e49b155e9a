//! What the page says about the paper as a whole: its map, and its errata.

use serde::Serialize;

use crate::claim::evidence::Origin;
use crate::claim::results::{ClaimResult, Results, Status};
use crate::paper::errata::{Entry, Reading, Standing};

/// A section of the map.
#[derive(Serialize)]
pub(super) struct Chapter<'a> {
    title: &'a str,
    statements: Vec<Statement<'a>>,
}

/// A cell of the map.
#[derive(Serialize)]
struct Statement<'a> {
    name: &'a str,
    gist: &'a str,
    excluded: Option<&'a str>,
    /// The status that the cell as a whole shows: the worst of its claims'; `none` where none was run.
    status: Option<Status>,
    claims: Vec<Covering<'a>>,
    /// Id and anchor of the errata that are printed there.
    errata: Vec<(&'a str, String)>,
}

/// A claim in a cell: linked if it was part of the run.
#[derive(Serialize)]
struct Covering<'a> {
    id: &'a str,
    anchor: Option<&'a str>,
    status: Option<Status>,
    label: &'static str,
}

/// The map, with a verdict for every claim of the run; `anchors` are those of the claims.
pub(super) fn map<'a>(results: &'a Results, anchors: &'a [String]) -> Vec<Chapter<'a>> {
    let find = |id: &str| results.claims.iter().position(|claim| claim.id == id);
    let covering = |id: &'a String| {
        let found = find(id);
        let status = found.map(|k| results.claims[k].status());
        let anchor = found.map(|k| anchors[k].as_str());
        Covering { id, anchor, status, label: found.map_or("not run", |k| results.claims[k].label()) }
    };
    let chapters = results.map.iter().map(|chapter| Chapter {
        title: &chapter.title,
        statements: chapter
            .statements
            .iter()
            .map(|place| {
                let claims: Vec<_> = place.claims.iter().map(covering).collect();
                Statement {
                    name: &place.name,
                    gist: &place.gist,
                    excluded: place.excluded.as_deref(),
                    status: claims.iter().filter_map(|claim| claim.status).max(),
                    claims,
                    errata: printed_there(results, &place.name),
                }
            })
            .collect(),
    });
    chapters.collect()
}

/// The errata whose place names what the statement is called.
fn printed_there<'a>(results: &'a Results, statement: &str) -> Vec<(&'a str, String)> {
    let names = numbered(statement);
    let there = results.errata.iter().filter(|entry| numbered(&entry.place).iter().any(|name| names.contains(name)));
    there.map(|entry| (entry.id.as_str(), anchor(entry))).collect()
}

/// The numbered statements and equations that a text names: `Lemmas B.2 and B.4, (23)` has `lemma B.2`, `lemma B.4` and
/// `(23)`.
fn numbered(text: &str) -> Vec<String> {
    let mut kind = String::new();
    let mut names = Vec::new();
    for word in text.split_whitespace().map(|word| word.trim_end_matches([',', ';', ':'])) {
        let numbers = word.contains('.') && word.ends_with(|c: char| c.is_ascii_digit());
        if word.starts_with('(') && word.ends_with(')') {
            names.push(word.to_owned());
        } else if numbers {
            names.push(format!("{kind} {word}"));
        } else if word != "and" {
            kind = word.trim_end_matches('s').to_lowercase();
        }
    }
    names
}

/// The claims of the run that no statement of the map names: title, source, the statement in a sentence, and the
/// verdict. None without a map.
pub(super) fn beyond<'a>(results: &'a Results, anchors: &'a [String]) -> Vec<Beyond<'a>> {
    if results.map.is_empty() {
        return Vec::new();
    }
    let mapped =
        |id: &String| results.map.iter().flat_map(|chapter| &chapter.statements).any(|s| s.claims.contains(id));
    let claims = results.claims.iter().zip(anchors).filter(|(claim, _)| !mapped(&claim.id));
    let one = |(claim, anchor): (&'a ClaimResult, &'a String)| Beyond {
        title: &claim.title,
        source: if claim.origin == Origin::Later { &claim.printed_at } else { claim.origin.label() },
        plain: &claim.plain,
        claim: Covering { id: &claim.id, anchor: Some(anchor), status: Some(claim.status()), label: claim.label() },
    };
    claims.map(one).collect()
}

/// A statement that is not in the paper.
#[derive(Serialize)]
pub(super) struct Beyond<'a> {
    title: &'a str,
    source: &'a str,
    plain: &'a str,
    claim: Covering<'a>,
}

/// An erratum, as the page lists it.
#[derive(Serialize)]
pub(super) struct Erratum<'a> {
    id: &'a str,
    anchor: String,
    place: &'a str,
    printed: &'a str,
    corrected: &'a str,
    standing: &'static str,
    /// Title and anchor of the claims of the run that it touches.
    claims: Vec<(&'a str, &'a str)>,
    setting: Option<&'a str>,
    /// Which reading, its formula, and the cells of [`Reading::cells`].
    readings: Vec<(&'static str, &'a str, [String; 4])>,
}

/// All errata.
pub(super) fn errata<'a>(results: &'a Results, anchors: &'a [String]) -> Vec<Erratum<'a>> {
    let touched = |entry: &Entry| {
        let claims = results.claims.iter().zip(anchors);
        claims
            .filter(|(claim, _)| entry.claims.contains(&claim.id))
            .map(|(c, a)| (c.title.as_str(), a.as_str()))
            .collect()
    };
    let reading = |which: &'static str, reading: &'a Reading| (which, reading.formula.as_str(), reading.cells());
    let one = |entry: &'a Entry| Erratum {
        id: &entry.id,
        anchor: anchor(entry),
        place: &entry.place,
        printed: &entry.printed,
        corrected: &entry.corrected,
        standing: entry.standing.label(),
        claims: touched(entry),
        setting: entry.example.as_ref().map(|example| example.setting.as_str()),
        readings: entry
            .example
            .iter()
            .flat_map(|example| [reading("printed", &example.printed), reading("corrected", &example.corrected)])
            .collect(),
    };
    results.errata.iter().map(one).collect()
}

/// How many errata have this grade.
pub(super) fn graded(results: &Results, grade: Standing) -> usize {
    results.errata.iter().filter(|entry| entry.standing == grade).count()
}

/// "; besides, 9 misprints, 5 ambiguous passages, 1 bound that is not tight"; nothing if there are none.
pub(super) fn doubted(results: &Results) -> String {
    let counted = |grade: Standing| {
        let n = graded(results, grade);
        let (one, many) = match grade {
            Standing::FalseAsPrinted => return None,
            Standing::Misprint => ("misprint", "misprints"),
            Standing::Ambiguous => ("ambiguous passage", "ambiguous passages"),
            Standing::NotTight => ("bound that is not tight", "bounds that are not tight"),
        };
        (n > 0).then(|| format!("{n} {}", if n == 1 { one } else { many }))
    };
    let parts: Vec<String> = Standing::ALL.into_iter().filter_map(counted).collect();
    if parts.is_empty() { String::new() } else { format!("; besides, {}", parts.join(", ")) }
}

/// The errata that touch a claim.
pub(super) fn of_claim<'a>(results: &'a Results, claim: &ClaimResult) -> impl Iterator<Item = &'a Entry> {
    results.errata.iter().filter(move |entry| entry.claims.contains(&claim.id))
}

/// The fragment name of an erratum.
pub(super) fn anchor(entry: &Entry) -> String {
    format!("erratum-{}", super::slug(&entry.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_and_equations_are_found_in_a_place() {
        assert_eq!(numbered("Lemmas B.2 and B.4, R"), ["lemma B.2", "lemma B.4"]);
        assert_eq!(
            numbered("sections 3.1 and 4.1, Theorems 3.1 and 4.2"),
            ["section 3.1", "section 4.1", "theorem 3.1", "theorem 4.2"]
        );
        assert_eq!(numbered("Lemma 3.2, (12)"), ["lemma 3.2", "(12)"]);
        assert_eq!(numbered("the proof of Lemma B.4, S_i"), ["lemma B.4"]);
        assert!(numbered("appendix A, the second identity").is_empty());
    }
}
