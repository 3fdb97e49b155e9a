#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;

use ratecheck::descent::{Divergence, NotFinite, Precision};

use super::cell::{decode, encode};
use super::execute::{forgotten, take_over};
use super::*;
use crate::claim::evidence::Profile;
use crate::lab::sweep::{Places, Shard, Store};

/// Eight trainings of a dozen steps.
fn tiny(figure: Figure) -> Plan {
    Plan {
        seeds: vec![0, 1],
        n_epochs: 3,
        width: 1.0 / 32.0,
        batch: 10,
        n_train: 40,
        n_test: 20,
        eta_w: vec![0.1, 1.0],
        eta: vec![0.1],
        ..Plan::preset(figure, Profile::Quick, DataSource::Digits)
    }
}

#[test]
fn a_plan_reads_back() {
    let files = ["/a", "/b \"c\"", "/d", "/e"].map(Into::into);
    let sources = [DataSource::Digits, DataSource::Directory("/some where/\"else\"".into()), DataSource::Files(files)];
    for (_, figure) in Figure::ALL {
        for profile in [Profile::Quick, Profile::Standard, Profile::Full] {
            for source in &sources {
                let preset = Plan::preset(figure, profile, source.clone());
                let limits = Limits { loss: Some(0.25), accuracy: Some(0.75), ..preset.limits };
                let plan =
                    if profile == Profile::Full { Plan { n_classes: Some(26), limits, ..preset } } else { preset };
                let text = plan.toml();
                assert_eq!(Plan::parse(&text, "plan.toml".as_ref()).unwrap(), plan, "{text}");
                assert!(plan.questions(Guess::among(10)).iter().any(|question| question.side == Side::Stalls));
            }
        }
    }
    // A directory is looked for beside the plan.
    let text = tiny(Figure::D1).toml().replace("\"digits\"", "\"images\"");
    let plan = Plan::parse(&text, "some/plan.toml".as_ref()).unwrap();
    assert_eq!(plan.source, DataSource::Directory("some/images".into()));
}

#[test]
fn the_examples_are_plans() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/experiments");
    let mut n = 0;
    for file in std::fs::read_dir(examples).unwrap() {
        let plan = Plan::read(&file.unwrap().path()).unwrap();
        assert!(!plan.questions(Guess::among(10)).is_empty());
        n += 1;
    }
    assert!(n >= 2);
    // One of them is a preset, spelt out.
    let text = include_str!("../../../../examples/experiments/fashion-mnist.toml");
    let preset = Plan::preset(Figure::D1, Profile::Standard, DataSource::Directory(FASHION_MNIST.into()));
    assert_eq!(Plan::parse(text, "plan.toml".as_ref()).unwrap(), preset);
}

#[test]
fn what_is_wrong_in_a_plan_is_named() {
    let text = tiny(Figure::D1).toml();
    for (good, bad, said) in [
        ("figure = \"d1\"", "figure = \"d4\"", "plan.toml:2: experiment.figure"),
        ("seeds = [0, 1]", "seeds = [0, 0]", "plan.toml:3: experiment.seeds[1]: is there already"),
        ("seeds = [0, 1]", "seeds = []", "plan.toml:3: experiment.seeds: is empty"),
        ("epochs = 3", "epochs = 0", "plan.toml:4: experiment.epochs"),
        ("batch-size = 10", "batch-size = 41", "plan.toml:5: experiment.batch-size: is above train = 40"),
        ("width = 0.03125", "width = nan", "plan.toml:6: experiment.width"),
        ("precision = \"single\"", "precision = \"half\"", "plan.toml:7: experiment.precision"),
        ("train = 40", "trian = 40", "plan.toml:11: data.trian: unknown key; did you mean `train`?"),
        ("eta-g = 0.1", "eta-g = -0.1", "rates.eta-g"),
        ("eta = [0.1]", "eta = [inf]", "rates.eta[0]"),
        (
            "width = 0.03125",
            "width = 255",
            "plan.toml:6: experiment.width: 255 times the paper's width is not supported",
        ),
        ("unified-up-to", "loss = 0\nunified-up-to", "expected.loss"),
        ("source = \"digits\"", "files = [\"a\"]", "plan.toml:10: data.files: has 1 paths; give four paths"),
        (
            "train = 40",
            "files = [\"a\", \"b\", \"c\", \"d\"]\ntrain = 40",
            "plan.toml:10: data.source: has no meaning here",
        ),
        ("[expected]", "[expectd]", "expectd"),
    ] {
        assert!(text.contains(good), "{good} in\n{text}");
        let error = Plan::parse(&text.replace(good, bad), "plan.toml".as_ref()).unwrap_err().to_string();
        assert!(error.starts_with("plan.toml:") && error.contains(said), "{bad}: {error}");
    }
}

