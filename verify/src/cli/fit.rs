//! `ratecheck fit`: the rate of anyone's log.

use std::path::PathBuf;

use clap::ValueEnum;
use ratecheck::rates::Form;

use super::console::Console;
use super::text::{columns, heading};
use super::{DEFAULT_SEED, Exit, Stopped};
use crate::lab::fit::{self, Columns, Ends, Fits, IntervalSource, Log, OnRepeat, Request, Verdict, caveat};
use crate::lab::problem::ProblemError;
use crate::text::number;
use crate::text::plain::{self, plain};

const EXAMPLES: &str = "\
Examples:
  ratecheck fit run-tag-grad_norm.csv   a TensorBoard export, as it is
  ratecheck fit wandb_export.csv --against -0.25   a chart of W&B: every column is a run
  ratecheck fit trainer_state.json --value grad_norm   Hugging Face; nested keys as train.grad_norm
  ratecheck fit runs.csv --step t --value grad_norm --run seed --against -0.25
  ratecheck fit seed-*.csv --value grad_norm --against -0.5 --one-sided   one file a run
  ratecheck fit log.jsonl --value grad_sq --squared --form average --window 1e3..1e6
  ratecheck fit runs.csv --value grad_sq --squared --run seed --where alpha=0.25 --where eta_w=1
  ratecheck fit gd.csv --value grad_norm --deterministic --against -0.5   one run is all there is

docs/fit.md says what each form, interval and verdict can and cannot show.";

/// Which log, what is claimed of it, and how it is fitted.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Logs in CSV or JSON, gzipped or not; each is a run of its own unless columns tell runs apart.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The column of the steps [default: step, t, iteration, epoch and the like].
    #[arg(long, value_name = "COLUMN")]
    step: Option<String>,
    /// The column of the values, positive numbers [default: value, or the only other one]. Several, or what the columns
    /// of several runs in an export of W&B have in common, are several runs.
    #[arg(long = "value", value_name = "COLUMN")]
    values: Vec<String>,
    /// The column that tells independent runs apart, as the seed.
    #[arg(long, value_name = "COLUMN")]
    run: Option<String>,
    /// Take only the rows where a column has this value, as alpha=0.25; may be given several times.
    #[arg(long = "where", value_name = "COLUMN=VALUE", value_parser = pair)]
    only: Vec<(String, String)>,
    /// The values are squares, as ||grad||^2: fit the root of their mean.
    #[arg(long)]
    squared: bool,
    /// The exponent claimed, as -0.25.
    #[arg(long, value_name = "EXPONENT", allow_hyphen_values = true, value_parser = exponent)]
    against: Option<f64>,
    /// The claim is \"no slower than\": faster is no failure.
    #[arg(long, requires = "against")]
    one_sided: bool,
    /// The difference of slopes that does not count, chosen before looking.
    #[arg(long, default_value_t = 0.05, value_parser = margin)]
    margin: f64,
    /// Fit T^p (ln T)^Q, with Q from the theorem.
    #[arg(long, value_name = "Q", default_value_t = 0.0, allow_hyphen_values = true, value_parser = exponent)]
    log_power: f64,
    /// The steps that are fitted, as 1e3..1e6, 1e3.. or ..1e6 [default: T/100 to T, the last two decades].
    #[arg(long, value_name = "LO..HI", value_parser = window)]
    window: Option<(Option<f64>, Option<f64>)>,
    /// The form that is decided upon; all three are shown.
    #[arg(long, value_enum, default_value_t = Shown::Last)]
    form: Shown,
    /// The confidence level of the interval, whose ends are missed with probability (1 - level)/2 each.
    #[arg(long, default_value_t = 0.95, value_parser = level)]
    level: f64,
    /// The method has no randomness (full-batch gradient descent), so that one run is all there is.
    #[arg(long, conflicts_with = "run")]
    deterministic: bool,
    /// Leave out rows without a value.
    #[arg(long)]
    skip_empty: bool,
    /// What counts where a run recorded a step again [default: the last value where the rows read like a resumed run,
    /// else an error].
    #[arg(long, value_enum, value_name = "RULE")]
    on_repeat: Option<OnRepeat>,
    /// Treat an inconclusive verdict as a failure (exit code 4).
    #[arg(long)]
    strict: bool,
    /// The root of the seed tree, for the bootstrap; the same seed gives the same numbers.
    #[arg(long, default_value_t = DEFAULT_SEED, value_parser = super::seed)]
    seed: u64,
    /// Print everything as JSON, every number at full precision.
    #[arg(long)]
    json: bool,
    /// Where the plot, its data and a page are written.
    #[arg(long, value_name = "DIR", default_value = "reports/latest/fit")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Shown {
    /// The least mean so far.
    Min,
    /// The mean so far.
    Average,
    /// The mean of the last bin.
    Last,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(column, _)| !column.is_empty());
    pair.map(|(column, value)| (column.to_owned(), value.to_owned())).ok_or_else(|| "give COLUMN=VALUE".to_owned())
}

