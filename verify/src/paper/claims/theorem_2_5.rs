//! Theorem 2.5: gradient descent on W is an adaptive method on the unit spheres, with rate eta/G and G growing.

mod figure;
mod on_subject;
mod trajectory;

use ratecheck::descent::{Schedule, StepRule, Stepper};
use ratecheck::loss::{Loss, Minibatches, Setting};
use ratecheck::network::{Activation, Network};
use ratecheck::parameters::norm_sq;

use self::trajectory::Followed;
use crate::claim::closed_forms::{Instance, ordinary};
use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Standing, Statement, Unevaluated,
};
use crate::claim::instances::{FILTERS, INVARIANT, LAYER_NORM, SMOOTHED_BN, WEIGHT_NORM, digits_at, filters, small};
use crate::claim::parallel::InParallel;

/// See the module's first line.
pub(super) struct Theorem25;

static STATEMENT: Statement = Statement {
    id: "theorem-2.5",
    title: "Theorem 2.5",
    plain: "Gradient descent on scale-invariant weights is projected descent of their directions with the rate η/G, G \
            = ‖w‖².",
    formula: "v_{t+1} = Π(v_t - (η/G_t)∇_{v_t}F_{z_t}(θ̃_t)),   G_{t+1} = G_t + (η²/G_t)‖∇_{v_t}F_{z_t}(θ̃_t)‖²,   G_t \
              = ‖w_t‖²",
    latex: &[
        r"v_{t+1}=\Pi\Bigl(v_t-\frac{\eta}{G_t}\nabla_{v_t}F_{z_t}(\tilde\theta_t)\Bigr),\qquad G_{t+1}=G_t+\frac{\eta^2}{G_t}\,\|\nabla_{v_t}F_{z_t}(\tilde\theta_t)\|^2,\qquad G_t=\|w_t\|^2",
    ],
    printed_at: "section 2.5, equation (9)",
    kind: Kind::Identity,
    origin: Origin::Paper,
    hypotheses: &["F_z is scale invariant in every block", "plain (stochastic) gradient descent (4)"],
    measured: "both sides one step apart, restarted at every step of runs with η = 0.01, 3 and 100, on networks under \
               eight normalisations, on two with layers of filters and pooling, and on the digits network with \
               minibatches; v, G and g are compared. And both sides over whole trajectories of networks and closed \
               forms at η = 0.01 and 3, never restarted, in f64 and in double-double",
    tolerance: "1e-13 relative to 1, G and ‖g‖: a step takes a few hundred roundings of u = 1.1e-16. Over a whole \
                trajectory rounding grows, where the dynamics are chaotic by orders of magnitude in tens of steps: \
                there the tolerance is that same rounding of every step, carried along by the derivative of the step, \
                and in double-double 2^-45 times as much; a trajectory is followed until that is 2^-53",
    does_not_show: "that two long runs stay together in floating point: they need not, and in f64 do not",
};

