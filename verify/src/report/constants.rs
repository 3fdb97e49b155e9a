//! The smoothness constants of one problem as a page: a heat map, the convergence of the search, the brackets.

use std::path::{Path, PathBuf};

use super::sheet::{Sheet, Table, records, write_sheet};
use super::{ReportError, number, pretty};
use crate::claim::plot::{Axis, Figure, HeatMap, Plot, Scale, Series, Style};
use crate::lab::constants::{Bracket, Constants, Group, Kind, RadiusFrom, layer};

/// Writes `constants.json`, `constants.csv`, the page `index.html` and its pictures into `dir`, and returns the page.
/// `command` are the arguments that give the same search again.
///
/// # Errors
/// When a file cannot be written or rendered; the error names it.
pub fn write_constants(found: &Constants, command: &str, dir: &Path) -> Result<PathBuf, ReportError> {
    let json = pretty(found).map_err(|error| ReportError::render("constants.json", error))?;
    let table = records("constants.csv", &every_bracket(found))?;
    let mut figures = vec![Figure::Plot(brackets(found)), Figure::Plot(convergence(found))];
    if found.blocks.iter().filter(|b| b.kind == Kind::Vv).count() > 1 {
        figures.insert(0, Figure::HeatMap(heat_map(found)));
    }
    let sheet = Sheet {
        title: format!("Smoothness constants of {}", found.name),
        lead: "The constants of section 2.4 bound the blocks of the Hessian at unit weights. A search finds values \
               that are at most the constant, a proof a bound that is at least the constant: the truth lies in between."
            .to_owned(),
        facts: facts(found),
        tables: vec![by_layers(found)],
        figures,
        command: format!("ratecheck constants {command}"),
        files: vec![("constants.json".to_owned(), json), ("constants.csv".to_owned(), table)],
        reproducible: true,
    };
    write_sheet(&sheet, dir)
}

fn facts(found: &Constants) -> Vec<(&'static str, String)> {
    let domain = match found.radius_from {
        RadiusFrom::NoG => "every block on its unit sphere; there is no g".to_owned(),
        RadiusFrom::Problem => format!("every block on its unit sphere, ‖g‖ ≤ {}", found.radius),
        RadiusFrom::LemmaC2 => {
            format!("every block on its unit sphere, ‖g‖ ≤ {} by Lemma C.2", number::pretty(found.radius))
        }
    };
    let functions = match found.n_minibatches {
        Some(1) => "F_z, with one z".to_owned(),
        Some(n) => format!("every F_z of {n} minibatches"),
        None => "every F_z of random subsets".to_owned(),
    };
    let search = &found.search;
    let bound = |b: &Bracket| b.proof.map(|proof| proof.name().to_owned());
    let proved = found.blocks.iter().find_map(bound).or(found.unproved.as_ref().map(|why| format!("nothing: {why}")));
    vec![
        ("domain", domain),
        ("functions", functions),
        ("random points", number::count(search.points as u64)),
        ("ascents per constant", search.restarts.to_string()),
        ("seed", search.seed.to_string()),
        ("proved", proved.unwrap_or_else(|| number::NONE.to_owned())),
    ]
}

/// A constant as the paper names it, with its blocks or layers.
fn label(kind: Kind, [rows, columns]: [&str; 2]) -> String {
    match kind {
        Kind::Vv => format!("Lᵛᵛ of {rows} and {columns}"),
        Kind::Vg => format!("Lᵛᵍ of {rows}"),
        Kind::Gg => "Lᵍᵍ".to_owned(),
    }
}

fn name(bracket: &Bracket) -> String {
    label(bracket.kind, [&bracket.parts[0], &bracket.parts[1]])
}

fn optional(x: Option<f64>) -> String {
    x.map_or_else(|| number::NONE.to_owned(), number::pretty)
}

/// The largest of every kind and pair of layers.
fn by_layers(found: &Constants) -> Table {
    let row = |group: Group<'_>| {
        vec![
            label(group.kind, group.layers),
            optional(group.largest(|b| Some(b.sampled))),
            optional(group.largest(|b| Some(b.ascended))),
            optional(group.largest(|b| b.proved)),
            optional(group.largest(|b| b.ratio)),
            format!("{} of {}", group.converged(), group.blocks.len()),
            number::count(group.evaluations() as u64),
        ]
    };
    Table {
        caption: "The largest of each kind".to_owned(),
        header: vec!["Constants", "Sampled", "Ascended", "Proved", "Widest ratio", "Converged", "Evaluations"],
        rows: found.groups().into_iter().map(row).collect(),
        note:
            "Ratio is proved over ascended, for one block; evaluations are Hessian-vector products and gradients over \
               nested duals. Every single block is in constants.csv, with where it is attained in constants.json."
                .to_owned(),
    }
}

/// One line a constant, every number exact.
fn every_bracket(found: &Constants) -> Vec<Vec<String>> {
    let header = [
        "constant",
        "i",
        "j",
        "rows",
        "columns",
        "sampled",
        "ascended",
        "proved",
        "proof",
        "ratio",
        "residual",
        "converged",
        "evaluations",
        "minibatch",
    ];
    let index = |i: Option<usize>| i.map_or_else(String::new, |i| i.to_string());
    let exact = |x: Option<f64>| x.map_or_else(String::new, number::exact);
    let row = |b: &Bracket| {
        let kind = match b.kind {
            Kind::Vv => "vv",
            Kind::Vg => "vg",
            Kind::Gg => "gg",
        };
        vec![
            kind.to_owned(),
            index(b.i),
            index(b.j),
            b.parts[0].clone(),
            b.parts[1].clone(),
            number::exact(b.sampled),
            number::exact(b.ascended),
            exact(b.proved),
            b.proof.map_or("", |proof| proof.name()).to_owned(),
            exact(b.ratio),
            number::exact(b.residual),
            b.converged.to_string(),
            b.evaluations.to_string(),
            index(b.attained.minibatch),
        ]
    };
    std::iter::once(header.map(str::to_owned).to_vec()).chain(found.blocks.iter().map(row)).collect()
}

