//! Lemma A.1: the gradient of a block is bounded by its curvature, as printed with the factor pi.
//!
//! It follows from the form without pi, which `lemma-a.1-sharp` derives and measures; here the printed constant stands
//! on the right, and what is of interest is how much of it is ever used:
//! at most tanh(pi/2)/pi = 0.292 where L^vv is the largest curvature.

use std::f64::consts::PI;

use super::lemma_a_1_sharp::{controls_on_subject, measure, measure_on_subject, plot, quadratic, tanh_circle};
use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Statement, SubjectControl, Unevaluated,
};
use crate::claim::subject::{Premise, Subject};

/// See the module's first line.
pub(super) struct LemmaA1;

static STATEMENT: Statement = Statement {
    id: "lemma-a.1",
    title: "Lemma A.1",
    plain: "The gradient with respect to a scale-invariant block is at most π times the block's curvature, over the \
            block's norm.",
    formula: "‖∇_{w⁽ⁱ⁾}L(W; g)‖ ≤ π L^vv_ii/‖w⁽ⁱ⁾‖",
    latex: &[r"\|\nabla_{w^{(i)}}L(W;g)\|\le\frac{\pi\,L^{vv}_{ii}}{\|w^{(i)}\|}"],
    printed_at: "appendix A, Lemma A.1, equation (18)",
    kind: Kind::Inequality,
    origin: Origin::Paper,
    hypotheses: &[
        "F_z is scale invariant in w⁽ⁱ⁾ and C² (section 2.4; the integral over the segment needs C^{1,1} alone)",
        "L^vv_ii bounds ∇²_{ii}F_z for every minibatch at (almost all) unit blocks",
    ],
    measured: "as in lemma-a.1-sharp: exact constants on nine closed forms, and on networks the Hessian's block at the \
               same point, which is at most L^vv_ii",
    tolerance: "64u of both sides for closed forms, 512u for networks: the roundings of a gradient and of a \
                Hessian-vector product",
    does_not_show: "that π is needed: it is not, and no instance uses more than 0.292 of the printed constant with \
                    L^vv, or 1/π = 0.318 with the Hessian at the same point",
};

impl Claim for LemmaA1 {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let (mut evidence, ratios) = measure(PI.into(), context)?;
        let title = "No gradient uses more than 1/π of the printed bound: its factor π is not needed";
        evidence.plots.push(plot(&ratios, title, [("the bound as printed", 1.0), ("1/π of it", PI.recip())]));
        Ok(evidence)
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "π/4 for π",
                breaks: "the constant is a quarter of the printed one, on the tanh circle",
                run: |context| {
                    let mut check = Check::new();
                    tanh_circle(&mut check, (PI / 4.0).into(), context);
                    Ok(check)
                },
            },
            Control {
                name: "no scale invariance",
                breaks: "F = ‖w‖², whose Hessian is 2 and whose gradient grows with ‖w‖",
                run: |context| Ok(quadratic(PI.into(), context)),
            },
        ]
    }
}

impl Measure for LemmaA1 {
    fn needs(&self) -> &'static [Premise] {
        &[Premise::ScaleInvariant, Premise::Smooth]
    }

    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated> {
        measure_on_subject(subject, PI, context)
    }

    fn controls(&self) -> Vec<SubjectControl> {
        controls_on_subject()
    }
}
