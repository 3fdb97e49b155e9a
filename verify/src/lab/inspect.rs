//! One loss at one point: value, gradient, Hessian, and the spectral norms of the Hessian's blocks, at theta as it is
//! given and at theta~ = (V; g). What `ratecheck inspect` prints; the fields are described in `docs/problem-file.md`.

mod sizes;
pub mod spectrum;

use std::fmt;

use ratecheck::curvature::{DenseHessian, Part, Target, dense_hessian};
use ratecheck::linalg;
use ratecheck::loss::{Drawing, Loss, Workspace};
use ratecheck::network::Undefined;
use ratecheck::parameters::{Parameters, dot, norm, norm_sq};
use serde::Serialize;

use sizes::{Sizes, rounding};

use crate::lab::budget::{self, TooLarge};
use crate::lab::problem::{Class, Described, Problem, remedy_of};

/// The version of the JSON; it grows whenever a field changes its meaning.
pub const FORMAT: u32 = 1;

/// Everything about a loss at a point.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    /// [`FORMAT`].
    pub format: u32,
    /// The problem.
    pub name: String,
    /// The architecture, if it is a network.
    pub network: Option<Described>,
    /// The classes that the data name, with their labels; nothing if labels are numbers themselves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<Class>,
    /// Which function all the numbers are about.
    pub function: Function,
    /// The places of the blocks w_1..w_m in theta.
    pub blocks: Vec<Block>,
    /// Where g starts in theta.
    pub g_start: usize,
    /// The length of theta.
    pub n_parameters: usize,
    /// ||w_i||.
    pub block_norms: Vec<f64>,
    /// ||g||.
    pub g_norm: f64,
    /// K of the domain ||g|| <= K, if it is given.
    pub radius: Option<f64>,
    /// F_z of every minibatch, where L is their mean.
    pub sample_losses: Option<Vec<f64>>,
    /// At theta = (W; g) as it is given.
    #[serde(rename = "at_W")]
    pub at_w: AtPoint,
    /// At theta~ = (V; g), every block divided by its norm.
    #[serde(rename = "at_V")]
    pub at_v: AtPoint,
    /// The gradient at theta~, from the one at theta (Lemma 2.2).
    pub intrinsic_gradient: Intrinsic,
    /// What scale invariance says of these numbers.
    pub checks: Checks,
    /// What rounding may make of them ([`Rounding::error`](ratecheck::network::Rounding::error)); only of a network is
    /// it known.
    pub rounding: Option<f64>,
}

impl Inspection {
    /// The number of entries of g.
    pub fn g_len(&self) -> usize {
        self.n_parameters - self.g_start
    }
}

/// Which function was differentiated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Function {
    /// What it is.
    pub kind: FunctionKind,
    /// The same in words.
    pub meaning: String,
    /// N.
    pub n_examples: usize,
    /// B.
    pub batch_size: usize,
    /// The number of minibatches in the mean.
    pub n_minibatches: usize,
}

/// A loss on all examples at once is not the mean of the losses on minibatches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FunctionKind {
    /// L = F_z with z all examples.
    FullBatch,
    /// L, the mean of F_z over the minibatches of a partition.
    MeanOverMinibatches,
}

/// A block w_i: theta\[start..end\].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Block {
    /// What a reader calls it.
    pub name: String,
    /// Its first entry.
    pub start: usize,
    /// One after its last entry.
    pub end: usize,
}

/// The function and its derivatives at one point.
#[derive(Clone, Debug, Serialize)]
pub struct AtPoint {
    /// The point.
    pub theta: Vec<f64>,
    /// The value.
    pub loss: f64,
    /// The gradient.
    pub gradient: Vec<f64>,
    /// Its squared norm.
    pub grad_norm_squared: f64,
    /// The dense Hessian, row by row; nothing if there are too many parameters.
    pub hessian: Option<Vec<Vec<f64>>>,
    /// Spectral norms of the blocks (i, j), m x m.
    pub block_norm_vv: Option<Vec<Vec<f64>>>,
    /// Spectral norms of the blocks (i, g).
    pub block_norm_vg: Option<Vec<f64>>,
    /// The spectral norm of the block (g, g).
    pub block_norm_gg: Option<f64>,
}

