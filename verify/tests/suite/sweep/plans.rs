//! What a plan may not say, and what is answered: one sentence with file, line, key, what is wrong and what to do.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use ratecheck_verify::lab::sweep::Plan;

use super::{PLAN, ending, with_plan};

fn parse(text: &str) -> Result<Plan, String> {
    Plan::parse(text, Path::new("plan.toml")).map_err(|error| error.to_string())
}

/// What is expected cannot be just anything, either.
#[test]
fn every_expectation_that_makes_no_sense_is_named() {
    let base =
        "[sweep]\nsteps = 1000\nhorizons = 20\nseeds = 2\n\n[grid]\ninstance = \"rayleigh\"\neta-w = 0.1\n\n[expect]\n";
    let cases = [
        (
            "margin = 0.1",
            "plan.toml:10: expect.slope: is missing; give the exponent that is expected, as slope = -0.25",
        ),
        ("slop = -1", "plan.toml:11: expect.slop: unknown key; did you mean `slope`?"),
        ("slope = \"-1\"", "plan.toml:11: expect.slope: `\"-1\"` is not a number; give a finite number"),
        ("slope = -101", "plan.toml:11: expect.slope: -101 is not from -100 to 100; give such a number"),
        ("slope = nan", "plan.toml:11: expect.slope: `nan` is not a finite number; every number must be finite"),
        ("slope = -1\nmargin = -0.1", "plan.toml:12: expect.margin: -0.1 is not from 0 to 100; give such a number"),
        ("slope = -1\nlevel = 1", "plan.toml:12: expect.level: 1 is not above 0 and up to 0.999; give such a number"),
        (
            "slope = -1\none-sided = 1",
            "plan.toml:12: expect.one-sided: `1` is not true or false; give true or false, without quotes",
        ),
        (
            "slope = -1\nform = \"last\"",
            "plan.toml:12: expect.form: \"last\" is not known; did you mean \"last-window\"? The choices are last-window, \
             average, min",
        ),
        (
            "slope = -1\nquantity = \"grad-g-sq\"",
            "plan.toml:12: expect.quantity: is 0 on an instance without a g; choose another quantity",
        ),
        (
            "slope = -1\nblock = 1",
            "plan.toml:12: expect.block: has no meaning here: the quantity is one number, and not one a block; remove it",
        ),
        (
            "slope = -1\nquantity = \"w-norm-sq\"\nblock = 2",
            "plan.toml:13: expect.block: `2` is not a whole number from 1 to 1; give such a number",
        ),
        (
            "slope = -1\nwindow = [100, 10]",
            "plan.toml:12: expect.window: does not begin at 0 or later and end after that; give the earlier step first",
        ),
        (
            "slope = -1\nwindow = [990, 1000]",
            "plan.toml:12: expect.window: [990, 1000] holds 1 horizons that are a ratio of 1.25 apart, and a slope needs 3; \
             record more steps (sweep.horizons), or give another window",
        ),
        (
            "slope = -1\nlog-power = 0.75\nwindow = [0, 1000]",
            "plan.toml:12: expect.log-power: [0, 1000] holds step 1, where ln t is 0; begin later: window = [2, T], or a \
             larger first-horizon",
        ),
    ];
    for (expect, message) in cases {
        assert_eq!(parse(&format!("{base}{expect}\n")).unwrap_err(), message, "{expect}");
    }
    let plain = parse(&format!("{base}slope = -1\n")).unwrap();
    assert_eq!(plain.expect.unwrap().slope, Some(-1.0));
    let network = PLAN.replace("horizons = [0, 10, 100, 1_000]", "horizons = 20");
    let message = parse(&format!("{network}\n[expect]\nslope = 0.5\nquantity = \"w-norm-sq\"\n")).unwrap_err();
    assert!(
        message.ends_with("expect.block: is missing; say which of the 4 blocks is meant, as block = 1"),
        "{message}"
    );
}

