//! x
pub mod curvature;
pub mod linalg;
pub mod loss;
pub mod parameters;
pub mod random;
pub mod scalar;
