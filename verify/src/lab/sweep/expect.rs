//! `[expect]`: the rate that a plan expects of every group of its runs, and how it is fitted.

use ratecheck::rates::{Form, Window, window_bins};
use serde::{Deserialize, Serialize};

use super::cell::Runs;
use super::instance::Instance;
use super::plan::check;
use super::quantity::{QUANTITIES, Quantity};
use crate::lab::fit::{Ends, Request, SEED, claimed};
use crate::lab::problem::{Entry, ProblemError, Section};

pub(super) const KEYS: [&str; 9] =
    ["slope", "one-sided", "margin", "log-power", "quantity", "block", "form", "window", "level"];

const FORMS: [(&str, Form); 3] = [("last-window", Form::LastWindow), ("average", Form::Average), ("min", Form::Min)];

/// No rate has an exponent beyond, as `ratecheck fit` has it.
const STEEPEST: f64 = 100.0;
/// Beyond this level 10,000 resamples have fewer than five beyond each end.
const SUREST: f64 = 0.999;
/// A line through fewer points always fits.
const FEWEST: usize = 3;

/// What is fitted, and what is expected of it. The default is what is fitted where nothing is expected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expect {
    /// The exponent; none if nothing is expected.
    pub slope: Option<f64>,
    /// A faster rate is no failure.
    pub one_sided: bool,
    /// The difference of slopes that does not count.
    pub margin: f64,
    /// The exponent of ln T, from theory.
    pub log_power: f64,
    /// What is fitted.
    pub quantity: Quantity,
    /// Of which block, from 1, where the quantity has one number each; the first, if there is one alone.
    pub block: Option<usize>,
    /// The form that decides.
    #[serde(with = "words")]
    pub form: Form,
    /// The steps that are fitted; the rule [T/100, T] if they are not given.
    pub window: Option<[f64; 2]>,
    /// The confidence level.
    pub level: f64,
}

impl Default for Expect {
    fn default() -> Self {
        Self {
            slope: None,
            one_sided: false,
            margin: 0.05,
            log_power: 0.0,
            quantity: Quantity::GradSq,
            block: None,
            form: Form::LastWindow,
            window: None,
            level: 0.95,
        }
    }
}

impl Expect {
    /// Reads the section.
    pub(super) fn read(section: &Section<'_>, runs: &Runs, instances: &[Instance]) -> Result<Self, ProblemError> {
        let of = Self::default();
        let slope = section.required("slope", "give the exponent that is expected, as slope = -0.25")?;
        let quantity = match section.optional("quantity") {
            Some(entry) => {
                let quantity = entry.choice(&QUANTITIES)?;
                check(&entry, quantity, runs, instances)?;
                if quantity.is_of_g() && !instances.iter().all(Instance::has_g) {
                    return Err(entry.fault("is 0 on an instance without a g", "choose another quantity"));
                }
                quantity
            }
            None => of.quantity,
        };
        let read = Self {
            slope: Some(exponent(&slope)?),
            one_sided: section.optional("one-sided").map_or(Ok(of.one_sided), |entry| entry.boolean())?,
            margin: match section.optional("margin") {
                Some(entry) => within(&entry, |x| (0.0..=STEEPEST).contains(&x), "from 0 to 100")?,
                None => of.margin,
            },
            log_power: section.optional("log-power").map_or(Ok(of.log_power), |entry| exponent(&entry))?,
            quantity,
            block: block(section, quantity, instances)?,
            form: section.optional("form").map_or(Ok(of.form), |entry| entry.choice(&FORMS))?,
            window: section.optional("window").map(|entry| window(&entry)).transpose()?,
            level: match section.optional("level") {
                Some(entry) => within(&entry, |x| x > 0.0 && x <= SUREST, "above 0 and up to 0.999")?,
                None => of.level,
            },
        };
        read.check_window(section, runs)?;
        Ok(read)
    }

    /// Whether a line can be fitted to what is recorded.
    fn check_window(&self, section: &Section<'_>, runs: &Runs) -> Result<(), ProblemError> {
        let t: Vec<f64> = runs.horizons.iter().map(|&t| t as f64).collect();
        let [from, to] = self.steps(runs.n_steps);
        let n = window_bins(&t, Window::new(from, to)).len();
        let key = if self.window.is_some() { "window" } else { "slope" };
        if n < FEWEST {
            let what =
                format!("[{from}, {to}] holds {n} horizons that are a ratio of 1.25 apart, and a slope needs {FEWEST}");
            return Err(section.fault(key, what, "record more steps (sweep.horizons), or give another window"));
        }
        if self.log_power != 0.0
            && window_bins(&t, Window::new(from, 1.0_f64.min(to))).iter().any(|bin| !bin.is_empty())
        {
            let what = format!("[{from}, {to}] holds step 1, where ln t is 0");
            return Err(section.fault("log-power", what, "begin later: window = [2, T], or a larger first-horizon"));
        }
        Ok(())
    }

