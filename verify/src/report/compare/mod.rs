//! Whether a verification says what it said before: verdicts, margins and slopes of two runs, claim by claim.
//!
//! The same seed gives the same bits on every machine, so that two runs of one version at one profile and seed agree
//! wholly, and whatever differs comes from the program. Not everything that differs is worse:
//!
//! * a **regression** is a verdict that is worse, a claim, control or slope that is no longer there, and a slope whose
//!   interval has no point in common with the one before, whichever way it moved;
//! * **better** is a verdict that is better;
//! * a **note** is a margin that differs, and a claim, control or slope that is new.
//!
//! Slopes are the observations with an interval. With another profile the claims measure something else, and with
//! another seed they see other runs: then only verdicts, claims and slopes that both name are compared. `ratecheck
//! compare` refuses two profiles unless told.

mod baseline;
mod rerun;
#[cfg(test)]
mod tests;

use serde::Serialize;

pub use baseline::{Baseline, Entry, FORMAT, Slope, read};
pub use rerun::rerun;

use crate::claim::results::Status;

/// How much a difference weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// It must not go unnoticed.
    Regression,
    /// A verdict has improved.
    Better,
    /// Worth knowing.
    Note,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// How much it weighs.
    pub weight: Weight,
    /// The claim.
    pub claim: String,
    /// In one sentence.
    pub what: String,
}

/// All differences, the gravest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// Claims in both.
    pub n_common: usize,
    /// Those of them that do not differ.
    pub same: Vec<String>,
    /// What the runs differ in before any claim: version, profile, seed.
    pub settings: Vec<String>,
    /// The differences.
    pub differences: Vec<Difference>,
}

impl Compared {
    /// How many differences weigh so much.
    pub fn count(&self, weight: Weight) -> usize {
        self.differences.iter().filter(|difference| difference.weight == weight).count()
    }
}

/// What has changed from `old` to `new`.
pub fn compare(old: &Baseline, new: &Baseline) -> Compared {
    let mut settings = Vec::new();
    let mut setting = |name: &str, old: String, new: String| {
        if old != new {
            settings.push(format!("{name}: {old} -> {new}"));
        }
    };
    setting("version", old.version.clone(), new.version.clone());
    setting("profile", old.profile.name().to_owned(), new.profile.name().to_owned());
    setting("seed", old.seed.to_string(), new.seed.to_string());
    let problem = |of: &Baseline| of.problem.clone().unwrap_or_else(|| "the paper's instances".to_owned());
    setting("problem", problem(old), problem(new));
    let mut all = Differences { same_work: old.profile == new.profile && old.seed == new.seed, found: Vec::new() };
    let mut n_common = 0;
    for entry in &old.claims {
        match new.claims.iter().find(|other| other.id == entry.id) {
            None => all.add(Weight::Regression, entry, "is no longer there".to_owned()),
            Some(other) => {
                n_common += 1;
                all.claim(entry, other);
            }
        }
    }
    for entry in new.claims.iter().filter(|entry| old.claims.iter().all(|other| other.id != entry.id)) {
        let weight = if entry.status == Status::Holds { Weight::Note } else { Weight::Regression };
        all.add(weight, entry, format!("is new, and {}", words(entry.status)));
    }
    all.found.sort_by_key(|difference| difference.weight);
    let differs = |id: &String| all.found.iter().any(|difference| difference.claim == *id);
    let same = old.claims.iter().map(|entry| entry.id.clone()).filter(|id| !differs(id)).collect();
    Compared { n_common, same, settings, differences: all.found }
}

struct Differences {
    /// The same profile and seed: everything can be compared.
    same_work: bool,
    found: Vec<Difference>,
}

impl Differences {
    fn add(&mut self, weight: Weight, entry: &Entry, what: String) {
        self.found.push(Difference { weight, claim: entry.id.clone(), what });
    }

    fn claim(&mut self, old: &Entry, new: &Entry) {
        if old.status != new.status {
            let weight = if new.status < old.status { Weight::Better } else { Weight::Regression };
            self.add(weight, old, format!("verdict: {} -> {}", old.status.label(), new.status.label()));
        }
        if self.same_work && old.margin.map(f64::to_bits) != new.margin.map(f64::to_bits) {
            let shown =
                |margin: Option<f64>| margin.map_or_else(|| "none".to_owned(), |margin| format!("{margin:.6e}"));
            self.add(Weight::Note, old, format!("margin: {} -> {}", shown(old.margin), shown(new.margin)));
        }
        let gone = if self.same_work { Weight::Regression } else { Weight::Note };
        for control in old.controls.iter().filter(|control| !new.controls.contains(control)) {
            self.add(gone, old, format!("the control \u{201c}{control}\u{201d} is no longer there"));
        }
        for control in new.controls.iter().filter(|control| !old.controls.contains(control)) {
            self.add(Weight::Note, old, format!("the control \u{201c}{control}\u{201d} is new"));
        }
        for slope in &old.slopes {
            match new.slopes.iter().find(|other| other.name == slope.name) {
                None => self.add(gone, old, format!("the slope \u{201c}{}\u{201d} is no longer there", slope.name)),
                Some(other) => self.slope(old, slope, other),
            }
        }
        for slope in new.slopes.iter().filter(|slope| old.slopes.iter().all(|other| other.name != slope.name)) {
            self.add(Weight::Note, old, format!("the slope \u{201c}{}\u{201d} is new", slope.name));
        }
    }

    fn slope(&mut self, entry: &Entry, old: &Slope, new: &Slope) {
        let ([old_low, old_high], [new_low, new_high]) = (old.interval, new.interval);
        // Written so that NaN has no point in common with anything.
        if !(old_low <= new_high && new_low <= old_high) {
            let shown =
                |slope: &Slope| format!("{:.6} [{:.6}, {:.6}]", slope.value, slope.interval[0], slope.interval[1]);
            let what = format!("\u{201c}{}\u{201d}: {} -> {}, which do not overlap", old.name, shown(old), shown(new));
            self.add(Weight::Regression, entry, what);
        }
    }
}

fn words(status: Status) -> &'static str {
    match status {
        Status::Holds => "holds",
        Status::Fails => "fails",
        Status::ControlNotRejected => "has a control that is not rejected",
        Status::ControlBroken => "has a broken control",
        Status::Inconclusive => "is inconclusive",
        Status::NotApplicable => "is not applicable",
        Status::Error => "could not be evaluated",
    }
}
