//! The forms of a rate, the intervals over runs and their agreement with second implementations.

use nalgebra::{DMatrix, DVector};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use ratecheck::random::{Generator, Seed};
use ratecheck::rates::{
    BIN_RATIO, FitError, Form, Model, Runs, Summary, Window, fit_power_law, fit_power_law_with_log, log_spaced,
};
use statrs::distribution::{Binomial, DiscreteCDF};

fn generator(name: &str) -> Generator {
    Seed::new(2019).child("tests/forms").generator(name)
}

fn horizons(from: u64, to: u64, n: usize) -> Vec<f64> {
    log_spaced(from, to, n).into_iter().map(|t| t as f64).collect()
}

fn normal(generator: &mut Generator) -> f64 {
    StandardNormal.sample(generator)
}

#[test]
fn noise_free_rates_in_every_form() {
    let (t, window) = (horizons(1, 1_000_000, 600), Window::new(1e4, 1e6));
    for p in [-1.5, -1.0, -0.5, -0.25] {
        for q in [0.0, 1.0] {
            // ln(10 t), so that the factor is defined and increasing from t = 1 on; it is the model's for t -> t/10.
            let y: Vec<f64> = t.iter().map(|t: &f64| 3.0 * t.powf(p) * (10.0 * t).ln().powf(q)).collect();
            let slope = |form| {
                let model = Model::new(window, Summary::Mean).form(form);
                Runs::new(&t, &y, &model).expect("valid").slope()
            };
            let direct = fit_power_law(&t, &y, window).expect("a fit").slope;
            assert!((slope(Form::Recorded) - direct).abs() < 1e-13);
            // Other horizons change the tilt by a logarithm, whose slope varies by 0.04 over the window.
            let tilt = if q == 0.0 { 1e-12 } else { 2e-3 };
            assert!((slope(Form::Min) - direct).abs() < tilt, "{p} {q}: {}", slope(Form::Min));
            // Bins of 9 or 10 recorded times: the mean over one is off by p^2 ln(1.25)^2/24 of a constant, half of
            // which comes and goes with the tenth.
            assert!((slope(Form::LastWindow) - direct).abs() < 2e-3 + tilt, "{p} {q}: {}", slope(Form::LastWindow));

            // The average by another quadrature: t = e^x, and Simpson's rule on 20,000 pieces.
            let f = |x: f64| 3.0 * ((1.0 + p) * x).exp() * (10.0_f64.ln() + x).powf(q);
            let integral = |to: f64| {
                let (n, h) = (20_000, to.ln() / 20_000.0);
                let inner: f64 = (1..n).map(|k| f64::from(2 + 2 * (k % 2)) * f(f64::from(k) * h)).sum();
                h / 3.0 * (f(0.0) + inner + f(to.ln()))
            };
            let ends = horizons(10_000, 1_000_000, 22);
            // The first value stands for [0, 1].
            let exact: Vec<f64> = ends.iter().map(|&t| (y[0] + integral(t)) / t).collect();
            let expected = fit_power_law(&ends, &exact, window).expect("a fit").slope;
            // Trapezoids: h^2/12 of a constant, for steps of ln t of h = 0.023 and more where whole numbers are sparse.
            assert!((slope(Form::Average) - expected).abs() < 3e-3, "{p} {q}: {} {expected}", slope(Form::Average));
            if q == 0.0 && p < -1.0 {
                assert!(slope(Form::Average) > -1.0, "an average cannot fall faster than 1/T");
            }
        }
    }
}

#[test]
fn the_logarithm_is_taken_out_of_the_root() {
    // Squares (T^p (ln T)^q)^2: the slope of the root, with q of the root,
    // is p for every form that leaves single times alone.
    let t = horizons(100, 1_000_000, 40);
    let window = Window::new(1e2, 1e6);
    for (p, q) in [(-0.25, 0.75), (-0.5, -1.0), (-1.0, 2.0)] {
        let squares: Vec<f64> = t.iter().map(|t: &f64| (t.powf(p) * t.ln().powf(q)).powi(2)).collect();
        for form in [Form::Recorded, Form::LastWindow] {
            let model = Model::new(window, Summary::RootMean).form(form).log_exponent(q);
            let runs = Runs::new(&t, &squares, &model).expect("valid");
            // One recorded time a bin (their ratio is 1.266 > 1.25).
            assert!((runs.slope() - p).abs() < 1e-13, "{form:?} {p} {q}: {}", runs.slope());
            let (horizons, root) = runs.curve();
            let fit = fit_power_law_with_log(horizons, root, window, q).expect("a fit");
            assert!((fit.slope - p).abs() < 1e-13 && fit.intercept.abs() < 1e-12);
        }
    }
}

