//! What the two claims on auto-tuning share: the three ways of descending that appendix D compares,
//! on the same networks.

pub(crate) mod decades;
pub(crate) mod long_runs;
pub(crate) mod settling;

use ratecheck::curvature::{BlockOperator, Part, SpectralOptions, spectral_norm};
use ratecheck::data::{Target, teacher};
use ratecheck::descent::{Lockstep, Plan, Record, StepRule, Trace, run, run_in_lockstep};
use ratecheck::loss::{Loss, Minibatches, Setting};
use ratecheck::network::{Activation, Architecture, Network, Normalisation, Objective};
use ratecheck::random::{Generator, Seed};
use rayon::prelude::*;

use crate::claim::evidence::{Check, Standing, Unevaluated};
use crate::claim::instances::U;
use crate::claim::plot::{Axis, Plot, Series};

/// How a network is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Plain (stochastic) gradient descent on a normalised network: the paper's process.
    Plain,
    /// Every step is followed by bringing each block back to its norm, so the effective rate cannot tune itself.
    Projected,
    /// Plain steps on the same network without its normalisation.
    Unnormalised,
}

impl Way {
    /// The rule of a step.
    pub(crate) fn rule(self) -> StepRule {
        if self == Self::Projected { StepRule::Projected } else { StepRule::Gradient }
    }

    /// Smoothed batch normalisation, or none.
    pub(crate) fn normalisation(self, epsilon: f64) -> Normalisation {
        match self {
            Self::Plain | Self::Projected => Normalisation::SmoothedBatchNorm { epsilon },
            Self::Unnormalised => Normalisation::None,
        }
    }

    /// As plots name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "batch-normalised",
            Self::Projected => "projected",
            Self::Unnormalised => "not normalised",
        }
    }
}

/// 5-4-1 on a noisy teacher: the catalogue's network. lambda = 0.03 keeps the premise on eta_g = 0.2, with a factor 2
/// to spare, for all of twenty draws of the data (lambda = 0.01 and eta_g = 0.3 do not).
pub(crate) fn teacher_network(way: Way, z: Minibatches, seed: &Seed) -> Result<Network, Unevaluated> {
    let architecture = Architecture {
        widths: vec![5, 4, 1],
        normalisation: way.normalisation(0.3),
        activation: Activation::Tanh,
        objective: Objective::Logistic,
        weight_decay: 3e-2,
    };
    let data = teacher(48, 5, Target::Binary, 0.1, &mut seed.generator("data"));
    Ok(Network::new(architecture, data, z)?)
}

/// `count` starting points of a network.
pub(crate) fn starts(network: &Network, count: usize, seed: &Seed) -> Vec<Vec<f64>> {
    (0..count).map(|k| network.initialise(&mut seed.generator(&format!("start-{k}")))).collect()
}

/// A run: where it starts, how it goes on, and what draws z.
pub(crate) type Start = (Vec<f64>, Plan, Generator);

/// What [`run`] makes of each, with the same bits: eight at a time in lockstep where the rule allows it and the loss
/// `gains` by it, as [`Network::gains_in_lockstep`] says. All plans have that rule and the same number of steps.
pub(crate) fn run_all(loss: &dyn Loss, gains: bool, rule: StepRule, runs: &[Start]) -> Vec<Trace> {
    if gains && rule == StepRule::Gradient {
        return runs.par_chunks(Lockstep::RUNS).flat_map_iter(|runs| run_in_lockstep(loss, runs)).collect();
    }
    runs.par_iter().map(|(start, plan, z)| run(loss, start, plan, z.clone())).collect()
}

/// Runs of one plan from every start; run k draws z from `run-k`.
pub(crate) fn from_starts(starts: &[Vec<f64>], plan: &Plan, seed: &Seed) -> impl Iterator<Item = Start> {
    let one = move |(k, start): (usize, &Vec<f64>)| (start.clone(), plan.clone(), seed.generator(&format!("run-{k}")));
    starts.iter().enumerate().map(one)
}

/// Every step from 0 to T must have been made; a run that diverged lacks the rest.
pub(crate) fn no_divergence(check: &mut Check, at: &str, trace: &Trace, n_steps: u64) -> bool {
    let Some(divergence) = trace.divergence else { return true };
    // A run that is given longer may diverge beyond T: one step at least is then not made.
    let unmade = n_steps.saturating_sub(divergence.step).max(1);
    check.at_most(format!("{at}: {divergence}; steps not made"), unmade as f64, 0.0, 0.0);
    false
}

