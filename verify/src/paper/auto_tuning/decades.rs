//! Eight decades of learning rates at once: where every way of descending ends.

use ratecheck::descent::{Plan, Record, Schedule, StepRule, Trace, run_all};
use ratecheck::loss::{Loss, Minibatches};
use ratecheck::network::Activation;
use ratecheck::random::Seed;
use ratecheck::rates::log_spaced;

use super::{Way, log_log, mean, starts, teacher_network};
use crate::claim::closed_forms::ETA_W;
use crate::claim::evidence::Unevaluated;
use crate::claim::instances::digits_network;
use crate::claim::plot::{Plot, Reference, Series, Style};

/// What SGD with constant eta_w and eta_{g,t} = eta_g (t+1)^(-1/2) does on one loss:
/// runs[k] are those of ETA_W\[k\], one per start.
pub(crate) struct Decades {
    /// As plots name this way of descending.
    pub(crate) name: String,
    pub(crate) runs: Vec<Vec<Trace>>,
}

impl Decades {
    pub(crate) fn of(
        name: &str,
        loss: &dyn Loss,
        starts: &[Vec<f64>],
        rule: StepRule,
        eta_g: f64,
        n_steps: u64,
        seed: &Seed,
    ) -> Result<Self, Unevaluated> {
        let eta_g = Schedule::new(eta_g, 0.5)?;
        let horizons: Vec<u64> = log_spaced(1, n_steps / 2, 40).into_iter().chain(last_half(n_steps)).collect();
        // All rates side by side: one alone may have too few starts for a lockstep.
        let mut runs = Vec::new();
        for eta_w in ETA_W {
            let plan = Plan::new(rule, Schedule::constant(eta_w)?, eta_g, n_steps, horizons.iter().copied());
            let seed = seed.child(&format!("{name}/{eta_w:e}"));
            let start = |(k, x): (usize, &Vec<f64>)| (x.clone(), plan.clone(), seed.generator(&format!("run-{k}")));
            runs.extend(starts.iter().enumerate().map(start));
        }
        let mut traces = run_all(loss, &runs).into_iter();
        let of_rate = |_| traces.by_ref().take(starts.len()).collect();
        Ok(Self { name: name.to_owned(), runs: ETA_W.iter().map(of_rate).collect() })
    }

    /// (eta_w, mean over the runs of `value`); infinite where a run diverged.
    fn ends(&self, value: impl Fn(&Trace) -> f64) -> Series {
        let end = |run: &Trace| if run.divergence.is_some() { f64::INFINITY } else { value(run) };
        let points = ETA_W.iter().zip(&self.runs).map(|(&eta_w, runs)| [eta_w, mean(runs.iter().map(end))]);
        Series::new(&self.name, Style::Line, points.collect())
    }

    /// L(theta_T) - `least`.
    pub(crate) fn final_loss(&self, least: f64) -> Series {
        self.ends(|trace| trace.records.last().map_or(f64::NAN, |record| record.loss - least))
    }

    /// The root of the mean of ||grad L(V_t; g_t)||^2 over the runs and over the horizons in the last half. (The least
    /// gradient of a run would not do: an iterate that jumps about has small gradients now and then.)
    pub(crate) fn last_gradient(&self) -> Series {
        let mut squares = self.ends(|trace| {
            let from = trace.records.last().map_or(0, |record| record.t / 2);
            let late: Vec<f64> = trace.records.iter().filter(|r| r.t >= from).map(Record::grad_sq).collect();
            mean(late.into_iter())
        });
        squares.points.iter_mut().for_each(|point| point[1] = point[1].sqrt());
        squares
    }

    /// The mean over blocks and runs of `value` against t, one curve a learning rate.
    pub(crate) fn over_time(&self, value: impl Fn(&Record) -> &[f64]) -> Vec<Series> {
        let curve = |(eta_w, runs): (&f64, &Vec<Trace>)| {
            let shortest = runs.iter().map(|run| run.records.len()).min().unwrap_or(0);
            let at = |k: usize| mean(runs.iter().map(|run| mean(value(&run.records[k]).iter().copied())));
            let points = (0..shortest).map(|k| [runs[0].records[k].t as f64, at(k)]).collect();
            Series::new(format!("η_w = {eta_w:e}"), Style::Line, points)
        };
        ETA_W.iter().zip(&self.runs).map(curve).collect()
    }
}

