//! `[grid]`: the axes of a plan, and the cells that they make.

use ratecheck::bounds::eta_g_printed;
use ratecheck::network::Normalisation;

use super::cell::{Cell, Rate, Runs};
use super::instance::Instance;
use super::rule::Rule;
use crate::lab::problem::{
    Entry, INSTANCES, NORMALISATION_KEYS, ProblemError, Section, nearest, normalisation, normalisation_in_a_word,
};

pub(super) const KEYS: [&str; 9] =
    ["instance", "normalisation", "rule", "eta-w", "alpha", "growth", "eta-g", "c-g", "alpha-g"];

/// More cells than this are a typing error.
const MOST_CELLS: usize = 100_000;

/// The axes beside the instances.
struct Axes {
    rules: Vec<Rule>,
    eta_w: Vec<f64>,
    alpha: Vec<f64>,
    growth: Vec<f64>,
    alpha_g: Vec<f64>,
    seeds: Vec<u64>,
}

/// How eta_g is set.
enum EtaG<'a> {
    Given(Vec<f64>),
    /// By c_g, with the entry to blame where no L^gg is proved.
    Printed(Vec<f64>, Entry<'a>),
    /// Not at all: no instance has a g.
    Missing,
}

/// The instances under all normalisations, and every cell: the seeds vary fastest, then eta_g, eta_w's schedule,
/// rules, instances.
pub(super) fn read(
    grid: &Section<'_>,
    defined: Vec<Instance>,
    seeds: Vec<u64>,
    runs: &Runs,
) -> Result<(Vec<Instance>, Vec<Cell>), ProblemError> {
    let instances = normalised(grid, chosen(grid, defined)?)?;
    let eta_w = grid.required("eta-w", "give the learning rates of w, as [0.01, 0.1, 1.0]")?;
    let axes = Axes {
        rules: match grid.optional("rule") {
            Some(entry) => axis(&entry, Rule::read)?,
            None => vec![Rule::gradient()],
        },
        eta_w: axis(&eta_w, Entry::positive)?,
        alpha: exponents(grid, "alpha")?,
        growth: grid.optional("growth").map_or_else(|| Ok(vec![1.0]), |entry| axis(&entry, Entry::positive))?,
        alpha_g: exponents(grid, "alpha-g")?,
        seeds,
    };
    let eta_g = eta_g(grid, &instances)?;
    let n_cells = count(&axes, &eta_g, &instances);
    if n_cells.is_none_or(|n| n > MOST_CELLS) {
        let n = n_cells.map_or_else(|| "more than can be counted".to_owned(), |n| n.to_string());
        let remedy = format!("at most {MOST_CELLS} are supported: shorten an axis");
        return Err(grid.fault("eta-w", format!("the grid and the seeds make {n} cells"), remedy));
    }
    let mut cells = Vec::new();
    for (place, instance) in instances.iter().enumerate() {
        extend(&mut cells, place, instance, &axes, &eta_g, runs)?;
    }
    Ok((instances, cells))
}

/// The values of an axis: one, or an array of different ones.
fn axis<'a, T: PartialEq>(
    entry: &Entry<'a>,
    read: impl Fn(&Entry<'a>) -> Result<T, ProblemError>,
) -> Result<Vec<T>, ProblemError> {
    let mut values = Vec::new();
    for item in entry.one_or_many()? {
        let value = read(&item)?;
        if values.contains(&value) {
            return Err(item.fault("stands in the axis already", "remove the repetition"));
        }
        values.push(value);
    }
    if values.is_empty() {
        return Err(entry.fault("is empty", "give at least one value"));
    }
    Ok(values)
}

fn exponents(grid: &Section<'_>, key: &str) -> Result<Vec<f64>, ProblemError> {
    grid.optional(key).map_or_else(|| Ok(vec![0.0]), |entry| axis(&entry, Entry::at_least_zero))
}

/// The instances that `instance` names, or all that are defined.
fn chosen(grid: &Section<'_>, defined: Vec<Instance>) -> Result<Vec<Instance>, ProblemError> {
    let Some(entry) = grid.optional("instance") else {
        let remedy = "name built-in instances, as [\"problem-j\"], or describe one in [instance.NAME]";
        return if defined.is_empty() { Err(grid.missing("instance", remedy)) } else { Ok(defined) };
    };
    let found = axis(&entry, |item| {
        let name = item.text()?;
        if defined.iter().any(|instance| instance.name == name) || INSTANCES.iter().any(|known| known.name == name) {
            return Ok(name.to_owned());
        }
        let names = defined.iter().map(|instance| instance.name.as_str());
        let known: Vec<&str> = names.chain(INSTANCES.iter().map(|known| known.name)).collect();
        let remedy = match nearest(name, known.iter().copied()) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => format!("the instances are {}; others are described in [instance.NAME]", known.join(", ")),
        };
        Err(item.fault(format!("no instance is called \"{name}\""), remedy))
    })?;
    let of_name = |name: &String| match defined.iter().find(|instance| instance.name == *name) {
        Some(instance) => Ok(instance.clone()),
        None => Instance::builtin(name).map_err(|why| entry.fault(why, "choose another instance")),
    };
    found.iter().map(of_name).collect()
}

