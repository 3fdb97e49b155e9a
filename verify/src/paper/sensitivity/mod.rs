//! How much of every constant of the explicit bounds the checks need.
//!
//! A constant is made smaller (or larger, where that is the stronger statement) until the check of a claim no longer
//! holds, with the same seeds: the smallest multiple that passes says what power the check has on this constant. What
//! can be left out altogether is listed with the reason. The study is made by `ratecheck sensitivity`, and what it
//! found is kept in `reports/`, from where the page shows it at every claim.

mod registry;

use std::sync::OnceLock;

use ratecheck::bounds::{Constant, Factors};
use ratecheck::random::Seed;
use serde::{Deserialize, Serialize};

pub use registry::constants_of;

use crate::claim::evidence::{Claim, Context, Profile, Unevaluated, Verdict};
use crate::claim::parallel::InParallel;
use crate::text::markdown::escape;
use crate::text::number;

/// A check that holds with this multiple of a constant is taken to hold without it.
const NOTHING: f64 = 1e-6;
/// The bisection ends when the two multiples, that which passes and that which does not, are this near to each other.
const RESOLUTION: f64 = 1.01;

/// The study of all claims, as it was made last.
const KEPT: &str = include_str!("../../../../reports/sensitivity.json");

/// What one claim needs of one constant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Need {
    /// The claim's id.
    pub claim: String,
    /// The constant: see [`Constant::key`].
    pub constant: String,
    /// Where it stands in the paper.
    pub place: String,
    /// In the paper's notation.
    pub symbol: String,
    /// The smallest multiple with which the check still holds, to a hundredth of itself; where more of the constant is
    /// the stronger statement, one over the largest. `None`: it holds without the constant.
    pub multiple: Option<f64>,
    /// Why nothing needs it, where nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What was found, and how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Study {
    /// The budget of the checks.
    pub profile: String,
    /// The root seed.
    pub seed: u64,
    /// Claim by claim, in the order of the paper.
    pub needs: Vec<Need>,
}

impl Need {
    /// One line, as the page shows it at the claim.
    pub fn sentence(&self) -> String {
        let Self { symbol, multiple, reason, .. } = self;
        match multiple {
            None => {
                format!("{symbol}: nothing that this suite runs needs it. {}", reason.as_deref().unwrap_or_default())
            }
            Some(multiple) if *multiple < 0.9 => {
                format!("{symbol}: nothing that this suite runs needs more than {} of it", percent(*multiple))
            }
            Some(multiple) => {
                format!("{symbol}: needed; with {} of it the check fails", percent(multiple / RESOLUTION))
            }
        }
    }
}

fn percent(share: f64) -> String {
    let value = 100.0 * share;
    let decimals = if value >= 1.0 { 1 } else { (1.0 - libm::floor(libm::log10(value))) as usize };
    format!("{value:.decimals$} %", decimals = decimals.min(6))
}

impl Study {
    /// That of all claims, as it was made last; nothing of it if the file is not one.
    pub fn kept() -> &'static Self {
        static STUDY: OnceLock<Study> = OnceLock::new();
        STUDY.get_or_init(|| serde_json::from_str(KEPT).unwrap_or_default())
    }

    /// What one claim needs.
    pub fn of<'a>(&'a self, claim: &'a str) -> impl Iterator<Item = &'a Need> {
        self.needs.iter().filter(move |need| need.claim == claim)
    }

    /// Constants that no claim needs, and all; a constant that stands in several claims counts once.
    pub fn idle(&self) -> (usize, usize) {
        let mut keys: Vec<&str> = self.needs.iter().map(|need| need.constant.as_str()).collect();
        keys.sort_unstable();
        keys.dedup();
        let needed = |key: &&&str| self.needs.iter().any(|need| need.constant == **key && need.multiple.is_some());
        (keys.len() - keys.iter().filter(needed).count(), keys.len())
    }

    /// "19 of 61 constants are not needed by any instance"; nothing if nothing was studied.
    pub fn summary(&self) -> Option<String> {
        let (idle, all) = self.idle();
        (all > 0).then(|| format!("{idle} of {all} constants of the bounds are not needed by any instance"))
    }

    /// The study as Markdown; `command` repeats it.
    pub fn markdown(&self, command: &str) -> String {
        let mut text = format!(
            "# What the checks need of every constant\n\nEvery factor and every term of the explicit bounds is made \
             smaller (or larger, where that is the stronger statement) until the check of the claim no longer holds, \
             with the same seeds. The table has the smallest multiple with which it holds, found by bisection to a \
             hundredth of itself; 0 means that the check holds without the constant. Profile {}, seed {}: \
             `{command}`\n\n**{}.**\n",
            self.profile,
            self.seed,
            self.summary().unwrap_or_else(|| "Nothing was studied".to_owned())
        );
        let mut claim = "";
        for need in &self.needs {
            if need.claim != claim {
                claim = &need.claim;
                text += &format!(
                    "\n## {claim}\n\n| constant | where | smallest multiple | why not more |\n|:--|:--|--:|:--|\n"
                );
            }
            let multiple = need.multiple.map_or_else(|| "0".to_owned(), number::short);
            let reason = need.reason.as_deref().unwrap_or_default();
            text +=
                &format!("| {} | {} | {multiple} | {} |\n", escape(&need.symbol), escape(&need.place), escape(reason));
        }
        text
    }
}

