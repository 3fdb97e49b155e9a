use super::*;
use crate::paper::claims::CLAIMS;
use ratecheck::rates::{fit_power_law, fit_power_law_with_log};

fn found(replications: usize) -> Vec<Calibrated> {
    calibrate(CLAIMS, &Options { profile: Profile::Test, replications, seed: 2019 }).expect("calibrated")
}

#[test]
fn intervals_cover_as_they_say_and_decisions_err_no_more() {
    let all = found(2000);
    for quantity in [
        Quantity::SlopeOfRootMean,
        Quantity::SlopeOfRootMeanLate,
        Quantity::SlopeOfRootMeanG,
        Quantity::SlopeOfNorm,
        Quantity::SlopeOfEachRun,
        Quantity::Number,
        Quantity::SlopeOverPredicted,
        Quantity::Average,
    ] {
        assert!(all.iter().any(|one| one.design.quantity == quantity), "no claim decides by {quantity:?}");
    }
    for one in &all {
        let (sample, design) = (&one.sample, &one.design);
        for level in [0.9, 0.99] {
            let misses = sample.misses(design, level);
            let known = misses.interval(CERTAINTY);
            assert!(known.contains(1.0 - level), "{} at {level}: {misses:?}, {known:?}", one.test.what);
            let shown = sample.decisions(design, design.truth(1.0 + 1e-9), level).shown;
            let refuted = sample.decisions(design, design.truth(1.0 - 1e-9), level).refuted;
            for errors in [shown, refuted] {
                assert!(
                    errors.interval(CERTAINTY).low <= 0.5 * (1.0 - level),
                    "{} at {level}: {errors:?}",
                    one.test.what
                );
            }
        }
        assert!(!one.errs_too_often(), "{}", one.test.what);
    }
}

#[test]
fn decisions_have_power() {
    for one in found(500) {
        let at = |k| one.sample.decisions(&one.design, one.design.truth(k), one.test.level());
        let (inside, outside) = (at(0.0), at(3.0));
        assert!(inside.shown.value() > 0.99 && inside.refuted.hits == 0, "{}: {inside:?}", one.test.what);
        assert!(outside.refuted.value() > 0.99 && outside.shown.hits == 0, "{}: {outside:?}", one.test.what);
    }
}

#[test]
fn all_decisions_together_are_wrong_with_a_probability_below_one_in_a_million() {
    for profile in PROFILES {
        let all = spending(CLAIMS, profile).expect("constants");
        let risk: f64 = all.iter().map(|one| one.risk).sum();
        assert!(all.len() >= 4 && risk > 0.0 && risk < FAMILY, "{profile:?}: {all:?}");
    }
}

#[test]
fn a_factor_common_to_all_runs_moves_the_slope_by_its_own() {
    for one in found(2) {
        let design = &one.design;
        if design.quantity.is_number() {
            continue;
        }
        let with = |p, q| design.estimate(p, q, &mut Seed::new(5).generator("equivariance")).expect("an estimate");
        let (plain, tilted) = (with(-0.25, 0.0), with(0.75, 1.5));
        let tilt = design.tilt(0.75, 1.5).expect("a fit").expect("a slope");
        // Some thousand numbers of order 1, each rounded a few times.
        assert!((tilted.value - 0.75 - tilt - (plain.value + 0.25)).abs() < 1e-11, "{}", one.test.what);
        assert!((tilted.se / plain.se - 1.0).abs() < 1e-11);
    }
}

#[test]
fn the_bias_by_a_logarithm_is_the_slope_of_ln_ln_t() {
    let one = &found(2)[0];
    let (design, q) = (&one.design, 0.75);
    let log: Vec<f64> = design.t.iter().map(|&t| libm::log(t)).collect();
    let slope = fit_power_law(&design.t, &log, design.window()).expect("a fit").slope;
    let tilt = design.tilt(-0.25, q).expect("a fit").expect("a slope");
    assert!((tilt - q * slope).abs() < 1e-13, "{tilt}");
    // 1/ln t falls over the window: the slope lies between its ends.
    assert!(q / log[log.len() - 1] < tilt && tilt < q / log[0]);
    let y: Vec<f64> = design.t.iter().zip(&log).map(|(&t, l)| libm::pow(t, -0.25) * libm::pow(*l, q)).collect();
    let fit = fit_power_law_with_log(&design.t, &y, design.window(), q).expect("a fit");
    assert!((fit.slope + 0.25).abs() < 1e-13, "{}", fit.slope);
}

#[test]
fn the_noise_has_mean_one_and_the_correlation_stated() {
    let noise = Quantity::SlopeOfNorm.noise();
    assert!((noise.at(1e4) - noise.deviation).abs() < 1e-15);
    assert!((noise.at(1e6) / noise.deviation - libm::pow(100.0, -noise.decay)).abs() < 1e-14);
}
