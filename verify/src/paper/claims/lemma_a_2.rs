//! Lemma A.2: the norms of the blocks are bounded, for every learning rate.
//!
//! While n_tau <= 2 C eta_w the loss may rise; (19) bounds n after that first phase, since each of its steps adds at
//! most eta_w^2 LA^2/n_0. From then on at least half of the first-order decrease is real, and (20) follows.

use std::f64::consts::{FRAC_PI_2, PI};

use ratecheck::bounds::Constant;
use ratecheck::descent::{Schedule, StepRule, Stepper};
use ratecheck::loss::closed::TanhCircle;
use ratecheck::parameters::norm_sq;

use crate::claim::closed_forms::{C_G, ETA_W, Instance, ROUNDED, SharedRegression, on_circle, ordinary};
use crate::claim::closest::Closest;
use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Standing, Statement, Unevaluated,
};
use crate::claim::instances::U;
use crate::claim::parallel::InParallel;
use crate::claim::plot::{Plot, Series, Style};
use crate::paper::gradient_descent::{Bracket, Terms};
use crate::paper::slack;

mod on_subject;

/// See the module's first line.
pub(super) struct LemmaA2;

static STATEMENT: Statement = Statement {
    id: "lemma-a.2",
    title: "Lemma A.2",
    plain: "Gradient descent lets a scale-invariant block grow to a bounded norm only, whatever its learning rate.",
    formula: "‖w_{t_i+1}‖² ≤ ‖w_0‖² + η_w(2C_i + L_A²η_w/‖w_0‖²),   t_i = max{τ < T: ‖w_τ‖² ≤ 2C_iη_w} or -1;   \
              Σ_i (‖w_T‖² - ‖w_0‖²)/(2η_w) + (c/2)η_g Σ_{t<T}‖∇_g L‖² ≤ L(θ_0) - L_min + Σ_i K_i",
    latex: &[
        r"\|w_{t_i+1}\|^2\le\|w_0\|^2+\eta_w\Bigl(2C_i+\frac{L_A^2\,\eta_w}{\|w_0\|^2}\Bigr),\qquad t_i=\max\{\tau<T:\|w_\tau\|^2\le2C_i\eta_w\}\;\text{or}\;{-1}",
        r"\sum_i\frac{\|w_T\|^2-\|w_0\|^2}{2\eta_w}+\frac c2\,\eta_g\sum_{t<T}\|\nabla_gL\|^2\le L(\theta_0)-L_{\min}+\sum_iK_i",
    ],
    printed_at: "appendix A, Lemma A.2, equations (19) and (20)",
    kind: Kind::Inequality,
    origin: Origin::Paper,
    hypotheses: &[
        "those of Lemma 3.2, with constants known in closed form",
        "constant η_w > 0; η_g = 2(1-c)/L^gg with c = 1/2",
        "L_A is the constant of Lemma A.1: π L^vv_ii as printed, or L^vv_ii",
    ],
    measured: "both inequalities at every T of runs with η_w from 1e-4 to 1e4, on seven closed forms, on two \
               blocks that share one g, and on the rounded tanh circle from its steepest point, for L_A = πL and L_A \
               = L; of each run the comparison with the least \
               room; every inequality of the proof by itself, with its part of the gap",
    tolerance: "a step changes ‖w‖² by up to 2u (rounded weights) and 34u (step not quite orthogonal to w): (36T + \
                16)u of ‖w_T‖², and T u of the sum over g",
    does_not_show: "that the bound (20) is of the right size in the first phase: for large η_w its K_i grows like \
                    η_w², the measured side like η_w",
};

/// What stands on the right-hand side.
#[derive(Clone, Copy)]
struct Reading {
    /// LA over L.
    l_a: f64,
    /// K_i in (20), or 0.
    with_k: bool,
}

const SHARP: Reading = Reading { l_a: 1.0, with_k: true };
const PRINTED: Reading = Reading { l_a: PI, with_k: true };

/// How near a run came to the bounds.
#[derive(Clone, Copy)]
struct Nearness {
    /// (n_{t_i+1} - n_0)/(its bound).
    growth: f64,
    /// The left-hand side of (20) over the right one.
    total: f64,
    /// (left - Delta)/sum K: the smallest multiple of the K_i that passes; 0 if the gap alone suffices.
    multiple_of_k: f64,
    /// The largest ||g_t||.
    g: f64,
}