impl Claim for Theorem25 {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let steps = context.pick([5, 25, 100, 1000]);
        let mut check = Check::new();
        for (name, normalisation) in INVARIANT {
            let subject = small(name, normalisation, Activation::Tanh, context);
            for eta in ETAS {
                follow(&mut check, (name, &subject.network, &subject.theta), eta, steps, Form::Printed, context)?;
            }
        }
        for (name, normalisation, activation) in FILTERS {
            let subject = filters(name, normalisation, activation, context);
            for eta in ETAS {
                follow(&mut check, (name, &subject.network, &subject.theta), eta, steps, Form::Printed, context)?;
            }
        }
        let digits = digits_at(512, context);
        let network = digits.network.with_minibatches(Minibatches::partition((0..512).collect(), 32)?);
        for eta in ETAS {
            follow(&mut check, (&digits.name, &network, &digits.theta), eta, steps, Form::Printed, context)?;
        }
        let mut evidence = Evidence::default();
        let (steps, found) = whole(context)?;
        let mut shortest = steps;
        for eta_w in WHOLE {
            let mut most = Followed { steps, apart: [0.0; 2], bound: 0.0, path: Vec::new() };
            for (part, _, followed) in found.iter().filter(|(_, rate, _)| *rate == eta_w) {
                check.merge(part.clone());
                most = most.and(followed);
            }
            shortest = shortest.min(most.steps);
            let [rounded, precise] = most.apart;
            let name = format!("(9) and (4) apart over whole trajectories, η = {eta_w}");
            let note = format!("relative, the largest; rounding can make it {:.1e} at most", most.bound);
            evidence.observe(format!("{name}: double-double"), precise, note);
            evidence.observe(format!("{name}: f64"), rounded, "rounding, carried along by the dynamics");
        }
        let standing = if shortest >= steps.min(LEAST) { Standing::Met } else { Standing::NotMet };
        let detail = format!("the shortest of them is followed for {shortest} of {steps} steps");
        check.hypothesis("rounding in double-double stays below 2^-53 over a whole trajectory", standing, detail);
        evidence.check = check;
        // The first network at the larger rate.
        if let Some((_, _, followed)) = found.iter().find(|(_, rate, _)| *rate == WHOLE[1]) {
            evidence.plots.push(figure::apart(followed, &nudged(steps, context)?));
        }
        Ok(evidence)
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "rate η/‖w‖",
                breaks: "the effective rate is η/‖w‖ instead of η/‖w‖²",
                run: |c| broken(c, Form::Root),
            },
            Control {
                name: "no projection",
                breaks: "v is not brought back to the sphere",
                run: |c| broken(c, Form::Unprojected),
            },
            Control {
                name: "constant G",
                breaks: "G does not grow: projected SGD",
                run: |c| broken(c, Form::ConstantG),
            },
            Control {
                name: "rate η/‖w‖, whole trajectory",
                breaks: "the same over a trajectory that is not restarted",
                run: |c| broken_whole(c, Form::Root),
            },
            Control {
                name: "rate 1e-15 too large, whole trajectory",
                breaks: "the effective rate is (1 + 2^-50)η/‖w‖²: in f64 that is rounding, only double-double sees it",
                run: |c| broken_whole(c, Form::Nudged),
            },
            Control {
                name: "no projection, whole trajectory",
                breaks: "the same over a trajectory that is not restarted",
                run: |c| broken_whole(c, Form::Unprojected),
            },
            Control {
                name: "constant G, whole trajectory",
                breaks: "the same over a trajectory that is not restarted",
                run: |c| broken_whole(c, Form::ConstantG),
            },
        ]
    }
}

const ETAS: [f64; 3] = [0.01, 3.0, 100.0];
/// Of whole trajectories.
const WHOLE: [f64; 2] = [0.01, 3.0];
/// A trajectory that rounding would swamp earlier shows too little.
const LEAST: usize = 20;

/// The right-hand side, or a broken one.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Printed,
    Root,
    Unprojected,
    ConstantG,
    /// The rate is (1 + 2^-50) eta/G; for whole trajectories.
    Nudged,
}

/// Whole trajectories: three small networks with minibatches, and closed forms with and without g.
fn whole(context: &Context) -> Result<(usize, Vec<Whole>), Unevaluated> {
    let steps = context.pick([20, 100, 400, 1_000]);
    let networks = [SMOOTHED_BN, LAYER_NORM, WEIGHT_NORM].map(|(name, normalisation)| {
        let subject = small(name, normalisation, Activation::Tanh, context);
        let z = Minibatches::partition((0..24).collect(), 8)?;
        Ok::<_, Unevaluated>((name, subject.network.with_minibatches(z), subject.theta))
    });
    let networks = networks.into_iter().collect::<Result<Vec<_>, _>>()?;
    let instances = ordinary(steps as u64)?;
    let on_network = |&((name, network, theta), eta_w): &(&(&str, Network, Vec<f64>), f64)| {
        one_whole((name, network, theta), (eta_w, 0.05), steps, context)
    };
    let on_closed = |&(instance, eta_w): &(&Instance, f64)| {
        one_whole((&instance.name, &*instance.loss, &instance.theta), (eta_w, instance.eta_g_printed()), steps, context)
    };
    let of_networks: Vec<_> = networks.iter().flat_map(|n| WHOLE.map(|eta| (n, eta))).collect();
    let of_closed: Vec<_> = instances.iter().flat_map(|i| WHOLE.map(|eta| (i, eta))).collect();
    let mut found: Vec<_> = of_networks.in_parallel(on_network);
    found.extend(of_closed.in_parallel(on_closed));
    Ok((steps, found.into_iter().collect::<Result<_, _>>()?))
}

/// The first of them at the larger rate, with an effective rate that is 2^-50 too large.
fn nudged(steps: usize, context: &Context) -> Result<Followed, Unevaluated> {
    let (name, normalisation) = SMOOTHED_BN;
    let subject = small(name, normalisation, Activation::Tanh, context);
    let network = subject.network.with_minibatches(Minibatches::partition((0..24).collect(), 8)?);
    let rates = (WHOLE[1], 0.05);
    trajectory::follow(&mut Check::new(), (name, &network, &subject.theta), rates, steps, Form::Nudged, context)
}

