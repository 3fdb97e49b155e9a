//! What a piece of work needs at the least: floating-point operations, and bytes that move.
//!
//! Counted are products of matrices alone. Normalisation, tanh, divisions, drawing and gathering come on top, so the
//! share of a limit that a network reaches stays below one by what they take. Bytes are those of the factors and of the
//! results, once for every product, as if each product kept in registers what it reads twice.

use std::ops::{Add, Mul};

use serde::Serialize;

/// The bytes of an `f64`.
const DOUBLE: u64 = 8;

/// The least that a piece of work needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// Floating-point operations, two a multiply-add.
    pub operations: u64,
    /// Bytes that are read and written.
    pub bytes: u64,
    /// Bytes of all that is read or written again and again: where they fit decides where they are loaded from.
    pub held: u64,
}

impl Add for Counted {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            operations: self.operations + other.operations,
            bytes: self.bytes + other.bytes,
            held: self.held + other.held,
        }
    }
}

/// The same for so many times as much, side by side: nothing is shared.
impl Mul<u64> for Counted {
    type Output = Self;
    fn mul(self, times: u64) -> Self {
        Self { operations: self.operations * times, bytes: self.bytes * times, held: self.held * times }
    }
}

impl Counted {
    /// Operations, and the numbers that are read, written and held, as `f64`.
    fn doubles(operations: u64, moved: u64, held: u64) -> Self {
        Self { operations, bytes: DOUBLE * moved, held: DOUBLE * held }
    }

    /// The product of two matrices of n x n, of numbers of so many bytes.
    pub fn square(n: u64, bytes: u64) -> Self {
        let moved = 3 * n * n * bytes;
        Self { operations: 2 * n.pow(3), bytes: moved, held: moved }
    }

    /// The gradient of a fully connected network: forward and dL/dW in every layer, dL/dx in every layer but the first.
    /// Held are the parameters, their gradient, and the inputs and outputs of every layer.
    pub fn gradient(widths: &[usize], batch: usize) -> Self {
        each_layer(widths, batch, |first, layer| {
            let n_products = if first { 2 } else { 3 };
            let Layer { weights, inputs, outputs } = layer;
            let moved = n_products * (weights + inputs + outputs);
            Self::doubles(n_products * layer.operations(), moved, 2 * weights + inputs + outputs)
        })
    }

    /// A Hessian-vector product: a gradient of numbers with one derivative each.
    ///
    /// A product of two of them is three of matrices, and two where its own value is not wanted, which is so for dL/dW.
    /// In the first layer the inputs are constants.
    pub fn hessian_vector_product(widths: &[usize], batch: usize) -> Self {
        each_layer(widths, batch, |first, layer| {
            let Layer { weights, inputs, outputs } = layer;
            let (n_products, moved) = if first {
                // W x and W' x; then x times dL/dz'.
                (3, (2 * weights + inputs + 2 * outputs) + (outputs + inputs + weights))
            } else {
                // All of W x and of W^T dL/dz with their derivatives; the derivative of x dL/dz.
                (8, 2 * (2 * (weights + inputs + outputs)) + (2 * (inputs + outputs) + weights))
            };
            let of_inputs = if first { 1 } else { 2 };
            Self::doubles(n_products * layer.operations(), moved, 4 * weights + of_inputs * inputs + 2 * outputs)
        })
    }

    /// A step on problem J in d dimensions: the sum for the fit, the gradient of w, and the move of w and g, all of
    /// them multiply-adds. Read are an example and theta, and theta is written.
    pub fn problem_j(d: u64) -> Self {
        Self::doubles(2 * (3 * d + 1), 3 * (d + 1), 2 * (d + 1))
    }
}

/// How many numbers a layer's arrays have.
#[derive(Clone, Copy)]
struct Layer {
    weights: u64,
    inputs: u64,
    outputs: u64,
}

impl Layer {
    /// Of any one of its products: m k n multiply-adds, and (m k) (k n) (m n) = (m k n)^2.
    fn operations(self) -> u64 {
        2 * (self.weights * self.inputs * self.outputs).isqrt()
    }
}

/// The sum over all layers; the first is told so.
fn each_layer(widths: &[usize], batch: usize, count: impl Fn(bool, Layer) -> Counted) -> Counted {
    let of_layer = |(l, w): (usize, &[usize])| {
        let [n_in, n_out, batch] = [w[0], w[1], batch].map(|n| n as u64);
        count(l == 0, Layer { weights: n_in * n_out, inputs: n_in * batch, outputs: n_out * batch })
    };
    widths.windows(2).enumerate().map(of_layer).fold(Counted::default(), Add::add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_counted_by_hand() {
        // 2 * 32 * (2 * 8 * 16 + 3 * (16 * 16 + 16)): 69 thousand.
        assert_eq!(Counted::gradient(&[8, 16, 16, 1], 32).operations, 68_608);
        // 3 -> 5 for 7 examples: W is 15, x 21, z 35. z = W x and dW = dz x^T.
        let one = Counted::gradient(&[3, 5], 7);
        assert_eq!(one, Counted { operations: 2 * 2 * 105, bytes: 8 * 2 * 71, held: 8 * (30 + 21 + 35) });
        // (W, W'), x -> (z, z'); then dz', x -> dW'.
        let lifted = Counted::hessian_vector_product(&[3, 5], 7);
        let moved = (30 + 21 + 70) + (35 + 21 + 15);
        assert_eq!(lifted, Counted { operations: 3 * 2 * 105, bytes: 8 * moved, held: 8 * (60 + 21 + 70) });
        // Behind it 5 -> 2, with W 10, x 35, z 14: three products for z and dx, two for dW.
        let second = Counted::hessian_vector_product(&[3, 5, 2], 7);
        let moved = 8 * (2 * (20 + 70 + 28) + (70 + 28 + 10));
        assert_eq!(second.operations - lifted.operations, 8 * 2 * 70);
        assert_eq!(second.bytes - lifted.bytes, moved);
        assert_eq!(second.held - lifted.held, 8 * (40 + 70 + 28));
        let third = Counted::gradient(&[1, 1, 1], 1);
        assert_eq!(third, Counted { operations: 2 * (2 + 3), bytes: 8 * (6 + 9), held: 8 * (4 + 4) });
    }

    #[test]
    fn squares_eight_runs_and_problem_j() {
        assert_eq!(Counted::square(256, 8), Counted { operations: 1 << 25, bytes: 3 << 19, held: 3 << 19 });
        assert_eq!(Counted::square(256, 4).bytes, 3 << 18);
        let one = Counted { operations: 1, bytes: 2, held: 3 };
        assert_eq!(one * 8, Counted { operations: 8, bytes: 16, held: 24 });
        // d = 4: 4 and 4 multiply-adds for the gradient, 5 for the move.
        assert_eq!(Counted::problem_j(4), Counted { operations: 26, bytes: 120, held: 80 });
    }
}
