//! Theorem C.3: networks with smoothed BN, a smooth activation and weight decay have the smoothness constants that
//! section 2.4 assumes.
//!
//! The paper's proof is by compactness and gives no number. Here the constants are bounded by composition over the ball
//! of Lemma C.2, layer by layer, which is a proof for the networks at hand and a number that can be checked: it must be
//! finite, and nothing found by search may exceed it.

use ratecheck::bounds::Constant;
use ratecheck::curvature::{
    Ascent, AscentOptions, BnLayer, ObjectiveBounds, Part, Sampled, Smoothness, Target, Up, ascend_constants,
    block_norms, compositional_bound, covariance_bounds, g_bounds_with,
};
use ratecheck::descent::{Schedule, StepRule, Stepper};
use ratecheck::loss::{Over, Setting, Workspace};
use ratecheck::network::{Activation, Normalisation};
use ratecheck::parameters::norm_sq;
use ratecheck::scalar::DoubleDouble;

use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Inequality, Kind, Origin, Standing, Statement, Unevaluated,
};
use crate::claim::instances::{NetworkAt, U};
use crate::claim::plot::{Axis, Plot};
use crate::claim::precise::unit_block_norm;
use crate::claim::replay::{Sides, UNITS};
use crate::claim::rows::Rows;
use crate::paper::appendix_c::{GD, Plan, SGD};

/// See the module's first line.
pub(super) struct TheoremC3;

static STATEMENT: Statement = Statement {
    id: "theorem-c.3",
    title: "Theorem C.3",
    plain: "Networks with smoothed BN, a smooth activation and weight decay on g meet the assumptions of section 2.4: \
            the smoothness constants exist.",
    formula: "‖∂²F_z/∂w_i∂w_j‖ ≤ L^vv_ij < ∞, ‖∂²F_z/∂w_i∂g‖ ≤ L^vg_i < ∞, ‖∂²F_z/∂g²‖ ≤ L^gg < ∞ and E‖∇_gF_z - \
              ∇_gL‖² ≤ G_g² for ‖w_i‖ = 1, ‖g‖ ≤ K, \
              with K of Lemma C.2",
    latex: &[
        r"\left\|\frac{\partial^2F_z}{\partial w_i\,\partial w_j}\right\|\le L^{vv}_{ij}<\infty,\qquad\left\|\frac{\partial^2F_z}{\partial w_i\,\partial g}\right\|\le L^{vg}_i<\infty,\qquad\left\|\frac{\partial^2F_z}{\partial g^2}\right\|\le L^{gg}<\infty",
        r"\mathbb{E}\|\nabla_gF_z-\nabla_gL\|^2\le G_g^2\qquad\text{for }\|w_i\|=1,\;\|g\|\le K,\;\text{with } K\text{ of Lemma C.2}",
    ],
    printed_at: "appendix C, Theorem C.3",
    origin: Origin::Paper,
    kind: Kind::Inequality,
    hypotheses: &[
        "the activation is smooth and the objective Lipschitz; BN is smoothed, ε > 0",
        "weight decay λ > 0 on g, η_g λ ≤ 1 and ‖g₀‖ bounded, so that ‖g_t‖ ≤ K (Lemma C.2)",
    ],
    measured: "bounds by composition on ‖g‖ ≤ K against the block norms of Hessians found by ascent in the balls of \
               radius K, K/8 and K/64, and at every point of a run of (stochastic) gradient descent, which must stay \
               in the ball; the noise of ∇_g over all minibatches against λK; on networks of one to three layers, with \
               tanh, sigmoid and softplus; near g = 0 one layer attains the bound of L^gg",
    tolerance: "1e-12 of the bound, and of 1 where it is 0: a block norm is some thousand roundings of numbers up to \
                the block's bound",
    does_not_show: "existence, which is a statement about all networks and is proved by compactness, not observed; nor \
                    the constants themselves: composition overestimates them by factors that grow with depth, and \
                    search underestimates them",
};

const ROUNDING: f64 = 1e-12;

/// eta_g lambda of every run; Lemma C.2 allows up to 1.
const ETA_LAMBDA: f64 = 0.5;

/// Which bound, and on which ball.
#[derive(Clone, Copy)]
enum Variant {
    /// The bound by composition, on the ball of Lemma C.2.
    Composed,
    /// A factor of it.
    Shrunk(f64),
    /// One layer: without the term of the BN's second derivative.
    WithoutBend,
    /// On the ball of radius ||g_0||, as if g did not grow.
    StartingBall,
}

