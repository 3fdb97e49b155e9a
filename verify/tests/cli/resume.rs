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

    // In the order of the paper, with the very time that the first one took.
    let both = ["verify", "lemma-2.2", "definition-2.1", "--profile", "full"];
    assert_eq!(code(&ratecheck(&[&both[..], &["--resume", "--out", "out"]].concat(), directory.path())), 0);
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
    std::fs::write(&file, "{\"format\": 1,").unwrap();
    let output = ratecheck(&["verify", "lemma-2.2", "--resume", "--out", "out"], directory.path());
    assert_eq!(code(&output), 7);
    assert_eq!(std::fs::read(&file).unwrap(), b"{\"format\": 1,", "what cannot be read is not overwritten");
    std::fs::write(&file, before).unwrap();
    assert_eq!(code(&ratecheck(&["verify", "lemma-2.2", "--resume", "--out", "out"], directory.path())), 0);
}
