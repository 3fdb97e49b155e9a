//! (14): the Taylor step of the sketch of Theorem 4.2, for one block and no g, and its sum.
//!
//! The step is orthogonal to w (Lemma 2.4), so w + gamma Delta has at least the norm of w for every gamma in [0, 1],
//! and the Hessian of L there is at most L^vv/||w||^2 (15). Hence for every z
//!
//! > L(theta_{t+1}) <= L_t - eta <grad_w L_t, grad_w F_z> + (1/2) (L^vv eta^2/||w||^2) ||grad_w F_z||^2,
//!
//! and in expectation over z, with E grad F_z = grad L, (14) with L^vv/2 for L^vv. The paper writes eta/||v||^2 before
//! the first term, which is eta, and in the sum eta/||v||^2 before ||grad_v L||^2, where eta/||w||^2 is meant (E14).

use ratecheck::descent::{Schedule, StepRule, Stepper};
use ratecheck::loss::closed::NoisyRayleigh;
use ratecheck::loss::{Arithmetic, Loss, Workspace};
use ratecheck::parameters::dot;
use ratecheck::scalar::DoubleDouble;

use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Inequality, Kind, Origin, Standing, Statement, Unevaluated,
};
use crate::claim::instances::U;
use crate::claim::plot::{Axis, Plot, Series, Style};
use crate::claim::replay::Sides;
use crate::paper::paths::expectations::Expectations;

/// See the module's first line.
pub(super) struct Equation14;

static STATEMENT: Statement = Statement {
    id: "equation-14",
    title: "Equation (14)",
    plain: "For one scale-invariant block and nothing else, a step of SGD lowers the expected loss to first order by \
            the squared gradient, and raises it to second order by at most half of L^vv times the squared noisy step; \
            and so do all steps together.",
    formula: "E L(θ_{t+1}) ≤ L(θ_t) - η‖∇_w L_t‖² + ½L^vv(η²/‖w_t‖²)E‖∇_w F_t‖²,   \
              Σ_t E(η_t/‖w_t‖²)‖∇_v L_t‖² ≤ L_0 - E L_T + ½L^vv Σ_t E(η_t²/‖w_t‖²)‖∇_w F_t‖²",
    latex: &[
        r"\mathbb{E}L(\theta_{t+1})\le L(\theta_t)-\eta\,\|\nabla_wL_t\|^2+\frac{L^{vv}}2\frac{\eta^2}{\|w_t\|^2}\,\mathbb{E}\|\nabla_wF_t\|^2",
        r"\mathbb{E}\sum_{t<T}\frac{\eta_t}{\|w_t\|^2}\|\nabla_vL_t\|^2\le L_0-\mathbb{E}L_T+\frac{L^{vv}}2\,\mathbb{E}\sum_{t<T}\frac{\eta_t^2}{\|w_t\|^2}\|\nabla_wF_t\|^2",
    ],
    printed_at: "section 4.2, equation (14), and its sum",
    kind: Kind::Expectation,
    origin: Origin::Paper,
    hypotheses: &["m = 1, no g; E∇F_z = ∇L", "L^vv bounds the Hessian of the mean loss on the unit sphere"],
    measured: "Rayleigh quotients of diag(0,1,3) and diag(0,1,1) with noise, eight equally likely minibatches: from \
               every point of runs with η_w = 0.01, 1 and 100 and α = 0, 1/4 the exact expectation over the eight \
               steps; and the sum at every T up to 4 (full: 5) over all 8^T paths. At the minimiser of diag(0,1,1) \
               with a small step both sides are nearly one number",
    tolerance: "a step: 1e-14·max(1, L), the difference of two losses of some tens of roundings each, replayed in \
                double-double where that decides; a sum: (8^(T+1) + 200T)u of its terms, a rounding for every point \
                and some 200 in every path",
    does_not_show: "the two items below it, which bound the effective rate from below and the sum of second-order \
                    terms from above: claims lemma-b.3 and lemma-b.4. With g and more blocks the step is lemma-b.2",
};

const ROUNDING: f64 = 1e-14;
/// How many times its rounding the second-order term must be to be drawn: a share then has three digits.
const DIGITS: f64 = 1e3;

/// What stands where.
#[derive(Clone, Copy)]
struct Reading {
    /// Before L^vv.
    half: f64,
    /// The rate before ||grad_v L||^2 in the sum is eta, and not eta/||w||^2.
    literal: bool,
    /// ||grad L||^2 in the place of E||grad F||^2.
    mean_for_sample: bool,
}

const STATED: Reading = Reading { half: 0.5, literal: false, mean_for_sample: false };

