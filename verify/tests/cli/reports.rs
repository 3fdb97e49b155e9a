//! `ratecheck report`.

use std::path::{Path, PathBuf};

use super::{code, ratecheck};

/// Every file below a directory, in order.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

/// All but what belongs to the run and not to its reports: the lock, and the claims that it keeps.
fn beneath(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let all = files(dir).into_iter().map(|(path, bytes)| (path.strip_prefix(dir).unwrap().to_owned(), bytes));
    all.filter(|(path, _)| path != Path::new("lock") && !path.starts_with("claims")).collect()
}

/// A verification with plots, slopes, and comparisons that were replayed.
fn verified() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let claims = ["verify", "lemma-2.2", "lemma-b.1", "theorem-3.1-rate", "--out", "first"];
    assert_eq!(code(&ratecheck(&claims, directory.path())), 0);
    directory
}

pub(super) fn writes_the_same_bytes() {
    let directory = verified();
    let first = directory.path().join("first");
    let before = beneath(&first);
    for part in ["index.html", "report.md", "report.tex", "junit.xml", "results.json"] {
        assert!(before.iter().any(|(path, _)| path == Path::new(part)), "{part}");
    }
    assert!(before.iter().any(|(path, _)| path.extension().is_some_and(|e| e == "svg")));
    // Elsewhere, from the directory and from the file alone.
    for (from, out) in [("first", "second"), ("first/results.json", "third")] {
        let output = ratecheck(&["report", from, "--out", out], directory.path());
        assert_eq!(code(&output), 0);
        assert!(String::from_utf8(output.stdout).unwrap().starts_with(&format!("The page: {out}/index.html")));
        assert!(before == beneath(&directory.path().join(out)), "{from}");
    }
    // In place, where everything but the numbers has been lost.
    for (path, _) in before.iter().filter(|(path, _)| path != Path::new("results.json")) {
        std::fs::remove_file(first.join(path)).unwrap();
    }
    assert_eq!(code(&ratecheck(&["report", "first"], directory.path())), 0);
    assert!(before == beneath(&first));
}

/// A results.json with another text and the checksum of that.
pub(super) fn summed(text: &str) -> String {
    let at = text.find("\"sha256\": \"").unwrap() + "\"sha256\": \"".len();
    let end = at + text[at..].find('"').unwrap();
    let rest = [&text[..at], &text[end..]].concat();
    let sum = <sha2::Sha256 as sha2::Digest>::digest(rest.as_bytes());
    let digits: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    [&text[..at], &digits, &text[end..]].concat()
}

/// What a later version has added to results.json is not lost.
pub(super) fn leaves_the_numbers_alone() {
    let directory = verified();
    let file = directory.path().join("first/results.json");
    let text = std::fs::read_to_string(&file).unwrap().replacen("\"format\": 1,", "\"format\": 1, \"later\": [1],", 1);
    let text = summed(&text);
    std::fs::write(&file, &text).unwrap();
    for arguments in [&["report", "first"][..], &["report", "first", "--out", "copy"]] {
        assert_eq!(code(&ratecheck(arguments, directory.path())), 0);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    }
    assert_eq!(std::fs::read_to_string(directory.path().join("copy/results.json")).unwrap(), text);
}

pub(super) fn refuses_what_is_no_results_json() {
    let directory = tempfile::tempdir().unwrap();
    let verified = ["verify", "lemma-2.2", "--out", "good"];
    assert_eq!(code(&ratecheck(&verified, directory.path())), 0);
    let good = std::fs::read_to_string(directory.path().join("good/results.json")).unwrap();
    for (what, text, part) in [
        ("newer", good.replacen("\"format\": 1", "\"format\": 2", 1).into_bytes(), "newer ratecheck"),
        ("older", good.replacen("\"format\": 1", "\"format\": 0", 1).into_bytes(), "older ratecheck"),
        ("truncated", good.as_bytes()[..good.len() / 2].to_vec(), "line"),
        // In the middle of a letter.
        ("cut", good.as_bytes()[..=good.find('‖').unwrap()].to_vec(), "line"),
        ("empty", Vec::new(), "line"),
        ("foreign", b"{\"baseline\": 1}".to_vec(), "not a results.json"),
        ("no JSON", b"<html>".to_vec(), "not a results.json"),
    ] {
        let dir = directory.path().join(what);
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("results.json"), text).unwrap();
        for arguments in [["report", what], ["replay", what]] {
            let output = ratecheck(&arguments, directory.path());
            let message = String::from_utf8(output.stderr.clone()).unwrap();
            assert_eq!(code(&output), 7, "{what}: {message}");
            let file = format!("{what}/results.json");
            assert!(
                message.contains(&file) && message.contains(part) && message.contains("ratecheck verify"),
                "{message}"
            );
            assert_eq!(message.lines().count(), 1);
        }
        assert_eq!(files(&dir).len(), 1, "{what}: nothing is written");
    }
    // A formula that cannot be rendered came with the file.
    let formula = &good[good.find("\"latex\": [").unwrap()..];
    let formula = formula.split('"').nth(3).unwrap();
    std::fs::create_dir(directory.path().join("formula")).unwrap();
    let text = summed(&good.replacen(formula, r"\\frac{1", 1));
    std::fs::write(directory.path().join("formula/results.json"), text).unwrap();
    let output = ratecheck(&["report", "formula"], directory.path());
    let message = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(code(&output) == 7 && message.contains("formula/results.json: a claim has a formula"), "{message}");
    assert_eq!(files(&directory.path().join("formula")).len(), 1, "nothing is written");
    // A directory without one, and one that cannot be written to.
    assert_eq!(code(&ratecheck(&["report", "."], directory.path())), 7);
    std::fs::write(directory.path().join("file"), "in the way").unwrap();
    assert_eq!(code(&ratecheck(&["report", "good", "--out", "file/out"], directory.path())), 6);
}