fn finite(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|x: &f64| x.is_finite()).ok_or_else(|| "give a finite number".to_owned())
}

/// No rate has one beyond, and (ln T)^Q would be beyond the numbers.
fn exponent(text: &str) -> Result<f64, String> {
    finite(text).ok().filter(|x| x.abs() <= 100.0).ok_or_else(|| "give a number from -100 to 100".to_owned())
}

fn margin(text: &str) -> Result<f64, String> {
    exponent(text).ok().filter(|x| *x >= 0.0).ok_or_else(|| "give a number from 0 to 100".to_owned())
}

/// Up to 0.999: beyond it, 10,000 resamples have fewer than five beyond each end.
fn level(text: &str) -> Result<f64, String> {
    let level = finite(text).ok().filter(|x| *x > 0.0 && *x <= 0.999);
    level.ok_or_else(|| "give a number above 0 and up to 0.999".to_owned())
}

fn window(text: &str) -> Result<Ends, String> {
    let end = |text: &str| match text.trim() {
        "" => Ok(None),
        text => finite(text).map(Some),
    };
    let (low, high) = text.split_once("..").ok_or_else(|| "give two steps, as 1e3..1e6".to_owned())?;
    match (end(low)?, end(high)?) {
        (None, None) => Err("give at least one step, as 1e3.. or ..1e6".to_owned()),
        (Some(low), _) if low < 0.0 => Err("give steps from 0 on".to_owned()),
        (Some(low), Some(high)) if !(low < high) => Err("give the earlier step first".to_owned()),
        ends => Ok(ends),
    }
}

/// Reads, fits, prints, writes and decides.
pub(super) fn run(arguments: &Arguments, console: Console) -> Result<Exit, Stopped> {
    let input = |error: ProblemError| (Exit::Input, error.to_string());
    let columns = Columns {
        step: arguments.step.clone(),
        values: arguments.values.clone(),
        run: arguments.run.clone(),
        only: arguments.only.clone(),
        skip_empty: arguments.skip_empty,
        on_repeat: arguments.on_repeat,
    };
    let log = Log::read(&arguments.files, &columns, arguments.window.unwrap_or_default()).map_err(input)?;
    if arguments.deterministic && log.runs.len() > 1 {
        let message =
            "--deterministic is for one run; leave it out, and the interval is taken over the runs".to_owned();
        return Err((Exit::Usage, message));
    }
    let request = Request {
        against: arguments.against,
        one_sided: arguments.one_sided,
        margin: arguments.margin,
        log_power: arguments.log_power,
        form: match arguments.form {
            Shown::Min => Form::Min,
            Shown::Average => Form::Average,
            Shown::Last => Form::LastWindow,
        },
        squared: arguments.squared,
        deterministic: arguments.deterministic,
        level: arguments.level,
        seed: arguments.seed,
    };
    let found = fit::fit(&log, &request).map_err(|error| {
        let remedy = "record more steps, or choose another window with --window LO..HI";
        (Exit::Input, format!("{}: {error}; {remedy}", plain(&log.files[0].to_string_lossy())))
    })?;
    if arguments.json {
        console.json(&found)?;
    } else {
        console.say_or(&shown(&log, &request, &found), &last_line(&found))?;
    }
    let page = crate::report::write_fit(&log, &request, &found, &command(arguments), &arguments.out)
        .map_err(|error| (Exit::Output, error.to_string()))?;
    if !arguments.json {
        console.say(&format!("\nThe page, with the plot: {}\n", plain::path(&page)))?;
    }
    Ok(match found.verdict {
        Some(Verdict::Fails) => Exit::Failed,
        Some(Verdict::Inconclusive) if arguments.strict => Exit::Inconclusive,
        _ => Exit::Holds,
    })
}

/// The one line that is left of it under --quiet: the verdict, or the slope if nothing was claimed.
fn last_line(found: &Fits) -> String {
    match found.chosen() {
        _ if !found.reason.is_empty() => format!("{}\n", found.reason),
        Some(fitted) => format!("{}: slope {}\n", fitted.form, number::exact(fitted.slope)),
        None => format!("{}: {}\n", found.form, number::NONE),
    }
}