/// A loss with its L^vv and where it starts.
struct Case {
    name: &'static str,
    loss: NoisyRayleigh,
    l_vv: f64,
    start: [f64; 3],
}

/// sup ||Hess|| of v'Av is twice the gap of A.
fn ordinary() -> Case {
    let loss = NoisyRayleigh::new([0.0, 1.0, 3.0], 0.5);
    Case { name: "noisy Rayleigh (0, 1, 3)", loss, l_vv: 6.0, start: [1.0, -1.0, 1.5] }
}

/// Every tangent direction has the curvature L^vv here.
fn at_minimiser() -> Case {
    let loss = NoisyRayleigh::new([0.0, 1.0, 1.0], 0.5);
    Case { name: "noisy Rayleigh (0, 1, 1), from the minimiser", loss, l_vv: 2.0, start: [1.0, 0.0, 0.0] }
}

impl Claim for Equation14 {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let (steps, depth) = (context.pick([20, 200, 2_000, 20_000]), context.pick([3, 4, 4, 5]));
        let (mut check, mut curves) = (Check::new(), Vec::new());
        for (short, case) in [("", ordinary()), (", from the minimiser", at_minimiser())] {
            for alpha in [0.0, 0.25] {
                for eta in [0.01, 1.0, 100.0] {
                    let rate = Schedule::new(eta, alpha)?;
                    let name = format!("η_w = {eta}, α = {alpha}");
                    let used = case.steps(&mut check, (rate, &name), steps, STATED, context)?;
                    if alpha == 0.0 {
                        curves.push((format!("η_w = {eta}{short}"), used));
                    }
                    case.sums(&mut check, (rate, &name), depth, STATED)?;
                }
            }
        }
        check.hypothesis("m = 1, no g, and all minibatches are looked at", Standing::Met, "by construction");
        check.hypothesis("L^vv bounds the Hessian", Standing::Met, "twice the gap of A, exact");
        Ok(Evidence { plots: vec![plot(curves)], ..Evidence::new(check) })
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "0.99 of ½L^vv, a step",
                breaks: "the second order costs 1 % less, at the minimiser of diag(0,1,1), η_w = 0.01",
                run: |context| one_step(Reading { half: 0.495, ..STATED }, context),
            },
            Control {
                name: "∇L for ∇F, a step",
                breaks: "the noise is free, at the minimiser",
                run: |context| one_step(Reading { mean_for_sample: true, ..STATED }, context),
            },
            Control {
                name: "0.99 of ½L^vv, the sum",
                breaks: "the same after one step, over all minibatches",
                run: |_| {
                    let mut check = Check::new();
                    at_minimiser().sums(
                        &mut check,
                        (Schedule::constant(0.01)?, "broken"),
                        1,
                        Reading { half: 0.495, ..STATED },
                    )?;
                    Ok(check)
                },
            },
            Control {
                name: "η for η/‖w‖² in the sum",
                breaks: "the print read literally, ‖v‖² = 1 (E14), from ‖w_0‖² = 4.25",
                run: |_| {
                    let mut check = Check::new();
                    ordinary().sums(
                        &mut check,
                        (Schedule::constant(0.01)?, "broken"),
                        3,
                        Reading { literal: true, ..STATED },
                    )?;
                    Ok(check)
                },
            },
        ]
    }
}

/// What the steps of the runs used of the second-order term.
fn plot(curves: Vec<(String, Vec<[f64; 2]>)>) -> Plot {
    let mut plot = Plot::log_log(
        "second-order",
        "No step uses more than the second-order term of (14), and at the minimiser small steps use all of it",
        "E L(θ_{t+1}) - L(θ_t) + η‖∇_w L_t‖², what a step costs beyond its first order, over what (14) allows for it, \
         ½L^vv(η²/‖w_t‖²)E‖∇_w F_t‖²: exact expectations at every point of a run of SGD on two Rayleigh quotients with \
         noise, constant η_w. 1 would be an equality. Points at which rounding leaves less than three digits are left \
         out.",
        "steps t + 1",
        "",
    );
    plot.y = Axis::linear("second-order cost / its bound");
    plot.series = curves.into_iter().map(|(name, used)| Series::along(name, &used)).collect();
    let last = plot.series.iter().flat_map(|s| s.points.last()).fold(1.0, |most: f64, p| most.max(p[0]));
    plot.series.push(Series::new("the bound", Style::Dashed, vec![[1.0, 1.0], [last, 1.0]]));
    plot
}

fn one_step(reading: Reading, context: &Context) -> Result<Check, Unevaluated> {
    let mut check = Check::new();
    at_minimiser().steps(&mut check, (Schedule::constant(0.01)?, "broken"), 1, reading, context)?;
    Ok(check)
}

