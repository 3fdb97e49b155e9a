//! What is left of the bound at every T.

use super::pair::Pair;
use crate::claim::plot::{Axis, Plot, Series, Style};

/// The bound less E L_T - L_0, for the subjects of one alpha.
pub(super) fn left(found: &[(&Pair, Vec<[f64; 2]>)]) -> Plot {
    let mut plot = Plot::log_log(
        "left",
        "The expected loss stays below its bound at every T and every rate",
        "The right-hand side of the lemma less E L_T - L_0, which must not be negative: exact expectations over all 2^T \
         paths of two samples of problem J with α = 1/4, from an ordinary start and from the minimiser. A large rate \
         pays for its first step at once.",
        "",
        "bound - (E L_T - L_0)",
    );
    plot.x = Axis::linear("steps T");
    for (subject, sides) in found {
        let at = if subject.name.ends_with("minimiser") { ", minimiser" } else { "" };
        let points = sides.iter().zip(1_u32..).map(|([lhs, rhs], t)| [f64::from(t), rhs - lhs]).collect();
        plot.series.push(Series::new(format!("η_w = {}{at}", subject.eta_w), Style::Line, points));
    }
    plot
}
