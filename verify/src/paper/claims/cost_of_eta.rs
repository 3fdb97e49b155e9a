//! What the learning rate of W costs in Theorem 3.1: sum_t ||grad_v L||^2 grows as eta at large eta_w and as 1/eta at
//! small ones, where the paper's bound grows as eta^4; with several blocks and a g, as eta ln eta. Derived here.
//!
//! **Oscillation.** On a sphere of dimension 1 or more with ||Hess F|| <= L, max F - min F <= osc = 2 ln cosh(pi/2) L =
//! 1.8399 L: along the great circle from a minimiser to a maximiser, of length l <= pi, write F' = L tanh y. Then |y'|
//! <= 1 (claim `tanh-pi-half`) and y = 0 at both ends, so that |y(s)| <= min(s, l - s), and the integral is at most 2 L
//! ln cosh(l/2).
//!
//! Write e = eta/n and M = tanh(pi/2) L; n_{t+1} = n_t + (eta^2/n_t) ||grad_v F_t||^2 (Lemma 2.4), and n_t (n_{t+1} -
//! n_t) <= (n_{t+1}^2 - n_t^2)/2.
//!
//! **One block, no g.** C = L/2. *Phase 1*, n_t <= 2 C eta: ||grad_v F_t||^2 = n_t (n_{t+1} - n_t)/eta^2 telescopes
//! over all but the last step to at most (2 C)^2/2, and the last adds at most M^2. Let k be its end. From n = n_{k-1}
//! in [n_0, 2 C eta], n_k = n + eta^2 ||grad_v||^2/n, which is convex in n, is at most N = max(n_0 + eta^2 M^2/n_0, 2 C
//! eta + eta M^2/(2 C)). Without a phase 1, N = n_0. *Phase 2*: C e <= 1/2, so Lemma 3.2 gives F_{t+1} - F_t <=
//! -(n_{t+1} - n_t)/(2 eta); hence n_T - n_k <= 2 eta osc, and the sum telescopes to at most (n_T^2 - n_k^2)/(2 eta^2).
//! Together
//!
//!   sum_{t<T} ||grad_v F_t||^2 <= [L^2/2 + M^2] + 2 osc (N/eta + osc)   for every T, where [..] is that of phase 1.
//!
//! The paper pays (C/n_0)(n_k - n_0), of order eta^2, for what F may rise in phase 1. A bounded function cannot rise by
//! more than osc.
//!
//! **Blocks and g.** Each block has its own phases, with C_i of Lemma 3.2. Call a step a *jump* of block i if it is in
//! phase 1 and n_i more than doubles. Put the jumping blocks last: while they stand still, Lemma 3.2 bounds the rise by
//! that of the others, and each of them then moves on its own sphere, where it adds at most osc_i. A block in phase 1
//! that does not jump adds at most C_i e_i^2 ||grad||^2 = C_i (n' - n)/n <= C_i log2(n'/n), since x <= log2(1 + x) on
//! [0, 1]; a jump at most osc_i <= osc_i log2(n'/n). The logarithms telescope over all but the last step of the phase,
//! which adds max(C_i, osc_i) once more. So with
//!
//!   D = L_0 - Lmin + sum_i max(C_i, osc_i) (1 + log2(2 C_i eta/n_{0,i})) over blocks that begin in phase 1,
//!
//! sum_i (growth of n_i in phase 2)/(2 eta) + (c/2) eta_g sum ||grad_g L||^2 <= D, hence
//!
//!   sum ||grad_g L||^2 <= 2 D/(c eta_g),   sum ||grad_V L||^2 <= sum_i [2 C_i^2 + M_i^2] + 2 D (max_i N_i/eta + D).
//!
//! **Sharp at both ends.** From (v, n) with L e < 2, Taylor's formula to second order says |F_0 - F_T - X| <= (L e/2) X
//! with X = sum e_t ||grad_v F_t||^2 = (n_T - n)/eta, so that phi/(1 + L e/2) <= X <= phi/(1 - L e/2) with phi = F_0 -
//! F_T, and eta S lies between n X and n X + eta X^2/2. As eta -> 0 that is eta S -> n_0 phi(v_0). As eta -> infinity
//! the first step leads to n_1 = eta^2 ||grad||^2/n_0 and u = -grad/||grad||, and the same from there: S/eta ->
//! (||grad_v F(v_0)||^2/n_0) phi(u). **Trap:** e is then 1/(eta ||grad||^2), so T must be far above eta; a sum that
//! stopped early looks converged.

