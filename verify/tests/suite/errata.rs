//! Every erratum in numbers, and the committed file.

use std::collections::BTreeSet;
use std::path::Path;

use ratecheck_verify::paper::claims::CLAIMS;
use ratecheck_verify::paper::errata::{COMMAND, ERRATA, FILE, Standing, entries, markdown};

#[test]
fn the_printed_reading_fails_and_the_corrected_one_holds() {
    for erratum in ERRATA {
        let Some(example) = erratum.example else {
            assert_ne!(erratum.standing, Standing::FalseAsPrinted, "{} is said to be false, by no numbers", erratum.id);
            continue;
        };
        let example = example().expect("the example can be evaluated");
        for reading in [&example.printed, &example.corrected] {
            let numbers = [reading.left, reading.right, reading.rounding];
            assert!(numbers.iter().all(|x| x.is_finite()), "{}: {reading:?}", erratum.id);
        }
        assert!(!example.printed.holds(), "{}: the printed reading holds: {:?}", erratum.id, example);
        assert!(example.corrected.holds(), "{}: the corrected reading fails: {:?}", erratum.id, example);
    }
}

#[test]
fn the_table_is_in_order_and_names_claims_that_exist() {
    let ids: Vec<String> = (1..=ERRATA.len()).map(|k| format!("E{k}")).collect();
    assert_eq!(ERRATA.iter().map(|erratum| erratum.id).collect::<Vec<_>>(), ids);
    let claims: BTreeSet<&str> = CLAIMS.iter().map(|claim| claim.statement().id).collect();
    for erratum in ERRATA {
        for id in erratum.claims {
            assert!(claims.contains(id), "{} touches `{id}`, which is no claim", erratum.id);
        }
    }
}

#[test]
fn the_committed_file_is_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(FILE);
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let rendered = markdown(&entries().expect("the examples can be evaluated"));
    let differs = committed.lines().zip(rendered.lines()).find(|(old, new)| old != new);
    assert!(committed == rendered, "{FILE} is stale ({differs:?}); renew it with: {COMMAND}");
}
