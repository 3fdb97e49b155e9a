//! Curvature: Hessian-vector products, blocks of the Hessian and their spectral norms, and the smoothness constants of
//! section 2.4 with a type that says how each was obtained.

mod constants;

pub use constants::{Constant, Exact, Sampled, Smoothness, Upper};