/// What a claim needs of every constant of its bounds, constant by constant on the threads of the current pool.
///
/// # Errors
/// If its check does not hold with the constants as they are.
pub fn study(claim: &dyn Claim, seed: u64, profile: Profile) -> Result<Vec<Need>, Unevaluated> {
    let id = claim.statement().id;
    let context = Context { seed: Seed::new(seed).child(id), profile, factors: Factors::ONE };
    let holds =
        |context: &Context| claim.check(context).is_ok_and(|evidence| evidence.check.verdict() == Verdict::Holds);
    let constants = constants_of(id);
    if !constants.is_empty() && !holds(&context) {
        return Err(Unevaluated(format!("{id} does not hold as it is")));
    }
    let need = |&constant: &Constant| {
        let multiple = smallest(|multiple| holds(&context.claiming(constant, multiple)));
        let reason = multiple.is_none().then(|| registry::reason(constant).to_owned());
        let [constant, place, symbol] = [constant.key(), constant.place(), constant.symbol()].map(str::to_owned);
        Need { claim: id.to_owned(), constant, place, symbol, multiple, reason }
    };
    Ok(constants.in_parallel(need))
}

/// The smallest multiple that passes, given that 1 does: by bisection in its logarithm. `None` if nothing is needed.
fn smallest(passes: impl Fn(f64) -> bool) -> Option<f64> {
    if passes(NOTHING) {
        return None;
    }
    let (mut fails, mut holds) = (NOTHING, 1.0_f64);
    // Most constants are needed whole, or not at all.
    if !passes(1.0 / RESOLUTION) {
        return Some(1.0);
    }
    while holds / fails > RESOLUTION {
        let middle = (fails * holds).sqrt();
        if passes(middle) { holds = middle } else { fails = middle }
    }
    Some(holds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paper::claims::CLAIMS;

    #[test]
    fn bisection_finds_the_edge() {
        for edge in [0.9, 0.5, 1e-3] {
            let found = smallest(|multiple| multiple >= edge).unwrap_or(0.0);
            assert!(found >= edge && found <= RESOLUTION * edge, "{found} for {edge}");
        }
        assert_eq!(smallest(|multiple| multiple > 0.999), Some(1.0));
        assert_eq!(smallest(|_| true), None);
    }

    #[test]
    fn every_constant_belongs_to_a_claim_that_exists() {
        let ids: Vec<&str> = CLAIMS.iter().map(|claim| claim.statement().id).collect();
        assert!(registry::CLAIMS_OF.iter().all(|(id, _)| ids.contains(id)));
        for constant in Constant::ALL {
            assert!(registry::CLAIMS_OF.iter().any(|(_, of)| of.contains(constant)), "{constant:?} is in no claim");
        }
    }

    #[test]
    fn the_kept_study_is_one_of_these_constants() {
        let kept = Study::kept();
        assert!(!kept.needs.is_empty());
        for need in &kept.needs {
            let known = constants_of(&need.claim).iter().any(|constant| constant.key() == need.constant);
            assert!(known, "{} of {}: run `ratecheck sensitivity` again", need.constant, need.claim);
            // What nothing needs says why.
            assert_eq!(need.multiple.is_none(), need.reason.is_some());
        }
        let studied = |id: &str, constant: &Constant| kept.of(id).any(|need| need.constant == constant.key());
        for (id, constants) in registry::CLAIMS_OF {
            for constant in *constants {
                assert!(studied(id, constant), "{id}, {constant:?}: run `ratecheck sensitivity` again");
            }
        }
    }

    #[test]
    fn sentences() {
        let need = |multiple| Need {
            claim: "x".into(),
            constant: "K".into(),
            place: "Lemma A.2".into(),
            symbol: "K_i".into(),
            multiple,
            reason: None,
        };
        assert_eq!(need(Some(0.003)).sentence(), "K_i: nothing that this suite runs needs more than 0.30 % of it");
        assert_eq!(need(Some(1.0)).sentence(), "K_i: needed; with 99.0 % of it the check fails");
        let study = Study { needs: vec![need(None), need(Some(0.5))], ..Study::default() };
        assert_eq!(study.idle(), (0, 1));
        assert_eq!(Study { needs: vec![need(None)], ..Study::default() }.idle(), (1, 1));
        assert_eq!(Study::default().summary(), None);
    }
}
