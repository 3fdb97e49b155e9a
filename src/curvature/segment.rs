//! The smoothness constants on a segment of parameters, proved.
//!
//! The proof of Lemma 3.2 needs the bounds of section 2.4 only on the segment from theta_t to theta_{t+1}. On a short
//! piece theta(c) + [-r, r] step of it, the mean value form encloses every entry of the Hessian: H(c) + [-r, r] H',
//! with H(c) at the middle and H' a bound of the derivative along the step over the whole piece. The first is sharp and
//! the second is multiplied by r, so that the excess falls like r^2,
//! where plain evaluation over the piece has one like r.

use rayon::prelude::*;

use super::enclosure::{NotEnclosed, block_norms_upper, columns, enclosing};
use super::hessian::{HessianProduct, Target, block};
use crate::linalg;
use crate::loss::Loss;
use crate::parameters::Parameters;
use crate::scalar::{Dual, Interval, Scalar};
use crate::smoothness::{Part, Sampled, Smoothness, Upper, larger};

/// How sharp the bounds are to be, and what they may cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SegmentOptions {
    /// Content when every bound exceeds the norm met at the middles of the pieces by at most this part of it, or of a
    /// hundredth of the largest norm of its kind (vv; vg, or the root of the largest vv times gg): small blocks do not
    /// decide anything.
    pub within: f64,
    /// At most so many pieces are evaluated. Each costs n Hessian-vector products over intervals and n over duals of
    /// them.
    pub max_pieces: usize,
}

impl Default for SegmentOptions {
    /// 10 %, at most 1000 pieces.
    fn default() -> Self {
        Self { within: 0.1, max_pieces: 1000 }
    }
}

/// What is proved of a segment.
#[derive(Clone, Debug)]
pub struct SegmentConstants {
    /// Bounds of ||w_i|| ||w_j|| ||H_{w_i w_j}||, ||w_i|| ||H_{w_i g}|| and ||H_gg|| at every point of the segment: of
    /// the Hessian's blocks at theta~, by the identities of appendix A.
    pub upper: Smoothness<Upper>,
    /// The largest values at the middles of the pieces.
    pub sampled: Smoothness<Sampled>,
    /// Pieces evaluated.
    pub pieces: usize,
    /// Whether the bounds are as sharp as was asked.
    pub settled: bool,
}

/// The part [low, high] of the segment theta + s step, 0 <= s <= 1, with what was found on it.
struct Piece {
    low: f64,
    high: f64,
    upper: Smoothness<f64>,
    sampled: Smoothness<f64>,
}

/// Bounds of the smoothness constants at every point of the segment theta + s step, 0 <= s <= 1.
///
/// Pieces that are not sharp enough are cut in halves, in rounds; the result does not depend on the number of threads.
/// The ends of pieces are dyadic, so that they cover the segment exactly.
///
/// # Errors
/// If the loss cannot be enclosed.
///
/// # Panics
/// If `theta` or `step` has not the length of the loss's parameters.
///
/// ```
/// use ratecheck::curvature::{SegmentOptions, segment_constants};
/// use ratecheck::loss::closed::Rayleigh;
/// use ratecheck::scalar::Interval;
/// // On the way from the minimum of w_2^2/||w||^2 half-way to its maximum, the norm is 1 + |cos 2 theta| <= 2.
/// let (loss, theta, step) = (Rayleigh::new(vec![0.0, 1.0]), [1.0, 0.0], [0.0, 1.0].map(Interval::from));
/// let found = segment_constants(&loss, &[0], &theta, &step, &SegmentOptions::default())?;
/// assert!(found.upper.l_vv[(0, 0)].0 >= 2.0 && found.upper.l_vv[(0, 0)].0 < 2.2 && found.settled);
/// # Ok::<(), ratecheck::curvature::NotEnclosed>(())
/// ```
pub fn segment_constants<'a>(
    loss: &dyn Loss,
    target: impl Into<Target<'a>>,
    theta: &[f64],
    step: &[Interval],
    options: &SegmentOptions,
) -> Result<SegmentConstants, NotEnclosed> {
    let target = target.into();
    enclosing(loss, target)?;
    let n = loss.parameters().len();
    assert!(theta.len() == n && step.len() == n, "one number per parameter");
    let mut pieces: Vec<Piece> = Vec::new();
    let mut pending = vec![(0.0, 1.0)];
    let mut evaluated = 0;
    loop {
        evaluated += pending.len();
        let found: Vec<Piece> =
            pending.par_iter().map(|&(low, high)| evaluate(loss, target, theta, step, low, high)).collect();
        pieces.extend(found);
        let sampled = fold(&pieces, |piece| &piece.sampled);
        let limit = floored(&sampled);
        let sharp = |piece: &Piece| {
            let is = |upper: f64, limit: f64| upper <= (1.0 + options.within) * limit; // NaN is never sharp
            let (upper, mut vv) = (&piece.upper, piece.upper.l_vv.indexed_iter());
            vv.all(|(at, &x)| is(x, limit.l_vv[at]))
                && upper.l_vg.iter().zip(&limit.l_vg).all(|(&x, &limit)| is(x, limit))
                && is(upper.l_gg, limit.l_gg)
        };
        let blunt = pieces.iter().filter(|piece| !sharp(piece)).count();
        if blunt == 0 || evaluated + 2 * blunt > options.max_pieces {
            let upper = fold(&pieces, |piece| &piece.upper);
            return Ok(SegmentConstants {
                upper: upper.map(|&x| Upper(x)),
                sampled: sampled.map(|&x| Sampled(x)),
                pieces: evaluated,
                settled: blunt == 0,
            });
        }
        pending.clear();
        pieces.retain(|piece| {
            let keep = sharp(piece);
            if !keep {
                let middle = 0.5 * (piece.low + piece.high);
                pending.extend([(piece.low, middle), (middle, piece.high)]);
            }
            keep
        });
    }
}

