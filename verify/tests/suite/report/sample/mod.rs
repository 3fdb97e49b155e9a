//! Results made by hand: every status, awkward text, and curves like those of real runs.
#![allow(unreachable_pub)]

use ratecheck_verify::claim::evidence::{
    Comparison, Hypothesis, Observation, Origin, Part, Profile, Standing, Verdict,
};
use ratecheck_verify::claim::plot::{Axis, Plot, Reference, Series, Style};
use ratecheck_verify::claim::replay::NearFailures;
use ratecheck_verify::claim::results::{
    ClaimResult, ControlOutcome, ControlResult, FORMAT, InstanceResult, Provenance, Results, Verified,
};
use ratecheck_verify::paper::errata::{self, Entry, Example, Reading};
use ratecheck_verify::paper::manifest::{Chapter, Place};

pub fn results() -> Results {
    let mut scale = claim("definition-2.1", "Definition 2.1", "identity", Verdict::Holds);
    scale.plain = "Multiplying a scale-invariant block by a positive number does not change the loss.".into();
    scale.formula = "F(c·w_i, …) = F(w, …)   for all c > 0".into();
    scale.hypotheses.push(hypothesis("every block is scale invariant", Standing::Met, "by construction, 26 blocks"));

    let mut rate = claim("theorem-3.1-rate", "Theorem 3.1, the rate", "rate", Verdict::Holds);
    rate.plain =
        "Gradient descent reaches min‖∇L‖ of order T^(-1/2), whatever the learning rate of the weights.".into();
    rate.formula =
        "min_{t<T} ‖∇L(V_t; g_t)‖² ≤ (1/T)·[4A(A + Σ_i ‖w_{i,0}‖²/η_w) + 2A/(c_g η_g)],   A = Δ + Σ_i K_i".into();
    rate.plots = vec![decays(), overlapping(), effective()];
    rate.observations = vec![
        Observation {
            name: "slope, T-indexed helix".into(),
            value: -0.4996,
            interval: Some([-0.5012, -0.4981]),
            note: "two-sided: −1/2 ± 0.005".into(),
        },
        Observation {
            name: "largest multiple of ‖∇L‖² that still passes".into(),
            value: 1.2e-7,
            interval: None,
            note: "the bound is loose".into(),
        },
        Observation {
            name: "noise".into(),
            value: f64::NAN,
            interval: Some([f64::NEG_INFINITY, f64::INFINITY]),
            note: "not finite".into(),
        },
    ];

    let mut lemma = claim(
        "lemma-2.2",
        "Lemma 2.2",
        "identity",
        Verdict::Fails { reason: "digits · step 120 · block 3: 4.100000e-14 exceeds 1.000000e-14".into() },
    );
    lemma.plain = "The gradient at w is the gradient at w/‖w‖, divided by ‖w‖.".into();
    lemma.instances[1].failures = 3;
    lemma.instances[1].worst = comparison("digits 64-16-16-10 · step 120 · block 3", 4.1e-14, 1e-14);
    lemma.worst = Some(lemma.instances[1].worst.clone());

    let mut weak = claim("lemma-3.2", "Lemma 3.2", "inequality", Verdict::Holds);
    weak.controls[1].outcome = ControlOutcome::NotRejected;
    weak.controls[1].name = "constant C_i shrunk by 3 %".into();
    weak.controls[1].detail = "every one of 1200 comparisons held".into();
    weak.worst =
        Some(comparison("Rayleigh diag(0, …, 1) in R^10, started beside its maximum · t = 0 · block 0", 0.999999, 1.0));

    let mut broken = claim("theorem-2.5", "Theorem 2.5", "identity", Verdict::Holds);
    broken.origin = Origin::Derived;
    broken.controls[0].outcome = ControlOutcome::Broken;
    broken.controls[0].detail = "the run diverged at step 17".into();

    let mut open = claim(
        "theorem-4.2",
        "Theorem 4.2",
        "expectation",
        Verdict::Inconclusive {
            reason:
                "digits · T = 4096: 3.200e2 exceeds 2.900e2, a bound with sampled constants, which may be too small"
                    .into(),
        },
    );
    open.hypotheses.push(hypothesis("U bounds the noise of ∇_g", Standing::Assumed, "sampled over 400 points"));
    open.hypotheses.push(hypothesis("η_g ≤ 2(1−c)/L_gg", Standing::NotMet, "η_g·L_gg = 1.96"));
    open.plots = vec![sgd(), odd()];

    let mut error = claim(
        "remark-4.1",
        "Remark 4.1",
        "inequality",
        Verdict::Error { reason: "helix · t = 31: compared NaN with 0.5 <img alt=x>".into() },
    );
    error.worst = None;
    error.instances.clear();
    error.controls.clear();
    error.seconds = f64::NAN;

    let mut silent = claim(
        "theorem-4.2-rate",
        "Theorem 4.2, the rate",
        "rate",
        Verdict::NotApplicable { reason: "z is always the whole data set: nothing is random".into() },
    );
    silent.worst = None;
    silent.instances.clear();
    silent.controls.clear();

    Results {
        format: FORMAT,
        provenance: Provenance {
            problem: Some(Verified {
                name: "mine".into(),
                arguments: vec!["--problem".into(), "mine.toml".into()],
                about: "2-3-1, batch-norm, tanh, logistic; full batch of 8".into(),
                fingerprint: "0123456789abcdef".into(),
                parameters: 17,
                blocks: 4,
                settings: vec!["eta_w: 0.1, 10".into(), "steps: 2000".into()],
            }),
            version: "0.1.0".into(),
            commit: "4f1c2d9".into(),
            seed: 7,
            profile: Profile::Quick,
            threads: 2,
            target_cpu: "x86_64-unknown-linux-gnu, avx2 fma".into(),
            compiler: "rustc 1.95.0".into(),
            started_unix: 1_557_153_000,
            seconds: 48.3,
        },
        claims: vec![scale, lemma, broken, weak, rate, open, silent, error],
        pending: vec!["theorem-4.2".into()],
        map: map(),
        errata: errata(),
    }
}

