//! Loops compiled for every set of vector units, chosen at run time.

use super::Planes;

/// Runs `f` compiled for the vector units this processor has.
#[inline(always)]
pub(crate) fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(Operation(f))
}

/// [`vectorised`], for loops over an arithmetic that may not profit: one variant of a kernel is compiled for intervals,
/// two for double-doubles (fused multiply-adds are all that they need) and for scalars of many components (visited four
/// at a time, they fill the shorter vectors), all of them for the rest.
#[inline(always)]
pub(crate) fn vectorised_for<S: Planes, R>(f: impl FnOnce() -> R) -> R {
    if S::WIDE && S::PLANES <= 2 {
        vectorised(f)
    } else if S::WIDE || S::FUSED {
        fused(f)
    } else {
        f()
    }
}

/// Whether a register holds eight `f64`, as it does with AVX-512.
pub(crate) fn has_long_registers() -> bool {
    #[cfg(target_arch = "x86_64")]
    return pulp::x86::V4::try_new().is_some();
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// Runs `f` compiled with fused multiply-adds, where the processor has them.
#[inline(always)]
fn fused<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return simd.vectorize(Operation(f));
    }
    f()
}

/// A closure to be compiled for vector units.
struct Operation<F>(F);

impl<R, F: FnOnce() -> R> pulp::NullaryFnOnce for Operation<F> {
    type Output = R;
    #[inline(always)]
    fn call(self) -> R {
        self.0()
    }
}