/// The largest of each norm over the pieces; NaN if one is.
fn fold(pieces: &[Piece], norms: fn(&Piece) -> &Smoothness<f64>) -> Smoothness<f64> {
    let mut largest = norms(&pieces[0]).clone();
    for piece in &pieces[1..] {
        let other = norms(piece);
        largest = Smoothness::from_blocks(largest.l_vg.len(), |a, b| larger(largest.of(a, b), other.of(a, b)));
    }
    largest
}

/// Each norm, or a hundredth of the largest of its kind: for vg, of sqrt(L^vv L^gg) if that is larger, which bounds the
/// coupling of a convex function. Never 0, which no bound that is rounded upward could reach.
fn floored(norms: &Smoothness<f64>) -> Smoothness<f64> {
    let largest = |v: &mut dyn Iterator<Item = f64>| v.fold(f64::MIN_POSITIVE, f64::max);
    let vv = largest(&mut norms.l_vv.iter().copied());
    let vg = largest(&mut norms.l_vg.iter().copied().chain([(vv * norms.l_gg).sqrt()]));
    Smoothness {
        l_vv: norms.l_vv.mapv(|x| x.max(0.01 * vv)),
        l_vg: norms.l_vg.iter().map(|x| x.max(0.01 * vg)).collect(),
        l_gg: norms.l_gg.max(f64::MIN_POSITIVE),
    }
}

/// The mean value form on one piece.
fn evaluate(loss: &dyn Loss, target: Target<'_>, theta: &[f64], step: &[Interval], low: f64, high: f64) -> Piece {
    let layout = loss.parameters();
    let n = layout.len();
    let at =
        |s: Interval| -> Vec<Interval> { theta.iter().zip(step).map(|(&x, &d)| Interval::from(x) + d * s).collect() };
    let (middle, whole) = (0.5 * (low + high), Interval::new(low, high));
    // Both halves have the same length, exactly: the ends are dyadic.
    let radius = high - middle;
    let point = at(Interval::from(middle));
    let piece: Vec<Dual<Interval>> = at(whole).into_iter().zip(step).map(|(x, &d)| Dual::new(x, d)).collect();
    let centre = columns(loss, target, &point, &mut HessianProduct::new(n));
    let slope = columns(loss, target, &piece, &mut HessianProduct::new(n)).mapv(|x| x.du);

    let (here, anywhere) = (w_norms(layout, &point), w_norms(layout, &at(whole)));
    let m = layout.n_blocks();
    let sampled = Smoothness::from_blocks(m, |rows, columns| {
        let middle = block(&centre, layout, rows, columns).mapv(Scalar::value);
        let norm = linalg::spectral_norm(middle.view()).unwrap_or(f64::NAN);
        scaled(Interval::from(norm), &here, rows, columns).value()
    });
    let (centre, slope) = (block_norms_upper(&centre, layout), block_norms_upper(&slope, layout));
    let upper = Smoothness::from_blocks(m, |rows, columns| {
        let norm = |of: &Smoothness<Upper>| Interval::from(of.of(rows, columns).0);
        scaled(norm(&centre) + norm(&slope).scale(radius), &anywhere, rows, columns).hi()
    });
    Piece { low, high, upper, sampled }
}

/// ||w_i|| over a box.
fn w_norms(layout: &Parameters, theta: &[Interval]) -> Vec<Interval> {
    let norm_sq = |w: &[Interval]| w.iter().fold(Interval::ZERO, |sum, x| sum + x.square());
    layout.blocks().iter().map(|block| norm_sq(&theta[block.range.clone()]).abs().sqrt()).collect()
}

/// The norm of a block times ||w_i|| for every w_i that it belongs to.
fn scaled(norm: Interval, w_norms: &[Interval], rows: Part, columns: Part) -> Interval {
    [rows, columns].into_iter().fold(norm, |norm, part| match part {
        Part::Block(i) => norm * w_norms[i],
        Part::G => norm,
    })
}
