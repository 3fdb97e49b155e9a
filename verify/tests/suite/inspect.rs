//! `ratecheck inspect` as a black box: against 60-digit reference values, on every example file, and on every instance.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ratecheck_verify::lab::problem::INSTANCES;
use serde_json::Value;

fn inspect(arguments: &[&str], directory: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ratecheck"));
    command.arg("inspect").args(arguments).current_dir(directory).output().unwrap()
}

fn json(arguments: &[&str], directory: &Path) -> Value {
    ends_with(0, arguments, directory)
}

fn ends_with(code: i32, arguments: &[&str], directory: &Path) -> Value {
    let output = inspect(&[arguments, &["--json"]].concat(), directory);
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}

/// The reference promises 1e-13, relative to the largest entry (as its own README says) or to 1.
fn assert_close(got: &Value, expected: &Value, what: &str) {
    let (got, expected) = (numbers(got), numbers(expected));
    assert_eq!(got.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    for (i, (a, b)) in got.iter().zip(&expected).enumerate() {
        assert!((a - b).abs() <= 1e-13 * scale, "{what}[{i}]: {a} instead of {b}");
    }
}

/// A case of the reference as a problem file, with its numbers as they stand there.
fn as_problem(case: &Value) -> String {
    let single = case["net"].as_array().unwrap().last().unwrap() == 1;
    let objective = if single { "logistic" } else { "cross-entropy" };
    format!(
        "[network]\nwidths = {}\nnormalisation = \"smoothed-batch-norm\"\nepsilon = {}\nactivation = {}\n\
         objective = \"{objective}\"\nweight-decay = {}\n\n\
         [data]\nkind = \"inline\"\ninputs = {}\nlabels = {}\n\n\
         [parameters]\nweights = {}\ngammas = {}\nbetas = {}\n",
        case["net"],
        case["eps"],
        case["activation"],
        case["lambda"],
        case["inputs"],
        case["labels"],
        case["weights"],
        case["gammas"],
        case["betas"],
    )
}

#[test]
fn the_reference_values() {
    let directory = tempfile::tempdir().unwrap();
    let text = include_str!("../../../tests/reference/networks.json");
    let reference: Value = serde_json::from_str(text).unwrap();
    let cases = reference["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 2);
    for case in cases {
        std::fs::write(directory.path().join("case.toml"), as_problem(case)).unwrap();
        let found = json(&["--problem", "case.toml"], directory.path());
        let expected = &case["expected"];
        // The weights are used as they are, and printed so that they read back as the same bits.
        assert_eq!(numbers(&found["at_W"]["theta"]), numbers(&expected["at_W"]["theta"]));
        for at in ["at_W", "at_V"] {
            for quantity in expected[at].as_object().unwrap().keys() {
                assert_close(&found[at][quantity], &expected[at][quantity], &format!("{at} {quantity}"));
            }
        }
        let rows: Vec<f64> = numbers(&case["rows"]);
        let blocks = found["blocks"].as_array().unwrap();
        let places: Vec<f64> = blocks.iter().flat_map(|b| [&b["start"], &b["end"]]).flat_map(numbers).collect();
        assert_eq!(places, rows);
        assert_eq!(found["g_start"], case["g_start"]);
        let norms: Vec<f64> = numbers(&found["block_norms"]).iter().map(|x| x * x).collect();
        let norms_sq = &case["gd_trajectory"][0]["row_norms_squared"];
        assert_close(&serde_json::json!(norms), norms_sq, "block norms");
        // The intrinsic gradient is the gradient at theta~.
        let intrinsic =
            [numbers(&found["intrinsic_gradient"]["grad_v"]), numbers(&found["intrinsic_gradient"]["grad_g"])];
        assert_close(&serde_json::json!(intrinsic.concat()), &expected["at_V"]["gradient"], "intrinsic gradient");
        let norm_squared = &found["intrinsic_gradient"]["norm_squared"];
        assert_close(norm_squared, &case["gd_trajectory"][0]["grad_norm_squared_normalised"], "its norm");
        for (check, residual) in found["checks"].as_object().unwrap() {
            // A few hundred roundings at most for networks of this size.
            assert!(residual.as_f64().unwrap() <= 512.0 * f64::EPSILON, "{check}: {residual}");
        }
    }
}

#[test]
fn a_subject_that_is_not_scale_invariant_shows() {
    let directory = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(examples().join("3-4-1.toml")).unwrap();
    let text = text.replace("smoothed-batch-norm", "constant-epsilon-batch-norm");
    std::fs::write(directory.path().join("net.toml"), text).unwrap();
    let found = ends_with(1, &["--problem", "net.toml"], directory.path());
    assert_eq!(found["verdicts"][0]["claim"], "definition-2.1");
    assert_eq!(found["verdicts"][0]["verdict"], "fails");
    assert!(found["epsilon_shares"][0]["share"].as_f64().is_some_and(|share| share > 0.0 && share < 1.0));
    for check in ["invariance", "orthogonality", "intrinsic_gradient", "euler"] {
        assert!(found["checks"][check].as_f64().unwrap() > 1e-4, "{check}: {}", found["checks"]);
    }
    // The Hessian is symmetric all the same.
    assert!(found["checks"]["asymmetry"].as_f64().unwrap() < 1e-14);
}

/// Controls are as strong at any scale of the data: what one of them adds is measured by the units' own spread.
#[test]
fn statements_are_judged_at_any_scale() {
    let directory = tempfile::tempdir().unwrap();
    // Squares of the smallest are below the smallest double; there one control does without.
    for (scale, controls) in [("", 2), ("e-100", 2), ("e150", 2), ("e-200", 1)] {
        let inputs = [[4, -11], [13, 2], [-6, 9], [1, -5]].map(|[x, y]| format!("[{x}.0{scale}, {y}.0{scale}]"));
        let text = format!(
            "[network]\nwidths = [2, 3, 2]\nnormalisation = \"batch-norm\"\nactivation = \"tanh\"\n\
             objective = \"cross-entropy\"\n[data]\nkind = \"inline\"\ninputs = [{}]\nlabels = [0, 1, 1, 0]\n\
             [parameters]\ninitialiser = \"glorot-uniform\"\nseed = 1\n",
            inputs.join(", ")
        );
        std::fs::write(directory.path().join("net.toml"), text).unwrap();
        let found = ends_with(0, &["--problem", "net.toml"], directory.path());
        let first = &found["verdicts"][0];
        assert_eq!((&first["claim"], &first["verdict"]), (&"definition-2.1".into(), &"holds".into()), "{scale}");
        assert_eq!((&first["controls_rejected"], &first["controls"]), (&controls.into(), &controls.into()), "{scale}");
    }
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/problems")
}

#[test]
fn every_example_runs() {
    let mut kinds = Vec::new();
    for entry in std::fs::read_dir(examples()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        kinds.extend(
            ["inline", "csv", "teacher", "digits"].into_iter().filter(|kind| text.contains(&format!("\"{kind}\""))),
        );
        // From another directory: files that the problem names are looked for beside it.
        let output = inspect(&["--problem", path.to_str().unwrap()], Path::new("/"));
        // A constant epsilon is a finding.
        let expected = i32::from(path.to_str().unwrap().contains("pytorch"));
        assert_eq!(output.status.code(), Some(expected), "{path:?}: {}", String::from_utf8_lossy(&output.stdout));
        let shown = String::from_utf8(output.stdout).unwrap();
        assert!(shown.starts_with(path.file_stem().unwrap().to_str().unwrap()) && !shown.contains('\x1b'), "{shown}");
    }
    for kind in ["inline", "csv", "teacher", "digits"] {
        assert!(kinds.contains(&kind), "no example of kind {kind}");
    }
}

#[test]
fn every_instance_runs() {
    for instance in INSTANCES.iter().filter(|instance| instance.name != "digits") {
        let found = json(&["--instance", instance.name], Path::new("."));
        assert_eq!(found["name"], instance.name);
        let checks = found["checks"].as_object().unwrap();
        for (check, residual) in checks {
            assert!(residual.as_f64().unwrap() <= 512.0 * f64::EPSILON, "{}, {check}: {residual}", instance.name);
        }
    }
}

#[test]
fn the_mean_over_minibatches_is_not_the_full_batch() {
    let directory = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(examples().join("3-4-1.toml")).unwrap();
    let partition = format!("{text}\n[minibatches]\nkind = \"partition\"\nbatch-size = 4\n");
    let subsets = partition.replace("partition", "subsets");
    for (name, text) in [("full", &text), ("partition", &partition), ("subsets", &subsets)] {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    let [full, partition, subsets] =
        ["full", "partition", "subsets"].map(|name| json(&["--problem", name], directory.path()));
    let loss = |found: &Value| found["at_W"]["loss"].as_f64().unwrap();
    let samples = numbers(&partition["sample_losses"]);
    assert_eq!(samples.len(), 4);
    let mean = samples.iter().sum::<f64>() / 4.0;
    assert!((loss(&partition) - mean).abs() < 1e-15);
    assert!((loss(&partition) - loss(&full)).abs() > 1e-3);
    assert_eq!(loss(&subsets), loss(&full));
    assert_eq!(partition["function"]["kind"], "mean-over-minibatches");
    assert_eq!(full["function"]["kind"], "full-batch");
    assert!(subsets["function"]["meaning"].as_str().unwrap().contains("random subsets of 4"));
}

#[test]
fn too_many_parameters_for_the_hessian() {
    let found = json(&["--instance", "3-4-1", "--dense-up-to", "10"], Path::new("."));
    for missing in [&found["at_W"]["hessian"], &found["at_V"]["block_norm_vv"], &found["checks"]["euler"]] {
        assert!(missing.is_null());
    }
    assert!(found["at_V"]["loss"].as_f64().unwrap() > 0.0);
    let output = inspect(&["--instance", "3-4-1", "--dense-up-to", "10"], Path::new("."));
    assert!(String::from_utf8(output.stdout).unwrap().contains("--dense-up-to"));
}

/// At theta~ of a network both ends agree with the dense Hessian, and the shares add up.
#[test]
fn the_spectrum_is_that_of_the_dense_hessian() {
    let directory = tempfile::tempdir().unwrap();
    let found = json(&["--instance", "3-4-1", "--spectrum", "2"], directory.path());
    let dense = ndarray::Array2::from_shape_vec(
        {
            let n = found["n_parameters"].as_u64().unwrap() as usize;
            (n, n)
        },
        numbers(&found["at_V"]["hessian"]),
    )
    .unwrap();
    let eigen = ratecheck::linalg::symmetric_eigen(dense.view()).unwrap().values;
    let n = eigen.len();
    let spectrum = &found["spectrum"];
    let scale = eigen[0].abs().max(eigen[n - 1].abs());
    for (end, expected) in [("largest", [eigen[n - 1], eigen[n - 2]]), ("smallest", [eigen[0], eigen[1]])] {
        for (k, expected) in expected.into_iter().enumerate() {
            let [value, residual] = ["value", "residual"].map(|key| spectrum[end][k][key].as_f64().unwrap());
            assert!((value - expected).abs() <= 1e-12 * scale && residual <= 1e-12 * scale, "{end} {k}: {value}");
        }
    }
    let shares: f64 = spectrum["density"].as_array().unwrap().iter().map(|bin| bin["share"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-12, "{shares}");
    let text = inspect(&["--instance", "3-4-1", "--spectrum"], directory.path());
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("Eigenvalues of the Hessian at theta~") && text.contains("share of eigenvalues"), "{text}");
    for k in ["-1", "0", "18446744073709551615"] {
        let refused = inspect(&["--instance", "rayleigh", "--spectrum", k], directory.path());
        assert_eq!(refused.status.code(), Some(2), "{k}");
    }
    // No more than there are.
    let all = json(&["--instance", "rayleigh", "--spectrum", "60000"], directory.path());
    let found = all["spectrum"]["largest"].as_array().unwrap().len();
    assert!((1..=10).contains(&found), "{found} eigenvalues of 10 parameters");
}