/// A claim that was run, several, one that was not, and an exclusion.
fn map() -> Vec<Chapter> {
    let place = |name: &str, claims: &[&str], excluded: Option<&str>| Place {
        name: name.into(),
        gist: format!("what {name} says, with a < b & \"c\""),
        claims: claims.iter().map(|&id| id.into()).collect(),
        excluded: excluded.map(str::to_owned),
    };
    vec![
        Chapter {
            title: "2 General framework".into(),
            statements: vec![
                place("Definition 2.1", &["definition-2.1"], None),
                place("Lemma 2.2 (5)", &["lemma-2.2", "definition-2.1"], None),
                place("Lemma 2.4", &["lemma-2.4.1"], None),
            ],
        },
        Chapter {
            title: "D Experiments".into(),
            statements: vec![place("D.1", &[], Some("experiments, <i>not yet</i> run"))],
        },
    ]
}

/// One with numbers, one without.
fn errata() -> Vec<Entry> {
    let entry = |id: &str, example| Entry {
        id: id.into(),
        place: "appendix A".into(),
        printed: "an extra factor 1/‖w_j‖ <b>bold</b> & \"quoted\"".into(),
        corrected: "no such factor".into(),
        standing: errata::Standing::FalseAsPrinted,
        claims: vec!["lemma-2.2".into(), "lemma-9.9".into()],
        example,
    };
    let example = Example {
        setting: "w = (0, 2) <img alt=x>".into(),
        printed: Reading::equal("a = b/4", 0.5, 0.25, 0.0),
        corrected: Reading::at_most("a ≤ b/2", 0.5, 0.5, 0.0),
    };
    vec![entry("E1", None), entry("E2", Some(example))]
}

fn comparison(at: &str, lhs: f64, rhs: f64) -> Comparison {
    Comparison { at: at.into(), lhs, rhs, rounding: 0.0, margin: (rhs - lhs) / rhs, replay: None }
}

fn hypothesis(name: &str, standing: Standing, detail: &str) -> Hypothesis {
    Hypothesis { name: name.into(), standing, detail: detail.into() }
}

