//! Remark 2.6: the adaptive method of Theorem 2.5 can be seen as WNGrad with projection to the unit sphere.
//!
//! WNGrad (Wu, Ward & Bottou 2018, arXiv:1803.02865) is b <- b + ||grad||^2 / b, x <- x - grad/b; AdaGrad-norm (Ward,
//! Wu & Bottou 2019, arXiv:1806.01811) has b^2 <- b^2 + ||grad||^2 in its place. For one block and a constant eta write
//! b_t = G_t/eta = ||w_t||^2/eta. Then (9) reads
//!
//! > v_{t+1} = Pi(v_t - grad_v/b_t),   b_{t+1} = b_t + ||grad_v||^2 / b_t,   b_0 = ||w_0||^2/eta:
//!
//! the recursion of WNGrad without a learning rate, which has become the start of b. That is the remark, with one thing
//! to be said: (9) divides by b *before* it takes up its gradient, and WNGrad after, as AdaGrad-norm does, and as
//! implementations have it (ensmallen's `WNGradUpdate`, Caffe2's `Wngrad`; ensmallen writes b <- b +
//! (eta^2/b)||grad||^2 and x <- x - (eta/b) grad, the same for b/eta).
//!
//! **One step of either order.** The gradient is orthogonal to v (Lemma 2.4), so (9) turns v by the angle phi with tan
//! phi = ||grad_v||/b_t. From the same v_t and b_t WNGrad's order divides by b_{t+1} = b_t (1 + tan^2 phi) = b_t/cos^2
//! phi, and turns by psi with
//!
//! > tan psi = tan phi cos^2 phi = (1/2) sin 2 phi <= 1/2:
//!
//! never by more than arctan(1/2) = 26.6 degrees, where (9) may turn by almost 90. Both b_{t+1} are the same number.
//! For small phi the turns differ by phi^3 to leading order.
//!
//! **All steps.** Squared, b_{t+1}^2 = b_t^2 + ||grad||^2 (2 + tan^2 phi_t) in either order, on whatever path, where
//! tan phi_t is short for ||grad||/b_t. With S = sum_{t<T} ||grad||^2 and rho = max_{t<T} tan^2 phi_t,
//!
//! > b_0^2 + 2 S <= b_T^2 <= b_0^2 + (2 + rho) S.
//!
//! AdaGrad-norm from a_0 = b_0/sqrt(2) has 2 a_T^2 = b_0^2 + 2 S for the same gradients. So 1/b_T = eta/||w_T||^2, the
//! effective rate, is the rate of AdaGrad-norm with the learning rate 1/sqrt(2), too small by at most sqrt(1 + rho/2).
//!
//! **Room for rounding.** Lemma 2.4 (2) holds within 1e-13 of n_{t+1} in every step (its claim), so n_T^2 is off by
//! 2e-13 of itself for every step, and a term of S by as much: 4e-13 T n_T^2. A comparison that leaves less than ten
//! times that is not made.

mod ledger;
mod spheres;

use ratecheck::descent::{Schedule, StepRule, Stepper};
use ratecheck::loss::closed::ProblemJ;
use ratecheck::loss::{Loss, Minibatches};
use ratecheck::network::{Activation, Normalisation};
use ratecheck::parameters::{dot, norm_sq};
use ratecheck::rates::log_spaced;

use self::ledger::{Ledger, Way, precise};
use self::spheres::{Form, Spheres};
use crate::claim::closed_forms::{ordinary, tanh_circle};
use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Origin, Standing, Statement, Unevaluated,
};
use crate::claim::instances::{INVARIANT, digits_at, small};
use crate::claim::parallel::InParallel;
use crate::claim::plot::{Plot, Series, Style};

/// See the module's first line.
pub(super) struct Remark26;

