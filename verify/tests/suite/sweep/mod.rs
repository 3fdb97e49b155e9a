//! `ratecheck sweep` and `ratecheck merge` as black boxes: nothing is lost, nothing is run twice,
//! and the bits are always the same.

mod answer;
mod broken;
mod killing;
mod parts;
mod plans;
#[cfg(unix)]
mod slurm;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Some 60 runs of some milliseconds each: of a closed form, and of a network.
pub(crate) const PLAN: &str = r#"[sweep]
steps = 3_000
horizons = [0, 10, 100, 1_000]
seeds = 7
record = ["loss", "grad-sq", "w-norm-sq"]

[grid]
instance = ["problem-j", "net"]
rule = ["gradient", "projected"]
eta-w = [0.1, 10.0]
eta-g = 0.1
alpha-g = 0.5

[instance.net.network]
widths = [2, 3, 1]
normalisation = "smoothed-batch-norm"
epsilon = 0.1
activation = "tanh"
objective = "logistic"

[instance.net.data]
kind = "teacher"
examples = 8
features = 2
seed = 1

[instance.net.minibatches]
kind = "partition"
batch-size = 4
"#;

pub(crate) fn ratecheck() -> Command {
    Command::new(env!("CARGO_BIN_EXE_ratecheck"))
}

/// Runs `ratecheck` and waits for it.
pub(crate) fn run(arguments: &[&str], directory: &Path) -> Output {
    ratecheck().args(arguments).current_dir(directory).output().unwrap()
}

/// What it printed, if it ended with this code.
pub(crate) fn ending(code: i32, arguments: &[&str], directory: &Path) -> String {
    let output = run(arguments, directory);
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{out}\n{err}");
    if code == 0 { out } else { err }
}

/// A directory with the plan in it.
pub(crate) fn with_plan(text: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("plan.toml"), text).unwrap();
    directory
}

/// Every file of a directory but the lock, by its path in there.
pub(crate) fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn collect(root: &Path, directory: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(root, &path, files);
            } else if path.file_name().is_some_and(|name| name != "lock") {
                files.insert(path.strip_prefix(root).unwrap().to_owned(), std::fs::read(&path).unwrap());
            }
        }
    }
    let mut all = BTreeMap::new();
    collect(directory, directory, &mut all);
    all
}

/// Two directories hold the same files, bit by bit.
pub(crate) fn assert_same(a: &Path, b: &Path) {
    let (a, b) = (files(a), files(b));
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&a), names(&b));
    for (name, content) in &a {
        assert!(*content == b[name], "{} differs", name.display());
    }
}

/// The cells in a directory, in the order of their names.
pub(crate) fn cells(directory: &Path) -> Vec<PathBuf> {
    let mut cells: Vec<PathBuf> =
        std::fs::read_dir(directory.join("cells")).unwrap().map(|entry| entry.unwrap().path()).collect();
    cells.sort();
    cells
}

#[test]
fn the_bits_do_not_depend_on_the_threads_and_a_second_run_does_nothing() {
    let directory = with_plan(PLAN);
    let here = directory.path();
    for (jobs, out) in [("1", "one"), ("2", "two"), ("7", "seven")] {
        let said = ending(0, &["sweep", "plan.toml", "--jobs", jobs, "--out", out], here);
        assert!(said.contains("56 runs.") && said.contains("runs.csv"), "{said}");
    }
    assert_same(&here.join("one"), &here.join("two"));
    assert_same(&here.join("one"), &here.join("seven"));
    assert_eq!(cells(&here.join("one")).len(), 2 * 2 * 2 * 7);

    let times = || {
        files(&here.join("one"))
            .into_keys()
            .map(|name| here.join("one").join(name).metadata().unwrap().modified().unwrap())
    };
    let before: Vec<_> = times().collect();
    let said = ending(0, &["sweep", "plan.toml", "--out", "one"], here);
    assert!(said.contains("All 56 runs are there already: nothing to do.") && said.contains("unchanged"), "{said}");
    assert_eq!(times().collect::<Vec<_>>(), before, "nothing was written");
}

