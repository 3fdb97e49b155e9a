//! Both kinds of numbers go through every test.

use super::super::{Dual, Planes, Scalar};
use super::panel::LINE;
use super::*;

/// `f64` or `f32`.
trait Number: Element + Scalar<Base = Self> + PartialEq {}
impl Number for f64 {}
impl Number for f32 {}

/// A number that is a multiple of 2^-6 up to 2: sums of up to 1023 products are multiples of 2^-12 below 2^12, exact in
/// any order and in 24 bits.
fn entry<T: Number>(i: usize) -> T {
    T::from_f64(((i * 37 + 11) % 257) as f64 / 64.0 - 2.0)
}

/// A number whose products do round.
fn number<T: Number>(i: usize) -> T {
    T::from_f64(1.0 / (1 + i * 37 % 101) as f64 - 0.3)
}

/// Numbers from the `start`-th on.
fn some<T>(n: usize, start: usize, number: impl Fn(usize) -> T) -> Vec<T> {
    (start..start + n).map(number).collect()
}

fn view<T>(data: &[T], rows: usize, columns: usize) -> Matrix<'_, T> {
    Matrix { data, rows, columns, row_step: columns, column_step: 1, plane_step: Some(rows * columns) }
}

/// Room with the numbers in it, from the place on that is returned: `shift` numbers behind the start of a cache line, and
/// with some room behind them.
fn placed<T: Number>(numbers: &[T], shift: usize) -> (Vec<T>, usize) {
    let mut room = vec![T::ZERO; numbers.len() + 2 * LINE / size_of::<T>()];
    let start = line_start(&room) + shift;
    room[start..][..numbers.len()].copy_from_slice(numbers);
    (room, start)
}

fn target<T>(data: &mut [T], rows: usize, columns: usize) -> MatrixMut<'_, T> {
    MatrixMut { data, rows, columns, row_step: columns, plane_step: rows * columns }
}

fn match_the_triple_loop<T: Number>() {
    // Whole vectors, pairs of them and parts of either, in registers of 1 to 16 numbers;
    // 600 inner indices are three blocks.
    for (m, k, n) in [
        (1, 1, 1),
        (3, 5, 7),
        (4, 8, 8),
        (5, 3, 13),
        (9, 16, 33),
        (16, 8, 32),
        (2, 31, 4),
        (3, 600, 5),
        (13, 40, 31),
        (8, 300, 16),
        (17, 9, 75),
    ] {
        let (a, b) = (some(m * k, 0, entry::<T>), some(k * n, 5, entry::<T>));
        let b_transposed = some(n * k, 0, |i| b[(i % k) * n + i / k]);
        let naive = some(m * n, 0, |e| (0..k).fold(T::ZERO, |sum, p| sum + a[e / n * k + p] * b[p * n + e % n]));
        let mut c = vec![T::ONE; m * n];
        matmul(&[[view(&a, m, k), view(&b, k, n)]], target(&mut c, m, n), Store::Replace);
        assert_eq!(c, naive, "{m} {k} {n}");
        let a_transposed = some(k * m, 0, |i| a[(i % m) * k + i / m]);
        let mut again = vec![T::ONE; m * n];
        let left = view(&a_transposed, k, m).transposed();
        matmul(&[[left, view(&b, k, n)]], target(&mut again, m, n), Store::Replace);
        assert_eq!(again, naive, "{m} {k} {n}, columns of A");
        matmul_transposed(&[[view(&a, m, k), view(&b_transposed, n, k)]], target(&mut c, m, n), Store::Add);
        assert_eq!(c, some(m * n, 0, |i| naive[i].scale(2.0)), "{m} {k} {n} transposed");
        matmul(&[[view(&a, m, k), view(&b, k, n)]], target(&mut c, m, n), Store::Derivative);
        assert_eq!(c[0], naive[0].scale(2.0), "one component has no derivative to store");
    }
}

#[test]
fn products_of_every_shape_match_the_triple_loop() {
    match_the_triple_loop::<f64>();
    match_the_triple_loop::<f32>();
}

