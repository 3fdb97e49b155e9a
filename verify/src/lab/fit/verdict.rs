//! What a fit says of a claimed exponent, in words.

use ratecheck::rates::{Decision, Interval, at_most, equivalent};

use super::{Fits, Fitted, IntervalSource, Request, Verdict};

/// The verdict on a claimed exponent, with the reason.
pub(super) fn verdict(request: &Request, exponent: f64, found: &Fits, chosen: &Fitted) -> (Verdict, String) {
    let (claim, source) = (claimed(request, exponent), found.interval_from);
    let Some(interval) = chosen.interval else {
        let why = match source {
            None => {
                "one run tells nothing of how others would have fallen: record several seeds and name their column \
                 with --run, or say --deterministic if the method has no randomness"
            }
            Some(_) => FEW,
        };
        return (Verdict::Inconclusive, format!("{claim}: inconclusive, since {why}"));
    };
    let of = match source {
        Some(IntervalSource::Halves) => "the slopes of the window and its halves".to_owned(),
        _ => format!("the {}% interval", number(100.0 * request.level)),
    };
    let interval = format!("{of} {}", pair(interval));
    if let (Decision::Shown, Some(why)) = (chosen.decision, unsettled(request, exponent, chosen)) {
        let reason =
            format!("{claim}: inconclusive; {interval} lies where the claim is true on the whole window, but {why}");
        return (Verdict::Inconclusive, reason);
    }
    let (verdict, word) = match chosen.decision {
        Decision::Shown => (Verdict::Holds, "holds"),
        Decision::Refuted => (Verdict::Fails, "fails"),
        Decision::Undecided => (Verdict::Inconclusive, "inconclusive"),
    };
    let lies = match verdict {
        Verdict::Holds => "lies where the claim is true",
        Verdict::Fails => "lies where the claim is false",
        Verdict::Inconclusive => "reaches into both sides: more runs or a longer window may decide",
    };
    let hint = match verdict {
        Verdict::Holds => String::new(),
        _ => logarithm(request, exponent, chosen).unwrap_or_default(),
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
    let odd = match found.outliers.len() {
        0 => "",
        1 => "; one run does not belong to the others: see the note",
        _ => "; some runs do not belong to the others: see the note",
    };
    (verdict, format!("{claim}: {word}{survivors}; {interval} {lies}{hint}{odd}"))
}

const FEW: &str = "a half of the window has fewer than three horizons: record more steps, or widen the window";

/// What the interval says of the claim.
pub(super) fn decide(request: &Request, exponent: f64, [low, high]: [f64; 2]) -> Decision {
    let interval = Interval { low, high, level: request.level };
    match request.one_sided {
        true => at_most(interval, exponent, request.margin),
        false => equivalent(interval, exponent, request.margin),
    }
}

/// Why a slope that is shown on the whole window is none that the claim can be held to: a curve that bends may pass
/// through the claim on its way, and then a half of the window, or its end, says another thing than the whole.
fn unsettled(request: &Request, exponent: f64, chosen: &Fitted) -> Option<String> {
    let decided = |interval| decide(request, exponent, interval);
    let true_at = |slope: f64| decided([slope; 2]) == Decision::Shown;
    let Some([a, b]) = chosen.halves else { return Some(FEW.to_owned()) };
    if !(true_at(a) && true_at(b)) {
        return Some(format!(
            "its halves have the slopes {a:.4} and {b:.4}: the curve bends, and the limit may be another"
        ));
    }
    if let Some([first, second]) = chosen.halves_intervals
        && [first, second].iter().any(|&half| decided(half) != Decision::Shown)
    {
        let (first, second) = (pair(first), pair(second));
        return Some(format!(
            "the intervals of its halves, {first} and {second}, do not: more runs may show that it does not bend"
        ));
    }
    // Extrapolated, the slope at the end is known three times worse than that of a half. Where runs tell how well, it
    // counts only if it is certain that it lies outside.
    let end = chosen.end?;
    let (refuted, known) = match chosen.end_interval {
        Some(interval) => (decided(interval) == Decision::Refuted, format!(" {}", pair(interval))),
        None => (!true_at(end), String::new()),
    };
    refuted.then(|| {
        format!(
            "at its end, as its last half and its last quarter go, the slope is {end:.4}{known}: the limit may be \
             another"
        )
    })
}

/// Where a factor of up to ln T in the theorem would make the claim true of the slope: a logarithm makes a slope less
/// steep on any window.
fn logarithm(request: &Request, exponent: f64, chosen: &Fitted) -> Option<String> {
    let tilt = chosen.log_tilt.filter(|_| request.log_power == 0.0)?;
    let without = |q: f64| chosen.slope - q * tilt;
    let applies = chosen.slope > exponent && without(1.0) <= exponent + request.margin;
    applies.then(|| {
        format!(
            "; a logarithm in the theorem would do that: if it has (ln T)^0.75, as Theorem 4.2 has for the norm of the \
             gradient at alpha = 1/2, give that (--log-power 0.75, in a plan log-power = 0.75): the slope is then {:.4}",
            without(0.75)
        )
    })
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

fn pair([low, high]: [f64; 2]) -> String {
    format!("[{low:.4}, {high:.4}]")
}

/// Four decimals at most: sums such as -0.25 + 0.05 without their rounding.
fn number(x: f64) -> String {
    let text = format!("{x:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
