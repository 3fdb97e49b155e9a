//! A sharper Lemma B.1: the natural logarithm in place of log2, and B/a_0 in place of 1 + 2B/a_0. Derived here.
//!
//! With A_s = a_0 + .. + a_s and 0 <= a_t <= B, split off the last term and compare the others with a_t/A_t:
//!
//!   sum_{t<T} a_t/A_{t-1} = sum_{t<T} a_t/A_t + sum_{t<T} a_t^2/(A_{t-1} A_t),   t >= 1.
//!
//! In the first sum, a_t/A_t = 1 - A_{t-1}/A_t <= ln(A_t/A_{t-1}), which telescopes to ln(A_{T-1}/a_0). In the second,
//! a_t^2/(A_{t-1} A_t) <= B (A_t - A_{t-1})/(A_{t-1} A_t) = B (1/A_{t-1} - 1/A_t), which telescopes to B/a_0 -
//! B/A_{T-1}. The last term is a_T/A_{T-1} <= B/A_{T-1}, and cancels what is subtracted. Together
//!
//!   sum_{t=1}^T a_t/A_{t-1} <= ln(A_{T-1}/a_0) + B/a_0.
//!
//! It is an equality for T = 1, a_1 = B, and both logarithms agree in the limit of many small steps; so neither term
//! can be multiplied by less than 1.

use ratecheck::bounds::lemma_b1_sharp;
use ratecheck::scalar::Scalar;

use super::lemma_b_1::{constant, figure, measure, one};
use crate::claim::evidence::{Claim, Context, Control, Evidence, Kind, Origin, Statement, Unevaluated};

/// See the module's first line.
pub(super) struct LemmaB1Sharp;

static STATEMENT: Statement = Statement {
    id: "lemma-b.1-sharp",
    title: "Lemma B.1, sharp",
    plain: "Increments between 0 and B, each divided by the sum of all before it, sum to no more than the natural \
            logarithm of the whole plus B/a_0.",
    formula: "Σ_{t=1}^T a_t/A_{t-1} ≤ ln(A_{T-1}/a_0) + B/a_0,   A_s = a_0 + … + a_s,  a_0 > 0,  0 ≤ a_t ≤ B",
    latex: &[
        r"\sum_{t=1}^T\frac{a_t}{A_{t-1}}\le\ln\frac{A_{T-1}}{a_0}+\frac{B}{a_0},\qquad A_s=a_0+\dots+a_s,\quad a_0>0,\quad0\le a_t\le B",
    ],
    printed_at: "not in the paper: Lemma B.1 has log₂ for ln and 1 + 2B/a_0 for B/a_0",
    kind: Kind::Inequality,
    origin: Origin::Derived,
    hypotheses: &["a_0 > 0", "0 ≤ a_t ≤ B for t ≥ 1"],
    measured: "at every T of the sequences of lemma-b.1",
    tolerance: "as in lemma-b.1, (4T + 16)u(1 + right-hand side); for one step both sides are the same quotient",
    does_not_show: "that both terms are used up at once: no sequence needs that",
};

impl Claim for LemmaB1Sharp {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let bound = |a: f64, b, sum| context.factors.lemma_b1_sharp(a, b, sum);
        let mut evidence = measure(&bound, Some(&|a, b, sum| context.factors.lemma_b1_sharp(a, b, sum)), context);
        let title = "The sums stay below ln of the whole plus B/a_0, which single large and many small steps use up";
        evidence.plots.push(figure::sums(title, "ln(A_(T-1)/a_0) + B/a_0", &bound));
        Ok(evidence)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "0.999 B/a_0",
                breaks: "the last term is 0.1 % smaller, on one step a_1 = B",
                run: |_| Ok(one("one large step", &[1.0, 1e3], &|a, b, sum| lemma_b1_sharp(a, 0.999 * b, sum))),
            },
            Control {
                name: "0.999 ln",
                breaks: "the logarithm is 0.1 % smaller, on many small steps",
                run: |_| {
                    let slow = constant(1e6, 1.0, 2_000_000);
                    Ok(one("slow", &slow, &|a, b, sum| 0.999 * Scalar::ln(sum / a) + b / a))
                },
            },
        ]
    }
}
