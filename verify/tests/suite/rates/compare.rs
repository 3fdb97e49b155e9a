use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::ratecheck;

fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../reports/baseline.json")
}

/// The committed baseline, changed, in a directory of its own.
fn changed(directory: &Path, name: &str, change: impl FnOnce(&mut Value)) -> PathBuf {
    let mut value: Value = serde_json::from_slice(&fs::read(committed()).unwrap()).unwrap();
    change(&mut value);
    let path = directory.join(name);
    fs::write(&path, value.to_string()).unwrap();
    path
}

fn compare(old: &Path, new: &Path, more: &[&str]) -> (i32, String, String) {
    let arguments: Vec<&str> =
        ["compare", old.to_str().unwrap(), new.to_str().unwrap()].into_iter().chain(more.iter().copied()).collect();
    ratecheck(&arguments, Path::new("."))
}

/// The first claim with a slope.
fn with_slope(value: &mut Value) -> &mut Value {
    let claims = value["claims"].as_array_mut().unwrap();
    claims.iter_mut().find(|claim| !claim["slopes"].as_array().unwrap().is_empty()).unwrap()
}

#[test]
fn the_committed_baseline_is_of_the_claims_of_today() {
    let value: Value = serde_json::from_slice(&fs::read(committed()).unwrap()).unwrap();
    let ids: Vec<&str> =
        value["claims"].as_array().unwrap().iter().map(|claim| claim["id"].as_str().unwrap()).collect();
    let known: Vec<&str> = ratecheck_verify::paper::claims::CLAIMS.iter().map(|claim| claim.statement().id).collect();
    assert_eq!(
        ids, known,
        "renew it on purpose: ratecheck compare reports/baseline.json reports/latest/results.json --update"
    );
    assert_eq!((value["profile"].as_str(), value["seed"].as_u64()), (Some("quick"), Some(2019)));
    assert!(value["claims"].as_array().unwrap().iter().all(|claim| claim["status"] == "holds"));
}

#[test]
fn the_same_is_0_and_a_regression_1() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let (code, out, _) = compare(&committed(), &committed(), &[]);
    assert!(code == 0 && out.contains("0 regressions, 0 better, 0 notes"), "{out}");
    type Change = fn(&mut Value);
    let cases: [(&str, Change, i32, &str); 7] = [
        ("verdict", |v| v["claims"][0]["status"] = json!("fails"), 1, "verdict: holds -> fails"),
        ("inconclusive", |v| v["claims"][0]["status"] = json!("inconclusive"), 1, "verdict: holds -> inconclusive"),
        ("claim", |v| drop(v["claims"].as_array_mut().unwrap().remove(3)), 1, "no longer there"),
        ("control", |v| v["claims"][0]["controls"] = json!([]), 1, "no longer there"),
        ("slope", |v| with_slope(v)["slopes"][0]["interval"] = json!([7.0, 8.0]), 1, "do not overlap"),
        ("nan", |v| with_slope(v)["slopes"][0]["interval"] = json!(["NaN", "NaN"]), 1, "do not overlap"),
        ("margin", |v| v["claims"][0]["margin"] = json!(0.125), 0, "margin"),
    ];
    for (name, change, expected, part) in cases {
        let new = changed(here, name, change);
        let (code, out, error) = compare(&committed(), &new, &[]);
        assert!(code == expected && out.contains(part), "{name}: {code}\n{out}{error}");
        let (code, json, _) = compare(&committed(), &new, &["--json"]);
        let found: Value = serde_json::from_str(&json).unwrap();
        assert!(code == expected && found["differences"].as_array().is_some_and(|all| !all.is_empty()), "{json}");
    }
    // The other way round, a verdict gets better.
    let old = changed(here, "old", |v| v["claims"][0]["status"] = json!("fails"));
    let (code, out, _) = compare(&old, &committed(), &[]);
    assert!(code == 0 && out.contains("1 better"), "{out}");
}

#[test]
fn two_profiles_are_compared_if_that_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let other = changed(directory.path(), "other.json", |v| v["profile"] = json!("full"));
    let (code, out, error) = compare(&committed(), &other, &[]);
    assert!(code == 7 && out.is_empty() && error.lines().count() == 1, "{code} {out}{error}");
    assert!(
        error.contains("of profile quick") && error.contains("of profile full") && error.contains("--across-profiles"),
        "{error}"
    );
    let (code, out, _) = compare(&committed(), &other, &["--across-profiles"]);
    assert!(code == 0 && out.contains("profile: quick -> full"), "{out}");
}

#[test]
fn results_are_compared_too() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let (code, ..) = ratecheck(&["verify", "lemma-2.2", "--out", "run"], here);
    assert_eq!(code, 0);
    let results = here.join("run/results.json");
    let (code, out, _) = compare(&results, &results, &[]);
    assert!(code == 0 && out.contains("1 claim in both"), "{out}");
    // A part of a run lacks claims, and that is all that is wrong with it.
    let (code, out, _) = compare(&committed(), &results, &[]);
    let regressions: Vec<&str> = out.lines().filter(|line| line.starts_with("REGRESSION")).collect();
    assert_eq!((code, regressions.len()), (1, ratecheck_verify::paper::claims::CLAIMS.len() - 1), "{out}");
    assert!(regressions.iter().all(|line| line.contains("no longer there") && !line.contains("lemma-2.2 ")), "{out}");
}

#[test]
fn a_baseline_is_renewed_on_purpose_only() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let baseline = || changed(here, "baseline.json", |v| v["claims"][0]["margin"] = json!(0.125));
    let text = |path: &Path| fs::read_to_string(path).unwrap();
    let (code, ..) = ratecheck(&["verify", "lemma-2.2", "--out", "run"], here);
    assert_eq!(code, 0);
    let part = here.join("run/results.json");
    let seed = changed(here, "seed", |v| v["seed"] = json!(7));
    let profile = changed(here, "profile", |v| v["profile"] = json!("full"));
    for (new, why) in [(&part, "does not hold"), (&seed, "seed 7"), (&profile, "profile full")] {
        let old = baseline();
        let before = text(&old);
        let (code, _, error) = compare(&old, new, &["--update"]);
        assert!(code == 7 && error.contains(why) && error.contains("left as it is"), "{code} {error}");
        assert_eq!(text(&old), before);
    }
    // A results.json is not overwritten.
    let (code, _, error) = compare(&part, &committed(), &["--update"]);
    assert!(code == 7 && error.contains("no baseline"), "{code} {error}");

    let old = baseline();
    let (code, out, _) = compare(&old, &committed(), &["--update"]);
    assert!(code == 0 && out.contains("margin") && out.contains("is written"), "{out}");
    assert_eq!(text(&old), text(&committed()), "the same bytes");
    let first = here.join("first.json");
    let (code, ..) = compare(&first, &committed(), &["--update"]);
    assert_eq!((code, text(&first)), (0, text(&committed())));
}

#[test]
fn unreadable_files_are_7() {
    let directory = tempfile::tempdir().unwrap();
    let bad = directory.path().join("bad.json");
    for text in ["", "{", "[]", "{\"baseline\": 1}", "{\"format\": 99}"] {
        fs::write(&bad, text).unwrap();
        let (code, _, error) = compare(&committed(), &bad, &[]);
        assert!(code == 7 && error.contains("bad.json") && error.lines().count() == 1, "{text}: {code} {error}");
    }
    let (code, _, error) = compare(&directory.path().join("none.json"), &committed(), &[]);
    assert!(code == 7 && error.contains("none.json"), "{error}");
}
