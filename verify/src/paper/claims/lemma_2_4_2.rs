//! Lemma 2.4 (2): a step of (stochastic) gradient descent lengthens every scale-invariant block by its squared length.

mod on_subject;

use ratecheck::descent::{Schedule, StepRule, Stepper};
use ratecheck::loss::{Minibatches, Over, Setting, Workspace};
use ratecheck::network::{Activation, Network};
use ratecheck::parameters::norm_sq;
use ratecheck::rates::log_spaced;
use ratecheck::scalar::Scalar;

use crate::claim::evidence::{Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Statement, Unevaluated};
use crate::claim::instances::{FILTERS, INVARIANT, SMOOTHED_BN, U, digits_at, filters, small};
use crate::claim::plot::{Plot, Series, Style};

/// See the module's first line.
pub(super) struct Lemma242;

static STATEMENT: Statement = Statement {
    id: "lemma-2.4.2",
    title: "Lemma 2.4, part 2",
    plain: "A gradient step adds the squared length of the step to the squared norm of the weights, which therefore \
            never shrink.",
    formula: "‖w_{t+1}‖² = ‖w_t‖² + η²‖∇_{w_t}F_{z_t}(θ_t)‖² = ‖w_t‖² + (η²/‖w_t‖²)‖∇_{v_t}F_{z_t}(θ̃_t)‖²",
    latex: &[
        r"\|w_{t+1}\|^2=\|w_t\|^2+\eta^2\,\|\nabla_{w_t}F_{z_t}(\theta_t)\|^2=\|w_t\|^2+\frac{\eta^2}{\|w_t\|^2}\,\|\nabla_{v_t}F_{z_t}(\tilde\theta_t)\|^2",
    ],
    printed_at: "section 2.5, Lemma 2.4",
    kind: Kind::Identity,
    origin: Origin::Paper,
    hypotheses: &["F_z is scale invariant in w", "the step is plain (stochastic) gradient descent (4)"],
    measured: "both equalities, block by block, along runs with learning rates 0.01, 1 and 100 on networks under eight \
               normalisations, on two with layers of filters and pooling (full batch), and on the digits network \
               (minibatches)",
    tolerance: "the step's and the norms' roundings, 16u(‖w‖ + ‖step‖)² per sum of d terms up to d = 64, plus 64u for \
                ⟨w, step⟩ (Lemma 2.4, part 1): 128u(‖w‖ + ‖step‖)²; for the second equality, the same with the \
                gradient at θ̃ (Lemma 2.2)",
    does_not_show: "that the growth slows down: that is what Theorems 3.1 and 4.2 need",
};

impl Claim for Lemma242 {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let steps = context.pick([5, 20, 100, 1000]);
        let (mut check, mut paths) = (Check::new(), Vec::new());
        for (name, normalisation) in INVARIANT {
            let subject = small(name, normalisation, Activation::Tanh, context);
            for eta in [0.01, 1.0, 100.0] {
                let path = follow(
                    &mut check,
                    name,
                    &subject.network,
                    &subject.theta,
                    eta,
                    steps,
                    StepRule::Gradient,
                    context,
                )?;
                if name == SMOOTHED_BN.0 {
                    paths.push((format!("η = {eta}"), path));
                }
            }
        }
        for (name, normalisation, activation) in FILTERS {
            let subject = filters(name, normalisation, activation, context);
            for eta in [0.01, 1.0, 100.0] {
                follow(&mut check, name, &subject.network, &subject.theta, eta, steps, StepRule::Gradient, context)?;
            }
        }
        let digits = digits_at(512, context);
        let minibatches = Minibatches::partition((0..512).collect(), 32)?;
        let network = digits.network.with_minibatches(minibatches);
        for eta in [0.01, 1.0, 100.0] {
            follow(&mut check, &digits.name, &network, &digits.theta, eta, steps, StepRule::Gradient, context)?;
        }
        let (name, normalisation) = SMOOTHED_BN;
        let subject = small(name, normalisation, Activation::Tanh, context);
        let (network, theta) = (&subject.network, &subject.theta);
        let path = follow(&mut Check::new(), name, network, theta, 1.0, steps, StepRule::Sign, context)?;
        paths.push(("sign steps, η = 1".to_owned(), path));
        Ok(Evidence { plots: vec![plot(paths)], ..Evidence::new(check) })
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "projected SGD",
                breaks: "each block is brought back to its norm",
                run: |c| broken(c, StepRule::Projected),
            },
            Control {
                name: "sign steps",
                breaks: "the block moves against the sign of its gradient",
                run: |c| broken(c, StepRule::Sign),
            },
            Control {
                name: "Adam",
                breaks: "the block moves by Adam, with b_1 = 0.9 and b_2 = 0.999",
                run: |c| broken(c, StepRule::Adam { b_1: 0.9, b_2: 0.999 }),
            },
            Control {
                name: "weight decay on w",
                breaks: "the block also decays by 1e-3·w",
                run: |c| broken(c, StepRule::Decay { lambda: 1e-3 }),
            },
        ]
    }
}

