//! End of section 2.5: a larger start is a smaller learning rate. (C w_0, eta) and (w_0, eta/C^2) walk the same way.

use ratecheck::descent::{Schedule, StepRule, Stepper};
use ratecheck::loss::{Minibatches, Setting};
use ratecheck::network::{Activation, Network};
use ratecheck::parameters::norm_sq;
use ratecheck::rates::log_spaced;
use ratecheck::scalar::{DoubleDouble, Scalar};

use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Statement, SubjectControl, Unevaluated,
};
use crate::claim::instances::{FILTERS, INVARIANT, SMOOTHED_BN, U, digits_at, filters, small};
use crate::claim::parallel::InParallel;
use crate::claim::plot::{Axis, Plot, Series, Style};
use crate::claim::precise::{Evaluator, length};
use crate::claim::subject::{Premise, Subject};
use crate::paper::visits::{Visited, observe, of_norm_two, size_at_unit, visited, with_rate_of_g};

/// See the module's first line.
pub(super) struct Initialisation;

static STATEMENT: Statement = Statement {
    id: "section-2.5-initialisation",
    title: "Section 2.5, initialisation",
    plain: "Multiplying the initial weights by C has the same effect as dividing their learning rate by C².",
    formula: "(C·w₀, η) and (w₀, η/C²) give w′_t = C·w_t and g′_t = g_t for all t",
    latex: &[
        r"(C\,w_0,\;\eta)\;\text{and}\;(w_0,\;\eta/C^2)\;\text{give}\;w'_t=C\,w_t\;\text{and}\;g'_t=g_t\;\text{for all } t",
    ],
    printed_at: "section 2.5, last paragraph",
    kind: Kind::Identity,
    origin: Origin::Paper,
    hypotheses: &["F_z is scale invariant in every block", "all blocks share C and η"],
    measured: "two whole runs of SGD on networks under eight normalisations, on two with layers of filters and \
               pooling, and on the digits network, for C = 4 and 1/2 bit for bit, and for C = 3 one step at a time \
               from the same direction",
    tolerance: "C = 4, 1/2: none, multiplication by powers of two commutes with rounding; C = 3: 256u relative to ‖w′‖ \
                and ‖g′‖, the roundings of one gradient and one step",
    does_not_show: "anything about momentum or weight decay on w, which change the equivalence",
};

impl Claim for Initialisation {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let steps = context.pick([10, 50, 200, 2000]);
        let mut check = Check::new();
        let digits = digits_at(512, context);
        let minibatches = Minibatches::partition((0..512).collect(), 32)?;
        let mut subjects = vec![(digits.name, digits.network.with_minibatches(minibatches), digits.theta)];
        for (name, normalisation) in INVARIANT {
            let subject = small(name, normalisation, Activation::Softplus, context);
            subjects.push((subject.name, subject.network, subject.theta));
        }
        for (name, normalisation, activation) in FILTERS {
            let subject = filters(name, normalisation, activation, context);
            let minibatches = Minibatches::partition((0..32).collect(), 16)?;
            subjects.push((subject.name, subject.network.with_minibatches(minibatches), subject.theta));
        }
        let mut losses = None;
        for (name, network, theta) in &subjects {
            for c in [4.0, 0.5, 3.0] {
                let seen = follow(&mut check, (name, network, theta), c, c * c, steps, context)?;
                if c == 4.0 && name == SMOOTHED_BN.0 {
                    losses = Some((network, theta, seen));
                }
            }
        }
        let mut evidence = Evidence::new(check);
        if let Some((network, theta, equivalent)) = losses {
            let on = (SMOOTHED_BN.0, network, &theta[..]);
            let [unchanged, halfway] =
                [1.0, 4.0].map(|divisor| follow(&mut Check::new(), on, 4.0, divisor, steps, context));
            evidence.plots.push(plot(equivalent, unchanged?, halfway?));
        }
        Ok(evidence)
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "η unchanged",
                breaks: "the learning rate is not divided",
                run: |context| broken(context, 1.0),
            },
            Control {
                name: "η/C",
                breaks: "the learning rate is divided by C instead of C²",
                run: |context| broken(context, 4.0),
            },
        ]
    }
}

