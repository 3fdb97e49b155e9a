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
    assert!(said.starts_with("ratecheck: 28 of 56 cells are in no part, the first of them "), "{said}");
    assert!(
        said.contains("(problem-j, gradient, eta_w = 0.1, alpha = 0, eta_g = 0.1, alpha_g = 0.5, seed 1)"),
        "{said}"
    );
    assert!(said.lines().count() == 1 && said.contains("join all of their directories"), "{said}");
    assert!(!here.join("merged/runs.csv").exists());

    let cell = &cells(&here.join("b"))[0];
    std::fs::write(cell, "").unwrap();
    let said = ending(7, &["merge", "a", "b", "--out", "again"], here);
    let key = cell.file_stem().unwrap().to_str().unwrap();
    assert!(said.contains("1 of 56 cells") && said.contains(key) && said.contains("one is damaged, in b"), "{said}");

    // Parts of two plans, something else altogether, and nothing.
    std::fs::write(here.join("plan.toml"), PLAN.replace("seeds = 7", "seeds = 8")).unwrap();
    ending(0, &["sweep", "plan.toml", "--shard", "2/2", "--out", "c"], here);
    let said = ending(7, &["merge", "a", "c", "--out", "merged"], here);
    assert!(said.contains("a and c are parts of different sweeps"), "{said}");
    let said = ending(7, &["merge", "a", "nowhere", "--out", "merged"], here);
    assert!(said.contains("nowhere/sweep.json cannot be read"), "{said}");
    // Whatever a directory is called, a line is a line, and a terminal obeys nothing of it.
    let said = ending(7, &["merge", "no\u{1b}[31m\nwhere", "--out", "merged"], here);
    assert!(said.starts_with("ratecheck: no\\u{1b}[31m\\nwhere/sweep.json") && said.lines().count() == 1, "{said}");
    let said = ending(7, &["merge", &"x".repeat(3000), "--out", "merged"], here);
    assert!(said.len() < 600 && said.contains('\u{2026}') && said.contains("has filled"), "{said}");
    let said = ending(0, &["sweep", "plan.toml", "--out", "red\u{1b}[31m"], here);
    assert!(said.contains("red\\u{1b}[31m/runs.csv"), "{said}");
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

/// Of a part that others join: what any part has run, of however many, under whichever plan, is not run again.
#[test]
fn a_part_runs_what_no_part_has_and_the_last_one_joins() {
    let directory = with_plan(PLAN);
    let here = directory.path();
    ending(0, &["sweep", "plan.toml", "--out", "whole"], here);
    let part = |plan: &str, part: &str| ending(0, &["sweep", plan, "--out", "out", "--part", part], here);
    let said = part("plan.toml", "2/4");
    let lack = "The part 2/4 is complete. The whole lacks 42 runs: part 1 of 4: 0 of 14, part 3 of 4: 0 of 14, part 4 \
                of 4: 0 of 14.";
    assert!(said.starts_with("14 runs.\n") && said.contains(lack), "{said}");
    // A larger plan meanwhile: the parts of the smaller one are worth as much as they were, and make it no less
    // incomplete.
    std::fs::write(here.join("larger.toml"), PLAN.replace("seeds = 7", "seeds = 8")).unwrap();
    let said = part("larger.toml", "1/2");
    assert!(said.contains("The part 1/2 is complete. The whole lacks "), "{said}");
    assert!(!here.join("out/runs.csv").exists());
    // In other parts than before; what the others have run is taken from them.
    let said = part("plan.toml", "1/2");
    assert!(said.contains("there already") && said.contains("The whole lacks "), "{said}");
    let said = part("plan.toml", "2/2");
    assert!(said.contains("there already") && said.contains("The results: out/runs.csv"), "{said}");
    let said = ending(0, &["sweep", "plan.toml", "--out", "out"], here);
    assert!(said.contains("nothing to do") && said.contains("unchanged"), "{said}");
    std::fs::remove_dir_all(here.join("out/parts")).unwrap();
    assert_same(&here.join("whole"), &here.join("out"));
    ending(2, &["sweep", "plan.toml", "--part", "1/2", "--shard", "1/2"], here);
    ending(2, &["sweep", "plan.toml", "--part", "3/2"], here);
}

/// The whole takes what parts have run, and a cell that is whole in one place makes up for one that is damaged in
/// another.
#[test]
fn the_whole_is_made_of_what_parts_have() {
    let directory = with_plan(PLAN);
    let here = directory.path();
    ending(0, &["sweep", "plan.toml", "--out", "whole"], here);
    for part in ["1/3", "2/3"] {
        ending(0, &["sweep", "plan.toml", "--out", "out", "--part", part], here);
    }
    let broken = &cells(&here.join("out/parts/1-of-3"))[0];
    std::fs::write(broken, "cut").unwrap();
    let said = ending(0, &["sweep", "plan.toml", "--out", "out"], here);
    assert!(said.contains("37 runs are there already; 19 to go."), "{said}");
    std::fs::remove_dir_all(here.join("out/parts")).unwrap();
    assert_same(&here.join("whole"), &here.join("out"));
}

/// The script for Slurm, its tasks as processes of their own, all at once. One of them is killed; it is submitted again
/// alone, which is an array of one task.
#[cfg(unix)]
#[test]
fn the_slurm_script_joins_its_tasks() {
    use std::process::{Child, Command, Stdio};

    let directory = with_plan(PLAN);
    let here = directory.path();
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/slurm/sweep.sbatch");
    let task = |k: usize, of: &[usize]| -> Child {
        let mut command = Command::new("bash");
        command.arg(&script).args(["plan.toml", "out"]).current_dir(here);
        command.env("RATECHECK", env!("CARGO_BIN_EXE_ratecheck")).env("SLURM_CPUS_PER_TASK", "1");
        command.env("SLURM_ARRAY_TASK_ID", k.to_string()).env("SLURM_ARRAY_TASK_MIN", of[0].to_string());
        command.env("SLURM_ARRAY_TASK_MAX", of[of.len() - 1].to_string());
        command.env("SLURM_ARRAY_TASK_COUNT", of.len().to_string());
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    ending(0, &["sweep", "plan.toml", "--out", "whole"], here);
    let all = [1, 2, 3, 4];
    let mut first = task(2, &all);
    first.kill().unwrap();
    first.wait().unwrap();
    let mut tasks: Vec<Child> = [1, 3].into_iter().map(|k| task(k, &all)).collect();
    assert!(tasks.iter_mut().all(|task| task.wait().unwrap().success()));
    assert!(!here.join("out/runs.csv").exists(), "two parts are missing");
    let mut tasks: Vec<Child> = [2, 4].into_iter().map(|k| task(k, &[2, 4])).collect();
    // The first may still be at work where it was killed with its shell alone.
    let ended: Vec<_> = tasks.iter_mut().map(|task| task.wait().unwrap().code()).collect();
    assert!(ended.iter().all(|code| [Some(0), Some(8)].contains(code)), "{ended:?}");
    assert!(task(2, &[2]).wait().unwrap().success());
    std::fs::remove_dir_all(here.join("out/parts")).unwrap();
    assert_same(&here.join("whole"), &here.join("out"));
}