#[test]
fn more_images_than_there_are_is_said() {
    let plan = Plan { n_train: 1700, n_test: 98, ..tiny(Figure::D1) };
    assert_eq!(
        plan.task().unwrap_err().to_string(),
        "digits has 1797 images to train and test with, 1798 are asked for; ask for fewer"
    );
    let plan = Plan { side: Some(32), ..tiny(Figure::D1) };
    assert!(plan.task().unwrap_err().to_string().contains("leave side out"));
    let plan = Plan { source: DataSource::Directory("/nowhere".into()), ..tiny(Figure::D1) };
    assert!(plan.task().unwrap_err().to_string().contains("/nowhere"));
}

#[test]
fn what_is_wrong_with_the_images_is_said_at_its_place_in_the_plan() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plan.toml");
    let plan = Plan { n_train: 1790, ..tiny(Figure::D1) };
    std::fs::write(&path, plan.toml()).unwrap();
    let error = plan.task().unwrap_err().in_plan(&path).to_string();
    assert!(
        error.ends_with(
            "plan.toml:11: data.train: digits has 1797 images to train and test with, 1810 are asked for; ask for fewer"
        ),
        "{error}"
    );
    std::fs::remove_file(&path).unwrap();
    assert!(plan.task().unwrap_err().in_plan(&path).to_string().ends_with("ask for fewer"), "without its file too");
}

/// Half of the loss, twice the accuracy, or half of the error: from the frequencies of the classes there are.
#[test]
fn learned_is_better_than_guessing() {
    let labels = |counts: &[usize]| {
        let labels: Vec<f64> = counts.iter().enumerate().flat_map(|(k, &n)| vec![k as f64; n]).collect();
        ratecheck::data::Dataset::new(vec![0.0; labels.len()], labels.len(), 1, labels).unwrap()
    };
    // -(3/4) ln(3/4) - (1/4) ln(1/4) = ln 4 - (3/4) ln 3, rounded a few times.
    let guess = Guess::on(&labels(&[3, 1]), &labels(&[2, 0, 6]));
    let expected = 4.0_f64.ln() - 0.75 * 3.0_f64.ln();
    assert!((guess.loss - expected).abs() <= 8.0 * f64::EPSILON, "{guess:?}");
    assert_eq!((guess.accuracy, guess.learned(Seen::Accuracy)), (0.75, 0.875));
    assert_eq!(guess.learned(Seen::Loss), 0.5 * guess.loss);
    assert_eq!(Guess::among(10).learned(Seen::Accuracy), 0.2);
    assert_eq!(Guess::on(&labels(&[5]), &labels(&[5])), Guess { loss: 0.0, accuracy: 1.0 });

    // A limit of the plan counts if guessing does not reach it; otherwise it is said.
    let plan = |loss, accuracy| {
        let limits = Limits { loss: Some(loss), accuracy: Some(accuracy), ..tiny(Figure::D1).limits };
        Plan { limits, ..tiny(Figure::D1) }
    };
    let two = Guess::among(2);
    let threshold = |plan: Plan| plan.questions(two)[0].threshold;
    assert_eq!(threshold(plan(0.6, 0.2)), 0.6);
    assert_eq!(threshold(plan(1.151, 0.2)), 0.5 * 2.0_f64.ln());
    let accuracy = |limit| threshold(Plan { figure: Figure::D3, ..plan(0.6, limit) });
    assert_eq!((accuracy(0.6), accuracy(0.2), accuracy(0.5)), (0.6, 0.75, 0.75));
    assert_eq!(two.objection(Seen::Loss, &plan(0.6, 0.2).limits, 2), None);
    let said = two.objection(Seen::Accuracy, &plan(0.6, 0.2).limits, 2).unwrap();
    assert!(said.contains("expected.accuracy = 0.200 is no better than guessing among 2 classes"), "{said}");
}

#[test]
fn a_start_that_is_not_defined_is_no_training() {
    let plan = tiny(Figure::D2);
    let task = plan.task().unwrap();
    let cells = plan.cells(&task);
    let all: Vec<&Cell> = cells.iter().collect();
    assert_eq!(probe(&task, &all), Ok(()));
    let same = Task { train: task.train.select(&[3; 40]).into(), ..task };
    let error = probe(&same, &all).unwrap_err().to_string();
    assert!(
        error.contains("SGD, seed 0") && error.contains("10 examples of the first minibatch are identical"),
        "{error}"
    );
    // Without normalisation it is defined.
    let removed: Vec<&Cell> = cells.iter().filter(|cell| cell.setting == Setting::Removed).collect();
    assert_eq!(probe(&same, &removed), Ok(()));
}

