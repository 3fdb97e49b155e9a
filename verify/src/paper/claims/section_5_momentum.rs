//! Section 5: with momentum, too, the norms of scale-invariant weights never shrink.
//!
//! The paper says "it can be shown"; here is how. Write d_t = grad_w F_{z_t} for one block at the point where it is
//! taken, e_t = eta_t >= 0, n_t = ||w_t||^2, p_t = <w_t, m_t>, and m_0 = 0, so that p_0 = 0. Scale invariance makes d_t
//! perpendicular to the point it is taken at (Lemma 2.4, part 1), whatever the minibatch;
//! nothing else about the loss is used.
//!
//! * **Heavy ball**, m_{t+1} = b m_t + d_t, w_{t+1} = w_t - e_t m_{t+1}. From <w_t, d_t> = 0, <w_t, m_{t+1}> = b p_t.
//!   Hence p_{t+1} = <w_t, m_{t+1}> - e_t ||m_{t+1}||^2 = b p_t - e_t ||m_{t+1}||^2, so that p_t <= 0 for all t by
//!   induction, and n_{t+1} - n_t = -2 e_t b p_t + e_t^2 ||m_{t+1}||^2 >= e_t^2 ||m_{t+1}||^2.
//!   It holds for every b >= 0; b < 1 is not needed. For b = 0 it is Lemma 2.4, part 2.
//! * **Moving average**, m_{t+1} = b m_t + (1-b) d_t: the same lines, since only <w_t, d_t> = 0 was used of d_t.
//! * **Nesterov, as he wrote it**, y_t = w_t - e_t b m_t, d_t taken at y_t, m_{t+1} = b m_t + d_t, w_{t+1} = w_t - e_t
//!   m_{t+1} = y_t - e_t d_t. From <y_t, d_t> = 0, n_{t+1} = ||y_t||^2 + e_t^2 ||d_t||^2 = n_t - 2 e_t b p_t + e_t^2
//!   (b^2 ||m_t||^2 + ||d_t||^2), and p_{t+1} = <y_t - e_t d_t, b m_t + d_t> = b p_t - e_t (b^2 ||m_t||^2 + b <m_t,
//!   d_t> + ||d_t||^2), where the bracket is a positive quadratic form. So p_t <= 0, for every b >= 0 and any e_t.
//! * **Nesterov with the gradient at w_t**, as libraries have it: m_{t+1} = b m_t + d_t, w_{t+1} = w_t - e_t u_t, u_t =
//!   d_t + b m_{t+1}. Now <w_t, u_t> = b^2 p_t, so n_{t+1} - n_t = -2 e_t b^2 p_t + e_t^2 ||u_t||^2, and p_{t+1} = b
//!   p_t - e_t <u_t, m_{t+1}> with <u_t, m_{t+1}> = (1+b) ||m_{t+1}||^2 - b <m_t, m_{t+1}>, which can be negative. Let
//!   c = (1+b)/2 and suppose -p_t >= c e_{t-1} ||m_t||^2 (true for t = 1, where m_0 = 0 gives -p_1 = (1+b) e_0
//!   ||m_1||^2) and e_t <= r e_{t-1}. With x = ||m_t||, y = ||m_{t+1}||, -p_{t+1} - c e_t y^2 >= e_t ((b c/r) x^2 - b x
//!   y + (1+b-c) y^2) >= 0 if b^2 <= 4 (b c/r)(1+b-c), that is if r <= (1+b)^2/b. So the norm does not shrink as long
//!   as no learning rate is more than (1+b)^2/b >= 4 times the one before it: for every non-increasing schedule, but
//!   NOT for any e_t > 0. The control in which the rate jumps by a factor of 100 shows it.
//!
//! Rounding is carried along each run: see [`path`].

mod figure;
mod on_subject;
mod path;
mod precise;

use ratecheck::descent::StepRule;
use ratecheck::loss::closed::{ProblemJ, Rayleigh, TanhCircle};
use ratecheck::loss::{Loss, Minibatches, Setting};
use ratecheck::network::{Activation, Network, Normalisation};
use ratecheck::scalar::{DoubleDouble, Scalar};

use self::path::{Mover, Path, Rates, Seen};
use self::precise::Precise;
use crate::claim::closed_forms::{on_circle, ordinary};
use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Inequality, Kind, Measure, Origin, Statement, Unevaluated,
};
use crate::claim::instances::{INVARIANT, digits_at, small};
use crate::claim::parallel::InParallel;

/// See the module's first line.
pub(super) struct Momentum;

