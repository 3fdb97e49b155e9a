//! What a cell's name means, and that its bits are what the name says.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use ratecheck::descent::{Divergence, NotFinite};
use ratecheck::loss::Workspace;
use ratecheck::parameters::norm_sq;
use ratecheck::random::Seed;

use super::cell::{Cell, run_together};
use super::outcome::{encode, hex_of};
use super::{Plan, Quantity};
use crate::lab::problem::INSTANCES;

fn plan(text: &str) -> Plan {
    Plan::parse(text, "plan.toml".as_ref()).unwrap_or_else(|error| panic!("{error}"))
}

fn outcome(plan: &Plan, place: usize) -> super::Outcome {
    let cell = &plan.cells[place];
    cell.run(&plan.instances[cell.instance], &plan.runs)
}

const NETWORK: &str = r#"
[sweep]
steps = 20
horizons = [0, 5, 20]
seeds = [4]

[grid]
eta-w = 0.5
eta-g = 0.1

[instance.net.network]
widths = [3, 4, 1]
normalisation = "smoothed-batch-norm"
epsilon = 0.1
activation = "tanh"
objective = "logistic"

[instance.net.data]
kind = "teacher"
examples = 12
features = 3
seed = 1

[instance.net.minibatches]
kind = "subsets"
batch-size = 4
"#;

/// Guards [`super::ENGINE`]. It is no check of the numbers, which the engine's own tests make: it says that they have
/// changed. **If it fails, raise ENGINE and put the new digest here**:
/// cells of older versions must not be taken for new ones.
#[test]
fn the_engine_gives_the_bits_it_gave() {
    let rules = "[\"gradient\", \"projected\", \"adaptive\", \"sign\", { kind = \"heavy-ball\", b = 0.5 }, \
                 { kind = \"ema\", b = 0.5 }, { kind = \"nesterov\", b = 0.5 }, { kind = \"adam\", b-1 = 0.5, b-2 = \
                 0.75 }, { kind = \"decay\", lambda = 0.01 }]";
    // The digits are as large as all others together, and their network is like them.
    let names = INSTANCES.iter().map(|instance| instance.name).filter(|&name| name != "digits");
    let names: Vec<String> = names.map(|name| format!("\"{name}\"")).collect();
    let built_in = format!(
        "[sweep]\nsteps = 12\nhorizons = [0, 1, 12]\nseeds = 1\nevery-step = true\n\
         [grid]\ninstance = [{}]\nrule = {rules}\neta-w = 0.25\nalpha = [0.0, 0.375, 0.3]\neta-g = 0.125\n\
         alpha-g = 0.5\n",
        names.join(", ")
    );
    let full_batch = NETWORK.replace("seeds", "look-at = \"full-batch\"\nseeds");
    let normalisations = NETWORK.replace(
        "eta-g",
        "normalisation = [\"own\", \"none\", \"batch-norm\", \"l1-batch-norm\", \"l4-batch-norm\", \
         \"linf-batch-norm\", \"weight-norm\", { kind = \"smoothed-layer-norm\", epsilon = 0.1 }, { kind = \
         \"smoothed-group-norm\", groups = 1, epsilon = 0.1 }]\neta-g",
    );
    assert_eq!(
        digest(&[plan(&built_in), plan(&full_batch), plan(&normalisations)]),
        "923572ed7572439084b6f61169490904a96d65e78b52437f8d95303ee9261b7f",
        "raise ENGINE, and put this digest into the test"
    );
    // Rules that came later, with what stands beside them.
    let beside = NETWORK.replace(
        "eta-g",
        "growth = [1, 1.02]\nrule = [{ kind = \"wn-grad\", b-0 = 1 }, { kind = \"adagrad-norm\", b-0 = 1 }, { kind = \
         \"heavy-ball\", b = 0.5, decay = \"coupled\", lambda = 0.1 }, { kind = \"adam\", b-1 = 0.5, b-2 = 0.75, decay \
         = \"decoupled\", lambda = 0.1 }, { kind = \"adaptive\", decay = \"decoupled\", lambda = 0.1 }]\neta-g",
    );
    assert_eq!(
        digest(&[plan(&beside)]),
        "8f12f85b2f558d73425520ed3422eadb8eba7df8be7c1abadb941cf8916b2c23",
        "raise ENGINE, and put this digest into the test"
    );
}

fn digest(plans: &[Plan]) -> String {
    let mut bytes = Vec::new();
    for plan in plans {
        for (place, cell) in plan.cells.iter().enumerate() {
            let identity = cell.identity(&plan.instances[cell.instance], &plan.runs);
            bytes.extend(encode(&identity, &outcome(plan, place)));
        }
    }
    hex_of(&bytes)
}

