//! Values and gradients with more digits than `f64` has, where a loss can give them: identities are then decided by
//! what they say, and not by how a loss rounds.

use std::ops::Range;

use ratecheck::curvature::{HessianProduct, Part, Target, hessian_vector_product};
use ratecheck::loss::{Further, Loss, Over, Workspace};
use ratecheck::parameters::{dot, norm};
use ratecheck::scalar::{DoubleDouble, Scalar};

/// 2^-53, the unit roundoff of f64.
pub const U: f64 = f64::EPSILON / 2.0;

/// Evaluates a loss in double-double, or in `f64` if it has nothing better.
pub struct Evaluator<'a> {
    plain: &'a dyn Loss,
    precise: Option<(&'a dyn Over<DoubleDouble>, Workspace<DoubleDouble>)>,
    /// What an identity may be off by, relative to the size of its terms. In double-double one rounding of `f64`: those
    /// of a hundred thousand operations in 2^-98, amplified a hundred million times, stay below it.
    /// In `f64` a thousand roundings.
    pub unit: f64,
    /// The same of an identity about Hessian-vector products: more, by what foreign products are off
    /// (`Products::relative_error`).
    pub product_unit: f64,
}

/// What was seen at a point.
pub struct Seen {
    /// F_z.
    pub value: DoubleDouble,
    /// Its gradient.
    pub grad: Vec<DoubleDouble>,
    theta_norm: f64,
}

impl Seen {
    /// The size of the terms of identities about values: a relative change of theta by u changes F by u ||theta||
    /// ||grad F||.
    pub fn size(&self) -> f64 {
        self.value.value().abs().max(1.0) + self.theta_norm * self.grad_norm()
    }

    /// ||grad F||.
    pub fn grad_norm(&self) -> f64 {
        length(&self.grad)
    }
}

impl<'a> Evaluator<'a> {
    /// In the best arithmetic that the loss has.
    pub fn new(loss: &'a dyn Loss) -> Self {
        let precise = loss.over::<DoubleDouble>().map(|over| (over, Workspace::default()));
        let unit = if precise.is_some() { U } else { 1024.0 * U };
        let off = match loss.further() {
            Further::Formula(_) => 0.0,
            Further::Products(products) => products.relative_error(),
        };
        Self { plain: loss, precise, unit, product_unit: unit + off }
    }

    /// Whether more digits than those of `f64` are had.
    pub fn is_precise(&self) -> bool {
        self.precise.is_some()
    }

    /// Value and gradient at a point that `f64` holds.
    pub fn at(&mut self, z: &[usize], theta: &[f64]) -> Seen {
        let theta: Vec<DoubleDouble> = theta.iter().map(|&x| DoubleDouble::from(x)).collect();
        self.gradient(z, &theta)
    }

    /// Value and gradient.
    pub fn gradient(&mut self, z: &[usize], theta: &[DoubleDouble]) -> Seen {
        let theta_norm = length(theta);
        if let Some((over, work)) = &mut self.precise {
            let mut grad = vec![DoubleDouble::ZERO; theta.len()];
            let value = over.sample_gradient(z, theta, &mut grad, work);
            return Seen { value, grad, theta_norm };
        }
        let theta: Vec<f64> = theta.iter().map(|x| x.value()).collect();
        let mut grad = vec![0.0; theta.len()];
        let value = self.plain.sample_gradient(z, &theta, &mut grad, &mut Workspace::default());
        Seen { value: value.into(), grad: grad.into_iter().map(DoubleDouble::from).collect(), theta_norm }
    }

    /// The value alone.
    pub fn value(&mut self, z: &[usize], theta: &[DoubleDouble]) -> DoubleDouble {
        match &self.precise {
            Some((over, _)) => over.sample_loss(z, theta),
            None => {
                let theta: Vec<f64> = theta.iter().map(|x| x.value()).collect();
                self.plain.sample_loss(z, &theta).into()
            }
        }
    }

    /// theta with some of its numbers multiplied by c.
    pub fn scaled(&self, theta: &[f64], range: Range<usize>, c: f64) -> Vec<DoubleDouble> {
        let mut theta: Vec<DoubleDouble> = theta.iter().map(|&x| DoubleDouble::from(x)).collect();
        theta[range].iter_mut().for_each(|x| *x *= DoubleDouble::from(c));
        theta
    }
}