/// What a step did to ||w||^2.
struct Grown<S> {
    n_before: S,
    /// eta^2 ||grad_w||^2.
    step_sq: S,
    /// ||w_{t+1}||^2 less the right-hand side, of both equalities.
    off: [S; 2],
}

impl<S: Scalar> Grown<S> {
    /// From w_t to w_{t+1}, with the gradients at theta_t and at theta~_t.
    fn seen(before: &[S], after: &[S], [grad, at_unit]: [&[S]; 2], eta: f64) -> Self {
        let (n_before, n_after) = (norm_sq(before), norm_sq(after));
        let eta_sq = S::from_f64(eta) * S::from_f64(eta);
        let step_sq = eta_sq * norm_sq(grad);
        let intrinsic = eta_sq / n_before * norm_sq(at_unit);
        Self { n_before, step_sq, off: [n_after - n_before - step_sq, n_after - n_before - intrinsic] }
    }
}

/// What ||w_t||^2 of the first block has grown by, and what the lemma makes of it: both as (t, value).
type Norms = [Vec<[f64; 2]>; 2];

#[allow(clippy::too_many_arguments)] // a run has that many ingredients
fn follow(
    check: &mut Check,
    name: &str,
    network: &Network,
    theta_0: &[f64],
    eta: f64,
    steps: usize,
    rule: StepRule,
    context: &Context,
) -> Result<Norms, Unevaluated> {
    let layout = network.parameters();
    let (n_start, mut expected) = (layout.w_norm_sq(theta_0, 0), 0.0);
    let mut norms = [Vec::new(), Vec::new()];
    let schedule = Schedule::constant(eta)?;
    let generator = context.generator(&format!("{name}/{eta}"));
    let mut stepper =
        Stepper::new(network, theta_0, rule, schedule, Schedule::constant(0.05)?, generator).keeping_theta_before();
    let mut permutation = Vec::new();
    let mut draws = context.generator(&format!("{name}/{eta}/z"));
    let mut work = Workspace::default();
    let mut at_unit = vec![0.0; theta_0.len()];
    for t in 0..steps {
        let z = network.minibatches().draw(&mut draws, &mut permutation);
        stepper.step_with(z)?;
        let before = stepper.theta_before().ok_or_else(|| Unevaluated("theta is not kept".to_owned()))?;
        network.sample_gradient(z, &layout.theta_unit(before), &mut at_unit, &mut work);
        for (i, block) in layout.blocks().iter().enumerate() {
            let range = block.range.clone();
            let grad = &stepper.gradient()[range.clone()];
            let grown =
                Grown::seen(&before[range.clone()], &stepper.theta()[range.clone()], [grad, &at_unit[range]], eta);
            let tolerance = 128.0 * U * (grown.n_before.sqrt() + grown.step_sq.sqrt()).powi(2);
            let at = format!("{name} · η = {eta}, t = {t}, {}", block.name);
            check.identity(&at, grown.off[0].abs(), tolerance);
            check.identity(format!("{at} (second equality)"), grown.off[1].abs(), 4.0 * tolerance);
            if i == 0 {
                expected += grown.step_sq;
                norms[0].push([t as f64 + 1.0, norm_sq(&stepper.theta()[block.range.clone()]) - n_start]);
                norms[1].push([t as f64 + 1.0, expected]);
            }
        }
    }
    Ok(norms)
}

/// What was measured beside the sums of the lemma, of runs by their names.
fn plot(paths: Vec<(String, Norms)>) -> Plot {
    let mut plot = Plot::log_log(
        "growth",
        "Gradient steps add their squared length to the squared norm; sign steps add something else",
        "What the squared norm of the first block of a small network under smoothed BN has grown by (dots), and the \
         squared lengths η²‖∇_w F_z‖² of the steps that gradient descent makes from the same points (dashed), which \
         the lemma says is the same.",
        "steps t",
        "‖w_t‖² - ‖w_0‖²",
    );
    for (name, [measured, expected]) in paths {
        let last = expected.last().map_or(2, |p| p[0] as u64).max(2);
        let shown = log_spaced(1, last, 20);
        let measured = measured.into_iter().filter(|p| shown.binary_search(&(p[0] as u64)).is_ok());
        plot.series.push(Series::new(name, Style::Points, measured.collect()));
        plot.series.push(Series::new("Σ η²‖∇_w F_z‖²", Style::Dashed, expected));
    }
    plot
}

fn broken(context: &Context, rule: StepRule) -> Result<Check, Unevaluated> {
    let mut check = Check::new();
    let subject = small("smoothed BN row", SMOOTHED_BN.1, Activation::Tanh, context);
    follow(&mut check, "smoothed BN row", &subject.network, &subject.theta, 1.0, 2, rule, context)?;
    Ok(check)
}
