//! `ratecheck experiment`.

use std::path::Path;

use serde_json::Value;

use super::{code, ratecheck};

/// A dozen steps a training.
const PLAN: &str = r#"[experiment]
figure = "d2"
seeds = [0, 1]
epochs = 6
batch-size = 10
width = 0.03125

[data]
source = "digits"
train = 40
test = 20

[rates]
eta-w = [0.1]
eta-g = 0.1
eta = [0.01, 1000.0]

[expected]
loss = 1.5
accuracy = 0.2
unified-up-to = 1.0
projected-from = 1000.0
removed-from = 1000.0
"#;

fn with_plan(text: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("plan.toml"), text).unwrap();
    directory
}

fn ran(arguments: &[&str], directory: &Path) -> (i32, String) {
    let output = ratecheck(&[&["experiment"], arguments].concat(), directory);
    (code(&output), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

pub(super) fn answers_and_is_not_run_twice() {
    let directory = with_plan(PLAN);
    let at = directory.path();
    let (code, text) = ran(&["plan.toml", "--jobs", "2"], at);
    // Two dozen steps do not teach: one expectation is missed, and the page is there all the same.
    assert!(code == 1 && text.contains("12 trainings.") && text.contains("missed"), "{code}: {text}");
    assert!(text.contains("projected SGD, η = 1000: training loss above 1.500  met"), "{text}");
    let out = at.join("experiments/d2");
    let page = std::fs::read_to_string(out.join("index.html")).unwrap();
    assert!(page.contains("Appendix D.2") && page.contains("1&#x2f;32 of the paper"), "the page");
    let csv = std::fs::read_to_string(out.join("runs.csv")).unwrap();
    assert!(csv.starts_with("run,setting,eta_w,eta_g,seed,diverged_at,"), "{csv}");
    assert!(
        csv.lines().any(|line| line.contains(",sgd,0.01,0.01,") || line.contains("0,sgd,0.01,0.01,0,,,1,")),
        "{csv}"
    );
    let npz = std::fs::read(out.join("runs.npz")).unwrap();
    assert!(npz.starts_with(b"PK"));
    let json: Value = serde_json::from_slice(&std::fs::read(out.join("experiment.json")).unwrap()).unwrap();
    assert_eq!((&json["steps"], json["questions"].as_array().unwrap().len()), (&24.into(), 3));
    assert_eq!((&json["questions"][0]["answer"], &json["questions"][1]["answer"]), (&"no".into(), &"yes".into()));

    // The same plan again runs nothing and writes the same; so does the plan that was written beside the page.
    let again = ran(&["plan.toml", "--json"], at);
    assert_eq!(again.0, 1);
    assert_eq!(serde_json::from_str::<Value>(&again.1).unwrap()[0]["answer"], "no");
    let (_, text) = ran(&["experiments/d2/plan.toml"], at);
    assert!(text.contains("All 12 trainings are there already"), "{text}");
    assert_eq!(std::fs::read_to_string(out.join("runs.csv")).unwrap(), csv);

    // Other thresholds are other questions about the same trainings.
    std::fs::write(at.join("plan.toml"), PLAN.replace("loss = 1.5", "loss = 2.9")).unwrap();
    let (code, text) = ran(&["plan.toml", "--quiet"], at);
    assert!(code == 0 && text.starts_with("3 of 3 expectations met"), "{code}: {text}");
}

pub(super) fn runs_in_parts() {
    let directory = with_plan(PLAN);
    let at = directory.path();
    for part in ["1/2", "2/2"] {
        let (code, text) = ran(&["plan.toml", "--shard", part, "--out", &part[..1]], at);
        assert!(code == 0 && text.contains("give its directory to --parts"), "{text}");
    }
    let (code, text) = ran(&["plan.toml", "--parts", "1", "2", "--out", "whole"], at);
    assert!(code == 1 && text.contains("All 12 trainings are there already"), "{text}");
    ran(&["plan.toml", "--out", "alone", "--jobs", "1"], at);
    let csv = |name: &str| std::fs::read(at.join(name).join("d2/runs.csv")).unwrap();
    assert_eq!(csv("whole"), csv("alone"));
    let (code, text) = ran(&["plan.toml", "--parts", "nowhere", "--out", "whole"], at);
    assert!(code == 7 && text.contains("nowhere has no cells"), "{text}");
}

pub(super) fn says_what_it_would_run() {
    let directory = with_plan(PLAN);
    let at = directory.path();
    let (code, text) = ran(&["d1", "--data", "digits", "--dry-run"], at);
    assert!(code == 0 && text.contains("18 trainings of 900 steps on digits; 18 missing: about"), "{text}");
    let (code, text) = ran(&["plan.toml", "--dry-run", "--json"], at);
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &json["missing"], &json["steps"]), (0, &12.into(), &24.into()));
    assert!(json["seconds"].as_f64().unwrap() > 0.0);
    // The flags change the plan.
    let flags = ["d3", "--data", "digits", "--profile", "full", "--width", "0.5", "--epochs", "7", "--seeds", "2"];
    let (code, text) = ran(&[&flags[..], &["--print-plan"]].concat(), at);
    assert_eq!(code, 0);
    for line in ["figure = \"d3\"", "width = 0.5", "epochs = 7", "seeds = [0, 1]", "source = \"digits\""] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    assert!(!at.join("experiments").exists(), "nothing is written");
}

