//! Intervals: the true value, computed exactly or with 240 bits by an independent library, always lies inside.

use dashu_float::FBig;
use dashu_float::round::mode::HalfEven;
use proptest::prelude::*;
use ratecheck::scalar::{Dual, Interval, Matrix, MatrixMut, Scalar, Store, matmul, matmul_transposed};

type Big = FBig<HalfEven, 2>;

/// A number as it is, with 240 bits for what follows.
fn big(x: f64) -> Big {
    Big::try_from(x).unwrap().with_precision(240).value()
}

/// Whether x lies inside, infinite ends included.
fn inside(x: &Big, set: Interval) -> bool {
    (set.lo() == f64::NEG_INFINITY || big(set.lo()) <= *x) && (set.hi() == f64::INFINITY || *x <= big(set.hi()))
}

/// Numbers of every size and sign, small whole ones and 0 among them.
fn any_number() -> BoxedStrategy<f64> {
    prop_oneof![
        3 => -4.0..4.0_f64,
        2 => (-300.0..300.0_f64, any::<bool>()).prop_map(|(e, minus)| {
            let x = libm::exp10(e);
            if minus { -x } else { x }
        }),
        1 => (-3_i32..=3).prop_map(f64::from),
        1 => (0_u32..4).prop_map(|k| f64::from(k) * 5e-324),
    ]
    .boxed()
}

/// The same, with the ends of the numbers and infinity.
fn any_end() -> BoxedStrategy<f64> {
    let ends = [0.0, -0.0, 5e-324, f64::MIN_POSITIVE, f64::MAX, f64::INFINITY];
    let ends: Vec<f64> = ends.into_iter().flat_map(|x| [x, -x]).collect();
    prop_oneof![3 => any_number(), 2 => prop::sample::select(ends)].boxed()
}

fn any_end_pair() -> impl Strategy<Value = (f64, f64)> {
    (any_end(), any_end()).prop_map(|(a, b)| if a < b { (a, b) } else { (b, a) })
}

