//! Equation (11): the growth of the squared norm pays for every squared gradient.
//!
//! It follows from Lemma 2.4 alone, n_{t+1} = n_t + (η²/n_t)‖∇_{v_t}L‖² and n_t ≤ n_T,
//! so that it needs no constant of the loss.

use ratecheck::bounds::{Constant, equation_11};
use ratecheck::descent::{Record, StepRule};
use ratecheck::loss::Loss;
use ratecheck::network::{Activation, Normalisation};
use ratecheck::rates::log_spaced;
use ratecheck::scalar::{DoubleDouble, Scalar};

use crate::claim::closed_forms::{ETA_W, ordinary};
use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Inequality, Kind, Measure, Origin, Statement, Unevaluated,
};
use crate::claim::instances::{INVARIANT, U, digits_at, small};
use crate::claim::parallel::InParallel;
use crate::claim::plot::{Axis, Plot, Series, Style};
use crate::claim::replay::{Recursion, Sides};
use crate::paper::gradient_descent::descend;

mod on_subject;

/// See the module's first line.
pub(super) struct Equation11;

static STATEMENT: Statement = Statement {
    id: "equation-11",
    title: "Equation (11)",
    plain: "Under a constant learning rate the squared gradients at the normalised weights sum to no more than what \
            the weights' squared norm has grown by, times its last value, over the squared rate.",
    formula: "Σ_{t<T} ‖∇_{v_t}L(V_t; g_t)‖² ≤ ‖w_T‖²(‖w_T‖² - ‖w_0‖²)/η_w²,   block by block",
    latex: &[
        r"\sum_{t<T}\|\nabla_{v_t}L(V_t;g_t)\|^2\le\frac{\|w_T\|^2\bigl(\|w_T\|^2-\|w_0\|^2\bigr)}{\eta_w^2}\quad\text{block by block}",
    ],
    printed_at: "section 3.1, equation (11)",
    kind: Kind::Inequality,
    origin: Origin::Paper,
    hypotheses: &["L is scale invariant in w", "gradient descent with a constant η_w > 0; any η_g"],
    measured: "every block at log-spaced horizons of runs with η_w from 1e-4 to 1e4: seven closed forms, small \
               networks under two normalisations, and the digits network (full batch)",
    tolerance: "rounding moves ‖w‖² in a step by at most u(4‖w‖² + 160‖w‖‖s‖ + 8‖s‖²) with s the step (three roundings \
                of every entry; ⟨w, ∇⟩ = 0 up to 64u, Lemma 2.4), and evaluating it at both ends by (d + 2)u each; \
                summed over t with Σ‖s‖² = ‖w_T‖² - ‖w_0‖² and multiplied by ‖w_T‖²/η_w², plus (d + T)u of the sum on \
                the left. At η_w = 1e-4 both sides agree to about that, and the run is replayed in double-double",
    does_not_show: "that the right-hand side stays bounded: that is what Lemma A.2 adds",
};

/// What the subject is.
#[derive(Clone, Copy, PartialEq)]
enum Variant {
    Printed,
    /// The right-hand side with ‖w_0‖² for its first factor.
    FirstNorm,
    /// Each block is brought back to its norm.
    Projected,
    /// The right-hand side less a part that f64 cannot see at the smallest rate.
    Smaller,
}

/// That part: at η_w = 1e-4 the sides differ by less, 1e-8 in the first steps, and the rounding of f64 is larger,
/// some 2e-7.
const SMALLER: f64 = 3e-8;

/// Measured over bound for one block at the last horizon of one run.
struct Ratio {
    instance: String,
    eta_w: f64,
    value: f64,
}

impl Claim for Equation11 {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let steps = context.pick([200, 2_000, 20_000, 200_000]);
        let mut check = Check::new();
        let mut ratios = closed_forms(&mut check, steps, &ETA_W, Variant::Printed, context)?;
        for (name, normalisation) in &INVARIANT[..2] {
            let name = format!("small network, {name}");
            let subject = small(&name, *normalisation, Activation::Tanh, context);
            debug_assert!(!matches!(normalisation, Normalisation::None));
            let steps = context.pick([30, 300, 3_000, 10_000]);
            ratios.extend(over_rates(&mut check, &name, &subject.network, &subject.theta, steps, context)?);
        }
        let digits = digits_at(context.pick([64, 256, 512, 1024]), context);
        let steps = context.pick([10, 60, 600, 3_000]);
        ratios.extend(over_rates(&mut check, &digits.name, &digits.network, &digits.theta, steps, context)?);

