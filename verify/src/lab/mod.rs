//! What users bring: problem files and built-in problems, one point of them inspected, their constants, logs of theirs
//! fitted, sweeps and the paper's experiments, which keep their runs in one store; and how fast all this is.

pub mod bench;
pub mod constants;
pub mod experiment;
pub mod fit;
pub mod inspect;
pub mod problem;
pub mod sweep;