mod on_subject;

use std::f64::consts::FRAC_PI_2;

use ratecheck::bounds::{BlockCost, Constant, cost_sum_v};
use ratecheck::descent::{Record, Running, StepRule};
use ratecheck::loss::Workspace;
use ratecheck::loss::closed::{Rayleigh, TanhCircle};
use ratecheck::parameters::norm_sq;
use ratecheck::rates::log_spaced;
use ratecheck::scalar::Scalar;

use crate::claim::closed_forms::{C_G, ETA_W, Instance, on_circle, ordinary};
use crate::claim::evidence::{Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Statement, Unevaluated};
use crate::claim::instances::U;
use crate::claim::parallel::InParallel;
use crate::claim::plot::{Plot, Reference, Series, Style};
use crate::paper::gradient_descent::{Bracket, Constants, Terms, descend};

/// See the module's first line.
pub(super) struct CostOfEta;

static STATEMENT: Statement = Statement {
    id: "cost-of-eta",
    title: "What η_w costs in Theorem 3.1",
    plain: "Under gradient descent the sum of squared gradients grows in proportion to a large learning rate of W, up \
            to a logarithm, and not to its fourth power.",
    formula: "one block, no g:  Σ_{t<T}‖∇_v L‖² ≤ L²/2 + M² + 2·osc·(N/η + osc),   osc = 2 ln cosh(π/2)·L,  M = \
              tanh(π/2)·L,  N = max(n_0 + η²M²/n_0, ηL + ηM²/L);   blocks and g:  Σ‖∇_V L‖² ≤ Σ_i(2C_i² + M_i²) + \
              2D(max N_i/η + D),  Σ‖∇_g L‖² ≤ 2D/(cη_g),  D = L_0 - L_min + Σ_i max(C_i, osc_i)(1 + \
              log₂(2C_iη/n_{0,i}))",
    latex: &[
        r"\sum_{t<T}\|\nabla_vL\|^2\le\tfrac12L^2+M^2+2\,\mathrm{osc}\Bigl(\frac{N}{\eta}+\mathrm{osc}\Bigr),\quad\mathrm{osc}=2\ln\cosh\frac{\pi}{2}\,L,\quad M=\tanh\frac{\pi}{2}\,L,\quad N=\max\Bigl(n_0+\frac{\eta^2M^2}{n_0},\;\eta L+\frac{\eta M^2}{L}\Bigr)",
        r"\sum_{t<T}\|\nabla_VL\|^2\le\sum_i(2C_i^2+M_i^2)+2D\Bigl(\max_i\frac{N_i}{\eta}+D\Bigr),\qquad\sum_{t<T}\|\nabla_gL\|^2\le\frac{2D}{c\,\eta_g}",
        r"D=L_0-L_{\min}+\sum_i\max(C_i,\mathrm{osc}_i)\Bigl(1+\log_2\frac{2C_i\eta}{n_{0,i}}\Bigr)",
    ],
    printed_at: "not in the paper: Theorem 3.1 has 4A(A + Σn_0/η_w), where A grows as η_w²",
    kind: Kind::Inequality,
    origin: Origin::Derived,
    hypotheses: &[
        "those of Theorem 3.1: L is scale invariant in w, C^{1,1} (C² is not needed: curvature is integrated) and \
         bounded below, η_w > 0 is constant, η_g ≤ 2(2-c)/((2+c)L^gg), c = 1/2",
        "blocks of dimension 2 or more (one of dimension 1 never moves)",
    ],
    measured: "the sums at log-spaced T of runs with η_w from 1e-4 to 1e4 on seven closed forms, for W and for g, and \
               the sharper form where there is one block and no g; and the sums at η_w = 1e-3 and 1e4, T = 2e5, on the \
               tanh circle from 1.2 and 0.6 and on the Rayleigh quotient in R^10 beside their limits",
    tolerance: "none but the rounding of sums, (T + d)u of them; near the limits the bracket of Taylor's formula, some \
                L e: 1e-3 at η_w = 1e-3, and 2e-4 to 1e-3 at 1e4",
    does_not_show: "that a run is as slow as its bound: measured sums are at most 16 % of it with one block; nor that \
                    the logarithm is needed",
};

