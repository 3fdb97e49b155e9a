//! Linear operators of which only products are known, and the blocks of a Hessian among them.

use std::ops::Range;

use ndarray::ArrayView2;

use super::hessian::{HessianProduct, Target, hessian_vector_product};
use crate::loss::Loss;
use crate::smoothness::Part;

/// A linear operator of which only products are known.
pub trait Operator {
    /// (rows, columns).
    fn shape(&self) -> (usize, usize);
    /// y = B x.
    fn apply(&mut self, x: &[f64], y: &mut [f64]);
    /// x = B^T y.
    fn apply_transpose(&mut self, y: &[f64], x: &mut [f64]);
}

/// The block of a Hessian with the rows of one part and the columns of another, through Hessian-vector products.
///
/// ```
/// use ratecheck::curvature::{BlockOperator, Operator, Part};
/// use ratecheck::loss::closed::BnRegression;
/// let loss = BnRegression::new(vec![3.0, 4.0]);
/// // The column (w, g) at v = (1, 0): -(c - (c'v) v).
/// let mut block = BlockOperator::new(&loss, &[0], &[1.0, 0.0, 1.0], Part::Block(0), Part::G);
/// let mut y = [0.0; 2];
/// block.apply(&[1.0], &mut y);
/// assert_eq!(y, [0.0, -4.0]);
/// ```
#[derive(Debug)]
pub struct BlockOperator<'a> {
    loss: &'a dyn Loss,
    target: Target<'a>,
    theta: &'a [f64],
    rows: Range<usize>,
    columns: Range<usize>,
    direction: Vec<f64>,
    product: Vec<f64>,
    work: HessianProduct,
}

impl<'a> BlockOperator<'a> {
    /// The block of the Hessian at `theta`.
    ///
    /// # Panics
    /// If there is no such block, or theta has another length than the loss's parameters.
    pub fn new(loss: &'a dyn Loss, target: impl Into<Target<'a>>, theta: &'a [f64], rows: Part, columns: Part) -> Self {
        let layout = loss.parameters();
        let n = layout.len();
        assert_eq!(theta.len(), n, "theta has one entry per parameter");
        let (rows, columns) = (rows.range(layout), columns.range(layout));
        let (direction, product) = (vec![0.0; n], vec![0.0; n]);
        Self { loss, target: target.into(), theta, rows, columns, direction, product, work: HessianProduct::new(n) }
    }

    /// The whole Hessian at `theta`, which is symmetric.
    ///
    /// # Panics
    /// If theta has another length than the loss's parameters.
    pub fn whole(loss: &'a dyn Loss, target: impl Into<Target<'a>>, theta: &'a [f64]) -> Self {
        let n = theta.len();
        Self { rows: 0..n, columns: 0..n, ..Self::new(loss, target, theta, Part::G, Part::G) }
    }

    /// Puts x into the part `from`, multiplies, and reads the part `to`: the Hessian is symmetric, so both products of
    /// the block are products of the whole.
    fn multiply(&mut self, from: Range<usize>, x: &[f64], to: Range<usize>, y: &mut [f64]) {
        self.direction[from.clone()].copy_from_slice(x);
        hessian_vector_product(self.loss, self.target, self.theta, &self.direction, &mut self.product, &mut self.work);
        self.direction[from].fill(0.0);
        y.copy_from_slice(&self.product[to]);
    }
}

impl Operator for BlockOperator<'_> {
    fn shape(&self) -> (usize, usize) {
        (self.rows.len(), self.columns.len())
    }
    fn apply(&mut self, x: &[f64], y: &mut [f64]) {
        self.multiply(self.columns.clone(), x, self.rows.clone(), y);
    }
    fn apply_transpose(&mut self, y: &[f64], x: &mut [f64]) {
        self.multiply(self.rows.clone(), y, self.columns.clone(), x);
    }
}

/// A matrix is an operator too.
impl Operator for ArrayView2<'_, f64> {
    fn shape(&self) -> (usize, usize) {
        self.dim()
    }
    fn apply(&mut self, x: &[f64], y: &mut [f64]) {
        ndarray::linalg::general_mat_vec_mul(1.0, self, &ndarray::aview1(x), 0.0, &mut ndarray::aview_mut1(y));
    }
    fn apply_transpose(&mut self, y: &[f64], x: &mut [f64]) {
        let transposed = self.t();
        ndarray::linalg::general_mat_vec_mul(1.0, &transposed, &ndarray::aview1(y), 0.0, &mut ndarray::aview_mut1(x));
    }
}
