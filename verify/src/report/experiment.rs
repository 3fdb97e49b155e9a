//! An experiment of appendix D as a page: the paper's figures, and what was expected of them.

use std::path::{Path, PathBuf};

use super::sheet::{Sheet, Table, write_sheet};
use super::{ReportError, number};
use crate::claim::plot::Figure;
use crate::lab::experiment::{
    Answer, AtRate, Cell, Figure as Experiment, Plan, Seen, Table as Asked, Task, figures, write_results,
};

/// What a page is made of.
pub struct Shown<'a> {
    /// What was to be run.
    pub plan: &'a Plan,
    /// What was learned.
    pub task: &'a Task,
    /// Every training.
    pub cells: &'a [Cell],
    /// What they show.
    pub found: &'a [AtRate],
    /// What was asked, and answered.
    pub asked: &'a [Asked],
    /// What runs it again.
    pub command: &'a str,
}

/// Writes the results, the page `index.html`, its pictures and their data into `dir`, and returns the page.
///
/// # Errors
/// When a file cannot be written or rendered; the error names it.
pub fn write_experiment(shown: &Shown<'_>, dir: &Path) -> Result<PathBuf, ReportError> {
    let Shown { plan, task, cells, found, asked, command } = shown;
    let mut files = write_results(plan, task, cells, found, asked)?;
    files.push(("plan.toml".to_owned(), plan.toml().into_bytes()));
    let guess = task.guess();
    let pictures = plan.figure.families().into_iter().flat_map(|(rates, _)| {
        let of_rates: Vec<AtRate> = found.iter().filter(|at| at.rates == rates).cloned().collect();
        figures(rates, plan.eta_g, &of_rates, guess)
    });
    let sheet = Sheet {
        title: title(plan.figure).to_owned(),
        lead: lead(shown),
        facts: facts(shown),
        tables: vec![table(shown)],
        figures: pictures.map(Figure::Plot).collect(),
        command: (*command).to_owned(),
        files,
        reproducible: true,
    };
    write_sheet(&sheet, dir)
}

fn title(figure: Experiment) -> &'static str {
    match figure {
        Experiment::D1 => "Appendix D.1: separate learning rates",
        Experiment::D2 => "Appendix D.2: one learning rate",
        Experiment::D3 => "Appendix D.3: generalisation",
    }
}

/// How many questions are answered how.
fn lead(shown: &Shown<'_>) -> String {
    let of = |answer| shown.asked.iter().filter(|asked| asked.answer == answer).count();
    let (yes, all) = (of(Answer::Yes), shown.asked.len());
    let mut text = format!("{yes} of {all} expectations, fixed before the run, are met from every start");
    for (n, how) in [(of(Answer::No), "missed from every start"), (of(Answer::Undecided), "undecided")] {
        if n > 0 {
            text += &format!(", {n} {how}");
        }
    }
    text + ". The paper's figure 1 is of separate rates, figure 2 of one rate, figure 3 of the test accuracy under \
            both."
}

fn facts(shown: &Shown<'_>) -> Vec<(&'static str, String)> {
    let (plan, task) = (shown.plan, shown.task);
    let image = task.image;
    let size = format!("{} x {} x {}", image.channels, image.height, image.width);
    let seeds = plan.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    let (filters, _) = ratecheck::network::Convolutions::vgg(image, plan.width);
    let arithmetic = if plan.precision == ratecheck::descent::Precision::Single { "f32" } else { "f64" };
    vec![
        ("images", format!("{}, {size}", plan.source.text())),
        ("examples", format!("{} to train with, {} to test with", plan.n_train, plan.n_test)),
        (
            "classes",
            format!(
                "{}; guessing by their frequencies has a loss of {:.3} and an accuracy of {:.3}",
                task.n_classes,
                task.guess().loss,
                task.guess().accuracy
            ),
        ),
        (
            "network",
            format!(
                "{} layers of filters and 2 dense ones, {} the paper's width",
                filters.layers.len(),
                times(plan.width)
            ),
        ),
        (
            "steps",
            format!("{} in {} epochs, minibatches of {}", number::count(plan.n_steps()), plan.n_epochs, plan.batch),
        ),
        ("starts", format!("{} (seeds {seeds})", plan.seeds.len())),
        ("arithmetic", format!("{arithmetic}; parameters and steps f64")),
    ]
}

fn table(shown: &Shown<'_>) -> Table {
    let rows = shown.asked.iter().map(row).collect();
    let level = number::short(100.0 * Answer::level(shown.plan.seeds.len()));
    Table {
        caption: "What was expected".to_owned(),
        header: vec!["Expected", "Answer", "Least", "Largest", "Starts"],
        rows,
        note: format!(
            "Loss and accuracy are means over the last five epochs; a training that diverged has an infinite loss, and \
             guesses. An expectation is met, or missed, if every start says so: were the median over all starts on the \
             other side, that would happen with a probability of at most {level} %. Otherwise it is undecided. {}{}",
            unasked(shown.plan),
            objected(shown)
        ),
    }
}

/// Why a limit of the plan is not the one that counts.
fn objected(shown: &Shown<'_>) -> String {
    let (plan, task) = (shown.plan, shown.task);
    let objection = task.guess().objection(plan.seen(), &plan.limits, task.n_classes);
    objection.map_or_else(String::new, |text| format!(" Of the plan: {text}."))
}

/// Why some points of the figures are not judged.
fn unasked(plan: &Plan) -> String {
    let beyond = plan.eta.iter().any(|&eta| eta > plan.limits.unified_up_to);
    if !beyond || plan.figure != Experiment::D2 {
        return String::new();
    }
    format!(
        "The loss of SGD at one rate above {} is shown and not judged: there g itself moves by the rate, and the loss \
         comes down late. The paper trains for 100 epochs of CIFAR-10, some 50,000 steps; these are {}.",
        plan.limits.unified_up_to,
        number::count(plan.n_steps())
    )
}

/// An expectation as a table shows it.
pub(crate) fn row(asked: &Asked) -> Vec<String> {
    let mut sorted = asked.values.clone();
    sorted.sort_by(f64::total_cmp);
    let ends = [sorted.first(), sorted.last()];
    let shown = |x: Option<&f64>| match x {
        Some(x) if x.is_infinite() => "not finite".to_owned(),
        Some(x) if asked.question.seen == Seen::Accuracy => format!("{x:.3}"),
        Some(x) => number::short(*x),
        None => number::NONE.to_owned(),
    };
    let answer = match asked.answer {
        Answer::Yes => "met",
        Answer::No => "missed",
        Answer::Undecided => "undecided",
    };
    let [least, largest] = ends.map(shown);
    vec![asked.described.clone(), answer.to_owned(), least, largest, asked.values.len().to_string()]
}

/// The header of [`row`]s.
pub(crate) const HEADER: [&str; 5] = ["expected", "answer", "least", "largest", "starts"];

/// `1/16 of`, `0.3 times`, or nothing for 1.
fn times(width: f64) -> String {
    let parts = width.recip();
    match (width == 1.0, parts.fract() == 0.0) {
        (true, _) => "at".to_owned(),
        (_, true) => format!("1/{parts} of"),
        _ => format!("{width} times"),
    }
}