/// How far above the largest value found a bound is, at the nearest and the farthest block.
struct Looseness {
    name: String,
    low: f64,
    high: f64,
    radius: f64,
    found_gg: f64,
    bound: Smoothness<f64>,
}

impl Claim for TheoremC3 {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut check = Check::new();
        let mut found = Vec::new();
        for plan in PLANS {
            found.push(compare(&mut check, plan.build(context)?, Variant::Composed, context)?);
        }
        let subject = ONE_LABEL.build_with_one_label(context)?;
        found.push(compare(&mut check, subject, Variant::Composed, context)?);
        check.hypothesis("smoothed BN, a smooth activation, weight decay", Standing::Met, "by construction");
        check.hypothesis("η_g λ ≤ 1", Standing::Met, format!("η_g λ = {ETA_LAMBDA} on every run"));
        let mut evidence = Evidence::new(check);
        evidence.plots.push(plot(&found));
        for Looseness { name, low, high, radius, found_gg, bound } in found {
            let note = format!(
                "×{low:.3} at the nearest; K = {radius:.3}; L^gg: {found_gg:.3} ≤ {:.3}; largest L^vv ≤ {:.3e}",
                bound.l_gg,
                bound.l_vv.iter().fold(0.0_f64, |a, &b| a.max(b)),
            );
            evidence.observe(format!("bound over found at the farthest block, {name}"), high, note);
        }
        Ok(evidence)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "0.99 of the bound",
                breaks: "the bounds are 1 % smaller: one layer attains that of L^gg near g = 0",
                run: |context| broken(&ONE_UNIT, Variant::Shrunk(0.99), context),
            },
            Control {
                name: "0.34 Q_L",
                breaks: "the last layer's Q, and K with it, is just below what the neuron with one label needs: it \
                         leaves the ball",
                run: |context| starved(Constant::QLast, 0.34, context),
            },
            Control { name: "0.34 Γ", breaks: "so is Γ", run: |context| starved(Constant::Gamma, 0.34, context) },
            Control {
                name: "0.34 K",
                breaks: "the ball is just smaller than one that holds this run",
                run: |context| starved(Constant::RadiusC2, 0.34, context),
            },
            Control {
                name: "no second derivative of BN",
                breaks: "L^vv of one layer lacks the term of D²N, with λ = 10, where K is small and that term is the \
                         larger one",
                run: |context| broken(&STRONG_DECAY, Variant::WithoutBend, context),
            },
            Control {
                name: "the ball of g₀",
                breaks: "K is ‖g₀‖, as if g did not grow: the run leaves the ball",
                run: |context| broken(&NOISY, Variant::StartingBall, context),
            },
        ]
    }
}

/// How far the bounds are above what was found.
fn plot(found: &[Looseness]) -> Plot {
    let rows = |value: fn(&Looseness) -> f64| found.iter().map(move |of| (of.name.clone(), value(of)));
    Rows::default()
        .with("nearest block", rows(|of| of.low))
        .with("farthest block", rows(|of| of.high))
        .line("largest norm found", 1.0)
        .plot(
            "looseness",
            "No block of the Hessian exceeds its bound by composition, which networks of one layer attain in one block",
            "The proved bound of a block of the Hessian on ‖g‖ ≤ K over the largest norm that ascent and a run found, \
             for the nearest and the farthest block of every network. The constants of section 2.4 lie between the \
             line and the points.",
            Axis::log("bound / largest norm found"),
            "instance",
        )
}

/// One layer, one unit.
const ONE_UNIT: Plan = Plan { name: "3-1, GD", widths: &[3, 1], ..GD };
/// The same with a decay so large that K is small.
const STRONG_DECAY: Plan = Plan { name: "2-1, λ = 10, GD", widths: &[2, 1], weight_decay: 10.0, ..GD };
/// The same with one label: beta tends to where lambda beta is the chance of the other label, a little below 1/2, while
/// Gamma = 1/lambda; so |g| tends to nearly a half of Gamma, and K = sqrt(2) Gamma.
const ONE_LABEL: Plan = Plan { name: "2-1, λ = 10, one label, GD", ..STRONG_DECAY };
/// One layer under noise.
const NOISY: Plan = Plan { name: "4-3, SGD", widths: &[4, 3], ..SGD };

