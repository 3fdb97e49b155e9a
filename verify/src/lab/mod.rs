//! What users bring: problem files and built-in problems, one point of them inspected, their constants, logs of theirs
//! fitted, sweeps and the paper's experiments, which keep their runs in one store; how fast all this is, and how much
//! memory it may take.

pub mod bench;
pub mod budget;
pub mod constants;
pub mod experiment;
pub mod fit;
pub mod inspect;
pub mod monitor;
pub mod problem;
pub mod sweep;
pub(crate) mod threads;
pub(crate) mod undefined;
