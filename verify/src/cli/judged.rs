//! What `ratecheck inspect` says beside the numbers: the statements about a single point, judged there; effective
//! learning rates; and how much of each unit's variance is epsilon.

use ratecheck::loss::Workspace;
use ratecheck::network::Network;
use serde::Serialize;

use super::text::{columns, heading};
use super::verify::exit_of;
use super::{Claims, Exit};
use crate::claim::evidence::Profile;
use crate::claim::results::{ClaimResult, Status};
use crate::claim::runner::run_on_subject;
use crate::lab::inspect::Inspection;
use crate::lab::inspect::spectrum::Spectrum;
use crate::lab::problem::Problem;
use crate::text::number;

/// The statements that a single point decides.
const OF_A_POINT: [&str; 6] = [
    "definition-2.1",
    "section-2.1-gamma-beta",
    "lemma-2.2",
    "lemma-2.4.1",
    "euler-identities",
    "appendix-a-identities",
];

/// An inspection with its verdicts.
#[derive(Serialize)]
pub(super) struct Judged {
    #[serde(flatten)]
    pub(super) inspection: Inspection,
    /// Eigenvalues of the Hessian at theta~, if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) spectrum: Option<Spectrum>,
    verdicts: Vec<OfClaim>,
    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    unjudged: Option<String>,
    /// The learning rate that was given, and eta_w/||w_i||^2 of every block.
    #[serde(skip_serializing_if = "Option::is_none")]
    effective_rates: Option<Effective>,
    /// The share of epsilon in what units are divided by, squared; empty where there is no epsilon.
    epsilon_shares: Vec<Share>,
}

#[derive(Serialize)]
struct OfClaim {
    claim: String,
    verdict: Status,
    margin: Option<f64>,
    controls: usize,
    controls_rejected: usize,
    reason: Option<String>,
}

#[derive(Serialize)]
struct Effective {
    eta_w: f64,
    rates: Vec<f64>,
}

#[derive(Serialize)]
struct Share {
    layer: usize,
    units: [usize; 2],
    share: f64,
}

/// Judges the problem at its point.
pub(super) fn judge(problem: &Problem, inspection: Inspection, eta_w: Option<f64>, claims: Claims<'_>) -> Judged {
    let unjudged = too_long(inspection.blocks.len(), inspection.n_parameters, inspection.function.n_examples);
    let subject = problem.subject().filter(|_| unjudged.is_none());
    let found = claims.iter().filter(|claim| OF_A_POINT.contains(&claim.statement().id));
    let found = found.filter_map(|claim| run_on_subject(*claim, subject.as_ref()?, 0, Profile::Test));
    let verdicts = found.map(|found| of_claim(&found)).collect();
    let norms = &inspection.block_norms;
    let effective_rates =
        eta_w.map(|eta_w| Effective { eta_w, rates: norms.iter().map(|norm| eta_w / (norm * norm)).collect() });
    let epsilon_shares =
        problem.network.as_ref().map_or_else(Vec::new, |network| shares(network, &inspection.at_w.theta));
    Judged { inspection, spectrum: None, verdicts, unjudged, effective_rates, epsilon_shares }
}

/// Seconds for each block, parameter and example. Every block is turned and scaled in turn, and the whole network
/// evaluated in double-double. Measured on one core.
const EACH: f64 = 9.2e-8;

/// As many seconds are taken unasked.
const MOST: f64 = 45.0;

/// Why a point is not judged, if that would take longer.
fn too_long(blocks: usize, parameters: usize, examples: usize) -> Option<String> {
    let seconds = EACH * blocks as f64 * parameters as f64 * examples as f64;
    (seconds > MOST).then(|| {
        let minutes = number::short((seconds / 60.0).ceil());
        format!(
            "{blocks} blocks of together {parameters} parameters, on {examples} examples, would take some {minutes} \
             minutes; give fewer examples, or let `ratecheck verify --problem` judge it"
        )
    })
}

fn of_claim(found: &ClaimResult) -> OfClaim {
    OfClaim {
        claim: found.id.clone(),
        verdict: found.status(),
        margin: found.worst.as_ref().map(|worst| worst.margin),
        controls: found.controls.len(),
        controls_rejected: found.controls.iter().filter(|control| control.is_rejected()).count(),
        reason: found.reason(),
    }
}

