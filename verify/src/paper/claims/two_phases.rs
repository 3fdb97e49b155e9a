//! The two phases of section 3.2: gradient descent leaves the first one once, and in the second every step lowers the
//! loss.
//!
//! A block is in its first phase while eta_w/||w||^2 > 1/(2 C_i) (the print says 1/C_i, which is not enough: E8). Since
//! ||w||^2 does not fall (Lemma 2.4), it leaves it at most once: there are at most two phases. Once all blocks have, 1
//! - C_i eta_w/n_i >= 1/2 in (12), and with eta_w^2 ||grad_{w_i} L||^2 = n_{i,t+1} - n_{i,t}
//!
//! > L_t - L_{t+1} >= sum_i (n_{i,t+1} - n_{i,t})/(2 eta_w) + (c/2) eta_g ||grad_g L_t||^2.
//!
//! Summed from the first such step s on, sum_i (n_{i,T} - n_{i,s}) <= 2 eta_w (L_s - Lmin): the norms are bounded.
//! Nothing is said of the loss in the first phase, which may rise.
//!
//! **Near-tight.** The Rayleigh quotient of diag(0, .., 1) beside its minimiser has C = 1, and L = x^2 with x its
//! distance. At eta_w/n = 1/2, on the edge of the phases, one step goes to the minimiser: it lowers the loss by half of
//! the first-order term, and all of 2 eta_w (L_s - Lmin) is in the norm, both up to x^2.

use ratecheck::descent::{Schedule, StepRule, Stepper};
use ratecheck::loss::closed::Rayleigh;
use ratecheck::scalar::{DoubleDouble, Scalar};

use crate::claim::closed_forms::{C_G, ETA_W, Instance, SharedRegression, ordinary};
use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Inequality, Kind, Origin, Standing, Statement, Unevaluated,
};
use crate::claim::parallel::InParallel;
use crate::claim::plot::{Plot, Series, Style};
use crate::claim::replay::{Recursion, Sides};

/// See the module's first line.
pub(super) struct TwoPhases;

static STATEMENT: Statement = Statement {
    id: "two-phases",
    title: "The two phases",
    plain: "Gradient descent has at most two phases for every scale-invariant block; in the second, every step lowers \
            the loss by half of its first-order term, so that norms stop growing.",
    formula: "η_w/n_{i,t} ≤ 1/(2C_i) ⟹ η_w/n_{i,τ} ≤ 1/(2C_i) for all τ ≥ t;   then, for all i:  L_t - L_{t+1} ≥ \
              Σ_i(n_{i,t+1} - n_{i,t})/(2η_w) + (c/2)η_g‖∇_g L_t‖²,   Σ_i(n_{i,T} - n_{i,s}) ≤ 2η_w(L_s - L_min)",
    latex: &[
        r"\frac{\eta_w}{n_{i,t}}\le\frac1{2C_i}\;\Rightarrow\;\frac{\eta_w}{n_{i,\tau}}\le\frac1{2C_i}\quad(\tau\ge t),\qquad n_{i,t}=\|w^{(i)}_t\|^2",
        r"\text{then, for all }i:\quad L_t-L_{t+1}\ge\sum_i\frac{n_{i,t+1}-n_{i,t}}{2\eta_w}+\frac c2\,\eta_g\|\nabla_gL_t\|^2,\qquad\sum_i(n_{i,T}-n_{i,s})\le2\eta_w(L_s-L_{\min})",
    ],
    printed_at: "section 3.2, the proof sketch around Lemma 3.2",
    kind: Kind::Inequality,
    origin: Origin::Paper,
    hypotheses: &[
        "L^vv_ij, L^vg_i, L^gg bound the blocks of the Hessian along the steps",
        "0 < η_g ≤ 2(2-c)/((2+c)L^gg), here with c = 1/2; η_w > 0 is arbitrary and constant",
    ],
    measured: "every step of gradient descent on seven closed forms with exact constants and on two blocks that share \
               one g, η_w from 1e-4 to 1e4: the phase of every block, the decrease of every step of the second phase, \
               and the growth of the norms since it began; and the Rayleigh quotient beside its minimiser at the edge \
               of the phases, where both bounds are nearly used up",
    tolerance: "none for the phases; 1e-14·max(1, |L|) for a decrease, as in Lemma 3.2, and 1e-14·max(1, |L|) + \
                1e-13·T·n/(2η_w) for a sum, what Lemma 2.4 (2) leaves a step; replayed in double-double where that \
                decides. What is not ten times its rounding is not compared: a run that has converged shows nothing",
    does_not_show: "how long the first phase lasts ((19) of lemma-a.2 bounds the norm at its end), or that η_w large \
                    enough to have one is of use; nothing for networks, whose C_i are only known within brackets \
                    (lemma-3.2 measures their steps)",
};

const ROUNDING: f64 = 1e-14;
/// How much larger than its rounding a bound must be to be compared with.
const ABOVE_ROUNDING: f64 = 10.0;
/// Of n, for every step: the tolerance of Lemma 2.4 (2).
const PER_STEP: f64 = 1e-13;