/// Three numbers in order: an interval and a point of it.
fn interval(number: impl Strategy<Value = f64> + Clone) -> impl Strategy<Value = (Interval, f64)> {
    (number.clone(), number.clone(), number, 0_u8..4).prop_map(|(a, b, c, shape)| {
        let mut three = [a, b, c];
        three.sort_by(f64::total_cmp);
        match shape {
            0 => (Interval::from(a), a),
            1 => (Interval::new(a, a.next_up()), a),
            _ => (Interval::new(three[0], three[2]), three[1]),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    /// Results are widened by one unit exactly, at every number; and a product or quotient has the smallest and the
    /// largest of the four, where those that are 0 * infinity do not count.
    #[test]
    fn arithmetic_widens_by_one_unit(x in any_end(), (a, b) in any_end_pair(), (c, d) in any_end_pair()) {
        let moved = Interval::from(x) + Interval::ZERO;
        if x.is_finite() {
            prop_assert_eq!((moved.lo(), moved.hi()), (x.next_down(), x.next_up()));
        }
        let (p, q) = (Interval::new(a, b), Interval::new(c, d));
        let (pl, ph, ql, qh) = (p.lo(), p.hi(), q.lo(), q.hi());
        let around = |four: [f64; 4]| {
            let (lo, hi) = (four.into_iter().fold(f64::NAN, f64::min), four.into_iter().fold(f64::NAN, f64::max));
            Interval::new(lo.next_down(), hi.next_up())
        };
        prop_assert_eq!(p * q, around([pl * ql, pl * qh, ph * ql, ph * qh]));
        if !q.contains(0.0) {
            prop_assert_eq!(p / q, around([pl / ql, pl / qh, ph / ql, ph / qh]));
        }
    }

    #[test]
    fn arithmetic_encloses((a, x) in interval(any_number()), (b, y) in interval(any_number()), n in 1_usize..1000) {
        let (p, q) = (big(x), big(y));
        prop_assert!(inside(&(&p + &q), a + b), "{x} + {y} in {:?}", a + b);
        prop_assert!(inside(&(&p - &q), a - b), "{x} - {y}");
        prop_assert!(inside(&(&p * &q), a * b), "{x} * {y} in {:?}", a * b);
        prop_assert!(inside(&(&p * &p), a.square()), "{x}^2");
        prop_assert!(inside(&(&p * &q), a.scale(y)), "{x} scaled by {y}");
        prop_assert!(inside(&(&p / big(n as f64)), a.over(n)), "{x} / {n}");
        if y != 0.0 {
            prop_assert!(inside(&(&p / &q), a / b), "{x} / {y} in {:?}", a / b);
        }
        prop_assert!(inside(&-p.clone(), -a));
        let size = if x < 0.0 { -p.clone() } else { p.clone() };
        prop_assert!(inside(&size, a.abs()));
        prop_assert!(a.relu().contains(x.max(0.0)) && a.step().contains(x.step()) && a.sign().contains(x.sign()));
        if x >= 0.0 {
            prop_assert!(inside(&p.sqrt(), a.sqrt()), "sqrt {x} in {:?}", a.sqrt());
        }
    }

    #[test]
    fn functions_enclose((a, x) in interval(-40.0..40.0_f64), (b, y) in interval(-3.0..3.0_f64), p in -3.0..3.0_f64) {
        for (a, x) in [(a, x), (b, y)] {
            let t = big(x);
            let e = t.exp();
            prop_assert!(inside(&e, a.exp()), "exp {x} in {:?}", a.exp());
            prop_assert!(inside(&t.tanh(), a.tanh()), "tanh {x} in {:?}", a.tanh());
            prop_assert!(inside(&t.sin(), a.sin()), "sin {x} in {:?}", a.sin());
            prop_assert!(inside(&t.cos(), a.cos()), "cos {x} in {:?}", a.cos());
            prop_assert!(inside(&(&e / (big(1.0) + &e)), a.sigmoid()), "sigmoid {x} in {:?}", a.sigmoid());
            prop_assert!(inside(&(big(1.0) + &e).ln(), a.softplus()), "softplus {x} in {:?}", a.softplus());
            if x > 0.0 {
                prop_assert!(inside(&t.ln(), a.ln()), "ln {x} in {:?}", a.ln());
                prop_assert!(inside(&t.powf(&big(p)), a.powf(p)), "{x}^{p} in {:?}", a.powf(p));
            }
        }
        prop_assert!(inside(&big(x).atan2(&big(y)), a.atan2(b)), "atan2({x}, {y}) in {:?}", a.atan2(b));
    }

    /// Narrow arguments have narrow results: an enclosure that is always the whole line would be useless.
    #[test]
    fn enclosures_are_sharp(x in -30.0..30.0_f64, y in 0.1..3.0_f64) {
        let (a, b) = (Interval::from(x), Interval::from(y));
        // At most three operations behind each, each widened by two units of its own result or of 1.
        let sharp = |set: Interval| set.width() <= 16.0 * f64::EPSILON * set.magnitude().max(f64::MIN_POSITIVE);
        prop_assert!(sharp(a + b) && sharp(a - b) && sharp(a * b) && sharp(a / b));
        prop_assert!(sharp(a.square()) && sharp(b.sqrt()));
        prop_assert!(sharp(a.exp()) && sharp(a.tanh()) && sharp(a.sigmoid()) && sharp(a.softplus()) && sharp(b.ln()));
        prop_assert!(a.sin().width() < 1e-14 && a.cos().width() < 1e-14 && a.atan2(b).width() < 1e-14);
        prop_assert!(sharp(b.powf(1.5)));
    }
}

#[test]
fn what_has_no_bound_is_the_whole_line() {
    let around_0 = Interval::new(-1.0, 1.0);
    assert_eq!(Interval::ONE / around_0, Interval::ENTIRE);
    assert_eq!(around_0.sqrt(), Interval::ENTIRE);
    assert_eq!(around_0.ln(), Interval::ENTIRE);
    assert_eq!(around_0.powf(0.5), Interval::ENTIRE);
    assert_eq!(Interval::from(f64::NAN), Interval::ENTIRE);
    assert_eq!(Interval::new(2.0, 1.0), Interval::ENTIRE);
    assert_eq!(Interval::ZERO * Interval::ENTIRE, Interval::ENTIRE);
    assert_eq!(Interval::ENTIRE.scale(0.0), Interval::ENTIRE);
    assert!(!Scalar::is_finite(Interval::from(800.0).exp()) && Interval::from(800.0).exp().lo() == f64::MAX);
    // Every angle where the box meets the branch cut.
    let all = Interval::new(-0.1, 0.1).atan2(Interval::from(-1.0));
    assert!(all.contains(std::f64::consts::PI) && all.contains(-std::f64::consts::PI));
    // A whole wave, and one extreme of it.
    assert!(Interval::new(0.0, 7.0).sin().contains(-1.0) && Interval::new(0.0, 7.0).sin().contains(1.0));
    assert_eq!(Interval::new(1.5, 1.6).sin().hi(), 1.0);
    assert!(Interval::new(1.5, 1.6).sin().lo() > 0.997);
}

/// Random interval matrices, points inside them, and the exact product of the points.
#[test]
fn products_of_matrices_enclose() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 60, ..ProptestConfig::default() });
    let entry = || interval(prop_oneof![4 => -2.0..2.0_f64, 1 => Just(0.0), 1 => any_number()].boxed());
    let shapes = (1_usize..6, 1_usize..10, 1_usize..12, any::<bool>());
    let cases = shapes.prop_flat_map(move |(m, k, n, constant)| {
        let a = proptest::collection::vec(entry(), m * k);
        let b = proptest::collection::vec(entry(), k * n);
        (Just((m, k, n, constant)), a, b)
    });
    runner
        .run(&cases, |((m, k, n, constant), a, b)| {
            let b: Vec<_> =
                b.into_iter().map(|(s, x)| if constant { (Interval::from(x), x) } else { (s, x) }).collect();
            let planes = |v: &[(Interval, f64)]| -> Vec<f64> {
                v.iter().map(|(s, _)| s.lo()).chain(v.iter().map(|(s, _)| s.hi())).collect()
            };
            let view = |data, rows, columns, plane: usize| Matrix {
                data,
                rows,
                columns,
                row_step: columns,
                column_step: 1,
                plane_step: (plane > 0).then_some(plane),
            };
            let transpose = |v: &[(Interval, f64)]| -> Vec<(Interval, f64)> {
                (0..n * k).map(|i| v[(i % k) * n + i / k]).collect()
            };
            let (left, right, turned) = (planes(&a), planes(&b), planes(&transpose(&b)));
            let plane = if constant { 0 } else { k * n };
            for transposed in [false, true] {
                let mut c = vec![1.0; 2 * m * n];
                let target = MatrixMut { data: &mut c, rows: m, columns: n, row_step: n, plane_step: m * n };
                if transposed {
                    let pair = [view(&left, m, k, m * k), view(&turned, n, k, plane)];
                    matmul_transposed::<Interval>(&[pair, pair], target, Store::Add);
                } else {
                    let pair = [view(&left, m, k, m * k), view(&right, k, n, plane)];
                    matmul::<Interval>(&[pair, pair], target, Store::Add);
                }
                for i in 0..m {
                    for j in 0..n {
                        // Exact but for 240 bits, of numbers between 1e-323 and 1e300: compare with that much room.
                        let mut sum = big(1.0);
                        for p in 0..k {
                            let term = big(a[i * k + p].1).with_precision(3000).value() * big(b[p * n + j].1);
                            sum = sum.with_precision(3000).value() + term * big(2.0);
                        }
                        let set = Interval::new(c[i * n + j], c[m * n + i * n + j]);
                        prop_assert!(inside(&sum, set), "{sum} in {set:?}");
                    }
                }
            }
            Ok(())
        })
        .unwrap();
}