fn same_bits_on_every_unit<T: Number>() {
    // 300 inner indices are more than one block.
    let line = LINE / size_of::<T>();
    let shapes =
        [(1, 1, 1), (5, 7, 3), (9, 16, 33), (16, 32, 16), (13, 300, 11), (12, 20, 61), (8, 20, 33), (14, 300, 61)];
    for (m, k, n) in shapes.into_iter().chain([(11, 9, 2 * line), (16, 300, 3 * line)]) {
        let (a, b) = (some(m * k, 0, number::<T>), some(k * n, 0, number::<T>));
        // Where B begins decides on whether it is read in place.
        for shift in [0, 1] {
            let (b, start) = placed(&b, shift);
            for (transposed, along) in [(false, true), (false, false), (true, true)] {
                let a = if along { view(&a, m, k) } else { view(&a, k, m).transposed() };
                let b = if transposed { view(&b[start..], n, k) } else { view(&b[start..], k, n) };
                let pairs = [[a, b], [a, b]];
                for values in [None, Some(a)].into_iter().take(if transposed { 1 } else { 2 }) {
                    let by = |run: &dyn Fn(Product<'_, T>)| {
                        let mut c = vec![T::from_f64(0.7); 2 * m * n];
                        run(Product { pairs: &pairs, values, c: target(&mut c, m, n), add: true, transposed });
                        c
                    };
                    let scalar = by(&|product| pulp::WithSimd::with_simd(product, pulp::Scalar));
                    let case = format!("{m} {k} {n} {shift} {transposed} {along}");
                    assert_eq!(scalar, by(&|product| pulp::Arch::new().dispatch(product)), "{case}");
                    #[cfg(target_arch = "x86_64")]
                    if let Some(simd) = pulp::x86::V3::try_new() {
                        assert_eq!(scalar, by(&|product| Simd::vectorize(simd, product)), "{case}");
                    }
                }
            }
        }
    }
}

#[test]
fn every_vector_unit_gives_the_same_bits() {
    same_bits_on_every_unit::<f64>();
    same_bits_on_every_unit::<f32>();
}

fn a_product_of_duals_is_one_of_planes<T: Number>() {
    for (m, k, n) in [(1, 1, 1), (5, 7, 3), (9, 16, 33), (13, 300, 11)] {
        let (a, b) = (some(2 * m * k, 0, number::<T>), some(2 * k * n, 5, number::<T>));
        let (a_0, a_1) = (view(&a, m, k), view(&a[m * k..], m, k));
        let (b_0, b_1) = (view(&b, k, n), view(&b[k * n..], k, n));
        let constant = Matrix { plane_step: None, ..b_0 };
        for (factor, derivative) in [(b_0, &[[a_0, b_1], [a_1, b_0]][..]), (constant, &[[a_1, b_0]][..])] {
            for store in [Store::Replace, Store::Add] {
                let mut c = vec![T::from_f64(0.7); 2 * m * n];
                Dual::<T>::matmul(&[[a_0, factor]], target(&mut c, m, n), store);
                let mut planes = vec![T::from_f64(0.7); 2 * m * n];
                matmul(&[[a_0, b_0]], target(&mut planes, m, n), store);
                matmul(derivative, target(&mut planes[m * n..], m, n), store);
                assert_eq!(c, planes, "{m} {k} {n}");
            }
        }
    }
}

#[test]
fn a_product_of_duals_has_the_bits_of_products_of_its_planes() {
    a_product_of_duals_is_one_of_planes::<f64>();
    a_product_of_duals_is_one_of_planes::<f32>();
}

fn obeys_the_product_rule<T: Number>() {
    let (m, k, n) = (3, 4, 5);
    // Planes follow one another: [all values | all derivatives].
    let (a, b) = (some(2 * m * k, 0, entry::<T>), some(2 * k * n, 3, entry::<T>));
    let mut c = vec![T::from_f64(7.0); 2 * m * n];
    Dual::<T>::matmul(&[[view(&a, m, k), view(&b, k, n)]], target(&mut c, m, n), Store::Replace);
    for i in 0..m {
        for j in 0..n {
            let mut sum = Dual::<T>::ZERO;
            for p in 0..k {
                let x = Dual::new(a[i * k + p], a[m * k + i * k + p]);
                sum += x * Dual::new(b[p * n + j], b[k * n + p * n + j]);
            }
            assert_eq!(Dual::new(c[i * n + j], c[m * n + i * n + j]), sum);
        }
    }
}

#[test]
fn a_product_of_duals_obeys_the_product_rule() {
    obeys_the_product_rule::<f64>();
    obeys_the_product_rule::<f32>();
}

/// Rows of B that lie on cache lines are read where they are, others are laid out first.
fn is_read_in_place_or_laid_out<T: Number>() {
    let line = LINE / size_of::<T>();
    for (m, k, n) in [(1, 5, 2 * line), (12, 16, 4 * line), (16, 300, line), (10, 7, 3 * line)] {
        let (a, b) = (some(2 * m * k, 0, number::<T>), some(2 * k * n, 5, number::<T>));
        let by = |shift: usize| {
            let (room, start) = placed(&b, shift);
            let mut alone = vec![T::from_f64(0.7); m * n];
            matmul(&[[view(&a, m, k), view(&room[start..], k, n)]], target(&mut alone, m, n), Store::Add);
            let mut dual = vec![T::from_f64(0.7); 2 * m * n];
            matmul_dual([view(&a, m, k), view(&room[start..], k, n)], target(&mut dual, m, n), Store::Add);
            (alone, dual)
        };
        assert_eq!(by(0), by(1), "{m} {k} {n}");
    }
}

