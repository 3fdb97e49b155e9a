//! Problem files: a network, its data and its parameters in TOML, for [`crate::lab::inspect`] and the constants. The
//! format is described in `docs/problem-file.md`, with examples in `examples/problems/`.
//!
//! ```
//! use ratecheck::loss::{Formula, Loss, Over, Setting};
//! use ratecheck_verify::lab::problem::Problem;
//! let text = r#"
//!     [network]
//!     widths = [1, 1]
//!     normalisation = "smoothed-batch-norm"
//!     epsilon = 0.1
//!     objective = "logistic"
//!
//!     [data]
//!     kind = "inline"
//!     inputs = [[0.3], [-1.0], [0.8], [2.0]]
//!     labels = [1, -1, 1, -1]
//!
//!     [parameters]
//!     weights = [[[0.5]]]
//! "#;
//! let problem = Problem::parse(text, "one.toml".as_ref())?;
//! assert_eq!(problem.theta, Some(vec![0.5, 1.0, 0.0])); // w, gamma, beta
//!
//! let error = Problem::parse("[network]\nwidth = [1, 1]\n", "two.toml".as_ref()).unwrap_err();
//! assert_eq!(error.to_string(), "two.toml:2: network.width: unknown key; did you mean `widths`?");
//! # Ok::<(), ratecheck_verify::lab::problem::ProblemError>(())
//! ```

mod activation;
mod builtin;
mod csv;
mod data;
mod described;
mod document;
mod error;
mod images;
mod labels;
mod network;
mod normalisation;
mod npy;
mod numpy;
mod parameters;
mod values;
mod verification;

use std::path::Path;
use std::sync::Arc;

use ratecheck::curvature::{Exact, Smoothness};
use ratecheck::loss::Loss;
use ratecheck::network::Network;

use crate::claim::subject::Settings;
use crate::text::plain::plain;

pub use builtin::{Builtin, INSTANCES, builtin};
pub use described::{Described, DescribedLayer};
pub use error::{ProblemError, nearest};
pub use labels::Class;
use labels::Labels;
pub(crate) use values::remedy as remedy_of;
pub use verification::{MOST_RUNS, MOST_STEPS};

pub(crate) use document::{Document, Entry, Section, text_of};
pub(crate) use normalisation::{NORMALISATION_KEYS, normalisation, normalisation_in_a_word};

/// The sections of a problem file.
pub(crate) const SECTIONS: [&str; 6] = ["network", "data", "minibatches", "parameters", "domain", "verify"];
const DOMAIN_KEYS: [&str; 1] = ["radius"];

/// A loss, a point, and the domain of g: what a problem file or a built-in instance says.
#[derive(Clone, Debug)]
pub struct Problem {
    /// For tables: the name of the file without its extension, or of the instance.
    pub name: String,
    /// The loss.
    pub loss: Arc<dyn Loss>,
    /// The same, if it is a network of the engine.
    pub network: Option<Arc<Network>>,
    /// The classes that the data name, in the order of their numbers; none if labels are numbers themselves.
    pub classes: Vec<Class>,
    /// The parameters, if they are given.
    pub theta: Option<Vec<f64>>,
    /// K: g lies in the ball ||g|| <= K.
    pub radius: Option<f64>,
    /// The constants of section 2.4, where a closed form has them.
    pub exact: Option<Smoothness<Exact>>,
    /// A lower bound of the loss, where a closed form has one; that of a network is 0.
    pub loss_min: Option<f64>,
    /// What a verification is run with.
    pub settings: Settings,
}

impl Problem {
    /// Reads a problem file. Other files that it names are looked for beside it.
    ///
    /// # Errors
    /// If a file cannot be read, or something in it is not as `docs/problem-file.md` says.
    pub fn read(path: &Path) -> Result<Self, ProblemError> {
        let text = text_of(path, "give a problem file in TOML, as docs/problem-file.md describes it")?;
        Self::parse(&text, path)
    }

    /// The problem in the text of a problem file; `path` is shown in errors, and the files it names are beside it.
    ///
    /// # Errors
    /// As [`Problem::read`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ProblemError> {
        let document = Document { path, text };
        let table = document.parse()?;
        let root = Section::root(document, &table, &SECTIONS)?;
        let name =
            path.file_stem().map_or_else(|| "problem".to_owned(), |stem| plain(&stem.to_string_lossy()).into_owned());
        Self::in_section(&root, path.parent().unwrap_or_else(|| Path::new("")), name)
    }

    /// The problem whose sections are those of `root`; the files it names are looked for in `directory`.
    pub(crate) fn in_section(root: &Section<'_>, directory: &Path, name: String) -> Result<Self, ProblemError> {
        let network_of = root.section("network", &network::KEYS)?;
        let network_of = network_of.ok_or_else(|| root.missing("network", "describe the network in [network]"))?;
        let written = network::read(&network_of)?;
        let data_of = root.section("data", &data::KEYS)?;
        let data_of = data_of.ok_or_else(|| root.missing("data", "say in [data] what the network is evaluated on"))?;
        let (objective, outputs) = written.objective();
        let data::Labelled { data: dataset, classes, .. } =
            data::read(&data_of, directory, Labels { objective, outputs })?;
        let minibatches_of = root.section("minibatches", &data::BATCH_KEYS)?;
        let z = data::minibatches(minibatches_of.clone(), dataset.n_examples())?;
        let network = written.on(&network_of, dataset, z)?;
        let parameters_of = root.section("parameters", &parameters::KEYS)?;
        let theta = parameters_of.as_ref().map(|section| parameters::read(section, &network)).transpose()?;
        let sections = [Some(&network_of), minibatches_of.as_ref(), parameters_of.as_ref()];
        values::check(sections, &network, theta.as_deref())?;
        let radius = match root.section("domain", &DOMAIN_KEYS)? {
            Some(section) => Some(section.required("radius", "give K of ||g|| <= K")?.positive()?),
            None => None,
        };
        let settings = verification::read(root.section("verify", &verification::KEYS)?)?;
        let network = Arc::new(network);
        Ok(Self {
            name,
            loss: network.clone(),
            network: Some(network),
            classes,
            theta,
            radius,
            exact: None,
            loss_min: None,
            settings,
        })
    }
}