/// The Euclidean norm, rounded.
pub fn length(x: &[DoubleDouble]) -> f64 {
    norm(&x.iter().map(|x| x.value()).collect::<Vec<f64>>())
}

/// How often [`block_norm`] squares H'H: a power iteration of 2^40 steps, after which singular values that differ by
/// one part in 10^10 are apart.
const SQUARINGS: usize = 40;

/// The norm of a block of the Hessian of a scale-invariant loss at unit weights in double-double, from any theta: by
/// Lemma 2.2 it is the one at theta times the norms of its two parts. The second number says how far it may be off; see
/// [`block_norm`].
pub(crate) fn unit_block_norm(
    loss: &dyn Loss,
    target: Target<'_>,
    theta: &[f64],
    parts: [Part; 2],
) -> Option<(DoubleDouble, f64)> {
    let (layout, theta) = (loss.parameters(), theta.iter().map(|&x| DoubleDouble::from(x)).collect::<Vec<_>>());
    let (value, residual) = block_norm(loss, target, &theta, parts)?;
    let length = |part: Part| match part {
        Part::Block(i) => dot(&theta[layout.block(i)], &theta[layout.block(i)]).sqrt(),
        Part::G => DoubleDouble::ONE,
    };
    Some((value * length(parts[0]) * length(parts[1]), residual))
}

/// A block of the Hessian at theta in double-double, and its norm: ||Hx||/||x|| for the x that a power iteration ends
/// at, which is at most the norm whatever x is, and how far an eigenvalue of H'H may be from its square, over it.
/// Nothing if the block is 0.
pub(crate) fn block_norm(
    loss: &dyn Loss,
    target: Target<'_>,
    theta: &[DoubleDouble],
    [rows, columns]: [Part; 2],
) -> Option<(DoubleDouble, f64)> {
    let layout = loss.parameters();
    let (rows, columns) = (rows.range(layout), columns.range(layout));
    let (n, mut work) = (theta.len(), HessianProduct::new(theta.len()));
    let (mut direction, mut out) = (vec![DoubleDouble::ZERO; n], vec![DoubleDouble::ZERO; n]);
    let mut block = Vec::new();
    for j in columns {
        direction[j] = DoubleDouble::ONE;
        hessian_vector_product(loss, target, theta, &direction, &mut out, &mut work);
        direction[j] = DoubleDouble::ZERO;
        block.push(out[rows.clone()].to_vec());
    }
    let product = |x: &[DoubleDouble]| -> Vec<DoubleDouble> {
        let column = |i: usize| block.iter().zip(x).fold(DoubleDouble::ZERO, |sum, (column, &x)| sum + column[i] * x);
        (0..rows.len()).map(column).collect()
    };
    // H'H, to a power of 2, with its largest entry made 1 each time; a column of that is near the leading vectors.
    let gram = |of: &[Vec<DoubleDouble>]| -> Vec<Vec<DoubleDouble>> {
        of.iter().map(|x| of.iter().map(|y| dot(x, y)).collect()).collect()
    };
    let squared = gram(&block);
    let mut power = squared.clone();
    for _ in 0..SQUARINGS {
        let largest = power.iter().flatten().fold(0.0_f64, |largest, x| largest.max(x.value().abs()));
        power.iter_mut().flatten().for_each(|x| *x = *x / DoubleDouble::from(largest));
        power = gram(&power);
    }
    let longest = power.iter().max_by(|a, b| dot(a, a).value().total_cmp(&dot(b, b).value()))?;
    let length = dot(longest, longest).sqrt();
    let x: Vec<DoubleDouble> = longest.iter().map(|&x| x / length).collect();
    let y = product(&x);
    let value_sq = dot(&y, &y);
    let missed: Vec<DoubleDouble> = squared.iter().zip(&x).map(|(row, &h)| dot(row, &x) - value_sq * h).collect();
    let value = value_sq.sqrt();
    let residual = dot(&missed, &missed).value().sqrt() / value.value();
    (value.value() > 0.0).then_some((value, residual))
}
