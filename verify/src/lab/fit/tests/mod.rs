mod formats;
mod verdict;

use std::path::PathBuf;

use proptest::prelude::*;
use ratecheck::random::{Seed, normals};
use ratecheck::rates::log_spaced;

use super::*;
use crate::lab::problem::ProblemError;

fn columns(step: Option<&str>, value: Option<&str>, run: Option<&str>) -> Columns {
    let own = |name: Option<&str>| name.map(str::to_owned);
    Columns { step: own(step), values: own(value).into_iter().collect(), run: own(run), ..Columns::default() }
}

fn read(text: &str, columns: &Columns) -> Result<Log, ProblemError> {
    Log::parse(vec![(PathBuf::from("log"), text.as_bytes().to_vec())], columns, (None, None))
}

fn request() -> Request {
    Request {
        against: Some(-0.25),
        one_sided: false,
        margin: 0.05,
        log_power: 0.0,
        form: Form::LastWindow,
        squared: false,
        deterministic: false,
        level: 0.95,
        seed: 1,
    }
}

/// Runs of T^p (ln T)^q with independent noise of the given deviation in the logarithm.
fn power_law(p: f64, q: f64, n_runs: usize, noise: f64, seed: u64) -> Log {
    let steps = log_spaced(10, 1_000_000, 100);
    let mut generator = Seed::new(seed).generator("power law");
    let mut text = String::from("seed,t,grad_norm\n");
    for run in 0..n_runs {
        for (&t, z) in steps.iter().zip(normals(steps.len(), noise, &mut generator)) {
            let x = t as f64;
            text += &format!("{run},{t},{}\n", libm::pow(x, p) * libm::pow(libm::log(x), q) * libm::exp(z));
        }
    }
    read(&text, &columns(Some("t"), Some("grad_norm"), Some("seed"))).expect("a log")
}

#[test]
fn the_formats_hold_the_same_log() {
    let expected = read("step,y\n0,9\n1,4\n2,2.5\n4,1e-3\n", &Columns::default()).expect("a log");
    assert_eq!(
        (expected.t.as_slice(), expected.values.as_slice()),
        (&[0.0, 1.0, 2.0, 4.0][..], &[9.0, 4.0, 2.5, 1e-3][..])
    );
    assert_eq!((expected.window.from, expected.window.to, expected.by_rule), (0.04, 4.0, true));
    for text in [
        "\u{feff}step,y\r\n0,9\r\n\r\n1,4\r\n2,2.5\r\n4,1e-3",
        "step;y\n0; 9\n1;4\n2;2.5\n4;0.001\n",
        "step\ty\n4\t0.001\n2\t2.5\n1\t4\n0\t9\n",
        "\"step\",\"y\"\n\"0\",\"9\"\n1,4\n2,2.5\n4,1e-3\n",
        "{\"step\": 0, \"y\": 9}\n{\"y\": 4.0, \"step\": 1}\n\n{\"step\": 2, \"y\": \"2.5\"}\n\
         \x20 {\"step\": 4, \"y\": 1e-3}",
    ] {
        assert_eq!(read(text, &Columns::default()).expect(text), expected, "{text}");
    }
}

#[test]
fn a_tensorboard_export_needs_no_names() {
    let text = "Wall time,Step,Value\n1557138000.1,1,0.5\n1557138001.2,10,0.25\n1557138002.3,100,0.125\n";
    let log = read(text, &Columns::default()).expect("a log");
    assert_eq!((log.step.as_str(), log.value.as_str()), ("Step", "Value"));
    assert_eq!((log.t, log.values), (vec![1.0, 10.0, 100.0], vec![0.5, 0.25, 0.125]));
}