#[test]
fn parts_that_contradict_each_other_are_refused() {
    let plan = Plan { eta_w: vec![0.1], seeds: vec![0], ..tiny(Figure::D1) };
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for part in ["1", "2"] {
        ran(&plan, Shard::WHOLE, 1, &at(part)).unwrap();
    }
    let (task, parts) = (plan.task().unwrap(), [at("1"), at("2")]);
    let cells = plan.cells(&task);
    take_over(&cells, &parts, &Store::open(&at("joined")).unwrap()).unwrap();

    // The same training with another number, and a checksum that fits.
    let training = cells[0].train(&task, || {}).unwrap();
    let mut other = training.clone();
    other.epochs[0].loss += 1.0;
    let sealed = crate::lab::sweep::outcome::seal(&cells[0].identity, &encode(&other));
    std::fs::write(at("2").join("cells").join(format!("{}.cell", cells[0].key)), sealed).unwrap();
    for out in ["joined", "new"] {
        let error = take_over(&cells, &parts, &Store::open(&at(out)).unwrap()).unwrap_err().to_string();
        assert!(error.contains("have different numbers for") && error.contains(&cells[0].described()), "{error}");
    }
    // What no part has is named.
    let found = pending(&cells, Shard::WHOLE, &Places::of(&at("nowhere")));
    let error = forgotten(&found).unwrap().to_string();
    assert!(
        error.starts_with("2 of 2 trainings are in no part, the first of them") && error.contains("SGD, η_w = 0.1"),
        "{error}"
    );
    assert!(forgotten(&pending(&cells, Shard::WHOLE, &Places::of(&at("1")))).is_none());
}

#[test]
fn every_training_has_its_name() {
    let (plan, double) = (tiny(Figure::D3), Plan { precision: Precision::Double, ..tiny(Figure::D3) });
    let task = plan.task().unwrap();
    let cells = plan.cells(&task);
    // Separate: two settings, two rates; one rate: three settings; two seeds each.
    assert_eq!(cells.len(), 2 * 2 * 2 + 3 * 2);
    let names: BTreeSet<&str> = cells.iter().map(|cell| cell.key.as_str()).collect();
    // eta_w = eta_g = 0.1 is one rate of 0.1, under SGD and projected SGD.
    assert_eq!(names.len(), cells.len() - 2 * 2);
    let other = double.cells(&double.task().unwrap());
    assert!(other.iter().all(|cell| !names.contains(cell.key.as_str())), "another arithmetic is another training");
}

#[test]
fn the_file_of_a_training_reads_back_to_the_bit() {
    let epoch = |loss: f64| Epoch { loss, accuracy: 0.25, w_norm_sq: vec![1.0, -0.0, loss] };
    for divergence in [None, Some(Divergence { step: 7, what: NotFinite::Gradient })] {
        let training = Training { epochs: vec![epoch(0.1 + 0.2), epoch(f64::MIN_POSITIVE)], divergence };
        let bytes = encode(&training);
        assert_eq!(decode(&bytes), Some(training));
        for n in 0..bytes.len() {
            assert_eq!(decode(&bytes[..n]), None, "{n} bytes");
        }
    }
    let none = Training { epochs: Vec::new(), divergence: Some(Divergence { step: 0, what: NotFinite::Loss }) };
    assert_eq!(decode(&encode(&none)), Some(none));
}

#[test]
fn starts_answer_together_or_not_at_all() {
    let ask = |seen, side, threshold| Question {
        setting: Setting::Sgd,
        rates: Rates::Unified,
        eta: 1.0,
        seen,
        side,
        threshold,
    };
    let learns = ask(Seen::Loss, Side::Learns, 1.0);
    let stalls = ask(Seen::Loss, Side::Stalls, 1.0);
    let tests = [
        (&[0.5, 1.0][..], Answer::Yes, Answer::No),
        (&[1.5, f64::INFINITY], Answer::No, Answer::Yes),
        (&[0.5, 1.5], Answer::Undecided, Answer::Undecided),
        (&[f64::NAN], Answer::No, Answer::Yes),
        (&[], Answer::Undecided, Answer::Undecided),
    ];
    for (values, of_learns, of_stalls) in tests {
        assert_eq!((learns.answer(values), stalls.answer(values)), (of_learns, of_stalls), "{values:?}");
    }
    let accuracy = ask(Seen::Accuracy, Side::Learns, 0.2);
    assert!(accuracy.is_met(0.2) && !accuracy.is_met(0.19) && !accuracy.is_met(f64::NAN));
    assert_eq!(Answer::level(3), 0.125);
    assert_eq!(accuracy.described(), "SGD, η = 1: test accuracy at least 0.200");
    // What diverged.
    let lost = Training { epochs: Vec::new(), divergence: Some(Divergence { step: 0, what: NotFinite::Loss }) };
    assert_eq!(
        (Seen::Loss.of(&lost, Guess::among(10)), Seen::Accuracy.of(&lost, Guess::among(10))),
        (f64::INFINITY, 0.1)
    );
}