impl Case {
    /// (14) from every point of a run; returns (t + 1, the share of the second-order term that a step used), where
    /// rounding leaves it digits.
    fn steps(
        &self,
        check: &mut Check,
        (rate, named): (Schedule, &str),
        steps: u64,
        reading: Reading,
        context: &Context,
    ) -> Result<Vec<[f64; 2]>, Unevaluated> {
        let mut used = Vec::new();
        let generator = context.generator(&format!("{}/{named}/z", self.name));
        let one = Schedule::constant(1.0)?;
        let mut stepper = Stepper::new(&self.loss, &self.start, StepRule::Gradient, rate, one, generator);
        for t in 0..steps {
            let (theta, eta) = (stepper.theta().to_vec(), rate.at(t));
            let unknown = || Unevaluated("the loss has no arithmetic of f64".to_owned());
            let [before, lhs, rhs, second] = self.sides::<f64>(&theta, eta, reading).ok_or_else(unknown)?;
            let rounding = ROUNDING * before.abs().max(1.0);
            if second > DIGITS * rounding {
                used.push([t as f64 + 1.0, 1.0 - (rhs - lhs) / second]);
            }
            let terms = lhs.abs().max(rhs.abs());
            // As in Lemma 3.2: at a converged point all terms are rounding, which is no margin.
            let scale = if terms > 1e-8 { terms } else { 1.0 };
            let at = format!("{} · {named}, t = {t}", self.name);
            check.replayed(at, Inequality { lhs, rhs, rounding, scale }, || {
                let [_, lhs, rhs, _] = self.sides::<DoubleDouble>(&theta, eta, reading)?;
                Some(Sides::counted(lhs, rhs, rounding))
            });
            stepper.step()?;
        }
        Ok(used)
    }

    /// L_t, both sides of E L_{t+1} - L_t <= .., and the second-order term of the right one.
    fn sides<S: Arithmetic>(&self, theta: &[f64], eta: f64, reading: Reading) -> Option<[S; 4]> {
        let over = (&self.loss as &dyn Loss).over::<S>()?;
        let mut work = Workspace::default();
        let w: Vec<S> = theta.iter().map(|&x| S::from_f64(x)).collect();
        let [mut grad, mut sample, mut scratch] = [(); 3].map(|()| vec![S::ZERO; w.len()]);
        let before = over.mean_gradient(&w, &mut grad, &mut scratch, &mut work)?;
        let (mean_sq, n) = (dot(&grad, &grad), dot(&w, &w));
        let (mut after, mut sample_sq) = (S::ZERO, S::ZERO);
        let batches: Vec<&[usize]> = self.loss_minibatches()?;
        let share = 1.0 / batches.len() as f64;
        for z in batches {
            over.sample_gradient(z, &w, &mut grad, &mut work);
            sample_sq += dot(&grad, &grad).scale(share);
            let next: Vec<S> = w.iter().zip(&grad).map(|(&w, d)| w - d.scale(eta)).collect();
            after += over.mean_gradient(&next, &mut sample, &mut scratch, &mut work)?.scale(share);
        }
        let noisy = if reading.mean_for_sample { mean_sq } else { sample_sq };
        let rate = S::from_f64(eta);
        let second = rate * rate / n * noisy.scale(reading.half * self.l_vv);
        Some([before, after - before, second - rate * mean_sq, second])
    }

    fn loss_minibatches(&self) -> Option<Vec<&[usize]>> {
        Some((&self.loss as &dyn Loss).minibatches().finite()?.collect())
    }

    /// The sum of (14) at every T up to `depth`, over all paths.
    fn sums(
        &self,
        check: &mut Check,
        (rate, named): (Schedule, &str),
        depth: usize,
        reading: Reading,
    ) -> Result<(), Unevaluated> {
        let seen = Expectations::over_all_paths(&self.loss, &self.start, [rate, Schedule::constant(1.0)?], depth)?;
        let rounding = (seen.nodes as f64 + 200.0 * depth as f64) * U;
        let (mut descent, mut noise) = (0.0, 0.0);
        for (t, pair) in seen.levels.windows(2).enumerate() {
            let rate = rate.at(t as u64);
            descent += if reading.literal { rate * pair[0].v[0] } else { pair[0].descent[0] };
            noise += pair[0].noise[0];
            let rhs = seen.levels[0].loss - pair[1].loss + reading.half * self.l_vv * noise;
            // L is at most the largest eigenvalue, half of L^vv.
            let size = self.l_vv + descent + self.l_vv * noise;
            check.at_most(format!("{}, summed · {named}, T = {}", self.name, t + 1), descent, rhs, rounding * size);
        }
        Ok(())
    }
}
