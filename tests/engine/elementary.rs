//! The elementary functions against an independent library with 240 bits: within the bounds that their documentation states.

use dashu_float::FBig;
use dashu_float::round::mode::HalfEven;
use rand::RngExt;
use ratecheck::random::Seed;
use ratecheck::scalar::elementary::{exp, sigmoid, softplus, tanh};

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

/// Numbers below `largest` in size: spread evenly, spread evenly in their logarithms down to 1e-300, and the neighbours of the
/// multiples of ln(2)/4, where the reduction of the argument goes over to the next power of two, or does for twice the number.
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