#[test]
fn every_mistake_is_named() {
    let cases = [
        // (from, to, the whole message)
        ("steps", "stepz", "plan.toml:2: sweep.stepz: unknown key; did you mean `steps`?"),
        ("[sweep]", "[swep]", "plan.toml:1: swep: unknown key; did you mean `sweep`?"),
        (
            "3_000",
            "0",
            "plan.toml:2: sweep.steps: `0` is not a whole number from 1 to 1000000000000; give such a number",
        ),
        (
            "[0, 10, 100, 1_000]",
            "[0, 10, 10]",
            "plan.toml:3: sweep.horizons[2]: 10 is not above the one before; give the horizons in ascending order",
        ),
        (
            "seeds = 7",
            "seeds = [1, 2, 1]",
            "plan.toml:4: sweep.seeds[2]: the seed 1 is there already; a seed gives the same run every time",
        ),
        (
            "seeds = 7",
            "seeds = 0",
            "plan.toml:4: sweep.seeds: `0` is not a whole number from 1 to 100000; give such a number",
        ),
        (
            "\"loss\"",
            "\"los\"",
            "plan.toml:5: sweep.record[0]: \"los\" is not known; did you mean \"loss\"? The choices are loss, grad-sq, \
             grad-v-sq, grad-g-sq, grad-v-sq-by-block, w-norm-sq, effective-lr, angular-update, min-grad-sq, \
             sum-grad-v-sq, sum-grad-g-sq",
        ),
        (
            "\"loss\"",
            "\"min-grad-sq\"",
            "plan.toml:5: sweep.record[0]: is a minimum or sum over every step; set every-step = true",
        ),
        (
            "seeds = 7",
            "seeds = 7\nlook-at = \"full-batch\"\nevery-step = true",
            "plan.toml:6: sweep.every-step: look-at = \"full-batch\" looks at the horizons only; remove it, or look at \
             the mean",
        ),
        (
            "\"problem-j\"",
            "\"problem-k\"",
            "plan.toml:8: grid.instance[0]: no instance is called \"problem-k\"; did you mean \"problem-j\"?",
        ),
        ("\"gradient\"", "\"adam\"", "plan.toml:9: grid.rule[0]: needs b-1; write { kind = \"adam\", b-1 = 0.9 }"),
        (
            "\"gradient\"",
            "{ kind = \"ema\", b = 1 }",
            "plan.toml:9: grid.rule[0].b: 1 is not below 1; give a number from 0 to below 1",
        ),
        (
            "\"gradient\"",
            "{ kind = \"ema\", b = 0.5, lambda = 1 }",
            "plan.toml:9: grid.rule[0].lambda: decays nothing by itself under this step rule; write decay = \
             \"coupled\" or \"decoupled\" beside it",
        ),
        (
            "\"gradient\"",
            "{ kind = \"ema\", b = 0.5, b-0 = 1 }",
            "plan.toml:9: grid.rule[0].b-0: has no meaning here: this step rule has no such number; remove it",
        ),
        (
            "\"gradient\"",
            "\"wn-grad\"",
            "plan.toml:9: grid.rule[0]: needs b-0; write { kind = \"wn-grad\", b-0 = 1.0 }",
        ),
        (
            "\"gradient\"",
            "{ kind = \"adagrad-norm\", b-0 = 0 }",
            "plan.toml:9: grid.rule[0].b-0: `0` is not above 0; give a number > 0",
        ),
        (
            "\"gradient\"",
            "{ kind = \"ema\", b = 0.5, decay = \"coupled\" }",
            "plan.toml:9: grid.rule[0].lambda: is missing; give it, as lambda = 0.01",
        ),
        (
            "\"gradient\"",
            "{ kind = \"gradient\", lambda = 0.1, decay = \"decoupeld\" }",
            "plan.toml:9: grid.rule[0].decay: \"decoupeld\" is not known; did you mean \"decoupled\"? The choices are \
             coupled, decoupled",
        ),
        (
            "\"gradient\"",
            "{ kind = \"decay\", lambda = 0.1, decay = \"coupled\" }",
            "plan.toml:9: grid.rule[0].decay: has no meaning here: the rule is a coupled decay by itself; remove it",
        ),
        ("eta-g", "growth = 0\neta-g", "plan.toml:11: grid.growth: `0` is not above 0; give a number > 0"),
        ("[0.1, 10.0]", "[0.1, 0.1]", "plan.toml:10: grid.eta-w[1]: stands in the axis already; remove the repetition"),
        ("[0.1, 10.0]", "[]", "plan.toml:10: grid.eta-w: is empty; give at least one value"),
        ("[0.1, 10.0]", "-1", "plan.toml:10: grid.eta-w: `-1` is not above 0; give a number > 0"),
        (
            "eta-g = 0.1",
            "eta-g = 0.1\nc-g = 0.5",
            "plan.toml:12: grid.c-g: stands beside eta-g, which it would set; give one or the other",
        ),
        (
            "eta-g = 0.1\n",
            "",
            "plan.toml:7: grid.eta-g: is missing; give the learning rates of g, or c-g, which sets eta_g = 2 (1 - \
             c_g)/L^gg",
        ),
        (
            "eta-g = 0.1",
            "c-g = 1.0",
            "plan.toml:11: grid.c-g: 1 is not below 1; give 0 < c_g < 1: eta_g = 2 (1 - c_g)/L^gg",
        ),
        (
            "eta-g = 0.1",
            "eta-g = 0.1\nnormalisation = \"none\"",
            "plan.toml:12: grid.normalisation: problem-j is a closed form and has no layers to normalise; use the axis \
             on networks alone, or \"own\" for all",
        ),
        (
            "eta-g = 0.1",
            "eta-g = 0.1\nnormalisation = [\"own\", \"group-norm\"]",
            "plan.toml:12: grid.normalisation[1]: needs groups; write { kind = \"group-norm\", groups = 2 }",
        ),
        (
            "eta-g = 0.1",
            "eta-g = 0.1\nnormalisation = { kind = \"layer-norm\", epsilom = 0.1 }",
            "plan.toml:12: grid.normalisation.epsilom: unknown key; did you mean `epsilon`?",
        ),
        (
            "instance.net.",
            "instance.helix.",
            "plan.toml:14: instance.helix: is the name of a built-in instance; choose a name of your own",
        ),
        (
            "instance.net.",
            "instance.\"n\\u001b[31m\".",
            "plan.toml:14: instance.n\\u{1b}[31m: has characters in its name that cannot be shown; choose another name",
        ),
        (
            "[instance.net.network]",
            "[instance.net]\nbuiltin = \"helix\"\n[instance.net.network]",
            "plan.toml:16: instance.net.network: has no meaning here: the instance is a built-in one; remove it",
        ),
        (
            "[instance.net.network]",
            "[instance.net]\nstart = \"given\"\n[instance.net.network]",
            "plan.toml:15: instance.net.start: there are no parameters to start from; give [parameters], or start = \
             \"drawn\"",
        ),
        ("widths", "width", "plan.toml:15: instance.net.network.width: unknown key; did you mean `widths`?"),
        (
            "[2, 3, 1]",
            "[3, 3, 1]",
            "plan.toml:15: instance.net.network.widths: the network has 3 inputs, the data 2 features; the first width \
             is the number of features of the data",
        ),
    ];
    for (from, to, message) in cases {
        assert!(PLAN.contains(from), "{from}");
        assert_eq!(parse(&PLAN.replace(from, to)).expect_err(to), message);
    }
    assert!(parse(PLAN).is_ok());
}