    /// The window that is fitted.
    fn steps(&self, n_steps: u64) -> [f64; 2] {
        self.window.unwrap_or([n_steps as f64 / 100.0, n_steps as f64])
    }

    /// The ends of the window, where they are given.
    pub(super) fn ends(&self) -> Ends {
        self.window.map_or((None, None), |[from, to]| (Some(from), Some(to)))
    }

    /// What the fit is asked; runs that chance plays no part in are all there is.
    pub fn request(&self, deterministic: bool) -> Request {
        Request {
            against: self.slope,
            one_sided: self.one_sided,
            margin: self.margin,
            log_power: self.log_power,
            form: self.form,
            squared: self.quantity.is_square(),
            deterministic,
            level: self.level,
            seed: SEED,
        }
    }

    /// The column of the results that is fitted.
    pub fn column(&self) -> String {
        match (self.quantity.per_block(), self.block) {
            (true, block) => format!("{}_{}", self.quantity.column(), block.unwrap_or(1)),
            (false, _) => self.quantity.column().to_owned(),
        }
    }

    /// What is fitted, in a symbol: the root of a square.
    pub fn symbol(&self) -> String {
        let symbol = match self.quantity {
            Quantity::Loss => "L",
            Quantity::GradSq => "‖∇L‖",
            Quantity::GradVSq => "‖∇_V L‖",
            Quantity::GradGSq => "‖∇_g L‖",
            Quantity::GradVSqByBlock => "‖∇_v L‖",
            Quantity::WNormSq => "‖w‖",
            Quantity::EffectiveLr => "η_w/‖w‖²",
            Quantity::AngularUpdate => "angle",
            Quantity::MinGradSq => "min ‖∇L‖",
            Quantity::SumGradVSq => "(Σ ‖∇_V L‖²)^½",
            Quantity::SumGradGSq => "(Σ ‖∇_g L‖²)^½",
        };
        match self.block {
            Some(block) => format!("{symbol} of block {block}"),
            None => symbol.to_owned(),
        }
    }

    /// The claim in the words of `fit`; nothing if nothing is expected.
    pub fn claimed(&self) -> Option<String> {
        self.slope.map(|slope| claimed(&self.request(false), slope))
    }

    /// The same, with what it is about.
    pub fn claim(&self) -> Option<String> {
        let link = if self.one_sided { "falls" } else { "goes as" };
        self.claimed().map(|claimed| format!("{} {link} {claimed}", self.symbol()))
    }
}

fn within(entry: &Entry<'_>, fits: impl Fn(f64) -> bool, wanted: &str) -> Result<f64, ProblemError> {
    let x = entry.number()?;
    if fits(x) { Ok(x) } else { Err(entry.fault(format!("{x} is not {wanted}"), "give such a number")) }
}

fn exponent(entry: &Entry<'_>) -> Result<f64, ProblemError> {
    within(entry, |x| x.abs() <= STEEPEST, "from -100 to 100")
}

fn block(section: &Section<'_>, quantity: Quantity, instances: &[Instance]) -> Result<Option<usize>, ProblemError> {
    if !quantity.per_block() {
        section.refuse("block", "the quantity is one number, and not one a block")?;
        return Ok(None);
    }
    let blocks = || instances.iter().map(|instance| instance.loss().parameters().n_blocks());
    let (least, most) = (blocks().min().unwrap_or(0), blocks().max().unwrap_or(0));
    match section.optional("block") {
        Some(entry) => entry.count(1, least.max(1)).map(Some),
        None if most == 1 => Ok(None),
        None => Err(section.missing("block", &format!("say which of the {most} blocks is meant, as block = 1"))),
    }
}

fn window(entry: &Entry<'_>) -> Result<[f64; 2], ProblemError> {
    let ends = entry.numbers(Some(2), "the first and the last step that are fitted, as [1e3, 1e6]")?;
    match ends[..] {
        [from, to] if 0.0 <= from && from < to => Ok([from, to]),
        _ => Err(entry.fault("does not begin at 0 or later and end after that", "give the earlier step first")),
    }
}

/// A form in the words of a plan.
mod words {
    use ratecheck::rates::Form;
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    use super::FORMS;

    pub(super) fn serialize<S: Serializer>(form: &Form, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(FORMS.iter().find(|(_, known)| known == form).map_or("", |(word, _)| word))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Form, D::Error> {
        let word = String::deserialize(deserializer)?;
        let known = FORMS.iter().find(|(known, _)| *known == word);
        known.map(|(_, form)| *form).ok_or_else(|| Error::custom(format!("no form is called {word}")))
    }
}