static STATEMENT: Statement = Statement {
    id: "section-5-momentum",
    title: "Section 5, momentum",
    plain: "With momentum, too, the norms of scale-invariant weights never shrink.",
    formula: "heavy ball, moving average:  ‖w_{t+1}‖² - ‖w_t‖² = -2η_t b⟨w_t, m_t⟩ + η_t²‖m_{t+1}‖² ≥ η_t²‖m_{t+1}‖²,  \
              ⟨w_{t+1}, m_{t+1}⟩ = b⟨w_t, m_t⟩ - η_t‖m_{t+1}‖² ≤ 0",
    latex: &[
        r"\|w_{t+1}\|^2-\|w_t\|^2=-2\eta_tb\,\langle w_t,m_t\rangle+\eta_t^2\|m_{t+1}\|^2\ge\eta_t^2\|m_{t+1}\|^2",
        r"\langle w_{t+1},m_{t+1}\rangle=b\,\langle w_t,m_t\rangle-\eta_t\|m_{t+1}\|^2\le0\qquad\text{(heavy ball, moving average)}",
    ],
    printed_at: "section 5",
    kind: Kind::Inequality,
    origin: Origin::Paper,
    hypotheses: &[
        "F_z is scale invariant in w for every z",
        "m_0 = 0, b ≥ 0 (b < 1 is not needed), any η_t > 0",
        "Nesterov's momentum with the gradient at w_t, as libraries have it: η_t ≤ η_{t-1}(1+b)²/b",
    ],
    measured: "‖w_t‖² ≤ ‖w_{t+1}‖² at every step, and the increment itself, for heavy ball, moving average, Nesterov's \
               momentum in his form and with the gradient at w_t, b = 0.5, 0.9 and 0.99, under rates 0.01, 1, 100, \
               100/√(t+1) and drawn anew at every step from 1e-3 to 1e3: on eight closed forms (problem J is \
               stochastic), networks under eight normalisations, and the digits network with minibatches",
    tolerance: "rounding alone, carried along each run beside ⟨w_t, m_t⟩: the gradient is perpendicular up to 64u of \
                the whole gradient (Lemma 2.4, part 1), and each step and norm is computed with its count of roundings",
    does_not_show: "that the effective learning rate adapts as it does without momentum, or that momentum converges at \
                    the same rate: the paper leaves both open",
};

/// What is compared at every step.
#[derive(Clone, Copy, PartialEq)]
enum Compared {
    /// n_t <= n_{t+1}, and the increment.
    Both,
    /// n_t <= n_{t+1}.
    Norms,
    /// The increment, without what the memory adds to it.
    IncrementOfTheStepAlone,
}

/// One run.
struct Case<'a> {
    name: &'a str,
    loss: &'a dyn Loss,
    theta_0: &'a [f64],
    /// L of the module's doc comment, per block; 0 for networks, which do not converge here.
    curvature: Vec<f64>,
    eta_g: f64,
    steps: u64,
}

/// The smallest of some ratios seen.
#[derive(Clone, Copy)]
struct Least {
    /// (n_{t+1} - n_t)/n_t.
    relative: f64,
    /// (n_{t+1} - n_t)/||w_{t+1} - w_t||^2 where the increment is a million times its rounding; of the forms whose
    /// derivation bounds it by 1 from below, so not of Nesterov's own.
    of_step: f64,
}

impl Least {
    const NONE: Self = Self { relative: f64::INFINITY, of_step: f64::INFINITY };

    /// Takes one step of one block into account.
    fn look<S: Scalar>(&mut self, mover: Mover, seen: &Seen<S>) {
        let (grown, n) = ((seen.n_next - seen.n).value(), seen.n.value());
        self.relative = self.relative.min(grown / n);
        if matches!(mover, Mover::Rule(_)) && grown > 1e6 * seen.rounding {
            self.of_step = self.of_step.min(grown / seen.step_sq.value());
        }
    }

    fn and(self, other: Self) -> Self {
        Self { relative: self.relative.min(other.relative), of_step: self.of_step.min(other.of_step) }
    }
}