/// Whatever changes a bit of a run changes its name, and nothing else does.
#[test]
fn names_say_what_determines_a_run() {
    let key = |text: &str| plan(text).cells[0].key.clone();
    let plain = key(NETWORK);
    let mut keys = BTreeSet::from([plain.clone()]);
    for (from, to) in [
        ("steps = 20\nhorizons = [0, 5, 20]", "steps = 21\nhorizons = [0, 5, 21]"),
        ("[0, 5, 20]", "[0, 6, 20]"),
        ("seeds = [4]", "seeds = [5]"),
        ("seeds", "look-at = \"full-batch\"\nseeds"),
        ("seeds", "every-step = true\nseeds"),
        ("seeds", "fresh-minibatches = 4\nseeds"),
        ("eta-w = 0.5", "eta-w = 0.5000000000000001"),
        ("eta-w", "alpha = 0.25\neta-w"),
        ("eta-g = 0.1", "eta-g = 0.2"),
        ("eta-g", "alpha-g = 0.5\neta-g"),
        ("eta-g", "rule = \"projected\"\neta-g"),
        ("eta-g", "rule = { kind = \"ema\", b = 0.5 }\neta-g"),
        ("eta-g", "rule = { kind = \"ema\", b = 0.75 }\neta-g"),
        ("eta-g", "rule = { kind = \"wn-grad\", b-0 = 1 }\neta-g"),
        ("eta-g", "rule = { kind = \"wn-grad\", b-0 = 2 }\neta-g"),
        ("eta-g", "rule = { kind = \"gradient\", decay = \"coupled\", lambda = 0.5 }\neta-g"),
        ("eta-g", "rule = { kind = \"gradient\", decay = \"decoupled\", lambda = 0.5 }\neta-g"),
        ("eta-g", "growth = 1.5\neta-g"),
        ("eta-g", "normalisation = \"none\"\neta-g"),
        ("[3, 4, 1]", "[3, 5, 1]"),
        ("epsilon = 0.1", "epsilon = 0.2"),
        ("tanh", "sigmoid"),
        ("\"logistic\"", "\"squared\""),
        ("\"logistic\"", "\"logistic\"\nweight-decay = 0.1"),
        ("examples = 12", "examples = 13"),
        ("seed = 1", "seed = 2"),
        ("seed = 1", "seed = 1\nstandardise = true"),
        ("\"subsets\"", "\"partition\""),
        ("batch-size = 4", "batch-size = 3"),
    ] {
        assert!(NETWORK.contains(from), "{from}");
        let changed = NETWORK.replacen(from, to, 1);
        assert!(keys.insert(key(&changed)), "{from} -> {to} makes another run under a name that is taken");
    }
    for (from, to) in [
        ("instance.net.", "instance.other."),
        ("seeds = [4]", "seeds = [4]\nrecord = [\"loss\"]"),
        ("seeds = [4]", "seeds = [4, 5]"),
        ("eta-w = 0.5", "eta-w = [0.5, 1.0]"),
        ("eta-g", "rule = \"gradient\"\neta-g"),
        ("eta-g", "growth = 1\neta-g"),
        ("eta-g", "normalisation = \"own\"\neta-g"),
        ("eta-g", "normalisation = { kind = \"smoothed-batch-norm\", epsilon = 0.1 }\neta-g"),
    ] {
        assert_eq!(key(&NETWORK.replace(from, to)), plain, "{from} -> {to}");
    }
    // Given parameters are part of a name; drawn ones come from the seed.
    let given = "start = \"given\"\n[instance.net.parameters]\ninitialiser = \"glorot-uniform\"\nseed = 1\n";
    let given = NETWORK.replace("[instance.net.network]", &format!("[instance.net]\n{given}\n[instance.net.network]"));
    let again = given.replace("glorot-uniform\"\nseed = 1", "glorot-uniform\"\nseed = 2");
    assert!(keys.insert(key(&given)) && keys.insert(key(&again)));
    assert_eq!(key(&given.replace("\"given\"", "\"drawn\"")), plain);
}

