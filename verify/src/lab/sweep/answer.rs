//! What a sweep shows: for every group of runs that differ in their seeds alone, where they ended, how many diverged,
//! and the rate by [`crate::lab::fit`], with the verdict that the plan asks for.
//!
//! It is made from the cells alone, so that a sweep that was stopped, or is not there as a whole, shows what it has.

use std::collections::BTreeMap;
use std::ops::Range;

use ratecheck::rates::{Window, window_bins};
use serde::Serialize;

use super::expect::Expect;
use super::outcome::Outcome;
use super::parts::Places;
use super::plan::Plan;
use super::quantity::Quantity;
use super::store::{Listed, Manifest, Setting, read_cell};
use crate::claim::parallel::InParallel;
use crate::lab::fit::{self, Fits, Log, Verdict};

/// A number of several runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The median, or the mean where that is said.
    pub middle: f64,
    /// The least.
    pub least: f64,
    /// The largest.
    pub largest: f64,
}

impl Spread {
    /// The median and the ends; nothing of nothing.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (&least, &largest) = (values.first()?, values.last()?);
        let n = values.len();
        let middle = 0.5 * values[(n - 1) / 2] + 0.5 * values[n / 2];
        Some(Self { middle, least, largest })
    }

    /// The same around the mean.
    fn around_mean(values: Vec<f64>) -> Option<Self> {
        let n = values.len() as f64;
        let middle = values.iter().map(|value| value / n).sum();
        Self::of(values).map(|spread| Self { middle, ..spread })
    }
}

/// A number at every horizon, over the runs that have it and, where there is one a block, over the blocks.
pub type Course = Vec<Option<Spread>>;

/// Runs that differ in their seeds alone.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// What they are run with.
    #[serde(flatten)]
    pub setting: Setting,
    /// c_g, where it has set eta_g.
    pub c_g: Option<f64>,
    /// How many there are in the plan.
    pub runs: usize,
    /// How many of them are not there.
    pub missing: usize,
    /// How many of those that are there diverged.
    pub diverged: usize,
    /// The first step in which one did.
    pub diverged_at: Option<u64>,
    /// L at T: the median over the runs that reached it.
    pub loss: Option<Spread>,
    /// ||grad L(V; g)||^2, the mean over the recorded steps of the last bin, and over the runs that reached T.
    pub grad_sq: Option<Spread>,
    /// ||w||^2 at T: the median over runs and blocks.
    pub w_norm_sq: Option<Spread>,
    /// The effective rate at T, likewise.
    pub effective_lr: Option<Spread>,
    /// The rate.
    pub fit: Option<Fits>,
    /// Why there is none.
    pub unfitted: Option<String>,
    /// What it says of what is expected; nothing where nothing is, or runs are missing.
    pub verdict: Option<Verdict>,
    /// In one sentence.
    pub reason: String,
    /// ||w||^2 and the effective rate over time.
    #[serde(skip)]
    pub courses: [Course; 2],
    /// The log that was fitted.
    #[serde(skip)]
    pub log: Option<Log>,
}

/// How many groups there are of each verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// What is expected holds.
    pub holds: usize,
    /// It fails.
    pub fails: usize,
    /// Neither is known.
    pub inconclusive: usize,
}

/// What a sweep shows.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// What is fitted, and expected.
    pub expect: Expect,
    /// The horizons.
    pub t: Vec<u64>,
    /// Runs of the plan.
    pub runs: usize,
    /// Those that are not there.
    pub missing: usize,
    /// Those that diverged.
    pub diverged: usize,
    /// Verdicts, if something is expected.
    pub verdicts: Option<Tally>,
    /// The text of the plan.
    pub plan: String,
    /// In the order of the plan.
    pub groups: Vec<Group>,
}

