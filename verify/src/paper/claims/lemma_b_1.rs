//! Lemma B.1: a sum of increments, each over the sum so far, grows as a logarithm.
//!
//! A sharper form is derived in `lemma-b.1-sharp`.

pub(super) mod figure;

use rand::RngExt;
use ratecheck::bounds::{Constant, lemma_b1};
use ratecheck::random::Generator;
use ratecheck::scalar::{DoubleDouble, Scalar};

use crate::claim::closest::Closest;
use crate::claim::evidence::{Check, Claim, Context, Control, Evidence, Kind, Origin, Statement, Unevaluated};
use crate::claim::instances::U;

/// See the module's first line.
pub(super) struct LemmaB1;

static STATEMENT: Statement = Statement {
    id: "lemma-b.1",
    title: "Lemma B.1",
    plain: "Increments between 0 and B, each divided by the sum of all before it, sum to no more than the logarithm of \
            the whole, up to a constant.",
    formula: "Σ_{t=1}^T a_t/A_{t-1} ≤ log₂(A_{T-1}/a_0) + 1 + 2B/a_0,   A_s = a_0 + … + a_s,  a_0 > 0,  0 ≤ a_t ≤ B",
    latex: &[
        r"\sum_{t=1}^T\frac{a_t}{A_{t-1}}\le\log_2\frac{A_{T-1}}{a_0}+1+\frac{2B}{a_0},\qquad A_s=a_0+\dots+a_s,\quad a_0>0,\quad0\le a_t\le B",
    ],
    printed_at: "appendix B, Lemma B.1",
    kind: Kind::Inequality,
    origin: Origin::Paper,
    hypotheses: &["a_0 > 0", "0 ≤ a_t ≤ B for t ≥ 1; a_0 may be larger than B"],
    measured: "at every T of random sequences (uniform, over many decades, sparse) with a_0 from 1e-6 B to 1e3 B, and \
               of the families that come near: doubling, a_t = min(B, A_{t-1}); constant, a_t = B; slow, a_t = B ≪ a_0",
    tolerance: "the sums have positive terms: 3u for each quotient and u for each addition; A_{T-1} is off by Tu of \
                itself, which moves its logarithm by Tu: (4T + 16)u(1 + right-hand side)",
    does_not_show: "that its constants are needed: by lemma-b.1-sharp the sum is at most ln 2 = 0.69 of the right-hand \
                    side",
};

/// What bounds the sum, in a_0, B and A_{T-1}.
pub(super) type Bound<'a, S = f64> = &'a (dyn Fn(S, S, S) -> S + Sync);

impl Claim for LemmaB1 {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let bound = |a, b, sum| context.factors.lemma_b1(a, b, sum);
        let mut evidence = measure(&bound, None, context);
        let title = "The sums stay below the bound of Lemma B.1 and do not use more than 0.69 of it";
        evidence.plots.push(figure::sums(title, "log₂(A_(T-1)/a_0) + 1 + 2B/a_0", &bound));
        Ok(evidence)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "without 2B/a_0",
                breaks: "log₂(A_{T-1}/a_0) + 1 alone, on a_0 = 1, a_t = 100",
                run: |_| Ok(one("constant", &constant(1.0, 100.0, 400), &|a, _, sum| lemma_b1(a, 0.0, sum))),
            },
            Control {
                name: "0.49 of 2B/a_0",
                breaks: "the last term is halved and a little more, on a_0 = 1, a_1 = 1000",
                run: |_| Ok(one("one large step", &[1.0, 1e3], &|a, b, sum| lemma_b1(a, 0.49 * b, sum))),
            },
            Control {
                name: "0.57 of log₂",
                breaks: "a logarithm of base 3.4, on a_0 = 1, a_t = 1/10 for 10,000 steps, which need 0.578 of it; \
                         no sequence needs more than ln 2",
                run: |context| {
                    let less = context.claiming(Constant::LogB1, 0.57).factors;
                    Ok(one("constant", &constant(1.0, 0.1, 10_000), &|a, b, sum| less.lemma_b1(a, b, sum)))
                },
            },
            Control {
                name: "log₂ alone",
                breaks: "neither \"+1\" nor 2B/a_0, on doubling: the sum of T ones against T - 1",
                run: |_| Ok(one("doubling", &doubling(1.0, 1e9, 12), &|a, _, sum| lemma_b1(a, 0.0, sum) - 1.0)),
            },
            Control {
                name: "ln for log₂, without 2B/a_0",
                breaks: "the natural logarithm with \"+1\" alone, on doubling",
                run: |_| Ok(one("doubling", &doubling(1.0, 1e9, 12), &|a, _, sum| Scalar::ln(sum / a) + 1.0)),
            },
        ]
    }
}

