//! What a fit says of a claimed exponent, in words.

use ratecheck::rates::Decision;

use super::{Fits, Fitted, IntervalSource, Request, Verdict};

/// The verdict on a claimed exponent, with the reason.
pub(super) fn verdict(request: &Request, exponent: f64, found: &Fits, chosen: &Fitted) -> (Verdict, String) {
    let (claim, source) = (claimed(request, exponent), found.interval_from);
    let Some([low, high]) = chosen.interval else {
        let why = match source {
            None => {
                "one run tells nothing of how others would have fallen: record several seeds and name their column with --run, or say \
                     --deterministic if the method has no randomness"
            }
            Some(_) => "a half of the window has fewer than three horizons: record more steps, or widen the window",
        };
        return (Verdict::Inconclusive, format!("{claim}: inconclusive, since {why}"));
    };
    let of = match source {
        Some(IntervalSource::Halves) => "the slopes of the window and its halves".to_owned(),
        _ => format!("the {}% interval", number(100.0 * request.level)),
    };
    // A curve that bends may pass through the claim on its way: then one half of the window says another thing than the
    // whole.
    let true_at = |slope: f64| match request.one_sided {
        true => slope <= exponent + request.margin,
        false => (slope - exponent).abs() <= request.margin,
    };
    if let (Decision::Shown, Some([a, b])) = (chosen.decision, chosen.halves)
        && !(true_at(a) && true_at(b))
    {
        let halves =
            format!("its halves have the slopes {a:.4} and {b:.4}: the curve bends, and the limit may be another");
        let reason = format!(
            "{claim}: inconclusive; {of} [{low:.4}, {high:.4}] lies where the claim is true on the whole window, but {halves}"
        );
        return (Verdict::Inconclusive, reason);
    }
    let (verdict, word) = match chosen.decision {
        Decision::Shown => (Verdict::Holds, "holds"),
        Decision::Refuted => (Verdict::Fails, "fails"),
        Decision::Undecided => (Verdict::Inconclusive, "inconclusive"),
    };
    let lies = match verdict {
        Verdict::Holds => "lies where the claim is true",
        // A logarithm in the bound makes a slope less steep on any window.
        Verdict::Fails if chosen.slope > exponent && request.log_power == 0.0 => {
            "lies where the claim is false; if the theorem has a logarithm, as (ln T)^0.75, take it out with --log-power"
        }
        Verdict::Fails => "lies where the claim is false",
        Verdict::Inconclusive => "reaches into both sides: more runs or a longer window may decide",
    };
    // Runs that broke off leave the others to speak for them.
    let survivors = match found.n_vanished {
        0 => String::new(),
        n => format!(
            " for the {} of {} runs that have values, and says nothing of the others",
            found.n_runs,
            found.n_runs + n
        ),
    };
    (verdict, format!("{claim}: {word}{survivors}; {of} [{low:.4}, {high:.4}] {lies}"))
}

/// The claim in words: `no slower than T^-0.25 (slope at most -0.2)`.
pub fn claimed(request: &Request, exponent: f64) -> String {
    let log = match request.log_power {
        0.0 => String::new(),
        q => format!(" (ln T)^{}", number(q)),
    };
    let (low, high) = (number(exponent - request.margin), number(exponent + request.margin));
    match request.one_sided {
        true => format!("no slower than T^{}{log} (slope at most {high})", number(exponent)),
        false => format!("T^{}{log} (slope within [{low}, {high}])", number(exponent)),
    }
}

/// Four decimals at most: sums such as -0.25 + 0.05 without their rounding.
fn number(x: f64) -> String {
    let text = format!("{x:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
