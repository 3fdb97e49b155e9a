//! Decisions that a claim takes from samples: what they are, and what each may cost.

/// What is estimated from the runs; each has noise of its own ([`Quantity::noise`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// The log-log slope of the root of the mean square of grad_v, where a square is averaged over the steps of a bin.
    SlopeOfRootMean,
    /// The same at a constant learning rate, later.
    SlopeOfRootMeanLate,
    /// The same of grad_g, one number that remembers longer.
    SlopeOfRootMeanG,
    /// The slope of the mean squared norm.
    SlopeOfNorm,
    /// The mean of the slopes of the single runs.
    SlopeOfEachRun,
    /// The mean of one number a run, at one T.
    Number,
    /// The mean of the slopes of the single runs, each over the one that is predicted of it.
    SlopeOverPredicted,
    /// The same of a mean over the steps of a run, near a minimiser that is known.
    Average,
}

impl Quantity {
    /// Whether it is a number, and no slope.
    pub fn is_number(self) -> bool {
        matches!(self, Self::Number | Self::Average | Self::SlopeOverPredicted)
    }
}

/// What is claimed of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// At most target + margin: [`at_most`](ratecheck::rates::at_most).
    AtMost,
    /// Within the margin of the target: [`equivalent`](ratecheck::rates::equivalent).
    Equivalent,
}

/// A decision about an exponent, or about one number.
#[derive(Clone, Debug, PartialEq)]
pub struct Design {
    /// What is estimated.
    pub quantity: Quantity,
    /// On which sides it is bounded.
    pub side: Side,
    /// The exponent claimed.
    pub target: f64,
    /// What is allowed beyond it.
    pub margin: f64,
    /// Independent runs.
    pub n_runs: usize,
    /// The horizons of the fit.
    pub t: Vec<f64>,
}

/// One sort of decisions that a claim takes from samples.
#[derive(Clone, Debug, PartialEq)]
pub struct SampledTest {
    /// In a few words.
    pub what: String,
    /// How often the claim takes it.
    pub times: usize,
    /// The nominal probability that one decision is wrong: 1 - level of its interval.
    pub risk: f64,
    /// For decisions by Student's intervals. Bounds that are valid for every number of runs need no calibration.
    pub design: Option<Design>,
}

impl SampledTest {
    /// A decision by an interval of the given level.
    pub(crate) fn of_rate(what: &str, times: usize, level: f64, design: Design) -> Self {
        Self { what: what.to_owned(), times, risk: 1.0 - level, design: Some(design) }
    }

    /// The level of its interval.
    pub fn level(&self) -> f64 {
        1.0 - self.risk
    }
}