impl Claim for LemmaA2 {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let steps = context.pick([500, 5_000, 50_000, 500_000]);
        let instances = instances(steps)?;
        let mut evidence = Evidence::default();
        for instance in &instances {
            let detail = instance.radius.map_or("exact everywhere".to_owned(), |k| format!("exact on |g| ≤ {k}"));
            evidence.check.hypothesis(format!("constants of {}", instance.name), Standing::Met, detail);
        }
        let work: Vec<(&Instance, f64)> = instances.iter().flat_map(|i| ETA_W.map(|eta_w| (i, eta_w))).collect();
        let one = |&(instance, eta_w): &(&Instance, f64)| -> Result<_, Unevaluated> {
            let mut check = Check::new();
            let terms = Terms::new(instance, context.factors);
            let sharp = follow(&mut check, &terms, eta_w, steps, SHARP, context)?;
            follow(&mut check, &terms, eta_w, steps, PRINTED, context)?;
            Ok((check, sharp))
        };
        let found: Vec<_> = work.in_parallel(one);
        let mut curves = [const { Vec::new() }; 3];
        let mut all = Vec::new();
        for (&(_, eta_w), found) in work.iter().zip(found) {
            let (check, found) = found?;
            evidence.check.merge(check);
            all.push((eta_w, found));
        }
        for eta_w in ETA_W {
            let most = |value: fn(&Nearness) -> f64| {
                all.iter().filter(|one| one.0 == eta_w).map(|one| value(&one.1)).fold(0.0, f64::max)
            };
            let (growth, total, multiple) = (most(|f| f.growth), most(|f| f.total), most(|f| f.multiple_of_k));
            let note = "with L_A = L, the largest over the closed forms and T; the smallest multiple that passes";
            evidence.observe(format!("(19), growth/bound at η_w = {eta_w:e}"), growth, note);
            evidence.observe(format!("(20), measured/bound at η_w = {eta_w:e}"), total, note);
            evidence.observe(format!("(20), smallest multiple of K at η_w = {eta_w:e}"), multiple, note);
            for (curve, y) in curves.iter_mut().zip([growth, total, multiple]) {
                curve.push([eta_w, y]);
            }
        }
        evidence.plots.push(plot(curves));
        slack::descent::lemma_a_2(&mut evidence, context)?;
        Ok(evidence)
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "K_i := 0",
                breaks: "(20) without what the first phase can cost, on the tanh circle with η_w = 10",
                run: |context| broken(10.0, Reading { with_k: false, ..SHARP }, context),
            },
            Control {
                name: "0.9 L for L_A",
                breaks: "(19) with a gradient bound that is 10 % too small: on the tanh circle the gradient reaches \
                         0.917 L",
                run: |context| broken(1e3, Reading { l_a: 0.9, ..SHARP }, context),
            },
            Control {
                name: "0.05 K_i",
                breaks: "(20) has less of the K_i than the 0.0546 that is needed at T ≤ 500",
                run: |context| starved(Constant::K, 0.05, context),
            },
            Control {
                name: "1/0.32 of the growth in (20)",
                breaks: "the growth of the norms counts 3.1 times on the left, and 1/0.324 is the most",
                run: |context| starved(Constant::PaidW, 0.32, context),
            },
            Control {
                name: "100 times the part of g in (20)",
                breaks: "the gradients in g count 100 times on the left, and 85 times is the most",
                run: |context| starved(Constant::PaidG, 0.01, context),
            },
            Control {
                name: "no gradient in (19)",
                breaks: "(19) without its term L_A²η_w/‖w_0‖², as if the last step of the first phase were small",
                run: |context| broken(1e3, Reading { l_a: 0.0, ..SHARP }, context),
            },
        ]
    }
}

/// All of them; `steps` indexes the helix of that many steps.
fn instances(steps: u64) -> Result<Vec<Instance>, Unevaluated> {
    let mut instances = ordinary(steps)?;
    instances.push(steepest());
    // |g| <= m: g_{t+1} = sum_i c_i'v_i at eta_g = 1.
    instances.push(SharedRegression::at("shared g, two blocks", 1.2, 0.5, 2.0));
    Ok(instances)
}

/// Every instance at every rate up to T = 500, with less of one constant than one of them needs.
fn starved(constant: Constant, multiple: f64, context: &Context) -> Result<Check, Unevaluated> {
    const STEPS: u64 = 500;
    let (context, mut check) = (context.claiming(constant, multiple), Check::new());
    for instance in instances(STEPS)? {
        let terms = Terms::new(&instance, context.factors);
        for eta_w in ETA_W {
            follow(&mut check, &terms, eta_w, STEPS, SHARP, &context)?;
        }
    }
    Ok(check)
}

