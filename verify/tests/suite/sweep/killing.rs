//! Sweeps that are stopped at random moments, by signals that a program cannot answer and by one that it could.
#![cfg(unix)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use rand::RngExt;
use ratecheck::random::Seed;

use super::{PLAN, assert_same, cells, ending, ratecheck, with_plan};

/// Kills that hit a running sweep, and those of them that hit it with some cells done and some not.
const KILLS: usize = 60;
const MIDWAY: usize = 20;

fn start(jobs: &str, directory: &Path) -> Child {
    let mut command = ratecheck();
    command.args(["sweep", "plan.toml", "--jobs", jobs, "--out", "out"]).current_dir(directory);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Cells with the times they were written at.
fn written(directory: &Path) -> Vec<(std::path::PathBuf, SystemTime)> {
    if !directory.join("cells").exists() {
        return Vec::new();
    }
    let whole = |path: &std::path::PathBuf| path.extension().is_some_and(|extension| extension == "cell");
    cells(directory)
        .into_iter()
        .filter(whole)
        .map(|path| (path.clone(), path.metadata().unwrap().modified().unwrap()))
        .collect()
}

/// What is killed and run again, as often as it takes, ends with the bits of a sweep that no one touched. Cells that
/// were done stay as they are.
#[test]
fn whatever_the_moment_the_bits_are_the_same() {
    let directory = with_plan(&PLAN.replace("3_000", "1_001"));
    let here = directory.path();
    // What it takes without interruption; the least of three, since other tests run at the same time.
    let mut longest = Duration::MAX;
    for out in ["whole", "again", "once-more"] {
        let begin = Instant::now();
        ending(0, &["sweep", "plan.toml", "--jobs", "1", "--out", out], here);
        longest = longest.min(begin.elapsed());
    }
    let out = here.join("out");
    let mut generator = Seed::new(2019).generator("sweep/kill");
    let (mut kills, mut midway, mut finished, mut attempts) = (0, 0, 0, 0);
    let mut before = Vec::new();
    while kills < KILLS || midway < MIDWAY || finished == 0 {
        attempts += 1;
        assert!(attempts < 20 * KILLS, "{kills} kills in {attempts} attempts, {midway} of them midway");
        let jobs = ["1", "2", "7"][attempts % 3];
        let mut sweep = start(jobs, here);
        std::thread::sleep(longest.mul_f64(generator.random_range(0.0..1.0)));
        let running = sweep.try_wait().unwrap().is_none();
        if running && attempts % 2 == 0 {
            let sent = Command::new("kill").args(["-INT", &sweep.id().to_string()]).status().unwrap();
            assert!(sent.success());
        } else {
            sweep.kill().unwrap();
        }
        let status = sweep.wait().unwrap();
        let after = written(&out);
        let kept = before.iter().all(|cell| after.contains(cell));
        assert!(kept, "a cell that was done has been written again");
        if status.success() {
            finished += 1;
            assert_same(&here.join("whole"), &out);
            std::fs::remove_dir_all(&out).unwrap();
            before.clear();
        } else {
            kills += 1;
            midway += usize::from((1..56).contains(&after.len()));
            before = after;
        }
    }
    // And to the end from wherever the last one was.
    ending(0, &["sweep", "plan.toml", "--out", "out"], here);
    assert_same(&here.join("whole"), &out);
}

/// A sweep that would run for hours: it ends with the test, however that ends.
struct Endless(Child);

impl Drop for Endless {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The second of two sweeps on one directory says who is first, and a lock whose holder was killed holds no one up.
#[test]
fn one_sweep_at_a_time() {
    let directory = with_plan(&PLAN.replace("steps = 3_000", "steps = 1_000_000_000"));
    let here = directory.path();
    let mut first = Endless(start("1", here));
    let patience = Instant::now();
    while !here.join("out/sweep.json").exists() {
        assert!(patience.elapsed() < Duration::from_secs(60), "the first sweep does not start");
        std::thread::sleep(Duration::from_millis(5));
    }
    // A plan that would not take long, were it let in.
    std::fs::write(here.join("plan.toml"), PLAN).unwrap();
    let said = ending(8, &["sweep", "plan.toml", "--out", "out"], here);
    let who = format!("ratecheck: out is in use by process {} on ", first.0.id());
    assert!(said.starts_with(&who) && said.contains(" since ") && said.contains("--out DIR"), "{said}");
    // To merge into it is no better, and looking is no harm.
    ending(8, &["merge", "out", "--out", "out"], here);
    ending(0, &["sweep", "plan.toml", "--dry-run", "--out", "out"], here);
    first.0.kill().unwrap();
    first.0.wait().unwrap();
    ending(0, &["sweep", "plan.toml", "--out", "out"], here);
    assert_eq!(cells(&here.join("out")).len(), 56);
}

/// A directory that is moved away under a running sweep, or deleted, is not made anew where nobody holds its lock.
#[test]
fn a_directory_that_is_taken_away_ends_the_sweep() {
    // So many runs that the first ends long before the last, whatever the machine.
    let many = PLAN.replace("seeds = 7", "seeds = 300").replace("3_000", "30_000");
    for moved in [true, false] {
        let directory = with_plan(&many);
        let (here, out) = (directory.path(), directory.path().join("out"));
        let mut command = ratecheck();
        command.args(["sweep", "plan.toml", "--jobs", "1", "--out", "out"]).current_dir(here);
        let mut sweep = Endless(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
        let patience = Instant::now();
        while written(&out).is_empty() {
            assert!(patience.elapsed() < Duration::from_secs(60), "no run ends");
            std::thread::sleep(Duration::from_millis(5));
        }
        // Deleted is what is moved first: nothing appears in it meanwhile.
        std::fs::rename(&out, here.join("away")).unwrap();
        if !moved {
            std::fs::remove_dir_all(here.join("away")).unwrap();
        }
        let mut said = String::new();
        std::io::Read::read_to_string(sweep.0.stderr.as_mut().unwrap(), &mut said).unwrap();
        assert_eq!(sweep.0.wait().unwrap().code(), Some(6), "{said}");
        assert!(
            said.starts_with("ratecheck: out was moved, deleted or replaced while this run worked in it"),
            "{said}"
        );
        assert!(said.contains("--out DIR") && said.lines().count() == 1, "{said}");
        assert!(!out.exists(), "it was made anew");
        assert_eq!(here.join("away").exists(), moved);
        if moved {
            assert!(!written(&here.join("away")).is_empty(), "what had ended is kept");
        }
    }
}
