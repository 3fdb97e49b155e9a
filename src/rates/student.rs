//! Student's t distribution with a whole number of degrees of freedom, by its finite closed form.
//!
//! The residuals of a fit always have a whole number of degrees of freedom, for which the distribution is an elementary
//! function. Computed by it, an interval has the same bits on every machine; a general incomplete beta function goes
//! through the platform's own logarithm and power.

use std::f64::consts::{FRAC_2_PI, FRAC_PI_2};

/// P(|T| <= sqrt(dof) tan(theta)) for Student's T.
///
/// With s = sin(theta), c = cos(theta): for even dof, s (1 + c^2/2 + (1*3)/(2*4) c^4 + .. ) up to c^(dof-2); for odd
/// dof, (2/pi) (theta + s (c + (2/3) c^3 + (2*4)/(3*5) c^5 + ..)) up to c^(dof-2).
/// Reference: Abramowitz & Stegun, 26.7.3 and 26.7.4. Cost: dof/2 terms.
fn central_probability(theta: f64, dof: usize) -> f64 {
    let (sine, cosine) = libm::sincos(theta);
    let odd = dof % 2;
    let mut term = if odd == 1 { cosine } else { 1.0 };
    let mut sum = 0.0;
    for k in 0..dof / 2 {
        // The exponent of the cosine in `term`.
        let power = odd + 2 * k;
        sum += term;
        term *= cosine * cosine * (power + 1) as f64 / (power + 2) as f64;
    }
    if odd == 1 { FRAC_2_PI * (theta + sine * sum) } else { sine * sum }
}

/// The number x with P(|T| <= x) = `level` for Student's T with `dof` degrees of freedom.
///
/// # Panics
/// If `level` is not in (0, 1) or `dof` is 0.
pub(super) fn two_sided_quantile(level: f64, dof: usize) -> f64 {
    assert!(level > 0.0 && level < 1.0, "a confidence level lies between 0 and 1, not at {level}");
    assert!(dof > 0, "Student's t needs a degree of freedom");
    // The probability increases with theta, so bisection down to neighbouring numbers cannot go astray.
    let (mut low, mut high) = (0.0, FRAC_PI_2);
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return (dof as f64).sqrt() * libm::tan(middle);
        }
        if central_probability(middle, dof) < level {
            low = middle;
        } else {
            high = middle;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use statrs::distribution::{ContinuousCDF, StudentsT};

    #[test]
    fn quantiles_agree_with_closed_forms_and_the_incomplete_beta_function() {
        for level in [0.01, 0.3, 0.6, 0.8, 0.9, 0.95, 0.99, 0.999] {
            // One degree of freedom is Cauchy, two have the quantile p sqrt(2 / (1 - p^2)).
            let cauchy = libm::tan(FRAC_PI_2 * level);
            // tan magnifies a rounding of its argument by (pi/2) / (gap to pi/2) = 1 / (1 - level) <= 1e3.
            assert!((two_sided_quantile(level, 1) / cauchy - 1.0).abs() < 1e-12);
            let two = level * (2.0 / (1.0 - level * level)).sqrt();
            assert!((two_sided_quantile(level, 2) / two - 1.0).abs() < 1e-12);
            for dof in [1, 2, 3, 4, 5, 8, 13, 38, 101, 400] {
                let x = two_sided_quantile(level, dof);
                let reference = StudentsT::new(0.0, 1.0, dof as f64).expect("valid").cdf(x);
                // The reference is a continued fraction good to about 1e-13; a wrong term would show at 1e-3.
                assert!((2.0 * reference - 1.0 - level).abs() < 1e-11, "level {level} dof {dof}");
            }
        }
    }

    #[test]
    fn printed_tables() {
        // Fisher & Yates, two-sided 5%, to the digits printed.
        for (dof, x) in [(1, 12.706), (2, 4.303), (3, 3.182), (10, 2.228), (30, 2.042), (120, 1.980)] {
            assert!((two_sided_quantile(0.95, dof) - x).abs() <= 5.001e-4, "{dof}");
        }
    }
}
