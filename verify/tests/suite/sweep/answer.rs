//! What a sweep shows at its end: the table, the page, the fits, and the verdict that its plan asks for.

use std::collections::BTreeMap;
use std::path::Path;

use super::{PLAN, assert_same, ending, files, ratecheck, run, with_plan};

/// Gradient descent with a rate so small that nothing moves: w keeps its norm, and the effective rate is eta_w (t+1)^
/// (-1/2) over it. On [1000, 100000], where ln (t+1) and ln t differ by less than 1/1000, its exponent is -1/2 to three
/// digits, and there is no chance in it.
const STILL: &str = r#"[sweep]
steps = 100_000
first-horizon = 100
horizons = 30
seeds = 3

[grid]
instance = "rayleigh"
eta-w = [1e-12, 1e-11]
alpha = 0.5
"#;

fn expecting(plan: &str, expect: &str) -> String {
    format!("{plan}\n[expect]\n{expect}\n")
}

fn groups(out: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(out.join("groups.json")).unwrap()).unwrap()
}

/// On one line: a terminal breaks sentences.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The code, and what was printed to either stream.
fn said(arguments: &[&str], here: &Path) -> (Option<i32>, String) {
    let output = run(arguments, here);
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    (output.status.code(), text)
}

#[test]
fn an_exponent_that_is_known_holds_and_another_fails() {
    let effective = "quantity = \"effective-lr\"";
    let text = expecting(STILL, &format!("slope = -0.5\nmargin = 0.01\n{effective}"));
    let directory = with_plan(&text);
    let here = directory.path();
    let (code, whole) = said(&["sweep", "plan.toml", "--out", "out", "--strict"], here);
    assert_eq!(code, Some(0), "{whole}");
    let line = "Expected: η_w/‖w‖² goes as T^-0.5 (slope within [-0.51, -0.49]): holds in 2 of 2 groups.";
    assert_eq!(whole.lines().last(), Some(line), "{whole}");
    assert!(whole.contains("-0.500 [-0.500, -0.500]  holds"), "{whole}");
    // What is expected is no part of a run: another exponent runs nothing again, and decides.
    let before: Vec<_> = files(&here.join("out/cells")).into_iter().collect();
    for (expect, code, word) in [
        ("slope = -0.25", 1, "fails in 2"),
        // Faster is no failure.
        ("slope = -0.25\none-sided = true", 0, "holds in 2 of 2 groups"),
        ("slope = -0.75\none-sided = true", 1, "fails in 2"),
    ] {
        std::fs::write(here.join("plan.toml"), expecting(STILL, &format!("{expect}\n{effective}"))).unwrap();
        let (ended, whole) = said(&["sweep", "plan.toml", "--out", "out"], here);
        assert_eq!(ended, Some(code), "{whole}");
        assert!(whole.contains("nothing to do") && whole.lines().last().unwrap().contains(word), "{whole}");
        let shown = said(&["sweep", "plan.toml", "--out", "out", "--show"], here);
        assert!(shown.0 == Some(code) && shown.1.lines().last().unwrap().contains(word), "{}", shown.1);
    }
    assert_eq!(before, files(&here.join("out/cells")).into_iter().collect::<Vec<_>>());
    // Nothing expected, nothing decided.
    std::fs::write(here.join("plan.toml"), STILL).unwrap();
    let whole = ending(0, &["sweep", "plan.toml", "--out", "out", "--strict"], here);
    assert!(!whole.contains("verdict") && !whole.contains("Expected") && whole.contains("slope"), "{whole}");
    assert_eq!(groups(&here.join("out"))["verdicts"], serde_json::Value::Null);
    let list = std::fs::read_to_string(here.join("out/sweep.json")).unwrap();
    assert!(!list.contains("\"expect\""), "lists without an expectation are what they were");
}

#[test]
fn one_run_of_many_is_inconclusive_and_strict_says_so() {
    let directory = with_plan(&expecting(&PLAN.replace("seeds = 7", "seeds = 1"), "slope = -0.25"));
    let here = directory.path();
    let whole = flat(&ending(0, &["sweep", "plan.toml", "--out", "out"], here));
    assert!(whole.contains("inconclusive, since one run tells nothing of how others would have fallen"), "{whole}");
    assert!(whole.ends_with("holds in 0 of 8 groups, is inconclusive in 8."), "{whole}");
    ending(4, &["sweep", "plan.toml", "--out", "out", "--strict"], here);
    let found: serde_json::Value =
        serde_json::from_str(&ending(0, &["sweep", "plan.toml", "--out", "out", "--json"], here)).unwrap();
    assert_eq!(found["verdicts"], serde_json::json!({"holds": 0, "fails": 0, "inconclusive": 8}));
    assert_eq!((&found["page"], &found["groups"]), (&"out/index.html".into(), &"out/groups.json".into()));
}

