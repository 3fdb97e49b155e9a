//! A law that says what a number of every run tends to: the decision, and how it is taken block by block on a user's
//! loss.

use ratecheck::rates::{Estimate, mean_over_runs};

use super::on_subject::LEVEL as OF_SUBJECT;
use super::{LEVEL, Table};
use crate::claim::decide::near;
use crate::claim::evidence::{Check, Standing, Unevaluated};
use crate::claim::subject::Subject;

/// e_T sqrt(2 q T) = 1 within `within`, where e_T is the last effective rate of each run.
pub(crate) fn effective_rate(
    check: &mut Check,
    at: &str,
    effective_lr: &Table,
    q: f64,
    within: f64,
) -> Result<Estimate, Unevaluated> {
    let n = effective_lr.t.len();
    let scale = (2.0 * q * effective_lr.t[n - 1]).sqrt();
    let last: Vec<f64> = effective_lr.values.iter().skip(n - 1).step_by(n).map(|e| e * scale).collect();
    let ratio = mean_over_runs(&last)?;
    near(check, at, ratio.interval(LEVEL), 1.0, within);
    Ok(ratio)
}

/// A law for every block of a subject.
#[derive(Clone, Copy)]
pub(crate) struct BlockLaw<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) n_steps: u64,
    /// How near to 1 the mean of the ratios must be.
    pub(crate) within: f64,
}

impl BlockLaw<'_> {
    /// The ratios of the runs in block i are 1 in the mean.
    pub(crate) fn decide(&self, check: &mut Check, i: usize, rate: &str, ratios: &[f64]) -> Result<f64, Unevaluated> {
        let ratio = mean_over_runs(ratios)?;
        let block = &self.subject.layout().blocks()[i].name;
        let at = format!("{} · {rate}, {block}, T = {}", self.subject.name, self.n_steps);
        near(check, at, ratio.interval(OF_SUBJECT), 1.0, self.within);
        Ok(ratio.value)
    }

    /// The same in the first block of a built-in subject, at the level of the other instances.
    pub(crate) fn decide_alone(&self, check: &mut Check, rate: &str, ratios: &[f64]) -> Result<f64, Unevaluated> {
        let ratio = mean_over_runs(ratios)?;
        let at = format!("{} · {rate}, T = {}", self.subject.name, self.n_steps);
        near(check, at, ratio.interval(LEVEL), 1.0, self.within);
        Ok(ratio.value)
    }

    /// Whether the runs say how much the ratio is, in units of `unit`.
    pub(crate) fn runs_agree(&self, ratios: &[f64], unit: f64) -> Result<bool, Unevaluated> {
        let interval = mean_over_runs(ratios)?.interval(OF_SUBJECT);
        Ok((interval.high - interval.low) / unit <= self.within)
    }

    /// The premise, which is met where anything could be judged.
    pub(crate) fn premise(&self, check: &mut Check, what: &str, judged: usize, detail: String) {
        let standing = if judged > 0 { Standing::Met } else { Standing::NotMet };
        check.hypothesis(format!("{}: {what}", self.subject.name), standing, detail);
    }

    /// A control that takes the decision in the blocks that `ratios` has something for; nothing where it has none.
    pub(crate) fn broken(
        &self,
        rate: &str,
        ratios: impl Fn(usize) -> Result<Option<Vec<f64>>, Unevaluated>,
    ) -> Result<Option<Check>, Unevaluated> {
        let mut check = Check::new();
        for i in 0..self.subject.layout().n_blocks() {
            if let Some(ratios) = ratios(i)? {
                self.decide(&mut check, i, rate, &ratios)?;
            }
        }
        Ok((check.count() > 0).then_some(check))
    }
}
