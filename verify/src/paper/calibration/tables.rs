//! What the calibration found, as tables: for the terminal and for the committed file.

use serde::Serialize;

use super::{Calibrated, FAMILY, Options, PROFILES, Proportion, Quantity, Side, Spending, clopper_pearson, spending};
use crate::claim::evidence::{Claim, Profile, Unevaluated};
use crate::text::markdown::escape;
use crate::text::number::{count, short};

/// Where errors can be met.
const LEVELS: [f64; 3] = [0.9, 0.99, 0.999];
/// Of the Clopper-Pearson intervals: of some hundred, none should miss.
pub(super) const CERTAINTY: f64 = 0.9999;
/// The distances of the truth from the target, in margins, at which the power is shown; 1 is the edge.
const DISTANCES: [f64; 9] = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0];
/// The powers of ln T: none; the roots of log T and of (log T)^(3/2), as in Theorem 4.2; and a whole one.
const LOGS: [f64; 4] = [0.0, 0.5, 0.75, 1.0];

/// A table with its heading, and what must be known to read it.
#[derive(Clone, Debug, Serialize)]
pub struct Table {
    /// The heading.
    pub title: &'static str,
    /// A paragraph.
    pub text: String,
    /// The heads of the columns first, then the rows.
    pub rows: Vec<Vec<String>>,
    /// How many of the first columns hold words.
    pub left: usize,
}

impl Table {
    pub(super) fn new(title: &'static str, text: String, left: usize, head: &[&str]) -> Self {
        Self { title, text, rows: vec![head.iter().map(|&cell| cell.to_owned()).collect()], left }
    }
}

/// Every table.
///
/// # Errors
/// When a claim's constants cannot be evaluated, or a fit is impossible.
pub fn tables(
    claims: &[&'static dyn Claim],
    found: &[Calibrated],
    options: &Options,
) -> Result<Vec<Table>, Unevaluated> {
    Ok(vec![
        used(found),
        noise(found),
        coverage(found),
        size(found),
        power(found),
        logarithms(found)?,
        super::forms::table()?,
        super::over_runs::table(options)?,
        bias(found)?,
        family(claims)?,
    ])
}

/// The name of a profile.
fn name(profile: Profile) -> &'static str {
    match profile {
        Profile::Test => "test",
        Profile::Quick => "quick",
        Profile::Standard => "standard",
        Profile::Full => "full",
    }
}

fn side(side: Side) -> &'static str {
    match side {
        Side::AtMost => "at most",
        Side::Equivalent => "within",
    }
}

/// What is estimated.
fn estimated(quantity: Quantity) -> String {
    let name = match quantity {
        Quantity::SlopeOfRootMean => "slope of the RMS ∇_v L",
        Quantity::SlopeOfRootMeanLate => "slope of the RMS ∇_v L, later",
        Quantity::SlopeOfRootMeanG => "slope of the RMS ∇_g L",
        Quantity::SlopeOfNorm => "slope of the mean ‖w‖²",
        Quantity::SlopeOfEachRun => "mean slope of ‖∇L‖ of single runs",
        Quantity::Number => "mean of e_T·√(2qT)",
        Quantity::SlopeOverPredicted => "slopes of single runs over predicted ones",
        Quantity::Average => "mean over the steps near a minimiser",
    };
    name.to_owned()
}

/// `0.0123 [0.0119, 0.0127]`.
pub(super) fn known(proportion: Proportion) -> String {
    let interval = proportion.interval(CERTAINTY);
    format!("{} [{}, {}]", short(proportion.value()), short(interval.low), short(interval.high))
}

/// The designs that differ in what is drawn.
fn distinct(found: &[Calibrated]) -> impl Iterator<Item = &Calibrated> {
    let first = |k: usize| !found[..k].iter().any(|earlier| earlier.design.draws_like(&found[k].design));
    (0..found.len()).filter(move |&k| first(k)).map(|k| &found[k])
}

fn used(found: &[Calibrated]) -> Table {
    let text = "Every decision by Student's intervals over independent runs, with the constants of the claim. Reach: \
                half the width of the interval at the level in use, in units of the margin; a claim can be shown only \
                if it is below 1.";
    let head = ["claim", "decision", "rule", "target", "margin", "times", "runs", "points", "risk", "reach"];
    let mut table = Table::new("The decisions", text.to_owned(), 3, &head);
    for one in found {
        let (design, test) = (&one.design, &one.test);
        table.rows.push(vec![
            one.claim.to_owned(),
            test.what.clone(),
            side(design.side).to_owned(),
            format!("{:.4}", design.target),
            short(design.margin),
            test.times.to_string(),
            design.n_runs.to_string(),
            design.t.len().to_string(),
            short(test.risk),
            short(design.reach(test.level()) * one.sample.typical_se() / design.margin),
        ]);
    }
    table
}