/// What a plan says of a rule is what its cells do: every rule and decay, a step by hand, and the rate that grows.
#[test]
fn rules_decays_and_growth_reach_the_runs() {
    use ratecheck::descent::{StepRule, WeightDecay};
    let text = "[sweep]\nsteps = 3\nhorizons = [0, 1, 2]\nseeds = 1\nrecord = [\"effective-lr\", \
                \"w-norm-sq\"]\n[grid]\n\
                instance = \"rayleigh\"\neta-w = 0.5\ngrowth = [1, 4]\nrule = [\"gradient\", { kind = \"wn-grad\", b-0 \
                = 2 }, { kind = \"adagrad-norm\", b-0 = 2, lambda = 1, decay = \"coupled\" }, { kind = \"gradient\", \
                decay = \"decoupled\", lambda = 1 }]\n";
    let plan = plan(text);
    let words: Vec<&str> = plan.cells.iter().step_by(2).map(|cell| cell.rule_in_words.as_str()).collect();
    let expected = [
        "gradient",
        "wn-grad(b-0=2)",
        "adagrad-norm(b-0=2 lambda=1 decay=coupled)",
        "gradient(lambda=1 decay=decoupled)",
    ];
    assert_eq!(words, expected);
    let rules: Vec<_> = plan.cells.iter().step_by(2).map(|cell| (cell.rule, cell.decay)).collect();
    let lambda = 1.0;
    let expected = [
        (StepRule::Gradient, WeightDecay::None),
        (StepRule::WnGrad { b_0: 2.0 }, WeightDecay::None),
        (StepRule::AdaGradNorm { b_0: 2.0 }, WeightDecay::Coupled { lambda }),
        (StepRule::Gradient, WeightDecay::Decoupled { lambda }),
    ];
    assert_eq!(rules, expected);
    let instance = &plan.instances[0];
    let theta = instance.theta_0(&Seed::new(0));
    let mut gradient = vec![0.0; theta.len()];
    instance.loss().sample_gradient(&[0], &theta, &mut gradient, &mut Workspace::default());
    let (n, sq) = (norm_sq(&theta), norm_sq(&gradient));
    // w and its gradient are orthogonal: the rates of w and of grad in one step give the next norm. Some 20 roundings.
    let next = |kept: f64, rate: f64| kept * kept * n + rate * rate * sq;
    let b = 2.0 + sq / 2.0;
    let b_decayed = (4.0 + sq + n).sqrt();
    let norms = [next(1.0, 0.5), next(1.0, 0.5 / b), next(1.0 - 0.5 / b_decayed, 0.5 / b_decayed), next(0.5, 0.5)];
    let first_rates = [0.5 / n, 0.5 / (2.0 * n), 0.5 / (2.0 * n), 0.5 / n];
    for (k, (norm, rate)) in norms.into_iter().zip(first_rates).enumerate() {
        let (constant, growing) = (outcome(&plan, 2 * k), outcome(&plan, 2 * k + 1));
        for found in [&constant, &growing] {
            let close = |x: f64, y: f64| (x / y - 1.0).abs() <= 20.0 * f64::EPSILON;
            assert!(close(found.at(0, Quantity::EffectiveLr)[0], rate), "{}", words[k]);
            assert!(close(found.at(1, Quantity::WNormSq)[0], norm), "{}", words[k]);
        }
        // The rate of step 1 is four times as large where it grows; norm and b are those of the same first step.
        let at_1 = |found: &super::Outcome| found.at(1, Quantity::EffectiveLr)[0];
        assert_eq!(at_1(&growing), 4.0 * at_1(&constant), "{}", words[k]);
    }
}

/// The full batch, looked at beside the stochastic path: the path is that of the engine,
/// the gradient that of all examples.
#[test]
fn the_full_batch_is_all_examples_on_the_same_path() {
    let text = NETWORK.replace("seeds", "look-at = \"full-batch\"\nrecord = [\"grad-sq\"]\nseeds");
    let (mean, full) = (plan(NETWORK), plan(&text));
    let (of_mean, of_full) = (outcome(&mean, 0), outcome(&full, 0));
    assert_eq!((of_mean.n_rows(), of_full.n_rows()), (3, 3));
    for row in 0..3 {
        assert_eq!(of_mean.at(row, Quantity::WNormSq), of_full.at(row, Quantity::WNormSq), "one path");
        assert_ne!(of_mean.at(row, Quantity::GradSq), of_full.at(row, Quantity::GradSq), "two functions");
    }
    // At the start, by hand.
    let instance = &full.instances[0];
    let (loss, theta) = (instance.loss(), instance.theta_0(&Seed::new(4)));
    let mut gradient = vec![0.0; theta.len()];
    let all: Vec<usize> = (0..12).collect();
    let value = loss.sample_gradient(&all, &theta, &mut gradient, &mut Workspace::default());
    let layout = loss.parameters();
    assert_eq!(of_full.at(0, Quantity::Loss), [value]);
    assert_eq!(of_full.at(0, Quantity::GradGSq), [norm_sq(&gradient[layout.g()])]);
    assert_eq!(of_full.at(0, Quantity::GradVSq), [layout.grad_v_norm_sq(&theta, &gradient)]);
    assert_eq!(of_full.at(0, Quantity::EffectiveLr)[0], 0.5 / layout.w_norm_sq(&theta, 0));

    // One minibatch of all examples: then both are L, and the engine's own recorder is the reference.
    let single = NETWORK.replace("\"subsets\"\nbatch-size = 4", "\"partition\"\nbatch-size = 12");
    let both = [single.clone(), single.replace("seeds", "look-at = \"full-batch\"\nseeds")]
        .map(|text| outcome(&plan(&text), 0));
    for quantity in
        [Quantity::Loss, Quantity::GradVSqByBlock, Quantity::GradGSq, Quantity::EffectiveLr, Quantity::WNormSq]
    {
        assert_eq!(both[0].at(2, quantity), both[1].at(2, quantity), "{quantity:?}");
    }
}

