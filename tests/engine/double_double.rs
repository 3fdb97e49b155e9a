//! Double-double numbers against 400-bit ones of an independent library: every operation and function within its unit.

use dashu_float::FBig;
use dashu_float::round::mode::HalfEven;
use proptest::prelude::*;
use ratecheck::loss::closed::{Bilinear, BnRegression, HelixValley, Rayleigh, TIndexedHelix, TanhCircle};
use ratecheck::loss::{Formula, Over, Workspace};
use ratecheck::scalar::{DoubleDouble, Dual, Matrix, MatrixMut, Scalar, Store, matmul, matmul_transposed};

type Big = FBig<HalfEven, 2>;

fn big(x: f64) -> Big {
    Big::try_from(x).unwrap().with_precision(400).value()
}

/// The number itself: the sum is exact.
fn exact(x: DoubleDouble) -> Big {
    big(x.hi()) + big(x.lo())
}

/// |got - expected|/|expected| in units.
fn units(got: DoubleDouble, expected: &Big) -> f64 {
    let error = exact(got) - expected;
    let zero = big(0.0);
    if error == zero {
        return 0.0;
    }
    if *expected == zero {
        return f64::INFINITY;
    }
    let ratio = (error / expected).to_f64().value().abs();
    ratio / DoubleDouble::UNIT
}

/// Numbers that are no `f64`, of moderate size: nothing under- or overflows.
fn number(low: f64, high: f64) -> impl Strategy<Value = DoubleDouble> + Clone {
    (low..high, -0.49..0.49_f64).prop_map(|(x, part)| DoubleDouble::new(x, part * (x.abs().next_up() - x.abs())))
}

