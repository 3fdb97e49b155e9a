//! `--slurm`: parts as an array of Slurm jobs, submitted, watched, submitted again where they did not end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use super::console::Console;
use super::sweep::stopped;
use super::text::counted;
use super::{Exit, Stopped};
use crate::lab::sweep::Progress;
use crate::text::{Flush, Locking, ReportError, lock_directory, plain, put};

/// Whether, and how.
#[derive(Debug, clap::Args)]
pub(super) struct OnSlurm {
    /// Run what is missing as jobs of a Slurm cluster: submit them, show how far they are, submit again what did not
    /// end, and join all. Stop it whenever you like: the jobs go on, and the same command takes them up.
    #[arg(long, conflicts_with_all = ["shard", "part"])]
    slurm: bool,
    /// How many parts; each is a job of the array.
    #[arg(long, value_name = "N", default_value_t = 8, requires = "slurm",
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    tasks: u16,
    /// An option for sbatch; may be given several times: --sbatch=--time=04:00:00 --sbatch=--partition=long.
    #[arg(long, value_name = "OPTION", requires = "slurm", allow_hyphen_values = true)]
    sbatch: Vec<String>,
    /// How often the queue is asked, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, requires = "slurm",
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
}

/// The states of a job that is to run, or runs; everything else is an end.
const ALIVE: [&str; 14] = [
    "PENDING",
    "CONFIGURING",
    "RUNNING",
    "SUSPENDED",
    "STOPPED",
    "SIGNALING",
    "STAGE_OUT",
    "COMPLETING",
    "RESIZING",
    "REQUEUED",
    "REQUEUE_FED",
    "REQUEUE_HOLD",
    "RESV_DEL_HOLD",
    "SPECIAL_EXIT",
];

/// How far each of so many parts is.
type OfParts<'a> = &'a dyn Fn(usize) -> Vec<Progress>;

/// What is cut into parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parted<'a> {
    /// Of ratecheck.
    pub command: &'static str,
    /// The file that a job reads.
    pub plan: &'a Path,
    /// Of the job.
    pub name: &'a str,
    /// The word for a cell.
    pub one: &'static str,
    /// The directory of the whole.
    pub out: &'a Path,
}

/// Where the job script, its logs and what else a job reads are.
pub(super) fn place(out: &Path) -> PathBuf {
    out.join("slurm")
}

/// Parts of one plan as an array of jobs.
#[derive(Debug)]
pub(super) struct Array<'a> {
    options: &'a OnSlurm,
    parted: Parted<'a>,
    /// That of the job script, the logs, and the number of the job.
    dir: PathBuf,
    script: String,
    locking: Locking,
}

impl OnSlurm {
    pub(super) fn is_wanted(&self) -> bool {
        self.slurm
    }

    /// The array, with this number of threads for a job (0: one).
    pub(super) fn array<'a>(&'a self, parted: Parted<'a>, jobs: usize, locking: Locking) -> Result<Array<'a>, Stopped> {
        let whole = |path: &Path| {
            let unknown = |error| (Exit::Input, format!("{}: its place is unknown: {error}", path.display()));
            std::path::absolute(path).map_err(unknown)
        };
        let program = std::env::current_exe()
            .map_err(|error| (Exit::Internal, format!("the place of this program is unknown: {error}")))?;
        let Parted { command, name, .. } = parted;
        let (plan, out) = (whole(parted.plan)?, whole(parted.out)?);
        // Slurm reads its options line by line, and knows no way to write a line break.
        if let Some(path) = [&plan, &out].into_iter().find(|path| plain::path(path) != path.to_string_lossy()) {
            let what = format!("{} has characters in its name that no job script can have", path.display());
            return Err((Exit::Input, format!("{what}; rename it")));
        }
        let dir = place(&out);
        let no_lock = if locking == Locking::Unlocked { " --no-lock" } else { "" };
        let script = format!(
            "#!/bin/bash\n\
             #SBATCH --job-name={job}\n\
             #SBATCH --output={log}\n\
             #SBATCH --cpus-per-task={cpus}\n\
             #SBATCH --requeue\n\
             #SBATCH --signal=B:TERM@60\n\
             #\n\
             # Written by `ratecheck {command} --slurm`, which submits it for what is missing. By hand:\n\
             # sbatch --array=2,4 {script}\n\
             set -uo pipefail\n\
             \n\
             part=\"${{SLURM_ARRAY_TASK_ID:?submit it with sbatch --array}}/{n}\"\n\
             words=({program} {command} {plan} --out {out} --part \"$part\" --jobs \
             \"${{SLURM_CPUS_PER_TASK:-1}}\"{no_lock})\n\
             \n\
             # A minute before its time is up Slurm says so, and the log says what it leaves. What has ended is kept.\n\
             \"${{words[@]}}\" &\n\
             task=$!\n\
             trap 'echo \"The time is nearly up. What it leaves:\"; \"${{words[@]}}\" --dry-run --quiet' TERM\n\
             while :; do wait $task; code=$?; kill -0 $task 2>/dev/null || exit $code; done\n",
            job = quoted(&format!("ratecheck-{name}")),
            log = quoted(&dir.join("%A_%a.log").to_string_lossy()),
            cpus = jobs.max(1),
            n = self.tasks,
            script = quoted(&dir.join(parted.script()).to_string_lossy()),
            program = quoted(&program.to_string_lossy()),
            plan = quoted(&plan.to_string_lossy()),
            out = quoted(&out.to_string_lossy()),
        );
        Ok(Array { options: self, parted, dir, script, locking })
    }
}

