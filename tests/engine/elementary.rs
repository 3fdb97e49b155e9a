//! The elementary functions against an independent library with 240 bits:
//! within the bounds that their documentation states.

use dashu_float::FBig;
use dashu_float::round::mode::HalfEven;
use rand::RngExt;
use ratecheck::random::Seed;
use ratecheck::scalar::elementary::{exp, sigmoid, softplus, tanh};
use ratecheck::scalar::{DoubleDouble, Dual, Interval, Scalar};

type Big = FBig<HalfEven, 2>;

/// A number as it is, with 240 bits for what follows.
fn big(x: f64) -> Big {
    Big::try_from(x).unwrap().with_precision(240).value()
}

/// |got - exact| in units in the last place of the exact value, a normal number.
fn ulps(got: f64, exact: &Big) -> f64 {
    let size = exact.to_f64().value().abs();
    assert!(size.is_normal(), "{size:e} has no units in the last place to speak of");
    ((big(got) - exact) / big(size.next_up() - size)).to_f64().value().abs()
}

/// Numbers below `largest` in size: spread evenly, spread evenly in their logarithms down to 1e-300, and the neighbours
/// of the multiples of ln(2)/4, where the reduction of the argument goes over to the next power of two,
/// or does for twice the number.
fn arguments(largest: f64) -> Vec<f64> {
    let mut generator = Seed::new(2019).generator("elementary");
    let even = (0..2000).map(|_| generator.random_range(-largest..largest)).collect::<Vec<_>>();
    let small = (0..1000).map(|_| {
        let size = libm::pow(10.0, generator.random_range(-300.0..libm::log10(largest)));
        if generator.random() { size } else { -size }
    });
    let small: Vec<f64> = small.collect();
    let quarter = std::f64::consts::LN_2 / 4.0;
    let edges = (-60..=60).map(|k| f64::from(k) * quarter).filter(|x| *x != 0.0 && x.abs() < largest);
    even.into_iter().chain(small).chain(edges.flat_map(|x| [x.next_down(), x, x.next_up()])).collect()
}

/// The largest error over the arguments, and where.
fn worst(largest: f64, f: fn(f64) -> f64, exact: fn(Big) -> Big) -> (f64, f64) {
    let error = |x: f64| (ulps(f(x), &exact(big(x))), x);
    arguments(largest).into_iter().map(error).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap()
}

#[test]
fn functions_stay_within_the_stated_bounds() {
    let one = || big(1.0);
    let (error, x) = worst(708.0, exp, |x| x.exp());
    assert!(error <= 1.0, "exp({x:e}) is off by {error} ulp");
    // Beyond 20 the result is 1, off by less than 2 e^-40 < 1e-17.
    let (error, x) = worst(25.0, tanh, |x| {
        let e = (x.clone() + x).exp_m1();
        &e / (&e + big(2.0))
    });
    assert!(error <= 3.0, "tanh({x:e}) is off by {error} ulp");
    let (error, x) = worst(700.0, sigmoid, |x| big(1.0) / (big(1.0) + (-x).exp()));
    assert!(error <= 3.0, "sigmoid({x:e}) is off by {error} ulp");
    let (error, x) = worst(700.0, softplus, |x| x.exp().ln_1p());
    assert!(error <= 3.0, "softplus({x:e}) is off by {error} ulp");
    // The yardstick itself: a wrong last bit is seen.
    assert!(ulps(1.0_f64.next_up(), &one()) == 1.0);
}

/// Phi with 240 bits and more: 1/2 + phi(x) (x + x^3/3 + x^5/(3 5) + ...), whose terms have one sign; what a negative x
/// takes from 1/2 leaves at least 240 - 130 bits for |x| < 12.
fn normal_cdf(x: &Big) -> Big {
    let wide = |x: f64| big(x).with_precision(420).value();
    let x = x.clone().with_precision(420).value();
    let square = &x * &x;
    let (mut term, mut sum) = (x.clone(), x);
    for k in 1..700 {
        term = term * &square / wide(f64::from(2 * k + 1));
        sum += &term;
    }
    wide(0.5) + sum * normal_density(&square)
}

