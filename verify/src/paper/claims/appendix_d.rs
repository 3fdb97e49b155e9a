//! Appendix D: with batch normalisation SGD trains a network at every learning rate; with fixed norms or without
//! normalisation it does not.
//!
//! The paper trains a VGG on CIFAR-10 for 100 epochs. Here the same layers, narrow and as deep as 8x8 images allow, are
//! trained on the bundled digits: small enough for every verification, and large enough to show each of the paper's
//! three settings. What is compared is fixed beforehand: half of the loss of guessing, and twice its accuracy.

use std::sync::Arc;

use ratecheck::descent::Precision;
use ratecheck::network::Image;

use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Origin, Profile, Soundness, Statement, Unevaluated,
};
use crate::claim::instances::{ordered_digits, shuffle};
use crate::claim::plot::Plot;
use crate::lab::experiment::{
    Answer, AtRate, Guess, Question, Rates, Seen, Setting, Side, Study, Task, Training, figures,
};

/// See the module's first line.
pub(super) struct AppendixD;

static STATEMENT: Statement = Statement {
    id: "appendix-d",
    title: "Appendix D, experiments",
    plain: "With batch normalisation SGD trains a convolutional network at every learning rate of the scale-invariant \
            weights, over four decades; with fixed norms, or with the normalisation removed, it fails at the large \
            ones.",
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
    measured: "training loss and test accuracy of the last 5 epochs, from several starts: SGD with η_g = 0.1 and η_w \
               from 1e-2 to 1e2, and with one rate for all parameters; projected SGD and BN removed beside them. 2 x \
               conv, 3 x conv, 3 x conv, each stage pooled, dense, dense; 1/16 of the paper's width (full: 1/8), on \
               the bundled digits, minibatches of 20 to 50. `ratecheck experiment` runs the same on real images, at \
               any width",
    tolerance: "none: half of the loss of guessing, and twice its accuracy, are far from what either side shows. A \
                rate is refuted if every start is on the wrong side, undecided if some are. One rate for all is judged \
                up to η = 1 (standard, full: 10): beyond, g itself moves by η and a few hundred steps do not bring it \
                back",
    does_not_show: "what the paper's network does on CIFAR-10, or that the loss goes to 0; the theorems do not cover \
                    ReLU. The paper's figures show rates up to 100 for all parameters together, after 50,000 steps: at \
                    100 the loss is still falling here",
};

/// Half of the loss of guessing among ten classes.
const LIMIT: f64 = 0.5 * std::f64::consts::LN_10;
/// The classes, and twice the accuracy of guessing among them.
const N_CLASSES: usize = 10;
const FLOOR: f64 = 2.0 / N_CLASSES as f64;
/// eta_g where it is not eta_w.
const ETA_G: f64 = 0.1;

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
            // Of twenty starts the slowest had a loss of 1.6 after 30 epochs at eta_w = 100,
            // 0.6 after 60 and 0.2 after 100.
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

impl Budget {
    /// What is smaller than in the paper, and what is judged.
    fn setting(&self) -> String {
        format!(
            "{} bundled digits of 8x8 pixels in the place of CIFAR-10, 1/{} of the width, {} epochs in the place of \
             100; judged by half of the loss of guessing and twice its accuracy, and one rate for all up to {}",
            self.n_train,
            (1.0 / self.width).round(),
            self.n_epochs,
            self.reach
        )
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
        for found in separate.iter().chain(unified.iter().filter(|found| found.eta <= budget.reach)) {
            learns(&mut check, Seen::Loss, found);
            learns(&mut check, Seen::Accuracy, found);
        }
        let mut evidence = Evidence::new(check).reduced_to(budget.setting());
        if context.profile > Profile::Test {
            show(&mut evidence, context, separate, unified)?;
        } else {
            evidence.plots.extend(pictures(&separate, &unified));
        }
        Ok(evidence)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "projected, separate rates",
                breaks: "every block is brought back to its norm after each step, η_w = 100",
                run: |context| broken(context, Setting::Projected, Rates::Separate, &[1e2], Seen::Loss),
            },
            Control {
                name: "projected, one rate",
                breaks: "the same with η = η_w = η_g = 10",
                run: |context| broken(context, Setting::Projected, Rates::Unified, &[1e1], Seen::Loss),
            },
            Control {
                name: "BN removed, one rate",
                breaks: "the network has no normalisation, η = 1",
                run: |context| broken(context, Setting::Removed, Rates::Unified, &[1.0], Seen::Loss),
            },
            Control {
                name: "projected, accuracy",
                breaks: "every block is brought back to its norm, η_w = 100: is the test accuracy too low?",
                run: |context| broken(context, Setting::Projected, Rates::Separate, &[1e2], Seen::Accuracy),
            },
        ]
    }
}

