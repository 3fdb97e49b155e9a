//! `ratecheck bench`. No time is judged: they are positive, the best is the best, and the yardstick measures itself.

use std::path::Path;

use crate::{code, ratecheck};

pub(crate) fn measures_everything() {
    let quick = ["bench", "--repeats", "1", "--seeds", "1", "--steps", "20", "--jobs", "2"];
    let table = ratecheck(&quick, Path::new("."));
    assert_eq!(code(&table), 0);
    let table = String::from_utf8(table.stdout).unwrap();
    for part in [
        "multiply-adds, ",
        "loads, first cache (16 KB)",
        "1 thread  ",
        "256 x 256",
        "by the engine, on 2 threads",
        "SGD step",
        "eight SGD steps in lockstep",
        "Hessian-vector product",
        "problem J",
        "5 runs of 20 SGD steps",
    ] {
        assert!(table.contains(part), "{table}");
    }
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    let json = ratecheck(&[&quick[..], &["--json"]].concat(), Path::new("."));
    assert_eq!(code(&json), 0);
    let found: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let positive = |number: &serde_json::Value| number.as_f64().is_some_and(|x| x > 0.0 && x < f64::INFINITY);
    let threads = |of: &str| {
        let all = found[of].as_array().unwrap().iter().map(|one| one["threads"].as_u64().unwrap());
        all.collect::<Vec<_>>()
    };
    assert_eq!((threads("limits"), threads("sweeps")), (vec![1, 2], vec![1, 2]));
    for limits in found["limits"].as_array().unwrap() {
        let peaks = limits["multiply_adds"].as_array().unwrap();
        assert!(peaks.len() >= 2 && peaks.len().is_multiple_of(2), "{limits}");
        for peak in peaks {
            let numbers = peak["numbers"].as_str().unwrap();
            assert!(positive(&peak["gflops"]) && peak["bits"].as_u64().unwrap().is_multiple_of(64), "{peak}");
            assert!(["double", "single"].contains(&numbers), "{peak}");
        }
        let loads = limits["loads"].as_array().unwrap();
        let held: Vec<_> = loads.iter().map(|load| load["held"].as_u64().unwrap()).collect();
        assert!(held.is_sorted() && held.contains(&(16 << 10)) && held.contains(&(256 << 10)), "{held:?}");
        assert!(loads.iter().all(|load| positive(&load["gigabytes"])), "{limits}");
    }
    let work = found["work"].as_array().unwrap();
    assert_eq!(work.len(), 14);
    for one in work {
        let (best, median) = (one["best"].as_f64().unwrap(), one["median"].as_f64().unwrap());
        assert!(best > 0.0 && best <= median, "{one}");
        for key in ["operations", "bytes", "held", "gflops", "gigabytes", "limit", "share", "of_product"] {
            assert!(positive(&one[key]), "{key} of {one}");
        }
        assert!(["multiply-adds", "loads"].contains(&one["bound"].as_str().unwrap()), "{one}");
        assert!(one["group"].is_string() && one["name"].is_string(), "{one}");
    }
    assert_eq!(work[0]["of_product"], 1.0);
    for swept in found["sweeps"].as_array().unwrap() {
        for key in ["seconds", "step", "best", "limit", "share"] {
            assert!(positive(&swept[key]), "{key} of {swept}");
        }
        assert!(swept["bound"].is_string(), "{swept}");
    }
    assert_eq!(code(&ratecheck(&["bench", "--repeats", "0"], Path::new("."))), 2);
}

/// What would take longer than a millisecond is left out: the page is whole all the same.
pub(crate) fn measures_how_things_grow() {
    let directory = tempfile::tempdir().unwrap();
    let glance = ["bench", "--scaling", "--most", "0.001", "--jobs", "2", "--note", "it's a test", "--out", "grown"];
    let output = ratecheck(&glance, directory.path());
    assert_eq!(code(&output), 0, "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("go to a cluster when") && text.contains("grown/index.html"), "{text}");
    let page = std::fs::read_to_string(directory.path().join("grown/index.html")).unwrap();
    assert!(page.contains("What this machine does in a night") && page.contains("it&#x27;s a test"), "{page}");
    let json = std::fs::read(directory.path().join("grown/scaling.json")).unwrap();
    let found: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let curves = found["curves"].as_array().unwrap();
    for along in ["parameters", "batch", "steps", "threads", "cells"] {
        assert!(curves.iter().any(|curve| curve["along"] == along && curve["cost"] == "seconds"), "{along}");
    }
    for point in curves.iter().flat_map(|curve| curve["points"].as_array().unwrap()) {
        assert!(["at", "cost"].iter().all(|key| point[key].as_f64().is_some_and(|x| x > 0.0)), "{point}");
    }
    assert_eq!(code(&ratecheck(&["bench", "--out", "x"], directory.path())), 2);
    assert_eq!(code(&ratecheck(&["bench", "--scaling", "--seeds", "2"], directory.path())), 2);
}
