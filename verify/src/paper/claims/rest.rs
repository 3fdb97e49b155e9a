//! Where gradient descent comes to rest: at an effective learning rate that is stable there. One line of Lyu, Li &
//! Arora 2022, derived again here.
//!
//! Gradient descent with constant eta_w, eta_g moves (V, n, g). Its fixed points are the stationary points of L with
//! any norms n_i. Near one, with D = diag(eta_w/n_i on v_i, eta_g on g) and H the Hessian of L at theta~, displacements
//! x of (V, g) follow x' = (I - D H) x to first order, and n moves by a second-order amount only. D^(1/2) H D^(1/2) is
//! similar to D H and symmetric. If its largest eigenvalue is above 2, some direction is multiplied by less than -1 in
//! every step: the points that converge to such a fixed point lie on its centre-stable manifold, whose dimension is
//! smaller, and so do the starts, preimages of a null set under an analytic map whose Jacobian is not everywhere
//! singular. So for almost every start that converges,
//!
//!   lambda_max(D^(1/2) H D^(1/2)) <= 2;   one block, no g:   (eta/n_inf) lambda_max(H) <= 2.
//!
//! A start with a larger rate at a minimiser leaves it, and each step away makes the norm grow, until the rate has come
//! below the edge: auto-tuning, by instability. At theta itself the same matrix is diag(eta)^(1/2) Hess L(theta)
//! diag(eta)^(1/2), since the Hessian at w_i is that at v_i divided by n_i (appendix A); along w_i it is 0 at rest,
//! where the gradient is (the Euler identity).
//!
//! **Traps.** Floating point keeps a symmetry: a start whose entries are exactly 0 stays on the stable manifold, and is
//! a control. Just below the edge convergence is slow, by a factor 1 - (2 - e lambda) a step.

mod on_subject;

use rand::RngExt;
use ratecheck::curvature::{
    HessianProduct, Operator, SpectralNorm, SpectralOptions, Target, hessian_vector_product, spectral_norm,
};
use ratecheck::descent::{Schedule, StepRule, Stepper};
use ratecheck::loss::Loss;
use ratecheck::loss::closed::Rayleigh;
use ratecheck::parameters::norm_sq;
use ratecheck::random::{Seed, normals};
use ratecheck::scalar::Scalar;

use crate::claim::closed_forms::ordinary;
use crate::claim::evidence::{Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Statement, Unevaluated};
use crate::claim::instances::U;
use crate::claim::parallel::InParallel;
use crate::claim::plot::{Plot, Reference, Series, Style};

/// See the module's first line.
pub(super) struct Rest;

static STATEMENT: Statement = Statement {
    id: "rest",
    title: "Where descent comes to rest",
    plain: "If gradient descent converges to a minimiser, the weights have grown until their effective learning rate \
            is stable there.",
    formula: "(η/‖w_∞‖²)·λ_max(∇²L(v_∞)) ≤ 2 for almost every start;  with blocks and g:  λ_max(D^(1/2)·∇²L·D^(1/2)) ≤ \
              2,  D = diag(η_w/‖w_i‖², η_g)",
    latex: &[
        r"\frac{\eta}{\|w_\infty\|^2}\,\lambda_{\max}\bigl(\nabla^2L(v_\infty)\bigr)\le2\quad\text{for almost every start}",
        r"\lambda_{\max}\bigl(D^{1/2}\,\nabla^2L\,D^{1/2}\bigr)\le2,\quad D=\operatorname{diag}\bigl(\eta_w/\|w_i\|^2,\;\eta_g\bigr)",
    ],
    printed_at: "Lyu, Li & Arora 2022, Understanding the Generalization Benefit of Normalization Layers: Sharpness \
                 Reduction",
    kind: Kind::Inequality,
    origin: Origin::Later,
    hypotheses: &[
        "L is scale invariant in w, and smooth at the minimiser",
        "gradient descent with constant η_w and η_g, from a start that lies on no stable manifold of a fixed point \
         that is unstable",
        "it converges: ‖∇L‖ at the normalised weights falls to 1e-10",
    ],
    measured: "the largest eigenvalue where runs have come to rest: the Rayleigh quotient of diag(0, 0.3, 0.7, 1) from \
               random starts and learning rates between 0.5 and 100 (η λ_max between 1 and 200), its near-tight start \
               at 2.002, and four closed forms, two of them with several parts, at η_w = 0.1, 1, 10 and 100",
    tolerance: "rounding of the eigenvalue alone: 64u a product and parameter",
    does_not_show: "that descent converges (Theorem 3.1 bounds gradients), that the edge is reached, or what happens \
                    on the way: the claim looks at the end. Where norms are fixed no such thing is true",
};