/// A run that diverged did not fall, whatever the others did; it is counted, marked and named.
#[test]
fn what_diverged_fails() {
    let text = expecting(&PLAN.replace("eta-w = [0.1, 10.0]", "eta-w = [0.1, 1e200]"), "slope = -0.25");
    let directory = with_plan(&text);
    let (code, whole) = said(&["sweep", "plan.toml", "--out", "out"], directory.path());
    assert_eq!(code, Some(1), "{whole}");
    assert!(whole.contains("fails; 7 of 7 runs diverged, the first in step 0"), "{whole}");
    let found = groups(&directory.path().join("out"));
    for group in found["groups"].as_array().unwrap() {
        let (diverged, huge) = (group["diverged"].as_u64().unwrap(), group["eta_w"] == 1e200);
        assert!(diverged == 0 || group["verdict"] == "fails", "{group}");
        assert!(diverged < 7 || (huge && group["loss"].is_null() && group["fit"].is_null()), "{group}");
    }
    let page = std::fs::read_to_string(directory.path().join("out/index.html")).unwrap();
    assert!(page.contains("diverged at 1×10²⁰⁰"), "crosses have their values");
}

/// Against the table of the runs, by other means.
#[test]
fn the_numbers_are_those_of_the_runs() {
    let directory = with_plan(PLAN);
    let here = directory.path();
    ending(0, &["sweep", "plan.toml", "--out", "out"], here);
    let mut table = csv::Reader::from_path(here.join("out/runs.csv")).unwrap();
    let header = table.headers().unwrap().clone();
    let at = |name: &str| header.iter().position(|known| known == name).unwrap();
    let mut ends: BTreeMap<String, Vec<[f64; 2]>> = BTreeMap::new();
    for row in table.records().map(Result::unwrap).filter(|row| &row[at("t")] == "3000") {
        let key = ["instance", "rule", "eta_w"].map(|name| row[at(name)].to_owned()).join(" ");
        ends.entry(key).or_default().push(["loss", "grad_sq"].map(|name| row[at(name)].parse().unwrap()));
    }
    let found = groups(&here.join("out"));
    let all = found["groups"].as_array().unwrap();
    assert_eq!((all.len(), ends.len()), (8, 8));
    for group in all {
        let text = |name: &str| group[name].as_str().unwrap();
        let eta_w = group["eta_w"].as_f64().unwrap();
        let runs = &ends[&format!("{} {} {}", text("instance"), text("rule"), eta_w)];
        let mut losses: Vec<f64> = runs.iter().map(|run| run[0]).collect();
        losses.sort_by(f64::total_cmp);
        let expected = serde_json::json!({"middle": losses[3], "least": losses[0], "largest": losses[6]});
        assert_eq!(group["loss"], expected);
        // The last bin holds the last step alone. The mean is of seven numbers: seven roundings of each kind.
        let mean = runs.iter().map(|run| run[1]).sum::<f64>() / 7.0;
        let shown = group["grad_sq"]["middle"].as_f64().unwrap();
        assert!((shown - mean).abs() <= 16.0 * f64::EPSILON * mean, "{shown} {mean}");
        assert_eq!((&group["runs"], &group["missing"], &group["diverged"]), (&7.into(), &0.into(), &0.into()));
    }
}

/// The slopes are those that `ratecheck fit` finds in `runs.csv`, with their intervals, to the bit.
#[test]
fn the_fit_is_that_of_fit() {
    let text = PLAN.replace("horizons = [0, 10, 100, 1_000]", "horizons = 20").replace("3_000", "1_000");
    let directory = with_plan(&expecting(&text, "slope = -0.25\none-sided = true\nlog-power = 0.75\nlevel = 0.9"));
    let here = directory.path();
    run(&["sweep", "plan.toml", "--out", "out"], here);
    let found = groups(&here.join("out"));
    for group in [0, 5] {
        let group = &found["groups"][group];
        let only: Vec<String> = ["instance", "rule", "eta_w"]
            .map(|name| format!("{name}={}", group[name].to_string().trim_matches('"').trim_end_matches(".0")))
            .into();
        let mut arguments = vec!["fit", "out/runs.csv", "--run", "seed", "--value", "grad_sq", "--squared", "--json"];
        arguments.extend([
            "--against",
            "-0.25",
            "--one-sided",
            "--log-power",
            "0.75",
            "--level",
            "0.9",
            "--out",
            "fit",
        ]);
        arguments.extend(only.iter().flat_map(|only| ["--where", only.as_str()]));
        let fitted: serde_json::Value = serde_json::from_slice(&run(&arguments, here).stdout).unwrap();
        for part in ["forms", "verdict", "reason", "n_runs", "window", "n_resamples"] {
            assert_eq!(group["fit"][part], fitted[part], "{part}");
        }
        assert_eq!(group["verdict"], fitted["verdict"]);
    }
}

