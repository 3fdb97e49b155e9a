//! `grid.rule`: how the blocks move, and how they decay beside it.

use std::path::Path;

use ratecheck::descent::{StepRule, WeightDecay};

use crate::lab::problem::{Document, Entry, ProblemError, Section};

/// What may stand in the table of a rule, in the order of its words.
const NUMBERS: [&str; 5] = ["b", "b-1", "b-2", "b-0", "lambda"];
const KEYS: [&str; 7] = ["kind", "b", "b-1", "b-2", "b-0", "lambda", "decay"];

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Plain(StepRule),
    HeavyBall,
    Ema,
    Nesterov,
    Adam,
    Decay,
    WnGrad,
    AdaGradNorm,
}

const KINDS: [(&str, Kind); 11] = [
    ("gradient", Kind::Plain(StepRule::Gradient)),
    ("projected", Kind::Plain(StepRule::Projected)),
    ("adaptive", Kind::Plain(StepRule::Adaptive)),
    ("sign", Kind::Plain(StepRule::Sign)),
    ("heavy-ball", Kind::HeavyBall),
    ("ema", Kind::Ema),
    ("nesterov", Kind::Nesterov),
    ("adam", Kind::Adam),
    ("decay", Kind::Decay),
    ("wn-grad", Kind::WnGrad),
    ("adagrad-norm", Kind::AdaGradNorm),
];

/// Which of the two decays a table asks for.
#[derive(Clone, Copy)]
enum Coupling {
    Coupled,
    Decoupled,
}

const COUPLINGS: [(&str, Coupling); 2] = [("coupled", Coupling::Coupled), ("decoupled", Coupling::Decoupled)];

/// A step rule as a plan has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The rule.
    pub rule: StepRule,
    /// The decay beside it.
    pub decay: WeightDecay,
    /// In the words of a plan, numbers included: part of a cell's name.
    pub words: String,
}

impl Rule {
    /// What a plan may have behind `rule =`: a word in quotes, or a table.
    ///
    /// ```
    /// use ratecheck_verify::lab::sweep::Rule;
    /// let rule = Rule::parse(r#"{ kind = "ema", b = 0.5, decay = "decoupled", lambda = 0.1 }"#)?;
    /// assert_eq!(rule.words, "ema(b=0.5 lambda=0.1 decay=decoupled)");
    /// assert_eq!(Rule::parse(r#""ema""#).unwrap_err().plainly(), "rule: needs b; write { kind = \"ema\", b = 0.9 }");
    /// # Ok::<(), ratecheck_verify::lab::problem::ProblemError>(())
    /// ```
    ///
    /// # Errors
    /// As that of a plan, without a file.
    pub fn parse(value: &str) -> Result<Self, ProblemError> {
        let text = format!("rule = {value}");
        let document = Document { path: Path::new(""), text: &text };
        let table = document.parse()?;
        let root = Section::root(document, &table, &["rule"])?;
        Self::read(&root.required("rule", "name one")?)
    }

    /// The plain rule.
    pub(super) fn gradient() -> Self {
        Self { rule: StepRule::Gradient, decay: WeightDecay::None, words: "gradient".to_owned() }
    }

    /// A word, or a table with its numbers.
    pub(super) fn read(item: &Entry<'_>) -> Result<Self, ProblemError> {
        let section = if item.is_table() { Some(item.table(&KEYS)?) } else { None };
        let kind_at = match &section {
            Some(section) => section.required("kind", "name the step rule, as { kind = \"heavy-ball\", b = 0.9 }")?,
            None => item.clone(),
        };
        let kind = kind_at.choice(&KINDS)?;
        let number = |key: &str, example: &str| match &section {
            Some(section) => section.required(key, &format!("give it, as {example}")),
            None => {
                let remedy = format!("write {{ kind = \"{}\", {example} }}", item.text()?);
                Err(item.fault(format!("needs {key}"), remedy))
            }
        };
        let share = |key: &str, example: &str| {
            let entry = number(key, example)?;
            let b = entry.at_least_zero()?;
            let remedy = "give a number from 0 to below 1";
            if b < 1.0 { Ok(b) } else { Err(entry.fault(format!("{b} is not below 1"), remedy)) }
        };
        let lambda = || number("lambda", "lambda = 0.01")?.at_least_zero();
        let b_0 = || number("b-0", "b-0 = 1.0")?.positive();
        let (rule, used): (StepRule, &[&str]) = match kind {
            Kind::Plain(rule) => (rule, &[]),
            Kind::HeavyBall => (StepRule::HeavyBall { b: share("b", "b = 0.9")? }, &["b"]),
            Kind::Ema => (StepRule::Ema { b: share("b", "b = 0.9")? }, &["b"]),
            Kind::Nesterov => (StepRule::Nesterov { b: share("b", "b = 0.9")? }, &["b"]),
            Kind::Adam => {
                let (b_1, b_2) = (share("b-1", "b-1 = 0.9")?, share("b-2", "b-2 = 0.999")?);
                (StepRule::Adam { b_1, b_2 }, &["b-1", "b-2"])
            }
            Kind::Decay => (StepRule::Decay { lambda: lambda()? }, &["lambda"]),
            Kind::WnGrad => (StepRule::WnGrad { b_0: b_0()? }, &["b-0"]),
            Kind::AdaGradNorm => (StepRule::AdaGradNorm { b_0: b_0()? }, &["b-0"]),
        };
        let coupling_at = section.as_ref().and_then(|section| section.optional("decay"));
        if let (Some(entry), Kind::Decay) = (&coupling_at, kind) {
            return Err(entry.fault("has no meaning here: the rule is a coupled decay by itself", "remove it"));
        }
        let decay = match &coupling_at {
            None => WeightDecay::None,
            Some(entry) => match entry.choice(&COUPLINGS)? {
                Coupling::Coupled => WeightDecay::Coupled { lambda: lambda()? },
                Coupling::Decoupled => WeightDecay::Decoupled { lambda: lambda()? },
            },
        };
        let mut words = Vec::new();
        if let Some(section) = &section {
            let decays = coupling_at.is_some();
            for key in NUMBERS {
                match section.optional(key) {
                    Some(entry) if used.contains(&key) || (decays && key == "lambda") => {
                        words.push(format!("{key}={}", entry.number()?));
                    }
                    Some(entry) if key == "lambda" => {
                        let remedy = "write decay = \"coupled\" or \"decoupled\" beside it";
                        return Err(entry.fault("decays nothing by itself under this step rule", remedy));
                    }
                    _ => section.refuse(key, "this step rule has no such number")?,
                }
            }
        }
        if let Some(entry) = &coupling_at {
            words.push(format!("decay={}", entry.text()?));
        }
        let numbers = if words.is_empty() { String::new() } else { format!("({})", words.join(" ")) };
        Ok(Self { rule, decay, words: format!("{}{numbers}", kind_at.text()?) })
    }
}
