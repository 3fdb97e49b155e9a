//! Lemma 3.2 for single steps, proved: no constant is estimated and no rounding is trusted.
//!
//! Gradient descent starts from the numbers theta_t as they are stored and makes one exact step. Its gradient is
//! enclosed, hence theta_{t+1}, hence L there; the constants are proved on the segment between ([`segment_constants`]),
//! which is all that the proof of the lemma uses of section 2.4. Both sides of the inequality are then compared as
//! intervals. That the two agree is the lemma; that they *could* disagree, were a constant too small,
//! is what the controls of the claims show.

use std::fmt;

use crate::bounds::{self, Factors};
use crate::curvature::{NotEnclosed, SegmentConstants, SegmentOptions, Target, Upper, enclosing, segment_constants};
use crate::loss::{Loss, Workspace};
use crate::scalar::{Interval, Scalar};

/// One step of gradient descent, and what of Lemma 3.2 is to be proved of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// eta_w.
    pub eta_w: f64,
    /// eta_g.
    pub eta_g: f64,
    /// c_g, in (0, 1).
    pub c_g: f64,
    /// How sharp the constants are to be.
    pub segment: SegmentOptions,
    /// What the constants of the lemma are multiplied by: by 1, but for a control.
    pub factors: Factors,
}

/// What is known of the inequality.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds: the left-hand side's interval lies below the right-hand side's.
    Proved,
    /// It is false: the left-hand side's interval lies above.
    Refuted,
    /// Neither.
    Undecided(Obstacle),
}

/// Why a step stays undecided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The bounds of the constants are not as sharp as was asked within the budget.
    ConstantsNotSharp,
    /// eta_g is not proved to be at most 2(2-c)/((2+c)L^gg).
    EtaGTooLarge,
    /// The two intervals overlap: the step changes the loss by no more than rounding.
    Rounding,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ConstantsNotSharp => "the constants on the segment are not sharp within the budget",
            Self::EtaGTooLarge => "η_g is not proved to be admissible",
            Self::Rounding => "both sides agree to rounding",
        })
    }
}

/// A step with the two sides of Lemma 3.2.
#[derive(Clone, Debug)]
pub struct ProvedStep {
    /// What follows.
    pub outcome: Outcome,
    /// L(theta_{t+1}) - L(theta_t).
    pub change: Interval,
    /// The right-hand side of (12), with the proved C_i.
    pub bound: Interval,
    /// C_i, proved (with [`Step::factors`]).
    pub c_w: Vec<Upper>,
    /// The constants on the segment.
    pub constants: SegmentConstants,
}

/// Lemma 3.2 for the step from `theta` on the given target.
///
/// # Errors
/// If the loss cannot be enclosed.
///
/// # Panics
/// If `theta` has not the length of the loss's parameters.
///
/// ```
/// use ratecheck::bounds::{Constant, Factors};
/// use ratecheck::curvature::SegmentOptions;
/// use ratecheck::loss::closed::Rayleigh;
/// use ratecheck::proof::{Outcome, Step, lemma_3_2};
/// // Near its minimum the Rayleigh quotient leaves the lemma a relative slack of 1e-6: any smaller C is refuted.
/// let loss = Rayleigh::equally_spaced(10);
/// let segment = SegmentOptions { within: 1e-4, ..SegmentOptions::default() };
/// let step = Step { eta_w: 1.0, eta_g: 1.0, c_g: 0.5, segment, factors: Factors::ONE };
/// assert_eq!(lemma_3_2(&loss, &[0], &loss.theta_0(), &step)?.outcome, Outcome::Proved);
/// let smaller = Step { factors: Factors::ONE.claiming(Constant::C, 0.999), ..step };
/// assert_eq!(lemma_3_2(&loss, &[0], &loss.theta_0(), &smaller)?.outcome, Outcome::Refuted);
/// # Ok::<(), ratecheck::curvature::NotEnclosed>(())
/// ```
pub fn lemma_3_2<'a>(
    loss: &dyn Loss,
    target: impl Into<Target<'a>>,
    theta: &[f64],
    step: &Step,
) -> Result<ProvedStep, NotEnclosed> {
    let target = target.into();
    let over = enclosing(loss, target)?;
    let layout = loss.parameters();
    let start: Vec<Interval> = theta.iter().map(|&x| Interval::from(x)).collect();
    let (mut gradient, mut scratch) = (vec![Interval::ZERO; theta.len()], vec![Interval::ZERO; theta.len()]);
    let mut work = Workspace::default();
    let mut evaluate = |theta: &[Interval], gradient: &mut [Interval]| match target {
        Target::Sample(z) => over.sample_gradient(z, theta, gradient, &mut work),
        Target::Mean => over.mean_gradient(theta, gradient, &mut scratch, &mut work).unwrap_or(Interval::ENTIRE),
    };
    let before = evaluate(&start, &mut gradient);
    let g = layout.g();
    let moved: Vec<Interval> = gradient
        .iter()
        .enumerate()
        .map(|(i, d)| d.scale(if g.contains(&i) { -step.eta_g } else { -step.eta_w }))
        .collect();
    let constants = segment_constants(loss, target, theta, &moved, &step.segment)?;

    let norm_sq = |x: &[Interval]| x.iter().fold(Interval::ZERO, |sum, x| sum + x.square());
    let blocks = || layout.blocks().iter().map(|block| block.range.clone());
    let n: Vec<Interval> = blocks().map(|range| norm_sq(&start[range])).collect();
    let grad_w_sq: Vec<Interval> = blocks().map(|range| norm_sq(&gradient[range])).collect();
    let grad_g_sq = norm_sq(&gradient[g.clone()]);
    let proved = |bound: &Upper| Interval::from(bound.0);
    // Without a g there is nothing to be coupled to, and no condition.
    let l_gg = if g.is_empty() { Interval::ONE } else { proved(&constants.upper.l_gg) };
    let c_w: Vec<Interval> = (0..layout.n_blocks())
        .map(|i| {
            let row: Vec<Interval> = constants.upper.l_vv.row(i).iter().map(proved).collect();
            let l_vg = if g.is_empty() { Interval::ZERO } else { proved(&constants.upper.l_vg[i]) };
            Interval::from(step.factors.c_w(&row, l_vg, l_gg, step.c_g).hi())
        })
        .collect();
    let bound = step.factors.lemma_3_2(step.eta_w, step.eta_g, step.c_g, &n, &grad_w_sq, &c_w, grad_g_sq);

    let after: Vec<Interval> = start.iter().zip(&moved).map(|(&x, &d)| x + d).collect();
    let change = evaluate(&after, &mut gradient) - before;
    let admissible = step.eta_g <= bounds::eta_g_limit(l_gg, step.c_g).lo();
    let outcome = if !constants.settled {
        Outcome::Undecided(Obstacle::ConstantsNotSharp)
    } else if !admissible {
        Outcome::Undecided(Obstacle::EtaGTooLarge)
    } else if change.hi() <= bound.lo() {
        Outcome::Proved
    } else if change.lo() > bound.hi() {
        Outcome::Refuted
    } else {
        Outcome::Undecided(Obstacle::Rounding)
    };
    Ok(ProvedStep { outcome, change, bound, c_w: c_w.iter().map(|c| Upper(c.hi())).collect(), constants })
}
