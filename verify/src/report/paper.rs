//! What the page says about the paper as a whole: its map, and its errata.

use serde::Serialize;

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
        Covering { id, anchor, status, label: status.map_or("not run", Status::label) }
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
                }
            })
            .collect(),
    });
    chapters.collect()
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