fn shown(log: &Log, request: &Request, found: &Fits) -> String {
    let of = if found.n_runs == 1 { "" } else { "the mean of " };
    let what = format!("{}{of}{}", if request.squared { "the root of " } else { "" }, log.value);
    let runs = if found.n_runs == 1 { "1 run".to_owned() } else { format!("{} runs", found.n_runs) };
    let mut text = format!("{}\n", heading(&format!("{what} against {}: {runs} of {} steps", log.step, log.t.len())));
    let [from, to] = found.window.map(number::short);
    let rule = if found.window_by_rule { ", by the rule [T/100, T]" } else { "" };
    text += &format!("window [{from}, {to}]{rule}");
    text += &match found.interval_from {
        Some(IntervalSource::Runs) => {
            let level = number::short(100.0 * request.level);
            match found.n_resamples {
                0 => format!("; {level}% intervals over runs: Student's t\n\n"),
                n => format!(
                    "; {level}% intervals over runs: {n} bootstrap resamples and Student's t, the wider at each end\n\n"
                ),
            }
        }
        Some(IntervalSource::Halves) => {
            "; intervals that span the slopes of the window and of its halves\n\n".to_owned()
        }
        None => "; one run: no interval\n\n".to_owned(),
    };
    // Before the numbers: nobody should choose among them.
    text += &format!("{} decides: {}\n\n", found.form, fit::why(request.form));
    let head = ["form", "slope", "interval", "run by run", "interval", "halves", "at the end", "points", ""];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let pair = |pair: Option<[f64; 2]>, open: &str, close: &str| {
        pair.map_or_else(|| number::NONE.to_owned(), |[a, b]| format!("{open}{a:.4}, {b:.4}{close}"))
    };
    for (form, fitted) in fit::FORMS.into_iter().zip(&found.forms) {
        let mark = if fit::name(form) == found.form { "<- decides" } else { "" };
        let one = |slope: Option<f64>| slope.map_or_else(|| number::NONE.to_owned(), |slope| format!("{slope:.4}"));
        rows.push(match fitted {
            Ok(fitted) => vec![
                fitted.form.to_owned(),
                one(Some(fitted.slope)),
                pair(fitted.interval, "[", "]"),
                one(fitted.run_by_run.as_ref().map(|own| own.slope)),
                pair(fitted.run_by_run.as_ref().map(|own| own.interval), "[", "]"),
                pair(fitted.halves, "", ""),
                one(fitted.end),
                fitted.n_points.to_string(),
                mark.to_owned(),
            ],
            Err(why) => vec![fit::name(form).to_owned(), number::NONE.to_owned(), why.clone()],
        });
    }
    text += &columns(&rows, 1);
    text.push('\n');
    for form in fit::FORMS {
        text += &format!("{}: {}\n", fit::name(form), caveat(form));
    }
    if found.interval_from == Some(IntervalSource::Runs) {
        text += "run by run: the mean of the single runs' slopes, by Student's t; no run counts for more because it \
                 lies higher\n";
    }
    if let Some([first, second]) = found.chosen().and_then(|chosen| chosen.halves_intervals) {
        let (first, second) = (pair(Some(first), "[", "]"), pair(Some(second), "[", "]"));
        text += &format!("halves: of the window in ln T; their intervals are {first} and {second}\n");
    }
    if let Some(known) = &found.coverage {
        text += &format!("{}\n", known.sentence());
    }
    for note in &found.notes {
        text += &format!("note: {note}\n");
    }
    if !found.reason.is_empty() {
        text += &format!("\n{}\n", found.reason);
    }
    text
}

/// What repeats it, without what is at its default.
fn command(arguments: &Arguments) -> String {
    let mut text = String::from("ratecheck fit");
    let mut add = |words: String| text += &format!(" {words}");
    arguments.files.iter().for_each(|file| add(quoted(&file.display().to_string())));
    let values = arguments.values.iter().map(|value| ("--value", Some(value)));
    for (option, value) in
        [("--step", arguments.step.as_ref()), ("--run", arguments.run.as_ref())].into_iter().chain(values)
    {
        if let Some(value) = value {
            add(format!("{option} {}", quoted(value)));
        }
    }
    for (column, value) in &arguments.only {
        add(format!("--where {}", quoted(&format!("{column}={value}"))));
    }
    if let Some(exponent) = arguments.against {
        add(format!("--against {exponent} --margin {}", arguments.margin));
    }
    if arguments.log_power != 0.0 {
        add(format!("--log-power {}", arguments.log_power));
    }
    if let Some((from, to)) = arguments.window {
        let end = |end: Option<f64>| end.map_or_else(String::new, |end| end.to_string());
        add(format!("--window {}..{}", end(from), end(to)));
    }
    if let Some(rule) = arguments.on_repeat.and_then(|rule| rule.to_possible_value()) {
        add(format!("--on-repeat {}", rule.get_name()));
    }
    for (option, given) in [
        ("--squared", arguments.squared),
        ("--one-sided", arguments.one_sided),
        ("--form min", arguments.form == Shown::Min),
        ("--form average", arguments.form == Shown::Average),
        ("--deterministic", arguments.deterministic),
        ("--skip-empty", arguments.skip_empty),
    ] {
        if given {
            add(option.to_owned());
        }
    }
    add(format!("--level {} --seed {}", arguments.level, arguments.seed));
    text
}

/// As a shell takes it; bash's own quotes where a page or a terminal would not show it as it is.
pub(super) fn quoted(word: &str) -> String {
    let harmless = |c: char| c.is_alphanumeric() || "-_./=+:@".contains(c);
    if !word.is_empty() && word.chars().all(harmless) {
        word.to_owned()
    } else if plain(word) != word {
        let written = |c: char| match c {
            '\'' | '\\' => format!("\\{c}"),
            c if plain(&c.to_string()) != c.to_string() => format!("\\U{:08x}", u32::from(c)),
            c => c.to_string(),
        };
        format!("$'{}'", word.chars().map(written).collect::<String>())
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
