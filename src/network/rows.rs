//! Loops over rows in planes: one place for the order of sums, and for how loops are vectorised.
//!
//! [`sweep!`](sweep) visits a row eight scalars at a time and the rest one by one. Inside, `K` is the number of scalars
//! at hand, and [`Lanes`] loads, combines and stores that many: eight contiguous numbers per component, which the
//! compiler keeps in one or two vector registers.

use std::ops::{Add, Mul, Neg, Sub};

use crate::scalar::{Scalar, vectorised_for};

/// Scalars visited together, and chains of additions per sum.
pub(super) const LANES: usize = 8;

/// In the place of a chain: the scalars at the end of a row, which are fewer than there are chains.
pub(super) const REST: usize = LANES;

/// The number of scalars in a row.
#[inline(always)]
pub(super) fn batch<S: Scalar>(row: &[S::Base]) -> usize {
    row.len() / S::PLANES
}

/// `sweep!(S: n, K, b => body)` runs the body for b = 0, 8, 16, .. with the constant K = 8 while eight are left (for
/// b = 0, 4, 8, .. with K = 4, if a scalar has more than two components), then with K = 1; always with K = 1 for
/// scalars that are not [`WIDE`](crate::scalar::Planes::WIDE), and for those of several runs, which fill a register
/// each. [`SHORT`](crate::scalar::Planes::SHORT) ones are visited sixteen at a time first: that is a register of them.
///
/// `sweep!(S: n, K, C, b => body)` is the same for bodies with a [`Sum`]: they hand it the constant C, the first of the
/// chains that the scalars at hand go to, or [`REST`]. Of several runs all scalars of two chains are visited before
/// those of the next two, since the registers do not hold eight chains of eights: nothing but the sum may depend on the
/// order.
macro_rules! sweep {
    ($s:ty: $n:expr, $k:ident, $b:ident => $body:block) => {
        sweep!($s: $n, $k, [], $b => $body)
    };
    ($s:ty: $n:expr, $k:ident, $c:ident, $b:ident => $body:block) => {
        sweep!($s: $n, $k, [$c], $b => $body)
    };
    // All scalars of two chains.
    (two: $k:ident, $c:ident = $first:literal and $second:literal,
        $b:ident to $whole:ident | $zero:ident => $body:block) => {{
        let mut $b = $first;
        while $b + 2 <= $whole {
            const $k: usize = 1;
            {
                const $c: usize = $first;
                $body
            }
            $b += 1;
            {
                const $c: usize = $second;
                $body
            }
            $b = ($b + $crate::network::rows::LANES - 1) | $zero;
        }
    }};
    ($s:ty: $n:expr, $k:ident, [$($c:ident)?], $b:ident => $body:block) => {{
        let n: usize = $n;
        let mut $b = 0;
        // Adds nothing, in a way that the compiler does not see through. Otherwise it may take one lane of eight visits
        // together, with a gather a load.
        let zero = std::hint::black_box(0);
        let (wide, runs) = (<$s as $crate::scalar::Planes>::WIDE, <$s as $crate::scalar::Planes>::RUNS);
        // The conditions are constants by themselves: for the other scalars nothing of this is compiled.
        $(if runs > 1 {
            let whole = n - n % $crate::network::rows::LANES;
            sweep!(two: $k, $c = 0 and 1, $b to whole | zero => $body);
            sweep!(two: $k, $c = 2 and 3, $b to whole | zero => $body);
            sweep!(two: $k, $c = 4 and 5, $b to whole | zero => $body);
            sweep!(two: $k, $c = 6 and 7, $b to whole | zero => $body);
            $b = whole;
        })?
        if <$s as $crate::scalar::Planes>::SHORT {
            while $b + 2 * $crate::network::rows::LANES <= n {
                const $k: usize = 2 * $crate::network::rows::LANES;
                $(const $c: usize = 0;)?
                $body
                $b = ($b + $k) | zero;
            }
        }
        while wide && runs == 1 && $b + $crate::network::rows::LANES <= n {
            if <$s as $crate::scalar::Planes>::PLANES <= 2 {
                const $k: usize = $crate::network::rows::LANES;
                $(const $c: usize = 0;)?
                $body
                $b = ($b + $k) | zero;
            } else {
                // Eight scalars of many components are more than the registers hold.
                const $k: usize = $crate::network::rows::LANES / 2;
                {
                    $(const $c: usize = 0;)?
                    $body
                }
                let second = $b + $k;
                {
                    $(const $c: usize = $k;)?
                    let $b = second;
                    $body
                }
                $b = (second + $k) | zero;
            }
        }
        while $b < n {
            const $k: usize = 1;
            $(const $c: usize = $crate::network::rows::REST;)?
            $body
            $b = ($b + 1) | zero;
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

    /// self * factor + term.
    #[inline(always)]
    pub(super) fn mul_add(self, factor: Self, term: Self) -> Self {
        let mut lanes = self.0;
        for i in 0..K {
            lanes[i] = lanes[i].mul_add(factor.0[i], term.0[i]);
        }
        Self(lanes)
    }

    /// Every scalar times constants of its own, one per run.
    #[inline(always)]
    pub(super) fn scale(self, factors: &[f64]) -> Self {
        let (mut lanes, factors) = (self.0, &factors[..K * S::RUNS]);
        for i in 0..K {
            lanes[i] = lanes[i].scale_each(&factors[i * S::RUNS..]);
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

/// Scalar k of an array of single scalars, each with its planes:
/// unlike a row in planes it can be cut between any two of them.
#[inline(always)]
pub(super) fn single<S: Scalar>(scalars: &[S::Base], k: usize) -> S {
    S::load(&scalars[k * S::PLANES..][..S::PLANES], 0)
}

/// Writes it.
#[inline(always)]
pub(super) fn store_single<S: Scalar>(x: S, scalars: &mut [S::Base], k: usize) {
    x.store(&mut scalars[k * S::PLANES..][..S::PLANES], 0);
}

/// Replaces them all by f of them.
#[inline(always)]
pub(super) fn map_singles<S: Scalar>(scalars: &mut [S::Base], f: impl Fn(S) -> S) {
    let n = batch::<S>(scalars);
    sweep!(S: n, K, i => {
        if S::PLANES == 1 {
            Lanes::<S, K>::load(scalars, i).map(&f).store(scalars, i);
        } else {
            let mut lanes = [S::ZERO; K];
            for k in 0..K {
                lanes[k] = single(scalars, i + k);
            }
            let lanes = Lanes(lanes).map(&f).0;
            for k in 0..K {
                store_single(lanes[k], scalars, i + k);
            }
        }
    });
}

/// Copies them to `to..` of a row in planes.
#[inline(always)]
pub(super) fn place_singles<S: Scalar>(scalars: &[S::Base], row: &mut [S::Base], to: usize) {
    let (n, plane) = (batch::<S>(scalars), row.len() / S::PLANES);
    for p in 0..S::PLANES {
        let row = &mut row[p * plane + to..][..n];
        for k in 0..n {
            row[k] = scalars[k * S::PLANES + p];
        }
    }
}

/// A sum over a row: eight chains, added in pairs at the end, and the rest one by one.
/// The order depends on the length alone.
pub(super) struct Sum<S> {
    chains: [S; LANES],
    rest: S,
}

/// Within one cache line, if it is two numbers.
#[repr(align(64))]
struct Aligned<T>(T);

impl<S: Scalar> Sum<S> {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self { chains: [S::ZERO; LANES], rest: S::ZERO }
    }

    /// Adds K terms to chains C..C+K, or to the [`REST`].
    #[inline(always)]
    pub(super) fn add<const C: usize, const K: usize>(&mut self, terms: Lanes<S, K>) {
        self.accumulate::<C, K>(
            #[inline(always)]
            |sum, i| sum + terms.0[i],
        );
    }

    /// Adds K products.
    #[inline(always)]
    pub(super) fn add_product<const C: usize, const K: usize>(&mut self, x: Lanes<S, K>, y: Lanes<S, K>) {
        self.accumulate::<C, K>(
            #[inline(always)]
            |sum, i| x.0[i].mul_add(y.0[i], sum),
        );
    }

    /// Adds K squares.
    #[inline(always)]
    pub(super) fn add_square<const C: usize, const K: usize>(&mut self, x: Lanes<S, K>) {
        self.accumulate::<C, K>(
            #[inline(always)]
            |sum, i| x.0[i].square_add(sum),
        );
    }

    /// Replaces the sums that K terms belong to by what `with` makes of them and the terms' indices.
    #[inline(always)]
    fn accumulate<const C: usize, const K: usize>(&mut self, with: impl Fn(S, usize) -> S) {
        for i in 0..K {
            // Sixteen terms are two for each chain, in the order of two visits.
            let sum = if C == REST { &mut self.rest } else { &mut self.chains[(C + i) % LANES] };
            *sum = with(*sum, i);
        }
    }

    #[inline(always)]
    pub(super) fn total(self) -> S {
        let c = self.chains;
        let fours = [c[0] + c[4], c[1] + c[5], c[2] + c[6], c[3] + c[7]];
        // Keeps the chains in lanes: seen together with the loop before, they are vectorised across, with a shuffle a
        // load. They go through the stack, and a vector that lies in two cache lines is slow to read again.
        // Scalars of several runs fill the lanes. Of those of two components each goes by itself: side by side the
        // compiler would pair the components of one, and load rows with shuffles and gathers.
        let twos = [fours[0] + fours[2], fours[1] + fours[3]];
        let [p, q] = if S::RUNS > 1 {
            twos
        } else if S::PLANES == 2 {
            let mut planes = [S::Base::default(); 4];
            S::store_lanes(twos, &mut planes, 0);
            let [a, b] = std::hint::black_box(Aligned([planes[0], planes[1]])).0;
            let [c, d] = std::hint::black_box(Aligned([planes[2], planes[3]])).0;
            S::load_lanes(&[a, b, c, d], 0)
        } else {
            std::hint::black_box(Aligned(twos)).0
        };
        (p + q) + self.rest
    }
}

/// Scalars i..i+K of a slice.
#[inline(always)]
fn some<S: Scalar, const K: usize>(scalars: &[S], i: usize) -> Lanes<S, K> {
    let mut lanes = [S::ZERO; K];
    lanes.copy_from_slice(&scalars[i..i + K]);
    Lanes(lanes)
}

/// The sum of the squares.
pub(super) fn sum_of_squares<S: Scalar>(scalars: &[S]) -> S {
    vectorised_for::<S, _>(
        #[inline(always)]
        || {
            let mut sum = Sum::new();
            sweep!(S: scalars.len(), K, C, i => { sum.add_square::<C, K>(some::<S, K>(scalars, i)); });
            sum.total()
        },
    )
}

/// d += factor x.
pub(super) fn add_scaled<S: Scalar>(d: &mut [S], x: &[S], factor: f64) {
    vectorised_for::<S, _>(
        #[inline(always)]
        || {
            sweep!(S: x.len(), K, i => {
                let scaled = some::<S, K>(x, i).map(#[inline(always)] |x: S| x.scale(factor));
                let sum = some::<S, K>(d, i) + scaled;
                d[i..i + K].copy_from_slice(&sum.0);
            });
        },
    );
}

/// Writes scalars in planes.
#[inline(always)]
pub(super) fn to_planes<S: Scalar>(scalars: &[S], row: &mut [S::Base]) {
    sweep!(S: scalars.len(), K, i => { some::<S, K>(scalars, i).store(row, i); });
}

/// Reads scalars from `start` on of a row in planes.
#[inline(always)]
pub(super) fn from_planes<S: Scalar>(row: &[S::Base], start: usize, scalars: &mut [S]) {
    sweep!(S: scalars.len(), K, i => {
        scalars[i..i + K].copy_from_slice(&Lanes::<S, K>::load(row, start + i).0);
    });
}

/// sum_b dL/dy_b and sum_b dL/dy_b xhat_b.
#[inline(always)]
pub(super) fn sums<S: Scalar>(d: &[S::Base], xhat: &[S::Base]) -> [S; 2] {
    let n = batch::<S>(xhat);
    let (mut sum, mut sum_xhat) = (Sum::new(), Sum::new());
    sweep!(S: n, K, C, b => {
        let dy = Lanes::<S, K>::load(d, b);
        sum.add::<C, K>(dy);
        sum_xhat.add_product::<C, K>(dy, Lanes::load(xhat, b));
    });
    [sum.total(), sum_xhat.total()]
}

#[cfg(test)]
mod tests;