impl Claim for CostOfEta {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut evidence = Evidence::default();
        let mut ends = Vec::new();
        for (check, end) in runs(context.pick([STEPS_TEST, 20_000, 200_000, 2_000_000]), context)? {
            evidence.check.merge(check);
            ends.push(end);
        }
        let mut sharp = (f64::INFINITY, 0.0_f64);
        for end in ends.iter().filter_map(|end| end.one_block.map(|bound| end.sum_v / bound)) {
            sharp = (sharp.0.min(end), sharp.1.max(end));
        }
        evidence.observe("Σ‖∇_v L‖²/bound, one block, the least", sharp.0, "over eight decades of η_w");
        evidence.observe("Σ‖∇_v L‖²/bound, one block, the largest", sharp.1, "over eight decades of η_w");
        for (name, instance) in sharp_instances() {
            for eta_w in [1e-3, 1e4] {
                let ratio = at_the_limit(&mut evidence.check, name, &instance, eta_w, 1.0, context)?;
                let of = if eta_w < 1.0 { "ηS to n_0 φ(v_0)" } else { "S/η to ‖∇F‖² φ(u)/n_0" };
                evidence.observe(format!("{of}, {name}, η_w = {eta_w:e}"), ratio, "tends to 1");
            }
        }
        evidence.plots.push(plot(&ends));
        Ok(evidence)
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "a limit 1 % larger",
                breaks: "S/η at η_w = 1e4 is compared with 1.01 times its limit",
                run: |context| broken_limit(1.01, context),
            },
            Control {
                name: "exponent 1.05",
                breaks: "S is said to grow as η^1.05: at 1e4 that is 1.58 times the limit",
                run: |context| broken_limit(Scalar::powf(1e4_f64, 0.05), context),
            },
            Control {
                name: "projected descent",
                breaks: "the norm is fixed and η_w/‖w‖² = 1.5 is beyond the stability limit: the gradient stays at \
                         0.745",
                run: |context| {
                    let terms = Terms::new(&rayleigh_in_the_plane(), context.factors);
                    Ok(follow(&terms, 1.5, 1_000, StepRule::Projected, context)?.0)
                },
            },
            Control {
                name: "N without η²M²/n_0",
                breaks: "what the first steps make of the norm is left out, at η_w = 1e4",
                run: |context| less(Constant::CostJump, 0.0, context),
            },
            Control {
                name: "0.0115 of η²M²/n_0",
                breaks: "what the first steps make of the norm is smaller than the suite needs by 2 %",
                run: |context| less(Constant::CostJump, 0.0115, context),
            },
            Control {
                name: "0.164 of osc",
                breaks: "what the loss may rise by, with one block and no g, is smaller than the suite needs by 1 %",
                run: |context| less(Constant::CostOsc, 0.164, context),
            },
            Control {
                name: "0.498 of the bound of W",
                breaks: "2D(max N_i/η + D) is smaller than the suite needs by 1 %",
                run: |context| less(Constant::CostSum, 0.498, context),
            },
            Control {
                name: "0.0363 of the bound of g",
                breaks: "2D/(cη_g) is smaller than the suite needs by 1 %",
                run: |context| less(Constant::CostSumG, 0.0363, context),
            },
            Control {
                name: "0.53 of L(θ_0) - L_min",
                breaks: "the gap in D is smaller than the suite needs by 1.5 %",
                run: |context| less(Constant::CostGap, 0.53, context),
            },
        ]
    }
}

fn rayleigh_in_the_plane() -> Instance {
    let loss = Rayleigh::new(vec![0.0, 1.0]);
    Instance::new("Rayleigh in R^2", loss.clone(), on_circle(0.9), loss.constants(), loss.loss_min())
}

/// T at the test profile.
const STEPS_TEST: u64 = 1_000;

/// Every closed form under every rate, in parallel and collected in order.
fn runs(steps: u64, context: &Context) -> Result<Vec<(Check, End)>, Unevaluated> {
    let instances = ordinary(steps)?;
    let work: Vec<_> = instances.iter().flat_map(|i| ETA_W.map(|eta_w| (i, eta_w))).collect();
    let one = |&(instance, eta_w): &(&Instance, f64)| {
        follow(&Terms::new(instance, context.factors), eta_w, steps, StepRule::Gradient, context)
    };
    work.in_parallel(one).into_iter().collect()
}

/// Every run of the test profile with `multiple` of a constant.
fn less(constant: Constant, multiple: f64, context: &Context) -> Result<Check, Unevaluated> {
    let context = context.claiming(constant, multiple);
    let mut check = Check::new();
    for run in runs(STEPS_TEST, &context)? {
        check.merge(run.0);
    }
    Ok(check)
}

