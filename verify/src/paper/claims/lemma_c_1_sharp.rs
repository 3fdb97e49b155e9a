//! Lemma C.1, sharp: how large the derivative of a smoothed BN unit in its inputs can be.
//!
//! > ||grad_{x_b} y|| <= |gamma|/sqrt(epsilon) G sqrt(1 - 1/B), and over all b together |gamma|/sqrt(epsilon) G.
//!
//! *Derivation.* Let s = ||w||_{S + epsilon I}, so that s^2 = (1/B) sum_b (w'(x_b - u))^2 + epsilon ||w||^2 and xt_b =
//! w'(x_b - u)/s. Since sum_b' (x_b' - u) = 0, a change dx_b changes w'(x_b' - u) by (1{b=b'} - 1/B) w'dx_b and s by
//! (1/s)(1/B) w'(x_b - u) w'dx_b = xt_b w'dx_b/B; hence
//!
//! > dz_b'/dx_b = (gamma w/s) P_bb', P = I - 11'/B - xt xt'/B,
//! > and grad_{x_b} y = (gamma w/s) (Pa)_b with a = grad f(z).
//!
//! The vectors 1 and xt are orthogonal, ||1||^2 = B and ||xt||^2 = B (1 - epsilon ||w||^2/s^2) <= B. So P is symmetric
//! with the eigenvalues 0 (on 1), epsilon ||w||^2/s^2 in \[0, 1\] (on xt) and 1 (elsewhere): 0 <= P^2 <= P <= I -
//! 11'/B. Therefore ||P e_b||^2 <= e_b'P e_b <= 1 - 1/B, and |(Pa)_b| <= sqrt(1 - 1/B) ||a||; and ||Pa|| <= ||a||. At
//! last ||w||/s <= 1/sqrt(epsilon). Each is an equality when w'x_b is the same for all b (xt = 0, s = sqrt(epsilon)
//! ||w||) and a is parallel to e_b - 1/B.

use ratecheck::bounds::{Constant, Factors};

use super::lemma_c_1::{Compared, Input, across, broken, everywhere, exact_entry, figure, spread};
use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Origin, Standing, Statement, Unevaluated,
};

/// See the module's first line.
pub(super) struct LemmaC1Sharp;

static STATEMENT: Statement = Statement {
    id: "lemma-c.1-sharp",
    title: "Lemma C.1, sharp",
    plain: "The derivative of a smoothed BN unit in its inputs is bounded by |γ|/√ε, and no smaller constant will do.",
    formula: "‖∇_{x_b} y‖ ≤ |γ|/√ε · G√(1-1/B),  ‖(∇_{x_1}y, …, ∇_{x_B}y)‖ ≤ |γ|/√ε · G",
    latex: &[
        r"\|\nabla_{x_b}y\|\le\frac{|\gamma|}{\sqrt\varepsilon}\,G\sqrt{1-\frac1B},\qquad\bigl\|(\nabla_{x_1}y,\dots,\nabla_{x_B}y)\bigr\|\le\frac{|\gamma|}{\sqrt\varepsilon}\,G",
    ],
    printed_at: "not printed; appendix C, Lemma C.1 has 3γ/ε · G√B, which is false",
    origin: Origin::Derived,
    kind: Kind::Inequality,
    hypotheses: &["‖∇f(z)‖ ≤ G, here an equality: f is linear", "ε > 0"],
    measured: "as for lemma-c.1: derivatives by dual numbers of random units under random and worst ∇f, and of inputs \
               that differ across w only, where both bounds are attained",
    tolerance: "as for lemma-c.1: the roundings of sums over inputs and examples",
    does_not_show: "anything for ε = 0, where the derivative in the inputs has no bound",
};

const SHARP: Compared =
    Compared { input: (Input::Sharp, 1.0), inputs: Some(1.0), entry: exact_entry, factors: Factors::ONE };

impl Claim for LemmaC1Sharp {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut check = Check::new();
        let [of_random, nearest] = everywhere(&mut check, Compared { factors: context.factors, ..SHARP }, context);
        check.hypothesis("ε > 0", Standing::Met, "by construction");
        check.hypothesis("‖∇f(z)‖ ≤ G", Standing::Met, "f is linear and G is the norm of its gradient");
        let mut evidence = Evidence::new(check);
        for (what, nearest, of_random) in [
            ("‖∇_{x_b} y‖", nearest.input, of_random.input),
            ("all ∇_{x_b} y together", nearest.inputs, of_random.inputs),
        ] {
            let note = format!("1 is sharp; {of_random:.4} over the random units alone");
            evidence.observe(format!("smallest multiple of the bound of {what} that passes"), nearest, note);
        }
        evidence.plots.push(figure::over_batch(&context.factors));
        Ok(evidence)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "0.99 of the bound for one input",
                breaks: "|γ|/√ε·G√(1-1/B) is 1 % smaller, where inputs differ across w only",
                run: |_| {
                    let smaller = Compared { input: (Input::Sharp, 0.99), ..SHARP };
                    Ok(broken(&across(2, 1.0, 1.0), smaller))
                },
            },
            Control {
                name: "0.99 of the bound for all inputs",
                breaks: "|γ|/√ε·G is 1 % smaller, where inputs differ across w only",
                run: |_| {
                    let smaller = Compared { inputs: Some(0.99), ..SHARP };
                    Ok(broken(&across(2, 1.0, 1.0), smaller))
                },
            },
            Control {
                name: "0.99 G√B",
                breaks: "the bound of γ and β is 1 % smaller, on a unit whose variance is far above ε‖w‖²",
                run: |context| {
                    let factors = context.claiming(Constant::ScaleC1, 0.99).factors;
                    Ok(broken(&spread(1.0), Compared { factors, ..SHARP }))
                },
            },
        ]
    }
}
