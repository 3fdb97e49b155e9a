//! Strided views of matrices in planes: what [`super::Scalar::matmul`] works on.

/// Whether a product replaces what C held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// C = A B.
    Replace,
    /// C += A B.
    Add,
    /// C = A B in the derivative components only; the value component of C is left as it was. For results of which only
    /// the derivative is read, such as the gradient inside a Hessian-vector product. At `f64` it computes nothing.
    Derivative,
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
}
