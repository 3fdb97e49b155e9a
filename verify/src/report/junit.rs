//! JUnit XML, for continuous integration: one test case a claim.
//!
//! Only what the strictest common reader knows, the schema `junit-10.xsd` of Jenkins' xUnit plugin: no properties and
//! no number of assertions at a test case. What a claim measured stands in its `system-out`, a line each, where
//! reporters show it.

use std::fmt::Write as _;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::{ReportError, command, controls_cell, number, profile};
use crate::claim::results::{ClaimResult, Results, Status};
use crate::report::compare::Slope;

/// Three decimals are what reporters read.
const DECIMALS: usize = 3;

/// The whole file. A claim that fails or whose control passed is a failure; what could not be evaluated is an error;
/// what could not be decided is skipped.
pub(super) fn render(results: &Results) -> Result<String, ReportError> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    write(&mut writer, results).map_err(|source| ReportError::render("junit.xml", source))?;
    String::from_utf8(writer.into_inner()).map_err(|source| ReportError::render("junit.xml", source))
}

/// How a test case can end without having passed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failure,
    Error,
    Skipped,
}

impl Outcome {
    const fn of(status: Status) -> Self {
        match status {
            Status::Holds => Self::Passed,
            Status::Fails | Status::ControlNotRejected => Self::Failure,
            Status::ControlBroken | Status::Error => Self::Error,
            Status::Inconclusive | Status::NotApplicable => Self::Skipped,
        }
    }

    /// The element that says so.
    const fn element(self) -> Option<&'static str> {
        match self {
            Self::Passed => None,
            Self::Failure => Some("failure"),
            Self::Error => Some("error"),
            Self::Skipped => Some("skipped"),
        }
    }
}

fn write(writer: &mut Writer<Vec<u8>>, results: &Results) -> std::io::Result<()> {
    let provenance = &results.provenance;
    let count =
        |outcome| results.claims.iter().filter(|claim| Outcome::of(claim.status()) == outcome).count().to_string();
    let [tests, failures] = [results.claims.len().to_string(), count(Outcome::Failure)];
    let [errors, skipped] = [count(Outcome::Error), count(Outcome::Skipped)];
    let time = seconds(provenance.seconds);
    let totals =
        [("name", "ratecheck"), ("tests", &*tests), ("failures", &*failures), ("errors", &*errors), ("time", &*time)];
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    writer.create_element("testsuites").with_attributes(totals).write_inner_content(|writer| {
        let suite = writer.create_element("testsuite").with_attributes(totals);
        suite.with_attribute(("skipped", &*skipped)).write_inner_content(|writer| {
            writer.create_element("properties").write_inner_content(|writer| {
                let seed = provenance.seed.to_string();
                let properties = [
                    ("version", provenance.version.as_str()),
                    ("commit", provenance.commit.as_str()),
                    ("seed", &seed),
                    ("profile", profile(results)),
                ];
                for (name, value) in properties {
                    let attributes = [("name", name), ("value", &*printable(value))];
                    writer.create_element("property").with_attributes(attributes).write_empty()?;
                }
                Ok(())
            })?;
            results.claims.iter().try_for_each(|claim| case(writer, results, claim))
        })?;
        Ok(())
    })?;
    Ok(())
}

fn case(writer: &mut Writer<Vec<u8>>, results: &Results, claim: &ClaimResult) -> std::io::Result<()> {
    let [name, class] = [printable(&claim.id), printable(&format!("ratecheck.{}", claim.kind))];
    let time = seconds(claim.seconds);
    let attributes = [("name", &*name), ("classname", &*class), ("time", &*time)];
    writer.create_element("testcase").with_attributes(attributes).write_inner_content(|writer| {
        if let Some(element) = Outcome::of(claim.status()).element() {
            let message = printable(&claim.reason().unwrap_or_default());
            let attributes = [("message", &*message), ("type", claim.status().label())];
            let text = printable(&format!("{}\nreproduce: {}", claim.plain, command(results, Some(claim))));
            writer.create_element(element).with_attributes(attributes).write_text_content(BytesText::new(&text))?;
        }
        writer
            .create_element("system-out")
            .write_text_content(BytesText::new(&printable(&measured(results, claim))))?;
        Ok(())
    })?;
    Ok(())
}

/// What was found, a line each: `name: value`.
fn measured(results: &Results, claim: &ClaimResult) -> String {
    let mut lines = String::new();
    let mut line = |name: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{name}: {value}");
    };
    let comparisons = claim.instances.iter().map(|i| i.count).fold(0, u64::saturating_add);
    line("claim", &claim.id);
    line("seed", &results.provenance.seed.to_string());
    line("status", claim.status().label());
    if let Some(setting) = &claim.reduced {
        line("reduced setting", setting);
    }
    line("comparisons", &comparisons.to_string());
    line("margin", &claim.worst.as_ref().map_or_else(|| number::NONE.to_owned(), |w| number::exact(w.margin)));
    line("tightest", claim.worst.as_ref().map_or(number::NONE, |w| &w.at));
    line("controls", &controls_cell(claim));
    for Slope { name, value, interval: [low, high] } in Slope::of(claim) {
        line(&format!("slope: {name}"), &number::exact(value));
        line(&format!("interval: {name}"), &format!("[{}, {}]", number::exact(low), number::exact(high)));
    }
    for observation in claim.observations.iter().filter(|observation| observation.interval.is_none()) {
        line(&format!("observed: {}", observation.name), &number::exact(observation.value));
    }
    lines
}

/// Without the control characters that XML cannot hold, escaped or not.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c }).collect()
}

/// A time that came from a file may be anything.
fn seconds(seconds: f64) -> String {
    let seconds = if seconds.is_finite() { seconds.max(0.0) } else { 0.0 };
    format!("{seconds:.DECIMALS$}")
}