/// Every instance under every normalisation of the axis.
fn normalised(grid: &Section<'_>, instances: Vec<Instance>) -> Result<Vec<Instance>, ProblemError> {
    let Some(entry) = grid.optional("normalisation") else { return Ok(instances) };
    let choices = axis(&entry, own_or_other)?;
    let items = entry.one_or_many()?;
    let mut all = Vec::new();
    for instance in instances {
        for (choice, item) in choices.iter().zip(&items) {
            let Some(normalisation) = choice else {
                all.push(instance.clone());
                continue;
            };
            let made = instance.normalised(*normalisation).ok_or_else(|| {
                let what = format!("{} is a closed form and has no layers to normalise", instance.name);
                item.fault(what, "use the axis on networks alone, or \"own\" for all")
            })?;
            all.push(made.map_err(|error| item.fault(error.to_string(), "choose another normalisation"))?);
        }
    }
    Ok(all)
}

/// `None` for "own".
fn own_or_other(item: &Entry<'_>) -> Result<Option<Normalisation>, ProblemError> {
    if item.is_table() {
        return normalisation(&item.table(&NORMALISATION_KEYS)?, "kind").map(Some);
    }
    if item.text()? == "own" { Ok(None) } else { normalisation_in_a_word(item).map(Some) }
}

fn eta_g<'a>(grid: &Section<'a>, instances: &[Instance]) -> Result<EtaG<'a>, ProblemError> {
    if !instances.iter().any(Instance::has_g) {
        for key in ["eta-g", "c-g", "alpha-g"] {
            grid.refuse(key, "no instance has a g")?;
        }
        return Ok(EtaG::Missing);
    }
    match (grid.optional("eta-g"), grid.optional("c-g")) {
        (Some(_), Some(c_g)) => Err(c_g.fault("stands beside eta-g, which it would set", "give one or the other")),
        (Some(eta_g), None) => axis(&eta_g, Entry::positive).map(EtaG::Given),
        (None, Some(entry)) => {
            let c_g = axis(&entry, |item| match item.positive()? {
                c if c < 1.0 => Ok(c),
                c => Err(item.fault(format!("{c} is not below 1"), "give 0 < c_g < 1: eta_g = 2 (1 - c_g)/L^gg")),
            })?;
            Ok(EtaG::Printed(c_g, entry))
        }
        (None, None) => {
            let remedy = "give the learning rates of g, or c-g, which sets eta_g = 2 (1 - c_g)/L^gg";
            Err(grid.missing("eta-g", remedy))
        }
    }
}

fn count(axes: &Axes, eta_g: &EtaG<'_>, instances: &[Instance]) -> Option<usize> {
    let etas = match eta_g {
        EtaG::Given(list) | EtaG::Printed(list, _) => list.len(),
        EtaG::Missing => 1,
    };
    let of_w = [axes.rules.len(), axes.eta_w.len(), axes.alpha.len(), axes.growth.len()];
    let others = [etas, axes.alpha_g.len(), axes.seeds.len()];
    of_w.iter().chain(&others).try_fold(instances.len(), |n, &length| n.checked_mul(length))
}

/// The cells of one instance. An axis that changes nothing there is not run through: eta_g without a g,
/// seeds without chance.
fn extend(
    cells: &mut Vec<Cell>,
    place: usize,
    instance: &Instance,
    axes: &Axes,
    eta_g: &EtaG<'_>,
    runs: &Runs,
) -> Result<(), ProblemError> {
    let etas: Vec<(f64, Option<f64>)> = match eta_g {
        _ if !instance.has_g() => Vec::new(),
        EtaG::Missing => Vec::new(),
        EtaG::Given(list) => list.iter().map(|&eta| (eta, None)).collect(),
        EtaG::Printed(list, entry) => {
            let no = |why: String| {
                let what = format!("no L^gg is proved for {}: {why}", instance.name);
                entry.fault(what, "give eta-g instead of c-g")
            };
            let l_gg = instance.l_gg().map_err(no)?;
            let set = |&c_g: &f64| {
                let eta = eta_g_printed(l_gg, c_g);
                if eta > 0.0 && eta.is_finite() { Ok((eta, Some(c_g))) } else { Err(no(format!("L^gg is {l_gg}"))) }
            };
            list.iter().map(set).collect::<Result<_, _>>()?
        }
    };
    let of_g = etas
        .iter()
        .flat_map(|&(eta, c_g)| axes.alpha_g.iter().map(move |&alpha| (Some(Rate { eta, alpha, growth: 1.0 }), c_g)));
    let of_g: Vec<_> = if instance.has_g() { of_g.collect() } else { vec![(None, None)] };
    let seeds: Vec<_> =
        if instance.is_random() { axes.seeds.iter().map(|&seed| Some(seed)).collect() } else { vec![None] };
    let schedules = axes.eta_w.iter().flat_map(|&eta| {
        let growths = move |&alpha: &f64| axes.growth.iter().map(move |&growth| Rate { eta, alpha, growth });
        axes.alpha.iter().flat_map(growths)
    });
    let schedules: Vec<Rate> = schedules.collect();
    for Rule { rule, decay, words } in &axes.rules {
        for &eta_w in &schedules {
            for &(eta_g, c_g) in &of_g {
                for &seed in &seeds {
                    let cell = Cell {
                        instance: place,
                        rule: *rule,
                        decay: *decay,
                        rule_in_words: words.clone(),
                        eta_w,
                        eta_g,
                        c_g,
                        seed,
                        key: String::new(),
                    };
                    cells.push(cell.named(instance, runs));
                }
            }
        }
    }
    Ok(())
}
