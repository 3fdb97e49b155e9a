//! The page: one file that opens from disk, without network; nothing in it needs its little script to be read.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};
use serde::Serialize;

use super::{ReportError, command, controls_cell, math, number, paper, plots, profile, story};
use crate::claim::evidence::Standing;
use crate::claim::printed::Standing as Grade;
use crate::claim::results::{ClaimResult, ControlOutcome, InstanceResult, Results, Status};
use crate::paper::claims::CLAIMS;
use crate::paper::sensitivity::Study;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
/// Filters and sorts the table of claims; the page is whole without it.
const SCRIPT: &str = include_str!("page.js");

/// As many claims somebody has named, and wants to see: they are not folded.
const CHOSEN: usize = 5;

/// What the template is given: text, ready to be shown. Only `style`, `script` and `svg` are markup.
#[derive(Serialize)]
struct Page<'a> {
    hold: usize,
    /// Of those, in a smaller setting than their own.
    reduced: usize,
    total: usize,
    counts: Vec<Count>,
    controls: (usize, usize),
    /// Errata that are false as printed, and in words how many there are of each other grade.
    refuted: usize,
    doubted: String,
    comparisons: String,
    replays: Option<String>,
    /// How many constants of the bounds no instance needs.
    idle: Option<String>,
    /// The ids of claims that are not finished.
    pending: String,
    provenance: Vec<(&'static str, String)>,
    origin: String,
    command: String,
    story: Vec<story::Picture<'a>>,
    script: &'static str,
    claims: Vec<Section<'a>>,
    map: Vec<paper::Chapter<'a>>,
    beyond: Vec<paper::Beyond<'a>>,
    errata: Vec<paper::Erratum<'a>>,
}

#[derive(Serialize)]
struct Count {
    status: Status,
    label: &'static str,
    claims: Vec<(String, String)>,
}

#[derive(Serialize)]
struct Section<'a> {
    #[serde(flatten)]
    claim: Plain<'a>,
    anchor: String,
    /// Its file in the repository, at the recorded commit.
    source: Option<Source>,
    /// Whether it is unfolded from the start.
    open: bool,
    status: Status,
    label: &'static str,
    /// The smaller setting, where it was measured in one.
    reduced: Option<&'a str>,
    reason: Option<String>,
    replays: Option<String>,
    /// What the check needs of every constant, in the paper's own run.
    needs: Vec<String>,
    margin: String,
    /// The margin and the time in seconds as numbers, for sorting.
    values: [String; 2],
    tightest: &'a str,
    control: String,
    time: String,
    command: String,
    hypotheses: Vec<[&'a str; 3]>,
    instances: Vec<Instance<'a>>,
    controls: Vec<Control<'a>>,
    observations: Vec<[String; 4]>,
    plots: Vec<Picture<'a>>,
    /// Id, anchor, place, print and correction of the errata that touch it.
    errata: Vec<(&'a str, String, &'a str, &'a str, &'a str)>,
}

/// What is shown as it was written.
#[derive(Serialize)]
struct Plain<'a> {
    id: &'a str,
    title: &'a str,
    kind: &'a str,
    origin: &'static str,
    plain: &'a str,
    formula: &'a str,
    /// The formula in MathML, line by line; if there is none, `formula` is shown.
    math: Vec<String>,
    printed_at: &'a str,
    measured: &'a str,
    tolerance: &'a str,
    does_not_show: &'a str,
}

#[derive(Serialize)]
struct Instance<'a> {
    name: String,
    count: String,
    failures: String,
    failed: bool,
    lhs: String,
    rhs: String,
    margin: String,
    at: &'a str,
}

#[derive(Serialize)]
struct Control<'a> {
    name: &'a str,
    breaks: &'a str,
    outcome: &'static str,
    good: bool,
    detail: &'a str,
}

#[derive(Serialize)]
struct Picture<'a> {
    title: &'a str,
    caption: &'a str,
    stem: &'a str,
    svg: String,
}

/// The whole file. `stems` are the names of the CSV and SVG files it links to.
pub(super) fn render(results: &Results, stems: &[Vec<String>]) -> Result<String, ReportError> {
    let failed = |source: minijinja::Error| ReportError::render("index.html", source);
    let mut environment = environment()?;
    environment.add_template("page.html", TEMPLATE).map_err(failed)?;
    let anchors = anchors(results);
    let page = page(results, stems, &anchors)?;
    environment.get_template("page.html").and_then(|template| template.render(Serde(page))).map_err(failed)
}

