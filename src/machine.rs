//! What the processor can do: fused multiply-adds in registers, and loads from its caches.
//!
//! These are the limits that the speed of everything else is a share of (`ratecheck bench`). A loop here does nothing
//! but what it counts, in enough independent chains that the latency of an instruction is hidden, so that its best time
//! says how many of them the processor begins in a second. Nothing of the engine's results depends on this module.

use std::hint::black_box;

use pulp::{Simd, WithSimd};

/// A vector unit of this processor, as wide as its registers: those of 128, 256 and 512 bits on x86-64 with AVX2 and
/// FMA or with AVX-512; elsewhere the one that the engine's kernels use.
#[derive(Clone, Copy, Debug)]
pub struct Unit(Kind);

#[derive(Clone, Copy, Debug)]
enum Kind {
    #[cfg(target_arch = "x86_64")]
    Bits128(pulp::x86::V3_128b),
    #[cfg(target_arch = "x86_64")]
    Bits256(pulp::x86::V3),
    #[cfg(target_arch = "x86_64")]
    Bits512(pulp::x86::V4),
    /// What `pulp` chooses.
    Native,
}

impl Unit {
    /// All that this processor has, the narrowest first.
    ///
    /// ```
    /// let units = ratecheck::machine::Unit::all();
    /// assert!(units.windows(2).all(|pair| pair[0].bits() < pair[1].bits()));
    /// assert!([64, 128, 256, 512].contains(&units[units.len() - 1].bits()));
    /// ```
    pub fn all() -> Vec<Self> {
        let mut units = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if let Some(simd) = pulp::x86::V3::try_new() {
                units.push(Self(Kind::Bits128(pulp::x86::V3_128b(simd))));
                units.push(Self(Kind::Bits256(simd)));
            }
            if let Some(simd) = pulp::x86::V4::try_new() {
                units.push(Self(Kind::Bits512(simd)));
            }
        }
        if units.is_empty() {
            units.push(Self(Kind::Native));
        }
        units
    }

    /// The bits of a register.
    pub fn bits(self) -> usize {
        self.run(Bits)
    }

    /// Numbers x of every chain and lane, from 0 on: x := `factor` x + `term`, `rounds` times.
    ///
    /// Each is one fused multiply-add, two floating-point operations. The chains stay in registers.
    ///
    /// ```
    /// let unit = ratecheck::machine::Unit::all()[0];
    /// // Counting by ones: the sum over all chains and lanes is the number of multiply-adds.
    /// let found = unit.multiply_adds::<f64>(1000, 1.0, 1.0);
    /// assert_eq!(found.sum, found.multiply_adds as f64);
    /// ```
    pub fn multiply_adds<T: Number>(self, rounds: usize, factor: T, term: T) -> Chained<T> {
        // Opaque: with a constant factor of 1 the loop could be folded into a product.
        T::chain(self, black_box(rounds), black_box(factor), black_box(term))
    }

    /// The sum of some numbers, `passes` times over. Each pass loads all of them: `size_of_val(numbers)` bytes.
    ///
    /// The order of the sum depends on the unit. A vector that straddles two cache lines is two loads, so the numbers
    /// should start on one: see [`on_cache_line`].
    ///
    /// ```
    /// let unit = ratecheck::machine::Unit::all()[0];
    /// let numbers: Vec<f64> = (1..=1001).map(f64::from).collect();
    /// assert_eq!(unit.load(&numbers, 3), 3.0 * 501501.0);
    /// ```
    pub fn load(self, numbers: &[f64], passes: usize) -> f64 {
        self.run(Loads { numbers, passes })
    }

    fn run<Op: WithSimd>(self, op: Op) -> Op::Output {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Bits128(simd) => Simd::vectorize(simd.0, As(simd, op)),
            #[cfg(target_arch = "x86_64")]
            Kind::Bits256(simd) => Simd::vectorize(simd, op),
            #[cfg(target_arch = "x86_64")]
            Kind::Bits512(simd) => Simd::vectorize(simd, op),
            Kind::Native => pulp::Arch::new().dispatch(op),
        }
    }
}

/// What [`Unit::multiply_adds`] did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chained<T> {
    /// How many fused multiply-adds of single numbers.
    pub multiply_adds: u64,
    /// The sum over all chains and lanes.
    pub sum: T,
}