/// ||grad L|| from which on a run is at rest. L and its curvature are of order 1 on the closed forms.
const REST: f64 = 1e-10;
const RATES: [f64; 4] = [0.1, 1.0, 10.0, 100.0];
/// Closed forms that converge geometrically.
const RESTING: [&str; 4] = ["Rayleigh in R^10", "BN regression", "rounded tanh circle", "bilinear, two blocks"];
/// Steps after which a run is given up.
const MOST: u64 = 200_000;

fn four() -> Rayleigh {
    Rayleigh::new(vec![0.0, 0.3, 0.7, 1.0])
}

/// Of [`four`]: 2 (a_max - a_min).
const LARGEST: f64 = 2.0;

impl Claim for Rest {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut evidence = Evidence::default();
        let loss = four();
        let n_starts = context.pick([40, 200, 400, 1_000]);
        let runs: Vec<_> = (0..n_starts).in_parallel(|k| -> Result<_, Unevaluated> {
            let mut generator = context.generator(&format!("start-{k}"));
            let mut w = normals(4, 1.0, &mut generator);
            let norm = norm_sq(&w).sqrt();
            w.iter_mut().for_each(|x| *x /= norm);
            let eta_w = Scalar::exp(generator.random_range(Scalar::ln(0.5)..Scalar::ln(100.0)));
            let mut check = Check::new();
            let at = format!("random starts · start {k}, η_w = {eta_w:.3}");
            let end = judged(&mut check, &at, &loss, &w, StepRule::Gradient, [eta_w, 1.0])?;
            Ok((check, [eta_w * LARGEST, end]))
        });
        let mut points = Vec::new();
        for run in runs {
            let (check, point) = run?;
            evidence.check.merge(check);
            points.push(point);
        }
        let largest = points.iter().map(|point| point[1]).fold(0.0, f64::max);
        evidence.observe(format!("largest at rest, {n_starts} random starts"), largest, "at most 2");
        // The minimiser and 1e-3 of the maximiser, just beyond the edge.
        let start = loss.theta_0();
        let eta_w = 2.002 / LARGEST * norm_sq(&start);
        let end =
            judged(&mut evidence.check, "near-tight · from 2.002", &loss, &start, StepRule::Gradient, [eta_w, 1.0])?;
        evidence.observe("at rest, from 2.002 and a displacement of 1e-3", end, "just below 2");
        let instances: Vec<_> = ordinary(100)?.into_iter().filter(|i| RESTING.contains(&i.name.as_str())).collect();
        for instance in &instances {
            for eta_w in RATES {
                let (loss, at) = (&*instance.loss, format!("{} · η_w = {eta_w}", instance.name));
                let rates = [eta_w, instance.eta_g_printed()];
                judged(&mut evidence.check, &at, loss, &instance.theta, StepRule::Gradient, rates)?;
            }
        }
        evidence.plots.push(plot(points));
        Ok(evidence)
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "on the stable manifold",
                breaks: "the entries of the start along the two largest eigenvalues are exactly 0, and floating point \
                         keeps them there",
                run: |_| {
                    let start = [1.0, 0.5, 0.0, 0.0];
                    // From 3.36, where the direction that is left has 3.36 * 0.3 = 1.008 and converges in a few steps.
                    let eta_w = 3.36 / LARGEST * norm_sq(&start);
                    let mut check = Check::new();
                    judged(&mut check, "manifold", &four(), &start, StepRule::Gradient, [eta_w, 1.0])?;
                    Ok(check)
                },
            },
            Control {
                name: "projected descent",
                breaks: "with fixed norms the rate stays at 2.5/λ_max: from a start near the minimiser it never comes \
                         to rest",
                run: |_| {
                    let start = four().theta_0();
                    let eta_w = 2.5 / LARGEST * norm_sq(&start);
                    let mut check = Check::new();
                    judged(&mut check, "fixed norms", &four(), &start, StepRule::Projected, [eta_w, 1.0])?;
                    Ok(check)
                },
            },
            Control {
                name: "half of the edge",
                breaks: "the edge is said to be at 1: the near-tight run rests just below 2",
                run: |_| {
                    let start = four().theta_0();
                    let eta_w = 2.002 / LARGEST * norm_sq(&start);
                    let mut check = Check::new();
                    let at_rest = descend(&four(), &start, StepRule::Gradient, [eta_w, 1.0], MOST, REST)?;
                    // Against the same edge: with twice the rate.
                    let found = sharpness(&four(), &at_rest.theta, [2.0 * eta_w, 1.0], &Seed::new(0));
                    below_the_edge(&mut check, "near-tight, edge 1", &found, 4);
                    Ok(check)
                },
            },
        ]
    }
}

/// A run that has ended.
struct Ended {
    theta: Vec<f64>,
    /// ||grad L(theta~)|| at the last step.
    gradient: f64,
    steps: u64,
}

