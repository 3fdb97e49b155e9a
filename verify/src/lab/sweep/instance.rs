//! The losses that a sweep runs on, and where its runs start.

use std::path::Path;
use std::sync::Arc;

use ratecheck::loss::{Drawing, Loss};
use ratecheck::network::{Network, NetworkError, Normalisation};
use ratecheck::parameters::norm_sq;
use ratecheck::random::{Seed, normals};
use serde::Serialize;

use super::outcome::hex_of;
use crate::lab::constants::l_gg_upper;
use crate::lab::problem::{Described, Entry, INSTANCES, Problem, ProblemError, SECTIONS, builtin};
use crate::text::plain::plain;

/// The keys of `[instance.NAME]`: those of a problem file may stand there themselves.
const KEYS: [&str; 8] = {
    let [a, b, c, d, e, _verify] = SECTIONS;
    ["builtin", "problem", "start", a, b, c, d, e]
};

/// Where a run starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// At the parameters of the problem, whatever the seed.
    Given,
    /// At a point drawn from the run's seed: a network's initialiser; on a closed form, every block in a random
    /// direction with the norm it has in the given point, and g as given.
    Drawn,
}

/// A loss with its starts.
#[derive(Clone, Debug)]
pub struct Instance {
    /// As the plan calls it.
    pub name: String,
    /// The normalisation, in the words of a plan; `closed-form` for one.
    pub normalisation: String,
    problem: Problem,
    start: Start,
    identity: Identity,
}

/// All that determines the loss and the start, apart from the seed.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Identity {
    /// A closed form by its name; its constants are part of the engine.
    closed_form: Option<String>,
    network: Option<Described>,
    /// Digests of the data with their labels, and of the given parameters where the start depends on them.
    data: Option<String>,
    theta: Option<String>,
    drawing: &'static str,
    n_examples: usize,
    batch_size: usize,
    start: Start,
}

fn digest(numbers: impl IntoIterator<Item = f64>) -> String {
    let bytes: Vec<u8> = numbers.into_iter().flat_map(|x| x.to_bits().to_le_bytes()).collect();
    hex_of(&bytes)
}

fn drawing(loss: &dyn Loss) -> &'static str {
    match loss.minibatches().drawing() {
        Drawing::Full => "full",
        Drawing::Partition => "partition", // in the order of the examples: a problem file knows no other
        Drawing::Subsets => "subsets",
    }
}

impl Instance {
    fn new(name: &str, problem: Problem, start: Start) -> Self {
        let loss = &*problem.loss;
        let (closed_form, network, data, normalisation) = match &problem.network {
            None => (Some(problem.name.clone()), None, None, "closed-form".to_owned()),
            Some(network) => {
                let described = Described::from(&**network);
                let data = digest(network.data().inputs().iter().chain(network.data().labels()).copied());
                let normalisation = described.normalisation_in_words();
                (None, Some(described), Some(data), normalisation)
            }
        };
        let needs_theta = start == Start::Given || closed_form.is_some();
        let identity = Identity {
            closed_form,
            network,
            data,
            theta: problem.theta.as_ref().filter(|_| needs_theta).map(|theta| digest(theta.iter().copied())),
            drawing: drawing(loss),
            n_examples: loss.minibatches().n_examples(),
            batch_size: loss.minibatches().batch_size(),
            start,
        };
        Self { name: name.to_owned(), normalisation, problem, start, identity }
    }

    /// A built-in instance as it is.
    pub(super) fn builtin(name: &str) -> Result<Self, String> {
        let problem = builtin(name)?;
        let start = if problem.network.is_none() { Start::Given } else { Start::Drawn };
        Ok(Self::new(name, problem, start))
    }

