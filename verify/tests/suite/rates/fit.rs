use std::fs;
use std::path::Path;

use super::ratecheck;

/// Runs of T^p with a factor of their own: its deviation in the logarithm is what separates them.
fn runs(p: f64, factors: &[f64]) -> String {
    let mut text = String::from("seed,t,grad_norm\n");
    for (seed, factor) in factors.iter().enumerate() {
        for k in 0..=50 {
            let t = 10.0_f64.powf(1.0 + 0.1 * f64::from(k)).round();
            text += &format!("{seed},{t},{}\n", factor * t.powf(p));
        }
    }
    text
}

const FACTORS: [f64; 6] = [0.8, 0.9, 1.0, 1.1, 1.2, 1.3];
const NAMES: [&str; 6] = ["--step", "t", "--value", "grad_norm", "--run", "seed"];

fn fit(directory: &Path, file: &str, more: &[&str]) -> (i32, String, String) {
    let arguments: Vec<&str> = ["fit", file].into_iter().chain(more.iter().copied()).collect();
    ratecheck(&arguments, directory)
}

#[test]
fn a_verdict_is_an_exit_code() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    fs::write(here.join("runs.csv"), runs(-0.25, &FACTORS)).unwrap();
    fs::write(here.join("one.csv"), runs(-0.25, &[1.0]).replace("seed,", "").replace("\n0,", "\n")).unwrap();
    for (file, more, expected, word) in [
        ("runs.csv", "--against -0.25", 0, "holds"),
        ("runs.csv", "--against -0.25 --one-sided", 0, "holds"),
        ("runs.csv", "--against -0.1 --one-sided", 0, "holds"),
        ("runs.csv", "--against -0.1", 1, "fails"),
        ("runs.csv", "--against -0.5 --one-sided", 1, "fails"),
        ("runs.csv", "--against -0.25 --form min --level 0.9", 0, "holds"),
        ("runs.csv", "--against -0.25 --squared", 1, "fails"),
        ("runs.csv", "", 0, "last window"),
        ("runs.csv", "--where seed=2 --against -0.25", 0, "1 run of"),
        ("one.csv", "--against -0.25", 0, "inconclusive"),
        ("one.csv", "--against -0.25 --strict", 4, "inconclusive"),
        ("one.csv", "--against -0.25 --strict --deterministic", 0, "holds"),
        ("one.csv", "--against -0.5 --deterministic", 1, "fails"),
    ] {
        let names: &[&str] = if file == "runs.csv" { &NAMES } else { &[] };
        let more: Vec<&str> = names.iter().copied().chain(more.split_whitespace()).collect();
        let (code, out, error) = fit(here, file, &more);
        assert!(code == expected && out.contains(word), "{file} {more:?}: {code}\n{out}{error}");
    }
}

#[test]
fn bad_usage_is_2_and_bad_input_7() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    fs::write(here.join("runs.csv"), runs(-0.25, &FACTORS)).unwrap();
    fs::write(here.join("short.csv"), "t,y\n1,1\n2,0.5\n").unwrap();
    for more in [
        "--against fast",
        "--one-sided",
        "--window 10",
        "--window 9..3",
        "--level 1",
        "--margin -1",
        "--form late",
        "--seed x",
    ] {
        let (code, _, error) = fit(here, "runs.csv", &more.split_whitespace().collect::<Vec<_>>());
        assert!(code == 2 && !error.is_empty(), "{more}: {code} {error}");
    }
    for (file, more, parts) in [
        ("none.csv", "", &["none.csv", "cannot be read"][..]),
        ("runs.csv", "--value grad_nrm --run seed", &["runs.csv:1:", "did you mean \"grad_norm\"?"]),
        ("runs.csv", "--value grad_norm", &["runs.csv:53:", "column \"t\"", "occurs twice", "--run"]),
        ("short.csv", "", &["short.csv", "2 points", "--window"]),
        ("runs.csv", "--value grad_norm --run seed --window 1e7..1e8", &["runs.csv", "0 points", "--window"]),
    ] {
        let (code, out, error) = fit(here, file, &more.split_whitespace().collect::<Vec<_>>());
        assert!(code == 7 && out.is_empty(), "{file} {more}: {code} {out}");
        assert!(parts.iter().all(|part| error.contains(part)) && error.lines().count() == 1, "{file} {more}: {error}");
    }
}

