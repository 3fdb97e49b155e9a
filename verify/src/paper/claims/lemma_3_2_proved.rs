//! Lemma 3.2, proved step by step on real runs.
//!
//! The proof of the lemma bounds L(theta_{t+1}) by Taylor's formula on the segment from theta_t, so that it needs the
//! constants of section 2.4 on that segment alone. There they are proved by interval arithmetic, block by block, and
//! both sides of the inequality are enclosed: the verdict on such a step depends on no sample and on no rounding.

use std::collections::BTreeMap;

use rand::RngExt;
use ratecheck::bounds::{self, Constant};
use ratecheck::curvature::SegmentOptions;
use ratecheck::data::{Dataset, Target, teacher};
use ratecheck::descent::{Schedule, StepRule, Stepper};
use ratecheck::loss::closed::{BnRegression, Rayleigh};
use ratecheck::loss::{Loss, Minibatches, Over, Setting, Workspace};
use ratecheck::network::{Activation, Architecture, Network, Normalisation, Objective};
use ratecheck::parameters::norm_sq;
use ratecheck::proof::{self, Outcome, ProvedStep};

use super::lemma_3_2;
use crate::claim::closed_forms::{C_G, SharedRegression};
use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Origin, Soundness, Statement, Unevaluated,
};
use crate::claim::instances::{NetworkAt, sound, tiny};
use crate::claim::plot::{Axis, Plot, Series, Style};

/// See the module's first line.
pub(super) struct Lemma32Proved;

static STATEMENT: Statement = Statement {
    id: "lemma-3.2-proved",
    title: "Lemma 3.2, step by step",
    plain: "On single steps of real runs the inequality of Lemma 3.2 is proved, with constants that are themselves \
            proved on the segment between the two points.",
    formula: "L(θ_{t+1}) - L(θ_t) ≤ -Σ_i η_w‖∇_{w_i}L‖²(1 - C_i η_w/‖w_i‖²) - (c/2) η_g‖∇_g L‖²,   \
              C_i = ½Σ_j L^vv_ij + m(L^vg_i)²/(c L^gg),   L^vv, L^vg, L^gg suprema over the segment [θ_t, θ_{t+1}]",
    latex: &[
        r"L(\theta_{t+1})-L(\theta_t)\le-\sum_i\eta_w\,\|\nabla_{w_i}L\|^2\Bigl(1-\frac{C_i\,\eta_w}{\|w_i\|^2}\Bigr)-\frac c2\,\eta_g\,\|\nabla_gL\|^2",
        r"C_i=\frac12\sum_jL^{vv}_{ij}+\frac{m\,(L^{vg}_i)^2}{c\,L^{gg}},\qquad L^{vv},L^{vg},L^{gg}\;\text{suprema over the segment}\;[\theta_t,\theta_{t+1}]",
    ],
    printed_at: "section 3.1, Lemma 3.2, equation (12); its proof in appendix A",
    kind: Kind::Inequality,
    origin: Origin::Paper,
    hypotheses: &[
        "L^vv_ij, L^vg_i, L^gg bound the blocks of the Hessian on the segment: proved, to within 10 % of what is met \
         there",
        "0 < η_g ≤ 2(2-c)/((2+c)L^gg), here with c = 1/2: proved",
    ],
    measured: "the three near-tight instances of lemma-3.2, and gradient descent on the one-neuron regression (closed \
               form, and as a batch-normalised network on data), on 3-4-1 and on 8-16-16-1 (tanh, smoothed BN with ε = \
               0.1, logistic, λ = 0.01). Each step starts from the stored numbers and is exact; the segment is cut \
               until every block's bound is within a tenth of the norm at the middle of some piece (or of a hundredth \
               of the largest norm of its kind)",
    tolerance: "none: the larger end of the left side's interval is compared with the smaller end of the right side's. \
                Margins are relative to the larger side",
    does_not_show: "anything about other steps, or that the constants hold on the whole domain of section 2.4. A step \
                    whose sides differ by less than the intervals are wide stays undecided, and makes the verdict \
                    inconclusive",
};

/// A run whose steps are to be proved.
struct Run<'a> {
    name: &'static str,
    loss: &'a dyn Loss,
    theta_0: Vec<f64>,
    eta_w: f64,
    eta_g: f64,
    /// Steps are proved in turn from the start.
    steps: u64,
    within: f64,
}

/// What a run's proofs amount to.
#[derive(Default)]
struct Proofs {
    proved: u64,
    undecided: BTreeMap<String, u64>,
    pieces: usize,
    /// Points (t, C_1 proved), (t, the smallest C_1 that satisfies the step's inequality with all C in proportion).
    proved_c: Vec<[f64; 2]>,
    needed_c: Vec<[f64; 2]>,
    /// The smallest multiple of all C_i that passes, over the steps.
    multiple: f64,
}

