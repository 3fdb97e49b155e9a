//! The coverage gate: the map of the paper, the list of claims and the numbering of the paper agree.

use std::collections::BTreeMap;

use ratecheck_verify::claim::evidence::Origin;
use ratecheck_verify::paper::claims::CLAIMS;
use ratecheck_verify::paper::manifest::{MANIFEST, homeless, statements};

fn ids() -> Vec<&'static str> {
    CLAIMS.iter().map(|claim| claim.statement().id).collect()
}

#[test]
fn every_statement_has_a_claim_that_exists() {
    let known = ids();
    for printed in statements() {
        let name = printed.name();
        let claims = printed.claims.len() + printed.also.len();
        assert!(claims > 0, "{name}: no claim");
        for id in printed.claims.iter().chain(printed.also) {
            assert!(known.contains(id), "{name}: there is no claim `{id}`");
        }
        assert!(printed.claims.iter().all(|id| !printed.also.contains(id)), "{name}: a claim twice");
        assert!(!printed.gist.is_empty() && !printed.label.is_empty(), "{name}");
    }
}

#[test]
fn every_claim_has_one_home_or_goes_beyond_the_paper() {
    let mut homes: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for printed in statements() {
        printed.claims.iter().for_each(|id| homes.entry(id).or_default().push(printed.name()));
    }
    for (id, homes) in homes {
        assert_eq!(homes.len(), 1, "`{id}` is at home at {homes:?}");
    }
    let beyond = |id: &&str| CLAIMS.iter().any(|c| c.statement().id == *id && c.statement().origin != Origin::Paper);
    let homeless: Vec<&str> = homeless(CLAIMS).filter(|id| !beyond(id)).collect();
    assert!(homeless.is_empty(), "no statement of the paper is home to {homeless:?}: see verify/src/manifest.rs");
}

#[test]
fn claims_are_unique_and_in_the_order_of_the_paper() {
    let listed = ids();
    let mapped: Vec<&str> = statements().flat_map(|printed| printed.claims).copied().collect();
    let in_map_order: Vec<&str> = mapped.into_iter().filter(|id| listed.contains(id)).collect();
    let at_home: Vec<&str> = listed.iter().copied().filter(|id| in_map_order.contains(id)).collect();
    assert_eq!(at_home, in_map_order, "CLAIMS (left) is not in the order of the map of the paper (right)");
    let mut unique = listed.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), listed.len(), "an id twice in {listed:?}");
}

/// The paper has equations (1) to (23), and numbers definitions, lemmas, theorems and remarks together,
/// section by section.
#[test]
fn the_numbering_of_the_paper_is_complete() {
    let equations: Vec<u32> = statements().flat_map(|printed| printed.equations).copied().collect();
    assert_eq!(equations, (1..=23).collect::<Vec<_>>());
    let kinds = ["Definition ", "Lemma ", "Theorem ", "Remark "];
    for (section, count) in [("2", 6), ("3", 2), ("4", 2), ("A", 2), ("B", 4), ("C", 3), ("D", 3)] {
        let chapter = MANIFEST.iter().find(|chapter| chapter.title.starts_with(section)).expect("the section is there");
        let number = |label: &'static str| -> Option<u32> {
            let named = kinds.iter().find_map(|kind| label.strip_prefix(kind)).unwrap_or(label);
            let number = named.strip_prefix(section)?.strip_prefix('.')?;
            number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        };
        let numbers: Vec<u32> = chapter.statements.iter().filter_map(|printed| number(printed.label)).collect();
        assert_eq!(numbers, (1..=count).collect::<Vec<_>>(), "section {section}");
    }
}
