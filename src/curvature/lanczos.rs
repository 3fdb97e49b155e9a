//! The spectrum of a symmetric operator of which only products are known: eigenvalues at both ends by the iteration of
//! Lanczos, and how all of them are spread.
//!
//! After k steps from a unit vector x the operator restricted to span{x, Ax, .., A^(k-1) x} is a tridiagonal matrix T.
//! Its eigenvalues theta_j, the Ritz values, soon find both ends of the spectrum (Golub and Van Loan, Matrix
//! Computations, section 10.1). And with tau_j the first entries of its eigenvectors, sum_j tau_j^2 f(theta_j) is
//! Gauss's quadrature of x' f(A) x, exact for polynomials of degree 2k - 1; the mean over random x is tr f(A)/n, the
//! spectral density (Lin, Saad and Yang, Approximating Spectral Densities of Large Matrices, SIAM Review 58, 2016).

use ndarray::Array2;

use super::operator::Operator;
use super::spectral::{normalise, orthogonalise, start};
use crate::linalg::{self, LinalgError};
use crate::parameters::norm_sq;
use crate::random::Seed;

/// An eigenvalue, as far as it was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Eigenvalue {
    /// x' A x for a unit vector x.
    pub value: f64,
    /// ||A x - value x||, by a product with x and not from a recurrence: an eigenvalue of A is no further away.
    pub residual: f64,
}

/// Both ends of a spectrum.
#[derive(Clone, Debug, PartialEq)]
pub struct Ends {
    /// The largest eigenvalues, the largest first.
    pub largest: Vec<Eigenvalue>,
    /// The smallest ones, the smallest first.
    pub smallest: Vec<Eigenvalue>,
    /// Products that were formed.
    pub products: usize,
}

/// Eigenvalues with their shares in all.
#[derive(Clone, Debug, PartialEq)]
pub struct Density {
    /// (theta, share), the smallest theta first; the shares add up to 1.
    pub nodes: Vec<(f64, f64)>,
    /// Of every random vector by itself.
    probes: Vec<Vec<(f64, f64)>>,
    /// Products that were formed.
    pub products: usize,
}

impl Density {
    /// The share of eigenvalues in \[low, high), and the standard error of that mean over the random vectors; no number
    /// if there was one of them.
    pub fn share(&self, low: f64, high: f64) -> (f64, f64) {
        let of = |nodes: &[(f64, f64)]| -> f64 {
            nodes.iter().filter(|(theta, _)| (low..high).contains(theta)).map(|(_, share)| share).sum()
        };
        let (mean, n) = (of(&self.nodes), self.probes.len() as f64);
        let scatter: f64 = self.probes.iter().map(|probe| (of(probe) - mean).powi(2)).sum();
        (mean, (scatter / (n * (n - 1.0))).sqrt())
    }
}

/// The tridiagonal matrix of so many steps with its basis, fewer if the space is exhausted.
struct Steps {
    basis: Vec<Vec<f64>>,
    diagonal: Vec<f64>,
    beside: Vec<f64>,
}

impl Steps {
    /// From a unit vector, with full reorthogonalisation.
    fn new(operator: &mut impl Operator, x: Vec<f64>, steps: usize) -> Self {
        let n = x.len();
        let mut found = Self { basis: vec![x], diagonal: Vec::new(), beside: Vec::new() };
        for k in 0..steps.min(n) {
            let mut next = vec![0.0; n];
            operator.apply(&found.basis[k], &mut next);
            found.diagonal.push(crate::parameters::dot(&found.basis[k], &next));
            orthogonalise(&mut next, &found.basis);
            let beside = normalise(&mut next);
            // NaN ends it too: then the decomposition says so.
            if k + 1 == steps.min(n) || beside == 0.0 || beside.is_nan() {
                break;
            }
            found.beside.push(beside);
            found.basis.push(next);
        }
        found
    }

