//! What loggers write, read or named. Every log here that can be read holds the values 1, 1/2 and 1/4 at the steps 1,
//! 10 and 100, a second run twice those.

use super::*;

const ONE: [f64; 3] = [1.0, 0.5, 0.25];
const TWO: [f64; 6] = [1.0, 0.5, 0.25, 2.0, 1.0, 0.5];

fn value(name: &str) -> Columns {
    columns(None, Some(name), None)
}

/// Reads a log and compares it; every part must be in one of the notes, and there are as many.
fn assert_reads(text: &str, asked: &Columns, values: &[f64], notes: &[&str]) {
    let log = read(text, asked).unwrap_or_else(|error| panic!("{text}\n{error}"));
    assert_eq!((log.t.as_slice(), log.values.as_slice()), (&[1.0, 10.0, 100.0][..], values), "{text}");
    assert_eq!(log.notes.len(), notes.len(), "{text}: {:?}", log.notes);
    assert!(notes.iter().zip(&log.notes).all(|(part, note)| note.contains(part)), "{text}: {:?}", log.notes);
}

#[test]
fn dialects_of_csv() {
    for (text, notes) in [
        // What is quoted is not split.
        ("\"Step\",\"opt=sgd;lr=0.1;wd=0\"\n\"1\",\"1\"\n\"10\",\".5\"\n\"100\",\"0.25\"\n", &[][..]),
        ("step|y\n1|1\n10|.5\n100|.25\n", &[]),
        ("step,y\r1,1\r10,.5\r100,.25\r", &[]),
        ("step,y,\n1,1,\n10,.5,\n100,.25,\n", &["left out"]),
        ("step,y\n1,1,\n10,.5,\n100,.25,\n", &[]),
        ("   step        y\n      1  1.0E+00\n     10  5.0E-01\n    100  2.5E-01\n", &[]),
        ("step y\n\n1 1\n# resumed\n10 .5\n100 .25", &[]),
        ("t,y\n1,1.0D+00\n10,5.0d-01\n100,2.5D-01\n", &[]),
        ("# run 12 on node4\n# eta_w = 0.1\nstep,y\n1,1\n10,.5\n100,.25\n", &[]),
        ("# step,y\n1.0e+00,1.0e+00\n1.0e+01,5.0e-01\n1.0e+02,2.5e-01\n", &[]),
        ("# step y\n1.0e+00 1.0e+00\n1.0e+01 5.0e-01\n1.0e+02 2.5e-01\n", &[]),
        ("1,1\n10,.5\n100,.25\n", &["no line of names"]),
        ("1 1\n10 .5\n100 .25\n", &["no line of names"]),
        ("1700000000370 1 1\n1700000000740 .5 10\n1700000001480 .25 100\n", &["MLflow"]),
        ("step;y\r\n1;1\r\n10;0,5\r\n100;2,5e-1\r\n", &["0,5 is read as 0.5"]),
        ("sep=;\r\nstep;y\r\n1;1\r\n10;0.5\r\n100;0.25\r\n", &[]),
        (",step,y\n0,1,1\n1,10,.5\n2,100,.25\n", &["left out"]),
        ("epoch,y\n1,1\n10,.5\nepoch,y\n100,.25\n", &["\"epoch\"", "again in line 4"]),
        ("_step,_runtime,_timestamp,y\n1,0.1,17,1\n10,0.2,18,.5\n100,0.3,19,.25\n", &["_runtime, _timestamp"]),
        ("Run ID,Name,Metric key,Timestamp,Step,Value\n9,a,y,17,1,1\n9,a,y,18,10,.5\n9,a,y,19,100,.25\n", &[]),
        ("train/global_step,y\n1,1\n10,.5\n100,.25\n", &[]),
        ("step,train.epoch,y\n1,1,1\n10,2,.5\n100,3,.25\n", &["left out: train.epoch"]),
        ("step;y\n1;1\n10;5e\u{2212}1\n100;.25\n", &[]),
        ("step,mode,y\n1,train,1\n10,train,.5\n100,train,.25\n", &["left out: mode"]),
    ] {
        assert_reads(text, &Columns::default(), &ONE, notes);
    }
    // A row that says 1, 2 is not the line of names, where columns go by their numbers.
    let log = read("0,9\n1,2\n2,1\n", &Columns::default()).expect("a log");
    assert_eq!((log.t, log.values), (vec![0.0, 1.0, 2.0], vec![9.0, 2.0, 1.0]));
    let numbers = columns(Some("3"), Some("1"), None);
    assert_reads("1,7,1\n.5,7,10\n.25,7,100\n", &numbers, &ONE, &[]);
    assert_reads("y,\n1,1\n.5,10\n.25,100\n", &columns(Some(""), None, None), &ONE, &[]);
}