/// What every page is rendered in: text is escaped, and a name that is not there is an error.
pub(super) fn environment() -> Result<Environment<'static>, ReportError> {
    let failed = |source: minijinja::Error| ReportError::render("index.html", source);
    let mut environment = Environment::new();
    // Said outright, so that escaping does not hang on the template's name.
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().map_err(failed)?;
    environment.set_syntax(syntax);
    environment.add_global("head", Value::from_safe_string(head()));
    Ok(environment)
}

/// What stands in the head of every page, up to its title: the style, and in the dark the plots' colours.
fn head() -> String {
    let dark = |(light, dark): &(&str, &str)| {
        ["stroke", "fill"].map(|of| format!("  figure svg [{of}=\"{light}\"] {{ {of}: {dark}; }}\n")).concat()
    };
    format!(
        "<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<style>\n{STYLE}\
         @media screen and (prefers-color-scheme: dark) {{\n{}}}\n</style>",
        plots::PALETTE.iter().map(dark).collect::<String>()
    )
}

fn page<'a>(results: &'a Results, stems: &'a [Vec<String>], anchors: &'a [String]) -> Result<Page<'a>, ReportError> {
    let counts = Status::ALL[1..].iter().filter(|&&status| results.count(status) > 0).map(|&status| Count {
        status,
        label: status.label(),
        claims: std::iter::zip(&results.claims, anchors)
            .filter(|(c, _)| c.status() == status)
            .map(|(c, anchor)| (c.title.clone(), anchor.clone()))
            .collect(),
    });
    let counts = counts.collect();
    let p = &results.provenance;
    let comparisons = results.claims.iter().flat_map(|c| &c.instances).map(|i| i.count).fold(0, u64::saturating_add);
    let mut claims = Vec::new();
    for ((claim, stems), anchor) in results.claims.iter().zip(stems).zip(anchors) {
        claims.push(section(results, claim, stems, anchor)?);
    }
    Ok(Page {
        hold: results.count(Status::Holds),
        reduced: results.claims.iter().filter(|c| c.status() == Status::Holds && c.reduced.is_some()).count(),
        total: results.claims.len(),
        counts,
        controls: results.controls_rejected(),
        refuted: paper::graded(results, Grade::FalseAsPrinted),
        doubted: paper::doubted(results),
        comparisons: number::count(comparisons),
        replays: results.near_failures().sentence(),
        idle: Study::kept().summary().filter(|_| results.provenance.problem.is_none()),
        pending: results.pending.join(", "),
        provenance: vec![
            ("version", p.version.clone()),
            ("commit", p.commit.clone()),
            ("profile", profile(results).to_owned()),
            ("seed", p.seed.to_string()),
            ("threads", p.threads.to_string()),
            ("target", p.target_cpu.clone()),
            ("compiler", p.compiler.clone()),
            ("started", number::utc(p.started_unix)),
            ("took", number::duration(p.seconds)),
        ],
        origin: format!(
            "ratecheck {} ({}) · profile {} · seed {} · {} · {}",
            p.version,
            p.commit,
            profile(results),
            p.seed,
            number::utc(p.started_unix),
            number::duration(p.seconds)
        ),
        command: command(results, None),
        story: story::pictures(results, anchors)?,
        script: SCRIPT,
        claims,
        map: paper::map(results, anchors),
        beyond: paper::beyond(results, anchors),
        errata: paper::errata(results, anchors),
    })
}

/// The fragment names of all claims, which must be unique.
fn anchors(results: &Results) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    for claim in &results.claims {
        let wanted = format!("claim-{}", super::slug(&claim.id));
        let again = anchors.iter().filter(|a| **a == wanted).count();
        anchors.push(if again == 0 { wanted } else { format!("{wanted}-again-{}", anchors.len()) });
    }
    anchors
}

/// The file of a claim of the paper: named after it, from the root of the repository.
#[derive(Serialize)]
struct Source {
    path: String,
    /// Where it is published at the recorded commit, if the package names its repository.
    link: Option<String>,
    /// What shows it in a clone at the recorded commit, if the program was built from one.
    shown: Option<String>,
}

/// See [`Source`].
fn source_of(id: &str, commit: &str) -> Option<Source> {
    const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");
    let name = match id {
        "section-2.4" => "section_2_4_smoothness".to_owned(),
        id => id.replace(['-', '.'], "_"),
    };
    let known = CLAIMS.iter().any(|claim| claim.statement().id == id);
    let path = format!("verify/src/paper/claims/{name}.rs");
    // Sources that were changed since, or that no commit is known of, are nowhere to be looked up.
    let is_commit = commit.len() >= 7 && commit.chars().all(|c| c.is_ascii_hexdigit());
    let link = || format!("{}/blob/{commit}/{path}", REPOSITORY.trim_end_matches('/'));
    let link = (is_commit && !REPOSITORY.is_empty()).then(link);
    let shown = is_commit.then(|| format!("git show {commit}:{path}"));
    known.then_some(Source { path, link, shown })
}