/// Every family against a bound, with the share of it that each uses; `precise` is the bound in double-double,
/// for replays.
pub(super) fn measure(bound: Bound<'_>, precise: Option<Bound<'_, DoubleDouble>>, context: &Context) -> Evidence {
    let mut evidence = Evidence::default();
    let long = context.pick([1_000, 10_000, 100_000, 1_000_000]);
    let families: [(&str, Vec<Vec<f64>>); 5] = [
        ("doubling", vec![doubling(1.0, 1e9, 200), doubling(1.0, 1.0, 200), doubling(1e-3, 2.0, long)]),
        (
            "constant",
            vec![
                constant(1.0, 100.0, 400),
                constant(1.0, 1.0, long),
                constant(1.0, 0.1, 10_000),
                constant(1e-6, 1.0, long),
            ],
        ),
        ("slow", vec![constant(1e3, 1.0, 20_000), constant(1e6, 1.0, long)]),
        ("one large step", vec![vec![1.0, 1e3], vec![1.0, 1e9], vec![1e-9, 1.0]]),
        ("random", random(context)),
    ];
    for (name, sequences) in families {
        let mut ratio = 0.0_f64;
        for sequence in sequences {
            ratio = ratio.max(compare(&mut evidence.check, name, &sequence, bound, precise));
        }
        evidence.observe(format!("largest sum/bound, {name}"), ratio, "1 would be sharp");
    }
    evidence
}

/// One sequence against a bound.
pub(super) fn one(name: &str, a: &[f64], bound: Bound<'_>) -> Check {
    let mut check = Check::new();
    compare(&mut check, name, a, bound, None);
    check
}

/// Compares at every T with B the largest increment; returns the largest ratio.
fn compare(
    check: &mut Check,
    name: &str,
    a: &[f64],
    bound: Bound<'_>,
    precise: Option<Bound<'_, DoubleDouble>>,
) -> f64 {
    let b = a[1..].iter().copied().fold(0.0, f64::max);
    let (mut total, mut sum, mut closest, mut ratio) = (a[0], 0.0, Closest::NONE, 0.0_f64);
    for (t, x) in a.iter().enumerate().skip(1) {
        sum += x / total;
        let rhs = bound(a[0], b, total);
        closest.keep_scaled(t as u64, sum, rhs, 1.0 + rhs);
        // Below that the logarithm is rounding.
        if rhs > 1e-6 {
            ratio = ratio.max(sum / rhs);
        }
        total += x;
    }
    let at = format!("{name} · a_0 = {:.2e}, B = {b:.2e}, length {}", a[0], a.len() - 1);
    closest.replayed(check, &at, (4.0 * a.len() as f64 + 16.0) * U, |t| precise.map(|bound| replay(a, b, t, bound)));
    ratio
}

/// The sum up to T = `end` and its bound in double-double.
fn replay(a: &[f64], b: f64, end: u64, bound: Bound<'_, DoubleDouble>) -> [DoubleDouble; 2] {
    let start = DoubleDouble::from(a[0]);
    let (mut total, mut before_last, mut sum) = (start, start, DoubleDouble::ZERO);
    for &x in &a[1..=end as usize] {
        let x = DoubleDouble::from(x);
        sum += x / total;
        before_last = total;
        total += x;
    }
    [sum, bound(start, DoubleDouble::from(b), before_last)]
}

/// a_t = min(B, A_{t-1}).
fn doubling(a_start: f64, b: f64, n: usize) -> Vec<f64> {
    let (mut a, mut total) = (vec![a_start], a_start);
    for _ in 0..n {
        let x = total.min(b);
        a.push(x);
        total += x;
    }
    a
}

/// a_t = B.
pub(super) fn constant(a_start: f64, b: f64, n: usize) -> Vec<f64> {
    let mut a = vec![b; n + 1];
    a[0] = a_start;
    a
}

/// B = 1: uniform, over up to 30 decades, and mostly 0; lengths from 1 to some hundreds, a_0 over nine decades.
fn random(context: &Context) -> Vec<Vec<f64>> {
    let mut generator = context.generator("sequences");
    let draw = |k: usize, generator: &mut Generator| -> f64 {
        let x: f64 = generator.random();
        match k % 3 {
            0 => x,
            1 => Scalar::exp(-70.0 * x),
            _ => f64::from(u8::from(x < 0.05)),
        }
    };
    (0..context.pick([300, 3_000, 30_000, 100_000]))
        .map(|k| {
            let n = Scalar::exp(generator.random_range(0.0..6.5)) as usize;
            let a_start = Scalar::exp(generator.random_range(-13.8..6.9));
            std::iter::once(a_start).chain((0..n).map(|_| draw(k, &mut generator)).collect::<Vec<_>>()).collect()
        })
        .collect()
}
