//! `[verify]`: the rates and budgets of `ratecheck verify --problem`, and the subject that it measures.

use std::sync::Arc;

use ratecheck::network::Network;
use ratecheck::parameters::norm_sq;
use ratecheck::random::Seed;
use sha2::{Digest, Sha256};

use super::document::{Entry, Section};
use super::{Described, Problem, ProblemError};
use crate::claim::results::Verified;
use crate::claim::subject::{Settings, Subject};

pub(super) const KEYS: [&str; 5] = ["eta-w", "eta-g", "alphas", "steps", "seeds"];

/// Reads the section; what is missing keeps its default.
pub(super) fn read(section: Option<Section<'_>>) -> Result<Settings, ProblemError> {
    let mut settings = Settings::default();
    let Some(section) = section else { return Ok(settings) };
    let several = |name: &str, read: &dyn Fn(&Entry<'_>) -> Result<f64, ProblemError>| {
        let Some(entry) = section.optional(name) else { return Ok(None) };
        let numbers: Vec<f64> = entry.one_or_many()?.iter().map(read).collect::<Result<_, _>>()?;
        if numbers.is_empty() {
            return Err(entry.fault("is empty", "give at least one number, or leave the key out"));
        }
        Ok(Some(numbers))
    };
    if let Some(rates) = several("eta-w", &|entry| entry.positive())? {
        settings.eta_w = rates;
    }
    let alpha = |entry: &Entry<'_>| {
        let alpha = entry.number()?;
        if (0.0..=0.5).contains(&alpha) {
            return Ok(alpha);
        }
        Err(entry.fault(format!("{alpha} is outside [0, 1/2]"), "Theorem 4.2 is about exponents from 0 to 0.5"))
    };
    if let Some(alphas) = several("alphas", &alpha)? {
        settings.alphas = alphas;
    }
    settings.eta_g = section.optional("eta-g").map(|entry| entry.positive()).transpose()?;
    settings.steps = section.optional("steps").map(|entry| entry.count(1, MOST_STEPS)).transpose()?.map(|t| t as u64);
    if let Some(entry) = section.optional("seeds") {
        settings.runs = entry.count(1, MOST_RUNS)?;
    }
    Ok(settings)
}

/// More steps than this are days of work.
pub const MOST_STEPS: usize = 1_000_000_000;
/// More runs than this are days of work.
pub const MOST_RUNS: usize = 100_000;

impl Problem {
    /// A network in a line.
    fn in_words(&self, network: &Network) -> String {
        let described = Described::from(network);
        let widths: Vec<String> = described.widths.iter().map(usize::to_string).collect();
        let activation = described.activation.map_or_else(String::new, |name| format!(", {name}"));
        format!("{}, {}{activation}, {}", widths.join("-"), described.normalisation_in_words(), described.objective)
    }

    /// SHA-256 of all that determines what is measured at theta, the flags apart.
    fn fingerprint(&self, theta: &[f64]) -> String {
        let z = self.loss.minibatches();
        let described = self.network.as_ref().map(|network| format!("{:?}", network.layers()));
        let mut bytes = format!("{}{described:?}{z:?}{:?}{:?}", self.name, self.radius, self.settings).into_bytes();
        let data =
            self.network.iter().flat_map(|network| network.data().inputs().iter().chain(network.data().labels()));
        bytes.extend(theta.iter().chain(data).flat_map(|x| x.to_bits().to_le_bytes()));
        Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What a verification of `subject`, which is this problem's, says of it; `arguments` bring it again.
    pub fn verified(&self, subject: &Subject, arguments: Vec<String>) -> Verified {
        let described =
            self.network.as_ref().map_or_else(|| "a closed form".to_owned(), |network| self.in_words(network));
        Verified {
            name: self.name.clone(),
            arguments,
            about: format!("{described}; {}", subject.drawn()),
            fingerprint: self.fingerprint(&subject.theta),
            parameters: subject.layout().len(),
            blocks: subject.layout().n_blocks(),
            settings: subject.settings.in_words(),
        }
    }

    /// What `verify --problem` measures: the loss at the parameters of the problem, or where they are not given at a
    /// start drawn from the seed 0. Nothing if a block is 0 there, or there is neither.
    pub fn subject(&self) -> Option<Subject> {
        let theta = match (&self.theta, &self.network) {
            (Some(theta), _) => theta.clone(),
            (None, Some(network)) => network.initialise(&mut Seed::new(0).generator("start")),
            (None, None) => return None,
        };
        let mut subject = match &self.network {
            Some(network) => Subject::of_network(self.name.clone(), Arc::clone(network), theta),
            None => Subject::new(self.name.clone(), Arc::clone(&self.loss), theta),
        };
        let blocks = subject.loss.parameters().blocks();
        if blocks.iter().any(|block| norm_sq(&subject.theta[block.range.clone()]) == 0.0) {
            return None;
        }
        subject.radius = self.radius;
        subject.exact = self.exact.clone();
        subject.loss_min = subject.loss_min.or(self.loss_min);
        subject.settings = self.settings.clone();
        Some(subject)
    }
}
