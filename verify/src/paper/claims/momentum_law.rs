//! The effective-rate law under momentum: with heavy ball of parameter b, (eta/(1-b))/||w_T||^2 -> 1/sqrt(2 q T),
//! whatever eta and b are. Derived here; section 5 of the paper leaves open what momentum does to the effective rate.
//!
//! Heavy ball: m_{t+1} = b m_t + grad F_z(w_t), w_{t+1} = w_t - eta m_{t+1}, m_0 = 0. Since w_t is perpendicular to the
//! gradient, <w_t, m_{t+1}> = b <w_t, m_t> and <w_t, m_t> = <w_{t-1}, m_t> - eta ||m_t||^2 (claim
//! `section-5-momentum`), so that, exactly,
//!
//!   n_{t+1} = n_t + eta^2 ||m_{t+1}||^2 + 2 eta^2 sum_{s=1..t} b^(t+1-s) ||m_s||^2.
//!
//! Suppose that theta~_t tends to a minimiser where the gradients of minibatches are uncorrelated, with q = E||grad_v
//! F||^2 > 0, and that n changes little within the memory 1/(1-b). Then E||m||^2 = q/(n (1-b^2)), and a step adds
//!
//!   eta^2 (q/(n (1-b^2))) (1 + 2 (b + b^2 + ..)) = eta^2 (q/(n (1-b^2))) (1+b)/(1-b) = (eta/(1-b))^2 q/n
//!
//! to n in the mean: what a step without momentum adds at the rate eta/(1-b). So n_T^2 = n_0^2 + 2 (eta/(1-b))^2 q T,
//! and the law follows as in claim `effective-rate-law`. What is left out are relative parts of e_T: with eta' =
//! eta/(1-b), n_0^2/(4 eta'^2 q T) for the start, some eta'^2 ||grad_v F_0||^4/(4 n_0^2 q T) for the first steps, and
//! 1/(2 T (1-b)) for the change of n within the memory. So b = 0.9 at eta = 10, where eta' = 100 and ||grad_v F_0||^4
//! is 3 in the mean, needs T = 1e6: at 1e5 a tenth is missing. For b = 0.99 the transient is as long.

mod on_subject;

use ratecheck::descent::{Plan, Schedule, StepRule};
use ratecheck::random::Seed;
use ratecheck::rates::log_spaced;

use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Profile, Statement, Unevaluated,
};
use crate::claim::plot::{Plot, Reference};
use crate::claim::sampled_test::{Design, Quantity, SampledTest, Side};
use crate::paper::sgd::laws::effective_rate;
use crate::paper::sgd::problem_j::{Q, runs};
use crate::paper::sgd::teacher_neuron::{self, teacher_neuron};
use crate::paper::sgd::{LEVEL, Table, curve};

/// See the module's first line.
pub(super) struct MomentumLaw;

static STATEMENT: Statement = Statement {
    id: "momentum-law",
    title: "The effective-rate law under momentum",
    plain: "With momentum b the effective learning rate tends to what it tends to without, if the learning rate is \
            counted as η/(1-b).",
    formula: "(η/(1-b))/‖w_T‖² · √(2qT) → 1,   q = E‖∇_v F_z‖² at the minimiser",
    latex: &[
        r"\frac{\eta/(1-b)}{\|w_T\|^2}\,\sqrt{2qT}\to1,\qquad q=\mathbb{E}\|\nabla_vF_z\|^2\;\text{at the minimiser}",
    ],
    printed_at: "not in the paper: section 5 says that norms grow with momentum, too, and leaves the rate open",
    kind: Kind::Rate,
    origin: Origin::Derived,
    hypotheses: &[
        "heavy ball with constant η and b, m_0 = 0; θ̃_t tends to a minimiser in the mean (problem J, η_{g,t} = \
         (t+1)^(-1/2)/2)",
        "the gradients of minibatches are uncorrelated there, and q > 0 (q = 3/4, exact for problem J)",
        "T is far above 1/(1-b)²",
    ],
    measured: "(η/(1-b))·√(2qT)/‖w_T‖² over 16 runs of problem J for b = 0, 0.5 and 0.9 at η = 1, and b = 0.9 at η = \
               0.1; T = 1e5. Standard and full: the same of a neuron on a teacher's data in minibatches, b = 0.9, η = \
               1, with the q of every run's last quarter",
    tolerance: "2%, by Student's interval at level 1 - 1e-8: start and first steps are at most 0.1% of e_T there \
                (η/(1-b) = 10), the memory less,, and what the iterates' own gradient adds to q is e_T·tr(HΣ)/(2q), \
                another 0.1%; 10% for the neuron, what its premises may be off by together",
    does_not_show: "the law for b = 0.99, which needs T far above 1e5 (the plot shows it), or under Nesterov's \
                    momentum or Adam; nor on networks with hidden layers or the digits, whose drift outlasts what a \
                    claim can run",
};

const LAW: f64 = 0.02;
const RUNS: usize = 16;
const T: u64 = 100_000;
/// Of the teacher neuron.
const TEACHER_ETA: f64 = 1.0;
/// (b, eta).
const CASES: [[f64; 2]; 4] = [[0.0, 1.0], [0.5, 1.0], [0.9, 1.0], [0.9, 0.1]];
/// T of the controls, which are far off.
const CONTROL: u64 = 20_000;

/// How eta is counted, as a function of b.
type Count = fn(f64) -> f64;
const STATED: Count = |b| 1.0 / (1.0 - b);