/// e^(-square/2) / sqrt(2 pi), with pi = 4 arctan 1.
fn normal_density(square: &Big) -> Big {
    let wide = |x: f64| big(x).with_precision(420).value();
    let square = square.clone().with_precision(420).value();
    (-square * wide(0.5)).exp() / (wide(8.0) * wide(1.0).atan()).sqrt()
}

/// |got - exact| relative to the exact value.
fn relative(got: &Big, exact: &Big) -> f64 {
    ((got - exact) / exact).to_f64().value().abs()
}

#[test]
fn the_normal_distribution_in_every_arithmetic() {
    const U: f64 = f64::EPSILON / 2.0;
    let at = (-110..=110).map(|k| 0.1 * f64::from(k) + 1e-3).chain([-1.0, 1.0, 1.0_f64.next_up(), 1e-30, -3e-9, 0.0]);
    for x in at {
        // No f64, so that both parts of a double-double count.
        let both = DoubleDouble::new(x, 0.3 * (x.abs().next_up() - x.abs()));
        let exact_both = big(both.hi()) + big(both.lo());
        let (cdf, density) = (normal_cdf(&big(x)), normal_density(&(big(x) * big(x))));
        // As their comments say.
        let bound = if x >= 0.0 { 4.0 } else { 4.0 + 2.0 * x * x } * U;
        assert!(relative(&big(x.normal_cdf()), &cdf) <= bound, "Phi({x}) = {}", x.normal_cdf());
        assert!(relative(&big(x.normal_density()), &density) <= (4.0 + 0.5 * x * x) * U, "phi({x})");
        let tail = DoubleDouble::UNIT * (150.0 + 2.5 * x * x) / 256.0;
        let found = |y: DoubleDouble| big(y.hi()) + big(y.lo());
        let error = relative(&found(both.normal_cdf()), &normal_cdf(&exact_both));
        assert!(error <= tail, "Phi({both:?}): {error:e} beyond {tail:e}");
        let density_both = normal_density(&(&exact_both * &exact_both));
        assert!(relative(&found(both.normal_density()), &density_both) <= tail, "phi({both:?})");
        let set = Interval::from(x);
        let inside = |set: Interval, exact: &Big| {
            big(set.lo()) <= *exact && *exact <= big(set.hi()) && set.width() <= 1e-13 * set.hi()
        };
        assert!(inside(set.normal_cdf(), &cdf) && inside(set.normal_density(), &density), "enclosures at {x}");
        let lifted = Dual::new(x, 1.0).normal_cdf();
        assert_eq!((lifted.re, lifted.du), (x.normal_cdf(), x.normal_density()));
        assert_eq!(Dual::new(x, 1.0).normal_density().du, -x * x.normal_density());
        assert_eq!(Scalar::normal_cdf(x as f32), f64::from(x as f32).normal_cdf() as f32);
    }
    let wide = Interval::new(-2.0, 3.0);
    let (cdf, density) = (wide.normal_cdf(), wide.normal_density());
    for x in [-2.0, -0.5, 0.0, 1.0, 3.0_f64] {
        assert!(cdf.contains(x.normal_cdf()) && density.contains(x.normal_density()));
    }
    for (x, cdf) in [(f64::INFINITY, 1.0), (f64::NEG_INFINITY, 0.0), (-50.0, 0.0), (50.0, 1.0)] {
        assert_eq!((x.normal_cdf(), DoubleDouble::from(x).normal_cdf().value()), (cdf, cdf));
        assert!(Scalar::is_finite(x.normal_density()));
    }
    assert!(f64::NAN.normal_cdf().is_nan() && !Scalar::is_finite(DoubleDouble::from(f64::NAN).normal_cdf()));
    let entire = Interval::ENTIRE.normal_cdf();
    assert_eq!((entire.lo(), entire.hi()), (0.0, 1.0));
}
