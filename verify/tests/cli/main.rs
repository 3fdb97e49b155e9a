//! The command as a black box: every exit code, what is written, and what is said.
//!
//! The paper's claims are meant to hold, so the codes for failures are produced by claims of this file: the test
//! program starts itself as a `ratecheck` with other claims.
#![allow(missing_docs, clippy::unwrap_used)]

mod bench;
mod experiment;
mod flags;
mod guide;
mod replay;
mod reports;
mod resume;
mod schema;
mod shell;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

use libtest_mimic::{Arguments, Trial};
use ratecheck_verify::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Origin, Statement, Unevaluated,
};
use ratecheck_verify::cli::main_with;

/// A claim with the check and the control of your choice.
struct Fixed {
    statement: Statement,
    check: fn() -> Result<Check, Unevaluated>,
    control: fn(&Context) -> Result<Check, Unevaluated>,
}

impl Claim for Fixed {
    fn statement(&self) -> &'static Statement {
        Box::leak(Box::new(Statement { ..self.statement }))
    }
    fn check(&self, _context: &Context) -> Result<Evidence, Unevaluated> {
        (self.check)().map(Evidence::new)
    }
    fn controls(&self) -> Vec<Control> {
        vec![Control { name: "a control", breaks: "something", run: self.control }]
    }
}

const fn statement(id: &'static str) -> Statement {
    Statement {
        id,
        title: "A title",
        plain: "A sentence.",
        formula: "a = b",
        latex: &["a=b"],
        printed_at: "nowhere",
        kind: Kind::Identity,
        origin: Origin::Paper,
        hypotheses: &["none"],
        measured: "nothing",
        tolerance: "none",
        does_not_show: "anything",
    }
}

fn holding() -> Result<Check, Unevaluated> {
    let mut check = Check::new();
    check.identity("instance", 0.5, 1.0);
    Ok(check)
}

fn failing() -> Result<Check, Unevaluated> {
    let mut check = Check::new();
    check.identity("instance", 2.0, 1.0);
    Ok(check)
}

static CLAIMS: &[&dyn Claim] = &[
    &Fixed { statement: statement("good"), check: holding, control: |_| failing() },
    &Fixed { statement: statement("false"), check: failing, control: |_| failing() },
    &Fixed { statement: statement("unevaluated"), check: || Err(Unevaluated("no".into())), control: |_| failing() },
    &Fixed { statement: statement("panicking"), check: || panic!("deliberately"), control: |_| failing() },
    &Fixed { statement: statement("powerless"), check: holding, control: |_| holding() },
    &Fixed { statement: statement("broken-control"), check: holding, control: |_| Ok(Check::new()) },
    &Fixed { statement: statement("undecided"), check: || Ok(Check::new()), control: |_| failing() },
];

const AS_RATECHECK: &str = "--as-ratecheck";

/// Runs the test program as a `ratecheck` with the claims above.
fn with_fixed_claims(arguments: &[&str]) -> Output {
    Command::new(std::env::current_exe().unwrap()).arg(AS_RATECHECK).args(arguments).output().unwrap()
}

fn ratecheck(arguments: &[&str], directory: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ratecheck")).args(arguments).current_dir(directory).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn verify_fixed(claims: &[&str], more: &[&str]) -> (i32, String) {
    let out = tempfile::tempdir().unwrap();
    let page: PathBuf = out.path().join("deeper/reports");
    let mut arguments = vec!["verify"];
    arguments.extend(claims);
    arguments.extend(more);
    arguments.extend(["--out", page.to_str().unwrap()]);
    let output = with_fixed_claims(&arguments);
    assert!(page.join("index.html").exists(), "the reports are written whatever the verdict");
    (code(&output), String::from_utf8(output.stdout).unwrap())
}

