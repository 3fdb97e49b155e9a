//! The runs: on which loss, at which rates, how long, and what is kept of them.

use ratecheck::descent::{Plan, Record, Schedule, StepRule};
use ratecheck::rates::{Estimate, SgdPrediction, Window, fit_power_law, log_spaced, mean_over_runs};

use crate::claim::evidence::{Context, Unevaluated};
use crate::paper::sgd::coupled::Known;
use crate::paper::sgd::settled::Settled;
use crate::paper::sgd::{Table, centres};

/// How long, how often, and what separates the window from the limit.
#[derive(Clone, Copy)]
pub(super) struct Budget {
    pub(super) n_steps: u64,
    pub(super) n_runs: usize,
    /// Of an exponent, from its limit.
    pub(super) margin: f64,
}

impl Budget {
    const TEST: Self = Self { n_steps: 20_000, n_runs: 256, margin: 0.03 };
    /// Of the controls, which are far off.
    pub(super) const CONTROL: Self = Self { n_runs: 64, ..Self::TEST };
    /// Of the controls on the quotient, whose large curvature needs a later window.
    pub(super) const CONTROL_LATE: Self = Self { n_steps: 100_000, n_runs: 32, ..Self::TEST };
    /// Of the control whose prediction goes out from the start, from which norms scatter by a fifth.
    pub(super) const CONTROL_MANY: Self = Self::TEST;

    /// For every alpha.
    pub(super) fn of(context: &Context) -> Self {
        context.pick([
            Self::TEST,
            Self { n_steps: 50_000, n_runs: 320, margin: 0.025 },
            Self { n_steps: 300_000, n_runs: 384, margin: 0.015 },
            Self { n_steps: 1_000_000, n_runs: 256, margin: 0.012 },
        ])
    }

    /// For learning rates a decade to either side, and for the quotient: see the claim.
    pub(super) fn late(context: &Context) -> Self {
        let (n_steps, margin) = context.pick([(100_000, 0.03), (100_000, 0.03), (300_000, 0.025), (1_000_000, 0.02)]);
        Self { n_steps, n_runs: 128, margin }
    }

    /// On the quotient, whose gradient has two directions that forget faster: it scatters half as much.
    pub(super) fn of_quotient(context: &Context) -> Self {
        Self { n_runs: 64, ..Self::late(context) }
    }

    pub(super) fn window(self) -> Window {
        Window::new(self.ends()[0], self.ends()[1])
    }

    /// The horizons in the window: 21 bins of ratio 100^(1/21) = 1.245.
    pub(super) fn horizons(self) -> Vec<u64> {
        log_spaced(self.n_steps / 100, self.n_steps, 22)
    }

    pub(super) fn ends(self) -> [f64; 2] {
        [self.n_steps as f64 / 100.0, self.n_steps as f64]
    }

    /// What the gradient's exponent may differ from what is predicted by, as a share of it.
    pub(super) fn share(self) -> f64 {
        self.margin / super::EXPONENT.abs()
    }
}

/// Some runs of one loss.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    pub(super) known: &'a Known,
    pub(super) rule: StepRule,
    pub(super) eta_w: f64,
    pub(super) alpha: f64,
    /// The exponent of the schedule of g; the theorem's is 1/2.
    pub(super) alpha_g: f64,
    pub(super) budget: Budget,
}

/// What was measured of some runs.
pub(super) struct Measured {
    /// ||grad_v L||^2, averaged over the steps of each bin, and ||grad_g L||^2.
    pub(super) v: Table,
    pub(super) g: Table,
    /// The first, over what theory has of it at the middle of the bin, with the e_t of the run: see [`expected`].
    pub(super) relative: Table,
    pub(super) effective_lr: Table,
    pub(super) w_norm_sq: Table,
    pub(super) settled: Settled,
}

impl<'a> Case<'a> {
    /// Of plain SGD with the theorem's schedule of g.
    pub(super) fn new(known: &'a Known, eta_w: f64, alpha: f64, budget: Budget) -> Self {
        Self { known, rule: StepRule::Gradient, eta_w, alpha, alpha_g: 0.5, budget }
    }

    /// What theory says of effective rates and norms.
    pub(super) fn prediction(&self) -> SgdPrediction {
        SgdPrediction { eta_w: self.eta_w, alpha: self.alpha, norm_sq_0: 1.0, noise: self.known.q() }
    }

