//! Smoothness constants from above, by composition: layer by layer, for networks with smoothed batch normalisation.
//!
//! Let Y_l be the outputs of layer l's normalisation for one minibatch, an m_l x B matrix with the Frobenius norm, and
//! let p, r be parts of theta~ = (V; g): a row of a W_j, or (gamma_j, beta_j). The recursion carries two tables,
//!
//! > A_l\[p\] >= ||D_p Y_l||, A2_l\[p,r\] >= ||D_p D_r Y_l||,
//!
//! as norms of a linear and of a bilinear map on unit directions, over all unit rows and all ||g|| <= K.
//!
//! 1. *Activation.* s acts entry by entry, so D_p s(Y) = s'(Y) o D_pY and D_pD_r s(Y) = s'(Y) o D_pD_rY + s''(Y) o
//!    D_pY o D_rY, where o is the entrywise product and ||U o V|| <= max|U| ||V|| <= ||U|| ||V||: x1_p = a1
//!    A_{l-1}\[p\] and x2_pr = a1 A2_{l-1}\[p,r\] + a2 A_{l-1}\[p\] A_{l-1}\[r\] bound the derivatives of the next
//!    layer's input.
//! 2. *Layer.* [`BnLayer`] turns them into A_l and A2_l, and adds the layer's own rows and (gamma, beta). It needs the
//!    eigenvalues of the covariance S of its input. For the data they are enclosed ([`covariance_bounds`]). For l >= 2
//!    the smallest is at least 0, and the largest at most the trace, the sum of the variances of the m_{l-1} inputs
//!    over the minibatch: each is at most (range/2)^2, and at most a1^2 gamma_k^2 as the variance of s(y), with s
//!    Lipschitz and var y = gamma_k^2 var xhat_k <= gamma_k^2. So rho^2 = min(a1^2 K^2, m_{l-1} (range/2)^2).
//! 3. *Two different rows of one W_j* move different rows of Y_j: D_pD_rY_j = 0, and D_pY_j o D_rY_j = 0 as well, so
//!    that x2_pr = 0 behind the activation. From there on they are like any other pair.
//! 4. *Objective.* D_pD_rF = <grad f, D_pD_rY_L> + Hess f\[D_pY_L, D_rY_L\] is at most gZ A2_L\[p,r\] + hZ A_L\[p\]
//!    A_L\[r\], with [`ObjectiveBounds`]. Two rows of W_L move different outputs, for which hZ is the coupling of two
//!    outputs.
//! 5. *g as a whole.* A block of parts has at most the spectral norm of the table of the parts' norms: L^vg_i is the
//!    l2 norm over the layers of g, L^gg the spectral norm of a table of L x L, and the weight decay adds lambda I to
//!    it.
//!
//! The constants of section 2.4 are those of every F_z: with finitely many minibatches the bound is taken for each and
//! the largest is kept; for random subsets the enclosure of S holds for all of them. Every operation is rounded up
//! ([`Up`]), so that the numbers are bounds in floating point too.

mod covariance;
mod layer;
mod radius;
mod slopes;
mod up;

pub use covariance::{CovarianceBounds, covariance_bounds};
pub use layer::BnLayer;
pub use radius::{GBounds, g_bounds, g_bounds_with};
pub use slopes::{ActivationBounds, ObjectiveBounds};
pub use up::Up;

use std::fmt;

use ndarray::Array2;

use crate::loss::Setting;
use crate::network::{Activation, Network, Normalisation, Objective};
use crate::smoothness::{Part, Smoothness, Upper};
use covariance::covariance_of_any_subset;

/// Why no bound follows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unbounded {
    /// The normalisation has no lower bound on its divisor, or no bound is derived for it.
    Normalisation(Normalisation),
    /// There are layers of filters, for which no bound is derived.
    Filters,
    /// The layers are not alike, for which no bound is derived.
    Layers,
    /// The activation has no second derivative somewhere, or no bound is derived for it.
    Activation(Activation),
    /// The gradient of the squared objective grows with the outputs, so that Lemma C.2 does not bound g.
    NotLipschitz,
    /// Without weight decay on g nothing keeps g bounded.
    NoWeightDecay,
    /// A bound beyond the largest double.
    Overflow,
}

