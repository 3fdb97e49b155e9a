//! The paper's constants and bounds: how they grow, where they meet, and that nothing is hidden. Values worked out by
//! hand stand in the documentation of each.

use proptest::prelude::*;
use ratecheck::bounds::*;

/// Both sides are evaluated with a relative error of at most 20 roundings.
fn at_most(x: f64, y: f64) -> bool {
    x <= y + 20.0 * f64::EPSILON * (x.abs() + y.abs())
}

fn close(x: f64, y: f64) -> bool {
    at_most(x, y) && at_most(y, x)
}

/// Numbers over eight decades.
fn positive() -> impl Strategy<Value = f64> {
    (-4.0..4.0).prop_map(|exponent: f64| 10.0_f64.powf(exponent))
}

proptest! {
    #[test]
    fn constants_grow_with_what_they_are_made_of(
        l in [positive(), positive(), positive(), positive()], c in 0.01..0.99_f64, factor in 1.0..10.0_f64,
        n in positive(), eta in positive(), h in positive(),
    ) {
        let [l_vv, l_vg, l_gg, l_a] = l;
        let c_i = c_w(&[l_vv, l_vv], l_vg, l_gg, c);
        prop_assert!(at_most(c_i, c_w(&[l_vv, factor * l_vv], l_vg, l_gg, c)));
        prop_assert!(at_most(c_i, c_w(&[l_vv, l_vv], factor * l_vg, l_gg, c)));
        prop_assert!(at_most(c_w(&[l_vv, l_vv], l_vg, factor * l_gg, c), c_i));
        prop_assert!(at_most(c_w(&[l_vv, l_vv], l_vg, l_gg, (factor * c).min(1.0)), c_i));
        prop_assert!(at_most(k_w(c_i, l_a, eta, n), k_w(c_i, l_a, factor * eta, n)));
        prop_assert!(at_most(k_w(c_i, l_a, eta, factor * n), k_w(c_i, factor * l_a, eta, n)));
        prop_assert!(at_most(n, lemma_a2_norm_sq(c_i, l_a, eta, n)));
        prop_assert!(at_most(lemma_a2_norm_sq(c_i, l_a, eta, n), lemma_a2_norm_sq(c_i, l_a, factor * eta, n)));
        let d = d_w(eta, l_a, n);
        prop_assert!(at_most(d, d_w(factor * eta, l_a, n)) && at_most(d_w(eta, l_a, factor * n), d));
        // D depends on eta LA only.
        prop_assert!(close(d, d_w(eta * l_a, 1.0, n)));
        prop_assert!(at_most(n, lemma_b3_norm_sq(n, d, h)));
        prop_assert!(at_most(psi(eta, n, d, factor * h), psi(eta, n, d, h)));
        prop_assert!(at_most(psi(eta, n, d, h), eta / n));
        let (lower, upper) = remark_4_1(eta, n, d, h);
        prop_assert!(lower <= upper && lower == psi(eta, n, d, h) && upper == eta / n);
        prop_assert!(at_most(lam(n, d, h), lam(n, d, factor * h)) && lam(n, d, h) >= 0.0);
        // Lam bounds log2(n_T/n_0) for the largest n_T that Lemma B.3 allows; absolute, as 1 + x rounds for small x.
        let grown = libm::log2(lemma_b3_norm_sq(n, d, h) / n);
        prop_assert!((lam(n, d, h) - grown).abs() <= 1e-14 * grown.max(1.0));
        let block = theorem_4_2_block(c_i, grown, eta, l_a, n);
        let b4 = lemma_b4(eta, l_a, n, lemma_b3_norm_sq(n, d, h));
        prop_assert!(close(block, c_i * b4));
        prop_assert!(at_most(u_noise(l_gg, c, l_a), u_noise(l_gg, (factor * c).min(1.0), factor * l_a)));
    }

    #[test]
    fn lemma_b1_holds_on_any_sequence(
        a_start in positive(), increments in prop::collection::vec((0.0..1.0_f64, -20.0..0.0_f64), 1..200),
    ) {
        let a: Vec<f64> = increments.iter().map(|(x, decade)| x * 10.0_f64.powf(*decade)).collect();
        let b = a.iter().copied().fold(0.0, f64::max);
        let (mut total, mut sum) = (a_start, 0.0);
        for x in a {
            sum += x / total;
            let (printed, sharp) = (lemma_b1(a_start, b, total), lemma_b1_sharp(a_start, b, total));
            // A few roundings for each of at most 200 terms, and those of A in the logarithm.
            prop_assert!(sum <= sharp + 1e-13 * (1.0 + sharp), "{sum} {sharp}");
            prop_assert!(sharp <= core::f64::consts::LN_2 * printed + 1e-13 * (1.0 + sharp), "{sharp} {printed}");
            total += x;
        }
    }

    #[test]
    fn lemma_b1_holds_where_sums_double(a_start in positive(), b in positive(), n in 1_usize..400) {
        let (mut total, mut sum) = (a_start, 0.0);
        for _ in 0..n {
            let x = total.min(b);
            sum += x / total;
            prop_assert!(sum <= lemma_b1_sharp(a_start, b, total) * (1.0 + 1e-13) + 1e-13);
            prop_assert!(sum <= lemma_b1(a_start, b, total));
            total += x;
        }
    }

    #[test]
    fn the_taylor_remainder_is_what_lemma_3_2_spends(
        l in [positive(), positive(), positive()], turn in positive(), move_g in positive(), c in 0.01..0.99_f64,
    ) {
        // For one block, Q <= C turn^2 + (1/2)(1 + c/2) Lg move_g^2, with equality where the mixed term is balanced.
        let [l_vv, l_vg, l_gg] = l;
        let q = |move_g: f64| taylor_remainder(ndarray::array![[l_vv]].view(), &[l_vg], l_gg, &[turn], move_g);
        let of_w = c_w(&[l_vv], l_vg, l_gg, c) * turn * turn;
        let paid = |move_g: f64| of_w + 0.5 * (1.0 + 0.5 * c) * l_gg * move_g * move_g;
        prop_assert!(at_most(q(move_g), paid(move_g)));
        let balanced = 2.0 * l_vg * turn / (c * l_gg);
        prop_assert!(close(q(balanced), paid(balanced)));
        // What is left of the first-order term is that of the lemma at the largest eta_g.
        let eta_g = eta_g_limit(l_gg, c);
        prop_assert!(close((1.0 - 0.5 * c) * eta_g, 0.5 * (1.0 + 0.5 * c) * l_gg * eta_g * eta_g));
    }

    #[test]
    fn lemma_b2_is_made_of_its_parts(
        parts in [positive(), positive(), positive(), positive()],
        c in 0.01..0.99_f64, c_i in positive(), u in positive(),
    ) {
        let [descent, noise, g, eta_g_sq] = parts;
        let whole = lemma_b2(&[descent, 2.0 * descent], &[c_i, c_i], &[noise, noise], c, g, u, eta_g_sq);
        let gains = lemma_b2(&[descent, 2.0 * descent], &[c_i, c_i], &[0.0, 0.0], c, g, 0.0, eta_g_sq);
        let costs = lemma_b2(&[0.0], &[c_i], &[2.0 * noise], c, 0.0, u, eta_g_sq);
        let size = 3.0 * descent + g + costs;
        prop_assert!((whole - (gains + costs)).abs() <= 1e-14 * size);
        prop_assert!(close(gains, -(3.0 * descent + 0.5 * c * g)));
        prop_assert!(close(costs, 2.0 * c_i * noise + u * eta_g_sq));
    }

    #[test]
    fn theorem_3_1_is_made_of_its_parts(
        delta in positive(), k in positive(), n in positive(), eta in positive(), c in 0.01..0.99_f64,
        eta_g in positive(), t in 1_u64..1_000_000,
    ) {
        let a = lemma_a2(delta, &[k, 2.0 * k]);
        prop_assert!(close(a, delta + 3.0 * k));
        let starts = [n, 0.5 * n];
        let (sum, tight) = (theorem_3_1_sum_v(a, eta, &starts), theorem_3_1_sum_v_tight(a, eta, &starts));
        prop_assert!(at_most(tight, sum), "the tighter form is at most the other: {tight} {sum}");
        prop_assert!(at_most(sum, theorem_3_1_sum_v(a, 0.5 * eta, &starts)));
        let sum_g = theorem_3_1_sum_g(a, c, eta_g);
        prop_assert!(close(theorem_3_1_min(t, a, eta, &starts, c, eta_g) * t as f64, sum + sum_g));
        // A path that uses up all of (20) on g reaches the bound on g, and one that grows by it stays below (11)'s.
        prop_assert!(close(lemma_a2_left(eta, &starts, &starts, c, eta_g, sum_g), a));
        let end = n + 2.0 * eta * a;
        prop_assert!(close(lemma_a2_left(eta, &[n], &[end], c, eta_g, 0.0), ((end - n) / eta) / 2.0));
        let most = theorem_3_1_sum_v(a, eta, &[n]) * (1.0 + 1e-10 * end / (end - n));
        prop_assert!(at_most(equation_11(eta, n, end), most));
        // Without growth and decrease the sketch leaves the C_i.
        prop_assert!(close(sketch_sum_g(0.0, c, eta_g, &[1.0, 2.0], &starts, &starts), 6.0 / (c * eta_g)));
    }

    #[test]
    fn theorem_4_2_is_made_of_its_parts(
        psi_i in positive(), sum_v in positive(), sum_g in positive(), c in 0.01..0.99_f64, eta_g in positive(),
        t in 1_u64..1_000_000, delta in positive(), u in positive(), h in positive(),
    ) {
        let psis = [psi_i, 2.0 * psi_i];
        let least = theorem_4_2_psi(t, &psis, c, eta_g);
        prop_assert!(least <= psi_i && at_most(least, 0.5 * c * eta_g / (t as f64).sqrt()));
        let left = theorem_4_2_left(t, &psis, &[sum_v, sum_v], c, eta_g, sum_g);
        // The sharper form implies the printed one: min <= (1/T) sum <= Br/(T Psi).
        prop_assert!(at_most((2.0 * sum_v + sum_g) / t as f64, theorem_4_2_min(t, left, least)));
        let br = theorem_4_2(delta, &[1.0, 2.0], u, eta_g, h);
        prop_assert!(close(br, delta + 3.0 + u * eta_g * eta_g * h));
        prop_assert!(at_most(br, theorem_4_2(delta, &[1.0, 2.0], u, eta_g, 2.0 * h)));
    }

    #[test]
    fn the_limits_on_eta_g_are_ordered(l_gg in positive(), c in 0.0..1.0_f64) {
        // 2(1-c) <= 2(2-c)/(2+c), since (1-c)(2+c) = 2 - c - c^2; both are at most 2/Lg and fall in c and Lg.
        prop_assert!(at_most(eta_g_printed(l_gg, c), eta_g_limit(l_gg, c)));
        prop_assert!(at_most(eta_g_limit(l_gg, c), 2.0 / l_gg));
        prop_assert!(at_most(eta_g_limit(l_gg, (c + 0.1).min(1.0)), eta_g_limit(l_gg, c)));
        prop_assert!(close(eta_g_limit(2.0 * l_gg, c), eta_g_limit(l_gg, c) / 2.0));
        // Where the limit comes from: 1 - eta_g Lg (1/2 + c/4) >= c/2, with equality at it.
        prop_assert!((1.0 - eta_g_limit(l_gg, c) * l_gg * (0.5 + 0.25 * c) - 0.5 * c).abs() <= 1e-15);
    }
}