/// Runs x times with slopes and noise of their own.
fn noisy(t: &[f64], n_runs: usize, generator: &mut Generator) -> Vec<f64> {
    let mut values = Vec::new();
    for _ in 0..n_runs {
        let p = -0.5 + 0.05 * normal(generator);
        values.extend(t.iter().map(|t| t.powf(p) * (0.3 * normal(generator)).exp()));
    }
    values
}

#[test]
fn the_bootstrap_agrees_with_a_matrix_product_of_counts() {
    // The same draws as counts; means at all recorded times as counts x values; forms by their definitions;
    // slopes by QR.
    let (n_runs, n_resamples) = (12, 400);
    let t = horizons(10, 100_000, 60);
    let window = Window::new(1e3, 1e5);
    let values = noisy(&t, n_runs, &mut generator("counts"));
    let mut draws = generator("draws");
    let mut counts = DMatrix::<f64>::zeros(n_resamples, n_runs);
    for resample in 0..n_resamples {
        for _ in 0..n_runs {
            counts[(resample, draws.random_range(0..n_runs as u32) as usize)] += 1.0 / n_runs as f64;
        }
    }
    let means: DMatrix<f64> = counts * DMatrix::from_row_slice(n_runs, t.len(), &values);

    let mut ends = Vec::new();
    let mut k = t.iter().position(|&t| t >= window.from).expect("inside");
    while k < t.len() {
        let start = t[k];
        let bin: Vec<usize> = (k..t.len()).take_while(|&k| t[k] < BIN_RATIO * start).collect();
        k += bin.len();
        ends.push(bin);
    }
    for form in [Form::Recorded, Form::Min, Form::Average, Form::LastWindow] {
        for (summary, root) in [(Summary::Mean, 1.0), (Summary::RootMean, 0.5)] {
            let q = 0.75;
            let curve = |mean: &dyn Fn(usize) -> f64| -> Vec<(f64, f64)> {
                let at = |last: usize| match form {
                    Form::Min => (0..=last).map(mean).fold(f64::INFINITY, f64::min),
                    _ => {
                        let area = |k: usize| 0.5 * (mean(k - 1) + mean(k)) * (t[k] - t[k - 1]);
                        (t[0] * mean(0) + (1..=last).map(area).sum::<f64>()) / t[last]
                    }
                };
                let bin_mean = |bin: &[usize]| bin.iter().map(|&k| mean(k)).sum::<f64>() / bin.len() as f64;
                let centre = |bin: &[usize]| (bin.iter().map(|&k| t[k].ln()).sum::<f64>() / bin.len() as f64).exp();
                match form {
                    Form::Recorded => ends.concat().into_iter().map(|k| (t[k], mean(k))).collect(),
                    Form::LastWindow => ends.iter().map(|bin| (centre(bin), bin_mean(bin))).collect(),
                    _ => ends.iter().map(|bin| bin[bin.len() - 1]).map(|last| (t[last], at(last))).collect(),
                }
            };
            let slope = |curve: &[(f64, f64)]| {
                let design = DMatrix::from_fn(curve.len(), 2, |i, j| if j == 0 { 1.0 } else { curve[i].0.ln() });
                let right =
                    DVector::from_iterator(curve.len(), curve.iter().map(|(t, y)| root * y.ln() - q * t.ln().ln()));
                let qr = design.qr();
                (qr.r().try_inverse().expect("full rank") * qr.q().transpose() * right)[1]
            };
            let mut slopes: Vec<f64> =
                (0..n_resamples).map(|resample| slope(&curve(&|k| means[(resample, k)]))).collect();
            slopes.sort_by(f64::total_cmp);
            let all = |k: usize| values.iter().skip(k).step_by(t.len()).sum::<f64>() / n_runs as f64;

            let model = Model::new(window, summary).form(form).log_exponent(q);
            let runs = Runs::new(&t, &values, &model).expect("valid");
            let found = runs.bootstrap(0.9, n_resamples, &mut generator("draws")).expect("an interval");
            // The quantiles 0.05 and 0.95 of 400 lie at 19.95 and 379.05, counted from 0.
            let low = slopes[19] + 0.95 * (slopes[20] - slopes[19]);
            let high = slopes[379] + 0.05 * (slopes[380] - slopes[379]);
            // Condition number of the design, below 100, times roundings of logarithms up to 12.
            for (ours, theirs) in [(found.slope, slope(&curve(&all))), (found.low, low), (found.high, high)] {
                assert!((ours - theirs).abs() < 1e-11, "{form:?} {summary:?}: {ours} {theirs}");
            }
        }
    }
}

