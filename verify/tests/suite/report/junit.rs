//! The JUnit file: counts, what was measured, and the elements and attributes that the strictest reader allows.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use ratecheck_verify::claim::results::Status;

use super::{read, sample, well_formed, written};

#[test]
fn counts() {
    let results = sample::results();
    let (_dir, written) = written(&results);
    let xml = read(&written.junit);
    well_formed(&xml);
    let n = |status| results.count(status);
    assert_eq!(xml.matches("<testcase ").count(), results.claims.len());
    assert_eq!(xml.matches("<failure ").count(), n(Status::Fails) + n(Status::ControlNotRejected));
    assert_eq!(xml.matches("<error ").count(), n(Status::Error) + n(Status::ControlBroken));
    assert_eq!(xml.matches("<skipped ").count(), n(Status::Inconclusive) + n(Status::NotApplicable));
    let failures = format!("failures=\"{}\"", n(Status::Fails) + n(Status::ControlNotRejected));
    assert_eq!(xml.matches(&failures).count(), 2, "{xml}");
    assert!(xml.contains("<property name=\"seed\" value=\"7\"/>"), "{xml}");
}

/// What stands in a test case's output.
#[test]
fn every_claim_has_seed_margin_and_slopes() {
    let results = sample::results();
    let (_dir, written) = written(&results);
    let xml = read(&written.junit);
    for claim in &results.claims {
        let case = xml.split("<testcase ").find(|case| case.starts_with(&format!("name=\"{}\"", claim.id))).unwrap();
        let output = case.split("<system-out>").nth(1).unwrap().split("</system-out>").next().unwrap();
        let value =
            |name: &str| output.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).map(str::to_owned);
        assert_eq!(value("claim"), Some(claim.id.clone()));
        assert_eq!(value("seed"), Some("7".to_owned()));
        let margin = value("margin").unwrap();
        match &claim.worst {
            Some(worst) => assert_eq!(margin.parse::<f64>().unwrap().to_bits(), worst.margin.to_bits()),
            None => assert_eq!(margin, "—"),
        }
        for observation in &claim.observations {
            let (kind, other) =
                if observation.interval.is_some() { ("slope", "observed") } else { ("observed", "slope") };
            let name = &observation.name;
            let found: f64 = value(&format!("{kind}: {name}")).unwrap().parse().unwrap();
            assert!(found.to_bits() == observation.value.to_bits() || (found.is_nan() && observation.value.is_nan()));
            assert_eq!(value(&format!("{other}: {name}")), None);
            let interval = observation.interval.map(|[low, high]| format!("[{low}, {high}]"));
            assert_eq!(value(&format!("interval: {name}")), interval);
        }
    }
}

/// Element, where it may stand, and the attributes it may have, in the schema `junit-10.xsd` of Jenkins' xUnit plugin
/// (src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd); those that it demands are marked by `!`.
const SCHEMA: [(&str, &[&str], &[&str]); 9] = [
    ("testsuites", &[""], &["name", "time", "tests", "failures", "errors"]),
    (
        "testsuite",
        &["testsuites", "testsuite"],
        &[
            "name!",
            "tests!",
            "failures!",
            "errors!",
            "group",
            "time",
            "skipped",
            "timestamp",
            "hostname",
            "id",
            "package",
        ],
    ),
    ("properties", &["testsuite"], &[]),
    ("property", &["properties"], &["name!", "value!"]),
    ("testcase", &["testsuite"], &["name!", "time", "classname", "group"]),
    ("failure", &["testcase"], &["type", "message"]),
    ("error", &["testcase"], &["type", "message"]),
    ("skipped", &["testcase"], &["type", "message"]),
    ("system-out", &["testcase", "testsuite"], &[]),
];

fn allowed(tag: &BytesStart<'_>, inside: &str) {
    let name = String::from_utf8(tag.name().as_ref().to_vec()).unwrap();
    let (_, parents, attributes) =
        SCHEMA.iter().find(|(element, ..)| *element == name).unwrap_or_else(|| panic!("{name}"));
    assert!(parents.contains(&inside), "{name} in {inside}");
    let found: Vec<String> =
        tag.attributes().map(|a| String::from_utf8(a.unwrap().key.as_ref().to_vec()).unwrap()).collect();
    for attribute in &found {
        assert!(attributes.iter().any(|known| known.trim_end_matches('!') == attribute), "{attribute} of {name}");
    }
    for needed in attributes.iter().filter_map(|known| known.strip_suffix('!')) {
        assert!(found.iter().any(|attribute| attribute == needed), "{name} without {needed}");
    }
}

#[test]
fn nothing_that_the_schema_does_not_know() {
    let mut results = sample::results();
    // What XML cannot hold, in a text that came from a file.
    results.claims[0].plain.push_str("\u{0}\u{1b}[31m");
    results.claims[0].instances.clear();
    let (_dir, written) = written(&results);
    let xml = read(&written.junit);
    let mut reader = Reader::from_str(&xml);
    let mut open = vec![String::new()];
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) => {
                allowed(&tag, open.last().unwrap());
                open.push(String::from_utf8(tag.name().as_ref().to_vec()).unwrap());
            }
            Event::Empty(tag) => allowed(&tag, open.last().unwrap()),
            Event::End(_) => assert!(open.pop().is_some()),
            Event::Text(text) => assert!(!text.iter().any(|c| c.is_ascii_control() && !b"\n\t".contains(c))),
            Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(open, [""]);
}
