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
    std::fs::write(at.join("plan.toml"), PLAN.replace("unified-up-to = 1.0", "unified-up-to = 0.001")).unwrap();
    let (code, text) = ran(&["plan.toml", "--quiet"], at);
    assert!(code == 0 && text.starts_with("2 of 2 expectations met"), "{code}: {text}");
    // A limit that guessing reaches is none, and that is said.
    std::fs::write(at.join("plan.toml"), PLAN.replace("loss = 1.5", "loss = 2.9")).unwrap();
    let (code, text) = ran(&["plan.toml"], at);
    assert!(
        code == 1 && text.contains("note: expected.loss = 2.900 is no better than guessing among 10 classes"),
        "{text}"
    );
    assert!(!text.contains("2.900  met"), "{text}");
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
    // A part that was forgotten is not trained again.
    let (code, text) = ran(&["plan.toml", "--parts", "1", "--out", "half"], at);
    assert!(code == 7 && text.contains("6 of 12 trainings are in no part"), "{code}: {text}");
    assert!(!at.join("half/d2").exists() && text.trim_end().lines().count() == 1, "{text}");
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
        let plan = plan.replace("eta-w = [0.1]", "eta-w = [0.01]");
        let plan = plan.replace("width = 0.03125", "width = 0.0625").replace("batch-size = 10", "batch-size = 40");
        plan.replace("source = \"digits\"", &format!("source = \"{source}\"\n{side}"))
    };
    for (source, side, image) in [("cifar", "", [3, 32, 32]), ("mnist", "side = 32", [1, 32, 32])] {
        std::fs::write(at.join("plan.toml"), of(source, side)).unwrap();
        for jobs in ["1", "2", "3"] {
            let (code, text) = ran(&["plan.toml", "--jobs", jobs, "--out", &format!("{source}-{jobs}")], at);
            // A few steps teach nothing.
            assert!(code == 1 && text.contains("0 of 1 expectation met, 1 missed"), "{source}: {text}");
        }
        let read = |jobs: &str, file: &str| std::fs::read(at.join(format!("{source}-{jobs}")).join(file)).unwrap();
        assert!(["2", "3"].iter().all(|jobs| read(jobs, "d1/runs.csv") == read("1", "d1/runs.csv")), "{source}");
        let json: Value = serde_json::from_slice(&read("1", "d1/experiment.json")).unwrap();
        assert_eq!((&json["image"], &json["classes"]), (&serde_json::json!(image), &10.into()));
    }
}

/// IDX files: images of `side` x `side` and these labels.
fn idx(dir: &Path, half: &str, side: usize, labels: &[u8]) {
    std::fs::create_dir_all(dir).unwrap();
    let numbers = |all: &[usize]| all.iter().flat_map(|&n| (n as u32).to_be_bytes()).collect::<Vec<u8>>();
    let mut images = numbers(&[0x803, labels.len(), side, side]);
    images.extend((0..labels.len()).flat_map(|k| pixels(k, side * side)));
    let labels = [&numbers(&[0x801, labels.len()])[..], labels].concat();
    std::fs::write(dir.join(format!("{half}-images-idx3-ubyte")), images).unwrap();
    std::fs::write(dir.join(format!("{half}-labels-idx1-ubyte")), labels).unwrap();
}

/// Every kind of images that makes no experiment, and what is said of it; with the plan and its line.
pub(super) fn refuses_what_is_no_data_set() {
    let directory = with_plan(PLAN);
    let at = directory.path();
    let ten = |n: usize| (0..n).map(|k| (k % 10) as u8).collect::<Vec<u8>>();
    let make = |name: &str, sides: [usize; 2], train: &[u8], test: &[u8]| {
        idx(&at.join(name), "train", sides[0], train);
        idx(&at.join(name), "t10k", sides[1], test);
    };
    make("sizes", [8, 10], &ten(40), &ten(20));
    let mut damaged = ten(40);
    damaged[17] = 255;
    make("label", [8, 8], &damaged, &ten(20));
    make("one", [8, 8], &[3; 40], &[3; 20]);
    make("unseen", [8, 8], &ten(40), &[&ten(19)[..], &[12]].concat());
    make("sound", [8, 8], &ten(40), &ten(20));
    make("alike", [8, 8], &ten(40), &ten(20));
    let path = at.join("alike/train-images-idx3-ubyte");
    let mut images = std::fs::read(&path).unwrap();
    let (head, all) = images.split_at_mut(16);
    let first = all[..64].to_vec();
    all.chunks_exact_mut(64).for_each(|image| image.copy_from_slice(&first));
    std::fs::write(&path, [head, all].concat()).unwrap();
    for (name, said) in [
        ("sizes", "the training images are 1 x 8 x 8 (channels, rows, columns), and the test images 1 x 10 x 10"),
        (
            "label",
            "training image 17 of label has the label 255, but 245 of the classes 0 to 255 have no training image",
        ),
        ("one", "every training image of one has the label 3"),
        ("unseen", "test image 19 of unseen has the label 12, but 3 of the classes 0 to 12 have no training image"),
        ("alike", "the 10 examples of the first minibatch are identical"),
    ] {
        std::fs::write(at.join("plan.toml"), PLAN.replace("\"digits\"", &format!("\"{name}\""))).unwrap();
        for more in [&[][..], &["--dry-run"]] {
            let (code, text) = ran(&[&["plan.toml", "--out", name], more].concat(), at);
            assert!(code == 7 && text.contains("plan.toml:9: data.source: ") && text.contains(said), "{code}: {text}");
            assert_eq!(text.trim_end().lines().count(), 1, "{text}");
        }
        assert!(!at.join(name).join("cells").exists(), "nothing is run");
    }
    // If 26 classes are meant, they are said to be; files of any name are read.
    let files = ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"];
    let files = files.map(|name| format!("unseen/{name}-ubyte"));
    let quoted = files.each_ref().map(|file| format!("{file:?}")).join(", ");
    let plan = PLAN.replace("source = \"digits\"", &format!("files = [{quoted}]\nclasses = 26"));
    std::fs::write(at.join("plan.toml"), plan).unwrap();
    let (code, text) = ran(&["plan.toml", "--dry-run"], at);
    assert!(code == 0 && text.contains("12 missing"), "{text}");
    let files = files.map(|file| file.replace("unseen", "sound"));
    let flags: Vec<&str> = ["d1", "--files"].into_iter().chain(files.iter().map(String::as_str)).collect();
    let (code, text) = ran(&[&flags[..], &["--print-plan"]].concat(), at);
    assert!(code == 0 && text.contains("files = [\"sound/train-images-idx3-ubyte\", "), "{text}");
}

