//! What every command understands: `--color`, `--quiet`, `--verbose`, `--json`; and `--print-config`.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::{code, ratecheck, with_fixed_claims};

fn with_environment(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ratecheck"));
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    command.args(arguments).envs(variables.iter().copied()).output().unwrap()
}

pub(super) fn colour_is_asked_for() {
    let is_coloured = |bytes: &[u8]| bytes.contains(&0x1b);
    let inspect = ["inspect", "--instance", "rayleigh"];
    let table = |more: &[&str], variables: &[(&str, &str)]| {
        let output = with_environment(&[&inspect[..], more].concat(), variables);
        assert_eq!(code(&output), 0);
        is_coloured(&output.stdout)
    };
    // No terminal here: only who asks for colours gets them, on either side of the subcommand.
    assert!(
        !table(&[], &[])
            && !table(&["--color", "auto"], &[])
            && !table(&["--color", "never"], &[("CLICOLOR_FORCE", "1")])
    );
    assert!(table(&["--color", "always"], &[]) && table(&["--color=always"], &[("NO_COLOR", "1")]));
    assert!(table(&[], &[("CLICOLOR_FORCE", "1")]) && !table(&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    assert!(is_coloured(&with_environment(&["--color", "always", "--help"], &[]).stdout));
    assert!(!is_coloured(&with_environment(&["--color", "never", "--help"], &[("CLICOLOR_FORCE", "1")]).stdout));
    // Errors, of the parser and of the command.
    for wrong in [&["frobnicate"][..], &["explain", "nothing"]] {
        let errors = |colour: &str| with_environment(&[&["--color", colour][..], wrong].concat(), &[]).stderr;
        assert!(is_coloured(&errors("always")) && !is_coloured(&errors("never")) && !is_coloured(&errors("auto")));
    }
    assert_eq!(code(&with_environment(&["list", "--color", "sometimes"], &[])), 2);
}

pub(super) fn quiet_leaves_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let said = |arguments: &[&str]| {
        let output = ratecheck(arguments, directory.path());
        assert!(output.stderr.is_empty(), "{arguments:?}");
        assert_eq!(code(&output), 0, "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../");
    let [problem, log, plan] =
        ["examples/problems/one-neuron.toml", "log.csv", "plan.toml"].map(|path| root.to_owned() + path);
    let log_here = directory.path().join("log.csv");
    let rows: String = (1..200).map(|t| format!("{t},{}\n", f64::from(t).powf(-0.5))).collect();
    std::fs::write(&log_here, format!("step,value\n{rows}")).unwrap();
    assert!(!Path::new(&log).exists() && !Path::new(&plan).exists());
    for arguments in [
        &["verify", "lemma-2.2", "-q"][..],
        &["-q", "verify", "lemma-2.2"],
        &["report", "reports/latest", "--quiet"],
        &["replay", "reports/latest", "--quiet"],
        &["compare", "reports/latest/results.json", "reports/latest/results.json", "-q"],
        &["conformance", "lemma-2.2", "--seeds", "1", "-q"],
        &["inspect", "--problem", &problem, "-q"],
        &["constants", "--instance", "rayleigh", "--points", "5", "-q"],
        &["fit", "log.csv", "--deterministic", "--against", "-0.5", "-q"],
    ] {
        let text = said(arguments);
        assert_eq!(text.lines().count(), 1, "{arguments:?}: {text}");
        assert!(text.trim().len() > 10, "{arguments:?}: {text}");
    }
    assert!(said(&["verify", "lemma-2.2", "-q"]).starts_with("1 of 1 hold"));
    // What is asked for outright is printed, and errors are.
    assert!(said(&["list", "-q"]).lines().count() > 20);
    let wrong = ratecheck(&["explain", "nothing", "-q"], directory.path());
    assert!(code(&wrong) == 5 && !wrong.stderr.is_empty());
    for both in [&["-q", "-v", "list"][..], &["-q", "list", "-v"]] {
        assert_eq!(code(&ratecheck(both, directory.path())), 2);
    }
    let failing = with_fixed_claims(&["conformance", "good", "false", "--seeds", "1", "-q"]);
    let text = String::from_utf8(failing.stdout).unwrap();
    assert!(text.contains("false") && text.contains("seed 2019: fails") && !text.contains("good "), "{text}");
}

pub(super) fn verbose_shows_everything() {
    let directory = tempfile::tempdir().unwrap();
    let verified = |more: &[&str]| {
        let output =
            ratecheck(&[&["verify", "largest-eta-g", "theorem-3.1-rate"][..], more].concat(), directory.path());
        String::from_utf8(output.stdout).unwrap()
    };
    let (short, long) = (verified(&[]), verified(&["-v"]));
    for part in ["instance  ", "control  ", "rejected", "premise  ", "observed  slope, "] {
        assert!(long.contains(part) && !short.contains(&format!("\n{part}")), "{part}: {long}");
    }
    let large = |more: &[&str]| {
        let output = ratecheck(&[&["inspect", "--instance", "digits"][..], more].concat(), directory.path());
        String::from_utf8(output.stdout).unwrap().lines().count()
    };
    assert!(large(&["-v"]) > large(&[]) + 5, "every block");
}

pub(super) fn every_table_is_json_too() {
    let directory = tempfile::tempdir().unwrap();
    let json = |arguments: &[&str]| {
        let output = ratecheck(&[arguments, &["--json"]].concat(), directory.path());
        assert_eq!(code(&output), 0, "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    };
    let map = json(&["list"]);
    assert!(map["chapters"][0]["statements"][0]["claims"].is_array());
    let claims = json(&["list", "--claims"]);
    assert_eq!(claims.as_array().unwrap().len(), ratecheck_verify::paper::claims::CLAIMS.len());
    assert_eq!(claims[0]["id"], "definition-2.1");
    let explained = json(&["explain", "equation-8"]);
    assert!(explained["controls"][0]["breaks"].is_string() && explained["errata"][0] == "E4", "{explained}");
    assert_eq!(json(&["errata"])[0]["id"], "E1");
    assert_eq!(json(&["verify", "lemma-2.2"])["claims"][0]["verdict"], "holds");
    let same = ["compare", "reports/latest/results.json", "reports/latest/results.json"];
    assert_eq!(json(&same)["same"], serde_json::json!(["lemma-2.2"]));
    let tried = json(&["conformance", "lemma-2.2", "--seeds", "1"]);
    assert_eq!((&tried[0]["claim"], &tried[0]["wrong"]), (&"lemma-2.2".into(), &Value::Array(Vec::new())));
    assert!(json(&["inspect", "--instance", "rayleigh"])["blocks"].is_array());
    assert!(json(&["constants", "--instance", "rayleigh", "--points", "5"])["blocks"].is_array());
    let plan = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/sweeps/problem-j.toml");
    let dry = json(&["sweep", plan, "--dry-run"]);
    let small = "[sweep]\nsteps = 100\nhorizons = [10, 100]\nseeds = 3\nrecord = [\"loss\"]\n\
                 [grid]\ninstance = \"problem-j\"\neta-w = 0.1\neta-g = 0.1\n";
    std::fs::write(directory.path().join("small.toml"), small).unwrap();
    for (shard, out, runs) in [("1/2", "one", 2), ("2/2", "two", 1)] {
        let part = json(&["sweep", "small.toml", "--shard", shard, "--out", out]);
        assert_eq!(part, serde_json::json!({"shard": shard, "runs": runs}));
    }
    let merged = json(&["merge", "one", "two", "--out", "whole"]);
    assert_eq!((&merged["runs"], &merged["diverged"], &merged["changed"]), (&3.into(), &0.into(), &true.into()));
    let swept = json(&["sweep", "small.toml", "--out", "whole"]);
    assert_eq!((&swept["changed"], &swept["csv"]), (&false.into(), &"whole/runs.csv".into()));
    assert!(dry["sets"][0]["each"].as_f64().unwrap() > 0.0 && dry["missing"] == dry["runs"], "{dry}");
    assert_eq!(
        dry["sets"].as_array().unwrap().iter().map(|set| set["runs"].as_u64().unwrap()).sum::<u64>(),
        dry["runs"]
    );
}

pub(super) fn presets_are_printed() {
    let directory = tempfile::tempdir().unwrap();
    let printed = |more: &[&str]| {
        let output = ratecheck(&[&["verify", "--print-config"][..], more].concat(), directory.path());
        assert_eq!(code(&output), 0);
        String::from_utf8(output.stdout).unwrap()
    };
    let preset = |text: &str| text.parse::<toml::Table>().unwrap();
    let quick = preset(&printed(&[]));
    assert_eq!((quick["profile"].as_str(), quick["seed"].as_integer()), (Some("quick"), Some(2019)));
    assert_eq!(quick["claims"].as_array().unwrap().len(), ratecheck_verify::paper::claims::CLAIMS.len());
    assert!(quick["risk"].as_float().unwrap() < 1e-6);
    // What a profile determines differs from profile to profile.
    let rate = |profile: &str| {
        let table = preset(&printed(&["theorem-4.2-rate", "--profile", profile, "--seed", "7"]));
        assert_eq!(table["seed"].as_integer(), Some(7));
        let decision = &table["claims"][0]["decisions"][0];
        (decision["runs"].as_integer().unwrap(), decision["last"].as_float().unwrap())
    };
    assert_ne!(rate("quick"), rate("full"));
    let json: Value = serde_json::from_str(&printed(&["--json"])).unwrap();
    assert_eq!(json["profile"], "quick");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "nothing is run or written");
    assert_eq!(code(&ratecheck(&["verify", "nothing", "--print-config"], directory.path())), 5);
}

/// A profile of `ratecheck.toml` stands for flags, and those of the command line win.
pub(super) fn profiles_come_from_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let write = |text: &str| std::fs::write(directory.path().join("ratecheck.toml"), text).unwrap();
    let config = |more: &[&str]| {
        let output = ratecheck(&[&["verify", "--print-config", "--json"][..], more].concat(), directory.path());
        let error = String::from_utf8(output.stderr.clone()).unwrap();
        (code(&output), serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap_or_default(), error)
    };
    let (exit, _, error) = config(&["--profile", "night"]);
    assert!(exit == 2 && error.contains("there is no ratecheck.toml here with [profile.night]"), "{error}");
    write("[profile.night]\nprofile = \"standard\"\nseed = 7\nstrict = true\nclaims = [\"lemma-b*\"]\n");
    let (exit, found, error) = config(&["--profile", "night"]);
    assert!(exit == 0, "{error}");
    assert_eq!((&found["profile"], &found["seed"], &found["strict"]), (&"standard".into(), &7.into(), &true.into()));
    assert_eq!(found["claims"].as_array().unwrap().len(), 5);
    let (_, found, _) = config(&["--profile=night", "--seed", "8", "-E", "lemma-b.1"]);
    assert_eq!((&found["seed"], found["claims"].as_array().unwrap().len()), (&8.into(), 1));
    write("[profile.night]\nseed = \"seven\"\n");
    let (exit, _, error) = config(&["--profile", "night"]);
    assert!(exit == 7 && error.contains("ratecheck.toml: profile.night: invalid value 'seven'"), "{error}");
    // The built-in ones do not look at the file.
    write("no toml");
    assert_eq!(config(&["--profile", "quick", "lemma-2.2"]).0, 0);
}
