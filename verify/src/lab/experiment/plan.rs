//! How large, how long, and what is expected.

use std::fmt::Write as _;

use ratecheck::descent::Precision;

use super::data::DataSource;
use super::guess::Guess;
use super::question::{Question, Seen, Side};
use super::study::Rates;
use super::task::Setting;
use crate::claim::evidence::Profile;

/// Which of the paper's experiments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    /// D.1: separate rates.
    D1,
    /// D.2: one rate.
    D2,
    /// D.3: test accuracy, under both.
    D3,
}

impl Figure {
    /// All of them, by their names.
    pub const ALL: [(&'static str, Self); 3] = [("d1", Self::D1), ("d2", Self::D2), ("d3", Self::D3)];

    /// `d1`, `d2` or `d3`.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }

    /// The families of rates that it shows, with the settings compared in each.
    pub fn families(self) -> Vec<(Rates, &'static [Setting])> {
        let separate = (Rates::Separate, &[Setting::Sgd, Setting::Projected][..]);
        let unified = (Rates::Unified, &[Setting::Sgd, Setting::Projected, Setting::Removed][..]);
        match self {
            Self::D1 => vec![separate],
            Self::D2 => vec![unified],
            Self::D3 => vec![separate, unified],
        }
    }
}

/// What is expected, and of which rates. Fixed before anything is run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// A network has learned if its training loss is at most this: half of that of guessing, if it is not given.
    pub loss: Option<f64>,
    /// And if its test accuracy is at least this; see [`Guess::learned`], if it is not given.
    pub accuracy: Option<f64>,
    /// SGD must learn, except that its training loss at one rate for all is judged up to this rate only: beyond, g
    /// itself moves by the rate, and the loss takes long to come down when the classes are told apart already.
    pub unified_up_to: f64,
    /// Projected SGD must not learn from this rate on.
    pub projected_from: f64,
    /// Nor SGD without batch normalisation from this rate on.
    pub removed_from: f64,
}

impl Limits {
    /// The number for what is looked at, if one is given.
    pub fn of(&self, seen: Seen) -> Option<f64> {
        if seen == Seen::Loss { self.loss } else { self.accuracy }
    }
}

/// An experiment. `docs/experiment.md` describes its file.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Which experiment.
    pub figure: Figure,
    /// The roots of the starts and of the orders of the examples.
    pub seeds: Vec<u64>,
    /// How often every example is seen.
    pub n_epochs: usize,
    /// The arithmetic of the network.
    pub precision: Precision,
    /// The width of the network; 1 is the paper's.
    pub width: f64,
    /// The size of a minibatch.
    pub batch: usize,
    /// Where the images come from.
    pub source: DataSource,
    /// How many to train with.
    pub n_train: usize,
    /// How many to test with.
    pub n_test: usize,
    /// The side of the square that images are put into the middle of.
    pub side: Option<usize>,
    /// Which images are taken.
    pub subset_seed: u64,
    /// How many classes there are, where images need not show all of them.
    pub n_classes: Option<usize>,
    /// eta_w of D.1.
    pub eta_w: Vec<f64>,
    /// eta_g of D.1.
    pub eta_g: f64,
    /// eta of D.2.
    pub eta: Vec<f64>,
    /// What is expected.
    pub limits: Limits,
}

/// How a plan, and the name of a training, call an arithmetic.
pub(super) const PRECISIONS: [(&str, Precision); 2] = [("double", Precision::Double), ("single", Precision::Single)];

/// The word of [`PRECISIONS`].
pub(super) fn word(precision: Precision) -> &'static str {
    PRECISIONS[precision as usize].0
}

/// The decades of the paper's figures, and those that quick looks at.
const DECADES: [f64; 5] = [1e-2, 1e-1, 1.0, 1e1, 1e2];

impl Plan {
    /// What a profile runs on a data set.
    pub fn preset(figure: Figure, profile: Profile, source: DataSource) -> Self {
        let limits =
            Limits { loss: None, accuracy: None, unified_up_to: 10.0, projected_from: 10.0, removed_from: 1.0 };
        // The digits: 8x8, so that every step takes a few milliseconds and there are only 1,797.
        let digits = Self {
            figure,
            seeds: (0..3).collect(),
            n_epochs: 60,
            precision: Precision::Single,
            width: 1.0 / 16.0,
            batch: 20,
            source,
            n_train: 300,
            n_test: 500,
            side: None,
            subset_seed: 2019,
            n_classes: None,
            eta_w: vec![1e-2, 1.0, 1e2],
            eta_g: 0.1,
            eta: vec![1e-1, 1.0, 1e1],
            limits,
        };
        let is_digits = digits.source == DataSource::Digits;
        match (is_digits, profile) {
            (true, Profile::Test | Profile::Quick) => digits,
            (true, Profile::Standard) => {
                Self { seeds: (0..5).collect(), n_epochs: 100, n_train: 1200, batch: 50, ..digits.with_all_rates() }
            }
            (true, Profile::Full) => {
                let digits = digits.with_all_rates();
                Self { seeds: (0..7).collect(), n_epochs: 200, n_train: 1200, batch: 50, width: 1.0, ..digits }
            }
            (false, Profile::Test | Profile::Quick) => Self {
                // Of three starts the slowest had a loss of 1.24 after 60 epochs at one rate of 10,
                // and 0.9 to 1.1 after 75.
                n_epochs: 75,
                n_train: 500,
                n_test: 200,
                batch: 50,
                side: Some(32),
                eta_w: vec![1e-2, 1e2],
                eta: vec![1e-1, 1e1],
                ..digits
            },
            (false, Profile::Standard) => Self {
                seeds: (0..5).collect(),
                n_epochs: 20,
                n_train: 4000,
                n_test: 1000,
                batch: 50,
                side: Some(32),
                ..digits.with_all_rates()
            },
            // The paper's: every image of CIFAR-10, its width, its epochs.
            (false, Profile::Full) => Self {
                n_epochs: 100,
                n_train: 50_000,
                n_test: 10_000,
                width: 1.0,
                batch: 100,
                side: Some(32),
                ..digits.with_all_rates()
            },
        }
    }