/// A subject broken on purpose, judged by one of the two comparisons alone, at the sizes of the quick profile.
fn broken(context: &Context, setting: Setting, rates: Rates, etas: &[f64], seen: Seen) -> Result<Check, Unevaluated> {
    let small = Context { profile: context.profile.min(Profile::Quick), ..context.clone() };
    let mut check = Check::new();
    train(&small, setting, rates, etas)?.iter().for_each(|found| learns(&mut check, seen, found));
    Ok(check)
}

/// Every rate from every start.
fn train(context: &Context, setting: Setting, rates: Rates, etas: &[f64]) -> Result<Vec<AtRate>, Unevaluated> {
    let (budget, task) = (Budget::of(context), task(context));
    let seeds = (0..budget.n_starts).map(|k| context.seed.child(&format!("start-{k}"))).collect();
    Study { task: &task, seeds, eta_g: ETA_G }.train(setting, rates, etas)
}

/// The digits in an order of this claim: first the training set, then the test set.
fn task(context: &Context) -> Task {
    let (budget, data) = (Budget::of(context), ordered_digits(true));
    let mut order: Vec<usize> = (0..data.n_examples()).collect();
    shuffle(&mut order, &mut context.generator("digits"));
    let (train, rest) = order.split_at(budget.n_train);
    Task {
        image: Image { channels: 1, height: 8, width: 8 },
        n_classes: N_CLASSES,
        train: Arc::new(data.select(train)),
        test: Arc::new(data.select(&rest[..budget.n_test])),
        width: budget.width,
        batch: budget.batch,
        n_epochs: budget.n_epochs,
        precision: Precision::Double,
    }
}

/// The loss of the last epochs is at most half of that of guessing, or the accuracy at least twice that, from every
/// start: a rate is undecided if from some.
fn learns(check: &mut Check, seen: Seen, found: &AtRate) {
    let AtRate { setting, rates, eta, ref starts } = *found;
    let threshold = if seen == Seen::Loss { LIMIT } else { FLOOR };
    let question = Question { setting, rates, eta, seen, side: Side::Learns, threshold };
    let values: Vec<f64> = starts.iter().map(|training| seen.of(training, Guess::among(N_CLASSES))).collect();
    let at = format!("{} = {eta:e}, {}", rates.name(), seen.name());
    if question.answer(&values) == Answer::Undecided {
        let wrong = values.iter().filter(|&&value| !question.is_met(value)).count();
        check.undecided(format!("{at}: on the wrong side from {wrong} of {} starts", values.len()));
        return;
    }
    for (k, value) in values.into_iter().enumerate() {
        // What diverged has missed the threshold, as a comparison of finite numbers.
        let [lhs, rhs] = if seen == Seen::Loss { [value.min(f64::MAX), LIMIT] } else { [FLOOR, value] };
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
    let mut figure_1 = separate;
    figure_1.extend(train(context, Setting::Projected, Rates::Separate, budget.separate)?);
    let mut figure_2 = unified;
    for setting in [Setting::Projected, Setting::Removed] {
        figure_2.extend(train(context, setting, Rates::Unified, budget.unified)?);
    }
    for found in figure_1.iter().chain(&figure_2) {
        let AtRate { setting, rates, eta, starts } = found;
        let n = starts.len() as f64;
        let mean = |value: &dyn Fn(&Training) -> f64| starts.iter().map(value).sum::<f64>() / n;
        let diverged = starts.iter().filter(|training| training.divergence.is_some()).count();
        let note = format!(
            "test accuracy {:.2}; {diverged} of {n} diverged{}",
            mean(&|training| Seen::Accuracy.of(training, Guess::among(N_CLASSES))),
            if *rates == Rates::Unified && *eta > budget.reach { "; not judged" } else { "" }
        );
        let name = format!("{}, {} = {eta:e}: training loss", setting.name(), rates.name());
        evidence.observe(name, mean(&|training| training.last(|epoch| epoch.loss)), note);
    }
    evidence.plots.extend(pictures(&figure_1, &figure_2));
    Ok(())
}

/// The figures of trainings with separate rates and with one rate.
fn pictures(separate: &[AtRate], unified: &[AtRate]) -> Vec<Plot> {
    let guess = Guess::among(N_CLASSES);
    let mut plots = figures(Rates::Separate, ETA_G, separate, guess);
    plots.extend(figures(Rates::Unified, ETA_G, unified, guess));
    plots
}
