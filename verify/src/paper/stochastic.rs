//! Stochastic runs on two losses for which ||grad_v F_z|| <= LA is known for every minibatch and every point of the
//! run.
//!
//! * Problem J: LA = L^vv of every F_z, exact, on the ball of g that no run with eta_g <= 1 leaves
//!   ([`ProblemJ::radius`]).
//! * A network 3-4-1 (tanh, logistic, smoothed BN with epsilon = 1, weight decay lambda = 1 on g),
//!   for which LA is proved here.
//!
//! Write a unit's outputs over the batch as sqrt(B) gamma N(q) + beta with q = (C X w/sqrt(B), sqrt(eps) w), C the
//! centring, N(q) = q/||q|| (its first part). For ||w|| = 1, ||q|| >= sqrt(eps), and ||DN|| <= 1/||q||.
//! * The last gradient, over the batch, has norm at most 1/sqrt(B). So |grad_gamma|, |grad_beta| <= 1 in layer 2, and
//!   with eta_g lambda <= 1 they stay below Gamma_2 = max(|g_0|, 1/lambda) (Lemma C.2).
//! * Backwards through layer 2 it is multiplied by at most Gamma_2/sqrt(eps) and by |tanh'| <= 1, so in layer 1 the
//!   same argument gives Gamma_1 = max(|g_0|, Gamma_2/(sqrt(eps) lambda)).
//! * A unit's outputs move by at most Gamma sqrt(B) M/sqrt(eps) per unit of w, M^2 = lmax(S) + eps and lmax(S) <= tr S:
//!   of the data in layer 1, and at most the width 4 in layer 2, whose inputs lie in [-1, 1].
//!
//! So LA = Gamma_2 Gamma_1 sqrt(tr S + eps)/eps in layer 1, over all minibatches,
//! and Gamma_2 sqrt(4 + eps)/sqrt(eps) in layer 2.

pub(crate) mod on_subject;

use std::fmt;

use ratecheck::bounds::Factors;
use ratecheck::data::{Dataset, Target, teacher};
use ratecheck::descent::{Schedule, StepRule, Stepper};
use ratecheck::loss::{Loss, Minibatches, Workspace, closed::ProblemJ};
use ratecheck::network::{Activation, Architecture, Network, Normalisation, Objective};
use ratecheck::parameters::norm_sq;
use ratecheck::random::Generator;
use ratecheck::scalar::{DoubleDouble, Scalar};

use crate::claim::evidence::{Check, Context, Standing, Unevaluated};
use crate::claim::replay::Recursion;

/// The constant rate of g, before its schedule (t+1)^(-1/2).
pub(crate) const ETA_G: f64 = 0.5;

/// One run.
#[derive(Clone)]
pub(crate) struct Case<'a> {
    pub(crate) name: &'a str,
    pub(crate) loss: &'a dyn Loss,
    pub(crate) theta_0: &'a [f64],
    /// LA per block.
    pub(crate) l_a: &'a [f64],
    pub(crate) rule: StepRule,
    pub(crate) eta_w: f64,
    pub(crate) alpha: f64,
    /// The constant rate of g, before its schedule (t+1)^(-1/2).
    pub(crate) eta_g: f64,
    pub(crate) steps: u64,
    /// What LA is.
    pub(crate) bound: Bound,
    /// Comparisons beyond this step are not replayed.
    pub(crate) replays: u64,
}

/// Where LA comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// The smoothness constant of every F_z.
    Proved,
    /// The largest ||grad_v F_t|| of the very run, off by its rounding.
    Met,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Proved => "L",
            Self::Met => "max‖∇_v F_t‖",
        })
    }
}

/// A step t of a run, from theta_t to theta_{t+1}. Slices have an entry per block.
pub(crate) struct Moment<'a> {
    pub(crate) t: u64,
    /// eta_{w,t} and eta_{w,t+1}.
    pub(crate) eta_w: [f64; 2],
    /// eta_{g,t}.
    pub(crate) eta_g: f64,
    /// n_t and n_{t+1}.
    pub(crate) n: [&'a [f64]; 2],
    /// ||grad_{w_i} F_t||^2.
    pub(crate) grad_w_sq: &'a [f64],
    /// ||grad_{v_i} L_t||^2, and ||grad_g L_t||^2, where L is looked at.
    pub(crate) mean: &'a [f64],
    pub(crate) mean_g: f64,
}

/// Whether the gradient of L is taken at every step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mean {
    Looked,
    Unused,
}

