//! Products of matrices of [`Eight`]: eight products at once, with the bits of [`super::kernel`].
//!
//! An entry fills one vector register, or a few shorter ones: in whichever order entries stand, the numbers of an entry
//! are contiguous. What a tile reads is laid out step by step all the same, unless sums run along contiguous rows: rows
//! of many entries push each other out of the nearest cache.

use std::cell::Cell;
use std::ops::Range;

use pulp::Simd;

use super::kernel::{BLOCK, part_of};
use super::{Eight, Matrix, MatrixMut, Store};

/// See [`super::Scalar::matmul`].
pub(super) fn matmul(pairs: &[[Matrix<'_, Eight>; 2]], c: MatrixMut<'_, Eight>, store: Store) {
    let [a, b] = the_only(pairs);
    assert!(a.columns == b.rows && a.rows == c.rows && b.columns == c.columns && b.column_step == 1);
    assert!(a.column_step == 1 || a.row_step == 1);
    multiply(a, b, c, store, false);
}

/// See [`super::Scalar::matmul_transposed`].
pub(super) fn matmul_transposed(pairs: &[[Matrix<'_, Eight>; 2]], c: MatrixMut<'_, Eight>, store: Store) {
    let [a, b] = the_only(pairs);
    assert!(a.columns == b.columns && a.rows == c.rows && b.rows == c.columns);
    assert!(a.column_step == 1 && b.column_step == 1);
    multiply(a, b, c, store, true);
}

/// Sums of several products are what derivatives need; eights have none.
fn the_only<'a>(pairs: &[[Matrix<'a, Eight>; 2]]) -> [Matrix<'a, Eight>; 2] {
    assert!(pairs.len() == 1, "one product at a time");
    pairs[0]
}

fn multiply<'a>(a: Matrix<'a, Eight>, b: Matrix<'a, Eight>, c: MatrixMut<'a, Eight>, store: Store, transposed: bool) {
    if store.values() {
        pulp::Arch::new().dispatch(Product { a, b, c, add: store.adds(), transposed });
    }
}

/// C (+)= A B, or A B^T, in the order of sums of the kernel for `f64`.
struct Product<'a> {
    a: Matrix<'a, Eight>,
    b: Matrix<'a, Eight>,
    c: MatrixMut<'a, Eight>,
    add: bool,
    transposed: bool,
}

impl pulp::WithSimd for Product<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // Of each factor either the steps of a sum or the rows of a tile are contiguous. Loops that know it beforehand
        // need not ask for it in every step.
        match (self.a.column_step == 1, self.transposed) {
            (true, false) => self.multiply_by::<S, true, false>(simd),
            (_, true) => self.multiply_by::<S, true, true>(simd),
            (false, false) => self.multiply_by::<S, false, false>(simd),
        }
    }
}

/// What a tile reads of a factor: N rows of A, or N columns of B. `ALONG`: sums run along them, and each is contiguous;
/// otherwise the N entries of a step are contiguous, and laid out step by step.
struct Strip<'a, const N: usize, const ALONG: bool> {
    rows: [&'a [Eight]; N],
    steps: &'a [[Eight; N]],
}

impl<'a, const N: usize, const ALONG: bool> Strip<'a, N, ALONG> {
    /// The rows from i on. `laid_out` is where [`lay_out`] has left them, if it has.
    #[inline(always)]
    fn new(from: &Matrix<'a, Eight>, i: usize, block: &Range<usize>, laid_out: &'a [Eight]) -> Self {
        // Slices of known length are read unchecked.
        let (mut rows, n) = ([&from.data[..0]; N], block.len());
        if ALONG {
            for r in 0..N {
                rows[r] = &from.data[(i + r) * from.row_step + block.start..][..n];
            }
        }
        let steps = if ALONG { &[] } else { &laid_out.as_chunks().0[..n] };
        Self { rows, steps }
    }

    /// The numbers of step k that one register holds of each.
    #[inline(always)]
    fn step<S: Simd>(&self, simd: S, k: usize, part: usize) -> [S::f64s; N] {
        let mut numbers = [simd.splat_f64s(0.0); N];
        for r in 0..N {
            let entry = if ALONG { &self.rows[r][k] } else { &self.steps[k][r] };
            numbers[r] = S::as_simd_f64s(&entry.0).0[part];
        }
        numbers
    }
}

/// Copies N rows from i on, step by step: those of a matrix with many columns push each other out of the nearest cache.
#[inline(always)]
fn lay_out<const N: usize>(from: &Matrix<'_, Eight>, i: usize, block: &Range<usize>, to: &mut [Eight]) {
    for (step, k) in to.as_chunks_mut::<N>().0.iter_mut().zip(block.clone()) {
        *step = *from.data[k * from.column_step + i..].first_chunk().expect("a step of all rows");
    }
}