fn claim(id: &str, title: &str, kind: &str, verdict: Verdict) -> ClaimResult {
    let instances = vec![
        InstanceResult {
            name: "teacher 8-16-16-1".into(),
            part: Part::Own,
            count: 12_800,
            failures: 0,
            worst: comparison("teacher 8-16-16-1 · batch 7 · block 11", 3.3e-16, 7.1e-15),
        },
        InstanceResult {
            name: "digits 64-16-16-10".into(),
            part: Part::Own,
            count: 480,
            failures: 0,
            worst: comparison("digits 64-16-16-10 · step 0 · ‖w‖ = 10⁻³ · layer 2", 8.9e-16, 1e-14),
        },
    ];
    let control = |name: &str, breaks: &str, detail: &str| ControlResult {
        name: name.into(),
        breaks: breaks.into(),
        outcome: ControlOutcome::Rejected,
        detail: detail.into(),
    };
    ClaimResult {
        id: id.into(),
        title: title.into(),
        kind: kind.into(),
        origin: Origin::Paper,
        plain: format!("What {title} says in one plain sentence."),
        formula: "‖∇_w F(W; g)‖ = ‖∇_v F(V; g)‖ / ‖w‖".into(),
        latex: vec![r"\|\nabla_wF(W;g)\|=\frac{\|\nabla_vF(V;g)\|}{\|w\|}".into()],
        printed_at: "section 2.2, equation (5)".into(),
        measured: "Random networks and the digits network, every block of every minibatch, before and after 200 steps."
            .into(),
        tolerance: "64 roundings for each of the layers: the depth of the longest chain of operations.".into(),
        does_not_show: "That it holds for normalisations not listed here.".into(),
        verdict,
        worst: Some(instances[1].worst.clone()),
        near_failures: NearFailures::default(),
        reduced: None,
        instances,
        hypotheses: Vec::new(),
        controls: vec![
            control(
                "normalisation removed",
                "The same network without normalisation, so that no block is scale invariant.",
                "teacher · block 0: 1.4e-1 exceeds 7.1e-15",
            ),
            control(
                "c < 0",
                "The block is multiplied by a negative number, which turns the sign of its output.",
                "teacher · block 3: 3.0e-1 exceeds 7.1e-15",
            ),
        ],
        observations: Vec::new(),
        plots: Vec::new(),
        seconds: 0.42,
    }
}

fn steps(decades: f64, n: u32) -> impl Iterator<Item = f64> + Clone {
    (0..=n).map(move |i| 10.0_f64.powf(decades * f64::from(i) / f64::from(n)).round()).filter(|t| *t >= 1.0)
}

/// A measured decay with its fit, its band, the reference and the window.
fn decays() -> Plot {
    let measured: Vec<[f64; 2]> =
        steps(5.5, 120).map(|t| [t, 0.7 * (t + 30.0).powf(-0.4996) * (1.0 + 0.05 * (t.ln() * 3.0).sin())]).collect();
    let band = measured.iter().map(|p| [p[1] * 0.85, p[1] * 1.17]).collect();
    let fit = vec![[3e3, 0.7 * 3e3_f64.powf(-0.4996)], [3.2e5, 0.7 * 3.2e5_f64.powf(-0.4996)]];
    Plot {
        id: "helix".into(),
        title: "The T-indexed helix falls as T^(-1/2), neither faster nor slower".into(),
        caption:
            "The running minimum of the gradient norm on the T-indexed helix, with its fit and the theorem's slope."
                .into(),
        x: Axis::log("steps T"),
        y: Axis::log("min over t < T of ‖∇L(V; g)‖"),
        series: vec![
            Series { band, ..Series::new("measured", Style::Line, measured) },
            Series::new("fit: slope −0.4996", Style::Dashed, fit),
        ],
        references: vec![Reference { name: "Theorem 3.1: T^(−1/2)".into(), slope: -0.5, through: [1.0, 1.6] }],
        window: Some([3e3, 3.2e5]),
        noise_floor: Some(1e-15),
    }
}