impl Case<'_> {
    /// eta_{w,t}.
    pub(crate) fn schedule(&self) -> Result<Schedule, Unevaluated> {
        Ok(Schedule::new(self.eta_w, self.alpha)?)
    }

    /// eta_{w,t} and eta_{g,t}.
    fn rates(&self) -> Result<(Schedule, Schedule), Unevaluated> {
        Ok((self.schedule()?, Schedule::new(self.eta_g, 0.5)?))
    }

    /// Draws z. The same for every reading of one run.
    pub(crate) fn generator(&self, context: &Context) -> Generator {
        context.generator(&format!("{}/{}/{}", self.name, self.eta_w, self.alpha))
    }

    /// Whether L and its gradient are known exactly.
    pub(crate) fn mean_is_known(&self) -> bool {
        self.loss.minibatches().finite().is_some()
    }

    /// n_0 of every block.
    pub(crate) fn n_start(&self) -> Vec<f64> {
        let layout = self.loss.parameters();
        (0..layout.n_blocks()).map(|i| layout.w_norm_sq(self.theta_0, i)).collect()
    }

    /// Shows every step to `visit`; returns the largest ||grad_v F_z||/LA.
    pub(crate) fn follow(
        &self,
        mean: Mean,
        generator: Generator,
        mut visit: impl FnMut(&Moment<'_>),
    ) -> Result<f64, Unevaluated> {
        let (rate_w, rate_g) = self.rates()?;
        let mut stepper = Stepper::new(self.loss, self.theta_0, self.rule, rate_w, rate_g, generator);
        let layout = self.loss.parameters();
        let (len, m) = (layout.len(), layout.n_blocks());
        let (mut grad, mut scratch, mut work) = (vec![0.0; len], vec![0.0; len], Workspace::default());
        let (mut before, mut squares, mut mean_g, mut largest) = (vec![0.0; m], vec![0.0; m], 0.0, 0.0_f64);
        for t in 0..self.steps {
            before.copy_from_slice(stepper.w_norm_sq());
            if mean == Mean::Looked {
                let value = self.loss.mean_gradient(stepper.theta(), &mut grad, &mut scratch, &mut work);
                value.ok_or_else(|| Unevaluated("the mean loss is not known".to_owned()))?;
                for ((sq, block), n) in squares.iter_mut().zip(layout.blocks()).zip(&before) {
                    *sq = n * norm_sq(&grad[block.range.clone()]);
                }
                mean_g = norm_sq(&grad[layout.g()]);
            }
            stepper.step()?;
            for ((n, sq), l) in before.iter().zip(stepper.gradient_norm_sq()).zip(self.l_a) {
                largest = largest.max((n * sq).sqrt() / l);
            }
            visit(&Moment {
                t,
                eta_w: [rate_w.at(t), rate_w.at(t + 1)],
                eta_g: rate_g.at(t),
                n: [&before, stepper.w_norm_sq()],
                grad_w_sq: stepper.gradient_norm_sq(),
                mean: &squares,
                mean_g,
            });
        }
        Ok(largest)
    }
}

/// A run in double-double as far as some T, with what the lemmas compare there. Vectors have an entry per block.
pub(crate) struct Replayed {
    /// n_0 and n_T.
    pub(crate) norms: [Vec<DoubleDouble>; 2],
    /// LA; the largest gradient before T, where it is no constant.
    pub(crate) l_a: Vec<DoubleDouble>,
    /// eta_{w,T}.
    pub(crate) eta_w: f64,
    /// sum_{t<T} (eta_{w,t}/eta_w)^2, with the rates that the run takes: H_T(2 alpha), but for their roundings.
    pub(crate) h_2alpha: DoubleDouble,
    /// eta_{w,t}/n_t at T - 1 and at T.
    rates: [Vec<DoubleDouble>; 2],
    /// sum_{t<T} ||grad_v L_t||^2, and with the factor eta_{w,t}/n_t, where L is looked at.
    sums: [Vec<DoubleDouble>; 2],
    /// sum_{t<T} ||grad_g L_t||^2 with the factor eta_{g,T-1}, and with eta_{g,t}, where L is looked at.
    pub(crate) part_of_g: [DoubleDouble; 2],
}

impl Replayed {
    /// e_T and e_{T-1}.
    pub(crate) fn rates(&self, i: usize) -> [DoubleDouble; 2] {
        [self.rates[1][i], self.rates[0][i]]
    }

    /// The two sides of (22).
    pub(crate) fn weighted(&self, i: usize) -> [DoubleDouble; 2] {
        [self.rates[1][i] * self.sums[0][i], self.sums[1][i]]
    }
}

/// How D = 2 eta_w^2 LA^2 + eta_w^4 LA^4/n_0^2 is read; the second term, and the whole, may be missing in part.
#[derive(Clone, Copy)]
pub(crate) struct ReadingOfD {
    pub(crate) fourth_order: bool,
    /// The share of D that is put in.
    pub(crate) share: f64,
}

impl ReadingOfD {
    pub(crate) const WHOLE: Self = Self { fourth_order: true, share: 1.0 };

    pub(crate) fn of<S: Scalar>(self, factors: &Factors, eta_w: f64, l_a: S, n_start: S) -> S {
        let square = || l_a.scale(eta_w).square().scale(2.0);
        let d = if self.fourth_order { factors.d_w(eta_w, l_a, n_start) } else { square() };
        d.scale(self.share)
    }
}