/// What does not fit into memory is refused before it is made.
pub(super) fn refuses_what_does_not_fit() {
    let directory = with_plan(PLAN);
    let at = directory.path();
    let within = |memory: &str, arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ratecheck"));
        let output = command.args(arguments).current_dir(at).env("RATECHECK_MEMORY", memory).output().unwrap();
        (code(&output), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    // Two images of 40,000 x 40,000, as their headers have it.
    std::fs::create_dir(at.join("large")).unwrap();
    for half in ["train", "t10k"] {
        let numbers = |all: &[u32]| all.iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<u8>>();
        std::fs::write(at.join(format!("large/{half}-images-idx3-ubyte")), numbers(&[0x803, 2, 40_000, 40_000]))
            .unwrap();
        std::fs::write(at.join(format!("large/{half}-labels-idx1-ubyte")), numbers(&[0x801, 2])).unwrap();
    }
    let neuron = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/problems/one-neuron.toml");
    let wide =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/problems/3-4-1.toml")).unwrap();
    std::fs::write(at.join("wide.toml"), wide.replace("[3, 4, 1]", "[3, 300_000, 1]")).unwrap();
    for (memory, arguments, said) in [
        (
            "1G",
            &["experiment", "d1", "--data", "large"][..],
            "large/train-images-idx3-ubyte holds 2.98 GiB, more than the 256 MiB",
        ),
        ("64M", &["experiment", "d1", "--data", "digits", "--width", "16"], "at 16 times the paper's width"),
        ("64M", &["inspect", "--problem", "wide.toml"], "wide.toml:"),
        ("16M", &["inspect", "--instance", "digits", "--dense-up-to", "1000000"], "--dense-up-to 1000000"),
        ("1K", &["constants", "--problem", neuron, "--points", "1000"], "--points 1000"),
    ] {
        let (code, text) = within(memory, arguments);
        assert!(code == 7 && text.contains(said), "{arguments:?}: {code}\n{text}");
        let one = text.trim_end().lines().count() == 1;
        assert!(one && text.contains("more than the ") && text.contains("RATECHECK_MEMORY="), "{text}");
    }
    let (code, text) = within("much", &["list"]);
    assert!(code == 2 && text.contains("RATECHECK_MEMORY=much: give a number of bytes"), "{text}");
    #[cfg(target_os = "linux")]
    for arguments in [
        &["experiment", "/dev/zero"][..],
        &["sweep", "/dev/zero"],
        &["inspect", "--problem", "/dev/zero"],
        &["report", "/dev/zero"],
        &["compare", "/dev/zero", "/dev/zero"],
        &["experiment", "d1", "--files", "/dev/zero", "/dev/zero", "/dev/zero", "/dev/zero"],
    ] {
        let (code, text) = within("1G", arguments);
        assert!(code == 7 && text.contains("/dev/zero") && text.contains("a device"), "{arguments:?}: {code}\n{text}");
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
    assert!(
        code == 0
            && said.contains("The whole lacks ")
            && said.contains(": part 1 of 2: 0 of ")
            && !at.join("out/d2").exists(),
        "{said}"
    );
    std::fs::write(at.join("plan.toml"), PLAN.replace("epochs = 6", "epochs = 5")).unwrap();
    let (code, said) = task("1");
    assert!(code == 0 && said.contains("part 2 of 2: 0 of ") && !at.join("out/d2").exists(), "{said}");
    std::fs::write(at.join("plan.toml"), PLAN).unwrap();
    // A task does not fail for what two dozen steps do not teach.
    let (code, said) = task("1");
    assert!(code == 0 && said.contains("missed") && at.join("out/d2/index.html").exists(), "{said}");
}