fn shares(network: &Network, theta: &[f64]) -> Vec<Share> {
    let all: Vec<usize> = (0..network.data().n_examples()).collect();
    let found = network.epsilon_shares(&all, theta, &mut Workspace::default());
    found
        .into_iter()
        .map(|s| Share { layer: s.layer + 1, units: [s.units.start + 1, s.units.end], share: s.share })
        .collect()
}

impl Judged {
    /// The exit code: as of a verification.
    pub(super) fn exit(&self) -> Exit {
        exit_of(self.verdicts.iter().map(|verdict| verdict.verdict), false)
    }

    /// `5 of 6 statements hold`.
    pub(super) fn in_a_word(&self) -> String {
        if self.unjudged.is_some() {
            return "statements are not judged here".to_owned();
        }
        let hold = self.verdicts.iter().filter(|verdict| verdict.verdict == Status::Holds).count();
        format!("{hold} of {} statements hold here", self.verdicts.len())
    }

    /// The sections behind those of the inspection.
    pub(super) fn shown(&self, rows: usize) -> String {
        let mut text = self.spectrum.as_ref().map_or_else(String::new, eigenvalues);
        if let Some(Effective { eta_w, rates }) = &self.effective_rates {
            let name = |i: usize| self.inspection.blocks[i].name.clone();
            text +=
                &format!("\n{}\n", heading(&format!("Effective learning rates eta_w/||w_i||^2 for eta_w = {eta_w}")));
            let cells = |(i, rate): (usize, &f64)| vec![name(i), number::short(*rate)];
            text += &columns(&rates.iter().enumerate().take(rows).map(cells).collect::<Vec<_>>(), 1);
        }
        if !self.epsilon_shares.is_empty() {
            text += &format!("\n{}\n", heading("Share of epsilon in what a unit is divided by (squared)"));
            let cells = |share: &Share| {
                let [first, last] = share.units;
                let units = if first == last { format!("unit {first}") } else { format!("units {first} to {last}") };
                vec![format!("layer {}, {units}", share.layer), number::short(share.share)]
            };
            text += &columns(&self.epsilon_shares.iter().take(rows).map(cells).collect::<Vec<_>>(), 1);
        }
        text += &format!("\n{}\n", heading("Statements at this point (ratecheck verify has those about runs)"));
        if let Some(reason) = &self.unjudged {
            return text + &format!("not judged: {reason}\n");
        }
        let cells = |verdict: &OfClaim| {
            let margin = verdict.margin.map_or_else(|| number::NONE.to_owned(), number::short);
            let controls = format!("{}/{} controls rejected", verdict.controls_rejected, verdict.controls);
            vec![verdict.claim.clone(), verdict.verdict.label().to_owned(), format!("margin {margin}"), controls]
        };
        text += &columns(&self.verdicts.iter().map(cells).collect::<Vec<_>>(), 2);
        for verdict in &self.verdicts {
            if let Some(reason) = &verdict.reason {
                text += &format!("{}: {reason}\n", verdict.claim);
            }
        }
        text
    }
}

/// Both ends beside each other, and the density below.
fn eigenvalues(found: &Spectrum) -> String {
    let row = |cells: [&str; 5]| cells.map(str::to_owned).to_vec();
    let mut ends = vec![row(["", "largest", "residual", "smallest", "residual"])];
    for (k, (high, low)) in found.largest.iter().zip(&found.smallest).enumerate() {
        let cells = [high.value, high.residual, low.value, low.residual].map(number::short);
        ends.push([&[(k + 1).to_string()][..], &cells].concat());
    }
    let title = format!("Eigenvalues of the Hessian at theta~ ({} products)", found.products);
    let mut text = format!("\n{}\n{}", heading(&title), columns(&ends, 1));
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let mut spread = vec![["from", "to", "share of eigenvalues", "standard error"].map(str::to_owned).to_vec()];
    for bin in &found.density {
        let edges = [bin.low, bin.high].map(number::short);
        spread.push([&edges[..], &[percent(bin.share), percent(bin.error)]].concat());
    }
    text += &format!("\nHow they are spread, by Lanczos from {} random vectors\n", found.probes);
    text + &columns(&spread, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 20-50-10 takes five seconds; 784-100-10 took seven minutes, and 784-1000-10 would take a day.
    #[test]
    fn what_would_take_minutes_is_not_judged() {
        assert_eq!(too_long(60, 1620, 500), None);
        let said = too_long(110, 79_620, 500).unwrap_or_default();
        assert!(said.contains("some 7 minutes") && said.contains("fewer examples"), "{said}");
        assert!(too_long(usize::MAX, usize::MAX, 1).is_some());
    }
}