#[test]
fn errors_name_the_place_and_the_remedy() {
    let named = columns(Some("t"), Some("y"), None);
    let by_seed = columns(Some("t"), Some("y"), Some("seed"));
    for (text, asked, parts) in [
        ("", &named, &["log:", "empty"][..]),
        (" \n", &named, &["empty"]),
        ("t,y\n", &named, &["no rows"]),
        ("[1, 2]", &named, &["log:1:", "no objects"]),
        ("1,2,3\n3,4,5\n", &Columns::default(), &["log:1:", "name the columns", "--step 1"]),
        ("t,grad_norm\n1,2\n", &columns_of("grad_nrom"), &["log:1:", "grad_nrom", "did you mean \"grad_norm\"?"]),
        ("t,y,y\n1,2,3\n", &named, &["log:1:", "several columns"]),
        ("t,a,b\n1,2,3\n", &Columns::default(), &["log:1:", "columns are a, b;", "--value"]),
        ("a,b\n1,2\n", &Columns::default(), &["--step"]),
        ("t,y\n1,2\n", &columns(Some("t"), Some("t"), None), &["used twice"]),
        ("t,y\n1,2\n\n2\n", &named, &["log:4:", "1 fields"]),
        ("t,y\n1,2\n2,\n", &named, &["log:3:", "column \"y\"", "no value", "--skip-empty"]),
        ("t,y\n1,2\n,3\n", &named, &["log:3:", "column \"t\"", "no step"]),
        ("t,y\n1,2\n2,abc\n", &named, &["log:3:", "`abc`"]),
        ("t,y\n1,2\n2,NaN\n", &named, &["log:3:", "NaN at step 2", "diverged"]),
        ("t,y\n1,2\n2,inf\n", &named, &["log:3:", "inf", "diverged"]),
        ("t,y\n1,2\n2,-1\n", &named, &["log:3:", "-1 at step 2", "positive"]),
        ("t,y\n1,2\n2,0\n", &named, &["log:3:", "0 at step 2"]),
        ("t,y\n-1,2\n", &named, &["log:2:", "negative"]),
        ("t,y\n1,2\ninf,2\n", &named, &["log:3:", "not finite"]),
        ("t,y\n1,2\n2,3\n1,5\n", &named, &["log:4:", "step 1 occurs twice", "line 2", "--run"]),
        ("t,y,seed\n1,2,a\n1,2,\n", &by_seed, &["log:3:", "column \"seed\"", "no run"]),
        ("t,y,seed\n1,2,a\n1,2,b\n2,3,b\n", &by_seed, &["log:2:", "run a ends at step 1", "run b", "--window"]),
        ("{\"t\": 1, \"y\": NaN}\n", &named, &["log:1:", "NaN at step 1", "diverged"]),
        ("{\"t\": 1, \"y\": 2}\n{\"t\": 2, \n", &named, &["log:2:", "one object a line"]),
        ("{\"t\": 1, \"y\": 2}\n{\"t\": 2, \"y\": null}\n", &named, &["log:2:", "no value"]),
        ("{\"t\": 1, \"z\": 2}\n", &named, &["no column is called \"y\""]),
        ("{\"t\": 1, \"y\": true}\n", &named, &["log:1:", "`true`"]),
    ] {
        let error = read(text, asked).expect_err(text).to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{text:?}: {error}");
    }
}

fn columns_of(value: &str) -> Columns {
    columns(Some("t"), Some(value), None)
}

#[test]
fn what_lies_beyond_the_window_is_not_needed() {
    let text = "t,y,seed\n1,1,a\n10,0.5,a\n100,0.25,a\n1000,NaN,a\n1,2,b\n10,1,b\n100,0.5,b\n";
    let by_seed = columns(Some("t"), Some("y"), Some("seed"));
    let parse = |ends| Log::parse(vec![("log".into(), text.as_bytes().to_vec())], &by_seed, ends);
    assert!(parse((None, None)).is_err());
    let log = parse((None, Some(100.0))).expect("a log");
    assert_eq!((log.t.len(), log.values.len(), log.by_rule), (3, 6, false));
    assert_eq!(log.runs, ["run a", "run b"]);
}

#[test]
fn rows_without_a_value_can_be_left_out() {
    let text = "step,y,z\n1,1,\n1,,5\n2,0.5,\n2,,4\n";
    let some = Columns { skip_empty: true, ..columns(None, Some("y"), None) };
    let log = read(text, &some).expect("a log");
    assert_eq!(
        (log.t.as_slice(), log.notes.as_slice()),
        (&[1.0, 2.0][..], &["2 rows without a value were left out".to_owned()][..])
    );
}

