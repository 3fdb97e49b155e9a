//! What residuals of a gradient are relative to.

use ratecheck::curvature::Target;
use ratecheck::loss::Setting;
use ratecheck::network::{Network, Rounding};
use ratecheck::parameters::{Parameters, norm};

use super::{AtPoint, InspectError};

/// How far rounding reaches, and the mean sizes of terms over the minibatches.
pub(super) fn rounding(network: &Network, target: Target<'_>, theta: &[f64]) -> Result<Rounding, InspectError> {
    let of = |z: &[usize]| network.rounding(z, theta).map_err(InspectError::Undefined);
    let batches: Vec<&[usize]> = match target {
        Target::Sample(z) => return of(z),
        Target::Mean => network.minibatches().finite().map_or_else(Vec::new, |batches| batches.collect()),
    };
    let mut all = Rounding { error: 0.0, summands: Some(vec![0.0; theta.len()]) };
    for z in &batches {
        let found = of(z)?;
        all.error = all.error.max(found.error);
        all.summands = all.summands.zip(found.summands).map(|(mut sum, of_batch)| {
            sum.iter_mut().zip(of_batch).for_each(|(sum, x)| *sum += x / batches.len() as f64);
            sum
        });
    }
    Ok(all)
}

/// What the residuals of a gradient are relative to.
pub(super) struct Sizes {
    /// ||w_i||.
    pub(super) norms: Vec<f64>,
    /// S_i.
    pub(super) blocks: Vec<f64>,
    /// All of them together, and that of g.
    pub(super) whole: f64,
    /// What rounding may make of a residual.
    pub(super) rounding: Option<f64>,
}

impl Sizes {
    pub(super) fn new(layout: &Parameters, point: &AtPoint, rounding: Option<Rounding>) -> Self {
        let norms: Vec<f64> = layout.blocks().iter().map(|block| norm(&point.theta[block.range.clone()])).collect();
        let (error, summands) = rounding.map_or((None, None), |found| (Some(found.error), found.summands));
        let all = summands.as_ref().unwrap_or(&point.gradient);
        let mut blocks: Vec<f64> = layout.blocks().iter().map(|block| norm(&all[block.range.clone()])).collect();
        let of_g = norm(&all[layout.g()]);
        if let (None, Some(vv), Some(vg)) = (&summands, &point.block_norm_vv, &point.block_norm_vg) {
            let g = norm(&point.theta[layout.g()]);
            for (i, size) in blocks.iter_mut().enumerate() {
                *size += vv[i].iter().zip(&norms).map(|(hessian, w)| hessian * w).sum::<f64>() + vg[i] * g;
            }
        }
        let whole = norm(&[norm(&blocks), of_g]);
        Self { norms, blocks, whole, rounding: error }
    }
}
