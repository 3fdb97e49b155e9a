//! What stands behind the table of a verification: every instance, control, premise and figure.

use super::text::{columns, heading};
use crate::claim::evidence::Standing;
use crate::claim::results::{ClaimResult, ControlOutcome, Results};
use crate::text::number;

/// A section a claim.
pub(super) fn details(results: &Results) -> String {
    results.claims.iter().map(section).collect()
}

fn section(claim: &ClaimResult) -> String {
    let title = format!("{} ({}, {}): {}", claim.title, claim.kind, claim.origin.label(), claim.label());
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut row = |cells: [&str; 4]| rows.push(cells.map(str::to_owned).to_vec());
    if let Some(setting) = &claim.reduced {
        row(["setting", "reduced", "", setting]);
    }
    for instance in &claim.instances {
        let (worst, failures) = (&instance.worst, instance.failures);
        let of = format!("{} comparisons", instance.count);
        let failed = if failures == 0 { String::new() } else { format!(", {failures} FAILED") };
        let margin = format!("margin {}{failed}", number::short(worst.margin));
        let part = if instance.part.is_own() { "instance" } else { "link" };
        row([part, &instance.name, &of, &margin]);
    }
    for control in &claim.controls {
        let outcome = match control.outcome {
            ControlOutcome::Rejected => "rejected",
            ControlOutcome::NotRejected => "NOT REJECTED",
            ControlOutcome::Broken => "BROKEN",
        };
        row(["control", &control.name, outcome, &control.detail]);
    }
    for hypothesis in &claim.hypotheses {
        let standing = match hypothesis.standing {
            Standing::Met => "met",
            Standing::Assumed => "assumed",
            Standing::NotMet => "NOT MET",
        };
        row(["premise", &hypothesis.name, standing, &hypothesis.detail]);
    }
    for observation in &claim.observations {
        let interval = observation
            .interval
            .map_or_else(String::new, |[low, high]| format!(" [{}, {}]", number::short(low), number::short(high)));
        row(["observed", &observation.name, &(number::short(observation.value) + &interval), &observation.note]);
    }
    format!("{}\n{}\n", heading(&title), columns(&rows, 4))
}