#[test]
fn a_larger_plan_runs_what_is_new_only() {
    let directory = with_plan(PLAN);
    let here = directory.path();
    ending(0, &["sweep", "plan.toml", "--out", "out"], here);
    std::fs::write(here.join("plan.toml"), PLAN.replace("[0.1, 10.0]", "[0.1, 1.0, 10.0]")).unwrap();
    let said = ending(0, &["sweep", "plan.toml", "--out", "out"], here);
    assert!(said.contains("56 runs are there already; 28 to go."), "{said}");
    ending(0, &["sweep", "plan.toml", "--out", "fresh"], here);
    assert_same(&here.join("out"), &here.join("fresh"));
    // Another choice of columns is no other run.
    std::fs::write(here.join("plan.toml"), PLAN.replace("\"w-norm-sq\"", "\"effective-lr\"")).unwrap();
    let said = ending(0, &["sweep", "plan.toml", "--out", "out"], here);
    assert!(said.contains("nothing to do"), "{said}");
    let csv = std::fs::read_to_string(here.join("out/runs.csv")).unwrap();
    assert!(
        csv.lines()
            .next()
            .unwrap()
            .ends_with("t,loss,grad_sq,effective_lr_1,effective_lr_2,effective_lr_3,effective_lr_4")
    );
}

#[test]
fn a_dry_run_tells_and_leaves_nothing() {
    let directory = with_plan(PLAN);
    let said = ending(0, &["sweep", "plan.toml", "--dry-run", "--out", "out"], directory.path());
    assert!(said.contains("56 runs of 3000 steps, 5 horizons; 56 are missing: about "), "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("problem-j") || line.starts_with("net")).count(), 8);
    assert!(!directory.path().join("out").exists());
    ending(0, &["sweep", "plan.toml", "--shard", "1/4", "--out", "out"], directory.path());
    let said = ending(0, &["sweep", "plan.toml", "--dry-run", "--out", "out"], directory.path());
    assert!(said.contains("; 42 are missing"), "{said}");
}

/// The table by its own header, and against the arrays' description.
#[test]
fn the_results_say_what_they_are() {
    let text = PLAN.replace("eta-w = [0.1, 10.0]", "eta-w = [0.1, 1e200]"); // diverges in its first step
    let directory = with_plan(&text);
    let said = ending(0, &["sweep", "plan.toml", "--out", "out"], directory.path());
    assert!(said.contains("of 56 runs diverged"), "{said}");
    let out = directory.path().join("out");
    let description: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.join("runs.json")).unwrap()).unwrap();
    assert_eq!((&description["n_runs"], &description["n_horizons"]), (&56.into(), &5.into()));
    assert_eq!(description["plan"], text.as_str());
    let shape = |name: &str| {
        let columns = description["columns"].as_array().unwrap();
        let column = columns.iter().find(|column| column["name"] == name).unwrap();
        assert!(!column["meaning"].as_str().unwrap().is_empty());
        column["shape"].clone()
    };
    assert_eq!(shape("w_norm_sq"), serde_json::json!([56, 5, 4]));
    assert_eq!((shape("seed"), shape("t")), (serde_json::json!([56]), serde_json::json!([5])));

    let mut table = csv::Reader::from_path(out.join("runs.csv")).unwrap();
    let header = table.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = table.records().collect::<Result<_, _>>().unwrap();
    assert_eq!(rows.len(), 56 * 5);
    let field =
        |row: &csv::StringRecord, name: &str| row[header.iter().position(|known| known == name).unwrap()].to_owned();
    for (k, row) in rows.iter().enumerate() {
        assert_eq!(field(row, "run"), (k / 5).to_string());
        assert_eq!(field(row, "t"), ["0", "10", "100", "1000", "3000"][k % 5]);
        let (diverged, loss) = (field(row, "diverged_at"), field(row, "loss"));
        // Before its first step every run is finite; after a divergence there is nothing.
        assert_eq!(loss.is_empty(), !diverged.is_empty() && k % 5 > 0, "{row:?}");
        assert!(loss.is_empty() || loss.parse::<f64>().unwrap().is_finite());
        assert_eq!(field(row, "w_norm_sq_2").is_empty(), field(row, "instance") == "problem-j" || loss.is_empty());
        assert_eq!(diverged.is_empty(), field(row, "diverged_what").is_empty());
    }
    assert!(rows.iter().any(|row| field(row, "diverged_at") == "0" && field(row, "eta_w") == "1e200"));
}