impl Case<'_> {
    /// The run of [`Case::follow`] in double-double up to T = `end`,
    /// by the recursion (4) and the same minibatches; only for that rule.
    pub(crate) fn replay(&self, mean: Mean, mut generator: Generator, end: u64) -> Option<Replayed> {
        if self.rule != StepRule::Gradient || end > self.replays {
            return None;
        }
        let (rate_w, rate_g) = self.rates().ok()?;
        let mut run = Recursion::new(self.loss, self.theta_0)?;
        let m = self.loss.parameters().n_blocks();
        let zero = || vec![DoubleDouble::ZERO; m];
        let (mut sums, mut rates, mut permutation) = ([zero(), zero()], [zero(), zero()], Vec::new());
        let (start, mut h_2alpha, mut largest_sq) = (run.norms(), DoubleDouble::ZERO, zero());
        let [mut sum_g, mut weighted_g, mut part_g] = [DoubleDouble::ZERO; 3];
        for t in 0..end {
            h_2alpha += (DoubleDouble::from(rate_w.at(t)) / DoubleDouble::from(self.eta_w)).square();
            for i in 0..m {
                rates[0][i] = DoubleDouble::from(rate_w.at(t)) / run.w_norm_sq(i);
            }
            if mean == Mean::Looked {
                run.look_at_mean()?;
                for i in 0..m {
                    let grad_v_sq = run.w_norm_sq(i) * run.grad_w_sq(i);
                    sums[0][i] += grad_v_sq;
                    sums[1][i] += rates[0][i] * grad_v_sq;
                }
                sum_g += run.grad_g_sq();
                weighted_g += run.grad_g_sq().scale(rate_g.at(t));
                part_g = sum_g.scale(rate_g.at(t));
            }
            run.look(self.loss.minibatches().draw(&mut generator, &mut permutation));
            for (i, largest) in largest_sq.iter_mut().enumerate() {
                let grad_v_sq = run.w_norm_sq(i) * run.grad_w_sq(i);
                *largest = if grad_v_sq <= *largest { *largest } else { grad_v_sq };
            }
            run.step(rate_w.at(t), rate_g.at(t));
            for i in 0..m {
                rates[1][i] = DoubleDouble::from(rate_w.at(t + 1)) / run.w_norm_sq(i);
            }
        }
        let (norms, part_of_g) = ([start, run.norms()], [part_g, weighted_g]);
        let l_a = match self.bound {
            Bound::Proved => self.l_a.iter().map(|&l| DoubleDouble::from(l)).collect(),
            Bound::Met => largest_sq.iter().map(|sq| sq.sqrt()).collect(),
        };
        Some(Replayed { norms, l_a, eta_w: rate_w.at(end), h_2alpha, rates, sums, part_of_g })
    }
}

/// The hypothesis on LA, with the largest share of it that was seen.
pub(crate) fn bounded(check: &mut Check, name: &str, largest: f64) {
    let standing = if largest <= 1.0 { Standing::Met } else { Standing::NotMet };
    check.hypothesis(format!("{name}: ‖∇_v F_z‖ ≤ L"), standing, format!("at most {largest:.3} of L was seen"));
}

/// Both losses with their starts and LA.
pub(crate) struct Losses {
    problem_j: ProblemJ,
    start_j: Vec<f64>,
    l_j: [f64; 1],
    network: Network,
    start: Vec<f64>,
    l: Vec<f64>,
}

impl Losses {
    pub(crate) fn new(context: &Context) -> Result<Self, Unevaluated> {
        let (network, start, l) = proved_network(context)?;
        let problem_j = ProblemJ::default();
        let start_j = problem_j.theta_0();
        let radius = problem_j.radius(start_j[start_j.len() - 1]);
        let l_j = [problem_j.sample_constants(radius).l_vv[(0, 0)].0];
        Ok(Self { problem_j, start_j, l_j, network, start, l })
    }

    /// A run on problem J with eta_{w,t} = eta_w (t+1)^(-alpha).
    pub(crate) fn problem_j(&self, eta_w: f64, alpha: f64, steps: u64) -> Case<'_> {
        case("problem J", &self.problem_j, [&self.start_j, &self.l_j], [eta_w, alpha], steps)
    }

    /// A run on the network. A step of it costs as much as some 50 of problem J.
    pub(crate) fn network(&self, eta_w: f64, alpha: f64, steps: u64) -> Case<'_> {
        case("network 3-4-1", &self.network, [&self.start, &self.l], [eta_w, alpha], steps)
    }
}

/// A run of plain steps with the rate [`ETA_G`] of g, where LA = L is proved.
pub(crate) fn case<'a>(
    name: &'a str,
    loss: &'a dyn Loss,
    [theta_0, l_a]: [&'a [f64]; 2],
    [eta_w, alpha]: [f64; 2],
    steps: u64,
) -> Case<'a> {
    let rule = StepRule::Gradient;
    Case { name, loss, theta_0, l_a, rule, eta_w, alpha, eta_g: ETA_G, steps, bound: Bound::Proved, replays: u64::MAX }
}

/// The network of the module's doc comment with its start and its LA per block.
fn proved_network(context: &Context) -> Result<(Network, Vec<f64>, Vec<f64>), Unevaluated> {
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
