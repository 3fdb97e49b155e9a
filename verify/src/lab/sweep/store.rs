//! The directory of a sweep: its cells, and the list of them.
//!
//! ```text
//! OUT/sweep.json      the plan and all its cells, whichever part of them is here
//! OUT/cells/KEY.cell  one finished run each, with its checksum
//! OUT/runs.*          the results, once all cells are there
//! ```

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::cell::Runs;
use super::error::SweepError;
use super::expect::Expect;
use super::outcome::{Damage, Outcome, decode, encode, hex_of};
use super::plan::Plan;
use super::quantity::Quantity;
pub use crate::text::Store;
use crate::text::{Kept, ReportError, number, pretty};

/// The version of `sweep.json` and of the results; it grows whenever a field changes its meaning.
pub const FORMAT: u32 = 1;

/// The list of cells.
const LIST: &str = "sweep.json";

/// What `sweep.json` holds: enough to make the results from the cells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The text of the plan.
    pub plan: String,
    /// What all runs have in common.
    pub runs: Runs,
    /// The columns of the results.
    pub record: Vec<Quantity>,
    /// Every run of the plan, in the order of the results.
    pub cells: Vec<Listed>,
    /// The rate that is expected of them; no part of lists that were made before there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
}

/// What a cell is run with, apart from its seed: in the list, the tables and the preview alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// As the plan calls it.
    pub instance: String,
    /// In the words of a plan.
    pub normalisation: String,
    /// In the words of a plan.
    pub rule: String,
    /// eta_w.
    pub eta_w: f64,
    /// The exponent of w's schedule.
    pub alpha: f64,
    /// What w's rate is multiplied by from step to step; 1 in lists that were made before there was one.
    #[serde(default = "one")]
    pub growth: f64,
    /// eta_g, where there is a g.
    pub eta_g: Option<f64>,
    /// The exponent of g's schedule.
    pub alpha_g: Option<f64>,
}

fn one() -> f64 {
    1.0
}

impl Setting {
    /// That of a cell of the plan.
    pub fn of(plan: &Plan, cell: &super::Cell) -> Self {
        let instance = &plan.instances[cell.instance];
        Self {
            instance: instance.name.clone(),
            normalisation: instance.normalisation.clone(),
            rule: cell.rule_in_words.clone(),
            eta_w: cell.eta_w.eta,
            alpha: cell.eta_w.alpha,
            growth: cell.eta_w.growth,
            eta_g: cell.eta_g.map(|rate| rate.eta),
            alpha_g: cell.eta_g.map(|rate| rate.alpha),
        }
    }

    /// The fields of a table, in the order of the names above; `none` where there is no g.
    pub fn fields(&self, none: &str) -> [String; 8] {
        let optional = |x: Option<f64>| x.map_or_else(|| none.to_owned(), number::exact);
        [
            self.instance.clone(),
            self.normalisation.clone(),
            self.rule.clone(),
            number::exact(self.eta_w),
            number::exact(self.alpha),
            number::exact(self.growth),
            optional(self.eta_g),
            optional(self.alpha_g),
        ]
    }
}

/// A cell in the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// The name of its file.
    pub key: String,
    /// What it is run with.
    #[serde(flatten)]
    pub setting: Setting,
    /// c_g, where it has set eta_g.
    pub c_g: Option<f64>,
    /// The run's seed, if chance plays a part.
    pub seed: Option<u64>,
}

impl Listed {
    /// For people: `problem-j, gradient, eta_w = 0.1, alpha = 0, eta_g = 0.5, seed 3`.
    pub fn described(&self) -> String {
        let of = &self.setting;
        let mut parts = vec![of.instance.clone()];
        if of.normalisation != "closed-form" {
            parts.push(of.normalisation.clone());
        }
        parts.extend([of.rule.clone(), format!("eta_w = {}", of.eta_w), format!("alpha = {}", of.alpha)]);
        parts.extend((of.growth != 1.0).then(|| format!("growth = {}", of.growth)));
        parts.extend(of.eta_g.map(|eta_g| format!("eta_g = {eta_g}")));
        parts.extend(of.alpha_g.filter(|&alpha| alpha != 0.0).map(|alpha| format!("alpha_g = {alpha}")));
        parts.extend(self.seed.map(|seed| format!("seed {seed}")));
        parts.join(", ")
    }
}

impl From<&Plan> for Manifest {
    fn from(plan: &Plan) -> Self {
        let listed = |cell: &super::Cell| Listed {
            key: cell.key.clone(),
            setting: Setting::of(plan, cell),
            c_g: cell.c_g,
            seed: cell.seed,
        };
        Self {
            format: FORMAT,
            plan: plan.text.clone(),
            runs: plan.runs.clone(),
            record: plan.record.clone(),
            cells: plan.cells.iter().map(listed).collect(),
            expect: plan.expect.clone(),
        }
    }
}

impl Manifest {
    /// The list in a directory.
    ///
    /// # Errors
    /// If it is not there, or not a list of this version.
    pub fn read(dir: &Path) -> Result<Self, SweepError> {
        let path = dir.join(LIST);
        let part = |what: String| {
            let remedy = "give a directory that `ratecheck sweep --out DIR` of this version has filled";
            SweepError::Part(format!("{} {what}; {remedy}", path.display()))
        };
        let bytes = std::fs::read(&path).map_err(|error| part(format!("cannot be read: {error}")))?;
        let found: Self =
            serde_json::from_slice(&bytes).map_err(|error| part(format!("is not a list of cells: {error}")))?;
        if found.format != FORMAT {
            return Err(part(format!("has format {}, and this version reads format {FORMAT}", found.format)));
        }
        Ok(found)
    }
}

/// Reads a cell: `None` if there is no file of that name.
///
/// # Errors
/// What is wrong with the file, if there is one that is not this cell.
pub fn read_cell(dir: &Path, key: &str) -> Result<Option<Outcome>, Damage> {
    Ok(read_bytes(dir, key)?.map(|(outcome, _)| outcome))
}

/// The same, with the bytes of the file.
pub(super) fn read_bytes(dir: &Path, key: &str) -> Result<Option<(Outcome, Vec<u8>)>, Damage> {
    file_of(dir, key)?.map(|bytes| decode(&bytes, key).map(|outcome| (outcome, bytes))).transpose()
}

/// The file of a cell, if there is one of that name.
pub(crate) fn file_of(dir: &Path, key: &str) -> Result<Option<Vec<u8>>, Damage> {
    Kept::Cells.file(dir, key)
}

impl Store {
    /// Writes the list of cells, if it is another one than before.
    pub(super) fn list(&self, manifest: &Manifest) -> Result<(), SweepError> {
        let text = pretty(manifest).map_err(|error| ReportError::render(LIST, error))?;
        self.write_if_new(LIST, &text)?;
        Ok(())
    }

    /// Writes a finished cell.
    pub(super) fn keep(&self, key: &str, identity: &str, outcome: &Outcome) -> Result<(), SweepError> {
        debug_assert_eq!(hex_of(identity.as_bytes()), key);
        self.keep_bytes(key, &encode(identity, outcome))?;
        Ok(())
    }
}