#[test]
fn everything_is_written_whole_and_repeats_itself() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    fs::write(here.join("runs.csv"), runs(-0.25, &FACTORS)).unwrap();
    let more: Vec<&str> = NAMES.into_iter().chain(["--against", "-0.25", "--json", "--out"]).collect();
    let write = |out| fit(here, "runs.csv", &more.iter().copied().chain([out]).collect::<Vec<_>>());
    let (first, second) = (write("a"), write("b"));
    assert_eq!(first, second);
    let json: serde_json::Value = serde_json::from_str(&first.1).unwrap();
    assert_eq!((json["verdict"].as_str(), json["n_runs"].as_u64()), (Some("holds"), Some(6)));
    assert_eq!(json["window"], serde_json::json!([10_000.0, 1_000_000.0]));
    for file in ["fit.json", "index.html", "plots/fit.svg", "data/fit.csv"] {
        let read = |out: &str| fs::read(here.join(out).join(file)).unwrap();
        assert!(!read("a").is_empty() && read("a") == read("b"), "{file}");
    }
    assert_eq!(fs::read_to_string(here.join("a/fit.json")).unwrap(), first.1);
    let svg = fs::read_to_string(here.join("a/plots/fit.svg")).unwrap();
    for part in ["<svg", "last window", "slope", "claimed: T^-0.25", "fit window"] {
        assert!(svg.contains(part), "{part}");
    }

    // A directory that cannot be written: the numbers are printed all the same.
    fs::write(here.join("file"), "in the way").unwrap();
    let (code, out, error) = write("file/deeper");
    assert!(code == 6 && out == first.1 && error.contains("file"), "{code} {error}");
    assert_eq!(fs::read_to_string(here.join("file")).unwrap(), "in the way");
}

#[test]
fn a_tensorboard_export_works_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    for (name, factor) in [("a.csv", 1.0), ("b.csv", 1.1), ("c.csv", 0.95)] {
        let mut text = String::from("Wall time,Step,Value\n");
        for k in 0..1000 {
            let t = 10 * k;
            text += &format!("{},{t},{}\n", 1_557_138_000.25 + f64::from(k), factor * f64::from(t + 1).powf(-0.5));
        }
        fs::write(here.join(name), text).unwrap();
    }
    let (code, out, error) = fit(here, "a.csv", &[]);
    assert!(code == 0 && out.contains("1 run of 1000 steps") && out.contains("no interval"), "{out}{error}");
    let (code, out, error) = fit(here, "a.csv", &["b.csv", "c.csv", "--against", "-0.5"]);
    assert!(code == 0 && out.contains("3 runs") && out.contains("holds"), "{out}{error}");
}

#[test]
fn what_is_assumed_is_said_on_the_terminal_in_json_and_on_the_page() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let mut wide = String::from("\"Step\",\"a - y\",\"a - y__MIN\",\"b\u{7} - y\"\n");
    for k in 0..=30 {
        let t = 10.0_f64.powf(0.1 * f64::from(k));
        wide += &format!("{t},{0},{0},{1}\n", t.powf(-0.25), 1.1 * t.powf(-0.25));
    }
    fs::write(here.join("chart.csv"), wide).unwrap();
    let (code, out, error) = fit(here, "chart.csv", &["--against", "-0.25"]);
    let notes = ["note: 2 columns are that many runs: a - y, b\\u{7} - y", "note: columns left out: a - y__MIN"];
    assert!(code == 0 && out.contains("holds") && notes.iter().all(|note| out.contains(note)), "{out}{error}");
    let (_, out, _) = fit(here, "chart.csv", &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((json["value"].as_str(), json["n_runs"].as_u64()), (Some("y"), Some(2)));
    assert_eq!(json["notes"].as_array().map(Vec::len), Some(2));
    let page = fs::read_to_string(here.join("reports/latest/fit/index.html")).unwrap();
    assert!(page.contains("columns left out") && !page.contains('\u{7}'));
    let (_, out, _) = fit(here, "chart.csv", &["--value", "b\u{7} - y"]);
    assert!(out.contains("b\\u{7} - y against Step: 1 run"), "{out}");
    let page = fs::read_to_string(here.join("reports/latest/fit/index.html")).unwrap();
    assert!(page.contains("U00000007") && !page.contains('\u{7}'));
}

#[test]
fn one_run_given_twice_decides_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let text = runs(-0.25, &[1.0]).replace("seed,", "").replace("\n0,", "\n");
    for file in ["one.csv", "copy.csv"] {
        fs::write(here.join(file), &text).unwrap();
    }
    for other in ["one.csv", "copy.csv", "./one.csv"] {
        let (code, out, error) = fit(here, "one.csv", &[other, "--against", "-0.25", "--strict"]);
        assert!(
            code == 4 && out.contains("1 run of 51 steps") && out.contains("inconclusive"),
            "{other}: {out}{error}"
        );
        assert!(out.contains("count as one run") || out.contains("counts once"), "{other}: {out}");
    }
}

#[test]
fn bad_input_is_one_line_whatever_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    fs::write(here.join("long.csv"), format!("step,y\n1,{}\n", "\u{1b}[2J".repeat(50_000))).unwrap();
    fs::write(here.join("re\nd.csv"), "step,y\n1,1\n").unwrap();
    for (file, part) in [
        ("long.csv", "long.csv:2: column \"y\""),
        ("re\nd.csv", "re\\nd.csv"),
        (".", "cannot be read"),
        ("/dev/zero", "no text"),
    ] {
        let (code, out, error) = fit(here, file, &[]);
        assert!(code == 7 && out.is_empty() && error.contains(part), "{file}: {code} {out}{error}");
        assert!(error.len() < 1000 && !error.trim_end().contains(char::is_control), "{file}: {error:?}");
    }
}

