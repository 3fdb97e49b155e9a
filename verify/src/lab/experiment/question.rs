//! What is to be seen in the trainings at a rate, fixed before they are run.

use serde::Serialize;

use super::guess::Guess;
use super::study::{AtRate, Rates};
use super::task::{Setting, Training};

/// What is looked at: the mean over the last five epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seen {
    /// The mean of F_z over the minibatches of an epoch.
    Loss,
    /// The share of test examples classified right.
    Accuracy,
}

impl Seen {
    /// As tables name it.
    pub fn name(self) -> &'static str {
        if self == Self::Loss { "training loss" } else { "test accuracy" }
    }

    /// As the limits of a plan name it.
    pub fn key(self) -> &'static str {
        if self == Self::Loss { "loss" } else { "accuracy" }
    }

    /// Of one training. One that diverged has an infinite loss, and guesses, as in the paper's figures.
    pub fn of(self, training: &Training, guess: Guess) -> f64 {
        match (self, training.divergence) {
            (Self::Loss, None) => training.last(|epoch| epoch.loss),
            (Self::Loss, Some(_)) => f64::INFINITY,
            (Self::Accuracy, None) => training.last(|epoch| epoch.accuracy),
            (Self::Accuracy, Some(_)) => guess.accuracy,
        }
    }
}

/// Which side of the threshold is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The network learns: its loss is at most the threshold, its accuracy at least.
    Learns,
    /// It does not.
    Stalls,
}

/// One question, with one side expected.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Question {
    /// What is trained.
    pub setting: Setting,
    /// Which rates go together.
    pub rates: Rates,
    /// The rate.
    pub eta: f64,
    /// What is looked at.
    pub seen: Seen,
    /// The side that is expected.
    pub side: Side,
    /// The threshold.
    pub threshold: f64,
}

/// What the starts say together. Were the median over all starts on the other side, n starts would agree on this one
/// with a probability of at most 2^-n, whatever their distribution: the level of a yes, and of a no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Every start is on the side that is expected.
    Yes,
    /// Every start is on the other side.
    No,
    /// They disagree, or there are none.
    Undecided,
}

impl Question {
    /// Whether a value is on the expected side. What is not a number has learned nothing.
    pub fn is_met(&self, value: f64) -> bool {
        let learned = match self.seen {
            Seen::Loss => value <= self.threshold,
            Seen::Accuracy => value >= self.threshold,
        };
        learned == (self.side == Side::Learns)
    }

    /// What the trainings at this rate say. `values` has one number per start.
    pub fn answer(&self, values: &[f64]) -> Answer {
        match values.iter().filter(|&&value| self.is_met(value)).count() {
            0 if !values.is_empty() => Answer::No,
            met if met == values.len() && met > 0 => Answer::Yes,
            _ => Answer::Undecided,
        }
    }

    /// The trainings that it is about.
    pub fn among<'a>(&self, found: &'a [AtRate]) -> Option<&'a AtRate> {
        found.iter().find(|at| (at.setting, at.rates, at.eta) == (self.setting, self.rates, self.eta))
    }

    /// `projected SGD, η_w = 100: training loss above 1.15`.
    pub fn described(&self) -> String {
        let relation = match (self.seen, self.side) {
            (Seen::Loss, Side::Learns) => "at most",
            (Seen::Loss, Side::Stalls) => "above",
            (Seen::Accuracy, Side::Learns) => "at least",
            (Seen::Accuracy, Side::Stalls) => "below",
        };
        let (setting, eta, seen) = (self.setting.name(), self.eta, self.seen.name());
        format!("{setting}, {} = {eta}: {seen} {relation} {:.3}", self.rates.symbol(), self.threshold)
    }
}

impl Answer {
    /// 2^-n.
    pub fn level(n_starts: usize) -> f64 {
        0.5_f64.powi(n_starts as i32)
    }
}