/// What is claimed, and of which steps.
#[derive(Clone, Copy)]
struct Claimed {
    rule: StepRule,
    /// A block is in its second phase from eta_w/n <= this/C_i on.
    threshold: f64,
    /// The share of the first-order term.
    share: f64,
    /// A factor of 2 eta_w (L_s - Lmin).
    norms: f64,
}

const STATED: Claimed = Claimed { rule: StepRule::Gradient, threshold: 0.5, share: 0.5, norms: 1.0 };

impl Claim for TwoPhases {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let steps = context.pick([30, 300, 3_000, 30_000]);
        let mut instances = ordinary(steps)?;
        instances.push(SharedRegression::at("two blocks, one g", 1.0, 0.5, 2.0));
        let jobs: Vec<(&Instance, f64)> = instances.iter().flat_map(|i| ETA_W.map(|eta| (i, eta))).collect();
        let found: Vec<_> = jobs.in_parallel(|&(i, eta)| follow(i, eta, steps, STATED, context));
        let mut evidence = Evidence::default();
        let (mut longest, mut curves): (Vec<(u64, &str, f64)>, _) = (Vec::new(), Vec::new());
        for (found, (instance, eta)) in found.into_iter().zip(jobs) {
            let (check, first, effective) = found?;
            evidence.check.merge(check);
            longest.push((first, &instance.name, eta));
            if instance.name == SHOWN {
                curves.push((eta, effective));
            }
        }
        evidence.plots.push(plot(curves));
        let (check, ..) = follow(&at_edge(), edge_rate(0.5), 3, STATED, context)?;
        evidence.check.merge(check);
        longest.sort_by_key(|run| std::cmp::Reverse(run.0));
        for (first, name, eta) in longest.into_iter().take(3) {
            evidence.observe(
                format!("steps of the first phase, {name}, η_w = {eta:e}"),
                first as f64,
                format!("of {steps}"),
            );
        }
        evidence.check.hypothesis("exact constants along all steps", Standing::Met, "closed forms");
        Ok(evidence)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "threshold 1/C_i",
                breaks: "the second phase is said to begin at 1/C_i, as printed (E8): at 0.75/C a step lowers the loss \
                         by a quarter",
                run: |c| edge(0.75, Claimed { threshold: 1.0, ..STATED }, c),
            },
            Control {
                name: "0.51 for half",
                breaks: "a step of the second phase lowers the loss by 0.51 of its first-order term, at the edge of \
                         the phases",
                run: |c| edge(0.5, Claimed { share: 0.51, ..STATED }, c),
            },
            Control {
                name: "0.99 of 2η_w(L_s - L_min)",
                breaks: "norms grow 1 % less, at the edge of the phases",
                run: |c| edge(0.5, Claimed { norms: 0.99, ..STATED }, c),
            },
            Control {
                name: "weight decay on w",
                breaks: "norms shrink by 5 % a step, so that blocks fall back into the first phase",
                run: |c| {
                    let rule = StepRule::Decay { lambda: 0.05 / edge_rate(0.4) };
                    edge(0.4, Claimed { rule, ..STATED }, c)
                },
            },
        ]
    }
}

/// Beside the minimiser e_1 of diag(0, .., 1), along the steepest direction: C = 1.
fn at_edge() -> Instance {
    let loss = Rayleigh::equally_spaced(10);
    let mut theta_0 = vec![0.0; 10];
    (theta_0[0], theta_0[9]) = (1.0, OFF);
    Instance::new("Rayleigh at the edge", loss.clone(), theta_0, loss.constants(), loss.loss_min())
}

/// x.
const OFF: f64 = 1e-3;

/// eta_w such that eta_w/n is this at the start; rounded down, as the edge belongs to the second phase.
fn edge_rate(effective: f64) -> f64 {
    effective * (1.0 + OFF * OFF) * (1.0 - 4.0 * f64::EPSILON)
}

fn edge(effective: f64, claimed: Claimed, context: &Context) -> Result<Check, Unevaluated> {
    Ok(follow(&at_edge(), edge_rate(effective), 10, claimed, context)?.0)
}

/// The instance that is drawn.
const SHOWN: &str = "BN regression";