    pub(super) fn measure(&self, context: &Context, name: &str) -> Result<Measured, Unevaluated> {
        let Self { known, budget, .. } = *self;
        // As many bins before the window as in it, for the plots.
        let horizons = log_spaced(1, budget.n_steps / 100, 22).into_iter().chain(budget.horizons());
        let rates = [Schedule::new(self.eta_w, self.alpha)?, Schedule::new(super::ETA_G, self.alpha_g)?];
        let plan = Plan::new(self.rule, rates[0], rates[1], budget.n_steps, horizons).every_step();
        let traces = known.traces(&plan, budget.n_runs, &context.seed.child(name))?;
        let t: Vec<f64> = plan.horizons().iter().map(|&t| t as f64).collect();
        let bins = |of: &dyn Fn(&[Record]) -> f64| Table {
            t: centres(&t),
            values: traces.iter().flat_map(|trace| trace.records.windows(2).map(of)).collect(),
        };
        let each = |of: fn(&Record) -> f64| Table {
            t: t.clone(),
            values: traces.iter().flat_map(|trace| trace.records.iter().map(of)).collect(),
        };
        let v = |pair: &[Record]| mean_between(pair, |sums| sums.sum_grad_v_sq);
        Ok(Measured {
            v: bins(&v),
            g: bins(&|pair| mean_between(pair, |sums| sums.sum_grad_g_sq)),
            relative: bins(&|pair| v(pair) / expected(known, pair)),
            effective_lr: each(|record| record.effective_lr[0]),
            w_norm_sq: each(|record| record.w_norm_sq[0]),
            settled: Settled::of(known, &traces, rates[1], budget.horizons()[0]),
        })
    }

    /// The slope of ||w||^2 that a run has on the window over what is predicted of it, and the same of the effective
    /// rate: as means over the runs. A prediction goes out from the run's own norm at the first step of the window, or
    /// from ||w_0|| = 1.
    pub(super) fn slopes_over_predicted(
        &self,
        found: &Measured,
        sgd: SgdPrediction,
        from: From,
    ) -> Result<[Estimate; 2], Unevaluated> {
        let (window, n) = (self.budget.window(), found.w_norm_sq.t.len());
        let horizons = self.budget.horizons();
        let late = n - horizons.len();
        let t: Vec<f64> = horizons.iter().map(|&t| t as f64).collect();
        let rate = |t: u64| self.eta_w * libm::pow(t as f64 + 1.0, -self.alpha);
        let mut ratios = [Vec::new(), Vec::new()];
        for (norms, rates) in found.w_norm_sq.values.chunks_exact(n).zip(found.effective_lr.values.chunks_exact(n)) {
            let (first, start) = match from {
                From::Window => (horizons[0], norms[late]),
                From::Start => (0, sgd.norm_sq_0),
            };
            let norm: Vec<f64> = horizons.iter().map(|&t| sgd.norm_sq_after(first, start, t)).collect();
            let effective: Vec<f64> = horizons.iter().zip(&norm).map(|(&t, n)| rate(t) / n).collect();
            for (ratios, [seen, predicted]) in
                ratios.iter_mut().zip([[&norms[late..], &norm], [&rates[late..], &effective]])
            {
                let slope = |y: &[f64]| fit_power_law(&t, y, window).map(|fit| fit.slope);
                ratios.push(slope(seen)? / slope(predicted)?);
            }
        }
        Ok([mean_over_runs(&ratios[0])?, mean_over_runs(&ratios[1])?])
    }
}

/// E||grad_v L||^2 at the middle of a bin, to second order. Along an eigenvector of H with curvature h and noise sigma
/// the variance follows p' = (1 - e h)^2 p + e^2 sigma, so that p = (e sigma/(2h)) (1 + e h/2 + lag), where p lags
/// behind e_t ~ t^(-1/2) by 1/(4 e h t), for it forgets in 1/(2 e h) steps. Times h^2, summed: e tr(H Sigma)/2 + e^2
/// tr(H^2 Sigma)/4 + q/(8 t).
fn expected(known: &Known, pair: &[Record]) -> f64 {
    let middle = |of: fn(&Record) -> f64| (of(&pair[0]) * of(&pair[1])).sqrt();
    let (e, t) = (middle(|record| record.effective_lr[0]), middle(|record| record.t as f64));
    0.5 * e * known.tr_h_sigma() + 0.25 * e * e * known.tr_h_sq_sigma() + known.q() / (8.0 * t)
}

/// Where a prediction goes out from.
#[derive(Clone, Copy)]
pub(super) enum From {
    /// The run's own norm at the first step of the window.
    Window,
    /// ||w_0||.
    Start,
}

/// The mean over the steps between two records.
fn mean_between(pair: &[Record], sum: fn(&ratecheck::descent::Running) -> f64) -> f64 {
    let at = |record: &Record| record.running.as_ref().map_or(f64::NAN, sum);
    (at(&pair[1]) - at(&pair[0])) / (pair[1].t - pair[0].t) as f64
}
