//! Whether a run of gradient descent on a user's loss settles, as far as its T allows to say.
//!
//! A slope that is steep enough shows it. One that is not shows nothing yet, for T may be too short: a small η_w needs
//! T in proportion to 1/η_w, and a large one has to grow the norms first. Both can be told from the run. Once C_i
//! η_w/n_i ≤ 1/2, a step of gradient descent lowers the loss by at least Σ_i (η_w/(2n_i))‖∇_{v_i}L‖² + (c/2)η_g‖∇_gL‖²
//! (Lemma 3.2); and before, n_i grows by (η_w²/n_i)‖∇_{v_i}L‖² (Lemma 2.4), so that Σ_i (growth of n_i)/(2η_w) is no
//! less than the first sum with the last n_i. A run has had its time if, over the last decade of T, these sums exceed
//! what the loss could fall by, and either the norms did not grow by what their gradients say, or the first phase was
//! over before. A slope that is then too flat has failed; any other is undecided.

use ratecheck::descent::{Record, Running, Trace};

use crate::claim::closed_forms::C_G;
use crate::claim::evidence::{Check, Soundness, Unevaluated};
use crate::paper::gradient_descent::Terms;

/// The last decade of a run.
pub(crate) struct LastDecade {
    /// Σ_i (η_w/(2n_i)) Σ_t‖∇_{v_i}L‖², with the largest n_i of the decade.
    of_w: f64,
    /// (c/2) η_g Σ_t‖∇_gL‖².
    of_g: f64,
    /// Σ_i (growth of n_i)/(2η_w).
    grown: f64,
    /// L at its start, less Lmin.
    gap: f64,
    /// Whether 2C_iη_w ≤ n_i at its start, for constants that are large enough.
    first_phase_over: bool,
    /// √(mean ‖∇L‖²) over it.
    pub(crate) rms: f64,
    /// The largest η_w/n_i at its end.
    pub(crate) effective_rate: f64,
}

pub(crate) fn running(record: &Record) -> Result<&Running, Unevaluated> {
    record.running.as_ref().ok_or_else(|| Unevaluated("no running sums".to_owned()))
}

impl LastDecade {
    /// Of a run with records from T/10 to T.
    ///
    /// # Errors
    /// If there are none, or no sums in them.
    pub(crate) fn of(trace: &Trace, terms: &Terms, eta_w: f64) -> Result<Self, Unevaluated> {
        let none = || Unevaluated("no records of the last decade".to_owned());
        let last = trace.records.last().ok_or_else(none)?;
        let decade = || trace.records.iter().filter(|record| record.t >= last.t / 10);
        let first = decade().next().ok_or_else(none)?;
        let (end, start) = (running(last)?, running(first)?);
        let blocks = 0..first.w_norm_sq.len();
        let largest = |i: usize| decade().map(|record| record.w_norm_sq[i]).fold(0.0, f64::max);
        let sum = |i: usize| end.sum_grad_v_sq_by_block[i] - start.sum_grad_v_sq_by_block[i];
        let sum_g = end.sum_grad_g_sq - start.sum_grad_g_sq;
        let over = |c_w: &[f64]| c_w.iter().zip(&first.w_norm_sq).all(|(c, n)| 2.0 * c * eta_w <= *n);
        let all = end.sum_grad_v_sq - start.sum_grad_v_sq + sum_g;
        Ok(Self {
            of_w: blocks.clone().map(|i| eta_w / (2.0 * largest(i)) * sum(i)).sum(),
            of_g: 0.5 * C_G * terms.eta_g * sum_g,
            grown: blocks.map(|i| (last.w_norm_sq[i] - first.w_norm_sq[i]) / (2.0 * eta_w)).sum(),
            gap: first.loss - terms.loss_min,
            first_phase_over: terms.most.as_ref().is_some_and(|most| over(&most.c_w)),
            rms: (all / (last.t - first.t) as f64).max(0.0).sqrt(),
            effective_rate: last.effective_lr.iter().fold(0.0, |max, x| if *x <= max { max } else { *x }),
        })
    }

    /// See the first lines of this file. Half of the growth, for the norms of other rules may grow for other reasons.
    fn has_had_its_time(&self) -> bool {
        let paid = self.of_w + self.of_g;
        paid > self.gap && (self.first_phase_over || self.grown < 0.5 * self.of_w)
    }

    /// The slope is at most `limit` up to `margin`, is not, or cannot be told;
    /// margins of the check are relative to `scale`.
    pub(crate) fn judge(&self, check: &mut Check, at: &str, slope: f64, [limit, margin, scale]: [f64; 3]) {
        if slope > limit + margin && !self.has_had_its_time() {
            let Self { of_w, of_g, grown, gap, .. } = self;
            check.undecided(format!(
                "{at}: the slope {slope:.3} is above {limit}, and T is too short to blame it: the squared gradients of \
                 the last decade are worth {:.2e} of the loss, which can fall by {gap:.2e}, and the growth of the \
                 norms {grown:.2e}",
                of_w + of_g
            ));
            return;
        }
        check.compare(at, slope, limit, margin, scale, Soundness::Proved);
    }
}
