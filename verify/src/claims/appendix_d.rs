//! Appendix D: with batch normalisation SGD trains a network at every learning rate; with fixed norms or without
//! normalisation it does not.
//!
//! The paper trains a VGG on CIFAR-10 for 100 epochs. Here the same layers, narrow and as deep as 8x8 images allow, are trained on
//! the bundled digits: small enough for every verification, and large enough to show each of the paper's three settings. What is
//! compared is fixed beforehand: half of the loss of guessing, and twice its accuracy.

use std::sync::Arc;

use ratecheck::network::Image;
use rayon::prelude::*;

use crate::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Origin, Profile, Soundness, Statement, Unevaluated,
};
use crate::experiment::{Epoch, Setting, Task, Training};
use crate::instances::{ordered_digits, shuffle};
use crate::plot::{Axis, Plot, Series, Style};

/// See the module's first line.
pub(super) struct AppendixD;

static STATEMENT: Statement = Statement {
    id: "appendix-d",
    title: "Appendix D, experiments",
    plain: "With batch normalisation SGD trains a convolutional network at every learning rate of the scale-invariant weights, over four \
            decades; with fixed norms, or with the normalisation removed, it fails at the large ones.",
    formula: "mean F_z of the last 5 epochs ≤ ½ ln 10,   test accuracy of the last 5 epochs ≥ 2/10,   \
              for every η_w with η_g = 0.1, and for one rate η = η_w = η_g",
    latex: &[
        r"\overline{F_z}\le\tfrac12\ln 10\quad\text{and}\quad\text{test accuracy}\ge\tfrac{2}{10}\quad\text{over the last 5 epochs},",
        r"\text{for every}\;\eta_w\in[10^{-2},10^2]\;\text{with}\;\eta_g=0.1,\;\text{and for one rate}\;\eta=\eta_w=\eta_g",
    ],
    printed_at: "appendix D: D.1 (figure 1), D.2 (figure 2), D.3 (figure 3)",
    kind: Kind::Inequality,
    origin: Origin::Paper,
    hypotheses: &["the network is that of appendix D: 3x3 filters, BN with ε = 0 before every ReLU, Glorot uniform"],
    measured: "training loss and test accuracy of the last 5 epochs, from several starts: SGD with η_g = 0.1 and η_w from 1e-2 to 1e2, and \
               with one rate for all parameters; projected SGD and BN removed beside them. 2 x conv, 3 x conv, 3 x conv, each stage \
               pooled, dense, dense; 1/16 of the paper's width (full: 1/8), on the bundled digits, minibatches of 20 to 50",
    tolerance: "none: half of the loss of guessing, and twice its accuracy, are far from what either side shows. A rate is refuted if every \
                start is on the wrong side, undecided if some are. One rate for all is judged up to η = 1 (standard, full: 10): beyond, g \
                itself moves by η and a few hundred steps do not bring it back",
    does_not_show: "what the paper's network does on CIFAR-10, or that the loss goes to 0; the theorems do not cover ReLU. The paper's figures show \
                    rates up to 100 for all parameters together, after 50,000 steps: at 100 the loss is still falling here",
};

/// Half of the loss of guessing among ten classes.
const LIMIT: f64 = 0.5 * std::f64::consts::LN_10;
/// Guessing, and twice that.
const GUESS: f64 = 0.1;
const FLOOR: f64 = 2.0 * GUESS;
/// eta_g where it is not eta_w.
const ETA_G: f64 = 0.1;

/// How the rates of W and of g go together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rates {
    /// D.1: eta_g = 0.1.
    Separate,
    /// D.2: one rate.
    Unified,
}

impl Rates {
    fn name(self) -> &'static str {
        if self == Self::Separate { "separate rates, η_w" } else { "one rate, η" }
    }

    fn of(self, eta: f64) -> [f64; 2] {
        [eta, if self == Self::Separate { ETA_G } else { eta }]
    }
}

/// All trainings at one learning rate.
struct AtRate {
    eta: f64,
    starts: Vec<Training>,
}

