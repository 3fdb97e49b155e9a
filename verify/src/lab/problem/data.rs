//! `[data]` and `[minibatches]`: what the network is evaluated on.

use std::path::Path;

use ratecheck::data::{Dataset, Target, teacher};
use ratecheck::loss::Minibatches;
use ratecheck::random::Seed;

use super::document::{Entry, Section};
use super::error::ProblemError;
use super::labels::{Class, FIT_LABELS, Labels};
use super::{csv, images, numpy};
use crate::claim::instances::{ordered_digits, shuffle, shuffled_digits};
use crate::lab::budget;

pub(super) const KEYS: [&str; 14] = [
    "kind",
    "examples",
    "features",
    "classes",
    "noise",
    "seed",
    "file",
    "label",
    "inputs",
    "labels",
    "standardise",
    "directory",
    "part",
    "channels",
];

/// More inputs than this are a typing error, or need another tool.
const MOST_INPUTS: usize = 100_000_000;

#[derive(Clone, Copy)]
enum Kind {
    Digits,
    Teacher,
    Csv,
    NumPy,
    Images,
    Inline,
}

const KINDS: [(&str, Kind); 6] = [
    ("digits", Kind::Digits),
    ("teacher", Kind::Teacher),
    ("csv", Kind::Csv),
    ("numpy", Kind::NumPy),
    ("images", Kind::Images),
    ("inline", Kind::Inline),
];

impl Kind {
    /// The keys that mean something, beside `kind`.
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Digits => &["examples", "seed", "standardise"],
            Self::Teacher => &["examples", "features", "classes", "noise", "seed", "standardise"],
            Self::Csv => &["file", "features", "label", "classes", "examples", "seed", "standardise"],
            Self::NumPy => &["inputs", "labels", "file", "channels", "classes", "examples", "seed", "standardise"],
            Self::Images => &["directory", "part", "classes", "examples", "seed", "standardise"],
            Self::Inline => &["inputs", "labels", "standardise"],
        }
    }
}

/// Data, the classes that their labels were numbered as, and how many channels they have if they are images.
pub(super) struct Labelled {
    pub(super) data: Dataset,
    pub(super) classes: Vec<Class>,
    pub(super) channels: Option<usize>,
}

impl From<Dataset> for Labelled {
    fn from(data: Dataset) -> Self {
        Self { data, classes: Vec::new(), channels: None }
    }
}

/// Reads the section; `directory` is that of the problem file.
pub(super) fn read(section: &Section<'_>, directory: &Path, labels: Labels) -> Result<Labelled, ProblemError> {
    let entry =
        section.required("kind", "give \"inline\", \"csv\", \"numpy\", \"images\", \"teacher\" or \"digits\"")?;
    let kind = entry.choice(&KINDS)?;
    let own = kind.keys();
    for other in KEYS.iter().filter(|key| **key != "kind" && !own.contains(key)) {
        section.refuse(other, &format!("data of this kind have {}", own.join(", ")))?;
    }
    let standardise = Standardised::read(section)?;
    let read = match kind {
        Kind::Inline => inline(section, labels)?.into(),
        Kind::Csv => taken(section, csv::read(section, directory, labels)?)?,
        Kind::NumPy => taken(section, numpy::read(section, directory, labels)?)?,
        Kind::Images => taken(section, images::read(section, directory, labels)?)?,
        Kind::Teacher => known_labels(&entry, drawn(section)?, labels)?.into(),
        // All digits are standardised, whichever are taken then: the same as the built-in instance.
        Kind::Digits if standardise != Standardised::Channels => {
            return Ok(known_labels(&entry, digits(section, standardise == Standardised::Features)?, labels)?.into());
        }
        Kind::Digits => known_labels(&entry, digits(section, false)?, labels)?.into(),
    };
    let data = match (standardise, read.channels) {
        (Standardised::No, _) => read.data,
        (Standardised::Features, _) => read.data.standardised(),
        (Standardised::Channels, Some(n)) => read.data.standardised_channels(n),
        (Standardised::Channels, None) => {
            let remedy = "write standardise = true, which takes every feature for itself";
            return Err(section.fault("standardise", "asks for channels, and these data are no images", remedy));
        }
    };
    Ok(Labelled { data, ..read })
}

/// What is shifted and scaled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standardised {
    No,
    Features,
    Channels,
}

impl Standardised {
    /// `true`, `false`, or `"channels"`.
    fn read(section: &Section<'_>) -> Result<Self, ProblemError> {
        let Some(entry) = section.optional("standardise") else { return Ok(Self::No) };
        match entry.text() {
            Ok("channels") => Ok(Self::Channels),
            Ok(word) => Err(entry.fault(
                format!("\"{word}\" is not known"),
                "give true or false, without quotes, or \"channels\" for images",
            )),
            Err(_) => Ok(if entry.boolean()? { Self::Features } else { Self::No }),
        }
    }
}

/// As many examples as are asked for, in the order that a seed draws.
fn taken(section: &Section<'_>, read: Labelled) -> Result<Labelled, ProblemError> {
    let all = read.data.n_examples();
    let mut order: Vec<usize> = (0..all).collect();
    if let Some(seed) = section.optional("seed") {
        shuffle(&mut order, &mut Seed::new(seed.seed()?).generator("data/order"));
    }
    if let Some(entry) = section.optional("examples") {
        order.truncate(entry.count(1, all)?);
    }
    let data = if order.iter().copied().eq(0..all) { read.data } else { read.data.select(&order) };
    Ok(Labelled { data, ..read })
}

