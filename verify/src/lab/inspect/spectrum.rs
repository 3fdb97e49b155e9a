//! The spectrum of the Hessian at theta~: both ends with residuals, and how the eigenvalues are spread over decades.
//! What `ratecheck inspect --spectrum` prints.

use ratecheck::curvature::{BlockOperator, Eigenvalue, extreme_eigenvalues, spectral_density};
use ratecheck::random::Seed;
use serde::Serialize;

use super::{InspectError, target};
use crate::lab::budget;
use crate::lab::problem::Problem;

/// Random vectors of the density, and steps from each: as many polynomials' degrees, halved, are integrated exactly.
const PROBES: usize = 10;
const STEPS: usize = 60;
/// Decades below the largest eigenvalue; what is nearer to 0 is one bin.
const DECADES: i32 = 6;

/// Both ends, and the density.
#[derive(Clone, Debug, Serialize)]
pub struct Spectrum {
    /// The largest eigenvalues, the largest first.
    pub largest: Vec<Pair>,
    /// The smallest ones, the smallest first.
    pub smallest: Vec<Pair>,
    /// Shares of the eigenvalues, in bins from the most negative up; what is empty is left out.
    pub density: Vec<Bin>,
    /// (eigenvalue, share): the nodes of the quadrature that the shares are sums of.
    pub nodes: Vec<(f64, f64)>,
    /// Random vectors behind the density.
    pub probes: usize,
    /// Hessian-vector products, all together.
    pub products: usize,
}

/// An eigenvalue.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Pair {
    /// x'Hx of a unit vector x.
    pub value: f64,
    /// ||Hx - value x||: an eigenvalue is no further away.
    pub residual: f64,
}

impl From<Eigenvalue> for Pair {
    fn from(found: Eigenvalue) -> Self {
        Self { value: found.value, residual: found.residual }
    }
}

/// Eigenvalues between two numbers.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Bin {
    /// From here.
    pub low: f64,
    /// To below here.
    pub high: f64,
    /// Their share in all.
    pub share: f64,
    /// The standard error of that, over the random vectors.
    pub error: f64,
}

/// The spectrum at theta~, with `k` eigenvalues at each end.
///
/// # Errors
/// As [`super::inspect`]; and if the vectors of the iteration take more memory than there is.
pub fn spectrum(problem: &Problem, k: usize) -> Result<Spectrum, InspectError> {
    let (loss, theta) = (&*problem.loss, problem.theta.as_ref().ok_or(InspectError::NoPoint)?);
    let theta = loss.parameters().theta_unit(theta);
    let all: Vec<usize> = (0..loss.minibatches().n_examples()).collect();
    // Both ends of k eigenvalues each need some tens of steps more than the first.
    let steps = (STEPS + 20 * k).min(theta.len());
    let what = format!("{steps} vectors of {} parameters (--spectrum {k})", theta.len());
    budget::check(what, 8 * steps as u128 * theta.len() as u128).map_err(InspectError::TooLarge)?;
    let (mut hessian, seed) = (BlockOperator::whole(loss, target(loss, &all), &theta), Seed::new(0));
    let undefined = |_| InspectError::NotFinite("a Hessian-vector product");
    let ends = extreme_eigenvalues(&mut hessian, k, steps, &seed).map_err(undefined)?;
    let density = spectral_density(&mut hessian, PROBES, STEPS, &seed).map_err(undefined)?;
    let scale = density.nodes.iter().fold(0.0_f64, |scale, node| scale.max(node.0.abs()));
    let edges = edges(scale);
    let bins = edges.windows(2).map(|edge| {
        let (share, error) = density.share(edge[0], edge[1]);
        Bin { low: edge[0], high: edge[1], share, error }
    });
    Ok(Spectrum {
        density: bins.filter(|bin| bin.share > 0.0).collect(),
        probes: PROBES,
        products: ends.products + density.products,
        nodes: density.nodes,
        largest: ends.largest.into_iter().map(Pair::from).collect(),
        smallest: ends.smallest.into_iter().map(Pair::from).collect(),
    })
}

/// Powers of ten on both sides of 0, as many decades down from one that is above `scale`.
fn edges(scale: f64) -> Vec<f64> {
    if scale == 0.0 {
        // Every eigenvalue is 0.
        return vec![-1.0, 1.0];
    }
    let top = libm::floor(libm::log10(scale)) as i32 + 1;
    let above: Vec<f64> = (0..=DECADES).map(|down| libm::exp10(f64::from(top - down))).collect();
    above.iter().map(|edge| -edge).chain(above.iter().rev().copied()).collect()
}