impl Run<'_> {
    fn prove(&self, check: &mut Check, context: &Context) -> Result<Proofs, Unevaluated> {
        let (eta_w, eta_g) = (Schedule::constant(self.eta_w)?, Schedule::constant(self.eta_g)?);
        let generator = context.generator("z");
        let mut stepper = Stepper::new(self.loss, &self.theta_0, StepRule::Gradient, eta_w, eta_g, generator);
        let z: Vec<usize> = (0..self.loss.minibatches().n_examples()).collect();
        let segment = SegmentOptions { within: self.within, max_pieces: 4_000 };
        let step = proof::Step { eta_w: self.eta_w, eta_g: self.eta_g, c_g: C_G, segment, factors: context.factors };
        let mut found = Proofs::default();
        for t in 0..self.steps {
            let ProvedStep { outcome, change, bound, c_w, constants } =
                proof::lemma_3_2(self.loss, &z, stepper.theta(), &step)?;
            found.pieces += constants.pieces;
            let at = format!("{} · η_w = {:e}, t = {t}", self.name, self.eta_w);
            let scale = |a: f64, b: f64| a.abs().max(b.abs());
            match outcome {
                Outcome::Proved => {
                    found.proved += 1;
                    let (lhs, rhs) = (change.hi(), bound.lo());
                    check.compare(at, lhs, rhs, 0.0, scale(lhs, rhs), Soundness::Proved);
                }
                Outcome::Refuted => {
                    let (lhs, rhs) = (change.lo(), bound.hi());
                    check.compare(at, lhs, rhs, 0.0, scale(lhs, rhs), Soundness::Proved);
                }
                Outcome::Undecided(obstacle) => {
                    *found.undecided.entry(obstacle.to_string()).or_default() += 1;
                    check.undecided(format!("{at}: {obstacle}"));
                }
            }
            let n = stepper.w_norm_sq().to_vec();
            let seen = stepper.step()?;
            let gain =
                self.eta_w * stepper.gradient_norm_sq().iter().sum::<f64>() + 0.5 * C_G * self.eta_g * seen.grad_g_sq;
            let cost: f64 = stepper
                .gradient_norm_sq()
                .iter()
                .zip(&n)
                .zip(&c_w)
                .map(|((sq, n), c)| self.eta_w * self.eta_w * sq * c.0 / n)
                .sum();
            let needed = ((change.hi() + gain) / cost).max(0.0);
            found.multiple = found.multiple.max(needed);
            found.proved_c.push([t as f64, c_w[0].0]);
            found.needed_c.push([t as f64, needed * c_w[0].0]);
        }
        Ok(found)
    }
}