impl Claim for Momentum {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let steps = context.pick([60, 600, 6_000, 60_000]);
        let mut found = Vec::new();
        for instance in ordinary(steps)? {
            let curvature = instance.constants.l_vv.diag().to_vec();
            let (name, loss, theta_0) = (&instance.name, &*instance.loss, &instance.theta);
            let case = Case { name, loss, theta_0, curvature, eta_g: instance.eta_g_printed(), steps };
            found.extend(every_mover(&case, &[0.5, 0.9, 0.99], context)?);
        }
        let problem_j = ProblemJ::default();
        let (theta_0, radius) = (problem_j.theta_0(), problem_j.radius(1.0));
        let curvature = vec![problem_j.sample_constants(radius).l_vv[(0, 0)].0];
        let case = Case { name: "problem J", loss: &problem_j, theta_0: &theta_0, curvature, eta_g: 0.5, steps };
        found.extend(every_mover(&case, &[0.5, 0.9, 0.99], context)?);
        for (name, normalisation) in INVARIANT {
            let subject = small(name, normalisation, Activation::Tanh, context);
            let steps = context.pick([4, 40, 400, 2_000]);
            found.extend(on_network(name, &subject.network, &subject.theta, steps, context)?);
        }
        let digits = digits_at(512, context);
        let network = digits.network.with_minibatches(Minibatches::partition((0..512).collect(), 32)?);
        let steps = context.pick([4, 30, 300, 2_000]);
        found.extend(on_network(&digits.name, &network, &digits.theta, steps, context)?);

        let mut evidence = evidence_of(found);
        evidence.plots.push(figure::norms(context)?);
        Ok(evidence)
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "m_0 = w_0/2",
                breaks: "heavy ball starts with a momentum along w",
                run: |context| {
                    let rule = StepRule::HeavyBall { b: 0.9 };
                    broken(context, rule, Rates::Constant(0.1), Some(0.5), Compared::Norms)
                },
            },
            Control {
                name: "b = -1/2",
                breaks: "the momentum points backwards, while the rates fall",
                run: |context| {
                    let rule = StepRule::HeavyBall { b: -0.5 };
                    broken(context, rule, Rates::Given(&[10.0, 0.5]), None, Compared::Norms)
                },
            },
            Control {
                name: "weight decay on w",
                breaks: "w also decays, by 0.05·w a step",
                run: |context| {
                    let rule = StepRule::Decay { lambda: 0.5 };
                    broken(context, rule, Rates::Constant(0.1), None, Compared::Norms)
                },
            },
            Control {
                name: "Adam",
                breaks: "the step is divided, entry by entry, by a mean square of the gradient",
                run: |context| {
                    let rule = StepRule::Adam { b_1: 0.9, b_2: 0.999 };
                    broken(context, rule, Rates::Constant(0.1), None, Compared::Norms)
                },
            },
            Control {
                name: "sign descent",
                breaks: "the step is the sign of the gradient, entry by entry",
                run: |context| broken(context, StepRule::Sign, Rates::Constant(0.1), None, Compared::Norms),
            },
            Control {
                name: "no normalisation",
                breaks: "heavy ball on a network without normalisation, whose weights are not scale invariant",
                run: |context| {
                    let subject = small("no normalisation", Normalisation::None, Activation::Tanh, context);
                    let case = network_case(&subject.name, &subject.network, &subject.theta, 20);
                    let rule = Mover::Rule(StepRule::HeavyBall { b: 0.9 });
                    Ok(follow(&case, rule, Rates::Constant(0.1), None, Compared::Norms, context)?.0)
                },
            },
            Control {
                name: "Nesterov, a jump of the rate",
                breaks: "the gradient is taken at w_t and the learning rate jumps from 0.85 to 100, more than (1+b)²/b \
                         = 4.01 times",
                run: |context| {
                    let loss = TanhCircle::new(1.0);
                    let start = on_circle(0.1);
                    let case = Case {
                        name: "tanh circle",
                        loss: &loss,
                        theta_0: &start,
                        curvature: vec![1.0],
                        eta_g: 1.0,
                        steps: 3,
                    };
                    let rule = Mover::Rule(StepRule::Nesterov { b: 0.9 });
                    Ok(follow(&case, rule, Rates::Given(&[0.85, 100.0, 0.1]), None, Compared::Norms, context)?.0)
                },
            },
            Control {
                name: "no memory in the increment",
                breaks: "the increment is said to be ‖w_{t+1} - w_t‖² alone, as without momentum",
                run: |context| {
                    let rule = StepRule::HeavyBall { b: 0.9 };
                    broken(context, rule, Rates::Constant(0.1), None, Compared::IncrementOfTheStepAlone)
                },
            },
        ]
    }
}

/// theta_0 of the controls.
const START: [f64; 4] = [1.0, 0.5, -0.25, 2.0];

/// Heavy ball, or what stands in its place, on a Rayleigh quotient in R^4.
fn broken(
    context: &Context,
    rule: StepRule,
    rates: Rates,
    push: Option<f64>,
    compared: Compared,
) -> Result<Check, Unevaluated> {
    let loss = Rayleigh::equally_spaced(4);
    let curvature = vec![loss.constants().l_vv[(0, 0)].0];
    let case = Case { name: "Rayleigh in R^4", loss: &loss, theta_0: &START, curvature, eta_g: 1.0, steps: 50 };
    Ok(follow(&case, Mover::Rule(rule), rates, push, compared, context)?.0)
}

