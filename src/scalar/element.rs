//! What the fast products of matrices are made of: `f64` or `f32`, and as many of them as a vector register holds.

use std::cell::Cell;
use std::thread::LocalKey;

use pulp::Simd;

/// A floating-point number with vectors. Only `f64` and `f32` are; the kernel is compiled for each alone, so the bits
/// of one do not depend on the other.
pub(super) trait Element: Copy + Default + 'static {
    /// The contents of a vector register.
    type Vector<S: Simd>: Copy;

    /// How many numbers a vector has.
    #[inline(always)]
    fn lanes<S: Simd>() -> usize {
        size_of::<Self::Vector<S>>() / size_of::<Self>()
    }
    /// The same number in every lane.
    fn splat<S: Simd>(simd: S, x: Self) -> Self::Vector<S>;
    /// a + b.
    fn add<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// a b + c, rounded once.
    fn mul_add<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>, c: Self::Vector<S>) -> Self::Vector<S>;
    /// The whole vectors that some numbers make.
    fn vectors<S: Simd>(numbers: &[Self]) -> &[Self::Vector<S>];
    /// The same, to write to.
    fn vectors_mut<S: Simd>(numbers: &mut [Self]) -> &mut [Self::Vector<S>];
    /// At most as many numbers as a vector has; the other lanes are 0.
    fn load_part<S: Simd>(simd: S, numbers: &[Self]) -> Self::Vector<S>;
    /// Writes as many lanes as there are numbers.
    fn store_part<S: Simd>(simd: S, numbers: &mut [Self], x: Self::Vector<S>);
    /// The thread's room for some columns of B side by side: read again for every tile, they stay in the nearest cache,
    /// where rows of a long B would push each other out. Kept,
    /// since filling a new array with zeros takes as long as a small product.
    fn panel() -> &'static LocalKey<Cell<Vec<Self>>>;
}

macro_rules! element {
    ($number:ident, $vector:ident, $splat:ident, $add:ident, $mul_add:ident, $vectors:ident, $vectors_mut:ident,
        $load_part:ident, $store_part:ident) => {
        impl Element for $number {
            type Vector<S: Simd> = S::$vector;

            #[inline(always)]
            fn splat<S: Simd>(simd: S, x: Self) -> S::$vector {
                simd.$splat(x)
            }
            #[inline(always)]
            fn add<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$add(a, b)
            }
            #[inline(always)]
            fn mul_add<S: Simd>(simd: S, a: S::$vector, b: S::$vector, c: S::$vector) -> S::$vector {
                simd.$mul_add(a, b, c)
            }
            #[inline(always)]
            fn vectors<S: Simd>(numbers: &[Self]) -> &[S::$vector] {
                S::$vectors(numbers).0
            }
            #[inline(always)]
            fn vectors_mut<S: Simd>(numbers: &mut [Self]) -> &mut [S::$vector] {
                S::$vectors_mut(numbers).0
            }
            #[inline(always)]
            fn load_part<S: Simd>(simd: S, numbers: &[Self]) -> S::$vector {
                simd.$load_part(numbers)
            }
            #[inline(always)]
            fn store_part<S: Simd>(simd: S, numbers: &mut [Self], x: S::$vector) {
                simd.$store_part(numbers, x);
            }
            #[inline(always)]
            fn panel() -> &'static LocalKey<Cell<Vec<Self>>> {
                thread_local! {
                    static PANEL: Cell<Vec<$number>> = const { Cell::new(Vec::new()) };
                }
                &PANEL
            }
        }
    };
}

element!(
    f64,
    f64s,
    splat_f64s,
    add_f64s,
    mul_add_f64s,
    as_simd_f64s,
    as_mut_simd_f64s,
    partial_load_f64s,
    partial_store_f64s
);
element!(
    f32,
    f32s,
    splat_f32s,
    add_f32s,
    mul_add_f32s,
    as_simd_f32s,
    as_mut_simd_f32s,
    partial_load_f32s,
    partial_store_f32s
);

/// The part of `impl Scalar` that reads the same for both: what is exact,
/// or rounded once in the number's own arithmetic.
macro_rules! plain_number {
    ($number:ident) => {
        const ZERO: Self = 0.0;
        const ONE: Self = 1.0;

        #[inline(always)]
        fn is_finite(self) -> bool {
            $number::is_finite(self)
        }
        #[inline(always)]
        fn sqrt(self) -> Self {
            $number::sqrt(self)
        }
        #[inline(always)]
        fn abs(self) -> Self {
            $number::abs(self)
        }
        #[inline(always)]
        fn sign(self) -> Self {
            if self < 0.0 { -1.0 } else { 1.0 }
        }
        #[inline(always)]
        fn relu(self) -> Self {
            // Written so that NaN stays NaN.
            if self <= 0.0 { 0.0 } else { self }
        }
        #[inline(always)]
        fn step(self) -> Self {
            if self > 0.0 { 1.0 } else { 0.0 }
        }
        #[inline(always)]
        fn mul_add(self, factor: Self, term: Self) -> Self {
            $number::mul_add(self, factor, term)
        }
        #[inline(always)]
        fn square_add(self, term: Self) -> Self {
            $number::mul_add(self, self, term)
        }
    };
}

/// The part of `impl Planes` that reads the same for both.
macro_rules! plain_planes {
    ($number:ident) => {
        type Base = $number;
        const PLANES: usize = 1;
        const ROUNDING: f64 = $number::EPSILON as f64 / 2.0;

        #[inline(always)]
        fn from_base(x: $number) -> Self {
            x
        }
        #[inline(always)]
        fn load(row: &[$number], b: usize) -> Self {
            row[b]
        }
        #[inline(always)]
        fn store(self, row: &mut [$number], b: usize) {
            row[b] = self;
        }
        #[inline(always)]
        fn load_lanes<const K: usize>(row: &[$number], b: usize) -> [$number; K] {
            $crate::scalar::kernel::lanes(row, b)
        }
        #[inline(always)]
        fn store_lanes<const K: usize>(lanes: [$number; K], row: &mut [$number], b: usize) {
            row[b..b + K].copy_from_slice(&lanes);
        }

        fn matmul(pairs: &[[Matrix<'_, $number>; 2]], c: MatrixMut<'_, $number>, store: Store) {
            $crate::scalar::kernel::matmul(pairs, c, store);
        }
        fn matmul_dual(pair: [Matrix<'_, $number>; 2], c: MatrixMut<'_, $number>, store: Store) {
            $crate::scalar::kernel::matmul_dual(pair, c, store);
        }
        fn matmul_transposed(pairs: &[[Matrix<'_, $number>; 2]], c: MatrixMut<'_, $number>, store: Store) {
            $crate::scalar::kernel::matmul_transposed(pairs, c, store);
        }
    };
}
pub(super) use {plain_number, plain_planes};
