//! `ratecheck sweep --slurm`, and `experiment --slurm`, with a Slurm that is two short scripts: `sbatch` runs the tasks
//! of an array one after the other, leaves out or kills those that it is told to, and notes how it was called; `squeue`
//! says what a file says.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use super::{PLAN, assert_same, cells, ending, ratecheck, run, with_plan};

/// `lost` has a line for each submission: the tasks that it loses.
const SBATCH: &str = r#"#!/bin/bash
at=$(dirname "$0")
echo "$@" >> "$at/calls"
if [ -e "$at/refusal" ]; then cat "$at/refusal" >&2; exit 1; fi
n=$(wc -l < "$at/calls")
lost=$(sed -n "${n}p" "$at/lost" 2> /dev/null)
for word in "$@"; do case $word in --array=*) tasks=${word#--array=} ;; esac; script=$word; done
for k in ${tasks//,/ }; do
    case " $lost " in *" $k "*) continue ;; esac
    SLURM_ARRAY_TASK_ID=$k SLURM_CPUS_PER_TASK=1 bash "$script" > "$at/log" 2>&1 || exit 9
done
echo "$((100 + n));here"
"#;

/// The first answer is taken from `queue`, and the next are those of a queue that has forgotten the job.
const SQUEUE: &str = r#"#!/bin/bash
at=$(dirname "$0")
echo "$@" >> "$at/asked"
if [ -e "$at/queue" ]; then cat "$at/queue"; mv "$at/queue" "$at/answered"; exit 0; fi
echo "slurm_load_jobs error: Invalid job id specified" >&2
exit 1
"#;

/// The two scripts, in a directory of their own.
fn cluster(here: &Path) {
    std::fs::create_dir(here.join("slurm")).unwrap();
    for (name, text) in [("sbatch", SBATCH), ("squeue", SQUEUE)] {
        let path = here.join("slurm").join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    }
}

fn submitted(more: &[&str], here: &Path) -> (Option<i32>, String) {
    let command = ["sweep", "plan.toml", "--out", "out", "--slurm", "--every", "1"];
    on_cluster(&[&command, more].concat(), here)
}

/// `ratecheck` where this Slurm is found.
fn on_cluster(arguments: &[&str], here: &Path) -> (Option<i32>, String) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::iter::once(here.join("slurm")).chain(std::env::split_paths(&path));
    let mut command = ratecheck();
    command.args(arguments).current_dir(here);
    let Output { status, stdout, stderr } = command.env("PATH", std::env::join_paths(dirs).unwrap()).output().unwrap();
    (status.code(), [stdout, stderr].map(|text| String::from_utf8(text).unwrap()).concat())
}

