//! Remark 4.1: for alpha > 1/2 the norms stay bounded, so the effective learning rate falls as T^(-alpha), like eta_{w,T}.
//!
//! The lower bound holds because ||w_T||^4 <= n_0^2 + H_T(2 alpha) D (Lemma B.3), where H_T stays below zeta(2 alpha) for
//! alpha > 1/2. It needs LA with ||grad_v F_z|| <= LA for every F_z at every point of the run: L^vv of every F_z will do (the
//! Euler identities), pi L^vv is printed. For problem J both are exact, on the ball of g that no run leaves
//! ([`ProblemJ::radius`]).
//!
//! For the network (3-4-1, tanh, logistic, smoothed BN with epsilon = 1, weight decay lambda = 1 on g) LA is proved here.
//! Write a unit's outputs over the batch as sqrt(B) gamma N(q) + beta with q = (C X w/sqrt(B), sqrt(eps) w), C the centring,
//! N(q) = q/||q|| (its first part). For ||w|| = 1, ||q|| >= sqrt(eps), and ||DN|| <= 1/||q||.
//! * The last gradient, over the batch, has norm at most 1/sqrt(B). So |grad_gamma|, |grad_beta| <= 1 in layer 2, and with
//!   eta_g lambda <= 1 they stay below Gamma_2 = max(|g_0|, 1/lambda) (Lemma C.2).
//! * Backwards through layer 2 it is multiplied by at most Gamma_2/sqrt(eps) and by |tanh'| <= 1, so in layer 1 the same
//!   argument gives Gamma_1 = max(|g_0|, Gamma_2/(sqrt(eps) lambda)).
//! * A unit's outputs move by at most Gamma sqrt(B) M/sqrt(eps) per unit of w, M^2 = lmax(S) + eps and lmax(S) <= tr S: of the
//!   data in layer 1, and at most the width 4 in layer 2, whose inputs lie in [-1, 1].
//!
//! So LA = Gamma_2 Gamma_1 sqrt(tr S + eps)/eps in layer 1, over all minibatches, and Gamma_2 sqrt(4 + eps)/sqrt(eps) in layer 2.

use std::f64::consts::PI;

use ratecheck::bounds::{d_w, remark_4_1};
use ratecheck::data::{Dataset, Target, teacher};
use ratecheck::descent::{Schedule, StepRule, Stepper};
use ratecheck::loss::{Loss, Minibatches, closed::ProblemJ};
use ratecheck::network::{Activation, Architecture, Network, Normalisation, Objective};
use ratecheck::rates::{Window, fit_power_law, log_spaced, zeta};
use rayon::prelude::*;

use crate::evidence::{Check, Claim, Context, Control, Evidence, Kind, Origin, Standing, Statement, Unevaluated};
use crate::instances::U;

/// See the module's first line.
pub(super) struct Remark41;

static STATEMENT: Statement = Statement {
    id: "remark-4.1",
    title: "Remark 4.1",
    plain: "If the learning rate decays faster than T^(-1/2), batch normalisation cannot make up for it: the effective learning \
            rate decays at the same speed.",
    formula: "α > 1/2:  η_{w,T}/√(n₀² + ζ(2α)D) ≤ η_{w,T}/‖w_T‖² ≤ η_{w,T}/n₀,  η_{w,T} = η_w(T+1)^(-α), \
              D = 2η_w²L_A² + η_w⁴L_A⁴/n₀²",
    printed_at: "section 4.2, Remark 4.1",
    kind: Kind::Inequality,
    origin: Origin::Paper,
    hypotheses: &[
        "α > 1/2",
        "‖∇_v F_z‖ ≤ L_A for every minibatch z, at every point of the run",
        "η_g ≤ 1 (problem J), η_gλ ≤ 1",
    ],
    measured: "both bounds at every T ≥ 1 of stochastic runs with α = 0.6, 3/4 and 1 and η_w = 0.01, 1 and 100, on problem J (exact \
               constants) and on a network 3-4-1 on a teacher (proved constants), with L_A = L and with L_A = πL; each \
               comparison is the one with the least room over all T of a run",
    tolerance: "rounding alone: a step changes ‖w‖² by up to 2u (rounded weights) and 34u (step not quite orthogonal to w), a \
                comparison has a few roundings more: (36T + 16)u, relative",
    does_not_show: "that a rate which falls as T^(-α) with α > 1/2 slows convergence down",
    erratum: Some("Where the remark prints 1/G_t for the effective learning rate, η_{w,t}/G_t is meant (E21)."),
};