static STATEMENT: Statement = Statement {
    id: "remark-2.6",
    title: "Remark 2.6",
    plain: "The growing norm of a scale-invariant block does what WNGrad's divisor does, with b = ‖w‖²/η; the \
            effective learning rate is that of AdaGrad-norm up to a factor that the largest turn bounds.",
    formula: "b_t = ‖w_t‖²/η:  v_{t+1} = Π(v_t - ∇_v F/b_t),  b_{t+1} = b_t + ‖∇_v F‖²/b_t;   \
              b₀² + 2S ≤ b_T² ≤ b₀² + (2+ρ)S,  S = Σ‖∇_v F‖²,  ρ = max‖∇_v F‖²/b_t²;   tan ψ = ½ sin 2φ",
    latex: &[
        r"b_t=\|w_t\|^2/\eta:\qquad v_{t+1}=\Pi\Bigl(v_t-\frac1{b_t}\nabla_vF\Bigr),\qquad b_{t+1}=b_t+\frac1{b_t}\|\nabla_vF\|^2",
        r"b_0^2+2S\le b_T^2\le b_0^2+(2+\rho)S,\qquad S=\sum_{t<T}\|\nabla_vF_t\|^2,\quad\rho=\max_{t<T}\|\nabla_vF_t\|^2/b_t^2",
        r"\tan\psi=\tfrac12\sin2\varphi\quad\text{where WNGrad turns by }\psi\text{ and (9) by }\varphi",
    ],
    printed_at: "section 2.5, Remark 2.6",
    kind: Kind::Inequality,
    origin: Origin::Paper,
    hypotheses: &["F_z is scale invariant in every block", "plain (stochastic) gradient descent (4) with a constant η"],
    measured: "from every point of runs with η = 0.1, 3 and 100 one step of projected WNGrad in either order: v and b \
               beside w and ‖w‖²/η where b divides first, and the angle ψ where it takes up the gradient first. Over \
               whole runs, of (4) and of projected WNGrad in its own order, b_T² - b₀² - 2S beside ρS. On small \
               networks under eight normalisations, closed forms, problem J and the digits network with minibatches",
    tolerance: "1e-13 for one step, relative to 1 and b, as in Theorem 2.5; over T steps 4e-13·T of b_T², twice what \
                Lemma 2.4 (2) leaves a step; a comparison that leaves less than ten times that is not made",
    does_not_show: "anything about rates of convergence (claims effective-rate-law and theorem-4.2-rate), or about \
                    WNGrad without projection; the remark's history, that Wu et al. found the rule for weight \
                    normalisation, is not a formula",
};

const NO_F64: &str = "the loss has no arithmetic of f64";

const ETAS: [f64; 3] = [0.1, 3.0, 100.0];
/// Of one step: see the statement.
const TOLERANCE: f64 = 1e-13;

/// What a check makes of the numbers; `STATED` is the remark.
#[derive(Clone, Copy)]
struct Claimed {
    form: Form,
    /// b_0 as a multiple of ||w_0||^2/eta.
    start: f64,
    /// tan psi = sin phi (cos phi)^this.
    cosine: i32,
    /// What stands before S.
    linear: f64,
    /// A factor of rho.
    rho: f64,
    /// The first T that is compared. At T = 1 both sides are one number.
    first: u64,
}

const STATED: Claimed = Claimed { form: Form::DividesFirst, start: 1.0, cosine: 1, linear: 2.0, rho: 1.0, first: 2 };

impl Claim for Remark26 {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let steps = context.pick([10, 60, 300, 2_000]);
        let (instances, problem_j) = (ordinary(steps)?, ProblemJ::default());
        let j_start = problem_j.theta_0();
        let networks = INVARIANT.map(|(name, normalisation)| small(name, normalisation, Activation::Tanh, context));
        let digits = digits_at(512, context);
        let minibatches = digits.network.with_minibatches(Minibatches::partition((0..512).collect(), 32)?);
        let mut cases: Vec<Case<'_>> = instances
            .iter()
            .map(|i| Case { name: &i.name, loss: &*i.loss, theta: &i.theta, eta_g: i.eta_g_printed() })
            .collect();
        let on = |name, loss, theta| Case { name, loss, theta, eta_g: 0.05 };
        let j = Case { eta_g: 0.5, ..on("problem J", &problem_j, &j_start) };
        cases.push(j);
        cases.extend(networks.iter().map(|s| on(&s.name, &s.network, &s.theta)));
        cases.push(on(&digits.name, &minibatches, &digits.theta));
        let jobs: Vec<_> = cases.iter().flat_map(|case| ETAS.map(|eta| (case, eta))).collect();
        let found: Vec<_> = jobs.in_parallel(|(case, eta)| case.judge(*eta, steps, STATED, context));
        let mut evidence = Evidence::default();
        for found in found {
            evidence.check.merge(found?);
        }
        long_runs(&mut evidence, &j, context)?;
        Ok(evidence)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "ensmallen's order",
                breaks: "b takes up the gradient before it divides the step, and the points are said to be those of \
                         (9)",
                run: |c| broken(c, Claimed { form: Form::TakesUpFirst, ..STATED }),
            },
            Control {
                name: "AdaGrad-norm's recursion",
                breaks: "b² grows by ‖∇_v F‖² instead of b by ‖∇_v F‖²/b",
                run: |c| broken(c, Claimed { form: Form::Squares, ..STATED }),
            },
            Control {
                name: "no projection",
                breaks: "v is not brought back to the sphere",
                run: |c| broken(c, Claimed { form: Form::Unprojected, ..STATED }),
            },
            Control {
                name: "b = ‖w‖²",
                breaks: "b starts at ‖w₀‖² whatever η is",
                run: |c| broken(c, Claimed { start: 3.0, ..STATED }),
            },
            Control {
                name: "as far a turn",
                breaks: "WNGrad in its own order is said to turn as far as (9): tan ψ = tan φ",
                run: |c| broken(c, Claimed { cosine: -1, ..STATED }),
            },
            Control {
                name: "0.99 of ρ",
                breaks: "the bound of b_T² has 1 % less of ρ, after one step, where both sides are one number",
                run: |c| first_step(c, Claimed { rho: 0.99, first: 1, ..STATED }),
            },
            Control {
                name: "no ρ",
                breaks: "b_T² = b₀² + 2S: twice AdaGrad-norm's square, whatever the turns",
                run: |c| broken(c, Claimed { rho: 0.0, ..STATED }),
            },
            Control {
                name: "AdaGrad-norm without its √2",
                breaks: "b_T² ≤ b₀² + (1+ρ)S: the rate of AdaGrad-norm with the learning rate 1, on small steps",
                run: |c| small_steps(c, Claimed { linear: 1.0, ..STATED }),
            },
        ]
    }
}

