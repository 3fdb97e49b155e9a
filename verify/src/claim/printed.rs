//! What is said of the paper's print in results: the map of its statements, and its errata with their numbers,
//! as plain data.

use serde::{Deserialize, Serialize};

use crate::text::number;

/// A statement as the reports show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// `Lemma 2.2 (5)`.
    pub name: String,
    /// What it says, in a few words.
    pub gist: String,
    /// The claims that check it, those at home here first.
    pub claims: Vec<String>,
    /// Why none does: results of earlier versions, which left the paper's experiments out, say so.
    pub excluded: Option<String>,
}

/// A section as the reports show it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chapter {
    /// Its number and title.
    pub title: String,
    /// What it states.
    pub statements: Vec<Place>,
}

/// How wrong the print is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The printed formula has a counter-example, and nothing around it says otherwise.
    #[serde(alias = "confirmed", alias = "derived")]
    FalseAsPrinted,
    /// The proof, or another formula of the paper, shows what is meant.
    #[serde(alias = "typo")]
    Misprint,
    /// It can be read correctly, and incorrectly: two places disagree, a condition is left unsaid, or an exponent may
    /// have been lost in the text that was read here.
    Ambiguous,
    /// True, and weaker than it need be.
    NotTight,
}

impl Standing {
    /// All of them, the worst first.
    pub const ALL: [Self; 4] = [Self::FalseAsPrinted, Self::Misprint, Self::Ambiguous, Self::NotTight];

    /// In words.
    pub fn label(self) -> &'static str {
        match self {
            Self::FalseAsPrinted => "false as printed",
            Self::Misprint => "a misprint",
            Self::Ambiguous => "ambiguous",
            Self::NotTight => "not tight",
        }
    }
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
    #[serde(with = "crate::text::real")]
    pub left: f64,
    /// What it says.
    pub relation: Relation,
    /// Its right-hand side.
    #[serde(with = "crate::text::real")]
    pub right: f64,
    /// Room for rounding.
    #[serde(with = "crate::text::real")]
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
    /// use ratecheck_verify::claim::printed::Reading;
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
    /// use ratecheck_verify::claim::printed::Reading;
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
    /// How wrong it is.
    pub standing: Standing,
    /// The ids of the claims that it touches.
    pub claims: Vec<String>,
    /// Its example.
    pub example: Option<Example>,
}
