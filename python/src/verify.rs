//! `ratecheck.verify`: every statement that speaks of a loss, on one of Python.

use std::path::PathBuf;
use std::time::Instant;

use numpy::PyReadonlyArray1;
use pyo3::prelude::*;
use ratecheck_verify::claim::evidence::{Claim, Profile};
use ratecheck_verify::claim::results::{FORMAT, Results as Found, Verified};
use ratecheck_verify::claim::runner::{provenance, run_on_subject};
use ratecheck_verify::claim::subject::{Settings, Subject};
use ratecheck_verify::lab::inspect::inspect as inspected;
use ratecheck_verify::lab::problem::{MOST_RUNS, MOST_STEPS, Problem, nearest};
use ratecheck_verify::paper::claims::CLAIMS;
use sha2::{Digest, Sha256};

use crate::call::released;
use crate::errors::{input, internal};
use crate::loss::{Foreign, Loss};
use crate::results::Results;

/// The claims that speak of a loss: id, title, one plain sentence.
#[pyfunction]
pub(crate) fn claims() -> Vec<(&'static str, &'static str, &'static str)> {
    let of = |claim: &&dyn Claim| (claim.statement().id, claim.statement().title, claim.statement().plain);
    speaking().map(|claim| of(&claim)).collect()
}

fn speaking() -> impl Iterator<Item = &'static dyn Claim> {
    CLAIMS.iter().copied().filter(|claim| claim.on_subject().is_some())
}

fn selected(ids: Option<Vec<String>>) -> PyResult<Vec<&'static dyn Claim>> {
    let Some(ids) = ids else { return Ok(speaking().collect()) };
    for id in &ids {
        if speaking().any(|claim| claim.statement().id == id) {
            continue;
        }
        if CLAIMS.iter().any(|claim| claim.statement().id == id) {
            return Err(input(format!("claims: {id} does not speak of a loss that could be brought: leave it out")));
        }
        let meant = nearest(id, speaking().map(|claim| claim.statement().id));
        let hint = meant.map_or_else(String::new, |known| format!("; did you mean {known:?}?"));
        return Err(input(format!("claims: no claim is called {id:?}{hint} ratecheck.claims() shows them all")));
    }
    Ok(speaking().filter(|claim| ids.iter().any(|id| id == claim.statement().id)).collect())
}

/// What `verify` is told of the loss besides the loss.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct About {
    name: String,
    about: String,
    radius: Option<f64>,
    loss_min: Option<f64>,
    kinks: Option<String>,
}

/// And the rates and budgets.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Budget {
    eta_w: Vec<f64>,
    eta_g: Option<f64>,
    alphas: Vec<f64>,
    steps: Option<u64>,
    runs: usize,
}

impl Budget {
    fn settings(self) -> PyResult<Settings> {
        let Self { eta_w, eta_g, alphas, steps, runs } = self;
        if let Some(rate) = eta_w.iter().chain(&eta_g).find(|rate| !(**rate > 0.0 && rate.is_finite())) {
            return Err(input(format!("a learning rate of {rate}: give a finite number above 0")));
        }
        if let Some(alpha) = alphas.iter().find(|alpha| !(0.0..=0.5).contains(*alpha)) {
            return Err(input(format!("alphas: {alpha}: Theorem 4.2 is about exponents from 0 to 0.5")));
        }
        if eta_w.is_empty() || alphas.is_empty() {
            return Err(input("eta_w and alphas: give at least one of each"));
        }
        if steps.is_some_and(|steps| !(1..=MOST_STEPS as u64).contains(&steps)) {
            return Err(input(format!("steps: give a whole number from 1 to {MOST_STEPS}")));
        }
        if !(1..=MOST_RUNS).contains(&runs) {
            return Err(input(format!("runs: give a whole number from 1 to {MOST_RUNS}")));
        }
        Ok(Settings { eta_w, eta_g, alphas, steps, runs })
    }
}

fn profile_of(name: &str) -> PyResult<Profile> {
    let all = [Profile::Quick, Profile::Standard, Profile::Full];
    let found = all.into_iter().find(|profile| profile.name() == name);
    found.ok_or_else(|| input(format!("profile: {name:?}: give \"quick\", \"standard\" or \"full\"")))
}

/// A subject of the claims.
pub(crate) fn subject(loss: &Loss, theta: &[f64], about: &About) -> Subject {
    let mut subject = Subject::new(&*about.name, loss.inner.clone(), loss.inner.engine_order(theta));
    subject.radius = about.radius;
    subject.loss_min = about.loss_min;
    subject.kinks.clone_from(&about.kinks);
    subject
}