type Followed = (Check, Least);

/// Every form of momentum with every b, under every kind of rates; in parallel, collected in order.
fn every_mover(case: &Case<'_>, decays: &[f64], context: &Context) -> Result<Vec<Followed>, Unevaluated> {
    let rates =
        [Rates::Constant(0.01), Rates::Constant(1.0), Rates::Constant(100.0), Rates::Decaying(100.0), Rates::Drawn];
    let work: Vec<_> =
        decays.iter().flat_map(|&b| forms(b)).flat_map(|mover| rates.map(|rates| (mover, rates))).collect();
    work.in_parallel(|&(mover, rates)| follow(case, mover, rates, None, Compared::Both, context)).into_iter().collect()
}

/// All runs together.
fn evidence_of(found: Vec<Followed>) -> Evidence {
    let mut evidence = Evidence::default();
    let mut least = Least::NONE;
    for (check, one) in found {
        evidence.check.merge(check);
        least = least.and(one);
    }
    let note = "never below 0 by more than rounding";
    evidence.observe("smallest relative increment (‖w_{t+1}‖² - ‖w_t‖²)/‖w_t‖²", least.relative, note);
    let note = "1 at the first step, where m_0 = 0; never less, up to the part in a million that rounding may take";
    evidence.observe("smallest increment over ‖w_{t+1} - w_t‖², gradients at w_t", least.of_step, note);
    evidence
}

/// Every form of momentum.
fn forms(b: f64) -> [Mover; 4] {
    let [ball, ema, nesterov] =
        [StepRule::HeavyBall { b }, StepRule::Ema { b }, StepRule::Nesterov { b }].map(Mover::Rule);
    [ball, ema, nesterov, Mover::LookingAhead { b }]
}

fn network_case<'a>(name: &'a str, network: &'a Network, theta_0: &'a [f64], steps: u64) -> Case<'a> {
    let curvature = vec![0.0; network.parameters().n_blocks()];
    Case { name, loss: network, theta_0, curvature, eta_g: 0.05, steps }
}

fn on_network(
    name: &str,
    network: &Network,
    theta_0: &[f64],
    steps: u64,
    context: &Context,
) -> Result<Vec<Followed>, Unevaluated> {
    every_mover(&network_case(name, network, theta_0, steps), &[0.9], context)
}

/// Follows one run and compares every block at every step. `push` is m_0 as a multiple of theta_0.
fn follow(
    case: &Case<'_>,
    mover: Mover,
    rates: Rates,
    push: Option<f64>,
    compared: Compared,
    context: &Context,
) -> Result<Followed, Unevaluated> {
    let &Case { name, loss, theta_0, eta_g, steps, .. } = case;
    let layout = loss.parameters();
    let seed = context.seed.child(&format!("{name}/{mover}/{rates}"));
    let (mut draws, mut rate_draws, mut permutation) = (seed.generator("z"), seed.generator("rates"), Vec::new());
    let mut path = Path::new(loss, theta_0, mover, push, seed.generator("unused"))?;
    let mut precise =
        Precise::new((loss, theta_0), mover, (rates, eta_g), &case.curvature, (None, DoubleDouble::UNIT), &seed);
    let (mut check, mut least, mut eta) = (Check::new(), Least::NONE, f64::INFINITY);
    for t in 0..steps {
        eta = rates.at(t, eta * mover.growth(rates), &mut rate_draws);
        path.step(loss.minibatches().draw(&mut draws, &mut permutation), eta, eta_g)?;
        for (i, block) in layout.blocks().iter().enumerate() {
            let seen = path.look(i, case.curvature[i]);
            let Seen { n, n_next, .. } = seen;
            let at = format!("{name} · {mover}, {rates}, t = {t}, {}", block.name);
            if compared != Compared::IncrementOfTheStepAlone {
                // With m_0 along w the statement is another one.
                let replay = || if push.is_none() { precise.as_mut()?.norms(t, i) } else { None };
                let grows = Inequality { lhs: n, rhs: n_next, rounding: seen.rounding, scale: n.max(n_next) };
                check.replayed(&at, grows, replay);
            }
            if compared != Compared::Norms {
                let expected = if compared == Compared::Both { seen.increment } else { seen.step_sq };
                check.identity(format!("{at} (increment)"), (n_next - n - expected).abs(), seen.rounding);
            }
            least.look(mover, &seen);
        }
    }
    Ok((check, least))
}
