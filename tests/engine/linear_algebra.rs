//! The dense routines: known answers, reconstruction, what they refuse, and the two backends against each other.

use ndarray::{Array1, Array2, ArrayView2, array};
use rand::RngExt;
use ratecheck::linalg::{LinalgError, Svd, SymmetricEigen};
use ratecheck::random::Seed;

type LeastSquares = fn(ArrayView2<'_, f64>, &[f64]) -> Result<Array1<f64>, LinalgError>;

/// One backend's functions.
struct Backend {
    name: &'static str,
    svd: fn(ArrayView2<'_, f64>) -> Result<Svd, LinalgError>,
    singular_values: fn(ArrayView2<'_, f64>) -> Result<Array1<f64>, LinalgError>,
    spectral_norm: fn(ArrayView2<'_, f64>) -> Result<f64, LinalgError>,
    symmetric_eigen: fn(ArrayView2<'_, f64>) -> Result<SymmetricEigen, LinalgError>,
    least_squares: LeastSquares,
}

macro_rules! backend {
    ($name:ident) => {{
        use ratecheck::linalg::$name::*;
        Backend { name: stringify!($name), svd, singular_values, spectral_norm, symmetric_eigen, least_squares }
    }};
}

fn backends() -> Vec<Backend> {
    vec![
        backend!(pure),
        #[cfg(feature = "lapack")]
        backend!(lapack),
    ]
}

fn random(rows: usize, columns: usize) -> Array2<f64> {
    let mut generator = Seed::new(11).generator(&format!("{rows} x {columns}"));
    Array2::from_shape_simple_fn((rows, columns), || generator.random_range(-1.0..1.0))
}

/// Rounding of a backward-stable decomposition of a matrix with entries below 1 in absolute value: a modest multiple of
/// n u ||A||_F, with n <= 40 and ||A||_F <= 40.
const TOLERANCE: f64 = 40.0 * 40.0 * f64::EPSILON;

fn largest_difference(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    assert_eq!(a.dim(), b.dim());
    // NaN is carried along, and fails every comparison.
    a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, |m, d| if d <= m { m } else { d })
}

const SHAPES: [(usize, usize); 7] = [(1, 1), (1, 9), (9, 1), (5, 5), (16, 33), (33, 16), (40, 40)];

#[test]
fn decompositions_rebuild_their_matrix() {
    for backend in backends() {
        for (rows, columns) in SHAPES {
            let a = random(rows, columns);
            let Svd { u, s, vt } = (backend.svd)(a.view()).expect("finite");
            let k = rows.min(columns);
            let rebuilt = (&u * &s).dot(&vt);
            assert!(largest_difference(&rebuilt, &a) <= TOLERANCE, "{} {rows} x {columns}", backend.name);
            assert!(largest_difference(&u.t().dot(&u), &Array2::eye(k)) <= TOLERANCE);
            assert!(largest_difference(&vt.dot(&vt.t()), &Array2::eye(k)) <= TOLERANCE);
            assert!(s.windows(2).into_iter().all(|p| p[0] >= p[1]) && s[k - 1] >= 0.0);
            let values = (backend.singular_values)(a.view()).expect("finite");
            assert!(values.iter().zip(&s).all(|(x, y)| (x - y).abs() <= TOLERANCE));
            assert!(((backend.spectral_norm)(a.view()).expect("finite") - s[0]).abs() <= TOLERANCE);

            let symmetric = a.t().dot(&a);
            let SymmetricEigen { values, vectors } = (backend.symmetric_eigen)(symmetric.view()).expect("finite");
            let rebuilt = (&vectors * &values).dot(&vectors.t());
            // ||A^T A||_F is up to 40 times larger.
            assert!(largest_difference(&rebuilt, &symmetric) <= 40.0 * TOLERANCE);
            assert!(values.windows(2).into_iter().all(|p| p[0] <= p[1]));
        }
    }
}

/// Singular values that lie close together, equal ones and zeros among them: here some implementations stop too early.
#[test]
fn clusters_of_singular_values_are_told_apart() {
    let orthogonal = |n: usize, name: &str| {
        let mut generator = Seed::new(12).generator(name);
        let half = Array2::from_shape_simple_fn((n, n), || generator.random_range(-1.0..1.0));
        ratecheck::linalg::pure::symmetric_eigen((&half + &half.t()).view()).expect("finite").vectors
    };
    let clusters: [&[f64]; 4] = [
        &[0.0527, 0.0496, 0.0493, 0.0480, 0.0450, 0.0077],
        &[1.0, 1.0, 1.0, 1e-3, 1e-3, 1e-9],
        &[1.0, 1.0 - 1e-12, 1.0 - 2e-12, 0.5, 0.5, 0.5],
        &[1.0, 0.3, 0.3, 0.0, 0.0, 0.0],
    ];
    for backend in backends() {
        for (c, cluster) in clusters.into_iter().enumerate() {
            for trial in 0..50 {
                let (u, v) = (orthogonal(6, &format!("u-{trial}")), orthogonal(6, &format!("v-{trial}")));
                let a = (&u * &Array1::from(cluster.to_vec())).dot(&v.t());
                let found = (backend.svd)(a.view()).expect("finite");
                let rebuilt = (&found.u * &found.s).dot(&found.vt);
                let what = format!("{}, cluster {c}, trial {trial}", backend.name);
                // n u ||A||_F with n = 6, and ||A||_F < 3: some 1e-14 with room for a modest constant.
                assert!(largest_difference(&rebuilt, &a) <= 1e-14, "{what}");
                assert!(largest_difference(&found.u.t().dot(&found.u), &Array2::eye(6)) <= 1e-14, "{what}: u");
                assert!(found.s.iter().zip(cluster).all(|(x, y)| (x - y).abs() <= 1e-14), "{what}: {}", found.s);

                let symmetric = (&v * &Array1::from(cluster.to_vec())).dot(&v.t());
                let SymmetricEigen { values, vectors } = (backend.symmetric_eigen)(symmetric.view()).expect("finite");
                let rebuilt = (&vectors * &values).dot(&vectors.t());
                assert!(largest_difference(&rebuilt, &symmetric) <= 1e-14, "{what}: symmetric");
            }
        }
    }
}

/// Entries of all sizes down to the smallest, as in a Hessian where weight decay has all but switched a layer off:
/// squares underflow.
#[test]
fn entries_of_all_sizes_are_decomposed() {
    for backend in backends() {
        for trial in 0..200 {
            let mut generator = Seed::new(14).generator(&format!("sizes-{trial}"));
            for (rows, columns) in [(2, 2), (4, 9), (16, 16), (9, 4)] {
                let diagonal = trial % 2 == 0;
                let a = Array2::from_shape_simple_fn((rows, columns), || {
                    generator.random_range(-1.0..1.0) * 10.0_f64.powf(generator.random_range(-320.0..0.0))
                });
                let eye = Array2::from_shape_fn((rows, columns), |(i, j)| f64::from(u8::from(diagonal && i == j)));
                let a = a + eye;
                let what = format!("{}, {rows} x {columns}, trial {trial}", backend.name);
                let Svd { u, s, vt } = (backend.svd)(a.view()).expect("a decomposition");
                assert!(largest_difference(&(&u * &s).dot(&vt), &a) <= TOLERANCE, "{what}");
                let norm = (backend.spectral_norm)(a.view()).expect("finite");
                assert!((norm - s[0]).abs() <= TOLERANCE * s[0], "{what}: {norm} {}", s[0]);
                let (symmetric, size) = (a.t().dot(&a), s[0] * s[0]);
                let SymmetricEigen { values, .. } = (backend.symmetric_eigen)(symmetric.view()).expect("converged");
                assert!((values[columns - 1] - size).abs() <= 40.0 * TOLERANCE * size, "{what}: {values}");
            }
        }
    }
}

/// One singular value is rounding, or less: what has no direction is given one, and nothing is iterated for ever.
#[test]
fn matrices_of_deficient_rank_are_decomposed() {
    for backend in backends() {
        for trial in 0..200 {
            let mut generator = Seed::new(13).generator(&format!("rank-{trial}"));
            let mut draw = |n: usize| -> Vec<f64> { (0..n).map(|_| generator.random_range(-1.0..1.0)).collect() };
            for (rows, columns) in [(2, 2), (3, 2), (2, 5), (6, 6)] {
                let (x, y) = (draw(rows), draw(columns));
                let tiny = [0.0, 1e-300, 1e-20, 1e-17, 1e-16][trial % 5];
                let a = Array2::from_shape_fn((rows, columns), |(i, j)| x[i] * y[j] + tiny * ((i + 2 * j) % 3) as f64);
                let Svd { u, s, vt } = (backend.svd)(a.view()).expect("a decomposition");
                let k = rows.min(columns);
                let what = format!("{}, {rows} x {columns}, trial {trial}", backend.name);
                assert!(largest_difference(&(&u * &s).dot(&vt), &a) <= 1e-14, "{what}");
                assert!(largest_difference(&u.t().dot(&u), &Array2::eye(k)) <= 1e-14, "{what}: u");
                assert!(largest_difference(&vt.dot(&vt.t()), &Array2::eye(k)) <= 1e-14, "{what}: v");
            }
        }
    }
}

#[test]
fn known_answers() {
    for backend in backends() {
        // Eigenvalues of the second difference: 2 - 2 cos(k pi / (n + 1)).
        let n = 12;
        let a = Array2::from_shape_fn((n, n), |(i, j)| match i.abs_diff(j) {
            0 => 2.0,
            1 => -1.0,
            _ => 0.0,
        });
        let found = (backend.symmetric_eigen)(a.view()).expect("finite");
        for k in 0..n {
            let expected = 2.0 - 2.0 * libm::cos((k + 1) as f64 * std::f64::consts::PI / (n + 1) as f64);
            assert!((found.values[k] - expected).abs() <= TOLERANCE, "{}", backend.name);
        }
        // Squares of these entries overflow or vanish; the norm does not.
        for scale in [1e200, 1e-200] {
            let norm = (backend.spectral_norm)(array![[3.0 * scale, 0.0], [4.0 * scale, 0.0]].view()).expect("finite");
            assert!((norm / (5.0 * scale) - 1.0).abs() <= 8.0 * f64::EPSILON, "{} {norm:e}", backend.name);
        }
        let x = (backend.least_squares)(random(9, 3).view(), &random(9, 3).dot(&array![1.0, -2.0, 3.0]).to_vec());
        let x = x.expect("independent columns");
        assert!(x.iter().zip([1.0, -2.0, 3.0]).all(|(x, y)| (x - y).abs() <= TOLERANCE));
        // A largest singular value that is multiple, a single one, and one far above the rest.
        let graded = Array2::from_diag(&array![1e-9, 3.0, 1e-3, 2e-15]);
        let rank_one = array![[3.0, 6.0], [4.0, 8.0], [0.0, 0.0]];
        for (a, expected) in [(Array2::eye(20), 1.0), (rank_one, 125.0_f64.sqrt()), (graded, 3.0)] {
            let norm = (backend.spectral_norm)(a.view()).expect("finite");
            assert!((norm - expected).abs() <= 16.0 * f64::EPSILON * expected, "{} {norm}", backend.name);
        }
        assert_eq!((backend.spectral_norm)(Array2::zeros((3, 2)).view()), Ok(0.0));
        assert_eq!((backend.spectral_norm)(Array2::zeros((0, 2)).view()), Ok(0.0));
    }
}

#[test]
fn spectral_norms_of_every_size_and_spectrum() {
    // Rows are padded to whole lanes: every remainder. Spectra: random, clustered at the top, and a single large value.
    for backend in backends() {
        for k in 1..=21 {
            for columns in [k, k + 5] {
                let a = random(k, columns);
                let Svd { u, vt, .. } = (backend.svd)(a.view()).expect("finite");
                let spectra: [fn(usize) -> f64; 4] = [
                    |i| 1.0 - 1e-9 * i as f64,
                    |i| 1.0 - 1e-15 * i as f64,
                    |i| libm::pow(10.0, -(i as f64)),
                    |i| if i < 2 { 1.0 } else { 0.999 },
                ];
                for spectrum in spectra {
                    let s = Array1::from_shape_fn(k, spectrum);
                    let norm = (backend.spectral_norm)((&u * &s).dot(&vt).view()).expect("finite");
                    // U and V are orthogonal, and their product is rounded, to some k units in the last place each.
                    let tolerance = 8.0 * (k + 4) as f64 * f64::EPSILON;
                    assert!((norm - 1.0).abs() <= tolerance, "{} {k} x {columns}: {}", backend.name, norm - 1.0);
                }
            }
        }
    }
}

#[test]
fn strided_views_are_read_as_they_stand() {
    let a = random(7, 9);
    for backend in backends() {
        for (rows, columns) in [(1, 1), (1, 4), (4, 1), (3, 5)] {
            let mut view = a.slice_axis(ndarray::Axis(0), ndarray::Slice::from(2..2 + rows));
            view = view.slice_axis_move(ndarray::Axis(1), ndarray::Slice::from(3..3 + columns));
            let copy = Array2::from_shape_fn((rows, columns), |(i, j)| a[(2 + i, 3 + j)]);
            for (view, copy) in [(view, copy.view()), (view.t(), copy.t())] {
                assert_eq!((backend.spectral_norm)(view), (backend.spectral_norm)(copy), "{}", backend.name);
                assert_eq!((backend.singular_values)(view), (backend.singular_values)(copy), "{}", backend.name);
                assert_eq!((backend.svd)(view).map(|f| f.u), (backend.svd)(copy).map(|f| f.u), "{}", backend.name);
                assert!((backend.spectral_norm)(view).is_ok_and(|x| x > 0.0), "{}", backend.name);
            }
        }
    }
}

#[test]
fn what_cannot_be_answered_is_an_error() {
    for backend in backends() {
        for bad in [f64::NAN, f64::INFINITY] {
            let mut a = random(5, 5);
            a[(2, 3)] = bad;
            assert_eq!((backend.svd)(a.view()).err(), Some(LinalgError::NotFinite));
            assert_eq!((backend.singular_values)(a.view()).err(), Some(LinalgError::NotFinite));
            assert_eq!((backend.spectral_norm)(a.view()).err(), Some(LinalgError::NotFinite));
            assert_eq!((backend.symmetric_eigen)(a.view()).err(), Some(LinalgError::NotFinite));
            assert_eq!((backend.least_squares)(a.view(), &[1.0; 5]).err(), Some(LinalgError::NotFinite));
        }
        assert!(matches!((backend.symmetric_eigen)(random(2, 3).view()), Err(LinalgError::Shape(_))));
        assert!(matches!((backend.least_squares)(random(2, 3).view(), &[1.0; 2]), Err(LinalgError::Shape(_))));
        // Dependent, and dependent to rounding.
        for nearly in [0.0, 4.0 * f64::EPSILON] {
            let twice = array![[1.0, 1.0], [1.0, 1.0 + nearly], [1.0, 1.0]];
            assert_eq!((backend.least_squares)(twice.view(), &[1.0; 3]).err(), Some(LinalgError::Dependent));
        }
    }
}

#[cfg(feature = "lapack")]
#[test]
fn the_backends_agree() {
    use ratecheck::linalg::{lapack, pure};
    for (rows, columns) in SHAPES {
        let a = random(rows, columns);
        let (x, y) =
            (pure::singular_values(a.view()).expect("finite"), lapack::singular_values(a.view()).expect("finite"));
        assert!(x.iter().zip(&y).all(|(x, y)| (x - y).abs() <= TOLERANCE), "{rows} x {columns}");
        let (x, y) = (pure::spectral_norm(a.view()), lapack::spectral_norm(a.view()));
        assert!((x.expect("finite") - y.expect("finite")).abs() <= TOLERANCE);
        let symmetric = &a.dot(&a.t());
        let (x, y) = (pure::symmetric_eigen(symmetric.view()), lapack::symmetric_eigen(symmetric.view()));
        let (x, y) = (x.expect("finite").values, y.expect("finite").values);
        assert!(x.iter().zip(&y).all(|(x, y)| (x - y).abs() <= 40.0 * TOLERANCE));
        if rows >= columns {
            let b = random(rows, 1).column(0).to_vec();
            let (x, y) = (pure::least_squares(a.view(), &b), lapack::least_squares(a.view(), &b));
            let condition = {
                let s = pure::singular_values(a.view()).expect("finite");
                s[0] / s[columns - 1]
            };
            let (x, y) = (x.expect("independent"), y.expect("independent"));
            // The solution moves by the square of the condition number times the rounding where the fit is not exact.
            let bound = TOLERANCE * condition * condition;
            assert!(x.iter().zip(&y).all(|(x, y)| (x - y).abs() <= bound), "{rows} x {columns}: {x} {y}");
        }
    }
}
