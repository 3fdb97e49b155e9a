//! x
pub mod data;
pub mod random;