    fn with_all_rates(self) -> Self {
        Self { eta_w: DECADES.to_vec(), eta: DECADES.to_vec(), ..self }
    }

    /// The rates of a family.
    pub fn etas(&self, rates: Rates) -> &[f64] {
        if rates == Rates::Separate { &self.eta_w } else { &self.eta }
    }

    /// How many steps a training has.
    pub fn n_steps(&self) -> u64 {
        (self.n_epochs * (self.n_train / self.batch)) as u64
    }

    /// What its figure shows.
    pub fn seen(&self) -> Seen {
        if self.figure == Figure::D3 { Seen::Accuracy } else { Seen::Loss }
    }

    /// What is asked of the trainings, on images among which `guess` is the best guess.
    pub fn questions(&self, guess: Guess) -> Vec<Question> {
        let seen = self.seen();
        let threshold = guess.threshold(seen, &self.limits);
        let mut questions = Vec::new();
        for (rates, settings) in self.figure.families() {
            for &setting in settings {
                for &eta in self.etas(rates) {
                    let side = match setting {
                        Setting::Sgd if self.is_judged(rates, eta, seen) => Side::Learns,
                        Setting::Projected if eta >= self.limits.projected_from => Side::Stalls,
                        Setting::Removed if eta >= self.limits.removed_from => Side::Stalls,
                        _ => continue,
                    };
                    questions.push(Question { setting, rates, eta, seen, side, threshold });
                }
            }
        }
        questions
    }

    fn is_judged(&self, rates: Rates, eta: f64, seen: Seen) -> bool {
        rates == Rates::Separate || seen == Seen::Accuracy || eta <= self.limits.unified_up_to
    }

    /// The same plan with paths that mean the same everywhere.
    ///
    /// # Errors
    /// If the working directory is unknown.
    pub fn absolute(self) -> std::io::Result<Self> {
        Ok(Self { source: self.source.absolute()?, ..self })
    }

    /// The file that says the same: see [`Plan::read`].
    pub fn toml(&self) -> String {
        let rates = |etas: &[f64]| etas.iter().map(|eta| format!("{eta:?}")).collect::<Vec<_>>().join(", ");
        let seeds: Vec<String> = self.seeds.iter().map(u64::to_string).collect();
        let precision = word(self.precision);
        let Limits { loss, accuracy, unified_up_to, projected_from, removed_from } = self.limits;
        let mut text = String::new();
        let side = self.side.map_or_else(String::new, |side| format!("side = {side}\n"));
        let classes = self.n_classes.map_or_else(String::new, |n| format!("classes = {n}\n"));
        let limit = |key: &str, x: Option<f64>| x.map_or_else(String::new, |x| format!("{key} = {x:?}\n"));
        let (loss, accuracy) = (limit("loss", loss), limit("accuracy", accuracy));
        let source = self.source.toml();
        let wrote = write!(
            text,
            "[experiment]\nfigure = \"{}\"\nseeds = [{}]\nepochs = {}\nbatch-size = {}\nwidth = {:?}\nprecision = \
             \"{precision}\"\n\n\
             [data]\n{source}\ntrain = {}\ntest = {}\n{side}{classes}seed = {}\n\n\
             [rates]\neta-w = [{}]\neta-g = {:?}\neta = [{}]\n\n\
             [expected]\n{loss}{accuracy}unified-up-to = {unified_up_to:?}\n\
             projected-from = {projected_from:?}\nremoved-from = {removed_from:?}\n",
            self.figure.name(),
            seeds.join(", "),
            self.n_epochs,
            self.batch,
            self.width,
            self.n_train,
            self.n_test,
            self.subset_seed,
            rates(&self.eta_w),
            self.eta_g,
            rates(&self.eta),
        );
        debug_assert!(wrote.is_ok(), "a String takes everything");
        text
    }
}