impl fmt::Display for Unbounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normalisation(other) => {
                write!(f, "the bound is for batch normalisation smoothed by epsilon ||w||^2, not for {other:?}")
            }
            Self::Filters => f.write_str("no bound is derived for layers of filters"),
            Self::Layers => f.write_str("no bound is derived for layers that are not alike"),
            Self::Activation(Activation::GeluTanh) => {
                f.write_str("no bound is derived for the tanh approximation of GELU")
            }
            Self::Activation(other) => write!(f, "{other:?} is not smooth: its second derivative has no bound"),
            Self::NotLipschitz => f.write_str(
                "Lemma C.2 needs an objective that is Lipschitz in the outputs, which the squared one is not: \
                 give a radius of g",
            ),
            Self::NoWeightDecay => f.write_str("Lemma C.2 needs weight decay on g: give a radius of g"),
            Self::Overflow => f.write_str("the bound is beyond the largest double"),
        }
    }
}

impl std::error::Error for Unbounded {}

/// L^vv_ij, L^vg_i and L^gg of a network with smoothed BN, bounded from above for every F_z of its minibatches, all
/// unit rows and all ||g|| <= `radius`; see the module for the derivation.
///
/// Covers [`Objective`]s and smooth activations alike; a network of one layer has no activation, and any is accepted.
/// With the squared objective the bound grows with the radius and the targets. Cost: O(n^2 B + n^3) per minibatch for
/// n inputs, and O(L^3).
///
/// # Errors
/// [`Unbounded`], with the reason.
///
/// # Panics
/// If the radius is negative or not finite, or there is no minibatch.
///
/// ```
/// use ratecheck::curvature::{Sampling, compositional_bound, sampled_constants};
/// use ratecheck::data::Dataset;
/// use ratecheck::loss::Minibatches;
/// use ratecheck::network::{Activation, Architecture, Network, Normalisation, Objective};
/// use ratecheck::random::Seed;
///
/// let data = Dataset::new(vec![1.0, -1.0, 1.0, -1.0], 4, 1, vec![1.0, -1.0, 1.0, -1.0])?;
/// let architecture = Architecture {
///     widths: vec![1, 1],
///     normalisation: Normalisation::SmoothedBatchNorm { epsilon: 1.0 },
///     activation: Activation::Tanh,
///     objective: Objective::Logistic,
///     weight_decay: 0.5,
/// };
/// let network = Network::new(architecture, data, Minibatches::full(4))?;
/// let proved = compositional_bound(&network, 2.0)?;
/// // S = 1 and qm = M: L^gg = hZ B + lambda = 1/4 + 1/2, L^vg = gZ sqrt(B) + hZ sqrt(B) K sqrt(B) = 1 + 2/4.
/// assert!((proved.l_gg.0 - 0.75).abs() < 1e-8 && (proved.l_vg[0].0 - 1.5).abs() < 1e-8);
/// let found = sampled_constants(&network, &Sampling::new(50, 2.0), &Seed::new(1));
/// assert!(found.l_gg.0 <= proved.l_gg.0 && found.l_vv[(0, 0)].0 <= proved.l_vv[(0, 0)].0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn compositional_bound(network: &Network, radius: f64) -> Result<Smoothness<Upper>, Unbounded> {
    assert!(radius >= 0.0 && radius.is_finite(), "the radius of g must be finite and is {radius}");
    let z = network.minibatches();
    let (data, batch_size) = (network.data(), z.batch_size());
    // What a minibatch enters the bound with.
    let cases: Vec<(CovarianceBounds, Up)> = match z.finite() {
        Some(batches) => {
            batches.map(|z| (covariance_bounds(data, z), targets_sq(network, z.to_vec(), batch_size))).collect()
        }
        None => {
            let covariance = covariance_of_any_subset(data, z.n_examples(), batch_size);
            vec![(covariance, targets_sq(network, (0..z.n_examples()).collect(), batch_size))]
        }
    };
    let bounds: Result<Vec<Smoothness<Up>>, Unbounded> = cases
        .into_iter()
        .map(|(covariance, targets_sq)| {
            Ok(Composition::new(network, radius, covariance, targets_sq)?.smoothness(network))
        })
        .collect();
    let bound = bounds?.into_iter().reduce(larger).expect("z is one of at least one minibatch");
    let finite = bound.l_vv.iter().chain(&bound.l_vg).chain([&bound.l_gg]).all(|x| x.value().is_finite());
    if finite { Ok(bound.map(|x| Upper(x.value()))) } else { Err(Unbounded::Overflow) }
}

