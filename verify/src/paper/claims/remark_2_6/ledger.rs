//! b_T^2 between both of its bounds, along a run in any arithmetic.

use ratecheck::scalar::{DoubleDouble, Scalar};

use super::spheres::{Form, Spheres};
use super::{Case, Claimed, TOLERANCE};
use crate::claim::evidence::{Check, Inequality};
use crate::claim::replay::{Recursion, Sides};

/// Of b_T^2 for every step: see the claim's doc comment.
const PER_STEP: f64 = 4.0 * TOLERANCE;
/// How much larger than its rounding a bound must be to be compared with.
const ABOVE_ROUNDING: f64 = 10.0;

/// b_0, S and rho of a block.
#[derive(Clone, Copy)]
pub(super) struct Ledger<S = f64> {
    start: Option<S>,
    sum: S,
    rho: S,
    /// How often the statement was compared.
    pub(super) compared: u64,
}

impl<S: Scalar> Ledger<S> {
    pub(super) const EMPTY: Self = Self { start: None, sum: S::ZERO, rho: S::ZERO, compared: 0 };

    /// A step from b with this squared gradient.
    pub(super) fn take(&mut self, b: S, grad_sq: S) {
        self.start.get_or_insert(b);
        self.sum += grad_sq;
        // A NaN stays: max would drop it.
        let turn_sq = grad_sq / (b * b);
        self.rho = if turn_sq.value() <= self.rho.value() { self.rho } else { turn_sq };
    }

    /// Of the bound from below, b_0^2 + 2 S <= b^2, and of that from above, b^2 - b_0^2 - 2 S <= rho S, what stands on
    /// either side.
    fn sides(&self, b: S, claimed: Claimed) -> [[S; 2]; 2] {
        let b_0 = self.start.unwrap_or(b);
        let least = b_0 * b_0 + self.sum.scale(2.0);
        let bound = (self.rho.scale(claimed.rho) - S::from_f64(2.0 - claimed.linear)) * self.sum;
        [[least, b * b], [b * b - least, bound]]
    }
}

impl Ledger {
    /// Both: from above as the statement, from below as a link, since it is nearly an equality where turns are small.
    pub(super) fn compare(
        &mut self,
        check: &mut Check,
        (name, at): (String, String),
        (b, t): (f64, u64),
        claimed: Claimed,
        replay: impl Fn() -> Option<(Ledger<DoubleDouble>, DoubleDouble)>,
    ) {
        let rounding = PER_STEP * t as f64 * b * b;
        let precise = |k: usize| {
            let (ledger, b) = replay()?;
            let [lhs, rhs] = ledger.sides(b, claimed)[k];
            Some(Sides::counted(lhs, rhs, rounding))
        };
        let inequality = |[lhs, rhs]: [f64; 2]| Inequality { lhs, rhs, rounding, scale: lhs.abs().max(rhs.abs()) };
        let [below, above] = self.sides(b, claimed);
        let mut link = Check::new();
        link.replayed(format!("{name}, from below · {at}"), inequality(below), || precise(0));
        check.merge_links(link);
        // Whatever a control leaves out, it is what the statement allows that has to be larger than rounding.
        if ABOVE_ROUNDING * rounding <= self.rho * self.sum {
            check.replayed(format!("{name} · {at}"), inequality(above), || precise(1));
            self.compared += 1;
        }
    }
}

/// A run in double-double up to T: what is known of block i, and b_T. Long ones take too long.
pub(super) fn precise(
    case: &Case<'_>,
    way: Way,
    eta: f64,
    zs: &[Vec<usize>],
    i: usize,
) -> Option<(Ledger<DoubleDouble>, DoubleDouble)> {
    if zs.len() > REPLAYS {
        return None;
    }
    let mut ledger = Ledger::<DoubleDouble>::EMPTY;
    let rate = DoubleDouble::from_f64(eta);
    match way {
        Way::Descent => {
            let mut run = Recursion::<DoubleDouble>::new(case.loss, case.theta)?;
            for z in zs {
                run.look(z);
                let n = run.w_norm_sq(i);
                ledger.take(n / rate, n * run.grad_w_sq(i));
                run.step(eta, case.eta_g);
            }
            Some((ledger, run.w_norm_sq(i) / rate))
        }
        Way::WnGrad => {
            let mut run = Spheres::<DoubleDouble>::new(case.loss, case.theta, Form::TakesUpFirst, eta)?;
            for z in zs {
                run.look(z);
                ledger.take(run.b[i], run.grad_sq(i));
                run.advance(case.eta_g);
            }
            Some((ledger, run.b[i]))
        }
    }
}

/// Which run.
#[derive(Clone, Copy)]
pub(super) enum Way {
    /// (4), with b = ||w||^2/eta.
    Descent,
    /// WNGrad in its own order, projected.
    WnGrad,
}

/// Steps in double-double take some fifty times as long: as many as the longest runs have.
const REPLAYS: usize = 2_000;