impl Answer {
    /// That of the list; a run that is not there is none.
    pub(super) fn of(manifest: &Manifest, outcomes: &[Option<Outcome>]) -> Self {
        let expect = manifest.expect.clone().unwrap_or_default();
        let t = manifest.runs.horizons.clone();
        // Groups lie side by side.
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for same in manifest.cells.chunk_by(|a, b| a.setting == b.setting && a.c_g == b.c_g) {
            let begin = ranges.last().map_or(0, |range| range.end);
            ranges.push(begin..begin + same.len());
        }
        let of_range =
            |range: &Range<usize>| group(&expect, &t, &manifest.cells[range.clone()], &outcomes[range.clone()]);
        let groups: Vec<Group> = ranges.in_parallel(of_range);
        let total = |f: &dyn Fn(&Group) -> usize| groups.iter().map(f).sum();
        let verdicts = expect.slope.map(|_| {
            let of = |verdict| groups.iter().filter(|group| group.verdict == Some(verdict)).count();
            let [holds, fails, inconclusive] = [Verdict::Holds, Verdict::Fails, Verdict::Inconclusive].map(of);
            Tally { holds, fails, inconclusive }
        });
        Self {
            t,
            runs: manifest.cells.len(),
            missing: total(&|group| group.missing),
            diverged: total(&|group| group.diverged),
            verdicts,
            plan: manifest.plan.clone(),
            expect,
            groups,
        }
    }

    /// That of what is in some place, whole.
    pub fn found(plan: &Plan, places: &Places) -> Self {
        let manifest = Manifest::from(plan);
        // The same run may be listed under several names.
        let mut known: BTreeMap<&str, Option<Outcome>> = BTreeMap::new();
        let mut read = |cell: &'_ Listed, key| {
            let whole = |dir| read_cell(dir, &cell.key).ok().flatten();
            known.entry(key).or_insert_with(|| places.with(&cell.key).find_map(whole)).clone()
        };
        let outcomes: Vec<_> = manifest.cells.iter().map(|cell| read(cell, cell.key.as_str())).collect();
        Self::of(&manifest, &outcomes)
    }
}

fn group(expect: &Expect, horizons: &[u64], cells: &[Listed], outcomes: &[Option<Outcome>]) -> Group {
    let there: Vec<(&Listed, &Outcome)> =
        cells.iter().zip(outcomes).filter_map(|(cell, outcome)| Some((cell, outcome.as_ref()?))).collect();
    let (ended, diverged): (Vec<_>, Vec<_>) = there.iter().partition(|(_, outcome)| outcome.divergence().is_none());
    let t: Vec<f64> = horizons.iter().map(|&t| t as f64).collect();
    let last = t.len().saturating_sub(1);
    let over = |row: usize, quantity: Quantity| {
        let values = there.iter().flat_map(|(_, outcome)| outcome.at(row, quantity)).collect();
        Spread::of(values)
    };
    let at_end =
        |quantity: Quantity| -> Vec<f64> { ended.iter().flat_map(|(_, outcome)| outcome.at(last, quantity)).collect() };
    let course = |quantity| (0..t.len()).map(|row| over(row, quantity)).collect();
    let [from, to] = [t.last().map_or(0.0, |t| t / 100.0), t.last().copied().unwrap_or(0.0)];
    let bin = window_bins(&t, Window::new(from, to)).pop().unwrap_or(last..t.len());
    let in_bin = |outcome: &Outcome| {
        let n = bin.len() as f64;
        bin.clone().flat_map(|row| outcome.at(row, Quantity::GradSq)).map(|value| value / n).sum()
    };
    let log = log(expect, &t, &ended, &diverged);
    // Without chance in it, one run is all there is.
    let request = expect.request(cells.iter().all(|cell| cell.seed.is_none()));
    let fit = log.as_ref().map_err(Clone::clone).and_then(|log| fit::fit(log, &request).map_err(|e| e.to_string()));
    let mut group = Group {
        setting: cells[0].setting.clone(),
        c_g: cells[0].c_g,
        runs: cells.len(),
        missing: cells.len() - there.len(),
        diverged: diverged.len(),
        diverged_at: diverged.iter().filter_map(|(_, outcome)| Some(outcome.divergence()?.step)).min(),
        loss: Spread::of(at_end(Quantity::Loss)),
        grad_sq: Spread::around_mean(ended.iter().map(|(_, outcome)| in_bin(outcome)).collect()),
        w_norm_sq: Spread::of(at_end(Quantity::WNormSq)),
        effective_lr: Spread::of(at_end(Quantity::EffectiveLr)),
        unfitted: fit.as_ref().err().cloned(),
        fit: fit.ok(),
        verdict: None,
        reason: String::new(),
        courses: [course(Quantity::WNormSq), course(Quantity::EffectiveLr)],
        log: log.ok(),
    };
    if let Some(claimed) = expect.claimed().filter(|_| group.missing == 0) {
        let (verdict, reason) = judged(&group, &claimed);
        (group.verdict, group.reason) = (Some(verdict), reason);
    }
    group
}

