//! The order of sums, however many scalars are visited together.

use super::*;
use crate::scalar::Eight;

/// Eight chains over the whole eights, added in pairs, and the rest one by one: of any scalar, as the doc comment says.
fn by_the_book<S: Scalar>(x: &[S]) -> S {
    let whole = x.len() / LANES * LANES;
    let chain = |c: usize| x[..whole].iter().skip(c).step_by(LANES).fold(S::ZERO, |sum, x| x.square_add(sum));
    let pair = |c: usize| (chain(c) + chain(c + 4)) + (chain(c + 2) + chain(c + 6));
    (pair(0) + pair(1)) + x[whole..].iter().fold(S::ZERO, |sum, x| x.square_add(sum))
}

fn number(i: usize) -> f64 {
    1.0 / (1 + i * 37 % 101) as f64 - 0.3
}

/// Of `f32` sixteen are visited together, of `f64` eight, and of several runs one.
#[test]
fn sums_have_the_order_of_eight_chains() {
    for n in [0, 1, 7, 8, 9, 15, 16, 17, 24, 31, 40, 71, 128] {
        let x: Vec<f64> = (0..n).map(number).collect();
        assert_eq!(sum_of_squares(&x), by_the_book(&x), "{n}");
        let x: Vec<f32> = (0..n).map(|i| number(i) as f32).collect();
        assert_eq!(sum_of_squares(&x), by_the_book(&x), "{n} in single precision");
        let x: Vec<Eight> = (0..n).map(|i| Eight(std::array::from_fn(|r| number(i + 11 * r)))).collect();
        assert_eq!(sum_of_squares(&x), by_the_book(&x), "{n} of eight runs");
    }
}

#[test]
fn what_is_added_to_a_gradient_is_scaled_first() {
    for n in [3, 16, 29] {
        let (mut d, x): (Vec<f32>, Vec<f32>) = (0..n).map(|i| (number(i) as f32, number(i + 5) as f32)).unzip();
        let expected: Vec<f32> = d.iter().zip(&x).map(|(d, x)| d + x * 0.01).collect();
        add_scaled(&mut d, &x, 0.01);
        assert_eq!(d, expected);
    }
}

/// Whatever the order: every scalar once, and each to its chain.
#[test]
fn scalars_of_several_runs_are_visited_once() {
    for n in [0, 1, 7, 8, 19, 24] {
        let x: Vec<Eight> = (0..n).map(|i| Eight(std::array::from_fn(|r| number(i + 11 * r)))).collect();
        let (mut seen, mut sum) = (vec![0; n], Sum::new());
        sweep!(Eight: n, K, C, b => {
            seen[b..b + K].iter_mut().for_each(|seen| *seen += 1);
            sum.add_square::<C, K>(Lanes::<Eight, K>::load(&x, b));
        });
        assert_eq!(seen, vec![1; n]);
        assert_eq!(sum.total(), by_the_book(&x), "{n}");
    }
}