/// epsilon of smoothed BN.
fn smoothing(network: &Network) -> Result<f64, Unbounded> {
    match network.architecture().normalisation {
        _ if network.convolutions().is_some() => Err(Unbounded::Filters),
        _ if network.layers_differ() => Err(Unbounded::Layers),
        Normalisation::SmoothedBatchNorm { epsilon } => Ok(epsilon),
        other => Err(Unbounded::Normalisation(other)),
    }
}

/// The largest sum of squared targets that `batch_size` of the given examples can have; 0 where the objective has none.
fn targets_sq(network: &Network, examples: Vec<usize>, batch_size: usize) -> Up {
    let architecture = network.architecture();
    if architecture.objective != Objective::Squared {
        return Up::ZERO;
    }
    // With several outputs the targets are unit vectors.
    let single = architecture.widths[architecture.n_layers()] == 1;
    let of = |i: usize| if single { Up::new(network.data().labels()[i].abs()).square().value() } else { 1.0 };
    let mut squares: Vec<f64> = examples.into_iter().map(of).collect();
    squares.sort_by(|x, y| y.total_cmp(x));
    squares[..batch_size].iter().map(|&x| Up::new(x)).sum()
}

/// A part of theta whose derivatives are bounded together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    /// One row of W_l.
    Row(usize),
    /// (gamma_l, beta_l).
    Scales(usize),
}

impl Of {
    /// Rows and scales of the layers take turns.
    fn index(self) -> usize {
        match self {
            Self::Row(l) => 2 * l,
            Self::Scales(l) => 2 * l + 1,
        }
    }
}

/// The tables A and A2 of the last layer, and the objective's bounds.
struct Composition {
    first: Vec<Up>,
    second: Array2<Up>,
    /// A2 for two different rows of W_l.
    two_rows: Vec<Up>,
    objective: ObjectiveBounds,
}

impl Composition {
    fn new(network: &Network, radius: f64, covariance: CovarianceBounds, targets_sq: Up) -> Result<Self, Unbounded> {
        let architecture = network.architecture();
        let epsilon = smoothing(network)?;
        let (n_layers, batch_size) = (architecture.n_layers(), network.minibatches().batch_size());
        let objective = ObjectiveBounds::new(architecture.objective, batch_size, Up::new(radius), targets_sq);
        let input = BnLayer::new(radius, batch_size, covariance.largest, covariance.smallest, epsilon);
        let first = vec![input.row(), input.scales()];
        let mut second = Array2::from_elem((2, 2), Up::ZERO);
        (second[(0, 0)], second[(0, 1)], second[(1, 0)]) = (input.row_row(), input.row_scales(), input.row_scales());
        let mut composition = Self { first, second, two_rows: vec![Up::ZERO], objective };
        for l in 1..n_layers {
            let activation = ActivationBounds::of(architecture.activation)?;
            let by_slope = (activation.first * Up::new(radius)).square();
            let by_range = activation.half_range.map(|half| Up::new(architecture.widths[l] as f64) * half.square());
            let largest = by_range.map_or(by_slope, |bound| bound.min(by_slope));
            let layer = BnLayer::new(radius, batch_size, largest, 0.0, epsilon);
            composition = composition.next(l, &layer, activation);
        }
        Ok(composition)
    }

    /// Through the activation and layer l (counted from 0).
    fn next(self, l: usize, layer: &BnLayer, activation: ActivationBounds) -> Self {
        let n = 2 * l;
        let (row, scales) = (Of::Row(l).index(), Of::Scales(l).index());
        let x1: Vec<Up> = self.first.iter().map(|&a| activation.first * a).collect();
        let x2 = |a2: Up, p: usize, r: usize| activation.first * a2 + activation.second * self.first[p] * self.first[r];
        let mut second = Array2::from_elem((n + 2, n + 2), Up::ZERO);
        for p in 0..n {
            for r in 0..n {
                second[(p, r)] = layer.through_pair(x1[p], x1[r], x2(self.second[(p, r)], p, r));
            }
            (second[(p, row)], second[(row, p)]) = (layer.through_row(x1[p]), layer.through_row(x1[p]));
            (second[(p, scales)], second[(scales, p)]) = (layer.through_scales(x1[p]), layer.through_scales(x1[p]));
        }
        second[(row, row)] = layer.row_row();
        (second[(row, scales)], second[(scales, row)]) = (layer.row_scales(), layer.row_scales());
        let mut two_rows: Vec<Up> = (0..l)
            .map(|j| {
                let p = Of::Row(j).index();
                let bent = if j + 1 == l { Up::ZERO } else { x2(self.two_rows[j], p, p) };
                layer.through_pair(x1[p], x1[p], bent)
            })
            .collect();
        two_rows.push(Up::ZERO);
        let mut first: Vec<Up> = x1.iter().map(|&x| layer.through(x)).collect();
        first.extend([layer.row(), layer.scales()]);
        Self { first, second, two_rows, objective: self.objective }
    }