#[test]
fn columns_that_are_runs() {
    let wide = "\"Step\",\"a - b - y\",\"a - b - y__MIN\",\"a - b - y__MAX\",\"c - y\",\"c - y__MIN\",\"c - y__MAX\"\n\
                1,1,1,1,2,2,2\n10,.5,.5,.5,1,1,1\n100,.25,.25,.25,.5,.5,.5\n";
    assert_reads(wide, &Columns::default(), &TWO, &["2 columns are that many runs: a - b - y, c - y", "__MIN"]);
    assert_reads(wide, &value("y"), &TWO, &[]);
    assert_reads(wide, &value("a - b - y"), &ONE, &[]);
    let log = read(wide, &value("y")).expect("a log");
    assert_eq!((log.value.as_str(), log.runs), ("y", vec!["run a - b".to_owned(), "run c".to_owned()]));
    let metrics = "Step,a - _step,a - y,b - _step,b - y,a - z\n1,1,1,1,2,7\n10,10,.5,10,1,7\n100,100,.25,100,.5,7\n";
    assert_reads(metrics, &value("y"), &TWO, &[]);
    assert!(read(metrics, &Columns::default()).is_err_and(|error| error.to_string().contains("--value y")));
    assert_reads("t,seed_0,seed_1\n1,1,2\n10,.5,1\n100,.25,.5\n", &Columns::default(), &TWO, &["seed_0, seed_1"]);
    let both = Columns { values: vec!["y".to_owned(), "z".to_owned()], ..Columns::default() };
    assert_reads("t,y,z\n1,1,2\n10,.5,1\n100,.25,.5\n", &both, &TWO, &[]);
    // Runs side by side that logged at other steps; one of them nowhere.
    let apart = "Step,a - y,b - y,c - y\n1,1,,\n2,,2,\n10,.5,,\n20,,1,\n100,.25,,\n110,,.5,\n";
    let log = read(apart, &Columns::default()).expect("a log");
    assert_eq!((log.t, log.vanished), (vec![2.0, 10.0, 20.0, 100.0], vec!["run c".to_owned()]));
}

