//! `ratecheck verify --problem` as a black box: every example file, a constant epsilon,
//! rates that are badly chosen, and what is said.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/problems")
}

fn run(arguments: &[&str], directory: &Path) -> (i32, String, String) {
    let output: Output =
        Command::new(env!("CARGO_BIN_EXE_ratecheck")).args(arguments).current_dir(directory).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The verdicts of a verification with few steps, its exit code, and its results.
fn verified(arguments: &[&str], directory: &Path) -> (i32, BTreeMap<String, String>, Value) {
    let all = [&["verify"], arguments, &["--json", "--out", "out"]].concat();
    let (code, stdout, stderr) = run(&all, directory);
    let results: Value = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"));
    let claims = results["claims"].as_array().unwrap();
    let verdicts =
        claims.iter().map(|c| (c["id"].as_str().unwrap().to_owned(), c["verdict"].as_str().unwrap().to_owned()));
    (code, verdicts.collect(), results)
}

/// Statements that take no long runs: the others are tried in the claims' own tests.
const SHORT: [&str; 9] = [
    "definition-2.1",
    "lemma-2.2",
    "lemma-2.4.1",
    "lemma-2.4.2",
    "euler-identities",
    "appendix-a-identities",
    "equation-11",
    "lemma-3.2",
    "theorem-3.1",
];

#[test]
fn every_example_is_verified() {
    let directory = tempfile::tempdir().unwrap();
    let mut n = 0;
    for entry in std::fs::read_dir(examples()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        n += 1;
        let path = path.to_str().unwrap();
        let mut arguments = vec!["--problem", path, "--steps", "20"];
        arguments.extend(SHORT);
        let (code, verdicts, results) = verified(&arguments, directory.path());
        assert_eq!(verdicts.len(), SHORT.len(), "{path}");
        let constant = path.contains("pytorch");
        let expected = if constant { "fails" } else { "holds" };
        for id in ["definition-2.1", "lemma-2.2"] {
            assert_eq!(verdicts[id], expected, "{path}: {id}");
        }
        assert_eq!(code, i32::from(constant), "{path}: {verdicts:?}");
        assert!(verdicts.values().all(|verdict| verdict != "error"), "{path}: {verdicts:?}");
        if constant {
            assert_eq!(verdicts["theorem-3.1"], "not_applicable");
            let theorem = results["claims"].as_array().unwrap().iter().find(|c| c["id"] == "theorem-3.1").unwrap();
            let reason = theorem["reason"].as_str().unwrap();
            assert!(reason.contains("epsilon") && reason.contains("Definition 2.1 fails"), "{reason}");
        }
        // Every control that there is shows its power on this very network.
        for claim in results["claims"].as_array().unwrap() {
            for control in claim["controls"].as_array().unwrap() {
                assert_eq!(control["outcome"], "rejected", "{path}: {}: {control}", claim["id"]);
            }
        }
        let problem = &results["provenance"]["problem"];
        assert_eq!(problem["arguments"][0], "--problem");
        assert!(problem["parameters"].as_u64().unwrap() > 0);
    }
    assert!(n >= 7, "{n} example files");
}

#[test]
fn settings_come_from_the_file_and_flags_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(examples().join("3-4-1.toml")).unwrap();
    let settings = "\n[verify]\neta-w = [0.5, 2]\neta-g = 0.125\nalphas = 0.25\nsteps = 30\nseeds = 3\n";
    std::fs::write(directory.path().join("net.toml"), text.clone() + settings).unwrap();
    let of = |arguments: &[&str]| {
        let all = [&["--problem", "net.toml", "lemma-2.2"], arguments].concat();
        let (code, _, results) = verified(&all, directory.path());
        assert_eq!(code, 0);
        let words = &results["provenance"]["problem"]["settings"];
        words.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(of(&[]), "eta_w: 0.5, 2; eta_g: 0.125; alphas: 0.25; steps: 30; seeds: 3");
    let flags = ["--eta-w", "7", "--eta-g", "1", "--alphas", "0,0.5", "--steps", "9", "--seeds", "2"];
    assert_eq!(of(&flags), "eta_w: 7; eta_g: 1; alphas: 0, 0.5; steps: 9; seeds: 2");

    // What makes no sense is one sentence with its place and a remedy.
    for (line, message) in [
        ("eta-w = 0", "net.toml:"),
        ("alphas = [0.25, 0.75]", "Theorem 4.2 is about exponents from 0 to 0.5"),
        ("eta-w = []", "give at least one number"),
        ("step = 5", "did you mean `steps`?"),
    ] {
        std::fs::write(directory.path().join("net.toml"), format!("{text}\n[verify]\n{line}\n")).unwrap();
        let (code, _, stderr) = run(&["verify", "--problem", "net.toml", "lemma-2.2"], directory.path());
        assert!(code == 7 && stderr.contains(message) && stderr.lines().count() == 1, "{code}: {stderr}");
    }
    for (flags, message) in [
        (&["--eta-w", "1"][..], "give --problem FILE or --instance NAME"),
        (&["--instance", "rayleigh", "--eta-w", "-1"], "finite number above 0"),
        (&["--instance", "rayleigh", "--alphas", "2"], "exponents from 0 to 0.5"),
    ] {
        let (code, _, stderr) = run(&[&["verify"], flags].concat(), directory.path());
        assert!(code == 2 && stderr.contains(message), "{code}: {stderr}");
    }
    let (code, _, stderr) = run(&["verify", "--instance", "rayleigh", "lemma-b.1"], directory.path());
    assert!(code == 5 && stderr.contains("lemma-b.1 does not speak of a loss"), "{code}: {stderr}");
}

#[test]
fn a_rate_of_g_that_is_too_large_is_a_premise_that_is_not_met() {
    let directory = tempfile::tempdir().unwrap();
    let (code, verdicts, results) =
        verified(&["--instance", "bn-regression", "theorem-3.1", "--eta-g", "1.9"], directory.path());
    assert_eq!((code, verdicts["theorem-3.1"].as_str()), (0, "inconclusive"), "{results}");
    let strict = ["verify", "--instance", "bn-regression", "theorem-3.1", "--eta-g", "1.9", "--strict", "--out", "out"];
    assert_eq!(run(&strict, directory.path()).0, 4);
}

#[test]
fn what_was_verified_is_brought_again_and_refused_when_it_has_changed() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let text = std::fs::read_to_string(examples().join("3-4-1.toml")).unwrap();
    std::fs::write(at("net.toml"), &text).unwrap();
    let verify = ["verify", "--problem", "net.toml", "lemma-2.2", "--out", "out", "--resume"];
    assert_eq!(run(&verify, directory.path()).0, 0);
    assert_eq!(run(&["replay", "out"], directory.path()).0, 0);
    let same = run(&["compare", "out/results.json", "out/results.json"], directory.path());
    assert_eq!(same.0, 0, "{}", same.2);
    std::fs::write(at("net.toml"), text.replace("epsilon = 0.1", "epsilon = 0.2")).unwrap();
    let (code, _, stderr) = run(&verify, directory.path());
    assert!(code == 7 && stderr.contains("its problem is"), "{stderr}");
    let (code, _, stderr) = run(&["replay", "out"], directory.path());
    assert!(code == 7 && stderr.contains("has changed since it was verified"), "{stderr}");
    // The paper's own run is not overwritten: a problem has a directory of its own.
    assert_eq!(run(&["verify", "--instance", "rayleigh", "lemma-2.2"], directory.path()).0, 0);
    assert!(at("reports/latest/rayleigh/index.html").exists() && !at("reports/latest/index.html").exists());
}
