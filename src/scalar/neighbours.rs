//! The numbers next to a number.

/// The largest number below (the value of) x that x may be rounded from; infinity stays.
#[inline(always)]
pub(super) fn down(x: f64) -> f64 {
    -up(-x)
}

/// The same above: [`f64::next_up`], with one branch, which is hardly ever taken.
#[inline(always)]
pub(super) fn up(x: f64) -> f64 {
    if x < f64::INFINITY {
        // Never -0; the bits of a negative number fall as it rises.
        let bits = (x + 0.0).to_bits().cast_signed();
        f64::from_bits((bits + (1 | (bits >> 63))).cast_unsigned())
    } else {
        x
    }
}
