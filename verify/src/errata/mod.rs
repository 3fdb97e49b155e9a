//! The errata of the paper, as data: one table, [`ERRATA`], from which `ERRATA.md` and the page are rendered.
//!
//! An erratum that matters carries an example: concrete numbers for which the printed reading fails and the corrected one
//! holds. Both are computed, never written down.

mod descent;
mod framework;
mod markdown;
mod smoothness;
mod stochastic;
mod table;

use serde::{Deserialize, Serialize};

pub use markdown::{COMMAND, FILE, markdown};
pub use table::ERRATA;

use crate::evidence::Unevaluated;
use crate::report::number;

/// How it is known that the print is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Using the print would give something false, or needlessly weak; shown by numbers.
    Confirmed,
    /// A step of a proof does not hold as printed, while its conclusion does.
    Derived,
    /// A slip that a reader corrects in passing.
    Typo,
}

impl Standing {
    /// In words.
    pub fn label(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed by numbers",
            Self::Derived => "a step of the proof",
            Self::Typo => "a slip",
        }
    }
}

/// One erratum.
#[derive(Debug)]
pub struct Erratum {
    /// `E5`.
    pub id: &'static str,
    /// Where it is printed.
    pub place: &'static str,
    /// What is printed.
    pub printed: &'static str,
    /// What it must be.
    pub corrected: &'static str,
    /// How it is known.
    pub standing: Standing,
    /// The ids of the claims that it touches.
    pub claims: &'static [&'static str],
    /// Numbers for which the print fails.
    pub example: Option<fn() -> Result<Example, Unevaluated>>,
}

/// How the two sides of a reading are said to relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// left <= right.
    AtMost,
    /// left = right.
    Equal,
}

/// A formula, read one way, in numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The formula, in symbols.
    pub formula: String,
    /// Its left-hand side.
    #[serde(with = "crate::real")]
    pub left: f64,
    /// What it says.
    pub relation: Relation,
    /// Its right-hand side.
    #[serde(with = "crate::real")]
    pub right: f64,
    /// Room for rounding.
    #[serde(with = "crate::real")]
    pub rounding: f64,
}

impl Reading {
    /// `formula` says left <= right, up to `rounding`.
    pub fn at_most(formula: impl Into<String>, left: f64, right: f64, rounding: f64) -> Self {
        Self { formula: formula.into(), left, relation: Relation::AtMost, right, rounding }
    }

    /// `formula` says left = right, up to `rounding`.
    pub fn equal(formula: impl Into<String>, left: f64, right: f64, rounding: f64) -> Self {
        Self { formula: formula.into(), left, relation: Relation::Equal, right, rounding }
    }

    /// Whether it is true. NaN is not.
    ///
    /// ```
    /// use ratecheck_verify::errata::Reading;
    /// assert!(Reading::at_most("a ≤ b", 1.0, 2.0, 0.0).holds());
    /// assert!(!Reading::equal("a = b", 1.0, 2.0, 0.5).holds());
    /// assert!(!Reading::at_most("a ≤ b", f64::NAN, 2.0, 0.0).holds());
    /// ```
    pub fn holds(&self) -> bool {
        match self.relation {
            Relation::AtMost => self.left <= self.right + self.rounding,
            Relation::Equal => (self.left - self.right).abs() <= self.rounding,
        }
    }

    /// Both sides in numbers, the sign between them, and whether it is true, as text.
    ///
    /// ```
    /// use ratecheck_verify::errata::Reading;
    /// assert_eq!(Reading::at_most("a ≤ b", 0.125, 0.078, 0.0).cells(), ["0.125", "≤", "0.078", "fails"]);
    /// ```
    pub fn cells(&self) -> [String; 4] {
        let sign = if self.relation == Relation::AtMost { "≤" } else { "=" };
        let outcome = if self.holds() { "holds" } else { "fails" };
        [number::pretty(self.left), sign.to_owned(), number::pretty(self.right), outcome.to_owned()]
    }
}

/// Numbers for which the printed reading fails and the corrected one holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// What the numbers belong to.
    pub setting: String,
    /// The printed reading.
    pub printed: Reading,
    /// The corrected one.
    pub corrected: Reading,
}

/// An erratum with its numbers, as the reports show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// `E5`.
    pub id: String,
    /// Where it is printed.
    pub place: String,
    /// What is printed.
    pub printed: String,
    /// What it must be.
    pub corrected: String,
    /// How it is known.
    pub standing: Standing,
    /// The ids of the claims that it touches.
    pub claims: Vec<String>,
    /// Its example.
    pub example: Option<Example>,
}

/// Every erratum with its example worked out.
///
/// # Errors
/// When an example could not be evaluated.
pub fn entries() -> Result<Vec<Entry>, Unevaluated> {
    ERRATA
        .iter()
        .map(|erratum| {
            Ok(Entry {
                id: erratum.id.to_owned(),
                place: erratum.place.to_owned(),
                printed: erratum.printed.to_owned(),
                corrected: erratum.corrected.to_owned(),
                standing: erratum.standing,
                claims: erratum.claims.iter().map(|&id| id.to_owned()).collect(),
                example: erratum.example.map(|example| example()).transpose()?,
            })
        })
        .collect()
}

/// The errata that touch a claim, in order.
pub fn of_claim(id: &str) -> impl Iterator<Item = &'static Erratum> {
    ERRATA.iter().filter(move |erratum| erratum.claims.contains(&id))
}