const PLANS: &[Plan] = &[
    ONE_UNIT,
    STRONG_DECAY,
    NOISY,
    Plan { name: "3-4-1 tanh, GD", widths: &[3, 4, 1], epsilon: 1.0, ..GD },
    Plan { name: "3-4-3 sigmoid, SGD", widths: &[3, 4, 3], activation: Activation::Sigmoid, epsilon: 1.0, ..SGD },
    Plan { name: "3-4-1 softplus, SGD", widths: &[3, 4, 1], activation: Activation::Softplus, epsilon: 1.0, ..SGD },
    Plan { name: "3-4-3-1 sigmoid, GD", widths: &[3, 4, 3, 1], activation: Activation::Sigmoid, epsilon: 1.0, ..GD },
];

fn broken(plan: &Plan, variant: Variant, context: &Context) -> Result<Check, Unevaluated> {
    let mut check = Check::new();
    compare(&mut check, plan.build(context)?, variant, context)?;
    Ok(check)
}

/// The neuron with one label, which comes nearest to the ball's edge, with less of one constant.
fn starved(constant: Constant, multiple: f64, context: &Context) -> Result<Check, Unevaluated> {
    let (context, mut check) = (context.claiming(constant, multiple), Check::new());
    compare(&mut check, ONE_LABEL.build_with_one_label(&context)?, Variant::Composed, &context)?;
    Ok(check)
}

fn compare(
    check: &mut Check,
    mut subject: NetworkAt,
    variant: Variant,
    context: &Context,
) -> Result<Looseness, Unevaluated> {
    let g = subject.layout().g();
    // A small start, so that Gamma_l is what weight decay allows and not |g_0|.
    subject.theta[g.clone()].iter_mut().for_each(|g| *g /= 16.0);
    let g_0 = &subject.theta[g];
    let bounds = g_bounds_with(&context.factors, &subject.network, g_0.iter().fold(0.0, |a, g| a.max(g.abs())))?;
    let radius = match variant {
        Variant::StartingBall => norm_sq(g_0).sqrt(),
        _ => bounds.radius,
    };
    let mut bound = compositional_bound(&subject.network, radius)?.values();
    match variant {
        Variant::Composed | Variant::StartingBall => {}
        Variant::Shrunk(factor) => {
            bound.l_vv.mapv_inplace(|l| factor * l);
            bound.l_vg.iter_mut().for_each(|l| *l *= factor);
            bound.l_gg *= factor;
        }
        Variant::WithoutBend => bound.l_vv.fill(without_bend(&subject, radius)?),
    }

    let found = search(check, &subject, radius, bounds.radius, context)?;
    let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
    let m = found.n_blocks();
    let parts = || (0..m).map(Part::Block).chain([Part::G]);
    for (i, rows) in parts().enumerate() {
        for columns in parts().take(i + 1) {
            let (met, rhs) = (found.of(rows, columns), bound.of(rows, columns));
            let at = format!("{} · {} × {}", subject.name, name(&subject, rows), name(&subject, columns));
            let (lhs, size) = (met.norm, if rhs > 0.0 { rhs } else { 1.0 });
            let inequality = Inequality { lhs, rhs, rounding: ROUNDING * size, scale: lhs.max(rhs) };
            // What is proved is a bound as it stands, rounded upwards.
            check.replayed(at, inequality, || {
                let target = Target::Sample(&met.z);
                let (lhs, residual) = unit_block_norm(&subject.network, target, &met.theta, [rows, columns])?;
                Some(Sides { lhs, rhs: DoubleDouble::from(rhs), rounding: residual + ROUNDING * UNITS * size })
            });
            if rhs > 0.0 {
                (low, high) = (low.min(rhs / lhs), high.max(rhs / lhs));
            }
        }
    }
    Ok(Looseness { name: subject.name, low, high, radius, found_gg: found.l_gg.norm, bound })
}

fn name(subject: &NetworkAt, part: Part) -> &str {
    match part {
        Part::Block(i) => &subject.layout().blocks()[i].name,
        Part::G => "g",
    }
}

/// hZ A\[w\]^2: the bound of L^vv of one layer with one unit, when gZ A2\[w,w\] is forgotten.
fn without_bend(subject: &NetworkAt, radius: f64) -> Result<f64, Unevaluated> {
    let architecture = subject.network.architecture();
    let Normalisation::SmoothedBatchNorm { epsilon } = architecture.normalisation else {
        return Err(Unevaluated("the variant is for smoothed BN".to_owned()));
    };
    if architecture.widths[1..] != [1] {
        return Err(Unevaluated("the variant is for one layer with one unit".to_owned()));
    }
    let batch = subject.z.len();
    let covariance = covariance_bounds(subject.network.data(), &subject.z);
    let layer = BnLayer::new(radius, batch, covariance.largest, covariance.smallest, epsilon);
    let objective = ObjectiveBounds::new(architecture.objective, batch, Up::new(radius), Up::ZERO);
    Ok((objective.second * layer.row().square()).value())
}