        let mut evidence = Evidence::new(check);
        let at_smallest = || ratios.iter().filter(|r| r.eta_w == ETA_W[0]).map(|r| r.value);
        evidence.observe(
            "measured/bound at η_w = 1e-4, smallest block",
            at_smallest().fold(f64::INFINITY, f64::min),
            "tends to 1 as η_w tends to 0",
        );
        evidence.observe(
            "measured/bound at η_w = 1e4, largest block",
            ratios.iter().filter(|r| r.eta_w == ETA_W[8]).map(|r| r.value).fold(0.0, f64::max),
            "the bound is loose once the first steps multiply the norm",
        );
        evidence.plots.push(plot(&ratios));
        Ok(evidence)
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "‖w_0‖² as the factor",
                breaks: "the growth is multiplied by ‖w_0‖² instead of ‖w_T‖²",
                run: |context| broken(context, &[0.1, 1.0], Variant::FirstNorm),
            },
            Control {
                name: "projected gradient descent",
                breaks: "each block is brought back to its norm after each step, so that nothing grows",
                run: |context| broken(context, &[0.1, 1.0], Variant::Projected),
            },
            Control {
                name: "a bound 3e-8 too small",
                breaks: "the right-hand side is multiplied by 1 - 3e-8, at η_w = 1e-4: in f64 that is rounding, only a \
                         replay sees it",
                run: |context| broken(context, &ETA_W[..1], Variant::Smaller),
            },
        ]
    }
}

fn broken(context: &Context, rates: &[f64], variant: Variant) -> Result<Check, Unevaluated> {
    let mut check = Check::new();
    closed_forms(&mut check, 200, rates, variant, context)?;
    Ok(check)
}

/// Every closed form under every rate, in parallel and collected in order.
fn closed_forms(
    check: &mut Check,
    steps: u64,
    rates: &[f64],
    variant: Variant,
    context: &Context,
) -> Result<Vec<Ratio>, Unevaluated> {
    let instances = ordinary(steps)?;
    let work: Vec<_> = instances.iter().flat_map(|i| rates.iter().map(move |&eta_w| (i, eta_w))).collect();
    let one = |&(i, eta_w): &(&crate::claim::closed_forms::Instance, f64)| {
        follow(&i.name, &*i.loss, &i.theta, eta_w, i.eta_g_printed(), steps, variant, context)
    };
    gather(check, work.in_parallel(one))
}

/// A network under every rate, with η_g = 0.05.
fn over_rates(
    check: &mut Check,
    name: &str,
    loss: &dyn Loss,
    theta_0: &[f64],
    steps: u64,
    context: &Context,
) -> Result<Vec<Ratio>, Unevaluated> {
    let one = |&eta_w: &f64| follow(name, loss, theta_0, eta_w, 0.05, steps, Variant::Printed, context);
    gather(check, ETA_W.in_parallel(one))
}

type Quotients = Result<(Check, Vec<Ratio>), Unevaluated>;

fn gather(check: &mut Check, found: Vec<Quotients>) -> Result<Vec<Ratio>, Unevaluated> {
    let mut ratios = Vec::new();
    for found in found {
        let (part, more) = found?;
        check.merge(part);
        ratios.extend(more);
    }
    Ok(ratios)
}

/// One run, compared at every horizon.
#[allow(clippy::too_many_arguments)] // a run has that many ingredients
fn follow(
    name: &str,
    loss: &dyn Loss,
    theta_0: &[f64],
    eta_w: f64,
    eta_g: f64,
    steps: u64,
    variant: Variant,
    context: &Context,
) -> Quotients {
    let rule = if variant == Variant::Projected { StepRule::Projected } else { StepRule::Gradient };
    let trace = descend(loss, theta_0, rule, [eta_w, eta_g], steps, log_spaced(1, steps, 12), context)?;
    let reading =
        Reading { variant, off_tangent: 64.0, replayed_up_to: u64::MAX, factor: context.factors.of(Constant::Growth) };
    compare(name, loss, theta_0, [eta_w, eta_g], &trace.records, reading)
}

/// How the records of a run are compared.
#[derive(Clone, Copy)]
struct Reading {
    variant: Variant,
    /// ⟨w, ∇⟩ is at most so many u‖w‖‖∇‖.
    off_tangent: f64,
    /// Longer runs are not replayed.
    replayed_up_to: u64,
    /// What the constant of the bound is multiplied by.
    factor: f64,
}

