//! `ratecheck verify --problem`: the loss that a user brings, and what it is verified with.

use std::path::PathBuf;

use super::source::load;
use super::text::heading;
use super::{Exit, Stopped};
use crate::claim::results::Verified;
use crate::claim::subject::{Settings, Subject};
use crate::lab::problem::{MOST_RUNS, MOST_STEPS, Problem};

/// A problem instead of the paper's own instances, and settings that come before those of its section `[verify]`.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct OnSubject {
    /// Verify every statement that speaks of a loss on the network of a problem file (TOML; docs/problem-file.md).
    #[arg(long, value_name = "FILE", conflicts_with = "instance", value_hint = clap::ValueHint::FilePath)]
    problem: Option<PathBuf>,
    /// The same on a built-in problem: rayleigh, problem-j, 3-4-1, digits, ... (an unknown name lists them all).
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
    /// Learning rates of W, separated by commas.
    #[arg(long, value_name = "RATES", value_delimiter = ',', allow_negative_numbers = true)]
    eta_w: Vec<f64>,
    /// The learning rate of g.
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    eta_g: Option<f64>,
    /// Exponents of the schedules of stochastic descent, from 0 to 0.5.
    #[arg(long, value_name = "EXPONENTS", value_delimiter = ',', allow_negative_numbers = true)]
    alphas: Vec<f64>,
    /// Steps of every run.
    #[arg(long, value_name = "T")]
    steps: Option<u64>,
    /// Independent runs of stochastic descent.
    #[arg(long, value_name = "N")]
    seeds: Option<usize>,
}

/// What was brought.
pub(super) struct Brought {
    pub(super) subject: Subject,
    pub(super) verified: Verified,
}

impl OnSubject {
    /// Reads the problem, if one is named.
    pub(super) fn load(&self) -> Result<Option<Brought>, Stopped> {
        let Some(problem) = load(self.problem.as_deref(), self.instance.as_deref())? else {
            return match self.given() {
                None => Ok(None),
                Some(flag) => Err((
                    Exit::Usage,
                    format!("{flag} is about a loss of your own: give --problem FILE or --instance NAME"),
                )),
            };
        };
        brought(problem, |settings| self.adjust(settings), self.arguments()).map(Some)
    }

    /// The first flag that makes no sense without a problem.
    fn given(&self) -> Option<&'static str> {
        let flags = [
            ("--eta-w", !self.eta_w.is_empty()),
            ("--eta-g", self.eta_g.is_some()),
            ("--alphas", !self.alphas.is_empty()),
            ("--steps", self.steps.is_some()),
            ("--seeds", self.seeds.is_some()),
        ];
        flags.into_iter().find(|(_, given)| *given).map(|(flag, _)| flag)
    }

    fn adjust(&self, settings: &mut Settings) -> Result<(), Stopped> {
        let refuse = |what: String| Err((Exit::Usage, what));
        if !self.eta_w.is_empty() {
            settings.eta_w.clone_from(&self.eta_w);
        }
        if !self.alphas.is_empty() {
            settings.alphas.clone_from(&self.alphas);
        }
        settings.eta_g = self.eta_g.or(settings.eta_g);
        settings.steps = self.steps.or(settings.steps);
        settings.runs = self.seeds.unwrap_or(settings.runs);
        let rates = settings.eta_w.iter().chain(&settings.eta_g);
        if let Some(rate) = rates.copied().find(|rate| !(*rate > 0.0 && rate.is_finite())) {
            return refuse(format!("a learning rate of {rate}: give a finite number above 0"));
        }
        if let Some(alpha) = settings.alphas.iter().find(|alpha| !(0.0..=0.5).contains(*alpha)) {
            return refuse(format!("--alphas {alpha}: Theorem 4.2 is about exponents from 0 to 0.5"));
        }
        if settings.steps.is_some_and(|steps| !(1..=MOST_STEPS as u64).contains(&steps)) {
            return refuse(format!("--steps: give a whole number from 1 to {MOST_STEPS}"));
        }
        if !(1..=MOST_RUNS).contains(&settings.runs) {
            return refuse(format!("--seeds: give a whole number from 1 to {MOST_RUNS}"));
        }
        Ok(())
    }

    /// The options that bring the same again.
    fn arguments(&self) -> Vec<String> {
        let mut all = Vec::new();
        let mut add = |flag: &str, value: String| all.extend([flag.to_owned(), value]);
        if let Some(path) = &self.problem {
            add("--problem", path.display().to_string());
        }
        if let Some(name) = &self.instance {
            add("--instance", name.clone());
        }
        let list = |numbers: &[f64]| numbers.iter().map(f64::to_string).collect::<Vec<_>>().join(",");
        if !self.eta_w.is_empty() {
            add("--eta-w", list(&self.eta_w));
        }
        if let Some(rate) = self.eta_g {
            add("--eta-g", rate.to_string());
        }
        if !self.alphas.is_empty() {
            add("--alphas", list(&self.alphas));
        }
        if let Some(steps) = self.steps {
            add("--steps", steps.to_string());
        }
        if let Some(runs) = self.seeds {
            add("--seeds", runs.to_string());
        }
        all
    }
}

fn brought(
    problem: Problem,
    adjust: impl Fn(&mut Settings) -> Result<(), Stopped>,
    arguments: Vec<String>,
) -> Result<Brought, Stopped> {
    let mut subject = problem.subject().ok_or_else(|| {
        let remedy = "give [parameters] with weights that are not 0";
        (
            Exit::Input,
            format!("{}: a scale-invariant block is 0 at the start, or there is no start: {remedy}", problem.name),
        )
    })?;
    adjust(&mut subject.settings)?;
    let verified = problem.verified(&subject, arguments);
    Ok(Brought { subject, verified })
}

impl Brought {
    /// What stands above the table.
    pub(super) fn heading(&self) -> String {
        let Verified { name, about, parameters, blocks, settings, .. } = &self.verified;
        let g = self.subject.layout().g().len();
        format!(
            "{}\n{about}\n{parameters} parameters: {blocks} blocks, g has {g}; {}\n\n",
            heading(name),
            settings.join("; ")
        )
    }

    /// What a recorded verification was of, read again.
    pub(super) fn again(verified: &Verified) -> Result<Self, Stopped> {
        use clap::Parser;
        #[derive(Parser)]
        struct Recorded {
            #[command(flatten)]
            subject: OnSubject,
        }
        let words = std::iter::once("verify".to_owned()).chain(verified.arguments.iter().cloned());
        let recorded = Recorded::try_parse_from(words).map_err(|error| {
            (Exit::Input, format!("the recorded options of {} cannot be read: {error}", verified.name))
        })?;
        let brought = recorded.subject.load()?;
        let brought = brought.ok_or_else(|| (Exit::Input, format!("nothing says where {} is", verified.name)))?;
        if brought.verified.fingerprint != verified.fingerprint {
            let remedy = "bring the file back as it was, or verify anew and `ratecheck compare` the two";
            return Err((Exit::Input, format!("{} has changed since it was verified: {remedy}", verified.name)));
        }
        Ok(brought)
    }
}
