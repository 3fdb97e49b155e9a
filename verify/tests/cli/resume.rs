//! A verification that is stopped, and `verify --resume`.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::schema::describes;
use super::{code, ratecheck};

fn read(file: &std::path::Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}

fn ids(claims: &Value) -> Vec<&str> {
    claims.as_array().unwrap().iter().map(|claim| claim["id"].as_str().unwrap()).collect()
}

/// Killed in its second claim: the first is kept, can be looked at, and is not run again.
pub(super) fn what_was_found_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("out/results.json");
    let verify = ["verify", "definition-2.1", "theorem-4.2-rate", "--profile", "full", "--out", "out"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_ratecheck"));
    command.args(verify).current_dir(directory.path()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut running = command.spawn().unwrap();
    let begin = Instant::now();
    let stopped = loop {
        if let Some(found) = read(&file)
            && !ids(&found["claims"]).is_empty()
        {
            break found;
        }
        assert!(running.try_wait().unwrap().is_none(), "it ended before it could be stopped");
        assert!(begin.elapsed() < Duration::from_secs(300), "nothing was written");
        std::thread::sleep(Duration::from_millis(20));
    };
    running.kill().unwrap();
    running.wait().unwrap();
    assert_eq!(ids(&stopped["claims"]), ["definition-2.1"]);
    assert_eq!(stopped["pending"], serde_json::json!(["theorem-4.2-rate"]));
    assert!(describes(&stopped), "as the schema says");

    assert_eq!(code(&ratecheck(&["report", "out"], directory.path())), 0);
    let page = std::fs::read_to_string(directory.path().join("out/index.html")).unwrap();
    assert!(page.contains("<b>Not finished:</b> theorem-4.2-rate."));
    let markdown = std::fs::read_to_string(directory.path().join("out/report.md")).unwrap();
    assert!(markdown.contains("1 of 1 hold · 1 not finished"), "{markdown}");

    // In the order of the paper, with the very time that the first one took, though a power cut has emptied the
    // results.
    std::fs::write(&file, "").unwrap();
    let both = ["verify", "lemma-2.2", "definition-2.1", "--profile", "full"];
    let output = ratecheck(&[&both[..], &["--resume", "--out", "out"]].concat(), directory.path());
    let message = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(code(&output), 0, "{message}");
    assert!(message.contains("out/results.json was cut short") && message.contains("1 claim"), "{message}");
    let resumed = read(&file).unwrap();
    assert_eq!(ids(&resumed["claims"]), ["definition-2.1", "lemma-2.2"]);
    assert_eq!(resumed["claims"][0], stopped["claims"][0]);
    assert_eq!(resumed.get("pending"), None);
    // The same numbers as those of a run that no one stopped; --resume begins one where there is none.
    assert_eq!(code(&ratecheck(&[&both[..], &["--resume", "--out", "whole"]].concat(), directory.path())), 0);
    let mut whole = read(&directory.path().join("whole/results.json")).unwrap();
    let claims = whole["claims"].as_array_mut().unwrap().iter_mut();
    claims.zip(resumed["claims"].as_array().unwrap()).for_each(|(a, b)| a["seconds"] = b["seconds"].clone());
    assert_eq!(whole["claims"], resumed["claims"]);
}

pub(super) fn other_conditions_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(code(&ratecheck(&["verify", "lemma-2.2", "--out", "out"], directory.path())), 0);
    let file = directory.path().join("out/results.json");
    let before = std::fs::read(&file).unwrap();
    for (more, difference) in [
        (["--seed", "7"], "its seed is 2019, and this run's is 7"),
        (["--profile", "standard"], "its profile is quick, and this run's is standard"),
    ] {
        let output = ratecheck(&[&["verify", "--resume", "--out", "out"][..], &more].concat(), directory.path());
        assert_eq!(code(&output), 7);
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains("out/results.json") && message.contains(difference), "{message}");
        assert!(message.contains("--out") && message.contains("--resume"), "{message}");
    }
    // Of the same seed there is nothing that could be read.
    std::fs::remove_dir_all(directory.path().join("out/claims")).unwrap();
    std::fs::write(&file, "{\"format\": 1,").unwrap();
    let output = ratecheck(&["verify", "lemma-2.2", "--resume", "--out", "out"], directory.path());
    assert_eq!(code(&output), 7);
    assert_eq!(std::fs::read(&file).unwrap(), b"{\"format\": 1,", "what cannot be read is not overwritten");
    std::fs::write(&file, before).unwrap();
    assert_eq!(code(&ratecheck(&["verify", "lemma-2.2", "--resume", "--out", "out"], directory.path())), 0);
}