/// The part of some numbers that starts on a cache line, of 64 bytes, and has so many of them.
///
/// # Panics
/// If there are fewer than seven numbers more than that.
pub fn on_cache_line(numbers: &[f64], length: usize) -> &[f64] {
    let skipped = (numbers.as_ptr() as usize).wrapping_neg() % 64 / size_of::<f64>();
    &numbers[skipped..skipped + length]
}

/// `f64` and `f32`.
pub trait Number: Copy + 'static {
    /// [`Unit::multiply_adds`].
    #[doc(hidden)]
    fn chain(unit: Unit, rounds: usize, factor: Self, term: Self) -> Chained<Self>;
}

/// How many chains there are: registers for all of them, the factor, the term and two to spare. A processor begins at
/// most four multiply-adds a cycle and finishes each after at most five; most begin two and need four.
const fn chains(registers: usize) -> usize {
    if registers >= 32 { 24 } else { 12 }
}

/// An operation with vectors that are narrower than those of the unit whose instructions it is compiled for: `pulp`'s
/// unit of 128 bits would go on with 256.
#[cfg(target_arch = "x86_64")]
struct As<N, Op>(N, Op);

#[cfg(target_arch = "x86_64")]
impl<N: Simd, Op: WithSimd> WithSimd for As<N, Op> {
    type Output = Op::Output;
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Op::Output {
        self.1.with_simd(self.0)
    }
}

struct Bits;

impl WithSimd for Bits {
    type Output = usize;
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        8 * size_of::<S::f64s>()
    }
}

macro_rules! number {
    ($number:ident, $vector:ident, $splat:ident, $add:ident, $mul_add:ident, $reduce:ident, $operation:ident) => {
        struct $operation {
            rounds: usize,
            factor: $number,
            term: $number,
        }

        impl $operation {
            #[inline(always)]
            fn chain<S: Simd, const CHAINS: usize>(self, simd: S) -> Chained<$number> {
                let (factor, term) = (simd.$splat(self.factor), simd.$splat(self.term));
                let mut x = [simd.$splat(0.0); CHAINS];
                for _ in 0..self.rounds {
                    for x in &mut x {
                        *x = simd.$mul_add(*x, factor, term);
                    }
                }
                let sum = simd.$reduce(x.into_iter().fold(simd.$splat(0.0), |sum, x| simd.$add(sum, x)));
                let lanes = size_of::<S::$vector>() / size_of::<$number>();
                Chained { multiply_adds: (self.rounds * CHAINS * lanes) as u64, sum }
            }
        }

        impl WithSimd for $operation {
            type Output = Chained<$number>;
            #[inline(always)]
            fn with_simd<S: Simd>(self, simd: S) -> Chained<$number> {
                if S::REGISTER_COUNT >= 32 {
                    self.chain::<S, { chains(32) }>(simd)
                } else {
                    self.chain::<S, { chains(16) }>(simd)
                }
            }
        }

        impl Number for $number {
            fn chain(unit: Unit, rounds: usize, factor: $number, term: $number) -> Chained<$number> {
                let operation = $operation { rounds, factor, term };
                #[cfg(target_arch = "x86_64")]
                if let Kind::Bits128(simd) = unit.0 {
                    return operation.chain_of_128_bits(simd.0);
                }
                unit.run(operation)
            }
        }
    };
}

number!(f64, f64s, splat_f64s, add_f64s, mul_add_f64s, reduce_sum_f64s, Doubles);
number!(f32, f32s, splat_f32s, add_f32s, mul_add_f32s, reduce_sum_f32s, Singles);

#[cfg(target_arch = "x86_64")]
impl Singles {
    fn chain_of_128_bits(self, simd: pulp::x86::V3) -> Chained<f32> {
        Simd::vectorize(simd, As(pulp::x86::V3_128b(simd), self))
    }
}

/// Two doubles in a register. `pulp` has them as a pair of numbers, which the compiler keeps in two registers and
/// multiplies one by one.
#[cfg(target_arch = "x86_64")]
struct Pairs(pulp::x86::V3, Doubles);

#[cfg(target_arch = "x86_64")]
impl Doubles {
    fn chain_of_128_bits(self, simd: pulp::x86::V3) -> Chained<f64> {
        Simd::vectorize(simd, Pairs(simd, self))
    }
}

