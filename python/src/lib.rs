//! `ratecheck._core`: the engine and the claims of `ratecheck`, as libraries for Python. What stands here only carries
//! arguments and
//! results across; every formula, fit and claim is that of the two packages beneath.
//!
//! A loss of Python is called in one thread, that of the caller: the interpreter is released while the engine computes,
//! and taken
//! again for every evaluation.

mod call;
mod constants;
mod errors;
mod fit;
mod loss;
mod results;
mod sweep;
mod verify;

use pyo3::prelude::*;

/// The module.
#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<loss::Loss>()?;
    module.add_class::<results::Results>()?;
    module.add_function(wrap_pyfunction!(verify::verify, module)?)?;
    module.add_function(wrap_pyfunction!(verify::verify_problem, module)?)?;
    module.add_function(wrap_pyfunction!(verify::inspect, module)?)?;
    module.add_function(wrap_pyfunction!(verify::claims, module)?)?;
    module.add_function(wrap_pyfunction!(constants::constants, module)?)?;
    module.add_function(wrap_pyfunction!(sweep::run, module)?)?;
    module.add_function(wrap_pyfunction!(sweep::rule_words, module)?)?;
    module.add_function(wrap_pyfunction!(fit::fit, module)?)?;
    module.add_function(wrap_pyfunction!(results::read, module)?)
}
