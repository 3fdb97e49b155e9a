//! The objective f_y at the end of the network.

use super::rows::{Lanes, REST, Sum, sweep};
use crate::scalar::{Scalar, vectorised_for};

/// The objective f_y(out), averaged over the minibatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objective {
    /// ln(1 + e^(-y out)), one output, labels y = -1 or +1.
    Logistic,
    /// -ln softmax(out)_y, K >= 2 outputs, labels y = 0..K-1.
    CrossEntropy,
    /// (1/2) ||out - y||^2: one output and a real label, or K outputs and a class turned into a unit vector.
    Squared,
}

impl Objective {
    /// Whether the objective works with this many outputs.
    ///
    /// # Errors
    /// What is wrong, in words.
    ///
    /// ```
    /// use ratecheck::network::Objective;
    /// assert!(Objective::Logistic.check_outputs(1).is_ok() && Objective::Logistic.check_outputs(2).is_err());
    /// ```
    pub fn check_outputs(self, outputs: usize) -> Result<(), String> {
        match self {
            Self::Logistic if outputs != 1 => Err(format!("the logistic objective needs 1 output, not {outputs}")),
            Self::CrossEntropy if outputs < 2 => Err("cross-entropy needs at least 2 outputs".to_owned()),
            Self::Logistic | Self::CrossEntropy | Self::Squared => Ok(()),
        }
    }

    /// Whether a label fits the objective and the number of outputs.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    ///
    /// ```
    /// use ratecheck::network::Objective;
    /// assert!(Objective::Logistic.check_label(1, -1.0).is_ok());
    /// assert!(Objective::CrossEntropy.check_label(3, 3.0).is_err()); // the classes are 0, 1, 2
    /// assert!(Objective::Squared.check_label(1, 0.37).is_ok());
    /// ```
    pub fn check_label(self, outputs: usize, label: f64) -> Result<(), String> {
        let is_class = label >= 0.0 && label < outputs as f64 && label.fract() == 0.0;
        match self {
            Self::Logistic if label != 1.0 && label != -1.0 => {
                Err(format!("label {label}: the logistic objective needs -1 or +1"))
            }
            Self::CrossEntropy | Self::Squared if !is_class && (self == Self::CrossEntropy || outputs > 1) => {
                let last = outputs.saturating_sub(1);
                Err(format!("label {label}: with {outputs} outputs labels are whole numbers 0..{last}"))
            }
            Self::Squared if !label.is_finite() => Err(format!("label {label} is not a finite number")),
            Self::Logistic | Self::CrossEntropy | Self::Squared => Ok(()),
        }
    }