/// d/dx of every function over an interval encloses the derivative at the points inside, by the chain rule at f64.
#[test]
fn derivatives_over_intervals_enclose_derivatives_at_points() {
    type Function = (&'static str, fn(Dual<Interval>) -> Dual<Interval>, fn(Dual<f64>) -> Dual<f64>);
    let functions: [Function; 7] = [
        ("tanh", Scalar::tanh, Scalar::tanh),
        ("sigmoid", Scalar::sigmoid, Scalar::sigmoid),
        ("softplus", Scalar::softplus, Scalar::softplus),
        ("relu", Scalar::relu, Scalar::relu),
        ("abs", Scalar::abs, Scalar::abs),
        ("square", Scalar::square, Scalar::square),
        ("exp", Scalar::exp, Scalar::exp),
    ];
    for (name, over_sets, at_points) in functions {
        for k in -20..=20 {
            let (lo, hi) = (0.3 * f64::from(k), 0.3 * f64::from(k) + 0.5);
            let set = over_sets(Dual::new(Interval::new(lo, hi), Interval::ONE));
            for j in 0..=10 {
                let point = at_points(Dual::new(lo + 0.05 * f64::from(j), 1.0));
                // The derivatives at points are rounded: a few units of their own size or of 1.
                let room = 8.0 * f64::EPSILON * point.du.abs().max(1.0);
                let close = set.du + Interval::new(-room, room);
                assert!(close.contains(point.du), "{name}' in {:?} at {}", set.du, lo + 0.05 * f64::from(j));
            }
        }
    }
}
