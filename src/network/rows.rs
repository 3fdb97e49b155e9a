//! Loops over rows in planes: one place for the order of sums, and for how loops are vectorised.
//!
//! [`sweep!`](sweep) visits a row four scalars at a time and the rest one by one. Inside, `K` is the number of scalars at
//! hand, and [`Lanes`] loads, combines and stores that many: four contiguous numbers per component, which the compiler keeps
//! in one vector register.

use std::ops::{Add, Mul, Neg, Sub};

use crate::scalar::Scalar;

/// Scalars visited together, and chains of additions per sum.
pub(super) const LANES: usize = 4;

/// The number of scalars in a row.
#[inline(always)]
pub(super) fn batch<S: Scalar>(row: &[S::Base]) -> usize {
    row.len() / S::PLANES
}

/// `sweep!(S: n, K, b => body)` runs the body for b = 0, 4, 8, .. with the constant K = 4 while four are left, then with K = 1;
/// always with K = 1 for scalars that are not [`Scalar::WIDE`].
macro_rules! sweep {
    ($s:ty: $n:expr, $k:ident, $b:ident => $body:block) => {{
        let n: usize = $n;
        let mut $b = 0;
        while <$s as $crate::scalar::Scalar>::WIDE && $b + $crate::network::rows::LANES <= n {
            const $k: usize = $crate::network::rows::LANES;
            $body
            $b += $k;
        }
        while $b < n {
            const $k: usize = 1;
            $body
            $b += $k;
        }
    }};
}
pub(super) use sweep;

/// K scalars side by side.
#[derive(Clone, Copy)]
pub(super) struct Lanes<S, const K: usize>(pub(super) [S; K]);

impl<S: Scalar, const K: usize> Lanes<S, K> {
    /// Scalars b..b+K of a row.
    #[inline(always)]
    pub(super) fn load(row: &[S::Base], b: usize) -> Self {
        Self(S::load_lanes(row, b))
    }

    /// Writes scalars b..b+K of a row.
    #[inline(always)]
    pub(super) fn store(self, row: &mut [S::Base], b: usize) {
        S::store_lanes(self.0, row, b);
    }

    /// f of every scalar.
    #[inline(always)]
    pub(super) fn map(self, f: impl Fn(S) -> S) -> Self {
        // A plain loop: the array methods of the standard library are not always compiled into the vectorised kernel.
        let mut lanes = self.0;
        for lane in &mut lanes {
            *lane = f(*lane);
        }
        Self(lanes)
    }
}

impl<S: Scalar, const K: usize> Add for Lanes<S, K> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        let mut lanes = self.0;
        for i in 0..K {
            lanes[i] += other.0[i];
        }
        Self(lanes)
    }
}

impl<S: Scalar, const K: usize> Sub for Lanes<S, K> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        let mut lanes = self.0;
        for i in 0..K {
            lanes[i] -= other.0[i];
        }
        Self(lanes)
    }
}

impl<S: Scalar, const K: usize> Mul for Lanes<S, K> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        let mut lanes = self.0;
        for i in 0..K {
            lanes[i] *= other.0[i];
        }
        Self(lanes)
    }
}

impl<S: Scalar, const K: usize> Neg for Lanes<S, K> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        self.map(|x| -x)
    }
}

/// The same scalar in every lane.
#[inline(always)]
pub(super) fn splat<S: Scalar, const K: usize>(x: S) -> Lanes<S, K> {
    Lanes([x; K])
}

/// A sum over a row: four chains, added in pairs at the end, and the rest one by one. The order depends on the length alone.
pub(super) struct Sum<S> {
    chains: [S; LANES],
    rest: S,
}

impl<S: Scalar> Sum<S> {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self { chains: [S::ZERO; LANES], rest: S::ZERO }
    }

    /// Adds K terms.
    #[inline(always)]
    pub(super) fn add<const K: usize>(&mut self, terms: Lanes<S, K>) {
        if K == LANES {
            for i in 0..LANES {
                self.chains[i] += terms.0[i];
            }
        } else {
            for term in terms.0 {
                self.rest += term;
            }
        }
    }

    #[inline(always)]
    pub(super) fn total(self) -> S {
        // Keeps the chains in lanes: see the matrix kernels.
        let [p, q, u, v] = std::hint::black_box(self.chains);
        ((p + q) + (u + v)) + self.rest
    }
}
