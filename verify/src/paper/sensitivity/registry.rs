//! Which claim measures which constants, and why some are needed by nothing.

use ratecheck::bounds::Constant;
use ratecheck::bounds::Constant::*;

/// The claims with explicit bounds, in the order of the paper, each with the constants of its own statement.
pub(super) const CLAIMS_OF: &[(&str, &[Constant])] = &[
    (
        "theorem-3.1",
        &[
            C,
            K,
            KRatio,
            KHalf,
            KPhaseC,
            KGradient,
            Gap,
            SumV,
            SumVA,
            SumVStart,
            Tight,
            TightA,
            TightStart,
            SumG,
            SketchGap,
            SketchGrowth,
            Min31,
        ],
    ),
    ("equation-11", &[Growth]),
    ("lemma-3.2", &[C, CCurvature, CCoupling, CBlocks, StepW, StepG]),
    ("lemma-3.2-proved", &[C, CCurvature, CCoupling, CBlocks, StepW, StepG]),
    ("remark-4.1", &[D, DSquare, DFourth]),
    ("theorem-4.2", &[C, CCoupling, U, UHalf, UQuarter, Lam, One42, Step42, Gap42, Br, Psi, PsiG, Min42]),
    ("lemma-a.2", &[C, CBlocks, PhaseC, PhaseGradient, K, KRatio, KHalf, KPhaseC, KGradient, Gap, PaidW, PaidG]),
    ("lemma-b.1", &[LogB1, OneB1, StepB1]),
    ("lemma-b.1-sharp", &[LnB1, StepB1Sharp]),
    ("lemma-b.2", &[C, CCurvature, CCoupling, DescentW, DescentG, U, UHalf, UQuarter, TaylorVv, TaylorVg, TaylorGg]),
    ("lemma-b.3", &[D, DSquare, DFourth, Psi]),
    ("lemma-b.4", &[LogB4, OneB4, StepB4]),
    ("lemma-c.1", &[ScaleC1, InputC1]),
    ("lemma-c.1-sharp", &[ScaleC1, SharpC1, AllC1]),
    ("lemma-c.2", &[QLast, QBack, Gamma, GammaStart, RadiusC2]),
    ("theorem-c.3", &[QLast, QBack, Gamma, GammaStart, RadiusC2]),
    ("cost-of-eta", &[CostPhase, CostJump, CostOsc, CostSum, CostSumG, CostGap, CostOne, CostLog]),
];

/// The constants of a claim's own statement; none for most claims.
pub fn constants_of(claim: &str) -> &'static [Constant] {
    CLAIMS_OF.iter().find(|(id, _)| *id == claim).map_or(&[], |(_, constants)| constants)
}

/// Why a constant can be without need. Where the theorem itself is loose, no instance can be built.
pub(super) fn reason(constant: Constant) -> &'static str {
    match constant {
        OneB1 | OneB4 => "By lemma-b.1-sharp the bound holds with ln and B/a_0 alone, whatever the sequence.",
        One42 => "By lemma-b.1-sharp (23), from which it comes, holds without it.",
        K | KRatio | KHalf | KPhaseC | KGradient => {
            "Theorem 3.1 squares A and Lemma A.2 pays for a first phase in which a bounded loss could not rise: the \
             other terms are enough."
        }
        SumVA | TightA | SumVStart | TightStart => {
            "Of the two terms in the bracket the other one is enough on every run."
        }
        C | CBlocks | CCoupling | CCurvature => {
            "Here the other terms of the bound are enough: lemma-3.2 needs it whole."
        }
        Gap | Gap42 => "The noise and first-phase terms exceed what the loss can fall by.",
        SketchGap | SketchGrowth => "Of the two terms of the sketch the other one is enough.",
        SumG | Min31 | SumV | Tight => "The bound is loose by powers of ten on every run: see its slack.",
        PaidW | PaidG => "What the left-hand side pays is far below the bound.",
        U | UHalf | UQuarter => "The variance that was met is below G_g², and the other part of U is enough.",
        Lam | Step42 | Br | Psi | PsiG | Min42 => {
            "With noise Theorem 4.2 is loose by powers of ten, and without it is Δ that counts: the other terms of Br \
             are enough."
        }
        TaylorVv | TaylorVg | TaylorGg => {
            "The steps of the tree are not along the largest curvature: the other terms are enough."
        }
        LogB1 | StepB1 => "The other terms are enough on every sequence that was tried.",
        QLast | QBack | Gamma | GammaStart | RadiusC2 => {
            "Bounds by composition grow like a product over the layers: runs stay far inside, and lemma-c.2 needs it."
        }
        CostPhase | CostOne | CostLog => {
            "At large η_w the N_i/η beside D grows, at small ones there is no first phase."
        }
        _ => "The other terms of the bound are enough on every instance.",
    }
}