/// L^vv_ij as ascended.
fn heat_map(found: &Constants) -> HeatMap {
    let vv = || found.blocks.iter().filter(|b| b.kind == Kind::Vv);
    let m = vv().filter_map(|b| b.j).max().map_or(0, |i| i + 1);
    let mut values = vec![vec![f64::NAN; m]; m];
    let mut names = vec![String::new(); m];
    for bracket in vv() {
        let (Some(i), Some(j)) = (bracket.i, bracket.j) else { continue };
        (values[i][j], values[j][i]) = (bracket.ascended, bracket.ascended);
        names[j] = layer(&bracket.parts[1]).to_owned();
    }
    let extreme = |sign: f64| vv().max_by(|a, b| (sign * a.ascended).total_cmp(&(sign * b.ascended)));
    let said = |b: Option<&Bracket>| {
        b.map_or_else(String::new, |b| format!("{} ({} and {})", number::pretty(b.ascended), b.parts[0], b.parts[1]))
    };
    HeatMap {
        id: "l-vv".to_owned(),
        title: "The constants of pairs of blocks".to_owned(),
        caption: format!(
            "Lᵛᵛ of every pair of blocks as found by ascent, light is large. The largest is {}, the smallest {}.",
            said(extreme(1.0)),
            said(extreme(-1.0))
        ),
        quantity: "Lᵛᵛ of rows i and j, ascended".to_owned(),
        scale: Scale::Log,
        rows: names.clone(),
        columns: names,
        values,
    }
}

/// Sampled, ascended and proved, block by block, in the order of the ascended values.
fn brackets(found: &Constants) -> Plot {
    let mut ordered: Vec<&Bracket> = found.blocks.iter().collect();
    ordered.sort_by(|a, b| b.ascended.total_cmp(&a.ascended));
    let series = |name: &str, of: &dyn Fn(&Bracket) -> Option<f64>| {
        let points = ordered.iter().enumerate().filter_map(|(k, b)| Some([(k + 1) as f64, of(b)?])).collect();
        Series::new(name, Style::Points, points)
    };
    let share = |b: &Bracket| (b.ascended > 0.0).then_some(b.sampled / b.ascended);
    let least = found.blocks.iter().filter_map(share).fold(f64::INFINITY, f64::min);
    let ratios = || found.blocks.iter().filter_map(|b| b.ratio);
    let (tightest, widest) = (ratios().fold(f64::INFINITY, f64::min), ratios().fold(0.0, f64::max));
    let mut caption =
        format!("Plain sampling falls short of ascent by a factor of up to {}.", number::pretty(1.0 / least));
    let mut series = vec![series("sampled", &|b| Some(b.sampled)), series("ascended", &|b| Some(b.ascended))];
    if tightest <= widest {
        let points = ordered.iter().enumerate().filter_map(|(k, b)| Some([(k + 1) as f64, b.proved?])).collect();
        series.insert(0, Series::new("proved", Style::Points, points));
        caption += &format!(
            " The proved bounds are {} to {} times the ascended values.",
            number::pretty(tightest),
            number::pretty(widest)
        );
    }
    Plot {
        x: Axis::linear("constants, the largest first"),
        series,
        ..Plot::log_log("brackets", "Every constant lies between what was found and what was proved", caption, "", "L")
    }
}

/// How the best value rises with the work: the largest constant of every group.
fn convergence(found: &Constants) -> Plot {
    let groups = found.groups();
    let mut shown: Vec<&Bracket> = groups
        .iter()
        .filter_map(|group| group.blocks.iter().copied().max_by(|a, b| a.ascended.total_cmp(&b.ascended)))
        .filter(|bracket| bracket.ascended > 0.0)
        .collect();
    shown.sort_by(|a, b| b.ascended.total_cmp(&a.ascended));
    shown.truncate(6);
    let far = shown.iter().any(|b| b.sampled < 0.1 * b.ascended);
    let share = "best value so far / final value";
    Plot {
        y: if far { Axis::log(share) } else { Axis::linear(share) },
        series: shown.iter().map(|b| Series::new(name(b), Style::Line, rise(b))).collect(),
        ..Plot::log_log(
            "convergence",
            "Ascent goes on where sampling stops",
            "The best value of a search over the work spent on ascents, as a share of the final value. At the left end \
             is what the random points alone had found. The largest constants of up to six kinds.",
            "evaluations since the random points",
            "",
        )
    }
}

/// The best value over the evaluations, as a staircase: it stays until it is beaten. What the random points had found
/// stands at 1.
fn rise(bracket: &Bracket) -> Vec<[f64; 2]> {
    let before = bracket.screening as f64;
    let mut points = vec![[1.0, bracket.sampled / bracket.ascended]];
    let mut reach = |evaluations: f64, value: f64| {
        let (x, last) = ((evaluations - before).max(1.0), points[points.len() - 1][1]);
        points.extend([[x, last], [x, value / bracket.ascended]]);
    };
    bracket.history.iter().filter(|[evaluations, _]| *evaluations > before).for_each(|[e, value]| reach(*e, *value));
    reach(bracket.evaluations as f64, bracket.ascended);
    points
}
