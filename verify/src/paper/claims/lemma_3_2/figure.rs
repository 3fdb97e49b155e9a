//! How much of C the steps needed.

use crate::claim::plot::{Plot, Series, Style};

/// An instance, eta_w, and the smallest multiple of C that passes there.
type Needed<'a> = (&'a str, f64, f64);

/// The near-tight instances as points, ordinary runs as lines.
pub(super) fn needed(tight: &[Needed<'_>], runs: &[Needed<'_>]) -> Plot {
    let mut plot = Plot::log_log(
        "needed",
        "The near-tight instances need C to within a few percent, and no step needs more than all of it",
        "The smallest multiple of the constants C_i with which (12) still holds at every step: one step on the near-tight \
         instances (dots), and whole runs on the closed forms at nine rates (lines). Where no step is large enough to \
         need any, nothing is drawn.",
        "learning rate η_w",
        "smallest multiple of C that passes",
    );
    let points = tight.iter().map(|&(_, eta_w, multiple)| [eta_w, multiple]).collect();
    plot.series.push(Series::new("(a), (b), (c), near-tight", Style::Points, points));
    let mut names: Vec<&str> = runs.iter().map(|run| run.0).collect();
    names.dedup();
    for name in names {
        let these = runs.iter().filter(|run| run.0 == name && run.2 > 0.0);
        let points: Vec<[f64; 2]> = these.map(|run| [run.1, run.2]).collect();
        if !points.is_empty() {
            plot.series.push(Series::new(name, Style::Line, points));
        }
    }
    plot
}