#[cfg(target_arch = "x86_64")]
impl WithSimd for Pairs {
    type Output = Chained<f64>;
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Chained<f64> {
        let Self(simd, Doubles { rounds, factor, term }) = self;
        const CHAINS: usize = chains(16);
        let (factor, term) = (simd.sse2._mm_set1_pd(factor), simd.sse2._mm_set1_pd(term));
        let mut x = [simd.sse2._mm_set1_pd(0.0); CHAINS];
        for _ in 0..rounds {
            for x in &mut x {
                *x = simd.fma._mm_fmadd_pd(*x, factor, term);
            }
        }
        let [low, high]: [f64; 2] = pulp::cast(x.into_iter().reduce(|a, b| simd.sse2._mm_add_pd(a, b)).unwrap_or(term));
        Chained { multiply_adds: (rounds * CHAINS * 2) as u64, sum: low + high }
    }
}

struct Loads<'a> {
    numbers: &'a [f64],
    passes: usize,
}

impl WithSimd for Loads<'_> {
    type Output = f64;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        /// Two or three loads a cycle, and at most four cycles for an addition.
        const CHAINS: usize = 12;
        let mut sums = [simd.splat_f64s(0.0); CHAINS];
        let mut tail = 0.0;
        for _ in 0..self.passes {
            // Opaque: a pass could be taken for the one before.
            let (vectors, rest) = S::as_simd_f64s(black_box(self.numbers));
            let (rounds, last) = vectors.as_chunks::<CHAINS>();
            for round in rounds {
                for (sum, &x) in sums.iter_mut().zip(round) {
                    *sum = simd.add_f64s(*sum, x);
                }
            }
            // Into one chain: which it is must not depend on a variable, or they would not stay in registers.
            for &x in last {
                sums[0] = simd.add_f64s(sums[0], x);
            }
            tail += rest.iter().sum::<f64>();
        }
        let sum = sums.into_iter().fold(simd.splat_f64s(0.0), |sum, x| simd.add_f64s(sum, x));
        simd.reduce_sum_f64s(sum) + tail
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_have_different_widths() {
        let bits: Vec<usize> = Unit::all().into_iter().map(Unit::bits).collect();
        assert!(bits == [128, 256] || bits == [128, 256, 512] || bits.len() == 1, "{bits:?}");
    }

    #[test]
    fn every_counted_multiply_add_is_done() {
        for unit in Unit::all() {
            let lanes = unit.bits() as u64 / 64;
            for rounds in [0, 1, 7, 40] {
                let ones = unit.multiply_adds::<f64>(rounds, 1.0, 1.0);
                assert_eq!(ones.sum, ones.multiply_adds as f64, "{unit:?}");
                assert_eq!(ones.multiply_adds % (lanes * 12), 0);
                // x_n = 2 - 2^(1-n) exactly, in every chain and lane.
                let halves = unit.multiply_adds::<f64>(rounds, 0.5, 1.0);
                let places = if rounds == 0 { 0.0 } else { (halves.multiply_adds / rounds as u64) as f64 };
                assert_eq!(halves.sum, places * (2.0 - 2.0_f64.powi(1 - rounds as i32)), "{unit:?} {rounds}");
            }
            // Sums below 2^24 are exact in single precision, too. Its registers hold twice as many numbers.
            let (single, double) =
                (unit.multiply_adds::<f32>(1000, 1.0, 1.0), unit.multiply_adds::<f64>(1000, 1.0, 1.0));
            assert_eq!(f64::from(single.sum), single.multiply_adds as f64, "{unit:?}");
            let wider = if lanes == 1 { 1 } else { 2 };
            assert_eq!(single.multiply_adds, wider * double.multiply_adds, "{unit:?}");
        }
    }

    #[test]
    fn every_number_is_loaded() {
        let numbers: Vec<f64> = (0..1000).map(f64::from).collect();
        for unit in Unit::all() {
            for length in [0, 1, 5, 96, 97, 992] {
                let some = on_cache_line(&numbers, length);
                assert_eq!(some.as_ptr() as usize % 64, 0);
                for passes in [0, 1, 5] {
                    let sum = passes as f64 * some.iter().sum::<f64>();
                    assert_eq!(unit.load(some, passes), sum, "{unit:?} {length} {passes}");
                }
            }
        }
    }
}