/// The phases, the decrease and the norms of one run; returns how many steps its first phase has, and C eta_w/n_t of
/// the first block as (t + 1, value).
fn follow(
    instance: &Instance,
    eta_w: f64,
    steps: u64,
    claimed: Claimed,
    context: &Context,
) -> Result<(Check, u64, Vec<[f64; 2]>), Unevaluated> {
    let (mut check, loss, eta_g) = (Check::new(), &*instance.loss, instance.eta_g_printed());
    let (rate_w, rate_g) = (Schedule::constant(eta_w)?, Schedule::constant(eta_g)?);
    let mut stepper = Stepper::new(loss, &instance.theta, claimed.rule, rate_w, rate_g, context.generator("z"))
        .keeping_theta_before();
    let c_w = instance.c_w();
    let settled =
        |n: &[f64]| n.iter().zip(&c_w).map(|(n, c)| eta_w / n <= claimed.threshold / c).collect::<Vec<bool>>();
    let names: Vec<&str> = loss.parameters().blocks().iter().map(|block| block.name.as_str()).collect();
    let mut before = settled(stepper.w_norm_sq());
    // L_s and sum n_s, once all blocks are in the second phase; and the steps until then.
    let (mut began, mut first) = (None, 0);
    let (mut step, mut effective) = (stepper.step()?, Vec::new());
    for t in 0..steps {
        let theta = stepper.theta_before().map(<[f64]>::to_vec).unwrap_or_default();
        let (value, grad_g_sq) = (step.loss, step.grad_g_sq);
        let grad_w_sq: f64 = stepper.gradient_norm_sq().iter().sum();
        let n: Vec<f64> = (0..c_w.len()).map(|i| loss.parameters().w_norm_sq(&theta, i)).collect();
        let n_next = stepper.w_norm_sq().to_vec();
        effective.push([t as f64 + 1.0, c_w[0] * eta_w / n[0]]);
        let after = settled(&n_next);
        for ((before, after), name) in before.iter().zip(&after).zip(&names) {
            let back = if *before && !after { 1.0 } else { 0.0 };
            check.exactly(
                format!("{}, phases · η_w = {eta_w:e}, t = {t}, {name}: back in the first", instance.name),
                back,
                0.0,
            );
        }
        step = stepper.step()?;
        if before.iter().all(|&settled| settled) {
            let [sum, sum_next] = [&n, &n_next].map(|n| n.iter().sum::<f64>());
            let (start, n_start, since) = *began.get_or_insert((value, sum, t));
            let size = value.abs().max(step.loss.abs()).max(1.0);
            let gain = claimed.share * eta_w * grad_w_sq + 0.5 * C_G * eta_g * grad_g_sq;
            let (lhs, rounding) = (step.loss - value, ROUNDING * size);
            let at = |what: &str| format!("{}, {what} · η_w = {eta_w:e}, t = {t}", instance.name);
            if gain > ABOVE_ROUNDING * rounding {
                check.replayed(at("decrease"), scaled(lhs, -gain, rounding), || {
                    decrease(instance, &theta, [eta_w, eta_g], claimed.share, rounding)
                });
            }
            // Divided by 2 eta_w, so that both sides are differences of losses.
            let lhs = (sum_next - n_start) / (2.0 * eta_w);
            let rhs = claimed.norms * (start - instance.loss_min);
            let rounding = ROUNDING * size + PER_STEP * (t + 1 - since) as f64 * sum_next / (2.0 * eta_w);
            if rhs > ABOVE_ROUNDING * rounding {
                check.replayed(at("norms"), scaled(lhs, rhs, rounding), || None);
            }
        } else {
            first = t + 1;
        }
        before = after;
    }
    Ok((check, first, effective))
}

/// C eta_w/n_t along the runs, and where the phases meet.
fn plot(curves: Vec<(f64, Vec<[f64; 2]>)>) -> Plot {
    let steps = curves.iter().flat_map(|(_, curve)| curve.last()).fold(1.0, |most: f64, p| most.max(p[0]));
    let mut plot = Plot::log_log(
        "phases",
        "No effective rate that is below the edge of the phases comes back above it",
        "C η_w/‖w_t‖² along gradient descent on the BN regression, for rates over eight decades. Above 1/2 a step may \
         raise the loss; below, every step lowers it by half of its first-order term. The largest rates leave the \
         first phase within a few steps, small ones begin in the second, and some come to rest in the first, where \
         nothing is said of the loss.",
        "steps t + 1",
        "C η_w/‖w_t‖²",
    );
    let curves = curves.into_iter().map(|(eta, curve)| Series::along(format!("η_w = {eta:e}"), &curve));
    plot.series = curves.collect();
    plot.series.insert(0, Series::new("edge of the phases, 1/2", Style::Dashed, vec![[1.0, 0.5], [steps, 0.5]]));
    plot
}

/// With a margin relative to the larger side.
fn scaled(lhs: f64, rhs: f64, rounding: f64) -> Inequality {
    Inequality { lhs, rhs, rounding, scale: lhs.abs().max(rhs.abs()) }
}

/// Both sides of the decrease in double-double, from theta.
fn decrease(instance: &Instance, theta: &[f64], [eta_w, eta_g]: [f64; 2], share: f64, rounding: f64) -> Option<Sides> {
    let mut run = Recursion::<DoubleDouble>::new(&*instance.loss, theta)?;
    let before = run.look_at_mean()?;
    let grad_w_sq = (0..run.norms().len()).fold(DoubleDouble::ZERO, |sum, i| sum + run.grad_w_sq(i));
    let gain = grad_w_sq.scale(eta_w).scale(share) + run.grad_g_sq().scale(eta_g).scale(0.5 * C_G);
    run.step(eta_w, eta_g);
    let after = run.look_at_mean()?;
    Some(Sides::counted(after - before, -gain, rounding))
}
