//! The errata of the paper, as data: one table, [`ERRATA`], from which `ERRATA.md` and the page are rendered.
//!
//! An erratum that matters carries an example: concrete numbers for which the printed reading fails and the corrected
//! one holds. Both are computed, never written down.

mod descent;
mod framework;
mod markdown;
mod smoothness;
mod stochastic;
mod table;

pub use markdown::{COMMAND, FILE, markdown};
pub use table::ERRATA;

use crate::claim::evidence::Unevaluated;
pub use crate::claim::printed::{Entry, Example, Reading, Relation, Standing};

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
    /// How wrong it is.
    pub standing: Standing,
    /// The ids of the claims that it touches.
    pub claims: &'static [&'static str],
    /// Numbers for which the print fails.
    pub example: Option<fn() -> Result<Example, Unevaluated>>,
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