/// On a small network with η = 3.
fn broken(context: &Context, claimed: Claimed) -> Result<Check, Unevaluated> {
    on_network(3.0, claimed, context)
}

/// Where turns are small, ρ is too small to stand for a missing S.
fn small_steps(context: &Context, claimed: Claimed) -> Result<Check, Unevaluated> {
    on_network(0.1, claimed, context)
}

fn on_network(eta: f64, claimed: Claimed, context: &Context) -> Result<Check, Unevaluated> {
    let subject = small("broken", Normalisation::SmoothedBatchNorm { epsilon: 0.1 }, Activation::Tanh, context);
    let case = Case { name: &subject.name, loss: &subject.network, theta: &subject.theta, eta_g: 0.05 };
    case.judge(eta, 4, claimed, context)
}

/// One step on the tanh circle with η = 3, where nothing but the claim about b_1 is near.
fn first_step(context: &Context, claimed: Claimed) -> Result<Check, Unevaluated> {
    let i = tanh_circle();
    Case { name: &i.name, loss: &*i.loss, theta: &i.theta, eta_g: 1.0 }.judge(3.0, 1, claimed, context)
}

/// Where it is measured.
#[derive(Clone, Copy)]
struct Case<'a> {
    name: &'a str,
    loss: &'a dyn Loss,
    theta: &'a [f64],
    eta_g: f64,
}

impl Case<'_> {
    /// One learning rate: one step from every point, and both whole runs.
    fn judge(&self, eta: f64, steps: u64, claimed: Claimed, context: &Context) -> Result<Check, Unevaluated> {
        let (mut check, loss) = (Check::new(), self.loss);
        let layout = loss.parameters();
        let (rate_w, rate_g) = (Schedule::constant(eta)?, Schedule::constant(self.eta_g)?);
        let unused = context.generator("unused");
        let mut stepper = Stepper::new(loss, self.theta, StepRule::Gradient, rate_w, rate_g, unused);
        let mut draws = context.generator(&format!("{}/{eta}/z", self.name));
        let mut permutation = Vec::new();
        let spheres =
            |form| Spheres::<f64>::new(loss, self.theta, form, eta).ok_or_else(|| Unevaluated(NO_F64.to_owned()));
        let (mut one, mut own) = (spheres(claimed.form)?, spheres(Form::TakesUpFirst)?);
        let mut whole = spheres(Form::TakesUpFirst)?;
        let n_blocks = layout.n_blocks();
        let mut ledgers = [0, 1].map(|_| vec![Ledger::<f64>::EMPTY; n_blocks]);
        let mut zs: Vec<Vec<usize>> = Vec::new();
        let horizons = log_spaced(claimed.first, steps.max(claimed.first + 1), 8);
        for t in 0..steps {
            let z = loss.minibatches().draw(&mut draws, &mut permutation).to_vec();
            let theta = stepper.theta().to_vec();
            one.place(&theta, claimed.start / eta);
            own.place(&theta, 1.0 / eta);
            whole.look(&z);
            let (from, norms) = (own.theta.clone(), stepper.w_norm_sq().to_vec());
            stepper.step_with(&z)?;
            one.step(&z, self.eta_g);
            own.step(&z, self.eta_g);
            for (i, block) in layout.blocks().iter().enumerate() {
                let at = format!("{} · η = {eta}, t = {t}, {}", self.name, block.name);
                let n = stepper.w_norm_sq()[i];
                let w: Vec<f64> = stepper.theta()[block.range.clone()].iter().map(|x| x / n.sqrt()).collect();
                let gap: Vec<f64> = w.iter().zip(&one.theta[block.range.clone()]).map(|(w, v)| w - v).collect();
                check.identity(format!("{at}: v"), norm_sq(&gap).sqrt(), TOLERANCE);
                check.identity(format!("{at}: b"), (one.b[i] - n / eta).abs(), TOLERANCE * n / eta);
                let v = &from[block.range.clone()];
                let ([cos, sin], [along, across]) = (turn(v, &w), turn(v, &own.theta[block.range.clone()]));
                // Both are off by a few units; a turn by 90 degrees is none that a finite step makes.
                let expected = sin * cos.powi(claimed.cosine);
                check.identity(format!("{at}: tan ψ"), (across / along - expected).abs(), TOLERANCE);
                ledgers[0][i].take(norms[i] / eta, norms[i] * stepper.gradient_norm_sq()[i]);
                ledgers[1][i].take(whole.b[i], whole.grad_sq(i));
            }
            whole.advance(self.eta_g);
            zs.push(z);
            if !horizons.contains(&(t + 1)) {
                continue;
            }
            for (i, block) in layout.blocks().iter().enumerate() {
                let at =
                    |run: &str| (format!("{}, {run}", self.name), format!("η = {eta}, T = {}, {}", t + 1, block.name));
                for (way, ledger) in [Way::Descent, Way::WnGrad].into_iter().zip(&mut ledgers) {
                    let (name, b) = match way {
                        Way::Descent => ("(4)", stepper.w_norm_sq()[i] / eta),
                        Way::WnGrad => ("WNGrad", whole.b[i]),
                    };
                    ledger[i].compare(&mut check, at(name), (b, t + 1), claimed, || precise(self, way, eta, &zs, i));
                }
            }
        }
        let compared = ledgers.iter().flatten().filter(|ledger| ledger.compared > 0).count();
        let standing = if compared > 0 { Standing::Met } else { Standing::NotMet };
        let what = "somewhere in a run the bound of b_T² is ten times its rounding";
        check.hypothesis(what, standing, if compared > 0 { "in every run" } else { self.name });
        Ok(check)
    }
}

