use super::*;
use crate::claim::evidence::Profile;
use crate::claim::runner::context;
use crate::paper::calibration::synthetic::resembles;
use crate::paper::claims::CLAIMS;
use crate::paper::sgd::Table;

/// Of alpha = 1/2, where most scatters.
#[test]
fn the_noise_of_the_calibration_is_that_of_the_runs() {
    let claim = CLAIMS.iter().find(|claim| claim.statement().id == STATEMENT.id).expect("listed");
    let context = context(*claim, 2019, Profile::Test);
    let (known, budget) = (Known::problem_j(), Budget::of(&context));
    let found = found(Case::new(&known, 1.0, 0.5, budget), "noise".to_owned(), &context).expect("runs");
    let mut different = Vec::new();
    for test in claim.sampled_tests(&context).expect("constants") {
        let design = test.design.expect("Student's interval");
        let of_g = design.quantity == Quantity::SlopeOfRootMeanG;
        if test.what.contains("over") || test.what.contains("later") {
            continue;
        }
        // The runs of one alpha stand for those of all.
        let design = if of_g { Design { n_runs: budget.n_runs, ..design } } else { design };
        let (table, summary): (&Table, _) = match design.quantity {
            Quantity::SlopeOfRootMean => (&found.measured.v, Summary::RootMean),
            Quantity::SlopeOfRootMeanG => (&found.measured.g, Summary::RootMean),
            _ => (&found.measured.w_norm_sq, Summary::Mean),
        };
        let from = table.t.len() - design.t.len();
        assert_eq!(table.t[from..], design.t, "{}", test.what);
        let late: Vec<f64> = table.values.chunks_exact(table.t.len()).flat_map(|run| run[from..].to_vec()).collect();
        let slope = table.slope(budget.window(), summary).expect("a slope");
        if let Err(found) = resembles(&design, &late, slope, &context.seed) {
            different.push(format!("{}: {found}", test.what));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// Of problem J at eta_w = 10, where most of the later ones scatters.
#[test]
fn the_noise_of_the_calibration_is_that_of_the_later_runs() {
    let context = context(&Theorem42Rate, 2019, Profile::Test);
    let (known, budget) = (Known::problem_j(), Budget::late(&context));
    let found = found(Case::new(&known, 10.0, 0.0, budget), "noise".to_owned(), &context).expect("runs");
    let tests = Theorem42Rate.sampled_tests(&context).expect("constants");
    let late = tests.into_iter().filter_map(|test| test.design);
    let design = late.into_iter().find(|d| d.quantity == Quantity::SlopeOfRootMeanLate).expect("it decides by them");
    let table = &found.measured.v;
    let from = table.t.len() - design.t.len();
    let late: Vec<f64> = table.values.chunks_exact(table.t.len()).flat_map(|run| run[from..].to_vec()).collect();
    let slope = found.slope(table).expect("a slope");
    resembles(&design, &late, slope, &context.seed).expect("the same noise");
    let ratios = found.case.slopes_over_predicted(&found.measured, found.case.prediction(), From::Window);
    let [_, of_rate] = ratios.expect("slopes");
    // 128 runs know it to a sixteenth; three times that.
    let deviation = of_rate.se * (of_rate.n_runs as f64).sqrt();
    assert!(deviation < 1.2 * Quantity::Number.noise().deviation, "{deviation}");
}

/// No case scatters more than the calibration has it.
#[test]
fn slopes_over_predicted_scatter_no_more_than_the_calibration_has_it() {
    let context = context(&Theorem42Rate, 2019, Profile::Test);
    let known = Known::problem_j();
    let mut deviations = Vec::new();
    for alpha in [0.0, 0.5] {
        let case = Case::new(&known, 1.0, alpha, Budget::of(&context));
        let measured = case.measure(&context, "noise").expect("runs");
        for ratio in case.slopes_over_predicted(&measured, case.prediction(), From::Window).expect("slopes") {
            deviations.push(ratio.se * (ratio.n_runs as f64).sqrt());
        }
    }
    // 256 runs know it to a twentieth; three times that.
    let share = deviations.into_iter().fold(0.0, f64::max) / Quantity::SlopeOverPredicted.noise().deviation;
    assert!(0.5 < share && share < 1.15, "{share}");
}