#[test]
fn ends_of_the_range_of_c() {
    assert_eq!((eta_g_limit(1.0, 0.0), eta_g_printed(1.0, 0.0)), (2.0, 2.0));
    assert_eq!((eta_g_limit(3.0, 1.0), eta_g_printed(3.0, 1.0)), (2.0 / 9.0, 0.0));
    assert_eq!(c_w(&[2.0], 1.0, 1.0, 0.0), f64::INFINITY);
}

#[test]
fn lemma_3_2_promises_half_the_decrease_below_one_over_two_c() {
    // E8: with C eta/n <= 1/2 the W part is at least half of eta ||grad||^2; at 3/4 a quarter.
    let part = |eta: f64| -lemma_3_2(eta, 0.0, 0.5, &[1.0], &[1.0], &[1.0], 0.0) / eta;
    assert_eq!((part(0.5), part(0.75), part(1.0)), (0.5, 0.25, 0.0));
}

#[test]
fn what_is_not_a_number_is_never_hidden() {
    let nan = f64::NAN;
    for n in [[nan, 1.0], [1.0, nan]] {
        assert!(theorem_3_1_sum_v_tight(1.0, 1.0, &n).is_nan());
        assert!(theorem_4_2_psi(1, &n, 0.5, 1.0).is_nan());
        assert!(theorem_4_2_psi(1, &[1.0], 0.5, nan).is_nan());
        assert!(lemma_3_2(1.0, 1.0, 0.5, &n, &[1.0; 2], &[1.0; 2], 0.0).is_nan());
        assert!(lemma_a2(0.0, &n).is_nan());
    }
    assert!(c_w(&[1.0], nan, 1.0, 0.5).is_nan());
}