/// Labels that no one typed fit the objective or they do not, all of them.
pub(super) fn known_labels(entry: &Entry<'_>, data: Dataset, labels: Labels) -> Result<Dataset, ProblemError> {
    let refused = data.labels().iter().find_map(|&label| labels.check(label).err());
    refused.map_or(Ok(data), |why| Err(entry.fault(why, FIT_LABELS)))
}

fn digits(section: &Section<'_>, standardise: bool) -> Result<Dataset, ProblemError> {
    let all = match section.optional("seed") {
        Some(seed) => shuffled_digits(&Seed::new(seed.seed()?), standardise),
        None => ordered_digits(standardise).clone(),
    };
    let n = section.optional("examples").map_or(Ok(all.n_examples()), |entry| entry.count(1, all.n_examples()))?;
    Ok(all.first(n))
}

fn drawn(section: &Section<'_>) -> Result<Dataset, ProblemError> {
    let features = section.required("features", "give the number of features")?;
    let n_features = features.count(1, MOST_INPUTS)?;
    let target = match section.optional("classes") {
        // With labels 0..K-1. Two classes are not the same as the labels -1 and +1 that come without the key.
        Some(classes) => Target::Classes(classes.count(2, 1000)?),
        None => Target::Binary,
    };
    let least = if let Target::Classes(k) = target { k } else { 2 };
    let examples = section.required("examples", "give the number of examples")?;
    let n_examples = examples.count(least, MOST_INPUTS)?;
    if n_examples as u128 * n_features as u128 > MOST_INPUTS as u128 {
        return Err(examples.fault(
            format!("{n_examples} examples of {n_features} features are too many"),
            format!("at most {MOST_INPUTS} inputs are supported"),
        ));
    }
    // Drawn, and copied once where it is standardised.
    let bytes = 2 * size_of::<f64>() as u128 * n_examples as u128 * n_features as u128;
    let fits = budget::check(format!("{n_examples} examples of {n_features} features"), bytes);
    fits.map_err(|error| examples.fault(error.what, error.remedy))?;
    let noise = match section.optional("noise") {
        Some(entry) => match entry.at_least_zero()? {
            p if p <= 1.0 => p,
            p => return Err(entry.fault(format!("{p} is not a probability"), "give a number from 0 to 1")),
        },
        None => 0.0,
    };
    let seed = section.required("seed", "give the seed that the data are drawn from")?.seed()?;
    Ok(teacher(n_examples, n_features, target, noise, &mut Seed::new(seed).generator("teacher")))
}

fn inline(section: &Section<'_>, labels: Labels) -> Result<Dataset, ProblemError> {
    let shape = "give one array of features per example, as [[0.5, -1.0], [2.0, 0.25]]";
    let entry = section.required("inputs", shape)?;
    let rows = entry.items(shape)?;
    let mut examples: Vec<Vec<f64>> = Vec::with_capacity(rows.len());
    for row in &rows {
        // The first row decides how many features there are.
        let expected = examples.first().map(Vec::len);
        let what = format!("the features of example {}, as many as the first has", examples.len());
        examples.push(row.numbers(expected, &what)?);
    }
    let n_features = examples.first().map_or(0, Vec::len);
    if n_features == 0 {
        return Err(entry.fault("holds no numbers", shape));
    }
    let entries = section.required("labels", "give one label per example, in the order of the inputs")?;
    let values = entries.numbers(Some(examples.len()), "one label per example")?;
    for (label, at) in values.iter().zip(entries.items("")?) {
        labels.check(*label).map_err(|why| at.fault(why, FIT_LABELS))?;
    }
    let inputs = (0..n_features).flat_map(|j| examples.iter().map(move |example| example[j])).collect();
    Dataset::new(inputs, examples.len(), n_features, values)
        .map_err(|error| entry.fault(error.to_string(), "give finite numbers"))
}

pub(super) const BATCH_KEYS: [&str; 2] = ["kind", "batch-size"];

/// Reads `[minibatches]`; without the section z is all of the data.
pub(super) fn minibatches(section: Option<Section<'_>>, n_examples: usize) -> Result<Minibatches, ProblemError> {
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Kind {
        Full,
        Partition,
        Subsets,
    }
    const OPTIONS: [(&str, Kind); 3] =
        [("full", Kind::Full), ("partition", Kind::Partition), ("subsets", Kind::Subsets)];
    let Some(section) = section else { return Ok(Minibatches::full(n_examples)) };
    let kind = section.required("kind", "give \"full\", \"partition\" or \"subsets\"")?.choice(&OPTIONS)?;
    if kind == Kind::Full {
        section.refuse("batch-size", "the full batch has all examples")?;
        return Ok(Minibatches::full(n_examples));
    }
    let entry = section.required("batch-size", "give the number of examples of a minibatch")?;
    let size = entry.count(1, n_examples)?;
    let made = match kind {
        Kind::Subsets => Minibatches::subsets(n_examples, size),
        _ => Minibatches::partition((0..n_examples).collect(), size),
    };
    made.map_err(|error| entry.fault(error.to_string(), "change the batch size or the number of examples"))
}
