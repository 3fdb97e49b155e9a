//! The registry of the constants, and factors of them: with all factors 1 the bounds are the paper's.
//!
//! A bound that holds says nothing of a constant in it that could as well be a tenth. So every factor and every term of
//! the explicit bounds can be multiplied by hand, and what still holds be looked at.

use crate::scalar::Scalar;

/// On which side of an inequality a constant is a concession.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// The bound grows with it: less of it is a stronger statement.
    Above,
    /// What is bounded grows with it, or a bound from below does: more of it is a stronger statement.
    Below,
}

macro_rules! constants {
    ($($name:ident: $side:ident, $key:literal, $symbol:literal, $place:literal;)*) => {
        /// A factor or a term of an explicit bound.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Constant {
            $(#[doc = concat!($place, ". ", $symbol)] $name,)*
        }

        impl Constant {
            /// All of them, in the order of the paper's statements.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// A short name without spaces, for data.
            pub fn key(self) -> &'static str {
                match self { $(Self::$name => $key),* }
            }

            /// In the paper's notation.
            pub fn symbol(self) -> &'static str {
                match self { $(Self::$name => $symbol),* }
            }

            /// Where it stands.
            pub fn place(self) -> &'static str {
                match self { $(Self::$name => $place),* }
            }

            fn side(self) -> Side {
                match self { $(Self::$name => Side::$side),* }
            }
        }
    };
}

constants! {
    C: Above, "C", "C_i the whole", "Lemma 3.2";
    CCurvature: Above, "C.curvature", "C_i: ½Σ_j L^vv_ij", "Lemma 3.2";
    CCoupling: Above, "C.coupling", "C_i: m(L^vg_i)²/(cL^gg)", "Lemma 3.2";
    CBlocks: Above, "C.blocks", "C_i: the factor m, down to 1", "Lemma 3.2";
    StepW: Below, "step.w", "(12): the 1 in η_w‖∇_w L‖²(1 - C_i e)", "Lemma 3.2, (12)";
    StepG: Below, "step.g", "(12): (c/2)η_g", "Lemma 3.2, (12)";
    Growth: Above, "growth", "‖w_T‖²(‖w_T‖² - ‖w_0‖²)/η_w²", "(11)";
    PhaseC: Above, "phase.C", "(19): 2C_i", "Lemma A.2, (19)";
    PhaseGradient: Above, "phase.gradient", "(19): L_A²η_w/‖w_0‖²", "Lemma A.2, (19)";
    K: Above, "K", "K_i the whole", "Lemma A.2, (20)";
    KRatio: Above, "K.ratio", "K_i: C_iη_w/‖w_0‖² in its first factor", "Lemma A.2, (20)";
    KHalf: Above, "K.half", "K_i: ½ in its first factor", "Lemma A.2, (20)";
    KPhaseC: Above, "K.C", "K_i: 2C_i in its second factor", "Lemma A.2, (20)";
    KGradient: Above, "K.gradient", "K_i: L_A²η_w/‖w_0‖² in its second factor", "Lemma A.2, (20)";
    Gap: Above, "A.gap", "A: L(θ_0) - L_min", "Lemma A.2, (20)";
    PaidW: Below, "paid.w", "(20): 1/(2η_w) on the left", "Lemma A.2, (20)";
    PaidG: Below, "paid.g", "(20): (c/2)η_g on the left", "Lemma A.2, (20)";
    SumV: Above, "sum-v", "4A(A + Σ‖w_0‖²/η_w): the 4", "Theorem 3.1";
    SumVA: Above, "sum-v.A", "4A(A + Σ‖w_0‖²/η_w): the second A", "Theorem 3.1";
    SumVStart: Above, "sum-v.start", "4A(A + Σ‖w_0‖²/η_w): Σ‖w_0‖²/η_w", "Theorem 3.1";
    Tight: Above, "tight", "2A(2A + max‖w_0‖²/η_w): the first 2", "Theorem 3.1";
    TightA: Above, "tight.A", "2A(2A + max‖w_0‖²/η_w): the second 2A", "Theorem 3.1";
    TightStart: Above, "tight.start", "2A(2A + max‖w_0‖²/η_w): max‖w_0‖²/η_w", "Theorem 3.1";
    SumG: Above, "sum-g", "2A/(cη_g)", "Theorem 3.1";
    SketchGap: Above, "sketch.gap", "the sketch: L(θ_0) - L(θ_T)", "Theorem 3.1, its sketch";
    SketchGrowth: Above, "sketch.growth", "the sketch: ΣC_i‖w_T‖²/‖w_0‖²", "Theorem 3.1, its sketch";
    Min31: Above, "min-3.1", "(10): the whole", "Theorem 3.1, (10)";
    TaylorVv: Above, "taylor.vv", "Q_t: ½L^vv_ij", "Lemma B.2, its proof";
    TaylorVg: Above, "taylor.vg", "Q_t: L^vg_i", "Lemma B.2, its proof";
    TaylorGg: Above, "taylor.gg", "Q_t: ½L^gg", "Lemma B.2, its proof";
    LogB1: Above, "B1.log", "log₂(A_{T-1}/a_0)", "Lemma B.1";
    OneB1: Above, "B1.one", "+1", "Lemma B.1";
    StepB1: Above, "B1.step", "2B/a_0", "Lemma B.1";
    LnB1: Above, "B1-sharp.ln", "ln(A_{T-1}/a_0)", "Lemma B.1, sharp";
    StepB1Sharp: Above, "B1-sharp.step", "B/a_0", "Lemma B.1, sharp";
    DescentW: Below, "B2.w", "S_i: the 1 in e_t‖∇_v L_t‖²", "Lemma B.2";
    DescentG: Below, "B2.g", "R: c/2", "Lemma B.2";
    U: Above, "U", "U the whole", "Lemma B.2";
    UHalf: Above, "U.half", "U: ½L^gg G_g²", "Lemma B.2";
    UQuarter: Above, "U.quarter", "U: (c/4)L^gg G_g²", "Lemma B.2";
    D: Above, "D", "D_i the whole", "Lemma B.3";
    DSquare: Above, "D.square", "D_i: 2η_w²L_A²", "Lemma B.3";
    DFourth: Above, "D.fourth", "D_i: η_w⁴L_A⁴/‖w_0‖⁴", "Lemma B.3";
    LogB4: Above, "B4.log", "(23): log₂(‖w_T‖²/‖w_0‖²)", "Lemma B.4, (23)";
    OneB4: Above, "B4.one", "(23): +1", "Lemma B.4, (23)";
    StepB4: Above, "B4.step", "(23): 2η_w²L_A²/‖w_0‖⁴", "Lemma B.4, (23)";
    Lam: Above, "Lam", "Λ_i", "Theorem 4.2";
    One42: Above, "4.2.one", "Br: +1", "Theorem 4.2";
    Step42: Above, "4.2.step", "Br: 2η_w²L_A²/‖w_0‖⁴", "Theorem 4.2";
    Gap42: Above, "4.2.gap", "Br: Δ", "Theorem 4.2";
    Br: Above, "Br", "Br the whole", "Theorem 4.2";
    Psi: Below, "psi", "ψ_i", "Theorem 4.2";
    PsiG: Below, "psi.g", "(c/2)η_g T^(-1/2)", "Theorem 4.2";
    Min42: Above, "min-4.2", "(13): the whole", "Theorem 4.2, (13)";
    ScaleC1: Above, "C1.scale", "G√B for γ and β", "Lemma C.1";
    InputC1: Above, "C1.input", "3|γ|/√ε·G√B", "Lemma C.1";
    SharpC1: Above, "C1.sharp", "|γ|/√ε·G√(1 - 1/B) for one x_b", "Lemma C.1, sharp";
    AllC1: Above, "C1.all", "|γ|/√ε·G for all x_b", "Lemma C.1, sharp";
    QLast: Above, "Q.last", "Q_L = α_f/√B", "Lemma C.2";
    QBack: Above, "Q.back", "Q_{l-1} = α_σΓ_l√(m_l/ε)Q_l", "Lemma C.2";
    Gamma: Above, "Gamma", "Γ_l: Q_l√B/λ", "Lemma C.2";
    GammaStart: Above, "Gamma.start", "Γ_l: |g_0|_∞", "Lemma C.2";
    RadiusC2: Above, "radius", "K = √(Σ2m_lΓ_l²)", "Lemma C.2";
    CostPhase: Above, "cost.phase", "2C_i² + M_i², and ½L² + M²", "cost-of-eta";
    CostJump: Above, "cost.jump", "N_i: η²M_i²/n_0", "cost-of-eta";
    CostOsc: Above, "cost.osc", "one block: osc", "cost-of-eta";
    CostSum: Above, "cost.sum", "2D(max N_i/η + D)", "cost-of-eta";
    CostSumG: Above, "cost.sum-g", "2D/(cη_g)", "cost-of-eta";
    CostGap: Above, "cost.gap", "D: L(θ_0) - L_min", "cost-of-eta";
    CostOne: Above, "cost.one", "D: the 1 beside log₂(2C_iη/n_0)", "cost-of-eta";
    CostLog: Above, "cost.log", "D: log₂(2C_iη/n_0)", "cost-of-eta";
}