fn calls(here: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(here.join("slurm/calls")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn what_did_not_end_is_submitted_again_and_all_is_joined() {
    let directory = with_plan(PLAN);
    let here = directory.path();
    cluster(here);
    ending(0, &["sweep", "plan.toml", "--out", "whole"], here);
    std::fs::write(here.join("slurm/lost"), "2 4\n2\n").unwrap();
    std::fs::write(here.join("slurm/queue"), "1 RUNNING\n2 PENDING\n3 COMPLETED\n4 TIMEOUT\n").unwrap();
    let (code, said) = submitted(&["--tasks", "4", "--sbatch=--time=01:00:00", "--jobs", "3"], here);
    assert_eq!(code, Some(0), "{said}");
    for line in [
        "56 runs missing in 4 parts: job 101",
        "part 1 of 4: 14 of 14, running",
        "part 4 of 4: 0 of 14, timeout",
        "28 runs missing in 2 parts: job 102",
        "14 runs missing in 1 part: job 103",
    ] {
        assert!(said.lines().any(|found| found == line), "{line} in\n{said}");
    }
    assert!(!said.contains("part 2 of 4"), "what waits is not worth a line: {said}");
    let calls = calls(here);
    let arrays = ["--array=1,2,3,4", "--array=2,4", "--array=2"];
    assert_eq!(calls.len(), arrays.len(), "{calls:?}");
    for (call, array) in calls.iter().zip(arrays) {
        assert!(call.starts_with(&format!("--parsable --time=01:00:00 {array} /")), "{call}");
    }
    let script = std::fs::read_to_string(here.join("out/slurm/sweep.sbatch")).unwrap();
    assert!(script.contains("\n#SBATCH --cpus-per-task=3\n") && script.contains("TASK_ID:?"), "{script}");

    // Once more there is nothing to do, and nobody is asked to do it.
    let (code, said) = submitted(&["--tasks", "4"], here);
    assert!(code == Some(0) && said.contains("The results, unchanged"), "{said}");
    // A cell that is damaged is no cell: its part is submitted, of however many.
    let part = &cells(&here.join("out"))[0];
    std::fs::write(part, "cut").unwrap();
    std::fs::remove_dir_all(here.join("out/parts")).unwrap();
    let (code, said) = submitted(&["--tasks", "5"], here);
    assert!(code == Some(0) && said.contains("1 run missing in 1 part: job 104"), "{said}");
    for ours in ["parts", "slurm"] {
        std::fs::remove_dir_all(here.join("out").join(ours)).unwrap();
    }
    assert_same(&here.join("whole"), &here.join("out"));
}

#[test]
fn jobs_that_add_nothing_are_not_submitted_for_ever() {
    let directory = with_plan(PLAN);
    let here = directory.path();
    cluster(here);
    std::fs::write(here.join("slurm/lost"), "1\n1\n1\n1\n1\n").unwrap();
    let (code, said) = submitted(&["--tasks", "2"], here);
    assert_eq!(code, Some(7), "{said}");
    let last = said.lines().last().unwrap();
    assert!(last.contains("28 runs missing, and job 102 has added none (part 1 of 2: 0 of 28)"), "{said}");
    assert!(last.contains("102_1.log says why") && last.contains("--sbatch=--time="), "{said}");
    assert_eq!(calls(here).len(), 2);
    // The same command goes on, with more tasks if that is wanted; the job of before is asked for first.
    std::fs::write(here.join("slurm/queue"), "1 FAILED\n2 COMPLETED\n").unwrap();
    std::fs::write(here.join("slurm/lost"), "").unwrap();
    let (code, said) = submitted(&["--tasks", "7"], here);
    assert!(code == Some(0) && said.contains("part 1 of 7: ") && said.contains("runs missing in "), "{said}");
    let asked = std::fs::read_to_string(here.join("slurm/asked")).unwrap();
    assert!(asked.contains("--states=all") && asked.lines().nth(2).unwrap().ends_with("--jobs=102"), "{asked}");
}

#[test]
fn a_cluster_that_is_none_or_refuses_is_said_in_one_line() {
    let directory = with_plan(PLAN);
    let here = directory.path();
    cluster(here);
    std::fs::write(here.join("slurm/refusal"), "sbatch: error: invalid partition specified: lang\nmore\n").unwrap();
    let (code, said) = submitted(&["--sbatch=--partition=lang"], here);
    assert!(code == Some(7) && said.contains("invalid partition specified: lang; correct"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    let mut command = ratecheck();
    command.args(["sweep", "plan.toml", "--out", "elsewhere", "--slurm"]).current_dir(here).env("PATH", "nowhere");
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(7) && said.contains("sbatch cannot be run: "), "{said}");
    assert!(said.contains("--part K/N") && said.lines().count() == 1, "{said}");
    for wrong in [&["--tasks", "4"][..], &["--slurm", "--tasks", "0"], &["--slurm", "--part", "1/2"]] {
        ending(2, &[&["sweep", "plan.toml"][..], wrong].concat(), here);
    }
}

/// Trainings of seconds: a network of the least width, which learns nothing in four steps.
const EXPERIMENT: &str = r#"[experiment]
figure = "d1"
seeds = [0, 1]
epochs = 2
batch-size = 50
width = 0.02

[data]
source = "digits"
train = 100
test = 50

[rates]
eta-w = [0.1, 1.0]
eta-g = 0.1
eta = [0.1]

[expected]
unified-up-to = 1.0
projected-from = 1.0
removed-from = 1.0
"#;

/// The jobs read all that the command line has set, and what they leave has the bits of one run.
#[test]
fn an_experiment_is_submitted_watched_and_joined() {
    let directory = with_plan(EXPERIMENT);
    let here = directory.path();
    cluster(here);
    std::fs::write(here.join("slurm/lost"), "2\n").unwrap();
    let whole = run(&["experiment", "plan.toml", "--seeds", "1", "--out", "whole"], here);
    let command =
        ["experiment", "plan.toml", "--seeds", "1", "--out", "out", "--slurm", "--tasks", "3", "--every", "1"];
    let (code, said) = on_cluster(&command, here);
    // Whether what it expects is met is the same question either way.
    assert!(code == whole.status.code() && code != Some(7), "{code:?}: {said}\n{whole:?}");
    assert!(said.contains("trainings missing in 3 parts: job 101"), "{said}");
    assert!(said.contains(" missing in 1 part: job 102"), "{said}");
    let script = std::fs::read_to_string(here.join("out/slurm/experiment.sbatch")).unwrap();
    assert!(script.contains("ratecheck experiment --slurm") && script.contains("out/slurm/plan.toml"), "{script}");
    let files = ["d1/runs.csv", "d1/runs.npz"].map(|file| ["whole", "out"].map(|dir| here.join(dir).join(file)));
    for [whole, joined] in files {
        assert_eq!(std::fs::read(&whole).unwrap(), std::fs::read(&joined).unwrap(), "{}", joined.display());
    }
    // A part that is no longer there is not missed, and one whose file is damaged is run again.
    std::fs::remove_dir_all(here.join("out/parts")).unwrap();
    let (_, said) = on_cluster(&command, here);
    assert!(!said.contains("job 103"), "{said}");
    std::fs::write(&cells(&here.join("out"))[0], "cut").unwrap();
    let (_, said) = on_cluster(&command, here);
    assert!(said.contains("1 training missing in 1 part: job 103"), "{said}");
}
