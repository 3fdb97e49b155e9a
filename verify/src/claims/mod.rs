//! The claims, one file per statement of the paper, in paper order. [`CLAIMS`] is the only list of them.

mod definition_2_1;
mod equation_11;
mod equation_8;
mod lemma_2_2;
mod lemma_2_4_1;
mod lemma_2_4_2;
mod lemma_3_2;
mod section_2_1_gamma_beta;
mod theorem_3_1;
mod theorem_3_1_rate;

use crate::evidence::Claim;

/// Every claim, in the order of the paper.
pub static CLAIMS: &[&dyn Claim] = &[
    &definition_2_1::Definition21,
    &section_2_1_gamma_beta::GammaBeta,
    &equation_8::Equation8,
    &lemma_2_2::Lemma22,
    &lemma_2_4_1::Lemma241,
    &lemma_2_4_2::Lemma242,
    &theorem_3_1::Theorem31,
    &theorem_3_1_rate::Theorem31Rate,
    &equation_11::Equation11,
    &lemma_3_2::Lemma32,
];
