//! What a verification of a loss that a user brings is run with.

/// What a verification of a user's loss is run with: `[verify]` of a problem file, or flags.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Learning rates of W; the theorems allow every one.
    pub eta_w: Vec<f64>,
    /// The learning rate of g; if it is missing, half of 1/L^gg as far as L^gg is known.
    pub eta_g: Option<f64>,
    /// Exponents of the schedule eta_w (t+1)^(-alpha) of stochastic descent.
    pub alphas: Vec<f64>,
    /// T; if it is missing, what a share of a minute allows.
    pub steps: Option<u64>,
    /// Independent runs of stochastic descent.
    pub runs: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { eta_w: vec![0.01, 1.0, 100.0], eta_g: None, alphas: vec![0.0, 0.25, 0.5], steps: None, runs: 8 }
    }
}

impl Settings {
    /// A line each.
    pub fn in_words(&self) -> Vec<String> {
        let list = |numbers: &[f64]| numbers.iter().map(f64::to_string).collect::<Vec<_>>().join(", ");
        vec![
            format!("eta_w: {}", list(&self.eta_w)),
            self.eta_g.map_or_else(|| "eta_g: from L^gg".to_owned(), |rate| format!("eta_g: {rate}")),
            format!("alphas: {}", list(&self.alphas)),
            self.steps.map_or_else(|| "steps: by the budget".to_owned(), |steps| format!("steps: {steps}")),
            format!("seeds: {}", self.runs),
        ]
    }
}