impl Parted<'_> {
    /// The name of the job script.
    fn script(&self) -> String {
        format!("{}.sbatch", self.command)
    }
}

/// The number of the job that was submitted last.
const JOB: &str = "job";

/// A word that bash takes as it is.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+%=:,@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

impl Array<'_> {
    /// Until no part lacks a cell. Of so many parts, `whole` says how far each is, and `named` the same by a glance at
    /// names.
    ///
    /// # Errors
    /// If Slurm cannot be asked, refuses, or ends jobs without a new cell.
    pub(super) fn run(&self, whole: OfParts<'_>, named: OfParts<'_>, console: Console) -> Result<(), Stopped> {
        let made = std::fs::create_dir_all(&self.dir).map_err(|error| ReportError::write(&self.dir, error));
        made.map_err(|error| (Exit::Output, error.to_string()))?;
        let _lock = lock_directory(&self.dir, self.locking).map_err(stopped)?;
        // One that was submitted before and may still run.
        let job = std::fs::read_to_string(self.dir.join(JOB));
        let mut job = job.map_or_else(|_| String::new(), |job| job.trim().to_owned());
        let mut ends = BTreeMap::new();
        if !job.is_empty() {
            ends = self.watch(&job, named, console)?;
        }
        let mut before = None;
        loop {
            let open: Vec<_> = whole(self.n()).into_iter().filter(|part| !part.is_complete()).collect();
            let missing: usize = open.iter().map(|part| part.missing()).sum();
            if missing == 0 {
                return Ok(());
            }
            if before.is_some_and(|before| missing >= before) {
                return Err((Exit::Input, self.stuck(&job, &open, missing, &ends)));
            }
            before = Some(missing);
            job = self.submit(&open)?;
            let parts = counted(open.len(), "part");
            console.say(&format!("{} missing in {parts}: job {job}\n", counted(missing, self.parted.one)))?;
            ends = self.watch(&job, named, console)?;
        }
    }

    fn n(&self) -> usize {
        usize::from(self.options.tasks)
    }

    /// Submits the script for these parts. The number of the job.
    fn submit(&self, open: &[Progress]) -> Result<String, Stopped> {
        let script = self.dir.join(self.parted.script());
        let unwritten = |error: ReportError| (Exit::Output, error.to_string());
        put(script.clone(), self.script.as_bytes(), Flush::Later).map_err(unwritten)?;
        let tasks: Vec<String> = open.iter().map(|part| part.part.numbers().0.to_string()).collect();
        let mut sbatch = Command::new("sbatch");
        sbatch.arg("--parsable").args(&self.options.sbatch).arg(format!("--array={}", tasks.join(","))).arg(&script);
        let output = ended(&mut sbatch)?;
        let said = String::from_utf8_lossy(&output.stdout);
        // `17`, or `17;cluster`.
        let job = said.trim().split(';').next().unwrap_or_default().to_owned();
        if !output.status.success() || job.is_empty() {
            let why = one_line(&output.stderr);
            let remedy = "correct the options --sbatch=..., and run the same command again";
            return Err((Exit::Input, format!("sbatch refused {}: {why}; {remedy}", script.display())));
        }
        put(self.dir.join(JOB), format!("{job}\n").as_bytes(), Flush::Later).map_err(unwritten)?;
        Ok(job)
    }

    /// Says how far the parts of a job are until none of them is left in the queue. How each ended, as far as the queue
    /// still knows.
    fn watch(&self, job: &str, named: OfParts<'_>, console: Console) -> Result<BTreeMap<usize, String>, Stopped> {
        let mut shown: BTreeMap<usize, String> = BTreeMap::new();
        let mut silent = false;
        loop {
            let states = match queue(job)? {
                Ok(states) => states,
                Err(why) => {
                    if !silent {
                        console.note(&format!("the queue does not answer, and is asked again: {why}"));
                    }
                    silent = true;
                    std::thread::sleep(Duration::from_secs(self.options.every));
                    continue;
                }
            };
            silent = false;
            let alive = |state: &String| ALIVE.contains(&state.as_str());
            for part in named(self.n()) {
                let (k, _) = part.part.numbers();
                let Some(state) = states.get(&k).filter(|state| *state != "PENDING") else { continue };
                let line = format!("{part}, {}", state.to_lowercase().replace('_', " "));
                if shown.get(&k) != Some(&line) {
                    console.say(&format!("{line}\n"))?;
                    shown.insert(k, line);
                }
            }
            if !states.values().any(alive) {
                return Ok(states);
            }
            std::thread::sleep(Duration::from_secs(self.options.every));
        }
    }

    /// Jobs have ended, and no cell with them.
    fn stuck(&self, job: &str, open: &[Progress], missing: usize, ends: &BTreeMap<usize, String>) -> String {
        let part = |of: &Progress| {
            let end = ends.get(&of.part.numbers().0);
            format!("{of}{}", end.map_or_else(String::new, |end| format!(" ({end})")))
        };
        let parts: Vec<String> = open.iter().map(part).collect();
        let first = open.first().map_or(0, |of| of.part.numbers().0);
        let log = self.dir.join(format!("{job}_{first}.log"));
        format!(
            "{} missing, and job {job} has added none ({}): {} says why; give more time, as --sbatch=--time=08:00:00, \
             or more parts, and run the same command again",
            counted(missing, self.parted.one),
            parts.join(", "),
            log.display()
        )
    }
}