/// Where both limits are known.
fn sharp_instances() -> [(&'static str, Instance); 3] {
    let (tanh, rayleigh) = (TanhCircle::new(1.0), Rayleigh::equally_spaced(10));
    let circle =
        |angle: f64| Instance::new("tanh circle", tanh.clone(), on_circle(angle), tanh.constants(), tanh.loss_min());
    let quotient =
        Instance::new("Rayleigh", rayleigh.clone(), vec![1.0; 10], rayleigh.constants(), rayleigh.loss_min());
    [("tanh circle from 1.2", circle(1.2)), ("tanh circle from 0.6", circle(0.6)), ("Rayleigh in R^10", quotient)]
}

/// What the bounds take of every block.
fn blocks(terms: &Terms, of: &Constants) -> Vec<BlockCost> {
    let of = of.c_w.iter().zip(&of.l_vv).zip(&terms.n_start);
    of.map(|((&c_w, &l_vv), &n_start)| BlockCost { c_w, l_vv, n_start }).collect()
}

/// The bound of sum ||grad_V L||^2 as it is derived, with the smaller constants.
pub(super) fn derived_sum_v(terms: &Terms, eta_w: f64) -> f64 {
    terms.bracket(|of| cost_sum_v(terms.gap, &blocks(terms, of), eta_w)).least
}

/// What one run showed at its last horizon.
struct End {
    instance: String,
    eta_w: f64,
    sum_v: f64,
    /// The bounds with the smaller constants.
    bound_v: f64,
    one_block: Option<f64>,
    /// Theorem 3.1's own, in its tighter form with L_A = L.
    paper: f64,
}

/// One run, compared at every horizon.
fn follow(
    terms: &Terms,
    eta_w: f64,
    steps: u64,
    rule: StepRule,
    context: &Context,
) -> Result<(Check, End), Unevaluated> {
    let Terms { name, loss, theta_0, n_start, gap, eta_g, has_g, factors, .. } = terms;
    let horizons = log_spaced(1, steps, context.pick([8, 16, 24, 24]));
    let trace = descend(&**loss, theta_0, rule, [eta_w, *eta_g], steps, horizons, context)?;
    let bound_v = terms.bracket(|of| factors.cost_sum_v(*gap, &blocks(terms, of), eta_w));
    let bound_g =
        terms.bracket(|of| factors.cost_sum_g(factors.cost_rise(*gap, &blocks(terms, of), eta_w), C_G, *eta_g));
    let alone = (n_start.len() == 1 && !has_g)
        .then(|| terms.bracket(|of| factors.cost_one_block(of.l_vv[0], n_start[0], eta_w)));
    let mut check = Check::new();
    for record in &trace.records {
        let sums = running(record)?;
        let slack = U * (theta_0.len() as f64 + record.t as f64);
        let mut compare = |what: &str, lhs: f64, rhs: Bracket| {
            let at = format!("{name} · η_w = {eta_w:e}, T = {}: {what}", record.t);
            rhs.at_least(&mut check, at, lhs, slack * lhs);
        };
        compare("sum over V", sums.sum_grad_v_sq, bound_v);
        if *has_g {
            compare("sum over g", sums.sum_grad_g_sq, bound_g);
        }
        if let Some(alone) = alone {
            compare("sum over v, one block", sums.sum_grad_v_sq, alone);
        }
    }
    let last = trace.records.last().ok_or_else(|| Unevaluated("no record".to_owned()))?;
    let a = terms.a(eta_w, 1.0).least;
    let end = End {
        instance: name.clone(),
        eta_w,
        sum_v: running(last)?.sum_grad_v_sq,
        bound_v: bound_v.least,
        one_block: alone.map(|bound| bound.least),
        paper: ratecheck::bounds::theorem_3_1_sum_v_tight(a, eta_w, n_start),
    };
    Ok((check, end))
}

fn running(record: &Record) -> Result<&Running, Unevaluated> {
    record.running.as_ref().ok_or_else(|| Unevaluated("no running sums".to_owned()))
}

fn broken_limit(factor: f64, context: &Context) -> Result<Check, Unevaluated> {
    let mut check = Check::new();
    for (name, instance) in sharp_instances() {
        at_the_limit(&mut check, name, &instance, 1e4, factor, context)?;
    }
    Ok(check)
}

/// The sum at an eta_w near 0 or infinity, between the bounds that are sharp there; both times `factor`. Returns the
/// sum over its limit.
fn at_the_limit(
    check: &mut Check,
    name: &str,
    instance: &Instance,
    eta_w: f64,
    factor: f64,
    context: &Context,
) -> Result<f64, Unevaluated> {
    /// Far above the largest eta_w: see the trap.
    const STEPS: u64 = 200_000;
    let (loss, theta_0, l) = (&*instance.loss, &instance.theta, instance.constants.l_vv[(0, 0)]);
    let trace = descend(loss, theta_0, StepRule::Gradient, [eta_w; 2], STEPS, vec![1], context)?;
    let (first, last) = (&trace.records[0], &trace.records[1]);
    let sum = running(last)?.sum_grad_v_sq;
    let n_0 = norm_sq(theta_0);
    let mut grad = vec![0.0; theta_0.len()];
    let f_0 = loss.sample_gradient(&[0], theta_0, &mut grad, &mut Workspace::default());
    let grad_v_sq = n_0 * norm_sq(&grad);
    // From where the sum is compared, what comes before, phi there and its uncertainty, and the limit.
    let (n, before, phi, off, limit) = if eta_w < 1.0 {
        let phi = f_0 - instance.loss_min;
        (n_0, 0.0, phi, 0.0, n_0 * phi / eta_w)
    } else {
        let u: Vec<f64> = grad.iter().map(|x| -x).collect();
        let phi = loss.sample_loss(&[0], &u) - instance.loss_min;
        // v_1 is off u by the angle arctan(n_0/(eta ||grad_v||)), and the slope is at most M.
        let angle = n_0 / (eta_w * grad_v_sq.sqrt());
        (first.w_norm_sq[0], grad_v_sq, phi, Scalar::tanh(FRAC_PI_2) * l * angle, eta_w * grad_v_sq * phi / n_0)
    };
    let (tail, half) = (last.loss - instance.loss_min, 0.5 * l * eta_w / n);
    let (low, high) = ((phi - off - tail) / (1.0 + half), (phi + off) / (1.0 - half));
    let [low, high] = [n * low / eta_w, n * high / eta_w + 0.5 * high * high].map(|bound| factor * (before + bound));
    // The sum has T terms, and n_T, of which X is made, T roundings of a step's three.
    let rounding = 4.0 * U * STEPS as f64 * sum;
    check.at_most(format!("{name} · η_w = {eta_w:e}: lower bound"), low, sum, rounding);
    check.at_most(format!("{name} · η_w = {eta_w:e}: upper bound"), sum, high, rounding);
    Ok(sum / limit)
}

/// Sums and bounds against eta_w, for the Rayleigh quotient.
fn plot(ends: &[End]) -> Plot {
    let curve = |instance: &str, value: &dyn Fn(&End) -> f64| -> Vec<[f64; 2]> {
        ends.iter().filter(|end| end.instance == instance).map(|end| [end.eta_w, value(end)]).collect()
    };
    let rayleigh = "Rayleigh in R^10";
    let measured = curve(rayleigh, &|end| end.sum_v);
    let through = |k: usize| measured.get(k).copied().unwrap_or([1.0, 1.0]);
    let references = vec![
        Reference { name: "1/η_w".to_owned(), slope: -1.0, through: through(1) },
        Reference { name: "η_w".to_owned(), slope: 1.0, through: through(7) },
    ];
    let caption = "Solid: Σ‖∇_v L‖² over whole runs on the Rayleigh quotient in R^10. Dashed: the bound derived here \
                   for one block, that for blocks and g, and Theorem 3.1's in its sharpest form, which grows as η_w⁴.";
    let (x, y) = ("learning rate η_w", "Σ‖∇_v L‖²");
    let plot = Plot::log_log("cost", "A large learning rate costs its first power, not its fourth", caption, x, y);
    let series = vec![
        Series::new("measured", Style::Line, measured.clone()),
        Series::new("bound, one block", Style::Dashed, curve(rayleigh, &|end| end.one_block.unwrap_or(f64::NAN))),
        Series::new("bound, blocks and g", Style::Dashed, curve(rayleigh, &|end| end.bound_v)),
        Series::new("Theorem 3.1", Style::Dashed, curve(rayleigh, &|end| end.paper)),
    ];
    Plot { series, references, ..plot }
}