/// The intrinsic gradient.
#[derive(Clone, Debug, Serialize)]
pub struct Intrinsic {
    /// grad_{v_i} = ||w_i|| grad_{w_i}, block by block.
    pub grad_v: Vec<Vec<f64>>,
    /// grad_g.
    pub grad_g: Vec<f64>,
    /// ||grad_v||^2 + ||grad_g||^2.
    pub norm_squared: f64,
}

/// Residuals that are rounding for a loss that is scale invariant in every block, and are not otherwise. All are
/// relative, the gradient's to the terms that it is a sum of: S_i is the norm, over block i, of the sums of their sizes
/// ([`Rounding::summands`](ratecheck::network::Rounding::summands)), which does not vanish where the gradient does.
/// Where they are not known, S_i = ||grad_i|| + sum_j ||Hess_ij|| ||w_j|| + ||Hess_ig|| ||g||: what a relative change
/// of theta makes of the gradient.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Checks {
    /// |L(theta) - L(theta~)| over max(1, |L|): Definition 2.1.
    pub invariance: f64,
    /// max over i of |w_i' grad_{w_i}| / (||w_i|| S_i): Lemma 2.4.
    pub orthogonality: f64,
    /// max over i of || ||w_i|| grad_{w_i} at theta - grad_{v_i} at theta~ || / S at theta~: Lemma 2.2.
    pub intrinsic_gradient: f64,
    /// max over j of ||Hess w_j + (grad in block j, 0 elsewhere)|| / (||columns j of Hess||_F ||w_j|| + S): the Euler
    /// identities.
    pub euler: Option<f64>,
    /// max |H - H'| / (max |H| + max S_i/||w_i||) before the Hessian was made symmetric.
    pub asymmetry: Option<f64>,
}

/// Why there is nothing to report.
#[derive(Clone, Debug, PartialEq)]
pub enum InspectError {
    /// The problem gives no parameters.
    NoPoint,
    /// A unit has no value.
    Undefined(Undefined),
    /// A number that is not finite.
    NotFinite(&'static str),
    /// The Hessian that is asked for takes more memory than there is.
    TooLarge(TooLarge),
}

impl fmt::Display for InspectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPoint => f.write_str(
                "parameters: is missing; give the point in [parameters], as weights or as an initialiser and its seed",
            ),
            Self::Undefined(undefined) => write!(f, "{undefined}; {}", remedy_of(undefined)),
            Self::TooLarge(error) => error.fmt(f),
            Self::NotFinite(what) => write!(
                f,
                "overflow: {what} is beyond the numbers of double precision (1.8e308); give smaller gammas, inputs or \
                 weights"
            ),
        }
    }
}

impl std::error::Error for InspectError {}