/// The claims that a directory keeps, by name.
fn kept(out: &std::path::Path) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(out.join("claims")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Whatever happens to results.json after the run, and to one of the claims: what is whole is not run again.
pub(super) fn claims_outlive_the_results() {
    let directory = tempfile::tempdir().unwrap();
    let (here, out) = (directory.path(), directory.path().join("out"));
    let claims = ["verify", "definition-2.1", "lemma-2.2", "equation-8", "--out", "out"];
    assert_eq!(code(&ratecheck(&claims, here)), 0);
    let file = out.join("results.json");
    let whole = std::fs::read(&file).unwrap();
    assert_eq!(kept(&out).len(), 3);
    let found = |text: &[u8]| serde_json::from_slice::<Value>(text).unwrap()["claims"].clone();
    // None of the three is named; they are found all the same. The times are those of the first run: nothing was run.
    let resume = ["verify", "equation-8", "--resume", "--out", "out"];
    for cut in [0, 1, whole.len() / 2, whole.len() - 2] {
        std::fs::write(&file, &whole[..cut]).unwrap();
        assert_eq!(code(&ratecheck(&resume, here)), 0);
        assert_eq!(found(&std::fs::read(&file).unwrap()), found(&whole), "cut at {cut}");
    }
    std::fs::write(&file, vec![0; whole.len()]).unwrap();
    assert_eq!(code(&ratecheck(&resume, here)), 0);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(code(&ratecheck(&resume, here)), 0);
    assert_eq!(found(&std::fs::read(&file).unwrap()), found(&whole));
    // A file that was cut short is none.
    let one = &kept(&out)[0];
    let bytes = std::fs::read(one).unwrap();
    std::fs::write(one, &bytes[..bytes.len() - 1]).unwrap();
    std::fs::remove_file(&file).unwrap();
    let output = ratecheck(&[&claims[..], &["--resume"]].concat(), here);
    assert_eq!(code(&output), 0);
    assert_eq!(found(&std::fs::read(&file).unwrap()).as_array().unwrap().len(), 3, "one of them anew");
    assert!(std::fs::read(one).unwrap() != bytes[..bytes.len() - 1]);
    // Without --resume what was kept is forgotten.
    assert_eq!(code(&ratecheck(&["verify", "lemma-2.2", "--out", "out"], here)), 0);
    assert_eq!(kept(&out).len(), 1);
}

/// A verification that would run for many minutes: it ends with the test, however that ends.
struct Long(std::process::Child);

impl Drop for Long {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn long(here: &std::path::Path) -> Long {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ratecheck"));
    command.args(["verify", "theorem-4.2-rate", "--profile", "full", "--out", "out"]).current_dir(here);
    let running = Long(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let begin = Instant::now();
    while !here.join("out/results.json").exists() {
        assert!(begin.elapsed() < Duration::from_secs(300), "it does not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    running
}

pub(super) fn one_verification_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let first = long(here);
    let before = std::fs::read(here.join("out/results.json")).unwrap();
    for more in [&["--resume"][..], &[]] {
        let output = ratecheck(&[&["verify", "lemma-2.2", "--out", "out"][..], more].concat(), here);
        let message = String::from_utf8(output.stderr.clone()).unwrap();
        assert_eq!(code(&output), 8, "{message}");
        let who = format!("ratecheck: out is in use by process {} on ", first.0.id());
        assert!(message.starts_with(&who) && message.contains("--out DIR"), "{message}");
    }
    assert_eq!(std::fs::read(here.join("out/results.json")).unwrap(), before, "nothing was touched");
    // To look is no harm; elsewhere there is room; and who knows better may go on.
    assert_eq!(code(&ratecheck(&["report", "out", "--out", "page"], here)), 0);
    assert_eq!(code(&ratecheck(&["verify", "lemma-2.2", "--out", "elsewhere"], here)), 0);
    assert_eq!(code(&ratecheck(&["verify", "lemma-2.2", "--no-lock", "--out", "out"], here)), 0);
    drop(first);
    assert_eq!(code(&ratecheck(&["verify", "lemma-2.2", "--out", "out"], here)), 0, "the lock ended with its holder");
}
