//! Files that are not what they should be, and places that cannot be written.

use std::path::Path;

use super::{PLAN, assert_same, cells, ending, files, with_plan};

#[test]
fn damaged_and_foreign_cells_are_run_again() {
    let directory = with_plan(PLAN);
    let here = directory.path();
    ending(0, &["sweep", "plan.toml", "--out", "whole"], here);
    ending(0, &["sweep", "plan.toml", "--out", "out"], here);
    let cells = cells(&here.join("out"));
    let content = |k: usize| std::fs::read(&cells[k]).unwrap();
    std::fs::write(&cells[0], &content(0)[..100]).unwrap();
    std::fs::write(&cells[1], "").unwrap();
    let mut flipped = content(2);
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    std::fs::write(&cells[2], flipped).unwrap();
    std::fs::copy(&cells[4], &cells[3]).unwrap();
    std::fs::remove_file(&cells[5]).unwrap();
    let said = ending(0, &["sweep", "plan.toml", "--out", "out"], here);
    for part in [
        "3 of the files in out are cut short or changed: run again.",
        "1 of the files in out are of another cell: run again.",
        "51 runs are there already; 5 to go.",
        "unchanged",
    ] {
        assert!(said.contains(part), "{said}");
    }
    assert_same(&here.join("whole"), &here.join("out"));
}

#[test]
fn results_that_were_changed_are_made_again() {
    let directory = with_plan(PLAN);
    let here = directory.path();
    ending(0, &["sweep", "plan.toml", "--out", "whole"], here);
    ending(0, &["sweep", "plan.toml", "--out", "out"], here);
    std::fs::write(here.join("out/runs.csv"), "run\n").unwrap();
    std::fs::remove_file(here.join("out/runs.npz")).unwrap();
    std::fs::write(here.join("out/sweep.json"), "{").unwrap();
    std::fs::write(here.join("out/cells/.ratecheck-abc.tmp"), "left by a process that was killed").unwrap();
    let said = ending(0, &["sweep", "plan.toml", "--out", "out"], here);
    assert!(said.contains("nothing to do") && !said.contains("unchanged"), "{said}");
    assert_same(&here.join("whole"), &here.join("out"));
}

#[test]
fn a_directory_that_cannot_be_written_is_6() {
    let directory = with_plan(PLAN);
    let here = directory.path();
    std::fs::write(here.join("file"), "in the way").unwrap();
    let said = ending(6, &["sweep", "plan.toml", "--out", "file/out"], here);
    assert!(said.starts_with("ratecheck: cannot write file/out") && said.contains("--out DIR"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    // And one whose cells have no place.
    std::fs::create_dir(here.join("out")).unwrap();
    std::fs::write(here.join("out/cells"), "in the way").unwrap();
    ending(6, &["sweep", "plan.toml", "--out", "out"], here);
    ending(0, &["sweep", "plan.toml", "--shard", "1/2", "--out", "part"], here);
    ending(6, &["merge", "part", "--out", "file/out"], here);
}

/// A disk that takes no more: the process may write files of so many blocks and no longer ones, and is told so in the
/// middle of a file, as it would be by a disk that is full.
#[cfg(unix)]
fn with_little_room(blocks: usize, plan: &str, directory: &Path) -> (Option<i32>, String) {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" sweep {plan} --out out");
    let mut shell = std::process::Command::new("sh");
    let output = shell.args(["-c", &script, env!("CARGO_BIN_EXE_ratecheck")]).current_dir(directory).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_the_old_results_whole() {
    // Cells of some 2 kB; a list of cells, and results, far beyond 20 kB for the larger plan.
    let directory = with_plan(&PLAN.replace("seeds = 7", "seeds = 1"));
    let here = directory.path();
    std::fs::write(here.join("large.toml"), PLAN).unwrap();
    ending(0, &["sweep", "large.toml", "--out", "whole"], here);
    ending(0, &["sweep", "plan.toml", "--out", "out"], here);
    let old = files(&here.join("out"));

    // No room for the list of cells: nothing has changed.
    let (code, said) = with_little_room(4, "large.toml", here);
    assert_eq!(code, Some(6), "{said}");
    assert!(said.starts_with("ratecheck: cannot write out/sweep.json: ") && said.contains("has room"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(files(&here.join("out")), old);

    // Room for the list and the cells, but not for the results.
    let (code, said) = with_little_room(40, "large.toml", here);
    assert_eq!(code, Some(6), "{said}");
    assert!(said.starts_with("ratecheck: cannot write out/runs.csv: "), "{said}");
    let now = files(&here.join("out"));
    for name in ["runs.csv", "runs.npz", "runs.json"].map(Path::new) {
        assert_eq!(now[name], old[name]);
    }
    assert_eq!(cells(&here.join("out")).len(), 56, "every run is kept, and no temporary file");

    // With room again there is nothing left to run.
    let said = ending(0, &["sweep", "large.toml", "--out", "out"], here);
    assert!(said.contains("nothing to do"), "{said}");
    assert_same(&here.join("whole"), &here.join("out"));
}

/// The same in the middle of a cell.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_no_part_of_a_cell() {
    let directory = with_plan(PLAN);
    let here = directory.path();
    ending(0, &["sweep", "plan.toml", "--out", "whole"], here);
    // The list of cells is there, so that it need not be written again.
    ending(0, &["sweep", "plan.toml", "--shard", "1/2", "--out", "out"], here);
    let old = files(&here.join("out"));
    let longest = cells(&here.join("whole")).iter().map(|cell| cell.metadata().unwrap().len()).max().unwrap();
    assert!(longest > 1024, "cells that two blocks of 512 bytes do not hold");
    let (code, said) = with_little_room(2, "plan.toml", here);
    assert_eq!(code, Some(6), "{said}");
    assert!(said.starts_with("ratecheck: cannot write out/cells/") && said.lines().count() == 1, "{said}");
    let now = files(&here.join("out"));
    assert!(old.iter().all(|(name, content)| now[name] == *content));
    let said = ending(0, &["sweep", "plan.toml", "--out", "out"], here);
    assert!(said.contains(" are there already; ") && !said.contains("cut short"), "{said}");
    assert_same(&here.join("whole"), &here.join("out"));
}