/// The state of every task of a job that the queue knows, the ended ones among them; or why it does not answer.
fn queue(job: &str) -> Result<Result<BTreeMap<usize, String>, String>, Stopped> {
    let mut squeue = Command::new("squeue");
    squeue.args(["--noheader", "--array", "--states=all", "--format=%K %T"]).arg(format!("--jobs={job}"));
    let output = ended(&mut squeue)?;
    if !output.status.success() {
        let why = one_line(&output.stderr);
        // It has forgotten the job, as it does some minutes after its end.
        return Ok(if why.contains("Invalid job id") { Ok(BTreeMap::new()) } else { Err(why) });
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let state = |line: &str| {
        let (task, state) = line.trim().split_once(' ')?;
        Some((task.parse().ok()?, state.trim().to_owned()))
    };
    Ok(Ok(text.lines().filter_map(state).collect()))
}

fn ended(command: &mut Command) -> Result<Output, Stopped> {
    command.output().map_err(|error| {
        let program = command.get_program().to_string_lossy().into_owned();
        let remedy = "run this on a machine where jobs are submitted, or run the parts with --part K/N by other means";
        (Exit::Input, format!("{program} cannot be run: {error}; {remedy}"))
    })
}

fn one_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it does not say why");
    line.chars().filter(|c| !c.is_control()).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_reach_the_shell_as_they_are() {
        assert_eq!(quoted("/home/me/plan.toml"), "/home/me/plan.toml");
        assert_eq!(quoted("a plan"), "'a plan'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn an_error_of_slurm_is_one_line() {
        assert_eq!(
            one_line(b"\nsbatch: error: Invalid partition\nsbatch: error: more\n"),
            "sbatch: error: Invalid partition"
        );
        assert_eq!(one_line(b"\x1b[31mred"), "[31mred");
        assert_eq!(one_line(b""), "it does not say why");
    }
}
