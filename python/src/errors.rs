//! The exceptions, which `ratecheck/errors.py` defines and documents.

use pyo3::prelude::*;
use pyo3::types::PyType;

/// One of them, by name.
fn raised(name: &str, message: String) -> PyErr {
    let raise = |py: Python<'_>| -> PyResult<PyErr> {
        let class = py.import("ratecheck.errors")?.getattr(name)?.cast_into::<PyType>()?;
        Ok(PyErr::from_type(class, message))
    };
    Python::attach(raise).unwrap_or_else(|error| error)
}

/// An argument makes no sense.
pub(crate) fn input(message: impl Into<String>) -> PyErr {
    raised("InputError", message.into())
}

/// A file could not be written or read.
pub(crate) fn output(message: impl Into<String>) -> PyErr {
    raised("OutputError", message.into())
}

/// A bug in ratecheck.
pub(crate) fn internal(message: impl Into<String>) -> PyErr {
    raised("InternalError", message.into())
}
