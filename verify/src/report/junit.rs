//! JUnit XML, for continuous integration: one test case a claim.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{ReportError, command, controls_cell, number, profile};
use crate::claim::results::{ClaimResult, Results, Status};
use crate::report::compare::Slope;

/// The whole file. A claim that fails or whose control passed is a failure; what could not be evaluated is an error;
/// what could not be decided is skipped.
pub(super) fn render(results: &Results) -> Result<String, ReportError> {
    let provenance = &results.provenance;
    let mut suite = TestSuite::new("ratecheck");
    suite.set_time(duration(provenance.seconds));
    suite.add_property(("version", provenance.version.as_str()));
    suite.add_property(("commit", provenance.commit.as_str()));
    suite.add_property(("seed", provenance.seed.to_string().as_str()));
    suite.add_property(("profile", profile(results)));
    suite.add_test_cases(results.claims.iter().map(|claim| case(results, claim)));
    let mut report = Report::new("ratecheck");
    report.set_time(duration(provenance.seconds));
    report.add_test_suite(suite);
    report.to_string().map_err(|source| ReportError::render("junit.xml", source))
}

fn case(results: &Results, claim: &ClaimResult) -> TestCase {
    let status = claim.status();
    let mut outcome = match status {
        Status::Holds => TestCaseStatus::success(),
        Status::Fails | Status::ControlNotRejected => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Status::ControlBroken | Status::Error => TestCaseStatus::non_success(NonSuccessKind::Error),
        Status::Inconclusive | Status::NotApplicable => TestCaseStatus::skipped(),
    };
    outcome.set_type(status.label());
    if let Some(reason) = claim.reason() {
        outcome.set_message(reason);
        outcome.set_description(format!("{}\nreproduce: {}", claim.plain, command(results, Some(claim))));
    }
    let mut case = TestCase::new(claim.id.as_str(), outcome);
    case.set_classname(format!("ratecheck.{}", claim.kind));
    case.set_time(duration(claim.seconds));
    let comparisons = claim.instances.iter().map(|i| i.count).fold(0, u64::saturating_add);
    case.set_assertions(usize::try_from(comparisons).unwrap_or(usize::MAX));
    let mut property = |name: &str, value: &str| {
        case.add_property((name, value));
    };
    property("claim", &claim.id);
    property("seed", &results.provenance.seed.to_string());
    property("margin", &claim.worst.as_ref().map_or_else(|| number::NONE.to_owned(), |w| number::exact(w.margin)));
    property("tightest", claim.worst.as_ref().map_or(number::NONE, |w| &w.at));
    property("status", status.label());
    property("controls", &controls_cell(claim));
    for Slope { name, value, interval: [low, high] } in Slope::of(claim) {
        property(&format!("slope: {name}"), &number::exact(value));
        property(&format!("interval: {name}"), &format!("[{}, {}]", number::exact(low), number::exact(high)));
    }
    for observation in claim.observations.iter().filter(|observation| observation.interval.is_none()) {
        property(&format!("observed: {}", observation.name), &number::exact(observation.value));
    }
    case
}

/// A time that came from a file may be anything.
fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
