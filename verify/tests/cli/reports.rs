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

fn beneath(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    files(dir).into_iter().map(|(path, bytes)| (path.strip_prefix(dir).unwrap().to_owned(), bytes)).collect()
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

/// What a later version has added to results.json is not lost.
pub(super) fn leaves_the_numbers_alone() {
    let directory = verified();
    let file = directory.path().join("first/results.json");
    let text = std::fs::read_to_string(&file).unwrap().replacen("\"format\": 1,", "\"format\": 1, \"later\": [1],", 1);
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
    // A directory without one, and one that cannot be written to.
    assert_eq!(code(&ratecheck(&["report", "."], directory.path())), 7);
    std::fs::write(directory.path().join("file"), "in the way").unwrap();
    assert_eq!(code(&ratecheck(&["report", "good", "--out", "file/out"], directory.path())), 6);
}