fn without_parts(out: &Path) -> std::path::PathBuf {
    std::fs::remove_dir_all(out.join("parts")).unwrap();
    out.to_owned()
}

#[test]
fn a_part_shows_what_is_there_and_what_is_missing() {
    let directory = with_plan(&expecting(PLAN, "slope = -100"));
    let here = directory.path();
    for (option, out) in [("--shard", "a"), ("--part", "b")] {
        // Of an incomplete group nothing is decided.
        let whole = ending(0, &["sweep", "plan.toml", option, "1/2", "--out", out], here);
        let once = flat(&whole);
        for part in ["4 of 7", "28 of 56 runs missing, in 8 groups", "and such a group has no verdict", "slope"] {
            assert!(once.contains(part), "{part} in\n{whole}");
        }
        assert!(!here.join(out).join("index.html").exists() && !whole.contains("fails"), "{whole}");
        assert!(whole.lines().last().unwrap().starts_with("The part 1/2 is complete"), "{whole}");
        let shown = ending(0, &["sweep", "plan.toml", "--show", "--out", out], here);
        assert!(shown.lines().last().unwrap().ends_with("no group is complete."), "{shown}");
    }
    let whole = ending(0, &["sweep", "plan.toml", "--show", "--out", "nowhere"], here);
    assert!(whole.contains("56 of 56 runs missing") && !here.join("nowhere").exists(), "{whole}");
    // The whole decides, whoever makes it.
    ending(1, &["sweep", "plan.toml", "--part", "2/2", "--out", "b"], here);
    assert!(here.join("b/index.html").exists());
    ending(0, &["sweep", "plan.toml", "--shard", "2/2", "--out", "a"], here);
    ending(1, &["merge", "a", "--out", "a"], here);
    assert_same(&here.join("a"), &without_parts(&here.join("b")));
}

#[test]
fn the_table_is_as_wide_as_the_terminal() {
    let rules =
        "rule = [\"gradient\", { kind = \"adam\", b-1 = 0.9, b-2 = 0.999, decay = \"coupled\", lambda = 0.001 }]";
    let text = expecting(&PLAN.replace("rule = [\"gradient\", \"projected\"]", rules), "slope = -0.25");
    let directory = with_plan(&text);
    let here = directory.path();
    run(&["sweep", "plan.toml", "--out", "out"], here);
    let at = |columns: &str| {
        let mut command = ratecheck();
        command.args(["sweep", "plan.toml", "--out", "out", "--show"]).current_dir(here).env("COLUMNS", columns);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    for columns in [60, 80, 100, 200] {
        let whole = at(&columns.to_string());
        // The last line is one sentence, which a terminal breaks.
        let table: Vec<&str> = whole.lines().take_while(|line| !line.starts_with("Expected")).collect();
        assert!(table.iter().all(|line| line.chars().count() <= columns), "{columns}\n{whole}");
        assert!(table.iter().any(|line| line.contains("instance") && line.contains("slope")), "{whole}");
    }
    let (narrow, wide) = (at("80"), at("200"));
    assert!(narrow.contains('…') && flat(&narrow).contains("… is adam(b-1=0.9 b-2=0.999 "), "{narrow}");
    assert!(
        wide.contains("adam(b-1=0.9 b-2=0.999 lambda=0.001 decay=coupled)") && wide.contains("eff. rate"),
        "{wide}"
    );
}

/// Names are the writer's, and a page obeys none of them.
#[test]
fn the_page_stands_alone_and_obeys_nobody() {
    let name = "a<script>alert(1)</script>&\\\"b";
    let text =
        PLAN.replace("\"net\"]", &format!("\"{name}\"]")).replace("instance.net.", &format!("instance.\"{name}\"."));
    let directory = with_plan(&text);
    let here = directory.path();
    ending(0, &["sweep", "plan.toml", "--out", "out"], here);
    let page = std::fs::read_to_string(here.join("out/index.html")).unwrap();
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;"), "it is escaped");
    for kind in
        ["The loss at the end", "The gradient at the end", "Norms over time", "Effective learning rates over time"]
    {
        assert!(page.contains(kind), "{kind}");
    }
    assert!(page.matches("<svg").count() >= 5 && page.contains("The plan"));
    // Nothing from elsewhere: no style sheet, no picture, no font.
    for word in ["src=", "<link", "url(", "http://www.w3.org/1999/xlink"] {
        assert!(!page.contains(word), "{word}");
    }
    let links = page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    for link in links.filter(|link| !link.starts_with('#')) {
        assert!(here.join("out").join(link).exists(), "{link}");
    }
}