/// Descends until ||grad L(theta~)|| is at most `rest`, or for `most` steps. z takes one value.
fn descend(
    loss: &dyn Loss,
    theta_0: &[f64],
    rule: StepRule,
    [eta_w, eta_g]: [f64; 2],
    most: u64,
    rest: f64,
) -> Result<Ended, Unevaluated> {
    let rates = [Schedule::constant(eta_w)?, Schedule::constant(eta_g)?];
    let mut stepper = Stepper::new(loss, theta_0, rule, rates[0], rates[1], Seed::new(0).generator("full batch"));
    let mut gradient = f64::INFINITY;
    while stepper.t() < most && gradient > rest {
        let step = stepper.step()?;
        gradient = (step.grad_v_sq + step.grad_g_sq).sqrt();
    }
    Ok(Ended { theta: stepper.theta().to_vec(), gradient, steps: stepper.t() })
}

/// Descends on a closed form, and compares where it comes to rest. Returns the eigenvalue there.
fn judged(
    check: &mut Check,
    at: &str,
    loss: &dyn Loss,
    theta_0: &[f64],
    rule: StepRule,
    rates: [f64; 2],
) -> Result<f64, Unevaluated> {
    let ended = descend(loss, theta_0, rule, rates, MOST, REST)?;
    // Written so that NaN is not at rest.
    let moving = if ended.gradient <= REST { 0.0 } else { 1.0 };
    check.exactly(
        format!("{at}: still moving after {} steps, ‖∇L‖ = {:.1e}", ended.steps, ended.gradient),
        moving,
        0.0,
    );
    let found = sharpness(loss, &ended.theta, rates, &Seed::new(0));
    below_the_edge(check, &format!("{at}: λ_max"), &found, theta_0.len());
    Ok(found.value)
}

/// The norm of diag(eta)^(1/2) Hess L(theta) diag(eta)^(1/2): at a minimiser its largest eigenvalue.
fn sharpness(loss: &dyn Loss, theta: &[f64], [eta_w, eta_g]: [f64; 2], seed: &Seed) -> SpectralNorm {
    let g = loss.parameters().g();
    let roots: Vec<f64> = (0..theta.len()).map(|k| if k < g.start { eta_w } else { eta_g }.sqrt()).collect();
    let n = theta.len();
    let mut operator = Scaled { loss, theta, roots, direction: vec![0.0; n], work: HessianProduct::new(n) };
    spectral_norm(&mut operator, &SpectralOptions::default(), seed)
}

fn below_the_edge(check: &mut Check, at: &str, found: &SpectralNorm, n_parameters: usize) {
    check.at_most(at, found.value, 2.0, 64.0 * U * n_parameters as f64 * found.value);
}

/// diag(roots) Hess L(theta) diag(roots).
struct Scaled<'a> {
    loss: &'a dyn Loss,
    theta: &'a [f64],
    roots: Vec<f64>,
    direction: Vec<f64>,
    work: HessianProduct,
}

impl Operator for Scaled<'_> {
    fn shape(&self) -> (usize, usize) {
        (self.theta.len(), self.theta.len())
    }
    fn apply(&mut self, x: &[f64], y: &mut [f64]) {
        let scaled = x.iter().zip(&self.roots).map(|(x, root)| x * root);
        self.direction.iter_mut().zip(scaled).for_each(|(d, x)| *d = x);
        hessian_vector_product(self.loss, Target::Mean, self.theta, &self.direction, y, &mut self.work);
        y.iter_mut().zip(&self.roots).for_each(|(y, root)| *y *= root);
    }
    fn apply_transpose(&mut self, y: &[f64], x: &mut [f64]) {
        self.apply(y, x);
    }
}

fn plot(mut points: Vec<[f64; 2]>) -> Plot {
    points.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let ends = [0, points.len() - 1].map(|k| points[k][0]);
    let caption = "Random starts and learning rates on a Rayleigh quotient in R^4. Across: the learning rate times the \
                   largest eigenvalue at the minimiser, with the norm of the start. Up: the same with the norm at \
                   which the run came to rest. Above 2 the minimiser is unstable; no run ends there, and those that \
                   begin below 2 need not grow.";
    let (x, y) = ("η λ_max/‖w_0‖²", "η λ_max/‖w_∞‖²");
    let mut plot =
        Plot::log_log("edge", "However large the learning rate, descent rests below the edge", caption, x, y);
    plot.series = vec![
        Series::new("runs", Style::Points, points),
        Series::new("the edge, 2", Style::Dashed, ends.map(|x| [x, 2.0]).to_vec()),
    ];
    plot.references = vec![Reference { name: "no growth".to_owned(), slope: 1.0, through: [1.0, 1.0] }];
    plot
}
