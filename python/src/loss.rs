//! A loss that Python evaluates, as the engine takes it.

use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};

use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use ratecheck::loss::{
    DIFFERENCES_ERROR, Further, Loss as EngineLoss, Minibatches, Over, Products, Setting, Workspace,
    product_by_differences,
};
use ratecheck::parameters::Parameters;

use crate::call::released;
use crate::errors::input;

/// What `ratecheck.Loss` holds: the functions, the layout, and how z is drawn.
#[pyclass(frozen, module = "ratecheck._core", name = "Loss")]
pub(crate) struct Loss {
    pub(crate) inner: Arc<Foreign>,
}

/// The functions of a user with the layout of the engine: blocks first, g last.
pub(crate) struct Foreign {
    layout: Parameters,
    z: Minibatches,
    value_and_grad: Py<PyAny>,
    value: Option<Py<PyAny>>,
    hvp: Option<Py<PyAny>>,
    /// Makes an array of doubles of whatever else was returned, or raises.
    convert: Py<PyAny>,
    takes_z: bool,
    /// The user's place of each of the engine's parameters, unless they are the same.
    order: Option<Vec<usize>>,
    operations: f64,
    failure: Mutex<Option<PyErr>>,
}

/// What is thrown to the caller's `released` when Python has raised; nobody prints it.
const RAISED: &str = "the loss raised an exception";

impl Foreign {
    /// What an evaluation has raised since this was last asked.
    ///
    /// # Errors
    /// That.
    pub(crate) fn failed(&self) -> PyResult<()> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }

    /// Calls Python. An exception is kept for [`Self::failed`] and ends the work, and whatever is tried after it: a
    /// claim that is
    /// stopped goes on to its controls.
    fn attached<R>(&self, call: impl FnOnce(Python<'_>) -> PyResult<R>) -> R {
        let failure = || self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if failure().is_some() {
            resume_unwind(Box::new(RAISED))
        }
        Python::attach(call).unwrap_or_else(|error| {
            *failure() = Some(error);
            resume_unwind(Box::new(RAISED))
        })
    }

    /// A vector of the engine, in the user's order.
    fn given<'py>(&self, py: Python<'py>, x: &[f64]) -> Bound<'py, PyArray1<f64>> {
        match &self.order {
            None => PyArray1::from_slice(py, x),
            Some(order) => {
                let mut scattered = vec![0.0; x.len()];
                order.iter().zip(x).for_each(|(&place, &x)| scattered[place] = x);
                PyArray1::from_vec(py, scattered)
            }
        }
    }

    /// A vector of the user, in the engine's order.
    fn taken(&self, py: Python<'_>, what: &str, found: &Bound<'_, PyAny>, to: &mut [f64]) -> PyResult<()> {
        let fits = |array: &PyReadonlyArray1<'_, f64>| array.as_slice().is_ok_and(|slice| slice.len() == to.len());
        let array = match found.extract::<PyReadonlyArray1<'_, f64>>() {
            Ok(array) if fits(&array) => array,
            _ => self.convert.bind(py).call1((found, to.len(), what))?.extract()?,
        };
        let slice = array.as_slice()?;
        match &self.order {
            None => to.copy_from_slice(slice),
            Some(order) => to.iter_mut().zip(order).for_each(|(x, &place)| *x = slice[place]),
        }
        Ok(())
    }

    /// The arguments of a function: vectors, and z where it takes one.
    fn arguments<'py>(&self, py: Python<'py>, z: &[usize], vectors: &[&[f64]]) -> PyResult<Bound<'py, PyTuple>> {
        let mut all: Vec<Bound<'py, PyAny>> = vectors.iter().map(|x| self.given(py, x).into_any()).collect();
        if self.takes_z {
            all.push(PyArray1::from_iter(py, z.iter().map(|&k| k as i64)).into_any());
        }
        PyTuple::new(py, all)
    }

    fn evaluate(&self, py: Python<'_>, z: &[usize], theta: &[f64], grad: &mut [f64]) -> PyResult<f64> {
        let found = self.value_and_grad.bind(py).call1(self.arguments(py, z, &[theta])?)?;
        let Ok((value, gradient)) = found.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>() else {
            return Err(loss_error(&format!(
                "value_and_grad returned {}: return the value and the gradient, as `return value, gradient`",
                found.get_type()
            )));
        };
        self.taken(py, "value_and_grad returned a gradient", &gradient, grad)?;
        number(&value, "value_and_grad")
    }
}

fn loss_error(message: &str) -> PyErr {
    Python::attach(|py| {
        let class = py.import("ratecheck.errors").and_then(|errors| errors.getattr("LossError"));
        let raised = class.and_then(|class| class.call1((message,)));
        raised.map_or_else(|error| error, PyErr::from_value)
    })
}

/// A value of a loss.
fn number(value: &Bound<'_, PyAny>, function: &str) -> PyResult<f64> {
    value.extract().map_err(|_| {
        loss_error(&format!("{function} returned the value {value}, which is no number: return a float or a 0-d array"))
    })
}

impl Setting for Foreign {
    fn parameters(&self) -> &Parameters {
        &self.layout
    }
    fn minibatches(&self) -> &Minibatches {
        &self.z
    }
}