/// What every constant is multiplied by.
///
/// ```
/// use ratecheck::bounds::{Constant, Factors, k_w};
/// assert_eq!(Factors::ONE.k_w(3.0, 2.0, 4.0, 2.0), k_w(3.0, 2.0, 4.0, 2.0));
/// let half = Factors::ONE.claiming(Constant::K, 0.5);
/// assert_eq!(half.k_w(3.0, 2.0, 4.0, 2.0), 0.5 * k_w(3.0, 2.0, 4.0, 2.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Factors([f64; Constant::ALL.len()]);

impl Default for Factors {
    fn default() -> Self {
        Self::ONE
    }
}

impl Factors {
    /// The paper's constants.
    pub const ONE: Self = Self([1.0; Constant::ALL.len()]);

    /// The same with a statement that is stronger in one constant: `multiple` < 1 times a constant that bounds grow
    /// with, and 1/`multiple` times one that they fall with.
    #[must_use]
    pub fn claiming(mut self, constant: Constant, multiple: f64) -> Self {
        self.0[constant as usize] = match constant.side() {
            Side::Above => multiple,
            Side::Below => 1.0 / multiple,
        };
        self
    }

    /// What the constant is multiplied by.
    pub fn of(&self, constant: Constant) -> f64 {
        self.0[constant as usize]
    }

    /// x with the constant's factor; the very x if that is 1, so that no interval gets wider.
    pub(super) fn times<S: Scalar>(&self, constant: Constant, x: S) -> S {
        let factor = self.of(constant);
        if factor == 1.0 { x } else { x.scale(factor) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_constant_has_a_name_and_a_factor_of_its_own() {
        for (i, &constant) in Constant::ALL.iter().enumerate() {
            let others = &Constant::ALL[..i];
            assert!(others.iter().all(|other| other.key() != constant.key() && other.symbol() != constant.symbol()
                || other.place() != constant.place()));
            let factors = Factors::ONE.claiming(constant, 0.5);
            let changed: Vec<_> = Constant::ALL.iter().filter(|&&one| factors.of(one) != 1.0).collect();
            assert_eq!(changed, [&constant]);
            assert_eq!(factors.of(constant), if constant.side() == Side::Above { 0.5 } else { 2.0 });
        }
    }
}