impl Claim for Lemma32Proved {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut check = Check::new();
        let mut runs: Vec<(String, Proofs)> = Vec::new();
        let closed = BnRegression::new(vec![0.6, 0.8]);
        // Further on the regression has converged to rounding, and a step shows nothing.
        let steps = context.pick([5, 20, 20, 20]);
        for eta_w in [0.1, 1.0, 10.0] {
            let run = run("regression, closed form", &closed, vec![1.0, 0.3, 0.5], eta_w, 0.5, steps);
            runs.push((named(&run), run.prove(&mut check, context)?));
        }
        let (neuron, theta_0) = one_neuron(context)?;
        for eta_w in [0.1, 1.0] {
            let run = run("regression, network", &neuron, theta_0.clone(), eta_w, 0.2, steps);
            runs.push((named(&run), run.prove(&mut check, context)?));
        }
        let small = tiny("3-4-1", SMOOTHED, Activation::Tanh, context);
        let steps = context.pick([2, 10, 20, 20]);
        for eta_w in [0.01, 0.1, 0.3] {
            let run = run("3-4-1", &small.network, small.theta.clone(), eta_w, 0.1, steps);
            runs.push((named(&run), run.prove(&mut check, context)?));
        }
        let (large, theta_0) = reference_network(context);
        // A piece costs some 466 Hessian-vector products over duals of intervals: half a second.
        let (eta_w, eta_g) = context.pick([(1e-4, 1e-3), (1e-3, 1e-2), (1e-2, 1e-2), (1e-2, 0.1)]);
        let run_of = run("8-16-16-1", &large, theta_0, eta_w, eta_g, context.pick([1, 1, 5, 10]));
        runs.push((named(&run_of), run_of.prove(&mut check, context)?));
        runs.push(near_tight_a(&mut check, context)?);
        runs.push(near_tight_b(&mut check, context)?);
        runs.push(near_tight_c(&mut check, context)?);
        let mut evidence = Evidence::new(check);
        for (name, found) in &runs {
            let undecided: u64 = found.undecided.values().sum();
            let why: Vec<String> = found.undecided.iter().map(|(why, n)| format!("{n}: {why}")).collect();
            let why = if why.is_empty() { "none undecided".to_owned() } else { why.join("; ") };
            let steps = found.proved + undecided;
            let note = format!(
                "of {steps} steps; {why}; {:.1} pieces a step; the smallest multiple of C that passes is {:.3}",
                found.pieces as f64 / steps.max(1) as f64,
                found.multiple
            );
            evidence.observe(format!("steps proved, {name}"), found.proved as f64, note);
        }
        evidence.plots.extend(plot(&runs));
        Ok(evidence)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "0.999 C on (a)",
                breaks: "the constant is 0.1 % smaller than proved, on the Rayleigh quotient",
                run: |context| just_below(near_tight_a, Constant::C, 0.999, context),
            },
            Control {
                name: "0.97 C on (b)",
                breaks: "the constant is 3 % smaller than proved, on the regression",
                run: |context| just_below(near_tight_b, Constant::C, 0.97, context),
            },
            Control {
                name: "0.999 of m - 1 in C on (c)",
                breaks: "the factor m of C is 1.999 for two blocks that share one g",
                run: |context| just_below(near_tight_c, Constant::CBlocks, 0.999, context),
            },
            Control {
                name: "0.999 of ½ΣL^vv in C on (a)",
                breaks: "C has 99.9 % of its curvature, on the Rayleigh quotient",
                run: |context| just_below(near_tight_a, Constant::CCurvature, 0.999, context),
            },
            Control {
                name: "0.999 of m(L^vg)²/(cL^gg) in C on (c)",
                breaks: "C has 99.9 % of its coupling, on two blocks that share one g",
                run: |context| just_below(near_tight_c, Constant::CCoupling, 0.999, context),
            },
            Control {
                name: "1.001 for 1 in 1 - C e on (a)",
                breaks: "the first-order term of w counts 0.1 % more, on the Rayleigh quotient",
                run: |context| just_below(near_tight_a, Constant::StepW, 1.0 / 1.001, context),
            },
            Control {
                name: "1.001 for c/2 η_g on (c)",
                breaks: "the part of g counts 0.1 % more, on two blocks that share one g",
                run: |context| just_below(near_tight_c, Constant::StepG, 1.0 / 1.001, context),
            },
            Control {
                name: "C := 0 on 3-4-1",
                breaks: "the inequality without its second-order term, at an η_w for which the first-order term is \
                         twice the loss",
                run: |context| {
                    let small = tiny("3-4-1", SMOOTHED, Activation::Tanh, context);
                    // L >= 0, so that no step can lower it by 2L, whatever the curvature along the step.
                    let mut grad = vec![0.0; small.theta.len()];
                    let network = &small.network;
                    let loss = network.sample_gradient(&small.z, &small.theta, &mut grad, &mut Workspace::default());
                    let grad_w_sq = norm_sq(&grad[..network.parameters().g().start]);
                    let run = run("3-4-1", network, small.theta.clone(), 2.0 * loss / grad_w_sq, 1e-3, 1);
                    let mut check = Check::new();
                    Run { within: 10.0, ..run }.prove(&mut check, &context.claiming(Constant::C, 0.0))?;
                    Ok(check)
                },
            },
        ]
    }
}

const SMOOTHED: Normalisation = Normalisation::SmoothedBatchNorm { epsilon: 0.1 };

/// The lemma as it is, to within a tenth.
fn run<'a>(name: &'static str, loss: &'a dyn Loss, theta_0: Vec<f64>, eta_w: f64, eta_g: f64, steps: u64) -> Run<'a> {
    Run { name, loss, theta_0, eta_w, eta_g, steps, within: 0.1 }
}

fn named(run: &Run<'_>) -> String {
    format!("{}, η_w = {:e}", run.name, run.eta_w)
}

/// Proves the lemma on a near-tight instance.
type NearTight = fn(&mut Check, &Context) -> Result<(String, Proofs), Unevaluated>;

/// A near-tight instance with a lemma that is stronger in one constant.
fn just_below(instance: NearTight, constant: Constant, multiple: f64, context: &Context) -> Result<Check, Unevaluated> {
    let mut check = Check::new();
    instance(&mut check, &context.claiming(constant, multiple))?;
    Ok(check)
}

/// How closely the constants are proved where the lemma is nearly tight.
const NEAR_TIGHT: f64 = 1e-4;

