//! Products of matrices of eight runs.

use ratecheck::random::{Seed, normals};
use ratecheck::scalar::{Eight, Matrix, MatrixMut, Scalar, Store, matmul, matmul_transposed};

/// Products of eights are eight products, whatever is contiguous, for sums longer than a block, for leftover rows and
/// columns, for nothing, and for rows that are further apart than they are long.
#[test]
fn products_of_eights_are_eight_products() {
    let mut generator = Seed::new(5).generator("tests/eights");
    let shapes = [[1, 1, 4], [4, 16, 8], [7, 256, 5], [3, 257, 9], [6, 600, 6], [5, 0, 5], [0, 3, 5], [5, 3, 0]];
    for (shape, pad) in shapes.into_iter().flat_map(|shape| [(shape, 0), (shape, 3)]) {
        let [rows, inner, columns] = shape;
        let mut eights = |n: usize| -> Vec<Eight> {
            let numbers = normals(8 * n, 1.0, &mut generator);
            numbers.chunks_exact(8).map(|eight| Eight(eight.try_into().unwrap())).collect()
        };
        let before = eights(rows * columns);
        for transposed in [(false, false), (true, false), (false, true)] {
            // The last row ends where its numbers do.
            let length =
                |lines: usize, long: usize| lines.saturating_sub(1) * (long + pad) + if lines > 0 { long } else { 0 };
            let a = eights(if transposed.0 { length(inner, rows) } else { length(rows, inner) });
            let b = eights(if transposed.1 { length(columns, inner) } else { length(inner, columns) });
            for store in [Store::Replace, Store::Add] {
                let mut c = before.clone();
                product::<Eight>(&a, &b, &mut c, shape, transposed, pad, store);
                for r in 0..8 {
                    let of_run = |all: &[Eight]| -> Vec<f64> { all.iter().map(|x| x.0[r]).collect() };
                    let mut alone = of_run(&before);
                    product::<f64>(&of_run(&a), &of_run(&b), &mut alone, shape, transposed, pad, store);
                    assert_eq!(of_run(&c), alone, "{shape:?} {pad} {transposed:?} {store:?}");
                }
            }
        }
    }
}

/// C = A B, each factor stored as it is or transposed, with `pad` numbers between its rows.
fn product<S: Scalar>(
    a: &[S::Base],
    b: &[S::Base],
    c: &mut [S::Base],
    [rows, inner, columns]: [usize; 3],
    (a_transposed, b_transposed): (bool, bool),
    pad: usize,
    store: Store,
) {
    let [row_step, column_step] = if a_transposed { [1, rows + pad] } else { [inner + pad, 1] };
    let a = Matrix { data: a, rows, columns: inner, row_step, column_step, plane_step: None };
    let c = MatrixMut { rows, columns, row_step: columns, plane_step: c.len(), data: c };
    if b_transposed {
        let row_step = inner + pad;
        let b = Matrix { data: b, rows: columns, columns: inner, row_step, column_step: 1, plane_step: None };
        matmul_transposed::<S>(&[[a, b]], c, store);
    } else {
        let row_step = columns + pad;
        let b = Matrix { data: b, rows: inner, columns, row_step, column_step: 1, plane_step: None };
        matmul::<S>(&[[a, b]], c, store);
    }
}
