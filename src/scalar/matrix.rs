//! Strided views of matrices in planes: what [`super::Scalar::matmul`] works on.

use std::ops::Range;

/// Whether a product replaces what C held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// C = A B.
    Replace,
    /// C += A B.
    Add,
    /// C = A B in the derivative components only; the value component of C is left as it was. For results of which only
    /// the derivative is read, such as the gradient inside a Hessian-vector product.
    /// At `f64` and `f32` it computes nothing.
    Derivative,
    /// C += A B in the derivative components only.
    AddDerivative,
}

impl Store {
    /// Whether the value component is written.
    pub(super) fn values(self) -> bool {
        matches!(self, Self::Replace | Self::Add)
    }

    /// Whether the product is added to what is there.
    pub(super) fn adds(self) -> bool {
        matches!(self, Self::Add | Self::AddDerivative)
    }

    /// The same, adding.
    pub(crate) fn adding(self) -> Self {
        if self.values() { Self::Add } else { Self::AddDerivative }
    }

    /// What that means for the components of the derivative, taken by themselves.
    pub(super) fn of_derivative(self) -> Self {
        if self.adds() { Self::Add } else { Self::Replace }
    }
}

/// A read-only matrix: component p of entry (i, j) is `data[p * plane_step + i * row_step + j * column_step]`.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a, T> {
    /// The first entry is the first base number.
    pub data: &'a [T],
    /// The number of rows.
    pub rows: usize,
    /// The number of columns.
    pub columns: usize,
    /// From one row to the next.
    pub row_step: usize,
    /// From one column to the next.
    pub column_step: usize,
    /// From one component to the next; `None` if the entries are constants, held in a single plane.
    pub plane_step: Option<usize>,
}

impl<'a, T> Matrix<'a, T> {
    /// The matrix whose components start `planes` planes later.
    #[inline]
    pub(super) fn skip_planes(self, planes: usize) -> Self {
        let start = planes * self.plane_step.unwrap_or(0);
        Self { data: &self.data[start..], ..self }
    }

    /// Some of the rows.
    pub(crate) fn some_rows(self, rows: &Range<usize>) -> Self {
        let start = if rows.is_empty() { 0 } else { rows.start * self.row_step };
        Self { data: &self.data[start..], rows: rows.len(), ..self }
    }

    /// Some of the columns.
    pub(crate) fn some_columns(self, columns: &Range<usize>) -> Self {
        self.transposed().some_rows(columns).transposed()
    }

    /// `times` as many columns: those of the next planes, which follow at once.
    pub(super) fn widened(self, times: usize) -> Self {
        Self { columns: times * self.columns, ..self }
    }

    /// The transpose: the same numbers, the steps exchanged.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self { rows: self.columns, columns: self.rows, row_step: self.column_step, column_step: self.row_step, ..self }
    }
}

/// A matrix to write to; its columns are contiguous.
#[derive(Debug)]
pub struct MatrixMut<'a, T> {
    /// The first entry is the first base number.
    pub data: &'a mut [T],
    /// The number of rows.
    pub rows: usize,
    /// The number of columns.
    pub columns: usize,
    /// From one row to the next.
    pub row_step: usize,
    /// From one component to the next.
    pub plane_step: usize,
}

impl<T> MatrixMut<'_, T> {
    /// A shorter borrow whose components start `planes` planes later.
    #[inline]
    pub(super) fn skip_planes(&mut self, planes: usize) -> MatrixMut<'_, T> {
        MatrixMut {
            data: &mut self.data[planes * self.plane_step..],
            rows: self.rows,
            columns: self.columns,
            row_step: self.row_step,
            plane_step: self.plane_step,
        }
    }
    /// A shorter borrow of some of the rows.
    pub(super) fn some_rows(&mut self, rows: &Range<usize>) -> MatrixMut<'_, T> {
        let start = if rows.is_empty() { 0 } else { rows.start * self.row_step };
        MatrixMut { data: &mut self.data[start..], rows: rows.len(), ..*self }
    }

    /// A shorter borrow of some of the columns.
    pub(super) fn some_columns(&mut self, columns: &Range<usize>) -> MatrixMut<'_, T> {
        let start = if columns.is_empty() { 0 } else { columns.start };
        MatrixMut { data: &mut self.data[start..], columns: columns.len(), ..*self }
    }

    /// `times` as many columns: those of the next planes, which follow at once.
    pub(super) fn widened(self, times: usize) -> Self {
        Self { columns: times * self.columns, ..self }
    }

    /// The same number everywhere.
    pub(super) fn fill(&mut self, x: T)
    where
        T: Copy,
    {
        for i in 0..self.rows {
            self.data[i * self.row_step..][..self.columns].fill(x);
        }
    }
}
