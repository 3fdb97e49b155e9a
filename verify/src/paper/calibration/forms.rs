//! What the three forms of a rate make of curves without noise: the bias of the estimator,
//! and what each form cannot show.

use ratecheck::rates::{FitError, Form, Model, Runs, Summary, Window, log_spaced};

use super::tables::Table;

/// T: the window is [T/100, T].
const LAST: u64 = 1_000_000;
/// Times recorded, from 10 on, evenly in ln T.
const RECORDED: usize = 500;
/// Every so many recorded times the dipping curve dips.
const DIP: usize = 20;

/// A curve, the exponent that it tends to, and the power of ln T that theory would name.
struct Curve {
    name: &'static str,
    exponent: f64,
    log_exponent: f64,
    /// Its value at the k-th recorded time t.
    y: fn(usize, f64) -> f64,
}

const CURVES: [Curve; 8] = [
    Curve { name: "T^(-1/4)", exponent: -0.25, log_exponent: 0.0, y: |_, t| libm::pow(t, -0.25) },
    Curve { name: "T^(-1/2)", exponent: -0.5, log_exponent: 0.0, y: |_, t| libm::pow(t, -0.5) },
    Curve { name: "T^(-1)", exponent: -1.0, log_exponent: 0.0, y: |_, t| 1.0 / t },
    Curve { name: "T^(-3/2)", exponent: -1.5, log_exponent: 0.0, y: |_, t| libm::pow(t, -1.5) },
    Curve {
        name: "T^(-1/4) (ln T)^(3/4)",
        exponent: -0.25,
        log_exponent: 0.75,
        y: |_, t| libm::pow(t, -0.25) * libm::pow(libm::log(t), 0.75),
    },
    Curve {
        name: "T^(-1/4) + 10 T^(-1/2)",
        exponent: -0.25,
        log_exponent: 0.0,
        y: |_, t| libm::pow(t, -0.25) + 10.0 * libm::pow(t, -0.5),
    },
    Curve {
        name: "T^(-1/4), 100 times as large up to T = 100",
        exponent: -0.25,
        log_exponent: 0.0,
        y: |_, t| libm::pow(t, -0.25) * if t <= 100.0 { 100.0 } else { 1.0 },
    },
    Curve {
        name: "T^(-1/4), every 20th record T^(-1/2)",
        exponent: -0.25,
        log_exponent: 0.0,
        y: |k, t| libm::pow(t, if k % DIP == 0 { -0.5 } else { -0.25 }),
    },
];

/// The slopes of all forms, less the exponent.
pub(super) fn table() -> Result<Table, FitError> {
    let text = format!(
        "The bias of the forms that `ratecheck fit` shows, without noise: the slope that each gives on [T/100, T] for \
         T = {LAST}, less the exponent, without the logarithm of the curve and with it. The average cannot fall faster \
         than 1/T and remembers a large beginning; the minimum sees single dips, and not where the curve is; all three \
         are biased while lower-order terms die out."
    );
    let head = [
        "curve",
        "exponent",
        "min",
        "average",
        "last window",
        "min, with log",
        "average, with log",
        "last window, with log",
    ];
    let mut table = Table::new("Forms", text, 1, &head);
    for curve in &CURVES {
        let mut row = vec![curve.name.to_owned(), curve.exponent.to_string()];
        for log_exponent in [0.0, curve.log_exponent] {
            for form in [Form::Min, Form::Average, Form::LastWindow] {
                row.push(match (row.len() > 4, curve.log_exponent == 0.0) {
                    (true, true) => String::new(),
                    _ => shown(bias(curve, form, log_exponent)?),
                });
            }
        }
        table.rows.push(row);
    }
    Ok(table)
}

fn bias(curve: &Curve, form: Form, log_exponent: f64) -> Result<f64, FitError> {
    let t: Vec<f64> = log_spaced(10, LAST, RECORDED).into_iter().map(|t| t as f64).collect();
    let y: Vec<f64> = t.iter().enumerate().map(|(k, &t)| (curve.y)(k, t)).collect();
    let window = Window::new(LAST as f64 / 100.0, LAST as f64);
    let model = Model::new(window, Summary::Mean).form(form).log_exponent(log_exponent);
    Ok(Runs::new(&t, &y, &model)?.slope() - curve.exponent)
}

fn shown(bias: f64) -> String {
    // Rounding, which no reader should take for a bias.
    if bias.abs() < 1e-12 { "0".to_owned() } else { format!("{bias:+.4}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, form: Form, log_exponent: f64) -> f64 {
        let curve = CURVES.iter().find(|curve| curve.name == name).expect("a curve");
        bias(curve, form, log_exponent).expect("a fit")
    }

    #[test]
    fn forms_are_biased_as_the_text_says() {
        // Pure powers: the minimum is the curve; a bin averages equal shares of it, up to p^2 ln(1.25)^2/24 where bins
        // hold one time more or less; the average is off by the integral below T = 10, of relative size (10/T)^(p+1).
        for (name, p) in [("T^(-1/4)", -0.25), ("T^(-1/2)", -0.5), ("T^(-1)", -1.0), ("T^(-3/2)", -1.5)] {
            assert!(of(name, Form::Min, 0.0).abs() < 1e-12, "{name}");
            assert!(of(name, Form::LastWindow, 0.0).abs() < 5e-3, "{name}");
            let average = of(name, Form::Average, 0.0);
            match p {
                // 1/T at best: 1/2 above -3/2, less than a hundredth part of it.
                -1.5 => assert!((average - 0.5).abs() < 0.03, "{average}"),
                // (1 + ln (T/10))/T, the slope of whose logarithm is 1/(1 + ln(T/10)) = 0.13 to 0.08.
                -1.0 => assert!((0.08..0.13).contains(&average), "{average}"),
                _ => assert!(average.abs() < 0.02, "{name}: {average}"),
            }
        }
        let log = "T^(-1/4) (ln T)^(3/4)";
        for form in [Form::Min, Form::Average, Form::LastWindow] {
            // d ln ln T / d ln T = 1/ln T, 0.11 to 0.07 on the window, times 3/4; with the logarithm taken out, what is
            // left is the shift of the average, (1/(1 - 1/4))/ln T of it, and bins.
            assert!((0.04..0.09).contains(&of(log, form, 0.0)), "{form:?}");
            assert!(of(log, form, 0.75).abs() < 0.02, "{form:?}: {}", of(log, form, 0.75));
        }
        // The dips: 1/4 more for the minimum, nothing to speak of for the last window.
        let dips = "T^(-1/4), every 20th record T^(-1/2)";
        assert!((of(dips, Form::Min, 0.0) + 0.25).abs() < 0.02 && of(dips, Form::LastWindow, 0.0).abs() < 0.02);
        // The beginning: 100 times 100^(3/4) = 3160 of an integral of T^(3/4) = 1000 to 31,600 lingers in the average
        // alone.
        let beginning = "T^(-1/4), 100 times as large up to T = 100";
        assert!(of(beginning, Form::Average, 0.0) < -0.2 && of(beginning, Form::LastWindow, 0.0).abs() < 5e-3);
    }
}