    /// Writes d(mean f_y)/d(out) into `d` (rows of outputs, in planes) and returns the mean of f_y. `out` is K rows of
    /// length PLANES * B, `scratch` two such rows.
    pub(super) fn forward<S: Scalar>(
        self,
        out: &[S::Base],
        d: &mut [S::Base],
        scratch: &mut [S::Base],
        labels: &[f64],
    ) -> S {
        let batch = labels.len() / S::RUNS;
        let row = S::PLANES * batch;
        match self {
            Self::Logistic => vectorised_for::<S, _>(
                #[inline(always)]
                || {
                    let mut sum = Sum::new();
                    sweep!(S: batch, K, C, b => {
                        let y = &labels[b * S::RUNS..(b + K) * S::RUNS];
                        let t = -Lanes::<S, K>::load(out, b).scale(y);
                        let slope = -t.map(S::sigmoid).scale(y);
                        slope.map(#[inline(always)] |slope: S| slope.over(batch)).store(d, b);
                        sum.add::<C, K>(t.map(S::softplus));
                    });
                    sum.total().over(batch)
                },
            ),
            Self::CrossEntropy => vectorised_for::<S, _>(
                #[inline(always)]
                || cross_entropy(out, d, scratch, labels),
            ),
            Self::Squared => {
                let single = out.len() == row;
                let mut total = S::ZERO;
                for (k, (out, d)) in out.chunks_exact(row).zip(d.chunks_exact_mut(row)).enumerate() {
                    let mut sum = Sum::new();
                    for b in 0..batch {
                        let target = |y: f64| if single { y } else { f64::from(u8::from(y == k as f64)) };
                        let residual: S = S::load(out, b) - S::of_runs(|r| target(labels[b * S::RUNS + r]));
                        residual.over(batch).store(d, b);
                        sum.add::<REST, 1>(Lanes([residual.square()]));
                    }
                    total += sum.total();
                }
                total.scale(0.5).over(batch)
            }
        }
    }
}

/// ln sum_k e^(o_k) - o_y, shifted by the largest output so that nothing overflows;
/// the shift is a constant and cancels.
#[inline(always)]
fn cross_entropy<S: Scalar>(out: &[S::Base], d: &mut [S::Base], scratch: &mut [S::Base], labels: &[f64]) -> S {
    let batch = labels.len() / S::RUNS;
    let row = S::PLANES * batch;
    let (largest, rest) = scratch.split_at_mut(row);
    let total = &mut rest[..row];
    for b in 0..batch {
        let first = S::load(&out[..row], b);
        first.larger(first).store(largest, b);
        S::ZERO.store(total, b);
    }
    for out in out.chunks_exact(row) {
        for b in 0..batch {
            S::load(largest, b).larger(S::load(out, b)).store(largest, b);
        }
    }
    for (out, d) in out.chunks_exact(row).zip(d.chunks_exact_mut(row)) {
        let out = &out[..d.len()];
        for b in 0..batch {
            let e = (S::load(out, b) - S::load(largest, b)).exp();
            e.store(d, b);
            (S::load(total, b) + e).store(total, b);
        }
    }
    let mut sum = Sum::new();
    for b in 0..batch {
        let of_label = S::pick(out, row, &labels[b * S::RUNS..], b);
        sum.add::<REST, 1>(Lanes([S::load(total, b).ln() + S::load(largest, b) - of_label]));
    }
    for b in 0..batch {
        S::load(total, b).recip().store(total, b);
    }
    for (k, d) in d.chunks_exact_mut(row).enumerate() {
        for b in 0..batch {
            let p = S::load(d, b) * S::load(total, b);
            let target = |y: f64| f64::from(u8::from(y == k as f64));
            (p - S::of_runs(|r| target(labels[b * S::RUNS + r]))).over(batch).store(d, b);
        }
    }
    sum.total().over(batch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::DoubleDouble;

    /// The mean of f_y and its derivatives by the outputs, for outputs given unit by unit.
    fn evaluated(objective: Objective, out: &[&[f64]], labels: &[f64]) -> (f64, Vec<f64>) {
        let out = out.concat();
        let (mut d, mut scratch) = (vec![0.0; out.len()], vec![0.0; 2 * labels.len()]);
        let value = objective.forward::<f64>(&out, &mut d, &mut scratch, labels);
        (value, d)
    }

    /// Values by the formulas themselves: that derivatives fit values is what the network's tests say.
    #[test]
    fn objectives_are_those_of_their_formulas() {
        // (1/2) 1.5^2 and (1/2) 0.25^2; their mean, and half of each residual.
        let squared = evaluated(Objective::Squared, &[&[0.5, 1.25]], &[2.0, 1.0]);
        assert_eq!(squared, (0.5 * (1.125 + 0.031_25), vec![-0.75, 0.125]));
        // Against the unit vectors of the classes 1 and 2.
        let classes = evaluated(Objective::Squared, &[&[1.0, 0.0], &[0.0, 0.5], &[0.5, 1.0]], &[1.0, 2.0]);
        assert_eq!(classes, (0.5 * (1.125 + 0.125), vec![0.5, 0.0, -0.5, 0.25, 0.25, 0.0]));
        // Outputs ln 1, ln 2, ln 5 above a common 3: probabilities 1/8, 2/8, 5/8.
        let out = [3.0, 3.0 + libm::log(2.0), 3.0 + libm::log(5.0)];
        let (value, d) = evaluated(Objective::CrossEntropy, &[&out[..1], &out[1..2], &out[2..]], &[1.0]);
        // A logarithm, three exponentials and a few sums of numbers below 5.
        let near = |x: f64, y: f64| (x - y).abs() <= 16.0 * f64::EPSILON;
        assert!(near(value, libm::log(4.0)), "{value}");
        assert!(near(d[0], 0.125) && near(d[1], -0.75) && near(d[2], 0.625), "{d:?}");
        // ln(1 + e^(-y out)) at y out = ln 3 is ln(4/3), with the derivative -y/4.
        let (value, d) = evaluated(Objective::Logistic, &[&[-libm::log(3.0)]], &[-1.0]);
        assert!(near(value, libm::log(4.0 / 3.0)) && near(d[0], 0.25), "{value} {d:?}");
    }

    /// Outputs whose lower parts alone are beyond the exponential: 1e25 (1 + u/3) and its negative.
    #[test]
    fn large_outputs_in_double_double() {
        let x = DoubleDouble::new(1e25, 1e25 * f64::EPSILON / 6.0);
        let out = [x.hi(), x.lo(), -x.hi(), -x.lo()];
        for (label, expected) in [(0.0, 0.0), (1.0, 2.0 * x.hi())] {
            let (mut d, mut scratch) = ([f64::NAN; 4], [f64::NAN; 4]);
            let value = Objective::CrossEntropy.forward::<DoubleDouble>(&out, &mut d, &mut scratch, &[label]);
            assert_eq!((value.value(), d), (expected, [label, 0.0, -label, 0.0]), "{label}");
        }
    }
}