/// SHA-256 of what can be told of a loss from outside: its layout, how z is drawn, the start and the settings.
fn fingerprint(subject: &Subject) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{:?} {:?} {:?}", subject.layout(), subject.loss.minibatches(), subject.settings));
    subject.theta.iter().for_each(|x| hash.update(x.to_bits().to_le_bytes()));
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Runs the claims. `progress(id, k, n)` is called before each starts. Returns the results, and what interrupted them if
/// anything did: what was found until then is there.
#[pyfunction]
#[allow(clippy::too_many_arguments)] // what `ratecheck.verify` hands over
pub(crate) fn verify<'py>(
    py: Python<'py>,
    loss: &Loss,
    theta: PyReadonlyArray1<'py, f64>,
    about: About,
    budget: Budget,
    claims: Option<Vec<String>>,
    profile: &str,
    seed: u64,
    progress: Bound<'py, PyAny>,
) -> PyResult<(Results, Option<PyErr>)> {
    let (claims, profile) = (selected(claims)?, profile_of(profile)?);
    let mut subject = subject(loss, theta.as_slice()?, &about);
    subject.settings = budget.settings()?;
    let verified = Verified {
        name: about.name.clone(),
        arguments: Vec::new(),
        about: format!("{}; {}", about.about, subject.drawn()),
        fingerprint: fingerprint(&subject),
        parameters: subject.layout().len(),
        blocks: subject.layout().n_blocks(),
        settings: subject.settings.in_words(),
    };
    let run = Run { claims, seed, profile, verified, threads: 1 };
    run.all(py, &subject, Some(&loss.inner), &progress)
}

/// The same on the network of a problem file, or on a built-in instance, which the engine evaluates itself: with the
/// settings of the file.
#[pyfunction]
pub(crate) fn verify_problem<'py>(
    py: Python<'py>,
    path: PathBuf,
    claims: Option<Vec<String>>,
    profile: &str,
    seed: u64,
    progress: Bound<'py, PyAny>,
) -> PyResult<(Results, Option<PyErr>)> {
    let (claims, profile) = (selected(claims)?, profile_of(profile)?);
    let problem = Problem::read(&path).map_err(|error| input(error.to_string()))?;
    let subject = problem.subject();
    let subject = subject.ok_or_else(|| {
        input(format!(
            "{}: a scale-invariant block is 0 at the start: give [parameters] with weights that are not 0",
            path.display()
        ))
    })?;
    let verified = problem.verified(&subject, vec!["--problem".to_owned(), path.display().to_string()]);
    let run = Run { claims, seed, profile, verified, threads: rayon::current_num_threads() };
    run.all(py, &subject, None, &progress)
}

/// One problem at its point, as `ratecheck inspect --json` gives it.
#[pyfunction]
pub(crate) fn inspect(py: Python<'_>, path: PathBuf, dense_up_to: usize) -> PyResult<String> {
    let problem = Problem::read(&path).map_err(|error| input(error.to_string()))?;
    let found = released(py, None, || inspected(&problem, dense_up_to))?;
    let found = found.map_err(|error| input(format!("{}: {error}", path.display())))?;
    serde_json::to_string(&found).map_err(|error| internal(error.to_string()))
}

/// What is run.
struct Run {
    claims: Vec<&'static dyn Claim>,
    seed: u64,
    profile: Profile,
    verified: Verified,
    threads: usize,
}

impl Run {
    fn all(
        self,
        py: Python<'_>,
        subject: &Subject,
        foreign: Option<&Foreign>,
        progress: &Bound<'_, PyAny>,
    ) -> PyResult<(Results, Option<PyErr>)> {
        let Self { claims, seed, profile, verified, threads } = self;
        let begin = Instant::now();
        let ids = |claims: &[&dyn Claim]| claims.iter().map(|claim| claim.statement().id.to_owned()).collect();
        let mut results = Found {
            format: FORMAT,
            provenance: provenance(seed, profile, threads, Some(verified)),
            claims: Vec::new(),
            pending: ids(&claims),
            map: Vec::new(),
            errata: Vec::new(),
        };
        let mut stopped = None;
        for (k, claim) in claims.iter().enumerate() {
            let told = progress.call1((claim.statement().id, k, claims.len())).and_then(|_| py.check_signals());
            let run = || released(py, foreign, || run_on_subject(*claim, subject, seed, profile));
            match told.and_then(|()| run()) {
                Ok(found) => results.claims.extend(found),
                Err(error) => {
                    stopped = Some(error);
                    break;
                }
            }
            results.pending = ids(&claims[k + 1..]);
            results.provenance.seconds = begin.elapsed().as_secs_f64();
        }
        Ok((Results { found: results }, stopped))
    }
}