/// What the two sides are formed from.
#[derive(Clone, Copy)]
struct Reading {
    /// The effective rate is eta_{w,T}/n_T; the text prints 1/n_T.
    with_eta: bool,
    /// zeta(2 alpha), whatever alpha is.
    zeta: f64,
    /// D has its term of fourth order in eta_w.
    fourth_order: bool,
}

impl Reading {
    fn corrected(alpha: f64) -> Self {
        Self { with_eta: true, zeta: zeta(2.0 * alpha), fourth_order: true }
    }
}

/// One run.
struct Case<'a, L: Loss> {
    name: &'a str,
    loss: &'a L,
    theta_0: &'a [f64],
    /// LA per block.
    l_a: &'a [f64],
    eta_w: f64,
    alpha: f64,
    eta_g: f64,
    steps: u64,
}

/// The least room that a bound had over a run, and where.
#[derive(Clone, Copy)]
struct Closest {
    room: f64,
    t: u64,
    lhs: f64,
    rhs: f64,
}

impl Closest {
    const NONE: Self = Self { room: f64::INFINITY, t: 0, lhs: 0.0, rhs: 0.0 };

    /// A NaN replaces whatever was there, and stays.
    fn keep(&mut self, t: u64, lhs: f64, rhs: f64) {
        let room = (rhs - lhs) / rhs;
        if !(room >= self.room) && !self.room.is_nan() {
            *self = Self { room, t, lhs, rhs };
        }
    }
}

impl Claim for Remark41 {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let steps = context.pick([2_000, 50_000, 500_000, 5_000_000]);
        let problem_j = ProblemJ::default();
        let (network, theta_0, l_a) = network(context)?;
        let grid: Vec<(f64, f64)> = [0.6, 0.75, 1.0].iter().flat_map(|&a| [0.01, 1.0, 100.0].map(|e| (a, e))).collect();
        let found: Vec<_> = grid
            .par_iter()
            .map(|&(alpha, eta_w)| {
                let mut check = Check::new();
                let start = problem_j.theta_0();
                let l = l_of(&problem_j);
                let case = Case {
                    name: "problem J",
                    loss: &problem_j,
                    theta_0: &start,
                    l_a: &[l],
                    eta_w,
                    alpha,
                    eta_g: 0.5,
                    steps,
                };
                let found = follow(&mut check, &case, Reading::corrected(alpha), context)?;
                // A step of the network costs as much as some 50 of problem J.
                let steps = steps / 50;
                let case = Case {
                    name: "network 3-4-1",
                    loss: &network,
                    theta_0: &theta_0,
                    l_a: &l_a,
                    eta_w,
                    alpha,
                    eta_g: 0.5,
                    steps,
                };
                let network = follow(&mut check, &case, Reading::corrected(alpha), context)?;
                Ok((check, found, network.gradient))
            })
            .collect::<Result<_, Unevaluated>>()?;
        let mut evidence = Evidence::default();
        let window = Window::new(steps as f64 / 100.0, steps as f64);
        let mut nearest = [0.0_f64; 2];
        let gradient =
            found.iter().fold([0.0_f64; 2], |[j, n], (_, found, network)| [j.max(found.gradient), n.max(*network)]);
        bounded(&mut evidence.check, "problem J", gradient[0]);
        bounded(&mut evidence.check, "network 3-4-1", gradient[1]);
        for (&(alpha, eta_w), (check, found, _)) in grid.iter().zip(found) {
            evidence.check.merge(check);
            nearest = [nearest[0].max(found.nearest[0]), nearest[1].max(found.nearest[1])];
            let (t, e): (Vec<f64>, Vec<f64>) = found.rates.into_iter().unzip();
            let slope = fit_power_law(&t, &e, window)?.slope;
            evidence.observe(
                format!("problem J, α = {alpha}, η_w = {eta_w}: slope of the effective rate"),
                slope,
                format!("tends to -α = -{alpha}; fitted on [T/100, T], T = {steps}"),
            );
        }
        let note = "largest over every T, α and η_w; 1 would be sharp";
        evidence.observe("problem J: lower bound/measured with L_A = L", nearest[0], note);
        evidence.observe("problem J: lower bound/measured with L_A = πL", nearest[1], note);
        Ok(evidence)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "1/G_t as printed",
                breaks: "the effective rate is read as 1/‖w_T‖², without η_{w,T} (E21)",
                run: |context| {
                    let reading = Reading { with_eta: false, ..Reading::corrected(1.0) };
                    broken(context, 1.0, 1.0, reading, 1_000)
                },
            },
            Control {
                name: "α = 1/4",
                breaks: "a schedule out of range, α = 1/4, with ζ(3/2) as if the sum of η_{w,t}² converged",
                run: |context| broken(context, 0.01, 0.25, Reading::corrected(0.75), 10_000),
            },
            Control {
                name: "constant rate",
                breaks: "a schedule out of range, α = 0, with ζ(3/2) as if the sum of η_{w,t}² converged",
                run: |context| broken(context, 0.01, 0.0, Reading::corrected(0.75), 10_000),
            },
            Control {
                name: "D without η⁴",
                breaks: "D is 2η_w²L_A² alone, while the first step at η_w = 100 is 100 times as long as w",
                run: |context| {
                    broken(context, 100.0, 0.75, Reading { fourth_order: false, ..Reading::corrected(0.75) }, 100)
                },
            },
        ]
    }
}