fn exit_codes_of_verify() {
    assert_eq!(verify_fixed(&["good"], &[]).0, 0);
    assert_eq!(verify_fixed(&["false"], &[]).0, 1);
    assert_eq!(verify_fixed(&["unevaluated"], &[]).0, 1);
    assert_eq!(verify_fixed(&["panicking"], &[]).0, 1);
    assert_eq!(verify_fixed(&["powerless"], &[]).0, 3);
    assert_eq!(verify_fixed(&["broken-control"], &[]).0, 3);
    assert_eq!(verify_fixed(&["undecided"], &[]).0, 0);
    assert_eq!(verify_fixed(&["undecided"], &["--strict"]).0, 4);
    assert_eq!(verify_fixed(&["good"], &["--strict"]).0, 0);
    // The worst decides, and one failure does not hide the others.
    let (code, table) = verify_fixed(&[], &[]);
    assert_eq!(code, 1);
    let ids = ["good", "false", "unevaluated", "panicking", "powerless", "broken-control", "undecided"];
    for id in ids {
        assert!(table.contains(id), "{table}");
    }
    // In their order, however many are at work side by side and whichever ends first.
    for jobs in ["1", "3", "8"] {
        let (code, table) = verify_fixed(&[], &["--jobs", jobs]);
        let rows = table.lines().filter_map(|line| line.split_whitespace().next().filter(|word| ids.contains(word)));
        assert!(code == 1 && rows.take(ids.len()).eq(ids), "{table}");
    }
    // Unless it is to stop there: what comes behind the first failure is not run, what is merely undecided is no
    // reason.
    let (code, table) = verify_fixed(&[], &["--fail-fast"]);
    assert_eq!(code, 1);
    assert!(table.contains("1 of 2 hold") && !table.contains("undecided"), "{table}");
    assert_eq!(verify_fixed(&["undecided", "good"], &["--fail-fast"]).0, 0);
    let (code, table) = verify_fixed(&["*-control", "g?od"], &["--fail-fast"]);
    assert!(code == 3 && table.contains("broken-control"), "{table}");
}

fn bad_usage_is_2() {
    let here = Path::new(".");
    for arguments in [&["frobnicate"][..], &["verify", "--profile", "huge"], &["verify", "--seed", "x"], &["explain"]] {
        let output = ratecheck(arguments, here);
        assert_eq!(code(&output), 2, "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
    assert_eq!(code(&ratecheck(&["--help"], here)), 0);
    assert_eq!(code(&ratecheck(&["--version"], here)), 0);
}

fn an_unknown_claim_is_5() {
    let output = ratecheck(&["verify", "2.2"], Path::new("."));
    assert_eq!(code(&output), 5);
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("`2.2`") && message.contains("lemma-2.2") && message.contains("list"), "{message}");
}

/// `ulimit -f` ends a process with a signal, unless it asks to be told.
#[cfg(unix)]
fn standard_output_beyond_a_limit_is_6() {
    let directory = tempfile::tempdir().unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -f 1; exec \"$0\" list > whole", env!("CARGO_BIN_EXE_ratecheck")]);
    let output = shell.current_dir(directory.path()).output().unwrap();
    let message = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(code(&output) == 6 && message.contains("standard output cannot be written"), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
}

fn a_directory_that_cannot_be_written_is_6() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), "in the way").unwrap();
    let output = ratecheck(&["verify", "lemma-2.2", "--out", "file/reports"], directory.path());
    assert_eq!(code(&output), 6);
    assert!(output.stdout.is_empty(), "it is said before anything is run");
    assert!(String::from_utf8(output.stderr).unwrap().contains("file"));
    assert_eq!(std::fs::read_to_string(directory.path().join("file")).unwrap(), "in the way");
}

fn verify_writes_everything_and_repeats_itself() {
    let directory = tempfile::tempdir().unwrap();
    let mut results = Vec::new();
    for (jobs, out) in [("1", "a"), ("2", "b")] {
        let output =
            ratecheck(&["verify", "lemma-2.2", "definition-2.1", "--jobs", jobs, "--out", out], directory.path());
        assert_eq!(code(&output), 0);
        let out = directory.path().join(out);
        for file in ["results.json", "index.html", "report.md", "junit.xml"] {
            assert!(out.join(file).metadata().unwrap().len() > 0, "{file}");
        }
        let mut json: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(out.join("results.json")).unwrap()).unwrap();
        // The time it took is in there, and in the sum over all bytes.
        json["provenance"] = serde_json::Value::Null;
        json["sha256"] = serde_json::Value::Null;
        for claim in json["claims"].as_array_mut().unwrap() {
            claim["seconds"] = serde_json::Value::Null;
        }
        results.push(json);
    }
    assert_eq!(results[0], results[1], "the same numbers for one thread and for two");
    assert_eq!(results[0]["claims"][0]["id"], "definition-2.1", "in the order of the paper, not of the command line");
}

