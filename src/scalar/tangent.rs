//! What the derivative of a [`super::Dual`] is made of: one number, or one for each of several directions.

use std::fmt::Debug;
use std::ops::Range;

use super::{Matrix, MatrixMut, Planes, Scalar, Store};

/// Derivatives along one or more directions: a module over the scalars `S`,
/// with its storage and its products of matrices.
pub trait Tangent<S: Scalar>: Copy + Debug + Send + Sync + 'static {
    /// The number of directions.
    const COUNT: usize;
    /// No change along any.
    const NONE: Self;

    /// The sum.
    fn plus(self, other: Self) -> Self;
    /// The difference.
    fn minus(self, other: Self) -> Self;
    /// The negative.
    fn negated(self) -> Self;
    /// Times a scalar.
    fn times(self, factor: S) -> Self;
    /// Times a scalar, plus another: see [`Scalar::mul_add`].
    fn times_plus(self, factor: S, term: Self) -> Self;
    /// Divided by a scalar.
    fn divided(self, divisor: S) -> Self;
    /// Times a constant.
    fn scaled(self, factor: f64) -> Self;
    /// Divided by a count.
    fn shared(self, n: usize) -> Self;
    /// Whether every component is finite.
    fn all_finite(self) -> bool;

    /// Entry `b` of a row whose planes are those of the derivatives alone.
    fn load(row: &[S::Base], b: usize) -> Self;
    /// Writes entry `b`.
    fn store(self, row: &mut [S::Base], b: usize);
    /// Entries b..b+N.
    fn load_lanes<const N: usize>(row: &[S::Base], b: usize) -> [Self; N];
    /// Writes entries b..b+N.
    fn store_lanes<const N: usize>(lanes: [Self; N], row: &mut [S::Base], b: usize);

    /// All planes of [`matmul`](super::matmul): C = A B and C' = A B' + A' B,
    /// where a constant factor has no derivative.
    fn product(pairs: &[[Matrix<'_, S::Base>; 2]], c: MatrixMut<'_, S::Base>, store: Store);
    /// All planes of [`matmul_transposed`](super::matmul_transposed).
    fn product_transposed(pairs: &[[Matrix<'_, S::Base>; 2]], c: MatrixMut<'_, S::Base>, store: Store);
}

impl<S: Scalar> Tangent<S> for S {
    const COUNT: usize = 1;
    const NONE: Self = S::ZERO;

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self + other
    }
    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        self - other
    }
    #[inline(always)]
    fn negated(self) -> Self {
        -self
    }
    #[inline(always)]
    fn times(self, factor: S) -> Self {
        self * factor
    }
    #[inline(always)]
    fn times_plus(self, factor: S, term: Self) -> Self {
        self.mul_add(factor, term)
    }
    #[inline(always)]
    fn divided(self, divisor: S) -> Self {
        self / divisor
    }
    #[inline(always)]
    fn scaled(self, factor: f64) -> Self {
        self.scale(factor)
    }
    #[inline(always)]
    fn shared(self, n: usize) -> Self {
        self.over(n)
    }
    #[inline(always)]
    fn all_finite(self) -> bool {
        self.is_finite()
    }
    #[inline(always)]
    fn load(row: &[S::Base], b: usize) -> Self {
        S::load(row, b)
    }
    #[inline(always)]
    fn store(self, row: &mut [S::Base], b: usize) {
        S::store(self, row, b);
    }
    #[inline(always)]
    fn load_lanes<const N: usize>(row: &[S::Base], b: usize) -> [Self; N] {
        S::load_lanes(row, b)
    }
    #[inline(always)]
    fn store_lanes<const N: usize>(lanes: [Self; N], row: &mut [S::Base], b: usize) {
        S::store_lanes(lanes, row, b);
    }

    fn product(pairs: &[[Matrix<'_, S::Base>; 2]], mut c: MatrixMut<'_, S::Base>, store: Store) {
        match pairs {
            [[a, b]] if store != Store::Derivative && a.plane_step.is_some() => S::matmul_dual([*a, *b], c, store),
            _ => {
                values(pairs, &mut c, store, S::matmul);
                leibniz(pairs, c, store, S::PLANES, S::matmul);
            }
        }
    }
    fn product_transposed(pairs: &[[Matrix<'_, S::Base>; 2]], mut c: MatrixMut<'_, S::Base>, store: Store) {
        values(pairs, &mut c, store, S::matmul_transposed);
        leibniz(pairs, c, store, S::PLANES, S::matmul_transposed);
    }
}

/// The planes of the values, if they are wanted.
fn values<T>(
    pairs: &[[Matrix<'_, T>; 2]],
    c: &mut MatrixMut<'_, T>,
    store: Store,
    product: impl Fn(&[[Matrix<'_, T>; 2]], MatrixMut<'_, T>, Store),
) {
    if store.values() {
        product(pairs, c.skip_planes(0), store);
    }
}

/// C' = A B' + A' B. Both terms go to the kernel together, which then writes C' once.
pub(super) fn leibniz<T: Copy>(
    pairs: &[[Matrix<'_, T>; 2]],
    mut c: MatrixMut<'_, T>,
    store: Store,
    planes: usize,
    product: impl Fn(&[[Matrix<'_, T>; 2]], MatrixMut<'_, T>, Store),
) {
    let mut store = store.of_derivative();
    for &[a, b] in pairs {
        let with_b = [a, b.skip_planes(planes)];
        let with_a = [a.skip_planes(planes), b];
        match (a.plane_step.is_some(), b.plane_step.is_some()) {
            (true, true) => product(&[with_b, with_a], c.skip_planes(planes), store),
            (false, true) => product(&[with_b], c.skip_planes(planes), store),
            (true, false) => product(&[with_a], c.skip_planes(planes), store),
            // Two constants have no derivative; no caller multiplies them, and adding nothing is right for `Add` alone.
            (false, false) => assert_eq!(store, Store::Add, "a product of two constants"),
        }
        store = Store::Add;
    }
}

impl<const K: usize> Tangent<f64> for [f64; K] {
    const COUNT: usize = K;
    const NONE: Self = [0.0; K];

    #[inline(always)]
    fn plus(mut self, other: Self) -> Self {
        unrolled!(k in 0..K, self[k] += other[k]);
        self
    }
    #[inline(always)]
    fn minus(mut self, other: Self) -> Self {
        unrolled!(k in 0..K, self[k] -= other[k]);
        self
    }
    #[inline(always)]
    fn negated(mut self) -> Self {
        unrolled!(k in 0..K, self[k] = -self[k]);
        self
    }
    #[inline(always)]
    fn times(mut self, factor: f64) -> Self {
        unrolled!(k in 0..K, self[k] *= factor);
        self
    }
    #[inline(always)]
    fn times_plus(mut self, factor: f64, term: Self) -> Self {
        unrolled!(k in 0..K, self[k] = self[k].mul_add(factor, term[k]));
        self
    }
    #[inline(always)]
    fn divided(self, divisor: f64) -> Self {
        self.times(1.0 / divisor)
    }
    #[inline(always)]
    fn scaled(self, factor: f64) -> Self {
        self.times(factor)
    }
    #[inline(always)]
    fn shared(self, n: usize) -> Self {
        self.times(1.0 / n as f64)
    }
    #[inline(always)]
    fn all_finite(self) -> bool {
        self.iter().all(|x| x.is_finite())
    }
    #[inline(always)]
    fn load(row: &[f64], b: usize) -> Self {
        let n = row.len() / K;
        let mut tangent = [0.0; K];
        for k in 0..K {
            tangent[k] = row[k * n..][..n][b];
        }
        tangent
    }
    #[inline(always)]
    fn store(self, row: &mut [f64], b: usize) {
        let n = row.len() / K;
        for k in 0..K {
            row[k * n..][..n][b] = self[k];
        }
    }
    #[inline(always)]
    fn load_lanes<const N: usize>(row: &[f64], b: usize) -> [Self; N] {
        let n = row.len() / K;
        let mut lanes = [[0.0; K]; N];
        unrolled!(k in 0..K, {
            let plane = &row[k * n..][..n][b..b + N];
            for i in 0..N {
                lanes[i][k] = plane[i];
            }
        });
        lanes
    }
    #[inline(always)]
    fn store_lanes<const N: usize>(lanes: [Self; N], row: &mut [f64], b: usize) {
        let n = row.len() / K;
        unrolled!(k in 0..K, {
            let plane = &mut row[k * n..][..n][b..b + N];
            for i in 0..N {
                plane[i] = lanes[i][k];
            }
        });
    }

    /// Directions are mostly unit vectors, and a unit vector changes one row of one matrix: rows of zeros are left out.
    fn product(pairs: &[[Matrix<'_, f64>; 2]], mut c: MatrixMut<'_, f64>, store: Store) {
        values(pairs, &mut c, store, f64::matmul);
        let mut store = store.of_derivative();
        for &[a, b] in pairs {
            match b.plane_step {
                // The planes of a row follow one another: they are one long row.
                Some(step) if step == b.columns && c.plane_step == c.columns => {
                    multiply_changed(a, b.skip_planes(1).widened(K), c.skip_planes(1).widened(K), store);
                }
                Some(_) => {
                    (1..=K).for_each(|k| multiply_changed(a, b.skip_planes(k), c.skip_planes(k), store));
                }
                None if store == Store::Replace => (1..=K).for_each(|k| c.skip_planes(k).fill(0.0)),
                None => {}
            }
            store = Store::Add;
            if a.plane_step.is_some() {
                for k in 1..=K {
                    let plane = a.skip_planes(k);
                    let rows = changed_rows(plane);
                    f64::matmul(&[[plane.some_rows(&rows), b]], c.skip_planes(k).some_rows(&rows), store);
                }
            }
        }
    }

    fn product_transposed(pairs: &[[Matrix<'_, f64>; 2]], mut c: MatrixMut<'_, f64>, store: Store) {
        values(pairs, &mut c, store, f64::matmul_transposed);
        for k in 1..=K {
            let mut c = c.skip_planes(k);
            let mut store = store.of_derivative();
            for &[a, b] in pairs {
                let rows = if a.plane_step.is_some() { changed_rows(a.skip_planes(k)) } else { 0..0 };
                if store == Store::Replace && rows != (0..c.rows) {
                    c.fill(0.0);
                    store = Store::Add;
                }
                if !rows.is_empty() {
                    let plane = a.skip_planes(k).some_rows(&rows);
                    f64::matmul_transposed(&[[plane, b]], c.some_rows(&rows), store);
                }
                store = Store::Add;
                if b.plane_step.is_some() {
                    let plane = b.skip_planes(k);
                    let columns = changed_rows(plane);
                    f64::matmul_transposed(&[[a, plane.some_rows(&columns)]], c.some_columns(&columns), store);
                }
            }
        }
    }
}

/// C = A B or C += A B, where many rows of B are 0.
fn multiply_changed(a: Matrix<'_, f64>, b: Matrix<'_, f64>, c: MatrixMut<'_, f64>, store: Store) {
    let inner = changed_rows(b);
    f64::matmul(&[[a.some_columns(&inner), b.some_rows(&inner)]], c, store);
}

/// The smallest range that holds every row with a number other than 0.
fn changed_rows(a: Matrix<'_, f64>) -> Range<usize> {
    if a.column_step != 1 {
        return changed_columns(a.transposed());
    }
    let changed = |i: &usize| is_changed(row(a, *i));
    let Some(first) = (0..a.rows).find(changed) else { return 0..0 };
    let last = (first..a.rows).rev().find(changed).unwrap_or(first);
    first..last + 1
}

/// The same for columns, where rows are contiguous.
fn changed_columns(a: Matrix<'_, f64>) -> Range<usize> {
    let (mut start, mut end) = (a.columns, 0);
    for row in (0..a.rows).map(|i| row(a, i)).filter(|row| is_changed(row)) {
        start = start.min(row.iter().position(|&x| x != 0.0).unwrap_or(start));
        end = end.max(row.iter().rposition(|&x| x != 0.0).map_or(end, |last| last + 1));
    }
    if start < end { start..end } else { 0..0 }
}

fn row(a: Matrix<'_, f64>, i: usize) -> &[f64] {
    &a.data[i * a.row_step..][..a.columns]
}

/// Whether there is a number other than 0.
fn is_changed(row: &[f64]) -> bool {
    // Without the sign all bits of 0 are 0: a fold over them has no branches. Most rows end the search at once.
    row.first().is_some_and(|&x| x != 0.0) || row.iter().fold(0, |bits, x| bits | (x.to_bits() << 1)) != 0
}

#[cfg(test)]
mod tests {
    use super::super::{Dual, Tangents};
    use super::*;

    /// Every function of one tangent and of several: their derivatives are those along each direction alone.
    #[test]
    fn several_tangents_are_as_many_dual_numbers() {
        // More than are unrolled.
        let directions: [[f64; 2]; 9] =
            std::array::from_fn(|k| if k == 2 { [0.0; 2] } else { [1.0 - 0.3 * k as f64, 0.5 + 0.2 * k as f64] });
        let (x, y) = (0.7, 1.3);
        type Functions<S> = [fn(S, S) -> S; 8];
        fn functions<S: Scalar>() -> Functions<S> {
            [
                |x, y| (x * y - x / y).square(),
                |x, y| (x + y).sqrt() - (-x).exp(),
                |x, y| y.ln() * x.sin() + y.cos(),
                |x, y| x.atan2(y) + y.powf(1.5),
                |x, y| x.tanh() * y.sigmoid(),
                |x, y| (x - y).softplus().over(3),
                |x, y| (x - y).abs() + (x - y).relu().scale(2.0),
                |x, y| x.recip() * y,
            ]
        }
        let lift = |re, i: usize| Tangents::<9> { re, du: directions.map(|d| d[i]) };
        for (together, alone) in functions::<Tangents<9>>().iter().zip(functions::<Dual<f64>>()) {
            let found = together(lift(x, 0), lift(y, 1));
            for (k, [dx, dy]) in directions.into_iter().enumerate() {
                let expected = alone(Dual::new(x, dx), Dual::new(y, dy));
                assert_eq!(found.re, expected.re);
                // Quotients of several tangents are products with a reciprocal: a rounding more, of numbers below 8.
                assert!((found.du[k] - expected.du).abs() <= 8.0 * f64::EPSILON, "{} {}", found.du[k], expected.du);
            }
        }
    }

    #[test]
    fn ranges_of_changed_rows_miss_nothing() {
        for changed in [vec![], vec![(0, 0)], vec![(2, 3)], vec![(1, 4), (3, 0)], vec![(4, 1), (0, 2)]] {
            let mut data = [0.0, -0.0].repeat(15);
            changed.iter().for_each(|&(i, j)| data[i * 6 + j] = f64::NAN);
            let a = Matrix { data: &data, rows: 5, columns: 6, row_step: 6, column_step: 1, plane_step: None };
            let range = |places: Vec<usize>| match (places.iter().min(), places.iter().max()) {
                (Some(&first), Some(&last)) => first..last + 1,
                _ => 0..0,
            };
            assert_eq!(changed_rows(a), range(changed.iter().map(|p| p.0).collect()));
            assert_eq!(changed_rows(a.transposed()), range(changed.iter().map(|p| p.1).collect()));
        }
    }
}