impl Claim for MomentumLaw {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut evidence = Evidence::default();
        let mut series = Vec::new();
        for [b, eta] in CASES {
            let table = effective_rates(StepRule::HeavyBall { b }, [b, eta], T, STATED, &context.seed)?;
            let ratio = effective_rate(&mut evidence.check, &format!("b = {b} · η = {eta}, T = {T}"), &table, Q, LAW)?;
            let i = ratio.interval(0.95);
            let note = format!("95% over {RUNS} runs of T = {T}");
            evidence.observe_interval(
                format!("(η/(1-b))·√(2qT)/n_T, b = {b}, η = {eta}"),
                ratio.value,
                [i.low, i.high],
                note,
            );
            series.push(curve(format!("b = {b}, η = {eta}"), &table, false)?);
        }
        if context.profile > Profile::Test {
            let [b, eta] = [0.99, 1.0];
            let table = effective_rates(StepRule::HeavyBall { b }, [b, eta], T, STATED, &context.seed)?;
            series.push(curve(format!("b = {b}, η = {eta}"), &table, false)?);
        }
        if context.profile > Profile::Quick {
            let (check, ratio) = on_subject::in_its_block(&teacher_neuron()?, [TEACHER_ETA, 1.0], (T, true), context)?;
            evidence.check.merge(check);
            let note =
                format!("b = 0.9, η = {TEACHER_ETA}, {} runs of T = {T}, each with its own q", teacher_neuron::RUNS);
            evidence.observe("(η/(1-b))·√(2qT)/n_T, teacher neuron 8-1", ratio, note);
        }
        evidence.plots.push(plot(series));
        Ok(evidence)
    }

    fn sampled_tests(&self, context: &Context) -> Result<Vec<SampledTest>, Unevaluated> {
        let (quantity, side) = (Quantity::Number, Side::Equivalent);
        let design = Design { quantity, side, target: 1.0, margin: LAW, n_runs: RUNS, t: vec![T as f64] };
        let mut tests = vec![SampledTest::of_rate("(η/(1-b))·√(2qT)/n_T", CASES.len(), LEVEL, design.clone())];
        if context.profile > Profile::Quick {
            let teacher = Design { margin: on_subject::LAW, n_runs: teacher_neuron::RUNS, ..design };
            tests.push(SampledTest::of_rate("(η/(1-b))·√(2qT)/n_T, teacher neuron", 1, LEVEL, teacher));
        }
        Ok(tests)
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "η for η/(1-b)",
                breaks: "the learning rate is counted as without momentum, b = 0.5: the ratio is a half",
                run: |context| broken(StepRule::HeavyBall { b: 0.5 }, [0.5, 1.0], |_| 1.0, Q, CONTROL, context),
            },
            Control {
                name: "η/√(1-b²)",
                breaks: "the momentum's own variance is counted, and not its memory, b = 0.9: the ratio is 0.23",
                run: |context| {
                    let count: Count = |b| 1.0 / (1.0 - b * b).sqrt();
                    broken(StepRule::HeavyBall { b: 0.9 }, [0.9, 1.0], count, Q, CONTROL, context)
                },
            },
            Control {
                name: "moving average",
                breaks: "the momentum is (1-b) times as large, and the law is that of η itself",
                run: |context| broken(StepRule::Ema { b: 0.9 }, [0.9, 1.0], STATED, Q, CONTROL, context),
            },
            Control {
                name: "η for η/(1-b), teacher neuron",
                breaks: "the learning rate of the neuron is counted as without momentum: the ratio is a tenth",
                run: |context| {
                    let factor = 1.0 / STATED(0.9);
                    Ok(on_subject::in_its_block(&teacher_neuron()?, [TEACHER_ETA, factor], (CONTROL, false), context)?
                        .0)
                },
            },
            Control {
                name: "10 % more noise",
                breaks: "the law with q = 1.1·3/4, which moves it by 4.9 %, b = 0.9",
                run: |context| broken(StepRule::HeavyBall { b: 0.9 }, [0.9, 1.0], STATED, 1.1 * Q, T, context),
            },
        ]
    }
}

fn broken(
    rule: StepRule,
    case: [f64; 2],
    count: Count,
    q: f64,
    n_steps: u64,
    context: &Context,
) -> Result<Check, Unevaluated> {
    let table = effective_rates(rule, case, n_steps, count, &context.seed)?;
    let mut check = Check::new();
    effective_rate(
        &mut check,
        &format!("b = {} · η counted {:.2} times, q = {q:.3}", case[0], count(case[0])),
        &table,
        q,
        LAW,
    )?;
    Ok(check)
}

/// The effective rate, with eta as it is counted, of [`RUNS`] runs without looking at L.
fn effective_rates(
    rule: StepRule,
    [b, eta]: [f64; 2],
    n_steps: u64,
    count: Count,
    seed: &Seed,
) -> Result<Table, Unevaluated> {
    let plan = Plan::new(rule, Schedule::constant(eta)?, Schedule::new(0.5, 0.5)?, n_steps, log_spaced(1, n_steps, 40));
    let traces = runs(&plan, RUNS, &seed.child(&format!("law/{b}/{eta}")))?;
    let records = traces.iter().flat_map(|trace| &trace.records);
    let values = records.map(|record| count(b) * record.effective_lr[0]).collect();
    Ok(Table { t: plan.horizons().iter().map(|&t| t as f64).collect(), values })
}

fn plot(series: Vec<crate::claim::plot::Series>) -> Plot {
    let references = vec![Reference { name: "1/√(2qt)".to_owned(), slope: -0.5, through: [1.0, (0.5 / Q).sqrt()] }];
    let caption = "Problem J under heavy ball: the effective learning rate with η counted as η/(1-b) ends on the curve \
                   of plain SGD, which contains neither η nor b. The more memory, the later.";
    let (x, y) = ("t", "(η/(1-b))/‖w_t‖²");
    let plot = Plot::log_log("momentum", "Momentum is a learning rate 1/(1-b) times as large", caption, x, y);
    Plot { series, references, ..plot }
}