/// The rounded tanh circle from the point where its gradient is largest:
/// nearly tight for (19) when the first step is the phase.
fn steepest() -> Instance {
    let loss = TanhCircle::rounded(1.0, ROUNDED);
    let start = on_circle(FRAC_PI_2);
    Instance::new("rounded tanh circle, steepest start", loss.clone(), start, loss.constants(), loss.loss_min())
}

fn broken(eta_w: f64, reading: Reading, context: &Context) -> Result<Check, Unevaluated> {
    let mut check = Check::new();
    follow(&mut check, &Terms::new(&steepest(), context.factors), eta_w, 100, reading, context)?;
    Ok(check)
}

/// Compares at every T of one run.
fn follow(
    check: &mut Check,
    terms: &Terms,
    eta_w: f64,
    steps: u64,
    reading: Reading,
    context: &Context,
) -> Result<Nearness, Unevaluated> {
    let Terms { loss, theta_0, n_start, gap, eta_g, .. } = terms;
    let (rate_w, rate_g) = (Schedule::constant(eta_w)?, Schedule::constant(*eta_g)?);
    let generator = context.generator("z");
    let mut stepper = Stepper::new(&**loss, theta_0, StepRule::Gradient, rate_w, rate_g, generator);
    // (19) holds with any C_i: they say when the first phase ends, and L_A is what has to be large enough.
    let c_w = &terms.least.c_w;
    let limit = |i: usize| {
        terms.bracket(|of| terms.factors.lemma_a2_norm_sq(c_w[i], reading.l_a * of.l_vv[i], eta_w, n_start[i]))
    };
    let limit: Vec<Bracket> = (0..c_w.len()).map(limit).collect();
    let rhs = terms.a(eta_w, reading.l_a).map(|a| if reading.with_k { a } else { *gap });

    // n one step after the first phase, for t_i = -1.
    let mut after = n_start.clone();
    let mut n = n_start.clone();
    let mut sum_g = 0.0;
    let layout = loss.parameters();
    let mut g_sq = norm_sq(&theta_0[layout.g()]);
    let (mut norms, mut total) = (vec![Closest::NONE; c_w.len()], Closest::NONE);
    let mut growth = 0.0_f64;
    for t in 1..=steps {
        sum_g += stepper.step()?.grad_g_sq;
        g_sq = g_sq.max(norm_sq(&stepper.theta()[layout.g()]));
        for i in 0..c_w.len() {
            let next = stepper.w_norm_sq()[i];
            if n[i] <= 2.0 * c_w[i] * eta_w {
                after[i] = next;
            }
            norms[i].keep_change(t, after[i], limit[i].least, limit[i].least - n_start[i]);
            growth = growth.max((after[i] - n_start[i]) / (limit[i].least - n_start[i]));
            n[i] = next;
        }
        total.keep(t, terms.factors.lemma_a2_left(eta_w, n_start, &n, C_G, *eta_g, sum_g), rhs.least);
    }
    let rounding = (36.0 * steps as f64 + 16.0) * U;
    let name = format!("{} · η_w = {eta_w:e}, L_A = {:.2} L", terms.name, reading.l_a);
    for (i, closest) in norms.iter().enumerate() {
        let Closest { t, lhs, rhs, .. } = *closest;
        let room = rounding * lhs.abs().max(rhs.abs());
        limit[i].grown(check, format!("{name}, (19), block {i}, T = {t}"), lhs, room, n_start[i]);
    }
    let spread = rounding * n.iter().sum::<f64>() / (2.0 * eta_w) + steps as f64 * U * total.lhs;
    rhs.at_least(check, format!("{name}, (20), T = {}", total.t), total.lhs, spread);
    let k: f64 = terms.k(&terms.least, eta_w, reading.l_a).iter().sum();
    let multiple_of_k = ((total.lhs - gap) / k).max(0.0);
    Ok(Nearness { growth, total: total.ratio(), multiple_of_k, g: g_sq.sqrt() })
}

fn plot([growth, total, multiple]: [Vec<[f64; 2]>; 3]) -> Plot {
    let caption = "The share of the bounds that is used, with L_A = L, the largest over the closed forms and over T. \
                   (19) is nearly used up for large learning rates, where the first step is all of the first phase; \
                   (20) never.";
    let mut plot =
        Plot::log_log("share", "How much of Lemma A.2 is used", caption, "learning rate η_w", "measured/bound");
    plot.series = vec![
        Series::new("(19), growth", Style::Line, growth),
        Series::new("(20)", Style::Line, total),
        Series::new("(20), multiple of K", Style::Dashed, multiple),
    ];
    plot
}
