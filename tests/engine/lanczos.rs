//! The iteration of Lanczos on matrices of which the spectrum is known. Here and not beside it, so that it is tried with
//! LAPACK as well.

use ndarray::Array2;
use ratecheck::curvature::{Eigenvalue, extreme_eigenvalues, spectral_density};
use ratecheck::linalg::LinalgError;
use ratecheck::parameters::norm;
use ratecheck::random::Seed;

/// diag(1..n) turned by a reflection, so that no basis vector is an eigenvector.
fn turned(values: &[f64]) -> Array2<f64> {
    let n = values.len();
    let mut u: Vec<f64> = (0..n).map(|i| 1.0 + (i % 3) as f64).collect();
    let length = norm(&u);
    u.iter_mut().for_each(|x| *x /= length);
    let reflect = |i: usize, j: usize| f64::from(u8::from(i == j)) - 2.0 * u[i] * u[j];
    Array2::from_shape_fn((n, n), |(i, j)| (0..n).map(|k| reflect(i, k) * values[k] * reflect(k, j)).sum())
}

#[test]
fn both_ends_are_found_with_residuals_that_bound_the_error() {
    let values: Vec<f64> = (0..60).map(|i| f64::from(i - 20)).collect();
    let found = extreme_eigenvalues(&mut turned(&values).view(), 3, 60, &Seed::new(7)).unwrap();
    for (k, eigenvalue) in found.largest.iter().enumerate() {
        let error = (eigenvalue.value - values[59 - k]).abs();
        assert!(error <= eigenvalue.residual + 1e-12 && eigenvalue.residual < 1e-10, "{eigenvalue:?}");
    }
    for (k, eigenvalue) in found.smallest.iter().enumerate() {
        assert!((eigenvalue.value - values[k]).abs() < 1e-10, "{eigenvalue:?}");
    }
    // Too few steps: the residual says how far it is.
    let early = extreme_eigenvalues(&mut turned(&values).view(), 1, 6, &Seed::new(7)).unwrap().largest[0];
    let nearest = values.iter().map(|v| (v - early.value).abs()).fold(f64::INFINITY, f64::min);
    assert!(early.residual > 1e-3 && nearest <= early.residual, "{early:?}");
}

#[test]
fn the_density_adds_up_and_has_the_first_moments() {
    let values: Vec<f64> = (0..40).map(|i| if i < 10 { -1.0 } else { 3.0 }).collect();
    let found = spectral_density(&mut turned(&values).view(), 40, 20, &Seed::new(3)).unwrap();
    let total: f64 = found.nodes.iter().map(|node| node.1).sum();
    assert!((total - 1.0).abs() < 1e-13, "{total}");
    // A quarter of the eigenvalues is -1; share of a random vector: a Beta(5, 15) variable of variance .0089.
    let (share, error) = found.share(-2.0, 0.0);
    assert!((share - 0.25).abs() < 5.0 * (0.0089_f64 / 40.0).sqrt() && error < 0.03, "{share} ± {error}");
    assert_eq!(found.share(4.0, 5.0), (0.0, 0.0));
}

#[test]
fn nothing_and_no_numbers() {
    let none = Array2::<f64>::zeros((0, 0));
    assert_eq!(extreme_eigenvalues(&mut none.view(), 2, 5, &Seed::new(1)).unwrap().products, 0);
    let zero = Array2::<f64>::zeros((3, 3));
    let found = extreme_eigenvalues(&mut zero.view(), 2, 5, &Seed::new(1)).unwrap();
    assert_eq!(found.largest, [Eigenvalue { value: 0.0, residual: 0.0 }]);
    let undefined = Array2::from_elem((3, 3), f64::NAN);
    assert_eq!(extreme_eigenvalues(&mut undefined.view(), 1, 5, &Seed::new(1)), Err(LinalgError::NotFinite));
    assert_eq!(spectral_density(&mut undefined.view(), 1, 5, &Seed::new(1)), Err(LinalgError::NotFinite));
}