/// Eight cells in lockstep leave the files that they leave alone, whatever is recorded,
/// and a divergence concerns its cell only.
#[test]
fn cells_in_lockstep_are_cells_alone() {
    let grid = NETWORK.replace("eta-w = 0.5", "eta-w = [0.5, 3, 1e200]").replace("[4]", "[4, 5, 6, 7]");
    let projected = grid.replace("eta-w =", "rule = \"projected\"\neta-w =");
    let full_batch = grid.replace("seeds", "look-at = \"full-batch\"\nrecord = [\"grad-sq\"]\nseeds");
    for text in [grid, projected, full_batch] {
        let plan = plan(&text);
        let cells: Vec<&Cell> = plan.cells.iter().collect();
        assert!(cells[0].lockstep(&plan.instances[0]), "a small network under a rule without memory");
        let outcomes = run_together(&cells, &plan.instances[0], &plan.runs);
        assert_eq!((cells.len(), outcomes.len()), (12, 12));
        assert!(outcomes.iter().any(|o| o.divergence().is_some()) && outcomes.iter().any(|o| o.divergence().is_none()));
        for (cell, together) in cells.iter().zip(&outcomes) {
            let alone = cell.run(&plan.instances[0], &plan.runs);
            assert_eq!(encode(&cell.key, together), encode(&cell.key, &alone));
        }
    }
}

#[test]
fn drawn_starts_keep_norms_and_differ() {
    let text = "[sweep]\nsteps = 1\nhorizons = [0]\nseeds = 2\n[grid]\neta-w = 1\neta-g = 0.5\n\
                [instance.j]\nbuiltin = \"bilinear\"\nstart = \"drawn\"\n[instance.k]\nbuiltin = \"problem-j\"\n\
                start = \"drawn\"\n";
    let plan = plan(text);
    assert_eq!(plan.cells.len(), 4);
    for instance in &plan.instances {
        let [a, b] = [0, 1].map(|seed| instance.theta_0(&Seed::new(seed)));
        let layout = instance.loss().parameters();
        assert_eq!(a[layout.g()], b[layout.g()]);
        for i in 0..layout.n_blocks() {
            assert_ne!(a[layout.block(i)], b[layout.block(i)]);
            let (a, b) = (layout.w_norm_sq(&a, i), layout.w_norm_sq(&b, i));
            // Two scalings and two sums of up to four squares.
            assert!((a / b - 1.0).abs() < 16.0 * f64::EPSILON);
        }
    }
}

/// eta_g = 2 (1 - c_g)/L^gg: problem J has L^gg = 1, and weight decay gives a network one that is proved.
#[test]
fn c_g_sets_eta_g() {
    let text = "[sweep]\nsteps = 1\nhorizons = [0]\nseeds = 1\n[grid]\ninstance = [\"problem-j\"]\neta-w = 1\n\
                c-g = [0.5, 0.75]\n";
    let etas: Vec<f64> = plan(text).cells.iter().map(|cell| cell.eta_g.unwrap().eta).collect();
    assert_eq!(etas, [1.0, 0.5]);
    let network =
        NETWORK.replace("eta-g = 0.1", "c-g = 0.5").replace("\"logistic\"", "\"logistic\"\nweight-decay = 0.1");
    let eta = plan(&network).cells[0].eta_g.unwrap().eta;
    assert!(eta > 0.0 && eta < 10.0, "L^gg is at least lambda = 0.1, so that eta_g is at most 10: {eta}");
    let error = Plan::parse(&network.replace("tanh", "relu"), "plan.toml".as_ref()).unwrap_err().to_string();
    assert!(error.starts_with("plan.toml:9: grid.c-g: no L^gg is proved for net: "), "{error}");
}

#[test]
fn divergence_is_an_observation() {
    let text = NETWORK.replace("eta-w = 0.5", "eta-w = 1e200");
    let outcome = outcome(&plan(&text), 0);
    assert_eq!(outcome.divergence(), Some(Divergence { step: 0, what: NotFinite::Parameters }));
    assert_eq!(outcome.n_rows(), 1);
}