/// Curves for eight decades of the learning rate that end close together, with a noise floor in sight.
fn overlapping() -> Plot {
    let curve = |k: i32| {
        let eta = 10.0_f64.powi(k);
        let points = steps(6.0, 150)
            .map(|t| {
                [
                    t,
                    (0.4 / (1.0 + t * eta.min(3.0) * 0.02).powf(1.5 + 0.04 * f64::from(k))
                        * (1.0 + 0.2 * (f64::from(k) + t.ln()).sin()))
                    .max(3e-13),
                ]
            })
            .collect();
        Series::new(format!("η_w = 1e{k}"), Style::Line, points)
    };
    Plot {
        id: "eight-decades".into(),
        title: "Eight decades of learning rate, one behaviour".into(),
        caption:
            "Digits network, full batch: the gradient norm for η_w from 1e-4 to 1e4; all fall at least as fast as \
                  the theorem says."
                .into(),
        x: Axis::log("steps T"),
        y: Axis::log("min over t < T of ‖∇L‖²"),
        series: (-4..=4).map(curve).collect(),
        references: vec![Reference { name: "Theorem 3.1: T^(−1)".into(), slope: -1.0, through: [10.0, 0.3] }],
        window: Some([1e4, 1e6]),
        noise_floor: Some(1e-9),
    }
}

/// Linear axes, points with intervals.
fn effective() -> Plot {
    let points: Vec<[f64; 2]> = (0..9).map(|i| [f64::from(i) / 16.0, -0.5 + 0.02 * f64::from(i * i % 5)]).collect();
    let band = points.iter().map(|p| [p[1] - 0.03, p[1] + 0.02]).collect();
    Plot {
        id: "slopes".into(),
        title: "Fitted slopes for the schedules (t+1)^(−α)".into(),
        caption: "Each point is a fit, with its 95 % interval.".into(),
        x: Axis::linear("α"),
        y: Axis::linear("slope"),
        series: vec![
            Series { band, ..Series::new("fitted slope", Style::Points, points) },
            Series::new("predicted", Style::Dashed, vec![[0.0, -0.5], [0.5, -0.45]]),
        ],
        references: Vec::new(),
        window: None,
        noise_floor: None,
    }
}

/// Five schedules with bands and fits.
fn sgd() -> Plot {
    let mut series = Vec::new();
    for (i, alpha) in ["0", "1/8", "1/4", "3/8", "1/2"].iter().enumerate() {
        let p = -0.25 + 0.012 * i as f64;
        let at = |t: f64| 0.5 * (t + 5.0).powf(p) * (1.0 + 0.04 * ((t.ln() + i as f64) * 4.0).sin());
        let points: Vec<[f64; 2]> = steps(6.0, 90).map(|t| [t, at(t)]).collect();
        let band = points.iter().map(|q| [q[1] * 0.9, q[1] * 1.1]).collect();
        series.push(Series { band, ..Series::new(format!("α = {alpha}"), Style::Line, points) });
        series.push(Series::new(
            format!("fit {p:.3} ± 0.004"),
            Style::Dashed,
            vec![[1e4, 0.5 * 1e4_f64.powf(p)], [1e6, 0.5 * 1e6_f64.powf(p)]],
        ));
    }
    Plot {
        id: "sgd".into(),
        title: "SGD on problem J for five schedules: the root mean square falls as T^(-1/4)".into(),
        caption: "Mean over 128 seeds with its 95 % band.".into(),
        x: Axis::log("steps T"),
        y: Axis::log("root mean square of ‖∇L(V; g)‖"),
        series,
        references: vec![Reference {
            name: "Theorem 4.2: T^(−1/4), up to a logarithm".into(),
            slope: -0.25,
            through: [1.0, 0.9],
        }],
        window: Some([1e4, 1e6]),
        noise_floor: None,
    }
}

/// What no one would plot, and must not break anything.
fn odd() -> Plot {
    Plot {
        id: "odd <&\"".into(),
        title: "Tiny, huge & <awkward>".into(),
        caption: "Values that cannot be shown are left out.".into(),
        x: Axis::log("steps"),
        y: Axis::log("‖w‖²"),
        series: vec![
            Series::new(
                "gaps, \"quoted\"",
                Style::Line,
                vec![
                    [1.0, 1e-300],
                    [10.0, f64::NAN],
                    [100.0, 1e300],
                    [1e3, f64::INFINITY],
                    [1e4, 5e-324],
                    [2e4, 0.1 + 0.2],
                ],
            ),
            Series::new("nothing", Style::Points, vec![[0.0, 1.0], [1.0, f64::NEG_INFINITY]]),
        ],
        references: Vec::new(),
        window: None,
        noise_floor: None,
    }
}
