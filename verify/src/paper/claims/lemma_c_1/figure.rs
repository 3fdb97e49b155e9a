//! The derivative of a smoothed BN unit in its inputs beside its bounds, on the units that attain the sharp ones.

use ratecheck::bounds::Factors;
use ratecheck::parameters::{dot, norm_sq};

use super::{Input, Unit, across};
use crate::claim::plot::{Axis, Plot, Series, Style};

/// ||grad_{x_0} y|| and ||(grad_{x_1} y, .., grad_{x_B} y)|| under the unit's own grad f, which is 1 long.
fn lengths(unit: &Unit) -> [f64; 2] {
    let (n, batch) = (unit.w.len(), unit.batch());
    let grad: Vec<f64> = unit.jacobian(0..n * batch).iter().map(|column| dot(column, &unit.slope)).collect();
    [&grad[..n], &grad[..]].map(|part| norm_sq(part).sqrt())
}

/// Against epsilon: what Lemma C.1 prints, what its proof gives, and what is true.
pub(super) fn over_epsilon() -> Plot {
    const BATCH: usize = 2;
    let epsilons: Vec<f64> = (-12..=16).map(|k| 10.0_f64.powf(f64::from(k) / 4.0)).collect();
    let bound = |name: &str, style: Style, input: Input| {
        let at = |&epsilon: &f64| [epsilon, input.bound(&Factors::ONE, 1.0, 1.0, epsilon, BATCH)];
        Series::new(name, style, epsilons.iter().map(at).collect())
    };
    let measured = |&epsilon: &f64| [epsilon, lengths(&across(BATCH, epsilon, 1.0))[0]];
    let mut plot = Plot::log_log(
        "over-epsilon",
        "The bound of the proof holds for every ε; the printed 3γ/ε falls below the derivative beyond ε = 36",
        "‖∇_{x_b} y‖ of a unit with γ = 1, B = 2 and G = 1 whose inputs differ across w only: it is the sharp bound \
         |γ|/√ε·G√(1-1/B), a sixth of what the proof gives. The print has ε for √ε (E15).",
        "smoothing ε",
        "‖∇_{x_b} y‖",
    );
    plot.series = vec![
        Series::new("measured", Style::Line, epsilons.iter().map(measured).collect()),
        bound("3|γ|/√ε·G√B, the proof's", Style::Dashed, Input::Proof),
        bound("3γ/ε·G√B, as printed", Style::Line, Input::Printed),
    ];
    plot
}

/// Against the batch size: one input and all of them, with the sharp bounds and that of the lemma.
pub(in super::super) fn over_batch(factors: &Factors) -> Plot {
    let batches = 2..=16_usize;
    let curve = |value: &dyn Fn(usize) -> f64| batches.clone().map(|b| [b as f64, value(b)]).collect::<Vec<_>>();
    let measured = |which: usize| curve(&|batch| lengths(&across(batch, 1.0, 1.0))[which]);
    let mut plot = Plot::log_log(
        "over-batch",
        "Both sharp bounds are attained at every batch size; that of Lemma C.1 grows with √B",
        "The derivative in one input and in all of them, of units with γ = 1, ε = 1 and G = 1 whose inputs differ \
         across w only: one input has √(1-1/B) of |γ|/√ε·G, all together have all of it.",
        "",
        "derivative / (|γ|/√ε·G)",
    );
    plot.x = Axis::linear("batch size B");
    plot.series = vec![
        Series::new("one input", Style::Points, measured(0)),
        Series::new("√(1-1/B)", Style::Dashed, curve(&|batch| Input::Sharp.bound(factors, 1.0, 1.0, 1.0, batch))),
        Series::new("all inputs", Style::Points, measured(1)),
        Series::new("1", Style::Dashed, curve(&|_| factors.lemma_c1_inputs(1.0, 1.0, 1.0))),
        Series::new("3√B, Lemma C.1", Style::Line, curve(&|batch| Input::Proof.bound(factors, 1.0, 1.0, 1.0, batch))),
    ];
    plot
}
