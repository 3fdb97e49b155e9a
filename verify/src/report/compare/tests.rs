use super::*;
use crate::claim::evidence::Profile;

fn entry(id: &str, status: Status) -> Entry {
    Entry {
        id: id.to_owned(),
        status,
        margin: Some(0.5),
        controls: vec!["no normalisation".to_owned()],
        slopes: vec![Slope { name: "slope".to_owned(), value: -0.25, interval: [-0.26, -0.24] }],
    }
}

fn run(claims: Vec<Entry>) -> Baseline {
    Baseline {
        baseline: FORMAT,
        version: "0.1.0".to_owned(),
        profile: Profile::Quick,
        seed: 2019,
        problem: None,
        claims,
    }
}

fn found(new: Entry) -> Vec<(Weight, String)> {
    let compared = compare(&run(vec![entry("a", Status::Holds)]), &run(vec![new]));
    compared.differences.into_iter().map(|difference| (difference.weight, difference.what)).collect()
}

#[test]
fn the_same_run_has_no_differences() {
    assert_eq!(found(entry("a", Status::Holds)), []);
    // Not even where a margin is NaN: the same bits.
    let nan = || run(vec![Entry { margin: Some(f64::NAN), ..entry("a", Status::Error) }]);
    assert_eq!(compare(&nan(), &nan()).differences, []);
}

#[test]
fn verdicts_are_better_or_worse() {
    for worse in [Status::Fails, Status::Inconclusive, Status::Error, Status::ControlBroken, Status::ControlNotRejected]
    {
        assert_eq!(found(entry("a", worse))[0].0, Weight::Regression, "{worse:?}");
        let back = compare(&run(vec![entry("a", worse)]), &run(vec![entry("a", Status::Holds)]));
        assert_eq!((back.count(Weight::Better), back.count(Weight::Regression)), (1, 0), "{worse:?}");
    }
}

#[test]
fn margins_are_noted_and_slopes_weighed() {
    let all = found(Entry { margin: Some(0.4), ..entry("a", Status::Holds) });
    assert!(matches!(&all[..], [(Weight::Note, what)] if what.contains("margin")), "{all:?}");
    let moved = |value, interval| {
        let slopes = vec![Slope { name: "slope".to_owned(), value, interval }];
        found(Entry { slopes, ..entry("a", Status::Holds) })
    };
    assert_eq!(moved(-0.23, [-0.24, -0.22]), [], "the ends touch");
    for (value, interval) in [(-0.2, [-0.22, -0.18]), (-0.3, [-0.32, -0.28]), (f64::NAN, [f64::NAN, f64::NAN])] {
        let all = moved(value, interval);
        assert!(matches!(&all[..], [(Weight::Regression, what)] if what.contains("overlap")), "{all:?}");
    }
}

#[test]
fn nothing_may_vanish() {
    let all = found(Entry { controls: Vec::new(), slopes: Vec::new(), ..entry("a", Status::Holds) });
    assert!(all.len() == 2 && all.iter().all(|(weight, _)| *weight == Weight::Regression), "{all:?}");
    let compared = compare(&run(vec![entry("a", Status::Holds)]), &run(vec![entry("b", Status::Holds)]));
    assert_eq!((compared.n_common, compared.count(Weight::Regression), compared.count(Weight::Note)), (0, 1, 1));
    // A new claim is welcome unless it fails.
    let both = |status| compare(&run(vec![]), &run(vec![entry("b", status)]));
    assert_eq!(both(Status::Holds).count(Weight::Regression), 0);
    assert_eq!(both(Status::Fails).count(Weight::Regression), 1);
}

#[test]
fn other_work_is_compared_by_verdicts_and_common_slopes() {
    let old = run(vec![entry("a", Status::Holds)]);
    let other = Entry { margin: Some(0.1), controls: Vec::new(), ..entry("a", Status::Holds) };
    let compared = compare(&old, &Baseline { profile: Profile::Full, seed: 7, ..run(vec![other]) });
    assert_eq!(compared.settings, ["profile: quick -> full", "seed: 2019 -> 7"]);
    assert_eq!((compared.count(Weight::Regression), compared.count(Weight::Note)), (0, 1), "{compared:?}");
}

#[test]
fn a_baseline_reads_back() {
    let kept = run(vec![entry("a", Status::Holds), Entry { margin: None, ..entry("b", Status::Inconclusive) }]);
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("baseline.json");
    std::fs::write(&path, crate::report::pretty(&kept).expect("JSON")).expect("written");
    assert_eq!(read(&path), Ok(kept));
    for (text, part) in [
        ("", "line"),
        ("{\"baseline\": 99}", "format 99"),
        ("{\"baseline\": 1, \"version\": \"0\"}", "damaged"),
        ("{\"x\": 1}", "results.json"),
    ] {
        std::fs::write(&path, text).expect("written");
        let error = read(&path).expect_err(text);
        assert!(error.contains("baseline.json") && (error.contains(part) || part == "line"), "{text}: {error}");
    }
}