impl Product<'_> {
    #[inline(always)]
    fn multiply_by<S: Simd, const ALONG_A: bool, const ALONG_B: bool>(self, simd: S) {
        if S::REGISTER_COUNT >= 32 {
            self.multiply::<S, 4, ALONG_A, ALONG_B>(simd);
        } else {
            self.multiply::<S, 2, ALONG_A, ALONG_B>(simd);
        }
    }

    #[inline(always)]
    fn multiply<S: Simd, const M: usize, const ALONG_A: bool, const ALONG_B: bool>(mut self, simd: S) {
        let mut panel = PANEL.take();
        let inner = self.a.columns;
        let of_a = if ALONG_A { 0 } else { self.c.rows * inner.min(BLOCK) };
        let room = of_a + if ALONG_B { 0 } else { 4 * inner.min(BLOCK) };
        if panel.len() < room {
            panel.resize(room, Eight([0.0; 8]));
        }
        let (of_a, of_b) = panel.split_at_mut(of_a);
        let mut start = 0;
        // At least once: a sum of nothing is 0.
        while start == 0 || start < inner {
            let block = part_of(&(start..start + BLOCK), inner);
            if !ALONG_A {
                let mut i = 0;
                while i + M <= self.c.rows {
                    lay_out::<M>(&self.a, i, &block, &mut of_a[i * block.len()..]);
                    i += M;
                }
                while i < self.c.rows {
                    lay_out::<1>(&self.a, i, &block, &mut of_a[i * block.len()..]);
                    i += 1;
                }
            }
            let done = self.columns_of_tiles::<S, M, 4, ALONG_A, ALONG_B>(simd, 0, &block, of_a, of_b);
            self.columns_of_tiles::<S, M, 1, ALONG_A, ALONG_B>(simd, done, &block, of_a, of_b);
            self.add = true;
            start += BLOCK;
        }
        PANEL.set(panel);
    }

    /// The columns of C from j on that tiles of N fill, one after another: what they read of B stays in the nearest
    /// cache. Returns where they end.
    #[inline(always)]
    fn columns_of_tiles<S: Simd, const M: usize, const N: usize, const ALONG_A: bool, const ALONG_B: bool>(
        &mut self,
        simd: S,
        mut j: usize,
        block: &Range<usize>,
        of_a: &[Eight],
        of_b: &mut [Eight],
    ) -> usize {
        let (a, b, n) = (self.a, if self.transposed { self.b } else { self.b.transposed() }, block.len());
        while j + N <= self.c.columns {
            if !ALONG_B {
                lay_out::<N>(&b, j, block, of_b);
            }
            let b = Strip::<N, ALONG_B>::new(&b, j, block, of_b);
            let mut i = 0;
            while i + M <= self.c.rows {
                let a = Strip::<M, ALONG_A>::new(&a, i, block, of_a.get(i * n..).unwrap_or(&[]));
                self.tile(simd, [i, j], &a, &b, n);
                i += M;
            }
            while i < self.c.rows {
                let a = Strip::<1, ALONG_A>::new(&a, i, block, of_a.get(i * n..).unwrap_or(&[]));
                self.tile(simd, [i, j], &a, &b, n);
                i += 1;
            }
            j += N;
        }
        j
    }

    /// Computes an M x N tile of C held in registers, for the runs that fit at a time.
    #[inline(always)]
    fn tile<S: Simd, const M: usize, const N: usize, const ALONG_A: bool, const ALONG_B: bool>(
        &mut self,
        simd: S,
        [i, j]: [usize; 2],
        a: &Strip<'_, M, ALONG_A>,
        b: &Strip<'_, N, ALONG_B>,
        n: usize,
    ) {
        for part in 0..8 / S::F64_LANES {
            let mut sums = [[simd.splat_f64s(0.0); N]; M];
            for k in 0..n {
                let (column, row) = (a.step(simd, k, part), b.step(simd, k, part));
                for r in 0..M {
                    for s in 0..N {
                        sums[r][s] = simd.mul_add_f64s(column[r], row[s], sums[r][s]);
                    }
                }
            }
            for r in 0..M {
                let row = &mut self.c.data[(i + r) * self.c.row_step + j..][..N];
                for s in 0..N {
                    let to = &mut S::as_mut_simd_f64s(&mut row[s].0).0[part];
                    *to = if self.add { simd.add_f64s(*to, sums[r][s]) } else { sums[r][s] };
                }
            }
        }
    }
}

thread_local! {
    /// The thread's room for what is laid out, kept: 256 steps of four columns of B, and of all rows of a transposed A.
    static PANEL: Cell<Vec<Eight>> = const { Cell::new(Vec::new()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(n: usize, seed: usize) -> Vec<Eight> {
        let number = |i: usize| 1.0 / (1 + (i * 37 + seed) % 101) as f64 - 0.3;
        (0..n).map(|i| Eight(std::array::from_fn(|r| number(8 * i + r)))).collect()
    }

    fn view(data: &[Eight], rows: usize, columns: usize) -> Matrix<'_, Eight> {
        Matrix { data, rows, columns, row_step: columns, column_step: 1, plane_step: None }
    }

    /// Tiles of four rows and of two, and registers of any length.
    #[test]
    fn every_vector_unit_gives_the_same_bits() {
        for (m, k, n) in [(1, 1, 1), (5, 7, 3), (9, 16, 33), (2, 300, 5), (7, 3, 4)] {
            let (a, b) = (some(m * k, 1), some(k * n, 5));
            for (along, transposed) in [(true, false), (false, false), (true, true)] {
                let a = if along { view(&a, m, k) } else { view(&a, k, m).transposed() };
                let b = if transposed { view(&b, n, k) } else { view(&b, k, n) };
                let by = |run: &dyn Fn(Product<'_>)| {
                    let mut c = some(m * n, 3);
                    let to = MatrixMut { data: &mut c, rows: m, columns: n, row_step: n, plane_step: m * n };
                    run(Product { a, b, c: to, add: true, transposed });
                    c
                };
                let scalar = by(&|product| pulp::WithSimd::with_simd(product, pulp::Scalar));
                assert_eq!(
                    scalar,
                    by(&|product| pulp::Arch::new().dispatch(product)),
                    "{m} {k} {n} {along} {transposed}"
                );
                #[cfg(target_arch = "x86_64")]
                if let Some(simd) = pulp::x86::V3::try_new() {
                    let found = by(&|product| Simd::vectorize(simd, product));
                    assert_eq!(scalar, found, "{m} {k} {n} {along} {transposed}");
                }
            }
        }
    }
}