    /// gZ A2 + hZ A_p A_r for two parts, which are the same if they are equal. The order makes no difference, not in
    /// rounding either.
    fn pair(&self, p: Of, r: Of) -> Up {
        let (p, r) = (p.index().min(r.index()), p.index().max(r.index()));
        self.objective.first * self.second[(p, r)] + self.objective.second * self.first[p] * self.first[r]
    }

    /// The same for two different rows of W_l.
    fn two_rows(&self, l: usize) -> Up {
        let last = 2 * (l + 1) == self.first.len();
        let second = if last { self.objective.coupling } else { self.objective.second };
        self.objective.first * self.two_rows[l] + second * self.first[Of::Row(l).index()].square()
    }

    fn smoothness(&self, network: &Network) -> Smoothness<Up> {
        let architecture = network.architecture();
        let n_layers = architecture.n_layers();
        let layer_of: Vec<usize> =
            (0..n_layers).flat_map(|l| std::iter::repeat_n(l, architecture.widths[l + 1])).collect();
        let with_g = |l: usize| (0..n_layers).map(move |k| self.pair(Of::Row(l), Of::Scales(k)).square());
        let table = Array2::from_shape_fn((n_layers, n_layers), |(i, j)| self.pair(Of::Scales(i), Of::Scales(j)));
        Smoothness::from_blocks(layer_of.len(), |rows, columns| match (rows, columns) {
            (Part::Block(i), Part::Block(j)) if i != j && layer_of[i] == layer_of[j] => self.two_rows(layer_of[i]),
            (Part::Block(i), Part::Block(j)) => self.pair(Of::Row(layer_of[i]), Of::Row(layer_of[j])),
            (Part::Block(i), Part::G) | (Part::G, Part::Block(i)) => with_g(layer_of[i]).sum::<Up>().sqrt(),
            (Part::G, Part::G) => spectral_norm_of_table(&table) + Up::new(architecture.weight_decay),
        })
    }
}

/// A bound on the spectral norm of a symmetric matrix T >= 0: for every x > 0 it is at most max_i (Tx)_i/x_i (Collatz
/// and Wielandt). The power method makes x nearly the eigenvector, where this is sharp.
fn spectral_norm_of_table(table: &Array2<Up>) -> Up {
    let n = table.nrows();
    let mut x = vec![1.0; n];
    let mut best = Up::new(f64::INFINITY);
    for _ in 0..64 {
        let product: Vec<Up> = (0..n).map(|i| (0..n).map(|j| table[(i, j)] * Up::new(x[j])).sum()).collect();
        let largest = product.iter().zip(&x).map(|(y, &x)| y.over(x)).fold(Up::ZERO, Up::max);
        best = best.min(largest);
        let size = product.iter().copied().fold(Up::ZERO, Up::max).value();
        if !(size > 0.0 && size.is_finite()) {
            break;
        }
        // The mean with the last x damps an alternating vector; the floor keeps x > 0.
        x = product.iter().zip(&x).map(|(y, &x)| (0.5 * (y.value() / size + x)).max(1e-9)).collect();
    }
    best
}

fn larger(mut bound: Smoothness<Up>, other: Smoothness<Up>) -> Smoothness<Up> {
    bound.l_vv.zip_mut_with(&other.l_vv, |a, &b| *a = a.max(b));
    bound.l_vg.iter_mut().zip(&other.l_vg).for_each(|(a, &b)| *a = a.max(b));
    bound.l_gg = bound.l_gg.max(other.l_gg);
    bound
}
