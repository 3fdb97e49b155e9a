//! Work side by side, on the threads of rayon's current pool.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

/// What can be gone through in parallel. One loop serves every caller: `par_iter().map(f).collect()` is compiled anew
/// for each of fifty closures, and was a sixth of this package's program text.
pub trait InParallel: Sized {
    /// What `f` is given.
    type Item;

    /// `f` of every item, in the order of the items. A thread takes one item after the other: they are as long as whole
    /// runs, and one may be a thousand times as long as the next.
    fn in_parallel<R: Send>(self, f: impl Fn(Self::Item) -> R + Sync) -> Vec<R>;
}

impl<'a, T: Sync> InParallel for &'a [T] {
    type Item = &'a T;

    fn in_parallel<R: Send>(self, f: impl Fn(&'a T) -> R + Sync) -> Vec<R> {
        (0..self.len()).in_parallel(|k| f(&self[k]))
    }
}

impl InParallel for Range<usize> {
    type Item = usize;

    fn in_parallel<R: Send>(self, f: impl Fn(usize) -> R + Sync) -> Vec<R> {
        let slots: Vec<Mutex<Option<R>>> = self.clone().map(|_| Mutex::new(None)).collect();
        for_each(slots.len(), &|k| {
            let found = f(self.start + k);
            *slots[k].lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        });
        let found = |slot: Mutex<Option<R>>| slot.into_inner().unwrap_or_else(PoisonError::into_inner);
        slots.into_iter().filter_map(found).collect()
    }
}

fn for_each(n: usize, work: &(dyn Fn(usize) + Sync)) {
    (0..n).into_par_iter().with_max_len(1).for_each(work);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_items() {
        let words: Vec<String> = (0..100).map(|k| format!("{k}")).collect();
        let found: Vec<&str> = words.in_parallel(|word| word.as_str());
        assert!(found.iter().zip(&words).all(|(found, word)| *found == word.as_str()) && found.len() == 100);
        assert_eq!((3..6).in_parallel(|k| 10 * k), [30, 40, 50]);
        assert!((0..0).in_parallel(|k| k).is_empty());
    }

    #[test]
    #[should_panic(expected = "the fourth")]
    fn a_panic_reaches_the_caller() {
        (0..8).in_parallel(|k| assert!(k != 3, "the fourth"));
    }
}
