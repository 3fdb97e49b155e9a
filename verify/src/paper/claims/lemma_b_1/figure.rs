//! The sum of Lemma B.1 beside a bound of it.

use ratecheck::rates::log_spaced;

use super::{Bound, constant, doubling};
use crate::claim::plot::{Plot, SidesAt};

/// The sums of three families (lines) under `bound` (dashed), against T.
pub(in super::super) fn sums(title: &str, what: &str, bound: Bound<'_>) -> Plot {
    let plot = Plot::log_log(
        "sums",
        title,
        format!(
            "Σ a_t/A_(t-1) up to T (lines) and {what} (dashed) for three families of increments: all of them B = 100 \
             a_0; each as large as the whole before it, up to B = 1000 a_0; and all of them B = a_0/1000."
        ),
        "number of terms T",
        "Σ_{t≤T} a_t/A_{t-1}",
    );
    let families = [
        ("a_t = 100 a_0", constant(1.0, 100.0, 10_000)),
        ("doubling", doubling(1.0, 1e3, 10_000)),
        ("a_t = a_0/1000", constant(1e3, 1.0, 10_000)),
    ];
    plot.beside_bounds(families.into_iter().map(|(name, a)| (name.to_owned(), path(&a, bound))).collect())
}

/// The sum and its bound at some T.
fn path(a: &[f64], bound: Bound<'_>) -> Vec<SidesAt> {
    let horizons = log_spaced(1, a.len() as u64 - 1, 60);
    let b = a[1..].iter().copied().fold(0.0, f64::max);
    let (mut total, mut sum) = (a[0], 0.0);
    let mut path = Vec::new();
    for (t, x) in a.iter().enumerate().skip(1) {
        sum += x / total;
        if horizons.binary_search(&(t as u64)).is_ok() {
            path.push((t as f64, [sum, bound(a[0], b, total)]));
        }
        total += x;
    }
    path
}