fn broken(context: &Context, eta_w: f64, alpha: f64, reading: Reading, steps: u64) -> Result<Check, Unevaluated> {
    let problem_j = ProblemJ::default();
    let (theta_0, l) = (problem_j.theta_0(), l_of(&problem_j));
    let mut check = Check::new();
    let case =
        Case { name: "problem J", loss: &problem_j, theta_0: &theta_0, l_a: &[l], eta_w, alpha, eta_g: 0.5, steps };
    let found = follow(&mut check, &case, reading, context)?;
    bounded(&mut check, case.name, found.gradient);
    Ok(check)
}

/// L^vv of every F_z, on the ball of g that no run from theta_0 leaves.
fn l_of(problem_j: &ProblemJ) -> f64 {
    let radius = problem_j.radius(problem_j.theta_0()[4]);
    problem_j.sample_constants(radius).l_vv[(0, 0)].0
}

/// The effective rate of the first block at some horizons, and how near the lower bounds with L and pi L came to it.
struct Found {
    rates: Vec<(f64, f64)>,
    nearest: [f64; 2],
    /// The largest ||grad_v F_z||/LA.
    gradient: f64,
}

/// The hypothesis on LA, with the largest share of it that was seen.
fn bounded(check: &mut Check, name: &str, gradient: f64) {
    let standing = if gradient <= 1.0 { Standing::Met } else { Standing::NotMet };
    check.hypothesis(format!("{name}: ‖∇_v F_z‖ ≤ L"), standing, format!("at most {gradient:.3} of L was seen"));
}