#[test]
fn rows_can_be_chosen() {
    let text = "t,alpha,eta,y\n1,0.25,a,1\n1,0.5,a,NaN\n2,0.250,a,0.5\n2,0.25,b,3\n";
    let only = |pairs: &[(&str, &str)]| Columns {
        only: pairs.iter().map(|(column, value)| ((*column).to_owned(), (*value).to_owned())).collect(),
        ..columns(None, Some("y"), None)
    };
    let log = read(text, &only(&[("alpha", "0.25"), ("eta", "a")])).expect("a log");
    assert_eq!((log.t, log.values), (vec![1.0, 2.0], vec![1.0, 0.5]));
    for (pairs, parts) in [
        (&[("alpha", "0.3")][..], &["no row with alpha=0.3", "0.25, 0.5", "--where"][..]),
        (&[("alpa", "0.25")], &["did you mean \"alpha\"?"]),
    ] {
        let error = read(text, &only(pairs)).expect_err("nothing").to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
}

#[test]
fn several_files_are_several_runs() {
    let file = |name: &str, text: &str| (PathBuf::from(name), text.as_bytes().to_vec());
    let log = Log::parse(
        vec![
            file("a.csv", "Wall time,Step,Value\n0,1,2\n0,2,1\n"),
            file("b.csv", "Wall time,Step,Value\n0,1,4\n0,2,3\n"),
        ],
        &Columns::default(),
        (None, None),
    );
    let log = log.expect("a log");
    assert_eq!(
        (log.runs, log.values),
        (vec!["run a.csv".to_owned(), "run b.csv".to_owned()], vec![2.0, 1.0, 4.0, 3.0])
    );
}

#[test]
fn known_rates_are_decided_rightly() {
    for (p, q, one_sided, expected) in [
        (-0.25, 0.0, false, Verdict::Holds),
        (-0.25, 0.0, true, Verdict::Holds),
        (-0.5, 0.0, true, Verdict::Holds),
        (-0.5, 0.0, false, Verdict::Fails),
        (-0.1, 0.0, true, Verdict::Fails),
        (-0.25, 0.75, false, Verdict::Holds),
    ] {
        // Sixteen runs with noise 0.1: a standard error of 0.1/sqrt(16 * 80 points)/1.3 = 2e-3, and Student's quantile
        // is 2.
        let log = power_law(p, q, 16, 0.1, 7);
        let found = fit(&log, &Request { one_sided, log_power: q, ..request() }).expect("a fit");
        assert_eq!(found.verdict, Some(expected), "{p} {q}: {found:?}");
        let chosen = found.chosen().expect("the chosen form");
        // Ten standard errors.
        assert!((chosen.slope - p).abs() < 0.02, "{p} {q}: {}", chosen.slope);
        assert_eq!(found.interval_from, Some(IntervalSource::Runs));
    }
    // Without its logarithm, the same log shows another slope: 3/4 of a mean of 1/ln T, 0.065 too high.
    let found = fit(&power_law(-0.25, 0.75, 16, 0.1, 7), &request()).expect("a fit");
    assert_eq!(found.verdict, Some(Verdict::Fails));
    assert!(found.reason.contains("--log-power"), "{}", found.reason);
}

#[test]
fn many_runs_need_no_bootstrap() {
    let mut generator = Seed::new(4).generator("many");
    let mut text = String::from("seed,t,y\n");
    for (run, z) in normals(MANY, 0.2, &mut generator).into_iter().enumerate() {
        for t in [1.0_f64, 3.0, 10.0, 30.0, 100.0] {
            text += &format!("{run},{t},{}\n", libm::pow(t, -0.25 + 0.1 * z) * libm::exp(z));
        }
    }
    let log = read(&text, &columns(Some("t"), Some("y"), Some("seed"))).expect("a log");
    let found = fit(&log, &request()).expect("a fit");
    assert_eq!((found.n_runs, found.n_resamples, found.verdict), (MANY, 0, Some(Verdict::Holds)));
}

#[test]
fn one_random_run_decides_nothing() {
    let log = power_law(-0.25, 0.0, 1, 0.0, 1);
    let found = fit(&log, &request()).expect("a fit");
    assert_eq!((found.verdict, found.interval_from), (Some(Verdict::Inconclusive), None));
    assert!(found.reason.contains("--deterministic") && found.chosen().expect("a form").interval.is_none());
    let found = fit(&log, &Request { deterministic: true, ..request() }).expect("a fit");
    assert_eq!((found.verdict, found.interval_from), (Some(Verdict::Holds), Some(IntervalSource::Halves)));
}

#[test]
fn a_curve_that_bends_is_not_settled() {
    // T^(-1/4) + T^(-1/2) * 30: on [1e4, 1e6] the slope runs from -0.44 to -0.37, -0.42 and -0.39 on the halves: far
    // from -1/4, the limit, and on both sides of -0.45 + 0.05.
    let mut text = String::from("t,y\n");
    for t in log_spaced(10, 1_000_000, 100) {
        let x = t as f64;
        text += &format!("{t},{}\n", libm::pow(x, -0.25) + 30.0 * libm::pow(x, -0.5));
    }
    let log = read(&text, &Columns::default()).expect("a log");
    let found = fit(&log, &Request { deterministic: true, ..request() }).expect("a fit");
    assert_eq!(found.verdict, Some(Verdict::Fails), "{}", found.reason);
    let at_most = fit(&log, &Request { deterministic: true, against: Some(-0.45), one_sided: true, ..request() });
    assert_eq!(at_most.expect("a fit").verdict, Some(Verdict::Inconclusive));
}

#[test]
fn squares_are_fitted_by_their_root() {
    let log = power_law(-0.5, 0.0, 8, 0.05, 3);
    let found = fit(&log, &Request { squared: true, ..request() }).expect("a fit");
    assert_eq!(found.verdict, Some(Verdict::Holds), "{}", found.reason);
}

#[test]
fn numbers_repeat_themselves() {
    let log = power_law(-0.25, 0.0, 5, 0.3, 11);
    let once = fit(&log, &request()).expect("a fit");
    assert_eq!(once, fit(&log, &request()).expect("a fit"));
    let other = fit(&log, &Request { seed: 2, ..request() }).expect("a fit");
    assert_eq!(once.chosen().map(|f| f.slope), other.chosen().map(|f| f.slope));
}

#[test]
fn a_hole_is_seen_and_even_steps_are_none() {
    let hole_in = |steps: &[u64]| {
        let rows: Vec<String> = steps.iter().map(|t| format!("{t},1")).collect();
        let log = read(&format!("t,y\n{}\n", rows.join("\n")), &Columns::default()).expect("a log");
        log.notes.into_iter().next()
    };
    let even: Vec<u64> = (1..=1000).collect();
    assert_eq!(hole_in(&even), None);
    assert_eq!(hole_in(&log_spaced(1, 100_000, 40)), None);
    assert_eq!(hole_in(&[1, 10, 100, 1000, 10_000]), None);
    let torn: Vec<u64> = even.iter().copied().filter(|t| !(300..600).contains(t)).collect();
    assert_eq!(hole_in(&torn).as_deref(), Some("there is a hole in run log: nothing between steps 299 and 600"));
}

/// Text that looks like a log more often than noise does.
fn scraps() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "step",
        "t",
        "y",
        "value",
        "seed",
        ",",
        ",",
        ",",
        "\n",
        "\n",
        "\n",
        "1",
        "2",
        "10",
        "1e3",
        "-1",
        "0",
        "NaN",
        "inf",
        "1e400",
        "\"",
        "\"\"",
        "\r\n",
        ";",
        "\t",
        " ",
        "{",
        "}",
        "{\"t\":1,\"y\":2}\n",
        "{\"t\":2,\"y\":null}\n",
        ":",
        "[",
        "é",
        "\u{feff}",
        "\0",
        "null",
        "#",
        "|",
        "\r",
        "]",
        "0,5",
        "1.5D+02",
        "run 1 - y",
        "sep=;\n",
        "\u{1b}[2J",
        "{\"log_history\":[",
        "Infinity",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_text_makes_the_reader_panic(
        text in prop_oneof![
            scraps(),
            scraps().prop_map(|rest| format!("t,y,seed\n1,1,a\n10,0.5,a\n{rest}")),
            scraps().prop_map(|rest| format!("{{\"t\":1,\"y\":2}}\n{{\"t\":10,\"y\":1}}\n{rest}")),
        ],
        named in any::<bool>(),
        run in any::<bool>(),
        skip_empty in any::<bool>(),
        only in any::<bool>(),
        end in prop::option::of(0.0_f64..100.0),
    ) {
        let name = |name: &str, given: bool| given.then(|| name.to_owned());
        let only = if only { vec![("y".to_owned(), "1".to_owned())] } else { Vec::new() };
        let values = name("y", named).into_iter().collect();
        let (step, run) = (name("t", named), name("seed", run));
        let columns = Columns { step, values, run, only, skip_empty, on_repeat: None };
        let file = || (PathBuf::from("log"), text.as_bytes().to_vec());
        for files in [vec![file()], vec![file(), file()]] {
            match Log::parse(files, &columns, (None, end)) {
                Ok(log) => {
                    prop_assert_eq!(log.values.len(), log.t.len() * log.runs.len());
                    prop_assert!(log.t.windows(2).all(|pair| pair[0] < pair[1]));
                    // Whatever was read can be fitted, or there is an error.
                    if let Ok(found) = fit(&log, &Request { form: Form::Min, ..request() }) {
                        prop_assert!(found.chosen().is_some_and(|fitted| fitted.slope.is_finite()));
                    }
                }
                Err(error) => {
                    let error = error.to_string();
                    prop_assert!(error.starts_with("log:") && !error.contains(char::is_control), "{}", error);
                }
            }
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for head in [&b""[..], b"\x1f\x8b\x08\0", b"\xff\xfe", b"{", b"step,y\n1,"] {
            let bytes = [head, &bytes].concat();
            if let Err(error) = Log::parse(vec![(PathBuf::from("log"), bytes)], &Columns::default(), (None, None)) {
                prop_assert!(!error.to_string().contains(char::is_control), "{}", error);
            }
        }
    }
}