#[test]
fn json_in_its_forms() {
    for (text, asked, notes) in [
        ("[{\"step\":1,\"y\":1},{\"step\":10,\"y\":0.5},\n{\"step\":100,\"y\":0.25}]", "y", &[][..]),
        ("{\"step\":1,\"a.y\":1}\r\n\r\n{\"step\":10,\"a.y\":\".5\"} {\"step\":100,\"a.y\":0.25}", "a.y", &[]),
        (
            "{\"step\":1,\"a\":{\"y\":1}}{\"step\":5,\"b\":{\"y\":7}}\
             {\"step\":10,\"a\":{\"y\":0.5}}{\"step\":100,\"a\":{\"y\":0.25}}",
            "a.y",
            &["1 row says nothing of a.y"],
        ),
        (
            "{\"step\":0,\"y\":NaN}{\"step\":1,\"y\":1}{\"step\":10,\"y\":0.5}{\"step\":100,\"y\":0.25}",
            "y",
            &["from step 1 on"],
        ),
        (
            "{\"epoch\":3.0,\"log_history\":[{\"step\":1,\"y\":1},{\"step\":10,\"y\":0.5},{\"eval_loss\":3,\"step\":10},
             {\"step\":100,\"y\":0.25},{\"step\":100,\"train_runtime\":12.0}],\"callbacks\":[{\"a\":1}]}",
            "y",
            &["2 rows say nothing of y"],
        ),
        (
            "{\"metrics\":[{\"key\":\"y\",\"value\":1,\"step\":1},{\"value\":0.5,\"step\":10},\
             {\"value\":0.25,\"step\":100}]}",
            "value",
            &[],
        ),
        ("{\"step\":{\"0\":1,\"1\":10,\"2\":100},\"y\":{\"0\":1,\"1\":0.5,\"2\":0.25}}", "y", &[]),
        ("{\"0\":{\"step\":1,\"y\":1},\"1\":{\"step\":10,\"y\":0.5},\"2\":{\"step\":100,\"y\":0.25}}", "y", &[]),
        ("{\"columns\":[\"step\",\"y\"],\"index\":[0,1,2],\"data\":[[1,1],[10,0.5],[100,0.25]]}", "y", &[]),
        ("{\"name\":\"a\",\"step\":[1,10,100],\"y\":[1,0.5,0.25]}", "y", &[]),
        ("[[1557138000.1,1,1],[1557138001.2,10,0.5],[1557138002.3,100,0.25]]", "Value", &[]),
    ] {
        assert_reads(text, &value(asked), &ONE, notes);
    }
    let named = "{\"run\":\"a\",\"step\":1,\"y\":1}{\"run\":\"a\",\"step\":10,\"y\":0.5}\
                 {\"run\":\"a\",\"step\":100,\"y\":0.25}
                 {\"run\":\"b\",\"step\":1,\"y\":2}{\"run\":\"b\",\"step\":10,\"y\":1}\
                 {\"run\":\"b\",\"step\":100,\"y\":0.5}";
    assert_reads(named, &columns(None, None, Some("run")), &TWO, &[]);
}

#[test]
fn what_cannot_be_read_is_named() {
    let any = Columns::default();
    let y = value("y");
    for (text, asked, parts) in [
        ("step,y\n\"1\",2\n\"1,000\",1\n", &any, &["log:3:", "column \"step\"", "`1,000`", "thousands"][..]),
        ("step;y\n1.000;2\n2.000;0,5\n", &any, &["log:3:", "column \"y\"", "`1.000` above"]),
        ("time,y\n2024-03-01,1\n", &any, &["log:1:", "\"time\" is a time", "--step"]),
        ("step 1 loss 0.5\nstep 2 loss 0.4\n", &any, &["log:1:", "`step 1 loss 0.5`", "messages of a program"]),
        ("Relative Time (Process),a - y\n0.5,1\n1.5,1\n", &any, &["Relative Time (Process)", "take equally long"]),
        ("time,y\n2024-03-01T12:00:00Z,1\n", &columns(Some("time"), None, None), &["log:2:", "time of a clock"]),
        ("step,y\n1700000001,1\n1700000201,.5\n", &any, &["log:2:", "times of a clock", "subtract"]),
        ("step,y\n100000,1\n100100,.5\n", &any, &["do not count from a beginning", "about 100000"]),
        ("{\"step\":1,\"y\":[0.5]}\n{\"step\":2,\"y\":[0.5]}", &any, &["log:1:", "[1 values]", "a list"]),
        ("{\"step\":1,\"y\":{\"bins\":[1,2],\"values\":[3]}}", &y, &["\"y\" is an object (of bins, values)"]),
        ("{\"step\":1,\"y\":1}\nTraining done.\n", &any, &["log:2:", "`Training done.`"]),
        ("{\"a\":[{\"step\":1,\"y\":1}],\"b\":[{\"step\":1,\"y\":1}]}", &y, &["several lists", "a, b"]),
        ("{'step': 1, 'y': 2}", &any, &["log:1:", "as Python prints it", "json.dumps"]),
        ("t,layer1,layer2\n1,2,3\n", &any, &["layer1, layer2", "--value"]),
        (",y\n1,2\n3,4\n", &any, &["no name", "--step \"\""]),
        ("\"step\" \"y\"\n\"1\" 10 0.5\n\"2\" 20 0.4\n", &any, &["row.names"]),
        ("step,y\n1,1\n2,1\nstep,z\n3,1\n", &any, &["log:4:", "columns change here"]),
        (
            "step,y\n1,1\n2,1\nstep,lr,y\n3,1,1\n",
            &any,
            &["log:4:", "line of names that differs", "columns change here"],
        ),
        ("step,y\n1,1\n2,\"1\n3,1\n", &any, &["log:3:", "several lines", "quotation mark"]),
        ("step,y,z\n1,1,1\n2,\"1\n3,1,1\n", &y, &["log:3:", "quotation mark"]),
        ("run,a,a\nmetric,y,z\nstep,,\n1,1,1\n", &any, &["log:1:", "MultiIndex", "df.columns"]),
        (",a,b\n,y,y\nstep,,\n1,1,1\n", &any, &["log:1:", "MultiIndex"]),
        ("k,a,b\nm,y,y\nstep,,\n1,1,1\n", &any, &["log:1:", "MultiIndex"]),
        ("step=1 y=0.5\nstep=2 y=0.4\n", &any, &["log:1:", "`step=1 y=0.5`", "messages of a program"]),
        ("[2024-03-01 12:00:00] INFO step 1: y 0.5\n", &any, &["log:1:", "messages of a program"]),
        ("{\"step\":1,\"y\":1,\"y\":2}\n", &any, &["log:1:", "column \"y\"", "twice in one object"]),
        ("step,tag,value\n1,y,1\n1,z,2\n2,y,1\n2,z,2\n", &any, &["log:3:", "metrics: y, z", "--where tag=y"]),
        ("loss/epoch,y\n1,1\n2,1\n", &any, &["which column holds the steps"]),
        ("step,y\n1,********\n", &any, &["Fortran"]),
        ("step,y\n1,tensor(0.5)\n2,1\n", &any, &["tensor"]),
        ("step,y\n1,1\n2,NA\n", &any, &["log:3:", "`NA`", "--skip-empty"]),
        ("step,y\n1,1\n2,.5\n3,.4\n1,2\n2,1\n3,.5\n", &any, &["log:5:", "begins anew", "--run", "--on-repeat last"]),
        ("step,seed,y\n1,0,1\n1,1,2\n2,0,1\n2,1,2\n", &y, &["log:3:", "occurs twice"]),
        ("step,y\n1,1\n2,1\n", &columns(Some("2"), Some("1"), None), &["no column is called \"2\""]),
    ] {
        let error = read(text, asked).expect_err(text).to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{text}\n{error}");
    }
    let files = vec![("a".into(), b"step,y\n1,1\n2,1\n".to_vec()), ("b".into(), b"step,z\n1,1\n2,1\n".to_vec())];
    let error = Log::parse(files, &any, (None, None)).expect_err("two quantities").to_string();
    assert!(error.starts_with("b:") && error.contains("\"y\" in a") && error.contains("--value"), "{error}");
}

#[test]
fn an_error_is_a_line_whatever_a_log_holds() {
    let long = "9".repeat(200_000) + "x";
    let many: String = (0..100_000).map(|k| format!(",c{k}")).collect();
    for text in [
        format!("step,y\n1,1\n2,{long}\n"),
        format!("step,{long}\n1,abc\n"),
        format!("step{many}\n"),
        format!("{{\"step\": 1, \"y\": \"{long}\"}}"),
        format!("{{\"step\": 1, \"{long}\": 2, \"z\": 3}}"),
        "step,y\u{1b}[31m\n1,\u{1b}[2Jred\u{202e}\n".to_owned(),
        "{\"step\":1,\"y\":\"\\u001b[2J\\n\"}".to_owned(),
    ] {
        let error = Log::parse(vec![("lo\ng".into(), text.into_bytes())], &Columns::default(), (None, None));
        let error = error.expect_err("no log").to_string();
        // Eight names of sixty characters, and what surrounds them.
        assert!(error.len() < 1000 && !error.contains(|c: char| c.is_control() || c == '\u{202e}'), "{error}");
        assert!(error.starts_with("lo\\ng:"), "{error}");
    }
    let log = read("step,y\u{7}\n1,1\n2,1\n", &Columns::default()).expect("a log");
    assert_eq!(log.value, "y\\u{7}");
}

#[test]
fn a_resumed_run_is_one_run() {
    let text = "step,y\n1,1\n10,.5\n50,9\n100,8\n50,.3\n100,.25\n";
    let log = read(text, &Columns::default()).expect("a log");
    assert_eq!((log.t.as_slice(), log.values.as_slice()), (&[1.0, 10.0, 50.0, 100.0][..], &[1.0, 0.5, 0.3, 0.25][..]));
    assert!(
        log.notes[0].contains("2 rows repeat a step of run log") && log.notes[0].contains("last"),
        "{:?}",
        log.notes
    );
    for (rule, expected) in [(OnRepeat::First, Some(8.0)), (OnRepeat::Mean, Some(4.125)), (OnRepeat::Error, None)] {
        let log = read(text, &Columns { on_repeat: Some(rule), ..Columns::default() });
        assert_eq!(log.ok().map(|log| log.values[3]), expected, "{rule:?}");
    }
}

#[test]
fn copies_are_one_run() {
    let text = "step,y\n1,1\n10,.5\n100,.25\n1000,.12\n";
    let files = |other: &str| vec![("a".into(), text.as_bytes().to_vec()), ("b".into(), other.as_bytes().to_vec())];
    let log = Log::parse(files(&text.replace(".5", "0.50")), &Columns::default(), (None, None)).expect("a log");
    assert_eq!((log.runs.len(), log.values.len()), (1, 4));
    assert!(log.notes[0].contains("run a and run b have the same numbers"), "{:?}", log.notes);
    let found = fit(&log, &Request { against: Some(-0.3), ..request() }).expect("a fit");
    assert_eq!((found.verdict, found.n_runs), (Some(Verdict::Inconclusive), 1));
    let log = Log::parse(files(&text.replace(".12", ".13")), &Columns::default(), (None, None)).expect("a log");
    assert_eq!((log.runs.len(), log.notes.len()), (2, 0));
}

#[test]
fn runs_that_vanish_are_said() {
    let mut text = String::from("t,grad_norm,seed\n");
    for t in log_spaced(1, 10_000, 40) {
        let y = libm::pow(t as f64, -0.25);
        text += &format!("{t},{y},a\n{t},{},b\n{t},,c\n", 1.1 * y);
    }
    let columns = Columns { skip_empty: true, ..columns(None, None, Some("seed")) };
    let log = read(&text, &columns).expect("a log");
    assert_eq!((log.runs.len(), log.vanished.as_slice()), (2, &["run c".to_owned()][..]));
    assert!(log.notes.iter().any(|note| note.contains("1 of 3 runs have no value at all: run c")), "{:?}", log.notes);
    let found = fit(&log, &request()).expect("a fit");
    assert_eq!((found.verdict, found.n_vanished), (Some(Verdict::Holds), 1));
    assert!(found.reason.contains("holds for the 2 of 3 runs that have values"), "{}", found.reason);
}

#[test]
fn random_samples_of_runs_can_be_compared() {
    // Four runs of T^(-1/4) up to 1e5, each recorded at a thousand random steps of its own, as TensorBoard's reservoir
    // leaves them.
    let mut generator = Seed::new(5).generator("reservoir");
    let files = (0..4).map(|run| {
        let mut steps: Vec<u64> =
            normals(1000, 1.0, &mut generator).iter().map(|z| (z.abs() * 1e9) as u64 % 100_000 + 1).collect();
        steps.push(100_000);
        steps.sort_unstable();
        steps.dedup();
        let rows = steps.iter().zip(normals(steps.len(), 0.05, &mut generator));
        let text: String =
            rows.map(|(&t, z)| format!("17,{t},{}\n", libm::pow(t as f64, -0.25) * libm::exp(z))).collect();
        (PathBuf::from(format!("seed{run}.csv")), format!("Wall time,Step,Value\n{text}").into_bytes())
    });
    let log = Log::parse(files.collect(), &Columns::default(), (None, None)).expect("a log");
    assert_eq!((log.runs.len(), log.t.last()), (4, Some(&100_000.0)));
    assert!(log.notes[0].contains("linearly in ln t"), "{:?}", log.notes);
    let found = fit(&log, &request()).expect("a fit");
    assert_eq!(found.verdict, Some(Verdict::Holds), "{}", found.reason);
    // Bins of some ten samples of four runs with noise 0.05 at the sparse end: 0.05/sqrt(40)/1.3/sqrt(20 bins) =
    // 1.4e-3, and 2.8 times as much for a half, which Student's 3.2 for four runs takes to 0.013; twenty of it.
    assert!((found.chosen().expect("a form").slope + 0.25).abs() < 0.03, "{}", found.reason);
}