/// The sizes of a profile.
#[derive(Clone, Copy)]
struct Budget {
    n_train: usize,
    n_test: usize,
    n_epochs: usize,
    batch: usize,
    width: f64,
    n_starts: u64,
    separate: &'static [f64],
    unified: &'static [f64],
    /// One rate for all is judged up to here.
    reach: f64,
}

impl Budget {
    fn of(context: &Context) -> Self {
        let few = Self {
            n_train: 200,
            n_test: 100,
            // Of twenty starts the slowest had a loss of 1.6 after 30 epochs at eta_w = 100, 0.6 after 60 and 0.2 after 100.
            n_epochs: 60,
            batch: 20,
            width: 1.0 / 16.0,
            n_starts: 1,
            separate: &[1e2],
            unified: &[1.0],
            reach: 1.0,
        };
        let more = Self { n_train: 300, n_test: 500, batch: 30, ..few };
        let all: &[f64] = &[1e-2, 1e-1, 1.0, 1e1, 1e2];
        context.pick([
            few,
            Self { n_starts: 2, separate: &[1e-2, 1.0, 1e2], unified: &[1e-1, 1.0, 1e1], ..more },
            Self { n_epochs: 100, n_starts: 3, separate: all, unified: all, reach: 10.0, ..more },
            Self {
                n_train: 1200,
                n_test: 500,
                n_epochs: 60,
                batch: 50,
                width: 1.0 / 8.0,
                n_starts: 3,
                separate: all,
                unified: all,
                reach: 10.0,
            },
        ])
    }
}

impl Claim for AppendixD {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let budget = Budget::of(context);
        let separate = train(context, Setting::Sgd, Rates::Separate, budget.separate)?;
        let unified = train(context, Setting::Sgd, Rates::Unified, budget.unified)?;
        let mut check = Check::new();
        judge(&mut check, Rates::Separate, &separate, f64::INFINITY);
        judge(&mut check, Rates::Unified, &unified, budget.reach);
        let mut evidence = Evidence::new(check);
        if context.profile > Profile::Test {
            show(&mut evidence, context, separate, unified)?;
        }
        Ok(evidence)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "projected, separate rates",
                breaks: "every block is brought back to its norm after each step, η_w = 100",
                run: |context| broken(context, Setting::Projected, Rates::Separate, &[1e2], loss_falls),
            },
            Control {
                name: "projected, one rate",
                breaks: "the same with η = η_w = η_g = 10",
                run: |context| broken(context, Setting::Projected, Rates::Unified, &[1e1], loss_falls),
            },
            Control {
                name: "BN removed, one rate",
                breaks: "the network has no normalisation, η = 1",
                run: |context| broken(context, Setting::Removed, Rates::Unified, &[1.0], loss_falls),
            },
            Control {
                name: "projected, accuracy",
                breaks: "every block is brought back to its norm, η_w = 100: is the test accuracy too low?",
                run: |context| broken(context, Setting::Projected, Rates::Separate, &[1e2], test_is_passed),
            },
        ]
    }
}

/// A subject broken on purpose, judged by one of the two comparisons alone, at the sizes of the quick profile.
fn broken(
    context: &Context,
    setting: Setting,
    rates: Rates,
    etas: &[f64],
    compare: fn(&mut Check, Rates, &AtRate),
) -> Result<Check, Unevaluated> {
    let small = Context { profile: context.profile.min(Profile::Quick), ..context.clone() };
    let mut check = Check::new();
    train(&small, setting, rates, etas)?.iter().for_each(|found| compare(&mut check, rates, found));
    Ok(check)
}

/// Every rate from every start. Settings and rates share starts and the order of the examples.
fn train(context: &Context, setting: Setting, rates: Rates, etas: &[f64]) -> Result<Vec<AtRate>, Unevaluated> {
    let (budget, task) = (Budget::of(context), task(context));
    let jobs: Vec<(f64, u64)> = etas.iter().flat_map(|&eta| (0..budget.n_starts).map(move |k| (eta, k))).collect();
    let one = |&(eta, k): &(f64, u64)| task.train(setting, rates.of(eta), &context.seed.child(&format!("start-{k}")));
    let found = jobs.par_iter().with_max_len(1).map(one).collect::<Vec<_>>();
    let mut found = found.into_iter();
    let mut of_rate = |&eta: &f64| {
        let starts = found.by_ref().take(budget.n_starts as usize).collect::<Result<_, _>>()?;
        Ok(AtRate { eta, starts })
    };
    etas.iter().map(&mut of_rate).collect()
}