impl Over<f64> for Foreign {
    fn sample_loss(&self, z: &[usize], theta: &[f64]) -> f64 {
        self.attached(|py| match &self.value {
            Some(value) => number(&value.bind(py).call1(self.arguments(py, z, &[theta])?)?, "value"),
            None => self.evaluate(py, z, theta, &mut vec![0.0; theta.len()]),
        })
    }

    fn sample_gradient(&self, z: &[usize], theta: &[f64], grad: &mut [f64], _: &mut Workspace) -> f64 {
        self.attached(|py| self.evaluate(py, z, theta, grad))
    }
}

impl Products for Foreign {
    fn sample_product(&self, z: &[usize], theta: &[f64], direction: &[f64], product: &mut [f64]) {
        let Some(hvp) = &self.hvp else { return product_by_differences(self, z, theta, direction, product) };
        self.attached(|py| {
            let found = hvp.bind(py).call1(self.arguments(py, z, &[theta, direction])?)?;
            self.taken(py, "hvp returned a product", &found, product)
        });
    }

    fn relative_error(&self) -> f64 {
        if self.hvp.is_some() { 0.0 } else { DIFFERENCES_ERROR }
    }

    fn operations(&self) -> f64 {
        self.operations
    }
}

impl EngineLoss for Foreign {
    fn further(&self) -> Further<'_> {
        Further::Products(self)
    }
}

#[pymethods]
impl Loss {
    /// `blocks`: names and lengths; `order`: the user's place of each parameter; `minibatches`: how, N, B and an order
    /// of the examples.
    #[new]
    #[pyo3(signature = (value_and_grad, value, hvp, convert, blocks, g_len, order, minibatches, takes_z, operations))]
    #[allow(clippy::too_many_arguments)] // what `ratecheck.Loss` hands over, once
    fn new(
        value_and_grad: Py<PyAny>,
        value: Option<Py<PyAny>>,
        hvp: Option<Py<PyAny>>,
        convert: Py<PyAny>,
        blocks: Vec<(String, usize)>,
        g_len: usize,
        order: Option<Vec<usize>>,
        minibatches: (String, usize, usize),
        takes_z: bool,
        operations: f64,
    ) -> PyResult<Self> {
        let (how, n, size) = minibatches;
        let z = match how.as_str() {
            "full" => Ok(Minibatches::full(n)),
            "partition" => Minibatches::partition((0..n).collect(), size),
            _ => Minibatches::subsets(n, size),
        };
        let z = z.map_err(|error| input(format!("minibatches: {error}")))?;
        if let Some((name, _)) = blocks.iter().find(|(_, len)| *len == 0) {
            return Err(input(format!("blocks: {name} has no parameters; leave it out")));
        }
        let layout = Parameters::new(blocks, g_len);
        let failure = Mutex::new(None);
        let inner = Foreign { layout, z, value_and_grad, value, hvp, convert, takes_z, order, operations, failure };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// F_z(theta) and its gradient as the engine gets them: theta and the gradient in the user's order.
    fn value_and_grad<'py>(
        &self,
        py: Python<'py>,
        theta: PyReadonlyArray1<'py, f64>,
        z: Vec<usize>,
    ) -> PyResult<(f64, Bound<'py, PyArray1<f64>>)> {
        let theta = self.inner.engine_order(theta.as_slice()?);
        let mut grad = vec![0.0; theta.len()];
        let value = released(py, Some(&self.inner), || {
            self.inner.sample_gradient(&z, &theta, &mut grad, &mut Workspace::default())
        })?;
        Ok((value, self.inner.given(py, &grad)))
    }

    /// Hess F_z(theta) d, by `hvp` or by differences.
    fn product<'py>(
        &self,
        py: Python<'py>,
        theta: PyReadonlyArray1<'py, f64>,
        direction: PyReadonlyArray1<'py, f64>,
        z: Vec<usize>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let theta = self.inner.engine_order(theta.as_slice()?);
        let direction = self.inner.engine_order(direction.as_slice()?);
        let mut product = vec![0.0; theta.len()];
        released(py, Some(&self.inner), || self.inner.sample_product(&z, &theta, &direction, &mut product))?;
        Ok(self.inner.given(py, &product))
    }

    /// The same by differences, whatever there is.
    fn difference<'py>(
        &self,
        py: Python<'py>,
        theta: PyReadonlyArray1<'py, f64>,
        direction: PyReadonlyArray1<'py, f64>,
        z: Vec<usize>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let theta = self.inner.engine_order(theta.as_slice()?);
        let direction = self.inner.engine_order(direction.as_slice()?);
        let mut product = vec![0.0; theta.len()];
        released(py, Some(&self.inner), || product_by_differences(&*self.inner, &z, &theta, &direction, &mut product))?;
        Ok(self.inner.given(py, &product))
    }

    /// What a product may be off by, relative to its terms: see `Products::relative_error` of the engine.
    #[getter]
    fn relative_error(&self) -> f64 {
        self.inner.relative_error()
    }

    /// What differences are off by.
    #[classattr]
    const DIFFERENCES_ERROR: f64 = DIFFERENCES_ERROR;
}

impl Foreign {
    /// A vector of the user in the engine's order.
    pub(crate) fn engine_order(&self, x: &[f64]) -> Vec<f64> {
        match &self.order {
            None => x.to_vec(),
            Some(order) => order.iter().map(|&place| x[place]).collect(),
        }
    }
}