/// (a) of Lemma 3.2's instances: the Rayleigh quotient in R^10 at its minimiser plus 1e-3 of its maximiser.
fn near_tight_a(check: &mut Check, context: &Context) -> Result<(String, Proofs), Unevaluated> {
    let loss = Rayleigh::equally_spaced(10);
    let run = run("(a) Rayleigh, near-tight", &loss, loss.theta_0(), 1.0, 1.0, 1);
    let run = Run { within: NEAR_TIGHT, ..run };
    Ok((named(&run), run.prove(check, context)?))
}

/// (b): the regression with v perpendicular to c, g = 1e-3, η_w = 0.3 and η_g just below its limit 1.2/L^gg, L^gg = 1.
fn near_tight_b(check: &mut Check, context: &Context) -> Result<(String, Proofs), Unevaluated> {
    let loss = BnRegression::new(vec![1.0, 0.0]);
    // The proved L^gg exceeds 1 by less than 1e-8.
    let eta_g = bounds::eta_g_limit(1.0, C_G) * (1.0 - 1e-7);
    let run = run("(b) regression, near-tight", &loss, loss.theta_0(1e-3), 0.3, eta_g, 1);
    let run = Run { within: NEAR_TIGHT, ..run };
    Ok((named(&run), run.prove(check, context)?))
}

/// (c): two blocks that share one g, at η_w = cη_g/(2m).
fn near_tight_c(check: &mut Check, context: &Context) -> Result<(String, Proofs), Unevaluated> {
    let (loss, instance) = (SharedRegression::pair(), lemma_3_2::near_tight_c());
    let eta_g = bounds::eta_g_limit(1.0, C_G) * (1.0 - 1e-7);
    let run = run("(c) shared g, near-tight", &loss, instance.subject.theta, lemma_3_2::TIGHT_C, eta_g, 1);
    let run = Run { within: NEAR_TIGHT, ..run };
    Ok((named(&run), run.prove(check, context)?))
}

/// One batch-normalised neuron 2-1 that regresses y = 0.6 x_1 + 0.8 x_2 + noise on 16 examples.
fn one_neuron(context: &Context) -> Result<(Network, Vec<f64>), Unevaluated> {
    const N: usize = 16;
    let mut generator = context.generator("regression/data");
    let x: Vec<f64> = (0..2 * N).map(|_| generator.random_range(-1.5..1.5)).collect();
    let y = (0..N).map(|b| 0.6 * x[b] + 0.8 * x[N + b] + generator.random_range(-0.1..0.1)).collect();
    Ok(network(vec![2, 1], Dataset::new(x, N, 2, y)?, Objective::Squared, 0.0, context))
}

/// The same as an instance, for the bracket of its constants.
pub(super) fn one_neuron_at(context: &Context) -> Result<NetworkAt, Unevaluated> {
    let (network, theta) = one_neuron(context)?;
    Ok(NetworkAt::new("neuron 2-1", network, theta))
}

/// 8-16-16-1 on a batch of 32 examples of a teacher.
fn reference_network(context: &Context) -> (Network, Vec<f64>) {
    let data = teacher(32, 8, Target::Binary, 0.1, &mut context.generator("8-16-16-1/data"));
    network(vec![8, 16, 16, 1], data, Objective::Logistic, 0.01, context)
}

fn network(
    widths: Vec<usize>,
    data: Dataset,
    objective: Objective,
    weight_decay: f64,
    context: &Context,
) -> (Network, Vec<f64>) {
    let minibatches = Minibatches::full(data.n_examples());
    let architecture =
        Architecture { widths, normalisation: SMOOTHED, activation: Activation::Tanh, objective, weight_decay };
    let network = sound(Network::new(architecture, data, minibatches));
    let theta = network.initialise(&mut context.generator("theta"));
    (network, theta)
}

/// The proved constant and what each step needed of it, where there are enough steps for a curve.
fn plot(runs: &[(String, Proofs)]) -> Option<Plot> {
    let (name, found) = runs.iter().rfind(|(name, _)| name.starts_with("3-4-1"))?;
    if found.proved_c.is_empty() {
        return None;
    }
    let mut plot = Plot::log_log(
        "proved-constant",
        "Every step is proved with a constant that is proved on its own segment",
        format!(
            "{name}: C of the first block as proved on each segment, and the part of it that the step's inequality \
             needs."
        ),
        "step t",
        "C of W1 row 1",
    );
    // What a step needs may be nothing.
    (plot.x, plot.y) = (Axis::linear("step t"), Axis::linear("C of W1 row 1"));
    plot.series = vec![
        Series::new("proved", Style::Line, found.proved_c.clone()),
        Series::new("needed", Style::Dashed, found.needed_c.clone()),
    ];
    Some(plot)
}