fn list_and_explain() {
    let list = ratecheck(&["list", "--claims"], Path::new("."));
    assert_eq!(code(&list), 0);
    let list = String::from_utf8(list.stdout).unwrap();
    assert_eq!(list.lines().count(), ratecheck_verify::paper::claims::CLAIMS.len());
    let map = ratecheck(&["list"], Path::new("."));
    assert_eq!(code(&map), 0);
    let map = String::from_utf8(map.stdout).unwrap();
    for claim in ratecheck_verify::paper::claims::CLAIMS {
        assert!(map.contains(claim.statement().id), "{map}");
    }
    assert!(map.contains("Theorem 2.5 (9)") && map.contains("D.2 Unified rate"), "{map}");
    let explained = ratecheck(&["explain", "lemma-2.2"], Path::new("."));
    assert_eq!(code(&explained), 0);
    let explained = String::from_utf8(explained.stdout).unwrap();
    for part in ["Lemma 2.2", "Printed at", "Hypotheses", "Tolerance", "Controls", "does not show"] {
        assert!(explained.contains(part), "{explained}");
    }
    let explained = String::from_utf8(ratecheck(&["explain", "equation-8"], Path::new(".")).stdout).unwrap();
    assert!(explained.contains("Errata\n  E4, section 2.4"), "{explained}");
    let errata = ratecheck(&["errata"], Path::new("."));
    assert!(code(&errata) == 0 && String::from_utf8(errata.stdout).unwrap().contains("## E22"));
    assert_eq!(code(&ratecheck(&["explain", "nothing"], Path::new("."))), 5);
}

fn conformance_tries_many_seeds() {
    let tried = |claim: &str| {
        let output = with_fixed_claims(&["conformance", claim, "--seeds", "3"]);
        (code(&output), String::from_utf8(output.stdout).unwrap())
    };
    for seeds in ["0", "-1", "18446744073709551615"] {
        assert_eq!(code(&with_fixed_claims(&["conformance", "good", "--seeds", seeds])), 2, "{seeds}");
    }
    let (code, text) = tried("good");
    assert!(code == 0 && text.contains("3 of 3 seeds"), "{text}");
    for (claim, wrong) in [("powerless", "control not rejected"), ("false", "fails"), ("undecided", "inconclusive")] {
        let (code, text) = tried(claim);
        assert!(code == 1 && text.contains("0 of 3 seeds") && text.contains(&format!("seed 2021: {wrong}")), "{text}");
    }
}

