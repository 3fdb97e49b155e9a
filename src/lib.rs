//! x
pub mod random;