/// cos and sin of the angle between two unit vectors.
fn turn(v: &[f64], to: &[f64]) -> [f64; 2] {
    let cos = dot(v, to);
    let across: Vec<f64> = to.iter().zip(v).map(|(x, v)| x - cos * v).collect();
    [cos, norm_sq(&across).sqrt()]
}

/// Both orders and AdaGrad-norm over long runs from the same start, with the same minibatches: in the long run they are
/// one rate, 1/sqrt(2 q t) where the noise settles at q (claim effective-rate-law).
fn long_runs(evidence: &mut Evidence, case: &Case<'_>, context: &Context) -> Result<(), Unevaluated> {
    let Case { loss, theta, .. } = *case;
    let (steps, q) = (context.pick([1_000, 10_000, 50_000, 200_000]), 0.75);
    let horizons = log_spaced(1, steps, 40);
    let eta_g = Schedule::new(case.eta_g, 0.5)?;
    let ways = [
        (Form::DividesFirst, "1/b, as (9) has it", 1.0, Style::Line),
        (Form::TakesUpFirst, "1/b, WNGrad's order", 1.0, Style::Dashed),
        (Form::Squares, "AdaGrad-norm with 1/√2", std::f64::consts::FRAC_1_SQRT_2, Style::Points),
    ];
    let mut plot = Plot::log_log(
        "wngrad",
        "The norm is a divisor",
        "problem J, η = 1: the effective rate 1/b of (9), of projected WNGrad in its own order, and of AdaGrad-norm \
         from b₀/√2, from one start with the same minibatches",
        "t",
        "effective rate",
    );
    for (form, name, rate, style) in ways {
        let run = Spheres::<f64>::new(loss, theta, form, 1.0);
        let mut run = run.ok_or_else(|| Unevaluated(NO_F64.to_owned()))?;
        // AdaGrad-norm starts from b_0/sqrt(2).
        run.rate = rate;
        run.b.iter_mut().for_each(|b| *b *= rate);
        let mut draws = context.generator("long/z");
        let (mut permutation, mut curve) = (Vec::new(), Vec::new());
        for t in 1..=steps {
            let z = loss.minibatches().draw(&mut draws, &mut permutation).to_vec();
            run.step(&z, eta_g.at(t - 1));
            if horizons.contains(&t) {
                curve.push([t as f64, rate / run.b[0]]);
            }
        }
        let last = curve.last().map_or(f64::NAN, |[_, rate]| *rate);
        let note = format!("problem J, T = {steps}, η = 1, q = 3/4; tends to 1");
        evidence.observe(format!("rate·√(2qT), {name}"), last * (2.0 * q * steps as f64).sqrt(), note);
        plot.series.push(Series::new(name, style, curve));
    }
    evidence.plots.push(plot);
    Ok(())
}
