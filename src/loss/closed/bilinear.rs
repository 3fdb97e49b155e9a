//! A bilinear function of two directions.

use ndarray::Array2;

use super::{TWO_OVER_SQRT_3, dot_constant, norm};
use crate::linalg::{self, LinalgError};
use crate::loss::{Formula, Minibatches};
use crate::parameters::Parameters;
use crate::scalar::Scalar;
use crate::smoothness::{Exact, Smoothness};

/// F(w_1, w_2) = v_1' M v_2, two blocks in R^{d_1} and R^{d_2}, no g (catalogue D3).
///
/// For fixed v_2 it is linear in v_1 with coefficients M v_2, so L_11 = L_22 = 2 s/sqrt(3) with s the largest singular
/// value of M ([`super::Linear`]). The mixed block is P_1 M P_2 with P_i the projection off v_i, so L_12 = s, attained
/// where v_1 and v_2 are perpendicular to the top singular vectors.
///
/// ```
/// use ndarray::array;
/// use ratecheck::loss::{Over, closed::Bilinear};
/// let loss = Bilinear::new(array![[2.0, 0.0], [0.0, 1.0]])?;
/// assert_eq!(loss.sample_loss(&[0], &[3.0, 0.0, 5.0, 0.0]), 2.0);
/// assert!((loss.constants().l_vv[(0, 1)].0 - 2.0).abs() < 1e-15);
/// # Ok::<(), ratecheck::linalg::LinalgError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Bilinear {
    /// Row-major.
    entries: Vec<f64>,
    d_2: usize,
    s_max: f64,
    layout: Parameters,
    z: Minibatches,
}

impl Bilinear {
    /// The function v_1' M v_2 for the d_1 x d_2 matrix M.
    ///
    /// # Errors
    /// If M has an entry that is not finite, or fewer than two rows or columns.
    pub fn new(m: Array2<f64>) -> Result<Self, LinalgError> {
        let (d_1, d_2) = m.dim();
        if d_1 < 2 || d_2 < 2 {
            return Err(LinalgError::Shape(format!("{d_1} x {d_2}: a block needs at least two entries")));
        }
        let s_max = linalg::spectral_norm(m.view())?;
        let layout = Parameters::new([("w1", d_1), ("w2", d_2)], 0);
        Ok(Self { entries: m.iter().copied().collect(), d_2, s_max, layout, z: Minibatches::full(1) })
    }

    /// L_11 = L_22 = 2 s/sqrt(3), L_12 = L_21 = s.
    pub fn constants(&self) -> Smoothness<Exact> {
        let l_vv = Array2::from_shape_fn((2, 2), |(i, j)| {
            Exact(if i == j { TWO_OVER_SQRT_3 * self.s_max } else { self.s_max })
        });
        Smoothness { l_vv, l_vg: vec![Exact(0.0); 2], l_gg: Exact(0.0) }
    }

    /// -s.
    pub fn loss_min(&self) -> f64 {
        -self.s_max
    }
}

impl Formula for Bilinear {
    common_parts!();

    #[inline]
    fn value<S: Scalar>(&self, _z: &[usize], theta: &[S]) -> S {
        let (w_1, w_2) = theta.split_at(theta.len() - self.d_2);
        let mut form = S::ZERO;
        for (&x, row) in w_1.iter().zip(self.entries.chunks_exact(self.d_2)) {
            form += x * dot_constant(row, w_2);
        }
        form / (norm(w_1) * norm(w_2))
    }
}
