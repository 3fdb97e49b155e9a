//! x
pub mod data;
pub mod loss;
pub mod parameters;
pub mod random;
pub mod scalar;