/// The runs that reached T, as the fit takes them.
fn log(
    expect: &Expect,
    t: &[f64],
    ended: &[(&Listed, &Outcome)],
    diverged: &[(&Listed, &Outcome)],
) -> Result<Log, String> {
    if ended.is_empty() {
        return Err(if diverged.is_empty() { "no run is there" } else { "no run reached the end" }.to_owned());
    }
    let name = |cell: &Listed| cell.seed.map_or_else(|| "the run".to_owned(), |seed| format!("seed {seed}"));
    let place = expect.block.unwrap_or(1) - 1;
    let value = |outcome: &Outcome, row| outcome.at(row, expect.quantity).get(place).copied().unwrap_or(f64::NAN);
    let runs = ended.iter().map(|(cell, outcome)| {
        let values = (0..t.len()).map(|row| value(outcome, row)).collect();
        (name(cell), values)
    });
    let vanished = diverged.iter().map(|(cell, _)| name(cell)).collect();
    Log::recorded(&expect.column(), t, runs.collect(), vanished, expect.ends())
}

/// What the fit says of the claim. A run that diverged did not do what is expected of it, whatever the others did.
fn judged(group: &Group, claim: &str) -> (Verdict, String) {
    let fitted = group.fit.as_ref().map(|fit| fit.reason.as_str());
    if group.diverged > 0 {
        let (n, of) = (group.diverged, group.runs);
        let at = group.diverged_at.map_or_else(String::new, |step| format!(", the first in step {step}"));
        let others = fitted.map_or_else(String::new, |reason| format!("; of the others: {reason}"));
        return (Verdict::Fails, format!("{claim}: fails; {n} of {of} runs diverged{at}{others}"));
    }
    match (&group.fit, &group.unfitted) {
        (Some(Fits { interval_from: None, .. }), _) => {
            let why = "one run tells nothing of how others would have fallen: give more seeds";
            (Verdict::Inconclusive, format!("{claim}: inconclusive, since {why}"))
        }
        (Some(Fits { verdict: Some(verdict), reason, .. }), _) => (*verdict, reason.clone()),
        (_, why) => {
            let why = why.as_deref().unwrap_or("nothing could be fitted");
            (Verdict::Inconclusive, format!("{claim}: inconclusive, since {why}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_means() {
        let spread = Spread::of(vec![4.0, 1.0, 3.0, 2.0]).expect("four");
        assert_eq!(spread, Spread { middle: 2.5, least: 1.0, largest: 4.0 });
        assert_eq!(Spread::of(vec![7.0, 1.0, 2.0]).map(|spread| spread.middle), Some(2.0));
        assert_eq!(Spread::around_mean(vec![7.0, 1.0, 1.0, 3.0]).map(|spread| spread.middle), Some(3.0));
        assert_eq!(Spread::of(Vec::new()), None);
    }
}
