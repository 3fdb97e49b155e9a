//! What a run can record at a horizon, and how the results call it.

use serde::{Deserialize, Serialize};

/// One recorded quantity. In a plan it is written as [`Quantity::word`], in the results as [`Quantity::column`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quantity {
    /// L(theta_t).
    Loss,
    /// ||grad L(V_t; g_t)||^2.
    GradSq,
    /// Its part in V.
    GradVSq,
    /// Its part in g.
    GradGSq,
    /// ||grad_{v_i} L||^2 of every block.
    GradVSqByBlock,
    /// ||w_i||^2 of every block.
    WNormSq,
    /// eta_{w,t}/||w_i||^2 of every block.
    EffectiveLr,
    /// The angle by which v_i turns in step t, of every block.
    AngularUpdate,
    /// The least ||grad L||^2 before t.
    MinGradSq,
    /// The sum of ||grad_V L||^2 before t.
    SumGradVSq,
    /// The sum of ||grad_g L||^2 before t.
    SumGradGSq,
}

use Quantity::*;

/// All of them, in the order of the columns, by the words of a plan.
pub(super) const QUANTITIES: [(&str, Quantity); 11] = [
    ("loss", Loss),
    ("grad-sq", GradSq),
    ("grad-v-sq", GradVSq),
    ("grad-g-sq", GradGSq),
    ("grad-v-sq-by-block", GradVSqByBlock),
    ("w-norm-sq", WNormSq),
    ("effective-lr", EffectiveLr),
    ("angular-update", AngularUpdate),
    ("min-grad-sq", MinGradSq),
    ("sum-grad-v-sq", SumGradVSq),
    ("sum-grad-g-sq", SumGradGSq),
];

/// Recorded unless a plan says otherwise.
pub(super) const DEFAULT: [Quantity; 3] = [Loss, GradSq, WNormSq];

impl Quantity {
    /// As a plan writes it.
    pub fn word(self) -> &'static str {
        QUANTITIES.iter().find(|(_, known)| *known == self).map_or("", |(word, _)| word)
    }

    /// As the columns of the results are called; those of a block end in its number, from 1.
    pub fn column(self) -> &'static str {
        match self {
            Loss => "loss",
            GradSq => "grad_sq",
            GradVSq => "grad_v_sq",
            GradGSq => "grad_g_sq",
            GradVSqByBlock => "grad_v_sq_by_block",
            WNormSq => "w_norm_sq",
            EffectiveLr => "effective_lr",
            AngularUpdate => "angular_update",
            MinGradSq => "min_grad_sq",
            SumGradVSq => "sum_grad_v_sq",
            SumGradGSq => "sum_grad_g_sq",
        }
    }

    /// Whether there is a number per block.
    pub fn per_block(self) -> bool {
        matches!(self, GradVSqByBlock | WNormSq | EffectiveLr | AngularUpdate)
    }

    /// Whether it is a square, whose root is the norm that rates speak of.
    pub fn is_square(self) -> bool {
        !matches!(self, Loss | EffectiveLr | AngularUpdate)
    }

    /// Whether it is about g alone.
    pub(super) fn is_of_g(self) -> bool {
        matches!(self, GradGSq | SumGradGSq)
    }

    /// Whether it sums over every step before t, and so needs L to be looked at in every step.
    pub fn is_running(self) -> bool {
        matches!(self, MinGradSq | SumGradVSq | SumGradGSq)
    }

    /// What it is, with its unit, for the description of the results.
    pub(super) fn meaning(self) -> &'static str {
        match self {
            Loss => "L at theta_t, in the unit of the objective (natural logarithm)",
            GradSq => "squared norm of the gradient of L at (V_t; g_t), blocks on their unit spheres",
            GradVSq => "its part in V, the sum over the blocks",
            GradGSq => "its part in g",
            GradVSqByBlock => "squared norm of the gradient of L by v_i at (V_t; g_t)",
            WNormSq => "squared norm of w_i at t (G_i under the rule adaptive)",
            EffectiveLr => "eta_{w,t} / w_norm_sq",
            AngularUpdate => "angle between v_i before and after step t, in radians",
            MinGradSq => "least grad_sq over the steps before t; inf at t = 0",
            SumGradVSq => "sum of grad_v_sq over the steps before t",
            SumGradGSq => "sum of grad_g_sq over the steps before t",
        }
    }
}