/// Follows one run and compares at every T.
fn follow<L: Loss>(
    check: &mut Check,
    case: &Case<'_, L>,
    reading: Reading,
    context: &Context,
) -> Result<Found, Unevaluated> {
    let &Case { name, loss, theta_0, l_a, eta_w, alpha, eta_g, steps } = case;
    let layout = loss.parameters();
    let generator = context.generator(&format!("{name}/{eta_w}/{alpha}"));
    let (rule, rate_w, rate_g) = (StepRule::Gradient, Schedule::new(eta_w, alpha)?, Schedule::new(eta_g, 0.5)?);
    let mut stepper = Stepper::new(loss, theta_0, rule, rate_w, rate_g, generator);
    let n_start = stepper.w_norm_sq().to_vec();
    let d: Vec<[f64; 2]> =
        l_a.iter().zip(&n_start).map(|(&l, &n)| [l, PI * l].map(|l| d_of(eta_w, l, n, reading))).collect();
    let mut upper = vec![Closest::NONE; n_start.len()];
    let mut lower = vec![[Closest::NONE; 2]; n_start.len()];
    let horizons = log_spaced(1, steps, 60);
    let mut rates = Vec::with_capacity(horizons.len());
    let mut gradient = 0.0_f64;
    for t in 0..=steps {
        for (i, &n) in stepper.w_norm_sq().iter().enumerate() {
            let numerator = if reading.with_eta { rate_w.at(t) } else { 1.0 };
            let effective = numerator / n;
            for k in 0..2 {
                let (low, high) = remark_4_1(rate_w.at(t), n_start[i], d[i][k], reading.zeta);
                // At T = 0 the upper bound is the rate itself.
                if t > 0 {
                    lower[i][k].keep(t, low, effective);
                    upper[i].keep(t, effective, high);
                }
            }
            if i == 0 && horizons.binary_search(&t).is_ok() {
                rates.push((t as f64, effective));
            }
        }
        if t < steps {
            let before = stepper.w_norm_sq().to_vec();
            stepper.step()?;
            for ((&n, &sq), &l) in before.iter().zip(stepper.gradient_norm_sq()).zip(l_a) {
                gradient = gradient.max((n * sq).sqrt() / l);
            }
        }
    }
    let rounding = (36.0 * steps as f64 + 16.0) * U;
    for (i, block) in layout.blocks().iter().enumerate() {
        let run = format!("{name}, α = {alpha} · η_w = {eta_w}, {}", block.name);
        let mut bound = |side: &str, at: Closest| {
            check.at_most(format!("{run}, T = {}, {side}", at.t), at.lhs, at.rhs, rounding * at.rhs);
        };
        bound("upper bound", upper[i]);
        bound("lower bound, L_A = L", lower[i][0]);
        bound("lower bound, L_A = πL", lower[i][1]);
    }
    Ok(Found { rates, nearest: lower[0].map(|closest| closest.lhs / closest.rhs), gradient })
}

fn d_of(eta_w: f64, l_a: f64, n_start: f64, reading: Reading) -> f64 {
    if reading.fourth_order { d_w(eta_w, l_a, n_start) } else { 2.0 * (eta_w * l_a).powi(2) }
}

/// The network of the module's doc comment with its start and its LA per block.
fn network(context: &Context) -> Result<(Network, Vec<f64>, Vec<f64>), Unevaluated> {
    const EPSILON: f64 = 1.0;
    const LAMBDA: f64 = 1.0;
    let seed = context.seed.child("network");
    let data = teacher(32, 3, Target::Binary, 0.1, &mut seed.generator("data"));
    let minibatches = Minibatches::partition((0..32).collect(), 8)?;
    let trace = minibatches.finite().into_iter().flatten().map(|z| trace_of(&data, z)).fold(0.0, f64::max);
    let architecture = Architecture {
        widths: vec![3, 4, 1],
        normalisation: Normalisation::SmoothedBatchNorm { epsilon: EPSILON },
        activation: Activation::Tanh,
        objective: Objective::Logistic,
        weight_decay: LAMBDA,
    };
    let network = Network::new(architecture, data, minibatches)?;
    let theta_0 = network.initialise(&mut seed.generator("theta"));
    // |g_0| <= 1: scales start at 1, shifts at 0.
    let gamma_2 = (1.0 / LAMBDA).max(1.0);
    let gamma_1 = (gamma_2 / (EPSILON.sqrt() * LAMBDA)).max(1.0);
    let layer_1 = gamma_2 * gamma_1 * (trace + EPSILON).sqrt() / EPSILON;
    let layer_2 = gamma_2 * (4.0 + EPSILON).sqrt() / EPSILON.sqrt();
    Ok((network, theta_0, vec![layer_1, layer_1, layer_1, layer_1, layer_2]))
}

/// tr S of the inputs of one minibatch.
fn trace_of(data: &Dataset, z: &[usize]) -> f64 {
    let n = z.len() as f64;
    let variance = |feature: &[f64]| {
        let mean = z.iter().map(|&i| feature[i]).sum::<f64>() / n;
        z.iter().map(|&i| (feature[i] - mean).powi(2)).sum::<f64>() / n
    };
    (0..data.n_features()).map(|j| variance(data.feature(j))).sum()
}
