//! Long calls: the interpreter is released, the work runs in the caller's thread, and whatever a loss raises comes out
//! as it was raised.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::prelude::*;
use rayon::ThreadPoolBuilder;

use crate::errors::internal;
use crate::loss::Foreign;

/// Runs `work` without the interpreter: in the caller's thread alone if Python evaluates the loss, on all threads if it
/// is the engine's own.
///
/// # Errors
/// What an evaluation of the loss raised, Ctrl-C included; an `InternalError` if the work panicked by itself.
pub(crate) fn released<R: Send>(
    py: Python<'_>,
    loss: Option<&Foreign>,
    work: impl FnOnce() -> R + Send,
) -> PyResult<R> {
    let found = py.detach(|| {
        catch_unwind(AssertUnwindSafe(|| match loss {
            Some(_) => here(work),
            None => rayon::scope(|_| work()),
        }))
    });
    loss.map_or(Ok(()), Foreign::failed)?;
    found.map_err(|panic| {
        let message = panic.downcast_ref::<String>().cloned();
        let message = message.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        internal(format!("{}; please report it", message.unwrap_or_else(|| "a panic without a message".to_owned())))
    })
}

/// Runs `work` where everything that it would share between threads stays in this one: a user's function is then never
/// called from
/// another thread, and sees its own thread's settings, debuggers and signals.
fn here<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    if rayon::current_thread_index().is_none() {
        let pool = ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
        // One small registry for every thread that ever calls; it belongs to the thread from now on.
        std::mem::forget(pool.expect("a pool of the thread that is there starts no thread"));
    }
    work()
}