#[test]
fn a_plan_that_cannot_be_used_is_7() {
    let directory = with_plan(&PLAN.replace("seeds", "sedes"));
    let said = ending(7, &["sweep", "plan.toml", "--out", "out"], directory.path());
    assert_eq!(said, "ratecheck: plan.toml:4: sweep.sedes: unknown key; did you mean `seeds`?\n");
    assert!(!directory.path().join("out").exists());
    let said = ending(7, &["sweep", "none.toml", "--out", "out"], directory.path());
    assert!(said.starts_with("ratecheck: none.toml: cannot be read: "), "{said}");
    // A file that the plan names.
    std::fs::write(directory.path().join("net.toml"), "[network]\nwidth = 1\n").unwrap();
    let text =
        "[sweep]\nsteps = 1\nhorizons = [0]\nseeds = 1\n[grid]\neta-w = 1\n[instance.x]\nproblem = \"net.toml\"\n";
    std::fs::write(directory.path().join("plan.toml"), text).unwrap();
    let said = ending(7, &["sweep", "plan.toml", "--out", "out"], directory.path());
    assert_eq!(said, "ratecheck: net.toml:2: network.width: unknown key; did you mean `widths`?\n");
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/sweeps")
}

#[test]
fn every_example_is_a_plan() {
    let mut sizes = Vec::new();
    for entry in std::fs::read_dir(examples()).unwrap() {
        let plan = Plan::read(&entry.unwrap().path()).unwrap_or_else(|error| panic!("{error}"));
        sizes.push(plan.cells.len());
    }
    sizes.sort_unstable();
    // 3 instances x 2 rules x 5 rates, and 8 seeds where they matter; 4 x 4 x 2 x 3; 7 x 2 x 8; 3 x 4 x 16; 5 x 64.
    assert_eq!(sizes, [96, 3 * 10 + 80, 112, 192, 320]);
}

/// The reference sweep is what it says.
#[test]
fn the_reference_sweep() {
    let plan = Plan::read(&examples().join("reference.toml")).unwrap();
    assert_eq!((plan.runs.n_steps, plan.runs.horizons.len(), plan.runs.horizons[0]), (10_000, 40, 10));
    let loss = plan.instances[0].loss();
    use ratecheck::loss::Drawing;
    let z = loss.minibatches();
    assert_eq!((z.drawing(), z.n_examples(), z.batch_size()), (Drawing::Subsets, 256, 32));
    assert_eq!(loss.parameters().len(), 8 * 16 + 16 * 16 + 16 + 2 * 33);
}