fn section<'a>(
    results: &'a Results,
    claim: &'a ClaimResult,
    stems: &'a [String],
    anchor: &str,
) -> Result<Section<'a>, ReportError> {
    let mut pictures = Vec::new();
    for (plot, stem) in claim.plots.iter().zip(stems) {
        let svg = plots::inline(plot, &format!("plot-{stem}"))?;
        pictures.push(Picture { title: &plot.title, caption: &plot.caption, stem, svg });
    }
    let status = claim.status();
    let worst = claim.worst.as_ref();
    Ok(Section {
        claim: Plain {
            id: &claim.id,
            title: &claim.title,
            kind: &claim.kind,
            origin: claim.origin.label(),
            plain: &claim.plain,
            formula: &claim.formula,
            math: claim.latex.iter().map(|line| math::display(line)).collect::<Result<_, _>>()?,
            printed_at: &claim.printed_at,
            measured: &claim.measured,
            tolerance: &claim.tolerance,
            does_not_show: &claim.does_not_show,
        },
        anchor: anchor.to_owned(),
        source: source_of(&claim.id, &results.provenance.commit),
        open: status != Status::Holds || results.claims.len() <= CHOSEN,
        status,
        label: claim.label(),
        reduced: claim.reduced.as_deref(),
        reason: claim.reason(),
        margin: worst.map_or_else(|| number::NONE.to_owned(), |w| number::pretty(w.margin)),
        values: [worst.map_or_else(String::new, |w| number::exact(w.margin)), number::exact(claim.seconds)],
        tightest: worst.map_or(number::NONE, |w| &w.at),
        control: controls_cell(claim),
        time: number::duration(claim.seconds),
        command: command(results, Some(claim)),
        replays: claim.near_failures.sentence(),
        needs: super::needs(results, claim),
        hypotheses: claim
            .hypotheses
            .iter()
            .map(|h| {
                let standing = match h.standing {
                    Standing::Met => "met",
                    Standing::Assumed => "assumed",
                    Standing::NotMet => "not met",
                };
                [h.name.as_str(), standing, h.detail.as_str()]
            })
            .collect(),
        instances: claim.instances.iter().map(instance).collect(),
        controls: claim
            .controls
            .iter()
            .map(|c| Control {
                name: &c.name,
                breaks: &c.breaks,
                outcome: match c.outcome {
                    ControlOutcome::Rejected => "rejected",
                    ControlOutcome::NotRejected => "not rejected",
                    ControlOutcome::Broken => "broken",
                },
                good: c.outcome == ControlOutcome::Rejected,
                detail: &c.detail,
            })
            .collect(),
        observations: claim
            .observations
            .iter()
            .map(|o| {
                let interval = o.interval.map_or_else(String::new, |[low, high]| {
                    format!("{} … {}", number::pretty(low), number::pretty(high))
                });
                [o.name.clone(), number::pretty(o.value), interval, o.note.clone()]
            })
            .collect(),
        plots: pictures,
        errata: paper::of_claim(results, claim)
            .map(|e| (e.id.as_str(), paper::anchor(e), e.place.as_str(), e.printed.as_str(), e.corrected.as_str()))
            .collect(),
    })
}

fn instance(of: &InstanceResult) -> Instance<'_> {
    let InstanceResult { name, count, failures, worst, .. } = of;
    Instance {
        name: of.title(),
        count: number::count(*count),
        failures: number::count(*failures),
        failed: *failures > 0,
        lhs: number::pretty(worst.lhs),
        rhs: number::pretty(worst.rhs),
        margin: number::pretty(worst.margin),
        // Where it was, without the instance's name in front of it again.
        at: worst.at.strip_prefix(name.as_str()).and_then(|rest| rest.strip_prefix(" · ")).unwrap_or(&worst.at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_claim_has_its_file() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for claim in CLAIMS {
            let source = source_of(claim.statement().id, "0123456789ab").expect("known");
            assert!(root.join(&source.path).is_file(), "{}", source.path);
            assert_eq!(source.shown, Some(format!("git show 0123456789ab:{}", source.path)));
        }
        assert!(source_of("of-another-list", "0123456789ab").is_none());
        for commit in ["unknown", "0123456789ab-dirty-00ff", "unknown-00ff"] {
            assert!(source_of("lemma-2.2", commit).expect("known").shown.is_none(), "{commit}");
        }
    }
}
