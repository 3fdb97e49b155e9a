//! A run that settles at no stationary point, written down.

use ratecheck::descent::{LossSource, Record, Running, Trace};
use ratecheck::rates::log_spaced;

use super::{PER_DECADE, decide, late_slope};
use crate::claim::evidence::{Check, Unevaluated};

/// A trace that stays on a plateau, judged like a run.
pub(super) fn plateau() -> Result<Check, Unevaluated> {
    const N_STEPS: u64 = 10_000;
    let record = |t: u64| {
        let sum = t.min(100) as f64 + 0.01 * t.saturating_sub(100) as f64;
        let running =
            Running { min_grad_sq: 0.01, sum_grad_v_sq: sum, sum_grad_v_sq_by_block: vec![sum], sum_grad_g_sq: 0.0 };
        Record {
            t,
            loss: 1.0,
            grad_v_sq: 0.01,
            grad_v_sq_by_block: vec![0.01],
            grad_g_sq: 0.0,
            source: LossSource::Exact,
            running: Some(running),
            w_norm_sq: vec![1.0],
            effective_lr: vec![1.0],
            angular_update: vec![0.0],
        }
    };
    let trace = Trace {
        records: log_spaced(N_STEPS / 10, N_STEPS, PER_DECADE).into_iter().map(record).collect(),
        divergence: None,
        theta: Vec::new(),
        largest_g: 0.0,
    };
    let mut check = Check::new();
    decide(&mut check, "plateau", &[late_slope(&trace)?]);
    Ok(check)
}
