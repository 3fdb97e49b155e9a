//! What must not hold, and what must be said.

use super::*;

/// Runs of a curve with independent noise, at 200 steps from 10 on.
fn runs_of(curve: impl Fn(f64) -> f64, last: u64, n_runs: usize, noise: f64, seed: u64) -> Log {
    let mut generator = Seed::new(seed).generator("runs of a curve");
    let mut text = String::from("seed,t,grad_norm\n");
    let steps = log_spaced(10, last, 200);
    for run in 0..n_runs {
        for (&t, z) in steps.iter().zip(normals(steps.len(), noise, &mut generator)) {
            text += &format!("{run},{t},{}\n", curve(t as f64) * libm::exp(z));
        }
    }
    read(&text, &columns(Some("t"), Some("grad_norm"), Some("seed"))).expect("a log")
}

#[test]
fn both_halves_of_the_window_must_agree() {
    // T^(-0.1) + 22 T^(-1/2): on [2e3, 2e5] the local slope -(0.1 + 0.5 x)/(1 + x), x = 22 T^(-0.4), is -0.218 in the
    // middle, and -0.260 and -0.184 in the middle of the halves. The limit is -0.1.
    let log = runs_of(|t| libm::pow(t, -0.1) + 22.0 * libm::pow(t, -0.5), 200_000, 16, 0.01, 3);
    for one_sided in [false, true] {
        let found = fit(&log, &Request { one_sided, ..request() }).expect("a fit");
        assert_eq!(found.verdict, Some(Verdict::Inconclusive), "{}", found.reason);
        assert!(found.reason.contains("its halves have the slopes"), "{}", found.reason);
        assert_eq!(found.chosen().map(|fitted| fitted.decision), Some(Decision::Shown));
    }
}

#[test]
fn a_plateau_does_not_hold_wherever_the_log_ends() {
    // 0.3 e^(-t/3e4) + 0.06 falls as fast as one likes on its way to 0.06. For logs that end between 2.1e5 and 5.2e5,
    // both halves of the window are steeper than -0.2; the end is not.
    let plateau = |t: f64| 0.3 * libm::exp(-t / 3e4) + 0.06;
    let mut by_the_end = 0;
    for k in 0..=60 {
        let last = (3e4 * libm::pow(100.0, f64::from(k) / 60.0)) as u64;
        for (n_runs, noise, deterministic) in [(8, 0.003, false), (1, 0.0, true)] {
            let log = runs_of(plateau, last, n_runs, noise, 5);
            for against in [-0.25, -0.5] {
                let asked = Request { one_sided: true, deterministic, against: Some(against), ..request() };
                let found = fit(&log, &asked).expect("a fit");
                assert!(found.verdict != Some(Verdict::Holds), "{last} {n_runs}: {}", found.reason);
                by_the_end += usize::from(found.reason.contains("at its end"));
            }
        }
    }
    // ln(5.2/2.1)/ln(100)*60 = 12 lengths, for each of the two logs.
    assert!(by_the_end >= 20, "{by_the_end}");
    // While it falls to the end, it holds: no fit can know of a plateau to come.
    let falling = runs_of(|t| libm::pow(t, -0.25) + 1e-3, 100_000, 8, 0.003, 5);
    assert_eq!(fit(&falling, &request()).expect("a fit").verdict, Some(Verdict::Holds));
}

#[test]
fn a_logarithm_is_named_where_it_would_explain_the_slope() {
    // The form of Theorem 4.2 at alpha = 1/2: 3/4 of a mean of 1/ln T, 0.07 to 0.11 on the last two decades.
    for last in [10_000, 100_000, 1_000_000, 10_000_000] {
        for (n_runs, noise, one_sided) in [(8, 0.02, false), (8, 0.02, true), (3, 0.5, true)] {
            let log = runs_of(|t| libm::pow(t, -0.25) * libm::pow(libm::log(t), 0.75), last, n_runs, noise, 2);
            let found = fit(&log, &Request { one_sided, ..request() }).expect("a fit");
            let slope = found.chosen().expect("a form").slope;
            if found.verdict != Some(Verdict::Holds) && slope > -0.25 {
                assert!(found.reason.contains("--log-power 0.75"), "{last}: {}", found.reason);
            }
            if noise < 0.1 {
                assert_ne!(found.verdict, Some(Verdict::Holds), "{last}: {}", found.reason);
                let with = fit(&log, &Request { log_power: 0.75, ..request() }).expect("a fit");
                assert_eq!(with.verdict, Some(Verdict::Holds), "{last}: {}", with.reason);
            }
        }
    }
    // T^(-0.05) is slower than any logarithm of up to the first power explains: 0.2 less 0.05 of margin, and 1/ln T is
    // at most 0.14 on [1e4, 1e6]. Nor does one explain what is too fast.
    for (p, against) in [(-0.05, -0.25), (-0.5, -0.25)] {
        let log = power_law(p, 0.0, 8, 0.02, 2);
        let found = fit(&log, &Request { against: Some(against), ..request() }).expect("a fit");
        assert_eq!(found.verdict, Some(Verdict::Fails));
        assert!(!found.reason.contains("--log-power"), "{}", found.reason);
    }
}