    /// `[instance.NAME]`.
    pub(super) fn read(name: &str, entry: &Entry<'_>, directory: &Path) -> Result<Self, ProblemError> {
        if INSTANCES.iter().any(|known| known.name == name) {
            return Err(entry.fault("is the name of a built-in instance", "choose a name of your own"));
        }
        if plain(name) != name {
            return Err(entry.fault("has characters in its name that cannot be shown", "choose another name"));
        }
        let section = entry.table(&KEYS)?;
        let refuse_others = |why: &str| {
            let mut others = KEYS.iter().filter(|key| !["builtin", "problem", "start"].contains(key));
            others.try_for_each(|other| section.refuse(other, why))
        };
        let problem = match (section.optional("builtin"), section.optional("problem")) {
            (Some(_), Some(file)) => return Err(file.fault("stands beside builtin", "give one or the other")),
            (Some(named), None) => {
                refuse_others("the instance is a built-in one")?;
                let options: Vec<(&str, &str)> = INSTANCES.iter().map(|known| (known.name, known.name)).collect();
                let chosen = named.choice(&options)?;
                builtin(chosen).map_err(|why| named.fault(why, "choose another instance"))?
            }
            (None, Some(file)) => {
                refuse_others("the problem file says it")?;
                Problem::read(&directory.join(file.text()?))?
            }
            (None, None) => Problem::in_section(&section, directory, name.to_owned())?,
        };
        let default = if problem.network.is_none() { Start::Given } else { Start::Drawn };
        let words = [("given", Start::Given), ("drawn", Start::Drawn)];
        let start = section.optional("start").map_or(Ok(default), |entry| entry.choice(&words))?;
        if start == Start::Given && problem.theta.is_none() {
            let remedy = "give [parameters], or start = \"drawn\"";
            return Err(section.fault("start", "there are no parameters to start from", remedy));
        }
        Ok(Self::new(name, problem, start))
    }

    /// The same network under another normalisation; `None` for a closed form.
    pub(super) fn normalised(&self, normalisation: Normalisation) -> Option<Result<Self, NetworkError>> {
        let network = self.network()?;
        Some(network.with_normalisation(normalisation).map(|network| {
            let network = Arc::new(network);
            let problem = Problem { loss: network.clone(), network: Some(network), ..self.problem.clone() };
            Self::new(&self.name, problem, self.start)
        }))
    }

    /// F_z and L.
    pub fn loss(&self) -> &dyn Loss {
        &*self.problem.loss
    }

    /// The same, if it is a network.
    pub fn network(&self) -> Option<&Network> {
        self.problem.network.as_deref()
    }

    /// Whether z is always all examples: gradient descent.
    pub fn is_full_batch(&self) -> bool {
        self.loss().minibatches().drawing() == Drawing::Full
    }

    /// Whether a seed changes anything.
    pub fn is_random(&self) -> bool {
        self.start == Start::Drawn || !self.is_full_batch()
    }

    /// Whether there is a g.
    pub fn has_g(&self) -> bool {
        !self.loss().parameters().g().is_empty()
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// theta_0 of the run with this seed.
    pub fn theta_0(&self, seed: &Seed) -> Vec<f64> {
        let mut generator = seed.generator("sweep/start");
        let given = || self.problem.theta.clone().unwrap_or_default();
        match (self.network(), self.start) {
            (_, Start::Given) => given(),
            (Some(network), Start::Drawn) => network.initialise(&mut generator),
            (None, Start::Drawn) => {
                let mut theta = given();
                for block in self.loss().parameters().blocks() {
                    let w = &mut theta[block.range.clone()];
                    let direction = normals(w.len(), 1.0, &mut generator);
                    let scale = (norm_sq(w) / norm_sq(&direction)).sqrt();
                    w.iter_mut().zip(direction).for_each(|(w, d)| *w = scale * d);
                }
                theta
            }
        }
    }

    /// L^gg: exact, or proved from above.
    pub(super) fn l_gg(&self) -> Result<f64, String> {
        // Lemma C.2 bounds g from its start on, which is the same for every seed.
        l_gg_upper(&Problem { theta: Some(self.theta_0(&Seed::new(0))), ..self.problem.clone() })
    }
}