impl Measure for Initialisation {
    fn needs(&self) -> &'static [Premise] {
        &[]
    }

    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated> {
        let runs = visited(subject, subject.steps(0.1, context.profile), context)?;
        let mut evidence = Evidence::new(at_all(subject, &runs, |c| c * c));
        observe(&mut evidence, subject, &runs);
        Ok(evidence)
    }

    fn controls(&self) -> Vec<SubjectControl> {
        vec![
            SubjectControl {
                name: "η unchanged",
                breaks: "the learning rate is not divided",
                run: |subject, context| Some(first_steps(&of_norm_two(subject), |_| 1.0, context)),
            },
            SubjectControl {
                name: "η/C",
                breaks: "the learning rate is divided by C instead of C²",
                run: |subject, context| Some(first_steps(&of_norm_two(subject), |c| c, context)),
            },
            SubjectControl {
                name: "weight decay in the loss",
                breaks: "F + ‖W‖²/20 instead of F",
                run: |subject, context| {
                    let decayed = with_rate_of_g(subject).decayed(0.1);
                    Some(first_steps(&decayed, |c| c * c, context))
                },
            },
        ]
    }
}

fn first_steps(subject: &Subject, divisor: fn(f64) -> f64, context: &Context) -> Result<Check, Unevaluated> {
    Ok(at_all(subject, &visited(subject, 3, context)?, divisor))
}

fn at_all(subject: &Subject, runs: &[Visited], divisor: fn(f64) -> f64) -> Check {
    let mut all = Check::new();
    let checks: Vec<Check> = runs.in_parallel(|run| along(subject, run, divisor));
    checks.into_iter().for_each(|check| all.merge(check));
    all
}

/// A step of (C w_t, eta) beside one of (w_t, eta / divisor(C)) from the points along a user's run, with as many digits
/// as the loss has. Rounding moves a gradient at W by the unit times s/||w_i||, where s is the size of identities at
/// theta~ (Lemma 2.2): with eta and both steps that is 2 eta s/(C ||w_i||) of w'_i, and as a part of its length what
/// the gap is compared with; the step itself adds a few roundings. For g it is 2 eta_g s.
fn along(subject: &Subject, run: &Visited, divisor: fn(f64) -> f64) -> Check {
    let (mut check, mut evaluator, layout) = (Check::new(), Evaluator::new(&*subject.loss), subject.layout());
    for visit in &run.list {
        let small: Vec<DoubleDouble> = visit.theta.iter().map(|&x| x.into()).collect();
        let at_small = evaluator.gradient(&visit.z, &small);
        let size = size_at_unit(&*subject.loss, &visit.z, &visit.theta);
        for c in [4.0, 0.5, 3.0] {
            let large = evaluator.scaled(&visit.theta, 0..layout.g().start, c);
            let at_large = evaluator.gradient(&visit.z, &large);
            // In double-double: eta/9 is no number of f64.
            let (factor, rate) = (DoubleDouble::from(c), DoubleDouble::from(run.eta_w) / divisor(c).into());
            let at = format!("{} · C = {c}, η = {}, t = {}", subject.name, run.eta_w, visit.t);
            for block in layout.blocks() {
                let (mut gap, mut expected) = (Vec::new(), Vec::new());
                for k in block.range.clone() {
                    let next = factor * (small[k] - rate * at_small.grad[k]);
                    gap.push(large[k] - at_large.grad[k].scale(run.eta_w) - next);
                    expected.push(next);
                }
                let reach = 2.0 * run.eta_w * size / length(&large[block.range.clone()]);
                let error = length(&gap) / (length(&expected) + reach);
                check.identity(format!("{at}, {}, relative", block.name), error, 4.0 * evaluator.unit);
            }
            let gap: Vec<DoubleDouble> =
                layout.g().map(|k| (at_small.grad[k] - at_large.grad[k]).scale(run.eta_g)).collect();
            let reach = length(&small[layout.g()]) + 2.0 * run.eta_g * size;
            check.identity(format!("{at}, g, relative"), length(&gap) / reach, 4.0 * evaluator.unit);
        }
    }
    check
}