/// Evaluates the problem's loss at its point. The Hessian is formed for up to `dense_up_to` parameters: it costs as
/// many Hessian-vector products, twice, and n^2 numbers.
///
/// # Errors
/// If the problem gives no parameters, or a number is not finite.
///
/// ```
/// use ratecheck_verify::lab::inspect::inspect;
/// use ratecheck_verify::lab::problem::builtin;
/// let found = inspect(&builtin("tanh-circle")?, 100)?;
/// // The Hessian of this loss has the norm 1 at every unit vector.
/// let norms = found.at_v.block_norm_vv.ok_or("dense")?;
/// assert!((norms[0][0] - 1.0).abs() < 1e-15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn inspect(problem: &Problem, dense_up_to: usize) -> Result<Inspection, InspectError> {
    let loss = &*problem.loss;
    let theta = problem.theta.clone().ok_or(InspectError::NoPoint)?;
    let layout = loss.parameters();
    let z = loss.minibatches();
    let all: Vec<usize> = (0..z.n_examples()).collect();
    let (partition, target) = (z.drawing() == Drawing::Partition, target(loss, &all));

    let theta_unit = layout.theta_unit(&theta);
    let network = problem.network.as_deref();
    let reach = |theta: &[f64]| network.map(|network| rounding(network, target, theta)).transpose();
    let [at_given, at_unit] = [reach(&theta)?, reach(&theta_unit)?];
    let dense = theta.len() <= dense_up_to;
    if dense {
        // At two points, each as it is computed, made symmetric, cut into blocks, and reported.
        let bytes = 8 * size_of::<f64>() as u128 * (theta.len() as u128).pow(2);
        let what = format!("the dense Hessian of {} parameters (--dense-up-to {dense_up_to})", theta.len());
        budget::check(what, bytes).map_err(InspectError::TooLarge)?;
    }
    let (at_w, hessian) = at_point(loss, target, theta, dense)?;
    let (at_v, _) = at_point(loss, target, theta_unit, dense)?;
    let sample_losses: Option<Vec<f64>> = z.finite().filter(|_| partition).map(|batches| {
        let of_batch = |z: &[usize]| loss.sample_loss(z, &at_w.theta);
        batches.map(of_batch).collect()
    });
    if !sample_losses.iter().flatten().all(|loss| loss.is_finite()) {
        return Err(InspectError::NotFinite("the loss of a minibatch"));
    }
    let norms: Vec<f64> = layout.blocks().iter().map(|block| norm(&at_w.theta[block.range.clone()])).collect();
    let g_norm = norm(&at_w.theta[layout.g()]);
    let intrinsic_gradient = intrinsic(layout, &norms, &at_w.gradient);
    if !(g_norm.is_finite() && intrinsic_gradient.norm_squared.is_finite()) {
        return Err(InspectError::NotFinite("||g||, or the squared norm of the gradient"));
    }
    let sizes = [(&at_w, at_given), (&at_v, at_unit)].map(|(point, rounding)| Sizes::new(layout, point, rounding));
    Ok(Inspection {
        format: FORMAT,
        name: problem.name.clone(),
        network: problem.network.as_ref().map(|network| (&**network).into()),
        classes: problem.classes.clone(),
        function: function(loss),
        blocks: layout
            .blocks()
            .iter()
            .map(|b| Block { name: b.name.clone(), start: b.range.start, end: b.range.end })
            .collect(),
        g_start: layout.g().start,
        n_parameters: layout.len(),
        g_norm,
        radius: problem.radius,
        sample_losses,
        rounding: sizes.iter().filter_map(|sizes| sizes.rounding).reduce(f64::max),
        checks: checks(layout, [&at_w, &at_v], &sizes, &intrinsic_gradient, hessian.as_ref()),
        block_norms: norms,
        at_w,
        at_v,
        intrinsic_gradient,
    })
}

/// The function that is differentiated: `all` are the examples.
fn target<'a>(loss: &dyn Loss, all: &'a [usize]) -> Target<'a> {
    if loss.minibatches().drawing() == Drawing::Partition { Target::Mean } else { Target::Sample(all) }
}

/// What the numbers are about, in words.
fn function(loss: &dyn Loss) -> Function {
    let z = loss.minibatches();
    let (n, size) = (z.n_examples(), z.batch_size());
    let full = |meaning: String| (FunctionKind::FullBatch, meaning, n, 1);
    let (kind, meaning, batch_size, n_minibatches) = match z.drawing() {
        Drawing::Full => full(format!("L = F_z, z all {n} examples")),
        Drawing::Subsets => full(format!(
            "F_z, z all {n} examples; L, the mean over random subsets of {size}, is another function, known only by \
             sampling"
        )),
        Drawing::Partition => {
            let k = n / size;
            (FunctionKind::MeanOverMinibatches, format!("L, the mean of F_z over {k} minibatches of {size}"), size, k)
        }
    };
    Function { kind, meaning, n_examples: n, batch_size, n_minibatches }
}

