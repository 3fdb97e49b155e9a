//! Where the columns of B are while tiles read them: in their place, or laid out side by side.

use std::ops::Range;

use super::{Element, Matrix, Pair, Product, part_of};

/// Some columns of a B, and of those that follow: row by row, and how far the rows are apart, no less than they are long.
#[derive(Clone, Copy)]
pub(super) struct Panel<'a, T> {
    pub(super) rows: &'a [T],
    pub(super) step: usize,
}

/// Those of the first B, and of the second.
pub(super) type Panels<'a, T> = [Panel<'a, T>; 2];

impl<'a, V> Panel<'a, V> {
    /// N vectors of the first row, which is then behind. The last row may end after them: it is for
    /// [`Self::last_row`].
    #[inline(always)]
    pub(super) fn next_row<const N: usize>(&mut self) -> &'a [V; N] {
        let (row, after) = self.rows.split_at(self.step);
        self.rows = after;
        row.first_chunk().expect("a row of B")
    }

    /// N vectors of the last row.
    #[inline(always)]
    pub(super) fn last_row<const N: usize>(&self) -> &'a [V; N] {
        self.rows.first_chunk().expect("the last row of B")
    }
}

/// A cache line in bytes.
pub(super) const LINE: usize = 64;

/// So few rows of A that they read columns of B where these are.
const FEW: usize = 16;

/// Where the first cache line starts: vectors that lie in two are slow.
#[inline(always)]
pub(super) fn line_start<T>(panel: &[T]) -> usize {
    panel.as_ptr().align_offset(LINE).min(panel.len())
}

impl<'a, T: Element> Product<'a, T> {
    /// The columns of one or two B where they are: if they fill vectors that lie on cache lines, and so few rows of A
    /// read them that laying them out would take a good part of the time.
    #[inline(always)]
    pub(super) fn in_place(&self, wide: usize, j: usize, block: &Range<usize>) -> Option<Panels<'a, T>> {
        let (first, last) = match self.pairs {
            [pair] => (pair, pair),
            [first, last] => (first, last),
            _ => return None,
        };
        if self.transposed || self.c.rows > FEW || self.c.columns - j < wide {
            return None;
        }
        let columns = |[a, b]: &Pair<'a, T>| {
            let (inner, step) = (part_of(block, a.columns), b.row_step);
            let rows = b.data.get(inner.start * step + j..)?;
            let on_lines = b.data.as_ptr().align_offset(LINE) == 0 && step.is_multiple_of(LINE / size_of::<T>());
            (on_lines && step >= wide).then_some(Panel { rows, step })
        };
        Some([columns(first)?, columns(last)?])
    }

    /// Copies some columns of every B, or rows if B is to be transposed, as rows of `wide` numbers, the last of them 0.
    /// Returns how many numbers that makes.
    #[inline(always)]
    pub(super) fn pack(&self, panel: &mut Vec<T>, wide: usize, columns: Range<usize>, block: &Range<usize>) -> usize {
        let n = columns.len();
        let rows: usize = self.pairs.iter().map(|[a, _]| part_of(block, a.columns).len()).sum();
        let room = wide * rows + LINE / size_of::<T>();
        if panel.len() < room {
            panel.resize(room, T::default());
        }
        let start = line_start(panel);
        let mut rest = &mut panel[start..];
        for [a, b] in self.pairs {
            let inner = part_of(block, a.columns);
            if inner.is_empty() {
                continue;
            }
            let (part, after) = rest.split_at_mut(wide * inner.len());
            if n < wide {
                part.fill(T::default());
            }
            if self.transposed {
                let mut s = 0;
                while s + 8 <= n {
                    transpose::<T, 8>(b, columns.start + s, &inner, &mut part[s..], wide);
                    s += 8;
                }
                while s < n {
                    transpose::<T, 1>(b, columns.start + s, &inner, &mut part[s..], wide);
                    s += 1;
                }
            } else if n == wide {
                // The same, with a length that the compiler knows.
                for (k, row) in part.chunks_exact_mut(wide).enumerate() {
                    row.copy_from_slice(&b.data[(inner.start + k) * b.row_step + columns.start..][..wide]);
                }
            } else {
                for (k, row) in part.chunks_exact_mut(wide).enumerate() {
                    row[..n].copy_from_slice(&b.data[(inner.start + k) * b.row_step + columns.start..][..n]);
                }
            }
            rest = after;
        }
        wide * rows
    }
}

/// Writes R rows of B as columns, `wide` numbers apart.
#[inline(always)]
fn transpose<T: Element, const R: usize>(
    b: &Matrix<'_, T>,
    row: usize,
    inner: &Range<usize>,
    columns: &mut [T],
    wide: usize,
) {
    let mut rows = [&b.data[..0]; R];
    for r in 0..R {
        rows[r] = &b.data[(row + r) * b.row_step..][inner.clone()];
    }
    for k in 0..inner.len() {
        let column = &mut columns[k * wide..][..R];
        for r in 0..R {
            column[r] = rows[r][k];
        }
    }
}