/// The digits in an order of this claim: first the training set, then the test set.
fn task(context: &Context) -> Task {
    let (budget, data) = (Budget::of(context), ordered_digits(true));
    let mut order: Vec<usize> = (0..data.n_examples()).collect();
    shuffle(&mut order, &mut context.generator("digits"));
    let (train, rest) = order.split_at(budget.n_train);
    Task {
        image: Image { channels: 1, height: 8, width: 8 },
        n_classes: 10,
        train: Arc::new(data.select(train)),
        test: Arc::new(data.select(&rest[..budget.n_test])),
        width: budget.width,
        batch: budget.batch,
        n_epochs: budget.n_epochs,
    }
}

fn judge(check: &mut Check, rates: Rates, found: &[AtRate], reach: f64) {
    for at_rate in found.iter().filter(|at_rate| at_rate.eta <= reach) {
        loss_falls(check, rates, at_rate);
        test_is_passed(check, rates, at_rate);
    }
}

/// The training loss of the last epochs is at most half of that of guessing. A run that left the finite numbers has missed it.
fn loss_falls(check: &mut Check, rates: Rates, found: &AtRate) {
    let losses = found.starts.iter().map(|training| match training.divergence {
        Some(_) => f64::MAX,
        None => training.last(|epoch| epoch.loss),
    });
    from_every_start(check, rates, found.eta, "training loss", losses.map(|loss| (loss, LIMIT)).collect());
}

/// The test accuracy is at least twice that of guessing. A run that left the finite numbers guesses, as in the paper's figure.
fn test_is_passed(check: &mut Check, rates: Rates, found: &AtRate) {
    let pairs = found.starts.iter().map(|training| (FLOOR, accuracy(training)));
    from_every_start(check, rates, found.eta, "test accuracy", pairs.collect());
}

fn accuracy(training: &Training) -> f64 {
    if training.divergence.is_some() { GUESS } else { training.last(|epoch| epoch.accuracy) }
}

/// lhs <= rhs from every start; undecided if from some.
fn from_every_start(check: &mut Check, rates: Rates, eta: f64, what: &str, pairs: Vec<(f64, f64)>) {
    let at = format!("{} = {eta:e}, {what}", rates.name());
    // Written so that NaN is on the wrong side.
    let wrong = pairs.iter().filter(|(lhs, rhs)| !(lhs <= rhs)).count();
    if wrong > 0 && wrong < pairs.len() {
        check.undecided(format!("{at}: on the wrong side from {wrong} of {} starts", pairs.len()));
        return;
    }
    for (k, (lhs, rhs)) in pairs.into_iter().enumerate() {
        check.compare(format!("{at} · start {k}"), lhs, rhs, 0.0, lhs.abs().max(rhs.abs()), Soundness::Proved);
    }
}

