//! x
pub mod random;
pub mod rates;
