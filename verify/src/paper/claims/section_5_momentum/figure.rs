//! Norms under the forms of momentum, and where a hypothesis is missing.

use ratecheck::descent::StepRule;
use ratecheck::loss::Setting;
use ratecheck::loss::closed::Rayleigh;
use ratecheck::parameters::norm_sq;

use super::path::{Mover, Path};
use super::{START, forms};
use crate::claim::evidence::{Context, Unevaluated};
use crate::claim::plot::{Axis, Plot, Series, Style};

/// The Rayleigh quotient in R^4 of the controls, from the same start, for some steps at one rate.
pub(super) fn norms(context: &Context) -> Result<Plot, Unevaluated> {
    const STEPS: u64 = 60;
    let loss = Rayleigh::equally_spaced(4);
    let others = [(StepRule::HeavyBall { b: 0.9 }, Some(0.5)), (StepRule::Decay { lambda: 0.05 }, None)];
    let names = [
        "heavy ball",
        "moving average",
        "Nesterov, ∇ at w_t",
        "Nesterov's own",
        "from m_0 = w_0/2",
        "weight decay on w",
    ];
    let forms = forms(0.9).map(|mover| (mover, None));
    let movers = forms.into_iter().chain(others.map(|(rule, push)| (Mover::Rule(rule), push)));
    let z: Vec<usize> = (0..loss.minibatches().n_examples()).collect();
    let mut plot = Plot::log_log(
        "norms",
        "Momentum from m_0 = 0 does not shorten the weights; momentum along them does, and so does weight decay",
        "The squared norm over its start, along full-batch runs on a Rayleigh quotient in R^4 with b = 0.9 and η = \
         0.1, under the four forms of momentum, whose curves never fall; and under heavy ball that starts with half of \
         w as its momentum, and gradient descent with weight decay on w, of which the statement does not speak.",
        "",
        "‖w_t‖²/‖w_0‖²",
    );
    plot.x = Axis::linear("steps t");
    for (name, (mover, push)) in names.into_iter().zip(movers) {
        let mut path = Path::new(&loss, &START, mover, push, context.generator("unused"))?;
        let n_start = norm_sq(&START);
        let mut points = vec![[0.0, 1.0]];
        for t in 1..=STEPS {
            path.step(&z, 0.1, 1.0)?;
            points.push([t as f64, path.w_norm_sq(0) / n_start]);
        }
        plot.series.push(Series::new(name, Style::Line, points));
    }
    Ok(plot)
}