fn noise(found: &[Calibrated]) -> Table {
    let text = "Log-normal noise with mean 1, independent between runs; along a run an AR(1) in ln T. The parameters \
                are fixed, and tests compare them with real runs of the claims.";
    let head = ["estimate", "deviation of ln y at the first T", "at the last T", "correlation of neighbours"];
    let mut table = Table::new("The noise", text.to_owned(), 1, &head);
    for one in distinct(found) {
        let (noise, window) = (one.design.quantity.noise(), one.design.window());
        // The correlation as it is: rounded, one of 0.99998 would be 1.
        let ends = [window.from, window.to].map(|t| short(noise.at(t)));
        let row = std::iter::once(estimated(one.design.quantity)).chain(ends);
        table.rows.push(row.chain([noise.correlation.to_string()]).collect());
    }
    table
}

fn coverage(found: &[Calibrated]) -> Table {
    let text = format!(
        "How often the interval misses the truth, with the Clopper-Pearson interval at level {CERTAINTY}; nominally 1 \
         - level. Last column: misses at the level in use, and the largest probability that they allow."
    );
    let head = ["estimate", "level 0.9", "0.99", "0.999", "in use"];
    let mut table = Table::new("Coverage", text, 1, &head);
    for one in distinct(found) {
        let mut row = vec![estimated(one.design.quantity)];
        row.extend(LEVELS.map(|level| known(one.sample.misses(&one.design, level))));
        let misses = one.sample.misses(&one.design, one.test.level());
        row.push(format!("{} ≤ {}", misses.hits, short(misses.interval(CERTAINTY).high)));
        table.rows.push(row);
    }
    table
}

fn size(found: &[Calibrated]) -> Table {
    let text = format!(
        "Wrong decisions where they are likeliest, at the edge: shown though the truth lies 1e-9 margins outside, \
         refuted though it lies as much inside. Nominally (1 - level)/2 each, at most; intervals as above. In use: how \
         often, of {} sets of runs.",
        found.first().map_or(0, |one| one.sample.misses(&one.design, 0.9).n)
    );
    let head = ["decision", "wrong", "level 0.9", "0.99", "0.999", "in use"];
    let mut table = Table::new("Size", text, 2, &head);
    for one in found {
        let edge = |hair: f64, level| one.sample.decisions(&one.design, one.design.truth(1.0 + hair), level);
        for (wrong, rate) in [
            ("shown", &(|level| edge(1e-9, level).shown) as &dyn Fn(f64) -> Proportion),
            ("refuted", &|level| edge(-1e-9, level).refuted),
        ] {
            let mut row = vec![one.test.what.clone(), wrong.to_owned()];
            row.extend(LEVELS.map(|level| known(rate(level))));
            row.push(rate(one.test.level()).hits.to_string());
            table.rows.push(row);
        }
    }
    table
}

fn power(found: &[Calibrated]) -> Table {
    let text = "Shown/refuted, in per cent of the sets of runs, at the level in use, where the truth lies so many \
                margins above the target; what is missing to 100 is undecided. Up to 1 the claim is true, beyond it is \
                false.";
    let heads: Vec<String> = DISTANCES.iter().map(|&k| short(k)).collect();
    let head: Vec<&str> = std::iter::once("decision").chain(heads.iter().map(String::as_str)).collect();
    let mut table = Table::new("Power", text.to_owned(), 1, &head);
    for one in found {
        let mut row = vec![one.test.what.clone()];
        row.extend(DISTANCES.map(|k| decided(one, one.design.truth(k))));
        table.rows.push(row);
    }
    table
}

fn decided(one: &Calibrated, truth: f64) -> String {
    let found = one.sample.decisions(&one.design, truth, one.test.level());
    format!("{}/{}", short(100.0 * found.shown.value()), short(100.0 * found.refuted.value()))
}

fn logarithms(found: &[Calibrated]) -> Result<Table, Unevaluated> {
    let text = "The bias of the fit without a logarithm: the slope that it gives to T^p (ln T)^q without noise, less \
                p; in brackets what is then decided, shown/refuted in per cent, where p is the target.";
    let heads = LOGS.map(|q| format!("q = {q}"));
    let head: Vec<&str> = ["decision", "p"].into_iter().chain(heads.iter().map(String::as_str)).collect();
    let mut table = Table::new("Logarithms", text.to_owned(), 1, &head);
    for one in found.iter().filter(|one| !one.design.quantity.is_number()) {
        let design = &one.design;
        let mut row = vec![one.test.what.clone(), format!("{:.4}", design.target)];
        for q in LOGS {
            let tilt = design.tilt(design.target, q)?.unwrap_or(f64::NAN);
            // Rounding, which no reader should take for a bias.
            let text = if tilt.abs() < 1e-12 { "0".to_owned() } else { format!("{tilt:+.4}") };
            row.push(format!("{text} ({})", decided(one, design.target + tilt)));
        }
        table.rows.push(row);
    }
    Ok(table)
}

