//! Where a proof is loose: the gap between what is measured and its bound, broken into the inequalities of the proof.
//!
//! A proof is a chain q_0 <= q_1 <= .. <= q_k from the measured quantity to the bound, and every q_j can be evaluated
//! on a run. So each inequality is checked by itself, and its part of the gap is a number.

pub(crate) mod descent;
pub(crate) mod stochastic;

use std::cell::OnceCell;

use ratecheck::scalar::DoubleDouble;

use crate::claim::evidence::{Check, Evidence, Inequality};
use crate::claim::plot::{Axis, Plot, Series, Style};
use crate::claim::replay::Sides;

/// How the parts of a gap are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// log10(q_j/q_{j-1}): powers of ten, which add up to those between measured and bound. All q_j must be positive.
    Decades,
    /// (q_j - q_{j-1})/(q_k - q_0): shares, which add up to 1. The measured side may have any sign.
    Share,
}

/// The chain of one proof, evaluated at several learning rates.
#[derive(Debug)]
pub(crate) struct Account {
    unit: Unit,
    /// What the run is, for the caption.
    run: String,
    /// What each inequality does, in the order of the proof.
    links: &'static [&'static str],
    rows: Vec<(f64, Vec<f64>)>,
}

impl Account {
    pub(crate) fn new(unit: Unit, run: impl Into<String>, links: &'static [&'static str]) -> Self {
        Self { unit, run: run.into(), links, rows: Vec::new() }
    }

    /// Checks every inequality of the chain at one learning rate, with room for a rounding relative to both sides and
    /// an absolute one; `replay` evaluates the chain again in double-double, and is asked at most once.
    pub(crate) fn add(
        &mut self,
        check: &mut Check,
        eta_w: f64,
        chain: &[f64],
        [relative, absolute]: [f64; 2],
        replay: impl Fn() -> Option<Vec<DoubleDouble>>,
    ) {
        assert_eq!(chain.len(), self.links.len() + 1, "a link between any two quantities");
        let (mut links, replayed) = (Check::new(), OnceCell::new());
        for (j, link) in self.links.iter().enumerate() {
            let at = format!("the proof: {link} · η_w = {eta_w:e}");
            let (lhs, rhs) = (chain[j], chain[j + 1]);
            let scale = lhs.abs().max(rhs.abs());
            let rounding = relative * scale + absolute;
            links.replayed(at, Inequality { lhs, rhs, rounding, scale }, || {
                let chain = replayed.get_or_init(&replay).as_ref()?;
                Some(Sides::counted(chain[j], chain[j + 1], rounding))
            });
        }
        check.merge_links(links);
        self.rows.push((eta_w, chain.to_vec()));
    }

    /// What each inequality loses of one chain, and the sum.
    fn parts(&self, chain: &[f64]) -> (Vec<f64>, f64) {
        let gap = chain[chain.len() - 1] - chain[0];
        let part = |pair: &[f64]| match self.unit {
            Unit::Decades => libm::log10(pair[1] / pair[0]),
            Unit::Share => (pair[1] - pair[0]) / gap,
        };
        // Rounding can make a link that loses nothing negative.
        let parts: Vec<f64> = chain.windows(2).map(|pair| part(pair).max(0.0)).collect();
        let total = parts.iter().sum();
        (parts, total)
    }

    /// A row of figures for every learning rate, and the stacked plot.
    pub(crate) fn show(self, evidence: &mut Evidence) {
        let mut layers: Vec<Series> =
            self.links.iter().map(|link| Series::new(*link, Style::Area, Vec::new())).collect();
        let mut lost = vec![0.0; self.links.len()];
        for (eta_w, chain) in &self.rows {
            let (parts, total) = self.parts(chain);
            let (mut below, mut note) = (0.0, Vec::new());
            lost.iter_mut().zip(&parts).for_each(|(lost, part)| *lost += part);
            for ((layer, part), link) in layers.iter_mut().zip(&parts).zip(self.links) {
                layer.points.push([*eta_w, below + part]);
                layer.band.push([below, below + part]);
                below += part;
                note.push(format!("{link}: {part:.2}"));
            }
            let (name, value) = match self.unit {
                Unit::Decades => ("decades lost", total),
                Unit::Share => ("bound less measured", chain[chain.len() - 1] - chain[0]),
            };
            evidence.observe(format!("slack at η_w = {eta_w:e}: {name}"), value, note.join(" · "));
        }
        let (y, what) = match self.unit {
            Unit::Decades => ("powers of ten between measured and bound", "How many powers of ten"),
            Unit::Share => ("share of the gap between measured and bound", "Which share of the gap"),
        };
        let caption =
            format!("{what} each inequality of the proof loses, from the measured side up to the bound; {}.", self.run);
        let most = lost.iter().zip(self.links).max_by(|a, b| a.0.total_cmp(b.0)).map_or("nothing", |(_, link)| link);
        let title = format!("Over these rates the proof gives most away by “{most}”");
        evidence.plots.push(Plot {
            x: Axis::log("learning rate η_w"),
            y: Axis::linear(y),
            series: layers,
            ..Plot::log_log("slack", &title, caption, "", "")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::evidence::Verdict;

    fn account(unit: Unit, chain: &[f64]) -> (Verdict, Evidence) {
        let mut evidence = Evidence::default();
        let mut account = Account::new(unit, "a run", &["first", "second"]);
        account.add(&mut evidence.check, 0.1, chain, [1e-12, 0.0], || None);
        account.show(&mut evidence);
        (evidence.check.verdict(), evidence)
    }

    #[test]
    fn parts_add_up_to_the_gap() {
        let (verdict, evidence) = account(Unit::Decades, &[1.0, 10.0, 1e4]);
        assert_eq!((verdict, evidence.observations[0].value), (Verdict::Holds, 4.0));
        assert_eq!(evidence.plots[0].series[1].band, [[1.0, 4.0]]);
        assert_eq!(evidence.plots[0].title, "Over these rates the proof gives most away by “second”");
        let (verdict, evidence) = account(Unit::Share, &[-1.0, 0.0, 3.0]);
        assert_eq!((verdict, evidence.observations[0].value), (Verdict::Holds, 4.0));
        assert_eq!(evidence.plots[0].series[1].band, [[0.25, 1.0]]);
    }

    #[test]
    fn a_broken_link_fails_and_nan_is_an_error() {
        assert!(matches!(account(Unit::Share, &[1.0, 0.5, 3.0]).0, Verdict::Fails { .. }));
        assert!(matches!(account(Unit::Decades, &[1.0, f64::NAN, 3.0]).0, Verdict::Error { .. }));
    }
}