/// Of either sign, over forty decades.
fn wide() -> impl Strategy<Value = DoubleDouble> + Clone {
    (-20.0..20.0_f64, number(1.0, 10.0), any::<bool>()).prop_map(|(e, x, minus)| {
        let x = x.scale(libm::exp2((e * 3.3).round()));
        if minus { -x } else { x }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn arithmetic_is_within_its_unit(a in wide(), b in wide(), near in -3.0..3.0_f64, n in 1_usize..1000) {
        let (p, q) = (exact(a), exact(b));
        // The bounds of the module's doc comment: 256 units of u^2 make one UNIT.
        let close = |got, expected: &Big, u_sq: f64| units(got, expected) <= u_sq / 256.0;
        prop_assert!(close(a + b, &(&p + &q), 4.0), "{a:?} + {b:?}");
        prop_assert!(close(a - b, &(&p - &q), 4.0), "{a:?} - {b:?}");
        // Where nearly all cancels.
        let c = -a + DoubleDouble::from(near * 1e-28 * a.hi());
        prop_assert!(close(a + c, &(&p + exact(c)), 4.0), "{a:?} + {c:?}");
        prop_assert!(close(a * b, &(&p * &q), 5.0), "{a:?} * {b:?}");
        prop_assert!(close(a.square(), &(&p * &p), 5.0), "{a:?}^2");
        prop_assert!(close(a / b, &(&p / &q), 16.0), "{a:?} / {b:?}");
        prop_assert!(close(a.scale(b.hi()), &(&p * big(b.hi())), 3.0), "{a:?} scaled");
        prop_assert!(close(a.over(n), &(&p / big(n as f64)), 4.0), "{a:?} / {n}");
        prop_assert!(close(a.abs().sqrt(), &exact(a.abs()).sqrt(), 4.0), "root of {a:?}");
    }

    #[test]
    fn functions_are_within_their_units(
        x in number(-40.0, 40.0), y in number(-3.0, 3.0), small in wide(), p in -3.0..3.0_f64,
    ) {
        let close = |got, expected: &Big, u_sq: f64| units(got, expected) <= u_sq / 256.0;
        for x in [x, y, small.scale(1e-12)] {
            let t = exact(x);
            // Below 2^-969 the low part is subnormal.
            if x.hi().abs() < 660.0 {
                let e = t.exp();
                prop_assert!(close(x.exp(), &e, 34.0), "exp {x:?}: {}", units(x.exp(), &e));
                prop_assert!(close(x.sigmoid(), &(&e / (big(1.0) + &e)), 60.0), "sigmoid {x:?}");
                // Where e^x is small its sum with 1 needs more bits than any other.
                if x.hi() > -40.0 {
                    let sum = (big(1.0) + &e).ln();
                    prop_assert!(close(x.softplus(), &sum, 210.0), "softplus {x:?}: {}", units(x.softplus(), &sum));
                }
            }
            if x.hi().abs() < 40.0 {
                prop_assert!(close(x.tanh(), &t.tanh(), 131.0), "tanh {x:?}: {}", units(x.tanh(), &t.tanh()));
                let scale = if x.hi().abs() < 0.78 { 1.0 } else { 1.0 / t.sin().to_f64().value().abs() };
                prop_assert!(close(x.sin(), &t.sin(), 20.0 * scale), "sin {x:?}: {}", units(x.sin(), &t.sin()));
                let scale = if x.hi().abs() < 0.78 { 1.0 } else { 1.0 / t.cos().to_f64().value().abs() };
                prop_assert!(close(x.cos(), &t.cos(), 20.0 * scale), "cos {x:?}: {}", units(x.cos(), &t.cos()));
            }
            if x.hi() > 0.0 {
                prop_assert!(close(x.ln(), &t.ln(), 168.0), "ln {x:?}: {}", units(x.ln(), &t.ln()));
                let power = (big(p) * t.ln()).exp();
                let l = p * libm::log(x.hi());
                prop_assert!(units(x.powf(p), &power) <= 1.0 + l.abs(), "{x:?}^{p}: {}", units(x.powf(p), &power));
            }
        }
        if x.hi() != 0.0 || y.hi() != 0.0 {
            let angle = exact(x).atan2(&exact(y));
            prop_assert!(close(x.atan2(y), &angle, 60.0), "atan2({x:?}, {y:?}): {}", units(x.atan2(y), &angle));
        }
    }

    #[test]
    fn logarithms_of_any_size(e in -1000_i32..1000, m in number(0.5, 2.0), near in wide()) {
        let x = m.scale(libm::exp2(f64::from(e / 2))).scale(libm::exp2(f64::from(e - e / 2)));
        if e > -900 {
            prop_assert!(units(x.ln(), &exact(x).ln()) <= 168.0 / 256.0, "ln {x:?}");
        }
        let x = DoubleDouble::ONE + near.scale(1e-25);
        prop_assert!(units(x.ln(), &exact(x).ln()) <= 168.0 / 256.0, "ln {x:?}");
    }
}

#[test]
fn extremes() {
    let dd = DoubleDouble::from;
    assert_eq!(dd(0.0).exp(), DoubleDouble::ONE);
    assert_eq!(dd(-800.0).exp(), DoubleDouble::ZERO);
    assert!(!Scalar::is_finite(dd(800.0).exp()) && !Scalar::is_finite(dd(1e200) * dd(1e200)));
    assert!(!Scalar::is_finite(DoubleDouble::ONE / DoubleDouble::ZERO));
    assert_eq!((dd(50.0).tanh(), dd(-50.0).tanh()), (DoubleDouble::ONE, -DoubleDouble::ONE));
    assert_eq!(dd(0.0).sqrt(), DoubleDouble::ZERO);
    for f in [
        Scalar::exp,
        Scalar::tanh,
        Scalar::sigmoid,
        Scalar::softplus,
        Scalar::ln,
        Scalar::sin,
        Scalar::relu,
        Scalar::sqrt,
    ] {
        let f: fn(DoubleDouble) -> DoubleDouble = f;
        assert!(!Scalar::is_finite(f(dd(f64::NAN))));
    }
    assert!(!Scalar::is_finite(dd(-1.0).ln()) && !Scalar::is_finite(dd(0.0).ln()) && !Scalar::is_finite(dd(1e7).sin()));
    // pi to 32 digits, from the branch cut.
    let pi = DoubleDouble::ZERO.atan2(-DoubleDouble::ONE);
    assert_eq!((pi.hi(), pi.lo()), (std::f64::consts::PI, 1.224_646_799_147_353_2e-16));
    assert!(dd(1.0) < DoubleDouble::new(1.0, 1e-20) && dd(1.0) > DoubleDouble::new(1.0, -1e-20));
}

fn target(data: &mut [f64], rows: usize, columns: usize) -> MatrixMut<'_, f64> {
    MatrixMut { data, rows, columns, row_step: columns, plane_step: rows * columns }
}

#[test]
fn products_of_matrices_are_sums_of_products() {
    let entry =
        |k: usize| DoubleDouble::new(((k * 37 + 11) % 257) as f64 / 64.0 - 2.0, ((k * 13 + 5) % 101) as f64 * 1e-19);
    for (m, k, n) in [(1, 1, 1), (3, 5, 7), (4, 8, 8), (5, 3, 13), (2, 31, 4)] {
        let planes =
            |x: &[DoubleDouble]| -> Vec<f64> { x.iter().map(|x| x.hi()).chain(x.iter().map(|x| x.lo())).collect() };
        let a: Vec<_> = (0..m * k).map(entry).collect();
        let b: Vec<_> = (0..k * n).map(|i| entry(i + 5)).collect();
        let turned: Vec<_> = (0..n * k).map(|i| b[(i % k) * n + i / k]).collect();
        let (left, right, turned) = (planes(&a), planes(&b), planes(&turned));
        let view = |data, rows, columns| Matrix {
            data,
            rows,
            columns,
            row_step: columns,
            column_step: 1,
            plane_step: Some(rows * columns),
        };
        let mut c = vec![0.0; 2 * m * n];
        matmul::<DoubleDouble>(&[[view(&left, m, k), view(&right, k, n)]], target(&mut c, m, n), Store::Replace);
        matmul_transposed::<DoubleDouble>(
            &[[view(&left, m, k), view(&turned, n, k)]],
            target(&mut c, m, n),
            Store::Add,
        );
        // A constant factor has a single plane.
        let constant = Matrix { plane_step: None, ..view(&right, k, n) };
        matmul::<DoubleDouble>(&[[view(&left, m, k), constant]], target(&mut c, m, n), Store::Add);
        for i in 0..m {
            for j in 0..n {
                let (mut sum, mut size) = (big(0.0), 0.0);
                for p in 0..k {
                    let (x, y) = (a[i * k + p], b[p * n + j]);
                    sum += exact(x) * (exact(y) + exact(y) + big(y.hi()));
                    size += 3.0 * (x.hi() * y.hi()).abs();
                }
                let got = DoubleDouble::new(c[i * n + j], c[m * n + i * n + j]);
                let error = (exact(got) - sum).to_f64().value().abs();
                assert!(error <= (k + 4) as f64 * DoubleDouble::UNIT * size, "{m} {k} {n}: {error:e}");
            }
        }
    }
}

/// The gradient a loss writes down is the derivative of its value to 27 digits,
/// and agrees with that of `f64` to its own.
fn differentiates(loss: &impl Formula, theta: &[f64], drift: f64) {
    let exact: Vec<DoubleDouble> = theta.iter().map(|&x| DoubleDouble::from(x)).collect();
    let mut lifted: Vec<Dual<DoubleDouble>> = exact.iter().map(|&x| Dual::new(x, DoubleDouble::ZERO)).collect();
    let (mut grad, mut plain) = (vec![DoubleDouble::ZERO; theta.len()], vec![0.0; theta.len()]);
    let value = loss.sample_gradient(&[0], &exact, &mut grad, &mut Workspace::default());
    let rounded = loss.sample_gradient(&[0], theta, &mut plain, &mut Workspace::default());
    assert!((value.value() - rounded).abs() <= 1e-13 * (1.0 + rounded.abs()));
    for i in 0..theta.len() {
        lifted[i].du = DoubleDouble::ONE;
        let slope = loss.value(&[0], &lifted).du;
        lifted[i].du = DoubleDouble::ZERO;
        assert!((slope - grad[i]).abs().value() <= drift * (1.0 + slope.value().abs()), "{i}: {slope:?} {:?}", grad[i]);
        assert!((grad[i].value() - plain[i]).abs() <= 1e-12 * (1.0 + plain[i].abs()));
    }
}

#[test]
fn closed_forms_in_double_double() {
    let exact = 1e3 * DoubleDouble::UNIT;
    differentiates(&Rayleigh::equally_spaced(5), &[1.0, 0.5, -0.25, 2.0, 0.3], exact);
    differentiates(&BnRegression::new(vec![0.6, 0.0, 0.8]), &[1.0, 0.5, -0.25, 0.5], exact);
    differentiates(&TanhCircle::new(1.0), &[0.3, 0.9], exact);
    differentiates(&HelixValley::catalogue(0.5), &[0.3, 0.9, 2.0], exact);
    let bilinear = Bilinear::new(ndarray::array![[1.0, 0.5], [0.0, 2.0]]).unwrap();
    differentiates(&bilinear, &[0.5, 0.25, -0.5, 1.0], exact);
    // Its constants 2/l and 2sl are rounded to f64, in the value and in the slope of g separately.
    differentiates(&TIndexedHelix::for_steps(1000), &[0.3, 0.9, 2.0], 1e-15);
}