#[test]
fn intervals_over_few_runs_cover() {
    // The hull of both intervals, for as few as three runs,
    // where the percentile bootstrap alone covers far less than it says.
    let t = horizons(100, 10_000, 12);
    let window = Window::new(1.0, 1e9);
    let trials = 600;
    let mut generator = generator("few");
    for n_runs in [3, 5, 8, 30] {
        let (mut hull_hits, mut bootstrap_hits) = (0, 0);
        for _ in 0..trials {
            let values = noisy(&t, n_runs, &mut generator);
            let runs = Runs::new(&t, &values, &Model::new(window, Summary::Mean)).expect("valid");
            let bootstrap = runs.bootstrap(0.95, 400, &mut generator).expect("an interval").interval();
            let hull = bootstrap.hull(runs.estimate().expect("two runs").interval(0.95));
            // E y = t^(-1/2) exp((0.05 ln t)^2/2 + 0.3^2/2): its slope on these horizons.
            let expected: Vec<f64> = t.iter().map(|t| t.powf(-0.5) * (0.5 * (0.05 * t.ln()).powi(2)).exp()).collect();
            let truth = fit_power_law(&t, &expected, window).expect("a fit").slope;
            hull_hits += u64::from(hull.contains(truth));
            bootstrap_hits += u64::from(bootstrap.contains(truth));
        }
        let below = |hits: u64, p: f64| Binomial::new(p, trials).expect("a probability").cdf(hits);
        // Nominally 0.95; the logarithm of a mean of few is biased by 1/n of its variance, which costs a little. A
        // correct program fails with a probability below 1e-9.
        assert!(below(hull_hits, 0.94) > 1e-9, "{n_runs} runs: {hull_hits} of {trials}");
        if n_runs == 3 {
            assert!(below(bootstrap_hits, 0.94) < 1e-9, "the control: {bootstrap_hits}");
        }
    }
}

/// Windows include their ends, and a time that has no logarithm is refused wherever a window lets it in.
#[test]
fn ends_of_windows_and_times_without_a_logarithm() {
    let t: Vec<f64> = (1..=64).map(f64::from).collect();
    let y: Vec<f64> = t.iter().map(|t| t.powf(-0.5)).collect();
    // From 2 to 32 on bins of ratio 1.25: the first is {2}, and nothing from outside comes in.
    for form in [Form::Min, Form::LastWindow] {
        let model = Model::new(Window::new(2.0, 32.0), Summary::Mean).form(form);
        let runs = Runs::new(&t, &y, &model).expect("valid");
        assert_eq!((runs.curve().0[0], runs.curve().1[0]), (2.0, y[1]), "{form:?}");
        assert!(runs.curve().0.iter().all(|&t| t <= 32.0), "{form:?}");
    }
    // The last window asks nothing of values before it, and everything of the first one inside.
    let last = Model::new(Window::new(2.0, 32.0), Summary::Mean).form(Form::LastWindow);
    let with = |k: usize| {
        let mut y = y.clone();
        y[k] = f64::NAN;
        Runs::new(&t, &y, &last)
    };
    assert!(with(0).is_ok());
    assert!(matches!(with(1), Err(FitError::BadRunValue { run: 0, horizon: 1, .. })));
    let everywhere = Model::new(Window { from: 0.0, to: f64::INFINITY }, Summary::Mean);
    let bad = |t: &[f64]| Runs::new(t, &[4.0, 3.0, 2.0, 1.0], &everywhere).err();
    assert_eq!(bad(&[0.0, 1.0, 2.0, 3.0]), Some(FitError::BadTime { index: 0, value: 0.0 }));
    let infinity = f64::INFINITY;
    assert_eq!(bad(&[1.0, 2.0, 3.0, infinity]), Some(FitError::BadTime { index: 3, value: infinity }));
    // A minimum and an average need an order: equal times have none.
    let min = everywhere.form(Form::Min);
    let repeated = Runs::new(&[1.0, 2.0, 2.0, 3.0], &[4.0, 3.0, 2.0, 1.0], &min).err();
    assert_eq!(repeated, Some(FitError::NotIncreasing { index: 2, value: 2.0 }));
}