/// A trajectory's comparisons, its eta_w, and how it went.
type Whole = (Check, f64, Followed);

fn one_whole(
    subject: (&str, &dyn Loss, &[f64]),
    rates: (f64, f64),
    steps: usize,
    context: &Context,
) -> Result<Whole, Unevaluated> {
    let mut check = Check::new();
    let followed = trajectory::follow(&mut check, subject, rates, steps, Form::Printed, context)?;
    Ok((check, rates.0, followed))
}

/// Follows (4), and from every theta_t makes one step of (9) beside it.
fn follow(
    check: &mut Check,
    (name, network, theta_0): (&str, &Network, &[f64]),
    eta: f64,
    steps: usize,
    form: Form,
    context: &Context,
) -> Result<(), Unevaluated> {
    let layout = network.parameters();
    let generator = |what: &str| context.generator(&format!("{name}/{eta}/{what}"));
    // Norms differ from block to block, so the control's rate eta/||w|| is wrong by a different factor for each.
    let eta_g = Schedule::constant(0.05)?;
    let eta_w = Schedule::constant(eta)?;
    let adaptive_rate =
        Schedule::constant(if form == Form::Root { eta * layout.w_norm_sq(theta_0, 0).sqrt() } else { eta })?;
    let rule = if form == Form::ConstantG { StepRule::Projected } else { StepRule::Adaptive };
    let mut plain = Stepper::new(network, theta_0, StepRule::Gradient, eta_w, eta_g, generator("unused"));
    let mut adaptive = Stepper::new(network, theta_0, rule, adaptive_rate, eta_g, generator("unused"));
    let (mut draws, mut permutation) = (generator("z"), Vec::new());
    for t in 0..steps as u64 {
        let z = network.minibatches().draw(&mut draws, &mut permutation).to_vec();
        adaptive.restart(plain.theta(), t);
        plain.step_with(&z)?;
        adaptive.step_with(&z)?;
        for (i, block) in layout.blocks().iter().enumerate() {
            let w = &plain.theta()[block.range.clone()];
            let expected_norm_sq = norm_sq(w);
            let norm = expected_norm_sq.sqrt();
            let other = &adaptive.theta()[block.range.clone()];
            let length = match form {
                // v - (eta/G) grad_v, as long as it came out.
                Form::Unprojected => (expected_norm_sq / layout.w_norm_sq(theta_0, i)).sqrt().recip(),
                Form::ConstantG => norm_sq(other).sqrt(),
                Form::Printed | Form::Root | Form::Nudged => 1.0,
            };
            let at = format!("{name} · η = {eta}, t = {t}, {}", block.name);
            let gap: Vec<f64> = w.iter().zip(other).map(|(w, v)| w / norm - v / length).collect();
            check.identity(format!("{at}: v"), norm_sq(&gap).sqrt(), TOLERANCE);
            let gap = (adaptive.w_norm_sq()[i] - expected_norm_sq).abs();
            check.identity(format!("{at}: G"), gap, TOLERANCE * expected_norm_sq);
        }
        let (g, other) = (&plain.theta()[layout.g()], &adaptive.theta()[layout.g()]);
        let gap: Vec<f64> = g.iter().zip(other).map(|(x, y)| x - y).collect();
        check.identity(format!("{name} · η = {eta}, t = {t}: g"), norm_sq(&gap).sqrt(), TOLERANCE * norm_sq(g).sqrt());
    }
    Ok(())
}

/// See the statement.
const TOLERANCE: f64 = 1e-13;

fn broken_whole(context: &Context, form: Form) -> Result<Check, Unevaluated> {
    let mut check = Check::new();
    let subject = small("smoothed BN row", SMOOTHED_BN.1, Activation::Tanh, context);
    let rates = (1.0, 0.05);
    trajectory::follow(&mut check, ("smoothed BN row", &subject.network, &subject.theta), rates, 5, form, context)?;
    Ok(check)
}

fn broken(context: &Context, form: Form) -> Result<Check, Unevaluated> {
    let mut check = Check::new();
    let subject = small("smoothed BN row", SMOOTHED_BN.1, Activation::Tanh, context);
    follow(&mut check, ("smoothed BN row", &subject.network, &subject.theta), 1.0, 1, form, context)?;
    Ok(check)
}