/// The paper's figures, and the figures behind them.
fn show(
    evidence: &mut Evidence,
    context: &Context,
    separate: Vec<AtRate>,
    unified: Vec<AtRate>,
) -> Result<(), Unevaluated> {
    let budget = Budget::of(context);
    let of = |setting, rates, etas| train(context, setting, rates, etas).map(|found| (setting, found));
    let figure_1 = vec![(Setting::Sgd, separate), of(Setting::Projected, Rates::Separate, budget.separate)?];
    let figure_2 = vec![
        (Setting::Sgd, unified),
        of(Setting::Projected, Rates::Unified, budget.unified)?,
        of(Setting::Removed, Rates::Unified, budget.unified)?,
    ];
    for (rates, figure) in [(Rates::Separate, &figure_1), (Rates::Unified, &figure_2)] {
        for (setting, found) in figure {
            for at_rate in found {
                let diverged = at_rate.starts.iter().filter(|training| training.divergence.is_some()).count();
                let losses = at_rate.starts.iter().map(|training| training.last(|epoch| epoch.loss));
                let accuracies = at_rate.starts.iter().map(accuracy);
                let n = at_rate.starts.len() as f64;
                let note = format!(
                    "test accuracy {:.2}; {diverged} of {n} left the finite numbers{}",
                    accuracies.sum::<f64>() / n,
                    if rates == Rates::Unified && at_rate.eta > budget.reach { "; not judged" } else { "" }
                );
                let name = format!("{}, {} = {:e}: training loss", setting.name(), rates.name(), at_rate.eta);
                evidence.observe(name, losses.sum::<f64>() / n, note);
            }
        }
    }
    let (d1, d2) = ("Separate rates, η_g = 0.1", "One rate for all parameters");
    evidence.plots.push(against_rate("figure-1", d1, "learning rate η_w", &figure_1, "training loss", |t| {
        t.last(|epoch| epoch.loss)
    }));
    evidence.plots.push(by_epoch("figure-1-epochs", d1, &figure_1));
    evidence.plots.push(against_rate("figure-2", d2, "learning rate η", &figure_2, "training loss", |t| {
        t.last(|epoch| epoch.loss)
    }));
    evidence.plots.push(by_epoch("figure-2-epochs", d2, &figure_2));
    for (id, title, x, figure) in
        [("figure-3", d1, "learning rate η_w", &figure_1), ("figure-3-one-rate", d2, "learning rate η", &figure_2)]
    {
        let mut plot = against_rate(id, title, x, figure, "test accuracy", accuracy);
        plot.y = Axis::linear("test accuracy, last 5 epochs");
        evidence.plots.push(plot);
    }
    Ok(())
}

/// Figures 1 to 3, left: the mean over the starts of the last five epochs; the band is from the least to the largest.
fn against_rate(
    id: &str,
    title: &str,
    x: &str,
    figure: &[(Setting, Vec<AtRate>)],
    what: &str,
    value: impl Fn(&Training) -> f64,
) -> Plot {
    let caption = format!(
        "The {what} of the last five epochs against the learning rate, mean and range over the starts. Points that are missing: a run left \
         the finite numbers."
    );
    let mut plot = Plot::log_log(id, &format!("{title}: {what}"), caption, x, &format!("{what}, last 5 epochs"));
    for (setting, found) in figure {
        let mut series = Series::new(setting.name(), Style::Line, Vec::new());
        for at_rate in found {
            let values: Vec<f64> = at_rate.starts.iter().map(&value).collect();
            if values.iter().all(|value| value.is_finite()) {
                series.points.push([at_rate.eta, values.iter().sum::<f64>() / values.len() as f64]);
                let low = values.iter().copied().fold(f64::INFINITY, f64::min);
                series.band.push([low, values.iter().copied().fold(f64::NEG_INFINITY, f64::max)]);
            }
        }
        plot.series.push(series);
    }
    plot
}

/// Figures 1 and 2, right: every epoch, from the first start.
fn by_epoch(id: &str, title: &str, figure: &[(Setting, Vec<AtRate>)]) -> Plot {
    let caption = "The mean loss of every epoch, from the first start: SGD solid, the other settings dashed. Curves that end early left the \
                   finite numbers.";
    let mut plot =
        Plot::log_log(id, &format!("{title}: every epoch"), caption, "epoch", "mean training loss of the epoch");
    // Rate by rate: what is dashed has the colour of the solid curve before it.
    for (k, at_rate) in figure[0].1.iter().enumerate() {
        for (setting, found) in figure {
            let style = if *setting == Setting::Sgd { Style::Line } else { Style::Dashed };
            let numbered = found[k].starts[0].epochs.iter().enumerate();
            let points = numbered.map(|(k, epoch): (usize, &Epoch)| [(k + 1) as f64, epoch.loss]).collect();
            plot.series.push(Series::new(format!("{}, η = {:e}", setting.name(), at_rate.eta), style, points));
        }
    }
    plot
}
