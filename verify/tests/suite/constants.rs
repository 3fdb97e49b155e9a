//! `ratecheck constants` as a black box, and what its numbers promise.

use std::path::Path;
use std::process::{Command, Output};

use ratecheck::curvature::{Target, block_norms};
use ratecheck_verify::lab::constants::{Kind, Options, Proof, bracket};
use ratecheck_verify::lab::problem::builtin;
use serde_json::Value;

/// The sampled norm comes from a dense Hessian, the ascended one from products. Where the ascent found nothing better
/// both are the norm at the same point, through at most a thousand roundings of 2^-53.
const TWO_WAYS: f64 = 1e-13;

fn constants(arguments: &[&str], directory: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ratecheck"));
    command.arg("constants").args(arguments).current_dir(directory).output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn the_search_reaches_closed_forms() {
    for name in ["rayleigh", "linear", "bilinear", "bn-regression", "circle", "tanh-circle", "helix", "problem-j"] {
        let shown = stdout(&constants(&["--instance", name, "--json"], Path::new(".")));
        let found: Value = serde_json::from_str(&shown).unwrap();
        for block in found["blocks"].as_array().unwrap() {
            let [sampled, ascended, proved] = ["sampled", "ascended", "proved"].map(|key| block[key].as_f64().unwrap());
            assert_eq!(block["proof"], "exact");
            assert!(block["converged"].as_bool().unwrap(), "{name}: {block}");
            assert!((ascended - proved).abs() <= 1e-6 * proved, "{name}: {ascended} of {proved}");
            assert!(sampled <= ascended * (1.0 + TWO_WAYS), "{name}: {sampled} {ascended}");
        }
        // How far random points alone fall short; in R^10, 0.83 of the truth is what is to be expected.
        if name == "rayleigh" {
            let sampled = found["blocks"][0]["sampled"].as_f64().unwrap();
            assert!((1.2..1.9).contains(&sampled), "{sampled} of 2");
        }
    }
}

#[test]
fn a_network_lies_between_search_and_proof() {
    let problem = builtin("3-4-1").unwrap();
    let search = Options { restarts: 2, points: 30, ..Options::for_problem(&problem, 7) };
    let found = bracket(&problem, &search).unwrap();
    // Five rows: 15 pairs of rows, 5 rows with g, and g.
    let count = |kind: Kind| found.blocks.iter().filter(|b| b.kind == kind).count();
    assert_eq!([Kind::Vv, Kind::Vg, Kind::Gg].map(count), [15, 5, 1]);
    assert_eq!(found.contradictions().count(), 0);
    for block in &found.blocks {
        assert_eq!(block.proof, Some(Proof::Compositional));
        assert!(block.sampled <= block.ascended * (1.0 + TWO_WAYS) && block.ascended < block.proved.unwrap());
        assert!(found.g_norm(block).unwrap() <= 4.0 * (1.0 + 1e-12));
        // The value is that of the block where it is said to be attained.
        let z: Vec<usize> = (0..problem.loss.minibatches().n_examples()).collect();
        let norms = block_norms(&*problem.loss, Target::Sample(&z), &block.attained.theta);
        let there = match (block.i, block.j) {
            (Some(i), Some(j)) => norms.l_vv[(i, j)],
            (Some(i), None) => norms.l_vg[i],
            _ => norms.l_gg,
        };
        assert!((there.0 - block.ascended).abs() <= 1e-10 * block.ascended, "{:?}", block.parts);
    }
}

#[test]
fn one_neuron_is_enclosed() {
    let problem = builtin("one-neuron").unwrap();
    let found = bracket(&problem, &Options::for_problem(&problem, 1)).unwrap();
    assert_eq!((found.blocks.len(), found.contradictions().count()), (3, 0));
    for block in &found.blocks {
        // The enclosure is 2 % wide, and the ascent within 1e-6 of the truth if its maximum is the global one.
        let tight = block.proved.unwrap() <= 1.02 * (1.0 + 1e-6) * block.ascended;
        assert!(block.converged && tight, "{block:?}");
    }
    assert_eq!(found.blocks[0].proof, Some(Proof::Enclosure));
}

#[test]
fn a_bound_below_what_was_found_is_a_contradiction() {
    let problem = builtin("rayleigh").unwrap();
    let mut found = bracket(&problem, &Options::for_problem(&problem, 1)).unwrap();
    assert_eq!(found.contradictions().count(), 0);
    found.blocks[0].proved = Some(1.999);
    assert_eq!(found.contradictions().count(), 1);
    found.blocks[0].proved = Some(2.0);
    found.blocks[0].sampled = f64::NAN;
    assert_eq!(found.contradictions().count(), 1);
}

#[test]
fn the_same_numbers_for_one_thread_and_for_two() {
    let run = |more: &[&str]| {
        let search = ["--instance", "3-4-1", "--points", "20", "--restarts", "2", "--json"];
        stdout(&constants(&[&search, more].concat(), Path::new(".")))
    };
    let one = run(&["--jobs", "1"]);
    assert_eq!(one, run(&["--jobs", "2"]));
    assert_ne!(one, run(&["--seed", "1"]));
}

#[test]
fn the_page_and_its_files() {
    let directory = tempfile::tempdir().unwrap();
    let search = ["--instance", "3-4-1", "--points", "20", "--restarts", "1", "--out", "deeper/page"];
    let shown = stdout(&constants(&search, directory.path()));
    assert!(shown.contains("L^vv  W1 row 1 / W2 row 1") && shown.contains("deeper/page/index.html"), "{shown}");
    assert!(!shown.contains('\x1b'), "no colours into a pipe");
    let out = directory.path().join("deeper/page");
    let read = |file: &str| std::fs::read_to_string(out.join(file)).unwrap();
    let page = read("index.html");
    assert_eq!(page.matches("<svg").count(), 3);
    assert!(page.contains("ratecheck constants --instance 3-4-1 --seed 2019 --points 20 --restarts 1"));
    for stem in ["l-vv", "brackets", "convergence"] {
        assert!(page.contains(&format!("plots/{stem}.svg")) && page.contains(&format!("data/{stem}.csv")));
        assert!(read(&format!("plots/{stem}.svg")).contains("<desc"));
        assert!(read(&format!("data/{stem}.csv")).lines().count() > 5);
    }
    let table = read("constants.csv");
    assert_eq!(table.lines().count(), 1 + 21);
    let json: Value = serde_json::from_str(&read("constants.json")).unwrap();
    let printed = stdout(&constants(&[&search[..6], &["--json"]].concat(), directory.path()));
    assert_eq!(json, serde_json::from_str::<Value>(&printed).unwrap());
    // Every number of the table is that of the JSON, to the last bit.
    for (line, block) in table.lines().skip(1).zip(json["blocks"].as_array().unwrap()) {
        let ascended: f64 = line.split(',').nth(6).unwrap().parse().unwrap();
        assert_eq!(ascended, block["ascended"].as_f64().unwrap());
    }
}

/// An example with some lines replaced, as a file.
fn variant(directory: &Path, replaced: &[(&str, &str)]) {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/problems/3-4-1.toml");
    let mut text = std::fs::read_to_string(example).unwrap();
    for (from, to) in replaced {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    std::fs::write(directory.join("net.toml"), text).unwrap();
}

#[test]
fn the_radius_of_g() {
    let directory = tempfile::tempdir().unwrap();
    let domain = "[domain]\nradius = 4.0";
    let search = ["--problem", "net.toml", "--points", "5", "--restarts", "1", "--evaluations", "20"];
    // With weight decay Lemma C.2 gives a radius, without it nothing does.
    variant(directory.path(), &[(domain, "")]);
    assert!(stdout(&constants(&search, directory.path())).contains("by Lemma C.2"));
    variant(directory.path(), &[(domain, ""), ("weight-decay = 0.01", "weight-decay = 0")]);
    let output = constants(&search, directory.path());
    assert_eq!(output.status.code(), Some(7));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.starts_with("ratecheck: net.toml: domain.radius: is missing"), "{message}");
    // No second derivative at the kink: found, but not proved.
    variant(directory.path(), &[("\"tanh\"", "\"relu\"")]);
    let shown = stdout(&constants(&search, directory.path()));
    assert!(shown.contains("Nothing is proved from above") && shown.contains('—'), "{shown}");
}

#[test]
fn exit_codes() {
    let directory = tempfile::tempdir().unwrap();
    let code = |arguments: &[&str]| constants(arguments, directory.path()).status.code();
    assert_eq!(code(&[]), Some(2));
    assert_eq!(code(&["--instance", "rayleigh", "--points", "0"]), Some(2));
    assert_eq!(code(&["--instance", "nothing"]), Some(5));
    assert_eq!(code(&["--problem", "nothing.toml"]), Some(7));
    std::fs::write(directory.path().join("file"), "in the way").unwrap();
    let output = constants(&["--instance", "rayleigh", "--out", "file/page"], directory.path());
    assert_eq!(output.status.code(), Some(6));
    assert!(String::from_utf8(output.stdout).unwrap().contains("L^vv"), "nothing computed is lost");
    // Constant examples: plain batch normalisation divides by 0.
    variant(directory.path(), &[("\"smoothed-batch-norm\"\nepsilon = 0.1", "\"batch-norm\"")]);
    let text = std::fs::read_to_string(directory.path().join("net.toml")).unwrap();
    let (start, rest) = text.split_once("[data]").unwrap();
    let (_, end) = rest.split_once("[parameters]").unwrap();
    let data = "kind = \"inline\"\ninputs = [[1, 2, 3], [1, 2, 3]]\nlabels = [1, -1]\n";
    std::fs::write(directory.path().join("net.toml"), format!("{start}[data]\n{data}\n[parameters]{end}")).unwrap();
    let output = constants(&["--problem", "net.toml", "--points", "3", "--restarts", "1"], directory.path());
    assert_eq!(output.status.code(), Some(7));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("layer 1, unit 1 has no spread") && !message.contains("NaN"), "{message}");
}

/// What branch and bound may cut follows the evaluations that are asked for.
#[test]
fn evaluations_also_limit_the_proof() {
    let proved = |evaluations| {
        let search = Options { points: 1, restarts: 1, evaluations, seed: 1 };
        let found = bracket(&builtin("one-neuron").unwrap(), &search).unwrap();
        assert_eq!(found.contradictions().count(), 0);
        found.blocks.iter().map(|block| block.proved.unwrap()).collect::<Vec<f64>>()
    };
    let (few, more) = (proved(1), proved(30));
    assert!(few.iter().zip(&more).all(|(few, more)| more <= few) && more[0] < few[0], "{few:?} {more:?}");
}