/// The losses of both runs before every step, as (t + 1, F).
type Losses = [Vec<[f64; 2]>; 2];

/// Runs (C w_0, eta) beside (w_0, eta / divisor), with eta = 1.
fn follow(
    check: &mut Check,
    (name, network, theta_0): (&str, &Network, &[f64]),
    c: f64,
    divisor: f64,
    steps: u64,
    context: &Context,
) -> Result<Losses, Unevaluated> {
    let layout = network.parameters();
    let mut losses = [Vec::new(), Vec::new()];
    let scaled = |theta: &[f64]| {
        let mut theta = theta.to_vec();
        theta[..layout.g().start].iter_mut().for_each(|x| *x *= c);
        theta
    };
    let schedule = Schedule::new;
    let eta_g = schedule(0.05, 0.5)?;
    let generator = || context.generator(&format!("{name}/{c}"));
    let mut large =
        Stepper::new(network, &scaled(theta_0), StepRule::Gradient, schedule(1.0, 0.25)?, eta_g, generator());
    let mut small =
        Stepper::new(network, theta_0, StepRule::Gradient, schedule(1.0 / divisor, 0.25)?, eta_g, generator());
    let bitwise = c.log2().fract() == 0.0;
    for t in 0..steps {
        if !bitwise {
            // Both from the same direction, so that the roundings of one step are all there is.
            large.restart(&scaled(small.theta()), t);
        }
        for (stepper, losses) in [&mut large, &mut small].into_iter().zip(&mut losses) {
            losses.push([t as f64 + 1.0, stepper.step()?.loss]);
        }
        let expected = scaled(small.theta());
        let gap: Vec<f64> = expected.iter().zip(large.theta()).map(|(x, y)| x - y).collect();
        let at = format!("{name} · C = {c}, t = {t}");
        for block in layout.blocks() {
            compare(
                check,
                format!("{at}, {}", block.name),
                &gap[block.range.clone()],
                &expected[block.range.clone()],
                bitwise,
            );
        }
        compare(check, format!("{at}, g"), &gap[layout.g()], &expected[layout.g()], bitwise);
    }
    Ok(losses)
}

/// The losses from both starts at the rates of the statement, and from the smaller start at other rates.
fn plot(equivalent: Losses, unchanged: Losses, halfway: Losses) -> Plot {
    let ([large, small], [_, unchanged], [_, halfway]) = (equivalent, unchanged, halfway);
    let shown = log_spaced(1, large.len().max(2) as u64, 20);
    let dots = large.into_iter().filter(|p| shown.binary_search(&(p[0] as u64)).is_ok());
    let mut plot = Plot::log_log(
        "loss",
        "Weights four times as large walk like a learning rate sixteen times as small",
        "The loss of the small network under smoothed BN along runs of gradient descent. The dots of the start 4w_0 at \
         the rate η lie on the line of the start w_0 at η/16, bit for bit; from w_0 with η as it was, or with η/4, the \
         loss goes other ways.",
        "steps t + 1",
        "F(θ_t)",
    );
    plot.y = Axis::linear("F(θ_t)");
    plot.series = vec![
        Series::new("w_0, η", Style::Line, unchanged),
        Series::new("w_0, η/4", Style::Line, halfway),
        Series::new("w_0, η/16", Style::Line, small),
        Series::new("4w_0, η", Style::Points, dots.collect()),
    ];
    plot
}

fn compare(check: &mut Check, at: String, gap: &[f64], expected: &[f64], bitwise: bool) {
    let error = norm_sq(gap).sqrt();
    if bitwise {
        check.exactly(at, error, 0.0);
    } else {
        check.identity(at, error, 256.0 * U * norm_sq(expected).sqrt());
    }
}

fn broken(context: &Context, divisor: f64) -> Result<Check, Unevaluated> {
    let mut check = Check::new();
    let subject = small("smoothed BN row", SMOOTHED_BN.1, Activation::Softplus, context);
    follow(&mut check, ("smoothed BN row", &subject.network, &subject.theta), 4.0, divisor, 5, context)?;
    Ok(check)
}