/// Loss, gradient and Hessian at theta.
fn at_point(
    loss: &dyn Loss,
    target: Target<'_>,
    theta: Vec<f64>,
    dense: bool,
) -> Result<(AtPoint, Option<DenseHessian>), InspectError> {
    let n = theta.len();
    let (mut gradient, mut scratch, mut work) = (vec![0.0; n], vec![0.0; n], Workspace::default());
    let value = match target {
        Target::Sample(z) => Some(loss.sample_gradient(z, &theta, &mut gradient, &mut work)),
        Target::Mean => loss.mean_gradient(&theta, &mut gradient, &mut scratch, &mut work),
    };
    let value = value.filter(|x| x.is_finite()).ok_or(InspectError::NotFinite("the loss"))?;
    if !gradient.iter().all(|x| x.is_finite()) {
        return Err(InspectError::NotFinite("the gradient"));
    }
    let grad_norm_squared = norm_sq(&gradient);
    if !grad_norm_squared.is_finite() {
        return Err(InspectError::NotFinite("the squared norm of the gradient"));
    }
    let mut point = AtPoint {
        loss: value,
        grad_norm_squared,
        gradient,
        hessian: None,
        block_norm_vv: None,
        block_norm_vg: None,
        block_norm_gg: None,
        theta,
    };
    if !dense {
        return Ok((point, None));
    }
    let hessian = dense_hessian(loss, target, &point.theta);
    let layout = loss.parameters();
    let norm = |rows: Part, columns: Part| {
        let norm = linalg::spectral_norm(hessian.block(layout, rows, columns)).ok().filter(|norm| norm.is_finite());
        norm.ok_or(InspectError::NotFinite("the Hessian"))
    };
    let m = layout.n_blocks();
    let mut vv = vec![vec![0.0; m]; m];
    for i in 0..m {
        for j in 0..=i {
            let norm = norm(Part::Block(i), Part::Block(j))?;
            (vv[i][j], vv[j][i]) = (norm, norm);
        }
    }
    point.block_norm_vv = Some(vv);
    point.block_norm_vg = Some((0..m).map(|i| norm(Part::Block(i), Part::G)).collect::<Result<_, _>>()?);
    point.block_norm_gg = Some(norm(Part::G, Part::G)?);
    point.hessian = Some(hessian.matrix.rows().into_iter().map(|row| row.to_vec()).collect());
    Ok((point, Some(hessian)))
}

fn intrinsic(layout: &Parameters, norms: &[f64], gradient: &[f64]) -> Intrinsic {
    let of_block = |(i, norm): (usize, &f64)| gradient[layout.block(i)].iter().map(|x| norm * x).collect();
    let grad_v: Vec<Vec<f64>> = norms.iter().enumerate().map(of_block).collect();
    let grad_g = gradient[layout.g()].to_vec();
    let norm_squared = grad_v.iter().map(|grad| norm_sq(grad)).sum::<f64>() + norm_sq(&grad_g);
    Intrinsic { grad_v, grad_g, norm_squared }
}

/// x / scale, and 0 if both are 0.
fn relative(x: f64, scale: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x / scale }
}

fn checks(
    layout: &Parameters,
    [at_w, at_v]: [&AtPoint; 2],
    [given, unit]: &[Sizes; 2],
    intrinsic: &Intrinsic,
    hessian: Option<&DenseHessian>,
) -> Checks {
    // All numbers are finite here, so that no maximum can hide a NaN.
    let largest = |of: &dyn Fn(usize) -> f64| (0..layout.n_blocks()).map(of).fold(0.0, f64::max);
    let orthogonality = |i: usize| {
        let (w, grad) = (&at_w.theta[layout.block(i)], &at_w.gradient[layout.block(i)]);
        relative(dot(w, grad).abs(), given.norms[i] * given.blocks[i])
    };
    let agreement = |i: usize| {
        let there = &at_v.gradient[layout.block(i)];
        let gap: Vec<f64> = intrinsic.grad_v[i].iter().zip(there).map(|(x, y)| x - y).collect();
        relative(norm(&gap), unit.whole)
    };
    let euler = |hessian: &DenseHessian, j: usize| {
        let block = layout.block(j);
        let (mut residuals, mut sizes) = (Vec::new(), Vec::new());
        for (row, along) in hessian.matrix.rows().into_iter().enumerate() {
            let columns = &along.to_vec()[block.clone()];
            let expected = if block.contains(&row) { -at_w.gradient[row] } else { 0.0 };
            residuals.push(dot(columns, &at_w.theta[block.clone()]) - expected);
            sizes.push(norm(columns));
        }
        relative(norm(&residuals), norm(&sizes) * given.norms[j] + given.whole)
    };
    Checks {
        invariance: (at_w.loss - at_v.loss).abs() / at_w.loss.abs().max(1.0),
        orthogonality: largest(&orthogonality),
        intrinsic_gradient: largest(&agreement),
        euler: hessian.map(|hessian| largest(&|j| euler(hessian, j))),
        asymmetry: hessian.map(|hessian| {
            let size = hessian.matrix.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
            relative(hessian.asymmetry, size + largest(&|i| given.blocks[i] / given.norms[i]))
        }),
    }
}