#[test]
fn halves_hold_with_their_own_intervals() {
    // Eight runs whose slopes are -1/4 -+ 0.1 on the first half of [1e4, 1e6] and -1/4 +- 0.1 on the second. The mean
    // of the whole knows nothing of that, nor does the mean over the runs but for ln cosh(0.1 ln(t/1e5)), a slope of at
    // most 0.02; that of a half is known to 2.4*0.1/sqrt(7) = 0.09.
    let mut text = String::from("s,t,y\n");
    for run in 0..8 {
        let kink = 0.1 - 0.2 * f64::from(run % 2);
        for k in 0..=100 {
            let t = libm::pow(10.0, 1.0 + 0.05 * f64::from(k));
            let y = libm::pow(t, -0.25) * libm::exp(kink * libm::log(t / 1e5).abs());
            text += &format!("{run},{t},{}\n", y * (1.0 + 1e-3 * f64::from(run)));
        }
    }
    let log = read(&text, &columns(Some("t"), Some("y"), Some("s"))).expect("a log");
    let found = fit(&log, &request()).expect("a fit");
    let chosen = found.chosen().expect("a form");
    assert_eq!((chosen.decision, found.verdict), (Decision::Shown, Some(Verdict::Inconclusive)), "{}", found.reason);
    assert!(found.reason.contains("the intervals of its halves"), "{}", found.reason);
    // With three horizons nothing is known of halves.
    let log = read(
        "s,t,y\n0,1,1\n0,10,0.5\n0,100,0.25\n1,1,2\n1,10,1\n1,100,0.5\n",
        &columns(Some("t"), Some("y"), Some("s")),
    );
    let asked = Request { against: Some(-0.301), ..request() };
    let found = fit(&log.expect("a log"), &asked).expect("a fit");
    assert_eq!(found.verdict, Some(Verdict::Inconclusive));
    assert!(found.reason.contains("fewer than three horizons"), "{}", found.reason);
}

#[test]
fn runs_that_do_not_belong_are_named() {
    // Nine runs of T^(-1/4) and one that stays at 0.1: and one that is a thousand times as high.
    let mut generator = Seed::new(8).generator("odd");
    let steps = log_spaced(10, 1_000_000, 100);
    let text = |odd: &dyn Fn(f64) -> f64, generator: &mut ratecheck::random::Generator| {
        let mut text = String::from("seed,t,y\n");
        for run in 0..10 {
            for (&t, z) in steps.iter().zip(normals(steps.len(), 0.1, generator)) {
                let t = t as f64;
                let y = if run == 6 { odd(t) } else { libm::pow(t, -0.25) };
                text += &format!("{run},{t},{}\n", y * libm::exp(z));
            }
        }
        read(&text, &columns(Some("t"), Some("y"), Some("seed"))).expect("a log")
    };
    for (odd, by_slope, by_height) in
        [(&(|_| 0.1) as &dyn Fn(f64) -> f64, true, true), (&|t| 1e3 * libm::pow(t, -0.25), false, true)]
    {
        let found = fit(&text(odd, &mut generator), &request()).expect("a fit");
        let [one] = found.outliers.as_slice() else { panic!("{:?}", found.outliers) };
        assert_eq!((one.run.as_str(), one.by_slope, one.by_height), ("run 6", by_slope, by_height), "{one:?}");
        assert!(found.notes.iter().any(|note| note.starts_with("run 6 is an outlier")), "{:?}", found.notes);
        assert!(found.verdict != Some(Verdict::Holds) || found.reason.contains("see the note"), "{}", found.reason);
        // A slope without noise has a deviation of 0.1/sqrt(40)/1.33 = 0.012, and the mean of nine a third of it.
        assert!((one.others + 0.25).abs() < 0.03, "{one:?}");
    }
    // Heights that scatter as normal numbers do have none, nor have runs that differ by rounding.
    assert!(fit(&power_law(-0.25, 0.0, 10, 0.1, 7), &request()).expect("a fit").outliers.is_empty());
    let exact = read(
        &(0..12).fold("s,t,y\n".to_owned(), |text, s| {
            (0..40).fold(text, |text, k| {
                let t = libm::pow(10.0, 0.1 * f64::from(k));
                text + &format!("{s},{t},{}\n", (1.0 + 0.01 * f64::from(s)) * libm::pow(t, -0.25))
            })
        }),
        &columns(Some("t"), Some("y"), Some("s")),
    );
    let found = fit(&exact.expect("a log"), &Request { margin: 0.0, ..request() }).expect("a fit");
    assert!(found.outliers.is_empty(), "{:?}", found.outliers);
}

#[test]
fn run_by_run_no_run_counts_for_more() {
    // Nine runs of T^(-1/4), and one of T^(-1/2) that is a hundred times as high: its slope is that of the mean.
    let mut text = String::from("s,t,y\n");
    for run in 0..10 {
        for t in log_spaced(10, 1_000_000, 100) {
            let (p, factor) = if run == 3 { (-0.5, 1e4) } else { (-0.25, 1.0 + 0.1 * f64::from(run)) };
            text += &format!("{run},{t},{}\n", factor * libm::pow(t as f64, p));
        }
    }
    let log = read(&text, &columns(Some("t"), Some("y"), Some("s"))).expect("a log");
    let found = fit(&log, &Request { one_sided: true, margin: 0.1, against: Some(-0.5), ..request() }).expect("a fit");
    let chosen = found.chosen().expect("a form");
    let own = chosen.run_by_run.as_ref().expect("ten runs");
    // (9 * 0.25 + 0.5)/10; bins of four steps bias a slope by less than 5e-3.
    assert!((own.slope + 0.275).abs() < 5e-3 && (chosen.slope + 0.5).abs() < 0.05, "{chosen:?}");
    assert_eq!(own.slopes.len(), 10);
    assert!(own.interval[0] < own.slope && own.slope < own.interval[1]);
    if chosen.decision == Decision::Shown {
        assert!(found.notes.iter().any(|note| note.starts_with("run by run")), "{:?}", found.notes);
    }
    let alone = fit(&power_law(-0.25, 0.0, 1, 0.1, 7), &request()).expect("a fit");
    assert!(alone.chosen().expect("a form").run_by_run.is_none());
}