/// Words and numbers that mean something somewhere, mostly not where they land.
const PIECES: [&str; 42] = [
    "[sweep]",
    "[grid]",
    "[instance.x]",
    "[instance.net.data]",
    "[instance]",
    "[",
    "]",
    "{",
    "}",
    "=",
    ",",
    "\n",
    "\"",
    "#",
    ".",
    "steps = 3",
    "horizons = 1",
    "horizons = []",
    "seeds = 18446744073709551615",
    "seeds = [18446744073709551615, 0]",
    "record = []",
    "record = [\"min-grad-sq\"]",
    "every-step = true",
    "look-at = \"full-batch\"",
    "eta-w = 1e-320",
    "eta-w = [1e308, 5]",
    "alpha = 1e400",
    "growth = 1e300",
    "rule = { kind = \"gradient\", decay = \"coupled\" }",
    "c-g = 0.5",
    "c-g = 1e-300",
    "rule = { kind = \"adam\" }",
    "rule = []",
    "normalisation = { kind = \"group-norm\", groups = 3 }",
    "normalisation = \"linf-batch-norm\"",
    "builtin = \"rayleigh\"",
    "start = \"drawn\"",
    "problem = \"/\"",
    "nan",
    "-0",
    "0x1_0",
    "ä\u{301}\u{feff}",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// A plan is a plan or is refused with a line that exists; nothing panics.
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        let _ = parse(&text);
    }

    /// The same near a sound plan: pieces put in, cut out, and put in the place of others.
    #[test]
    fn no_damage_makes_it_panic(
        edits in prop::collection::vec(
            (0.0_f64..1.0, 0_usize..12, prop::sample::select(&PIECES[..]), any::<bool>()), 1..6,
        ),
    ) {
        let mut text = PLAN.to_owned();
        for (place, cut, piece, at_line) in edits {
            let mut from = (place * text.len() as f64) as usize;
            if at_line {
                from = text[..text.floor_char_boundary(from)].rfind('\n').map_or(0, |at| at + 1);
            }
            let from = text.floor_char_boundary(from);
            let to = text.floor_char_boundary((from + cut).min(text.len()));
            let piece = if at_line { format!("{piece}\n") } else { piece.to_owned() };
            text.replace_range(from..to.max(from), &piece);
        }
        match Plan::parse(&text, Path::new("plan.toml")) {
            Ok(plan) => prop_assert!(!plan.cells.is_empty()),
            Err(error) => {
                let line = error.line().unwrap_or(1);
                // One beyond the last, where what is missing should stand.
                prop_assert!(line <= text.lines().count() + 1, "{error}");
                prop_assert!(error.to_string().contains("; "), "{error}");
            }
        }
    }
}

/// Batch normalisation of one example, or of equal ones: no run could ever make a step.
#[test]
fn what_is_undefined_from_the_start_is_refused() {
    let plan = |data: &str, batch: &str, normalisation: &str| {
        format!(
            "[sweep]\nsteps = 10\nhorizons = 3\nseeds = 4\n[grid]\ninstance = \"net\"\neta-w = [0.1, 1.0]\neta-g = \
             0.1\n\
             [instance.net.network]\nwidths = [2, 3, 2]\nnormalisation = {normalisation}\nactivation = \"tanh\"\n\
             objective = \"cross-entropy\"\n[instance.net.data]\nkind = \"inline\"\ninputs = {data}\nlabels = [0, 1, \
             0, 1]\n\
             [instance.net.minibatches]\nkind = \"partition\"\nbatch-size = {batch}\n"
        )
    };
    let (data, alike) = ("[[1, 2], [3, 5], [-1, 0.5], [0, 2]]", "[[1, 2], [1, 2], [1, 2], [1, 2]]");
    let bn = "\"batch-norm\"";
    for (text, said) in [
        (plan(data, "1", bn), "has no spread over a minibatch of one example, and no epsilon"),
        (plan(alike, "2", bn), "has no spread"),
        (plan(data, "1", "\"linf-batch-norm\""), "has no spread over a minibatch of one example, and no epsilon"),
    ] {
        let error = parse(&text).unwrap_err();
        assert!(error.starts_with("plan.toml:") && error.contains("unit 1"), "{error}");
        assert!(error.contains(said) && error.contains("; ") && error.lines().count() == 1, "{error}");
    }
    let smoothed = "\"smoothed-batch-norm\"\nepsilon = 0.1";
    for sound in [plan(data, "2", bn), plan(data, "1", smoothed), plan(alike, "2", "\"none\"")] {
        assert!(parse(&sound).is_ok(), "{:?}", parse(&sound).err());
    }
}
