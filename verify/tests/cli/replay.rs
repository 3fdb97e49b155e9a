//! `ratecheck replay`.

use std::path::Path;

use serde_json::Value;

use super::{code, ratecheck, with_fixed_claims};

pub(super) fn finds_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let verified = ["verify", "lemma-2.2", "theorem-3.1-rate", "--seed", "7", "--jobs", "1", "--out", "out"];
    assert_eq!(code(&ratecheck(&verified, directory.path())), 0);
    // Of a seed that is not the default one, on another number of threads.
    let replayed = ["replay", "out", "--claim", "theorem-3.1-rate", "--jobs", "2", "--verbose"];
    let output = ratecheck(&replayed, directory.path());
    assert_eq!(code(&output), 0, "{}", String::from_utf8_lossy(&output.stdout));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("seed 7, profile quick: ") && text.contains("same  theorem-3.1-rate\n"), "{text}");
    assert!(text.ends_with("1 claim in both: 0 regressions, 0 better, 0 notes\n"), "{text}");
    let json = ratecheck(&["replay", "out/results.json", "--json"], directory.path());
    assert_eq!(code(&json), 0);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["same"], serde_json::json!(["lemma-2.2", "theorem-3.1-rate"]));
}

/// Runs `good` and `false`, changes what was recorded, and replays.
fn replayed(change: impl Fn(&mut Value), arguments: &[&str]) -> (i32, String) {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().to_str().unwrap().to_owned();
    with_fixed_claims(&["verify", "good", "false", "--out", &out]);
    let file = directory.path().join("results.json");
    let mut results: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    // As an older version has written it: whoever changes a file with a checksum is found out.
    results.as_object_mut().unwrap().remove("sha256");
    change(&mut results);
    std::fs::write(&file, results.to_string()).unwrap();
    let output = with_fixed_claims(&[&["replay", &out][..], arguments].concat());
    (code(&output), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

pub(super) fn shows_what_differs() {
    let (code, text) = replayed(|_| (), &[]);
    assert!(code == 0 && text.contains("0 notes"), "{text}");
    // A claim that fails failed before: no regression. It was recorded as holding: one.
    let holds = |results: &mut Value| {
        let claim = results["claims"][1].as_object_mut().unwrap();
        claim["verdict"] = "holds".into();
        claim.remove("reason");
    };
    let (code, text) = replayed(holds, &["--claim", "false"]);
    assert!(code == 1 && text.contains("REGRESSION  false  verdict: holds -> fails"), "{text}");
    assert!(text.contains("note        false  not the same bits: reason, verdict"), "{text}");
    let (code, text) = replayed(holds, &["--claim", "good"]);
    assert!(code == 0 && text.contains("0 regressions"), "only what was named: {text}");
    let (code, text) = replayed(|results| results["claims"][0]["worst"]["margin"] = 0.25.into(), &[]);
    assert!(code == 0 && text.contains("margin: 2.500000e-1 -> 5.000000e-1"), "{text}");
    // What `compare` does not look at is noted all the same.
    let (code, text) = replayed(|results| results["claims"][0]["instances"][0]["count"] = 9.into(), &[]);
    assert!(code == 0 && text.contains("note  good  not the same bits: instances"), "{text}");
    // A control that is no longer there weighs as in `compare`.
    let control = |results: &mut Value| results["claims"][0]["controls"][0]["name"] = "another".into();
    let (code, text) = replayed(control, &["--quiet"]);
    assert_eq!((code, text.as_str()), (1, "2 claims in both: 1 regression, 0 better, 2 notes\n"));
}

pub(super) fn names_what_it_lacks() {
    let (code, text) = replayed(|_| (), &["--claim", "goood"]);
    assert!(code == 5 && text.contains("did you mean `good`?") && text.contains("has 2 claims"), "{text}");
    // Recorded, but no claim of this version.
    let (code, text) = replayed(|results| results["claims"][0]["id"] = "gone".into(), &["--claim", "gone"]);
    assert!(code == 5 && text.contains("no claim is called `gone`"), "{text}");
    let (code, text) = replayed(|results| results["claims"] = Value::Array(Vec::new()), &[]);
    assert!(code == 7 && text.contains("holds no claims"), "{text}");
    assert_eq!(super::code(&ratecheck(&["replay"], Path::new("."))), 2);
}