fn bias(found: &[Calibrated]) -> Result<Table, Unevaluated> {
    let text = "The mean error of the estimates under noise, with its standard error over the sets of runs, and in \
                units of the margin: the logarithm of a mean over n runs is biased by 1/n.";
    let mut table =
        Table::new("Bias under noise", text.to_owned(), 1, &["estimate", "mean error", "± one se", "of the margin"]);
    for one in distinct(found) {
        let bias = one.sample.bias()?;
        let numbers = [bias.value, bias.se, bias.value / one.design.margin];
        table.rows.push(std::iter::once(estimated(one.design.quantity)).chain(numbers.map(short)).collect());
    }
    Ok(table)
}

fn family(claims: &[&'static dyn Claim]) -> Result<Table, Unevaluated> {
    let text = format!(
        "The number of decisions that a verification takes from samples, and the sum of their nominal risks (1 - \
         level), from the claims' own constants. With at most this probability any of them is wrong; it must stay \
         below {}. That is said of designs as they are, and of a seed that had no part in their choice. How they were \
         chosen is not counted: margins, windows, numbers of runs and steps, and the noise above were fixed on pilot \
         runs, in which the default seed may have had a part, and designs that were looked at and dropped are not in \
         the sum. Another seed is free of that.",
        short(FAMILY)
    );
    let heads = PROFILES.map(name);
    let head: Vec<&str> = std::iter::once("claim").chain(heads).collect();
    let mut table = Table::new("All decisions together", text, 1, &head);
    let by_profile = PROFILES.map(|profile| spending(claims, profile));
    let by_profile = by_profile.into_iter().collect::<Result<Vec<_>, _>>()?;
    let cell = |decisions: usize, risk: f64| format!("{} · {}", count(decisions as u64), short(risk));
    for id in claims.iter().map(|claim| claim.statement().id) {
        let of = |all: &Vec<Spending>| all.iter().find(|one| one.claim == id).map(|one| cell(one.decisions, one.risk));
        let cells: Vec<String> = by_profile.iter().filter_map(of).collect();
        if !cells.is_empty() {
            table.rows.push(std::iter::once(id.to_owned()).chain(cells).collect());
        }
    }
    let total =
        |all: &Vec<Spending>| cell(all.iter().map(|one| one.decisions).sum(), all.iter().map(|one| one.risk).sum());
    table.rows.push(std::iter::once("together".to_owned()).chain(by_profile.iter().map(total)).collect());
    Ok(table)
}

/// The committed file.
pub fn markdown(tables: &[Table], options: &Options, command: &str) -> String {
    let Options { profile, replications, seed } = options;
    let none = clopper_pearson(0, *replications, CERTAINTY).high;
    let mut text = format!(
        "<!-- Written by `{command}`. Do not edit. -->\n\n# How far the statistical decisions can be trusted\n\n\
         Written by `{command}`: profile {}, seed {seed}, {} synthetic sets of runs for each estimator. The same seed \
         gives the same numbers for any number of threads.\n\n\
         The claims decide at levels that no simulation reaches: of so many sets, an event that is never met has a \
         probability below {}, and no less can be said. So coverage and size are measured at levels where errors are \
         met; at the level in use the study shows that none was, and how far from the edge the decisions fall.\n",
        name(*profile),
        count(*replications as u64),
        short(none),
    );
    tables.iter().for_each(|table| text += &section(table));
    text
}

fn section(table: &Table) -> String {
    let mut text = format!("\n## {}\n\n{}\n\n", table.title, escape(&table.text));
    for (k, row) in table.rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().map(|cell| escape(cell)).collect();
        text += &format!("| {} |\n", cells.join(" | "));
        if k == 0 {
            let align = |c: usize| if c < table.left { ":--" } else { "--:" };
            text += &format!("| {} |\n", (0..row.len()).map(align).collect::<Vec<_>>().join(" | "));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paper::claims::CLAIMS;

    #[test]
    fn the_committed_file_tells_the_risks_of_today() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../reports/calibration.md");
        let committed = std::fs::read_to_string(path).expect("the file is committed");
        let family = section(&family(CLAIMS).expect("constants"));
        assert!(committed.ends_with(&family), "renew it with the command that it names; it must end in {family}");
    }
}