/// The largest ||Hess_gg F_z|| at theta~ over all minibatches z: a lower bound of L^gg.
pub(crate) fn curvature_in_g(network: &Network, theta: &[f64], seed: &Seed) -> f64 {
    let unit = network.parameters().theta_unit(theta);
    let Some(batches) = network.minibatches().finite() else { return f64::NAN };
    largest(batches.map(|z| {
        let mut block = BlockOperator::new(network, z, &unit, Part::G, Part::G);
        spectral_norm(&mut block, &SpectralOptions { tolerance: 1e-3, ..SpectralOptions::default() }, seed).value
    }))
}

/// Records the premise eta_g = 2(1 - c)/L^gg with c >= 1/2, that is eta_g L^gg <= 1, by a sampled L^gg. Twice the
/// sampled value must still be admissible, since sampling underestimates.
pub(crate) fn eta_g_is_admissible(check: &mut Check, instance: &str, eta_g: f64, sampled: f64) {
    let standing = if 2.0 * eta_g * sampled <= 1.0 { Standing::Assumed } else { Standing::NotMet };
    check.hypothesis(
        format!("η_g ≤ 2(1-c)/L^gg with c = 1/2, on {instance}"),
        standing,
        format!(
            "η_g = {eta_g}; the largest ‖∇²_gg F_z‖ (over all z) at the starts and ends of the runs is {sampled:.3}, \
             so 1/L^gg is {:.2} at most",
            1.0 / sampled
        ),
    );
}

/// S_t, the sum of the squared gradients over the steps before t.
fn sum_of_squares(record: &Record) -> f64 {
    record.running.as_ref().map_or(f64::NAN, |r| r.sum_grad_v_sq + r.sum_grad_g_sq)
}

/// (t, sqrt(S_t / t)).
pub(crate) fn running_average(trace: &Trace) -> (Vec<f64>, Vec<f64>) {
    let average = |r: &Record| (r.t as f64, (sum_of_squares(r) / r.t as f64).sqrt());
    trace.records.iter().filter(|r| r.t > 0).map(average).unzip()
}

/// The root mean square of the gradient between one horizon and the next, at their geometric middle: what a running
/// average remembers of the start is left behind. By what is lost in the last digit of S_t it has grown all the same,
/// so that a sum which has stopped growing as far as f64 can tell falls as t^(-1/2) here.
pub(crate) fn between_horizons(trace: &Trace) -> (Vec<f64>, Vec<f64>) {
    let between = |pair: &[Record]| {
        let [from, to] = [&pair[0], &pair[1]].map(|record| (record.t as f64, sum_of_squares(record)));
        let grown = larger(to.1 - from.1, U * to.1);
        ((from.0 * to.0).sqrt(), (grown / (to.0 - from.0)).sqrt())
    };
    trace.records.windows(2).filter(|pair| pair[0].t > 0).map(between).unzip()
}

/// The larger of two numbers; NaN if the first of them is.
fn larger(x: f64, least: f64) -> f64 {
    if x < least { least } else { x }
}

/// The largest number; NaN if there is one.
pub(crate) fn largest(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(f64::NEG_INFINITY, |max, x| if x <= max || max.is_nan() { max } else { x })
}

/// The arithmetic mean.
pub(crate) fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    values.sum::<f64>() / n
}

/// A plot without references, on logarithmic axes.
pub(crate) fn log_log(id: &str, title: &str, caption: &str, x: &str, y: &str, series: Vec<Series>) -> Plot {
    Plot {
        id: id.to_owned(),
        title: title.to_owned(),
        caption: caption.to_owned(),
        x: Axis::log(x),
        y: Axis::log(y),
        series,
        references: Vec::new(),
        window: None,
        noise_floor: None,
    }
}

#[cfg(test)]
mod tests {
    use ratecheck::descent::{Schedule, run_many};

    use super::*;
    use crate::claim::instances::digits_network;

    #[test]
    fn runs_together_have_the_bits_of_runs_alone() {
        let seed = Seed::new(5);
        let z = || Minibatches::partition((0..64).collect(), 16).expect("four minibatches");
        // A plain one, one whose blocks are projected, and one that diverges in the company of others.
        for (way, eta_w) in [(Way::Plain, 10.0), (Way::Projected, 10.0), (Way::Unnormalised, 1e4)] {
            let network = digits_network(way.normalisation(0.1), Activation::Tanh, 64, z(), &seed);
            let points = starts(&network, 11, &seed);
            let (eta_w, eta_g) = (Schedule::constant(eta_w).expect("a rate"), Schedule::new(0.2, 0.5).expect("a rate"));
            let plan = Plan::new(way.rule(), eta_w, eta_g, 60, [0, 1, 7, 30, 60]);
            let runs: Vec<Start> = from_starts(&points, &plan, &seed).collect();
            let (together, alone) =
                (run_all(&network, true, way.rule(), &runs), run_many(&network, &points, &plan, &seed));
            assert_eq!(format!("{together:?}"), format!("{alone:?}"), "{way:?}");
        }
    }
}