#[test]
fn columns_in_place_give_the_bits_of_columns_laid_out() {
    is_read_in_place_or_laid_out::<f64>();
    is_read_in_place_or_laid_out::<f32>();
}

/// Planes of a row follow one another, as in a network: the last row of derivatives ends where the numbers do.
fn ends_with_the_numbers<T: Number>() {
    let line = LINE / size_of::<T>();
    for (m, k, n) in [(1, 1, 2 * line), (8, 5, 2 * line), (14, 300, line), (16, 257, 3 * line)] {
        let (a, b) = (some(2 * m * k, 0, number::<T>), some(2 * k * n, 5, number::<T>));
        let by = |shift: usize| {
            let (room, start) = placed(&b, shift);
            let data = &room[start..start + 2 * k * n];
            let b = Matrix { data, rows: k, columns: n, row_step: 2 * n, column_step: 1, plane_step: Some(n) };
            let mut c = vec![T::from_f64(0.7); 2 * m * n];
            let to = MatrixMut { data: &mut c, rows: m, columns: n, row_step: 2 * n, plane_step: n };
            matmul_dual([view(&a, m, k), b], to, Store::Add);
            c
        };
        assert_eq!(by(0), by(1), "{m} {k} {n}");
    }
}

#[test]
fn the_last_row_of_derivatives_ends_with_the_numbers() {
    ends_with_the_numbers::<f64>();
    ends_with_the_numbers::<f32>();
}

/// Sums over pairs with different inner lengths, into a C whose rows are further apart than they are long.
fn adds_pairs_up<T: Number>() {
    let line = LINE / size_of::<T>();
    for inner in [&[3, 300][..], &[300, 3], &[3, 300, 257]] {
        for (m, n) in [(14, 2 * line + 3), (7, 13), (16, 2 * line)] {
            let factors: Vec<_> =
                inner.iter().map(|&k| (k, some(m * k, k, entry::<T>), some(k * n, 3 * k, entry::<T>))).collect();
            let pairs: Vec<_> = factors.iter().map(|(k, a, b)| [view(a, m, *k), view(b, *k, n)]).collect();
            let step = n + 3;
            let mut found = vec![T::ONE; (m - 1) * step + n];
            let mut expected = found.clone();
            let by = |data: &mut [T], pairs: &[Pair<'_, T>]| {
                matmul(pairs, MatrixMut { data, rows: m, columns: n, row_step: step, plane_step: 0 }, Store::Add);
            };
            by(&mut found, &pairs);
            // The numbers are exact in any order.
            for pair in &pairs {
                by(&mut expected, &[*pair]);
            }
            assert_eq!(found, expected, "{inner:?} {m} {n}");
            assert!((0..m - 1).all(|i| found[i * step + n..][..3] == [T::ONE; 3]), "what is between rows stays");
        }
    }
}

#[test]
fn pairs_of_any_inner_lengths_are_added_up() {
    adds_pairs_up::<f64>();
    adds_pairs_up::<f32>();
}

/// One row needs no step, and rows of a factor may overlap.
#[test]
fn steps_may_be_shorter_than_rows() {
    let (x, ones) = ([2.0; 64], [1.0; 40]);
    for row_step in [0, 1] {
        let mut c = [0.0; 5];
        let to = MatrixMut { data: &mut c[..], rows: 1, columns: 5, row_step, plane_step: 5 };
        matmul(&[[view(&x[..3], 1, 3), view(&ones[..15], 3, 5)]], to, Store::Replace);
        assert_eq!(c, [6.0; 5]);
    }
    for step in [0, 2] {
        let windows = Matrix { data: &x[..], rows: 12, columns: 3, row_step: 1, column_step: step, plane_step: None };
        let mut c = [0.0; 12 * 5];
        matmul(&[[windows, view(&ones[..15], 3, 5)]], target(&mut c, 12, 5), Store::Replace);
        assert_eq!(c, [6.0; 60]);
        let start = line_start(&x);
        let rows = Matrix {
            data: &x[start..],
            rows: 2,
            columns: 16,
            row_step: 8 * step / 2,
            column_step: 1,
            plane_step: None,
        };
        let mut c = [0.0; 16];
        matmul(&[[view(&ones[..2], 1, 2), rows]], target(&mut c, 1, 16), Store::Replace);
        assert_eq!(c, [4.0; 16]);
    }
}
