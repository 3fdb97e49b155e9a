//! Loops over rows in planes: one place for the order of sums.

use crate::scalar::Scalar;

/// Chains of additions per sum; they are added in pairs at the end. The order depends on the length alone.
const LANES: usize = 4;

/// The number of scalars in a row.
#[inline(always)]
pub(super) fn batch<S: Scalar>(row: &[S::Base]) -> usize {
    row.len() / S::PLANES
}

/// The N sums over b < n of `f(b)`.
#[inline(always)]
pub(super) fn sums<S: Scalar, const N: usize>(n: usize, mut f: impl FnMut(usize) -> [S; N]) -> [S; N] {
    let mut chains = [[S::ZERO; LANES]; N];
    let whole = n / LANES * LANES;
    let mut b = 0;
    while b < whole {
        for lane in 0..LANES {
            let terms = f(b + lane);
            for i in 0..N {
                chains[i][lane] += terms[i];
            }
        }
        b += LANES;
    }
    let mut totals = chains.map(|[p, q, u, v]| (p + q) + (u + v));
    for b in whole..n {
        let terms = f(b);
        for i in 0..N {
            totals[i] += terms[i];
        }
    }
    totals
}
