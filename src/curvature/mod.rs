//! Curvature: Hessian-vector products, blocks of the Hessian and their spectral norms, and the smoothness constants of
//! section 2.4 with a type that says how each was obtained.

mod ascent;
mod climb;
mod compositional;
mod enclosure;
mod hessian;
mod lanczos;
mod neuron;
mod norms;
mod operator;
mod proved;
mod sampled;
mod segment;
mod spectral;

pub use ascent::{Ascent, AscentOptions, ascend_block, ascend_constants};
pub use compositional::{
    ActivationBounds, BnLayer, CovarianceBounds, GBounds, ObjectiveBounds, Unbounded, Up, compositional_bound,
    covariance_bounds, g_bounds, g_bounds_with,
};
pub(crate) use enclosure::enclosing;
pub use enclosure::{NotEnclosed, block_norms_upper, hessian_enclosure, spectral_norm_upper};
pub use hessian::{DenseHessian, HessianProduct, Target, dense_hessian, hessian_vector_product};
pub use lanczos::{Density, Eigenvalue, Ends, extreme_eigenvalues, spectral_density};
pub use neuron::{Enclosed, NeuronConstants, neuron_constants};
pub use norms::block_norms;
pub use operator::{BlockOperator, Operator};
pub use proved::{Method, Proved, proved_constants, proved_constants_within};
pub use sampled::{Domain, Functions, Sampling, sampled_constants};
pub use segment::{SegmentConstants, SegmentOptions, segment_constants};
pub use spectral::{SpectralNorm, SpectralOptions, spectral_norm};

pub use crate::smoothness::{Constant, Exact, Part, Sampled, Smoothness, Upper};
