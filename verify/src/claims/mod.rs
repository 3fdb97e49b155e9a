//! The claims, one file per statement of the paper, in paper order. [`CLAIMS`] is the only list of them.

mod auto_tuning_gd;
mod auto_tuning_sgd;
mod definition_2_1;
mod equation_8;
mod lemma_2_2;
mod lemma_2_4_1;
mod lemma_2_4_2;
mod section_2_1_gamma_beta;

use crate::evidence::Claim;

/// Every claim, in the order of the paper.
pub static CLAIMS: &[&dyn Claim] = &[
    &definition_2_1::Definition21,
    &section_2_1_gamma_beta::GammaBeta,
    &equation_8::Equation8,
    &lemma_2_2::Lemma22,
    &lemma_2_4_1::Lemma241,
    &lemma_2_4_2::Lemma242,
    &auto_tuning_gd::AutoTuningGd,
    &auto_tuning_sgd::AutoTuningSgd,
];