/// The largest norm of a block that was met, and where.
#[derive(Clone)]
struct Met {
    norm: f64,
    theta: Vec<f64>,
    z: Vec<usize>,
}

/// The norms of all blocks at one point.
fn met(norms: &Smoothness<Sampled>, theta: &[f64], z: &[usize]) -> Smoothness<Met> {
    norms.map(|norm| Met { norm: norm.0, theta: theta.to_vec(), z: z.to_vec() })
}

/// The larger of each; what is not a number stays.
fn larger(a: &Smoothness<Met>, b: &Smoothness<Met>) -> Smoothness<Met> {
    Smoothness::from_blocks(a.n_blocks(), |rows, columns| {
        let (a, b) = (a.of(rows, columns), b.of(rows, columns));
        if a.norm.is_nan() || a.norm >= b.norm { a } else { b }
    })
}

/// The largest block norms that ascent finds in balls, and on a run, which must stay in the ball of `radius`; and the
/// noise of grad_g on the run, whose bound is lambda K with the K of Lemma C.2: every entry of grad_g F_z without the
/// decay is at most lambda Gamma_l, and a variance at most the mean square.
fn search(
    check: &mut Check,
    subject: &NetworkAt,
    radius: f64,
    lemma_c2_radius: f64,
    context: &Context,
) -> Result<Smoothness<Met>, Unevaluated> {
    let (network, layout) = (&subject.network, subject.layout());
    let start = layout.theta_unit(&subject.theta);
    let mut found = met(&block_norms(network, &subject.z, &start), &start, &subject.z);
    for shrink in [1.0, 8.0, 64.0] {
        let seed = context.seed.child(&format!("{}/points/{shrink}", subject.name));
        let options = AscentOptions {
            n_points: context.pick([30, 100, 300, 2_000]),
            restarts: context.pick([1, 2, 3, 6]),
            tolerance: 1e-3,
            max_evaluations: context.pick([30, 200, 500, 1_000]),
            ..AscentOptions::new(radius / shrink)
        };
        // Ascents go up in single F_z, unless the mean was asked for.
        let of = |ascent: &Ascent| Met {
            norm: ascent.value.0,
            theta: ascent.theta.clone(),
            z: ascent.z.clone().unwrap_or_else(|| subject.z.clone()),
        };
        found = larger(&found, &ascend_constants(network, &options, &seed).map(of));
    }
    let lambda = network.architecture().weight_decay;
    let (eta_w, eta_g) = (Schedule::constant(1.0)?, Schedule::constant(ETA_LAMBDA / lambda)?);
    let generator = context.generator(&format!("{}/run", subject.name));
    let mut stepper = Stepper::new(network, &subject.theta, StepRule::Gradient, eta_w, eta_g, generator);
    let batches: Vec<Vec<usize>> = match network.minibatches().finite() {
        Some(batches) => batches.map(<[usize]>::to_vec).collect(),
        None => return Err(Unevaluated("the theorem's minibatches are finitely many".to_owned())),
    };
    let (mut work, g) = (Workspace::default(), layout.g());
    for t in 1..=context.pick([10, 50, 500, 2_000]) {
        stepper.step()?;
        let theta = layout.theta_unit(stepper.theta());
        let at = format!("{} · run, t = {t}, ", subject.name);
        // 1000 + 4/(eta_g lambda) units of rounding of K, as in Lemma C.2.
        check.at_most(format!("{at}‖g‖"), norm_sq(&theta[g.clone()]).sqrt(), radius, 1008.0 * U * radius);
        let mut gradients = Vec::new();
        for z in &batches {
            found = larger(&found, &met(&block_norms(network, z, &theta), &theta, z));
            let mut gradient = vec![0.0; theta.len()];
            network.sample_gradient(z, &theta, &mut gradient, &mut work);
            gradients.push(gradient[g.clone()].to_vec());
        }
        if batches.len() > 1 {
            let share = 1.0 / batches.len() as f64;
            let mean = |k: usize| gradients.iter().map(|gradient| gradient[k]).sum::<f64>() * share;
            let mean: Vec<f64> = (0..g.len()).map(mean).collect();
            let off = |gradient: &Vec<f64>| gradient.iter().zip(&mean).map(|(x, m)| (x - m) * (x - m)).sum::<f64>();
            let noise = (gradients.iter().map(off).sum::<f64>() * share).sqrt();
            check.at_most(format!("{at}noise of ∇_g"), noise, lambda * lemma_c2_radius, 0.0);
        }
    }
    Ok(found)
}
