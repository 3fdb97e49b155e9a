//! Numbers at the edges of double precision: refused by name, or right.

use ratecheck_verify::lab::inspect::{InspectError, inspect};
use ratecheck_verify::lab::problem::Problem;

const INPUTS: [[f64; 2]; 4] = [[0.4, -1.1], [1.3, 0.2], [-0.6, 0.9], [0.1, -0.5]];

/// A network 2-3-2 on `inputs`, with further sections.
fn text(normalisation: &str, inputs: &[[f64; 2]], more: &str) -> String {
    let labels: Vec<usize> = (0..inputs.len()).map(|i| i % 2).collect();
    format!(
        "[network]\nwidths = [2, 3, 2]\nnormalisation = \"{normalisation}\"\nactivation = \"tanh\"\n\
         objective = \"cross-entropy\"\n[data]\nkind = \"inline\"\ninputs = {inputs:?}\nlabels = {labels:?}\n{more}\n"
    )
}

const WEIGHTS: &str =
    "[parameters]\nweights = [[[0.6, -0.9], [0.3, 1.2], [-0.7, 0.4]], [[0.5, -0.2, 0.8], [1.1, 0.7, -0.4]]]";

fn parse(text: &str) -> Result<Problem, String> {
    Problem::parse(text, "net.toml".as_ref()).map_err(|error| error.to_string())
}

#[test]
fn what_has_no_value_is_refused_by_name() {
    let constant = [[98_765_432.1, 3.3]; 5];
    let equal = [INPUTS[0], INPUTS[0], INPUTS[1], INPUTS[0], INPUTS[2], INPUTS[3]];
    let subsets = "[minibatches]\nkind = \"subsets\"\nbatch-size = 3\n";
    let one = "[minibatches]\nkind = \"partition\"\nbatch-size = 1\n";
    for (text, expected) in [
        (
            text("batch-norm", &constant, WEIGHTS),
            "net.toml:11: parameters.weights: layer 1, unit 1 has no spread over the minibatch",
        ),
        (text("l1-batch-norm", &constant, ""), "net.toml:3: network.normalisation: layer 1, unit 1 has no spread"),
        (
            text("linf-batch-norm", &INPUTS, &format!("{one}{WEIGHTS}")),
            "net.toml:12: minibatches.batch-size: minibatch 1 of 4: layer 1, unit 1 has no spread over a minibatch of \
             one example, and no epsilon; give minibatches of two examples or more",
        ),
        (
            text("batch-norm", &equal, subsets),
            "net.toml:12: minibatches.batch-size: examples 1, 2, 4 are equal and may be a minibatch: layer 1, unit 1 \
             has no spread",
        ),
        (
            text(
                "layer-norm",
                &INPUTS,
                &WEIGHTS.replace("[0.6, -0.9], [0.3, 1.2], [-0.7, 0.4]", "[0.7, 1], [0.7, 1], [0.7, 1]"),
            ),
            "net.toml:11: parameters.weights: layer 1, units 1 to 3 have no spread over the units, in example 1",
        ),
        (
            text("batch-norm", &INPUTS.map(|x| x.map(|x| x * 1e300)), &WEIGHTS.replace("0.6", "6e60")),
            "net.toml:11: parameters.weights: layer 1, unit 1: a value overflows, or its square does; scale the inputs \
             or the weights",
        ),
        (
            text("batch-norm", &INPUTS, &WEIGHTS.replace("[0.6, -0.9]", "[0, -5e153]")),
            "net.toml:11: parameters.weights: the norm of W1 row 1 is 5e153; give it one between 1e-72 and 1e72",
        ),
        (
            text("batch-norm", &INPUTS, &WEIGHTS.replace("[0.6, -0.9]", "[5e-161, 0]")),
            "net.toml:11: parameters.weights: the norm of W1 row 1 is 5e-161; give it one between 1e-72 and 1e72",
        ),
    ] {
        let found = parse(&text).err().unwrap_or_default();
        assert!(found.starts_with(expected), "{found}\ninstead of\n{expected}\n{text}");
    }
    // Equal examples that are too few for a minibatch, and an epsilon.
    let four = subsets.replace('3', "4");
    assert_eq!(parse(&text("batch-norm", &equal, &four)).err(), None);
    let smoothed = text("smoothed-batch-norm\"\nepsilon = \"0.1", &constant, WEIGHTS).replace("\"0.1\"", "0.1");
    assert_eq!(parse(&smoothed).err(), None);
}

/// An infinite number is an error, not a residual of 0.
#[test]
fn what_overflows_is_an_error() {
    for gammas in ["gammas = [[1, 1, 1], [1e160, 1e160]]", "gammas = [[1, 1, 1], [1e300, 1e300]]"] {
        let problem = parse(&text("batch-norm", &INPUTS, &format!("{WEIGHTS}\n{gammas}"))).unwrap();
        let error = inspect(&problem, 100).unwrap_err();
        assert!(matches!(error, InspectError::NotFinite(_)) && error.to_string().starts_with("overflow: "), "{error}");
    }
}

/// Powers of two are exact: every number but the gradient by W is the same.
#[test]
fn inputs_have_any_scale() {
    let found = |scale: f64| {
        let text = text("batch-norm", &INPUTS.map(|x| x.map(|x| x * scale)), WEIGHTS);
        inspect(&parse(&text).unwrap(), 100).unwrap()
    };
    let plain = found(1.0);
    for e in [-700, -530, 530, 900] {
        let scaled = found(libm::ldexp(1.0, e));
        assert_eq!((scaled.at_w.loss, &scaled.at_w.gradient), (plain.at_w.loss, &plain.at_w.gradient), "2^{e}");
        assert_eq!(scaled.at_v.hessian, plain.at_v.hessian, "2^{e}");
        assert_eq!(scaled.checks, plain.checks, "2^{e}");
    }
}

/// Residuals are rounding at a stationary point, and on inputs that no one has centred.
#[test]
fn residuals_are_rounding_where_the_loss_is_scale_invariant() {
    let stationary = "[network]\nwidths = [2, 1]\nnormalisation = \"batch-norm\"\nobjective = \"squared\"\n[data]\n\
                      kind = \"inline\"\ninputs = [[0.4, -1.1], [1.3, 0.2], [-0.6, 0.9], [0.1, -0.5]]\n\
                      labels = [0.4, 1.3, -0.6, 0.1]\n[parameters]\nweights = [[[-1.0, 0.0]]]\n";
    let offsets = [1e3, 1e4, 1e6].map(|r| INPUTS.map(|[x, y]| [x + r, y - r]));
    let normalisations = ["batch-norm", "l1-batch-norm", "l4-batch-norm", "linf-batch-norm", "layer-norm"];
    let moved = offsets.iter().flat_map(|inputs| normalisations.map(|name| text(name, inputs, WEIGHTS)));
    for text in moved.chain([stationary.to_owned(), text("layer-norm", &INPUTS, WEIGHTS)]) {
        let found = inspect(&parse(&text).unwrap(), 100).unwrap();
        let (most, checks) = (found.rounding.unwrap(), found.checks);
        // The ratio of mean and spread is 1e6 at most, and the bound within some hundred roundings of it.
        assert!(most < 1e-7, "{most:e}");
        assert!(checks.orthogonality < 1e-14, "{checks:?}\n{text}");
        for residual in [Some(checks.invariance), Some(checks.intrinsic_gradient), checks.euler, checks.asymmetry] {
            assert!(residual.unwrap() <= most, "{checks:?}, {most:e}\n{text}");
        }
    }
}
