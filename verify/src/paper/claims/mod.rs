//! The claims, one file per statement of the paper. [`CLAIMS`] is the only list of them.

mod appendix_a_identities;
mod appendix_d;
mod auto_tuning_gd;
mod auto_tuning_sgd;
mod cost_of_eta;
mod definition_2_1;
mod effective_rate_law;
mod equation_11;
mod equation_14;
mod equation_8;
mod equilibrium;
mod euler_identities;
mod footnote_1;
mod growing_rate;
mod largest_eta_g;
mod lemma_2_2;
mod lemma_2_4_1;
mod lemma_2_4_2;
mod lemma_3_2;
mod lemma_3_2_proved;
mod lemma_a_1;
mod lemma_a_1_sharp;
mod lemma_a_2;
mod lemma_b_1;
mod lemma_b_1_sharp;
mod lemma_b_2;
mod lemma_b_3;
mod lemma_b_4;
mod lemma_c_1;
mod lemma_c_1_sharp;
mod lemma_c_2;
mod momentum_law;
mod remark_2_6;
mod remark_4_1;
mod rest;
mod section_2_1_gamma_beta;
mod section_2_4_smoothness;
mod section_2_5_initialisation;
mod section_5_momentum;
mod sgd_constant;
mod tanh_pi_half;
#[cfg(test)]
mod tests_identities;
mod theorem_2_5;
mod theorem_3_1;
mod theorem_3_1_rate;
mod theorem_4_2;
mod theorem_4_2_rate;
mod theorem_c_3;
mod two_phases;

#[cfg(test)]
mod tests_beyond;
#[cfg(test)]
mod tests_gradient_descent;
#[cfg(test)]
mod tests_stochastic;

use crate::claim::evidence::Claim;

/// Every claim, in the order in which the paper prints the statements: that of the map in
/// [`crate::paper::manifest`]. The last ones go beyond the paper.
pub static CLAIMS: &[&dyn Claim] = &[
    &definition_2_1::Definition21,
    &section_2_1_gamma_beta::GammaBeta,
    &lemma_2_2::Lemma22,
    &section_2_4_smoothness::Smooth,
    &equation_8::Equation8,
    &footnote_1::Footnote1,
    &lemma_2_4_1::Lemma241,
    &lemma_2_4_2::Lemma242,
    &theorem_2_5::Theorem25,
    &remark_2_6::Remark26,
    &section_2_5_initialisation::Initialisation,
    &theorem_3_1::Theorem31,
    &theorem_3_1_rate::Theorem31Rate,
    &auto_tuning_gd::AutoTuningGd,
    &equation_11::Equation11,
    &lemma_3_2::Lemma32,
    &lemma_3_2_proved::Lemma32Proved,
    &largest_eta_g::LargestEtaG,
    &two_phases::TwoPhases,
    &remark_4_1::Remark41,
    &theorem_4_2::Theorem42,
    &theorem_4_2_rate::Theorem42Rate,
    &effective_rate_law::EffectiveRateLaw,
    &auto_tuning_sgd::AutoTuningSgd,
    &equation_14::Equation14,
    &section_5_momentum::Momentum,
    &euler_identities::EulerIdentities,
    &appendix_a_identities::AppendixAIdentities,
    &lemma_a_1::LemmaA1,
    &lemma_a_1_sharp::LemmaA1Sharp,
    &tanh_pi_half::TanhPiHalf,
    &lemma_a_2::LemmaA2,
    &lemma_b_1::LemmaB1,
    &lemma_b_1_sharp::LemmaB1Sharp,
    &lemma_b_2::LemmaB2,
    &lemma_b_3::LemmaB3,
    &lemma_b_4::LemmaB4,
    &lemma_c_1::LemmaC1,
    &lemma_c_1_sharp::LemmaC1Sharp,
    &lemma_c_2::LemmaC2,
    &theorem_c_3::TheoremC3,
    &appendix_d::AppendixD,
    &cost_of_eta::CostOfEta,
    &sgd_constant::SgdConstant,
    &momentum_law::MomentumLaw,
    &growing_rate::GrowingRate,
    &equilibrium::Equilibrium,
    &rest::Rest,
];