#[test]
fn the_form_that_decides_is_named_with_its_reason_before_any_number() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    fs::write(here.join("runs.csv"), runs(-0.25, &FACTORS)).unwrap();
    for (form, reason) in [("last", "last window decides: of the three"), ("min", "min decides: theorems 3.1 and 4.2")]
    {
        let more: Vec<&str> = NAMES.into_iter().chain(["--against", "-0.25", "--form", form]).collect();
        let (code, out, error) = fit(here, "runs.csv", &more);
        let place = out.find(reason).unwrap_or_else(|| panic!("{out}{error}"));
        assert!(code == 0 && place < out.find("-0.25").unwrap(), "{out}");
        // Beside the pooled slope that of single runs, and what is known of both.
        assert!(out.contains("run by run") && out.contains("what is known of coverage: with 5 runs"), "{out}");
        let page = fs::read_to_string(here.join("reports/latest/fit/index.html")).unwrap();
        for part in ["Run by run", "At the end", "what is known of coverage", "decides: "] {
            assert!(page.contains(part), "{part}");
        }
    }
    let more: Vec<&str> = NAMES.into_iter().chain(["--json"]).collect();
    let json: serde_json::Value = serde_json::from_str(&fit(here, "runs.csv", &more).1).unwrap();
    let last = &json["forms"][2];
    assert_eq!(last["run_by_run"]["slopes"].as_array().map(Vec::len), Some(6));
    assert!(last["run_by_run"]["interval"].is_array() && last["halves_intervals"].is_array());
    assert!((last["end"].as_f64().unwrap() + 0.25).abs() < 1e-9 && last["end_interval"].is_array());
    assert_eq!((json["coverage"]["n_runs"].as_u64(), json["outliers"].as_array().map(Vec::len)), (Some(5), Some(0)));
}

/// What `ratecheck.torch.Monitor` writes, of SGD on one block beside a layer of normalisation.
fn monitored(rate: f64, decay: f64, seed: usize) -> String {
    let mut text = String::from(
        "step,block,w_norm_sq,grad_norm,grad_v_norm,effective_rate,angular_update,orthogonality,norm_growth,\
         epsilon_share,full_grad_v_norm\r\n",
    );
    let mut n = 1.0_f64;
    for step in 0..2000 {
        let grad_v = 1.0 + 0.5 * ((step * (7 + seed)) as f64).sin();
        let grad = grad_v / n.sqrt();
        let next = (1.0 - rate * decay).powi(2) * n + (rate * grad).powi(2);
        if step % 10 == 0 {
            let growth = (next - n) / (rate * grad).powi(2) - 1.0;
            let full = (step as f64 + 10.0).powf(-0.25);
            text += &format!("{step},0.weight,{n},{grad},{grad_v},{},0.01,1e-17,{growth},,{full}\r\n", rate / n);
            text += &format!("{step},1,,,,,,,,1e-05,\r\n");
        }
        n = next;
    }
    text
}

#[test]
fn a_log_of_the_monitor_is_read_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    for (seed, decay) in [(0, 0.0), (1, 0.05), (2, 0.0)] {
        fs::write(here.join(format!("seed-{seed}.csv")), monitored(0.5, decay, seed)).unwrap();
    }
    let asked = ["seed-1.csv", "seed-2.csv", "--where", "block=0.weight", "--skip-empty", "--value"];
    for (value, against, expected) in [("full_grad_v_norm", "-0.25", "1 run"), ("grad_v_norm", "0", "3 runs")] {
        let more: Vec<&str> = asked.into_iter().chain([value, "--against", against]).collect();
        let (code, out, error) = fit(here, "seed-0.csv", &more);
        assert!(code == 0 && out.contains(&format!("{expected} of 200 steps")), "{out}{error}");
    }
    let (_, out, _) = fit(here, "seed-0.csv", &["--run", "block", "--skip-empty", "--value", "grad_v_norm"]);
    assert!(out.contains("note: the runs are blocks"), "{out}");
    for (seed, rest) in [(0, false), (1, true)] {
        let file = format!("seed-{seed}.csv");
        let (code, out, error) = ratecheck(&["report", &file, "--out", "norms"], here);
        assert!(code == 0 && out.contains("0.weight: |w|^2 is") && out.contains("by Lemma 2.4"), "{out}{error}");
        assert_eq!(out.contains("and it rests at"), rest, "{out}");
        let svg = fs::read_to_string(here.join("norms/plots/norm-1.svg")).unwrap();
        assert!(svg.contains("recorded") && svg.contains("Lemma 2.4"));
        assert_eq!(svg.contains("equilibrium"), rest);
        let page = fs::read_to_string(here.join("norms/index.html")).unwrap();
        assert!(page.contains("Squared norm of 0.weight") && page.contains(&format!("ratecheck report {file}")));
        assert!(here.join("norms/data/norm-1.csv").exists() && here.join("norms/monitor.json").exists());
    }
    fs::write(here.join("other.csv"), "t,y\n1,2\n").unwrap();
    let (code, out, error) = ratecheck(&["report", "other.csv"], here);
    assert!(code == 7 && out.is_empty() && error.contains("other.csv:1: step: there is no such column"), "{error}");
}