/// The horizons whose gradients are averaged: equally spaced, so that the mean is one over time.
fn last_half(n_steps: u64) -> impl Iterator<Item = u64> {
    (0..=32).map(move |k| n_steps / 2 + k * (n_steps - n_steps / 2) / 32)
}

/// What lies this many times above the worst of the first way is as good as divergent,
/// and would squash the rest of a plot.
const BEYOND: f64 = 100.0;

/// Final losses and last gradients of several ways of descending, against the learning rate; `tag` begins the plots'
/// names, `about` says what is descended on, and `least` is the value that losses are shown above.
pub(crate) fn compared(tag: &str, about: &str, ways: &[Decades], least: f64) -> [Plot; 2] {
    let shown = |mut series: Vec<Series>| {
        let worst = series[0].points.iter().map(|point| point[1]).fold(0.0, f64::max);
        series.iter_mut().for_each(|s| s.points.retain(|point| point[1] <= BEYOND * worst));
        series
    };
    let above = if least == 0.0 { "final loss" } else { "final loss above its minimum" };
    let loss = log_log(
        &format!("{tag}-decades-loss"),
        &format!("SGD: where the loss ends, against the learning rate ({about})"),
        "Mean over the runs of the full loss after T steps, with a constant η_w. Where norms may grow, a learning rate \
         decades too large ends like a good one; with fixed norms it does not. Learning rates that are too small for T \
         have not moved yet. Missing: divergent, or more than a hundred times higher.",
        "learning rate η_w",
        above,
        shown(ways.iter().map(|way| way.final_loss(least)).collect()),
    );
    let gradient = log_log(
        &format!("{tag}-decades-gradient"),
        &format!("SGD: the gradient at the end, against the learning rate ({about})"),
        "Root mean square of ‖∇L(V_t; g_t)‖ over the second half of the steps and over the runs. The least gradient of \
         a run would not tell these apart: what jumps about meets small gradients now and then. Missing: divergent, or \
         more than a hundred times higher.",
        "learning rate η_w",
        "RMS ‖∇L(V_t; g_t)‖, t ≥ T/2",
        shown(ways.iter().map(Decades::last_gradient).collect()),
    );
    [loss, gradient]
}

/// Every way of descending over eight decades of constant eta_w, on the digits and on a teacher.
pub(crate) fn on_networks(n_runs: usize, n_steps: u64, eta_g: f64, seed: &Seed) -> Result<Vec<Plot>, Unevaluated> {
    let ways = [Way::Plain, Way::Projected, Way::Unnormalised];
    let seed = seed.child("decades");
    let (mut on_digits, mut on_teacher) = (Vec::new(), Vec::new());
    for way in ways {
        let z = Minibatches::partition((0..256).collect(), 16)?;
        let network = digits_network(way.normalisation(0.1), Activation::Tanh, 256, z, &seed);
        let points = starts(&network, n_runs, &seed);
        on_digits.push(Decades::of(way.name(), &network, &points, way.rule(), eta_g, n_steps, &seed)?);
        let network = teacher_network(way, Minibatches::partition((0..48).collect(), 8)?, &seed)?;
        let points = starts(&network, n_runs, &seed);
        on_teacher.push(Decades::of(way.name(), &network, &points, way.rule(), eta_g, n_steps, &seed)?);
    }
    let mut plots = Vec::from(compared("digits", "digits, 64-16-16-10", &on_digits, 0.0));
    plots.extend(compared("teacher", "teacher, 5-4-1", &on_teacher, 0.0));
    let plain = &on_teacher[0];
    let mut rates = log_log(
        "teacher-decades-effective-rate",
        "SGD: large effective rates come down to one line, small ones wait for it (teacher, 5-4-1)",
        "The mean over blocks and runs of η_w/‖w_t‖². Large learning rates are cut down in the first steps; those that \
         are small stay as they are until ‖w‖² has grown.",
        "step t",
        "η_w/‖w_i‖², mean over i",
        plain.over_time(|record| &record.effective_lr),
    );
    let through = rates.series[6].points.last().copied().unwrap_or([1.0, 1.0]);
    rates.references.push(Reference { name: "T^(-1/2)".to_owned(), slope: -0.5, through });
    plots.push(rates);
    Ok(plots)
}