pub(super) fn bad_input_is_one_line() {
    let directory = with_plan(&PLAN.replace("epochs", "epoch"));
    let at = directory.path();
    std::fs::create_dir(at.join("empty")).unwrap();
    std::fs::write(at.join("file"), "in the way").unwrap();
    for (arguments, expected, said) in [
        (&["plan.toml"][..], 7, "plan.toml:4: experiment.epoch: unknown key; did you mean `epochs`?"),
        (&["d4"], 7, "d4"),
        (&["d1", "--data", "empty"], 7, "empty"),
        (&["d1", "--data", "nowhere"], 7, "nowhere"),
        (&["d1", "--width", "0"], 2, "give a factor from"),
        (&["d1", "--epochs", "0"], 2, "--epochs"),
        (&["d1", "--shard", "3/2"], 2, "k/n"),
        (&["d1", "--data", "digits", "--out", "file/there"], 6, "file"),
    ] {
        let (code, text) = ran(arguments, at);
        assert!(code == expected && text.contains(said), "{arguments:?}: {code}\n{text}");
        if expected != 2 {
            assert_eq!(text.trim_end().lines().count(), 1, "{text}");
        }
    }
}

/// Bytes that differ from image to image and from place to place.
fn pixels(image: usize, n: usize) -> impl Iterator<Item = u8> {
    (0..n).map(move |at| ((image * 7919 + at * 104_729 + image * at) % 251) as u8)
}

fn cifar_10(dir: &Path) {
    std::fs::create_dir(dir).unwrap();
    let names = ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"];
    for (file, name) in names.into_iter().enumerate() {
        let record = |k: usize| std::iter::once((k % 10) as u8).chain(pixels(20 * file + k, 3 * 32 * 32));
        std::fs::write(dir.join(format!("{name}.bin")), (0..20).flat_map(record).collect::<Vec<u8>>()).unwrap();
    }
}

fn mnist(dir: &Path) {
    std::fs::create_dir(dir).unwrap();
    for (name, n) in [("train", 50), ("t10k", 20)] {
        let numbers = |all: &[u32]| all.iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<u8>>();
        let mut images = numbers(&[0x803, n, 28, 28]);
        images.extend((0..n as usize).flat_map(|k| pixels(k, 28 * 28)));
        let mut labels = numbers(&[0x801, n]);
        labels.extend((0..n).map(|k| (k % 10) as u8));
        std::fs::write(dir.join(format!("{name}-images-idx3-ubyte")), images).unwrap();
        std::fs::write(dir.join(format!("{name}-labels-idx1-ubyte")), labels).unwrap();
    }
}

/// Colour images as they are, and grey ones inside a margin: a few steps, on one thread and on two that share them.
pub(super) fn reads_published_formats() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    cifar_10(&at.join("cifar"));
    mnist(&at.join("mnist"));
    let of = |source: &str, side: &str| {
        let plan = PLAN.replace("\"d2\"", "\"d1\"").replace("[0, 1]", "[3]").replace("epochs = 6", "epochs = 2");
        let plan = plan.replace("eta-w = [0.1]", "eta-w = [0.01]").replace("loss = 1.5", "loss = 9");
        let plan = plan.replace("width = 0.03125", "width = 0.0625").replace("batch-size = 10", "batch-size = 40");
        plan.replace("source = \"digits\"", &format!("source = \"{source}\"\n{side}"))
    };
    for (source, side, image) in [("cifar", "", [3, 32, 32]), ("mnist", "side = 32", [1, 32, 32])] {
        std::fs::write(at.join("plan.toml"), of(source, side)).unwrap();
        for jobs in ["1", "2", "3"] {
            let (code, text) = ran(&["plan.toml", "--jobs", jobs, "--out", &format!("{source}-{jobs}")], at);
            assert!(code == 0 && text.contains("1 of 1 expectation met"), "{source}: {text}");
        }
        let read = |jobs: &str, file: &str| std::fs::read(at.join(format!("{source}-{jobs}")).join(file)).unwrap();
        assert!(["2", "3"].iter().all(|jobs| read(jobs, "d1/runs.csv") == read("1", "d1/runs.csv")), "{source}");
        let json: Value = serde_json::from_slice(&read("1", "d1/experiment.json")).unwrap();
        assert_eq!((&json["image"], &json["classes"]), (&serde_json::json!(image), &10.into()));
    }
}

/// The script for Slurm: the last of its tasks joins them, and a plan that was changed meanwhile has parts of its own.
#[cfg(unix)]
pub(super) fn the_slurm_script_joins_its_tasks() {
    let directory = with_plan(PLAN);
    let at = directory.path();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/slurm/experiment.sbatch");
    let task = |k: &str| {
        let mut command = std::process::Command::new("bash");
        command.arg(&script).args(["out", "plan.toml"]).current_dir(at);
        command.env("RATECHECK", env!("CARGO_BIN_EXE_ratecheck")).env("SLURM_CPUS_PER_TASK", "1");
        // As in an array of this one task.
        command.env("PARTS", "2").env("SLURM_ARRAY_TASK_ID", k).env("SLURM_ARRAY_TASK_COUNT", "1");
        let output = command.output().unwrap();
        (code(&output), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let (code, said) = task("2");
    assert!(code == 0 && said.contains("Part 1 of 2 is not complete") && !at.join("out/d2").exists(), "{said}");
    std::fs::write(at.join("plan.toml"), PLAN.replace("epochs = 6", "epochs = 5")).unwrap();
    let (code, said) = task("1");
    assert!(code == 0 && said.contains("Part 2 of 2 is not complete") && !at.join("out/d2").exists(), "{said}");
    std::fs::write(at.join("plan.toml"), PLAN).unwrap();
    // What two dozen steps do not teach: see above.
    let (code, said) = task("1");
    assert!(code == 1 && at.join("out/d2/index.html").exists(), "{said}");
}