/// The codes of errors that no other test meets; 8 is met by the tests of sweeps, and 70 by nobody, one hopes.
fn every_other_exit_code() {
    let directory = tempfile::tempdir().unwrap();
    let message = |arguments: &[&str], expected: i32| {
        let output = ratecheck(arguments, directory.path());
        assert_eq!(code(&output), expected, "{arguments:?}");
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.starts_with("ratecheck: ") && message.lines().count() == 1, "{message}");
        message
    };
    for command in ["fit", "inspect --problem", "constants --problem", "sweep", "report", "replay"] {
        let arguments: Vec<&str> = command.split(' ').chain(["absent.file"]).collect();
        assert!(message(&arguments, 7).contains("absent.file"), "{command}");
    }
    assert!(message(&["compare", "absent.file", "absent.file"], 7).contains("absent.file"));
    assert!(message(&["inspect", "--instance", "raileigh"], 5).contains("rayleigh"));
    for command in ["verify", "explain", "conformance"] {
        assert!(message(&[command, "lemma-22"], 5).contains("did you mean `lemma-2.2`?"), "{command}");
    }
    #[cfg(target_os = "linux")]
    {
        for arguments in [&["list"][..], &["errata", "--json"], &["--help"], &["schema"]] {
            let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
            let mut command = Command::new(env!("CARGO_BIN_EXE_ratecheck"));
            let output = command.args(arguments).stdout(full).output().unwrap();
            assert_eq!(code(&output), 6, "{arguments:?}");
            let message = String::from_utf8(output.stderr).unwrap();
            assert!(message.contains("standard output") || arguments == ["--help"], "{message}");
        }
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    if arguments.nth(1).is_some_and(|first| first == AS_RATECHECK) {
        return main_with(std::iter::once("ratecheck".into()).chain(arguments), CLAIMS);
    }
    let tests: &[(&'static str, fn())] = &[
        ("exit_codes_of_verify", exit_codes_of_verify),
        ("bad_usage_is_2", bad_usage_is_2),
        ("an_unknown_claim_is_5", an_unknown_claim_is_5),
        ("a_directory_that_cannot_be_written_is_6", a_directory_that_cannot_be_written_is_6),
        #[cfg(unix)]
        ("standard_output_beyond_a_limit_is_6", standard_output_beyond_a_limit_is_6),
        ("verify_writes_everything_and_repeats_itself", verify_writes_everything_and_repeats_itself),
        ("list_and_explain", list_and_explain),
        ("conformance_tries_many_seeds", conformance_tries_many_seeds),
        ("bench_measures_everything", bench::measures_everything),
        ("bench_measures_how_things_grow", bench::measures_how_things_grow),
        ("every_other_exit_code", every_other_exit_code),
        ("an_experiment_answers_and_is_not_run_twice", experiment::answers_and_is_not_run_twice),
        ("an_experiment_runs_in_parts", experiment::runs_in_parts),
        ("an_experiment_reads_published_formats", experiment::reads_published_formats),
        ("an_experiment_says_what_it_would_run", experiment::says_what_it_would_run),
        ("an_experiment_refuses_what_is_no_data_set", experiment::refuses_what_is_no_data_set),
        ("what_does_not_fit_is_refused", experiment::refuses_what_does_not_fit),
        #[cfg(unix)]
        ("a_slurm_script_joins_parts_of_an_experiment", experiment::the_slurm_script_joins_its_tasks),
        ("bad_input_of_an_experiment_is_one_line", experiment::bad_input_is_one_line),
        ("report_writes_the_same_bytes", reports::writes_the_same_bytes),
        ("report_leaves_the_numbers_alone", reports::leaves_the_numbers_alone),
        ("an_index_links_every_verification", reports::an_index_links_every_verification),
        ("profiles_come_from_a_file", flags::profiles_come_from_a_file),
        ("report_refuses_what_is_no_results_json", reports::refuses_what_is_no_results_json),
        ("results_that_were_changed_are_noticed", reports::notices_a_change),
        ("remnants_of_killed_processes_are_removed", reports::remnants_are_removed),
        ("claims_outlive_the_results", resume::claims_outlive_the_results),
        ("one_verification_at_a_time", resume::one_verification_at_a_time),
        ("what_a_stopped_run_found_is_kept", resume::what_was_found_is_kept),
        ("a_run_under_other_conditions_is_not_resumed", resume::other_conditions_are_refused),
        ("the_schema_describes_what_is_written", schema::describes_what_is_written),
        ("the_schema_refuses_what_is_not", schema::refuses_what_is_not),
        ("replay_finds_the_same", replay::finds_the_same),
        ("replay_shows_what_differs", replay::shows_what_differs),
        ("replay_names_what_it_lacks", replay::names_what_it_lacks),
        ("colour_is_asked_for", flags::colour_is_asked_for),
        ("quiet_leaves_one_line", flags::quiet_leaves_one_line),
        ("verbose_shows_everything", flags::verbose_shows_everything),
        ("every_table_is_json_too", flags::every_table_is_json_too),
        ("presets_are_printed", flags::presets_are_printed),
        ("completions_know_the_claims", shell::completions_know_the_claims),
        ("manual_pages_for_every_command", shell::manual_pages_for_every_command),
        ("the_guide_shows_what_is_printed", guide::output::matches_what_is_shown),
        ("the_guide_explains_every_claim", guide::every_claim_is_explained),
        ("the_guide_derives_what_is_derived_here", guide::what_is_derived_here_is_explained),
        ("every_command_of_the_guide_runs", guide::every_command_runs),
        ("every_link_of_the_guide_leads_somewhere", guide::every_link_leads_somewhere),
    ];
    let trials = tests
        .iter()
        .map(|&(name, test)| {
            Trial::test(name, move || {
                test();
                Ok(())
            })
        })
        .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