/// Both sides at every record, and their quotient at the last.
fn compare(
    name: &str,
    loss: &dyn Loss,
    theta_0: &[f64],
    [eta_w, eta_g]: [f64; 2],
    records: &[Record],
    Reading { variant, off_tangent, replayed_up_to, factor }: Reading,
) -> Quotients {
    let layout = loss.parameters();
    let (mut check, mut ratios) = (Check::new(), Vec::new());
    let mut precise = Precise::new(loss, theta_0);
    for (k, record) in records.iter().enumerate() {
        for (i, block) in layout.blocks().iter().enumerate() {
            let n_start = layout.w_norm_sq(theta_0, i);
            let (sum, n_end) = (sums(record)?[i], record.w_norm_sq[i]);
            let last = if variant == Variant::FirstNorm { n_start } else { n_end };
            let part = factor * if variant == Variant::Smaller { 1.0 - SMALLER } else { 1.0 };
            let rhs = part * (equation_11(eta_w, n_start, n_end) / n_end * last);
            let rounding = rounding(record.t, block.range.len(), [n_start, n_end], eta_w, sum, off_tangent);
            let scale = sum.max(rhs);
            let at = format!("{name} · η_w = {eta_w:e}, T = {}, {}", record.t, block.name);
            check.replayed(at, Inequality { lhs: sum, rhs, rounding, scale }, || {
                if !matches!(variant, Variant::Printed | Variant::Smaller) || record.t > replayed_up_to {
                    return None;
                }
                let [sum, rhs] = precise.as_mut()?.at(record.t, i, eta_w, eta_g)?;
                Some(Sides::counted(sum, rhs.scale(part), rounding))
            });
            if k + 1 == records.len() {
                ratios.push(Ratio { instance: name.to_owned(), eta_w, value: sum / rhs });
            }
        }
    }
    Ok((check, ratios))
}

/// The same run in double-double, as far as it was asked for. Vectors have an entry per block.
struct Precise<'a> {
    run: Recursion<'a>,
    n_start: Vec<DoubleDouble>,
    /// The left-hand sides.
    sums: Vec<DoubleDouble>,
    t: u64,
}

impl<'a> Precise<'a> {
    fn new(loss: &'a dyn Loss, theta_0: &[f64]) -> Option<Self> {
        let run = Recursion::new(loss, theta_0)?;
        let n_start = run.norms();
        let sums = vec![DoubleDouble::ZERO; n_start.len()];
        Some(Self { run, n_start, sums, t: 0 })
    }

    /// Both sides of block i at T = `end`, which does not fall from call to call.
    fn at(&mut self, end: u64, i: usize, eta_w: f64, eta_g: f64) -> Option<[DoubleDouble; 2]> {
        while self.t < end {
            self.run.look_at_mean()?;
            for (i, sum) in self.sums.iter_mut().enumerate() {
                // Lemma 2.2: the gradient at the normalised weights.
                *sum += self.run.w_norm_sq(i) * self.run.grad_w_sq(i);
            }
            self.run.step(eta_w, eta_g);
            self.t += 1;
        }
        Some([self.sums[i], equation_11(eta_w, self.n_start[i], self.run.w_norm_sq(i))])
    }
}

fn sums(record: &Record) -> Result<&[f64], Unevaluated> {
    let sums = record.running.as_ref().ok_or_else(|| Unevaluated("no running sums".to_owned()))?;
    Ok(&sums.sum_grad_v_sq_by_block)
}

/// See `tolerance` in the statement. Σ_t ‖w_t‖‖s_t‖ ≤ ‖w_T‖ √(T Σ‖s_t‖²) by Cauchy and Schwarz.
fn rounding(t: u64, d: usize, [n_start, n_end]: [f64; 2], eta_w: f64, sum: f64, off_tangent: f64) -> f64 {
    let (t, d) = (t as f64, d as f64);
    let steps_sq = (n_end - n_start).max(0.0);
    let path = t * 4.0 * n_end + (2.0 * off_tangent + 32.0) * (n_end * t * steps_sq).sqrt() + 8.0 * steps_sq;
    let ends = (d + 2.0) * (n_start + n_end);
    U * ((path + ends) * n_end / (eta_w * eta_w) + (d + t) * sum)
}

/// Measured over bound at the last horizon, the largest block of every instance.
fn plot(ratios: &[Ratio]) -> Plot {
    let mut names: Vec<&str> = Vec::new();
    for ratio in ratios {
        if !names.contains(&ratio.instance.as_str()) {
            names.push(&ratio.instance);
        }
    }
    let series = ["Rayleigh in R^10", "BN regression", "helix valley a = 1/2", "digits 64-16-16-10"];
    let largest = |name: &str, eta_w: f64| {
        let these = ratios.iter().filter(|r| r.instance == name && r.eta_w == eta_w);
        these.map(|r| r.value).fold(0.0, f64::max)
    };
    Plot {
        id: "ratio".to_owned(),
        title: "Equation (11) is an equality for small learning rates".to_owned(),
        caption: "The sum of squared gradients over its bound at the last horizon, for the block where it is largest. \
                  It never exceeds 1, tends to 1 as the learning rate tends to 0, and falls once the norm grows in a \
                  few large steps."
            .to_owned(),
        x: Axis::log("learning rate η_w"),
        y: Axis::log("Σ‖∇_v L‖² / bound"),
        series: series
            .iter()
            .filter(|name| names.contains(name))
            .map(|name| Series::new(*name, Style::Line, ETA_W.map(|e| [e, largest(name, e)]).to_vec()))
            .collect(),
        references: Vec::new(),
        window: None,
        noise_floor: None,
    }
}
