//! How a run ends that leaves the finite numbers.

use std::fmt;

/// What was found not finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotFinite {
    /// F_z(theta_t), or L(theta_t) where it was recorded.
    Loss,
    /// The squared norm of the gradient of F_z, or of L where it was recorded, at theta~_t: for a block that is
    /// ||w_i||^2 ||grad_{w_i}||^2, which overflows before its factors do.
    Gradient,
    /// The squared norm of theta_{t+1}; also a block that became zero and has no direction to project.
    Parameters,
}

/// A run that diverged: in step `step`, from theta_t with t = `step`. Vectors count as not finite as
/// soon as their squared norms overflow, since everything recorded is a squared norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// t.
    pub step: u64,
    /// What was not finite.
    pub what: NotFinite,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            NotFinite::Loss => "the loss",
            NotFinite::Gradient => "the gradient",
            NotFinite::Parameters => "the next theta",
        };
        write!(f, "diverged in step {}: {what} is not finite", self.step)
    }
}

impl std::error::Error for Divergence {}