    /// Eigenvalues of the tridiagonal matrix, smallest first, with their vectors as columns.
    fn eigen(&self) -> Result<linalg::SymmetricEigen, LinalgError> {
        let k = self.diagonal.len();
        let mut matrix = Array2::zeros((k, k));
        for i in 0..k {
            matrix[(i, i)] = self.diagonal[i];
            if let (Some(&beside), true) = (self.beside.get(i), i + 1 < k) {
                (matrix[(i, i + 1)], matrix[(i + 1, i)]) = (beside, beside);
            }
        }
        linalg::symmetric_eigen(matrix.view())
    }
}

/// The `k` largest and the `k` smallest eigenvalues of a symmetric operator, after `steps` steps from a random vector.
/// A multiple eigenvalue is found once.
///
/// ```
/// use ndarray::array;
/// use ratecheck::curvature::extreme_eigenvalues;
/// use ratecheck::random::Seed;
/// let a = array![[2.0, 1.0], [1.0, 2.0]];
/// let found = extreme_eigenvalues(&mut a.view(), 1, 10, &Seed::new(1))?;
/// assert!((found.largest[0].value - 3.0).abs() < 1e-14 && (found.smallest[0].value - 1.0).abs() < 1e-14);
/// # Ok::<(), ratecheck::linalg::LinalgError>(())
/// ```
///
/// # Errors
/// If a product is not finite.
pub fn extreme_eigenvalues(
    operator: &mut impl Operator,
    k: usize,
    steps: usize,
    seed: &Seed,
) -> Result<Ends, LinalgError> {
    let (n, _) = operator.shape();
    if n == 0 {
        return Ok(Ends { largest: Vec::new(), smallest: Vec::new(), products: 0 });
    }
    let found = Steps::new(operator, start(n, &mut seed.generator("eigenvalues")), steps);
    let eigen = found.eigen()?;
    let m = eigen.values.len();
    let mut judge = |j: usize| {
        let (mut x, mut product) = (vec![0.0; n], vec![0.0; n]);
        for (basis, &weight) in found.basis.iter().zip(eigen.vectors.column(j)) {
            x.iter_mut().zip(basis).for_each(|(x, b)| *x += weight * b);
        }
        normalise(&mut x);
        operator.apply(&x, &mut product);
        let value = crate::parameters::dot(&x, &product);
        product.iter_mut().zip(&x).for_each(|(p, x)| *p -= value * x);
        let residual = norm_sq(&product).sqrt();
        if value.is_finite() && residual.is_finite() {
            Ok(Eigenvalue { value, residual })
        } else {
            Err(LinalgError::NotFinite)
        }
    };
    let k = k.min(m);
    let largest = (m - k..m).rev().map(&mut judge).collect::<Result<_, _>>()?;
    let smallest = (0..k).map(&mut judge).collect::<Result<_, _>>()?;
    Ok(Ends { largest, smallest, products: m + 2 * k })
}

/// How the eigenvalues of a symmetric operator are spread, from `probes` random vectors with `steps` steps each.
///
/// # Errors
/// If a product is not finite.
pub fn spectral_density(
    operator: &mut impl Operator,
    probes: usize,
    steps: usize,
    seed: &Seed,
) -> Result<Density, LinalgError> {
    let (n, _) = operator.shape();
    let mut generator = seed.generator("spectral density");
    let mut found = Density { nodes: Vec::new(), probes: Vec::new(), products: 0 };
    for _ in 0..if n == 0 { 0 } else { probes } {
        let steps = Steps::new(operator, start(n, &mut generator), steps);
        let eigen = steps.eigen()?;
        found.products += eigen.values.len();
        let nodes = eigen.values.iter().zip(eigen.vectors.row(0)).map(|(&theta, tau)| (theta, tau * tau));
        found.probes.push(nodes.collect());
    }
    found.nodes = found.probes.iter().flatten().map(|&(theta, share)| (theta, share / probes as f64)).collect();
    found.nodes.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(found)
}