/// Runs a part of a plan in a directory and returns what it shows, if it is whole.
fn ran(plan: &Plan, shard: Shard, threads: usize, dir: &Path) -> Option<Vec<AtRate>> {
    let task = plan.task().unwrap();
    let cells = plan.cells(&task);
    let store = Store::open(dir).unwrap();
    let found = pending(&cells, shard, &Places::of(dir));
    execute(&task, &found.cells, threads, &store, || {}).unwrap();
    assert_eq!(pending(&cells, shard, &Places::of(dir)).cells, Vec::<&Cell>::new());
    collect(plan, &cells, dir).ok()
}

#[test]
fn neither_threads_nor_parts_nor_a_killed_run_change_a_bit() {
    let plan = tiny(Figure::D1);
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let whole = ran(&plan, Shard::WHOLE, 1, &at("whole")).unwrap();
    assert!(whole.iter().all(|at| at.starts.iter().all(|training| training.epochs.len() == 3)));
    assert_eq!(ran(&plan, Shard::WHOLE, 3, &at("threads")), Some(whole.clone()), "three trainings at a time");
    assert_eq!(ran(&plan, Shard::WHOLE, 9, &at("inside")), Some(whole.clone()), "one after another, on nine threads");

    let (task, parts) = (plan.task().unwrap(), [at("1"), at("2")]);
    let cells = plan.cells(&task);
    for (part, shard) in parts.iter().zip(["1/2", "2/2"]) {
        assert_eq!(ran(&plan, shard.parse().unwrap(), 2, part), None, "a half is not the whole");
    }
    {
        let store = Store::open(&at("joined")).unwrap();
        take_over(&cells, &parts, &store).unwrap();
        assert!(take_over(&cells, &[at("nowhere")], &store).is_err());
    }
    assert_eq!(collect(&plan, &cells, &at("joined")).unwrap(), whole);

    // One file is lost and one is cut short: both are run again, and nothing else is.
    let file = |k: usize| at("whole").join("cells").join(format!("{}.cell", cells[k].key));
    std::fs::remove_file(file(0)).unwrap();
    let bytes = std::fs::read(file(1)).unwrap();
    std::fs::write(file(1), &bytes[..bytes.len() - 1]).unwrap();
    let found = pending(&cells, Shard::WHOLE, &Places::of(&at("whole")));
    assert_eq!((found.cells.len(), found.done, found.damaged), (2, cells.len() - 2, 1));
    assert!(collect(&plan, &cells, &at("whole")).is_err());
    assert_eq!(ran(&plan, Shard::WHOLE, 2, &at("whole")), Some(whole));
    assert_eq!(std::fs::read(file(1)).unwrap(), bytes);
}

#[test]
fn figures_mark_what_diverged() {
    let epoch = |loss: f64| Epoch { loss, accuracy: 0.5, w_norm_sq: vec![4.0] };
    let good = |loss: f64| Training { epochs: vec![epoch(loss); 6], divergence: None };
    let lost = Training { epochs: vec![epoch(9.0)], divergence: Some(Divergence { step: 3, what: NotFinite::Loss }) };
    let at =
        |setting, eta, starts: &[Training]| AtRate { setting, rates: Rates::Separate, eta, starts: starts.to_vec() };
    let found = [
        at(Setting::Sgd, 1.0, &[good(1.0), good(3.0), good(2.0)]),
        at(Setting::Sgd, 10.0, &[good(4.0), good(4.0), good(7.0)]),
        at(Setting::Projected, 1.0, &[good(5.0), good(5.0), good(5.0)]),
        at(Setting::Projected, 10.0, &[good(5.0), lost.clone(), good(5.0)]),
    ];
    let plots = figures(Rates::Separate, 0.1, &found, Guess::among(10));
    let loss = &plots[0].series;
    assert_eq!(
        (&loss[0].points[..], &loss[0].band[..]),
        (&[[1.0, 2.0], [10.0, 4.0]][..], &[[1.0, 3.0], [4.0, 7.0]][..])
    );
    assert_eq!(loss[1].points, [[1.0, 5.0], [10.0, f64::INFINITY]], "one start of projected SGD at 10 diverged");
    assert!(plots[0].caption.contains("confidence 75 %"), "{}", plots[0].caption);
    // It guesses instead.
    assert_eq!(plots[2].series[1].band, [[0.5, 0.5], [0.1, 0.5]]);
    // eta_w/||w||^2.
    assert_eq!(plots[4].series[2].points[5], [6.0, 2.5]);
}
