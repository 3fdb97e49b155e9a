//! Sweeps in parts.

use super::{PLAN, assert_same, cells, ending, with_plan};

#[test]
fn parts_make_the_bits_of_the_whole() {
    let directory = with_plan(PLAN);
    let here = directory.path();
    ending(0, &["sweep", "plan.toml", "--out", "whole"], here);
    for (shard, jobs, out) in [("1/3", "1", "a"), ("2/3", "2", "b"), ("3/3", "7", "c")] {
        let said = ending(0, &["sweep", "plan.toml", "--shard", shard, "--jobs", jobs, "--out", out], here);
        assert!(said.contains(&format!("The part {shard} is complete")), "{said}");
        assert!(!here.join(out).join("runs.csv").exists());
    }
    assert_eq!(["a", "b", "c"].map(|part| cells(&here.join(part)).len()), [19, 19, 18]);
    let said = ending(0, &["merge", "c", "a", "b", "--out", "merged"], here);
    assert!(said.starts_with("56 runs from 3 parts.") && said.contains("runs.csv"), "{said}");
    assert_same(&here.join("whole"), &here.join("merged"));
    // Once more, and into one of the parts.
    let said = ending(0, &["merge", "a", "b", "c", "--out", "merged"], here);
    assert!(said.contains("unchanged"), "{said}");
    ending(0, &["merge", "a", "b", "c", "--out", "a"], here);
    assert_same(&here.join("whole"), &here.join("a"));
    // The whole is a cache like any other.
    let said = ending(0, &["sweep", "plan.toml", "--out", "merged"], here);
    assert!(said.contains("nothing to do"), "{said}");
}

#[test]
fn what_is_missing_is_named() {
    let directory = with_plan(PLAN);
    let here = directory.path();
    for (shard, out) in [("1/2", "a"), ("2/2", "b")] {
        ending(0, &["sweep", "plan.toml", "--shard", shard, "--out", out], here);
    }
    let said = ending(7, &["merge", "a", "--out", "merged"], here);
    assert!(said.starts_with("ratecheck: 28 of 56 cells are in no part:") && said.contains("and 18 more"), "{said}");
    assert!(
        said.contains("(problem-j, gradient, eta_w = 0.1, alpha = 0, eta_g = 0.1, alpha_g = 0.5, seed 1)"),
        "{said}"
    );
    assert!(!here.join("merged/runs.csv").exists());

    let cell = &cells(&here.join("b"))[0];
    std::fs::write(cell, "").unwrap();
    let said = ending(7, &["merge", "a", "b", "--out", "again"], here);
    let key = cell.file_stem().unwrap().to_str().unwrap();
    assert!(said.contains("1 of 56 cells") && said.contains(key) && said.contains("damaged in b"), "{said}");

    // Parts of two plans, something else altogether, and nothing.
    std::fs::write(here.join("plan.toml"), PLAN.replace("seeds = 7", "seeds = 8")).unwrap();
    ending(0, &["sweep", "plan.toml", "--shard", "2/2", "--out", "c"], here);
    let said = ending(7, &["merge", "a", "c", "--out", "merged"], here);
    assert!(said.contains("a and c are parts of different sweeps"), "{said}");
    let said = ending(7, &["merge", "a", "nowhere", "--out", "merged"], here);
    assert!(said.contains("nowhere/sweep.json cannot be read"), "{said}");
    ending(2, &["merge", "--out", "merged"], here);
    for shard in ["0/2", "3/2", "1/0", "1", "a/b", "-1/2", "1/2/3", "18446744073709551616/1"] {
        ending(2, &["sweep", "plan.toml", "--shard", shard, "--out", "d"], here);
    }
}

/// Cells that should be the same and are not: some part comes from another build, or worse.
#[test]
fn parts_that_contradict_each_other_are_refused() {
    let directory = with_plan(PLAN);
    let here = directory.path();
    for out in ["a", "b"] {
        ending(0, &["sweep", "plan.toml", "--out", out], here);
    }
    let cell = &cells(&here.join("b"))[0];
    let mut bytes = std::fs::read(cell).unwrap();
    // Another last bit in the last number, under a sum that fits.
    let at = bytes.len() - 32;
    bytes[at - 8] ^= 1;
    let sum = <sha2::Sha256 as sha2::Digest>::digest(&bytes[..at]);
    bytes[at..].copy_from_slice(&sum);
    std::fs::write(cell, bytes).unwrap();
    let said = ending(7, &["merge", "a", "b", "--out", "merged"], here);
    let key = cell.file_stem().unwrap().to_str().unwrap();
    assert!(said.contains(&format!("a and b have different numbers for {key}")), "{said}");
}

/// The script for Slurm, its tasks as processes of their own, all at once. One of them is killed and submitted again.
#[cfg(unix)]
#[test]
fn the_slurm_script_joins_its_tasks() {
    use std::process::{Child, Command, Stdio};

    let directory = with_plan(PLAN);
    let here = directory.path();
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/slurm/sweep.sbatch");
    let task = |k: usize| -> Child {
        let mut command = Command::new("bash");
        command
            .arg(&script)
            .args(["plan.toml", "out"])
            .current_dir(here)
            .env("RATECHECK", env!("CARGO_BIN_EXE_ratecheck"));
        command.env("SLURM_ARRAY_TASK_ID", k.to_string()).env("SLURM_ARRAY_TASK_MIN", "3");
        command.env("SLURM_ARRAY_TASK_COUNT", "4").env("SLURM_CPUS_PER_TASK", "1");
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    ending(0, &["sweep", "plan.toml", "--out", "whole"], here);
    let mut first = task(3);
    first.kill().unwrap();
    first.wait().unwrap();
    let mut tasks: Vec<Child> = (4..7).map(task).collect();
    assert!(tasks.iter_mut().all(|task| task.wait().unwrap().success()));
    assert!(!here.join("out/runs.csv").exists(), "one part is missing");
    assert!(task(3).wait().unwrap().success());
    let _ = std::fs::remove_dir_all(here.join("out/parts"));
    assert_same(&here.join("whole"), &here.join("out"));
}