/// A number that was changed is an error, whatever the file is used for; a file of an older version has no checksum,
/// which is said.
pub(super) fn notices_a_change() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    assert_eq!(code(&ratecheck(&["verify", "lemma-2.2", "--out", "out"], here)), 0);
    let file = here.join("out/results.json");
    let good = std::fs::read_to_string(&file).unwrap();
    assert_eq!(summed(&good), good, "the sum is that of everything else, as the schema says");
    let uses = [
        &["report", "out"][..],
        &["replay", "out"],
        &["compare", "out/results.json", "out/results.json"],
        &["verify", "lemma-2.2", "--resume", "--out", "out"],
    ];
    let changed = good.replacen("\"count\": ", "\"count\": 1", 1);
    for arguments in uses {
        std::fs::write(&file, &changed).unwrap();
        let output = ratecheck(arguments, here);
        let message = String::from_utf8(output.stderr.clone()).unwrap();
        assert_eq!(code(&output), 7, "{arguments:?}: {message}");
        assert!(message.contains("out/results.json was changed") && message.lines().count() == 1, "{message}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), changed, "{arguments:?}: it is left as it is");
    }
    let older: String =
        good.lines().filter(|line| !line.contains("\"sha256\"")).map(|line| format!("{line}\n")).collect();
    for arguments in uses {
        std::fs::write(&file, &older).unwrap();
        let output = ratecheck(arguments, here);
        assert_eq!(code(&output), 0, "{arguments:?}");
        let message = String::from_utf8(output.stderr.clone()).unwrap();
        assert!(message.contains("note: out/results.json has no checksum"), "{arguments:?}: {message}");
        assert!(ratecheck(&[arguments, &["--quiet"]].concat(), here).stderr.is_empty());
    }
}

/// What killed processes have left is removed by the next, in every directory that it writes into.
pub(super) fn remnants_are_removed() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let log: String = (1..=300).map(|t| format!("{t},{}\n", 1.0 / f64::from(t))).collect();
    std::fs::write(here.join("log.csv"), format!("t,value\n{log}")).unwrap();
    let fit = ["fit", "log.csv", "--value", "value", "--against", "-1", "--out", "fit"];
    let verify = ["verify", "theorem-3.1-rate", "--out", "verified"];
    for (arguments, out) in [(&fit[..], "fit"), (&verify, "verified"), (&["report", "verified"], "verified")] {
        let _ = ratecheck(arguments, here);
        let places = ["", "data", "plots"].map(|place| here.join(out).join(place));
        for place in &places {
            assert!(place.is_dir(), "{arguments:?} writes into {}", place.display());
            std::fs::write(place.join(".ratecheck-Ab3xYz.tmp"), "half a fil").unwrap();
            std::fs::write(place.join("mine.tmp"), "a user's").unwrap();
        }
        let _ = ratecheck(arguments, here);
        for place in &places {
            assert!(!place.join(".ratecheck-Ab3xYz.tmp").exists(), "{arguments:?}: {}", place.display());
            assert!(place.join("mine.tmp").exists());
        }
    }
}

pub(super) fn an_index_links_every_verification() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let run = |arguments: &[&str]| {
        let output = ratecheck(arguments, here);
        (code(&output), String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(run(&["verify", "lemma-2.2", "--out", "all/first"]).0, 0);
    assert_eq!(run(&["verify", "--instance", "rayleigh", "lemma-2.2", "--out", "all/deeper/a & b"]).0, 0);
    let (exit, text) = run(&["report", "--index", "all"]);
    assert!(exit == 0 && text.contains("The page of 2 verifications: all/index.html"), "{text}");
    let page = std::fs::read_to_string(here.join("all/index.html")).unwrap();
    assert!(page.contains("href=\"first/index.html\"") && page.contains("href=\"deeper/a%20%26%20b/index.html\""));
    assert!(page.contains("a &amp; b: rayleigh") && page.contains("1 holds"), "{page}");
    // One that is damaged is named and left out; a verification is not overwritten; nothing below is an error.
    std::fs::write(here.join("all/first/results.json"), "{").unwrap();
    let (exit, text) = run(&["report", "--index", "all"]);
    assert!(exit == 0 && text.contains("left out: ") && text.contains("1 verification:"), "{text}");
    let (exit, text) = run(&["report", "--index", "all/deeper/a & b"]);
    assert!(exit == 7 && text.contains("is itself a verification"), "{text}");
    std::fs::create_dir(here.join("none")).unwrap();
    let (exit, text) = run(&["report", "--index", "none"]);
    assert!(exit == 7 && text.contains("no verification is below none"), "{text}");
    assert_eq!(run(&["report", "--index", "absent"]).0, 7);
}
